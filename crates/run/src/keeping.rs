//! What is taken away from the target is moved into the mailbox of the day, and days that are over
//! go (`docs/design/keeping.md`).

use mailferry_engine::account::MailboxDeletion;
use mailferry_engine::fault::{Fault, FaultKind, Scope, Side};
use mailferry_engine::keeping::KeepingPlan;
use mailferry_engine::listing::MessageListing;
use mailferry_engine::message::{Key, Uid};
use mailferry_engine::name::MailboxName;
use mailferry_store::contract::{AsListed, Moved, Selection, Source, Target};

use crate::accounts::Accounts;
use crate::events::{Event, EventSink, Leaving};
use crate::mailbox::{Progress, Task};
use crate::patience::Patience;
use crate::report::Report;
use crate::survey::listed;
use crate::workers::Shared;

/// How often a mailbox is emptied in which more mail arrives meanwhile.
const ROUNDS_MAX: usize = 3;

/// Messages that leave a mailbox of the target.
pub(crate) struct Departure<'a> {
    pub(crate) from: AsListed<'a>,
    pub(crate) to: &'a MailboxName,
    pub(crate) messages: Vec<Leaving>,
}

impl Departure<'_> {
    /// Moves them. That they are to go is written down before.
    ///
    /// # Errors
    /// One of the connection, or of the mailbox: nothing of it was moved for sure.
    pub(crate) async fn carry_out<T: Target>(
        &self,
        target: &mut T,
        events: &dyn EventSink,
    ) -> Result<Moved, Fault> {
        let Self { from, to, messages } = self;
        let (mailbox, uid_validity) = (from.mailbox, from.uid_validity);
        events.on(&Event::Leaving { mailbox, uid_validity, to, messages });
        let uids: Vec<Uid> = messages.iter().map(|message| message.uid).collect();
        let moved = target.move_messages(*from, &uids, to).await?;
        for &(uid, to_uid) in &moved.gone {
            let to_uid_validity = moved.uid_validity;
            events.on(&Event::Moved { mailbox, uid, to, to_uid, to_uid_validity });
        }
        Ok(moved)
    }
}

impl Task<'_> {
    /// The same as [`Task::remove`], but that nothing is lost.
    pub(crate) async fn move_away<T: Target>(
        &self,
        target: &mut T,
        to: &MailboxName,
        progress: &mut Progress,
    ) -> Result<(), Fault> {
        let listing = &self.listings.target;
        let keys = self.plan.delete.iter().zip(&self.listings.removal_keys);
        let leaving = keys.map(|(deletion, &key)| {
            let at = listing.position(deletion.uid);
            Leaving {
                uid: deletion.uid,
                key,
                octets: at.map_or(0, |at| listing.size[at]),
                date: at.and_then(|at| listing.date[at].instant()),
            }
        });
        let messages: Vec<Leaving> = leaving.collect();
        let count = messages.len() as u64;
        let from = listed(&self.plan.target, listing);
        match (Departure { from, to, messages }).carry_out(target, self.events).await {
            Ok(moved) => {
                progress.done.moved += moved.gone.len() as u64;
                progress.done.delete_failed += moved.stayed.len() as u64;
                for (_, fault) in moved.stayed {
                    self.note_fault(not_moved(fault), progress);
                }
                Ok(())
            }
            Err(fault) if fault.scope <= Scope::Mailbox => {
                progress.done.delete_failed += count;
                self.note_fault(fault, progress);
                Ok(())
            }
            Err(fault) => Err(fault),
        }
    }
}

/// Whatever the reason, it is a removal that did not happen.
fn not_moved(fault: Fault) -> Fault {
    let words = format!("not moved, so it stays: {}", fault.words);
    Fault { words, ..fault }
}

impl<A: Accounts> Shared<A> {
    /// Where messages go that are taken away; `None` where they are removed.
    pub(crate) fn kept_in(&self) -> Option<&MailboxName> {
        self.plan.keeping.as_ref().map(|keeping| &keeping.mailbox)
    }

    /// Has the mailbox of the day there, where one is wanted; whether it is.
    pub(crate) async fn prepare_keeping(
        &self,
        target: &mut A::Target,
        report: &mut Report,
    ) -> bool {
        let Some(keeping) = self.plan.keeping.as_ref().filter(|it| !it.create.is_empty()) else {
            return true;
        };
        let mut patience = Patience::new(self.execution.job.limits.reconnect);
        let faults = loop {
            match create(target, keeping).await {
                Ok((created, faults)) => {
                    for name in created {
                        self.execution.events.on(&Event::Created(&name));
                        report.created.push(name);
                    }
                    break faults;
                }
                Err(fault) => {
                    if !self.execution.reopen(target, &fault, &mut patience, report).await {
                        break vec![fault];
                    }
                }
            }
        };
        let is_there = faults.is_empty();
        faults.into_iter().for_each(|fault| self.execution.note(fault, report));
        is_there
    }

    /// Empties a mailbox that is to be deleted.
    ///
    /// # Errors
    /// Something stays in it, or the connection is of no more use.
    pub(crate) async fn empty(
        &self,
        target: &mut A::Target,
        (mailbox, to): (&MailboxName, &MailboxName),
        report: &mut Report,
    ) -> Result<(), Fault> {
        for _ in 0..ROUNDS_MAX {
            let all = Selection::default();
            let listing = target.messages(mailbox, &all, &self.execution.job.keys).await?;
            if listing.is_empty() {
                return Ok(());
            }
            let from = listed(mailbox, &listing);
            let departure = Departure { from, to, messages: leaving(&listing) };
            let moved = departure.carry_out(target, &*self.execution.events).await?;
            report.moved_with_mailboxes += moved.gone.len() as u64;
            if let Some((_, fault)) = moved.stayed.into_iter().next() {
                let words = format!("its messages cannot be moved, so it stays: {}", fault.words);
                let fault = Fault::new(Side::Target, FaultKind::DeleteMailbox, words);
                return Err(fault.in_mailbox(mailbox));
            }
        }
        let words = "mail goes on arriving in it, so it stays";
        Err(Fault::new(Side::Target, FaultKind::DeleteMailbox, words).in_mailbox(mailbox))
    }

    /// The days that are over, unless anything failed but for want of room: what was kept may be
    /// needed then.
    pub(crate) fn prunable(&self, report: &Report) -> &[MailboxDeletion] {
        let all_well = report.failures().all(|fault| fault.kind == FaultKind::OverQuota);
        match &self.plan.keeping {
            Some(keeping) if all_well && !self.execution.stop.is_asked() => &keeping.prune,
            _ => &[],
        }
    }

    /// Deletes them.
    pub(crate) async fn prune(&self, target: &mut A::Target, report: &mut Report) {
        for gone in self.prunable(report).to_vec() {
            let mut patience = Patience::new(self.execution.job.limits.reconnect);
            let deleted = loop {
                match target.delete_mailbox(&gone.name).await {
                    Err(fault)
                        if self.execution.reopen(target, &fault, &mut patience, report).await => {}
                    deleted => break deleted,
                }
            };
            match deleted {
                Ok(()) => {
                    self.execution.events.on(&Event::Pruned(&gone));
                    report.pruned.push(gone.name);
                }
                Err(fault) => return self.execution.note(fault, report),
            }
        }
    }
}

/// Creates what is missing; answers what was, and what stands against it where the mailbox of the day
/// is not there afterwards.
async fn create<T: Target>(
    target: &mut T,
    keeping: &KeepingPlan,
) -> Result<(Vec<MailboxName>, Vec<Fault>), Fault> {
    let wanted: Vec<_> = keeping.create.iter().map(|name| (name.clone(), None)).collect();
    let results = target.create(&wanted).await?;
    let (mut created, mut faults) = (Vec::new(), Vec::new());
    for (name, result) in keeping.create.iter().zip(results) {
        match result {
            Ok(()) => created.push(name.clone()),
            Err(fault) => faults.push(fault),
        }
    }
    if created.contains(&keeping.mailbox) {
        faults.clear();
    } else if !faults.is_empty() {
        // Another run may have made it since, and moved messages there.
        let marks = target.marks(std::slice::from_ref(&keeping.mailbox)).await?;
        if marks.first().is_some_and(|mark| mark.messages.is_some()) {
            faults.clear();
        }
    }
    Ok((created, faults))
}

fn leaving(listing: &MessageListing) -> Vec<Leaving> {
    let row = |at: usize| Leaving {
        uid: listing.uid[at],
        key: listing.key.get(at).copied().unwrap_or(Key::NONE),
        octets: listing.size[at],
        date: listing.date[at].instant(),
    };
    (0..listing.len()).map(row).collect()
}

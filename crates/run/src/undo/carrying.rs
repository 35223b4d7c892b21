//! Carrying the plan of an undo out.

use std::sync::Arc;

use mailferry_engine::fault::{Fault, Scope};
use mailferry_engine::guard::Approval;
use mailferry_engine::message::FlagSet;
use mailferry_engine::name::MailboxName;
use mailferry_store::contract::{AsListed, FlagUpdate, Target};

use super::{Back, MailboxUndo, Standing, UndoPlan};
use crate::events::{Event, EventSink, Leaving};
use crate::keeping::Departure;
use crate::receipt::{Completeness, Noted, Receipt, ReceiptError, Written};

/// What was done.
#[derive(Debug, Default)]
pub struct Undone {
    /// Messages that are back.
    pub back: u64,
    /// Messages whose flags are what they were.
    pub flags: u64,
    /// Copies that are gone.
    pub copies: u64,
    /// Mailboxes that were created.
    pub created: u64,
    /// Subscriptions that are back.
    pub subscribed: u64,
    /// What went wrong.
    pub faults: Vec<Fault>,
    /// The receipt, or why there is none; `None` where none was wanted.
    pub receipt: Option<Result<Written, ReceiptError>>,
}

impl Undone {
    /// Whether all was done that was planned, and nothing is left that cannot be.
    #[must_use]
    pub fn is_complete(&self, plan: &UndoPlan) -> bool {
        self.faults.is_empty()
            && plan.left.is_empty()
            && [self.back, self.flags, self.copies] == [plan.back(), plan.flags(), plan.copies()]
            && self.subscribed == plan.subscribe.len() as u64
            && !matches!(self.receipt, Some(Err(_)))
    }
}

/// Carries a plan out, with the guard's approval of the copies that go. What a broken connection
/// leaves undone is found by undoing the run once more.
pub async fn carry_out<T: Target>(
    plan: &UndoPlan,
    _: Approval,
    target: &mut T,
    (receipt, events): (Option<Arc<Receipt>>, Arc<dyn EventSink>),
) -> Undone {
    let events: Arc<dyn EventSink> = match &receipt {
        Some(receipt) => {
            receipt.begin_undo(plan);
            Arc::new(Noted::new(receipt.clone(), events))
        }
        None => events,
    };
    let mut carrying = Carrying { target, events: &*events, undone: Undone::default() };
    if let Err(fault) = carrying.all(plan).await {
        carrying.note(fault);
    }
    let mut undone = carrying.undone;
    if let Some(receipt) = receipt {
        for left in &plan.left {
            receipt.note_left(&left.mailbox, left.uid, &left.why);
        }
        let complete = match undone.is_complete(plan) {
            true => Completeness::Whole,
            false => Completeness::Partial,
        };
        undone.receipt = receipt.finish_undo(complete, &undone);
    }
    undone
}

struct Carrying<'a, T> {
    target: &'a mut T,
    events: &'a dyn EventSink,
    undone: Undone,
}

impl<T: Target> Carrying<'_, T> {
    /// # Errors
    /// The connection is of no more use.
    async fn all(&mut self, plan: &UndoPlan) -> Result<(), Fault> {
        let missing = self.create(plan).await?;
        for mailbox in plan.mailboxes.iter().filter(|it| !missing.contains(&it.mailbox)) {
            self.bring_back(mailbox).await?;
            self.revert_flags(mailbox).await?;
            self.remove_copies(mailbox).await?;
        }
        self.subscribe(plan).await
    }

    async fn subscribe(&mut self, plan: &UndoPlan) -> Result<(), Fault> {
        if plan.subscribe.is_empty() {
            return Ok(());
        }
        for (name, result) in
            plan.subscribe.iter().zip(self.target.subscribe(&plan.subscribe).await?)
        {
            match result {
                Ok(()) => {
                    self.events.on(&Event::Subscribed(name));
                    self.undone.subscribed += 1;
                }
                Err(fault) => self.note(fault),
            }
        }
        Ok(())
    }

    /// Creates what is missing; answers what could not be.
    async fn create(&mut self, plan: &UndoPlan) -> Result<Vec<MailboxName>, Fault> {
        let missing = plan.mailboxes.iter().filter(|it| it.standing == Standing::Missing);
        let wanted: Vec<_> = missing.map(|it| (it.mailbox.clone(), None)).collect();
        let mut refused = Vec::new();
        if wanted.is_empty() {
            return Ok(refused);
        }
        for ((name, _), result) in wanted.iter().zip(self.target.create(&wanted).await?) {
            match result {
                Ok(()) => {
                    self.events.on(&Event::Created(name));
                    self.undone.created += 1;
                }
                Err(fault) => {
                    self.note(fault);
                    refused.push(name.clone());
                }
            }
        }
        Ok(refused)
    }

    async fn bring_back(&mut self, mailbox: &MailboxUndo) -> Result<(), Fault> {
        for same in mailbox.back.chunk_by(|one, next| one.from == next.from) {
            let Some(Back { from, from_uid_validity, .. }) = same.first() else { continue };
            let from = AsListed { mailbox: from, uid_validity: *from_uid_validity };
            let messages: Vec<Leaving> = same.iter().map(|back| back.known_by).collect();
            let departure = Departure { from, to: &mailbox.mailbox, messages };
            match departure.carry_out(self.target, self.events).await {
                Ok(moved) => {
                    self.undone.back += moved.gone.len() as u64;
                    moved.stayed.into_iter().for_each(|(_, fault)| self.note(fault));
                }
                Err(fault) => self.note_unless_broken(fault)?,
            }
        }
        Ok(())
    }

    async fn revert_flags(&mut self, mailbox: &MailboxUndo) -> Result<(), Fault> {
        if mailbox.flags.is_empty() {
            return Ok(());
        }
        let without = |all: &FlagSet, others: &FlagSet| -> FlagSet {
            all.iter().filter(|flag| !others.contains(flag)).cloned().collect()
        };
        let update = |revert: &super::Revert| FlagUpdate {
            uid: revert.uid,
            add: without(&revert.before, &revert.now),
            remove: without(&revert.now, &revert.before),
        };
        let updates: Vec<FlagUpdate> = mailbox.flags.iter().map(update).collect();
        let refused = match self.target.update_flags(place(mailbox), &updates).await {
            Ok(refused) => refused,
            Err(fault) => return self.note_unless_broken(fault),
        };
        for revert in &mailbox.flags {
            if refused.iter().all(|(uid, _)| *uid != revert.uid) {
                self.undone.flags += 1;
                self.events.on(&Event::FlagsUpdated {
                    mailbox: &mailbox.mailbox,
                    uid: revert.uid,
                    before: &revert.now,
                    after: &revert.before,
                });
            }
        }
        refused.into_iter().for_each(|(_, fault)| self.note(fault));
        Ok(())
    }

    async fn remove_copies(&mut self, mailbox: &MailboxUndo) -> Result<(), Fault> {
        if mailbox.copies.is_empty() {
            return Ok(());
        }
        let left = match self.target.delete_messages(place(mailbox), &mailbox.copies).await {
            Ok(left) => left,
            Err(fault) => return self.note_unless_broken(fault),
        };
        for &uid in &mailbox.copies {
            if left.iter().all(|(other, _)| *other != uid) {
                self.undone.copies += 1;
                self.events.on(&Event::Deleted { mailbox: &mailbox.mailbox, uid });
            }
        }
        left.into_iter().for_each(|(_, fault)| self.note(fault));
        Ok(())
    }

    fn note_unless_broken(&mut self, fault: Fault) -> Result<(), Fault> {
        if fault.scope > Scope::Mailbox {
            return Err(fault);
        }
        self.note(fault);
        Ok(())
    }

    fn note(&mut self, fault: Fault) {
        self.events.on(&Event::Failed(&fault));
        self.undone.faults.push(fault);
    }
}

fn place(mailbox: &MailboxUndo) -> AsListed<'_> {
    AsListed { mailbox: &mailbox.mailbox, uid_validity: mailbox.uid_validity }
}

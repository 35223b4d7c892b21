//! Removing from the source what is proven to be on the target (`docs/design/source-deletion.md`).
//!
//! It comes after all copies and the last look, on a connection of its own: the one that reads
//! cannot write. Whatever is not proven stays, and is told of.

use std::collections::{BTreeMap, BTreeSet};

use mailferry_engine::fault::{Fault, FaultKind, Scope, Side};
use mailferry_engine::message::{Flag, FlagSet, Uid};
use mailferry_engine::summary::SameAccount;
use mailferry_store::contract::{Among, AsListed, FlagUpdate, Removable, Source};

use crate::accounts::Accounts;
use crate::course::Landed;
use crate::events::Event;
use crate::mailbox::Task;
use crate::patience::{self, Patience};
use crate::proof::{Pair, Proven, is_deleted, prove, unproven};
use crate::report::Report;
use crate::survey::listed;
use crate::workers::{Shared, Usable};

/// The three connections that it takes.
struct Sides<A: Accounts> {
    source: A::Source,
    target: A::Target,
    removal: A::Removal,
}

/// A mailbox that is being cleared: what was proven need not be proven again when a connection
/// breaks meanwhile.
#[derive(Debug, Default)]
struct Clearance {
    /// What is proven and not removed yet.
    proven: Option<Proven>,
    removed: u64,
    faults: Vec<Fault>,
}

impl<A: Accounts> Shared<A> {
    /// Removes from the source what is proven to be on the target, mailbox by mailbox.
    pub(crate) async fn clear_source(
        &self,
        mut pair: Usable<A>,
        landed: &BTreeMap<usize, Landed>,
        report: &mut Report,
    ) -> Usable<A> {
        let mut left = self.to_clear(report);
        let mut clearance = Clearance::default();
        let mut patience = Patience::new(self.execution.job.limits.reconnect);
        while !left.is_empty() && !self.execution.stop.is_asked() {
            let begun = left.len();
            let cleared: Result<(), Fault> = match self.open_sides(pair.take()).await {
                Err(fault) => Err(fault),
                Ok(mut sides) => {
                    let made = (landed, &mut clearance);
                    match self.clear_on(&mut sides, made, (&mut left, report)).await {
                        Ok(()) => {
                            let Sides { source, target, mut removal } = sides;
                            removal.close().await;
                            return Some((source, target));
                        }
                        Err(fault) => Err(fault),
                    }
                }
            };
            let Err(fault) = cleared else { continue };
            if left.len() < begun {
                patience.restore();
            }
            if !self.execution.hold_on(&fault, &mut patience, report).await {
                self.execution.note(fault, report);
                return None;
            }
        }
        pair
    }

    /// The mailboxes to be cleared: not those that another run works on, nor anything after a fault
    /// that concerns a whole account.
    fn to_clear(&self, report: &Report) -> BTreeSet<usize> {
        if report.was_cut_short() {
            return BTreeSet::new();
        }
        let anothers: BTreeSet<_> = report
            .faults
            .iter()
            .filter(|fault| fault.kind == FaultKind::InUse)
            .filter_map(|fault| fault.mailbox.as_ref())
            .collect();
        let is_due = |at: &usize| {
            let plan = self.planned(*at).plan;
            plan.counts.delete_source > 0
                && !anothers.contains(&plan.target)
                && !self.recognition.is_strange(&plan.target)
        };
        (0..self.plan.mailboxes.len()).filter(is_due).collect()
    }

    async fn open_sides(&self, pair: Usable<A>) -> Result<Sides<A>, Fault> {
        let (source, target) = self.pair_or_open(pair).await?;
        Ok(Sides { source, target, removal: self.execution.accounts.open_removal().await? })
    }

    /// The same on these connections; `left`: mailboxes that are not done.
    async fn clear_on(
        &self,
        sides: &mut Sides<A>,
        (landed, clearance): (&BTreeMap<usize, Landed>, &mut Clearance),
        (left, report): (&mut BTreeSet<usize>, &mut Report),
    ) -> Result<(), Fault> {
        while let Some(&at) = left.first()
            && !self.execution.stop.is_asked()
        {
            let task = self.task(at);
            let mailbox = &task.plan.target;
            // Nobody is to remove the copies meanwhile.
            let outcome = match self.wait_for(mailbox).await {
                Ok(_) => clear(sides, &task, landed.get(&at), clearance).await,
                Err(fault) => Err(fault),
            };
            self.claiming.give_back(mailbox);
            match outcome {
                Err(fault) if fault.scope > Scope::Mailbox => return Err(fault),
                Err(fault) => clearance.faults.push(fault),
                Ok(()) => {}
            }
            left.remove(&at);
            self.note_cleared(at, std::mem::take(clearance), report);
        }
        Ok(())
    }

    fn note_cleared(&self, at: usize, cleared: Clearance, report: &mut Report) {
        let mailbox = &mut report.mailboxes[at];
        let done = &mut mailbox.done;
        done.source_deleted += cleared.removed;
        // All others stay: they were not copied, or are not proven, or could not be removed.
        done.source_kept =
            self.planned(at).plan.counts.delete_source.saturating_sub(done.source_deleted);
        cleared.faults.into_iter().for_each(|fault| self.execution.note(fault, report));
    }
}

async fn clear<A: Accounts>(
    sides: &mut Sides<A>,
    task: &Task<'_>,
    landed: Option<&Landed>,
    clearance: &mut Clearance,
) -> Result<(), Fault> {
    let Clearance { proven, removed, faults } = clearance;
    let proven = match proven {
        Some(proven) => proven,
        None => {
            let nothing = Landed::default();
            let landed = landed.unwrap_or(&nothing);
            let found = prove(&mut sides.source, &mut sides.target, task, landed).await?;
            refuse_one_mailbox(sides, task, &found).await?;
            proven.insert(found)
        }
    };
    for (part, mailbox) in task.plan.parts.iter().enumerate() {
        let of_part = proven.pairs.iter().filter(|pair| pair.part == part);
        let uids: Vec<Uid> = of_part.map(|pair| pair.source).collect();
        if uids.is_empty() || task.stop.is_asked() {
            continue;
        }
        let from = listed(&mailbox.source, &task.listings.sources[part]);
        let stayed: BTreeMap<Uid, Fault> =
            sides.removal.remove_messages(from, &uids).await?.into_iter().collect();
        for &uid in uids.iter().filter(|uid| !stayed.contains_key(uid)) {
            *removed += 1;
            task.events.on(&Event::SourceDeleted { mailbox: &mailbox.source, uid });
        }
        faults.extend(stayed.into_values());
        proven.pairs.retain(|pair| pair.part != part);
    }
    for (part, uid, words) in proven.unproven.drain(..) {
        let mailbox = &task.plan.parts[part].source;
        faults.push(unproven(words).in_mailbox(mailbox).of_message(uid));
    }
    Ok(())
}

/// One mailbox under two names, or on two hosts that are one, looks like a perfect copy of itself.
/// Where that may be, one message of the source is marked `\Deleted`, and it is looked whether its
/// copy is marked then.
async fn refuse_one_mailbox<A: Accounts>(
    sides: &mut Sides<A>,
    task: &Task<'_>,
    proven: &Proven,
) -> Result<(), Fault> {
    let is_like_itself = |pair: &Pair| {
        let listing = &task.listings.sources[pair.part];
        pair.source == pair.target && listing.uid_validity == proven.uid_validity
    };
    let is_known = task.job.same_account == SameAccount::Yes;
    if !is_known && !proven.pairs.iter().any(is_like_itself) {
        return Ok(());
    }
    let is_unmarked = |pair: &&Pair| {
        let listing = &task.listings.sources[pair.part];
        proven.marked.binary_search(&pair.target).is_err()
            && listing.position(pair.source).is_some_and(|at| !is_deleted(listing, at))
    };
    let mut unmarked: Vec<&Pair> = proven.pairs.iter().filter(is_unmarked).collect();
    unmarked.sort_by_key(|pair| !is_like_itself(pair));
    let Some(&&probe) = unmarked.first() else {
        return match proven.pairs.is_empty() {
            true => Ok(()),
            false => Err(one_mailbox(task, "it cannot be ruled out that both are one mailbox")),
        };
    };
    let from = listed(&task.plan.parts[probe.part].source, &task.listings.sources[probe.part]);
    mark(&mut sides.removal, from, probe.source).await?;
    patience::wait(task.job.limits.reconnect.settle_wait, task.stop).await;
    let (mailbox, keys) = (&task.plan.target, &task.job.keys);
    let copies = [probe.target];
    let there = sides.target.messages_among(mailbox, Among::These(&copies), keys).await?;
    if there.position(probe.target).is_some_and(|at| !is_deleted(&there, at)) {
        return Ok(());
    }
    unmark(&mut sides.removal, from, probe.source).await?;
    Err(one_mailbox(task, "both are one mailbox: its messages are no copies of themselves"))
}

fn one_mailbox(task: &Task<'_>, words: &str) -> Fault {
    let words = format!("nothing is removed from the source: {words}");
    let fault = Fault::new(Side::Source, FaultKind::DeleteMessage, words);
    Fault { scope: Scope::Mailbox, ..fault }.in_mailbox(&task.plan.target)
}

async fn mark<R: Removable>(removal: &mut R, from: AsListed<'_>, uid: Uid) -> Result<(), Fault> {
    let update = FlagUpdate { uid, add: deleted(), remove: FlagSet::default() };
    first_refused(removal.change_flags(from, &[update]).await?)
}

async fn unmark<R: Removable>(removal: &mut R, from: AsListed<'_>, uid: Uid) -> Result<(), Fault> {
    let update = FlagUpdate { uid, add: FlagSet::default(), remove: deleted() };
    first_refused(removal.change_flags(from, &[update]).await?)
}

fn first_refused(refused: Vec<(Uid, Fault)>) -> Result<(), Fault> {
    match refused.into_iter().next() {
        Some((_, fault)) => Err(fault),
        None => Ok(()),
    }
}

fn deleted() -> FlagSet {
    [Flag::new(b"\\Deleted")].into_iter().collect()
}

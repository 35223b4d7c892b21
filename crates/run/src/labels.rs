//! Labels of messages, where both sides have them as Gmail does (`docs/design/gmail.md`).
//!
//! They come after all copies: by then a message has the labels of the mailboxes that it was copied
//! to, and what is asked of the target tells what is left to do. Of each mailbox the labels of both
//! sides are asked for at once, and changed in a few commands.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, BTreeSet, HashMap};

use mailferry_engine::account::Plan;
use mailferry_engine::fault::{Fault, FaultKind, Scope, Side};
use mailferry_engine::labels::{LabelNames, LabelPolicy, LabelsWanted};
use mailferry_engine::listing::AccountListing;
use mailferry_engine::message::{FlagSetId, Uid};
use mailferry_engine::name::{MailboxName, RuleFailed};
use mailferry_engine::plan::{Action, Decision};
use mailferry_store::contract::{
    AsListed, FlagUpdate, LabelListing, Labelled, LabelsAsked, MessageId, Source, Target,
};

use crate::accounts::Accounts;
use crate::course::Landed;
use crate::events::Event;
use crate::job::Job;
use crate::mailbox::Task;
use crate::patience::Patience;
use crate::report::Report;
use crate::survey::listed;
use crate::workers::{Shared, Usable};

/// The mailboxes of two accounts that both have labels.
pub(crate) struct LabelledAccounts {
    source: AccountListing,
    target: AccountListing,
    /// The mailboxes of the source that are copied.
    copied: BTreeSet<MailboxName>,
}

impl LabelledAccounts {
    /// `None` where no labels are to be set, or a side has none.
    pub(crate) fn new<S: Source, T: Source>(
        (job, plan): (&Job, &Plan),
        (source, target): (&S, &T),
        accounts: (AccountListing, AccountListing),
    ) -> Option<Self> {
        if job.labels == LabelPolicy::Leave || !source.has_labels() || !target.has_labels() {
            return None;
        }
        let (source, target) = accounts;
        let parts = plan.mailboxes.iter().flat_map(|mailbox| &mailbox.parts);
        Some(Self { source, target, copied: parts.map(|part| part.source.clone()).collect() })
    }

    /// What labels are called on the target. Not to be kept while something is waited for: rules
    /// of naming are of one thread.
    fn names<'a>(&'a self, job: &'a Job) -> LabelNames<'a> {
        let Self { source, target, copied } = self;
        let (rules, elsewhere) = (job.naming.rules(source, target), job.rules.elsewhere);
        LabelNames { rules, source, target, copied, elsewhere }
    }
}

/// A message of the target, and one that it is a copy of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Counterpart {
    target: Uid,
    /// Index of the source mailbox.
    part: usize,
    source: Uid,
}

/// What is to be changed in a mailbox.
#[derive(Default)]
struct Changes {
    updates: Vec<FlagUpdate>,
    /// Messages that are left as they are, since they have no Message-Id.
    nameless: u64,
}

impl<A: Accounts> Shared<A> {
    /// Sets the labels of messages, mailbox by mailbox.
    pub(crate) async fn set_labels(
        &self,
        mut pair: Usable<A>,
        (accounts, landed): (Option<&LabelledAccounts>, &BTreeMap<usize, Landed>),
        report: &mut Report,
    ) -> Usable<A> {
        let Some(accounts) = accounts.filter(|_| !report.was_cut_short()) else { return pair };
        let mut left: BTreeMap<usize, Vec<Counterpart>> = (0..self.plan.mailboxes.len())
            .map(|at| (at, counterparts(&self.task(at), landed.get(&at))))
            .filter(|(_, messages)| !messages.is_empty())
            .collect();
        let mut patience = Patience::new(self.execution.job.limits.reconnect);
        while !left.is_empty() && !self.execution.stop.is_asked() {
            let begun = left.len();
            let set: Result<(), Fault> = match self.pair_or_open(pair.take()).await {
                Err(fault) => Err(fault),
                Ok((mut source, mut target)) => {
                    let sides = (&mut source, &mut target);
                    match self.set_labels_on(sides, accounts, landed, (&mut left, report)).await {
                        Ok(()) => return Some((source, target)),
                        Err(fault) => Err(fault),
                    }
                }
            };
            let Err(fault) = set else { continue };
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

    /// The same on these connections; `left`: the mailboxes that are not done.
    async fn set_labels_on(
        &self,
        (source, target): (&mut A::Source, &mut A::Target),
        accounts: &LabelledAccounts,
        landed: &BTreeMap<usize, Landed>,
        (left, report): (&mut BTreeMap<usize, Vec<Counterpart>>, &mut Report),
    ) -> Result<(), Fault> {
        while let Some((&at, messages)) = left.first_key_value()
            && !self.execution.stop.is_asked()
        {
            let task = self.task(at);
            let mailbox = &task.plan.target;
            let uid_validity = uid_validity(&task, landed.get(&at));
            let there = AsListed { mailbox, uid_validity };
            let outcome = match self.wait_for(mailbox).await {
                Ok(_) => set_in_mailbox((source, target), (&task, there), accounts, messages).await,
                Err(fault) => Err(fault),
            };
            self.claiming.give_back(mailbox);
            match outcome {
                Err(fault) if fault.scope > Scope::Mailbox => return Err(fault),
                Err(fault) => self.execution.note(fault, report),
                Ok((changes, refused)) => self.note_labels(at, &changes, (refused, report)),
            }
            left.remove(&at);
        }
        Ok(())
    }

    fn note_labels(
        &self,
        at: usize,
        changes: &Changes,
        (refused, report): (Vec<(Uid, Fault)>, &mut Report),
    ) {
        let mailbox = &self.planned(at).plan.target;
        let failed: BTreeSet<Uid> = refused.iter().map(|(uid, _)| *uid).collect();
        for update in changes.updates.iter().filter(|update| !failed.contains(&update.uid)) {
            let FlagUpdate { uid, add: added, remove: taken } = update;
            self.execution.events.on(&Event::LabelsChanged { mailbox, uid: *uid, added, taken });
        }
        let failed = failed.len() as u64;
        let set = (changes.updates.len() as u64).saturating_sub(failed);
        let done = &mut report.mailboxes[at].done;
        done.labels_set += set;
        done.labels_failed += failed;
        done.labels_left += changes.nameless;
        refused.into_iter().for_each(|(_, fault)| self.execution.note(fault, report));
        if set > 0 || changes.nameless > 0 {
            let left = changes.nameless;
            self.execution.events.on(&Event::LabelsSet { mailbox, messages: set, left });
        }
    }
}

/// The messages of a target mailbox whose labels are to be those of the source. Copies whose UIDs
/// were not told have theirs set by a later run, which lists them.
fn counterparts(task: &Task<'_>, landed: Option<&Landed>) -> Vec<Counterpart> {
    let policy = task.job.labels;
    let mut found = Vec::new();
    for (part, plan) in task.plan.parts.iter().enumerate() {
        for (&source, decision) in plan.uids.iter().zip(&plan.decisions) {
            if let Decision::Present { target } | Decision::Act(Action::UpdateFlags { target }) =
                *decision
                && policy.is_of_present()
            {
                found.push(Counterpart { target, part, source });
            }
        }
    }
    let validity = uid_validity(task, landed);
    let known = landed.filter(|it| policy.is_of_copies() && it.uid_validity == validity);
    for copy in known.iter().flat_map(|landed| &landed.copies) {
        if let Some(target) = copy.target {
            found.push(Counterpart { target, part: copy.part as usize, source: copy.source });
        }
    }
    found.sort_unstable();
    found
}

/// The UIDVALIDITY of a target mailbox: as it was listed, else as its copies told it.
fn uid_validity(task: &Task<'_>, landed: Option<&Landed>) -> u32 {
    match task.listings.target.uid_validity {
        0 => landed.map_or(0, |landed| landed.uid_validity),
        told => told,
    }
}

/// Answers what was changed, and what of it was refused.
///
/// # Errors
/// A mailbox cannot be opened, or a connection is of no more use.
async fn set_in_mailbox<S: Source, T: Target>(
    (source, target): (&mut S, &mut T),
    (task, there): (&Task<'_>, AsListed<'_>),
    accounts: &LabelledAccounts,
    messages: &[Counterpart],
) -> Result<(Changes, Vec<(Uid, Fault)>), Fault> {
    let mut uids: Vec<Uid> = messages.iter().map(|message| message.target).collect();
    uids.dedup();
    let of_source = labels_of_source(source, task, messages);
    let (here, there_now) =
        tokio::join!(of_source, target.labels(there, &uids, LabelsAsked::Alone));
    let (here, there_now) = (here?, there_now?);
    let changes = changes((task, &accounts.names(task.job)), messages, &here, &there_now)
        .map_err(|failed| no_result(&failed, task))?;
    let refused = match changes.updates.is_empty() {
        true => Vec::new(),
        false => target.update_labels(there, &changes.updates).await?,
    };
    Ok((changes, refused))
}

/// The labels of the messages of each source mailbox.
async fn labels_of_source<S: Source>(
    source: &mut S,
    task: &Task<'_>,
    messages: &[Counterpart],
) -> Result<Vec<LabelListing>, Fault> {
    let mut labels = Vec::new();
    for (part, mailbox) in task.plan.parts.iter().enumerate() {
        let of_part = messages.iter().filter(|message| message.part == part);
        let uids: Vec<Uid> = of_part.map(|message| message.source).collect();
        let from = listed(&mailbox.source, &task.listings.sources[part]);
        labels.push(match uids.is_empty() {
            true => LabelListing::default(),
            false => source.labels(from, &uids, LabelsAsked::WithMessageIds).await?,
        });
    }
    Ok(labels)
}

/// What is to be changed. Of a message that was not told of on either side nothing is known, and
/// nothing done.
fn changes(
    (task, names): (&Task<'_>, &LabelNames<'_>),
    messages: &[Counterpart],
    here: &[LabelListing],
    there: &LabelListing,
) -> Result<Changes, RuleFailed> {
    let mut wishes = Wishes { names, known: HashMap::new() };
    let mut changes = Changes::default();
    for copies in messages.chunk_by(|one, other| one.target == other.target) {
        let uid = copies[0].target;
        let Some(row) = there.row(uid) else { continue };
        let originals: Option<Vec<(usize, &Labelled)>> =
            copies.iter().map(|it| Some((it.part, here[it.part].row(it.source)?))).collect();
        let Some(originals) = originals else { continue };
        let mut wanted = LabelsWanted::default();
        for (part, original) in &originals {
            wanted = wanted.and(wishes.of(*part, &here[*part], original.labels)?);
        }
        let present = (&task.plan.target, there.table.set(row.labels));
        let Some(change) = names.change(&wanted, present, task.job.labels) else { continue };
        // Gmail may hold it once for each mailbox, so that a label would show it twice there.
        if originals.iter().any(|(_, original)| original.message_id == MessageId::Absent) {
            changes.nameless += 1;
            continue;
        }
        let (add, remove) = (change.add.into_iter().collect(), change.remove.into_iter().collect());
        changes.updates.push(FlagUpdate { uid, add, remove });
    }
    Ok(changes)
}

/// What distinct sets of labels come to, each found out once.
struct Wishes<'a> {
    names: &'a LabelNames<'a>,
    known: HashMap<(usize, FlagSetId), LabelsWanted>,
}

impl Wishes<'_> {
    fn of(
        &mut self,
        part: usize,
        listing: &LabelListing,
        labels: FlagSetId,
    ) -> Result<&LabelsWanted, RuleFailed> {
        Ok(match self.known.entry((part, labels)) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(new) => new.insert(self.names.wanted(listing.table.set(labels))?),
        })
    }
}

fn no_result(failed: &RuleFailed, task: &Task<'_>) -> Fault {
    let fault = Fault::new(Side::Target, FaultKind::Flags, format!("labels: {failed}"));
    Fault { scope: Scope::Mailbox, ..fault }.in_mailbox(&task.plan.target)
}

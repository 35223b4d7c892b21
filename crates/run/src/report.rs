//! What became of everything that was planned.

use std::path::PathBuf;

use mailferry_engine::account::Plan;
use mailferry_engine::fault::{Fault, FaultKind, Scope};
use mailferry_engine::message::Uid;
use mailferry_engine::name::MailboxName;
use mailferry_engine::subscriptions::HeldSubscriptions;
use mailferry_engine::summary::Counts;
use mailferry_store::quota::Quota;
use serde::Serialize;

use crate::claiming::Creation;
use crate::receipt::Written;

/// What was done in one target mailbox.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Done {
    /// Messages copied.
    pub copied: u64,
    /// Octets of them.
    pub copied_octets: u64,
    /// The largest of them.
    pub largest_octets: u64,
    /// Of the messages copied, those that were copied within the target, which had them from
    /// another mailbox of the source.
    pub copied_within: u64,
    /// Of these, those that stand behind a message that comes after them on the source.
    pub copied_behind: u64,
    /// Messages whose flags were changed.
    pub flags_updated: u64,
    /// Messages whose flags differ only in what the target does not keep.
    pub flags_unkept: u64,
    /// Messages removed.
    pub deleted: u64,
    /// Messages moved where what is taken away is kept, in place of being removed.
    pub moved: u64,
    /// Messages that were to be copied and could not.
    pub failed: u64,
    /// Messages whose flags were to be changed and could not.
    pub flags_failed: u64,
    /// Messages that were to be removed and could not.
    pub delete_failed: u64,
    /// Messages that vanished from the source meanwhile.
    pub expunged: u64,
    /// Messages removed from the source, their copies being proven.
    pub source_deleted: u64,
    /// Messages that were to be removed from the source and stay: they were not copied, or their
    /// copies are not proven, or the source did not remove them.
    pub source_kept: u64,
    /// Messages that a rule about their content left out.
    pub left_out: u64,
    /// Messages whose labels were changed.
    pub labels_set: u64,
    /// Messages whose labels were to be changed and could not, wholly or in part.
    pub labels_failed: u64,
    /// Messages whose labels differ and are left so, since they have no Message-Id.
    pub labels_left: u64,
}

impl Done {
    pub(crate) fn join(&mut self, other: &Self) {
        self.copied += other.copied;
        self.copied_octets += other.copied_octets;
        self.largest_octets = self.largest_octets.max(other.largest_octets);
        self.copied_within += other.copied_within;
        self.copied_behind += other.copied_behind;
        self.flags_updated += other.flags_updated;
        self.flags_unkept += other.flags_unkept;
        self.deleted += other.deleted;
        self.moved += other.moved;
        self.failed += other.failed;
        self.flags_failed += other.flags_failed;
        self.delete_failed += other.delete_failed;
        self.expunged += other.expunged;
        self.source_deleted += other.source_deleted;
        self.source_kept += other.source_kept;
        self.left_out += other.left_out;
        self.labels_set += other.labels_set;
        self.labels_failed += other.labels_failed;
        self.labels_left += other.labels_left;
    }
}

/// A message that the target refused as it was, and took after a repair.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Repaired {
    /// The mailbox on the source.
    pub mailbox: MailboxName,
    /// The message there.
    pub uid: Uid,
    /// What was done to it (`docs/design/repair.md`).
    pub steps: Vec<String>,
}

/// One target mailbox: what was planned and what was done.
#[derive(Clone, Debug, Serialize)]
pub struct MailboxReport {
    /// Its name on the target.
    pub target: MailboxName,
    /// The source mailboxes that feed it.
    pub sources: Vec<MailboxName>,
    /// What was planned.
    pub planned: Counts,
    /// What was done.
    pub done: Done,
    /// Source UIDs of messages that were sent again after a refused batch: their copies may
    /// stand behind later ones.
    pub out_of_order: Vec<Uid>,
}

impl MailboxReport {
    /// Messages that were to be copied and were not begun: `copy = copied + failed + expunged
    /// + left out + not started`.
    #[must_use]
    pub fn copies_not_started(&self) -> u64 {
        let done = &self.done;
        self.planned.copy.saturating_sub(done.copied + done.failed + done.expunged + done.left_out)
    }

    /// Flag changes and removals that were not begun.
    #[must_use]
    pub fn changes_not_started(&self) -> u64 {
        let flags = self.planned.update_flags.saturating_sub(
            self.done.flags_updated + self.done.flags_unkept + self.done.flags_failed,
        );
        let removed = self.done.deleted + self.done.moved + self.done.delete_failed;
        let deletions = self.planned.deletions().saturating_sub(removed);
        let from_source = self
            .planned
            .delete_source
            .saturating_sub(self.done.source_deleted + self.done.source_kept);
        flags + deletions + from_source
    }
}

/// What became of a plan.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Each target mailbox.
    pub mailboxes: Vec<MailboxReport>,
    /// Mailboxes created on the target.
    pub created: Vec<MailboxName>,
    /// Mailboxes subscribed on the target.
    pub subscribed: Vec<MailboxName>,
    /// Names without a mailbox that the target does not subscribe.
    pub subscriptions_refused: Vec<MailboxName>,
    /// How many subscriptions of the target were to be given up.
    pub subscriptions_to_remove: u64,
    /// Those that were.
    pub unsubscribed: Vec<MailboxName>,
    /// Those that stay though the rule gives them up.
    pub subscriptions_held_back: Option<HeldSubscriptions>,
    /// How many mailboxes of the target were to be deleted.
    pub mailboxes_to_delete: u64,
    /// Mailboxes deleted on the target.
    pub deleted_mailboxes: Vec<MailboxName>,
    /// Messages moved out of these before, where what is taken away is kept.
    pub moved_with_mailboxes: u64,
    /// Where messages were moved to that were taken away.
    pub kept_in: Option<MailboxName>,
    /// How many mailboxes were to be deleted in which messages were kept long enough.
    pub mailboxes_to_prune: u64,
    /// Those that were.
    pub pruned: Vec<MailboxName>,
    /// Everything that failed, in the order it did.
    pub faults: Vec<Fault>,
    /// How often a connection to the source and to the target broke and was opened again.
    pub reconnections: [u64; 2],
    /// Messages that had been stored twice and of which this run's own copy was removed.
    pub doubles_removed: u64,
    /// Messages that were brought in after a repair.
    pub repaired: Vec<Repaired>,
    /// The files of messages that no repair brought in.
    pub kept_aside: Vec<PathBuf>,
    /// The receipt, where one was written to its end.
    pub receipt: Option<Written>,
    /// What the target's account may hold and holds, where that was asked for and told.
    #[serde(skip)]
    pub target_quota: Option<Quota>,
}

impl Report {
    /// A report of a plan of which nothing has been done.
    #[must_use]
    pub fn new(plan: &Plan) -> Self {
        let mailboxes = plan.mailboxes.iter().map(|mailbox| MailboxReport {
            target: mailbox.target.clone(),
            sources: mailbox.parts.iter().map(|part| part.source.clone()).collect(),
            planned: mailbox.counts,
            done: Done::default(),
            out_of_order: Vec::new(),
        });
        let faults = plan.mailboxes.iter().flat_map(|mailbox| mailbox.faults.iter().cloned());
        Self {
            mailboxes: mailboxes.collect(),
            created: Vec::new(),
            subscribed: Vec::new(),
            subscriptions_refused: Vec::new(),
            subscriptions_to_remove: plan.subscriptions.remove.len() as u64,
            unsubscribed: Vec::new(),
            subscriptions_held_back: plan.subscriptions.held_back,
            mailboxes_to_delete: plan.delete_mailboxes.len() as u64,
            deleted_mailboxes: Vec::new(),
            moved_with_mailboxes: 0,
            kept_in: plan.keeping.as_ref().map(|keeping| keeping.mailbox.clone()),
            mailboxes_to_prune: plan.keeping.as_ref().map_or(0, |it| it.prune.len() as u64),
            pruned: Vec::new(),
            faults: faults.collect(),
            reconnections: [0, 0],
            doubles_removed: 0,
            repaired: Vec::new(),
            kept_aside: Vec::new(),
            receipt: None,
            target_quota: None,
        }
    }

    /// A mailbox was planned again.
    pub(crate) fn plan_again(&mut self, at: usize, counts: Counts, creation: Creation) {
        let mailbox = &mut self.mailboxes[at];
        mailbox.planned = counts;
        if creation == Creation::Yes {
            self.created.push(mailbox.target.clone());
        }
    }

    /// The removals of a mailbox were planned again, after its copies were made.
    pub(crate) fn plan_removals_again(&mut self, at: usize, counts: &Counts) {
        let planned = &mut self.mailboxes[at].planned;
        planned.delete = counts.delete;
        planned.delete_duplicates = counts.delete_duplicates;
    }

    /// What was done in all mailboxes together.
    #[must_use]
    pub fn total(&self) -> Done {
        let mut total = Done::default();
        for mailbox in &self.mailboxes {
            total.join(&mailbox.done);
        }
        total
    }

    /// Messages that were to be copied and were not begun.
    #[must_use]
    pub fn not_started(&self) -> u64 {
        self.mailboxes.iter().map(MailboxReport::copies_not_started).sum()
    }

    /// Whether everything that was planned was done, and nothing was a problem. A message
    /// that its owner removed meanwhile is no failure.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        let begun = self.mailboxes.iter().all(|mailbox| {
            mailbox.copies_not_started() == 0
                && mailbox.changes_not_started() == 0
                && mailbox.planned.problem == 0
        });
        let deleted = self.deleted_mailboxes.len() as u64 == self.mailboxes_to_delete;
        let pruned = self.pruned.len() as u64 == self.mailboxes_to_prune;
        let unsubscribed = self.unsubscribed.len() as u64 == self.subscriptions_to_remove;
        begun && deleted && pruned && unsubscribed && self.failures().next().is_none()
    }

    /// The faults that make a run a failed one.
    pub fn failures(&self) -> impl Iterator<Item = &Fault> {
        self.faults.iter().filter(|fault| fault.kind != FaultKind::Expunged)
    }

    /// Whether the target has lost any message or mailbox. What was moved is still there.
    pub(crate) fn removed_anything(&self) -> bool {
        let emptied = !self.deleted_mailboxes.is_empty() && self.kept_in.is_none();
        self.total().deleted > 0 || emptied || !self.pruned.is_empty()
    }

    /// Messages moved where what is taken away is kept.
    #[must_use]
    pub fn moved(&self) -> u64 {
        self.total().moved + self.moved_with_mailboxes
    }

    /// Whether a fault stopped a whole side.
    #[must_use]
    pub fn was_cut_short(&self) -> bool {
        self.failures().any(|fault| fault.scope >= Scope::Account)
    }
}

//! The sums of a plan: what a person reads before agreeing, and what the guard looks at.

use serde::Serialize;

use crate::account::MailboxDeletion;
use crate::name::MailboxName;
use crate::plan::{Action, Decision, MailboxPlan, SkipReason};

/// What is counted in one mailbox, or in all. `listed = copy + update_flags + present +
/// skipped + problem`, where `act = copy + update_flags`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Source messages listed.
    pub listed: u64,
    /// To be copied.
    pub copy: u64,
    /// Octets to be copied, by RFC822.SIZE.
    pub copy_octets: u64,
    /// On the target, with flags to be changed.
    pub update_flags: u64,
    /// On the target as they should be.
    pub present: u64,
    /// Left alone by a rule.
    pub skip: SkipCounts,
    /// Those that cannot be dealt with.
    pub problem: u64,
    /// Target messages listed.
    pub target_listed: u64,
    /// Target messages to be removed because the source does not have them.
    pub delete: u64,
    /// Target messages to be removed as surplus copies.
    pub delete_duplicates: u64,
    /// Target messages that stay though a rule would remove them.
    pub held_back: u64,
    /// Source messages to be removed, once their copies are proven.
    pub delete_source: u64,
}

/// Messages left alone, by reason.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct SkipCounts {
    /// Not within the selection.
    pub not_selected: u64,
    /// Larger than the user wants.
    pub too_big: u64,
    /// Not larger than the user wants.
    pub too_small: u64,
    /// Larger than the target takes.
    pub over_append_limit: u64,
    /// Another message of equal content stands for it.
    pub duplicate: u64,
    /// In another mailbox of the target.
    pub elsewhere: u64,
}

impl SkipCounts {
    /// All of them.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.not_selected
            + self.too_big
            + self.too_small
            + self.over_append_limit
            + self.duplicate
            + self.elsewhere
    }
}

impl Counts {
    /// Counts one message of `size` octets.
    pub fn add(&mut self, decision: &Decision, size: u32) {
        self.listed += 1;
        match decision {
            Decision::Act(Action::Copy) => {
                self.copy += 1;
                self.copy_octets += u64::from(size);
            }
            Decision::Act(Action::UpdateFlags { .. }) => self.update_flags += 1,
            Decision::Present { .. } => self.present += 1,
            Decision::Problem(_) => self.problem += 1,
            Decision::Skip(reason) => {
                let skip = &mut self.skip;
                *match reason {
                    SkipReason::NotSelected => &mut skip.not_selected,
                    SkipReason::TooBig { .. } => &mut skip.too_big,
                    SkipReason::TooSmall { .. } => &mut skip.too_small,
                    SkipReason::OverAppendLimit { .. } => &mut skip.over_append_limit,
                    SkipReason::Duplicate => &mut skip.duplicate,
                    SkipReason::Elsewhere => &mut skip.elsewhere,
                } += 1;
            }
        }
    }

    /// Messages with which something is to be done.
    #[must_use]
    pub fn act(&self) -> u64 {
        self.copy + self.update_flags
    }

    /// Target messages to be removed.
    #[must_use]
    pub fn deletions(&self) -> u64 {
        self.delete + self.delete_duplicates
    }

    /// Whether every listed message has exactly one decision.
    #[must_use]
    pub fn add_up(&self) -> bool {
        self.listed == self.act() + self.present + self.skip.total() + self.problem
    }

    fn join(&mut self, other: &Self) {
        self.listed += other.listed;
        self.copy += other.copy;
        self.copy_octets += other.copy_octets;
        self.update_flags += other.update_flags;
        self.present += other.present;
        self.skip.not_selected += other.skip.not_selected;
        self.skip.too_big += other.skip.too_big;
        self.skip.too_small += other.skip.too_small;
        self.skip.over_append_limit += other.skip.over_append_limit;
        self.skip.duplicate += other.skip.duplicate;
        self.skip.elsewhere += other.skip.elsewhere;
        self.problem += other.problem;
        self.target_listed += other.target_listed;
        self.delete += other.delete;
        self.delete_duplicates += other.delete_duplicates;
        self.held_back += other.held_back;
        self.delete_source += other.delete_source;
    }
}

/// What is known of both accounts apart from the mailboxes that take part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct AccountFacts {
    /// Mailboxes that LIST showed on the source.
    pub source_mailboxes: u64,
    /// Messages in target mailboxes that no plan touches, as far as STATUS told.
    pub other_target_messages: u64,
    /// Whether both sides are the same account.
    pub same_account: SameAccount,
}

/// Whether both sides are the same account: the same server and the same user.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum SameAccount {
    /// They are.
    Yes,
    /// They are not, as far as can be seen.
    No,
}

/// The sums of one mailbox.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct MailboxSummary {
    /// Its name on the target.
    pub target: MailboxName,
    /// The source mailboxes that feed it.
    pub sources: Vec<MailboxName>,
    /// The sums.
    pub counts: Counts,
}

/// The sums of a plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PlanSummary {
    /// What is known of the accounts.
    pub facts: AccountFacts,
    /// The mailboxes that take part.
    pub mailboxes: Vec<MailboxSummary>,
    /// Target mailboxes to be deleted.
    pub delete_mailboxes: Vec<MailboxDeletion>,
    /// The sums over all mailboxes that take part.
    pub total: Counts,
}

impl PlanSummary {
    /// A summary without any mailbox yet.
    #[must_use]
    pub fn new(facts: AccountFacts, delete_mailboxes: Vec<MailboxDeletion>) -> Self {
        Self { facts, mailboxes: Vec::new(), delete_mailboxes, total: Counts::default() }
    }

    /// Adds the sums of one mailbox.
    pub fn add(&mut self, plan: &MailboxPlan) {
        self.total.join(&plan.counts);
        self.mailboxes.push(MailboxSummary {
            target: plan.target.clone(),
            sources: plan.parts.iter().map(|part| part.source.clone()).collect(),
            counts: plan.counts,
        });
    }

    /// Target messages that go: those removed, and those in mailboxes that are deleted, as far
    /// as their number is known.
    #[must_use]
    pub fn deletions(&self) -> u64 {
        self.total.deletions() + self.messages_in_deleted_mailboxes()
    }

    /// Messages on the target account, as far as their number is known.
    #[must_use]
    pub fn target_messages(&self) -> u64 {
        self.total.target_listed
            + self.facts.other_target_messages
            + self.messages_in_deleted_mailboxes()
    }

    fn messages_in_deleted_mailboxes(&self) -> u64 {
        self.delete_mailboxes.iter().filter_map(|gone| gone.messages).map(u64::from).sum()
    }
}

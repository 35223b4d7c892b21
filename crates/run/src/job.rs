//! What a run is to do, whatever front asked for it.

use std::sync::Arc;

use mailferry_engine::account::MailboxDeleteRule;
use mailferry_engine::identity::KeyRule;
use mailferry_engine::mapping::MappingRules;
use mailferry_engine::name::MailboxName;
use mailferry_engine::policy::Rules;
use mailferry_engine::select::{MailboxRules, NamePattern};
use mailferry_engine::summary::SameAccount;
use mailferry_store::contract::Selection;

use crate::copy::AddHeader;

/// A run's task.
#[derive(Clone)]
pub struct Job {
    /// What shapes the plan.
    pub rules: Rules,
    /// Which mailboxes take part.
    pub mailboxes: Arc<MailboxRules>,
    /// What they are called on the target.
    pub mapping: Arc<MappingRules>,
    /// How identity keys are made.
    pub keys: KeyRule,
    /// Which messages of the source take part.
    pub source_selection: Selection,
    /// Which messages of the target count as extra, where deletions are narrowed too.
    pub target_selection: Selection,
    /// Whether unidentified messages get a Message-Id.
    pub add_header: AddHeader,
    /// Whether empty source mailboxes are created on the target.
    pub empty_mailboxes: EmptyMailboxes,
    /// Which target mailboxes an exact backup may delete.
    pub mailbox_deletion: MailboxDeletionNarrowing,
    /// Whether both sides are known to be one account.
    pub same_account: SameAccount,
    /// Limits of this run.
    pub limits: Limits,
}

/// Whether a mailbox without messages is created on the target.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum EmptyMailboxes {
    /// It is.
    #[default]
    Create,
    /// It is not (`--skipemptyfolders`).
    Skip,
}

/// What narrows the deletion of target mailboxes.
#[derive(Clone, Default)]
pub struct MailboxDeletionNarrowing {
    /// Only below this one (`--subfolder2`).
    pub below: Option<MailboxName>,
    /// Only those that match.
    pub only: Option<Arc<dyn NamePattern + Send + Sync>>,
    /// None of those that match.
    pub but_not: Option<Arc<dyn NamePattern + Send + Sync>>,
}

impl Job {
    /// The rule for target mailboxes, as the engine takes it.
    #[must_use]
    pub fn mailbox_delete_rule(&self) -> MailboxDeleteRule<'_> {
        let narrowing = &self.mailbox_deletion;
        MailboxDeleteRule {
            delete: self.rules.delete,
            below: narrowing.below.as_ref(),
            only: narrowing.only.as_deref().map(|pattern| pattern as &dyn NamePattern),
            but_not: narrowing.but_not.as_deref().map(|pattern| pattern as &dyn NamePattern),
        }
    }
}

/// Limits of one run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Pairs of connections that copy side by side, each another mailbox. Unknown servers
    /// permit five connections an account; each pair takes one on each side.
    pub pairs_max: usize,
    /// Faults after which nothing new is begun (`--errorsmax`).
    pub faults_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { pairs_max: 3, faults_max: 10_000 }
    }
}

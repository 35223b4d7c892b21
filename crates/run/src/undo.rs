//! Undoing what a run did to the target, as far as the target still has it
//! (`docs/design/keeping.md`): what was moved away goes back, flags become what they were, subscriptions
//! that were given up come back, and copies go again where that is asked for.
//!
//! Everything is looked at first; the plan that comes of it is what is shown and what is carried out.

mod carrying;
mod known;
mod planning;

use mailferry_engine::fault::Fault;
use mailferry_engine::message::{FlagSet, Uid};
use mailferry_engine::name::MailboxName;
use mailferry_engine::summary::{AccountFacts, Counts, MailboxSummary, PlanSummary, SameAccount};
use serde::Serialize;

pub use self::carrying::{Undone, carry_out};
pub use self::planning::{Held, hold, plan};
use crate::events::Leaving;
use crate::receipt::ReceiptError;

/// What happens to messages that the run copied.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Copies {
    /// They stay.
    #[default]
    Stay,
    /// They go, each whose UID, UIDVALIDITY and Message-Id are those of the copy.
    Go,
}

/// Why nothing can be said of what can be undone.
#[derive(Debug, thiserror::Error)]
pub enum UndoError {
    /// The target.
    #[error("{}", .0.words)]
    Target(Box<Fault>),
    /// The receipt of the run.
    #[error(transparent)]
    Receipt(#[from] ReceiptError),
}

impl From<Fault> for UndoError {
    fn from(fault: Fault) -> Self {
        Self::Target(Box::new(fault))
    }
}

/// What is to be undone, and what cannot be.
#[derive(Clone, Debug, Default, Serialize)]
pub struct UndoPlan {
    /// Each mailbox of the target in which something is to be done.
    pub mailboxes: Vec<MailboxUndo>,
    /// Subscriptions that come back.
    pub subscribe: Vec<MailboxName>,
    /// What cannot be undone, each with the reason.
    pub left: Vec<Left>,
    /// Messages, flags and subscriptions that are as they were before the run.
    pub as_before: u64,
    /// Messages of the target in mailboxes in which nothing is to be done, as far as STATUS told.
    #[serde(skip)]
    other_messages: u64,
    /// Messages of the source that the run listed.
    #[serde(skip)]
    listed: u64,
}

/// What is to be undone in one mailbox.
#[derive(Clone, Debug, Serialize)]
pub struct MailboxUndo {
    /// Its name on the target.
    pub mailbox: MailboxName,
    /// Its UIDVALIDITY as it was listed now; 0 where it is to be created.
    pub uid_validity: u32,
    /// Whether it is there, or is to be created.
    pub standing: Standing,
    /// How many messages are in it.
    pub messages: u64,
    /// Messages that come back.
    pub back: Vec<Back>,
    /// Flags that become what they were.
    pub flags: Vec<Revert>,
    /// Copies that go.
    pub copies: Vec<Uid>,
}

/// Whether a mailbox is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Standing {
    /// It is.
    There,
    /// It is to be created.
    Missing,
}

/// A message that comes back.
#[derive(Clone, Debug, Serialize)]
pub struct Back {
    /// The mailbox in which it is kept.
    pub from: MailboxName,
    /// Its UID there.
    pub uid: Uid,
    #[serde(skip)]
    from_uid_validity: u32,
    #[serde(skip)]
    known_by: Leaving,
}

/// Flags of a message that become what they were.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Revert {
    /// The message.
    pub uid: Uid,
    /// Its flags now.
    #[serde(skip)]
    pub now: FlagSet,
    /// Its flags before the run.
    #[serde(skip)]
    pub before: FlagSet,
}

/// Something that cannot be undone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Left {
    /// The mailbox.
    pub mailbox: MailboxName,
    /// The message that was, or is, there; `None` where it is the mailbox itself.
    pub uid: Option<Uid>,
    /// Why.
    pub why: String,
}

impl UndoPlan {
    /// Messages that come back.
    #[must_use]
    pub fn back(&self) -> u64 {
        self.mailboxes.iter().map(|mailbox| mailbox.back.len() as u64).sum()
    }

    /// Messages whose flags become what they were.
    #[must_use]
    pub fn flags(&self) -> u64 {
        self.mailboxes.iter().map(|mailbox| mailbox.flags.len() as u64).sum()
    }

    /// Copies that go.
    #[must_use]
    pub fn copies(&self) -> u64 {
        self.mailboxes.iter().map(|mailbox| mailbox.copies.len() as u64).sum()
    }

    /// Whether there is nothing to be done.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.mailboxes.is_empty() && self.subscribe.is_empty()
    }

    /// The sums as the guard takes them: copies that go are removals like any other.
    #[must_use]
    pub fn summary(&self) -> PlanSummary {
        let facts = AccountFacts {
            source_mailboxes: 1,
            other_target_messages: self.other_messages,
            same_account: SameAccount::No,
        };
        let mut summary = PlanSummary::new(facts, Vec::new());
        summary.total.listed = self.listed;
        for mailbox in &self.mailboxes {
            let counts = Counts {
                target_listed: mailbox.messages,
                delete: mailbox.copies.len() as u64,
                ..Counts::default()
            };
            summary.total.target_listed += counts.target_listed;
            summary.total.delete += counts.delete;
            let (target, sources) = (mailbox.mailbox.clone(), Vec::new());
            summary.mailboxes.push(MailboxSummary { target, sources, counts });
        }
        summary
    }
}

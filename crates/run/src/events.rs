//! What happens, as it happens: for a terminal, a log, JSON Lines, a progress bar.

use std::path::Path;
use std::time::Duration;

use mailferry_engine::account::{MailboxDeletion, Plan};
use mailferry_engine::fault::{Fault, Side};
use mailferry_engine::listing::AccountListing;
use mailferry_engine::message::{FlagSet, Key, Uid};
use mailferry_engine::name::MailboxName;
use mailferry_store::contract::Turn;

/// One thing that happened.
#[derive(Debug)]
pub enum Event<'a> {
    /// Both accounts were listed.
    Accounts {
        /// Mailboxes of the source.
        source: &'a AccountListing,
        /// Mailboxes of the target.
        target: &'a AccountListing,
    },
    /// The messages of a mailbox were listed.
    Listed {
        /// Which side.
        side: Side,
        /// Which mailbox, by its name on that side.
        mailbox: &'a MailboxName,
        /// How many messages it holds.
        messages: u64,
        /// Their sizes together, in octets.
        octets: u64,
    },
    /// The plan is made.
    Planned(&'a Plan),
    /// A mailbox was created on the target.
    Created(&'a MailboxName),
    /// A mailbox was subscribed on the target.
    Subscribed(&'a MailboxName),
    /// A subscription was given up on the target.
    Unsubscribed(&'a MailboxName),
    /// The target does not take the subscription of a mailbox that is not there: no failure.
    SubscriptionRefused(&'a Fault),
    /// Work on a target mailbox begins.
    MailboxBegins {
        /// Its place in the plan.
        at: usize,
        /// Its name.
        target: &'a MailboxName,
    },
    /// A message was copied.
    Copied(Copied<'a>),
    /// A message was left out by a rule about its content.
    LeftOut {
        /// The mailbox on the source.
        mailbox: &'a MailboxName,
        /// The message there.
        uid: Uid,
        /// The rule, as the user wrote it.
        rule: &'a str,
    },
    /// A command that a message went through wrote something to its standard error.
    CommandSaid {
        /// The mailbox on the source.
        mailbox: &'a MailboxName,
        /// The message there.
        uid: Uid,
        /// The command, with its option.
        command: &'a str,
        /// What it wrote. Foreign text: escape to show.
        words: &'a str,
    },
    /// So many octets of bodies were read from the source.
    Octets(u64),
    /// The octets of so many messages were read on both sides and compared.
    Compared {
        /// Messages.
        messages: u64,
    },
    /// The flags of a message were changed on the target.
    FlagsUpdated {
        /// The mailbox on the target.
        mailbox: &'a MailboxName,
        /// The message there.
        uid: Uid,
        /// Its flags as they were listed.
        before: &'a FlagSet,
        /// Its flags now.
        after: &'a FlagSet,
    },
    /// The labels of a message were changed on the target.
    LabelsChanged {
        /// The mailbox on the target.
        mailbox: &'a MailboxName,
        /// The message there.
        uid: Uid,
        /// Labels that it has got.
        added: &'a FlagSet,
        /// Labels that it has lost.
        taken: &'a FlagSet,
    },
    /// The labels of messages were changed on the target: the sums of one mailbox.
    LabelsSet {
        /// The mailbox on the target.
        mailbox: &'a MailboxName,
        /// How many messages.
        messages: u64,
        /// How many were left as they are, since they have no Message-Id.
        left: u64,
    },
    /// Messages were copied within the target, which had them from another mailbox of the source.
    /// Each is told of as copied, too.
    CopiedWithin {
        /// The mailbox on the target.
        mailbox: &'a MailboxName,
        /// How many messages.
        messages: u64,
        /// How many of them stand behind a message that comes after them on the source.
        behind: u64,
    },
    /// A message was removed from the target.
    Deleted {
        /// The mailbox on the target.
        mailbox: &'a MailboxName,
        /// The message that was there.
        uid: Uid,
    },
    /// Messages of the target are about to be moved where what is taken away is kept.
    Leaving {
        /// The mailbox that they leave.
        mailbox: &'a MailboxName,
        /// Its UIDVALIDITY.
        uid_validity: u32,
        /// Where they go.
        to: &'a MailboxName,
        /// Which.
        messages: &'a [Leaving],
    },
    /// A message of the target was moved where what is taken away is kept.
    Moved {
        /// The mailbox that it left.
        mailbox: &'a MailboxName,
        /// The message that was there.
        uid: Uid,
        /// Where it is now.
        to: &'a MailboxName,
        /// Its UID there, where the target told it.
        to_uid: Option<Uid>,
        /// The UIDVALIDITY under which that holds.
        to_uid_validity: u32,
    },
    /// A mailbox of the target was deleted in which what was taken away was kept long enough.
    Pruned(&'a MailboxDeletion),
    /// A message was removed from the source: its copy is proven.
    SourceDeleted {
        /// The mailbox on the source.
        mailbox: &'a MailboxName,
        /// The message that was there.
        uid: Uid,
    },
    /// The target was full; what was to go has gone, and copying goes on.
    MadeRoom {
        /// Messages removed.
        messages: u64,
        /// Mailboxes deleted.
        mailboxes: u64,
    },
    /// A mailbox was deleted on the target.
    MailboxDeleted(&'a MailboxName),
    /// A connection broke; another is opened after a while, and the run goes on.
    Reconnecting {
        /// Why.
        fault: &'a Fault,
        /// How long is waited first.
        wait: Duration,
    },
    /// A server asks to be left alone; the run goes on after that.
    Throttled {
        /// In what words.
        fault: &'a Fault,
        /// How long it is left alone.
        wait: Duration,
    },
    /// After a connection broke, so many messages that were not answered for were found on the
    /// target, and so many are to be sent again.
    Settled {
        /// The mailbox on the target.
        mailbox: &'a MailboxName,
        /// Found.
        found: u64,
        /// Not found.
        absent: u64,
    },
    /// A message had been stored twice; this run's own copy was removed, and the other one stays.
    DoubleRemoved {
        /// The mailbox on the target.
        mailbox: &'a MailboxName,
        /// The copy that was there.
        uid: Uid,
    },
    /// The target refused a message, and a repair will be tried later. It counts as a fault until
    /// [`Event::RepairEnds`].
    RepairIsDue(&'a Fault),
    /// One of them was brought in, or is told of as failed next.
    RepairEnds,
    /// A message that the target had refused was brought in after a repair.
    Repaired {
        /// The mailbox on the source.
        mailbox: &'a MailboxName,
        /// The message there.
        uid: Uid,
        /// What was done to it.
        steps: &'a [&'static str],
    },
    /// A message that the target refused, whatever was repaired, was kept aside as a file.
    KeptAside {
        /// The mailbox on the source.
        mailbox: &'a MailboxName,
        /// The message there.
        uid: Uid,
        /// The file.
        path: &'a Path,
    },
    /// Another run works in a mailbox of the target, and it is waited for.
    Waiting {
        /// The mailbox on the target.
        mailbox: &'a MailboxName,
        /// The process of the other run, where that is known.
        process: Option<u32>,
        /// How long is waited at most.
        wait: Duration,
    },
    /// A run on these accounts was killed: what it had sent is waited for first.
    AfterKilled,
    /// Something failed.
    Failed(&'a Fault),
    /// Work on a target mailbox ended.
    MailboxEnds {
        /// Its place in the plan.
        at: usize,
        /// Its name.
        target: &'a MailboxName,
    },
}

/// A message that is about to be moved, and what it can be known by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Leaving {
    /// Its UID in the mailbox that it leaves.
    pub uid: Uid,
    /// What its identity headers come to.
    pub key: Key,
    /// Its size, as listed.
    pub octets: u32,
    /// Its INTERNALDATE, in seconds since 1970-01-01T00:00:00Z.
    pub date: Option<i64>,
}

impl<'a> Event<'a> {
    /// Another attempt is made after a while, because of a fault.
    pub(crate) fn another_attempt(fault: &'a Fault, wait: Duration) -> Self {
        match fault.is_throttling() {
            true => Self::Throttled { fault, wait },
            false => Self::Reconnecting { fault, wait },
        }
    }
}

/// A message was copied.
#[derive(Clone, Copy, Debug)]
pub struct Copied<'a> {
    /// The mailbox on the source.
    pub source: &'a MailboxName,
    /// The message there.
    pub uid: Uid,
    /// The mailbox on the target.
    pub target: &'a MailboxName,
    /// The copy, where the target told its UID.
    pub target_uid: Option<Uid>,
    /// Octets sent.
    pub octets: u64,
    /// Whether it went in its turn.
    pub turn: Turn,
}

/// Whoever wants to know. Called from several tasks; must not block for long.
pub trait EventSink: Send + Sync {
    /// Takes note of an event.
    fn on(&self, event: &Event<'_>);
}

/// Nobody wants to know.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl EventSink for Silent {
    fn on(&self, _: &Event<'_>) {}
}

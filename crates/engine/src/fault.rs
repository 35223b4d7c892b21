//! What went wrong: how far it reaches, whether to try again, and the server's own words.

use std::time::Duration;

use serde::Serialize;

use crate::message::Uid;
use crate::name::MailboxName;

/// How far a fault reaches. One bad message never stops a mailbox, one bad mailbox never
/// stops a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scope {
    /// This message only.
    Message,
    /// This mailbox.
    Mailbox,
    /// Everything on this side's account.
    Account,
    /// The whole run.
    Run,
}

/// Whether trying again can help.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Retry {
    /// At once, on a new connection.
    Now,
    /// After a while: throttled, in use, unavailable.
    Later,
    /// Not without somebody changing something.
    Never,
}

/// Which side a fault comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Side {
    /// Where mail is read (imapsync's host1).
    Source,
    /// Where mail is written (imapsync's host2).
    Target,
}

/// The diagnosis.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum FaultKind {
    /// The host cannot be reached, or the connection broke.
    Connection,
    /// The proxy on the way refuses, or does not lead to the server.
    Proxy,
    /// TLS could not be established, or the certificate was refused.
    Tls,
    /// The certificate was refused; the words name its fingerprint.
    Certificate,
    /// The server speaks only versions of TLS that are too old.
    OldTls,
    /// The credentials were refused.
    Authentication,
    /// The access token was refused.
    TokenRefused,
    /// No access token could be had for the login.
    TokenMissing,
    /// The server offers no way to log in that can be used.
    Mechanism,
    /// The server broke the protocol.
    Protocol,
    /// A limit of ours was reached; the words name it.
    Limit,
    /// LIST, EXAMINE, SEARCH and FETCH do not add up.
    ListingIncomplete,
    /// The server may have more messages in a mailbox than it shows.
    HiddenMessages,
    /// A mailbox could not be opened.
    Select,
    /// A mailbox could not be created.
    Create,
    /// A mailbox could not be deleted.
    DeleteMailbox,
    /// A mailbox could not be subscribed.
    Subscribe,
    /// A mailbox could not be unsubscribed.
    Unsubscribe,
    /// A message did not come though asked for.
    Fetch,
    /// A message went away between listing and copying.
    Expunged,
    /// A rule that changes or chooses messages by their content came to no result.
    Transform,
    /// The target refused a message.
    Append,
    /// The target refused a message for its size.
    AppendSize,
    /// The target refused a message for what it takes for a virus.
    AppendVirus,
    /// The target is full.
    OverQuota,
    /// The server wants to be left alone for a while.
    Throttled,
    /// The account has moved as much as it may in a day.
    DayQuota,
    /// Flags could not be set.
    Flags,
    /// Messages could not be removed.
    DeleteMessage,
    /// Two mailboxes of the source would land on one name that the rules do not join, or a
    /// name cannot be had on the target.
    Mapping,
    /// The target mailbox holds messages of which none is recognised: it may be one that
    /// rewrites what it stores, so that every run would append everything again.
    Unrecognised,
    /// Another run works in the mailbox, or did since it was listed.
    InUse,
    /// The run was stopped before this was done.
    Interrupted,
    /// It could not be written down what became of the messages.
    Receipt,
}

/// One fault.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, thiserror::Error)]
#[error("{kind:?}: {words}")]
pub struct Fault {
    /// How far it reaches.
    pub scope: Scope,
    /// Whether trying again can help.
    pub retry: Retry,
    /// The diagnosis.
    pub kind: FaultKind,
    /// Where it comes from.
    pub side: Side,
    /// The mailbox, by its name on that side.
    pub mailbox: Option<MailboxName>,
    /// The message, by its UID on that side.
    pub uid: Option<Uid>,
    /// The server's own words, or ours where no server spoke. Foreign text: escape to show.
    pub words: String,
    /// How long to leave the server alone, where it said so.
    #[serde(skip)]
    pub wait: Option<Duration>,
}

impl Fault {
    /// A fault of that kind with the scope and retry that go with it.
    #[must_use]
    pub fn new(side: Side, kind: FaultKind, words: impl Into<String>) -> Self {
        use FaultKind as K;
        let (scope, retry) = match kind {
            K::Connection => (Scope::Account, Retry::Now),
            K::Proxy
            | K::Tls
            | K::Certificate
            | K::OldTls
            | K::Authentication
            | K::TokenRefused
            | K::TokenMissing
            | K::Mechanism
            | K::Protocol => (Scope::Account, Retry::Never),
            K::Limit | K::Interrupted | K::Receipt => (Scope::Run, Retry::Never),
            K::ListingIncomplete => (Scope::Mailbox, Retry::Now),
            K::HiddenMessages
            | K::Select
            | K::Create
            | K::DeleteMailbox
            | K::Subscribe
            | K::Unsubscribe
            | K::Mapping
            | K::Unrecognised => (Scope::Mailbox, Retry::Never),
            K::Fetch | K::Expunged => (Scope::Message, Retry::Now),
            K::Transform
            | K::Append
            | K::AppendSize
            | K::AppendVirus
            | K::Flags
            | K::DeleteMessage => (Scope::Message, Retry::Never),
            K::InUse => (Scope::Mailbox, Retry::Later),
            K::OverQuota | K::Throttled | K::DayQuota => (Scope::Account, Retry::Later),
        };
        let (mailbox, uid, wait) = (None, None, None);
        Self { scope, retry, kind, side, mailbox, uid, words: words.into(), wait }
    }

    /// Whether the server asks to be left alone: it took nothing, and nothing is wrong with what it
    /// was asked.
    #[must_use]
    pub fn is_throttling(&self) -> bool {
        matches!(self.kind, FaultKind::Throttled | FaultKind::DayQuota)
    }

    /// The same fault with its mailbox named.
    #[must_use]
    pub fn in_mailbox(mut self, mailbox: &MailboxName) -> Self {
        self.mailbox = Some(mailbox.clone());
        self
    }

    /// The same fault with its message named.
    #[must_use]
    pub fn of_message(mut self, uid: Uid) -> Self {
        self.uid = Some(uid);
        self
    }
}

//! The lines of a receipt: one JSON object each, in the order in which things happened
//! (`docs/design/receipts.md`).
//!
//! `m` is the number of a source mailbox and the target mailbox it feeds, as its line `mailbox`
//! gives them. Names and flags are written as they are shown: printable ASCII as it is, a
//! backslash doubled, every other octet as `\xHH`.

use std::borrow::Cow;

use mailferry_engine::fault::FaultKind;
use mailferry_engine::plan::SkipReason;
use serde::{Deserialize, Serialize};

use super::Tally;

/// The form of the file; another number is another form.
pub(super) const VERSION: u32 = 1;

/// Text that may be read in place.
pub(super) type Text<'a> = Cow<'a, str>;

/// One line.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Line<'a> {
    /// The first: which run it is.
    #[serde(borrow)]
    Receipt(Heading<'a>),
    /// A source mailbox and what feeds it. The rows follow, unless it is as in an earlier run.
    Mailbox(MailboxLine<'a>),
    /// Another run worked there meanwhile, so that a mailbox was planned again: what follows
    /// stands for its rows.
    Again { m: u32, source_uid_validity: u32, target_uid_validity: u32, listed: u64 },
    /// The same for what is to be removed.
    RemovalsAgain { m: u32 },
    /// To be copied.
    Copy { m: u32, uids: Text<'a> },
    /// On the target as they should be, and there.
    Present { m: u32, uids: Text<'a> },
    /// On the target, with flags to be changed.
    UpdateFlags { m: u32, uids: Text<'a> },
    /// Left alone.
    Skip { m: u32, why: Why, limit: u32, uids: Text<'a> },
    /// Cannot be dealt with.
    Problem { m: u32, kind: Text<'a>, words: Text<'a>, uids: Text<'a> },
    /// Messages of the target that are to be removed.
    Remove { m: u32, why: Text<'a>, uids: Text<'a> },
    /// A mailbox of the target that is to be deleted, how many messages it holds, and whether it is
    /// subscribed.
    DeleteMailbox {
        mailbox: Text<'a>,
        messages: Option<u32>,
        #[serde(default)]
        subscribed: bool,
    },
    /// A mailbox of the target in which messages were kept long enough.
    PruneMailbox { mailbox: Text<'a>, messages: Option<u32> },
    /// Messages of the target are moved from one mailbox to where they are kept; `f` is the number of
    /// the first.
    MoveFrom { f: u32, mailbox: Text<'a>, uid_validity: u32, to: Text<'a> },
    /// A message is being moved, and what it can be known by: its identity key in small hexadecimal
    /// digits, where it has one, size and INTERNALDATE.
    Moving { f: u32, uid: u32, key: Text<'a>, octets: u32, date: Option<i64> },
    /// It was moved; 0 where the target did not say as what.
    Moved { f: u32, uid: u32, target: u32, uid_validity: u32 },
    /// A mailbox in which messages were kept was deleted.
    Pruned { mailbox: Text<'a> },
    /// A message is being sent, and what it is called.
    Sent { m: u32, uid: u32, octets: u64, id: Text<'a>, subject: Text<'a> },
    /// The target said that it has it; 0 where it did not say as what.
    Copied { m: u32, uid: u32, target: u32 },
    /// A rule about its content left it out.
    LeftOut { m: u32, uid: u32, rule: Text<'a> },
    /// It was not copied.
    Failed { m: u32, uid: u32, kind: Text<'a>, words: Text<'a> },
    /// Flags of a message of the target were changed.
    Flags { m: u32, uid: u32, before: Vec<Text<'a>>, after: Vec<Text<'a>> },
    /// They could not be changed.
    FlagsFailed { m: u32, uid: u32, words: Text<'a> },
    /// Labels of a message of the target were added and taken.
    Labels { m: u32, uid: u32, added: Vec<Text<'a>>, taken: Vec<Text<'a>> },
    /// A message of the target was removed.
    Removed { m: u32, uid: u32 },
    /// It could not be removed.
    RemoveFailed { m: u32, uid: u32, words: Text<'a> },
    /// A message was removed from the source, its copy being proven.
    SourceRemoved { m: u32, uid: u32 },
    /// A copy of this run was one too many, and was removed; the other one stays.
    DoubleRemoved { m: u32, uid: u32 },
    /// A message came in after a repair.
    Repaired { m: u32, uid: u32, steps: Vec<Text<'a>> },
    /// A message was kept aside as a file.
    KeptAside { m: u32, uid: u32, path: Text<'a> },
    /// A mailbox was created on the target.
    Created { mailbox: Text<'a> },
    /// A mailbox of the target was deleted with what was in it.
    MailboxDeleted { mailbox: Text<'a> },
    /// A mailbox of the target was subscribed.
    Subscribed { mailbox: Text<'a> },
    /// A subscription of the target was given up.
    Unsubscribed { mailbox: Text<'a> },
    /// Something failed that is no message.
    Fault { kind: Text<'a>, mailbox: Option<Text<'a>>, words: Text<'a> },
    /// The UIDVALIDITY of a mailbox of the target that was not known before.
    TargetUidValidity { m: u32, uid_validity: u32 },
    /// Every message of a mailbox is where it should be: what a later run may refer to.
    Standing(StandingLine<'a>),
    /// The run ended, and these are its sums.
    End(EndLine),
    /// BLAKE3 of every octet before this line.
    Seal(Text<'a>),
}

/// Which run it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Heading<'a> {
    pub(super) version: u32,
    #[serde(borrow)]
    pub(super) run: Text<'a>,
    /// The program, its version and its command.
    pub(super) program: Text<'a>,
    /// Seconds since 1970-01-01T00:00:00Z.
    pub(super) began: i64,
    /// `user@host:port`.
    pub(super) source: Text<'a>,
    pub(super) target: Text<'a>,
}

/// A source mailbox and the target mailbox it feeds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct MailboxLine<'a> {
    pub(super) m: u32,
    #[serde(borrow)]
    pub(super) source: Text<'a>,
    pub(super) target: Text<'a>,
    /// 0 where it is not known.
    pub(super) source_uid_validity: u32,
    pub(super) target_uid_validity: u32,
    /// Messages of the source.
    pub(super) listed: u64,
    /// Nothing was to be done: each has the fate that it has in that run.
    pub(super) unchanged: Option<Unchanged<'a>>,
}

/// The run in which the rows of a mailbox stand, and what they come to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Unchanged<'a> {
    #[serde(borrow)]
    pub(super) as_in: Text<'a>,
    pub(super) digest: Text<'a>,
    pub(super) tally: Tally,
}

/// What a later run may refer to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct StandingLine<'a> {
    #[serde(borrow)]
    pub(super) source: Text<'a>,
    pub(super) target: Text<'a>,
    pub(super) source_uid_validity: u32,
    pub(super) target_uid_validity: u32,
    pub(super) digest: Text<'a>,
    /// The run in which its rows stand.
    pub(super) in_run: Text<'a>,
}

/// The last line but the seal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct EndLine {
    pub(super) ended: i64,
    /// All that was planned was done, and no message was a problem.
    pub(super) complete: bool,
    pub(super) tally: Tally,
    pub(super) flags_updated: u64,
    pub(super) deleted: u64,
    /// Messages moved in place of being removed.
    #[serde(default)]
    pub(super) moved: u64,
    /// Where the first line `standing` begins.
    pub(super) standing_at: u64,
}

/// Why a message was left alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Why {
    /// Not within the selection (search, age).
    NotSelected,
    /// Larger than the user wants.
    TooBig,
    /// Not larger than the user wants.
    TooSmall,
    /// Larger than the target takes: no rule of the user's, so that it counts as failed.
    OverAppendLimit,
    /// Another message of equal content stands for it.
    Duplicate,
    /// It is in another mailbox of the target (restore).
    Elsewhere,
    /// A rule about its content, found when it was to be copied.
    Content,
}

impl Why {
    /// The reason, and the limit in octets where it is one.
    pub(super) fn of(reason: SkipReason) -> (Self, u32) {
        match reason {
            SkipReason::NotSelected => (Self::NotSelected, 0),
            SkipReason::TooBig { limit } => (Self::TooBig, limit),
            SkipReason::TooSmall { limit } => (Self::TooSmall, limit),
            SkipReason::OverAppendLimit { limit } => (Self::OverAppendLimit, limit),
            SkipReason::Duplicate => (Self::Duplicate, 0),
            SkipReason::Elsewhere => (Self::Elsewhere, 0),
        }
    }
}

/// The word for a kind of fault, as everywhere.
pub(super) fn kind_word(kind: FaultKind) -> String {
    match serde_json::to_value(kind) {
        Ok(serde_json::Value::String(word)) => word,
        _ => String::new(),
    }
}

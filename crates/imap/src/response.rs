//! Reading responses. Total: every frame is some [`Response`], and what is not understood
//! is kept as bytes. A value that makes no sense is left out and counted, never the message
//! it belongs to: a FETCH response that is dropped is a message that is lost.

mod code;
mod fetch;
mod mailbox;
mod quota;
mod search;

pub use code::Code;
pub use fetch::{Body, Fetch, HeadItem, head_item, head_sequence, head_uid, parse_head};
pub use mailbox::{List, NamespaceEntry, StatusItems};
pub use quota::QuotaResource;
pub use search::Numbering;

use std::borrow::Cow;

use crate::token::{Absent, Close, Cursor, Value, first_word, parse_u64, split_words};
use crate::uid_set::UidSet;
use crate::wire::Frame;

/// One response (RFC 9051 §7). Borrows from the frame; a value of a moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Response<'a> {
    /// The end of a command.
    Tagged {
        /// The tag of the command.
        tag: &'a [u8],
        /// How the command ended.
        status: Status,
        /// What a program should know about it.
        code: Option<Code<'a>>,
        /// What a human should know about it; may be empty and in any encoding.
        text: &'a [u8],
    },
    /// `+`: go on with the literal, or a SASL challenge.
    Continuation {
        /// What follows the `+` and a space; may be empty.
        text: &'a [u8],
    },
    /// Everything that begins with `*`, and everything that is not understood.
    Untagged(Untagged<'a>),
}

/// How a command ended (RFC 9051 §7.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// Done.
    Ok,
    /// Refused or failed.
    No,
    /// Not understood.
    Bad,
}

/// What an untagged condition says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConditionKind {
    /// Information; as greeting: ready for login.
    Ok,
    /// A warning.
    No,
    /// A protocol error.
    Bad,
    /// The server closes the connection.
    Bye,
    /// As greeting: logged in already.
    PreAuth,
}

/// A field of an ID response and its value, `None` if it is NIL.
pub type IdField<'a> = (Cow<'a, [u8]>, Option<Cow<'a, [u8]>>);

/// An untagged response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Untagged<'a> {
    /// `OK`, `NO`, `BAD`, `BYE`, `PREAUTH`.
    Condition {
        /// Which of them.
        kind: ConditionKind,
        /// What a program should know.
        code: Option<Code<'a>>,
        /// What a human should know; may be empty and in any encoding.
        text: &'a [u8],
    },
    /// See [`Capabilities::new`](crate::capability::Capabilities::new).
    Capability(Vec<&'a [u8]>),
    /// What ENABLE has enabled.
    Enabled(Vec<&'a [u8]>),
    /// The flags known in the mailbox.
    Flags(Vec<&'a [u8]>),
    /// How many messages the mailbox has.
    Exists(u64),
    /// How many messages are recent (RFC 3501 §7.3.2).
    Recent(u64),
    /// The message with this number is gone; later ones move down.
    Expunge(u64),
    /// UIDs that are gone (RFC 7162 §3.2.10).
    Vanished {
        /// They were gone before this session, so that message numbers stay.
        earlier: bool,
        /// Which; may include UIDs that never existed.
        uids: UidSet,
    },
    /// LIST, LSUB or XLIST.
    List(List<'a>),
    /// STATUS.
    Status {
        /// The name of the mailbox on the wire.
        mailbox: Cow<'a, [u8]>,
        /// What was asked for and understood.
        items: StatusItems<'a>,
    },
    /// SEARCH.
    Search {
        /// The hits in the order sent.
        numbers: Vec<u32>,
        /// The highest mod-sequence of them (RFC 7162 §3.1.5).
        modseq: Option<u64>,
    },
    /// ESEARCH (RFC 4731 §3.1).
    ESearch {
        /// The tag of the command it answers.
        tag: Option<Cow<'a, [u8]>>,
        /// What the numbers are.
        numbering: Numbering,
        /// The lowest hit.
        min: Option<u64>,
        /// The highest hit.
        max: Option<u64>,
        /// The number of hits.
        count: Option<u64>,
        /// All hits; empty if not asked for or if there are none.
        all: UidSet,
        /// The highest mod-sequence of the hits (RFC 7162 §3.1.10).
        modseq: Option<u64>,
    },
    /// NAMESPACE (RFC 9051 §7.3.5).
    Namespace {
        /// The user's own.
        personal: Vec<NamespaceEntry<'a>>,
        /// Those of other users.
        other: Vec<NamespaceEntry<'a>>,
        /// Shared ones.
        shared: Vec<NamespaceEntry<'a>>,
    },
    /// QUOTA (RFC 9208 §5.1).
    Quota {
        /// What the limits are of; mostly empty. Foreign.
        root: Cow<'a, [u8]>,
        /// The limits.
        resources: Vec<QuotaResource<'a>>,
    },
    /// ID (RFC 2971 §3.2): fields and their values.
    Id(Vec<IdField<'a>>),
    /// FETCH or UIDFETCH.
    Fetch(Fetch<'a>),
    /// Anything else, the whole response.
    Other(&'a [u8]),
}

/// Reads a response.
#[must_use]
pub fn parse(frame: Frame<'_>) -> Response<'_> {
    let bytes = frame.bytes;
    match bytes.first() {
        Some(b'*') => {
            let untagged = untagged(&bytes[1..], frame);
            Response::Untagged(untagged.unwrap_or(Untagged::Other(bytes)))
        }
        Some(b'+') => {
            let text = &bytes[1..];
            Response::Continuation { text: text.strip_prefix(b" ").unwrap_or(text) }
        }
        _ => tagged(bytes).unwrap_or(Response::Untagged(Untagged::Other(bytes))),
    }
}

fn tagged(bytes: &[u8]) -> Option<Response<'_>> {
    let (tag, rest) = bytes.split_at(bytes.iter().position(|b| *b == b' ')?);
    let (word, rest) = first_word(rest);
    let status = match condition_kind(word)? {
        ConditionKind::Ok => Status::Ok,
        ConditionKind::No => Status::No,
        ConditionKind::Bad => Status::Bad,
        ConditionKind::Bye | ConditionKind::PreAuth => return None,
    };
    let (code, text) = code::parse_text(rest);
    (!tag.is_empty()).then_some(Response::Tagged { tag, status, code, text })
}

fn condition_kind(word: &[u8]) -> Option<ConditionKind> {
    Some(match &word.to_ascii_uppercase()[..] {
        b"OK" => ConditionKind::Ok,
        b"NO" => ConditionKind::No,
        b"BAD" => ConditionKind::Bad,
        b"BYE" => ConditionKind::Bye,
        b"PREAUTH" => ConditionKind::PreAuth,
        _ => return None,
    })
}

/// Reads what follows the `*`.
fn untagged<'a>(after_star: &'a [u8], frame: Frame<'a>) -> Option<Untagged<'a>> {
    let (word, rest) = first_word(after_star);
    if let Some(number) = parse_u64(word) {
        return numbered(number, rest, frame);
    }
    if let Some(kind) = condition_kind(word) {
        let (code, text) = code::parse_text(rest);
        return Some(Untagged::Condition { kind, code, text });
    }
    let mut cursor = Cursor::within(rest);
    Some(match &word.to_ascii_uppercase()[..] {
        b"CAPABILITY" => Untagged::Capability(split_words(rest)),
        b"ENABLED" => Untagged::Enabled(split_words(rest)),
        b"FLAGS" => Untagged::Flags(cursor.words(Close::BeforeSpace)?),
        b"LIST" | b"XLIST" => Untagged::List(mailbox::parse_list(cursor, mailbox::Listing::All)?),
        b"LSUB" => Untagged::List(mailbox::parse_list(cursor, mailbox::Listing::Subscribed)?),
        b"STATUS" => {
            let (mailbox, items) = mailbox::parse_status(cursor)?;
            Untagged::Status { mailbox, items }
        }
        b"SEARCH" => search::parse_search(rest)?,
        b"ESEARCH" => search::parse_esearch(cursor)?,
        b"VANISHED" => search::parse_vanished(cursor)?,
        b"NAMESPACE" => mailbox::parse_namespace(cursor),
        b"QUOTA" => {
            let (root, resources) = quota::parse_quota(cursor)?;
            Untagged::Quota { root, resources }
        }
        b"ID" => Untagged::Id(id(cursor)),
        _ => return None,
    })
}

/// Reads what follows the `*` and a number.
fn numbered<'a>(number: u64, rest: &'a [u8], frame: Frame<'a>) -> Option<Untagged<'a>> {
    let (word, rest) = first_word(rest);
    Some(match &word.to_ascii_uppercase()[..] {
        b"FETCH" | b"UIDFETCH" => {
            let skipped = frame.bytes.len() - rest.len();
            let cursor = Cursor::starting_at(frame.bytes, skipped, Absent::At(frame.detached));
            Untagged::Fetch(fetch::parse(number, word, cursor))
        }
        b"EXISTS" => Untagged::Exists(number),
        b"RECENT" => Untagged::Recent(number),
        // GNU mailutils imap4d says EXPUNGED.
        b"EXPUNGE" | b"EXPUNGED" => Untagged::Expunge(number),
        _ => return None,
    })
}

/// `("name" "Cyrus" "os" NIL)` or `NIL` (RFC 2971 §4: id-params-list).
fn id<'a>(mut cursor: Cursor<'a, '_>) -> Vec<IdField<'a>> {
    let Some(Value::List(inner)) = cursor.value() else { return Vec::new() };
    let mut cursor = Cursor::within(inner);
    let mut fields = Vec::new();
    while let Some(field) = cursor.value() {
        let value = cursor.value().and_then(Value::into_text);
        if let Some(field) = field.into_text() {
            fields.push((field, value));
        }
    }
    fields
}

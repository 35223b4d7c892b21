//! SEARCH, ESEARCH and VANISHED: sets of messages.

use super::Untagged;
use crate::token::{Cursor, Value, parse_u32};
use crate::uid_set::UidSet;

/// What the numbers of a search result are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Numbering {
    /// Message numbers.
    Sequence,
    /// UIDs.
    Uid,
}

/// A set within SEARCH is spelled out up to so many numbers: larger ones are not believed.
const SPELLED_OUT_MAX: u64 = 1 << 20;

/// Reads what follows the word SEARCH: numbers, and `(MODSEQ n)` (RFC 7162 §3.1.5). `None`
/// if something is neither: a search result must not shrink silently.
pub(super) fn parse_search(rest: &[u8]) -> Option<Untagged<'_>> {
    let (hits, modseq) = match memchr::memchr(b'(', rest) {
        Some(at) => (&rest[..at], parse_modseq(&rest[at..])),
        None => (rest, None),
    };
    let mut numbers = Vec::with_capacity(hits.len() / 8);
    for word in hits.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty()) {
        if let Some(number) = parse_u32(word) {
            numbers.push(number);
            continue;
        }
        let set = UidSet::parse(word)?;
        if set.len() > SPELLED_OUT_MAX || numbers.len() as u64 > SPELLED_OUT_MAX {
            return None;
        }
        numbers.extend(set.iter());
    }
    Some(Untagged::Search { numbers, modseq })
}

/// Reads what follows the word ESEARCH (RFC 9051 §7.3.8). `None` if the hits are no set.
pub(super) fn parse_esearch<'a>(mut cursor: Cursor<'a, '_>) -> Option<Untagged<'a>> {
    let (mut tag, mut numbering) = (None, Numbering::Sequence);
    let (mut min, mut max, mut count, mut modseq) = (None, None, None, None);
    let mut all = UidSet::new();
    while let Some(word) = cursor.value() {
        let name = match word {
            Value::List(inner) => {
                tag = tag.or_else(|| correlated_tag(inner));
                continue;
            }
            Value::Atom(name) => name.to_ascii_uppercase(),
            Value::Nil | Value::Text(_) | Value::Streamed(_) => continue,
        };
        if name == b"UID" {
            numbering = Numbering::Uid;
            continue;
        }
        let value = cursor.value();
        match (&name[..], value) {
            (b"MIN", Some(value)) => min = value.into_u64(),
            (b"MAX", Some(value)) => max = value.into_u64(),
            (b"COUNT", Some(value)) => count = value.into_u64(),
            (b"MODSEQ", Some(value)) => modseq = value.into_u64(),
            (b"ALL", Some(value)) => all = UidSet::parse(&value.into_text()?)?,
            _ => {}
        }
    }
    Some(Untagged::ESearch { tag, numbering, min, max, count, all, modseq })
}

/// Reads what follows the word VANISHED (RFC 7162 §3.2.10). `None` if it is no set.
pub(super) fn parse_vanished<'a>(mut cursor: Cursor<'a, '_>) -> Option<Untagged<'a>> {
    cursor.skip_spaces();
    let earlier = cursor.peek() == Some(b'(');
    if earlier {
        cursor.value();
    }
    Some(Untagged::Vanished { earlier, uids: UidSet::parse(cursor.rest())? })
}

/// `TAG "A282"`, possibly followed by other data (RFC 9051 §9: search-correlator).
fn correlated_tag(inner: &[u8]) -> Option<std::borrow::Cow<'_, [u8]>> {
    let mut cursor = Cursor::within(inner);
    let is_tag = matches!(cursor.value()?, Value::Atom(word) if word.eq_ignore_ascii_case(b"TAG"));
    is_tag.then(|| cursor.value()?.into_text())?
}

fn parse_modseq(rest: &[u8]) -> Option<u64> {
    let Value::List(inner) = Cursor::within(rest).value()? else { return None };
    let mut cursor = Cursor::within(inner);
    let word = cursor.value()?;
    let is_modseq = matches!(word, Value::Atom(word) if word.eq_ignore_ascii_case(b"MODSEQ"));
    is_modseq.then(|| cursor.value()?.into_u64())?
}

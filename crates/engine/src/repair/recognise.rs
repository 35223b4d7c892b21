//! Whether a later run will know a repaired message again (`docs/design/identity.md`).

use super::lines::{Lines, Piece};
use crate::canonical::Canonical;
use crate::identity::{KeyRule, header_key};
use crate::message::{Digest, Key};

/// Octets of a header block from which a key is made here. Of a longer one none is made, and
/// no repair of it is sent.
const HEADER_OCTETS_MAX: usize = 1 << 20;
/// Octets of a line that come in one piece: an empty one has fewer, CRs included.
const LINE_HOLD_OCTETS: usize = 1024;

/// Takes key and digest of a message that comes in chunks.
#[derive(Clone, Debug)]
pub struct Fingerprint {
    canonical: Canonical,
    lines: Lines,
    header: Header,
}

#[derive(Clone, Debug)]
enum Header {
    Coming(Vec<u8>),
    Whole(Vec<u8>),
    TooLong,
}

/// By what a message is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Its key; `None` where the header is too long to tell.
    pub key: Option<Key>,
    /// The digest of its canonical form.
    pub digest: Digest,
}

/// By what a later run will know that a repaired message is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Recognised {
    /// Not at all: it would be copied again in every run. Such a repair is not sent.
    Never,
    /// By its key and INTERNALDATE (rules 1 and 2 of identity): the content has another digest.
    ByDate,
    /// By its content, like any other message.
    ByContent,
}

/// Whether a message goes with the INTERNALDATE under which the source lists it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DateSent {
    /// It does, and it is one that a target keeps.
    AsListed,
    /// With another one, with none, or with one that cannot be.
    Otherwise,
}

/// By what a message `before` a repair and `after` it are known to be the same.
#[must_use]
pub fn recognised(before: Identity, after: Identity, date: DateSent) -> Recognised {
    match (before.key, after.key) {
        (Some(one), Some(other)) if one == other => {
            if before.digest == after.digest {
                Recognised::ByContent
            } else if !one.is_none() && date == DateSent::AsListed {
                Recognised::ByDate
            } else {
                Recognised::Never
            }
        }
        _ => Recognised::Never,
    }
}

impl Default for Fingerprint {
    fn default() -> Self {
        Self::new()
    }
}

impl Fingerprint {
    /// At the beginning of a message.
    #[must_use]
    pub fn new() -> Self {
        Self {
            canonical: Canonical::new(),
            lines: Lines::new(LINE_HOLD_OCTETS),
            header: Header::Coming(Vec::new()),
        }
    }

    /// Takes the next octets. Memory is bounded: at most 1 MiB of header is held.
    pub fn push(&mut self, chunk: &[u8]) {
        self.canonical.update(chunk);
        if let Header::Coming(_) = self.header {
            self.lines.push(chunk, |piece| self.header.take(piece));
        }
    }

    /// Key and digest of all that came; `rule`: which headers make the key.
    #[must_use]
    pub fn finish(mut self, rule: &KeyRule) -> Identity {
        self.lines.finish(|piece| self.header.take(piece));
        let key = match &self.header {
            Header::Coming(block) | Header::Whole(block) => Some(header_key(block, rule)),
            Header::TooLong => None,
        };
        Identity { key, digest: self.canonical.finish() }
    }
}

impl Header {
    fn take(&mut self, piece: Piece<'_>) {
        let Self::Coming(block) = self else { return };
        // As the key sees it: nothing but CRs before the LF.
        let is_empty = |line: &[u8]| line.iter().all(|octet| matches!(octet, b'\r' | b'\n'));
        if matches!(piece, Piece::Whole(line) if is_empty(line)) {
            *self = Self::Whole(std::mem::take(block));
        } else if block.len() + piece.octets().len() > HEADER_OCTETS_MAX {
            *self = Self::TooLong;
        } else {
            block.extend_from_slice(piece.octets());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity(message: &[u8]) -> Identity {
        let mut fingerprint = Fingerprint::new();
        message.chunks(3).for_each(|chunk| fingerprint.push(chunk));
        fingerprint.finish(&KeyRule::default())
    }

    #[test]
    fn key_and_digest_are_those_that_pairing_uses() {
        let message = b"Message-Id: <a@b>\r\nSubject: x\r\n\r\nMessage-Id: <c@d>\r\n";
        let mut canonical = Canonical::new();
        canonical.update(message);
        let key = header_key(message, &KeyRule::default());
        assert_eq!(identity(message), Identity { key: Some(key), digest: canonical.finish() });
    }

    #[test]
    fn other_content_is_known_by_the_date_only_with_a_key_and_the_same_date() {
        let one = identity(b"Message-Id: <a@b>\r\n\r\nx");
        let other = identity(b"Message-Id: <a@b>\r\n\r\ny");
        assert_eq!(recognised(one, one, DateSent::Otherwise), Recognised::ByContent);
        assert_eq!(recognised(one, other, DateSent::AsListed), Recognised::ByDate);
        assert_eq!(recognised(one, other, DateSent::Otherwise), Recognised::Never);
        let (one, other) = (identity(b"\r\nx"), identity(b"\r\ny"));
        assert_eq!(recognised(one, other, DateSent::AsListed), Recognised::Never);
        assert_eq!(recognised(one, one, DateSent::AsListed), Recognised::ByContent);
    }

    #[test]
    fn another_key_is_another_message() {
        let one = identity(b"Message-Id: <a@b>\r\n\r\nx");
        let other = identity(b"Message-Id: <a@c>\r\n\r\nx");
        assert_eq!(recognised(one, other, DateSent::AsListed), Recognised::Never);
    }

    #[test]
    fn of_a_header_that_is_too_long_no_key_is_made() {
        let mut fingerprint = Fingerprint::new();
        for _ in 0..HEADER_OCTETS_MAX / 1000 + 2 {
            fingerprint.push(&[b'a'; 1000]);
        }
        assert_eq!(fingerprint.finish(&KeyRule::default()).key, None);
    }
}

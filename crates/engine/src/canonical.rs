//! The canonical form of a message's content, version 2, and its digest.
//!
//! Servers change octets on their own: line ends, NUL, 8-bit headers, the headers in which
//! mbox stores keep flags. The canonical form leaves out whatever is known to change, so that
//! the digest of a message is the same on both sides. `docs/design/canonical-form.md` has the
//! reasons.

use crate::identity::first_half;
use crate::message::Digest;

/// Sets this digest apart from every other use of BLAKE3, and one version of the form from
/// the next.
const CONTEXT: &str = "mailferry 2026 canonical form v2";
/// Octets gathered before they are digested.
const GATHER_OCTETS: usize = 8192;
/// Longer than every name that matters; a longer one is kept as it comes.
const NAME_OCTETS_MAX: usize = 80;
/// Stands between header and body, and nowhere else: NUL is dropped everywhere.
const BOUNDARY: u8 = 0;

/// Digests a message that comes in chunks of any size. Memory is bounded: a few kilooctets.
///
/// ```
/// use mailferry_engine::canonical::Canonical;
/// let digest = |octets: &[u8]| {
///     let mut canonical = Canonical::new();
///     canonical.update(octets);
///     canonical.finish()
/// };
/// assert_eq!(digest(b"Subject: a\r\n\r\nb\r\n"), digest(b"Status: RO\nSubject: a\n\nb"));
/// assert_ne!(digest(b"Subject: a\r\n\r\nb\r\n"), digest(b"Subject: a\r\n\r\nc\r\n"));
/// ```
#[derive(Clone, Debug)]
pub struct Canonical {
    hasher: blake3::Hasher,
    gathered: Vec<u8>,
    place: Place,
    /// Whether a header field has been kept: until then an mbox `From ` line may come.
    any_kept: Kept,
    /// The boundary is digested with the first octet of the body that counts.
    body: Body,
    field: Field,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    LineStart,
    Name,
    Value,
    Body,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kept {
    NoneYet,
    Some,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Body {
    Nothing,
    Begun,
}

/// What becomes of the header field that is being read.
#[derive(Clone, Debug)]
enum Field {
    Keep,
    Drop,
    /// Its name so far, or all of a line without a colon.
    Name(Vec<u8>),
}

impl Default for Canonical {
    fn default() -> Self {
        Self::new()
    }
}

impl Canonical {
    /// Nothing digested yet.
    #[must_use]
    pub fn new() -> Self {
        Self {
            hasher: blake3::Hasher::new_derive_key(CONTEXT),
            gathered: Vec::with_capacity(GATHER_OCTETS),
            place: Place::LineStart,
            any_kept: Kept::NoneYet,
            body: Body::Nothing,
            field: Field::Keep,
        }
    }

    /// Takes the next octets. Any split of a message into chunks gives the same digest.
    pub fn update(&mut self, chunk: &[u8]) {
        let mut rest = chunk;
        while self.place != Place::Body {
            let [octet, after @ ..] = rest else { return };
            self.take_header_octet(*octet);
            rest = after;
        }
        self.take_body(rest);
    }

    /// The digest of all that came.
    #[must_use]
    pub fn finish(mut self) -> Digest {
        if self.place == Place::Name {
            self.end_name(Colon::Missing);
        }
        self.hasher.update(&self.gathered);
        Digest(first_half(self.hasher.finalize()))
    }

    fn take_header_octet(&mut self, octet: u8) {
        match (self.place, octet) {
            // Dropped octets must not decide what a line is: a NUL may be gone or 0x80 on
            // the other side.
            (Place::LineStart | Place::Name, b'\r' | 0 | 0x80) => {}
            (Place::LineStart, b'\n') => self.place = Place::Body,
            (Place::LineStart, b' ' | b'\t') => self.place = Place::Value,
            (Place::LineStart, _) => {
                self.field = Field::Name(vec![octet]);
                self.place = Place::Name;
            }
            (Place::Name, b'\n') => {
                self.end_name(Colon::Missing);
                self.place = Place::LineStart;
            }
            (Place::Name, b':') => {
                self.end_name(Colon::Present);
                self.place = Place::Value;
            }
            (Place::Name, _) => {
                if let Field::Name(name) = &mut self.field {
                    name.push(octet);
                    if name.len() > NAME_OCTETS_MAX {
                        self.end_name(Colon::Missing);
                        self.place = Place::Value;
                    }
                }
            }
            (Place::Value, b'\n') => self.place = Place::LineStart,
            (Place::Value | Place::Body, _) => self.take_value(octet),
        }
    }

    /// Decides by its name what becomes of a field.
    fn end_name(&mut self, colon: Colon) {
        let Field::Name(name) = std::mem::replace(&mut self.field, Field::Keep) else {
            return;
        };
        match judge(&name, colon, self.any_kept) {
            Verdict::Drop => self.field = Field::Drop,
            Verdict::Keep => {
                self.any_kept = Kept::Some;
                self.gather_header(&name);
                if colon == Colon::Present {
                    self.gather_header(b":");
                }
            }
        }
    }

    fn take_value(&mut self, octet: u8) {
        if matches!(self.field, Field::Keep) {
            self.gather_header(&[octet]);
        }
    }

    fn gather_header(&mut self, octets: &[u8]) {
        for &octet in octets {
            if !is_dropped_in_header(octet) {
                self.gathered.push(octet);
            }
        }
        self.digest_if_full();
    }

    fn take_body(&mut self, octets: &[u8]) {
        for piece in octets.chunks(GATHER_OCTETS) {
            let before = self.gathered.len();
            if self.body == Body::Nothing {
                self.gathered.push(BOUNDARY);
            }
            let begin = self.gathered.len();
            keep_body_octets(piece, &mut self.gathered);
            if self.gathered.len() == begin {
                self.gathered.truncate(before);
            } else {
                self.body = Body::Begun;
            }
            self.digest_if_full();
        }
    }

    fn digest_if_full(&mut self) {
        if self.gathered.len() >= GATHER_OCTETS {
            self.hasher.update(&self.gathered);
            self.gathered.clear();
        }
    }
}

/// Whether the line had a colon after what was read of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Colon {
    Present,
    Missing,
}

enum Verdict {
    Keep,
    Drop,
}

fn judge(name: &[u8], colon: Colon, any_kept: Kept) -> Verdict {
    let field_name = name.trim_ascii_end();
    let from_line = name.starts_with(b"From ") || name.starts_with(b">From ");
    let is_field = colon == Colon::Present && (field_name == b"From" || field_name == b">From");
    if any_kept == Kept::NoneYet && from_line && !is_field {
        Verdict::Drop
    } else if colon == Colon::Missing {
        Verdict::Keep
    } else if is_left_out(field_name) {
        Verdict::Drop
    } else {
        Verdict::Keep
    }
}

/// Headers that stores add, take away and rename at will, the read-receipt request that
/// `--disarmreadreceipts` renames, and the Message-Id, which is what a message is known by before its
/// content decides; servers and `--addheader` give one to a message that has none.
fn is_left_out(name: &[u8]) -> bool {
    const NAMES: [&[u8]; 8] = [
        b"Status",
        b"X-Status",
        b"X-UID",
        b"X-Keywords",
        b"Content-Length",
        b"Disposition-Notification-To",
        b"X-Disposition-Notification-To",
        b"Message-Id",
    ];
    // UW imapd keeps what came under these names as `X-Original-Status` and so on.
    let name = strip_prefix_any_case(name, b"X-Original-").unwrap_or(name);
    NAMES.iter().any(|left_out| name.eq_ignore_ascii_case(left_out))
        || strip_prefix_any_case(name, b"X-IMAP").is_some()
}

fn strip_prefix_any_case<'a>(octets: &'a [u8], prefix: &[u8]) -> Option<&'a [u8]> {
    let (head, rest) = octets.split_at_checked(prefix.len())?;
    head.eq_ignore_ascii_case(prefix).then_some(rest)
}

/// Dropped everywhere. 0x80 is what Dovecot makes of NUL.
const fn is_dropped(octet: u8) -> bool {
    matches!(octet, b'\r' | b'\n' | b' ' | b'\t' | 0 | 0x80)
}

/// Cyrus makes `X` of every 8-bit octet of a header. As 0x80 is dropped, `E2 80 9C` would
/// leave two octets here and three `X` there; so both are dropped.
const fn is_dropped_in_header(octet: u8) -> bool {
    is_dropped(octet) || octet >= 0x80 || octet == b'X'
}

/// For each octet, 1 if it stays in a body.
const STAYS_IN_BODY: [u8; 256] = {
    let mut table = [0; 256];
    let mut octet: u8 = 0;
    loop {
        table[octet as usize] = !is_dropped(octet) as u8;
        if octet == u8::MAX {
            break table;
        }
        octet += 1;
    }
};

/// Appends the octets that count, without a branch for each.
fn keep_body_octets(piece: &[u8], kept: &mut Vec<u8>) {
    let begin = kept.len();
    kept.resize(begin + piece.len(), 0);
    let mut end = begin;
    for &octet in piece {
        kept[end] = octet;
        end += usize::from(STAYS_IN_BODY[usize::from(octet)]);
    }
    kept.truncate(end);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(message: &[u8]) -> Digest {
        let mut canonical = Canonical::new();
        canonical.update(message);
        canonical.finish()
    }

    const PLAIN: &[u8] = b"Subject: a\r\nMessage-Id: <a@b>\r\n\r\nbody\r\n";

    #[test]
    fn what_stores_add_changes_nothing() {
        for header in [
            "Status: RO\r\n",
            "X-Status: A\r\n",
            "X-UID: 12\r\n",
            "X-Keywords: NonJunk\r\n folded Status: x\r\n",
            "X-IMAP: 123 456\r\n",
            "X-IMAPbase: 123 456\r\n",
            "Content-Length: 4\r\n",
            "X-Original-Status: O\r\n",
            "X-Original-X-UID: 4\r\n",
            "status : RO\r\n",
            "Disposition-Notification-To: a@b\r\n",
            "X-Disposition-Notification-To: a@b\r\n",
            "Message-Id: <12@imapsync>\r\n",
            "message-id:\r\n\t<a@b.example>\r\n",
            "From a@b Mon Jan  1 00:00:00 2024\r\n",
            ">From a@b Mon Jan  1 00:00:00 2024\r\n",
            "Message-Id: <12@imapsync>\r\nFrom  x\r\n",
        ] {
            let with = [header.as_bytes(), PLAIN].concat();
            assert_eq!(digest(&with), digest(PLAIN), "{header:?}");
        }
    }

    #[test]
    fn what_an_author_writes_counts() {
        for (one, other) in [
            ("Subject: a\r\n\r\nb", "Subject: b\r\n\r\nb"),
            ("Subject: a\r\n\r\nb", "Subject: a\r\n\r\nc"),
            ("Subject: a\r\n\r\nX", "Subject: a\r\n\r\n\u{e9}"),
            ("References: <a@b>\r\n\r\n", "References: <a@c>\r\n\r\n"),
            ("From: a\r\n\r\n", "From: b\r\n\r\n"),
            ("From : a\r\n\r\n", "From : b\r\n\r\n"),
            ("Subject: a\r\nFrom x y\r\n\r\n", "Subject: a\r\n\r\n"),
            ("A: b\r\nStatus: RO\r\n\r\n", "A: b\r\n\r\nStatus: RO\r\n"),
            ("A: b\r\nc\r\n", "A: b\r\n\r\nc\r\n"),
            ("\r\nStatus: RO\r\n", "\r\n"),
        ] {
            assert_ne!(digest(one.as_bytes()), digest(other.as_bytes()), "{one:?} {other:?}");
        }
    }

    #[test]
    fn the_end_of_a_header_without_body_may_or_may_not_be_written() {
        assert_eq!(digest(b"A: b"), digest(b"A: b\r\n"));
        assert_eq!(digest(b"A: b"), digest(b"A: b\r\n\r\n"));
        assert_eq!(digest(b"A: b\r\n\0\r\n"), digest(b"A: b\r\n\r\n"));
        assert_eq!(digest(b""), digest(b"\r\n\r\n"));
    }

    #[test]
    fn long_names_are_kept_whole() {
        let long = "n".repeat(300);
        let field = |end: &str| format!("{long}{end}: x\r\n\r\n");
        assert_ne!(digest(field("a").as_bytes()), digest(field("b").as_bytes()));
    }

    #[test]
    fn memory_stays_bounded() {
        let mut canonical = Canonical::new();
        canonical.update(b"Message-Id: ");
        for _ in 0..1000 {
            canonical.update(&[b'a'; 1000]);
        }
        canonical.update(b"\r\n\r\n");
        for _ in 0..1000 {
            canonical.update(&[b'a'; 1000]);
        }
        assert!(canonical.gathered.capacity() <= 4 * GATHER_OCTETS);
    }
}

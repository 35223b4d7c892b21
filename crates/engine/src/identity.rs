//! The key of a message: what its identity headers come to.
//!
//! The text that is digested is the one imapsync compares, so that a mailbox begun with
//! imapsync is gone on with: the wanted headers, normalised, upper-cased, sorted and put one
//! after the other. Sorting makes the order of the Received lines irrelevant, normalising
//! makes folding, white space, case and 8-bit octets irrelevant.

use std::fmt;
use std::ops::Range;
use std::sync::{Arc, LazyLock};

use crate::message::Key;

/// Sets this digest apart from every other use of BLAKE3.
const KEY_CONTEXT: &str = "mailferry 2026 message key v1";

/// Its beginning is the same for every key.
static KEY_HASHER: LazyLock<blake3::Hasher> =
    LazyLock::new(|| blake3::Hasher::new_derive_key(KEY_CONTEXT));

/// From which headers a key is made, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyRule {
    /// The headers that count.
    pub headers: Headers,
    /// What of the Message-Id counts.
    pub message_id_domain: MessageIdDomain,
    /// Which of these headers do not count after all.
    pub passed_over: Option<PassedOver>,
}

impl Default for KeyRule {
    fn default() -> Self {
        Self {
            headers: Headers::named([&b"Message-Id"[..], b"Received"]),
            message_id_domain: MessageIdDomain::Kept,
            passed_over: None,
        }
    }
}

/// A pattern over headers as they are compared, `NAME: VALUE` in capitals. Regular expressions live
/// outside.
pub trait LinePattern: Send + Sync {
    /// Whether the line matches. Where that comes to no result, it does not.
    fn matches(&self, line: &[u8]) -> bool;
}

/// The headers that do not count (`--skipheader`).
#[derive(Clone)]
pub struct PassedOver {
    text: Box<str>,
    pattern: Arc<dyn LinePattern>,
}

impl PassedOver {
    /// Those that match. The same `text` has to mean the same pattern: keys of earlier runs are
    /// known by it.
    #[must_use]
    pub fn new(text: impl Into<Box<str>>, pattern: Arc<dyn LinePattern>) -> Self {
        Self { text: text.into(), pattern }
    }
}

impl PartialEq for PassedOver {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for PassedOver {}

impl fmt::Debug for PassedOver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PassedOver({:?})", self.text)
    }
}

/// The headers that make a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Headers {
    /// All there are (`--useheader ALL`).
    All,
    /// These names, without their colon; compared without regard to case.
    Named(Vec<Box<[u8]>>),
}

impl Headers {
    /// The headers of these names.
    pub fn named<'a>(names: impl IntoIterator<Item = &'a [u8]>) -> Self {
        Self::Named(names.into_iter().map(Box::from).collect())
    }

    pub(crate) fn want(&self, name: &[u8]) -> bool {
        match self {
            Self::All => true,
            Self::Named(names) => names.iter().any(|wanted| wanted.eq_ignore_ascii_case(name)),
        }
    }
}

/// What of the Message-Id counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MessageIdDomain {
    /// All of it.
    Kept,
    /// What precedes the first `@`: Domino puts another domain on one side
    /// (`--messageidnodomain`).
    Dropped,
}

/// The key of a message from its header block or any part of it, such as the answer to
/// `BODY.PEEK[HEADER.FIELDS (MESSAGE-ID RECEIVED)]`; headers that are not wanted are passed
/// over, and what follows an empty line is not looked at.
///
/// [`Key::NONE`] where nothing identifies the message: no wanted header has a value, or its
/// Message-Id is one that imapsync makes up (`<12@imapsync>`, the number being a UID of some
/// earlier source: two messages may well have been given the same one).
#[must_use]
pub fn header_key(header_fields: &[u8], rule: &KeyRule) -> Key {
    let Some(mut text) = identity_text(header_fields, rule) else {
        return Key::NONE;
    };
    let mut hasher = KEY_HASHER.clone();
    for line in text.sorted() {
        hasher.update(line);
    }
    Key(first_half(hasher.finalize()))
}

/// Whether `value` is a Message-Id made up by imapsync's `--addheader`: digits, at most 20 of
/// them, then `@imapsync` in any case, with or without angle brackets, no white space.
#[must_use]
pub(crate) fn is_made_up_message_id(value: &[u8]) -> bool {
    const DIGITS_MAX: usize = 20;
    const DOMAIN: &[u8] = b"@imapsync";
    let value = value.strip_prefix(b"<").unwrap_or(value);
    let value = value.strip_suffix(b">").unwrap_or(value);
    let Some(digits) = value.len().checked_sub(DOMAIN.len()) else {
        return false;
    };
    let (number, domain) = value.split_at(digits);
    (1..=DIGITS_MAX).contains(&digits)
        && number.iter().all(u8::is_ascii_digit)
        && domain.eq_ignore_ascii_case(DOMAIN)
}

/// The first 128 bits of a digest.
pub(crate) fn first_half(hash: blake3::Hash) -> [u8; 16] {
    let mut half = [0; 16];
    half.copy_from_slice(&hash.as_bytes()[..16]);
    half
}

/// The wanted headers, normalised.
#[derive(Default)]
struct IdentityText {
    octets: Vec<u8>,
    /// Where each header stands in them.
    lines: Vec<Range<usize>>,
}

impl IdentityText {
    /// The headers in order.
    fn sorted(&mut self) -> impl Iterator<Item = &[u8]> {
        let octets = &self.octets;
        self.lines.sort_unstable_by(|one, other| octets[one.clone()].cmp(&octets[other.clone()]));
        self.lines.iter().map(|line| &octets[line.clone()])
    }
}

/// The text that is digested; `None` where it identifies nothing.
fn identity_text(header_fields: &[u8], rule: &KeyRule) -> Option<IdentityText> {
    let mut text = IdentityText::default();
    text.octets.reserve(header_fields.len().min(RESERVED_OCTETS_MAX));
    let mut valued = 0;
    let mut open: Option<OpenField<'_>> = None;
    let mut rest = header_fields;
    while !rest.is_empty() {
        let end = memchr::memchr(b'\n', rest);
        let line = trim_end(&rest[..end.unwrap_or(rest.len())], |octet| octet == b'\r');
        rest = end.map_or(&[], |end| &rest[end + 1..]);
        if line.is_empty() {
            break;
        }
        if matches!(line[0], b' ' | b'\t') {
            if let Some(field) = &mut open {
                field.add(line, &mut text.octets);
            }
            continue;
        }
        if let Some(field) = open.take() {
            valued += usize::from(field.end(&mut text, rule)?);
        }
        open = OpenField::begin(line, rule, &mut text.octets);
    }
    if let Some(field) = open {
        valued += usize::from(field.end(&mut text, rule)?);
    }
    (valued > 0).then_some(text)
}

/// Octets that are made room for at once.
const RESERVED_OCTETS_MAX: usize = 4096;

/// What an octet of a header comes to: in capitals, 8-bit octets and NUL masked as `X`, as imapsync
/// has it, as Cyrus stores an 8-bit octet, and since Dovecot stores NUL as 0x80. White space comes to
/// a space.
const NORMAL: [u8; 256] = {
    let mut normal = [0; 256];
    let mut octet = 0;
    while octet < 256 {
        #[expect(clippy::cast_possible_truncation, reason = "below 256")]
        let value = octet as u8;
        normal[octet] = match value {
            b'\t'..=b'\r' | b' ' => b' ',
            0 | 0x80..=0xff => b'X',
            _ => value.to_ascii_uppercase(),
        };
        octet += 1;
    }
    normal
};

/// Eight octets that only have to become capitals.
struct Plain {
    capitals: [u8; 8],
    ends_with_space: bool,
}

impl Plain {
    /// `None` where an octet is none of printable ASCII, space and DEL, or white space stands behind
    /// white space. Each lane of the word is an octet; below 0x80, so that no sum reaches the next.
    fn read(octets: [u8; 8], behind_space: bool) -> Option<Self> {
        const fn each(octet: u8) -> u64 {
            u64::from_le_bytes([octet; 8])
        }
        const HIGH: u64 = each(0x80);
        let word = u64::from_le_bytes(octets);
        if (word | word.wrapping_sub(each(b' '))) & HIGH != 0 {
            return None;
        }
        let spaces = !((word ^ each(b' ')) + each(0x7f)) & HIGH;
        let before = (spaces << 8) | (u64::from(behind_space) << 7);
        if spaces & before != 0 {
            return None;
        }
        let from_a = word + each(0x80 - b'a');
        let above_z = word + each(0x80 - b'z' - 1);
        let small = from_a & !above_z & HIGH;
        let capitals = (word - (small >> 2)).to_le_bytes();
        Some(Self { capitals, ends_with_space: spaces >> 63 == 1 })
    }
}

/// A wanted header whose lines are coming: `NAME: VALUE`, trimmed, every run of white space one
/// space.
struct OpenField<'a> {
    name: &'a [u8],
    begin: usize,
    value: usize,
    /// Nothing of the value came yet, or white space was the last of it.
    behind_space: bool,
}

impl<'a> OpenField<'a> {
    /// Begins a field with its first line (RFC 5322 §2.2); `None` where that belongs to no field,
    /// or to none that is wanted.
    fn begin(line: &'a [u8], rule: &KeyRule, octets: &mut Vec<u8>) -> Option<Self> {
        let colon = memchr::memchr(b':', line)?;
        let name = trim_end(&line[..colon], |octet| matches!(octet, b' ' | b'\t'));
        if name.is_empty() || !rule.headers.want(name) {
            return None;
        }
        let begin = octets.len();
        octets.extend_from_slice(name);
        octets[begin..].iter_mut().for_each(|octet| *octet = mask(*octet).to_ascii_uppercase());
        octets.extend_from_slice(b": ");
        let mut field = Self { name, begin, value: octets.len(), behind_space: true };
        field.add(&line[colon + 1..], octets);
        Some(field)
    }

    /// Adds octets of the value; a continuation has its leading white space.
    ///
    /// Eight at once as long as they are plain: most of a header is.
    fn add(&mut self, value: &[u8], octets: &mut Vec<u8>) {
        octets.reserve(value.len());
        let text = value.trim_ascii_start();
        if text.len() < value.len() {
            self.add_each(b" ", octets);
        }
        let (words, rest) = text.as_chunks();
        for word in words {
            match Plain::read(*word, self.behind_space) {
                Some(plain) => {
                    octets.extend_from_slice(&plain.capitals);
                    self.behind_space = plain.ends_with_space;
                }
                None => self.add_each(word, octets),
            }
        }
        self.add_each(rest, octets);
    }

    fn add_each(&mut self, value: &[u8], octets: &mut Vec<u8>) {
        for &octet in value {
            let normal = NORMAL[usize::from(octet)];
            let is_space = normal == b' ';
            if !(is_space && self.behind_space) {
                octets.push(normal);
            }
            self.behind_space = is_space;
        }
    }

    /// Ends the field; whether it has a value. `None` where it says that nothing identifies the
    /// message.
    fn end(self, text: &mut IdentityText, rule: &KeyRule) -> Option<bool> {
        if self.behind_space && text.octets.len() > self.value {
            text.octets.pop();
        }
        let value = &text.octets[self.value..];
        let is_message_id = self.name.eq_ignore_ascii_case(b"Message-Id");
        let is_made_up = is_message_id && is_made_up_message_id(value);
        if is_message_id
            && rule.message_id_domain == MessageIdDomain::Dropped
            && let Some(at) = memchr::memchr(b'@', value)
        {
            text.octets.truncate(self.value + at);
        }
        let passed_over = rule.passed_over.as_ref();
        if passed_over.is_some_and(|it| it.pattern.matches(&text.octets[self.begin..])) {
            text.octets.truncate(self.begin);
            return Some(false);
        }
        if is_made_up {
            return None;
        }
        text.lines.push(self.begin..text.octets.len());
        Some(text.octets.len() > self.value)
    }
}

/// An 8-bit octet becomes `X`, and so does NUL.
fn mask(octet: u8) -> u8 {
    if octet == 0 || octet >= 0x80 { b'X' } else { octet }
}

fn trim_end(mut octets: &[u8], of: impl Fn(u8) -> bool) -> &[u8] {
    while let [rest @ .., last] = octets
        && of(*last)
    {
        octets = rest;
    }
    octets
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn text(block: &[u8]) -> Option<String> {
        let mut text = identity_text(block, &KeyRule::default())?;
        Some(String::from_utf8(text.sorted().collect::<Vec<_>>().concat()).unwrap())
    }

    /// The same, word by word as it is described.
    fn described(block: &[u8], rule: &KeyRule) -> Option<Vec<u8>> {
        let mut fields: Vec<(Vec<u8>, Vec<u8>)> = Vec::new();
        let mut in_field = false;
        for line in block.split(|&octet| octet == b'\n') {
            let line = trim_end(line, |octet| octet == b'\r');
            if line.is_empty() {
                break;
            }
            if matches!(line[0], b' ' | b'\t') {
                if in_field {
                    fields.last_mut().unwrap().1.extend_from_slice(line);
                }
                continue;
            }
            let colon = line.iter().position(|&octet| octet == b':');
            let name = trim_end(&line[..colon.unwrap_or(0)], |octet| b" \t".contains(&octet));
            in_field = !name.is_empty();
            if in_field {
                fields.push((name.to_vec(), line[colon.unwrap() + 1..].to_vec()));
            }
        }
        fields.retain(|(name, _)| rule.headers.want(name));
        let is_white = |octet: &u8| matches!(octet, b'\t'..=b'\r' | b' ');
        let mut lines = Vec::new();
        let mut any = false;
        for (name, value) in fields {
            let words = value.split(is_white).filter(|word| !word.is_empty());
            let mut value = words.collect::<Vec<_>>().join(&b' ');
            value.iter_mut().for_each(|octet| *octet = mask(*octet));
            if name.eq_ignore_ascii_case(b"message-id") {
                if is_made_up_message_id(&value) {
                    return None;
                }
                if rule.message_id_domain == MessageIdDomain::Dropped {
                    value = value.split(|&octet| octet == b'@').next().unwrap().to_vec();
                }
            }
            any |= !value.is_empty();
            let name: Vec<u8> = name.iter().map(|&octet| mask(octet)).collect();
            lines.push([&name[..], b": ", &value[..]].concat().to_ascii_uppercase());
        }
        lines.sort_unstable();
        any.then(|| lines.concat())
    }

    proptest::proptest! {
        #[test]
        fn a_key_is_made_as_described(
            pieces in proptest::collection::vec(0usize..24, 0..40),
            noise in proptest::collection::vec(proptest::num::u8::ANY, 0..6),
        ) {
            const WORDS: [&[u8]; 23] = [
                b"Message-Id:", b"message-id : ", b"Received:", b"Subject:", b"\r\n", b"\n", b"\r",
                b" ", b"\t", b"\x0b", b"<12@imapsync>", b"12@IMAPSYNC", b"<a@B>", b"@", b"from x",
                b"\0", b"\x80\xff", b":", b"\r\n ", b"\n\t", b"\r\n\r\n", b"Z", b"aa  bb",
            ];
            let words = pieces.iter().map(|&piece| WORDS.get(piece).copied().unwrap_or(&noise));
            let block = words.collect::<Vec<_>>().concat();
            for domain in [MessageIdDomain::Kept, MessageIdDomain::Dropped] {
                for headers in [KeyRule::default().headers, Headers::All] {
                    let rule = KeyRule { headers, message_id_domain: domain, passed_over: None };
                    let text = identity_text(&block, &rule);
                    let text = text.map(|mut text| text.sorted().collect::<Vec<_>>().concat());
                    proptest::prop_assert_eq!(text, described(&block, &rule));
                }
            }
        }
    }

    fn key(block: &[u8]) -> Key {
        header_key(block, &KeyRule::default())
    }

    /// U48 of the unit catalogue.
    #[test]
    fn a_line_is_normalised_as_imapsync_does() {
        let rule = KeyRule { headers: Headers::All, ..KeyRule::default() };
        let whole = |value: &[u8]| {
            let text = identity_text(&[b"hhh:", value].concat(), &rule).unwrap();
            text.octets
        };
        assert_eq!(whole(b"vvv\t\txx\tyy"), b"HHH: VVV XX YY");
        assert_eq!(whole(b"  aa  bb   ccc  "), b"HHH: AA BB CCC");
        assert_eq!(whole(b"\x80AB\xff"), b"HHH: XABX");
    }

    /// U49: upper-cased, sorted, without a separator.
    #[test]
    fn lines_are_sorted_and_put_together() {
        let rule = KeyRule { headers: Headers::named([&b"key1"[..]]), ..KeyRule::default() };
        let block = b"key1: val3\r\nother: x\r\nKEY1:val1\r\nkey1:  val2\r\n\r\nkey1: body";
        let mut text = identity_text(block, &rule).unwrap();
        let text: Vec<&[u8]> = text.sorted().collect();
        assert_eq!(text.concat(), b"KEY1: VAL1KEY1: VAL2KEY1: VAL3");
    }

    /// The text whose MD5 imapsync printed as `3yKEIFwHrsz16MwgPkE3mA` begins like this one.
    #[test]
    fn the_text_is_that_of_imapsync() {
        let block = b"Received: from a (a [10.0.0.1])\r\n\tby b; now\r\nMessage-ID: <m99.extra@example.org>\r\n\r\n";
        assert_eq!(
            text(block).unwrap(),
            "MESSAGE-ID: <M99.EXTRA@EXAMPLE.ORG>RECEIVED: FROM A (A [10.0.0.1]) BY B; NOW"
        );
    }

    /// U52: continuations are joined, and neither what is in the body nor what continues nothing counts.
    #[test]
    fn only_the_lines_of_headers_count() {
        assert_eq!(text(b"Message-Id:\r\n  <a\r\n\tb>\r\n").unwrap(), "MESSAGE-ID: <A B>");
        let plain = text(b"Received: x\r\n").unwrap();
        assert_eq!(text(b"Received: x\r\n\r\nMessage-Id: <a>\r\n").unwrap(), plain);
        assert_eq!(text(b" Message-Id: <a>\r\nReceived: x\r\n").unwrap(), plain);
    }

    #[test]
    fn an_empty_header_beside_a_full_one_counts() {
        assert_eq!(text(b"Message-Id:\r\nReceived: x\r\n").unwrap(), "MESSAGE-ID: RECEIVED: X");
    }

    #[test]
    fn nothing_identifies_a_message_without_values() {
        assert_eq!(key(b""), Key::NONE);
        assert_eq!(key(b"\r\n"), Key::NONE);
        assert_eq!(key(b"Message-Id: \r\n\t\r\n\r\n"), Key::NONE);
        assert_eq!(key(b"Subject: x\r\n\r\n"), Key::NONE);
        assert_eq!(key(b" folded without a field\r\n"), Key::NONE);
        assert_eq!(key(b"Subject: x\r\n\r\nMessage-Id: <in@body>\r\n"), Key::NONE);
    }

    #[test]
    fn a_made_up_message_id_identifies_nothing() {
        for id in [
            "<12@imapsync>",
            "12@IMAPSYNC",
            "\r\n <12@ImapSync>",
            "<00000000000000000000@imapsync>",
        ] {
            assert_eq!(key(format!("Message-Id: {id}\r\n\r\n").as_bytes()), Key::NONE, "{id}");
            let beside = format!("Received: x\r\nMessage-Id: {id}\r\n\r\n");
            assert_eq!(key(beside.as_bytes()), Key::NONE, "{id}");
        }
        for id in ["<@imapsync>", "<mistake@imapsync>", "<12@imapsync.org>", "<1 2@imapsync>"] {
            assert_ne!(key(format!("Message-Id: {id}\r\n\r\n").as_bytes()), Key::NONE, "{id}");
        }
    }

    #[test]
    fn the_domain_of_a_message_id_can_be_left_out() {
        let rule = KeyRule { message_id_domain: MessageIdDomain::Dropped, ..KeyRule::default() };
        let here = header_key(b"Message-Id: <a@here>\r\n", &rule);
        assert_eq!(here, header_key(b"Message-Id: <a@there>\r\n", &rule));
        assert_ne!(here, header_key(b"Message-Id: <b@here>\r\n", &rule));
        assert_ne!(here, key(b"Message-Id: <a@here>\r\n"));
    }

    struct Begins(&'static [u8]);
    impl LinePattern for Begins {
        fn matches(&self, line: &[u8]) -> bool {
            line.starts_with(self.0)
        }
    }

    /// U50: a message of which nothing is left has no key.
    #[test]
    fn headers_can_be_passed_over() {
        let passed_over = |begins| Some(PassedOver::new("x", Arc::new(Begins(begins))));
        let rule = KeyRule {
            headers: Headers::All,
            passed_over: passed_over(b"KEY1: "),
            ..KeyRule::default()
        };
        assert_eq!(header_key(b"key1: a\r\n\r\n", &rule), Key::NONE);
        let key = header_key(b"Key1: a\r\nkey2: b\r\n\r\n", &rule);
        assert_eq!(key, header_key(b"key2: b\r\n\r\n", &rule));
        assert_ne!(key, header_key(b"key2: c\r\n\r\n", &rule));
        let rule = KeyRule { passed_over: passed_over(b"RECEIVED"), ..KeyRule::default() };
        let moved = header_key(b"Received: x\r\nMessage-Id: <a@b>\r\n", &rule);
        assert_eq!(moved, header_key(b"Message-Id: <a@b>\r\nReceived: y\r\n", &rule));
        let rule = KeyRule { passed_over: passed_over(b"MESSAGE-ID"), ..KeyRule::default() };
        assert_ne!(header_key(b"Message-Id: <1@imapsync>\r\nReceived: y\r\n", &rule), Key::NONE);
    }

    #[test]
    fn all_headers_can_be_made_to_count() {
        let rule = KeyRule { headers: Headers::All, ..KeyRule::default() };
        let key = header_key(b"Subject: a\r\n\r\n", &rule);
        assert!(!key.is_none());
        assert_ne!(key, header_key(b"Subject: b\r\n\r\n", &rule));
    }

    #[test]
    fn what_dovecot_and_cyrus_change_changes_no_key() {
        let key_of_source = key(b"Message-Id: <\0\xe9@x>\r\n");
        assert_eq!(key_of_source, key(b"Message-Id: <\x80\xe9@x>\r\n"));
        assert_eq!(key_of_source, key(b"Message-Id: <XX@x>\r\n"));
    }
}

//! The key of a message: what its identity headers come to.
//!
//! The text that is digested is the one imapsync compares, so that a mailbox begun with
//! imapsync is gone on with: the wanted headers, normalised, upper-cased, sorted and put one
//! after the other. Sorting makes the order of the Received lines irrelevant, normalising
//! makes folding, white space, case and 8-bit octets irrelevant.

use crate::message::Key;

/// Sets this digest apart from every other use of BLAKE3.
const KEY_CONTEXT: &str = "mailferry 2026 message key v1";

/// From which headers a key is made, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyRule {
    /// The headers that count.
    pub headers: Headers,
    /// What of the Message-Id counts.
    pub message_id_domain: MessageIdDomain,
}

impl Default for KeyRule {
    fn default() -> Self {
        Self {
            headers: Headers::named([&b"Message-Id"[..], b"Received"]),
            message_id_domain: MessageIdDomain::Kept,
        }
    }
}

/// The headers that make a key. A pattern that leaves out single lines (`--skipheader`) will
/// be a further field of [`KeyRule`], tested against the normalised line.
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
    let Some(text) = identity_text(header_fields, rule) else {
        return Key::NONE;
    };
    let mut hasher = blake3::Hasher::new_derive_key(KEY_CONTEXT);
    hasher.update(&text);
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

/// The text that is digested; `None` where it identifies nothing.
fn identity_text(header_fields: &[u8], rule: &KeyRule) -> Option<Vec<u8>> {
    let mut lines = Vec::new();
    let mut valued = 0;
    for field in fields(header_fields) {
        if !rule.headers.want(field.name) {
            continue;
        }
        let mut value = normalise(&field.value);
        if field.name.eq_ignore_ascii_case(b"Message-Id") {
            if is_made_up_message_id(&value) {
                return None;
            }
            if rule.message_id_domain == MessageIdDomain::Dropped
                && let Some(at) = memchr::memchr(b'@', &value)
            {
                value.truncate(at);
            }
        }
        valued += usize::from(!value.is_empty());
        lines.push(line(field.name, &value));
    }
    if valued == 0 {
        return None;
    }
    lines.sort_unstable();
    Some(lines.concat())
}

/// `NAME: VALUE` in capitals.
fn line(name: &[u8], value: &[u8]) -> Vec<u8> {
    let mut line = Vec::with_capacity(name.len() + 2 + value.len());
    line.extend(name.iter().map(|&octet| mask(octet)));
    line.extend_from_slice(b": ");
    line.extend_from_slice(value);
    line.make_ascii_uppercase();
    line
}

/// Masks 8-bit octets, trims, and makes every run of white space one space.
fn normalise(value: &[u8]) -> Vec<u8> {
    let mut text = Vec::with_capacity(value.len());
    let mut gap = None;
    for &octet in value {
        if matches!(octet, b'\t'..=b'\r' | b' ') {
            gap = (!text.is_empty()).then_some(b' ');
        } else {
            text.extend(gap.take());
            text.push(mask(octet));
        }
    }
    text
}

/// An 8-bit octet becomes `X`, as imapsync has it and as Cyrus stores it. So does NUL, which
/// Dovecot stores as 0x80.
fn mask(octet: u8) -> u8 {
    if octet == 0 || octet >= 0x80 { b'X' } else { octet }
}

/// One header field.
struct Field<'a> {
    name: &'a [u8],
    /// Unfolded; a continuation keeps its leading white space.
    value: Vec<u8>,
}

/// The header fields up to the first empty line (RFC 5322 §2.2). Lines that belong to no
/// field are passed over.
fn fields(block: &[u8]) -> Vec<Field<'_>> {
    let mut fields: Vec<Field<'_>> = Vec::new();
    let mut in_field = false;
    for line in block.split(|&octet| octet == b'\n') {
        let line = trim_end(line, |octet| octet == b'\r');
        if line.is_empty() {
            break;
        }
        if matches!(line[0], b' ' | b'\t') {
            if let (true, Some(field)) = (in_field, fields.last_mut()) {
                field.value.extend_from_slice(line);
            }
            continue;
        }
        in_field = false;
        if let Some(colon) = memchr::memchr(b':', line) {
            let name = trim_end(&line[..colon], |octet| matches!(octet, b' ' | b'\t'));
            if !name.is_empty() {
                fields.push(Field { name, value: line[colon + 1..].to_vec() });
                in_field = true;
            }
        }
    }
    fields
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
        identity_text(block, &KeyRule::default()).map(|text| String::from_utf8(text).unwrap())
    }

    fn key(block: &[u8]) -> Key {
        header_key(block, &KeyRule::default())
    }

    /// U48 of the unit catalogue.
    #[test]
    fn a_line_is_normalised_as_imapsync_does() {
        let whole = |value: &[u8]| line(b"hhh", &normalise(value));
        assert_eq!(whole(b"vvv\t\txx\tyy"), b"HHH: VVV XX YY");
        assert_eq!(whole(b"  aa  bb   ccc  "), b"HHH: AA BB CCC");
        assert_eq!(whole(b"\x80AB\xff"), b"HHH: XABX");
        assert_eq!(line(b"", &normalise(b"")), b": ");
    }

    /// U49: upper-cased, sorted, without a separator.
    #[test]
    fn lines_are_sorted_and_put_together() {
        let rule = KeyRule { headers: Headers::named([&b"key1"[..]]), ..KeyRule::default() };
        let block = b"key1: val3\r\nother: x\r\nKEY1:val1\r\nkey1:  val2\r\n\r\nkey1: body";
        let text = identity_text(block, &rule).unwrap();
        assert_eq!(text, b"KEY1: VAL1KEY1: VAL2KEY1: VAL3");
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

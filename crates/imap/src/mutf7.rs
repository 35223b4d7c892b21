//! Modified UTF-7, the encoding of mailbox names (RFC 3501 §5.1.3).

use std::borrow::Cow;

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+,";

/// Encodes a name: printable ASCII as itself, `&` as `&-`, everything else shifted.
#[must_use]
pub fn encode(name: &str) -> Vec<u8> {
    let mut encoded = Vec::with_capacity(name.len() + 8);
    let mut shifted = Vec::new();
    for character in name.chars() {
        if is_direct(character) {
            end_shift(&mut encoded, &mut shifted);
            encoded.push(character as u8);
            if character == '&' {
                encoded.push(b'-');
            }
        } else {
            shifted.extend_from_slice(character.encode_utf16(&mut [0; 2]));
        }
    }
    end_shift(&mut encoded, &mut shifted);
    encoded
}

/// Decodes a name. `None` unless it is encoded in the one canonical way, so that
/// `encode(&decode(x)?) == x`: anything else would come back as another mailbox.
#[must_use]
pub fn decode(name: &[u8]) -> Option<String> {
    let decoded = decode_any(name)?;
    (encode(&decoded) == name).then_some(decoded)
}

/// The name for human eyes: decoded, tolerantly if it must be, with control characters and
/// those that turn the direction of writing escaped as `\u{..}`, so that a name cannot
/// inject anything into a terminal.
#[must_use]
pub fn display(name: &[u8]) -> String {
    let text = decode(name).unwrap_or_else(|| read(name));
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        if is_treacherous(character) {
            shown.extend(character.escape_unicode());
        } else {
            shown.push(character);
        }
    }
    shown
}

/// A valid canonical name for any octets. Superfluous or broken shifts are encoded anew;
/// 8-bit octets are taken for UTF-8, or else for Latin-1. A name that is canonical already
/// is returned as it is.
#[must_use]
pub fn canonical(name: &[u8]) -> Cow<'_, [u8]> {
    match decode(name) {
        Some(_) => Cow::Borrowed(name),
        None => Cow::Owned(encode(&read(name))),
    }
}

/// RFC 3501 §5.1.3: 0x20 to 0x7e stand for themselves, except that `&` is `&-`.
fn is_direct(character: char) -> bool {
    matches!(character, ' '..='~')
}

/// Whether a character could act on a terminal or on what is read there: C0, DEL, C1, line
/// separators, and the marks, embeddings, overrides and isolates of bidirectional text.
#[must_use]
pub fn is_treacherous(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
        )
}

fn end_shift(encoded: &mut Vec<u8>, shifted: &mut Vec<u16>) {
    if shifted.is_empty() {
        return;
    }
    encoded.push(b'&');
    let (mut bits, mut held) = (0_u32, 0_u32);
    for unit in shifted.drain(..) {
        bits = bits << 16 | u32::from(unit);
        held += 16;
        while held >= 6 {
            held -= 6;
            encoded.push(ALPHABET[(bits >> held & 63) as usize]);
        }
        bits &= (1 << held) - 1;
    }
    if held > 0 {
        encoded.push(ALPHABET[(bits << (6 - held) & 63) as usize]);
    }
    encoded.push(b'-');
}

/// Decodes what is well-formed, canonical or not.
fn decode_any(name: &[u8]) -> Option<String> {
    let mut text = String::with_capacity(name.len());
    let mut rest = name;
    while let Some((octet, after)) = rest.split_first() {
        if *octet == b'&' {
            let (shift, len) = decode_shift(rest)?;
            text.push_str(&shift);
            rest = &rest[len..];
        } else {
            text.push(Some(char::from(*octet)).filter(|character| is_direct(*character))?);
            rest = after;
        }
    }
    Some(text)
}

/// The text of any octets: well-formed shifts decoded, every other `&` for itself.
fn read(name: &[u8]) -> String {
    let raw: Cow<'_, str> = match str::from_utf8(name) {
        Ok(utf8) => Cow::Borrowed(utf8),
        Err(_) => name.iter().copied().map(char::from).collect(),
    };
    let mut text = String::with_capacity(raw.len());
    let mut rest = &*raw;
    while let Some(at) = rest.find('&') {
        text.push_str(&rest[..at]);
        rest = &rest[at..];
        let (shift, len) = decode_shift(rest.as_bytes()).unwrap_or_else(|| ("&".into(), 1));
        text.push_str(&shift);
        rest = &rest[len..];
    }
    text.push_str(rest);
    text
}

/// Decodes the shift from its `&` to its `-`; returns its text and length.
fn decode_shift(bytes: &[u8]) -> Option<(String, usize)> {
    let len = bytes.iter().position(|b| *b == b'-')?;
    let (mut bits, mut held) = (0_u32, 0_u32);
    let mut units = Vec::with_capacity(len / 2);
    for octet in &bytes[1..len] {
        let digit = ALPHABET.iter().position(|letter| letter == octet)?;
        bits = bits << 6 | u32::try_from(digit).ok()?;
        held += 6;
        if held >= 16 {
            held -= 16;
            units.push(u16::try_from(bits >> held & 0xffff).ok()?);
            bits &= (1 << held) - 1;
        }
    }
    if len == 1 {
        return Some(("&".into(), 2));
    }
    // At most five padding bits, all zero. A plain `&` in `R&Dev-Team` mostly fails here and
    // stands for itself.
    if held >= 6 || bits != 0 {
        return None;
    }
    String::from_utf16(&units).ok().map(|text| (text, len + 1))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_example_of_rfc_3501_goes_both_ways() {
        let (plain, encoded) = ("~peter/mail/台北/日本語", b"~peter/mail/&U,BTFw-/&ZeVnLIqe-");
        assert_eq!(encode(plain), encoded);
        assert_eq!(decode(encoded).unwrap(), plain);
    }

    #[test]
    fn names_of_real_mailboxes_go_both_ways() {
        for (plain, encoded) in [
            ("INBOX", "INBOX"),
            ("Entwürfe", "Entw&APw-rfe"),
            ("Gelöschte Elemente", "Gel&APY-schte Elemente"),
            ("R&D", "R&-D"),
            ("&", "&-"),
            ("Tom & Jérôme", "Tom &- J&AOk-r&APQ-me"),
            ("😀", "&2D3eAA-"),
            ("a\tb", "a&AAk-b"),
            ("", ""),
        ] {
            assert_eq!(encode(plain), encoded.as_bytes());
            assert_eq!(decode(encoded.as_bytes()).as_deref(), Some(plain));
        }
    }

    #[test]
    fn what_is_not_canonical_is_not_decoded() {
        for name in [
            &b"x&AGE-"[..],
            b"&AO-k",
            b"&====-",
            b"&AOk",
            b"&",
            b"R&D",
            b"&AOk-&APw-",
            b"&AOl-",
            b"&AOkA-",
            b"&2D0-",
            b"&ACY-",
            b"Entw\xfcrfe",
            b"Entw\xc3\xbcrfe",
            b"a\tb",
        ] {
            assert_eq!(decode(name), None, "{}", name.escape_ascii());
        }
    }

    #[test]
    fn any_name_has_a_canonical_form() {
        for (name, expected) in [
            (&b"x&AGE-"[..], &b"xa"[..]),
            (b"&AOk-&APw-", b"&AOkA,A-"),
            (b"R&D", b"R&-D"),
            (b"R&Dev-Team", b"R&-Dev-Team"),
            (b"Entw\xc3\xbcrfe", b"Entw&APw-rfe"),
            (b"Entw\xfcrfe", b"Entw&APw-rfe"),
            (b"&AO-k", b"&-AO-k"),
            (b"&====-", b"&-====-"),
            (b"&2D0-", b"&-2D0-"),
            (b"J&AOk-r\xf4me", b"J&AOk-r&APQ-me"),
        ] {
            assert_eq!(
                canonical(name).escape_ascii().to_string(),
                expected.escape_ascii().to_string()
            );
        }
        assert!(matches!(canonical(b"Entw&APw-rfe"), Cow::Borrowed(_)));
    }

    #[test]
    fn a_shown_name_cannot_steer_a_terminal() {
        assert_eq!(display(b"Entw&APw-rfe"), "Entwürfe");
        assert_eq!(display(b"Entw\xfcrfe"), "Entwürfe");
        assert_eq!(display(b"a\x1b[31mb\r\n"), "a\\u{1b}[31mb\\u{d}\\u{a}");
        assert_eq!(display(&encode("a\u{9b}b\u{202e}c\u{2066}")), "a\\u{9b}b\\u{202e}c\\u{2066}");
    }

    proptest! {
        #[test]
        fn any_text_comes_back_from_its_encoding(text: String) {
            let encoded = encode(&text);
            prop_assert!(encoded.iter().all(|b| matches!(b, b' '..=b'~')));
            prop_assert_eq!(decode(&encoded), Some(text));
        }

        #[test]
        fn a_canonical_form_is_canonical(name: Vec<u8>) {
            let once = canonical(&name).into_owned();
            prop_assert!(decode(&once).is_some());
            prop_assert!(matches!(canonical(&once), Cow::Borrowed(_)));
        }

        #[test]
        fn a_canonical_form_of_shifts_is_canonical(name in "[&A-Da-d0-9+,=-]{0,24}") {
            let once = canonical(name.as_bytes()).into_owned();
            prop_assert!(decode(&once).is_some());
            prop_assert_eq!(display(&once), display(name.as_bytes()));
        }

        #[test]
        fn no_shown_name_has_a_control_character(name: Vec<u8>) {
            prop_assert!(!display(&name).chars().any(is_treacherous));
        }
    }
}

//! Mailbox names: which ones a real server would refuse, and patterns of LIST.

use super::parse::{Parsed, Refusal};
use super::profile::Profile;

/// Longest name accepted, in octets.
const NAME_OCTETS_MAX: usize = 1000;

/// Takes a name off the wire: valid modified UTF-7, INBOX in its one spelling. The refusal is
/// a NO, as Dovecot answers for SELECT and CREATE alike.
pub(super) fn accept(octets: &[u8], profile: &Profile) -> Parsed<String> {
    let name = match std::str::from_utf8(octets) {
        Ok(text) if text.is_ascii() && is_mutf7(octets) && octets.len() <= NAME_OCTETS_MAX => text,
        _ => return Err(Refusal::no("[CANNOT] Mailbox name is not valid modified UTF-7")),
    };
    Ok(normalise(name, profile.delimiter))
}

/// Spells INBOX, and INBOX as the first level of a name, in capitals (RFC 9051 §5.1).
pub(super) fn normalise(name: &str, delimiter: u8) -> String {
    match name.get(..5) {
        Some(head)
            if head.eq_ignore_ascii_case("INBOX")
                && name.as_bytes().get(5).is_none_or(|&next| next == delimiter) =>
        {
            format!("INBOX{}", &name[5..])
        }
        _ => name.to_owned(),
    }
}

/// Whether a mailbox of this name may be created: levels not empty, no wildcards, inside the
/// personal namespace, and not one the profile refuses.
pub(super) fn may_create(name: &str, profile: &Profile) -> Parsed<()> {
    let delimiter = char::from(profile.delimiter);
    if name.is_empty() || name.split(delimiter).any(str::is_empty) {
        return Err(Refusal::no("[CANNOT] A level of the mailbox name is empty"));
    }
    if name.contains(['*', '%']) {
        return Err(Refusal::no("[CANNOT] Mailbox name contains a wildcard"));
    }
    if profile.refused_names.iter().any(|refused| refused == name) {
        return Err(Refusal::no("[CANNOT] Mailbox name not allowed"));
    }
    if let Some(words) = profile.habits.refuse_name.as_ref().and_then(|refuse| refuse(name)) {
        return Err(Refusal::no(words));
    }
    let foreign = [&profile.other, &profile.shared].into_iter().flatten();
    if foreign.into_iter().any(|root| name.starts_with(root.as_str())) {
        return Err(Refusal::no("[NOPERM] Permission denied"));
    }
    if name != "INBOX" && !name.starts_with(&profile.prefix) {
        return Err(Refusal::no(format!("[CANNOT] Mailbox names begin with {}", profile.prefix)));
    }
    Ok(())
}

/// Whether the octets are modified UTF-7 in its one canonical form (RFC 3501 §5.1.3).
pub(super) fn is_mutf7(octets: &[u8]) -> bool {
    let mut at = 0;
    let mut after_shift = false;
    while at < octets.len() {
        match octets[at] {
            b'&' => {
                let Some(length) = octets[at + 1..].iter().position(|&octet| octet == b'-') else {
                    return false;
                };
                let shifted = &octets[at + 1..at + 1 + length];
                // `&AAA-&BBB-` is one shift written as two.
                if !shifted.is_empty() && (after_shift || !is_shift(shifted)) {
                    return false;
                }
                after_shift = !shifted.is_empty();
                at += length + 2;
            }
            0x20..=0x7e => {
                after_shift = false;
                at += 1;
            }
            _ => return false,
        }
    }
    true
}

/// Whether the text between `&` and `-` is UTF-16 that needed shifting, without loose bits.
fn is_shift(text: &[u8]) -> bool {
    let mut units = Vec::with_capacity(text.len());
    let (mut bits, mut held) = (0u32, 0u32);
    for &octet in text {
        let value = match octet {
            b'A'..=b'Z' => octet - b'A',
            b'a'..=b'z' => octet - b'a' + 26,
            b'0'..=b'9' => octet - b'0' + 52,
            b'+' => 62,
            b',' => 63,
            _ => return false,
        };
        bits = (bits << 6) | u32::from(value);
        held += 6;
        if held >= 16 {
            held -= 16;
            units.push(u16::try_from((bits >> held) & 0xffff).unwrap_or(0));
            bits &= (1 << held) - 1;
        }
    }
    held < 6
        && bits == 0
        && !units.is_empty()
        && char::decode_utf16(units)
            .all(|unit| unit.is_ok_and(|unit| !matches!(unit, '\u{20}'..='\u{7e}')))
}

/// Whether a name matches a LIST pattern: `*` for anything, `%` for anything within one level
/// (RFC 3501 §6.3.8). INBOX matches in any case.
pub(super) fn matches(pattern: &str, name: &str, delimiter: u8) -> bool {
    let pattern = pattern.as_bytes();
    if name == "INBOX" && pattern.eq_ignore_ascii_case(b"INBOX") {
        return true;
    }
    let name = name.as_bytes();
    // One row of the table of (pattern so far, name so far): no recursion, however many
    // wildcards a client sends.
    let mut row = vec![false; name.len() + 1];
    row[0] = true;
    for &wanted in pattern {
        match wanted {
            b'*' | b'%' => {
                for at in 0..name.len() {
                    row[at + 1] |= row[at] && (wanted == b'*' || name[at] != delimiter);
                }
            }
            _ => {
                for at in (0..name.len()).rev() {
                    row[at + 1] = row[at] && name[at] == wanted;
                }
                row[0] = false;
            }
        }
    }
    row[name.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_of_the_rfc_are_valid() {
        for name in ["~peter/mail/&U,BTFw-/&ZeVnLIqe-", "&Jjo-!", "R&AOk-union", "A&-B", "&-&-"] {
            assert!(is_mutf7(name.as_bytes()), "{name}");
        }
    }

    #[test]
    fn broken_shifts_and_eight_bit_octets_are_invalid() {
        let broken: [&[u8]; 8] = [
            b"&U,BTFw-&ZeVnLIqe-", // superfluous shift
            b"a&AGE-",             // a letter needs no shift
            b"&Jjo",               // never shifted back
            b"Tom & Jerry",
            b"&Jjp-", // a loose bit
            b"&2D0-", // half a surrogate pair
            "Réunion".as_bytes(),
            b"a\x07b",
        ];
        for name in broken {
            assert!(!is_mutf7(name), "{}", name.escape_ascii());
        }
    }

    #[test]
    fn a_percent_stays_within_its_level() {
        assert!(matches("%", "foo", b'/'));
        assert!(!matches("%", "foo/bar", b'/'));
        assert!(matches("foo/%", "foo/bar", b'/'));
        assert!(matches("*", "foo/bar", b'/'));
        assert!(matches("f%/*r", "foo/bar", b'/'));
        assert!(!matches("foo", "foo/bar", b'/'));
        assert!(matches("inbox", "INBOX", b'/'));
        assert!(!matches("", "a", b'/'));
    }

    #[test]
    fn inbox_is_spelt_in_capitals_as_first_level() {
        assert_eq!(normalise("inbox", b'.'), "INBOX");
        assert_eq!(normalise("Inbox.Sent", b'.'), "INBOX.Sent");
        assert_eq!(normalise("Inboxes", b'.'), "Inboxes");
    }
}

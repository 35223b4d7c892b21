//! Which folder stands for which mailbox.
//!
//! A level of a name is a folder: its text in UTF-8, with `%` and two hexadecimal digits for what a
//! name of a file cannot have everywhere. A name that is no modified UTF-7 (RFC 3501 §5.1.3) is written
//! by its octets, and told by `%26` (for `&`) or an octet above `%7F` in it, which the others never have.

use std::path::{Path, PathBuf};

use mailferry_imap::mutf7;

/// What separates the levels.
pub(super) const DELIMITER: u8 = b'/';
/// The longest name of a file on the usual systems.
const ENTRY_OCTETS_MAX: usize = 255;
/// What stands in the folder of a mailbox beside those below it.
const RESERVED: [&str; 4] = [super::mbox::MBOX, super::INDEX, super::LOCK, super::ACCOUNT];

/// Text for octets: those that are not `plain` as `%` and two hexadecimal digits.
pub(super) fn escape(octets: &[u8], plain: impl Fn(u8) -> bool) -> String {
    let mut text = String::with_capacity(octets.len());
    for &octet in octets {
        if plain(octet) && octet.is_ascii() && octet != b'%' {
            text.push(char::from(octet));
        } else {
            text += &format!("%{octet:02X}");
        }
    }
    text
}

/// The octets that such a text stands for; a `%` without two digits stands for itself.
pub(super) fn unescape(text: &str) -> Vec<u8> {
    let mut octets = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [octet, after @ ..] = rest {
        let digits = after.get(..2).filter(|_| *octet == b'%');
        let digits = digits.and_then(|digits| std::str::from_utf8(digits).ok());
        match digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(escaped) => {
                octets.push(escaped);
                rest = &after[2..];
            }
            None => {
                octets.push(*octet);
                rest = after;
            }
        }
    }
    octets
}

/// The folder of a mailbox below the root; `None` for a name that is none here. No name leads out of
/// the root: a level holds no slash, and does not begin with a dot.
pub(super) fn folder_of(root: &Path, name: &[u8]) -> Option<PathBuf> {
    let mut folder = root.to_owned();
    for level in name.split(|octet| *octet == DELIMITER) {
        folder.push(entry_of(level)?);
    }
    Some(folder)
}

/// The folder of one level.
fn entry_of(level: &[u8]) -> Option<String> {
    let decoded = mutf7::decode(level);
    let mut entry = match &decoded {
        Some(text) => {
            let mut entry = String::with_capacity(text.len());
            for character in text.chars() {
                match u8::try_from(character) {
                    Ok(octet) if octet.is_ascii() => entry += &escape(&[octet], is_usual),
                    _ => entry.push(character),
                }
            }
            entry
        }
        // Else it would be told from no other.
        None if level.iter().all(|octet| *octet < 0x80 && *octet != b'&') => return None,
        None => escape(level, |octet| is_usual(octet) && octet != b'&'),
    };
    // What is hidden on the one system, what another cuts off, and what stands there already.
    let is_reserved = RESERVED.iter().any(|name| entry.eq_ignore_ascii_case(name));
    if entry.starts_with('.') || is_reserved {
        let first = escape(&entry.as_bytes()[..1], |_| false);
        entry.replace_range(..1, &first);
    }
    if entry.ends_with(['.', ' ']) {
        let last = escape(&entry.as_bytes()[entry.len() - 1..], |_| false);
        entry.replace_range(entry.len() - 1.., &last);
    }
    (!entry.is_empty() && entry.len() <= ENTRY_OCTETS_MAX).then_some(entry)
}

fn is_usual(octet: u8) -> bool {
    matches!(octet, b' '..=b'~') && !b"%/\\:*?\"<>|".contains(&octet)
}

/// The level that a folder stands for. One that no level is written as stands for its name as it is:
/// another program made it.
pub(super) fn level_of(entry: &str) -> Vec<u8> {
    let octets = unescape(entry);
    let pairs = entry.bytes().zip(entry.bytes().skip(1));
    let by_octets =
        entry.contains("%26") || pairs.into_iter().any(|(one, next)| one == b'%' && next >= b'8');
    let level = match std::str::from_utf8(&octets) {
        Ok(text) if !by_octets => mutf7::encode(text),
        _ => octets,
    };
    match entry_of(&level) {
        Some(way_back) if way_back == entry => level,
        _ => mutf7::encode(entry),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_of_folders() {
        let of = |name: &str| {
            folder_of(Path::new("m"), name.as_bytes()).map(|path| path.display().to_string())
        };
        for (name, folder) in [
            ("INBOX", "m/INBOX"),
            ("a/b c", "m/a/b c"),
            ("Caf&AOk-", "m/Café"),
            ("R&-D", "m/R&D"),
            ("..", "m/%2E%2E"),
            ("a/.", "m/a/%2E"),
            ("../../x", "m/%2E%2E/%2E%2E/x"),
            (".hidden", "m/%2Ehidden"),
            ("b\\c:", "m/b%5Cc%3A"),
            ("a&AAA-b", "m/a%00b"),
            ("100%", "m/100%25"),
            ("mbox", "m/%6Dbox"),
            ("MailFerry.Index", "m/%4DailFerry.Index"),
            ("end. ", "m/end.%20"),
            // No modified UTF-7.
            ("a&b", "m/a%26b"),
            ("Caf\u{e9}", "m/Caf%C3%A9"),
        ] {
            assert_eq!(of(name).as_deref(), Some(folder), "{name:?}");
        }
        for no in ["", "/", "a\0b", "a//b", "/a", "a/", &"x".repeat(256), &"&AOk-".repeat(200)] {
            assert_eq!(of(no), None, "{no:?}");
        }
    }

    #[test]
    fn folders_of_other_programs_have_names_too() {
        for (entry, level) in [
            ("Gelöscht", &b"Gel&APY-scht"[..]),
            ("100% sure", b"100% sure"),
            ("a:b", b"a:b"),
            ("mbox", b"mbox"),
            ("50%ab", b"50%ab"),
        ] {
            assert_eq!(level_of(entry), level, "{entry}");
        }
    }

    proptest! {
        #[test]
        fn no_name_leads_out_of_the_root(octets: Vec<u8>, text in "[.a/&%\\x00é-]{0,12}") {
            let root = Path::new("/root-of-it");
            for name in [&octets[..], text.as_bytes()] {
                let Some(folder) = folder_of(root, name) else { continue };
                let below = folder.strip_prefix(root).unwrap();
                let levels: Vec<Vec<u8>> = below
                    .components()
                    .map(|part| match part {
                        std::path::Component::Normal(entry) => level_of(entry.to_str().unwrap()),
                        other => panic!("{other:?}"),
                    })
                    .collect();
                prop_assert_eq!(levels.join(&DELIMITER), name);
            }
        }

        #[test]
        fn any_octets_are_read_back(octets: Vec<u8>) {
            prop_assert_eq!(unescape(&escape(&octets, |octet| octet.is_ascii_graphic())), octets);
        }
    }
}

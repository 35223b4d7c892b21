//! What the name of a file says of its message: `unique,S=size,W=size:2,FLAGS`.

use mailferry_engine::message::{Flag, FlagSet};

/// The letters of Maildir, and the flags that they stand for. `P` is written for no flag: others take
/// it away again.
const LETTERS: [(u8, &[u8]); 5] = [
    (b'D', b"\\Draft"),
    (b'F', b"\\Flagged"),
    (b'R', b"\\Answered"),
    (b'S', b"\\Seen"),
    (b'T', b"\\Deleted"),
];
/// `P`, passed on.
const PASSED: (u8, &[u8]) = (b'P', b"$Forwarded");

/// Keywords that have a letter: Dovecot's `a` to `z`.
pub(super) const KEYWORDS_MAX: usize = 26;

/// The part of a file's name that stays, whatever the flags are.
pub(super) fn base(name: &str) -> &str {
    name.split_once(':').map_or(name, |(base, _)| base)
}

/// The letters at the end of a file's name.
fn letters(name: &str) -> &str {
    name.split_once(":2,").map_or("", |(_, letters)| letters.split(',').next().unwrap_or(""))
}

/// The flags that a file's name stands for.
pub(super) fn flags(name: &str, keywords: &[String]) -> FlagSet {
    let flag = |letter: u8| -> Option<Flag> {
        if letter.is_ascii_lowercase() {
            let keyword = keywords.get(usize::from(letter - b'a'))?;
            return (!keyword.is_empty()).then(|| Flag::new(keyword.as_bytes()));
        }
        let known = LETTERS.iter().chain([&PASSED]).find(|(known, _)| *known == letter)?;
        Some(Flag::new(known.1))
    };
    letters(name).bytes().filter_map(flag).collect()
}

/// The end of a file's name for these flags. Keywords that have no letter yet get one, while there
/// are any; what has none is left out.
pub(super) fn end(flags: &FlagSet, keywords: &mut Vec<String>) -> String {
    let mut letters: Vec<u8> = flags.iter().filter_map(|flag| letter(flag, keywords)).collect();
    letters.sort_unstable();
    letters.dedup();
    let mut end = String::from(":2,");
    end.extend(letters.into_iter().map(char::from));
    end
}

fn letter(flag: &Flag, keywords: &mut Vec<String>) -> Option<u8> {
    let octets = flag.as_bytes();
    if let Some((letter, _)) = LETTERS.iter().find(|(_, known)| *known == octets) {
        return Some(*letter);
    }
    let keyword = std::str::from_utf8(octets).ok().filter(|_| flag.is_keyword())?;
    let known = keywords.iter().position(|known| known.eq_ignore_ascii_case(keyword));
    let at = known.or_else(|| {
        let free = keywords.iter().position(String::is_empty);
        match free {
            Some(at) => keywords[at] = keyword.to_owned(),
            None if keywords.len() < KEYWORDS_MAX => keywords.push(keyword.to_owned()),
            None => return None,
        }
        free.or(Some(keywords.len() - 1))
    })?;
    u8::try_from(at).ok().map(|at| b'a' + at)
}

/// Reads `dovecot-keywords`: a line `number keyword` each.
pub(super) fn read_keywords(text: &str) -> Vec<String> {
    let mut keywords = Vec::new();
    for line in text.lines() {
        let Some((number, keyword)) = line.split_once(' ') else { continue };
        let Some(at) = number.parse::<usize>().ok().filter(|at| *at < KEYWORDS_MAX) else {
            continue;
        };
        if keywords.len() <= at {
            keywords.resize(at + 1, String::new());
        }
        keywords[at] = keyword.to_owned();
    }
    keywords
}

/// Writes it.
pub(super) fn write_keywords(keywords: &[String]) -> String {
    let known = keywords.iter().enumerate().filter(|(_, keyword)| !keyword.is_empty());
    known.map(|(at, keyword)| format!("{at} {keyword}\n")).collect()
}

//! Hierarchy delimiters and namespace prefixes of mailbox names, and what is done when a
//! server does not tell them.

use crate::mapping::FixSlash;

/// Carries a name from one hierarchy delimiter to another. The two change places; a slash
/// that is left over where it is no delimiter becomes `_` if `fix_slash` says so.
///
/// A name of a server without hierarchy may hold the other's delimiter: it becomes `_`, so
/// that no level comes into being, and the other way round no level is feigned.
pub(crate) fn swap(name: &[u8], from: Option<u8>, to: Option<u8>, fix_slash: FixSlash) -> Vec<u8> {
    let carry = |octet: u8| match (from, to) {
        (Some(from), Some(to)) if octet == from => to,
        (Some(from), Some(to)) if octet == to => from,
        (None, Some(only)) | (Some(only), None) if octet == only => b'_',
        _ => octet,
    };
    let mut carried: Vec<u8> = name.iter().map(|&octet| carry(octet)).collect();
    if fix_slash == FixSlash::On && from == Some(b'/') && to.is_some_and(|to| to != b'/') {
        carried.iter_mut().filter(|octet| **octet == b'/').for_each(|octet| *octet = b'_');
    }
    carried
}

/// The delimiter of a server that does not tell: the most frequent of `/`, `.` and `\` in its
/// names, `/` if there is none.
#[must_use]
pub fn guess_delimiter<'a>(names: impl IntoIterator<Item = &'a [u8]>) -> u8 {
    const CANDIDATES: [u8; 3] = *b"/.\\";
    let mut found = [0_usize; 3];
    for octet in names.into_iter().flatten() {
        if let Some(at) = CANDIDATES.iter().position(|candidate| candidate == octet) {
            found[at] += 1;
        }
    }
    let most = found.into_iter().max().unwrap_or(0);
    let at = found.iter().position(|&count| count == most).unwrap_or(0);
    CANDIDATES[at]
}

/// The prefix of a server that does not tell: `INBOX` and the delimiter, in the case used, if
/// every mailbox but INBOX begins so.
#[must_use]
pub fn guess_prefix<'a>(names: impl IntoIterator<Item = &'a [u8]>, delimiter: u8) -> Box<[u8]> {
    let mut others = names.into_iter().filter(|name| !name.eq_ignore_ascii_case(b"INBOX"));
    let Some(first) = others.next() else { return Box::default() };
    let prefix = match first.split_at_checked(6) {
        Some((head, _)) if head[..5].eq_ignore_ascii_case(b"INBOX") && head[5] == delimiter => head,
        _ => return Box::default(),
    };
    if others.all(|name| name.starts_with(prefix)) { prefix.into() } else { Box::default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn carry(name: &str, from: u8, to: u8, fix_slash: FixSlash) -> String {
        String::from_utf8_lossy(&swap(name.as_bytes(), Some(from), Some(to), fix_slash)).into()
    }

    /// U18 of the unit catalogue.
    #[test]
    fn delimiters_change_places() {
        assert_eq!(carry("la/l.ala", b'.', b'/', FixSlash::Off), "la.l/ala");
        assert_eq!(carry("l.al/ala", b'/', b'.', FixSlash::Off), "l/al.ala");
        assert_eq!(carry("l.al/ala", b'/', b'.', FixSlash::On), "l_al.ala");
        assert_eq!(carry("a/b.c", b'/', b'/', FixSlash::On), "a/b.c");
    }

    #[test]
    fn a_flat_name_stays_flat() {
        assert_eq!(swap(b"a/b.c", None, Some(b'/'), FixSlash::On), b"a_b.c");
        assert_eq!(swap(b"a/b.c", Some(b'.'), None, FixSlash::On), b"a/b_c");
        assert_eq!(swap(b"a/b", None, None, FixSlash::On), b"a/b");
    }

    /// U20 of the unit catalogue.
    #[test]
    fn the_most_frequent_delimiter_is_guessed() {
        let guess = |names: &[&str]| guess_delimiter(names.iter().map(|name| name.as_bytes()));
        assert_eq!(guess(&[]), b'/');
        assert_eq!(guess(&["abc"]), b'/');
        assert_eq!(guess(&["a/b/c.d"]), b'/');
        assert_eq!(guess(&["a.b/c.d"]), b'.');
        assert_eq!(guess(&["a\\b"]), b'\\');
    }

    #[test]
    fn a_prefix_is_guessed_only_if_all_have_it() {
        let guess = |names: &[&str]| guess_prefix(names.iter().map(|name| name.as_bytes()), b'.');
        assert_eq!(&*guess(&["INBOX", "INBOX.a", "INBOX.b"]), b"INBOX.");
        assert_eq!(&*guess(&["Inbox", "Inbox.a"]), b"Inbox.");
        assert_eq!(&*guess(&["INBOX", "INBOX.a", "b"]), b"");
        assert_eq!(&*guess(&["INBOX"]), b"");
        assert_eq!(&*guess(&["INBOXes"]), b"");
    }
}

//! What a line of a header block is, seen as the canonical form sees it: LF ends a line, and
//! CR, NUL and 0x80 do not make a line non-empty.

/// Octets of a header line that come in one piece: more than a name that the canonical form
/// looks at.
pub(super) const NAME_HOLD_OCTETS: usize = 128;

/// A line of a header block, by its first octets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// The block ends here.
    Empty,
    /// The field before goes on; `begin` is where the first blank stands.
    Continuation { begin: usize },
    /// A field begins; the colon is there.
    Field { colon: usize },
    /// Neither: no colon.
    Other,
}

/// Header or body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Zone {
    Header,
    Body,
}

/// Octets that the canonical form passes over at the beginning of a line.
pub(super) const fn is_passed_over(octet: u8) -> bool {
    matches!(octet, b'\r' | 0 | 0x80)
}

pub(super) fn kind_of(line: &[u8]) -> Kind {
    let first = line.iter().position(|&octet| !is_passed_over(octet));
    match first.map(|at| (at, line[at])) {
        None | Some((_, b'\n')) => Kind::Empty,
        Some((begin, b' ' | b'\t')) => Kind::Continuation { begin },
        Some(_) => match memchr::memchr(b':', line) {
            Some(colon) => Kind::Field { colon },
            None => Kind::Other,
        },
    }
}

/// The name of a field, without blanks before the colon.
pub(super) fn name_of(line: &[u8], colon: usize) -> &[u8] {
    let name = &line[..colon];
    let blank = |octet: &u8| matches!(octet, b' ' | b'\t');
    let end = name.iter().rposition(|octet| !blank(octet)).map_or(0, |last| last + 1);
    &name[..end]
}

/// Whether this can be the name of a field (RFC 5322 §2.2): printable, without blanks.
pub(super) fn is_name(name: &[u8]) -> bool {
    !name.is_empty() && name.iter().all(|octet| matches!(octet, b'!'..=b'9' | b';'..=b'~'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_told_apart() {
        assert_eq!(kind_of(b"\r\n"), Kind::Empty);
        assert_eq!(kind_of(b"\0\x80\r\n"), Kind::Empty);
        assert_eq!(kind_of(b""), Kind::Empty);
        assert_eq!(kind_of(b"\r\tx: y\n"), Kind::Continuation { begin: 1 });
        assert_eq!(kind_of(b"Subject : x\n"), Kind::Field { colon: 8 });
        assert_eq!(kind_of(b"no colon\n"), Kind::Other);
        assert_eq!(name_of(b"Subject \t: x", 9), b"Subject");
        assert!(is_name(b"X-A") && !is_name(b"From a") && !is_name(b"\r") && !is_name(b""));
    }
}

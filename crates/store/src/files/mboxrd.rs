//! Lines of a message that could be taken for the beginning of another in an mbox.
//!
//! mboxrd puts a `>` before each line that is `From `, `>From `, `>>From ` and so on, and takes one
//! away again: whatever the octets are, they come back (RFC 4155 names the form that does not).

const FROM: &[u8] = b"From ";

/// Which way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    /// Into the mbox.
    Quote,
    /// Out of it.
    Unquote,
}

/// Quotes or unquotes octets that come in any pieces.
#[derive(Clone, Debug)]
pub(crate) struct Quoting {
    direction: Direction,
    /// Nothing that follows matters up to the end of the line.
    decided: bool,
    /// Of the `>` before it one is not passed on yet.
    held: bool,
    /// So much of `From ` was seen, and is not passed on yet.
    matched: usize,
}

impl Quoting {
    pub(crate) fn new(direction: Direction) -> Self {
        Self { direction, decided: false, held: false, matched: 0 }
    }

    pub(crate) fn push(&mut self, octets: &[u8], out: &mut Vec<u8>) {
        let mut rest = octets;
        while let [octet, after @ ..] = rest {
            if self.decided {
                let end = memchr::memchr(b'\n', rest).map_or(rest.len(), |at| at + 1);
                out.extend_from_slice(&rest[..end]);
                self.decided = rest[end - 1] != b'\n';
                rest = &rest[end..];
            } else {
                self.take(*octet, out);
                rest = after;
            }
        }
    }

    /// Nothing follows.
    pub(crate) fn finish(&mut self, out: &mut Vec<u8>) {
        if std::mem::take(&mut self.held) {
            out.push(b'>');
        }
        out.extend_from_slice(&FROM[..std::mem::take(&mut self.matched)]);
    }

    /// Takes an octet at the beginning of a line.
    fn take(&mut self, octet: u8, out: &mut Vec<u8>) {
        if octet == b'>' && self.matched == 0 {
            if self.held {
                out.push(octet);
            }
            self.held = true;
        } else if octet != FROM[self.matched] {
            self.finish(out);
            out.push(octet);
            self.decided = octet != b'\n';
        } else if self.matched + 1 < FROM.len() {
            self.matched += 1;
        } else {
            let quotes = match self.direction {
                Direction::Quote => 1 + usize::from(self.held),
                Direction::Unquote => 0,
            };
            out.extend(std::iter::repeat_n(b'>', quotes));
            out.extend_from_slice(FROM);
            (self.held, self.matched, self.decided) = (false, 0, true);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    fn put(direction: Direction, octets: &[u8], piece: usize) -> Vec<u8> {
        let (mut quoting, mut out) = (Quoting::new(direction), Vec::new());
        octets.chunks(piece).for_each(|piece| quoting.push(piece, &mut out));
        quoting.finish(&mut out);
        out
    }

    #[test]
    fn lines_that_look_like_a_beginning_are_quoted() {
        for (plain, quoted) in [
            ("From x", ">From x"),
            ("a\nFrom x\n>From y\n>>From z\n", "a\n>From x\n>>From y\n>>>From z\n"),
            ("a From x\nFrom\nFrom:\n> From x", "a From x\nFrom\nFrom:\n> From x"),
            ("\r\nFrom \r\n\rFrom x", "\r\n>From \r\n\rFrom x"),
            (">", ">"),
            ("Fro", "Fro"),
            (">>Fro>From \n", ">>Fro>From \n"),
            ("", ""),
        ] {
            assert_eq!(put(Direction::Quote, plain.as_bytes(), 3), quoted.as_bytes(), "{plain:?}");
            let back = put(Direction::Unquote, quoted.as_bytes(), 2);
            assert_eq!(back, plain.as_bytes(), "{quoted:?}");
        }
        // Of programs that quote otherwise.
        assert_eq!(put(Direction::Unquote, b"From x", 9), b"From x");
    }

    proptest! {
        #[test]
        fn any_octets_come_back(text in "[>From \r\n\\x00]{0,60}", one in 1_usize..9, two in 1_usize..9) {
            let quoted = put(Direction::Quote, text.as_bytes(), one);
            prop_assert!(!quoted.split(|octet| *octet == b'\n').any(|line| line.starts_with(FROM)));
            prop_assert_eq!(put(Direction::Unquote, &quoted, two), text.as_bytes());
        }
    }
}

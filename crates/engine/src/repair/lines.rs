//! Octets that come in chunks, cut into lines without holding a long one.

use memchr::memchr;

/// A line or some octets of one. How the message was cut into chunks decides only how a long
/// line's octets behind its first piece are spread over `More` and `End`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Piece<'a> {
    /// A line that is no longer than what is held, its LF included where it has one.
    Whole(&'a [u8]),
    /// The first octets of a longer line: exactly as many as are held.
    Start(&'a [u8]),
    /// Further octets of it.
    More(&'a [u8]),
    /// Its last octets, with the LF unless the message ends here.
    End(&'a [u8]),
}

impl<'a> Piece<'a> {
    pub(super) fn octets(self) -> &'a [u8] {
        let (Self::Whole(octets) | Self::Start(octets) | Self::More(octets) | Self::End(octets)) =
            self;
        octets
    }

    /// The octets where the line begins; `None` further on in it.
    pub(super) fn beginning(self) -> Option<&'a [u8]> {
        match self {
            Self::Whole(octets) | Self::Start(octets) => Some(octets),
            Self::More(_) | Self::End(_) => None,
        }
    }

    /// Whether the line, its end left out, has more than `limit` octets. To be asked of a
    /// line's beginning, where at least `limit + 2` octets are held.
    pub(super) fn is_longer_than(self, limit: usize) -> bool {
        let octets = self.octets();
        let octets = octets.strip_suffix(b"\n").unwrap_or(octets);
        let end = octets.iter().rposition(|&octet| octet != b'\r').map_or(0, |last| last + 1);
        end > limit
    }
}

/// Cuts chunks into pieces of lines. LF ends a line, as in the canonical form.
#[derive(Clone, Debug)]
pub(super) struct Lines {
    hold: usize,
    held: Vec<u8>,
    at: At,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    /// At the beginning of a line, or in what is held of it.
    Beginning,
    /// Behind the first piece of a long line.
    Within,
}

impl Lines {
    /// `hold`: octets of a line that come in one piece, at least 1.
    pub(super) fn new(hold: usize) -> Self {
        Self { hold: hold.max(1), held: Vec::new(), at: At::Beginning }
    }

    pub(super) fn push(&mut self, chunk: &[u8], mut take: impl FnMut(Piece<'_>)) {
        let mut rest = chunk;
        while !rest.is_empty() {
            let line = memchr(b'\n', rest).map(|at| at + 1);
            if self.at == At::Within {
                let (octets, after) = rest.split_at(line.unwrap_or(rest.len()));
                if line.is_some() {
                    self.at = At::Beginning;
                    take(Piece::End(octets));
                } else {
                    take(Piece::More(octets));
                }
                rest = after;
                continue;
            }
            let room = self.hold - self.held.len();
            let (octets, after) = rest.split_at(line.unwrap_or(rest.len()).min(room));
            let ends = line.is_some_and(|line| line <= room);
            if ends && self.held.is_empty() {
                take(Piece::Whole(octets));
            } else {
                self.held.extend_from_slice(octets);
                if ends {
                    take(Piece::Whole(&self.held));
                    self.held.clear();
                } else if self.held.len() == self.hold {
                    self.at = At::Within;
                    take(Piece::Start(&self.held));
                    self.held.clear();
                }
            }
            rest = after;
        }
    }

    /// What is left of a last line without LF.
    pub(super) fn finish(&mut self, mut take: impl FnMut(Piece<'_>)) {
        if self.at == At::Within {
            take(Piece::End(b""));
        } else if !self.held.is_empty() {
            take(Piece::Whole(&self.held));
        }
        self.held.clear();
        self.at = At::Beginning;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pieces(hold: usize, chunks: &[&[u8]]) -> Vec<String> {
        let mut lines = Lines::new(hold);
        let mut told = Vec::new();
        let mut tell = |piece: Piece<'_>| told.push(format!("{piece:?}"));
        for chunk in chunks {
            lines.push(chunk, &mut tell);
        }
        lines.finish(&mut tell);
        told
    }

    fn shown(pieces: &[Piece<'_>]) -> Vec<String> {
        pieces.iter().map(|piece| format!("{piece:?}")).collect()
    }

    #[test]
    fn short_lines_come_whole_however_they_are_cut() {
        let expected = shown(&[Piece::Whole(b"a\r\n"), Piece::Whole(b"\n"), Piece::Whole(b"bc")]);
        assert_eq!(pieces(4, &[b"a\r\n\nbc"]), expected);
        assert_eq!(pieces(4, &[b"a", b"\r", b"\n\nb", b"", b"c"]), expected);
    }

    #[test]
    fn a_long_line_begins_with_as_many_octets_as_are_held() {
        let whole = pieces(3, &[b"abcde\nf"]);
        let expected = [Piece::Start(b"abc"), Piece::End(b"de\n"), Piece::Whole(b"f")];
        assert_eq!(whole, shown(&expected));
        let cut = pieces(3, &[b"ab", b"cd", b"e", b"\nf"]);
        let expected = [
            Piece::Start(b"abc"),
            Piece::More(b"d"),
            Piece::More(b"e"),
            Piece::End(b"\n"),
            Piece::Whole(b"f"),
        ];
        assert_eq!(cut, shown(&expected));
        assert_eq!(pieces(3, &[b"abc"]), shown(&[Piece::Start(b"abc"), Piece::End(b"")]));
    }

    #[test]
    fn the_end_of_a_line_does_not_count() {
        assert!(!Piece::Whole(b"abc\r\r\n").is_longer_than(3));
        assert!(Piece::Whole(b"abcd\n").is_longer_than(3));
        assert!(Piece::Start(b"abcde").is_longer_than(3));
        assert!(!Piece::Start(b"abc\r\r").is_longer_than(3));
    }
}

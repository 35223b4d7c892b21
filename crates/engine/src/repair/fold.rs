//! Header lines that are too long, folded.

use super::head::{Kind, Zone, is_name, is_passed_over, kind_of, name_of};
use super::lines::{Lines, Piece};
use super::{LineLimit, Transform};

/// How the names of MIME's header fields begin (RFC 2045 §3).
const CONTENT: &[u8] = b"Content-";

/// Folds lines of the header that are longer than a limit (RFC 5322 §2.1.1: 998 octets) before
/// white space that is there (§2.2.3).
///
/// Nothing is broken that has no white space, such as an encoded word (RFC 2047 §2) or an
/// overlong Message-Id; no line is left that has only white space; and the quoted blank of
/// `\ ` is none. In Content-Type and its like quoted strings stay whole, since many readers of
/// parameters do not unfold them. Lines that belong to no field stay as they are, and so do the headers of parts.
#[derive(Clone, Debug)]
pub struct FoldHeader {
    lines: Lines,
    state: State,
}

#[derive(Clone, Debug)]
struct State {
    limit: usize,
    zone: Zone,
    field: Field,
    quotes: Quotes,
    folder: Option<Folder>,
    edits: u64,
}

/// Whether quoted strings of a field are kept whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Quotes {
    /// A quotation mark is one letter of many.
    MeanNothing,
    Outside,
    Within,
}

/// Whether a continuation line belongs to a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Field {
    Open,
    None,
}

impl FoldHeader {
    /// `limit`: octets of a line, its CRLF not counted.
    #[must_use]
    pub fn new(limit: LineLimit) -> Self {
        let limit = limit.octets();
        let state = State {
            limit,
            zone: Zone::Header,
            field: Field::None,
            quotes: Quotes::MeanNothing,
            folder: None,
            edits: 0,
        };
        Self { lines: Lines::new(limit + 2), state }
    }
}

impl Transform for FoldHeader {
    fn push(&mut self, chunk: &[u8], out: &mut Vec<u8>) {
        self.lines.push(chunk, |piece| self.state.take(piece, out));
    }

    fn finish(&mut self, out: &mut Vec<u8>) {
        self.lines.finish(|piece| self.state.take(piece, out));
    }

    fn edits(&self) -> u64 {
        self.state.edits
    }
}

impl State {
    fn take(&mut self, piece: Piece<'_>, out: &mut Vec<u8>) {
        let mut octets = piece.octets();
        if let (Zone::Header, Some(line)) = (self.zone, piece.beginning()) {
            let begin = self.value_of(line);
            self.folder = None;
            if let Some(begin) = begin.filter(|_| piece.is_longer_than(self.limit)) {
                out.extend_from_slice(&line[..begin]);
                self.folder = Some(Folder::new(begin, self.quotes));
                octets = &line[begin..];
            }
        }
        match &mut self.folder {
            None => out.extend_from_slice(octets),
            Some(folder) => {
                octets.iter().for_each(|&octet| folder.take(octet, self.limit, out));
                if matches!(piece, Piece::Whole(_) | Piece::End(_)) {
                    folder.flush(out);
                    self.edits += folder.folds;
                    self.folder = None;
                }
            }
        }
    }

    /// Where the part of a line begins that may be folded.
    fn value_of(&mut self, line: &[u8]) -> Option<usize> {
        match kind_of(line) {
            Kind::Empty => {
                self.zone = Zone::Body;
                None
            }
            Kind::Continuation { .. } => {
                let solid = line.iter().position(|&octet| is_solid(octet));
                solid.filter(|_| self.field == Field::Open)
            }
            Kind::Field { colon } if is_name(name_of(line, colon)) => {
                self.field = Field::Open;
                let start = line.get(..CONTENT.len());
                let of_mime = start.is_some_and(|start| start.eq_ignore_ascii_case(CONTENT));
                self.quotes = if of_mime { Quotes::Outside } else { Quotes::MeanNothing };
                Some(colon + 1)
            }
            Kind::Field { .. } | Kind::Other => {
                self.field = Field::None;
                None
            }
        }
    }
}

/// Something that is to be seen: neither blank nor passed over by servers.
const fn is_solid(octet: u8) -> bool {
    !is_passed_over(octet) && !matches!(octet, b' ' | b'\t' | b'\n')
}

/// One line that is being folded.
#[derive(Clone, Debug)]
struct Folder {
    /// Octets of the line that were written.
    column: usize,
    /// From the last place where the line may be broken.
    pending: Vec<u8>,
    /// Whether there is something to be seen in what is pending.
    seen: Seen,
    quotes: Quotes,
    last: u8,
    folds: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Seen {
    Nothing,
    Something,
}

impl Folder {
    fn new(column: usize, quotes: Quotes) -> Self {
        let (pending, seen) = (Vec::new(), Seen::Something);
        Self { column, pending, seen, quotes, last: b':', folds: 0 }
    }

    fn take(&mut self, octet: u8, limit: usize, out: &mut Vec<u8>) {
        let quoted = self.last == b'\\';
        self.last = octet;
        self.quotes = match (self.quotes, octet) {
            (Quotes::Outside, b'"') if !quoted => Quotes::Within,
            (Quotes::Within, b'"') if !quoted => Quotes::Outside,
            (quotes, _) => quotes,
        };
        let blank = matches!(octet, b' ' | b'\t') && !quoted && self.quotes != Quotes::Within;
        if blank && self.seen == Seen::Something {
            self.flush(out);
            self.pending.push(octet);
            self.seen = Seen::Nothing;
        } else if self.pending.is_empty() {
            out.push(octet);
            self.column += 1;
        } else {
            self.pending.push(octet);
            if is_solid(octet) || self.seen == Seen::Something {
                self.seen = Seen::Something;
                if self.column + self.pending.len() > limit && is_solid(octet) {
                    out.extend_from_slice(b"\r\n");
                    self.folds += 1;
                    self.column = 0;
                    self.flush(out);
                }
            } else if self.pending.len() > limit {
                // So many blanks that they are not held.
                self.flush(out);
            }
        }
    }

    fn flush(&mut self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.pending);
        self.column += self.pending.len();
        self.pending.clear();
        self.seen = Seen::Something;
    }
}

#[cfg(test)]
mod tests {
    use super::super::transformed;
    use super::*;

    fn folded(message: &str) -> String {
        let fold = FoldHeader::new(LineLimit::new(76));
        String::from_utf8_lossy(&transformed(fold, message.as_bytes())).into_owned()
    }

    #[test]
    fn a_long_line_is_folded_before_its_blanks() {
        let words = ["word"; 30].join(" ");
        let message = format!("Subject: {words}\r\nTo: a\r\n\r\n{words}\r\n");
        let shorter = folded(&message);
        assert!(shorter.starts_with("Subject: word word"), "{shorter}");
        let (header, body) = shorter.split_once("\r\n\r\n").unwrap_or_default();
        assert!(header.split("\r\n").all(|line| line.len() <= 76), "{shorter}");
        assert_eq!(header.replace("\r\n ", " "), format!("Subject: {words}\r\nTo: a"));
        assert_eq!(body, format!("{words}\r\n"));
    }

    #[test]
    fn what_has_no_blank_is_not_broken() {
        let word = "w".repeat(200);
        for line in [word.clone(), format!("X:{word}"), format!("X: a\r\n {word}")] {
            let message = format!("{line}\r\n\r\n");
            assert_eq!(folded(&message), message);
        }
        assert_eq!(folded(&format!("X: a b {word} c\r\n")), format!("X: a b\r\n {word}\r\n c\r\n"));
    }

    #[test]
    fn no_line_of_blanks_comes_into_being_and_a_quoted_blank_stays() {
        let word = "w".repeat(100);
        let blanks = " ".repeat(100);
        for line in [
            format!("X:{word}{blanks}"),
            format!("X:{word}\\ {word}"),
            format!(" {word} {word}"),
            format!("From {word} {word}: x y"),
        ] {
            let message = format!("{line}\r\n\r\n");
            assert_eq!(folded(&message), message);
        }
    }

    #[test]
    fn a_line_that_just_fits_is_not_folded_for_its_end() {
        let (words, word) = ("w".repeat(70), "v".repeat(69));
        assert_eq!(
            folded(&format!("X: {words} aaaaa {word}\r\n")),
            format!("X: {words}\r\n aaaaa {word}\r\n")
        );
    }

    #[test]
    fn a_quoted_parameter_stays_whole() {
        let name = ["word"; 30].join(" ");
        assert_eq!(
            folded(&format!("Content-Type: a/b; name=\"{name}\" ; x=\"y\"\r\n")),
            format!("Content-Type: a/b;\r\n name=\"{name}\"\r\n ; x=\"y\"\r\n")
        );
        assert_ne!(folded(&format!("Subject: \"{name}\r\n")), format!("Subject: \"{name}\r\n"));
    }

    #[test]
    fn blanks_in_a_row_stay_together() {
        let word = "w".repeat(70);
        assert_eq!(
            folded(&format!("X: {word}  \t {word}\r\n")),
            format!("X: {word}\r\n  \t {word}\r\n")
        );
    }
}

//! Bodies with shorter lines: the three ways that MIME permits (RFC 2045 §6.7, §6.8).

use super::lines::Piece;
use super::mime::Treatment;

/// The longest encoded line, without CRLF (RFC 2045 §6.7 rule 5, §6.8).
const ENCODED_LINE_OCTETS: usize = 76;

/// Encodes the body of one part.
#[derive(Clone, Debug)]
pub(super) enum Encoder {
    Quoted(Quoted),
    Softened(Breaks),
    Wrapped(Breaks),
}

impl Encoder {
    pub(super) fn new(treatment: Treatment) -> Self {
        match treatment {
            Treatment::QuotedPrintable => Self::Quoted(Quoted::default()),
            Treatment::SoftBreaks => Self::Softened(Breaks::default()),
            Treatment::Base64Lines => Self::Wrapped(Breaks::default()),
        }
    }

    /// Takes a piece of the body. Quoted-printable changes the whole of it, the others only
    /// lines longer than `limit`.
    pub(super) fn take(&mut self, piece: Piece<'_>, limit: usize, out: &mut Vec<u8>) {
        match self {
            Self::Quoted(quoted) => {
                piece.octets().iter().for_each(|&octet| quoted.take(octet, out));
            }
            Self::Softened(breaks) => breaks.take(piece, (limit, Way::Soft), out),
            Self::Wrapped(breaks) => breaks.take(piece, (limit, Way::Hard), out),
        }
    }

    pub(super) fn finish(&mut self, out: &mut Vec<u8>) {
        match self {
            Self::Quoted(quoted) => quoted.finish(out),
            Self::Softened(breaks) => breaks.settle_equals(None, out),
            Self::Wrapped(_) => {}
        }
    }

    /// Whether anything has become other octets.
    pub(super) fn has_changed(&self) -> bool {
        match self {
            Self::Quoted(_) => true,
            Self::Softened(breaks) | Self::Wrapped(breaks) => breaks.inserted > 0,
        }
    }
}

/// Makes quoted-printable of octets. Line ends stay as they are; a bare CR, trailing blanks,
/// 8-bit and control octets are encoded, so that decoding gives the same octets again.
#[derive(Clone, Debug, Default)]
pub(super) struct Quoted {
    column: usize,
    /// A blank, and a CR behind it, that may end the line.
    blank: Option<u8>,
    cr: Option<u8>,
}

impl Quoted {
    fn take(&mut self, octet: u8, out: &mut Vec<u8>) {
        match octet {
            b'\n' => {
                if let Some(blank) = self.blank.take() {
                    self.write_encoded(blank, out);
                }
                out.extend(self.cr.take());
                out.push(b'\n');
                self.column = 0;
            }
            b'\r' => {
                self.settle_cr(out);
                self.cr = Some(octet);
            }
            b' ' | b'\t' => {
                self.settle_cr(out);
                self.settle_blank(out);
                self.blank = Some(octet);
            }
            _ => {
                self.settle_cr(out);
                self.settle_blank(out);
                match octet {
                    b'!'..=b'<' | b'>'..=b'~' => self.write(&[octet], out),
                    _ => self.write_encoded(octet, out),
                }
            }
        }
    }

    /// Encodes what would end the last line and is no line end.
    fn finish(&mut self, out: &mut Vec<u8>) {
        self.settle_cr(out);
        if let Some(blank) = self.blank.take() {
            self.write_encoded(blank, out);
        }
    }

    /// The CR ended no line.
    fn settle_cr(&mut self, out: &mut Vec<u8>) {
        if let Some(cr) = self.cr.take() {
            self.settle_blank(out);
            self.write_encoded(cr, out);
        }
    }

    /// The blank does not stand at the end.
    fn settle_blank(&mut self, out: &mut Vec<u8>) {
        if let Some(blank) = self.blank.take() {
            self.write(&[blank], out);
        }
    }

    fn write_encoded(&mut self, octet: u8, out: &mut Vec<u8>) {
        const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
        let (high, low) = (octet >> 4, octet & 15);
        self.write(&[b'=', DIGITS[usize::from(high)], DIGITS[usize::from(low)]], out);
    }

    fn write(&mut self, octets: &[u8], out: &mut Vec<u8>) {
        // One column is for the `=` of a soft line break.
        if self.column + octets.len() >= ENCODED_LINE_OCTETS {
            out.extend_from_slice(b"=\r\n");
            self.column = 0;
        }
        out.extend_from_slice(octets);
        self.column += octets.len();
    }
}

/// Puts line breaks into lines that are too long.
#[derive(Clone, Debug, Default)]
pub(super) struct Breaks {
    /// Octets of the current line, if it is too long.
    column: Option<usize>,
    /// In quoted-printable: octets before which no line may be broken, since they belong to a
    /// `=XX`.
    bound: u8,
    /// In quoted-printable: a `=` of which it is not known yet whether it ends its line.
    equals: Option<u8>,
    inserted: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// `=` and CRLF, which a decoder of quoted-printable takes away.
    Soft,
    /// CRLF, which a decoder of base64 passes over.
    Hard,
}

impl Breaks {
    fn take(&mut self, piece: Piece<'_>, (limit, way): (usize, Way), out: &mut Vec<u8>) {
        if piece.beginning().is_some() {
            self.column = piece.is_longer_than(limit).then_some(0);
            self.bound = 0;
        }
        if self.column.is_none() {
            out.extend_from_slice(piece.octets());
            return;
        }
        for &octet in piece.octets() {
            match way {
                Way::Soft => self.take_soft(octet, out),
                Way::Hard if matches!(octet, b'\r' | b'\n') => self.write(&[octet], out),
                Way::Hard => {
                    self.break_unless_fits(1, (ENCODED_LINE_OCTETS, b"\r\n"), out);
                    self.write(&[octet], out);
                }
            }
        }
    }

    fn take_soft(&mut self, octet: u8, out: &mut Vec<u8>) {
        self.settle_equals(Some(octet), out);
        match octet {
            b'=' => self.equals = Some(octet),
            // Not before a blank: if all that follows is blanks they do not count, and behind
            // a break they would.
            b'\r' | b'\n' | b' ' | b'\t' => self.write(&[octet], out),
            _ if self.bound > 0 => self.write(&[octet], out),
            _ => {
                self.break_softly(1, out);
                self.write(&[octet], out);
            }
        }
        if self.equals.is_none() {
            self.bound = self.bound.saturating_sub(1);
        }
    }

    /// Writes a `=` that was held until it was known what follows.
    fn settle_equals(&mut self, next: Option<u8>, out: &mut Vec<u8>) {
        let Some(equals) = self.equals.take() else { return };
        let ends_line = matches!(next, None | Some(b'\r' | b'\n'));
        if !ends_line {
            if self.bound == 0 {
                self.break_softly(3, out);
            }
            // The two digits that follow; the one that comes now is counted behind this.
            self.bound = 2;
        }
        self.write(&[equals], out);
    }

    fn break_softly(&mut self, octets: usize, out: &mut Vec<u8>) {
        // One column is for the `=` itself.
        self.break_unless_fits(octets, (ENCODED_LINE_OCTETS - 1, b"=\r\n"), out);
    }

    fn break_unless_fits(
        &mut self,
        octets: usize,
        (columns, line_break): (usize, &[u8]),
        out: &mut Vec<u8>,
    ) {
        if self.column.is_some_and(|column| column > 0 && column + octets > columns) {
            out.extend_from_slice(line_break);
            self.inserted += 1;
            self.column = Some(0);
        }
    }

    fn write(&mut self, octets: &[u8], out: &mut Vec<u8>) {
        out.extend_from_slice(octets);
        self.column = self.column.map(|column| column + octets.len());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::repair::lines::Lines;

    fn encoded(treatment: Treatment, body: &[u8]) -> String {
        let mut encoder = Encoder::new(treatment);
        let mut lines = Lines::new(1024);
        let mut out = Vec::new();
        lines.push(body, |piece| encoder.take(piece, 76, &mut out));
        lines.finish(|piece| encoder.take(piece, 76, &mut out));
        encoder.finish(&mut out);
        String::from_utf8_lossy(&out).into_owned()
    }

    #[test]
    fn quoted_printable_is_that_of_the_rfc() {
        let quoted = |body: &[u8]| encoded(Treatment::QuotedPrintable, body);
        assert_eq!(quoted(b"a=b \r\n\xe9\t\r\n c\r\n"), "a=3Db=20\r\n=E9=09\r\n c\r\n");
        assert_eq!(quoted(b"a\rb \rc\r\r\nd\ne\0\x7f~"), "a=0Db =0Dc=0D\r\nd\ne=00=7F~");
        assert_eq!(quoted(b"end "), "end=20");
        assert_eq!(quoted(b"end\r"), "end=0D");
        let long = quoted(&[b'a'; 200]);
        let expected = format!("{0}=\r\n{0}=\r\n{1}", "a".repeat(75), "a".repeat(50));
        assert_eq!(long, expected);
    }

    #[test]
    fn no_line_of_quoted_printable_is_too_long() {
        for body in [&[0xe9; 300][..], &[b' '; 300], b"a b\xe9=".repeat(60).as_slice()] {
            let quoted = encoded(Treatment::QuotedPrintable, body);
            assert!(quoted.split("\r\n").all(|line| line.len() <= 76), "{quoted}");
        }
    }

    #[test]
    fn base64_is_wrapped_where_it_is_too_long() {
        let line = "QUJD".repeat(40);
        let wrapped = encoded(Treatment::Base64Lines, format!("QUJD\r\n{line}\r\n").as_bytes());
        let expected = format!("QUJD\r\n{0}\r\n{0}\r\nQUJDQUJD\r\n", "QUJD".repeat(19));
        assert_eq!(wrapped, expected);
    }

    #[test]
    fn soft_breaks_part_no_encoded_octet_and_no_trailing_blank() {
        let softened = |body: &str| encoded(Treatment::SoftBreaks, body.as_bytes());
        assert_eq!(
            softened(&format!("{}=E9x\r\n", "a".repeat(74))),
            format!("{}=\r\n=E9x\r\n", "a".repeat(74))
        );
        let blanks = format!("{}{}\r\n", "a".repeat(70), " ".repeat(20));
        assert_eq!(softened(&blanks), blanks);
        let ends_softly = format!("{}=\r\nb\r\n", "a".repeat(75));
        assert_eq!(softened(&ends_softly), ends_softly);
    }
}

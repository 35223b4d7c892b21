//! Bare CR and bare LF made CRLF.

use super::Transform;

/// CRs in a row that are held until it is known whether they end a line; the first of a longer
/// row count as bare.
const CR_RUN_MAX: u64 = 1024;

/// Makes every line end CRLF (RFC 5322 §2.1: CR and LF occur only together).
///
/// A bare LF becomes CRLF everywhere, and so do several CRs before an LF, which are a line end
/// that was converted twice. A bare CR in the body becomes CRLF too. In a header it would then
/// begin a field that was none, or end the header; there it becomes a space in a value and goes
/// from a name, so that key and digest stay (`docs/design/canonical-form.md`).
#[derive(Clone, Debug)]
pub struct MendLineEnds {
    place: Place,
    /// CRs that are not written yet.
    crs: u64,
    edits: u64,
}

/// As in the canonical form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    LineStart,
    Name,
    Value,
    Body,
}

impl Default for MendLineEnds {
    fn default() -> Self {
        Self::new()
    }
}

impl MendLineEnds {
    /// At the beginning of a message.
    #[must_use]
    pub fn new() -> Self {
        Self { place: Place::LineStart, crs: 0, edits: 0 }
    }

    fn take(&mut self, octet: u8, out: &mut Vec<u8>) {
        match octet {
            b'\r' if self.crs == CR_RUN_MAX => self.write_bare(1, out),
            b'\r' => self.crs += 1,
            b'\n' => {
                self.edits += u64::from(self.crs != 1);
                self.crs = 0;
                out.extend_from_slice(b"\r\n");
                self.place = match self.place {
                    Place::LineStart | Place::Body => Place::Body,
                    Place::Name | Place::Value => Place::LineStart,
                };
            }
            _ => {
                let crs = std::mem::take(&mut self.crs);
                self.write_bare(crs, out);
                out.push(octet);
                self.place = match (self.place, octet) {
                    (Place::LineStart, 0 | 0x80) => Place::LineStart,
                    (Place::LineStart, b' ' | b'\t') | (Place::Name, b':') => Place::Value,
                    (Place::LineStart, _) => Place::Name,
                    (place, _) => place,
                };
            }
        }
    }

    fn write_bare(&mut self, crs: u64, out: &mut Vec<u8>) {
        let instead: &[u8] = match self.place {
            Place::LineStart | Place::Name => b"",
            Place::Value => b" ",
            Place::Body => b"\r\n",
        };
        for _ in 0..crs {
            out.extend_from_slice(instead);
        }
        self.edits += crs;
    }
}

impl Transform for MendLineEnds {
    fn push(&mut self, chunk: &[u8], out: &mut Vec<u8>) {
        let mut rest = chunk;
        while let [octet, after @ ..] = rest {
            if self.place == Place::Body && self.crs == 0 {
                let plain = memchr::memchr2(b'\r', b'\n', rest).unwrap_or(rest.len());
                if plain > 0 {
                    out.extend_from_slice(&rest[..plain]);
                    rest = &rest[plain..];
                    continue;
                }
            }
            self.take(*octet, out);
            rest = after;
        }
    }

    fn finish(&mut self, out: &mut Vec<u8>) {
        if self.crs > 0 {
            self.crs = 0;
            self.edits += 1;
            out.extend_from_slice(b"\r\n");
        }
    }

    fn edits(&self) -> u64 {
        self.edits
    }
}

#[cfg(test)]
mod tests {
    use super::super::transformed;
    use super::*;

    fn mended(message: &[u8]) -> Vec<u8> {
        transformed(MendLineEnds::new(), message)
    }

    #[test]
    fn bare_line_feeds_become_crlf() {
        assert_eq!(mended(b"A: b\nC: d\r\n\ne\nf"), b"A: b\r\nC: d\r\n\r\ne\r\nf");
    }

    #[test]
    fn a_bare_carriage_return_ends_a_line_of_the_body() {
        assert_eq!(mended(b"\r\na\rb\r\rc"), b"\r\na\r\nb\r\n\r\nc");
        assert_eq!(mended(b"\r\na\r"), b"\r\na\r\n");
    }

    #[test]
    fn an_end_that_was_converted_twice_is_one_end() {
        assert_eq!(mended(b"A: b\r\r\n\r\r\nc\r\r\r\nd"), b"A: b\r\n\r\nc\r\nd");
    }

    #[test]
    fn in_a_header_a_bare_carriage_return_begins_no_field_and_ends_nothing() {
        assert_eq!(mended(b"A: b\rStatus: c\r\r\rd\r\n"), b"A: b Status: c   d\r\n");
        assert_eq!(mended(b"\rA\rb: c\r\n\r d\r"), b"Ab: c\r\n d\r\n");
    }

    #[test]
    fn what_is_well_formed_stays_and_counts_nothing() {
        let message = b"A: b\r\n c\r\n\r\nd\r\n\r\n";
        let mut ends = MendLineEnds::new();
        let mut out = Vec::new();
        ends.push(message, &mut out);
        ends.finish(&mut out);
        assert_eq!((out.as_slice(), ends.edits()), (&message[..], 0));
    }

    #[test]
    fn a_long_row_of_carriage_returns_needs_no_memory() {
        let mut ends = MendLineEnds::new();
        let mut out = Vec::new();
        ends.push(b"\r\n", &mut out);
        for _ in 0..100 {
            out.clear();
            ends.push(&[b'\r'; 1000], &mut out);
            assert!(out.len() <= 2000);
        }
    }
}

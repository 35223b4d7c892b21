//! NULs removed.

use super::Transform;
use super::head::{Kind, NAME_HOLD_OCTETS, Zone, kind_of, name_of};
use super::lines::{Lines, Piece};
use crate::identity::{Headers, KeyRule};

/// Removes NULs, which no message may have (RFC 5322 §2.1; RFC 9051 §4.3 keeps them out of
/// literals).
///
/// In the value of a header that the key is made of a NUL becomes `X` instead: there the key
/// reads it as `X`, and the canonical form leaves out both. So key and digest stay.
#[derive(Clone, Debug)]
pub struct RemoveNuls {
    lines: Lines,
    state: State,
}

#[derive(Clone, Debug)]
struct State {
    headers: Headers,
    zone: Zone,
    value: Value,
    edits: u64,
}

/// The header value that a line belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Value {
    OfKey,
    Other,
}

impl RemoveNuls {
    /// `rule`: which headers make the key.
    #[must_use]
    pub fn new(rule: &KeyRule) -> Self {
        let state = State {
            headers: rule.headers.clone(),
            zone: Zone::Header,
            value: Value::Other,
            edits: 0,
        };
        Self { lines: Lines::new(NAME_HOLD_OCTETS), state }
    }
}

impl Transform for RemoveNuls {
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
        let octets = piece.octets();
        if self.zone == Zone::Body {
            self.copy(octets, Value::Other, out);
            return;
        }
        let Some(line) = piece.beginning() else {
            self.copy(octets, self.value, out);
            return;
        };
        let begin = match kind_of(line) {
            Kind::Empty => {
                self.zone = Zone::Body;
                self.value = Value::Other;
                line.len()
            }
            Kind::Continuation { begin } => begin,
            Kind::Field { colon } => {
                let of_key = self.headers.want(name_of(line, colon));
                self.value = if of_key { Value::OfKey } else { Value::Other };
                colon
            }
            Kind::Other => {
                self.value = Value::Other;
                line.len()
            }
        };
        let (before, value) = line.split_at(begin);
        self.copy(before, Value::Other, out);
        self.copy(value, self.value, out);
    }

    fn copy(&mut self, octets: &[u8], value: Value, out: &mut Vec<u8>) {
        let mut rest = octets;
        while let Some(at) = memchr::memchr(0, rest) {
            out.extend_from_slice(&rest[..at]);
            if value == Value::OfKey {
                out.push(b'X');
            }
            self.edits += 1;
            rest = &rest[at + 1..];
        }
        out.extend_from_slice(rest);
    }
}

#[cfg(test)]
mod tests {
    use super::super::transformed;
    use super::*;

    fn removed(message: &[u8]) -> Vec<u8> {
        transformed(RemoveNuls::new(&KeyRule::default()), message)
    }

    #[test]
    fn nuls_go_from_header_and_body() {
        assert_eq!(removed(b"Sub\0ject: a\0b\r\n\r\n\0c\0\0d\0"), b"Subject: ab\r\n\r\ncd");
        assert_eq!(removed(b"A: b\r\n\0\r\nReceived: \0"), b"A: b\r\n\r\nReceived: ");
        assert_eq!(removed(b"plain"), b"plain");
    }

    #[test]
    fn in_what_makes_the_key_they_become_what_the_key_reads() {
        assert_eq!(
            removed(b"message-id: <a\0b@x>\r\nReceived: f\0\r\n\t\0by\r\nTo: \0\r\n \0z\r\n"),
            b"message-id: <aXb@x>\r\nReceived: fX\r\n\tXby\r\nTo: \r\n z\r\n"
        );
    }

    #[test]
    fn each_one_is_counted() {
        let mut nuls = RemoveNuls::new(&KeyRule::default());
        nuls.push(b"A: \0\r\nReceived: \0\r\n\r\n\0", &mut Vec::new());
        assert_eq!(nuls.edits(), 2);
        nuls.finish(&mut Vec::new());
        assert_eq!(nuls.edits(), 3);
    }
}

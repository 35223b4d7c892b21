//! Requests for read receipts disarmed.

use super::Transform;
use super::head::{Kind, NAME_HOLD_OCTETS, Zone, kind_of, name_of};
use super::lines::{Lines, Piece};

/// The header that asks for a read receipt (RFC 8098 §2.1). imapsync's `--disarmreadreceipts`
/// puts `X-` in front of it, and the canonical form leaves it out under both names.
const REQUEST: &[u8] = b"Disposition-Notification-To";

/// Others, which mail programs obeyed before there was a standard. They get an `X` without a
/// hyphen: the canonical form counts the letters of these names, but no `X` in a header.
const OLD_REQUESTS: [&[u8]; 3] =
    [b"Return-Receipt-To", b"Return-Receipt-Requested", b"Read-Receipt-To"];

/// Renames the headers that ask for a read receipt, so that nobody answers them.
#[derive(Clone, Debug)]
pub struct DisarmReceipts {
    lines: Lines,
    zone: Zone,
    edits: u64,
}

impl Default for DisarmReceipts {
    fn default() -> Self {
        Self::new()
    }
}

impl DisarmReceipts {
    /// At the beginning of a message.
    #[must_use]
    pub fn new() -> Self {
        Self { lines: Lines::new(NAME_HOLD_OCTETS), zone: Zone::Header, edits: 0 }
    }
}

impl Transform for DisarmReceipts {
    fn push(&mut self, chunk: &[u8], out: &mut Vec<u8>) {
        let Self { lines, zone, edits } = self;
        lines.push(chunk, |piece| take(piece, (zone, edits), out));
    }

    fn finish(&mut self, out: &mut Vec<u8>) {
        let Self { lines, zone, edits } = self;
        lines.finish(|piece| take(piece, (zone, edits), out));
    }

    fn edits(&self) -> u64 {
        self.edits
    }
}

fn take(piece: Piece<'_>, (zone, edits): (&mut Zone, &mut u64), out: &mut Vec<u8>) {
    if let (Zone::Header, Some(line)) = (*zone, piece.beginning()) {
        match kind_of(line) {
            Kind::Empty => *zone = Zone::Body,
            Kind::Field { colon } => {
                let prefix = prefix_of(name_of(line, colon));
                *edits += u64::from(!prefix.is_empty());
                out.extend_from_slice(prefix);
            }
            Kind::Continuation { .. } | Kind::Other => {}
        }
    }
    out.extend_from_slice(piece.octets());
}

/// What is put before a name.
fn prefix_of(name: &[u8]) -> &'static [u8] {
    if name.eq_ignore_ascii_case(REQUEST) {
        b"X-"
    } else if OLD_REQUESTS.iter().any(|old| name.eq_ignore_ascii_case(old)) {
        b"X"
    } else {
        b""
    }
}

#[cfg(test)]
mod tests {
    use super::super::transformed;
    use super::*;

    #[test]
    fn requests_are_renamed_in_the_header_only() {
        let message = b"Subject: a\r\ndisposition-notification-to : b\r\n c\r\n\
            Return-Receipt-To: d\r\nX-Disposition-Notification-To: e\r\n\r\n\
            Disposition-Notification-To: f\r\n";
        let disarmed = b"Subject: a\r\nX-disposition-notification-to : b\r\n c\r\n\
            XReturn-Receipt-To: d\r\nX-Disposition-Notification-To: e\r\n\r\n\
            Disposition-Notification-To: f\r\n";
        assert_eq!(transformed(DisarmReceipts::new(), message), disarmed);
        assert_eq!(transformed(DisarmReceipts::new(), disarmed), disarmed);
    }
}

//! What is known of a message's octets after one pass over them.

use super::body::{BodyPlans, BodyScan};
use super::date::{DateScan, HeaderDates};
use super::head::{Zone, is_passed_over};
use super::{Change, DisarmReceipts, FoldHeader, LineLimit, MendLineEnds, RemoveNuls, Transform};
use crate::identity::KeyRule;

/// What a pass over a message found: what each repair of its octets would change, exactly.
///
/// It holds for these octets. After a step that changes them, those that come out are looked
/// through anew.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// Length of the message.
    pub octets: u64,
    /// Length of the longest line of the header, in octets, its end not counted.
    pub header_line_octets_max: u64,
    /// Length of the longest line of the body, in octets, its end not counted.
    pub body_line_octets_max: u64,
    /// [`RemoveNuls`]: NULs.
    pub nuls: Change,
    /// [`MendLineEnds`]: line ends that are not CRLF.
    pub line_ends: Change,
    /// [`FoldHeader`]: places where too long lines of the header can be folded.
    pub header_folds: Change,
    /// [`super::EncodeBody`]: parts whose too long lines another encoding shortens.
    pub body: BodyPlans,
    /// [`DisarmReceipts`]: headers that ask for a read receipt.
    pub receipts: Change,
    /// Dates that the header gives.
    pub dates: HeaderDates,
}

/// Looks through a message that comes in chunks. Memory is bounded.
#[derive(Clone, Debug)]
pub struct Scan {
    octets: u64,
    lengths: Lengths,
    nuls: Counted<RemoveNuls>,
    line_ends: Counted<MendLineEnds>,
    header_folds: Counted<FoldHeader>,
    receipts: Counted<DisarmReceipts>,
    body: BodyScan,
    dates: DateScan,
    scratch: Vec<u8>,
}

impl Scan {
    /// `rule`: which headers make the key; `limit`: the longest line that is left as it is.
    #[must_use]
    pub fn new(rule: &KeyRule, limit: LineLimit) -> Self {
        Self {
            octets: 0,
            lengths: Lengths::new(),
            nuls: Counted::new(RemoveNuls::new(rule)),
            line_ends: Counted::new(MendLineEnds::new()),
            header_folds: Counted::new(FoldHeader::new(limit)),
            receipts: Counted::new(DisarmReceipts::new()),
            body: BodyScan::new(limit),
            dates: DateScan::new(),
            scratch: Vec::new(),
        }
    }

    /// Takes the next octets.
    pub fn push(&mut self, chunk: &[u8]) {
        self.octets += chunk.len() as u64;
        self.lengths.push(chunk);
        self.nuls.push(chunk, &mut self.scratch);
        self.line_ends.push(chunk, &mut self.scratch);
        self.header_folds.push(chunk, &mut self.scratch);
        self.receipts.push(chunk, &mut self.scratch);
        self.body.push(chunk);
        self.dates.push(chunk);
    }

    /// What was found.
    #[must_use]
    pub fn finish(mut self) -> Facts {
        self.lengths.end_line();
        Facts {
            octets: self.octets,
            header_line_octets_max: self.lengths.header,
            body_line_octets_max: self.lengths.body,
            nuls: self.nuls.finish(&mut self.scratch),
            line_ends: self.line_ends.finish(&mut self.scratch),
            header_folds: self.header_folds.finish(&mut self.scratch),
            receipts: self.receipts.finish(&mut self.scratch),
            body: self.body.finish(),
            dates: self.dates.finish(),
        }
    }
}

/// A transform whose output is only counted.
#[derive(Clone, Debug)]
struct Counted<T> {
    transform: T,
    octets: u64,
}

impl<T: Transform> Counted<T> {
    fn new(transform: T) -> Self {
        Self { transform, octets: 0 }
    }

    fn push(&mut self, chunk: &[u8], scratch: &mut Vec<u8>) {
        self.transform.push(chunk, scratch);
        self.octets += scratch.len() as u64;
        scratch.clear();
    }

    fn finish(mut self, scratch: &mut Vec<u8>) -> Change {
        self.transform.finish(scratch);
        let octets_after = self.octets + scratch.len() as u64;
        scratch.clear();
        Change { edits: self.transform.edits(), octets_after }
    }
}

/// How long lines are.
#[derive(Clone, Copy, Debug)]
struct Lengths {
    zone: Zone,
    /// Octets of the current line, without the CRs at its end.
    line: u64,
    crs: u64,
    line_is: Line,
    header: u64,
    body: u64,
}

/// Whether a line ends the header, as the canonical form sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Line {
    Empty,
    Filled,
}

impl Lengths {
    fn new() -> Self {
        let zone = Zone::Header;
        Self { zone, line: 0, crs: 0, line_is: Line::Empty, header: 0, body: 0 }
    }

    fn push(&mut self, chunk: &[u8]) {
        for &octet in chunk {
            match octet {
                b'\n' => {
                    self.end_line();
                    if self.line_is == Line::Empty {
                        self.zone = Zone::Body;
                    }
                    self.line_is = Line::Empty;
                }
                b'\r' => self.crs += 1,
                _ => {
                    self.line += std::mem::take(&mut self.crs) + 1;
                    if !is_passed_over(octet) {
                        self.line_is = Line::Filled;
                    }
                }
            }
        }
    }

    fn end_line(&mut self) {
        let longest = match self.zone {
            Zone::Header => &mut self.header,
            Zone::Body => &mut self.body,
        };
        *longest = self.line.max(*longest);
        (self.line, self.crs) = (0, 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(message: &[u8]) -> Facts {
        let mut scan = Scan::new(&KeyRule::default(), LineLimit::new(76));
        message.chunks(5).for_each(|chunk| scan.push(chunk));
        scan.finish()
    }

    #[test]
    fn a_sound_message_has_nothing_to_repair() {
        let found = facts(b"Subject: ab\r\nDate: x\r\n\r\nlong body\r\n");
        let nothing = Change { edits: 0, octets_after: 35 };
        assert_eq!((found.octets, found.header_line_octets_max), (35, 11));
        assert_eq!(found.body_line_octets_max, 9);
        for change in [
            found.nuls,
            found.line_ends,
            found.header_folds,
            found.receipts,
            found.body.text_change,
            found.body.base64_change,
        ] {
            assert_eq!(change, nothing);
        }
        assert_eq!(found.dates, HeaderDates::default());
    }

    #[test]
    fn everything_odd_is_counted() {
        let long = "word ".repeat(40);
        let message = format!(
            "Subject: {long}\nDisposition-Notification-To: a\r\n\
             Date: Sun, 13 Sep 2020 12:26:40 +0000\r\n\r\na\0b\rc\r\n{long}"
        );
        let found = facts(message.as_bytes());
        assert_eq!(found.nuls.edits, 1);
        assert_eq!(found.nuls.octets_after, found.octets - 1);
        assert_eq!(found.line_ends.edits, 2);
        assert_eq!(found.line_ends.octets_after, found.octets + 2);
        assert_eq!(found.header_folds.edits, 2);
        assert_eq!(found.receipts.edits, 1);
        assert_eq!(found.body.text.len(), 1);
        assert_eq!(found.header_line_octets_max, 9 + 200);
        assert_eq!(found.body_line_octets_max, 200);
        assert!(found.dates.date.is_some());
    }
}

//! Sets of message numbers and UIDs (RFC 3501 §9 `sequence-set`).

use super::parse::{Cursor, Parsed, Refusal};

/// Most numbers of a set that is taken number by number.
const LISTED_NUMBERS_MAX: usize = 10_000;

/// Whether numbers mean places in the mailbox or UIDs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum By {
    Sequence,
    Uid,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum SeqNumber {
    Number(u32),
    Last,
}

/// Message numbers or UIDs as a client wrote them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SequenceSet(Vec<(SeqNumber, SeqNumber)>);

impl SequenceSet {
    /// The places (from 0) in a mailbox of these UIDs that the set means, ascending, each once.
    /// UIDs that are not there mean nothing; message numbers beyond the end are BAD
    /// (RFC 9051 §6.4.9, §9 `seq-number`).
    pub(super) fn places(&self, by: By, uids: &[u32]) -> Parsed<Vec<usize>> {
        let last = match by {
            By::Sequence => u32::try_from(uids.len()).unwrap_or(u32::MAX),
            By::Uid => uids.last().copied().unwrap_or(0),
        };
        let value = |number| match number {
            SeqNumber::Number(number) => number,
            SeqNumber::Last => last,
        };
        let mut places = Vec::new();
        for &(first, second) in &self.0 {
            let (first, second) = (value(first), value(second));
            let (low, high) = (first.min(second), first.max(second));
            match by {
                By::Sequence if low == 0 || high > last => {
                    return Err(Refusal::bad("Message number beyond the end of the mailbox"));
                }
                By::Sequence => places.extend(low as usize - 1..high as usize),
                By::Uid => {
                    let start = uids.partition_point(|&uid| uid < low);
                    let end = uids.partition_point(|&uid| uid <= high);
                    places.extend(start..end.max(start));
                }
            }
            if places.len() > uids.len() * 2 + 1000 {
                places.sort_unstable();
                places.dedup();
            }
        }
        places.sort_unstable();
        places.dedup();
        Ok(places)
    }
}

impl SequenceSet {
    pub(super) fn has_star(&self) -> bool {
        let is_star = |number: &SeqNumber| *number == SeqNumber::Last;
        self.0.iter().any(|(first, second)| is_star(first) || is_star(second))
    }

    /// First and last number of each run, in order, apart from each other; `last` is the star.
    pub(super) fn ranges(&self, last: u32) -> Vec<(u32, u32)> {
        let value = |number: SeqNumber| match number {
            SeqNumber::Number(number) => number,
            SeqNumber::Last => last,
        };
        let ordered = |&(first, second): &(SeqNumber, SeqNumber)| {
            let (first, second) = (value(first), value(second));
            (first.min(second), first.max(second))
        };
        let mut all: Vec<(u32, u32)> = self.0.iter().map(ordered).collect();
        all.sort_unstable();
        let mut apart: Vec<(u32, u32)> = Vec::new();
        for (first, last) in all {
            match apart.last_mut() {
                Some(before) if first <= before.1.saturating_add(1) => {
                    before.1 = before.1.max(last);
                }
                _ => apart.push((first, last)),
            }
        }
        apart
    }

    /// The numbers one by one; BAD unless they ascend (RFC 7162 §3.2.5.2). Without star.
    pub(super) fn ascending(&self) -> Parsed<Vec<u32>> {
        let mut numbers: Vec<u32> = Vec::new();
        for &range in &self.0 {
            let (SeqNumber::Number(first), SeqNumber::Number(last)) = range else {
                return Err(Refusal::bad("* is no number"));
            };
            if first > last || numbers.last().is_some_and(|before| *before >= first) {
                return Err(Refusal::bad("Numbers do not ascend"));
            }
            if (last - first) as usize >= LISTED_NUMBERS_MAX - numbers.len().min(LISTED_NUMBERS_MAX)
            {
                return Err(Refusal::bad("Too many numbers"));
            }
            numbers.extend(first..=last);
        }
        Ok(numbers)
    }
}

/// Writes numbers as a set, runs as ranges: `1:3,7`. Empty for none.
pub(super) fn set_text(numbers: &[u32]) -> String {
    let mut text = String::new();
    let mut at = 0;
    while at < numbers.len() {
        let mut end = at;
        while end + 1 < numbers.len() && numbers[end + 1] == numbers[end].saturating_add(1) {
            end += 1;
        }
        if !text.is_empty() {
            text.push(',');
        }
        text.push_str(&numbers[at].to_string());
        if end > at {
            text.push(':');
            text.push_str(&numbers[end].to_string());
        }
        at = end + 1;
    }
    text
}

impl Cursor<'_> {
    pub(super) fn sequence_set(&mut self) -> Parsed<SequenceSet> {
        let mut ranges = Vec::new();
        loop {
            let first = self.seq_number()?;
            let last = if self.skip(b':') { self.seq_number()? } else { first };
            ranges.push((first, last));
            if !self.skip(b',') {
                return Ok(SequenceSet(ranges));
            }
        }
    }

    fn seq_number(&mut self) -> Parsed<SeqNumber> {
        if self.skip(b'*') {
            return Ok(SeqNumber::Last);
        }
        self.nz_number().map(SeqNumber::Number)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::parse::Part;
    use super::*;

    fn text(text: &str) -> Vec<Part> {
        vec![Part::Text(text.as_bytes().to_vec())]
    }

    fn places(set: &str, by: By, uids: &[u32]) -> Parsed<Vec<usize>> {
        let parts = text(set);
        let mut cursor = Cursor::new(&parts);
        let set = cursor.sequence_set()?;
        cursor.end()?;
        set.places(by, uids)
    }

    #[test]
    fn sets_mean_each_message_once_and_in_order() {
        assert_eq!(places("3,1:2,2", By::Sequence, &[5, 6, 9]).unwrap(), [0, 1, 2]);
        assert_eq!(places("*:2", By::Sequence, &[5, 6, 9]).unwrap(), [1, 2]);
        assert_eq!(places("6:8,100", By::Uid, &[5, 6, 9]).unwrap(), [1]);
    }

    #[test]
    fn a_uid_range_to_the_star_always_has_the_last_message() {
        assert_eq!(places("500:*", By::Uid, &[5, 6, 9]).unwrap(), [2]);
        assert_eq!(places("1:*", By::Uid, &[]).unwrap(), [] as [usize; 0]);
    }

    #[test]
    fn numbers_beyond_the_end_and_zero_are_bad() {
        assert!(places("4", By::Sequence, &[5, 6, 9]).is_err());
        assert!(places("1:*", By::Sequence, &[]).is_err());
        assert!(places("0", By::Uid, &[1]).is_err());
        assert!(places("1,", By::Uid, &[1]).is_err());
    }

    #[test]
    fn a_set_has_its_runs_in_order_and_apart() {
        let parts = text("214:211,41,43:*,42,7:5");
        let set = Cursor::new(&parts).sequence_set().unwrap();
        assert!(set.has_star());
        assert_eq!(set.ranges(100), [(5, 7), (41, 100), (211, 214)]);
        assert!(set.ascending().is_err());
        let parts = text("5000,9990:9992");
        let set = Cursor::new(&parts).sequence_set().unwrap();
        assert_eq!(set.ascending().unwrap(), [5000, 9990, 9991, 9992]);
        let parts = text("1:4294967295");
        assert!(Cursor::new(&parts).sequence_set().unwrap().ascending().is_err());
    }

    #[test]
    fn runs_are_written_as_ranges() {
        assert_eq!(set_text(&[1, 2, 3, 7, 9, 10]), "1:3,7,9:10");
        assert_eq!(set_text(&[]), "");
    }
}

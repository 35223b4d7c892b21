//! Sets of UIDs or message numbers (RFC 9051 §9: sequence-set), as ranges.

use std::fmt;

use crate::token::parse_u32;

/// Ranges of message numbers in the order they were given.
///
/// The order carries meaning: in COPYUID and in the APPENDUID of a MULTIAPPEND the n-th
/// number belongs to the n-th message (RFC 4315 §3, RFC 3502 §6.3.11). Ranges cost memory,
/// numbers do not: a server may send `1:4294967295`.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub struct UidSet {
    /// First and last, both included, first ≤ last.
    ranges: Vec<(u32, u32)>,
    disordered: bool,
}

impl UidSet {
    /// The number that stands for `*`, the largest in use (RFC 9051 §9: seq-number).
    pub const STAR: u32 = u32::MAX;

    /// The empty set.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// One range, both ends included; the ends may be given in any order.
    #[must_use]
    pub fn range(first: u32, last: u32) -> Self {
        let mut set = Self::new();
        set.push_range(first, last);
        set
    }

    /// The set of numbers given in ascending order, neighbours joined to ranges. A number
    /// out of order begins a range of its own.
    #[must_use]
    pub fn from_sorted(numbers: &[u32]) -> Self {
        let mut set = Self::new();
        for number in numbers {
            set.push(*number);
        }
        set
    }

    /// Reads `41,43:116,4:1,7:*` in any order, empty parts and spaces left out. `None` if
    /// a part is no number of 32 bits.
    #[must_use]
    pub fn parse(text: &[u8]) -> Option<Self> {
        let mut set = Self::new();
        for part in text.split(|b| *b == b',') {
            let part = part.trim_ascii();
            if part.is_empty() {
                continue;
            }
            let mut ends = part.splitn(2, |b| *b == b':');
            let first = parse_number(ends.next()?)?;
            let last = ends.next().map_or(Some(first), parse_number)?;
            set.push_range(first, last);
        }
        Some(set)
    }

    /// Adds a number at the end; a successor of the last one extends its range, the last
    /// one itself is not added again.
    pub fn push(&mut self, number: u32) {
        match self.ranges.last_mut() {
            Some((_, last)) if *last == number => {}
            Some((_, last)) if last.checked_add(1) == Some(number) => *last = number,
            _ => self.push_range(number, number),
        }
    }

    /// Adds a range at the end, both ends included, given in any order.
    pub fn push_range(&mut self, first: u32, last: u32) {
        let (first, last) = (first.min(last), first.max(last));
        self.disordered |= self.ranges.last().is_some_and(|(_, before)| *before >= first);
        self.ranges.push((first, last));
    }

    /// Whether there is no number in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    /// How many numbers there are; one that was given twice counts twice.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.ranges.iter().map(|(first, last)| u64::from(last - first) + 1).sum()
    }

    /// The ranges as given, first ≤ last, both included.
    #[must_use]
    pub fn ranges(&self) -> &[(u32, u32)] {
        &self.ranges
    }

    /// The numbers in the order given, each range ascending. May be four thousand million:
    /// look at [`len`](Self::len) first if a server sent the set.
    pub fn iter(&self) -> impl Iterator<Item = u32> + '_ {
        self.ranges.iter().flat_map(|(first, last)| *first..=*last)
    }

    /// Whether the number is in it. Fast if the ranges ascend, see
    /// [`normalized`](Self::normalized).
    #[must_use]
    pub fn contains(&self, number: u32) -> bool {
        if self.disordered {
            return self.ranges.iter().any(|(first, last)| (*first..=*last).contains(&number));
        }
        let next = self.ranges.partition_point(|(first, _)| *first <= number);
        next.checked_sub(1).is_some_and(|at| number <= self.ranges[at].1)
    }

    /// The same numbers once each, ascending, in as few ranges as possible.
    #[must_use]
    pub fn normalized(&self) -> Self {
        let mut ranges = self.ranges.clone();
        ranges.sort_unstable();
        ranges.dedup_by(|next, kept| {
            let joins = kept.1.checked_add(1).is_none_or(|after| next.0 <= after);
            if joins {
                kept.1 = kept.1.max(next.1);
            }
            joins
        });
        Self { ranges, disordered: false }
    }

    /// Sets that print to at most `bytes_max` octets each and make up this one, in order.
    /// Command lines have limits: 4,000 octets are safe everywhere. A single range is never
    /// torn, so that a limit below 21 may be exceeded.
    #[must_use]
    pub fn split(&self, bytes_max: usize) -> Vec<Self> {
        let mut parts: Vec<Self> = Vec::new();
        let mut bytes = 0;
        for (first, last) in &self.ranges {
            let range_bytes = range_bytes(*first, *last);
            match parts.last_mut() {
                Some(part) if bytes + 1 + range_bytes <= bytes_max => {
                    part.push_range(*first, *last);
                    bytes += 1 + range_bytes;
                }
                _ => {
                    parts.push(Self::range(*first, *last));
                    bytes = range_bytes;
                }
            }
        }
        parts
    }
}

impl FromIterator<u32> for UidSet {
    fn from_iter<I: IntoIterator<Item = u32>>(numbers: I) -> Self {
        let mut set = Self::new();
        numbers.into_iter().for_each(|number| set.push(number));
        set
    }
}

impl fmt::Display for UidSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, (first, last)) in self.ranges.iter().enumerate() {
            if at > 0 {
                f.write_str(",")?;
            }
            write_number(f, *first)?;
            if first != last {
                f.write_str(":")?;
                write_number(f, *last)?;
            }
        }
        Ok(())
    }
}

impl fmt::Debug for UidSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "UidSet({self})")
    }
}

fn write_number(f: &mut fmt::Formatter<'_>, number: u32) -> fmt::Result {
    if number == UidSet::STAR { f.write_str("*") } else { write!(f, "{number}") }
}

fn parse_number(text: &[u8]) -> Option<u32> {
    if text == b"*" { Some(UidSet::STAR) } else { parse_u32(text) }
}

/// How long the range prints.
fn range_bytes(first: u32, last: u32) -> usize {
    let number_bytes = |number: u32| match number {
        UidSet::STAR => 1,
        _ => number.checked_ilog10().unwrap_or(0) as usize + 1,
    };
    if first == last { number_bytes(first) } else { number_bytes(first) + 1 + number_bytes(last) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::*;

    fn set(text: &str) -> UidSet {
        UidSet::parse(text.as_bytes()).unwrap()
    }

    #[test]
    fn a_vanished_set_is_read_as_rfc_7162_prints_it() {
        let vanished = set("41,43:116,118,120:211,214:540");
        assert_eq!(vanished.len(), 1 + 74 + 1 + 92 + 327);
        assert!(vanished.contains(43) && vanished.contains(116) && vanished.contains(540));
        assert!(!vanished.contains(42) && !vanished.contains(541) && !vanished.contains(0));
    }

    #[test]
    fn a_range_may_be_given_backwards() {
        assert_eq!(set("4:1").iter().collect::<Vec<_>>(), [1, 2, 3, 4]);
        assert_eq!(set("4:1").to_string(), "1:4");
    }

    #[test]
    fn the_order_of_numbers_is_kept_because_it_pairs_them() {
        assert_eq!(set("9,3,5:6").iter().collect::<Vec<_>>(), [9, 3, 5, 6]);
        assert!(set("9,3,5:6").contains(3) && !set("9,3,5:6").contains(4));
    }

    #[test]
    fn a_star_is_the_largest_number_and_prints_as_a_star() {
        assert_eq!(set("7:*").ranges(), [(7, UidSet::STAR)]);
        assert_eq!(set("7:*,*").to_string(), "7:*,*");
        assert_eq!(set("*:7").to_string(), "7:*");
    }

    #[test]
    fn the_largest_range_costs_no_memory_and_counts_right() {
        let all = set("1:4294967295");
        assert_eq!(all.len(), 4_294_967_295);
        assert_eq!(all.ranges().len(), 1);
        assert_eq!(all.iter().nth(1_000), Some(1_001));
        assert_eq!(set("0:4294967295").len(), 1 << 32);
    }

    #[test]
    fn what_is_no_number_makes_no_set() {
        for text in ["a", "1,b", "1:2:3", "1:", ":", "4294967296", "-1", "1 2"] {
            assert_eq!(UidSet::parse(text.as_bytes()), None, "{text}");
        }
        assert_eq!(UidSet::parse(b" 1 , 2,").unwrap().to_string(), "1,2");
        assert!(UidSet::parse(b"").unwrap().is_empty());
    }

    #[test]
    fn neighbours_join_to_ranges() {
        assert_eq!(UidSet::from_sorted(&[1, 2, 3, 3, 5, 7, 8]).to_string(), "1:3,5,7:8");
        assert_eq!(UidSet::from_sorted(&[u32::MAX, u32::MAX]).ranges().len(), 1);
    }

    #[test]
    fn normalizing_sorts_and_joins() {
        assert_eq!(set("9,3:5,4:7,1,8,*").normalized().to_string(), "1,3:9,*");
        assert_eq!(set("*,1:*,5").normalized().to_string(), "1:*");
    }

    fn any_set() -> impl Strategy<Value = UidSet> {
        let number = prop_oneof![0_u32..50, any::<u32>(), Just(u32::MAX)];
        proptest::collection::vec((number.clone(), number), 0..40).prop_map(|ranges| {
            let mut set = UidSet::new();
            ranges.into_iter().for_each(|(first, last)| set.push_range(first, last));
            set
        })
    }

    proptest! {
        #[test]
        fn what_is_printed_is_read_again(set in any_set()) {
            prop_assert_eq!(UidSet::parse(set.to_string().as_bytes()), Some(set));
        }

        #[test]
        fn parts_of_a_split_are_short_and_make_up_the_set(set in any_set(), max in 21_usize..200) {
            let parts = set.split(max);
            prop_assert!(parts.iter().all(|part| part.to_string().len() <= max));
            let joined: Vec<_> = parts.iter().flat_map(|part| part.ranges().to_vec()).collect();
            prop_assert_eq!(&joined[..], set.ranges());
        }

        #[test]
        fn normalizing_changes_no_membership(set in any_set(), number in 0_u32..60) {
            let normal = set.normalized();
            prop_assert_eq!(set.contains(number), normal.contains(number));
            prop_assert!(normal.ranges().windows(2).all(|pair| pair[0].1 < pair[1].0));
        }

        #[test]
        fn any_octets_are_read_without_panic(text: Vec<u8>) {
            let _ = UidSet::parse(&text);
        }
    }
}

//! UIDs as they are written down: `1:17,20` for messages, `1:17=101,20=130` for messages and what
//! stands for each on the other side. Copies made in order take a few octets, however many.

use std::fmt::Write as _;

use mailferry_engine::message::Uid;

/// Octets of one text of ranges, after which the next is begun.
const TEXT_OCTETS_MAX: usize = 4096;

/// Gathers UIDs, and hands each text over when it is long enough.
pub(super) struct Ranges<F: FnMut(&str)> {
    text: String,
    /// First and last UID, and what the first stands for.
    open: Option<(u32, u32, Option<u32>)>,
    hand_over: F,
}

impl<F: FnMut(&str)> Ranges<F> {
    pub(super) fn new(hand_over: F) -> Self {
        Self { text: String::new(), open: None, hand_over }
    }

    /// Adds a message, and what stands for it.
    pub(super) fn push(&mut self, uid: Uid, other: Option<Uid>) {
        let (uid, other) = (uid.value(), other.map(Uid::value));
        if let Some((first, last, of_first)) = &mut self.open {
            let follows = last.checked_add(1) == Some(uid)
                && match (*of_first, other) {
                    (None, None) => true,
                    (Some(begin), Some(other)) => begin.checked_add(uid - *first) == Some(other),
                    _ => false,
                };
            if follows {
                *last = uid;
                return;
            }
        }
        self.close();
        self.open = Some((uid, uid, other));
    }

    fn close(&mut self) {
        let Some((first, last, other)) = self.open.take() else { return };
        if self.text.len() > TEXT_OCTETS_MAX {
            (self.hand_over)(&self.text);
            self.text.clear();
        }
        if !self.text.is_empty() {
            self.text.push(',');
        }
        let _ = write!(self.text, "{first}");
        if last != first {
            let _ = write!(self.text, ":{last}");
        }
        if let Some(other) = other {
            let _ = write!(self.text, "={other}");
        }
    }

    /// Hands over what is left.
    pub(super) fn finish(mut self) {
        self.close();
        if !self.text.is_empty() {
            (self.hand_over)(&self.text);
        }
    }
}

/// Messages in a row, and what stands for the first of them on the other side; what stands for the
/// others follows that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) first: Uid,
    /// Not less than `first`.
    pub(super) last: Uid,
    pub(super) other: Option<Uid>,
}

impl Span {
    /// How many messages.
    pub(super) fn messages(&self) -> u64 {
        u64::from(self.last.value() - self.first.value()) + 1
    }
}

/// Reads a text of ranges; `None` where it is not one, or where `each` wants no more.
pub(super) fn read(text: &str, mut each: impl FnMut(Span) -> Option<()>) -> Option<()> {
    for range in text.split(',').filter(|range| !range.is_empty()) {
        let (uids, other) = match range.split_once('=') {
            Some((uids, other)) => (uids, Some(number(other)?)),
            None => (range, None),
        };
        let (first, last) = match uids.split_once(':') {
            Some((first, last)) => (number(first)?, number(last)?),
            None => (number(uids)?, number(uids)?),
        };
        let distance = last.value().checked_sub(first.value())?;
        if other.is_some_and(|other| other.value().checked_add(distance).is_none()) {
            return None;
        }
        each(Span { first, last, other })?;
    }
    Some(())
}

fn number(text: &str) -> Option<Uid> {
    text.parse().ok().and_then(Uid::new)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;

    fn written(rows: &[(u32, Option<u32>)]) -> Vec<String> {
        let mut texts = Vec::new();
        let mut ranges = Ranges::new(|text| texts.push(text.to_owned()));
        for &(uid, other) in rows {
            ranges.push(Uid::new(uid).unwrap(), other.and_then(Uid::new));
        }
        ranges.finish();
        texts
    }

    #[test]
    fn messages_in_a_row_are_one_range() {
        assert_eq!(written(&[(1, None), (2, None), (4, None)]), ["1:2,4"]);
        assert_eq!(written(&[(1, Some(5)), (2, Some(6)), (3, Some(8))]), ["1:2=5,3=8"]);
        assert_eq!(written(&[(u32::MAX, Some(u32::MAX))]), ["4294967295=4294967295"]);
        assert_eq!(written(&[]), [""; 0]);
    }

    proptest! {
        #[test]
        fn whatever_is_written_comes_back(
            rows in proptest::collection::vec((1u32.., proptest::option::of(1u32..)), 0..2000)
        ) {
            let mut read_back = Vec::new();
            for text in written(&rows) {
                read(&text, |span| {
                    let others = |n: u32| span.other.map(|other| other.value() + n);
                    let uids = (0u32..).zip(span.first.value()..=span.last.value());
                    read_back.extend(uids.map(|(n, uid)| (uid, others(n))));
                    Some(())
                }).unwrap();
            }
            prop_assert_eq!(read_back, rows);
        }

        #[test]
        fn no_text_breaks_the_reader(text in "[0-9:=,x]{0,12}") {
            let _ = read(&text, |span| {
                assert!(span.first <= span.last && span.messages() > 0);
                Some(())
            });
        }
    }
}

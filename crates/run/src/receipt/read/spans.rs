//! What is known of messages, by UID: neighbours of which the same is known are one entry until
//! something happens to one of them. So a receipt that is read takes as much memory as it has
//! lines, whatever a few octets of it stand for.

use std::collections::BTreeMap;

use mailferry_engine::message::Uid;

use super::super::ranges::Span;

/// What is known of the first of several messages, and so of all of them.
pub(super) trait Spread {
    /// What it comes to for the message so many UIDs behind.
    fn behind(&self, distance: u32) -> Self;
}

/// Messages, ascending by UID.
#[derive(Debug)]
pub(super) struct Spans<V> {
    by_first: BTreeMap<Uid, Stretch<V>>,
    messages: u64,
}

#[derive(Debug)]
struct Stretch<V> {
    last: Uid,
    value: V,
}

impl<V> Default for Spans<V> {
    fn default() -> Self {
        Self { by_first: BTreeMap::new(), messages: 0 }
    }
}

impl<V: Spread> Spans<V> {
    /// How many messages.
    pub(super) fn messages(&self) -> u64 {
        self.messages
    }

    /// Adds messages; `None` where something is known of one of them already.
    pub(super) fn add(&mut self, span: Span, value: V) -> Option<()> {
        // None overlaps another, so that the last one that begins early enough ends last.
        let before = self.by_first.range(..=span.last).next_back();
        if before.is_some_and(|(_, stretch)| stretch.last >= span.first) {
            return None;
        }
        self.by_first.insert(span.first, Stretch { last: span.last, value });
        self.messages += span.messages();
        Some(())
    }

    /// What is known of one message alone.
    pub(super) fn find(&mut self, uid: Uid) -> Option<&mut V> {
        let (&first, stretch) = self.by_first.range_mut(..=uid).next_back()?;
        let last = stretch.last;
        if last < uid {
            return None;
        }
        let distance = uid.value() - first.value();
        let behind = Uid::new(uid.value().wrapping_add(1)).filter(|behind| *behind <= last);
        let rest = behind.map(|behind| (behind, stretch.value.behind(distance + 1)));
        stretch.last = uid;
        if distance > 0 {
            let value = stretch.value.behind(distance);
            stretch.last = Uid::new(uid.value() - 1)?;
            self.by_first.insert(uid, Stretch { last: uid, value });
        }
        if let Some((behind, value)) = rest {
            self.by_first.insert(behind, Stretch { last, value });
        }
        self.by_first.get_mut(&uid).map(|stretch| &mut stretch.value)
    }

    /// What is known, with the number of messages of which it is.
    pub(super) fn known(&self) -> impl Iterator<Item = (u64, &V)> {
        self.by_first.iter().map(|(&first, stretch)| {
            (Span { first, last: stretch.last, other: None }.messages(), &stretch.value)
        })
    }

    pub(super) fn known_mut(&mut self) -> impl Iterator<Item = &mut V> {
        self.by_first.values_mut().map(|stretch| &mut stretch.value)
    }

    /// One message after the other.
    pub(super) fn each(&self) -> impl Iterator<Item = (Uid, V)> {
        self.by_first.iter().flat_map(|(&first, stretch)| {
            let uids = (first.value()..=stretch.last.value()).filter_map(Uid::new);
            uids.map(move |uid| (uid, stretch.value.behind(uid.value() - first.value())))
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    /// What is known of a message in these tests: a number that goes up with the UID, and whether
    /// something happened to it.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    struct Note(u32, bool);

    impl Spread for Note {
        fn behind(&self, distance: u32) -> Self {
            Self(self.0 + distance, self.1)
        }
    }

    fn span(first: u32, last: u32) -> Span {
        Span { first: Uid::new(first).unwrap(), last: Uid::new(last).unwrap(), other: None }
    }

    #[test]
    fn all_messages_there_can_be_are_one_entry() {
        let mut spans = Spans::default();
        spans.add(span(1, u32::MAX), Note(0, false)).unwrap();
        assert_eq!((spans.messages(), spans.by_first.len()), (u64::from(u32::MAX), 1));
        for uid in [1, u32::MAX, 77] {
            spans.find(Uid::new(uid).unwrap()).unwrap().1 = true;
        }
        assert_eq!(spans.by_first.len(), 5);
        assert_eq!(spans.known().map(|(messages, _)| messages).sum::<u64>(), spans.messages());
        let (_, last) = spans.known().last().unwrap();
        assert_eq!(*last, Note(u32::MAX - 1, true));
    }

    proptest! {
        #[test]
        fn what_is_known_of_each_is_what_was_said_of_it(
            told in proptest::collection::vec((1u32..60, 0u32..9), 0..12),
            happened in proptest::collection::vec(1u32..70, 0..30),
        ) {
            let (mut spans, mut expected) = (Spans::default(), BTreeMap::new());
            for (at, (first, more)) in told.into_iter().enumerate() {
                let begin = 1000 * at as u32;
                let is_new = (first..=first + more).all(|uid| !expected.contains_key(&uid));
                let added = spans.add(span(first, first + more), Note(begin, false));
                prop_assert_eq!(added.is_some(), is_new);
                if is_new {
                    expected.extend((0..=more).map(|n| (first + n, Note(begin + n, false))));
                }
            }
            for uid in happened {
                let found = spans.find(Uid::new(uid).unwrap());
                prop_assert_eq!(found.is_some(), expected.contains_key(&uid));
                if let (Some(found), Some(expected)) = (found, expected.get_mut(&uid)) {
                    found.1 = true;
                    expected.1 = true;
                }
            }
            prop_assert_eq!(spans.messages(), expected.len() as u64);
            let read: BTreeMap<u32, Note> =
                spans.each().map(|(uid, note)| (uid.value(), note)).collect();
            prop_assert_eq!(read, expected);
        }
    }
}

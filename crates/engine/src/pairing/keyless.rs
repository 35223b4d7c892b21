//! Messages that have a key on one side and none on the other.
//!
//! Servers do not agree where a broken header ends, so that one finds a Message-Id that the other
//! does not: pymap overlooks all of a header that is cut off within a line. Such a message would
//! be copied again by every run that remembers nothing. Where nothing else stands for it, and the
//! INTERNALDATE is the same, the contents decide.

use std::collections::HashMap;

use crate::message::Digest;

use super::{Entry, Matcher, SourceFate, TargetFate, TargetQuestion, Turn};

impl Matcher<'_> {
    /// Pairs what no group has paired, once all groups are settled. `entries`: all messages but
    /// those that were not delivered.
    pub(super) fn match_keyless(&mut self, entries: &[Entry]) {
        if !self.needs.is_empty() {
            return;
        }
        let target_part = self.target_part();
        let left = entries.iter().copied().filter(|&entry| self.is_left(entry));
        let (targets, mut sources): (Vec<Entry>, Vec<Entry>) =
            left.partition(|entry| entry.part == target_part);
        if self.rule.question == TargetQuestion::None {
            sources.retain(|&source| self.turn(source) == Turn::First);
        }
        let has = |keyless: bool| sources.iter().any(|source| source.key.is_none() == keyless);
        let (keyed, keyless) = (has(false), has(true));
        let may_be_same = |target: &&Entry| if target.key.is_none() { keyed } else { keyless };
        let candidates: Vec<Entry> = targets.iter().filter(may_be_same).copied().collect();
        self.ask_dates(&candidates);
        if !self.needs.is_empty() {
            return;
        }
        let mut there: HashMap<(bool, i64), Vec<Entry>> = HashMap::new();
        for target in targets {
            if let Some(instant) = self.instant_of(target) {
                there.entry((target.key.is_none(), instant)).or_default().push(target);
            }
        }
        for source in sources {
            // One of the two has a key, and one has none.
            let instant = self.instant_of(source);
            let others = instant.and_then(|it| there.get(&(!source.key.is_none(), it)));
            if let Some(others) = others {
                self.pair_with_one_of(source, others);
            }
        }
    }

    fn pair_with_one_of(&mut self, source: Entry, others: &[Entry]) {
        let mut group = vec![source];
        group.extend(others.iter().copied().filter(|&other| self.is_left(other)));
        if group.len() == 1 || self.ask(&group) {
            return;
        }
        let Some(digest) = self.digest_of(source) else { return };
        let others = &group[1..];
        if let Some(&same) = others.iter().find(|&&other| self.digest_of(other) == Some(digest)) {
            self.set_pair(source, same);
        }
    }

    /// Whether nothing on the other side is the same by its key.
    fn is_left(&self, entry: Entry) -> bool {
        let at = entry.at as usize;
        match self.pairs.parts.get(entry.part as usize) {
            Some(fates) => matches!(fates[at], SourceFate::New | SourceFate::NewContent),
            None => self.pairs.target[at] == TargetFate::Unmatched,
        }
    }

    fn instant_of(&self, entry: Entry) -> Option<i64> {
        self.input(entry).listing.date[entry.at as usize].instant()
    }

    fn digest_of(&self, entry: Entry) -> Option<Digest> {
        let input = self.input(entry);
        input.digests.find(input.listing.uid[entry.at as usize]).flatten()
    }
}

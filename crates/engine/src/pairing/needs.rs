//! What pairing has to know before it can answer.

use crate::message::Uid;

use super::{Agreement, Entry, Matcher, Pairing, TargetFate, TargetQuestion};

/// What has to be asked of the servers: pair again with it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Needs {
    /// Digests of the source: index of the mailbox and UID, in that order. Those that cannot be had
    /// are noted with [`super::Digests::insert_unavailable`].
    pub source: Vec<(u32, Uid)>,
    /// Digests of the target: UIDs, ascending.
    pub target: Vec<Uid>,
    /// INTERNALDATEs of the target, for which nobody asked: UIDs, ascending. One that cannot be had
    /// becomes [`crate::message::InternalDate::UNKNOWN`].
    pub target_dates: Vec<Uid>,
}

impl Needs {
    /// Whether nothing is to be asked.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.source.is_empty() && self.target.is_empty() && self.target_dates.is_empty()
    }

    fn in_order(mut self) -> Self {
        self.source.sort_unstable();
        self.source.dedup();
        for uids in [&mut self.target, &mut self.target_dates] {
            uids.sort_unstable();
            uids.dedup();
        }
        self
    }
}

impl Matcher<'_> {
    /// Notes what is still to be asked of the group before its content decides; true if there is
    /// anything.
    pub(super) fn ask(&mut self, group: &[Entry]) -> bool {
        let mut asked = false;
        for &entry in group {
            let input = self.input(entry);
            let uid = input.listing.uid[entry.at as usize];
            let on_target = entry.part == self.target_part();
            if on_target && !self.is_date_asked(entry) {
                asked = true;
                self.needs.target_dates.push(uid);
            }
            if input.digests.find(uid).is_none() {
                asked = true;
                if on_target {
                    self.needs.target.push(uid);
                } else {
                    self.needs.source.push((entry.part, uid));
                }
            }
        }
        asked
    }

    /// Notes the dates of these messages of the target that nobody has asked for.
    pub(super) fn ask_dates(&mut self, targets: &[Entry]) {
        for &entry in targets {
            if !self.is_date_asked(entry) {
                self.needs.target_dates.push(self.target.listing.uid[entry.at as usize]);
            }
        }
    }

    /// Whether a message of the target, whose size is another, may be the same by its date.
    pub(super) fn may_agree_by_date(&self, target: Entry) -> bool {
        self.rule.agreement != Agreement::Size && !self.is_date_asked(target)
    }

    fn is_date_asked(&self, entry: Entry) -> bool {
        self.input(entry).listing.date[entry.at as usize].is_asked()
    }

    pub(super) fn finish(mut self) -> Pairing {
        if self.needs.is_empty() && self.rule.question != TargetQuestion::None {
            self.ask_dates_of_what_may_go();
        }
        if self.needs.is_empty() {
            Pairing::Done(self.pairs)
        } else {
            Pairing::Needs(self.needs.in_order())
        }
    }

    /// What is taken away is kept, found again and put back by its date, too.
    fn ask_dates_of_what_may_go(&mut self) {
        let listing = self.target.listing;
        for (at, fate) in self.pairs.target.iter().enumerate() {
            let may_go = matches!(fate, TargetFate::Unmatched | TargetFate::DuplicateOf(_));
            if may_go && !listing.date[at].is_asked() {
                self.needs.target_dates.push(listing.uid[at]);
            }
        }
    }
}

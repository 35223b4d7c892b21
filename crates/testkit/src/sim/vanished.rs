//! Expunges that are remembered, and what `VANISHED (EARLIER)` makes of them (RFC 7162 §3.2.6).

use std::collections::VecDeque;

use super::hazard::Vanished;
use super::mailstore::Mailbox;
use super::profile::Profile;
use super::sequence::SequenceSet;

/// Expunges of a mailbox that an account keeps; a profile may know of fewer.
const ENTRIES_MAX: usize = 100_000;

/// First and last UID, in order, apart from each other.
pub(super) type Ranges = Vec<(u32, u32)>;

/// The expunges of a mailbox, the oldest first.
#[derive(Debug, Default)]
pub(super) struct ExpungeLog {
    entries: VecDeque<Entry>,
    /// Mod-sequence of the newest one that fell out.
    forgotten: u64,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    modseq: u64,
    uid: u32,
}

impl ExpungeLog {
    pub(super) fn note(&mut self, modseq: u64, uid: u32) {
        if self.entries.len() == ENTRIES_MAX
            && let Some(oldest) = self.entries.pop_front()
        {
            self.forgotten = oldest.modseq;
        }
        self.entries.push_back(Entry { modseq, uid });
    }

    /// UIDs expunged after a mod-sequence, ascending, as a log of the newest `most` entries
    /// tells; `None` where it does not reach back that far.
    fn since(&self, modseq: u64, most: usize) -> Option<Vec<u32>> {
        let left_out = self.entries.len().saturating_sub(most);
        let forgotten = match left_out.checked_sub(1) {
            Some(newest) => self.entries.get(newest).map_or(0, |entry| entry.modseq),
            None => self.forgotten,
        };
        if modseq < forgotten {
            return None;
        }
        let kept = self.entries.iter().skip(left_out);
        let mut uids: Vec<u32> =
            kept.filter(|entry| entry.modseq > modseq).map(|entry| entry.uid).collect();
        uids.sort_unstable();
        Some(uids)
    }
}

/// What a client asks to be told of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Asked {
    /// UIDs that it knows.
    pub(super) known: Ranges,
    /// Mod-sequence up to which it knows of expunges.
    pub(super) since: u64,
    /// UID up to which it surely knows of all (RFC 7162 §3.2.5.2).
    pub(super) settled: u32,
}

impl Asked {
    /// What UID FETCH with VANISHED asks: of UIDs given so far, whose highest is the star.
    pub(super) fn of_fetch(set: &SequenceSet, since: u64, mailbox: &Mailbox) -> Self {
        let highest = mailbox.uid_next - 1;
        let given = set.ranges(highest).into_iter().filter(|range| range.0 <= highest);
        let known = given.map(|(first, last)| (first.max(1), last.min(highest))).collect();
        Self { known, since, settled: 0 }
    }

    /// The UIDs to be told as vanished, as a set; `None` for none. `present` are those that the
    /// session sees: one that was expunged but not told yet is told later, without EARLIER
    /// (RFC 7162 §3.2.10).
    pub(super) fn answer(
        &self,
        mailbox: &Mailbox,
        present: &[u32],
        profile: &Profile,
    ) -> Option<String> {
        let logged = mailbox.expunged.since(self.since, profile.limits.expunges_known_max);
        let gone = match (profile.vanished, logged) {
            (Vanished::EveryAbsent, _) | (Vanished::Logged, None) => self.absent(present),
            (Vanished::NothingOld, None) => Vec::new(),
            (Vanished::Logged | Vanished::NothingOld, Some(uids)) => {
                let told = |uid: &u32| self.is_known(*uid) && present.binary_search(uid).is_err();
                runs(uids.into_iter().filter(told))
            }
        };
        let unsettled: Ranges = gone
            .into_iter()
            .filter(|&(_, last)| last > self.settled)
            .map(|(first, last)| (first.max(self.settled + 1), last))
            .collect();
        if unsettled.is_empty() { None } else { Some(ranges_text(&unsettled)) }
    }

    pub(super) fn is_known(&self, uid: u32) -> bool {
        self.known.iter().any(|&(first, last)| (first..=last).contains(&uid))
    }

    /// What the client knows and the mailbox has not.
    fn absent(&self, present: &[u32]) -> Ranges {
        let mut absent = Vec::new();
        for &(first, last) in &self.known {
            let mut next = Some(first);
            let start = present.partition_point(|&uid| uid < first);
            for &uid in present[start..].iter().take_while(|&&uid| uid <= last) {
                match next {
                    Some(from) if from < uid => absent.push((from, uid - 1)),
                    _ => {}
                }
                next = uid.checked_add(1);
            }
            match next {
                Some(from) if from <= last => absent.push((from, last)),
                _ => {}
            }
        }
        absent
    }
}

/// Ascending numbers as ranges.
fn runs(numbers: impl Iterator<Item = u32>) -> Ranges {
    let mut ranges: Ranges = Vec::new();
    for number in numbers {
        match ranges.last_mut() {
            Some((_, last)) if number == last.saturating_add(1) => *last = number,
            _ => ranges.push((number, number)),
        }
    }
    ranges
}

fn ranges_text(ranges: &[(u32, u32)]) -> String {
    let text = |&(first, last): &(u32, u32)| match first == last {
        true => first.to_string(),
        false => format!("{first}:{last}"),
    };
    ranges.iter().map(text).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(known: &[(u32, u32)]) -> Asked {
        Asked { known: known.to_vec(), since: 1, settled: 0 }
    }

    #[test]
    fn what_is_absent_is_told_in_ranges() {
        // The example of RFC 7162 §3.2.5.1: of 41:211 and 214:541 these are left.
        let present = [42, 117, 119, 541, 600];
        assert_eq!(
            ranges_text(&asked(&[(41, 211), (214, 541)]).absent(&present)),
            "41,43:116,118,120:211,214:540"
        );
        assert_eq!(asked(&[(1, u32::MAX)]).absent(&[u32::MAX]), [(1, u32::MAX - 1)]);
        assert_eq!(asked(&[(3, 3)]).absent(&[3]), []);
        assert_eq!(asked(&[]).absent(&[3]), []);
    }

    #[test]
    fn a_log_knows_how_far_back_it_reaches() {
        let mut log = ExpungeLog::default();
        for (modseq, uid) in [(5, 30), (6, 10), (9, 20)] {
            log.note(modseq, uid);
        }
        assert_eq!(log.since(1, 100), Some(vec![10, 20, 30]));
        assert_eq!(log.since(6, 100), Some(vec![20]));
        assert_eq!(log.since(9, 100), Some(vec![]));
        assert_eq!(log.since(5, 2), Some(vec![10, 20]), "what is forgotten was known");
        assert_eq!(log.since(4, 2), None);
        assert_eq!(log.since(8, 0), None);
        assert_eq!(log.since(9, 0), Some(vec![]));
    }
}

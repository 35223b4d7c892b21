//! A share of the messages of each mailbox, chosen by lot.

use std::hash::{Hash, Hasher};

use mailferry_engine::listing::MessageListing;
use mailferry_engine::message::Uid;
use mailferry_engine::name::MailboxName;

/// Which of the messages of a mailbox are meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sample {
    /// So many of a million in each mailbox, rounded up.
    pub per_million: u32,
    /// Another number chooses other messages.
    pub seed: u64,
}

impl Sample {
    /// All of them.
    pub const ALL: Self = Self { per_million: 1_000_000, seed: 0 };

    /// How many of so many messages of one mailbox.
    #[must_use]
    pub fn of(self, messages: u64) -> u64 {
        messages.saturating_mul(u64::from(self.per_million)).div_ceil(1_000_000)
    }

    /// The places of those in the sample, ascending; `None`: all of them are.
    fn places(self, mailbox: &MailboxName, uids: &[Uid]) -> Option<Vec<usize>> {
        let wanted = usize::try_from(self.of(uids.len() as u64)).unwrap_or(usize::MAX);
        if wanted >= uids.len() {
            return None;
        }
        let lot = |uid: &Uid| {
            let mut hasher = std::hash::DefaultHasher::new();
            (self.seed, mailbox.as_bytes(), uid.value()).hash(&mut hasher);
            hasher.finish()
        };
        let mut lots: Vec<(u64, usize)> =
            uids.iter().enumerate().map(|(at, uid)| (lot(uid), at)).collect();
        lots.sort_unstable();
        lots.truncate(wanted);
        let mut places: Vec<usize> = lots.into_iter().map(|(_, at)| at).collect();
        places.sort_unstable();
        Some(places)
    }

    /// Keeps the messages of the sample, in order.
    pub(crate) fn take<T: Copy>(
        self,
        mailbox: &MailboxName,
        all: Vec<T>,
        uid: impl Fn(&T) -> Uid,
    ) -> Vec<T> {
        let uids: Vec<Uid> = all.iter().map(uid).collect();
        match self.places(mailbox, &uids) {
            None => all,
            Some(places) => places.into_iter().map(|at| all[at]).collect(),
        }
    }

    /// Leaves only the messages of the sample selected, of those that are.
    pub(crate) fn narrow(self, mailbox: &MailboxName, listing: &mut MessageListing) {
        let selected: Vec<usize> = (0..listing.len()).filter(|&at| listing.selected[at]).collect();
        let uids: Vec<Uid> = selected.iter().map(|&at| listing.uid[at]).collect();
        let Some(places) = self.places(mailbox, &uids) else { return };
        listing.selected.fill(false);
        for place in places {
            listing.selected[selected[place]] = true;
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_share_is_rounded_up_and_another_seed_chooses_others() {
        let mut listing = MessageListing::default();
        for number in 1..=100 {
            listing.uid.push(Uid::new(number).unwrap());
            listing.selected.push(number > 50);
        }
        let narrowed = |seed| {
            let mut listing = listing.clone();
            Sample { per_million: 100_000, seed }.narrow(&"INBOX".into(), &mut listing);
            (0..100).filter(|&at| listing.selected[at]).collect::<Vec<usize>>()
        };
        let (one, other) = (narrowed(1), narrowed(2));
        assert_eq!((one.len(), other.len()), (5, 5));
        assert!(one.iter().all(|&at| at >= 50) && one != other);
        assert_eq!(narrowed(1), one);
        let mut all = listing.clone();
        Sample::ALL.narrow(&"INBOX".into(), &mut all);
        assert_eq!(all.selected, listing.selected);
    }
}

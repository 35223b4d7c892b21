//! How a message that was moved is known again: by the UID that the target told, else by its
//! identity headers, size and date together.

use std::collections::HashSet;

use mailferry_engine::listing::MessageListing;
use mailferry_engine::message::Uid;

use crate::receipt::Departed;

/// One mailbox of the target, and which of its messages were found to be somebody.
#[derive(Default)]
pub(super) struct Mailbox {
    pub(super) listing: MessageListing,
    claimed: HashSet<Uid>,
}

impl Mailbox {
    pub(super) fn new(listing: MessageListing) -> Self {
        Self { listing, claimed: HashSet::new() }
    }

    /// The message under that UID, if it is that one.
    pub(super) fn claim_at(
        &mut self,
        (uid_validity, uid): (u32, Uid),
        message: &Departed,
    ) -> Option<Uid> {
        if uid_validity == 0 || self.listing.uid_validity != uid_validity {
            return None;
        }
        let at = self.listing.position(uid).filter(|&at| self.may_be(at, message))?;
        self.claim(at)
    }

    /// A message that is that one by what it says itself; without identity headers none is.
    pub(super) fn claim_alike(&mut self, message: &Departed) -> Option<Uid> {
        if message.key.is_none() {
            return None;
        }
        let at = (0..self.listing.len()).find(|&at| self.is_free(at) && self.is(at, message))?;
        self.claim(at)
    }

    fn claim(&mut self, at: usize) -> Option<Uid> {
        let uid = self.listing.uid[at];
        self.claimed.insert(uid).then_some(uid)
    }

    fn is_free(&self, at: usize) -> bool {
        !self.claimed.contains(&self.listing.uid[at])
    }

    fn is(&self, at: usize, message: &Departed) -> bool {
        let listing = &self.listing;
        listing.key[at] == message.key
            && listing.size[at] == message.octets
            && listing.date[at].instant() == message.date
    }

    /// Whether it is not another one: servers change sizes on their own, and some dates.
    fn may_be(&self, at: usize, message: &Departed) -> bool {
        if message.key.is_none() {
            return self.is(at, message);
        }
        self.listing.key[at] == message.key
    }
}

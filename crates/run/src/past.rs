//! What the target of an earlier run held when that run ended, and where it is since: by the receipt
//! of that run, and by those of later ones that moved messages (`docs/design/past.md`).

use std::collections::{BTreeMap, BTreeSet, HashMap};

use mailferry_engine::listing::MessageListing;
use mailferry_engine::message::{Key, Uid};
use mailferry_engine::name::MailboxName;

use crate::receipt::{Departed, Departures, Fate, Folder, Others, ReceiptError, RunId};

/// The messages of an account at the end of a run that had it as its target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Past {
    /// The run.
    pub run: RunId,
    /// The account, as it was named in that run.
    pub account: String,
    /// Where the messages of each mailbox are now, by the mailbox they were in.
    mailboxes: BTreeMap<MailboxName, BTreeMap<MailboxName, Whereabouts>>,
    /// Messages of which the account did not tell the UID when it took them.
    pub untold: u64,
}

/// Messages of one mailbox, all of which were in the same one then.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Whereabouts {
    /// By UIDVALIDITY and UID.
    uids: BTreeSet<(u32, Uid)>,
    /// By what they are, where the account did not tell the UID when it moved them.
    alike: Vec<Alike>,
}

/// What a message is known by: its identity headers, size and INTERNALDATE.
type Alike = (Key, u32, Option<i64>);

impl Past {
    /// Reads the receipt of a run, and those of all later runs to the same account.
    ///
    /// # Errors
    /// One of them is not there, cannot be read, or was altered.
    pub fn read(folder: &Folder, run: &RunId) -> Result<Self, ReceiptError> {
        let receipt = folder.read(run)?;
        let mut tracks = Tracks::default();
        let mut others = Others::new(folder);
        for (at, part) in receipt.parts.iter().enumerate() {
            let mailbox = tracks.mailbox(&part.target);
            tracks.parts.insert(mailbox);
            let uid_validity = part.target_uid_validity;
            receipt.messages(at, &mut others, &mut |message| {
                if matches!(message.fate, Fate::Copied | Fate::Present) {
                    tracks.begin(mailbox, uid_validity, message.target);
                }
            })?;
        }
        let account = receipt.about.target.clone();
        for later in folder.runs()?.iter().filter(|later| *later > run) {
            if folder.list_one(later)?.about.target == account {
                folder.read(later)?.departures.iter().for_each(|it| tracks.follow(it));
            }
        }
        Ok(tracks.finish(run.clone(), account))
    }

    /// Whether that run had no mailbox to write to, as an undo has none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.mailboxes.is_empty()
    }

    /// The mailboxes there were.
    pub(crate) fn mailboxes(&self) -> impl Iterator<Item = &MailboxName> {
        self.mailboxes.keys()
    }

    /// Where the messages of a mailbox are now; `None`: there was none of that name.
    pub(crate) fn of(&self, mailbox: &MailboxName) -> Option<&BTreeMap<MailboxName, Whereabouts>> {
        self.mailboxes.get(mailbox)
    }
}

impl Whereabouts {
    /// The same, and more.
    pub(crate) fn join(&mut self, more: &Self) {
        self.uids.extend(&more.uids);
        self.alike.extend(&more.alike);
    }

    /// Leaves only these messages selected; answers how many of them are not there any more.
    pub(crate) fn narrow(&self, listing: &mut MessageListing) -> u64 {
        let mut meant = vec![false; listing.len()];
        for (at, meant) in meant.iter_mut().enumerate() {
            *meant = self.uids.contains(&(listing.uid_validity, listing.uid[at]));
        }
        let found = meant.iter().filter(|meant| **meant).count();
        let mut missing = self.uids.len().saturating_sub(found);
        for &(key, octets, date) in &self.alike {
            let is_it = |at: &usize| {
                !meant[*at]
                    && !key.is_none()
                    && listing.key[*at] == key
                    && listing.size[*at] == octets
                    && listing.date[*at].instant() == date
            };
            match (0..listing.len()).find(is_it) {
                Some(at) => meant[at] = true,
                None => missing += 1,
            }
        }
        for (selected, meant) in listing.selected.iter_mut().zip(meant) {
            *selected &= meant;
        }
        missing as u64
    }

    /// How many messages.
    pub(crate) fn len(&self) -> u64 {
        (self.uids.len() + self.alike.len()) as u64
    }
}

/// Messages that are followed through the receipts.
#[derive(Default)]
struct Tracks {
    names: Vec<MailboxName>,
    /// Those that there were then.
    parts: BTreeSet<usize>,
    /// The mailbox that each message was in, and where it is: a place in the names.
    messages: Vec<(usize, Standing)>,
    /// Which message is where, by mailbox and UIDVALIDITY.
    there: HashMap<(usize, u32), HashMap<Uid, usize>>,
    untold: u64,
}

/// Where a message is.
enum Standing {
    At(usize, u32, Uid),
    Somewhere(usize, Alike),
}

impl Tracks {
    fn mailbox(&mut self, name: &MailboxName) -> usize {
        let known = self.names.iter().position(|known| known == name);
        known.unwrap_or_else(|| {
            self.names.push(name.clone());
            self.names.len() - 1
        })
    }

    fn begin(&mut self, mailbox: usize, uid_validity: u32, uid: Option<Uid>) {
        let Some(uid) = uid.filter(|_| uid_validity != 0) else {
            self.untold += 1;
            return;
        };
        // Two messages of the source may be one on the target.
        let there = self.there.entry((mailbox, uid_validity)).or_default();
        if there.insert(uid, self.messages.len()).is_none() {
            self.messages.push((mailbox, Standing::At(mailbox, uid_validity, uid)));
        }
    }

    fn follow(&mut self, departures: &Departures) {
        let from = self.mailbox(&departures.mailbox);
        let to = self.mailbox(&departures.to);
        for message in departures.messages.iter().filter(|message| message.is_moved) {
            let there = self.there.get_mut(&(from, departures.uid_validity));
            let Some(track) = there.and_then(|there| there.remove(&message.uid)) else { continue };
            let &Departed { key, octets, date, since, .. } = message;
            let standing = match since.filter(|(uid_validity, _)| *uid_validity != 0) {
                Some((uid_validity, uid)) => {
                    self.there.entry((to, uid_validity)).or_default().insert(uid, track);
                    Standing::At(to, uid_validity, uid)
                }
                None => Standing::Somewhere(to, (key, octets, date)),
            };
            self.messages[track].1 = standing;
        }
    }

    fn finish(self, run: RunId, account: String) -> Past {
        let Self { names, parts, messages, untold, .. } = self;
        let mut mailboxes: BTreeMap<MailboxName, BTreeMap<MailboxName, Whereabouts>> =
            parts.into_iter().map(|at| (names[at].clone(), BTreeMap::new())).collect();
        for (was_in, standing) in messages {
            let of_mailbox = mailboxes.entry(names[was_in].clone()).or_default();
            match standing {
                Standing::At(mailbox, uid_validity, uid) => {
                    let there = of_mailbox.entry(names[mailbox].clone()).or_default();
                    there.uids.insert((uid_validity, uid));
                }
                Standing::Somewhere(mailbox, alike) => {
                    of_mailbox.entry(names[mailbox].clone()).or_default().alike.push(alike);
                }
            }
        }
        Past { run, account, mailboxes, untold }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use mailferry_engine::message::InternalDate;

    fn uid(number: u32) -> Uid {
        Uid::new(number).unwrap()
    }

    fn departed(number: u32, since: Option<(u32, u32)>) -> Departed {
        let since = since.map(|(uid_validity, to)| (uid_validity, uid(to)));
        let key = Key([u8::try_from(number).unwrap(); 16]);
        Departed { uid: uid(number), key, octets: 10, date: Some(5), is_moved: true, since }
    }

    fn departures(mailbox: &str, uid_validity: u32, to: &str, all: Vec<Departed>) -> Departures {
        Departures { mailbox: mailbox.into(), uid_validity, to: to.into(), messages: all }
    }

    #[test]
    fn messages_are_followed_from_mailbox_to_mailbox() {
        let mut tracks = Tracks::default();
        let inbox = tracks.mailbox(&"INBOX".into());
        let empty = tracks.mailbox(&"Empty".into());
        tracks.parts.extend([inbox, empty]);
        for number in 1..=5 {
            tracks.begin(inbox, 7, Some(uid(number)));
        }
        tracks.begin(inbox, 7, None);
        tracks.begin(inbox, 0, Some(uid(6)));
        // One goes and is told, one is not told, one goes and comes back; another of the same number
        // goes from a mailbox that was renumbered, one was only to go.
        let gone = vec![departed(1, Some((9, 41))), departed(2, None), departed(3, Some((9, 42)))];
        tracks.follow(&departures("INBOX", 7, "Kept", gone));
        tracks.follow(&departures("Kept", 9, "INBOX", vec![departed(42, Some((7, 50)))]));
        tracks.follow(&departures("INBOX", 8, "Kept", vec![departed(4, Some((9, 43)))]));
        let stayed = Departed { is_moved: false, ..departed(5, None) };
        tracks.follow(&departures("INBOX", 7, "Kept", vec![stayed]));
        let run = RunId::parse("20261126-185700-1f3a9c").unwrap();
        let past = tracks.finish(run, "u@h:143".to_owned());
        assert_eq!(past.untold, 2);
        assert!(past.of(&"Empty".into()).unwrap().is_empty());
        assert!(past.of(&"Kept".into()).is_none());
        let places = past.of(&"INBOX".into()).unwrap();
        let here = [(7, uid(4)), (7, uid(5)), (7, uid(50))];
        assert_eq!(places[&"INBOX".into()].uids, BTreeSet::from(here));
        assert_eq!(places[&"Kept".into()].uids, BTreeSet::from([(9, uid(41))]));
        assert_eq!(places[&"Kept".into()].alike, [(Key([2; 16]), 10, Some(5))]);
    }

    #[test]
    fn what_is_known_by_what_it_is_alone_is_found_once() {
        let mut listing = MessageListing { uid_validity: 9, ..MessageListing::default() };
        for (number, key) in [(1, 1), (2, 2), (3, 2), (4, 3)] {
            listing.uid.push(uid(number));
            listing.key.push(Key([key; 16]));
            listing.size.push(10);
            listing.date.push(InternalDate::new(5, 0));
            listing.selected.push(number != 4);
        }
        let alike = |key: u8| (Key([key; 16]), 10, Some(5));
        let uids = BTreeSet::from([(9, uid(1)), (8, uid(2)), (9, uid(4))]);
        let there = Whereabouts { uids, alike: vec![alike(2), alike(2), alike(2), alike(4)] };
        // One under another UIDVALIDITY, a third of two alike, and one of which there is none.
        assert_eq!(there.narrow(&mut listing), 3);
        assert_eq!(listing.selected, [true, true, true, false], "a rule left the last one out");
    }
}

//! What an account holds: its mailboxes, and the messages in them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::account::Message;
use super::date::Date;
use super::flags::Flags;
use super::hazard::{ModSequences, UidValidities};
use super::labels::{GmMessage, Labelled};
use super::vanished::ExpungeLog;

/// The UIDVALIDITY of every mailbox under [`UidValidities::Constant`].
const CONSTANT_UID_VALIDITY: u32 = 1;

/// A message that has no UID yet.
#[derive(Clone, Debug)]
pub(super) struct NewMessage {
    pub(super) flags: Flags,
    pub(super) date: Date,
    pub(super) octets: Arc<[u8]>,
}

#[derive(Debug)]
pub(super) struct Store {
    pub(super) mailboxes: BTreeMap<String, Mailbox>,
    pub(super) subscriptions: BTreeSet<String>,
    /// Sessions logged in.
    pub(super) sessions: u32,
    uid_validity: u32,
    uid_validities: UidValidities,
    /// UIDVALIDITY of the mailboxes that were deleted.
    former: BTreeMap<String, u32>,
    serial: u64,
    clock: i64,
    /// Where mailboxes are labels.
    pub(super) labelled: Option<Labelled>,
}

impl Store {
    pub(super) fn new(seed: u64) -> Self {
        // UIDVALIDITYs of real servers are mostly seconds since 1970.
        let spread = u32::try_from(seed.wrapping_mul(7919) % 100_000_000).unwrap_or(0);
        Self {
            mailboxes: BTreeMap::new(),
            subscriptions: BTreeSet::new(),
            sessions: 0,
            uid_validity: 1_600_000_000 + spread,
            uid_validities: UidValidities::default(),
            former: BTreeMap::new(),
            serial: 0,
            clock: 1_750_000_000,
            labelled: None,
        }
    }

    /// The mailbox of that name, new where it was missing.
    pub(super) fn add(&mut self, name: &str) -> &mut Mailbox {
        if !self.mailboxes.contains_key(name) {
            let (serial, uid_validity) = (self.next_serial(), self.uid_validity_for(name));
            self.mailboxes.insert(name.to_owned(), Mailbox::new(serial, uid_validity));
        }
        self.mailboxes.entry(name.to_owned()).or_insert_with(|| Mailbox::new(0, 1))
    }

    /// Deletes a mailbox.
    pub(super) fn remove(&mut self, name: &str) -> Option<Mailbox> {
        self.note_renamed(name, None);
        let gone = self.mailboxes.remove(name)?;
        self.former.insert(name.to_owned(), gone.uid_validity);
        Some(gone)
    }

    /// Renames a mailbox, unless it is missing or the new name is taken. INBOX stays, empty, and
    /// keeps its MAILBOXID: its messages move to a new mailbox (RFC 9051 §6.3.6, RFC 8474 §4).
    pub(super) fn rename(&mut self, from: &str, to: &str) -> bool {
        if self.mailboxes.contains_key(to) {
            return false;
        }
        let Some(mut moved) = self.mailboxes.remove(from) else { return false };
        if from == "INBOX" {
            let inbox = self.add("INBOX");
            std::mem::swap(&mut inbox.object, &mut moved.object);
        }
        self.mailboxes.insert(to.to_owned(), moved);
        self.note_renamed(from, Some(to));
        true
    }

    /// Gives mailboxes their UIDVALIDITY as a server does from here on.
    pub(super) fn adopt(&mut self, uid_validities: UidValidities) {
        self.uid_validities = uid_validities;
        if uid_validities == UidValidities::Constant {
            for mailbox in self.mailboxes.values_mut() {
                mailbox.uid_validity = CONSTANT_UID_VALIDITY;
            }
        }
    }

    fn uid_validity_for(&mut self, name: &str) -> u32 {
        let former = self.former.get(name).copied();
        match (self.uid_validities, former) {
            (UidValidities::Constant, _) => CONSTANT_UID_VALIDITY,
            (UidValidities::Reused, Some(former)) => former,
            _ => self.next_uid_validity(),
        }
    }

    /// The mailbox that a session selected, wherever it was renamed to.
    pub(super) fn of_serial(&mut self, name: &str, serial: u64) -> Option<&mut Mailbox> {
        if self.mailboxes.get(name).is_some_and(|found| found.serial == serial) {
            return self.mailboxes.get_mut(name);
        }
        self.mailboxes.values_mut().find(|found| found.serial == serial)
    }

    /// The name of the mailbox that a session selected.
    pub(super) fn name_of_serial(&self, serial: u64) -> Option<String> {
        let mut all = self.mailboxes.iter();
        all.find(|(_, found)| found.serial == serial).map(|(name, _)| name.clone())
    }

    /// Time in the simulated world: a second for each message without a date.
    pub(super) fn tick(&mut self) -> Date {
        self.clock += 1;
        Date::utc(self.clock)
    }

    /// Octets and number of all messages: what a quota counts.
    pub(super) fn usage(&self) -> (u64, usize) {
        let boxes = self.mailboxes.values();
        boxes.fold((0, 0), |(octets, count), found| {
            (octets + found.octets, count + found.messages.len())
        })
    }

    pub(super) fn next_uid_validity(&mut self) -> u32 {
        self.uid_validity += 1;
        self.uid_validity
    }

    pub(super) fn next_serial(&mut self) -> u64 {
        self.serial += 1;
        self.serial
    }
}

#[derive(Debug)]
pub(super) struct Mailbox {
    /// Tells this mailbox from another of the same name; kept through a RENAME.
    pub(super) serial: u64,
    pub(super) uid_validity: u32,
    pub(super) uid_next: u32,
    pub(super) messages: BTreeMap<u32, Stored>,
    pub(super) special_use: Vec<String>,
    /// What MAILBOXID tells (RFC 8474 §4): a serial, but RENAME of INBOX does not carry it away.
    pub(super) object: u64,
    /// The mod-sequence (RFC 7162 §3.1): grows with every change.
    pub(super) modseq: u64,
    /// `modseq` of the last change of flags.
    pub(super) flags_modseq: u64,
    /// `modseq` of the last append or expunge.
    set_modseq: u64,
    /// Messages that are gone.
    pub(super) expunged: ExpungeLog,
    /// Messages expunged so far.
    pub(super) expunges: u64,
    /// Octets of all messages.
    pub(super) octets: u64,
}

#[derive(Debug)]
pub(super) struct Stored {
    pub(super) message: Message,
    /// No session was told of it yet (RFC 3501 §2.3.2).
    pub(super) recent: bool,
    /// The mailbox's `modseq` when its flags last changed.
    pub(super) modseq: u64,
    /// The mailbox's `modseq` when it was appended.
    appended_modseq: u64,
    /// The message that it shows, where mailboxes are labels.
    pub(super) gm: Option<Arc<GmMessage>>,
}

impl Stored {
    /// MODSEQ as a server of that kind tells it.
    pub(super) fn told_modseq(&self, kind: ModSequences) -> u64 {
        match kind {
            ModSequences::BlindToFlags => self.appended_modseq,
            ModSequences::Kept | ModSequences::NotKept => self.modseq,
        }
    }
}

impl Mailbox {
    pub(super) fn new(serial: u64, uid_validity: u32) -> Self {
        Self {
            serial,
            uid_validity,
            uid_next: 1,
            messages: BTreeMap::new(),
            special_use: Vec::new(),
            object: serial,
            modseq: 1,
            flags_modseq: 1,
            set_modseq: 1,
            expunged: ExpungeLog::default(),
            expunges: 0,
            octets: 0,
        }
    }

    /// Stores a message under the next UID.
    pub(super) fn append(&mut self, new: NewMessage) -> u32 {
        let uid = self.uid_next;
        self.uid_next = uid.saturating_add(1);
        self.octets += new.octets.len() as u64;
        let modseq = self.change_set();
        let NewMessage { flags, date, octets } = new;
        let message = Message { uid, flags, date, octets };
        let (recent, appended_modseq) = (true, modseq);
        self.messages.insert(uid, Stored { message, recent, modseq, appended_modseq, gm: None });
        uid
    }

    pub(super) fn expunge(&mut self, uid: u32) -> bool {
        let Some(gone) = self.messages.remove(&uid) else { return false };
        self.octets -= gone.message.octets.len() as u64;
        let modseq = self.change_set();
        self.expunged.note(modseq, uid);
        self.expunges += 1;
        true
    }

    /// Returns the new `modseq` of the message, unchanged where its flags were these already;
    /// `None` where it is gone.
    pub(super) fn set_flags(&mut self, uid: u32, flags: Flags) -> Option<u64> {
        let stored = self.messages.get_mut(&uid)?;
        if stored.message.flags != flags {
            self.modseq += 1;
            self.flags_modseq = self.modseq;
            stored.message.flags = flags;
            stored.modseq = self.modseq;
        }
        Some(stored.modseq)
    }

    /// HIGHESTMODSEQ as a server of that kind tells it; `None` where it keeps none.
    pub(super) fn highest_modseq(&self, kind: ModSequences) -> Option<u64> {
        match kind {
            ModSequences::Kept => Some(self.modseq),
            ModSequences::NotKept => None,
            ModSequences::BlindToFlags => Some(self.set_modseq),
        }
    }

    /// MAILBOXID (RFC 8474 §4): never used again, and kept through RENAME.
    pub(super) fn object_id(&self) -> String {
        // A letter first, as RFC 8474 §8.1 advises.
        format!("F{:08x}", self.object)
    }

    /// Notes an append or an expunge.
    fn change_set(&mut self) -> u64 {
        self.modseq += 1;
        self.set_modseq = self.modseq;
        self.modseq
    }

    /// Every keyword that a message of the mailbox has.
    pub(super) fn keywords(&self) -> Flags {
        self.messages.values().flat_map(|stored| stored.message.flags.keywords()).collect()
    }

    /// The messages in the order of their UIDs.
    pub(super) fn messages(&self) -> Vec<Message> {
        self.messages.values().map(|stored| stored.message.clone()).collect()
    }
}

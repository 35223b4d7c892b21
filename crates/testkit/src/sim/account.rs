//! An account: one user's mailboxes and messages, shared by all sessions and by the test.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::date::Date;
use super::flags::Flags;

/// One user and the mail. A clone is a handle to the same account: a test keeps one to look
/// at what the server did, or to change it under a client's feet.
#[derive(Clone, Debug)]
pub struct Account(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    user: String,
    password: String,
    store: Mutex<Store>,
}

/// A message as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// UID in its mailbox.
    pub uid: u32,
    /// Flags and keywords, `\Recent` apart.
    pub flags: Flags,
    /// INTERNALDATE.
    pub date: Date,
    /// The octets.
    pub octets: Arc<[u8]>,
}

impl Account {
    /// An account with an empty INBOX.
    #[must_use]
    pub fn new(user: &str, password: &str) -> Self {
        Self::seeded(user, password, 1)
    }

    /// An account whose UIDVALIDITYs derive from a seed.
    #[must_use]
    pub fn seeded(user: &str, password: &str, seed: u64) -> Self {
        let mut store = Store::new(seed);
        store.add("INBOX");
        Self(Arc::new(Inner {
            user: user.to_owned(),
            password: password.to_owned(),
            store: Mutex::new(store),
        }))
    }

    /// The user's name.
    #[must_use]
    pub fn user(&self) -> &str {
        &self.0.user
    }

    /// Adds an empty mailbox, unless it is there.
    pub fn add_mailbox(&self, name: &str) -> &Self {
        self.lock().add(name);
        self
    }

    /// Takes a mailbox and its messages away, as if another client had deleted it.
    pub fn remove_mailbox(&self, name: &str) {
        self.lock().mailboxes.remove(name);
    }

    /// Subscribes a name, whether it exists or not.
    pub fn subscribe(&self, name: &str) -> &Self {
        self.lock().subscriptions.insert(name.to_owned());
        self
    }

    /// Gives a mailbox a SPECIAL-USE attribute, such as `\Sent`; adds it where it is missing.
    pub fn mark(&self, name: &str, special_use: &str) -> &Self {
        self.lock().add(name).special_use.push(special_use.to_owned());
        self
    }

    /// Stores a message and returns its UID; the mailbox is added where it is missing.
    pub fn append(&self, mailbox: &str, octets: &[u8], flags: &[&str], date: Date) -> u32 {
        let new =
            NewMessage { flags: flags.iter().copied().collect(), date, octets: octets.into() };
        self.lock().add(mailbox).append(new)
    }

    /// Takes a message away, as if another client had expunged it. Returns whether it was there.
    pub fn expunge(&self, mailbox: &str, uid: u32) -> bool {
        self.lock().mailboxes.get_mut(mailbox).is_some_and(|found| found.expunge(uid))
    }

    /// Sets a message's flags, as if another client had. Returns whether it was there.
    pub fn set_flags(&self, mailbox: &str, uid: u32, flags: &[&str]) -> bool {
        let flags = flags.iter().copied().collect();
        let mut store = self.lock();
        let found = store.mailboxes.get_mut(mailbox);
        found.is_some_and(|found| found.set_flags(uid, flags).is_some())
    }

    /// Gives a mailbox a new UIDVALIDITY and its messages new UIDs from 1.
    pub fn renumber(&self, mailbox: &str) {
        let mut store = self.lock();
        let uid_validity = store.next_uid_validity();
        let serial = store.next_serial();
        if let Some(found) = store.mailboxes.get_mut(mailbox) {
            let messages = std::mem::take(&mut found.messages);
            *found = Mailbox::new(serial, uid_validity);
            for (_, stored) in messages {
                let Message { flags, date, octets, .. } = stored.message;
                found.append(NewMessage { flags, date, octets });
            }
        }
    }

    /// Raises UIDNEXT, so that the next message gets this UID.
    pub fn raise_uid_next(&self, mailbox: &str, uid_next: u32) {
        if let Some(found) = self.lock().mailboxes.get_mut(mailbox) {
            found.uid_next = found.uid_next.max(uid_next);
        }
    }

    /// Every mailbox with its messages in the order of their UIDs.
    #[must_use]
    pub fn snapshot(&self) -> BTreeMap<String, Vec<Message>> {
        let store = self.lock();
        store.mailboxes.iter().map(|(name, found)| (name.clone(), found.messages())).collect()
    }

    /// The messages of a mailbox; none where it does not exist.
    #[must_use]
    pub fn messages(&self, mailbox: &str) -> Vec<Message> {
        self.lock().mailboxes.get(mailbox).map(Mailbox::messages).unwrap_or_default()
    }

    /// UIDVALIDITY of a mailbox.
    #[must_use]
    pub fn uid_validity(&self, mailbox: &str) -> Option<u32> {
        self.lock().mailboxes.get(mailbox).map(|found| found.uid_validity)
    }

    /// UIDNEXT of a mailbox.
    #[must_use]
    pub fn uid_next(&self, mailbox: &str) -> Option<u32> {
        self.lock().mailboxes.get(mailbox).map(|found| found.uid_next)
    }

    /// The subscribed names.
    #[must_use]
    pub fn subscriptions(&self) -> BTreeSet<String> {
        self.lock().subscriptions.clone()
    }

    /// The SPECIAL-USE attributes of each mailbox that has any.
    #[must_use]
    pub fn special_uses(&self) -> BTreeMap<String, Vec<String>> {
        let store = self.lock();
        let marked = store.mailboxes.iter().filter(|(_, found)| !found.special_use.is_empty());
        marked.map(|(name, found)| (name.clone(), found.special_use.clone())).collect()
    }

    pub(super) fn takes(&self, user: &[u8], password: &[u8]) -> bool {
        self.0.user.as_bytes() == user && self.0.password.as_bytes() == password
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Store> {
        // A test that panicked while it held the lock says so itself.
        self.0.store.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

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
    serial: u64,
    clock: i64,
}

impl Store {
    fn new(seed: u64) -> Self {
        // UIDVALIDITYs of real servers are mostly seconds since 1970.
        let spread = u32::try_from(seed.wrapping_mul(7919) % 100_000_000).unwrap_or(0);
        Self {
            mailboxes: BTreeMap::new(),
            subscriptions: BTreeSet::new(),
            sessions: 0,
            uid_validity: 1_600_000_000 + spread,
            serial: 0,
            clock: 1_750_000_000,
        }
    }

    /// The mailbox of that name, new where it was missing.
    pub(super) fn add(&mut self, name: &str) -> &mut Mailbox {
        if !self.mailboxes.contains_key(name) {
            let (serial, uid_validity) = (self.next_serial(), self.next_uid_validity());
            self.mailboxes.insert(name.to_owned(), Mailbox::new(serial, uid_validity));
        }
        self.mailboxes.entry(name.to_owned()).or_insert_with(|| Mailbox::new(0, 1))
    }

    /// The mailbox that a session selected, wherever it was renamed to.
    pub(super) fn of_serial(&mut self, name: &str, serial: u64) -> Option<&mut Mailbox> {
        if self.mailboxes.get(name).is_some_and(|found| found.serial == serial) {
            return self.mailboxes.get_mut(name);
        }
        self.mailboxes.values_mut().find(|found| found.serial == serial)
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
    /// Grows with every change, as the mod-sequence of RFC 7162 does.
    pub(super) modseq: u64,
    /// `modseq` of the last change of flags.
    pub(super) flags_modseq: u64,
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
}

impl Mailbox {
    fn new(serial: u64, uid_validity: u32) -> Self {
        Self {
            serial,
            uid_validity,
            uid_next: 1,
            messages: BTreeMap::new(),
            special_use: Vec::new(),
            modseq: 1,
            flags_modseq: 1,
            expunges: 0,
            octets: 0,
        }
    }

    /// Stores a message under the next UID.
    pub(super) fn append(&mut self, new: NewMessage) -> u32 {
        let uid = self.uid_next;
        self.uid_next = uid.saturating_add(1);
        self.modseq += 1;
        self.octets += new.octets.len() as u64;
        let NewMessage { flags, date, octets } = new;
        let message = Message { uid, flags, date, octets };
        self.messages.insert(uid, Stored { message, recent: true, modseq: self.modseq });
        uid
    }

    pub(super) fn expunge(&mut self, uid: u32) -> bool {
        let Some(gone) = self.messages.remove(&uid) else { return false };
        self.octets -= gone.message.octets.len() as u64;
        self.modseq += 1;
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

    /// Every keyword that a message of the mailbox has.
    pub(super) fn keywords(&self) -> Flags {
        self.messages.values().flat_map(|stored| stored.message.flags.keywords()).collect()
    }

    fn messages(&self) -> Vec<Message> {
        self.messages.values().map(|stored| stored.message.clone()).collect()
    }
}

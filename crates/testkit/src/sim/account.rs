//! An account: one user's mailboxes and messages, shared by all sessions and by the test.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::date::Date;
use super::flags::Flags;
use super::habit::Duplicates;
use super::mailstore::{Mailbox, NewMessage, Store};

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
        self.lock().remove(name);
    }

    /// Deletes a mailbox and creates it anew, empty, as if another client had. What UIDVALIDITY
    /// it gets is the server's habit ([`UidValidities`](super::UidValidities)).
    pub fn recreate_mailbox(&self, name: &str) -> &Self {
        let mut store = self.lock();
        store.remove(name);
        store.add(name);
        drop(store);
        self
    }

    /// Renames a mailbox, without what is below it, as if another client had: UIDVALIDITY, UIDs
    /// and MAILBOXID stay. Returns whether it was there and the new name was free. INBOX leaves
    /// an empty INBOX behind (RFC 9051 §6.3.6).
    pub fn rename_mailbox(&self, from: &str, to: &str) -> bool {
        self.lock().rename(from, to)
    }

    /// Subscribes a name, whether it exists or not.
    pub fn subscribe(&self, name: &str) -> &Self {
        self.lock().subscriptions.insert(name.to_owned());
        self
    }

    /// Gives a subscription up.
    pub fn unsubscribe(&self, name: &str) -> &Self {
        self.lock().subscriptions.remove(name);
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
        let mut store = self.lock();
        store.add(mailbox);
        store.deliver(mailbox, new).unwrap_or(0)
    }

    /// Takes a message away, as if another client had expunged it. Returns whether it was there.
    pub fn expunge(&self, mailbox: &str, uid: u32) -> bool {
        self.lock().withdraw(mailbox, uid)
    }

    /// Sets a message's flags, as if another client had. Returns whether it was there.
    pub fn set_flags(&self, mailbox: &str, uid: u32, flags: &[&str]) -> bool {
        let flags = flags.iter().copied().collect();
        self.lock().change_flags(mailbox, uid, flags).is_some()
    }

    /// Makes its mailboxes labels of messages, as those of Gmail are; a server whose profile says
    /// so does the same at its start.
    pub fn label_as_gmail(&self) -> &Self {
        self.lock().adopt_labels(Duplicates::MergedByMessageId);
        self
    }

    /// The mailboxes that show the same message as this one, where mailboxes are labels.
    #[must_use]
    pub fn labels(&self, mailbox: &str, uid: u32) -> Vec<String> {
        let store = self.lock();
        let stored = store.mailboxes.get(mailbox).and_then(|found| found.messages.get(&uid));
        let gm = stored.and_then(|stored| stored.gm.clone());
        gm.map(|gm| Store::labels_of(&gm)).unwrap_or_default()
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
                let uid = found.append(NewMessage { flags, date, octets });
                if let Some(renumbered) = found.messages.get_mut(&uid) {
                    renumbered.gm = stored.gm;
                }
            }
        }
    }

    /// Gives a mailbox this UIDVALIDITY and changes nothing else.
    pub fn set_uid_validity(&self, mailbox: &str, uid_validity: u32) {
        if let Some(found) = self.lock().mailboxes.get_mut(mailbox) {
            found.uid_validity = uid_validity;
        }
    }

    /// Raises the mod-sequence of a mailbox, so that its next change gets this one.
    pub fn raise_modseq(&self, mailbox: &str, modseq: u64) {
        if let Some(found) = self.lock().mailboxes.get_mut(mailbox) {
            found.modseq = found.modseq.max(modseq.saturating_sub(1));
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

    /// HIGHESTMODSEQ of a mailbox (RFC 7162 §3.1.2.1), as an honest server tells it.
    #[must_use]
    pub fn highest_modseq(&self, mailbox: &str) -> Option<u64> {
        self.lock().mailboxes.get(mailbox).map(|found| found.modseq)
    }

    /// MODSEQ of a message (RFC 7162 §3.1.4.2), as an honest server tells it.
    #[must_use]
    pub fn modseq(&self, mailbox: &str, uid: u32) -> Option<u64> {
        let store = self.lock();
        let stored = store.mailboxes.get(mailbox)?.messages.get(&uid)?;
        Some(stored.modseq)
    }

    /// MAILBOXID of a mailbox (RFC 8474 §4).
    #[must_use]
    pub fn mailbox_id(&self, mailbox: &str) -> Option<String> {
        self.lock().mailboxes.get(mailbox).map(Mailbox::object_id)
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

//! Mailboxes as labels, as Gmail has them: the account holds a message once, `[Gmail]/All Mail`
//! shows it, and every other mailbox is a label of it (Gmail's “IMAP Extensions”,
//! developers.google.com/workspace/gmail/imap/imap-extensions).
//!
//! Imitated with it: flags belong to the message; `\Flagged` and the mailbox of starred messages
//! are one; what is expunged from a label stays in All Mail (the account's usual setting, “archive
//! the message”); what is put into Trash or Spam loses its other labels, and is gone once it is
//! expunged there. Every message is a thread of its own.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::flags::Flags;
use super::habit::Duplicates;
use super::headers;
use super::mailstore::{NewMessage, Store};
use super::parse::astring_text;

pub(super) const ALL: &str = "[Gmail]/All Mail";
const STARRED: &str = "[Gmail]/Starred";
const DRAFTS: &str = "[Gmail]/Drafts";
const SPAM: &str = "[Gmail]/Spam";
const TRASH: &str = "[Gmail]/Trash";

/// The mailboxes that every account has, with their attributes (RFC 6154), and the labels by which
/// X-GM-LABELS names them.
const SYSTEM: [(&str, Option<&str>, Option<&str>); 8] = [
    ("INBOX", None, Some("\\Inbox")),
    (ALL, Some("\\All"), None),
    (DRAFTS, Some("\\Drafts"), Some("\\Draft")),
    ("[Gmail]/Important", Some("\\Important"), Some("\\Important")),
    ("[Gmail]/Sent Mail", Some("\\Sent"), Some("\\Sent")),
    (SPAM, Some("\\Junk"), Some("\\Spam")),
    (STARRED, Some("\\Flagged"), Some("\\Starred")),
    (TRASH, Some("\\Trash"), Some("\\Trash")),
];

/// A message that the account holds once, however many mailboxes show it.
#[derive(Debug)]
pub(super) struct GmMessage {
    /// X-GM-MSGID, and X-GM-THRID.
    pub(super) id: u64,
    /// Its Message-Id, where it has one.
    key: Option<Vec<u8>>,
    mailboxes: Mutex<BTreeSet<String>>,
}

impl GmMessage {
    fn mailboxes(&self) -> MutexGuard<'_, BTreeSet<String>> {
        self.mailboxes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The labels in parentheses; the mailbox that is selected is not among them
    /// (dlech/gmailbuttons#10).
    pub(super) fn labels_text(&self, selected: &str) -> String {
        let mailboxes = self.mailboxes();
        let labels = mailboxes.iter().filter(|name| *name != selected && *name != ALL);
        let labels: Vec<String> = labels.map(|name| astring_text(label_of(name))).collect();
        format!("({})", labels.join(" "))
    }

    /// Whether it has the label.
    pub(super) fn has_label(&self, label: &str) -> bool {
        self.mailboxes().contains(mailbox_of(label))
    }
}

fn label_of(mailbox: &str) -> &str {
    let system = SYSTEM.iter().find(|(name, ..)| *name == mailbox);
    system.and_then(|(_, _, label)| *label).unwrap_or(mailbox)
}

fn mailbox_of(label: &str) -> &str {
    let is_it = |known: &Option<&str>| known.is_some_and(|it| it.eq_ignore_ascii_case(label));
    let system = SYSTEM.iter().find(|(_, _, known)| is_it(known));
    system.map_or(label, |(name, ..)| *name)
}

/// The messages of an account whose mailboxes are labels.
#[derive(Debug)]
pub(super) struct Labelled {
    last_id: u64,
    duplicates: Duplicates,
    by_key: BTreeMap<Vec<u8>, Arc<GmMessage>>,
}

impl Labelled {
    fn register(&mut self, octets: &[u8]) -> Arc<GmMessage> {
        // Not consecutive, and of 19 digits, like those of the documentation.
        self.last_id += 7_919_001;
        let key = message_id(octets);
        let message =
            Arc::new(GmMessage { id: self.last_id, key: key.clone(), mailboxes: Mutex::default() });
        if let Some(key) = key {
            self.by_key.entry(key).or_insert_with(|| Arc::clone(&message));
        }
        message
    }

    fn known(&self, octets: &[u8]) -> Option<Arc<GmMessage>> {
        if self.duplicates == Duplicates::Kept {
            return None;
        }
        self.by_key.get(&message_id(octets)?).cloned()
    }
}

fn message_id(octets: &[u8]) -> Option<Vec<u8>> {
    let value = headers::values(octets, b"Message-Id").into_iter().next()?;
    let value = value.trim_ascii();
    (!value.is_empty()).then(|| value.to_vec())
}

impl Store {
    /// Makes the mailboxes labels, and gives the account those that every account has.
    pub(super) fn adopt_labels(&mut self, duplicates: Duplicates) {
        if self.labelled.is_some() {
            return;
        }
        let by_key = BTreeMap::new();
        self.labelled = Some(Labelled { last_id: 1_278_455_344_230_000_000, duplicates, by_key });
        for (name, attribute, _) in SYSTEM {
            let mailbox = self.add(name);
            if let (Some(attribute), true) = (attribute, mailbox.special_use.is_empty()) {
                mailbox.special_use.push(attribute.to_owned());
            }
        }
        let names: Vec<String> = self.mailboxes.keys().cloned().collect();
        for name in names {
            let messages = self
                .mailboxes
                .get(&name)
                .map(super::mailstore::Mailbox::messages)
                .unwrap_or_default();
            for message in messages {
                let Some(labelled) = &mut self.labelled else { return };
                let known = labelled.known(&message.octets);
                let gm = known.unwrap_or_else(|| labelled.register(&message.octets));
                self.attach(&name, message.uid, &gm);
                if name != SPAM && name != TRASH {
                    self.label(ALL, &gm);
                }
            }
        }
    }

    /// Puts a message into a mailbox; answers its UID there, be it an old one.
    pub(super) fn deliver(&mut self, name: &str, mut new: NewMessage) -> Option<u32> {
        let Some(labelled) = &mut self.labelled else {
            return Some(self.mailboxes.get_mut(name)?.append(new));
        };
        if let Some(gm) = labelled.known(&new.octets) {
            // What the first copy said of dates and flags stays (rgladwell/imap-upload#22).
            return self.label(name, &gm);
        }
        let gm = labelled.register(&new.octets);
        if name == STARRED {
            new.flags.insert("\\Flagged");
        } else if name == DRAFTS {
            new.flags.insert("\\Draft");
        }
        let is_starred = new.flags.contains("\\Flagged");
        let uid = self.mailboxes.get_mut(name)?.append(new);
        self.attach(name, uid, &gm);
        if name != SPAM && name != TRASH {
            self.label(ALL, &gm);
            if is_starred {
                self.label(STARRED, &gm);
            }
        }
        Some(uid)
    }

    /// Copies a message of one mailbox into another; answers its UID there.
    pub(super) fn copy_over(&mut self, from: &str, uid: u32, to: &str) -> Option<u32> {
        let stored = self.mailboxes.get(from)?.messages.get(&uid)?;
        if let (Some(gm), Some(_)) = (stored.gm.clone(), &self.labelled) {
            return self.label(to, &gm);
        }
        let message = stored.message.clone();
        let copy = NewMessage { flags: message.flags, date: message.date, octets: message.octets };
        Some(self.mailboxes.get_mut(to)?.append(copy))
    }

    /// Takes a message out of a mailbox; whether it left it.
    pub(super) fn withdraw(&mut self, name: &str, uid: u32) -> bool {
        let Some(mailbox) = self.mailboxes.get_mut(name) else { return false };
        let gm = mailbox.messages.get(&uid).and_then(|stored| stored.gm.clone());
        let (Some(gm), Some(_)) = (gm, &self.labelled) else { return mailbox.expunge(uid) };
        match name {
            // It is archived, which it is already.
            ALL => {
                let flags = mailbox.messages.get(&uid).map(|stored| stored.message.flags.clone());
                if let Some(mut flags) = flags {
                    flags.remove("\\Deleted");
                    mailbox.set_flags(uid, flags);
                }
                return false;
            }
            TRASH | SPAM => self.unlabel_all(&gm, None),
            STARRED => {
                self.unlabel(name, &gm);
                self.restar(&gm);
            }
            _ => self.unlabel(name, &gm),
        }
        true
    }

    /// Sets the flags of a message, wherever it is shown; answers its mod-sequence.
    pub(super) fn change_flags(&mut self, name: &str, uid: u32, flags: Flags) -> Option<u64> {
        let mailbox = self.mailboxes.get_mut(name)?;
        let gm = mailbox.messages.get(&uid)?.gm.clone();
        let is_starred = flags.contains("\\Flagged");
        let modseq = mailbox.set_flags(uid, flags.clone())?;
        let (Some(gm), Some(_)) = (gm, &self.labelled) else { return Some(modseq) };
        let others: Vec<String> = gm.mailboxes().iter().filter(|it| *it != name).cloned().collect();
        for other in others {
            let Some((uid, own)) = self.shown(&other, &gm) else { continue };
            let mut flags = flags.clone();
            // `\Deleted` is of a mailbox.
            if own.contains("\\Deleted") {
                flags.insert("\\Deleted");
            } else {
                flags.remove("\\Deleted");
            }
            if let Some(mailbox) = self.mailboxes.get_mut(&other) {
                mailbox.set_flags(uid, flags);
            }
        }
        if is_starred {
            self.label(STARRED, &gm);
        } else {
            self.unlabel(STARRED, &gm);
        }
        Some(modseq)
    }

    /// Gives a message labels, by the names that X-GM-LABELS has for them, and takes others;
    /// mailboxes that are missing are made.
    pub(super) fn relabel(&mut self, gm: &Arc<GmMessage>, add: &[String], remove: &[String]) {
        for label in add {
            let name = mailbox_of(label);
            self.add(name);
            self.label(name, gm);
        }
        for label in remove {
            self.unlabel(mailbox_of(label), gm);
            if mailbox_of(label) == STARRED {
                self.restar(gm);
            }
        }
    }

    /// The labels of a message, for a STORE that replaces them.
    pub(super) fn labels_of(gm: &GmMessage) -> Vec<String> {
        let mailboxes = gm.mailboxes();
        mailboxes.iter().filter(|name| *name != ALL).map(|name| label_of(name).to_owned()).collect()
    }

    fn label(&mut self, name: &str, gm: &Arc<GmMessage>) -> Option<u32> {
        if let Some((uid, _)) = self.shown(name, gm) {
            return Some(uid);
        }
        let there = gm.mailboxes().iter().next().cloned()?;
        let (uid, _) = self.shown(&there, gm)?;
        let message = self.mailboxes.get(&there)?.messages.get(&uid)?.message.clone();
        let mut flags = message.flags;
        flags.remove("\\Deleted");
        let copy = NewMessage { flags, date: message.date, octets: message.octets };
        let uid = self.mailboxes.get_mut(name)?.append(copy);
        self.attach(name, uid, gm);
        if name == SPAM || name == TRASH {
            self.unlabel_all(gm, Some(name));
        }
        Some(uid)
    }

    fn unlabel(&mut self, name: &str, gm: &Arc<GmMessage>) {
        if let Some((uid, _)) = self.shown(name, gm)
            && let Some(mailbox) = self.mailboxes.get_mut(name)
        {
            mailbox.expunge(uid);
        }
        gm.mailboxes().remove(name);
        let is_gone = gm.mailboxes().is_empty();
        if let (true, Some(key), Some(labelled)) = (is_gone, &gm.key, &mut self.labelled) {
            labelled.by_key.remove(key);
        }
    }

    fn unlabel_all(&mut self, gm: &Arc<GmMessage>, but: Option<&str>) {
        let all: Vec<String> = gm.mailboxes().iter().cloned().collect();
        for name in all.iter().filter(|name| Some(name.as_str()) != but) {
            self.unlabel(name, gm);
        }
    }

    /// The star is gone from the mailbox of starred messages, so the flag goes, too.
    fn restar(&mut self, gm: &Arc<GmMessage>) {
        let all: Vec<String> = gm.mailboxes().iter().cloned().collect();
        for name in all {
            if let Some((uid, mut flags)) = self.shown(&name, gm)
                && flags.remove("\\Flagged")
                && let Some(mailbox) = self.mailboxes.get_mut(&name)
            {
                mailbox.set_flags(uid, flags);
            }
        }
    }

    fn shown(&self, name: &str, gm: &Arc<GmMessage>) -> Option<(u32, Flags)> {
        let messages = &self.mailboxes.get(name)?.messages;
        let is_it =
            |it: &&super::mailstore::Stored| it.gm.as_ref().is_some_and(|it| it.id == gm.id);
        let stored = messages.values().find(is_it)?;
        Some((stored.message.uid, stored.message.flags.clone()))
    }

    fn attach(&mut self, name: &str, uid: u32, gm: &Arc<GmMessage>) {
        let mailbox = self.mailboxes.get_mut(name);
        if let Some(stored) = mailbox.and_then(|mailbox| mailbox.messages.get_mut(&uid)) {
            stored.gm = Some(Arc::clone(gm));
            gm.mailboxes().insert(name.to_owned());
        }
    }

    /// A mailbox has another name, or none any more.
    pub(super) fn note_renamed(&mut self, from: &str, to: Option<&str>) {
        let Some(mailbox) = self.mailboxes.get(to.unwrap_or(from)) else { return };
        for stored in mailbox.messages.values() {
            if let Some(gm) = &stored.gm {
                gm.mailboxes().remove(from);
                gm.mailboxes().extend(to.map(str::to_owned));
            }
        }
    }
}

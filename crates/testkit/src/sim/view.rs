//! What one session sees of the mailbox it selected, and what it is told of changes.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::account::Message;
use super::command::Access;
use super::mailstore::{Mailbox, Store};
use super::parse::{By, Parsed, Refusal, SequenceSet};
use super::wire::Out;

/// A selected mailbox. Its message numbers stay as they are until the session is told.
#[derive(Debug)]
pub(super) struct View {
    name: String,
    serial: u64,
    access: Access,
    /// UIDs in the order of message numbers; may hold ones that were expunged meanwhile.
    uids: Vec<u32>,
    recent: BTreeSet<u32>,
    uid_next: u32,
    modseq: u64,
    expunges: u64,
    /// Mod-sequences of the session's own changes, of which it knows already.
    own: BTreeSet<u64>,
}

/// Whether message numbers may change now (RFC 9051 §7.5.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Expunges {
    Told,
    Withheld,
}

/// The selected mailbox is gone.
#[derive(Debug)]
pub(super) struct Gone;

impl View {
    /// Opens a mailbox; `\Recent` is taken from its new messages unless it is only examined.
    pub(super) fn open(store: &mut Store, name: &str, access: Access) -> Option<Self> {
        let mailbox = store.mailboxes.get_mut(name)?;
        let mut view = Self {
            name: name.to_owned(),
            serial: mailbox.serial,
            access,
            uids: mailbox.messages.keys().copied().collect(),
            recent: BTreeSet::new(),
            uid_next: mailbox.uid_next,
            modseq: mailbox.modseq,
            expunges: mailbox.expunges,
            own: BTreeSet::new(),
        };
        view.take_recent(mailbox, 1);
        Some(view)
    }

    pub(super) fn uids(&self) -> &[u32] {
        &self.uids
    }

    pub(super) fn access(&self) -> Access {
        self.access
    }

    /// Whether it is this mailbox that is selected.
    pub(super) fn is_of(&self, serial: u64) -> bool {
        self.serial == serial
    }

    pub(super) fn recent(&self) -> usize {
        self.recent.len()
    }

    pub(super) fn is_recent(&self, uid: u32) -> bool {
        self.recent.contains(&uid)
    }

    /// The mailbox itself.
    pub(super) fn mailbox<'s>(&self, store: &'s mut Store) -> Parsed<&'s mut Mailbox> {
        store
            .of_serial(&self.name, self.serial)
            .ok_or_else(|| Refusal::no("[NONEXISTENT] Mailbox was deleted"))
    }

    /// Message numbers (from 1) and UIDs that a set means.
    pub(super) fn select(&self, by: By, set: &SequenceSet) -> Parsed<Vec<(usize, u32)>> {
        let places = set.places(by, &self.uids)?;
        Ok(places.into_iter().map(|place| (place + 1, self.uids[place])).collect())
    }

    /// Refuses what would change an examined mailbox.
    pub(super) fn check_writable(&self) -> Parsed<()> {
        match self.access {
            Access::ReadWrite => Ok(()),
            Access::ReadOnly => Err(Refusal::no("[CANNOT] Mailbox is read-only")),
        }
    }

    /// Notes a change of flags that this session made.
    pub(super) fn note_own(&mut self, modseq: u64) {
        if modseq > self.modseq {
            self.own.insert(modseq);
        }
    }

    /// The flags of a message as this session sees them, in parentheses.
    pub(super) fn flags_text(&self, message: &Message) -> String {
        let mut text = String::from("(");
        if self.is_recent(message.uid) {
            text.push_str("\\Recent");
        }
        for flag in message.flags.iter() {
            if text.len() > 1 {
                text.push(' ');
            }
            text.push_str(flag);
        }
        text.push(')');
        text
    }

    /// Tells what changed since the last time: EXPUNGE where it may, EXISTS, FETCH.
    pub(super) fn announce(
        &mut self,
        store: &mut Store,
        out: &mut Out,
        expunges: Expunges,
    ) -> Result<(), Gone> {
        let mailbox = store.of_serial(&self.name, self.serial).ok_or(Gone)?;
        if expunges == Expunges::Told && mailbox.expunges != self.expunges {
            self.tell_expunges(mailbox, out);
        }
        let known_below = self.uid_next;
        if mailbox.uid_next != self.uid_next {
            self.uids.extend(mailbox.messages.range(self.uid_next..).map(|(&uid, _)| uid));
            self.uid_next = mailbox.uid_next;
            self.take_recent(mailbox, known_below);
            out.line(format!("* {} EXISTS", self.uids.len()));
            out.line(format!("* {} RECENT", self.recent.len()));
        }
        if mailbox.flags_modseq > self.modseq {
            self.tell_flags(mailbox, out, known_below);
        }
        self.modseq = mailbox.modseq;
        self.own.clear();
        Ok(())
    }

    fn tell_expunges(&mut self, mailbox: &Mailbox, out: &mut Out) {
        let mut place = 0;
        self.uids.retain(|uid| {
            let stays = mailbox.messages.contains_key(uid);
            if stays {
                place += 1;
            } else {
                // Numbers close up after each one (RFC 9051 §7.5.1).
                out.line(format!("* {} EXPUNGE", place + 1));
            }
            stays
        });
        self.recent.retain(|uid| mailbox.messages.contains_key(uid));
        self.expunges = mailbox.expunges;
    }

    fn tell_flags(&self, mailbox: &Mailbox, out: &mut Out, known_below: u32) {
        for (place, uid) in self.uids.iter().enumerate().take_while(|(_, uid)| **uid < known_below)
        {
            let Some(stored) = mailbox.messages.get(uid) else { continue };
            if stored.modseq > self.modseq && !self.own.contains(&stored.modseq) {
                let mut line = String::new();
                // Writing to a String does not fail.
                let _ = write!(line, "* {} FETCH (UID {uid} FLAGS ", place + 1);
                line.push_str(&self.flags_text(&stored.message));
                line.push(')');
                out.line(line);
            }
        }
    }

    fn take_recent(&mut self, mailbox: &mut Mailbox, from: u32) {
        for (&uid, stored) in mailbox.messages.range_mut(from..) {
            if stored.recent {
                self.recent.insert(uid);
                stored.recent = self.access == Access::ReadOnly;
            }
        }
    }
}

//! What one session sees of the mailbox it selected, and what it is told of changes.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::account::Message;
use super::command::Access;
use super::hazard::ModSequences;
use super::mailstore::{Mailbox, Store};
use super::modseq::Aware;
use super::parse::{Parsed, Refusal};
use super::sequence::{By, SequenceSet, set_text};
use super::vanished::Asked;
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

/// How a session is told of changes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Telling {
    pub(super) expunges: Expunges,
    pub(super) dialect: Aware,
    pub(super) kind: ModSequences,
}

/// The selected mailbox is gone.
#[derive(Debug)]
pub(super) struct Gone;

impl View {
    /// Opens a mailbox; `\Recent` is taken from its new messages unless it is only examined.
    pub(super) fn open(
        store: &mut Store,
        name: &str,
        (access, most): (Access, Option<usize>),
    ) -> Option<Self> {
        let mailbox = store.mailboxes.get_mut(name)?;
        // The newest are shown.
        let hidden = most.map_or(0, |most| mailbox.messages.len().saturating_sub(most));
        let mut view = Self {
            name: name.to_owned(),
            serial: mailbox.serial,
            access,
            uids: mailbox.messages.keys().copied().skip(hidden).collect(),
            recent: BTreeSet::new(),
            uid_next: mailbox.uid_next,
            modseq: mailbox.modseq,
            expunges: mailbox.expunges,
            own: BTreeSet::new(),
        };
        view.take_recent(mailbox, 1);
        Some(view)
    }

    /// The name by which it was opened.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// The name that it has now.
    pub(super) fn name_in(&self, store: &Store) -> String {
        match store.mailboxes.get(&self.name) {
            Some(found) if found.serial == self.serial => self.name.clone(),
            _ => store.name_of_serial(self.serial).unwrap_or_else(|| self.name.clone()),
        }
    }

    pub(super) fn uids(&self) -> &[u32] {
        &self.uids
    }

    /// The mod-sequence up to which the session was told of changes.
    pub(super) fn told_modseq(&self) -> u64 {
        self.modseq
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
        telling: Telling,
    ) -> Result<(), Gone> {
        let mailbox = store.of_serial(&self.name, self.serial).ok_or(Gone)?;
        if telling.expunges == Expunges::Told && mailbox.expunges != self.expunges {
            self.tell_expunges(mailbox, out, telling.dialect);
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
            self.tell_flags(mailbox, out, known_below, telling);
        }
        self.modseq = mailbox.modseq;
        self.own.clear();
        Ok(())
    }

    /// Tells, as SELECT with QRESYNC does, what flags changed since the client knew
    /// (RFC 7162 §3.2.5.1).
    pub(super) fn tell_changed(
        &self,
        mailbox: &Mailbox,
        asked: &Asked,
        kind: ModSequences,
        out: &mut Out,
    ) {
        for (place, uid) in self.uids.iter().enumerate() {
            let Some(stored) = mailbox.messages.get(uid) else { continue };
            if asked.is_known(*uid) && stored.told_modseq(kind) > asked.since {
                let flags = self.flags_text(&stored.message);
                let modseq = stored.told_modseq(kind);
                out.line(format!(
                    "* {} FETCH (UID {uid} FLAGS {flags} MODSEQ ({modseq}))",
                    place + 1
                ));
            }
        }
    }

    fn tell_expunges(&mut self, mailbox: &Mailbox, out: &mut Out, dialect: Aware) {
        let mut place = 0;
        let mut gone = Vec::new();
        self.uids.retain(|uid| {
            let stays = mailbox.messages.contains_key(uid);
            if stays {
                place += 1;
            } else if dialect == Aware::Vanished {
                gone.push(*uid);
            } else {
                // Numbers close up after each one (RFC 9051 §7.5.1).
                out.line(format!("* {} EXPUNGE", place + 1));
            }
            stays
        });
        if !gone.is_empty() {
            // RFC 7162 §3.2.10.2
            out.line(format!("* VANISHED {}", set_text(&gone)));
        }
        self.recent.retain(|uid| mailbox.messages.contains_key(uid));
        self.expunges = mailbox.expunges;
    }

    fn tell_flags(&self, mailbox: &Mailbox, out: &mut Out, known_below: u32, telling: Telling) {
        for (place, uid) in self.uids.iter().enumerate().take_while(|(_, uid)| **uid < known_below)
        {
            let Some(stored) = mailbox.messages.get(uid) else { continue };
            if stored.modseq > self.modseq && !self.own.contains(&stored.modseq) {
                let mut line = String::new();
                // Writing to a String does not fail.
                let _ = write!(line, "* {} FETCH (UID {uid} FLAGS ", place + 1);
                line.push_str(&self.flags_text(&stored.message));
                if telling.dialect >= Aware::ModSequences {
                    let _ = write!(line, " MODSEQ ({})", stored.told_modseq(telling.kind));
                }
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

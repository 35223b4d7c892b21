//! What a session has said it knows of mod-sequences, and ENABLE (RFC 5161, RFC 7162 §3.1).

use super::habit::Enabled;
use super::hazard::{ModSequences, Modifier};
use super::parse::{Cursor, Parsed, Refusal};
use super::profile::{Extension, Profile};
use super::session::{Answer, Session, done};
use super::wire::Out;

/// What a client takes into account; it never takes less later in its connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Aware {
    Nothing,
    /// MODSEQ in what it is told of changed flags: a “CONDSTORE-aware client”.
    ModSequences,
    /// VANISHED in place of EXPUNGE, too: QRESYNC is enabled.
    Vanished,
}

/// Refuses what needs mod-sequences where none are kept (RFC 7162 §3.1.2.2).
pub(super) fn check_kept(profile: &Profile) -> Parsed<()> {
    match profile.mod_sequences {
        ModSequences::NotKept => Err(Refusal::bad("The mailbox keeps no mod-sequences")),
        ModSequences::Kept | ModSequences::BlindToFlags => Ok(()),
    }
}

/// `ENABLE` names, in capitals.
pub(super) fn enable_names(cursor: &mut Cursor<'_>) -> Parsed<Vec<String>> {
    let mut names = vec![cursor.keyword()?];
    while cursor.skip(b' ') {
        names.push(cursor.keyword()?);
    }
    Ok(names)
}

/// The mod-sequence of `CHANGEDSINCE` or `UNCHANGEDSINCE`, if the server heeds it.
pub(super) fn heeded(modseq: u64, modifier: Modifier, profile: &Profile) -> Parsed<Option<u64>> {
    match modifier {
        Modifier::Ignored => Ok(None),
        Modifier::Obeyed => {
            check_kept(profile)?;
            Ok(Some(modseq))
        }
    }
}

impl Session {
    /// What the client is told of changes in the selected mailbox: nothing new where that
    /// keeps no mod-sequences (RFC 7162 §3.2.3).
    pub(super) fn dialect(&self) -> Aware {
        match self.profile().mod_sequences {
            ModSequences::NotKept => Aware::Nothing,
            ModSequences::Kept | ModSequences::BlindToFlags => self.aware,
        }
    }

    /// Enables what is known of these names; what is not, it ignores (RFC 5161 §3.1).
    pub(super) fn enable(&mut self, names: &[String], out: &mut Out) -> Answer {
        let mut line = String::from("* ENABLED");
        let mut aware = self.aware;
        for name in names {
            let enabled = match name.as_str() {
                "CONDSTORE" if self.profile().knows_mod_sequences() => Aware::ModSequences,
                "QRESYNC" if self.profile().has(Extension::Qresync) => Aware::Vanished,
                _ => continue,
            };
            aware = aware.max(enabled);
            line.push(' ');
            line.push_str(name);
        }
        if self.profile().habits.enabled == Enabled::Told {
            out.line(line);
        }
        self.note_aware(aware, out)?;
        done("Enable")
    }

    /// Notes that the client knows of mod-sequences; at the first time it is told that of the
    /// selected mailbox (RFC 7162 §3.1).
    pub(super) fn note_aware(&mut self, aware: Aware, out: &mut Out) -> Parsed<()> {
        let before = self.aware;
        self.aware = before.max(aware);
        if before != Aware::Nothing || self.aware == Aware::Nothing || self.view.is_none() {
            return Ok(());
        }
        let account = self.account()?;
        let kind = self.profile().mod_sequences;
        let view = self.view()?;
        let mut store = account.lock();
        let highest = view.mailbox(&mut store)?.highest_modseq(kind);
        if let Some(highest) = highest {
            // What the client was not told yet does not count.
            let told = highest.min(view.told_modseq());
            out.line(format!("* OK [HIGHESTMODSEQ {told}] Highest"));
        }
        Ok(())
    }
}

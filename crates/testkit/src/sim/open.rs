//! SELECT and EXAMINE (RFC 3501 §6.3.1-2), with CONDSTORE and QRESYNC (RFC 7162 §3.1.8, §3.2.5).

use super::command::Access;
use super::flags::Flags;
use super::hazard::ModSequences;
use super::mailbox::nonexistent;
use super::mailstore::Mailbox;
use super::modseq::Aware;
use super::name;
use super::parse::{Cursor, Parsed, Refusal};
use super::profile::{Extension, Keywords, Profile};
use super::sequence::SequenceSet;
use super::session::{Answer, Session};
use super::vanished::Asked;
use super::view::View;
use super::wire::Out;

/// Arguments of SELECT and EXAMINE.
#[derive(Debug)]
pub(super) struct OpenArguments {
    name: Vec<u8>,
    access: Access,
    /// Mod-sequences are asked for, as both parameters do.
    aware: Aware,
    resync: Option<Resync>,
}

/// What the client remembers of the mailbox.
#[derive(Debug)]
struct Resync {
    uid_validity: u32,
    modseq: u64,
    /// `None`: of every UID given so far.
    known: Option<SequenceSet>,
    /// Message numbers and their UIDs.
    matches: Vec<(u32, u32)>,
}

impl OpenArguments {
    pub(super) fn parse(
        access: Access,
        cursor: &mut Cursor<'_>,
        profile: &Profile,
    ) -> Parsed<Self> {
        let name = cursor.astring()?;
        let mut arguments = Self { name, access, aware: Aware::Nothing, resync: None };
        if !profile.knows_mod_sequences() || !cursor.skip(b' ') {
            return Ok(arguments);
        }
        cursor.expect(b'(')?;
        loop {
            match cursor.keyword()?.as_str() {
                "CONDSTORE" => {}
                "QRESYNC" if profile.has(Extension::Qresync) && arguments.resync.is_none() => {
                    cursor.space()?;
                    arguments.resync = Some(Resync::parse(cursor)?);
                }
                other => return Err(Refusal::bad(format!("Unknown parameter {other}"))),
            }
            arguments.aware = Aware::ModSequences;
            if !cursor.skip(b' ') {
                cursor.expect(b')')?;
                return Ok(arguments);
            }
        }
    }
}

impl Resync {
    /// `(uidvalidity modseq [known-uids] [(numbers uids)])`
    fn parse(cursor: &mut Cursor<'_>) -> Parsed<Self> {
        cursor.expect(b'(')?;
        let uid_validity = cursor.nz_number()?;
        cursor.space()?;
        let modseq = cursor.mod_sequence()?;
        let mut resync = Self { uid_validity, modseq, known: None, matches: Vec::new() };
        let mut follows = cursor.skip(b' ');
        if follows && cursor.peek() != Some(b'(') {
            resync.known = Some(without_star(cursor)?);
            follows = cursor.skip(b' ');
        }
        if follows {
            cursor.expect(b'(')?;
            let numbers = without_star(cursor)?.ascending()?;
            cursor.space()?;
            let uids = without_star(cursor)?.ascending()?;
            if numbers.len() != uids.len() {
                return Err(Refusal::bad("Message numbers and UIDs do not match"));
            }
            resync.matches = numbers.into_iter().zip(uids).collect();
            cursor.expect(b')')?;
        }
        cursor.expect(b')')?;
        Ok(resync)
    }

    fn asked(&self, view: &View, mailbox: &Mailbox) -> Asked {
        let known = match &self.known {
            Some(set) => set.ranges(0),
            None if mailbox.uid_next == 1 => Vec::new(),
            None => vec![(1, mailbox.uid_next - 1)],
        };
        // Up to a pair that is right, the client knows of every expunge (RFC 7162 §3.2.5.2).
        let is_right = |&&(number, uid): &&(u32, u32)| {
            view.uids().get(number as usize - 1).is_some_and(|there| *there == uid)
        };
        let settled = self.matches.iter().filter(is_right).map(|pair| pair.1).max();
        Asked { known, since: self.modseq, settled: settled.unwrap_or(0) }
    }
}

/// A set of what is known already: no star in it (RFC 7162 §7).
fn without_star(cursor: &mut Cursor<'_>) -> Parsed<SequenceSet> {
    let set = cursor.sequence_set()?;
    if set.has_star() { Err(Refusal::bad("* is no known UID")) } else { Ok(set) }
}

impl Session {
    pub(super) fn open(&mut self, arguments: &OpenArguments, out: &mut Out) -> Answer {
        let state = self.state.clone();
        let profile = state.profile();
        if arguments.resync.is_some() && self.aware != Aware::Vanished {
            return Err(Refusal::bad("QRESYNC was not enabled"));
        }
        // Whatever becomes of it, the old mailbox is no longer selected (RFC 3501 §6.3.1).
        if self.view.take().is_some() && profile.knows_mod_sequences() {
            // RFC 7162 §3.2.11
            out.line("* OK [CLOSED] Previous mailbox closed");
        }
        let account = self.account()?;
        let name = name::accept(&arguments.name, profile)?;
        let mut store = account.lock();
        let access = arguments.access;
        let most = profile.habits.view_messages_max;
        let Some(view) = View::open(&mut store, &name, (access, most)) else {
            return Err(nonexistent());
        };
        self.aware = self.aware.max(arguments.aware);
        let mailbox = view.mailbox(&mut store)?;
        describe(&view, mailbox, profile, out);
        if let Some(resync) = &arguments.resync
            && resync.uid_validity == mailbox.uid_validity
            && profile.mod_sequences != ModSequences::NotKept
        {
            let asked = resync.asked(&view, mailbox);
            if let Some(gone) = asked.answer(mailbox, view.uids(), profile) {
                out.line(format!("* VANISHED (EARLIER) {gone}"));
            }
            view.tell_changed(mailbox, &asked, profile.mod_sequences, out);
        }
        drop(store);
        self.view = Some(view);
        match access {
            Access::ReadWrite => Ok("[READ-WRITE] Select completed".to_owned()),
            Access::ReadOnly => Ok("[READ-ONLY] Examine completed".to_owned()),
        }
    }
}

fn describe(view: &View, mailbox: &Mailbox, profile: &Profile, out: &mut Out) {
    let mut flags: Vec<String> = Flags::SYSTEM.iter().map(|flag| (*flag).to_owned()).collect();
    flags.extend(mailbox.keywords().iter().map(str::to_owned));
    out.line(format!("* FLAGS ({})", flags.join(" ")));
    out.line(format!("* {} EXISTS", view.uids().len()));
    out.line(format!("* {} RECENT", view.recent()));
    let unseen =
        mailbox.messages.values().position(|stored| !stored.message.flags.contains("\\Seen"));
    if let Some(place) = unseen {
        out.line(format!("* OK [UNSEEN {}] First unseen", place + 1));
    }
    out.line(permanent_flags(flags, view.access(), profile));
    out.line(format!("* OK [UIDVALIDITY {}] UIDs valid", mailbox.uid_validity));
    out.line(format!("* OK [UIDNEXT {}] Predicted next UID", mailbox.uid_next));
    if profile.knows_mod_sequences() {
        out.line(match mailbox.highest_modseq(profile.mod_sequences) {
            Some(modseq) => format!("* OK [HIGHESTMODSEQ {modseq}] Highest"),
            None => "* OK [NOMODSEQ] No mod-sequences are kept".to_owned(),
        });
    }
    if profile.has(Extension::ObjectId) {
        out.line(format!("* OK [MAILBOXID ({})] Ok", mailbox.object_id()));
    }
}

fn permanent_flags(mut flags: Vec<String>, access: Access, profile: &Profile) -> String {
    match (access, profile.keywords) {
        // As Dovecot does: it says nothing about what a SELECT would allow.
        (Access::ReadOnly, _) => flags.clear(),
        (_, Keywords::Kept | Keywords::DroppedByAppend) => flags.push("\\*".to_owned()),
        (_, Keywords::Dropped | Keywords::Refused) => flags.retain(|flag| flag.starts_with('\\')),
        (_, Keywords::Only(names) | Keywords::OnlyElseRefused(names)) => {
            flags.retain(|flag| flag.starts_with('\\'));
            flags.extend(names.iter().map(|name| (*name).to_owned()));
        }
    }
    format!("* OK [PERMANENTFLAGS ({})] Flags permitted", flags.join(" "))
}

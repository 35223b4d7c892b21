//! STORE, COPY, MOVE, EXPUNGE: what changes the messages of the selected mailbox.

use super::append::{check_keywords, check_keywords_max, check_quota, missing};
use super::command::Transfer;
use super::date::Date;
use super::flags::Flags;
use super::habit::Copies;
use super::hazard::Modifier;
use super::mailstore::{Mailbox, Store, Stored};
use super::modseq::{Aware, heeded};
use super::name;
use super::parse::{Cursor, Parsed, Refusal};
use super::profile::{Extension, Keywords, Profile, UidPlace};
use super::sequence::{By, SequenceSet, set_text};
use super::session::{Answer, Session, done, done_by};
use super::view::View;
use super::wire::Out;

/// Arguments of STORE and UID STORE.
#[derive(Debug)]
pub(super) struct StoreArguments {
    by: By,
    set: SequenceSet,
    /// Only messages not changed after this mod-sequence (RFC 7162 §3.1.3).
    unchanged_since: Option<u64>,
    mode: Mode,
    echo: Echo,
    what: What,
}

/// What is changed.
#[derive(Clone, Debug)]
enum What {
    Flags(Flags),
    /// X-GM-LABELS.
    Labels(Vec<String>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Replace,
    Add,
    Remove,
}

/// Whether the new flags are told back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Echo {
    Told,
    Silent,
}

impl StoreArguments {
    pub(super) fn parse(by: By, cursor: &mut Cursor<'_>, profile: &Profile) -> Parsed<Self> {
        let set = cursor.sequence_set()?;
        cursor.space()?;
        let unchanged_since = unchanged_since(cursor, profile)?;
        let item = cursor.keyword()?;
        let (item, echo) = match item.strip_suffix(".SILENT") {
            Some(item) => (item, Echo::Silent),
            None => (item.as_str(), Echo::Told),
        };
        let (mode, name) = match item.split_at_checked(1) {
            Some(("+", name)) => (Mode::Add, name),
            Some(("-", name)) => (Mode::Remove, name),
            _ => (Mode::Replace, item),
        };
        cursor.space()?;
        match name {
            "FLAGS" => {}
            "X-GM-LABELS" if profile.has(Extension::Gmail) => {
                let listed = match cursor.peek() {
                    Some(b'(') => cursor.list(0, label)?,
                    _ => vec![label(cursor)?],
                };
                let what = What::Labels(listed);
                return Ok(Self { by, set, unchanged_since, mode, echo, what });
            }
            _ => return Err(Refusal::bad(format!("Unknown STORE item {item}"))),
        }
        let listed = if cursor.peek() == Some(b'(') {
            cursor.list(0, Cursor::flag)?
        } else {
            let mut listed = vec![cursor.flag()?];
            while cursor.skip(b' ') {
                listed.push(cursor.flag()?);
            }
            listed
        };
        let what = What::Flags(listed.iter().map(String::as_str).collect());
        Ok(Self { by, set, unchanged_since, mode, echo, what })
    }
}

fn apply(mode: Mode, flags: &Flags, before: &Flags) -> Flags {
    if mode == Mode::Replace {
        return flags.clone();
    }
    let mut after = before.clone();
    for flag in flags.iter() {
        match mode {
            Mode::Remove => after.remove(flag),
            _ => after.insert(flag),
        };
    }
    after
}

/// A label: `\Inbox` and the like, or the name of a mailbox.
fn label(cursor: &mut Cursor<'_>) -> Parsed<String> {
    if cursor.skip(b'\\') {
        return Ok(format!("\\{}", cursor.atom()?));
    }
    String::from_utf8(cursor.astring()?).map_err(|_| Refusal::bad("Invalid label"))
}

/// `(UNCHANGEDSINCE n)`, where the server takes modifiers.
fn unchanged_since(cursor: &mut Cursor<'_>, profile: &Profile) -> Parsed<Option<u64>> {
    let taken = profile.knows_mod_sequences() || profile.unchanged_since == Modifier::Ignored;
    if !taken || !cursor.skip(b'(') {
        return Ok(None);
    }
    if cursor.keyword()? != "UNCHANGEDSINCE" {
        return Err(Refusal::bad("Unknown STORE modifier"));
    }
    cursor.space()?;
    let since = cursor.mod_sequence_or_zero()?;
    cursor.expect(b')')?;
    cursor.space()?;
    heeded(since, profile.unchanged_since, profile)
}

/// How a STORE answers for each message.
#[derive(Clone, Copy, Debug)]
struct Reply<'a> {
    by: By,
    echo: Echo,
    dialect: Aware,
    profile: &'a Profile,
}

impl Reply<'_> {
    /// The items of the FETCH; `None` where nothing is told.
    fn items(&self, stored: &Stored, view: &View) -> Option<String> {
        let is_aware = self.dialect >= Aware::ModSequences;
        let mut items = Vec::new();
        if self.echo == Echo::Told {
            items.push(format!("FLAGS {}", view.flags_text(&stored.message)));
        }
        if is_aware {
            // Even if it was to be silent (RFC 7162 §3.1.3).
            items.push(format!("MODSEQ ({})", stored.told_modseq(self.profile.mod_sequences)));
        }
        if items.is_empty() {
            return None;
        }
        // A server that knows QRESYNC adds the UID (RFC 7162 §3.2.4).
        if self.by == By::Uid || (is_aware && self.profile.has(Extension::Qresync)) {
            let place = match self.profile.uid_place {
                UidPlace::First => 0,
                UidPlace::Last => items.len(),
            };
            items.insert(place, format!("UID {}", stored.message.uid));
        }
        Some(items.join(" "))
    }
}

impl Session {
    pub(super) fn store(&mut self, arguments: StoreArguments, out: &mut Out) -> Answer {
        match arguments.what.clone() {
            What::Flags(flags) => self.store_flags(&arguments, flags, out),
            What::Labels(labels) => self.store_labels(&arguments, &labels, out),
        }
    }

    /// `STORE .. X-GM-LABELS`.
    fn store_labels(
        &mut self,
        arguments: &StoreArguments,
        labels: &[String],
        out: &mut Out,
    ) -> Answer {
        let account = self.account()?;
        let view = self.view()?;
        let found = view.select(arguments.by, &arguments.set)?;
        view.check_writable()?;
        let mut store = account.lock();
        for (number, uid) in found {
            let stored = view.mailbox(&mut store)?.messages.get(&uid);
            let Some(gm) = stored.and_then(|stored| stored.gm.clone()) else { continue };
            let before = Store::labels_of(&gm);
            let gone = |kept: &[String]| {
                let is_kept = |label: &String| kept.iter().any(|it| it.eq_ignore_ascii_case(label));
                before.iter().filter(|label| !is_kept(label)).cloned().collect::<Vec<_>>()
            };
            match arguments.mode {
                Mode::Add => store.relabel(&gm, labels, &[]),
                Mode::Remove => store.relabel(&gm, &[], labels),
                Mode::Replace => store.relabel(&gm, labels, &gone(labels)),
            }
            if arguments.echo == Echo::Told {
                let labels = gm.labels_text(view.name());
                out.line(format!("* {number} FETCH (UID {uid} X-GM-LABELS {labels})"));
            }
        }
        done_by(arguments.by, "Store")
    }

    fn store_flags(
        &mut self,
        arguments: &StoreArguments,
        mut flags: Flags,
        out: &mut Out,
    ) -> Answer {
        let account = self.account()?;
        let state = self.state.clone();
        let profile = state.profile();
        if arguments.unchanged_since.is_some() {
            self.note_aware(Aware::ModSequences, out)?;
        }
        let StoreArguments { by, echo, mode, .. } = *arguments;
        let reply = Reply { by, echo, dialect: self.dialect(), profile };
        let view = self.view()?;
        let found = view.select(by, &arguments.set)?;
        view.check_writable()?;
        check_keywords(&flags, profile)?;
        if matches!(profile.keywords, Keywords::Dropped | Keywords::Only(_)) {
            flags.drop_keywords_but(profile.keywords.named());
        }
        let mut store = account.lock();
        if mode != Mode::Remove {
            check_keywords_max(view.mailbox(&mut store)?, [&flags].into_iter(), profile)?;
        }
        let mut vanished = false;
        let mut modified = Vec::new();
        for (number, uid) in found {
            let name = view.name_in(&store);
            let mailbox = view.mailbox(&mut store)?;
            let Some(stored) = mailbox.messages.get(&uid) else {
                vanished = true;
                continue;
            };
            let modseq = stored.told_modseq(profile.mod_sequences);
            if arguments.unchanged_since.is_some_and(|since| modseq > since) {
                modified.push(match by {
                    By::Uid => uid,
                    By::Sequence => u32::try_from(number).unwrap_or(u32::MAX),
                });
                continue;
            }
            let after = apply(mode, &flags, &stored.message.flags);
            if stored.message.flags != after
                && let Some(modseq) = store.change_flags(&name, uid, after)
            {
                view.note_own(modseq);
            }
            let stored = view.mailbox(&mut store)?.messages.get(&uid);
            if let Some(items) = stored.and_then(|stored| reply.items(stored, view)) {
                out.line(format!("* {number} FETCH ({items})"));
            }
        }
        match (vanished, modified.is_empty()) {
            (_, false) => {
                Ok(format!("[MODIFIED {}] Conditional STORE failed", set_text(&modified)))
            }
            (true, true) => Ok("[EXPUNGEISSUED] Some messages were expunged meanwhile".to_owned()),
            (false, true) => done_by(by, "Store"),
        }
    }

    /// Takes away the messages marked `\Deleted`; of these UIDs only, where they are given.
    /// The EXPUNGE lines are told as for any other session's doing.
    pub(super) fn expunge(&mut self, uids: Option<&SequenceSet>) -> Answer {
        let account = self.account()?;
        let (dialect, kind) = (self.dialect(), self.profile().mod_sequences);
        let view = self.view()?;
        let among: Vec<u32> = match uids {
            None => view.uids().to_vec(),
            Some(set) => view.select(By::Uid, set)?.into_iter().map(|(_, uid)| uid).collect(),
        };
        view.check_writable()?;
        let mut store = account.lock();
        let name = view.name_in(&store);
        let mut gone = 0;
        for uid in among {
            let stored = view.mailbox(&mut store)?.messages.get(&uid);
            if stored.is_some_and(|stored| stored.message.flags.contains("\\Deleted")) {
                gone += u32::from(store.withdraw(&name, uid));
            }
        }
        let mailbox = view.mailbox(&mut store)?;
        if let (1.., Aware::Vanished, Some(highest)) = (gone, dialect, mailbox.highest_modseq(kind))
        {
            // RFC 7162 §3.2.7
            return Ok(format!("[HIGHESTMODSEQ {highest}] Expunged"));
        }
        match uids {
            None => done("Expunge"),
            Some(_) => done("UID Expunge"),
        }
    }

    pub(super) fn transfer(
        &mut self,
        found: &[(usize, u32)],
        target: &[u8],
        kind: Transfer,
        out: &mut Out,
    ) -> Answer {
        let account = self.account()?;
        let state = self.state.clone();
        let profile = state.profile();
        let target = name::accept(target, profile)?;
        let view = self.view()?;
        if kind == Transfer::Move {
            view.check_writable()?;
        }
        let mut store = account.lock();
        if !store.mailboxes.contains_key(&target) {
            return Err(missing());
        }
        let name = view.name_in(&store);
        let mailbox = view.mailbox(&mut store)?;
        let mut octets = 0;
        for (_, uid) in found {
            let Some(stored) = mailbox.messages.get(uid) else {
                return Err(Refusal::no("[EXPUNGEISSUED] Some messages were expunged meanwhile"));
            };
            octets += stored.message.octets.len() as u64;
        }
        if kind == Transfer::Copy {
            check_quota(&store, profile, octets, found.len())?;
        }
        let from: Vec<u32> = found.iter().map(|(_, uid)| *uid).collect();
        let to: Vec<u32> =
            from.iter().filter_map(|uid| store.copy_over(&name, *uid, &target)).collect();
        let Some(receiver) = store.mailboxes.get_mut(&target) else { return Err(missing()) };
        let copies = profile.habits.copies;
        alter_copies(receiver, &to, copies);
        let validity = receiver.uid_validity;
        let told = profile.has(Extension::UidPlus) && !from.is_empty() && copies != Copies::Untold;
        let code = format!("[COPYUID {validity} {} {}]", set_text(&from), set_text(&to));
        if kind == Transfer::Copy {
            return Ok(if told {
                format!("{code} Copy completed")
            } else {
                "Copy completed".into()
            });
        }
        for uid in from {
            store.withdraw(&name, uid);
        }
        if told {
            // Untagged and before the EXPUNGEs (RFC 6851 §4.3).
            out.line(format!("* OK {code} Moved"));
        }
        done("Move")
    }
}

/// Makes of copies what this server makes of them.
fn alter_copies(mailbox: &mut Mailbox, uids: &[u32], copies: Copies) {
    for uid in uids {
        let Some(stored) = mailbox.messages.get_mut(uid) else { continue };
        match copies {
            Copies::Faithful | Copies::Untold => {}
            Copies::DatedAnew => {
                stored.message.date = Date::utc(stored.message.date.seconds + 86_400);
            }
            Copies::WithoutKeywords => stored.message.flags.drop_keywords_but(&[]),
        }
    }
}

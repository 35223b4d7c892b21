//! STORE, COPY, MOVE, EXPUNGE: what changes the messages of the selected mailbox.

use super::append::{check_keywords, check_keywords_max, check_quota, missing};
use super::command::Transfer;
use super::flags::Flags;
use super::mailstore::NewMessage;
use super::name;
use super::parse::{By, Cursor, Parsed, Refusal, SequenceSet, set_text};
use super::profile::{Extension, Keywords, UidPlace};
use super::session::{Answer, Session, done, done_by};
use super::wire::Out;

/// Arguments of STORE and UID STORE.
#[derive(Debug)]
pub(super) struct StoreArguments {
    by: By,
    set: SequenceSet,
    mode: Mode,
    echo: Echo,
    flags: Flags,
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
    pub(super) fn parse(by: By, cursor: &mut Cursor<'_>) -> Parsed<Self> {
        let set = cursor.sequence_set()?;
        cursor.space()?;
        let item = cursor.keyword()?;
        let (item, echo) = match item.strip_suffix(".SILENT") {
            Some(item) => (item, Echo::Silent),
            None => (item.as_str(), Echo::Told),
        };
        let mode = match item {
            "FLAGS" => Mode::Replace,
            "+FLAGS" => Mode::Add,
            "-FLAGS" => Mode::Remove,
            _ => return Err(Refusal::bad(format!("Unknown STORE item {item}"))),
        };
        cursor.space()?;
        let listed = if cursor.peek() == Some(b'(') {
            cursor.list(0, Cursor::flag)?
        } else {
            let mut listed = vec![cursor.flag()?];
            while cursor.skip(b' ') {
                listed.push(cursor.flag()?);
            }
            listed
        };
        let flags = listed.iter().map(String::as_str).collect();
        Ok(Self { by, set, mode, echo, flags })
    }

    fn apply(&self, before: &Flags) -> Flags {
        if self.mode == Mode::Replace {
            return self.flags.clone();
        }
        let mut after = before.clone();
        for flag in self.flags.iter() {
            match self.mode {
                Mode::Remove => after.remove(flag),
                _ => after.insert(flag),
            };
        }
        after
    }
}

impl Session {
    pub(super) fn store(&mut self, mut arguments: StoreArguments, out: &mut Out) -> Answer {
        let account = self.account()?;
        let state = self.state.clone();
        let profile = state.profile();
        let view = self.view()?;
        let found = view.select(arguments.by, &arguments.set)?;
        view.check_writable()?;
        check_keywords(&arguments.flags, profile)?;
        if profile.keywords == Keywords::Dropped {
            arguments.flags.drop_keywords();
        }
        let mut store = account.lock();
        let mailbox = view.mailbox(&mut store)?;
        if arguments.mode != Mode::Remove {
            check_keywords_max(mailbox, [&arguments.flags].into_iter(), profile)?;
        }
        let mut vanished = false;
        for (number, uid) in found {
            let Some(stored) = mailbox.messages.get(&uid) else {
                vanished = true;
                continue;
            };
            let after = arguments.apply(&stored.message.flags);
            if stored.message.flags != after
                && let Some(modseq) = mailbox.set_flags(uid, after)
            {
                view.note_own(modseq);
            }
            if let (Echo::Told, Some(stored)) = (arguments.echo, mailbox.messages.get(&uid)) {
                let flags = format!("FLAGS {}", view.flags_text(&stored.message));
                let items = match (arguments.by, profile.uid_place) {
                    (By::Sequence, _) => flags,
                    (By::Uid, UidPlace::First) => format!("UID {uid} {flags}"),
                    (By::Uid, UidPlace::Last) => format!("{flags} UID {uid}"),
                };
                out.line(format!("* {number} FETCH ({items})"));
            }
        }
        match vanished {
            true => Ok("[EXPUNGEISSUED] Some messages were expunged meanwhile".to_owned()),
            false => done_by(arguments.by, "Store"),
        }
    }

    /// Takes away the messages marked `\Deleted`; of these UIDs only, where they are given.
    /// The EXPUNGE lines are told as for any other session's doing.
    pub(super) fn expunge(&mut self, uids: Option<&SequenceSet>) -> Answer {
        let account = self.account()?;
        let view = self.view()?;
        let among: Vec<u32> = match uids {
            None => view.uids().to_vec(),
            Some(set) => view.select(By::Uid, set)?.into_iter().map(|(_, uid)| uid).collect(),
        };
        view.check_writable()?;
        let mut store = account.lock();
        let mailbox = view.mailbox(&mut store)?;
        for uid in among {
            let stored = mailbox.messages.get(&uid);
            if stored.is_some_and(|stored| stored.message.flags.contains("\\Deleted")) {
                mailbox.expunge(uid);
            }
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
        let mailbox = view.mailbox(&mut store)?;
        let mut copies = Vec::with_capacity(found.len());
        for (_, uid) in found {
            let Some(stored) = mailbox.messages.get(uid) else {
                return Err(Refusal::no("[EXPUNGEISSUED] Some messages were expunged meanwhile"));
            };
            let message = stored.message.clone();
            copies.push(NewMessage {
                flags: message.flags,
                date: message.date,
                octets: message.octets,
            });
        }
        if kind == Transfer::Copy {
            let octets = copies.iter().map(|copy| copy.octets.len() as u64).sum();
            check_quota(&store, profile, octets, copies.len())?;
        }
        let from: Vec<u32> = found.iter().map(|(_, uid)| *uid).collect();
        let Some(receiver) = store.mailboxes.get_mut(&target) else { return Err(missing()) };
        let to: Vec<u32> = copies.into_iter().map(|copy| receiver.append(copy)).collect();
        let validity = receiver.uid_validity;
        let told = profile.has(Extension::UidPlus) && !from.is_empty();
        let code = format!("[COPYUID {validity} {} {}]", set_text(&from), set_text(&to));
        if kind == Transfer::Copy {
            return Ok(if told {
                format!("{code} Copy completed")
            } else {
                "Copy completed".into()
            });
        }
        let mailbox = view.mailbox(&mut store)?;
        for uid in from {
            mailbox.expunge(uid);
        }
        if told {
            // Untagged and before the EXPUNGEs (RFC 6851 §4.3).
            out.line(format!("* OK {code} Moved"));
        }
        done("Move")
    }
}

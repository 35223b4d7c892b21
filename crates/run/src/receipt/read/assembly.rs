//! From lines to rows.

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::Arc;

use mailferry_engine::message::{Flag, FlagSet, Uid};
use mailferry_engine::name::{MailboxName, read_escaped};

use super::super::line::{Heading, Line, MailboxLine, Text, VERSION, Why};
use super::super::moves::read_key;
use super::super::{About, RunId, Tally, ranges};
use super::{
    Change, Departed, Departures, Fate, Finish, Going, MESSAGES_MAX, Part, ReadReceipt, Reason,
    Relabelled, RemovalFate, Row, Spans,
};

/// A receipt that is being read.
pub(super) struct Assembly {
    receipt: ReadReceipt,
    /// Messages that each mailbox to be deleted holds,
    to_delete: HashMap<MailboxName, Option<u32>>,
    /// and which of them are subscribed.
    to_unsubscribe: HashSet<MailboxName>,
    /// Messages that were told of, those of which it was told again included.
    told: u64,
}

impl Assembly {
    /// `None` where it is of another version.
    pub(super) fn new(path: &Path, heading: &Heading<'_>) -> Option<Self> {
        if heading.version != VERSION {
            return None;
        }
        let receipt = ReadReceipt {
            run: RunId::parse(&heading.run)?,
            about: About::of(heading),
            finish: Finish::Killed,
            ended: None,
            digest: String::new(),
            unsealed: 0,
            parts: Vec::new(),
            changes: Vec::new(),
            labels: Vec::new(),
            created: Vec::new(),
            deleted: Vec::new(),
            departures: Vec::new(),
            pruned: Vec::new(),
            subscribed: Vec::new(),
            unsubscribed: Vec::new(),
            faults: Vec::new(),
            path: path.to_owned(),
            end: None,
            doubles: Vec::new(),
            reasons: Vec::new(),
            repaired: HashMap::new(),
            kept_aside: HashMap::new(),
            source_removed: HashSet::new(),
            flags_failed: HashMap::new(),
        };
        let (to_delete, to_unsubscribe) = (HashMap::new(), HashSet::new());
        Some(Self { receipt, to_delete, to_unsubscribe, told: 0 })
    }

    /// Whether a line was not taken because it tells of more messages than an account has.
    pub(super) fn tells_of_too_many(&self) -> bool {
        self.told > MESSAGES_MAX
    }

    /// Takes a line; `None` where it makes no sense.
    pub(super) fn take(&mut self, place: u64, line: Line<'_>) -> Option<()> {
        match line {
            Line::Mailbox(line) => self.take_mailbox(&line),
            Line::Again { m, source_uid_validity, target_uid_validity, listed } => {
                let part = self.receipt.parts.get_mut(m as usize)?;
                part.rows = Spans::default();
                part.as_in = None;
                part.listed = listed;
                part.source_uid_validity = source_uid_validity;
                part.target_uid_validity = target_uid_validity;
                Some(())
            }
            Line::RemovalsAgain { m } => {
                self.receipt.parts.get_mut(m as usize)?.removals = Spans::default();
                Some(())
            }
            Line::Copy { m, uids } => self.add_rows(m, &uids, Fate::NotStarted, None),
            Line::Present { m, uids } | Line::UpdateFlags { m, uids } => {
                self.add_rows(m, &uids, Fate::Present, None)
            }
            Line::Skip { m, why, limit, uids } => {
                self.add_rows(m, &uids, Fate::Skipped(why, limit), None)
            }
            Line::Problem { m, kind, words, uids } => {
                let reason = self.add_reason(&kind, &words);
                self.add_rows(m, &uids, Fate::Failed, reason)
            }
            Line::Remove { m, why, uids } => self.add_removals(m, &uids, &why),
            Line::DeleteMailbox { mailbox, messages, subscribed } => {
                self.to_delete.insert(name(&mailbox)?, messages);
                self.to_unsubscribe.extend(subscribed.then_some(name(&mailbox)?));
                Some(())
            }
            Line::PruneMailbox { mailbox, messages } => {
                self.to_delete.insert(name(&mailbox)?, messages);
                Some(())
            }
            Line::Receipt(_) | Line::Seal(_) => None,
            outcome => self.take_outcome(place, outcome),
        }
    }

    fn take_mailbox(&mut self, line: &MailboxLine<'_>) -> Option<()> {
        if line.m as usize != self.receipt.parts.len() {
            return None;
        }
        let unchanged = line.unchanged.as_ref();
        let as_in = match unchanged {
            Some(unchanged) => Some(RunId::parse(&unchanged.as_in)?),
            None => None,
        };
        self.receipt.parts.push(Part {
            source: name(&line.source)?,
            target: name(&line.target)?,
            source_uid_validity: line.source_uid_validity,
            target_uid_validity: line.target_uid_validity,
            as_in,
            listed: line.listed,
            rows: Spans::default(),
            removals: Spans::default(),
            digest: unchanged.map(|unchanged| unchanged.digest.to_string()).unwrap_or_default(),
            told: unchanged.map_or(Tally::default(), |unchanged| unchanged.tally),
        });
        Some(())
    }

    fn add_rows(&mut self, m: u32, uids: &str, fate: Fate, reason: Option<u32>) -> Option<()> {
        let part = self.receipt.parts.get_mut(m as usize)?;
        ranges::read(uids, |span| {
            self.told = self.told.saturating_add(span.messages());
            if self.told > MESSAGES_MAX {
                return None;
            }
            part.rows.add(span, Row { target: span.other, fate, reason, place: 0 })?;
            (part.rows.messages() <= part.listed).then_some(())
        })
    }

    fn add_reason(&mut self, kind: &str, words: &str) -> Option<u32> {
        let at = u32::try_from(self.receipt.reasons.len()).ok();
        self.receipt.reasons.push(Reason { kind: kind.to_owned(), words: words.to_owned() });
        at
    }

    fn add_removals(&mut self, m: u32, uids: &str, why: &str) -> Option<()> {
        let part = self.receipt.parts.get_mut(m as usize)?;
        let why: Arc<str> = why.into();
        ranges::read(uids, |span| {
            self.told = self.told.saturating_add(span.messages());
            if self.told > MESSAGES_MAX {
                return None;
            }
            part.removals.add(span, Going { why: why.clone(), fate: RemovalFate::NotStarted })
        })
    }

    fn take_outcome(&mut self, place: u64, line: Line<'_>) -> Option<()> {
        match line {
            Line::Sent { m, uid, .. } => {
                let row = self.row(m, uid)?;
                row.place = place;
                if row.fate == Fate::NotStarted {
                    row.fate = Fate::Unknown;
                }
            }
            Line::Copied { m, uid, target } => {
                let row = self.row(m, uid)?;
                row.fate = Fate::Copied;
                row.target = Uid::new(target);
            }
            Line::LeftOut { m, uid, .. } => {
                self.row(m, uid)?.fate = Fate::Skipped(Why::Content, 0);
            }
            Line::Failed { m, uid, kind, words } => self.take_failed((m, uid), &kind, &words)?,
            Line::Flags { m, uid, before, after } => {
                let part = m as usize;
                let (before, after) = (flags(&before)?, flags(&after)?);
                self.receipt.changes.push(Change { part, uid: Uid::new(uid)?, before, after });
            }
            Line::Labels { m, uid, added, taken } => {
                let (part, uid) = (m as usize, Uid::new(uid)?);
                let (added, taken) = (flags(&added)?, flags(&taken)?);
                self.receipt.labels.push(Relabelled { part, uid, added, taken });
            }
            Line::FlagsFailed { m, uid, words } => {
                let key = (m as usize, Uid::new(uid)?);
                self.receipt.flags_failed.insert(key, words.into_owned());
            }
            Line::Removed { m, uid } => self.removal(m, uid)?.fate = RemovalFate::Removed,
            Line::SourceRemoved { m, uid } => {
                self.receipt.source_removed.insert((m as usize, Uid::new(uid)?));
            }
            Line::RemoveFailed { m, uid, words } => {
                self.removal(m, uid)?.fate = RemovalFate::Failed(words.into_owned());
            }
            Line::DoubleRemoved { m, uid } => {
                self.receipt.parts.get(m as usize)?;
                self.receipt.doubles.push((m as usize, Uid::new(uid)?));
            }
            Line::Repaired { m, uid, steps } => {
                let steps = steps.into_iter().map(|step| step.into_owned()).collect();
                self.receipt.repaired.insert((m as usize, Uid::new(uid)?), steps);
            }
            Line::KeptAside { m, uid, path } => {
                let key = (m as usize, Uid::new(uid)?);
                self.receipt.kept_aside.insert(key, path.into_owned());
            }
            Line::Fault { mailbox, words, .. } => {
                let mailbox = mailbox.and_then(|mailbox| name(&mailbox));
                self.receipt.faults.push((mailbox, words.into_owned()));
            }
            Line::TargetUidValidity { m, uid_validity } => {
                let target = self.receipt.parts.get(m as usize)?.target.clone();
                let parts = self.receipt.parts.iter_mut();
                parts
                    .filter(|part| part.target == target)
                    .for_each(|part| part.target_uid_validity = uid_validity);
            }
            Line::End(end) => self.receipt.end = Some(end),
            other => self.take_mailboxes_outcome(other)?,
        }
        Some(())
    }

    /// What was done to mailboxes, and to messages that are kept.
    fn take_mailboxes_outcome(&mut self, line: Line<'_>) -> Option<()> {
        match line {
            Line::Created { mailbox } => self.receipt.created.push(name(&mailbox)?),
            Line::Subscribed { mailbox } => self.receipt.subscribed.push(name(&mailbox)?),
            Line::Unsubscribed { mailbox } => self.receipt.unsubscribed.push(name(&mailbox)?),
            Line::MailboxDeleted { mailbox } => {
                let mailbox = name(&mailbox)?;
                let messages = self.to_delete.get(&mailbox).copied().flatten();
                self.receipt.unsubscribed.extend(self.to_unsubscribe.take(&mailbox));
                self.receipt.deleted.push((mailbox, messages));
            }
            Line::Pruned { mailbox } => {
                let mailbox = name(&mailbox)?;
                let messages = self.to_delete.get(&mailbox).copied().flatten();
                self.receipt.pruned.push((mailbox, messages));
            }
            Line::MoveFrom { f, mailbox, uid_validity, to } => {
                if f as usize != self.receipt.departures.len() {
                    return None;
                }
                let (mailbox, to) = (name(&mailbox)?, name(&to)?);
                let messages = Vec::new();
                self.receipt.departures.push(Departures { mailbox, uid_validity, to, messages });
            }
            Line::Moving { f, uid, key, octets, date } => {
                let (uid, key) = (Uid::new(uid)?, read_key(&key)?);
                let messages = &mut self.receipt.departures.get_mut(f as usize)?.messages;
                // Told of once more where a connection broke in between.
                if let Err(at) = messages.binary_search_by_key(&uid, |message| message.uid) {
                    let (is_moved, since) = (false, None);
                    messages.insert(at, Departed { uid, key, octets, date, is_moved, since });
                }
            }
            Line::Moved { f, uid, target, uid_validity } => {
                self.take_moved((f, Uid::new(uid)?), (target, uid_validity))?;
            }
            _ => {}
        }
        Some(())
    }

    fn take_moved(
        &mut self,
        (f, uid): (u32, Uid),
        (target, uid_validity): (u32, u32),
    ) -> Option<()> {
        let departures = self.receipt.departures.get_mut(f as usize)?;
        let at = departures.messages.binary_search_by_key(&uid, |message| message.uid).ok()?;
        let message = departures.messages.get_mut(at)?;
        message.is_moved = true;
        message.since = Uid::new(target).map(|target| (uid_validity, target));
        // A mailbox that was deleted feeds no part, and has no removals.
        let (mailbox, to) = (departures.mailbox.clone(), departures.to.clone());
        let part = self.receipt.parts.iter().position(|part| part.target == mailbox);
        let part = part.and_then(|part| u32::try_from(part).ok());
        if let Some(removal) = part.and_then(|part| self.removal(part, uid.value())) {
            removal.fate = RemovalFate::Moved(to);
        }
        Some(())
    }

    fn take_failed(&mut self, (m, uid): (u32, u32), kind: &str, words: &str) -> Option<()> {
        let reason = self.add_reason(kind, words);
        let row = self.row(m, uid)?;
        row.fate = if kind == "expunged" { Fate::Expunged } else { Fate::Failed };
        row.reason = reason;
        Some(())
    }

    fn row(&mut self, m: u32, uid: u32) -> Option<&mut Row> {
        self.receipt.parts.get_mut(m as usize)?.rows.find(Uid::new(uid)?)
    }

    fn removal(&mut self, m: u32, uid: u32) -> Option<&mut Going> {
        self.receipt.parts.get_mut(m as usize)?.removals.find(Uid::new(uid)?)
    }

    pub(super) fn finish(mut self) -> ReadReceipt {
        // A run that came to its end has no message of which nothing is known.
        if self.receipt.end.is_some() {
            let rows = self.receipt.parts.iter_mut().flat_map(|part| part.rows.known_mut());
            rows.filter(|row| row.fate == Fate::Unknown)
                .for_each(|row| row.fate = Fate::NotStarted);
        }
        self.receipt.changes.sort_by_key(|change| (change.part, change.uid));
        self.receipt
    }
}

fn flags(texts: &[Text<'_>]) -> Option<FlagSet> {
    texts.iter().map(|text| Some(Flag::new(&read_escaped(text)?))).collect()
}

fn name(text: &str) -> Option<MailboxName> {
    read_escaped(text).map(MailboxName::new)
}

//! One message of a receipt, with what it is called.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

use mailferry_engine::message::Uid;

use super::super::line::Line;
use super::super::{Headline, ReceiptError};
use super::{Change, Fate, ReadReceipt, Row};

/// One message of the source and what became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message<'a> {
    /// Its UID on the source.
    pub uid: Uid,
    /// What became of it.
    pub fate: Fate,
    /// Its UID on the target, where that is known.
    pub target: Option<Uid>,
    /// How long it is, where it was sent.
    pub octets: Option<u64>,
    /// What it is called, where it was sent.
    pub headline: Headline,
    /// Why it failed: the kind of fault, and the words.
    pub reason: Option<(&'a str, &'a str)>,
    /// What had to be done to it before the target took it.
    pub repaired: &'a [String],
    /// The file in which it was kept aside.
    pub kept_aside: Option<&'a str>,
    /// Whether it was removed from the source then, its copy being proven.
    pub source_removed: bool,
    /// The flags that were changed.
    pub change: Option<&'a Change>,
    /// Why its flags could not be changed.
    pub flags_failed: Option<&'a str>,
}

impl Message<'_> {
    /// In a later run, nothing of it was done.
    pub(super) fn forget_what_was_done(&mut self) {
        self.repaired = &[];
        self.kept_aside = None;
        self.source_removed = false;
        self.change = None;
        self.flags_failed = None;
    }
}

impl ReadReceipt {
    pub(super) fn message(
        &self,
        part: usize,
        (uid, row): (Uid, &Row),
        places: &mut Places,
    ) -> Result<Message<'_>, ReceiptError> {
        let reason = row.reason.and_then(|at| self.reasons.get(at as usize));
        let sent = if row.place == 0 { None } else { Some(places.sent_at(row.place)?) };
        let (octets, headline) = sent.unzip();
        let on_target = row.target.map(|target| (part, target));
        let change = on_target.and_then(|(_, target)| self.change_of(part, target));
        let flags_failed = on_target.and_then(|key| self.flags_failed.get(&key));
        let source = (part, uid);
        Ok(Message {
            uid,
            fate: row.fate,
            target: row.target,
            octets,
            headline: headline.unwrap_or_default(),
            reason: reason.map(|reason| (&*reason.kind, &*reason.words)),
            repaired: self.repaired.get(&source).map_or(&[], Vec::as_slice),
            kept_aside: self.kept_aside.get(&source).map(String::as_str),
            source_removed: self.source_removed.contains(&source),
            change,
            flags_failed: flags_failed.map(String::as_str),
        })
    }

    /// Several source mailboxes may feed one of the target; what was done there is told of the
    /// first.
    fn change_of(&self, part: usize, target: Uid) -> Option<&Change> {
        let mailbox = &self.parts.get(part)?.target;
        let first = self.parts.iter().position(|part| part.target == *mailbox)?;
        let at =
            self.changes.binary_search_by_key(&(first, target), |it| (it.part, it.uid)).ok()?;
        self.changes.get(at)
    }
}

/// Reads lines where they are known to begin.
pub(super) struct Places {
    path: PathBuf,
    file: BufReader<File>,
    at: u64,
    line: Vec<u8>,
}

impl Places {
    pub(super) fn open(path: &Path) -> Result<Self, ReceiptError> {
        let file = File::open(path);
        let file = file.map_err(|error| ReceiptError::Read { path: path.to_owned(), error })?;
        let file = BufReader::with_capacity(64 * 1024, file);
        Ok(Self { path: path.to_owned(), file, at: 0, line: Vec::new() })
    }

    fn sent_at(&mut self, place: u64) -> Result<(u64, Headline), ReceiptError> {
        self.line.clear();
        let distance = place.cast_signed() - self.at.cast_signed();
        let read = self
            .file
            .seek_relative(distance)
            .and_then(|()| self.file.read_until(b'\n', &mut self.line));
        let read = read.map_err(|error| ReceiptError::Read { path: self.path.clone(), error })?;
        self.at = place + read as u64;
        match serde_json::from_slice(&self.line) {
            Ok(Line::Sent { octets, id, subject, .. }) => {
                let (message_id, subject) = (id.into_owned(), subject.into_owned());
                Ok((octets, Headline { message_id, subject }))
            }
            _ => Err(ReceiptError::NotUnderstood { path: self.path.clone(), line: 0 }),
        }
    }
}

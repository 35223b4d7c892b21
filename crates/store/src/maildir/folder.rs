//! What is in the folders of a Maildir++.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use mailferry_engine::fault::{Fault, FaultKind, Side};
use mailferry_engine::listing::{AccountListing, MailboxInfo, Mark};
use mailferry_engine::message::{InternalDate, Uid};
use mailferry_engine::name::MailboxName;

use super::lock::{Lock, read_or_empty, replace};
use super::uid_list::UidList;
use super::{DELIMITER, disk, folder_of, info, mailbox_of, subscriptions};
use crate::files::{Catalogue, FileMailbox, FileMessage, info as info_of, no_such_mailbox};

/// Where messages are found.
const ROOMS: [&str; 2] = ["cur", "new"];

/// Whether UIDs that are given to files are written down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// They are.
    Target,
    /// Nothing is written: a source is only read.
    Source,
}

/// A Maildir++ as a catalogue. The mailbox that was looked into last is remembered.
pub(super) struct MaildirCatalogue {
    pub(super) root: PathBuf,
    role: Role,
    last: Option<Arc<FileMailbox>>,
}

/// A folder as it was found.
pub(super) struct Found {
    pub(super) mailbox: FileMailbox,
    pub(super) keywords: Vec<String>,
}

/// One file that holds a message.
struct Entry {
    path: PathBuf,
    name: String,
}

impl MaildirCatalogue {
    pub(super) fn new(root: PathBuf, role: Role) -> Self {
        Self { root, role, last: None }
    }

    pub(super) fn side(&self) -> Side {
        match self.role {
            Role::Source => Side::Source,
            Role::Target => Side::Target,
        }
    }

    /// What was known is no longer so.
    pub(super) fn forget(&mut self) {
        self.last = None;
    }

    /// The folder of a mailbox that is there.
    pub(super) fn folder(&self, name: &MailboxName) -> Result<PathBuf, Fault> {
        let folder = folder_of(&self.root, name).filter(|folder| folder.join("cur").is_dir());
        folder.ok_or_else(|| Fault { side: self.side(), ..no_such_mailbox(name) })
    }

    /// Looks into a folder.
    pub(super) fn look(&self, name: &MailboxName) -> Result<Found, Fault> {
        let folder = self.folder(name)?;
        let found = self.look_into(&folder, name);
        found.map_err(|error| {
            disk(self.side(), FaultKind::ListingIncomplete, &folder, &error).in_mailbox(name)
        })
    }

    fn look_into(&self, folder: &Path, name: &MailboxName) -> io::Result<Found> {
        let keywords = info::read_keywords(&read_or_empty(&folder.join("dovecot-keywords"))?);
        let entries = entries(folder)?;
        let mut list = read_list(folder)?;
        let is_new = |list: &UidList, base: &str| !list.rows.contains_key(base);
        if entries.keys().any(|base| is_new(&list, base)) || list.rows.is_empty() {
            // Another program may be giving UIDs to the same files.
            let lock = match self.role {
                Role::Target => Some(Lock::take(folder)?),
                Role::Source => None,
            };
            if lock.is_some() {
                list = read_list(folder)?;
            }
            // Names begin with the time of delivery.
            let unlisted = entries.keys().filter(|base| is_new(&list, base));
            for base in unlisted.cloned().collect::<Vec<_>>() {
                list.add(&base);
            }
            if lock.is_some() {
                list.rows.retain(|base, _| entries.contains_key(base));
                replace(&folder.join("dovecot-uidlist"), &list.write())?;
            }
        }
        let mut messages = Vec::with_capacity(entries.len());
        for (base, entry) in &entries {
            let Some(&(uid, _)) = list.rows.get(base) else { continue };
            match entry.message(uid, &keywords) {
                Ok(message) => messages.extend(message),
                // It was removed, or got other flags, since the folder was read.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        messages.sort_by_key(|message| message.uid);
        let (uid_validity, uid_next) = (list.validity, list.next);
        let mailbox = FileMailbox { name: name.clone(), uid_validity, uid_next, messages };
        Ok(Found { mailbox, keywords })
    }

    /// What can be told of a mailbox without looking at its messages.
    fn glance(&self, name: &MailboxName) -> io::Result<Mark> {
        // A root without `cur` is an INBOX that nobody has delivered to yet.
        let Ok(folder) = self.folder(name) else { return Ok(empty_mark()) };
        let (entries, list) = (entries(&folder)?, read_list(&folder)?);
        let unlisted = entries.keys().filter(|base| !list.rows.contains_key(*base)).count();
        Ok(Mark {
            uid_validity: list.validity,
            uid_next: list.next.saturating_add(u32::try_from(unlisted).unwrap_or(u32::MAX)),
            messages: u32::try_from(entries.len()).ok(),
            ..Mark::default()
        })
    }

    fn names(&self) -> io::Result<Vec<MailboxName>> {
        let mut names = vec![MailboxName::new(MailboxName::INBOX)];
        for entry in fs::read_dir(&self.root)? {
            let entry = entry?;
            if entry.path().join("cur").is_dir() {
                names.extend(mailbox_of(&entry.file_name()));
            }
        }
        names.sort();
        Ok(names)
    }

    pub(super) fn subscriptions(&self) -> io::Result<BTreeSet<MailboxName>> {
        read_or_empty(&self.root.join("subscriptions")).map(|text| subscriptions::read(&text))
    }
}

impl Entry {
    fn message(&self, uid: u32, keywords: &[String]) -> io::Result<Option<FileMessage>> {
        let metadata = fs::metadata(&self.path)?;
        let Some(uid) = Uid::new(uid).filter(|_| metadata.is_file()) else { return Ok(None) };
        let seconds = match metadata.modified()?.duration_since(UNIX_EPOCH) {
            Ok(since) => i64::try_from(since.as_secs()).unwrap_or(i64::MAX),
            Err(before) => -i64::try_from(before.duration().as_secs()).unwrap_or(i64::MAX),
        };
        Ok(Some(FileMessage {
            uid,
            flags: info::flags(&self.name, keywords),
            date: InternalDate::new(seconds, 0),
            octets: metadata.len(),
            path: self.path.clone(),
        }))
    }
}

/// The messages of a folder, by the part of their names that stays.
fn entries(folder: &Path) -> io::Result<BTreeMap<Box<str>, Entry>> {
    let mut entries = BTreeMap::new();
    for room in ROOMS {
        let room = folder.join(room);
        let read = match fs::read_dir(&room) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            read => read?,
        };
        for entry in read {
            let entry = entry?;
            // A name that is no text was not made by a program for mail.
            let Ok(name) = entry.file_name().into_string() else { continue };
            if !name.starts_with('.') {
                entries.insert(info::base(&name).into(), Entry { path: entry.path(), name });
            }
        }
    }
    Ok(entries)
}

fn read_list(folder: &Path) -> io::Result<UidList> {
    let text = read_or_empty(&folder.join("dovecot-uidlist"))?;
    Ok(UidList::read(&text).unwrap_or_else(|| UidList::new(fresh_validity())))
}

/// Larger each second (RFC 9051 §2.3.1.1).
pub(super) fn fresh_validity() -> u32 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u32::try_from(since.as_secs()).unwrap_or(u32::MAX).max(1)
}

impl Catalogue for MaildirCatalogue {
    fn account(&mut self) -> Result<AccountListing, Fault> {
        let side = self.side();
        let failed = |error: io::Error| disk(side, FaultKind::Connection, &self.root, &error);
        let subscribed = self.subscriptions().map_err(failed)?;
        let mut mailboxes: Vec<MailboxInfo> = Vec::new();
        for name in self.names().map_err(failed)? {
            let mark = self.glance(&name).map_err(failed)?;
            let subscribed = subscribed.contains(&name);
            mailboxes.push(MailboxInfo { subscribed, ..info_of(&name, Some(DELIMITER), mark) });
        }
        Ok(AccountListing { mailboxes, prefix: Box::default(), delimiter: Some(DELIMITER) })
    }

    fn mailbox(&mut self, name: &MailboxName) -> Result<Arc<FileMailbox>, Fault> {
        self.last = None;
        let found = match self.look(name) {
            Ok(found) => Arc::new(found.mailbox),
            Err(fault) if name.is_inbox() && fault.kind == FaultKind::Select => {
                Arc::new(empty(name))
            }
            Err(fault) => return Err(fault),
        };
        self.last = Some(found.clone());
        Ok(found)
    }

    fn known(&mut self, name: &MailboxName) -> Result<Arc<FileMailbox>, Fault> {
        match &self.last {
            Some(last) if last.name == *name => Ok(last.clone()),
            _ => self.mailbox(name),
        }
    }
}

fn empty_mark() -> Mark {
    Mark { uid_validity: 1, uid_next: 1, messages: Some(0), ..Mark::default() }
}

fn empty(name: &MailboxName) -> FileMailbox {
    FileMailbox { name: name.clone(), uid_validity: 1, uid_next: 1, messages: Vec::new() }
}

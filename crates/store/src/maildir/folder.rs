//! What is in the folders of a Maildir.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use mailferry_engine::fault::{Fault, FaultKind, Side};
use mailferry_engine::listing::{AccountListing, MailboxInfo, Mark};
use mailferry_engine::message::Uid;
use mailferry_engine::name::MailboxName;

use super::target::Lists;
use super::uid_list::UidList;
use super::{Layout, info, list_lock, subscriptions};
use crate::files::disk::{Role, date_of, disk, fresh_validity, likeness, read_or_empty, replace};
use crate::files::{Catalogue, FileMailbox, FileMessage, Part, no_such_mailbox};

/// Where messages are found.
const ROOMS: [&str; 2] = ["cur", "new"];

/// A Maildir as a catalogue. The mailbox that was looked into last is remembered.
pub struct MaildirCatalogue {
    pub(super) root: PathBuf,
    pub(super) layout: Layout,
    role: Role,
    pub(super) lists: Lists,
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
    pub(super) fn new(root: PathBuf, (role, layout): (Role, Layout)) -> Self {
        Self { root, layout, role, lists: Lists::default(), last: None }
    }

    pub(super) fn side(&self) -> Side {
        self.role.side()
    }

    /// What was known is no longer so.
    pub(super) fn forget(&mut self) {
        self.last = None;
    }

    /// The folder of a mailbox that is there.
    pub(super) fn folder(&self, name: &MailboxName) -> Result<PathBuf, Fault> {
        let folder = self.layout.folder_of(&self.root, name);
        let folder = folder.filter(|folder| folder.join("cur").is_dir());
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
        let mut list = self.read_list(folder, &entries)?;
        let is_new = |list: &UidList, base: &str| !list.rows.contains_key(base);
        if entries.keys().any(|base| is_new(&list, base)) || list.rows.is_empty() {
            // Another program may be giving UIDs to the same files.
            let lock = match self.role {
                Role::Target => Some(list_lock(folder)?),
                Role::Source => None,
            };
            if lock.is_some() {
                list = self.read_list(folder, &entries)?;
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

    fn read_list(&self, folder: &Path, entries: &BTreeMap<Box<str>, Entry>) -> io::Result<UidList> {
        let list = UidList::read(&read_or_empty(&folder.join("dovecot-uidlist"))?);
        Ok(list.unwrap_or_else(|| {
            UidList::new(match self.role {
                Role::Target => fresh_validity(),
                Role::Source => likeness(entries.keys().collect::<Vec<_>>()),
            })
        }))
    }

    /// What can be told of a mailbox without looking at its messages.
    fn glance(&self, name: &MailboxName) -> io::Result<Mark> {
        // A root without `cur` is an INBOX that nobody has delivered to yet.
        let Ok(folder) = self.folder(name) else { return Ok(FileMailbox::empty(name).mark()) };
        let entries = entries(&folder)?;
        let list = self.read_list(&folder, &entries)?;
        let unlisted = entries.keys().filter(|base| !list.rows.contains_key(*base)).count();
        Ok(Mark {
            uid_validity: list.validity,
            uid_next: list.next.saturating_add(u32::try_from(unlisted).unwrap_or(u32::MAX)),
            messages: u32::try_from(entries.len()).ok(),
            ..Mark::default()
        })
    }

    pub(super) fn subscriptions(&self) -> io::Result<BTreeSet<MailboxName>> {
        let text = read_or_empty(&self.root.join("subscriptions"))?;
        Ok(subscriptions::read(&text, self.layout.delimiter()))
    }
}

impl Entry {
    fn message(&self, uid: u32, keywords: &[String]) -> io::Result<Option<FileMessage>> {
        let metadata = fs::metadata(&self.path)?;
        let Some(uid) = Uid::new(uid).filter(|_| metadata.is_file()) else { return Ok(None) };
        Ok(Some(FileMessage {
            uid,
            flags: info::flags(&self.name, keywords),
            date: date_of(&metadata)?,
            octets: metadata.len(),
            path: self.path.clone(),
            part: Part::Whole,
            digest: None,
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

impl Catalogue for MaildirCatalogue {
    fn account(&mut self) -> Result<AccountListing, Fault> {
        let side = self.side();
        let failed = |error: io::Error| disk(side, FaultKind::Connection, &self.root, &error);
        let mut subscribed = self.subscriptions().map_err(failed)?;
        let delimiter = Some(self.layout.delimiter());
        let mut mailboxes: Vec<MailboxInfo> = Vec::new();
        for name in self.layout.mailboxes(&self.root).map_err(failed)? {
            let mark = self.glance(&name).map_err(failed)?;
            let subscribed = subscribed.remove(&name);
            mailboxes.push(MailboxInfo { subscribed, ..MailboxInfo::new(name, delimiter, mark) });
        }
        let bare_subscriptions = Some(subscribed.into_iter().collect());
        Ok(AccountListing { mailboxes, delimiter, bare_subscriptions, ..AccountListing::default() })
    }

    fn mailbox(&mut self, name: &MailboxName) -> Result<Arc<FileMailbox>, Fault> {
        self.last = None;
        let found = match self.look(name) {
            Ok(found) => Arc::new(found.mailbox),
            Err(fault) if name.is_inbox() && fault.kind == FaultKind::Select => {
                Arc::new(FileMailbox::empty(name))
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

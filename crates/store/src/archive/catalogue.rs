//! What is in the folders of an archive.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use mailferry_engine::fault::{Fault, FaultKind};
use mailferry_engine::listing::{AccountListing, MailboxInfo};
use mailferry_engine::name::MailboxName;

use super::account::Account;
use super::index::{Index, IndexRow, Place};
use super::mbox::{self, Agreement};
use super::names::{DELIMITER, folder_of, level_of};
use super::{Form, INDEX, eml, lock};
use crate::files::disk::{
    Role, Stamp, disk, fresh_validity, likeness, make_folder, stamp, sync_folder,
};
use crate::files::{Catalogue, FileMailbox, FileMessage, Part, no_such_mailbox};
use crate::lock_file::is_at;

/// Levels of folders that are looked into: a link may lead round in a circle.
const LEVELS_MAX: usize = 64;
/// The end of the name of a message that is on its way.
pub(super) const UNPLACED: &str = ".mailferry-new";

/// An archive as a catalogue. The mailbox that was looked into last is remembered.
pub struct ArchiveCatalogue {
    pub(super) root: PathBuf,
    pub(super) form: Form,
    role: Role,
    last: Option<Arc<FileMailbox>>,
    /// The index of the folder that was delivered to last.
    opened: Option<(PathBuf, Stamp, Index)>,
}

impl ArchiveCatalogue {
    pub(super) fn new(form: Form, root: &Path, role: Role) -> Self {
        Self { root: root.to_owned(), form, role, last: None, opened: None }
    }

    /// What was known is no longer so.
    pub(super) fn forget(&mut self) {
        (self.last, self.opened) = (None, None);
    }

    pub(super) fn failed(&self, kind: FaultKind, at: &Path, error: &io::Error) -> Fault {
        disk(self.role.side(), kind, at, error)
    }

    /// Every mailbox and its folder, but for an INBOX that is not there.
    pub(super) fn walk(&self) -> io::Result<Vec<(MailboxName, PathBuf)>> {
        let mut found = Vec::new();
        if self.form == Form::Mbox && self.root.is_file() {
            return Ok(vec![(MailboxName::new(MailboxName::INBOX), self.root.clone())]);
        }
        self.walk_below(&self.root, (&[], 0), &mut found)?;
        // Files that lie in the folder itself, as other programs leave them.
        if self.role == Role::Source && self.is_mailbox(&self.root)? {
            found.push((MailboxName::new(MailboxName::INBOX), self.root.clone()));
        }
        found.sort();
        if let Some(two) = found.windows(2).find(|two| two[0].0 == two[1].0) {
            let (one, other) = (two[0].1.display(), two[1].1.display());
            let words = format!("{one} and {other} stand for the same mailbox `{}`", two[0].0);
            return Err(io::Error::new(io::ErrorKind::InvalidData, words));
        }
        Ok(found)
    }

    fn walk_below(
        &self,
        folder: &Path,
        (above, levels): (&[u8], usize),
        found: &mut Vec<(MailboxName, PathBuf)>,
    ) -> io::Result<()> {
        if levels > LEVELS_MAX {
            let words = format!("{} is too many levels deep", folder.display());
            return Err(io::Error::new(io::ErrorKind::InvalidData, words));
        }
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            let (path, text) = (entry.path(), entry.file_name().to_string_lossy().into_owned());
            if text.starts_with('.') || !path.is_dir() {
                continue;
            }
            let mut name = above.to_vec();
            name.extend(level_of(&text));
            if self.is_mailbox(&path)? {
                found.push((MailboxName::new(&*name), path.clone()));
            }
            name.push(DELIMITER);
            self.walk_below(&path, (&name, levels + 1), found)?;
        }
        Ok(())
    }

    fn is_mailbox(&self, folder: &Path) -> io::Result<bool> {
        Ok(folder.join(INDEX).is_file()
            || match self.form {
                Form::Eml => eml::holds_messages(folder)?,
                Form::Mbox => mbox::path_of(folder).is_file(),
            })
    }

    /// The folder of a mailbox that is there.
    pub(super) fn folder(&self, name: &MailboxName) -> Result<PathBuf, Fault> {
        let usual = folder_of(&self.root, name.as_bytes());
        if let Some(folder) = usual.filter(|folder| folder.join(INDEX).is_file()) {
            return Ok(folder);
        }
        let failed =
            |error| self.failed(FaultKind::ListingIncomplete, &self.root, &error).in_mailbox(name);
        let found = self.walk().map_err(failed)?.into_iter().find(|(found, _)| found == name);
        let missing = || Fault { side: self.role.side(), ..no_such_mailbox(name) };
        found.map(|(_, folder)| folder).ok_or_else(missing)
    }

    /// Makes the folder of a mailbox, and those above it, where they are missing.
    pub(super) fn make_folder(&self, folder: &Path) -> io::Result<()> {
        make_folder(folder)?;
        let _lock = lock(folder)?;
        if !folder.join(INDEX).is_file() {
            if self.form == Form::Mbox {
                mbox::make(folder)?;
            }
            self.settled(folder)?;
        }
        let above = folder.ancestors().skip(1);
        for folder in above.take_while(|above| above.starts_with(&self.root)) {
            sync_folder(folder)?;
        }
        Ok(())
    }

    pub(super) fn make_inbox(&self) -> io::Result<()> {
        match folder_of(&self.root, MailboxName::INBOX) {
            Some(folder) if !folder.join(INDEX).is_file() => self.make_folder(&folder),
            _ => Ok(()),
        }
    }

    /// What was written down of a folder.
    fn read(&self, folder: &Path) -> io::Result<Index> {
        let index = Index::read(folder)?;
        let is_other = |row: &IndexRow| match row.place {
            Place::File(_) => self.form != Form::Eml,
            Place::Part { .. } => self.form != Form::Mbox,
        };
        // Its messages would all be gone.
        if index.rows.iter().any(is_other) {
            let words = "the archive is of the other form (eml:, mbox:)";
            return Err(io::Error::new(io::ErrorKind::InvalidData, words));
        }
        Ok(index)
    }

    /// What is in a folder.
    fn index(&self, folder: &Path) -> io::Result<Index> {
        let mut index = self.read(folder)?;
        let agreement = self.agree(folder, &mut index)?;
        let is_as_written = agreement == Agreement::Same && index.open_ended;
        if self.role == Role::Target && !is_as_written {
            let _lock = lock(folder)?;
            return self.settled(folder);
        }
        Ok(index)
    }

    /// What is in a folder that is locked; what was left by runs that were killed is taken away.
    pub(super) fn settled(&self, folder: &Path) -> io::Result<Index> {
        let mut index = self.read(folder)?;
        let agreement = self.agree(folder, &mut index)?;
        if agreement == Agreement::Torn {
            mbox::cut(folder, &index)?;
        }
        if agreement != Agreement::Same || !index.open_ended {
            index.write(folder)?;
        }
        remove_left(folder)?;
        Ok(index)
    }

    /// The same, if it was not read a moment ago.
    pub(super) fn take_opened(&mut self, folder: &Path) -> io::Result<Index> {
        let now = stamp(&folder.join(INDEX));
        let opened = self.opened.take().filter(|(of, then, _)| of == folder && Some(*then) == now);
        let Some((.., mut index)) = opened else { return self.settled(folder) };
        // Only where that costs nothing it is looked whether another program was there.
        let is_same = match self.form {
            Form::Eml => true,
            Form::Mbox => mbox::agree(folder, &mut index)? == Agreement::Same,
        };
        if is_same { Ok(index) } else { self.settled(folder) }
    }

    pub(super) fn keep_opened(&mut self, folder: &Path, index: Index) {
        let stamp = stamp(&folder.join(INDEX));
        self.opened = stamp.map(|stamp| (folder.to_owned(), stamp, index));
    }

    fn agree(&self, folder: &Path, index: &mut Index) -> io::Result<Agreement> {
        let agreement = match self.form {
            Form::Eml => eml::agree(folder, index)?,
            Form::Mbox => mbox::agree(folder, index)?,
        };
        if index.validity != 0 {
            return Ok(agreement);
        }
        index.validity = match self.role {
            Role::Target => fresh_validity(),
            // Nothing is written down, and whoever looks next is to see the same.
            Role::Source => {
                let likes = |row: &IndexRow| (row.uid.value(), row.octets, row.place.clone());
                likeness(index.rows.iter().map(likes).collect::<Vec<_>>())
            }
        };
        Ok(if agreement == Agreement::Torn { agreement } else { Agreement::Changed })
    }

    fn look(&self, name: &MailboxName) -> Result<FileMailbox, Fault> {
        let folder = self.folder(name)?;
        let index = self.index(&folder);
        let index = index.map_err(|error| {
            self.failed(FaultKind::ListingIncomplete, &folder, &error).in_mailbox(name)
        })?;
        let message = |row: &IndexRow| row.message(&folder);
        Ok(FileMailbox {
            name: name.clone(),
            uid_validity: index.validity,
            uid_next: index.next,
            messages: index.rows.iter().map(message).collect(),
        })
    }
}

impl IndexRow {
    fn message(&self, folder: &Path) -> FileMessage {
        let (path, part) = match &self.place {
            Place::File(name) => (folder.join(&**name), Part::Whole),
            Place::Part { start, head, stored } => {
                (mbox::path_of(folder), Part::Mbox { offset: start + head, stored: *stored })
            }
        };
        FileMessage {
            uid: self.uid,
            flags: self.flags.clone(),
            date: self.date,
            octets: self.octets,
            path,
            part,
            digest: self.digest,
        }
    }
}

/// Removes what runs that were killed had begun: files that nobody holds.
fn remove_left(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if !path.to_string_lossy().ends_with(UNPLACED) || !path.is_file() {
            continue;
        }
        let Ok(file) = File::open(&path) else { continue };
        if file.try_lock().is_ok() && is_at(&file, &path) {
            fs::remove_file(&path)?;
        }
    }
    Ok(())
}

impl Catalogue for ArchiveCatalogue {
    fn account(&mut self) -> Result<AccountListing, Fault> {
        let failed = |error| self.failed(FaultKind::Connection, &self.root, &error);
        let mut account = Account::read(&self.root).map_err(failed)?;
        let mut found = self.walk().map_err(failed)?;
        let inbox = MailboxName::new(MailboxName::INBOX);
        if found.iter().all(|(name, _)| *name != inbox) {
            found.insert(0, (inbox, self.root.clone()));
        }
        let mut mailboxes: Vec<MailboxInfo> = Vec::with_capacity(found.len());
        for (name, folder) in found {
            // An mbox without an index has to be read to be counted.
            let is_quick = self.form != Form::Mbox || folder.join(INDEX).is_file();
            // What is wrong with one mailbox is told when it is listed.
            let known = is_quick.then(|| self.known(&name).ok()).flatten();
            let mark = known.map(|found| found.mark()).unwrap_or_default();
            mailboxes.push(MailboxInfo {
                subscribed: account.subscribed.remove(&name),
                special_use: account.special_uses.get(&name).copied(),
                ..MailboxInfo::new(name, Some(DELIMITER), mark)
            });
        }
        let bare_subscriptions = Some(account.subscribed.into_iter().collect());
        let delimiter = Some(DELIMITER);
        Ok(AccountListing { mailboxes, delimiter, bare_subscriptions, ..AccountListing::default() })
    }

    fn mailbox(&mut self, name: &MailboxName) -> Result<Arc<FileMailbox>, Fault> {
        self.last = None;
        let found = match self.look(name) {
            Err(fault) if name.is_inbox() && fault.kind == FaultKind::Select => {
                FileMailbox::empty(name)
            }
            found => found?,
        };
        let found = Arc::new(found);
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

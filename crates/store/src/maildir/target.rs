//! A Maildir++ as a target.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use mailferry_engine::fault::{Fault, FaultKind, Side};
use mailferry_engine::message::{Flag, FlagSet, Uid};
use mailferry_engine::name::{MailboxName, SpecialUse};
use mailferry_engine::policy::PermanentFlags;

use super::deliver::Delivery;
use super::folder::{Found, fresh_validity};
use super::lock::{Lock, add, read_or_empty, replace, sync_folder};
use super::uid_list::UidList;
use super::{MaildirAccount, disk, folder_of, info, moving, subscriptions};
use crate::contract::{
    Appended, AsListed, Emptiness, Envelope, FlagUpdate, Moved, Removable, Target, Turn,
};

/// Messages that are put on the disk together.
const WRITTEN_MAX: usize = 100;
/// Octets of them.
const WRITTEN_OCTETS_MAX: u64 = 32 << 20;

/// Makes the folder of a mailbox where it is missing.
pub(super) fn make_folder(folder: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    for room in ["tmp", "new", "cur"] {
        builder.create(folder.join(room))?;
    }
    sync_folder(folder)
}

impl MaildirAccount {
    fn root(&self) -> &Path {
        &self.files.catalogue.root
    }

    fn make(&self, name: &MailboxName) -> Result<(), Fault> {
        let Some(folder) = folder_of(self.root(), name) else {
            let words = "a Maildir cannot have a mailbox of this name";
            return Err(Fault::new(Side::Target, FaultKind::Create, words).in_mailbox(name));
        };
        let made = || {
            make_folder(&folder)?;
            if !name.is_inbox() {
                // Tells a mailbox from a Maildir of its own (Maildir++).
                fs::File::create(folder.join("maildirfolder"))?.sync_all()?;
            }
            if !folder.join("dovecot-uidlist").exists() {
                let list = UidList::new(fresh_validity());
                replace(&folder.join("dovecot-uidlist"), &list.write())?;
            }
            sync_folder(self.root())
        };
        made().map_err(|error| {
            disk(Side::Target, FaultKind::Create, &folder, &error).in_mailbox(name)
        })
    }

    fn change_subscriptions(
        &self,
        change: impl FnOnce(&mut std::collections::BTreeSet<MailboxName>),
    ) -> io::Result<()> {
        let mut names = self.files.catalogue.subscriptions()?;
        change(&mut names);
        replace(&self.root().join("subscriptions"), &subscriptions::write(&names))
    }

    fn is_full(&self) -> bool {
        let octets: u64 = self.written.iter().map(|delivery| delivery.octets).sum();
        self.written.len() >= WRITTEN_MAX || octets >= WRITTEN_OCTETS_MAX
    }

    /// Puts everything that was handed over on the disk, gives it UIDs, and notes the outcomes.
    fn commit(&mut self) {
        let mut by_folder: BTreeMap<_, Vec<Delivery>> = BTreeMap::new();
        for delivery in std::mem::take(&mut self.written) {
            by_folder.entry(delivery.folder.clone()).or_default().push(delivery);
        }
        for (folder, deliveries) in by_folder {
            self.outcomes.extend(commit(&folder, deliveries, &mut self.lists));
            self.files.catalogue.forget();
        }
    }

    /// A mailbox, if it is the one that was listed.
    fn look(&self, listed: AsListed<'_>) -> Result<Found, Fault> {
        let found = self.files.catalogue.look(listed.mailbox)?;
        if found.mailbox.uid_validity != listed.uid_validity {
            let words = "the mailbox is not the one that was listed";
            let fault = Fault::new(Side::Target, FaultKind::Select, words);
            return Err(fault.in_mailbox(listed.mailbox));
        }
        Ok(found)
    }

    /// Does something to the files of some messages; answers those to which it could not be done.
    fn change_files(
        &mut self,
        listed: AsListed<'_>,
        (uids, kind): (Vec<Uid>, FaultKind),
        mut change: impl FnMut(usize, &Path, &FlagSet, &mut Vec<String>) -> io::Result<()>,
    ) -> Result<Vec<(Uid, Fault)>, Fault> {
        let mut found = self.look(listed)?;
        self.files.catalogue.forget();
        let folder = self.files.catalogue.folder(listed.mailbox)?;
        let known = found.keywords.clone();
        let mut failed = Vec::new();
        for (at, uid) in uids.into_iter().enumerate() {
            // One that is gone can have neither.
            let Some(message) = found.mailbox.message(uid) else { continue };
            let changed = change(at, &message.path, &message.flags, &mut found.keywords);
            if let Err(error) = changed {
                let fault = disk(Side::Target, kind, &message.path, &error);
                failed.push((uid, fault.in_mailbox(listed.mailbox).of_message(uid)));
            }
        }
        let kept = || {
            if found.keywords != known {
                let text = info::write_keywords(&found.keywords);
                replace(&folder.join("dovecot-keywords"), &text)?;
            }
            sync_folder(&folder.join("cur"))
        };
        kept().map_err(|error| {
            disk(Side::Target, kind, &folder, &error).in_mailbox(listed.mailbox)
        })?;
        Ok(failed)
    }
}

/// Delivers messages into one folder.
fn commit(folder: &Path, mut deliveries: Vec<Delivery>, lists: &mut Lists) -> Vec<Appended> {
    let settled: Vec<io::Result<()>> = deliveries.iter_mut().map(Delivery::settle).collect();
    let placed = place_all(folder, (&deliveries, settled), lists);
    let (uids, uid_validity) = match placed {
        Ok(placed) => placed,
        Err(error) => {
            let uids =
                deliveries.iter().map(|_| Err(io::Error::new(error.kind(), error.to_string())));
            (uids.collect(), 0)
        }
    };
    let outcome = |(delivery, uid): (Delivery, io::Result<u32>)| Appended {
        ticket: delivery.envelope.ticket,
        uid: delivery.envelope.uid,
        octets: delivery.octets,
        result: uid
            .map(Uid::new)
            .map_err(|error| disk(Side::Target, FaultKind::Append, folder, &error)),
        uid_validity,
        turn: Turn::First,
    };
    deliveries.into_iter().zip(uids).map(outcome).collect()
}

/// Moves those that are on the disk to where messages are; answers the UID of each, under which
/// UIDVALIDITY.
fn place_all(
    folder: &Path,
    (deliveries, settled): (&[Delivery], Vec<io::Result<()>>),
    lists: &mut Lists,
) -> io::Result<(Vec<io::Result<u32>>, u32)> {
    let _lock = Lock::take(folder)?;
    let keywords_path = folder.join("dovecot-keywords");
    let known = info::read_keywords(&read_or_empty(&keywords_path)?);
    let mut keywords = known.clone();
    let ends: Vec<String> =
        deliveries.iter().map(|one| info::end(&one.envelope.flags, &mut keywords)).collect();
    // What letters mean is written before they are used.
    if keywords != known {
        replace(&keywords_path, &info::write_keywords(&keywords))?;
    }
    let mut placed = Vec::with_capacity(deliveries.len());
    for ((delivery, settled), end) in deliveries.iter().zip(settled).zip(&ends) {
        placed.push(settled.and_then(|()| delivery.place(end)));
    }
    sync_folder(&folder.join("cur"))?;
    lists.give(folder, deliveries.iter().zip(placed))
}

/// The list of the folder that was delivered to last. It is read again only where another program
/// wrote to it.
#[derive(Default)]
pub(super) struct Lists {
    last: Option<(PathBuf, Stamp, UidList)>,
}

/// Length and time of a list.
type Stamp = (u64, Option<SystemTime>);

fn stamp(path: &Path) -> Option<Stamp> {
    let metadata = fs::metadata(path).ok()?;
    Some((metadata.len(), metadata.modified().ok()))
}

impl Lists {
    /// Gives UIDs to what was placed, and writes them down; under which UIDVALIDITY.
    fn give<'a>(
        &mut self,
        folder: &Path,
        placed: impl Iterator<Item = (&'a Delivery, io::Result<()>)>,
    ) -> io::Result<(Vec<io::Result<u32>>, u32)> {
        let path = folder.join("dovecot-uidlist");
        let now = stamp(&path);
        let known = self.last.take().filter(|(of, then, _)| of == folder && Some(*then) == now);
        let mut list = match known {
            Some((.., list)) => list,
            None => {
                let list = UidList::read(&read_or_empty(&path)?);
                match list {
                    Some(list) => list,
                    None => {
                        let list = UidList::new(fresh_validity());
                        replace(&path, &list.write())?;
                        list
                    }
                }
            }
        };
        let mut lines = String::new();
        let give = |(delivery, placed): (&Delivery, io::Result<()>)| {
            placed.map(|()| {
                let uid = list.add(&delivery.base());
                lines += &UidList::line(uid, &delivery.base());
                uid
            })
        };
        let uids: Vec<io::Result<u32>> = placed.map(give).collect();
        add(&path, &lines)?;
        let validity = list.validity;
        self.last = stamp(&path).map(|stamp| (folder.to_owned(), stamp, list));
        Ok((uids, validity))
    }
}

impl Target for MaildirAccount {
    async fn create(
        &mut self,
        mailboxes: &[(MailboxName, Option<SpecialUse>)],
    ) -> Result<Vec<Result<(), Fault>>, Fault> {
        self.files.catalogue.forget();
        Ok(mailboxes.iter().map(|(name, _)| self.make(name)).collect())
    }

    async fn subscribe(
        &mut self,
        mailboxes: &[MailboxName],
    ) -> Result<Vec<Result<(), Fault>>, Fault> {
        let done = self.change_subscriptions(|names| names.extend(mailboxes.iter().cloned()));
        let result = |name: &MailboxName| match &done {
            Ok(()) => Ok(()),
            Err(error) => {
                let path = self.root().join("subscriptions");
                Err(disk(Side::Target, FaultKind::Subscribe, &path, error).in_mailbox(name))
            }
        };
        Ok(mailboxes.iter().map(result).collect())
    }

    async fn delete_mailbox(&mut self, mailbox: &MailboxName) -> Result<(), Fault> {
        self.files.catalogue.forget();
        let failed = |path: &Path, error: &io::Error| {
            disk(Side::Target, FaultKind::DeleteMailbox, path, error).in_mailbox(mailbox)
        };
        if mailbox.is_inbox() {
            let words = "INBOX cannot be deleted";
            let fault = Fault::new(Side::Target, FaultKind::DeleteMailbox, words);
            return Err(fault.in_mailbox(mailbox));
        }
        let folder = self.files.catalogue.folder(mailbox)?;
        let unsubscribed = self.change_subscriptions(|names| {
            names.remove(mailbox);
        });
        unsubscribed.map_err(|error| failed(self.root(), &error))?;
        let removed = fs::remove_dir_all(&folder).and_then(|()| sync_folder(self.root()));
        removed.map_err(|error| failed(&folder, &error))
    }

    async fn octets_in(&mut self, mailboxes: &[MailboxName]) -> Result<Vec<Option<u64>>, Fault> {
        let octets = |name: &MailboxName| {
            let found = self.files.catalogue.look(name).ok()?;
            Some(found.mailbox.messages.iter().map(|message| message.octets).sum())
        };
        Ok(mailboxes.iter().map(octets).collect())
    }

    fn takes_literal8(&self) -> bool {
        true
    }

    fn bears_refusals(&self) -> bool {
        true
    }

    fn drops_keywords(&self) -> bool {
        false
    }

    fn append_limit(&self) -> Option<u64> {
        None
    }

    async fn open_appends(&mut self, mailbox: &MailboxName) -> Result<(), Fault> {
        self.to = Some(self.files.catalogue.folder(mailbox)?);
        Ok(())
    }

    fn has_room(&self) -> bool {
        !self.is_full()
    }

    fn is_busy(&self) -> bool {
        self.due
    }

    fn append(&mut self, envelope: Envelope, octets: Vec<u8>) {
        if let Some(folder) = &self.to {
            let mut delivery = Delivery::begin(folder, envelope);
            delivery.push(&octets);
            self.written.push(delivery);
            self.due |= self.is_full();
        }
    }

    fn append_begin(&mut self, envelope: Envelope, _: u64) {
        if let Some(folder) = &self.to {
            self.writing = Some(Delivery::begin(folder, envelope));
        }
    }

    fn append_chunk(&mut self, octets: &[u8]) {
        if let Some(delivery) = &mut self.writing {
            delivery.push(octets);
        }
    }

    fn append_end(&mut self) {
        self.written.extend(self.writing.take());
        self.flush_appends();
    }

    fn flush_appends(&mut self) {
        self.due = !self.written.is_empty();
    }

    async fn advance_appends(&mut self) -> Result<(), Fault> {
        // Until they are due, further messages may join them.
        if !std::mem::take(&mut self.due) {
            std::future::pending::<()>().await;
        }
        self.commit();
        Ok(())
    }

    fn take_appended(&mut self) -> Vec<Appended> {
        std::mem::take(&mut self.outcomes)
    }

    async fn permanent_flags(&mut self, mailbox: &MailboxName) -> Result<PermanentFlags, Fault> {
        let keywords = self.files.catalogue.look(mailbox)?.keywords;
        let used = keywords.iter().filter(|keyword| !keyword.is_empty());
        if used.clone().count() < info::KEYWORDS_MAX {
            return Ok(PermanentFlags::Any);
        }
        let standard = [&b"\\Answered"[..], b"\\Deleted", b"\\Draft", b"\\Flagged", b"\\Seen"];
        let flags = standard.into_iter().chain(used.map(String::as_bytes)).map(Flag::new);
        Ok(PermanentFlags::Only(flags.collect()))
    }

    async fn update_flags(
        &mut self,
        mailbox: AsListed<'_>,
        updates: &[FlagUpdate],
    ) -> Result<Vec<(Uid, Fault)>, Fault> {
        let uids = updates.iter().map(|update| update.uid).collect();
        self.change_files(mailbox, (uids, FaultKind::Flags), |at, path, flags, keywords| {
            let update = &updates[at];
            let kept = flags.iter().filter(|flag| !update.remove.contains(flag));
            let flags: FlagSet = kept.chain(&update.add).cloned().collect();
            let end = info::end(&flags, keywords);
            rename_to_cur(path, &end)
        })
    }

    async fn delete_messages(
        &mut self,
        mailbox: AsListed<'_>,
        uids: &[Uid],
    ) -> Result<Vec<(Uid, Fault)>, Fault> {
        let gone = |error: &io::Error| error.kind() == io::ErrorKind::NotFound;
        let wanted = (uids.to_vec(), FaultKind::DeleteMessage);
        self.change_files(mailbox, wanted, |_, path, _, _| match fs::remove_file(path) {
            Err(error) if !gone(&error) => Err(error),
            _ => Ok(()),
        })
    }

    async fn move_messages(
        &mut self,
        mailbox: AsListed<'_>,
        uids: &[Uid],
        to: &MailboxName,
    ) -> Result<Moved, Fault> {
        let found = self.look(mailbox)?;
        let from = self.files.catalogue.folder(mailbox.mailbox)?;
        let folder = self.files.catalogue.folder(to)?;
        self.files.catalogue.forget();
        let moved = moving::move_all((mailbox.mailbox, &found), uids, (&from, &folder));
        moved.map_err(|error| {
            let words = format!("{}: {error}", folder.display());
            Fault::new(Side::Target, FaultKind::DeleteMessage, words).in_mailbox(mailbox.mailbox)
        })
    }
}

impl Removable for MaildirAccount {
    async fn change_flags(
        &mut self,
        mailbox: AsListed<'_>,
        updates: &[FlagUpdate],
    ) -> Result<Vec<(Uid, Fault)>, Fault> {
        self.update_flags(mailbox, updates).await
    }

    async fn remove_messages(
        &mut self,
        mailbox: AsListed<'_>,
        uids: &[Uid],
    ) -> Result<Vec<(Uid, Fault)>, Fault> {
        self.delete_messages(mailbox, uids).await
    }

    async fn delete_empty_mailbox(&mut self, mailbox: &MailboxName) -> Result<Emptiness, Fault> {
        self.files.catalogue.forget();
        let folder = self.files.catalogue.folder(mailbox)?;
        // A folder that holds something cannot be removed, not even if it came this moment.
        for (at, name) in ["new", "cur"].into_iter().enumerate() {
            match fs::remove_dir(folder.join(name)) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Ok(()) => {}
                Err(error) => {
                    if at > 0 {
                        // Whoever delivers next would make it anew.
                        let _ = fs::create_dir(folder.join("new"));
                    }
                    return match error.kind() {
                        io::ErrorKind::DirectoryNotEmpty => Ok(Emptiness::HoldsMail),
                        _ => {
                            let (side, kind) = (Side::Source, FaultKind::DeleteMailbox);
                            Err(disk(side, kind, &folder, &error).in_mailbox(mailbox))
                        }
                    };
                }
            }
        }
        self.delete_mailbox(mailbox).await.map(|()| Emptiness::Deleted)
    }
}

/// Gives a file another end, in `cur`, where files with flags are.
fn rename_to_cur(path: &Path, end: &str) -> io::Result<()> {
    let parts = path.file_name().and_then(|name| name.to_str()).zip(path.parent());
    let Some((name, folder)) = parts.and_then(|(name, room)| Some((name, room.parent()?))) else {
        return Err(io::ErrorKind::InvalidFilename.into());
    };
    fs::rename(path, folder.join("cur").join(format!("{}{end}", info::base(name))))
}

//! A Maildir as a target.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use mailferry_engine::fault::{Fault, FaultKind, Side};
use mailferry_engine::message::{Flag, FlagSet, Uid};
use mailferry_engine::name::{MailboxName, SpecialUse};
use mailferry_engine::policy::PermanentFlags;

use super::folder::{Found, MaildirCatalogue};
use super::uid_list::UidList;
use super::{Layout, info, list_lock, moving, subscriptions};
use crate::contract::{AsListed, Emptiness, Envelope, FlagUpdate, Moved};
use crate::files::delivery::{Delivery, unique_name};
use crate::files::disk::{
    Stamp, add, disk, fresh_validity, make_folder, read_or_empty, replace, stamp, sync_folder,
};
use crate::files::{Placed, Refused, Shelf, as_listed};

/// Makes the folder of a mailbox where it is missing.
pub(super) fn make_rooms(folder: &Path) -> io::Result<()> {
    for room in ["tmp", "new", "cur"] {
        make_folder(&folder.join(room))?;
    }
    sync_folder(folder)
}

impl MaildirCatalogue {
    /// A mailbox, if it is the one that was listed.
    fn look_again(&self, listed: AsListed<'_>) -> Result<Found, Fault> {
        let found = self.look(listed.mailbox)?;
        as_listed(found.mailbox.uid_validity, listed)?;
        Ok(found)
    }

    /// Unsubscribes a mailbox, and takes its folder away with what is in it.
    fn discard(&mut self, name: &MailboxName, folder: &Path) -> Result<(), Fault> {
        let unsubscribed = self.change_subscriptions(&mut |names| {
            names.remove(name);
        });
        unsubscribed
            .map_err(|fault| Fault { kind: FaultKind::DeleteMailbox, ..fault }.in_mailbox(name))?;
        self.layout.discard(&self.root, folder).map_err(|error| {
            disk(Side::Target, FaultKind::DeleteMailbox, folder, &error).in_mailbox(name)
        })
    }

    /// Does something to the files of some messages; answers those to which it could not be done.
    fn change_files(
        &mut self,
        listed: AsListed<'_>,
        (uids, kind): (Vec<Uid>, FaultKind),
        mut change: impl FnMut(usize, &Path, &FlagSet, &mut Vec<String>) -> io::Result<()>,
    ) -> Result<Vec<(Uid, Fault)>, Fault> {
        let mut found = self.look_again(listed)?;
        self.forget();
        let folder = self.folder(listed.mailbox)?;
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

/// Moves those that are on the disk to where messages are; answers the UID of each, under which
/// UIDVALIDITY.
fn place_all(
    folder: &Path,
    (deliveries, settled): (&[Delivery], Vec<io::Result<()>>),
    lists: &mut Lists,
) -> io::Result<Placed> {
    let _lock = list_lock(folder)?;
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
        placed.push(settled.and_then(|()| place(delivery, end)));
    }
    sync_folder(&folder.join("cur"))?;
    lists.give(folder, deliveries.iter().zip(placed))
}

/// The part of a file's name that stays: `1276528487.M364837P9451Q1.host,S=1355,W=1394`.
fn base(delivery: &Delivery) -> String {
    let virtual_octets = delivery.octets + delivery.bare_line_feeds;
    format!("{},S={},W={virtual_octets}", delivery.unique(), delivery.octets)
}

/// Moves a message to where messages are. On the disk once the folder is.
fn place(delivery: &Delivery, end: &str) -> io::Result<()> {
    delivery.place(&delivery.folder.join("cur").join(format!("{}{end}", base(delivery))))
}

/// The list of the folder that was delivered to last. It is read again only where another program
/// wrote to it.
#[derive(Default)]
pub(super) struct Lists {
    last: Option<(PathBuf, Stamp, UidList)>,
}

impl Lists {
    /// Gives UIDs to what was placed, and writes them down; under which UIDVALIDITY.
    fn give<'a>(
        &mut self,
        folder: &Path,
        placed: impl Iterator<Item = (&'a Delivery, io::Result<()>)>,
    ) -> io::Result<Placed> {
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
                let uid = list.add(&base(delivery));
                lines += &UidList::line(uid, &base(delivery));
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

impl Shelf for MaildirCatalogue {
    fn make(&mut self, name: &MailboxName, _: Option<SpecialUse>) -> Result<(), Fault> {
        self.forget();
        let folder = self.layout.folder_of(&self.root, name);
        let Some(folder) = folder.filter(|_| self.layout.may_make(name)) else {
            let words = "a Maildir cannot have a mailbox of this name";
            return Err(Fault::new(Side::Target, FaultKind::Create, words).in_mailbox(name));
        };
        let made = || {
            make_rooms(&folder)?;
            if self.layout == Layout::PlusPlus && !name.is_inbox() {
                // Tells a mailbox from a Maildir of its own (Maildir++).
                fs::File::create(folder.join("maildirfolder"))?.sync_all()?;
            }
            if !folder.join("dovecot-uidlist").exists() {
                let list = UidList::new(fresh_validity());
                replace(&folder.join("dovecot-uidlist"), &list.write())?;
            }
            let above = folder.ancestors().skip(1);
            above.take_while(|above| above.starts_with(&self.root)).try_for_each(sync_folder)
        };
        made().map_err(|error| {
            disk(Side::Target, FaultKind::Create, &folder, &error).in_mailbox(name)
        })
    }

    fn change_subscriptions(
        &mut self,
        change: &mut dyn FnMut(&mut BTreeSet<MailboxName>),
    ) -> Result<(), Fault> {
        let path = self.root.join("subscriptions");
        let mut changed = || {
            let mut names = self.subscriptions()?;
            change(&mut names);
            replace(&path, &subscriptions::write(&names, self.layout.delimiter()))
        };
        changed().map_err(|error| disk(Side::Target, FaultKind::Subscribe, &path, &error))
    }

    fn delete(&mut self, name: &MailboxName) -> Result<(), Fault> {
        self.forget();
        let folder = self.folder(name)?;
        self.discard(name, &folder)
    }

    fn delete_empty(&mut self, mailbox: &MailboxName) -> Result<Emptiness, Fault> {
        self.forget();
        let folder = self.folder(mailbox)?;
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
        self.discard(mailbox, &folder).map(|()| Emptiness::Deleted)
    }

    fn open(&mut self, name: &MailboxName) -> Result<PathBuf, Fault> {
        self.folder(name)
    }

    fn begin(&self, folder: &Path, envelope: Envelope) -> Delivery {
        Delivery::begin(folder, folder.join("tmp").join(unique_name()), envelope)
    }

    fn commit(&mut self, folder: &Path, deliveries: &mut [Delivery]) -> io::Result<Placed> {
        self.forget();
        let settled = deliveries.iter_mut().map(Delivery::settle).collect();
        place_all(folder, (deliveries, settled), &mut self.lists)
    }

    fn permanent_flags(&mut self, name: &MailboxName) -> Result<PermanentFlags, Fault> {
        let keywords = self.look(name)?.keywords;
        let used = keywords.iter().filter(|keyword| !keyword.is_empty());
        if used.clone().count() < info::KEYWORDS_MAX {
            return Ok(PermanentFlags::Any);
        }
        let standard = [&b"\\Answered"[..], b"\\Deleted", b"\\Draft", b"\\Flagged", b"\\Seen"];
        let flags = standard.into_iter().chain(used.map(String::as_bytes)).map(Flag::new);
        Ok(PermanentFlags::Only(flags.collect()))
    }

    fn update(&mut self, listed: AsListed<'_>, updates: &[FlagUpdate]) -> Result<Refused, Fault> {
        let uids = updates.iter().map(|update| update.uid).collect();
        self.change_files(listed, (uids, FaultKind::Flags), |at, path, flags, keywords| {
            let update = &updates[at];
            let kept = flags.iter().filter(|flag| !update.remove.contains(flag));
            let flags: FlagSet = kept.chain(&update.add).cloned().collect();
            let end = info::end(&flags, keywords);
            rename_to_cur(path, &end)
        })
    }

    fn remove(&mut self, listed: AsListed<'_>, uids: &[Uid]) -> Result<Refused, Fault> {
        let gone = |error: &io::Error| error.kind() == io::ErrorKind::NotFound;
        let wanted = (uids.to_vec(), FaultKind::DeleteMessage);
        self.change_files(listed, wanted, |_, path, _, _| match fs::remove_file(path) {
            Err(error) if !gone(&error) => Err(error),
            _ => Ok(()),
        })
    }

    async fn transfer(
        &mut self,
        listed: AsListed<'_>,
        uids: &[Uid],
        to: &MailboxName,
    ) -> Result<Moved, Fault> {
        let found = self.look_again(listed)?;
        let (from, folder) = (self.folder(listed.mailbox)?, self.folder(to)?);
        self.forget();
        let moved = moving::move_all((listed.mailbox, &found), uids, (&from, &folder));
        moved.map_err(|error| {
            let words = format!("{}: {error}", folder.display());
            Fault::new(Side::Target, FaultKind::DeleteMessage, words).in_mailbox(listed.mailbox)
        })
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

//! An archive as a target.

use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use mailferry_engine::fault::{Fault, FaultKind, Side};
use mailferry_engine::message::{FlagSet, InternalDate, Uid};
use mailferry_engine::name::{MailboxName, SpecialUse};
use mailferry_engine::policy::PermanentFlags;

use super::account::Account;
use super::catalogue::{ArchiveCatalogue, UNPLACED};
use super::index::{Index, IndexRow, Place};
use super::names::folder_of;
use super::{ACCOUNT, Form, INDEX, eml, lock, mbox};
use crate::contract::{AsListed, Emptiness, Envelope, FlagUpdate, LiteralForm, Moved, OctetDigest};
use crate::files::delivery::{Delivery, unique_name};
use crate::files::disk::sync_folder;
use crate::files::lock::Lock;
use crate::files::{Catalogue, FileMessage, Placed, Refused, Shelf, as_listed};

/// Messages that are moved together, and octets of them.
const MOVED_MAX: usize = 100;
const MOVED_OCTETS_MAX: u64 = 32 << 20;

impl ArchiveCatalogue {
    fn change_account(&self, change: impl FnOnce(&mut Account)) -> Result<(), Fault> {
        let changed = || {
            let _lock = lock(&self.root)?;
            let mut account = Account::read(&self.root)?;
            let before = account.clone();
            change(&mut account);
            if account == before { Ok(()) } else { account.write(&self.root) }
        };
        let path = self.root.join(ACCOUNT);
        changed().map_err(|error| self.failed(FaultKind::Subscribe, &path, &error))
    }

    /// Does something to the index of a mailbox that is the one that was listed; what is left of the
    /// messages is written down.
    fn change<T>(
        &mut self,
        listed: AsListed<'_>,
        kind: FaultKind,
        change: impl FnOnce(&Path, &mut Index) -> io::Result<T>,
    ) -> Result<T, Fault> {
        let folder = self.folder(listed.mailbox)?;
        self.forget();
        let failed =
            |error: &io::Error| self.failed(kind, &folder, error).in_mailbox(listed.mailbox);
        let _lock = lock(&folder).map_err(|error| failed(&error))?;
        let mut index = self.settled(&folder).map_err(|error| failed(&error))?;
        as_listed(index.validity, listed)?;
        let changed = change(&folder, &mut index);
        changed
            .and_then(|changed| index.write(&folder).map(|()| changed))
            .map_err(|error| failed(&error))
    }

    /// Takes away a mailbox that is locked, and the folders above it that hold nothing else.
    fn discard(&mut self, name: &MailboxName, (folder, lock): (&Path, Lock)) -> Result<(), Fault> {
        self.forget();
        self.change_account(|account| {
            account.subscribed.remove(name);
            account.special_uses.remove(name);
        })?;
        let discarded = || {
            let index = self.settled(folder)?;
            let stay = match self.form {
                Form::Eml => eml::remove(folder, index.rows.iter())?,
                Form::Mbox => mbox::discard(folder).map(|()| Vec::new())?,
            };
            if let Some((_, error)) = stay.into_iter().next() {
                return Err(error);
            }
            fs::remove_file(folder.join(INDEX))?;
            drop(lock);
            // What is not ours stays.
            for empty in folder.ancestors().take_while(|above| *above != self.root) {
                if fs::remove_dir(empty).is_err() {
                    return sync_folder(empty);
                }
            }
            sync_folder(&self.root)
        };
        discarded()
            .map_err(|error| self.failed(FaultKind::DeleteMailbox, folder, &error).in_mailbox(name))
    }

    fn locked(&self, name: &MailboxName) -> Result<(PathBuf, Lock), Fault> {
        let folder = self.folder(name)?;
        match lock(&folder) {
            Ok(lock) => Ok((folder, lock)),
            Err(error) => {
                Err(self.failed(FaultKind::DeleteMailbox, &folder, &error).in_mailbox(name))
            }
        }
    }
}

impl IndexRow {
    /// A message that is written.
    pub(super) fn of(delivery: &Delivery, uid: Uid, place: Place) -> Self {
        let Envelope { date, flags, .. } = &delivery.envelope;
        let (octets, digest) = (delivery.octets, delivery.digest());
        Self { uid, date: *date, octets, digest, place, flags: flags.clone() }
    }
}

fn now() -> InternalDate {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    InternalDate::new(i64::try_from(since.as_secs()).unwrap_or(0), 0)
}

impl Shelf for ArchiveCatalogue {
    fn make(&mut self, name: &MailboxName, special_use: Option<SpecialUse>) -> Result<(), Fault> {
        self.forget();
        if self.folder(name).is_err() {
            let Some(folder) = folder_of(&self.root, name.as_bytes()) else {
                let words = "an archive cannot have a mailbox of this name: a part of it is empty, \
                             too long, or no text";
                return Err(Fault::new(Side::Target, FaultKind::Create, words).in_mailbox(name));
            };
            self.make_folder(&folder).map_err(|error| {
                self.failed(FaultKind::Create, &folder, &error).in_mailbox(name)
            })?;
        }
        let Some(special_use) = special_use else { return Ok(()) };
        self.change_account(|account| {
            account.special_uses.insert(name.clone(), special_use);
        })
    }

    fn change_subscriptions(
        &mut self,
        change: &mut dyn FnMut(&mut BTreeSet<MailboxName>),
    ) -> Result<(), Fault> {
        self.change_account(|account| change(&mut account.subscribed))
    }

    fn delete(&mut self, name: &MailboxName) -> Result<(), Fault> {
        let (folder, lock) = self.locked(name)?;
        self.discard(name, (&folder, lock))
    }

    fn delete_empty(&mut self, name: &MailboxName) -> Result<Emptiness, Fault> {
        let (folder, lock) = self.locked(name)?;
        match self.settled(&folder) {
            Ok(index) if index.rows.is_empty() => {
                self.discard(name, (&folder, lock)).map(|()| Emptiness::Deleted)
            }
            Ok(_) => Ok(Emptiness::HoldsMail),
            Err(error) => {
                Err(self.failed(FaultKind::DeleteMailbox, &folder, &error).in_mailbox(name))
            }
        }
    }

    fn open(&mut self, name: &MailboxName) -> Result<PathBuf, Fault> {
        let folder = self.folder(name)?;
        let opened = lock(&folder).and_then(|_lock| self.take_opened(&folder));
        let index = opened
            .map_err(|error| self.failed(FaultKind::Select, &folder, &error).in_mailbox(name))?;
        self.keep_opened(&folder, index);
        Ok(folder)
    }

    fn begin(&self, folder: &Path, envelope: Envelope) -> Delivery {
        let path = folder.join(format!(".{}{UNPLACED}", unique_name()));
        let date = if envelope.date.is_known() { envelope.date } else { now() };
        let envelope = Envelope { date, ..envelope };
        let line = mbox::from_line(envelope.date);
        let delivery = Delivery::begin(folder, path, envelope).digested();
        match self.form {
            Form::Eml => delivery,
            Form::Mbox => delivery.in_mbox(&line),
        }
    }

    fn commit(&mut self, folder: &Path, deliveries: &mut [Delivery]) -> io::Result<Placed> {
        let settled: Vec<io::Result<()>> = match self.form {
            Form::Eml => deliveries.iter_mut().map(Delivery::settle).collect(),
            Form::Mbox => deliveries.iter_mut().map(Delivery::end_entry).collect(),
        };
        let _lock = lock(folder)?;
        let mut index = self.take_opened(folder)?;
        self.forget();
        let placed = match self.form {
            Form::Eml => eml::place(folder, &mut index, (deliveries, settled))?,
            Form::Mbox => mbox::place(folder, &mut index, (deliveries, settled))?,
        };
        let validity = index.validity;
        self.keep_opened(folder, index);
        Ok((placed.into_iter().map(|uid| uid.map(Uid::value)).collect(), validity))
    }

    fn permanent_flags(&mut self, name: &MailboxName) -> Result<PermanentFlags, Fault> {
        self.folder(name).map(|_| PermanentFlags::Any)
    }

    fn update(&mut self, listed: AsListed<'_>, updates: &[FlagUpdate]) -> Result<Refused, Fault> {
        self.change(listed, FaultKind::Flags, |_, index| {
            for update in updates {
                // One that is gone can have none.
                let Some(row) = index.row(update.uid) else { continue };
                let kept = row.flags.iter().filter(|flag| !update.remove.contains(flag));
                let flags: FlagSet = kept.chain(&update.add).cloned().collect();
                row.flags = flags;
            }
            Ok(Vec::new())
        })
    }

    fn remove(&mut self, listed: AsListed<'_>, uids: &[Uid]) -> Result<Refused, Fault> {
        let form = self.form;
        let gone: BTreeSet<Uid> = uids.iter().copied().collect();
        let stay = self.change(listed, FaultKind::DeleteMessage, |folder, index| {
            let goes = |row: &IndexRow| gone.contains(&row.uid);
            let stay = match form {
                Form::Eml => eml::remove(folder, index.rows.iter().filter(|row| goes(row)))?,
                Form::Mbox => mbox::remove(folder, index, goes).map(|()| Vec::new())?,
            };
            let stays = |uid| stay.iter().any(|(staying, _)| *staying == uid);
            index.rows.retain(|row| !gone.contains(&row.uid) || stays(row.uid));
            Ok(stay)
        })?;
        let refused = |(uid, error): (Uid, io::Error)| {
            let fault = self.failed(FaultKind::DeleteMessage, &self.root, &error);
            (uid, fault.in_mailbox(listed.mailbox).of_message(uid))
        };
        Ok(stay.into_iter().map(refused).collect())
    }

    async fn transfer(
        &mut self,
        listed: AsListed<'_>,
        uids: &[Uid],
        to: &MailboxName,
    ) -> Result<Moved, Fault> {
        let found = self.mailbox(listed.mailbox)?;
        as_listed(found.uid_validity, listed)?;
        let there = self.mailbox(to)?;
        let folder = self.open(to)?;
        let mut moved = Moved { uid_validity: there.uid_validity, ..Moved::default() };
        let mut copied = Copied::of(&there.messages);
        let mut under_way: Vec<Delivery> = Vec::new();
        for &uid in uids {
            let Some(message) = found.message(uid) else {
                // One that was removed meanwhile is nowhere.
                moved.gone.push((uid, None));
                continue;
            };
            if let Some(at) = copied.take(message) {
                moved.gone.push((uid, Some(at)));
                continue;
            }
            let (flags, date) = (message.flags.clone(), message.date);
            let literal = LiteralForm::Binary;
            let mut delivery =
                self.begin(&folder, Envelope { ticket: 0, uid, flags, date, literal });
            match message.read(|octets| delivery.push(octets)).await {
                Ok(()) => under_way.push(delivery),
                Err(error) => {
                    let fault = self.failed(FaultKind::DeleteMessage, &message.path, &error);
                    moved.stayed.push((uid, fault.in_mailbox(listed.mailbox).of_message(uid)));
                }
            }
            let octets: u64 = under_way.iter().map(|delivery| delivery.octets).sum();
            if under_way.len() >= MOVED_MAX || octets >= MOVED_OCTETS_MAX {
                self.copy((&folder, listed), std::mem::take(&mut under_way), &mut moved);
            }
        }
        self.copy((&folder, listed), under_way, &mut moved);
        moved.gone.sort_unstable();
        // There first: a message may be in both after a power cut, and never in none.
        let uids: Vec<Uid> = moved.gone.iter().map(|(uid, _)| *uid).collect();
        let stayed = self.remove(listed, &uids)?;
        moved.gone.retain(|(uid, _)| !stayed.iter().any(|(staying, _)| staying == uid));
        moved.stayed.extend(stayed);
        Ok(moved)
    }
}

impl ArchiveCatalogue {
    /// Puts copies of messages that are moved where they go.
    fn copy(
        &mut self,
        (folder, listed): (&Path, AsListed<'_>),
        mut deliveries: Vec<Delivery>,
        moved: &mut Moved,
    ) {
        if deliveries.is_empty() {
            return;
        }
        let placed = self.commit(folder, &mut deliveries);
        let uids = placed.unwrap_or_else(|error| {
            let again = |_: &Delivery| Err(io::Error::new(error.kind(), error.to_string()));
            (deliveries.iter().map(again).collect(), 0)
        });
        for (delivery, placed) in deliveries.iter().zip(uids.0) {
            let uid = delivery.envelope.uid;
            match placed {
                Ok(there) => moved.gone.push((uid, Uid::new(there))),
                Err(error) => {
                    let fault = self.failed(FaultKind::DeleteMessage, folder, &error);
                    moved.stayed.push((uid, fault.in_mailbox(listed.mailbox).of_message(uid)));
                }
            }
        }
    }
}

/// Messages that an attempt at moving that was cut off may have brought already.
struct Copied(HashMap<(OctetDigest, Option<i64>), Vec<Uid>>);

impl Copied {
    fn of(messages: &[FileMessage]) -> Self {
        let mut copied: HashMap<_, Vec<Uid>> = HashMap::new();
        for message in messages.iter().rev() {
            let key = message.digest.map(|digest| (digest, message.date.instant()));
            if let Some(key) = key {
                copied.entry(key).or_default().push(message.uid);
            }
        }
        Self(copied)
    }

    /// Where a message is already; each is told of once.
    fn take(&mut self, message: &FileMessage) -> Option<Uid> {
        self.0.get_mut(&(message.digest?, message.date.instant()))?.pop()
    }
}

//! An account in files as a target.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use mailferry_engine::fault::{Fault, FaultKind, Side};
use mailferry_engine::message::Uid;
use mailferry_engine::name::{MailboxName, SpecialUse};
use mailferry_engine::policy::PermanentFlags;

use super::delivery::Delivery;
use super::disk::disk;
use super::{Catalogue, FileMailbox, FileStore};
use crate::contract::{
    Appended, AsListed, Emptiness, Envelope, FlagUpdate, Moved, Removable, Target, Turn,
};

/// Messages that are put on the disk together.
const WRITTEN_MAX: usize = 100;
/// Octets of them.
const WRITTEN_OCTETS_MAX: u64 = 32 << 20;

/// What could not be done to some messages, with the reason.
pub type Refused = Vec<(Uid, Fault)>;
/// The UIDs that messages got, and under which UIDVALIDITY.
pub type Placed = (Vec<io::Result<u32>>, u32);

/// A catalogue that can be changed. What its methods change is on the disk when they return.
pub trait Shelf: Catalogue {
    /// Makes a mailbox where it is missing.
    ///
    /// # Errors
    /// It cannot be made, or have that name.
    fn make(&mut self, name: &MailboxName, special_use: Option<SpecialUse>) -> Result<(), Fault>;

    /// Changes the subscriptions.
    ///
    /// # Errors
    /// They cannot be written.
    fn change_subscriptions(
        &mut self,
        change: &mut dyn FnMut(&mut BTreeSet<MailboxName>),
    ) -> Result<(), Fault>;

    /// Deletes a mailbox that is not INBOX with what is in it.
    ///
    /// # Errors
    /// It is not there, or cannot be deleted.
    fn delete(&mut self, name: &MailboxName) -> Result<(), Fault>;

    /// Deletes a mailbox that holds nothing.
    ///
    /// # Errors
    /// It is not there, or cannot be deleted.
    fn delete_empty(&mut self, name: &MailboxName) -> Result<Emptiness, Fault>;

    /// The folder of a mailbox that is there, ready to be delivered to.
    ///
    /// # Errors
    /// It is not there, or not as it should be.
    fn open(&mut self, name: &MailboxName) -> Result<PathBuf, Fault>;

    /// Begins a message in a folder.
    fn begin(&self, folder: &Path, envelope: Envelope) -> Delivery;

    /// Puts messages on the disk, and gives them UIDs.
    ///
    /// # Errors
    /// None of them is there.
    fn commit(&mut self, folder: &Path, deliveries: &mut [Delivery]) -> io::Result<Placed>;

    /// The flags that a mailbox keeps.
    ///
    /// # Errors
    /// It is not there, or cannot be read.
    fn permanent_flags(&mut self, name: &MailboxName) -> Result<PermanentFlags, Fault>;

    /// Sets and removes flags.
    ///
    /// # Errors
    /// It could be done to none of them.
    fn update(&mut self, listed: AsListed<'_>, updates: &[FlagUpdate]) -> Result<Refused, Fault>;

    /// Removes messages.
    ///
    /// # Errors
    /// It could be done to none of them.
    fn remove(&mut self, listed: AsListed<'_>, uids: &[Uid]) -> Result<Refused, Fault>;

    /// Moves messages to another mailbox.
    ///
    /// # Errors
    /// It could be done to none of them.
    fn transfer(
        &mut self,
        listed: AsListed<'_>,
        uids: &[Uid],
        to: &MailboxName,
    ) -> impl Future<Output = Result<Moved, Fault>> + Send;
}

/// Refuses what was listed under another UIDVALIDITY than the one that a mailbox of a target has.
pub(crate) fn as_listed(uid_validity: u32, listed: AsListed<'_>) -> Result<(), Fault> {
    if uid_validity == listed.uid_validity {
        return Ok(());
    }
    let words = "the mailbox is not the one that was listed";
    Err(Fault::new(Side::Target, FaultKind::Select, words).in_mailbox(listed.mailbox))
}

impl<C: Shelf> FileStore<C> {
    fn is_full(&self) -> bool {
        let written = &self.appends.written;
        let octets: u64 = written.iter().map(|delivery| delivery.octets).sum();
        written.len() >= WRITTEN_MAX || octets >= WRITTEN_OCTETS_MAX
    }

    /// Puts everything that was handed over on the disk, and notes the outcomes.
    fn commit(&mut self) {
        let mut by_folder: BTreeMap<_, Vec<Delivery>> = BTreeMap::new();
        for delivery in std::mem::take(&mut self.appends.written) {
            by_folder.entry(delivery.folder.clone()).or_default().push(delivery);
        }
        for (folder, mut deliveries) in by_folder {
            let placed = self.catalogue.commit(&folder, &mut deliveries);
            self.appends.outcomes.extend(outcomes(&folder, deliveries, placed));
        }
    }
}

fn outcomes(folder: &Path, deliveries: Vec<Delivery>, placed: io::Result<Placed>) -> Vec<Appended> {
    let (uids, uid_validity) = placed.unwrap_or_else(|error| {
        let again = |_: &Delivery| Err(io::Error::new(error.kind(), error.to_string()));
        (deliveries.iter().map(again).collect(), 0)
    });
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

/// What was done to all together, for each.
fn to_each(mailboxes: &[MailboxName], done: &Result<(), Fault>) -> Vec<Result<(), Fault>> {
    let result = |name: &MailboxName| done.clone().map_err(|fault| fault.in_mailbox(name));
    mailboxes.iter().map(result).collect()
}

impl<C: Shelf> Target for FileStore<C> {
    async fn create(
        &mut self,
        mailboxes: &[(MailboxName, Option<SpecialUse>)],
    ) -> Result<Vec<Result<(), Fault>>, Fault> {
        let make = |(name, special_use): &(MailboxName, Option<SpecialUse>)| {
            self.catalogue.make(name, *special_use)
        };
        Ok(mailboxes.iter().map(make).collect())
    }

    async fn subscribe(
        &mut self,
        mailboxes: &[MailboxName],
    ) -> Result<Vec<Result<(), Fault>>, Fault> {
        let done = self
            .catalogue
            .change_subscriptions(&mut |names| names.extend(mailboxes.iter().cloned()));
        Ok(to_each(mailboxes, &done))
    }

    async fn unsubscribe(
        &mut self,
        mailboxes: &[MailboxName],
    ) -> Result<Vec<Result<(), Fault>>, Fault> {
        let done = self
            .catalogue
            .change_subscriptions(&mut |names| names.retain(|name| !mailboxes.contains(name)))
            .map_err(|fault| Fault { kind: FaultKind::Unsubscribe, ..fault });
        Ok(to_each(mailboxes, &done))
    }

    async fn delete_mailbox(&mut self, mailbox: &MailboxName) -> Result<(), Fault> {
        if mailbox.is_inbox() {
            let words = "INBOX cannot be deleted";
            let fault = Fault::new(Side::Target, FaultKind::DeleteMailbox, words);
            return Err(fault.in_mailbox(mailbox));
        }
        self.catalogue.delete(mailbox)
    }

    async fn octets_in(&mut self, mailboxes: &[MailboxName]) -> Result<Vec<Option<u64>>, Fault> {
        let octets = |name: &MailboxName| {
            let found: Arc<FileMailbox> = self.catalogue.mailbox(name).ok()?;
            Some(found.messages.iter().map(|message| message.octets).sum())
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
        self.appends.to = Some(self.catalogue.open(mailbox)?);
        Ok(())
    }

    fn has_room(&self) -> bool {
        !self.is_full()
    }

    fn is_busy(&self) -> bool {
        self.appends.due
    }

    fn append(&mut self, envelope: Envelope, octets: Vec<u8>) {
        if let Some(folder) = &self.appends.to {
            let mut delivery = self.catalogue.begin(folder, envelope);
            delivery.push(&octets);
            self.appends.written.push(delivery);
            self.appends.due |= self.is_full();
        }
    }

    fn append_begin(&mut self, envelope: Envelope, _: u64) {
        if let Some(folder) = &self.appends.to {
            self.appends.writing = Some(self.catalogue.begin(folder, envelope));
        }
    }

    fn append_chunk(&mut self, octets: &[u8]) {
        if let Some(delivery) = &mut self.appends.writing {
            delivery.push(octets);
        }
    }

    fn append_end(&mut self) {
        self.appends.written.extend(self.appends.writing.take());
        self.flush_appends();
    }

    fn flush_appends(&mut self) {
        self.appends.due = !self.appends.written.is_empty();
    }

    async fn advance_appends(&mut self) -> Result<(), Fault> {
        // Until they are due, further messages may join them.
        if !std::mem::take(&mut self.appends.due) {
            std::future::pending::<()>().await;
        }
        self.commit();
        Ok(())
    }

    fn take_appended(&mut self) -> Vec<Appended> {
        std::mem::take(&mut self.appends.outcomes)
    }

    async fn permanent_flags(&mut self, mailbox: &MailboxName) -> Result<PermanentFlags, Fault> {
        self.catalogue.permanent_flags(mailbox)
    }

    async fn update_flags(
        &mut self,
        mailbox: AsListed<'_>,
        updates: &[FlagUpdate],
    ) -> Result<Vec<(Uid, Fault)>, Fault> {
        self.catalogue.update(mailbox, updates)
    }

    async fn delete_messages(
        &mut self,
        mailbox: AsListed<'_>,
        uids: &[Uid],
    ) -> Result<Vec<(Uid, Fault)>, Fault> {
        self.catalogue.remove(mailbox, uids)
    }

    async fn move_messages(
        &mut self,
        mailbox: AsListed<'_>,
        uids: &[Uid],
        to: &MailboxName,
    ) -> Result<Moved, Fault> {
        self.catalogue.transfer(mailbox, uids, to).await
    }
}

impl<C: Shelf> Removable for FileStore<C> {
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
        self.catalogue.delete_empty(mailbox)
    }
}

//! A Maildir++ as a source.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use mailferry_engine::fault::{Fault, FaultKind, Side};
use mailferry_engine::identity::KeyRule;
use mailferry_engine::listing::{AccountListing, Mark, MessageListing};
use mailferry_engine::message::Uid;
use mailferry_engine::name::MailboxName;
use mailferry_engine::pairing::Digests;

use super::deliver::Delivery;
use super::disk;
use super::folder::{MaildirCatalogue, Role};
use super::target::Lists;
use crate::contract::{
    Among, Appended, AsListed, BodyEvent, ListRequest, OctetDigests, Selection, Source, TellListed,
    Wanted,
};
use crate::files::FileSource;

/// A Maildir++ below one folder.
pub struct MaildirAccount {
    pub(super) files: FileSource<MaildirCatalogue>,
    /// Where the messages go that are handed over now.
    pub(super) to: Option<PathBuf>,
    /// Handed over in part.
    pub(super) writing: Option<Delivery>,
    /// Handed over, and not on the disk yet.
    pub(super) written: Vec<Delivery>,
    /// These are to be put there now.
    pub(super) due: bool,
    pub(super) lists: Lists,
    pub(super) outcomes: Vec<Appended>,
}

impl MaildirAccount {
    /// Reads a Maildir++, and changes nothing in it.
    ///
    /// # Errors
    /// There is no folder at `root`.
    pub fn source(root: &Path) -> Result<Self, Fault> {
        std::fs::read_dir(root)
            .map_err(|error| disk(Side::Source, FaultKind::Connection, root, &error))?;
        Ok(Self::new(root, Role::Source))
    }

    /// Writes to a Maildir++, which is made where it is missing, for its owner alone.
    ///
    /// # Errors
    /// It cannot be made.
    pub fn target(root: &Path) -> Result<Self, Fault> {
        super::target::make_folder(root)
            .map_err(|error| disk(Side::Target, FaultKind::Connection, root, &error))?;
        Ok(Self::new(root, Role::Target))
    }

    fn new(root: &Path, role: Role) -> Self {
        let files = FileSource::new(MaildirCatalogue::new(root.to_owned(), role));
        let (written, outcomes) = (Vec::new(), Vec::new());
        Self {
            files,
            to: None,
            writing: None,
            written,
            due: false,
            lists: Lists::default(),
            outcomes,
        }
    }
}

impl Source for MaildirAccount {
    async fn mailboxes(&mut self) -> Result<AccountListing, Fault> {
        self.files.mailboxes().await
    }

    async fn marks(&mut self, mailboxes: &[MailboxName]) -> Result<Vec<Mark>, Fault> {
        self.files.marks(mailboxes).await
    }

    async fn messages(
        &mut self,
        mailbox: &MailboxName,
        selection: &Selection,
        keys: &KeyRule,
    ) -> Result<MessageListing, Fault> {
        self.files.messages(mailbox, selection, keys).await
    }

    async fn messages_among(
        &mut self,
        mailbox: &MailboxName,
        which: Among<'_>,
        keys: &KeyRule,
    ) -> Result<MessageListing, Fault> {
        self.files.messages_among(mailbox, which, keys).await
    }

    async fn list(
        &mut self,
        requests: Vec<ListRequest>,
        keys: &KeyRule,
        tell: &mut TellListed<'_>,
    ) -> Result<(), Fault> {
        self.files.list(requests, keys, tell).await
    }

    async fn digests(&mut self, listed: AsListed<'_>, uids: &[Uid]) -> Result<Digests, Fault> {
        self.files.digests(listed, uids).await
    }

    async fn octet_digests(
        &mut self,
        listed: AsListed<'_>,
        uids: &[Uid],
    ) -> Result<OctetDigests, Fault> {
        self.files.octet_digests(listed, uids).await
    }

    async fn subjects(
        &mut self,
        listed: AsListed<'_>,
        uids: &[Uid],
    ) -> Result<HashMap<Uid, Vec<u8>>, Fault> {
        self.files.subjects(listed, uids).await
    }

    fn has_room_for_bodies(&self) -> bool {
        self.files.has_room_for_bodies()
    }

    fn open_bodies(&mut self, listed: AsListed<'_>, wanted: Vec<Wanted>) {
        self.files.open_bodies(listed, wanted);
    }

    async fn next_body(&mut self) -> Result<BodyEvent<'_>, Fault> {
        self.files.next_body().await
    }

    async fn close(&mut self) {}
}

//! Messages in files of this machine, a file each, read as a source: what was kept aside, or a local
//! archive, is brought in by the same run that copies from a server.
//!
//! A [`Catalogue`] says what there is. Files are read as they are asked for, in chunks; one that is
//! gone or no longer what it was is a fault of its message. To a [`Shelf`] messages can be added.

pub(crate) mod delivery;
pub(crate) mod disk;
pub(crate) mod lock;
pub(crate) mod mboxrd;
mod message;
mod search;
mod shelf;
#[cfg(test)]
pub(crate) mod suite;

use std::collections::{HashMap, VecDeque};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use mailferry_engine::canonical::Canonical;
use mailferry_engine::fault::{Fault, FaultKind, Scope, Side};
use mailferry_engine::identity::KeyRule;
use mailferry_engine::listing::{
    AccountListing, MailboxInfo, Mark, MessageListing, Row, SIZE_UNKNOWN,
};
use mailferry_engine::message::{Key, Uid};
use mailferry_engine::name::MailboxName;
use mailferry_engine::pairing::Digests;
use ring::digest::{Context, SHA256};

use self::delivery::Delivery;
use self::message::Body;
pub use self::message::{FileMessage, Part};
use self::search::Search;
pub(crate) use self::shelf::as_listed;
pub use self::shelf::{Placed, Refused, Shelf};
use crate::contract::{
    Among, Appended, AsListed, BodyEvent, InternalDates, ListRequest, Listed, OctetDigest,
    OctetDigests, Origin, Selection, Source, TellListed, Wanted,
};

/// A message up to here is handed over whole.
const WHOLE_OCTETS_MAX: u64 = 64 * 1024;
/// Octets that are read at once.
const CHUNK_OCTETS: usize = 64 * 1024;

/// Says which messages there are, and in which files.
pub trait Catalogue: Send {
    /// The mailboxes.
    ///
    /// # Errors
    /// They cannot be listed.
    fn account(&mut self) -> Result<AccountListing, Fault>;

    /// A mailbox as it is now.
    ///
    /// # Errors
    /// There is none of that name, or it cannot be read.
    fn mailbox(&mut self, name: &MailboxName) -> Result<Arc<FileMailbox>, Fault>;

    /// A mailbox as it was found last, if that is still known.
    ///
    /// # Errors
    /// As [`Catalogue::mailbox`].
    fn known(&mut self, name: &MailboxName) -> Result<Arc<FileMailbox>, Fault> {
        self.mailbox(name)
    }
}

/// A catalogue that was made once and does not change.
#[derive(Clone, Debug, Default)]
pub struct FileAccount {
    /// In any order, each name once.
    pub mailboxes: Vec<Arc<FileMailbox>>,
    /// What separates the levels of their names.
    pub delimiter: Option<u8>,
}

impl Catalogue for Arc<FileAccount> {
    fn account(&mut self) -> Result<AccountListing, Fault> {
        let info = |mailbox: &Arc<FileMailbox>| mailbox.info(self.delimiter);
        let mut mailboxes: Vec<MailboxInfo> = self.mailboxes.iter().map(info).collect();
        mailboxes.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(AccountListing { mailboxes, delimiter: self.delimiter, ..AccountListing::default() })
    }

    fn mailbox(&mut self, name: &MailboxName) -> Result<Arc<FileMailbox>, Fault> {
        let found = self.mailboxes.iter().find(|known| known.name == *name);
        found.cloned().ok_or_else(|| no_such_mailbox(name))
    }
}

pub(crate) fn no_such_mailbox(name: &MailboxName) -> Fault {
    let words = "there is no such mailbox in the files";
    Fault::new(Side::Source, FaultKind::Select, words).in_mailbox(name)
}

/// One mailbox.
#[derive(Clone, Debug)]
pub struct FileMailbox {
    /// Its name.
    pub name: MailboxName,
    /// UIDVALIDITY under which its UIDs hold.
    pub uid_validity: u32,
    /// The UID that the next message will have.
    pub uid_next: u32,
    /// Its messages, in ascending order of UID.
    pub messages: Vec<FileMessage>,
}

/// An account in files: what a catalogue tells of, and what is on its way there.
pub struct FileStore<C> {
    pub(crate) catalogue: C,
    waiting: VecDeque<Task>,
    reading: Option<Reading>,
    appends: Appends,
}

/// Messages that are handed over.
#[derive(Default)]
struct Appends {
    /// The folder that they go to now.
    to: Option<PathBuf>,
    /// Handed over in part.
    writing: Option<Delivery>,
    /// Handed over, and not on the disk yet.
    written: Vec<Delivery>,
    /// These are to be put there now.
    due: bool,
    outcomes: Vec<Appended>,
}

/// What bodies are wanted for.
enum Task {
    Body { mailbox: MailboxName, wanted: Wanted },
    Unavailable(Fault),
    Finish,
}

struct Reading {
    body: Body,
    path: PathBuf,
}

impl<C: Catalogue> FileStore<C> {
    /// Reads what this catalogue tells of.
    #[must_use]
    pub fn new(catalogue: C) -> Self {
        let (waiting, reading, appends) = (VecDeque::new(), None, Appends::default());
        Self { catalogue, waiting, reading, appends }
    }

    /// The mailbox, if it is the one that was listed.
    pub(crate) fn as_listed(&mut self, listed: AsListed<'_>) -> Result<Arc<FileMailbox>, Fault> {
        let mailbox = self.catalogue.known(listed.mailbox)?;
        if mailbox.uid_validity != listed.uid_validity {
            let words = "the mailbox is not the one that was listed";
            return Err(
                Fault::new(Side::Source, FaultKind::Select, words).in_mailbox(listed.mailbox)
            );
        }
        Ok(mailbox)
    }

    /// Puts the octets of messages into `take`, which answers what it made of them.
    async fn digest<T>(
        &mut self,
        listed: AsListed<'_>,
        uids: &[Uid],
        begin: impl Fn() -> T,
        take: impl Fn(&mut T, &[u8]),
        mut tell: impl FnMut(Uid, Option<T>),
    ) -> Result<(), Fault> {
        let mailbox = self.as_listed(listed)?;
        for &uid in uids {
            let Some(message) = mailbox.message(uid) else {
                tell(uid, None);
                continue;
            };
            let mut digest = begin();
            let read = message.read(|octets| take(&mut digest, octets)).await;
            tell(uid, read.is_ok().then_some(digest));
        }
        Ok(())
    }

    async fn list_one(&mut self, request: &ListRequest, keys: &KeyRule) -> Result<Listed, Fault> {
        let search = Search::read(&request.selection)?;
        let known = request.known.as_ref();
        let mailbox = self.catalogue.mailbox(&request.mailbox)?;
        let listing = mailbox.listing(keys, |_| true, (known, &search)).await?;
        let origin = if known.is_some() { Origin::Refreshed } else { Origin::Told };
        Ok(Listed { listing, origin })
    }

    /// The next octets of the message that is read.
    async fn go_on_reading(&mut self) -> Result<BodyEvent<'_>, Fault> {
        let Some(reading) = &mut self.reading else { return Ok(BodyEvent::End) };
        if let Err(error) = reading.body.fill().await {
            // So many octets were announced: whoever passes them on has to begin anew.
            let words = unreadable(&reading.path, &error);
            self.reading = None;
            return Err(Fault::new(Side::Source, FaultKind::Connection, words));
        }
        if reading.body.octets().is_empty() {
            self.reading = None;
        }
        Ok(match &self.reading {
            Some(reading) => BodyEvent::Chunk(reading.body.octets()),
            None => BodyEvent::End,
        })
    }

    /// Opens the next message that is wanted.
    async fn open_next(&mut self, mailbox: &MailboxName, wanted: Wanted) -> Opened {
        let known = self.catalogue.known(mailbox);
        let message = known.ok().and_then(|known| known.message(wanted.uid).cloned());
        let Some(mut message) = message else {
            return Opened::Missing(missing(
                mailbox,
                wanted.uid,
                FaultKind::Expunged,
                "it is gone",
            ));
        };
        let mut opened = handed_out(&message).await;
        if opened.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::NotFound) {
            // Its file may have another name by now.
            let now = self.catalogue.mailbox(mailbox);
            let found = now.ok().and_then(|now| now.message(wanted.uid).cloned());
            if let Some(found) = found.filter(|found| found.path != message.path) {
                message = found;
                opened = handed_out(&message).await;
            }
        }
        opened.unwrap_or_else(|error| {
            let words = unreadable(&message.path, &error);
            Opened::Missing(missing(mailbox, wanted.uid, FaultKind::Fetch, &words))
        })
    }
}

async fn handed_out(message: &FileMessage) -> io::Result<Opened> {
    if message.octets > WHOLE_OCTETS_MAX {
        let body = message.open_proven().await?;
        let reading = Reading { body, path: message.path.clone() };
        return Ok(Opened::Begin(reading, message.octets));
    }
    let mut octets = Vec::with_capacity(usize::try_from(message.octets).unwrap_or(0));
    message.read(|some| octets.extend_from_slice(some)).await?;
    Ok(Opened::Whole(octets))
}

/// The key that a message had. One of another length, or whose length was not told, is looked at.
fn known_key(known: &MessageListing, uid: Uid, size: u32) -> Option<Key> {
    let at = known.position(uid)?;
    (known.size[at] == size && size != SIZE_UNKNOWN).then(|| known.key[at])
}

enum Opened {
    Whole(Vec<u8>),
    Begin(Reading, u64),
    Missing(Fault),
}

fn missing(mailbox: &MailboxName, uid: Uid, kind: FaultKind, words: &str) -> Fault {
    Fault::new(Side::Source, kind, words).in_mailbox(mailbox).of_message(uid)
}

fn unreadable(path: &Path, error: &io::Error) -> String {
    format!("{}: {error}", path.display())
}

impl FileMailbox {
    pub(crate) fn message(&self, uid: Uid) -> Option<&FileMessage> {
        let at = self.messages.binary_search_by_key(&uid, |message| message.uid).ok()?;
        self.messages.get(at)
    }

    fn info(&self, delimiter: Option<u8>) -> MailboxInfo {
        MailboxInfo::new(self.name.clone(), delimiter, self.mark())
    }

    /// One that nobody has delivered to yet.
    pub(crate) fn empty(name: &MailboxName) -> Self {
        Self { name: name.clone(), uid_validity: 1, uid_next: 1, messages: Vec::new() }
    }

    pub(crate) fn mark(&self) -> Mark {
        Mark {
            uid_validity: self.uid_validity,
            uid_next: self.uid_next,
            messages: u32::try_from(self.messages.len()).ok(),
            ..Mark::default()
        }
    }

    /// Lists the messages that are meant. A message that an earlier run knew under its UID has the
    /// key that it had (RFC 9051 §2.3.1.1), so that its file need not be read.
    async fn listing(
        &self,
        keys: &KeyRule,
        meant: impl Fn(Uid) -> bool,
        (known, search): (Option<&MessageListing>, &Search),
    ) -> Result<MessageListing, Fault> {
        let known = known.filter(|known| known.uid_validity == self.uid_validity);
        let mut listing = MessageListing {
            uid_validity: self.uid_validity,
            uid_next: self.uid_next,
            ..MessageListing::default()
        };
        for message in self.messages.iter().filter(|message| meant(message.uid)) {
            let size = u32::try_from(message.octets).unwrap_or(SIZE_UNKNOWN);
            let key = match known.and_then(|known| known_key(known, message.uid, size)) {
                Some(key) => Ok(key),
                None => message.key(keys).await,
            };
            let unlisted = |error: io::Error| {
                let words = unreadable(&message.path, &error);
                let fault = Fault::new(Side::Source, FaultKind::ListingIncomplete, words);
                fault.in_mailbox(&self.name).of_message(message.uid)
            };
            let key = key.map_err(unlisted)?;
            let header = match search.asks_for_header() {
                true => message.header().await.map_err(unlisted)?.unwrap_or_default(),
                false => Vec::new(),
            };
            let flags = listing.flag_table.intern(message.flags.clone());
            listing.push(Row {
                uid: message.uid,
                key,
                size,
                date: message.date,
                flags,
                selected: search.finds(message.date, &header),
            });
        }
        Ok(listing)
    }
}

impl<C: Catalogue> Source for FileStore<C> {
    async fn mailboxes(&mut self) -> Result<AccountListing, Fault> {
        self.catalogue.account()
    }

    async fn marks(&mut self, mailboxes: &[MailboxName]) -> Result<Vec<Mark>, Fault> {
        let mut mark =
            |name| self.catalogue.known(name).map(|found| found.mark()).unwrap_or_default();
        Ok(mailboxes.iter().map(&mut mark).collect())
    }

    async fn messages(
        &mut self,
        mailbox: &MailboxName,
        selection: &Selection,
        keys: &KeyRule,
    ) -> Result<MessageListing, Fault> {
        let search = Search::read(selection)?;
        self.catalogue.mailbox(mailbox)?.listing(keys, |_| true, (None, &search)).await
    }

    async fn messages_among(
        &mut self,
        mailbox: &MailboxName,
        which: Among<'_>,
        keys: &KeyRule,
    ) -> Result<MessageListing, Fault> {
        self.catalogue
            .mailbox(mailbox)?
            .listing(keys, |uid| which.holds(uid), (None, &Search::default()))
            .await
    }

    async fn list(
        &mut self,
        requests: Vec<ListRequest>,
        keys: &KeyRule,
        tell: &mut TellListed<'_>,
    ) -> Result<(), Fault> {
        for (at, request) in requests.into_iter().enumerate() {
            match self.list_one(&request, keys).await {
                Err(fault) if fault.scope > Scope::Mailbox => return Err(fault),
                listed => tell(at, listed),
            }
        }
        Ok(())
    }

    async fn dates(&mut self, listed: AsListed<'_>, uids: &[Uid]) -> Result<InternalDates, Fault> {
        let mailbox = self.as_listed(listed)?;
        let date = |&uid: &Uid| Some((uid, mailbox.message(uid)?.date));
        Ok(uids.iter().filter_map(date).collect())
    }

    async fn digests(&mut self, listed: AsListed<'_>, uids: &[Uid]) -> Result<Digests, Fault> {
        let mut digests = Digests::default();
        let tell = |uid, canonical: Option<Canonical>| match canonical {
            Some(canonical) => digests.insert(uid, canonical.finish()),
            None => digests.insert_unavailable(uid),
        };
        self.digest(listed, uids, Canonical::new, Canonical::update, tell).await?;
        Ok(digests)
    }

    async fn octet_digests(
        &mut self,
        listed: AsListed<'_>,
        uids: &[Uid],
    ) -> Result<OctetDigests, Fault> {
        let mut digests = OctetDigests::with_capacity(uids.len());
        let tell = |uid, context: Option<Context>| {
            digests.insert(uid, context.map(OctetDigest::of));
        };
        self.digest(listed, uids, || Context::new(&SHA256), Context::update, tell).await?;
        Ok(digests)
    }

    async fn headlines(
        &mut self,
        listed: AsListed<'_>,
        uids: &[Uid],
    ) -> Result<HashMap<Uid, Vec<u8>>, Fault> {
        let mailbox = self.as_listed(listed)?;
        let mut headlines = HashMap::new();
        for &uid in uids {
            let Some(message) = mailbox.message(uid) else { continue };
            // What cannot be read is told when it is to be copied.
            if let Ok(Some(header)) = message.header().await {
                headlines.insert(uid, header);
            }
        }
        Ok(headlines)
    }

    fn has_room_for_bodies(&self) -> bool {
        true
    }

    fn open_bodies(&mut self, listed: AsListed<'_>, wanted: Vec<Wanted>) {
        match self.as_listed(listed) {
            Ok(_) => {
                let mailbox = listed.mailbox;
                let body = |wanted| Task::Body { mailbox: mailbox.clone(), wanted };
                self.waiting.extend(wanted.into_iter().map(body));
                self.waiting.push_back(Task::Finish);
            }
            Err(fault) => self.waiting.push_back(Task::Unavailable(fault)),
        }
    }

    async fn next_body(&mut self) -> Result<BodyEvent<'_>, Fault> {
        if self.reading.is_some() {
            return self.go_on_reading().await;
        }
        match self.waiting.front() {
            Some(Task::Body { mailbox, wanted }) => {
                let (mailbox, wanted) = (mailbox.clone(), *wanted);
                let opened = self.open_next(&mailbox, wanted).await;
                self.waiting.pop_front();
                let uid = wanted.uid;
                Ok(match opened {
                    Opened::Whole(octets) => BodyEvent::Whole { uid, octets },
                    Opened::Begin(reading, octets) => {
                        self.reading = Some(reading);
                        BodyEvent::Begin { uid, octets }
                    }
                    Opened::Missing(fault) => BodyEvent::Missing { uid, fault },
                })
            }
            Some(Task::Unavailable(_)) => match self.waiting.pop_front() {
                Some(Task::Unavailable(fault)) => Ok(BodyEvent::Unavailable { fault }),
                _ => Ok(BodyEvent::Finished),
            },
            Some(Task::Finish) | None => {
                self.waiting.pop_front();
                Ok(BodyEvent::Finished)
            }
        }
    }

    async fn close(&mut self) {}
}

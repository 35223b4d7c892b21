//! What earlier runs learnt of two accounts, in a local database: identity and flags of listed
//! messages, digests, and which copy was made of which message (`docs/design/state.md`).
//!
//! It is a cache. Only what IMAP itself guarantees is kept (a UID names one message for good under
//! one UIDVALIDITY, RFC 9051 §2.3.1.1; HIGHESTMODSEQ bounds what changed, RFC 7162 §3.1.2), and
//! copies that the target acknowledged. Deleting it changes no result, and no deletion rests on it.
//! Whatever fails here is noted once and makes runs slower, never wrong.

mod file;
mod rows;
mod table;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use mailferry_engine::fault::Side;
use mailferry_engine::identity::KeyRule;
use mailferry_engine::listing::{MessageListing, Row, SIZE_UNKNOWN};
use mailferry_engine::message::{FlagSet, InternalDate, Uid};
use mailferry_engine::name::MailboxName;
use mailferry_engine::pairing::Digests;
use mailferry_store::contract::AsListed;
use rusqlite::Connection;

pub(crate) use self::file::private as private_file;
use self::table::{Place, Tables};

/// The database cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// The folder cannot be made, or a file in it.
    #[error("{path}: {error}")]
    Folder {
        /// Which.
        path: PathBuf,
        /// The system's words.
        error: std::io::Error,
    },
    /// SQLite refused.
    #[error("{path}: {error}")]
    Database {
        /// Which file.
        path: PathBuf,
        /// SQLite's words.
        error: rusqlite::Error,
    },
}

/// What earlier runs learnt of one pair of accounts.
pub struct State {
    connection: Mutex<Connection>,
    path: PathBuf,
    seal: blake3::Hasher,
    complaint: OnceLock<String>,
    /// Whether a run on these accounts was killed while it copied.
    killed: Mutex<Option<i64>>,
    /// The row that says that this run copies.
    underway: Mutex<Option<i64>>,
    /// Is told of every commit.
    watch: Option<CommitWatch>,
    /// Says that the database is in use.
    _lock: Option<File>,
}

/// A moment at which a run may be ended: what it learnt is about to be lasting, or has become so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Commit {
    /// Written, and lost if the process ends now.
    Due,
    /// Lasting.
    Done,
}

/// Is told of every commit; for tests that end a run there.
pub type CommitWatch = Box<dyn Fn(Commit) + Send + Sync>;

/// A message of the source and its copy on the target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CopyMade {
    /// UID of the message.
    pub source: Uid,
    /// UID of its copy, as APPENDUID told it (RFC 4315 §3).
    pub target: Uid,
    /// The INTERNALDATE that it was given; unknown where the target took its own clock.
    pub date: InternalDate,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl State {
    /// Opens the state of two accounts in `folder`, which is made where it is missing. What
    /// cannot be read is begun anew.
    ///
    /// # Errors
    /// The folder or the file cannot be written.
    pub fn open(folder: &Path, source: &str, target: &str) -> Result<Self, StateError> {
        make_folder(folder)
            .map_err(|error| StateError::Folder { path: folder.to_owned(), error })?;
        let path = folder.join(file_name(source, target));
        let opened = file::open(&path)?;
        let state = Self {
            connection: Mutex::new(opened.connection),
            path,
            seal: table::seal_of(source, target),
            complaint: OnceLock::new(),
            killed: Mutex::new(None),
            underway: Mutex::new(None),
            watch: None,
            _lock: opened.lock,
        };
        state.write(|tables| tables.claim(source, target));
        if opened.alone {
            // Nobody else is at work, so whoever said so has died.
            state.write(|tables| {
                let last = "SELECT max(run) FROM underway";
                let last: Option<i64> = tables.connection.query_row(last, [], |row| row.get(0))?;
                *lock(&state.killed) = last;
                Ok(())
            });
        }
        Ok(state)
    }

    /// The same, with somebody who is told of every commit from here on.
    #[must_use]
    pub fn watched(self, watch: CommitWatch) -> Self {
        Self { watch: Some(watch), ..self }
    }

    /// Whether a run on these accounts was killed while it copied: what it had sent may still be under
    /// way.
    #[must_use]
    pub fn was_killed(&self) -> bool {
        lock(&self.killed).is_some()
    }

    /// What a killed run had sent was waited for. A run that is killed before this leaves it to the
    /// next one.
    pub fn forget_killed(&self) {
        if let Some(last) = lock(&self.killed).take() {
            self.write(|tables| {
                tables.connection.execute("DELETE FROM underway WHERE run <= ?1", [last]).map(drop)
            });
        }
    }

    /// Takes note that copying begins, before anything is sent.
    pub fn begin_copying(&self) {
        let mut row = None;
        self.write(|tables| {
            tables.connection.execute("INSERT INTO underway DEFAULT VALUES", [])?;
            row = Some(tables.connection.last_insert_rowid());
            Ok(())
        });
        *lock(&self.underway) = row;
    }

    /// Takes note that nothing is under way any more.
    pub fn end_copying(&self) {
        let row = lock(&self.underway).take();
        if let Some(row) = row {
            self.write(|tables| {
                tables.connection.execute("DELETE FROM underway WHERE run = ?1", [row]).map(drop)
            });
        }
    }

    /// Why the database could not be used on the way, where that was so.
    #[must_use]
    pub fn complaint(&self) -> Option<String> {
        self.complaint.get().map(|words| format!("{}: {words}", self.path.display()))
    }

    /// The mailbox as it was listed last, under the same rule for keys.
    #[must_use]
    pub fn listing(
        &self,
        side: Side,
        mailbox: &MailboxName,
        keys: &KeyRule,
    ) -> Option<MessageListing> {
        self.read(|tables| tables.load(Place { side, mailbox }, keys)).flatten()
    }

    /// Keeps listings of one side.
    pub fn keep<'a>(
        &self,
        side: Side,
        keys: &KeyRule,
        listings: impl IntoIterator<Item = (&'a MailboxName, &'a MessageListing)>,
    ) {
        let mut listings = listings.into_iter().peekable();
        if listings.peek().is_none() {
            return;
        }
        self.write(|tables| {
            for (mailbox, listing) in listings {
                // What was not delivered is not known; without UIDVALIDITY no UID holds.
                if listing.uid_validity != 0 && listing.oddities.is_empty() {
                    tables.save(Place { side, mailbox }, keys, listing)?;
                }
            }
            Ok(())
        });
    }

    /// Keeps which copies were made: the next run knows them by the identity of the message that
    /// was copied, whatever the target makes of its headers. Nothing else of them is known.
    /// `uid_validity`: the target mailbox's.
    pub fn keep_copies(
        &self,
        source: AsListed<'_>,
        (target, uid_validity): (&MailboxName, u32),
        keys: &KeyRule,
        copies: &[CopyMade],
    ) {
        if copies.is_empty() || uid_validity == 0 {
            return;
        }
        let from = Place { side: Side::Source, mailbox: source.mailbox };
        let to = Place { side: Side::Target, mailbox: target };
        self.write(|tables| {
            // Another run may have listed it since, under another UIDVALIDITY: then these UIDs
            // are those of other messages there.
            let known = tables.load(from, keys)?;
            let Some(from) = known.filter(|from| from.uid_validity == source.uid_validity) else {
                return Ok(());
            };
            let known = tables.load(to, keys)?;
            let mut into = match known.filter(|known| known.uid_validity == uid_validity) {
                Some(known) => known,
                None => MessageListing { uid_validity, uid_next: 1, ..MessageListing::default() },
            };
            let known_rows = into.len();
            let flags = into.flag_table.intern(FlagSet::default());
            for &CopyMade { source, target, date } in copies {
                let Some(at) = from.position(source) else { continue };
                if into.uid[..known_rows].binary_search(&target).is_err() {
                    let (uid, key, size) = (target, from.key[at], SIZE_UNKNOWN);
                    into.push(Row { uid, key, size, date, flags, selected: true });
                }
            }
            into.sort();
            advance(&mut into);
            tables.save(to, keys, &into)
        });
    }

    /// The digests of canonical forms that are known of a mailbox.
    #[must_use]
    pub fn digests(&self, side: Side, mailbox: &MailboxName, uid_validity: u32) -> Digests {
        let found = self.read(|tables| tables.digests(Place { side, mailbox }, uid_validity));
        found.unwrap_or_default()
    }

    /// Keeps digests of canonical forms; `uids` are those that were asked for.
    pub fn keep_digests(
        &self,
        side: Side,
        (mailbox, uid_validity): (&MailboxName, u32),
        uids: &[Uid],
        digests: &Digests,
    ) {
        self.write(|tables| {
            let told = uids.iter().filter_map(|&uid| Some((uid, digests.find(uid).flatten()?)));
            tables.save_digests(Place { side, mailbox }, uid_validity, told)
        });
    }

    /// Reads at one moment: another run may write meanwhile.
    fn read<T>(&self, read: impl FnOnce(&Tables<'_>) -> rusqlite::Result<T>) -> Option<T> {
        if self.complaint.get().is_some() {
            return None;
        }
        let connection = self.connection.lock().ok()?;
        let found = connection
            .unchecked_transaction()
            .and_then(|moment| read(&Tables { connection: &moment, seal: &self.seal }));
        found.map_err(|error| self.complain(&error)).ok()
    }

    fn write(&self, write: impl FnOnce(&Tables<'_>) -> rusqlite::Result<()>) {
        if self.complaint.get().is_some() {
            return;
        }
        let Ok(mut connection) = self.connection.lock() else { return };
        let written = connection
            .transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)
            .and_then(|transaction| {
                write(&Tables { connection: &transaction, seal: &self.seal })?;
                self.tell(Commit::Due);
                transaction.commit()?;
                self.tell(Commit::Done);
                Ok(())
            });
        if let Err(error) = written {
            self.complain(&error);
        }
    }

    fn tell(&self, commit: Commit) {
        if let Some(watch) = &self.watch {
            watch(commit);
        }
    }

    fn complain(&self, error: &rusqlite::Error) {
        let kept = self.complaint.set(error.to_string());
        if kept.is_ok() && file::is_broken(error) {
            file::note_broken(&self.path);
        }
    }
}

/// Moves UIDNEXT of a listing past the messages that follow it without a gap: all of them are
/// known.
fn advance(listing: &mut MessageListing) {
    let begin = listing.uid.partition_point(|uid| uid.value() < listing.uid_next);
    for uid in &listing.uid[begin..] {
        match listing.uid_next.checked_add(1) {
            Some(next) if uid.value() == listing.uid_next => listing.uid_next = next,
            _ => break,
        }
    }
}

/// Mailbox names and digests are nobody else's business.
pub(crate) fn make_folder(folder: &Path) -> std::io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

impl State {
    /// A name for a pair of accounts that tells neither of them.
    #[must_use]
    pub fn pair_name(source: &str, target: &str) -> String {
        pair_digest(source, target)
    }
}

fn file_name(source: &str, target: &str) -> String {
    format!("{}.sqlite3", pair_digest(source, target))
}

fn pair_digest(source: &str, target: &str) -> String {
    let mut hasher = blake3::Hasher::new_derive_key("mailferry 2026 state of two accounts v1");
    for name in [source, target] {
        hasher.update(&(name.len() as u64).to_le_bytes());
        hasher.update(name.as_bytes());
    }
    hasher.finalize().to_hex()[..32].to_owned()
}

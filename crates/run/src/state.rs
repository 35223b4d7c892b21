//! What earlier runs learnt of two accounts, in a local database: identity and flags of listed
//! messages, digests, and which copy was made of which message (`docs/design/state.md`).
//!
//! It is a cache. Only what IMAP itself guarantees is kept (a UID names one message for good under
//! one UIDVALIDITY, RFC 9051 §2.3.1.1; HIGHESTMODSEQ bounds what changed, RFC 7162 §3.1.2), and
//! copies that the target acknowledged. Deleting it changes no result, and no deletion rests on it.
//! Whatever fails here is noted once and makes runs slower, never wrong.

mod rows;

use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock};
use std::time::Duration;

use mailferry_engine::fault::Side;
use mailferry_engine::identity::KeyRule;
use mailferry_engine::listing::MessageListing;
use mailferry_engine::message::{Digest, Uid};
use mailferry_engine::name::MailboxName;
use mailferry_engine::pairing::Digests;
use rusqlite::{Connection, OptionalExtension, Transaction, params};

/// The layout of the database; another number is another program's, and is begun anew.
const LAYOUT: i64 = 1;

/// How long another run on the same accounts may hold the database.
const BUSY_MAX: Duration = Duration::from_secs(5);

const TABLES: &str = "
CREATE TABLE IF NOT EXISTS account (side INTEGER PRIMARY KEY, name TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS mailbox (
    id INTEGER PRIMARY KEY,
    side INTEGER NOT NULL,
    name BLOB NOT NULL,
    keys TEXT NOT NULL,
    uid_validity INTEGER NOT NULL,
    uid_next INTEGER NOT NULL,
    highest_modseq INTEGER NOT NULL,
    mailbox_id BLOB,
    UNIQUE (side, name)
);
CREATE TABLE IF NOT EXISTS chunk (
    mailbox INTEGER NOT NULL REFERENCES mailbox (id) ON DELETE CASCADE,
    number INTEGER NOT NULL,
    messages BLOB NOT NULL,
    PRIMARY KEY (mailbox, number)
);
CREATE TABLE IF NOT EXISTS digest (
    mailbox INTEGER NOT NULL REFERENCES mailbox (id) ON DELETE CASCADE,
    uid INTEGER NOT NULL,
    digest BLOB NOT NULL,
    PRIMARY KEY (mailbox, uid)
) WITHOUT ROWID;
";

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
    complaint: OnceLock<String>,
}

/// A message of the source and its copy on the target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CopyMade {
    /// UID of the message.
    pub source: Uid,
    /// UID of its copy, as APPENDUID told it (RFC 4315 §3).
    pub target: Uid,
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
        let opened = connect(&path).or_else(|_| {
            for end in ["", "-wal", "-shm"] {
                let mut name = path.clone().into_os_string();
                name.push(end);
                let _ = std::fs::remove_file(PathBuf::from(name));
            }
            connect(&path)
        });
        let connection =
            opened.map_err(|error| StateError::Database { path: path.clone(), error })?;
        let state = Self { connection: Mutex::new(connection), path, complaint: OnceLock::new() };
        state.write(|transaction| {
            let mut name =
                transaction.prepare("INSERT OR IGNORE INTO account (side, name) VALUES (?, ?)")?;
            name.execute(params![number(Side::Source), source])?;
            name.execute(params![number(Side::Target), target])?;
            Ok(())
        });
        Ok(state)
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
        self.read(|connection| load(connection, side, mailbox, keys)).flatten()
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
        self.write(|transaction| {
            for (mailbox, listing) in listings {
                // What was not delivered is not known; without UIDVALIDITY no UID holds.
                if listing.uid_validity != 0 && listing.oddities.is_empty() {
                    save(transaction, side, mailbox, keys, listing)?;
                }
            }
            Ok(())
        });
    }

    /// Keeps which copies were made: the next run knows them by the identity of the message that
    /// was copied, whatever the target makes of its headers. `uid_validity`: the target mailbox's.
    pub fn keep_copies(
        &self,
        (source, target): (&MailboxName, &MailboxName),
        uid_validity: u32,
        keys: &KeyRule,
        copies: &[CopyMade],
    ) {
        if copies.is_empty() || uid_validity == 0 {
            return;
        }
        self.write(|transaction| {
            let Some(from) = load(transaction, Side::Source, source, keys)? else { return Ok(()) };
            let known = load(transaction, Side::Target, target, keys)?;
            let mut into = match known.filter(|known| known.uid_validity == uid_validity) {
                Some(known) => known,
                None => MessageListing { uid_validity, uid_next: 1, ..MessageListing::default() },
            };
            let known_rows = into.len();
            for copy in copies {
                let Some(at) = from.position(copy.source) else { continue };
                if into.uid[..known_rows].binary_search(&copy.target).is_err() {
                    let row = rows::row(&from, at, copy.target, &mut into.flag_table);
                    into.push(row);
                }
            }
            into.sort();
            advance(&mut into);
            save(transaction, Side::Target, target, keys, &into)
        });
    }

    /// The digests of canonical forms that are known of a mailbox.
    #[must_use]
    pub fn digests(&self, side: Side, mailbox: &MailboxName, uid_validity: u32) -> Digests {
        let found = self.read(|connection| {
            let mut statement = connection.prepare_cached(
                "SELECT uid, digest FROM digest JOIN mailbox ON mailbox.id = digest.mailbox
                 WHERE side = ? AND name = ? AND uid_validity = ?",
            )?;
            let rows = statement
                .query_map(params![number(side), mailbox.as_bytes(), uid_validity], |row| {
                    Ok((row.get::<_, u32>(0)?, row.get::<_, [u8; 16]>(1)?))
                })?;
            rows.collect::<Result<Vec<_>, _>>()
        });
        let mut digests = Digests::default();
        for (uid, digest) in found.unwrap_or_default() {
            if let Some(uid) = Uid::new(uid) {
                digests.insert(uid, Digest(digest));
            }
        }
        digests
    }

    /// Keeps digests of canonical forms; `uids` are those that were asked for.
    pub fn keep_digests(
        &self,
        side: Side,
        (mailbox, uid_validity): (&MailboxName, u32),
        uids: &[Uid],
        digests: &Digests,
    ) {
        self.write(|transaction| {
            let id = transaction
                .query_row(
                    "SELECT id FROM mailbox WHERE side = ? AND name = ? AND uid_validity = ?",
                    params![number(side), mailbox.as_bytes(), uid_validity],
                    |row| row.get::<_, i64>(0),
                )
                .optional()?;
            let Some(id) = id else { return Ok(()) };
            let mut statement = transaction.prepare_cached(
                "INSERT OR REPLACE INTO digest (mailbox, uid, digest) VALUES (?, ?, ?)",
            )?;
            for uid in uids {
                if let Some(Some(digest)) = digests.find(*uid) {
                    statement.execute(params![id, uid.value(), digest.0])?;
                }
            }
            Ok(())
        });
    }

    fn read<T>(&self, read: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Option<T> {
        if self.complaint.get().is_some() {
            return None;
        }
        let connection = self.connection.lock().ok()?;
        read(&connection).map_err(|error| self.complain(&error)).ok()
    }

    fn write(&self, write: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<()>) {
        if self.complaint.get().is_some() {
            return;
        }
        let Ok(mut connection) = self.connection.lock() else { return };
        let written = connection
            .transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)
            .and_then(|transaction| {
                write(&transaction)?;
                transaction.commit()
            });
        if let Err(error) = written {
            self.complain(&error);
        }
    }

    fn complain(&self, error: &rusqlite::Error) {
        let _ = self.complaint.set(error.to_string());
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

fn load(
    connection: &Connection,
    side: Side,
    mailbox: &MailboxName,
    keys: &KeyRule,
) -> rusqlite::Result<Option<MessageListing>> {
    let mut statement = connection.prepare_cached(
        "SELECT id, uid_validity, uid_next, highest_modseq, mailbox_id FROM mailbox
         WHERE side = ? AND name = ? AND keys = ?",
    )?;
    let found = statement
        .query_row(params![number(side), mailbox.as_bytes(), rule_text(keys)], |row| {
            let listing = MessageListing {
                uid_validity: row.get(1)?,
                uid_next: row.get(2)?,
                highest_modseq: row.get::<_, i64>(3)?.cast_unsigned(),
                mailbox_id: row.get::<_, Option<Vec<u8>>>(4)?.map(Vec::into_boxed_slice),
                ..MessageListing::default()
            };
            Ok((row.get::<_, i64>(0)?, listing))
        })
        .optional()?;
    let Some((id, mut listing)) = found else { return Ok(None) };
    let mut statement = connection
        .prepare_cached("SELECT messages FROM chunk WHERE mailbox = ? ORDER BY number")?;
    let mut chunks = statement.query(params![id])?;
    while let Some(chunk) = chunks.next()? {
        if rows::decode(chunk.get_ref(0)?.as_blob()?, &mut listing).is_none() {
            return Ok(None);
        }
    }
    Ok(Some(listing))
}

fn save(
    transaction: &Transaction<'_>,
    side: Side,
    mailbox: &MailboxName,
    keys: &KeyRule,
    listing: &MessageListing,
) -> rusqlite::Result<()> {
    // UIDs of another UIDVALIDITY, or keys made otherwise, are of no more use.
    transaction
        .prepare_cached(
            "DELETE FROM mailbox WHERE side = ? AND name = ? AND (uid_validity <> ? OR keys <> ?)",
        )?
        .execute(params![
            number(side),
            mailbox.as_bytes(),
            listing.uid_validity,
            rule_text(keys)
        ])?;
    let id: i64 = transaction
        .prepare_cached(
            "INSERT INTO mailbox (side, name, keys, uid_validity, uid_next, highest_modseq, mailbox_id)
             VALUES (?, ?, ?, ?, ?, ?, ?)
             ON CONFLICT (side, name) DO UPDATE SET uid_next = excluded.uid_next,
                 highest_modseq = excluded.highest_modseq, mailbox_id = excluded.mailbox_id
             RETURNING id",
        )?
        .query_row(
            params![
                number(side),
                mailbox.as_bytes(),
                rule_text(keys),
                listing.uid_validity,
                listing.uid_next,
                listing.highest_modseq.cast_signed(),
                listing.mailbox_id.as_deref()
            ],
            |row| row.get(0),
        )?;
    save_chunks(transaction, id, listing)
}

fn save_chunks(
    transaction: &Transaction<'_>,
    id: i64,
    listing: &MessageListing,
) -> rusqlite::Result<()> {
    let mut stored: Vec<u32> = transaction
        .prepare_cached("SELECT number FROM chunk WHERE mailbox = ?")?
        .query_map(params![id], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    let mut put = transaction.prepare_cached(
        "INSERT INTO chunk (mailbox, number, messages) VALUES (?, ?, ?)
         ON CONFLICT (mailbox, number) DO UPDATE SET messages = excluded.messages
         WHERE messages <> excluded.messages",
    )?;
    for (number, range) in rows::chunks(listing) {
        // What does not fit the format is not kept, and asked for again.
        if let Some(octets) = rows::encode(listing, range) {
            put.execute(params![id, number, octets])?;
            stored.retain(|other| *other != number);
        }
    }
    for number in stored {
        transaction
            .prepare_cached("DELETE FROM chunk WHERE mailbox = ? AND number = ?")?
            .execute(params![id, number])?;
    }
    Ok(())
}

fn connect(path: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open(path)?;
    connection.busy_timeout(BUSY_MAX)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    // A cache: what a crash of the machine takes away is asked for again.
    connection.pragma_update(None, "synchronous", "NORMAL")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    let layout: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    if layout != 0 && layout != LAYOUT {
        return Err(rusqlite::Error::InvalidQuery);
    }
    connection.execute_batch(TABLES)?;
    connection.pragma_update(None, "user_version", LAYOUT)?;
    Ok(connection)
}

/// Mailbox names and digests are nobody else's business.
fn make_folder(folder: &Path) -> std::io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

fn file_name(source: &str, target: &str) -> String {
    let mut hasher = blake3::Hasher::new_derive_key("mailferry 2026 state of two accounts v1");
    for name in [source, target] {
        hasher.update(&(name.len() as u64).to_le_bytes());
        hasher.update(name.as_bytes());
    }
    format!("{}.sqlite3", &hasher.finalize().to_hex()[..32])
}

fn rule_text(keys: &KeyRule) -> String {
    format!("{keys:?}")
}

fn number(side: Side) -> i64 {
    match side {
        Side::Source => 1,
        Side::Target => 2,
    }
}

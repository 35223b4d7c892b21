//! The file of a state: where it is, who may begin it anew, and its tables.
//!
//! Runs on the same accounts share it. Each holds a lock beside it for as long as it runs, since a
//! database that another process has open is not to be removed (its log would be taken for the
//! next one's): whoever is alone may begin anew what cannot be read, anybody else does without.

use std::fs::{File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rusqlite::{Connection, ErrorCode, ffi};

use super::StateError;

/// The layout of the database and the version of what stands in it, such as digests of the canonical
/// form; another number is another program's, and is begun anew.
const LAYOUT: i64 = 4;

/// How long another run on the same accounts may hold the database.
const BUSY_MAX: Duration = Duration::from_secs(5);
/// How often it is looked whether another run has opened it.
const LOOK_EVERY: Duration = Duration::from_millis(10);

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
    seal BLOB NOT NULL,
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
    seal BLOB NOT NULL,
    PRIMARY KEY (mailbox, uid)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS underway (run INTEGER PRIMARY KEY);
";

/// An open database, and the lock that says so.
pub(super) struct Opened {
    pub(super) connection: Connection,
    /// Given back when it is dropped. `None` where the file system has no locks.
    pub(super) lock: Option<File>,
    /// Whether no other run had it open.
    pub(super) alone: bool,
}

/// Opens the database, or begins it anew where it cannot be read and nobody else has it open.
pub(super) fn open(path: &Path) -> Result<Opened, StateError> {
    let lock_path = path.with_extension("lock");
    let folder = |path: &Path| {
        let path = path.to_owned();
        move |error| StateError::Folder { path, error }
    };
    let lock = private(&lock_path).map_err(folder(&lock_path))?;
    let alone = match lock.try_lock() {
        Ok(()) => true,
        Err(TryLockError::WouldBlock) => false,
        Err(TryLockError::Error(_)) => {
            return Ok(Opened { connection: connect(path)?, lock: None, alone: false });
        }
    };
    if !alone {
        share(&lock).map_err(folder(&lock_path))?;
        return Ok(Opened { connection: connect(path)?, lock: Some(lock), alone: false });
    }
    let connection = if broken_mark(path).exists() {
        begin_anew(path)
    } else {
        match connect(path) {
            Err(StateError::Database { error, .. }) if is_broken(&error) => begin_anew(path),
            connected => connected,
        }
    }?;
    lock.unlock().and_then(|()| share(&lock)).map_err(folder(&lock_path))?;
    Ok(Opened { connection, lock: Some(lock), alone: true })
}

/// Takes note that the database was found broken on the way: the next run that is alone with it
/// begins it anew.
pub(super) fn note_broken(path: &Path) {
    let _ = private(&broken_mark(path));
}

fn broken_mark(path: &Path) -> PathBuf {
    path.with_extension("broken")
}

/// Whether it is the file that is bad. A full disk, missing rights, or somebody without a lock who
/// has it are none of its faults, and no reason to lose it.
pub(super) fn is_broken(error: &rusqlite::Error) -> bool {
    match error.sqlite_error_code() {
        Some(
            ErrorCode::DatabaseBusy
            | ErrorCode::DatabaseLocked
            | ErrorCode::DiskFull
            | ErrorCode::CannotOpen
            | ErrorCode::PermissionDenied,
        ) => false,
        Some(ErrorCode::SystemIoFailure) => {
            let code = error.sqlite_error().map(|error| error.extended_code);
            matches!(code, Some(ffi::SQLITE_IOERR_READ | ffi::SQLITE_IOERR_SHORT_READ))
        }
        // Another layout, or something that this program does not write.
        _ => true,
    }
}

fn begin_anew(path: &Path) -> Result<Connection, StateError> {
    for end in ["", "-wal", "-shm"] {
        let mut name = path.to_owned().into_os_string();
        name.push(end);
        let _ = std::fs::remove_file(PathBuf::from(name));
    }
    let connection = connect(path)?;
    let _ = std::fs::remove_file(broken_mark(path));
    Ok(connection)
}

/// Waits until whoever opens the database has done so.
fn share(lock: &File) -> std::io::Result<()> {
    let end = Instant::now() + BUSY_MAX;
    loop {
        match lock.try_lock_shared() {
            Err(TryLockError::WouldBlock) if Instant::now() < end => {
                std::thread::sleep(LOOK_EVERY);
            }
            Err(TryLockError::WouldBlock) => {
                return Err(std::io::Error::other("another process holds this lock"));
            }
            Err(TryLockError::Error(error)) => return Err(error),
            Ok(()) => return Ok(()),
        }
    }
}

fn connect(path: &Path) -> Result<Connection, StateError> {
    // SQLite gives the files beside it the rights of the first one.
    private(path).map_err(|error| StateError::Folder { path: path.to_owned(), error })?;
    prepared(path).map_err(|error| StateError::Database { path: path.to_owned(), error })
}

fn prepared(path: &Path) -> rusqlite::Result<Connection> {
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

/// Opens a file that is for this user only. Mailbox names and digests are nobody else's business.
pub(crate) fn private(path: &Path) -> std::io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).append(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

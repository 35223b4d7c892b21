//! Messages that the target refused and no repair could bring in, kept aside as files.
//!
//! Each is two files in one folder that nobody else may read: the message, octet by octet, as
//! `.eml`, and what is to be known to bring it in later as `.json`. They come into being whole or
//! not at all, the message first: a `.json` says that both are there. Calls block on the disk; a
//! message is never held whole.

mod account;
mod disk;
mod metadata;
mod place;
mod read;
#[cfg(all(test, unix))]
mod tests;
mod write;

use std::fmt::Write as _;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use mailferry_engine::message::Uid;
use mailferry_engine::name::MailboxName;

pub use self::account::KeptAccount;
pub use self::metadata::{Attempt, Metadata, MetadataDate, Record};
pub use self::place::QuarantinePlace;
pub use self::read::{Kept, KeptMessage};
pub use self::write::Writing;

use self::disk::{Disk, System};

/// How much one folder may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QuarantineLimits {
    /// Messages.
    pub messages_max: u64,
    /// Octets of all messages together.
    pub octets_max: u64,
}

impl Default for QuarantineLimits {
    fn default() -> Self {
        Self { messages_max: 10_000, octets_max: 10 << 30 }
    }
}

/// Where a message is on the source: names it for good (RFC 9051 §2.3.1.1).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Origin {
    /// The mailbox.
    pub mailbox: MailboxName,
    /// Its UIDVALIDITY; 0 where the server told none.
    pub uid_validity: u32,
    /// The message.
    pub uid: Uid,
}

impl Origin {
    /// The name of its files without the ending: letters, digits and hyphens only, whatever
    /// the mailbox is called, and another one for every other origin of an account.
    fn file_stem(&self) -> String {
        const READABLE_MAX: usize = 40;
        const CONTEXT: &str = "mailferry 2026 name of a quarantined message v1";
        let mut stem = String::new();
        for &octet in self.mailbox.as_bytes().iter().take(READABLE_MAX) {
            let plain = octet.is_ascii_alphanumeric();
            stem.push(if plain { char::from(octet) } else { '-' });
        }
        // A name that begins with a hyphen looks like an option.
        if !stem.starts_with(|letter: char| letter.is_ascii_alphanumeric()) {
            stem.insert(0, 'm');
        }
        let mut hasher = blake3::Hasher::new_derive_key(CONTEXT);
        hasher.update(self.mailbox.as_bytes());
        let digest = &hasher.finalize().to_hex()[..16];
        let _ = write!(stem, "-{digest}-{}-{}", self.uid_validity, self.uid);
        stem
    }
}

/// A message cannot be kept aside, or not be read back.
#[derive(Debug, thiserror::Error)]
pub enum QuarantineError {
    /// The folder cannot be made or read.
    #[error("{path}: {error}")]
    Folder {
        /// Which.
        path: PathBuf,
        /// The system's words.
        error: io::Error,
    },
    /// Others may read or change what is in the folder.
    #[error("{path}: the folder is open to others (mode {mode:o}); it must be 700")]
    NotPrivate {
        /// Which.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// The disk, or the user's share of it, is full.
    #[error("{path}: the disk is full: {error}")]
    DiskFull {
        /// The file that was to be written.
        path: PathBuf,
        /// The system's words.
        error: io::Error,
    },
    /// A file cannot be written.
    #[error("{path}: {error}")]
    Write {
        /// Which.
        path: PathBuf,
        /// The system's words.
        error: io::Error,
    },
    /// A file cannot be read.
    #[error("{path}: {error}")]
    Read {
        /// Which.
        path: PathBuf,
        /// The system's words.
        error: io::Error,
    },
    /// A limit was reached.
    #[error("{path}: {what}: {limit} at most")]
    Limit {
        /// The folder or file.
        path: PathBuf,
        /// Which limit.
        what: &'static str,
        /// Its value.
        limit: u64,
    },
    /// What is written beside a message is not what this program writes.
    #[error("{path}: not understood: {words}")]
    NotUnderstood {
        /// The file.
        path: PathBuf,
        /// Why.
        words: String,
    },
    /// A message is no longer what was kept.
    #[error("{path}: it is not the message that was kept: its SHA-256 or length is another")]
    Altered {
        /// The file.
        path: PathBuf,
    },
}

impl QuarantineError {
    fn write(path: &Path, error: io::Error) -> Self {
        let path = path.to_owned();
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                Self::DiskFull { path, error }
            }
            _ => Self::Write { path, error },
        }
    }

    fn read(path: &Path, error: io::Error) -> Self {
        Self::Read { path: path.to_owned(), error }
    }
}

/// A folder of messages of one source account. Several tasks may write into it.
#[derive(Debug)]
pub struct Quarantine {
    folder: PathBuf,
    limits: QuarantineLimits,
    disk: Box<dyn Disk>,
    messages: AtomicU64,
    octets: AtomicU64,
}

impl Quarantine {
    /// Opens a folder, which is made with mode 0700 where it is missing.
    ///
    /// # Errors
    /// It cannot be made or read, it is open to others, or it holds more than the limits permit.
    pub fn open(folder: &Path, limits: QuarantineLimits) -> Result<Self, QuarantineError> {
        Self::open_on(folder, limits, Box::new(System))
    }

    fn open_on(
        folder: &Path,
        limits: QuarantineLimits,
        disk: Box<dyn Disk>,
    ) -> Result<Self, QuarantineError> {
        let failed = |error| QuarantineError::Folder { path: folder.to_owned(), error };
        disk::make_folder(folder).map_err(failed)?;
        let mode = disk::mode_of(folder).map_err(failed)?;
        if mode & 0o077 != 0 {
            return Err(QuarantineError::NotPrivate { path: folder.to_owned(), mode });
        }
        let quarantine = Self {
            folder: folder.to_owned(),
            limits,
            disk,
            messages: AtomicU64::new(0),
            octets: AtomicU64::new(0),
        };
        for entry in std::fs::read_dir(folder).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            if entry.path().extension().is_some_and(|end| end == "eml") {
                let octets = match entry.metadata() {
                    Ok(metadata) => metadata.len(),
                    // Somebody else has found its place.
                    Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                    Err(error) => return Err(failed(error)),
                };
                quarantine.claim_message()?;
                quarantine.claim_octets(octets)?;
            }
        }
        Ok(quarantine)
    }

    /// The folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    fn path(&self, stem: &str, end: &str) -> PathBuf {
        self.folder.join(format!("{stem}.{end}"))
    }

    fn claim_message(&self) -> Result<(), QuarantineError> {
        let limit = self.limits.messages_max;
        self.claim(&self.messages, 1, (limit, "messages in the quarantine"))
    }

    fn claim_octets(&self, octets: u64) -> Result<(), QuarantineError> {
        let limit = self.limits.octets_max;
        self.claim(&self.octets, octets, (limit, "octets in the quarantine"))
    }

    fn claim(
        &self,
        used: &AtomicU64,
        amount: u64,
        (limit, what): (u64, &'static str),
    ) -> Result<(), QuarantineError> {
        let claimed = used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |used| {
            used.checked_add(amount).filter(|&sum| sum <= limit)
        });
        let path = || self.folder.clone();
        claimed.map_err(|_| QuarantineError::Limit { path: path(), what, limit }).map(|_| ())
    }

    /// Returns once the names in the folder are on the disk.
    fn sync(&self) -> Result<(), QuarantineError> {
        let synced = self.disk.sync_folder(&self.folder);
        synced.map_err(|error| QuarantineError::write(&self.folder, error))
    }

    fn give_back(&self, messages: u64, octets: u64) {
        self.messages.fetch_sub(messages, Ordering::Relaxed);
        self.octets.fetch_sub(octets, Ordering::Relaxed);
    }
}

//! Whose turn it is in a target mailbox: two runs never work on one at the same time
//! (`docs/design/claims.md`).
//!
//! Each run holds a lock on a file that stands for the mailbox while it writes there; the system
//! gives it back however the run ends. In the file stands which process holds it, and a stamp that
//! every holder writes anew: by it a run knows whether another one was at work since it listed the
//! mailbox, also where it never had to wait.

use std::fs::{File, OpenOptions, TryLockError};
use std::hash::{BuildHasher, RandomState};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::Duration;

use mailferry_engine::name::MailboxName;
use mailferry_store::lock_file::is_at;

/// A file that was not used for so long is taken away.
const UNUSED_MAX: Duration = Duration::from_secs(2 * 24 * 3600);
/// How often a file is opened again that was taken away meanwhile.
const OPENINGS_MAX: usize = 10;

/// The claims to the mailboxes of one target account by all runs of one user on this machine.
#[derive(Debug)]
pub struct Claims {
    folder: PathBuf,
    complaint: OnceLock<String>,
}

/// What a run saw of a mailbox's claim before it listed the mailbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sighting {
    /// Another run had it.
    Taken,
    /// None had it; the stamp of the one that had it last.
    Free(Option<u64>),
}

/// What came of asking for a claim.
#[derive(Debug)]
pub(crate) enum Asked {
    /// It is had.
    Had(Claim),
    /// Another run has it: the process, where it can be read.
    Taken(Option<u32>),
}

/// A claim, given back when it is dropped.
#[derive(Debug)]
pub(crate) struct Claim {
    /// The stamp of the one that had it last.
    before: Option<u64>,
    stamp: u64,
    _held: Option<File>,
}

impl Claim {
    /// Whether another run had it since that sighting, or had it then.
    pub(crate) fn is_stale(&self, sighting: Sighting) -> bool {
        sighting != Sighting::Free(self.before)
    }

    /// What would have been seen right before.
    pub(crate) fn sighting_before(&self) -> Sighting {
        Sighting::Free(self.before)
    }

    /// What will be seen once it is given back, unless another run takes it.
    pub(crate) fn sighting(&self) -> Sighting {
        Sighting::Free(Some(self.stamp))
    }
}

impl Claims {
    /// The claims to the mailboxes of this account, kept below `folder`.
    ///
    /// # Errors
    /// The folder cannot be made or written.
    pub fn open(folder: &Path, account: &str) -> io::Result<Self> {
        let folder = folder.join(digest(account.as_bytes()));
        crate::state::make_folder(&folder)?;
        tempfile::tempfile_in(&folder)?;
        prune(&folder);
        Ok(Self { folder, complaint: OnceLock::new() })
    }

    /// Why a claim could not be had on the way, where that was so.
    #[must_use]
    pub fn complaint(&self) -> Option<&str> {
        self.complaint.get().map(String::as_str)
    }

    /// Looks whether a mailbox is claimed.
    pub(crate) fn sight(&self, mailbox: &MailboxName) -> Sighting {
        let Ok(file) = File::open(self.path(mailbox)) else { return Sighting::Free(None) };
        // Shared, so that runs that only look do not see each other.
        match file.try_lock_shared() {
            Err(TryLockError::WouldBlock) => Sighting::Taken,
            Ok(()) | Err(TryLockError::Error(_)) => Sighting::Free(read(&file).1),
        }
    }

    /// Asks for a mailbox. Where no lock can be had for another reason than another run, it is done
    /// without.
    pub(crate) fn ask(&self, mailbox: &MailboxName) -> Asked {
        match self.try_take(&self.path(mailbox)) {
            Ok(asked) => asked,
            Err(error) => {
                let _ = self.complaint.set(format!("{}: {error}", self.folder.display()));
                Asked::Had(Claim { before: None, stamp: 0, _held: None })
            }
        }
    }

    fn try_take(&self, path: &Path) -> io::Result<Asked> {
        for _ in 0..OPENINGS_MAX {
            let mut options = OpenOptions::new();
            let file = options.create(true).truncate(false).read(true).write(true).open(path)?;
            match file.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => return Ok(Asked::Taken(read(&file).0)),
                Err(TryLockError::Error(error)) => return Err(error),
            }
            if !is_at(&file, path) {
                continue;
            }
            let (_, before) = read(&file);
            let stamp = RandomState::new().hash_one(std::process::id());
            let mut written = &file;
            written.seek(SeekFrom::Start(0))?;
            written.write_all(format!("{:<10} {stamp:016x}\n", std::process::id()).as_bytes())?;
            return Ok(Asked::Had(Claim { before, stamp, _held: Some(file) }));
        }
        Err(io::Error::other("the file of a claim is taken away again and again"))
    }

    fn path(&self, mailbox: &MailboxName) -> PathBuf {
        self.folder.join(digest(mailbox.as_bytes()))
    }
}

/// Names of accounts and mailboxes are nobody else's business, and need not be names of files.
fn digest(name: &[u8]) -> String {
    blake3::hash(name).to_hex()[..32].to_owned()
}

/// The process that had a claim last, and its stamp.
fn read(mut file: &File) -> (Option<u32>, Option<u64>) {
    let mut text = String::new();
    let start = file.seek(SeekFrom::Start(0));
    if start.and_then(|_| file.take(64).read_to_string(&mut text)).is_err() {
        return (None, None);
    }
    let mut words = text.split_whitespace();
    let process = words.next().and_then(|word| word.parse().ok());
    (process, words.next().and_then(|word| u64::from_str_radix(word, 16).ok()))
}

/// Takes files away that nobody used for long. Only where it can be told afterwards that it was
/// done.
#[cfg(unix)]
fn prune(folder: &Path) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let modified = entry.metadata().and_then(|metadata| metadata.modified());
        let is_old = modified.is_ok_and(|time| time.elapsed().is_ok_and(|age| age > UNUSED_MAX));
        if !is_old {
            continue;
        }
        let Ok(file) = OpenOptions::new().write(true).open(entry.path()) else { continue };
        if file.try_lock().is_ok() {
            let _ = std::fs::remove_file(entry.path());
        }
    }
}

#[cfg(not(unix))]
fn prune(_: &Path) {}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn claims(folder: &Path) -> Claims {
        Claims::open(folder, "user@host:143").unwrap()
    }

    fn had(claims: &Claims, mailbox: &str) -> Claim {
        match claims.ask(&mailbox.into()) {
            Asked::Had(claim) => claim,
            taken @ Asked::Taken(_) => panic!("{taken:?}"),
        }
    }

    #[test]
    fn a_mailbox_is_claimed_by_one_run_and_free_when_that_ends() {
        let folder = tempfile::tempdir().unwrap();
        let (one, other) = (claims(folder.path()), claims(folder.path()));
        let claim = had(&one, "INBOX");
        match other.ask(&"INBOX".into()) {
            Asked::Taken(process) => assert_eq!(process, Some(std::process::id())),
            claim @ Asked::Had(_) => panic!("{claim:?}"),
        }
        assert_eq!(other.sight(&"INBOX".into()), Sighting::Taken);
        drop((had(&other, "Sent"), claim));
        had(&other, "INBOX");
        let elsewhere = Claims::open(folder.path(), "other@host:143").unwrap();
        let claim = had(&one, "INBOX");
        drop((had(&elsewhere, "INBOX"), claim));
    }

    #[test]
    fn a_run_knows_whether_another_was_at_work_since_it_looked() {
        let folder = tempfile::tempdir().unwrap();
        let (one, other) = (claims(folder.path()), claims(folder.path()));
        let inbox = MailboxName::from("INBOX");
        let first = one.sight(&inbox);
        assert!(!had(&one, "INBOX").is_stale(first), "nobody was");
        let seen = one.sight(&inbox);
        let claim = had(&one, "INBOX");
        assert!(!claim.is_stale(seen));
        let own = claim.sighting();
        drop(claim);
        assert!(!had(&one, "INBOX").is_stale(own), "only itself");
        let seen = one.sight(&inbox);
        drop(had(&other, "INBOX"));
        assert!(had(&one, "INBOX").is_stale(seen), "another came and went");
        let claim = had(&other, "INBOX");
        let seen = one.sight(&inbox);
        drop(claim);
        assert!(had(&one, "INBOX").is_stale(seen), "another was there");
    }

    #[test]
    #[cfg(unix)]
    fn what_was_not_used_for_long_is_taken_away_unless_it_is_held() {
        let folder = tempfile::tempdir().unwrap();
        let one = claims(folder.path());
        let held = had(&one, "Held");
        drop(had(&one, "Old"));
        drop(had(&one, "New"));
        let long_ago = std::time::SystemTime::now() - UNUSED_MAX * 2;
        for name in ["Held", "Old"] {
            let file = OpenOptions::new().write(true).open(one.path(&name.into())).unwrap();
            file.set_modified(long_ago).unwrap();
        }
        let other = claims(folder.path());
        let is_there = |name: &str| one.path(&name.into()).exists();
        assert_eq!([is_there("Held"), is_there("Old"), is_there("New")], [true, false, true]);
        assert!(matches!(other.ask(&"Held".into()), Asked::Taken(_)));
        drop(held);
    }
}

//! What a comparison of octets has found to be the same, kept in a file, so that one that was
//! interrupted goes on where it was.
//!
//! The file is JSON Lines: a head that names the two accounts, then a line for every few hundred
//! messages, added as soon as they were compared. A message never changes under its UID and
//! UIDVALIDITY (RFC 9051 §2.3.1.1), so what was the same once need not be read again; what was not
//! is not in the file.

use std::collections::HashMap;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, BufRead, BufReader, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use mailferry_engine::message::Uid;
use mailferry_engine::plan::MailboxPlan;
use serde::{Deserialize, Serialize};

use crate::survey::MailboxListings;

const VERSION: u32 = 1;
/// A line holds a few hundred pairs; one that is longer was not written here.
const LINE_BYTES_MAX: u64 = 1 << 20;

/// A record cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// The file cannot be opened, read or written.
    #[error("the record {path} cannot be used: {error}", path = .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// The file is something else.
    #[error("{path} is not the record of a check", path = .path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// It is of a later version.
    #[error("the record {path} was written by a later version", path = .path.display())]
    Newer {
        /// The file.
        path: PathBuf,
    },
    /// Other accounts were compared.
    #[error("{path} is the record of a check of {source_account} and {target_account}", path = .path.display())]
    OtherAccounts {
        /// The file.
        path: PathBuf,
        /// The source then.
        source_account: String,
        /// The target then.
        target_account: String,
    },
    /// Another check writes to it.
    #[error("another check is writing to {path}", path = .path.display())]
    Busy {
        /// The file.
        path: PathBuf,
    },
}

/// The first line.
#[derive(Serialize, Deserialize)]
struct Head {
    mailferry_check: u32,
    source: String,
    target: String,
}

/// Where two copies of messages are.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(super) struct Place {
    source: String,
    source_uid_validity: u32,
    target: String,
    target_uid_validity: u32,
}

impl Place {
    pub(super) fn new(plan: &MailboxPlan, listings: &MailboxListings, part: usize) -> Self {
        Self {
            source: plan.parts[part].source.to_string(),
            source_uid_validity: listings.sources[part].uid_validity,
            target: plan.target.to_string(),
            target_uid_validity: listings.target.uid_validity,
        }
    }

    /// Without UIDVALIDITY a UID says nothing in a later run.
    fn is_lasting(&self) -> bool {
        self.source_uid_validity != 0 && self.target_uid_validity != 0
    }
}

/// Consecutive UIDs on both sides: the first of each, and how many.
type Row = (u32, u32, u32);

/// A further line.
#[derive(Serialize, Deserialize)]
struct Line {
    #[serde(flatten)]
    place: Place,
    same: Vec<Row>,
}

/// The record of one comparison, kept in a file.
#[derive(Debug)]
pub struct Record {
    path: PathBuf,
    file: File,
    /// By where they are, sorted by UIDs of the source.
    same: HashMap<Place, Vec<Row>>,
    failed: Option<io::Error>,
}

impl Record {
    /// Opens or begins the record of a check of these two accounts.
    ///
    /// # Errors
    /// [`RecordError`].
    pub fn open(path: &Path, accounts: [&str; 2]) -> Result<Self, RecordError> {
        let unusable = |error| RecordError::Io { path: path.to_owned(), error };
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        let file = options.open(path).map_err(unusable)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(RecordError::Busy { path: path.to_owned() });
            }
            // A file system without locks: two checks at once would be the user's own doing.
            Err(TryLockError::Error(_)) => {}
        }
        let mut record = Self { path: path.to_owned(), file, same: HashMap::new(), failed: None };
        record.read(accounts)?;
        Ok(record)
    }

    /// Why it could not be gone on with, if so: the comparison is none the worse for it.
    #[must_use]
    pub fn failure(&self) -> Option<RecordError> {
        let error = self.failed.as_ref()?;
        let error = io::Error::new(error.kind(), error.to_string());
        Some(RecordError::Io { path: self.path.clone(), error })
    }

    /// Reads what is there, and begins the file where there is nothing. A last line without its end
    /// was cut short, and is written over.
    fn read(&mut self, [source, target]: [&str; 2]) -> Result<(), RecordError> {
        let path = self.path.clone();
        let unusable = |error| RecordError::Io { path: path.clone(), error };
        let foreign = || RecordError::Foreign { path: path.clone() };
        let mut lines = BufReader::new(&self.file);
        let mut whole = 0;
        let mut line = Vec::new();
        let mut same: HashMap<Place, Vec<Row>> = HashMap::new();
        loop {
            line.clear();
            let mut limited = io::Read::take(&mut lines, LINE_BYTES_MAX);
            let read = limited.read_until(b'\n', &mut line).map_err(unusable)?;
            if line.last() != Some(&b'\n') {
                // Nothing that a check wrote is so long, or lacks its end at the beginning.
                if read as u64 == LINE_BYTES_MAX || (whole == 0 && read > 0) {
                    return Err(foreign());
                }
                break;
            }
            if whole == 0 {
                let head: Head = serde_json::from_slice(&line).map_err(|_| foreign())?;
                if head.mailferry_check != VERSION {
                    return Err(RecordError::Newer { path });
                }
                if head.source != source || head.target != target {
                    let (source_account, target_account) = (head.source, head.target);
                    return Err(RecordError::OtherAccounts {
                        path,
                        source_account,
                        target_account,
                    });
                }
            } else {
                let line: Line = serde_json::from_slice(&line).map_err(|_| foreign())?;
                same.entry(line.place).or_default().extend(line.same);
            }
            whole += read as u64;
        }
        self.file.set_len(whole).map_err(unusable)?;
        self.file.seek(SeekFrom::Start(whole)).map_err(unusable)?;
        same.values_mut().for_each(|rows| rows.sort_unstable());
        self.same = same;
        if whole == 0 {
            let (source, target) = (source.to_owned(), target.to_owned());
            self.add(&Head { mailferry_check: VERSION, source, target }).map_err(unusable)?;
        }
        Ok(())
    }

    fn add(&mut self, line: &impl Serialize) -> io::Result<()> {
        let mut octets = serde_json::to_vec(line)?;
        octets.push(b'\n');
        self.file.write_all(&octets)
    }

    /// Whether these two were found to be the same.
    pub(super) fn holds(&self, place: &Place, (here, there): (Uid, Uid)) -> bool {
        let Some(rows) = self.same.get(place).filter(|_| place.is_lasting()) else { return false };
        let (here, there) = (here.value(), there.value());
        let behind = rows.partition_point(|(first, ..)| *first <= here);
        // Several rows may begin below: after a pairing that changed they overlap.
        rows[..behind].iter().rev().take(ROWS_LOOKED_AT_MAX).any(|&(first, other, count)| {
            here - first < count && other.checked_add(here - first) == Some(there)
        })
    }

    /// Notes that these were found to be the same.
    pub(super) fn note(&mut self, place: &Place, same: &[(Uid, Uid)]) {
        if same.is_empty() || !place.is_lasting() || self.failed.is_some() {
            return;
        }
        let line = Line { place: place.clone(), same: rows(same) };
        self.failed = self.add(&line).err();
    }
}

/// Rows that begin below a UID and could hold it; more of them overlap only by mischief.
const ROWS_LOOKED_AT_MAX: usize = 16;

fn rows(same: &[(Uid, Uid)]) -> Vec<Row> {
    let mut rows: Vec<Row> = Vec::new();
    for (here, there) in same.iter().map(|(here, there)| (here.value(), there.value())) {
        match rows.last_mut() {
            Some((first, other, count))
                if first.checked_add(*count) == Some(here)
                    && other.checked_add(*count) == Some(there) =>
            {
                *count += 1;
            }
            _ => rows.push((here, there, 1)),
        }
    }
    rows
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const ACCOUNTS: [&str; 2] = ["imaps://a@here", "imaps://b@there"];

    fn place() -> Place {
        let (source, target) = ("INBOX".to_owned(), "INBOX".to_owned());
        Place { source, source_uid_validity: 1, target, target_uid_validity: 2 }
    }

    fn pair(here: u32, there: u32) -> (Uid, Uid) {
        (Uid::new(here).unwrap(), Uid::new(there).unwrap())
    }

    #[test]
    fn what_was_the_same_is_known_the_next_time() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("record");
        let mut record = Record::open(&path, ACCOUNTS).unwrap();
        let same: Vec<_> = (1..=50).map(|uid| pair(uid, uid + 7)).collect();
        record.note(&place(), &same);
        record.note(&place(), &[pair(60, 3), pair(61, 9)]);
        drop(record);
        let record = Record::open(&path, ACCOUNTS).unwrap();
        assert!(same.iter().all(|pair| record.holds(&place(), *pair)));
        assert!(record.holds(&place(), pair(60, 3)) && record.holds(&place(), pair(61, 9)));
        for other in [pair(1, 7), pair(51, 58), pair(60, 9), pair(61, 4), pair(62, 10)] {
            assert!(!record.holds(&place(), other), "{other:?}");
        }
        let renumbered = Place { target_uid_validity: 3, ..place() };
        assert!(!record.holds(&renumbered, pair(1, 8)));
        assert!(std::fs::read_to_string(&path).unwrap().contains("[[1,8,50]]"));
    }

    #[test]
    fn uids_without_uidvalidity_are_not_recorded() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("record");
        let nameless = Place { source_uid_validity: 0, ..place() };
        Record::open(&path, ACCOUNTS).unwrap().note(&nameless, &[pair(1, 1)]);
        assert!(!Record::open(&path, ACCOUNTS).unwrap().holds(&nameless, pair(1, 1)));
    }

    #[test]
    fn a_line_that_was_cut_short_is_written_over() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("record");
        Record::open(&path, ACCOUNTS).unwrap().note(&place(), &[pair(1, 1)]);
        let whole = std::fs::read(&path).unwrap();
        let head = whole.iter().position(|octet| *octet == b'\n').unwrap() + 1;
        for cut in head..whole.len() {
            std::fs::write(&path, &whole[..cut]).unwrap();
            let mut record = Record::open(&path, ACCOUNTS).unwrap();
            assert!(!record.holds(&place(), pair(1, 1)));
            record.note(&place(), &[pair(2, 2)]);
            drop(record);
            assert!(Record::open(&path, ACCOUNTS).unwrap().holds(&place(), pair(2, 2)));
        }
    }

    #[test]
    fn what_is_no_record_of_these_accounts_is_left_as_it_is() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("record");
        let error = |octets: &[u8]| {
            std::fs::write(&path, octets).unwrap();
            let error = Record::open(&path, ACCOUNTS).unwrap_err();
            assert_eq!(std::fs::read(&path).unwrap(), octets);
            error
        };
        assert!(matches!(error(b"my diary"), RecordError::Foreign { .. }));
        assert!(matches!(error(b"my diary\n"), RecordError::Foreign { .. }));
        let long = vec![b'x'; 3 << 20];
        assert!(matches!(error(&long), RecordError::Foreign { .. }));
        let head = |version: u32, source: &str| {
            format!(
                "{{\"mailferry_check\":{version},\"source\":\"{source}\",\"target\":\"imaps://b@there\"}}\n"
            )
        };
        assert!(matches!(error(head(2, "imaps://a@here").as_bytes()), RecordError::Newer { .. }));
        let other = error(head(1, "imaps://z@here").as_bytes());
        assert!(matches!(other, RecordError::OtherAccounts { .. }), "{other}");
        let garbage = head(1, "imaps://a@here") + "not a line\n";
        assert!(matches!(error(garbage.as_bytes()), RecordError::Foreign { .. }));
    }

    #[test]
    fn a_record_is_of_one_check_at_a_time() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("record");
        let first = Record::open(&path, ACCOUNTS).unwrap();
        assert!(matches!(Record::open(&path, ACCOUNTS), Err(RecordError::Busy { .. })));
        drop(first);
        Record::open(&path, ACCOUNTS).unwrap();
        let nowhere = Record::open(&dir.path().join("no/such"), ACCOUNTS).unwrap_err();
        assert!(matches!(nowhere, RecordError::Io { .. }), "{nowhere}");
    }
}

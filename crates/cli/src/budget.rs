//! How many connections all runs on this machine together have to one server.
//!
//! People run twenty `imapsync` side by side, and a server that sees sixty connections from one
//! address refuses them all. Each pair of connections of each run holds one lock file for either
//! server, as long as one is free; where none is, only the pair without which nothing would be
//! copied is opened. A run that ends, however it does, gives its locks back.

use std::fs::{File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use mailferry_run::accounts::Need;

/// Connections to one server by all runs of one user of this machine, if nothing else is said.
pub const USUAL: usize = 20;
/// Says how many those are; 0 for no limit.
pub const VARIABLE: &str = "MAILFERRY_HOST_CONNECTIONS";

/// The connections that the runs of this user share.
#[derive(Clone, Debug)]
pub struct Budget {
    folder: PathBuf,
    connections: usize,
}

impl Budget {
    /// A budget of so many connections to each server, its locks below `folder`.
    #[must_use]
    pub fn new(folder: PathBuf, connections: usize) -> Self {
        Self { folder, connections }
    }

    /// What the environment says, its locks where local state is kept. `None`: nothing is
    /// counted, since there is no limit or no place for locks.
    ///
    /// # Errors
    /// The variable is no number; the words say so.
    pub fn of_environment(folder: Option<PathBuf>) -> Result<Option<Self>, String> {
        let connections = match std::env::var(VARIABLE) {
            Ok(text) if !text.is_empty() => text.parse().map_err(|_| {
                format!("{VARIABLE} is to be a number of connections, not `{text}`")
            })?,
            _ => USUAL,
        };
        let counted = folder.filter(|_| connections > 0);
        Ok(counted.map(|folder| Self::new(folder.join("connections"), connections)))
    }

    /// Leave for one connection to each of these servers, or for as many as there is leave for
    /// where they are needed. `None`: there is none to spare.
    #[must_use]
    pub fn take(&self, servers: &[impl AsRef<str>], need: Need) -> Option<Vec<File>> {
        let mut held = Vec::new();
        for server in servers {
            match self.lock_one(server.as_ref()) {
                Ok(Some(lock)) => held.push(lock),
                Ok(None) if need == Need::Spare => return None,
                // Where there can be no locks nothing can be counted.
                Ok(None) | Err(_) => {}
            }
        }
        Some(held)
    }

    fn lock_one(&self, server: &str) -> io::Result<Option<File>> {
        let folder = self.folder.join(file_name(server));
        std::fs::create_dir_all(&folder)?;
        for number in 0..self.connections {
            let lock = open(&folder.join(number.to_string()))?;
            match lock.try_lock() {
                Ok(()) => return Ok(Some(lock)),
                Err(std::fs::TryLockError::WouldBlock) => {}
                Err(std::fs::TryLockError::Error(error)) => return Err(error),
            }
        }
        Ok(None)
    }
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).truncate(false).write(true).open(path)
}

/// A name for a server that no folder of another is reached by.
fn file_name(server: &str) -> String {
    let mut name = String::with_capacity(server.len());
    for octet in server.to_ascii_lowercase().bytes() {
        match octet {
            b'a'..=b'z' | b'0'..=b'9' | b'-' => name.push(char::from(octet)),
            b'.' if !name.is_empty() => name.push('.'),
            other => name.push_str(&format!("%{other:02x}")),
        }
    }
    name
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn all_runs_together_open_no_more_spare_connections_than_the_budget() {
        let folder = tempfile::tempdir().unwrap();
        let budget = Budget::new(folder.path().to_owned(), 3);
        let first = budget.take(&["a.example", "b.example"], Need::First).unwrap();
        let spare = budget.clone().take(&["a.example", "c.example"], Need::Spare).unwrap();
        let both = budget.take(&["a.example", "a.example"], Need::Spare);
        assert!(both.is_none(), "only one of two is left");
        let last = budget.take(&["A.example", "b.example"], Need::Spare).unwrap();
        assert!(budget.take(&["a.example", "d.example"], Need::Spare).is_none());
        assert!(budget.take(&["a.example", "d.example"], Need::First).is_some());
        assert!(budget.take(&["d.example", "e.example"], Need::Spare).is_some());
        drop((first, spare));
        assert!(budget.take(&["a.example", "a.example"], Need::Spare).is_some());
        drop(last);
    }

    #[test]
    fn where_no_lock_can_be_made_nothing_is_counted() {
        let folder = tempfile::tempdir().unwrap();
        let in_the_way = folder.path().join("file");
        std::fs::write(&in_the_way, "").unwrap();
        let budget = Budget::new(in_the_way, 1);
        assert!(budget.take(&["a", "b"], Need::Spare).is_some());
        assert!(budget.take(&["a", "b"], Need::Spare).is_some());
    }

    #[test]
    fn the_name_of_a_server_stays_below_the_folder() {
        assert_eq!(file_name("IMAP.Example.org:993"), "imap.example.org%3a993");
        assert_eq!(file_name("../etc"), "%2e.%2fetc");
        assert_eq!(file_name("[::1]:143"), "%5b%3a%3a1%5d%3a143");
    }
}

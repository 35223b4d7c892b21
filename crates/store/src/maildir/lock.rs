//! Writing the files beside the messages: whole or not at all, and only by one program at a time.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A lock file this old was left by a program that died: Dovecot's own measure.
const STALE_AFTER: Duration = Duration::from_secs(120);
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// Looks until it is given up.
const LOOKS_MAX: u32 = 2600;

/// `dovecot-uidlist.lock`: whoever made it may write the list.
pub(super) struct Lock {
    path: PathBuf,
}

impl Lock {
    pub(super) fn take(folder: &Path) -> io::Result<Self> {
        let path = folder.join("dovecot-uidlist.lock");
        for _ in 0..LOOKS_MAX {
            match OpenOptions::new().write(true).create_new(true).open(&path) {
                Ok(_) => return Ok(Self { path }),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
            let modified = fs::metadata(&path).and_then(|found| found.modified());
            let age = modified.ok().and_then(|time| time.elapsed().ok()).unwrap_or_default();
            if age > STALE_AFTER {
                let _ = fs::remove_file(&path);
            } else {
                std::thread::sleep(LOOK_EVERY);
            }
        }
        Err(io::Error::new(io::ErrorKind::TimedOut, "another program keeps the lock of the list"))
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

/// Puts a file in the place of another, on the disk before this returns.
pub(super) fn replace(path: &Path, text: &str) -> io::Result<()> {
    let beside = path.with_extension("mailferry-new");
    let written = File::create(&beside).and_then(|mut file| {
        file.write_all(text.as_bytes())?;
        file.sync_all()
    });
    let placed = written.and_then(|()| fs::rename(&beside, path));
    if placed.is_err() {
        let _ = fs::remove_file(&beside);
    }
    placed?;
    path.parent().map_or(Ok(()), sync_folder)
}

/// Adds to the end of a file, on the disk before this returns.
pub(super) fn add(path: &Path, text: &str) -> io::Result<()> {
    let mut file = OpenOptions::new().append(true).open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

/// Returns once the names in a folder are on the disk.
pub(super) fn sync_folder(folder: &Path) -> io::Result<()> {
    // Elsewhere a folder cannot be opened, and need not be.
    if cfg!(unix) { File::open(folder)?.sync_all() } else { Ok(()) }
}

/// What is in a file; empty where there is none.
pub(super) fn read_or_empty(path: &Path) -> io::Result<String> {
    match fs::read(path) {
        Ok(octets) => Ok(String::from_utf8_lossy(&octets).into_owned()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(String::new()),
        Err(error) => Err(error),
    }
}

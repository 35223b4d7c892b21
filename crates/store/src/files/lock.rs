//! Writing the files beside the messages only by one program at a time.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::lock_file::is_at;

/// A lock file this old was left by a program that died: Dovecot's own measure.
const STALE_AFTER: Duration = Duration::from_secs(120);
/// One with nothing in it was begun by a program that died at once, ours or Dovecot.
const UNWRITTEN_AFTER: Duration = Duration::from_secs(10);
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// Looks until it is given up.
const LOOKS_MAX: u32 = 2600;

/// What stands in a lock file of ours.
const MARK: &str = "mailferry\n";

/// A file such as `dovecot-uidlist.lock`: whoever made it may write the list.
///
/// While it lives, the program that made it holds a lock of the system on the file as well: one of
/// ours that nobody holds was left by a run that was killed, and is taken away at once.
pub(crate) struct Lock {
    path: PathBuf,
    _held: File,
}

impl Lock {
    pub(crate) fn take(path: PathBuf) -> io::Result<Self> {
        for _ in 0..LOOKS_MAX {
            let mut options = OpenOptions::new();
            match options.read(true).write(true).create_new(true).open(&path) {
                Ok(mut held) => {
                    held.lock()?;
                    // Only now: whoever reads it knows that it is held, or that we are gone.
                    held.write_all(MARK.as_bytes())?;
                    // Whoever was held up so far may have been taken for dead.
                    if is_at(&held, &path) {
                        return Ok(Self { path, _held: held });
                    }
                    continue;
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
            if !take_away_if_left(&path) {
                std::thread::sleep(LOOK_EVERY);
            }
        }
        Err(io::Error::new(io::ErrorKind::TimedOut, "another program keeps the lock of the list"))
    }
}

/// Removes a lock whose maker is gone; whether it did.
fn take_away_if_left(path: &Path) -> bool {
    let Ok(mut file) = File::open(path) else { return false };
    let mut text = String::new();
    let told = io::Read::read_to_string(&mut file, &mut text).map(|_| text.as_str());
    let modified = file.metadata().and_then(|found| found.modified());
    let age = modified.ok().and_then(|time| time.elapsed().ok()).unwrap_or_default();
    let is_free = || file.try_lock().is_ok() && is_at(&file, path);
    let left = match told {
        Ok(MARK) => is_free(),
        Ok("") => age > UNWRITTEN_AFTER && is_free(),
        _ => age > STALE_AFTER,
    };
    left && fs::remove_file(path).is_ok()
}

impl Drop for Lock {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_lock_that_was_left_is_taken_away_and_one_that_is_held_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("dovecot-uidlist.lock");
        let held = Lock::take(path.clone()).unwrap();
        assert!(!take_away_if_left(&path) && path.exists());
        drop(held);
        assert!(!path.exists());
        // Of a run that was killed.
        fs::write(&path, MARK).unwrap();
        drop(Lock::take(path.clone()).unwrap());
        // Of Dovecot, and then of a Dovecot that died; of whoever died before it was written.
        for (text, patience) in [("123:host", STALE_AFTER), ("", UNWRITTEN_AFTER)] {
            fs::write(&path, text).unwrap();
            assert!(!take_away_if_left(&path));
            let long_ago = std::time::SystemTime::now() - patience * 2;
            File::options().write(true).open(&path).unwrap().set_modified(long_ago).unwrap();
            drop(Lock::take(path.clone()).unwrap());
            assert!(!path.exists());
        }
    }
}

//! Mail in a Maildir++ of this machine, as a source and as a target: an archive that other programs
//! read as it is (Dovecot, mutt), and that outlives this one.
//!
//! A message is a file of its octets as they came, line ends and all. Beside them stand Dovecot's own
//! files, which are documented and understood by others, too: `dovecot-uidlist` keeps UIDVALIDITY and
//! UIDs, `dovecot-keywords` what the letters of keywords mean, `subscriptions` the subscriptions.
//! INTERNALDATE is the file's time of modification, an instant without a zone. What is written is on
//! the disk before it is told of: message, directory, list. See `docs/design/maildir.md`.

mod folder;
mod info;
mod moving;
mod subscriptions;
mod target;
#[cfg(test)]
mod tests;
mod uid_list;

use std::io;
use std::path::{Path, PathBuf};

use mailferry_engine::fault::{Fault, FaultKind, Side};
use mailferry_engine::name::MailboxName;

pub use self::folder::MaildirCatalogue;
use crate::files::FileStore;
use crate::files::disk::{Role, disk};
use crate::files::lock::Lock;

/// What separates the levels of a mailbox name, as Maildir++ has it.
pub const DELIMITER: u8 = b'.';

/// A Maildir++ below one folder.
pub type MaildirAccount = FileStore<MaildirCatalogue>;

impl MaildirAccount {
    /// Reads a Maildir++, and changes nothing in it.
    ///
    /// # Errors
    /// There is no folder at `root`.
    pub fn source(root: &Path) -> Result<Self, Fault> {
        std::fs::read_dir(root)
            .map_err(|error| disk(Side::Source, FaultKind::Connection, root, &error))?;
        Ok(Self::new(MaildirCatalogue::new(root.to_owned(), Role::Source)))
    }

    /// Writes to a Maildir++, which is made where it is missing, for its owner alone.
    ///
    /// # Errors
    /// It cannot be made.
    pub fn target(root: &Path) -> Result<Self, Fault> {
        target::make_rooms(root)
            .map_err(|error| disk(Side::Target, FaultKind::Connection, root, &error))?;
        Ok(Self::new(MaildirCatalogue::new(root.to_owned(), Role::Target)))
    }
}

/// Whoever holds it may write the list of a folder.
fn list_lock(folder: &Path) -> io::Result<Lock> {
    Lock::take(folder.join("dovecot-uidlist.lock"))
}

/// The folder of a mailbox below the root; `None` for a name that is none here.
///
/// `INBOX` is the root itself, `a.b` is `.a.b` in it: no name leads out of the root, since none holds
/// a slash.
fn folder_of(root: &Path, name: &MailboxName) -> Option<PathBuf> {
    /// The longest name of a file on the usual systems, without the dot in front.
    const NAME_OCTETS_MAX: usize = 254;
    if name.is_inbox() {
        return Some(root.to_owned());
    }
    let octets = name.as_bytes();
    let has_empty_level = octets.split(|octet| *octet == DELIMITER).any(<[u8]>::is_empty);
    let is_plain = octets.iter().all(|octet| !matches!(octet, b'/' | 0..=0x1f | 0x7f..));
    if has_empty_level || !is_plain || octets.len() > NAME_OCTETS_MAX {
        return None;
    }
    let text = std::str::from_utf8(octets).ok()?;
    Some(root.join(format!(".{text}")))
}

/// The mailbox of an entry of the root; `None` for an entry that is none.
fn mailbox_of(entry: &std::ffi::OsStr) -> Option<MailboxName> {
    let text = entry.to_str()?;
    let name = MailboxName::from(text.strip_prefix('.')?);
    // The way back must lead here: `.` and `..` do not, nor does a second INBOX.
    let folder = folder_of(Path::new(""), &name)?;
    (!name.is_inbox() && folder == Path::new(entry)).then_some(name)
}

//! Mail in a Maildir of this machine, as a source and as a target: an archive that other programs
//! read as it is (Dovecot, mutt), and that outlives this one.
//!
//! A message is a file of its octets as they came, line ends and all. Beside them stand Dovecot's own
//! files, which are documented and understood by others, too: `dovecot-uidlist` keeps UIDVALIDITY and
//! UIDs, `dovecot-keywords` what the letters of keywords mean, `subscriptions` the subscriptions.
//! INTERNALDATE is the file's time of modification, an instant without a zone. What is written is on
//! the disk before it is told of: message, directory, list. See `docs/design/maildir.md`.

mod folder;
mod info;
mod layout;
mod moving;
mod subscriptions;
mod target;
#[cfg(test)]
mod tests;
mod uid_list;

use std::io;
use std::path::Path;

use mailferry_engine::fault::{Fault, FaultKind, Side};

pub use self::folder::MaildirCatalogue;
pub use self::layout::Layout;
use crate::files::FileStore;
use crate::files::disk::{Role, disk};
use crate::files::lock::Lock;

/// A Maildir below one folder.
pub type MaildirAccount = FileStore<MaildirCatalogue>;

impl MaildirAccount {
    /// Reads a Maildir, and changes nothing in it.
    ///
    /// # Errors
    /// There is no folder at `root`, or it is plainly of another layout.
    pub fn source(root: &Path, layout: Layout) -> Result<Self, Fault> {
        check(root, layout)
            .map_err(|error| disk(Side::Source, FaultKind::Connection, root, &error))?;
        Ok(Self::new(MaildirCatalogue::new(root.to_owned(), (Role::Source, layout))))
    }

    /// Writes to a Maildir, which is made where it is missing, for its owner alone.
    ///
    /// # Errors
    /// It cannot be made, or it is plainly of another layout.
    pub fn target(root: &Path, layout: Layout) -> Result<Self, Fault> {
        let checked = if root.is_dir() { check(root, layout) } else { Ok(()) };
        checked
            .and_then(|()| target::make_rooms(root))
            .map_err(|error| disk(Side::Target, FaultKind::Connection, root, &error))?;
        Ok(Self::new(MaildirCatalogue::new(root.to_owned(), (Role::Target, layout))))
    }
}

/// Whether a folder may be of this layout. Mailboxes of one among those of the other are seen by
/// nobody; and Maildirs that lie in a folder need not be mailboxes of one account, so that whoever
/// means that has to say it.
fn check(root: &Path, layout: Layout) -> io::Result<()> {
    let words = match Layout::shown_by(root)? {
        Some(Layout::PlusPlus) if layout == Layout::Fs => {
            "its mailboxes lie as Maildir++ has them: write maildir:PATH"
        }
        Some(Layout::Fs) if layout == Layout::PlusPlus => {
            "there are Maildirs in folders in it: write maildir+fs:PATH if they are mailboxes of this \
             account, else name another folder"
        }
        _ => return Ok(()),
    };
    Err(io::Error::new(io::ErrorKind::InvalidData, words))
}

/// Whoever holds it may write the list of a folder.
fn list_lock(folder: &Path) -> io::Result<Lock> {
    Lock::take(folder.join("dovecot-uidlist.lock"))
}

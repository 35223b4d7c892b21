//! Mail in plain files of this machine, as a source and as a target: for each mailbox a folder of `.eml`
//! files, a message each, or an mbox, which any program opens that knows mail.
//!
//! What a file of a message does not say stands beside it in `mailferry.index`, in a form that can be
//! read by eye: UIDVALIDITY, UIDs, INTERNALDATE, flags, and the SHA-256 of the octets, without which no
//! message is handed out. See `docs/design/archives.md`.

mod account;
mod catalogue;
mod eml;
mod index;
mod mbox;
mod names;
mod scan;
mod shelf;
#[cfg(test)]
mod tests;

use std::io;
use std::path::Path;

use mailferry_engine::fault::{Fault, FaultKind, Side};

pub use self::catalogue::ArchiveCatalogue;
use crate::files::FileStore;
use crate::files::disk::{Role, disk};
use crate::files::lock::Lock;

/// What is kept of the messages of a mailbox.
const INDEX: &str = "mailferry.index";
/// Whoever holds it may write to a folder.
const LOCK: &str = "mailferry.lock";
/// Subscriptions and special uses.
const ACCOUNT: &str = "mailferry.account";

/// An account in plain files below one folder.
pub type ArchiveAccount = FileStore<ArchiveCatalogue>;

/// In what form messages are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Each in a file of its own.
    Eml,
    /// Those of a mailbox in one file, as mboxrd has it.
    Mbox,
}

impl ArchiveAccount {
    /// Reads an archive, and changes nothing in it.
    ///
    /// # Errors
    /// There is no mail in that form at `root`.
    pub fn source(form: Form, root: &Path) -> Result<Self, Fault> {
        let catalogue = ArchiveCatalogue::new(form, root, Role::Source);
        let failed = |error| disk(Side::Source, FaultKind::Connection, root, &error);
        if catalogue.walk().map_err(failed)?.is_empty() {
            let words = "there is no mail in this form";
            return Err(failed(io::Error::new(io::ErrorKind::NotFound, words)));
        }
        Ok(Self::new(catalogue))
    }

    /// Writes to an archive, which is made where it is missing, for its owner alone.
    ///
    /// # Errors
    /// It cannot be made.
    pub fn target(form: Form, root: &Path) -> Result<Self, Fault> {
        let catalogue = ArchiveCatalogue::new(form, root, Role::Target);
        catalogue
            .make_inbox()
            .map_err(|error| disk(Side::Target, FaultKind::Connection, root, &error))?;
        Ok(Self::new(catalogue))
    }
}

fn lock(folder: &Path) -> io::Result<Lock> {
    Lock::take(folder.join(LOCK))
}

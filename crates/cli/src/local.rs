//! Accounts that are on this machine: `maildir:PATH`, `maildir+fs:PATH`, `eml:PATH`, `mbox:PATH`.

use std::path::Path;

use mailferry_engine::fault::{Fault, Side};
use mailferry_store::archive::{ArchiveAccount, Form};
use mailferry_store::either::Either;
use mailferry_store::maildir::{Layout, MaildirAccount};

/// How accounts are written, for hints.
pub const WRITTEN: &str = "accounts are written imaps://user@host[:port], maildir:PATH, maildir+fs:PATH, eml:PATH or mbox:PATH";

/// In what form mail is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LocalForm {
    /// A Maildir++; one that is read may be of either layout.
    Maildir,
    /// A Maildir with folders in folders.
    MaildirFs,
    /// Plain files.
    Archive(Form),
}

/// An account on this machine.
pub type LocalAccount = Either<MaildirAccount, ArchiveAccount>;

impl LocalForm {
    const EVERY: [(Self, &str); 4] = [
        (Self::Maildir, "maildir:"),
        (Self::MaildirFs, "maildir+fs:"),
        (Self::Archive(Form::Eml), "eml:"),
        (Self::Archive(Form::Mbox), "mbox:"),
    ];

    /// The form and the path of an account that is written so.
    #[must_use]
    pub fn of(url: &str) -> Option<(Self, &str)> {
        Self::EVERY.iter().find_map(|(form, scheme)| Some((*form, url.strip_prefix(scheme)?)))
    }

    /// What stands before the path.
    #[must_use]
    pub fn scheme(self) -> &'static str {
        Self::EVERY.iter().find(|(form, _)| *form == self).map_or("", |(_, scheme)| scheme)
    }

    /// Opens an account to be read (source) or written (target).
    ///
    /// # Errors
    /// It is not there, or cannot be made.
    pub fn open(self, side: Side, root: &Path) -> Result<LocalAccount, Fault> {
        let maildir = |layout| match side {
            Side::Source => MaildirAccount::source(root, layout).map(Either::One),
            Side::Target => MaildirAccount::target(root, layout).map(Either::One),
        };
        match (self, side) {
            // One that cannot be read is told of when it is opened.
            (Self::Maildir, Side::Source) => {
                maildir(Layout::shown_by(root).ok().flatten().unwrap_or(Layout::PlusPlus))
            }
            (Self::Maildir, Side::Target) => maildir(Layout::PlusPlus),
            (Self::MaildirFs, _) => maildir(Layout::Fs),
            (Self::Archive(form), Side::Source) => {
                ArchiveAccount::source(form, root).map(Either::Other)
            }
            (Self::Archive(form), Side::Target) => {
                ArchiveAccount::target(form, root).map(Either::Other)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accounts_on_this_machine_are_told_from_others() {
        assert_eq!(LocalForm::of("maildir:/a"), Some((LocalForm::Maildir, "/a")));
        assert_eq!(LocalForm::of("maildir+fs:/a"), Some((LocalForm::MaildirFs, "/a")));
        assert_eq!(LocalForm::of("eml:~/b"), Some((LocalForm::Archive(Form::Eml), "~/b")));
        for no in ["imaps://u@h", "/a", "eml", "xeml:/a"] {
            assert_eq!(LocalForm::of(no), None, "{no}");
        }
    }
}

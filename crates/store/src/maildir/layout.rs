//! Which folder is which mailbox.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use mailferry_engine::name::MailboxName;

use crate::files::disk::sync_folder;

/// How mailboxes lie in folders. `INBOX` is the root itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// Maildir++: `a.b` is the folder `.a.b` in the root.
    PlusPlus,
    /// A folder in a folder: `a/b` is the folder `b` in `a` (Dovecot: `LAYOUT=fs`).
    Fs,
}

/// What stands in the folder of a mailbox beside those below it: they are not looked into.
const ROOMS: [&str; 3] = ["cur", "new", "tmp"];
/// The longest name of a file on the usual systems.
const ENTRY_OCTETS_MAX: usize = 255;
/// Folders in folders; more are a loop, or no account.
const LEVELS_MAX: usize = 100;

impl Layout {
    /// The layout that shows plainly in a folder; `None` where there is no mailbox but INBOX, or where
    /// there are some of both.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn shown_by(root: &Path) -> io::Result<Option<Self>> {
        let plus_plus = Self::PlusPlus.mailboxes(root)?.len() > 1;
        // To folders in folders, those of Maildir++ are mailboxes whose name begins with a dot.
        let is_other = |name: &MailboxName| !name.is_inbox() && !name.as_bytes().starts_with(b".");
        let fs = Self::Fs.mailboxes(root)?.iter().any(is_other);
        Ok(match (plus_plus, fs) {
            (true, false) => Some(Self::PlusPlus),
            (false, true) => Some(Self::Fs),
            _ => None,
        })
    }

    /// What separates the levels of a name.
    pub(super) fn delimiter(self) -> u8 {
        match self {
            Self::PlusPlus => b'.',
            Self::Fs => b'/',
        }
    }

    /// The folder of a mailbox below the root; `None` for a name that is none here. No name leads out
    /// of the root.
    pub(super) fn folder_of(self, root: &Path, name: &MailboxName) -> Option<PathBuf> {
        if name.is_inbox() {
            return Some(root.to_owned());
        }
        let text = std::str::from_utf8(name.as_bytes()).ok()?;
        let levels = || text.split(char::from(self.delimiter()));
        if levels().any(|level| level.is_empty() || !level.bytes().all(is_plain)) {
            return None;
        }
        match self {
            Self::PlusPlus => {
                let entry = format!(".{text}");
                (entry.len() <= ENTRY_OCTETS_MAX).then(|| root.join(entry))
            }
            Self::Fs => {
                let is_level = |level: &str| {
                    level.len() <= ENTRY_OCTETS_MAX
                        && ![".", ".."].contains(&level)
                        && !ROOMS.contains(&level)
                };
                let is_whole = levels().count() <= LEVELS_MAX && levels().all(is_level);
                is_whole.then(|| levels().fold(root.to_owned(), |path, level| path.join(level)))
            }
        }
    }

    /// Whether a mailbox may be made of that name. In a folder that holds other mailboxes, too, nothing
    /// may be called as what Dovecot keeps there: a mailbox `dovecot.index` makes INBOX unreadable to
    /// it, one `subscriptions` all subscriptions (2.3.19). It shows none that begins with `~`, and what
    /// begins with a dot is a mailbox of Maildir++ to others.
    pub(super) fn may_make(self, name: &MailboxName) -> bool {
        let is_kept = |level: &[u8]| {
            level.starts_with(b"dovecot")
                || [&b"subscriptions"[..], b"maildirfolder"].contains(&level)
        };
        let octets = name.as_bytes();
        let is_hidden = octets.starts_with(b".") || octets.starts_with(b"~");
        self == Self::PlusPlus || !(is_hidden || octets.split(|octet| *octet == b'/').any(is_kept))
    }

    /// The mailboxes below a root, in the order of their names; INBOX is always there.
    pub(super) fn mailboxes(self, root: &Path) -> io::Result<Vec<MailboxName>> {
        let mut names = vec![MailboxName::new(MailboxName::INBOX)];
        match self {
            Self::PlusPlus => {
                for entry in fs::read_dir(root)? {
                    let entry = entry?;
                    if entry.path().join("cur").is_dir() {
                        names.extend(self.mailbox_of(&entry.file_name()));
                    }
                }
            }
            Self::Fs => self.walk(root, ("", 0), &mut names)?,
        }
        names.sort();
        Ok(names)
    }

    /// The mailbox of a path below the root, as text; `None` for one that is none.
    pub(super) fn mailbox_of(self, entry: &std::ffi::OsStr) -> Option<MailboxName> {
        let text = entry.to_str()?;
        let name = MailboxName::from(match self {
            Self::PlusPlus => text.strip_prefix('.')?,
            Self::Fs => text,
        });
        // The way back must lead here: `.` and `..` do not, nor does a second INBOX.
        let folder = self.folder_of(Path::new(""), &name)?;
        (!name.is_inbox() && folder == Path::new(entry)).then_some(name)
    }

    fn walk(
        self,
        folder: &Path,
        (above, levels): (&str, usize),
        names: &mut Vec<MailboxName>,
    ) -> io::Result<()> {
        if levels > LEVELS_MAX {
            let words = format!("{} is too many levels deep", folder.display());
            return Err(io::Error::new(io::ErrorKind::InvalidData, words));
        }
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            let Ok(level) = entry.file_name().into_string() else { continue };
            let path = entry.path();
            if ROOMS.contains(&&*level) || !path.is_dir() {
                continue;
            }
            let name = format!("{above}{level}");
            if path.join("cur").is_dir() {
                names.extend(self.mailbox_of(name.as_ref()));
            }
            self.walk(&path, (&format!("{name}/"), levels + 1), names)?;
        }
        Ok(())
    }

    /// Takes the folder of a mailbox away with what is in it, but for the mailboxes below it.
    pub(super) fn discard(self, root: &Path, folder: &Path) -> io::Result<()> {
        if self == Self::PlusPlus {
            fs::remove_dir_all(folder)?;
            return sync_folder(root);
        }
        // Until `cur` is gone, it is a mailbox.
        for room in ["tmp", "new", "cur"] {
            match fs::remove_dir_all(folder.join(room)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            if entry.file_name().as_encoded_bytes().starts_with(b"dovecot") {
                fs::remove_file(entry.path())?;
            }
        }
        // What is not ours stays, and so do mailboxes.
        for empty in folder.ancestors().take_while(|above| *above != root) {
            if empty.join("cur").is_dir() || fs::remove_dir(empty).is_err() {
                return sync_folder(empty);
            }
        }
        sync_folder(root)
    }
}

/// What a name may hold. Names are in modified UTF-7 (RFC 3501 §5.1.3), which is printable ASCII.
fn is_plain(octet: u8) -> bool {
    !matches!(octet, b'/' | 0..=0x1f | 0x7f..)
}

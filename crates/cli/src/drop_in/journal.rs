//! Where the front's lines go: standard output, and the log file with the same text.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock};

use jiff::Zoned;

use crate::imapsync::settings::{LogFile, LogWish};
use crate::screen;

/// Writes lines to standard output and to the log file.
pub(super) struct Log {
    file: Option<Mutex<File>>,
    path: Option<PathBuf>,
    failure: OnceLock<String>,
    /// Nobody asked for it, and its folder cannot be written.
    barred: bool,
}

impl Log {
    /// Opens the log file that is asked for; `users` name it where no name was given.
    /// Where it cannot be made the run goes on without, and ends as one that failed, unless it would
    /// have been made unasked in a folder that cannot be written.
    pub(super) fn open(wanted: Option<&LogFile>, users: (&[u8], &[u8]), now: &Zoned) -> Self {
        let Some(wanted) = wanted else { return Self::none() };
        let name = wanted.name.clone().unwrap_or_else(|| PathBuf::from(usual_name(users, now)));
        let path = wanted.directory.join(name);
        let opened = path.parent().map_or(Ok(()), create_folder).and_then(|()| File::create(&path));
        match opened {
            Ok(file) => Self { file: Some(Mutex::new(file)), path: Some(path), ..Self::none() },
            // Nobody asked for it: a folder that cannot be written is no reason to fail.
            Err(error) if wanted.wish == LogWish::Usual && is_barred(&error) => {
                screen::line(&format!(
                    "No log file: {} cannot be written: {error}",
                    path.display()
                ));
                Self { barred: true, ..Self::none() }
            }
            Err(error) => {
                let log = Self::none();
                log.fail(format!(
                    "Log file {} cannot be written: {error} ( --logdir puts it elsewhere, --nolog does \
                     without )",
                    path.display()
                ));
                log
            }
        }
    }

    fn none() -> Self {
        Self { file: None, path: None, failure: OnceLock::new(), barred: false }
    }

    /// Why some of it is missing in the log file, where that is so.
    pub(super) fn failure(&self) -> Option<&str> {
        self.failure.get().map(String::as_str)
    }

    /// Tells of the first failure; the others are the same.
    fn fail(&self, words: String) {
        if self.failure.set(words).is_ok() {
            screen::line(self.failure().unwrap_or_default());
        }
    }

    /// Writes a line.
    pub(super) fn line(&self, text: &str) {
        screen::line(text);
        if let Some(mut file) = self.file.as_ref().and_then(|file| file.lock().ok()) {
            // A full disk must not end the run; standard output has the line.
            if let Err(error) = writeln!(file, "{}", screen::harmless(text)) {
                let path = self.path.as_deref().unwrap_or(Path::new("")).display();
                self.fail(format!(
                    "Log file {path} cannot be written: {error}; what is missing there is on \
                     standard output only"
                ));
            }
        }
    }

    /// The line that tells where the log file is.
    pub(super) fn whereabouts(&self) -> String {
        match (&self.path, self.failure()) {
            (Some(path), _) => format!(
                "Log file is {} ( to change it, use --logfile filepath ; or use --nolog to turn off logging )",
                path.display()
            ),
            (None, None) if !self.barred => "No log file because of option --nolog".to_owned(),
            (None, _) => "No log file because it cannot be written".to_owned(),
        }
    }

    /// The path of the log file.
    pub(super) fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }
}

/// Whether it is the place that forbids it, not a fault of the disk.
fn is_barred(error: &std::io::Error) -> bool {
    use std::io::ErrorKind;
    matches!(error.kind(), ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem)
}

fn create_folder(folder: &Path) -> std::io::Result<()> {
    if folder.as_os_str().is_empty() { Ok(()) } else { std::fs::create_dir_all(folder) }
}

/// `2026_11_23_02_38_58_123_user1_user2.txt`; what a file name cannot hold becomes `_`, so
/// that no user name leads out of the folder.
fn usual_name((user1, user2): (&[u8], &[u8]), now: &Zoned) -> String {
    let clean = |user: &[u8]| -> String {
        String::from_utf8_lossy(user)
            .chars()
            .filter(|character| !character.is_whitespace())
            .map(|character| match character {
                '/' | '\\' | '|' | '?' | ':' | '"' | '<' | '>' | '*' | '\'' => '_',
                other if other.is_control() || !other.is_ascii() => '_',
                other => other,
            })
            .collect()
    };
    format!(
        "{}_{:03}_{}_{}.txt",
        now.strftime("%Y_%m_%d_%H_%M_%S"),
        now.millisecond(),
        clean(user1),
        clean(user2)
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn no_user_name_leads_out_of_the_folder() {
        let now = Zoned::now();
        let name = usual_name((b"../../etc/x y", b"b\0c"), &now);
        assert!(!name.contains('/') && !name.contains(' ') && !name.contains('\0'), "{name}");
        assert!(name.ends_with(".._.._etc_xy_b_c.txt"), "{name}");
    }
}

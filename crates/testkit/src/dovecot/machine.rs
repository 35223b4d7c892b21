//! Who runs what of a Dovecot under test.

use crate::harness::{Error, Owner, Rights, answer, find_program, io};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

/// Who runs what.
#[derive(Clone, Debug)]
pub(super) struct Machine {
    pub(super) program: PathBuf,
    /// Runs the server's own processes.
    pub(super) internal: Owner,
    /// Runs the processes that talk to clients before login.
    pub(super) login: Owner,
    /// Owns the mail.
    pub(super) mail: Owner,
}

impl Machine {
    pub(super) fn inspect() -> Result<Self, Error> {
        let program = find_program("dovecot")
            .ok_or_else(|| Error::Missing("the program dovecot is not installed".to_owned()))?;
        let version = answer(Command::new(&program).arg("--version"))?;
        if !version.starts_with("2.3.") {
            return Err(Error::Missing(format!("Dovecot {version}, but this speaks to 2.3")));
        }
        Ok(Self {
            program,
            internal: Owner::inspect(&["dovecot", "nobody"])?,
            login: Owner::inspect(&["dovenull", "nobody"])?,
            mail: Owner::inspect(&["mail", "nobody"])?,
        })
    }

    pub(super) fn rights(&self) -> Rights {
        self.mail.rights
    }

    /// An empty directory that all the server's users can pass through.
    pub(super) fn make_directory(&self) -> Result<TempDir, Error> {
        let what = "cannot make the server's directory";
        let dir = crate::harness::make_directory()?;
        fs::create_dir(dir.path().join("base")).map_err(io(what))?;
        fs::create_dir(dir.path().join("mail")).map_err(io(what))?;
        self.give_away(&dir.path().join("mail"))?;
        Ok(dir)
    }

    /// Makes the mail owner the owner of a directory and all below it.
    pub(super) fn give_away(&self, path: &Path) -> Result<(), Error> {
        self.mail.take_over(path)
    }
}

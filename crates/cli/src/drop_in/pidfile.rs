//! The pidfile: line 1 the process, line 2 the log file. It locks only where asked to.

use std::path::{Path, PathBuf};

use crate::imapsync::settings::{PidFile, Process};

/// A pidfile that is removed when the run ends.
pub(super) struct Pid {
    path: Option<PathBuf>,
}

impl Pid {
    /// Writes the pidfile.
    ///
    /// # Errors
    /// It is locked by another run, or cannot be written: exit status 8.
    pub(super) fn write(process: &Process, log: Option<&Path>) -> Result<Self, String> {
        let Some(path) = path(process) else { return Ok(Self { path: None }) };
        if process.pidfile_locks && path.exists() && !is_stale(&path) {
            return Err(format!(
                "{} exists: another run is at work, or was ended by force",
                path.display()
            ));
        }
        let log = log.map(|log| log.display().to_string()).unwrap_or_default();
        let written = std::fs::write(&path, format!("{}\n{log}\n", std::process::id()));
        match (written, &process.pidfile) {
            (Ok(()), _) => Ok(Self { path: Some(path) }),
            (Err(error), PidFile::At(_)) => {
                Err(format!("the pidfile {} cannot be written: {error}", path.display()))
            }
            // Nobody asked for this one: a read-only folder for temporary files is no reason
            // to leave the mail where it is.
            (Err(_), _) => Ok(Self { path: None }),
        }
    }

    /// Removes the pidfile; answers its path, for the line that says so.
    pub(super) fn remove(self) -> Option<PathBuf> {
        let path = self.path?;
        std::fs::remove_file(&path).ok().map(|()| path)
    }
}

/// Where it is.
pub(super) fn path(process: &Process) -> Option<PathBuf> {
    let temporary = || process.temporary.clone().unwrap_or_else(std::env::temp_dir);
    match &process.pidfile {
        PidFile::Nowhere => None,
        PidFile::At(path) => Some(path.clone()),
        PidFile::Shared => Some(temporary().join("imapsync.pid")),
    }
}

/// The file whose appearance ends the run of that process number.
pub(super) fn abort_file(process: &Process, number: u32) -> Option<PathBuf> {
    let mut name = path(process)?.into_os_string();
    name.push(format!("abort{number}"));
    Some(name.into())
}

/// Whether the process that wrote it is gone. Where that cannot be told it counts as alive.
fn is_stale(path: &Path) -> bool {
    let Ok(text) = std::fs::read_to_string(path) else { return false };
    let Some(pid) = text.lines().next().and_then(|line| line.trim().parse::<u32>().ok()) else {
        return false;
    };
    Path::new("/proc/self").exists() && !Path::new(&format!("/proc/{pid}")).exists()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// U82 of the unit catalogue.
    #[test]
    #[cfg(target_os = "linux")]
    fn only_the_pidfile_of_a_process_that_is_gone_is_stale() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pid");
        let own = std::process::id().to_string();
        for (text, stale) in
            [("", false), ("text", false), ("4194304\n/log", true), (own.as_str(), false)]
        {
            std::fs::write(&path, text).unwrap();
            assert_eq!(is_stale(&path), stale, "{text:?}");
        }
    }
}

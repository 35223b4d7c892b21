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
        let temporary = process.temporary.clone().unwrap_or_else(std::env::temp_dir);
        let path = match &process.pidfile {
            PidFile::Nowhere => return Ok(Self { path: None }),
            PidFile::At(path) => path.clone(),
            PidFile::Shared => temporary.join("imapsync.pid"),
        };
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

/// Whether the process that wrote it is gone. Where that cannot be told it counts as alive.
fn is_stale(path: &Path) -> bool {
    let Ok(text) = std::fs::read_to_string(path) else { return false };
    let Some(pid) = text.lines().next().and_then(|line| line.trim().parse::<u32>().ok()) else {
        return false;
    };
    Path::new("/proc/self").exists() && !Path::new(&format!("/proc/{pid}")).exists()
}

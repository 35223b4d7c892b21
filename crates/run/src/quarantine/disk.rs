//! What is asked of the disk. A trait, so that tests can let each step fail.

use std::fmt;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;

/// A file that is being written.
pub(super) trait Output: Write + Send {
    /// Returns once what was written would survive a loss of power.
    fn sync(&self) -> io::Result<()>;
}

/// Where files are written.
pub(super) trait Disk: fmt::Debug + Send + Sync {
    /// Makes a file for this user only; an error if there is one of that name.
    fn create(&self, path: &Path) -> io::Result<Box<dyn Output>>;

    /// Gives a file another name, in place of a file of that name.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Returns once the names in a folder would survive a loss of power.
    fn sync_folder(&self, folder: &Path) -> io::Result<()>;
}

/// The disk there is.
#[derive(Debug)]
pub(super) struct System;

impl Output for File {
    fn sync(&self) -> io::Result<()> {
        self.sync_all()
    }
}

impl Disk for System {
    fn create(&self, path: &Path) -> io::Result<Box<dyn Output>> {
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        Ok(Box::new(options.open(path)?))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        std::fs::rename(from, to)
    }

    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        // Elsewhere a folder cannot be opened.
        if cfg!(unix) { File::open(folder)?.sync_all() } else { Ok(()) }
    }
}

/// Makes a folder, and those above it, for this user only.
pub(super) fn make_folder(folder: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

/// The permissions of a folder; 0700 where the system has none of that kind.
pub(super) fn mode_of(folder: &Path) -> io::Result<u32> {
    let metadata = std::fs::metadata(folder)?;
    #[cfg(unix)]
    let mode = std::os::unix::fs::PermissionsExt::mode(&metadata.permissions()) & 0o7777;
    #[cfg(not(unix))]
    let mode = {
        let _ = metadata;
        0o700
    };
    Ok(mode)
}

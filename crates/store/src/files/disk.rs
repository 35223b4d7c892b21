//! Files of this machine, written whole or not at all.

use std::fs::{self, File, OpenOptions};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, Write};
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use mailferry_engine::fault::{Fault, FaultKind, Side};
use mailferry_engine::message::InternalDate;

/// Whether an account is written to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// It is: UIDs that are given to files are written down.
    Target,
    /// Nothing is written: a source is only read.
    Source,
}

impl Role {
    pub(crate) fn side(self) -> Side {
        match self {
            Self::Source => Side::Source,
            Self::Target => Side::Target,
        }
    }
}

/// A fault of the file system, with the path.
pub(crate) fn disk(side: Side, kind: FaultKind, path: &Path, error: &io::Error) -> Fault {
    let kind = match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => FaultKind::OverQuota,
        _ => kind,
    };
    Fault::new(side, kind, format!("{}: {error}", path.display()))
}

/// Makes a folder, and those above it, for their owner alone.
pub(crate) fn make_folder(path: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

/// Puts a file in the place of another, on the disk before this returns.
pub(crate) fn replace(path: &Path, text: &str) -> io::Result<()> {
    let beside = path.with_extension("mailferry-new");
    let written = File::create(&beside).and_then(|mut file| {
        file.write_all(text.as_bytes())?;
        file.sync_all()
    });
    let placed = written.and_then(|()| fs::rename(&beside, path));
    if placed.is_err() {
        let _ = fs::remove_file(&beside);
    }
    placed?;
    path.parent().map_or(Ok(()), sync_folder)
}

/// Adds to the end of a file, on the disk before this returns.
pub(crate) fn add(path: &Path, text: &str) -> io::Result<()> {
    let mut file = OpenOptions::new().append(true).open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

/// Returns once the names in a folder are on the disk.
pub(crate) fn sync_folder(folder: &Path) -> io::Result<()> {
    // Elsewhere a folder cannot be opened, and need not be.
    if cfg!(unix) { File::open(folder)?.sync_all() } else { Ok(()) }
}

/// What is in a file; empty where there is none.
pub(crate) fn read_or_empty(path: &Path) -> io::Result<String> {
    match fs::read(path) {
        Ok(octets) => Ok(String::from_utf8_lossy(&octets).into_owned()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(String::new()),
        Err(error) => Err(error),
    }
}

/// Length and time of a file: another program wrote to one of another stamp.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamp(u64, Option<SystemTime>);

/// `None` where there is no file.
pub(crate) fn stamp(path: &Path) -> Option<Stamp> {
    let metadata = fs::metadata(path).ok()?;
    Some(Stamp(metadata.len(), metadata.modified().ok()))
}

/// The time of a file that stands for an INTERNALDATE.
pub(crate) fn time_of(date: InternalDate) -> Option<SystemTime> {
    let seconds = date.instant()?;
    let distance = Duration::from_secs(seconds.unsigned_abs());
    if seconds < 0 { UNIX_EPOCH.checked_sub(distance) } else { UNIX_EPOCH.checked_add(distance) }
}

/// The INTERNALDATE that a file's time of modification stands for.
pub(crate) fn date_of(metadata: &fs::Metadata) -> io::Result<InternalDate> {
    let seconds = match metadata.modified()?.duration_since(UNIX_EPOCH) {
        Ok(since) => i64::try_from(since.as_secs()).unwrap_or(i64::MAX),
        Err(before) => -i64::try_from(before.duration().as_secs()).unwrap_or(i64::MAX),
    };
    Ok(InternalDate::new(seconds, 0))
}

/// A UIDVALIDITY that is larger each second (RFC 9051 §2.3.1.1).
pub(crate) fn fresh_validity() -> u32 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u32::try_from(since.as_secs()).unwrap_or(u32::MAX).max(1)
}

/// A UIDVALIDITY for a mailbox whose UIDs are not written down: whoever looks again sees the same one,
/// while there is the same.
pub(crate) fn likeness(of_what_is_there: impl Hash) -> u32 {
    let mut hasher = DefaultHasher::new();
    of_what_is_there.hash(&mut hasher);
    u32::try_from(hasher.finish() & u64::from(u32::MAX)).unwrap_or(1).max(1)
}

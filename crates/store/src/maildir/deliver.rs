//! A message on its way into a folder: written to `tmp`, put on the disk, and moved to `cur`.

use std::fs::{self, File, FileTimes};
use std::hash::{BuildHasher, RandomState};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use mailferry_engine::message::InternalDate;

use crate::contract::Envelope;

/// Messages that this process has delivered: makes names differ within a microsecond.
static DELIVERED: AtomicU64 = AtomicU64::new(0);

/// One message.
pub(super) struct Delivery {
    pub(super) envelope: Envelope,
    pub(super) folder: PathBuf,
    path: PathBuf,
    unique: String,
    file: Option<File>,
    pub(super) octets: u64,
    /// Line feeds without a carriage return before them: with one each it would be so much longer.
    bare_line_feeds: u64,
    last: u8,
    /// The first thing that went wrong.
    pub(super) failed: Option<io::Error>,
}

impl Delivery {
    pub(super) fn begin(folder: &Path, envelope: Envelope) -> Self {
        let unique = unique_name();
        let path = folder.join("tmp").join(&unique);
        let mut options = File::options();
        let (file, failed) = match options.write(true).create_new(true).open(&path) {
            Ok(file) => (Some(file), None),
            Err(error) => (None, Some(error)),
        };
        let folder = folder.to_owned();
        let (octets, bare_line_feeds, last) = (0, 0, 0);
        Self { envelope, folder, path, unique, file, octets, bare_line_feeds, last, failed }
    }

    pub(super) fn push(&mut self, octets: &[u8]) {
        if let Some(file) = &mut self.file
            && let Err(error) = file.write_all(octets)
        {
            self.failed = self.failed.take().or(Some(error));
            self.file = None;
        }
        self.octets += octets.len() as u64;
        for at in memchr::memchr_iter(b'\n', octets) {
            let before = if at == 0 { self.last } else { octets[at - 1] };
            self.bare_line_feeds += u64::from(before != b'\r');
        }
        self.last = octets.last().copied().unwrap_or(self.last);
    }

    /// Puts the octets and the date on the disk.
    pub(super) fn settle(&mut self) -> io::Result<()> {
        if let Some(error) = self.failed.take() {
            return Err(error);
        }
        let Some(file) = self.file.take() else {
            return Err(io::Error::other("the file was closed early"));
        };
        if let Some(time) = time_of(self.envelope.date) {
            file.set_times(FileTimes::new().set_modified(time))?;
        }
        file.sync_all()
    }

    /// The part of its name that stays: `1276528487.M364837P9451Q1.host,S=1355,W=1394`.
    pub(super) fn base(&self) -> String {
        let virtual_octets = self.octets + self.bare_line_feeds;
        format!("{},S={},W={virtual_octets}", self.unique, self.octets)
    }

    /// Moves it to where messages are. On the disk once the folder is.
    pub(super) fn place(&self, end: &str) -> io::Result<()> {
        let name = format!("{}{end}", self.base());
        fs::rename(&self.path, self.folder.join("cur").join(name))
    }
}

impl Drop for Delivery {
    /// What was not placed was not delivered.
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

fn time_of(date: InternalDate) -> Option<SystemTime> {
    let seconds = date.instant()?;
    let distance = Duration::from_secs(seconds.unsigned_abs());
    if seconds < 0 { UNIX_EPOCH.checked_sub(distance) } else { UNIX_EPOCH.checked_add(distance) }
}

fn unique_name() -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let (seconds, micros, process) = (now.as_secs(), now.subsec_micros(), std::process::id());
    let number = DELIVERED.fetch_add(1, Ordering::Relaxed);
    let random = RandomState::new().hash_one(number);
    format!("{seconds}.M{micros:06}P{process}Q{number}.{random:016x}")
}

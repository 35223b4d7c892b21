//! A message on its way into a folder: written to a file of its own, and put on the disk, before it is
//! given its place.

use std::fs::{self, File, FileTimes};
use std::hash::{BuildHasher, RandomState};
use std::io::{self, Seek, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use ring::digest::{Context, SHA256};

use super::disk::time_of;
use super::mboxrd::{Direction, Quoting};
use crate::contract::{Envelope, OctetDigest};
use crate::lock_file::is_at;

/// Messages that this process has delivered: makes names differ within a microsecond.
static DELIVERED: AtomicU64 = AtomicU64::new(0);

/// One message.
pub struct Delivery {
    pub(crate) envelope: Envelope,
    pub(crate) folder: PathBuf,
    path: PathBuf,
    file: Option<File>,
    /// Of the message.
    pub(crate) octets: u64,
    /// Line feeds without a carriage return before them: with one each it would be so much longer.
    pub(crate) bare_line_feeds: u64,
    last: u8,
    digest: Option<Context>,
    entry: Option<Entry>,
    /// The first thing that went wrong.
    failed: Option<io::Error>,
}

/// How a message is written that goes into an mbox.
struct Entry {
    quoting: Quoting,
    quoted: Vec<u8>,
    /// Octets of the line before it.
    head: u64,
    /// Octets of the file.
    written: u64,
}

impl Delivery {
    /// Begins one in a file of its own, `path`.
    pub(crate) fn begin(folder: &Path, path: PathBuf, envelope: Envelope) -> Self {
        let (file, failed) = match new_file(&path) {
            Ok(file) => (Some(file), None),
            Err(error) => (None, Some(error)),
        };
        let folder = folder.to_owned();
        let (octets, bare_line_feeds, last) = (0, 0, 0);
        let (digest, entry) = (None, None);
        Self { envelope, folder, path, file, octets, bare_line_feeds, last, digest, entry, failed }
    }

    /// The same with its digest known at the end.
    pub(crate) fn digested(mut self) -> Self {
        self.digest = Some(Context::new(&SHA256));
        self
    }

    /// The same in the form that an mbox has, behind this line.
    pub(crate) fn in_mbox(mut self, line: &str) -> Self {
        let (quoting, quoted) = (Quoting::new(Direction::Quote), Vec::new());
        self.write(line.as_bytes());
        let head = line.len() as u64;
        self.entry = Some(Entry { quoting, quoted, head, written: head });
        self
    }

    pub(crate) fn push(&mut self, octets: &[u8]) {
        self.octets += octets.len() as u64;
        for at in memchr::memchr_iter(b'\n', octets) {
            let before = if at == 0 { self.last } else { octets[at - 1] };
            self.bare_line_feeds += u64::from(before != b'\r');
        }
        self.last = octets.last().copied().unwrap_or(self.last);
        if let Some(digest) = &mut self.digest {
            digest.update(octets);
        }
        match &mut self.entry {
            None => self.write(octets),
            Some(entry) => {
                let mut quoted = std::mem::take(&mut entry.quoted);
                entry.quoting.push(octets, &mut quoted);
                self.write_entry(quoted);
            }
        }
    }

    fn write_entry(&mut self, mut quoted: Vec<u8>) {
        self.write(&quoted);
        if let Some(entry) = &mut self.entry {
            entry.written += quoted.len() as u64;
            quoted.clear();
            entry.quoted = quoted;
        }
    }

    fn write(&mut self, octets: &[u8]) {
        if let Some(file) = &mut self.file
            && let Err(error) = file.write_all(octets)
        {
            self.failed = self.failed.take().or(Some(error));
            self.file = None;
        }
    }

    /// Puts the octets and the date on the disk.
    pub(crate) fn settle(&mut self) -> io::Result<()> {
        let time = time_of(self.envelope.date);
        let file = self.whole()?;
        if let Some(time) = time {
            file.set_times(FileTimes::new().set_modified(time))?;
        }
        file.sync_all()
    }

    /// Ends what goes into an mbox: with the end of the line, where it has none, and an empty line.
    pub(crate) fn end_entry(&mut self) -> io::Result<()> {
        if let Some(entry) = &mut self.entry {
            let mut quoted = std::mem::take(&mut entry.quoted);
            entry.quoting.finish(&mut quoted);
            let end: &[u8] = if self.last == b'\n' { b"\n" } else { b"\n\n" };
            quoted.extend_from_slice(end);
            self.write_entry(quoted);
        }
        self.whole().map(drop)
    }

    /// The file, from its beginning.
    pub(crate) fn rewound(&mut self) -> io::Result<&mut File> {
        let file = self.whole()?;
        file.rewind()?;
        Ok(file)
    }

    /// Octets of the line before it, and of what stands for it in an mbox behind that.
    pub(crate) fn entry_octets(&self) -> (u64, u64) {
        self.entry.as_ref().map_or((0, 0), |entry| (entry.head, entry.written - entry.head))
    }

    /// The file, if all was written to it.
    fn whole(&mut self) -> io::Result<&mut File> {
        match (self.failed.take(), &mut self.file) {
            (Some(error), _) => Err(error),
            (None, Some(file)) => Ok(file),
            (None, None) => Err(io::Error::other("the file was closed early")),
        }
    }

    /// Of what was pushed.
    pub(crate) fn digest(&self) -> Option<OctetDigest> {
        self.digest.clone().map(OctetDigest::of)
    }

    /// The name of its own file.
    pub(crate) fn unique(&self) -> &str {
        self.path.file_name().and_then(|name| name.to_str()).unwrap_or_default()
    }

    /// Gives its file another name. On the disk once the folder is.
    pub(crate) fn place(&self, path: &Path) -> io::Result<()> {
        fs::rename(&self.path, path)
    }
}

impl Drop for Delivery {
    /// What was not placed was not delivered.
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

/// Makes a file, and holds it: one that nobody holds was left by a program that died.
fn new_file(path: &Path) -> io::Result<File> {
    loop {
        let mut options = File::options();
        let file = options.read(true).write(true).create_new(true).open(path)?;
        file.lock()?;
        if is_at(&file, path) {
            return Ok(file);
        }
    }
}

/// A name that no other file has.
pub(crate) fn unique_name() -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let (seconds, micros, process) = (now.as_secs(), now.subsec_micros(), std::process::id());
    let number = DELIVERED.fetch_add(1, Ordering::Relaxed);
    let random = RandomState::new().hash_one(number);
    format!("{seconds}.M{micros:06}P{process}Q{number}.{random:016x}")
}

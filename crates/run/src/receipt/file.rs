//! The file of a receipt: lines that are only ever added, and seals between them.
//!
//! A seal is a digest of every octet before it, so that whatever was altered, taken out or put in
//! before the last seal is noticed; each portion that is written ends with one. What a killed run
//! leaves is whole up to its last seal.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::ReceiptError;
use super::line::Line;

/// Octets that are gathered before they are written.
const PORTION_OCTETS: usize = 64 * 1024;
/// How long they are gathered, as long as there is something to write.
const PORTION_TIME: Duration = Duration::from_millis(250);
/// The longest line that is read.
const LINE_OCTETS_MAX: u64 = 1 << 20;
const SEAL_BEGIN: &[u8] = b"{\"seal\":\"";

/// A receipt that is being written. Nobody else writes it, which a lock on it says.
#[derive(Debug)]
pub(super) struct Output {
    path: PathBuf,
    file: File,
    hasher: blake3::Hasher,
    portion: Vec<u8>,
    written: u64,
    last: Instant,
}

impl Output {
    /// Makes a file for this user only; an error if there is one of that name.
    pub(super) fn create(path: &Path) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options.open(path)?;
        // Where the file system has no locks, a run at work looks like one that was killed.
        let _ = file.try_lock();
        let (path, hasher) = (path.to_owned(), blake3::Hasher::new());
        let portion = Vec::with_capacity(PORTION_OCTETS + 4096);
        Ok(Self { path, file, hasher, portion, written: 0, last: Instant::now() })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Where the next line begins.
    pub(super) fn position(&self) -> u64 {
        self.written + self.portion.len() as u64
    }

    /// Adds a line, which is written soon.
    pub(super) fn push(&mut self, line: &Line<'_>) -> io::Result<()> {
        serde_json::to_writer(&mut self.portion, line)?;
        self.portion.push(b'\n');
        if self.portion.len() >= PORTION_OCTETS || self.last.elapsed() >= PORTION_TIME {
            self.flush()?;
        }
        Ok(())
    }

    /// Writes what was gathered, and seals it.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        if self.portion.is_empty() {
            return Ok(());
        }
        self.seal()?;
        self.file.write_all(&self.portion)?;
        self.written += self.portion.len() as u64;
        self.portion.clear();
        self.last = Instant::now();
        Ok(())
    }

    fn seal(&mut self) -> io::Result<blake3::Hash> {
        self.hasher.update(&self.portion);
        let seal = self.hasher.finalize();
        let begin = self.portion.len();
        serde_json::to_writer(&mut self.portion, &Line::Seal(seal.to_hex().as_str().into()))?;
        self.portion.push(b'\n');
        self.hasher.update(&self.portion[begin..]);
        Ok(seal)
    }

    /// Writes and seals everything, and returns once it would survive a loss of power; answers
    /// the last seal.
    pub(super) fn finish(mut self) -> io::Result<String> {
        let seal = self.seal()?;
        self.file.write_all(&self.portion)?;
        self.file.sync_all()?;
        if let (true, Some(folder)) = (cfg!(unix), self.path.parent()) {
            File::open(folder)?.sync_all()?;
        }
        Ok(seal.to_hex().to_string())
    }
}

/// What the seals of a file say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Sealed {
    /// Octets up to the last seal, itself included.
    pub(super) octets: u64,
    /// The last seal.
    pub(super) seal: String,
    /// Octets behind it, of which nothing is known.
    pub(super) unsealed: u64,
}

/// Reads a file to its end and holds every seal against what is before it.
///
/// # Errors
/// It cannot be read, or a seal does not fit.
pub(super) fn verify(path: &Path) -> Result<Sealed, ReceiptError> {
    let unreadable = |error| ReceiptError::Read { path: path.to_owned(), error };
    let mut input = BufReader::with_capacity(PORTION_OCTETS, File::open(path).map_err(unreadable)?);
    let mut hasher = blake3::Hasher::new();
    let mut sealed = Sealed { octets: 0, seal: String::new(), unsealed: 0 };
    let (mut line, mut number, mut octets) = (Vec::new(), 0u64, 0u64);
    loop {
        line.clear();
        let read = (&mut input).take(LINE_OCTETS_MAX).read_until(b'\n', &mut line);
        octets += read.map_err(unreadable)? as u64;
        number += 1;
        if line.last() != Some(&b'\n') {
            if line.len() as u64 == LINE_OCTETS_MAX {
                return Err(ReceiptError::Altered { path: path.to_owned(), line: number });
            }
            break;
        }
        if let Some(found) = line.strip_prefix(SEAL_BEGIN) {
            let seal = hasher.finalize().to_hex();
            if found != format!("{seal}\"}}\n").as_bytes() {
                return Err(ReceiptError::Altered { path: path.to_owned(), line: number });
            }
            sealed = Sealed { octets, seal: seal.to_string(), unsealed: 0 };
        }
        hasher.update(&line);
    }
    if sealed.octets == 0 && octets > 0 {
        return Err(ReceiptError::NotUnderstood { path: path.to_owned(), line: 1 });
    }
    sealed.unsealed = octets - sealed.octets;
    Ok(sealed)
}

/// Reads the sealed lines of a file.
pub(super) struct Input {
    path: PathBuf,
    file: BufReader<io::Take<File>>,
    line: Vec<u8>,
    number: u64,
    /// Where the line that was read last begins, and where it ends.
    place: (u64, u64),
}

impl Input {
    /// From an octet at which a line begins, to the last seal.
    pub(super) fn open(path: &Path, begin: u64, sealed: u64) -> Result<Self, ReceiptError> {
        let opened = File::open(path).and_then(|mut file| {
            file.seek(SeekFrom::Start(begin))?;
            Ok(file)
        });
        let file = opened.map_err(|error| ReceiptError::Read { path: path.to_owned(), error })?;
        let rest = file.take(sealed.saturating_sub(begin));
        let (line, file) = (Vec::new(), BufReader::with_capacity(PORTION_OCTETS, rest));
        Ok(Self { path: path.to_owned(), file, line, number: 0, place: (begin, begin) })
    }

    /// The next line and where it begins; seals are passed over.
    pub(super) fn next(&mut self) -> Result<Option<(u64, Line<'_>)>, ReceiptError> {
        loop {
            self.line.clear();
            let read = self.file.read_until(b'\n', &mut self.line);
            let read =
                read.map_err(|error| ReceiptError::Read { path: self.path.clone(), error })?;
            if read == 0 {
                return Ok(None);
            }
            self.number += 1;
            self.place = (self.place.1, self.place.1 + read as u64);
            if !self.line.starts_with(SEAL_BEGIN) {
                break;
            }
        }
        let begin = self.place.0;
        match serde_json::from_slice(&self.line) {
            Ok(line) => Ok(Some((begin, line))),
            Err(_) => Err(self.not_understood()),
        }
    }

    /// What is said of a line that makes no sense.
    pub(super) fn not_understood(&self) -> ReceiptError {
        ReceiptError::NotUnderstood { path: self.path.clone(), line: self.number }
    }
}

/// The last line but the seal, and how many octets the file has; `None` where it is no end.
pub(super) fn last_lines(path: &Path) -> io::Result<Option<(Vec<u8>, u64)>> {
    const TAIL_OCTETS: u64 = 4096;
    let mut file = File::open(path)?;
    let octets = file.metadata()?.len();
    file.seek(SeekFrom::Start(octets.saturating_sub(TAIL_OCTETS)))?;
    let mut tail = Vec::new();
    file.take(TAIL_OCTETS).read_to_end(&mut tail)?;
    let mut lines = tail.rsplit(|&octet| octet == b'\n');
    let after = lines.next();
    let (seal, end) = (lines.next(), lines.next());
    let is_sealed = after == Some(b"") && seal.is_some_and(|line| line.starts_with(SEAL_BEGIN));
    Ok(end.filter(|_| is_sealed).map(|end| (end.to_vec(), octets)))
}

/// Whether a run writes it now.
pub(super) fn is_being_written(path: &Path) -> bool {
    let Ok(file) = File::open(path) else { return false };
    matches!(file.try_lock_shared(), Err(std::fs::TryLockError::WouldBlock))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn written(folder: &Path) -> PathBuf {
        let path = folder.join("receipt");
        let mut output = Output::create(&path).unwrap();
        for uid in 1..=5 {
            output.push(&Line::Removed { m: 0, uid }).unwrap();
            output.flush().unwrap();
        }
        output.finish().unwrap();
        path
    }

    #[test]
    fn lines_come_back_and_their_places_lead_to_them() {
        let folder = tempfile::tempdir().unwrap();
        let path = written(folder.path());
        let sealed = verify(&path).unwrap();
        assert_eq!(sealed.unsealed, 0);
        let mut input = Input::open(&path, 0, sealed.octets).unwrap();
        let mut places = Vec::new();
        while let Some((place, line)) = input.next().unwrap() {
            places.push((place, format!("{line:?}")));
        }
        assert_eq!(places.len(), 5);
        for (place, line) in places {
            let mut input = Input::open(&path, place, sealed.octets).unwrap();
            assert_eq!(format!("{:?}", input.next().unwrap().unwrap().1), line);
        }
    }

    #[test]
    fn every_octet_that_is_altered_and_every_line_that_is_gone_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let path = written(folder.path());
        let good = std::fs::read(&path).unwrap();
        for at in 0..good.len() {
            let mut bad = good.clone();
            bad[at] ^= 1;
            std::fs::write(&path, &bad).unwrap();
            let seen = verify(&path);
            // The last line end is behind the last seal.
            let is_noticed = seen.as_ref().map_or(true, |sealed| sealed.unsealed > 0);
            assert!(is_noticed, "octet {at}: {seen:?}");
        }
        let lines: Vec<&[u8]> = good.split_inclusive(|&octet| octet == b'\n').collect();
        for gone in 0..lines.len() - 1 {
            let kept = lines.iter().enumerate().filter(|(at, _)| *at != gone);
            let bad: Vec<u8> = kept.flat_map(|(_, line)| line.iter().copied()).collect();
            std::fs::write(&path, &bad).unwrap();
            assert!(matches!(verify(&path), Err(ReceiptError::Altered { .. })), "line {gone}");
        }
    }

    #[test]
    fn a_file_cut_anywhere_is_whole_up_to_a_seal() {
        let folder = tempfile::tempdir().unwrap();
        let path = written(folder.path());
        let good = std::fs::read(&path).unwrap();
        let first_seal = good.split_inclusive(|&octet| octet == b'\n').take(2).flatten().count();
        for length in first_seal..good.len() {
            std::fs::write(&path, &good[..length]).unwrap();
            let sealed = verify(&path).unwrap();
            assert_eq!(sealed.octets + sealed.unsealed, length as u64);
            let mut input = Input::open(&path, 0, sealed.octets).unwrap();
            while input.next().unwrap().is_some() {}
        }
    }
}

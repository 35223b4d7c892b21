//! What is known of the runs of a job: a small file beside the local state, replaced as a whole.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::local_state;

/// Runs of one job that are remembered.
const RUNS_MAX: usize = 100;
/// A record that is read is no larger.
const RECORD_BYTES_MAX: u64 = 4 << 20;
/// How often it is looked whether a lock is free, and how long is waited in between.
const LOOKS_MAX: u32 = 5;
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// Clocks that are set right by the network jump by less.
pub(super) const CLOCK_SECONDS_MAX: i64 = 120;

/// The runs of one job.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Record {
    /// The newest of them, oldest first.
    pub(super) runs: Vec<Ran>,
    /// The last good one, which may be older than all of those.
    pub(super) good: Option<Ran>,
    /// The newest drills, oldest first.
    #[serde(default)]
    pub(super) drills: Vec<Drilled>,
    /// The last good one.
    #[serde(default)]
    pub(super) good_drill: Option<Drilled>,
}

/// One run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Ran {
    /// When it began, by the clock of the machine: seconds since 1970-01-01T00:00:00Z.
    pub(super) started: i64,
    /// When it ended, by the same clock; `None`: it has not, or was killed.
    pub(super) ended: Option<i64>,
    /// How long it took, by a clock that nobody sets.
    pub(super) seconds: f64,
    /// Its exit status.
    pub(super) status: u8,
    /// Whether nothing is to be worried about.
    pub(super) good: bool,
    /// What is, a line each.
    pub(super) words: Vec<String>,
    /// What became of its messages; `None` where none was listed to the end.
    pub(super) counts: Option<Counted>,
    /// The name of its receipt.
    pub(super) receipt: Option<String>,
    /// What was left of the target's quota when it ended; `None` where that was not asked for.
    #[serde(default)]
    pub(super) quota_left: Option<QuotaLeft>,
}

/// How much more an account may hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct QuotaLeft {
    /// In octets; `None` where there is no limit, or none is told.
    pub(super) octets: Option<u64>,
    /// In messages.
    pub(super) messages: Option<u64>,
}

/// What became of the messages of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Counted {
    /// Listed on the source, in the mailboxes that take part.
    pub(super) listed: u64,
    /// Copied.
    pub(super) copied: u64,
    /// Octets of those.
    pub(super) copied_octets: u64,
    /// On the target already.
    pub(super) present: u64,
    /// Left out by a rule.
    pub(super) skipped: u64,
    /// To be copied, and not.
    pub(super) failed: u64,
    /// Of these, kept aside as files.
    pub(super) kept_aside: u64,
    /// Left the source meanwhile.
    pub(super) expunged: u64,
    /// Not begun.
    pub(super) not_started: u64,
    /// Messages whose flags were changed.
    pub(super) flags_updated: u64,
    /// Removed from the target.
    pub(super) deleted: u64,
    /// Removed from the source.
    pub(super) source_deleted: u64,
}

/// A backup restored on trial.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Drilled {
    /// When it began, as with runs.
    pub(super) started: i64,
    /// When it ended.
    pub(super) ended: i64,
    /// How long all of it took, by a clock that nobody sets.
    pub(super) seconds: f64,
    /// How long the restore took of that.
    pub(super) restore_seconds: f64,
    /// The exit status.
    pub(super) status: u8,
    /// Whether everything came back as it is in the backup, and was taken away again.
    pub(super) good: bool,
    /// What is to be said of it.
    pub(super) words: Vec<String>,
    /// Messages restored.
    pub(super) messages: u64,
    /// Octets of those.
    pub(super) octets: u64,
    /// Mailboxes they were in.
    pub(super) mailboxes: u64,
    /// Messages of the backup, of which those are all, or a share.
    pub(super) listed: u64,
}

/// Where the record and the lock of a job are.
#[derive(Clone, Debug)]
pub(super) struct Shelf {
    folder: PathBuf,
}

/// Held as long as a job is at work.
pub(super) struct Held(#[expect(dead_code, reason = "closing it gives the lock back")] File);

/// Why a job is not to be begun.
#[derive(Debug, thiserror::Error)]
pub(super) enum LockError {
    /// It is at work.
    #[error("it is running already")]
    Busy,
    /// There can be no lock.
    #[error("{path}: {error}")]
    NoPlace {
        /// The file that was to be locked.
        path: PathBuf,
        /// The system's words.
        error: io::Error,
    },
}

/// The moment of now, in seconds since 1970-01-01T00:00:00Z.
pub(super) fn now() -> i64 {
    Timestamp::now().as_second()
}

impl Shelf {
    /// That of this job, below the folder of the local state; `None` where there is no home.
    pub(super) fn of(job: &str) -> Option<Self> {
        let folder = local_state::folder_of_environment()?.join("jobs").join(job);
        Some(Self { folder })
    }

    fn path(&self) -> PathBuf {
        self.folder.join("record.json")
    }

    /// Keeps other runs of the job away as long as the value lives, however the process ends.
    pub(super) fn lock(&self) -> Result<Held, LockError> {
        let path = self.folder.join("lock");
        let no_place = |error| LockError::NoPlace { path: path.clone(), error };
        make_private(&self.folder).map_err(no_place)?;
        let mut options = OpenOptions::new();
        let file =
            options.create(true).truncate(false).write(true).open(&path).map_err(no_place)?;
        let mut looks = 1;
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(Held(file)),
                // Whoever only looks holds it for a moment.
                Err(TryLockError::WouldBlock) if looks < LOOKS_MAX => {
                    std::thread::sleep(LOOK_EVERY);
                }
                Err(TryLockError::WouldBlock) => return Err(LockError::Busy),
                Err(TryLockError::Error(error)) => return Err(no_place(error)),
            }
            looks += 1;
        }
    }

    /// Whether a run is at work.
    pub(super) fn is_busy(&self) -> bool {
        // Looking makes nothing.
        match File::open(self.folder.join("lock")) {
            Ok(file) => matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock)),
            Err(_) => false,
        }
    }

    /// What is known; nothing where nothing was kept.
    ///
    /// # Errors
    /// In words, where something was kept and cannot be read.
    pub(super) fn read(&self) -> Result<Record, String> {
        let path = self.path();
        let told = |words: String| format!("{}: {words}", path.display());
        let octets = match read_bounded(&path) {
            Ok(octets) => octets,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Record::default()),
            Err(error) => return Err(told(error.to_string())),
        };
        serde_json::from_slice(&octets).map_err(|error| told(format!("it is damaged: {error}")))
    }

    /// Keeps it in place of what was kept: all of it or nothing.
    ///
    /// # Errors
    /// In words, with the path.
    pub(super) fn keep(&self, record: &Record) -> Result<(), String> {
        let path = self.path();
        let kept = make_private(&self.folder).and_then(|()| {
            let octets = serde_json::to_vec_pretty(record)?;
            replace(&path, &octets)
        });
        kept.map_err(|error| {
            let full = [io::ErrorKind::StorageFull, io::ErrorKind::QuotaExceeded];
            let why = if full.contains(&error.kind()) { "the disk is full: " } else { "" };
            format!("{}: {why}{error}", path.display())
        })
    }
}

impl Record {
    /// The last run that has begun.
    pub(super) fn last(&self) -> Option<&Ran> {
        self.runs.last()
    }

    /// Takes a run in that begins.
    pub(super) fn begin(&mut self, run: Ran) {
        self.runs.push(run);
        let surplus = self.runs.len().saturating_sub(RUNS_MAX);
        self.runs.drain(..surplus);
    }

    /// The run that began last has ended so.
    pub(super) fn end(&mut self, run: Ran) {
        if run.good {
            self.good = Some(run.clone());
        }
        self.runs.pop();
        self.runs.push(run);
    }

    /// Takes a drill in.
    pub(super) fn add_drill(&mut self, drilled: Drilled) {
        if drilled.good {
            self.good_drill = Some(drilled.clone());
        }
        self.drills.push(drilled);
        let surplus = self.drills.len().saturating_sub(RUNS_MAX);
        self.drills.drain(..surplus);
    }

    /// How many messages the source had when it was listed to its end the last time.
    pub(super) fn listed_before(&self) -> Option<u64> {
        self.runs.iter().rev().find_map(|run| run.counts).map(|counts| counts.listed)
    }
}

impl Ran {
    /// Whether it began after the moment that the clock shows now.
    pub(super) fn is_of_the_future(&self, now: i64) -> bool {
        self.started > now + CLOCK_SECONDS_MAX
    }

    /// By how many seconds the clock was set while it ran, if by many.
    pub(super) fn clock_jump(&self) -> Option<i64> {
        #[expect(clippy::cast_possible_truncation, reason = "seconds of a run")]
        let took = self.seconds as i64;
        let jump = self.ended? - self.started - took;
        (jump.abs() > CLOCK_SECONDS_MAX).then_some(jump)
    }
}

/// Writes a file in place of another: whoever reads sees the one or the other.
///
/// # Errors
/// It cannot be written. What was there before is there still.
pub(super) fn replace(path: &Path, octets: &[u8]) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let mut file = tempfile::NamedTempFile::new_in(folder.unwrap_or(Path::new(".")))?;
    file.write_all(octets)?;
    file.as_file().sync_all()?;
    file.persist(path).map(drop).map_err(|error| error.error)
}

fn read_bounded(path: &Path) -> io::Result<Vec<u8>> {
    use std::io::Read as _;
    let mut octets = Vec::new();
    File::open(path)?.take(RECORD_BYTES_MAX).read_to_end(&mut octets)?;
    Ok(octets)
}

fn make_private(folder: &Path) -> io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn run(started: i64, good: bool) -> Ran {
        Ran { started, ended: Some(started + 5), seconds: 5.0, good, ..Ran::default() }
    }

    #[test]
    fn what_is_kept_comes_back_and_the_last_good_run_outlives_many_bad_ones() {
        let folder = tempfile::tempdir().unwrap();
        let shelf = Shelf { folder: folder.path().join("jobs").join("a") };
        assert_eq!(shelf.read().unwrap(), Record::default());
        let mut record = Record::default();
        record.begin(Ran { started: 1, ..Ran::default() });
        record.end(run(1, true));
        for started in 2..300 {
            record.begin(Ran { started, ..Ran::default() });
            record.end(run(started, false));
        }
        shelf.keep(&record).unwrap();
        let read = shelf.read().unwrap();
        assert_eq!(read, record);
        assert_eq!((read.runs.len(), read.good.unwrap().started), (RUNS_MAX, 1));
        std::fs::write(shelf.path(), "{").unwrap();
        assert!(shelf.read().unwrap_err().contains("damaged"));
    }

    #[test]
    fn of_two_runs_the_second_does_not_begin() {
        let folder = tempfile::tempdir().unwrap();
        let shelf = Shelf { folder: folder.path().join("a") };
        assert!(!shelf.is_busy());
        let held = shelf.lock().unwrap();
        assert!(matches!(shelf.lock(), Err(LockError::Busy)));
        assert!(shelf.is_busy());
        drop(held);
        assert!(!shelf.is_busy());
        shelf.lock().unwrap();
    }

    #[test]
    fn a_clock_that_jumps_is_noticed() {
        assert_eq!(run(1_000, true).clock_jump(), None);
        let jumped = Ran { ended: Some(9_000), ..run(1_000, true) };
        assert_eq!(jumped.clock_jump(), Some(7_995));
        let back = Ran { ended: Some(-6_000), ..run(1_000, true) };
        assert_eq!(back.clock_jump(), Some(-7_005));
        assert!(run(1_000, true).is_of_the_future(800) && !run(1_000, true).is_of_the_future(900));
    }
}

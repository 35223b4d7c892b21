//! Receipts: what became of every message of a run, kept as a file (`docs/design/receipts.md`).
//!
//! A receipt is written while the run goes, line by line, so that a killed run leaves one that says
//! so. It is no cache: nothing makes it again. Whatever fails here harms no mail; it is told at
//! the end, and a receipt that could not be written to its end makes the run a failed one.

mod beginning;
mod ending;
mod file;
mod folder;
mod headline;
mod id;
mod line;
mod moves;
mod note;
mod ranges;
mod read;
mod standing;
mod undoing;

use std::collections::{HashMap, HashSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use mailferry_engine::account::Plan;
use mailferry_engine::message::Uid;
use mailferry_engine::name::MailboxName;
use mailferry_engine::plan::MailboxPlan;
use serde::{Deserialize, Serialize};

use crate::events::{Event, EventSink};
use crate::survey::MailboxListings;
use crate::undo::{UndoPlan, Undone};

pub use self::folder::{Folder, Listed, Pruned};
pub use self::headline::Headline;
pub use self::id::RunId;
pub use self::line::Why;
pub use self::read::{
    Change, Departed, Departures, Fate, Finish, MESSAGES_MAX, Message, Others, Part, ReadReceipt,
    Relabelled, Removal, RemovalFate,
};

pub(crate) use self::ending::Ending;
pub(crate) use self::headline::Glance;
pub(crate) use self::undoing::Completeness;

use self::file::Output;

/// What the fates of all listed messages come to. `listed` is the sum of all others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// Messages of the source.
    pub listed: u64,
    /// Copied.
    pub copied: u64,
    /// On the target already.
    pub present: u64,
    /// Left out by a rule of the user's.
    pub skipped: u64,
    /// Refused, withheld by the source, or larger than the target takes.
    pub failed: u64,
    /// Left the source between listing and copying.
    pub expunged: u64,
    /// To be copied, and not begun.
    pub not_started: u64,
    /// Sent when the run was killed: what became of them is not known.
    pub unknown: u64,
}

impl Tally {
    /// Adds those of another mailbox.
    pub fn join(&mut self, other: &Self) {
        // What is read may say anything.
        let join = |one: &mut u64, other: u64| *one = one.saturating_add(other);
        join(&mut self.listed, other.listed);
        join(&mut self.copied, other.copied);
        join(&mut self.present, other.present);
        join(&mut self.skipped, other.skipped);
        join(&mut self.failed, other.failed);
        join(&mut self.expunged, other.expunged);
        join(&mut self.not_started, other.not_started);
        join(&mut self.unknown, other.unknown);
    }

    /// Whether every listed message has exactly one fate.
    #[must_use]
    pub fn adds_up(&self) -> bool {
        let fates = [self.copied, self.present, self.skipped, self.failed];
        let others = [self.expunged, self.not_started, self.unknown];
        u128::from(self.listed) == fates.into_iter().chain(others).map(u128::from).sum::<u128>()
    }
}

/// A receipt cannot be written or read.
#[derive(Debug, thiserror::Error)]
pub enum ReceiptError {
    /// There is no folder for receipts, and none can be made.
    #[error("{path}: {error}")]
    Folder {
        /// Which.
        path: PathBuf,
        /// The system's words.
        error: io::Error,
    },
    /// The disk, or the user's share of it, is full.
    #[error("{path}: the disk is full: {error}")]
    DiskFull {
        /// The file that was to be written.
        path: PathBuf,
        /// The system's words.
        error: io::Error,
    },
    /// A file cannot be written.
    #[error("{path}: {error}")]
    Write {
        /// Which.
        path: PathBuf,
        /// The system's words.
        error: io::Error,
    },
    /// A file cannot be read.
    #[error("{path}: {error}")]
    Read {
        /// Which.
        path: PathBuf,
        /// The system's words.
        error: io::Error,
    },
    /// A seal does not fit what is before it.
    #[error("{path}: it was altered: the seal in line {line} does not fit what is before it")]
    Altered {
        /// The file.
        path: PathBuf,
        /// The line of the first seal that does not fit.
        line: u64,
    },
    /// It is not what this program writes.
    #[error("{path}: line {line} is not understood; is it of a later version?")]
    NotUnderstood {
        /// The file.
        path: PathBuf,
        /// The line.
        line: u64,
    },
    /// It tells of more messages than are read of one run.
    #[error("{path}: it tells of more than {most} messages")]
    TooMany {
        /// The file.
        path: PathBuf,
        /// How many are read.
        most: u64,
    },
    /// There is no such run.
    #[error("there is no receipt {run} in {path}")]
    NoSuchRun {
        /// The folder.
        path: PathBuf,
        /// What was asked for.
        run: String,
    },
    /// Several runs are meant.
    #[error("{run} may be any of {count} runs")]
    SeveralRuns {
        /// What was asked for.
        run: String,
        /// How many begin so.
        count: usize,
    },
    /// What was noted of a mailbox is not what the report says of it.
    #[error("the receipt and the report differ over `{mailbox}`: {words}")]
    NotAddingUp {
        /// The mailbox of the target.
        mailbox: MailboxName,
        /// Both.
        words: String,
    },
}

impl ReceiptError {
    fn write(path: &Path, error: io::Error) -> Self {
        let path = path.to_owned();
        if is_full(&error) { Self::DiskFull { path, error } } else { Self::Write { path, error } }
    }
}

fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

/// Which run it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct About {
    /// The program, its version and its command.
    pub program: String,
    /// When it began, in seconds since 1970-01-01T00:00:00Z.
    pub began: i64,
    /// `user@host:port` of the source.
    pub source: String,
    /// The same of the target.
    pub target: String,
}

/// A receipt that was written to its end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Written {
    /// Its name.
    pub run: String,
    /// The digest of the whole: BLAKE3, in small hexadecimal digits.
    pub digest: String,
}

/// The receipt of one run. Nothing is made before the plan is carried out.
#[derive(Debug)]
pub struct Receipt {
    folder: PathBuf,
    about: About,
    stage: Mutex<Stage>,
    /// How often it was begun: a run that goes on after it made room begins another file.
    begun: AtomicU64,
}

#[derive(Debug)]
enum Stage {
    /// Nothing was written.
    New,
    Writing(Box<Writing>),
    /// There is no place for receipts here.
    NoPlace(ReceiptError),
    /// It could not be written on.
    Broken(ReceiptError),
    /// It was written to its end.
    Ended,
}

/// A receipt that is being written.
#[derive(Debug)]
struct Writing {
    run: RunId,
    output: Output,
    /// The numbers of the source mailboxes, by the target mailbox that each feeds.
    parts: HashMap<(MailboxName, MailboxName), u32>,
    /// Those of the first target mailbox that each feeds,
    sources: HashMap<MailboxName, u32>,
    /// and of messages that feed a further one.
    further: HashMap<(MailboxName, Uid), u32>,
    /// Those of the target mailboxes: that of the first that feeds it.
    targets: HashMap<MailboxName, u32>,
    /// What was noted, by number.
    counted: Vec<Counted>,
    /// Messages that were told of as failed: some are told of twice.
    failed: HashSet<(u32, Uid)>,
    /// The numbers of the mailboxes from which messages are moved, and where to.
    moves: HashMap<(MailboxName, MailboxName), u32>,
}

impl Writing {
    /// The number of the source mailbox of a message.
    fn number(&self, mailbox: &MailboxName, uid: Uid) -> Option<u32> {
        // Few runs have any.
        let further = (!self.further.is_empty()).then(|| (mailbox.clone(), uid));
        let further = further.and_then(|message| self.further.get(&message));
        further.or_else(|| self.sources.get(mailbox)).copied()
    }

    fn new(run: RunId, output: Output) -> Self {
        Self {
            run,
            output,
            parts: HashMap::new(),
            sources: HashMap::new(),
            further: HashMap::new(),
            targets: HashMap::new(),
            counted: Vec::new(),
            failed: HashSet::new(),
            moves: HashMap::new(),
        }
    }
}

/// What was noted of one source mailbox.
#[derive(Clone, Debug, Default)]
struct Counted {
    /// The place of the mailbox of the target in the plan.
    at: usize,
    copied: u64,
    failed: u64,
    expunged: u64,
    left_out: u64,
    /// Nothing was to be done: the digest of where its messages stand, and the run in which its
    /// rows are.
    idle: Option<(String, RunId)>,
    /// A copy of this run was removed again.
    doubles: bool,
}

impl Receipt {
    /// A receipt in that folder, which need not exist.
    #[must_use]
    pub fn new(folder: PathBuf, about: About) -> Self {
        Self { folder, about, stage: Mutex::new(Stage::New), begun: AtomicU64::new(0) }
    }

    /// Why there is no receipt, where this machine has no place for any. That is no failure.
    #[must_use]
    pub fn no_place(&self) -> Option<String> {
        match &*self.lock() {
            Stage::NoPlace(error) => Some(error.to_string()),
            _ => None,
        }
    }

    /// Writes down the plan, before it is carried out.
    pub(crate) fn begin(&self, plan: &Plan, listings: &[MailboxListings]) {
        self.begun.fetch_add(1, Ordering::Relaxed);
        self.enter(Writing::begin(&self.folder, &self.about, (plan, listings)));
    }

    /// Writes down what is to be undone, before it is.
    pub(crate) fn begin_undo(&self, plan: &UndoPlan) {
        self.begun.fetch_add(1, Ordering::Relaxed);
        self.enter(Writing::begin_undo(&self.folder, &self.about, plan));
    }

    fn enter(&self, begun: Result<Writing, ReceiptError>) {
        *self.lock() = match begun {
            Ok(writing) => Stage::Writing(Box::new(writing)),
            Err(error @ ReceiptError::Folder { .. }) => Stage::NoPlace(error),
            Err(error) => Stage::Broken(error),
        };
    }

    /// Something cannot be undone.
    pub(crate) fn note_left(&self, mailbox: &MailboxName, uid: Option<Uid>, why: &str) {
        self.write(|writing| writing.note_left(mailbox, uid, why));
    }

    /// Writes how an undo ended. `None` where there is no place for receipts.
    ///
    /// # Errors
    /// It could not be written.
    pub(crate) fn finish_undo(
        &self,
        complete: Completeness,
        undone: &Undone,
    ) -> Option<Result<Written, ReceiptError>> {
        self.end(|writing| writing.finish_undo(complete, undone))
    }

    /// A mailbox was planned again, since another run worked there: nothing was done there yet.
    pub(crate) fn plan_again(&self, plan: &MailboxPlan, listings: &MailboxListings) {
        self.write(|writing| writing.plan_again(plan, listings));
    }

    /// The same of what is to be removed, after all copies.
    pub(crate) fn plan_removals_again(&self, plan: &MailboxPlan) {
        self.write(|writing| writing.plan_removals_again(plan));
    }

    /// A message is handed over to the target.
    pub(crate) fn note_sent(
        &self,
        mailbox: &MailboxName,
        uid: Uid,
        (octets, headline): (u64, &Headline),
    ) {
        self.write(|writing| writing.note_sent(mailbox, uid, (octets, headline)));
    }

    /// Something happened.
    pub(crate) fn note(&self, event: &Event<'_>) {
        self.write(|writing| writing.note(event));
    }

    /// Has what was noted written, for the case that the run is killed.
    pub(crate) fn flush(&self) {
        self.write(|writing| writing.output.flush());
    }

    /// Writes how it ended. `None` where there is no place for receipts.
    ///
    /// # Errors
    /// It could not be written, or does not say what the report says.
    pub(crate) fn finish(&self, ending: &Ending<'_>) -> Option<Result<Written, ReceiptError>> {
        self.end(|writing| writing.finish(ending))
    }

    fn end(
        &self,
        finish: impl FnOnce(Writing) -> Result<Written, ReceiptError>,
    ) -> Option<Result<Written, ReceiptError>> {
        let stage = std::mem::replace(&mut *self.lock(), Stage::Ended);
        match stage {
            Stage::Writing(writing) => Some(finish(*writing)),
            Stage::Broken(error) => Some(Err(error)),
            Stage::NoPlace(_) => {
                *self.lock() = stage;
                None
            }
            Stage::New | Stage::Ended => None,
        }
    }

    fn write(&self, write: impl FnOnce(&mut Writing) -> io::Result<()>) {
        let mut stage = self.lock();
        if let Stage::Writing(writing) = &mut *stage
            && let Err(error) = write(writing)
        {
            let error = ReceiptError::write(writing.output.path(), error);
            *stage = Stage::Broken(error);
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Stage> {
        self.stage.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Notes what happens, and passes it on.
pub(crate) struct Noted {
    receipt: Arc<Receipt>,
    /// What comes after the next beginning is noted by whoever began then.
    begun: u64,
    events: Arc<dyn EventSink>,
}

impl Noted {
    /// For a receipt that was just begun.
    pub(crate) fn new(receipt: Arc<Receipt>, events: Arc<dyn EventSink>) -> Self {
        let begun = receipt.begun.load(Ordering::Relaxed);
        Self { receipt, begun, events }
    }
}

impl EventSink for Noted {
    fn on(&self, event: &Event<'_>) {
        if self.receipt.begun.load(Ordering::Relaxed) == self.begun {
            self.receipt.note(event);
        }
        self.events.on(event);
    }
}

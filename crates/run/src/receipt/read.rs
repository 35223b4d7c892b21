//! Reading a receipt back: every row of the plan, and what became of it.

mod assembly;
mod message;
mod spans;

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use mailferry_engine::message::{FlagSet, Key, Uid};
use mailferry_engine::name::MailboxName;

use super::file::{Input, is_being_written, verify};
use super::line::{EndLine, Heading, Line};
use super::standing::{StandingDigest, Stands};
use super::{About, Folder, ReceiptError, RunId, Tally, Why};

use self::assembly::Assembly;
pub use self::message::Message;
use self::message::Places;
use self::spans::{Spans, Spread};

/// Messages of which one receipt may tell: more than an account has. A few octets that say so may
/// stand for more.
pub const MESSAGES_MAX: u64 = 1 << 26;

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finish {
    /// All that was planned was done, and no message was a problem.
    Complete,
    /// It came to its end, and something failed or was not begun.
    Incomplete,
    /// It is at work.
    Running,
    /// It was killed, or its receipt could not be written on.
    Killed,
}

/// What became of one message of the source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It was copied.
    Copied,
    /// It was on the target.
    Present,
    /// It was left out by a rule; the limit is in octets, 0 where the rule has none.
    Skipped(Why, u32),
    /// It could not be copied.
    Failed,
    /// It left the source between listing and copying.
    Expunged,
    /// It was to be copied, and not begun.
    NotStarted,
    /// It was being sent when the run was killed.
    Unknown,
}

/// One message of the source.
#[derive(Clone, Copy, Debug)]
struct Row {
    target: Option<Uid>,
    fate: Fate,
    /// Why it failed: a place in the reasons.
    reason: Option<u32>,
    /// Where it is told what it is called; 0 where it is not.
    place: u64,
}

impl Spread for Row {
    fn behind(&self, distance: u32) -> Self {
        let target = self.target.and_then(|first| Uid::new(first.value().checked_add(distance)?));
        Self { target, ..*self }
    }
}

/// Why a message failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Reason {
    kind: String,
    words: String,
}

/// A source mailbox and the target mailbox it feeds.
#[derive(Debug)]
pub struct Part {
    /// The mailbox of the source.
    pub source: MailboxName,
    /// That of the target.
    pub target: MailboxName,
    /// UIDVALIDITY of the source; 0 where it is not known.
    pub source_uid_validity: u32,
    /// The same of the target.
    pub target_uid_validity: u32,
    /// Nothing was to be done: the run in which its rows stand.
    pub as_in: Option<RunId>,
    listed: u64,
    rows: Spans<Row>,
    /// Messages of the target that were to be removed.
    removals: Spans<Going>,
    digest: String,
    told: Tally,
}

/// What was to become of a message of the target, and what became of it.
#[derive(Clone, Debug)]
struct Going {
    why: Arc<str>,
    fate: RemovalFate,
}

impl Spread for Going {
    fn behind(&self, _: u32) -> Self {
        self.clone()
    }
}

/// Flags of a message of the target that were changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The place of its mailbox among the parts.
    pub part: usize,
    /// The message of the target.
    pub uid: Uid,
    /// Its flags before.
    pub before: FlagSet,
    /// Its flags since.
    pub after: FlagSet,
}

/// Labels of a message of the target that were changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Relabelled {
    /// The place of its mailbox among the parts.
    pub part: usize,
    /// The message of the target.
    pub uid: Uid,
    /// Labels that it got.
    pub added: FlagSet,
    /// Labels that it lost.
    pub taken: FlagSet,
}

/// A message of the target that was to be removed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Removal {
    /// The place of its mailbox among the parts.
    pub part: usize,
    /// The message.
    pub uid: Uid,
    /// What allowed it: `absent`, `content-absent`, `duplicate`, or `stored-twice` for a copy of
    /// this run.
    pub why: Arc<str>,
    /// What became of it.
    pub fate: RemovalFate,
}

/// Why a copy of this run was removed again.
const TWICE: &str = "stored-twice";

impl Removal {
    /// Whether something was taken away that was there before; of a double, the other copy stays.
    #[must_use]
    pub fn is_loss(&self) -> bool {
        &*self.why != TWICE
    }
}

/// What became of a removal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RemovalFate {
    /// It was removed.
    Removed,
    /// It was moved to that mailbox in place of being removed.
    Moved(MailboxName),
    /// It could not be, in the server's words.
    Failed(String),
    /// It was not begun.
    NotStarted,
}

/// Messages of one mailbox of the target that were moved where they are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Departures {
    /// The mailbox.
    pub mailbox: MailboxName,
    /// Its UIDVALIDITY; 0 where there is none.
    pub uid_validity: u32,
    /// Where they are.
    pub to: MailboxName,
    /// Which, ascending by UID.
    pub messages: Vec<Departed>,
}

/// One of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Departed {
    /// Its UID before.
    pub uid: Uid,
    /// What its identity headers come to.
    pub key: Key,
    /// Its size.
    pub octets: u32,
    /// Its INTERNALDATE, in seconds since 1970-01-01T00:00:00Z.
    pub date: Option<i64>,
    /// Whether the target said that it was moved; else it is not known where it is.
    pub is_moved: bool,
    /// The UIDVALIDITY and the UID that it has since, where the target told them.
    pub since: Option<(u32, Uid)>,
}

/// A receipt whose seals fit.
#[derive(Debug)]
pub struct ReadReceipt {
    /// Its name.
    pub run: RunId,
    /// Which run it is.
    pub about: About,
    /// How it ended.
    pub finish: Finish,
    /// When, in seconds since 1970-01-01T00:00:00Z, if it did.
    pub ended: Option<i64>,
    /// The last seal: the digest of the whole, if it ended.
    pub digest: String,
    /// Octets behind the last seal, of which nothing is known: the run was killed while it wrote.
    pub unsealed: u64,
    /// Each source mailbox.
    pub parts: Vec<Part>,
    /// Flags that were changed.
    pub changes: Vec<Change>,
    /// Labels that were changed.
    pub labels: Vec<Relabelled>,
    /// Mailboxes that were created.
    pub created: Vec<MailboxName>,
    /// Mailboxes that were deleted, with the number of their messages where it was known.
    pub deleted: Vec<(MailboxName, Option<u32>)>,
    /// Messages that were moved where they are kept.
    pub departures: Vec<Departures>,
    /// Mailboxes that were deleted in which messages were kept long enough, and how many those were.
    pub pruned: Vec<(MailboxName, Option<u32>)>,
    /// Mailboxes that were subscribed.
    pub subscribed: Vec<MailboxName>,
    /// Names that are subscribed no more, those of deleted mailboxes among them.
    pub unsubscribed: Vec<MailboxName>,
    /// What failed and is no message: the mailbox, where there is one, and the words.
    pub faults: Vec<(Option<MailboxName>, String)>,
    path: PathBuf,
    end: Option<EndLine>,
    /// Copies of this run that were one too many: part and UID on the target.
    doubles: Vec<(usize, Uid)>,
    reasons: Vec<Reason>,
    repaired: HashMap<(usize, Uid), Vec<String>>,
    kept_aside: HashMap<(usize, Uid), String>,
    /// Messages that were removed from the source.
    source_removed: HashSet<(usize, Uid)>,
    /// Flags that could not be changed, by part and UID on the target.
    flags_failed: HashMap<(usize, Uid), String>,
}

impl About {
    pub(super) fn of(heading: &Heading<'_>) -> Self {
        Self {
            program: heading.program.to_string(),
            began: heading.began,
            source: heading.source.to_string(),
            target: heading.target.to_string(),
        }
    }
}

impl ReadReceipt {
    pub(super) fn open(path: &Path) -> Result<Self, ReceiptError> {
        // Before it is read: a run that ends meanwhile was at work.
        let is_running = is_being_written(path);
        let sealed = verify(path)?;
        let mut input = Input::open(path, 0, sealed.octets)?;
        let mut assembly = match input.next()? {
            Some((_, Line::Receipt(heading))) => Assembly::new(path, &heading),
            _ => None,
        }
        .ok_or_else(|| input.not_understood())?;
        loop {
            let taken = match input.next()? {
                None => break,
                Some((place, line)) => assembly.take(place, line),
            };
            taken.ok_or_else(|| match assembly.tells_of_too_many() {
                true => ReceiptError::TooMany { path: path.to_owned(), most: MESSAGES_MAX },
                false => input.not_understood(),
            })?;
        }
        let mut receipt = assembly.finish();
        receipt.digest = sealed.seal;
        receipt.unsealed = sealed.unsealed;
        receipt.finish = match &receipt.end {
            Some(end) if end.complete => Finish::Complete,
            Some(_) => Finish::Incomplete,
            None if is_running => Finish::Running,
            None => Finish::Killed,
        };
        receipt.ended = receipt.end.as_ref().map(|end| end.ended);
        Ok(receipt)
    }

    /// What became of all messages, by their rows.
    #[must_use]
    pub fn tally(&self) -> Tally {
        let mut tally = Tally::default();
        self.parts.iter().for_each(|part| tally.join(&part.tally()));
        tally
    }

    /// Whether every listed message has exactly one fate, and the sums are those that the run gave
    /// at its end.
    #[must_use]
    pub fn adds_up(&self) -> bool {
        let tally = self.tally();
        let listed = self.parts.iter().all(|part| part.tally().listed == part.listed);
        listed && tally.adds_up() && self.end.as_ref().is_none_or(|end| end.tally == tally)
    }

    /// Messages of the target that were to be removed: by mailbox, those that were planned by UID,
    /// then the copies of this run that were one too many.
    pub fn removals(&self) -> impl Iterator<Item = Removal> {
        (0..self.parts.len()).flat_map(|part| self.removals_of(part))
    }

    /// Those of the target mailbox of one part.
    pub fn removals_of(&self, part: usize) -> impl Iterator<Item = Removal> {
        let planned = self.parts.get(part).into_iter().flat_map(|it| it.removals.each());
        let planned =
            planned.map(move |(uid, Going { why, fate })| Removal { part, uid, why, fate });
        let doubles = self.doubles.iter().filter(move |double| double.0 == part);
        let doubles = doubles.map(|&(part, uid)| {
            let fate = RemovalFate::Removed;
            Removal { part, uid, why: TWICE.into(), fate }
        });
        planned.chain(doubles)
    }

    /// Messages that were removed from the source, their copies being proven.
    pub fn removed_from_source(&self) -> impl Iterator<Item = (&Part, Uid)> {
        let removed = self.source_removed.iter();
        removed.filter_map(|&(part, uid)| Some((self.parts.get(part)?, uid)))
    }

    /// The messages of a part, ascending by UID. Those of a mailbox in which nothing was to be done
    /// come from the receipt in which they stand.
    ///
    /// # Errors
    /// A receipt cannot be read, or is not the one that this one names.
    pub fn messages(
        &self,
        part: usize,
        others: &mut Others<'_>,
        each: &mut dyn FnMut(&Message<'_>),
    ) -> Result<(), ReceiptError> {
        let Some(of_part) = self.parts.get(part) else { return Ok(()) };
        let Some(run) = &of_part.as_in else {
            let mut places = Places::open(&self.path)?;
            for (uid, row) in of_part.rows.each() {
                each(&self.message(part, (uid, &row), &mut places)?);
            }
            return Ok(());
        };
        let other = others.read(run)?;
        let differs = || ReceiptError::Altered { path: other.path.clone(), line: 0 };
        let at = other.parts.iter().position(|there| there.stands_for(of_part));
        let at = at.ok_or_else(differs)?;
        if other.parts[at].standing_digest() != of_part.digest {
            return Err(differs());
        }
        let mut places = Places::open(&other.path)?;
        for (uid, row) in other.parts[at].rows.each() {
            let now = Row { fate: row.fate.later(), ..row };
            let mut message = other.message(at, (uid, &now), &mut places)?;
            message.forget_what_was_done();
            each(&message);
        }
        Ok(())
    }
}

impl Fate {
    /// What it is in a later run in which nothing was to be done.
    fn later(self) -> Self {
        if self == Self::Copied { Self::Present } else { self }
    }
}

impl Part {
    /// What became of its messages.
    #[must_use]
    pub fn tally(&self) -> Tally {
        if self.as_in.is_some() {
            return self.told;
        }
        let mut tally = Tally { listed: self.rows.messages(), ..Tally::default() };
        for (messages, row) in self.rows.known() {
            *match row.fate {
                Fate::Copied => &mut tally.copied,
                Fate::Present => &mut tally.present,
                Fate::Skipped(Why::OverAppendLimit, _) | Fate::Failed => &mut tally.failed,
                Fate::Skipped(..) => &mut tally.skipped,
                Fate::Expunged => &mut tally.expunged,
                Fate::NotStarted => &mut tally.not_started,
                Fate::Unknown => &mut tally.unknown,
            } += messages;
        }
        tally
    }

    /// Whether the rows of this one may be those of a later one.
    fn stands_for(&self, later: &Self) -> bool {
        self.as_in.is_none()
            && self.source == later.source
            && self.target == later.target
            && self.source_uid_validity == later.source_uid_validity
            && [0, later.target_uid_validity].contains(&self.target_uid_validity)
    }

    fn standing_digest(&self) -> String {
        let mut digest = StandingDigest::new();
        for (uid, row) in self.rows.each() {
            match (row.fate, row.target) {
                (Fate::Copied | Fate::Present, Some(target)) => {
                    digest.push(uid, Stands::At(target));
                }
                (Fate::Skipped(why, limit), _) => digest.push(uid, Stands::Skipped(why, limit)),
                _ => {}
            }
        }
        digest.finish()
    }
}

/// The receipts that another one refers to: the last one read is kept.
pub struct Others<'a> {
    folder: &'a Folder,
    last: Option<(RunId, ReadReceipt)>,
}

impl<'a> Others<'a> {
    /// Those of a folder.
    #[must_use]
    pub fn new(folder: &'a Folder) -> Self {
        Self { folder, last: None }
    }

    fn read(&mut self, run: &RunId) -> Result<&ReadReceipt, ReceiptError> {
        if self.last.as_ref().is_none_or(|(last, _)| last != run) {
            self.last = Some((run.clone(), self.folder.read(run)?));
        }
        match &self.last {
            Some((_, receipt)) => Ok(receipt),
            None => Err(ReceiptError::NoSuchRun {
                path: self.folder.path().to_owned(),
                run: run.to_string(),
            }),
        }
    }
}

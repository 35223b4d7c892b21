//! The folder of all receipts: one file a run.

use std::collections::{BTreeSet, HashMap};
use std::fs::DirBuilder;
use std::io;
use std::path::{Path, PathBuf};

use super::file::{Input, is_being_written, last_lines};
use super::id::Pair;
use super::line::Line;
use super::read::{Finish, ReadReceipt};
use super::{About, ReceiptError, RunId, Tally};

/// What the names of the files end in.
const ENDING: &str = "receipt";
/// Receipts of the same accounts that are looked into for one that ended.
const LOOKED_INTO_MAX: usize = 8;

/// Makes the folder, and those above it, for this user only.
pub(super) fn make(folder: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

pub(super) fn path_of(folder: &Path, run: &RunId) -> PathBuf {
    folder.join(format!("{run}.{ENDING}"))
}

/// Where the messages of some mailboxes stood after an earlier run, by the names of source and
/// target as they are written.
pub(super) type Standings = HashMap<(String, String), KnownStanding>;

/// Where the messages of one mailbox stood.
#[derive(Debug)]
pub(super) struct KnownStanding {
    /// UIDVALIDITY of the source and of the target.
    pub(super) validities: (u32, u32),
    pub(super) digest: String,
    /// The run in which its rows are.
    pub(super) run: RunId,
}

/// What the last run between these accounts left that ended. Whatever cannot be read is not known.
pub(super) fn standings(folder: &Path, pair: &Pair, about: &About) -> Standings {
    let of_pair = run_ids(folder).unwrap_or_default().into_iter().filter(|run| run.is_of(pair));
    let newest = of_pair.rev().take(LOOKED_INTO_MAX);
    let found =
        newest.map(|run| path_of(folder, &run)).find_map(|path| read_standings(&path, about));
    let mut standings = found.unwrap_or_default();
    // Receipts may be removed at any time.
    let named: BTreeSet<RunId> = standings.values().map(|known| known.run.clone()).collect();
    let is_there = |run: &&RunId| path_of(folder, run).is_file();
    let there: BTreeSet<RunId> = named.iter().filter(is_there).cloned().collect();
    standings.retain(|_, known| there.contains(&known.run));
    standings
}

fn read_standings(path: &Path, about: &About) -> Option<Standings> {
    let (end, octets) = last_lines(path).ok()??;
    let Ok(Line::End(end)) = serde_json::from_slice(&end) else { return None };
    let mut input = Input::open(path, 0, octets).ok()?;
    let Some((_, Line::Receipt(heading))) = input.next().ok()? else { return None };
    if heading.source != about.source || heading.target != about.target {
        return None;
    }
    let mut input = Input::open(path, end.standing_at, octets).ok()?;
    let mut standings = Standings::new();
    while let Some((_, Line::Standing(line))) = input.next().ok()? {
        let known = KnownStanding {
            validities: (line.source_uid_validity, line.target_uid_validity),
            digest: line.digest.into_owned(),
            run: RunId::parse(&line.in_run)?,
        };
        standings.insert((line.source.into_owned(), line.target.into_owned()), known);
    }
    Some(standings)
}

/// The runs of which there are receipts, oldest first.
fn run_ids(folder: &Path) -> io::Result<Vec<RunId>> {
    let mut runs = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let name = entry?.file_name();
        let stem = name.to_str().and_then(|name| name.strip_suffix(ENDING)?.strip_suffix('.'));
        runs.extend(stem.and_then(RunId::parse));
    }
    runs.sort_unstable();
    Ok(runs)
}

/// The folder of all receipts, for those who read them.
#[derive(Clone, Debug)]
pub struct Folder {
    path: PathBuf,
}

/// A run in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Its name.
    pub run: RunId,
    /// Which it is.
    pub about: About,
    /// How it ended.
    pub finish: Finish,
    /// When it ended, in seconds since 1970-01-01T00:00:00Z, if it did.
    pub ended: Option<i64>,
    /// What became of its messages, if it ended.
    pub tally: Option<Tally>,
}

/// What was pruned.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pruned {
    /// Removed.
    pub removed: Vec<RunId>,
    /// Kept, though old enough: the rows of a later one that stays are in them.
    pub needed: Vec<RunId>,
}

impl Folder {
    /// A folder, which need not exist.
    #[must_use]
    pub fn new(path: PathBuf) -> Self {
        Self { path }
    }

    /// The path.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The runs of which there are receipts, oldest first; none where there is no folder.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub fn runs(&self) -> Result<Vec<RunId>, ReceiptError> {
        match run_ids(&self.path) {
            Ok(runs) => Ok(runs),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            Err(error) => Err(ReceiptError::Folder { path: self.path.clone(), error }),
        }
    }

    /// The run that is meant: by its name, by how its name begins, or as `last`.
    ///
    /// # Errors
    /// None is meant, or several.
    pub fn find(&self, text: &str) -> Result<RunId, ReceiptError> {
        let runs = self.runs()?;
        let none = || ReceiptError::NoSuchRun { path: self.path.clone(), run: text.to_owned() };
        if text == "last" {
            return runs.last().cloned().ok_or_else(none);
        }
        if let Some(run) = runs.iter().find(|run| run.as_str() == text) {
            return Ok(run.clone());
        }
        let meant: Vec<&RunId> = runs.iter().filter(|run| run.as_str().starts_with(text)).collect();
        match meant.as_slice() {
            [run] => Ok((*run).clone()),
            [] => Err(none()),
            several => {
                Err(ReceiptError::SeveralRuns { run: text.to_owned(), count: several.len() })
            }
        }
    }

    /// Reads a receipt, and holds its seals against it.
    ///
    /// # Errors
    /// It cannot be read, or it was altered.
    pub fn read(&self, run: &RunId) -> Result<ReadReceipt, ReceiptError> {
        ReadReceipt::open(&path_of(&self.path, run))
    }

    /// What is told of a run in a list, from its first and last lines: its seals are not looked at.
    ///
    /// # Errors
    /// They cannot be read.
    pub fn list_one(&self, run: &RunId) -> Result<Listed, ReceiptError> {
        let path = path_of(&self.path, run);
        let unreadable = |error| ReceiptError::Read { path: path.clone(), error };
        let not_understood = || ReceiptError::NotUnderstood { path: path.clone(), line: 1 };
        let mut input = Input::open(&path, 0, u64::MAX)?;
        let about = match input.next()? {
            Some((_, Line::Receipt(heading))) => About::of(&heading),
            _ => return Err(not_understood()),
        };
        let end = last_lines(&path).map_err(unreadable)?;
        let end = match end.as_ref().and_then(|(end, _)| serde_json::from_slice(end).ok()) {
            Some(Line::End(end)) => Some(end),
            _ => None,
        };
        let finish = match &end {
            Some(end) if end.complete => Finish::Complete,
            Some(_) => Finish::Incomplete,
            None if is_being_written(&path) => Finish::Running,
            None => Finish::Killed,
        };
        let (ended, tally) = (end.as_ref().map(|end| end.ended), end.map(|end| end.tally));
        Ok(Listed { run: run.clone(), about, finish, ended, tally })
    }

    /// Removes receipts: of each pair of accounts all but the newest `keep`, and those of runs that
    /// began before `before`, as far as either is given. Those of runs at work stay, and those in
    /// which rows of others stand that stay.
    ///
    /// # Errors
    /// One that stays cannot be read, and nothing is removed; or one cannot be removed.
    pub fn prune(&self, keep: Option<usize>, before: Option<i64>) -> Result<Pruned, ReceiptError> {
        let mut newer: HashMap<String, usize> = HashMap::new();
        let (mut going, mut needed) = (Vec::new(), BTreeSet::new());
        for run in self.runs()?.into_iter().rev() {
            // What cannot be read is left to whoever can.
            let Ok(listed) = self.list_one(&run) else { continue };
            let of_pair = run.as_str().split('-').nth(2).unwrap_or_default().to_owned();
            let newer = newer.entry(of_pair).or_default();
            let is_surplus = keep.is_some_and(|keep| *newer >= keep);
            *newer += 1;
            let is_old = before.is_some_and(|before| listed.about.began < before);
            if (is_surplus || is_old) && listed.finish != Finish::Running {
                going.push(run);
            } else {
                needed.extend(needs(&path_of(&self.path, &run))?);
            }
        }
        let mut pruned = Pruned::default();
        for run in going {
            if needed.contains(&run) {
                pruned.needed.push(run);
                continue;
            }
            let path = path_of(&self.path, &run);
            std::fs::remove_file(&path).map_err(|error| ReceiptError::write(&path, error))?;
            pruned.removed.push(run);
        }
        Ok(pruned)
    }
}

/// The runs in which rows of a receipt stand.
fn needs(path: &Path) -> Result<BTreeSet<RunId>, ReceiptError> {
    let mut needs = BTreeSet::new();
    let mut input = Input::open(path, 0, u64::MAX)?;
    loop {
        match input.next() {
            // They are told with the plan, before anything else.
            Ok(Some((_, Line::Sent { .. } | Line::Copied { .. } | Line::End(_)))) | Ok(None) => {
                break;
            }
            Ok(Some((_, Line::Mailbox(line)))) => {
                needs.extend(line.unchanged.and_then(|unchanged| RunId::parse(&unchanged.as_in)));
            }
            Ok(Some(_)) => {}
            Err(error @ ReceiptError::Read { .. }) => return Err(error),
            // What was altered there cannot be expanded anyway.
            Err(_) => break,
        }
    }
    Ok(needs)
}

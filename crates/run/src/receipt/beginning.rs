//! How a receipt begins: with the plan, so that each message has its row before anything is done.

use std::io;
use std::path::Path;

use mailferry_engine::account::Plan;
use mailferry_engine::message::Uid;
use mailferry_engine::plan::{Action, Decision, DeleteReason, Deletion, MailboxPlan, PartPlan};

use super::file::Output;
use super::folder::{self, Standings};
use super::id::Pair;
use super::line::{Heading, Line, MailboxLine, Unchanged, VERSION, Why, kind_word};
use super::ranges::Ranges;
use super::{About, Counted, ReceiptError, RunId, Tally, Writing, standing};
use crate::survey::MailboxListings;

/// Runs of the same accounts that may begin in one second.
const ATTEMPTS_MAX: u32 = 1000;

/// What makes a decision stand in one line with its neighbours.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Group {
    Copy,
    Present,
    UpdateFlags,
    Skip(Why, u32),
}

impl Writing {
    pub(super) fn begin(
        folder: &Path,
        about: &About,
        (plan, listings): (&Plan, &[MailboxListings]),
    ) -> Result<Self, ReceiptError> {
        let pair = Pair::new(&about.source, &about.target);
        let (run, output) = create(folder, about.began, &pair)?;
        let earlier = folder::standings(folder, &pair, about);
        let mut writing = Self::new(run, output);
        let path = writing.output.path().to_owned();
        let written = writing.write_plan(about, (plan, listings), &earlier);
        written.map_err(|error| ReceiptError::write(&path, error))?;
        Ok(writing)
    }

    fn write_plan(
        &mut self,
        about: &About,
        (plan, listings): (&Plan, &[MailboxListings]),
        earlier: &Standings,
    ) -> io::Result<()> {
        let run = self.run.to_string();
        self.output.push(&Line::Receipt(Heading {
            version: VERSION,
            run: run.into(),
            program: about.program.as_str().into(),
            began: about.began,
            source: about.source.as_str().into(),
            target: about.target.as_str().into(),
        }))?;
        for (at, (mailbox, listings)) in plan.mailboxes.iter().zip(listings).enumerate() {
            let first = u32::try_from(self.counted.len()).unwrap_or(u32::MAX);
            for (part, source) in mailbox.parts.iter().zip(&listings.sources) {
                let validities = (source.uid_validity, listings.target.uid_validity);
                self.write_part((at, mailbox, part), validities, earlier)?;
            }
            self.targets.insert(mailbox.target.clone(), first);
            write_removals(&mut self.output, first, &mailbox.delete)?;
        }
        for gone in &plan.delete_mailboxes {
            let (mailbox, messages) = (gone.name.to_string().into(), gone.messages);
            let subscribed = gone.subscribed;
            self.output.push(&Line::DeleteMailbox { mailbox, messages, subscribed })?;
        }
        for gone in plan.keeping.iter().flat_map(|keeping| &keeping.prune) {
            let (mailbox, messages) = (gone.name.to_string().into(), gone.messages);
            self.output.push(&Line::PruneMailbox { mailbox, messages })?;
        }
        self.output.flush()
    }

    fn write_part(
        &mut self,
        (at, mailbox, part): (usize, &MailboxPlan, &PartPlan),
        validities: (u32, u32),
        earlier: &Standings,
    ) -> io::Result<()> {
        let m = u32::try_from(self.counted.len()).unwrap_or(u32::MAX);
        let (source, target) = (part.source.to_string(), mailbox.target.to_string());
        let digest = (!part.decisions.is_empty()).then(|| standing::before(part)).flatten();
        let known = digest.as_ref().and_then(|digest| {
            let known = earlier.get(&(source.clone(), target.clone()))?;
            (known.validities == validities && known.digest == *digest).then_some(&known.run)
        });
        let unchanged = known.zip(digest.as_ref()).map(|(run, digest)| Unchanged {
            as_in: run.as_str().into(),
            digest: digest.as_str().into(),
            tally: tally(part),
        });
        let is_unchanged = unchanged.is_some();
        let idle = digest.clone().map(|digest| (digest, known.unwrap_or(&self.run).clone()));
        self.output.push(&Line::Mailbox(MailboxLine {
            m,
            source: source.as_str().into(),
            target: target.as_str().into(),
            source_uid_validity: validities.0,
            target_uid_validity: validities.1,
            listed: part.decisions.len() as u64,
            unchanged,
        }))?;
        self.parts.insert((part.source.clone(), mailbox.target.clone()), m);
        if *self.sources.entry(part.source.clone()).or_insert(m) != m {
            let rows = part.uids.iter().zip(&part.decisions);
            let copies = rows.filter(|(_, it)| matches!(it, Decision::Act(Action::Copy)));
            self.further.extend(copies.map(|(uid, _)| ((part.source.clone(), *uid), m)));
        }
        self.counted.push(Counted { at, idle, ..Counted::default() });
        if is_unchanged { Ok(()) } else { write_rows(&mut self.output, m, mailbox, part) }
    }
}

impl Writing {
    /// A mailbox was planned again before anything was done there.
    pub(super) fn plan_again(
        &mut self,
        plan: &MailboxPlan,
        listings: &MailboxListings,
    ) -> io::Result<()> {
        let Some(&first) = self.targets.get(&plan.target) else { return Ok(()) };
        let at = self.counted.get(first as usize).map(|counted| counted.at);
        // A source mailbox may have gone.
        for (m, counted) in self.counted.iter_mut().enumerate() {
            if Some(counted.at) == at {
                counted.idle = None;
                let m = u32::try_from(m).unwrap_or(u32::MAX);
                let (source_uid_validity, target_uid_validity, listed) = (0, 0, 0);
                let again = Line::Again { m, source_uid_validity, target_uid_validity, listed };
                self.output.push(&again)?;
            }
        }
        for (part, source) in plan.parts.iter().zip(&listings.sources) {
            let pair = (part.source.clone(), plan.target.clone());
            let Some(&m) = self.parts.get(&pair) else { continue };
            self.output.push(&Line::Again {
                m,
                source_uid_validity: source.uid_validity,
                target_uid_validity: listings.target.uid_validity,
                listed: part.decisions.len() as u64,
            })?;
            write_rows(&mut self.output, m, plan, part)?;
        }
        self.plan_removals_again(plan)
    }

    /// What is to be removed from a mailbox was planned again.
    pub(super) fn plan_removals_again(&mut self, plan: &MailboxPlan) -> io::Result<()> {
        let Some(&first) = self.targets.get(&plan.target) else { return Ok(()) };
        self.output.push(&Line::RemovalsAgain { m: first })?;
        write_removals(&mut self.output, first, &plan.delete)?;
        self.output.flush()
    }
}

/// The fates of the messages of a source mailbox in which nothing is to be done.
fn tally(part: &PartPlan) -> Tally {
    let mut tally = Tally { listed: part.decisions.len() as u64, ..Tally::default() };
    for decision in &part.decisions {
        match decision {
            Decision::Skip(reason) if Why::of(*reason).0 == Why::OverAppendLimit => {
                tally.failed += 1;
            }
            Decision::Skip(_) => tally.skipped += 1,
            Decision::Problem(_) => tally.failed += 1,
            Decision::Present { .. } | Decision::Act(_) => tally.present += 1,
        }
    }
    tally
}

pub(super) fn create(
    folder: &Path,
    began: i64,
    pair: &Pair,
) -> Result<(RunId, Output), ReceiptError> {
    let is_there = folder.is_dir();
    let no_place = |error| match error {
        error if super::is_full(&error) => ReceiptError::write(folder, error),
        error => ReceiptError::Folder { path: folder.to_owned(), error },
    };
    folder::make(folder).map_err(no_place)?;
    for attempt in 0..ATTEMPTS_MAX {
        let run = RunId::new(began, pair, attempt);
        let path = folder::path_of(folder, &run);
        match Output::create(&path) {
            Ok(output) => return Ok((run, output)),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            // A folder that was just made, and takes no file: there is no place here.
            Err(error) if !is_there => return Err(no_place(error)),
            Err(error) => return Err(ReceiptError::write(&path, error)),
        }
    }
    let error = io::Error::from(io::ErrorKind::AlreadyExists);
    Err(ReceiptError::write(&folder::path_of(folder, &RunId::new(began, pair, 0)), error))
}

/// A line for all messages of one decision, or several where it would be long.
fn write_rows(
    output: &mut Output,
    m: u32,
    mailbox: &MailboxPlan,
    part: &PartPlan,
) -> io::Result<()> {
    let rows = || part.uids.iter().zip(&part.decisions);
    let mut groups: Vec<Group> = Vec::new();
    for (group, _) in part.decisions.iter().filter_map(group_of) {
        if groups.last() != Some(&group) && !groups.contains(&group) {
            groups.push(group);
        }
    }
    for group in groups {
        let rows = rows().filter_map(|(&uid, decision)| Some((uid, group_of(decision)?)));
        let rows = rows.filter(|(_, (own, _))| *own == group).map(|(uid, (_, other))| (uid, other));
        write_ranges(rows, |uids| output.push(&row_line(m, group, uids)))?;
    }
    let problems = rows().filter_map(|(&uid, decision)| match decision {
        Decision::Problem(fault) => Some((uid, *fault)),
        _ => None,
    });
    let problems: Vec<(Uid, u32)> = problems.collect();
    for same in problems.chunk_by(|(_, one), (_, other)| one == other) {
        let fault = same.first().and_then(|(_, fault)| mailbox.faults.get(*fault as usize));
        let kind = fault.map(|fault| kind_word(fault.kind)).unwrap_or_default();
        let words = fault.map(|fault| fault.words.as_str()).unwrap_or_default();
        write_ranges(same.iter().map(|(uid, _)| (*uid, None)), |uids| {
            let (kind, words, uids) = (kind.as_str().into(), words.into(), uids.into());
            output.push(&Line::Problem { m, kind, words, uids })
        })?;
    }
    Ok(())
}

/// What stands in one line, and what it is on the target; `None` for a problem, which has words.
fn group_of(decision: &Decision) -> Option<(Group, Option<Uid>)> {
    Some(match decision {
        Decision::Act(Action::Copy) => (Group::Copy, None),
        Decision::Act(Action::UpdateFlags { target }) => (Group::UpdateFlags, Some(*target)),
        Decision::Present { target } => (Group::Present, Some(*target)),
        Decision::Skip(reason) => {
            let (why, limit) = Why::of(*reason);
            (Group::Skip(why, limit), None)
        }
        Decision::Problem(_) => return None,
    })
}

fn row_line(m: u32, group: Group, uids: &str) -> Line<'_> {
    let uids = uids.into();
    match group {
        Group::Copy => Line::Copy { m, uids },
        Group::Present => Line::Present { m, uids },
        Group::UpdateFlags => Line::UpdateFlags { m, uids },
        Group::Skip(why, limit) => Line::Skip { m, why, limit, uids },
    }
}

/// Writes messages, ascending by UID, as texts of ranges.
pub(super) fn write_ranges(
    rows: impl IntoIterator<Item = (Uid, Option<Uid>)>,
    mut write: impl FnMut(&str) -> io::Result<()>,
) -> io::Result<()> {
    let mut written = Ok(());
    let mut ranges = Ranges::new(|uids: &str| {
        if written.is_ok() {
            written = write(uids);
        }
    });
    rows.into_iter().for_each(|(uid, other)| ranges.push(uid, other));
    ranges.finish();
    written
}

fn write_removals(output: &mut Output, m: u32, deletions: &[Deletion]) -> io::Result<()> {
    for (reason, why) in [
        (DeleteReason::Absent, "absent"),
        (DeleteReason::ContentAbsent, "content-absent"),
        (DeleteReason::Duplicate, "duplicate"),
    ] {
        let of_reason = deletions.iter().filter(|deletion| deletion.why == reason);
        let rows = of_reason.map(|deletion| (deletion.uid, None));
        write_ranges(rows, |uids| {
            output.push(&Line::Remove { m, why: why.into(), uids: uids.into() })
        })?;
    }
    Ok(())
}

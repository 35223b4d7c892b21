//! The statistics block and the verdict, from a report and the listings behind it.

use std::time::Duration;

use jiff::Zoned;
use mailferry_engine::account::Plan;
use mailferry_engine::summary::Counts;
use mailferry_run::report::Report;

use crate::imapsync::output::{Cpu, Difference, FolderSize, Memory, Sizes, Statistics, Verdict};

/// What a run knows when it ends.
pub(super) struct Facts<'a> {
    pub(super) started: &'a Zoned,
    pub(super) elapsed: Duration,
    pub(super) plan: &'a Counts,
    pub(super) folders: u64,
    /// Nothing in a dry run.
    pub(super) report: Option<&'a Report>,
    pub(super) octets_skipped: u64,
    pub(super) memory_at_start: Option<u64>,
    pub(super) before: Option<(Sizes, Sizes)>,
    pub(super) after: Option<(Sizes, Sizes)>,
}

impl Facts<'_> {
    pub(super) fn statistics(&self) -> Statistics {
        let done = self.report.map(Report::total).unwrap_or_default();
        let skip = &self.plan.skip;
        Statistics {
            started: self.started.clone(),
            ended: Zoned::now(),
            elapsed: self.elapsed,
            folders_synced: self
                .report
                .map_or(self.folders, |report| report.mailboxes.len() as u64),
            folders: self.folders,
            transferred: done.copied,
            transferred_without_dry: self.report.is_none().then_some(self.plan.copy),
            skipped: skip.total() - skip.not_selected + done.left_out,
            duplicates: [skip.duplicate, self.plan.delete_duplicates],
            cross_duplicates: skip.elsewhere,
            without_header: [0, 0],
            only_on_host1: self.missing(),
            only_on_host2: self.extra(),
            deleted: [done.source_deleted, done.deleted],
            octets_transferred: done.copied_octets,
            octets_skipped: self.octets_skipped,
            reconnections: self.report.map_or([0, 0], |report| report.reconnections),
            memory: self.memory(),
            load: load(),
            cpu: cpu(),
            biggest: done.largest_octets,
            difference_at_start: self.before.map(difference),
            difference_at_end: self.after.map(difference),
        }
    }

    /// The verdict, in messages: what is identical on both sides is counted once.
    pub(super) fn verdict(&self) -> Verdict {
        let done = self.report.map(Report::total).unwrap_or_default();
        let identified1 = self.wanted();
        let removed = done.deleted;
        let duplicates2 = self.plan.delete_duplicates;
        Verdict {
            identified1,
            missing2: self.missing(),
            unidentified1: 0,
            identified2: (self.plan.target_listed + done.copied)
                .saturating_sub(removed.max(duplicates2)),
            extra2: self.extra(),
        }
    }

    fn wanted(&self) -> u64 {
        self.plan.listed - self.plan.skip.not_selected - self.plan.skip.duplicate
    }

    fn missing(&self) -> u64 {
        let done = self.report.map(Report::total).unwrap_or_default();
        self.wanted().saturating_sub(
            self.plan.present + self.plan.update_flags + done.copied + done.expunged,
        )
    }

    fn extra(&self) -> u64 {
        let done = self.report.map(Report::total).unwrap_or_default();
        let matched = self.plan.present + self.plan.update_flags;
        self.plan.target_listed.saturating_sub(matched + done.deleted)
    }

    fn memory(&self) -> Option<Memory> {
        Some(Memory { at_start: self.memory_at_start?, at_end: resident_bytes()? })
    }
}

fn difference((host1, host2): (Sizes, Sizes)) -> Difference {
    let signed = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
    Difference {
        messages: signed(host2.all.messages) - signed(host1.all.messages),
        octets: signed(host2.all.octets) - signed(host1.all.octets),
    }
}

/// How busy the machine is, where the system tells it.
pub(super) fn load() -> Option<String> {
    let line = std::fs::read_to_string("/proc/loadavg").ok()?;
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    Some(format!("{} on {cores} cores", line.trim()))
}

/// Memory in use, where the system tells it.
pub(super) fn resident_bytes() -> Option<u64> {
    let statm = std::fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = statm.split(' ').nth(1)?.parse().ok()?;
    Some(pages * 4096)
}

fn cpu() -> Option<Cpu> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    // The name of the program may hold anything, so fields are counted behind it.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks: u64 = fields.get(11)?.parse::<u64>().ok()? + fields.get(12)?.parse::<u64>().ok()?;
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    Some(Cpu {
        time: Duration::from_millis(ticks * 10),
        cores: u16::try_from(cores).unwrap_or(u16::MAX),
    })
}

/// Adds what one folder holds.
pub(super) fn add(sizes: &mut Sizes, size: FolderSize) {
    sizes.folders += 1;
    sizes.all.messages += size.messages;
    sizes.all.octets += size.octets;
    sizes.all.biggest = sizes.all.biggest.max(size.biggest);
}

/// The folders of a plan.
pub(super) fn folders(plan: &Plan) -> u64 {
    plan.mailboxes.iter().map(|mailbox| mailbox.parts.len() as u64).sum()
}

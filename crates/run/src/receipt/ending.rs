//! How a receipt ends: with its sums, which have to be those of the report.

use std::collections::BTreeMap;
use std::io;
use std::time::{SystemTime, UNIX_EPOCH};

use mailferry_engine::message::Uid;
use mailferry_engine::plan::MailboxPlan;

use super::line::{EndLine, Line, StandingLine};
use super::{ReceiptError, Tally, Writing, Written, standing};
use crate::claiming::Planned;
use crate::course::Landed;
use crate::report::{MailboxReport, Report};
use crate::survey::MailboxListings;

/// What is known at the end of a run.
pub(crate) struct Ending<'a> {
    pub(crate) report: &'a Report,
    /// The mailboxes as they were planned last.
    pub(crate) planned: Vec<Planned<'a>>,
    /// The copies that were made in each mailbox.
    pub(crate) landed: &'a BTreeMap<usize, Landed>,
}

impl Writing {
    pub(super) fn finish(mut self, ending: &Ending<'_>) -> Result<Written, ReceiptError> {
        let path = self.output.path().to_owned();
        let differing = self.differing(ending);
        let written = self.write_end(ending).and_then(|()| {
            let run = self.run.to_string();
            Ok(Written { run, digest: self.output.finish()? })
        });
        let written = written.map_err(|error| ReceiptError::write(&path, error))?;
        match differing {
            None => Ok(written),
            Some(error) => Err(error),
        }
    }

    /// The first mailbox of which the report says something else than was noted.
    fn differing(&self, ending: &Ending<'_>) -> Option<ReceiptError> {
        let mut noted = vec![[0; 4]; ending.planned.len()];
        for counted in &self.counted {
            if let Some(noted) = noted.get_mut(counted.at) {
                let told = [counted.copied, counted.failed, counted.expunged, counted.left_out];
                noted.iter_mut().zip(told).for_each(|(noted, told)| *noted += told);
            }
        }
        ending.report.mailboxes.iter().zip(noted).find_map(|(report, noted)| {
            let done = &report.done;
            let reported = [done.copied, done.failed, done.expunged, done.left_out];
            (noted != reported).then(|| ReceiptError::NotAddingUp {
                mailbox: report.target.clone(),
                words: format!(
                    "copied, failed, expunged, left out are {noted:?} in the receipt, {reported:?} in the report"
                ),
            })
        })
    }

    fn write_end(&mut self, ending: &Ending<'_>) -> io::Result<()> {
        let Ending { report, planned, landed } = ending;
        let mut tally = Tally::default();
        report.mailboxes.iter().for_each(|mailbox| tally.join(&tally_of(mailbox)));
        let mut standings = Vec::new();
        for (at, &Planned { plan, listings }) in planned.iter().enumerate() {
            let landed = landed.get(&at);
            let listed_as = listings.target.uid_validity;
            let told_as = landed.map_or(0, |landed| landed.uid_validity);
            let uid_validity = if listed_as == 0 { told_as } else { listed_as };
            if let (0, true, Some(&m)) = (listed_as, told_as != 0, self.targets.get(&plan.target)) {
                self.output.push(&Line::TargetUidValidity { m, uid_validity })?;
            }
            let mut counted = self.counted.iter().filter(|counted| counted.at == at);
            if uid_validity != 0 && !counted.any(|counted| counted.doubles) {
                standings.extend(self.standings(plan, (listings, uid_validity), landed));
            }
        }
        self.output.flush()?;
        let standing_at = self.output.position();
        for standing in standings {
            self.output.push(&Line::Standing(standing))?;
        }
        let total = report.total();
        self.output.push(&Line::End(EndLine {
            ended: now(),
            complete: report.is_complete(),
            tally,
            flags_updated: total.flags_updated,
            deleted: total.deleted,
            moved: report.moved(),
            standing_at,
        }))
    }

    /// What the next run may refer to, of the source mailboxes that feed one of the target.
    fn standings(
        &self,
        mailbox: &MailboxPlan,
        (listings, target_uid_validity): (&MailboxListings, u32),
        landed: Option<&Landed>,
    ) -> Vec<StandingLine<'static>> {
        let mut copies: Vec<(u32, Uid, Uid)> = landed
            .iter()
            .flat_map(|landed| &landed.copies)
            .filter_map(|copy| Some((copy.part, copy.source, copy.target?)))
            .collect();
        copies.sort_unstable();
        let parts = (0..).zip(mailbox.parts.iter().zip(&listings.sources));
        let standing = parts.filter_map(|(at, (part, listing))| {
            let m = *self.parts.get(&(part.source.clone(), mailbox.target.clone()))?;
            let copy = |uid: Uid| {
                let found = copies.binary_search_by_key(&(at, uid), |copy| (copy.0, copy.1));
                found.ok().and_then(|found| copies.get(found)).map(|copy| copy.2)
            };
            let (digest, run) = match &self.counted.get(m as usize)?.idle {
                Some(idle) => idle.clone(),
                None if part.decisions.is_empty() => return None,
                None => (standing::after(part, copy)?, self.run.clone()),
            };
            Some(StandingLine {
                source: part.source.to_string().into(),
                target: mailbox.target.to_string().into(),
                source_uid_validity: listing.uid_validity,
                target_uid_validity,
                digest: digest.into(),
                in_run: run.to_string().into(),
            })
        });
        standing.collect()
    }
}

fn tally_of(mailbox: &MailboxReport) -> Tally {
    let (planned, done) = (&mailbox.planned, &mailbox.done);
    let over_limit = planned.skip.over_append_limit;
    Tally {
        listed: planned.listed,
        copied: done.copied,
        present: planned.present + planned.update_flags,
        skipped: planned.skip.total() - over_limit + done.left_out,
        failed: done.failed + planned.problem + over_limit,
        expunged: done.expunged,
        not_started: mailbox.copies_not_started(),
        unknown: 0,
    }
}

pub(super) fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

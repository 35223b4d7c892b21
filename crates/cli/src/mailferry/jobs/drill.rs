//! `mailferry drill`: a backup is restored on trial, compared with what came of it, and taken away
//! again. A backup that was never restored is none.

mod clearing;
mod task;

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::sync::Arc;
use std::time::Instant;

use mailferry_run::check::{Check, Compared, Comparison, Depth, Sample};
use mailferry_run::events::Silent;
use mailferry_run::report::Report;
use mailferry_run::stop::Stop;
use mailferry_run::survey::{Survey, survey};

use self::clearing::Copies;
use super::super::login;
use super::super::options::jobs::DrillArgs;
use super::super::options::{Output, RestoreArgs};
use super::super::render::{one_line, size};
use super::super::task::{UsageError, restore_job};
use super::super::verbs::{Answer, Run, stop_on_ctrl_c, tell_faults};
use super::definition::Definition;
use super::file::Entry;
use super::record::{Drilled, now};
use crate::imapsync::exit_status::ExitStatus;
use crate::screen;
use crate::servers::Servers;

/// What a drill works with.
struct Drill {
    servers: Servers,
    args: RestoreArgs,
    sample: Sample,
    output: Output,
    /// Asked by the first Ctrl-C. What was restored by then is taken away all the same.
    stop: Stop,
}

/// Restores, compares and takes away.
///
/// # Errors
/// The job has no backup to restore, or it is not said where to; nothing was connected.
pub(super) async fn run(
    entry: &Entry,
    definition: &Definition,
    args: &DrillArgs,
) -> Result<Drilled, UsageError> {
    let (started, clock) = (now(), Instant::now());
    let restore = task::restore_of(entry, args)?;
    let sample = task::sample_of(definition, args);
    let output = args.output;
    let servers = login::servers(&restore.accounts, output)?;
    let seed = RandomState::new().hash_one(0);
    let sample = Sample { per_million: sample.map_or(1_000_000, |it| it.per_million()), seed };
    let drill = Drill { servers, args: restore, sample, output, stop: stop_on_ctrl_c() };
    let mut drilled = drill.go().await;
    drilled.started = started;
    drilled.ended = now();
    drilled.seconds = clock.elapsed().as_secs_f64();
    drilled.good = drilled.status == 0;
    Ok(drilled)
}

impl Drill {
    async fn go(&self) -> Drilled {
        let before = match self.survey(&self.stop).await {
            Ok(survey) => survey,
            Err(failed) => return failed,
        };
        if let Some(words) = strangers(&before, self.args.choice.into.is_some()) {
            screen::error(&format!(
                "{words}\n\nhint: a drill restores to an empty account, or below a mailbox that does not \
                 exist: --into, --mailbox-prefix"
            ));
            return failed(ExitStatus::GuardRefused, vec![words]);
        }
        let target = before.target.clone();
        close(before).await;
        let copies = Arc::new(Copies::default());
        let clock = Instant::now();
        let (status, mut words, report) = match self.restore(copies.clone()).await {
            Ok(ended) => (ended.status, ended.words, ended.report),
            Err(usage) => return failed(ExitStatus::Usage, vec![usage.what]),
        };
        let restore_seconds = clock.elapsed().as_secs_f64();
        let Some(report) = report else { return failed(status, words) };
        words.extend(report.failures().take(5).map(one_line));
        let mut drilled = told(&report, status);
        drilled.restore_seconds = restore_seconds;
        drilled.words = words;
        let (compared, cleared) = self.compare_and_clear(&report, &copies, &target).await;
        match compared {
            Ok(sums) => {
                drilled.listed = sums.same + sums.differs + sums.source_only + sums.left_out;
                note_differences(&mut drilled, &sums);
            }
            Err(faulty) => {
                drilled.status = faulty.status;
                drilled.words.extend(faulty.words);
            }
        }
        if let Err(words) = cleared {
            drilled.words.push(words);
            if drilled.status == 0 {
                drilled.status = ExitStatus::WithErrors.number();
            }
        }
        drilled
    }

    /// What a mirror would do: what is there, and what is not.
    async fn survey(&self, stop: &Stop) -> Result<Survey<Servers>, Drilled> {
        let refused = |usage: UsageError| failed(ExitStatus::Usage, vec![usage.what]);
        let job = task::mirror_job(&self.args, &self.servers, self.sample).map_err(refused)?;
        survey(&self.servers, &job, &Silent, stop).await.map_err(|faults| {
            let words = faults.iter().map(one_line).collect();
            failed(tell_faults(&faults, self.output), words)
        })
    }

    async fn restore(&self, copies: Arc<Copies>) -> Result<super::super::verbs::Ended, UsageError> {
        let (mut job, guard) = restore_job(&self.args, &self.servers)?;
        job.source_sample = self.sample;
        let run = Run::new(self.servers.clone(), job, guard, self.output);
        let run = Run { listener: copies, ..run };
        Ok(run.carry_out_until(|_| Answer::Go, self.stop.clone()).await)
    }

    async fn compare_and_clear(
        &self,
        report: &Report,
        copies: &Copies,
        before: &mailferry_engine::listing::AccountListing,
    ) -> (Result<Comparison, Drilled>, Result<(), String>) {
        let left = |why: &str| {
            Err(format!("what was restored on trial is still there, and is yours to remove: {why}"))
        };
        let mut survey = match self.survey(&Stop::default()).await {
            Ok(survey) => survey,
            Err(failed) => {
                let why = failed.words.first().cloned().unwrap_or_default();
                return (Err(failed), left(&why));
            }
        };
        let compared = self.compare(&mut survey, copies).await;
        let cleared = clearing::clear(&mut survey, report, copies, before).await;
        let cleared = match cleared {
            Ok(rest) if rest.is_empty() => Ok(()),
            Ok(rest) => left(&rest.join("; ")),
            Err(fault) => left(&one_line(&fault)),
        };
        close(survey).await;
        (compared, cleared)
    }

    async fn compare(
        &self,
        survey: &mut Survey<Servers>,
        copies: &Copies,
    ) -> Result<Comparison, Drilled> {
        let check = Check {
            accounts: &self.servers,
            depth: Depth::Octets(Sample::ALL),
            record: None,
            reconnect: mailferry_run::job::Limits::default().reconnect,
            events: &Silent,
            stop: &self.stop,
        };
        let compared = check
            .run(survey, |finding| {
                if let (Some(_), Some((mailbox, uid))) = (finding.source, finding.target) {
                    copies.note_pair(mailbox, uid);
                }
            })
            .await;
        match compared {
            Ok(Compared { sums, faults }) if faults.is_empty() => Ok(sums),
            Ok(Compared { faults, .. }) => {
                let words = faults.iter().map(one_line).collect();
                Err(failed(tell_faults(&faults, self.output), words))
            }
            Err(fault) => {
                let words = vec![one_line(&fault)];
                Err(failed(tell_faults(&[fault], self.output), words))
            }
        }
    }
}

async fn close(mut survey: Survey<Servers>) {
    survey.close().await;
}

/// Why the place is not empty; `None` where it is.
fn strangers(survey: &Survey<Servers>, is_a_tree: bool) -> Option<String> {
    let shown = crate::fault_text::shown;
    let plan = &survey.plan;
    if is_a_tree {
        let there = plan.mailboxes.iter().find(|mailbox| mailbox.create.is_none());
        let there = there.map(|mailbox| &mailbox.target);
        let other = plan.delete_mailboxes.iter().map(|gone| &gone.name).next();
        let name = there.or(other)?;
        return Some(format!("there is a mailbox `{}` already", shown(name)));
    }
    let full = plan.mailboxes.iter().find(|mailbox| mailbox.counts.target_listed > 0);
    let full = full.map(|mailbox| &mailbox.target);
    let other = plan.delete_mailboxes.iter().find(|gone| gone.messages != Some(0));
    let name = full.or(other.map(|gone| &gone.name))?;
    Some(format!("the account is not empty: there is mail in `{}`", shown(name)))
}

fn failed(status: ExitStatus, words: Vec<String>) -> Drilled {
    Drilled { status: status.number(), words, ..Drilled::default() }
}

fn told(report: &Report, status: ExitStatus) -> Drilled {
    let total = report.total();
    Drilled {
        status: status.number(),
        messages: total.copied,
        octets: total.copied_octets,
        mailboxes: report.mailboxes.len() as u64,
        ..Drilled::default()
    }
}

/// New mail may have come to the account meanwhile; anything else is a difference.
fn note_differences(drilled: &mut Drilled, sums: &Comparison) {
    for (count, what) in [
        (sums.source_only, "messages of the backup did not come back"),
        (sums.differs, "messages came back with other octets, flags or dates"),
        (sums.unknown, "messages could not be compared"),
        (sums.mailboxes_missing, "mailboxes did not come back"),
        (sums.subscriptions_missing, "subscriptions did not come back"),
    ] {
        if count > 0 {
            drilled.words.push(format!("{count} {what}"));
            if drilled.status == 0 {
                drilled.status = ExitStatus::CatchAll.number();
            }
        }
    }
}

/// The outcome on one line.
pub(super) fn sentence(job: &str, drilled: &Drilled) -> String {
    let what = format!(
        "{} messages ({}) in {} mailboxes restored in {:.0} s",
        drilled.messages,
        size(drilled.octets),
        drilled.mailboxes,
        drilled.restore_seconds
    );
    if drilled.good {
        return format!("drill {job}: good: {what}, compared with the backup, and removed again");
    }
    let name = ExitStatus::of_number(drilled.status).name();
    let why = drilled.words.first().map(|why| format!("; {why}")).unwrap_or_default();
    format!("drill {job}: NOT good (status {}, {name}): {what}{why}", drilled.status)
}

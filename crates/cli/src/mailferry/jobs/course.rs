//! One run of a job: kept alone, carried out as the command line would, written down, and told to
//! whoever watches it.

use std::time::Instant;

use mailferry_run::job::QuotaQuestion;
use mailferry_run::report::Report;
use mailferry_store::quota::{Quota, QuotaUse};

use super::super::options::Output;
use super::super::options::jobs::DrillArgs;
use super::super::render::one_line;
use super::super::runs::moment;
use super::super::task::UsageError;
use super::super::verbs::{self, Ended, Terms};
use super::definition::{Definition, Task};
use super::file::Entry;
use super::record::{Counted, Held, LockError, QuotaLeft, Ran, Record, Shelf, now};
use super::watch::{Moment, News};
use super::{drill, metrics, story};
use crate::imapsync::exit_status::ExitStatus;
use crate::screen;

/// Faults of a run that are remembered in words.
const WORDS_MAX: usize = 20;
/// A source that lost fewer messages than that has not shrunk, whatever their share.
const SHRUNK_MESSAGES_MIN: u64 = 20;

/// What is at hand while a job runs.
pub(super) struct Course {
    shelf: Option<Shelf>,
    pub(super) record: Record,
    /// What is wrong around the run, and harms no mail.
    notices: Vec<String>,
    /// Whether the run could not be written down.
    unwritten: bool,
}

/// Runs a job to its end.
pub(super) async fn run(definition: &Definition, output: Output) -> ExitStatus {
    let name = &definition.name;
    let (_held, mut course) = match Course::begin(definition) {
        Ok(begun) => begun,
        Err(error) => return leave_out(definition, &error).await,
    };
    let (started, clock) = (now(), Instant::now());
    course.look_at_clock(started);
    let begun = Ran { started, ..Ran::default() };
    course.record.begin(begun.clone());
    course.write_down();
    course.tell(definition, Moment::Start, &begun, format!("job {name} begins")).await;
    let limit = definition.run_time_max;
    let terms = Terms { time_max: limit, target_quota: quota_question(definition) };
    let ended = match &definition.task {
        Task::Sync(args) => verbs::sync_within(args, terms).await,
        Task::Restore(args) => verbs::restore_within(args, terms).await,
    };
    let mut ran = judge(ended);
    ran.started = started;
    ran.ended = Some(now());
    ran.seconds = clock.elapsed().as_secs_f64();
    if limit.is_some_and(|limit| clock.elapsed() >= limit) && ran.status != 0 {
        ran.words.insert(0, "it was stopped, as it ran for max_run_time".to_owned());
    }
    course.look_at_source(&mut ran, definition.shrink_max);
    course.conclude(ran, definition, output).await
}

/// Whoever collects metrics wants to know how much room is left.
fn quota_question(definition: &Definition) -> QuotaQuestion {
    match definition.watch.metrics {
        Some(_) => QuotaQuestion::AtTheEnd,
        None => QuotaQuestion::NotAsked,
    }
}

/// Restores the backup of a job on trial, while no run of it is at work.
///
/// # Errors
/// It is not said where to.
pub(super) async fn run_drill(
    entry: &Entry,
    definition: &Definition,
    args: &DrillArgs,
) -> Result<ExitStatus, UsageError> {
    let name = &definition.name;
    let (_held, mut course) = match Course::begin(definition) {
        Ok(begun) => begun,
        Err(error) => {
            screen::error(&format!("job `{name}`: {error}\n\nhint: drill it after that"));
            return Ok(ExitStatus::TemporaryFailure);
        }
    };
    let mut drilled = drill::run(entry, definition, args).await?;
    course.record.add_drill(drilled.clone());
    course.write_down();
    course.write_metrics(definition);
    if course.unwritten && drilled.status == 0 {
        drilled.status = ExitStatus::WithErrors.number();
    }
    let sentence = drill::sentence(name, &drilled);
    if drilled.status != 0 {
        let text = [std::slice::from_ref(&sentence), &drilled.words].concat().join("\n");
        let moment = Moment::Failure;
        let (job, status) = (name.clone(), Some(drilled.status));
        let news = News {
            job,
            moment,
            status,
            text,
            event: "drill",
            fields: story::fields_of_drill(name, &drilled),
        };
        for words in definition.watch.tell(news).await {
            screen::news(&format!("notice: {words}"));
        }
    }
    screen::line(&if args.output.json { story::line_of_drill(name, &drilled) } else { sentence });
    Ok(ExitStatus::of_number(drilled.status))
}

async fn leave_out(definition: &Definition, error: &LockError) -> ExitStatus {
    let name = &definition.name;
    screen::error(&format!(
        "job `{name}`: {error}\n\nhint: this start is left out; `mailferry job status {name}` shows the \
         run at work"
    ));
    let status = ExitStatus::TemporaryFailure;
    let left_out = Ran { started: now(), status: status.number(), ..Ran::default() };
    let news = News {
        job: name.clone(),
        moment: Moment::LeftOut,
        status: Some(status.number()),
        text: format!("job {name}: {error}, this start was left out"),
        event: "job-run",
        fields: story::fields(definition, &left_out),
    };
    for words in definition.watch.tell(news).await {
        screen::news(&format!("notice: {words}"));
    }
    status
}

/// What a run came to.
fn judge(ended: Result<Ended, UsageError>) -> Ran {
    match ended {
        Ok(ended) => {
            let mut words = ended.words;
            let mut counts = None;
            let (mut receipt, mut quota_left) = (None, None);
            if let Some(report) = &ended.report {
                words.extend(report.failures().take(WORDS_MAX).map(one_line));
                counts = Some(counted(report));
                receipt = report.receipt.as_ref().map(|receipt| receipt.run.clone());
                quota_left = report.target_quota.map(left_of);
            }
            let status = ended.status.number();
            words.truncate(WORDS_MAX);
            let good = status == 0;
            Ran { status, good, words, counts, receipt, quota_left, ..Ran::default() }
        }
        Err(usage) => {
            screen::error(&usage.to_string());
            let status = ExitStatus::Usage.number();
            Ran { status, words: vec![usage.what], ..Ran::default() }
        }
    }
}

fn left_of(quota: Quota) -> QuotaLeft {
    QuotaLeft {
        octets: quota.storage.map(QuotaUse::left),
        messages: quota.messages.map(QuotaUse::left),
    }
}

fn counted(report: &Report) -> Counted {
    let total = report.total();
    let sum = |of: fn(&mailferry_engine::summary::Counts) -> u64| {
        report.mailboxes.iter().map(|mailbox| of(&mailbox.planned)).sum::<u64>()
    };
    Counted {
        listed: sum(|planned| planned.listed),
        copied: total.copied,
        copied_octets: total.copied_octets,
        present: sum(|planned| planned.present + planned.update_flags),
        skipped: sum(|planned| planned.skip.total()) + total.left_out,
        failed: total.failed + sum(|planned| planned.problem),
        kept_aside: report.kept_aside.len() as u64,
        expunged: total.expunged,
        not_started: report.not_started(),
        flags_updated: total.flags_updated,
        deleted: total.deleted,
        source_deleted: total.source_deleted,
    }
}

impl Course {
    /// Keeps other runs of the job away, and reads what is known of earlier ones.
    ///
    /// # Errors
    /// Only that the job is running.
    pub(super) fn begin(definition: &Definition) -> Result<(Option<Held>, Self), LockError> {
        let shelf = Shelf::of(&definition.name);
        let mut course =
            Self { shelf, record: Record::default(), notices: Vec::new(), unwritten: false };
        let Some(shelf) = course.shelf.clone() else {
            course.complain(
                "there is no home folder, so that this run is not written down".to_owned(),
            );
            return Ok((None, course));
        };
        let held = match shelf.lock() {
            Ok(held) => Some(held),
            Err(LockError::Busy) => return Err(LockError::Busy),
            // Mail comes first, and claims keep two runs out of one mailbox.
            Err(error) => {
                course.complain(format!("nothing keeps a second run of this job away: {error}"));
                None
            }
        };
        match shelf.read() {
            Ok(record) => course.record = record,
            Err(words) => course.notice(format!("what is known of earlier runs is lost: {words}")),
        }
        Ok((held, course))
    }

    fn notice(&mut self, words: String) {
        screen::news(&format!("notice: {words}"));
        self.notices.push(words);
    }

    /// Something that makes a good run one to be looked at.
    fn complain(&mut self, words: String) {
        screen::error(&words);
        self.notices.push(words);
        self.unwritten = true;
    }

    fn look_at_clock(&mut self, now: i64) {
        let future = self.record.runs.iter().find(|run| run.is_of_the_future(now));
        if let Some(started) = future.map(|run| run.started) {
            self.notice(format!(
                "a run is written down as begun at {}, which has not come yet: the clock was wrong \
                 then, or is wrong now ({})",
                moment(started),
                moment(now)
            ));
        }
    }

    /// Mail that is gone from the source is gone from its copies before long. The guard sees what
    /// would be removed; this sees also what a rule would not.
    fn look_at_source(&mut self, ran: &mut Ran, shrink_max: f64) {
        let (Some(before), Some(now)) =
            (self.record.listed_before(), ran.counts.map(|counts| counts.listed))
        else {
            return;
        };
        let lost = before.saturating_sub(now);
        #[expect(clippy::cast_precision_loss, reason = "a share")]
        let share = lost as f64 / before.max(1) as f64 * 100.0;
        if lost >= SHRUNK_MESSAGES_MIN && share > shrink_max {
            let words = format!("the source shrank from {before} messages to {now}");
            screen::error(&format!(
                "{words}\n\nhint: see whether that is meant; this is told once, and `shrink_max` in the \
                 job sets how much may go from one run to the next ({shrink_max} %)"
            ));
            ran.words.insert(0, words);
            if ran.status == 0 {
                ran.status = ExitStatus::WithErrors.number();
            }
        }
    }

    pub(super) fn write_down(&mut self) {
        let Some(shelf) = &self.shelf else { return };
        if let Err(words) = shelf.keep(&self.record)
            && !self.unwritten
        {
            self.complain(format!(
                "this run cannot be written down: {words}\n\nhint: no mail is concerned; make room, \
                 or name another folder with MAILFERRY_STATE_DIR"
            ));
        }
    }

    async fn conclude(
        mut self,
        mut ran: Ran,
        definition: &Definition,
        output: Output,
    ) -> ExitStatus {
        if let Some(jump) = ran.clock_jump() {
            self.notice(format!("the clock of this machine was set by {jump} s during the run"));
        }
        self.settle(&mut ran);
        self.record.end(ran.clone());
        self.write_down();
        self.write_metrics(definition);
        // It may have become known only now that nothing can be written.
        self.settle(&mut ran);
        let moment = if ran.good { Moment::Success } else { Moment::Failure };
        let text = story::text(&definition.name, &ran);
        self.tell(definition, moment, &ran, text).await;
        if !self.notices.is_empty() {
            self.settle(&mut ran);
            self.record.end(ran.clone());
            self.write_down();
        }
        if output.json {
            screen::line(&story::line(definition, &ran));
        } else if !output.quiet {
            screen::line(&story::sentence(&definition.name, &ran));
        }
        ExitStatus::of_number(ran.status)
    }

    /// What was noticed belongs to the run, and one that is not written down is none to rely on.
    fn settle(&mut self, ran: &mut Ran) {
        ran.words.append(&mut self.notices);
        if self.unwritten && ran.status == 0 {
            ran.status = ExitStatus::WithErrors.number();
        }
        ran.good &= ran.status == 0;
    }

    /// Writes what is known for Prometheus, where that was asked for.
    pub(super) fn write_metrics(&mut self, definition: &Definition) {
        let Some(path) = &definition.watch.metrics else { return };
        if let Err(error) = metrics::write(path, &definition.name, &self.record) {
            self.notice(format!("metrics: {} cannot be written: {error}", path.display()));
        }
    }

    async fn tell(&mut self, definition: &Definition, moment: Moment, ran: &Ran, text: String) {
        let status = ran.ended.map(|_| ran.status);
        let fields = story::fields(definition, ran);
        let job = definition.name.clone();
        let news = News { job, moment, status, text, event: "job-run", fields };
        for words in definition.watch.tell(news).await {
            self.notice(words);
        }
    }
}

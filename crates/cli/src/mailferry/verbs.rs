//! What each subcommand does.

use std::io::{BufRead, IsTerminal, Write};
use std::sync::Arc;
use std::time::{Duration, Instant};

use mailferry_engine::account::Plan;
use mailferry_engine::fault::Fault;
use mailferry_engine::guard::{Approval, GuardLimits, Objection, check};
use mailferry_engine::summary::PlanSummary;
use mailferry_run::accounts::Accounts;
use mailferry_run::all_mail::AllMail;
use mailferry_run::events::{Event, EventSink, Silent};
use mailferry_run::execute::Execution;
use mailferry_run::job::{Job, QuotaQuestion};
use mailferry_run::report::Report;
use mailferry_run::stop::Stop;
use mailferry_run::survey::{Survey, survey};
use mailferry_store::contract::Source;
use serde_json::json;

use super::options::{Command, Output, RestoreArgs, SyncArgs};
use super::progress::Progress;
use super::{
    comparison, days, demo, doctor, explain, jobs, login, oversize, permit, render, retry, runs,
    schedule, task, undo, why,
};
use crate::claims;
use crate::fault_text::{Front, fault_text};
use crate::imapsync::exit_status::ExitStatus;
use crate::local_state;
use crate::screen;
use crate::status;

/// Carries a subcommand out.
pub(super) async fn run(command: Command) -> ExitStatus {
    let done = match command {
        Command::Sync(args) => sync(&args).await,
        Command::Plan(args) => plan(&args).await,
        Command::Check(args) => comparison::run(&args).await,
        Command::Doctor(args) => doctor::run(&args).await,
        Command::Restore(args) => restore(&args).await,
        Command::Retry(args) => retry::run(&args).await,
        Command::Undo(args) => undo::run(&args).await,
        Command::Runs(args) => runs::run(&args),
        Command::Why(args) => why::run(&args),
        Command::Demo(args) => demo::run(args.output).await,
        Command::ImapsyncExplain(args) => Ok(explain::run(&args).await),
        Command::Job(args) => jobs::run(&args).await,
        Command::Drill(args) => jobs::drill(&args).await,
        Command::Schedule(args) => schedule::run(&args),
        Command::Login(args) => permit::run(&args),
    };
    done.unwrap_or_else(|usage| {
        screen::error(&usage.to_string());
        ExitStatus::Usage
    })
}

async fn sync(args: &SyncArgs) -> Result<ExitStatus, task::UsageError> {
    sync_within(args, Terms::default()).await.map(|ended| ended.status)
}

/// What is asked of a run besides what the command line says.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Terms {
    /// After which it is asked to stop.
    pub(super) time_max: Option<Duration>,
    /// Whether the target is asked what is left of its quota.
    pub(super) target_quota: QuotaQuestion,
}

/// `sync` on these terms.
///
/// # Errors
/// The options ask for what cannot be; nothing was connected.
pub(super) async fn sync_within(args: &SyncArgs, terms: Terms) -> Result<Ended, task::UsageError> {
    let servers = login::servers(&args.accounts, args.output)?;
    let (mut job, guard) = task::sync_job(args, &servers)?;
    job.claims = claims::open(&servers, &task::teller(args.output));
    job.target_quota = terms.target_quota;
    let expected = match &args.expect {
        None => None,
        Some(path) => Some(std::fs::read(path).map_err(|error| {
            task::UsageError::new(
                format!("the plan {} cannot be read: {error}", path.display()),
                "write one with `mailferry plan … --save FILE`",
            )
        })?),
    };
    let servers = servers.within(task::budget(args.nostate)?);
    let run = Run { time_max: terms.time_max, ..Run::new(servers, job, guard, args.output) };
    Ok(run.carry_out_and_tell(|plan| as_expected(plan, expected.as_deref())).await)
}

/// Whether the plan is the one that was saved, octet for octet.
fn as_expected(plan: &Plan, expected: Option<&[u8]>) -> Answer {
    let Some(expected) = expected else { return Answer::Go };
    match serde_json::to_vec_pretty(plan) {
        Ok(made) if made == expected => Answer::Go,
        _ => {
            screen::error(
                "the plan is not the one that was saved; nothing was changed\n\nhint: something changed on one \
                 side since, or the options differ: look at `mailferry plan` again",
            );
            Answer::Refused
        }
    }
}

async fn plan(args: &SyncArgs) -> Result<ExitStatus, task::UsageError> {
    let servers = login::servers(&args.accounts, args.output)?;
    let (job, guard) = task::sync_job(args, &servers)?;
    let servers = servers.within(task::budget(args.nostate)?);
    let run = Run::new(servers, job, guard, args.output);
    let decide = |plan: &Plan| {
        show_plan(plan, args.output);
        match &args.save {
            Some(path) if !save(plan, path) => Answer::Refused,
            _ => Answer::Leave,
        }
    };
    Ok(run.carry_out(decide).await)
}

fn save(plan: &Plan, path: &std::path::Path) -> bool {
    let octets = serde_json::to_vec_pretty(plan).map_err(std::io::Error::other);
    match octets.and_then(|octets| std::fs::write(path, octets)) {
        Ok(()) => true,
        Err(error) => {
            screen::error(&format!("the plan cannot be written to {}: {error}", path.display()));
            false
        }
    }
}

async fn restore(args: &RestoreArgs) -> Result<ExitStatus, task::UsageError> {
    restore_within(args, Terms::default()).await.map(|ended| ended.status)
}

/// `restore` on these terms.
///
/// # Errors
/// As [`sync_within`].
pub(super) async fn restore_within(
    args: &RestoreArgs,
    terms: Terms,
) -> Result<Ended, task::UsageError> {
    let servers = login::servers(&args.accounts, args.output)?;
    let (mut job, guard) = task::restore_job(args, &servers)?;
    job.claims = claims::open(&servers, &task::teller(args.output));
    job.target_quota = terms.target_quota;
    let servers = servers.within(task::budget(args.nostate)?);
    let run = Run { time_max: terms.time_max, ..Run::new(servers, job, guard, args.output) };
    let ended = run
        .carry_out_and_tell(|plan| {
            show_plan(plan, args.output);
            if args.yes || plan.summary.total.act() == 0 { Answer::Go } else { ask() }
        })
        .await;
    Ok(ended)
}

fn show_plan(plan: &Plan, output: Output) {
    if output.json {
        render::plan_json(plan).iter().for_each(|line| screen::line(line));
    } else {
        screen::line(&render::plan_text(plan));
    }
}

/// What becomes of a plan that was shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// It is carried out.
    Go,
    /// It was only to be shown.
    Leave,
    /// Nobody agreed to it.
    Refused,
}

pub(super) fn ask() -> Answer {
    if !std::io::stdin().is_terminal() {
        screen::error(
            "nobody is there to agree to the plan\n\nhint: after looking at it, add --yes",
        );
        return Answer::Refused;
    }
    ask_on_terminal("Carry this out?")
}

fn ask_on_terminal(question: &str) -> Answer {
    let mut err = std::io::stderr().lock();
    let _ = write!(err, "{question} [y/N] ");
    let _ = err.flush();
    let mut line = String::new();
    let read = std::io::stdin().lock().read_line(&mut line);
    match (read, line.trim()) {
        (Ok(_), "y" | "Y" | "yes") => Answer::Go,
        _ => Answer::Refused,
    }
}

/// One run from the survey to the report.
pub(super) struct Run<A: Accounts> {
    pub(super) accounts: A,
    pub(super) job: Job,
    pub(super) guard: GuardLimits,
    pub(super) output: Output,
    /// Who else hears of what happens.
    pub(super) listener: Arc<dyn EventSink>,
    /// After which it is asked to stop.
    pub(super) time_max: Option<Duration>,
}

/// How a run ended, for whoever goes on from there.
#[derive(Debug)]
pub(super) struct Ended {
    /// The exit status.
    pub(super) status: ExitStatus,
    /// Why it is not a good one, as far as the report does not tell.
    pub(super) words: Vec<String>,
    /// What was done, where anything was begun.
    pub(super) report: Option<Report>,
}

impl Ended {
    fn by_faults(faults: &[Fault], status: ExitStatus) -> Self {
        let words = faults.iter().map(render::one_line).collect();
        Self::unchanged(status, words)
    }

    fn unchanged(status: ExitStatus, words: Vec<String>) -> Self {
        Self { status, words, report: None }
    }
}

/// Two that hear of everything.
struct Both(Arc<Progress>, Arc<dyn EventSink>);

impl EventSink for Both {
    fn on(&self, event: &Event<'_>) {
        self.0.on(event);
        self.1.on(event);
    }
}

impl<A: Accounts> Run<A> {
    pub(super) fn new(accounts: A, job: Job, guard: GuardLimits, output: Output) -> Self {
        Self { accounts, job, guard, output, listener: Arc::new(Silent), time_max: None }
    }

    /// Surveys, lets `decide` look at the plan, asks the guard, and carries it out.
    pub(super) async fn carry_out(self, decide: impl FnOnce(&Plan) -> Answer) -> ExitStatus {
        self.carry_out_and_tell(decide).await.status
    }

    /// The same, and all that came of it.
    pub(super) async fn carry_out_and_tell(self, decide: impl FnOnce(&Plan) -> Answer) -> Ended {
        self.carry_out_until(decide, stop_on_ctrl_c()).await
    }

    /// The same, for whoever listens to signals already.
    pub(super) async fn carry_out_until(
        self,
        decide: impl FnOnce(&Plan) -> Answer,
        stop: Stop,
    ) -> Ended {
        let clock = self.time_max.map(|time| tokio::spawn(stop_after(time, stop.clone())));
        let ended = self.go(decide, stop).await;
        if let Some(clock) = clock {
            clock.abort();
        }
        ended
    }

    async fn go(self, decide: impl FnOnce(&Plan) -> Answer, stop: Stop) -> Ended {
        let began = Instant::now();
        let progress = Arc::new(Progress::new(self.output));
        let accounts = Arc::new(self.accounts);
        let surveyed = survey(&*accounts, &self.job, &*progress, &stop).await;
        let mut survey = match surveyed {
            Ok(survey) => survey,
            Err(faults) => {
                progress.finish();
                return Ended::by_faults(&faults, tell_faults(&faults, self.output));
            }
        };
        progress.finish();
        let named_in_vain = tell_missing(&survey.plan);
        tell_no_labels(&self.job, &survey, self.output);
        oversize::tell(&survey.oversized, self.output);
        days::tell_spared((&survey.source, &survey.target), &self.job, self.output);
        let of_plan = survey.plan.mailboxes.iter().flat_map(|mailbox| &mailbox.faults);
        let faults: Vec<Fault> = survey.faults.iter().chain(of_plan).cloned().collect();
        match decide(&survey.plan) {
            Answer::Go => drop(tell_faults(&faults, self.output)),
            Answer::Leave => {
                let objected = objections(&survey.plan.summary, &self.guard).err();
                let mut status = objected.map_or(named_in_vain, |_| ExitStatus::GuardRefused);
                survey.close().await;
                let state = self.job.state.as_ref();
                local_state::tell_complaint(state, &task::teller(self.output));
                if !faults.is_empty() {
                    status = tell_faults(&faults, self.output);
                }
                return Ended::unchanged(status, Vec::new());
            }
            Answer::Refused => {
                survey.close().await;
                return Ended::unchanged(ExitStatus::GuardRefused, Vec::new());
            }
        }
        let approval = match consent(&survey.plan.summary, &self.guard, self.output) {
            Ok(approval) => approval,
            Err(words) => {
                survey.close().await;
                return Ended::unchanged(ExitStatus::GuardRefused, words);
            }
        };
        let progress = Arc::new(Progress::new(self.output));
        progress.begin_copying(&survey.plan);
        let (state, claims) = (self.job.state.clone(), self.job.claims.clone());
        let receipt = self.job.receipt.clone();
        let events = Arc::new(Both(progress.clone(), self.listener));
        let execution = Execution { accounts, job: Arc::new(self.job), events, stop };
        let report = execution.run(survey, approval).await;
        progress.finish();
        let tell = task::teller(self.output);
        local_state::tell_complaint(state.as_ref(), &tell);
        claims::tell_complaint(claims.as_ref(), &tell);
        local_state::tell_no_receipt(receipt.as_ref(), &tell);
        let seconds = began.elapsed().as_secs_f64();
        let status = tell_report(&report, named_in_vain, seconds, self.output);
        Ended { status, words: Vec::new(), report: Some(report) }
    }
}

/// Asks a run to stop when its time is over.
async fn stop_after(time: Duration, stop: Stop) {
    tokio::time::sleep(time).await;
    stop.ask();
    screen::news(&format!(
        "stopping after {} s, as long as it may run: what is in flight is finished",
        time.as_secs()
    ));
}

/// A mailbox that was named and does not exist is an error of whoever named it: the rest is
/// done, and the exit status tells.
pub(super) fn tell_missing(plan: &Plan) -> ExitStatus {
    for name in &plan.missing {
        screen::error(&format!(
            "the source has no mailbox `{}`\n\nhint: `mailferry plan` without --folder shows the names there",
            crate::fault_text::shown(name)
        ));
    }
    if plan.missing.is_empty() { ExitStatus::Ok } else { ExitStatus::Select }
}

/// A choice about labels means nothing where the source has none.
pub(super) fn tell_no_labels<A: Accounts>(job: &Job, survey: &Survey<A>, output: Output) {
    let is_asked = !matches!(job.all_mail, AllMail::Whole);
    if is_asked && !survey.connections.0.has_labels() {
        let tell = task::teller(output);
        tell("notice: the source has no labels as Gmail has them, so --labels changes nothing");
    }
}

/// The guard's approval, or somebody's where it objects; what it objects to is told.
pub(super) fn approve(
    summary: &PlanSummary,
    guard: &GuardLimits,
    output: Output,
) -> Result<Approval, ExitStatus> {
    consent(summary, guard, output).map_err(|_| ExitStatus::GuardRefused)
}

/// The same, or what was objected to, in words.
///
/// That much goes from a mailbox may be as it should be: who sits at a terminal is asked. All else
/// that the guard objects to is hardly ever meant, and takes an option.
fn consent(
    summary: &PlanSummary,
    guard: &GuardLimits,
    output: Output,
) -> Result<Approval, Vec<String>> {
    let objections = match objections(summary, guard) {
        Ok(approval) => return Ok(approval),
        Err(objections) => objections,
    };
    let may_be_meant = |objection: &Objection| matches!(objection, Objection::MailboxLimit { .. });
    let somebody_is_there = std::io::stdin().is_terminal() && std::io::stderr().is_terminal();
    if somebody_is_there
        && !output.json
        && objections.iter().all(may_be_meant)
        && ask_on_terminal("Remove so many nevertheless?") == Answer::Go
        && let Ok(approval) = check(summary, &GuardLimits { mailbox: None, ..*guard })
    {
        return Ok(approval);
    }
    Err(objections.iter().map(|objection| objection.words(crate::fault_text::shown)).collect())
}

/// The guard's approval, or what it objects to, told.
fn objections(summary: &PlanSummary, guard: &GuardLimits) -> Result<Approval, Vec<Objection>> {
    check(summary, guard).inspect_err(|objections| {
        for objection in objections {
            let words = objection.words(crate::fault_text::shown);
            screen::error(&format!("{words}\n\nhint: {}", objection.hint()));
        }
    })
}

pub(super) fn tell_faults(faults: &[Fault], output: Output) -> ExitStatus {
    for fault in faults {
        if output.json {
            screen::line(&render::json_line(
                "failed",
                json!({ "fault": render::fault_json(fault) }),
            ));
        }
        screen::news(&fault_text(fault, Front::Mailferry));
    }
    status::of_faults(faults)
}

/// Shows the report; answers the exit status, `otherwise` where the report is good.
fn tell_report(report: &Report, otherwise: ExitStatus, seconds: f64, output: Output) -> ExitStatus {
    let status = match status::of_report(report) {
        ExitStatus::Ok => otherwise,
        status => status,
    };
    if output.json {
        screen::line(&render::report_json(report, seconds, status.number()));
        return status;
    }
    if !output.quiet {
        screen::line(&render::report_text(report, seconds));
    }
    screen::line(&render::verdict(report));
    status
}

/// The first Ctrl-C asks the run to stop after what is in flight, the second ends it.
pub(super) fn stop_on_ctrl_c() -> Stop {
    let stop = Stop::default();
    let asked = stop.clone();
    tokio::spawn(async move {
        if tokio::signal::ctrl_c().await.is_ok() {
            asked.ask();
            screen::news("stopping: what is in flight is finished; once more to stop at once");
        }
        if tokio::signal::ctrl_c().await.is_ok() {
            std::process::exit(130);
        }
    });
    #[cfg(unix)]
    stop_on_term(&stop);
    stop
}

/// TERM asks as the first Ctrl-C does: what a service manager sends must not cut messages in
/// two. Its second form is KILL.
#[cfg(unix)]
fn stop_on_term(stop: &Stop) {
    use tokio::signal::unix::{SignalKind, signal};
    let asked = stop.clone();
    let Ok(mut signals) = signal(SignalKind::terminate()) else { return };
    tokio::spawn(async move {
        signals.recv().await;
        asked.ask();
        screen::news("stopping: what is in flight is finished");
    });
}

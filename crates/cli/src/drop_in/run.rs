//! One run of the front, from its first line to its last.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use jiff::Zoned;
use mailferry_engine::fault::{Fault, FaultKind, Side};
use mailferry_engine::guard::{GuardLimits, Objection, check};
use mailferry_engine::listing::MessageListing;
use mailferry_engine::plan::{Decision, MailboxPlan, SkipReason};
use mailferry_run::accounts::Accounts;
use mailferry_run::execute::Execution;
use mailferry_run::job::Job;
use mailferry_run::stop::Stop;
use mailferry_run::survey::{Survey, survey};

use super::abort::abort;
use super::journal::Log;
use super::lines::{Lines, Parties, ShowEta, error_line, named};
use super::pidfile::{self, Pid};
use super::signals;
use super::statistics::{Facts, add, folders, load, resident_bytes};
use super::tail;
use super::task;
use super::transform::check_commands;
use crate::budget::Budget;
use crate::claims;
use crate::fault_text::{Front, fault_text};
use crate::imapsync::exit_status::most_frequent;
use crate::imapsync::output::{
    FolderSize, Place, Sizes, date, difference_line, errors_detected, errors_listed, exiting,
    folder_size_line, loop_start, most_frequent_error, totals,
};
use crate::imapsync::settings::{Expunge, Mechanism};
use crate::imapsync::{ErrorClass, ExitStatus, ImapsyncOptions, Mode, Parsed, echo, help};
use crate::local_state;
use crate::screen;
use crate::servers::{Servers, Tell};
use crate::status;

/// Whether the file of `--abortbyfile` appeared.
static ENDED_BY_FILE: AtomicBool = AtomicBool::new(false);

/// The wait between two looks whether it is there.
const FILE_LOOK_WAIT: Duration = Duration::from_millis(200);

/// What the parts of a run share.
pub(super) struct Session {
    pub(super) options: ImapsyncOptions,
    pub(super) log: &'static Log,
    pub(super) parties: Parties,
    started: Zoned,
    began: Instant,
    memory_at_start: Option<u64>,
}

/// How a run ended.
pub(super) struct Ending {
    pub(super) status: ExitStatus,
    pub(super) errors: Vec<(ErrorClass, String)>,
}

/// Runs; answers the exit status that the shell is to see.
pub(super) async fn run(parsed: &Parsed, options: ImapsyncOptions) -> u8 {
    let started = Zoned::now();
    let users = (options.side1.user.as_slice(), options.side2.user.as_slice());
    // One log a process, used from several tasks until its end.
    let log: &'static Log =
        Box::leak(Box::new(Log::open(options.reports.log.as_ref(), users, &started)));
    let errors_max = options.process.errors_max;
    let session = Session {
        parties: Parties::new(&options),
        options,
        log,
        started,
        began: Instant::now(),
        memory_at_start: resident_bytes(),
    };
    session.banner(parsed);
    session.keep_temporary_files();
    if session.options.mode == Mode::Abort {
        abort(&session.options.process, session.options.abort)
            .iter()
            .for_each(|line| log.line(line));
        log.line(&exiting(ExitStatus::Ok, 0, errors_max, std::process::id()));
        return ExitStatus::Ok.number();
    }
    if tail::follow(&session.options.process, log).await {
        log.line(&exiting(ExitStatus::Ok, 0, errors_max, std::process::id()));
        return ExitStatus::Ok.number();
    }
    let pid = match Pid::write(&session.options.process, log.path()) {
        Ok(pid) => pid,
        Err(words) => {
            log.line(&words);
            log.line(&exiting(ExitStatus::PidFileError, 1, errors_max, std::process::id()));
            return ExitStatus::PidFileError.number();
        }
    };
    let mut ending = session.carry_out().await;
    let signal = signals::ended_by();
    if signal != 0 {
        ending.status = ExitStatus::BySignal;
    } else if ENDED_BY_FILE.load(Ordering::Relaxed) {
        ending.status = ExitStatus::ByFile;
    }
    ending.errors.extend(log.failure().map(|words| (ErrorClass::Unclassified, words.to_owned())));
    if log.failure().is_some() && ending.status == ExitStatus::Ok {
        ending.status = ExitStatus::WithErrors;
    }
    if session.options.reports.errors_listed {
        let texts: Vec<String> = ending.errors.iter().map(|(_, text)| text.clone()).collect();
        errors_listed(&texts).iter().for_each(|line| log.line(line));
    }
    let classes: Vec<ErrorClass> = ending.errors.iter().map(|(class, _)| *class).collect();
    if let Some(line) = most_frequent_error(&classes) {
        log.line(&line);
    }
    log.line(&exiting(ending.status, classes.len(), errors_max, std::process::id()));
    if let Some(path) = pid.remove() {
        log.line(&format!("Removing pidfile {}", path.display()));
    }
    log.line(&log.whereabouts());
    if signal == 0 { screen::checked(ending.status).number() } else { signal }
}

impl Ending {
    pub(super) fn good() -> Self {
        Self { status: ExitStatus::Ok, errors: Vec::new() }
    }

    /// The same with one more error.
    fn and(self, class: ErrorClass, words: String) -> Self {
        let mut errors = self.errors;
        errors.push((class, words));
        let classes: Vec<ErrorClass> = errors.iter().map(|(class, _)| *class).collect();
        Self { status: most_frequent(&classes), errors }
    }

    fn of_faults(faults: &[Fault], parties: &Parties) -> Self {
        let errors: Vec<_> = faults
            .iter()
            .map(|fault| (status::error_class(fault), error_line(fault, parties)))
            .collect();
        Self { status: status::of_faults(faults), errors }
    }
}

impl Session {
    fn banner(&self, parsed: &Parsed) {
        let log = self.log;
        log.line(&format!(
            "Here is imapsync {} on host {}, the drop-in front of mailferry",
            help::version(),
            hostname()
        ));
        log.line(&format!("Transfer started at {}", date(&self.started)));
        log.line(&format!("PID is {}", std::process::id()));
        log.line(&log.whereabouts());
        log.line(&format!("Load is {}", load().unwrap_or_default()));
        log.line("Command line used:");
        log.line(&format!("imapsync {}", echo::command_line(parsed)));
        for notice in &self.options.notices {
            log.line(&format!("Notice: {notice}"));
        }
        for (number, side) in [(1, &self.options.side1), (2, &self.options.side2)] {
            let (host, user) = self.parties.of(number);
            let port = side.port.unwrap_or(if side.ssl == Some(true) { 993 } else { 143 });
            log.line(&format!("Host{number}: IMAP server [{host}] port [{port}] user [{user}]"));
        }
    }

    /// Has temporary files of this process kept where `--tmpdir` says.
    fn keep_temporary_files(&self) {
        let Some(folder) = &self.options.process.temporary else { return };
        match std::fs::create_dir_all(folder) {
            // Only the first call counts, and there is no other.
            Ok(()) => drop(tempfile::env::override_temp_dir(folder)),
            Err(error) => self.log.line(&format!(
                "Notice: the folder of --tmpdir, {}, cannot be made: {error}",
                folder.display()
            )),
        }
    }

    async fn carry_out(&self) -> Ending {
        if self.options.mode == Mode::JustBanner {
            return Ending::good();
        }
        if self.options.deletions.messages && self.options.deletions.expunge == Expunge::Never {
            return self.unusable(
                ExitStatus::Usage,
                "--nouidexpunge2 leaves deleted messages marked, which this version cannot do",
            );
        }
        let tell: Tell = Arc::new(|text: &str| self.log.line(text));
        if self.options.mode == Mode::JustConnect {
            return self.just_connect(&tell).await;
        }
        let transforms = self.options.transforms.clone();
        let checked = tokio::task::spawn_blocking(move || check_commands(&transforms)).await;
        if let Ok(Err(unusable)) = checked {
            return self.unusable(unusable.status, &unusable.words);
        }
        let servers = match task::servers(&self.options, tell.clone()).await {
            Ok(servers) => servers,
            Err(unusable) => return self.unusable(unusable.status, &unusable.words),
        };
        let (mut job, guard) = match task::job(&self.options, &servers, &self.started, &tell) {
            Ok(job) => job,
            Err(unusable) => return self.unusable(unusable.status, &unusable.words),
        };
        if self.options.mode == Mode::JustLogin {
            return self.just_login(&servers).await;
        }
        if self.options.mode == Mode::JustFolderLists {
            return self.just_folder_lists(&servers).await;
        }
        let temporary = self.options.process.temporary.as_deref();
        let places = local_state::places(local_state::Use::Kept, temporary);
        job.state = local_state::open(&servers, &places, &tell);
        job.claims = claims::open(&servers, &tell);
        let (state, held) = (job.state.clone(), job.claims.clone());
        job.quarantine = local_state::quarantine(&servers);
        job.receipt = local_state::receipt(&servers, "imapsync", local_state::Use::Kept, &tell);
        let receipt = job.receipt.clone();
        let place = local_state::own_place(local_state::Use::Kept);
        let servers = match Budget::of_environment(place) {
            Ok(budget) => servers.within(budget),
            Err(words) => return self.unusable(ExitStatus::Usage, &words),
        };
        let servers = Arc::new(servers);
        self.delete_empty_folders(&servers, &job).await;
        let ending = self.sync(servers.clone(), job.clone(), &guard).await;
        if self.options.deletions.on_host1 && !self.options.dry && ending.status == ExitStatus::Ok {
            self.delete_empty_folders(&servers, &job).await;
        }
        local_state::tell_complaint(state.as_ref(), &tell);
        claims::tell_complaint(held.as_ref(), &tell);
        local_state::tell_no_receipt(receipt.as_ref(), &tell);
        ending
    }

    async fn sync(&self, servers: Arc<Servers>, job: Job, guard: &GuardLimits) -> Ending {
        let stop = self.stop_when_asked();
        let lines = self.lines(&stop);
        let mut survey = match survey(&*servers, &job, &*lines, &stop).await {
            Ok(survey) => survey,
            Err(faults) => return self.faults(&faults),
        };
        self.tell_login(1, &survey.connections.0);
        self.tell_login(2, &survey.connections.1);
        self.tell_accounts(&job, &survey);
        if let Some(name) = &self.options.names.subfolder1
            && !survey.plan.missing.is_empty()
        {
            survey.close().await;
            let words = format!("Host1: the folder of --subfolder1, [{name}], does not exist");
            return self.unusable(ExitStatus::Subfolder1NotThere, &words);
        }
        let before = self.options.reports.sizes_before.then(|| self.tell_sizes(&survey, "before"));
        if self.options.mode != Mode::Sync && self.options.mode != Mode::JustFolders {
            survey.close().await;
            return Ending::good();
        }
        if self.options.mode == Mode::JustFolders {
            survey.plan.mailboxes.iter_mut().for_each(only_the_mailbox);
        }
        let counts = survey.plan.summary.total;
        let folder_count = folders(&survey.plan);
        self.log.line(&loop_start(usize::try_from(folder_count).unwrap_or(usize::MAX)));
        let approval = match check(&survey.plan.summary, guard) {
            Ok(approval) => approval,
            Err(objections) => {
                survey.close().await;
                return self.unusable(ExitStatus::GuardRefused, &objections_text(&objections));
            }
        };
        let octets_skipped = octets_skipped(&survey);
        let (report, failures): (_, Vec<Fault>) = if self.options.dry {
            let failures = self.rehearse(&mut survey, &job, (&*lines, &stop)).await;
            survey.close().await;
            (None, failures)
        } else {
            let (accounts, job) = (servers.clone(), Arc::new(job.clone()));
            let (events, stop) = (lines.clone(), stop.clone());
            let execution = Execution { accounts, job, events, stop };
            let report = execution.run(survey, approval).await;
            if let Some(receipt) = &report.receipt {
                self.log.line(&format!("Receipt of this run: {}", receipt.run));
            }
            let failures = report.failures().cloned().collect();
            (Some(report), failures)
        };
        self.log.line("++++ End looping on each folder");
        let after = self.sizes_after(&servers, &job, &stop).await;
        let facts = Facts {
            started: &self.started,
            elapsed: self.began.elapsed(),
            plan: &counts,
            folders: folder_count,
            report: report.as_ref(),
            octets_skipped,
            memory_at_start: self.memory_at_start,
            before,
            after,
        };
        let ending = self.conclude(&facts, &failures);
        match lines.limit_reached() {
            Some(words) => ending.and(ErrorClass::TransferExceeded, words),
            None => ending,
        }
    }

    /// Who writes down what happens, and stops the run when enough was copied.
    fn lines(&self, stop: &Stop) -> Arc<Lines<'static>> {
        let eta = if self.options.reports.sizes_before { ShowEta::Yes } else { ShowEta::No };
        let limit = self.options.process.octets_max.map(|octets| (octets, stop.clone()));
        Arc::new(Lines::new(self.log, self.parties.clone(), eta, limit))
    }

    /// Hears of signals, and of the file that ends a run.
    fn stop_when_asked(&self) -> Stop {
        let stop = signals::stop_when_told(self.log, &self.options.process.signals);
        if let Some(file) = pidfile::abort_file(&self.options.process, std::process::id()) {
            tokio::spawn(stop_on_file(self.log, file, stop.clone()));
        }
        stop
    }

    fn conclude(&self, facts: &Facts<'_>, failures: &[Fault]) -> Ending {
        facts.statistics().lines().iter().for_each(|line| self.log.line(line));
        if self.options.mode == Mode::Sync {
            facts.verdict().lines().iter().for_each(|line| self.log.line(line));
        }
        let errors = failures.len() + usize::from(self.log.failure().is_some());
        self.log.line(&errors_detected(errors));
        match facts.report {
            Some(report) if !report.is_complete() && self.options.mode == Mode::Sync => Ending {
                status: status::of_report(report),
                ..Ending::of_faults(failures, &self.parties)
            },
            _ if !failures.is_empty() => Ending::of_faults(failures, &self.parties),
            _ => Ending::good(),
        }
    }

    pub(super) fn unusable(&self, status: ExitStatus, words: &str) -> Ending {
        self.log.line(words);
        let class = match status {
            ExitStatus::GuardRefused => ErrorClass::GuardRefused,
            _ => ErrorClass::Unclassified,
        };
        let errors = if status == ExitStatus::GuardRefused {
            vec![(class, words.to_owned())]
        } else {
            Vec::new()
        };
        Ending { status, errors }
    }

    pub(super) fn faults(&self, faults: &[Fault]) -> Ending {
        for fault in faults {
            self.log.line(&error_line(fault, &self.parties));
            self.log.line(&fault_text(fault, Front::Imapsync));
        }
        let ending = Ending::of_faults(faults, &self.parties);
        // As in imapsync, it is no ordinary login that failed where nobody was to log in.
        let is_preauth = |fault: &Fault| {
            let ImapsyncOptions { side1, side2, .. } = &self.options;
            let side = if fault.side == Side::Source { side1 } else { side2 };
            side.mechanism == Mechanism::Preauth && fault.kind == FaultKind::Mechanism
        };
        match faults.iter().any(is_preauth) {
            true => Ending { status: ExitStatus::AuthenticationFailure, ..ending },
            false => ending,
        }
    }

    fn tell_sizes<A: Accounts>(&self, survey: &Survey<A>, when: &str) -> (Sizes, Sizes) {
        let began = Instant::now();
        self.log.line(&format!("Folders sizes {when} the synchronization."));
        let count = survey.plan.mailboxes.len();
        let (mut host1, mut host2) = (Sizes::default(), Sizes::default());
        for (at, (mailbox, listings)) in
            survey.plan.mailboxes.iter().zip(&survey.listings).enumerate()
        {
            let place = Place { this: at + 1, of: count };
            let mut source = FolderSize::default();
            for (part, listing) in mailbox.parts.iter().zip(&listings.sources) {
                source = size_of(listing);
                add(&mut host1, source);
                self.log.line(&named(&part.source, |name| {
                    folder_size_line(1, place, name, Some(source))
                }));
            }
            let target = mailbox.create.is_none().then(|| size_of(&listings.target));
            self.log.line(&named(&mailbox.target, |name| folder_size_line(2, place, name, target)));
            let target = target.unwrap_or_default();
            add(&mut host2, target);
            self.log.line(&difference_line(source, target));
            self.log.line("");
        }
        totals(host1, host2, began.elapsed().as_secs_f64())
            .iter()
            .for_each(|line| self.log.line(line));
        (host1, host2)
    }

    /// Lists both sides anew: what is told at the end is what is there.
    async fn sizes_after(
        &self,
        servers: &Arc<Servers>,
        job: &Job,
        stop: &Stop,
    ) -> Option<(Sizes, Sizes)> {
        if !self.options.reports.sizes_after || stop.is_asked() {
            return None;
        }
        let mut survey =
            survey(&**servers, job, &mailferry_run::events::Silent, stop).await.ok()?;
        let sizes = self.tell_sizes(&survey, "after");
        survey.close().await;
        Some(sizes)
    }
}

fn objections_text(objections: &[Objection]) -> String {
    let text = |objection: &Objection| {
        let words = objection.words(crate::fault_text::shown);
        format!("{words}\nhint: {}", objection.hint())
    };
    objections.iter().map(text).collect::<Vec<_>>().join("\n")
}

/// The octets of what is left out. As in imapsync, those of duplicates are not among them.
fn octets_skipped<A: Accounts>(survey: &Survey<A>) -> u64 {
    let mut octets = 0;
    for (mailbox, listings) in survey.plan.mailboxes.iter().zip(&survey.listings) {
        for (part, listing) in mailbox.parts.iter().zip(&listings.sources) {
            for (decision, size) in part.decisions.iter().zip(&listing.size) {
                match decision {
                    Decision::Skip(SkipReason::NotSelected | SkipReason::Duplicate) => {}
                    Decision::Skip(_) => octets += u64::from(*size),
                    _ => {}
                }
            }
        }
    }
    octets
}

fn size_of(listing: &MessageListing) -> FolderSize {
    FolderSize {
        octets: listing.size.iter().map(|&size| u64::from(size)).sum(),
        messages: listing.len() as u64,
        biggest: listing.size.iter().copied().max().map_or(0, u64::from),
    }
}

fn hostname() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    name.trim().to_owned()
}

/// Leaves of a plan only what concerns the mailbox itself (`--justfolders`).
fn only_the_mailbox(mailbox: &mut MailboxPlan) {
    mailbox.parts.iter_mut().for_each(|part| part.decisions.clear());
    mailbox.delete.clear();
    mailbox.counts = mailferry_engine::summary::Counts::default();
}

/// Asks the run to stop when that file appears, and removes it.
async fn stop_on_file(log: &'static Log, file: PathBuf, stop: Stop) {
    while !file.exists() {
        tokio::time::sleep(FILE_LOOK_WAIT).await;
    }
    ENDED_BY_FILE.store(true, Ordering::Relaxed);
    stop.ask();
    log.line(&format!("File {} appeared: what is in flight is finished", file.display()));
    // Whoever looks for it then knows that it was seen.
    let _ = std::fs::remove_file(file);
}

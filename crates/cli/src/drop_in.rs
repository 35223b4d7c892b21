//! The program `imapsync`: same command lines, same numbers, same last words.

mod abort;
mod choice;
mod journal;
mod lines;
mod look;
mod pidfile;
mod rehearsal;
mod rules;
mod run;
mod signals;
mod statistics;
mod tail;
mod task;
mod trace;
mod transform;

use std::process::ExitCode;

use jiff::Zoned;
use mailferry_engine::guard::GuardLimits;
use mailferry_run::job::Job;

use crate::imapsync::help;
use crate::imapsync::output::exiting;
use crate::imapsync::settings::Request;
use crate::imapsync::{ExitStatus, ImapsyncOptions, Parsed, parse};
use crate::screen;
use crate::servers::{Servers, Tell};

/// The number of errors that imapsync's last line names where none was given.
const ERRORS_MAX_USUAL: u32 = 50;

/// Runs the program; answers its exit status.
#[must_use]
pub fn main() -> ExitCode {
    let parsed = match parse(std::env::args_os().skip(1)) {
        Ok(parsed) => parsed,
        Err(errors) => {
            screen::news(&errors.to_string());
            return exit(ExitStatus::Usage);
        }
    };
    match Request::read(&parsed) {
        Ok(Request::Help) => {
            screen::line(&help::help());
            exit(ExitStatus::Ok)
        }
        Ok(Request::Version) => {
            screen::line(help::version());
            exit(ExitStatus::Ok)
        }
        Err(refusals) => {
            screen::line(&refusals.to_string());
            screen::line(&exiting(refusals.status(), 1, ERRORS_MAX_USUAL, std::process::id()));
            exit(refusals.status())
        }
        Ok(Request::Run(options)) => start(&parsed, *options),
    }
}

/// The two servers and the job of a command line, for whoever explains it.
///
/// # Errors
/// It cannot be carried out: with which status it would end, and why.
pub(crate) async fn prepare(
    options: &ImapsyncOptions,
    tell: Tell,
) -> Result<(Servers, Job, GuardLimits), (ExitStatus, String)> {
    let unusable = |unusable: task::Unusable| (unusable.status, unusable.words);
    let servers = task::servers(options, tell.clone()).await.map_err(unusable)?;
    let (job, guard) = task::job(options, &servers, &Zoned::now(), &tell).map_err(unusable)?;
    Ok((servers, job, guard))
}

fn start(parsed: &Parsed, options: ImapsyncOptions) -> ExitCode {
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            screen::error(&format!("the runtime cannot be started: {error}"));
            return exit(ExitStatus::Software);
        }
    };
    let status = runtime.block_on(run::run(parsed, options));
    runtime.shutdown_background();
    ExitCode::from(status)
}

fn exit(status: ExitStatus) -> ExitCode {
    ExitCode::from(status.number())
}

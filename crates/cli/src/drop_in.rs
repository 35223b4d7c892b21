//! The program `imapsync`: same command lines, same numbers, same last words.

mod abort;
mod journal;
mod lines;
mod look;
mod pidfile;
mod rules;
mod run;
mod statistics;
mod task;
mod transform;

use std::process::ExitCode;

use crate::imapsync::help;
use crate::imapsync::output::exiting;
use crate::imapsync::settings::Request;
use crate::imapsync::{ExitStatus, ImapsyncOptions, Parsed, parse};
use crate::screen;

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

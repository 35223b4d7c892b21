//! The modern front.

mod comparison;
mod days;
mod demo;
mod doctor;
mod explain;
mod jobs;
mod login;
mod options;
mod oversize;
mod permit;
mod progress;
mod render;
mod retry;
mod runs;
mod schedule;
mod task;
mod undo;
mod verbs;
mod why;

use clap::Parser;

pub use options::{Cli, Command};

/// Runs the program; answers its exit status.
#[must_use]
pub fn main() -> std::process::ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are answers, the rest is a command line that cannot be.
            let _ = error.print();
            return std::process::ExitCode::from(if error.use_stderr() { 64 } else { 0 });
        }
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            crate::screen::error(&format!("the runtime cannot be started: {error}"));
            return std::process::ExitCode::from(70);
        }
    };
    let status = crate::screen::checked(runtime.block_on(verbs::run(cli.command)));
    // A prompt or a name look-up may still hang in a thread of its own.
    runtime.shutdown_background();
    std::process::ExitCode::from(status.number())
}

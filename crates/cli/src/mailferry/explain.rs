//! `mailferry imapsync-explain`: what a command line of imapsync means, and its plan.

mod job;

use mailferry_engine::account::Plan;

use super::options::{ExplainArgs, Output};
use super::verbs::{Answer, Run};
use super::{jobs, render, task};
use crate::drop_in;
use crate::imapsync::exit_status::ExitStatus;
use crate::imapsync::settings::{ImapsyncOptions, Request};
use crate::imapsync::{Mode, explanation, parse};
use crate::screen;

/// Prints the meaning, then lists both sides and prints the plan. Nothing is changed.
pub(super) async fn run(args: &ExplainArgs) -> ExitStatus {
    let options = match parse(args.words.iter().cloned()) {
        Ok(parsed) => match Request::read(&parsed) {
            Ok(Request::Run(options)) => *options,
            Ok(Request::Help | Request::Version) => {
                screen::line("task: print a text, and stop");
                return ExitStatus::Ok;
            }
            Err(refusals) => {
                screen::news(&refusals.to_string());
                return refusals.status();
            }
        },
        Err(errors) => {
            screen::news(&errors.to_string());
            return ExitStatus::Usage;
        }
    };
    explanation(&options).iter().for_each(|line| screen::line(line));
    if let Some(name) = &args.job {
        return write_job(name, &options);
    }
    let has_a_plan = matches!(options.mode, Mode::Sync | Mode::JustFolders | Mode::JustFolderSizes);
    if args.offline || !has_a_plan {
        return ExitStatus::Ok;
    }
    let output = Output::default();
    match drop_in::prepare(&options, task::teller(output)).await {
        Ok((servers, job, guard)) => {
            let run = Run::new(servers, job, guard, output);
            let show = |plan: &Plan| {
                screen::line(&render::plan_text(plan));
                Answer::Leave
            };
            run.carry_out(show).await
        }
        Err((status, words)) => {
            screen::error(&words);
            status
        }
    }
}

/// Writes the job that does the same, where there is one.
fn write_job(name: &str, options: &ImapsyncOptions) -> ExitStatus {
    let made = job::translate(options);
    made.notices.iter().for_each(|words| screen::news(&format!("notice: {words}")));
    for what in &made.refused {
        screen::error(&format!(
            "no job can say this: {what}\n\nhint: leave it out, or go on with `imapsync` itself from a \
             timer of your own"
        ));
    }
    if !made.refused.is_empty() {
        return ExitStatus::Usage;
    }
    jobs::add(name, &made.settings).unwrap_or_else(|usage| {
        screen::error(&usage.to_string());
        ExitStatus::Usage
    })
}

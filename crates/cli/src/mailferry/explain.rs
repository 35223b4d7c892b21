//! `mailferry imapsync-explain`: what a command line of imapsync means, and its plan.

use mailferry_engine::account::Plan;

use super::options::{ExplainArgs, Output};
use super::verbs::{Answer, Run};
use super::{render, task};
use crate::drop_in;
use crate::imapsync::exit_status::ExitStatus;
use crate::imapsync::settings::Request;
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

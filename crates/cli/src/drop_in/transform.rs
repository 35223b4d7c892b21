//! The rules about the content of messages as a run takes them.

use std::sync::Arc;

use mailferry_imap::session::printable;
use mailferry_run::transform::{
    DateFrom, LineLength, LineRule, Pipe, Receipts, Rewrite, Test, Transform,
};

use super::rules::{Rewriting, Skipping};
use super::task::Unusable;
use crate::imapsync::ExitStatus;
use crate::imapsync::settings::Transforms;
use crate::secret::os_octets;

/// The rules, if there are any.
pub(super) fn of(asked: &Transforms) -> Option<Arc<Transform>> {
    let rewrites = asked.rewrites.iter().cloned();
    let variables = &asked.variables;
    let transform = Transform {
        skip: asked.skip.iter().cloned().map(|it| Arc::new(Skipping(it)) as Test).collect(),
        rewrites: rewrites
            .map(|typed| Arc::new(Rewriting::new(typed, variables.clone())) as Rewrite)
            .collect(),
        receipts: if asked.disarm_receipts { Receipts::Disarm } else { Receipts::Leave },
        pipes: pipes(asked),
        cut_at: asked.octets_kept,
        lines: LineRule {
            longest_max: length(asked.line_octets_max, "--maxlinelength"),
            longest_above: length(asked.line_octets_above, "--minmaxlinelength"),
            command: line_pipe(asked),
        },
        date: if asked.date_from_header { DateFrom::Header } else { DateFrom::Listing },
        ..Transform::default()
    };
    (!transform.is_empty()).then(|| Arc::new(transform))
}

/// Tries each command once, before anything is connected.
pub(super) fn check_commands(asked: &Transforms) -> Result<(), Unusable> {
    let pipes = if asked.check_pipes { pipes(asked) } else { Vec::new() };
    for pipe in pipes.into_iter().chain(line_pipe(asked)) {
        pipe.check().map_err(|error| {
            let words = format!(
                "error: `{}` makes no message of a single blank: {error}\n\nhint: mend the command, \
                 or leave this out with `--nopipemesscheck`",
                pipe.rule()
            );
            Unusable::new(ExitStatus::Usage, words)
        })?;
    }
    Ok(())
}

fn length(octets: Option<u64>, option: &str) -> Option<LineLength> {
    octets.map(|octets| LineLength { octets, rule: format!("{option} {octets}") })
}

fn pipes(asked: &Transforms) -> Vec<Pipe> {
    asked.pipes.iter().map(|command| pipe("--pipemess", command)).collect()
}

fn line_pipe(asked: &Transforms) -> Option<Pipe> {
    asked.line_command.as_ref().map(|command| pipe("--maxlinelengthcmd", command))
}

fn pipe(option: &str, command: &std::ffi::OsString) -> Pipe {
    let shown = printable(&os_octets(command.clone()));
    Pipe::new(format!("{option} {shown}"), command.clone())
}

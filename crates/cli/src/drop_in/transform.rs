//! The rules about the content of messages as a run takes them.

use std::sync::Arc;

use mailferry_imap::session::printable;
use mailferry_run::transform::{
    DateFrom, LineLength, LineRule, Pipe, Receipts, Rewrite, Show, Test, Transform,
};

use super::rules::{Rewriting, Skipping};
use super::task::Unusable;
use crate::imapsync::settings::Transforms;
use crate::imapsync::{ExitStatus, ImapsyncOptions};
use crate::secret::os_octets;
use crate::servers::Tell;

/// The rules, if there are any; with `--debugcontent` each message is shown as it is sent.
pub(super) fn of(options: &ImapsyncOptions, tell: &Tell) -> Option<Arc<Transform>> {
    let show = options.reports.content_trace.then(|| shown_by(tell));
    let transform = Transform { show, ..rules(&options.transforms) };
    (!transform.is_empty()).then(|| Arc::new(transform))
}

fn shown_by(tell: &Tell) -> Show {
    let tell = Arc::clone(tell);
    Arc::new(move |mailbox, uid, octets| {
        let name = printable(mailbox.as_bytes());
        tell(&format!("msg {name}/{uid} {{{}}} as it is sent:", octets.len()));
        for line in octets.split_inclusive(|&octet| octet == b'\n') {
            tell(&printable(line.trim_ascii_end()));
        }
        tell(&format!("msg {name}/{uid} ends here"));
    })
}

fn rules(asked: &Transforms) -> Transform {
    let rewrites = asked.rewrites.iter().cloned();
    let variables = &asked.variables;
    Transform {
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
    }
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

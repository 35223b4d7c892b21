//! `mailferry runs`: what is known of past runs.

mod csv;
mod text;
pub(super) mod words;

use std::io::Write;

use jiff::{Timestamp, tz::TimeZone};
use mailferry_run::receipt::{
    Fate, Finish, Folder, Listed, Message, Others, Part, ReadReceipt, ReceiptError, RemovalFate,
    Tally,
};
use serde_json::{Value, json};

use self::words::{fate_word, flags, reason_word, subject};
use super::options::{PruneArgs, RunsArgs, RunsCommand, ShowArgs};
use super::render::json_line;
use super::task::{UsageError, wire_name};
use crate::fault_text::shown;
use crate::imapsync::exit_status::ExitStatus;
use crate::local_state;
use crate::screen;

/// Carries `runs` out.
pub(super) fn run(args: &RunsArgs) -> Result<ExitStatus, UsageError> {
    let folder = folder()?;
    let done = match &args.command {
        None => list(&folder, args.json),
        Some(RunsCommand::Show(show)) => show_run(&folder, show, args.json),
        Some(RunsCommand::Prune(prune)) => prune_runs(&folder, prune),
    };
    Ok(done.unwrap_or_else(|error| tell(&error)))
}

/// Where receipts are.
pub(super) fn folder() -> Result<Folder, UsageError> {
    local_state::receipts().ok_or_else(|| {
        UsageError::new(
            "there is no home folder in which receipts could be",
            "name the folder with MAILFERRY_DATA_DIR",
        )
    })
}

/// Tells what is wrong with a receipt.
pub(super) fn tell(error: &ReceiptError) -> ExitStatus {
    let hint = match error {
        ReceiptError::NoSuchRun { .. } => "`mailferry runs` lists them; `last` is the last one",
        ReceiptError::SeveralRuns { .. } => "write more of its name",
        ReceiptError::Altered { .. } => {
            "what it says was changed since it was written, by hand or by a broken disk: nothing \
             of it is shown"
        }
        _ => "receipts are below $MAILFERRY_DATA_DIR, else $XDG_DATA_HOME/mailferry, in `runs`",
    };
    screen::error(&format!("{error}\n\nhint: {hint}"));
    match error {
        ReceiptError::NoSuchRun { .. } | ReceiptError::SeveralRuns { .. } => ExitStatus::CatchAll,
        _ => ExitStatus::WithErrors,
    }
}

/// A moment as people read it, where they are.
pub(super) fn moment(seconds: i64) -> String {
    let moment = Timestamp::from_second(seconds).unwrap_or(Timestamp::UNIX_EPOCH);
    moment.to_zoned(TimeZone::system()).strftime("%Y-%m-%d %H:%M:%S").to_string()
}

fn finish_word(finish: Finish) -> &'static str {
    match finish {
        Finish::Complete => "complete",
        Finish::Incomplete => "incomplete",
        Finish::Running => "running",
        Finish::Killed => "not-finished",
    }
}

fn list(folder: &Folder, json: bool) -> Result<ExitStatus, ReceiptError> {
    let mut status = ExitStatus::Ok;
    for run in folder.runs()? {
        match folder.list_one(&run) {
            Ok(listed) if json => screen::line(&json_line("run", run_json(&listed))),
            Ok(listed) => screen::line(&text::run_line(&listed)),
            // One that cannot be read hides no other.
            Err(error) => status = tell(&error),
        }
    }
    Ok(status)
}

fn run_json(listed: &Listed) -> Value {
    json!({
        "run": listed.run.as_str(), "program": listed.about.program,
        "source": listed.about.source, "target": listed.about.target,
        "began": listed.about.began, "ended": listed.ended,
        "finish": finish_word(listed.finish), "sums": listed.tally.map(|tally| tally_json(&tally)),
    })
}

fn tally_json(tally: &Tally) -> Value {
    json!(tally)
}

/// Which mailboxes are shown.
pub(super) struct Only(Option<String>);

impl Only {
    fn takes(&self, part: &Part) -> bool {
        self.0.as_ref().is_none_or(|name| is_called(part, name))
    }
}

/// Whether a mailbox is called so on either side, as it is typed or as it is shown.
pub(super) fn is_called(part: &Part, name: &str) -> bool {
    let typed = wire_name(name);
    [&part.source, &part.target].iter().any(|mailbox| **mailbox == typed || shown(mailbox) == name)
}

fn show_run(folder: &Folder, args: &ShowArgs, json: bool) -> Result<ExitStatus, ReceiptError> {
    let run = folder.find(&args.run)?;
    let receipt = folder.read(&run)?;
    let only = Only(args.mailbox.clone());
    if args.mailbox.is_some() && !receipt.parts.iter().any(|part| only.takes(part)) {
        screen::error("the run has no such mailbox\n\nhint: `mailferry runs show` lists them");
        return Ok(ExitStatus::CatchAll);
    }
    let mut others = Others::new(folder);
    let shown = if args.csv {
        csv::show(&receipt, &mut others, &only)
    } else if args.json || json {
        show_json(&receipt, &mut others, &only)
    } else {
        text::show(&receipt, &mut others, &only, args.all)
    };
    // What went before stands; what is missing is told.
    shown?;
    if !receipt.adds_up() {
        screen::error("the sums of this receipt do not add up: it does not tell of every message");
        return Ok(ExitStatus::NotAccounted);
    }
    Ok(ExitStatus::Ok)
}

/// Writes many lines fast; a reader that went away is no error.
pub(super) struct Lines(std::io::BufWriter<std::io::StdoutLock<'static>>);

impl Lines {
    pub(super) fn new() -> Self {
        Self(std::io::BufWriter::new(std::io::stdout().lock()))
    }

    pub(super) fn line(&mut self, text: &str) {
        let _ = writeln!(self.0, "{text}");
    }
}

impl Drop for Lines {
    fn drop(&mut self) {
        let _ = self.0.flush();
    }
}

fn show_json(
    receipt: &ReadReceipt,
    others: &mut Others<'_>,
    only: &Only,
) -> Result<(), ReceiptError> {
    let mut lines = Lines::new();
    let head = json!({
        "run": receipt.run.as_str(), "program": receipt.about.program,
        "source": receipt.about.source, "target": receipt.about.target,
        "began": receipt.about.began, "ended": receipt.ended,
        "finish": finish_word(receipt.finish), "sums": tally_json(&receipt.tally()),
        "digest": receipt.digest,
    });
    lines.line(&json_line("receipt", head));
    for (at, part) in receipt.parts.iter().enumerate().filter(|(_, part)| only.takes(part)) {
        receipt.messages(at, others, &mut |message| {
            let run = receipt.run.as_str();
            lines.line(&json_line("message", message_json(run, part, message)));
        })?;
    }
    for removal in receipt.removals() {
        let Some(part) = receipt.parts.get(removal.part).filter(|part| only.takes(part)) else {
            continue;
        };
        let (fate, words) = match &removal.fate {
            RemovalFate::Removed => ("removed", None),
            RemovalFate::Moved(_) => ("moved", None),
            RemovalFate::Failed(words) => ("failed", Some(words)),
            RemovalFate::NotStarted => ("not-started", None),
        };
        let to = match &removal.fate {
            RemovalFate::Moved(to) => Some(shown(to)),
            _ => None,
        };
        let fields = json!({
            "run": receipt.run.as_str(), "mailbox": shown(&part.target), "to": to, "uid": removal.uid.value(),
            "uid_validity": part.target_uid_validity, "why": &*removal.why, "fate": fate,
            "words": words,
        });
        lines.line(&json_line("removal", fields));
    }
    Ok(())
}

/// A message as fields.
pub(super) fn message_json(run: &str, part: &Part, message: &Message<'_>) -> Value {
    let limit = match message.fate {
        Fate::Skipped(_, limit) if limit > 0 => Some(limit),
        _ => None,
    };
    let headline = &message.headline;
    let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    let flags = message
        .change
        .map(|change| json!({ "before": flags(&change.before), "after": flags(&change.after) }));
    json!({
        "run": run, "mailbox": shown(&part.source), "uid": message.uid.value(),
        "uid_validity": part.source_uid_validity,
        "fate": fate_word(message.fate), "reason": reason_word(message), "limit": limit,
        "words": message.reason.map(|(_, words)| words),
        "target": shown(&part.target), "target_uid": message.target.map(|uid| uid.value()),
        "target_uid_validity": part.target_uid_validity,
        "octets": message.octets, "message_id": some(&headline.message_id),
        "subject": some(&subject(headline)), "flags": flags,
        "flags_failed": message.flags_failed, "repaired": message.repaired,
        "kept_aside": message.kept_aside, "source_removed": message.source_removed,
    })
}

fn prune_runs(folder: &Folder, args: &PruneArgs) -> Result<ExitStatus, ReceiptError> {
    let now = Timestamp::now().as_second();
    let before = args.older_than.map(|age| now.saturating_sub(age));
    let pruned = folder.prune(args.keep, before)?;
    pruned.removed.iter().for_each(|run| screen::line(&format!("removed {run}")));
    for run in &pruned.needed {
        screen::line(&format!("kept {run}: rows of a later run stand in it"));
    }
    Ok(ExitStatus::Ok)
}

//! A run of a job, told in words and as JSON (`docs/json.md`).

use serde_json::{Value, json};

use super::super::render::{json_line, size};
use super::super::runs::moment;
use super::definition::Definition;
use super::record::{Counted, Drilled, QuotaLeft, Ran};
use crate::imapsync::exit_status::ExitStatus;

/// All of it, as fields.
pub(super) fn fields(definition: &Definition, ran: &Ran) -> Value {
    fields_of(&definition.name, Some(definition.kind.name()), ran)
}

/// The same of a job that cannot be run.
pub(super) fn fields_of(job: &str, kind: Option<&str>, ran: &Ran) -> Value {
    json!({
        "job": job, "kind": kind,
        "started": ran.started, "ended": ran.ended, "seconds": ran.seconds,
        "status": ran.status, "status_name": ExitStatus::of_number(ran.status).name(),
        "good": ran.good, "words": ran.words, "counts": ran.counts, "receipt": ran.receipt,
        "quota_left": ran.quota_left,
    })
}

/// All of it, as a line.
pub(super) fn line(definition: &Definition, ran: &Ran) -> String {
    as_line("job-run", fields(definition, ran))
}

/// Fields of a run or a drill, as a line.
pub(super) fn as_line(event: &str, fields: Value) -> String {
    json_line(event, fields)
}

/// A drill, as fields.
pub(super) fn fields_of_drill(job: &str, drilled: &Drilled) -> Value {
    let mut fields = json!(drilled);
    if let Some(map) = fields.as_object_mut() {
        map.insert("job".to_owned(), json!(job));
    }
    fields
}

/// A drill, as a line.
pub(super) fn line_of_drill(job: &str, drilled: &Drilled) -> String {
    as_line("drill", fields_of_drill(job, drilled))
}

/// The outcome, and everything that is to be said of it, a line each.
pub(super) fn text(job: &str, ran: &Ran) -> String {
    let mut lines = vec![sentence(job, ran)];
    lines.extend(ran.words.iter().flat_map(|words| words.lines()).map(str::to_owned));
    lines.extend(ran.receipt.as_ref().map(|run| format!("mailferry runs show {run}")));
    lines.join("\n")
}

/// The outcome on one line.
pub(super) fn sentence(job: &str, ran: &Ran) -> String {
    let counts = ran.counts.as_ref().map(|counts| format!(": {}", sums(counts)));
    let why = ran.words.first().map(|words| format!("; {}", words.lines().next().unwrap_or("")));
    format!(
        "job {job}: {} after {:.0} s{}{}",
        verdict(ran),
        ran.seconds,
        counts.unwrap_or_default(),
        why.unwrap_or_default()
    )
}

/// Good or not, with the status.
pub(super) fn verdict(ran: &Ran) -> String {
    match (ran.good, ran.status) {
        (true, _) => "good".to_owned(),
        (false, status) => {
            format!("NOT good (status {status}, {})", ExitStatus::of_number(status).name())
        }
    }
}

/// What became of the messages.
pub(super) fn sums(counts: &Counted) -> String {
    let mut words = vec![
        format!("{} listed", counts.listed),
        format!("{} copied ({})", counts.copied, size(counts.copied_octets)),
        format!("{} present", counts.present),
    ];
    let mut add = |count: u64, what: &str| {
        if count > 0 {
            words.push(format!("{count} {what}"));
        }
    };
    add(counts.skipped, "skipped");
    add(counts.failed, "failed");
    add(counts.kept_aside, "kept aside");
    add(counts.not_started, "not started");
    add(counts.deleted, "removed");
    add(counts.source_deleted, "removed from the source");
    words.join(", ")
}

/// What is left of the target's quota; `None` where nothing is known of one.
pub(super) fn room(left: QuotaLeft) -> Option<String> {
    let octets = left.octets.map(size);
    let messages = left.messages.map(|count| format!("{count} messages"));
    let words: Vec<String> = octets.into_iter().chain(messages).collect();
    (!words.is_empty()).then(|| format!("room left on the target: {}", words.join(", ")))
}

/// A time that has passed, in its largest units: `3 d 4 h`, `12 min`.
pub(super) fn span(seconds: i64) -> String {
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, minutes) => format!("{minutes} min"),
        (0, hours, minutes) => format!("{hours} h {minutes} min"),
        (days, hours, _) => format!("{days} d {hours} h"),
    }
}

/// When a run began, and how long ago; one from the future is said to be so.
pub(super) fn when(ran: &Ran, now: i64) -> String {
    let began = moment(ran.started);
    if ran.is_of_the_future(now) {
        format!("{began}, which has not come yet by the clock of this machine ({})", moment(now))
    } else {
        format!("{began}, {} ago", span((now - ran.started).max(0)))
    }
}

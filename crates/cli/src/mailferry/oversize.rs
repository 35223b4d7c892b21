//! Messages that are left out for their size, in words.

use jiff::{Timestamp, tz::TimeZone};
use mailferry_imap::session::printable;
use mailferry_run::survey::{Oversized, Whose};
use serde_json::json;

use super::options::Output;
use super::render::{json_line, size};
use super::runs::words::subject;
use crate::fault_text::shown;
use crate::screen;

/// Lines for people.
const LINES_MAX: usize = 100;

/// Tells of them. Those over the target's own limit are told of as failures besides.
pub(super) fn tell(oversized: &[Oversized], output: Output) {
    if output.json {
        oversized.iter().for_each(|message| screen::line(&json(message)));
        return;
    }
    let mut by_rule = oversized.iter().filter(|message| message.whose == Whose::User);
    if output.quiet {
        return;
    }
    for message in by_rule.by_ref().take(LINES_MAX) {
        screen::news(&format!("left out for its size: {}", text(message)));
    }
    let more = by_rule.count();
    if more > 0 {
        screen::news(&format!("left out for their size: {more} more"));
    }
}

/// `INBOX/17 (12.4 MiB, 2020-09-13): Minutes`.
fn text(message: &Oversized) -> String {
    let place = format!("{}/{}", shown(&message.mailbox), message.uid);
    let octets = size(message.octets.into());
    let date = day(message).map(|day| format!(", {day}")).unwrap_or_default();
    let subject = printable(subject(&message.headline).as_bytes());
    let subject = if subject.is_empty() { String::new() } else { format!(": {subject}") };
    format!("{place} ({octets}{date}){subject}")
}

fn day(message: &Oversized) -> Option<String> {
    let instant = Timestamp::from_second(message.date.instant()?).ok()?;
    Some(instant.to_zoned(TimeZone::UTC).date().to_string())
}

fn json(message: &Oversized) -> String {
    let whose = match message.whose {
        Whose::User => "user",
        Whose::Target => "target",
    };
    json_line(
        "too-large",
        json!({
            "mailbox": shown(&message.mailbox), "uid": message.uid.value(), "octets": message.octets,
            "date": message.date.instant(), "subject": subject(&message.headline),
            "limit": message.limit, "whose": whose,
        }),
    )
}

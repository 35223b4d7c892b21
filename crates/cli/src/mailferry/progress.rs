//! Progress: bars on a terminal, one line a minute elsewhere, JSON Lines on request.

use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use mailferry_engine::account::Plan;
use mailferry_engine::fault::{Fault, Side};
use mailferry_engine::message::Uid;
use mailferry_engine::name::MailboxName;
use mailferry_imap::session::printable;
use mailferry_run::events::{Event, EventSink};
use mailferry_run::forecast::Forecast;
use serde_json::json;

use super::options::Output;
use super::render::{fault_json, json_line, size};
use crate::claims::waiting_words;
use crate::fault_text::{Front, fault_text, room_words, shown};
use crate::moment;
use crate::screen;

/// How often a line is written where there is no terminal.
const LINE_EVERY: Duration = Duration::from_secs(60);

/// Shows what happens.
pub(super) struct Progress {
    output: Output,
    bar: ProgressBar,
    messages: AtomicU64,
    last_line: Mutex<Instant>,
    forecast: Mutex<Forecast>,
}

impl Progress {
    /// Shows it as `output` says.
    #[must_use]
    pub(super) fn new(output: Output) -> Self {
        let bar = if output.json || output.quiet {
            ProgressBar::hidden()
        } else {
            // Hidden by itself where standard error is no terminal.
            ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr_with_hz(10))
        };
        bar.set_style(
            ProgressStyle::with_template("{spinner} {msg}")
                .unwrap_or_else(|_| ProgressStyle::default_spinner()),
        );
        let (last_line, forecast) = (Mutex::new(Instant::now()), Mutex::default());
        Self { output, bar, messages: AtomicU64::new(0), last_line, forecast }
    }

    /// Takes the bar away.
    pub(super) fn finish(&self) {
        self.bar.finish_and_clear();
    }

    /// Shows the octets of a plan as they are read.
    pub(super) fn begin_copying(&self, plan: &Plan) {
        let template = "{bar:30} {bytes}/{total_bytes}  {msg}  {bytes_per_sec}";
        if let Ok(style) = ProgressStyle::with_template(template) {
            self.bar.set_style(style);
        }
        self.bar.set_length(plan.summary.total.copy_octets);
        self.bar.set_position(0);
        let to_create = plan.mailboxes.iter().filter(|mailbox| mailbox.create.is_some()).count();
        self.bar.set_message(match to_create {
            0 => "0 messages".to_owned(),
            1 => "creating 1 mailbox".to_owned(),
            mailboxes => format!("creating {mailboxes} mailboxes"),
        });
        self.bar.reset_eta();
        if let Ok(mut forecast) = self.forecast.lock() {
            *forecast = Forecast::default();
        }
    }

    /// How long the rest will take, by the pace of the last minutes, waits included.
    fn left(&self) -> Option<Duration> {
        let all = self.bar.length()?;
        let forecast = self.forecast.lock().ok()?;
        forecast.left(all.saturating_sub(self.bar.position()), Instant::now())
    }

    /// The same in words: `, about 3 h 5 min left`.
    fn left_words(&self) -> String {
        self.left().map(|left| format!(", about {} left", moment::span(left))).unwrap_or_default()
    }

    /// Shows how many messages were read on both sides and compared.
    pub(super) fn begin_comparing(&self, messages: u64) {
        if let Ok(style) = ProgressStyle::with_template("{bar:30} {pos}/{len} messages  ETA {eta}")
        {
            self.bar.set_style(style);
        }
        self.bar.set_length(messages);
        self.bar.set_position(0);
        self.bar.reset_eta();
    }

    /// Writes lines beside what is shown.
    pub(super) fn aside(&self, write: impl FnOnce()) {
        self.bar.suspend(write);
    }

    /// Writes a line now and then where there is no terminal.
    fn tell_in_passing(&self, words: impl FnOnce() -> String) {
        if self.output.json || self.output.quiet || !self.bar.is_hidden() {
            return;
        }
        let Ok(mut last) = self.last_line.lock() else { return };
        if last.elapsed() >= LINE_EVERY {
            *last = Instant::now();
            screen::news(&words());
        }
    }

    fn copied_so_far(&self) -> String {
        let (octets, all) = (self.bar.position(), self.bar.length().unwrap_or_default());
        let messages = self.messages.load(Ordering::Relaxed);
        let left = self.left_words();
        format!("{messages} messages copied, {} of {} read{left}", size(octets), size(all))
    }

    fn compared_so_far(&self) -> String {
        let all = self.bar.length().unwrap_or_default();
        format!("{} of {all} messages compared", self.bar.position())
    }

    fn show_text(&self, event: &Event<'_>) {
        match event {
            Event::Failed(fault) => {
                self.bar.suspend(|| screen::news(&fault_text(fault, Front::Mailferry)))
            }
            Event::Repaired { mailbox, uid, steps } => {
                let (mailbox, steps) = (shown(mailbox), steps.join(", "));
                let line = format!("notice: {mailbox}/{uid} was refused, and taken after: {steps}");
                self.bar.suspend(|| screen::news(&line));
            }
            Event::KeptAside { mailbox, uid, path } => {
                let (mailbox, path) = (shown(mailbox), path.display());
                let line = format!("notice: {mailbox}/{uid} was refused, and is kept as {path}");
                self.bar.suspend(|| screen::news(&line));
            }
            Event::Waiting { mailbox, process, wait } => {
                let words = waiting_words(*process, *wait);
                let line = format!("notice: {}: {words}", shown(mailbox));
                self.bar.suspend(|| screen::news(&line));
            }
            Event::MadeRoom { messages, mailboxes } => {
                let line = room_words(*messages, *mailboxes);
                self.bar.suspend(|| screen::news(&format!("notice: {line}")));
            }
            Event::AfterKilled => self.bar.suspend(|| {
                screen::news(
                    "notice: the last run was killed; waiting for what it had sent to arrive",
                );
            }),
            Event::DoubleRemoved { mailbox, uid } => {
                let line = format!(
                    "notice: {}/{uid} had been stored twice; this run's own copy was removed",
                    shown(mailbox)
                );
                self.bar.suspend(|| screen::news(&line));
            }
            Event::Reconnecting { fault, wait } => {
                let side = side_name(fault.side);
                let line = format!(
                    "notice: the {side} broke off ({}); going on with another connection in {:.1} s",
                    printable(fault.words.as_bytes()),
                    wait.as_secs_f32()
                );
                self.bar.suspend(|| screen::news(&line));
            }
            Event::Throttled { fault, wait } => {
                let line = format!(
                    "notice: the {} asks to be left alone ({}); going on at {}, in {}{}",
                    side_name(fault.side),
                    printable(fault.words.as_bytes()),
                    moment::after(*wait),
                    moment::span(*wait),
                    self.left_words()
                );
                self.bar.suspend(|| screen::news(&line));
            }
            event if self.output.verbose => {
                if let Some(line) = verbose_line(event) {
                    self.bar.suspend(|| screen::news(&line));
                }
            }
            _ => {}
        }
    }
}

impl EventSink for Progress {
    fn on(&self, event: &Event<'_>) {
        match event {
            Event::Listed { mailbox, .. } => {
                self.bar.set_message(format!("listing {}", shown(mailbox)))
            }
            Event::Planned(plan) => self.begin_copying(plan),
            Event::Octets(octets) => {
                self.bar.inc(*octets);
                if let Ok(mut forecast) = self.forecast.lock() {
                    forecast.note(*octets, Instant::now());
                }
                self.tell_in_passing(|| self.copied_so_far());
            }
            Event::Compared { messages } => {
                self.bar.inc(*messages);
                self.tell_in_passing(|| self.compared_so_far());
            }
            Event::Copied(_) => {
                let messages = self.messages.fetch_add(1, Ordering::Relaxed) + 1;
                self.bar.set_message(format!("{messages} messages{}", self.left_words()));
            }
            _ => {}
        }
        if self.output.json {
            if let Some(line) = json(event, self.left()) {
                screen::line(&line);
            }
        } else {
            self.show_text(event);
        }
    }
}

/// What is told of a single message where every one is.
fn verbose_line(event: &Event<'_>) -> Option<String> {
    Some(match event {
        Event::Copied(copied) => {
            let (from, to) = (shown(copied.source), shown(copied.target));
            format!("copied {from}/{} -> {to}", copied.uid)
        }
        Event::SourceDeleted { mailbox, uid } => {
            format!("removed {}/{uid} from the source", shown(mailbox))
        }
        Event::Moved { mailbox, uid, to, .. } => {
            format!("moved {}/{uid} to {}", shown(mailbox), shown(to))
        }
        Event::Pruned(gone) => format!("deleted {}: kept long enough", shown(&gone.name)),
        Event::Deleted { mailbox, uid } => format!("removed {}/{uid}", shown(mailbox)),
        Event::Unsubscribed(name) => format!("unsubscribed {}", shown(name)),
        Event::SubscriptionRefused(fault) => format!(
            "{} is not there, and the target does not subscribe it ({})",
            fault.mailbox.as_ref().map(shown).unwrap_or_default(),
            printable(fault.words.as_bytes())
        ),
        _ => return None,
    })
}

/// What is told of mailboxes of the target and their subscriptions.
fn json_of_mailbox(event: &Event<'_>) -> Option<String> {
    Some(match event {
        Event::Created(mailbox) => json_line("created", json!({ "mailbox": shown(mailbox) })),
        Event::Subscribed(mailbox) => json_line("subscribed", json!({ "mailbox": shown(mailbox) })),
        Event::Unsubscribed(mailbox) => {
            json_line("unsubscribed", json!({ "mailbox": shown(mailbox) }))
        }
        Event::SubscriptionRefused(fault) => {
            json_line("subscription-refused", json!({ "fault": fault_json(fault) }))
        }
        _ => return None,
    })
}

/// What is told of messages that go.
fn json_of_removal(event: &Event<'_>) -> Option<String> {
    Some(match event {
        Event::Deleted { mailbox, uid } => {
            json_line("deleted", json!({ "mailbox": shown(mailbox), "uid": uid.value() }))
        }
        Event::Moved { mailbox, uid, to, to_uid, to_uid_validity } => json_line(
            "moved",
            json!({
                "mailbox": shown(mailbox), "uid": uid.value(), "to": shown(to),
                "to_uid": to_uid.map(|uid| uid.value()), "to_uid_validity": to_uid_validity,
            }),
        ),
        Event::SourceDeleted { mailbox, uid } => {
            json_line("source-deleted", json!({ "mailbox": shown(mailbox), "uid": uid.value() }))
        }
        Event::MailboxDeleted(mailbox) => {
            json_line("mailbox-deleted", json!({ "mailbox": shown(mailbox) }))
        }
        Event::Pruned(gone) => {
            json_line("pruned", json!({ "mailbox": shown(&gone.name), "messages": gone.messages }))
        }
        _ => return None,
    })
}

/// `left`: how long the rest will take.
fn json_of_throttling(fault: &Fault, wait: Duration, left: Option<Duration>) -> String {
    json_line(
        "throttled",
        json!({
            "side": fault.side, "kind": fault.kind, "words": fault.words,
            "wait_seconds": wait.as_secs_f32(), "goes_on_at": moment::second_after(wait),
            "left_seconds": left.map(|left| left.as_secs()),
        }),
    )
}

/// `left`: how long the rest will take.
fn json(event: &Event<'_>, left: Option<Duration>) -> Option<String> {
    Some(match event {
        Event::Accounts { source, target } => json_line(
            "accounts",
            json!({ "source_mailboxes": source.mailboxes.len(), "target_mailboxes": target.mailboxes.len() }),
        ),
        Event::Listed { side, mailbox, messages, octets } => json_line(
            "listed",
            json!({ "side": side, "mailbox": shown(mailbox), "messages": messages, "octets": octets }),
        ),
        Event::Planned(plan) => json_line("planned", json!({ "total": plan.summary.total })),
        Event::Created(_)
        | Event::Subscribed(_)
        | Event::Unsubscribed(_)
        | Event::SubscriptionRefused(_) => return json_of_mailbox(event),
        Event::Copied(copied) => json_line(
            "copied",
            json!({
                "source": shown(copied.source), "uid": copied.uid.value(), "target": shown(copied.target),
                "target_uid": copied.target_uid.map(|uid| uid.value()), "octets": copied.octets,
            }),
        ),
        Event::FlagsUpdated { mailbox, uid, .. } => {
            json_line("flags-updated", json!({ "mailbox": shown(mailbox), "uid": uid.value() }))
        }
        Event::Deleted { .. }
        | Event::Moved { .. }
        | Event::MailboxDeleted(_)
        | Event::Pruned(_)
        | Event::SourceDeleted { .. } => return json_of_removal(event),
        Event::Reconnecting { fault, wait } => json_line(
            "reconnecting",
            json!({ "side": fault.side, "words": fault.words, "wait_seconds": wait.as_secs_f32() }),
        ),
        Event::Throttled { fault, wait } => json_of_throttling(fault, *wait, left),
        Event::Waiting { mailbox, process, wait } => json_line(
            "waiting",
            json!({ "mailbox": shown(mailbox), "process": process, "wait_seconds": wait.as_secs_f32() }),
        ),
        Event::Settled { mailbox, found, absent } => json_line(
            "settled",
            json!({ "mailbox": shown(mailbox), "found": found, "absent": absent }),
        ),
        Event::DoubleRemoved { mailbox, uid } => {
            json_line("double-removed", json!({ "mailbox": shown(mailbox), "uid": uid.value() }))
        }
        Event::Repaired { mailbox, uid, steps } => json_line(
            "repaired",
            json!({ "mailbox": shown(mailbox), "uid": uid.value(), "steps": steps }),
        ),
        Event::KeptAside { mailbox, uid, path } => kept_aside(mailbox, *uid, path),
        Event::Failed(fault) => json_line("failed", json!({ "fault": fault_json(fault) })),
        // Rules about content, and for labels, are given to the imapsync front alone; what is copied
        // within the target is told of as copied.
        Event::LeftOut { .. }
        | Event::CommandSaid { .. }
        | Event::LabelsChanged { .. }
        | Event::LabelsSet { .. }
        | Event::CopiedWithin { .. }
        | Event::AfterKilled
        | Event::MadeRoom { .. }
        | Event::RepairIsDue(_)
        | Event::RepairEnds
        | Event::MailboxBegins { .. }
        | Event::MailboxEnds { .. }
        | Event::Octets(_)
        | Event::Leaving { .. }
        | Event::Compared { .. } => return None,
    })
}

fn kept_aside(mailbox: &MailboxName, uid: Uid, path: &Path) -> String {
    let (mailbox, uid, path) = (shown(mailbox), uid.value(), path.to_string_lossy());
    json_line("kept-aside", json!({ "mailbox": mailbox, "uid": uid, "path": path }))
}

fn side_name(side: Side) -> &'static str {
    match side {
        Side::Source => "source",
        Side::Target => "target",
    }
}

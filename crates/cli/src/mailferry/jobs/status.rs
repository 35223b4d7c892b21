//! `mailferry job status`: how the last runs of jobs went, and whether they are recent enough.

use serde_json::{Value, json};

use super::super::options::jobs::JobStatusArgs;
use super::super::render::json_line;
use super::super::runs::moment;
use super::definition::duration;
use super::file::Entry;
use super::record::{CLOCK_SECONDS_MAX, Drilled, Ran, Record, Shelf, now};
use super::story;
use crate::imapsync::exit_status::ExitStatus;
use crate::screen;

/// What is known of one job.
struct Standing<'a> {
    job: &'a Entry,
    record: Record,
    /// Why less is known than was kept.
    lost: Option<String>,
    is_busy: bool,
    now: i64,
    /// A good run must have begun within so many seconds.
    stale_after: Option<i64>,
}

/// Tells of these jobs.
pub(super) fn tell(jobs: &[&Entry], args: &JobStatusArgs) -> ExitStatus {
    let mut status = ExitStatus::Ok;
    for job in jobs {
        let standing = Standing::of(job, args.stale);
        if args.json {
            screen::line(&json_line("job-status", standing.fields()));
        } else {
            screen::line(&standing.text());
        }
        if standing.is_stale() {
            status = ExitStatus::CatchAll;
        }
    }
    status
}

impl<'a> Standing<'a> {
    fn of(job: &'a Entry, stale_after: Option<i64>) -> Self {
        let shelf = Shelf::of(&job.name);
        let read = shelf.as_ref().map_or(Ok(Record::default()), Shelf::read);
        let is_busy = shelf.is_some_and(|shelf| shelf.is_busy());
        let (record, lost) = match read {
            Ok(record) => (record, None),
            Err(words) => (Record::default(), Some(words)),
        };
        Self { job, record, lost, is_busy, now: now(), stale_after }
    }

    /// The last good run that the clock of now can vouch for.
    fn good(&self) -> Option<&Ran> {
        let runs = self.record.runs.iter().rev().chain(&self.record.good);
        runs.into_iter().find(|run| run.good && !run.is_of_the_future(self.now))
    }

    /// The last good drill that the clock of now can vouch for.
    fn drill(&self) -> Option<&Drilled> {
        let drills = self.record.drills.iter().rev().chain(&self.record.good_drill);
        drills.into_iter().find(|it| it.good && it.started <= self.now + CLOCK_SECONDS_MAX)
    }

    /// Why a drill is due; `None`: none is.
    fn drill_overdue(&self) -> Option<String> {
        let age = duration(self.job.text("drill_max_age")?).ok()?;
        let age = i64::try_from(age.as_secs()).unwrap_or(i64::MAX);
        match self.drill() {
            None => Some("it was never restored on trial".to_owned()),
            Some(drill) if drill.started < self.now.saturating_sub(age) => {
                Some(format!("the last good drill is older than {}", story::span(age)))
            }
            Some(_) => None,
        }
    }

    fn is_stale(&self) -> bool {
        self.stale_after.is_some() && (self.has_no_recent_run() || self.drill_overdue().is_some())
    }

    fn has_no_recent_run(&self) -> bool {
        self.stale_after
            .is_some_and(|age| self.good().is_none_or(|run| run.started < self.now - age))
    }

    /// What the last run is, in one word.
    fn state(&self) -> &'static str {
        match self.record.last() {
            None if self.is_busy => "running",
            None => "never-run",
            Some(Ran { ended: None, .. }) if self.is_busy => "running",
            Some(Ran { ended: None, .. }) => "killed",
            Some(run) if run.good => "good",
            Some(_) => "failed",
        }
    }

    fn fields(&self) -> Value {
        let last = self.record.last();
        json!({
            "job": self.job.name, "kind": self.job.text("kind"), "state": self.state(),
            "last": last, "last_good": self.good(), "stale": self.is_stale(),
            "from_the_future": last.is_some_and(|run| run.is_of_the_future(self.now)),
            "record_lost": self.lost, "last_drill": self.record.drills.last(),
            "last_good_drill": self.drill(), "drill_overdue": self.drill_overdue().is_some(),
        })
    }

    fn text(&self) -> String {
        let name = &self.job.name;
        let mut lines = vec![match self.record.last() {
            None => format!("{name}: it has never run"),
            Some(run) => {
                let when = story::when(run, self.now);
                match self.state() {
                    "running" => format!("{name}: running since {when}"),
                    "killed" => format!("{name}: NOT good: it was killed; it began {when}"),
                    _ => format!("{name}: {}; it began {when}", story::verdict(run)),
                }
            }
        }];
        if let Some(run) = self.record.last() {
            lines.extend(run.counts.as_ref().map(story::sums));
            lines.extend(run.quota_left.and_then(story::room));
            lines.extend(run.words.iter().flat_map(|words| words.lines()).map(str::to_owned));
            lines.extend(run.receipt.as_ref().map(|run| format!("mailferry runs show {run}")));
        }
        lines.push(match self.good() {
            Some(run) => format!("last good run: {}", story::when(run, self.now)),
            None => "last good run: none".to_owned(),
        });
        lines.push(match self.drill() {
            Some(drill) => format!(
                "last restored successfully: {}, {} ago: {} of {} messages in {:.0} s",
                moment(drill.started),
                story::span((self.now - drill.started).max(0)),
                drill.messages,
                drill.listed,
                drill.restore_seconds
            ),
            None => "last restored successfully: never".to_owned(),
        });
        if let Some(drill) = self.record.drills.last().filter(|drill| !drill.good) {
            lines.push(super::drill::sentence(name, drill));
        }
        lines.extend(
            self.drill_overdue().map(|why| format!("WARNING: {why}: `mailferry drill {name}`")),
        );
        if self.stale_after.is_some() && self.has_no_recent_run() {
            let age = story::span(self.stale_after.unwrap_or_default());
            lines.push(format!("STALE: no good run has begun within {age}"));
        }
        lines.extend(self.lost.as_ref().map(|words| format!("earlier runs are lost: {words}")));
        lines.join("\n    ")
    }
}

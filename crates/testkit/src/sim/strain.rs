//! How much a server was asked for, and whether that was too much: throttling and the limits of a
//! day, counted over all connections.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::habit::{Habits, Refused};
use super::parse::Refusal;

/// Why a command is put off.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Relief {
    /// It is answered so.
    Answer(Refusal),
    /// So, and the connection ends with this BYE.
    AnswerAndBye(Refusal, &'static str),
    /// The connection ends with this BYE.
    Bye(String),
}

/// What a server was asked for so far.
#[derive(Debug, Default)]
pub(super) struct Strain(Mutex<Counts>);

#[derive(Debug, Default)]
struct Counts {
    /// Commands since the last backoff ended.
    commands: u32,
    /// Until when nothing is done.
    until: Option<Instant>,
    day: Option<Day>,
}

#[derive(Debug)]
struct Day {
    began: Instant,
    download: u64,
    upload: u64,
}

/// What is said when a day's octets are used up, as Gmail says it.
const DAY_WORDS: &str = "[OVERQUOTA] Account exceeded command or bandwidth limits.";

impl Strain {
    /// Whether a command of a logged-in user is put off.
    pub(super) fn at_command(&self, name: &str, habits: &Habits) -> Option<Relief> {
        self.throttled(name, habits).or_else(|| self.spent(name, habits))
    }

    /// Takes note of octets that a command moved.
    pub(super) fn note(&self, name: &str, (download, upload): (u64, u64), habits: &Habits) {
        let Some(limit) = &habits.day else { return };
        let mut counts = self.lock();
        let day = today(&mut counts.day, (limit.day, habits.clock.now()));
        match name.trim_start_matches("UID ") {
            "FETCH" => day.download += download,
            "APPEND" => day.upload += upload,
            _ => {}
        }
    }

    fn throttled(&self, name: &str, habits: &Habits) -> Option<Relief> {
        let throttle = habits.throttle.as_ref()?;
        let mut counts = self.lock();
        let now = habits.clock.now();
        if let Some(until) = counts.until {
            if now < until {
                return Some(relief(backoff_words(until - now), throttle.answer));
            }
            (counts.until, counts.commands) = (None, 0);
        }
        if name != throttle.command {
            return None;
        }
        counts.commands += 1;
        if counts.commands <= throttle.commands_max {
            return None;
        }
        counts.until = Some(now + throttle.backoff);
        Some(relief(backoff_words(throttle.backoff), throttle.answer))
    }

    fn spent(&self, name: &str, habits: &Habits) -> Option<Relief> {
        let limit = habits.day.as_ref()?;
        let mut counts = self.lock();
        let day = today(&mut counts.day, (limit.day, habits.clock.now()));
        let is_spent = match name.trim_start_matches("UID ") {
            "FETCH" => day.download >= limit.download_octets_max,
            "APPEND" => day.upload >= limit.upload_octets_max,
            _ => false,
        };
        is_spent.then(|| relief(DAY_WORDS.to_owned(), limit.answer))
    }

    fn lock(&self) -> MutexGuard<'_, Counts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn today(day: &mut Option<Day>, (length, now): (Duration, Instant)) -> &mut Day {
    let new = || Day { began: now, download: 0, upload: 0 };
    if day.as_ref().is_none_or(|day| now.duration_since(day.began) >= length) {
        *day = Some(new());
    }
    day.get_or_insert_with(new)
}

fn backoff_words(left: Duration) -> String {
    format!("Request is throttled. Suggested Backoff Time: {} milliseconds", left.as_millis())
}

fn relief(words: String, answer: Refused) -> Relief {
    match answer {
        Refused::No => Relief::Answer(Refusal::No(words)),
        Refused::BadAndBye => Relief::AnswerAndBye(Refusal::Bad(words), "Connection closed. 14"),
        Refused::Bye => Relief::Bye(words),
    }
}

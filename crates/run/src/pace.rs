//! Limits on how fast mail is copied, over all lanes of a run together. What goes over is paid for
//! by waiting before more is taken from the source, so that the traffic is even: no long pauses,
//! and never more than a second's worth at once.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// A server that asks to be left alone for longer than the last time by this is news.
const NEWS: Duration = Duration::from_secs(1);
/// What may go at once, in the time that it takes at the permitted rate.
const BURST: Duration = Duration::from_secs(1);

/// How fast mail may be copied.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct PaceLimits {
    /// Octets of messages a second; `None` or 0: as many as go.
    pub octets_per_second: Option<f64>,
    /// Octets that do not count for that limit, at the beginning of the run.
    pub octets_free: u64,
    /// Messages a second; `None` or 0: as many as go.
    pub messages_per_second: Option<f64>,
}

/// How fast mail has been copied in one run.
#[derive(Debug)]
pub(crate) struct Pace {
    limits: PaceLimits,
    due: Mutex<Due>,
    /// Octets in all.
    copied: AtomicU64,
}

#[derive(Clone, Copy, Debug)]
struct Due {
    octets_free: u64,
    /// When what went so far is paid for.
    octets: Instant,
    messages: Instant,
    /// Until when a server is left alone.
    held: Instant,
}

impl Pace {
    pub(crate) fn new(limits: PaceLimits, now: Instant) -> Self {
        let octets_free = limits.octets_free;
        let due = Due { octets_free, octets: now, messages: now, held: now };
        Self { limits, due: Mutex::new(due), copied: AtomicU64::new(0) }
    }

    /// Takes note of what went.
    pub(crate) fn spend(&self, octets: u64, messages: u64, now: Instant) {
        self.copied.fetch_add(octets, Ordering::Relaxed);
        let mut due = self.due.lock().unwrap_or_else(PoisonError::into_inner);
        let free = octets.min(due.octets_free);
        due.octets_free -= free;
        due.octets = later(due.octets, octets - free, self.limits.octets_per_second, now);
        due.messages = later(due.messages, messages, self.limits.messages_per_second, now);
    }

    /// Nothing more is to be taken for so long. Whether that is news.
    pub(crate) fn hold(&self, wait: Duration, now: Instant) -> bool {
        let mut due = self.due.lock().unwrap_or_else(PoisonError::into_inner);
        let until = now + wait;
        let is_news = until > due.held + NEWS || due.held <= now;
        due.held = due.held.max(until);
        is_news
    }

    /// Octets that went so far.
    pub(crate) fn copied(&self) -> u64 {
        self.copied.load(Ordering::Relaxed)
    }

    /// Until when nothing more is to be taken; `None`: go on.
    pub(crate) fn wait_until(&self, now: Instant) -> Option<Instant> {
        let due = *self.due.lock().unwrap_or_else(PoisonError::into_inner);
        let paid = due.octets.max(due.messages).checked_sub(BURST);
        let until = paid.map_or(due.held, |paid| paid.max(due.held));
        (until > now).then_some(until)
    }
}

/// When so much more is paid for. What was not used in the past is not saved up.
#[expect(clippy::cast_precision_loss, reason = "a rate is no exact number")]
fn later(due: Instant, amount: u64, rate: Option<f64>, now: Instant) -> Instant {
    let Some(rate) = rate.filter(|rate| *rate > 0.0) else { return due };
    let cost = Duration::try_from_secs_f64(amount as f64 / rate).unwrap_or(Duration::MAX);
    let from = due.max(now);
    from.checked_add(cost).unwrap_or(from)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Copies messages of so many octets for a minute, each as soon as it may go.
    fn copied_in_a_minute(limits: PaceLimits, octets: u64) -> u64 {
        let begin = Instant::now();
        let pace = Pace::new(limits, begin);
        let (mut now, mut messages) = (begin, 0);
        while now < begin + Duration::from_secs(60) && messages < 1_000_000 {
            match pace.wait_until(now) {
                Some(until) => now = until,
                None => {
                    pace.spend(octets, 1, now);
                    messages += 1;
                }
            }
        }
        messages
    }

    #[test]
    fn the_rates_are_held_and_the_slower_counts() {
        let of = |octets_per_second, messages_per_second| PaceLimits {
            octets_per_second,
            octets_free: 0,
            messages_per_second,
        };
        let about = |copied: u64, expected: u64| {
            assert!(copied.abs_diff(expected) * 50 <= expected, "{copied}, not about {expected}");
        };
        about(copied_in_a_minute(of(Some(100_000.0), None), 1000), 6100);
        about(copied_in_a_minute(of(None, Some(4.0)), 1_000_000), 244);
        about(copied_in_a_minute(of(Some(100_000.0), Some(4.0)), 1000), 244);
        assert_eq!(copied_in_a_minute(of(None, None), 1000), 1_000_000);
        assert_eq!(copied_in_a_minute(of(Some(0.0), Some(0.0)), 1000), 1_000_000, "0 is no limit");
    }

    /// U70 of the unit catalogue: octets that went in a time, and how long they are to be paid for.
    #[test]
    fn what_went_too_fast_is_waited_for() {
        let wait = |octets, seconds, rate| {
            let begin = Instant::now();
            let limits = PaceLimits { octets_per_second: Some(rate), ..PaceLimits::default() };
            let pace = Pace::new(limits, begin);
            pace.spend(octets, 1, begin);
            let due = pace.due.lock().unwrap_or_else(PoisonError::into_inner).octets;
            due.saturating_duration_since(begin + Duration::from_secs(seconds)).as_secs()
        };
        assert_eq!(wait(4000, 2, 2000.0), 0);
        assert_eq!(wait(8000, 2, 2000.0), 2);
        assert_eq!(wait(4000, 2, 0.0), 0);
        assert_eq!(wait(4000, 2, -1.0), 0);
    }

    #[test]
    fn who_is_left_alone_is_told_of_once() {
        let now = Instant::now();
        let pace = Pace::new(PaceLimits::default(), now);
        let minute = Duration::from_secs(60);
        assert!(pace.hold(minute, now));
        assert_eq!(pace.wait_until(now), Some(now + minute));
        assert!(!pace.hold(minute, now + Duration::from_millis(500)), "the next connection");
        assert!(pace.hold(minute * 2, now), "for longer");
        assert_eq!(pace.wait_until(now + minute * 2), None);
        assert!(pace.hold(minute, now + minute * 2), "again");
    }

    #[test]
    fn what_is_free_does_not_count() {
        let limits = PaceLimits {
            octets_per_second: Some(1000.0),
            octets_free: 5_000_000,
            messages_per_second: None,
        };
        assert!((5060..5070).contains(&copied_in_a_minute(limits, 1000)));
    }
}

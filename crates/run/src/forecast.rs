//! When a run will be done, by the pace that was measured: over the last minutes, with the time in
//! which servers wanted to be left alone, so that a throttled run promises no more than it keeps.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// What is looked back on.
const MEASURED: Duration = Duration::from_secs(900);
/// The time between two marks.
const MARK_EVERY: Duration = Duration::from_secs(5);
/// Before that nothing is promised.
const MEASURED_MIN: Duration = Duration::from_secs(3);

/// The pace of a run. It begins with the first octets: how long mailboxes took to be made says
/// nothing of how long messages will take.
#[derive(Debug, Default)]
pub struct Forecast {
    /// Moments and octets done until then, the oldest first; the first is the beginning of what is
    /// looked back on.
    marks: VecDeque<(Instant, u64)>,
    done: u64,
}

impl Forecast {
    /// So many more octets are done.
    pub fn note(&mut self, octets: u64, now: Instant) {
        if self.marks.is_empty() {
            self.marks.push_back((now, octets));
        }
        self.done += octets;
        let is_due =
            self.marks.back().is_none_or(|(last, _)| now.duration_since(*last) >= MARK_EVERY);
        if is_due {
            self.marks.push_back((now, self.done));
        }
        while self.marks.len() > 1 && now.duration_since(self.marks[1].0) > MEASURED {
            self.marks.pop_front();
        }
    }

    /// How long so many octets will take; `None` where nothing can be said yet.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "an estimate is no exact number")]
    pub fn left(&self, octets: u64, now: Instant) -> Option<Duration> {
        let (since, before) = *self.marks.front()?;
        let (time, moved) = (now.checked_duration_since(since)?, self.done - before);
        if time < MEASURED_MIN || moved == 0 {
            return None;
        }
        Duration::try_from_secs_f64(time.as_secs_f64() * octets as f64 / moved as f64).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Seconds that 1,000,000 octets will take, after so many seconds at that pace.
    fn left_after(seconds: u64, pace: impl Fn(u64) -> u64) -> Option<u64> {
        let begin = Instant::now();
        let mut forecast = Forecast::default();
        forecast.note(0, begin);
        for second in 1..=seconds {
            forecast.note(pace(second), begin + Duration::from_secs(second));
        }
        let left = forecast.left(1_000_000, begin + Duration::from_secs(seconds));
        left.map(|left| left.as_secs())
    }

    #[test]
    fn a_steady_pace_is_promised_as_it_is() {
        assert_eq!(left_after(60, |_| 10_000), Some(100));
        assert_eq!(left_after(4000, |_| 10_000), Some(100));
    }

    #[test]
    fn waits_count() {
        // Ten seconds at full speed, then fifty in which the server wants nothing.
        let throttled = |second: u64| if second % 60 < 10 { 60_000 } else { 0 };
        let left = left_after(1200, throttled).unwrap_or(0);
        assert!((95..=105).contains(&left), "{left}");
    }

    #[test]
    fn an_old_pace_is_forgotten() {
        let slower = |second: u64| if second < 600 { 100_000 } else { 1_000 };
        let left = left_after(1600, slower).unwrap_or(0);
        assert!((950..=1050).contains(&left), "{left}");
    }

    #[test]
    fn what_came_before_the_first_octets_does_not_count() {
        let begin = Instant::now();
        let at = |second: u64| begin + Duration::from_secs(second);
        let mut forecast = Forecast::default();
        assert_eq!(forecast.left(1000, at(100)), None);
        forecast.note(1_000_000, at(100));
        assert_eq!(forecast.left(1000, at(102)), None, "of two seconds");
        for second in 101..=110 {
            forecast.note(100, at(second));
        }
        assert_eq!(forecast.left(1000, at(110)), Some(Duration::from_secs(10)));
    }

    #[test]
    fn nothing_is_promised_before_anything_is_known() {
        assert_eq!(left_after(60, |_| 0), None);
        assert_eq!(left_after(1, |_| 10_000), None);
    }
}

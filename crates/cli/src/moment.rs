//! Moments and times, for people.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp, tz::TimeZone};

/// The moment after so long, by the clock of this machine: `14:32:05`, with the day where it is
/// another.
#[must_use]
pub(crate) fn after(wait: Duration) -> String {
    let now = Timestamp::now();
    let then = later(now, wait).to_zoned(TimeZone::system());
    let is_today = now.to_zoned(TimeZone::system()).date() == then.date();
    then.strftime(if is_today { "%H:%M:%S" } else { "%Y-%m-%d %H:%M" }).to_string()
}

/// The moment after so long, in seconds since 1970-01-01T00:00:00Z.
#[must_use]
pub(crate) fn second_after(wait: Duration) -> i64 {
    later(Timestamp::now(), wait).as_second()
}

fn later(now: Timestamp, wait: Duration) -> Timestamp {
    let wait = SignedDuration::try_from(wait).unwrap_or(SignedDuration::MAX);
    now.checked_add(wait).unwrap_or(Timestamp::MAX)
}

/// `4.9 s`, `12 min`, `3 h 5 min`, `2 d 4 h`
#[must_use]
pub(crate) fn span(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        0..60 => format!("{:.1} s", time.as_secs_f32()),
        60..600 => format!("{} min {} s", seconds / 60, seconds % 60),
        600..3600 => format!("{} min", seconds / 60),
        3600..86_400 => format!("{} h {} min", seconds / 3600, seconds / 60 % 60),
        _ => format!("{} d {} h", seconds / 86_400, seconds / 3600 % 24),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_as_exact_as_they_are_of_use() {
        let of = |seconds| span(Duration::from_millis(seconds));
        assert_eq!(of(4_900), "4.9 s");
        assert_eq!(of(299_961), "4 min 59 s");
        assert_eq!(of(3_599_000), "59 min");
        assert_eq!(of(86_399_000), "23 h 59 min");
        assert_eq!(of(187_200_000), "2 d 4 h");
    }

    #[test]
    fn a_wait_beyond_all_calendars_is_no_fault() {
        assert!(second_after(Duration::MAX) > 0);
        assert!(!after(Duration::from_secs(1)).is_empty());
    }
}

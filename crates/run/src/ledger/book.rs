//! Octets by hours, and what of them a day that ends now holds.

use std::collections::BTreeMap;
use std::time::Duration;

pub(super) const HOUR_SECONDS: i64 = 3600;
const DAY_HOURS: i64 = 24;

/// Octets by hours since 1970. An hour counts as long as any of it lies within the last day.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct DayBook(BTreeMap<i64, u64>);

impl DayBook {
    pub(super) fn add(&mut self, hour: i64, octets: u64) {
        let sum = self.0.entry(hour).or_default();
        *sum = sum.saturating_add(octets);
    }

    /// Octets of the last day.
    pub(super) fn last_day(&self, now: i64) -> u64 {
        let hours = self.0.range(first_hour(now)..);
        hours.fold(0, |sum, (_, octets)| sum.saturating_add(*octets))
    }

    /// How long until a day holds fewer, if no more come.
    pub(super) fn wait_until_below(&self, octets: u64, now: i64) -> Duration {
        let mut left = self.last_day(now);
        for (hour, some) in self.0.range(first_hour(now)..) {
            if left < octets {
                break;
            }
            left -= some;
            if left < octets {
                let until = (hour + 1 + DAY_HOURS) * HOUR_SECONDS;
                return Duration::from_secs(u64::try_from(until - now).unwrap_or(0));
            }
        }
        Duration::ZERO
    }
}

/// The first hour that the last day has a part of.
fn first_hour(now: i64) -> i64 {
    now.div_euclid(HOUR_SECONDS) - DAY_HOURS
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Half past an hour.
    const NOW: i64 = 500_000 * HOUR_SECONDS + 1800;

    fn book(hours_ago: &[(i64, u64)]) -> DayBook {
        let mut book = DayBook::default();
        for (ago, octets) in hours_ago {
            book.add(500_000 - ago, *octets);
        }
        book
    }

    #[test]
    fn a_day_ends_now_and_not_at_midnight() {
        let book = book(&[(0, 10), (1, 20), (24, 40), (25, 80), (30, 160)]);
        assert_eq!(book.last_day(NOW), 70);
        assert_eq!(DayBook::default().last_day(NOW), 0);
    }

    #[test]
    fn it_goes_on_when_enough_hours_are_a_day_old() {
        let book = book(&[(0, 10), (2, 20), (24, 40)]);
        let wait = |octets| book.wait_until_below(octets, NOW).as_secs();
        assert_eq!(wait(71), 0);
        assert_eq!(wait(70), 1800, "when the hour of yesterday ends");
        assert_eq!(wait(30), 22 * 3600 + 1800);
        assert_eq!(wait(10), 24 * 3600 + 1800);
    }
}

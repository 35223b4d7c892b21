//! INTERNALDATE (RFC 9051 §9: date-time) and the little calendar it needs.

use std::fmt;

const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

const SECONDS_PER_DAY: i64 = 86_400;

/// When a message arrived: an instant, and the zone it was written in.
///
/// Two dates are the same moment if their `seconds` are equal; `==` compares the zone too.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct InternalDate {
    /// Seconds since 1970-01-01 00:00:00 UTC, leap seconds not counted.
    pub seconds: i64,
    /// Minutes east of UTC.
    pub zone_minutes: i16,
}

impl InternalDate {
    /// Reads `17-Jul-1996 02:44:25 -0700`, tolerantly: a day of one digit with or without
    /// the space before it, months in any case, a second of 60, `24:00:00`, no zone (then
    /// UTC). `None` if there is no such day or time.
    #[must_use]
    pub fn parse(text: &[u8]) -> Option<Self> {
        let mut words = text.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
        let days = parse_day(words.next()?)?;
        let time = parse_time(words.next()?)?;
        let zone_minutes = words.next().map_or(Some(0), parse_zone)?;
        if words.next().is_some() {
            return None;
        }
        let seconds = days * SECONDS_PER_DAY + time - i64::from(zone_minutes) * 60;
        Some(Self { seconds, zone_minutes })
    }

    /// The date as RFC 9051 §9 wants it in APPEND, without the quotes; the day always has
    /// two digits. A date outside the years 0000 to 9999 is moved to their nearest end, a
    /// zone of 100 hours and more to UTC.
    #[must_use]
    pub fn format(&self) -> String {
        let zone = match self.zone_minutes {
            -5_999..=5_999 => i64::from(self.zone_minutes),
            _ => 0,
        };
        let first = days_from_civil(0, 1, 1) * SECONDS_PER_DAY;
        let last = days_from_civil(10_000, 1, 1) * SECONDS_PER_DAY - 1;
        let local = self.seconds.saturating_add(zone * 60).clamp(first, last);
        let (year, month, day) = civil_from_days(local.div_euclid(SECONDS_PER_DAY));
        let time = local.rem_euclid(SECONDS_PER_DAY);
        let (hour, minute, second) = (time / 3600, time / 60 % 60, time % 60);
        let month = MONTHS[month];
        let sign = if zone < 0 { '-' } else { '+' };
        let (zone_hour, zone_minute) = (zone.abs() / 60, zone.abs() % 60);
        format!(
            "{day:02}-{month}-{year:04} {hour:02}:{minute:02}:{second:02} \
             {sign}{zone_hour:02}{zone_minute:02}"
        )
    }
}

impl fmt::Display for InternalDate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.format())
    }
}

/// `17-Jul-1996`, as days since 1970-01-01.
fn parse_day(word: &[u8]) -> Option<i64> {
    let mut parts = word.split(|b| *b == b'-');
    let day = parse_digits(parts.next()?, 1..=2)?;
    let name = parts.next()?;
    let month = MONTHS.iter().position(|month| name.eq_ignore_ascii_case(month.as_bytes()))?;
    let year = parse_digits(parts.next()?, 4..=4)?;
    let exists = parts.next().is_none() && (1..=days_in_month(year, month)).contains(&day);
    exists.then(|| days_from_civil(year, month as i64 + 1, day))
}

/// `02:44:25`, as seconds since midnight. A leap second is the first of the next minute.
fn parse_time(word: &[u8]) -> Option<i64> {
    let mut parts = word.split(|b| *b == b':');
    let hour = parse_digits(parts.next()?, 1..=2)?;
    let minute = parse_digits(parts.next()?, 2..=2)?;
    let second = parse_digits(parts.next()?, 2..=2)?;
    let exists = hour <= 23 || (hour, minute, second) == (24, 0, 0);
    let exists = exists && minute <= 59 && second <= 60 && parts.next().is_none();
    exists.then_some(hour * 3600 + minute * 60 + second)
}

/// `-0700`, as minutes.
fn parse_zone(word: &[u8]) -> Option<i16> {
    const NAMES_OF_UTC: [&[u8]; 4] = [b"GMT", b"UT", b"UTC", b"Z"];
    if NAMES_OF_UTC.iter().any(|name| word.eq_ignore_ascii_case(name)) {
        return Some(0);
    }
    let (sign, digits) = word.split_first()?;
    let number = parse_digits(digits, 4..=4)?;
    let minutes = i16::try_from(number / 100 * 60 + number % 100).ok()?;
    match sign {
        b'+' => Some(minutes),
        b'-' => Some(-minutes),
        _ => None,
    }
}

fn parse_digits(digits: &[u8], len: std::ops::RangeInclusive<usize>) -> Option<i64> {
    let number = len.contains(&digits.len()).then(|| crate::token::parse_u32(digits))?;
    number.map(i64::from)
}

/// `month` counts from 0.
fn days_in_month(year: i64, month: usize) -> i64 {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    match month {
        1 if leap => 29,
        1 => 28,
        3 | 5 | 8 | 10 => 30,
        _ => 31,
    }
}

/// Days since 1970-01-01 in the Gregorian calendar. The year is taken to begin in March, so
/// that the leap day comes last; `month` counts from 1.
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

/// Year, month (counted from 0) and day of [`days_from_civil`]'s days.
fn civil_from_days(days: i64) -> (i64, usize, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * from_march + 2) / 5 + 1;
    let month = (from_march + 2) % 12;
    let year = year_of_era + era * 400 + i64::from(month < 2);
    (year, month.unsigned_abs() as usize, day)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::*;

    fn date(text: &str) -> Option<(i64, i16)> {
        InternalDate::parse(text.as_bytes()).map(|date| (date.seconds, date.zone_minutes))
    }

    #[test]
    fn the_dates_of_rfc_9051_are_read() {
        assert_eq!(date("17-Jul-1996 02:44:25 -0700"), Some((837_596_665, -420)));
        assert_eq!(date("01-Jan-1970 00:00:00 +0000"), Some((0, 0)));
        assert_eq!(date("01-Jan-1970 00:00:00 +0130"), Some((-5_400, 90)));
        assert_eq!(date("29-Feb-2000 23:59:59 +0000"), Some((951_868_799, 0)));
    }

    #[test]
    fn odd_spellings_mean_the_same_moment() {
        let plain = date("01-Jan-2010 00:00:00 +0000");
        assert_eq!(plain, Some((1_262_304_000, 0)));
        for text in [
            " 1-Jan-2010 00:00:00 +0000",
            "1-Jan-2010 00:00:00 +0000",
            "01-JAN-2010 00:00:00 +0000",
            "01-jan-2010  0:00:00",
            "31-Dec-2009 23:59:60 +0000",
            "31-Dec-2009 24:00:00 GMT ",
        ] {
            assert_eq!(date(text), plain, "{text}");
        }
    }

    #[test]
    fn what_is_no_day_or_time_is_no_date() {
        for text in [
            "",
            "00-Jan-2010 00:00:00 +0000",
            "00-Jan-0000 00:00:00 +0000",
            "32-Jan-2010 00:00:00 +0000",
            "29-Feb-1900 00:00:00 +0000",
            "01-Foo-2010 00:00:00 +0000",
            "01-Jan-10 00:00:00 +0000",
            "01-Jan-2010 24:00:01 +0000",
            "01-Jan-2010 00:60:00 +0000",
            "01-Jan-2010 00:00:61 +0000",
            "01-Jan-2010 00:00:00 0000",
            "01-Jan-2010 00:00:00 +00",
            "01-Jan-2010 00:00:00 +0000 x",
            "01-Jan-2010",
            "NIL",
        ] {
            assert_eq!(date(text), None, "{text}");
        }
    }

    #[test]
    fn years_from_0000_to_9999_print_as_they_were_read() {
        for text in [
            "01-Jan-0000 00:00:00 +0000",
            "29-Feb-0000 12:00:00 -0001",
            "07-Jul-1969 23:59:59 +1400",
            "31-Dec-9999 23:59:59 -1200",
            "01-Jan-2010 00:00:00 +9900",
        ] {
            assert_eq!(InternalDate::parse(text.as_bytes()).unwrap().format(), text);
        }
    }

    #[test]
    fn a_moment_outside_of_the_calendar_prints_as_its_nearest_end() {
        let date = |seconds, zone_minutes| InternalDate { seconds, zone_minutes }.format();
        assert_eq!(date(i64::MAX, i16::MAX), "31-Dec-9999 23:59:59 +0000");
        assert_eq!(date(i64::MIN, i16::MIN), "01-Jan-0000 00:00:00 +0000");
    }

    proptest! {
        #[test]
        fn what_is_printed_is_read_again(
            seconds in -62_167_000_000_i64..253_402_000_000,
            zone_minutes in -5_940_i16..5_940,
        ) {
            let date = InternalDate { seconds, zone_minutes };
            prop_assert_eq!(InternalDate::parse(date.format().as_bytes()), Some(date));
        }

        #[test]
        fn any_date_prints_to_26_octets(seconds: i64, zone_minutes: i16) {
            let text = InternalDate { seconds, zone_minutes }.format();
            prop_assert_eq!(text.len(), 26);
            prop_assert!(InternalDate::parse(text.as_bytes()).is_some());
        }

        #[test]
        fn any_octets_are_read_without_panic(text: Vec<u8>) {
            let _ = InternalDate::parse(&text);
        }

        #[test]
        fn any_near_date_is_read_without_panic(
            text in "[ 0-9]{0,3}-?[A-Za-z]{3}-[0-9]{0,5} [0-9:]{0,9} [+-][0-9]{0,5}",
        ) {
            if let Some(date) = InternalDate::parse(text.as_bytes()) {
                prop_assert_eq!(date.format().len(), 26);
            }
        }
    }
}

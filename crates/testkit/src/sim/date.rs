//! INTERNALDATEs and calendar days, by hand: the simulator leans on no date library that the
//! program under test uses.

use std::fmt;

const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const WEEKDAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
const DAY_SECONDS: i64 = 86_400;

/// An instant and the zone it is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Date {
    /// Seconds since 1970-01-01T00:00:00Z.
    pub seconds: i64,
    /// Minutes east of UTC.
    pub zone_minutes: i16,
}

impl Date {
    /// An instant written in UTC.
    #[must_use]
    pub const fn utc(seconds: i64) -> Self {
        Self { seconds, zone_minutes: 0 }
    }

    /// Reads the text between the quotes of a `date-time` (RFC 3501 §9): exactly
    /// `dd-Mon-yyyy hh:mm:ss +zzzz`, the day padded with a space or a zero.
    #[must_use]
    pub fn parse(text: &[u8]) -> Option<Self> {
        if text.len() != 26 || text[11] != b' ' || text[20] != b' ' {
            return None;
        }
        let day_text = if text[0] == b' ' { &text[1..11] } else { &text[..11] };
        let days = parse_day(day_text)?;
        let clock = parse_clock(&text[12..20])?;
        let zone_minutes = parse_zone(&text[21..26])?;
        let seconds = days * DAY_SECONDS + clock - i64::from(zone_minutes) * 60;
        Some(Self { seconds, zone_minutes })
    }

    /// The date as a `Date:` header field writes it (RFC 5322 §3.3).
    #[must_use]
    pub fn rfc5322(self) -> String {
        let local = self.local();
        let days = local.div_euclid(DAY_SECONDS);
        let (year, month, day) = civil(days);
        let weekday = WEEKDAYS[usize::try_from(days.rem_euclid(7)).unwrap_or(0)];
        format!(
            "{weekday}, {day} {} {year:04} {} {}",
            MONTHS[month - 1],
            clock_text(local),
            zone_text(self.zone_minutes)
        )
    }

    /// The calendar day in the date's own zone, in days since 1970-01-01: what SINCE, ON and
    /// BEFORE compare (RFC 3501 §6.4.4 disregards time and zone).
    pub(super) fn day(self) -> i64 {
        self.local().div_euclid(DAY_SECONDS)
    }

    fn local(self) -> i64 {
        self.seconds.saturating_add(i64::from(self.zone_minutes) * 60)
    }
}

/// As INTERNALDATE shows it, without the quotes: ` 5-Feb-2024 10:00:00 +0100`.
impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let local = self.local();
        let (year, month, day) = civil(local.div_euclid(DAY_SECONDS));
        write!(
            f,
            "{day:2}-{}-{year:04} {} {}",
            MONTHS[month - 1],
            clock_text(local),
            zone_text(self.zone_minutes)
        )
    }
}

/// Reads `d-Mon-yyyy`, the `date-text` of RFC 3501 §9, as days since 1970-01-01.
pub(super) fn parse_day(text: &[u8]) -> Option<i64> {
    let mut words = text.split(|&octet| octet == b'-');
    let (day, month, year) = (words.next()?, words.next()?, words.next()?);
    if words.next().is_some() || day.is_empty() || day.len() > 2 || year.len() != 4 {
        return None;
    }
    checked_day(i64::from(digits(year)?), month_number(month)?, digits(day)?)
}

/// The calendar day of a `Date:` header field, zone disregarded; `None` where it cannot be
/// read. Comments and odd forms are not read: such a message matches no SENT key.
pub(super) fn sent_day(value: &[u8]) -> Option<i64> {
    let text = match memchr::memchr(b',', value) {
        Some(comma) => &value[comma + 1..],
        None => value,
    };
    let mut words = text.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
    let (day, month, year) = (words.next()?, words.next()?, words.next()?);
    let year = i64::from(digits(year)?);
    let year = match year {
        0..=49 => year + 2000,
        50..=999 => year + 1900,
        _ => year,
    };
    checked_day(year, month_number(month)?, digits(day)?)
}

fn checked_day(year: i64, month: usize, day: u32) -> Option<i64> {
    let days = days_from_civil(year, month, day);
    (civil(days) == (year, month, day)).then_some(days)
}

fn month_number(text: &[u8]) -> Option<usize> {
    MONTHS.iter().position(|month| text.eq_ignore_ascii_case(month.as_bytes())).map(|at| at + 1)
}

fn digits(text: &[u8]) -> Option<u32> {
    if text.is_empty() || text.len() > 9 {
        return None;
    }
    text.iter().try_fold(0u32, |sum, octet| {
        octet.is_ascii_digit().then(|| sum * 10 + u32::from(octet - b'0'))
    })
}

fn parse_clock(text: &[u8]) -> Option<i64> {
    if text.len() != 8 || text[2] != b':' || text[5] != b':' {
        return None;
    }
    let (hour, minute, second) = (digits(&text[..2])?, digits(&text[3..5])?, digits(&text[6..])?);
    (hour < 24 && minute < 60 && second <= 60)
        .then(|| i64::from(hour) * 3600 + i64::from(minute) * 60 + i64::from(second))
}

fn parse_zone(text: &[u8]) -> Option<i16> {
    let (hour, minute) = (digits(&text[1..3])?, digits(&text[3..5])?);
    let minutes = i16::try_from(hour * 60 + minute).ok().filter(|_| hour < 24 && minute < 60)?;
    match text[0] {
        b'+' => Some(minutes),
        b'-' => Some(-minutes),
        _ => None,
    }
}

fn clock_text(local: i64) -> String {
    let second = local.rem_euclid(DAY_SECONDS);
    format!("{:02}:{:02}:{:02}", second / 3600, second / 60 % 60, second % 60)
}

fn zone_text(minutes: i16) -> String {
    let sign = if minutes < 0 { '-' } else { '+' };
    let size = minutes.unsigned_abs();
    format!("{sign}{:02}{:02}", size / 60, size % 60)
}

/// Days since 1970-01-01 of a day of the proleptic Gregorian calendar; `month` from 1.
fn days_from_civil(year: i64, month: usize, day: u32) -> i64 {
    let month = i64::try_from(month).unwrap_or(1);
    // The year is counted from March, so that the leap day comes last.
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + i64::from(day) - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

/// Year, month from 1, day from 1.
fn civil(days: i64) -> (i64, usize, u32) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = (shifted + 2) % 12 + 1;
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, usize::try_from(month).unwrap_or(1), u32::try_from(day).unwrap_or(1))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_date_of_the_rfc_is_read_and_written_back() {
        let text = "17-Jul-1996 02:44:25 -0700";
        let date = Date::parse(text.as_bytes()).unwrap();
        assert_eq!(date, Date { seconds: 837_596_665, zone_minutes: -420 });
        assert_eq!(date.to_string(), text);
        assert_eq!(date.rfc5322(), "Wed, 17 Jul 1996 02:44:25 -0700");
    }

    #[test]
    fn a_day_of_one_digit_is_padded_with_a_space() {
        let date = Date::parse(b" 5-Feb-2024 10:00:00 +0100").unwrap();
        assert_eq!(date.to_string(), " 5-Feb-2024 10:00:00 +0100");
        assert_eq!(Date::parse(b"05-Feb-2024 10:00:00 +0100"), Some(date));
    }

    #[test]
    fn days_that_do_not_exist_are_refused() {
        for text in ["30-Feb-2024 10:00:00 +0000", "29-Feb-2023 10:00:00 +0000"] {
            assert_eq!(Date::parse(text.as_bytes()), None, "{text}");
        }
        assert_eq!(Date::parse(b"1-Feb-2024 10:00:00 +0000"), None, "the day is two characters");
        assert_eq!(Date::parse(b"01-Feb-2024 24:00:00 +0000"), None);
    }

    #[test]
    fn every_day_of_four_centuries_comes_back() {
        for days in -146_097..146_097 {
            let (year, month, day) = civil(days);
            assert_eq!(days_from_civil(year, month, day), days);
        }
    }

    #[test]
    fn sent_dates_are_read_with_and_without_weekday() {
        assert_eq!(sent_day(b" Thu, 1 Jan 1970 23:00:00 -0800\r\n"), Some(0));
        assert_eq!(sent_day(b"2 Jan 70 00:00 GMT"), Some(1));
        assert_eq!(sent_day(b"yesterday"), None);
    }
}

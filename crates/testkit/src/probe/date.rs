//! Instants as IMAP and mail write them. Proleptic Gregorian, whole seconds, no leap seconds.

const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const WEEKDAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
const DAY_SECONDS: i64 = 86_400;

/// Days since 1970-01-01 of a date. Years run from March here, so that a leap day ends one.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let century_rule = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    365 * year + century_rule + (153 * month + 2) / 5 + day - 1 - 719_468
}

/// Year, month (1-12), day of a number of days since 1970-01-01.
fn civil(days_since: i64) -> (i64, i64, i64) {
    // Never after the year that is looked for, on either side of 1970.
    let mut year = 1970 + days_since.div_euclid(if days_since < 0 { 365 } else { 366 });
    while days(year + 1, 1, 1) <= days_since {
        year += 1;
    }
    let mut month = 1;
    while month < 12 && days(year, month + 1, 1) <= days_since {
        month += 1;
    }
    (year, month, days_since - days(year, month, 1) + 1)
}

fn month_name(month: i64) -> &'static str {
    usize::try_from(month - 1).ok().and_then(|index| MONTHS.get(index)).unwrap_or(&"Jan")
}

fn clock(instant: i64) -> String {
    let seconds = instant.rem_euclid(DAY_SECONDS);
    format!("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

/// `17-Jul-1996 02:44:25 +0000` (date-time without its quotes, RFC 9051 §9).
#[must_use]
pub fn internal_date(instant: i64) -> String {
    let (year, month, day) = civil(instant.div_euclid(DAY_SECONDS));
    format!("{day:>2}-{}-{year:04} {} +0000", month_name(month), clock(instant))
}

/// `Wed, 17 Jul 1996 02:44:25 +0000` (RFC 5322 §3.3).
#[must_use]
pub fn mail_date(instant: i64) -> String {
    let day_number = instant.div_euclid(DAY_SECONDS);
    let (year, month, day) = civil(day_number);
    let weekday = usize::try_from(day_number.rem_euclid(7)).unwrap_or(0);
    let (name, month) = (WEEKDAYS[weekday], month_name(month));
    format!("{name}, {day:02} {month} {year:04} {} +0000", clock(instant))
}

/// The instant of a date-time (RFC 9051 §9), `None` if it is none.
#[must_use]
pub fn parse_internal_date(text: &str) -> Option<i64> {
    let mut words = text.split_whitespace();
    let (date, time, zone) = (words.next()?, words.next()?, words.next()?);
    let mut date = date.split('-');
    let day: i64 = date.next()?.parse().ok()?;
    let name = date.next()?;
    let month = MONTHS.iter().position(|known| known.eq_ignore_ascii_case(name))? + 1;
    let year: i64 = date.next()?.parse().ok()?;
    let mut seconds = 0;
    for part in time.split(':') {
        seconds = seconds * 60 + part.parse::<i64>().ok()?;
    }
    let zone: i64 = zone.parse().ok()?; // +0130 is 130
    let zone_minutes = zone / 100 * 60 + zone % 100;
    let day = days(year, i64::try_from(month).ok()?, day);
    Some(day * DAY_SECONDS + seconds - zone_minutes * 60)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_example_of_rfc_9051_is_read_and_written() {
        let instant = parse_internal_date("17-Jul-1996 02:44:25 -0700");
        assert_eq!(instant, Some(837_596_665));
        assert_eq!(internal_date(837_596_665), "17-Jul-1996 09:44:25 +0000");
        assert_eq!(mail_date(837_596_665), "Wed, 17 Jul 1996 09:44:25 +0000");
        assert_eq!(parse_internal_date(" 1-Mar-2000 00:00:00 +0130"), Some(951_863_400));
        assert_eq!(parse_internal_date("yesterday"), None);
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(instant in -62_000_000_000_i64..250_000_000_000) {
            prop_assert_eq!(parse_internal_date(&internal_date(instant)), Some(instant));
        }
    }
}

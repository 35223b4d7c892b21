//! An INTERNALDATE that cannot be, and the one that the header gives instead.

use super::head::{Kind, NAME_HOLD_OCTETS, kind_of, name_of};
use super::lines::{Lines, Piece};
use crate::message::InternalDate;

/// So far ahead of the given time a date may lie: clocks differ, and some servers store local
/// time as UTC.
const AHEAD_SECONDS_MAX: i64 = 86_400;
/// Received lines that are looked at.
const RECEIVED_MAX: usize = 32;
/// Octets of a header field that are looked at; a longer one tells nothing.
const FIELD_OCTETS_MAX: usize = 4096;
const SECONDS_PER_DAY: i64 = 86_400;
/// The farthest zones are 14 hours off; what is farther is taken for UTC.
const ZONE_MINUTES_MAX: i16 = 14 * 60;

/// Whether a message can have come at that date: it is known, not before 1970, and at most a
/// day after `now`, in seconds since 1970-01-01T00:00:00Z.
#[must_use]
pub fn is_possible(date: InternalDate, now: i64) -> bool {
    date.instant()
        .is_some_and(|instant| (0..=now.saturating_add(AHEAD_SECONDS_MAX)).contains(&instant))
}

/// The dates in the header of a message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HeaderDates {
    /// Of the Received lines (RFC 5321 §4.4), the last hop first; those that can be read.
    pub received: Vec<InternalDate>,
    /// Of the Date line (RFC 5322 §3.6.1).
    pub date: Option<InternalDate>,
}

impl HeaderDates {
    /// The best guess at when the message came: the date of the last hop that can be, else
    /// that of the author. `now`: seconds since 1970-01-01T00:00:00Z.
    #[must_use]
    pub fn best(&self, now: i64) -> Option<InternalDate> {
        self.received.iter().copied().chain(self.date).find(|&date| is_possible(date, now))
    }
}

/// Reads the date of a header field, tolerantly (RFC 5322 §3.3, §4.3): with or without day of
/// the week, seconds, zone; years of two and three digits; the order of `ctime`; comments.
/// `None` if there is no such day or time.
#[must_use]
pub fn header_date(value: &[u8]) -> Option<InternalDate> {
    let text = without_comments(value);
    let between = |octet: &u8| octet.is_ascii_whitespace() || *octet == b',';
    let mut words = Words::default();
    for word in text.split(between).filter(|word| !word.is_empty()) {
        words.take(word)?;
    }
    let (day, month, year) = (words.day?, words.month?, words.year?);
    if !(1..=days_in_month(year, month)).contains(&day) {
        return None;
    }
    let zone = words.zone.unwrap_or(0);
    let days = days_from_civil(year, month, day);
    let seconds = days * SECONDS_PER_DAY + words.time? - i64::from(zone) * 60;
    Some(InternalDate::new(seconds, zone))
}

/// What the words of a date said so far.
#[derive(Default)]
struct Words {
    day: Option<i64>,
    /// From 1.
    month: Option<i64>,
    year: Option<i64>,
    /// Seconds since midnight.
    time: Option<i64>,
    /// Minutes east of UTC.
    zone: Option<i16>,
}

impl Words {
    /// `None`: this is no date.
    fn take(&mut self, word: &[u8]) -> Option<()> {
        if word.contains(&b':') {
            let repeated = self.time.replace(time(word)?).is_some();
            return (!repeated).then_some(());
        }
        if word[0].is_ascii_digit() && word.contains(&b'/') {
            return self.take_slashed(word);
        }
        if let Some(time) = dotted_time(word).filter(|_| self.time.is_none()) {
            self.time = Some(time);
            return Some(());
        }
        if let Some(time) = &mut self.time
            && let Some(half) = half_of_day(word)
        {
            *time = half.shift(*time);
            return Some(());
        }
        if word[0].is_ascii_digit() {
            // 13-Sep-2020 as in INTERNALDATE.
            for part in word.split(|&octet| octet == b'-') {
                self.take_number_or_name(part)?;
            }
            return Some(());
        }
        if self.time.is_some()
            && self.zone.is_none()
            && let Some(zone) = zone(word)
        {
            self.zone = Some(zone);
            return Some(());
        }
        self.take_number_or_name(word)
    }

    /// `2015/09/19`, or `09/19/15` with the month first.
    fn take_slashed(&mut self, word: &[u8]) -> Option<()> {
        let parts: Vec<&[u8]> = word.split(|&octet| octet == b'/').collect();
        let &[first, second, third] = parts.as_slice() else { return None };
        let (y, m, d) =
            if first.len() == 4 { (first, second, third) } else { (third, first, second) };
        let fits = self.year.is_none() && self.month.is_none() && self.day.is_none();
        self.year = Some(year(number(y)?, y.len())?);
        self.month = Some(number(m).filter(|month| (1..=12).contains(month))?);
        self.day = Some(number(d)?);
        fits.then_some(())
    }

    fn take_number_or_name(&mut self, word: &[u8]) -> Option<()> {
        if let Some(number) = number(word) {
            if self.day.is_none() && word.len() <= 2 {
                self.day = Some(number);
            } else if self.year.is_none() && self.month.is_some() {
                self.year = Some(year(number, word.len())?);
            } else {
                return None;
            }
        } else if let Some(month) = month(word)
            && self.month.replace(month).is_some()
        {
            return None;
        }
        // Anything else is the day of the week, or a name of a zone that nobody knows.
        Some(())
    }
}

fn number(word: &[u8]) -> Option<i64> {
    let digits = (1..=4).contains(&word.len()) && word.iter().all(u8::is_ascii_digit);
    digits.then(|| word.iter().fold(0, |sum, digit| sum * 10 + i64::from(digit - b'0')))
}

/// RFC 5322 §4.3: years of two and three digits.
fn year(number: i64, digits: usize) -> Option<i64> {
    match digits {
        4 => Some(number),
        3 => Some(1900 + number),
        2 if number < 50 => Some(2000 + number),
        2 => Some(1900 + number),
        _ => None,
    }
}

/// The month of a name or of its first three letters, from 1.
fn month(word: &[u8]) -> Option<i64> {
    const NAMES: [&[u8]; 12] = [
        b"january",
        b"february",
        b"march",
        b"april",
        b"may",
        b"june",
        b"july",
        b"august",
        b"september",
        b"october",
        b"november",
        b"december",
    ];
    let word = word.strip_suffix(b".").unwrap_or(word).to_ascii_lowercase();
    let at = NAMES.iter().position(|name| word.len() >= 3 && name.starts_with(&word))?;
    i64::try_from(at + 1).ok()
}

/// `12:26` or `12:26:40`, as seconds since midnight.
fn time(word: &[u8]) -> Option<i64> {
    let mut parts = word.split(|&octet| octet == b':');
    let hour = number(parts.next()?)?;
    let minute = number(parts.next()?)?;
    let second = parts.next().map_or(Some(0), number)?;
    let exists = parts.next().is_none() && hour <= 23 && minute <= 59 && second <= 60;
    exists.then_some(hour * 3600 + minute * 60 + second)
}

/// `12.26` or `12.26.40`, as some write it.
fn dotted_time(word: &[u8]) -> Option<i64> {
    let is_one = word.contains(&b'.') && word[0].is_ascii_digit();
    let colons: Vec<u8> =
        word.iter().map(|&octet| if octet == b'.' { b':' } else { octet }).collect();
    is_one.then(|| time(&colons)).flatten()
}

/// The half of the day that a time of at most 12 hours is in.
#[derive(Clone, Copy)]
enum Half {
    First,
    Second,
}

impl Half {
    /// What is beyond 12 hours already stays so.
    fn shift(self, time: i64) -> i64 {
        const HALF_A_DAY: i64 = 12 * 3600;
        let within =
            if (HALF_A_DAY..HALF_A_DAY + 3600).contains(&time) { time - HALF_A_DAY } else { time };
        match self {
            _ if within >= HALF_A_DAY => time,
            Self::First => within,
            Self::Second => within + HALF_A_DAY,
        }
    }
}

fn half_of_day(word: &[u8]) -> Option<Half> {
    match word.to_ascii_uppercase().as_slice() {
        b"AM" => Some(Half::First),
        b"PM" => Some(Half::Second),
        _ => None,
    }
}

/// `-0700`, or one of the names of RFC 5322 §4.3; `None` for any other name.
fn zone(word: &[u8]) -> Option<i16> {
    if let [sign @ (b'+' | b'-'), digits @ ..] = word {
        let number = i16::try_from(number(digits).filter(|_| digits.len() == 4)?).ok()?;
        let minutes = number / 100 * 60 + number % 100;
        let minutes = if minutes <= ZONE_MINUTES_MAX { minutes } else { 0 };
        return Some(if *sign == b'-' { -minutes } else { minutes });
    }
    let hours = match word.to_ascii_uppercase().as_slice() {
        b"UT" | b"UTC" | b"GMT" | b"Z" => 0,
        b"EDT" => -4,
        b"EST" | b"CDT" => -5,
        b"CST" | b"MDT" => -6,
        b"MST" | b"PDT" => -7,
        b"PST" => -8,
        _ => return None,
    };
    Some(hours * 60)
}

/// The text without what stands in parentheses (RFC 5322 §3.2.2).
fn without_comments(value: &[u8]) -> Vec<u8> {
    let mut text = Vec::with_capacity(value.len());
    let mut depth = 0_usize;
    let mut octets = value.iter();
    while let Some(&octet) = octets.next() {
        match octet {
            b'(' => depth += 1,
            b')' => depth = depth.saturating_sub(1),
            b'\\' if depth > 0 => {
                octets.next();
            }
            _ if depth == 0 => text.push(octet),
            _ => {}
        }
    }
    text
}

fn days_in_month(year: i64, month: i64) -> i64 {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    match month {
        2 if leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days since 1970-01-01 in the Gregorian calendar. The year is taken to begin in March, so
/// that the leap day comes last.
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

/// Gathers the dates of a message's header.
#[derive(Clone, Debug)]
pub(super) struct DateScan {
    lines: Lines,
    state: State,
}

#[derive(Clone, Debug, Default)]
struct State {
    dates: HeaderDates,
    field: Field,
    value: Vec<u8>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Field {
    Received,
    Date,
    #[default]
    Other,
    /// The header is over.
    Body,
}

impl DateScan {
    pub(super) fn new() -> Self {
        Self { lines: Lines::new(NAME_HOLD_OCTETS), state: State::default() }
    }

    pub(super) fn push(&mut self, chunk: &[u8]) {
        if self.state.field != Field::Body {
            self.lines.push(chunk, |piece| self.state.take(piece));
        }
    }

    pub(super) fn finish(mut self) -> HeaderDates {
        self.lines.finish(|piece| self.state.take(piece));
        self.state.close();
        self.state.dates
    }
}

impl State {
    fn take(&mut self, piece: Piece<'_>) {
        if self.field == Field::Body {
            return;
        }
        let Some(line) = piece.beginning() else {
            self.gather(piece.octets());
            return;
        };
        match kind_of(line) {
            Kind::Continuation { .. } => self.gather(line),
            Kind::Empty => {
                self.close();
                self.field = Field::Body;
            }
            Kind::Other => self.close(),
            Kind::Field { colon } => {
                self.close();
                let name = name_of(line, colon);
                if name.eq_ignore_ascii_case(b"Received") {
                    self.field = Field::Received;
                } else if name.eq_ignore_ascii_case(b"Date") {
                    self.field = Field::Date;
                }
                self.gather(&line[colon + 1..]);
            }
        }
    }

    fn gather(&mut self, octets: &[u8]) {
        if matches!(self.field, Field::Received | Field::Date) {
            let room = (FIELD_OCTETS_MAX + 1).saturating_sub(self.value.len());
            self.value.extend_from_slice(&octets[..octets.len().min(room)]);
        }
    }

    fn close(&mut self) {
        let value = std::mem::take(&mut self.value);
        let field = std::mem::take(&mut self.field);
        if value.len() > FIELD_OCTETS_MAX {
            return;
        }
        match field {
            Field::Received if self.dates.received.len() < RECEIVED_MAX => {
                let text = without_comments(&value);
                let semicolon = memchr::memrchr(b';', &text);
                let date = semicolon.and_then(|at| header_date(&text[at + 1..]));
                self.dates.received.extend(date);
            }
            Field::Date if self.dates.date.is_none() => self.dates.date = header_date(&value),
            Field::Received | Field::Date | Field::Other | Field::Body => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_700_000_000;

    fn date(text: &str) -> Option<(i64, i16)> {
        let date = header_date(text.as_bytes())?;
        Some((date.instant()?, date.zone_minutes()?))
    }

    #[test]
    fn the_dates_of_rfc_5322_are_read() {
        assert_eq!(date("Fri, 21 Nov 1997 09:55:06 -0600"), Some((880_127_706, -360)));
        assert_eq!(
            date("Thu,\r\n 13\r\n Feb\r\n 1969\r\n 23:32\r\n -0330"),
            Some((-27_723_480, -210))
        );
        assert_eq!(date(" 21 Nov 97 09:55:06 GMT"), Some((880_106_106, 0)));
        assert_eq!(
            date("Fri, 21 Nov 1997 09(comment):   55  :  06 -0600"),
            None,
            "blanks within a time are not read"
        );
    }

    #[test]
    fn odd_spellings_mean_the_same_moment() {
        let plain = Some(1_600_000_000);
        for text in [
            "Sun, 13 Sep 2020 12:26:40 +0000",
            "13 Sep 2020 12:26:40",
            "Sun Sep 13 12:26:40 2020",
            "Sun, 13 September 20 12:26:40 UT (Universal)",
            "Sun, 13 Sep 2020 08:26:40 EDT",
            "Sun, 13 Sep 120 14:26:40 +0200 (CEST)",
            "13-Sep-2020 12:26:40 Z",
            "Sun, 13 SEP 2020 12:26:40 +9900",
            "Sun,13 Sep 2020 12:26:40 Nowhere/Zone",
            "12:26:40 GMT 13 Sep 2020",
            "Sun, 13 Sep 2020 12:26:40 -0000",
        ] {
            assert_eq!(date(text).map(|date| date.0), plain, "{text}");
        }
    }

    /// U38, U40, U41, U42, U44, U45 and U46 of the unit catalogue. imapsync passes over names of zones, takes `67`
    /// for 2067, adds 12 hours to 12 PM, makes up a time, and takes 00-Jan-0000 for the year 2000;
    /// here the RFC is held, and what says no moment says none.
    #[test]
    fn dates_of_old_programs_are_read() {
        let instant = |text: &str| date(text).map(|date| date.0);
        for (text, expected) in [
            ("24-Aug-2010 16:00:00", 1_282_665_600),
            (" 1-Sep-2010 16:00:00 +0200", 1_283_349_600),
            ("02/06/09 22:18:08", 1_233_958_688),
            ("Wed Jan  2 08:40:57 2008", 1_199_263_257),
            ("Wed Jan 24 11:58:38 MST 2007", 1_169_665_118),
            ("Wednesday, 01 October 2003 12:45:24 CDT", 1_065_030_324),
            ("Wednesday, December 18, 2002 03:07 PM", 1_040_224_020),
            ("Wednesday, December 18, 2002 12:07 PM", 1_040_213_220),
            ("Wednesday, December 18, 2002 12:07 AM", 1_040_170_020),
            ("Dec 16 2004 02:01:49 -0500", 1_103_180_509),
            (" 2015/09/19 16:11:07 ", 1_442_679_067),
            ("13 Sep 2020 12.26.40", 1_600_000_000),
            ("24-Aug-2010 16:00:00 +0200", 1_282_658_400),
            ("24-Aug-2010 14:01:00 +0001", 1_282_658_400),
        ] {
            assert_eq!(instant(text), Some(expected), "{text}");
        }
        let year = |digits: &str| {
            let years = instant(&format!("1 Aug {digits} 00:00:00")).map(|it| it / 31_556_952);
            years.map(|years| 1970 + years)
        };
        for (digits, expected) in [("77", 1977), ("87", 1987), ("97", 1997), ("04", 2004)] {
            assert_eq!(year(digits), Some(expected), "{digits}");
        }
        assert!(instant("1 Aug 67 00:00:00").is_some_and(|instant| instant < 0), "1967");
        for text in ["21-Jun-2001", "00-Jan-0000 00:00:00 +0000", "2015/09 10:00", "13/13/13 1:00"]
        {
            assert_eq!(date(text), None, "{text}");
        }
    }

    #[test]
    fn what_is_no_date_is_none() {
        for text in [
            "",
            "32 Foo 99999 25:61:61",
            "31 Feb 2020 12:00:00",
            "Sun, 13 Sep 2020",
            "13 Sep 2020 24:00:00",
            "13 Sep 2020 12:00:00 12:00:00",
            "13 Sep Oct 2020 12:00",
            "13 Sep 12:00",
            "yesterday",
        ] {
            assert_eq!(date(text), None, "{text}");
        }
    }

    #[test]
    fn a_date_before_1970_or_ahead_of_time_is_impossible() {
        let possible = |seconds| is_possible(InternalDate::new(seconds, 0), NOW);
        assert!(possible(0) && possible(NOW) && possible(NOW + 86_400));
        assert!(!possible(-1) && !possible(NOW + 86_401) && !possible(-2_208_988_800));
        assert!(!is_possible(InternalDate::UNKNOWN, NOW));
        assert!(is_possible(InternalDate::new(5, 0), i64::MAX));
    }

    fn scan(message: &[u8]) -> HeaderDates {
        let mut scan = DateScan::new();
        message.chunks(7).for_each(|chunk| scan.push(chunk));
        scan.finish()
    }

    #[test]
    fn the_last_hop_is_believed_before_the_author() {
        let message = b"Received: from a by b (c; d);\r\n\tFri, 1 Jan 2100 00:00:00 +0000\r\n\
            Received: from x by a; Sun, 13 Sep 2020 12:26:40 +0000\r\n\
            Received: without a date\r\n\
            Date: Sat, 12 Sep 2020 12:26:40 +0000\r\n\r\n\
            Received: x; Mon, 14 Sep 2020 12:26:40 +0000\r\n";
        let dates = scan(message);
        assert_eq!(dates.received.len(), 2);
        assert_eq!(dates.best(NOW).and_then(InternalDate::instant), Some(1_600_000_000));
        let only_author = scan(b"Date: Sat, 12 Sep 2020 12:26:40 +0000\r\n");
        assert_eq!(only_author.best(NOW).and_then(InternalDate::instant), Some(1_599_913_600));
        assert_eq!(scan(b"Date: nonsense\r\n\r\n").best(NOW), None);
    }
}

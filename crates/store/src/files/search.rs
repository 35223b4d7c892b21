//! The part of SEARCH (RFC 9051 §6.4.4) that is answered for messages in files: SINCE, BEFORE,
//! HEADER and OR. Anything else is refused, since what is left out unasked would be missed.

use mailferry_engine::fault::{Fault, FaultKind, Side};
use mailferry_engine::message::InternalDate;

use crate::contract::Selection;

const DAY_SECONDS: i64 = 86_400;
/// How deep OR may be nested: as many Message-Ids may be asked for, and some more.
const DEPTH_MAX: usize = 1000;
const MONTHS: [&[u8]; 12] = [
    b"JAN", b"FEB", b"MAR", b"APR", b"MAY", b"JUN", b"JUL", b"AUG", b"SEP", b"OCT", b"NOV", b"DEC",
];

/// What is searched for: all of these.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Search(Vec<Key>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Key {
    /// The day of the INTERNALDATE, in its own zone, is that or later.
    Since(i64),
    /// It is earlier.
    Before(i64),
    /// The header holds these words, whatever their case.
    Header {
        name: Vec<u8>,
        words: Vec<u8>,
    },
    Or(Box<Key>, Box<Key>),
}

impl Search {
    /// Reads a selection.
    ///
    /// # Errors
    /// It asks for what is not answered here.
    pub(super) fn read(selection: &Selection) -> Result<Self, Fault> {
        let Some(program) = &selection.0 else { return Ok(Self::default()) };
        let mut reader = Reader { rest: program };
        let mut keys = Vec::new();
        while !reader.rest.trim_ascii().is_empty() {
            keys.push(reader.key(0).ok_or_else(|| {
                let words = "messages in files are searched by SINCE, BEFORE and HEADER only";
                Fault::new(Side::Source, FaultKind::Limit, words)
            })?);
        }
        Ok(Self(keys))
    }

    /// Whether the header of a message has to be looked at.
    pub(super) fn asks_for_header(&self) -> bool {
        fn asks(key: &Key) -> bool {
            match key {
                Key::Header { .. } => true,
                Key::Or(one, other) => asks(one) || asks(other),
                Key::Since(_) | Key::Before(_) => false,
            }
        }
        self.0.iter().any(asks)
    }

    /// Whether a message is found.
    pub(super) fn finds(&self, date: InternalDate, header: &[u8]) -> bool {
        self.0.iter().all(|key| key.finds(date, header))
    }
}

impl Key {
    fn finds(&self, date: InternalDate, header: &[u8]) -> bool {
        let zone = i64::from(date.zone_minutes().unwrap_or(0)) * 60;
        let day = date.instant().map(|instant| (instant + zone).div_euclid(DAY_SECONDS));
        match self {
            Self::Since(first) => day.is_some_and(|day| day >= *first),
            Self::Before(end) => day.is_some_and(|day| day < *end),
            Self::Header { name, words } => holds(header, name, words),
            Self::Or(one, other) => one.finds(date, header) || other.finds(date, header),
        }
    }
}

/// Whether a header of this name holds these words; continued lines are one (RFC 5322 §2.2.3).
fn holds(header: &[u8], name: &[u8], words: &[u8]) -> bool {
    let mut value: Option<Vec<u8>> = None;
    let is_in = |value: &Option<Vec<u8>>| {
        value.as_ref().is_some_and(|value| {
            words.is_empty() || value.windows(words.len()).any(|it| it.eq_ignore_ascii_case(words))
        })
    };
    for line in header.split(|&octet| octet == b'\n') {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.is_empty() {
            break;
        }
        if line[0] == b' ' || line[0] == b'\t' {
            if let Some(value) = &mut value {
                value.extend_from_slice(line);
            }
            continue;
        }
        if is_in(&value) {
            return true;
        }
        let colon = line.iter().position(|&octet| octet == b':').unwrap_or(line.len());
        let is_named = line[..colon].trim_ascii_end().eq_ignore_ascii_case(name);
        value = is_named.then(|| line.get(colon + 1..).unwrap_or_default().to_vec());
    }
    is_in(&value)
}

struct Reader<'a> {
    rest: &'a [u8],
}

impl Reader<'_> {
    fn key(&mut self, depth: usize) -> Option<Key> {
        if depth > DEPTH_MAX {
            return None;
        }
        match &self.word()?.to_ascii_uppercase()[..] {
            b"SINCE" => self.day().map(Key::Since),
            b"BEFORE" => self.day().map(Key::Before),
            b"HEADER" => Some(Key::Header { name: self.word()?, words: self.word()? }),
            b"OR" => Some(Key::Or(Box::new(self.key(depth + 1)?), Box::new(self.key(depth + 1)?))),
            _ => None,
        }
    }

    /// An atom or a quoted string.
    fn word(&mut self) -> Option<Vec<u8>> {
        self.rest = self.rest.trim_ascii_start();
        if let Some(quoted) = self.rest.strip_prefix(b"\"") {
            let mut word = Vec::new();
            let mut octets = quoted.iter().enumerate();
            while let Some((at, &octet)) = octets.next() {
                match octet {
                    b'"' => {
                        self.rest = &quoted[at + 1..];
                        return Some(word);
                    }
                    b'\\' => word.push(*octets.next()?.1),
                    octet => word.push(octet),
                }
            }
            return None;
        }
        let end = self.rest.iter().position(u8::is_ascii_whitespace).unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        let is_atom = |octet: &u8| octet.is_ascii_graphic() && !b"(){}\"\\*%".contains(octet);
        (!word.is_empty() && word.iter().all(is_atom)).then(|| word.to_vec())
    }

    /// `1-Nov-2026` as days since 1970-01-01.
    fn day(&mut self) -> Option<i64> {
        let word = self.word()?.to_ascii_uppercase();
        let mut parts = word.split(|&octet| octet == b'-');
        let number = |part: Option<&[u8]>| std::str::from_utf8(part?).ok()?.parse::<i64>().ok();
        let day = number(parts.next()).filter(|day| (1..=31).contains(day))?;
        let name = parts.next()?;
        let month = MONTHS.iter().position(|month| *month == name)?;
        let year = number(parts.next()).filter(|year| (1..=9999).contains(year))?;
        parts.next().is_none().then(|| days(year, i64::try_from(month).unwrap_or(0) + 1, day))
    }
}

/// Days from 1970-01-01 to a day of the Gregorian calendar.
fn days(year: i64, month: i64, day: i64) -> i64 {
    // Years begin in March here, so that the leap day is the last.
    let year = if month <= 2 { year - 1 } else { year };
    let (era, year_of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn search(program: &str) -> Option<Search> {
        Search::read(&Selection(Some(program.as_bytes().to_vec()))).ok()
    }

    fn finds(program: &str, seconds: i64, header: &str) -> bool {
        let date = InternalDate::new(seconds, 0);
        search(program).unwrap().finds(date, header.as_bytes())
    }

    #[test]
    fn days_are_those_of_the_calendar() {
        for (year, month, day, expected) in [
            (1970, 1, 1, 0),
            (1969, 12, 31, -1),
            (2000, 2, 29, 11_016),
            (2000, 3, 1, 11_017),
            (2026, 11, 26, 20_783),
        ] {
            assert_eq!(days(year, month, day), expected, "{year}-{month}-{day}");
        }
    }

    #[test]
    fn messages_are_found_by_their_days() {
        let noon = 20_783 * DAY_SECONDS + 43_200;
        assert!(finds("SINCE 26-Nov-2026", noon, ""));
        assert!(!finds("SINCE 27-Nov-2026", noon, ""));
        assert!(finds("SINCE 26-Nov-2026 BEFORE 27-nov-2026", noon, ""));
        assert!(!finds("BEFORE 26-Nov-2026", noon, ""));
    }

    #[test]
    fn messages_are_found_by_their_headers() {
        let header =
            "Subject: x <a@b>\r\nMessage-ID:\r\n <A@b.example>\r\nTo: y\r\n\r\nMessage-Id: <c@d>";
        assert!(finds("HEADER Message-Id \"<a@B.example>\"", 0, header));
        assert!(!finds("HEADER Message-Id \"<c@d>\"", 0, header));
        assert!(!finds("HEADER Message-Id \"x <a@b>\"", 0, header));
        assert!(finds("OR HEADER Message-Id \"<c@d>\" HEADER To y", 0, header));
        assert!(finds("HEADER To \"\"", 0, header) && !finds("HEADER Cc \"\"", 0, header));
        assert!(search("HEADER Message-Id \"a\\\"b\\\\\"").unwrap().asks_for_header());
    }

    #[test]
    fn anything_else_is_refused_and_never_left_out() {
        for program in [
            "UNSEEN",
            "FROM bob",
            "SINCE yesterday",
            "SINCE 32-Nov-2026",
            "HEADER To",
            "OR SINCE 1-Jan-2026",
            "HEADER To \"x",
            "(SINCE 1-Jan-2026)",
        ] {
            assert_eq!(search(program), None, "{program}");
        }
        assert!(search(&"OR ".repeat(5000)).is_none());
    }
}

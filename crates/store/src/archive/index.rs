//! `mailferry.index`: what a mailbox keeps of its messages beside their octets. A line each, its parts
//! separated by tabs, shown as `⇥`:
//!
//! ```text
//! mailferry-index 1 uidvalidity 1700000000 uidnext 413
//! 411⇥13-Sep-2020 12:26:40 +0200⇥1355⇥9f86d081…⇥411.eml⇥\Seen $Forwarded
//! 412⇥13-Sep-2020 12:27:01 +0000⇥870⇥60303ae2…⇥412.eml⇥
//! ```
//!
//! UID, INTERNALDATE, octets, SHA-256, place, and flags. Lines are added; where one changes or goes the
//! file is written anew. The place in an mbox is `@start+head+stored`, octets all: where the line before
//! the message begins, how long it is, and what stands for the message behind it. There a line
//! `end 10240` says how long the file is with all that stands above in it; what follows is in doubt.

use std::collections::HashSet;
use std::fmt::Write as _;
use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::path::Path;

use mailferry_engine::message::{Flag, FlagSet, InternalDate, Uid};
use mailferry_imap::date::InternalDate as WireDate;

use super::INDEX;
use super::names::{escape, unescape};
use crate::contract::OctetDigest;
use crate::files::disk::{add, read_or_empty, replace};

const HEAD: &str = "mailferry-index ";
const END: &str = "end ";
/// The form that is written; one that is newer is not read.
const VERSION: u32 = 1;

/// The contents of the file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Index {
    /// UIDVALIDITY; 0 until there is one.
    pub(super) validity: u32,
    /// The UID that the next message gets.
    pub(super) next: u32,
    /// In ascending order of UID.
    pub(super) rows: Vec<IndexRow>,
    /// Octets of the mbox.
    pub(super) end: u64,
    /// So many of the rows are known to be in it.
    pub(super) proven: usize,
    /// Whether the file on the disk can be added to.
    pub(super) open_ended: bool,
}

/// One message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct IndexRow {
    pub(super) uid: Uid,
    pub(super) date: InternalDate,
    pub(super) octets: u64,
    /// `None` for a message that another program put there.
    pub(super) digest: Option<OctetDigest>,
    pub(super) place: Place,
    pub(super) flags: FlagSet,
}

/// Where a message is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Place {
    /// In a file of its own.
    File(Box<str>),
    /// In an mbox.
    Part {
        /// Where the line before it begins.
        start: u64,
        /// Octets of that line.
        head: u64,
        /// Octets that stand for the message behind that line.
        stored: u64,
    },
}

impl Index {
    pub(super) fn new(validity: u32) -> Self {
        Self { validity, next: 1, ..Self::default() }
    }

    /// Reads the file of a folder; one without UIDVALIDITY where there is none, or it is another one.
    ///
    /// # Errors
    /// It cannot be read, or a later version wrote it.
    pub(super) fn read(folder: &Path) -> io::Result<Self> {
        // An account that is one file has nothing beside it.
        let text =
            if folder.is_file() { String::new() } else { read_or_empty(&folder.join(INDEX))? };
        match Self::parse(&text) {
            Ok(index) => Ok(index.unwrap_or_else(|| Self::new(0))),
            Err(version) => {
                let words = format!("{INDEX} is of version {version}: a later program wrote it");
                Err(io::Error::new(io::ErrorKind::Unsupported, words))
            }
        }
    }

    /// Reads it; `Err` is a version that is not understood. A line that is not understood, or whose UID
    /// was given before, counts as missing: its message gets a UID anew.
    fn parse(text: &str) -> Result<Option<Self>, u32> {
        let mut lines = text.split_inclusive('\n');
        let Some(head) = lines.next().and_then(|line| line.strip_prefix(HEAD)) else {
            return Ok(None);
        };
        let mut words = head.split_ascii_whitespace();
        let mut number = |name: Option<&str>| {
            let named = name.is_none_or(|name| words.next() == Some(name));
            words.next().filter(|_| named)?.parse::<u32>().ok()
        };
        match number(None) {
            Some(VERSION) => {}
            Some(version) if version > VERSION => return Err(version),
            _ => return Ok(None),
        }
        let Some((validity, next)) = number(Some("uidvalidity")).zip(number(Some("uidnext")))
        else {
            return Ok(None);
        };
        let mut index = Self { next: next.max(1), ..Self::new(validity) };
        let mut given = HashSet::new();
        for line in lines.filter_map(|line| line.strip_suffix('\n')) {
            if let Some(end) = line.strip_prefix(END).and_then(|end| end.parse().ok()) {
                (index.end, index.proven) = (end, index.rows.len());
            }
            let Some(row) = IndexRow::read(line) else { continue };
            if given.insert(row.uid) {
                index.next = index.next.max(row.uid.value().saturating_add(1));
                index.rows.push(row);
            }
        }
        index.rows.sort_by_key(|row| row.uid);
        // What follows a line that was cut off would be lost with it.
        index.open_ended = text.ends_with('\n');
        Ok((validity != 0).then_some(index))
    }

    fn text(&self) -> String {
        let Self { validity, next, .. } = self;
        let mut text = format!("{HEAD}{VERSION} uidvalidity {validity} uidnext {next}\n");
        self.rows.iter().for_each(|row| row.write(&mut text));
        if self.end > 0 {
            text += &format!("{END}{}\n", self.end);
        }
        text
    }

    /// Writes it whole, in the place of what was there.
    pub(super) fn write(&mut self, folder: &Path) -> io::Result<()> {
        replace(&folder.join(INDEX), &self.text())?;
        self.open_ended = true;
        Ok(())
    }

    /// Adds lines to it, on the disk before this returns.
    pub(super) fn add(&mut self, folder: &Path, rows: Vec<IndexRow>) -> io::Result<()> {
        let mut text = String::new();
        rows.iter().for_each(|row| row.write(&mut text));
        add(&folder.join(INDEX), &text)?;
        self.rows.extend(rows);
        Ok(())
    }

    /// Notes that the mbox has all that the lines tell of. It can be found out, so nobody waits for
    /// the disk.
    pub(super) fn prove(&mut self, folder: &Path, end: u64) -> io::Result<()> {
        let mut file = OpenOptions::new().append(true).open(folder.join(INDEX))?;
        file.write_all(format!("{END}{end}\n").as_bytes())?;
        (self.end, self.proven) = (end, self.rows.len());
        Ok(())
    }

    /// Gives the next UID.
    pub(super) fn give(&mut self) -> io::Result<Uid> {
        let uid = Uid::new(self.next).filter(|_| self.next < u32::MAX);
        self.next = self.next.saturating_add(1);
        uid.ok_or_else(|| io::Error::other("there are no UIDs left"))
    }

    /// The row of a message.
    pub(super) fn row(&mut self, uid: Uid) -> Option<&mut IndexRow> {
        let at = self.rows.binary_search_by_key(&uid, |row| row.uid).ok()?;
        self.rows.get_mut(at)
    }
}

impl IndexRow {
    fn read(line: &str) -> Option<Self> {
        let mut parts = line.split('\t');
        let mut part = || parts.next();
        let uid = part()?.parse().ok().and_then(Uid::new)?;
        let date = WireDate::parse(part()?.as_bytes())?;
        let date = InternalDate::new(date.seconds, date.zone_minutes);
        let octets = part()?.parse().ok()?;
        let digest = match part()? {
            "-" => None,
            digits => Some(read_digest(digits)?),
        };
        let place = Place::read(part()?)?;
        let words = part()?.split(' ').filter(|word| !word.is_empty());
        let flags = words.map(|word| Flag::new(&unescape(word))).collect();
        Some(Self { uid, date, octets, digest, place, flags })
    }

    fn write(&self, text: &mut String) {
        let (seconds, zone) = self.date.instant().zip(self.date.zone_minutes()).unwrap_or_default();
        let date = WireDate { seconds, zone_minutes: zone };
        let _ = write!(text, "{}\t{date}\t{}\t", self.uid, self.octets);
        let _ = match &self.digest {
            Some(digest) => write!(text, "{digest}"),
            None => write!(text, "-"),
        };
        let flag = |flag: &Flag| escape(flag.as_bytes(), |octet| octet.is_ascii_graphic());
        let flags: Vec<String> = self.flags.iter().map(flag).collect();
        let _ = writeln!(text, "\t{}\t{}", self.place.text(), flags.join(" "));
    }
}

impl Place {
    fn read(text: &str) -> Option<Self> {
        if let Some(numbers) = text.strip_prefix('@') {
            let mut numbers = numbers.split('+').map_while(|number| number.parse().ok());
            let part = (numbers.next()?, numbers.next()?, numbers.next()?);
            let (start, head, stored): (u64, u64, u64) = part;
            start.checked_add(head)?.checked_add(stored)?;
            return numbers.next().is_none().then_some(Self::Part { start, head, stored });
        }
        let name = String::from_utf8(unescape(text)).ok()?;
        // Nothing in the file leads out of the folder.
        let is_name = !name.is_empty() && !name.contains(['/', '\\']) && !name.starts_with('.');
        is_name.then(|| Self::File(name.into()))
    }

    fn text(&self) -> String {
        match self {
            Self::Part { start, head, stored } => format!("@{start}+{head}+{stored}"),
            Self::File(name) => {
                let escaped = |character: char| match character.is_control() || character == '%' {
                    true => escape(character.to_string().as_bytes(), |_| false),
                    false => character.to_string(),
                };
                name.chars().map(escaped).collect()
            }
        }
    }
}

fn read_digest(digits: &str) -> Option<OctetDigest> {
    let mut octets = [0; 32];
    if digits.len() != 64 || !digits.is_ascii() {
        return None;
    }
    for (octet, at) in octets.iter_mut().zip((0..64).step_by(2)) {
        *octet = u8::from_str_radix(&digits[at..at + 2], 16).ok()?;
    }
    Some(OctetDigest(octets))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    const TEXT: &str = "mailferry-index 1 uidvalidity 1700000000 uidnext 420\n\
        411\t13-Sep-2020 12:26:40 +0200\t1355\t\
        9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08\t411.eml\t\
        $Forwarded \\Seen\n\
        412\t13-Sep-2020 12:27:01 +0000\t870\t-\ta%25 letter%09é.eml\t\n";

    #[test]
    fn the_documented_form_is_read_and_written() {
        let index = Index::parse(TEXT).unwrap().unwrap();
        assert_eq!((index.validity, index.next, index.rows.len()), (1_700_000_000, 420, 2));
        assert_eq!(index.rows[1].place, Place::File("a% letter\té.eml".into()));
        assert_eq!((index.rows[0].octets, index.rows[1].digest), (1355, None));
        assert_eq!(index.text(), TEXT);
    }

    #[test]
    fn a_line_that_is_not_whole_counts_as_missing() {
        for cut in 1..TEXT.len() {
            let Ok(Some(index)) = Index::parse(TEXT.get(..cut).unwrap_or(TEXT)) else { continue };
            assert!(index.rows.len() < 2 || TEXT.get(..cut).is_none(), "{cut}");
        }
        let twice = format!("{TEXT}411\t13-Sep-2020 12:26:40 +0200\t1\t-\tx.eml\t\nnonsense\n");
        assert_eq!(Index::parse(&twice).unwrap().unwrap().rows.len(), 2);
        let out = TEXT.replace("411.eml", "../411.eml");
        assert_eq!(Index::parse(&out).unwrap().unwrap().rows.len(), 1);
        assert_eq!(Index::parse("mailferry-index 2 uidvalidity 1 uidnext 1\n"), Err(2));
        assert_eq!(Index::parse("mailferry-index 1 uidvalidity 0 uidnext 1\n"), Ok(None));
    }

    proptest! {
        #[test]
        fn any_text_is_an_index_or_none(text in "[0-9a\t:\n +-]{0,80}") {
            if let Ok(Some(index)) = Index::parse(&format!("{TEXT}{text}\n")) {
                prop_assert_eq!(Index::parse(&index.text()), Ok(Some(index)));
            }
            let _ = Index::parse(&text);
        }
    }
}

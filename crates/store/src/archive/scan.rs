//! Finding the messages of an mbox that no index tells of.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};

use mailferry_engine::message::{FlagSet, InternalDate};
use mailferry_imap::date::InternalDate as WireDate;
use ring::digest::{Context, SHA256};

use super::mbox::flags_of;
use crate::contract::OctetDigest;
use crate::files::mboxrd::{Direction, Quoting};

/// So much of a line is looked at.
const LINE_OCTETS_MAX: usize = 1000;
/// So much of a message is looked at for what its header says.
const HEADER_OCTETS_MAX: usize = 1 << 20;
const CHUNK_OCTETS: usize = 64 * 1024;

/// A message that was found.
pub(super) struct Scanned {
    /// Where the line before it begins.
    pub(super) start: u64,
    /// Octets of that line.
    pub(super) head: u64,
    /// Octets of the file that stand for it, behind that line.
    pub(super) stored: u64,
    /// Of the message.
    pub(super) octets: u64,
    pub(super) digest: OctetDigest,
    /// Of the message without the end of its last line: there may have been none.
    pub(super) digest_without_end: OctetDigest,
    pub(super) date: InternalDate,
    pub(super) flags: FlagSet,
}

/// The messages of a file from there on; `None` where none begins there.
pub(super) fn messages(file: &mut File, from: u64) -> io::Result<Option<Vec<Scanned>>> {
    let lines = from_lines(file, from)?;
    let octets = file.metadata()?.len();
    if octets > from && lines.first().is_none_or(|line| line.start != from) {
        return Ok(None);
    }
    let ends = lines.iter().skip(1).map(|line| line.start).chain([octets]);
    let mut found = Vec::with_capacity(lines.len());
    for (line, end) in lines.iter().zip(ends) {
        found.push(message(file, line, end)?);
    }
    Ok(Some(found))
}

/// Where messages begin, from there on.
pub(super) fn beginnings(file: &mut File, from: u64) -> io::Result<Vec<u64>> {
    Ok(from_lines(file, from)?.iter().map(|line| line.start).collect())
}

/// The digest of so many octets of a message that is read as it stands in the file.
pub(super) fn digest(stored: &mut impl Read, octets: u64) -> io::Result<OctetDigest> {
    let (mut context, mut left) = (Context::new(&SHA256), octets);
    unquoted(stored, |some| {
        let taken = usize::try_from(left).unwrap_or(usize::MAX).min(some.len());
        context.update(&some[..taken]);
        left -= taken as u64;
    })?;
    Ok(OctetDigest::of(context))
}

/// Reads what stands for a message.
fn unquoted(stored: &mut impl Read, mut take: impl FnMut(&[u8])) -> io::Result<()> {
    let (mut quoting, mut out) = (Quoting::new(Direction::Unquote), Vec::new());
    let mut chunk = vec![0; CHUNK_OCTETS];
    loop {
        out.clear();
        let read = stored.read(&mut chunk)?;
        match read {
            0 => quoting.finish(&mut out),
            _ => quoting.push(&chunk[..read], &mut out),
        }
        take(&out);
        if read == 0 {
            return Ok(());
        }
    }
}

fn message(file: &mut File, line: &FromLine, end: u64) -> io::Result<Scanned> {
    let FromLine { start, head, date } = *line;
    let stored = end - start - head;
    file.seek(SeekFrom::Start(start + head))?;
    let (mut header, mut last) = (Vec::new(), Vec::new());
    let (mut octets, mut context) = (0, Context::new(&SHA256));
    unquoted(&mut file.take(stored), |some| {
        octets += some.len() as u64;
        header.extend_from_slice(&some[..some.len().min(HEADER_OCTETS_MAX - header.len())]);
        last.extend_from_slice(some);
        // What ends it is looked at when it has ended.
        let passed = last.len().saturating_sub(3);
        context.update(&last[..passed]);
        last.drain(..passed);
    })?;
    // The empty line behind it is not its own.
    let separator = match &last[..] {
        [b'\n'] | [.., b'\n', b'\n'] => 1,
        [b'\r', b'\n'] | [.., b'\n', b'\r', b'\n'] => 2,
        _ => 0,
    };
    last.truncate(last.len() - separator);
    let mut without_end = context.clone();
    without_end.update(last.strip_suffix(b"\n").unwrap_or(&last));
    context.update(&last);
    let header_end = memchr::memmem::find(&header, b"\n\n")
        .into_iter()
        .chain(memchr::memmem::find(&header, b"\n\r\n"))
        .min();
    Ok(Scanned {
        start,
        head,
        stored,
        octets: octets - separator as u64,
        digest: OctetDigest::of(context),
        digest_without_end: OctetDigest::of(without_end),
        date,
        flags: flags_of(&header[..header_end.unwrap_or(header.len())]),
    })
}

/// A line before a message.
struct FromLine {
    start: u64,
    head: u64,
    date: InternalDate,
}

fn from_lines(file: &mut File, from: u64) -> io::Result<Vec<FromLine>> {
    file.seek(SeekFrom::Start(from))?;
    let mut reader = BufReader::with_capacity(CHUNK_OCTETS, file);
    let (mut start, mut head, mut line) = (from, 0, Vec::new());
    let mut found = Vec::new();
    loop {
        let octets = reader.fill_buf()?;
        let is_end = octets.is_empty();
        let line_end = memchr::memchr(b'\n', octets).map(|at| at + 1);
        let piece = line_end.unwrap_or(octets.len());
        line.extend_from_slice(&octets[..piece.min(LINE_OCTETS_MAX - line.len())]);
        head += piece as u64;
        reader.consume(piece);
        if line_end.is_some() || is_end {
            let date = date_of(&line);
            found.extend(date.map(|date| FromLine { start, head, date }));
            start += head;
            (head, line) = (0, Vec::new());
        }
        if is_end {
            return Ok(found);
        }
    }
}

/// The date of a line before a message; `None` for another line: `From a@b Sun Sep 13 12:26:40 2020`,
/// and what there is of it with a zone before the year or behind it.
fn date_of(line: &[u8]) -> Option<InternalDate> {
    let text = std::str::from_utf8(line.strip_prefix(b"From ")?).ok()?;
    let words: Vec<&str> = text.split_ascii_whitespace().collect();
    let is_day = |word: &str| ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"].contains(&word);
    let at = words.iter().position(|word| is_day(word))?;
    let [month, day, time, rest @ ..] = words.get(at + 1..)? else { return None };
    let is_number = |word: &&str| word.bytes().all(|octet| octet.is_ascii_digit());
    let year = rest.iter().copied().find(|word| word.len() == 4 && is_number(word))?;
    let is_zone = |word: &&str| word.len() == 5 && word.starts_with(['+', '-']);
    let zone = rest.iter().copied().find(is_zone).unwrap_or("+0000");
    let seconds = if time.len() == 5 { ":00" } else { "" };
    let date = format!("{day}-{month}-{year} {time}{seconds} {zone}");
    let date = WireDate::parse(date.as_bytes())?;
    Some(InternalDate::new(date.seconds, date.zone_minutes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_many_programs_begin_a_message() {
        for (line, instant) in [
            ("From mailferry Sun Sep 13 12:26:40 2020\n", Some(1_600_000_000)),
            ("From a@b.example Sun Sep 13 12:26:40 2020\r\n", Some(1_600_000_000)),
            ("From 1678@xxx Sun Sep 13 12:26:40 +0000 2020", Some(1_600_000_000)),
            ("From - Sun Sep 13 14:26:40 2020 +0200\n", Some(1_600_000_000)),
            ("From a b Sun Sep  6 12:26 PDT 2020\n", Some(1_599_395_160)),
            ("From me to you\n", None),
            ("From Sun to Sep 13 12:26:40 2020\n", None),
            (">From a Sun Sep 13 12:26:40 2020\n", None),
            ("From: a Sun Sep 13 12:26:40 2020\n", None),
            ("From a Sun Sep 31 12:26:40 2020\n", None),
        ] {
            let found = date_of(line.as_bytes()).and_then(InternalDate::instant);
            assert_eq!(found, instant, "{line}");
        }
    }
}

//! A mailbox as one file, `mbox`, in the form that is called mboxrd: before each message a line
//! `From mailferry Sun Sep 13 12:26:40 2020`, behind it an empty one, and in it a `>` more before each
//! line that could be taken for the first.

use std::collections::{HashMap, VecDeque};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use mailferry_engine::message::{FlagSet, InternalDate, Uid};
use mailferry_imap::date::InternalDate as WireDate;

use super::index::{Index, IndexRow, Place};
use super::scan::{self, Scanned};
use crate::contract::OctetDigest;
use crate::files::delivery::Delivery;
use crate::files::disk::sync_folder;

/// The file, where the account is a folder.
pub(super) const MBOX: &str = "mbox";
/// How a line of ours before a message begins.
const SENDER: &str = "From mailferry ";
/// A file that is to take its place.
const REWRITTEN: &str = "mbox.mailferry-new";

/// The file of a mailbox; an account may be one file.
pub(super) fn path_of(folder: &Path) -> PathBuf {
    if folder.is_file() { folder.to_owned() } else { folder.join(MBOX) }
}

/// What became of the octets that an index tells of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Agreement {
    /// They are there.
    Same,
    /// The index is another now.
    Changed,
    /// So it is, and the file ends with the beginning of a message that is to be cut off.
    Torn,
}

/// Brings an index in agreement with the file.
pub(super) fn agree(folder: &Path, index: &mut Index) -> io::Result<Agreement> {
    let path = path_of(folder);
    let mut file = match File::open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let was_empty = index.rows.is_empty() && index.end == 0;
            index.rows.clear();
            (index.end, index.proven) = (0, 0);
            return Ok(if was_empty { Agreement::Same } else { Agreement::Changed });
        }
        Err(error) => return Err(error),
    };
    let octets = file.metadata()?.len();
    if index.end == octets && index.proven == index.rows.len() {
        return Ok(Agreement::Same);
    }
    if let Some(torn) = prove(&mut file, octets, index)? {
        return Ok(torn);
    }
    if octets > index.end && !index.rows.is_empty() {
        // Another program may have added to it.
        let added = scan::messages(&mut file, index.end)?;
        if let Some(added) = added {
            for found in added {
                let uid = index.give()?;
                index.rows.push(found.row(uid));
            }
            (index.end, index.proven) = (octets, index.rows.len());
            return Ok(Agreement::Changed);
        }
    }
    if octets != index.end || index.rows.is_empty() {
        read_anew(&mut file, index)?;
    }
    (index.end, index.proven) = (octets, index.rows.len());
    Ok(Agreement::Changed)
}

/// Looks at messages whose lines were written and that may not be there: those that are whole are
/// believed. `Some` if the rest is the beginning of such a message, and nobody added to it.
fn prove(file: &mut File, octets: u64, index: &mut Index) -> io::Result<Option<Agreement>> {
    let doubtful = index.rows.split_off(index.proven);
    let mut starts = Vec::new();
    for row in doubtful {
        let is_there = starts.is_empty() && row.is_in(file, octets)?;
        let Place::Part { start, .. } = row.place else { continue };
        if is_there {
            index.end = row.end();
            index.rows.push(row);
        } else {
            starts.push(start);
        }
    }
    index.proven = index.rows.len();
    if starts.is_empty() || octets <= index.end {
        return Ok(None);
    }
    // What another program has added since stays.
    for at in scan::beginnings(file, index.end)?.iter().chain(&starts[..1]) {
        let mut line = Vec::new();
        file.seek(SeekFrom::Start(*at))?;
        file.take(SENDER.len() as u64).read_to_end(&mut line)?;
        if !starts.contains(at) || !SENDER.as_bytes().starts_with(&line) {
            return Ok(None);
        }
    }
    Ok(Some(Agreement::Torn))
}

impl IndexRow {
    /// Where what stands for it ends.
    fn end(&self) -> u64 {
        match self.place {
            Place::Part { start, head, stored } => start + head + stored,
            Place::File(_) => 0,
        }
    }

    /// Whether the octets are there.
    fn is_in(&self, file: &mut File, octets: u64) -> io::Result<bool> {
        let Place::Part { start, head, stored } = self.place else { return Ok(false) };
        if self.end() > octets {
            return Ok(false);
        }
        file.seek(SeekFrom::Start(start + head))?;
        let digest = scan::digest(&mut file.take(stored), self.octets)?;
        Ok(Some(digest) == self.digest)
    }
}

/// Reads the whole file. What was known of a message is known of the one that has its octets.
fn read_anew(file: &mut File, index: &mut Index) -> io::Result<()> {
    let Some(found) = scan::messages(file, 0)? else {
        let words = "it does not begin as an mbox does, with `From `";
        return Err(io::Error::new(io::ErrorKind::InvalidData, words));
    };
    let mut known: HashMap<OctetDigest, VecDeque<IndexRow>> = HashMap::new();
    for row in std::mem::take(&mut index.rows) {
        if let Some(digest) = row.digest {
            known.entry(digest).or_default().push_back(row);
        }
    }
    for found in found {
        let one = known.get_mut(&found.digest).and_then(VecDeque::pop_front);
        // The end of its last line is not its own, if it had none.
        let one = one.or_else(|| known.get_mut(&found.digest_without_end)?.pop_front());
        let row = match one {
            Some(row) => IndexRow { place: found.place(), ..row },
            None => found.row(index.give()?),
        };
        index.rows.push(row);
    }
    index.rows.sort_by_key(|row| row.uid);
    Ok(())
}

impl Scanned {
    fn place(&self) -> Place {
        Place::Part { start: self.start, head: self.head, stored: self.stored }
    }

    fn row(&self, uid: Uid) -> IndexRow {
        IndexRow {
            uid,
            date: self.date,
            octets: self.octets,
            digest: Some(self.digest),
            place: self.place(),
            flags: self.flags.clone(),
        }
    }
}

/// Makes an empty one where it is missing: by it others know a mailbox.
pub(super) fn make(folder: &Path) -> io::Result<()> {
    OpenOptions::new().append(true).create(true).open(path_of(folder))?.sync_all()
}

/// Cuts off what a run that was killed had begun.
pub(super) fn cut(folder: &Path, index: &Index) -> io::Result<()> {
    let file = OpenOptions::new().write(true).open(path_of(folder))?;
    file.set_len(index.end)?;
    file.sync_all()
}

/// The line before a message.
pub(super) fn from_line(date: InternalDate) -> String {
    const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    let seconds = date.instant().unwrap_or(0);
    let text = WireDate { seconds, zone_minutes: 0 }.format();
    // `13-Sep-2020 12:26:40 +0000`.
    let (day, month, year, time) = (&text[..2], &text[3..6], &text[7..11], &text[12..20]);
    let day = day.strip_prefix('0').map_or_else(|| day.to_owned(), |digit| format!(" {digit}"));
    let weekday = DAYS[usize::try_from(seconds.div_euclid(86_400).rem_euclid(7)).unwrap_or(0)];
    format!("{SENDER}{weekday} {month} {day} {time} {year}\n")
}

/// Gives messages their lines and then adds them to the file: what the file holds beyond its lines is
/// of another program, and a line without its message is of a run that was killed.
pub(super) fn place(
    folder: &Path,
    index: &mut Index,
    (deliveries, settled): (&mut [Delivery], Vec<io::Result<()>>),
) -> io::Result<Vec<io::Result<Uid>>> {
    let path = path_of(folder);
    let is_new = !path.exists();
    let mut file = OpenOptions::new().read(true).append(true).create(true).open(&path)?;
    let mut end = file.metadata()?.len();
    let gap = gap_before(&mut file, end)?;
    end += gap.len() as u64;
    let (mut placed, mut rows) = (Vec::with_capacity(deliveries.len()), Vec::new());
    for (delivery, settled) in deliveries.iter().zip(settled) {
        let uid = settled.and_then(|()| index.give());
        if let Ok(uid) = &uid {
            let (head, stored) = delivery.entry_octets();
            let row = IndexRow::of(delivery, *uid, Place::Part { start: end, head, stored });
            end = row.end();
            rows.push(row);
        }
        placed.push(uid);
    }
    index.add(folder, rows)?;
    let mut append = || {
        file.write_all(gap)?;
        for (delivery, uid) in deliveries.iter_mut().zip(&placed) {
            if uid.is_ok() {
                io::copy(delivery.rewound()?, &mut file)?;
            }
        }
        file.sync_all()?;
        if is_new { sync_folder(folder) } else { Ok(()) }
    };
    append()?;
    index.prove(folder, end)?;
    Ok(placed)
}

/// What has to be written so that an empty line is before what follows.
fn gap_before(file: &mut File, end: u64) -> io::Result<&'static [u8]> {
    let mut last = Vec::new();
    file.seek(SeekFrom::Start(end.saturating_sub(2)))?;
    file.read_to_end(&mut last)?;
    Ok(match &last[..] {
        [] | [b'\n', b'\n'] => b"",
        [.., b'\n'] => b"\n",
        _ => b"\n\n",
    })
}

/// Writes the file anew without some messages. The index that goes with it is to be written next:
/// whoever is killed in between leaves one that is told by the length of the file.
pub(super) fn remove(
    folder: &Path,
    index: &mut Index,
    goes: impl Fn(&IndexRow) -> bool,
) -> io::Result<()> {
    let before = index.rows.len();
    let path = path_of(folder);
    let mut kept: Vec<&mut IndexRow> = index.rows.iter_mut().filter(|row| !goes(row)).collect();
    if kept.len() == before {
        return Ok(());
    }
    kept.sort_by_key(|row| row.end());
    let mut from = File::open(&path)?;
    let beside = folder.join(REWRITTEN);
    let mut to = io::BufWriter::new(File::create(&beside)?);
    let mut end = 0;
    for row in kept {
        let Place::Part { start, head, stored } = &mut row.place else { continue };
        from.seek(SeekFrom::Start(*start))?;
        let octets = *head + *stored;
        if io::copy(&mut (&mut from).take(octets), &mut to)? != octets {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        *start = end;
        end += octets;
    }
    to.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()?;
    fs::rename(&beside, &path)?;
    sync_folder(folder)?;
    index.rows.retain(|row| !goes(row));
    (index.end, index.proven) = (end, index.rows.len());
    Ok(())
}

/// Removes what is left of a mailbox.
pub(super) fn discard(folder: &Path) -> io::Result<()> {
    for name in [MBOX, REWRITTEN] {
        match fs::remove_file(folder.join(name)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

/// Flags that other programs keep in the header: `Status: RO`, `X-Status: AF`, `X-Keywords`.
pub(super) fn flags_of(header: &[u8]) -> FlagSet {
    use mailferry_engine::message::Flag;
    let mut flags = Vec::new();
    for line in header.split(|octet| *octet == b'\n') {
        let Some(colon) = line.iter().position(|octet| *octet == b':') else { continue };
        let (name, value) = (line[..colon].to_ascii_lowercase(), line[colon + 1..].trim_ascii());
        let letters: &[(u8, &[u8])] = match &name[..] {
            b"status" => &[(b'R', b"\\Seen")],
            b"x-status" => &[
                (b'A', b"\\Answered"),
                (b'D', b"\\Deleted"),
                (b'F', b"\\Flagged"),
                (b'T', b"\\Draft"),
            ],
            b"x-keywords" => {
                let words = value.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
                flags.extend(words.map(Flag::new));
                continue;
            }
            _ => continue,
        };
        let said = letters.iter().filter(|(letter, _)| value.contains(letter));
        flags.extend(said.map(|(_, flag)| Flag::new(flag)));
    }
    flags.into_iter().collect()
}

//! FETCH (RFC 3501 §6.4.5).

use std::ops::Range;
use std::sync::Arc;

use super::account::Message;
use super::command::Access;
use super::headers::{self, Keep};
use super::mailstore::Mailbox;
use super::parse::{By, Cursor, Parsed, Refusal, SequenceSet, is_atom_char};
use super::profile::UidPlace;
use super::session::{Answer, Connection, Session, done_by};
use super::view::View;
use super::wire::{Hangup, Out};

/// What is answered under one lock of the account before it goes out.
const STEP_OCTETS: usize = 64 * 1024;

/// Arguments of FETCH and UID FETCH.
#[derive(Debug)]
pub(super) struct FetchArguments {
    by: By,
    set: SequenceSet,
    items: Vec<Item>,
}

#[derive(Debug, PartialEq, Eq)]
enum Item {
    Uid,
    Flags,
    InternalDate,
    Size,
    Content(Content),
}

#[derive(Debug, PartialEq, Eq)]
struct Content {
    /// How the answer names it.
    label: String,
    section: Section,
    reading: Reading,
    /// First octet and most octets.
    partial: Option<(u32, u32)>,
}

#[derive(Debug, PartialEq, Eq)]
enum Section {
    Whole,
    Header,
    Fields(Vec<String>, Keep),
    Text,
}

/// Whether reading sets `\Seen`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reading {
    Marks,
    Peeks,
}

impl FetchArguments {
    pub(super) fn parse(by: By, cursor: &mut Cursor<'_>) -> Parsed<Self> {
        let set = cursor.sequence_set()?;
        cursor.space()?;
        let mut items = if cursor.peek() == Some(b'(') {
            cursor.list(1, item)?
        } else if let Some(items) = fast(cursor) {
            items
        } else {
            vec![item(cursor)?]
        };
        if by == By::Uid && !items.contains(&Item::Uid) {
            items.push(Item::Uid);
        }
        Ok(Self { by, set, items })
    }

    fn place_uid(&mut self, place: UidPlace) {
        if self.items.contains(&Item::Uid) {
            self.items.retain(|item| *item != Item::Uid);
            match place {
                UidPlace::First => self.items.insert(0, Item::Uid),
                UidPlace::Last => self.items.push(Item::Uid),
            }
        }
    }

    fn marks_seen(&self) -> bool {
        self.items
            .iter()
            .any(|item| matches!(item, Item::Content(content) if content.reading == Reading::Marks))
    }
}

/// The macro FAST; ALL and FULL hold ENVELOPE.
fn fast(cursor: &mut Cursor<'_>) -> Option<Vec<Item>> {
    let mut ahead = cursor.clone();
    if ahead.keyword().ok()? != "FAST" {
        return None;
    }
    *cursor = ahead;
    Some(vec![Item::Flags, Item::InternalDate, Item::Size])
}

fn item(cursor: &mut Cursor<'_>) -> Parsed<Item> {
    let name = section_word(cursor).to_ascii_uppercase();
    let whole = |section, reading| {
        Item::Content(Content { label: name.clone(), section, reading, partial: None })
    };
    match name.as_str() {
        "UID" => Ok(Item::Uid),
        "FLAGS" => Ok(Item::Flags),
        "INTERNALDATE" => Ok(Item::InternalDate),
        "RFC822.SIZE" => Ok(Item::Size),
        "RFC822" => Ok(whole(Section::Whole, Reading::Marks)),
        "RFC822.HEADER" => Ok(whole(Section::Header, Reading::Peeks)),
        "RFC822.TEXT" => Ok(whole(Section::Text, Reading::Marks)),
        "BODY" if cursor.peek() == Some(b'[') => body(cursor, Reading::Marks),
        "BODY.PEEK" => body(cursor, Reading::Peeks),
        "ENVELOPE" | "BODY" | "BODYSTRUCTURE" | "ALL" | "FULL" => {
            Err(Refusal::no("[CANNOT] Not simulated"))
        }
        _ => Err(Refusal::bad(format!("Unknown FETCH item {name}"))),
    }
}

fn body(cursor: &mut Cursor<'_>, reading: Reading) -> Parsed<Item> {
    cursor.expect(b'[')?;
    let name = section_word(cursor).to_ascii_uppercase();
    let (section, shown) = match name.as_str() {
        "" => (Section::Whole, String::new()),
        "HEADER" => (Section::Header, name),
        "TEXT" => (Section::Text, name),
        "HEADER.FIELDS" => fields(cursor, &name, Keep::Listed)?,
        "HEADER.FIELDS.NOT" => fields(cursor, &name, Keep::Others)?,
        _ if name.as_bytes()[0].is_ascii_digit() => {
            return Err(Refusal::no("[CANNOT] Parts are not simulated"));
        }
        _ => return Err(Refusal::bad("Invalid section")),
    };
    cursor.expect(b']')?;
    let mut label = format!("BODY[{shown}]");
    let mut partial = None;
    if cursor.skip(b'<') {
        let first = cursor.number()?;
        cursor.expect(b'.')?;
        partial = Some((first, cursor.nz_number()?));
        cursor.expect(b'>')?;
        label.push_str(&format!("<{first}>"));
    }
    Ok(Item::Content(Content { label, section, reading, partial }))
}

fn fields(cursor: &mut Cursor<'_>, name: &str, keep: Keep) -> Parsed<(Section, String)> {
    cursor.space()?;
    let names = cursor.list(1, |cursor| {
        String::from_utf8(cursor.astring()?).map_err(|_| Refusal::bad("Invalid field name"))
    })?;
    let is_word = |name: &&String| !name.is_empty() && name.bytes().all(is_atom_char);
    if let Some(odd) = names.iter().find(|name| !is_word(name)) {
        return Err(Refusal::bad(format!("Invalid field name {}", odd.escape_debug())));
    }
    let shown = format!("{name} ({})", names.join(" "));
    Ok((Section::Fields(names, keep), shown))
}

fn section_word<'a>(cursor: &mut Cursor<'a>) -> &'a str {
    let word = cursor.take_while(|octet| octet.is_ascii_alphanumeric() || octet == b'.');
    std::str::from_utf8(word).unwrap_or_default()
}

/// A FETCH on its way: answered in steps, so that no session holds the account, or the
/// answers, for long.
struct Job {
    arguments: FetchArguments,
    found: Vec<(usize, u32)>,
    next: usize,
    vanished: usize,
}

impl Connection {
    pub(super) async fn fetch(&mut self, mut arguments: FetchArguments) -> Result<Answer, Hangup> {
        let by = arguments.by;
        arguments.place_uid(self.session.profile().uid_place);
        let found = self.session.view().and_then(|view| view.select(by, &arguments.set));
        let found = match found {
            Ok(found) => found,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let mut job = Job { arguments, found, next: 0, vanished: 0 };
        while job.next < job.found.len() {
            let mut out = Out::default();
            if let Err(refusal) = self.session.fetch_step(&mut job, &mut out) {
                return Ok(Err(refusal));
            }
            self.wire.send(out).await?;
        }
        Ok(match job.vanished {
            0 => done_by(by, "Fetch"),
            _ => Ok("[EXPUNGEISSUED] Some messages were expunged meanwhile".to_owned()),
        })
    }
}

impl Session {
    fn fetch_step(&mut self, job: &mut Job, out: &mut Out) -> Parsed<()> {
        let account = self.account()?;
        let view = self.view()?;
        let mut store = account.lock();
        let mailbox = view.mailbox(&mut store)?;
        let marks = job.arguments.marks_seen() && view.access() == Access::ReadWrite;
        while out.len() < STEP_OCTETS {
            let Some(&(number, uid)) = job.found.get(job.next) else { break };
            job.next += 1;
            let newly_seen = marks && mark_seen(view, mailbox, uid);
            match mailbox.messages.get(&uid) {
                None => job.vanished += 1,
                Some(stored) => {
                    out.text(format!("* {number} FETCH ("));
                    write_items(&job.arguments.items, &stored.message, view, out);
                    if newly_seen && !job.arguments.items.contains(&Item::Flags) {
                        out.text(format!(" FLAGS {}", view.flags_text(&stored.message)));
                    }
                    out.line(")");
                }
            }
        }
        Ok(())
    }
}

/// Sets `\Seen`; returns whether that was new.
fn mark_seen(view: &mut View, mailbox: &mut Mailbox, uid: u32) -> bool {
    let Some(stored) = mailbox.messages.get(&uid) else { return false };
    let mut flags = stored.message.flags.clone();
    if !flags.insert("\\Seen") {
        return false;
    }
    if let Some(modseq) = mailbox.set_flags(uid, flags) {
        view.note_own(modseq);
    }
    true
}

fn write_items(items: &[Item], message: &Message, view: &View, out: &mut Out) {
    for (place, item) in items.iter().enumerate() {
        if place > 0 {
            out.text(" ");
        }
        match item {
            Item::Uid => out.text(format!("UID {}", message.uid)),
            Item::Flags => out.text(format!("FLAGS {}", view.flags_text(message))),
            Item::InternalDate => out.text(format!("INTERNALDATE \"{}\"", message.date)),
            Item::Size => out.text(format!("RFC822.SIZE {}", message.octets.len())),
            Item::Content(content) => write_content(content, &message.octets, out),
        }
    }
}

fn write_content(content: &Content, message: &Arc<[u8]>, out: &mut Out) {
    let all = message.len();
    let (octets, range) = match &content.section {
        Section::Whole => (Arc::clone(message), 0..all),
        Section::Header => (Arc::clone(message), 0..headers::body_start(message)),
        Section::Text => (Arc::clone(message), headers::body_start(message)..all),
        Section::Fields(names, keep) => {
            let selected: Arc<[u8]> = headers::select(message, names, *keep).into();
            let length = selected.len();
            (selected, 0..length)
        }
    };
    let range = part(range, content.partial);
    out.text(format!("{} {{{}}}\r\n", content.label, range.len()));
    out.octets(&octets, range);
}

/// The partial of a range; empty where it begins behind the end (RFC 3501 §6.4.5).
fn part(range: Range<usize>, partial: Option<(u32, u32)>) -> Range<usize> {
    match partial {
        None => range,
        Some((first, most)) => {
            let start = range.start.saturating_add(first as usize).min(range.end);
            start..start.saturating_add(most as usize).min(range.end)
        }
    }
}

//! FETCH (RFC 3501 §6.4.5), with CHANGEDSINCE and VANISHED (RFC 7162 §3.1.4, §3.2.6).

use std::ops::Range;
use std::sync::Arc;

use super::command::Access;
use super::habit::Sizes;
use super::hazard::{ModSequences, Modifier};
use super::headers::{self, Keep};
use super::mailstore::{Store, Stored};
use super::modseq::{Aware, check_kept, heeded};
use super::parse::{Cursor, Parsed, Refusal, is_atom_char};
use super::profile::{Extension, Profile, UidPlace};
use super::sequence::{By, SequenceSet};
use super::session::{Answer, Connection, Session, done_by};
use super::vanished::Asked;
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
    /// Only messages changed after this mod-sequence (RFC 7162 §3.1.4.1).
    changed_since: Option<u64>,
    earlier: Earlier,
}

/// Whether VANISHED (EARLIER) is asked for (RFC 7162 §3.2.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Earlier {
    Told,
    Untold,
}

#[derive(Debug, PartialEq, Eq)]
enum Item {
    Uid,
    ModSeq,
    Flags,
    InternalDate,
    Size,
    GmMessage(GmItem),
    Content(Content),
}

/// What Gmail tells of a message (X-GM-EXT-1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum GmItem {
    Id,
    Thread,
    Labels,
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
    pub(super) fn parse(by: By, cursor: &mut Cursor<'_>, profile: &Profile) -> Parsed<Self> {
        let set = cursor.sequence_set()?;
        cursor.space()?;
        let items = if cursor.peek() == Some(b'(') {
            cursor.list(1, |cursor| item(cursor, profile))?
        } else if let Some(items) = fast(cursor) {
            items
        } else {
            vec![item(cursor, profile)?]
        };
        let mut arguments = Self { by, set, items, changed_since: None, earlier: Earlier::Untold };
        let takes_modifiers =
            profile.knows_mod_sequences() || profile.changed_since == Modifier::Ignored;
        if takes_modifiers && cursor.skip(b' ') {
            arguments.modify(cursor, profile)?;
        }
        if by == By::Uid && !arguments.items.contains(&Item::Uid) {
            arguments.items.push(Item::Uid);
        }
        Ok(arguments)
    }

    /// `(CHANGEDSINCE n [VANISHED])`, in any order.
    fn modify(&mut self, cursor: &mut Cursor<'_>, profile: &Profile) -> Parsed<()> {
        let mut since = None;
        cursor.expect(b'(')?;
        loop {
            match cursor.keyword()?.as_str() {
                "CHANGEDSINCE" if since.is_none() => {
                    cursor.space()?;
                    since = Some(cursor.mod_sequence()?);
                }
                "VANISHED" if self.by == By::Uid && profile.has(Extension::Qresync) => {
                    self.earlier = Earlier::Told;
                }
                other => return Err(Refusal::bad(format!("Unknown FETCH modifier {other}"))),
            }
            if !cursor.skip(b' ') {
                break;
            }
        }
        cursor.expect(b')')?;
        let Some(since) = since else {
            return Err(Refusal::bad("VANISHED needs CHANGEDSINCE"));
        };
        self.changed_since = heeded(since, profile.changed_since, profile)?;
        if self.changed_since.is_some() && !self.items.contains(&Item::ModSeq) {
            // It is asked for along with the modifier (RFC 7162 §3.1.4.1).
            self.items.insert(0, Item::ModSeq);
        }
        Ok(())
    }

    /// What the command says of the client (RFC 7162 §3.1).
    fn aware(&self) -> Aware {
        if self.items.contains(&Item::ModSeq) { Aware::ModSequences } else { Aware::Nothing }
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

    /// What a client is told of a message that FETCH has marked as seen, beyond what it asked.
    fn write_seen(
        &self,
        stored: &Stored,
        (view, dialect, kind): (&View, Aware, ModSequences),
        out: &mut Out,
    ) {
        if !self.items.contains(&Item::Flags) {
            out.text(format!(" FLAGS {}", view.flags_text(&stored.message)));
        }
        if dialect >= Aware::ModSequences {
            // RFC 7162 §3.2.4
            if !self.items.contains(&Item::Uid) {
                out.text(format!(" UID {}", stored.message.uid));
            }
            if !self.items.contains(&Item::ModSeq) {
                out.text(format!(" MODSEQ ({})", stored.told_modseq(kind)));
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

fn item(cursor: &mut Cursor<'_>, profile: &Profile) -> Parsed<Item> {
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
        "MODSEQ" if profile.knows_mod_sequences() => {
            check_kept(profile)?;
            Ok(Item::ModSeq)
        }
        "X-GM-MSGID" if profile.has(Extension::Gmail) => Ok(Item::GmMessage(GmItem::Id)),
        "X-GM-THRID" if profile.has(Extension::Gmail) => Ok(Item::GmMessage(GmItem::Thread)),
        "X-GM-LABELS" if profile.has(Extension::Gmail) => Ok(Item::GmMessage(GmItem::Labels)),
        "EMAILID" | "THREADID" if profile.has(Extension::ObjectId) => {
            Err(Refusal::no("[CANNOT] Not simulated"))
        }
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
    let is_of_word = |octet: u8| octet.is_ascii_alphanumeric() || b".-".contains(&octet);
    let word = cursor.take_while(is_of_word);
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
    pub(super) async fn fetch(&mut self, arguments: FetchArguments) -> Result<Answer, Hangup> {
        let by = arguments.by;
        let mut out = Out::default();
        let mut job = match self.session.fetch_start(arguments, &mut out) {
            Ok(job) => job,
            Err(refusal) => return Ok(Err(refusal)),
        };
        self.wire.send(out).await?;
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
    fn fetch_start(&mut self, mut arguments: FetchArguments, out: &mut Out) -> Parsed<Job> {
        if arguments.earlier == Earlier::Told && self.aware != Aware::Vanished {
            return Err(Refusal::bad("QRESYNC was not enabled"));
        }
        self.note_aware(arguments.aware(), out)?;
        let account = self.account()?;
        let state = self.state.clone();
        let profile = state.profile();
        arguments.place_uid(profile.uid_place);
        let view = self.view()?;
        let mut found = view.select(arguments.by, &arguments.set)?;
        profile.habits.rows.arrange(&mut found);
        if let (Earlier::Told, Some(since)) = (arguments.earlier, arguments.changed_since) {
            let mut store = account.lock();
            let mailbox = view.mailbox(&mut store)?;
            let asked = Asked::of_fetch(&arguments.set, since, mailbox);
            // Before every FETCH (RFC 7162 §3.2.6).
            if let Some(gone) = asked.answer(mailbox, view.uids(), profile) {
                out.line(format!("* VANISHED (EARLIER) {gone}"));
            }
        }
        Ok(Job { arguments, found, next: 0, vanished: 0 })
    }

    fn fetch_step(&mut self, job: &mut Job, out: &mut Out) -> Parsed<()> {
        let account = self.account()?;
        let (dialect, kind) = (self.dialect(), self.profile().mod_sequences);
        let sizes = self.profile().habits.sizes;
        let view = self.view()?;
        let mut store = account.lock();
        let name = view.name_in(&store);
        let Job { arguments, found, .. } = &*job;
        let marks = arguments.marks_seen() && view.access() == Access::ReadWrite;
        let (mut next, mut vanished) = (job.next, 0);
        while out.len() < STEP_OCTETS {
            let Some(&(number, uid)) = found.get(next) else { break };
            next += 1;
            let Some(stored) = view.mailbox(&mut store)?.messages.get(&uid) else {
                vanished += 1;
                continue;
            };
            if arguments.changed_since.is_some_and(|since| stored.told_modseq(kind) <= since) {
                continue;
            }
            let newly_seen = marks && mark_seen(view, &mut store, (&name, uid));
            let Some(stored) = view.mailbox(&mut store)?.messages.get(&uid) else { continue };
            out.text(format!("* {number} FETCH ("));
            write_items(&arguments.items, stored, view, (kind, sizes), out);
            if newly_seen {
                arguments.write_seen(stored, (view, dialect, kind), out);
            }
            out.line(")");
        }
        job.next = next;
        job.vanished += vanished;
        Ok(())
    }
}

/// Sets `\Seen`; returns whether that was new.
fn mark_seen(view: &mut View, store: &mut Store, (name, uid): (&str, u32)) -> bool {
    let stored = store.mailboxes.get(name).and_then(|mailbox| mailbox.messages.get(&uid));
    let Some(stored) = stored else { return false };
    let mut flags = stored.message.flags.clone();
    if !flags.insert("\\Seen") {
        return false;
    }
    if let Some(modseq) = store.change_flags(name, uid, flags) {
        view.note_own(modseq);
    }
    true
}

fn write_items(
    items: &[Item],
    stored: &Stored,
    view: &View,
    (kind, sizes): (ModSequences, Sizes),
    out: &mut Out,
) {
    let message = &stored.message;
    for (place, item) in items.iter().enumerate() {
        if place > 0 {
            out.text(" ");
        }
        match item {
            Item::Uid => out.text(format!("UID {}", message.uid)),
            Item::ModSeq => out.text(format!("MODSEQ ({})", stored.told_modseq(kind))),
            Item::Flags => out.text(format!("FLAGS {}", view.flags_text(message))),
            Item::InternalDate => out.text(format!("INTERNALDATE \"{}\"", message.date)),
            Item::Size => {
                let less = match sizes {
                    Sizes::Exact => 0,
                    Sizes::Less(octets) => octets as usize,
                };
                out.text(format!("RFC822.SIZE {}", message.octets.len().saturating_sub(less)));
            }
            Item::GmMessage(item) => out.text(gm_text(*item, stored, view)),
            Item::Content(content) => write_content(content, &message.octets, out),
        }
    }
}

fn gm_text(item: GmItem, stored: &Stored, view: &View) -> String {
    let Some(gm) = &stored.gm else { return "X-GM-MSGID 0".to_owned() };
    match item {
        GmItem::Id => format!("X-GM-MSGID {}", gm.id),
        GmItem::Thread => format!("X-GM-THRID {}", gm.id),
        GmItem::Labels => format!("X-GM-LABELS {}", gm.labels_text(view.name())),
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

//! APPEND, one message or several (RFC 3501 §6.3.11, RFC 3502).

use std::sync::Arc;

use super::date::Date;
use super::flags::Flags;
use super::habit::{Deleted, Wording};
use super::mailstore::{Mailbox, NewMessage, Store};
use super::name;
use super::parse::{Cursor, Parsed, Refusal};
use super::profile::{AppendRequest, Extension, Keywords, Profile, Zones};
use super::sequence::set_text;
use super::session::{Answer, Session};

/// Arguments of APPEND.
#[derive(Debug)]
pub(super) struct AppendArguments {
    mailbox: Vec<u8>,
    messages: Vec<Incoming>,
}

#[derive(Debug)]
struct Incoming {
    flags: Flags,
    date: Option<Date>,
    binary: bool,
    octets: Arc<[u8]>,
}

impl AppendArguments {
    pub(super) fn parse(cursor: &mut Cursor<'_>, profile: &Profile) -> Parsed<Self> {
        let mailbox = cursor.astring()?;
        let mut messages = Vec::new();
        loop {
            let (flags, date) = options(cursor)?;
            let binary = cursor.skip(b'~');
            let octets = cursor.literal().ok_or_else(|| Refusal::bad("Expected a literal"))?;
            messages.push(Incoming { flags, date, binary, octets: Arc::clone(octets) });
            if cursor.is_at_end() {
                return Ok(Self { mailbox, messages });
            }
            if !profile.has(Extension::MultiAppend) {
                return Err(Refusal::bad("MULTIAPPEND not supported"));
            }
        }
    }
}

/// `[SP flag-list] [SP date-time]`, and the space before the literal.
fn options(cursor: &mut Cursor<'_>) -> Parsed<(Flags, Option<Date>)> {
    cursor.space()?;
    let mut flags = Flags::default();
    if cursor.peek() == Some(b'(') {
        let listed = cursor.list(0, Cursor::flag)?;
        flags = listed.iter().map(String::as_str).collect();
        cursor.space()?;
    }
    let mut date = None;
    if cursor.peek() == Some(b'"') {
        let text = cursor.quoted()?;
        date = Some(Date::parse(&text).ok_or_else(|| Refusal::bad("Invalid date-time"))?);
        cursor.space()?;
    }
    Ok((flags, date))
}

/// Whether a literal that comes now is a message, the cursor standing behind `APPEND`: not so
/// for a mailbox name that is sent as a literal.
pub(super) fn stands_before_message(mut cursor: Cursor<'_>) -> bool {
    cursor.space().is_ok() && cursor.astring().is_ok()
}

/// Refuses, in place of a `+`, what would be refused later anyway.
pub(super) fn check_early(session: &Session, mut cursor: Cursor<'_>, announced: u64) -> Parsed<()> {
    let profile = session.profile();
    let account = session.account()?;
    cursor.space()?;
    let mailbox = name::accept(&cursor.astring()?, profile)?;
    let (mut octets, mut count) = (announced, 1);
    loop {
        options(&mut cursor)?;
        cursor.skip(b'~');
        match cursor.literal() {
            Some(message) => {
                octets += message.len() as u64;
                count += 1;
            }
            None => break,
        }
    }
    cursor.end()?;
    if count > 1 && !profile.has(Extension::MultiAppend) {
        return Err(Refusal::bad("MULTIAPPEND not supported"));
    }
    check_size(announced, profile)?;
    let store = account.lock();
    check_mailbox(&store, &mailbox)?;
    check_quota(&store, profile, octets, count)
}

impl Session {
    pub(super) fn append(&mut self, arguments: AppendArguments) -> Answer {
        let account = self.account()?;
        let profile = self.profile();
        let mailbox = name::accept(&arguments.mailbox, profile)?;
        let mut store = account.lock();
        check_mailbox(&store, &mailbox)?;
        // All or nothing (RFC 3502 §6.3.11): every message is looked at before the first is kept.
        let mut kept = Vec::with_capacity(arguments.messages.len());
        for (place, incoming) in arguments.messages.into_iter().enumerate() {
            kept.push(admit(&mut store, profile, (&mailbox, place), incoming)?);
        }
        let octets = kept.iter().map(|new| new.octets.len() as u64).sum();
        check_quota(&store, profile, octets, kept.len())?;
        let Some(target) = store.mailboxes.get(&mailbox) else { return Err(missing()) };
        check_keywords_max(target, kept.iter().map(|new| &new.flags), profile)?;
        let uid_validity = target.uid_validity;
        let uids: Vec<u32> =
            kept.into_iter().filter_map(|new| store.deliver(&mailbox, new)).collect();
        if profile.has(Extension::UidPlus) {
            let (validity, uids) = (uid_validity, set_text(&uids));
            return Ok(format!("[APPENDUID {validity} {uids}] Append completed"));
        }
        Ok("Append completed".to_owned())
    }
}

/// What is stored of a message, unless it is refused.
fn admit(
    store: &mut Store,
    profile: &Profile,
    (mailbox, place): (&str, usize),
    incoming: Incoming,
) -> Parsed<NewMessage> {
    let Incoming { mut flags, date, binary, octets } = incoming;
    if octets.is_empty() {
        // Also how a client calls a MULTIAPPEND off (RFC 3502 §6.3.11).
        return Err(Refusal::no("Empty message"));
    }
    check_size(octets.len() as u64, profile)?;
    check_keywords(&flags, profile)?;
    check_habits(&flags, &octets, profile)?;
    if let Some(refuse) = &profile.refuse {
        let request =
            AppendRequest { mailbox, place, flags: &flags, date, binary, octets: octets.as_ref() };
        if let Some(text) = refuse(&request) {
            return Err(Refusal::no(text));
        }
    }
    if matches!(profile.keywords, Keywords::DroppedByAppend | Keywords::Dropped | Keywords::Only(_))
    {
        flags.drop_keywords_but(profile.keywords.named());
    }
    let mut date = date.unwrap_or_else(|| store.tick());
    if profile.zones == Zones::Utc {
        date.zone_minutes = 0;
    }
    let octets = match &profile.alter {
        Some(alter) => alter(&octets).into(),
        None => octets,
    };
    Ok(NewMessage { flags, date, octets })
}

pub(super) fn check_size(octets: u64, profile: &Profile) -> Parsed<()> {
    match profile.limits.append_octets_max {
        Some(most) if octets > most => Err(match profile.habits.wording {
            Wording::Coded => Refusal::no(format!("[TOOBIG] Message exceeds {most} octets")),
            Wording::Exchange => exchange_argument(),
        }),
        _ => Ok(()),
    }
}

fn check_mailbox(store: &Store, mailbox: &str) -> Parsed<()> {
    if store.mailboxes.contains_key(mailbox) { Ok(()) } else { Err(missing()) }
}

pub(super) fn missing() -> Refusal {
    Refusal::no("[TRYCREATE] Mailbox doesn't exist")
}

pub(super) fn check_quota(
    store: &Store,
    profile: &Profile,
    octets: u64,
    count: usize,
) -> Parsed<()> {
    let limits = &profile.limits;
    let (used_octets, used_count) = store.usage();
    let over = limits.quota_octets_max.is_some_and(|most| used_octets + octets > most)
        || limits.quota_messages_max.is_some_and(|most| used_count + count > most);
    if over { Err(Refusal::no("[OVERQUOTA] Quota exceeded")) } else { Ok(()) }
}

/// Refuses keywords where the server takes none, or not these.
pub(super) fn check_keywords(flags: &Flags, profile: &Profile) -> Parsed<()> {
    let named = match profile.keywords {
        Keywords::Refused => &[],
        Keywords::OnlyElseRefused(names) => names,
        _ => return Ok(()),
    };
    let is_named = |keyword: &&str| named.iter().any(|name| name.eq_ignore_ascii_case(keyword));
    match (flags.keywords().find(|keyword| !is_named(keyword)), profile.habits.wording) {
        (None, _) => Ok(()),
        (Some(_), Wording::Exchange) => Err(exchange_argument()),
        (Some(keyword), Wording::Coded) => {
            Err(Refusal::no(format!("[CANNOT] Keyword {keyword} not supported")))
        }
    }
}

/// What a provider refuses that others take.
fn check_habits(flags: &Flags, octets: &[u8], profile: &Profile) -> Parsed<()> {
    let habits = &profile.habits;
    if habits.deleted == Deleted::Refused && flags.contains("\\Deleted") {
        return Err(Refusal::no("[CANNOT] APPEND Contains Deleted flag"));
    }
    let odd = habits.keyword_octet_refused;
    if flags.keywords().any(|keyword| odd.is_some_and(|odd| keyword.as_bytes().contains(&odd))) {
        return Err(Refusal::no("APPEND failed"));
    }
    let longest = octets.split(|&octet| octet == b'\n').map(<[u8]>::len).max().unwrap_or(0);
    match habits.message_line_octets_max {
        Some(most) if longest > most => Err(match habits.wording {
            Wording::Exchange => Refusal::bad("Command Error. 10"),
            Wording::Coded => Refusal::no("Line too long"),
        }),
        _ => Ok(()),
    }
}

/// What Exchange says of whatever it does not like about an APPEND.
fn exchange_argument() -> Refusal {
    Refusal::bad("Command Argument Error. 11")
}

/// Refuses what would give the mailbox more distinct keywords than it may have.
pub(super) fn check_keywords_max<'f>(
    mailbox: &Mailbox,
    new: impl Iterator<Item = &'f Flags>,
    profile: &Profile,
) -> Parsed<()> {
    let Some(most) = profile.limits.keywords_max else { return Ok(()) };
    let mut all = mailbox.keywords();
    let before = all.iter().count();
    for flags in new {
        for keyword in flags.keywords() {
            all.insert(keyword);
        }
    }
    let after = all.iter().count();
    if after > before && after > most {
        return Err(Refusal::no("[LIMIT] Too many keywords in the mailbox"));
    }
    Ok(())
}

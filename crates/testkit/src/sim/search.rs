//! SEARCH (RFC 3501 §6.4.4), its RETURN (RFC 4731) and MODSEQ (RFC 7162 §3.1.5).

use super::account::Message;
use super::date::{parse_day, sent_day};
use super::headers;
use super::labels::GmMessage;
use super::modseq::{Aware, check_kept};
use super::parse::{Cursor, Parsed, Refusal};
use super::profile::{Extension, Profile};
use super::sequence::{By, SequenceSet, set_text};
use super::session::{Answer, Session, done_by};
use super::wire::Out;

/// Arguments of SEARCH and UID SEARCH.
#[derive(Debug)]
pub(super) struct SearchArguments {
    by: By,
    /// `None`: a plain SEARCH answer.
    returns: Option<Vec<Return>>,
    key: Key,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Return {
    Min,
    Max,
    Count,
    All,
}

#[derive(Debug)]
enum Key {
    All,
    Flag(String, Wanted),
    Recent(Wanted),
    New,
    Numbers {
        by: By,
        set: SequenceSet,
        places: Vec<usize>,
    },
    Internal(Compare, i64),
    Sent(Compare, i64),
    Larger(u32),
    Smaller(u32),
    /// Changed at this mod-sequence or later (RFC 7162 §3.1.5).
    ModSeq(u64),
    Header {
        name: Vec<u8>,
        text: Vec<u8>,
    },
    Body(Vec<u8>),
    Text(Vec<u8>),
    /// X-GM-MSGID or X-GM-THRID, which are one here.
    GmId(u64),
    /// X-GM-LABELS
    GmLabel(String),
    Not(Box<Key>),
    Or(Box<Key>, Box<Key>),
    And(Vec<Key>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wanted {
    Set,
    Unset,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Compare {
    Before,
    On,
    Since,
}

impl SearchArguments {
    pub(super) fn parse(by: By, cursor: &mut Cursor<'_>, profile: &Profile) -> Parsed<Self> {
        let mut returns = None;
        if profile.has(Extension::ESearch) && take_word(cursor, "RETURN") {
            cursor.space()?;
            returns = Some(cursor.list(0, return_option)?);
            cursor.space()?;
        }
        let charset = match take_word(cursor, "CHARSET") {
            true => {
                cursor.space()?;
                let charset = cursor.astring()?;
                cursor.space()?;
                charset
            }
            false => b"US-ASCII".to_vec(),
        };
        let key = all_of(cursor)?;
        if key.asks_gmail() && !profile.has(Extension::Gmail) {
            return Err(Refusal::bad("Unknown SEARCH key of Gmail"));
        }
        if key.asks_modseq() {
            if !profile.knows_mod_sequences() {
                return Err(Refusal::bad("Unknown SEARCH key MODSEQ"));
            }
            check_kept(profile)?;
        }
        let known = [&b"US-ASCII"[..], b"UTF-8"];
        if !known.iter().any(|name| charset.eq_ignore_ascii_case(name)) {
            return Err(Refusal::no("[BADCHARSET (US-ASCII UTF-8)] Unknown charset"));
        }
        Ok(Self { by, returns, key })
    }
}

/// Takes the word if it stands here.
fn take_word(cursor: &mut Cursor<'_>, word: &str) -> bool {
    let mut ahead = cursor.clone();
    let found = ahead.keyword().is_ok_and(|found| found == word);
    if found {
        *cursor = ahead;
    }
    found
}

fn return_option(cursor: &mut Cursor<'_>) -> Parsed<Return> {
    match cursor.keyword()?.as_str() {
        "MIN" => Ok(Return::Min),
        "MAX" => Ok(Return::Max),
        "COUNT" => Ok(Return::Count),
        "ALL" => Ok(Return::All),
        other => Err(Refusal::bad(format!("Unknown SEARCH return option {other}"))),
    }
}

fn all_of(cursor: &mut Cursor<'_>) -> Parsed<Key> {
    let mut keys = vec![key(cursor)?];
    while cursor.skip(b' ') {
        keys.push(key(cursor)?);
    }
    Ok(Key::And(keys))
}

fn key(cursor: &mut Cursor<'_>) -> Parsed<Key> {
    cursor.enter()?;
    let key = match cursor.peek() {
        Some(b'(') => {
            cursor.expect(b'(')?;
            let keys = all_of(cursor)?;
            cursor.expect(b')')?;
            keys
        }
        Some(b'0'..=b'9' | b'*') => numbers(By::Sequence, cursor)?,
        _ => {
            let word = cursor.keyword()?;
            match simple_key(&word) {
                Some(key) => key,
                None => key_with_argument(&word, cursor)?,
            }
        }
    };
    cursor.leave();
    Ok(key)
}

fn simple_key(word: &str) -> Option<Key> {
    let (word, wanted) = match word.strip_prefix("UN") {
        Some(rest) => (rest, Wanted::Unset),
        None => (word, Wanted::Set),
    };
    let flag = match word {
        "ANSWERED" => "\\Answered",
        "DELETED" => "\\Deleted",
        "DRAFT" => "\\Draft",
        "FLAGGED" => "\\Flagged",
        "SEEN" => "\\Seen",
        _ if wanted == Wanted::Unset => return None,
        "ALL" => return Some(Key::All),
        "NEW" => return Some(Key::New),
        "OLD" => return Some(Key::Recent(Wanted::Unset)),
        "RECENT" => return Some(Key::Recent(Wanted::Set)),
        _ => return None,
    };
    Some(Key::Flag(flag.to_owned(), wanted))
}

fn key_with_argument(word: &str, cursor: &mut Cursor<'_>) -> Parsed<Key> {
    const NAMES: [&str; 26] = [
        "BCC",
        "BEFORE",
        "BODY",
        "CC",
        "FROM",
        "HEADER",
        "KEYWORD",
        "LARGER",
        "MODSEQ",
        "NOT",
        "ON",
        "OR",
        "SENTBEFORE",
        "SENTON",
        "SENTSINCE",
        "SINCE",
        "SMALLER",
        "SUBJECT",
        "TEXT",
        "TO",
        "UID",
        "UNKEYWORD",
        "CHARSET",
        "X-GM-LABELS",
        "X-GM-MSGID",
        "X-GM-THRID",
    ];
    if !NAMES.contains(&word) {
        return Err(Refusal::bad(format!("Unknown SEARCH key {word}")));
    }
    cursor.space()?;
    Ok(match word {
        "BEFORE" => Key::Internal(Compare::Before, day(cursor)?),
        "ON" => Key::Internal(Compare::On, day(cursor)?),
        "SINCE" => Key::Internal(Compare::Since, day(cursor)?),
        "SENTBEFORE" => Key::Sent(Compare::Before, day(cursor)?),
        "SENTON" => Key::Sent(Compare::On, day(cursor)?),
        "SENTSINCE" => Key::Sent(Compare::Since, day(cursor)?),
        "BODY" => Key::Body(cursor.astring()?),
        "TEXT" => Key::Text(cursor.astring()?),
        "BCC" | "CC" | "FROM" | "SUBJECT" | "TO" => {
            Key::Header { name: word.as_bytes().to_vec(), text: cursor.astring()? }
        }
        "HEADER" => {
            let name = cursor.astring()?;
            cursor.space()?;
            Key::Header { name, text: cursor.astring()? }
        }
        "KEYWORD" => Key::Flag(cursor.atom()?.to_owned(), Wanted::Set),
        "UNKEYWORD" => Key::Flag(cursor.atom()?.to_owned(), Wanted::Unset),
        "LARGER" => Key::Larger(cursor.number()?),
        "SMALLER" => Key::Smaller(cursor.number()?),
        "MODSEQ" => modseq(cursor)?,
        "NOT" => Key::Not(Box::new(key(cursor)?)),
        "OR" => {
            let first = key(cursor)?;
            cursor.space()?;
            Key::Or(Box::new(first), Box::new(key(cursor)?))
        }
        "UID" => numbers(By::Uid, cursor)?,
        "X-GM-MSGID" | "X-GM-THRID" => Key::GmId(cursor.mod_sequence()?),
        "X-GM-LABELS" => gm_label(cursor)?,
        _ => return Err(Refusal::bad("CHARSET stands before the keys")),
    })
}

/// `\Inbox` and the like, or a name.
fn gm_label(cursor: &mut Cursor<'_>) -> Parsed<Key> {
    let label = match cursor.skip(b'\\') {
        true => format!("\\{}", cursor.atom()?).into_bytes(),
        false => cursor.astring()?,
    };
    Ok(Key::GmLabel(String::from_utf8_lossy(&label).into_owned()))
}

fn numbers(by: By, cursor: &mut Cursor<'_>) -> Parsed<Key> {
    Ok(Key::Numbers { by, set: cursor.sequence_set()?, places: Vec::new() })
}

/// `[entry-name entry-type] n`: the simulator keeps one mod-sequence for all of a message and
/// ignores the entry (RFC 7162 §3.1.5).
fn modseq(cursor: &mut Cursor<'_>) -> Parsed<Key> {
    if cursor.peek() == Some(b'"') {
        cursor.quoted()?;
        cursor.space()?;
        if !matches!(cursor.keyword()?.as_str(), "PRIV" | "SHARED" | "ALL") {
            return Err(Refusal::bad("Expected priv, shared or all"));
        }
        cursor.space()?;
    }
    cursor.mod_sequence_or_zero().map(Key::ModSeq)
}

fn day(cursor: &mut Cursor<'_>) -> Parsed<i64> {
    let text = match cursor.peek() {
        Some(b'"') => cursor.quoted()?,
        _ => cursor.atom()?.as_bytes().to_vec(),
    };
    parse_day(&text).ok_or_else(|| Refusal::bad("Invalid date"))
}

/// A message under examination.
struct Candidate<'a> {
    place: usize,
    recent: bool,
    modseq: u64,
    message: &'a Message,
    gm: Option<&'a GmMessage>,
}

impl Key {
    /// Finds out which places the sets mean.
    fn resolve(&mut self, uids: &[u32]) -> Parsed<()> {
        match self {
            Self::Numbers { by, set, places } => *places = set.places(*by, uids)?,
            Self::Not(key) => key.resolve(uids)?,
            Self::Or(first, second) => {
                first.resolve(uids)?;
                second.resolve(uids)?;
            }
            Self::And(keys) => {
                for key in keys {
                    key.resolve(uids)?;
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// Whether mod-sequences are searched for, which the answer then tells.
    fn asks_modseq(&self) -> bool {
        match self {
            Self::ModSeq(_) => true,
            Self::Not(key) => key.asks_modseq(),
            Self::Or(first, second) => first.asks_modseq() || second.asks_modseq(),
            Self::And(keys) => keys.iter().any(Self::asks_modseq),
            _ => false,
        }
    }

    /// Whether it asks for what only Gmail has.
    fn asks_gmail(&self) -> bool {
        match self {
            Self::GmId(_) | Self::GmLabel(_) => true,
            Self::Not(key) => key.asks_gmail(),
            Self::Or(first, second) => first.asks_gmail() || second.asks_gmail(),
            Self::And(keys) => keys.iter().any(Self::asks_gmail),
            _ => false,
        }
    }

    fn matches(&self, candidate: &Candidate<'_>) -> bool {
        let message = candidate.message;
        let octets = &message.octets;
        let size = octets.len() as u64;
        match self {
            Self::All => true,
            Self::Flag(flag, wanted) => message.flags.contains(flag) == (*wanted == Wanted::Set),
            Self::Recent(wanted) => candidate.recent == (*wanted == Wanted::Set),
            Self::New => candidate.recent && !message.flags.contains("\\Seen"),
            Self::Numbers { places, .. } => places.binary_search(&candidate.place).is_ok(),
            Self::Internal(compare, day) => compare.holds(message.date.day(), *day),
            Self::Sent(compare, day) => headers::values(octets, b"Date")
                .first()
                .and_then(|value| sent_day(value))
                .is_some_and(|sent| compare.holds(sent, *day)),
            Self::Larger(than) => size > u64::from(*than),
            Self::Smaller(than) => size < u64::from(*than),
            Self::ModSeq(least) => candidate.modseq >= *least,
            Self::Header { name, text } => {
                headers::values(octets, name).iter().any(|value| contains(value, text))
            }
            Self::Body(text) => contains(&octets[headers::body_start(octets)..], text),
            Self::Text(text) => contains(octets, text),
            Self::GmId(id) => candidate.gm.is_some_and(|gm| gm.id == *id),
            Self::GmLabel(label) => candidate.gm.is_some_and(|gm| gm.has_label(label)),
            Self::Not(key) => !key.matches(candidate),
            Self::Or(first, second) => first.matches(candidate) || second.matches(candidate),
            Self::And(keys) => keys.iter().all(|key| key.matches(candidate)),
        }
    }
}

impl Compare {
    fn holds(self, day: i64, than: i64) -> bool {
        match self {
            Self::Before => day < than,
            Self::On => day == than,
            Self::Since => day >= than,
        }
    }
}

/// Whether the text occurs, ASCII case apart; the empty one always does.
fn contains(octets: &[u8], text: &[u8]) -> bool {
    let lower = octets.to_ascii_lowercase();
    memchr::memmem::find(&lower, &text.to_ascii_lowercase()).is_some()
}

impl Session {
    pub(super) fn search(
        &mut self,
        mut arguments: SearchArguments,
        tag: &str,
        out: &mut Out,
    ) -> Answer {
        let account = self.account()?;
        let asks_modseq = arguments.key.asks_modseq();
        if asks_modseq {
            self.note_aware(Aware::ModSequences, out)?;
        }
        let kind = self.profile().mod_sequences;
        let view = self.view()?;
        arguments.key.resolve(view.uids())?;
        let mut store = account.lock();
        let mailbox = view.mailbox(&mut store)?;
        let mut hits = Vec::new();
        let mut modseqs = Vec::new();
        for (place, &uid) in view.uids().iter().enumerate() {
            let Some(stored) = mailbox.messages.get(&uid) else { continue };
            let (recent, modseq) = (view.is_recent(uid), stored.told_modseq(kind));
            let gm = stored.gm.as_deref();
            let candidate = Candidate { place, recent, modseq, message: &stored.message, gm };
            if arguments.key.matches(&candidate) {
                hits.push(match arguments.by {
                    By::Uid => uid,
                    By::Sequence => u32::try_from(place + 1).unwrap_or(u32::MAX),
                });
                modseqs.push(modseq);
            }
        }
        let told = if asks_modseq { &modseqs[..] } else { &[] };
        out.line(match &arguments.returns {
            None => plain(&hits, told),
            Some(returns) => esearch(tag, arguments.by, returns, (&hits, told)),
        });
        done_by(arguments.by, "Search")
    }
}

/// `* SEARCH ..`, and the highest mod-sequence where that is told (RFC 7162 §3.1.6).
fn plain(hits: &[u32], modseqs: &[u64]) -> String {
    let mut line = String::from("* SEARCH");
    for hit in hits {
        line.push_str(&format!(" {hit}"));
    }
    if let Some(highest) = modseqs.iter().max() {
        line.push_str(&format!(" (MODSEQ {highest})"));
    }
    line
}

/// `* ESEARCH (TAG "x") UID ..` (RFC 4731 §3.1); an empty list of options means ALL.
fn esearch(tag: &str, by: By, returns: &[Return], (hits, modseqs): (&[u32], &[u64])) -> String {
    let mut line = format!("* ESEARCH (TAG \"{tag}\")");
    if by == By::Uid {
        line.push_str(" UID");
    }
    let wants = |option| returns.contains(&option);
    if let (Some(first), Some(last)) = (hits.first(), hits.last()) {
        if wants(Return::Min) {
            line.push_str(&format!(" MIN {first}"));
        }
        if wants(Return::Max) {
            line.push_str(&format!(" MAX {last}"));
        }
        if wants(Return::All) || returns.is_empty() {
            line.push_str(&format!(" ALL {}", set_text(hits)));
        }
    }
    if wants(Return::Count) {
        line.push_str(&format!(" COUNT {}", hits.len()));
    }
    if let (Some(&first), Some(&last)) = (modseqs.first(), modseqs.last()) {
        // Of the first and the last alone, where nothing else is asked (RFC 4731 §3.2).
        let ends = [(Return::Min, first), (Return::Max, last)];
        let asked = ends.into_iter().filter(|end| wants(end.0)).map(|end| end.1);
        let is_of_all = wants(Return::All) || wants(Return::Count) || returns.is_empty();
        let highest = match is_of_all {
            true => modseqs.iter().copied().max(),
            false => asked.max(),
        };
        line.push_str(&format!(" MODSEQ {}", highest.unwrap_or(last)));
    }
    line
}

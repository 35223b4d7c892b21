//! Takes a whole command off the wire, deciding over each literal before its octets come.

use super::append;
use super::parse::{Cursor, Parsed, Part, Refusal, is_tag_char};
use super::profile::{AppendCheck, Extension};
use super::session::Session;
use super::wire::{Hangup, Line, Wire};

/// What came.
#[derive(Debug)]
pub(super) enum Received {
    /// A whole command.
    Command(Vec<Part>),
    /// A command that was refused before it was whole; its beginning.
    Refused(Vec<Part>, Refusal),
    /// After this the octets cannot be told apart: BAD, BYE and the end. Never read on, or
    /// the text of a message would be taken for commands.
    Fatal(Vec<Part>, Refusal),
}

/// Largest non-synchronising literal under LITERAL- (RFC 7888 §5).
const LITERAL_MINUS_OCTETS_MAX: u64 = 4096;

pub(super) async fn receive(wire: &mut Wire, session: &Session) -> Result<Received, Hangup> {
    let mut intake = Intake { session, parts: Vec::new(), refusal: None, octets: 0 };
    loop {
        let line = match wire.line().await? {
            Line::Whole(line) => line,
            Line::BareLf(line) => {
                let refusal = Refusal::bad("Line ended with LF instead of CRLF");
                intake.parts.push(Part::Text(line));
                return Ok(Received::Refused(intake.parts, refusal));
            }
            Line::TooLong(line) => {
                intake.parts.push(Part::Text(line));
                return Ok(Received::Fatal(intake.parts, Refusal::bad("Line too long")));
            }
        };
        let Some(header) = Header::read(&line) else {
            intake.parts.push(Part::Text(line));
            return Ok(match intake.refusal {
                Some(refusal) => Received::Refused(intake.parts, refusal),
                None => Received::Command(intake.parts),
            });
        };
        intake.parts.push(Part::Text(line[..header.start].to_vec()));
        intake.octets += header.start as u64;
        match intake.decide(&header) {
            Verdict::Take => {
                if header.sync == Sync::Synchronising {
                    wire.put(b"+ OK\r\n").await?;
                }
                intake.octets += header.octets;
                let octets = wire.literal(header.octets).await?;
                intake.parts.push(Part::Literal(octets));
            }
            Verdict::Swallow => {
                wire.discard(header.octets).await?;
                intake.parts.push(Part::Literal([].into()));
            }
            Verdict::Refuse(refusal) => return Ok(Received::Refused(intake.parts, refusal)),
            Verdict::Hangup(refusal) => return Ok(Received::Fatal(intake.parts, refusal)),
        }
    }
}

/// The tag of a command, `*` where it has none that could be repeated.
pub(super) fn tag(parts: &[Part]) -> String {
    let mut cursor = Cursor::new(parts);
    match cursor.word(is_tag_char, "a tag") {
        Ok(tag) if cursor.peek().is_none_or(|next| next == b' ') => tag.to_owned(),
        _ => "*".to_owned(),
    }
}

/// The name of a command, in capitals, `UID FETCH` with both words; empty where there is none.
/// The cursor stands behind it.
pub(super) fn command_name(cursor: &mut Cursor<'_>) -> Parsed<String> {
    cursor.word(is_tag_char, "a tag")?;
    cursor.space()?;
    let name = cursor.keyword()?;
    if name != "UID" {
        return Ok(name);
    }
    cursor.space()?;
    Ok(format!("UID {}", cursor.keyword()?))
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sync {
    Synchronising,
    NonSynchronising,
}

/// `{n}` or `{n+}` at the end of a line.
#[derive(Debug)]
struct Header {
    start: usize,
    octets: u64,
    sync: Sync,
    /// `~{n}`: a literal8, which only BINARY knows (RFC 3516).
    binary: bool,
}

impl Header {
    fn read(line: &[u8]) -> Option<Self> {
        let inner = line.strip_suffix(b"}")?;
        let start = memchr::memrchr(b'{', inner)?;
        let (digits, sync) = match inner[start + 1..].strip_suffix(b"+") {
            Some(digits) => (digits, Sync::NonSynchronising),
            None => (&inner[start + 1..], Sync::Synchronising),
        };
        let digits = std::str::from_utf8(digits).ok()?;
        if digits.is_empty() || !digits.bytes().all(|octet| octet.is_ascii_digit()) {
            return None;
        }
        // More than fits is surely over every limit.
        let octets = digits.parse().unwrap_or(u64::MAX);
        Some(Self { start, octets, sync, binary: line[..start].ends_with(b"~") })
    }
}

enum Verdict {
    Take,
    /// Refused already, but the octets come all the same.
    Swallow,
    Refuse(Refusal),
    Hangup(Refusal),
}

struct Intake<'s> {
    session: &'s Session,
    parts: Vec<Part>,
    refusal: Option<Refusal>,
    octets: u64,
}

impl Intake<'_> {
    fn decide(&mut self, header: &Header) -> Verdict {
        let profile = self.session.profile();
        if header.sync == Sync::NonSynchronising {
            let most = if profile.has(Extension::LiteralPlus) {
                u64::MAX
            } else if profile.has(Extension::LiteralMinus) {
                LITERAL_MINUS_OCTETS_MAX
            } else {
                return Verdict::Hangup(Refusal::bad("Non-synchronising literals not supported"));
            };
            if header.octets > most {
                return Verdict::Hangup(Refusal::bad("[TOOBIG] Literal over 4096 octets"));
            }
        }
        if self.refusal.is_none() {
            self.refusal = self.judge(header).err();
        }
        let Some(refusal) = self.refusal.clone() else { return Verdict::Take };
        match header.sync {
            Sync::Synchronising => Verdict::Refuse(refusal),
            Sync::NonSynchronising if header.octets > profile.limits.command_octets_max => {
                Verdict::Hangup(refusal)
            }
            Sync::NonSynchronising => Verdict::Swallow,
        }
    }

    fn judge(&self, header: &Header) -> Parsed<()> {
        let profile = self.session.profile();
        let limits = &profile.limits;
        if header.binary && !profile.has(Extension::Binary) {
            return Err(Refusal::bad("literal8 not supported"));
        }
        if self.parts.len() / 2 >= limits.literals_max {
            return Err(Refusal::bad("Too many literals"));
        }
        let all = self.octets.saturating_add(header.octets);
        let mut cursor = Cursor::new(&self.parts);
        let is_append = command_name(&mut cursor).is_ok_and(|name| name == "APPEND");
        if is_append && append::stands_before_message(cursor.clone()) {
            if all > limits.command_octets_max {
                return Err(Refusal::no("[TOOBIG] Message too big"));
            }
            return match (header.sync, profile.append_check) {
                (Sync::Synchronising, AppendCheck::BeforeLiteral) => {
                    append::check_early(self.session, cursor, header.octets)
                }
                (Sync::Synchronising, AppendCheck::AfterLiteral) => Ok(()),
                // It comes anyway, but need not be held.
                (Sync::NonSynchronising, _) => append::check_size(header.octets, profile),
            };
        }
        if header.octets > limits.string_octets_max || all > limits.command_octets_max {
            return Err(Refusal::bad("Literal too big"));
        }
        Ok(())
    }
}

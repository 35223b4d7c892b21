//! What a message is called: Message-Id and Subject, read off its beginning as it passes through.

use memchr::memchr;

use mailferry_engine::message::Uid;
use mailferry_store::contract::BodyEvent;

/// Octets of a message that are looked at.
const BEGINNING_OCTETS_MAX: usize = 64 * 1024;
/// Octets of one field that are kept.
const FIELD_OCTETS_MAX: usize = 998;

/// What a message is called, as it says itself: foreign text, encoded words and all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Headline {
    /// Message-Id, angle brackets included; empty where there is none.
    pub message_id: String,
    /// Subject; empty where there is none.
    pub subject: String,
}

impl Headline {
    /// Reads it off a message, or the beginning of one.
    #[must_use]
    pub fn of(message: &[u8]) -> Self {
        let mut headline = Self::default();
        let mut rest = &message[..message.len().min(BEGINNING_OCTETS_MAX)];
        let mut found = 0;
        while found < 2 && !rest.is_empty() && !is_empty_line(rest) {
            let field = field(rest);
            let place = match rest.first() {
                Some(b'm' | b'M') => Some((&b"message-id"[..], &mut headline.message_id)),
                Some(b's' | b'S') => Some((&b"subject"[..], &mut headline.subject)),
                _ => None,
            };
            if let Some((name, place)) = place
                && let Some(value) = value_of(&rest[..field], name)
                && place.is_empty()
            {
                *place = unfolded(value);
                found += 1;
            }
            rest = &rest[field..];
        }
        headline
    }
}

fn is_empty_line(rest: &[u8]) -> bool {
    rest.starts_with(b"\r\n") || rest.starts_with(b"\n")
}

/// Octets of the first field, its continuation lines included (RFC 5322 §2.2.3).
fn field(rest: &[u8]) -> usize {
    let mut end = 0;
    loop {
        end = memchr(b'\n', &rest[end..]).map_or(rest.len(), |at| end + at + 1);
        if !matches!(rest.get(end), Some(b' ' | b'\t')) {
            return end;
        }
    }
}

fn value_of<'a>(field: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let (begin, after) = field.split_at_checked(name.len())?;
    // Blanks before the colon are obsolete, not unheard of (RFC 5322 §4.5.4).
    let after = after.trim_ascii_start();
    begin.eq_ignore_ascii_case(name).then_some(after)?.strip_prefix(b":")
}

/// The text of a field on one line. Octets beyond ASCII are UTF-8 (RFC 6532) or else taken for
/// Latin-1, as they were before there was MIME.
fn unfolded(value: &[u8]) -> String {
    let mut octets: Vec<u8> = Vec::with_capacity(value.len().min(FIELD_OCTETS_MAX));
    octets.extend(value.iter().filter(|octet| !matches!(octet, b'\r' | b'\n')));
    octets.truncate(FIELD_OCTETS_MAX);
    let octets = octets.trim_ascii();
    match std::str::from_utf8(octets) {
        Ok(text) => text.to_owned(),
        // The end may have been cut within a character.
        Err(error) if error.error_len().is_none() => {
            String::from_utf8_lossy(&octets[..error.valid_up_to()]).into_owned()
        }
        Err(_) => octets.iter().map(|&octet| char::from(octet)).collect(),
    }
}

/// Looks at messages as they pass.
#[derive(Default)]
pub(crate) struct Glance {
    /// The large message that is passing, until its header was seen.
    open: Option<(Uid, u64, Vec<u8>)>,
}

impl Glance {
    /// Takes what passes; gives UID, octets and headline of a message once its header has passed.
    pub(crate) fn look(&mut self, event: &BodyEvent<'_>) -> Option<(Uid, u64, Headline)> {
        match event {
            BodyEvent::Whole { uid, octets } => {
                Some((*uid, octets.len() as u64, Headline::of(octets)))
            }
            BodyEvent::Begin { uid, octets } => {
                self.open = Some((*uid, *octets, Vec::new()));
                None
            }
            BodyEvent::Chunk(octets) => {
                let (_, _, seen) = self.open.as_mut()?;
                let before = seen.len().saturating_sub(3);
                let room = BEGINNING_OCTETS_MAX - seen.len();
                seen.extend_from_slice(&octets[..octets.len().min(room)]);
                let is_enough = seen.len() == BEGINNING_OCTETS_MAX || has_empty_line(seen, before);
                is_enough.then(|| self.end()).flatten()
            }
            BodyEvent::End => self.end(),
            BodyEvent::Missing { .. } | BodyEvent::Finished | BodyEvent::Unavailable { .. } => None,
        }
    }

    fn end(&mut self) -> Option<(Uid, u64, Headline)> {
        let (uid, octets, seen) = self.open.take()?;
        Some((uid, octets, Headline::of(&seen)))
    }
}

/// Whether the header ends within these octets; nothing ends before `begin`.
fn has_empty_line(octets: &[u8], begin: usize) -> bool {
    let mut at = begin;
    while let Some(end) = memchr(b'\n', &octets[at..]) {
        at += end + 1;
        if is_empty_line(&octets[at..]) {
            return true;
        }
    }
    begin == 0 && is_empty_line(octets)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn of(text: &str) -> (String, String) {
        let Headline { message_id, subject } = Headline::of(text.as_bytes());
        (message_id, subject)
    }

    #[test]
    fn message_id_and_subject_are_read_off_the_header_only() {
        let text = "Received: x\r\n\tMessage-Id: no\r\nSUBJECT: a\r\n  b\r\nmessage-id : <i@d>\r\n\
                    \r\nSubject: body\r\n";
        assert_eq!(of(text), ("<i@d>".into(), "a  b".into()));
        assert_eq!(of("Subject:\nX: y\n\nMessage-Id: <b>\n"), (String::new(), String::new()));
        assert_eq!(of("\r\nSubject: body"), (String::new(), String::new()));
        assert_eq!(of("Subject: first\nSubject: second\n\n").1, "first");
        assert_eq!(of("Subject: no end"), (String::new(), "no end".into()));
        assert_eq!(of("Subjects: x\nMessage-Identity: y\n\n"), (String::new(), String::new()));
    }

    #[test]
    fn octets_beyond_ascii_are_utf_8_or_latin_1() {
        assert_eq!(of("Subject: gr\u{fc}n\n\n").1, "gr\u{fc}n");
        assert_eq!(Headline::of(b"Subject: gr\xfcn\n\n").subject, "gr\u{fc}n");
        let long = format!("Subject: {}\u{fc}\n\n", "x".repeat(FIELD_OCTETS_MAX - 2));
        assert_eq!(of(&long).1, "x".repeat(FIELD_OCTETS_MAX - 2));
    }

    #[test]
    fn a_streamed_message_is_known_however_it_is_cut() {
        let text = b"X: y\r\nSubject: s\r\nMessage-Id: <m>\r\n\r\nSubject: body\r\n".to_vec();
        let uid = Uid::new(7).unwrap();
        for cut in 1..text.len() {
            let mut glance = Glance::default();
            assert!(glance.look(&BodyEvent::Begin { uid, octets: 9 }).is_none());
            let mut told = Vec::new();
            for chunk in text.chunks(cut) {
                told.extend(glance.look(&BodyEvent::Chunk(chunk)));
            }
            told.extend(glance.look(&BodyEvent::End));
            let headline = Headline { message_id: "<m>".into(), subject: "s".into() };
            assert_eq!(told, [(uid, 9, headline)], "cut after {cut}");
        }
    }
}

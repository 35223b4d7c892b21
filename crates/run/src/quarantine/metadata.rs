//! What is written beside a message.

use mailferry_engine::fault::Fault;
use mailferry_engine::message::{Flag, FlagSet, InternalDate, Uid};
use mailferry_engine::name::{MailboxName, read_escaped};
use serde::{Deserialize, Serialize};

use super::Origin;

/// The form of the file; another number is another form.
pub(super) const VERSION: u32 = 1;
/// Octets of a server's words that are kept.
const WORDS_OCTETS_MAX: usize = 4096;

/// What is known of a refused message, as the one who keeps it aside gives it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// The mailbox of the target that refused it.
    pub target: MailboxName,
    /// Its flags and keywords on the source.
    pub flags: FlagSet,
    /// Its INTERNALDATE on the source.
    pub date: InternalDate,
    /// When it was kept aside, in seconds since 1970-01-01T00:00:00Z.
    pub kept_at: i64,
    /// What was sent, and what the server said to it.
    pub attempts: Vec<Attempt>,
    /// Why no more was tried, in a word.
    pub ended: String,
}

/// One APPEND that was refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// The repair that came to those before it; `None` for the message as it is.
    pub step: Option<String>,
    /// The server's words, with control characters escaped, cut off after 4,096 octets.
    pub words: String,
}

impl Attempt {
    /// `step`: the repair that was tried; `refusal`: what it was answered.
    #[must_use]
    pub fn new(step: Option<String>, refusal: &Fault) -> Self {
        Self { step, words: shown(&refusal.words) }
    }
}

/// The contents of a `.json` file. Names and flags are written as they are shown: printable
/// ASCII as it is, a backslash doubled, every other octet as `\xHH`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Metadata {
    /// The form of the file.
    pub version: u32,
    /// The mailbox of the source.
    pub mailbox: String,
    /// Its UIDVALIDITY; 0 where the server told none.
    pub uid_validity: u32,
    /// The UID of the message.
    pub uid: u32,
    /// The mailbox of the target.
    pub target: String,
    /// Flags and keywords.
    pub flags: Vec<String>,
    /// INTERNALDATE; `None` where it is unknown.
    pub internal_date: Option<MetadataDate>,
    /// Length of the message.
    pub octets: u64,
    /// SHA-256 of the message, in small hexadecimal digits.
    pub sha256: String,
    /// When it was kept aside, in seconds since 1970-01-01T00:00:00Z.
    pub kept_at: i64,
    /// What was sent, and what the server said to it.
    pub attempts: Vec<Attempt>,
    /// Why no more was tried.
    pub ended: String,
}

/// An INTERNALDATE.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MetadataDate {
    /// Since 1970-01-01T00:00:00Z.
    pub seconds: i64,
    /// East of UTC.
    pub zone_minutes: i16,
}

impl Metadata {
    pub(super) fn new(origin: &Origin, record: &Record, (octets, sha256): (u64, String)) -> Self {
        let date = record.date;
        let internal_date = date
            .instant()
            .zip(date.zone_minutes())
            .map(|(seconds, zone_minutes)| MetadataDate { seconds, zone_minutes });
        Self {
            version: VERSION,
            mailbox: origin.mailbox.to_string(),
            uid_validity: origin.uid_validity,
            uid: origin.uid.value(),
            target: record.target.to_string(),
            flags: record.flags.iter().map(ToString::to_string).collect(),
            internal_date,
            octets,
            sha256,
            kept_at: record.kept_at,
            attempts: record.attempts.clone(),
            ended: shown(&record.ended),
        }
    }

    /// Where the message was; `None` where that is not well formed.
    #[must_use]
    pub fn origin(&self) -> Option<Origin> {
        Some(Origin {
            mailbox: MailboxName::new(read_escaped(&self.mailbox)?),
            uid_validity: self.uid_validity,
            uid: Uid::new(self.uid)?,
        })
    }

    /// What was given when it was kept aside; `None` where that is not well formed.
    #[must_use]
    pub fn record(&self) -> Option<Record> {
        let flags = self.flags.iter().map(|flag| Some(Flag::new(&read_escaped(flag)?)));
        let date =
            self.internal_date.map(|date| InternalDate::new(date.seconds, date.zone_minutes));
        Some(Record {
            target: MailboxName::new(read_escaped(&self.target)?),
            flags: flags.collect::<Option<FlagSet>>()?,
            date: date.unwrap_or(InternalDate::UNKNOWN),
            kept_at: self.kept_at,
            attempts: self.attempts.clone(),
            ended: self.ended.clone(),
        })
    }
}

/// Foreign words on one line, without what could steer a terminal.
fn shown(words: &str) -> String {
    let mut line = String::with_capacity(words.len());
    for letter in words.chars() {
        let steers = letter.is_control()
            || matches!(letter, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}')
            || ('\u{2066}'..='\u{2069}').contains(&letter);
        if steers {
            line.extend(letter.escape_unicode());
        } else {
            line.push(letter);
        }
        if line.len() >= WORDS_OCTETS_MAX {
            break;
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn any_name_comes_back(octets: Vec<u8>) {
            let name = MailboxName::new(octets);
            let read = read_escaped(&name.to_string());
            prop_assert_eq!(read.as_deref(), Some(name.as_bytes()));
        }

        #[test]
        fn any_text_is_a_name_or_none(text in "[ -~é\\\\x0-9a-f]{0,20}") {
            if let Some(octets) = read_escaped(&text) {
                // INBOX alone is written in another case.
                prop_assume!(!octets.eq_ignore_ascii_case(b"INBOX"));
                prop_assert_eq!(MailboxName::new(octets).to_string(), text);
            }
        }
    }

    #[test]
    fn words_cannot_steer_a_terminal_and_end_somewhere() {
        assert_eq!(shown("NO a\x1b[2Jb\r\n\u{202e}é"), "NO a\\u{1b}[2Jb\\u{d}\\u{a}\\u{202e}é");
        assert_eq!(shown(&"x".repeat(10_000)).len(), WORDS_OCTETS_MAX);
    }
}

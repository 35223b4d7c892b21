//! Mailbox names as they stand on the wire.

use std::fmt;

use serde::{Serialize, Serializer};

/// The name of a mailbox: its octets on the wire, unquoted, in modified UTF-7
/// (RFC 3501 §5.1.3), hierarchy delimiters included.
///
/// Two names are equal if their octets are; `INBOX` in any case is normalised to `INBOX`
/// on construction (RFC 9051 §5.1).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MailboxName(Box<[u8]>);

impl MailboxName {
    /// The one mailbox that every account has.
    pub const INBOX: &'static [u8] = b"INBOX";

    /// Takes the octets of a name; `INBOX` is recognised in any case.
    #[must_use]
    pub fn new(octets: impl Into<Box<[u8]>>) -> Self {
        let octets = octets.into();
        if octets.eq_ignore_ascii_case(Self::INBOX) {
            Self(Self::INBOX.into())
        } else {
            Self(octets)
        }
    }

    /// The octets as they go on the wire, before quoting.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Whether this is INBOX itself (not a mailbox below it).
    #[must_use]
    pub fn is_inbox(&self) -> bool {
        &*self.0 == Self::INBOX
    }
}

impl From<&str> for MailboxName {
    fn from(text: &str) -> Self {
        Self::new(text.as_bytes())
    }
}

/// Printable ASCII as it is, a backslash doubled, every other octet as `\xHH`: a name comes
/// from a server, so it must not be able to steer a terminal or to look like another name.
impl fmt::Display for MailboxName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_escaped(&self.0, f)
    }
}

impl fmt::Debug for MailboxName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{self}`")
    }
}

impl Serialize for MailboxName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Writes octets so that they can be shown and told apart.
pub(crate) fn write_escaped(octets: &[u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    for &octet in octets {
        match octet {
            b'\\' => f.write_str("\\\\")?,
            b' '..=b'~' => write!(f, "{}", char::from(octet))?,
            _ => write!(f, "\\x{octet:02x}")?,
        }
    }
    Ok(())
}

/// The octets of a name or a flag that was written as it is shown; `None` where the text is not
/// written so.
#[must_use]
pub fn read_escaped(text: &str) -> Option<Vec<u8>> {
    let mut octets = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [octet, after @ ..] = rest {
        match (octet, after) {
            (b'\\', [b'\\', after @ ..]) => {
                octets.push(b'\\');
                rest = after;
            }
            (b'\\', [b'x', high, low, after @ ..]) => {
                octets.push(hex_digit(*high)? << 4 | hex_digit(*low)?);
                rest = after;
            }
            (b' '..=b'[' | b']'..=b'~', _) => {
                octets.push(*octet);
                rest = after;
            }
            _ => return None,
        }
    }
    Some(octets)
}

fn hex_digit(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

/// What a mailbox is for: the SPECIAL-USE attributes of RFC 6154 §2.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SpecialUse {
    /// `\All`
    All,
    /// `\Archive`
    Archive,
    /// `\Drafts`
    Drafts,
    /// `\Flagged`
    Flagged,
    /// `\Junk`
    Junk,
    /// `\Sent`
    Sent,
    /// `\Trash`
    Trash,
}

impl SpecialUse {
    /// Every special use, in the order of their names.
    pub const EVERY: [Self; 7] = [
        Self::All,
        Self::Archive,
        Self::Drafts,
        Self::Flagged,
        Self::Junk,
        Self::Sent,
        Self::Trash,
    ];

    /// The attribute as LIST shows it, with its backslash.
    #[must_use]
    pub fn attribute(self) -> &'static str {
        match self {
            Self::All => "\\All",
            Self::Archive => "\\Archive",
            Self::Drafts => "\\Drafts",
            Self::Flagged => "\\Flagged",
            Self::Junk => "\\Junk",
            Self::Sent => "\\Sent",
            Self::Trash => "\\Trash",
        }
    }

    /// Reads a LIST attribute, in any case (Cyrus shows `\sent`).
    #[must_use]
    pub fn from_attribute(attribute: &[u8]) -> Option<Self> {
        Self::EVERY
            .into_iter()
            .find(|use_| attribute.eq_ignore_ascii_case(use_.attribute().as_bytes()))
    }
}

impl Serialize for SpecialUse {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.attribute())
    }
}

/// A rule of the user's that came to no result for a mailbox. Nothing may rest on a guess, so
/// there is no plan.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{rule}: {words}")]
pub struct RuleFailed {
    /// The name it was applied to.
    pub mailbox: MailboxName,
    /// The rule, as the user gave it.
    pub rule: String,
    /// Why.
    pub words: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inbox_is_one_mailbox_in_any_case() {
        assert_eq!(MailboxName::from("iNbOx"), MailboxName::from("INBOX"));
        assert_ne!(MailboxName::from("Inbox/x"), MailboxName::from("INBOX/x"));
    }

    #[test]
    fn a_name_shows_every_octet_without_ambiguity() {
        let name = MailboxName::new(&b"a\\b\xff\x1b\"c"[..]);
        assert_eq!(name.to_string(), r#"a\\b\xff\x1b"c"#);
    }

    #[test]
    fn special_use_is_read_in_any_case() {
        assert_eq!(SpecialUse::from_attribute(b"\\sent"), Some(SpecialUse::Sent));
        assert_eq!(SpecialUse::from_attribute(b"\\HasChildren"), None);
    }
}

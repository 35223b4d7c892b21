//! What a refusal is about, as far as the server says.

use crate::fault::{Fault, FaultKind, Scope, Side};

/// What a server refused a message for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Cause {
    /// Its size; no repair helps.
    Size,
    /// What the server takes for a virus; no repair helps.
    Virus,
    /// A flag or keyword.
    Flags,
    /// The INTERNALDATE.
    Date,
    /// NULs.
    Nuls,
    /// Bare CR or bare LF.
    LineEnds,
    /// A line that is too long.
    LineLength,
    /// The header, without saying what of it.
    Header,
    /// The server does not say, or seems to say several things. Exchange's `BAD Command
    /// Argument Error. 11` is one of these.
    Unsaid,
}

impl Cause {
    /// Reads a fault. `None` where it does not say that the target refused this message: then
    /// there is nothing to repair.
    ///
    /// Few servers send a response code that tells; so the words decide. Where they speak of
    /// the message and of what goes with it (its flags, its date), nothing is concluded.
    #[must_use]
    pub fn of(fault: &Fault) -> Option<Self> {
        if fault.scope != Scope::Message || fault.side != Side::Target {
            return None;
        }
        match fault.kind {
            FaultKind::AppendSize => Some(Self::Size),
            FaultKind::AppendVirus => Some(Self::Virus),
            FaultKind::Append => Some(Self::said(&fault.words)),
            _ => None,
        }
    }

    /// Whether this is about what goes with a message, not about its octets.
    #[must_use]
    pub fn is_of_envelope(self) -> bool {
        matches!(self, Self::Flags | Self::Date)
    }

    fn said(words: &str) -> Self {
        const SIGNS: [(Cause, &[&str]); 6] = [
            (Cause::Nuls, &["nul", "nuls", "null", "nulls"]),
            (
                Cause::LineEnds,
                &[
                    "bare newline",
                    "bare newlines",
                    "bare lf",
                    "bare cr",
                    "bare linefeed",
                    "bare line feed",
                    "bare carriage return",
                    "line ending",
                    "line endings",
                ],
            ),
            (
                Cause::LineLength,
                &["line too long", "lines too long", "long line", "long lines", "line length"],
            ),
            (Cause::Header, &["header", "headers"]),
            (Cause::Flags, &["flag", "flags", "keyword", "keywords"]),
            (Cause::Date, &["date", "date time", "internaldate", "datetime"]),
        ];
        let words = spaced(words);
        let says = |sign: &&str| words.contains(&format!(" {sign} "));
        let mut causes =
            SIGNS.iter().filter(|(_, signs)| signs.iter().any(says)).map(|&(cause, _)| cause);
        let Some(first) = causes.next() else { return Self::Unsaid };
        if causes.any(|cause| cause.is_of_envelope() != first.is_of_envelope()) {
            return Self::Unsaid;
        }
        first
    }
}

/// In small letters, each word between two blanks.
fn spaced(words: &str) -> String {
    let mut text = String::with_capacity(words.len() + 2);
    text.push(' ');
    for letter in words.chars() {
        let letter = if letter.is_ascii_alphanumeric() { letter.to_ascii_lowercase() } else { ' ' };
        if letter != ' ' || !text.ends_with(' ') {
            text.push(letter);
        }
    }
    if !text.ends_with(' ') {
        text.push(' ');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cause(words: &str) -> Option<Cause> {
        Cause::of(&Fault::new(Side::Target, FaultKind::Append, words))
    }

    #[test]
    fn what_servers_say_is_understood() {
        for (words, expected) in [
            ("NO Message contains NUL characters", Cause::Nuls),
            ("NO Message contains bare newlines", Cause::LineEnds),
            ("NO Message contains invalid header", Cause::Header),
            ("BAD Invalid keyword in APPEND", Cause::Flags),
            ("NO [LIMIT] Too many user flags in mailbox", Cause::Flags),
            ("BAD Invalid date-time in Append command", Cause::Date),
            ("NO internaldate: out of range", Cause::Date),
            ("BAD Command Argument Error. 11", Cause::Unsaid),
            ("NO line too long", Cause::LineLength),
            ("NO invalid date header", Cause::Unsaid),
            ("NO annulled, updated", Cause::Unsaid),
            ("", Cause::Unsaid),
        ] {
            assert_eq!(cause(words), Some(expected), "{words}");
        }
    }

    #[test]
    fn what_is_no_refusal_of_a_message_has_no_cause() {
        let of = |kind| Cause::of(&Fault::new(Side::Target, kind, "flags"));
        assert_eq!(of(FaultKind::OverQuota), None);
        assert_eq!(of(FaultKind::Connection), None);
        assert_eq!(of(FaultKind::AppendSize), Some(Cause::Size));
        assert_eq!(of(FaultKind::AppendVirus), Some(Cause::Virus));
        let wider = Fault {
            scope: Scope::Account,
            ..Fault::new(Side::Target, FaultKind::Append, "[UNAVAILABLE]")
        };
        assert_eq!(Cause::of(&wider), None);
        assert_eq!(Cause::of(&Fault::new(Side::Source, FaultKind::Append, "")), None);
    }
}

//! What became of a message, in words.

use mail_parser::MessageParser;
use mailferry_engine::message::FlagSet;
use mailferry_imap::session::printable;
use mailferry_run::receipt::{Fate, Headline, Message, Part, Why};

use crate::fault_text::shown;

/// One word for a fate: the same in every form.
pub(in crate::mailferry) fn fate_word(fate: Fate) -> &'static str {
    match fate {
        Fate::Copied => "copied",
        Fate::Present => "present",
        Fate::Skipped(Why::OverAppendLimit, _) | Fate::Failed => "failed",
        Fate::Skipped(..) => "skipped",
        Fate::Expunged => "expunged",
        Fate::NotStarted => "not-started",
        Fate::Unknown => "unknown",
    }
}

/// One word for why: the rule, or the kind of fault.
pub(in crate::mailferry) fn reason_word<'a>(message: &Message<'a>) -> Option<&'a str> {
    match message.fate {
        Fate::Skipped(why, _) => Some(match why {
            Why::NotSelected => "not-selected",
            Why::TooBig => "too-big",
            Why::TooSmall => "too-small",
            Why::OverAppendLimit => "over-append-limit",
            Why::Duplicate => "duplicate",
            Why::Elsewhere => "elsewhere",
            Why::Content => "content",
        }),
        _ => message.reason.map(|(kind, _)| kind),
    }
}

/// A subject without its encoded words (RFC 2047). Foreign text.
pub(in crate::mailferry) fn subject(headline: &Headline) -> String {
    if !headline.subject.contains("=?") {
        return headline.subject.clone();
    }
    let header = format!("Subject: {}\r\n\r\n", headline.subject);
    let parsed = MessageParser::new().parse_headers(header.as_bytes());
    let decoded = parsed.as_ref().and_then(|message| message.subject());
    decoded.map_or_else(|| headline.subject.clone(), str::to_owned)
}

/// What a message is called, for people; nothing in it can act on a terminal.
pub(in crate::mailferry) fn title(headline: &Headline) -> String {
    let subject = subject(headline);
    let parts = [subject.as_str(), headline.message_id.as_str()];
    let told: Vec<String> = parts
        .iter()
        .filter(|part| !part.is_empty())
        .map(|part| printable(part.as_bytes()))
        .collect();
    told.join(" ")
}

/// What became of a message, in a sentence without its subject.
pub(in crate::mailferry) fn sentence(part: &Part, message: &Message<'_>) -> String {
    let target = shown(&part.target);
    let as_uid = message.target.map(|uid| format!(" as UID {uid}"));
    let as_uid = as_uid.as_deref().unwrap_or(", under a UID that the server did not tell");
    let mut text = match message.fate {
        Fate::Copied => format!("copied to `{target}`{as_uid}"),
        Fate::Present => format!("was in `{target}` already{as_uid}"),
        Fate::Skipped(why, limit) => skipped(why, limit),
        Fate::Failed => "not copied".to_owned(),
        Fate::Expunged => "not copied: it left the source before its turn".to_owned(),
        Fate::NotStarted if message.octets.is_some() => {
            "sent, and not answered for when the connection broke; the next run finds out what \
             became of it"
                .to_owned()
        }
        Fate::NotStarted => "not copied: the run ended before its turn".to_owned(),
        Fate::Unknown => {
            "sent when the run was killed: the next run finds out whether it arrived".to_owned()
        }
    };
    if let (Fate::Failed, Some((_, words))) = (message.fate, message.reason) {
        text.push_str(": ");
        text.push_str(&printable(words.as_bytes()));
    }
    if !message.repaired.is_empty() {
        text.push_str(&format!(", after a repair: {}", message.repaired.join(", ")));
    }
    if let Some(path) = message.kept_aside {
        text.push_str(&format!("; it is kept as {}", printable(path.as_bytes())));
    }
    if message.source_removed {
        text.push_str("; then removed from the source");
    }
    if let Some(change) = message.change {
        let (before, after) = (flags(&change.before).join(" "), flags(&change.after).join(" "));
        text.push_str(&format!("; its flags were changed from ({before}) to ({after})"));
    }
    if let Some(words) = message.flags_failed {
        let words = printable(words.as_bytes());
        text.push_str(&format!("; its flags could not be changed: {words}"));
    }
    text
}

/// Flags as people write them; foreign text.
pub(in crate::mailferry) fn flags(flags: &FlagSet) -> Vec<String> {
    flags.iter().map(|flag| printable(flag.as_bytes())).collect()
}

fn skipped(why: Why, limit: u32) -> String {
    match why {
        Why::NotSelected => {
            "left out: not among the messages that were chosen (search, age)".into()
        }
        Why::TooBig => format!("left out: larger than the limit you gave, {limit} octets"),
        Why::TooSmall => format!("left out: not larger than the limit you gave, {limit} octets"),
        Why::OverAppendLimit => format!("not copied: the target takes no more than {limit} octets"),
        Why::Duplicate => {
            "left out: another message of equal content in this mailbox stands for it".into()
        }
        Why::Elsewhere => "left out: it is in another mailbox of the account".into(),
        Why::Content => "left out by a rule about its content".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(subject: &str) -> Headline {
        Headline { message_id: "<a@b>".into(), subject: subject.into() }
    }

    #[test]
    fn encoded_words_are_read_and_nothing_acts_on_a_terminal() {
        assert_eq!(
            subject(&of("=?utf-8?q?gr=C3=BCn?= =?ISO-8859-1?B?7A==?= x")),
            "gr\u{fc}n\u{ec} x"
        );
        assert_eq!(
            subject(&of("=?koi8-r?B?8NLJ18XU?=")),
            "\u{41f}\u{440}\u{438}\u{432}\u{435}\u{442}"
        );
        assert_eq!(subject(&of("plain = ? text")), "plain = ? text");
        assert_eq!(title(&of("a\u{1b}[2Jb")), "a\\u{1b}[2Jb <a@b>");
        assert_eq!(title(&of("=?utf-8?q?a=1B[2J?=")), "a\\u{1b}[2J <a@b>");
    }
}

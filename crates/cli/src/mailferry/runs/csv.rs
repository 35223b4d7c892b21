//! A receipt as a table (RFC 4180), for spreadsheets: no field of it is ever a formula.

use mailferry_imap::session::printable;
use mailferry_run::receipt::{Message, Others, Part, ReadReceipt, ReceiptError, RemovalFate};

use super::words::{fate_word, reason_word, subject};
use super::{Lines, Only};
use crate::fault_text::shown;

const HEADER: [&str; 10] = [
    "mailbox",
    "uid",
    "fate",
    "target_mailbox",
    "target_uid",
    "reason",
    "words",
    "octets",
    "message_id",
    "subject",
];

pub(super) fn show(
    receipt: &ReadReceipt,
    others: &mut Others<'_>,
    only: &Only,
) -> Result<(), ReceiptError> {
    let mut lines = Lines::new();
    lines.line(&format!("{}\r", HEADER.join(",")));
    for (at, part) in receipt.parts.iter().enumerate().filter(|(_, part)| only.takes(part)) {
        receipt.messages(at, others, &mut |message| lines.line(&row(part, message)))?;
    }
    for removal in receipt.removals() {
        let Some(part) = receipt.parts.get(removal.part).filter(|part| only.takes(part)) else {
            continue;
        };
        let (fate, words) = match &removal.fate {
            RemovalFate::Removed => ("removed", "".to_owned()),
            RemovalFate::Moved(to) => ("moved", shown(to)),
            RemovalFate::Failed(words) => ("not-removed", words.clone()),
            RemovalFate::NotStarted => ("not-removed", "not begun".to_owned()),
        };
        let (target, uid) = (shown(&part.target), removal.uid.to_string());
        lines.line(&line(["", "", fate, &target, &uid, &removal.why, &words, "", "", ""]));
    }
    Ok(())
}

fn row(part: &Part, message: &Message<'_>) -> String {
    let number = |number: Option<u64>| number.map(|it| it.to_string()).unwrap_or_default();
    line([
        &shown(&part.source),
        &message.uid.to_string(),
        fate_word(message.fate),
        &shown(&part.target),
        &number(message.target.map(|uid| u64::from(uid.value()))),
        reason_word(message).unwrap_or_default(),
        message.reason.map_or("", |(_, words)| words),
        &number(message.octets),
        &message.headline.message_id,
        &subject(&message.headline),
    ])
}

fn line(fields: [&str; HEADER.len()]) -> String {
    let fields: Vec<String> = fields.iter().map(|text| field(text)).collect();
    format!("{}\r", fields.join(","))
}

/// A field that no program takes for a formula: spreadsheets do what begins with one of these
/// characters says.
fn field(text: &str) -> String {
    let text = printable(text.as_bytes());
    let is_formula = text.trim_start().starts_with(['=', '+', '-', '@', '|', '%']);
    let text = if is_formula { format!("'{text}") } else { text };
    if text.contains([',', '"', ' ', '\'']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_no_formula_and_no_second_field() {
        assert_eq!(field("plain"), "plain");
        assert_eq!(
            field("=HYPERLINK(\"http://x\",\"y\")"),
            "\"'=HYPERLINK(\"\"http://x\"\",\"\"y\"\")\""
        );
        assert_eq!(field(" +1"), "\"' +1\"");
        assert_eq!(field("@SUM(A1)"), "\"'@SUM(A1)\"");
        assert_eq!(field("-1"), "\"'-1\"");
        assert_eq!(field("a,b"), "\"a,b\"");
        assert_eq!(field("a\r\n=b\t"), "a\\u{d}\\u{a}=b\\u{9}");
    }
}

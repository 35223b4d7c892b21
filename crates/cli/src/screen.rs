//! The only place that prints. Data goes to standard output, everything else to standard
//! error; a reader that went away is no error.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::io::{ErrorKind, Write};
use std::sync::OnceLock;

use mailferry_imap::mutf7::is_treacherous;

use crate::imapsync::exit_status::ExitStatus;

/// Why some of the data could not be written.
static LOST: OnceLock<String> = OnceLock::new();

/// A line of data, on standard output.
pub fn line(text: &str) {
    let mut out = std::io::stdout().lock();
    if let Err(error) = writeln!(out, "{}", harmless(text))
        && error.kind() != ErrorKind::BrokenPipe
    {
        let _ = LOST.set(error.to_string());
    }
}

/// A line of news, on standard error.
pub fn news(text: &str) {
    let mut err = std::io::stderr().lock();
    let _ = writeln!(err, "{}", harmless(text));
}

/// An error, on standard error.
pub fn error(text: &str) {
    news(&format!("error: {text}"));
}

/// The status of a run of which some data could not be written, as on a full disk: never that all
/// went well.
#[must_use]
pub fn checked(status: ExitStatus) -> ExitStatus {
    let Some(words) = LOST.get() else { return status };
    error(&format!("standard output could not be written: {words}"));
    if status == ExitStatus::Ok { ExitStatus::WithErrors } else { status }
}

/// Foreign text is escaped where it is put into words. This is the last wall behind that: whatever
/// was forgotten there does not act on a terminal. Escaped as JSON does it, so that JSON stays what
/// it is.
#[must_use]
pub fn harmless(text: &str) -> Cow<'_, str> {
    let acts = |letter: char| is_treacherous(letter) && letter != '\n' && letter != '\t';
    if !text.contains(acts) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 8);
    for letter in text.chars() {
        if acts(letter) {
            let _ = write!(shown, "\\u{:04x}", u32::from(letter));
        } else {
            shown.push(letter);
        }
    }
    Cow::Owned(shown)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_is_printed_acts_on_a_terminal() {
        assert_eq!(harmless("a\nb\tc é"), "a\nb\tc é");
        assert_eq!(
            harmless("\x1b[2J\r\u{9b}\u{202e}\x7f"),
            "\\u001b[2J\\u000d\\u009b\\u202e\\u007f"
        );
        let json = serde_json::json!({ "words": "\u{9b}0m\u{202e}" });
        let read: serde_json::Value =
            serde_json::from_str(&harmless(&json.to_string())).unwrap_or_default();
        assert_eq!(read, json);
    }
}

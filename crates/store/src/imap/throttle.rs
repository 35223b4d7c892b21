//! Servers that ask to be left alone, told by their words: the response codes of RFC 5530 do not say
//! for how long, and those who throttle most send none.

use std::time::Duration;

use mailferry_engine::fault::{Fault, FaultKind, Side};
use mailferry_imap::session::Completion;

/// What Exchange says, with NO, BAD or BYE (imapsync/imapsync#198, simonrob/email-oauth2-proxy#191):
/// `Request is throttled. Suggested Backoff Time: 299961 milliseconds`.
const BACKOFF: &str = "suggested backoff time:";

/// Words that mean a while, whatever the code.
const A_WHILE: [&str; 4] = [
    BACKOFF,
    "request is throttled",
    // Exchange (lefcha/imapfilter#146).
    "server unavailable. 15",
    // Gmail: `[ALERT] Too many simultaneous connections. (Failure)`.
    "too many simultaneous connections",
];

/// Words that mean a day. Gmail: `[OVERQUOTA] Account exceeded command or bandwidth limits.`, as NO or as
/// BYE (ljmerza/ha-email-sensor#16).
const A_DAY: [&str; 1] = ["exceeded command or bandwidth limits"];

/// The fault that a server's words are, if they ask to be left alone: an answer with its status, or
/// the text of a BYE.
pub(super) fn throttled(side: Side, words: &str) -> Option<Fault> {
    let text = words.to_ascii_lowercase();
    let says = |all: &[&str]| all.iter().any(|some| text.contains(some));
    let kind = match (says(&A_DAY), says(&A_WHILE)) {
        (true, _) => FaultKind::DayQuota,
        (false, true) => FaultKind::Throttled,
        (false, false) => return None,
    };
    Some(Fault { wait: backoff(&text), ..Fault::new(side, kind, words) })
}

/// The same of a refused command.
pub(super) fn throttled_by(side: Side, completion: &Completion) -> Option<Fault> {
    if completion.is_ok() { None } else { throttled(side, &completion.words()) }
}

fn backoff(text: &str) -> Option<Duration> {
    let (_, rest) = text.split_once(BACKOFF)?;
    let rest = rest.trim_start();
    let end = rest.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(rest.len());
    let (digits, unit) = rest.split_at(end);
    let number: u64 = digits.parse().ok()?;
    // No other unit was ever seen; one that is named is believed.
    let millis =
        if unit.trim_start().starts_with("second") { number.checked_mul(1000)? } else { number };
    Some(Duration::from_millis(millis))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn of(words: &str) -> Option<(FaultKind, Option<u64>)> {
        let fault = throttled(Side::Target, words)?;
        let millis = fault.wait.map(|wait| u64::try_from(wait.as_millis()).unwrap());
        Some((fault.kind, millis))
    }

    #[test]
    fn the_backoff_of_exchange_is_read_from_whatever_carries_it() {
        for words in [
            "NO Request is throttled. Suggested Backoff Time: 299961 milliseconds",
            "BAD Request is throttled. Suggested Backoff Time: 299961 milliseconds",
            "the server closed the connection: BYE Request is throttled. Suggested Backoff Time: \
             299961 milliseconds",
        ] {
            assert_eq!(of(words), Some((FaultKind::Throttled, Some(299_961))), "{words}");
        }
        let odd = "NO Request is throttled. Suggested Backoff Time: 99999999999999999999 ms";
        assert_eq!(of(odd), Some((FaultKind::Throttled, None)), "no number of ours");
        assert_eq!(of("NO Server Unavailable. 15"), Some((FaultKind::Throttled, None)));
    }

    #[test]
    fn a_day_of_gmail_is_no_full_account() {
        for words in [
            "NO [OVERQUOTA] Account exceeded command or bandwidth limits. (Failure)",
            "NO [ALERT] Account exceeded command or bandwidth limits. (Failure)",
            "BYE [OVERQUOTA] Account exceeded command or bandwidth limits.",
        ] {
            assert_eq!(of(words), Some((FaultKind::DayQuota, None)), "{words}");
        }
        assert_eq!(of("NO [OVERQUOTA] Quota exceeded (mailbox for user is full)"), None);
        assert_eq!(of("NO [UNAVAILABLE] Internal error"), None);
    }
}

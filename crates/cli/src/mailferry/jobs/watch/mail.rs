//! A mail to a person, handed to whatever sends mail on this machine: a command like sendmail.

use std::process::Command;
use std::time::Duration;

use jiff::{Timestamp, tz::TimeZone};

use super::super::file::Entry;
use super::super::problem::Problem;
use super::{Moment, News, process, secret_variables};

/// What is usually there.
const COMMAND_USUAL: &str = "/usr/sbin/sendmail";
/// No line of a message is longer (RFC 5322 §2.1.1 permits 998 octets).
const LINE_CHARACTERS_MAX: usize = 240;

/// Who gets mail, and when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mail {
    to: String,
    when: When,
    command: String,
}

/// Of which runs it tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum When {
    Failure,
    Always,
}

impl Mail {
    /// What the job says of it; what is no good is told to `say`.
    pub(super) fn read(entry: &Entry, say: &mut dyn FnMut(Problem)) -> Option<Self> {
        let mut tell = |key: &str, what: &str, hint: &str| {
            let at = entry.setting(key).map_or(entry.at, |setting| setting.value_at);
            say(Problem::new(at, format!("job `{}`: {what}", entry.name), hint));
        };
        let when = match entry.text("mail_on") {
            None | Some("failure") => When::Failure,
            Some("always") => When::Always,
            Some(_) => {
                tell("mail_on", "`mail_on` is \"failure\" or \"always\"", "see docs/jobs.md");
                return None;
            }
        };
        let Some(to) = entry.text("mail") else {
            for key in ["mail_on", "mail_command"] {
                if entry.text(key).is_some() {
                    let what = format!("`{key}` without `mail`");
                    tell(key, &what, "write `mail = \"you@example.org\"`");
                }
            }
            return None;
        };
        if !is_address(to) {
            tell("mail", "`mail` is no address", "write one address: `mail = \"you@example.org\"`");
            return None;
        }
        let command = entry.text("mail_command").unwrap_or(COMMAND_USUAL).to_owned();
        Some(Self { to: to.to_owned(), when, command })
    }

    /// Sends it, if it is the moment.
    ///
    /// # Errors
    /// In words.
    pub(super) fn send(
        &self,
        news: &News,
        wait: Duration,
        secrets: &[String],
    ) -> Result<(), String> {
        let is_due = match self.when {
            When::Failure => news.moment == Moment::Failure,
            When::Always => matches!(news.moment, Moment::Failure | Moment::Success),
        };
        if !is_due {
            return Ok(());
        }
        let mut command = Command::new("/bin/sh");
        // -i: a line with a dot alone ends nothing. The address cannot be taken for an option.
        command.args(["-c", &format!("{} \"$@\"", self.command), "sh", "-i", "--", &self.to]);
        for name in secret_variables(secrets) {
            command.env_remove(name);
        }
        process::run(command, self.message(news).into_bytes(), wait)
    }

    fn message(&self, news: &News) -> String {
        let outcome = if news.moment == Moment::Success { "good" } else { "NOT good" };
        let date = Timestamp::now().to_zoned(TimeZone::system());
        let date = date.strftime("%a, %d %b %Y %H:%M:%S %z");
        let mut text = format!(
            "To: {}\nSubject: mailferry: job {} is {outcome}\nDate: {date}\nMIME-Version: 1.0\n\
             Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\
             Auto-Submitted: auto-generated\n\n",
            self.to, news.job
        );
        for line in news.text_in_bounds().lines() {
            let letters: Vec<char> = line.chars().filter(|letter| !letter.is_control()).collect();
            for part in letters.chunks(LINE_CHARACTERS_MAX) {
                text.extend(part);
                text.push('\n');
            }
        }
        text
    }
}

/// Whether it is one address (RFC 5321 §4.1.2, without quoted strings), or a name of this machine.
fn is_address(text: &str) -> bool {
    let is_good = |octet: u8| octet.is_ascii_graphic() && !b",;:<>()[]\\\"".contains(&octet);
    !text.is_empty() && !text.starts_with('-') && text.bytes().all(is_good)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn an_address_cannot_become_a_header_or_an_option() {
        for good in ["root", "you@example.org", "a.b+c@x"] {
            assert!(is_address(good), "{good}");
        }
        for bad in ["", "-t", "a b", "a@x\nBcc: c@x", "a@x,b@y", "é@x"] {
            assert!(!is_address(bad), "{bad}");
        }
    }

    #[test]
    fn a_message_has_short_lines_and_one_subject() {
        let mail = Mail { to: "a@x".to_owned(), when: When::Always, command: String::new() };
        let news = News {
            job: "n".to_owned(),
            moment: Moment::Failure,
            status: Some(102),
            text: format!("one\r\nSubject: two\n{}", "é".repeat(1000)),
            event: "job-run",
            fields: serde_json::json!({}),
        };
        let message = mail.message(&news);
        let (head, body) = message.split_once("\n\n").unwrap();
        assert_eq!(head.matches("Subject:").count(), 1);
        assert!(body.starts_with("one\nSubject: two\n"));
        assert!(message.lines().all(|line| line.len() <= 998));
    }
}

//! Who is told how a run goes: an URL, a command, a person. Each is told on its own, and none of them
//! changes what the run came to.

mod command;
mod mail;
mod process;

use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Value as Json, json};

use mailferry_oauth::delivery;

use super::definition::{duration, whole};
use super::file::Entry;
use super::problem::Problem;
use super::story;
use crate::secret::os_octets;

/// How long one request may take, and between two of them.
const REQUEST_WAIT: Duration = Duration::from_secs(10);
/// How often a request is made that fails.
const ATTEMPTS_MAX: u32 = 2;
/// How long a command may take, if nothing else is said.
const COMMAND_WAIT_USUAL: Duration = Duration::from_secs(60);
/// What is told by ping and mail is no longer.
const TEXT_BYTES_MAX: usize = 10_000;

/// Who is told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Watch {
    ping: Option<String>,
    webhook: Option<String>,
    command: Option<String>,
    command_wait: Duration,
    mail: Option<mail::Mail>,
    /// A file for Prometheus' node exporter.
    pub(super) metrics: Option<PathBuf>,
    /// Variables of the environment that hold secrets of this job.
    secrets: Vec<String>,
}

/// What is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Moment {
    /// A run begins.
    Start,
    /// It ended, and is a good one.
    Success,
    /// It is not.
    Failure,
    /// A start was left out, since the job is running.
    LeftOut,
}

impl Moment {
    /// Its name, for commands and webhooks.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Success => "success",
            Self::Failure => "failure",
            Self::LeftOut => "left-out",
        }
    }

    /// What healthchecks puts behind the address of a check for it.
    fn ending(self) -> &'static str {
        match self {
            Self::Start => "/start",
            Self::Success => "",
            Self::Failure => "/fail",
            // It says nothing about the run at work.
            Self::LeftOut => "/log",
        }
    }
}

/// What is told of a run.
#[derive(Clone, Debug)]
pub(super) struct News {
    /// Of which job.
    pub(super) job: String,
    /// What happened.
    pub(super) moment: Moment,
    /// Its exit status, where it has ended.
    pub(super) status: Option<u8>,
    /// For people: a sentence, and further lines.
    pub(super) text: String,
    /// `job-run` or `drill`.
    pub(super) event: &'static str,
    /// For programs (docs/json.md).
    pub(super) fields: Json,
}

impl News {
    /// The fields with the moment, as one line.
    fn json(&self) -> String {
        let mut fields = self.fields.clone();
        if let Some(map) = fields.as_object_mut() {
            map.insert("moment".to_owned(), json!(self.moment.name()));
        }
        story::as_line(self.event, fields)
    }

    fn text_in_bounds(&self) -> &str {
        let mut end = self.text.len().min(TEXT_BYTES_MAX);
        while !self.text.is_char_boundary(end) {
            end -= 1;
        }
        &self.text[..end]
    }
}

impl Watch {
    /// What the job says of it. What is no good is told to `say`, and left out.
    pub(super) fn read(entry: &Entry, say: &mut dyn FnMut(Problem)) -> Self {
        let mut url = |key: &str| {
            let (text, setting) = (entry.text(key)?, entry.setting(key)?);
            if delivery::is_address(text) {
                return Some(text.to_owned());
            }
            let what = format!("job `{}`: `{key}` is no http:// or https:// address", entry.name);
            say(Problem::new(
                setting.value_at,
                what,
                "write the whole address, without a password",
            ));
            None
        };
        let (ping, webhook) = (url("ping"), url("webhook"));
        let mut command_wait = COMMAND_WAIT_USUAL;
        if let (Some(text), Some(setting)) =
            (entry.text("command_timeout"), entry.setting("command_timeout"))
        {
            match duration(text) {
                Ok(time) => command_wait = time,
                Err(words) => say(Problem::new(
                    setting.value_at,
                    format!("job `{}`: {words}", entry.name),
                    "write `command_timeout = \"60s\"`",
                )),
            }
        }
        let named = ["source_password_env", "target_password_env"].iter();
        Self {
            ping,
            webhook,
            command: entry.text("command").map(str::to_owned),
            command_wait,
            mail: mail::Mail::read(entry, say),
            metrics: entry.text("metrics").map(|path| whole("metrics", path).into()),
            secrets: named.filter_map(|key| entry.text(key)).map(str::to_owned).collect(),
        }
    }

    /// Tells everybody; answers who could not be told, and why. No words hold an address whole: who
    /// knows it can tell the watcher anything.
    pub(super) async fn tell(&self, news: News) -> Vec<String> {
        let watch = self.clone();
        let told = tokio::task::spawn_blocking(move || watch.tell_and_block(&news)).await;
        told.unwrap_or_else(|_| vec!["telling others of this run was broken off".to_owned()])
    }

    fn tell_and_block(&self, news: &News) -> Vec<String> {
        let mut failures = Vec::new();
        let mut note = |who: &str, told: Result<(), String>| {
            failures.extend(told.err().map(|why| format!("{who} could not be told: {why}")));
        };
        if let Some(url) = &self.ping {
            let body = news.text_in_bounds().as_bytes();
            note("ping", post(&with_ending(url, news.moment.ending()), "text/plain", body));
        }
        // They know of runs, not of starts that were none.
        if let Some(url) = &self.webhook {
            note("webhook", post(url, "application/json", news.json().as_bytes()));
        }
        if let Some(text) = &self.command {
            let told = command::run(text, news, self.command_wait, &self.secrets);
            note("command", told);
        }
        if let Some(mail) = &self.mail {
            note("mail", mail.send(news, self.command_wait, &self.secrets));
        }
        failures
    }
}

/// A request, made again where it fails.
fn post(url: &str, content_type: &str, body: &[u8]) -> Result<(), String> {
    let mut attempt = 1;
    loop {
        match delivery::post(url, (content_type, body), REQUEST_WAIT) {
            Ok(()) => return Ok(()),
            Err(error) if attempt >= ATTEMPTS_MAX || !error.is_passing() => {
                return Err(format!("{}: {error}", delivery::place(url)));
            }
            Err(_) => std::thread::sleep(Duration::from_secs(1)),
        }
        attempt += 1;
    }
}

/// The address with this behind its path.
fn with_ending(url: &str, ending: &str) -> String {
    match url.split_once('?') {
        Some((path, query)) => format!("{}{ending}?{query}", path.trim_end_matches('/')),
        None if ending.is_empty() => url.to_owned(),
        None => format!("{}{ending}", url.trim_end_matches('/')),
    }
}

/// Variables of this program's environment that are no business of others.
fn secret_variables(named: &[String]) -> Vec<String> {
    let ours = std::env::vars_os().map(|(name, _)| os_octets(name));
    ours.map(|name| String::from_utf8_lossy(&name).into_owned())
        .filter(|name| {
            let is_secret = ["PASSWORD", "PASSPHRASE", "SECRET", "TOKEN", "PROXY"]
                .iter()
                .any(|word| name.contains(word));
            let is_ours = name.starts_with("MAILFERRY_") || name.starts_with("IMAPSYNC_");
            (is_ours && is_secret) || named.contains(name)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_told_stands_behind_the_path() {
        assert_eq!(with_ending("https://h/uuid", "/start"), "https://h/uuid/start");
        assert_eq!(with_ending("https://h/uuid/", "/fail"), "https://h/uuid/fail");
        assert_eq!(with_ending("https://h/uuid?a=b", "/fail"), "https://h/uuid/fail?a=b");
        assert_eq!(with_ending("https://h/uuid", ""), "https://h/uuid");
    }
}

//! A command that is told how a run goes: by variables, and by JSON on its standard input.

use std::process::Command;
use std::time::Duration;

use super::{News, process, secret_variables};

/// Runs it.
///
/// # Errors
/// In words; they hold nothing of the command.
pub(super) fn run(
    text: &str,
    news: &News,
    wait: Duration,
    secrets: &[String],
) -> Result<(), String> {
    let (shell, flag) = if cfg!(windows) { ("cmd", "/C") } else { ("/bin/sh", "-c") };
    let mut command = Command::new(shell);
    command
        .args([flag, text])
        .env("MAILFERRY_JOB", &news.job)
        .env("MAILFERRY_JOB_MOMENT", news.moment.name())
        .env("MAILFERRY_JOB_STATUS", news.status.map(|it| it.to_string()).unwrap_or_default())
        .env("MAILFERRY_JOB_TEXT", news.text_in_bounds());
    for name in secret_variables(secrets) {
        command.env_remove(name);
    }
    process::run(command, format!("{}\n", news.json()).into_bytes(), wait)
}

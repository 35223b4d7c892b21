//! A line in the crontab of the user, between two lines that say whose it is.

use std::io::Write as _;
use std::process::{Command, Stdio};

use super::{ScheduleError, Scheduled, Start, show};
use crate::screen;

const BEGIN: &str = "# BEGIN mailferry job ";
const END: &str = "# END mailferry job ";

/// Writes the line of a job.
///
/// # Errors
/// The crontab cannot be read or written; it is as it was.
pub(super) fn install(start: &Start, when: &str) -> Result<(), ScheduleError> {
    let before = read()?.ok_or_else(|| missing("crontab cannot be started"))?;
    let block = block(start, when);
    let after = format!("{}{block}", ending(without(&before, &start.job)));
    if after != before {
        write(&after)?;
    }
    show("crontab", &block);
    screen::news("notice: cron does not catch up on a run that was missed, as systemd would");
    Ok(())
}

/// Takes the line of a job away; whether there was one.
///
/// # Errors
/// As [`install`].
pub(super) fn remove(job: &str) -> Result<bool, ScheduleError> {
    let Some(before) = read()? else { return Ok(false) };
    let after = without(&before, job);
    if after == before {
        return Ok(false);
    }
    write(&after)?;
    screen::news(&format!("removed the line of job {job} from the crontab"));
    Ok(true)
}

/// The lines that are there.
///
/// # Errors
/// The crontab cannot be read.
pub(super) fn list() -> Result<Vec<Scheduled>, ScheduleError> {
    let text = read()?.unwrap_or_default();
    let mut timers = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let Some(job) = line.strip_prefix(BEGIN) else { continue };
        let fields = lines.next().unwrap_or_default().split_whitespace().take(5);
        timers.push(Scheduled {
            job: job.to_owned(),
            by: "cron",
            when: fields.collect::<Vec<_>>().join(" "),
            place: "crontab".to_owned(),
        });
    }
    Ok(timers)
}

fn missing(what: &str) -> ScheduleError {
    ScheduleError::new(what, "install cron, or use --with systemd")
}

fn block(start: &Start, when: &str) -> String {
    let mut words: Vec<String> =
        start.places.iter().map(|(name, value)| format!("{name}={}", quoted(value))).collect();
    words.extend(start.words().iter().map(|word| quoted(word)));
    // `%` is a line end to cron.
    let command = words.join(" ").replace('%', "\\%");
    format!("{BEGIN}{0}\n{when} {command}\n{END}{0}\n", start.job)
}

/// A word as sh takes it.
fn quoted(word: &str) -> String {
    let is_plain = |octet: u8| octet.is_ascii_alphanumeric() || b"-_./:=@%+,".contains(&octet);
    if !word.is_empty() && word.bytes().all(is_plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}

/// The text without the lines of a job. A beginning without an end is left alone.
fn without(text: &str, job: &str) -> String {
    let (begin, end) = (format!("{BEGIN}{job}"), format!("{END}{job}"));
    let mut kept = String::with_capacity(text.len());
    let mut lines = text.split_inclusive('\n');
    while let Some(line) = lines.next() {
        if line.trim_end() == begin {
            let mut ahead = lines.clone();
            if ahead.any(|line| line.trim_end() == end) {
                lines = ahead;
                continue;
            }
        }
        kept.push_str(line);
    }
    kept
}

/// The text with a line end at its end.
fn ending(mut text: String) -> String {
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
    text
}

/// The crontab of this user, empty where there is none yet; `None` where there is no cron.
fn read() -> Result<Option<String>, ScheduleError> {
    let output = match Command::new("crontab").arg("-l").stdin(Stdio::null()).output() {
        Ok(output) => output,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(missing(&format!("crontab cannot be started: {error}"))),
    };
    let words = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() && !words.contains("no crontab") {
        let hint = "nothing was changed";
        return Err(ScheduleError::new(format!("`crontab -l` failed: {}", words.trim()), hint));
    }
    if !output.status.success() {
        return Ok(Some(String::new()));
    }
    String::from_utf8(output.stdout).map(Some).map_err(|_| {
        ScheduleError::new("the crontab is not in UTF-8", "write the line into it by hand")
    })
}

fn write(text: &str) -> Result<(), ScheduleError> {
    let fail = |words: String| {
        ScheduleError::new(format!("`crontab -` failed: {words}"), "the crontab is as it was")
    };
    let mut child = Command::new("crontab")
        .arg("-")
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| fail(error.to_string()))?;
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all(text.as_bytes()).map_err(|error| fail(error.to_string()))?;
    }
    let output = child.wait_with_output().map_err(|error| fail(error.to_string()))?;
    let words = String::from_utf8_lossy(&output.stderr);
    if output.status.success() { Ok(()) } else { Err(fail(words.trim().to_owned())) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn start(job: &str) -> Start {
        Start {
            job: job.to_owned(),
            program: "/opt/50% off/mailferry".into(),
            file: None,
            places: Vec::new(),
        }
    }

    #[test]
    fn only_the_lines_of_the_job_change() {
        let others =
            "MAILTO=me\n# BEGIN mailferry job ab\n1 1 * * * x\n# END mailferry job ab\n5 5 * * * y";
        let with = format!("{}{}", ending(others.to_owned()), block(&start("a"), "10 3 * * *"));
        assert!(with.contains("\n10 3 * * * '/opt/50\\% off/mailferry' job run --quiet a\n"));
        assert_eq!(without(&with, "a"), format!("{others}\n"));
        assert_eq!(without(&with, "b"), with);
    }

    #[test]
    fn a_beginning_without_an_end_takes_nothing_along() {
        let broken = "# BEGIN mailferry job a\n1 1 * * * mine\n";
        assert_eq!(without(broken, "a"), broken);
    }
}

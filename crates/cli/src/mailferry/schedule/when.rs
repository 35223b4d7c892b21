//! When a job is to run, in the words of systemd and of cron.

use std::process::{Command, Stdio};

use super::super::options::schedule::{Day, Every, InstallArgs};
use super::super::task::UsageError;

/// When a job runs.
#[derive(Debug)]
pub(super) struct When {
    /// As systemd.time(7) has it.
    pub(super) calendar: String,
    /// As crontab(5) has it, where cron can.
    pub(super) cron: Option<String>,
    /// Seconds within which the timer goes off, so that not all machines do at once.
    pub(super) delay: u64,
}

impl When {
    /// What the options say.
    ///
    /// # Errors
    /// They say nothing, or what cannot be.
    pub(super) fn read(args: &InstallArgs) -> Result<Self, UsageError> {
        let delay = u64::try_from(args.delay).unwrap_or(0);
        if let Some(calendar) = &args.calendar {
            if calendar.chars().any(char::is_control) {
                return Err(UsageError::new("--calendar is one line", "see systemd.time(7)"));
            }
            judge(calendar)?;
            return Ok(Self { calendar: calendar.clone(), cron: None, delay });
        }
        let Some(every) = args.every else {
            return Err(UsageError::new(
                "it is not said when the job is to run",
                "--every day --at 03:10, --every hour, --every week --on sunday --at 04:00, or \
                 --calendar",
            ));
        };
        let (hour, minute) = time_of(args.at.as_deref().unwrap_or("00:00"))?;
        if args.on.is_some() && every != Every::Week {
            return Err(UsageError::new("--on names the day of a week", "add --every week"));
        }
        let day = args.on.unwrap_or(Day::Sunday);
        let (calendar, cron) = match every {
            Every::Hour => (format!("*-*-* *:{minute:02}:00"), format!("{minute} * * * *")),
            Every::Day => {
                (format!("*-*-* {hour:02}:{minute:02}:00"), format!("{minute} {hour} * * *"))
            }
            Every::Week => (
                format!("{} *-*-* {hour:02}:{minute:02}:00", day.name()),
                format!("{minute} {hour} * * {}", day.number()),
            ),
        };
        Ok(Self { calendar, cron: Some(cron), delay })
    }
}

/// `03:10`; `:10` stands for a minute of every hour.
fn time_of(text: &str) -> Result<(u8, u8), UsageError> {
    let number = |text: &str, end: u8| {
        let is_good = (1..=2).contains(&text.len()) && text.bytes().all(|it| it.is_ascii_digit());
        text.parse::<u8>().ok().filter(|&number| is_good && number < end)
    };
    let read = || {
        let (hour, minute) = text.split_once(':')?;
        let hour = if hour.is_empty() { 0 } else { number(hour, 24)? };
        Some((hour, number(minute, 60)?))
    };
    read().ok_or_else(|| {
        UsageError::new(format!("`{text}` is no time of day"), "write --at 03:10, or --at :10")
    })
}

/// Has systemd judge a calendar, where its tool is there.
fn judge(calendar: &str) -> Result<(), UsageError> {
    let mut command = Command::new("systemd-analyze");
    command.args(["calendar", "--", calendar]);
    match command.stdin(Stdio::null()).output() {
        Ok(output) if !output.status.success() => {
            let words = String::from_utf8_lossy(&output.stderr);
            let words = words.lines().next().unwrap_or_default().to_owned();
            Err(UsageError::new(
                format!("`{calendar}` is no calendar of systemd's: {words}"),
                "see systemd.time(7)",
            ))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_day_are_read() {
        let read = |text: &str| time_of(text).ok();
        assert_eq!(read("03:10"), Some((3, 10)));
        assert_eq!(read(":05"), Some((0, 5)));
        assert_eq!(read("23:59"), Some((23, 59)));
        for text in ["", "3", "24:00", "3:60", "+3:10", "3:-1", "03:10:00", "a:b"] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}

//! Timers of systemd: a service and a timer, of the user or of the machine.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::when::When;
use super::{ScheduleError, Scheduled, Start, show};
use crate::screen;

/// How a unit begins that is ours.
const MARK: &str =
    "# Written by `mailferry schedule install`; `mailferry schedule remove` takes it away.";
/// Where units of the machine are that its administrator wrote.
const SYSTEM_FOLDER: &str = "/etc/systemd/system";
/// How long a run may take to end what is in flight, when the machine is shut down.
const STOP_WAIT: &str = "5min";

/// Whose units they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Whose {
    User,
    System,
}

impl Whose {
    const BOTH: [Self; 2] = [Self::User, Self::System];

    fn folder(self) -> Option<PathBuf> {
        if self == Self::System {
            return Some(SYSTEM_FOLDER.into());
        }
        let set =
            |name: &str| std::env::var_os(name).filter(|it| !it.is_empty()).map(PathBuf::from);
        let config = set("XDG_CONFIG_HOME").filter(|folder| folder.is_absolute());
        let config = config.or_else(|| set("HOME").map(|home| home.join(".config")));
        config.map(|config| config.join("systemd").join("user"))
    }

    fn name(self) -> &'static str {
        match self {
            Self::User => "systemd, user",
            Self::System => "systemd, system",
        }
    }
}

/// Whether this machine is run by systemd (sd_booted(3)), and can be told.
pub(super) fn is_there() -> bool {
    let tool = Command::new("systemctl").arg("--version").stdin(Stdio::null()).output();
    Path::new("/run/systemd/system").is_dir() && tool.is_ok()
}

/// Writes the units of a job and starts the timer.
///
/// # Errors
/// They cannot be written, or systemd does not take them; then they are taken away again.
pub(super) fn install(start: &Start, when: &When, system: bool) -> Result<(), ScheduleError> {
    let whose = if system { Whose::System } else { Whose::User };
    let folder = whose
        .folder()
        .ok_or_else(|| ScheduleError::new("there is no home folder for units", "set HOME"))?;
    let units = [
        (path(&folder, &start.job, "service"), service(start, whose)),
        (path(&folder, &start.job, "timer"), timer(&start.job, when)),
    ];
    for (path, _) in &units {
        if path.exists() && !is_ours(path) {
            return Err(ScheduleError::new(
                format!("{} is there and was written by somebody else", path.display()),
                "move it away first",
            ));
        }
    }
    let were_there = units.iter().all(|(path, _)| path.exists());
    for (path, text) in &units {
        let written = std::fs::create_dir_all(&folder).and_then(|()| std::fs::write(path, text));
        written.map_err(|error| {
            let hint = "a unit of the machine (--system) needs the right to write there";
            ScheduleError::new(format!("{} cannot be written: {error}", path.display()), hint)
        })?;
    }
    let timer = unit(&start.job, "timer");
    let told =
        tell(whose, &["daemon-reload"]).and_then(|()| tell(whose, &["enable", "--now", &timer]));
    if let Err(error) = told {
        if !were_there {
            units.iter().for_each(|(path, _)| drop(std::fs::remove_file(path)));
        }
        return Err(error);
    }
    units.iter().for_each(|(path, text)| show(&path.display().to_string(), text));
    if whose == Whose::User {
        screen::news(
            "notice: timers of a user run while that user is logged in; `loginctl enable-linger` \
             has them run always",
        );
    }
    Ok(())
}

/// Takes the timers of a job away; whether there was one.
///
/// # Errors
/// One cannot be removed.
pub(super) fn remove(job: &str) -> Result<bool, ScheduleError> {
    let mut found = false;
    for whose in Whose::BOTH {
        let Some(folder) = whose.folder() else { continue };
        let paths = ["timer", "service"].map(|kind| path(&folder, job, kind));
        if !paths.iter().any(|path| is_ours(path)) {
            continue;
        }
        found = true;
        // A timer that systemd does not know is gone all the same.
        let stopped = tell(whose, &["disable", "--now", &unit(job, "timer")]);
        for path in paths.iter().filter(|path| is_ours(path)) {
            std::fs::remove_file(path).map_err(|error| {
                let what = format!("{} cannot be removed: {error}", path.display());
                ScheduleError::new(what, "units of the machine are removed by its administrator")
            })?;
            screen::news(&format!("removed {}", path.display()));
        }
        tell(whose, &["daemon-reload"])?;
        stopped?;
    }
    Ok(found)
}

/// The timers that are there.
///
/// # Errors
/// A folder cannot be read.
pub(super) fn list() -> Result<Vec<Scheduled>, ScheduleError> {
    let mut timers = Vec::new();
    for whose in Whose::BOTH {
        let Some(entries) = whose.folder().and_then(|folder| std::fs::read_dir(folder).ok()) else {
            continue;
        };
        for path in entries.flatten().map(|entry| entry.path()) {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let job = name.strip_prefix("mailferry-").and_then(|it| it.strip_suffix(".timer"));
            let (Some(job), true) = (job, is_ours(&path)) else { continue };
            let text = std::fs::read_to_string(&path).unwrap_or_default();
            let when = text.lines().find_map(|line| line.strip_prefix("OnCalendar="));
            timers.push(Scheduled {
                job: job.to_owned(),
                by: whose.name(),
                when: when.unwrap_or_default().to_owned(),
                place: path.display().to_string(),
            });
        }
    }
    timers.sort_by(|one, other| one.job.cmp(&other.job));
    Ok(timers)
}

fn unit(job: &str, kind: &str) -> String {
    format!("mailferry-{job}.{kind}")
}

fn path(folder: &Path, job: &str, kind: &str) -> PathBuf {
    folder.join(unit(job, kind))
}

fn is_ours(path: &Path) -> bool {
    std::fs::read_to_string(path).is_ok_and(|text| text.starts_with(MARK))
}

fn service(start: &Start, whose: Whose) -> String {
    let words: Vec<String> = start.words().iter().map(|word| quoted(word)).collect();
    let mut lines = vec![
        MARK.to_owned(),
        "[Unit]".to_owned(),
        format!("Description=mailferry job {}", start.job),
    ];
    if whose == Whose::System {
        lines.extend([
            "Wants=network-online.target".to_owned(),
            "After=network-online.target".to_owned(),
        ]);
    }
    lines.extend(["", "[Service]", "Type=oneshot"].map(str::to_owned));
    lines.push(format!("ExecStart={}", words.join(" ")));
    let home = std::env::var("HOME").ok().filter(|_| whose == Whose::System);
    let home = home.map(|home| ("HOME".to_owned(), home));
    for (name, value) in home.iter().chain(&start.places) {
        // `$` means nothing there.
        let said = format!("{name}={value}").replace('\\', "\\\\").replace('"', "\\\"");
        lines.push(format!("Environment=\"{}\"", said.replace('%', "%%")));
    }
    // A start that was left out, since the job was running, is no failure of the unit.
    lines.push("SuccessExitStatus=75".to_owned());
    lines.push(format!("TimeoutStopSec={STOP_WAIT}"));
    lines.push("Nice=10\n".to_owned());
    lines.join("\n")
}

fn timer(job: &str, when: &When) -> String {
    format!(
        "{MARK}\n[Unit]\nDescription=Timer of mailferry job {job}\n\n[Timer]\nOnCalendar={}\n\
         Persistent=true\nRandomizedDelaySec={}\n\n[Install]\nWantedBy=timers.target\n",
        when.calendar, when.delay
    )
}

/// A word of a command line as systemd.service(5) takes it.
fn quoted(word: &str) -> String {
    let word = word.replace('%', "%%").replace('$', "$$");
    let is_plain = |octet: u8| octet.is_ascii_alphanumeric() || b"-_./:=@%+,".contains(&octet);
    if word.bytes().all(is_plain) {
        word
    } else {
        format!("\"{}\"", word.replace('\\', "\\\\").replace('"', "\\\""))
    }
}

/// Tells systemd.
fn tell(whose: Whose, words: &[&str]) -> Result<(), ScheduleError> {
    let mut command = Command::new("systemctl");
    if whose == Whose::User {
        command.arg("--user");
    }
    let shown = format!(
        "systemctl {}{}",
        if whose == Whose::User { "--user " } else { "" },
        words.join(" ")
    );
    let hint = "nothing runs by itself now; where systemd does not run, use --with cron";
    let output = command.args(words).stdin(Stdio::null()).output().map_err(|error| {
        ScheduleError::new(format!("`{shown}` cannot be started: {error}"), hint)
    })?;
    if output.status.success() {
        return Ok(());
    }
    let words = String::from_utf8_lossy(&output.stderr);
    Err(ScheduleError::new(format!("`{shown}` failed: {}", words.trim()), hint))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_those_of_the_command_line_whatever_they_hold() {
        assert_eq!(quoted("/usr/bin/mailferry"), "/usr/bin/mailferry");
        assert_eq!(quoted("/a b/\"x\""), "\"/a b/\\\"x\\\"\"");
        assert_eq!(quoted("/50%/$HOME"), "\"/50%%/$$HOME\"");
    }

    #[test]
    fn a_unit_of_the_machine_waits_for_the_network_and_knows_its_home() {
        let start = Start {
            job: "a".to_owned(),
            program: "/usr/bin/mailferry".into(),
            file: Some("/etc/jobs.toml".into()),
            places: vec![("XDG_STATE_HOME".to_owned(), "/var/a 50%".to_owned())],
        };
        let text = service(&start, Whose::System);
        assert!(text.contains("After=network-online.target"));
        assert!(
            text.contains("ExecStart=/usr/bin/mailferry job --file /etc/jobs.toml run --quiet a\n")
        );
        assert!(text.contains("Environment=\"XDG_STATE_HOME=/var/a 50%%\"\n"));
        assert!(!service(&start, Whose::User).contains("network-online"));
        assert_eq!(Whose::System.folder(), Some(SYSTEM_FOLDER.into()));
    }
}

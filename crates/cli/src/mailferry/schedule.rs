//! `mailferry schedule`: jobs run by themselves, by a timer of systemd, or by cron where there is
//! none. What is written is shown, and nothing else is touched.

mod cron;
mod systemd;
mod when;

use std::path::{Path, PathBuf};

use serde_json::json;

use self::when::When;
use super::jobs;
use super::options::schedule::{By, InstallArgs, ScheduleArgs, ScheduleCommand};
use super::render::json_line;
use super::task::UsageError;
use crate::imapsync::exit_status::ExitStatus;
use crate::screen;

/// Variables that decide where things are: a timer starts the job with those of today.
const PLACES: [&str; 5] = [
    "XDG_CONFIG_HOME",
    "XDG_STATE_HOME",
    "XDG_DATA_HOME",
    "MAILFERRY_STATE_DIR",
    "MAILFERRY_DATA_DIR",
];

/// A timer could not be had or taken away: exit status 111.
#[derive(Debug, thiserror::Error)]
#[error("{what}\n\nhint: {hint}")]
struct ScheduleError {
    what: String,
    hint: String,
}

impl ScheduleError {
    fn new(what: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { what: what.into(), hint: hint.into() }
    }
}

/// What a timer starts.
struct Start {
    job: String,
    /// The program, by its absolute path.
    program: PathBuf,
    /// The file of jobs, if it is not the usual one.
    file: Option<PathBuf>,
    /// Where things are: variables and their values.
    places: Vec<(String, String)>,
}

/// A timer that is there.
struct Scheduled {
    job: String,
    by: &'static str,
    when: String,
    place: String,
}

/// Carries `schedule` out.
///
/// # Errors
/// The command line asks for what cannot be; nothing was written.
pub(super) fn run(args: &ScheduleArgs) -> Result<ExitStatus, UsageError> {
    let done = match &args.command {
        ScheduleCommand::Install(install) => install_timer(install, args.file.as_deref())?,
        ScheduleCommand::Remove(remove) => {
            if !jobs::is_name(&remove.name) {
                return Err(UsageError::new(
                    format!("`{}` is the name of no job", remove.name),
                    "`mailferry schedule list` names those that have timers",
                ));
            }
            remove_timers(&remove.name)
        }
        ScheduleCommand::List(list) => list_timers(list.json),
    };
    Ok(done.unwrap_or_else(|error| {
        screen::error(&error.to_string());
        ExitStatus::WithErrors
    }))
}

fn install_timer(
    args: &InstallArgs,
    file: Option<&Path>,
) -> Result<Result<ExitStatus, ScheduleError>, UsageError> {
    jobs::require(file, &args.name)?;
    let when = When::read(args)?;
    let start = start_of(&args.name, file)?;
    let by = args.with.unwrap_or_else(|| if systemd::is_there() { By::Systemd } else { By::Cron });
    if by == By::Cron && args.system {
        return Err(UsageError::new("--system is a matter of systemd", "leave it out with cron"));
    }
    Ok(match by {
        By::Systemd => systemd::install(&start, &when, args.system),
        By::Cron => {
            let line = when.cron.as_deref().ok_or_else(|| {
                UsageError::new("cron knows no calendar of systemd's", "use --every and --at")
            })?;
            cron::install(&start, line)
        }
    }
    .map(|()| ExitStatus::Ok))
}

fn start_of(job: &str, file: Option<&Path>) -> Result<Start, UsageError> {
    let told = |what: &str, error: std::io::Error| {
        UsageError::new(format!("{what}: {error}"), "a timer needs whole paths")
    };
    let program =
        std::env::current_exe().map_err(|error| told("this program cannot be found", error))?;
    let file = file.map(std::path::absolute).transpose();
    let file = file.map_err(|error| told("the file of jobs cannot be found", error))?;
    let set = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let places = PLACES.iter().filter_map(|name| Some(((*name).to_owned(), set(name)?)));
    Ok(Start { job: job.to_owned(), program, file, places: places.collect() })
}

impl Start {
    /// The words that are started.
    fn words(&self) -> Vec<String> {
        let mut words = vec![self.program.to_string_lossy().into_owned(), "job".to_owned()];
        if let Some(file) = &self.file {
            words.extend(["--file".to_owned(), file.to_string_lossy().into_owned()]);
        }
        words.extend(["run", "--quiet", &self.job].map(str::to_owned));
        words
    }
}

fn remove_timers(job: &str) -> Result<ExitStatus, ScheduleError> {
    let by_systemd = systemd::remove(job)?;
    let by_cron = cron::remove(job)?;
    if !by_systemd && !by_cron {
        screen::news(&format!("job {job} has no timer"));
    }
    Ok(ExitStatus::Ok)
}

fn list_timers(json: bool) -> Result<ExitStatus, ScheduleError> {
    let mut timers = systemd::list()?;
    timers.extend(cron::list()?);
    for Scheduled { job, by, when, place } in timers {
        screen::line(&if json {
            let fields = json!({ "job": job, "by": by, "when": when, "place": place });
            json_line("schedule", fields)
        } else {
            format!("{job}  {when}  ({by}: {place})")
        });
    }
    Ok(ExitStatus::Ok)
}

/// Shows a text that was written.
fn show(place: &str, text: &str) {
    screen::line(&format!("# {place}\n{}", text.trim_end()));
}

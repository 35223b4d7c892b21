//! The options about timers.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::jobs::FILE_VARIABLE;
use super::parse_age;

/// `schedule`.
#[derive(Args, Clone, Debug)]
pub struct ScheduleArgs {
    /// The file of jobs [default: $XDG_CONFIG_HOME/mailferry/jobs.toml]
    #[arg(long, value_name = "FILE", env = FILE_VARIABLE, global = true)]
    pub file: Option<PathBuf>,
    /// What to do.
    #[command(subcommand)]
    pub command: ScheduleCommand,
}

/// What to do with timers.
#[derive(Clone, Debug, Subcommand)]
pub enum ScheduleCommand {
    /// Have a job run by itself
    Install(InstallArgs),
    /// Take the timer of a job away
    Remove(RemoveArgs),
    /// List the timers
    List(ListArgs),
}

/// `schedule install`.
#[derive(Args, Clone, Debug)]
pub struct InstallArgs {
    /// The job
    pub name: String,
    /// How often
    #[arg(long, value_enum, conflicts_with = "calendar")]
    pub every: Option<Every>,
    /// At which time of the day, 03:10, or at which minute of every hour, :10
    #[arg(long, value_name = "HH:MM", conflicts_with = "calendar")]
    pub at: Option<String>,
    /// On which day of the week
    #[arg(long, value_enum, value_name = "DAY", conflicts_with = "calendar")]
    pub on: Option<Day>,
    /// When, in the words of systemd.time(7)
    #[arg(long, value_name = "CALENDAR")]
    pub calendar: Option<String>,
    /// Start up to so long after that, so that not everybody does at once (systemd)
    #[arg(long, value_name = "TIME", value_parser = parse_age, default_value = "10m")]
    pub delay: i64,
    /// A timer of the machine, not of the user (systemd, root)
    #[arg(long)]
    pub system: bool,
    /// By what [default: systemd where it runs, else cron]
    #[arg(long, value_enum)]
    pub with: Option<By>,
}

/// How often a job runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Every {
    /// Every hour
    Hour,
    /// Every day
    Day,
    /// Every week
    Week,
}

/// A day of the week.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Day {
    Monday,
    Tuesday,
    Wednesday,
    Thursday,
    Friday,
    Saturday,
    Sunday,
}

impl Day {
    /// As systemd calls it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Monday => "Mon",
            Self::Tuesday => "Tue",
            Self::Wednesday => "Wed",
            Self::Thursday => "Thu",
            Self::Friday => "Fri",
            Self::Saturday => "Sat",
            Self::Sunday => "Sun",
        }
    }

    /// As cron counts them.
    #[must_use]
    pub fn number(self) -> u8 {
        match self {
            Self::Sunday => 0,
            day => day as u8 + 1,
        }
    }
}

/// What starts it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum By {
    /// A timer of systemd
    Systemd,
    /// A line in the crontab
    Cron,
}

/// `schedule remove`.
#[derive(Args, Clone, Debug)]
pub struct RemoveArgs {
    /// The job
    pub name: String,
}

/// `schedule list`.
#[derive(Args, Clone, Copy, Debug)]
pub struct ListArgs {
    /// JSON Lines on standard output (docs/json.md)
    #[arg(long)]
    pub json: bool,
}

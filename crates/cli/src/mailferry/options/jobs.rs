//! The options about jobs.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::super::comparison::Share;
use super::{Output, parse_age};

/// Names the file of jobs.
pub(in crate::mailferry) const FILE_VARIABLE: &str = "MAILFERRY_JOBS";

/// `job`.
#[derive(Args, Clone, Debug)]
pub struct JobArgs {
    /// The file of jobs [default: $XDG_CONFIG_HOME/mailferry/jobs.toml]
    #[arg(long, value_name = "FILE", env = FILE_VARIABLE, global = true)]
    pub file: Option<PathBuf>,
    /// What to do.
    #[command(subcommand)]
    pub command: JobCommand,
}

/// What to do with jobs.
#[derive(Clone, Debug, Subcommand)]
pub enum JobCommand {
    /// Look whether the file of jobs can be understood, and say what is wrong where
    Check(JobCheckArgs),
    /// Write a job into the file, from a command line
    Add(JobAddArgs),
    /// List the jobs
    List(JobListArgs),
    /// Show what a job comes to
    Show(JobShowArgs),
    /// Run jobs, one after the other
    Run(JobRunArgs),
    /// Tell how the last runs of jobs went
    Status(JobStatusArgs),
    /// Take a job out of the file
    Remove(JobRemoveArgs),
}

/// `job check`.
#[derive(Args, Clone, Debug)]
pub struct JobCheckArgs {
    /// Only these jobs
    pub names: Vec<String>,
}

/// `job add`.
#[derive(Args, Clone, Debug)]
pub struct JobAddArgs {
    /// What the job is called: letters, digits, `-`, `_`, `.`
    pub name: String,
    /// Something else that is to stand in the job (docs/jobs.md; may be repeated)
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub settings: Vec<String>,
    /// What the job is to do, as it would be typed behind `mailferry`: sync SOURCE TARGET …
    #[arg(
        trailing_var_arg = true,
        allow_hyphen_values = true,
        required = true,
        value_name = "WORD"
    )]
    pub words: Vec<OsString>,
}

/// `job list`.
#[derive(Args, Clone, Copy, Debug)]
pub struct JobListArgs {
    /// JSON Lines on standard output (docs/json.md)
    #[arg(long)]
    pub json: bool,
}

/// `job show`.
#[derive(Args, Clone, Debug)]
pub struct JobShowArgs {
    /// Which
    pub name: String,
    /// JSON Lines on standard output (docs/json.md)
    #[arg(long)]
    pub json: bool,
}

/// `job run`.
#[derive(Args, Clone, Debug)]
pub struct JobRunArgs {
    /// Which
    #[arg(required = true)]
    pub names: Vec<String>,
    /// How it is shown.
    #[command(flatten)]
    pub output: Output,
}

/// `job status`.
#[derive(Args, Clone, Debug)]
pub struct JobStatusArgs {
    /// Only these jobs [default: all]
    pub names: Vec<String>,
    /// End with 1 if a job has no good run that began within this time: 26h, 2d
    #[arg(long, value_name = "AGE", value_parser = parse_age)]
    pub stale: Option<i64>,
    /// JSON Lines on standard output (docs/json.md)
    #[arg(long)]
    pub json: bool,
}

/// `job remove`.
#[derive(Args, Clone, Debug)]
pub struct JobRemoveArgs {
    /// Which
    pub name: String,
}

/// `drill`.
#[derive(Args, Clone, Debug)]
pub struct DrillArgs {
    /// The job whose target is the backup
    pub name: String,
    /// Restore to this account, which has to be empty [default: `drill_into` of the job]
    #[arg(long, value_name = "ACCOUNT")]
    pub into: Option<String>,
    /// Restore below this mailbox, which must not exist: of the account that is backed up, or of that of
    /// --into [default: `drill_mailbox_prefix` of the job]
    #[arg(long, value_name = "NAME")]
    pub mailbox_prefix: Option<String>,
    /// Only so many of the messages of each mailbox, others each time [default: all]
    #[arg(long, value_name = "N%", value_parser = Share::parse)]
    pub sample: Option<Share>,
    /// The file of jobs [default: $XDG_CONFIG_HOME/mailferry/jobs.toml]
    #[arg(long, value_name = "FILE", env = FILE_VARIABLE)]
    pub file: Option<PathBuf>,
    /// How it is shown.
    #[command(flatten)]
    pub output: Output,
}

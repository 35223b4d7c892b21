//! The options of the modern front.

mod accounts;
pub(super) mod jobs;
pub(super) mod schedule;
mod sparing;

use std::ffi::OsString;
use std::path::PathBuf;

pub(super) use accounts::{Accounts, SideArgs};
use clap::{Args, Parser, Subcommand, ValueEnum};
use jiff::civil::Date;
use mailferry_run::job::LOCK_WAIT_USUAL;
use sparing::Sparing;

use self::jobs::{DrillArgs, JobArgs};
use self::schedule::ScheduleArgs;
use super::comparison::Share;
use crate::claims;

/// Brings mailboxes from one IMAP server to another: migration, presync, exact backup, restore
#[derive(Debug, Parser)]
#[command(name = "mailferry", version, max_term_width = 100)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Copy what is missing; --delete makes it a presync, --mirror an exact backup
    Sync(SyncArgs),
    /// Show what sync would do, and change nothing
    Plan(SyncArgs),
    /// Compare two accounts, and change nothing
    Check(CheckArgs),
    /// Look at one account or two and say what a run would meet; change nothing
    Doctor(Box<DoctorArgs>),
    /// Bring back from a backup what is missing, and remove nothing
    Restore(RestoreArgs),
    /// Bring in what the target refused and was kept aside; only the target is connected to
    Retry(RetryArgs),
    /// Put back what a run removed or changed on the target, as far as the target still has it
    Undo(UndoArgs),
    /// List past runs, show what became of every message, remove old receipts
    Runs(RunsArgs),
    /// Tell what became of a message
    Why(WhyArgs),
    /// Keep jobs in a file, run them, and tell how they went
    Job(JobArgs),
    /// Restore the backup of a job on trial, compare, and take away what was restored
    Drill(DrillArgs),
    /// Have jobs run by themselves: timers of systemd, or cron
    Schedule(ScheduleArgs),
    /// Permit access to the mail of an account that takes no password (OAuth2), once
    Login(LoginArgs),
    /// Start two servers in this process with sample mail, and sync them
    Demo(DemoArgs),
    /// Say what a command line of imapsync means, and show its plan
    ImapsyncExplain(ExplainArgs),
}

/// A command line of imapsync.
#[derive(Args, Clone, Debug)]
pub struct ExplainArgs {
    /// Do not connect, and show no plan
    #[arg(long)]
    pub offline: bool,
    /// Write it into the file of jobs under this name, and do not connect
    #[arg(long, value_name = "NAME", conflicts_with = "offline")]
    pub job: Option<String>,
    /// The words behind `imapsync`
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "WORD")]
    pub words: Vec<OsString>,
}

/// Which mailboxes and messages take part, and under which names.
#[derive(Args, Clone, Debug, Default)]
pub struct Choice {
    /// Only this mailbox, by its name on the source (may be repeated)
    #[arg(long, visible_alias = "mailbox", value_name = "NAME")]
    pub folder: Vec<String>,
    /// Only this mailbox and all below it (may be repeated)
    #[arg(long, value_name = "NAME")]
    pub folder_recursive: Vec<String>,
    /// Only mailboxes whose name this regular expression finds (may be repeated)
    #[arg(long, value_name = "REGEX")]
    pub include: Vec<String>,
    /// No mailboxes whose name this regular expression finds (may be repeated)
    #[arg(long, value_name = "REGEX")]
    pub exclude: Vec<String>,
    /// Only subscribed mailboxes
    #[arg(long)]
    pub subscribed: bool,
    /// Other users' and shared mailboxes, too
    #[arg(long)]
    pub shared: bool,
    /// Only messages that came in the last DAYS days
    #[arg(long, value_name = "DAYS")]
    pub maxage: Option<f64>,
    /// Only the message with this Message-Id (may be repeated)
    #[arg(long, value_name = "ID", conflicts_with = "search")]
    pub message_id: Vec<String>,
    /// Only messages that came on this day or later: 2026-11-26
    #[arg(long, value_name = "DATE", value_parser = parse_day, conflicts_with_all = ["search", "maxage"])]
    pub since: Option<Date>,
    /// Only messages that came before this day
    #[arg(long, value_name = "DATE", value_parser = parse_day, conflicts_with = "search")]
    pub before: Option<Date>,
    /// Only messages that this IMAP SEARCH program finds on the source
    #[arg(long, value_name = "PROGRAM", conflicts_with = "maxage")]
    pub search: Option<String>,
    /// No messages larger than this: 10M, 500k, 1048576
    #[arg(long, value_name = "SIZE", value_parser = parse_size)]
    pub maxsize: Option<u32>,
    /// Of Gmail: what becomes of labels, and of All Mail [default: All Mail is copied whole]
    #[arg(long, value_enum)]
    pub labels: Option<Labels>,
    /// Copy the mailbox A of the source to B of the target (A=B, may be repeated)
    #[arg(long, value_name = "A=B")]
    pub map: Vec<String>,
    /// Map Sent, Drafts, Trash… by their names only, not by what they are for
    #[arg(long)]
    pub no_special_use: bool,
    /// Put everything below this mailbox of the target
    #[arg(long, value_name = "NAME")]
    pub into: Option<String>,
    /// Only this subtree of the source, brought to the top
    #[arg(long, value_name = "NAME")]
    pub from: Option<String>,
    /// Move what would be removed from the target to NAME/YYYY-MM-DD there; what is below NAME takes no part
    #[arg(long, value_name = "NAME", env = "MAILFERRY_BACKUP_MAILBOX")]
    pub backup_mailbox: Option<String>,
}

/// How it is shown.
#[derive(Args, Clone, Copy, Debug, Default)]
pub struct Output {
    /// JSON Lines on standard output (docs/json.md)
    #[arg(long)]
    pub json: bool,
    /// Nothing but errors and the last line
    #[arg(long, short)]
    pub quiet: bool,
    /// Every message, too
    #[arg(long, short)]
    pub verbose: bool,
    /// The dialogue with both servers on standard error, without secrets and without mail
    #[arg(long)]
    pub trace: bool,
}

/// What happens to the flags of messages that are on the target already.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Flags {
    /// They become those of the source
    Mirror,
    /// Those of the source are added
    Add,
    /// Flags travel with new messages only
    NewOnly,
}

/// What becomes of the labels of a source that has them as Gmail does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Labels {
    /// Each is a mailbox; All Mail has only what no other mailbox that takes part shows
    Mailboxes,
    /// Each is a keyword of its messages, which are in All Mail alone; Trash and Spam go as well
    Keywords,
}

/// `sync` and `plan`.
#[derive(Args, Clone, Debug)]
pub struct SyncArgs {
    /// The accounts.
    #[command(flatten)]
    pub accounts: Accounts,
    /// What takes part.
    #[command(flatten)]
    pub choice: Choice,
    /// Remove messages that the source does not have (presync)
    #[arg(long)]
    pub delete: bool,
    /// Make the target what the source is: remove messages and mailboxes (exact backup)
    #[arg(long)]
    pub mirror: bool,
    /// Remove from the source what is proven to be on the target: a move
    #[arg(long, conflicts_with_all = ["delete", "mirror"])]
    pub delete_source: bool,
    /// With --delete-source: read both copies back and compare their contents, not sizes
    #[arg(long, requires = "delete_source")]
    pub verify: bool,
    /// What happens to the flags of messages that are there already [default: add; with --mirror: mirror]
    #[arg(long, value_enum)]
    pub flags: Option<Flags>,
    /// Subscribe every mailbox that takes part
    #[arg(long)]
    pub subscribe_all: bool,
    /// Subscribe nothing
    #[arg(long, conflicts_with = "subscribe_all")]
    pub no_subscribe: bool,
    /// Refuse a run that would remove more than N messages, or N% of the target's
    #[arg(long, value_name = "N|N%", env = "MAILFERRY_MAX_DELETE")]
    pub max_delete: Option<String>,
    /// With --backup-mailbox: delete the days in it that are older than this: 30d, 4w
    #[arg(long, value_name = "AGE", value_parser = parse_days, requires = "backup_mailbox")]
    pub keep: Option<u32>,
    /// Source and target may be the same account
    #[arg(long)]
    pub allow_same_account: bool,
    /// Append to mailboxes of which no message is recognised
    #[arg(long)]
    pub append_unrecognised: bool,
    /// Put a Message-Id before messages that have no identity headers, as imapsync does
    #[arg(long)]
    pub add_header: bool,
    /// Do without what earlier runs learnt, and leave nothing for later ones
    #[arg(long, env = "MAILFERRY_NOSTATE", value_parser = clap::builder::FalseyValueParser::new())]
    pub nostate: bool,
    /// Write no receipt of the run
    #[arg(long, env = "MAILFERRY_NORECEIPT", value_parser = clap::builder::FalseyValueParser::new())]
    pub noreceipt: bool,
    /// Pairs of connections that copy side by side at most; as many are opened as help
    #[arg(long, value_name = "N", default_value_t = 5, env = "MAILFERRY_CONNECTIONS")]
    pub connections: usize,
    /// Copy a large mailbox over several connections at once, giving up the order of its messages
    #[arg(long)]
    pub unordered: bool,
    /// Wait so many seconds for a mailbox of the target that another run works on
    #[arg(long, value_name = "SECONDS", default_value_t = LOCK_WAIT_USUAL.as_secs(), env = claims::WAIT_VARIABLE)]
    pub lock_wait: u64,
    /// How servers are spared.
    #[command(flatten)]
    pub sparing: Sparing,
    /// Copy no more than SIZE a second (500k, 10M)
    #[arg(long, value_name = "SIZE", value_parser = parse_size)]
    pub max_bytes_per_second: Option<u32>,
    /// Copy no more than N messages a second
    #[arg(long, value_name = "N")]
    pub max_messages_per_second: Option<f64>,
    /// plan: also write the plan to this file, for `sync --expect`
    #[arg(long, value_name = "FILE")]
    pub save: Option<PathBuf>,
    /// sync: go on only if the plan is the one saved in this file
    #[arg(long, value_name = "FILE")]
    pub expect: Option<PathBuf>,
    /// How it is shown.
    #[command(flatten)]
    pub output: Output,
}

/// `check`.
#[derive(Args, Clone, Debug)]
pub struct CheckArgs {
    /// The accounts.
    #[command(flatten)]
    pub accounts: Accounts,
    /// What takes part.
    #[command(flatten)]
    pub choice: Choice,
    /// Read every message on both sides and compare their octets
    #[arg(long)]
    pub deep: bool,
    /// With --deep: read only so many of the messages of each mailbox, others each time
    #[arg(long, value_name = "N%", requires = "deep", value_parser = Share::parse)]
    pub sample: Option<Share>,
    /// With --deep: note in this file what was the same, and do not read it again next time
    #[arg(long, value_name = "FILE", requires = "deep")]
    pub resume: Option<PathBuf>,
    /// How it is shown.
    #[command(flatten)]
    pub output: Output,
}

/// `doctor`.
#[derive(Args, Clone, Debug)]
#[command(mut_arg("target", |target| {
    target.required(false).default_value("").hide_default_value(true)
}))]
pub struct DoctorArgs {
    /// The accounts; the second is an empty text where there is only one.
    #[command(flatten)]
    pub accounts: Accounts,
    /// What takes part.
    #[command(flatten)]
    pub choice: Choice,
    /// How it is shown.
    #[command(flatten)]
    pub output: Output,
}

/// `restore`.
#[derive(Args, Clone, Debug)]
pub struct RestoreArgs {
    /// The accounts: the backup, and the account that is to be restored.
    #[command(flatten)]
    pub accounts: Accounts,
    /// What takes part.
    #[command(flatten)]
    pub choice: Choice,
    /// Do not ask
    #[arg(long, short)]
    pub yes: bool,
    /// Bring back what the backup held at the end of this run (see `mailferry runs`)
    #[arg(long, value_name = "RUN")]
    pub run: Option<String>,
    /// Bring back messages that are now in another mailbox of the account, too
    #[arg(long)]
    pub even_if_elsewhere: bool,
    /// Put everything below Restored-YYYY-MM-DD
    #[arg(long, conflicts_with = "into")]
    pub into_subfolder: bool,
    /// Append to mailboxes of which no message is recognised
    #[arg(long)]
    pub append_unrecognised: bool,
    /// What happens to the flags of messages that are there already
    #[arg(long, value_enum, default_value = "new-only")]
    pub flags: Flags,
    /// Not permitted here: a restore removes nothing
    #[arg(long, hide = true)]
    pub delete: bool,
    /// Not permitted here: a restore removes nothing
    #[arg(long, hide = true)]
    pub mirror: bool,
    /// Do without what earlier runs learnt, and leave nothing for later ones
    #[arg(long, env = "MAILFERRY_NOSTATE", value_parser = clap::builder::FalseyValueParser::new())]
    pub nostate: bool,
    /// Write no receipt of the run
    #[arg(long, env = "MAILFERRY_NORECEIPT", value_parser = clap::builder::FalseyValueParser::new())]
    pub noreceipt: bool,
    /// Pairs of connections that copy side by side at most; as many are opened as help
    #[arg(long, value_name = "N", default_value_t = 5, env = "MAILFERRY_CONNECTIONS")]
    pub connections: usize,
    /// Copy a large mailbox over several connections at once, giving up the order of its messages
    #[arg(long)]
    pub unordered: bool,
    /// Wait so many seconds for a mailbox of the target that another run works on
    #[arg(long, value_name = "SECONDS", default_value_t = LOCK_WAIT_USUAL.as_secs(), env = claims::WAIT_VARIABLE)]
    pub lock_wait: u64,
    /// How servers are spared.
    #[command(flatten)]
    pub sparing: Sparing,
    /// How it is shown.
    #[command(flatten)]
    pub output: Output,
}

/// `retry`.
#[derive(Args, Clone, Debug)]
pub struct RetryArgs {
    /// The accounts, as they were when the messages were refused.
    #[command(flatten)]
    pub accounts: Accounts,
    /// Show what is kept aside, and connect to nobody
    #[arg(long)]
    pub list: bool,
    /// How it is shown.
    #[command(flatten)]
    pub output: Output,
}

/// `undo`.
#[derive(Args, Clone, Debug)]
pub struct UndoArgs {
    /// The run: its name, the beginning of its name, or `last` (the last one that is no undo)
    pub run: String,
    /// The accounts, as they were in that run; only the target is connected to.
    #[command(flatten)]
    pub accounts: Accounts,
    /// Show what would be undone, and change nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Do not ask
    #[arg(long, short)]
    pub yes: bool,
    /// Remove the messages that the run copied, too
    #[arg(long)]
    pub copies: bool,
    /// With --copies: refuse to remove more than N messages, or N% of the target's
    #[arg(long, value_name = "N|N%", env = "MAILFERRY_MAX_DELETE")]
    pub max_delete: Option<String>,
    /// Write no receipt
    #[arg(long, env = "MAILFERRY_NORECEIPT", value_parser = clap::builder::FalseyValueParser::new())]
    pub noreceipt: bool,
    /// How it is shown.
    #[command(flatten)]
    pub output: Output,
}

/// `runs`.
#[derive(Args, Clone, Debug)]
pub struct RunsArgs {
    /// What to do; without a word, the runs are listed.
    #[command(subcommand)]
    pub command: Option<RunsCommand>,
    /// JSON Lines on standard output (docs/json.md)
    #[arg(long)]
    pub json: bool,
}

/// What to do with receipts.
#[derive(Clone, Debug, Subcommand)]
pub enum RunsCommand {
    /// Show a run and what became of its messages
    Show(ShowArgs),
    /// Remove receipts of old runs
    Prune(PruneArgs),
}

/// `runs show`.
#[derive(Args, Clone, Debug)]
pub struct ShowArgs {
    /// The run: its name, the beginning of its name, or `last`
    pub run: String,
    /// Every message as a row of a table (RFC 4180)
    #[arg(long, conflicts_with = "json")]
    pub csv: bool,
    /// Every message as a JSON Line (docs/json.md)
    #[arg(long)]
    pub json: bool,
    /// Every message in words, not only those that are not where they should be
    #[arg(long)]
    pub all: bool,
    /// Only this mailbox, by its name on either side
    #[arg(long, value_name = "NAME")]
    pub mailbox: Option<String>,
}

/// `runs prune`.
#[derive(Args, Clone, Debug)]
#[command(group = clap::ArgGroup::new("which").required(true).multiple(true))]
pub struct PruneArgs {
    /// Keep the newest N of each pair of accounts
    #[arg(long, value_name = "N", group = "which")]
    pub keep: Option<usize>,
    /// Remove those of runs that began longer ago than this: 30d, 12h
    #[arg(long, value_name = "AGE", value_parser = parse_age, group = "which")]
    pub older_than: Option<i64>,
}

/// `why`.
#[derive(Args, Clone, Debug)]
pub struct WhyArgs {
    /// Its Message-Id, a part of its subject, its UID, or MAILBOX/UID
    pub word: String,
    /// Only what this run did: its name, the beginning of its name, or `last`
    #[arg(long, value_name = "RUN")]
    pub run: Option<String>,
    /// JSON Lines on standard output (docs/json.md)
    #[arg(long)]
    pub json: bool,
}

/// `login`.
#[derive(Args, Clone, Debug)]
pub struct LoginArgs {
    /// Who permits it: google, microsoft, or other
    pub provider: String,
    /// The account, as in its URL
    pub user: String,
    /// By which the authorisation server knows this program
    #[arg(long, value_name = "ID", env = "MAILFERRY_CLIENT_ID")]
    pub client_id: Option<String>,
    /// Its secret, if it has one
    #[arg(long, value_name = "SECRET", env = "MAILFERRY_CLIENT_SECRET", hide_env_values = true)]
    pub client_secret: Option<String>,
    /// Microsoft's tenant
    #[arg(long, value_name = "TENANT", default_value = "common")]
    pub tenant: String,
    /// By a code that is typed on any device [default, except with google]
    #[arg(long, conflicts_with = "browser")]
    pub device: bool,
    /// In a browser on this machine
    #[arg(long)]
    pub browser: bool,
    /// Where it is permitted in a browser
    #[arg(long, value_name = "URL")]
    pub auth_url: Option<String>,
    /// Where tokens are got
    #[arg(long, value_name = "URL")]
    pub token_url: Option<String>,
    /// Where a code for a device is got
    #[arg(long, value_name = "URL")]
    pub device_url: Option<String>,
    /// What is asked for
    #[arg(long, value_name = "SCOPES")]
    pub scope: Option<String>,
    /// Forget the login of this account
    #[arg(long)]
    pub forget: bool,
}

/// `demo`.
#[derive(Args, Clone, Copy, Debug)]
pub struct DemoArgs {
    /// How it is shown.
    #[command(flatten)]
    pub output: Output,
}

/// Seconds.
pub(super) fn parse_age(text: &str) -> Result<i64, String> {
    let text = text.trim();
    let fail = || format!("`{text}` is no time: write 30d, 12h, 90m or 30s");
    let seconds = match text.chars().last() {
        Some('d') => 86_400,
        Some('h') => 3_600,
        Some('m') => 60,
        Some('s') => 1,
        _ => return Err(fail()),
    };
    let number: u32 = text[..text.len() - 1].parse().map_err(|_| fail())?;
    Ok(i64::from(number) * seconds)
}

/// Days.
fn parse_days(text: &str) -> Result<u32, String> {
    let text = text.trim();
    let (digits, days) = match text.char_indices().last() {
        Some((at, 'd')) => (&text[..at], 1),
        Some((at, 'w')) => (&text[..at], 7),
        _ => return Err(format!("`{text}` is no age: write 30d or 4w")),
    };
    let number: u32 = digits.parse().map_err(|_| format!("`{text}` is no age: write 30d or 4w"))?;
    let days = number.checked_mul(days).filter(|days| (1..=100_000).contains(days));
    days.ok_or_else(|| format!("`{text}` is no age: write a day or more"))
}

fn parse_day(text: &str) -> Result<Date, String> {
    let day = text.trim().parse::<Date>().ok().filter(|day| (1..=9999).contains(&day.year()));
    day.ok_or_else(|| format!("`{text}` is no day: write 2026-11-26"))
}

fn parse_size(text: &str) -> Result<u32, String> {
    u32::try_from(octets(text)?).map_err(|_| format!("`{text}` is more than 4 GiB"))
}

/// `2500M`, `1g`, `1048576`
fn octets(text: &str) -> Result<u64, String> {
    let (digits, factor) = match text.trim().to_ascii_lowercase() {
        size if size.ends_with('k') => (size[..size.len() - 1].to_owned(), 1024),
        size if size.ends_with('m') => (size[..size.len() - 1].to_owned(), 1024 * 1024),
        size if size.ends_with('g') => (size[..size.len() - 1].to_owned(), 1024 * 1024 * 1024),
        size => (size, 1),
    };
    let number: u64 = digits
        .replace('_', "")
        .parse()
        .map_err(|_| format!("`{text}` is no size: write 10M or 1048576"))?;
    number.checked_mul(factor).ok_or_else(|| format!("`{text}` is more than 4 GiB"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_options_are_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn ages_are_read_with_their_units() {
        assert_eq!(parse_age("30d"), Ok(30 * 86_400));
        assert_eq!(parse_age("12h"), Ok(12 * 3_600));
        assert_eq!((parse_age("90m"), parse_age("5s")), (Ok(5_400), Ok(5)));
        for text in ["", "30", "d", "-1d", "3w", "1.5d"] {
            assert!(parse_age(text).is_err(), "{text}");
        }
    }

    #[test]
    fn days_are_read_with_their_units() {
        assert_eq!(parse_days("30d"), Ok(30));
        assert_eq!(parse_days("4w"), Ok(28));
        for text in ["", "30", "0d", "12h", "-1d", "9999999w"] {
            assert!(parse_days(text).is_err(), "{text}");
        }
    }

    #[test]
    fn sizes_are_read_with_their_units() {
        assert_eq!(parse_size("10M"), Ok(10 << 20));
        assert_eq!(parse_size("500k"), Ok(500 << 10));
        assert_eq!(parse_size("1_000"), Ok(1000));
        assert!(parse_size("ten").is_err());
        assert!(parse_size("8G").is_err());
    }
}

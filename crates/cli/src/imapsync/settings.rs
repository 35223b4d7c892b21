//! What a command line asks for, as one plain value with nothing left to interpret.

mod build;
mod expression;
mod identity;
mod presets;
mod secret;
mod side;
mod tls_settings;
mod transforms;

use std::path::PathBuf;

use mailferry_engine::identity::KeyRule;
use mailferry_engine::name::MailboxName;
use mailferry_expression::{Match, Rewrite};

use super::getopt::Parsed;
use super::options;
use super::support::Refusals;

pub use expression::Typed;
pub use secret::{Password, PasswordSource};
pub use side::{CertificateCheck, Mechanism, SideOptions, Timeout, Token};
pub use transforms::Transforms;

/// What the program is called for.
#[derive(Clone, Debug, PartialEq)]
pub enum Request {
    /// `--help`, or no word at all: the help on stdout, exit status 0.
    Help,
    /// `--version`: the bare number on stdout, exit status 0.
    Version,
    /// Everything else.
    Run(Box<ImapsyncOptions>),
}

/// How far a run goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Print the first lines; hosts and users may be missing.
    JustBanner,
    /// Connect, do not log in; also where there are hosts and nobody to log in.
    JustConnect,
    /// End the run that the pidfile names.
    Abort,
    /// Log in on both sides.
    JustLogin,
    /// Show the folders of both sides.
    JustFolderLists,
    /// Show the pairs that special use makes.
    JustAutomap,
    /// Show the sizes of the folders.
    JustFolderSizes,
    /// Create and subscribe folders.
    JustFolders,
    /// The whole of it.
    Sync,
}

/// A run of the front, as asked for. Defaults are imapsync's where they are not its hazards.
#[derive(Clone, Debug, PartialEq)]
pub struct ImapsyncOptions {
    /// How far the run goes.
    pub mode: Mode,
    /// How another run is ended, with [`Mode::Abort`].
    pub abort: AbortWay,
    /// Whether nothing may be changed anywhere.
    pub dry: bool,
    /// Whether messages are read in a dry run.
    pub dry_reads: bool,
    /// host1, the source.
    pub side1: SideOptions,
    /// host2, the target.
    pub side2: SideOptions,
    /// Which addresses of a server may be used.
    pub addresses: Addresses,
    /// Whether the ID command is sent.
    pub send_id: bool,
    /// Which folders take part.
    pub folders: FolderChoice,
    /// What they are called on host2.
    pub names: FolderNames,
    /// What is subscribed on host2.
    pub subscribe: Subscribe,
    /// Which messages take part, and how they are copied.
    pub messages: MessageOptions,
    /// What their content decides, and what becomes of it.
    pub transforms: Transforms,
    /// What is deleted.
    pub deletions: Deletions,
    /// What is shown and written down.
    pub reports: Reports,
    /// Files and limits of the process.
    pub process: Process,
    /// What the user should know: options that have no effect, each with its reason.
    pub notices: Vec<String>,
}

/// How another run is ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AbortWay {
    /// QUIT, and after a while KILL.
    #[default]
    BySignal,
    /// By a file that it looks for.
    ByFile,
}

/// Which addresses of a server may be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Addresses {
    /// Whatever its name resolves to.
    Any,
    /// IPv4 only.
    V4,
    /// IPv6 only.
    V6,
}

/// Which folders take part. If `named`, `with_all_below` and `include` are empty and
/// `subscribed` is off, all of them do; `exclude` comes after everything else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FolderChoice {
    /// Names as on the wire of host1.
    pub named: Vec<MailboxName>,
    /// Names of folders taken with all that is below them.
    pub with_all_below: Vec<MailboxName>,
    /// The folders subscribed on host1.
    pub subscribed: bool,
    /// Patterns, unanchored and case-sensitive.
    pub include: Vec<Typed<Match>>,
    /// The same, of folders that stay out.
    pub exclude: Vec<Typed<Match>>,
    /// Folders taken first, in this order, if they take part.
    pub first: Vec<MailboxName>,
    /// Folders taken last, in this order, if they take part.
    pub last: Vec<MailboxName>,
    /// Whether folders without messages stay out.
    pub skip_empty: bool,
    /// Whether folders that cannot be opened are left out beforehand.
    pub check_selectable: bool,
    /// Whether named folders that do not exist are left out with a notice.
    pub check_existence: bool,
}

/// What folders are called on host2.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FolderNames {
    /// Pair by special use; off where a subfolder is given.
    pub automap: bool,
    /// Exact name on host1, exact name on host2; before every other rule.
    pub explicit: Vec<(MailboxName, MailboxName)>,
    /// Only what is below this folder of host1, without this part of the name.
    pub subfolder1: Option<String>,
    /// Everything below this folder of host2.
    pub subfolder2: Option<String>,
    /// `/` inside a name becomes `_` where host1 separates by `/` and host2 does not.
    pub fix_slash: bool,
    /// What rewrites the names last, in this order.
    pub rewrites: Vec<Typed<Rewrite>>,
    /// Whether a folder of host2 is used that exists and is not listed.
    pub mix: bool,
}

/// What is subscribed on host2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subscribe {
    /// Nothing.
    Nothing,
    /// What is subscribed on host1.
    AsOnHost1,
    /// Every folder that takes part.
    Everything,
}

/// Which messages take part, and how they are copied.
#[derive(Clone, Debug, PartialEq)]
pub struct MessageOptions {
    /// Messages of more octets stay out.
    pub octets_max: Option<u64>,
    /// Messages of this many octets or fewer stay out.
    pub octets_min: Option<u64>,
    /// What host2 takes at most, in place of what it announces; lowers `octets_max`.
    pub append_limit: Option<u64>,
    /// Messages sent (Date header, whole days, local time) longer ago stay out, on both sides.
    pub age_days_max: Option<f64>,
    /// Messages sent not so long ago stay out; with a smaller `age_days_max`, those between both.
    pub age_days_min: Option<f64>,
    /// Only messages of host1 and of host2 that this SEARCH finds; before the ages.
    pub searches: [Option<String>; 2],
    /// Whether ages count from the arrival, to the second, on host1 and on host2.
    pub by_arrival: [bool; 2],
    /// Which headers tell messages apart, and how.
    pub keys: KeyRule,
    /// Whether messages with the same headers are the same only if their size or content is.
    pub sizes_count: bool,
    /// Whether messages stay out that an earlier folder of host2 has.
    pub skip_cross_duplicates: bool,
    /// Whether equal messages of a folder are all copied, n-th to n-th.
    pub sync_duplicates: bool,
    /// Whether messages without Message-Id and Received get a Message-Id.
    pub add_header: bool,
    /// Whether flags of present messages are made equal to those of host1.
    pub resync_flags: bool,
    /// What rewrites the flags of host1, in this order.
    pub flag_rewrites: Vec<Typed<Rewrite>>,
    /// Whether flags are left out that host2 says it does not keep.
    pub filter_flags: bool,
    /// Whether the flags of copies are read back, and set where they are not there.
    pub read_flags_back: bool,
    /// Whether copies get the Gmail labels that they have on host1,
    pub sync_labels: bool,
    /// and whether labels of present messages are made equal to those of host1.
    pub resync_labels: bool,
    /// Whether copies keep their INTERNALDATE.
    pub sync_internal_dates: bool,
}

/// What is deleted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deletions {
    /// On host1: messages that are proven to be on host2.
    pub on_host1: bool,
    /// On host1: of these only what is marked as deleted there.
    pub marked_on_host1: bool,
    /// On host1: folders that hold nothing.
    pub empty_on_host1: bool,
    /// On host2: messages that host1 does not have.
    pub messages: bool,
    /// All but the first of equal messages.
    pub duplicates: bool,
    /// Folders that host1 does not have.
    pub folders: bool,
    /// Of these, only those that match.
    pub folders_only: Option<Typed<Match>>,
    /// Of these, none that matches.
    pub folders_but_not: Option<Typed<Match>>,
    /// How deleted messages go away.
    pub expunge: Expunge,
}

/// How messages marked as deleted on host2 go away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expunge {
    /// They stay, marked.
    Never,
    /// UID EXPUNGE of exactly those (RFC 4315 §2.1).
    OnlyThose,
    /// EXPUNGE of the folder, with whatever else is marked there.
    WholeFolder,
}

/// What is shown and written down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reports {
    /// Sizes before the sync.
    pub sizes_before: bool,
    /// Sizes after the sync.
    pub sizes_after: bool,
    /// The list of errors at the end.
    pub errors_listed: bool,
    /// More words about decisions.
    pub debug: bool,
    /// What each folder is called on host2, and why others take no part.
    pub folder_trace: bool,
    /// What becomes of flags.
    pub flag_trace: bool,
    /// Each message as it is sent.
    pub content_trace: bool,
    /// The dialogue with host1, secrets masked.
    pub trace1: bool,
    /// The dialogue with host2, secrets masked.
    pub trace2: bool,
    /// Whether passwords may be shown in the echoed command line. Traces mask them always.
    pub show_passwords: bool,
    /// Where the log file goes; nothing for no log.
    pub log: Option<LogFile>,
}

/// Where the log file goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogFile {
    /// The directory, created if needed; empty for the current one.
    pub directory: PathBuf,
    /// The name below it; nothing for one made of date and users.
    pub name: Option<PathBuf>,
    /// Who says so.
    pub wish: LogWish,
}

/// Whether somebody asked for the log file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogWish {
    /// By its folder or its name.
    Given,
    /// Nobody: it is what imapsync does. Where it cannot be had, a notice will do.
    Usual,
}

/// Files and limits of the process.
#[derive(Clone, Debug, PartialEq)]
pub struct Process {
    /// Directory for temporary files; nothing for the system's.
    pub temporary: Option<PathBuf>,
    /// Where the process number is written.
    pub pidfile: PidFile,
    /// Whether an existing pidfile of a living process keeps this run from starting.
    pub pidfile_locks: bool,
    /// Errors after which the run stops; at least 1.
    pub errors_max: u32,
    /// Attempts to connect again that bring nothing, after which a folder is given up; nothing
    /// where it was not said.
    pub reconnects_max: Option<u32>,
    /// How fast mail is copied.
    pub pace: PaceOptions,
    /// The run stops when that many octets were copied.
    pub octets_max: Option<u64>,
    /// What signals do.
    pub signals: Signals,
    /// Whether the log of another run that holds the pidfile is followed.
    pub tail: bool,
}

/// What signals do, where that is not the usual.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Signals {
    /// These are told of, and nothing else.
    pub ignored: Vec<Signal>,
    /// These end the run.
    pub ending: Vec<Signal>,
}

/// A signal that the program hears of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// INT.
    Interrupt,
    /// TERM.
    Terminate,
    /// QUIT.
    Quit,
    /// HUP.
    HangUp,
}

impl Signal {
    /// All of them.
    pub const EVERY: [Self; 4] = [Self::Interrupt, Self::Terminate, Self::Quit, Self::HangUp];

    /// Reads a name, `INT` or `SIGINT`, in any case.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        let name = name.to_ascii_uppercase();
        match name.strip_prefix("SIG").unwrap_or(&name) {
            "INT" => Some(Self::Interrupt),
            "TERM" => Some(Self::Terminate),
            "QUIT" => Some(Self::Quit),
            "HUP" => Some(Self::HangUp),
            _ => None,
        }
    }
}

/// Limits on the traffic; `None` where there is none.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct PaceOptions {
    /// Octets a second.
    pub octets_per_second: Option<u64>,
    /// Octets that do not count for that.
    pub octets_free: u64,
    /// Messages a second.
    pub messages_per_second: Option<f64>,
}

/// Where the process number is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PidFile {
    /// `imapsync.pid` in the temporary directory. All runs share it.
    Shared,
    /// The file the user named.
    At(PathBuf),
    /// Nowhere.
    Nowhere,
}

impl Request {
    /// Interprets a command line.
    ///
    /// # Errors
    /// What this version does not do although mail would suffer without it, values that are
    /// none, and a missing host or user.
    pub fn read(parsed: &Parsed) -> Result<Self, Refusals> {
        if parsed.is_empty() || parsed.has(&options::HELP) {
            Ok(Self::Help)
        } else if parsed.has(&options::VERSION) {
            Ok(Self::Version)
        } else {
            build::options_of(parsed).map(|options| Self::Run(Box::new(options)))
        }
    }
}

#[cfg(test)]
mod tests;

//! Every option of imapsync 2.229, declared once.
//!
//! Parser, help text, documentation and the check of what is supported are all drawn from
//! these declarations; a test holds them against the catalogue in `tests/data/imapsync`.

#[macro_use]
mod declare;
mod table_access;
mod table_diagnostics;
mod table_folders;
mod table_messages;
mod table_run;

pub use table_access::*;
pub use table_diagnostics::*;
pub use table_folders::*;
pub use table_messages::*;
pub use table_run::*;

/// What kind of value an option takes, in the terms of Perl's Getopt::Long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Present or absent; no negation.
    Flag,
    /// Present, absent, or negated by `--noX` / `--no-X`.
    Switch(Default),
    /// A whole number, underscores allowed; holds the placeholder shown in the help.
    Int(&'static str),
    /// A number with a fraction or an exponent.
    Float(&'static str),
    /// One word of any octets.
    Text(&'static str),
    /// Words that add up when the option is repeated.
    List(&'static str),
    /// `key=value` words that add up.
    Pairs(&'static str),
}

impl Kind {
    /// The placeholder of the value in help texts; nothing for an option without a value.
    #[must_use]
    pub fn placeholder(self) -> Option<&'static str> {
        match self {
            Self::Flag | Self::Switch(_) => None,
            Self::Int(name)
            | Self::Float(name)
            | Self::Text(name)
            | Self::List(name)
            | Self::Pairs(name) => Some(name),
        }
    }
}

/// What a negatable option means when nobody mentions it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Default {
    /// As if `--X` had been given.
    On,
    /// As if `--noX` had been given.
    Off,
    /// Other options or the server decide.
    Open,
}

/// Which account an option is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// host1, the source.
    One,
    /// host2, the target.
    Two,
    /// Both accounts.
    Both,
    /// Neither: the run itself.
    Run,
}

/// How much users depend on an option: `A` most, `C` least.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Priority {
    /// Everyday options.
    A,
    /// Options that some servers or sites need.
    B,
    /// Rarities.
    C,
}

/// What this version does with an option.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Support {
    /// It does what it says.
    Works,
    /// It is read and has no effect; the run says so with this reason.
    AcceptedWithNotice(&'static str),
    /// Known only to imapsync's web form; on a command line it is an unknown option.
    WebFormOnly,
}

/// One option: its names, its value, its meaning and what becomes of it here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Declaration {
    /// The name without dashes, in the spelling of the catalogue.
    pub name: &'static str,
    /// Other names of the same option.
    pub aliases: &'static [&'static str],
    /// What value it takes.
    pub kind: Kind,
    /// Which account it is about.
    pub side: Side,
    /// How much users depend on it.
    pub priority: Priority,
    /// What this version does with it.
    pub support: Support,
    /// One line for the help.
    pub help: &'static str,
}

/// Options shown together.
#[derive(Clone, Copy, Debug)]
pub struct Group {
    /// The heading.
    pub title: &'static str,
    /// The options below it, in reading order.
    pub options: &'static [Declaration],
}

/// All groups in reading order.
pub const GROUPS: &[Group] = &[
    ACCOUNTS,
    CONNECTION,
    AUTHENTICATION,
    FOLDER_CHOICE,
    FOLDER_NAMES,
    FOLDER_TARGET,
    MESSAGE_CHOICE,
    IDENTITY,
    TRANSFORMS,
    FLAGS_AND_DATES,
    DELETIONS,
    PRESETS,
    STOP_EARLY,
    REPORTS,
    LIMITS,
    PROCESS,
    DEBUGGING,
    SELF_TESTS,
];

/// Every declaration, group by group.
pub fn every() -> impl Iterator<Item = &'static Declaration> {
    GROUPS.iter().flat_map(|group| group.options)
}

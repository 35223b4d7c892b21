//! What is to be measured, and on how much mail.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result};
use clap::Parser;
use mailferry_testkit::corpus::{Corpus, Large, Recipe};

use crate::machine;
use crate::program::{Mailferry, Peer, Program};
use crate::scenario::Scenario;

/// The same mail on every machine.
const SEED: u64 = 1;
/// The median body of ordinary mail, and of the small mail of large mailboxes, in octets.
const MEDIAN_OCTETS: u32 = 8 << 10;
const SMALL_MEDIAN_OCTETS: u32 = 500;
/// How much more mail TLS is measured with: its cost is a difference of two figures.
const TLS_FACTOR: u32 = 5;

/// Measures mailferry beside the peers installed here, and writes a document about it
#[derive(Debug, Parser)]
#[command(name = "cargo xtask bench", max_term_width = 100)]
pub(crate) struct Arguments {
    /// What to measure; everything if nothing is named
    #[arg(value_enum)]
    scenarios: Vec<Scenario>,
    /// Messages of a copy [default: 5000]
    #[arg(long, value_name = "N")]
    messages: Option<u32>,
    /// Rounds in which each program runs once [default: 5]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    rounds: Option<u32>,
    /// Round trips, in milliseconds [default: 0,20,100]
    #[arg(long, value_name = "MS", value_delimiter = ',')]
    latency: Option<Vec<u64>>,
    /// growth: messages in the mailbox [default: 1000,10000,100000,1000000]
    #[arg(long, value_name = "N", value_delimiter = ',')]
    growth: Option<Vec<u32>>,
    /// growth: the largest mailbox that the peers copy, too [default: 10000]
    #[arg(long, value_name = "N")]
    peer_messages_max: Option<u32>,
    /// connections: how many [default: 1,2,3,4,5,6,7,8]
    #[arg(long, value_name = "N", value_delimiter = ',')]
    connections: Option<Vec<u32>>,
    /// huge: MiB of the message [default: 100,1024]
    #[arg(long, value_name = "MIB", value_delimiter = ',')]
    huge: Option<Vec<u64>>,
    /// Other defaults: as little as shows that it works, in a minute, and no figures to rely on
    #[arg(long)]
    quick: bool,
    /// Run mailferry once more under perf where a goal is missed
    #[arg(long)]
    profile: bool,
    /// Measure imapsync, too
    #[arg(long, value_name = "PATH")]
    imapsync: Option<PathBuf>,
    /// The mailferry to measure [default: the one built beside this program]
    #[arg(long, value_name = "PATH")]
    mailferry: Option<PathBuf>,
    /// Where the results go [default: docs/benchmarks.md; with --quick: target/benchmarks.md]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// How much trouble is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effort {
    Whole,
    /// To see that it works.
    Quick,
}

/// Whether mailferry is run under perf where it misses a goal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Profiling {
    WhereMissed,
    Never,
}

/// All that a measurement needs to know.
pub(crate) struct Settings {
    pub(crate) scenarios: Vec<Scenario>,
    pub(crate) messages: u32,
    pub(crate) rounds: u32,
    pub(crate) round_trips: Vec<Duration>,
    pub(crate) growth: Vec<u32>,
    pub(crate) peer_messages_max: u32,
    pub(crate) connections: Vec<u32>,
    pub(crate) huge_octets: Vec<u64>,
    pub(crate) effort: Effort,
    pub(crate) profiling: Profiling,
    pub(crate) mailferry: Mailferry,
    pub(crate) peers: Vec<Peer>,
    /// What is to be said of peers that are not here.
    pub(crate) missing: Vec<String>,
    pub(crate) machine: String,
    /// How all this was asked for, without names of files.
    pub(crate) command: String,
    pub(crate) out: PathBuf,
}

impl Arguments {
    /// Looks at what is installed here. `words` is the command line without the program.
    ///
    /// # Errors
    /// There is no mailferry to measure.
    pub(crate) fn settings(self, words: &[OsString]) -> Result<Settings> {
        let path = match &self.mailferry {
            Some(path) => path.clone(),
            None => beside_this_program("mailferry")?,
        };
        let effort = if self.quick { Effort::Quick } else { Effort::Whole };
        let out = match (&self.out, effort) {
            (Some(path), _) => path.clone(),
            (None, Effort::Whole) => "docs/benchmarks.md".into(),
            (None, Effort::Quick) => "target/benchmarks.md".into(),
        };
        let (peers, missing) = Peer::find(self.imapsync.as_deref());
        let every = || Scenario::EVERY.to_vec();
        let scope = Scope::of(effort);
        let latency = self.latency.unwrap_or_else(|| scope.latency.to_vec());
        let huge = self.huge.unwrap_or_else(|| scope.huge.to_vec());
        Ok(Settings {
            scenarios: if self.scenarios.is_empty() { every() } else { self.scenarios },
            messages: self.messages.unwrap_or(scope.messages),
            rounds: self.rounds.unwrap_or(scope.rounds),
            round_trips: latency.into_iter().map(Duration::from_millis).collect(),
            growth: self.growth.unwrap_or_else(|| scope.growth.to_vec()),
            peer_messages_max: self.peer_messages_max.unwrap_or(scope.peer_messages_max),
            connections: self.connections.unwrap_or_else(|| scope.connections.to_vec()),
            huge_octets: huge.into_iter().map(|mebibytes| mebibytes << 20).collect(),
            effort,
            profiling: if self.profile { Profiling::WhereMissed } else { Profiling::Never },
            machine: machine::describe(&path),
            command: shown_command(words),
            mailferry: Mailferry::inspect(path)?,
            peers,
            missing,
            out,
        })
    }
}

/// What is measured unless the command line says otherwise.
struct Scope {
    messages: u32,
    rounds: u32,
    latency: &'static [u64],
    growth: &'static [u32],
    peer_messages_max: u32,
    connections: &'static [u32],
    huge: &'static [u64],
}

impl Scope {
    fn of(effort: Effort) -> Self {
        match effort {
            Effort::Whole => Self {
                messages: 5000,
                rounds: 5,
                latency: &[0, 20, 100],
                growth: &[1000, 10_000, 100_000, 1_000_000],
                peer_messages_max: 10_000,
                connections: &[1, 2, 3, 4, 5, 6, 7, 8],
                huge: &[100, 1024],
            },
            Effort::Quick => Self {
                messages: 60,
                rounds: 1,
                latency: &[0, 20],
                growth: &[500, 2000],
                peer_messages_max: 500,
                connections: &[1, 3],
                huge: &[8],
            },
        }
    }
}

/// The documents name no file of this machine.
fn shown_command(words: &[OsString]) -> String {
    let mut command = "cargo xtask bench".to_owned();
    for word in words {
        let word = word.to_string_lossy();
        command += " ";
        command += match word.rsplit_once('=') {
            Some((option, value)) if value.contains('/') => option,
            _ if word.contains('/') => "PATH",
            _ => &word,
        };
    }
    command
}

fn beside_this_program(name: &str) -> Result<PathBuf> {
    let own = std::env::current_exe()?;
    let path = own.parent().unwrap_or(Path::new(".")).join(name);
    path.is_file().then_some(path).context(
        "there is no mailferry beside this program: `cargo build --release -p mailferry-cli`, or \
         name one with --mailferry",
    )
}

impl Settings {
    /// mailferry with its defaults, then the peers.
    pub(crate) fn programs(&self) -> Vec<Program> {
        let peers = self.peers.iter().cloned().map(Program::Peer);
        std::iter::once(Program::Mailferry(self.mailferry.clone())).chain(peers).collect()
    }

    /// An account of ordinary mail.
    pub(crate) fn ordinary_mail(&self) -> Corpus {
        mail(self.messages, MEDIAN_OCTETS, Large::Some)
    }

    /// The account that TLS is measured with.
    pub(crate) fn much_mail(&self) -> Corpus {
        let factor = if self.effort == Effort::Quick { 1 } else { TLS_FACTOR };
        mail(self.messages * factor, MEDIAN_OCTETS, Large::Some)
    }

    /// One mailbox of small messages.
    pub(crate) fn small_mail(&self, messages: u32) -> Corpus {
        mail(messages, SMALL_MEDIAN_OCTETS, Large::None).in_one_mailbox()
    }

    /// What to say before anything is measured.
    pub(crate) fn introduction(&self) -> Vec<String> {
        let mut lines = vec![self.machine.clone()];
        lines.extend(self.missing.iter().cloned());
        if self.effort == Effort::Quick {
            lines.push("a quick run: it shows that the measurements work, and nothing else".into());
        }
        lines
    }
}

fn mail(messages: u32, median_octets: u32, large: Large) -> Corpus {
    Corpus::new(Recipe { seed: SEED, messages, median_octets, large })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_options_are_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn the_command_is_shown_without_files() {
        let words = ["first", "--rounds=5", "--imapsync", "/a/b", "--out=c/d"].map(OsString::from);
        let shown = "cargo xtask bench first --rounds=5 --imapsync PATH --out";
        assert_eq!(shown_command(&words), shown);
    }

    #[test]
    fn lists_are_written_with_commas_and_scenarios_by_name() {
        let words = "bench first nothing --latency 0,20 --messages 100 --rounds 1";
        let arguments = Arguments::try_parse_from(words.split(' ')).unwrap();
        assert_eq!(arguments.latency, Some(vec![0, 20]));
        assert_eq!(arguments.scenarios, [Scenario::First, Scenario::Nothing]);
        assert!(Arguments::try_parse_from(["bench", "--rounds", "0"]).is_err());
        assert!(Arguments::try_parse_from(["bench", "last"]).is_err());
    }
}

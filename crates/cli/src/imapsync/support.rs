//! Holds what was asked for against what this version can do.

use std::fmt;

use super::exit_status::ExitStatus;
use super::getopt::Parsed;
use super::options::{self, Declaration, Default, Kind, Support};

/// A request that is turned down before the first connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// What was asked for, as it would be typed.
    pub asked: String,
    /// Why it is turned down.
    pub why: String,
    /// What to do instead.
    pub instead: String,
    /// How the program ends.
    pub status: ExitStatus,
}

impl Refusal {
    /// A refusal that ends with the status for a wrong command line.
    #[must_use]
    pub fn new(
        asked: impl Into<String>,
        why: impl Into<String>,
        instead: impl Into<String>,
    ) -> Self {
        Self {
            asked: asked.into(),
            why: why.into(),
            instead: instead.into(),
            status: ExitStatus::Usage,
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "error: `{}` is refused: {}", self.asked, self.why)?;
        write!(f, "\nhint: {}", self.instead)
    }
}

/// Everything that is turned down, in the order of the declarations. Unlike an error of
/// parsing, it ends with the line `Exiting with return value`, so that wrappers see the status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusals(pub Vec<Refusal>);

impl Refusals {
    /// How the program ends.
    #[must_use]
    pub fn status(&self) -> ExitStatus {
        self.0.first().map_or(ExitStatus::Usage, |refusal| refusal.status)
    }
}

impl std::error::Error for Refusals {}

impl fmt::Display for Refusals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, refusal) in self.0.iter().enumerate() {
            if place > 0 {
                f.write_str("\n\n")?;
            }
            write!(f, "{refusal}")?;
        }
        Ok(())
    }
}

/// Goes through the given options by their declarations: one notice for each that has no effect.
pub(super) fn review(parsed: &Parsed) -> Vec<String> {
    let mut notices = Vec::new();
    for option in options::every() {
        if let Support::AcceptedWithNotice(reason) = option.support
            && parsed.has(option)
            && !asks_for_nothing(parsed, option)
        {
            notices.push(format!("{} has no effect: {reason}", typed(parsed, option)));
        }
    }
    notices
}

/// Whether a switch was only set to what holds without it: `--nodelete1` is no reason to stop.
fn asks_for_nothing(parsed: &Parsed, option: &Declaration) -> bool {
    let Kind::Switch(default) = option.kind else {
        return false;
    };
    match default {
        Default::On => parsed.switch(option) == Some(true),
        Default::Off | Default::Open => parsed.switch(option) == Some(false),
    }
}

fn typed(parsed: &Parsed, option: &Declaration) -> String {
    let no = if parsed.switch(option) == Some(false) { "no" } else { "" };
    format!("--{no}{}", option.name)
}

#[cfg(test)]
mod tests {
    use super::review;
    use crate::imapsync::parse;

    fn reviewed(words: &[&str]) -> Vec<String> {
        review(&parse(words.iter().map(|word| (*word).into())).unwrap_or_else(|_| panic!()))
    }

    #[test]
    fn denying_what_is_unsupported_is_no_request() {
        let words = ["--nosyncacls", "--no-synclabels", "--noskipcrossduplicates", "--nocompress1"];
        assert_eq!(reviewed(&words), Vec::<String>::new());
    }

    #[test]
    fn what_has_no_effect_is_told() {
        let notices = reviewed(&["--nouid1", "--syncacls"]);
        assert_eq!(
            notices,
            [
                "--nouid1 has no effect: messages are always named by UID",
                "--syncacls has no effect: not in this version"
            ]
        );
    }
}

//! A contest of two programs on the same accounts: what is there before, and with which options.

mod before;
mod cases;

pub use before::{Before, prepare};
pub use cases::CASES;

/// One command line, given to both programs.
pub struct Case {
    pub before: Before,
    pub options: &'static [&'static str],
    pub expected: Expected,
}

/// Whether both programs are to come to the same.
#[derive(Clone, Copy, Debug)]
pub enum Expected {
    Same,
    /// They differ on purpose, in exactly that; docs/imapsync.md says why in a paragraph that begins
    /// with these words.
    Differs(&'static str, &'static [Aspect]),
}

/// What can differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Aspect {
    Status,
    Host1,
    Host2,
}

impl Case {
    /// `Fresh --delete1`
    pub fn name(&self) -> String {
        format!("{:?} {}", self.before, self.options.join(" "))
    }
}

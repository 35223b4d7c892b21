//! What is wrong with the file of jobs, where, and what helps.

use std::path::Path;

use mailferry_imap::session::printable;

/// Something that keeps a job from being run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Problem {
    /// Where it is in the text, in octets.
    pub(super) at: usize,
    /// What is wrong. It never holds the value of a setting that may be a secret.
    pub(super) what: String,
    /// What helps.
    pub(super) hint: String,
}

impl Problem {
    pub(super) fn new(at: usize, what: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { at, what: what.into(), hint: hint.into() }
    }

    /// For people: `jobs.toml:3:1: what`, and the hint.
    pub(super) fn text(&self, path: &Path, text: &str) -> String {
        let (line, column) = place(text, self.at);
        let what = printable(self.what.as_bytes());
        format!("{}:{line}:{column}: {what}\n\nhint: {}", path.display(), self.hint)
    }
}

/// Line and column, both from 1, the column in characters.
fn place(text: &str, at: usize) -> (usize, usize) {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    let before = &text[..at];
    let line_begin = before.rfind('\n').map_or(0, |end| end + 1);
    (before.matches('\n').count() + 1, before[line_begin..].chars().count() + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_told_in_lines_and_characters() {
        let text = "a\nbé = 1\n";
        assert_eq!(place(text, 0), (1, 1));
        assert_eq!(place(text, 2), (2, 1));
        assert_eq!(place(text, 5), (2, 3));
        // In the middle of the é, and behind everything.
        assert_eq!(place(text, 4), (2, 2));
        assert_eq!(place(text, 99), (3, 1));
    }
}

//! `cargo xtask tidy`: the rules of the house that neither compiler nor clippy knows.
//!
//! Each finding is one line, `file:line: what`. Only files that git tracks are looked at.

mod document;
mod function;
mod layer;
mod mask;
mod name;
mod text;

use std::fmt;

use anyhow::{Context, Result};

use crate::repository::Repository;
use mask::mask;

/// A place where a rule of the house is broken.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Finding {
    path: String,
    /// From 1.
    line: usize,
    what: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.path, self.line, self.what)
    }
}

/// A tracked file: its path from the root with `/`, and its text.
struct File<'a> {
    path: &'a str,
    text: &'a str,
}

impl File<'_> {
    fn finding(&self, line: usize, what: impl Into<String>) -> Finding {
        Finding { path: self.path.to_owned(), line, what: what.into() }
    }

    fn is_rust(&self) -> bool {
        self.path.ends_with(".rs")
    }

    /// Written by a tool or taken over as it stands, below a directory `data`: its layout is
    /// not ours to judge.
    fn is_data(&self) -> bool {
        let generated = self.path.ends_with(".lock") || self.path.ends_with(".snap");
        generated || (!self.is_rust() && self.path.split('/').any(|part| part == "data"))
    }
}

/// Looks through all tracked files and prints the findings; false if there are any.
///
/// # Errors
/// Git fails, or a tracked file cannot be read.
pub(crate) fn run(repository: &Repository) -> Result<bool> {
    let paths = repository.tracked_files()?;
    let mut findings = Vec::new();
    for path in &paths {
        let octets = std::fs::read(repository.root().join(path))
            .with_context(|| format!("cannot read {path}"))?;
        // What is not UTF-8 is not a text that somebody here wrote.
        let Ok(content) = std::str::from_utf8(&octets) else { continue };
        findings.extend(inspect(&File { path, text: content }, &paths));
    }
    if !paths.iter().any(|path| path == "CHANGELOG.md") {
        let what = "there is no changelog".to_owned();
        findings.push(Finding { path: "CHANGELOG.md".to_owned(), line: 1, what });
    }
    findings.sort_unstable();
    for finding in &findings {
        println!("{finding}");
    }
    match findings.len() {
        0 => println!("tidy: {} files, nothing to say", paths.len()),
        count => println!("tidy: {count} findings in {} files", paths.len()),
    }
    Ok(findings.is_empty())
}

/// All rules on one file. `paths` are all tracked files, for rules that look for another.
fn inspect(file: &File<'_>, paths: &[String]) -> Vec<Finding> {
    let mut findings = text::inspect(file);
    if file.is_rust() {
        let code = mask(file.text);
        findings.extend(text::inspect_code(file, &code));
        findings.extend(function::inspect(file, &code));
        findings.extend(name::inspect(file, &code));
        findings.extend(document::inspect_anchors(file));
    }
    findings.extend(layer::inspect(file));
    findings.extend(document::inspect_links(file, paths));
    findings.extend(document::inspect_changelog(file));
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(path: &str, text: &str) -> Vec<String> {
        inspect(&File { path, text }, &[]).iter().map(|finding| finding.what.clone()).collect()
    }

    #[test]
    fn every_rule_is_asked() {
        let unfinished = concat!("to", "do!");
        let long = format!("fn long() {{\n{}}}\n", "x();\n".repeat(600));
        let source = format!("mod utils;\n// RFC 3501\n{unfinished}();\t\n{long}");
        let expected = [
            "blanks at the end of the line",
            "a tab",
            "605 lines, 600 at most",
            &format!("{unfinished} is not done"),
            "fn long has 602 lines, 70 at most",
            "mod utils: `utils` says nothing: name what it is",
            "RFC 3501 is cited without its section (§)",
        ];
        assert_eq!(findings("crates/imap/src/a.rs", &source), expected);
        assert_eq!(
            findings("CHANGELOG.md", "[a](b)\n"),
            ["the link leads nowhere: b", "no section `## [Unreleased]`"]
        );
        let manifest =
            "[package]\nname = \"mailferry-run\"\n[dependencies]\nmailferry-cli = \"1\"\n";
        assert_eq!(
            findings("crates/run/Cargo.toml", manifest),
            ["`run` must not depend on `mailferry-cli`"]
        );
    }

    #[test]
    fn data_is_what_lies_below_data_and_is_no_code() {
        let is_data = |path| File { path, text: "" }.is_data();
        assert!(is_data("crates/testkit/data/odd.eml") && is_data("tests/data/imap/a.txt"));
        assert!(!is_data("crates/run/src/data/a.rs") && !is_data("docs/database.md"));
    }
}

//! `cargo xtask ci`: every check in its order, each announced and timed, stopping at the first
//! that fails.
//!
//! All steps share the `dev` profile and no `RUSTFLAGS` are set, so that dependencies are
//! compiled once for the lints and the documentation, and once for the tests.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use crate::repository::Repository;
use crate::tidy;

/// How much is checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Extent {
    /// Everything.
    Whole,
    /// Everything but the documentation.
    Quick,
}

/// Runs the steps; false if one failed.
///
/// # Errors
/// A program that a step needs cannot be started.
pub(crate) fn run(repository: &Repository, extent: Extent) -> Result<bool> {
    let begin = Instant::now();
    let steps = steps(extent, has_nextest(repository));
    let mut counts = Counts::default();
    for (index, step) in steps.iter().enumerate() {
        println!("==> {}/{} {}", index + 1, steps.len(), step.name());
        let step_begin = Instant::now();
        let passed = perform(*step, repository, &mut counts)?;
        let took = seconds(step_begin.elapsed());
        if !passed {
            if counts != Counts::default() {
                println!("\ntests: {counts}");
            }
            println!("\nci: FAILED at `{}` after {took}", step.name());
            return Ok(false);
        }
        println!("    {} passed in {took}\n", step.name());
    }
    println!("tests: {counts}");
    println!("ci: passed, {} steps in {}", steps.len(), seconds(begin.elapsed()));
    Ok(true)
}

/// One check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Format,
    Tidy,
    Lint,
    /// All tests with the standard runner, those in the documentation included.
    Test,
    /// All tests but those in the documentation, which nextest cannot run.
    TestWithNextest,
    TestDocumentation,
    Document,
}

impl Step {
    fn name(self) -> &'static str {
        match self {
            Self::Format => "format",
            Self::Tidy => "tidy",
            Self::Lint => "lint",
            Self::Test | Self::TestWithNextest => "test",
            Self::TestDocumentation => "test the documentation",
            Self::Document => "document",
        }
    }
}

/// What can be told cheapest comes first.
fn steps(extent: Extent, nextest: Option<Nextest>) -> Vec<Step> {
    let mut steps = vec![Step::Format, Step::Tidy, Step::Lint];
    match nextest {
        Some(Nextest) => steps.extend([Step::TestWithNextest, Step::TestDocumentation]),
        None => steps.push(Step::Test),
    }
    if extent == Extent::Whole {
        steps.push(Step::Document);
    }
    steps
}

/// cargo-nextest is installed.
#[derive(Clone, Copy, Debug)]
struct Nextest;

fn has_nextest(repository: &Repository) -> Option<Nextest> {
    let mut cargo = repository.cargo();
    cargo.args(["nextest", "--version"]).stdout(Stdio::null()).stderr(Stdio::null());
    cargo.status().is_ok_and(|status| status.success()).then_some(Nextest)
}

/// Where the random inputs of properties begin, unless it is said in the environment.
const SEED: (&str, &str) = ("PROPTEST_RNG_SEED", "20261127");

/// A check that fails is to tell of the change and not of luck: properties are tried with the same
/// inputs each time. `cargo test` alone tries others.
fn repeatable(cargo: &mut Command) -> &mut Command {
    if std::env::var_os(SEED.0).is_none() {
        cargo.env(SEED.0, SEED.1);
    }
    cargo
}

/// Threads of nextest, of which most tests take two (`.config/nextest.toml`).
fn threads() -> usize {
    2 * std::thread::available_parallelism().map_or(1, usize::from)
}

fn perform(step: Step, repository: &Repository, counts: &mut Counts) -> Result<bool> {
    let mut cargo = repository.cargo();
    match step {
        Step::Format => succeeds(cargo.args(["fmt", "--all", "--check"])),
        Step::Tidy => tidy::run(repository),
        Step::Lint => succeeds(cargo.args([
            "clippy",
            "--workspace",
            "--all-targets",
            "--locked",
            "--",
            "-D",
            "warnings",
        ])),
        Step::Test => counted(
            repeatable(&mut cargo).args(["test", "--workspace", "--locked", "--no-fail-fast"]),
            counts,
        ),
        Step::TestWithNextest => counted(
            repeatable(&mut cargo).args([
                "nextest",
                "run",
                "--workspace",
                "--locked",
                "--no-fail-fast",
                "--test-threads",
                &threads().to_string(),
            ]),
            counts,
        ),
        Step::TestDocumentation => {
            counted(cargo.args(["test", "--doc", "--workspace", "--locked"]), counts)
        }
        Step::Document => succeeds(
            cargo
                .args(["doc", "--workspace", "--no-deps", "--locked"])
                .env("RUSTDOCFLAGS", "-D warnings"),
        ),
    }
}

fn succeeds(command: &mut Command) -> Result<bool> {
    let status = command.status().with_context(|| format!("cannot start {command:?}"))?;
    Ok(status.success())
}

/// Runs a test command, shows all it prints as it comes, and adds up its tests.
fn counted(command: &mut Command, counts: &mut Counts) -> Result<bool> {
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().with_context(|| format!("cannot start {command:?}"))?;
    let errors = child.stderr.take();
    // The standard runner prints its results to stdout, nextest to stderr.
    let other = std::thread::spawn(move || tally(errors, std::io::stderr()));
    *counts = counts.plus(tally(child.stdout.take(), std::io::stdout())?);
    match other.join() {
        Ok(theirs) => *counts = counts.plus(theirs?),
        Err(panic) => std::panic::resume_unwind(panic),
    }
    Ok(child.wait()?.success())
}

fn tally(from: Option<impl Read>, mut to: impl Write) -> Result<Counts> {
    let mut counts = Counts::default();
    let Some(from) = from else { return Ok(counts) };
    let mut from = BufReader::new(from);
    let mut line = Vec::new();
    while from.read_until(b'\n', &mut line)? > 0 {
        to.write_all(&line)?;
        to.flush()?;
        counts = counts.plus(Counts::of_line(&String::from_utf8_lossy(&line)));
        line.clear();
    }
    Ok(counts)
}

/// Tests and what became of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Counts {
    passed: u64,
    failed: u64,
    left_out: u64,
}

impl Counts {
    /// Reads `test result: ok. 3 passed; 0 failed; 1 ignored; …` of the standard runner or
    /// `Summary [ 0.1s] 4 tests run: 3 passed, 1 failed, 2 skipped` of nextest. Any other line
    /// counts nothing.
    fn of_line(line: &str) -> Self {
        let line = line.trim_start();
        let mut counts = Self::default();
        let results = if let Some(rest) = line.strip_prefix("test result:") {
            rest.split_once('.').map(|(_, results)| results)
        } else if line.starts_with("Summary [") {
            line.split_once(" run: ").map(|(_, results)| results)
        } else {
            None
        };
        for result in results.unwrap_or_default().split([';', ',']) {
            let mut words = result.split_whitespace();
            let number = words.next().and_then(|word| word.parse().ok()).unwrap_or(0);
            match words.next() {
                Some("passed") => counts.passed += number,
                Some("failed") => counts.failed += number,
                Some("timed") => counts.failed += number,
                Some("ignored" | "skipped") => counts.left_out += number,
                _ => {}
            }
        }
        counts
    }

    fn plus(self, other: Self) -> Self {
        Self {
            passed: self.passed + other.passed,
            failed: self.failed + other.failed,
            left_out: self.left_out + other.left_out,
        }
    }
}

impl std::fmt::Display for Counts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} passed, {} failed, {} left out", self.passed, self.failed, self.left_out)
    }
}

fn seconds(time: Duration) -> String {
    format!("{:.1} s", time.as_secs_f64())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_standard_runners_results_add_up() {
        let output = "running 2 tests\n\
            test result: ok. 2 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s\n\
            test result: FAILED. 5 passed; 1 failed; 3 ignored; 0 measured; 0 filtered out; finished in 1.20s\n";
        let mut shown = Vec::new();
        let counts = tally(Some(output.as_bytes()), &mut shown).unwrap();
        assert_eq!(counts, Counts { passed: 7, failed: 1, left_out: 3 });
        assert_eq!(shown, output.as_bytes());
    }

    #[test]
    fn a_summary_of_nextest_counts_what_timed_out_as_failed() {
        let line = "     Summary [   0.052s] 9 tests run: 6 passed (1 slow), 2 failed, 1 timed out, 4 skipped\n";
        assert_eq!(Counts::of_line(line), Counts { passed: 6, failed: 3, left_out: 4 });
    }

    #[test]
    fn a_line_that_only_talks_of_tests_counts_nothing() {
        assert_eq!(Counts::of_line("7 passed, 2 failed\n"), Counts::default());
        assert_eq!(Counts::of_line("test result: unknown\n"), Counts::default());
    }

    #[test]
    fn the_quick_extent_leaves_out_the_documentation_and_nothing_else() {
        let mut whole = steps(Extent::Whole, None);
        assert_eq!(whole.pop(), Some(Step::Document));
        assert_eq!(whole, steps(Extent::Quick, None));
    }

    #[test]
    fn nextest_never_costs_the_tests_in_the_documentation() {
        let steps = steps(Extent::Quick, Some(Nextest));
        assert!(steps.contains(&Step::TestWithNextest) && steps.contains(&Step::TestDocumentation));
    }
}

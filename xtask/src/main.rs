//! The tasks of the repository, in Rust so that they run alike on every machine.
//!
//! - `cargo xtask tidy`: the rules of the house that no compiler knows
//! - `cargo xtask ci [--quick]`: everything that must hold before a change goes in
//! - `cargo xtask cross`: whether the code compiles for the other systems it is meant for
//! - `cargo xtask bench [ARGUMENTS]`: measures the programs and writes `docs/benchmarks.md`
#![allow(clippy::print_stdout, clippy::print_stderr)] // A task speaks to whoever started it.

mod bench;
mod ci;
mod cross;
mod repository;
mod tidy;

use std::process::ExitCode;

use anyhow::Result;

use ci::Extent;
use repository::Repository;

const USAGE: &str = "\
usage: cargo xtask TASK

tasks:
  ci            formatting, tidy, lints, tests, documentation; stops at the first failure
  ci --quick    the same without the documentation
  tidy          the rules of the house: sizes, names, layers, anchors, links
  cross         check the code for Windows and macOS where their targets are installed
  bench         measure mailferry beside its peers and write docs/benchmarks.md; hours for
                everything, `cargo xtask bench --help` tells how to ask for less";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let passed = match words.as_slice() {
        ["ci"] => in_repository(|repository| ci::run(repository, Extent::Whole)),
        ["ci", "--quick"] => in_repository(|repository| ci::run(repository, Extent::Quick)),
        ["tidy"] => in_repository(tidy::run),
        ["cross"] => in_repository(cross::run),
        ["bench", wanted @ ..] => in_repository(|repository| bench::run(repository, wanted)),
        ["help" | "--help" | "-h"] => {
            println!("{USAGE}");
            return ExitCode::SUCCESS;
        }
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    match passed {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn in_repository(task: impl FnOnce(&Repository) -> Result<bool>) -> Result<bool> {
    task(&Repository::around_current_dir()?)
}

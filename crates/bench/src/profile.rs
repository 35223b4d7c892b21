//! Where a program spends its processor time, beside a figure that misses its goal.

use std::ffi::OsString;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::meter::Invocation;
use crate::program::find_program;

/// Symbols that are shown.
const SYMBOLS: usize = 10;

/// Runs it once more under `perf record`; the symbols with the largest shares, one a line.
///
/// # Errors
/// perf is not installed, may not be used here, or the run fails.
pub(crate) fn record(run: &Invocation, home: &Path) -> Result<String> {
    let perf = find_program("perf").context("perf is not installed")?;
    let data = home.join("perf.data");
    let mut arguments: Vec<OsString> = ["record", "-q", "-F", "997", "-o"].map(Into::into).to_vec();
    arguments.extend([data.clone().into(), "--".into(), run.program.clone().into()]);
    arguments.extend(run.arguments.iter().cloned());
    let wrapped = Invocation { program: perf.clone(), arguments, ..run.clone() };
    wrapped.measure(home)?;
    let report = Command::new(perf)
        .args(["report", "--stdio", "-q", "--no-children", "--sort", "dso,symbol", "-i"])
        .arg(&data)
        .output()?;
    let symbols = largest(&String::from_utf8_lossy(&report.stdout));
    if symbols.is_empty() {
        bail!("perf reported nothing");
    }
    Ok(symbols)
}

fn largest(report: &str) -> String {
    let lines = report.lines().map(str::trim).filter(|line| !line.is_empty());
    let shares =
        lines.filter(|line| line.split_whitespace().next().is_some_and(|word| word.ends_with('%')));
    // perf has further columns, empty here: the symbol of a call's other end and the like.
    let shown = shares.map(|line| line.trim_end_matches([' ', '-']));
    shown.take(SYMBOLS).map(|line| format!("{line}\n")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_is_cut_to_its_largest_lines() {
        let line = |n: usize| format!("    {n}.00%  mailferry  [.] f{n}    -      -\n");
        let report = format!("# comment\n\n{}", (1..=12).map(line).collect::<String>());
        let symbols = largest(&report);
        assert_eq!(symbols.lines().count(), SYMBOLS);
        assert!(symbols.starts_with("1.00%  mailferry  [.] f1\n"));
    }
}

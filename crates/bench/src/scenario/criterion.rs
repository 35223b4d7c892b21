//! The benchmarks of this crate that run in one process, and what criterion says of them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use super::Results;
use crate::arguments::{Effort, Settings};
use crate::table::{Table, count, octets};

pub(super) fn measure(settings: &Settings, bench: &str) -> Result<Results> {
    let home = tempfile::tempdir()?;
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.args(["bench", "--quiet", "-p", "mailferry-bench", "--bench", bench, "--"]);
    if settings.effort == Effort::Quick {
        command.arg("--quick");
    }
    let status = command.env("CRITERION_HOME", home.path()).status().context("cannot run cargo")?;
    if !status.success() {
        bail!("cargo bench failed: {status}");
    }
    let introduction = "The median, with the 95 % confidence interval of the median.";
    let mut results = Results::new(introduction, Table::new(["benchmark", "time", "throughput"]));
    for figure in figures(home.path())? {
        results.table.push(figure.cells());
    }
    results.commands.push(format!("cargo bench -p mailferry-bench --bench {bench}"));
    Ok(results)
}

/// One benchmark.
#[derive(Clone, Debug, PartialEq)]
struct Figure {
    name: String,
    /// Nanoseconds: median and the bounds around it.
    median: f64,
    low: f64,
    high: f64,
    work: Option<Work>,
}

/// What one iteration goes through.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Work {
    Octets(u64),
    Things(u64),
}

/// All benchmarks below criterion's directory, by name.
fn figures(home: &Path) -> Result<Vec<Figure>> {
    let mut figures = Vec::new();
    let mut left: Vec<PathBuf> = vec![home.to_owned()];
    while let Some(dir) = left.pop() {
        for entry in fs::read_dir(dir)? {
            let path = entry?.path();
            if path.is_dir() && path.ends_with("new") {
                let read = |name| fs::read_to_string(path.join(name));
                let (about, estimates) = (read("benchmark.json")?, read("estimates.json")?);
                figures.push(Figure::read(&about, &estimates).context("criterion's answer")?);
            } else if path.is_dir() {
                left.push(path);
            }
        }
    }
    figures.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(figures)
}

impl Figure {
    fn read(about: &str, estimates: &str) -> Option<Self> {
        let about: Value = serde_json::from_str(about).ok()?;
        let estimates: Value = serde_json::from_str(estimates).ok()?;
        let median = estimates.get("median")?;
        let bounds = median.get("confidence_interval")?;
        let work = about.get("throughput").and_then(|throughput| {
            let number = |unit: &str| throughput.get(unit).and_then(Value::as_u64);
            number("Bytes").map(Work::Octets).or_else(|| number("Elements").map(Work::Things))
        });
        Some(Self {
            name: about.get("full_id")?.as_str()?.to_owned(),
            median: median.get("point_estimate")?.as_f64()?,
            low: bounds.get("lower_bound")?.as_f64()?,
            high: bounds.get("upper_bound")?.as_f64()?,
            work,
        })
    }

    fn cells(&self) -> Vec<String> {
        let Self { name, median, low, high, work } = self;
        let rate = |amount: u64| (amount as f64 / (median / 1e9)) as u64;
        let throughput = match work {
            Some(Work::Octets(amount)) => format!("{}/s", octets(rate(*amount))),
            Some(Work::Things(amount)) => format!("{}/s", count(rate(*amount))),
            None => "–".to_owned(),
        };
        vec![
            name.clone(),
            format!("{} ({}–{})", time(*median), time(*low), time(*high)),
            throughput,
        ]
    }
}

/// Nanoseconds in the unit that fits.
fn time(nanoseconds: f64) -> String {
    match nanoseconds {
        value if value >= 1e9 => format!("{:.2} s", value / 1e9),
        value if value >= 1e6 => format!("{:.2} ms", value / 1e6),
        value if value >= 1e3 => format!("{:.2} µs", value / 1e3),
        value => format!("{value:.1} ns"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_criterion_writes_becomes_a_row() {
        let about = r#"{"full_id":"listing/rows","throughput":{"Bytes":2000000}}"#;
        let estimates = r#"{"median":{"point_estimate":4e6,
            "confidence_interval":{"lower_bound":3.9e6,"upper_bound":4.25e6}}}"#;
        let cells = Figure::read(about, estimates).map(|figure| figure.cells());
        let expected = ["listing/rows", "4.00 ms (3.90 ms–4.25 ms)", "500.0 MB/s"];
        assert_eq!(cells, Some(expected.map(str::to_owned).to_vec()));
        assert_eq!(Figure::read("{}", estimates), None);
    }
}

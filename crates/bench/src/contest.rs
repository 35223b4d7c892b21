//! Programs taking turns: round by round, so that whatever else the machine does strikes all
//! of them alike.

use anyhow::Result;

use crate::program::Program;
use crate::sample::{Sample, Series};
use crate::say;
use crate::table::{mebibytes, seconds, spread};

/// Lets contestants take turns for so many rounds. One that fails runs no more, and has no
/// figure; the others go on.
pub(crate) fn hold(
    condition: &str,
    names: &[String],
    rounds: u32,
    mut run: impl FnMut(usize) -> Result<Sample>,
) -> Vec<Series> {
    let mut all = vec![Series::new(); names.len()];
    for round in 1..=rounds {
        for (at, (name, series)) in names.iter().zip(&mut all).enumerate() {
            if series.failure().is_some() {
                continue;
            }
            match run(at) {
                Ok(sample) => {
                    let took = seconds(sample.wall_seconds);
                    say(&format!("  {condition}, round {round} of {rounds}: {name} {took} s"));
                    series.push(sample);
                }
                Err(error) => {
                    say(&format!("  {condition}, round {round}: {name} failed: {error:#}"));
                    series.fail(format!("{error:#}"));
                }
            }
        }
    }
    all
}

pub(crate) fn names(programs: &[Program]) -> Vec<String> {
    programs.iter().map(Program::name).collect()
}

/// The median of the fastest peer that has a figure.
pub(crate) fn fastest_peer(programs: &[Program], all: &[Series]) -> Option<f64> {
    let peers = programs.iter().zip(all).filter(|(program, _)| program.is_peer());
    peers.filter_map(|(_, series)| Some(series.wall()?.median)).min_by(f64::total_cmp)
}

/// The median of the program of this name.
pub(crate) fn median_of(name: &str, programs: &[Program], all: &[Series]) -> Option<f64> {
    let mut both = programs.iter().zip(all);
    Some(both.find(|(program, _)| program.name() == name)?.1.wall()?.median)
}

/// Time, time in units of `fastest`, processor time and memory, as cells of a table.
pub(crate) fn cells(series: &Series, fastest: Option<f64>) -> [String; 4] {
    let none = || "–".to_owned();
    let ratio = series.wall().zip(fastest).map(|(wall, fastest)| wall.median / fastest);
    [
        series.wall().map_or_else(none, spread),
        ratio.map_or_else(none, |ratio| format!("{ratio:.2}")),
        series.cpu().map_or_else(none, |cpu| seconds(cpu.median)),
        series.peak_octets().map_or_else(none, mebibytes),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::bail;

    fn sample(wall_seconds: f64) -> Sample {
        Sample { wall_seconds, cpu_seconds: 0.5, peak_octets: 5 << 20 }
    }

    #[test]
    fn contestants_take_turns_and_one_that_fails_drops_out() {
        let names = ["a", "b", "c"].map(str::to_owned);
        let mut turns = Vec::new();
        let all = hold("near", &names, 3, |at| {
            turns.push(at);
            if at == 1 && turns.len() > 3 { bail!("lost mail") } else { Ok(sample(at as f64)) }
        });
        assert_eq!(turns, [0, 1, 2, 0, 1, 2, 0, 2]);
        assert_eq!(all[1].failure(), Some("lost mail"));
        assert_eq!(cells(&all[2], Some(4.0)), ["2.00 (2.00–2.00)", "0.50", "0.500", "5.0"]);
        assert_eq!(cells(&all[1], Some(4.0)), ["–"; 4]);
    }
}

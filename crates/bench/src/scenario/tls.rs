//! What TLS costs the client: the processor time of a copy with TLS on one side, less that of
//! the same copy without.

use anyhow::Result;

use super::{Results, figure_title, row};
use crate::arguments::Settings;
use crate::goal::{self, TLS_GOAL_OCTETS};
use crate::program::Program;
use crate::sample::{Sample, Series};
use crate::stage::{Mail, Sealed, Stage};
use crate::table::{Table, count, octets, seconds};
use crate::{contest, profile};

/// A program and which of its connections are encrypted.
struct Entry {
    program: Program,
    sealed: Sealed,
}

const WAYS: [(Sealed, &str); 3] = [
    (Sealed::Neither, "no TLS"),
    (Sealed::Source, "TLS from the source"),
    (Sealed::Target, "TLS to the target"),
];

pub(super) fn measure(settings: &Settings) -> Result<Results> {
    let stage = Stage::start()?;
    let mail = stage.fill(&settings.much_mail())?;
    let mut programs = vec![Program::Mailferry(settings.mailferry.clone())];
    let peers = settings.peers.iter().filter(|peer| peer.speaks_tls_to_both());
    programs.extend(peers.cloned().map(Program::Peer));
    let mut results = Results::new(
        introduction(&mail),
        Table::new([
            "connections",
            "program",
            "s",
            "of no TLS",
            "CPU s",
            "peak MiB",
            "CPU s of TLS for 875 MB",
            "goal",
        ]),
    );
    let mut entries = Vec::new();
    for program in &programs {
        entries.extend(WAYS.map(|(sealed, _)| Entry { program: program.clone(), sealed }));
    }
    let way =
        |sealed| WAYS.iter().find(|(other, _)| *other == sealed).map_or("", |(_, name)| *name);
    let names: Vec<String> = entries
        .iter()
        .map(|entry| format!("{}, {}", entry.program.name(), way(entry.sealed)))
        .collect();
    let all =
        contest::hold("0 ms", &names, settings.rounds, |at| copy(&stage, &mail, &entries[at]));
    for (trio, figures) in entries.chunks(WAYS.len()).zip(all.chunks(WAYS.len())) {
        let plain = &figures[0];
        for (entry, series) in trio.iter().zip(figures) {
            let cost = cost(entry.sealed, series, plain, mail.octets);
            let judged = cost.filter(|_| !entry.program.is_peer());
            let verdicts: Vec<_> = judged.map(|cost| goal::tls().judge(cost)).into_iter().collect();
            let (sealed, name) = (way(entry.sealed), entry.program.name());
            let base = plain.wall().map(|wall| wall.median);
            let mut cells = row(sealed, &name, series, base, &verdicts);
            cells.insert(6, cost.map_or_else(|| "–".to_owned(), seconds));
            results.table.push(cells);
            let title = figure_title(&format!("{name}, {sealed}"), series);
            results
                .profile_if_missed(settings, &title, &verdicts, || profile(&stage, &mail, entry));
        }
    }
    results.tell_failures("0 ms", &names, &all);
    results.tell_programs(&programs, settings);
    Ok(results)
}

fn introduction(mail: &Mail) -> String {
    format!(
        "The first copy of {} messages, {}, at 0 ms, with TLS on neither side and on one. The \
         cost of TLS is the difference in processor time, brought to 875 MB.",
        count(mail.messages),
        octets(mail.octets)
    )
}

/// Processor seconds of TLS in one direction, for 875 MB.
fn cost(sealed: Sealed, series: &Series, plain: &Series, octets: u64) -> Option<f64> {
    if sealed == Sealed::Neither {
        return None;
    }
    let difference = series.cpu()?.median - plain.cpu()?.median;
    Some((difference * TLS_GOAL_OCTETS / octets as f64).max(0.0))
}

fn copy(stage: &Stage, mail: &Mail, entry: &Entry) -> Result<Sample> {
    let seat = stage.seat()?;
    let route = stage.sealed_route(&mail.user, &seat, entry.sealed)?;
    let sample =
        entry.program.invocation(&route, &seat.home)?.measure(&seat.home).and_then(|sample| {
            stage.judge(mail, &seat, entry.program.measure_of_copy())?;
            Ok(sample)
        });
    stage.clear(&seat)?;
    sample
}

fn profile(stage: &Stage, mail: &Mail, entry: &Entry) -> Result<String> {
    let seat = stage.seat()?;
    let route = stage.sealed_route(&mail.user, &seat, entry.sealed)?;
    let symbols = profile::record(&entry.program.invocation(&route, &seat.home)?, &seat.home);
    stage.clear(&seat)?;
    symbols
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cost_is_a_difference_brought_to_the_octets_of_the_goal() {
        let series = |cpu_seconds| {
            let mut series = Series::new();
            series.push(Sample { wall_seconds: 9.0, cpu_seconds, peak_octets: 1 });
            series
        };
        let cost = |sealed| cost(sealed, &series(1.5), &series(1.0), 437_500_000);
        assert_eq!(cost(Sealed::Source), Some(1.0));
        assert_eq!(cost(Sealed::Neither), None);
    }
}

//! A first copy with more or fewer pairs of connections.

use anyhow::Result;

use super::{Copy, Results, milliseconds};
use crate::arguments::Settings;
use crate::contest;
use crate::program::Program;
use crate::stage::Stage;
use crate::table::{Table, count, octets};

pub(super) fn measure(settings: &Settings) -> Result<Results> {
    let counts = settings.connections.iter();
    let programs: Vec<Program> = counts
        .filter_map(|count| settings.mailferry.with_connections(*count))
        .map(Program::Mailferry)
        .collect();
    let head = ["round trip", "program", "s", "of the first row", "CPU s", "peak MiB"];
    if programs.is_empty() {
        let introduction = "Left out: this mailferry has no option `--connections`.";
        return Ok(Results::new(introduction, Table::new(head)));
    }
    let stage = Stage::start()?;
    let mail = stage.fill(&settings.ordinary_mail())?;
    let names = contest::names(&programs);
    let introduction = format!(
        "The first copy of {} messages, {}, with so many pairs of connections.",
        count(mail.messages),
        octets(mail.octets)
    );
    let mut results = Results::new(introduction, Table::new(head));
    for round_trip in &settings.round_trips {
        let link = stage.link(*round_trip)?;
        let copy = Copy { stage: &stage, mail: &mail, link: &link };
        let condition = milliseconds(*round_trip);
        let all =
            contest::hold(&condition, &names, settings.rounds, |at| copy.measure(&programs[at]));
        let first = all.first().and_then(|series| Some(series.wall()?.median));
        for (name, series) in names.iter().zip(&all) {
            let mut cells = vec![condition.clone(), name.clone()];
            cells.extend(contest::cells(series, first));
            results.table.push(cells);
        }
        results.tell_failures(&condition, &names, &all);
    }
    results.commands.extend(programs.first().map(Program::command));
    Ok(results)
}

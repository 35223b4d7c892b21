//! What is measured, each in a module of its own that ends in a section of the document.

mod connections;
mod criterion;
mod first;
mod floor;
mod growth;
mod huge;
mod nothing;
mod tls;

use std::time::Duration;

use anyhow::Result;
use clap::ValueEnum;

use crate::arguments::{Profiling, Settings};
use crate::document::Section;
use crate::goal::Verdict;
use crate::meter::Invocation;
use crate::program::Program;
use crate::sample::Series;
use crate::stage::{Link, Mail, Seat, Stage};
use crate::table::{Table, seconds};
use crate::{contest, profile, say};

/// One kind of measurement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Scenario {
    /// Everything, to an empty account
    First,
    /// Nothing to do, with and without local state
    Nothing,
    /// Nothing to do in ever larger mailboxes
    Growth,
    /// A first copy with 1 to 8 pairs of connections
    Connections,
    /// One huge message
    Huge,
    /// What TLS costs the client
    Tls,
    /// What the servers need with nobody in between
    Floor,
    /// The IMAP codec alone (criterion)
    Codec,
    /// The engine alone (criterion)
    Engine,
}

impl Scenario {
    /// In the order of the document.
    pub(crate) const EVERY: [Self; 9] = [
        Self::First,
        Self::Nothing,
        Self::Growth,
        Self::Connections,
        Self::Huge,
        Self::Tls,
        Self::Floor,
        Self::Codec,
        Self::Engine,
    ];

    /// The names of all, in the order of the document.
    pub(crate) fn names() -> Vec<String> {
        Self::EVERY.iter().map(|scenario| scenario.name()).collect()
    }

    fn name(self) -> String {
        format!("{self:?}").to_ascii_lowercase()
    }

    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::First => "First copy",
            Self::Nothing => "Nothing to do",
            Self::Growth => "Growth: nothing to do in one mailbox",
            Self::Connections => "Connections",
            Self::Huge => "One huge message",
            Self::Tls => "TLS",
            Self::Floor => "The servers alone",
            Self::Codec => "The codec alone",
            Self::Engine => "The engine alone",
        }
    }

    /// Measures it, which takes seconds to hours.
    pub(crate) fn measure(self, settings: &Settings) -> Result<Section> {
        let results = match self {
            Self::First => first::measure(settings),
            Self::Nothing => nothing::measure(settings),
            Self::Growth => growth::measure(settings),
            Self::Connections => connections::measure(settings),
            Self::Huge => huge::measure(settings),
            Self::Tls => tls::measure(settings),
            Self::Floor => floor::measure(settings),
            Self::Codec => criterion::measure(settings, "codec"),
            Self::Engine => criterion::measure(settings, "engine"),
        };
        Ok(Section { name: self.name(), text: results?.render(self.title(), settings) })
    }
}

/// What a scenario has to tell.
struct Results {
    introduction: String,
    table: Table,
    notes: Vec<String>,
    profiles: Vec<String>,
    commands: Vec<String>,
}

impl Results {
    fn new(introduction: impl Into<String>, table: Table) -> Self {
        let introduction = introduction.into();
        Self { introduction, table, notes: Vec::new(), profiles: Vec::new(), commands: Vec::new() }
    }

    /// The commands, and that some program is missing.
    fn tell_programs(&mut self, programs: &[Program], settings: &Settings) {
        self.commands.extend(programs.iter().map(Program::command));
        self.notes.extend(settings.missing.iter().cloned());
    }

    fn tell_failures(&mut self, condition: &str, names: &[String], all: &[Series]) {
        for (name, series) in names.iter().zip(all) {
            if let Some(why) = series.failure() {
                self.notes.push(format!("{name}, {condition}: no figure: {why}"));
            }
        }
    }

    /// Puts a profile beside a figure that misses a goal, where profiles are wanted.
    fn profile_if_missed(
        &mut self,
        settings: &Settings,
        title: &str,
        verdicts: &[Verdict],
        record: impl FnOnce() -> Result<String>,
    ) {
        if settings.profiling == Profiling::Never || !verdicts.iter().any(Verdict::is_missed) {
            return;
        }
        say(&format!("  {title}: once more under perf"));
        match record() {
            Ok(symbols) => self.profiles.push(format!(
                "Where {title} spends its processor time:\n\n```text\n{}\n```\n",
                symbols.trim_end()
            )),
            Err(error) => self.notes.push(format!("{title}: no profile: {error:#}")),
        }
    }

    fn render(&self, title: &str, settings: &Settings) -> String {
        let mut text = format!("## {title}\n\n{}\n\n{}\n", self.introduction, self.table.render());
        for note in &self.notes {
            text += &format!("- {note}\n");
        }
        if !self.notes.is_empty() {
            text.push('\n');
        }
        for profile in &self.profiles {
            text += &format!("{profile}\n");
        }
        text += &format!("```text\n{}\n", settings.command);
        for command in &self.commands {
            text += &format!("{command}\n");
        }
        text += "```\n\n";
        text + &format!("{} Rounds: {}.\n", settings.machine, settings.rounds)
    }
}

/// A copy of an account to an empty one, over some distance.
struct Copy<'a> {
    stage: &'a Stage,
    mail: &'a Mail,
    link: &'a Link,
}

impl Copy<'_> {
    fn invocation(&self, program: &Program, seat: &Seat) -> Result<Invocation> {
        program.invocation(&self.stage.route(&self.mail.user, seat, self.link), &seat.home)
    }

    /// One measured copy, which is judged and then thrown away.
    fn measure(&self, program: &Program) -> Result<crate::sample::Sample> {
        let seat = self.stage.seat()?;
        let sample = self.invocation(program, &seat)?.measure(&seat.home).and_then(|sample| {
            self.stage.judge(self.mail, &seat, program.measure_of_copy())?;
            Ok(sample)
        });
        self.stage.clear(&seat)?;
        sample
    }

    /// One copy under perf.
    fn profile(&self, program: &Program) -> Result<String> {
        let seat = self.stage.seat()?;
        let symbols = profile::record(&self.invocation(program, &seat)?, &seat.home);
        self.stage.clear(&seat)?;
        symbols
    }
}

fn milliseconds(round_trip: Duration) -> String {
    format!("{} ms", round_trip.as_millis())
}

/// Whose figure it is, and how much of it the processor was busy: the rest is waiting, for
/// servers and for what travels.
fn figure_title(whose: &str, series: &Series) -> String {
    match series.cpu().zip(series.wall()) {
        Some((cpu, wall)) => {
            let (cpu, wall) = (seconds(cpu.median), seconds(wall.median));
            format!("{whose} (busy for {cpu} s of {wall} s)")
        }
        None => whose.to_owned(),
    }
}

/// The goals of a figure, as the last cell of its row.
fn verdict_cell(verdicts: &[Verdict]) -> String {
    verdicts.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

/// A row: condition, program, four figures, goals.
fn row(
    condition: &str,
    name: &str,
    series: &Series,
    fastest: Option<f64>,
    verdicts: &[Verdict],
) -> Vec<String> {
    let mut cells = vec![condition.to_owned(), name.to_owned()];
    cells.extend(contest::cells(series, fastest));
    cells.push(verdict_cell(verdicts));
    cells
}

//! A run that finds everything done.

use std::time::Duration;

use anyhow::{Context as _, Result, anyhow};

use super::{Results, figure_title, milliseconds, row};
use crate::arguments::Settings;
use crate::judge::Measure;
use crate::meter::Invocation;
use crate::program::Program;
use crate::sample::Series;
use crate::stage::{Link, Mail, Seat, Stage};
use crate::table::{Table, count, octets};
use crate::{contest, goal, profile, say};

/// Runs before the first that is measured, at each distance: one may keep what it has seen
/// only from the second time on, or by the address of a server, which a distance changes.
const SETTLING_RUNS: u32 = 2;

pub(super) fn measure(settings: &Settings) -> Result<Results> {
    let stage = Stage::start()?;
    let mail = stage.fill(&settings.ordinary_mail())?;
    let mut programs = settings.programs();
    let stateless = settings.mailferry.without_state();
    programs.splice(1..1, stateless.clone().map(Program::Mailferry));
    let introduction = format!(
        "{} messages, {}, that the same program has copied before; each has also run {SETTLING_RUNS} \
         times at this distance with nothing to do, and keeps its local state.",
        count(mail.messages),
        octets(mail.octets),
    );
    let head = ["round trip", "program", "s", "of the fastest peer", "CPU s", "peak MiB", "goal"];
    let mut results = Results::new(introduction, Table::new(head));
    if stateless.is_none() {
        results.notes.push("this mailferry has no option to run without local state".to_owned());
    }
    let contest = Contest::begin(&stage, &mail, programs)?;
    for round_trip in &settings.round_trips {
        contest.hold(*round_trip, settings, &mut results)?;
    }
    results.tell_programs(&contest.programs, settings);
    Ok(results)
}

/// Programs, each before an account that it has filled.
struct Contest<'a> {
    stage: &'a Stage,
    mail: &'a Mail,
    programs: Vec<Program>,
    seats: Vec<std::result::Result<Seat, String>>,
}

impl<'a> Contest<'a> {
    fn begin(stage: &'a Stage, mail: &'a Mail, programs: Vec<Program>) -> Result<Self> {
        let mut this = Self { stage, mail, programs, seats: Vec::new() };
        for program in &this.programs {
            say(&format!("  a first copy by {}", program.name()));
            let seat = this.stage.seat()?;
            let filled = this.run(program, &seat, Duration::ZERO).and_then(|()| {
                this.stage
                    .judge(this.mail, &seat, program.measure_of_copy())
                    .context("the first copy")
            });
            this.seats.push(filled.map(|()| seat).map_err(|error| format!("{error:#}")));
        }
        Ok(this)
    }

    fn run(&self, program: &Program, seat: &Seat, round_trip: Duration) -> Result<()> {
        let link = self.stage.link(round_trip)?;
        let route = self.stage.route(&self.mail.user, seat, &link);
        program.invocation(&route, &seat.home)?.measure(&seat.home).map(drop)
    }

    fn invocation(&self, at: usize, link: &Link) -> Result<(Invocation, &Seat)> {
        let seat = self.seats[at].as_ref().map_err(|why| anyhow!("{why}"))?;
        let route = self.stage.route(&self.mail.user, seat, link);
        Ok((self.programs[at].invocation(&route, &seat.home)?, seat))
    }

    fn hold(&self, round_trip: Duration, settings: &Settings, results: &mut Results) -> Result<()> {
        let link = self.stage.link(round_trip)?;
        let condition = milliseconds(round_trip);
        let names = contest::names(&self.programs);
        let run = |at: usize| {
            let (invocation, seat) = self.invocation(at, &link)?;
            invocation.measure(&seat.home)
        };
        let _ = contest::hold(&format!("{condition}, settling"), &names, SETTLING_RUNS, run);
        let mut all = contest::hold(&condition, &names, settings.rounds, run);
        self.check_that_nothing_was_done(&mut all);
        let fastest = contest::fastest_peer(&self.programs, &all);
        let mbsync = contest::median_of("mbsync", &self.programs, &all);
        for (at, (name, series)) in names.iter().zip(&all).enumerate() {
            // Goals without local state are for large mailboxes, and stand under growth.
            let goal = (at == 0).then(|| goal::nothing_to_do(round_trip, mbsync)).flatten();
            let verdict = series.wall().zip(goal).map(|(wall, goal)| goal.judge(wall.median));
            let verdicts: Vec<_> = verdict.into_iter().collect();
            let mut cells = row(&condition, name, series, fastest, &verdicts);
            add_round_trips(&mut cells, series, round_trip);
            results.table.push(cells);
            let title = figure_title(&format!("{name} at {condition}"), series);
            results.profile_if_missed(settings, &title, &verdicts, || {
                let (invocation, seat) = self.invocation(at, &link)?;
                profile::record(&invocation, &seat.home)
            });
        }
        results.tell_failures(&condition, &names, &all);
        Ok(())
    }

    /// A run that copied something again did not do nothing.
    fn check_that_nothing_was_done(&self, all: &mut [Series]) {
        for ((program, seat), series) in self.programs.iter().zip(&self.seats).zip(all) {
            let Ok(seat) = seat else { continue };
            let measure = match program.measure_of_copy() {
                Measure::Everything => Measure::Everything,
                Measure::Contents | Measure::ContentsAndNoMore => Measure::ContentsAndNoMore,
            };
            if let Err(error) = self.stage.judge(self.mail, seat, measure) {
                series.fail(format!("it did something: {error:#}"));
            }
        }
    }
}

/// Says behind a time how many round trips it is.
fn add_round_trips(cells: &mut [String], series: &Series, round_trip: Duration) {
    if let Some(wall) = series.wall()
        && !round_trip.is_zero()
    {
        let round_trips = wall.median / round_trip.as_secs_f64();
        cells[2] += &format!(", {round_trips:.1} round trips");
    }
}

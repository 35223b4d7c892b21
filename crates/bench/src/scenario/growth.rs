//! Nothing to do in one mailbox that is larger each time: time and memory by messages.
//!
//! Both sides are filled without copying; a peer that recognises only what it has copied
//! itself gets a target of its own, up to a size that can be waited for.

use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use super::{Results, figure_title, row};
use crate::arguments::Settings;
use crate::contest;
use crate::goal::{self, Verdict};
use crate::program::Program;
use crate::raw::{IDENTITY_ITEMS, TARGET_IDENTITY_ITEMS};
use crate::sample::{Sample, Series};
use crate::stage::{Seat, Stage};
use crate::table::{Table, count};
use crate::{profile, say};

const SETTLING_RUNS: u32 = 2;
/// The contestant that is no program: see [`Case::floor`].
const FLOOR: &str = "both servers sending identity headers";

pub(super) fn measure(settings: &Settings) -> Result<Results> {
    let introduction = format!(
        "One mailbox of small messages, the same on both sides, at 0 ms. “{FLOOR}” is what the \
         servers need to answer `UID FETCH 1:* {IDENTITY_ITEMS}`, the target \
         `{TARGET_IDENTITY_ITEMS}`, both at once, to a client that looks at nothing. Each program has run {SETTLING_RUNS} times before and keeps its local \
         state, unless told not to."
    );
    let head = ["messages", "program", "s", "of the servers", "CPU s", "peak MiB", "goal"];
    let mut results = Results::new(introduction, Table::new(head));
    let mut programs = settings.programs();
    match settings.mailferry.without_state() {
        Some(stateless) => programs.insert(1, Program::Mailferry(stateless)),
        None => {
            results.notes.push("this mailferry has no option to run without local state".to_owned())
        }
    }
    for messages in &settings.growth {
        let with_peers = *messages <= settings.peer_messages_max;
        let entrants = programs.iter().filter(|program| with_peers || !program.is_peer());
        let entrants: Vec<Program> = entrants.cloned().collect();
        let case = Case::begin(settings, *messages, entrants)?;
        case.hold(settings, &mut results);
    }
    results.tell_programs(&programs, settings);
    Ok(results)
}

/// One size.
struct Case {
    stage: Stage,
    messages: u32,
    source_user: String,
    programs: Vec<Program>,
    seats: Vec<Seat>,
}

impl Case {
    fn begin(settings: &Settings, messages: u32, programs: Vec<Program>) -> Result<Self> {
        let stage = Stage::start()?;
        say(&format!("  filling two mailboxes with {} messages", count(messages.into())));
        let (source_user, twin) = stage.fill_both(&settings.small_mail(messages))?;
        let mut seats = Vec::new();
        for program in &programs {
            let own = stage.seat()?;
            // mailferry recognises what is there, whoever put it there.
            let user = if program.is_peer() { own.user } else { twin.user.clone() };
            seats.push(Seat { user, home: own.home });
        }
        Ok(Self { stage, messages, source_user, programs, seats })
    }

    fn hold(&self, settings: &Settings, results: &mut Results) {
        let condition = count(self.messages.into());
        let mut names = contest::names(&self.programs);
        // The first of these is the peers' first copy.
        let settling = format!("{condition} messages, settling");
        let _ = contest::hold(&settling, &names, 1 + SETTLING_RUNS, |at| self.run(at));
        names.push(FLOOR.to_owned());
        let mut all =
            contest::hold(&format!("{condition} messages"), &names, settings.rounds, |at| {
                if at < self.programs.len() { self.run(at) } else { self.floor() }
            });
        for (seat, series) in self.seats.iter().zip(&mut all) {
            if let Err(error) = self.check(seat) {
                series.fail(format!("{error:#}"));
            }
        }
        let floor = all.last().and_then(Series::wall).map(|wall| wall.median);
        for (at, (name, series)) in names.iter().zip(&all).enumerate() {
            let verdicts = self.verdicts(at, series, floor);
            let mut cells = row(&condition, name, series, floor, &verdicts);
            if at == self.programs.len() {
                cells[4..6].fill("–".to_owned());
            }
            results.table.push(cells);
            let title = figure_title(&format!("{name} at {condition} messages"), series);
            results.profile_if_missed(settings, &title, &verdicts, || {
                profile::record(&self.invocation(at)?, &self.seats[at].home)
            });
        }
        results.tell_failures(&condition, &names, &all);
    }

    fn verdicts(&self, at: usize, series: &Series, floor: Option<f64>) -> Vec<Verdict> {
        let Some(Program::Mailferry(mailferry)) = self.programs.get(at) else { return Vec::new() };
        let messages = u64::from(self.messages);
        let mut verdicts = Vec::new();
        if mailferry.is_stateless() {
            let goal = goal::without_state(messages, floor);
            let judged = series.wall().zip(goal).map(|(wall, goal)| goal.judge(wall.median));
            verdicts.extend(judged);
        }
        let peak = series.peak_octets().map(|octets| octets as f64 / f64::from(1 << 20));
        let goal = goal::listing_memory(messages);
        verdicts.extend(peak.zip(goal).map(|(mebibytes, goal)| goal.judge(mebibytes)));
        verdicts
    }

    fn invocation(&self, at: usize) -> Result<crate::meter::Invocation> {
        let seat = self.seats.get(at).context("no program")?;
        let route = self.stage.route(&self.source_user, seat, &self.stage.link(Duration::ZERO)?);
        self.programs[at].invocation(&route, &seat.home)
    }

    fn run(&self, at: usize) -> Result<Sample> {
        self.invocation(at)?.measure(&self.seats[at].home)
    }

    /// A program that still had to copy something, or copied it again, did not do nothing.
    fn check(&self, seat: &Seat) -> Result<()> {
        let mut raw = self.stage.target_client(&seat.user)?;
        let found = raw.fetch(&["INBOX"], "(UID)", &mut |_| {})?.messages;
        if found != u64::from(self.messages) {
            bail!("the target has {found} messages, not {}", self.messages);
        }
        Ok(())
    }

    /// Both servers send what tells messages apart, at the same time. The slower one counts.
    fn floor(&self) -> Result<Sample> {
        let mut source = self.stage.source_client(&self.source_user)?;
        let target_user = &self.seats[0].user;
        let mut target = self.stage.target_client(target_user)?;
        let begin = std::time::Instant::now();
        std::thread::scope(|scope| -> Result<()> {
            let other = scope.spawn(|| source.fetch(&["INBOX"], IDENTITY_ITEMS, &mut |_| {}));
            target.fetch(&["INBOX"], TARGET_IDENTITY_ITEMS, &mut |_| {})?;
            other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)).map(drop)
        })?;
        let wall_seconds = begin.elapsed().as_secs_f64();
        Ok(Sample { wall_seconds, cpu_seconds: 0.0, peak_octets: 0 })
    }
}

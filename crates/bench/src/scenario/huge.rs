//! One message larger than anybody should hold in memory.

use std::time::Duration;

use anyhow::{Result, bail};

use super::{Results, figure_title, row};
use crate::arguments::Settings;
use crate::meter::Invocation;
use crate::program::Program;
use crate::raw::{ALL_ITEMS, Literal, Raw};
use crate::sample::Sample;
use crate::stage::{Seat, Stage};
use crate::table::{Table, mebibytes};
use crate::{contest, goal, profile, say};

pub(super) fn measure(settings: &Settings) -> Result<Results> {
    let programs = settings.programs();
    let names = contest::names(&programs);
    let head = ["message", "program", "s", "of the fastest peer", "CPU s", "peak MiB", "goal"];
    let introduction = "One message in one mailbox, to an empty account, at 0 ms.";
    let mut results = Results::new(introduction, Table::new(head));
    for octets in &settings.huge_octets {
        let case = Case::begin(*octets)?;
        let condition = format!("{} MiB", mebibytes(*octets));
        let all =
            contest::hold(&condition, &names, settings.rounds, |at| case.measure(&programs[at]));
        let fastest = contest::fastest_peer(&programs, &all);
        for ((program, name), series) in programs.iter().zip(&names).zip(&all) {
            let peak = series.peak_octets().map(|octets| octets as f64 / f64::from(1 << 20));
            let goal = goal::huge_memory(*octets).filter(|_| !program.is_peer());
            let verdict = peak.zip(goal).map(|(mebibytes, goal)| goal.judge(mebibytes));
            let verdicts: Vec<_> = verdict.into_iter().collect();
            results.table.push(row(&condition, name, series, fastest, &verdicts));
            let title = figure_title(&format!("{name} with {condition}"), series);
            results.profile_if_missed(settings, &title, &verdicts, || case.profile(program));
        }
        results.tell_failures(&condition, &names, &all);
    }
    results.tell_programs(&programs, settings);
    Ok(results)
}

/// A message on the source.
struct Case {
    stage: Stage,
    source_user: String,
    content: Content,
}

/// What a message consists of.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Content {
    octets: u64,
    digest: blake3::Hash,
}

impl Case {
    fn begin(octets: u64) -> Result<Self> {
        let stage = Stage::start()?;
        say(&format!("  a message of {} MiB for the source", mebibytes(octets)));
        let source_user = stage.empty_source("huge");
        let mut raw = stage.source_client(&source_user)?;
        raw.append_huge("INBOX", octets)?;
        let content = content(&mut raw)?;
        Ok(Self { stage, source_user, content })
    }

    fn invocation(&self, program: &Program, seat: &Seat) -> Result<Invocation> {
        let link = self.stage.link(Duration::ZERO)?;
        program.invocation(&self.stage.route(&self.source_user, seat, &link), &seat.home)
    }

    fn measure(&self, program: &Program) -> Result<Sample> {
        let seat = self.stage.seat()?;
        let sample = self.invocation(program, &seat)?.measure(&seat.home);
        let copy = self.stage.target_client(&seat.user).and_then(|mut raw| content(&mut raw));
        self.stage.clear(&seat)?;
        let (sample, copy) = (sample?, copy?);
        // A peer may add a header of its own.
        let complete = match program.is_peer() {
            true => copy.octets >= self.content.octets,
            false => copy == self.content,
        };
        if !complete {
            bail!("the message is not on the target, or not whole");
        }
        Ok(sample)
    }

    fn profile(&self, program: &Program) -> Result<String> {
        let seat = self.stage.seat()?;
        let symbols = profile::record(&self.invocation(program, &seat)?, &seat.home);
        self.stage.clear(&seat)?;
        symbols
    }
}

/// All that is in INBOX, read without holding it.
fn content(raw: &mut Raw) -> Result<Content> {
    let mut hasher = blake3::Hasher::new();
    let received = raw.fetch(&["INBOX"], ALL_ITEMS, &mut |literal| {
        if let Literal::Part(octets) = literal {
            hasher.update(octets);
        }
    })?;
    Ok(Content { octets: received.octets, digest: hasher.finalize() })
}

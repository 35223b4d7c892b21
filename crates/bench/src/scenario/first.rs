//! A first copy: an account of ordinary mail to an empty account.

use anyhow::Result;

use super::{Copy, Results, figure_title, milliseconds, row};
use crate::arguments::Settings;
use crate::goal;
use crate::stage::Stage;
use crate::table::{Table, count, octets};
use crate::{contest, stage};

pub(super) fn measure(settings: &Settings) -> Result<Results> {
    let stage = Stage::start()?;
    let mail = stage.fill(&settings.ordinary_mail())?;
    let programs = settings.programs();
    let names = contest::names(&programs);
    let introduction = format!(
        "{} messages, {}, in {} mailboxes, to an empty account each time. The source was read \
         once before.",
        count(mail.messages),
        octets(mail.octets),
        stage::mailbox_count(&settings.ordinary_mail()),
    );
    let head = ["round trip", "program", "s", "of the fastest peer", "CPU s", "peak MiB", "goal"];
    let mut results = Results::new(introduction, Table::new(head));
    for round_trip in &settings.round_trips {
        let link = stage.link(*round_trip)?;
        let copy = Copy { stage: &stage, mail: &mail, link: &link };
        let condition = milliseconds(*round_trip);
        let all =
            contest::hold(&condition, &names, settings.rounds, |at| copy.measure(&programs[at]));
        let fastest = contest::fastest_peer(&programs, &all);
        for ((program, name), series) in programs.iter().zip(&names).zip(&all) {
            let goal = goal::first_copy(*round_trip, mail.messages, fastest);
            let verdict = series.wall().zip(goal).map(|(wall, goal)| goal.judge(wall.median));
            let verdicts: Vec<_> = verdict.filter(|_| !program.is_peer()).into_iter().collect();
            results.table.push(row(&condition, name, series, fastest, &verdicts));
            let title = figure_title(&format!("{name} at {condition}"), series);
            results.profile_if_missed(settings, &title, &verdicts, || copy.profile(program));
        }
        results.tell_failures(&condition, &names, &all);
    }
    results.tell_programs(&programs, settings);
    Ok(results)
}

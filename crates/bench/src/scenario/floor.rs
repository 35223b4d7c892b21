//! What the servers need with nobody in between: no program can be faster on one connection.

use std::time::Instant;

use anyhow::Result;

use super::Results;
use crate::arguments::Settings;
use crate::contest;
use crate::raw::{ALL_ITEMS, IDENTITY_ITEMS, Manner};
use crate::sample::Sample;
use crate::stage::{Stage, letters_by_mailbox};
use crate::table::{Table, count, octets, spread};

/// What the servers are asked to do.
#[derive(Clone, Copy)]
enum Work {
    SendIdentity,
    SendEverything,
    Take(Manner),
}

const WORKS: [(Work, &str); 4] = [
    (Work::SendIdentity, "source: all identity headers, one `UID FETCH` a mailbox"),
    (Work::SendEverything, "source: all messages, one `UID FETCH` a mailbox"),
    (Work::Take(Manner::Pipelined), "target: all messages, one `APPEND` each"),
    (Work::Take(Manner::MultiAppend), "target: all messages, one MULTIAPPEND a mailbox"),
];

pub(super) fn measure(settings: &Settings) -> Result<Results> {
    let stage = Stage::start()?;
    let corpus = settings.ordinary_mail();
    let mail = stage.fill(&corpus)?;
    let letters = letters_by_mailbox(&corpus);
    let mailboxes: Vec<&str> = letters.keys().copied().collect();
    let names = WORKS.map(|(_, name)| name.to_owned());
    let all = contest::hold("0 ms", &names, settings.rounds, |at| {
        let wall_seconds = match WORKS[at].0 {
            Work::SendIdentity | Work::SendEverything => {
                let whole = matches!(WORKS[at].0, Work::SendEverything);
                let items = if whole { ALL_ITEMS } else { IDENTITY_ITEMS };
                let mut raw = stage.source_client(&mail.user)?;
                let begin = Instant::now();
                raw.fetch(&mailboxes, items, &mut |_| {})?;
                begin.elapsed().as_secs_f64()
            }
            Work::Take(manner) => {
                let seat = stage.seat()?;
                let mut raw = stage.target_client(&seat.user)?;
                for mailbox in mailboxes.iter().filter(|name| **name != "INBOX") {
                    raw.command(&format!("CREATE \"{mailbox}\""))?;
                }
                nix::unistd::sync();
                let begin = Instant::now();
                raw.append(&letters, manner)?;
                let took = begin.elapsed().as_secs_f64();
                stage.clear(&seat)?;
                took
            }
        };
        Ok(Sample { wall_seconds, cpu_seconds: 0.0, peak_octets: 0 })
    });
    let introduction = format!(
        "{} messages, {}, at 0 ms, to and from a client that does nothing but send and receive, on \
         one connection, with every command under way at once.",
        count(mail.messages),
        octets(mail.octets)
    );
    let mut results = Results::new(introduction, Table::new(["work", "s"]));
    for (name, series) in names.iter().zip(&all) {
        let wall = series.wall().map_or_else(|| "–".to_owned(), spread);
        results.table.push(vec![name.clone(), wall]);
    }
    results.tell_failures("0 ms", &names, &all);
    Ok(results)
}

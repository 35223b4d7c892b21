//! `mailferry check`: two accounts compared, and nothing changed.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;

use mailferry_engine::fault::Fault;
use mailferry_run::check::{
    Check, Compared, Comparison, Depth, Finding, Mark, Record, RecordError, Sample,
};
use mailferry_run::survey::{Survey, survey};
use serde_json::json;

use super::login;
use super::options::{CheckArgs, Output};
use super::progress::Progress;
use super::render::json_line;
use super::task::{self, UsageError};
use super::verbs::{stop_on_ctrl_c, tell_faults, tell_missing, tell_no_labels};
use crate::fault_text::shown;
use crate::imapsync::exit_status::ExitStatus;
use crate::screen;
use crate::servers::Servers;

/// Compares two accounts.
pub(super) async fn run(args: &CheckArgs) -> Result<ExitStatus, UsageError> {
    let servers = login::servers(&args.accounts, args.output)?;
    let job = task::check_job(args, &servers)?;
    let mut record = record(args, &servers)?;
    let (output, stop) = (args.output, stop_on_ctrl_c());
    let progress = Progress::new(Output { json: false, ..output });
    let mut survey = match survey(&servers, &job, &progress, &stop).await {
        Ok(survey) => survey,
        Err(faults) => {
            progress.finish();
            return Ok(tell_faults(&faults, output));
        }
    };
    tell_no_labels(&job, &survey, output);
    if let Depth::Octets(sample) = depth(args) {
        let total = &survey.plan.summary.total;
        progress.begin_comparing(sample.of(total.present + total.update_flags));
    }
    let check = Check {
        accounts: &servers,
        depth: depth(args),
        record: record.as_mut(),
        reconnect: job.limits.reconnect,
        events: &progress,
        stop: &stop,
    };
    let compared = check.run(&mut survey, |finding| progress.aside(|| tell(finding, output))).await;
    progress.finish();
    survey.close().await;
    tell_record_failure(record.as_ref(), output);
    Ok(match compared {
        Ok(compared) => conclude(&compared, &survey, output),
        Err(fault) => tell_faults(&[fault], output),
    })
}

fn depth(args: &CheckArgs) -> Depth {
    match (args.deep, args.sample) {
        (false, _) => Depth::Listed,
        (true, None) => Depth::Octets(Sample::ALL),
        // Each run reads others: nights add up.
        (true, Some(Share { per_million })) => {
            Depth::Octets(Sample { per_million, seed: RandomState::new().hash_one(0) })
        }
    }
}

/// A share of the messages, as `--sample` takes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share {
    per_million: u32,
}

impl Share {
    /// So many of a million.
    pub(super) fn per_million(self) -> u32 {
        self.per_million
    }

    /// Reads `10%` or `0.5%`.
    ///
    /// # Errors
    /// In words, where it is no such thing.
    pub fn parse(text: &str) -> Result<Self, String> {
        let percent = text.trim().strip_suffix('%').and_then(|digits| digits.parse::<f64>().ok());
        match percent {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "checked to be at most a million"
            )]
            Some(percent) if percent > 0.0 && percent <= 100.0 => {
                Ok(Self { per_million: (percent * 10_000.0).ceil() as u32 })
            }
            _ => Err(format!("`{text}` is no share: write 10% or 0.5%")),
        }
    }
}

fn record(args: &CheckArgs, servers: &Servers) -> Result<Option<Record>, UsageError> {
    let Some(path) = &args.resume else { return Ok(None) };
    let (source, target) = servers.names();
    let opened = Record::open(path, [&source, &target]).map_err(|error| {
        let hint = match error {
            RecordError::Io { .. } => {
                "--resume takes a file that can be written, in a folder that exists"
            }
            RecordError::Busy { .. } => "wait for it, or give this check a record of its own",
            RecordError::Foreign { .. }
            | RecordError::Newer { .. }
            | RecordError::OtherAccounts { .. } => {
                "name another file with --resume; it is made where there is none"
            }
        };
        UsageError::new(error.to_string(), hint)
    });
    opened.map(Some)
}

fn tell_record_failure(record: Option<&Record>, output: Output) {
    if let Some(error) = record.and_then(Record::failure).filter(|_| !output.quiet) {
        screen::news(&format!("notice: {error}; the next check compares again what this one did"));
    }
}

fn tell(finding: &Finding<'_>, output: Output) {
    if output.json {
        screen::line(&finding_json(finding));
    } else if output.verbose || (!output.quiet && finding.mark != Mark::Same) {
        screen::line(&finding_text(finding));
    }
}

fn conclude(compared: &Compared, survey: &Survey<Servers>, output: Output) -> ExitStatus {
    let sums = &compared.sums;
    let named_in_vain = tell_missing(&survey.plan);
    let listed = survey.plan.mailboxes.iter().flat_map(|mailbox| &mailbox.faults);
    let faults: Vec<Fault> = listed.chain(&compared.faults).cloned().collect();
    if output.json {
        screen::line(&json_line("comparison", json!({ "same": sums.is_same(), "sums": sums })));
    } else {
        screen::line(&comparison_text(sums));
    }
    // What could not be listed or read was not compared: that is never "the same".
    if !faults.is_empty() {
        return tell_faults(&faults, output);
    }
    if sums.is_same() { named_in_vain } else { ExitStatus::CatchAll }
}

/// One message compared, for people: `+ INBOX/17`.
fn finding_text(finding: &Finding<'_>) -> String {
    let place =
        |place: Option<(&_, u32)>| place.map(|(mailbox, uid)| format!("{}/{uid}", shown(mailbox)));
    let (source, target) = (place(finding.source), place(finding.target));
    let places: Vec<String> = source.into_iter().chain(target).collect();
    let aspects: Vec<String> = finding
        .aspects
        .iter()
        .filter_map(|aspect| serde_json::to_value(aspect).ok()?.as_str().map(str::to_owned))
        .collect();
    let aspects =
        if aspects.is_empty() { String::new() } else { format!(" ({})", aspects.join(", ")) };
    format!("{} {}{aspects}", finding.mark.character(), places.join(" -> "))
}

/// One message compared, as a line of JSON.
fn finding_json(finding: &Finding<'_>) -> String {
    let place = |place: Option<(&_, u32)>| {
        place.map(|(mailbox, uid)| json!({ "mailbox": shown(mailbox), "uid": uid }))
    };
    json_line(
        "finding",
        json!({
            "mark": finding.mark, "source": place(finding.source), "target": place(finding.target),
            "differs": finding.aspects,
            "sha256": finding.octets.map(|(source, target)| {
                json!({ "source": source.to_string(), "target": target.to_string() })
            }),
        }),
    )
}

/// The sums of a comparison, for people.
fn comparison_text(sums: &Comparison) -> String {
    let mut lines = vec![
        format!("{:>10} = the same on both sides", sums.same),
        format!("{:>10} + on the source only", sums.source_only),
        format!("{:>10} - on the target only", sums.target_only),
        format!("{:>10} * on both sides, and something differs", sums.differs),
        format!("{:>10} ! cannot be said", sums.unknown),
    ];
    let mut add = |count: u64, what: &str| {
        if count > 0 {
            lines.push(format!("{count:>10} {what}"));
        }
    };
    add(sums.left_out, "left out of the comparison by a rule");
    add(sums.octets_read, "had their octets read on both sides");
    add(sums.octets_known, "had their octets compared by an earlier run");
    add(sums.octets_left_out, "were not read: they are not in the sample");
    add(sums.mailboxes_missing, "mailboxes that the target does not have");
    add(sums.mailboxes_extra, "mailboxes that only the target has");
    add(sums.subscriptions_missing, "mailboxes subscribed on the source only");
    lines.push(if sums.is_same() { "the same".to_owned() } else { "DIFFERENT".to_owned() });
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn shares_are_percentages() {
        assert_eq!(Share::parse("10%").unwrap().per_million, 100_000);
        assert_eq!(Share::parse(" 0.5%").unwrap().per_million, 5_000);
        assert_eq!(Share::parse("100%").unwrap().per_million, 1_000_000);
        assert_eq!(Share::parse("0.00001%").unwrap().per_million, 1);
        for no in ["", "%", "0%", "10", "101%", "-1%", "NaN%", "inf%", "ten%"] {
            Share::parse(no).unwrap_err();
        }
    }
}

//! A run ends softly before an account has moved more than it may in a day: what is in flight is
//! finished, what is left is told, and when it may go on (`docs/design/throttling.md`).

use std::sync::Arc;

use mailferry_engine::fault::{Fault, FaultKind, Side};
use mailferry_store::contract::{DayOctets, Source};

use crate::events::{Event, EventSink};
use crate::job::Job;
use crate::ledger::{Ledger, Spent, Way};
use crate::report::Report;
use crate::stop::Stop;

/// Looks at the ledger whenever octets have come, and asks the run to stop when a day is over.
struct DayWatch {
    ledger: Arc<Ledger>,
    stop: Stop,
    events: Arc<dyn EventSink>,
}

impl EventSink for DayWatch {
    fn on(&self, event: &Event<'_>) {
        self.events.on(event);
        if matches!(event, Event::Octets(_)) && self.ledger.is_spent() {
            self.stop.ask();
        }
    }
}

/// From now on the run stops when a day is over, if it counts what it moves.
pub(crate) fn watch(
    job: &Job,
    accounts: (&impl Source, &impl Source),
    (events, stop): (Arc<dyn EventSink>, &Stop),
) -> Arc<dyn EventSink> {
    let Some(ledger) = job.ledger.clone() else { return events };
    ledger.flush();
    let (source, target) = (accounts.0.day_octets(), accounts.1.day_octets());
    let download = job.day.download.octets(source.download);
    ledger.permit(Side::Source, DayOctets { download, ..source });
    let upload = job.day.upload.octets(target.upload);
    ledger.permit(Side::Target, DayOctets { upload, ..target });
    if ledger.is_spent() {
        stop.ask();
    }
    Arc::new(DayWatch { ledger, stop: stop.clone(), events })
}

/// Why a run ended before it was done, if it was for that.
pub(crate) fn fault(job: &Job, report: &Report) -> Option<Fault> {
    let ledger = job.ledger.as_ref().filter(|_| !report.is_complete())?;
    ledger.flush();
    let Spent { side, way, octets, permitted, wait } = ledger.spent()?;
    let (went, to) = match way {
        Way::Download => ("came from", "download"),
        Way::Upload => ("went to", "upload"),
    };
    let words = format!(
        "{} {went} this account in the last day, and {} is what it may {to}",
        megabytes(octets),
        megabytes(permitted)
    );
    Some(Fault { wait: Some(wait), ..Fault::new(side, FaultKind::DayQuota, words) })
}

/// Of a million octets, as providers count.
fn megabytes(octets: u64) -> String {
    format!("{}.{} MB", octets / 1_000_000, octets / 100_000 % 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn megabytes_are_those_of_providers() {
        assert_eq!(megabytes(2_475_900_000), "2475.9 MB");
        assert_eq!(megabytes(0), "0.0 MB");
    }
}

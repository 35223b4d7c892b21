//! What a copy would be: how much, whether it fits, how long it takes at least.

use std::time::{Duration, Instant};

use mailferry_engine::plan::{Action, Decision, MailboxPlan};
use mailferry_engine::summary::Counts;
use mailferry_run::accounts::Accounts;
use mailferry_run::survey::Survey;
use mailferry_store::contract::{AsListed, BodyEvent, Source, Wanted};
use mailferry_store::quota::{Quota, QuotaUse};

use super::account::Examined;

/// How much is read to see how fast the source sends.
const SAMPLE_MESSAGES_MAX: usize = 200;
const SAMPLE_OCTETS_MAX: u64 = 16 << 20;
const SAMPLE_TIME_MAX: Duration = Duration::from_secs(3);

/// How fast the source sent a sample.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Pace {
    pub(super) messages: u64,
    pub(super) octets: u64,
    pub(super) time: Duration,
}

/// What a copy would be.
#[derive(Debug, PartialEq)]
pub(super) struct Outlook {
    pub(super) counts: Counts,
    /// Mailboxes to be created.
    pub(super) create: usize,
    /// What the target may hold.
    pub(super) quota: Quota,
    pub(super) pace: Option<Pace>,
}

impl Outlook {
    pub(super) fn new<A: Accounts>(
        survey: &Survey<A>,
        [_, target]: [&Examined; 2],
        pace: Option<Pace>,
    ) -> Self {
        let quota = target.found.as_ref().map_or_else(|_| Quota::default(), |found| found.quota);
        let create =
            survey.plan.mailboxes.iter().filter(|mailbox| mailbox.create.is_some()).count();
        Self { counts: survey.plan.summary.total, create, quota, pace }
    }

    /// Whether the target has no room for what is to be copied, as far as it tells.
    pub(super) fn is_too_full(&self) -> bool {
        let lacks = |room: Option<QuotaUse>, wanted: u64| {
            wanted > 0 && room.is_some_and(|room| room.left() < wanted)
        };
        lacks(self.quota.storage, self.counts.copy_octets)
            || lacks(self.quota.messages, self.counts.copy)
    }

    /// How long the source takes to send what is to be copied, as it sent the sample.
    pub(super) fn time(&self) -> Option<Duration> {
        let pace = self.pace.filter(|pace| pace.octets > 0)?;
        #[expect(clippy::cast_precision_loss, reason = "an estimate")]
        let share = self.counts.copy_octets as f64 / pace.octets as f64;
        Duration::try_from_secs_f64(pace.time.as_secs_f64() * share).ok()
    }
}

/// Reads some of the messages that are to be copied. None where there are none, or where they
/// could not be read.
pub(super) async fn measure_pace<A: Accounts>(survey: &mut Survey<A>) -> Option<Pace> {
    let at = largest(&survey.plan.mailboxes)?;
    let part = survey.plan.mailboxes[at].parts.first()?;
    let listing = survey.listings[at].sources.first()?;
    let mut octets_left = SAMPLE_OCTETS_MAX;
    let wanted: Vec<Wanted> = part
        .uids
        .iter()
        .zip(&part.decisions)
        .filter(|(_, decision)| matches!(decision, Decision::Act(Action::Copy)))
        .filter_map(|(&uid, _)| Some(Wanted { uid, size: listing.size[listing.position(uid)?] }))
        .take(SAMPLE_MESSAGES_MAX)
        .take_while(|wanted| {
            let fits = octets_left > 0;
            octets_left = octets_left.saturating_sub(wanted.size.into());
            fits
        })
        .collect();
    let mailbox = AsListed { mailbox: &part.source, uid_validity: listing.uid_validity };
    let began = Instant::now();
    let source = &mut survey.connections.0;
    source.open_bodies(mailbox, wanted);
    let mut pace = Pace { messages: 0, octets: 0, time: Duration::ZERO };
    while began.elapsed() < SAMPLE_TIME_MAX {
        match source.next_body().await.ok()? {
            BodyEvent::Whole { octets, .. } => {
                pace.messages += 1;
                pace.octets += octets.len() as u64;
            }
            BodyEvent::Chunk(octets) => pace.octets += octets.len() as u64,
            BodyEvent::End => pace.messages += 1,
            BodyEvent::Begin { .. } | BodyEvent::Missing { .. } => {}
            BodyEvent::Finished => break,
            BodyEvent::Unavailable { .. } => return None,
        }
    }
    pace.time = began.elapsed();
    (pace.octets > 0).then_some(pace)
}

/// Where most is to be copied.
fn largest(mailboxes: &[MailboxPlan]) -> Option<usize> {
    let (at, mailbox) =
        mailboxes.iter().enumerate().max_by_key(|(_, mailbox)| mailbox.counts.copy_octets)?;
    (mailbox.counts.copy > 0).then_some(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outlook(copy_octets: u64, left: u64) -> Outlook {
        Outlook {
            counts: Counts { copy: 3, copy_octets, ..Counts::default() },
            create: 0,
            quota: Quota {
                storage: Some(QuotaUse { used: 100, limit: 100 + left }),
                messages: None,
            },
            pace: Some(Pace { messages: 1, octets: 1000, time: Duration::from_secs(2) }),
        }
    }

    #[test]
    fn it_fits_where_no_more_is_copied_than_there_is_room_for() {
        assert!(!outlook(500, 500).is_too_full());
        assert!(outlook(501, 500).is_too_full());
        assert!(!Outlook { quota: Quota::default(), ..outlook(501, 500) }.is_too_full());
        assert!(!outlook(0, 0).is_too_full());
    }

    #[test]
    fn the_time_is_that_of_the_sample_for_each_octet() {
        assert_eq!(outlook(5_000, 0).time(), Some(Duration::from_secs(10)));
        assert_eq!(Outlook { pace: None, ..outlook(5_000, 0) }.time(), None);
    }
}

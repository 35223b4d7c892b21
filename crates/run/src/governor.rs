//! How a server that asks to be left alone is obeyed: for as long as it says, or for longer and longer
//! where it does not say, within a bound (`docs/design/throttling.md`). Time and chance are arguments.

use std::time::{Duration, Instant};

use mailferry_engine::fault::{Fault, FaultKind};

/// No wait is longer where the server does not say how long.
const UNSAID_MAX: Duration = Duration::from_secs(300);
/// What is waited where a day's octets are used up and nobody knows since when.
const DAY_UNSAID: Duration = Duration::from_secs(3600);
/// Longer than asked by a tenth, and by this at most, so that many do not come back at once.
const SPREAD_MAX: Duration = Duration::from_secs(30);

/// What may be waited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bounds {
    /// The first wait where the server does not say; each further one is twice as long.
    pub(crate) first: Duration,
    /// All waits together, from the first refusal until something is achieved.
    pub(crate) total_max: Duration,
}

/// The waits for one server since something was achieved.
#[derive(Debug)]
pub(crate) struct Governor {
    bounds: Bounds,
    since: Option<Instant>,
    refusals: u32,
}

impl Governor {
    pub(crate) fn new(bounds: Bounds) -> Self {
        Self { bounds, since: None, refusals: 0 }
    }

    /// Something was achieved.
    pub(crate) fn restore(&mut self) {
        (self.since, self.refusals) = (None, 0);
    }

    /// How long to leave the server alone, which is never shorter than it asked for; `None` where
    /// that would be longer than may be waited. `chance`: 0 to 1000.
    pub(crate) fn next_wait(
        &mut self,
        fault: &Fault,
        now: Instant,
        chance: u32,
    ) -> Option<Duration> {
        let wait = match (fault.wait, fault.kind) {
            (Some(asked), _) => asked + (asked / 10).min(SPREAD_MAX) * chance / 1000,
            (None, FaultKind::DayQuota) => DAY_UNSAID + SPREAD_MAX * chance / 1000,
            (None, _) => {
                let doubled = self.bounds.first.saturating_mul(1 << self.refusals.min(16));
                doubled.min(UNSAID_MAX) * (750 + chance / 2) / 1000
            }
        };
        self.refusals += 1;
        let since = *self.since.get_or_insert(now);
        let waited = now.saturating_duration_since(since);
        (waited.saturating_add(wait) <= self.bounds.total_max).then_some(wait)
    }
}

#[cfg(test)]
mod tests {
    use mailferry_engine::fault::Side;

    use super::*;

    const BOUNDS: Bounds =
        Bounds { first: Duration::from_secs(1), total_max: Duration::from_secs(3600) };

    fn asking(kind: FaultKind, wait: Option<u64>) -> Fault {
        let wait = wait.map(Duration::from_millis);
        Fault { wait, ..Fault::new(Side::Target, kind, "not now") }
    }

    /// The waits until it is given up, and how long they were together.
    fn waits(fault: &Fault, chance: u32) -> (Vec<Duration>, Duration) {
        let begin = Instant::now();
        let (mut governor, mut now) = (Governor::new(BOUNDS), begin);
        let mut waits = Vec::new();
        while let Some(wait) = governor.next_wait(fault, now, chance) {
            waits.push(wait);
            now += wait;
        }
        (waits, now - begin)
    }

    #[test]
    fn what_a_server_asks_for_is_never_cut_short() {
        for chance in [0, 1, 500, 1000] {
            let mut governor = Governor::new(BOUNDS);
            let fault = asking(FaultKind::Throttled, Some(299_961));
            let wait = governor.next_wait(&fault, Instant::now(), chance).unwrap_or_default();
            assert!(wait >= Duration::from_millis(299_961), "{wait:?}");
            assert!(wait <= Duration::from_millis(329_961), "{wait:?}");
        }
    }

    #[test]
    fn without_a_word_the_waits_double_and_end_within_the_bound() {
        for chance in [0, 500, 1000] {
            let (waits, all) = waits(&asking(FaultKind::Throttled, None), chance);
            assert!(waits.len() > 10, "{waits:?}");
            assert!(waits[1] > waits[0] && waits[2] > waits[1], "{waits:?}");
            assert!(waits.iter().all(|wait| *wait <= UNSAID_MAX * 5 / 4), "{waits:?}");
            assert!(all <= BOUNDS.total_max && all > BOUNDS.total_max / 2, "{all:?}");
        }
    }

    #[test]
    fn more_than_may_be_waited_is_not_begun() {
        let (waits, _) = waits(&asking(FaultKind::Throttled, Some(3_600_001)), 0);
        assert_eq!(waits, [], "an hour and a millisecond");
        let (waits, _) = super::tests::waits(&asking(FaultKind::DayQuota, None), 0);
        assert_eq!(waits, [DAY_UNSAID], "an hour");
        let mut patient =
            Governor::new(Bounds { total_max: Duration::from_secs(90_000), ..BOUNDS });
        let wait = patient.next_wait(&asking(FaultKind::DayQuota, None), Instant::now(), 0);
        assert_eq!(wait, Some(DAY_UNSAID));
    }

    #[test]
    fn what_is_achieved_begins_a_new_account() {
        let begin = Instant::now();
        let mut governor = Governor::new(BOUNDS);
        let fault = asking(FaultKind::Throttled, Some(3_000_000));
        assert!(governor.next_wait(&fault, begin, 0).is_some());
        let later = begin + Duration::from_secs(3000);
        assert_eq!(governor.next_wait(&fault, later, 0), None);
        governor.restore();
        assert!(governor.next_wait(&fault, later, 0).is_some());
    }
}

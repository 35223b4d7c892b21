//! What the program is to reach, and whether it does.

use std::fmt;
use std::time::Duration;

use crate::table::seconds;

/// Messages for which the goals of a copy over a long distance were set.
const GOAL_MESSAGES: u64 = 5000;
/// Octets for which the goal of TLS was set.
pub(crate) const TLS_GOAL_OCTETS: f64 = 875e6;

/// A figure that is not to be exceeded.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Goal {
    limit: f64,
    words: String,
}

/// A goal beside its figure.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Verdict {
    goal: Goal,
    figure: f64,
}

impl Goal {
    fn at_most(limit: f64, words: impl Into<String>) -> Self {
        Self { limit, words: words.into() }
    }

    fn relative(factor: f64, of: f64, whose: &str) -> Self {
        let limit = factor * of;
        Self::at_most(limit, format!("≤ {factor} × {whose} ({} s)", seconds(limit)))
    }

    pub(crate) fn judge(self, figure: f64) -> Verdict {
        Verdict { goal: self, figure }
    }
}

impl Verdict {
    pub(crate) fn is_missed(&self) -> bool {
        self.figure > self.goal.limit
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { goal: Goal { limit, words }, figure } = self;
        match self.is_missed() {
            false => write!(f, "met: {words}"),
            true => write!(f, "**missed** by {:.2} ×: {words}", figure / limit),
        }
    }
}

/// Seconds for a first copy. `peer` is the fastest peer's time.
pub(crate) fn first_copy(round_trip: Duration, messages: u64, peer: Option<f64>) -> Option<Goal> {
    match round_trip.as_millis() {
        0 => Some(Goal::relative(1.0, peer?, "the fastest peer")),
        20 => Some(Goal::relative(0.25, peer?, "the fastest peer")),
        100 if messages == GOAL_MESSAGES => Some(Goal::at_most(4.0, "≤ 4 s")),
        _ => None,
    }
}

/// Seconds for a run with local state that finds nothing to do.
pub(crate) fn nothing_to_do(round_trip: Duration, mbsync: Option<f64>) -> Option<Goal> {
    match round_trip.as_millis() {
        0 => Some(Goal::relative(1.0, mbsync?, "mbsync")),
        20 => Some(Goal::at_most(0.2, "≤ 8 round trips (0.2 s)")),
        _ => None,
    }
}

/// Seconds for a run without local state that finds nothing to do. `floor` is what the slower
/// server needs to send the identity headers.
pub(crate) fn without_state(messages: u64, floor: Option<f64>) -> Option<Goal> {
    (messages == 100_000).then_some(())?;
    Some(Goal::relative(1.2, floor?, "the servers' own time"))
}

/// MiB for a mailbox of so many messages.
pub(crate) fn listing_memory(messages: u64) -> Option<Goal> {
    match messages {
        100_000 => Some(Goal::at_most(64.0, "≤ 64 MiB")),
        1_000_000 => Some(Goal::at_most(160.0, "≤ 160 MiB")),
        _ => None,
    }
}

/// MiB for one message of so many octets.
pub(crate) fn huge_memory(octets: u64) -> Option<Goal> {
    (octets >= 1 << 30).then(|| Goal::at_most(32.0, "≤ 32 MiB"))
}

/// Processor seconds of TLS in one direction for [`TLS_GOAL_OCTETS`].
pub(crate) fn tls() -> Goal {
    Goal::at_most(1.5, "≤ 1.5 s")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_verdict_tells_by_how_much_a_goal_is_missed() {
        let goal = || first_copy(Duration::from_millis(20), 10, Some(8.0)).unwrap();
        assert_eq!(goal().judge(2.0).to_string(), "met: ≤ 0.25 × the fastest peer (2.00 s)");
        let missed = goal().judge(3.0);
        assert!(missed.is_missed());
        let words = "**missed** by 1.50 ×: ≤ 0.25 × the fastest peer (2.00 s)";
        assert_eq!(missed.to_string(), words);
    }

    #[test]
    fn there_is_no_goal_where_none_was_set_or_nothing_compares() {
        let far = Duration::from_millis(100);
        assert!(first_copy(Duration::ZERO, 5000, None).is_none());
        assert!(first_copy(far, 200, None).is_none());
        assert_eq!(first_copy(far, 5000, None), Some(Goal::at_most(4.0, "≤ 4 s")));
        assert!(nothing_to_do(far, Some(1.0)).is_none());
        assert!(without_state(1000, Some(1.0)).is_none());
        assert!(listing_memory(1000).is_none() && huge_memory(100 << 20).is_none());
        assert!(listing_memory(1_000_000).unwrap().judge(161.0).is_missed());
    }
}

//! How many pairs of connections copy side by side: as many as help.
//!
//! Which number that is depends on both servers, on the distance, and on what either allows one
//! connection, so it is tried: after some seconds another pair is opened, and one more as long as
//! the last one made the run faster.

use std::time::{Duration, Instant};

/// How long a number of pairs is measured.
pub(crate) const MEASURED: Duration = Duration::from_secs(2);
/// A pair has helped if it made the run faster by this.
const WORTH_IT: f64 = 1.1;

/// The pairs of a run, and how fast they were.
#[derive(Debug)]
pub(crate) struct Growth {
    most: usize,
    pairs: usize,
    /// Octets a second with one pair fewer.
    before: f64,
    since: Instant,
    octets: u64,
}

impl Growth {
    /// A run that begins with so many pairs and may have `most`.
    pub(crate) fn new(pairs: usize, most: usize, now: Instant) -> Self {
        Self { most, pairs, before: 0.0, since: now, octets: 0 }
    }

    /// Whether another pair is to be opened, now that so many octets were copied in all. To be
    /// asked every [`MEASURED`].
    #[expect(clippy::cast_precision_loss, reason = "a rate is no exact number")]
    pub(crate) fn wants_another(&mut self, octets: u64, now: Instant) -> bool {
        let copied = octets.saturating_sub(self.octets) as f64;
        let rate = copied / now.duration_since(self.since).as_secs_f64().max(f64::EPSILON);
        (self.octets, self.since) = (octets, now);
        if self.pairs >= self.most || copied == 0.0 {
            return false;
        }
        if rate < self.before * WORTH_IT {
            self.stay();
            return false;
        }
        self.before = rate;
        self.pairs += 1;
        true
    }

    /// A server, or this machine's budget, allows no more.
    pub(crate) fn stay(&mut self) {
        self.most = self.pairs;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Pairs after a minute, of a run that copies so many octets a second with each number.
    fn pairs_after_a_minute(most: usize, rate: impl Fn(usize) -> u64) -> usize {
        let (mut now, mut octets, mut pairs) = (Instant::now(), 0, 2);
        let mut growth = Growth::new(pairs, most, now);
        for _ in 0..30 {
            now += MEASURED;
            octets += rate(pairs) * MEASURED.as_secs();
            pairs += usize::from(growth.wants_another(octets, now));
        }
        pairs
    }

    #[test]
    fn pairs_are_added_as_long_as_each_makes_the_run_faster() {
        // A limit on each connection: the more the better.
        assert_eq!(pairs_after_a_minute(8, |pairs| pairs as u64 * 1_000_000), 8);
        // The third helps, the fourth does not, and there is no fifth.
        assert_eq!(pairs_after_a_minute(8, |pairs| pairs.min(3) as u64 * 1_000_000), 4);
        // A limit on the account: one was tried.
        assert_eq!(pairs_after_a_minute(8, |_| 1_000_000), 3);
        assert_eq!(pairs_after_a_minute(2, |pairs| pairs as u64 * 1_000_000), 2);
    }

    #[test]
    fn a_run_that_copies_nothing_needs_no_more_pairs() {
        assert_eq!(pairs_after_a_minute(8, |_| 0), 2);
    }
}

//! How fast a connection moves what is large.

use std::time::Duration;

/// Octets, and the time spent waiting for the network or the server to move them. Bodies that
/// come and whatever goes count; round trips do not, and neither does the time in which nobody
/// listened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pace {
    /// Octets that moved either way.
    pub octets: u64,
    /// The time spent waiting for them.
    pub waited: Duration,
}

impl Pace {
    /// Both together.
    pub fn add(&mut self, other: Self) {
        self.octets += other.octets;
        self.waited += other.waited;
    }

    /// Whether fewer than so many octets moved in each second waited for.
    #[must_use]
    pub fn is_below(&self, octets_per_second: u64) -> bool {
        let possible = u128::from(octets_per_second) * self.waited.as_micros();
        u128::from(self.octets) * 1_000_000 < possible
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pace_is_octets_over_the_time_waited() {
        let mut pace = Pace { octets: 1_000_000, waited: Duration::from_millis(500) };
        assert!(pace.is_below(2_000_001) && !pace.is_below(2_000_000));
        pace.add(Pace { octets: 2_000_000, waited: Duration::ZERO });
        assert!(pace.is_below(6_000_001) && !pace.is_below(6_000_000));
        assert!(!Pace { octets: 1, waited: Duration::ZERO }.is_below(u64::MAX));
    }
}

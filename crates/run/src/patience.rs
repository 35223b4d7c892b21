//! How long is waited before a connection is opened again, and how often.

use std::hash::{BuildHasher, RandomState};
use std::time::{Duration, Instant};

use mailferry_engine::fault::{Fault, FaultKind, Retry};

use crate::governor::{Bounds, Governor};
use crate::job::ReconnectLimits;
use crate::stop::Stop;

/// The longest time without a look whether the run is to stop.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// No wait is longer.
const WAIT_MAX: Duration = Duration::from_secs(60);

/// Attempts in a row that brought nothing.
#[derive(Debug)]
pub(crate) struct Patience {
    limits: ReconnectLimits,
    attempts: u32,
    governor: Governor,
}

impl Patience {
    pub(crate) fn new(limits: ReconnectLimits) -> Self {
        let bounds = Bounds { first: limits.first_wait, total_max: limits.throttle_wait };
        Self { limits, attempts: 0, governor: Governor::new(bounds) }
    }

    /// Something was achieved.
    pub(crate) fn restore(&mut self) {
        self.attempts = 0;
        self.governor.restore();
    }

    /// How long to wait before the next attempt after this fault; `None` where there are to be no
    /// more.
    pub(crate) fn wait_after(&mut self, fault: &Fault) -> Option<Duration> {
        if fault.is_throttling() {
            let chance = u32::try_from(RandomState::new().hash_one(0) % 1001).unwrap_or(0);
            return self.governor.next_wait(fault, Instant::now(), chance);
        }
        self.next_wait()
    }

    fn next_wait(&mut self) -> Option<Duration> {
        if self.attempts >= self.limits.attempts_max {
            return None;
        }
        let doubled = self.limits.first_wait.saturating_mul(1 << self.attempts.min(16));
        self.attempts += 1;
        // Many runs that lost one server do not come back at the same moment.
        let quarters = 75 + u32::try_from(RandomState::new().hash_one(0) % 51).unwrap_or(0);
        Some(doubled.min(WAIT_MAX) * quarters / 100)
    }
}

/// Whether another connection may do what this one could not.
pub(crate) fn is_worth_another_try(fault: &Fault) -> bool {
    match fault.kind {
        FaultKind::Connection => true,
        // What one connection delivered garbled another may deliver well.
        FaultKind::Protocol => true,
        // It was waited for, and the connection is not to blame.
        FaultKind::InUse => false,
        _ => fault.retry == Retry::Later && fault.kind != FaultKind::OverQuota,
    }
}

/// Waits, unless the run is to stop.
pub(crate) async fn wait(mut time: Duration, stop: &Stop) {
    while !time.is_zero() && !stop.is_asked() {
        let some = time.min(LOOK_EVERY);
        tokio::time::sleep(some).await;
        time -= some;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_wait_is_about_twice_the_one_before_and_they_end() {
        let limits = ReconnectLimits::default();
        for _ in 0..100 {
            let mut patience = Patience::new(limits);
            let mut expected = limits.first_wait;
            for _ in 0..limits.attempts_max {
                let wait = patience.next_wait().unwrap_or_default();
                assert!(wait >= expected * 3 / 4 && wait <= expected * 126 / 100, "{wait:?}");
                expected *= 2;
            }
            assert_eq!(patience.next_wait(), None);
            patience.restore();
            assert!(patience.next_wait().is_some());
        }
    }
}

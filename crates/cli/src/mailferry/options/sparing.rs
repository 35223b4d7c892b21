//! How servers are spared that count what is asked of them.

use std::time::Duration;

use clap::Args;
use mailferry_run::job::{DayPermit, DayPermits, THROTTLE_WAIT_USUAL};

use super::octets;

/// How servers are spared that count what is asked of them.
#[derive(Args, Clone, Copy, Debug)]
pub struct Sparing {
    /// Leave a server alone for up to so many seconds when it asks for that; then end, and say when to go on
    #[arg(long, value_name = "SECONDS", default_value_t = THROTTLE_WAIT_USUAL.as_secs(), env = "MAILFERRY_THROTTLE_WAIT")]
    throttle_wait: u64,
    /// Let no more than SIZE come from the source in a day, over all runs; 0: as much as comes [default: what its provider documents]
    #[arg(long, value_name = "SIZE", value_parser = octets)]
    day_download: Option<u64>,
    /// Let no more than SIZE go to the target in a day, over all runs; 0: as much as goes [default: what its provider documents]
    #[arg(long, value_name = "SIZE", value_parser = octets)]
    day_upload: Option<u64>,
}

impl Sparing {
    /// How long in all.
    pub(crate) fn throttle_wait(self) -> Duration {
        Duration::from_secs(self.throttle_wait)
    }

    /// How much a day.
    pub(crate) fn day(self) -> DayPermits {
        let permit = |octets: Option<u64>| match octets {
            None => DayPermit::OfServer,
            Some(0) => DayPermit::Unlimited,
            Some(octets) => DayPermit::Octets(octets),
        };
        DayPermits { download: permit(self.day_download), upload: permit(self.day_upload) }
    }
}

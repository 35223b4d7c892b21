//! Whether the connections to an account are compressed (RFC 4978 §3), and what that rests on:
//! the pace of the link, never that the server has it. Why, and the measurements, are in
//! docs/design/compress.md.

use std::sync::{Arc, Mutex, PoisonError};

use mailferry_engine::fault::Fault;
use mailferry_imap::compress::Compression as OnWire;
use mailferry_imap::pace::Pace;

use super::ImapAccount;

/// A connection that moves fewer octets in a second than this is quicker compressed, even if
/// its mail is all base64 and its server as busy as one that deflates 18 MB/s.
pub const SLOW_OCTETS_PER_SECOND: u64 = 4_000_000;
/// Octets after which a pace is believed.
const MEASURED_OCTETS_MIN: u64 = 1 << 20;

/// When the connections to one account are compressed.
#[derive(Clone, Debug, Default)]
pub enum Compression {
    /// Never.
    #[default]
    Never,
    /// From the login on, where the server can.
    Always,
    /// Once the connections to the account were seen to be slow, by what they measured
    /// together. Those that are open change at their next quiet moment.
    Auto(Arc<Measured>),
}

impl Compression {
    /// The choice that rests on measurements, before the first.
    #[must_use]
    pub fn auto() -> Self {
        Self::Auto(Arc::default())
    }

    /// Whether a connection that is opened now is compressed.
    pub(super) fn is_due(&self) -> bool {
        match self {
            Self::Never => false,
            Self::Always => true,
            Self::Auto(measured) => measured.is_slow(),
        }
    }
}

/// What the uncompressed connections to one account measured.
#[derive(Debug, Default)]
pub struct Measured(Mutex<Pace>);

impl Measured {
    fn learn(&self, pace: Pace) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).add(pace);
    }

    fn is_slow(&self) -> bool {
        let pace = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        pace.octets >= MEASURED_OCTETS_MIN && pace.is_below(SLOW_OCTETS_PER_SECOND)
    }
}

impl ImapAccount {
    /// Whether this connection is compressed, or why not.
    #[must_use]
    pub fn compression(&self) -> &OnWire {
        self.connection.compression()
    }

    /// Hands on what the connection measured and, if the account is slow, has it compressed
    /// at its next quiet moment.
    pub(super) fn see_to_compression(&mut self) -> Result<(), Fault> {
        let Compression::Auto(measured) = &self.policy else { return Ok(()) };
        if *self.connection.compression() != OnWire::Off {
            return Ok(());
        }
        measured.learn(self.connection.take_pace());
        if measured.is_slow() {
            let asked = self.connection.compress_when_quiet();
            asked.map_err(|error| self.broken(&error))?;
        }
        Ok(())
    }

    /// Whether the appends in flight are to be answered before more are begun. They follow each
    /// other so closely that without it the quiet moment would never come. Not while only
    /// another command is in flight: nobody but the next append waits for its answer.
    pub(super) fn awaits_quiet(&self) -> bool {
        *self.connection.compression() == OnWire::Wanted
            && !self.connection.session.is_writing()
            && self.appends.is_busy(&self.connection)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn an_account_is_slow_by_what_its_connections_measured_together() {
        let compression = Compression::auto();
        let Compression::Auto(measured) = &compression else { return };
        let second = Duration::from_secs(1);
        measured.learn(Pace { octets: MEASURED_OCTETS_MIN / 2, waited: second });
        assert!(!compression.clone().is_due(), "too little was measured");
        measured.learn(Pace { octets: MEASURED_OCTETS_MIN / 2, waited: second });
        assert!(compression.clone().is_due());
        measured.learn(Pace { octets: 2 * SLOW_OCTETS_PER_SECOND, waited: Duration::ZERO });
        assert!(!compression.is_due());
        assert!(Compression::Always.is_due() && !Compression::default().is_due());
    }
}

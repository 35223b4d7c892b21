//! How much was moved to and from an account, over all its connections.

use std::sync::atomic::{AtomicU64, Ordering};

/// Octets of IMAP, commands and answers alike, as they are before compression and TLS. One value
/// serves all connections to an account.
#[derive(Debug, Default)]
pub struct Meter {
    received: AtomicU64,
    sent: AtomicU64,
}

impl Meter {
    /// Octets that came from the server.
    #[must_use]
    pub fn received(&self) -> u64 {
        self.received.load(Ordering::Relaxed)
    }

    /// Octets that went to it.
    #[must_use]
    pub fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }

    /// So many more came and went.
    pub fn count(&self, received: u64, sent: u64) {
        self.received.fetch_add(received, Ordering::Relaxed);
        self.sent.fetch_add(sent, Ordering::Relaxed);
    }
}

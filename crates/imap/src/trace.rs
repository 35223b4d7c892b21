//! Showing the dialogue with a server, line by line, without its secrets and without mail.
//!
//! Commands are shown as they are built: a sensitive one by its name alone, a literal by its
//! length. Of responses the first octets are shown, of streamed bodies the length.

use std::fmt;
use std::sync::Arc;

use crate::session::printable;

/// Octets of one response that are shown.
const RESPONSE_BYTES_MAX: usize = 300;

/// Which way a line went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// To the server.
    Sent,
    /// From the server.
    Received,
}

type Show = dyn Fn(Direction, &str) + Send + Sync;

/// Whoever is shown the dialogue.
#[derive(Clone)]
pub struct Trace(Arc<Show>);

impl Trace {
    /// Shows each line to `show`. Lines are printable.
    #[must_use]
    pub fn new(show: impl Fn(Direction, &str) + Send + Sync + 'static) -> Self {
        Self(Arc::new(show))
    }

    pub(crate) fn sent(&self, line: &str) {
        (self.0)(Direction::Sent, line);
    }

    pub(crate) fn received(&self, octets: &[u8]) {
        let shown = &octets[..octets.len().min(RESPONSE_BYTES_MAX)];
        let mut line = printable(shown.trim_ascii_end());
        if shown.len() < octets.len() {
            line.push('…');
        }
        (self.0)(Direction::Received, &line);
    }
}

impl fmt::Debug for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Trace")
    }
}

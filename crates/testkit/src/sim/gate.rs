//! A gate that every step of a server passes: it counts them, and closes at one of them, so that a
//! test can end a client exactly there and say what becomes of what the client had sent.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::watch;

use super::wire::Hangup;

/// What becomes of the commands that were received when the gate closed, and of those behind them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Release {
    /// Nothing more is carried out: every connection ends.
    Cut,
    /// Everything that was received is carried out; the answers go to nobody.
    CarryOut,
}

/// When a command passes the gate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// It was received in full, and nothing of it was done.
    Received,
    /// It was carried out, and its answer is about to leave.
    Answered,
}

/// A clone is a handle to the same gate: several servers may share one, and their commands are then
/// counted together.
#[derive(Clone, Debug)]
pub struct Gate(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    closes_at: Moment,
    /// Commands that may still pass at that moment.
    left: AtomicU64,
    stand: watch::Sender<Stand>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stand {
    Open,
    Closed,
    Released(Release),
}

impl Gate {
    /// A gate that closes when the `nth` command (from 1) comes to this moment. Whoever passes it
    /// later waits as well, at either moment.
    #[must_use]
    pub fn closing_at(moment: Moment, nth: u64) -> Self {
        let (stand, _) = watch::channel(Stand::Open);
        Self(Arc::new(Inner { closes_at: moment, left: AtomicU64::new(nth), stand }))
    }

    /// Closes it now.
    pub fn close(&self) {
        self.0.stand.send_if_modified(|stand| {
            let opened = *stand == Stand::Open;
            *stand = if opened { Stand::Closed } else { *stand };
            opened
        });
    }

    /// Whether it has closed.
    #[must_use]
    pub fn has_closed(&self) -> bool {
        *self.0.stand.borrow() != Stand::Open
    }

    /// Returns once it is closed.
    pub async fn closed(&self) {
        let mut stand = self.0.stand.subscribe();
        // The sender is this gate's own.
        let _ = stand.wait_for(|stand| *stand != Stand::Open).await;
    }

    /// Lets those who wait go on, or ends them.
    pub fn release(&self, release: Release) {
        self.0.stand.send_replace(Stand::Released(release));
    }

    pub(super) async fn pass(&self, moment: Moment) -> Result<(), Hangup> {
        if moment == self.0.closes_at && self.0.left.fetch_sub(1, Ordering::SeqCst) == 1 {
            self.close();
        }
        let mut stand = self.0.stand.subscribe();
        let stand = stand.wait_for(|stand| *stand != Stand::Closed).await.map(|stand| *stand);
        match stand {
            Ok(Stand::Released(Release::Cut)) => Err(Hangup::Cut),
            _ => Ok(()),
        }
    }
}

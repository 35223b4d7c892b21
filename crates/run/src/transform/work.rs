//! Going over one message, aside from the connections: it is gathered into a spool, and what was made
//! of it comes in another one.

use std::io;
use std::sync::{Arc, PoisonError};

use mailferry_engine::fault::{Fault, FaultKind, Side};
use mailferry_engine::message::{InternalDate, Uid};
use tokio::task::JoinHandle;

use super::{Failed, Made, Purpose, Said, Subject, TRANSFORM_OCTETS_MAX, Transform};
use crate::spool::Spool;

/// From so many octets on, messages are gone over one at a time: each is held in memory then.
const LARGE_OCTETS_MIN: u64 = 1 << 20;

/// A message as it comes from the source.
#[derive(Debug)]
pub(crate) struct Gathered {
    pub(crate) uid: Uid,
    pub(crate) spool: Spool,
}

/// What became of it.
#[derive(Debug)]
pub(crate) enum Outcome {
    Message(Prepared),
    /// The rule that left it out.
    LeftOut(String),
    Failed(Fault),
}

/// A message that can be sent.
#[derive(Debug)]
pub(crate) struct Prepared {
    pub(crate) spool: Spool,
    /// The INTERNALDATE that its header gives, where that is asked for.
    pub(crate) date: Option<InternalDate>,
    pub(crate) said: Vec<Said>,
}

impl Gathered {
    /// The beginning of a message of so many octets.
    ///
    /// # Errors
    /// It is too large for rules.
    pub(crate) fn begin(uid: Uid, octets: u64) -> Result<Self, Fault> {
        if octets > TRANSFORM_OCTETS_MAX {
            return Err(too_large(octets));
        }
        Ok(Self { uid, spool: Spool::default() })
    }

    /// Adds octets.
    ///
    /// # Errors
    /// There are too many, or they cannot be written down.
    pub(crate) fn push(&mut self, octets: &[u8]) -> Result<(), Fault> {
        let all = self.spool.octets() + octets.len() as u64;
        if all > TRANSFORM_OCTETS_MAX {
            return Err(too_large(all));
        }
        self.spool.push(octets).map_err(|error| disk(&error))
    }
}

/// Starts to go over a message. It ends on its own, whether it is waited for or not.
pub(crate) fn start(
    transform: &Arc<Transform>,
    gathered: Gathered,
    subject: Subject,
    purpose: Purpose,
) -> JoinHandle<Outcome> {
    let transform = Arc::clone(transform);
    tokio::task::spawn_blocking(move || {
        let large = gathered.spool.octets() >= LARGE_OCTETS_MIN;
        let gate = large.then(|| transform.gate.lock().unwrap_or_else(PoisonError::into_inner));
        let outcome = go_over(&transform, gathered.spool, &subject, purpose);
        drop(gate);
        outcome
    })
}

/// The same to its end.
pub(crate) async fn make(
    transform: &Arc<Transform>,
    gathered: Gathered,
    subject: Subject,
    purpose: Purpose,
) -> Outcome {
    let started = start(transform, gathered, subject, purpose);
    started.await.unwrap_or_else(|error| Outcome::Failed(fault(error.to_string())))
}

fn go_over(transform: &Transform, spool: Spool, subject: &Subject, purpose: Purpose) -> Outcome {
    let original = match spool.into_octets() {
        Ok(octets) => octets,
        Err(error) => return Outcome::Failed(disk(&error)),
    };
    let (octets, date, said) = match transform.apply(&original, subject, purpose) {
        Ok(Made::Message { octets, date, said }) => (octets, date, said),
        Ok(Made::LeftOut(rule)) => return Outcome::LeftOut(rule),
        Err(failed) => return Outcome::Failed(told(&failed)),
    };
    drop(original);
    match Spool::of(octets) {
        Ok(spool) => Outcome::Message(Prepared { spool, date, said }),
        Err(error) => Outcome::Failed(disk(&error)),
    }
}

fn told(failed: &Failed) -> Fault {
    fault(failed.to_string())
}

fn too_large(octets: u64) -> Fault {
    fault(format!(
        "rules about content are applied to at most {TRANSFORM_OCTETS_MAX} octets, and it has {octets}"
    ))
}

fn disk(error: &io::Error) -> Fault {
    fault(format!("no file could be written for it: {error}"))
}

fn fault(words: String) -> Fault {
    Fault::new(Side::Source, FaultKind::Transform, words)
}

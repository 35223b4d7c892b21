//! Messages as a source delivers them, each gathered whole for the rules.

use mailferry_engine::fault::Fault;
use mailferry_engine::message::Uid;
use mailferry_store::contract::BodyEvent;

use super::work::Gathered;

/// Puts messages together from what a source tells.
#[derive(Debug, Default)]
pub(crate) struct Gatherer {
    open: Option<Result<Gathered, (Uid, Fault)>>,
}

/// What came.
#[derive(Debug)]
pub(crate) enum Came {
    /// A whole message.
    Message(Gathered),
    /// One that cannot be gone over.
    Lost(Uid, Fault),
    /// One that did not come.
    Missing(Uid, Fault),
    /// A part of one, to be waited for.
    More,
    /// All that was wanted of the mailbox has come.
    End,
}

impl Gatherer {
    /// Takes what a source tells next.
    ///
    /// # Errors
    /// The mailbox cannot be read.
    pub(crate) fn take(&mut self, event: BodyEvent<'_>) -> Result<Came, Fault> {
        let whole = match event {
            BodyEvent::Whole { uid, octets } => {
                let mut gathered = begin(uid, octets.len() as u64);
                push(&mut gathered, &octets);
                Some(gathered)
            }
            BodyEvent::Begin { uid, octets } => {
                self.open = Some(begin(uid, octets));
                None
            }
            BodyEvent::Chunk(octets) => {
                if let Some(gathered) = &mut self.open {
                    push(gathered, octets);
                }
                None
            }
            BodyEvent::End => self.open.take(),
            BodyEvent::Missing { uid, fault } => return Ok(Came::Missing(uid, fault)),
            BodyEvent::Unavailable { fault } => return Err(fault),
            BodyEvent::Finished => return Ok(Came::End),
        };
        Ok(match whole {
            Some(Ok(gathered)) => Came::Message(gathered),
            Some(Err((uid, fault))) => Came::Lost(uid, fault),
            None => Came::More,
        })
    }
}

fn begin(uid: Uid, octets: u64) -> Result<Gathered, (Uid, Fault)> {
    Gathered::begin(uid, octets).map_err(|fault| (uid, fault))
}

fn push(gathered: &mut Result<Gathered, (Uid, Fault)>, octets: &[u8]) {
    if let Ok(open) = gathered {
        let uid = open.uid;
        if let Err(fault) = open.push(octets) {
            *gathered = Err((uid, fault));
        }
    }
}

//! Opening the two accounts, as often as connections are needed.

use std::future::Future;

use mailferry_engine::fault::Fault;
use mailferry_store::contract::{Removable, Source, Target};

/// The two accounts of a run.
pub trait Accounts: Send + Sync + 'static {
    /// A connection to the source.
    type Source: Source + 'static;
    /// A connection to the source that removes what was copied.
    type Removal: Removable + 'static;
    /// A connection to the target.
    type Target: Target + 'static;

    /// Opens another connection to the source.
    fn open_source(&self) -> impl Future<Output = Result<Self::Source, Fault>> + Send;

    /// Opens a connection to the source that removes what was copied, where that was asked for.
    fn open_removal(&self) -> impl Future<Output = Result<Self::Removal, Fault>> + Send;

    /// Opens another connection to the target.
    fn open_target(&self) -> impl Future<Output = Result<Self::Target, Fault>> + Send;

    /// Leave for a pair of connections, where the runs on this machine share the connections that
    /// the two servers are to have. A first pair gets one if there is one, and does without
    /// otherwise; a spare pair is opened only with one.
    fn seat(&self, need: Need) -> Option<Seat> {
        let _ = need;
        Some(Seat::unlimited())
    }
}

/// What a pair of connections is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// Without it nothing is copied.
    First,
    /// With it mail is copied faster.
    Spare,
}

/// Leave for one pair of connections; given back when it is dropped.
pub struct Seat {
    _held: Option<Box<dyn Send>>,
}

impl Seat {
    /// Where nothing is counted.
    #[must_use]
    pub fn unlimited() -> Self {
        Self { _held: None }
    }

    /// Holds what stands for it.
    #[must_use]
    pub fn holding(held: impl Send + 'static) -> Self {
        Self { _held: Some(Box::new(held)) }
    }
}

//! Opening the two accounts, as often as connections are needed.

use std::future::Future;

use mailferry_engine::fault::Fault;
use mailferry_store::contract::{Source, Target};

/// The two accounts of a run.
pub trait Accounts: Send + Sync + 'static {
    /// A connection to the source.
    type Source: Source + 'static;
    /// A connection to the target.
    type Target: Target + 'static;

    /// Opens another connection to the source.
    fn open_source(&self) -> impl Future<Output = Result<Self::Source, Fault>> + Send;

    /// Opens another connection to the target.
    fn open_target(&self) -> impl Future<Output = Result<Self::Target, Fault>> + Send;
}

//! Connections that work on tasks of their own for a while.

use std::panic::resume_unwind;

use mailferry_engine::fault::Fault;
use tokio::task::JoinSet;

use super::stopped;

/// A connection, unless a task has it. It does not come back from one that was given up; whoever
/// wants it then is told that the run was stopped.
pub(super) struct Lent<S>(Option<S>);

impl<S> Lent<S> {
    pub(super) fn new(connection: S) -> Self {
        Self(Some(connection))
    }

    pub(super) fn get(&mut self) -> Result<&mut S, Fault> {
        self.0.as_mut().ok_or_else(stopped)
    }

    pub(super) fn take(&mut self) -> Result<S, Fault> {
        self.0.take().ok_or_else(stopped)
    }

    pub(super) fn give_back(&mut self, connection: S) {
        self.0 = Some(connection);
    }
}

/// What the only task of a set comes to.
pub(super) async fn finished<T: 'static>(task: &mut JoinSet<T>) -> Result<T, Fault> {
    match task.join_next().await {
        Some(Ok(done)) => Ok(done),
        Some(Err(error)) if error.is_panic() => resume_unwind(error.into_panic()),
        Some(Err(_)) | None => Err(stopped()),
    }
}

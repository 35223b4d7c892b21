//! The store adapter against a simulated server: the promises of its contract.

#![allow(clippy::unwrap_used)]

mod bodies;
mod flags;
mod mailboxes;
mod meddler;
mod world;

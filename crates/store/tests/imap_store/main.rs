//! The store adapter against a simulated server: the promises of its contract.

#![allow(clippy::unwrap_used)]

mod ahead;
mod among;
mod bodies;
mod compression;
mod flags;
mod known;
mod mailboxes;
mod meddler;
mod model;
mod world;

//! The simulated server, spoken to in raw octets.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod append;
mod client;
mod compress;
mod condstore;
mod extensions;
mod faults;
mod hazards;
mod literals;
mod mailboxes;
mod memory;
mod messages;
mod providers;
mod qresync;
mod robustness;
mod search;
mod sessions;
mod transport;

//! Whole runs between two simulated servers: what one has, the other has afterwards, whatever
//! the servers lack and whatever goes wrong.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod any_account;
mod check;
mod choices;
mod copies;
mod dates;
mod deletions;
mod doubles;
mod emptied;
mod extensions;
mod faults;
mod flags;
mod keeping;
mod kept;
mod lies;
mod losses;
mod moves;
mod pairs;
mod receipts;
mod reconnect;
mod repairs;
mod room;
mod side_by_side;
mod steps;
mod storm;
mod subscriptions;
mod throttling;
mod transforms;
mod twins;
mod undoing;
mod upheaval;
mod waits;

#[path = "../../../store/tests/imap_store/meddler.rs"]
mod meddler;
mod world;

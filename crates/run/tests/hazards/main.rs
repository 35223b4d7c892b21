//! Servers that tell too little, or something that is not so: nothing is lost, doubled or
//! removed for it, and the report does not call such a run complete.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod accounting;
mod recognising;
mod rewriting;
mod short_listings;

#[allow(dead_code, reason = "shared with the tests of whole runs")]
#[path = "../../../store/tests/imap_store/meddler.rs"]
mod meddler;
#[allow(dead_code, reason = "shared with the tests of whole runs")]
#[path = "../run/world.rs"]
mod world;

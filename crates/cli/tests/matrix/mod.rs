//! What the test matrix of real servers shares: mail for it, what a copy may differ in, and the
//! page that tells the results.
#![allow(unreachable_pub, missing_docs, clippy::unwrap_used, clippy::expect_used)]

pub mod mail;
pub mod page;
pub mod verdict;

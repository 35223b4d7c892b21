//! What the test matrix of real servers shares: mail for it, what a copy may differ in, and the
//! page that tells the results.

pub mod mail;
pub mod page;
pub mod verdict;

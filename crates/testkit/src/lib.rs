//! For tests and the demo: a simulated IMAP server, real servers, an independent judge, mail
//! to carry, a bad network.

pub mod authority;
pub mod certificate;
pub mod corpus;
pub mod detour;
pub mod dovecot;
pub mod farm;
pub mod fuzz;
mod harness;
pub mod probe;
pub mod proxy;
pub mod sim;
pub mod token;

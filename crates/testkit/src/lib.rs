//! What tests and the demo run against: a simulated IMAP server.

pub mod sim;

//! An IMAP client in two halves. The protocol half works on bytes alone: it frames what a
//! server sent ([`wire`]), reads it tolerantly ([`response`]) and builds commands
//! ([`command`]); it knows no socket and no clock. Nothing here knows what syncing is.
//!
//! All protocol text is bytes: real servers send 8-bit octets where the grammar forbids them.

pub mod capability;
pub mod command;
pub mod compress;
pub mod connection;
pub mod credentials;
pub mod date;
pub mod login;
pub mod meter;
pub mod mutf7;
pub mod pace;
pub mod proxy;
pub mod quirk;
pub mod response;
pub mod sasl;
pub mod session;
pub mod tls;
mod token;
pub mod trace;
pub mod uid_set;
pub mod wire;

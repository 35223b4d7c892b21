//! COMPRESS=DEFLATE (RFC 4978): the same octets in fewer, whoever cuts them, and a name for
//! what goes wrong.

#![allow(clippy::unwrap_used)]

mod pace;
mod server;
mod stream;
mod wire;

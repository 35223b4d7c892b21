//! A simulated IMAP4rev1 server: in process, deterministic, strict.
//!
//! It serves any stream ([`serve`]) or a loopback socket ([`Server`]). What it holds is an
//! [`Account`], which a test builds and inspects directly; how it behaves is a [`Profile`];
//! what goes wrong is a list of [`Fault`]s in it. It shares no code with the IMAP client: it
//! is a check on that client, so it answers BAD to what RFC 3501 forbids, and an extension
//! that is switched off is really absent.
//!
//! Not simulated: ENVELOPE, BODYSTRUCTURE and numbered body parts (answered with NO), since a
//! mail copier takes whole messages.

mod account;
mod append;
mod auth;
mod command;
mod compress;
mod date;
mod fault;
mod fetch;
mod flags;
mod gate;
mod habit;
mod hazard;
mod headers;
mod labels;
mod list;
mod mailbox;
mod mailstore;
mod modseq;
mod name;
mod open;
mod parse;
mod profile;
mod proper;
pub mod provider;
mod reader;
pub mod sample;
mod search;
mod sequence;
mod server;
mod session;
mod store;
mod strain;
pub mod tls;
mod vanished;
mod view;
mod wire;

pub use account::{Account, Message};
pub use date::Date;
pub use fault::{Effect, Fault, Point};
pub use flags::Flags;
pub use gate::{Gate, Moment, Release};
pub use habit::{
    Clock, Copies, DayLimit, Deleted, Duplicates, Enabled, Habits, Labels, RefuseName, Refused,
    Rows, Sizes, Throttle, Wording,
};
pub use hazard::{ModSequences, Modifier, UidValidities, Vanished};
pub use profile::{
    Alter, AppendCheck, AppendRequest, Codes, Extension, Keywords, Limits, LoginPolicy, Profile,
    Refuse, UidPlace, Watch, Zones,
};
pub use server::{LogEntry, Server, State, serve};

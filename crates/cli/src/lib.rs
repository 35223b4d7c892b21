//! The programs `mailferry` and `imapsync`: arguments to a job, events to text and JSON, the
//! outcome to an exit status. The only room that prints or reads the environment.

pub mod account;
pub mod budget;
pub mod claims;
pub mod compress;
pub mod deletion_limit;
pub mod detour;
pub mod drop_in;
pub mod fault_text;
pub mod imapsync;
pub mod local;
pub mod local_state;
pub mod mailferry;
mod moment;
pub mod permission;
pub mod screen;
pub mod secret;
pub mod servers;
pub mod status;
pub mod token;
pub mod trust;

//! Carries a plan out and says what became of every message.
//!
//! [`survey::survey`] lists both sides and makes the plan; nothing on a server changes before
//! the guard has approved it. [`execute::Execution`] carries it out.

pub mod accounts;
pub mod check;
pub mod copy;
pub mod events;
pub mod execute;
pub mod job;
mod lane;
mod mailbox;
pub mod pace;
pub mod quarantine;
pub mod report;
pub mod state;
pub mod stop;
pub mod survey;

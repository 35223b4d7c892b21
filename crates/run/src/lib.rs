//! Carries a plan out and says what became of every message.
//!
//! [`survey::survey`] lists both sides and makes the plan; nothing on a server changes before
//! the guard has approved it. [`execute::Execution`] carries it out.

pub mod accounts;
pub mod all_mail;
pub mod arrivals;
pub mod check;
pub mod claim;
mod claiming;
pub mod copy;
mod course;
mod day;
pub mod empty_mailboxes;
pub mod events;
pub mod execute;
pub mod forecast;
mod governor;
mod growth;
pub mod job;
mod keeping;
mod keywords;
mod labels;
mod lane;
pub mod ledger;
mod look_back;
mod mailbox;
mod on_heap;
pub mod pace;
pub mod past;
mod patience;
mod proof;
pub mod quarantine;
pub mod receipt;
mod recognition;
pub mod rehearsal;
mod removal;
mod repairing;
pub mod report;
mod room;
pub mod sample;
mod settle;
mod shortfall;
mod source_deletion;
mod spool;
pub mod state;
pub mod stop;
mod subscriptions;
pub mod survey;
pub mod transform;
mod twins;
pub mod undo;
mod within;
mod worker;
mod workers;

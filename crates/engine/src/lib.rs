//! The pure heart of mailferry.
//!
//! Listings of both sides go in, a plan comes out: which messages are the same
//! ([`identity`]), which mailboxes and messages take part ([`select`]), what a mailbox is
//! called on the other side ([`mapping`]), what is to be done ([`plan`]) and whether that is
//! safe ([`guard`]). No I/O, no clock, no environment, no randomness: the same input gives
//! the same plan, byte for byte.

pub mod account;
pub mod canonical;
mod deletion;
pub mod fault;
pub mod guard;
pub mod identity;
pub mod keeping;
pub mod labels;
pub mod listing;
pub mod mapping;
pub mod message;
pub mod name;
pub mod pairing;
pub mod plan;
pub mod policy;
pub mod repair;
pub mod select;
mod separator;
pub mod special_use;
pub mod subscriptions;
pub mod summary;

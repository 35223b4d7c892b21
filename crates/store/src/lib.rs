//! Where mail lives, behind one written contract ([`contract::Source`], [`contract::Target`]).
//! Adapters never import each other.

pub mod archive;
pub mod contract;
pub mod either;
pub mod files;
pub mod imap;
pub mod lock_file;
pub mod maildir;
pub mod quota;

//! The built programs between servers, as their users start them. It is one test program, so that what
//! all of these tests rest on is linked once.
#![allow(
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stderr,
    clippy::print_stdout
)]

// What the tests stand on.
mod contest;
mod imitation;
mod jobs;
mod matrix;
mod pair;
mod scenarios;
mod scene;
mod walk;
mod world;

mod archives;
mod backup;
mod bare_environment;
mod broken;
mod compress;
mod differential;
mod doctor;
mod documents;
mod drill;
mod expressions;
mod failures;
mod hostile;
mod keeping;
mod labels;
mod local_faults;
mod login;
mod mailcow;
mod maildir;
mod moves;
mod nights;
mod oauth;
mod past;
mod presync;
mod procedures;
mod providers;
mod receipts;
mod restore;
mod retry;
mod schedule;
mod servers;
mod side_by_side;
mod state;
mod throttling;
mod tls_and_plan;
mod transfer;
mod transforms;
mod undo;

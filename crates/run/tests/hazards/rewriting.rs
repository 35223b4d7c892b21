//! Targets that rewrite the headers of what they store (Domino, some Exchange).

use std::sync::Arc;

use mailferry_engine::fault::FaultKind;
use mailferry_engine::policy::Rules;
use mailferry_run::job::Job;
use mailferry_run::state::State;
use mailferry_testkit::sim::Profile;
use tempfile::TempDir;

use crate::world::{World, assert_complete, assert_idle, date, faults, fill, job};

/// Every message gets another Message-Id.
pub(crate) fn rewriting() -> Profile {
    let alter = |octets: &[u8]| {
        let text = String::from_utf8_lossy(octets);
        text.replace("Message-Id: <", "Message-Id: <rewritten.").into_bytes()
    };
    Profile { alter: Some(Arc::new(alter)), ..Profile::modern() }
}

pub(crate) fn with_state(rules: Rules, folder: &TempDir) -> Job {
    let state = State::open(folder.path(), "user@source", "user@target").unwrap();
    Job { state: Some(Arc::new(state)), ..job(rules) }
}

async fn copied(messages: u32, folder: &TempDir) -> World {
    let world = World::new();
    fill(&world.source, "INBOX", 1..messages + 1, 400);
    let rules = || with_state(Rules::sync(), folder);
    let first = world.run(Profile::modern(), rewriting(), &rules()).await;
    assert_eq!(first.total().copied, u64::from(messages));
    assert_eq!(faults(&first, FaultKind::Unrecognised), [0]);
    assert_idle(&world.run(Profile::modern(), rewriting(), &rules()).await);
    world
}

#[tokio::test]
async fn a_target_that_rewrites_headers_is_gone_on_with_by_the_uids_of_its_copies() {
    let folder = tempfile::tempdir().unwrap();
    let world = copied(30, &folder).await;
    fill(&world.source, "INBOX", 31..34, 400);
    let report =
        world.run(Profile::modern(), rewriting(), &with_state(Rules::sync(), &folder)).await;
    assert_eq!(faults(&report, FaultKind::Unrecognised), [0], "it says so");
    assert_eq!((report.total().copied, report.failures().count()), (3, 1));
    assert_eq!(world.target.messages("INBOX").len(), 33);
}

#[tokio::test]
async fn losing_the_state_stops_such_a_mailbox_and_doubles_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let world = copied(30, &folder).await;
    let report = world.run(Profile::modern(), rewriting(), &job(Rules::sync())).await;
    assert!(!report.is_complete());
    assert_eq!(faults(&report, FaultKind::Unrecognised), [0]);
    assert_eq!(world.target.messages("INBOX").len(), 30);
}

#[tokio::test]
async fn a_presync_to_such_a_target_removes_nothing_and_copies_nothing_again() {
    for messages in [10, 30] {
        let folder = tempfile::tempdir().unwrap();
        let world = copied(messages, &folder).await;
        for uid in [2, 5] {
            assert!(world.source.expunge("INBOX", uid));
        }
        fill(&world.source, "INBOX", 100..101, 400);
        let there = messages as usize + 1;
        for copied in [1, 0] {
            let presync = with_state(Rules::presync(), &folder);
            let report = world.run(Profile::modern(), rewriting(), &presync).await;
            assert!(!report.is_complete(), "it says so");
            assert_eq!(faults(&report, FaultKind::Unrecognised), [0]);
            assert_eq!((report.total().copied, report.total().deleted), (copied, 0));
            assert_eq!(world.target.messages("INBOX").len(), there);
        }
        let sync = with_state(Rules::sync(), &folder);
        assert_idle(&world.run(Profile::modern(), rewriting(), &sync).await);
    }
}

/// A target may give a Message-Id to a message that has none (Exchange does). What is left of it is
/// the same message.
#[tokio::test]
async fn a_message_that_gets_its_message_id_on_the_target_is_copied_once() {
    let world = World::new();
    fill(&world.source, "INBOX", 1..6, 400);
    world.source.append("INBOX", b"Subject: without identity\r\n\r\nx\r\n", &[], date(9));
    let alter = Arc::new(|octets: &[u8]| {
        if octets.starts_with(b"Message-Id") {
            octets.to_vec()
        } else {
            [b"Message-Id: <added@target>\r\n", octets].concat()
        }
    });
    let target = Profile { alter: Some(alter), ..Profile::modern() };
    for rules in [Rules::sync(), Rules::mirror()] {
        let run = world.run(Profile::modern(), target.clone(), &job(rules)).await;
        assert_complete(&run);
        assert_eq!(world.target.messages("INBOX").len(), 6);
    }
    assert_idle(&world.run(Profile::modern(), target, &job(Rules::sync())).await);
}

//! A target that is full while the plan removes mail from it.

use std::sync::Arc;

use mailferry_engine::fault::FaultKind;
use mailferry_engine::policy::{DeleteRule, Rules};
use mailferry_testkit::sim::{Limits, Profile, Watch};

use crate::world::{World, assert_complete, assert_idle, bodies, date, fill, job, message};

fn full_at(messages: usize) -> Profile {
    let limits = Limits { quota_messages_max: Some(messages), ..Profile::modern().limits };
    Profile { limits, ..Profile::modern() }
}

/// The target holds what the source had before: thirty messages, of which it still has one.
fn outgrown() -> World {
    let world = World::new();
    fill(&world.source, "INBOX", 1..2, 400);
    fill(&world.source, "INBOX", 100..130, 400);
    fill(&world.target, "INBOX", 1..31, 400);
    world
}

#[tokio::test]
async fn what_was_to_go_goes_first_and_the_copies_are_tried_again() {
    let world = outgrown();
    let report = world.run(Profile::modern(), full_at(35), &job(Rules::presync())).await;
    assert_complete(&report);
    let (planned, done) = (&report.mailboxes[0].planned, report.total());
    assert_eq!((done.copied, done.deleted, done.failed), (30, 29, 0));
    assert_eq!((planned.copy, planned.delete, planned.present), (30, 29, 1));
    assert!(planned.add_up(), "{planned:?}");
    world.assert_same_mail();
    assert_idle(&world.run(Profile::modern(), full_at(35), &job(Rules::presync())).await);
}

#[tokio::test]
async fn a_mailbox_that_was_renamed_makes_room_for_itself() {
    let world = World::new();
    fill(&world.source, "New", 1..31, 400);
    fill(&world.target, "Old", 1..31, 400);
    let report = world.run(Profile::modern(), full_at(40), &job(Rules::mirror())).await;
    assert_complete(&report);
    assert_eq!((report.total().copied, report.deleted_mailboxes.len()), (30, 1));
    assert_eq!(bodies(&world.source, "New"), bodies(&world.target, "New"));
    assert!(!world.target.snapshot().contains_key("Old"));
}

#[tokio::test]
async fn without_a_rule_nothing_goes() {
    let world = outgrown();
    let report = world.run(Profile::modern(), full_at(35), &job(Rules::sync())).await;
    assert!(!report.is_complete());
    assert!(report.faults.iter().all(|fault| fault.kind == FaultKind::OverQuota));
    assert_eq!((report.total().deleted, world.target.messages("INBOX").len()), (0, 35));
}

#[tokio::test]
async fn too_little_room_is_told_once_and_nothing_goes_twice() {
    let world = outgrown();
    let report = world.run(Profile::modern(), full_at(33), &job(Rules::presync())).await;
    assert_complete(&report);
    let world = outgrown();
    fill(&world.source, "INBOX", 130..140, 400);
    let report = world.run(Profile::modern(), full_at(35), &job(Rules::presync())).await;
    assert!(!report.is_complete());
    let done = report.total();
    assert_eq!((done.copied, done.deleted), (34, 29));
    assert_eq!(done.failed + report.not_started(), 6);
    assert_eq!(world.target.messages("INBOX").len(), 35);
}

/// What cannot be read may be what is to be removed under another name.
#[tokio::test]
async fn where_something_else_failed_nothing_goes() {
    let world = outgrown();
    fill(&world.source, "Other", 1..4, 400);
    fill(&world.target, "Other", 50..53, 400);
    // One of the new messages cannot be fetched: neither alone nor with the others.
    let gone = world.source.clone();
    let watch: Watch = Arc::new(move |entry| {
        if entry.line.contains("BODY.PEEK[]") {
            gone.expunge("INBOX", 2);
        }
    });
    let source = Profile { watch: Some(watch), ..Profile::modern() };
    let before = bodies(&world.target, "INBOX");
    let running = world.serve(source, full_at(40)).await;
    let report = running.run(&job(Rules::presync())).await.unwrap();
    assert!(!report.is_complete());
    let there = bodies(&world.target, "INBOX");
    assert!(before.iter().all(|octets| there.contains(octets)), "messages went from INBOX");
    assert!(!bodies(&world.target, "Other").contains(&message(50, 400)));
}

#[tokio::test]
async fn a_message_that_is_too_large_for_what_is_left_does_not_keep_the_others_out() {
    let world = World::new();
    fill(&world.target, "INBOX", 1..11, 10_000);
    world.source.append("INBOX", &message(50, 300_000), &[], date(50));
    fill(&world.source, "INBOX", 51..54, 1_000);
    let limits = Limits { quota_octets_max: Some(150_000), ..Profile::modern().limits };
    let target = || Profile { limits: limits.clone(), ..Profile::modern() };
    let rules = Rules { delete: DeleteRule::Messages, ..Rules::presync() };
    let report = world.run(Profile::modern(), target(), &job(rules)).await;
    assert!(!report.is_complete());
    assert_eq!(report.total().deleted, 10);
    assert!(report.failures().all(|fault| fault.kind == FaultKind::OverQuota));
}

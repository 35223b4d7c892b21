//! Messages that somebody else stores on the target while they are copied: what a killed run had
//! sent, or what another program copies.

use std::sync::Arc;

use mailferry_engine::fault::FaultKind;
use mailferry_engine::policy::Rules;
use mailferry_run::events::{Event, EventSink};
use mailferry_run::report::Report;
use mailferry_run::stop::Stop;
use mailferry_testkit::sim::{Extension, Profile};

use crate::world::{World, assert_complete, assert_idle, date, fill, job};

/// Does something when the plan is made.
struct WhenPlanned<F>(F);

impl<F: Fn() + Send + Sync> EventSink for WhenPlanned<F> {
    fn on(&self, event: &Event<'_>) {
        if matches!(event, Event::Planned(_)) {
            (self.0)();
        }
    }
}

async fn run_while(
    world: &World,
    target: Profile,
    meanwhile: impl Fn() + Send + Sync + 'static,
) -> Report {
    let running = world.serve(Profile::modern(), target).await;
    let events = Arc::new(WhenPlanned(meanwhile));
    running.run_with(&job(Rules::sync()), &Stop::default(), events).await.unwrap()
}

/// 40 messages, 20 of which are on the target already.
async fn half_copied() -> World {
    let world = World::new();
    fill(&world.source, "INBOX", 1..21, 400);
    fill(&world.source, "Other", 1..6, 400);
    world.run_until_settled(Profile::modern(), Profile::modern(), &job(Rules::sync())).await;
    fill(&world.source, "INBOX", 21..41, 500);
    world
}

#[tokio::test]
async fn what_a_killed_run_had_sent_arrives_late_and_is_there_once() {
    let world = half_copied().await;
    let late = world.target.clone();
    let report = run_while(&world, Profile::modern(), move || {
        fill(&late, "INBOX", 21..26, 500);
    })
    .await;
    assert_complete(&report);
    assert_eq!((report.total().copied, report.doubles_removed), (20, 5));
    world.assert_same_mail();
    assert_idle(&world.run(Profile::modern(), Profile::modern(), &job(Rules::sync())).await);
}

#[tokio::test]
async fn where_copies_have_no_known_uids_doubles_are_told_and_left() {
    let world = half_copied().await;
    let late = world.target.clone();
    let target = Profile::modern().without(Extension::UidPlus);
    let report = run_while(&world, target, move || fill(&late, "INBOX", 21..26, 500)).await;
    assert!(!report.is_complete());
    let failures: Vec<_> = report.failures().collect();
    let [only] = failures[..] else { panic!("{failures:#?}") };
    assert_eq!(only.kind, FaultKind::Append);
    assert!(only.words.starts_with("5 messages are there twice"), "{}", only.words);
    assert_eq!((world.target.messages("INBOX").len(), report.doubles_removed), (45, 0));
}

#[tokio::test]
async fn new_mail_on_the_target_and_equal_messages_of_the_source_are_no_doubles() {
    let world = half_copied().await;
    for _ in 0..3 {
        world.source.append("INBOX", b"Message-Id: <three@x>\r\n\r\nthrice\r\n", &[], date(70));
    }
    let arriving = world.target.clone();
    let report = run_while(&world, Profile::modern(), move || {
        fill(&arriving, "INBOX", 100..110, 500);
        // Delivered twice by somebody else.
        fill(&arriving, "INBOX", 100..101, 500);
    })
    .await;
    assert_complete(&report);
    assert_eq!((report.total().copied, report.doubles_removed), (23, 0));
    assert_eq!(world.target.messages("INBOX").len(), 54);
}

/// Of two runs that copy the same at the same time each finds what the other stored: both must not
/// remove theirs.
#[tokio::test]
async fn two_runs_side_by_side_leave_every_message_at_least_once() {
    for _ in 0..5 {
        let world = half_copied().await;
        let running = world.serve(Profile::modern(), Profile::modern()).await;
        let job = job(Rules::sync());
        let (one, other) = tokio::join!(running.run(&job), running.run(&job));
        let removed = one.unwrap().doubles_removed + other.unwrap().doubles_removed;
        let there = world.target.messages("INBOX").len();
        assert!(there >= 40, "{there} messages, {removed} removed");
        let mut bodies = crate::world::bodies(&world.target, "INBOX");
        bodies.sort();
        bodies.dedup();
        assert_eq!(bodies.len(), 40, "{removed} removed");
    }
}

//! What is reported as done was done, and what was not is no success.

use std::sync::Arc;

use mailferry_engine::fault::FaultKind;
use mailferry_engine::policy::Rules;
use mailferry_run::check::{Check, Comparison, Depth};
use mailferry_run::events::{Event, EventSink, Silent};
use mailferry_run::job::{Job, Limits, ReconnectLimits};
use mailferry_run::stop::Stop;
use mailferry_run::survey::survey;
use mailferry_store::contract::DatesAsked;
use mailferry_testkit::sim::{AppendRequest, Effect, Extension, Fault, Profile};

use crate::meddler::{Meddler, Rewrite, holds, replaced};
use crate::world::{
    Addresses, Running, World, assert_complete, digest, faults, fill, job, job_in_order, quick,
};

/// Does something when the plan is made.
struct WhenPlanned<F>(F);

impl<F: Fn() + Send + Sync> EventSink for WhenPlanned<F> {
    fn on(&self, event: &Event<'_>) {
        if matches!(event, Event::Planned(_)) {
            (self.0)();
        }
    }
}

/// Twenty messages on both sides, and five more on the target.
async fn with_surplus() -> World {
    let world = World::new();
    fill(&world.source, "INBOX", 1..21, 400);
    world.run_until_settled(Profile::modern(), Profile::modern(), &job(Rules::sync())).await;
    fill(&world.target, "INBOX", 100..105, 400);
    world
}

/// Without the right to expunge (RFC 4314 §4) a server may say OK and do nothing.
#[tokio::test]
async fn a_message_that_is_still_there_was_not_removed() {
    let world = with_surplus().await;
    let before = world.target.messages("INBOX").len();
    // The server does not know UID EXPUNGE; its BAD is made an OK on the way.
    let target = Profile::modern().without(Extension::UidPlus);
    let running = world.serve(Profile::modern(), target).await;
    let rewrite: Rewrite = Arc::new(|response| {
        if holds(response, "CAPABILITY") {
            replaced(response, "UNSELECT", "UIDPLUS UNSELECT")
        } else if holds(response, " BAD ") {
            let tag = response.split(|&octet| octet == b' ').next().unwrap();
            [tag, b" OK done\r\n"].concat()
        } else {
            response.to_vec()
        }
    });
    let meddler = Meddler::start(running.addresses.target, rewrite).await;
    let addresses = Addresses { target: meddler.address, ..running.addresses.clone() };
    let running = Running { addresses, ..running };
    let report = running.run(&job(Rules::presync())).await.unwrap();
    assert_eq!(world.target.messages("INBOX").len(), before);
    assert!(!report.is_complete());
    assert_eq!((report.total().deleted, report.total().delete_failed), (0, 5));
    assert_eq!(faults(&report, FaultKind::DeleteMessage).len(), 5);
}

#[tokio::test]
async fn a_mailbox_that_appears_with_mail_before_it_is_created_is_left_alone() {
    let world = World::new();
    fill(&world.source, "Archive", 1..11, 400);
    let running = world.serve(Profile::modern(), Profile::modern()).await;
    let target = world.target.clone();
    // Another run was faster.
    let events = Arc::new(WhenPlanned(move || fill(&target, "Archive", 1..11, 400)));
    let report = running.run_with(&job(Rules::sync()), &Stop::default(), events).await.unwrap();
    assert_eq!(world.target.messages("Archive").len(), 10, "doubled");
    assert!(!report.is_complete());
    assert_eq!(faults(&report, FaultKind::Create), [0]);
    let report = world.run(Profile::modern(), Profile::modern(), &job(Rules::sync())).await;
    assert_complete(&report);
    assert_eq!(digest(&world.source)["Archive"], digest(&world.target)["Archive"]);
}

#[tokio::test]
async fn an_empty_mailbox_that_appears_before_it_is_created_is_used() {
    let world = World::new();
    fill(&world.source, "Archive", 1..11, 400);
    let running = world.serve(Profile::modern(), Profile::modern()).await;
    let target = world.target.clone();
    let events = Arc::new(WhenPlanned(move || {
        target.add_mailbox("Archive");
    }));
    let report = running.run_with(&job(Rules::sync()), &Stop::default(), events).await.unwrap();
    assert_complete(&report);
    assert_eq!(world.target.messages("Archive").len(), 10);
}

#[tokio::test]
async fn mailboxes_that_were_to_go_and_stayed_are_no_success() {
    let world = with_surplus().await;
    fill(&world.target, "Old", 900..903, 300);
    world.target.subscribe("Old");
    let fault = Fault::at_command("DELETE", 1, Effect::No("in use".into()));
    let target = Profile { faults: vec![fault], ..Profile::modern() };
    let report = world.run(Profile::modern(), target, &job(Rules::mirror())).await;
    assert!(!report.is_complete());
    assert!(world.target.subscriptions().contains("Old"), "what stays stays subscribed");
    let running = world.serve(Profile::modern(), Profile::modern()).await;
    let stop = Stop::default();
    let asks = stop.clone();
    let events = Arc::new(WhenPlanned(move || asks.ask()));
    let report = running.run_with(&job(Rules::mirror()), &stop, events).await.unwrap();
    assert_eq!(report.deleted_mailboxes, []);
    assert!(!report.is_complete(), "stopped before the mailbox was deleted");
}

#[tokio::test]
async fn a_body_that_the_server_refuses_is_not_taken_for_expunged() {
    let world = World::new();
    fill(&world.source, "INBOX", 1..6, 400);
    // All but the listing: the bodies, and the question what is still there.
    let busy = |nth| Fault::at_command("UID FETCH", nth, Effect::No("[LIMIT] slow down".into()));
    let source = Profile { faults: (2..9).map(busy).collect(), ..Profile::modern() };
    let report = world.run(source, Profile::modern(), &job_in_order(Rules::sync())).await;
    assert_eq!((report.total().expunged, report.total().failed), (0, 5));
    assert!(!report.is_complete());
}

#[tokio::test]
async fn the_limit_of_faults_is_one_for_all_mailboxes() {
    let world = World::new();
    for at in 0..40 {
        fill(&world.source, &format!("Box {at}"), at * 10 + 1..at * 10 + 4, 400);
    }
    let refuse = Arc::new(|_: &AppendRequest<'_>| Some("no".to_owned()));
    let target = Profile { refuse: Some(refuse), ..Profile::modern() };
    let limits = Limits { pairs_max: 1, faults_max: 5, ..quick() };
    let report = world.run(Profile::modern(), target, &Job { limits, ..job(Rules::sync()) }).await;
    let failed = report.total().failed;
    // What was on its way when the fifth was refused is answered, too.
    assert!((5..60).contains(&failed), "{failed} messages failed");
    assert_eq!(report.not_started(), 120 - failed);
}

async fn compared(world: &World, source: Profile, target: Profile) -> Comparison {
    let running = world.serve(source, target).await;
    let mut job = job_in_order(Rules::mirror());
    job.target_dates = DatesAsked::WithTheRest;
    let stop = Stop::default();
    let mut found = survey(&running.addresses, &job, &Silent, &stop).await.unwrap();
    let check = Check {
        accounts: &running.addresses,
        depth: Depth::Listed,
        record: None,
        reconnect: job.limits.reconnect,
        events: &Silent,
        stop: &stop,
    };
    check.run(&mut found, |_| {}).await.unwrap().sums
}

#[tokio::test]
async fn a_mailbox_that_cannot_be_listed_is_not_the_same() {
    let refused = || {
        let fault = Fault::at_command("EXAMINE", 1, Effect::No("[NOPERM] not yours".into()));
        Profile { faults: vec![fault], ..Profile::modern() }
    };
    let world = World::new();
    assert!(compared(&world, Profile::modern(), Profile::modern()).await.is_same());
    assert!(!compared(&world, refused(), Profile::modern()).await.is_same());
    assert!(!compared(&world, Profile::modern(), refused()).await.is_same());
}

/// Moved on the source since the last run: in the backup it must be in one place or the other.
#[tokio::test]
async fn a_moved_message_is_not_removed_before_its_copy_is_there() {
    let moved = || async {
        let world = World::new();
        fill(&world.source, "A", 1..21, 400);
        fill(&world.source, "B", 101..121, 400);
        world.run_until_settled(Profile::modern(), Profile::modern(), &job(Rules::sync())).await;
        for (uid, number) in [(3, 3), (4, 4)] {
            assert!(world.source.expunge("A", uid));
            fill(&world.source, "B", number..number + 1, 400);
        }
        world
    };
    let reconnect = ReconnectLimits { attempts_max: 0, ..quick().reconnect };
    let limits = Limits { reconnect, ..quick() };
    let once = Job { limits, ..job(Rules::presync()) };
    for effect in [Effect::Cut, Effect::CutUnanswered, Effect::Bye("bye".into())] {
        let world = moved().await;
        let fault = Fault::at_command("APPEND", 1, effect.clone());
        // The batch, then each message alone.
        let again = Fault::at_command("APPEND", 2, effect);
        let target = Profile { faults: vec![fault, again], ..Profile::modern() };
        let report = world.run(Profile::modern(), target, &once).await;
        assert!(!report.is_complete());
        assert_eq!(report.total().deleted, 0);
        assert_eq!(world.target.messages("A").len(), 20, "removed before it was copied");
        world.run_until_settled(Profile::modern(), Profile::modern(), &job(Rules::presync())).await;
        assert_eq!(world.target.messages("A").len(), 18);
        assert_eq!(world.target.messages("B").len(), 22);
    }
    // A full target is the exception: there the removals make room for the copies.
    let world = moved().await;
    let full = |nth| Fault::at_command("APPEND", nth, Effect::No("[OVERQUOTA] full".into()));
    let target = Profile { faults: vec![full(1), full(2)], ..Profile::modern() };
    assert_complete(&world.run(Profile::modern(), target, &once).await);
    assert_eq!(world.target.messages("A").len(), 18);
    assert_eq!(world.target.messages("B").len(), 22);
}

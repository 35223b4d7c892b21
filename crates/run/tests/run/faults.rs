//! What goes wrong while a run is under way: told, bounded, and made good by the next run.

use std::sync::Arc;

use mailferry_engine::fault::FaultKind;
use mailferry_engine::policy::Rules;
use mailferry_run::events::{Event, EventSink};
use mailferry_run::report::Report;
use mailferry_run::stop::Stop;
use mailferry_testkit::sim::{Effect, Fault, Limits, Profile, UidPlace};

use crate::meddler::{Meddler, Rewrite, holds, replaced};
use crate::reconnect::{Reconnect, job_without_reconnecting, survives, with};
use crate::world::{
    Addresses, Running, World, assert_complete, assert_idle, bodies, faults, fill, furnish, job,
    job_in_order,
};

/// Does something when the plan is made, or when a message was copied.
struct Hook<F>(F);

impl<F: Fn(&Event<'_>) + Send + Sync> EventSink for Hook<F> {
    fn on(&self, event: &Event<'_>) {
        (self.0)(event);
    }
}

fn when_planned(act: impl Fn() + Send + Sync + 'static) -> Arc<dyn EventSink> {
    Arc::new(Hook(move |event: &Event<'_>| {
        if matches!(event, Event::Planned(_)) {
            act();
        }
    }))
}

async fn run_hooked(running: &Running, events: Arc<dyn EventSink>) -> Report {
    running.run_with(&job_in_order(Rules::sync()), &Stop::default(), events).await.unwrap()
}

#[tokio::test]
async fn a_message_expunged_meanwhile_is_told_and_harms_no_other() {
    for mailbox in ["A", "B"] {
        for profile in [Profile::modern(), Profile { uid_place: UidPlace::Last, ..Profile::bare() }]
        {
            let world = World::new();
            for name in ["A", "B"] {
                fill(&world.source, name, 1..31, 400);
                fill(&world.source, name, 31..33, 100_000);
                fill(&world.source, name, 33..41, 400);
            }
            let source = world.source.clone();
            let running = world.serve(profile, Profile::modern()).await;
            let events = when_planned(move || {
                for uid in [3, 17, 31, 40] {
                    assert!(source.expunge(mailbox, uid));
                }
            });
            let report = run_hooked(&running, events).await;
            assert_complete(&report);
            let mut gone = faults(&report, FaultKind::Expunged);
            gone.sort_unstable();
            assert_eq!(gone, [3, 17, 31, 40]);
            assert_eq!((report.total().copied, report.total().expunged), (76, 4));
            world.assert_same();
        }
    }
}

/// Runs with a meddler before the source, then once more without.
async fn meddled(world: &World, source: Profile, rewrite: Rewrite) -> Report {
    let running = world.serve(source, Profile::modern()).await;
    let meddler = Meddler::start(running.addresses.source, rewrite).await;
    let addresses = Addresses { source: meddler.address, ..running.addresses.clone() };
    let running = Running { addresses, ..running };
    running.run(&job_in_order(Rules::sync())).await.unwrap()
}

/// Courier sends a made-up message for one that was expunged meanwhile.
#[tokio::test]
async fn a_body_made_up_for_an_expunged_message_is_not_copied() {
    for uid in [2, 5] {
        let world = World::new();
        fill(&world.source, "INBOX", 1..5, 400);
        fill(&world.source, "INBOX", 5..7, 100_000);
        fill(&world.source, "INBOX", 7..9, 400);
        let listed = format!("(UID {uid} RFC822.SIZE");
        let delivered = format!("(UID {uid} BODY[]");
        let rewrite: Rewrite = Arc::new(move |response| {
            if holds(response, &delivered) {
                let body = "Subject: this message no longer exists\r\n\r\n";
                return format!(
                    "* {uid} FETCH (UID {uid} BODY[] {{{}}}\r\n{body})\r\n",
                    body.len()
                )
                .into_bytes();
            }
            let gone = holds(response, &listed) && !holds(response, "INTERNALDATE");
            if gone { Vec::new() } else { response.to_vec() }
        });
        let report = meddled(&world, Profile::modern(), rewrite).await;
        assert_eq!(faults(&report, FaultKind::Expunged), [uid]);
        assert_eq!((report.total().copied, report.total().expunged), (7, 1));
        let mut expected = bodies(&world.source, "INBOX");
        expected.remove(uid as usize - 1);
        assert_eq!(bodies(&world.target, "INBOX"), expected);
    }
}

#[tokio::test]
async fn sizes_that_lie_lose_nothing() {
    let lies: [(&str, &str); 4] = [
        ("RFC822.SIZE 400 ", "RFC822.SIZE 401 "),
        ("RFC822.SIZE 400 ", "RFC822.SIZE 90000 "),
        ("RFC822.SIZE 100000 ", "RFC822.SIZE 99 "),
        ("RFC822.SIZE 100000 ", "RFC822.SIZE 0 "),
    ];
    for (truth, lie) in lies {
        for profile in
            [Profile::modern(), Profile { uid_place: UidPlace::Last, ..Profile::modern() }]
        {
            let world = World::new();
            fill(&world.source, "INBOX", 1..21, 400);
            fill(&world.source, "INBOX", 21..24, 100_000);
            fill(&world.source, "INBOX", 24..30, 400);
            let rewrite: Rewrite =
                Arc::new(move |response| replaced(response, truth.trim_end(), lie.trim_end()));
            let report = meddled(&world, profile, rewrite).await;
            assert_complete(&report);
            let there = bodies(&world.target, "INBOX");
            assert!(there.len() == 29);
            for octets in bodies(&world.source, "INBOX") {
                assert!(there.contains(&octets), "{lie}: lost or changed");
            }
            if report.mailboxes[0].out_of_order.is_empty() {
                world.assert_same();
            }
        }
    }
}

#[tokio::test]
async fn a_message_left_out_once_is_asked_for_again() {
    for uid in [4, 22] {
        let world = World::new();
        fill(&world.source, "INBOX", 1..21, 400);
        fill(&world.source, "INBOX", 21..24, 100_000);
        let left = Arc::new(std::sync::atomic::AtomicU32::new(1));
        let rewrite: Rewrite = Arc::new(move |response| {
            use std::sync::atomic::Ordering::SeqCst;
            let this = holds(response, &format!("(UID {uid} BODY[]"));
            let once =
                this && left.fetch_update(SeqCst, SeqCst, |left| left.checked_sub(1)).is_ok();
            if once { Vec::new() } else { response.to_vec() }
        });
        let report = meddled(&world, Profile::modern(), rewrite).await;
        assert_complete(&report);
        assert_eq!(bodies(&world.target, "INBOX").len(), 23);
    }
}

#[tokio::test]
async fn a_message_that_is_never_delivered_is_told_and_harms_no_other() {
    for uid in [1, 4, 22, 23] {
        let world = World::new();
        fill(&world.source, "INBOX", 1..21, 400);
        fill(&world.source, "INBOX", 21..24, 100_000);
        let rewrite: Rewrite = Arc::new(move |response| {
            if holds(response, &format!("(UID {uid} BODY[]")) {
                Vec::new()
            } else {
                response.to_vec()
            }
        });
        let report = meddled(&world, Profile::modern(), rewrite).await;
        assert!(!report.is_complete());
        assert_eq!(faults(&report, FaultKind::Fetch), [uid]);
        assert_eq!((report.total().copied, report.total().failed), (22, 1));
    }
}

#[tokio::test]
async fn a_message_of_which_the_server_says_nothing_at_all_is_no_expunged_one() {
    let world = World::new();
    fill(&world.source, "INBOX", 1..2, 400);
    let refuse = |nth| Fault::at_command("UID FETCH", nth, Effect::No("[SERVERBUG] cannot".into()));
    let source = Profile { faults: vec![refuse(2), refuse(3), refuse(4)], ..Profile::modern() };
    let report = world.run(source, Profile::modern(), &job(Rules::sync())).await;
    assert!(!report.is_complete());
    assert_eq!(faults(&report, FaultKind::Fetch), [1]);
    assert_eq!((report.total().failed, report.total().expunged), (1, 0));
}

#[tokio::test]
async fn a_message_that_is_listed_by_search_alone_is_a_problem_and_harms_no_other() {
    let world = World::new();
    fill(&world.source, "INBOX", 1..21, 400);
    let rewrite: Rewrite =
        Arc::new(
            |response| {
                if holds(response, "(UID 7 FLAGS") { Vec::new() } else { response.to_vec() }
            },
        );
    let report = meddled(&world, Profile::modern(), rewrite).await;
    assert!(!report.is_complete());
    assert_eq!(report.mailboxes[0].planned.problem, 1);
    assert_eq!(report.total().copied, 19);
}

#[tokio::test]
async fn flags_that_no_flag_may_be_do_not_keep_a_message_back() {
    for odd in ["bad\"flag", "w\u{e9}ird", "a(b", "star*", "{3}", "perc%nt"] {
        let world = World::new();
        fill(&world.source, "INBOX", 1..6, 400);
        let rewrite: Rewrite = Arc::new(move |response| {
            if holds(response, "(UID 2 FLAGS") {
                replaced(response, "FLAGS (", &format!("FLAGS ({odd} "))
            } else {
                response.to_vec()
            }
        });
        let report = meddled(&world, Profile::modern(), rewrite.clone()).await;
        assert_complete(&report);
        world.assert_same();
        let again = meddled(&world, Profile::modern(), rewrite).await;
        assert_idle(&again);
    }
}

#[tokio::test]
async fn refusals_of_any_command_are_told_and_made_good_by_the_next_run() {
    for name in [
        "LIST",
        "EXAMINE",
        "UID FETCH",
        "UID SEARCH",
        "APPEND",
        "CREATE",
        "SUBSCRIBE",
        "UNSELECT",
        "NAMESPACE",
        "CAPABILITY",
    ] {
        for effect in [
            Effect::No("not now".into()),
            Effect::Bad("what?".into()),
            Effect::Bye("go away".into()),
            Effect::Cut,
        ] {
            for nth in [1, 2] {
                let fault = Fault::at_command(name, nth, effect.clone());
                survives(
                    with(fault.clone(), Profile::modern()),
                    Profile::modern(),
                    Reconnect::Never,
                )
                .await;
                survives(Profile::modern(), with(fault, Profile::modern()), Reconnect::Never).await;
            }
        }
    }
}

#[tokio::test]
async fn fewer_connections_than_wished_for_still_do_all_the_work() {
    let limits = |sessions_max, connections_max| Limits {
        sessions_max,
        connections_max,
        ..Limits::default()
    };
    for limits in [limits(Some(1), None), limits(Some(2), None), limits(None, Some(1))] {
        for (source, target) in [
            (Profile { limits: limits.clone(), ..Profile::modern() }, Profile::modern()),
            (Profile::modern(), Profile { limits: limits.clone(), ..Profile::modern() }),
        ] {
            let world = World::new();
            furnish(&world.source);
            let report = world.run(source, target, &job(Rules::sync())).await;
            assert_complete(&report);
            world.assert_same();
        }
    }
}

#[tokio::test]
async fn a_stop_ends_the_run_in_good_order() {
    for (at, profile) in [(1, Profile::bare()), (60, Profile::modern()), (290, Profile::modern())] {
        let world = World::new();
        fill(&world.source, "A", 1..301, 2_000);
        fill(&world.source, "A", 301..303, 900_000);
        fill(&world.source, "B", 1..301, 2_000);
        // More than can be on its way at once: B is begun before A is answered for.
        fill(&world.source, "B", 301..341, 900_000);
        let stop = Stop::default();
        let copied = std::sync::atomic::AtomicU32::new(0);
        let asks = stop.clone();
        let events = Arc::new(Hook(move |event: &Event<'_>| {
            let copy = matches!(event, Event::Copied(_));
            if copy && copied.fetch_add(1, std::sync::atomic::Ordering::SeqCst) + 1 == at {
                asks.ask();
            }
        }));
        let running = world.serve(Profile::modern(), profile).await;
        let report = running.run_with(&job_in_order(Rules::sync()), &stop, events).await.unwrap();
        let there = world.target.messages("A").len() + world.target.messages("B").len();
        assert_eq!(report.total().copied, there as u64, "everything that arrived is told");
        assert!(report.not_started() > 0 && !report.is_complete());
        assert_eq!(report.total().failed, 0);
        assert_complete(
            &world.run(Profile::modern(), Profile::modern(), &job(Rules::sync())).await,
        );
        assert_eq!(
            (world.target.messages("A").len(), world.target.messages("B").len()),
            (302, 340)
        );
    }
}

#[tokio::test]
async fn a_mailbox_renumbered_after_it_was_listed_is_left_alone() {
    let world = World::new();
    fill(&world.source, "A", 1..5, 400);
    fill(&world.source, "B", 1..9, 400);
    for uid in [1, 2, 3] {
        world.source.expunge("B", uid);
    }
    let source = world.source.clone();
    let running = world.serve(Profile::modern(), Profile::modern()).await;
    // In B, UID 4 is another message now.
    let events = when_planned(move || source.renumber("A"));
    let stays = world.source.clone();
    let report = run_hooked(&running, events).await;
    assert!(!report.is_complete());
    drop(stays);
    assert_eq!(world.target.messages("A").len(), 0, "{report:#?}");
    assert_complete(&running.run(&job(Rules::sync())).await.unwrap());
    world.assert_same();
}

#[tokio::test]
async fn a_fault_names_its_mailbox_as_its_own_side_does() {
    let world = World::new();
    fill(&world.source, "A/B", 1..5, 400);
    let source = with(Fault::at_command("UID FETCH", 2, Effect::Cut), Profile::modern());
    let target = with(Fault::at_command("APPEND", 1, Effect::Cut), Profile::dotted());
    for (source, target, name) in
        [(source, Profile::dotted(), "A/B"), (Profile::modern(), target, "INBOX.A.B")]
    {
        let report = world.run(source, target, &job_without_reconnecting()).await;
        let named: Vec<_> = report.failures().map(|fault| fault.mailbox.clone()).collect();
        assert_eq!(named, [Some(name.into())], "{:?}", report.faults);
    }
}

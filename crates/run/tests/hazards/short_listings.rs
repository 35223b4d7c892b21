//! Listings that are cut short, on either side.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use mailferry_engine::fault::FaultKind;
use mailferry_engine::policy::Rules;
use mailferry_run::report::Report;
use mailferry_store::contract::Selection;
use mailferry_testkit::sim::{Effect, Extension, Fault, LogEntry, Profile};

use crate::meddler::{Meddler, Rewrite, holds};
use crate::world::{Addresses, Running, World, assert_complete, bodies, digest, faults, fill, job};

/// Which side's answers are meddled with.
#[derive(Clone, Copy)]
enum Meddled {
    Source,
    Target,
}

async fn run_meddled(world: &World, side: Meddled, rules: Rules, rewrite: Rewrite) -> Report {
    // Without ESEARCH hits are told one by one, and can be left out one by one.
    let plain = Profile::modern().without(Extension::ESearch);
    let running = world.serve(plain.clone(), plain).await;
    let direct = running.addresses.clone();
    let upstream = match side {
        Meddled::Source => direct.source,
        Meddled::Target => direct.target,
    };
    let meddler = Meddler::start(upstream, rewrite).await;
    let addresses = match side {
        Meddled::Source => Addresses { source: meddler.address, ..direct },
        Meddled::Target => Addresses { target: meddler.address, ..direct },
    };
    let running = Running { addresses, ..running };
    running.run(&job(rules)).await.unwrap()
}

/// Both accounts hold the same twenty messages.
async fn settled() -> World {
    let world = World::new();
    fill(&world.source, "INBOX", 1..21, 400);
    world.run_until_settled(Profile::modern(), Profile::modern(), &job(Rules::sync())).await;
    world
}

/// The answers of a server that looks only at the first ten messages, and says OK.
fn only_the_first_ten() -> Rewrite {
    Arc::new(|response| {
        let row =
            (11..21).any(|number| response.starts_with(format!("* {number} FETCH").as_bytes()));
        if row && holds(response, "RFC822.SIZE") {
            Vec::new()
        } else if response.starts_with(b"* SEARCH") {
            b"* SEARCH 1 2 3 4 5 6 7 8 9 10\r\n".to_vec()
        } else {
            response.to_vec()
        }
    })
}

fn withheld(uid: u32) -> Rewrite {
    Arc::new(move |response| {
        if holds(response, &format!("(UID {uid} FLAGS")) { Vec::new() } else { response.to_vec() }
    })
}

fn without_exists() -> Rewrite {
    Arc::new(|response| if holds(response, " EXISTS") { Vec::new() } else { response.to_vec() })
}

#[tokio::test]
async fn a_source_listed_in_part_removes_nothing_and_is_told() {
    for rewrite in [only_the_first_ten(), without_exists()] {
        let world = settled().await;
        let before = digest(&world.target);
        let report = run_meddled(&world, Meddled::Source, Rules::presync(), rewrite).await;
        assert_eq!(digest(&world.target), before);
        assert!(!report.is_complete());
        assert_eq!(faults(&report, FaultKind::ListingIncomplete), [0]);
    }
}

#[tokio::test]
async fn a_target_listed_in_part_takes_no_second_copy() {
    for rewrite in [only_the_first_ten(), without_exists(), withheld(7)] {
        let world = settled().await;
        let before = digest(&world.target);
        let report = run_meddled(&world, Meddled::Target, Rules::sync(), rewrite).await;
        assert_eq!(digest(&world.target), before, "doubled");
        assert!(!report.is_complete());
        assert_eq!(faults(&report, FaultKind::ListingIncomplete), [0]);
    }
}

#[tokio::test]
async fn a_target_message_whose_body_does_not_come_takes_no_second_copy() {
    let world = World::new();
    for account in [&world.source, &world.target] {
        for number in 1..4 {
            let octets = format!("Subject: without identity\r\n\r\nnumber {number}\r\n");
            account.append("INBOX", octets.as_bytes(), &[], crate::world::date(number));
        }
    }
    let before = digest(&world.target);
    let rewrite: Rewrite =
        Arc::new(
            |response| {
                if holds(response, "(UID 2 BODY[]") { Vec::new() } else { response.to_vec() }
            },
        );
    let report = run_meddled(&world, Meddled::Target, Rules::sync(), rewrite).await;
    assert_eq!(digest(&world.target), before, "doubled");
    assert!(!report.is_complete());
    assert_eq!(report.mailboxes[0].planned.problem, 1);
}

#[tokio::test]
async fn messages_that_go_while_they_are_listed_are_no_fault() {
    let world = settled().await;
    let source = world.source.clone();
    let once = std::sync::atomic::AtomicBool::new(true);
    let watch = Arc::new(move |entry: &mailferry_testkit::sim::LogEntry| {
        let listing = entry.line.contains("RFC822.SIZE");
        if listing && once.swap(false, std::sync::atomic::Ordering::SeqCst) {
            for uid in [4, 5, 20] {
                source.expunge("INBOX", uid);
            }
        }
    });
    let profile = Profile { watch: Some(watch), ..Profile::modern() };
    let running = world.serve(profile, Profile::modern()).await;
    let report = running.run(&job(Rules::presync())).await.unwrap();
    assert_complete(&report);
    assert_eq!(bodies(&world.source, "INBOX"), bodies(&world.target, "INBOX"));
}

#[tokio::test]
async fn where_namespaces_cannot_be_told_the_run_does_not_begin() {
    let world = settled().await;
    let fault = Fault::at_command("NAMESPACE", 1, Effect::No("not now".into()));
    let target =
        Profile { faults: vec![fault], shared: Some("shared/".into()), ..Profile::modern() };
    let running = world.serve(Profile::modern(), target).await;
    let faults = running.run(&job(Rules::mirror())).await.unwrap_err();
    assert_eq!(faults[0].kind, FaultKind::ListingIncomplete);
}

/// Between any two commands of a listing mail may arrive: it belongs to the next one.
#[tokio::test]
async fn mail_that_arrives_while_a_mailbox_is_listed_is_no_gap() {
    for extensions in [Profile::modern(), Profile::bare()] {
        let world = World::new();
        fill(&world.source, "INBOX", 1..21, 400);
        let (source, arrived) = (world.source.clone(), AtomicU32::new(100));
        let watch = move |entry: &LogEntry| {
            let lists = ["UID FETCH", "UID SEARCH", "EXAMINE", "STATUS"];
            if lists.iter().any(|verb| entry.line.starts_with(verb)) {
                let number = arrived.fetch_add(1, Ordering::Relaxed);
                fill(&source, "INBOX", number..number + 1, 400);
            }
        };
        // It has to be listed the long way: then what is there is asked for twice.
        let faults = vec![Fault::at_command("UID SEARCH", 1, Effect::No("not now".into()))];
        let profile = Profile { watch: Some(Arc::new(watch)), faults, ..extensions };
        let mut job = job(Rules::sync());
        job.source_selection = Selection(Some(b"SINCE 1-Jan-2000".to_vec()));
        let running = world.serve(profile, Profile::modern()).await;
        assert_complete(&running.run(&job).await.unwrap());
        drop(running);
        job.source_selection = Selection::default();
        assert_complete(&world.run(Profile::modern(), Profile::modern(), &job).await);
        assert_eq!(bodies(&world.source, "INBOX"), bodies(&world.target, "INBOX"));
    }
}

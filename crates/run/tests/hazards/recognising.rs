//! Whether the copies are recognised is seen in the run that makes them.

use std::sync::Arc;

use mailferry_engine::fault::FaultKind;
use mailferry_engine::policy::{Rules, SourceDeletion, Unrecognised};
use mailferry_run::job::Job;
use mailferry_run::report::Report;
use mailferry_testkit::sim::{Extension, LogEntry, Profile};

use crate::rewriting::{rewriting, with_state};
use crate::world::{World, assert_complete, faults, fill, job, job_in_order};

/// What the fault says, of each mailbox one.
fn said(report: &Report) -> Vec<(String, &str)> {
    let of_kind = report.faults.iter().filter(|fault| fault.kind == FaultKind::Unrecognised);
    let mut said: Vec<_> = of_kind
        .map(|fault| {
            (fault.mailbox.as_ref().map(ToString::to_string).unwrap_or_default(), &*fault.words)
        })
        .collect();
    said.sort();
    said
}

/// The greeting of a server that is known to keep the order of commands.
fn orderly() -> Profile {
    Profile { greeting: "Dovecot ready.".to_owned(), ..Profile::modern() }
}

#[tokio::test]
async fn a_first_run_to_a_target_that_rewrites_headers_copies_everything_and_says_so() {
    for target in [rewriting(), rewriting().without(Extension::UidPlus)] {
        for is_kept in [true, false] {
            let folder = tempfile::tempdir().unwrap();
            let world = World::new();
            fill(&world.source, "INBOX", 1..31, 400);
            fill(&world.source, "Few", 100..103, 400);
            let all = match is_kept {
                true => with_state(Rules::sync(), &folder),
                false => job(Rules::sync()),
            };
            let report = world.run(Profile::modern(), target.clone(), &all).await;
            assert!(!report.is_complete());
            assert_eq!((report.total().copied, report.total().failed), (33, 0));
            let said = said(&report);
            assert_eq!(said.len(), 2, "{said:?}");
            assert_eq!([&*said[0].0, &*said[1].0], ["Few", "INBOX"]);
            assert!(said[0].1.starts_with("none of the copies"), "{said:?}");
        }
    }
}

#[tokio::test]
async fn every_mailbox_of_such_a_target_says_so_once() {
    let world = World::new();
    for name in ["A", "B", "C"] {
        fill(&world.source, name, 1..9, 400);
    }
    // In several shares.
    fill(&world.source, "Large", 100..160, 500_000);
    let report = world.run(Profile::modern(), rewriting(), &job(Rules::sync())).await;
    assert_eq!(said(&report).len(), 4, "{:?}", said(&report));
    assert_eq!(report.total().copied, 84);
}

#[tokio::test]
async fn the_user_may_append_all_the_same() {
    let world = World::new();
    fill(&world.source, "INBOX", 1..31, 400);
    let rules = Rules { unrecognised: Unrecognised::Append, ..Rules::sync() };
    let report = world.run(Profile::modern(), rewriting(), &job(rules)).await;
    assert_complete(&report);
    assert_eq!(report.total().copied, 30);
}

#[tokio::test]
async fn nothing_is_removed_where_the_copies_are_not_recognised() {
    let removing = [Rules::presync(), {
        let source_deletion = SourceDeletion::Copied;
        Rules { source_deletion, ..Rules::sync() }
    }];
    for rules in removing {
        let folder = tempfile::tempdir().unwrap();
        let world = World::new();
        fill(&world.source, "INBOX", 1..13, 400);
        fill(&world.target, "INBOX", 900..902, 400);
        let all = with_state(rules, &folder);
        let report = world.run(Profile::modern(), rewriting(), &all).await;
        assert_eq!(said(&report).len(), 1);
        let total = report.total();
        assert_eq!((total.copied, total.deleted, total.source_deleted), (12, 0, 0));
        assert_eq!(world.source.messages("INBOX").len(), 12);
        assert_eq!(world.target.messages("INBOX").len(), 14);
    }
}

/// New mail that comes meanwhile, to where nobody tells which UIDs the copies have, is no copy.
#[tokio::test]
async fn mail_that_others_deliver_is_not_taken_for_a_copy_that_was_rewritten() {
    let world = World::new();
    fill(&world.source, "INBOX", 1..4, 400);
    let account = world.target.clone();
    let once = std::sync::Once::new();
    let deliver = move |entry: &LogEntry| {
        if entry.line.starts_with("APPEND") {
            once.call_once(|| fill(&account, "INBOX", 500..507, 400));
        }
    };
    let plain = Profile::modern().without(Extension::UidPlus);
    let target = Profile { watch: Some(Arc::new(deliver)), ..plain };
    let report = world.run(Profile::modern(), target, &job(Rules::sync())).await;
    assert_eq!(faults(&report, FaultKind::Unrecognised), [0; 0]);
    assert_eq!((report.total().copied, world.target.messages("INBOX").len()), (3, 10));
}

/// The commands behind the last APPEND, and how often the target was waited for in all.
async fn last_look(target: Profile, world: &World, job: &Job) -> (Vec<String>, u64) {
    let running = world.serve(Profile::modern(), target).await;
    assert_complete(&running.run(job).await.unwrap());
    let commands = running.target.state().commands();
    let last = commands.iter().rposition(|line| line.starts_with("APPEND")).unwrap();
    (commands[last + 1..].to_vec(), running.target.state().round_trips())
}

fn furnished() -> World {
    let world = World::new();
    for (name, first) in [("INBOX", 1), ("A", 100), ("B", 200), ("C", 300)] {
        fill(&world.source, name, first..first + 40, 400);
    }
    world
}

#[tokio::test]
async fn a_target_that_keeps_headers_is_looked_at_without_a_wait() {
    let folder = tempfile::tempdir().unwrap();
    let limits = job_in_order(Rules::sync()).limits;
    let append = Rules { unrecognised: Unrecognised::Append, ..Rules::sync() };
    let (none, trips) = last_look(orderly(), &furnished(), &job_in_order(append)).await;
    assert!(!none.iter().any(|line| line.starts_with("EXAMINE")), "{none:#?}");
    for all in [job_in_order(Rules::sync()), Job { limits, ..with_state(Rules::sync(), &folder) }] {
        let (commands, with_look) = last_look(orderly(), &furnished(), &all).await;
        let of = |verb: &str| commands.iter().filter(|line| line.starts_with(verb)).count();
        assert_eq!([of("EXAMINE"), of("UID FETCH"), of("UID SEARCH")], [1, 1, 0], "{commands:#?}");
        assert_eq!(with_look, trips, "{commands:#?}");
    }
    // Where the order of commands is not certain, what opens a mailbox is waited for.
    let append = Rules { unrecognised: Unrecognised::Append, ..Rules::sync() };
    let (_, trips) = last_look(Profile::modern(), &furnished(), &job_in_order(append)).await;
    let (_, with_look) =
        last_look(Profile::modern(), &furnished(), &job_in_order(Rules::sync())).await;
    assert_eq!(with_look, trips + 2);
}

#[tokio::test]
async fn what_was_recognised_when_it_was_listed_needs_no_look() {
    let world = furnished();
    let all = job_in_order(Rules::sync());
    assert_complete(&world.run(Profile::modern(), Profile::modern(), &all).await);
    fill(&world.source, "A", 500..520, 400);
    let (commands, _) = last_look(orderly(), &world, &all).await;
    assert!(!commands.iter().any(|line| line.starts_with("EXAMINE")), "{commands:#?}");
}

//! Servers that ask to be left alone, and accounts that have moved what they may in a day: the run
//! waits, says so, goes on or ends softly, and every message arrives once.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use mailferry_engine::fault::{FaultKind, Side};
use mailferry_engine::policy::Rules;
use mailferry_run::job::{DayPermit, DayPermits, Job, Limits, ReconnectLimits};
use mailferry_run::ledger::Ledger;
use mailferry_run::stop::Stop;
use mailferry_testkit::sim::provider::{exchange_throttling, gmail_within};
use mailferry_testkit::sim::{Profile, Refused};

use crate::world::{Notes, Running, World, assert_complete, fill, job, quick};

const BACKOFF: Duration = Duration::from_millis(300);

/// Up to so long is waited in all, and one pair copies.
fn patient(throttle_wait: Duration) -> Job {
    let reconnect = ReconnectLimits { throttle_wait, ..quick().reconnect };
    let limits = Limits { reconnect, pairs_max: 1, ..quick() };
    Job { limits, ..job(Rules::sync()) }
}

/// Runs, and answers what was told of waits.
async fn waits(running: &Running, job: &Job) -> (mailferry_run::report::Report, Vec<String>) {
    let notes = Arc::new(Notes::default());
    let report = running.run_with(job, &Stop::default(), notes.clone()).await.unwrap();
    let mut told = notes.0.lock().unwrap().clone();
    told.retain(|note| note.starts_with("Throttled"));
    (report, told)
}

#[tokio::test]
async fn a_target_that_throttles_is_left_alone_as_long_as_it_says_and_gets_everything_once() {
    for answer in [Refused::No, Refused::BadAndBye, Refused::Bye] {
        let world = World::new();
        fill(&world.source, "INBOX", 1..31, 300);
        fill(&world.source, "Other", 100..110, 300);
        world.target.add_mailbox("Other");
        let mut target = exchange_throttling("APPEND", 12, BACKOFF);
        if let Some(throttle) = &mut target.habits.throttle {
            throttle.answer = answer;
        }
        let running = world.serve(Profile::modern(), target).await;
        let began = Instant::now();
        let (report, told) = waits(&running, &patient(Duration::from_secs(20))).await;
        assert_complete(&report);
        assert_eq!((report.total().copied, report.total().failed), (40, 0), "{answer:?}");
        for (mailbox, count) in [("INBOX", 30), ("Other", 10)] {
            assert_eq!(world.target.messages(mailbox).len(), count, "{answer:?}: {mailbox}");
        }
        assert!(told.len() >= 3, "{answer:?}: {told:?}");
        assert!(told.iter().all(|note| note.contains("Request is throttled")), "{told:?}");
        assert!(began.elapsed() >= BACKOFF * 3, "{answer:?}: {:?}", began.elapsed());
        // Nobody asked for more before the time had come.
        let early = running.target.state().bad_answers();
        assert!(early.len() <= 3 * told.len(), "{answer:?}: {early:?}");
    }
}

#[tokio::test]
async fn a_source_that_throttles_loses_no_message_and_none_is_taken_for_missing() {
    let world = World::new();
    for number in 0..6 {
        let first = number * 100 + 1;
        fill(&world.source, &format!("Box {number}"), first..first + 5, 300);
    }
    let mut source = exchange_throttling("UID FETCH", 4, BACKOFF);
    if let Some(throttle) = &mut source.habits.throttle {
        throttle.answer = Refused::No;
    }
    // It keeps what it is given here; that it takes no keywords is of no matter.
    source.keywords = Profile::modern().keywords;
    let running = world.serve(source, Profile::modern()).await;
    let (report, told) = waits(&running, &patient(Duration::from_secs(20))).await;
    assert_complete(&report);
    assert_eq!((report.total().copied, report.total().expunged), (30, 0));
    assert!(!told.is_empty());
    world.assert_same_mail();
}

#[tokio::test]
async fn who_wants_to_be_left_alone_for_longer_than_may_be_waited_ends_the_run_at_once() {
    let world = World::new();
    fill(&world.source, "INBOX", 1..31, 300);
    let target = exchange_throttling("APPEND", 12, Duration::from_secs(300));
    let running = world.serve(Profile::modern(), target).await;
    let began = Instant::now();
    let (report, told) = waits(&running, &patient(Duration::from_secs(299))).await;
    assert!(began.elapsed() < Duration::from_secs(20));
    assert_eq!(told, [""; 0]);
    assert!(!report.is_complete());
    let fault = report.failures().next().unwrap();
    assert_eq!((fault.kind, fault.side), (FaultKind::Throttled, Side::Target));
    assert!(fault.wait.is_some_and(|wait| wait > Duration::from_secs(290)), "{fault:?}");
    assert_eq!(report.total().copied + report.not_started(), 30);
    assert_eq!(report.total().failed, 0, "nothing is wrong with any message");
    // The next run goes on.
    let report = world.run(Profile::modern(), Profile::modern(), &job(Rules::sync())).await;
    assert_complete(&report);
    world.assert_same_mail();
}

#[tokio::test]
async fn an_account_of_gmail_that_moved_what_it_may_is_gone_on_with_another_day() {
    for answer in [Refused::No, Refused::Bye] {
        let world = World::new();
        fill(&world.source, "INBOX", 1..101, 2_000);
        world.source.label_as_gmail();
        let source = gmail_within(60_000, u64::MAX, answer);
        let chosen = patient(Duration::from_secs(60));
        let mut chosen = Job { ..chosen };
        chosen.mailboxes.named = vec!["INBOX".into()];
        // More than one FETCH, so that it can be refused.
        let running = world.serve(source, Profile::modern()).await;
        let (report, _) = waits(&running, &chosen).await;
        // All of a mailbox comes with one FETCH: it is the next run that is refused.
        assert!(report.total().failed == 0, "{answer:?}: {report:#?}");
        fill(&world.source, "INBOX", 200..210, 2_000);
        let faults = running.run(&chosen).await;
        let kinds: Vec<FaultKind> = match &faults {
            Ok(report) => report.failures().map(|fault| fault.kind).collect(),
            Err(faults) => faults.iter().map(|fault| fault.kind).collect(),
        };
        assert!(!kinds.is_empty(), "{answer:?}");
        assert!(kinds.iter().all(|kind| *kind == FaultKind::DayQuota), "{answer:?}: {kinds:?}");
        // Another day.
        let source = gmail_within(u64::MAX, u64::MAX, answer);
        let running = world.serve(source, Profile::modern()).await;
        let report = running.run(&chosen).await.unwrap();
        assert_complete(&report);
        assert_eq!(world.target.messages("INBOX").len(), 110, "{answer:?}");
    }
}

#[tokio::test]
async fn a_run_ends_softly_before_a_day_is_spent_and_the_next_days_go_on() {
    let world = World::new();
    for number in 0..40 {
        let first = number * 10 + 1;
        fill(&world.source, &format!("Box {number:02}"), first..first + 4, 2_000);
    }
    let folder = tempfile::tempdir().unwrap();
    let time = Arc::new(AtomicI64::new(1_800_000_000));
    let mut copied = 0;
    for day in 0..40 {
        let running = world.serve(Profile::modern(), Profile::modern()).await;
        let meters = running.addresses.meters.clone();
        let [here, there] = meters;
        let accounts = [("here".to_owned(), here), ("there".to_owned(), there)];
        let shown = time.clone();
        let clock = Arc::new(move || shown.load(Ordering::Relaxed));
        let ledger = Arc::new(Ledger::open(folder.path(), accounts, clock).unwrap());
        let permits =
            DayPermits { download: DayPermit::Octets(150_000), upload: DayPermit::Unlimited };
        let job = Job { ledger: Some(ledger), day: permits, ..patient(Duration::from_secs(1)) };
        let report = running.run(&job).await.unwrap();
        copied += report.total().copied;
        assert_eq!(report.total().failed, 0);
        if report.is_complete() {
            assert!(day > 1, "it was too much for a day");
            world.assert_same_mail();
            assert_eq!(copied, 160);
            return;
        }
        let faults: Vec<_> = report.failures().collect();
        let [fault] = faults[..] else { panic!("{faults:?}") };
        assert_eq!((fault.kind, fault.side), (FaultKind::DayQuota, Side::Source));
        let wait = fault.wait.unwrap();
        assert!(fault.words.contains("came from this account in the last day"), "{fault:?}");
        // What is in flight is finished, and no more.
        assert!(running.addresses.meters[0].received() < 400_000);
        drop(job);
        // At once, nothing is copied.
        if day == 0 {
            time.fetch_add(60, Ordering::Relaxed);
            continue;
        }
        time.fetch_add(i64::try_from(wait.as_secs()).unwrap(), Ordering::Relaxed);
    }
    panic!("not done after forty days: {copied} copied");
}

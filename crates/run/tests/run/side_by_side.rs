//! Two runs on one machine that write to the same mailboxes: one after the other, each copying only
//! what is not there then.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use mailferry_engine::fault::{FaultKind, Retry};
use mailferry_engine::name::MailboxName;
use mailferry_engine::policy::Rules;
use mailferry_run::claim::Claims;
use mailferry_run::events::{Event, EventSink};
use mailferry_run::job::{Job, Limits};
use mailferry_run::pace::PaceLimits;
use mailferry_run::report::Report;
use mailferry_run::stop::Stop;
use mailferry_testkit::sim::Profile;
use tempfile::TempDir;

use crate::world::{
    Notes, Running, World, assert_complete, bodies, digest, fill, furnish, job, quick,
};

/// Octets of a message that goes alone, so that each is answered for by itself.
const LARGE: usize = 70_000;

/// A run that keeps out of the way of others; `folder`: where they all look.
fn careful(rules: Rules, folder: &TempDir) -> Job {
    let claims = Claims::open(folder.path(), "user@target:143").unwrap();
    Job { claims: Some(Arc::new(claims)), ..job(rules) }
}

/// The same at so many messages a second.
fn slow(messages_per_second: f64, job: Job) -> Job {
    let pace =
        PaceLimits { messages_per_second: Some(messages_per_second), ..PaceLimits::default() };
    Job { limits: Limits { pace, ..quick() }, ..job }
}

async fn both(running: &Running, one: &Job, other: &Job) -> (Report, Report) {
    let (stop, notes) = (Stop::default(), Arc::new(Notes::default()));
    let (one, other) = tokio::join!(
        running.run_with(one, &stop, Arc::new(Notes::default())),
        running.run_with(other, &stop, notes)
    );
    (one.unwrap(), other.unwrap())
}

/// The same, where the other begins when the first one copies.
async fn behind(running: &Running, one: &Job, other: &Job) -> (Report, Report, Vec<String>) {
    let stop = Stop::default();
    let (notes, of_other) = (Arc::new(Notes::default()), Arc::new(Notes::default()));
    let copies = || notes.0.lock().unwrap().iter().any(|note| note.starts_with("Copied("));
    let second = async {
        while !copies() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        running.run_with(other, &stop, of_other.clone()).await
    };
    let (one, other) = tokio::join!(running.run_with(one, &stop, notes.clone()), second);
    let told = std::mem::take(&mut *of_other.0.lock().unwrap());
    (one.unwrap(), other.unwrap(), told)
}

#[tokio::test]
async fn two_runs_side_by_side_copy_everything_once() {
    let folder = tempfile::tempdir().unwrap();
    for target in [Profile::modern(), Profile::bare()] {
        let world = World::new();
        furnish(&world.source);
        let running = world.serve(Profile::modern(), target).await;
        let run = careful(Rules::sync(), &folder);
        let other = careful(Rules::sync(), &folder);
        let (one, other) = both(&running, &run, &other).await;
        assert_complete(&one);
        assert_complete(&other);
        world.assert_same_mail();
    }
}

#[tokio::test]
async fn two_presyncs_side_by_side_copy_once_and_remove_once() {
    let folder = tempfile::tempdir().unwrap();
    for _ in 0..3 {
        let world = World::new();
        furnish(&world.source);
        world.run_until_settled(Profile::modern(), Profile::modern(), &job(Rules::presync())).await;
        for mailbox in ["INBOX", "Archive/2024"] {
            fill(&world.source, mailbox, 500..520, 300);
            assert!(world.source.expunge(mailbox, 3));
        }
        let running = world.serve(Profile::modern(), Profile::modern()).await;
        let run = careful(Rules::presync(), &folder);
        let (one, other) = both(&running, &run, &careful(Rules::presync(), &folder)).await;
        assert_complete(&one);
        assert_complete(&other);
        assert_eq!(one.total().deleted + other.total().deleted, 2);
        world.assert_same_mail();
    }
}

#[tokio::test]
async fn a_mailbox_of_another_run_is_waited_for_and_looked_at_again() {
    let folder = tempfile::tempdir().unwrap();
    let world = World::new();
    fill(&world.source, "INBOX", 1..13, LARGE);
    let running = world.serve(Profile::modern(), Profile::modern()).await;
    let first = slow(6.0, careful(Rules::sync(), &folder));
    let (one, other, told) = behind(&running, &first, &careful(Rules::sync(), &folder)).await;
    assert_complete(&one);
    assert_complete(&other);
    assert_eq!(bodies(&world.target, "INBOX"), bodies(&world.source, "INBOX"));
    let waits = told.iter().filter(|note| note.starts_with("Waiting ")).count();
    assert_eq!((one.total().copied + other.total().copied, waits), (12, 1), "{told:?}");
}

#[tokio::test]
async fn runs_in_different_mailboxes_do_not_wait_for_each_other() {
    let folder = tempfile::tempdir().unwrap();
    let world = World::new();
    for mailbox in ["A", "B"] {
        fill(&world.source, mailbox, 1..9, LARGE);
    }
    let running = world.serve(Profile::modern(), Profile::modern()).await;
    let only = |mailbox: &str| {
        let mut job = careful(Rules::sync(), &folder);
        job.mailboxes.named = vec![MailboxName::from(mailbox)];
        job
    };
    let (one, other, told) = behind(&running, &slow(5.0, only("A")), &only("B")).await;
    assert_complete(&one);
    assert_complete(&other);
    assert!(!told.iter().any(|note| note.starts_with("Waiting ")), "{told:?}");
    assert_eq!(digest(&world.source), digest(&world.target));
}

#[tokio::test]
async fn a_mailbox_that_another_run_does_not_leave_is_left_for_later() {
    let folder = tempfile::tempdir().unwrap();
    let world = World::new();
    fill(&world.source, "INBOX", 1..13, LARGE);
    fill(&world.source, "Other", 1..6, 400);
    let running = world.serve(Profile::modern(), Profile::modern()).await;
    let mut inbox = slow(6.0, careful(Rules::sync(), &folder));
    inbox.mailboxes.named = vec![MailboxName::from("INBOX")];
    let mut hasty = careful(Rules::sync(), &folder);
    hasty.limits.lock_wait = Duration::from_millis(300);
    let (one, other, _) = behind(&running, &inbox, &hasty).await;
    assert_complete(&one);
    let failures: Vec<_> = other.failures().collect();
    let [only] = failures[..] else { panic!("{failures:#?}") };
    assert_eq!((only.kind, only.retry), (FaultKind::InUse, Retry::Later));
    assert_eq!(only.mailbox, Some(MailboxName::from("INBOX")));
    assert_eq!((other.total().copied, other.not_started() > 0), (5, true));
    world.assert_same_mail();
}

/// Runs another run to its end when the first one's plan is made: nobody had to wait, and the plan
/// is no longer true.
struct Between {
    other: Mutex<Option<std::sync::mpsc::Sender<()>>>,
    done: Mutex<std::sync::mpsc::Receiver<()>>,
}

impl EventSink for Between {
    fn on(&self, event: &Event<'_>) {
        if matches!(event, Event::Planned(_)) {
            drop(self.other.lock().unwrap().take());
            let _ = self.done.lock().unwrap().recv_timeout(Duration::from_secs(20));
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_run_that_came_and_went_in_between_is_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let world = World::new();
    furnish(&world.source);
    let running = Arc::new(world.serve(Profile::modern(), Profile::modern()).await);
    let (go, when) = std::sync::mpsc::channel::<()>();
    let (end, done) = std::sync::mpsc::channel();
    let other = careful(Rules::sync(), &folder);
    let at_work = running.clone();
    let second = tokio::spawn(async move {
        tokio::task::spawn_blocking(move || when.recv().is_err()).await.unwrap();
        let report = at_work.run(&other).await.unwrap();
        drop(end);
        report
    });
    let events = Between { other: Mutex::new(Some(go)), done: Mutex::new(done) };
    let job = careful(Rules::sync(), &folder);
    let first = running.run_with(&job, &Stop::default(), Arc::new(events)).await.unwrap();
    let second = second.await.unwrap();
    assert_complete(&first);
    assert_complete(&second);
    assert_eq!(first.total().copied, 0);
    world.assert_same_mail();
}

//! Messages that rules rewrite, whose copies have another identity, while connections break.

use std::sync::Arc;

use mailferry_engine::name::MailboxName;
use mailferry_engine::policy::Rules;
use mailferry_run::job::Job;
use mailferry_run::transform::{MessageRewrite, MessageTest, NoResult, Transform};
use mailferry_testkit::sim::{Effect, Fault, Profile};

use crate::reconnect::with;
use crate::world::{Mail, World, assert_complete, assert_idle, digest, fill, furnish, job};

/// Gives each message another Message-Id.
struct Rename;

impl MessageRewrite for Rename {
    fn rule(&self) -> &str {
        "rename"
    }

    fn rewrite(&self, message: Vec<u8>, _: &MailboxName) -> Result<Vec<u8>, NoResult> {
        Ok(renamed(&message))
    }
}

fn renamed(message: &[u8]) -> Vec<u8> {
    let (from, to) = (&b"@world>"[..], &b"@elsewhere.example>"[..]);
    match message.windows(from.len()).position(|window| window == from) {
        Some(at) => [&message[..at], to, &message[at + from.len()..]].concat(),
        None => message.to_vec(),
    }
}

/// Leaves out what has this subject.
struct Subject(&'static [u8]);

impl MessageTest for Subject {
    fn rule(&self) -> &str {
        "subject"
    }

    fn matches(&self, message: &[u8]) -> Result<bool, NoResult> {
        Ok(message.windows(self.0.len()).any(|window| window == self.0))
    }
}

fn renaming() -> Job {
    let transform = Transform { rewrites: vec![Arc::new(Rename)], ..Transform::default() };
    Job { transform: Some(Arc::new(transform)), ..job(Rules::sync()) }
}

/// Every message is on the target once, as the rules make it.
fn assert_renamed(world: &World) {
    let sorted = |mut mail: Vec<Mail>| {
        mail.sort();
        mail
    };
    let (source, target) = (digest(&world.source), digest(&world.target));
    for (name, mail) in source {
        let expected =
            mail.into_iter().map(|(octets, flags, date)| (renamed(&octets), flags, date));
        let there = target.get(&name).cloned().unwrap_or_default();
        assert!(sorted(expected.collect()) == sorted(there), "{name} differs");
    }
}

#[tokio::test]
async fn a_rewritten_message_is_there_once_wherever_a_connection_breaks() {
    let mut broken = 0;
    for octets in [700, 3_000, 9_000, 20_000, 90_000, 300_000] {
        for side in 0..2 {
            let world = World::new();
            furnish(&world.source);
            fill(&world.source, "INBOX", 400..402, 200_000);
            let faulty = with(Fault::after_sent(octets, Effect::Cut), Profile::modern());
            let (source, target) = match side {
                0 => (faulty, Profile::modern()),
                _ => (Profile::modern(), faulty),
            };
            let running = world.serve(source, target).await;
            let Ok(report) = running.run(&renaming()).await else { continue };
            drop(running);
            broken += u64::from(report.reconnections != [0, 0]);
            assert_complete(&report);
            assert_renamed(&world);
            let again = world.run(Profile::modern(), Profile::modern(), &renaming()).await;
            assert_idle(&again);
        }
    }
    assert!(broken > 3, "{broken} connections broke");
}

#[tokio::test]
async fn what_a_rule_leaves_out_is_counted_and_left_out_again() {
    let world = World::new();
    fill(&world.source, "INBOX", 1..31, 700);
    let mut job = renaming();
    let mut transform = Transform::clone(job.transform.as_ref().unwrap());
    transform.skip = vec![Arc::new(Subject(b"Subject: message 1"))];
    job.transform = Some(Arc::new(transform));
    for copied in [19, 0] {
        let report = world.run(Profile::modern(), Profile::modern(), &job).await;
        assert_complete(&report);
        assert_eq!((report.total().copied, report.total().left_out), (copied, 11));
    }
    // Without that rule the others follow, and none a second time.
    let report = world.run(Profile::modern(), Profile::modern(), &renaming()).await;
    assert_eq!((report.total().copied, report.total().left_out), (11, 0));
    assert_renamed(&world);
}

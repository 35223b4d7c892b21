//! Two runs of the programs at the same time, from and to the same accounts.

use std::path::Path;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use crate::world::*;
use tempfile::TempDir;

const FRONTS: [Front; 2] = [Front::Imapsync, Front::Mailferry];

/// More than the hundred that go to the target together.
const MANY: usize = 300;

/// A run whose claims lie where those of the others do.
fn run(
    (front, desk): (Front, &Desk),
    (source, target): (&Place<'_>, &Place<'_>),
    options: &[&str],
    state: &Path,
) -> Command {
    let mut command = match front {
        Front::Imapsync => desk.imapsync_command(source, target, options),
        Front::Mailferry => desk.ferry_command("sync", source, target, options),
    };
    command.env("MAILFERRY_STATE_DIR", state);
    command
}

fn slowly(front: Front) -> [&'static str; 2] {
    match front {
        Front::Imapsync => ["--maxmessagespersecond", "100"],
        Front::Mailferry => ["--max-messages-per-second", "100"],
    }
}

/// Starts a slow run, and waits until something has arrived.
fn start_slowly(
    (front, desk): (Front, &Desk),
    (source, target): (&Place<'_>, &Place<'_>),
    state: &TempDir,
) -> Child {
    let child = desk.start(run((front, desk), (source, target), &slowly(front), state.path()));
    let end = Instant::now() + Duration::from_secs(60);
    while target.read().messages("INBOX").is_empty() {
        assert!(Instant::now() < end, "nothing arrives: {}", desk.output("stderr"));
        std::thread::sleep(Duration::from_millis(20));
    }
    child
}

#[test]
fn a_second_run_waits_for_the_first_and_copies_nothing_twice() {
    let Some(world) = World::open() else { return };
    for (front, other) in [(FRONTS[0], FRONTS[1]), (FRONTS[1], FRONTS[0]), (FRONTS[1], FRONTS[1])] {
        let (source, target) = world.pair(Way::SlashToDot);
        source.put("INBOX", &mails("much", 300));
        let state = tempfile::tempdir().unwrap();
        let (desk, second) = (Desk::new(), Desk::new());
        let mut first = start_slowly((front, &desk), (&source, &target), &state);
        let process = format!("process {}", first.id());
        let command = run((other, &second), (&source, &target), &[], state.path());
        let waited = second.finish(command).expect(0);
        assert_eq!(first.wait().unwrap().code(), Some(0), "{}", desk.output("stdout"));
        assert!(waited.text().contains(&process), "{}", waited.report());
        let copy = target.read();
        assert_eq!(subjects(&copy, "INBOX"), subjects(&source.read(), "INBOX"), "{front:?}");
        assert_copied(&source.read(), &copy, &Expect::superset());
    }
}

#[test]
fn a_killed_run_leaves_no_claim() {
    let Some(world) = World::open() else { return };
    for front in FRONTS {
        let (source, target) = world.pair(Way::SlashToDot);
        source.put("INBOX", &mails("much", 300));
        let state = tempfile::tempdir().unwrap();
        let (desk, second) = (Desk::new(), Desk::new());
        let mut first = start_slowly((front, &desk), (&source, &target), &state);
        first.kill().unwrap();
        first.wait().unwrap();
        let command = run((front, &second), (&source, &target), &[], state.path());
        let finished = second.finish(command).expect(0);
        assert!(!finished.text().contains("another run"), "{}", finished.report());
        assert_eq!(target.read().messages("INBOX").len(), MANY);
    }
}

#[test]
fn a_run_that_waited_long_enough_says_what_helps() {
    let Some(world) = World::open() else { return };
    for front in FRONTS {
        let (source, target) = world.pair(Way::SlashToDot);
        source.put("INBOX", &mails("much", 300));
        let state = tempfile::tempdir().unwrap();
        let (desk, second) = (Desk::new(), Desk::new());
        let mut first = start_slowly((front, &desk), (&source, &target), &state);
        let mut command = run((front, &second), (&source, &target), &[], state.path());
        command.env("MAILFERRY_LOCK_WAIT", "0");
        let finished = second.finish(command).expect(111);
        assert!(finished.text().contains("another run"), "{}", finished.report());
        if front == Front::Mailferry {
            assert!(finished.text().contains("MAILFERRY_LOCK_WAIT"), "{}", finished.report());
        }
        assert_eq!(first.wait().unwrap().code(), Some(0));
        assert_eq!(target.read().messages("INBOX").len(), MANY);
    }
}

#[test]
fn where_no_claim_can_be_kept_the_run_says_so_and_copies() {
    let Some(world) = World::open() else { return };
    for front in FRONTS {
        let (source, target) = world.pair(Way::SlashToDot);
        source.put("INBOX", &mails("some", 3));
        let desk = Desk::new();
        let in_the_way = desk.file("state", "no folder");
        let finished =
            desk.finish(run((front, &desk), (&source, &target), &[], &in_the_way)).expect(0);
        let notice = "notice: nothing keeps this run and another one from copying to one mailbox";
        assert!(finished.text().contains(notice), "{}", finished.report());
        assert_eq!(target.read().messages("INBOX").len(), 3);
    }
}

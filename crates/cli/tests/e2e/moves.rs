//! Moving: what is proven to be on the target leaves the source, and nothing else does.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::world::*;
use jiff::Zoned;

const FRONTS: [Front; 2] = [Front::Imapsync, Front::Mailferry];

fn relocate(
    (front, desk): (Front, &Desk),
    (source, target): (&Place<'_>, &Place<'_>),
    options: &[&str],
) -> Finished {
    match front {
        Front::Imapsync => desk.imapsync(source, target, &[&["--delete1"], options].concat()),
        Front::Mailferry => {
            desk.ferry("sync", source, target, &[&["--delete-source"], options].concat())
        }
    }
}

#[test]
fn a_move_empties_the_source_and_keeps_everything() {
    let Some(world) = World::open() else { return };
    for way in [Way::SlashToDot, Way::DotToSlash] {
        for front in FRONTS {
            let (source, target) = world.pair(way);
            furnish(&source);
            let desk = Desk::new();
            let original = source.read();
            // Some of it is there already.
            desk.finish(match front {
                Front::Imapsync => desk.imapsync_command(&source, &target, &["--folder", "Sent"]),
                Front::Mailferry => {
                    desk.ferry_command("sync", &source, &target, &["--folder", "Sent"])
                }
            });
            let verify: &[&str] = if front == Front::Mailferry { &["--verify"] } else { &[] };
            let moved = relocate((front, &desk), (&source, &target), verify).expect(0);
            assert_copied(&original, &target.read(), &Expect::superset());
            assert_eq!(source.read().message_count(), 0, "{}", moved.report());
            assert_eq!(source.read().mailboxes.len(), original.mailboxes.len());
            if front == Front::Imapsync {
                let deleted = moved.statistic("Messages deleted on host1");
                assert_eq!(deleted as usize, original.message_count());
            }
            let copy = target.read();
            relocate((front, &desk), (&source, &target), &[]).expect(0);
            assert_untouched(&copy, &target.read());
        }
    }
}

#[test]
fn what_is_not_copied_stays_and_what_others_marked_is_not_expunged() {
    let Some(world) = World::open() else { return };
    for front in FRONTS {
        let (source, target) = world.pair(Way::SlashToDot);
        source.put("INBOX", &mails("small", 5));
        let mut large = mail("large", 1).flagged("\\Deleted");
        large.octets.extend_from_slice("0123456789abcde\r\n".repeat(4000).as_bytes());
        source.put("INBOX", &[large]);
        let desk = Desk::new();
        relocate((front, &desk), (&source, &target), &["--maxsize", "20000"]).expect(0);
        assert_eq!(subjects(&source.read(), "INBOX"), ["large 1"], "{front:?}");
        assert_eq!(target.read().messages("INBOX").len(), 5);
    }
}

#[test]
fn a_move_that_is_only_looked_at_changes_nothing() {
    let Some(world) = World::open() else { return };
    let (source, target) = world.pair(Way::SlashToDot);
    source.put("INBOX", &mails("kept", 3));
    let (here, there) = (source.read(), target.read());
    let desk = Desk::new();
    let dry = desk.imapsync(&source, &target, &["--delete1", "--dry"]).expect(0);
    let lines = dry.stdout.lines().filter(|line| line.contains("marking deleted and expunged"));
    assert_eq!(lines.count(), 3, "{}", dry.report());
    let plan = desk.ferry("plan", &source, &target, &["--delete-source"]).expect(0);
    assert!(plan.stdout.contains("then remove from the source 3"), "{}", plan.report());
    let limit = ["--delete-source", "--max-delete", "2"];
    let refused = desk.ferry("sync", &source, &target, &limit).expect(121);
    assert!(refused.text().contains("3 of 3 messages of the source"), "{}", refused.report());
    desk.ferry("sync", &source, &target, &["--delete-source", "--delete"]).expect(64);
    assert_untouched(&here, &source.read());
    assert_untouched(&there, &target.read());
}

#[test]
fn an_account_is_not_moved_to_itself() {
    let Some(world) = World::open() else { return };
    for front in FRONTS {
        let (source, _) = world.pair(Way::SlashToDot);
        furnish(&source);
        let before = source.read();
        let desk = Desk::new();
        let allowed: &[&str] =
            if front == Front::Mailferry { &["--allow-same-account"] } else { &[] };
        let run = relocate((front, &desk), (&source, &source), allowed).expect_failure();
        assert!(run.text().contains("one mailbox"), "{}", run.report());
        assert_untouched(&before, &source.read());
    }
}

#[test]
fn old_mail_is_moved_to_an_archive_in_the_same_account() {
    let Some(world) = World::open() else { return };
    let (account, _) = world.pair(Way::SlashToDot);
    account.put("INBOX", &mails("old", 4));
    let today = Zoned::now().strftime("%a, %d %b %Y %H:%M:%S %z");
    let new = format!("Message-Id: <new@e2e>\r\nDate: {today}\r\nSubject: new\r\n\r\nnew\r\n");
    account.put("INBOX", &[Draft::new(new)]);
    let options = ["--folder", "INBOX", "--f1f2", "INBOX=Archive", "--minage", "365", "--delete1"];
    let desk = Desk::new();
    let run = desk.imapsync(&account, &account, &options).expect(0);
    assert_eq!(run.statistic("Messages deleted on host1"), 4);
    let there = account.read();
    assert_eq!(subjects(&there, "INBOX"), ["new"]);
    assert_eq!(there.messages("Archive").len(), 4);
}

#[test]
fn a_killed_move_is_finished_by_the_next() {
    let Some(world) = World::open() else { return };
    for front in FRONTS {
        let (source, target) = world.pair(Way::SlashToDot);
        source.put("INBOX", &mails("many", 150));
        source.put("Sent", &mails("sent", 150));
        let original = source.read();
        // One home: what a killed run had sent may still arrive, and the next one is to know of it.
        let desk = Desk::new();
        for wait in [150, 300, 450] {
            let command = match front {
                Front::Imapsync => desk.imapsync_command(&source, &target, &["--delete1"]),
                Front::Mailferry => {
                    desk.ferry_command("sync", &source, &target, &["--delete-source"])
                }
            };
            let mut child = desk.start(command);
            std::thread::sleep(Duration::from_millis(wait));
            child.kill().unwrap();
            child.wait().unwrap();
        }
        relocate((front, &desk), (&source, &target), &[]).expect(0);
        assert_eq!(source.read().message_count(), 0);
        assert_copied(&original, &target.read(), &Expect::superset());
        assert_eq!(target.read().message_count(), 300, "{front:?}");
    }
}

/// A message of this moment.
fn fresh(name: &str, number: u32) -> Draft {
    let now = Zoned::now();
    let date = now.strftime("%a, %d %b %Y %H:%M:%S %z");
    let text = format!(
        "Received: from a.example.org by b.example.org id {number}\r\nMessage-ID: \
         <{name}.{number}@e2e.example.org>\r\nDate: {date}\r\nSubject: {name} {number}\r\n\r\n\
         {name} {number}\r\n"
    );
    Draft::new(text).dated(now.timestamp().as_second())
}

/// Says that it is over, also where a test fails.
struct Ends<'a>(&'a AtomicBool);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// The days after the switch: mail still comes to the old server, whose
/// address some senders still have, and to the new one, and the stragglers are brought over again and again.
#[test]
fn stragglers_are_brought_over_while_mail_still_arrives() {
    let Some(world) = World::open() else { return };
    for front in FRONTS {
        let (source, target) = world.pair(Way::SlashToDot);
        source.put("INBOX", &mails("old", 5));
        let desk = Desk::new();
        let over = AtomicBool::new(false);
        let arrived = std::thread::scope(|scope| {
            let deliver = |mut probe: Probe, name: &'static str| {
                let over = &over;
                scope.spawn(move || {
                    let mut number = 0;
                    while !over.load(Ordering::Relaxed) {
                        probe.append("INBOX", &fresh(name, number)).unwrap();
                        number += 1;
                        std::thread::sleep(Duration::from_millis(3));
                    }
                    number
                })
            };
            let late = deliver(source.probe(), "late");
            let new = deliver(target.probe(), "new");
            let ends = Ends(&over);
            let mut moved = 0;
            for _ in 0..4 {
                std::thread::sleep(Duration::from_millis(200));
                let mut options = vec!["--folder", "INBOX", "--maxage", "1"];
                if front == Front::Mailferry {
                    // What was moved before is not on the source any more.
                    options.push("--append-unrecognised");
                }
                relocate((front, &desk), (&source, &target), &options).expect(0);
                let there = target.read();
                let late = there.messages("INBOX").iter();
                moved = late.filter(|message| message.subject.starts_with("late")).count();
            }
            drop(ends);
            assert!(moved > 20, "{front:?}: only {moved} moved");
            (late.join().unwrap(), new.join().unwrap())
        });
        let mut times: BTreeMap<String, u32> = BTreeMap::new();
        let (here, there) = (source.read(), target.read());
        for subject in subjects(&here, "INBOX").into_iter().chain(subjects(&there, "INBOX")) {
            *times.entry(subject).or_default() += 1;
        }
        assert_eq!(times.len() as u32, 5 + arrived.0 + arrived.1, "{front:?}");
        let doubled: Vec<_> = times.iter().filter(|(_, times)| **times != 1).collect();
        assert!(doubled.is_empty(), "{front:?}: {doubled:?}");
        let old = subjects(&here, "INBOX").iter().filter(|name| name.starts_with("old")).count();
        assert_eq!(old, 5, "what is older stays");
    }
}

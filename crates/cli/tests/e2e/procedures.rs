//! docs/migration.md and docs/backup.md are followed to the letter, with mail arriving meanwhile.
#![cfg(unix)] // The pages are written for a shell.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::world::page::{Page, pretend_timers, shell};
use crate::world::*;

fn now() -> i64 {
    i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()).unwrap()
}

/// A message that arrives now.
fn arriving(name: &str, number: i64) -> Draft {
    mail(name, number).dated(now())
}

#[test]
fn a_move_loses_nothing_and_doubles_nothing() {
    let page = Page::open("migration.md");
    let Some(world) = World::open() else { return };
    let (source, target) = world.pair(Way::SlashToDot);
    furnish(&source);
    let desk = Desk::new();
    let (from, to) = (source.url("imap"), target.url("imap"));
    let variables = [
        ("SOURCE", &*from),
        ("TARGET", &*to),
        ("MAILFERRY_SOURCE_PASSWORD", &*source.password),
        ("MAILFERRY_TARGET_PASSWORD", &*target.password),
    ];
    let run = |command: &str| shell(&desk, command, &variables);

    let [look] = page.commands("1. Look first");
    run(&look).expect(0);
    assert_eq!(target.read().message_count(), 0);

    let [presync] = page.commands("2. Presync, every day");
    run(&presync).expect(0);
    source.put("INBOX", &mails("tuesday", 3));
    let mut probe = source.probe();
    probe.remove("Sent", &[1]).unwrap();
    probe.store("INBOX", &[1], "FLAGS", "\\Seen").unwrap();
    run(&presync).expect(0);

    let [last, check] = page.commands("3. The day: one more presync, and a check");
    source.put("INBOX", &mails("the day", 2));
    run(&last).expect(0);
    run(&check).expect(0);
    let moved = source.read();
    assert_copied(&moved, &target.read(), &Expect { order: Duty::May, ..Expect::exact() });

    // The MX record is changed: mail arrives on both servers for a while.
    let [stragglers] = page.commands("5. The stragglers");
    for round in 0..3 {
        target.put("INBOX", &[arriving("on the new one", round)]);
        source.put("INBOX", &[arriving("straggler", round)]);
        run(&stragglers).expect(0);
    }
    let (left, after) = (source.read(), target.read());
    assert_copied(&moved, &after, &Expect { order: Duty::May, ..Expect::superset() });
    assert_eq!(after.message_count(), moved.message_count() + 6);
    let inbox = subjects(&after, "INBOX");
    for round in 0..3 {
        for name in ["straggler", "on the new one"] {
            let subject = format!("{name} {round}");
            let count = inbox.iter().filter(|found| **found == subject).count();
            assert_eq!(count, 1, "{subject}: {inbox:?}");
        }
    }
    assert!(!subjects(&left, "INBOX").iter().any(|subject| subject.starts_with("straggler")));

    let [look_again] = page.commands("6. A last look");
    let seen = run(&look_again).expect(1);
    assert!(seen.stdout.contains(" 0 + on the source only"), "{}", seen.report());
}

#[test]
fn a_backup_is_made_by_hand_checked_and_restored_on_trial() {
    let page = Page::open("backup.md");
    let Some(world) = World::open() else { return };
    let (account, _) = world.pair(Way::SlashToDot);
    furnish(&account);
    let desk = Desk::new();
    let home = desk.path().display().to_string();
    let (url, archive) = (account.url("imap"), format!("maildir:{home}/archive"));
    let secret = desk.file("secret", &account.password);
    let trial = format!("{home}/trial");
    let variables = [
        ("ACCOUNT", &*url),
        ("ARCHIVE", &*archive),
        ("TRIAL", &*trial),
        ("SECRET", secret.to_str().unwrap()),
    ];
    let by_hand = [&variables[..], &[("MAILFERRY_SOURCE_PASSWORD", &*account.password)]].concat();
    let [backup, restore, compare, remove] = page.commands("By hand");
    let [weekly] = page.commands("Every week: is it one?");
    for night in 0..3 {
        account.put("INBOX", &[mail("night", night)]);
        let mut probe = account.probe();
        let uid = uid_of(&account.read(), "INBOX", &format!("inbox {}", 100 - night));
        probe.remove("INBOX", &[uid]).unwrap();
        shell(&desk, &backup, &by_hand).expect(0);
        shell(&desk, &weekly, &variables).expect(0);
    }
    shell(&desk, &restore, &variables).expect(0);
    shell(&desk, &compare, &variables).expect(0);
    let trial = format!("maildir:{trial}");
    let words = ["check", &url, &trial, "--deep", "--source-password-command", "cat secret"];
    desk.mailferry(&words).expect(0);
    shell(&desk, &remove, &variables).expect(0);

    // An account that was emptied does not empty its backup.
    let saved = account.read();
    let mut probe = account.probe();
    for (name, uids) in saved.uids() {
        if !uids.is_empty() {
            probe.remove(&name, &uids).unwrap();
        }
    }
    shell(&desk, &backup, &by_hand).expect(121);
    let check = shell(&desk, &weekly, &variables).expect(1);
    let kept = format!("{:>10} - on the target only", saved.message_count());
    assert!(check.stdout.contains(&kept), "{}", check.report());
}

#[test]
fn a_job_is_written_run_watched_and_has_a_timer() {
    let page = Page::open("jobs.md");
    let Some(world) = World::open() else { return };
    let (account, _) = world.pair(Way::SlashToDot);
    furnish(&account);
    let desk = Desk::new();
    let (url, secret) = (account.url("imap"), desk.file("secret", &account.password));
    let archive = format!("maildir:{}/archive", desk.path().display());
    let trial = desk.path().join("trial").display().to_string();
    let variables = [
        ("ACCOUNT", &*url),
        ("ARCHIVE", &*archive),
        ("SECRET", secret.to_str().unwrap()),
        ("TRIAL", &*trial),
    ];
    let run = |command: &str| shell(&desk, command, &variables);
    for command in page.commands::<4>("") {
        run(&command).expect(0);
    }
    let [drill] = page.commands("Drills");
    let drilled = run(&drill).expect(0);
    assert!(drilled.stdout.contains("drill alice: good: "), "{}", drilled.report());
    pretend_timers(&desk);
    let [install, list, remove] = page.commands("By themselves");
    run(&install).expect(0);
    assert!(run(&list).expect(0).stdout.starts_with("alice  "));
    run(&remove).expect(0);
    assert_eq!(run(&list).expect(0).stdout, "");
}

#[test]
fn what_goes_from_a_backup_is_kept_as_the_page_says() {
    let Some(world) = World::open() else { return };
    let page = Page::open("backup.md");
    let [add, ..] = page.commands::<4>("Once: write it down");
    let (account, _) = world.pair(Way::SlashToDot);
    furnish(&account);
    let desk = Desk::new();
    let (url, secret) = (account.url("imap"), desk.file("secret", &account.password));
    let archive = format!("maildir:{}/archive", desk.path().display());
    let variables =
        [("ACCOUNT", &*url), ("ARCHIVE", &*archive), ("SECRET", secret.to_str().unwrap())];
    shell(&desk, &add, &variables).expect(0);
    shell(&desk, "mailferry job run alice-disk", &[]).expect(0);
    // With what is marked as deleted there.
    account.probe().remove("INBOX", &[1, 2, 5]).unwrap();
    shell(&desk, "mailferry job run alice-disk", &[]).expect(0);
    let [weekly] = page.commands("Every week: is it one?");
    shell(&desk, &weekly, &variables).expect(0);
    let folders = std::fs::read_dir(desk.path().join("archive")).unwrap();
    let names = folders.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let day = names.into_iter().find(|name| name.starts_with(".Removed.2")).unwrap();
    let kept = std::fs::read_dir(desk.path().join("archive").join(day).join("cur")).unwrap();
    assert_eq!(kept.count(), 3);
}

#[test]
fn every_command_of_these_pages_is_typed_by_a_test() {
    // Those of docs/backup.md that are not typed above are by nights.rs.
    for (name, expected) in [("migration.md", 6), ("backup.md", 15), ("jobs.md", 8)] {
        let count: usize =
            Page::open(name).sections.iter().map(|section| section.commands().len()).sum();
        assert_eq!(count, expected, "{name}");
    }
}

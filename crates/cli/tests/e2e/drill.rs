//! Drills: a backup is restored on trial, compared, and taken away again; nothing else changes.
#![cfg(unix)]

use crate::jobs::*;
use crate::pair::{Pair, fill};
use crate::world::*;
use mailferry_testkit::sim::{AppendRequest, Date, Profile};
use serde_json::Value;
use std::sync::Arc;

/// A job that backs an account up, which has run.
fn backed_up(account: &Place<'_>, backup: &Place<'_>, more: &str) -> Desk {
    let desk = Desk::new();
    let (here, there) =
        (desk.file("here", &account.password), desk.file("there", &backup.password));
    write_jobs(
        &desk,
        &format!(
            "[job.a]\nkind = \"backup\"\nsource = \"{}\"\ntarget = \"{}\"\nsource_password_file = \
             \"{}\"\ntarget_password_file = \"{}\"\n{more}\n",
            account.url("imap"),
            backup.url("imap"),
            here.display(),
            there.display()
        ),
    );
    desk.mailferry(&["job", "run", "a"]).expect(0);
    desk
}

fn drilled(run: &Finished) -> Value {
    run.json_lines().pop().unwrap()
}

#[test]
fn a_backup_is_restored_beside_the_mail_compared_and_taken_away() {
    let Some(world) = World::open() else { return };
    for way in [Way::SlashToDot, Way::DotToSlash] {
        let (account, backup) = world.pair(way);
        furnish(&account);
        let desk = backed_up(&account, &backup, "");
        let (before, kept) = (account.read(), backup.read());
        let words = ["drill", "a", "--mailbox-prefix", "Drill", "--json"];
        let told = drilled(&desk.mailferry(&words).expect(0));
        assert_eq!((&told["event"], &told["good"]), (&"drill".into(), &true.into()));
        assert_eq!(told["messages"], u64::try_from(before.message_count()).unwrap());
        assert_untouched(&before, &account.read());
        assert_untouched(&kept, &backup.read());
        let status = desk.mailferry(&["job", "status"]).expect(0);
        assert!(status.stdout.contains("last restored successfully: "), "{}", status.report());
        assert!(!status.stdout.contains("WARNING"), "{}", status.report());
        // Again: nothing was left in the way.
        desk.mailferry(&["drill", "a", "--mailbox-prefix", "Drill"]).expect(0);
        assert_untouched(&before, &account.read());
    }
}

#[test]
fn a_backup_is_restored_to_an_empty_account_of_its_own() {
    let Some(world) = World::open() else { return };
    let (account, backup) = world.pair(Way::SlashToDot);
    furnish(&account);
    let trial = Place::new(&world.slash, "trial");
    let desk = Desk::new();
    let secret = desk.file("trial", &trial.password);
    let more = format!(
        "drill_into = \"{}\"\ndrill_password_file = \"{}\"",
        trial.url("imap"),
        secret.display()
    );
    let jobs = backed_up(&account, &backup, &more);
    for _ in 0..2 {
        let run = jobs.mailferry(&["drill", "a"]).expect(0);
        assert!(run.stdout.contains("drill a: good: "), "{}", run.report());
        let left = trial.read();
        assert_eq!(left.message_count(), 0);
        assert!(left.mailboxes.keys().all(|name| name == "INBOX"), "{:?}", left.mailboxes.keys());
    }
    let folder = format!("maildir:{}/trial", jobs.path().display());
    for _ in 0..2 {
        let told = drilled(&jobs.mailferry(&["drill", "a", "--into", &folder, "--json"]).expect(0));
        assert_eq!(told["messages"], u64::try_from(account.read().message_count()).unwrap());
    }
}

#[test]
fn a_place_that_is_not_empty_is_refused_and_not_touched() {
    let Some(world) = World::open() else { return };
    let (account, backup) = world.pair(Way::SlashToDot);
    furnish(&account);
    account.put("Drill/Mine", &mails("mine", 2));
    let desk = backed_up(&account, &backup, "");
    let before = account.read();
    let run = desk.mailferry(&["drill", "a", "--mailbox-prefix", "Drill"]).expect(121);
    assert!(run.stderr.contains("there is a mailbox `Drill"), "{}", run.report());
    let run = desk
        .mailferry(&["drill", "a", "--into", &format!("maildir:{}/x", desk.path().display())])
        .expect(0);
    assert!(run.stdout.contains("good"));
    let more = "drill_into = \"@\"\ndrill_password_file = \"%\"";
    let there = desk.path().join("there");
    let more = more.replace('@', &backup.url("imap")).replace('%', &there.display().to_string());
    let desk = backed_up(&account, &backup, &more);
    std::fs::write(&there, &backup.password).unwrap();
    let kept = backup.read();
    let run = desk.mailferry(&["drill", "a"]).expect(121);
    assert!(run.stderr.contains("the account is not empty"), "{}", run.report());
    assert_untouched(&before, &account.read());
    assert_untouched(&kept, &backup.read());
    let run = desk.mailferry(&["job", "status"]).expect(0);
    assert!(run.stdout.contains("last restored successfully: never"), "{}", run.report());
    let nowhere = backed_up(&account, &backup, "");
    nowhere.mailferry(&["drill", "a"]).expect(64);
}

#[test]
fn a_sample_is_a_share_of_every_mailbox() {
    let Some(world) = World::open() else { return };
    let (account, backup) = world.pair(Way::SlashToDot);
    account.put("INBOX", &mails("inbox", 40));
    account.put("Work", &mails("work", 11));
    let desk = backed_up(&account, &backup, "");
    let before = account.read();
    let words = ["drill", "a", "--mailbox-prefix", "Drill", "--sample", "10%", "--json"];
    let told = drilled(&desk.mailferry(&words).expect(0));
    assert_eq!((&told["messages"], &told["listed"]), (&6.into(), &51.into()));
    assert_untouched(&before, &account.read());
}

#[test]
fn a_restore_that_fails_is_a_failed_drill_and_leaves_nothing_behind() {
    let refuse = |request: &AppendRequest<'_>| {
        let is_poison = request.octets.windows(6).any(|window| window == b"poison");
        is_poison.then(|| "No poison".to_owned())
    };
    let source = Profile { refuse: Some(Arc::new(refuse)), ..Profile::modern() };
    let (pair, desk) = (Pair::new(source, Profile::modern()), Desk::new());
    fill(&pair.from, "INBOX", 1..10);
    pair.from.append(
        "INBOX",
        b"Message-Id: <p@x>\r\n\r\npoison\r\n",
        &[],
        Date::utc(1_600_000_000),
    );
    write_jobs(
        &desk,
        &job(&pair, "a", "drill_mailbox_prefix = \"Drill\"\ndrill_max_age = \"30d\""),
    );
    desk.mailferry(&["job", "run", "a"]).expect(0);
    let before = pair.from.snapshot();
    let run = desk.mailferry(&["drill", "a"]).expect(114);
    assert!(run.stdout.contains("drill a: NOT good (status 114"), "{}", run.report());
    assert_eq!(pair.from.snapshot().keys().collect::<Vec<_>>(), before.keys().collect::<Vec<_>>());
    let status = desk.mailferry(&["job", "status", "--stale", "26h"]).expect(1);
    assert!(
        status.stdout.contains("WARNING: it was never restored on trial"),
        "{}",
        status.report()
    );
    // Mended, and then long ago.
    assert!(pair.from.expunge("INBOX", 10));
    assert!(pair.to.expunge("INBOX", 10));
    desk.mailferry(&["drill", "a"]).expect(0);
    desk.mailferry(&["job", "status", "--stale", "26h"]).expect(0);
    let path = record_path(&desk, "a");
    let mut record: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    let started = record["good_drill"]["started"].as_i64().unwrap() - 40 * 86_400;
    record["good_drill"]["started"] = started.into();
    record["drills"] = Value::Array(Vec::new());
    std::fs::write(&path, record.to_string()).unwrap();
    let status = desk.mailferry(&["job", "status"]).expect(0);
    let words = "WARNING: the last good drill is older than 30 d";
    assert!(status.stdout.contains(words), "{}", status.report());
}

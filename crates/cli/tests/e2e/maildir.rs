//! A Maildir++ as an archive: an account goes there and comes back, Dovecot serves it as it is, and
//! runs that are killed leave it whole.
#![cfg(unix)]

use std::fs;
use std::path::Path;

use crate::world::*;

const SCHEME: &str = "maildir:";

fn files(folder: &Path) -> usize {
    let mut count = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let room = path.parent().unwrap().file_name().unwrap().to_str().unwrap();
        match path.is_dir() {
            true => count += files(&path),
            false => count += usize::from(["cur", "new", "tmp"].contains(&room)),
        }
    }
    count
}

#[test]
fn an_account_goes_to_a_maildir_and_from_there_to_another_server() {
    let Some(world) = World::open() else { return };
    let case = Archive::open(&world, SCHEME);
    let original = case.goes_there_and_back(&world);
    assert_eq!(files(&case.folder), original.message_count());
}

#[test]
fn what_changes_on_the_server_changes_in_the_maildir() {
    let Some(world) = World::open() else { return };
    let case = Archive::open(&world, SCHEME);
    case.archive(&["--mirror"]).expect(0);
    case.changes();
    assert_eq!(files(&case.folder), case.source.read().message_count());
    assert!(!case.folder.join(".Drafts").exists());
}

#[test]
fn dovecot_serves_it_as_it_is() {
    let Some(world) = World::open() else { return };
    let Some(maildir) = server(&Setup::new(Layout::SlashMaildir)) else { return };
    let case = Archive::open(&world, SCHEME);
    case.archive(&["--mirror"]).expect(0);
    let user = maildir.fresh_user("archive");
    let rows = |folder: &Path| {
        let text = fs::read_to_string(folder.join("dovecot-uidlist")).unwrap();
        let mut lines: Vec<(String, String)> = text
            .lines()
            .skip(1)
            .map(|line| line.split_once(" :").unwrap())
            .map(|(uid, name)| {
                (
                    uid.split(' ').next().unwrap().to_owned(),
                    name.split(':').next().unwrap().to_owned(),
                )
            })
            .collect();
        lines.sort();
        lines
    };
    let before = rows(&case.folder);
    let home = maildir.adopt(&user, &case.folder).unwrap();
    let served = Place::named(&maildir, user);
    assert_copied(&case.source.read(), &served.read(), &Expect::exact());
    assert_eq!(rows(&home), before, "Dovecot gave other UIDs");
    // And what Dovecot made of it is the same archive to us.
    let url = format!("maildir:{}", home.display());
    case.run("check", &case.source.url("imap"), &url, &["--deep"]).expect(0);
}

#[test]
fn a_run_that_is_killed_leaves_the_maildir_whole() {
    let Some(world) = World::open() else { return };
    let case = Archive::open(&world, SCHEME);
    case.source.put("Many", &mails("many", 400));
    let original = case.source.read();
    for milliseconds in [30, 60, 90, 120] {
        case.archive_killed_after(milliseconds, &[]);
    }
    case.archive(&[]).expect(0);
    let target = Place::new(&world.dot, "back");
    case.desk.file("to", &target.password);
    case.run("sync", &case.url(), &target.url("imap"), &[]).expect(0);
    assert_copied(&original, &target.read(), &Expect { order: Duty::May, ..Expect::exact() });
    assert_eq!(target.read().message_count(), original.message_count());
}

#[test]
fn a_folder_that_cannot_be_had_is_told() {
    let Some(world) = World::open() else { return };
    let case = Archive::open(&world, SCHEME);
    fs::write(&case.folder, b"a file").unwrap();
    let run = case.archive(&[]).expect_failure();
    assert!(run.stderr.contains("archive of mail"), "{}", run.report());
    let nowhere = format!("maildir:{}/nowhere", case.desk.path().display());
    let run = case.run("sync", &nowhere, &case.url(), &[]).expect_failure();
    assert!(run.stderr.contains("nowhere"), "{}", run.report());
    assert_eq!(fs::read(&case.folder).unwrap(), b"a file");
}

#[test]
fn a_restore_from_a_maildir_brings_back_and_removes_nothing() {
    let Some(world) = World::open() else { return };
    let case = Archive::open(&world, SCHEME);
    case.archive(&["--mirror"]).expect(0);
    case.brings_back();
}

#[test]
fn messages_of_an_archive_are_chosen_by_day_and_by_message_id() {
    let Some(world) = World::open() else { return };
    let case = Archive::open(&world, SCHEME);
    case.archive(&["--mirror"]).expect(0);
    let account = Place::new(&world.slash, "empty");
    case.desk.file("to", &account.password);
    let restore = |options: &[&str]| {
        let yes = [&["--yes"], options].concat();
        case.run("restore", &case.url(), &account.url("imap"), &yes)
    };
    let ids =
        ["--message-id", "<sent.3@e2e.example.org>", "--message-id", "<cafe.0@E2E.example.org>"];
    restore(&ids).expect(0);
    assert_eq!(subjects(&account.read(), "Sent"), ["sent 3"]);
    assert_eq!(subjects(&account.read(), "Caf&AOk-"), ["cafe 0"]);
    // The inbox is dated by 3600 s for each number, from 2020-09-13T12:26:40Z; one message is of 1975.
    restore(&["--mailbox", "INBOX", "--before", "1980-01-01"]).expect(0);
    let first = subjects(&account.read(), "INBOX");
    assert_eq!(first.len(), 1);
    restore(&["--mailbox", "INBOX", "--since", "2020-09-17", "--before", "2020-09-18"]).expect(0);
    let found = subjects(&account.read(), "INBOX");
    let dated = case.source.read();
    let day = |seconds: i64| seconds.div_euclid(86_400);
    // 2020-09-17.
    let is_of_the_day = |message: &&Message| day(message.instant) == day(1_600_300_800);
    let expected = dated.messages("INBOX").iter().filter(is_of_the_day);
    assert_eq!(found.len() - 1, expected.count());
    assert!(found.len() > 2, "{found:?}");
    restore(&["--search", "UNSEEN"]).expect_failure();
}

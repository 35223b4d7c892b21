//! A Maildir as an archive: an account goes there and comes back, Dovecot serves it as it is, and
//! runs that are killed leave it whole.
#![cfg(unix)]

use std::fs;
use std::path::Path;

use crate::world::*;

const SCHEME: &str = "maildir:";
const FS: &str = "maildir+fs:";

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
    for scheme in [SCHEME, FS] {
        let Some(world) = World::open() else { return };
        let case = Archive::open(&world, scheme);
        let original = case.goes_there_and_back(&world);
        assert_eq!(files(&case.folder), original.message_count());
    }
}

#[test]
fn what_changes_on_the_server_changes_in_the_maildir() {
    for (scheme, drafts) in [(SCHEME, ".Drafts"), (FS, "Drafts")] {
        let Some(world) = World::open() else { return };
        let case = Archive::open(&world, scheme);
        case.archive(&["--mirror"]).expect(0);
        assert!(case.folder.join(drafts).exists());
        case.changes();
        assert_eq!(files(&case.folder), case.source.read().message_count());
        assert!(!case.folder.join(drafts).exists());
    }
}

/// The UIDs of the files of a mailbox.
fn rows(folder: &Path) -> Vec<(String, String)> {
    let text = fs::read_to_string(folder.join("dovecot-uidlist")).unwrap();
    let row = |line: &str| {
        let (uid, name) = line.split_once(" :").unwrap();
        let first = |text: &str, end: char| text.split(end).next().unwrap().to_owned();
        (first(uid, ' '), first(name, ':'))
    };
    let mut rows: Vec<_> = text.lines().skip(1).map(row).collect();
    rows.sort();
    rows
}

#[test]
fn dovecot_serves_it_as_it_is() {
    for (layout, scheme, nested) in [
        (Layout::SlashMaildir, SCHEME, ".Archive.2020.Q&-A"),
        (Layout::SlashMaildirFs, FS, "Archive/2020/Q&-A"),
    ] {
        let Some(world) = World::open() else { return };
        let Some(maildir) = server(&Setup::new(layout)) else { return };
        let case = Archive::open(&world, scheme);
        case.archive(&["--mirror"]).expect(0);
        let user = maildir.fresh_user("archive");
        let before = rows(&case.folder);
        assert!(case.folder.join(nested).is_dir(), "{nested}");
        let home = maildir.adopt(&user, &case.folder).unwrap();
        let served = Place::named(&maildir, user);
        assert_copied(&case.source.read(), &served.read(), &Expect::exact());
        assert_eq!(rows(&home), before, "Dovecot gave other UIDs");
        // And what Dovecot made of it is the same archive to us.
        let url = format!("{scheme}{}", home.display());
        case.run("check", &case.source.url("imap"), &url, &["--deep"]).expect(0);
    }
}

#[test]
fn what_dovecot_makes_in_folders_in_folders_is_read_as_it_serves_it() {
    let Some(world) = World::open() else { return };
    let Some(server) = server(&Setup::new(Layout::SlashMaildirFs)) else { return };
    let case = Archive::open(&world, FS);
    let served = Place::new(&server, "fs");
    furnish(&served);
    let mut probe = served.probe();
    // A parent that goes while what is below it stays, and names that look like something else.
    served.put("Top/Below/Deep", &mails("deep", 3));
    served.put("Top/Below", &mails("below", 2));
    probe.delete("Top/Below").unwrap();
    served.put("With.dots/2026.11", &[mail("dots", 1).flagged("\\Flagged $Todo other")]);
    probe.subscribe("With.dots/2026.11").unwrap();
    probe.create_if_missing("Gone").unwrap();
    probe.subscribe("Gone").unwrap();
    probe.delete("Gone").unwrap();
    for impossible in ["cur", "Work/new"] {
        assert!(probe.create_if_missing(impossible).is_err(), "Dovecot makes `{impossible}`");
    }
    let original = served.read();
    let home = server.home(&served.user).join("Maildir");
    let target = Place::new(&world.slash, "from-fs");
    case.desk.file("to", &target.password);
    // It shows which of the two it is.
    for scheme in [FS, SCHEME] {
        let url = format!("{scheme}{}", home.display());
        case.run("sync", &url, &target.url("imap"), &[]).expect(0);
        let mut expected = original.clone();
        expected.subscriptions.remove("Gone");
        assert_copied(&expected, &target.read(), &Expect::exact());
        case.run("check", &url, &target.url("imap"), &[]).expect(0);
    }
    assert_untouched(&original, &served.read());
    // As a target it has to be said.
    let url = format!("{SCHEME}{}", home.display());
    case.desk.file("to", "");
    let run = case.run("sync", &case.source.url("imap"), &url, &[]).expect_failure();
    assert!(run.stderr.contains("maildir+fs:"), "{}", run.report());
    assert_untouched(&original, &served.read());
    // And what we write into it, Dovecot serves.
    let url = format!("{FS}{}", home.display());
    case.run("sync", &case.source.url("imap"), &url, &["--mirror"]).expect(0);
    server.give_back(&served.user).unwrap();
    assert_copied(&case.source.read(), &served.read(), &Expect::exact());
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

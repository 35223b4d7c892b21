//! What is deleted.

use super::Scenario;
use crate::scene::*;
use crate::world::*;

pub const SCENARIOS: &[(&str, Scenario)] = &[
    ("S204", |s| {
        let s = s.with(&[("INBOX", 1)]);
        s.target.put("INBOX", &mails("inbox", 1));
        s.run(&["--delete1", "--folder", "INBOX"], 0);
        assert_eq!(s.counts("INBOX"), (0, 1));
        s.back(&["--delete1", "--delete2duplicates", "--folder", "INBOX"]);
        assert_eq!(s.counts("INBOX"), (1, 0));
        s.run(&["--folder", "INBOX"], 0);
        assert_eq!(s.counts("INBOX"), (1, 1));
    }),
    ("S205", |s| {
        let s = s.with(&[("INBOX", 2)]);
        s.run(&["--delete1", "--folder", "INBOX"], 0);
        assert_eq!(s.counts("INBOX"), (0, 2));
        s.back(&["--delete1", "--folder", "INBOX"]);
        assert_eq!(s.counts("INBOX"), (2, 0));
        s.run(&["--folder", "INBOX"], 0);
        assert_eq!(s.counts("INBOX"), (2, 2));
    }),
    ("S206", |s| {
        let s = s.with(&[("INBOX", 2)]);
        s.run(&["--delete1", "--dry"], 0);
        assert_eq!(s.counts("INBOX"), (2, 0));
    }),
    ("S208", |s| {
        let mail = [sent_days_ago("new", 1), sent_days_ago("mid", 30), sent_days_ago("old", 2000)];
        s.source.put("INBOX", &mail);
        s.run(&["--delete1", "--minage", "10", "--maxage", "999"], 0);
        assert_eq!(subjects(&s.source.read(), "INBOX"), ["new", "old"]);
        assert_eq!(subjects(&s.target.read(), "INBOX"), ["mid"]);
    }),
    // imapsync empties the account with that. Here one mailbox is no copy of itself.
    ("S209", |s| {
        let s = s.with(&[("INBOX", 2), ("yop", 1)]);
        let own = Scene { target: s.source.clone(), ..s };
        let options = ["--delete1", "--noexpungeaftereach"];
        own.desk.imapsync(&own.source, &own.target, &options).expect_failure();
        assert_eq!(own.source.read().message_count(), 3);
    }),
    ("S210", |s| {
        let s = s.with(&[("INBOX", 2)]);
        s.target.put("INBOX", &mails("extra", 1));
        s.run(&["--delete2", "--folder", "INBOX"], 0);
        assert_eq!(subjects(&s.target.read(), "INBOX"), ["inbox 0", "inbox 1"]);
    }),
    ("S212", |s| {
        let s = s.with(&[("INBOX", 2)]);
        s.target.put("INBOX", &mails("extra", 2));
        let run = s.run(&["--delete2", "--useuid", "--folder", "INBOX", "--debugimap2"], 0);
        has(&run, &["UID EXPUNGE"]);
        assert_eq!(s.counts("INBOX"), (2, 2));
    }),
    ("S213", |s| {
        let s =
            s.with(&[("INBOX", 0), ("a", 0), ("a/b", 0), ("a/b/c", 0), ("full", 1), ("d/e", 1)]);
        let run = s.run(&["--delete1", "--delete1emptyfolders"], 0);
        // Those that were empty before, and those that the run has emptied.
        let names: Vec<String> = s.source.read().mailboxes.keys().cloned().collect();
        assert_eq!(names, ["INBOX"], "{}", run.report());
        s.assert_arrived(&[("d/e", 1), ("full", 1)]);
        assert!(!s.target.read().mailboxes.contains_key("a"));
    }),
    ("S214", |s| {
        let s = s.with(&[("empty", 0), ("full", 1)]);
        has(&s.run(&["--justfolders", "--delete1emptyfolders", "--dry"], 0), &["[INBOX.empty]"]);
        assert!(s.source.read().mailboxes.contains_key("empty"));
        s.run(&["--justfolders", "--delete1emptyfolders"], 0);
        assert!(!s.source.read().mailboxes.contains_key("empty"));
        assert!(s.target.read().mailboxes.contains_key("full"));
    }),
    ("S216", |s| {
        let s = s.with(&[("INBOX", 1)]);
        s.target.put("NEW_3/oneemail", &mails("one", 1));
        s.target.put("NEW_3/oneemail2", &mails("two", 1));
        s.run(&["--delete2foldersonly", "/^INBOX.NEW_3.oneemail$/"], 0);
        s.assert_arrived(&[("INBOX", 1), ("NEW_3/oneemail2", 1)]);
    }),
    // As S218: refused, dry or not.
    ("S217", |s| {
        s.target.put("NEW", &mails("new", 1));
        s.run(&["--subfolder2", "NEW", "--delete2foldersonly", "NEW", "--dry"], 64);
        s.assert_arrived(&[("NEW", 1)]);
    }),
    // A bare word is no expression: refused, instead of deleting every folder.
    ("S218", |s| {
        let s = s.with(&[("INBOX", 1)]);
        s.target.put("NEW_2", &mails("new", 1));
        s.run(&["--subfolder2", "NEW_2", "--delete2foldersonly", "NEW_2"], 64);
        s.run(&["--subfolder2", "NEW_2", "--delete2foldersonly", "/NEW_2/"], 0);
        s.assert_arrived(&[("NEW_2", 1), ("NEW_2/INBOX", 1)]);
    }),
    ("S220", |s| {
        let arrived = |name, days: i64| mail(name, 1).dated(now() - days * DAY);
        s.source.put("INBOX", &[arrived("old", 400)]);
        s.target.put("INBOX", &[arrived("old stray", 400), arrived("new stray", 1)]);
        let search = format!("BEFORE {}", date_days_ago(100));
        s.run(&["--search", &search, "--delete2", "--useuid"], 0);
        assert_eq!(subjects(&s.target.read(), "INBOX"), ["new stray 1", "old 1"]);
    }),
];

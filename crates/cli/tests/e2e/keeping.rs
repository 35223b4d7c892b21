//! What a presync or an exact backup takes away is kept in a mailbox of the day.

use std::time::{Duration, Instant};

use crate::world::*;
use mailferry_testkit::dovecot::{Layout, Setup};
use mailferry_testkit::probe::{Account, Message};

/// All that a server without MOVE and UIDPLUS announces.
const BARE: &str = "IMAP4rev1 LITERAL+ SASL-IR ID NAMESPACE UNSELECT CHILDREN STARTTLS AUTH=PLAIN";

const GONE: [&str; 3] = ["inbox 98", "inbox 97", "inbox 96"];

/// The mailbox of the day, and what is in it.
fn kept(account: &Account) -> Vec<Message> {
    let days = account.mailboxes.keys().filter(|name| name.starts_with("Backup/"));
    let days: Vec<&String> = days.collect();
    assert!(days.len() <= 1, "{days:?}");
    days.first().map(|name| account.messages(name).to_vec()).unwrap_or_default()
}

/// Octets, flags and date of messages, in any order.
fn contents<'a>(messages: impl IntoIterator<Item = &'a Message>) -> Vec<String> {
    let content =
        |message: &Message| format!("{:?} {:?} {}", message.digest, message.flags, message.instant);
    let mut all: Vec<String> = messages.into_iter().map(content).collect();
    all.sort();
    all
}

fn sync(desk: &Desk, source: &Place<'_>, target: &Place<'_>, options: &[&str]) -> Finished {
    let all = [&["--backup-mailbox", "Backup"], options].concat();
    desk.ferry("sync", source, target, &all)
}

#[test]
fn what_goes_from_the_target_is_in_the_mailbox_of_the_day() {
    let Some(world) = World::open() else { return };
    let hiding = Setup { capability: Some(BARE.to_owned()), ..Setup::new(Layout::Slash) };
    let Some(bare) = server(&hiding) else { return };
    let places = [
        world.pair(Way::SlashToDot),
        world.pair(Way::DotToSlash),
        (Place::new(&world.dot, "from"), Place::new(&bare, "to")),
    ];
    for (source, target) in places {
        furnish(&source);
        let desk = Desk::new();
        sync(&desk, &source, &target, &["--mirror"]).expect(0);
        let before = target.read();
        assert!(!before.mailboxes.keys().any(|name| name.starts_with("Backup")));

        let original = source.read();
        let mut probe = source.probe();
        // The last of them is marked as deleted.
        let gone = GONE.map(|name| uid_of(&original, "INBOX", name));
        probe.remove("INBOX", &gone).unwrap();
        probe.delete("Caf&AOk-").unwrap();
        let report = sync(&desk, &source, &target, &["--mirror", "--json"]).expect(0);
        let lines = report.json_lines();
        let moved = lines.iter().filter(|line| line["event"] == "moved").count();
        let last = lines.iter().find(|line| line["event"] == "report").unwrap();
        assert_eq!((moved, &last["moved"], &last["deleted"]), (7, &7.into(), &0.into()));

        let after = target.read();
        let was = |subject: &&str| {
            before.messages("INBOX").iter().find(|message| message.subject == **subject).unwrap()
        };
        let cafe = before.messages("Caf&AOk-");
        let expected = contents(GONE.iter().map(was).chain(cafe));
        assert_eq!(contents(&kept(&after)), expected);
        assert!(!after.mailboxes.contains_key("Caf&AOk-"));

        // It is nobody's mail, unless one forgets to say so.
        sync(&desk, &source, &target, &["--mirror"]).expect(0);
        assert_untouched(&after, &target.read());
        desk.ferry("check", &source, &target, &["--backup-mailbox", "Backup"]).expect(0);
        desk.ferry("check", &source, &target, &[]).expect(1);
        let shown = desk.mailferry(&["runs", "show", "last"]).expect(0);
        assert!(!shown.stdout.contains("moved to"), "the last one moved nothing");
    }
}

#[test]
fn what_is_kept_stays_in_a_mirror_that_does_not_know_of_it() {
    let Some(world) = World::open() else { return };
    for way in [Way::SlashToDot, Way::DotToSlash] {
        let (source, target) = world.pair(way);
        source.put("INBOX", &mails("kept", 8));
        source.put("Old", &mails("old", 2));
        source.put("Diary/2026-01-31", &mails("diary", 2));
        let desk = Desk::new();
        sync(&desk, &source, &target, &["--mirror"]).expect(0);
        source.probe().remove("INBOX", &[3, 5]).unwrap();
        source.probe().delete("Old").unwrap();
        sync(&desk, &source, &target, &["--mirror"]).expect(0);
        let before = target.read();
        assert_eq!(kept(&before).len(), 4);
        // Nothing of those runs is known here.
        source.put("Short", &mails("short", 1));
        let other = Desk::new();
        let run = other.ferry("sync", &source, &target, &["--mirror"]).expect(0);
        let told = run.stderr.matches("of the target stays: its name is that of a day").count();
        assert_eq!(told, 1, "{}", run.report());
        source.probe().delete("Short").unwrap();
        other.ferry("sync", &source, &target, &["--mirror"]).expect(0);
        assert_untouched(&before, &target.read());
        // And where another name is given.
        let elsewhere = ["--mirror", "--backup-mailbox", "Gone"];
        other.ferry("sync", &source, &target, &elsewhere).expect(0);
        assert_untouched(&before, &target.read());
    }
}

#[test]
fn the_plan_and_the_receipt_say_where_messages_go() {
    let Some(world) = World::open() else { return };
    let (source, target) = world.pair(Way::DotToSlash);
    source.put("INBOX", &mails("kept", 8));
    let desk = Desk::new();
    sync(&desk, &source, &target, &["--delete"]).expect(0);
    source.probe().remove("INBOX", &[3, 5]).unwrap();
    let options = ["--delete", "--backup-mailbox", "Backup"];
    let plan = desk.ferry("plan", &source, &target, &options).expect(0);
    assert!(plan.stdout.contains("is moved to `Backup/"), "{}", plan.report());
    let run = sync(&desk, &source, &target, &["--delete"]).expect(0);
    assert!(run.stdout.contains("2 moved to `Backup/"), "{}", run.report());
    let shown = desk.mailferry(&["runs", "show", "last"]).expect(0);
    assert!(shown.stdout.contains("moved to `Backup/"), "{}", shown.report());
    let table = desk.mailferry(&["runs", "show", "last", "--csv"]).expect(0);
    assert_eq!(table.stdout.matches(",moved,").count(), 2, "{}", table.report());
}

#[test]
fn the_guard_counts_what_is_moved() {
    let Some(world) = World::open() else { return };
    let (source, target) = world.pair(Way::SlashToDot);
    source.put("INBOX", &mails("kept", 8));
    let desk = Desk::new();
    sync(&desk, &source, &target, &["--delete"]).expect(0);
    source.probe().remove("INBOX", &[3, 5]).unwrap();
    sync(&desk, &source, &target, &["--delete", "--max-delete", "1"]).expect(121);
    assert_eq!(target.read().messages("INBOX").len(), 8);
    desk.ferry("sync", &source, &target, &["--backup-mailbox", "inbox", "--delete"]).expect(64);
}

#[test]
fn a_full_target_keeps_everything_where_it_is() {
    let full = Setup {
        capability: Some(BARE.to_owned()),
        quota_messages: Some(8),
        ..Setup::new(Layout::Slash)
    };
    let (Some(world), Some(full)) = (World::open(), server(&full)) else { return };
    let (source, target) = (Place::new(&world.dot, "from"), Place::new(&full, "to"));
    source.put("INBOX", &mails("kept", 8));
    let desk = Desk::new();
    sync(&desk, &source, &target, &["--delete"]).expect(0);
    source.probe().remove("INBOX", &[3, 5]).unwrap();
    let run = sync(&desk, &source, &target, &["--delete"]).expect_failure();
    assert!(run.text().contains("not moved, so it stays"), "{}", run.report());
    let after = target.read();
    assert_eq!((after.messages("INBOX").len(), kept(&after).len()), (8, 0));
}

#[test]
fn a_run_killed_while_it_moves_loses_and_doubles_nothing() {
    let hiding = Setup { capability: Some(BARE.to_owned()), ..Setup::new(Layout::Slash) };
    let (Some(world), Some(bare)) = (World::open(), server(&hiding)) else { return };
    for target in [Place::new(&bare, "copying"), Place::new(&world.slash, "moving")] {
        let source = Place::new(&world.dot, "from");
        source.put("INBOX", &mails("kept", 300));
        let desk = Desk::new();
        sync(&desk, &source, &target, &["--delete"]).expect(0);
        let all = contents(target.read().messages("INBOX"));
        source.probe().remove("INBOX", &(1..=250).collect::<Vec<u32>>()).unwrap();
        let options = ["--delete", "--max-delete", "100%", "--backup-mailbox", "Backup"];
        let mut child = desk.start(desk.ferry_command("sync", &source, &target, &options));
        let end = Instant::now() + Duration::from_secs(60);
        while child.try_wait().unwrap().is_none() && Instant::now() < end {
            // What goes while it is read cannot be read.
            let seen = target.probe().account(Keep::Octets);
            if seen.is_ok_and(|account| !kept(&account).is_empty()) {
                break;
            }
        }
        child.kill().unwrap();
        child.wait().unwrap();
        desk.ferry("sync", &source, &target, &options).expect(0);
        let after = target.read();
        assert_eq!((after.messages("INBOX").len(), kept(&after).len()), (50, 250));
        let everywhere = contents(after.messages("INBOX").iter().chain(&kept(&after)));
        assert_eq!(everywhere, all);
    }
}

#[cfg(unix)]
#[test]
fn a_maildir_keeps_what_goes_as_the_same_files() {
    use std::os::unix::fs::MetadataExt as _;
    let Some(world) = World::open() else { return };
    let (source, _) = world.pair(Way::SlashToDot);
    source.put("INBOX", &mails("kept", 8));
    source.put("Old", &mails("old", 3));
    let desk = Desk::new();
    let folder = desk.path().join("archive");
    let (from, to) = (source.url("imap"), format!("maildir:{}", folder.display()));
    desk.file("from", &source.password);
    let secret = ["--source-password-command", "cat from"];
    let run = |verb: &str, options: &[&str]| {
        desk.mailferry(&[&[verb, &from, &to], options, &secret[..]].concat())
    };
    let keeping = ["--mirror", "--backup-mailbox", "Backup", "--quiet"];
    run("sync", &keeping).expect(0);
    let files = |at: &std::path::Path| {
        let mut found: Vec<(u64, i64, u64)> = std::fs::read_dir(at.join("cur"))
            .unwrap()
            .map(|entry| entry.unwrap().metadata().unwrap())
            .map(|found| (found.ino(), found.mtime(), found.len()))
            .collect();
        found.sort_unstable();
        found
    };
    let mut before = [files(&folder), files(&folder.join(".Old"))].concat();
    source.probe().remove("INBOX", &[2, 6]).unwrap();
    source.probe().delete("Old").unwrap();
    run("sync", &keeping).expect(0);
    let days = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
    let day = days
        .into_iter()
        .find(|path| path.file_name().unwrap().to_string_lossy().starts_with(".Backup.2"))
        .unwrap();
    assert_eq!(files(&day).len(), 5);
    let mut after = [files(&folder), files(&day)].concat();
    before.sort_unstable();
    after.sort_unstable();
    assert_eq!(after, before);
    assert!(!folder.join(".Old").exists());
    run("check", &["--backup-mailbox", "Backup"]).expect(0);
    // A day that is over goes, and no other.
    std::fs::rename(&day, folder.join(".Backup.2020-02-29")).unwrap();
    let over = run("sync", &["--mirror", "--backup-mailbox", "Backup", "--keep", "30d"]).expect(0);
    assert!(over.stdout.contains("1 mailboxes deleted"), "{}", over.report());
    assert!(!folder.join(".Backup.2020-02-29").exists());
}

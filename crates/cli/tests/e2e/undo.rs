//! `mailferry undo` with the built program between two Dovecots.

use crate::world::*;
use mailferry_testkit::probe::Account;

/// Octets, flags and date of every message by mailbox, in any order, without what is kept.
fn contents(account: &Account) -> Vec<(String, Vec<String>)> {
    let own = account.mailboxes.iter().filter(|(name, _)| !name.starts_with("Backup"));
    own.map(|(name, messages)| {
        let content = messages
            .iter()
            .map(|message| format!("{:?} {:?} {}", message.digest, message.flags, message.instant));
        let mut all: Vec<String> = content.collect();
        all.sort();
        (name.clone(), all)
    })
    .collect()
}

const MIRROR: [&str; 3] = ["--mirror", "--backup-mailbox", "Backup"];

/// A mirror, then a mistake on the source, then the mirror that repeats it. Answers what the target
/// had before, and the receipt's name.
fn repeat_a_mistake(desk: &Desk, source: &Place<'_>, target: &Place<'_>) -> (Account, String) {
    furnish(source);
    desk.ferry("sync", source, target, &MIRROR).expect(0);
    let before = target.read();
    let mut probe = source.probe();
    let original = source.read();
    let gone = ["inbox 98", "inbox 97", "inbox 96"].map(|name| uid_of(&original, "INBOX", name));
    probe.remove("INBOX", &gone).unwrap();
    probe.store("INBOX", &[uid_of(&original, "INBOX", "inbox 92")], "FLAGS", "\\Flagged").unwrap();
    probe.delete("Caf&AOk-").unwrap();
    source.put("INBOX", &mails("copied", 2));
    let mut json = MIRROR.to_vec();
    json.push("--json");
    let lines = desk.ferry("sync", source, target, &json).expect(0).json_lines();
    let report = lines.iter().find(|line| line["event"] == "report").unwrap();
    (before, report["receipt"]["run"].as_str().unwrap().to_owned())
}

#[test]
fn what_a_mirror_took_away_and_changed_comes_back() {
    let Some(world) = World::open() else { return };
    for way in [Way::SlashToDot, Way::DotToSlash] {
        let (source, target) = world.pair(way);
        let desk = Desk::new();
        let (before, run) = repeat_a_mistake(&desk, &source, &target);
        let mirrored = target.read();

        // The plan alone changes nothing, and nobody agrees to it unasked.
        let plan = desk.undo("last", &source, &target, &["--dry-run"]).expect(0);
        assert!(plan.stdout.contains("7 to bring back, 1 with flags"), "{}", plan.report());
        desk.undo("last", &source, &target, &[]).expect(121);
        assert_untouched(&mirrored, &target.read());

        let undone = desk.undo(&run, &source, &target, &["--yes"]).expect(0);
        assert!(undone.stdout.contains("7 brought back"), "{}", undone.report());
        let after = target.read();
        for (name, messages) in contents(&before) {
            let all = contents(&after);
            let (_, now) = all.iter().find(|(other, _)| *other == name).unwrap();
            assert!(messages.iter().all(|message| now.contains(message)), "{name}");
            let copies = if name == "INBOX" { 2 } else { 0 };
            assert_eq!(now.len(), messages.len() + copies, "{name}");
        }
        // Once more: nothing, by name and as the last run that is no undo.
        for run in [&*run, "last"] {
            let again = desk.undo(run, &source, &target, &["--yes"]).expect(0);
            assert!(again.stdout.contains("0 to bring back, 0 with flags"), "{}", again.report());
        }
        assert_untouched(&after, &target.read());

        // The copies go by the rules for all removals.
        desk.undo("last", &source, &target, &["--yes", "--copies", "--max-delete", "1"])
            .expect(121);
        assert_untouched(&after, &target.read());
        desk.undo("last", &source, &target, &["--yes", "--copies"]).expect(0);
        assert_eq!(contents(&target.read()), contents(&before));
        let shown = desk.mailferry(&["runs", "show", "last"]).expect(0);
        assert!(shown.stdout.contains("mailferry undo"), "{}", shown.report());
    }
}

#[test]
fn what_cannot_come_back_is_told_with_the_reason() {
    let Some(world) = World::open() else { return };
    let (source, target) = world.pair(Way::SlashToDot);
    let desk = Desk::new();
    let (before, _) = repeat_a_mistake(&desk, &source, &target);
    let mut probe = target.probe();
    let day = target.read().mailboxes.into_keys().find(|it| it.starts_with("Backup/")).unwrap();
    let kept = target.read();
    // The one that is marked as deleted, so that no other goes with it.
    probe.remove(&day, &[uid_of(&kept, &day, "inbox 96")]).unwrap();
    let changed = uid_of(&kept, "INBOX", "inbox 92");
    probe.store("INBOX", &[changed], "FLAGS", "\\Answered").unwrap();
    let undone = desk.undo("last", &source, &target, &["--yes"]).expect(111);
    assert!(undone.stdout.contains("any more"), "{}", undone.report());
    assert!(undone.stdout.contains("flags were changed again since"), "{}", undone.report());
    assert!(undone.stdout.contains("6 brought back"), "{}", undone.report());
    let after = target.read();
    assert_eq!(after.messages("INBOX").len(), before.messages("INBOX").len() + 2 - 1);
    // Of other accounts, or no run at all.
    desk.undo("last", &target, &source, &["--yes"]).expect(64);
    desk.undo("19990101", &source, &target, &["--yes"]).expect(1);
    assert_untouched(&after, &target.read());
}

#[cfg(unix)]
#[test]
fn what_went_from_a_maildir_comes_back_as_the_same_files() {
    let Some(world) = World::open() else { return };
    let (source, _) = world.pair(Way::SlashToDot);
    source.put("INBOX", &mails("kept", 8));
    source.put("Old", &mails("old", 3));
    let desk = Desk::new();
    let folder = desk.path().join("archive");
    let (from, to) = (source.url("imap"), format!("maildir:{}", folder.display()));
    desk.file("from", &source.password);
    let secret = ["--source-password-command", "cat from"];
    let run = |words: &[&str], options: &[&str]| {
        desk.mailferry(&[words, &[&from, &to], options, &secret[..]].concat())
    };
    run(&["sync"], &MIRROR).expect(0);
    source.probe().remove("INBOX", &[2, 6]).unwrap();
    source.probe().delete("Old").unwrap();
    run(&["sync"], &MIRROR).expect(0);
    run(&["undo", "last"], &["--yes"]).expect(0);
    let count = |at: &std::path::Path| std::fs::read_dir(at.join("cur")).unwrap().count();
    assert_eq!((count(&folder), count(&folder.join(".Old"))), (8, 3));
    run(&["undo", "last"], &["--yes"]).expect(0);
    assert_eq!((count(&folder), count(&folder.join(".Old"))), (8, 3));
}

//! Receipts: whatever becomes of a message, `mailferry runs` and `mailferry why` tell it, after
//! either program, also where the run was killed, the disk was full or the file was altered.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::world::*;
use serde_json::Value;

fn plainly<'a>((source, target): (Place<'a>, Place<'a>)) -> (Place<'a>, Place<'a>) {
    (source.through(source.server.imap()), target.through(target.server.imap()))
}

/// The files of a desk's receipts, oldest first.
fn receipts(desk: &Desk) -> Vec<PathBuf> {
    let folder = desk.path().join("XDG_DATA_HOME").join("mailferry").join("runs");
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}

/// The lines `message` of the last run.
fn messages(desk: &Desk) -> Vec<Value> {
    let shown = desk.mailferry(&["runs", "show", "last", "--json"]).expect(0);
    let lines = shown.json_lines();
    lines.into_iter().filter(|line| line["event"] == "message").collect()
}

/// Source and target of each message of the last run, as UIDs by mailbox of the target.
fn copies(desk: &Desk, fate: &str) -> BTreeMap<String, BTreeSet<u32>> {
    let mut copies: BTreeMap<String, BTreeSet<u32>> = BTreeMap::new();
    for line in messages(desk).iter().filter(|line| line["fate"] == fate) {
        let uid = u32::try_from(line["target_uid"].as_u64().unwrap()).unwrap();
        let mailbox = line["target"].as_str().unwrap().to_owned();
        assert!(copies.entry(mailbox).or_default().insert(uid), "twice: {line}");
    }
    copies
}

#[test]
fn a_receipt_of_either_program_tells_of_every_message_and_where_it_is() {
    let Some(world) = World::open() else { return };
    for front in [Front::Mailferry, Front::Imapsync] {
        let (source, target) = plainly(world.pair(Way::SlashToDot));
        source.put("INBOX", &mails("in", 7));
        source.put("Sent", &mails("sent", 3));
        let desk = Desk::new();
        desk.finish(desk.transfer_command(front, &source, &target)).expect(0);
        // What the servers say, and not the engine.
        let there = target.read();
        let told = copies(&desk, "copied");
        for (mailbox, shown) in [("INBOX", "INBOX"), ("Sent", "INBOX.Sent")] {
            let uids: BTreeSet<u32> = there.messages(mailbox).iter().map(|it| it.uid).collect();
            assert_eq!(told[shown], uids, "{front:?}");
        }
        for line in messages(&desk) {
            let mailbox = line["target"].as_str().unwrap();
            let mailbox = mailbox.strip_prefix("INBOX.").unwrap_or(mailbox);
            let message = there
                .messages(mailbox)
                .iter()
                .find(|it| u64::from(it.uid) == line["target_uid"].as_u64().unwrap());
            assert_eq!(line["subject"], message.unwrap().subject.as_str());
        }
        source.put("INBOX", &mails("late", 2));
        desk.finish(desk.transfer_command(front, &source, &target)).expect(0);
        let listed = desk.mailferry(&["runs"]).expect(0).stdout;
        let lines: Vec<&str> = listed.lines().collect();
        assert_eq!(lines.len(), 2, "{listed}");
        assert!(lines[0].ends_with("complete: 10 listed = 10 copied"), "{listed}");
        assert!(lines[1].ends_with("complete: 12 listed = 2 copied + 10 present"), "{listed}");
        assert!(lines[0].contains(" -> ") && lines[0].contains(&source.user), "{listed}");

        let why = |word: &str| desk.mailferry(&["why", word]).expect(0).stdout;
        let by_id = why("<sent.1@e2e.example.org>");
        assert!(by_id.contains("Sent/2 of "), "{by_id}");
        assert!(by_id.contains("copied to `INBOX.Sent` as UID 2 (run "), "{by_id}");
        assert!(by_id.contains("still there (seen once more, last in run "), "{by_id}");
        assert_eq!(why("SENT 1"), by_id);
        assert_eq!(why("Sent/2"), by_id);
        assert!(why("late").contains("INBOX/9 of "));
        let unknown = desk.mailferry(&["why", "nothing of the kind"]).expect(1);
        assert!(unknown.stderr.contains("no receipt tells of a message"), "{}", unknown.report());
    }
}

#[test]
fn what_was_left_out_or_removed_is_told_with_its_reason() {
    let Some(world) = World::open() else { return };
    let (source, target) = plainly(world.pair(Way::SlashToDot));
    source.put("INBOX", &mails("in", 40));
    let large =
        format!("Message-ID: <large@x>\r\nSubject: large\r\n\r\n{}\r\n", "x".repeat(20_000));
    let desk = Desk::new();
    desk.ferry("sync", &source, &target, &[]).expect(0);
    source.put("INBOX", &[Draft::new(large)]);
    source.probe().remove("INBOX", &[3, 4]).unwrap();
    source.probe().store("INBOX", &[5], "FLAGS", "\\Answered").unwrap();
    desk.ferry("sync", &source, &target, &["--mirror", "--maxsize", "10k"]).expect(0);
    let shown = desk.mailferry(&["runs", "show", "last"]).expect(0).stdout;
    for line in [
        "INBOX -> INBOX: 39 listed = 38 present + 1 skipped",
        "  INBOX/41: left out: larger than the limit you gave, 10240 octets",
        "  removed from the target: `INBOX` UID 3 (absent)",
    ] {
        assert!(shown.contains(line), "{line}\n{shown}");
    }
    assert!(shown.contains("not altered since; digest "), "{shown}");
    let why = desk.mailferry(&["why", "INBOX/5", "--run", "last"]).expect(0).stdout;
    assert!(why.contains("flags were changed from () to (\\Answered)"), "{why}");

    // Another mailbox than any of the run, and other runs than there are.
    desk.mailferry(&["runs", "show", "last", "--mailbox", "Nowhere"]).expect(1);
    desk.mailferry(&["runs", "show", "../../x"]).expect(1);
    desk.mailferry(&["runs", "prune"]).expect(64);
    desk.mailferry(&["runs", "prune", "--older-than", "1d"]).expect(0);
    assert_eq!(receipts(&desk).len(), 2);
    let pruned = desk.mailferry(&["runs", "prune", "--keep", "1"]).expect(0);
    assert_eq!(receipts(&desk).len(), 1, "{}", pruned.report());
}

#[test]
fn foreign_text_acts_on_no_terminal_and_is_no_formula() {
    let Some(world) = World::open() else { return };
    let (source, target) = plainly(world.pair(Way::SlashToDot));
    let evil = "Message-ID: <=1+1@x>\r\nSubject: =cmd|' /C calc'!A0 \x1b[2J, \"x\"\r\n\r\nx\r\n";
    let encoded =
        "Message-ID: <e@x>\r\nSubject: =?utf-8?q?=3DHYPERLINK=1B[2J_gr=C3=BCn?=\r\n\r\ny\r\n";
    source.put("INBOX", &[Draft::new(evil.to_owned()), Draft::new(encoded.to_owned())]);
    let desk = Desk::new();
    desk.ferry("sync", &source, &target, &[]).expect(0);
    let csv = desk.mailferry(&["runs", "show", "last", "--csv"]).expect(0).stdout;
    let rows: Vec<&str> = csv.split("\r\n").collect();
    assert!(rows[0].starts_with("mailbox,uid,fate,target_mailbox,target_uid,"), "{csv}");
    assert_eq!(
        rows[1],
        "INBOX,1,copied,INBOX,1,,,66,<=1+1@x>,\"'=cmd|' /C calc'!A0 \\u{1b}[2J, \"\"x\"\"\""
    );
    assert!(rows[2].ends_with(",<e@x>,\"'=HYPERLINK\\u{1b}[2J gr\u{fc}n\""), "{csv}");
    for words in [
        &["runs", "show", "last", "--all"][..],
        &["why", "x\""],
        &["why", "gr\u{fc}n"],
        &["runs", "show", "last", "--json"],
    ] {
        let run = desk.mailferry(words).expect(0);
        assert!(!run.text().contains('\x1b'), "{}", run.report());
    }
}

/// Waits for a condition that has to come soon.
fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(60);
    while !holds() {
        assert!(Instant::now() < end, "never: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn a_killed_run_leaves_a_receipt_that_says_so_and_tells_what_it_had_done() {
    let Some(world) = World::open() else { return };
    let (source, target) = plainly(world.pair(Way::SlashToDot));
    source.put("INBOX", &mails("many", 400));
    let desk = Desk::new();
    let slow = ["--max-messages-per-second", "100"];
    let mut run = desk.start(desk.ferry_command("sync", &source, &target, &slow));
    let written =
        || receipts(&desk).first().map_or(String::new(), |path| fs::read_to_string(path).unwrap());
    wait_until("a copy is noted", || written().contains("{\"copied\":"));
    let running = desk.mailferry(&["runs"]).expect(0).stdout;
    assert!(running.contains("at work now"), "{running}");
    // Not even one that is asked for by its age is removed.
    desk.mailferry(&["runs", "prune", "--keep", "0"]).expect(0);
    run.kill().unwrap();
    run.wait().unwrap();
    let listed = desk.mailferry(&["runs"]).expect(0).stdout;
    assert!(listed.contains("NOT finished"), "{listed}");
    let shown = desk.mailferry(&["runs", "show", "last"]).expect(0).stdout;
    assert!(shown.contains("NOT finished"), "{shown}");
    let told = copies(&desk, "copied").remove("INBOX").unwrap_or_default();
    let there: BTreeSet<u32> = target.read().messages("INBOX").iter().map(|it| it.uid).collect();
    assert!(!told.is_empty() && told.is_subset(&there), "{told:?} of {there:?}");
    assert_eq!(messages(&desk).len(), 400);

    desk.ferry("sync", &source, &target, &[]).expect(0);
    assert_copied(&source.read(), &target.read(), &Expect::exact());
    let sums = desk.mailferry(&["runs"]).expect(0).stdout;
    assert!(sums.lines().last().unwrap().contains("complete: 400 listed = "), "{sums}");
}

#[test]
fn a_receipt_that_was_altered_is_not_shown() {
    let Some(world) = World::open() else { return };
    let (source, target) = plainly(world.pair(Way::SlashToDot));
    source.put("INBOX", &mails("in", 5));
    let desk = Desk::new();
    desk.ferry("sync", &source, &target, &[]).expect(0);
    let path = &receipts(&desk)[0];
    let good = fs::read_to_string(path).unwrap();
    let bad = good.replace("\"uid\":3,\"target\":3", "\"uid\":3,\"target\":9");
    assert_ne!(good, bad);
    fs::write(path, bad).unwrap();
    let shown = desk.mailferry(&["runs", "show", "last"]).expect(111);
    assert!(shown.stderr.contains("it was altered"), "{}", shown.report());
    assert!(!shown.stdout.contains("INBOX"), "{}", shown.report());
    fs::write(path, good).unwrap();
    desk.mailferry(&["runs", "show", "last"]).expect(0);
}

/// No place, no wish for one, and a disk on which nothing fits.
#[cfg(unix)]
#[test]
fn a_run_without_a_receipt_does_its_work_and_tells_why() {
    let Some(world) = World::open() else { return };
    for front in [Front::Mailferry, Front::Imapsync] {
        let (source, target) = plainly(world.pair(Way::SlashToDot));
        source.put("INBOX", &mails("in", 60));
        let desk = Desk::new();
        let in_the_way = desk.file("in-the-way", "a file");
        let mut command = desk.transfer_command(front, &source, &target);
        command.env("MAILFERRY_DATA_DIR", in_the_way.join("data"));
        let run = desk.finish(command).expect(0);
        assert!(run.text().contains("no place to keep a receipt"), "{}", run.report());

        source.put("INBOX", &[mail("more", 1)]);
        let mut command = desk.transfer_command(front, &source, &target);
        command.env("MAILFERRY_NORECEIPT", "1");
        let run = desk.finish(command).expect(0);
        assert!(!run.text().contains("eceipt"), "{}", run.report());
        assert!(receipts(&desk).is_empty());

        // What is written beyond the limit fails, as on a full disk.
        source.put("INBOX", &mails("full", 60));
        let inner = desk.transfer_command(front, &source, &target);
        let mut command = desk.shell("trap '' XFSZ; ulimit -f 8; exec \"$@\"");
        command.arg("sh").arg(inner.get_program()).args(inner.get_args());
        for (name, value) in inner.get_envs() {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        let run = desk.finish(command).expect(111);
        // What the other program prints does not fit, either.
        let is_told = run.text().contains("no whole receipt of this run");
        assert!(is_told || front == Front::Imapsync, "{}", run.report());
        let expect = Expect { subscriptions: Duty::May, ..Expect::exact() };
        assert_copied(&source.read(), &target.read(), &expect);
    }
}

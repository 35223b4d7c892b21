//! What the documents say is true: the commands of docs/restore.md are run as they stand and do
//! what the page promises, docs/json.md tells of every line that is printed and of no other,
//! docs/exit-status.md of every number.
#![cfg(unix)] // The pages are written for a shell.

use crate::pair;
use crate::world::page::{Page, shell};
use crate::world::*;
use mailferry_cli::imapsync::ExitStatus;
use mailferry_testkit::proxy::{Cut, Manner, Proxy, Weather};
use mailferry_testkit::sim;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The sections of docs/restore.md that hold commands, and how many: each is run by a test, of this
/// file, of nights.rs or of past.rs.
const RUN_HERE: [(&str, usize); 11] = [
    ("1. Stop the jobs that make backups", 2),
    ("2. See what is missing", 1),
    ("3. See the plan, then agree", 2),
    ("4. Check", 1),
    ("5. Start the backup again", 2),
    ("Bringing back less", 5),
    ("Bringing back what a night had", 2),
    ("Bringing it back to one side", 1),
    ("Bringing back what was moved", 1),
    ("Bringing back flags", 1),
    ("When a mailbox holds only new mail", 1),
];

/// Order among messages is not kept by a restore: what comes back comes behind what is there.
const IN_ANY_ORDER: Expect = Expect {
    octets: Form::Exact,
    flags: Duty::Must,
    dates: Duty::Must,
    order: Duty::May,
    subscriptions: Duty::Must,
    nothing_more: Duty::May,
};

/// An account and its exact backup on another server, and a shell to type commands into.
struct Case<'a> {
    account: Place<'a>,
    backup: Place<'a>,
    desk: Desk,
}

impl<'a> Case<'a> {
    fn new(world: &'a World, fill: fn(&Place<'_>)) -> Self {
        let (account, backup) = world.pair(Way::SlashToDot);
        fill(&account);
        let desk = Desk::new();
        desk.ferry("sync", &account, &backup, &["--mirror"]).expect(0);
        assert_copied(&account.read(), &backup.read(), &Expect::exact());
        Self { account, backup, desk }
    }

    /// Types a command of the page into a shell in which the page's variables are set.
    fn run(&self, command: &str) -> Finished {
        let variables = [
            ("BACKUP", &*self.backup.url("imap")),
            ("ACCOUNT", &*self.account.url("imap")),
            ("MESSAGE_ID", "<old@age.example>"),
            ("FROM", &days_ago(100)),
            ("TO", &days_ago(3)),
            ("MAILFERRY_SOURCE_PASSWORD", &*self.backup.password),
            ("MAILFERRY_TARGET_PASSWORD", &*self.account.password),
        ];
        shell(&self.desk, command, &variables)
    }
}

#[test]
fn every_command_of_the_restore_page_is_run_by_a_test() {
    let page = Page::open("restore.md");
    let counted = page.sections.iter().map(|section| (&*section.title, section.commands().len()));
    let found: Vec<(&str, usize)> = counted.filter(|(_, commands)| *commands > 0).collect();
    assert_eq!(found, RUN_HERE);
}

/// Loses two messages and a mailbox of four, moves two, changes flags, gets a new message.
fn damage(account: &Place<'_>) -> Account {
    let before = account.read();
    let uids = |subjects: [&str; 2]| subjects.map(|subject| uid_of(&before, "INBOX", subject));
    let mut probe = account.probe();
    // Else EXPUNGE would take the one marked \Deleted along.
    probe.store("INBOX", &[uid_of(&before, "INBOX", "inbox 96")], "FLAGS", "changed").unwrap();
    probe.remove("INBOX", &uids(["inbox 98", "inbox 97"])).unwrap();
    probe.relocate("INBOX", &uids(["inbox 94", "inbox 93"]), "Archive/2020/Q&-A").unwrap();
    probe.delete("Caf&AOk-").unwrap();
    account.put("INBOX", &[mail("since", 1)]);
    account.read()
}

fn is_lost(mailbox: &str, message: &Message) -> bool {
    mailbox == "Caf&AOk-" || ["inbox 98", "inbox 97"].contains(&&*message.subject)
}

/// The number before these words in the sums of `check`.
#[track_caller]
fn sum(run: &Finished, words: &str) -> u32 {
    let line = run.stdout.lines().find(|line| line.ends_with(words));
    let number = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
    number.unwrap_or_else(|| panic!("no sum `{words}`: {}", run.report()))
}

#[test]
fn the_steps_bring_back_what_was_lost_and_touch_nothing_else() {
    let page = Page::open("restore.md");
    let Some(world) = World::open() else { return };
    let case = Case::new(&world, furnish);
    let (mut lost, saved) = (case.account.read(), case.backup.read());
    for (name, messages) in &mut lost.mailboxes {
        messages.retain(|message| is_lost(name, message));
    }
    let damaged = damage(&case.account);

    let [look] = page.commands("2. See what is missing");
    let seen = case.run(&look).expect(1);
    // Six lost and two moved; those two elsewhere and the new one.
    assert_eq!(sum(&seen, "+ on the source only"), 8, "{}", seen.report());
    assert_eq!(sum(&seen, "- on the target only"), 3, "{}", seen.report());
    assert_untouched(&damaged, &case.account.read());

    let [ask, agree] = page.commands("3. See the plan, then agree");
    let shown = case.run(&ask).expect(121);
    assert!(shown.stdout.contains("= 6 to copy ("), "{}", shown.report());
    assert_untouched(&damaged, &case.account.read());
    case.run(&agree).expect(0);
    let restored = case.account.read();
    assert_copied(&damaged, &restored, &Expect::superset());
    assert_copied(&lost, &restored, &IN_ANY_ORDER);
    assert_eq!(restored.message_count(), damaged.message_count() + 6);
    for (name, uids) in damaged.uids() {
        assert!(restored.uids()[&name].starts_with(&uids), "`{name}` was written anew");
    }
    case.run(&agree).expect(0);
    assert_untouched(&restored, &case.account.read());

    let [again] = page.commands("4. Check");
    let left = case.run(&again).expect(1);
    assert_eq!(sum(&left, "+ on the source only"), 2, "{}", left.report());
    assert_untouched(&saved, &case.backup.read());
}

/// A day so many days ago, as the options take it.
fn days_ago(days: i64) -> String {
    let now = jiff::Timestamp::now();
    let then = now.checked_sub(jiff::SignedDuration::from_hours(24 * days)).unwrap();
    then.to_zoned(jiff::tz::TimeZone::UTC).date().to_string()
}

/// Mail of Ann and Bob, dated so many days ago.
fn furnish_with_ages(account: &Place<'_>) {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let now = i64::try_from(now).unwrap();
    let dated = |name: &str, from: &str, days: i64| {
        let instant = now - days * 86_400;
        let date = mailferry_testkit::probe::date::mail_date(instant);
        let id = name.replace(' ', ".");
        let text = format!(
            "Message-Id: <{id}@age.example>\r\nFrom: {from}@example.org\r\nDate: {date}\r\n\
             Subject: {name}\r\n\r\nThis is {name}.\r\n"
        );
        Draft::new(text).dated(instant)
    };
    let inbox = [dated("kept", "ann", 1), dated("young", "ann", 2), dated("old", "bob", 300)];
    let sent =
        [dated("sent kept", "ann", 1), dated("sent", "bob", 3), dated("sent old", "ann", 90)];
    account.put("INBOX", &inbox);
    account.put("Sent", &sent);
}

#[test]
fn less_is_brought_back_by_mailbox_by_age_or_by_search() {
    let page = Page::open("restore.md");
    let Some(world) = World::open() else { return };
    let [by_mailbox, by_age, by_days, by_id, by_search] = page.commands("Bringing back less");
    for (command, inbox, sent) in [
        (by_mailbox, vec!["kept", "young", "old"], vec!["sent kept"]),
        (by_age, vec!["kept", "young"], vec!["sent kept", "sent"]),
        (by_days, vec!["kept"], vec!["sent kept", "sent old"]),
        (by_id, vec!["kept", "old"], vec!["sent kept"]),
        (by_search, vec!["kept", "old"], vec!["sent kept", "sent"]),
    ] {
        let case = Case::new(&world, furnish_with_ages);
        let mut probe = case.account.probe();
        probe.remove("INBOX", &[2, 3]).unwrap();
        probe.remove("Sent", &[2, 3]).unwrap();
        case.run(&command).expect(0);
        let after = case.account.read();
        assert_eq!(subjects(&after, "INBOX"), inbox, "{command}");
        assert_eq!(subjects(&after, "Sent"), sent, "{command}");
    }
}

#[test]
fn what_is_put_apart_leaves_the_rest_of_the_account_as_it_is() {
    let page = Page::open("restore.md");
    let Some(world) = World::open() else { return };
    let case = Case::new(&world, furnish);
    let saved = case.backup.read();
    let damaged = damage(&case.account);
    let [apart] = page.commands("Bringing it back to one side");
    case.run(&apart).expect(0);

    let mut after = case.account.read();
    let aside = |name: &str| {
        let below = name.strip_prefix("Restored-")?;
        let (date, name) = below.split_once('/')?;
        let digits = date.split('-').map(str::len).collect::<Vec<_>>();
        (digits == [4, 2, 2]).then(|| name.to_owned())
    };
    let mut put_apart = Account::default();
    for (name, messages) in std::mem::take(&mut after.mailboxes) {
        match aside(&name) {
            Some(name) => put_apart.mailboxes.insert(name, messages),
            None => after.mailboxes.insert(name, messages),
        };
    }
    put_apart.subscriptions = saved.subscriptions.clone();
    assert_copied(&saved, &put_apart, &Expect::exact());
    after.subscriptions.retain(|name| aside(name).is_none());
    after.mailboxes.retain(|name, _| !name.starts_with("Restored-"));
    assert_untouched(&damaged, &after);
}

#[test]
fn what_was_moved_is_in_both_places_when_asked_for() {
    let page = Page::open("restore.md");
    let Some(world) = World::open() else { return };
    let case = Case::new(&world, furnish);
    let (before, damaged) = (case.account.read(), damage(&case.account));
    let [everything] = page.commands("Bringing back what was moved");
    case.run(&everything).expect(0);
    let after = case.account.read();
    assert_copied(&damaged, &after, &Expect::superset());
    for moved in ["inbox 94", "inbox 93"] {
        for mailbox in ["INBOX", "Archive/2020/Q&-A"] {
            uid_of(&after, mailbox, moved);
        }
    }
    // What there was before, the two moved ones at their new place, the new one.
    assert_eq!(after.message_count(), before.message_count() + 3);
}

#[test]
fn flags_are_made_those_of_the_backup_when_asked_for() {
    let page = Page::open("restore.md");
    let Some(world) = World::open() else { return };
    let case = Case::new(&world, furnish);
    let before = case.account.read();
    let uids = before.uids()["INBOX"].clone();
    case.account.probe().store("INBOX", &uids, "FLAGS", "\\Seen later").unwrap();
    let [flags] = page.commands("Bringing back flags");
    case.run(&flags).expect(0);
    assert_untouched(&before, &case.account.read());
}

#[test]
fn a_mailbox_of_new_mail_is_left_alone_until_somebody_says_that_it_is_the_right_one() {
    let page = Page::open("restore.md");
    let Some(world) = World::open() else { return };
    let case = Case::new(&world, furnish);
    let before = case.account.read();
    case.account.probe().remove("INBOX", &before.uids()["INBOX"]).unwrap();
    case.account.put("INBOX", &mails("since", 20));
    let damaged = case.account.read();
    let [_, agree] = page.commands("3. See the plan, then agree");
    case.run(&agree).expect(111);
    assert_untouched(&damaged, &case.account.read());
    let [insist] = page.commands("When a mailbox holds only new mail");
    case.run(&insist).expect(0);
    let after = case.account.read();
    assert_copied(&damaged, &after, &Expect::superset());
    assert_copied(&before, &after, &IN_ANY_ORDER);
    assert_eq!(after.message_count(), before.message_count() + 20);
}

/// The events of docs/json.md with the fields of each.
fn documented() -> (BTreeMap<String, BTreeSet<String>>, String) {
    let page = Page::open("json.md");
    let mut events = BTreeMap::new();
    let mut text = String::new();
    for section in &page.sections {
        text.push_str(&section.lines.join("\n"));
        let Some(event) = quoted(&section.title) else { continue };
        let rows = section.lines.iter().filter_map(|line| line.strip_prefix("| "));
        events.insert(event.to_owned(), rows.filter_map(quoted).map(str::to_owned).collect());
    }
    (events, text)
}

/// The word at the beginning of a text, if it is `quoted`.
fn quoted(text: &str) -> Option<&str> {
    text.strip_prefix('`')?.split('`').next()
}

/// All names of fields within a value.
fn fields_within<'v>(value: &'v Value, names: &mut BTreeSet<&'v str>) {
    match value {
        Value::Object(map) => {
            for (name, value) in map {
                names.insert(name);
                fields_within(value, names);
            }
        }
        Value::Array(values) => values.iter().for_each(|value| fields_within(value, names)),
        _ => {}
    }
}

/// Both list before either copies, so that one of them finds its copies doubled.
fn lines_of_two_runs_side_by_side(source: &Place<'_>, target: &Place<'_>) -> Vec<Value> {
    source.put("INBOX", &mails("twice", 50));
    let weather = Weather { latency: Duration::from_millis(40), ..Weather::default() };
    let proxy = Proxy::start(target.server.imap(), weather).unwrap();
    let detour = target.through(proxy.address());
    let run = || Desk::new().ferry("sync", source, &detour, &["--json"]).json_lines();
    let mut lines = std::thread::scope(|scope| {
        let other = scope.spawn(run);
        let mut lines = run();
        lines.extend(other.join().unwrap());
        lines
    });
    let (here, there) = (source.read(), target.read());
    assert_copied(&here, &there, &Expect { subscriptions: Duty::May, ..Expect::superset() });
    lines.retain(|line| line["event"] != "failed");
    lines
}

/// One run copies slowly, and another one has to wait for it.
fn lines_of_a_run_that_waits(source: &Place<'_>, target: &Place<'_>) -> Vec<Value> {
    source.put("Waited", &mails("waited", 300));
    let (slow, waiting) = (Desk::new(), Desk::new());
    let state = slow.path().join("state");
    let command = |desk: &Desk, options: &[&str]| {
        let mut command = desk.ferry_command("sync", source, target, options);
        command.args(["--folder", "Waited"]).env("MAILFERRY_STATE_DIR", &state);
        command
    };
    let mut first = slow.start(command(&slow, &["--max-messages-per-second", "100"]));
    while target.read().messages("Waited").is_empty() {
        assert_eq!(first.try_wait().unwrap(), None, "it ended with nothing copied");
    }
    let lines = waiting.finish(command(&waiting, &["--json"])).expect(0).json_lines();
    assert!(first.wait().unwrap().success());
    lines
}

/// A target that wants to be left alone for half a second.
fn lines_of_a_run_that_is_throttled() -> Vec<Value> {
    let throttling = sim::provider::exchange_throttling("APPEND", 3, Duration::from_millis(500));
    let pair = pair::Pair::new(sim::Profile::modern(), throttling);
    pair::fill(&pair.from, "INBOX", 1..6);
    let desk = Desk::new();
    let run = pair.within(&desk, "exec \"$@\"", (Front::Mailferry, "sync", &["--json"]));
    desk.finish(run).expect(0).json_lines()
}

/// A target that refuses one message until it is repaired, and another one for ever.
fn lines_of_refused_messages() -> Vec<Value> {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (from, to) = (sim::Account::new("joe", "x"), sim::Account::new("joe", "x"));
    let poison = b"Message-Id: <poison@x>\r\n\r\npoison\n\r\n";
    let bare = b"Message-Id: <bare@x>\r\n\r\nbare\n\r\n";
    for octets in [&poison[..], &bare[..]] {
        from.append("INBOX", octets, &[], sim::Date::utc(1_600_000_000));
    }
    let refusing_still = Arc::new(AtomicBool::new(true));
    let asked = refusing_still.clone();
    let refuse = move |request: &sim::AppendRequest<'_>| {
        let text = String::from_utf8_lossy(request.octets);
        let refused =
            asked.load(Ordering::SeqCst) && (text.contains("poison") || text.contains("bare\n"));
        refused.then(|| "Message contains bare newlines".to_owned())
    };
    let refusing = sim::Profile { refuse: Some(Arc::new(refuse)), ..sim::Profile::modern() };
    let bind = |profile, account| runtime.block_on(sim::Server::bind(profile, [account])).unwrap();
    let (source, target) = (bind(sim::Profile::modern(), from), bind(refusing, to));
    let url = |server: &sim::Server| format!("imap+plain://joe@{}", server.addr());
    let desk = Desk::new();
    let words = ["--source-password-command", "echo x", "--target-password-command", "echo x"];
    let (from, to) = (url(&source), url(&target));
    let run = desk.mailferry(&[&["sync", &from, &to, "--json"], &words[..]].concat());
    let mut lines = run.expect(114).json_lines();
    let kept = lines.iter().find(|line| line["event"] == "kept-aside").unwrap();
    assert_eq!(std::fs::read(kept["path"].as_str().unwrap()).unwrap(), poison);
    refusing_still.store(false, Ordering::SeqCst);
    for options in [&["--list", "--json"][..], &["--json"]] {
        let run = desk.mailferry(&[&["retry", &from, &to], options, &words[..]].concat());
        lines.extend(run.expect(0).json_lines());
    }
    lines
}

/// What goes from the target is moved to where it is kept, and a day that is over goes.
fn lines_of_what_is_kept(world: &World) -> Vec<Value> {
    let (source, target) = world.pair(Way::DotToSlash);
    let desk = Desk::new();
    source.put("INBOX", &mails("kept", 8));
    target.put("Backup/2020-02-29", &mails("old", 1));
    desk.ferry("sync", &source, &target, &[]).expect(0);
    source.probe().remove("INBOX", &[3, 5]).unwrap();
    let options = ["--json", "--delete", "--backup-mailbox", "Backup", "--keep", "4w"];
    let mut lines = desk.ferry("plan", &source, &target, &options).expect(0).json_lines();
    lines.extend(desk.ferry("sync", &source, &target, &options).expect(0).json_lines());
    lines.extend(desk.mailferry(&["runs", "show", "last", "--json"]).expect(0).json_lines());
    // One of two is not there any more when they are to come back.
    let day = target.read().mailboxes.into_keys().find(|it| it.starts_with("Backup/")).unwrap();
    target.probe().remove(&day, &[1]).unwrap();
    let undone = desk.undo("last", &source, &target, &["--json", "--yes"]);
    lines.extend(undone.expect(111).json_lines());
    lines
}

/// A job is written, run and told of.
fn lines_of_a_job(source: &Place<'_>, target: &Place<'_>) -> Vec<Value> {
    let desk = Desk::new();
    let (from, to) = (source.url("imap"), target.url("imap"));
    let secret = |name: &str, place: &Place<'_>| desk.file(name, &place.password);
    let (here, there) = (secret("here", source), secret("there", target));
    let words = ["job", "add", "nightly", "sync", &from, &to, "--source-password-file"];
    let rest = [here.to_str().unwrap(), "--target-password-file", there.to_str().unwrap()];
    desk.mailferry(&[&words[..], &rest].concat()).expect(0);
    let mut lines = Vec::new();
    for words in [
        &["job", "run", "nightly", "--json"][..],
        &["drill", "nightly", "--mailbox-prefix", "Drill", "--sample", "5%", "--json"],
        &["job", "list", "--json"],
        &["job", "show", "nightly", "--json"],
        &["job", "status", "--json"],
    ] {
        lines.extend(desk.mailferry(words).expect(0).json_lines());
    }
    lines.extend(lines_of_a_timer(&desk));
    lines
}

/// Only the crontab is asked, which is a file here.
fn lines_of_a_timer(desk: &Desk) -> Vec<Value> {
    use std::os::unix::fs::PermissionsExt as _;
    let script = "#!/bin/sh\ncase $1 in -l) cat $HOME/table;; -) cat >$HOME/table;; esac\n";
    desk.file("table", "");
    let tool = desk.file("crontab", script);
    std::fs::set_permissions(&tool, std::fs::Permissions::from_mode(0o755)).unwrap();
    let run = |words: &[&str]| {
        let mut command = desk.command_of_ferry();
        let path = format!("{}:/usr/bin:/bin", desk.path().display());
        command.arg("schedule").args(words).env("PATH", path);
        desk.finish(command).expect(0)
    };
    run(&["install", "nightly", "--with", "cron", "--every", "day"]);
    run(&["list", "--json"]).json_lines()
}

/// Lines of all kinds, from all verbs.
fn lines_of_all_kinds(world: &World) -> Vec<Value> {
    let (source, target) = world.pair(Way::SlashToDot);
    furnish(&source);
    let desk = Desk::new();
    let mut lines = Vec::new();
    let mut note = |verb: &str, options: &[&str], status: i32| {
        let run = desk.ferry(verb, &source, &target, options).expect(status);
        lines.extend(run.json_lines());
    };
    note("plan", &["--json", "--folder", "INBOX", "--folder", "Nowhere"], 117);
    note("plan", &["--json", "--maxsize", "215"], 0);
    note("sync", &["--json", "--mirror"], 0);
    let mut probe = source.probe();
    probe.store("INBOX", &[1], "FLAGS", "\\Flagged").unwrap();
    probe.remove("INBOX", &[7]).unwrap();
    probe.delete("Caf&AOk-").unwrap();
    probe.unsubscribe("Sent").unwrap();
    note("check", &["--json"], 1);
    note("plan", &["--json", "--mirror"], 0);
    note("sync", &["--json", "--mirror"], 0);
    for words in [
        &["runs", "--json"][..],
        &["runs", "show", "last", "--json"],
        &["why", "INBOX/1", "--json"],
    ] {
        lines.extend(desk.mailferry(words).expect(0).json_lines());
    }
    let mut note = |verb: &str, options: &[&str], status: i32| {
        let run = desk.ferry(verb, &source, &target, options).expect(status);
        lines.extend(run.json_lines());
    };
    note("restore", &["--json", "--yes"], 0);
    // The way to the target breaks once, in the middle of copying.
    source.put("INBOX", &mails("more", 300));
    let cut = Cut { client_octets: 60_000, connections: 1, manner: Manner::LostAnswers };
    let weather = Weather { cut: Some(cut), ..Weather::default() };
    let proxy = Proxy::start(target.server.imap(), weather).unwrap();
    let detour = target.through(proxy.address());
    lines.extend(desk.ferry("sync", &source, &detour, &["--json"]).expect(0).json_lines());
    let expect = Expect { subscriptions: Duty::May, ..IN_ANY_ORDER };
    assert_copied(&source.read(), &target.read(), &expect);
    lines.extend(lines_of_two_runs_side_by_side(&source, &target));
    lines.extend(lines_of_a_run_that_waits(&source, &target));
    lines.extend(lines_of_refused_messages());
    lines.extend(lines_of_what_is_kept(world));
    lines.extend(lines_of_a_run_that_is_throttled());
    let moved = ["--folder", "Waited", "--delete-source", "--json"];
    lines.extend(desk.ferry("sync", &source, &target, &moved).expect(0).json_lines());
    lines.extend(desk.ferry("doctor", &source, &target, &["--json"]).expect(0).json_lines());
    lines.extend(lines_of_a_job(&source, &target));
    let refused = Place { password: "wrong".to_owned(), ..target.clone() };
    lines.extend(desk.ferry("sync", &source, &refused, &["--json"]).expect(162).json_lines());
    lines
}

#[test]
fn the_page_about_json_tells_of_every_line_and_of_no_other() {
    let (documented, text) = documented();
    let Some(world) = World::open() else { return };
    let mut printed: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for line in lines_of_all_kinds(&world) {
        assert_eq!(line["v"], 1, "{line}");
        let event = line["event"].as_str().unwrap().to_owned();
        let own = line.as_object().unwrap().keys().filter(|key| !["v", "event"].contains(&&***key));
        printed.entry(event).or_default().extend(own.cloned());
        let mut names = BTreeSet::new();
        fields_within(&line, &mut names);
        for name in names {
            let told = [format!("`{name}`"), format!("\"{name}\"")];
            let is_told = told.iter().any(|word| text.contains(word));
            assert!(is_told, "`{name}` is not told of: {line}");
        }
    }
    assert_eq!(printed, documented);
}

#[test]
fn the_page_about_exit_statuses_has_every_number_with_its_name() {
    let page = Page::open("exit-status.md");
    let lines: Vec<&String> = page.sections.iter().flat_map(|section| &section.lines).collect();
    for status in ExitStatus::EVERY {
        let row = format!("| {} | `{}` |", status.number(), status.name());
        assert!(lines.iter().any(|line| line.starts_with(&row)), "no row `{row}`");
    }
}

/// All words that stand between backticks in the pages for those who change the code.
fn quoted_words() -> BTreeSet<String> {
    let root = format!("{}/../..", env!("CARGO_MANIFEST_DIR"));
    let notes = std::fs::read_dir(format!("{root}/docs/design")).unwrap();
    let mut pages: Vec<_> = notes.map(|note| note.unwrap().path()).collect();
    pages.extend(
        ["docs/architecture.md", "docs/incidents.md", "CONTRIBUTING.md"]
            .map(|name| format!("{root}/{name}").into()),
    );
    let mut words = BTreeSet::new();
    for page in pages {
        let text = std::fs::read_to_string(page).unwrap();
        words.extend(text.split('`').skip(1).step_by(2).map(str::to_owned));
    }
    words
}

/// The names of all functions in the Rust files below a directory.
fn note_functions(directory: &std::path::Path, names: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            note_functions(&path, names);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = std::fs::read_to_string(path).unwrap();
            let named = text.split("fn ").skip(1).filter_map(|rest| rest.split(['(', '<']).next());
            names.extend(named.map(str::to_owned));
        }
    }
}

#[test]
fn every_test_and_file_that_a_page_names_is_there() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut functions = BTreeSet::new();
    note_functions(&root.join("crates"), &mut functions);
    let (mut tests, mut files) = (0, 0);
    for word in quoted_words() {
        let is_sentence =
            word.bytes().all(|octet| octet.is_ascii_lowercase() || b"_0123456789".contains(&octet))
                && word.matches('_').count() >= 4;
        if is_sentence {
            tests += 1;
            assert!(functions.contains(&word), "no test `{word}`");
        }
        if ["crates/", "xtask/", "docs/", "scripts/"].iter().any(|start| word.starts_with(start)) {
            files += 1;
            assert!(root.join(&word).exists(), "no file `{word}`");
        }
    }
    assert!(tests > 20 && files > 20, "the pages were read: {tests} tests, {files} files");
}

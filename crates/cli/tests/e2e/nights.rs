//! From nothing to an account that is lost and comes back: docs/backup.md is followed on a machine
//! with nothing on it, three nights pass, the account and then that machine are gone, and
//! docs/restore.md is followed to the letter on another one while new mail arrives.
#![cfg(unix)] // The pages are written for a shell.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::world::page::{Page, pretend_timers, shell, timed_command};
use crate::world::*;
use mailferry_testkit::probe::read_maildir;
use mailferry_testkit::proxy::{Proxy, Weather};
use serde_json::Value;

const JOBS: [&str; 2] = ["alice-disk", "alice-server"];
/// A subscription that ends on the second day.
const GIVEN_UP: &str = "INBOX/Child";
/// A mailbox that is there on the second day for a while, and to which the account stays subscribed. A
/// Dovecot subscribes nothing that is not there.
const PASSING: &str = "Passing";
/// Arrives before anybody notices that something is gone.
const EARLY: i64 = 3;
/// A mailbox of strangers would not be appended to (docs/restore.md, its last section).
const ARRIVING_MAX: i64 = 60;
/// Slow enough for mail to arrive while the account comes back.
const SLOW: Weather =
    Weather { latency: Duration::from_millis(5), cut: None, octets_per_second: Some(100_000) };

/// Which of the two backups the account comes back from.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Backup {
    Disk,
    Server,
}

/// An account, its two backups, and the machine that makes them.
struct Case<'w> {
    account: Place<'w>,
    backup: Place<'w>,
    /// Of the backup that is no server.
    disk: tempfile::TempDir,
    page: Page,
}

impl<'w> Case<'w> {
    fn new(world: &'w World) -> Self {
        let (account, backup) = world.pair(Way::SlashToDot);
        let disk = tempfile::tempdir().unwrap();
        Self { account, backup, disk, page: Page::open("backup.md") }
    }

    fn archive(&self) -> String {
        format!("maildir:{}/alice", self.disk.path().display())
    }

    /// Types a command of docs/backup.md into a shell of this machine.
    fn type_in(&self, machine: &Desk, command: &str) -> Finished {
        let secret = machine.file("secret", &self.account.password);
        let backup_secret = machine.file("backup secret", &self.backup.password);
        let trial = machine.path().join("trial");
        let variables = [
            ("ACCOUNT", &*self.account.url("imap")),
            ("ARCHIVE", &*self.archive()),
            ("BACKUP", &*self.backup.url("imap")),
            ("SECRET", secret.to_str().unwrap()),
            ("BACKUP_SECRET", backup_secret.to_str().unwrap()),
            ("TRIAL", trial.to_str().unwrap()),
        ];
        shell(machine, command, &variables)
    }

    /// What the timers run, without anybody there.
    fn pass_night(&self, machine: &Desk) {
        for job in JOBS {
            shell(machine, &timed_command(machine, job), &[]).expect(0);
        }
        assert_eq!(self.saved(), Vec::<String>::new());
        let [morning] = self.page.commands("Every morning: did it run?");
        self.type_in(machine, &morning).expect(0);
    }

    /// How the backups differ from the account, in words. Neither is read by the program.
    fn saved(&self) -> Vec<String> {
        let account = self.account.read();
        let disk = read_maildir(&self.disk.path().join("alice"), Keep::Digests).unwrap();
        let differ = |original: Account, copy: Account| {
            assert_eq!(original.subscriptions, copy.subscriptions);
            compare(&original, &copy, &Expect::exact())
        };
        let mut words = differ(without_kept(account.clone()), without_kept(disk));
        words.extend(differ(plain(account), plain(self.backup.read())));
        words
    }
}

/// What the backup keeps of what is gone is nobody's mail.
fn without_kept(mut account: Account) -> Account {
    account.mailboxes.retain(|name, _| !name.starts_with("Removed"));
    account
}

/// The same without the subscription that a server does not take.
fn plain(account: Account) -> Account {
    let mut account = without_kept(account);
    account.subscriptions.remove(PASSING);
    account
}

fn now() -> i64 {
    i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()).unwrap()
}

/// What is in an account before the first night, besides what all have: two alike, one without a
/// name of its own, some in two mailboxes, a large one, and so many that a guard sees them go.
fn furnish_further(account: &Place<'_>) {
    let bare = Draft::new("Subject: bare\r\n\r\nNo Message-Id, no Received.\r\n").dated(EPOCH);
    let large = "All work and no play makes a large message.\r\n".repeat(7_000);
    let head = "Message-Id: <large@e2e.example.org>\r\nSubject: large\r\n\r\n";
    let large = Draft::new(format!("{head}{large}")).dated(EPOCH).flagged("\\Seen");
    let filed = mails("filed", 4);
    account.put("Work", &[mail("twin", 1), mail("twin", 1), bare, large]);
    account.put("Work", &filed);
    account.put("Filed", &filed);
    account.put("Lists", &mails("list", 110));
}

fn pass_second_day(account: &Place<'_>) {
    account.put("INBOX", &mails("tuesday", 3));
    let mut probe = account.probe();
    let inbox = account.read();
    let uid = |subject: &str| uid_of(&inbox, "INBOX", subject);
    probe.store("INBOX", &[uid("inbox 100"), uid("inbox 99")], "+FLAGS", "\\Seen later").unwrap();
    probe.store("INBOX", &[uid("inbox 97")], "-FLAGS", "work").unwrap();
    probe.relocate("INBOX", &[uid("inbox 94"), uid("inbox 93")], "Archive/2020/Q&-A").unwrap();
    probe.remove("INBOX", &[uid("inbox 98")]).unwrap();
    probe.subscribe("Filed").unwrap();
    assert!(account.read().subscriptions.contains(GIVEN_UP));
    probe.unsubscribe(GIVEN_UP).unwrap();
    probe.create_if_missing(PASSING).unwrap();
    probe.subscribe(PASSING).unwrap();
    probe.delete(PASSING).unwrap();
    assert!(account.read().subscriptions.contains(PASSING), "it went with its mailbox");
}

fn pass_third_day(account: &Place<'_>) {
    let keyworded = mails("project", 3).into_iter().map(|mail| mail.flagged("\\Flagged $Todo"));
    account.put("Projects/2026", &keyworded.collect::<Vec<_>>());
    let mut probe = account.probe();
    probe.delete("Drafts").unwrap();
    // As mail programs do: the server leaves a subscription to the old name.
    probe.rename("Caf&AOk-", "Closed/Caf&AOk-").unwrap();
    probe.unsubscribe("Caf&AOk-").unwrap();
    probe.subscribe("Closed/Caf&AOk-").unwrap();
    probe.create_if_missing("Nothing yet").unwrap();
    probe.subscribe("Nothing yet").unwrap();
    // An edited draft keeps its Message-Id.
    let draft = |words: &str| {
        let head = "Message-Id: <draft@e2e.example.org>\r\nSubject: draft\r\n\r\n";
        Draft::new(format!("{head}{words}\r\n")).dated(EPOCH).flagged("\\Draft")
    };
    account.put("Work", &[draft("First thoughts."), draft("Second thoughts.")]);
    let first = account.read().messages("Work").iter().map(|it| it.uid).max().unwrap() - 1;
    probe.remove("Work", &[first]).unwrap();
}

/// Mail that arrives while the account comes back, begun when the first message is back.
fn arrive(account: &Place<'_>, twin: &Place<'_>, is_over: &AtomicBool) -> i64 {
    let before = account.read().message_count();
    while account.read().message_count() == before {
        if is_over.load(Ordering::Relaxed) {
            return EARLY;
        }
    }
    let mut count = EARLY;
    while !is_over.load(Ordering::Relaxed) && count < ARRIVING_MAX {
        deliver(account, twin, count);
        count += 1;
        std::thread::sleep(Duration::from_millis(50));
    }
    count
}

/// The same to the account and to one that nothing else happens to.
fn deliver(account: &Place<'_>, twin: &Place<'_>, number: i64) {
    let draft = mail("arrived", number).dated(now());
    let draft = if number % 3 == 0 { draft.flagged("\\Seen") } else { draft };
    twin.put("INBOX", std::slice::from_ref(&draft));
    account.put("INBOX", &[draft]);
}

fn status_of(machine: &Desk, job: &str) -> Value {
    let told = shell(machine, &format!("mailferry job status --json {job}"), &[]);
    told.json_lines().remove(0)
}

/// The number before these words in the sums of `check`.
#[track_caller]
fn sum(run: &Finished, words: &str) -> i64 {
    let line = run.stdout.lines().find(|line| line.ends_with(words));
    let number = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
    number.unwrap_or_else(|| panic!("no sum `{words}`: {}", run.report()))
}

/// The machine that makes the backups: jobs, timers, three nights, a drill. Answers the account as it
/// is in the third night.
fn keep_backups(case: &Case<'_>, machine: &Desk) -> Account {
    pretend_timers(machine);
    for command in case.page.commands::<4>("Once: write it down") {
        case.type_in(machine, &command).expect(0);
    }
    for command in case.page.commands::<2>("Every night") {
        case.type_in(machine, &command).expect(0);
    }
    case.pass_night(machine);
    pass_second_day(&case.account);
    case.pass_night(machine);
    pass_third_day(&case.account);
    case.pass_night(machine);
    let [weekly] = case.page.commands("Every week: is it one?");
    case.type_in(machine, &weekly).expect(0);
    drill(case, machine);
    case.account.read()
}

/// The backups are restored on trial, and it is written down how long that took.
fn drill(case: &Case<'_>, machine: &Desk) {
    for command in case.page.commands::<3>("Every month: can it be restored?") {
        case.type_in(machine, &command).expect(0);
    }
    for job in JOBS {
        let drilled = &status_of(machine, job)["last_good_drill"];
        assert!(drilled["restore_seconds"].as_f64().unwrap() > 0.0, "{drilled}");
        assert!(drilled["messages"].as_i64().unwrap() > 50, "{drilled}");
    }
    let told = case.type_in(machine, "mailferry job status").expect(0);
    assert_eq!(told.stdout.matches("last restored successfully: ").count(), 2);
    assert!(!told.stdout.contains("never"), "{}", told.report());
}

/// Follows docs/restore.md on a machine that knows nothing. Answers how much mail arrived.
fn restore(case: &Case<'_>, from: Backup, (third, twin): (&Account, &Place<'_>)) -> i64 {
    let (page, machine) = (Page::open("restore.md"), Desk::new());
    let slow = Proxy::start(case.account.server.imap(), SLOW).unwrap();
    let account = case.account.through(slow.address()).url("imap+plain");
    let backup = if from == Backup::Disk { case.archive() } else { case.backup.url("imap") };
    let mut variables = vec![
        ("BACKUP", &*backup),
        ("ACCOUNT", &*account),
        ("MAILFERRY_TARGET_PASSWORD", &*case.account.password),
        ("MAILFERRY_BACKUP_MAILBOX", "Removed"),
    ];
    if from == Backup::Server {
        variables.push(("MAILFERRY_SOURCE_PASSWORD", &*case.backup.password));
    }
    let run = |command: &str| shell(&machine, command, &variables);
    let saved = case.backup.read();
    let count = i64::try_from(third.message_count()).unwrap();

    let [look] = page.commands("2. See what is missing");
    let seen = run(&look).expect(1);
    assert_eq!(sum(&seen, "+ on the source only"), count, "{}", seen.report());
    assert_eq!(sum(&seen, "- on the target only"), EARLY, "{}", seen.report());
    let [ask, agree] = page.commands("3. See the plan, then agree");
    let before = case.account.read();
    run(&ask).expect(121);
    assert_untouched(&before, &case.account.read());

    let is_over = AtomicBool::new(false);
    let arrived = std::thread::scope(|scope| {
        let arriving = scope.spawn(|| arrive(&case.account, twin, &is_over));
        run(&agree).expect(0);
        is_over.store(true, Ordering::Relaxed);
        arriving.join().unwrap()
    });
    assert!(arrived > EARLY, "nothing arrived while the account came back");
    let after = case.account.read();
    let third = &plain(third.clone());
    assert_copied(third, &after, &Expect { order: Duty::May, ..Expect::superset() });
    let inbox = Expect { subscriptions: Duty::May, order: Duty::May, ..Expect::superset() };
    assert_copied(&twin.read(), &after, &inbox);
    assert_eq!(i64::try_from(after.message_count()).unwrap(), count + arrived);
    assert_eq!(
        after.mailboxes.keys().collect::<Vec<_>>(),
        third.mailboxes.keys().collect::<Vec<_>>()
    );
    assert_eq!(after.subscriptions, plain(third.clone()).subscriptions);
    run(&agree).expect(0);
    assert_untouched(&after, &case.account.read());

    let [again] = page.commands("4. Check");
    let left = run(&again).expect(1);
    assert_eq!(sum(&left, "+ on the source only"), 0, "{}", left.report());
    assert_eq!(sum(&left, "* on both sides, and something differs"), 0, "{}", left.report());
    assert_eq!(sum(&left, "- on the target only"), arrived, "{}", left.report());
    assert_untouched(&saved, &case.backup.read());
    arrived
}

/// The backups go on where they stand, on a machine that has never seen them.
fn begin_again(case: &Case<'_>, arrived: i64) {
    let (page, machine) = (Page::open("restore.md"), Desk::new());
    pretend_timers(&machine);
    let [add_disk, add_server, check, _] = case.page.commands("Once: write it down");
    for command in [add_disk, add_server, check] {
        case.type_in(&machine, &command).expect(0);
    }
    let [run, install] = page.commands("5. Start the backup again");
    for job in JOBS {
        shell(&machine, &run, &[("JOB", job)]).expect(0);
        let counts = &status_of(&machine, job)["last"]["counts"];
        assert_eq!((&counts["copied"], &counts["deleted"]), (&arrived.into(), &0.into()), "{job}");
        shell(&machine, &install, &[("JOB", job)]).expect(0);
    }
    let backup = plain(case.backup.read());
    let expect = Expect { order: Duty::May, ..Expect::exact() };
    assert_copied(&plain(case.account.read()), &backup, &expect);
    drill(case, &machine);
}

fn lose_and_bring_back(from: Backup) {
    let Some(world) = World::open() else { return };
    let case = Case::new(&world);
    furnish(&case.account);
    furnish_further(&case.account);
    let machine = Desk::new();
    let third = keep_backups(&case, &machine);
    let saved = case.backup.read();

    case.account.server.dovecot().discard(&case.account.user).unwrap();
    let twin = Place::new(&world.slash, "twin");
    (0..EARLY).for_each(|number| deliver(&case.account, &twin, number));
    // A night before anybody notices.
    for job in JOBS {
        shell(&machine, &timed_command(&machine, job), &[]).expect(121);
        assert_eq!(status_of(&machine, job)["last"]["good"], false);
    }
    let [list, remove] = Page::open("restore.md").commands("1. Stop the jobs that make backups");
    let timers = shell(&machine, &list, &[]).expect(0);
    assert_eq!(timers.stdout.lines().count(), 2, "{}", timers.report());
    for job in JOBS {
        shell(&machine, &remove, &[("JOB", job)]).expect(0);
    }
    assert_eq!(shell(&machine, &list, &[]).expect(0).stdout, "");
    assert_untouched(&saved, &case.backup.read());
    // And with it all that mailferry wrote down.
    drop(machine);

    let arrived = restore(&case, from, (&third, &twin));
    begin_again(&case, arrived);
}

#[test]
fn an_account_that_is_gone_comes_back_from_a_server_while_mail_arrives() {
    lose_and_bring_back(Backup::Server);
}

#[test]
fn an_account_that_is_gone_comes_back_from_a_disk_while_mail_arrives() {
    lose_and_bring_back(Backup::Disk);
}

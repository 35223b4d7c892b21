//! A restore from a stated run: what the backup held at the end of one night, wherever later nights
//! have moved it.
#![cfg(unix)] // The page is written for a shell.

use crate::world::page::{Page, shell};
use crate::world::*;

const KEEPING: [&str; 3] = ["--mirror", "--backup-mailbox", "Removed"];
const IN_ANY_ORDER: Expect = Expect {
    octets: Form::Exact,
    flags: Duty::Must,
    dates: Duty::Must,
    order: Duty::May,
    // Of a mailbox that is gone nothing more is known.
    subscriptions: Duty::May,
    nothing_more: Duty::Must,
};

/// An account, its backup, and where its nights are written down.
struct Case<'w> {
    account: Place<'w>,
    backup: String,
    /// Of the backup, if it is on a server.
    password: String,
    desk: Desk,
}

impl<'w> Case<'w> {
    fn new(account: Place<'w>, backup: &Place<'_>) -> Self {
        let (backup, password) = (backup.url("imap"), backup.password.clone());
        Self { account, backup, password, desk: Desk::new() }
    }

    fn on_disk(account: Place<'w>) -> Self {
        let desk = Desk::new();
        let backup = format!("maildir:{}/archive", desk.path().display());
        Self { account, backup, password: "none is asked for".to_owned(), desk }
    }

    /// Backs the account up; the name of the run.
    fn night(&self) -> String {
        let (here, there) = (&self.account.password, &self.password);
        self.desk.file("here", here);
        self.desk.file("there", there);
        let accounts = ["sync", &self.account.url("imap"), &self.backup];
        let mut secrets = vec!["--source-password-file", "here"];
        if !self.backup.starts_with("maildir:") {
            secrets.extend(["--target-password-file", "there"]);
        }
        let words = [&accounts[..], &KEEPING, &["--json"], &secrets].concat();
        let report = self.desk.mailferry(&words).expect(0).json_lines().pop().unwrap();
        report["receipt"]["run"].as_str().unwrap().to_owned()
    }

    /// Types the command of docs/restore.md.
    fn restore(&self, to: &Place<'_>, run: &str) -> Finished {
        let [runs, restore] = Page::open("restore.md").commands("Bringing back what a night had");
        let data = self.desk.path().join("XDG_DATA_HOME").display().to_string();
        let variables = [
            ("BACKUP", &*self.backup),
            ("ACCOUNT", &*to.url("imap")),
            ("RUN", run),
            ("XDG_DATA_HOME", &*data),
            ("MAILFERRY_SOURCE_PASSWORD", &*self.password),
            ("MAILFERRY_TARGET_PASSWORD", &*to.password),
            ("MAILFERRY_BACKUP_MAILBOX", "Removed"),
        ];
        let local = self.backup.starts_with("maildir:");
        let variables: Vec<(&str, &str)> = variables
            .into_iter()
            .filter(|(name, _)| !local || *name != "MAILFERRY_SOURCE_PASSWORD")
            .collect();
        shell(&self.desk, &runs, &variables).expect(0);
        shell(&self.desk, &restore, &variables)
    }
}

/// Two nights after the first: messages go, one by one and with their mailbox, and others come.
fn pass_two_nights(case: &Case<'_>) {
    let account = &case.account;
    let uids = ["inbox 98", "inbox 97"].map(|name| uid_of(&account.read(), "INBOX", name));
    let mut probe = account.probe();
    probe.store("INBOX", &[5], "-FLAGS", "\\Deleted").unwrap();
    probe.remove("INBOX", &uids).unwrap();
    account.put("INBOX", &mails("second night", 2));
    account.put("Later", &mails("later", 2));
    case.night();
    account.probe().delete("Caf&AOk-").unwrap();
    account.probe().remove("Sent", &[1, 3]).unwrap();
    account.put("Sent", &mails("third night", 1));
    case.night();
}

#[test]
fn what_the_backup_held_after_a_night_comes_back_wherever_it_is_now() {
    let Some(world) = World::open() else { return };
    let cases = [
        Case::new(Place::new(&world.slash, "from"), &Place::new(&world.dot, "to")),
        Case::new(Place::new(&world.dot, "from"), &Place::new(&world.slash, "to")),
        Case::on_disk(Place::new(&world.slash, "from")),
    ];
    for case in cases {
        furnish(&case.account);
        case.account.probe().store("INBOX", &[5], "-FLAGS", "\\Deleted").unwrap();
        let first = case.night();
        let held = case.account.read();
        pass_two_nights(&case);

        let fresh = Place::new(&world.slash, "fresh");
        case.restore(&fresh, &first).expect(0);
        assert_copied(&held, &fresh.read(), &IN_ANY_ORDER);
        let restored = fresh.read();
        case.restore(&fresh, &first).expect(0);
        assert_untouched(&restored, &fresh.read());

        // To the account itself: what went comes back to its mailbox, and what came stays.
        let before = case.account.read();
        case.restore(&case.account, &first).expect(0);
        let after = case.account.read();
        let expect = Expect { nothing_more: Duty::May, ..IN_ANY_ORDER };
        assert_copied(&before, &after, &expect);
        assert_copied(&held, &after, &expect);
        assert_eq!(after.message_count(), before.message_count() + 8);
        uid_of(&after, "INBOX", "inbox 98");
        uid_of(&after, "Caf&AOk-", "cafe 3");
    }
}

#[test]
fn what_is_not_in_the_backup_any_more_is_told_and_the_rest_comes_back() {
    let Some(world) = World::open() else { return };
    let (account, backup) = (Place::new(&world.slash, "from"), Place::new(&world.dot, "to"));
    let case = Case::new(account, &backup);
    case.account.put("INBOX", &mails("kept", 8));
    let first = case.night();
    case.account.probe().remove("INBOX", &[3, 5]).unwrap();
    case.night();
    let day =
        backup.read().mailboxes.into_keys().find(|name| name.starts_with("Removed/")).unwrap();
    backup.probe().remove(&day, &[1]).unwrap();
    let fresh = Place::new(&world.slash, "fresh");
    let run = case.restore(&fresh, &first).expect(115);
    let words = format!("1 messages of run {first} are not in the backup any more");
    assert!(run.stderr.contains(&words), "{}", run.report());
    assert_eq!(fresh.read().messages("INBOX").len(), 7);
    backup.probe().delete(&day).unwrap();
    let other = Place::new(&world.slash, "other");
    let run = case.restore(&other, &first).expect(115);
    assert!(run.stderr.contains("2 messages of run"), "{}", run.report());
    assert_eq!(other.read().messages("INBOX").len(), 6);
}

#[test]
fn a_run_that_did_not_make_this_backup_is_refused_and_so_is_one_without_a_receipt() {
    let Some(world) = World::open() else { return };
    let (account, backup) = (Place::new(&world.slash, "from"), Place::new(&world.dot, "to"));
    let case = Case::new(account, &backup);
    case.account.put("INBOX", &mails("kept", 3));
    let run = case.night();
    let fresh = Place::new(&world.slash, "fresh");
    let elsewhere = Case { backup: fresh.url("imap"), password: fresh.password.clone(), ..case };
    let refused = elsewhere.restore(&fresh, &run).expect(64);
    assert!(refused.stderr.contains("and not to"), "{}", refused.report());
    std::fs::remove_dir_all(elsewhere.desk.path().join("XDG_DATA_HOME")).unwrap();
    let case = Case { backup: backup.url("imap"), password: backup.password.clone(), ..elsewhere };
    let refused = case.restore(&fresh, &run).expect(64);
    assert!(refused.stderr.contains(&format!("there is no receipt {run}")), "{}", refused.report());
    assert!(refused.stderr.contains("hint: receipts are on the machine"), "{}", refused.report());
    assert_eq!(fresh.read().message_count(), 0);
}

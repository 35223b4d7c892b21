//! Restores: a backup gives back what an account has lost, and nothing that it only moved.

use crate::world::*;
use std::time::{SystemTime, UNIX_EPOCH};

/// An account with its exact backup on the other server.
fn backed_up(world: &World) -> (Place<'_>, Place<'_>, Desk) {
    let (account, backup) = world.pair(Way::SlashToDot);
    furnish(&account);
    let desk = Desk::new();
    desk.ferry("sync", &account, &backup, &["--mirror"]).expect(0);
    assert_copied(&account.read(), &backup.read(), &Expect::exact());
    (account, backup, desk)
}

const UNORDERED: Expect = Expect {
    octets: Form::Exact,
    flags: Duty::Must,
    dates: Duty::Must,
    order: Duty::May,
    subscriptions: Duty::Must,
    nothing_more: Duty::Must,
};

#[test]
fn what_was_lost_comes_back_with_flags_and_dates() {
    let Some(world) = World::open() else { return };
    let (account, backup, desk) = backed_up(&world);
    let before = account.read();
    let mut probe = account.probe();
    let lost = ["inbox 98", "inbox 97"].map(|subject| uid_of(&before, "INBOX", subject));
    probe.remove("INBOX", &lost).unwrap();
    probe.delete("Caf&AOk-").unwrap();
    probe.unsubscribe("Caf&AOk-").unwrap();
    account.put("INBOX", &[mail("since", 1)]);

    desk.ferry("restore", &backup, &account, &["--yes"]).expect(0);
    let after = account.read();
    // The two lost ones and the one that was marked \Deleted, which EXPUNGE took along.
    assert_copied(&before, &after, &Expect { order: Duty::May, ..Expect::superset() });
    assert_eq!(after.message_count(), before.message_count() + 1);
    desk.ferry("restore", &backup, &account, &["--yes"]).expect(0);
    assert_untouched(&after, &account.read());
}

#[test]
fn an_untouched_account_is_left_untouched() {
    let Some(world) = World::open() else { return };
    let (account, backup, desk) = backed_up(&world);
    let (before, saved) = (account.read(), backup.read());
    desk.ferry("restore", &backup, &account, &["--yes"]).expect(0);
    assert_untouched(&before, &account.read());
    assert_untouched(&saved, &backup.read());
}

#[test]
fn without_consent_nothing_is_written() {
    let Some(world) = World::open() else { return };
    let (account, backup, desk) = backed_up(&world);
    account.probe().remove("INBOX", &[1, 2]).unwrap();
    let before = account.read();
    // Nobody is there to be asked: stdin is empty.
    let _ = desk.ferry("restore", &backup, &account, &[]);
    assert_untouched(&before, &account.read());
}

#[test]
fn what_was_moved_does_not_come_back_unless_asked() {
    let Some(world) = World::open() else { return };
    let (account, backup, desk) = backed_up(&world);
    let uids = ["inbox 94", "inbox 93"].map(|s| uid_of(&account.read(), "INBOX", s));
    account.probe().store("INBOX", &[5], "-FLAGS", "\\Deleted").unwrap();
    account.probe().relocate("INBOX", &uids, "Archive/2020/Q&-A").unwrap();
    let moved = account.read();
    desk.ferry("restore", &backup, &account, &["--yes"]).expect(0);
    assert_untouched(&moved, &account.read());

    desk.ferry("restore", &backup, &account, &["--yes", "--even-if-elsewhere"]).expect(0);
    let after = account.read();
    assert_eq!(after.message_count(), moved.message_count() + 2);
    uid_of(&after, "INBOX", "inbox 94");
    uid_of(&after, "INBOX", "inbox 93");
}

#[test]
fn a_restore_may_be_of_one_mailbox() {
    let Some(world) = World::open() else { return };
    let (account, backup, desk) = backed_up(&world);
    account.probe().remove("Sent", &[1]).unwrap();
    account.probe().remove("Drafts", &[1]).unwrap();
    desk.ferry("restore", &backup, &account, &["--yes", "--folder", "Sent"]).expect(0);
    let after = account.read();
    assert_eq!((after.messages("Sent").len(), after.messages("Drafts").len()), (5, 1));
}

#[test]
fn flags_of_present_messages_are_left_unless_they_are_to_be_mirrored() {
    let Some(world) = World::open() else { return };
    let (account, backup, desk) = backed_up(&world);
    let saved = account.read();
    account.probe().store("INBOX", &[1, 2, 3, 4, 5], "FLAGS", "changed").unwrap();
    let before = account.read();
    desk.ferry("restore", &backup, &account, &["--yes"]).expect(0);
    assert_untouched(&before, &account.read());
    desk.ferry("restore", &backup, &account, &["--yes", "--flags", "mirror"]).expect(0);
    assert_copied(&saved, &account.read(), &Expect::exact());
}

#[test]
fn a_restore_may_be_of_the_last_days() {
    let Some(world) = World::open() else { return };
    let (account, backup) = world.pair(Way::DotToSlash);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let now = i64::try_from(now).unwrap();
    let dated = |name: &str, days: i64| {
        let instant = now - days * 86_400;
        let date = mailferry_testkit::probe::date::mail_date(instant);
        let id = format!("Message-Id: <{name}@age>\r\nDate: {date}\r\n");
        Draft::new(format!("{id}Subject: {name}\r\n\r\n{name}\r\n")).dated(instant)
    };
    account.put("INBOX", &[dated("old", 300), dated("new", 2), dated("kept", 1)]);
    let desk = Desk::new();
    desk.ferry("sync", &account, &backup, &["--mirror"]).expect(0);
    account.probe().remove("INBOX", &[1, 2]).unwrap();
    desk.ferry("restore", &backup, &account, &["--yes", "--maxage", "10"]).expect(0);
    assert_eq!(subjects(&account.read(), "INBOX"), ["kept", "new"]);
}

#[test]
fn a_backup_made_by_imapsync_with_added_headers_is_known_on_the_way_back() {
    let Some(world) = World::open() else { return };
    let (account, backup) = world.pair(Way::SlashToDot);
    let bare: Vec<Draft> = (0..20)
        .map(|n| {
            let text = format!("From: a@example.org\r\nSubject: bare {n}\r\n\r\nBare {n}.\r\n");
            Draft::new(text).dated(EPOCH + n)
        })
        .collect();
    account.put("INBOX", &bare);
    account.put("Drafts", &bare[..3]);
    let desk = Desk::new();
    let options = ["--delete2", "--delete2folders", "--addheader"];
    desk.imapsync(&account, &backup, &options).expect(0);
    let (before, saved) = (account.read(), backup.read());
    assert_eq!(saved.message_count(), 23);
    for message in saved.messages("INBOX") {
        let text = String::from_utf8_lossy(&message.octets);
        assert!(text.contains("@imapsync>\r\n"), "{text}");
    }
    desk.ferry("restore", &backup, &account, &["--yes"]).expect(0);
    assert_untouched(&before, &account.read());
    Desk::new().ferry("restore", &backup, &account, &["--yes"]).expect(0);
    assert_untouched(&before, &account.read());
    desk.imapsync(&account, &backup, &options).expect(0);
    assert_untouched(&saved, &backup.read());

    account.probe().remove("INBOX", &[7]).unwrap();
    desk.ferry("restore", &backup, &account, &["--yes"]).expect(0);
    let after = account.read();
    assert_eq!(after.messages("INBOX").len(), 20);
    uid_of(&after, "INBOX", "bare 6");
}

#[test]
fn a_lost_account_comes_back_whole() {
    let Some(world) = World::open() else { return };
    let (account, backup, desk) = backed_up(&world);
    let fresh = Place::new(&world.slash, "fresh");
    desk.ferry("restore", &backup, &fresh, &["--yes"]).expect(0);
    assert_copied(&account.read(), &fresh.read(), &UNORDERED);
}

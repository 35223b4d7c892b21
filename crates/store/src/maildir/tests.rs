//! A Maildir++ written and read back, by this program and beside others.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::Duration;

use mailferry_engine::fault::FaultKind;
use mailferry_engine::identity::KeyRule;
use mailferry_engine::listing::MessageListing;
use mailferry_engine::message::{Flag, FlagSet, InternalDate, Uid};
use mailferry_engine::name::MailboxName;
use mailferry_engine::policy::PermanentFlags;
use proptest::prelude::*;
use tempfile::TempDir;

use super::uid_list::UidList;
use super::{MaildirAccount, folder_of, info, mailbox_of, subscriptions};
use crate::contract::{
    AsListed, BodyEvent, Envelope, FlagUpdate, LiteralForm, Selection, Source, Target, Wanted,
};

proptest! {
    #[test]
    fn no_name_leads_out_of_the_root(octets: Vec<u8>) {
        let root = Path::new("/root-of-it");
        let name = MailboxName::new(octets);
        if let Some(folder) = folder_of(root, &name) {
            let inside = folder == root || folder.parent() == Some(root);
            prop_assert!(inside && folder.file_name().is_some(), "{folder:?}");
            if !name.is_inbox() {
                prop_assert_eq!(mailbox_of(folder.file_name().unwrap()), Some(name));
            }
        }
    }

    #[test]
    fn any_entry_is_a_mailbox_that_leads_back_to_it_or_none(text in "[.a-zA-Z/\\x00é]{0,8}") {
        if let Some(name) = mailbox_of(text.as_ref()) {
            prop_assert_eq!(folder_of(Path::new(""), &name), Some(text.into()));
        }
    }

    #[test]
    fn any_text_is_a_list_or_none(text in "[0-9VNG :\n,a-zA-Z.]{0,80}") {
        if let Some(list) = UidList::read(&format!("3 V7 N3\n{text}")) {
            prop_assert_eq!(UidList::read(&list.write()), Some(list));
        }
        let _ = UidList::read(&text);
        let _ = info::read_keywords(&text);
        let _ = subscriptions::read(&text);
    }
}

#[test]
fn names_of_folders() {
    let of = |name: &str| folder_of(Path::new("m"), &name.into()).map(|path| path.into_os_string());
    assert_eq!(of("INBOX").unwrap(), "m");
    assert_eq!(of("a.b").unwrap(), "m/.a.b");
    for no in ["", ".", "..", "a..b", ".a", "a.", "a/b", "../x", "a\0b", "a\nb", &"x".repeat(255)] {
        assert_eq!(of(no), None, "{no:?}");
    }
    for no in [".", "..", ".a/b", "a", ".INBOX", ".inbox"] {
        assert_eq!(mailbox_of(no.as_ref()), None, "{no}");
    }
}

/// The example of Dovecot's documentation, and lines that were added to it.
#[test]
fn dovecots_list_is_read_and_kept() {
    let text = "3 V1276528487 N25022 G3085f01b7f11094c501100008c4a11c1\n\
                25006 :1276528487.M364837P9451.kurkku,S=1355,W=1394\n\
                25017 W2481 :1276533073.M242911P3632.kurkku\n";
    let mut list = UidList::read(text).unwrap();
    assert_eq!((list.validity, list.next), (1_276_528_487, 25022));
    assert_eq!(list.write(), text);
    assert_eq!(list.add("new"), 25022);
    let added = UidList::read(&(text.to_owned() + "25030 :added\n25030 :twice\n0 :no\n")).unwrap();
    assert_eq!((added.next, added.rows["added"].0), (25031, 25030));
    assert!(!added.rows.contains_key("twice") && !added.rows.contains_key("no"));
    for no in ["", "1 2 3", "3 V0 N5\n", "3 N5\n", "3 V5\n", "x"] {
        assert_eq!(UidList::read(no), None, "{no}");
    }
}

fn set(words: &str) -> FlagSet {
    words.split_whitespace().map(|word| Flag::new(word.as_bytes())).collect()
}

#[test]
fn flags_are_letters() {
    let mut keywords = vec!["old".to_owned()];
    let end = info::end(&set("\\Seen \\Deleted $Forwarded old \\Strange"), &mut keywords);
    assert_eq!(
        (&*end, &keywords[..]),
        (":2,STab", &["old".to_owned(), "$Forwarded".to_owned()][..])
    );
    assert_eq!(info::flags(&format!("x{end}"), &keywords), set("\\Seen \\Deleted $Forwarded old"));
    assert_eq!(info::flags("x:2,PZzF,S", &keywords), set("$Forwarded \\Flagged"));
    assert_eq!(info::flags("x", &keywords), set(""));
    let mut full: Vec<String> = (0..26).map(|number| format!("k{number}")).collect();
    assert_eq!(info::end(&set("k25 more"), &mut full), ":2,z");
    let text = info::write_keywords(&full);
    assert_eq!(info::read_keywords(&text), full);
}

#[test]
fn subscriptions_are_read_in_both_forms() {
    let names =
        |words: &[&str]| words.iter().map(|&word| word.into()).collect::<BTreeSet<MailboxName>>();
    assert_eq!(subscriptions::read("a.b\nc\n"), names(&["a.b", "c"]));
    assert_eq!(subscriptions::read("V\t2\n\na\tb\nc\n"), names(&["a.b", "c"]));
    assert_eq!(
        subscriptions::read(&subscriptions::write(&names(&["a.b", "c"]))),
        names(&["a.b", "c"])
    );
}

fn message(number: u32, octets: usize) -> Vec<u8> {
    let mut text = format!("Message-Id: <{number}@x>\r\nSubject: {number}\r\n\r\n").into_bytes();
    text.resize(octets.max(text.len()), b'x');
    text
}

fn envelope(number: u32, flags: &str, seconds: i64) -> Envelope {
    Envelope {
        ticket: number as usize,
        uid: Uid::new(number).unwrap(),
        flags: set(flags),
        date: InternalDate::new(seconds, 60),
        literal: LiteralForm::Text,
    }
}

async fn deliver(
    account: &mut MaildirAccount,
    mailbox: &str,
    all: &[(u32, &str, i64, usize)],
) -> Vec<u32> {
    account.open_appends(&mailbox.into()).await.unwrap();
    for &(number, flags, seconds, octets) in all {
        let text = message(number, octets);
        if octets > 1000 {
            account.append_begin(envelope(number, flags, seconds), text.len() as u64);
            text.chunks(777).for_each(|chunk| account.append_chunk(chunk));
            account.append_end();
        } else {
            account.append(envelope(number, flags, seconds), text);
        }
    }
    account.flush_appends();
    account.advance_appends().await.unwrap();
    assert!(!account.is_busy());
    let appended = account.take_appended();
    assert_eq!(appended.len(), all.len());
    appended.into_iter().map(|one| one.result.unwrap().unwrap().value()).collect()
}

async fn listed(account: &mut MaildirAccount, mailbox: &str) -> MessageListing {
    account.messages(&mailbox.into(), &Selection::default(), &KeyRule::default()).await.unwrap()
}

async fn bodies(account: &mut MaildirAccount, mailbox: &str) -> Vec<Vec<u8>> {
    let listing = listed(account, mailbox).await;
    let name = MailboxName::from(mailbox);
    let at = AsListed { mailbox: &name, uid_validity: listing.uid_validity };
    let wanted = listing.uid.iter().map(|&uid| Wanted { uid, size: 0 }).collect();
    account.open_bodies(at, wanted);
    let mut all: Vec<Vec<u8>> = Vec::new();
    loop {
        match account.next_body().await.unwrap() {
            BodyEvent::Whole { octets, .. } => all.push(octets),
            BodyEvent::Begin { .. } => all.push(Vec::new()),
            BodyEvent::Chunk(octets) => all.last_mut().unwrap().extend_from_slice(octets),
            BodyEvent::End => {}
            BodyEvent::Finished => return all,
            missing => panic!("{missing:?}"),
        }
    }
}

/// An archive with two mailboxes.
async fn filled() -> (TempDir, MaildirAccount) {
    let dir = tempfile::tempdir().unwrap();
    let mut account = MaildirAccount::target(&dir.path().join("mail")).unwrap();
    let made = account.create(&[("Old.2020".into(), None)]).await.unwrap();
    assert!(made.iter().all(Result::is_ok));
    let inbox =
        [(1, "\\Seen work", 1_600_000_000, 300), (2, "", -86_400, 200_000), (3, "later", 7, 10)];
    assert_eq!(deliver(&mut account, "INBOX", &inbox).await, [1, 2, 3]);
    assert_eq!(deliver(&mut account, "Old.2020", &[(9, "\\Flagged", 5, 50)]).await, [1]);
    (dir, account)
}

#[tokio::test]
async fn what_was_delivered_is_read_back_octet_by_octet() {
    let (dir, mut target) = filled().await;
    let root = dir.path().join("mail");
    for mut account in
        [MaildirAccount::source(&root).unwrap(), MaildirAccount::target(&root).unwrap()]
    {
        let names: Vec<String> = account
            .mailboxes()
            .await
            .unwrap()
            .mailboxes
            .iter()
            .map(|found| found.name.to_string())
            .collect();
        assert_eq!(names, ["INBOX", "Old.2020"]);
        let listing = listed(&mut account, "INBOX").await;
        assert_eq!(listing.uid.iter().map(|uid| uid.value()).collect::<Vec<_>>(), [1, 2, 3]);
        let flags: Vec<&FlagSet> =
            listing.flags.iter().map(|&id| listing.flag_table.set(id)).collect();
        assert_eq!(flags, [&set("\\Seen work"), &set(""), &set("later")]);
        let dates: Vec<Option<i64>> = listing.date.iter().map(|date| date.instant()).collect();
        assert_eq!(dates, [Some(1_600_000_000), Some(-86_400), Some(7)]);
        assert_eq!(
            bodies(&mut account, "INBOX").await,
            [message(1, 300), message(2, 200_000), message(3, 10)]
        );
        assert_eq!(bodies(&mut account, "Old.2020").await, [message(9, 50)]);
    }
    assert_eq!(fs::read_dir(root.join("tmp")).unwrap().count(), 0);
    assert_eq!(deliver(&mut target, "INBOX", &[(4, "", 8, 10)]).await, [4]);
}

#[tokio::test]
async fn a_source_is_only_read() {
    let (dir, _) = filled().await;
    let root = dir.path().join("mail");
    fs::remove_file(root.join("dovecot-uidlist")).unwrap();
    let names = || {
        let mut all: Vec<_> =
            fs::read_dir(&root).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        all.sort();
        all
    };
    let before = names();
    let mut account = MaildirAccount::source(&root).unwrap();
    account.mailboxes().await.unwrap();
    assert_eq!(listed(&mut account, "INBOX").await.len(), 3);
    assert_eq!(names(), before);
    assert!(MaildirAccount::source(&root.join("nowhere")).is_err());
}

#[tokio::test]
async fn what_another_program_delivers_gets_the_next_uid_and_keeps_it() {
    let (dir, mut account) = filled().await;
    let root = dir.path().join("mail");
    for name in ["1700000001.b.host", "1700000000.a.host"] {
        fs::write(root.join("new").join(name), message(20, 40)).unwrap();
    }
    let listing = listed(&mut account, "INBOX").await;
    assert_eq!(listing.uid.iter().map(|uid| uid.value()).collect::<Vec<_>>(), [1, 2, 3, 4, 5]);
    let list = fs::read_to_string(root.join("dovecot-uidlist")).unwrap();
    assert!(list.contains("4 :1700000000.a.host\n5 :1700000001.b.host"), "{list}");
    // It is read, and so renamed.
    fs::rename(root.join("new/1700000000.a.host"), root.join("cur/1700000000.a.host:2,S")).unwrap();
    assert_eq!(bodies(&mut account, "INBOX").await.len(), 5);
    assert_eq!(deliver(&mut account, "INBOX", &[(6, "", 8, 10)]).await, [6]);
    let listing = listed(&mut account, "INBOX").await;
    assert_eq!(listing.flag_table.set(listing.flags[3]), &set("\\Seen"));
}

#[tokio::test]
async fn flags_change_and_messages_go() {
    let (_dir, mut account) = filled().await;
    let listing = listed(&mut account, "INBOX").await;
    let name = MailboxName::from("INBOX");
    let at = AsListed { mailbox: &name, uid_validity: listing.uid_validity };
    let update =
        FlagUpdate { uid: listing.uid[0], add: set("\\Answered new"), remove: set("\\Seen") };
    assert!(account.update_flags(at, &[update]).await.unwrap().is_empty());
    let changed = listed(&mut account, "INBOX").await;
    assert_eq!(changed.flag_table.set(changed.flags[0]), &set("\\Answered work new"));
    let gone = [listing.uid[1], Uid::new(99).unwrap()];
    assert!(account.delete_messages(at, &gone).await.unwrap().is_empty());
    let left = listed(&mut account, "INBOX").await;
    assert_eq!(left.uid, [listing.uid[0], listing.uid[2]]);
    let other = AsListed { uid_validity: at.uid_validity + 1, ..at };
    assert!(account.delete_messages(other, &listing.uid).await.is_err());
    assert!(account.update_flags(other, &[]).await.is_err());
    assert_eq!(listed(&mut account, "INBOX").await.len(), 2);
    assert_eq!(
        deliver(&mut account, "INBOX", &[(6, "", 8, 10)]).await,
        [4],
        "no UID is given twice"
    );
}

#[tokio::test]
async fn mailboxes_come_and_go_and_are_subscribed() {
    let (dir, mut account) = filled().await;
    let old = MailboxName::from("Old.2020");
    account.subscribe(&[old.clone(), "INBOX".into()]).await.unwrap();
    let subscribed = |listing: mailferry_engine::listing::AccountListing| {
        listing.mailboxes.iter().filter(|found| found.subscribed).count()
    };
    assert_eq!(subscribed(account.mailboxes().await.unwrap()), 2);
    assert_eq!(
        account.octets_in(std::slice::from_ref(&old)).await.unwrap(),
        [Some(message(9, 50).len() as u64)]
    );
    account.delete_mailbox(&old).await.unwrap();
    let left = account.mailboxes().await.unwrap();
    assert_eq!((left.mailboxes.len(), subscribed(left)), (1, 1));
    assert_eq!(account.delete_mailbox(&old).await.unwrap_err().kind, FaultKind::Select);
    let inbox = account.delete_mailbox(&"INBOX".into()).await.unwrap_err();
    assert_eq!(inbox.kind, FaultKind::DeleteMailbox);
    let refused = account.create(&[("a/b".into(), None), ("ok".into(), None)]).await.unwrap();
    assert_eq!((refused[0].is_err(), refused[1].is_ok()), (true, true));
    assert!(account.open_appends(&"nowhere".into()).await.is_err());
    assert!(dir.path().join("mail/.ok/maildirfolder").exists());
}

#[tokio::test]
async fn messages_wait_for_each_other_until_they_are_due() {
    let (_dir, mut account) = filled().await;
    account.open_appends(&"INBOX".into()).await.unwrap();
    let soon = Duration::from_millis(20);
    for number in 10..109 {
        account.append(envelope(number, "", 1), message(number, 10));
    }
    assert!(account.has_room() && !account.is_busy());
    assert!(tokio::time::timeout(soon, account.advance_appends()).await.is_err());
    account.append(envelope(109, "", 1), message(109, 10));
    assert!(!account.has_room() && account.is_busy());
    account.advance_appends().await.unwrap();
    assert_eq!(account.take_appended().len(), 100);
    // A large one goes alone, and while it is handed over nothing is due.
    account.append_begin(envelope(110, "", 1), 2000);
    account.append_chunk(&message(110, 2000));
    assert!(!account.is_busy());
    assert!(tokio::time::timeout(soon, account.advance_appends()).await.is_err());
    account.append_end();
    assert!(account.is_busy());
    account.advance_appends().await.unwrap();
    assert_eq!(account.take_appended().len(), 1);
}

#[tokio::test]
async fn keywords_without_a_letter_are_told_of() {
    let (_dir, mut account) = filled().await;
    let inbox = MailboxName::from("INBOX");
    assert_eq!(account.permanent_flags(&inbox).await.unwrap(), PermanentFlags::Any);
    let many: Vec<String> = (0..24).map(|number| format!("k{number}")).collect();
    deliver(&mut account, "INBOX", &[(7, &many.join(" "), 1, 10)]).await;
    let kept = account.permanent_flags(&inbox).await.unwrap();
    let PermanentFlags::Only(kept) = kept else { panic!("{kept:?}") };
    assert_eq!(kept.len(), 26 + 5);
    assert!(kept.contains(&Flag::new(b"work")) && !kept.contains(&Flag::new(b"other")));
}

#[tokio::test]
async fn what_cannot_be_written_is_told_and_the_rest_arrives() {
    let (dir, mut account) = filled().await;
    account.open_appends(&"INBOX".into()).await.unwrap();
    let tmp = dir.path().join("mail/tmp");
    fs::remove_dir(&tmp).unwrap();
    account.append(envelope(11, "", 1), message(11, 10));
    fs::create_dir(&tmp).unwrap();
    account.append(envelope(12, "", 1), message(12, 10));
    account.flush_appends();
    account.advance_appends().await.unwrap();
    let outcomes = account.take_appended();
    let failed: Vec<bool> = outcomes.iter().map(|outcome| outcome.result.is_err()).collect();
    assert_eq!(failed, [true, false]);
    assert_eq!(outcomes[0].result.as_ref().unwrap_err().kind, FaultKind::Append);
    assert_eq!(listed(&mut account, "INBOX").await.len(), 4);
    // Half a message leaves nothing behind.
    account.append_begin(envelope(13, "", 1), 1000);
    account.append_chunk(b"half");
    drop(account);
    assert_eq!(fs::read_dir(&tmp).unwrap().count(), 0);
}

#[tokio::test]
async fn a_moved_message_is_the_same_file_with_its_flags_and_date() {
    let (dir, mut account) = filled().await;
    let (inbox, old) = (MailboxName::from("INBOX"), MailboxName::from("Old.2020"));
    let before = listed(&mut account, "INBOX").await;
    let first = bodies(&mut account, "INBOX").await.remove(0);
    let from = AsListed { mailbox: &inbox, uid_validity: before.uid_validity };
    let uids = [1, 9].map(|uid| Uid::new(uid).unwrap());
    let moved = account.move_messages(from, &uids, &old).await.unwrap();
    // One that is not there is gone, and nowhere.
    assert_eq!(moved.gone, [(uids[0], Uid::new(2)), (uids[1], None)]);
    assert!(moved.stayed.is_empty());
    let there = listed(&mut account, "Old.2020").await;
    assert_eq!(there.uid_validity, moved.uid_validity);
    assert_eq!(there.uid.iter().map(|uid| uid.value()).collect::<Vec<_>>(), [1, 2]);
    assert_eq!(there.flag_table.set(there.flags[1]), &set("\\Seen work"));
    assert_eq!((there.key[1], there.date[1].instant()), (before.key[0], before.date[0].instant()));
    assert_eq!(bodies(&mut account, "Old.2020").await[1], first);
    assert_eq!(listed(&mut account, "INBOX").await.len(), 2);
    // Another program, or the next run, finds the same.
    let mut other = MaildirAccount::target(&dir.path().join("mail")).unwrap();
    assert_eq!(listed(&mut other, "Old.2020").await.uid, there.uid);
    // A file of that name there is not overwritten.
    let room = dir.path().join("mail").join("cur");
    let name = fs::read_dir(&room).unwrap().next().unwrap().unwrap().file_name();
    fs::write(dir.path().join("mail/.Old.2020/cur").join(&name), "another").unwrap();
    let now = listed(&mut account, "INBOX").await;
    let moved = account.move_messages(from, &now.uid, &old).await.unwrap();
    assert_eq!((moved.gone.len(), moved.stayed.len()), (1, 1));
    assert!(room.join(&name).exists());
}

//! What every account in files does, whatever their form: the cases that each of them passes.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use mailferry_engine::fault::{Fault, FaultKind};
use mailferry_engine::identity::KeyRule;
use mailferry_engine::listing::MessageListing;
use mailferry_engine::message::{Flag, FlagSet, InternalDate, Uid};
use mailferry_engine::name::MailboxName;
use tempfile::TempDir;

use super::{FileStore, Shelf};
use crate::contract::{
    AsListed, BodyEvent, Emptiness, Envelope, FlagUpdate, LiteralForm, Removable, Selection,
    Source, Target, Wanted,
};

/// How accounts of a form are opened.
pub(crate) struct Kind<C> {
    pub(crate) source: fn(&Path) -> Result<FileStore<C>, Fault>,
    pub(crate) target: fn(&Path) -> Result<FileStore<C>, Fault>,
}

/// The cases as tests of a form.
macro_rules! conforms {
    ($kind:expr; $($case:ident)*) => {
        $(
            #[tokio::test]
            async fn $case() {
                crate::files::suite::$case(&$kind).await;
            }
        )*
    };
    ($kind:expr) => {
        crate::files::suite::conforms! { $kind;
            what_was_delivered_is_read_back_octet_by_octet
            octets_of_any_kind_come_back
            a_source_is_only_read
            flags_change_and_messages_go
            mailboxes_come_and_go_and_are_subscribed
            subscriptions_come_and_go_with_or_without_mailboxes
            a_mailbox_goes_and_those_below_it_stay
            a_mailbox_goes_only_if_it_is_empty
            messages_wait_for_each_other_until_they_are_due
            a_moved_message_keeps_its_flags_and_its_date
            half_a_message_leaves_nothing_behind
        }
    };
}
pub(crate) use conforms;

pub(crate) fn set(words: &str) -> FlagSet {
    words.split_whitespace().map(|word| Flag::new(word.as_bytes())).collect()
}

pub(crate) fn message(number: u32, octets: usize) -> Vec<u8> {
    let mut text = format!("Message-Id: <{number}@x>\r\nSubject: {number}\r\n\r\n").into_bytes();
    text.resize(octets.max(text.len()), b'x');
    text
}

pub(crate) fn envelope(number: u32, flags: &str, seconds: i64) -> Envelope {
    Envelope {
        ticket: number as usize,
        uid: Uid::new(number).unwrap(),
        flags: set(flags),
        date: InternalDate::new(seconds, 60),
        literal: LiteralForm::Text,
    }
}

/// Appends messages, those of more than 1,000 octets in pieces; answers their UIDs.
pub(crate) async fn append<C: Shelf>(
    account: &mut FileStore<C>,
    mailbox: &str,
    all: Vec<(Envelope, Vec<u8>)>,
) -> Vec<u32> {
    let count = all.len();
    account.open_appends(&mailbox.into()).await.unwrap();
    for (envelope, text) in all {
        if text.len() > 1000 {
            account.append_begin(envelope, text.len() as u64);
            text.chunks(777).for_each(|chunk| account.append_chunk(chunk));
            account.append_end();
        } else {
            account.append(envelope, text);
        }
    }
    account.flush_appends();
    account.advance_appends().await.unwrap();
    assert!(!account.is_busy());
    let appended = account.take_appended();
    assert_eq!(appended.len(), count);
    appended.into_iter().map(|one| one.result.unwrap().unwrap().value()).collect()
}

pub(crate) async fn deliver<C: Shelf>(
    account: &mut FileStore<C>,
    mailbox: &str,
    all: &[(u32, &str, i64, usize)],
) -> Vec<u32> {
    let one = |&(number, flags, seconds, octets): &(u32, &str, i64, usize)| {
        (envelope(number, flags, seconds), message(number, octets))
    };
    append(account, mailbox, all.iter().map(one).collect()).await
}

pub(crate) async fn listed<C: Shelf>(account: &mut FileStore<C>, mailbox: &str) -> MessageListing {
    account.messages(&mailbox.into(), &Selection::default(), &KeyRule::default()).await.unwrap()
}

pub(crate) fn uids(listing: &MessageListing) -> Vec<u32> {
    listing.uid.iter().map(|uid| uid.value()).collect()
}

/// What every message of a mailbox is, or why it did not come.
pub(crate) async fn bodies<C: Shelf>(
    account: &mut FileStore<C>,
    mailbox: &str,
) -> Vec<Result<Vec<u8>, Fault>> {
    let listing = listed(account, mailbox).await;
    let name = MailboxName::from(mailbox);
    let at = AsListed { mailbox: &name, uid_validity: listing.uid_validity };
    let wanted = listing.uid.iter().map(|&uid| Wanted { uid, size: 0 }).collect();
    account.open_bodies(at, wanted);
    let mut all: Vec<Result<Vec<u8>, Fault>> = Vec::new();
    loop {
        match account.next_body().await.unwrap() {
            BodyEvent::Whole { octets, .. } => all.push(Ok(octets)),
            BodyEvent::Begin { .. } => all.push(Ok(Vec::new())),
            BodyEvent::Chunk(octets) => {
                all.last_mut().unwrap().as_mut().unwrap().extend_from_slice(octets);
            }
            BodyEvent::End => {}
            BodyEvent::Missing { fault, .. } => all.push(Err(fault)),
            BodyEvent::Finished => return all,
            BodyEvent::Unavailable { fault } => panic!("{fault:?}"),
        }
    }
}

pub(crate) async fn whole<C: Shelf>(account: &mut FileStore<C>, mailbox: &str) -> Vec<Vec<u8>> {
    bodies(account, mailbox).await.into_iter().map(Result::unwrap).collect()
}

/// An archive with two mailboxes.
pub(crate) async fn filled<C: Shelf>(kind: &Kind<C>) -> (TempDir, FileStore<C>) {
    let dir = tempfile::tempdir().unwrap();
    let mut account = (kind.target)(&dir.path().join("mail")).unwrap();
    let made = account.create(&[("Old.2020".into(), None)]).await.unwrap();
    assert!(made.iter().all(Result::is_ok));
    let inbox =
        [(1, "\\Seen work", 1_600_000_000, 300), (2, "", -86_400, 200_000), (3, "later", 7, 10)];
    assert_eq!(deliver(&mut account, "INBOX", &inbox).await, [1, 2, 3]);
    assert_eq!(deliver(&mut account, "Old.2020", &[(9, "\\Flagged", 5, 50)]).await, [1]);
    (dir, account)
}

/// Every file below a folder, with what is in it.
pub(crate) fn files(root: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut all = BTreeMap::new();
    for entry in fs::read_dir(root).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => all.extend(files(&path)),
            false => drop(all.insert(path.clone(), fs::read(path).unwrap())),
        }
    }
    all
}

pub(crate) async fn what_was_delivered_is_read_back_octet_by_octet<C: Shelf>(kind: &Kind<C>) {
    let (dir, mut target) = filled(kind).await;
    let root = dir.path().join("mail");
    for mut account in [(kind.source)(&root).unwrap(), (kind.target)(&root).unwrap()] {
        let found = account.mailboxes().await.unwrap().mailboxes;
        let names: Vec<String> = found.iter().map(|found| found.name.to_string()).collect();
        assert_eq!(names, ["INBOX", "Old.2020"]);
        assert_eq!((found[0].messages, found[0].mark.uid_next), (Some(3), 4));
        let listing = listed(&mut account, "INBOX").await;
        assert_eq!(uids(&listing), [1, 2, 3]);
        let flags: Vec<&FlagSet> =
            listing.flags.iter().map(|&id| listing.flag_table.set(id)).collect();
        assert_eq!(flags, [&set("\\Seen work"), &set(""), &set("later")]);
        let dates: Vec<Option<i64>> = listing.date.iter().map(|date| date.instant()).collect();
        assert_eq!(dates, [Some(1_600_000_000), Some(-86_400), Some(7)]);
        assert_eq!(
            whole(&mut account, "INBOX").await,
            [message(1, 300), message(2, 200_000), message(3, 10)]
        );
        assert_eq!(whole(&mut account, "Old.2020").await, [message(9, 50)]);
    }
    assert_eq!(deliver(&mut target, "INBOX", &[(4, "", 8, 10)]).await, [4]);
}

/// Octets that another program, or a line of an mbox, might take for something else.
pub(crate) fn odd_messages() -> Vec<Vec<u8>> {
    let long = [b"Subject: long\n\n".to_vec(), b"From x\n>From y\r\n\n".repeat(9000)].concat();
    let mut odd: Vec<Vec<u8>> = [
        &b"Subject: ends amid a line\r\n\r\nx"[..],
        b"Subject: bare\n\nFrom me\n\nFrom x Thu Jan  1 00:00:00 1970\n>From y\n>>From z\n",
        b"From x Thu Jan  1 00:00:00 1970\nSubject: begins as an mbox does\n\n",
        b"Subject: nothing but a header",
        b"Subject: NUL\r\n\r\n\0\0x\0\r\n\xff\xfe\r\n",
        b"Subject: ends empty\n\n\n\n\n",
        b"Subject: mixed\r\n\rx\n\r\n\n\r",
        b">From ",
        b"From",
        b"\n",
        b"",
    ]
    .map(<[u8]>::to_vec)
    .to_vec();
    odd.insert(3, long);
    odd
}

pub(crate) async fn octets_of_any_kind_come_back<C: Shelf>(kind: &Kind<C>) {
    let (dir, mut target) = filled(kind).await;
    target.create(&[("Odd".into(), None)]).await.unwrap();
    let odd = odd_messages();
    let all = (1..).zip(&odd).map(|(number, text)| (envelope(number, "", 5), text.clone()));
    append(&mut target, "Odd", all.collect()).await;
    assert_eq!(whole(&mut target, "Odd").await, odd);
    let mut source = (kind.source)(&dir.path().join("mail")).unwrap();
    assert_eq!(whole(&mut source, "Odd").await, odd);
    let listing = listed(&mut source, "Odd").await;
    let name = "Odd".into();
    let at = AsListed { mailbox: &name, uid_validity: listing.uid_validity };
    let digests = source.octet_digests(at, &listing.uid).await.unwrap();
    assert!(digests.values().all(Option::is_some) && digests.len() == odd.len());
}

pub(crate) async fn a_source_is_only_read<C: Shelf>(kind: &Kind<C>) {
    let (dir, _) = filled(kind).await;
    let root = dir.path().join("mail");
    let lists = |path: &Path| {
        let name = path.file_name().unwrap().to_str().unwrap();
        ["dovecot-uidlist", "mailferry.index"].contains(&name)
    };
    files(&root).keys().filter(|path| lists(path)).for_each(|path| fs::remove_file(path).unwrap());
    let before = files(&root);
    let mut account = (kind.source)(&root).unwrap();
    account.mailboxes().await.unwrap();
    let listing = listed(&mut account, "INBOX").await;
    assert_eq!(listing.len(), 3);
    assert_eq!(files(&root), before);
    // Another connection, in another second, sees the same mailbox.
    tokio::time::sleep(Duration::from_millis(1100)).await;
    let again = listed(&mut (kind.source)(&root).unwrap(), "INBOX").await;
    assert_eq!((again.uid_validity, &again.uid), (listing.uid_validity, &listing.uid));
    assert!((kind.source)(&root.join("nowhere")).is_err());
}

pub(crate) async fn flags_change_and_messages_go<C: Shelf>(kind: &Kind<C>) {
    let (dir, mut account) = filled(kind).await;
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
    assert_eq!(uids(&listed(&mut account, "INBOX").await), [1, 3]);
    assert_eq!(whole(&mut account, "INBOX").await, [message(1, 300), message(3, 10)]);
    let other = AsListed { uid_validity: at.uid_validity + 1, ..at };
    assert!(account.delete_messages(other, &listing.uid).await.is_err());
    assert!(account.update_flags(other, &[]).await.is_err());
    assert_eq!(listed(&mut account, "INBOX").await.len(), 2);
    assert!(account.delete_messages(at, &[listing.uid[2]]).await.unwrap().is_empty());
    // No UID is given twice, not even by the next run.
    let mut account = (kind.target)(&dir.path().join("mail")).unwrap();
    assert_eq!(deliver(&mut account, "INBOX", &[(6, "", 8, 10)]).await, [4]);
    assert_eq!(whole(&mut account, "INBOX").await, [message(1, 300), message(6, 10)]);
}

pub(crate) async fn mailboxes_come_and_go_and_are_subscribed<C: Shelf>(kind: &Kind<C>) {
    let (_dir, mut account) = filled(kind).await;
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
    let refused = account.create(&[("a\0b".into(), None), ("ok".into(), None)]).await.unwrap();
    assert_eq!((refused[0].is_err(), refused[1].is_ok()), (true, true));
    assert!(account.open_appends(&"nowhere".into()).await.is_err());
}

pub(crate) async fn subscriptions_come_and_go_with_or_without_mailboxes<C: Shelf>(kind: &Kind<C>) {
    let (dir, mut account) = filled(kind).await;
    let names = ["INBOX", "Old.2020", "nowhere"].map(MailboxName::from);
    assert!(account.subscribe(&names).await.unwrap().iter().all(Result::is_ok));
    let root = dir.path().join("mail");
    for mut account in [(kind.source)(&root).unwrap(), (kind.target)(&root).unwrap()] {
        let listing = account.mailboxes().await.unwrap();
        assert!(names.iter().all(|name| listing.is_subscribed(name)));
        assert_eq!(listing.bare_subscriptions, Some(vec!["nowhere".into()]));
    }
    let gone = ["Old.2020", "nowhere", "never"].map(MailboxName::from);
    assert!(account.unsubscribe(&gone).await.unwrap().iter().all(Result::is_ok));
    let listing = account.mailboxes().await.unwrap();
    assert_eq!(listing.bare_subscriptions, Some(Vec::new()));
    let subscribed = listing.mailboxes.iter().filter(|found| found.subscribed);
    assert_eq!(subscribed.map(|found| &found.name).collect::<Vec<_>>(), [&names[0]]);
}

pub(crate) async fn a_mailbox_goes_and_those_below_it_stay<C: Shelf>(kind: &Kind<C>) {
    let (dir, mut account) = filled(kind).await;
    let delimiter = account.mailboxes().await.unwrap().delimiter.unwrap();
    let below = format!("Top{}below", char::from(delimiter));
    let names = ["Top".into(), MailboxName::from(&*below)];
    account.create(&names.clone().map(|name| (name, None))).await.unwrap();
    deliver(&mut account, "Top", &[(1, "", 1, 10)]).await;
    deliver(&mut account, &below, &[(2, "", 1, 10)]).await;
    account.delete_mailbox(&names[0]).await.unwrap();
    let left = account.mailboxes().await.unwrap();
    assert!(left.find(&names[0]).is_none() && left.find(&names[1]).is_some());
    assert_eq!(whole(&mut account, &below).await, [message(2, 10)]);
    account.delete_mailbox(&names[1]).await.unwrap();
    let holds = |path: &PathBuf| path.to_string_lossy().contains("Top");
    assert!(!files(&dir.path().join("mail")).keys().any(holds));
}

pub(crate) async fn a_mailbox_goes_only_if_it_is_empty<C: Shelf>(kind: &Kind<C>) {
    let (_dir, mut account) = filled(kind).await;
    let old = MailboxName::from("Old.2020");
    assert_eq!(account.delete_empty_mailbox(&old).await.unwrap(), Emptiness::HoldsMail);
    let listing = listed(&mut account, "Old.2020").await;
    assert_eq!(whole(&mut account, "Old.2020").await, [message(9, 50)]);
    let at = AsListed { mailbox: &old, uid_validity: listing.uid_validity };
    account.remove_messages(at, &listing.uid).await.unwrap();
    assert_eq!(account.delete_empty_mailbox(&old).await.unwrap(), Emptiness::Deleted);
    assert!(account.mailboxes().await.unwrap().find(&old).is_none());
}

pub(crate) async fn messages_wait_for_each_other_until_they_are_due<C: Shelf>(kind: &Kind<C>) {
    let (_dir, mut account) = filled(kind).await;
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
    let all = whole(&mut account, "INBOX").await;
    assert_eq!((all.len(), &all[103]), (104, &message(110, 2000)));
}

pub(crate) async fn a_moved_message_keeps_its_flags_and_its_date<C: Shelf>(kind: &Kind<C>) {
    let (dir, mut account) = filled(kind).await;
    let (inbox, old) = (MailboxName::from("INBOX"), MailboxName::from("Old.2020"));
    let before = listed(&mut account, "INBOX").await;
    let first = whole(&mut account, "INBOX").await.remove(0);
    let from = AsListed { mailbox: &inbox, uid_validity: before.uid_validity };
    let two = [1, 9].map(|uid| Uid::new(uid).unwrap());
    let moved = account.move_messages(from, &two, &old).await.unwrap();
    // One that is not there is gone, and nowhere.
    assert_eq!(moved.gone, [(two[0], Uid::new(2)), (two[1], None)]);
    assert!(moved.stayed.is_empty());
    let there = listed(&mut account, "Old.2020").await;
    assert_eq!(there.uid_validity, moved.uid_validity);
    assert_eq!(uids(&there), [1, 2]);
    assert_eq!(there.flag_table.set(there.flags[1]), &set("\\Seen work"));
    assert_eq!((there.key[1], there.date[1].instant()), (before.key[0], before.date[0].instant()));
    assert_eq!(whole(&mut account, "Old.2020").await[1], first);
    assert_eq!(uids(&listed(&mut account, "INBOX").await), [2, 3]);
    // Another program, or the next run, finds the same.
    let mut other = (kind.target)(&dir.path().join("mail")).unwrap();
    assert_eq!(listed(&mut other, "Old.2020").await.uid, there.uid);
}

pub(crate) async fn half_a_message_leaves_nothing_behind<C: Shelf>(kind: &Kind<C>) {
    let (dir, mut account) = filled(kind).await;
    let root = dir.path().join("mail");
    let before = files(&root);
    account.open_appends(&"INBOX".into()).await.unwrap();
    account.append_begin(envelope(13, "", 1), 1000);
    account.append_chunk(b"half");
    drop(account);
    assert_eq!(files(&root), before);
}

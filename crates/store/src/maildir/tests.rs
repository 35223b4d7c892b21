//! A Maildir++ written and read back, by this program and beside others.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use mailferry_engine::fault::FaultKind;
use mailferry_engine::message::Flag;
use mailferry_engine::name::MailboxName;
use mailferry_engine::policy::PermanentFlags;
use proptest::prelude::*;

use super::uid_list::UidList;
use super::{MaildirAccount, MaildirCatalogue, folder_of, info, mailbox_of, subscriptions};
use crate::contract::{AsListed, Target};
use crate::files::suite::{
    Kind, conforms, deliver, envelope, filled, listed, message, set, uids, whole,
};

const KIND: Kind<MaildirCatalogue> =
    Kind { source: MaildirAccount::source, target: MaildirAccount::target };

conforms!(KIND);

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

#[tokio::test]
async fn what_another_program_delivers_gets_the_next_uid_and_keeps_it() {
    let (dir, mut account) = filled(&KIND).await;
    let root = dir.path().join("mail");
    for name in ["1700000001.b.host", "1700000000.a.host"] {
        fs::write(root.join("new").join(name), message(20, 40)).unwrap();
    }
    let listing = listed(&mut account, "INBOX").await;
    assert_eq!(uids(&listing), [1, 2, 3, 4, 5]);
    let list = fs::read_to_string(root.join("dovecot-uidlist")).unwrap();
    assert!(list.contains("4 :1700000000.a.host\n5 :1700000001.b.host"), "{list}");
    // It is read, and so renamed.
    fs::rename(root.join("new/1700000000.a.host"), root.join("cur/1700000000.a.host:2,S")).unwrap();
    assert_eq!(whole(&mut account, "INBOX").await.len(), 5);
    assert_eq!(deliver(&mut account, "INBOX", &[(6, "", 8, 10)]).await, [6]);
    let listing = listed(&mut account, "INBOX").await;
    assert_eq!(listing.flag_table.set(listing.flags[3]), &set("\\Seen"));
}

#[tokio::test]
async fn keywords_without_a_letter_are_told_of() {
    let (_dir, mut account) = filled(&KIND).await;
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
    let (dir, mut account) = filled(&KIND).await;
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
    assert_eq!(fs::read_dir(&tmp).unwrap().count(), 0);
}

#[tokio::test]
async fn a_moved_message_is_the_same_file_and_overwrites_none() {
    let (dir, mut account) = filled(&KIND).await;
    let (inbox, old) = (MailboxName::from("INBOX"), MailboxName::from("Old.2020"));
    let room = dir.path().join("mail").join("cur");
    let name = fs::read_dir(&room).unwrap().next().unwrap().unwrap().file_name();
    fs::write(dir.path().join("mail/.Old.2020/cur").join(&name), "another").unwrap();
    let now = listed(&mut account, "INBOX").await;
    let from = AsListed { mailbox: &inbox, uid_validity: now.uid_validity };
    let moved = account.move_messages(from, &now.uid, &old).await.unwrap();
    assert_eq!((moved.gone.len(), moved.stayed.len()), (2, 1));
    assert!(room.join(&name).exists());
}

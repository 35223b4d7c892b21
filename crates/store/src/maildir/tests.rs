//! A Maildir written and read back, by this program and beside others.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Component, Path};

use mailferry_engine::fault::FaultKind;
use mailferry_engine::message::Flag;
use mailferry_engine::name::MailboxName;
use mailferry_engine::policy::PermanentFlags;
use proptest::prelude::*;

use super::uid_list::UidList;
use super::{Layout, MaildirAccount, MaildirCatalogue, info, subscriptions};
use crate::contract::{AsListed, Source, Target};
use crate::files::suite::{
    Kind, conforms, deliver, envelope, files, filled, listed, message, set, uids, whole,
};

const KIND: Kind<MaildirCatalogue> = Kind {
    source: |root| MaildirAccount::source(root, Layout::PlusPlus),
    target: |root| MaildirAccount::target(root, Layout::PlusPlus),
};

const FS: Kind<MaildirCatalogue> = Kind {
    source: |root| MaildirAccount::source(root, Layout::Fs),
    target: |root| MaildirAccount::target(root, Layout::Fs),
};

conforms!(KIND);

mod folders_in_folders {
    crate::files::suite::conforms!(super::FS);
}

const BOTH: [Layout; 2] = [Layout::PlusPlus, Layout::Fs];

proptest! {
    #[test]
    fn no_name_leads_out_of_the_root(octets in "[.a-z/\\x00é]{0,8}|\\PC{0,8}") {
        let root = Path::new("/root-of-it");
        let name = MailboxName::new(octets.into_bytes());
        for layout in BOTH {
            let Some(folder) = layout.folder_of(root, &name) else { continue };
            let inside = folder.strip_prefix(root).unwrap();
            let is_plain = |part| matches!(part, Component::Normal(_));
            prop_assert!(inside.components().all(is_plain), "{folder:?}");
            if name.is_inbox() {
                prop_assert_eq!(&folder, root);
            } else {
                prop_assert_eq!(layout.mailbox_of(inside.as_os_str()), Some(name.clone()));
            }
        }
    }

    #[test]
    fn any_entry_is_a_mailbox_that_leads_back_to_it_or_none(text in "[.a-zA-Z/\\x00é]{0,8}") {
        for layout in BOTH {
            if let Some(name) = layout.mailbox_of(text.as_ref()) {
                prop_assert_eq!(layout.folder_of(Path::new(""), &name), Some((&text).into()));
            }
        }
    }

    #[test]
    fn any_text_is_a_list_or_none(text in "[0-9VNG :\n,a-zA-Z.]{0,80}") {
        if let Some(list) = UidList::read(&format!("3 V7 N3\n{text}")) {
            prop_assert_eq!(UidList::read(&list.write()), Some(list));
        }
        let _ = UidList::read(&text);
        let _ = info::read_keywords(&text);
        let _ = subscriptions::read(&text, b'/');
    }
}

#[test]
fn names_of_folders() {
    let of = |layout: Layout, name: &str| {
        layout.folder_of(Path::new("m"), &name.into()).map(|path| path.into_os_string())
    };
    for layout in BOTH {
        assert_eq!(of(layout, "INBOX").unwrap(), "m");
        for no in ["", "../x", "a\0b", "a\nb", "é", &"x".repeat(256)] {
            assert_eq!(of(layout, no), None, "{no:?}");
        }
    }
    assert_eq!(of(Layout::PlusPlus, "a.b").unwrap(), "m/.a.b");
    for no in [".", "..", "a..b", ".a", "a.", "a/b", &"x".repeat(255)] {
        assert_eq!(of(Layout::PlusPlus, no), None, "{no:?}");
    }
    for no in [".", "..", ".a/b", "a", ".INBOX", ".inbox"] {
        assert_eq!(Layout::PlusPlus.mailbox_of(no.as_ref()), None, "{no}");
    }
    assert_eq!(of(Layout::Fs, "a/b.c").unwrap(), "m/a/b.c");
    assert_eq!(of(Layout::Fs, "INBOX/a").unwrap(), "m/INBOX/a");
    for no in [".", "a/..", "a//b", "/a", "a/", "new", "a/cur/b", &"a/".repeat(200)] {
        assert_eq!(of(Layout::Fs, no), None, "{no:?}");
    }
    for no in ["inbox", "a//b", "a/", "tmp", "/a"] {
        assert_eq!(Layout::Fs.mailbox_of(no.as_ref()), None, "{no}");
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
    for (delimiter, name) in [(b'.', "a.b"), (b'/', "a/b")] {
        let both = names(&[name, "c"]);
        assert_eq!(subscriptions::read(&format!("{name}\nc\n"), delimiter), both);
        assert_eq!(subscriptions::read("V\t2\n\na\tb\nc\n", delimiter), both);
        let written = subscriptions::write(&both, delimiter);
        assert_eq!(subscriptions::read(&written, delimiter), both);
    }
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

/// A target with a mailbox in a mailbox.
async fn nested(root: &Path) -> MaildirAccount {
    let mut account = MaildirAccount::target(root, Layout::Fs).unwrap();
    let made = account.create(&[("Work/2026".into(), None)]).await.unwrap();
    assert!(made.iter().all(Result::is_ok));
    deliver(&mut account, "Work/2026", &[(1, "", 1, 10)]).await;
    account
}

#[tokio::test]
async fn a_layout_that_shows_plainly_is_seen_and_no_other_is_mixed_into_it() {
    let dir = tempfile::tempdir().unwrap();
    let (fs_root, plus_root) = (dir.path().join("fs"), dir.path().join("plus"));
    nested(&fs_root).await;
    drop((KIND.target)(&plus_root).unwrap().create(&[("a.b".into(), None)]).await.unwrap());
    assert_eq!(Layout::shown_by(&fs_root).unwrap(), Some(Layout::Fs));
    assert_eq!(Layout::shown_by(&plus_root).unwrap(), Some(Layout::PlusPlus));
    for (root, other) in [(&fs_root, &KIND), (&plus_root, &FS)] {
        let words = [other.source, other.target].map(|open| open(root).err().unwrap().words);
        assert!(words.iter().all(|words| words.contains("write maildir")), "{words:?}");
    }
    let empty = dir.path().join("empty");
    drop((KIND.target)(&empty).unwrap());
    assert_eq!(Layout::shown_by(&empty).unwrap(), None);
    // Maildirs of several people in one folder are mailboxes of none, unless somebody says so.
    let before = files(dir.path());
    assert!((KIND.target)(dir.path()).is_err());
    assert_eq!(files(dir.path()), before);
}

#[tokio::test]
async fn a_mailbox_in_a_mailbox_stays_when_that_goes_and_what_is_not_ours_does() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("mail");
    let mut account = nested(&root).await;
    // A parent in name only is no mailbox.
    assert_eq!(account.mailboxes().await.unwrap().mailboxes.len(), 2);
    account.create(&[("Work".into(), None), ("Work/2026/May".into(), None)]).await.unwrap();
    fs::write(root.join("Work/notes.txt"), "mine").unwrap();
    account.delete_mailbox(&"Work/2026".into()).await.unwrap();
    account.delete_mailbox(&"Work".into()).await.unwrap();
    let left: Vec<String> = account
        .mailboxes()
        .await
        .unwrap()
        .mailboxes
        .iter()
        .map(|found| found.name.to_string())
        .collect();
    assert_eq!(left, ["INBOX", "Work/2026/May"]);
    account.delete_mailbox(&"Work/2026/May".into()).await.unwrap();
    let left: Vec<_> = files(&root.join("Work")).into_keys().collect();
    assert_eq!(left, [root.join("Work/notes.txt")]);
    assert!(!root.join("Work/2026").exists());
}

#[tokio::test]
async fn no_mailbox_takes_the_name_of_a_file_that_dovecot_keeps() {
    let dir = tempfile::tempdir().unwrap();
    let mut account = (FS.target)(&dir.path().join("mail")).unwrap();
    for no in ["subscriptions", "dovecot-uidlist", "a/dovecot.index", ".x", "~x", "maildirfolder"] {
        let made = account.create(&[(no.into(), None)]).await.unwrap();
        assert_eq!(made[0].as_ref().unwrap_err().kind, FaultKind::Create, "{no}");
    }
    for yes in ["a/.x", "a/~x", "a.dovecot", "a"] {
        assert!(account.create(&[(yes.into(), None)]).await.unwrap()[0].is_ok(), "{yes}");
    }
    assert_eq!(account.mailboxes().await.unwrap().mailboxes.len(), 5);
}

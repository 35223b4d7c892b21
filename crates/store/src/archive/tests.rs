//! Archives in plain files, written and read back, by this program and beside others.
#![allow(clippy::unwrap_used)]

use std::fs;

use mailferry_engine::fault::FaultKind;
use mailferry_engine::message::Uid;
use mailferry_engine::name::{MailboxName, SpecialUse};

use super::{ArchiveAccount, ArchiveCatalogue, Form, INDEX};
use crate::contract::{AsListed, FlagUpdate, Source, Target};
use crate::files::FileStore;
use crate::files::suite::{
    Kind, append, bodies, conforms, deliver, envelope, files, filled, listed, message,
    odd_messages, set, uids, whole,
};

const EML: Kind<ArchiveCatalogue> = Kind {
    source: |root| ArchiveAccount::source(Form::Eml, root),
    target: |root| ArchiveAccount::target(Form::Eml, root),
};

mod eml {
    use super::*;
    conforms!(EML);
}

#[tokio::test]
async fn a_message_is_a_file_of_its_octets() {
    let (dir, _) = filled(&EML).await;
    let inbox = dir.path().join("mail/INBOX");
    assert_eq!(fs::read(inbox.join("1.eml")).unwrap(), message(1, 300));
    let time = fs::metadata(inbox.join("1.eml")).unwrap().modified().unwrap();
    let since = time.duration_since(std::time::UNIX_EPOCH).unwrap();
    assert_eq!(since.as_secs(), 1_600_000_000);
    let text = fs::read_to_string(inbox.join(INDEX)).unwrap();
    assert!(text.contains("1\t13-Sep-2020 13:26:40 +0100\t300\t"), "{text}");
    assert!(text.contains("\t1.eml\t\\Seen work\n"), "{text}");
    assert!(text.contains("3\t01-Jan-1970 01:00:07 +0100\t"), "{text}");
}

#[tokio::test]
async fn without_its_index_a_mailbox_has_the_same_messages() {
    let (dir, _) = filled(&EML).await;
    let root = dir.path().join("mail");
    fs::remove_file(root.join("INBOX/2.eml")).unwrap();
    fs::remove_file(root.join("INBOX").join(INDEX)).unwrap();
    let mut source = (EML.source)(&root).unwrap();
    let before = listed(&mut source, "INBOX").await;
    assert_eq!(uids(&before), [1, 3]);
    assert_eq!(before.date[0].instant(), Some(1_600_000_000));
    // Whoever looks again, or with another connection, sees the same.
    let mut again = (EML.source)(&root).unwrap();
    assert_eq!(listed(&mut again, "INBOX").await.uid_validity, before.uid_validity);
    let mut account = (EML.target)(&root).unwrap();
    assert_eq!(uids(&listed(&mut account, "INBOX").await), [1, 3]);
    assert_eq!(deliver(&mut account, "INBOX", &[(5, "", 1, 10)]).await, [4]);
    assert_eq!(
        whole(&mut account, "INBOX").await,
        [message(1, 300), message(3, 10), message(5, 10)]
    );
}

#[tokio::test]
async fn a_message_that_is_not_what_was_written_is_told_and_not_handed_out() {
    let (dir, mut account) = filled(&EML).await;
    let inbox = dir.path().join("mail/INBOX");
    for (name, octets) in [("1.eml", message(7, 300)), ("2.eml", vec![b'x'; 200_000])] {
        fs::write(inbox.join(name), octets).unwrap();
    }
    fs::write(inbox.join("3.eml"), b"shorter").unwrap();
    // The header of what is longer or shorter is not read either.
    let name = MailboxName::from("INBOX");
    assert!(account.messages(&name, &Default::default(), &Default::default()).await.is_err());
    fs::remove_file(inbox.join("3.eml")).unwrap();
    let found = bodies(&mut account, "INBOX").await;
    let kinds: Vec<FaultKind> = found.iter().map(|one| one.as_ref().unwrap_err().kind).collect();
    assert_eq!(kinds, [FaultKind::Fetch, FaultKind::Fetch]);
    assert!(found[0].as_ref().unwrap_err().words.contains("SHA-256"));
    let listing = listed(&mut account, "INBOX").await;
    let at = AsListed { mailbox: &name, uid_validity: listing.uid_validity };
    let digests = account.octet_digests(at, &listing.uid).await.unwrap();
    assert!(digests.values().all(Option::is_none) && digests.len() == 2);
}

#[tokio::test]
async fn files_of_other_programs_are_messages() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path();
    fs::create_dir_all(root.join("Gelöscht/a.eml")).unwrap();
    for name in ["b.EML", "Gelöscht/Re: a letter.eml", "Gelöscht/a.eml/10.eml", "Gelöscht/.x.eml"]
    {
        fs::write(root.join(name), message(1, 10)).unwrap();
    }
    fs::write(root.join("notes.txt"), "no mail").unwrap();
    let mut source = (EML.source)(root).unwrap();
    let found = source.mailboxes().await.unwrap().mailboxes;
    let counts: Vec<(String, Option<u32>)> =
        found.iter().map(|found| (found.name.to_string(), found.messages)).collect();
    let expected = [("Gel&APY-scht", 1), ("Gel&APY-scht/a.eml", 1), ("INBOX", 1)];
    assert_eq!(counts, expected.map(|(name, count)| (name.to_owned(), Some(count))));
    assert_eq!(whole(&mut source, "Gel&APY-scht").await, [message(1, 10)]);
    // A target writes down what it finds, and goes on behind it.
    let mut target = (EML.target)(root).unwrap();
    assert_eq!(uids(&listed(&mut target, "Gel&APY-scht/a.eml").await), [10]);
    assert_eq!(deliver(&mut target, "Gel&APY-scht/a.eml", &[(2, "", 1, 10)]).await, [11]);
    fs::write(root.join("Gelöscht/a.eml/12.eml"), "not ours").unwrap();
    fs::remove_file(root.join("Gelöscht/a.eml").join(INDEX)).unwrap();
    assert_eq!(deliver(&mut target, "Gel&APY-scht/a.eml", &[(3, "", 1, 10)]).await, [13]);
    assert_eq!(fs::read(root.join("Gelöscht/a.eml/12.eml")).unwrap(), b"not ours");
    // Two folders that would be one mailbox.
    fs::create_dir(root.join("INBOX2")).unwrap();
    fs::rename(root.join("INBOX2"), root.join("inbox")).unwrap();
    fs::write(root.join("inbox/1.eml"), message(1, 10)).unwrap();
    let error = (EML.source)(root).err().unwrap();
    assert!(error.words.contains("same mailbox"), "{error}");
    assert!((EML.source)(&root.join("Gelöscht/nothing")).is_err());
    assert!((EML.source)(tempfile::tempdir().unwrap().path()).is_err());
}

/// A run that is killed leaves, at each step of a delivery, one of these.
#[tokio::test]
async fn what_a_killed_delivery_left_is_neither_lost_nor_doubled() {
    let (dir, mut account) = filled(&EML).await;
    let inbox = dir.path().join("mail/INBOX");
    let before = fs::read_to_string(inbox.join(INDEX)).unwrap();
    assert_eq!(deliver(&mut account, "INBOX", &[(4, "\\Seen", 9, 10)]).await, [4]);
    let after = fs::read_to_string(inbox.join(INDEX)).unwrap();
    let line = after.strip_prefix(&before).unwrap().to_owned();
    let open = || (EML.target)(&dir.path().join("mail")).unwrap();
    for written in 0..=line.len() {
        // Its line is there in part or whole, and its name is not.
        fs::write(inbox.join(INDEX), format!("{before}{}", &line[..written])).unwrap();
        let _ = fs::remove_file(inbox.join("4.eml"));
        fs::write(inbox.join(".1.M2.mailferry-new"), "half").unwrap();
        let mut account = open();
        assert_eq!(uids(&listed(&mut account, "INBOX").await), [1, 2, 3], "{written}");
        let uid = deliver(&mut account, "INBOX", &[(4, "\\Seen", 9, 10)]).await;
        assert_eq!(uid, [if written == line.len() { 5 } else { 4 }]);
        let mut account = open();
        let listing = listed(&mut account, "INBOX").await;
        assert_eq!((listing.len(), listing.flag_table.set(listing.flags[3])), (4, &set("\\Seen")));
        assert_eq!(whole(&mut account, "INBOX").await[3], message(4, 10));
        let left = |path: &std::path::PathBuf| path.to_string_lossy().ends_with(".mailferry-new");
        assert!(!files(&inbox).keys().any(left));
        let _ = fs::remove_file(inbox.join("5.eml"));
    }
    // The file of a message that is on its way is held, and stays.
    let mut account = open();
    account.open_appends(&"INBOX".into()).await.unwrap();
    account.append(envelope(9, "", 1), message(9, 10));
    fs::remove_file(inbox.join(INDEX)).unwrap();
    listed(&mut open(), "INBOX").await;
    account.flush_appends();
    account.advance_appends().await.unwrap();
    assert!(account.take_appended().iter().all(|one| one.result.is_ok()));
}

#[tokio::test]
async fn a_move_that_was_cut_off_doubles_nothing() {
    let (dir, mut account) = filled(&EML).await;
    let (inbox, old) = (MailboxName::from("INBOX"), MailboxName::from("Old.2020"));
    let listing = listed(&mut account, "INBOX").await;
    let from = AsListed { mailbox: &inbox, uid_validity: listing.uid_validity };
    let before = files(&dir.path().join("mail/INBOX"));
    account.move_messages(from, &listing.uid, &old).await.unwrap();
    // It got as far as the copies.
    before.iter().for_each(|(path, octets)| fs::write(path, octets).unwrap());
    let again = account.move_messages(from, &listing.uid, &old).await.unwrap();
    assert_eq!(
        again.gone.iter().map(|(_, there)| there.unwrap().value()).collect::<Vec<_>>(),
        [2, 3, 4]
    );
    assert_eq!(listed(&mut account, "Old.2020").await.len(), 4);
    assert_eq!(listed(&mut account, "INBOX").await.len(), 0);
}

#[tokio::test]
async fn special_uses_and_any_keywords_are_kept() {
    let (dir, mut account) = filled(&EML).await;
    let sent = MailboxName::from("Sent");
    account.create(&[(sent.clone(), Some(SpecialUse::Sent))]).await.unwrap();
    let many: Vec<String> = (0..40).map(|number| format!("k{number}%")).collect();
    deliver(&mut account, "Sent", &[(7, &many.join(" "), 1, 10)]).await;
    let mut source = (EML.source)(&dir.path().join("mail")).unwrap();
    let found = source.mailboxes().await.unwrap();
    assert_eq!(found.find(&sent).unwrap().special_use, Some(SpecialUse::Sent));
    let listing = listed(&mut source, "Sent").await;
    assert_eq!(listing.flag_table.set(listing.flags[0]), &set(&many.join(" ")));
    account.delete_mailbox(&sent).await.unwrap();
    account.create(&[(sent.clone(), None)]).await.unwrap();
    assert_eq!(account.mailboxes().await.unwrap().find(&sent).unwrap().special_use, None);
}

#[tokio::test]
async fn an_archive_of_the_other_form_is_left_alone() {
    for (kind, other) in [(EML, MBOX), (MBOX, EML)] {
        let (dir, _) = filled(&kind).await;
        let before = files(&dir.path().join("mail"));
        let mut account = (other.target)(&dir.path().join("mail")).unwrap();
        let inbox = MailboxName::from("INBOX");
        let told =
            account.messages(&inbox, &Default::default(), &Default::default()).await.unwrap_err();
        assert!(told.words.contains("of the other form"), "{told}");
        assert!(account.open_appends(&inbox).await.is_err());
        assert_eq!(files(&dir.path().join("mail")), before);
    }
}

#[tokio::test]
async fn an_index_of_a_later_version_is_left_alone() {
    let (dir, mut account) = filled(&EML).await;
    let index = dir.path().join("mail/INBOX").join(INDEX);
    fs::write(&index, "mailferry-index 2 and more\n").unwrap();
    let name = MailboxName::from("INBOX");
    let told = account.messages(&name, &Default::default(), &Default::default()).await;
    assert!(told.unwrap_err().words.contains("later"));
    assert!(account.open_appends(&name).await.is_err());
    let update = FlagUpdate { uid: Uid::new(1).unwrap(), add: set("x"), remove: set("") };
    let at = AsListed { mailbox: &name, uid_validity: 1 };
    assert!(account.update_flags(at, &[update]).await.is_err());
    assert_eq!(fs::read_to_string(&index).unwrap(), "mailferry-index 2 and more\n");
}

const MBOX: Kind<ArchiveCatalogue> = Kind {
    source: |root| ArchiveAccount::source(Form::Mbox, root),
    target: |root| ArchiveAccount::target(Form::Mbox, root),
};

mod mbox {
    use super::*;
    conforms!(MBOX);
}

fn open_mbox(dir: &tempfile::TempDir) -> FileStore<ArchiveCatalogue> {
    (MBOX.target)(&dir.path().join("mail")).unwrap()
}

#[tokio::test]
async fn an_mbox_is_what_others_expect() {
    let (dir, mut account) = filled(&MBOX).await;
    let text = b"Subject: x\n\nFrom here\n>From there";
    append(&mut account, "Old.2020", vec![(envelope(1, "", 1_600_000_000), text.to_vec())]).await;
    let first = String::from_utf8(message(9, 50)).unwrap();
    let expected = format!(
        "From mailferry Thu Jan  1 00:00:05 1970\n{first}\n\n\
         From mailferry Sun Sep 13 12:26:40 2020\nSubject: x\n\n>From here\n>>From there\n\n"
    );
    let folder = dir.path().join("mail/Old.2020");
    assert_eq!(fs::read_to_string(folder.join("mbox")).unwrap(), expected);
    let index = fs::read_to_string(folder.join(INDEX)).unwrap();
    assert!(index.contains("\t@0+40+52\t\\Flagged\nend 92\n"), "{index}");
    assert!(index.ends_with(&format!("\t@92+40+37\t\nend {}\n", expected.len())), "{index}");
}

#[tokio::test]
async fn without_its_index_an_mbox_has_the_same_messages() {
    let (dir, mut account) = filled(&MBOX).await;
    account.create(&[("Odd".into(), None)]).await.unwrap();
    let odd = odd_messages();
    let all = (1..).zip(&odd).map(|(number, text)| (envelope(number, "", 5), text.clone()));
    append(&mut account, "Odd", all.collect()).await;
    let index = dir.path().join("mail/Odd").join(INDEX);
    let before = fs::read_to_string(&index).unwrap();
    // With what was known of them they are found wherever they are.
    fs::write(&index, before.replace("end ", "end 9")).unwrap();
    assert_eq!(whole(&mut open_mbox(&dir), "Odd").await, odd);
    assert!(
        fs::read_to_string(&index)
            .unwrap()
            .ends_with(before.split_inclusive('\n').next_back().unwrap())
    );
    fs::remove_file(&index).unwrap();
    let mut source = (MBOX.source)(&dir.path().join("mail")).unwrap();
    // One that ends amid a line has got an end.
    let ended = |text: &Vec<u8>| match text.ends_with(b"\n") {
        true => text.clone(),
        false => [text, &b"\n"[..]].concat(),
    };
    assert_eq!(whole(&mut source, "Odd").await, odd.iter().map(ended).collect::<Vec<_>>());
    let listing = listed(&mut source, "Odd").await;
    assert!(listing.date.iter().all(|date| date.instant() == Some(5)));
    assert_eq!(source.mailboxes().await.unwrap().find(&"Odd".into()).unwrap().messages, None);
}

/// A run that is killed leaves, at each step of a delivery, one of these.
#[tokio::test]
async fn what_a_killed_delivery_left_in_an_mbox_is_neither_lost_nor_doubled() {
    let dir = tempfile::tempdir().unwrap();
    let mut account = open_mbox(&dir);
    deliver(&mut account, "INBOX", &[(1, "\\Seen", 1, 300), (3, "", 2, 10)]).await;
    let folder = dir.path().join("mail/INBOX");
    let state = || {
        let read = |name: &str| fs::read(folder.join(name)).unwrap();
        (read(INDEX), read("mbox"))
    };
    let (index, mbox) = state();
    deliver(&mut account, "INBOX", &[(4, "\\Seen", 9, 10), (5, "", 9, 10)]).await;
    let (index_after, mbox_after) = state();
    let mut steps: Vec<(usize, usize)> =
        (index.len()..=index_after.len()).map(|written| (written, mbox.len())).collect();
    let lines = index_after.len() - format!("end {}\n", mbox_after.len()).len();
    steps.extend((mbox.len()..=mbox_after.len()).map(|written| (lines, written)));
    steps.extend((lines..=index_after.len()).map(|written| (written, mbox_after.len())));
    for (index_octets, mbox_octets) in steps {
        fs::write(folder.join(INDEX), &index_after[..index_octets]).unwrap();
        fs::write(folder.join("mbox"), &mbox_after[..mbox_octets]).unwrap();
        // Who only reads sees whole messages.
        let mut source = (MBOX.source)(&dir.path().join("mail")).unwrap();
        let seen = whole(&mut source, "INBOX").await;
        let whole_after = [seen.len() > 2, seen.len() > 3];
        let mut account = open_mbox(&dir);
        assert_eq!(whole(&mut account, "INBOX").await, seen);
        for (number, is_there) in [4, 5].into_iter().zip(whole_after) {
            if !is_there {
                deliver(&mut account, "INBOX", &[(number, "", 9, 10)]).await;
            }
        }
        let all = [(1, 300), (3, 10), (4, 10), (5, 10)];
        let all = all.map(|(number, octets)| message(number, octets));
        for mut account in [account, open_mbox(&dir)] {
            assert_eq!(whole(&mut account, "INBOX").await, all, "{index_octets} {mbox_octets}");
        }
        let octets = fs::read(folder.join("mbox")).unwrap();
        let lines = octets.windows(6).filter(|six| six == b"\nFrom ").count();
        assert_eq!(lines, 3, "{index_octets} {mbox_octets}");
    }
}

#[tokio::test]
async fn a_removal_that_was_cut_off_leaves_the_rest_as_it_was() {
    let (dir, mut account) = filled(&MBOX).await;
    let folder = dir.path().join("mail/INBOX");
    let before = fs::read(folder.join(INDEX)).unwrap();
    let listing = listed(&mut account, "INBOX").await;
    let name = MailboxName::from("INBOX");
    let at = AsListed { mailbox: &name, uid_validity: listing.uid_validity };
    account.delete_messages(at, &listing.uid[..2]).await.unwrap();
    // The file is new, and its index is not; another was begun.
    fs::write(folder.join(INDEX), before).unwrap();
    fs::write(folder.join("mbox.mailferry-new"), "half").unwrap();
    let mut account = open_mbox(&dir);
    let left = listed(&mut account, "INBOX").await;
    assert_eq!((uids(&left), left.uid_validity), (vec![3], listing.uid_validity));
    assert_eq!(left.flag_table.set(left.flags[0]), &set("later"));
    assert_eq!(whole(&mut account, "INBOX").await, [message(3, 10)]);
    assert_eq!(deliver(&mut account, "INBOX", &[(5, "", 1, 10)]).await, [4]);
    assert!(!folder.join("mbox.mailferry-new").exists());
}

#[tokio::test]
async fn what_other_programs_do_to_an_mbox_is_seen() {
    let (dir, mut account) = filled(&MBOX).await;
    let path = dir.path().join("mail/INBOX/mbox");
    let before = listed(&mut account, "INBOX").await;
    // Mail is added, before and between ours.
    let mut text = fs::read(&path).unwrap();
    text.extend_from_slice(b"From a@b Sun Sep 13 12:26:40 2020\nStatus: RO\nX-Status: F\n\nhello");
    fs::write(&path, &text).unwrap();
    assert_eq!(deliver(&mut account, "INBOX", &[(6, "", 1, 10)]).await, [5]);
    let listing = listed(&mut account, "INBOX").await;
    assert_eq!(uids(&listing), [1, 2, 3, 4, 5]);
    assert_eq!(listing.flag_table.set(listing.flags[3]), &set("\\Seen \\Flagged"));
    assert_eq!(listing.date[3].instant(), Some(1_600_000_000));
    let all = whole(&mut account, "INBOX").await;
    assert_eq!(all[3], b"Status: RO\nX-Status: F\n\nhello".to_vec());
    assert_eq!(all[4], message(6, 10));
    // One that is cut short behind a torn message of ours stays.
    // And all is written anew, by a program that removes one and changes another.
    let text = String::from_utf8(fs::read(&path).unwrap()).unwrap();
    let at = text.find("From mailferry Thu Jan  1 00:00:07 1970").unwrap();
    let start = text.find("From mailferry Wed Dec 31").unwrap();
    let text = format!("{}{}", &text[..start], &text[at..].replace("Subject: 3", "Subject: three"));
    fs::write(&path, text).unwrap();
    let listing = listed(&mut account, "INBOX").await;
    assert_eq!((uids(&listing), listing.uid_validity), (vec![1, 4, 5, 6], before.uid_validity));
    assert_eq!(listing.flag_table.set(listing.flags[0]), &set("\\Seen work"));
    assert_eq!(whole(&mut account, "INBOX").await.len(), 4);
    // What is changed where nobody can see it is told and not handed out.
    let text = fs::read_to_string(&path).unwrap().replacen("Subject: 1", "Subject: 9", 1);
    fs::write(&path, text).unwrap();
    let found = bodies(&mut account, "INBOX").await;
    let failed: Vec<bool> = found.iter().map(Result::is_err).collect();
    assert_eq!(failed, [true, false, false, false]);
    // Mail behind the beginning of a message that a killed run left is not cut off with it.
    let index = dir.path().join("mail/INBOX").join(INDEX);
    let lines = fs::read_to_string(&index).unwrap();
    let end = fs::metadata(&path).unwrap().len();
    let digest = "0".repeat(64);
    let doubtful = format!("7\t01-Jan-1970 00:00:00 +0000\t900\t{digest}\t@{end}+40+901\t\n");
    let text = fs::read(&path).unwrap();
    let torn = &b"From mailferry Thu Jan  1 00:00:00 1970\nSubject: torn\n\n"[..];
    let other = &b"From a@b Sun Sep 13 12:26:40 2020\nSubject: other\n\n"[..];
    let lines = lines + &doubtful;
    for added in [other.to_vec(), [torn, other].concat()] {
        fs::write(&index, &lines).unwrap();
        fs::write(&path, [&text, &added[..]].concat()).unwrap();
        let all = bodies(&mut open_mbox(&dir), "INBOX").await;
        assert_eq!(all.last().unwrap().as_ref().unwrap(), b"Subject: other\n");
    }
}

#[tokio::test]
async fn an_mbox_of_another_program_is_an_account() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("All mail.mbox");
    let text = "From 16@xxx Sun Sep 13 12:26:40 +0000 2020\r\nSubject: a\r\nX-Keywords: work\r\n\r\n\
                >From x\r\n\r\nFrom y Sun Sep 13 12:26:41 2020\r\nStatus: O\r\n\r\nb\r\nFrom me\r\n";
    fs::write(&path, text).unwrap();
    let mut source = (MBOX.source)(&path).unwrap();
    let names: Vec<String> = source
        .mailboxes()
        .await
        .unwrap()
        .mailboxes
        .iter()
        .map(|found| found.name.to_string())
        .collect();
    assert_eq!(names, ["INBOX"]);
    let listing = listed(&mut source, "INBOX").await;
    assert_eq!(listing.flag_table.set(listing.flags[0]), &set("work"));
    assert_eq!(listing.date[1].instant(), Some(1_600_000_001));
    let expected =
        ["Subject: a\r\nX-Keywords: work\r\n\r\nFrom x\r\n", "Status: O\r\n\r\nb\r\nFrom me\r\n"];
    assert_eq!(whole(&mut source, "INBOX").await, expected.map(|text| text.as_bytes().to_vec()));
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    assert!((MBOX.target)(&path).is_err());
    fs::write(&path, "no mbox\n").unwrap();
    let mut source = (MBOX.source)(&path).unwrap();
    let (name, all, keys) = ("INBOX".into(), Default::default(), Default::default());
    let told = source.messages(&name, &all, &keys).await;
    assert!(told.unwrap_err().words.contains("does not begin"));
}

//! The judge has to see every kind of difference, or it proves nothing.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::corpus::odd_messages;
use crate::dovecot::{Dovecot, Layout, Setup};

/// NUL becomes 0x80, a line end becomes CRLF; seen with sdbox of 2.3.19.
const MENDED_BY_DOVECOT: [&str; 5] =
    ["nul-in-body", "nul-in-header", "bare-lf", "bare-lf-in-body", "cr-cr-lf"];

fn message(uid: u32, text: &str, flags: &[&str], instant: i64) -> Message {
    let digest = *blake3::hash(text.as_bytes()).as_bytes();
    Message {
        uid,
        flags: flags.iter().map(|flag| (*flag).to_owned()).collect(),
        instant,
        size: 10,
        digest,
        loose_digest: digest,
        subject: text.to_owned(),
        octets: Vec::new(),
    }
}

fn account() -> Account {
    let mut account = Account::default();
    let messages = vec![
        message(1, "a", &["\\Seen"], 100),
        message(2, "b", &[], 200),
        message(3, "b", &["work"], 300),
    ];
    account.mailboxes.insert("INBOX".to_owned(), messages);
    account.mailboxes.insert("Sent".to_owned(), vec![message(5, "c", &[], 400)]);
    account.subscriptions.insert("Sent".to_owned());
    account
}

fn differences(change: impl FnOnce(&mut Account), expect: &Expect) -> Vec<String> {
    let mut copy = account();
    change(&mut copy);
    compare(&account(), &copy, expect)
}

fn inbox(account: &mut Account) -> &mut Vec<Message> {
    account.mailboxes.get_mut("INBOX").unwrap()
}

#[test]
fn an_account_equals_itself_with_other_uids() {
    let renumber = |copy: &mut Account| inbox(copy).iter_mut().for_each(|m| m.uid += 10);
    assert_eq!(differences(renumber, &Expect::exact()), Vec::<String>::new());
}

#[test]
fn every_kind_of_difference_is_named_once() {
    let exact = Expect::exact();
    let one = |change: fn(&mut Account), word: &str| {
        let found = differences(change, &exact);
        assert_eq!(found.len(), 1, "{word}: {found:?}");
        assert!(found[0].contains(word), "{word}: {found:?}");
    };
    one(|copy| drop(inbox(copy).remove(0)), "missing");
    one(|copy| drop(inbox(copy).remove(2)), "missing");
    one(|copy| inbox(copy).push(message(9, "b", &[], 200)), "doubled");
    one(|copy| inbox(copy).push(message(9, "new", &[], 1)), "too many");
    one(|copy| inbox(copy)[0].flags.clear(), "flags");
    one(|copy| inbox(copy)[1].instant = 201, "INTERNALDATE");
    one(|copy| inbox(copy).reverse(), "out of order");
    one(|copy| drop(copy.mailboxes.remove("Sent")), "`Sent` is missing");
    one(|copy| drop(copy.mailboxes.insert("Own".to_owned(), vec![])), "`Own` is too many");
    one(|copy| copy.subscriptions.clear(), "not subscribed");
    one(|copy| copy.subscriptions.extend(["INBOX".to_owned()]), "should not be");
}

#[test]
fn a_superset_may_have_more_but_nothing_else() {
    let superset = Expect::superset();
    let more = |copy: &mut Account| {
        inbox(copy).insert(1, message(9, "new", &[], 1));
        copy.mailboxes.insert("Own".to_owned(), vec![message(1, "own", &[], 1)]);
        copy.subscriptions.insert("Own".to_owned());
    };
    assert_eq!(differences(more, &superset), Vec::<String>::new());
    assert_eq!(differences(|copy| inbox(copy)[0].flags.clear(), &superset).len(), 1);
    assert_eq!(differences(|copy| inbox(copy).reverse(), &superset).len(), 1);
}

#[test]
fn the_judge_changes_and_reads_a_real_account() {
    let Some(server) = Dovecot::start_if_installed(&Setup::new(Layout::DotInbox)).unwrap() else {
        return;
    };
    let mut probe = server.probe("ann").unwrap();
    probe.create("Archive/2020").unwrap();
    probe.subscribe("Archive/2020").unwrap();
    let draft = Draft::new("Subject: one\r\n\r\n1\r\n").flagged("\\Seen work").dated(837_596_665);
    assert_eq!(probe.append("INBOX", &draft).unwrap(), Some(1));
    probe.append("INBOX", &Draft::new("Subject: two\r\n\r\n2\r\n")).unwrap();
    let account = probe.account(Keep::Octets).unwrap();
    let first = &account.messages("INBOX")[0];
    assert_eq!((first.uid, first.instant), (1, 837_596_665));
    assert_eq!(first.flags, ["\\Seen", "work"]);
    assert_eq!(first.octets, draft.octets);
    assert_eq!(first.size, draft.octets.len() as u64);
    assert_eq!(first.subject, "one");
    assert!(account.subscriptions.contains("Archive/2020"));

    probe.store("INBOX", &[2], "+FLAGS", "\\Flagged").unwrap();
    probe.relocate("INBOX", &[1], "Archive/2020").unwrap();
    let account = probe.account(Keep::Digests).unwrap();
    assert_eq!(account.uids()["INBOX"], [2]);
    assert_eq!(account.messages("INBOX")[0].flags, ["\\Flagged"]);
    assert_eq!(account.messages("Archive/2020")[0].instant, 837_596_665);
    probe.unsubscribe("Archive/2020").unwrap();
    probe.delete("Archive/2020").unwrap();
    let account = probe.account(Keep::Digests).unwrap();
    assert!(!account.mailboxes.contains_key("Archive/2020"));
    assert!(account.subscriptions.is_empty());
}

#[test]
fn odd_messages_survive_dovecot_but_for_line_ends_and_nul() {
    let Some(server) = Dovecot::start_if_installed(&Setup::new(Layout::Slash)).unwrap() else {
        return;
    };
    let mut probe = server.probe("odd").unwrap();
    let messages = odd_messages();
    for message in &messages {
        if let Err(error) = probe.append("INBOX", &message.draft) {
            panic!("{}: {error}", message.name);
        }
    }
    let account = probe.account(Keep::Octets).unwrap();
    let stored = account.messages("INBOX");
    assert_eq!(stored.len(), messages.len());
    let mut mended = Vec::new();
    for (message, stored) in messages.iter().zip(stored) {
        if message.draft.octets != stored.octets {
            mended.push(message.name.as_str());
        }
        let mut flags = message.draft.flags.clone();
        flags.sort();
        assert_eq!(stored.flags, flags, "{}", message.name);
        if message.name != "date-2030" {
            assert_eq!(Some(stored.instant), message.draft.instant, "{}", message.name);
        }
    }
    assert_eq!(mended, MENDED_BY_DOVECOT);
}

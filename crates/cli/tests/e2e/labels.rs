//! Labels of Gmail: from one imitation of it to another by `imapsync`, and to another server by
//! `mailferry --labels`. The accounts are compared themselves, without any IMAP.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Write};
use std::net::TcpStream;

use crate::pair::Pair;
use crate::world::{Desk, Finished, Front, Place, World, assert_untouched};
use mailferry_testkit::sim::provider::Provider;
use mailferry_testkit::sim::{Account, Date, Effect, Fault, Keywords, Profile, Server};

const ALL_MAIL: &str = "[Gmail]/All Mail";
/// The preset, and what a loopback address needs besides.
const PRESET: [&str; 6] = ["--gmail1", "--gmail2", "--nossl1", "--notls1", "--nossl2", "--notls2"];
/// Names that have to be quoted, or are coded.
const ODD: [&str; 5] = ["a b", "q\"uo\"te", "(in) {3}", "Entw&APw-rfe/x", "back\\slash"];

fn gmail() -> Profile {
    Provider::Gmail.profile()
}

fn between(target: Profile) -> Pair {
    let pair = Pair::new(gmail(), target);
    pair.from.label_as_gmail();
    pair.to.label_as_gmail();
    pair
}

fn octets(number: u32) -> Vec<u8> {
    format!(
        "Message-Id: <{number}@labels>\r\nReceived: by x id {number}\r\nSubject: {number}\r\n\r\n\
         number {number}\r\n"
    )
    .into_bytes()
}

/// A message under some labels.
fn put(account: &Account, number: u32, mailboxes: &[&str]) {
    put_octets(account, &octets(number), mailboxes);
}

fn put_octets(account: &Account, octets: &[u8], mailboxes: &[&str]) {
    for mailbox in mailboxes {
        account.append(mailbox, octets, &["\\Seen"], Date::utc(1_600_000_000));
    }
}

/// Takes a label from a message.
fn take(account: &Account, number: u32, mailbox: &str) {
    let octets = octets(number);
    let found = account.messages(mailbox).into_iter().find(|it| it.octets[..] == octets[..]);
    assert!(account.expunge(mailbox, found.unwrap().uid));
}

fn furnish(account: &Account) {
    put(account, 1, &["INBOX"]);
    put(account, 2, &["INBOX", "Work", "[Gmail]/Important"]);
    put(account, 3, &["Work", "Work/2020", "Entw&APw-rfe/x"]);
    put(account, 4, &[ALL_MAIL]);
    put(account, 5, &ODD);
    put(account, 6, &["[Gmail]/Sent Mail", "Work"]);
    account.append("INBOX", &octets(7), &["\\Flagged"], Date::utc(1_600_000_007));
    put(account, 8, &["[Gmail]/Trash"]);
}

/// The labels of every message that All Mail shows, by its octets. A message is there once.
#[track_caller]
fn labels(account: &Account) -> BTreeMap<Vec<u8>, BTreeSet<String>> {
    let mut found = BTreeMap::new();
    for message in account.messages(ALL_MAIL) {
        let labels = account.labels(ALL_MAIL, message.uid).into_iter().collect();
        let before = found.insert(message.octets.to_vec(), labels);
        assert!(before.is_none(), "twice: {}", String::from_utf8_lossy(&message.octets));
    }
    found
}

fn labels_of(account: &Account, number: u32) -> Vec<String> {
    labels(account)[&octets(number)].iter().cloned().collect()
}

fn run(pair: &Pair, desk: &Desk, options: &[&str]) -> Finished {
    desk.finish(pair.within(desk, "exec \"$@\"", (Front::Imapsync, "", options)))
}

/// STORE commands about labels that the target was given.
fn stores(pair: &Pair) -> Vec<String> {
    let stores = pair.target.state().commands_named("UID STORE");
    stores.into_iter().filter(|store| store.contains("X-GM-LABELS")).collect()
}

/// Once more, with and without what the run before remembered: nothing changes.
#[track_caller]
fn assert_settled(pair: &Pair, desk: &Desk, options: &[&str]) {
    let before = (pair.to.snapshot(), stores(pair));
    for desk in [desk, &Desk::new()] {
        let again = run(pair, desk, options).expect(0);
        assert_eq!(again.statistic("Messages transferred"), 0, "{}", again.report());
        assert_eq!((pair.to.snapshot(), stores(pair)), before, "{}", again.report());
    }
}

#[test]
fn the_presets_of_gmail_together_bring_every_label() {
    let (pair, desk) = (between(gmail()), Desk::new());
    furnish(&pair.from);
    run(&pair, &desk, &PRESET).expect(0);
    assert_eq!(labels(&pair.from), labels(&pair.to));
    assert_eq!(pair.to.messages("[Gmail]/Trash").len(), 1);
    assert_eq!(stores(&pair), [""; 0], "each came with a copy");
    assert_settled(&pair, &desk, &PRESET);
}

#[test]
fn of_all_mail_each_message_goes_once_and_its_labels_follow() {
    let (pair, desk) = (between(gmail()), Desk::new());
    furnish(&pair.from);
    let mailboxes: Vec<String> = (10..40).map(|number| format!("L{}", number % 3)).collect();
    for (number, mailbox) in (10..40).zip(&mailboxes) {
        put(&pair.from, number, &[mailbox]);
    }
    let options = [&PRESET[..], &["--folder", ALL_MAIL]].concat();
    let first = run(&pair, &desk, &options).expect(0);
    assert_eq!(labels(&pair.from), labels(&pair.to), "{}", first.report());
    assert_eq!(first.statistic("Messages transferred"), 37);
    assert!(first.all().contains("labels of 36 messages set"), "{}", first.report());
    // Those of Inbox; Inbox, Work and Important; Work and two; the odd ones; Sent and Work; three L.
    assert_eq!(stores(&pair).len(), 8, "{:?}", stores(&pair));
    assert_settled(&pair, &desk, &options);
}

#[test]
fn what_is_left_out_elsewhere_gets_its_labels() {
    let (pair, desk) = (between(gmail()), Desk::new());
    furnish(&pair.from);
    let options = [&PRESET[..], &["--skipcrossduplicates"]].concat();
    let first = run(&pair, &desk, &options).expect(0);
    assert_eq!(labels(&pair.from), labels(&pair.to), "{}", first.report());
    assert_eq!(first.statistic("Messages transferred"), 8, "{}", first.report());
    assert_settled(&pair, &desk, &options);
}

#[test]
fn labels_of_present_messages_follow_where_that_is_asked_for() {
    let (pair, desk) = (between(gmail()), Desk::new());
    furnish(&pair.from);
    run(&pair, &desk, &PRESET).expect(0);
    take(&pair.from, 2, "Work");
    take(&pair.from, 3, "Entw&APw-rfe/x");
    put(&pair.to, 1, &["Mine"]);
    put(&pair.from, 9, &["Work", "New"]);

    let options = [&PRESET[..], &["--noresynclabels"]].concat();
    run(&pair, &desk, &options).expect(0);
    assert_eq!(labels_of(&pair.to, 1), ["Mine", "\\Inbox"]);
    assert_eq!(labels_of(&pair.to, 2), ["Work", "\\Important", "\\Inbox"]);
    assert_eq!(labels_of(&pair.to, 9), ["New", "Work"]);
    assert_eq!(stores(&pair), [""; 0]);

    let second = run(&pair, &desk, &PRESET).expect(0);
    assert_eq!(labels(&pair.from), labels(&pair.to), "{}", second.report());
    let receipt = desk.mailferry(&["runs", "show", "last"]).expect(0).stdout;
    assert!(receipt.contains("  labels of `") && receipt.contains(" -Work"), "{receipt}");
    assert_settled(&pair, &desk, &PRESET);
}

#[test]
fn labels_below_a_subfolder_are_those_of_the_folders_there() {
    let (pair, desk) = (between(gmail()), Desk::new());
    put(&pair.from, 1, &["INBOX", "Work"]);
    put(&pair.from, 2, &["Work/2020", "a b"]);
    put(&pair.to, 1, &["INBOX", "Mine"]);
    let options = [&PRESET[..], &["--subfolder2", "Old", "--folder", ALL_MAIL]].concat();
    run(&pair, &desk, &options).expect(0);
    let all = "Old/[Gmail]/All Mail";
    assert_eq!(labels_of(&pair.to, 1), ["Mine", "Old/INBOX", "Old/Work", all, "\\Inbox"]);
    assert_eq!(labels_of(&pair.to, 2), ["Old/Work/2020", all, "Old/a b"]);
    assert_settled(&pair, &desk, &options);
}

#[test]
fn a_refused_label_is_told_with_its_message_and_set_by_the_next_run() {
    let mut target = gmail();
    target.faults = vec![Fault::at_command("UID STORE", 1, Effect::No("[CANNOT] Not that".into()))];
    let (pair, desk) = (between(target), Desk::new());
    put(&pair.from, 1, &["INBOX", "Work"]);
    put(&pair.from, 2, &["Home"]);
    let options = [&PRESET[..], &["--folder", ALL_MAIL]].concat();
    let first = run(&pair, &desk, &options).expect(120);
    let told =
        "Host2: flags msg [Gmail]/All Mail/2 could not add flags: labels: NO [CANNOT] Not that";
    assert!(first.all().contains(told), "{}", first.report());
    assert_eq!(labels_of(&pair.to, 1), ["Work", "\\Inbox"], "the others are set");
    assert_eq!(labels_of(&pair.to, 2), [""; 0]);
    run(&pair, &desk, &options).expect(0);
    assert_eq!(labels(&pair.from), labels(&pair.to));
}

#[test]
fn a_connection_that_breaks_at_labels_costs_none() {
    let mut target = gmail();
    target.faults = vec![
        Fault::at_command("UID STORE", 1, Effect::CutUnanswered),
        Fault::at_command("UID STORE", 3, Effect::Cut),
    ];
    let (pair, desk) = (between(target), Desk::new());
    furnish(&pair.from);
    let options = [&PRESET[..], &["--folder", ALL_MAIL]].concat();
    let first = run(&pair, &desk, &options).expect(0);
    assert_eq!(labels(&pair.from), labels(&pair.to), "{}", first.report());
}

/// Has a message shown by another mailbox, too, as only its server can say it of one without
/// Message-Id.
fn copy(server: &Server, mailbox: &str, uid: u32, to: &str) {
    let mut wire = TcpStream::connect(server.addr()).unwrap();
    let commands =
        ["LOGIN joe x", &format!("SELECT {mailbox}"), &format!("UID COPY {uid} {to}"), "LOGOUT"];
    for command in commands {
        wire.write_all(format!("a {command}\r\n").as_bytes()).unwrap();
    }
    let mut answers = String::new();
    wire.read_to_string(&mut answers).unwrap();
    assert_eq!(answers.matches("\r\na OK").count(), 4, "{answers}");
}

#[test]
fn a_message_without_message_id_is_not_shown_twice() {
    let (pair, desk) = (between(gmail()), Desk::new());
    put(&pair.from, 1, &["Work", "Home"]);
    let octets = b"Received: by x id 1\r\nSubject: n\r\n\r\nwithout\r\n";
    put_octets(&pair.from, octets, &["Work"]);
    copy(&pair.source, "Work", 2, "Home");
    assert_eq!(pair.from.labels("Work", 2), ["Home", "Work"]);

    // One after the other: in one run the second would be a copy of the first.
    for folder in ["Work", "Home"] {
        run(&pair, &desk, &[&PRESET[..], &["--nosynclabels", "--folder", folder]].concat())
            .expect(0);
    }
    let shown = || pair.to.messages("Home").len();
    assert_eq!(shown(), 2, "once with each mailbox");
    let one = run(&pair, &desk, &[&PRESET[..], &["--folder", "Work"]].concat()).expect(0);
    assert_eq!(shown(), 2, "{}", one.report());
    let told = "labels of 1 messages left as they are, since they have no Message-Id";
    assert!(one.all().contains(told), "{}", one.report());
}

#[test]
fn a_side_without_labels_is_told_and_nothing_is_asked_of_it() {
    let pair = Pair::new(gmail(), Profile::modern());
    put(&pair.from, 1, &["INBOX", "Work"]);
    let options = ["--synclabels", "--resynclabels"];
    let first = run(&pair, &Desk::new(), &options).expect(0);
    let told = "Notice: Host2 has no labels as Gmail has them (X-GM-EXT-1), so none are copied";
    assert!(first.all().contains(told), "{}", first.report());
    assert!(!first.all().contains("Host1 has no labels"), "{}", first.report());
    assert_eq!(pair.to.messages("Work").len(), 1);
    let asked = pair.source.state().commands();
    assert!(!asked.iter().any(|command| command.contains("X-GM-LABELS")), "{asked:?}");
    let plain = run(&pair, &Desk::new(), &[]).expect(0);
    assert!(!plain.all().contains("labels"), "{}", plain.report());
}

// ---- mailferry ----

const MAILBOXES: [&str; 2] = ["--labels", "mailboxes"];

fn to_another() -> Pair {
    to_another_from(gmail())
}

fn to_another_from(source: Profile) -> Pair {
    let pair = Pair::new(source, Profile::modern());
    pair.from.label_as_gmail();
    pair
}

fn ferry(pair: &Pair, desk: &Desk, verb: &str, options: &[&str]) -> Finished {
    desk.finish(pair.within(desk, "exec \"$@\"", (Front::Mailferry, verb, options)))
}

/// The numbers of the messages in a mailbox of the target.
fn numbers(pair: &Pair, mailbox: &str) -> Vec<u32> {
    let messages = pair.to.messages(mailbox);
    let number = |octets: &[u8]| (0..1_000).find(|number| self::octets(*number)[..] == *octets);
    messages.iter().map(|message| number(&message.octets).unwrap()).collect()
}

#[track_caller]
fn assert_same_but_all_mail(pair: &Pair) {
    for (mailbox, messages) in pair.from.snapshot() {
        if mailbox != ALL_MAIL {
            // In whatever order: what was copied there from another mailbox stands behind.
            let octets = |messages: &[mailferry_testkit::sim::Message]| {
                messages.iter().map(|it| it.octets.to_vec()).collect::<BTreeSet<_>>()
            };
            assert_eq!(octets(&messages), octets(&pair.to.messages(&mailbox)), "{mailbox}");
        }
    }
}

#[test]
fn all_mail_has_what_no_other_mailbox_shows() {
    let (pair, desk) = (to_another(), Desk::new());
    furnish(&pair.from);
    ferry(&pair, &desk, "sync", &MAILBOXES).expect(0);
    assert_eq!(numbers(&pair, ALL_MAIL), [4]);
    assert_same_but_all_mail(&pair);
    let before = pair.to.snapshot();
    for desk in [&desk, &Desk::new()] {
        ferry(&pair, desk, "sync", &MAILBOXES).expect(0);
        assert_eq!(pair.to.snapshot(), before, "a second run did something");
        ferry(&pair, desk, "check", &MAILBOXES).expect(0);
        ferry(&pair, desk, "check", &[]).expect(1);
    }

    // What is archived goes there, and what gets a label again stays there, too.
    take(&pair.from, 1, "INBOX");
    put(&pair.from, 4, &["Work"]);
    let mirror = [&["--mirror"], &MAILBOXES[..]].concat();
    ferry(&pair, &desk, "sync", &mirror).expect(0);
    assert_eq!(numbers(&pair, ALL_MAIL), [4, 1]);
    assert_same_but_all_mail(&pair);
    let before = pair.to.snapshot();
    ferry(&pair, &Desk::new(), "sync", &mirror).expect(0);
    assert_eq!(pair.to.snapshot(), before, "a second run did something");

    ferry(&pair, &desk, "sync", &[]).expect(0);
    assert_eq!(numbers(&pair, ALL_MAIL).len(), 7, "without a word about labels it is whole");
}

#[test]
fn what_only_a_mailbox_shows_that_takes_no_part_is_left_to_all_mail() {
    let (pair, desk) = (to_another(), Desk::new());
    furnish(&pair.from);
    put(&pair.from, 10, &["Work"]);
    put(&pair.from, 11, &["Work/2020"]);
    ferry(&pair, &desk, "sync", &[&MAILBOXES[..], &["--exclude", "^Work"]].concat()).expect(0);
    assert_eq!(numbers(&pair, ALL_MAIL), [4, 10, 11]);

    let pair = to_another();
    furnish(&pair.from);
    ferry(&pair, &desk, "sync", &[&MAILBOXES[..], &["--folder", ALL_MAIL]].concat()).expect(0);
    assert_eq!(numbers(&pair, ALL_MAIL).len(), 7, "nobody else has them");
}

#[test]
fn labels_that_are_not_told_leave_all_mail_to_the_next_run() {
    let mut source = gmail();
    // Two list messages, the third asks for labels.
    source.faults = vec![Fault::at_command("UID FETCH", 3, Effect::No("Try later".into()))];
    let (pair, desk) = (to_another_from(source), Desk::new());
    put(&pair.from, 1, &["INBOX"]);
    put(&pair.from, 4, &[ALL_MAIL]);
    let mirror = [&["--mirror"], &MAILBOXES[..]].concat();
    let first = ferry(&pair, &desk, "sync", &mirror).expect(120);
    assert!(first.all().contains("the labels were not told: NO Try later"), "{}", first.report());
    assert_eq!((numbers(&pair, "INBOX"), numbers(&pair, ALL_MAIL)), (vec![1], vec![]));
    ferry(&pair, &desk, "sync", &mirror).expect(0);
    assert_eq!((numbers(&pair, "INBOX"), numbers(&pair, ALL_MAIL)), (vec![1], vec![4]));
}

#[test]
fn a_choice_about_labels_means_nothing_where_there_are_none() {
    let pair = Pair::new(Profile::modern(), Profile::modern());
    put(&pair.from, 1, &["INBOX", "Work"]);
    pair.from.mark(ALL_MAIL, "\\All");
    put(&pair.from, 2, &[ALL_MAIL]);
    let run = ferry(&pair, &Desk::new(), "sync", &MAILBOXES).expect(0);
    let told = "notice: the source has no labels as Gmail has them, so --labels changes nothing";
    assert!(run.all().contains(told), "{}", run.report());
    pair.assert_complete();
}

// ---- labels as keywords ----

const KEYWORDS: [&str; 2] = ["--labels", "keywords"];

/// The keywords of each message in the mailbox for All Mail, by its number.
fn keywords(pair: &Pair) -> BTreeMap<u32, Vec<String>> {
    let words = pair.to.messages(ALL_MAIL).into_iter();
    let words = words.map(|message| message.flags.keywords().map(str::to_owned).collect());
    numbers(pair, ALL_MAIL).into_iter().zip(words).collect()
}

#[track_caller]
fn assert_keywords(pair: &Pair, number: u32, expected: &[&str]) {
    assert_eq!(keywords(pair)[&number], expected, "message {number}");
}

#[test]
fn each_message_goes_once_with_its_labels_as_keywords() {
    let (pair, desk) = (to_another(), Desk::new());
    furnish(&pair.from);
    let before = pair.from.snapshot();
    let plan = ferry(&pair, &desk, "plan", &KEYWORDS).expect(0);
    let first = ferry(&pair, &desk, "sync", &KEYWORDS).expect(0);
    assert_eq!(numbers(&pair, ALL_MAIL), [1, 2, 3, 4, 5, 6, 7], "{}", plan.report());
    assert_keywords(&pair, 1, &["=5CInbox"]);
    assert_keywords(&pair, 2, &["=5CImportant", "=5CInbox", "Work"]);
    assert_keywords(&pair, 3, &["Entw&APw-rfe/x", "Work", "Work/2020"]);
    assert_keywords(&pair, 4, &[]);
    let odd = ["=28in=29=20=7B3=7D", "a=20b", "back=5Cslash", "Entw&APw-rfe/x", "q=22uo=22te"];
    assert_keywords(&pair, 5, &odd);
    assert_keywords(&pair, 6, &["=5CSent", "Work"]);
    assert_keywords(&pair, 7, &["=5CInbox"]);
    assert!(pair.to.messages(ALL_MAIL)[6].flags.contains("\\Flagged"), "the star is a flag");
    assert_eq!(numbers(&pair, "[Gmail]/Trash"), [8]);
    let there: Vec<String> = pair.to.snapshot().into_keys().collect();
    assert_eq!(there, ["INBOX", ALL_MAIL, "[Gmail]/Spam", "[Gmail]/Trash"], "{}", first.report());
    assert_eq!(pair.from.snapshot(), before);

    let before = pair.to.snapshot();
    for desk in [&desk, &Desk::new()] {
        ferry(&pair, desk, "sync", &[&["--mirror"], &KEYWORDS[..]].concat()).expect(0);
        assert_eq!(pair.to.snapshot(), before, "a second run did something");
        ferry(&pair, desk, "check", &KEYWORDS).expect(0);
    }
}

#[test]
fn a_changed_label_changes_the_keyword_as_a_flag_would() {
    let (pair, desk) = (to_another(), Desk::new());
    furnish(&pair.from);
    ferry(&pair, &desk, "sync", &KEYWORDS).expect(0);
    take(&pair.from, 2, "Work");
    put(&pair.from, 4, &["New"]);
    ferry(&pair, &desk, "sync", &KEYWORDS).expect(0);
    assert_keywords(&pair, 2, &["=5CImportant", "=5CInbox", "Work"]);
    assert_keywords(&pair, 4, &["New"]);
    let mirror = [&["--flags", "mirror"], &KEYWORDS[..]].concat();
    ferry(&pair, &desk, "sync", &mirror).expect(0);
    assert_keywords(&pair, 2, &["=5CImportant", "=5CInbox"]);
}

#[test]
fn labels_become_no_keywords_where_the_target_keeps_none() {
    let target = Profile { keywords: Keywords::Only(&["$Forwarded"]), ..Profile::modern() };
    let pair = Pair::new(gmail(), target);
    pair.from.label_as_gmail();
    furnish(&pair.from);
    let before = pair.to.snapshot();
    let run = ferry(&pair, &Desk::new(), "sync", &KEYWORDS).expect_failure();
    for words in ["labels cannot become keywords", "PERMANENTFLAGS", "`--labels mailboxes`"] {
        assert!(run.all().contains(words), "{}", run.report());
    }
    assert_eq!(pair.to.snapshot(), before, "nothing was done");

    let pair = to_another();
    furnish(&pair.from);
    pair.from.remove_mailbox(ALL_MAIL);
    let run = ferry(&pair, &Desk::new(), "sync", &KEYWORDS).expect_failure();
    assert!(run.all().contains("does not show All Mail by IMAP"), "{}", run.report());
}

#[test]
fn labels_that_are_not_told_leave_no_message_without_its_keywords() {
    let mut source = gmail();
    // One for Trash, one for All Mail, one for the labels.
    source.faults = vec![Fault::at_command("UID FETCH", 3, Effect::No("Try later".into()))];
    let (pair, desk) = (to_another_from(source), Desk::new());
    furnish(&pair.from);
    let first = ferry(&pair, &desk, "sync", &KEYWORDS).expect_failure();
    assert!(first.all().contains("the labels were not told: NO Try later"), "{}", first.report());
    assert_eq!(numbers(&pair, ALL_MAIL), [0; 0]);
    ferry(&pair, &desk, "sync", &KEYWORDS).expect(0);
    assert_keywords(&pair, 6, &["=5CSent", "Work"]);
}

/// From the imitation to a real server.
fn ferry_to(
    (pair, target): (&Pair, &Place<'_>),
    (desk, verb): (&Desk, &str),
    options: &[&str],
) -> Finished {
    let mut command = desk.command_of_ferry();
    command
        .args([verb, &format!("imap+plain://joe@{}", pair.source.addr()), &target.url("imap")])
        .args(options)
        .env("MAILFERRY_SOURCE_PASSWORD", "x")
        .env("MAILFERRY_TARGET_PASSWORD", &target.password);
    desk.finish(command)
}

#[test]
fn a_dovecot_makes_the_copies_of_further_labels() {
    let Some(world) = World::open() else { return };
    for server in [&world.slash, &world.dot] {
        let pair = to_another();
        furnish(&pair.from);
        let (desk, target) = (Desk::new(), Place::new(server, "twins"));
        let run = |options: &[&str]| ferry_to((&pair, &target), (&desk, "sync"), options);
        // Of 18 places of 8 messages all but the first are copied there.
        let first = run(&["--exclude", "^back"]).expect(0);
        let told = "of these copied within the target, which had them, and not fetched again";
        assert!(first.all().contains(told), "{}", first.report());
        let bodies = pair.source.state().commands_named("UID FETCH").into_iter();
        let asked: Vec<String> = bodies.filter(|it| it.contains("BODY.PEEK[]")).collect();
        assert_eq!(asked.len(), 2, "All Mail and Trash: {asked:?}");
        let there = target.read();
        let mut here = pair.from.snapshot();
        here.retain(|name, _| name != "back\\slash");
        // By what is in them, whatever they are called there: octets and dates, in order.
        let mut expected: Vec<Vec<(Vec<u8>, i64)>> = here
            .values()
            .map(|all| all.iter().map(|it| (it.octets.to_vec(), it.date.seconds)).collect())
            .collect();
        let mut found: Vec<Vec<(Vec<u8>, i64)>> = there
            .mailboxes
            .values()
            .map(|all| all.iter().map(|it| (it.octets.clone(), it.instant)).collect())
            .collect();
        for mailboxes in [&mut expected, &mut found] {
            mailboxes.retain(|messages| !messages.is_empty());
            mailboxes.sort();
        }
        assert!(found == expected, "{}", first.report());
        run(&["--exclude", "^back", "--mirror"]).expect(0);
        assert_untouched(&there, &target.read());
    }
}

#[test]
fn a_dovecot_keeps_labels_as_keywords() {
    let Some(world) = World::open() else { return };
    let pair = to_another();
    furnish(&pair.from);
    let (desk, target) = (Desk::new(), Place::new(&world.slash, "keywords"));
    let run = |verb: &str, options: &[&str]| ferry_to((&pair, &target), (&desk, verb), options);
    let options = [&["--mirror"], &KEYWORDS[..]].concat();
    run("sync", &options).expect(0);
    let there = target.read();
    let found: Vec<Vec<String>> = there
        .messages(ALL_MAIL)
        .iter()
        .map(|message| message.flags.iter().filter(|it| !it.starts_with('\\')).cloned().collect())
        .collect();
    let sorted = |words: &[&str]| words.iter().map(|it| (*it).to_owned()).collect::<BTreeSet<_>>();
    let found: Vec<BTreeSet<String>> = found.into_iter().map(BTreeSet::from_iter).collect();
    assert_eq!(found[1], sorted(&["=5CImportant", "=5CInbox", "Work"]));
    assert_eq!(
        found[4],
        sorted(&["=28in=29=20=7B3=7D", "a=20b", "back=5Cslash", "Entw&APw-rfe/x", "q=22uo=22te"])
    );
    run("sync", &options).expect(0);
    assert_untouched(&there, &target.read());
    run("check", &KEYWORDS).expect(0);
}

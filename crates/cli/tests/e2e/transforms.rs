//! Rules about the content of messages, between two real servers.
#![cfg(unix)]

use crate::world::*;

/// The octets of each message of a mailbox, in UID order.
fn octets(account: &Account, mailbox: &str) -> Vec<String> {
    let text = |message: &Message| String::from_utf8_lossy(&message.octets).into_owned();
    account.messages(mailbox).iter().map(text).collect()
}

/// Mail without any identity header.
fn bare(name: &str, number: i64) -> Draft {
    let text = format!("Subject: {name} {number}\r\n\r\nThis is {name} {number}.\r\n");
    Draft::new(text).dated(EPOCH + 60 * number)
}

/// Ordinary messages, one that asks for a receipt, one with a long line, one without identity.
fn fill(source: &Place<'_>) {
    let receipt = Draft::new(
        "Message-Id: <receipt@e2e>\r\nDisposition-Notification-To: a@example.org\r\nDate: Wed, 2 \
         Jan 2008 08:40:57 +0100\r\nSubject: receipt\r\n\r\nDisposition-Notification-To: body\r\n",
    );
    let long = format!(
        "Message-Id: <long@e2e>\r\nDate: Wed, 2 Jan 2008 08:40:57 +0100\r\nSubject: long\r\n\r\n{}\r\n",
        "long words ".repeat(200)
    );
    let mut drafts = mails("plain", 3);
    drafts.extend([receipt.dated(EPOCH), Draft::new(long).dated(EPOCH + 1), bare("bare", 7)]);
    source.put("INBOX", &drafts);
    source.put("Work", &mails("work", 2));
}

/// A run, then one with local state, then one without: neither copies anything.
#[track_caller]
fn copied_once(source: &Place<'_>, target: &Place<'_>, options: &[&str]) -> Finished {
    let desk = Desk::new();
    let first = desk.imapsync(source, target, options).expect(0);
    let copy = target.read();
    for again in [&desk, &Desk::new()] {
        let run = again.imapsync(source, target, options).expect(0);
        assert_eq!(run.transferred(), 0, "{options:?}: {}", run.report());
        assert_untouched(&copy, &target.read());
    }
    first
}

#[test]
fn a_second_run_copies_nothing() {
    let Some(world) = World::open() else { return };
    for options in [
        &["--addheader", "--regexmess", r"s/\A/X-migrated-from-foo: 20100617\n/"][..],
        &["--regexmess", "s/This is/That was/g"],
        &["--regexmess", "tr [a-y] [b-z]"],
        &["--regexmess", "s/e2e\\.example\\.org/other.example.net/g", "--addheader"],
        &["--regexmess", "s/^Message-Id:.*?\\n//im", "--regexmess", "s/^Received:.*?\\n//im"],
        &["--regexmess", r"s/\A/X-Path-$sync->{user1}: $sync->{ h1_current_folder }\n/"],
        &["--pipemess", "tr a-z A-Z"],
        &["--pipemess", "cat", "--pipemess", "sed s/plain/plane/g", "--nosyncinternaldates"],
        &["--truncmess", "150"],
        &["--truncmess", "150", "--nosyncinternaldates", "--addheader"],
        &["--maxlinelength", "1000", "--maxlinelengthcmd", "fold -w 70"],
        &["--disarmreadreceipts", "--idatefromheader"],
        &[
            "--idatefromheader",
            "--regexmess",
            "s/^Date:.*?\\n/Date: 1 Mar 2011 10:00:00 +0000\\n/m",
        ],
    ] {
        let (source, target) = world.pair(Way::SlashToDot);
        fill(&source);
        let before = source.read();
        let first = copied_once(&source, &target, options);
        assert_eq!(first.transferred(), 8, "{options:?}: {}", first.report());
        assert_untouched(&before, &source.read());
    }
}

/// Removals see altered copies as those of the source's messages.
#[test]
fn what_was_altered_is_recognised_without_state() {
    let Some(world) = World::open() else { return };
    let (source, target) = world.pair(Way::SlashToDot);
    fill(&source);
    target.put("INBOX", &mails("stranger", 2));
    let options = ["--regexmess", "s/e2e/else/g", "--regexmess", "s/^Received/X-R/", "--delete2"];
    Desk::new().imapsync(&source, &target, &options).expect(0);
    let copy = target.read();
    assert_eq!(copy.message_count(), 8);
    assert!(octets(&copy, "INBOX").iter().any(|text| text.contains("@else.example.org")));
    let again = Desk::new().imapsync(&source, &target, &options).expect(0);
    assert_eq!((again.transferred(), again.statistic("Messages deleted on host2")), (0, 0));
    assert_untouched(&copy, &target.read());
    // What rules would leave out now was copied before: it stays.
    let skipping = [&options[..], &["--skipmess", "/./"]].concat();
    Desk::new().imapsync(&source, &target, &skipping).expect(0);
    assert_untouched(&copy, &target.read());
    // Gone from the source, gone from the target.
    source.probe().remove("Work", &[1]).unwrap();
    Desk::new().imapsync(&source, &target, &options).expect(0);
    assert_eq!(target.read().message_count(), 7);
}

/// S180 and S176: what arrives is what the expressions make, LF as CRLF.
#[test]
fn expressions_rewrite_octets_and_line_ends_go_as_crlf() {
    let Some(world) = World::open() else { return };
    let (source, target) = world.pair(Way::SlashToDot);
    source.put("INBOX", &[Draft::new("Message-Id: <f@e2e>\r\nSubject: fif\r\n\r\nfog\r\n")]);
    let options = [
        "--regexmess",
        r"s/\A/X-migrated-from-foo: 20100617\n/",
        "--regexmess",
        r"tr [f] [\x99]",
        "--regexmess",
        r"tr [\x80-\xff] [X]",
    ];
    Desk::new().imapsync(&source, &target, &options).expect(0);
    let expected =
        "X-migrated-Xrom-Xoo: 20100617\r\nMessage-Id: <X@e2e>\r\nSubject: XiX\r\n\r\nXog\r\n";
    assert_eq!(octets(&target.read(), "INBOX"), [expected]);
}

/// S188, S189, S197: left out, counted, no failure; the rest arrives.
#[test]
fn what_rules_leave_out_is_told_and_counted() {
    let Some(world) = World::open() else { return };
    for (options, left_out) in [
        (&["--skipmess", "m{.*}ism"][..], 8),
        (&["--skipmess", "/^Subject: plain [01]$/m"], 0),
        (&["--skipmess", "/^Subject: plain [01]\r$/m", "--skipmess", "/work 1/"], 3),
        (&["--maxlinelength", "100"], 1),
        (&["--minmaxlinelength", "30"], 1),
    ] {
        let (source, target) = world.pair(Way::SlashToDot);
        fill(&source);
        let run = Desk::new().imapsync(&source, &target, options).expect(0);
        assert_eq!(run.statistic("Messages skipped"), left_out, "{options:?}: {}", run.report());
        assert_eq!(run.transferred(), 8 - left_out, "{options:?}");
        assert_eq!(target.read().message_count() as u32, 8 - left_out);
        let told = format!(" skipped by {}", options[0]);
        assert_eq!(run.stdout.matches(&told).count() as u32, left_out, "{}", run.report());
    }
}

/// imapsync would leave them out and end with 0.
#[test]
fn a_command_that_fails_sends_nothing_and_is_told() {
    let Some(world) = World::open() else { return };
    let (source, target) = world.pair(Way::SlashToDot);
    fill(&source);
    target.put("INBOX", &mails("extra", 1));
    let command =
        "if grep -q 'plain 1'; then echo half; echo broken >&2; exit 7; else echo x: y; fi";
    let options = ["--pipemess", command, "--nopipemesscheck", "--delete2"];
    let run = Desk::new().imapsync(&source, &target, &options).expect(111);
    assert!(run.text().contains("could not be transformed"), "{}", run.report());
    assert!(run.text().contains("exit status: 7: broken"), "{}", run.report());
    let copy = target.read();
    // Nothing is deleted where something failed, and half of a message is nowhere.
    assert_eq!(subjects(&copy, "INBOX")[0], "extra 0");
    assert!(!octets(&copy, "INBOX").iter().any(|text| text.contains("half")));
}

#[test]
fn a_command_that_is_not_there_is_64_before_any_login() {
    let Some(world) = World::open() else { return };
    let (source, target) = world.pair(Way::SlashToDot);
    for options in [
        &["--pipemess", "nocat"][..],
        &["--pipemess", "/bin/true"],
        &["--pipemess", "/bin/false"],
        &["--maxlinelength", "9", "--maxlinelengthcmd", "nocat"],
    ] {
        let run = Desk::new().imapsync(&source, &target, options).expect(64);
        assert!(run.text().contains("makes no message of a single blank"), "{}", run.report());
        assert!(!run.text().contains("separator and prefix"), "{}", run.report());
    }
}

#[test]
fn receipts_are_disarmed_and_dates_come_from_the_header() {
    let Some(world) = World::open() else { return };
    let (source, target) = world.pair(Way::SlashToDot);
    fill(&source);
    let options = ["--disarmreadreceipts", "--idatefromheader"];
    Desk::new().imapsync(&source, &target, &options).expect(0);
    let copy = target.read();
    let inbox = copy.messages("INBOX");
    let found = inbox.iter().find(|message| message.subject == "receipt").unwrap();
    let text = String::from_utf8(found.octets.clone()).unwrap();
    assert!(text.contains("\r\nX-Disposition-Notification-To: a@"), "{text}");
    assert!(text.contains("\r\nDisposition-Notification-To: body"), "{text}");
    assert_eq!(found.instant, 1_199_259_657);
    let bare = inbox.iter().find(|message| message.subject == "bare 7").unwrap();
    assert_eq!(bare.instant, EPOCH + 420);
}

/// A large message goes through every rule, and arrives whole.
#[test]
fn large_messages_are_gone_over_whole() {
    let Some(world) = World::open() else { return };
    let (source, target) = world.pair(Way::SlashToDot);
    let body = "0123456789abcdef\r\n".repeat(200_000);
    source.put(
        "INBOX",
        &[Draft::new(format!("Message-Id: <l@e2e>\r\nSubject: l\r\n\r\n{body}end\r\n"))],
    );
    let options =
        ["--regexmess", r"s/end\r\n\z/END\r\n/", "--pipemess", "cat", "--skipmess", "/never here/"];
    let first = copied_once(&source, &target, &options);
    assert_eq!(first.transferred(), 1);
    let copy = octets(&target.read(), "INBOX").remove(0);
    assert!(copy.ends_with("cdef\r\nEND\r\n") && copy.len() > 3_600_000);
}

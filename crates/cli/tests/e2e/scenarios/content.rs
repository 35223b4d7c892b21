//! What is made of messages.

use super::Scenario;
use crate::scene::*;
use crate::world::*;

pub const SCENARIOS: &[(&str, Scenario)] = &[
    ("S176", |s| {
        s.source.put("INBOX", &[Draft::new("Message-Id: <a@b>\r\n\r\nfluff\r\n")]);
        let options = ["--regexmess", r"tr [f] [\x99]", "--regexmess", r"tr [\x80-\xff] [X]"];
        s.run(&options, 0);
        assert_eq!(s.text_of("INBOX"), "Message-Id: <a@b>\r\n\r\nXluXX\r\n");
    }),
    ("S177", |s| {
        s.source.put("INBOX", &[Draft::new("Message-Id: <a@b>\r\n\r\nend\r\n")]);
        let options = ["--regexmess", r"s{\r\n\z}{}", "--regexmess", r"s{(?<![\n])\z}{\r\n}gxms"];
        s.run(&options, 0);
        assert_eq!(s.text_of("INBOX"), "Message-Id: <a@b>\r\n\r\nend\r\n");
    }),
    ("S178", |s| drop(s.run(&["--regexmess", "I am BAD"], 64))),
    ("S180", |s| {
        s.source.put("INBOX", &[Draft::new("Message-Id: <a@b>\r\n\r\nend\r\n")]);
        s.run(&["--regexmess", r"s/\A/X-migrated-from-foo: 20100617\n/"], 0);
        let expected = "X-migrated-from-foo: 20100617\r\nMessage-Id: <a@b>\r\n\r\nend\r\n";
        assert_eq!(s.text_of("INBOX"), expected);
    }),
    ("S181", |s| {
        s.source.put("yop", &[Draft::new("Message-Id: <a@b>\r\n\r\nend\r\n")]);
        s.run(&["--regexmess", r"s/\A/X-Path-$sync->{user1}: $sync->{ h1_current_folder }\n/"], 0);
        let first = format!("X-Path-{}: INBOX.yop\r\n", s.source.user);
        assert!(s.text_of("yop").starts_with(&first), "{}", s.text_of("yop"));
    }),
    ("S182", |s| {
        s.source.put(
            "INBOX",
            &[Draft::new("Message-Id: <a@b>\r\nDate: (Invalid)\r\n\r\nDate: (Invalid)\r\n")],
        );
        let rule = r"s{\A(.*?(?! ^$))^Date:\ \(Invalid\)(.*?)$}{$1Date:\ Thu, 01 Jan 2009 00:00:00 +0000$2}xms";
        s.run(&["--regexmess", rule], 0);
        let text = s.text_of("INBOX");
        assert!(
            text.contains("2009 00:00:00") && text.ends_with("\r\nDate: (Invalid)\r\n"),
            "{text}"
        );
    }),
    ("S184", |s| {
        let body = "x".repeat(500);
        s.source.put("INBOX", &[Draft::new(format!("Message-Id: <a@b>\r\n\r\n{body}"))]);
        s.run(&["--truncmess", "400"], 0);
        assert_eq!(s.text_of("INBOX").len(), 400);
        assert_eq!(s.run(&["--truncmess", "400"], 0).transferred(), 0);
    }),
    ("S185", |s| {
        let text = format!("Message-Id: <a@b>\r\n\r\n{}", "x".repeat(500));
        s.source.put("INBOX", &[Draft::new(text)]);
        s.run(&["--pipemess", "head -c 400"], 0);
        assert_eq!(s.text_of("INBOX").len(), 400);
    }),
    ("S186", |s| {
        let text = "Message-Id: <a@b>\r\nDisposition-Notification-To: z\r\nSubject: t\r\n\r\nb\r\n";
        s.source.put("INBOX", &[Draft::new(text)]);
        let rule = r"s{\A((?:[^\n]+\r\n)+|)(^Disposition-Notification-To:[^\n]*\n)(\r?\n|.*\n\r?\n)}{$1$3}ims";
        s.run(&["--regexmess", rule], 0);
        assert_eq!(s.text_of("INBOX"), "Message-Id: <a@b>\r\nSubject: t\r\n\r\nb\r\n");
    }),
    ("S188", |s| {
        let s = s.with(&[("INBOX", 2)]);
        let run = s.run(&["--skipmess", "m{.*}ism", "--folder", "INBOX"], 0);
        assert_eq!(run.statistic("Messages skipped"), 2);
        s.assert_arrived(&[]);
    }),
    ("S189", |s| {
        let plain = Draft::new("Message-Id: <a@b>\r\nSubject: plain\r\n\r\na\r\n");
        let eight = Draft::new("Message-Id: <c@d>\r\nSubject: eight\r\n\r\n\u{e9}\r\n");
        s.source.put("INBOX", &[plain, eight]);
        s.run(&["--skipmess", r"m/[\x80-\xff]/"], 0);
        assert_eq!(subjects(&s.target.read(), "INBOX"), ["plain"]);
    }),
    ("S190", |s| {
        let partial =
            "Message-Id: <a@b>\r\nSubject: part\r\nContent-Type: Message/Partial; x\r\n\r\na\r\n";
        let other =
            "Message-Id: <c@d>\r\nSubject: other\r\n\r\nContent-Type: Message/Partial; x\r\n";
        s.source.put("INBOX", &[Draft::new(partial), Draft::new(other)]);
        let rule =
            r"m{\A((?:[^\n]+\r\n)+|)^Content-Type: Message/Partial;[^\n]*\n(?:\r?\n|.*\n\r?\n)}ism";
        s.run(&["--skipmess", rule], 0);
        assert_eq!(subjects(&s.target.read(), "INBOX"), ["other"]);
    }),
    ("S192", |s| {
        let s = s.with(&[("INBOX", 1)]);
        s.run(&["--pipemess", "cat", "--pipemess", "sed s/inbox/outbox/"], 0);
        assert!(s.text_of("INBOX").contains("This is outbox 0"));
    }),
    ("S193", |s| {
        let s = s.with(&[("INBOX", 1)]);
        s.run(&["--pipemess", "(cat|cat)"], 0);
        s.assert_arrived(&[("INBOX", 1)]);
    }),
    ("S194", |s| drop(s.run(&["--pipemess", "nocat"], 64))),
    ("S196", |s| drop(s.run(&["--pipemess", "/bin/true"], 64))),
    ("S197", |s| {
        let s = s.with(&[("INBOX", 2)]);
        let run = s.run(&["--maxlinelength", "8"], 0);
        assert_eq!(run.statistic("Messages skipped"), 2);
        s.assert_arrived(&[]);
    }),
    ("S198", |s| {
        let s = s.with(&[("INBOX", 2)]);
        s.run(&["--maxlinelength", "8", "--maxlinelengthcmd", "cat"], 0);
        s.assert_arrived(&[("INBOX", 2)]);
    }),
    // The server takes no message of no octets; this is the smallest it has.
    ("S200", |s| {
        s.source.put("INBOX", &[Draft::new("\r\n").dated(EPOCH), mail("other", 1)]);
        s.run(&[], 0);
        assert_eq!(s.target.read().messages("INBOX").len(), 2);
    }),
    ("S201", |s| {
        let long = format!(
            "Message-Id: <a@b>\r\nDisposition-Notification-To: z\r\n\r\n{}\r\n",
            "y".repeat(10_500)
        );
        s.source.put("INBOX", &[Draft::new(long.clone())]);
        s.run(&["--office2", "--nossl2", "--noregexmess", "--nodisarmreadreceipts"], 0);
        assert_eq!(s.text_of("INBOX"), long);
        let other = Scene { target: Place::new(s.target.server.dovecot(), "titi"), ..s };
        other.run(&["--office2", "--nossl2"], 0);
        let text = other.text_of("INBOX");
        assert!(text.contains("\r\nX-Disposition-Notification-To: z"), "{}", &text[..80]);
        assert!(text.lines().all(|line| line.len() <= 10_239));
    }),
    ("S202", |s| {
        let long = format!("Message-Id: <a@b>\r\n\r\n{}\r\n", "y".repeat(10_500));
        s.source.put("INBOX", &[Draft::new(long.clone()).flagged("\\Flagged")]);
        s.run(&["--exchange2", "--noregexmess", "--noregexflag"], 0);
        assert_eq!((s.text_of("INBOX"), s.flags("INBOX")), (long, vec!["\\Flagged".to_owned()]));
    }),
];

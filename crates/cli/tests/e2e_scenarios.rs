//! The core scenarios of imapsync's catalogue (`tests/data/imapsync/scenarios.tsv`), each between
//! real servers, held against what the catalogue says comes of it.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)]

mod scene;
mod world;

use std::collections::BTreeSet;
use std::os::unix::process::ExitStatusExt as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use scene::*;
use world::*;

const CATALOGUE: &str = include_str!("../../../tests/data/imapsync/scenarios.tsv");

/// Scenarios of the catalogue that this program does not have, and why.
const ELSEWHERE: &[(&str, &str)] = &[
    ("S006", "a file that happens to lie in the current folder does not change a command line"),
    ("S141", "recognising messages by stored UIDs alone is not in this version"),
    ("S142", "recognising messages by stored UIDs alone is not in this version"),
    ("S204", "deletions on host1 have tests of their own"),
    ("S206", "deletions on host1 have tests of their own"),
    ("S213", "deletions on host1 have tests of their own"),
    ("S249", "an interrupt ends the run after what is in flight"),
    ("S062", "other ways of logging in have tests of their own"),
    ("S065", "other ways of logging in have tests of their own"),
    ("S252", "connections that break have tests of their own"),
];

/// So many scenarios at the same time.
const SIDE_BY_SIDE: usize = 4;

type Scenario = fn(Scene<'_>);

const SCENARIOS: &[(&str, Scenario)] = &[
    ("S001", |s| has(&s.alone(&[], 0), &["--host1"])),
    ("S002", |s| assert_eq!(s.alone(&["--version"], 0).stdout.lines().count(), 1)),
    ("S004", |s| drop(s.run(&["--delete", "2", "--blabla"], 64))),
    ("S005", |s| drop(s.alone(&["--testslive", "stray"], 64))),
    ("S010", |s| has(&s.alone(&["--justbanner", "--nolog"], 0), &["Here is imapsync"])),
    ("S013", |s| {
        drop(s.run(&["--host1", " 127.0.0.1/ ", "--host2", " /127.0.0.1", "--justlogin"], 0));
    }),
    ("S017", |s| {
        let run = s.alone(&["--password1", "s3cret", "--justbanner", "--nolog"], 0);
        has(&run.keeps_secret("s3cret"), &["MASKED"]);
    }),
    ("S018", |s| {
        let words = ["--password1", "s3cret", "--justbanner", "--showpasswords", "--nolog"];
        has(&s.alone(&words, 0), &["s3cret"]);
    }),
    ("S021", |s| {
        let (one, other) = (&s.source.password, &s.target.password);
        let pipe = format!("(echo '{one}'; sleep 1; echo '{other}') | \"$0\" \"$@\"");
        let mut command = s.desk.shell(&pipe);
        command.arg(env!("CARGO_BIN_EXE_imapsync")).args(["--justlogin", "--nolog"]);
        for (number, place) in [("1", &s.source), ("2", &s.target)] {
            command.args([format!("--host{number}"), "127.0.0.1".to_owned()]);
            command.args([format!("--port{number}"), place.imap_port().to_string()]);
            command.args([format!("--user{number}"), place.user.clone()]);
        }
        s.desk.finish(command).expect(0);
    }),
    ("S022", |s| {
        let mut command = s.desk.imapsync_command(&s.source, &s.target, &["--justlogin"]);
        command.env("IMAPSYNC_PASSWORD1", "wrong");
        s.desk.finish(command).expect(161);
    }),
    ("S025", |s| odd_login(&s, "dol$lar$HOME")),
    ("S028", |s| {
        let quoted = format!("\"{}\"", s.source.password);
        s.run(&["--password1", &quoted, "--justlogin"], 0);
    }),
    ("S029", |s| has(&s.run(&["--justconnect"], 0), &["Host1 banner", "Host2 capability"])),
    ("S030", |s| {
        let port = s.source.imap_port().to_string();
        let run = s.alone(&["--host1", "127.0.0.1", "--port1", &port, "--nolog"], 0);
        has(&run, &["Host1 banner"]);
        has_not(&run, &["password", "Host2 banner"]);
    }),
    ("S034", |s| drop(s.run(&["--timeout", "4.99", "--justlogin"], 0))),
    ("S036", |s| {
        let options = ["--timeout", "0.001", "--nossl1", "--notls1", "--nossl2", "--notls2"];
        let run = s.desk.imapsync(&s.source, &s.target, &options);
        // A machine that is quick enough answers within a millisecond.
        assert!(matches!(run.status, Some(0 | 101 | 102)), "{}", run.report());
    }),
    ("S037", |s| drop(s.run(&["--host1", "no.such.host.invalid"], 101))),
    ("S041", |s| drop(s.run(&["--password1", "wrong"], 161))),
    ("S042", |s| drop(s.run(&["--password2", "wrong"], 162))),
    ("S044", |s| {
        let port = s.tls_port();
        let ports = ["--port1", &port, "--port2", &port];
        s.run(&[&ports[..], &["--ssl1", "--ssl2", "--justconnect"]].concat(), 0);
        s.run(&[&ports[..], &["--ssl1", "--ssl2", "--justlogin"]].concat(), 0);
    }),
    ("S045", |s| drop(s.run(&["--tls1", "--tls2", "--justconnect"], 0))),
    ("S046", |s| {
        let port = s.tls_port();
        s.run(&["--port1", &port, "--ssl1", "--tls2", "--justconnect"], 0);
    }),
    ("S048", |s| {
        s.run(&["--ssl1", "--tls1", "--ssl2", "--tls2", "--justlogin"], 12);
    }),
    ("S049", |s| {
        let options = ["--tls1", "--tls2", "--sslargs1", "SSL_version=SSLv2", "--justlogin"];
        let run = s.desk.imapsync(&s.source, &s.target, &options);
        assert!(matches!(run.status, Some(12 | 64 | 0)), "{}", run.report());
        // TLS below 1.2 is never spoken, whatever is asked for.
        assert!(run.status != Some(0) || run.text().contains("SSL_version"), "{}", run.report());
    }),
    ("S053", |s| drop(s.run(&["--authmech1", "PLAIN", "--authmech2", "PLAIN", "--justlogin"], 0))),
    ("S054", |s| drop(s.run(&["--authmech1", "LOGIN", "--authmech2", "LOGIN", "--justlogin"], 0))),
    ("S061", |s| {
        // The server knows no administrators: it is the right question that it refuses.
        let run = s.run(&["--authuser2", "titi", "--justlogin", "--debugimap2"], 162);
        has(&run, &["AUTHENTICATE PLAIN"]);
    }),
    ("S068", |s| {
        let s = s.with(&[("INBOX", 1)]);
        let run = s.run(&["--folder", "INBOX", "--folder", "INBOX.noexist"], 0);
        has(&run, &["INBOX.noexist"]);
        s.assert_arrived(&[("INBOX", 1)]);
    }),
    ("S069", |s| {
        let s = s.with(&[("INBOX", 1), ("yop", 1), ("yop/YAP", 2), ("yo", 1)]);
        s.run(&["--folderrec", "INBOX.yop"], 0);
        s.assert_arrived(&[("yop", 1), ("yop/YAP", 2)]);
    }),
    ("S073", |s| {
        let s = s.with(&[("INBOX", 1), ("yop", 1), ("yop/YAP", 2), ("yo", 1)]);
        s.run(&["--include", "^INBOX.yop"], 0);
        s.assert_arrived(&[("yop", 1), ("yop/YAP", 2)]);
    }),
    ("S074", |s| {
        let s = s.with(&[("INBOX", 1), ("yop", 1), ("New1", 2), ("yo", 1)]);
        s.run(&["--include", "yop", "--include", "New1"], 0);
        s.assert_arrived(&[("New1", 2), ("yop", 1)]);
    }),
    ("S076", |s| {
        let s = s.with(&[("INBOX", 1), ("Yop", 1), ("yop/YAP", 2), ("yo", 1)]);
        s.run(&["--exclude", "^(?i)INBOX.YOP"], 0);
        s.assert_arrived(&[("INBOX", 1), ("yo", 1)]);
    }),
    ("S078", |s| {
        let s = s.with(&[("INBOX", 1), ("yo", 1)]);
        s.run(&["--exclude", "^INBOX"], 0);
        s.assert_arrived(&[]);
    }),
    ("S080", |s| {
        let s = s.with(&[("INBOX", 1), ("yop", 1), ("yo", 1)]);
        s.source.probe().subscribe("yop").unwrap();
        s.run(&["--subscribed"], 0);
        s.assert_arrived(&[("yop", 1)]);
    }),
    ("S086", |s| {
        let s = s.with(&[("full", 1), ("empty", 0)]);
        s.run(&["--justfolders", "--skipemptyfolders"], 0);
        let names: BTreeSet<String> = s.target.read().mailboxes.keys().cloned().collect();
        assert!(names.contains("full") && !names.contains("empty"), "{names:?}");
        s.assert_arrived(&[]);
    }),
    ("S090", |s| {
        let s = s.with(&[("Sent", 1)]);
        has(&s.run(&["--justautomap", "--automap"], 0), &["[INBOX.Sent] -> [INBOX.Sent]"]);
        s.assert_arrived(&[]);
    }),
    ("S092", |s| {
        let s = s.with(&[("a", 1), ("a/b", 1)]);
        s.run(&["--sep2", "/", "--regextrans2", "s,/,_,g", "--prefix2", "INBOX."], 0);
        s.assert_arrived(&[("a", 1), ("a_b", 1)]);
    }),
    ("S096", |s| {
        let s = s.with(&[("banana", 1)]);
        s.run(&["--regextrans2", "tr/a//d"], 0);
        s.assert_arrived(&[("bnn", 1)]);
    }),
    ("S097", |s| {
        let s = s.with(&[("yop/YAP", 1)]);
        s.run(&["--regextrans2", r"s,(.*)\.(.+)$,$1.\u\L$2\E,"], 0);
        s.assert_arrived(&[("yop/Yap", 1)]);
    }),
    ("S101", |s| {
        let s = s.with(&[("it's", 1), (" x ", 1)]);
        let rules = [
            "--regextrans2",
            r#"s/['"\\]/_/g"#,
            "--regextrans2",
            r"s,(\.|^) +,$1,g",
            "--regextrans2",
        ];
        s.run(&[&rules[..], &[r"s, +(\.|$),$1,g"]].concat(), 0);
        s.assert_arrived(&[("it_s", 1), ("x", 1)]);
    }),
    ("S102", |s| {
        let s = s.with(&[("yop", 2), ("yop/YAP", 1)]);
        let options =
            ["--regextrans2", "s/.*/INBOX.ALLIN/", "--folderrec", "INBOX.yop", "--delete2"];
        for _ in 0..2 {
            s.run(&options, 0);
            // Here nothing that one source brought is removed for another.
            s.assert_arrived(&[("ALLIN", 3)]);
        }
    }),
    ("S104", |s| {
        let s = s.with(&[("yop", 1)]);
        s.run(&["--f1f2", "INBOX.yop=INBOX/rha/lovely", "--justfolders"], 116);
    }),
    ("S105", |s| {
        let s = s.with(&[("INBOX", 1), ("yop", 1)]);
        s.run(&["--subfolder2", "SUB"], 0);
        s.assert_arrived(&[("SUB/INBOX", 1), ("SUB/yop", 1)]);
    }),
    ("S106", |s| {
        let s = s.with(&[("SUB", 1), ("SUB/yop", 1), ("other", 1)]);
        s.run(&["--subfolder1", "SUB", "--dry"], 0);
        s.assert_arrived(&[]);
        s.run(&["--subfolder1", "SUB"], 0);
        s.assert_arrived(&[("INBOX", 1), ("yop", 1)]);
    }),
    ("S108", |s| drop(s.run(&["--subfolder1", "NOT_THERE"], 21))),
    ("S109", |s| {
        let s = s.with(&[("yop", 1)]);
        s.run(&["--prefix1", "INBOX.", "--prefix2", "INBOX."], 0);
        s.assert_arrived(&[("yop", 1)]);
    }),
    ("S113", |s| {
        let s = s.with(&[("yop", 1)]);
        s.run(&["--regextrans2", "s/yop/new.nested.yop/", "--justfolders"], 0);
        assert!(s.target.read().mailboxes.contains_key("new/nested/yop"));
    }),
    ("S114", |s| {
        let s = s.with(&[("INBOX", 1)]);
        s.run(&["--regextrans2", "s/^INBOX$/Inbox/"], 0);
        s.assert_arrived(&[("INBOX", 1)]);
    }),
    ("S118", |s| {
        let s = s.with(&[(r"back\slash", 1)]);
        s.run(&[], 0);
        s.assert_arrived(&[(r"back\slash", 1)]);
    }),
    ("S122", |s| {
        let s = s.with(&[("INBOX", 2)]);
        s.run(&["--useheader", "Message-ID"], 0);
        let again = s.run(&["--useheader", "Message-ID", "--dry"], 0);
        assert_eq!(again.statistic("Messages transferred"), 0);
        has(&again, &["could be 0 without dry mode"]);
    }),
    ("S124", |s| {
        let s = s.with(&[("INBOX", 2)]);
        for _ in 0..2 {
            s.run(&["--useheader", "NoExist", "--delete2", "--addheader"], 0);
            s.assert_arrived(&[("INBOX", 2)]);
        }
    }),
    // imapsync sends a list without names, is refused, and copies nothing with status 0.
    ("S125", |s| {
        let s = s.with(&[("INBOX", 1)]);
        s.run(&["--useheader", "", "--debug"], 64);
        s.assert_arrived(&[]);
    }),
    ("S128", |s| {
        let bare = |text: &str| Draft::new(format!("Subject: {text}\r\n\r\n{text}\r\n"));
        s.source.put("INBOX", &[bare("one").dated(EPOCH), bare("two").dated(EPOCH)]);
        // imapsync needs the option for that; here the content tells them apart.
        for options in [&["--delete2"][..], &["--delete2", "--addheader"]] {
            s.run(options, 0);
            s.assert_arrived(&[("INBOX", 2)]);
        }
    }),
    ("S132", |s| {
        let double = mail("double", 1);
        s.source.put("INBOX", &[double.clone(), double.clone()]);
        s.target.put("INBOX", &[double.clone(), double.clone(), double]);
        s.run(&["--syncduplicates", "--delete2"], 0);
        s.assert_arrived(&[("INBOX", 2)]);
    }),
    ("S136", |s| {
        let s = s.with(&[("INBOX", 2)]);
        s.source.put("a", &mails("inbox", 3));
        let options = ["--skipcrossduplicates", "--debugcrossduplicates", "--folderfirst", "INBOX"];
        for transferred in [3, 0] {
            let run = s.run(&options, 0);
            assert_eq!(run.transferred(), transferred);
            assert_eq!(run.statistic("Messages found crossduplicate on host2"), 2);
        }
        s.assert_arrived(&[("INBOX", 2), ("a", 1)]);
    }),
    ("S138", |s| drop(s.run(&["--skipcrossduplicates", "--usecache"], 64))),
    ("S144", |s| {
        s.source.put("INBOX", &[sent_days_ago("new", 0), sent_days_ago("old", 5)]);
        s.run(&["--maxage", "1"], 0);
        assert_eq!(subjects(&s.target.read(), "INBOX"), ["new"]);
    }),
    ("S148", |s| {
        s.source.put("INBOX", &[sent_days_ago("new", 1), sent_days_ago("mid", 12)]);
        s.source.put("INBOX", &[sent_days_ago("old", 30)]);
        s.run(&["--maxage", "5", "--minage", "20"], 0);
        assert_eq!(subjects(&s.target.read(), "INBOX"), ["new", "old"]);
        s.run(&["--maxage", "20", "--minage", "5", "--folder", "INBOX"], 0);
        assert_eq!(subjects(&s.target.read(), "INBOX"), ["new", "old", "mid"]);
    }),
    ("S150", |s| {
        let s = s.with(&[("INBOX", 2)]);
        let run = s.run(&["--maxsize", "10"], 0);
        assert_eq!(run.statistic("Messages skipped"), 2);
        s.assert_arrived(&[]);
    }),
    ("S153", |s| {
        s.source.put("INBOX", &[sent_days_ago("new", 1), sent_days_ago("old", 400)]);
        s.target.put("INBOX", &[sent_days_ago("extra", 1)]);
        let since = date_days_ago(100);
        let search = format!("SENTSINCE {since}");
        s.run(&["--search", &search, "--search2", "ALL", "--delete2"], 0);
        assert_eq!(subjects(&s.target.read(), "INBOX"), ["new"]);
    }),
    ("S158", |s| {
        let s = s.with(&[("INBOX", 1)]);
        s.run(&["--noabletosearch1", "--noabletosearch2"], 0);
        s.assert_arrived(&[("INBOX", 1)]);
    }),
    ("S160", |s| {
        s.source.put("INBOX", &[mail("flag", 1).flagged("\\Seen")]);
        s.target.put("INBOX", &[mail("flag", 1).flagged("\\Flagged")]);
        s.run(&["--resyncflags"], 0);
        assert_eq!(s.flags("INBOX"), ["\\Seen"]);
    }),
    ("S164", |s| {
        s.source.put("INBOX", &[mail("flag", 1).flagged("\\Seen $Label1")]);
        s.run(&["--regexflag", r"s/\$label1//gi"], 0);
        assert_eq!(s.flags("INBOX"), ["\\Seen"]);
    }),
    ("S165", |s| drop(s.run(&["--regexflag", "I am bad"], 64))),
    ("S166", |s| {
        s.source.put("INBOX", &[mail("flag", 1), mail("flag", 2).flagged("\\Answered")]);
        s.run(&["--regexflag", r"s,,\\Seen ,"], 0);
        assert_eq!(s.flags("INBOX"), ["\\Seen", "\\Answered \\Seen"]);
    }),
    ("S169", |s| {
        s.source.put("INBOX", &[mail("flag", 1).flagged("$Junk \\Answered truc \\Seen")]);
        let keep =
            r"s/.*?(?:(\\(?:Answered|Flagged|Deleted|Seen|Draft)\s?)|$)/defined($1)?$1:q()/eg";
        s.run(&["--regexflag", keep], 0);
        assert_eq!(s.flags("INBOX"), ["\\Answered \\Seen"]);
    }),
    // What could be no flag is left out and told, instead of being sent and refused.
    ("S170", |s| {
        s.source.put("INBOX", &[mail("flag", 1).flagged("\\Seen")]);
        let run = s.run(&["--regexflag", r"s/\\Seen/(bad)/", "--errorsmax", "5"], 0);
        has(&run, &["[(bad)], which is no flag"]);
        s.assert_arrived(&[("INBOX", 1)]);
    }),
    ("S172", |s| {
        s.source.put("INBOX", &[sent_days_ago("dated", 7)]);
        s.run(&["--idatefromheader", "--debug", "--dry"], 0);
        s.assert_arrived(&[]);
        s.run(&["--idatefromheader"], 0);
        let instant = s.target.read().messages("INBOX")[0].instant;
        assert!((now() - 7 * DAY - instant).abs() < 2 * DAY, "{instant}");
    }),
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
    ("S184", |s| {
        let body = "x".repeat(500);
        s.source.put("INBOX", &[Draft::new(format!("Message-Id: <a@b>\r\n\r\n{body}"))]);
        s.run(&["--truncmess", "400"], 0);
        assert_eq!(s.text_of("INBOX").len(), 400);
        assert_eq!(s.run(&["--truncmess", "400"], 0).transferred(), 0);
    }),
    ("S188", |s| {
        let s = s.with(&[("INBOX", 2)]);
        let run = s.run(&["--skipmess", "m{.*}ism", "--folder", "INBOX"], 0);
        assert_eq!(run.statistic("Messages skipped"), 2);
        s.assert_arrived(&[]);
    }),
    ("S192", |s| {
        let s = s.with(&[("INBOX", 1)]);
        s.run(&["--pipemess", "cat", "--pipemess", "sed s/inbox/outbox/"], 0);
        assert!(s.text_of("INBOX").contains("This is outbox 0"));
    }),
    ("S194", |s| drop(s.run(&["--pipemess", "nocat"], 64))),
    ("S197", |s| {
        let s = s.with(&[("INBOX", 2)]);
        let run = s.run(&["--maxlinelength", "8"], 0);
        assert_eq!(run.statistic("Messages skipped"), 2);
        s.assert_arrived(&[]);
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
    ("S210", |s| {
        let s = s.with(&[("INBOX", 2)]);
        s.target.put("INBOX", &mails("extra", 1));
        s.run(&["--delete2", "--folder", "INBOX"], 0);
        assert_eq!(subjects(&s.target.read(), "INBOX"), ["inbox 0", "inbox 1"]);
    }),
    ("S216", |s| {
        let s = s.with(&[("INBOX", 1)]);
        s.target.put("NEW_3/oneemail", &mails("one", 1));
        s.target.put("NEW_3/oneemail2", &mails("two", 1));
        s.run(&["--delete2foldersonly", "/^INBOX.NEW_3.oneemail$/"], 0);
        s.assert_arrived(&[("INBOX", 1), ("NEW_3/oneemail2", 1)]);
    }),
    // A bare word is no expression: refused, instead of deleting every folder.
    ("S218", |s| {
        let s = s.with(&[("INBOX", 1)]);
        s.target.put("NEW_2", &mails("new", 1));
        s.run(&["--subfolder2", "NEW_2", "--delete2foldersonly", "NEW_2"], 64);
        s.run(&["--subfolder2", "NEW_2", "--delete2foldersonly", "/NEW_2/"], 0);
        s.assert_arrived(&[("NEW_2", 1), ("NEW_2/INBOX", 1)]);
    }),
    ("S222", |s| {
        let s = s.with(&[("INBOX", 1)]);
        let run = s.run(&["--nofoldersizes"], 0);
        has_not(&run, &["Folders sizes before", "ETA:"]);
    }),
    ("S224", |s| {
        let s = s.with(&[("INBOX", 1)]);
        has(&s.run(&["--justfoldersizes"], 0), &["Host1 folder", "Host2 folder"]);
        s.assert_arrived(&[]);
    }),
    ("S226", |s| {
        let s = s.with(&[("INBOX", 20)]);
        let run = s.run(&["--exitwhenover", "100"], 118);
        has(&run, &["Maximum bytes transferred reached", "ERR_TRANSFER_EXCEEDED"]);
    }),
    ("S229", |s| {
        let s = s.with(&[("INBOX", 3)]);
        let began = std::time::Instant::now();
        s.run(&["--maxbytespersecond", "500"], 0);
        assert!(began.elapsed() > Duration::from_millis(400));
        s.assert_arrived(&[("INBOX", 3)]);
    }),
    ("S230", |s| {
        let s = s.with(&[("INBOX", 3)]);
        s.run(&["--maxbytespersecond", "1", "--maxsleep", "0"], 0);
        s.assert_arrived(&[("INBOX", 3)]);
    }),
    ("S233", |s| {
        let s = s.with(&[("INBOX", 1)]);
        let run = s.run(&["--maxsize", "999_999_999_999", "--appendlimit", "10"], 0);
        assert_eq!(run.statistic("Messages skipped"), 1);
    }),
    ("S234", |s| {
        let s = s.with(&[("INBOX", 3)]);
        has(&s.run(&["--dry"], 0), &["could be 3 without dry mode"]);
        s.assert_arrived(&[]);
    }),
    ("S237", |s| {
        let pidfile = s.desk.path().join("pid");
        s.alone(&["--pidfile", pidfile.to_str().unwrap(), "--justbanner", "--nolog"], 0);
        assert!(!pidfile.exists());
    }),
    ("S238", |s| {
        drop(s.alone(&["--pidfile", "/no/such/folder/pid", "--justbanner", "--nolog"], 8))
    }),
    ("S241", abort_a_run),
    ("S246", end_a_run_by_a_file),
];

fn abort_a_run(s: Scene<'_>) {
    let (mut victim, pidfile) = run_under_way(&s);
    let aborter = Desk::new();
    let mut command = aborter.shell("exec \"$0\" \"$@\"");
    command.arg(env!("CARGO_BIN_EXE_imapsync")).args(["--abort", "--pidfile", &pidfile, "--nolog"]);
    // Whoever starts a run waits for it, or it would stay a process.
    let aborting = std::thread::spawn(move || aborter.finish(command));
    let status = victim.wait().unwrap();
    let ended = aborting.join().unwrap().expect(0);
    has(&ended, &[&format!("Process PID {} ended.", victim.id())]);
    let is_ended = matches!(status.code(), Some(131 | 137)) || status.signal() == Some(9);
    assert!(is_ended, "{status:?}\n{}", s.desk.output("stdout"));
    assert!(s.desk.output("stdout").contains("Killing myself with signal QUIT"));
}

fn end_a_run_by_a_file(s: Scene<'_>) {
    let (mut victim, pidfile) = run_under_way(&s);
    let file = format!("{pidfile}abort{}", victim.id());
    std::fs::write(&file, "").unwrap();
    assert_eq!(victim.wait().unwrap().code(), Some(7), "{}", s.desk.output("stdout"));
    assert!(!std::path::Path::new(&file).exists());
    assert!(s.desk.output("stdout").contains("EXIT_BY_FILE"));
}

/// The core rows of the catalogue: number and whether it is in imapsync's own list of tests.
fn core() -> Vec<&'static str> {
    let rows = CATALOGUE.lines().skip(1).map(|line| line.split('\t').collect::<Vec<_>>());
    rows.filter(|row| row[2].contains('K')).map(|row| row[0]).collect()
}

#[test]
fn every_core_scenario_is_tried_or_said_not_to_be() {
    let tried = SCENARIOS.iter().map(|(id, _)| *id);
    let said: BTreeSet<&str> = tried.chain(ELSEWHERE.iter().map(|(id, _)| *id)).collect();
    let core: BTreeSet<&str> = core().into_iter().collect();
    assert_eq!(said, core);
}

#[test]
fn the_core_scenarios_end_as_the_catalogue_says() {
    let Some(world) = World::open() else { return };
    let (next, failed) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let work = || {
        while let Some((id, scenario)) = SCENARIOS.get(next.fetch_add(1, Ordering::Relaxed)) {
            let outcome = catch_unwind(AssertUnwindSafe(|| scenario(Scene::new(&world))));
            if outcome.is_err() {
                failed.lock().unwrap().push(*id);
            }
        }
    };
    std::thread::scope(|scope| {
        (0..SIDE_BY_SIDE).for_each(|_| drop(scope.spawn(work)));
    });
    let failed = failed.into_inner().unwrap();
    let (all, good) = (core().len(), SCENARIOS.len() - failed.len());
    println!(
        "{good} of {} scenarios pass; {all} are core, {} are elsewhere",
        SCENARIOS.len(),
        ELSEWHERE.len()
    );
    assert!(failed.is_empty(), "failed: {failed:?}");
}

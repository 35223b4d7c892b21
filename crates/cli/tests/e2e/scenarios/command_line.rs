//! The command line, and runs that only tell something.

use super::Scenario;
use crate::scene::*;

pub const SCENARIOS: &[(&str, Scenario)] = &[
    ("S001", |s| has(&s.alone(&[], 0), &["--host1"])),
    ("S002", |s| assert_eq!(s.alone(&["--version"], 0).stdout.lines().count(), 1)),
    ("S004", |s| drop(s.run(&["--delete", "2", "--blabla"], 64))),
    ("S005", |s| drop(s.alone(&["--testslive", "stray"], 64))),
    // A file that happens to lie there does not change what a command line means.
    ("S006", |s| {
        s.desk.file("options_extra.txt", "--debugimap --justbanner\n");
        let s = s.with(&[("INBOX", 1)]);
        has_not(&s.run(&[], 0), &["Host1 >"]);
        s.assert_arrived(&[("INBOX", 1)]);
    }),
    // This program never calls home.
    ("S008", |s| has(&s.alone(&["--help", "--releasecheck"], 0), &["--host1"])),
    ("S009", |s| has(&s.alone(&["--help", "--noreleasecheck"], 0), &["--host1"])),
    ("S010", |s| has(&s.alone(&["--justbanner", "--nolog"], 0), &["Here is imapsync"])),
    // The accounts of imapsync's author are nobody else's business: the name is known, and without
    // accounts nothing is connected.
    ("S012", |s| has(&s.alone(&["--testslive", "--nolog"], 64), &["--host1"])),
    ("S013", |s| {
        drop(s.run(&["--host1", " 127.0.0.1/ ", "--host2", " /127.0.0.1", "--justlogin"], 0));
    }),
    ("S014", |s| {
        let odd = [
            "\u{0}".repeat(0),
            "--".into(),
            "-\u{7f}".into(),
            "=".into(),
            "--maxage=\u{e9}".into(),
        ];
        for word in odd {
            let run = s.desk.imapsync(&s.source, &s.target, &[&word, "--justlogin"]);
            assert!(run.status.is_some_and(|status| [0, 64].contains(&status)), "{}", run.report());
            has_not(&run, &["panicked"]);
        }
        let noise = "head -c 4096 /dev/urandom | \"$0\" \"$@\"";
        let mut command = s.desk.shell(noise);
        command.arg(env!("CARGO_BIN_EXE_imapsync")).args(["--nolog", "--justlogin"]);
        for (number, place) in [("1", &s.source), ("2", &s.target)] {
            command.args([format!("--host{number}"), "127.0.0.1".to_owned()]);
            command.args([format!("--port{number}"), place.imap_port().to_string()]);
            command.args([format!("--user{number}"), place.user.clone()]);
        }
        let run = s.desk.finish(command);
        assert!(matches!(run.status, Some(66 | 161)), "{}", run.report());
        has_not(&run, &["panicked"]);
    }),
    ("S016", |s| has(&s.alone(&["--testsunit", "tests_x", "--nolog"], 0), &["EX_OK"])),
];

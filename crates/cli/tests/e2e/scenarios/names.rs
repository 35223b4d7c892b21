//! Names of folders on host2.

use super::Scenario;
use crate::scene::*;

pub const SCENARIOS: &[(&str, Scenario)] = &[
    ("S092", |s| {
        let s = s.with(&[("a", 1), ("a/b", 1)]);
        s.run(&["--sep2", "/", "--regextrans2", "s,/,_,g", "--prefix2", "INBOX."], 0);
        s.assert_arrived(&[("a", 1), ("a_b", 1)]);
    }),
    ("S093", |s| {
        let s = s.with(&[("yop/YAP", 1)]);
        has(&s.run(&["--regextrans2", r"s,\.,_,g", "--dry"], 0), &["[INBOX_yop_YAP]"]);
        s.assert_arrived(&[]);
    }),
    ("S094", |s| {
        let s = s.with(&[("yop", 1)]);
        has(&s.run(&["--regextrans2", r"s,INBOX\.,,", "--dry"], 0), &["copying to yop"]);
        s.assert_arrived(&[]);
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
    // The prefix stays as the server spells it.
    ("S098", |s| {
        let s = s.with(&[("yop/YAP", 1)]);
        s.run(&["--regextrans2", r"s,([^.]+),\u\L$1\E,g"], 0);
        s.assert_arrived(&[("Yop/Yap", 1)]);
    }),
    ("S100", |s| {
        let s = s.with(&[(" a/ b", 1)]);
        s.run(&["--regextrans2", r"s,(\.|^) +,$1,g"], 0);
        s.assert_arrived(&[("a/b", 1)]);
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
    ("S110", |s| {
        let s = s.with(&[("yop/YAP", 1)]);
        has(&s.run(&["--sep2", r"\\", "--dry"], 0), &[r"INBOX.yop\YAP"]);
    }),
    ("S112", |s| {
        let s = s.with(&[("INBOX", 1)]);
        s.run(&["--domino1", "--domino2", "--subfolder2", "SUB", "--dry"], 0);
        s.assert_arrived(&[]);
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
    ("S116", |s| {
        let s = s.with(&[("INBOX", 1)]);
        let folders = ["--folder", "INBOX", "--folder", "INBOX.absent"];
        let options = ["--regextrans2", "s/.*/iNbOx/", "--justfoldersizes"];
        let run = s.run(&[&folders[..], &options].concat(), 0);
        has(&run, &["[INBOX.absent] does not exist"]);
        has_not(&run, &["does not exist yet"]);
    }),
    ("S117", |s| {
        let s = s.with(&[("two words", 1), ("a  b/c d", 1)]);
        s.run(&[], 0);
        s.assert_arrived(&[("a  b/c d", 1), ("two words", 1)]);
    }),
    ("S118", |s| {
        let s = s.with(&[(r"back\slash", 1)]);
        s.run(&[], 0);
        s.assert_arrived(&[(r"back\slash", 1)]);
    }),
    ("S120", |s| {
        let s = s.with(&[("Caf&AOk-", 1), ("Cafe&AwE-", 2)]);
        s.run(&[], 0);
        s.assert_arrived(&[("Caf&AOk-", 1), ("Cafe&AwE-", 2)]);
    }),
    // The server of the catalogue lets some folders have none below them. What is asked for is that
    // everything goes below another one.
    ("S121", |s| {
        let s = s.with(&[("INBOX", 1), ("yop", 1), ("yop/YAP", 1)]);
        s.run(&["--subfolder2", "SUB"], 0);
        s.assert_arrived(&[("SUB/INBOX", 1), ("SUB/yop", 1), ("SUB/yop/YAP", 1)]);
    }),
];

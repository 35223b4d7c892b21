//! Which folders take part.

use super::Scenario;
use crate::scene::*;
use std::collections::{BTreeMap, BTreeSet};

pub const SCENARIOS: &[(&str, Scenario)] = &[
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
    ("S070", |s| {
        let s = s.with(&[("INBOX", 1), ("yop", 1), ("yop/YAP", 2)]);
        s.run(&["--folderrec", "INBOX"], 0);
        s.assert_arrived(&[("INBOX", 1), ("yop", 1), ("yop/YAP", 2)]);
    }),
    ("S072", |s| {
        let s = s.with(&[("star", 1), ("stone", 1)]);
        for option in ["--folder", "--folderrec"] {
            s.run(&[option, "INBOX.st*"], 0);
            s.run(&[option, "INBOX.%"], 0);
        }
        s.assert_arrived(&[]);
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
    ("S077", |s| {
        let s = s.with(&[("yop", 1), ("yop/YAP", 2)]);
        s.run(&["--exclude", r"^INBOX\.yop$"], 0);
        s.assert_arrived(&[("yop/YAP", 2)]);
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
    ("S081", |s| {
        let s = s.with(&[("yop", 1), ("yo", 1)]);
        s.source.probe().subscribe("yop").unwrap();
        s.run(&["--subscribed", "--nosubscribe"], 0);
        s.assert_arrived(&[("yop", 1)]);
        assert!(s.target.read().subscriptions.is_empty());
    }),
    // What cannot be selected is known from LIST: nothing is asked, so nothing is told.
    ("S082", |s| {
        let s = s.with(&[("INBOX", 1), ("a/b", 1)]);
        s.run(&["--checkselectable"], 0);
        s.assert_arrived(&[("INBOX", 1), ("a/b", 1)]);
    }),
    ("S084", |s| {
        let mut probe = s.source.probe();
        (0..160).for_each(|n| probe.create_if_missing(&format!("many{n}")).unwrap());
        has(&s.run(&["--justfolders"], 0), &["Host1: found 161 folders."]);
        assert_eq!(s.target.read().mailboxes.len(), 161);
    }),
    ("S085", |s| {
        let s = s.with(&[("INBOX", 1)]);
        s.run(&["--nocheckfoldersexist"], 0);
        s.assert_arrived(&[("INBOX", 1)]);
    }),
    ("S086", |s| {
        let s = s.with(&[("full", 1), ("empty", 0)]);
        s.run(&["--justfolders", "--skipemptyfolders"], 0);
        let names: BTreeSet<String> = s.target.read().mailboxes.keys().cloned().collect();
        assert!(names.contains("full") && !names.contains("empty"), "{names:?}");
        s.assert_arrived(&[]);
    }),
    ("S088", |s| {
        let s = s.with(&[("a", 1), ("b", 1), ("m", 1), ("[odd].*", 1)]);
        let last = ["--folderlast", "INBOX.[odd].*", "--nolog"];
        let run = s.run(
            &[&["--folderfirst", "INBOX.m", "--folderfirst", "INBOX.b"][..], &last].concat(),
            0,
        );
        // `Folder     1/5 [INBOX.m] …`: they are taken side by side, in this order.
        let lines = run.stdout.lines().filter_map(|line| line.strip_prefix("Folder "));
        let order: BTreeMap<&str, &str> =
            lines.filter_map(|line| line.trim_start().split_once("/5 ")).collect();
        for (number, name) in [("1", "[INBOX.m]"), ("2", "[INBOX.b]"), ("5", "[INBOX.[odd].*]")] {
            assert!(order[number].starts_with(name), "{}", run.report());
        }
    }),
    ("S089", |s| {
        let s = s.with(&[("yop", 1)]);
        has(&s.run(&["--justfolderlists"], 0), &["[INBOX.yop]", "Host2 folders list"]);
        assert!(!s.target.read().mailboxes.contains_key("yop"));
    }),
    ("S090", |s| {
        let s = s.with(&[("Sent", 1)]);
        has(&s.run(&["--justautomap", "--automap"], 0), &["[INBOX.Sent] -> [INBOX.Sent]"]);
        s.assert_arrived(&[]);
    }),
];

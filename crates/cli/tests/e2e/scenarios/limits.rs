//! Pace, sizes, reports, limits.

use super::Scenario;
use crate::scene::*;
use crate::world::*;
use std::time::Duration;

pub const SCENARIOS: &[(&str, Scenario)] = &[
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
    ("S225", |s| {
        let absent = ["--folder", "INBOX.no", "--folder", "INBOX.nor", "--folder", "INBOX.none"];
        let run = s.run(&[&absent[..], &["--justfoldersizes", "--errorsmax", "2"]].concat(), 0);
        has(&run, &["[INBOX.no] does not exist", "[INBOX.none] does not exist"]);
    }),
    ("S226", |s| {
        let s = s.with(&[("INBOX", 20)]);
        let run = s.run(&["--exitwhenover", "100"], 118);
        has(&run, &["Maximum bytes transferred reached", "ERR_TRANSFER_EXCEEDED"]);
    }),
    ("S228", |s| {
        let s = s.with(&[("INBOX", 8)]);
        let began = std::time::Instant::now();
        s.run(&["--maxmessagespersecond", "3.3"], 0);
        assert!(began.elapsed() > Duration::from_millis(900));
        s.assert_arrived(&[("INBOX", 8)]);
    }),
    ("S229", |s| {
        let s = s.with(&[("INBOX", 3)]);
        let began = std::time::Instant::now();
        s.run(&["--maxbytespersecond", "500"], 0);
        // 678 octets, of which the first 500 go at once.
        assert!(began.elapsed() > Duration::from_millis(300));
        s.assert_arrived(&[("INBOX", 3)]);
    }),
    ("S230", |s| {
        let s = s.with(&[("INBOX", 3)]);
        s.run(&["--maxbytespersecond", "1", "--maxsleep", "0"], 0);
        s.assert_arrived(&[("INBOX", 3)]);
    }),
    ("S232", |s| {
        let s = s.with(&[("INBOX", 3)]);
        s.run(&["--buffersize", "8"], 0);
        assert_copied(&s.source.read(), &s.target.read(), &Expect::exact());
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
    ("S236", |s| {
        let s = s.with(&[("INBOX", 3)]);
        let options = ["--dry", "--nodry1", "--skipmess", "m/inbox 1/", "--debugcontent"];
        let run = s.run(&options, 0);
        has(&run, &["3 messages were read, of which 2 would be sent", "This is inbox 2."]);
        s.assert_arrived(&[]);
    }),
];

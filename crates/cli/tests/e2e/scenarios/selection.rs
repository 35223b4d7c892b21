//! Which messages take part.

use super::Scenario;
use crate::scene::*;
use crate::world::*;

pub const SCENARIOS: &[(&str, Scenario)] = &[
    ("S144", |s| {
        s.source.put("INBOX", &[sent_days_ago("new", 0), sent_days_ago("old", 5)]);
        s.run(&["--maxage", "1"], 0);
        assert_eq!(subjects(&s.target.read(), "INBOX"), ["new"]);
    }),
    ("S145", |s| {
        s.source.put("INBOX", &[sent_days_ago("today", 0), sent_days_ago("old", 5)]);
        s.run(&["--maxage", "0"], 0);
        assert_eq!(subjects(&s.target.read(), "INBOX"), ["today"]);
        s.run(&["--minage", "0"], 0);
        assert_eq!(subjects(&s.target.read(), "INBOX"), ["today", "old"]);
    }),
    ("S146", |s| {
        s.source.put("INBOX", &[mail("now", 1).dated(now()), mail("before", 2).dated(now() - 600)]);
        s.run(&["--maxage", "0.0006944", "--noabletosearch"], 0);
        assert_eq!(subjects(&s.target.read(), "INBOX"), ["now 1"]);
    }),
    ("S148", |s| {
        s.source.put("INBOX", &[sent_days_ago("new", 1), sent_days_ago("mid", 12)]);
        s.source.put("INBOX", &[sent_days_ago("old", 30)]);
        s.run(&["--maxage", "5", "--minage", "20"], 0);
        assert_eq!(subjects(&s.target.read(), "INBOX"), ["new", "old"]);
        s.run(&["--maxage", "20", "--minage", "5", "--folder", "INBOX"], 0);
        assert_eq!(subjects(&s.target.read(), "INBOX"), ["new", "old", "mid"]);
    }),
    ("S149", |s| {
        let arrived = |name, days: i64| mail(name, 1).dated(now() - days * DAY);
        s.source.put("INBOX", &[arrived("new", 1), arrived("mid", 12), arrived("old", 30)]);
        let by_arrival = |first: &str, second: &str| {
            s.run(&["--maxage", first, "--minage", second, "--noabletosearch"], 0);
            subjects(&s.target.read(), "INBOX")
        };
        assert_eq!(by_arrival("5", "20"), ["new 1", "old 1"]);
        assert_eq!(by_arrival("20", "5"), ["new 1", "old 1", "mid 1"]);
    }),
    ("S150", |s| {
        let s = s.with(&[("INBOX", 2)]);
        let run = s.run(&["--maxsize", "10"], 0);
        assert_eq!(run.statistic("Messages skipped"), 2);
        s.assert_arrived(&[]);
    }),
    ("S152", |s| {
        let large = format!("Message-Id: <l@e>\r\nSubject: large\r\n\r\n{}\r\n", "x".repeat(1500));
        s.source.put("INBOX", &[mail("small", 1), Draft::new(large).dated(EPOCH)]);
        s.run(&["--search", "LARGER 1000"], 0);
        assert_eq!(subjects(&s.target.read(), "INBOX"), ["large"]);
    }),
    ("S153", |s| {
        s.source.put("INBOX", &[sent_days_ago("new", 1), sent_days_ago("old", 400)]);
        s.target.put("INBOX", &[sent_days_ago("extra", 1)]);
        let since = date_days_ago(100);
        let search = format!("SENTSINCE {since}");
        s.run(&["--search", &search, "--search2", "ALL", "--delete2"], 0);
        assert_eq!(subjects(&s.target.read(), "INBOX"), ["new"]);
    }),
    ("S154", |s| {
        let before = date_days_ago(100);
        s.source.put("INBOX", &[sent_days_ago("old", 400)]);
        s.target.put("INBOX", &[sent_days_ago("old stray", 400), sent_days_ago("new stray", 1)]);
        s.run(&["--search", &format!("SENTBEFORE {before}"), "--delete2"], 0);
        assert_eq!(subjects(&s.target.read(), "INBOX"), ["new stray", "old"]);
    }),
    ("S156", |s| {
        let s = s.with(&[("INBOX", 1)]);
        let run = s.desk.imapsync(&s.source, &s.target, &["--search", "SENTAFTER 1-Jan-2000"]);
        run.expect_failure();
    }),
    ("S157", |s| {
        let s = s.with(&[("INBOX", 2)]);
        s.run(&["--fetch_hash_set", "1:*", "--noabletosearch"], 0);
        s.assert_arrived(&[("INBOX", 2)]);
    }),
    ("S158", |s| {
        let s = s.with(&[("INBOX", 1)]);
        s.run(&["--noabletosearch1", "--noabletosearch2"], 0);
        s.assert_arrived(&[("INBOX", 1)]);
    }),
];

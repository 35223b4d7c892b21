//! Which messages are the same.

use super::Scenario;
use crate::scene::*;
use crate::world::*;

pub const SCENARIOS: &[(&str, Scenario)] = &[
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
    // As S125: refused, where imapsync copies nothing and says that all is well.
    ("S126", |s| {
        let s = s.with(&[("INBOX", 1)]);
        s.run(&["--useheader", "", "--skipheader", "Message-Id|Date"], 64);
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
    ("S129", |s| {
        let bare = |name: &str, days: i64| {
            let date = days_ago(days).strftime("%a, %d %b %Y %H:%M:%S +0000").to_string();
            Draft::new(format!("Date: {date}\r\nSubject: {name}\r\n\r\n{name}\r\n")).dated(EPOCH)
        };
        s.source.put("INBOX", &[bare("old", 400), bare("new", 30)]);
        s.run(&["--addheader", "--minage", "365"], 0);
        assert_eq!(subjects(&s.target.read(), "INBOX"), ["old"]);
        assert!(s.text_of("INBOX").starts_with("Message-Id: <1@imapsync>"));
    }),
    ("S130", |s| {
        let s = s.with(&[("INBOX", 1)]);
        s.run(&["--skipsize"], 0);
        assert_eq!(s.run(&["--noskipsize"], 0).transferred(), 0);
        s.assert_arrived(&[("INBOX", 1)]);
    }),
    ("S132", |s| {
        let double = mail("double", 1);
        s.source.put("INBOX", &[double.clone(), double.clone()]);
        s.target.put("INBOX", &[double.clone(), double.clone(), double]);
        s.run(&["--syncduplicates", "--delete2"], 0);
        s.assert_arrived(&[("INBOX", 2)]);
    }),
    ("S133", |s| {
        let double = mail("double", 1);
        s.source.put("INBOX", &[double.clone(), double.clone()]);
        s.target.put("INBOX", &[double.clone(), double.clone(), double]);
        s.run(&["--syncduplicates", "--delete2", "--delete2duplicates"], 0);
        let left = s.target.read().messages("INBOX").len();
        assert!((1..=2).contains(&left), "{left}");
    }),
    ("S134", |s| {
        let double = mail("double", 1);
        s.source.put("INBOX", &[double.clone(), mail("single", 1), double.clone(), double]);
        let own = Scene { target: s.source.clone(), ..s };
        own.run(&["--delete2duplicates", "--folder", "INBOX"], 0);
        assert_eq!(subjects(&own.source.read(), "INBOX"), ["double 1", "single 1"]);
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
    ("S137", |s| {
        for (name, count) in [("a", 1), ("b", 2), ("c", 3)] {
            s.source.put(name, &mails("shared", count));
        }
        s.run(&["--skipcrossduplicates"], 0);
        s.assert_arrived(&[("a", 1), ("b", 1), ("c", 1)]);
    }),
    ("S138", |s| drop(s.run(&["--skipcrossduplicates", "--usecache"], 64))),
    // As S125.
    ("S140", |s| drop(s.run(&["--usecache", "--useheader", ""], 64))),
    ("S141", |s| {
        let double = mail("double", 1);
        s.source.put("INBOX", &[double.clone(), double, mail("single", 1)]);
        s.target.put("INBOX", &mails("extra", 1));
        for transferred in [3, 0] {
            assert_eq!(s.run(&["--useuid", "--delete2"], 0).transferred(), transferred);
            assert_eq!(s.target.read().messages("INBOX").len(), 3);
        }
    }),
    // Without its cache imapsync copies everything again. Here nothing is doubled.
    ("S142", |s| {
        let s = s.with(&[("INBOX", 3)]);
        for transferred in [3, 0, 0] {
            assert_eq!(s.run(&["--useuid", "--nousecache"], 0).transferred(), transferred);
        }
        s.assert_arrived(&[("INBOX", 3)]);
    }),
];

//! Flags, dates, rights.

use super::Scenario;
use crate::scene::*;
use crate::world::*;

pub const SCENARIOS: &[(&str, Scenario)] = &[
    ("S160", |s| {
        s.source.put("INBOX", &[mail("flag", 1).flagged("\\Seen")]);
        s.target.put("INBOX", &[mail("flag", 1).flagged("\\Flagged")]);
        s.run(&["--resyncflags"], 0);
        assert_eq!(s.flags("INBOX"), ["\\Seen"]);
    }),
    ("S161", |s| {
        s.source.put("INBOX", &[mail("flag", 1).flagged("\\Seen")]);
        s.target.put("INBOX", &[mail("flag", 1).flagged("\\Flagged")]);
        s.run(&["--noresyncflags"], 0);
        assert_eq!(s.flags("INBOX"), ["\\Flagged"]);
    }),
    ("S162", |s| {
        s.source.put("INBOX", &[mail("flag", 1).flagged("\\Seen $Label1"), mail("flag", 2)]);
        s.run(&["--syncflagsaftercopy"], 0);
        assert_eq!(s.flags("INBOX"), ["$Label1 \\Seen", ""]);
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
    ("S168", |s| {
        s.source
            .put("INBOX", &[mail("flag", 1).flagged("Junk \\Answered $Forwarded \\Seen other")]);
        let options = [
            "--regexflag",
            r"s/(.*)/$1 jrdH8u/",
            "--regexflag",
            r"s/.*?(\\Seen|\\Answered|\\Flagged|\\Deleted|\\Draft|jrdH8u)/$1 /g",
            "--regexflag",
            r"s/(\\Seen|\\Answered|\\Flagged|\\Deleted|\\Draft|jrdH8u) (?!(\\Seen|\\Answered|\\Flagged|\\Deleted|\\Draft|jrdH8u)).*/$1 /",
            "--regexflag",
            "s/jrdH8u *//",
        ];
        s.run(&options, 0);
        assert_eq!(s.flags("INBOX"), ["\\Answered \\Seen"]);
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
    ("S173", |s| {
        let s = s.with(&[("INBOX", 1)]);
        s.run(&["--nosyncinternaldates"], 0);
        let instant = s.target.read().messages("INBOX")[0].instant;
        assert!((now() - instant).abs() < 600, "{instant}");
    }),
    // The server has no ACL, and none are copied.
    ("S174", |s| {
        let s = s.with(&[("INBOX", 1)]);
        has(&s.run(&["--syncacl"], 0), &["--syncacls has no effect"]);
        s.assert_arrived(&[("INBOX", 1)]);
    }),
];

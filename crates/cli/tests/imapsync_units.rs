//! The unit rows of imapsync's catalogue (`tests/data/imapsync/units.tsv`). Most are tests of the
//! rooms that do the work, and say their numbers there; here are those of expressions and of the
//! command line.
#![allow(clippy::unwrap_used, clippy::panic, clippy::expect_used)]

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::path::Path;

use mailferry_cli::imapsync::getopt::UsageError;
use mailferry_cli::imapsync::settings::Request;
use mailferry_cli::imapsync::{ImapsyncOptions, echo, parse};
use mailferry_engine::message::{Flag, FlagSet};
use mailferry_expression::{Match, Rewrite, Variables};

const CATALOGUE: &str = include_str!("../../../tests/data/imapsync/units.tsv");

/// Rows about what this program does not have, and why.
const NOT_HERE: &[(&str, &str)] = &[
    ("U54", "pairs are kept in one database, which forgets those whose messages are gone"),
    ("U56", "one UID of host2 is kept for one message, the one that was copied"),
    ("U57", "folders of mail are not folders of a cache"),
    ("U58", "pairs are not names of files"),
];

fn numbers() -> BTreeSet<&'static str> {
    CATALOGUE.lines().skip(1).filter_map(|line| line.split('\t').next()).collect()
}

/// The texts of the repository's Rust files below a folder.
fn sources(folder: &Path, texts: &mut Vec<String>) {
    for entry in fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() {
            sources(&path, texts);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            texts.push(fs::read_to_string(&path).unwrap());
        }
    }
}

#[test]
fn every_unit_row_is_a_test_or_said_not_to_be() {
    let mut texts = Vec::new();
    sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join(".."), &mut texts);
    let said: BTreeSet<&str> = NOT_HERE.iter().map(|(number, _)| *number).collect();
    let is_named = |number: &str| {
        let beside = |octet: Option<u8>| octet.is_none_or(|octet| !octet.is_ascii_alphanumeric());
        texts.iter().any(|text| {
            text.match_indices(number).any(|(at, _)| {
                let around = text.as_bytes();
                let before = at.checked_sub(1).and_then(|at| around.get(at).copied());
                beside(before)
                    && beside(around.get(at + number.len()).copied())
                    && before != Some(b'"')
            })
        })
    };
    let missing: Vec<&str> = numbers()
        .into_iter()
        .filter(|number| !said.contains(number) && !is_named(number))
        .collect();
    assert!(missing.is_empty(), "no test names {missing:?}");
    assert_eq!(numbers().len(), 66);
    assert!(said.is_subset(&numbers()));
}

fn rewritten(rules: &[&str], text: &[u8]) -> Vec<u8> {
    rules.iter().fold(text.to_vec(), |text, rule| {
        let rule = Rewrite::parse(rule.as_bytes(), &Variables::default()).unwrap();
        rule.apply(&text).unwrap().into_owned()
    })
}

fn flags(rules: &[&str], text: &str) -> String {
    String::from_utf8(rewritten(rules, text.as_bytes())).unwrap()
}

fn options(words: &[&str]) -> ImapsyncOptions {
    let accounts = ["--host1", "h1", "--user1", "u1", "--host2", "h2", "--user2", "u2"];
    let words = accounts.iter().chain(words).map(OsString::from);
    let parsed = parse(words).unwrap_or_else(|errors| panic!("{errors}"));
    match Request::read(&parsed) {
        Ok(Request::Run(options)) => *options,
        other => panic!("{other:?}"),
    }
}

/// U22.
#[test]
fn hosts_have_neither_blanks_nor_slashes() {
    assert_eq!(options(&["--host1", " imap.exa/m ple.org "]).side1.host, "imap.example.org");
}

/// U29 and U32: case of the system's flags, and blanks between flags, are no matter.
#[test]
fn flags_of_the_system_have_one_spelling() {
    let flags = |text: &str| -> Vec<String> {
        let set: FlagSet = text.split_whitespace().map(|it| Flag::new(it.as_bytes())).collect();
        set.iter().map(|flag| String::from_utf8_lossy(flag.as_bytes()).into_owned()).collect()
    };
    assert_eq!(flags("\\DELETED \\Seen"), ["\\Deleted", "\\Seen"]);
    let mut three = flags("\\DRAFT  LALA \\SEEN");
    three.sort();
    assert_eq!(three, ["LALA", "\\Draft", "\\Seen"]);
}

/// U33.
#[test]
fn flags_that_no_server_should_have_leave_holes() {
    let rules = options(&["--filterbuggyflags"]).messages.flag_rewrites;
    let before = "\\Deleted \\Answered \\RECEIPTCHECKED \\Draft \\Indexed \\Flagged \\JUNK \\Junk";
    let after = rules[0].rule.apply(before.as_bytes()).unwrap();
    assert_eq!(*after, b"\\Deleted \\Answered  \\Draft  \\Flagged  "[..]);
}

/// U34, U36 and U37.
#[test]
fn flags_are_rewritten_as_perl_does() {
    assert_eq!(flags(&["s/NonJunk//g"], "\\Seen NonJunk $Spam"), "\\Seen  $Spam");
    let keep = r"s/.*?(?:(\\(?:Answered|Flagged|Deleted|Seen|Draft)\s?)|$)/defined($1)?$1:q()/eg";
    assert_eq!(
        flags(&[keep], "Blabla \\$Junk \\Deleted machin \\Answered truc"),
        "\\Deleted \\Answered "
    );
    let trio = [
        "s/(.*)/$1 jrdH8u/",
        "s/.*?(Keep1|Keep2|Keep3|jrdH8u)/$1 /g",
        "s/(Keep1|Keep2|Keep3|jrdH8u) (?!(Keep1|Keep2|Keep3|jrdH8u)).*/$1 /g",
        "s/jrdH8u *//",
    ];
    for text in ["REM Keep1 REM Keep2 REM", "REM Keep1 REM REM  Keep2"] {
        assert_eq!(flags(&trio, text), "Keep1 Keep2 ", "{text}");
    }
}

/// U60, U61, U62 and U64.
#[test]
fn messages_are_rewritten_as_perl_does() {
    let lines = b"0123456789\n".repeat(100);
    assert_eq!(rewritten(&[r"s/.{11}\K.*//gs"], &lines), b"0123456789\n");
    assert_eq!(rewritten(&[r"tr [\x80-\xff] [X]"], "\u{e9}a\u{e9}".as_bytes()), b"XXaXX");
    let ended = r"s{(?<![\n])\z}{\r\n}gxms";
    for (text, expected) in
        [("", "\r\n"), ("abc", "abc\r\n"), ("abc\ndef", "abc\ndef\r\n"), ("abc\r\n", "abc\r\n")]
    {
        assert_eq!(rewritten(&[ended], text.as_bytes()), expected.as_bytes(), "{text:?}");
    }
    let without_from = r"s{\AFrom [^\n]*\n}{}";
    for (text, expected) in [
        ("From x\nA: b\n", "A: b\n"),
        ("From: x\nA: b\n", "From: x\nA: b\n"),
        ("A: b\n\nFrom x\n", "A: b\n\nFrom x\n"),
    ] {
        assert_eq!(rewritten(&[without_from], text.as_bytes()), expected.as_bytes(), "{text:?}");
    }
}

/// U65.
#[test]
fn a_match_leaves_a_message_out() {
    let matches = |rule: &str, text: &str| {
        let rule = Match::parse(rule.as_bytes(), &Variables::default()).unwrap();
        rule.is_match(text.as_bytes()).unwrap()
    };
    assert!(matches("/popopo/", "popopo"));
    assert!(matches(r"m{\A(?!.*i)}", "without that letter".replace('i', "j").as_str()));
    assert!(!matches(r"m{\A(?!.*i)}", "with it"));
}

/// U78.
#[test]
fn command_lines_are_read_as_by_getopt_long() {
    let errors = |words: &[&str]| match parse(words.iter().map(OsString::from)) {
        Ok(_) => panic!("{words:?} was understood"),
        Err(errors) => errors.0,
    };
    assert_eq!(errors(&["--noexist"]), [UsageError::Unknown("noexist".into())]);
    assert_eq!(errors(&["--delete", "2"]), [UsageError::DeleteThenTwo]);
    assert_eq!(errors(&["stray"]), [UsageError::StrayWord { place: 1 }]);
    assert_eq!(options(&["--host1", "H"]).side1.host, "H");
}

/// U80; unlike imapsync's the other form is masked, too.
#[test]
fn passwords_are_masked_in_the_echo() {
    let shown = |words: &[&str]| {
        let parsed = parse(words.iter().map(OsString::from)).unwrap_or_else(|_| panic!());
        echo::command_line(&parsed)
    };
    assert_eq!(shown(&["--password1", "secret", "--dry"]), "--password1 MASKED --dry");
    assert_eq!(shown(&["--password1=secret", "--dry"]), "--password1=MASKED --dry");
}

/// U86.
#[test]
fn a_cache_and_a_look_at_other_folders_exclude_each_other() {
    let words = ["--usecache", "--skipcrossduplicates", "--host1", "a", "--user1", "b"];
    let parsed = parse(words.map(OsString::from)).unwrap_or_else(|errors| panic!("{errors}"));
    let refusals = Request::read(&parsed).unwrap_err();
    assert_eq!(refusals.status().number(), 64);
    assert!(refusals.to_string().contains("--usecache --skipcrossduplicates"), "{refusals}");
}

//! Every expression that imapsync's documents and users write down (`data/regex-corpus.tsv`), with
//! what Perl 5.36 makes of fixed samples, or with the reason for which it is refused here.
#![allow(clippy::unwrap_used)]

use mailferry_expression::{Match, PatternFlags, Rewrite, Unusable, Variables};

const CORPUS: &str = include_str!("data/regex-corpus.tsv");

const FOLDERS: [&str; 10] = [
    "INBOX",
    "INBOX.Sent",
    "INBOX.yop.YAP",
    "[Gmail]/Sent Mail",
    "Junk 2013/ a ",
    "q'u\"o\\te^x",
    "Inbox\\Mail",
    "&AC8-a&APg-b",
    "INBOX.a/b",
    "Contacts",
];

const FLAGS: [&str; 5] = [
    "\\Seen \\Answered $Forwarded NonJunk",
    "\\Flagged \\Indexed \\FORWARDED",
    "",
    "$label1 \\Draft $Junk \"Junk\" $MDNSent IMPORTANT",
    "Keep1 REM Keep2",
];

const MESSAGES: [(&str, &[u8]); 2] = [
    (
        "M1",
        b"From  x\nReceived: from hkuhp22.hku.hk\nDate: (Invalid)\n\
        From:<tartanpion@machin.truc>\nDisposition-Notification-To: z\n\
        Content-Type: Message/Partial; x\n\nbody popo\x00\x80\xff\x00\x00",
    ),
    (
        "M2",
        b"Received: by x\r\nDate: Sat, 10 Jul 2010 05:34:45 -0700\r\n\
        Disposition-Notification-To: z\r\nX-Spam-Report: a\r\nb\r\nSubject: c\r\n\r\n\
        Hi 0123456789\r\n",
    ),
];

const EXTRA_FOLDERS: [&str; 9] =
    ["INBOX.NEW", "NEW_2", "INBOX.Junk", "Junk", "Tasks", "[Gmail]/x", "SUB", "FooArchiv", "a b"];

const HEADER_LINES: [&str; 4] =
    ["MESSAGE-ID: <A@B>", "RECEIVED: FROM; X", "DATE: MON", "X-FOO: BAR"];

/// Expressions that are refused, and a part of the reason. Perl refuses those as well, but for
/// `--delete2foldersonly` with a bare word: there imapsync ignores that it failed, and deletes
/// everything.
const REFUSED: [(&str, &str, &str); 10] = [
    ("regextrans2", r"s,^Inbox\(.*),$1,i", "octet 13: the pattern is broken: unmatched closing"),
    ("regexmess", "I am BAD", "octet 1: this is no `s/"),
    ("regexmess", "lalala", "octet 1: this is no `s/"),
    ("skipmess", r"m/[\x80-ff]/", "octet 9: the pattern is broken: range out of order"),
    ("skipmess", "[", "octet 1: this is no `/"),
    ("regexflag", "s/$MDNSent//g", "octet 3: `$MDNSent` is a Perl variable"),
    ("regexflag", "I am BAD", "octet 1: this is no `s/"),
    ("delete2foldersonly", "SUB.", "octet 1: this is no `/"),
    ("delete2foldersonly", "NEW_2", "octet 1: this is no `/"),
    ("delete2foldersonly", "FooArchiv", "octet 1: this is no `/"),
];

struct Row<'a> {
    option: &'a str,
    expression: &'a str,
    result: &'a str,
}

fn rows() -> Vec<Row<'static>> {
    let row = |line: &'static str| {
        let columns: Vec<&str> = line.split('\t').collect();
        assert_eq!(columns.len(), 8, "{line}");
        Row { option: columns[0], expression: columns[1], result: columns[7] }
    };
    CORPUS.lines().skip(1).map(row).collect()
}

fn variables() -> Variables {
    Variables::default()
        .with("user1", b"bob")
        .with("h1_current_folder", b"Work")
        .with("h2_prefix", b"INBOX.")
        .with("h2_sep", b".")
        .with("subfolder2", b"Sub")
}

/// As the column of results is written.
fn written(octets: &[u8]) -> String {
    octets.iter().fold(String::new(), |mut text, octet| {
        match octet {
            b'\\' => text.push_str("\\\\"),
            b'\n' => text.push_str("\\n"),
            b'\r' => text.push_str("\\r"),
            b' '..=b'~' => text.push(char::from(*octet)),
            _ => text.push_str(&format!("\\x{octet:02x}")),
        }
        text
    })
}

fn rewritten(rule: &Rewrite, samples: &[&str]) -> String {
    let changed: Vec<String> = samples
        .iter()
        .filter_map(|sample| {
            let result = rule.apply(sample.as_bytes()).unwrap();
            (*result != *sample.as_bytes()).then(|| format!("[{sample}]=>[{}]", written(&result)))
        })
        .collect();
    if changed.is_empty() { "no change on samples".to_owned() } else { changed.join(" ; ") }
}

fn messages_rewritten(rule: &Rewrite) -> String {
    let result = MESSAGES.map(|(name, message)| {
        let result = rule.apply(message).unwrap();
        if *result == *message {
            format!("{name}:unchanged")
        } else {
            format!("{name}=>{}", written(&result))
        }
    });
    result.join(" ; ")
}

fn chosen(rule: &Match, samples: &[&str], wanted: bool) -> String {
    let chosen = samples.iter().filter(|name| rule.is_match(name.as_bytes()).unwrap() == wanted);
    chosen.copied().collect::<Vec<_>>().join(" | ")
}

fn result_of(row: &Row<'_>) -> Result<String, Unusable> {
    let text = row.expression.as_bytes();
    let rewrite = || Rewrite::parse(text, &variables());
    let matching = || Match::parse(text, &variables());
    Ok(match row.option {
        "regextrans2" => rewritten(&rewrite()?, &FOLDERS),
        "regexflag" => rewritten(&rewrite()?, &FLAGS),
        "regexmess" => messages_rewritten(&rewrite()?),
        "skipmess" => {
            let rule = matching()?;
            let fate = |message| if rule.is_match(message).unwrap() { "skip" } else { "keep" };
            MESSAGES.map(|(name, message)| format!("{name}:{}", fate(message))).join(" ; ")
        }
        "include" | "exclude" => {
            let rule = Match::pattern(text, PatternFlags::Plain)?;
            format!("matches: {}", chosen(&rule, &FOLDERS, true))
        }
        "skipheader" => {
            let rule = Match::pattern(text, PatternFlags::ExtendedIgnoringCase)?;
            format!("skips: {}", chosen(&rule, &HEADER_LINES, true))
        }
        "delete2foldersonly" => {
            format!("would delete: {}", chosen(&matching()?, &EXTRA_FOLDERS, true))
        }
        "delete2foldersbutnot" => {
            format!("would delete: {}", chosen(&matching()?, &EXTRA_FOLDERS, false))
        }
        other => panic!("what is {other}?"),
    })
}

#[test]
fn every_expression_does_what_it_does_in_perl_or_is_refused_by_name() {
    let mut wrong = Vec::new();
    let mut commands = 0;
    let (mut same, mut refused) = (0, 0);
    for row in &rows() {
        if matches!(row.option, "pipemess" | "maxlinelengthcmd") {
            commands += 1;
            continue;
        }
        let Row { option, expression, result: expected } = row;
        let reason = REFUSED.iter().find(|(o, e, _)| o == option && e == expression);
        match (result_of(row), reason) {
            (Err(unusable), Some((_, _, reason))) if unusable.to_string().contains(reason) => {
                assert!(!unusable.instead().is_empty());
                refused += 1;
            }
            (Ok(result), None) if is_as_written(&result, expected) => same += 1,
            (result, _) => {
                let result = result.unwrap_or_else(|unusable| unusable.to_string());
                wrong.push(format!("{option} {expression}\n  Perl: {expected}\n  here: {result}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!((same, refused, commands), (175, REFUSED.len(), 10));
}

/// Long results are cut short in the corpus. The result of the empty pattern is told there in
/// words; it is an empty pattern here, never the last one that matched.
fn is_as_written(result: &str, expected: &str) -> bool {
    if expected.starts_with("observed in imapsync: inserts \\Seen at the start") {
        return result.contains("[]=>[\\\\Seen ]");
    }
    match expected.strip_suffix("...") {
        Some(beginning) => result.starts_with(beginning),
        None => result.trim_end() == expected.trim_end(),
    }
}

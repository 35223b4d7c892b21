//! Perl's expressions and the names they meet, mutated: some expression or some error, in bounded
//! time and room. `FUZZ_SECONDS` says for how long (`mailferry_testkit::fuzz`).

#![allow(clippy::unwrap_used)]

use mailferry_expression::{Exceeded, Match, OUTPUT_OCTETS_MAX, PatternFlags, Rewrite, Variables};
use mailferry_testkit::fuzz::{Grammar, INPUTS_MIN, hunt, shape};

const EXPRESSIONS: Grammar = Grammar {
    words: &[
        b"s/",
        b"tr/",
        b"y/",
        b"m/",
        b"/",
        b",",
        b"{",
        b"}",
        b"(",
        b")",
        b"[",
        b"]",
        b"#",
        b"|",
        b"\\",
        b"$1",
        b"${1}",
        b"\\1",
        b"\\U",
        b"\\L",
        b"\\Q",
        b"\\E",
        b"\\x{41}",
        b"\\o{7}",
        b"\\N{U+41}",
        b"\\K",
        b"\\G",
        b"a-z",
        b".*",
        b"+",
        b"?",
        b"{2}",
        b"{1,99999}",
        b"^",
        b"(?=",
        b"(?<!",
        b"(?i)",
        b"(?R)",
        b"(*",
        b"(?1)",
        b"gi",
        b"e",
        b"x",
        b"$sync->{",
        b"defined($1)?$1:q()",
        b"(a+)+$",
        b"(a|a)*b",
        b"\\p{L}",
    ],
};

#[test]
fn no_expression_panics_hangs_or_grows() {
    let seeds = [
        r"s/\bINBOX\b/Old/gi",
        r"s,^Foo(.*)$,Bar$1,",
        r"tr/a-zA-Z0-9//cd",
        r"y/ /_/",
        r"m/^\\(Seen|Answered)$/i",
        r"s{(\w+)/(\w+)}{$2/\U$1\E}g",
        r"s/(a+)+$/x/",
    ];
    let seeds = seeds.map(|it| it.as_bytes().to_vec()).to_vec();
    let inputs = hunt("expressions", seeds, EXPRESSIONS, |expression| {
        let variables = Variables::default().with("user1", b"a.b");
        let texts: [&[u8]; 3] =
            [b"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!", b"INBOX/\xc3\xa9t\xe9", expression];
        let rewrite = Rewrite::parse(expression, &variables);
        for text in texts {
            match rewrite.as_ref().map(|rule| rule.apply(text)) {
                Ok(Ok(result)) => assert!(result.len() <= OUTPUT_OCTETS_MAX + text.len()),
                Ok(Err(exceeded)) => assert!(!matches!(exceeded, Exceeded::Other(_)), "{exceeded}"),
                Err(unusable) => assert!(unusable.at <= expression.len(), "{unusable}"),
            }
        }
        let pattern = Match::pattern(expression, PatternFlags::ExtendedIgnoringCase);
        let matching = Match::parse(expression, &variables);
        for rule in [&pattern, &matching].into_iter().flatten() {
            for text in texts {
                let found = rule.is_match(text);
                assert!(!matches!(found, Err(Exceeded::Other(_))), "{found:?}");
            }
        }
        let problem = rewrite.as_ref().err().map(|unusable| format!("{:?}", unusable.problem));
        shape(&(problem, pattern.is_ok(), matching.is_ok()))
    });
    assert!(inputs >= INPUTS_MIN);
}

//! What Perl would not end, or end without memory, is told by name.
#![allow(clippy::unwrap_used)]

use mailferry_expression::{
    Exceeded, HEAP_OCTETS_MAX, Match, OUTPUT_OCTETS_MAX, PatternFlags, Problem, Rewrite, Variables,
};

fn matching(pattern: &str, text: &[u8]) -> Result<bool, Exceeded> {
    Match::pattern(pattern.as_bytes(), PatternFlags::Plain).unwrap().is_match(text)
}

#[test]
fn a_pattern_that_tries_too_many_ways_is_given_up() {
    let text = "a".repeat(40);
    let found = matching("^(a|a?)+$", (text + "b").as_bytes());
    assert!(matches!(found, Err(Exceeded::Steps(_))), "{found:?}");
}

#[test]
fn a_pattern_that_remembers_too_much_is_given_up() {
    let text = vec![b'x'; 16 * 1024 * 1024];
    let found = matching(r"\A(?:a|b|.|\n)*\z", &text);
    assert_eq!(found, Err(Exceeded::Memory(HEAP_OCTETS_MAX)));
}

/// What does not fit on the thread's own stack gets one of its own.
#[test]
fn a_short_text_may_need_much_stack() {
    let text = vec![b'x'; 4000];
    assert_eq!(matching(r"\A(?:(a)|(b)|(.)|(\n))*\z", &text), Ok(true));
}

/// Found by the fuzzer. Perl ends such a match with "Infinite recursion in regex".
#[test]
fn a_pattern_that_only_calls_itself_is_given_up() {
    for pattern in ["(?R)", "(?R)|a", "(?:(?R))+"] {
        assert_eq!(matching(pattern, b"aaab"), Err(Exceeded::Recursion), "{pattern}");
    }
}

#[test]
fn a_result_that_grows_too_long_is_given_up() {
    let text = vec![b'x'; 20_000];
    let rule = Rewrite::parse(b"s/x/$`$'/g", &Variables::default()).unwrap();
    assert_eq!(rule.apply(&text), Err(Exceeded::Output(OUTPUT_OCTETS_MAX)));
}

#[test]
fn a_pattern_may_be_too_large_to_compile() {
    let broken = Rewrite::parse(b"s/(?:(?:abcd){1000}){1000}//", &Variables::default());
    let unusable = broken.unwrap_err();
    assert!(matches!(unusable.problem, Problem::Pattern(_)), "{unusable}");
}

/// PCRE2 has settings at the head of a pattern that Perl does not have, and must not obey.
#[test]
fn a_pattern_cannot_lift_the_bounds() {
    for head in ["(*UTF)", "(*LIMIT_MATCH=4000000000)", "(*NO_JIT)", "(*CRLF)"] {
        let broken = Match::pattern(format!("{head}a").as_bytes(), PatternFlags::Plain);
        assert!(broken.is_err(), "{head}");
    }
}

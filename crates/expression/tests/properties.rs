//! Any octets are some expression or some error, and a text comes out of any expression in
//! bounded time.
#![allow(clippy::unwrap_used)]

use mailferry_expression::{Exceeded, Match, OUTPUT_OCTETS_MAX, PatternFlags, Rewrite, Variables};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

/// Parts of which expressions are made, and some that do not belong together.
fn fragments() -> impl Strategy<Value = Vec<u8>> {
    let parts: Vec<&'static [u8]> = vec![
        b"s",
        b"tr",
        b"y",
        b"m",
        b"/",
        b"/",
        b"/",
        b",",
        b"{",
        b"}",
        b"(",
        b")",
        b"[",
        b"]",
        b"'",
        b"#",
        b"|",
        b"\\",
        b"\\\\",
        b"$",
        b"@",
        b"&",
        b"$1",
        b"${1}",
        b"\\1",
        b"\\U",
        b"\\L",
        b"\\u",
        b"\\Q",
        b"\\E",
        b"\\x{41}",
        b"\\x",
        b"\\o{7}",
        b"\\c",
        b"\\N{U+41}",
        b"\\K",
        b"\\G",
        b"a",
        b"-",
        b"a-z",
        b".",
        b"*",
        b"+",
        b"?",
        b"{2}",
        b"^",
        b"(?=",
        b"(?<!",
        b"(?i)",
        b"(?#",
        b"(*",
        b"g",
        b"i",
        b"e",
        b"r",
        b"x",
        b" ",
        b"\n",
        b";",
        b"\xff",
        b"\x00",
        b"$sync->{",
        b"user1",
        b"defined($1)?$1:q()",
    ];
    vec(select(parts), 0..24).prop_map(|parts| parts.concat())
}

fn whole_expressions() -> impl Strategy<Value = Vec<u8>> {
    (fragments(), fragments(), "[gimsxd]{0,3}").prop_map(|(pattern, replacement, modifiers)| {
        [b"s\x01", &pattern[..], b"\x01", &replacement, b"\x01", modifiers.as_bytes()]
            .concat()
            .into_iter()
            // A delimiter that no part has.
            .map(|octet| if octet == 1 { b'!' } else { octet })
            .collect()
    })
}

fn try_all(expression: &[u8], text: &[u8]) {
    let variables = Variables::default().with("user1", b"a.b");
    let unusable = match Rewrite::parse(expression, &variables) {
        Ok(rule) => {
            match rule.apply(text) {
                Ok(result) => assert!(result.len() <= OUTPUT_OCTETS_MAX + text.len()),
                Err(exceeded) => assert!(!matches!(exceeded, Exceeded::Other(_)), "{exceeded}"),
            }
            None
        }
        Err(unusable) => Some(unusable),
    };
    let pattern = Match::pattern(expression, PatternFlags::ExtendedIgnoringCase);
    let matching = Match::parse(expression, &variables);
    for rule in [&pattern, &matching].into_iter().flatten() {
        let found = rule.is_match(text);
        assert!(!matches!(found, Err(Exceeded::Other(_))), "{found:?}");
    }
    for unusable in unusable.iter().chain(pattern.as_ref().err()).chain(matching.as_ref().err()) {
        assert!(unusable.at <= expression.len(), "{unusable}");
        assert!(!unusable.instead().is_empty());
    }
}

proptest! {
    #[test]
    fn any_octets_are_some_expression(expression in vec(any::<u8>(), 0..64), text in vec(any::<u8>(), 0..64)) {
        try_all(&expression, &text);
    }

    #[test]
    fn any_fragments_are_some_expression(expression in fragments(), text in "[a-cA-C1@$. \\\\]{0,24}") {
        try_all(&expression, text.as_bytes());
    }

    #[test]
    fn any_pattern_and_replacement_are_some_expression(
        expression in whole_expressions(),
        text in "[a-cA-C1@$. \\\\]{0,24}",
    ) {
        try_all(&expression, text.as_bytes());
    }

    /// What is quoted is what is meant.
    #[test]
    fn a_quoted_text_is_found_as_it_stands(needle in "[ -.0-~]{1,12}", around in "[a-c]{0,4}") {
        prop_assume!(!needle.contains(['\\', '$', '@']));
        let rule = Rewrite::parse(format!("s/\\Q{needle}\\E/<$&>/").as_bytes(), &Variables::default());
        let text = format!("{around}{needle}{around}");
        let result = rule.unwrap().apply(text.as_bytes()).unwrap().into_owned();
        prop_assert_eq!(String::from_utf8(result).unwrap(), text.replacen(&needle, &format!("<{needle}>"), 1));
    }
}

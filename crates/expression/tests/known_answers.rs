//! What Perl 5.36 answered to single expressions, for each rule of its reader.
#![allow(clippy::unwrap_used)]

use mailferry_expression::{Problem, Rewrite, Unusable, Variables};

fn parse(expression: &str) -> Result<Rewrite, Unusable> {
    Rewrite::parse(expression.as_bytes(), &Variables::default().with("user1", b"b.b"))
}

#[track_caller]
fn assert_results(rows: &[(&str, &str, &str)]) {
    for (text, expression, expected) in rows {
        let rule = parse(expression).unwrap_or_else(|unusable| panic!("{unusable}"));
        let result = rule.apply(text.as_bytes()).unwrap().into_owned();
        assert_eq!(String::from_utf8_lossy(&result), *expected, "{expression} on {text}");
    }
}

#[test]
fn any_delimiters_serve() {
    assert_results(&[
        ("ab", "s{a} {b}", "bb"),
        ("ab", "s{a}\n # c\n /b/", "bb"),
        ("ab", "s(a)[b]", "bb"),
        ("ab", "s xaxbx", "bb"),
        ("ab", "s#a#b#", "bb"),
        ("ab", "s;a;b;", "bb"),
        ("ab", "s=a=b=", "bb"),
        ("ab", "s{a{1,2}}{b}", "bb"),
        ("ab", " s\n/a/b/ ; # c", "bb"),
        ("a/b", r"s,a\/b,x\,y,", "x,y"),
        ("a,b", r"s,a\,b,x\,y,", "x,y"),
        ("ab", r"s'a'\n$1\\'", r"\n$1\b"),
    ]);
}

/// Only brackets are taken as they stand behind a backslash.
#[test]
fn an_escaped_delimiter_is_what_it_would_be_elsewhere() {
    assert_results(&[
        ("a{2}b", r"s{a\{2\}}{x}", "xb"),
        ("a|b", r"s|a\|b|x|", "x|b"),
        ("a[c", r"s[a\[][x]", "xc"),
    ]);
}

#[test]
fn groups_and_escapes_of_the_replacement() {
    assert_results(&[
        ("abc", "s/(.)/${1}[0]/", "a[0]bc"),
        ("abc", "s/(.)/$1 [0]/", "a [0]bc"),
        ("abc", "s/(.)/${ 1 }x/", "axbc"),
        ("abc", "s/(.)/$1->x/", "a->xbc"),
        ("abc", r"s/(.)/\1\1/", "aabc"),
        ("abc", r"s/(.)/\10/", "\u{8}bc"),
        ("abc", "s/(.)/$2$10/", "bc"),
        ("abab", "s/b/[$`|$&]/g", "a[a|b]a[aba|b]"),
        ("abc", "s/b/[$`|$&|$']/g", "a[a|b|c]c"),
        ("abc", r"s/b/\x{41}\x42\x4\103\o{104}\N{U+45}\e/", "aAB\u{4}CDE\u{1b}c"),
        ("ab", r"s/a/\z\-\q\8\t/", "z-q\tb"),
        ("abc", "s/b/defined($1)?$1:q()/e", "ac"),
        ("abc", "s/(b)|c/defined $1 ? $1 : \"\"/ge", "ab"),
        ("a.b", "s/a/x@.c @/", "x@.c @.b"),
        ("abc", r"s/b/\@x/", "a@xc"),
    ]);
}

#[test]
fn cases_nest_as_in_perl() {
    assert_results(&[
        ("FooBar", r"s/(\w+)/\u\L$1\E!Abc/", "Foobar!Abc"),
        ("FooBar", r"s/(\w+)/\L\u$1\E!Abc/", "Foobar!Abc"),
        ("FooBar", r"s/(Foo)(Bar)/\L$1\U$2/", "fooBAR"),
        ("FooBar", r"s/(Foo)(Bar)/\u\L$3\E$2x/", "Barx"),
        ("FooBar", r"s/(Foo)(Bar)/\Qa.b$1.\E./", r"a\.bFoo\.."),
        ("FooBar", r"s/(Foo)(Bar)/\Q\L.A\Ub.c/", r"\.aB\.C"),
        ("FooBar", r"s/(Foo)(Bar)/\U\l$1/", "fOO"),
        ("FooBar", r"s/(Foo)(Bar)/\Q\E$1/", "Foo"),
        ("foobar", r"s/\Ufoo\Ebar/x/", "foobar"),
        ("fWobar", r"s/\L\W/x/", "xWobar"),
    ]);
}

#[test]
fn an_empty_match_is_not_found_twice() {
    assert_results(&[
        ("abxc", "s/x*/-/g", "-a-b--c-"),
        ("aaa", r"s/a\K/b/g", "ababab"),
        ("a\n", "s/$/b/g", "ab\nb"),
        ("a\nb\n", "s/^/>/gm", ">a\n>b\n"),
        ("a\nb\n", "s/$/</gm", "a<\nb<\n<"),
        ("abc", r"s/\b/|/g", "|abc|"),
        ("abc", "s/(?=b)|c/|/g", "a|b|"),
        ("abcabc", r"s/\Gabc?/x/g", "xx"),
        ("", "s/^/x/g", "x"),
        ("abc", "s//x/", "xabc"),
    ]);
}

#[test]
fn dollars_and_at_signs_of_the_pattern() {
    assert_results(&[
        ("a", "s/$|b/x/", "ax"),
        ("a", "s/(a$)/x/", "x"),
        ("a@b", "s/@/x/", "axb"),
        ("a@b", "s/a@/x/", "xb"),
        ("abc", "s/(?#@x $y)b/y/", "ayc"),
        ("abc", "s/a #@x\n/y/x", "ybc"),
        ("a c", "s/a[ #]c/y/x", "y"),
        ("abxb", "s/$sync->{user1}/<$mysync->{ 'user1' }>/", "a<b.b>"),
        ("abxb", r"s/\Q$sync->{user1}/x/", "abxb"),
    ]);
}

#[test]
fn transliteration() {
    assert_results(&[
        ("abc", "tr/a-c/A-C/", "ABC"),
        ("a-c", r"tr/a\-c/xyz/", "xyz"),
        ("aabbcc", "tr/a-c//s", "abc"),
        ("aabbcc", "tr/ab/x/s", "xcc"),
        ("aabbcc", "tr/a//cd", "aa"),
        ("aabbcc", "tr/a/xy/c", "aayyyy"),
        ("abc", "tr/a-/xy/", "xbc"),
        ("aUb", r"tr/\U/x/", "axb"),
        ("aab", "tr/aa/xy/", "xxb"),
        ("abc", "y/abc/xy/d", "xy"),
        ("a$b", "tr/$/x/", "axb"),
        ("a-b", "tr/+--/x/", "axb"),
    ]);
}

#[track_caller]
fn assert_refused(expression: &str, at: usize, is_expected: impl Fn(&Problem) -> bool) {
    let Err(unusable) = parse(expression) else { panic!("{expression} is accepted") };
    assert!(unusable.at == at && is_expected(&unusable.problem), "{unusable:?}");
}

/// Perl takes some of these, by its own variables and arrays, for what nobody means.
#[test]
fn what_perl_would_interpolate_or_run_is_refused_where_it_stands() {
    for (expression, at) in [("s/@b/x/", 2), ("s/a/x@b.example/", 5), ("s,a,\\\\@{b},", 6)] {
        assert_refused(expression, at, |problem| matches!(problem, Problem::Array(_)));
    }
    for (expression, at) in
        [("s/a$b/x/", 3), ("s/[a$]/y/", 4), ("s/a/$b/", 4), ("s/a/$ 1/", 4), ("s/a/$0/", 5)]
    {
        assert_refused(expression, at, |problem| matches!(problem, Problem::Variable(_)));
    }
    for expression in ["s/(.)/$1[0]/", "s/(.)/$1{a}/", "s/(.)/$1->[0]/", r"s/(.)/\1[0]/"] {
        assert_refused(expression, 6, |problem| matches!(problem, Problem::Subscript(_)));
    }
    assert_refused("s/a/$sync->{other}/", 4, |problem| matches!(problem, Problem::Variable(_)));
    assert_refused("s/(.)$1/x/", 5, |problem| matches!(problem, Problem::EarlierGroup(_)));
    assert_refused("s/(.)/$01/", 7, |problem| *problem == Problem::GroupNumber);
    assert_refused("s/(.)/$1$/", 8, |problem| *problem == Problem::FinalDollar);
    assert_refused("s/a/lc($1)/e", 4, |problem| *problem == Problem::Code);
    assert_refused("s/a/'b'/ee", 9, |problem| *problem == Problem::Code);
    assert_refused("s/a(?{ 1 })/b/", 5, |problem| matches!(problem, Problem::Pattern(_)));
}

#[test]
fn what_is_no_single_expression_is_refused() {
    assert_refused("s/a/b/; s/b/c/", 8, |problem| *problem == Problem::Trailing);
    assert_refused("s/a/b/ g", 7, |problem| *problem == Problem::Trailing);
    assert_refused("s/a/b/z", 6, |problem| *problem == Problem::Modifier(b'z'));
    assert_refused("s/a/b/r", 6, |problem| *problem == Problem::ChangesNothing);
    assert_refused("s #a#b#", 7, |problem| matches!(problem, Problem::Unterminated(_)));
    assert_refused("s/a/b", 3, |problem| *problem == Problem::Unterminated(b'/'));
    assert_refused("s{a}", 4, |problem| *problem == Problem::Unterminated(b'}'));
    assert_refused("sab", 0, |problem| matches!(problem, Problem::NoOperator(_)));
    assert_refused("", 0, |problem| matches!(problem, Problem::NoOperator(_)));
    assert_refused("/a/", 0, |problem| matches!(problem, Problem::OtherOperator { .. }));
    assert_refused("tr/c-a/x/", 4, |problem| *problem == Problem::Range(b'c', b'a'));
    assert_refused("tr/a-c-e/x/", 6, |problem| *problem == Problem::AmbiguousRange);
    assert_refused(r"tr/a/\x{100}/", 5, |problem| *problem == Problem::NoOctet);
    assert_refused(r"s/\b{wb}/x/", 2, |problem| matches!(problem, Problem::Escape(_)));
    assert_refused(&format!("s/{}//", "a".repeat(70_000)), 0, |problem| {
        matches!(problem, Problem::TooLong(_))
    });
}

#[test]
fn an_error_names_the_expression_the_place_and_the_remedy() {
    let unusable = parse("s,$,@domain.example,").unwrap_err();
    assert_eq!(
        unusable.to_string(),
        "`s,$,@domain.example,`, octet 5: `@domain` is a Perl array, and not known here"
    );
    assert_eq!(unusable.instead(), r"write `\@` for an at sign");
}

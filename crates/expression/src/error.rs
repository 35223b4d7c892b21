//! What is wrong with an expression, and which bound a match reached.

use std::fmt;

use thiserror::Error;

/// An expression that cannot be used. It is found before anything is connected.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("`{expression}`, octet {}: {problem}", .at + 1)]
pub struct Unusable {
    /// The expression, what is not ASCII escaped.
    pub expression: String,
    /// Where in its octets the problem begins, from 0.
    pub at: usize,
    /// What is wrong.
    pub problem: Problem,
}

impl Unusable {
    /// What to write instead.
    #[must_use]
    pub fn instead(&self) -> String {
        self.problem.instead()
    }
}

/// What is wrong with an expression.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Problem {
    /// No operator at all: a bare word, or any other Perl.
    #[error("this is no {}", .0)]
    NoOperator(Wanted),
    /// An operator that does something else than what the option is for.
    #[error("`{found}` is no {wanted}")]
    OtherOperator {
        /// The operator that is there.
        found: &'static str,
        /// What the option takes.
        wanted: Wanted,
    },
    /// A part does not end.
    #[error("the closing `{}` is missing", char::from(*.0))]
    Unterminated(u8),
    /// Something behind the expression.
    #[error("more follows behind the expression")]
    Trailing,
    /// Too long to be read.
    #[error("it is longer than {0} octets")]
    TooLong(usize),
    /// A delimiter that is not supported.
    #[error("`{}` as a delimiter is not supported here", .0.escape_ascii())]
    Delimiter(u8),
    /// A modifier that Perl does not have, or that would need Perl.
    #[error("the modifier `{}` is not supported", .0.escape_ascii())]
    Modifier(u8),
    /// `/r`: the result would be thrown away.
    #[error("with the modifier `r` nothing would change")]
    ChangesNothing,
    /// `/e` with a program that is not known.
    #[error("Perl code is not run")]
    Code,
    /// A variable that is not known.
    #[error("`{0}` is a Perl variable, and not known here")]
    Variable(String),
    /// A capture group in the pattern by `$1`.
    #[error("`{0}` in a pattern is what an earlier expression captured")]
    EarlierGroup(String),
    /// An array.
    #[error("`{0}` is a Perl array, and not known here")]
    Array(String),
    /// A `$` at the end of a replacement.
    #[error("a `$` ends the replacement")]
    FinalDollar,
    /// `$1[` and the like.
    #[error("Perl reads `{0}` as an element of an array or hash")]
    Subscript(String),
    /// `$01`.
    #[error("the number of a group does not begin with 0")]
    GroupNumber,
    /// A code point above 0xff.
    #[error("the character is no octet: its number is above 255")]
    NoOctet,
    /// An escape that is not supported.
    #[error("the escape `{0}` is not supported")]
    Escape(String),
    /// `z-a` in `tr`.
    #[error("the range `{}-{}` is upside down", .0.escape_ascii(), .1.escape_ascii())]
    Range(u8, u8),
    /// `a-c-e` in `tr`.
    #[error("a range begins where another ends")]
    AmbiguousRange,
    /// PCRE2 refuses the pattern.
    #[error("the pattern is broken: {0}")]
    Pattern(String),
}

/// What an option takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// `s///` or `tr///`.
    Rewrite,
    /// `m//`.
    Match,
}

impl fmt::Display for Wanted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Rewrite => "`s/…/…/` or `tr/…/…/`",
            Self::Match => "`/…/` or `m{…}`",
        })
    }
}

impl Problem {
    fn instead(&self) -> String {
        let words = match self {
            Self::NoOperator(wanted) | Self::OtherOperator { wanted, .. } => {
                return format!("write {wanted}");
            }
            Self::Unterminated(delimiter) => {
                return format!(
                    "write `\\{0}` for a `{0}` that is meant, or take other delimiters: `s{{…}}{{…}}`",
                    char::from(*delimiter)
                );
            }
            Self::Trailing => {
                "give each expression in an option of its own; they are applied in \
                               the order in which they are given"
            }
            Self::TooLong(_) => "write a shorter one, or several",
            Self::Delimiter(_) => "take `/`, `,`, `#` or `{…}{…}`",
            Self::Modifier(_) => "take `g`, `i`, `m`, `s`, `x`; with `tr` `c`, `d`, `s`",
            Self::ChangesNothing => "leave the `r` out",
            Self::Code => {
                "write the replacement without `e`: `$1` stands for a group, and is empty where it \
                 took no part"
            }
            Self::Variable(_) => {
                "write `\\$` for a dollar sign; `$` for the end stands before `)`, `|`, a blank or \
                 the end of the pattern"
            }
            Self::EarlierGroup(_) => "write `\\1` for what a group of the same pattern captured",
            Self::Array(_) => "write `\\@` for an at sign",
            Self::FinalDollar => "write `\\$` for a dollar sign",
            Self::Subscript(_) => "write `${1}[`, with the number in braces",
            Self::GroupNumber => "write `$1`",
            Self::NoOctet => "write the character's octets, such as `\\xc3\\xa4`",
            Self::Escape(_) => "write the octet as `\\xHH`",
            Self::Range(..) => "write the smaller octet first, or `\\-` for a hyphen",
            Self::AmbiguousRange => "write `\\-` for a hyphen",
            Self::Pattern(_) => "write `\\` before each octet that is meant as it stands",
        };
        words.to_owned()
    }
}

/// A problem and where in the expression it begins.
#[derive(Debug)]
pub(crate) struct Located {
    pub(crate) at: usize,
    pub(crate) problem: Problem,
}

impl Located {
    pub(crate) fn of(self, expression: &[u8]) -> Unusable {
        Unusable { expression: shown(expression), at: self.at, problem: self.problem }
    }
}

/// Octets for people: what is readable as it stands, everything else escaped.
pub(crate) fn shown(octets: &[u8]) -> String {
    match std::str::from_utf8(octets) {
        Ok(text) if !text.chars().any(char::is_control) => text.to_owned(),
        _ => octets.iter().fold(String::new(), |mut text, &octet| {
            match octet {
                b' '..=b'~' => text.push(char::from(octet)),
                _ => text.push_str(&octet.escape_ascii().to_string()),
            }
            text
        }),
    }
}

impl Problem {
    pub(crate) fn at(self, at: usize) -> Located {
        Located { at, problem: self }
    }
}

/// A bound that a match reached. The text it was applied to is as it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Exceeded {
    /// The pattern tries too many ways.
    #[error("the pattern tries more ways to match than it may ({0})")]
    Steps(u32),
    /// It needs too much memory to remember the ways it tried.
    #[error("the pattern needs more memory to match than it may ({0} octets)")]
    Memory(usize),
    /// The replacements take too long.
    #[error("the expression takes longer than it may ({0} s)")]
    Time(u64),
    /// The result is too long.
    #[error("the result is longer than it may be ({0} octets)")]
    Output(usize),
    /// A part of the pattern calls itself before it took an octet: Perl's "Infinite recursion".
    #[error("the pattern calls itself without end")]
    Recursion,
    /// PCRE2 failed.
    #[error("the pattern cannot be matched: PCRE2 says {0}")]
    Other(i32),
}

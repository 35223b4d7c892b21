//! `m//`, and patterns on their own.

use crate::error::{Exceeded, Located, Problem, Unusable, Wanted};
use crate::pattern;
use crate::pcre2::{Empty, Options, Program};
use crate::source::{EXPRESSION_OCTETS_MAX, Expression, Operator};
use crate::substitution::pattern_modifier;
use crate::variable::Variables;

/// A test that a text passes or not.
#[derive(Debug)]
pub struct Match(Program);

/// The modifiers of a pattern on its own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PatternFlags {
    /// None.
    #[default]
    Plain,
    /// `x` and `i`: blanks in the pattern do not count, nor does the case of ASCII letters.
    ExtendedIgnoringCase,
}

impl Match {
    /// Reads `/…/`, `m{…}ism` and the like.
    ///
    /// # Errors
    /// What Perl would refuse, and what needs more of Perl than its expressions.
    pub fn parse(text: &[u8], variables: &Variables) -> Result<Self, Unusable> {
        Self::read(text, variables).map_err(|located| located.of(text))
    }

    /// Compiles a pattern that comes without operator and delimiters, as `--exclude` takes it.
    ///
    /// # Errors
    /// A broken pattern, and escapes that only mean something between delimiters.
    pub fn pattern(text: &[u8], flags: PatternFlags) -> Result<Self, Unusable> {
        let mut options = Options::default();
        if flags == PatternFlags::ExtendedIgnoringCase {
            options.add(Options::EXTENDED);
            options.add(Options::IGNORE_CASE);
        }
        if text.len() > EXPRESSION_OCTETS_MAX {
            return Err(Problem::TooLong(EXPRESSION_OCTETS_MAX).at(0).of(text));
        }
        pattern::compile_bare(text, options).map(Self).map_err(|located| located.of(text))
    }

    fn read(text: &[u8], variables: &Variables) -> Result<Self, Located> {
        let expression = Expression::read(text, Wanted::Match)?;
        let found = match expression.operator {
            Operator::Match => None,
            Operator::Substitute => Some("s///"),
            Operator::Transliterate => Some("tr///"),
        };
        if let Some(found) = found {
            return Err(Problem::OtherOperator { found, wanted: Wanted::Match }.at(0));
        }
        let mut options = Options::default();
        for &(letter, at) in &expression.modifiers {
            // One match is looked for, with `g` or without.
            if letter != b'g' {
                pattern_modifier(&mut options, letter, at)?;
            }
        }
        pattern::compile(&expression.first, options, variables).map(Self)
    }

    /// Whether the pattern matches anywhere in `text`.
    ///
    /// # Errors
    /// A bound was reached.
    pub fn is_match(&self, text: &[u8]) -> Result<bool, Exceeded> {
        self.0.matcher(text)?.find(0, Empty::Allowed)
    }
}

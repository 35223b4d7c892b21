//! An expression that changes a text.

use std::borrow::Cow;

use crate::error::{Exceeded, Located, Problem, Unusable, Wanted};
use crate::source::{Expression, Operator};
use crate::substitution::Substitution;
use crate::transliteration::Transliteration;
use crate::variable::Variables;

/// `s///` or `tr///`.
#[derive(Debug)]
pub struct Rewrite(Kind);

#[derive(Debug)]
enum Kind {
    Substitution(Substitution),
    Transliteration(Box<Transliteration>),
}

impl Rewrite {
    /// Reads an expression as Perl would get it.
    ///
    /// # Errors
    /// What Perl would refuse, and what needs more of Perl than its expressions.
    pub fn parse(text: &[u8], variables: &Variables) -> Result<Self, Unusable> {
        Self::read(text, variables).map_err(|located| located.of(text))
    }

    fn read(text: &[u8], variables: &Variables) -> Result<Self, Located> {
        let expression = Expression::read(text, Wanted::Rewrite)?;
        Ok(Self(match expression.operator {
            Operator::Substitute => Kind::Substitution(Substitution::new(&expression, variables)?),
            Operator::Transliterate => {
                Kind::Transliteration(Box::new(Transliteration::new(&expression)?))
            }
            Operator::Match => {
                let wanted = Wanted::Rewrite;
                return Err(Problem::OtherOperator { found: "m//", wanted }.at(0));
            }
        }))
    }

    /// What becomes of `text`; itself where nothing matches.
    ///
    /// # Errors
    /// A bound was reached.
    pub fn apply<'t>(&self, text: &'t [u8]) -> Result<Cow<'t, [u8]>, Exceeded> {
        match &self.0 {
            Kind::Substitution(substitution) => substitution.apply(text),
            Kind::Transliteration(transliteration) => Ok(transliteration.apply(text)),
        }
    }
}

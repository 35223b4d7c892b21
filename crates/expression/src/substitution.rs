//! `s///`.

use std::borrow::Cow;

use crate::error::{Exceeded, Located, Problem};
use crate::pattern;
use crate::pcre2::{Empty, Options, Program};
use crate::source::Expression;
use crate::template::Template;
use crate::variable::Variables;

/// The longest result of one expression.
pub const OUTPUT_OCTETS_MAX: usize = 256 * 1024 * 1024;

/// How many matches are replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Extent {
    First,
    All,
}

#[derive(Debug)]
pub(crate) struct Substitution {
    program: Program,
    template: Template,
    extent: Extent,
}

impl Substitution {
    pub(crate) fn new(expression: &Expression, variables: &Variables) -> Result<Self, Located> {
        let mut options = Options::default();
        let mut extent = Extent::First;
        let mut is_code = false;
        for &(letter, at) in &expression.modifiers {
            match letter {
                b'g' => extent = Extent::All,
                b'e' if is_code => return Err(Problem::Code.at(at)),
                b'e' => is_code = true,
                b'r' => return Err(Problem::ChangesNothing.at(at)),
                _ => pattern_modifier(&mut options, letter, at)?,
            }
        }
        let program = pattern::compile(&expression.first, options, variables)?;
        let template = if is_code {
            Template::read_code(&expression.second)?
        } else {
            Template::read(&expression.second, variables)?
        };
        Ok(Self { program, template, extent })
    }

    /// Where an empty match was found, the next is not empty or begins later (perlre, "Repeated
    /// Patterns Matching a Zero-length Substring").
    pub(crate) fn apply<'t>(&self, text: &'t [u8]) -> Result<Cow<'t, [u8]>, Exceeded> {
        let mut matcher = self.program.matcher(text)?;
        let mut out: Option<Vec<u8>> = None;
        let (mut done, mut empty) = (0, Empty::Allowed);
        while matcher.find(done, empty)? {
            let Some(whole) = matcher.group(0).filter(|whole| whole.start >= done) else {
                break;
            };
            let out = out.get_or_insert_with(|| Vec::with_capacity(text.len()));
            out.extend_from_slice(&text[done..whole.start]);
            self.template.write(&matcher, &whole, out)?;
            done = whole.end;
            empty = if whole.is_empty() { Empty::NotAtStart } else { Empty::Allowed };
            if self.extent == Extent::First {
                break;
            }
        }
        Ok(match out {
            Some(mut out) => {
                out.extend_from_slice(&text[done..]);
                Cow::Owned(out)
            }
            None => Cow::Borrowed(text),
        })
    }
}

/// A modifier that changes what the pattern means.
pub(crate) fn pattern_modifier(
    options: &mut Options,
    letter: u8,
    at: usize,
) -> Result<(), Located> {
    options.add(match letter {
        b'i' => Options::IGNORE_CASE,
        b'm' => Options::LINES,
        b's' => Options::DOT_IS_ANY,
        b'x' if options.has(Options::EXTENDED) => Options::EXTENDED_MORE,
        b'x' => Options::EXTENDED,
        b'n' => Options::NO_CAPTURE,
        _ => return Err(Problem::Modifier(letter).at(at)),
    });
    Ok(())
}

//! From the pattern of an expression to what PCRE2 compiles: what Perl's reader interpolates and
//! changes before its regular expressions begin (perlop, "Gory details of parsing quoted
//! constructs").

use crate::case::{Case, Nest};
use crate::error::{Located, Problem, shown};
use crate::pcre2::{Broken, Options, Program};
use crate::source::Part;
use crate::variable::{Variables, name_at};

/// An octet of the pattern and its place in the expression.
type Placed = (u8, usize);

/// Compiles the pattern of a quoted expression.
pub(crate) fn compile(
    part: &Part,
    options: Options,
    variables: &Variables,
) -> Result<Program, Located> {
    let placed = if part.is_literal {
        uninterpolated(part)?
    } else {
        Interpolation { part, options, variables, nest: Nest::new(wrap) }.run()?
    };
    let end = part.origin(part.octets.len());
    finish(&placed, end, options)
}

/// Compiles a pattern that Perl gets in a variable: nothing is interpolated.
pub(crate) fn compile_bare(text: &[u8], options: Options) -> Result<Program, Located> {
    finish(&uninterpolated(&Part::whole(text))?, text.len(), options)
}

/// A pattern in which the escapes of quotes mean nothing: Perl takes their letters as they stand,
/// which nobody who writes them means, and PCRE2 would take them otherwise.
fn uninterpolated(part: &Part) -> Result<Vec<Placed>, Located> {
    let text = &part.octets;
    let mut at = 0;
    while at + 1 < text.len() {
        if text[at] == b'\\' && b"QELUluF".contains(&text[at + 1]) {
            return Err(Problem::Escape(shown(&text[at..at + 2])).at(part.origin(at)));
        }
        at += if text[at] == b'\\' { 2 } else { 1 };
    }
    Ok(text.iter().enumerate().map(|(at, octet)| (*octet, part.origin(at))).collect())
}

fn finish(placed: &[Placed], end: usize, options: Options) -> Result<Program, Located> {
    let place = |at: usize| placed.get(at).map_or(end, |(_, place)| *place);
    let pattern: Vec<u8> = placed.iter().map(|(octet, _)| *octet).collect();
    if let Some(at) = word_boundary(&pattern) {
        // PCRE2 would take the braces as they stand.
        return Err(Problem::Escape("\\b{…}".to_owned()).at(place(at)));
    }
    Program::compile(&pattern, options)
        .map_err(|Broken { at, words }| Problem::Pattern(words).at(place(at)))
}

/// `\b{wb}` and the like, which only Perl has.
fn word_boundary(pattern: &[u8]) -> Option<usize> {
    let mut at = 0;
    while at + 2 < pattern.len() {
        if pattern[at] != b'\\' {
            at += 1;
        } else if matches!(pattern[at + 1], b'b' | b'B') && pattern[at + 2] == b'{' {
            return Some(at);
        } else {
            at += 2;
        }
    }
    None
}

fn wrap(case: Case, pieces: Vec<Vec<Placed>>) -> Vec<Placed> {
    let mut octets = pieces.concat();
    case.apply(&mut octets, |(octet, _)| octet);
    octets
}

struct Interpolation<'a> {
    part: &'a Part,
    options: Options,
    variables: &'a Variables,
    nest: Nest<Vec<Placed>>,
}

impl Interpolation<'_> {
    fn run(mut self) -> Result<Vec<Placed>, Located> {
        let mut text = self.part.octets.clone();
        let (mut at, mut in_class) = (0, false);
        while let Some(&octet) = text.get(at) {
            let next = text.get(at + 1).copied();
            let comment = if in_class { None } else { self.comment_at(&text, at) };
            let end = match octet {
                b'\\' if next.is_some() => {
                    if let Some(after) = self.nest.take(&mut text, at + 1) {
                        at = after;
                        continue;
                    }
                    at + 2
                }
                b'$' if next.is_some_and(|next| !b"()| \r\n\t".contains(&next)) => {
                    at = self.variable(&text, at)?;
                    continue;
                }
                b'@' if next.is_some_and(begins_array) => {
                    return Err(Problem::Array(name_at(&text, at)).at(self.part.origin(at)));
                }
                _ => comment.unwrap_or(at + 1),
            };
            in_class = match octet {
                b'[' => true,
                b']' => false,
                _ => in_class,
            };
            self.keep(&text, at, end);
            at = end;
        }
        Ok(self.nest.finish().concat())
    }

    fn keep(&mut self, text: &[u8], begin: usize, end: usize) {
        let part = self.part;
        let placed = (begin..end.min(text.len())).map(|at| (text[at], part.origin(at))).collect();
        self.nest.pieces().push(placed);
    }

    /// In comments nothing is interpolated; the end of one that begins here.
    fn comment_at(&self, text: &[u8], at: usize) -> Option<usize> {
        let ends_at = |end: u8| text[at..].iter().position(|octet| *octet == end);
        if text[at..].starts_with(b"(?#") {
            Some(ends_at(b')').map_or(text.len(), |length| at + length))
        } else if text[at] == b'#' && self.options.has(Options::EXTENDED) {
            Some(ends_at(b'\n').map_or(text.len(), |length| at + length))
        } else {
            None
        }
    }

    /// A variable of imapsync becomes part of the pattern, as it stands.
    fn variable(&mut self, text: &[u8], at: usize) -> Result<usize, Located> {
        let place = self.part.origin(at);
        if let Some((value, length)) = self.variables.read(&text[at + 1..]) {
            self.nest.pieces().push(value.iter().map(|octet| (*octet, place)).collect());
            return Ok(at + 1 + length);
        }
        let name = name_at(text, at);
        Err(if text[at + 1].is_ascii_digit() || text[at + 1] == b'&' {
            Problem::EarlierGroup(name).at(place)
        } else {
            Problem::Variable(name).at(place)
        })
    }
}

/// What makes an array of an at sign in a pattern.
fn begins_array(next: u8) -> bool {
    next.is_ascii_alphanumeric() || b"_:'{$".contains(&next)
}

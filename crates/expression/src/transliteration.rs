//! `tr///`, also called `y///`.

use std::borrow::Cow;

use crate::error::{Located, Problem};
use crate::escape::escaped;
use crate::source::{Expression, Part};

/// What becomes of an octet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Kept,
    Deleted,
    Becomes(u8),
}

/// Whether several equal results in a row become one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Runs {
    Kept,
    Squeezed,
}

#[derive(Debug)]
pub(crate) struct Transliteration {
    fates: [Fate; 256],
    runs: Runs,
}

impl Transliteration {
    pub(crate) fn new(expression: &Expression) -> Result<Self, Located> {
        let (mut complement, mut delete, mut runs) = (false, false, Runs::Kept);
        for &(letter, at) in &expression.modifiers {
            match letter {
                b'c' => complement = true,
                b'd' => delete = true,
                b's' => runs = Runs::Squeezed,
                b'r' => return Err(Problem::ChangesNothing.at(at)),
                _ => return Err(Problem::Modifier(letter).at(at)),
            }
        }
        let listed = octets(&expression.first)?;
        let search: Vec<u8> = if complement {
            (0..=u8::MAX).filter(|octet| !listed.contains(octet)).collect()
        } else {
            listed
        };
        let replacement = octets(&expression.second)?;
        let mut fates = [Fate::Kept; 256];
        for (at, &octet) in search.iter().enumerate() {
            // The first mention of an octet counts.
            if fates[usize::from(octet)] != Fate::Kept {
                continue;
            }
            fates[usize::from(octet)] = match (replacement.get(at), replacement.last()) {
                (Some(&to), _) => Fate::Becomes(to),
                (None, _) if delete => Fate::Deleted,
                (None, Some(&last)) => Fate::Becomes(last),
                (None, None) => Fate::Becomes(octet),
            };
        }
        Ok(Self { fates, runs })
    }

    pub(crate) fn apply<'t>(&self, text: &'t [u8]) -> Cow<'t, [u8]> {
        let mut out = Vec::with_capacity(text.len());
        // The place of the last octet that came of another, if it is the last of all.
        let mut last_became = None;
        for &octet in text {
            match self.fates[usize::from(octet)] {
                Fate::Deleted => {}
                Fate::Kept => out.push(octet),
                Fate::Becomes(to) => {
                    let is_repeated = last_became.is_some_and(|at| at + 1 == out.len())
                        && out.last() == Some(&to);
                    if self.runs == Runs::Kept || !is_repeated {
                        last_became = Some(out.len());
                        out.push(to);
                    }
                }
            }
        }
        if out == text { Cow::Borrowed(text) } else { Cow::Owned(out) }
    }
}

/// The octets of a list, its escapes and ranges spelled out.
fn octets(part: &Part) -> Result<Vec<u8>, Located> {
    if part.is_literal {
        // Without escapes and ranges, against all habits.
        return Err(Problem::Delimiter(b'\'').at(part.origin(0).saturating_sub(1)));
    }
    let text = &part.octets;
    let mut list = Vec::new();
    let mut at = 0;
    let mut after_range = false;
    while at < text.len() {
        let is_range = text[at] == b'-' && !list.is_empty() && at + 1 < text.len();
        if !is_range {
            let (octet, end) = one(part, at)?;
            list.push(octet);
            (at, after_range) = (end, false);
            continue;
        }
        if after_range {
            return Err(Problem::AmbiguousRange.at(part.origin(at)));
        }
        let begin = list.last().copied().unwrap_or(0);
        let (last, end) = one(part, at + 1)?;
        if last < begin {
            return Err(Problem::Range(begin, last).at(part.origin(at)));
        }
        list.extend((begin..=last).skip(1));
        (at, after_range) = (end, true);
    }
    Ok(list)
}

fn one(part: &Part, at: usize) -> Result<(u8, usize), Located> {
    if part.octets[at] == b'\\' { escaped(part, at) } else { Ok((part.octets[at], at + 1)) }
}

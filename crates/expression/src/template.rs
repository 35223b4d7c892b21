//! What a match is replaced by.

use std::ops::Range;

use crate::case::{Case, Nest};
use crate::error::{Exceeded, Located, Problem, shown};
use crate::escape::escaped;
use crate::pcre2::Matcher;
use crate::source::Part;
use crate::substitution::OUTPUT_OCTETS_MAX;
use crate::variable::{Variables, name_at};

/// A replacement, in pieces.
#[derive(Debug)]
pub(crate) struct Template(Vec<Piece>);

#[derive(Debug)]
enum Piece {
    Text(Vec<u8>),
    /// `$1`, `$&` with 0; empty where it took no part.
    Group(u32),
    /// `` $` ``: what stands before the match.
    Before,
    /// `$'`: what stands behind it.
    Behind,
    Cased(Case, Vec<Piece>),
}

impl Template {
    pub(crate) fn read(part: &Part, variables: &Variables) -> Result<Self, Located> {
        if part.is_literal {
            return Ok(Self(vec![Piece::Text(unquoted(&part.octets))]));
        }
        let reader =
            Reader { part, text: part.octets.clone(), variables, nest: Nest::new(Piece::Cased) };
        reader.run().map(Self)
    }

    /// The replacement of `/e`. Perl is not run: what is known is `defined($1)?$1:q()`, by which
    /// people keep Perl from complaining, and `$1` alone; both are what `$1` is without `e`.
    pub(crate) fn read_code(part: &Part) -> Result<Self, Located> {
        let code: Vec<u8> =
            part.octets.iter().copied().filter(|octet| !octet.is_ascii_whitespace()).collect();
        match group_or_nothing(&code) {
            Some(group) => Ok(Self(vec![Piece::Group(group)])),
            None => Err(Problem::Code.at(part.origin(0))),
        }
    }

    /// Appends what replaces the last match.
    pub(crate) fn write(
        &self,
        matcher: &Matcher<'_>,
        whole: &Range<usize>,
        out: &mut Vec<u8>,
    ) -> Result<(), Exceeded> {
        write_pieces(&self.0, matcher, whole, out)
    }
}

/// Between single quotes only a backslash can be escaped; delimiters have lost theirs already.
fn unquoted(octets: &[u8]) -> Vec<u8> {
    let mut text = Vec::with_capacity(octets.len());
    let mut rest = octets.iter();
    while let Some(&octet) = rest.next() {
        text.push(octet);
        if octet == b'\\' && rest.as_slice().first() == Some(&b'\\') {
            rest.next();
        }
    }
    text
}

fn group_or_nothing(code: &[u8]) -> Option<u32> {
    const NOTHING: [&[u8]; 7] = [b"q()", b"q{}", b"q[]", b"q//", b"qq()", b"''", b"\"\""];
    let group = |text: &[u8]| -> Option<u32> {
        let digits = std::str::from_utf8(text.strip_prefix(b"$")?).ok()?;
        let is_number = digits.bytes().all(|digit| digit.is_ascii_digit());
        digits.parse().ok().filter(|number| *number > 0 && is_number && !digits.starts_with('0'))
    };
    let Some(condition) = code.strip_prefix(b"defined") else { return group(code) };
    let question = condition.iter().position(|octet| *octet == b'?')?;
    let (tested, rest) = (&condition[..question], &condition[question + 1..]);
    let tested =
        tested.strip_prefix(b"(").and_then(|inner| inner.strip_suffix(b")")).unwrap_or(tested);
    let (then, otherwise) = rest.split_at(rest.iter().position(|octet| *octet == b':')?);
    (tested == then && NOTHING.contains(&&otherwise[1..])).then(|| group(then)).flatten()
}

fn write_pieces(
    pieces: &[Piece],
    matcher: &Matcher<'_>,
    whole: &Range<usize>,
    out: &mut Vec<u8>,
) -> Result<(), Exceeded> {
    let subject = matcher.subject();
    for piece in pieces {
        match piece {
            Piece::Text(text) => out.extend_from_slice(text),
            Piece::Group(0) => out.extend_from_slice(&subject[whole.clone()]),
            Piece::Group(number) => {
                out.extend_from_slice(matcher.group(*number).map_or(&[], |at| &subject[at]));
            }
            Piece::Before => out.extend_from_slice(&subject[..whole.start]),
            Piece::Behind => out.extend_from_slice(&subject[whole.end..]),
            Piece::Cased(case, pieces) => {
                let mut inner = Vec::new();
                write_pieces(pieces, matcher, whole, &mut inner)?;
                case.apply(&mut inner, |octet| octet);
                out.append(&mut inner);
            }
        }
        if out.len() > OUTPUT_OCTETS_MAX {
            return Err(Exceeded::Output(OUTPUT_OCTETS_MAX));
        }
    }
    Ok(())
}

struct Reader<'a> {
    part: &'a Part,
    /// The replacement; what Perl reads in another order is changed in it.
    text: Vec<u8>,
    variables: &'a Variables,
    nest: Nest<Piece>,
}

impl Reader<'_> {
    fn run(mut self) -> Result<Vec<Piece>, Located> {
        let mut at = 0;
        while let Some(&octet) = self.text.get(at) {
            at = match octet {
                b'\\' => self.backslash(at)?,
                b'$' => self.dollar(at)?,
                b'@' if self.begins_array(at + 1) => {
                    let name = name_at(&self.text, at);
                    return Err(Problem::Array(name).at(self.part.origin(at)));
                }
                _ => {
                    self.push_octet(octet);
                    at + 1
                }
            };
        }
        Ok(self.nest.finish())
    }

    fn push_octet(&mut self, octet: u8) {
        let pieces = self.nest.pieces();
        match pieces.last_mut() {
            Some(Piece::Text(text)) => text.push(octet),
            _ => pieces.push(Piece::Text(vec![octet])),
        }
    }

    fn begins_array(&self, at: usize) -> bool {
        self.text
            .get(at)
            .is_some_and(|next| next.is_ascii_alphanumeric() || b"_:'{$+-".contains(next))
    }

    fn backslash(&mut self, at: usize) -> Result<usize, Located> {
        let (next, after) = (self.text.get(at + 1).copied(), self.text.get(at + 2).copied());
        match next {
            // `\1` is `$1` as long as no other digit follows, which would make it octal.
            Some(digit @ b'1'..=b'9') if !after.is_some_and(|octet| octet.is_ascii_digit()) => {
                self.group((at, at + 2), Piece::Group(u32::from(digit - b'0')))
            }
            Some(_) if let Some(end) = self.nest.take(&mut self.text, at + 1) => Ok(end),
            _ => {
                let (octet, end) = escaped(self.part, at)?;
                self.push_octet(octet);
                Ok(end)
            }
        }
    }

    fn dollar(&mut self, at: usize) -> Result<usize, Located> {
        let place = self.part.origin(at);
        let rest = &self.text[at + 1..];
        if let Some((value, length)) = self.variables.read(rest) {
            let piece = Piece::Text(value.to_vec());
            return self.group((at, at + 1 + length), piece);
        }
        let names_package = rest.get(1).is_some_and(|o| o.is_ascii_alphabetic() || *o == b'_');
        match rest.first() {
            None => Err(Problem::FinalDollar.at(place)),
            Some(b'&') => self.group((at, at + 2), Piece::Group(0)),
            Some(b'`') => self.group((at, at + 2), Piece::Before),
            Some(b'\'') if !names_package => self.group((at, at + 2), Piece::Behind),
            Some(digit) if digit.is_ascii_digit() => {
                let count = rest.iter().take_while(|octet| octet.is_ascii_digit()).count();
                let number = self.number(at + 1, count)?;
                self.group((at, at + 1 + count), Piece::Group(number))
            }
            Some(b'{') => self.braced(at),
            Some(_) => Err(Problem::Variable(name_at(&self.text, at)).at(place)),
        }
    }

    /// `${1}`: the one form that nothing behind it can be mistaken for a part of.
    fn braced(&mut self, at: usize) -> Result<usize, Located> {
        let rest = &self.text[at + 2..];
        let unknown = || Problem::Variable(name_at(&self.text, at + 1).replacen('{', "${", 1));
        let Some(length) = rest.iter().position(|octet| *octet == b'}') else {
            return Err(unknown().at(self.part.origin(at)));
        };
        let inner = rest[..length].trim_ascii();
        let skipped = rest[..length].iter().take_while(|octet| octet.is_ascii_whitespace()).count();
        let piece = if inner == b"&" {
            Piece::Group(0)
        } else if !inner.is_empty() && inner.iter().all(u8::is_ascii_digit) {
            Piece::Group(self.number(at + 2 + skipped, inner.len())?)
        } else {
            let name = format!("${{{}}}", shown(inner));
            return Err(Problem::Variable(name).at(self.part.origin(at)));
        };
        self.nest.pieces().push(piece);
        Ok(at + 3 + length)
    }

    fn number(&self, at: usize, count: usize) -> Result<u32, Located> {
        let digits = &self.text[at..at + count];
        let place = self.part.origin(at);
        match digits {
            // The name of the program.
            b"0" => Err(Problem::Variable("$0".to_owned()).at(place)),
            [b'0', ..] => Err(Problem::GroupNumber.at(place)),
            // No pattern has so many groups: Perl takes nothing for those it does not have.
            _ => Ok(digits.iter().fold(0_u32, |number, digit| {
                number.saturating_mul(10).saturating_add(u32::from(digit - b'0'))
            })),
        }
    }

    /// A piece from a variable, unless what follows would make an element of it.
    fn group(&mut self, (at, end): (usize, usize), piece: Piece) -> Result<usize, Located> {
        let rest = &self.text[end..];
        let rest = rest.strip_prefix(b"->").unwrap_or(rest);
        if matches!(rest.first(), Some(b'[' | b'{')) {
            let element = &self.text[at..=self.text.len() - rest.len()];
            return Err(Problem::Subscript(shown(element)).at(self.part.origin(at)));
        }
        self.nest.pieces().push(piece);
        Ok(end)
    }
}

//! Operator, delimiters, parts and modifiers, as Perl's reader finds them.

use crate::error::{Located, Problem, Wanted};

/// The longest expression that is read.
pub const EXPRESSION_OCTETS_MAX: usize = 64 * 1024;

/// A quote-like operator of Perl.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operator {
    Match,
    Substitute,
    Transliterate,
}

/// One part between delimiters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Part {
    pub(crate) octets: Vec<u8>,
    /// Of each octet, its place in the expression, and one more for the end.
    origins: Vec<usize>,
    /// Between single quotes nothing is interpolated.
    pub(crate) is_literal: bool,
}

/// What becomes of the backslash before a delimiter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Escaped {
    /// Before a bracket it stays. Other delimiters lose theirs even in a pattern, so that `\|`
    /// between bars separates alternatives.
    InPattern,
    /// It goes.
    Elsewhere,
}

/// An expression, taken apart but not understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Expression {
    pub(crate) operator: Operator,
    pub(crate) first: Part,
    /// The replacement; empty for a match.
    pub(crate) second: Part,
    /// Each modifier and its place.
    pub(crate) modifiers: Vec<(u8, usize)>,
}

impl Part {
    /// The place in the expression of an octet of this part.
    pub(crate) fn origin(&self, at: usize) -> usize {
        self.origins.get(at).or(self.origins.last()).copied().unwrap_or(0)
    }

    pub(crate) fn empty() -> Self {
        Self { octets: Vec::new(), origins: vec![0], is_literal: false }
    }

    /// A whole text as one part.
    pub(crate) fn whole(text: &[u8]) -> Self {
        Self { octets: text.to_vec(), origins: (0..=text.len()).collect(), is_literal: false }
    }
}

impl Expression {
    /// Takes `text` apart. `wanted` is for the words when it is no expression.
    pub(crate) fn read(text: &[u8], wanted: Wanted) -> Result<Self, Located> {
        if text.len() > EXPRESSION_OCTETS_MAX {
            return Err(Problem::TooLong(EXPRESSION_OCTETS_MAX).at(0));
        }
        let mut reader = Reader { text, at: 0 };
        reader.skip_blanks();
        let operator = reader.operator(wanted)?;
        let open = reader.delimiter()?;
        let first_escaped = match operator {
            Operator::Match | Operator::Substitute => Escaped::InPattern,
            Operator::Transliterate => Escaped::Elsewhere,
        };
        let first = reader.part(open, first_escaped)?;
        let second = if operator == Operator::Match {
            Part::empty()
        } else {
            // Behind a bracketed part the next one brings its own delimiters.
            let open = if closing(open) == open { open } else { reader.second_delimiter(open)? };
            reader.part(open, Escaped::Elsewhere)?
        };
        let modifiers = reader.modifiers();
        reader.end()?;
        Ok(Self { operator, first, second, modifiers })
    }
}

struct Reader<'a> {
    text: &'a [u8],
    at: usize,
}

fn is_word(octet: u8) -> bool {
    octet.is_ascii_alphanumeric() || octet == b'_'
}

/// The octet that ends what `open` begins.
fn closing(open: u8) -> u8 {
    match open {
        b'(' => b')',
        b'[' => b']',
        b'{' => b'}',
        b'<' => b'>',
        other => other,
    }
}

impl Reader<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn is_at_blank(&self) -> bool {
        self.peek().is_some_and(|octet| octet.is_ascii_whitespace() || octet == 0x0b)
    }

    /// Blanks, and comments behind blanks.
    fn skip_blanks(&mut self) {
        while self.is_at_blank() {
            while self.is_at_blank() {
                self.at += 1;
            }
            if self.peek() == Some(b'#') {
                while self.peek().is_some_and(|octet| octet != b'\n') {
                    self.at += 1;
                }
            }
        }
    }

    fn operator(&mut self, wanted: Wanted) -> Result<Operator, Located> {
        let rest = &self.text[self.at..];
        let no_operator = || Problem::NoOperator(wanted).at(self.at);
        if rest.first() == Some(&b'/') {
            return Ok(Operator::Match);
        }
        let length = rest.iter().take_while(|octet| is_word(**octet)).count();
        let operator = match &rest[..length] {
            b"m" | b"qr" => Operator::Match,
            b"s" => Operator::Substitute,
            b"tr" | b"y" => Operator::Transliterate,
            _ => return Err(no_operator()),
        };
        self.at += length;
        Ok(operator)
    }

    fn delimiter(&mut self) -> Result<u8, Located> {
        self.skip_blanks();
        let Some(open) = self.peek() else { return Err(Problem::Unterminated(b'/').at(self.at)) };
        // A backslash could not be told from an escape, others are part of a character.
        if open == b'\\' || !open.is_ascii_graphic() {
            return Err(Problem::Delimiter(open).at(self.at));
        }
        self.at += 1;
        Ok(open)
    }

    /// The opening delimiter of a second part that brings its own.
    fn second_delimiter(&mut self, first: u8) -> Result<u8, Located> {
        self.skip_blanks();
        match self.peek() {
            Some(_) => self.delimiter(),
            None => Err(Problem::Unterminated(closing(first)).at(self.at)),
        }
    }

    /// Reads from behind the opening delimiter to behind the closing one; brackets nest.
    fn part(&mut self, open: u8, escaped: Escaped) -> Result<Part, Located> {
        let close = closing(open);
        let begin = self.at;
        let is_kept = escaped == Escaped::InPattern && open != close;
        let mut part = Part { octets: Vec::new(), origins: Vec::new(), is_literal: open == b'\'' };
        let mut depth = 1_usize;
        while let Some(octet) = self.peek() {
            let next = self.text.get(self.at + 1).copied();
            if octet == b'\\' && next.is_some() {
                let is_delimiter = next == Some(open) || next == Some(close);
                if is_kept || !is_delimiter {
                    part.push(octet, self.at);
                }
                self.at += 1;
                part.push(next.unwrap_or(octet), self.at);
            } else if octet == close {
                depth -= 1;
                if depth == 0 {
                    part.origins.push(self.at);
                    self.at += 1;
                    return Ok(part);
                }
                part.push(octet, self.at);
            } else {
                depth += usize::from(octet == open);
                part.push(octet, self.at);
            }
            self.at += 1;
        }
        Err(Problem::Unterminated(close).at(begin.saturating_sub(1)))
    }

    fn modifiers(&mut self) -> Vec<(u8, usize)> {
        let mut modifiers = Vec::new();
        while let Some(octet) = self.peek().filter(|octet| is_word(*octet)) {
            modifiers.push((octet, self.at));
            self.at += 1;
        }
        modifiers
    }

    /// Nothing but blanks, a comment and semicolons may follow.
    fn end(&mut self) -> Result<(), Located> {
        self.skip_blanks();
        while self.peek() == Some(b';') {
            self.at += 1;
            self.skip_blanks();
        }
        match self.peek() {
            None | Some(b'#') => Ok(()),
            Some(_) => Err(Problem::Trailing.at(self.at)),
        }
    }
}

impl Part {
    fn push(&mut self, octet: u8, origin: usize) {
        self.octets.push(octet);
        self.origins.push(origin);
    }
}

//! The values in an untagged answer: atoms, strings, lists (RFC 9051 §4).

use super::Error;

/// A part of an answer as it was read.
#[derive(Clone, Debug)]
pub(super) enum Piece {
    Text(Vec<u8>),
    Literal(Vec<u8>),
}

/// A value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Value {
    /// Atom, number, flag, NIL.
    Atom(Vec<u8>),
    /// Quoted string or literal.
    Text(Vec<u8>),
    List(Vec<Value>),
}

impl Value {
    /// The octets of an atom or string, empty for a list and for NIL.
    pub(super) fn octets(&self) -> &[u8] {
        match self {
            Self::Atom(octets) if octets.eq_ignore_ascii_case(b"NIL") => &[],
            Self::Atom(octets) | Self::Text(octets) => octets,
            Self::List(_) => &[],
        }
    }

    /// The same as text.
    pub(super) fn text(&self) -> String {
        String::from_utf8_lossy(self.octets()).into_owned()
    }
}

/// All values up to the end.
pub(super) fn parse(pieces: &[Piece]) -> Result<Vec<Value>, Error> {
    let mut open: Vec<Vec<Value>> = vec![Vec::new()];
    for piece in pieces {
        match piece {
            Piece::Literal(octets) => push(&mut open, Value::Text(octets.clone()))?,
            Piece::Text(text) => parse_text(text, &mut open)?,
        }
    }
    match (open.pop(), open.is_empty()) {
        (Some(values), true) => Ok(values),
        _ => Err(unreadable("a list without end", pieces)),
    }
}

/// The blank-separated words of an answer without strings.
pub(super) fn words(pieces: &[Piece]) -> Vec<String> {
    let texts = pieces.iter().filter_map(|piece| match piece {
        Piece::Text(text) => Some(String::from_utf8_lossy(text).into_owned()),
        Piece::Literal(_) => None,
    });
    texts.flat_map(|text| text.split(' ').map(str::to_owned).collect::<Vec<_>>()).collect()
}

fn parse_text(text: &[u8], open: &mut Vec<Vec<Value>>) -> Result<(), Error> {
    let mut at = 0;
    while let Some(&octet) = text.get(at) {
        match octet {
            b' ' => at += 1,
            b'(' => {
                open.push(Vec::new());
                at += 1;
            }
            b')' => {
                let list = open.pop().unwrap_or_default();
                push(open, Value::List(list))?;
                at += 1;
            }
            b'"' => {
                let (octets, end) = quoted(text, at + 1)?;
                push(open, Value::Text(octets))?;
                at = end;
            }
            _ => {
                let rest = text.get(at..).unwrap_or_default();
                let length = rest.iter().take_while(|o| !matches!(o, b' ' | b'(' | b')')).count();
                push(open, Value::Atom(rest[..length].to_vec()))?;
                at += length;
            }
        }
    }
    Ok(())
}

fn push(open: &mut [Vec<Value>], value: Value) -> Result<(), Error> {
    match open.last_mut() {
        Some(list) => {
            list.push(value);
            Ok(())
        }
        None => Err(Error::Unreadable("a `)` too many".to_owned())),
    }
}

/// The octets of a quoted string that begins before `at`, and where it ended.
fn quoted(text: &[u8], mut at: usize) -> Result<(Vec<u8>, usize), Error> {
    let mut octets = Vec::new();
    while let Some(&octet) = text.get(at) {
        match octet {
            b'"' => return Ok((octets, at + 1)),
            b'\\' => {
                octets.extend(text.get(at + 1));
                at += 2;
            }
            _ => {
                octets.push(octet);
                at += 1;
            }
        }
    }
    Err(Error::Unreadable("a quoted string without end".to_owned()))
}

fn unreadable(what: &str, pieces: &[Piece]) -> Error {
    Error::Unreadable(format!("{what}: {}", words(pieces).join(" ")))
}

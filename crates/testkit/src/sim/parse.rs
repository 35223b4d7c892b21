//! The words of a command: atoms, strings, numbers, sets. Strict, because it is a check on
//! the client: one space where the grammar has one, no octet that RFC 3501 §9 forbids.

use std::sync::Arc;

/// A piece of a command as it came: text and literals in turn, text first.
#[derive(Clone, Debug)]
pub(super) enum Part {
    /// A line, or what stands between literals, without CRLF and `{n}`.
    Text(Vec<u8>),
    /// The octets of a literal.
    Literal(Arc<[u8]>),
}

/// Why a command is not carried out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// Understood but not done. May begin with a response code.
    No(String),
    /// Against the protocol.
    Bad(String),
}

impl Refusal {
    pub(super) fn no(text: impl Into<String>) -> Self {
        Self::No(text.into())
    }

    pub(super) fn bad(text: impl Into<String>) -> Self {
        Self::Bad(text.into())
    }
}

pub(super) type Parsed<T> = Result<T, Refusal>;

/// Deepest nesting of parentheses and operators.
const DEPTH_MAX: u32 = 50;

/// RFC 7162 §7.
const MOD_SEQUENCE_MAX: u64 = i64::MAX as u64;

/// Walks over the parts of a command.
#[derive(Clone, Debug)]
pub(super) struct Cursor<'a> {
    parts: &'a [Part],
    index: usize,
    at: usize,
    depth: u32,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(parts: &'a [Part]) -> Self {
        Self { parts, index: 0, at: 0, depth: 0 }
    }

    /// The rest of the current text.
    fn text(&self) -> &'a [u8] {
        match self.parts.get(self.index) {
            Some(Part::Text(text)) => text.get(self.at..).unwrap_or_default(),
            _ => b"",
        }
    }

    pub(super) fn peek(&self) -> Option<u8> {
        self.text().first().copied()
    }

    /// Takes one octet if it is the wanted one.
    pub(super) fn skip(&mut self, octet: u8) -> bool {
        let found = self.peek() == Some(octet);
        self.at += usize::from(found);
        found
    }

    pub(super) fn expect(&mut self, octet: u8) -> Parsed<()> {
        if self.skip(octet) {
            Ok(())
        } else {
            Err(Refusal::bad(format!("Expected `{}`", char::from(octet))))
        }
    }

    pub(super) fn space(&mut self) -> Parsed<()> {
        if self.skip(b' ') { Ok(()) } else { Err(Refusal::bad("Missing argument")) }
    }

    pub(super) fn is_at_end(&self) -> bool {
        self.text().is_empty() && self.index + 1 >= self.parts.len()
    }

    pub(super) fn end(&self) -> Parsed<()> {
        if self.is_at_end() { Ok(()) } else { Err(Refusal::bad("Too many arguments")) }
    }

    /// The literal that stands here.
    pub(super) fn literal(&mut self) -> Option<&'a Arc<[u8]>> {
        match self.parts.get(self.index + 1) {
            Some(Part::Literal(octets)) if self.text().is_empty() => {
                self.index += 2;
                self.at = 0;
                Some(octets)
            }
            _ => None,
        }
    }

    pub(super) fn take_while(&mut self, wanted: impl Fn(u8) -> bool) -> &'a [u8] {
        let text = self.text();
        let length = text.iter().position(|&octet| !wanted(octet)).unwrap_or(text.len());
        self.at += length;
        &text[..length]
    }

    /// One or more octets of a kind, as text.
    pub(super) fn word(&mut self, wanted: impl Fn(u8) -> bool, what: &str) -> Parsed<&'a str> {
        match std::str::from_utf8(self.take_while(wanted)) {
            Ok("") | Err(_) => Err(Refusal::bad(format!("Expected {what}"))),
            Ok(word) => Ok(word),
        }
    }

    pub(super) fn atom(&mut self) -> Parsed<&'a str> {
        self.word(is_atom_char, "an atom")
    }

    /// An atom in capitals, for matching names of commands and items.
    pub(super) fn keyword(&mut self) -> Parsed<String> {
        self.atom().map(str::to_ascii_uppercase)
    }

    pub(super) fn string(&mut self) -> Parsed<Vec<u8>> {
        if let Some(octets) = self.literal() {
            return no_nul(octets);
        }
        self.quoted()
    }

    pub(super) fn astring(&mut self) -> Parsed<Vec<u8>> {
        match self.peek() {
            Some(b'"') => self.quoted(),
            None => self.string(),
            Some(_) => self
                .word(|octet| is_atom_char(octet) || octet == b']', "a string")
                .map(|word| word.as_bytes().to_vec()),
        }
    }

    /// `list-mailbox`: an astring that may hold wildcards.
    pub(super) fn pattern(&mut self) -> Parsed<Vec<u8>> {
        match self.peek() {
            Some(b'"') => self.quoted(),
            None => self.string(),
            Some(_) => self
                .word(|octet| is_atom_char(octet) || b"]%*".contains(&octet), "a mailbox pattern")
                .map(|word| word.as_bytes().to_vec()),
        }
    }

    pub(super) fn quoted(&mut self) -> Parsed<Vec<u8>> {
        if !self.skip(b'"') {
            return Err(Refusal::bad("Expected a string"));
        }
        let mut value = Vec::new();
        loop {
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(value);
                }
                Some(b'\\') => {
                    self.at += 1;
                    match self.peek() {
                        Some(octet @ (b'"' | b'\\')) => value.push(octet),
                        _ => return Err(Refusal::bad("Only \\ and \" are quoted by \\")),
                    }
                }
                // CHAR is 7-bit without NUL (RFC 3501 §9); CR and LF end a line.
                Some(octet @ 0x01..=0x7f) if octet != b'\r' => value.push(octet),
                Some(_) => return Err(Refusal::bad("8-bit octet, CR or NUL in a quoted string")),
                None => return Err(Refusal::bad("Quoted string without an end")),
            }
            self.at += 1;
        }
    }

    pub(super) fn number(&mut self) -> Parsed<u32> {
        let digits = self.word(|octet| octet.is_ascii_digit(), "a number")?;
        digits.parse().map_err(|_| Refusal::bad("Number too big"))
    }

    /// A number from 1, without leading zero (`nz-number`).
    pub(super) fn nz_number(&mut self) -> Parsed<u32> {
        if self.peek() == Some(b'0') {
            return Err(Refusal::bad("A number from 1 is needed"));
        }
        self.number()
    }

    /// `mod-sequence-value` (RFC 7162 §7): from 1, 63 bits.
    pub(super) fn mod_sequence(&mut self) -> Parsed<u64> {
        match self.mod_sequence_or_zero()? {
            0 => Err(Refusal::bad("A mod-sequence from 1 is needed")),
            modseq => Ok(modseq),
        }
    }

    /// `mod-sequence-valzer` (RFC 7162 §7).
    pub(super) fn mod_sequence_or_zero(&mut self) -> Parsed<u64> {
        let digits = self.word(|octet| octet.is_ascii_digit(), "a mod-sequence")?;
        match digits.parse() {
            Ok(modseq) if modseq <= MOD_SEQUENCE_MAX => Ok(modseq),
            _ => Err(Refusal::bad("Mod-sequence too big")),
        }
    }

    /// `(` item SP item .. `)`; empty where `at_least` is 0.
    pub(super) fn list<T>(
        &mut self,
        at_least: usize,
        item: impl Fn(&mut Self) -> Parsed<T>,
    ) -> Parsed<Vec<T>> {
        self.expect(b'(')?;
        let mut items = Vec::new();
        if !(at_least == 0 && self.peek() == Some(b')')) {
            items.push(item(self)?);
            while self.skip(b' ') {
                items.push(item(self)?);
            }
        }
        self.expect(b')')?;
        Ok(items)
    }

    /// A flag that a client may set, or a keyword.
    pub(super) fn flag(&mut self) -> Parsed<String> {
        if !self.skip(b'\\') {
            return self.atom().map(str::to_owned);
        }
        let flag = format!("\\{}", self.atom()?);
        if super::flags::Flags::SYSTEM.iter().any(|known| known.eq_ignore_ascii_case(&flag)) {
            Ok(flag)
        } else {
            Err(Refusal::bad(format!("Invalid system flag {flag}")))
        }
    }

    /// Enters a nested expression; the depth is bounded, and so is the stack.
    pub(super) fn enter(&mut self) -> Parsed<()> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(Refusal::bad("Nested too deeply"));
        }
        Ok(())
    }

    pub(super) fn leave(&mut self) {
        self.depth -= 1;
    }
}

fn no_nul(octets: &[u8]) -> Parsed<Vec<u8>> {
    if octets.contains(&0) {
        return Err(Refusal::bad("NUL in a literal"));
    }
    Ok(octets.to_vec())
}

/// ATOM-CHAR of RFC 3501 §9.
pub(super) fn is_atom_char(octet: u8) -> bool {
    octet.is_ascii_graphic() && !b"(){%*\"\\]".contains(&octet)
}

/// A tag: ASTRING-CHAR but `+`.
pub(super) fn is_tag_char(octet: u8) -> bool {
    (is_atom_char(octet) || octet == b']') && octet != b'+'
}

/// A name or value as an astring on the wire: an atom where it can be, else quoted.
pub(super) fn astring_text(value: &str) -> String {
    if !value.is_empty() && value.bytes().all(is_atom_char) && !value.eq_ignore_ascii_case("NIL") {
        return value.to_owned();
    }
    format!("\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\""))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn text(text: &str) -> Vec<Part> {
        vec![Part::Text(text.as_bytes().to_vec())]
    }

    #[test]
    fn a_mod_sequence_has_63_bits() {
        let read = |digits: &str| Cursor::new(&text(digits)).mod_sequence();
        assert_eq!(read("9223372036854775807").unwrap(), i64::MAX as u64);
        assert!(read("9223372036854775808").is_err() && read("0").is_err());
        assert_eq!(Cursor::new(&text("0")).mod_sequence_or_zero().unwrap(), 0);
    }

    #[test]
    fn quoted_strings_are_seven_bit_and_end() {
        let read = |octets: &[u8]| {
            let parts = vec![Part::Text(octets.to_vec())];
            Cursor::new(&parts).quoted()
        };
        assert_eq!(read(b"\"a\\\"b\\\\\"").unwrap(), b"a\"b\\");
        for broken in [&b"\"a"[..], b"\"\\a\"", b"\"\xe9\"", b"\"\0\""] {
            assert!(read(broken).is_err(), "{}", broken.escape_ascii());
        }
    }
}

//! Lines and literals over a plain TCP connection (RFC 9051 §2.2, §4.3).

use super::Error;
use super::value::Piece;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// How long the server may be silent.
const SILENCE_SECONDS_MAX: u64 = 60;

/// One untagged answer: text and literals in turn.
pub(super) struct Answer(Vec<Piece>);

impl Answer {
    /// What follows `* WORD `, if this answer is of that kind.
    pub(super) fn data(&self, word: &str) -> Option<Vec<Piece>> {
        let Some(Piece::Text(first)) = self.0.first() else { return None };
        let rest = strip_word(first.strip_prefix(b"* ")?, word)?;
        Some(self.with_first(rest))
    }

    /// What follows `* n WORD `, if this answer is of that kind.
    pub(super) fn numbered(&self, word: &str) -> Option<Vec<Piece>> {
        let Some(Piece::Text(first)) = self.0.first() else { return None };
        let rest = first.strip_prefix(b"* ")?;
        let digits = rest.iter().take_while(|octet| octet.is_ascii_digit()).count();
        let rest = rest.get(digits..)?.strip_prefix(b" ")?;
        Some(self.with_first(strip_word(rest, word)?))
    }

    /// The n of `* n WORD`.
    pub(super) fn number(&self, word: &str) -> Option<u32> {
        self.numbered(word)?;
        let Some(Piece::Text(first)) = self.0.first() else { return None };
        String::from_utf8_lossy(first).split(' ').nth(1)?.parse().ok()
    }

    fn with_first(&self, rest: &[u8]) -> Vec<Piece> {
        let mut pieces = vec![Piece::Text(rest.to_vec())];
        pieces.extend_from_slice(self.0.get(1..).unwrap_or_default());
        pieces
    }
}

fn strip_word<'a>(text: &'a [u8], word: &str) -> Option<&'a [u8]> {
    let head = text.get(..word.len())?;
    let rest = text.get(word.len()..)?;
    let ends = rest.is_empty() || rest.starts_with(b" ");
    (head.eq_ignore_ascii_case(word.as_bytes()) && ends)
        .then(|| rest.strip_prefix(b" ").unwrap_or(rest))
}

/// A connection that sends one command at a time.
pub(super) struct Wire {
    reader: BufReader<TcpStream>,
    commands: u32,
    pub(super) greeting: String,
}

impl Wire {
    pub(super) fn connect(address: SocketAddr) -> Result<Self, Error> {
        let stream = TcpStream::connect_timeout(&address, Duration::from_secs(5))?;
        stream.set_read_timeout(Some(Duration::from_secs(SILENCE_SECONDS_MAX)))?;
        stream.set_nodelay(true)?;
        let reader = BufReader::with_capacity(1 << 18, stream);
        let mut wire = Self { reader, commands: 0, greeting: String::new() };
        wire.greeting = String::from_utf8_lossy(&wire.read_line()?).into_owned();
        if !wire.greeting.starts_with("* OK") {
            return Err(Error::Unreadable(wire.greeting));
        }
        Ok(wire)
    }

    pub(super) fn command(&mut self, command: &str) -> Result<Vec<Answer>, Error> {
        self.command_hiding(command, command)
    }

    /// As `command`, but errors show `shown`.
    pub(super) fn command_hiding(
        &mut self,
        command: &str,
        shown: &str,
    ) -> Result<Vec<Answer>, Error> {
        let tag = self.send(command)?;
        self.read_until(&tag, shown).map(|(answers, _)| answers)
    }

    /// Sends a command that ends in a synchronising literal; gives the text of the tagged OK.
    pub(super) fn command_with_literal(
        &mut self,
        command: &str,
        literal: &[u8],
    ) -> Result<String, Error> {
        let tag = self.send(&format!("{command} {{{}}}", literal.len()))?;
        loop {
            let line = self.read_line()?;
            if line.starts_with(b"+") {
                break;
            }
            if line.starts_with(tag.as_bytes()) {
                return Err(refused(command, &line));
            }
        }
        let stream = self.reader.get_mut();
        stream.write_all(literal)?;
        stream.write_all(b"\r\n")?;
        self.read_until(&tag, command).map(|(_, text)| text)
    }

    fn send(&mut self, command: &str) -> Result<String, Error> {
        self.commands += 1;
        let tag = format!("p{} ", self.commands);
        self.reader.get_mut().write_all(format!("{tag}{command}\r\n").as_bytes())?;
        Ok(tag)
    }

    fn read_until(&mut self, tag: &str, shown: &str) -> Result<(Vec<Answer>, String), Error> {
        let mut answers = Vec::new();
        loop {
            let pieces = self.read_answer()?;
            let Some(Piece::Text(first)) = pieces.first() else { return Err(Error::Closed) };
            let Some(rest) = first.strip_prefix(tag.as_bytes()) else {
                answers.push(Answer(pieces));
                continue;
            };
            if !rest.starts_with(b"OK") {
                return Err(refused(shown, rest));
            }
            return Ok((answers, String::from_utf8_lossy(rest).into_owned()));
        }
    }

    fn read_answer(&mut self) -> Result<Vec<Piece>, Error> {
        let mut pieces = Vec::new();
        loop {
            let line = self.read_line()?;
            let Some((text, octets)) = split_literal(&line) else {
                pieces.push(Piece::Text(line));
                return Ok(pieces);
            };
            pieces.push(Piece::Text(text.to_vec()));
            let mut literal = vec![0; octets];
            self.reader.read_exact(&mut literal)?;
            pieces.push(Piece::Literal(literal));
        }
    }

    /// One line without its CRLF.
    fn read_line(&mut self) -> Result<Vec<u8>, Error> {
        let mut line = Vec::new();
        self.reader.read_until(b'\n', &mut line)?;
        if line.pop() != Some(b'\n') {
            return Err(Error::Closed);
        }
        if line.last() == Some(&b'\r') {
            line.pop();
        }
        Ok(line)
    }
}

fn refused(command: &str, answer: &[u8]) -> Error {
    let answer = String::from_utf8_lossy(answer).into_owned();
    Error::Refused { command: command.to_owned(), answer }
}

/// The text before `{n}` at the end of a line, and n.
fn split_literal(line: &[u8]) -> Option<(&[u8], usize)> {
    let inner = line.strip_suffix(b"}")?;
    let open = inner.iter().rposition(|octet| *octet == b'{')?;
    let octets = std::str::from_utf8(&inner[open + 1..]).ok()?.parse().ok()?;
    Some((&inner[..open], octets))
}

/// A quoted string (RFC 9051 §4.3).
pub(super) fn quote(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

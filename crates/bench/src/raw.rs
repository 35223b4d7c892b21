//! A client that does nothing but send and receive as fast as it can: what the servers need
//! when nobody thinks in between. It shares no code with the product.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, BufWriter, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use mailferry_testkit::corpus::Letter;
use mailferry_testkit::probe::date;

/// How long a server may be silent: one that builds the index of a million messages is.
const SILENCE_SECONDS_MAX: u64 = 600;

/// What tells one message from another, as the product asks the source for it.
pub(crate) const IDENTITY_ITEMS: &str =
    "(UID FLAGS INTERNALDATE RFC822.SIZE BODY.PEEK[HEADER.FIELDS (MESSAGE-ID RECEIVED)])";
/// The same, as it asks the target.
pub(crate) const TARGET_IDENTITY_ITEMS: &str =
    "(UID FLAGS RFC822.SIZE BODY.PEEK[HEADER.FIELDS (MESSAGE-ID RECEIVED)])";
/// Everything of a message.
pub(crate) const ALL_ITEMS: &str = "(UID FLAGS INTERNALDATE BODY.PEEK[])";

/// What a server sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Received {
    pub(crate) messages: u64,
    /// Octets of literals.
    pub(crate) octets: u64,
}

/// What a server sends of a literal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Literal<'a> {
    Part(&'a [u8]),
    End,
}

/// How messages are appended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Manner {
    /// One command a message, none waited for.
    Pipelined,
    /// One command a mailbox (RFC 3502 §6.3.11).
    MultiAppend,
}

/// A connection that is logged in, in clear text.
pub(crate) struct Raw {
    reader: BufReader<TcpStream>,
    writer: TcpStream,
    commands: u32,
}

impl Raw {
    pub(crate) fn login(address: SocketAddr, user: &str, password: &str) -> Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(Duration::from_secs(SILENCE_SECONDS_MAX)))?;
        let writer = stream.try_clone()?;
        let mut raw =
            Self { reader: BufReader::with_capacity(1 << 18, stream), writer, commands: 0 };
        raw.line()?;
        raw.command(&format!("LOGIN \"{user}\" \"{password}\"")).context("cannot log in")?;
        Ok(raw)
    }

    /// Sends one command and waits for its end.
    pub(crate) fn command(&mut self, command: &str) -> Result<Received> {
        let tag = self.send(command)?;
        self.receive(&tag, &mut |_| {})
    }

    /// Has the server send `items` of all messages in these mailboxes: one FETCH a mailbox,
    /// all of them under way at once. `take` gets the literals.
    pub(crate) fn fetch(
        &mut self,
        mailboxes: &[&str],
        items: &str,
        take: &mut dyn FnMut(Literal<'_>),
    ) -> Result<Received> {
        let mut tags = Vec::new();
        for mailbox in mailboxes {
            tags.push(self.send(&format!("EXAMINE \"{mailbox}\""))?);
            tags.push(self.send(&format!("UID FETCH 1:* {items}"))?);
        }
        let mut all = Received::default();
        for tag in tags {
            let received = self.receive(&tag, take)?;
            all.messages += received.messages;
            all.octets += received.octets;
        }
        Ok(all)
    }

    /// Appends all letters, by mailbox, without waiting for any answer before the last.
    pub(crate) fn append(
        &mut self,
        letters: &BTreeMap<&str, Vec<Letter>>,
        manner: Manner,
    ) -> Result<()> {
        let writer = BufWriter::with_capacity(1 << 18, self.writer.try_clone()?);
        let commands = match manner {
            Manner::Pipelined => letters.values().map(Vec::len).sum(),
            Manner::MultiAppend => letters.len(),
        };
        std::thread::scope(|scope| {
            let sender = scope.spawn(move || write_appends(writer, letters, manner));
            for _ in 0..commands {
                self.receive("a ", &mut |_| {})?;
            }
            sender.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }

    /// Appends one message of made-up lines, of about `octets` octets.
    pub(crate) fn append_huge(&mut self, mailbox: &str, octets: u64) -> Result<()> {
        const LINE: &[u8; 78] =
            b"MDEyMzQ1Njc4OWFiY2RlZmdoaWprbG1ub3BxcnN0dXZ3eHl6QUJDREVGR0hJSktMTU5PUFFSU1Q=\r\n";
        let header = "Date: Fri, 14 Jul 2017 02:40:00 +0000\r\nFrom: a@example.org\r\n\
                      Subject: huge\r\nMessage-ID: <huge@example.org>\r\n\
                      Content-Transfer-Encoding: base64\r\n\r\n";
        let lines = octets / LINE.len() as u64;
        let length = header.len() as u64 + lines * LINE.len() as u64;
        let tag = self.send(&format!("APPEND \"{mailbox}\" (\\Seen) {{{length}+}}"))?;
        let mut writer = BufWriter::with_capacity(1 << 18, &self.writer);
        writer.write_all(header.as_bytes())?;
        for _ in 0..lines {
            writer.write_all(LINE)?;
        }
        writer.write_all(b"\r\n")?;
        writer.flush()?;
        drop(writer);
        self.receive(&tag, &mut |_| {}).map(drop)
    }

    fn send(&mut self, command: &str) -> Result<String> {
        self.commands += 1;
        let tag = format!("r{} ", self.commands);
        self.writer.write_all(format!("{tag}{command}\r\n").as_bytes())?;
        Ok(tag)
    }

    /// Reads until the answer with this tag.
    fn receive(&mut self, tag: &str, take: &mut dyn FnMut(Literal<'_>)) -> Result<Received> {
        let mut received = Received::default();
        loop {
            let line = self.line()?;
            if let Some(length) = literal_length(&line) {
                received.octets += length;
                self.take_literal(length, take)?;
            } else if let Some(answer) = line.strip_prefix(tag.as_bytes()) {
                if !answer.starts_with(b"OK") {
                    bail!("refused: {}", String::from_utf8_lossy(answer).trim_end());
                }
                return Ok(received);
            }
            if is_fetch(&line) {
                received.messages += 1;
            }
        }
    }

    fn take_literal(&mut self, length: u64, take: &mut dyn FnMut(Literal<'_>)) -> Result<()> {
        let mut left = length;
        while left > 0 {
            let held = self.reader.fill_buf()?;
            let length = usize::try_from(left).map_or(held.len(), |left| left.min(held.len()));
            if length == 0 {
                bail!("the server closed the connection within a message");
            }
            take(Literal::Part(&held[..length]));
            self.reader.consume(length);
            left -= length as u64;
        }
        take(Literal::End);
        Ok(())
    }

    fn line(&mut self) -> Result<Vec<u8>> {
        let mut line = Vec::new();
        // A line of a listing; 16 MiB is the product's own limit.
        let read = (&mut self.reader).take(16 << 20).read_until(b'\n', &mut line)?;
        if read == 0 || !line.ends_with(b"\n") {
            bail!("the server closed the connection");
        }
        Ok(line)
    }
}

fn write_appends(
    mut writer: impl Write,
    letters: &BTreeMap<&str, Vec<Letter>>,
    manner: Manner,
) -> Result<()> {
    for (mailbox, letters) in letters {
        for (number, letter) in letters.iter().enumerate() {
            if manner == Manner::Pipelined || number == 0 {
                write!(writer, "a APPEND \"{mailbox}\"")?;
            }
            let (flags, date) = (letter.flags.join(" "), date::internal_date(letter.instant));
            write!(writer, " ({flags}) \"{date}\" {{{}+}}\r\n", letter.octets.len())?;
            writer.write_all(&letter.octets)?;
            if manner == Manner::Pipelined || number + 1 == letters.len() {
                writer.write_all(b"\r\n")?;
            }
        }
    }
    writer.flush()?;
    Ok(())
}

/// The n of `{n}` at the end of a line.
fn literal_length(line: &[u8]) -> Option<u64> {
    let inner = line.strip_suffix(b"}\r\n")?;
    let open = inner.iter().rposition(|octet| *octet == b'{')?;
    std::str::from_utf8(&inner[open + 1..]).ok()?.parse().ok()
}

/// Whether a line begins `* n FETCH (`.
fn is_fetch(line: &[u8]) -> bool {
    let Some(rest) = line.strip_prefix(b"* ") else { return false };
    let digits = rest.iter().take_while(|octet| octet.is_ascii_digit()).count();
    rest[digits..].starts_with(b" FETCH (")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use mailferry_testkit::corpus::{Corpus, Large, Recipe};
    use mailferry_testkit::dovecot::{Dovecot, Layout, Setup};

    #[test]
    fn lines_of_a_listing_are_understood() {
        assert_eq!(literal_length(b"* 1 FETCH (BODY[] {17}\r\n"), Some(17));
        assert_eq!(literal_length(b"* 1 FETCH (UID 3)\r\n"), None);
        assert!(is_fetch(b"* 12 FETCH (UID 1)\r\n"));
        assert!(!is_fetch(b"* 12 EXISTS\r\n") && !is_fetch(b"r1 OK FETCH (\r\n"));
    }

    #[test]
    fn what_is_appended_in_either_manner_is_fetched() {
        let Some(server) = Dovecot::start_if_installed(&Setup::new(Layout::Slash)).unwrap() else {
            return;
        };
        let recipe = Recipe { seed: 3, messages: 40, median_octets: 900, large: Large::None };
        let mut letters: BTreeMap<&str, Vec<Letter>> = BTreeMap::new();
        for letter in Corpus::new(recipe).letters() {
            letters.entry(letter.mailbox).or_default().push(letter);
        }
        let mailboxes: Vec<&str> = letters.keys().copied().collect();
        let octets: usize = letters.values().flatten().map(|letter| letter.octets.len()).sum();
        for (user, manner) in [("one", Manner::Pipelined), ("many", Manner::MultiAppend)] {
            let mut raw = Raw::login(server.imap(), user, &server.password(user)).unwrap();
            for mailbox in mailboxes.iter().filter(|name| **name != "INBOX") {
                raw.command(&format!("CREATE \"{mailbox}\"")).unwrap();
            }
            raw.append(&letters, manner).unwrap();
            let (mut taken, mut ends) = (0, 0);
            let received = raw.fetch(&mailboxes, ALL_ITEMS, &mut |literal| match literal {
                Literal::Part(octets) => taken += octets.len(),
                Literal::End => ends += 1,
            });
            assert_eq!(received.unwrap(), Received { messages: 40, octets: octets as u64 });
            assert_eq!((taken, ends), (octets, 40));
        }
    }
}

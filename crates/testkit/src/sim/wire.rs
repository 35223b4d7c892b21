//! Octets in and out of one connection: buffers, lines, literals, and the faults that are
//! counted in octets.

use std::io;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;

use super::compress::compressed;
use super::fault::{Direction, Progress};
use super::server::State;

/// Output is flushed when it reaches this, and before every read.
const FLUSH_OCTETS: usize = 64 * 1024;
/// Pieces of at least this size go out without being copied.
const DIRECT_OCTETS: usize = 16 * 1024;
const READ_OCTETS: usize = 32 * 1024;
/// How long a closed connection still takes what the client sends, so that the client reads
/// the last answers instead of a reset.
pub(super) const LINGER: Duration = Duration::from_secs(1);

/// What a connection runs over.
pub(super) trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

/// Why a connection is over.
#[derive(Debug, thiserror::Error)]
pub(super) enum Hangup {
    /// The client closed its side.
    #[error("the client closed the connection")]
    Eof,
    /// A fault cut the connection.
    #[error("a fault cut the connection")]
    Cut,
    /// The transport failed.
    #[error("transport: {0}")]
    Io(#[from] io::Error),
}

/// A line of the client.
#[derive(Debug)]
pub(super) enum Line {
    /// Without its CRLF.
    Whole(Vec<u8>),
    /// It ended with LF alone, which RFC 3501 §2.2 does not know.
    BareLf(Vec<u8>),
    /// Longer than the limit; its beginning.
    TooLong(Vec<u8>),
}

/// What a command answers before its tagged line.
#[derive(Debug, Default)]
pub(super) struct Out(Vec<Piece>);

#[derive(Debug)]
enum Piece {
    Text(Vec<u8>),
    Octets(Arc<[u8]>, Range<usize>),
}

impl Out {
    /// Adds text as it is.
    pub(super) fn text(&mut self, text: impl AsRef<[u8]>) {
        let text = text.as_ref();
        if let Some(Piece::Text(last)) = self.0.last_mut() {
            last.extend_from_slice(text);
        } else {
            self.0.push(Piece::Text(text.to_vec()));
        }
    }

    /// Adds a line and its CRLF.
    pub(super) fn line(&mut self, line: impl AsRef<[u8]>) {
        self.text(line);
        self.text("\r\n");
    }

    /// Adds a part of a message; a big one is not copied.
    pub(super) fn octets(&mut self, octets: &Arc<[u8]>, range: Range<usize>) {
        if range.len() < DIRECT_OCTETS {
            self.text(&octets[range]);
        } else {
            self.0.push(Piece::Octets(Arc::clone(octets), range));
        }
    }

    /// Octets held so far, big parts of messages included.
    pub(super) fn len(&self) -> usize {
        let length = |piece: &Piece| match piece {
            Piece::Text(text) => text.len(),
            Piece::Octets(_, range) => range.len(),
        };
        self.0.iter().map(length).sum()
    }
}

/// One connection.
pub(super) struct Wire {
    stream: Box<dyn Stream>,
    state: State,
    number: u32,
    input: Vec<u8>,
    /// Octets of `input` that are consumed.
    at: usize,
    output: Vec<u8>,
    /// Octets consumed of the whole connection.
    received: u64,
    /// Octets answered on the whole connection, lost ones included.
    sent: u64,
    mute: bool,
    /// Whether the client was told anything since it last spoke.
    told: bool,
    compressed: bool,
}

impl Wire {
    pub(super) fn new(stream: Box<dyn Stream>, state: State, number: u32) -> Self {
        Self {
            stream,
            state,
            number,
            input: Vec::new(),
            at: 0,
            output: Vec::new(),
            received: 0,
            sent: 0,
            mute: false,
            told: false,
            compressed: false,
        }
    }

    pub(super) fn progress(&self) -> Progress {
        Progress { connection: self.number, received: self.received, sent: self.sent }
    }

    /// From here on, answers are lost.
    pub(super) fn mute(&mut self) {
        self.mute = true;
    }

    /// Whether input is waiting that was sent before the answers so far.
    pub(super) fn has_input(&self) -> bool {
        self.at < self.input.len()
    }

    /// Reads up to the next line end.
    pub(super) async fn line(&mut self) -> Result<Line, Hangup> {
        let longest = self.state.profile().limits.line_octets_max;
        let mut searched = 0;
        loop {
            let window = &self.input[self.at..self.visible_end()];
            if let Some(place) = memchr::memchr(b'\n', &window[searched..]) {
                let end = searched + place;
                let line = match window[..end].strip_suffix(b"\r") {
                    Some(line) if line.len() > longest => Line::TooLong(line[..longest].to_vec()),
                    Some(line) => Line::Whole(line.to_vec()),
                    None => Line::BareLf(window[..end].to_vec()),
                };
                self.consume(end + 1);
                return Ok(line);
            }
            if window.len() > longest + 1 {
                let line = window[..longest].to_vec();
                let all = window.len();
                self.consume(all);
                return Ok(Line::TooLong(line));
            }
            searched = window.len();
            self.read_more().await?;
        }
    }

    /// Reads the octets of a literal. The caller checked the count against a limit.
    pub(super) async fn literal(&mut self, octets: u64) -> Result<Arc<[u8]>, Hangup> {
        let mut value = Vec::new();
        let mut left = octets;
        while left > 0 {
            left -= self.chunk(left, |chunk| value.extend_from_slice(chunk)).await?;
        }
        Ok(value.into())
    }

    /// Reads the octets of a literal and forgets them.
    pub(super) async fn discard(&mut self, octets: u64) -> Result<(), Hangup> {
        let mut left = octets;
        while left > 0 {
            left -= self.chunk(left, |_| {}).await?;
        }
        Ok(())
    }

    /// Sends what a command answered.
    pub(super) async fn send(&mut self, out: Out) -> Result<(), Hangup> {
        for piece in out.0 {
            match piece {
                Piece::Text(text) => self.put(&text).await?,
                Piece::Octets(octets, range) => self.put(&octets[range]).await?,
            }
        }
        Ok(())
    }

    /// Sends octets, as far as the faults let them.
    pub(super) async fn put(&mut self, octets: &[u8]) -> Result<(), Hangup> {
        let faults = self.state.faults();
        let mut octets = octets;
        if let Some(cut) = faults.cut_at(Direction::Sent, self.number) {
            let left = cut.saturating_sub(self.sent);
            if octets.len() as u64 >= left {
                octets = &octets[..usize::try_from(left).unwrap_or(octets.len())];
                faults.settle(Direction::Sent, self.number, cut);
                self.transmit(octets).await?;
                self.flush().await?;
                return Err(Hangup::Cut);
            }
        }
        if let Some(mute) = faults.mute_at(self.number) {
            let left = mute.saturating_sub(self.sent);
            if octets.len() as u64 >= left {
                let (heard, lost) = octets.split_at(usize::try_from(left).unwrap_or(octets.len()));
                faults.settle(Direction::Sent, self.number, mute);
                self.transmit(heard).await?;
                self.mute = true;
                octets = lost;
            }
        }
        self.transmit(octets).await
    }

    pub(super) async fn flush(&mut self) -> Result<(), Hangup> {
        if !self.output.is_empty() {
            self.stream.write_all(&self.output).await?;
            self.output.clear();
        }
        self.stream.flush().await?;
        Ok(())
    }

    /// Puts the connection under TLS, after the OK to STARTTLS went out.
    pub(super) async fn upgrade(&mut self, config: Arc<ServerConfig>) -> Result<(), Hangup> {
        self.flush().await?;
        let plain = std::mem::replace(&mut self.stream, Box::new(tokio::io::empty()));
        self.stream = Box::new(TlsAcceptor::from(config).accept(plain).await?);
        Ok(())
    }

    /// Whether the octets are compressed.
    pub(super) fn is_compressed(&self) -> bool {
        self.compressed
    }

    /// Compresses the connection, after the OK to COMPRESS went out.
    pub(super) async fn compress(&mut self) -> Result<(), Hangup> {
        self.flush().await?;
        let plain = std::mem::replace(&mut self.stream, Box::new(tokio::io::empty()));
        self.stream = compressed(plain);
        self.compressed = true;
        Ok(())
    }

    /// Ends the connection; what was answered arrives.
    pub(super) async fn close(&mut self) {
        let finished = async {
            self.flush().await?;
            self.stream.shutdown().await?;
            let mut waste = vec![0; READ_OCTETS];
            while self.stream.read(&mut waste).await? > 0 {}
            Ok::<(), Hangup>(())
        };
        // An error here is the client's being gone already.
        let _ = tokio::time::timeout(LINGER, finished).await;
    }

    async fn transmit(&mut self, octets: &[u8]) -> Result<(), Hangup> {
        self.sent += octets.len() as u64;
        if self.mute {
            return Ok(());
        }
        self.told |= !octets.is_empty();
        if octets.len() >= DIRECT_OCTETS {
            self.flush().await?;
            self.stream.write_all(octets).await?;
            return Ok(());
        }
        self.output.extend_from_slice(octets);
        if self.output.len() >= FLUSH_OCTETS {
            self.flush().await?;
        }
        Ok(())
    }

    /// Hands out at most `most` octets of input and returns how many.
    async fn chunk(&mut self, most: u64, take: impl FnOnce(&[u8])) -> Result<u64, Hangup> {
        while self.visible_end() == self.at {
            self.read_more().await?;
        }
        let window = &self.input[self.at..self.visible_end()];
        let length = usize::try_from(most).unwrap_or(usize::MAX).min(window.len());
        take(&window[..length]);
        self.consume(length);
        Ok(length as u64)
    }

    fn consume(&mut self, octets: usize) {
        self.at += octets;
        self.received += octets as u64;
        if self.at == self.input.len() {
            self.input.clear();
            self.at = 0;
        }
    }

    /// Where the input ends that may be looked at: a cut is exact to the octet, however the
    /// octets were bundled on their way.
    fn visible_end(&self) -> usize {
        let all = self.input.len();
        match self.state.faults().cut_at(Direction::Received, self.number) {
            None => all,
            Some(cut) => {
                let left = usize::try_from(cut.saturating_sub(self.received)).unwrap_or(all);
                all.min(self.at.saturating_add(left))
            }
        }
    }

    async fn read_more(&mut self) -> Result<(), Hangup> {
        self.flush().await?;
        let held = (self.input.len() - self.at) as u64;
        if let Some(cut) = self.state.faults().cut_at(Direction::Received, self.number)
            && self.received + held >= cut
        {
            self.state.faults().settle(Direction::Received, self.number, cut);
            return Err(Hangup::Cut);
        }
        self.input.drain(..self.at);
        self.at = 0;
        self.input.reserve(READ_OCTETS);
        if self.stream.read_buf(&mut self.input).await? == 0 {
            return Err(Hangup::Eof);
        }
        if std::mem::take(&mut self.told) {
            self.state.note_round_trip(self.number);
        }
        Ok(())
    }
}

//! Framing: from a stream of octets to whole responses and streamed literals.
//!
//! Framing has to know a little grammar. `* OK quota is {5}` is human text and no literal
//! follows it; a framer that takes every `{n}` at a line's end for a literal waits for ever
//! or swallows the next response (RFC 9051 §7.1: resp-text has no strings). And a message
//! must not be held in memory, so that the literal of a BODY[] is handed out in chunks.

use memchr::memchr;

use crate::token::{self, Class, LiteralMark};

/// The size of the buffer a connection starts with, in octets.
const BUFFER_BYTES: usize = 128 * 1024;

/// A buffer larger than this is given back once it is empty.
const BUFFER_BYTES_KEPT_MAX: usize = 1024 * 1024;

/// What one response may cost in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameLimits {
    /// Octets of all the lines of one response, literals not counted. SEARCH lines of
    /// large mailboxes reach megabytes.
    pub line_bytes_max: usize,
    /// A literal of a FETCH response above this is streamed, whatever it belongs to.
    pub inline_literal_bytes_max: usize,
    /// Octets of all the literals that stand inline in one response.
    pub inline_total_bytes_max: usize,
}

impl Default for FrameLimits {
    /// 16 MiB of lines, literals inline up to 16 KiB in FETCH and 16 MiB in all.
    fn default() -> Self {
        Self {
            line_bytes_max: 16 << 20,
            inline_literal_bytes_max: 16 << 10,
            inline_total_bytes_max: 16 << 20,
        }
    }
}

/// Why a stream cannot be framed any further. The connection is lost: where the next
/// response begins is unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// A response's lines are longer than [`FrameLimits::line_bytes_max`].
    #[error("the server sent a response line of more than {limit} bytes")]
    LineTooLong {
        /// The limit that was exceeded, in octets.
        limit: usize,
    },
    /// The literals that cannot be streamed are longer than
    /// [`FrameLimits::inline_total_bytes_max`].
    #[error("the server sent more than {limit} bytes of literals in one response")]
    LiteralsTooLong {
        /// The limit that was exceeded, in octets.
        limit: usize,
    },
    /// The `{n}` of a literal does not fit into 64 bits.
    #[error("the server announced a literal of an impossible length")]
    LiteralLength,
}

/// One whole response without its last line end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// The response. Literals stand inline behind their `{n}` line end, unless detached.
    pub bytes: &'a [u8],
    /// Ascending offsets into `bytes`, just behind the `{n}` line end of a literal whose
    /// octets were streamed and are absent.
    pub detached: &'a [usize],
}

impl<'a> Frame<'a> {
    /// A response none of whose literals was streamed.
    #[must_use]
    pub fn whole(bytes: &'a [u8]) -> Self {
        Self { bytes, detached: &[] }
    }
}

/// What the stream brought next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WireEvent<'a> {
    /// One whole response.
    Response(Frame<'a>),
    /// A literal that is streamed begins. Only FETCH responses have such literals.
    LiteralBegin {
        /// The response up to and including the `{n}` line end; octets of literals that
        /// were streamed earlier in this response are absent.
        head: &'a [u8],
        /// The length of the literal, in octets.
        len: u64,
    },
    /// A part of the literal: what the buffer held. Never empty while a literal is read.
    Chunk(&'a [u8]),
    /// All octets of the literal were handed out; the rest of its response follows, either
    /// as another `LiteralBegin` or as `Response`.
    LiteralEnd,
}

/// Turns octets into [`WireEvent`]s.
///
/// Use it so: [`advance`](Self::advance) until it says `false`, then read from the socket
/// into [`space`](Self::space). Used in this way the buffer grows for long lines and inline
/// literals only, to their limits, and never for a streamed literal.
#[derive(Debug)]
pub struct Framer {
    limits: FrameLimits,
    buffer: Vec<u8>,
    /// The received octets that no event has consumed are `buffer[start..end]`.
    start: usize,
    end: usize,
    /// Where the physical line that is being read begins, from `start`.
    line: usize,
    /// No line end lies before this, from `start`; behind `end` inside an inline literal.
    scanned: usize,
    /// Octets of lines and of inline literals in the response so far.
    line_bytes: usize,
    literal_bytes: usize,
    /// A response that had a streamed literal is put together here.
    assembled: Vec<u8>,
    detached: Vec<usize>,
    /// Octets of the streamed literal that are still to come.
    streaming: Option<u64>,
    current: Current,
    fault: Option<FrameError>,
}

/// The event that stands at `start`. Lengths are what it consumes of the buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Current {
    None,
    Response { consumed: usize, text: usize },
    LiteralBegin { len: u64 },
    Chunk { consumed: usize },
    LiteralEnd,
}

impl Framer {
    /// A framer that has received nothing.
    #[must_use]
    pub fn new(limits: FrameLimits) -> Self {
        Self {
            limits,
            buffer: vec![0; BUFFER_BYTES],
            start: 0,
            end: 0,
            line: 0,
            scanned: 0,
            line_bytes: 0,
            literal_bytes: 0,
            assembled: Vec::new(),
            detached: Vec::new(),
            streaming: None,
            current: Current::None,
            fault: None,
        }
    }

    /// Free space to read into, never empty. Say [`filled`](Self::filled) afterwards.
    pub fn space(&mut self) -> &mut [u8] {
        if self.current != Current::None {
            // Data may move below: the event is over.
            self.release();
        }
        let size = self.buffer.len();
        // A read of a few octets is not worth a system call. Moving at most half of the
        // buffer only after at least a quarter of it was filled keeps the copying linear.
        if size - self.end < size / 8 {
            let held = self.end - self.start;
            if held <= size / 2 {
                self.buffer.copy_within(self.start..self.end, 0);
            } else {
                let mut larger = vec![0; size * 2];
                larger[..held].copy_from_slice(&self.buffer[self.start..self.end]);
                self.buffer = larger;
            }
            self.start = 0;
            self.end = held;
        }
        &mut self.buffer[self.end..]
    }

    /// Says that `n` octets were read into [`space`](Self::space).
    pub fn filled(&mut self, n: usize) {
        self.end = self.buffer.len().min(self.end + n);
    }

    /// Copies octets in, as if they had been read.
    pub fn push(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let space = self.space();
            let n = space.len().min(bytes.len());
            space[..n].copy_from_slice(&bytes[..n]);
            self.filled(n);
            bytes = &bytes[n..];
        }
    }

    /// Goes on to the next event and drops the one before. `true`: [`event`](Self::event)
    /// has it. `false`: more octets are needed.
    ///
    /// # Errors
    /// A limit was exceeded; every later call fails in the same way.
    pub fn advance(&mut self) -> Result<bool, FrameError> {
        if let Some(fault) = self.fault {
            return Err(fault);
        }
        self.release();
        match self.streaming {
            Some(left) => Ok(self.next_chunk(left)),
            None => self.next_line().inspect_err(|fault| self.fault = Some(*fault)),
        }
    }

    /// The current event; an empty chunk if there is none.
    #[must_use]
    pub fn event(&self) -> WireEvent<'_> {
        let from = &self.buffer[self.start..self.end];
        match self.current {
            Current::None => WireEvent::Chunk(&[]),
            Current::Response { text, .. } if self.detached.is_empty() => {
                WireEvent::Response(Frame::whole(&from[..text]))
            }
            Current::Response { .. } => {
                WireEvent::Response(Frame { bytes: &self.assembled, detached: &self.detached })
            }
            Current::LiteralBegin { len } => WireEvent::LiteralBegin { head: &self.assembled, len },
            Current::Chunk { consumed } => WireEvent::Chunk(&from[..consumed]),
            Current::LiteralEnd => WireEvent::LiteralEnd,
        }
    }

    /// Octets that were received but belong to no event yet. Must be 0 when TLS is begun
    /// after STARTTLS: what came before is not protected (RFC 9051 §6.2.1).
    #[must_use]
    pub fn pending(&self) -> usize {
        let consumed = match self.current {
            Current::Response { consumed, .. } | Current::Chunk { consumed } => consumed,
            Current::None | Current::LiteralBegin { .. } | Current::LiteralEnd => 0,
        };
        self.end - self.start - consumed
    }

    /// Takes away what [`pending`](Self::pending) counts; the current event stays.
    pub fn take_pending(&mut self) -> Vec<u8> {
        let from = self.end - self.pending();
        let octets = self.buffer[from..self.end].to_vec();
        self.end = from;
        octets
    }

    /// Whether the next octets belong to a literal that is streamed.
    #[must_use]
    pub fn is_within_literal(&self) -> bool {
        self.streaming.is_some_and(|left| left > 0)
    }

    /// The octets of memory the buffer takes at present.
    #[must_use]
    pub fn buffer_bytes(&self) -> usize {
        self.buffer.len()
    }

    /// Ends the current event and frees what it stood on.
    fn release(&mut self) {
        match self.current {
            Current::Response { consumed, .. } => {
                self.start += consumed;
                (self.line, self.scanned) = (0, 0);
                (self.line_bytes, self.literal_bytes) = (0, 0);
                self.assembled.clear();
                self.detached.clear();
            }
            Current::Chunk { consumed } => {
                self.start += consumed;
                self.streaming = self.streaming.map(|left| left - consumed as u64);
            }
            Current::None | Current::LiteralBegin { .. } | Current::LiteralEnd => {}
        }
        self.current = Current::None;
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
            if self.buffer.len() > BUFFER_BYTES_KEPT_MAX {
                self.buffer = vec![0; BUFFER_BYTES];
            }
            if self.assembled.capacity() > BUFFER_BYTES_KEPT_MAX && self.assembled.is_empty() {
                self.assembled = Vec::new();
            }
        }
    }

    fn next_chunk(&mut self, left: u64) -> bool {
        if left == 0 {
            self.streaming = None;
            self.current = Current::LiteralEnd;
            return true;
        }
        let held = self.end - self.start;
        let consumed = usize::try_from(left).map_or(held, |left| left.min(held));
        if consumed == 0 {
            return false;
        }
        self.current = Current::Chunk { consumed };
        true
    }

    /// Looks for line ends until a response or the begin of a streamed literal is whole.
    fn next_line(&mut self) -> Result<bool, FrameError> {
        loop {
            let held = self.end - self.start;
            if self.scanned > held {
                return Ok(false);
            }
            let from = self.start + self.scanned;
            let Some(found) = memchr(b'\n', &self.buffer[from..self.end]) else {
                self.scanned = held;
                self.check_line_bytes(held - self.line)?;
                return Ok(false);
            };
            let line_end = self.scanned + found + 1;
            self.check_line_bytes(line_end - self.line)?;
            self.line_bytes += line_end - self.line;
            match self.literal(line_end) {
                None => return Ok(self.end_response(line_end)),
                Some(LiteralMark { len: None, .. }) => return Err(FrameError::LiteralLength),
                Some(LiteralMark { len: Some(len), brace }) => {
                    if self.streams(len, brace) {
                        return Ok(self.begin_literal(line_end, len));
                    }
                    self.take_inline(line_end, len)?;
                }
            }
        }
    }

    /// The literal that the line up to `line_end` announces.
    fn literal(&self, line_end: usize) -> Option<LiteralMark> {
        let line = &self.buffer[self.start + self.line..self.start + line_end];
        let mark = token::literal_mark(line)?;
        (self.class() != Class::Text).then_some(mark)
    }

    /// What kind of response is being read.
    fn class(&self) -> Class {
        if self.detached.is_empty() {
            token::class(&self.buffer[self.start..self.end])
        } else {
            // Only FETCH responses are streamed.
            Class::Fetch
        }
    }

    /// Whether the literal whose `{` stands at `brace` of the current line is streamed.
    fn streams(&self, len: u64, brace: usize) -> bool {
        let line = self.start + self.line;
        self.class() == Class::Fetch
            && (len > self.limits.inline_literal_bytes_max as u64
                || token::names_body(&self.buffer[line..line + brace]))
    }

    fn begin_literal(&mut self, line_end: usize, len: u64) -> bool {
        let head = self.start..self.start + line_end;
        self.assembled.extend_from_slice(&self.buffer[head]);
        self.detached.push(self.assembled.len());
        self.start += line_end;
        (self.line, self.scanned) = (0, 0);
        self.streaming = Some(len);
        self.current = Current::LiteralBegin { len };
        true
    }

    /// Goes on behind a literal that stays in the buffer.
    fn take_inline(&mut self, line_end: usize, len: u64) -> Result<(), FrameError> {
        let limit = self.limits.inline_total_bytes_max;
        let len = usize::try_from(len).unwrap_or(usize::MAX);
        self.literal_bytes = self.literal_bytes.saturating_add(len);
        if self.literal_bytes > limit {
            return Err(FrameError::LiteralsTooLong { limit });
        }
        self.line = line_end + len;
        self.scanned = self.line;
        Ok(())
    }

    fn end_response(&mut self, line_end: usize) -> bool {
        let bytes = &self.buffer[self.start..self.start + line_end];
        let text = token::without_line_end(bytes);
        if !self.detached.is_empty() {
            self.assembled.extend_from_slice(text);
        }
        self.current = Current::Response { consumed: line_end, text: text.len() };
        true
    }

    fn check_line_bytes(&self, line_bytes: usize) -> Result<(), FrameError> {
        let limit = self.limits.line_bytes_max;
        if self.line_bytes + line_bytes > limit {
            return Err(FrameError::LineTooLong { limit });
        }
        Ok(())
    }
}

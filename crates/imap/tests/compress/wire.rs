//! A server of a few lines, octet by octet: all it says is there from the begin, but what
//! stands behind its answer to COMPRESS is read only once that was asked.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress};
use mailferry_imap::connection::Connection;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

pub(crate) const GREETING: &[u8] = b"* OK [CAPABILITY IMAP4rev1 COMPRESS=DEFLATE] ready\r\n";
pub(crate) const ASKED: &[u8] = b"m1 COMPRESS DEFLATE\r\n";

/// What the client sent.
pub(crate) type Sent = Arc<Mutex<Vec<u8>>>;

/// A transport that moves at most `cut` octets at a time, and nothing at every second try.
pub(crate) struct Trickle {
    pub(crate) said: Vec<u8>,
    pub(crate) at: usize,
    pub(crate) cut: usize,
    /// Octets of `said` that are there before the client asked for COMPRESS.
    pub(crate) before_asked: usize,
    pub(crate) sent: Sent,
    turns: [bool; 2],
    /// How often nothing was left to say, and how much the client had sent then.
    idle: (u32, usize),
}

/// The connection ends when that often nothing moved either way.
const IDLE_MAX: u32 = 6;

impl Trickle {
    /// Greets, answers COMPRESS with `answer`, and says `rest`.
    pub(crate) fn new(answer: &[u8], rest: &[u8], cut: usize) -> (Self, Sent) {
        let sent = Sent::default();
        let said = [GREETING, answer, rest].concat();
        let before_asked = GREETING.len();
        (
            Self {
                said,
                at: 0,
                cut,
                before_asked,
                sent: sent.clone(),
                turns: [false; 2],
                idle: (0, 0),
            },
            sent,
        )
    }

    pub(crate) fn connection(self) -> Connection {
        Connection::new(Box::new(self), Duration::from_secs(5))
    }

    /// Whether the client may still be sending.
    fn has_hope(&mut self) -> bool {
        let sent = self.sent.lock().unwrap().len();
        self.idle = if self.idle.1 == sent { (self.idle.0 + 1, sent) } else { (0, sent) };
        self.idle.0 < IDLE_MAX
    }

    fn holds_back(&mut self, way: usize, context: &mut Context<'_>) -> bool {
        self.turns[way] = !self.turns[way];
        if self.turns[way] {
            context.waker().wake_by_ref();
        }
        self.turns[way]
    }
}

impl AsyncRead for Trickle {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.holds_back(0, context) {
            return Poll::Pending;
        }
        let asked = self.sent.lock().unwrap().starts_with(ASKED);
        let end = if asked { self.said.len() } else { self.before_asked };
        let end = end.min(self.at + self.cut.min(buffer.remaining()));
        if end == self.at && (!asked || self.has_hope()) {
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        buffer.put_slice(&self.said[self.at..end]);
        self.at = end;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Trickle {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        octets: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.holds_back(1, context) {
            return Poll::Pending;
        }
        let some = &octets[..octets.len().min(self.cut)];
        self.sent.lock().unwrap().extend_from_slice(some);
        Poll::Ready(Ok(some.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// Raw deflate up to a sync flush, as a server has it behind each answer.
pub(crate) fn deflated(octets: &[u8]) -> Vec<u8> {
    let mut stream = Compress::new(Compression::default(), false);
    let mut out = Vec::with_capacity(octets.len() * 2 + 1000);
    stream.compress_vec(octets, &mut out, FlushCompress::Sync).unwrap();
    assert_eq!(stream.total_in(), octets.len() as u64);
    out
}

/// What can be read of a deflated stream as far as it came.
pub(crate) fn inflated(octets: &[u8]) -> Vec<u8> {
    let mut stream = Decompress::new(false);
    let mut out = Vec::with_capacity(octets.len() * 1100 + 1000);
    stream.decompress_vec(octets, &mut out, FlushDecompress::Sync).unwrap();
    out
}

//! COMPRESS=DEFLATE (RFC 4978 §3): what goes out is deflated, what comes in is inflated, in
//! buffers of a fixed size. Who decides whether a connection is compressed sits elsewhere.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use flate2::{Compress, Decompress, FlushCompress, FlushDecompress, Status};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::connection::Transport;
use crate::session::Tag;

/// Octets held as the server sent them, before they are inflated.
const INCOMING_BYTES: usize = 32 * 1024;
/// Octets held deflated, until the transport below takes them.
const OUTGOING_BYTES: usize = 64 * 1024;
/// Of zlib's nine levels. The first leaves base64 as it is; the sixth takes four times as long
/// as the second to save four octets in a hundred more (docs/design/compress.md).
const LEVEL: u32 = 2;

/// Whether the octets of a connection are compressed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Compression {
    /// They are not, and nobody asked for it.
    #[default]
    Off,
    /// COMPRESS goes out as soon as nothing else is in flight.
    Wanted,
    /// It went out and is not answered yet. Nothing follows it before that
    /// (RFC 4978 §3).
    Asked(Tag),
    /// They are, both ways.
    Active,
    /// They are not: the server does not offer it, or refused with these words. It is not
    /// asked again on this connection.
    Refused(String),
}

/// What came is not the stream of RFC 1951 §3.2 that the server announced. Nothing behind that can
/// be read.
#[derive(Debug, thiserror::Error)]
#[error("the compressed octets of the server cannot be inflated: {0}")]
pub struct CorruptStream(String);

/// A transport that carries deflated octets over the one below.
pub(crate) struct Deflated {
    below: Box<dyn Transport>,
    inflater: Decompress,
    deflater: Compress,
    /// What came and is not inflated yet is `incoming[at..]`.
    incoming: Vec<u8>,
    at: usize,
    /// What is deflated and not taken yet is `outgoing[taken..]`.
    outgoing: Vec<u8>,
    taken: usize,
    sync: Sync,
    end: End,
}

/// Whether all that was written can be read by the other side from what went out.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sync {
    Reached,
    Needed,
}

/// Whether the server ended its stream, as it may before it closes the connection.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    Open,
    Reached,
}

impl Deflated {
    /// `received`: octets that came already and are compressed.
    pub(crate) fn new(below: Box<dyn Transport>, received: Vec<u8>) -> Self {
        Self {
            below,
            // No zlib header: raw deflate (RFC 4978 §3).
            inflater: Decompress::new(false),
            deflater: Compress::new(flate2::Compression::new(LEVEL), false),
            incoming: received,
            at: 0,
            outgoing: Vec::with_capacity(OUTGOING_BYTES),
            taken: 0,
            sync: Sync::Reached,
            end: End::Open,
        }
    }

    /// Inflates what is there into `buffer`; whether that brought anything.
    fn inflate(&mut self, buffer: &mut ReadBuf<'_>) -> Result<Inflated, CorruptStream> {
        let space = buffer.initialize_unfilled();
        let (read, made) = (self.inflater.total_in(), self.inflater.total_out());
        let input = &self.incoming[self.at..];
        let status = self.inflater.decompress(input, space, FlushDecompress::Sync);
        if status.map_err(|error| CorruptStream(error.to_string()))? == Status::StreamEnd {
            self.end = End::Reached;
        }
        let read = progress(read, self.inflater.total_in());
        let made = progress(made, self.inflater.total_out());
        self.at += read;
        buffer.advance(made);
        match (made, read) {
            (1.., _) => Ok(Inflated::Some),
            (0, 1..) if self.at < self.incoming.len() => Ok(Inflated::NothingYet),
            _ if self.at == self.incoming.len() || self.end == End::Reached => {
                Ok(Inflated::NeedsMore)
            }
            _ => Err(CorruptStream("it does not go on".to_owned())),
        }
    }

    /// Reads more from below; `false` at its end.
    fn poll_refill(&mut self, context: &mut Context<'_>) -> Poll<io::Result<bool>> {
        self.at = 0;
        self.incoming.resize(INCOMING_BYTES, 0);
        let mut buffer = ReadBuf::new(&mut self.incoming);
        let polled = Pin::new(&mut self.below).poll_read(context, &mut buffer);
        let received = buffer.filled().len();
        self.incoming.truncate(received);
        ready!(polled)?;
        Poll::Ready(Ok(received > 0))
    }

    /// Hands what is deflated to the transport below.
    fn poll_drain(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.taken < self.outgoing.len() {
            let octets = &self.outgoing[self.taken..];
            match ready!(Pin::new(&mut self.below).poll_write(context, octets))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                taken => self.taken += taken,
            }
        }
        self.outgoing.clear();
        self.taken = 0;
        Poll::Ready(Ok(()))
    }

    /// Deflates into what is free of `outgoing`; how many octets were read.
    fn deflate(&mut self, octets: &[u8], flush: FlushCompress) -> io::Result<usize> {
        let read = self.deflater.total_in();
        self.deflater
            .compress_vec(octets, &mut self.outgoing, flush)
            .map_err(|error| io::Error::other(error.to_string()))?;
        Ok(progress(read, self.deflater.total_in()))
    }

    fn is_full(&self) -> bool {
        self.outgoing.len() == self.outgoing.capacity()
    }

    /// Makes all that was written readable for the server, and hands it below.
    fn poll_sync(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            ready!(self.poll_drain(context))?;
            if self.sync == Sync::Reached {
                return Poll::Ready(Ok(()));
            }
            self.deflate(&[], FlushCompress::Sync)?;
            // Where the room did not suffice, there is more of it (zlib.h on deflate).
            if !self.is_full() {
                self.sync = Sync::Reached;
            }
        }
    }
}

/// What a look at the octets received came to.
enum Inflated {
    Some,
    NothingYet,
    NeedsMore,
}

fn progress(before: u64, after: u64) -> usize {
    usize::try_from(after - before).unwrap_or(usize::MAX)
}

impl AsyncRead for Deflated {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        while self.end == End::Open && buffer.remaining() > 0 {
            let inflated = self.inflate(buffer);
            match inflated.map_err(|corrupt| io::Error::new(io::ErrorKind::InvalidData, corrupt))? {
                Inflated::Some => break,
                Inflated::NothingYet => {}
                Inflated::NeedsMore if self.end == End::Reached => {}
                Inflated::NeedsMore => {
                    if !ready!(self.poll_refill(context))? {
                        self.end = End::Reached;
                    }
                }
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Deflated {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        octets: &[u8],
    ) -> Poll<io::Result<usize>> {
        loop {
            if self.is_full() {
                ready!(self.poll_drain(context))?;
            }
            let read = self.deflate(octets, FlushCompress::None)?;
            if read > 0 || octets.is_empty() {
                self.sync = Sync::Needed;
                return Poll::Ready(Ok(read));
            }
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_sync(context))?;
        Pin::new(&mut self.below).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_sync(context))?;
        Pin::new(&mut self.below).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    const MEBIBYTE: usize = 1 << 20;

    #[tokio::test]
    async fn what_one_octet_inflates_to_does_not_grow_the_buffers() {
        let (below, mut server) = tokio::io::duplex(MEBIBYTE);
        let mut stream = Deflated::new(Box::new(below), Vec::new());
        tokio::spawn(async move {
            let mut deflater = Compress::new(flate2::Compression::best(), false);
            for _ in 0..200 {
                let mut out = Vec::with_capacity(64 * 1024);
                let zeros = vec![0; MEBIBYTE];
                deflater.compress_vec(&zeros, &mut out, FlushCompress::Sync).unwrap();
                server.write_all(&out).await.unwrap();
            }
        });
        let mut buffer = vec![0; 100_000];
        let mut all = 0;
        loop {
            let some = stream.read(&mut buffer).await.unwrap();
            if some == 0 {
                break;
            }
            assert!(stream.incoming.capacity() <= INCOMING_BYTES);
            all += some;
        }
        assert_eq!(all, 200 * MEBIBYTE);
    }

    #[tokio::test]
    async fn what_the_server_does_not_take_waits_with_the_writer() {
        let (below, mut server) = tokio::io::duplex(1000);
        let mut stream = Deflated::new(Box::new(below), Vec::new());
        let capacity = stream.outgoing.capacity();
        let mut dice = 1_u64;
        let noise: Vec<u8> = std::iter::repeat_with(|| {
            dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            dice.to_be_bytes()[0]
        })
        .take(MEBIBYTE)
        .collect();
        let patience = std::time::Duration::from_millis(50);
        assert!(tokio::time::timeout(patience, stream.write_all(&noise)).await.is_err());
        assert!(tokio::time::timeout(patience, stream.flush()).await.is_err());
        assert!(stream.deflater.total_in() < noise.len() as u64);
        assert_eq!(stream.outgoing.capacity(), capacity);
        let written = usize::try_from(stream.deflater.total_in()).unwrap();
        tokio::spawn(async move { stream.shutdown().await.unwrap() });
        let (mut deflated, mut inflated) = (Vec::new(), Vec::with_capacity(2 * MEBIBYTE));
        server.read_to_end(&mut deflated).await.unwrap();
        Decompress::new(false)
            .decompress_vec(&deflated, &mut inflated, FlushDecompress::Sync)
            .unwrap();
        assert!(inflated == noise[..written]);
    }
}

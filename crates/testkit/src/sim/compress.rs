//! COMPRESS=DEFLATE (RFC 4978). The deflating is another library's than the client's, so that
//! one checks the other.

use miniz_oxide::deflate::core::{CompressorOxide, create_comp_flags_from_zip_params};
use miniz_oxide::deflate::stream::deflate;
use miniz_oxide::inflate::stream::{InflateState, inflate};
use miniz_oxide::{DataFormat, MZError, MZFlush, MZStatus};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, split};

use super::parse::Refusal;
use super::session::{Connection, Next};
use super::wire::{Hangup, LINGER, Stream};

const BUFFER_OCTETS: usize = 64 * 1024;
/// miniz's own default.
const LEVEL: i32 = 6;
/// Raw deflate, no zlib header.
const WINDOW_BITS: i32 = -15;

impl Connection {
    pub(super) async fn compress(&mut self, tag: &str) -> Result<Next, Hangup> {
        if self.wire.is_compressed() {
            let refusal = Refusal::no("[COMPRESSIONACTIVE] DEFLATE is active already");
            return self.tagged(tag, Err(refusal)).await;
        }
        if self.wire.has_input() {
            // The client must have seen the answer before it sends anything (RFC 4978 §3).
            self.tagged(tag, Err(Refusal::bad("Input after COMPRESS"))).await?;
            return self.bye("Input after COMPRESS").await;
        }
        self.tagged(tag, Ok("DEFLATE active".to_owned())).await?;
        self.wire.compress().await?;
        Ok(Next::Command)
    }
}

/// What the server reads and writes in plain octets, deflated on `stream`.
pub(super) fn compressed(stream: Box<dyn Stream>) -> Box<dyn Stream> {
    let (ours, theirs) = tokio::io::duplex(BUFFER_OCTETS);
    tokio::spawn(carry(stream, theirs));
    Box::new(ours)
}

async fn carry(stream: Box<dyn Stream>, plain: DuplexStream) {
    let (from_client, to_client) = split(stream);
    let (from_server, to_server) = split(plain);
    let mut up = Box::pin(inflate_all(from_client, to_server));
    let mut down = Box::pin(deflate_all(from_server, to_client));
    tokio::select! {
        _ = &mut up => drop(down.await),
        _ = &mut down => drop(tokio::time::timeout(LINGER, up).await),
    }
}

async fn inflate_all(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
) -> Result<(), Hangup> {
    let mut state = InflateState::new_boxed(DataFormat::Raw);
    let (mut input, mut output) = (vec![0; BUFFER_OCTETS], vec![0; BUFFER_OCTETS]);
    loop {
        let received = from.read(&mut input).await?;
        let mut octets = &input[..received];
        loop {
            let result = inflate(&mut state, octets, &mut output, MZFlush::Sync);
            octets = &octets[result.bytes_consumed..];
            to.write_all(&output[..result.bytes_written]).await?;
            match result.status {
                Ok(MZStatus::StreamEnd) | Err(MZError::Data | MZError::Stream) => {
                    to.shutdown().await?;
                    return Ok(());
                }
                _ if octets.is_empty() && result.bytes_written < output.len() => break,
                _ => {}
            }
        }
        if received == 0 {
            to.shutdown().await?;
            return Ok(());
        }
    }
}

async fn deflate_all(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
) -> Result<(), Hangup> {
    let flags = create_comp_flags_from_zip_params(LEVEL, WINDOW_BITS, 0);
    let mut state = Box::new(CompressorOxide::new(flags));
    let (mut input, mut output) = (vec![0; BUFFER_OCTETS], vec![0; BUFFER_OCTETS]);
    loop {
        let received = from.read(&mut input).await?;
        if received == 0 {
            to.shutdown().await?;
            return Ok(());
        }
        let mut octets = &input[..received];
        loop {
            let result = deflate(&mut state, octets, &mut output, MZFlush::Sync);
            octets = &octets[result.bytes_consumed..];
            to.write_all(&output[..result.bytes_written]).await?;
            if octets.is_empty() && result.bytes_written < output.len() {
                break;
            }
        }
        to.flush().await?;
    }
}

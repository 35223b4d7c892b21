//! One message in a file, or in a part of one.

use std::io::{self, SeekFrom};
use std::path::PathBuf;

use mailferry_engine::identity::{KeyRule, header_key};
use mailferry_engine::message::{FlagSet, InternalDate, Key, Uid};
use ring::digest::{Context, SHA256};
use tokio::fs::File;
use tokio::io::{AsyncReadExt, AsyncSeekExt};

use super::CHUNK_OCTETS;
use super::mboxrd::{Direction, Quoting};
use crate::contract::OctetDigest;

/// A header longer than this identifies nothing: a digest decides.
const HEADER_OCTETS_MAX: u64 = 1 << 20;
/// Octets that are read at once where a header is looked for.
const HEADER_CHUNK_OCTETS: usize = 4096;

/// One message.
#[derive(Clone, Debug)]
pub struct FileMessage {
    /// Its UID.
    pub uid: Uid,
    /// Its flags and keywords.
    pub flags: FlagSet,
    /// Its INTERNALDATE.
    pub date: InternalDate,
    /// Its length, in octets.
    pub octets: u64,
    /// The file that holds it.
    pub path: PathBuf,
    /// Where it is in the file.
    pub part: Part,
    /// What was written there; a message of another digest is not handed out.
    pub digest: Option<OctetDigest>,
}

/// Where in its file a message is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Part {
    /// It is the whole file.
    #[default]
    Whole,
    /// It is in an mbox, quoted as mboxrd has it.
    Mbox {
        /// Where it begins, behind its `From ` line.
        offset: u64,
        /// How many octets of the file stand for it.
        stored: u64,
    },
}

/// The octets of a message, as they are read.
pub(crate) struct Body {
    file: File,
    chunk_octets: usize,
    /// Octets of the file that were not read yet.
    stored: u64,
    /// Octets of the message that were not handed out yet.
    left: u64,
    raw: Vec<u8>,
    octets: Vec<u8>,
    unquoting: Option<Quoting>,
}

impl Body {
    /// The octets that were read last; none at the end.
    pub(crate) fn octets(&self) -> &[u8] {
        &self.octets
    }

    /// Reads the next octets. May be dropped while waiting and called again.
    ///
    /// # Errors
    /// The file cannot be read, or ends before the message does.
    pub(crate) async fn fill(&mut self) -> io::Result<()> {
        self.octets.clear();
        while self.left > 0 && self.octets.is_empty() {
            let most = usize::try_from(self.stored).unwrap_or(usize::MAX).min(self.chunk_octets);
            self.raw.resize(most, 0);
            let read = self.file.read(&mut self.raw).await?;
            self.stored -= read as u64;
            match &mut self.unquoting {
                None => self.octets.extend_from_slice(&self.raw[..read]),
                Some(quoting) if read == 0 => quoting.finish(&mut self.octets),
                Some(quoting) => quoting.push(&self.raw[..read], &mut self.octets),
            }
            if read == 0 && self.octets.is_empty() {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            self.octets.truncate(usize::try_from(self.left).unwrap_or(usize::MAX));
            self.left -= self.octets.len() as u64;
        }
        Ok(())
    }

    async fn next(&mut self) -> io::Result<&[u8]> {
        self.fill().await?;
        Ok(&self.octets)
    }
}

impl FileMessage {
    /// Opens the file; one of another length holds another message.
    pub(crate) async fn open(&self, chunk_octets: usize) -> io::Result<Body> {
        let mut file = File::open(&self.path).await?;
        let octets = file.metadata().await?.len();
        let (stored, unquoting) = match self.part {
            Part::Whole if octets != self.octets => {
                let words = format!("it has {octets} octets and should have {}", self.octets);
                return Err(io::Error::new(io::ErrorKind::InvalidData, words));
            }
            Part::Whole => (octets, None),
            Part::Mbox { offset, stored } => {
                if octets < offset.saturating_add(stored) {
                    let words = format!("it ends before the message at {offset} does");
                    return Err(io::Error::new(io::ErrorKind::InvalidData, words));
                }
                file.seek(SeekFrom::Start(offset)).await?;
                (stored, Some(Quoting::new(Direction::Unquote)))
            }
        };
        let (raw, octets) = (Vec::new(), Vec::new());
        Ok(Body { file, chunk_octets, stored, left: self.octets, raw, octets, unquoting })
    }

    /// Reads it all.
    ///
    /// # Errors
    /// It cannot be read, or is not what was written there: then `take` got other octets.
    pub(crate) async fn read(&self, mut take: impl FnMut(&[u8])) -> io::Result<()> {
        let mut body = self.open(CHUNK_OCTETS).await?;
        let mut context = self.digest.map(|_| Context::new(&SHA256));
        loop {
            let octets = body.next().await?;
            if octets.is_empty() {
                break;
            }
            if let Some(context) = &mut context {
                context.update(octets);
            }
            take(octets);
        }
        if context.map(OctetDigest::of) != self.digest {
            let words = "its octets are not those that were written there (SHA-256)";
            return Err(io::Error::new(io::ErrorKind::InvalidData, words));
        }
        Ok(())
    }

    /// Opens it, once it is known to be what was written there.
    pub(crate) async fn open_proven(&self) -> io::Result<Body> {
        if self.digest.is_some() {
            self.read(|_| {}).await?;
        }
        self.open(CHUNK_OCTETS).await
    }

    /// The key of its header.
    pub(crate) async fn key(&self, keys: &KeyRule) -> io::Result<Key> {
        let header = self.header().await?;
        Ok(header.map_or(Key::NONE, |header| header_key(&header, keys)))
    }

    /// Its header; `None` for one that is longer than a header is.
    pub(crate) async fn header(&self) -> io::Result<Option<Vec<u8>>> {
        let mut body = self.open(HEADER_CHUNK_OCTETS).await?;
        let mut header: Vec<u8> = Vec::new();
        loop {
            let octets = body.next().await?;
            let from = header.len().saturating_sub(3);
            header.extend_from_slice(octets);
            if octets.is_empty() || has_header_end(&header[from..]) {
                return Ok(Some(header));
            }
            if header.len() as u64 >= HEADER_OCTETS_MAX {
                return Ok(None);
            }
        }
    }
}

/// Whether an empty line is in these octets, CRLF or LF.
fn has_header_end(octets: &[u8]) -> bool {
    memchr::memchr_iter(b'\n', octets).any(|at| {
        let behind = &octets[at + 1..];
        behind.starts_with(b"\n") || behind.starts_with(b"\r\n")
    })
}

//! Reading back what was kept aside.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use ring::digest::{Context, SHA256};

use super::metadata::{Metadata, VERSION};
use super::write::hex;
use super::{Quarantine, QuarantineError};

/// The longest `.json` that is written and read, in octets.
pub(super) const METADATA_OCTETS_MAX: u64 = 1 << 20;
/// Octets that are read at once.
const CHUNK_OCTETS: usize = 64 * 1024;

/// A message that was kept aside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    message: PathBuf,
    beside: PathBuf,
    metadata: Metadata,
}

/// Its octets. That they are those that were kept was found before it was given out.
#[derive(Debug)]
pub struct KeptMessage {
    path: PathBuf,
    file: File,
    octets: u64,
}

impl Kept {
    pub(super) fn new(message: &Path, beside: &Path, metadata: Metadata) -> Self {
        Self { message: message.to_owned(), beside: beside.to_owned(), metadata }
    }

    /// The file that holds the message.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.message
    }

    /// What is known of it.
    #[must_use]
    pub fn metadata(&self) -> &Metadata {
        &self.metadata
    }

    /// Opens the message, after reading it once to see that length and SHA-256 are those that
    /// were written beside it.
    ///
    /// # Errors
    /// The file cannot be read, or is another one.
    pub fn open(&self) -> Result<KeptMessage, QuarantineError> {
        let failed = |error| QuarantineError::read(&self.message, error);
        let mut file = File::open(&self.message).map_err(failed)?;
        let mut hash = Context::new(&SHA256);
        let mut octets = 0;
        let mut chunk = vec![0; CHUNK_OCTETS];
        loop {
            let read = file.read(&mut chunk).map_err(failed)?;
            if read == 0 {
                break;
            }
            octets += read as u64;
            hash.update(&chunk[..read]);
        }
        if octets != self.metadata.octets || hex(hash.finish().as_ref()) != self.metadata.sha256 {
            return Err(QuarantineError::Altered { path: self.message.clone() });
        }
        file.seek(SeekFrom::Start(0)).map_err(failed)?;
        Ok(KeptMessage { path: self.message.clone(), file, octets })
    }
}

impl KeptMessage {
    /// Length of the message.
    #[must_use]
    pub fn octets(&self) -> u64 {
        self.octets
    }

    /// Reads further octets; 0 at the end.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn read(&mut self, chunk: &mut [u8]) -> Result<usize, QuarantineError> {
        self.file.read(chunk).map_err(|error| QuarantineError::read(&self.path, error))
    }

    /// Goes back to the first octet, for another pass.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn rewind(&mut self) -> Result<(), QuarantineError> {
        let back = self.file.seek(SeekFrom::Start(0));
        back.map(|_| ()).map_err(|error| QuarantineError::read(&self.path, error))
    }
}

impl Quarantine {
    /// Everything that is kept aside, in the order of the files' names. What cannot be read is
    /// told in its place and hides nothing else.
    ///
    /// # Errors
    /// The folder cannot be read, or it holds more than the limits permit.
    pub fn list(&self) -> Result<Vec<Result<Kept, QuarantineError>>, QuarantineError> {
        let failed = |error| QuarantineError::Folder { path: self.folder.clone(), error };
        let mut paths = Vec::new();
        for entry in std::fs::read_dir(&self.folder).map_err(failed)? {
            let path = entry.map_err(failed)?.path();
            if path.extension().is_some_and(|end| end == "json") {
                paths.push(path);
            }
            if paths.len() as u64 > self.limits.messages_max {
                let (path, limit) = (self.folder.clone(), self.limits.messages_max);
                let what = "messages in the quarantine";
                return Err(QuarantineError::Limit { path, what, limit });
            }
        }
        paths.sort_unstable();
        Ok(paths.into_iter().map(read_metadata).collect())
    }

    /// Removes a message that has found its place.
    ///
    /// # Errors
    /// A file cannot be removed.
    pub fn release(&self, kept: &Kept) -> Result<(), QuarantineError> {
        // First what says that both are there.
        for path in [&kept.beside, &kept.message] {
            std::fs::remove_file(path).map_err(|error| QuarantineError::write(path, error))?;
        }
        self.give_back(1, kept.metadata.octets);
        self.sync()
    }
}

fn read_metadata(beside: PathBuf) -> Result<Kept, QuarantineError> {
    let failed = |error| QuarantineError::read(&beside, error);
    let file = File::open(&beside).map_err(failed)?;
    let mut text = Vec::new();
    file.take(METADATA_OCTETS_MAX + 1).read_to_end(&mut text).map_err(failed)?;
    if text.len() as u64 > METADATA_OCTETS_MAX {
        let what = "octets of what is known of a message";
        return Err(QuarantineError::Limit { path: beside, what, limit: METADATA_OCTETS_MAX });
    }
    let not_understood =
        |words: String| QuarantineError::NotUnderstood { path: beside.clone(), words };
    let metadata: Metadata =
        serde_json::from_slice(&text).map_err(|error| not_understood(error.to_string()))?;
    if metadata.version != VERSION {
        let words = format!("version {}, not {VERSION}", metadata.version);
        return Err(not_understood(words));
    }
    let Some(origin) = metadata.origin().filter(|_| metadata.record().is_some()) else {
        return Err(not_understood("a name or a UID is not well formed".into()));
    };
    let stem = origin.file_stem();
    if beside.file_stem().is_none_or(|name| name != stem.as_str()) {
        return Err(not_understood(format!("it should be called {stem}.json")));
    }
    Ok(Kept::new(&beside.with_extension("eml"), &beside, metadata))
}

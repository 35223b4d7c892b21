//! Keeping a message aside.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use ring::digest::{Context, SHA256};

use super::disk::Output;
use super::metadata::{Metadata, Record};
use super::read::METADATA_OCTETS_MAX;
use super::{Kept, Origin, Quarantine, QuarantineError};

/// Files left over by runs that were killed do not keep a name from being had.
const TEMPORARY_NAMES_MAX: u32 = 1000;

/// A message that is being kept aside. Dropped before it is finished, it leaves nothing behind.
pub struct Writing<'a> {
    quarantine: &'a Quarantine,
    origin: Origin,
    stem: String,
    file: Temporary,
    hash: Context,
    octets: u64,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Coming,
    /// Some of it is missing.
    Broken,
    Kept,
}

impl std::fmt::Debug for Writing<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Writing {} ({} octets)", self.stem, self.octets)
    }
}

/// A file under a name of its own, until it is whole. It goes when it is dropped.
struct Temporary {
    path: PathBuf,
    output: Option<Box<dyn Output>>,
}

impl Temporary {
    fn new(quarantine: &Quarantine, stem: &str) -> Result<Self, QuarantineError> {
        let process = std::process::id();
        let mut number = 0;
        loop {
            let path = quarantine.path(stem, &format!("{process}-{number}.tmp"));
            match quarantine.disk.create(&path) {
                Ok(output) => return Ok(Self { path, output: Some(output) }),
                Err(error)
                    if error.kind() == std::io::ErrorKind::AlreadyExists
                        && number < TEMPORARY_NAMES_MAX =>
                {
                    number += 1;
                }
                Err(error) => return Err(QuarantineError::write(&path, error)),
            }
        }
    }

    fn write(&mut self, octets: &[u8]) -> Result<(), QuarantineError> {
        let written = self.output.as_mut().map_or(Ok(()), |output| output.write_all(octets));
        written.map_err(|error| QuarantineError::write(&self.path, error))
    }

    /// Gives the file its name once its octets are on the disk.
    fn keep_as(mut self, quarantine: &Quarantine, path: &Path) -> Result<(), QuarantineError> {
        let synced = self.output.as_mut().map_or(Ok(()), |output| {
            output.flush()?;
            output.sync()
        });
        synced.map_err(|error| QuarantineError::write(&self.path, error))?;
        self.output = None;
        let renamed = quarantine.disk.rename(&self.path, path);
        renamed.map_err(|error| QuarantineError::write(path, error))?;
        // Nothing is left to be removed.
        self.path = PathBuf::new();
        Ok(())
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        self.output = None;
        if !self.path.as_os_str().is_empty() {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

impl Quarantine {
    /// Begins to keep a message aside. What was kept of the same origin stays until the new is
    /// whole, and is replaced then.
    ///
    /// # Errors
    /// A limit is reached, or the file cannot be made.
    pub fn begin(&self, origin: Origin) -> Result<Writing<'_>, QuarantineError> {
        self.claim_message()?;
        let stem = origin.file_stem();
        let file = Temporary::new(self, &stem).inspect_err(|_| self.give_back(1, 0))?;
        Ok(Writing {
            quarantine: self,
            origin,
            stem,
            file,
            hash: Context::new(&SHA256),
            octets: 0,
            state: State::Coming,
        })
    }
}

impl Writing<'_> {
    /// Takes the next octets of the message, as the source has them.
    ///
    /// # Errors
    /// The quarantine or the disk is full, or the file cannot be written. Then the message is not
    /// kept aside: [`Writing::finish`] fails too.
    pub fn push(&mut self, octets: &[u8]) -> Result<(), QuarantineError> {
        let taken = self.take(octets);
        if taken.is_err() {
            self.state = State::Broken;
        }
        taken
    }

    fn take(&mut self, octets: &[u8]) -> Result<(), QuarantineError> {
        self.quarantine.claim_octets(octets.len() as u64)?;
        self.octets += octets.len() as u64;
        self.hash.update(octets);
        self.file.write(octets)
    }

    /// Ends the message. Once this returns, it survives a loss of power.
    ///
    /// # Errors
    /// One of the two files cannot be written, or some octets could not be. Then the message does
    /// not count as kept aside.
    pub fn finish(mut self, record: &Record) -> Result<Kept, QuarantineError> {
        let quarantine = self.quarantine;
        if self.state == State::Broken {
            let error = std::io::Error::other("octets of the message are missing");
            return Err(QuarantineError::write(&self.file.path, error));
        }
        let sum = hex(std::mem::replace(&mut self.hash, Context::new(&SHA256)).finish().as_ref());
        let metadata = Metadata::new(&self.origin, record, (self.octets, sum));
        let (message, beside) =
            (quarantine.path(&self.stem, "eml"), quarantine.path(&self.stem, "json"));
        let mut text = serde_json::to_vec_pretty(&metadata)
            .map_err(|error| QuarantineError::write(&beside, error.into()))?;
        text.push(b'\n');
        if text.len() as u64 > METADATA_OCTETS_MAX {
            let (what, limit) = ("octets of what is known of a message", METADATA_OCTETS_MAX);
            return Err(QuarantineError::Limit { path: beside, what, limit });
        }
        let mut file = Temporary::new(quarantine, &self.stem)?;
        file.write(&text)?;
        let replaced = std::fs::metadata(&message).map(|old| old.len()).ok();
        let body =
            std::mem::replace(&mut self.file, Temporary { path: PathBuf::new(), output: None });
        body.keep_as(quarantine, &message)?;
        if let Some(octets) = replaced {
            quarantine.give_back(1, octets);
        }
        let written = quarantine
            .sync()
            .and_then(|()| file.keep_as(quarantine, &beside))
            .and_then(|()| quarantine.sync());
        if written.is_err() && !beside.exists() {
            // Nothing says what the message is.
            let _ = std::fs::remove_file(&message);
        } else {
            self.state = State::Kept;
        }
        written.map(|()| Kept::new(&message, &beside, metadata))
    }
}

impl Drop for Writing<'_> {
    fn drop(&mut self) {
        if self.state != State::Kept {
            self.quarantine.give_back(1, self.octets);
        }
    }
}

/// Small hexadecimal digits.
pub(super) fn hex(octets: &[u8]) -> String {
    use std::fmt::Write as _;
    octets.iter().fold(String::with_capacity(2 * octets.len()), |mut text, octet| {
        let _ = write!(text, "{octet:02x}");
        text
    })
}

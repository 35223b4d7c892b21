//! One message held while it is repaired: in memory while it is small, else in a file that has no
//! name and that nobody else can open.

use std::fs::File;
use std::io::{self, Read, Seek, Write};

/// Octets of a message that are held in memory.
const MEMORY_OCTETS_MAX: usize = 1 << 20;
/// Octets that are read from the file at once.
const CHUNK_OCTETS: usize = 64 << 10;

/// A message that can be gone over again and again.
#[derive(Debug, Default)]
pub(crate) struct Spool {
    memory: Vec<u8>,
    /// What does not fit into memory, and everything before it.
    file: Option<File>,
    octets: u64,
}

impl Spool {
    /// Adds octets.
    ///
    /// # Errors
    /// The file cannot be made or written.
    pub(crate) fn push(&mut self, octets: &[u8]) -> io::Result<()> {
        self.octets += octets.len() as u64;
        if let Some(file) = &mut self.file {
            return file.write_all(octets);
        }
        if self.memory.len() + octets.len() <= MEMORY_OCTETS_MAX {
            self.memory.extend_from_slice(octets);
            return Ok(());
        }
        let mut file = tempfile::tempfile()?;
        file.write_all(&std::mem::take(&mut self.memory))?;
        file.write_all(octets)?;
        self.file = Some(file);
        Ok(())
    }

    /// A spool of these octets.
    ///
    /// # Errors
    /// The file cannot be made or written.
    pub(crate) fn of(octets: Vec<u8>) -> io::Result<Self> {
        if octets.len() <= MEMORY_OCTETS_MAX {
            return Ok(Self { octets: octets.len() as u64, memory: octets, file: None });
        }
        let mut spool = Self::default();
        spool.push(&octets)?;
        Ok(spool)
    }

    /// All of them in memory.
    ///
    /// # Errors
    /// The file cannot be read.
    pub(crate) fn into_octets(mut self) -> io::Result<Vec<u8>> {
        let Some(file) = &mut self.file else { return Ok(self.memory) };
        file.rewind()?;
        let mut octets = Vec::with_capacity(usize::try_from(self.octets).unwrap_or(0));
        file.read_to_end(&mut octets)?;
        Ok(octets)
    }

    /// Reads them once, from the start.
    ///
    /// # Errors
    /// The file cannot be read.
    pub(crate) fn into_reading(mut self) -> io::Result<Reading> {
        if let Some(file) = &mut self.file {
            file.rewind()?;
        }
        Ok(Reading { spool: self, at: 0, buffer: Vec::new() })
    }

    /// How many there are.
    pub(crate) fn octets(&self) -> u64 {
        self.octets
    }

    /// Begins to read them from the start.
    ///
    /// # Errors
    /// The file cannot be read.
    pub(crate) fn rewind(&mut self) -> io::Result<Pass<'_>> {
        match &mut self.file {
            None => Ok(Pass::Memory(self.memory.chunks(CHUNK_OCTETS))),
            Some(file) => {
                file.rewind()?;
                Ok(Pass::File(file, vec![0; CHUNK_OCTETS]))
            }
        }
    }
}

/// One pass over a message.
pub(crate) enum Pass<'a> {
    Memory(std::slice::Chunks<'a, u8>),
    File(&'a mut File, Vec<u8>),
}

impl Pass<'_> {
    /// The next octets; none at the end.
    ///
    /// # Errors
    /// The file cannot be read.
    pub(crate) fn next(&mut self) -> io::Result<&[u8]> {
        match self {
            Self::Memory(chunks) => Ok(chunks.next().unwrap_or_default()),
            Self::File(file, buffer) => {
                let octets = file.read(buffer)?;
                Ok(&buffer[..octets])
            }
        }
    }
}

/// A message that is read once, chunk by chunk.
#[derive(Debug)]
pub(crate) struct Reading {
    spool: Spool,
    at: usize,
    buffer: Vec<u8>,
}

impl Reading {
    /// The next octets; none at the end.
    ///
    /// # Errors
    /// The file cannot be read.
    pub(crate) fn next(&mut self) -> io::Result<&[u8]> {
        let Some(file) = &mut self.spool.file else {
            let rest = &self.spool.memory[self.at..];
            let chunk = &rest[..rest.len().min(CHUNK_OCTETS)];
            self.at += chunk.len();
            return Ok(chunk);
        };
        self.buffer.resize(CHUNK_OCTETS, 0);
        let octets = file.read(&mut self.buffer)?;
        Ok(&self.buffer[..octets])
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn what_was_put_in_comes_out_as_often_as_it_is_asked_for() {
        for octets in [0, 1, MEMORY_OCTETS_MAX, MEMORY_OCTETS_MAX + 1, 3 * MEMORY_OCTETS_MAX] {
            let message: Vec<u8> = (0..octets).map(|at| (at % 251) as u8).collect();
            let mut spool = Spool::default();
            message.chunks(100_000).for_each(|chunk| spool.push(chunk).unwrap());
            assert_eq!(spool.octets(), octets as u64);
            for _ in 0..2 {
                let mut pass = spool.rewind().unwrap();
                let mut read = Vec::new();
                loop {
                    let chunk = pass.next().unwrap();
                    if chunk.is_empty() {
                        break;
                    }
                    read.extend_from_slice(chunk);
                }
                assert!(read == message);
            }
            let mut reading = spool.into_reading().unwrap();
            let mut read = Vec::new();
            loop {
                let chunk = reading.next().unwrap();
                if chunk.is_empty() {
                    break;
                }
                read.extend_from_slice(chunk);
            }
            assert!(read == message);
            assert!(Spool::of(message.clone()).unwrap().into_octets().unwrap() == message);
        }
    }
}

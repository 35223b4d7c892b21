//! Passwords.

use std::fmt;
use std::path::PathBuf;

/// A password: octets that never print.
#[derive(Clone, PartialEq, Eq)]
pub struct Password(Vec<u8>);

/// Where the password of a side comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PasswordSource {
    /// The first line of a file; exit status 66 if it cannot be read.
    File(PathBuf),
    /// Known already.
    Known(Password),
    /// To be asked for.
    Prompt,
}

impl Password {
    /// Takes the octets as they are.
    #[must_use]
    pub fn new(octets: impl Into<Vec<u8>>) -> Self {
        Self(octets.into())
    }

    /// The first line of a file's content without its line end. Blanks stay; a CR before the
    /// LF goes, for editors put it there and no server takes it (RFC 9051 §9, `quoted`).
    #[must_use]
    pub fn of_first_line(content: &[u8]) -> Self {
        let line = content.split(|octet| *octet == b'\n').next().unwrap_or_default();
        Self(line.strip_suffix(b"\r").unwrap_or(line).to_vec())
    }

    /// The octets, for the login alone.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MASKED")
    }
}

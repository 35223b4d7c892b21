//! The keyring of the system: the Secret Service on Linux, the Keychain, the Credential Manager.
//!
//! Only with the feature `keyring`; without it, and where no keyring answers, there is none.

use zeroize::Zeroizing;

/// Why the keyring gave or took nothing.
#[derive(Debug)]
pub(crate) enum KeyringError {
    /// There is none.
    Missing,
    /// It is there, and refused: locked, perhaps. In its own words.
    #[cfg_attr(not(feature = "keyring"), expect(dead_code, reason = "there is no keyring"))]
    Refused(String),
}

#[cfg(feature = "keyring")]
mod system {
    use keyring::v1::{Entry, Error};

    use super::{KeyringError, Zeroizing};

    /// What entries are called.
    const SERVICE: &str = "mailferry";

    fn entry(user: &str) -> Result<Entry, KeyringError> {
        Entry::new(SERVICE, &user.to_lowercase()).map_err(|_| KeyringError::Missing)
    }

    fn refused(error: &Error) -> KeyringError {
        KeyringError::Refused(error.to_string())
    }

    pub(crate) fn keep(user: &str, octets: &[u8]) -> Result<(), KeyringError> {
        entry(user)?.set_secret(octets).map_err(|error| refused(&error))
    }

    pub(crate) fn find(user: &str) -> Result<Option<Zeroizing<Vec<u8>>>, KeyringError> {
        match entry(user)?.get_secret() {
            Ok(octets) => Ok(Some(Zeroizing::new(octets))),
            Err(Error::NoEntry) => Ok(None),
            Err(error) => Err(refused(&error)),
        }
    }

    pub(crate) fn forget(user: &str) -> Result<bool, KeyringError> {
        match entry(user)?.delete_credential() {
            Ok(()) => Ok(true),
            Err(Error::NoEntry) => Ok(false),
            Err(error) => Err(refused(&error)),
        }
    }
}

#[cfg(not(feature = "keyring"))]
mod system {
    use super::{KeyringError, Zeroizing};

    pub(crate) fn keep(_user: &str, _octets: &[u8]) -> Result<(), KeyringError> {
        Err(KeyringError::Missing)
    }

    pub(crate) fn find(_user: &str) -> Result<Option<Zeroizing<Vec<u8>>>, KeyringError> {
        Err(KeyringError::Missing)
    }

    pub(crate) fn forget(_user: &str) -> Result<bool, KeyringError> {
        Err(KeyringError::Missing)
    }
}

pub(crate) use system::{find, forget, keep};

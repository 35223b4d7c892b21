//! Where permissions are kept between runs: in the keyring of the system where there is one and it is
//! asked, else in a file for each user, which only its owner can read, encrypted where there is a
//! passphrase.

use std::io::Write as _;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};

use data_encoding::BASE64;
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::pbkdf2;
use ring::rand::{SecureRandom, SystemRandom};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::Secret;
use crate::grant::Permission;
use crate::keyring::{self, KeyringError};

/// RFC 8018 §4.2, in the number that is usual today.
const ITERATIONS: NonZeroU32 = NonZeroU32::MIN.saturating_add(600_000 - 1);
/// No file is read that asks for more.
const ITERATIONS_MAX: u32 = 10_000_000;
const SALT_BYTES: usize = 16;

/// A folder of permissions, and the keyring.
#[derive(Clone, Debug)]
pub struct Store {
    folder: PathBuf,
    passphrase: Option<Secret>,
    keyring: Keyring,
}

/// Where a permission is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kept {
    /// In the keyring of the system.
    InKeyring,
    /// In this file.
    InFile(PathBuf),
}

/// Whether the keyring of the system is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keyring {
    /// Where this was built with the feature `keyring`, a keyring answers, and there is no passphrase,
    /// which says that a file is wanted.
    Asked,
    /// Never.
    Left,
}

/// A permission could not be kept or found.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The file cannot be read or written.
    #[error("{path}: {reason}")]
    File {
        /// Which.
        path: PathBuf,
        /// The system's words.
        reason: std::io::Error,
    },
    /// The file is encrypted.
    #[error("{0} is encrypted, and there is no passphrase")]
    NoPassphrase(PathBuf),
    /// The file is encrypted by another passphrase, or damaged.
    #[error("{0} cannot be decrypted: the passphrase is another one, or the file is damaged")]
    WrongPassphrase(PathBuf),
    /// The file holds no permission.
    #[error("{0} holds nothing that can be read")]
    Unreadable(PathBuf),
    /// There is no file, and the keyring does not answer.
    #[error("the keyring of the system: {0}")]
    Keyring(String),
    /// The system has no random numbers.
    #[error("the system has no random numbers")]
    NoRandomness,
}

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Content {
    Sealed(Sealed),
    Open(Permission),
}

/// ChaCha20-Poly1305 by a key of PBKDF2-HMAC-SHA-256 (RFC 8439, RFC 8018); octets in base64.
#[derive(Serialize, Deserialize)]
struct Sealed {
    iterations: NonZeroU32,
    salt: String,
    nonce: String,
    sealed: String,
}

impl Store {
    /// Permissions below this folder; with a passphrase they are encrypted.
    #[must_use]
    pub fn new(folder: PathBuf, passphrase: Option<Secret>, keyring: Keyring) -> Self {
        Self { folder, passphrase, keyring }
    }

    /// Where a user's is.
    #[must_use]
    pub fn path(&self, user: &str) -> PathBuf {
        let mut name = String::with_capacity(user.len() + 5);
        for octet in user.to_lowercase().bytes() {
            match octet {
                b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'@' => name.push(char::from(octet)),
                b'.' if !name.is_empty() => name.push('.'),
                other => name.push_str(&format!("%{other:02x}")),
            }
        }
        self.folder.join(name + ".json")
    }

    /// Keeps a user's, in place of what was kept before: all of it or nothing.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub fn keep(&self, user: &str, permission: &Permission) -> Result<Kept, StoreError> {
        let path = self.path(user);
        let fail = |reason| StoreError::File { path: path.clone(), reason };
        let text = |content: &Content| {
            serde_json::to_vec(content).map(Zeroizing::new).map_err(|e| fail(e.into()))
        };
        let mut octets = text(&Content::Open(permission.clone()))?;
        if self.keyring == Keyring::Asked
            && self.passphrase.is_none()
            && keyring::keep(user, &octets).is_ok()
        {
            // What is in a file is newer than what is in the keyring.
            return self.remove_file(user).map(|_| Kept::InKeyring);
        }
        if let Some(passphrase) = &self.passphrase {
            octets = text(&Content::Sealed(seal(passphrase, &octets)?))?;
        }
        make_private(&self.folder).map_err(fail)?;
        // Made with mode 600, and renamed into place.
        let mut file = tempfile::NamedTempFile::new_in(&self.folder).map_err(fail)?;
        file.write_all(&octets).map_err(fail)?;
        file.as_file().sync_all().map_err(fail)?;
        file.persist(&path).map_err(|error| fail(error.error))?;
        Ok(Kept::InFile(path))
    }

    /// A user's, if there is one.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub fn find(&self, user: &str) -> Result<Option<Permission>, StoreError> {
        let path = self.path(user);
        let octets = match std::fs::read(&path) {
            Ok(octets) => Zeroizing::new(octets),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return self.find_in_keyring(user);
            }
            Err(reason) => return Err(StoreError::File { path, reason }),
        };
        let unreadable = || StoreError::Unreadable(path.clone());
        match serde_json::from_slice(&octets).map_err(|_| unreadable())? {
            Content::Open(permission) => Ok(Some(permission)),
            Content::Sealed(sealed) => {
                let passphrase = self.passphrase.as_ref();
                let passphrase =
                    passphrase.ok_or_else(|| StoreError::NoPassphrase(path.clone()))?;
                let open = unseal(passphrase, &sealed)
                    .ok_or_else(|| StoreError::WrongPassphrase(path.clone()))?;
                serde_json::from_slice(&open).map(Some).map_err(|_| unreadable())
            }
        }
    }

    fn find_in_keyring(&self, user: &str) -> Result<Option<Permission>, StoreError> {
        if self.keyring == Keyring::Left {
            return Ok(None);
        }
        let octets = match keyring::find(user) {
            Ok(Some(octets)) => octets,
            Ok(None) | Err(KeyringError::Missing) => return Ok(None),
            Err(KeyringError::Refused(words)) => return Err(StoreError::Keyring(words)),
        };
        let unreadable = |_| StoreError::Keyring("what it holds cannot be read".to_owned());
        serde_json::from_slice(&octets).map(Some).map_err(unreadable)
    }

    /// Forgets a user's; whether there was one.
    ///
    /// # Errors
    /// The file cannot be removed, or the keyring refuses.
    pub fn forget(&self, user: &str) -> Result<bool, StoreError> {
        let had_file = self.remove_file(user)?;
        if self.keyring == Keyring::Left {
            return Ok(had_file);
        }
        match keyring::forget(user) {
            Ok(had) => Ok(had || had_file),
            Err(KeyringError::Missing) => Ok(had_file),
            Err(KeyringError::Refused(words)) => Err(StoreError::Keyring(words)),
        }
    }

    /// Whether there was one.
    fn remove_file(&self, user: &str) -> Result<bool, StoreError> {
        let path = self.path(user);
        match std::fs::remove_file(&path) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
            Err(reason) => Err(StoreError::File { path, reason }),
        }
    }
}

fn make_private(folder: &Path) -> std::io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

fn key(passphrase: &Secret, salt: &[u8], iterations: NonZeroU32) -> Option<LessSafeKey> {
    let mut octets = Zeroizing::new([0; 32]);
    let word = passphrase.expose().as_bytes();
    pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, iterations, salt, word, &mut *octets);
    UnboundKey::new(&CHACHA20_POLY1305, &*octets).ok().map(LessSafeKey::new)
}

fn seal(passphrase: &Secret, open: &[u8]) -> Result<Sealed, StoreError> {
    let random = SystemRandom::new();
    let (mut salt, mut nonce) = ([0; SALT_BYTES], [0; NONCE_LEN]);
    let drawn = random.fill(&mut salt).and_then(|()| random.fill(&mut nonce));
    drawn.map_err(|_| StoreError::NoRandomness)?;
    let key = key(passphrase, &salt, ITERATIONS).ok_or(StoreError::NoRandomness)?;
    let mut octets = open.to_vec();
    let unique = Nonce::assume_unique_for_key(nonce);
    key.seal_in_place_append_tag(unique, Aad::empty(), &mut octets)
        .map_err(|_| StoreError::NoRandomness)?;
    Ok(Sealed {
        iterations: ITERATIONS,
        salt: BASE64.encode(&salt),
        nonce: BASE64.encode(&nonce),
        sealed: BASE64.encode(&octets),
    })
}

fn unseal(passphrase: &Secret, sealed: &Sealed) -> Option<Zeroizing<Vec<u8>>> {
    if sealed.iterations.get() > ITERATIONS_MAX {
        return None;
    }
    let decode = |text: &str| BASE64.decode(text.as_bytes()).ok();
    let key = key(passphrase, &decode(&sealed.salt)?, sealed.iterations)?;
    let nonce = Nonce::assume_unique_for_key(decode(&sealed.nonce)?.try_into().ok()?);
    let mut octets = Zeroizing::new(decode(&sealed.sealed)?);
    let length = key.open_in_place(nonce, Aad::empty(), &mut octets).ok()?.len();
    octets.truncate(length);
    Some(octets)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::authority::Provider;

    fn permission(word: &str) -> Permission {
        let authority = Provider::Microsoft.authority("common", "client", None);
        Permission { authority, refresh_token: word.into() }
    }

    #[test]
    fn what_is_kept_is_found_by_its_owner_only() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::new(folder.path().join("logins"), None, Keyring::Left);
        assert_eq!(store.find("Joe@Example.org").unwrap(), None);
        store.keep("Joe@Example.org", &permission("one")).unwrap();
        store.keep("joe@example.org", &permission("two")).unwrap();
        assert_eq!(store.find("Joe@Example.org").unwrap(), Some(permission("two")));
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
            assert_eq!(mode(&store.path("joe@example.org")), 0o600);
            assert_eq!(mode(&folder.path().join("logins")), 0o700);
        }
        assert!(store.path("../../etc/x").starts_with(folder.path().join("logins")));
        assert!(store.forget("joe@example.org").unwrap());
        assert!(!store.forget("joe@example.org").unwrap());
    }

    #[test]
    fn a_passphrase_keeps_it_from_whoever_reads_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let store = |word: Option<&str>| {
            Store::new(folder.path().to_owned(), word.map(Secret::from), Keyring::Asked)
        };
        store(Some("open")).keep("joe", &permission("refresh-word")).unwrap();
        let octets = std::fs::read_to_string(store(None).path("joe")).unwrap();
        assert!(!octets.contains("refresh-word"), "{octets}");
        let found = store(Some("open")).find("joe").unwrap();
        assert_eq!(found, Some(permission("refresh-word")));
        assert!(matches!(store(None).find("joe"), Err(StoreError::NoPassphrase(_))));
        let wrong = store(Some("other")).find("joe");
        assert!(matches!(wrong, Err(StoreError::WrongPassphrase(_))));
        std::fs::write(store(None).path("joe"), "{}").unwrap();
        assert!(matches!(store(None).find("joe"), Err(StoreError::Unreadable(_))));
    }
}

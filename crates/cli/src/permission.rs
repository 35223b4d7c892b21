//! The permissions of `mailferry login`, and the files of programs that may act for users: what
//! access tokens are got for.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use mailferry_oauth::Secret;
use mailferry_oauth::grant::{Grant, Permission};
use mailferry_oauth::keeper::Keeper;
use mailferry_oauth::store::{Keyring, Store, StoreError};

use crate::local_state;
use crate::screen;
use crate::token::TokenFrom;

/// Encrypts what is kept.
pub const PASSPHRASE: &str = "MAILFERRY_PASSPHRASE";
/// `no`: the keyring of the system is left alone.
const KEYRING: &str = "MAILFERRY_KEYRING";

/// Nothing to get tokens for.
#[derive(Debug, thiserror::Error)]
pub enum PermissionError {
    /// There is no folder to keep it in.
    #[error("there is no home folder to keep the login in: set MAILFERRY_DATA_DIR")]
    NoPlace,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The file of a service account or client cannot be read, or is none.
    #[error("the file {path}: {reason}")]
    File {
        /// Which.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
}

/// Where permissions are kept: in the keyring of the system if this program was built for it, else in
/// `logins` in the data folder, encrypted where the environment holds a passphrase.
///
/// # Errors
/// There is no such folder.
pub fn store() -> Result<Store, PermissionError> {
    let folder = local_state::data_place().ok_or(PermissionError::NoPlace)?.join("logins");
    let passphrase = std::env::var(PASSPHRASE).ok().filter(|word| !word.is_empty());
    let keyring = match std::env::var(KEYRING).as_deref() {
        Ok("no") => Keyring::Left,
        _ => Keyring::Asked,
    };
    Ok(Store::new(folder, passphrase.map(Secret::from), keyring))
}

/// Access tokens by the permission that a user has given, if there is one.
///
/// # Errors
/// It is there and cannot be read.
pub fn of_user(user: &[u8]) -> Result<Option<TokenFrom>, PermissionError> {
    let Ok(store) = store() else { return Ok(None) };
    let user = String::from_utf8_lossy(user).into_owned();
    let Some(permission) = store.find(&user)? else { return Ok(None) };
    let Permission { authority, refresh_token } = permission;
    let grant = Grant::Refresh { authority: authority.clone(), refresh_token };
    let keep = move |fresh: &Secret| {
        let permission = Permission { authority: authority.clone(), refresh_token: fresh.clone() };
        if let Err(error) = store.keep(&user, &permission) {
            screen::news(&format!(
                "notice: the login of {user} could not be kept, and may have to be made again: \
                 {error}"
            ));
        }
    };
    Ok(Some(TokenFrom::Keeper(Arc::new(Keeper::new(grant, Box::new(keep))))))
}

/// Access tokens by the right of a program, for this user's mailboxes.
///
/// # Errors
/// The file cannot be read, or describes no such right.
pub fn of_file(path: &Path, user: &[u8]) -> Result<TokenFrom, PermissionError> {
    let fail = |reason: String| PermissionError::File { path: path.to_owned(), reason };
    let octets = std::fs::read(path).map_err(|error| fail(error.to_string()))?;
    let grant = Grant::of_file(&octets, &String::from_utf8_lossy(user))
        .map_err(|error| fail(error.to_string()))?;
    Ok(TokenFrom::Keeper(Arc::new(Keeper::new(grant, Box::new(|_| {})))))
}

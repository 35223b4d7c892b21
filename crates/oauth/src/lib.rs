//! Access tokens (OAuth 2.0, RFC 6749): how a person or a program gets them, and how they are kept
//! and renewed. Knows nothing of mail. Calls block: they are to be made where that harms nobody.

mod assertion;
pub mod authority;
pub mod browser;
pub mod delivery;
pub mod device;
pub mod grant;
mod http;
pub mod keeper;
mod keyring;
pub mod store;

pub use http::RequestError;

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

/// Octets that never print and are wiped when dropped.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// The text.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self(Zeroizing::new(text))
    }
}

impl From<&str> for Secret {
    fn from(text: &str) -> Self {
        text.to_owned().into()
    }
}

impl From<Secret> for String {
    fn from(secret: Secret) -> Self {
        secret.0.to_string()
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("MASKED")
    }
}

/// So many random octets, in base64url (RFC 4648 §5).
fn random_word(octets: usize) -> Result<String, RequestError> {
    use ring::rand::{SecureRandom, SystemRandom};
    let mut random = vec![0; octets];
    SystemRandom::new().fill(&mut random).map_err(|_| RequestError::NoRandomness)?;
    Ok(data_encoding::BASE64URL_NOPAD.encode(&random))
}

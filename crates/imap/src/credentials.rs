//! Who logs in, with what, and how.

use std::fmt;

use zeroize::Zeroizing;

use crate::sasl::Mechanism;
use crate::session::printable;

/// Who logs in, and how. Never printed: there is no `Debug` that shows the secret.
#[derive(Clone)]
pub struct Credentials {
    /// Whose mailboxes: the authorisation identity.
    pub user: Vec<u8>,
    /// What proves it.
    pub secret: Secret,
    /// Who logs in, where that is another than `user`.
    pub login_as: Option<Administrator>,
    /// Which mechanism.
    pub mechanism: Choice,
}

/// What proves who logs in.
#[derive(Clone)]
pub enum Secret {
    /// A password, as octets.
    Password(Zeroizing<Vec<u8>>),
    /// An OAuth 2.0 access token (RFC 6750 §2.1).
    Token(Zeroizing<Vec<u8>>),
    /// The whole response of XOAUTH2, in base64 already.
    TokenResponse(Zeroizing<Vec<u8>>),
    /// Nothing is sent: the client certificate does it (EXTERNAL, RFC 4422 §A).
    None,
}

/// Somebody who may log in for others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Administrator {
    /// The name that the secret belongs to.
    pub name: Vec<u8>,
    /// How the server is told whose mailboxes are meant.
    pub manner: Manner,
}

/// How an administrator says whose mailboxes are meant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Manner {
    /// By the authorisation identity of the mechanism (RFC 4616 §2).
    #[default]
    AuthorisationIdentity,
    /// By a user name made of both, `user*administrator`: Dovecot's master users.
    MasterUser,
    /// By the command `PROXYAUTH user` behind the login, as the servers of iPlanet's line have it.
    ProxyAuth,
}

/// What separates user and administrator in the name of [`Manner::MasterUser`].
const MASTER_SEPARATOR: &[u8] = b"*";

/// Which mechanism logs in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Choice {
    /// The strongest that the server offers.
    #[default]
    Strongest,
    /// The one that takes the fewest round trips: PLAIN, else LOGIN; another only where the
    /// server has neither.
    Simplest,
    /// This one, whatever the server offers.
    Only(Mechanism),
}

impl Credentials {
    /// A user and a password, by the strongest mechanism offered.
    #[must_use]
    pub fn with_password(user: impl Into<Vec<u8>>, password: impl Into<Vec<u8>>) -> Self {
        Self::new(user, Secret::password(password))
    }

    /// A user and what proves it, by the strongest mechanism offered.
    #[must_use]
    pub fn new(user: impl Into<Vec<u8>>, secret: Secret) -> Self {
        Self { user: user.into(), secret, login_as: None, mechanism: Choice::Strongest }
    }

    /// The same by a mechanism chosen in another way.
    #[must_use]
    pub fn by(self, mechanism: Choice) -> Self {
        Self { mechanism, ..self }
    }

    /// The name that the secret belongs to (the authentication identity).
    #[must_use]
    pub fn authentication_identity(&self) -> Vec<u8> {
        match &self.login_as {
            None => self.user.clone(),
            Some(Administrator { name, manner: Manner::MasterUser }) => {
                [self.user.as_slice(), MASTER_SEPARATOR, name].concat()
            }
            Some(Administrator { name, .. }) => name.clone(),
        }
    }

    /// Whose mailboxes are meant, where the mechanism has to say so.
    #[must_use]
    pub fn authorisation_identity(&self) -> Option<&[u8]> {
        match self.login_as {
            Some(Administrator { manner: Manner::AuthorisationIdentity, .. }) => Some(&self.user),
            _ => None,
        }
    }
}

impl Secret {
    /// A password.
    #[must_use]
    pub fn password(octets: impl Into<Vec<u8>>) -> Self {
        Self::Password(Zeroizing::new(octets.into()))
    }

    /// An access token.
    #[must_use]
    pub fn token(octets: impl Into<Vec<u8>>) -> Self {
        Self::Token(Zeroizing::new(octets.into()))
    }

    /// The octets; none for [`Secret::None`].
    #[must_use]
    pub fn octets(&self) -> &[u8] {
        match self {
            Self::Password(octets) | Self::Token(octets) | Self::TokenResponse(octets) => octets,
            Self::None => &[],
        }
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Credentials of {}", printable(&self.user))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Password(_) => "Password(MASKED)",
            Self::Token(_) => "Token(MASKED)",
            Self::TokenResponse(_) => "TokenResponse(MASKED)",
            Self::None => "None",
        })
    }
}

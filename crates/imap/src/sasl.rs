//! SASL (RFC 4422 §3): the exchanges by which a client proves who it is. Pure: challenges in,
//! responses out; nonces and what a channel is bound to are arguments. Base64 and the lines of
//! AUTHENTICATE are the caller's.

mod choice;
mod cram_md5;
mod ntlm;
mod oauth;
mod plain;
mod scram;

pub use choice::{Channel, NoMechanism, Offer, choose};
pub use cram_md5::CramMd5;
pub use ntlm::{Ntlm, Own};
pub use oauth::{OAuthBearer, XOAuth2};
pub use plain::{External, Login, Plain};
pub use scram::{ChannelBinding, Hash, Identities, Scram};

use zeroize::Zeroizing;

/// A way to log in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mechanism {
    /// The client certificate (RFC 4422 §A).
    External,
    /// RFC 7677 §3, bound to the TLS connection (RFC 9266 §2).
    ScramSha256Plus,
    /// RFC 5802 §4, bound to the TLS connection (RFC 9266 §2).
    ScramSha1Plus,
    /// RFC 7677 §3.
    ScramSha256,
    /// RFC 5802 §4.
    ScramSha1,
    /// RFC 2195 §2.
    CramMd5,
    /// Version 2 of Microsoft's (MS-NLMP §3.3.2).
    Ntlm,
    /// RFC 4616 §2.
    Plain,
    /// The LOGIN command (RFC 9051 §6.2.3); where that is disabled, the SASL mechanism of this
    /// name (draft-murchison-sasl-login).
    Login,
    /// RFC 7628 §3.
    OAuthBearer,
    /// Google's and Microsoft's forerunner of it.
    XOAuth2,
}

impl Mechanism {
    /// Every mechanism.
    pub const EVERY: [Self; 11] = [
        Self::External,
        Self::ScramSha256Plus,
        Self::ScramSha1Plus,
        Self::ScramSha256,
        Self::ScramSha1,
        Self::CramMd5,
        Self::Ntlm,
        Self::Plain,
        Self::Login,
        Self::OAuthBearer,
        Self::XOAuth2,
    ];

    /// The registered name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::External => "EXTERNAL",
            Self::ScramSha256Plus => "SCRAM-SHA-256-PLUS",
            Self::ScramSha1Plus => "SCRAM-SHA-1-PLUS",
            Self::ScramSha256 => "SCRAM-SHA-256",
            Self::ScramSha1 => "SCRAM-SHA-1",
            Self::CramMd5 => "CRAM-MD5",
            Self::Ntlm => "NTLM",
            Self::Plain => "PLAIN",
            Self::Login => "LOGIN",
            Self::OAuthBearer => "OAUTHBEARER",
            Self::XOAuth2 => "XOAUTH2",
        }
    }

    /// Reads a name, in any case.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::EVERY.into_iter().find(|mechanism| mechanism.name().eq_ignore_ascii_case(name))
    }

    /// What it takes as proof.
    #[must_use]
    pub fn proof(self) -> Proof {
        match self {
            Self::External => Proof::Certificate,
            Self::OAuthBearer | Self::XOAuth2 => Proof::Token,
            _ => Proof::Password,
        }
    }
}

/// What proves who logs in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proof {
    /// A password.
    Password,
    /// An access token.
    Token,
    /// The certificate that the client shows in the TLS handshake.
    Certificate,
}

/// One exchange, from its first response on.
pub trait Exchange: Send {
    /// The first response, in a mechanism where the client speaks first. Asked for once.
    fn initial(&mut self) -> Option<Response>;

    /// The answer to a challenge.
    ///
    /// # Errors
    /// The exchange is to be cancelled.
    fn respond(&mut self, challenge: &[u8]) -> Result<Response, SaslError>;

    /// What is to be said of it once the server says that it is over and went well.
    ///
    /// # Errors
    /// The server should have proven itself, and has not.
    fn conclude(&self) -> Result<(), SaslError> {
        Ok(())
    }

    /// Why the server refuses, where it said so within the exchange. Foreign.
    fn complaint(&self) -> Option<&[u8]> {
        None
    }
}

/// Octets for the server, wiped when dropped.
pub type Response = Zeroizing<Vec<u8>>;

/// An exchange cannot go on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SaslError {
    /// The challenge is none of this mechanism.
    #[error("the server's challenge makes no sense: {0}")]
    Challenge(&'static str),
    /// The server asks for more computing than any honest one.
    #[error("the server asks for {0} iterations, more than {max}", max = scram::ITERATIONS_MAX)]
    Iterations(u32),
    /// The server said that all is well and did not prove that it knows the password.
    #[error("the server did not prove that it knows the password: it may be another one")]
    Impostor,
}

/// A mechanism of so many steps, and the server asks for another.
const OVER: SaslError = SaslError::Challenge("it comes after the last step");

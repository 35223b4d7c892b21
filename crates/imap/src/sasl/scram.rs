//! SCRAM (RFC 5802 §3, RFC 7677 §3): the password stays here, and the server proves that it knows it,
//! too. With -PLUS both are bound to the TLS connection (RFC 9266 §2), so that nobody stands between.

use std::num::NonZeroU32;

use data_encoding::BASE64;
use ring::{digest, hmac, pbkdf2};
use zeroize::Zeroizing;

use super::{Exchange, OVER, Response, SaslError};

/// A server may ask for this many iterations (RFC 5802 §5.1) and no more: a second of computing.
pub(super) const ITERATIONS_MAX: u32 = 2_000_000;

/// The hash of the mechanism's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hash {
    /// RFC 5802 §4.
    Sha1,
    /// RFC 7677 §3.
    Sha256,
}

impl Hash {
    fn digest(self) -> &'static digest::Algorithm {
        match self {
            Self::Sha1 => &digest::SHA1_FOR_LEGACY_USE_ONLY,
            Self::Sha256 => &digest::SHA256,
        }
    }

    fn mac(self, key: &[u8]) -> hmac::Key {
        let algorithm = match self {
            Self::Sha1 => hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
            Self::Sha256 => hmac::HMAC_SHA256,
        };
        hmac::Key::new(algorithm, key)
    }

    /// `Hi` (RFC 5802 §2.2).
    fn salted(self, password: &[u8], salt: &[u8], iterations: NonZeroU32) -> Response {
        let algorithm = match self {
            Self::Sha1 => pbkdf2::PBKDF2_HMAC_SHA1,
            Self::Sha256 => pbkdf2::PBKDF2_HMAC_SHA256,
        };
        let mut salted = Zeroizing::new(vec![0; self.digest().output_len()]);
        pbkdf2::derive(algorithm, iterations, salt, password, &mut salted);
        salted
    }
}

/// Who logs in.
#[derive(Clone, Copy, Debug)]
pub struct Identities<'a> {
    /// Whose mailboxes are meant, where they are another's (RFC 5802 §5.1, `a`).
    pub authorise: Option<&'a [u8]>,
    /// Whose password it is.
    pub user: &'a [u8],
}

/// Whether the exchange is bound to its TLS connection (RFC 5802 §6).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChannelBinding {
    /// It cannot be, on our side.
    Unsupported,
    /// We could and the server did not offer it; should it have, somebody took that away.
    NotOffered,
    /// It is, by `tls-exporter` (RFC 9266 §2).
    TlsExporter(Vec<u8>),
}

impl ChannelBinding {
    fn flag(&self) -> &'static [u8] {
        match self {
            Self::Unsupported => b"n,",
            Self::NotOffered => b"y,",
            Self::TlsExporter(_) => b"p=tls-exporter,",
        }
    }

    fn data(&self) -> &[u8] {
        match self {
            Self::TlsExporter(data) => data,
            Self::Unsupported | Self::NotOffered => b"",
        }
    }
}

/// One login by SCRAM.
pub struct Scram {
    hash: Hash,
    password: Response,
    binding: ChannelBinding,
    /// `gs2-header` (RFC 5802 §7).
    header: Vec<u8>,
    /// `client-first-message-bare`.
    first_bare: Vec<u8>,
    nonce: String,
    step: Step,
    complaint: Option<Vec<u8>>,
}

enum Step {
    First,
    AwaitChallenge,
    /// The server is to prove itself with the signature of this, by this key.
    AwaitProof {
        key: hmac::Key,
        message: Vec<u8>,
    },
    Proven,
    Failed,
}

impl Scram {
    /// A login of these with a password. The nonce is to be random and printable, without
    /// commas (RFC 5802 §5.1).
    #[must_use]
    pub fn new(
        hash: Hash,
        identities: Identities<'_>,
        password: &[u8],
        binding: ChannelBinding,
        nonce: String,
    ) -> Self {
        let mut header = binding.flag().to_vec();
        if let Some(authorise) = identities.authorise {
            header.extend_from_slice(b"a=");
            header.extend_from_slice(&escaped(&prepared(authorise)));
        }
        header.push(b',');
        let user = escaped(&prepared(identities.user));
        let first_bare = [b"n=", user.as_slice(), b",r=", nonce.as_bytes()].concat();
        let password = prepared(password);
        let step = Step::First;
        Self { hash, password, binding, header, first_bare, nonce, step, complaint: None }
    }

    /// `client-final-message` (RFC 5802 §3).
    fn prove(&mut self, server_first: &[u8]) -> Result<Response, SaslError> {
        let first = ServerFirst::read(server_first)?;
        let ours = first.nonce.strip_prefix(self.nonce.as_bytes());
        if ours.is_none_or(<[u8]>::is_empty) {
            return Err(SaslError::Challenge("its nonce does not go on from ours"));
        }
        let bound = BASE64.encode(&[&self.header, self.binding.data()].concat());
        let bare = [b"c=", bound.as_bytes(), b",r=", first.nonce].concat();
        let message = [&self.first_bare, server_first, &bare].map(<[u8]>::as_ref).join(&b',');
        let salted = self.hash.salted(&self.password, &first.salt, first.iterations);
        let client_key = hmac::sign(&self.hash.mac(&salted), b"Client Key");
        let stored_key = digest::digest(self.hash.digest(), client_key.as_ref());
        let signature = hmac::sign(&self.hash.mac(stored_key.as_ref()), &message);
        let proof: Response = Zeroizing::new(
            client_key
                .as_ref()
                .iter()
                .zip(signature.as_ref())
                .map(|(key, sign)| key ^ sign)
                .collect(),
        );
        let server_key = hmac::sign(&self.hash.mac(&salted), b"Server Key");
        self.step = Step::AwaitProof { key: self.hash.mac(server_key.as_ref()), message };
        Ok(Zeroizing::new([bare.as_slice(), b",p=", BASE64.encode(&proof).as_bytes()].concat()))
    }

    /// `server-final-message`: its proof, or an error (RFC 5802 §7).
    fn judge(&mut self, server_final: &[u8]) -> Result<Response, SaslError> {
        let Step::AwaitProof { key, message } = std::mem::replace(&mut self.step, Step::Failed)
        else {
            return Err(OVER);
        };
        if let Some(complaint) = server_final.strip_prefix(b"e=") {
            self.complaint = Some(complaint.to_vec());
            return Ok(Response::default());
        }
        let proof = server_final.split(|octet| *octet == b',').next().unwrap_or_default();
        let proof = proof.strip_prefix(b"v=").and_then(|proof| BASE64.decode(proof).ok());
        let proof = proof.ok_or(SaslError::Challenge("it holds no proof"))?;
        hmac::verify(&key, &message, &proof).map_err(|_| SaslError::Impostor)?;
        self.step = Step::Proven;
        Ok(Response::default())
    }
}

impl Exchange for Scram {
    fn initial(&mut self) -> Option<Response> {
        self.step = Step::AwaitChallenge;
        Some(Zeroizing::new([self.header.as_slice(), &self.first_bare].concat()))
    }

    fn respond(&mut self, challenge: &[u8]) -> Result<Response, SaslError> {
        match (&self.step, challenge.strip_prefix(b"e=")) {
            // Some say it where their first message should be.
            (Step::AwaitChallenge, Some(complaint)) => {
                self.step = Step::Failed;
                self.complaint = Some(complaint.to_vec());
                Ok(Response::default())
            }
            (Step::AwaitChallenge, None) => self.prove(challenge),
            _ => self.judge(challenge),
        }
    }

    fn conclude(&self) -> Result<(), SaslError> {
        if matches!(self.step, Step::Proven) { Ok(()) } else { Err(SaslError::Impostor) }
    }

    fn complaint(&self) -> Option<&[u8]> {
        self.complaint.as_deref()
    }
}

/// `server-first-message` (RFC 5802 §7).
struct ServerFirst<'a> {
    nonce: &'a [u8],
    salt: Vec<u8>,
    iterations: NonZeroU32,
}

impl<'a> ServerFirst<'a> {
    fn read(message: &'a [u8]) -> Result<Self, SaslError> {
        let mut parts = message.split(|octet| *octet == b',');
        let mut part = |name: &[u8], missing| {
            let value = parts.next().and_then(|part| part.strip_prefix(name));
            value.ok_or(SaslError::Challenge(missing))
        };
        // An extension that must be understood, `m=`, stands in front (RFC 5802 §5.1).
        let nonce = part(b"r=", "it does not begin with a nonce")?;
        let salt = part(b"s=", "it has no salt")?;
        let iterations = part(b"i=", "it has no count of iterations")?;
        let salt =
            BASE64.decode(salt).map_err(|_| SaslError::Challenge("its salt is no base64"))?;
        let iterations = std::str::from_utf8(iterations).ok().and_then(|text| text.parse().ok());
        let iterations: NonZeroU32 =
            iterations.ok_or(SaslError::Challenge("its count of iterations is none"))?;
        if iterations.get() > ITERATIONS_MAX {
            return Err(SaslError::Iterations(iterations.get()));
        }
        Ok(Self { nonce, salt, iterations })
    }
}

/// `saslname` (RFC 5802 §7): `,` and `=` would end it.
pub(super) fn escaped(name: &[u8]) -> Vec<u8> {
    let mut escaped = Vec::with_capacity(name.len());
    for octet in name {
        match octet {
            b',' => escaped.extend_from_slice(b"=2C"),
            b'=' => escaped.extend_from_slice(b"=3D"),
            other => escaped.push(*other),
        }
    }
    escaped
}

/// SASLprep (RFC 4013 §2), as RFC 5802 §5.1 demands it; what is no text or holds what it forbids
/// stays as it is, for the server may have stored it so.
fn prepared(octets: &[u8]) -> Response {
    let text = std::str::from_utf8(octets).ok();
    let prepared = text.and_then(|text| stringprep::saslprep(text).ok());
    Zeroizing::new(prepared.map_or_else(|| octets.to_vec(), |text| text.into_owned().into_bytes()))
}

#[cfg(test)]
mod tests;

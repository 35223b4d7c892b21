//! Signed statements that stand for a secret: JSON Web Tokens with RS256 (RFC 7519, RFC 7523).

use std::time::{SystemTime, UNIX_EPOCH};

use data_encoding::BASE64URL_NOPAD;
use ring::rand::SystemRandom;
use ring::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::json;

use crate::http::RequestError;
use crate::{Secret, random_word};

/// How long a statement holds; servers take no more than an hour.
const LIFE_SECONDS: u64 = 600;

/// What is stated.
pub(crate) struct Claims<'a> {
    pub(crate) issuer: &'a str,
    pub(crate) subject: &'a str,
    pub(crate) audience: &'a str,
    pub(crate) scope: Option<&'a str>,
}

/// A key, and what the head of a statement says of it.
pub(crate) struct SigningKey {
    pair: RsaKeyPair,
    head: serde_json::Value,
}

impl SigningKey {
    /// A service account's key.
    pub(crate) fn of_service(pem: &Secret, id: Option<&str>) -> Result<Self, RequestError> {
        let mut head = json!({ "alg": "RS256", "typ": "JWT" });
        if let Some(id) = id {
            head["kid"] = id.into();
        }
        Ok(Self { pair: pair(pem)?, head })
    }

    /// The key of a certificate, which the head names by its thumbprints (RFC 7515 §4.1.7).
    pub(crate) fn of_certificate(pem: &Secret, certificate: &str) -> Result<Self, RequestError> {
        use ring::digest::{SHA1_FOR_LEGACY_USE_ONLY, SHA256, digest};
        let certificate = CertificateDer::from_pem_slice(certificate.as_bytes())
            .map_err(|error| RequestError::Key(format!("the certificate: {error}")))?;
        let thumb = |hash| BASE64URL_NOPAD.encode(digest(hash, &certificate).as_ref());
        let head = json!({
            "alg": "RS256",
            "typ": "JWT",
            "x5t": thumb(&SHA1_FOR_LEGACY_USE_ONLY),
            "x5t#S256": thumb(&SHA256),
        });
        Ok(Self { pair: pair(pem)?, head })
    }

    pub(crate) fn sign(
        &self,
        claims: &Claims<'_>,
        now: SystemTime,
    ) -> Result<Secret, RequestError> {
        let now = now.duration_since(UNIX_EPOCH).map_or(0, |age| age.as_secs());
        let mut body = json!({
            "iss": claims.issuer,
            "sub": claims.subject,
            "aud": claims.audience,
            "iat": now,
            "nbf": now,
            "exp": now + LIFE_SECONDS,
            "jti": random_word(16)?,
        });
        if let Some(scope) = claims.scope {
            body["scope"] = scope.into();
        }
        let part = |value: &serde_json::Value| BASE64URL_NOPAD.encode(value.to_string().as_bytes());
        let signed = format!("{}.{}", part(&self.head), part(&body));
        let mut signature = vec![0; self.pair.public().modulus_len()];
        self.pair
            .sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), signed.as_bytes(), &mut signature)
            .map_err(|_| RequestError::NoRandomness)?;
        Ok(format!("{signed}.{}", BASE64URL_NOPAD.encode(&signature)).into())
    }
}

fn pair(pem: &Secret) -> Result<RsaKeyPair, RequestError> {
    let key = PrivateKeyDer::from_pem_slice(pem.expose().as_bytes())
        .map_err(|error| RequestError::Key(error.to_string()))?;
    let pair = match &key {
        PrivateKeyDer::Pkcs8(der) => RsaKeyPair::from_pkcs8(der.secret_pkcs8_der()),
        PrivateKeyDer::Pkcs1(der) => RsaKeyPair::from_der(der.secret_pkcs1_der()),
        _ => return Err(RequestError::Key("it is no RSA key".to_owned())),
    };
    pair.map_err(|error| {
        RequestError::Key(format!("it is no RSA key of 2048 bits or more: {error}"))
    })
}

//! TLS with verified certificates (RFC 8314 §3, RFC 9051 §11.1).
//!
//! A certificate is accepted if it is pinned, if the operator's CA file vouches for it, or
//! if the platform's roots do; on a loopback address an unverified one is accepted with a
//! notice, since control panels connect to `localhost` with a self-signed certificate and
//! nobody can stand between. What was met is told, so that an error can name it.

use std::sync::{Arc, Mutex};

use data_encoding::HEXLOWER;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::{
    AlertDescription, ClientConfig, DigitallySignedStruct, PeerIncompatible, SignatureScheme,
    SupportedProtocolVersion,
};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};

/// SHA-256 of a certificate's DER, the form in which one is pinned.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Fingerprint(pub [u8; 32]);

impl Fingerprint {
    fn of(certificate: &CertificateDer<'_>) -> Self {
        let digest = ring::digest::digest(&ring::digest::SHA256, certificate);
        let mut octets = [0; 32];
        octets.copy_from_slice(digest.as_ref());
        Self(octets)
    }

    /// Reads 64 hexadecimal digits in any case, colons and a `sha256:` prefix permitted.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let lower = text.trim().to_ascii_lowercase();
        let digits: String =
            lower.strip_prefix("sha256:").unwrap_or(&lower).chars().filter(|c| *c != ':').collect();
        let octets = HEXLOWER.decode(digits.as_bytes()).ok()?;
        octets.try_into().ok().map(Self)
    }
}

impl std::fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "sha256:{}", HEXLOWER.encode(&self.0))
    }
}

impl std::fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{self}")
    }
}

/// What to do with a certificate that nobody vouches for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Unverified {
    /// Refuse the connection, unless the peer is a loopback address and neither a pin nor a
    /// CA file says what to expect there.
    #[default]
    RefuseUnlessLoopback,
    /// Refuse the connection, whoever the peer is.
    Refuse,
    /// Go on, and say so: somebody asked for it, or the peer is a loopback address.
    Accept,
}

/// Whom to trust.
#[derive(Clone, Debug, Default)]
pub struct TlsPolicy {
    /// Certificates accepted by fingerprint, whatever else is wrong with them. If any is
    /// given, no other certificate is accepted.
    pub pins: Vec<Fingerprint>,
    /// PEM text of further certificate authorities.
    pub ca_pem: Option<Vec<u8>>,
    /// What to do with the rest.
    pub unverified: Unverified,
    /// What is shown to a server that asks who we are (RFC 8446 §4.3.2).
    pub identity: Option<Identity>,
    /// The name that the server is asked for (SNI) and that its certificate has to bear, in place
    /// of that of the endpoint.
    pub name: Option<String>,
    /// The oldest version that is spoken.
    pub oldest: Version,
}

/// A version of TLS.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Version {
    /// 1.2 (RFC 5246 §1).
    #[default]
    Tls12,
    /// 1.3 (RFC 8446 §1).
    Tls13,
}

impl Version {
    pub(crate) fn of(version: rustls::ProtocolVersion) -> Option<Self> {
        match version {
            rustls::ProtocolVersion::TLSv1_2 => Some(Self::Tls12),
            rustls::ProtocolVersion::TLSv1_3 => Some(Self::Tls13),
            _ => None,
        }
    }
}

/// A client certificate and its key. The key never prints.
#[derive(Clone, Debug)]
pub struct Identity(Arc<Pair>);

#[derive(Debug)]
struct Pair {
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
}

impl Identity {
    /// Reads a certificate, those that vouch for it behind it, and a private key (PKCS #8,
    /// PKCS #1 or SEC 1) that is not encrypted, all PEM.
    ///
    /// # Errors
    /// One of the two texts does not hold what it should.
    pub fn from_pem(chain: &[u8], key: &[u8]) -> Result<Self, TlsSetupError> {
        let refuse = |words: String| TlsSetupError::ClientCertificate(words);
        let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(chain).collect();
        let chain = chain.map_err(|error| refuse(error.to_string()))?;
        if chain.is_empty() {
            return Err(refuse("there is no certificate in it".to_owned()));
        }
        let key = PrivateKeyDer::from_pem_slice(key)
            .map_err(|error| refuse(format!("no private key can be read: {error}")))?;
        Ok(Self(Arc::new(Pair { chain, key })))
    }
}

/// The certificate that was met, and how it was judged.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Met {
    /// Fingerprint of the server's own certificate.
    pub fingerprint: Option<Fingerprint>,
    /// Why it was not verified, in words; `None` where it was.
    pub complaint: Option<String>,
    /// The version that was agreed on, once it was.
    pub version: Option<Version>,
}

/// TLS could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum TlsSetupError {
    /// The CA file holds no certificate, or a broken one.
    #[error("the CA file holds no certificate that can be read: {0}")]
    CaFile(String),
    /// The client certificate or its key cannot be used.
    #[error("the client certificate cannot be used: {0}")]
    ClientCertificate(String),
    /// The host name is no name.
    #[error("`{0}` is no host name")]
    HostName(String),
    /// The TLS library refused its own set-up.
    #[error("TLS cannot be set up: {0}")]
    Library(#[from] rustls::Error),
}

/// A client configuration for one connection, and where it notes what it met.
pub(crate) fn client_config(
    policy: &TlsPolicy,
) -> Result<(Arc<ClientConfig>, Arc<Mutex<Met>>), TlsSetupError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let extra_roots = match &policy.ca_pem {
        None => Vec::new(),
        Some(pem) => {
            let roots: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
            let roots = roots.map_err(|error| TlsSetupError::CaFile(error.to_string()))?;
            if roots.is_empty() {
                return Err(TlsSetupError::CaFile("it is empty".to_owned()));
            }
            roots
        }
    };
    let met = Arc::new(Mutex::new(Met::default()));
    let judge =
        Judge { policy: policy.clone(), extra_roots, provider: provider.clone(), met: met.clone() };
    let versions: &[&SupportedProtocolVersion] = match policy.oldest {
        Version::Tls12 => rustls::DEFAULT_VERSIONS,
        Version::Tls13 => &[&rustls::version::TLS13],
    };
    let config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(versions)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(judge));
    let config = match &policy.identity {
        None => config.with_no_client_auth(),
        Some(Identity(pair)) => config
            .with_client_auth_cert(pair.chain.clone(), pair.key.clone_key())
            .map_err(|error| TlsSetupError::ClientCertificate(error.to_string()))?,
    };
    Ok((Arc::new(config), met))
}

/// Whether a handshake failed because the server speaks only what is older than what we speak.
pub(crate) fn is_too_old(error: &std::io::Error) -> bool {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    matches!(
        inner,
        Some(
            rustls::Error::AlertReceived(AlertDescription::ProtocolVersion)
                | rustls::Error::PeerIncompatible(
                    PeerIncompatible::ServerDoesNotSupportTls12Or13
                        | PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig
                )
        )
    )
}

#[derive(Debug)]
struct Judge {
    policy: TlsPolicy,
    extra_roots: Vec<CertificateDer<'static>>,
    provider: Arc<CryptoProvider>,
    met: Arc<Mutex<Met>>,
}

impl Judge {
    fn verify_by_roots(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        // Made here and not before: loading the platform's roots can fail, and a pinned or
        // loopback certificate needs none.
        let verifier = rustls_platform_verifier::Verifier::new_with_extra_roots(
            self.extra_roots.iter().cloned(),
            self.provider.clone(),
        )?;
        verifier.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
    }

    fn note(&self, fingerprint: Fingerprint, complaint: Option<String>) {
        if let Ok(mut met) = self.met.lock() {
            *met = Met { fingerprint: Some(fingerprint), complaint, version: None };
        }
    }
}

impl ServerCertVerifier for Judge {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let fingerprint = Fingerprint::of(end_entity);
        if self.policy.pins.contains(&fingerprint) {
            self.note(fingerprint, None);
            return Ok(ServerCertVerified::assertion());
        }
        if !self.policy.pins.is_empty() {
            self.note(fingerprint, Some("another certificate is pinned".to_owned()));
            return Err(rustls::Error::General("the certificate is not the pinned one".to_owned()));
        }
        match self.verify_by_roots(end_entity, intermediates, server_name, ocsp_response, now) {
            Ok(verified) => {
                self.note(fingerprint, None);
                Ok(verified)
            }
            Err(error) => {
                self.note(fingerprint, Some(error.to_string()));
                match self.policy.unverified {
                    Unverified::Accept => Ok(ServerCertVerified::assertion()),
                    Unverified::Refuse | Unverified::RefuseUnlessLoopback => Err(error),
                }
            }
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(
            message,
            certificate,
            signature,
            &self.provider.signature_verification_algorithms,
        )
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(
            message,
            certificate,
            signature,
            &self.provider.signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

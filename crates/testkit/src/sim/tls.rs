//! TLS for simulated servers: one certificate for `localhost` and 127.0.0.1, made anew by each
//! process, so that no key is kept anywhere.

use std::sync::{Arc, OnceLock};

use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::{RootCertStore, ServerConfig};

/// Why the configuration could not be made.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The certificate could not be made.
    #[error("test certificate: {0}")]
    Make(#[from] rcgen::Error),
    /// The certificate and its key are refused.
    #[error("test certificate: {0}")]
    Certificate(#[from] tokio_rustls::rustls::Error),
}

struct Made {
    certificate: CertificateDer<'static>,
    key: Vec<u8>,
}

fn made() -> Result<&'static Made, TlsError> {
    static MADE: OnceLock<Made> = OnceLock::new();
    if let Some(made) = MADE.get() {
        return Ok(made);
    }
    let names = ["localhost", "127.0.0.1"].map(str::to_owned);
    let certified = rcgen::generate_simple_self_signed(names)?;
    let key = certified.signing_key.serialize_der();
    Ok(MADE.get_or_init(|| Made { certificate: certified.cert.der().clone(), key }))
}

/// For [`super::Server::bind_tls`] and [`super::Profile::tls`].
///
/// # Errors
/// The certificate cannot be made.
pub fn server_config() -> Result<Arc<ServerConfig>, TlsError> {
    let made = made()?;
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(made.key.clone()));
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![made.certificate.clone()], key)?;
    Ok(Arc::new(config))
}

/// The certificate, which a client under test trusts as its root.
///
/// # Errors
/// The certificate cannot be made.
pub fn certificate() -> Result<CertificateDer<'static>, TlsError> {
    Ok(made()?.certificate.clone())
}

/// A store of roots that trusts only the certificate.
///
/// # Errors
/// The certificate cannot be made.
pub fn roots() -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    roots.add(certificate()?)?;
    Ok(roots)
}

//! TLS for simulated servers: one certificate for `localhost` and 127.0.0.1, made for tests.
//! Its key is public, so nothing but a test may ever trust it.

use std::sync::Arc;

use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::{RootCertStore, ServerConfig};

const CERTIFICATE: &[u8] = include_bytes!("tls/localhost.cert.pem");
const KEY: &[u8] = include_bytes!("tls/localhost.key.pem");

/// Why the configuration could not be made.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The certificate or its key is no PEM.
    #[error("test certificate: {0}")]
    Pem(#[from] rustls_pki_types::pem::Error),
    /// The certificate and its key are refused.
    #[error("test certificate: {0}")]
    Certificate(#[from] tokio_rustls::rustls::Error),
}

/// For [`super::Server::bind_tls`] and [`super::Profile::tls`].
///
/// # Errors
/// None, as long as the certificate in the source is whole.
pub fn server_config() -> Result<Arc<ServerConfig>, TlsError> {
    let key = PrivateKeyDer::from_pem_slice(KEY)?;
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![certificate()?], key)?;
    Ok(Arc::new(config))
}

/// The certificate, which a client under test trusts as its root.
///
/// # Errors
/// None, as long as the certificate in the source is whole.
pub fn certificate() -> Result<CertificateDer<'static>, TlsError> {
    Ok(CertificateDer::from_pem_slice(CERTIFICATE)?)
}

/// A store of roots that trusts only the certificate.
///
/// # Errors
/// None, as long as the certificate in the source is whole.
pub fn roots() -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    roots.add(certificate()?)?;
    Ok(roots)
}

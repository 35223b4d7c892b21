//! A self-signed certificate for `localhost`, made on this machine without any network.

use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::{fs, io};

/// A key pair for servers under test. Valid for `localhost` and 127.0.0.1, and its own issuer:
/// a client trusts it by taking [`Certificate::certificate_pem`] as a root.
#[derive(Clone, PartialEq, Eq)]
pub struct Certificate {
    /// The X.509 certificate, PEM.
    pub certificate_pem: Vec<u8>,
    /// The private key, PEM (PKCS #8).
    pub key_pem: Vec<u8>,
}

/// Why there is no certificate.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The `openssl` program could not be run, or a file could not be written.
    #[error("cannot run openssl: {0}")]
    Io(#[from] io::Error),
    /// The `openssl` program ran and refused.
    #[error("openssl refused to make a certificate: {0}")]
    Refused(String),
}

/// End-entity, not CA: strict clients refuse a CA certificate as a server's own
/// (RFC 5280 §4.2.1.9). Stands alone, so the machine's openssl.cnf does not matter.
const REQUEST: &str = "[req]
distinguished_name = name
x509_extensions = extensions
prompt = no
[name]
CN = localhost
[extensions]
subjectAltName = DNS:localhost, IP:127.0.0.1
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = serverAuth
";

/// A client's request; the name goes into its subject.
const CLIENT_REQUEST: &str = "[req]
distinguished_name = name
x509_extensions = extensions
prompt = no
[name]
CN = NAME
[extensions]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = clientAuth
";

/// A certificate that says who its owner is, its own issuer.
///
/// # Errors
/// If `openssl` is missing or refuses.
pub fn of_client(name: &str) -> Result<Certificate, Error> {
    make(&CLIENT_REQUEST.replace("NAME", name))
}

/// The certificate of this process, made at the first call (some 20 ms) and kept.
///
/// # Errors
/// If `openssl` is missing or refuses.
pub fn self_signed() -> Result<&'static Certificate, Error> {
    static MADE: OnceLock<Certificate> = OnceLock::new();
    if let Some(certificate) = MADE.get() {
        return Ok(certificate);
    }
    let fresh = make(REQUEST)?;
    Ok(MADE.get_or_init(|| fresh))
}

fn make(text: &str) -> Result<Certificate, Error> {
    let dir = tempfile::tempdir()?;
    let (request, key, certificate) =
        (dir.path().join("request.cnf"), dir.path().join("key.pem"), dir.path().join("cert.pem"));
    fs::write(&request, text)?;
    let output = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"])
        .args(["-nodes", "-days", "3650", "-config"])
        .arg(&request)
        .arg("-keyout")
        .arg(&key)
        .arg("-out")
        .arg(&certificate)
        .stdin(Stdio::null())
        .output()?;
    if !output.status.success() {
        return Err(Error::Refused(String::from_utf8_lossy(&output.stderr).into_owned()));
    }
    Ok(Certificate { certificate_pem: fs::read(&certificate)?, key_pem: fs::read(&key)? })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use rustls_pki_types::pem::PemObject;
    use rustls_pki_types::{CertificateDer, PrivateKeyDer};
    use std::sync::Arc;

    #[test]
    fn a_tls_server_accepts_the_pair_and_it_is_made_once() {
        let pair = self_signed().unwrap();
        let chain = CertificateDer::from_pem_slice(&pair.certificate_pem).unwrap();
        let key = PrivateKeyDer::from_pem_slice(&pair.key_pem).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![chain], key)
            .unwrap();
        assert!(std::ptr::eq(pair, self_signed().unwrap()));
    }
}

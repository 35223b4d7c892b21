//! A file that says which certificates are good, named by the environment: for control panels and
//! other programs whose command lines cannot be changed.

use std::path::PathBuf;

use mailferry_imap::login::Endpoint;
use mailferry_imap::tls::{Fingerprint, Unverified};

/// Names the file.
pub const VARIABLE: &str = "MAILFERRY_TRUST";

/// What the file says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trust {
    pins: Vec<Pin>,
    /// Certificates of authorities, PEM.
    authorities: Vec<u8>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Pin {
    host: String,
    port: Option<u16>,
    fingerprint: Fingerprint,
}

/// The file is no good.
#[derive(Debug, thiserror::Error)]
pub enum TrustError {
    /// It cannot be read.
    #[error("the file {path} that {VARIABLE} names cannot be read: {reason}")]
    File {
        /// Which.
        path: PathBuf,
        /// The system's words.
        reason: std::io::Error,
    },
    /// A line says nothing that can be understood.
    #[error(
        "the file {path} that {VARIABLE} names: line {line} is neither `HOST[:PORT] sha256:…` nor PEM"
    )]
    Line {
        /// Which.
        path: PathBuf,
        /// From 1.
        line: usize,
    },
}

impl Trust {
    /// Reads the file that the environment names; nothing where it names none.
    ///
    /// # Errors
    /// See [`TrustError`].
    pub fn of_environment() -> Result<Self, TrustError> {
        let Some(path) = std::env::var_os(VARIABLE).filter(|path| !path.is_empty()) else {
            return Ok(Self::default());
        };
        let path = PathBuf::from(path);
        let octets = std::fs::read(&path)
            .map_err(|reason| TrustError::File { path: path.clone(), reason })?;
        Self::read(&octets).map_err(|line| TrustError::Line { path, line })
    }

    /// Lines `HOST[:PORT] sha256:…`, certificates in PEM, empty lines and `# …`.
    fn read(octets: &[u8]) -> Result<Self, usize> {
        let text = String::from_utf8_lossy(octets);
        let mut trust = Self::default();
        let mut in_pem = false;
        for (number, line) in text.lines().enumerate() {
            let line = line.trim();
            in_pem |= line.starts_with("-----BEGIN");
            if in_pem {
                trust.authorities.extend_from_slice(line.as_bytes());
                trust.authorities.push(b'\n');
                in_pem = !line.starts_with("-----END");
            } else if !line.is_empty() && !line.starts_with('#') {
                trust.pins.push(Pin::read(line).ok_or(number + 1)?);
            }
        }
        Ok(trust)
    }

    /// Holds the connections to this endpoint to what the file says of it, unless the command line
    /// says something else. The authorities are not for this machine itself, to which panels
    /// connect with certificates that nobody vouches for.
    pub fn apply(&self, endpoint: &mut Endpoint) {
        if endpoint.tls.unverified == Unverified::Accept || !endpoint.tls.pins.is_empty() {
            return;
        }
        let named = self.pins.iter().filter(|pin| {
            pin.host.eq_ignore_ascii_case(&endpoint.host)
                && pin.port.is_none_or(|port| port == endpoint.port)
        });
        endpoint.tls.pins.extend(named.map(|pin| pin.fingerprint));
        if !self.authorities.is_empty() && !is_loopback(&endpoint.host) {
            let pem = endpoint.tls.ca_pem.get_or_insert_with(Vec::new);
            pem.push(b'\n');
            pem.extend_from_slice(&self.authorities);
        }
    }
}

/// Whether a name is that of this machine.
#[must_use]
pub fn is_loopback(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost")
        || host.parse().is_ok_and(|address: std::net::IpAddr| address.is_loopback())
}

impl Pin {
    fn read(line: &str) -> Option<Self> {
        let (place, fingerprint) = line.split_once(char::is_whitespace)?;
        let fingerprint = Fingerprint::parse(fingerprint)?;
        let bare = place.strip_prefix('[').and_then(|rest| rest.split_once(']'));
        let (host, port) = match (bare, place.rsplit_once(':')) {
            (Some((host, behind)), _) => (host, behind.strip_prefix(':')),
            (None, Some((host, port))) if !host.contains(':') => (host, Some(port)),
            (None, _) => (place, None),
        };
        let port = port.map(str::parse).transpose().ok()?;
        (!host.is_empty()).then(|| Self { host: host.to_owned(), port, fingerprint })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use mailferry_imap::login::Security;

    fn endpoint(host: &str, port: u16) -> Endpoint {
        Endpoint::new(host, port, Security::Tls)
    }

    #[test]
    fn lines_are_for_the_server_they_name() {
        let (one, two) = ("11".repeat(32), "22".repeat(32));
        let text = format!(
            "# ours\nimap.example:993 sha256:{one}\n\nIMAP.example\t{two}\n[::1]:993 sha256:{one}\n\
             -----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
        );
        let trust = Trust::read(text.as_bytes()).unwrap();
        let pins = |host: &str, port| {
            let mut endpoint = endpoint(host, port);
            trust.apply(&mut endpoint);
            (endpoint.tls.pins.len(), endpoint.tls.ca_pem.is_some())
        };
        assert_eq!(pins("imap.example", 993), (2, true));
        assert_eq!(pins("imap.example", 143), (1, true));
        assert_eq!(pins("other.example", 993), (0, true));
        assert_eq!(pins("::1", 993), (1, false));
        let mut asked = endpoint("imap.example", 993);
        asked.tls.unverified = Unverified::Accept;
        trust.apply(&mut asked);
        assert!(asked.tls.pins.is_empty(), "the command line wins");
    }

    #[test]
    fn a_line_that_says_nothing_is_named() {
        for (text, line) in [("a b", 1), ("\n\nimap.example", 3), ("h:x sha256:11", 1)] {
            assert_eq!(Trust::read(text.as_bytes()), Err(line), "{text}");
        }
    }
}

//! Requests to an authorisation server: forms out, JSON in (RFC 6749 §4.1.3, §5).

use std::io::Read as _;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use ureq::tls::{RootCerts, TlsConfig, TlsProvider};

/// How long one request may take.
const REQUEST_MAX: Duration = Duration::from_secs(60);
/// No answer of an authorisation server is longer.
const REPLY_BYTES_MAX: u64 = 1024 * 1024;
/// Of an answer that is no JSON so much is told.
const SHOWN_BYTES_MAX: usize = 200;

/// No token came of a request.
#[derive(Debug, thiserror::Error)]
pub enum RequestError {
    /// The address is no `https://…`; `http://` is for a loopback address only.
    #[error("`{0}` is no https:// address: secrets do not travel in clear text")]
    Address(String),
    /// The server could not be reached, or failed.
    #[error("the authorisation server {url} cannot be asked: {reason}")]
    Unreachable {
        /// What was asked.
        url: String,
        /// The words of the network or of the server.
        reason: String,
    },
    /// The server refused (RFC 6749 §5.2).
    #[error("the authorisation server refused: {error}{}", described(description))]
    Refused {
        /// The code, such as `invalid_grant`.
        error: String,
        /// Its words.
        description: String,
    },
    /// The server said something that is no answer.
    #[error("the authorisation server {url} gave no answer that can be read: {what}")]
    Unreadable {
        /// What was asked.
        url: String,
        /// What is wrong with it.
        what: String,
    },
    /// What is to sign the request is no good.
    #[error("the key cannot be used: {0}")]
    Key(String),
    /// The system has no random numbers.
    #[error("the system has no random numbers")]
    NoRandomness,
}

impl RequestError {
    /// Whether the same request may go well later.
    #[must_use]
    pub fn is_passing(&self) -> bool {
        match self {
            Self::Unreachable { .. } => true,
            // RFC 6749 §4.1.2.1.
            Self::Refused { error, .. } => error == "temporarily_unavailable",
            _ => false,
        }
    }
}

/// Foreign words on one line, in which nothing can act on a terminal.
fn harmless(words: &str) -> String {
    words.chars().map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c }).collect()
}

fn described(words: &str) -> String {
    if words.is_empty() { String::new() } else { format!(" ({words})") }
}

/// Whether an address is one to which secrets may be sent.
pub(crate) fn is_safe(url: &str) -> bool {
    let lower = url.to_ascii_lowercase();
    if lower.starts_with("https://") {
        return true;
    }
    let Some(rest) = lower.strip_prefix("http://") else { return false };
    let place = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = match place.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, _)) => host,
        None => place.split(':').next().unwrap_or_default(),
    };
    host == "localhost" || host.parse().is_ok_and(|ip: std::net::IpAddr| ip.is_loopback())
}

/// Sends a form and reads JSON; a refusal is an error.
pub(crate) fn post(url: &str, form: &[(&str, &str)]) -> Result<Value, RequestError> {
    if !is_safe(url) {
        return Err(RequestError::Address(url.to_owned()));
    }
    let unreachable = |reason: String| RequestError::Unreachable { url: url.to_owned(), reason };
    let request = agent(REQUEST_MAX).post(url).header("accept", "application/json");
    let reply =
        request.send_form(form.iter().copied()).map_err(|error| unreachable(error.to_string()))?;
    let status = reply.status().as_u16();
    let mut octets = Vec::new();
    reply
        .into_body()
        .into_reader()
        .take(REPLY_BYTES_MAX)
        .read_to_end(&mut octets)
        .map_err(|error| unreachable(error.to_string()))?;
    let value: Option<Value> = serde_json::from_slice(&octets).ok();
    let error = value.as_ref().and_then(|value| value["error"].as_str());
    match (status, value.as_ref(), error) {
        (_, Some(value), Some(error)) => Err(RequestError::Refused {
            error: harmless(error),
            description: harmless(value["error_description"].as_str().unwrap_or_default()),
        }),
        (200..=299, Some(value), None) => Ok(value.clone()),
        (500..=599 | 429, ..) => Err(unreachable(format!("it answers {status}"))),
        _ => {
            let shown = &octets[..octets.len().min(SHOWN_BYTES_MAX)];
            let what = format!("{status} `{}`", String::from_utf8_lossy(shown).escape_debug());
            Err(RequestError::Unreadable { url: url.to_owned(), what })
        }
    }
}

/// The client that makes all requests, each within this time.
pub(crate) fn agent(wait: Duration) -> ureq::Agent {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = TlsConfig::builder()
        .provider(TlsProvider::Rustls)
        .root_certs(RootCerts::PlatformVerifier)
        .unversioned_rustls_crypto_provider(provider)
        .build();
    let config = ureq::Agent::config_builder()
        .timeout_global(Some(wait))
        .http_status_as_error(false)
        // A secret goes where it was meant to and nowhere else.
        .max_redirects(0)
        .tls_config(tls)
        .build();
    config.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_go_by_https_or_stay_on_this_machine() {
        for good in ["https://a.example/x", "HTTPS://a", "http://127.0.0.1:80/t", "http://[::1]/"] {
            assert!(is_safe(good), "{good}");
        }
        for bad in ["http://a.example", "http://127.0.0.1.example/", "ftp://a", "a.example", ""] {
            assert!(!is_safe(bad), "{bad}");
        }
    }
}

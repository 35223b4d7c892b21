//! Leaving a message at an address (HTTP POST): for whoever is to be told how something went. It
//! goes by the client that fetches tokens, so that there is one.

use std::time::Duration;

use crate::http;

/// A message was not taken.
#[derive(Debug, thiserror::Error)]
pub enum DeliveryError {
    /// It is no address for that.
    #[error("it is no http:// or https:// address")]
    Address,
    /// Nobody answered. The words hold nothing of the address.
    #[error("{0}")]
    Unreachable(String),
    /// The answer is another one than 2xx.
    #[error("it answers {0}")]
    Status(u16),
}

impl DeliveryError {
    /// Whether it may go well later.
    #[must_use]
    pub fn is_passing(&self) -> bool {
        match self {
            Self::Address => false,
            Self::Unreachable(_) => true,
            Self::Status(status) => *status == 429 || *status >= 500,
        }
    }
}

/// Whether it is the address of something that is reached by HTTP.
#[must_use]
pub fn is_address(url: &str) -> bool {
    let lower = url.to_ascii_lowercase();
    let rest = lower.strip_prefix("https://").or_else(|| lower.strip_prefix("http://"));
    let is_harmless = |octet: u8| octet.is_ascii_graphic();
    let host = rest.and_then(|rest| rest.split(['/', '?', '#']).next()).unwrap_or_default();
    !host.is_empty() && !host.contains('@') && url.bytes().all(is_harmless)
}

/// Scheme and host of an address: what may be shown of one that is a secret in itself.
#[must_use]
pub fn place(url: &str) -> String {
    match url.split_once("://") {
        Some((scheme, rest)) => {
            let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
            format!("{scheme}://{host}/…")
        }
        None => "…".to_owned(),
    }
}

/// Leaves `(content type, octets)` there. Blocks.
///
/// # Errors
/// See [`DeliveryError`].
pub fn post(
    url: &str,
    (content_type, octets): (&str, &[u8]),
    wait: Duration,
) -> Result<(), DeliveryError> {
    if !is_address(url) {
        return Err(DeliveryError::Address);
    }
    let request = http::agent(wait).post(url).header("content-type", content_type);
    let reply = request.send(octets).map_err(|error| {
        // Some of its words quote the address.
        let path = url.splitn(4, '/').nth(3).unwrap_or_default();
        let mut words = error.to_string().replace(url, "…");
        if !path.is_empty() {
            words = words.replace(path, "…");
        }
        DeliveryError::Unreachable(words)
    })?;
    match reply.status().as_u16() {
        200..=299 => Ok(()),
        status => Err(DeliveryError::Status(status)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_of_http_and_hold_no_password() {
        for good in ["https://h/x", "http://127.0.0.1:8000/ping?a=b", "HTTPS://h"] {
            assert!(is_address(good), "{good}");
        }
        for bad in ["", "ftp://h", "https://", "https://u:p@h/", "https://h/a b", "h/x"] {
            assert!(!is_address(bad), "{bad}");
        }
        assert_eq!(place("https://hc.example/secret-word?x"), "https://hc.example/…");
    }
}

//! The proxy on the way to both servers.

use mailferry_imap::proxy::{Proxy, ProxyUrlError};

/// Names a proxy for scripts that cannot be changed.
pub const VARIABLE: &str = "MAILFERRY_PROXY";

/// Whether the environment names one.
#[must_use]
pub fn is_asked_for() -> bool {
    std::env::var_os(VARIABLE).is_some_and(|url| !url.is_empty())
}

/// The proxy that the environment names.
///
/// # Errors
/// What it says names none.
pub fn of_environment() -> Result<Option<Proxy>, ProxyUrlError> {
    let url = std::env::var(VARIABLE).unwrap_or_default();
    if url.is_empty() { Ok(None) } else { Proxy::parse(&url).map(Some) }
}

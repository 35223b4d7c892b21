//! The proxy on the way to both servers.

use mailferry_imap::proxy::{Proxy, ProxyUrlError};

/// Names a proxy for scripts that cannot be changed.
pub const VARIABLE: &str = "MAILFERRY_PROXY";

/// The proxy that the environment names.
///
/// # Errors
/// What it says names none.
pub fn of_environment() -> Result<Option<Proxy>, ProxyUrlError> {
    let url = std::env::var(VARIABLE).unwrap_or_default();
    if url.is_empty() { Ok(None) } else { Proxy::parse(&url).map(Some) }
}

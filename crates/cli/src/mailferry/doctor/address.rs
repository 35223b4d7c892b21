//! Accounts that are named by a mail address alone.

use std::net::SocketAddr;

use mailferry_discovery::{Address, Found, Security, Sources, find};

use super::super::task::UsageError;
use crate::account::percent_encoded;
use crate::local::LocalForm;
use crate::screen;

/// The environment variable that names a DNS server (`address:port`) in place of the system's.
const RESOLVER_VARIABLE: &str = "MAILFERRY_RESOLVER";
/// The one that names the pages to ask, divided by blanks, in place of the domain's own and
/// Thunderbird's directory.
const PAGES_VARIABLE: &str = "MAILFERRY_AUTOCONFIG";

/// What came of a search.
pub(super) enum Searched {
    /// It is an account already, or one was found.
    Account(String),
    /// A server was found that nobody vouches for: whoever asked has to say that it is theirs.
    Unproven,
}

/// The URL of the account, if it is named by a mail address alone.
///
/// # Errors
/// It is no address, or nobody knows where its mailboxes are.
pub(super) async fn resolved(text: &str) -> Result<Searched, UsageError> {
    if text.contains("://") || LocalForm::of(text).is_some() || !text.contains('@') {
        return Ok(Searched::Account(text.to_owned()));
    }
    let hint = "name the server: imaps://user@host";
    let address = Address::parse(text).map_err(|error| UsageError::new(error.to_string(), hint))?;
    let found = find(&address, &sources()?).await;
    let found = found.map_err(|error| UsageError::new(error.to_string(), hint))?;
    let url = url(&found);
    screen::news(&format!("found {url}, said by {}", found.said_by));
    if found.is_vouched_for(&address) {
        return Ok(Searched::Account(url));
    }
    screen::news(&format!(
        "nobody was asked to log in there: only DNS says that the mail of {} is at {}, and DNS can be \
         forged\n\nhint: if that is your provider, `mailferry doctor {url}`",
        address.domain, found.host
    ));
    Ok(Searched::Unproven)
}

fn url(found: &Found) -> String {
    let scheme = match found.security {
        Security::Tls => "imaps",
        Security::StartTls => "imap",
    };
    let usual = matches!((scheme, found.port), ("imaps", 993) | ("imap", 143));
    let port = if usual { String::new() } else { format!(":{}", found.port) };
    let user = percent_encoded(found.user.as_bytes());
    format!("{scheme}://{user}@{}{port}", found.host)
}

fn sources() -> Result<Sources, UsageError> {
    let mut sources = Sources::default();
    if let Ok(text) = std::env::var(RESOLVER_VARIABLE) {
        let place: SocketAddr = text.parse().map_err(|_| {
            UsageError::new(
                format!("{RESOLVER_VARIABLE} is `{text}`, which is no address and port"),
                "write 192.0.2.1:53",
            )
        })?;
        sources.resolver = Some(place);
    }
    if let Ok(text) = std::env::var(PAGES_VARIABLE) {
        sources.pages = text.split_whitespace().map(str::to_owned).collect();
    }
    Ok(sources)
}

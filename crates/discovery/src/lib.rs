//! Where the mailboxes of an address are: what its provider publishes for mail programs, and what
//! DNS says (RFC 6186).
//!
//! DNS is not proven to be the provider's: a server it names outside of the address's own domain
//! is told, and nobody should send it a password unasked (RFC 6186 §6). See
//! [`Found::is_vouched_for`].

mod page;
mod record;

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::time::timeout;

/// What is not answered by then is not there.
const ANSWER_WAIT_MAX: Duration = Duration::from_secs(10);

/// A server that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Its name.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// How it is spoken to.
    pub security: Security,
    /// Who logs in there.
    pub user: String,
    /// Who said so.
    pub said_by: Witness,
}

/// How the octets are protected. What would be sent in clear text is not found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Security {
    /// TLS from the first octet.
    Tls,
    /// STARTTLS.
    StartTls,
}

/// Who said where the server is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Witness {
    /// A page of the domain itself, or of a public directory, over HTTPS.
    Page(String),
    /// An SRV record (RFC 6186 §3.2), by its name.
    Record(String),
}

impl fmt::Display for Witness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Page(address) => write!(f, "{address}"),
            Self::Record(name) => write!(f, "the SRV record {name}"),
        }
    }
}

impl Found {
    /// Whether somebody who can be trusted with it named this server for the domain: its own page
    /// or a directory, over HTTPS; or DNS, and the server is within the domain, so that its
    /// certificate is proof.
    #[must_use]
    pub fn is_vouched_for(&self, address: &Address) -> bool {
        let host = self.host.trim_end_matches('.');
        let within = host
            .len()
            .checked_sub(address.domain.len())
            .filter(|&at| host.is_char_boundary(at))
            .map(|at| host.split_at(at))
            .is_some_and(|(before, domain)| {
                domain.eq_ignore_ascii_case(&address.domain)
                    && (before.is_empty() || before.ends_with('.'))
            });
        matches!(self.said_by, Witness::Page(_)) || within
    }
}

/// A mail address, as far as it tells where its mailboxes may be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// What stands before the last `@`.
    pub local: String,
    /// What stands behind it, in ASCII.
    pub domain: String,
}

/// A text is no mail address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// There is no `@`, or nothing on one side of it.
    #[error("`{0}` is no mail address")]
    NoAddress(String),
    /// The domain is none that DNS could know as it is written.
    #[error("`{0}` is no domain in letters, digits, `-` and `.`; write others as `xn--…`")]
    Domain(String),
}

impl Address {
    /// Reads an address.
    ///
    /// # Errors
    /// See [`AddressError`].
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        let (local, domain) = text
            .rsplit_once('@')
            .filter(|(local, domain)| !local.is_empty() && !domain.is_empty())
            .ok_or_else(|| AddressError::NoAddress(text.to_owned()))?;
        let is_label = |label: &str| {
            !label.is_empty()
                && label.len() <= 63
                && label.bytes().all(|octet| octet.is_ascii_alphanumeric() || octet == b'-')
        };
        if domain.len() > 253 || !domain.split('.').all(is_label) {
            return Err(AddressError::Domain(domain.to_owned()));
        }
        Ok(Self { local: local.to_owned(), domain: domain.to_ascii_lowercase() })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.local, self.domain)
    }
}

/// Who is asked.
#[derive(Clone, Debug)]
pub struct Sources {
    /// The DNS server; that of the system where none is named.
    pub resolver: Option<SocketAddr>,
    /// Addresses of pages, the first that answers with a server wins. `{domain}` and `{address}`
    /// stand for those. `https://` only, or `http://` on this machine.
    pub pages: Vec<String>,
}

impl Default for Sources {
    /// The system's resolver; the domain's own pages, then Thunderbird's directory, which is told
    /// the domain and not the address.
    fn default() -> Self {
        let pages = [
            "https://autoconfig.{domain}/mail/config-v1.1.xml?emailaddress={address}",
            "https://{domain}/.well-known/autoconfig/mail/config-v1.1.xml",
            "https://autoconfig.thunderbird.net/v1.1/{domain}",
        ];
        Self { resolver: None, pages: pages.map(str::to_owned).to_vec() }
    }
}

/// Nobody says where the mailboxes are.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("nobody says where the mailboxes of {domain} are:{}", listed(asked))]
pub struct NotFound {
    /// Of which domain.
    pub domain: String,
    /// Who was asked, and what they said.
    pub asked: Vec<String>,
}

fn listed(asked: &[String]) -> String {
    asked.iter().map(|line| format!("\n  {line}")).collect()
}

/// Asks all at once; the order in [`Sources::pages`], then the SRV records, decides among those
/// who know.
///
/// # Errors
/// Nobody knows.
pub async fn find(address: &Address, sources: &Sources) -> Result<Found, NotFound> {
    let record = timeout(ANSWER_WAIT_MAX, record::find(address, sources.resolver));
    let asked: Vec<_> = sources
        .pages
        .iter()
        .map(|template| page::address_of(template, address))
        .map(|url| {
            (url.clone(), tokio::spawn(timeout(ANSWER_WAIT_MAX, page::ask(url, address.clone()))))
        })
        .collect();
    let record =
        async { record.await.unwrap_or_else(|_| Err("the SRV records: no answer".into())) };
    let record = record.await;
    let mut said = Vec::new();
    for (url, answer) in asked {
        match answer.await {
            Ok(Ok(Ok(found))) => return Ok(found),
            Ok(Ok(Err(why))) => said.push(format!("{url}: {why}")),
            Ok(Err(_)) | Err(_) => said.push(format!("{url}: no answer")),
        }
    }
    record.map_err(|why| {
        said.push(why);
        NotFound { domain: address.domain.clone(), asked: said }
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn an_address_has_a_domain_that_dns_can_know() {
        let address = Address::parse("a@b@Example.ORG").unwrap();
        assert_eq!((address.local.as_str(), address.domain.as_str()), ("a@b", "example.org"));
        for no in ["", "a", "@b", "a@"] {
            assert!(matches!(Address::parse(no), Err(AddressError::NoAddress(_))), "{no}");
        }
        for no in ["a@b..c", "a@.", "a@b/c", "a@bücher.example", "a@b c"] {
            assert!(matches!(Address::parse(no), Err(AddressError::Domain(_))), "{no}");
        }
    }

    #[test]
    fn dns_is_trusted_within_the_domain_only() {
        let address = Address::parse("a@example.org").unwrap();
        let found = |host: &str, said_by| Found {
            host: host.to_owned(),
            port: 993,
            security: Security::Tls,
            user: String::new(),
            said_by,
        };
        let record = |host: &str| found(host, Witness::Record(String::new()));
        for good in ["imap.example.org", "EXAMPLE.org.", "a.b.example.org"] {
            assert!(record(good).is_vouched_for(&address), "{good}");
        }
        for bad in ["example.com", "badexample.org", "org", "example.org.evil.net", "éexample.org"]
        {
            assert!(!record(bad).is_vouched_for(&address), "{bad}");
        }
        assert!(found("imap.provider.net", Witness::Page(String::new())).is_vouched_for(&address));
    }
}

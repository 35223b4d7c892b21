//! Accounts as they are named on the command line: `imaps://user%40dom@host[:port]`.

use std::time::Duration;

use mailferry_imap::login::{Endpoint, Family, Security};
use mailferry_imap::tls::TlsPolicy;

/// An account named by a URL (RFC 5092, the part that names a server and a user).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountUrl {
    /// Protection, by the scheme.
    pub scheme: Scheme,
    /// Who logs in, percent-decoded: octets, not text.
    pub user: Vec<u8>,
    /// Name or address.
    pub host: String,
    /// TCP port.
    pub port: u16,
}

/// What the scheme asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// `imaps://`: TLS from the first octet.
    Imaps,
    /// `imap://`: STARTTLS, required.
    Imap,
    /// `imap+plain://`: clear text, because it says so.
    ImapPlain,
}

/// The URL names no account.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum AccountUrlError {
    /// No scheme, or one that is no IMAP.
    #[error(
        "`{0}` does not begin with imaps://, imap://, imap+plain://, maildir:, maildir+fs:, eml: or mbox:"
    )]
    Scheme(String),
    /// No user name.
    #[error("`{0}` names no user: write imaps://user@host (an `@` within the user name as %40)")]
    NoUser(String),
    /// A password in a URL shows in `ps` and in shell histories.
    #[error("the password does not belong in the URL, where `ps` and the shell's history show it")]
    Password,
    /// No host.
    #[error("`{0}` names no host")]
    NoHost(String),
    /// The port is no number between 1 and 65535.
    #[error("`{0}` is no port")]
    Port(String),
    /// A `%` that two hexadecimal digits do not follow.
    #[error("`{0}` has a % that two hexadecimal digits do not follow")]
    Percent(String),
    /// Something follows the host: a mailbox belongs in `--folder`.
    #[error("`{0}` has something behind the host: name mailboxes with --folder")]
    Path(String),
}

impl AccountUrl {
    /// Reads a URL.
    ///
    /// # Errors
    /// See [`AccountUrlError`]; the message never shows a password.
    pub fn parse(text: &str) -> Result<Self, AccountUrlError> {
        let (scheme, rest) = [
            ("imaps://", Scheme::Imaps),
            ("imap://", Scheme::Imap),
            ("imap+plain://", Scheme::ImapPlain),
        ]
        .into_iter()
        .find_map(|(prefix, scheme)| strip_prefix_any_case(text, prefix).map(|rest| (scheme, rest)))
        .ok_or_else(|| AccountUrlError::Scheme(without_secret(text)))?;
        let (user, place) =
            rest.rsplit_once('@').ok_or_else(|| AccountUrlError::NoUser(without_secret(text)))?;
        if user.is_empty() {
            return Err(AccountUrlError::NoUser(without_secret(text)));
        }
        if user.contains(':') {
            return Err(AccountUrlError::Password);
        }
        let user =
            percent_decoded(user).ok_or_else(|| AccountUrlError::Percent(text.to_owned()))?;
        let place = place.strip_suffix('/').unwrap_or(place);
        if place.contains('/') {
            return Err(AccountUrlError::Path(text.to_owned()));
        }
        let (host, port) = split_port(place)?;
        if host.is_empty() {
            return Err(AccountUrlError::NoHost(text.to_owned()));
        }
        let default = if scheme == Scheme::Imaps { 993 } else { 143 };
        Ok(Self { scheme, user, host: host.to_owned(), port: port.unwrap_or(default) })
    }

    /// The endpoint that the URL names.
    #[must_use]
    pub fn endpoint(&self, tls: TlsPolicy, silence_max: Duration, family: Family) -> Endpoint {
        let security = match self.scheme {
            Scheme::Imaps => Security::Tls,
            Scheme::Imap => Security::StartTls,
            Scheme::ImapPlain => Security::ClearText,
        };
        Endpoint { tls, silence_max, family, ..Endpoint::new(&self.host, self.port, security) }
    }
}

fn strip_prefix_any_case<'a>(text: &'a str, prefix: &str) -> Option<&'a str> {
    let head = text.get(..prefix.len())?;
    head.eq_ignore_ascii_case(prefix).then(|| &text[prefix.len()..])
}

/// The URL without what stands between the first `:` of the user part and the `@`.
fn without_secret(text: &str) -> String {
    let Some((before, after)) = text.rsplit_once('@') else { return text.to_owned() };
    let start = before.find("://").map_or(0, |at| at + 3);
    match before[start..].find(':') {
        Some(at) => format!("{}:…@{after}", &before[..start + at]),
        None => text.to_owned(),
    }
}

/// Splits `host:port`, `[v6]:port`, `v6`.
fn split_port(place: &str) -> Result<(&str, Option<u16>), AccountUrlError> {
    let (host, port) = if let Some(rest) = place.strip_prefix('[') {
        let (host, behind) =
            rest.split_once(']').ok_or_else(|| AccountUrlError::NoHost(place.to_owned()))?;
        (host, behind.strip_prefix(':'))
    } else {
        match place.split_once(':') {
            Some((host, port)) if !port.contains(':') => (host, Some(port)),
            _ => (place, None),
        }
    };
    let number = |port: &str| port.parse().ok().filter(|&port: &u16| port > 0);
    let port = match port {
        Some(port) => Some(number(port).ok_or_else(|| AccountUrlError::Port(port.to_owned()))?),
        None => None,
    };
    Ok((host, port))
}

/// All but letters, digits and `-._*+` as %XX (RFC 3986 §2.1), as the user stands in an account's URL.
pub(crate) fn percent_encoded(user: &[u8]) -> String {
    let written = |&octet: &u8| match octet {
        octet if octet.is_ascii_alphanumeric() || b"-._*+".contains(&octet) => {
            char::from(octet).to_string()
        }
        _ => format!("%{octet:02X}"),
    };
    user.iter().map(written).collect()
}

fn percent_decoded(text: &str) -> Option<Vec<u8>> {
    let mut octets = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(octet) = rest.next() {
        if octet == b'%' {
            let pair = [rest.next()?, rest.next()?];
            let digits = std::str::from_utf8(&pair).ok()?;
            octets.push(u8::from_str_radix(digits, 16).ok()?);
        } else {
            octets.push(octet);
        }
    }
    Some(octets)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_user_is_written_so_that_it_is_read_the_same() {
        let all: Vec<u8> = (0..=u8::MAX).collect();
        assert_eq!(percent_decoded(&percent_encoded(&all)).unwrap(), all);
        assert_eq!(percent_encoded(b"a+b*m@x.example"), "a+b*m%40x.example");
    }

    #[test]
    fn a_url_names_protection_user_host_and_port() {
        let url = AccountUrl::parse("imaps://user%40dom@imap.example.net").unwrap();
        assert_eq!(
            url,
            AccountUrl {
                scheme: Scheme::Imaps,
                user: b"user@dom".to_vec(),
                host: "imap.example.net".into(),
                port: 993
            }
        );
        let url = AccountUrl::parse("IMAP://a@b@[::1]:1143/").unwrap();
        assert_eq!(
            (url.user.as_slice(), url.host.as_str(), url.port),
            (b"a@b".as_slice(), "::1", 1143)
        );
        assert_eq!(AccountUrl::parse("imap+plain://u@127.0.0.1").unwrap().port, 143);
    }

    #[test]
    fn a_url_that_names_no_account_is_refused_with_the_reason() {
        assert!(matches!(AccountUrl::parse("example.net"), Err(AccountUrlError::Scheme(_))));
        assert!(matches!(
            AccountUrl::parse("imaps://example.net"),
            Err(AccountUrlError::NoUser(_))
        ));
        assert!(matches!(AccountUrl::parse("imaps://u@"), Err(AccountUrlError::NoHost(_))));
        assert!(matches!(AccountUrl::parse("imaps://u@h:0"), Err(AccountUrlError::Port(_))));
        assert!(matches!(AccountUrl::parse("imaps://u%4@h"), Err(AccountUrlError::Percent(_))));
        assert!(matches!(AccountUrl::parse("imaps://u@h/INBOX"), Err(AccountUrlError::Path(_))));
    }

    #[test]
    fn a_password_in_the_url_is_refused_and_never_shown() {
        for text in ["imaps://u:geheim@h", "imapz://u:geheim@h"] {
            assert!(!AccountUrl::parse(text).unwrap_err().to_string().contains("geheim"));
        }
    }
}

//! What providers publish for mail programs: a page of XML (Thunderbird's autoconfiguration, which
//! others read as well).

use std::io::Read as _;
use std::net::IpAddr;
use std::sync::Arc;

use roxmltree::{Document, Node};
use ureq::tls::{RootCerts, TlsConfig, TlsProvider};

use crate::{ANSWER_WAIT_MAX, Address, Found, Security, Witness};

/// No such page is longer.
const PAGE_OCTETS_MAX: u64 = 256 << 10;
const REDIRECTS_MAX: u32 = 5;

/// The page's address with the domain and the mail address in it.
pub(crate) fn address_of(template: &str, address: &Address) -> String {
    template
        .replace("{domain}", &address.domain)
        .replace("{address}", &percent_encoded(&address.to_string()))
}

/// All but letters, digits, `-`, `.` and `_` as %XX (RFC 3986 §2.1).
fn percent_encoded(text: &str) -> String {
    let encoded = |octet: u8| match octet {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' => {
            char::from(octet).to_string()
        }
        _ => format!("%{octet:02X}"),
    };
    text.bytes().map(encoded).collect()
}

/// Reads the page, and the first server on it that may be used.
pub(crate) async fn ask(url: String, address: Address) -> Result<Found, String> {
    let read = tokio::task::spawn_blocking(move || {
        let page = fetch(&url)?;
        server_on(&page, &address, Witness::Page(url))
    });
    read.await.map_err(|_| "it could not be read".to_owned())?
}

fn fetch(url: &str) -> Result<String, String> {
    let way = way_to(url).ok_or("not asked: it is no https:// address")?;
    let reply = agent(way).get(url).call().map_err(|error| error.to_string())?;
    let mut page = String::new();
    reply
        .into_body()
        .into_reader()
        .take(PAGE_OCTETS_MAX)
        .read_to_string(&mut page)
        .map_err(|error| error.to_string())?;
    Ok(page)
}

/// How the octets get there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum TheWay {
    Https,
    /// Nobody is on the way.
    OnThisMachine,
}

fn way_to(url: &str) -> Option<TheWay> {
    if url.get(..8).is_some_and(|scheme| scheme.eq_ignore_ascii_case("https://")) {
        return Some(TheWay::Https);
    }
    let place = url.strip_prefix("http://")?.split(['/', '?', '#']).next()?;
    let host = place.rsplit_once(':').map_or(place, |(host, _)| host);
    let address: IpAddr = host.trim_matches(['[', ']']).parse().ok()?;
    address.is_loopback().then_some(TheWay::OnThisMachine)
}

fn agent(way: TheWay) -> ureq::Agent {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = TlsConfig::builder()
        .provider(TlsProvider::Rustls)
        .root_certs(RootCerts::PlatformVerifier)
        .unversioned_rustls_crypto_provider(provider)
        .build();
    ureq::Agent::config_builder()
        .timeout_global(Some(ANSWER_WAIT_MAX))
        .max_redirects(REDIRECTS_MAX)
        // Not even by a redirection: what came in clear text vouches for nothing.
        .https_only(way == TheWay::Https)
        .tls_config(tls)
        .build()
        .into()
}

/// The first IMAP server on the page that is spoken to with TLS.
fn server_on(page: &str, address: &Address, said_by: Witness) -> Result<Found, String> {
    let document = Document::parse(page).map_err(|error| format!("no XML: {error}"))?;
    document
        .descendants()
        .filter(|node| {
            node.has_tag_name("incomingServer")
                && node.attribute("type").is_some_and(|kind| kind.eq_ignore_ascii_case("imap"))
        })
        .find_map(|node| server(node, address, &said_by))
        .ok_or_else(|| "it names no IMAP server with TLS".to_owned())
}

fn server(node: Node<'_, '_>, address: &Address, said_by: &Witness) -> Option<Found> {
    let text = |name: &str| {
        let child = node.children().find(|child| child.has_tag_name(name))?;
        child.text().map(|text| placed(text.trim(), address)).filter(|text| !text.is_empty())
    };
    let security = match text("socketType")?.to_ascii_uppercase().as_str() {
        "SSL" => Security::Tls,
        "STARTTLS" => Security::StartTls,
        _ => return None,
    };
    let host = text("hostname")?;
    let is_host = host.bytes().all(|octet| octet.is_ascii_alphanumeric() || b"-.".contains(&octet));
    let port = text("port")?.parse().ok().filter(|&port| port > 0)?;
    let user = text("username").unwrap_or_else(|| address.to_string());
    is_host.then(|| Found { host, port, security, user, said_by: said_by.clone() })
}

fn placed(text: &str, address: &Address) -> String {
    text.replace("%EMAILADDRESS%", &address.to_string())
        .replace("%EMAILLOCALPART%", &address.local)
        .replace("%EMAILDOMAIN%", &address.domain)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn address() -> Address {
        Address::parse("a+b@example.org").unwrap()
    }

    fn on(page: &str) -> Result<Found, String> {
        server_on(page, &address(), Witness::Page("p".into()))
    }

    fn incoming(kind: &str, socket: &str, rest: &str) -> String {
        format!(
            "<incomingServer type='{kind}'><hostname>imap.%EMAILDOMAIN%</hostname>\
             <port>993</port><socketType>{socket}</socketType>{rest}</incomingServer>"
        )
    }

    #[test]
    fn the_first_server_with_tls_is_taken() {
        let page = format!(
            "<clientConfig version='1.1'><emailProvider id='x'>{}{}{}</emailProvider></clientConfig>",
            incoming("pop3", "SSL", ""),
            incoming("imap", "plain", ""),
            incoming("imap", "STARTTLS", "<username>%EMAILLOCALPART%</username>"),
        );
        let found = on(&page).unwrap();
        assert_eq!(found.host, "imap.example.org");
        assert_eq!((found.security, found.user.as_str()), (Security::StartTls, "a+b"));
        let whole = on(&incoming("imap", "SSL", "")).unwrap();
        assert_eq!((whole.security, whole.user.as_str()), (Security::Tls, "a+b@example.org"));
    }

    #[test]
    fn what_names_no_server_is_told() {
        for page in [
            "",
            "<html>",
            "<clientConfig/>",
            &incoming("imap", "plain", ""),
            "<incomingServer type='imap'><hostname>a b</hostname><port>1</port>\
             <socketType>SSL</socketType></incomingServer>",
            "<incomingServer type='imap'><hostname>a</hostname><port>0</port>\
             <socketType>SSL</socketType></incomingServer>",
        ] {
            on(page).unwrap_err();
        }
    }

    #[test]
    fn pages_come_by_https_or_from_this_machine() {
        assert_eq!(way_to("https://a.example/"), Some(TheWay::Https));
        assert_eq!(way_to("http://127.0.0.1:80/x"), Some(TheWay::OnThisMachine));
        assert_eq!(way_to("http://[::1]:80/x"), Some(TheWay::OnThisMachine));
        for no in ["http://a.example/", "http://127.0.0.1.example/", "ftp://127.0.0.1/", ""] {
            assert_eq!(way_to(no), None, "{no}");
        }
    }

    #[test]
    fn the_address_is_encoded_into_the_page() {
        let url = address_of("https://autoconfig.{domain}/x?e={address}", &address());
        assert_eq!(url, "https://autoconfig.example.org/x?e=a%2Bb%40example.org");
    }
}

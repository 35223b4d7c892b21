//! Proxies on the way to a server: SOCKS5 (RFC 1928 §3, RFC 1929 §2) and HTTP CONNECT (RFC 9110
//! §9.3.6). Pure but for [`open`], which carries the messages over a connection to the proxy.

use std::fmt;
use std::net::IpAddr;

use data_encoding::BASE64;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use zeroize::Zeroizing;

use crate::session::printable;

/// The head of a proxy's answer to CONNECT may have at most so many octets.
const HEAD_BYTES_MAX: usize = 16 * 1024;

/// A proxy. Its password never prints.
#[derive(Clone, PartialEq, Eq)]
pub struct Proxy {
    /// What it speaks.
    pub protocol: Protocol,
    /// Its name or address.
    pub host: String,
    /// Its TCP port.
    pub port: u16,
    /// User and password, where it wants them.
    pub credentials: Option<(String, Zeroizing<String>)>,
}

/// What a proxy speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// RFC 1928 §4. The name of the server is resolved by the proxy.
    Socks5,
    /// `CONNECT` of HTTP.
    Http,
}

/// The URL names no proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProxyUrlError {
    /// No scheme that is known.
    #[error("a proxy is written socks5://[user:password@]host[:port] or http://…")]
    Scheme,
    /// No host.
    #[error("the proxy has no host")]
    Host,
    /// The port is no number between 1 and 65535.
    #[error("the port of the proxy is no port")]
    Port,
    /// RFC 1929 §2: each has a length of one octet.
    #[error("user and password of a SOCKS5 proxy have 1 to 255 octets each")]
    Credentials,
}

/// The proxy did not lead to the server.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProxyError {
    /// It refuses this client, or to lead there: nothing helps but to change something.
    #[error("{0}")]
    Refused(String),
    /// It could not reach the server.
    #[error("{0}")]
    NotReached(String),
    /// It closed the connection, or does not speak its protocol.
    #[error("{0}")]
    Broken(String),
}

impl Proxy {
    /// Reads `socks5://[user:password@]host[:port]` (also `socks5h`, port 1080) or `http://…`
    /// (port 3128).
    ///
    /// # Errors
    /// See [`ProxyUrlError`]; no message shows any part of the URL, which may hold a password.
    pub fn parse(url: &str) -> Result<Self, ProxyUrlError> {
        let (scheme, rest) = url.split_once("://").ok_or(ProxyUrlError::Scheme)?;
        let (protocol, usual) = match scheme.to_ascii_lowercase().as_str() {
            "socks5" | "socks5h" | "socks" => (Protocol::Socks5, 1080),
            "http" => (Protocol::Http, 3128),
            _ => return Err(ProxyUrlError::Scheme),
        };
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        let (credentials, place) = match rest.rsplit_once('@') {
            None => (None, rest),
            Some((credentials, place)) => {
                let (user, password) = credentials.split_once(':').unwrap_or((credentials, ""));
                (Some((decoded(user), Zeroizing::new(decoded(password)))), place)
            }
        };
        let (host, port) = match place.strip_prefix('[').map(|rest| rest.split_once(']')) {
            Some(Some((host, behind))) => (host, behind.strip_prefix(':')),
            Some(None) => return Err(ProxyUrlError::Host),
            None => match place.split_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (place, None),
            },
        };
        if host.is_empty() {
            return Err(ProxyUrlError::Host);
        }
        let port = port.map_or(Ok(usual), str::parse).map_err(|_| ProxyUrlError::Port)?;
        if port == 0 {
            return Err(ProxyUrlError::Port);
        }
        let short = |text: &str| (1..=255).contains(&text.len());
        if protocol == Protocol::Socks5
            && credentials.as_ref().is_some_and(|(user, word)| !short(user) || !short(word))
        {
            return Err(ProxyUrlError::Credentials);
        }
        Ok(Self { protocol, host: host.to_owned(), port, credentials })
    }
}

/// Percent-decoded; what is no text after that stays as it was.
fn decoded(text: &str) -> String {
    let mut octets = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, behind)) = rest.split_first() {
        let digits = (first == b'%').then(|| behind.get(..2)).flatten();
        let digits = digits.and_then(|digits| std::str::from_utf8(digits).ok());
        match digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(octet) => {
                octets.push(octet);
                rest = &behind[2..];
            }
            None => {
                octets.push(first);
                rest = behind;
            }
        }
    }
    String::from_utf8(octets).unwrap_or_else(|_| text.to_owned())
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl fmt::Display for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = match self.protocol {
            Protocol::Socks5 => "socks5",
            Protocol::Http => "http",
        };
        write!(f, "{scheme}://{}:{}", self.host, self.port)
    }
}

/// Has the proxy at the other end of `stream` lead to a server. From then on the stream is the
/// server's. May be dropped while waiting, and the stream with it.
///
/// # Errors
/// See [`ProxyError`].
pub async fn open(
    proxy: &Proxy,
    stream: &mut TcpStream,
    (host, port): (&str, u16),
) -> Result<(), ProxyError> {
    match proxy.protocol {
        Protocol::Socks5 => {
            let wants =
                if proxy.credentials.is_some() { [5, 2, 0, 2].as_slice() } else { &[5, 1, 0] };
            send(stream, wants).await?;
            let [_, method] = receive::<2>(stream).await?;
            match (method, &proxy.credentials) {
                (0, _) => {}
                (2, Some((user, password))) => {
                    send(stream, &socks5_credentials(user, password)).await?;
                    let [_, verdict] = receive::<2>(stream).await?;
                    if verdict != 0 {
                        return Err(ProxyError::Refused("it refuses user and password".to_owned()));
                    }
                }
                _ => {
                    return Err(ProxyError::Refused(match proxy.credentials {
                        None => "it wants a user and a password".to_owned(),
                        Some(_) => "it takes neither no password nor this kind".to_owned(),
                    }));
                }
            }
            send(stream, &socks5_request(host, port)?).await?;
            let [_, reply, _, kind] = receive::<4>(stream).await?;
            socks5_verdict(reply)?;
            // The address it uses, which is of no interest, and its port (RFC 1928 §6).
            let length = match kind {
                1 => 4,
                4 => 16,
                _ => usize::from(receive::<1>(stream).await?[0]),
            };
            let mut rest = vec![0; length + 2];
            stream.read_exact(&mut rest).await.map(drop).map_err(|error| broken(&error))
        }
        Protocol::Http => {
            send(stream, &http_request(proxy, host, port)).await?;
            http_verdict(&http_head(stream).await?)
        }
    }
}

fn broken(error: &std::io::Error) -> ProxyError {
    ProxyError::Broken(format!("it broke off: {error}"))
}

async fn send(stream: &mut TcpStream, octets: &[u8]) -> Result<(), ProxyError> {
    stream.write_all(octets).await.map_err(|error| broken(&error))
}

async fn receive<const N: usize>(stream: &mut TcpStream) -> Result<[u8; N], ProxyError> {
    let mut octets = [0; N];
    stream.read_exact(&mut octets).await.map_err(|error| broken(&error))?;
    if N > 1 && octets[0] != 5 && octets[0] != 1 {
        return Err(ProxyError::Broken("it does not speak SOCKS5".to_owned()));
    }
    Ok(octets)
}

/// RFC 1929 §2.
fn socks5_credentials(user: &str, password: &str) -> Zeroizing<Vec<u8>> {
    let mut message = Zeroizing::new(vec![1]);
    for word in [user, password] {
        // `Proxy::parse` lets no longer ones through.
        message.push(u8::try_from(word.len()).unwrap_or(u8::MAX));
        message.extend_from_slice(word.as_bytes());
    }
    message
}

/// RFC 1928 §4.
fn socks5_request(host: &str, port: u16) -> Result<Vec<u8>, ProxyError> {
    let mut message = vec![5, 1, 0];
    match host.parse() {
        Ok(IpAddr::V4(address)) => {
            message.push(1);
            message.extend_from_slice(&address.octets());
        }
        Ok(IpAddr::V6(address)) => {
            message.push(4);
            message.extend_from_slice(&address.octets());
        }
        Err(_) => {
            let length = u8::try_from(host.len()).map_err(|_| {
                ProxyError::Refused("the name of the server is too long for SOCKS5".to_owned())
            })?;
            message.extend_from_slice(&[3, length]);
            message.extend_from_slice(host.as_bytes());
        }
    }
    message.extend_from_slice(&port.to_be_bytes());
    Ok(message)
}

/// RFC 1928 §6.
fn socks5_verdict(reply: u8) -> Result<(), ProxyError> {
    let words = match reply {
        0 => return Ok(()),
        1 => "it failed",
        2 => "its rules do not allow it",
        3 => "network unreachable",
        4 => "host unreachable",
        5 => "connection refused",
        6 => "the time ran out",
        7 => "it does not know CONNECT",
        8 => "it does not know this kind of address",
        _ => "it failed in a way that it does not tell",
    };
    let words = words.to_owned();
    Err(match reply {
        2 | 7 | 8 => ProxyError::Refused(words),
        _ => ProxyError::NotReached(words),
    })
}

fn http_request(proxy: &Proxy, host: &str, port: u16) -> Zeroizing<Vec<u8>> {
    let place =
        if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") };
    let mut text = Zeroizing::new(format!("CONNECT {place} HTTP/1.1\r\nHost: {place}\r\n"));
    if let Some((user, password)) = &proxy.credentials {
        let both = Zeroizing::new(format!("{user}:{}", password.as_str()));
        let word = Zeroizing::new(BASE64.encode(both.as_bytes()));
        text.push_str("Proxy-Authorization: Basic ");
        text.push_str(&word);
        text.push_str("\r\n");
    }
    text.push_str("\r\n");
    Zeroizing::new(text.as_bytes().to_vec())
}

/// Octet by octet: what follows the empty line is the server's.
async fn http_head(stream: &mut TcpStream) -> Result<Vec<u8>, ProxyError> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") && !head.ends_with(b"\n\n") {
        if head.len() >= HEAD_BYTES_MAX {
            return Err(ProxyError::Broken("its answer does not end".to_owned()));
        }
        let octet = stream.read_u8().await.map_err(|error| broken(&error))?;
        head.push(octet);
    }
    Ok(head)
}

/// A status of 2xx opens the way (RFC 9110 §9.3.6).
fn http_verdict(head: &[u8]) -> Result<(), ProxyError> {
    let line = head.split(|octet| *octet == b'\n').next().unwrap_or_default().trim_ascii();
    let words = printable(line);
    let status = line
        .strip_prefix(b"HTTP/1.")
        .and_then(|rest| rest.get(2..5))
        .and_then(|digits| std::str::from_utf8(digits).ok()?.parse::<u16>().ok());
    match status {
        Some(200..=299) => Ok(()),
        Some(500..=599) => Err(ProxyError::NotReached(words)),
        Some(407) => Err(ProxyError::Refused(format!("it wants a user and a password: {words}"))),
        Some(_) => Err(ProxyError::Refused(words)),
        None => Err(ProxyError::Broken(format!("it does not speak HTTP: `{words}`"))),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_url_names_a_proxy() {
        let proxy = Proxy::parse("socks5://joe:p%40ss@proxy.example:9050").unwrap();
        assert_eq!((proxy.protocol, proxy.port), (Protocol::Socks5, 9050));
        let (user, password) = proxy.credentials.clone().unwrap();
        assert_eq!((user.as_str(), password.as_str()), ("joe", "p@ss"));
        assert_eq!(proxy.to_string(), "socks5://proxy.example:9050");
        assert!(!format!("{proxy:?}").contains("p@ss"));
        assert_eq!(Proxy::parse("HTTP://[::1]/").unwrap().host, "::1");
        assert_eq!(Proxy::parse("http://proxy").unwrap().port, 3128);
        assert_eq!(Proxy::parse("socks5h://proxy").unwrap().port, 1080);
        assert_eq!(Proxy::parse("ftp://proxy"), Err(ProxyUrlError::Scheme));
        assert_eq!(Proxy::parse("http://"), Err(ProxyUrlError::Host));
        assert_eq!(Proxy::parse("http://h:0"), Err(ProxyUrlError::Port));
        assert_eq!(Proxy::parse("socks5://joe:@h"), Err(ProxyUrlError::Credentials));
    }

    /// RFC 1928 §4.
    #[test]
    fn socks5_asks_for_names_and_addresses() {
        let name = socks5_request("imap.example", 993).unwrap();
        assert_eq!(name, b"\x05\x01\x00\x03\x0cimap.example\x03\xe1");
        let v4 = socks5_request("192.0.2.1", 143).unwrap();
        assert_eq!(v4, b"\x05\x01\x00\x01\xc0\x00\x02\x01\x00\x8f");
        assert_eq!(socks5_request("2001:db8::1", 143).unwrap().len(), 4 + 16 + 2);
        assert!(socks5_request(&"x".repeat(256), 143).is_err());
        assert_eq!(socks5_credentials("joe", "pw").as_slice(), b"\x01\x03joe\x02pw");
    }

    #[test]
    fn connect_names_the_server_and_who_asks() {
        let proxy = Proxy::parse("http://joe:pw@proxy").unwrap();
        let request = http_request(&proxy, "imap.example", 993);
        assert_eq!(
            String::from_utf8_lossy(&request),
            "CONNECT imap.example:993 HTTP/1.1\r\nHost: imap.example:993\r\n\
             Proxy-Authorization: Basic am9lOnB3\r\n\r\n"
        );
        assert!(http_request(&proxy, "::1", 143).starts_with(b"CONNECT [::1]:143 "));
    }

    #[test]
    fn what_the_proxy_says_is_told_apart() {
        assert!(http_verdict(b"HTTP/1.1 200 Connection established\r\n\r\n").is_ok());
        assert!(http_verdict(b"HTTP/1.0 200\r\n\r\n").is_ok());
        for (head, refused) in [
            ("HTTP/1.1 407 Proxy Authentication Required\r\n\r\n", true),
            ("HTTP/1.1 403 Forbidden\r\n\r\n", true),
            ("HTTP/1.1 502 Bad Gateway\r\n\r\n", false),
        ] {
            let error = http_verdict(head.as_bytes()).unwrap_err();
            assert_eq!(matches!(error, ProxyError::Refused(_)), refused, "{error}");
        }
        assert!(matches!(http_verdict(b"* OK IMAP\r\n\r\n"), Err(ProxyError::Broken(_))));
        assert_eq!(socks5_verdict(0), Ok(()));
        assert!(matches!(socks5_verdict(2), Err(ProxyError::Refused(_))));
        assert!(matches!(socks5_verdict(5), Err(ProxyError::NotReached(_))));
    }
}

//! A person permits it in a browser on this machine, which is led back to us (RFC 8252 §7.3), with
//! a proof that only we can turn the code into tokens (PKCE, RFC 7636).

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use data_encoding::BASE64URL_NOPAD;
use ring::digest::{SHA256, digest};

use crate::authority::Authority;
use crate::grant::{Issued, issued};
use crate::http::{RequestError, post};
use crate::random_word;

/// How long the person has.
const PATIENCE: Duration = Duration::from_secs(600);
/// How long a browser that has connected may take to say what it wants,
const REQUEST_MAX: Duration = Duration::from_secs(5);
/// and how much it may say.
const REQUEST_BYTES_MAX: u64 = 64 * 1024;
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// A permission that is waited for.
pub struct Visit {
    /// Where the person has to go.
    pub address: String,
    listener: TcpListener,
    redirect: String,
    state: String,
    verifier: String,
}

/// No permission came back.
#[derive(Debug, thiserror::Error)]
pub enum VisitError {
    /// No port could be had on this machine.
    #[error("no port on this machine to come back to: {0}")]
    Port(#[from] std::io::Error),
    /// Nobody came back.
    #[error("nobody came back from the browser within {} minutes", PATIENCE.as_secs() / 60)]
    Late,
    /// It was denied.
    #[error("it was not permitted: {0}")]
    Denied(String),
    /// The authorisation server gave nothing for the code.
    #[error(transparent)]
    Request(#[from] RequestError),
}

/// Makes the address to go to.
///
/// # Errors
/// There is no port to come back to.
pub fn begin(authority: &Authority, user: &str) -> Result<Visit, VisitError> {
    if !crate::http::is_safe(&authority.authorization_url) {
        return Err(RequestError::Address(authority.authorization_url.clone()).into());
    }
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    listener.set_nonblocking(true)?;
    let redirect = format!("http://127.0.0.1:{}/", listener.local_addr()?.port());
    let (state, verifier) = (random_word(24)?, random_word(48)?);
    let challenge = BASE64URL_NOPAD.encode(digest(&SHA256, verifier.as_bytes()).as_ref());
    let fields = [
        ("response_type", "code"),
        ("client_id", &authority.client_id),
        ("redirect_uri", &redirect),
        ("scope", &authority.scope),
        ("state", &state),
        ("code_challenge", &challenge),
        ("code_challenge_method", "S256"),
        ("login_hint", user),
        // Without these Google gives no refresh token.
        ("access_type", "offline"),
        ("prompt", "consent"),
    ];
    let query: Vec<String> =
        fields.iter().map(|(name, value)| format!("{name}={}", encoded(value))).collect();
    let separator = if authority.authorization_url.contains('?') { '&' } else { '?' };
    let address = format!("{}{separator}{}", authority.authorization_url, query.join("&"));
    Ok(Visit { address, listener, redirect, state, verifier })
}

impl Visit {
    /// Waits for the browser to come back, and turns its code into tokens.
    ///
    /// # Errors
    /// See [`VisitError`].
    pub fn wait(self, authority: &Authority) -> Result<Issued, VisitError> {
        let code = self.code()?;
        let fields = [
            ("grant_type", "authorization_code"),
            ("code", &code),
            ("redirect_uri", &self.redirect),
            ("code_verifier", &self.verifier),
        ];
        let url = &authority.token_url;
        Ok(issued(url, &post(url, &authority.form(&fields))?)?)
    }

    fn code(&self) -> Result<String, VisitError> {
        let end = Instant::now() + PATIENCE;
        while Instant::now() < end {
            match self.listener.accept() {
                Ok((stream, _)) => match self.receive(stream) {
                    Some(Ok(code)) => return Ok(code),
                    Some(Err(words)) => return Err(VisitError::Denied(words)),
                    // Somebody else, or a browser that looks for an icon.
                    None => {}
                },
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                    std::thread::sleep(LOOK_EVERY);
                }
                Err(error) => return Err(error.into()),
            }
        }
        Err(VisitError::Late)
    }

    /// The code or the refusal that a request brings, if it is the one that is waited for.
    fn receive(&self, mut stream: TcpStream) -> Option<Result<String, String>> {
        stream.set_nonblocking(false).ok()?;
        stream.set_read_timeout(Some(REQUEST_MAX)).ok()?;
        let mut line = String::new();
        BufReader::new((&stream).take(REQUEST_BYTES_MAX)).read_line(&mut line).ok()?;
        let query = line.strip_prefix("GET /?")?.split(' ').next()?;
        let field = |name: &str| {
            let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
            pairs.find(|(key, _)| *key == name).map(|(_, value)| decoded(value))
        };
        let is_ours = field("state").is_some_and(|state| state == self.state);
        let answer = match (is_ours, field("code"), field("error")) {
            (false, ..) => None,
            (true, Some(code), _) => Some(Ok(code)),
            (true, None, error) => Some(Err(error.unwrap_or_default())),
        };
        let words = match &answer {
            Some(Ok(_)) => "That is all. This page may be closed.",
            Some(Err(_)) => "It was not permitted. This page may be closed.",
            None => "This is not what was waited for.",
        };
        let _ = write!(
            stream,
            "HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\n\
             Content-Length: {}\r\nConnection: close\r\n\r\n{words}",
            words.len()
        );
        answer
    }
}

/// Percent-encoded (RFC 3986 §2.1), all but the unreserved.
fn encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for octet in text.bytes() {
        match octet {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                encoded.push(char::from(octet));
            }
            other => encoded.push_str(&format!("%{other:02X}")),
        }
    }
    encoded
}

fn decoded(text: &str) -> String {
    let mut octets = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(octet) = rest.next() {
        let pair = (octet == b'%').then(|| [rest.next().unwrap_or(0), rest.next().unwrap_or(0)]);
        let digits = pair.as_ref().and_then(|pair| std::str::from_utf8(pair).ok());
        match (digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()), octet) {
            (Some(value), _) => octets.push(value),
            (None, b'+') => octets.push(b' '),
            (None, other) => octets.push(other),
        }
    }
    String::from_utf8_lossy(&octets).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_encoded_is_decoded_again() {
        for text in ["a b&c=d", "grüße/+%", ""] {
            assert_eq!(decoded(&encoded(text)), text);
        }
        assert_eq!(decoded("a+b"), "a b");
    }
}

//! An authorisation server on loopback: real HTTP, tokens that the Dovecots of this harness check.
//! It knows one client, permits everything it is asked for, and counts.

use crate::token::access_token;
use data_encoding::{BASE64, BASE64URL_NOPAD};
use ring::{digest, signature};
use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

/// The client that it knows.
pub const CLIENT: &str = "ferry-client";
/// The secret of it.
pub const CLIENT_SECRET: &str = "ferry-secret";

/// What it is to do.
#[derive(Clone, Debug)]
pub struct Custom {
    /// Whose mailboxes its tokens are for.
    pub user: String,
    /// How long an access token lives, in seconds.
    pub life_seconds: i64,
    /// How often whoever looks after a device code is told to wait.
    pub pending: u32,
    /// The public key (DER of RSAPublicKey) that signed statements are checked by.
    pub signer: Option<Vec<u8>>,
}

impl Custom {
    /// Tokens of an hour for this user.
    #[must_use]
    pub fn of(user: &str) -> Self {
        Self { user: user.to_owned(), life_seconds: 3600, pending: 1, signer: None }
    }
}

/// A running server. Its thread ends with the process.
pub struct Authority {
    address: SocketAddr,
    book: Arc<Mutex<Book>>,
}

#[derive(Default)]
struct Book {
    custom: Option<Custom>,
    /// Codes given to browsers, with the challenge each has to meet (RFC 7636 §4.3).
    codes: BTreeMap<String, String>,
    refresh_token: Option<String>,
    revoked: bool,
    numbers: u64,
    looks: u32,
    issued: u32,
}

impl Authority {
    /// Starts one.
    ///
    /// # Errors
    /// If there is no port.
    pub fn start(custom: Custom) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = listener.local_addr()?;
        let book = Arc::new(Mutex::new(Book { custom: Some(custom), ..Book::default() }));
        let shared = book.clone();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let book = shared.clone();
                thread::spawn(move || drop(serve(stream, &book)));
            }
        });
        Ok(Self { address, book })
    }

    /// One of its addresses: `token`, `authorize` or `device`.
    #[must_use]
    pub fn url(&self, what: &str) -> String {
        format!("http://{}/{what}", self.address)
    }

    /// How many access tokens it has given.
    #[must_use]
    pub fn issued(&self) -> u32 {
        self.book().issued
    }

    /// Takes every permission back.
    pub fn revoke(&self) {
        self.book().revoked = true;
    }

    /// Visits an address as a browser does whose user permits what is asked, and follows where it
    /// is led.
    ///
    /// # Errors
    /// If something does not answer.
    pub fn visit(url: &str) -> io::Result<String> {
        let mut url = url.to_owned();
        loop {
            let answer = get(&url)?;
            let location = answer.lines().find_map(|line| line.strip_prefix("Location: "));
            match location {
                Some(next) => url = next.trim().to_owned(),
                None => return Ok(answer),
            }
        }
    }

    fn book(&self) -> std::sync::MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn get(url: &str) -> io::Result<String> {
    let rest = url.strip_prefix("http://").unwrap_or(url);
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    let mut stream = TcpStream::connect(host)?;
    write!(stream, "GET /{path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

fn serve(mut stream: TcpStream, book: &Mutex<Book>) -> io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let mut length = 0;
    loop {
        let mut header = String::new();
        reader.read_line(&mut header)?;
        let lower = header.trim().to_ascii_lowercase();
        if lower.is_empty() {
            break;
        }
        if let Some(number) = lower.strip_prefix("content-length:") {
            length = number.trim().parse().unwrap_or(0);
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    let target = line.split(' ').nth(1).unwrap_or_default();
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let mut book = book.lock().unwrap_or_else(PoisonError::into_inner);
    let answer = match (line.split(' ').next(), path) {
        (Some("GET"), "/authorize") => book.authorize(&fields(query)),
        (Some("POST"), "/device") => book.device(&fields(&String::from_utf8_lossy(&body))),
        (Some("POST"), "/token") => book.token(&fields(&String::from_utf8_lossy(&body))),
        _ => "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n".to_owned(),
    };
    drop(book);
    stream.write_all(answer.as_bytes())
}

type Fields = BTreeMap<String, String>;

fn fields(text: &str) -> Fields {
    text.split('&')
        .filter_map(|pair| pair.split_once('='))
        .map(|(name, value)| (name.to_owned(), decoded(value)))
        .collect()
}

fn decoded(text: &str) -> String {
    let mut octets = Vec::new();
    let mut rest = text.bytes();
    while let Some(octet) = rest.next() {
        match octet {
            b'%' => {
                let digits = [rest.next().unwrap_or(b'0'), rest.next().unwrap_or(b'0')];
                let digits = String::from_utf8_lossy(&digits).into_owned();
                octets.push(u8::from_str_radix(&digits, 16).unwrap_or(b'?'));
            }
            b'+' => octets.push(b' '),
            other => octets.push(other),
        }
    }
    String::from_utf8_lossy(&octets).into_owned()
}

fn json(status: &str, body: &str) -> String {
    format!(
        "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\
         Connection: close\r\n\r\n{body}",
        body.len()
    )
}

fn refuse(error: &str) -> String {
    let body = format!(r#"{{"error":"{error}","error_description":"the test says so"}}"#);
    json("400 Bad Request", &body)
}

impl Book {
    fn number(&mut self, stem: &str) -> String {
        self.numbers += 1;
        format!("{stem}-{}", self.numbers)
    }

    /// Permits at once, and leads back (RFC 6749 §4.1.2).
    fn authorize(&mut self, fields: &Fields) -> String {
        let field = |name: &str| fields.get(name).cloned().unwrap_or_default();
        if field("client_id") != CLIENT || field("code_challenge_method") != "S256" {
            return refuse("invalid_request");
        }
        let code = self.number("code");
        self.codes.insert(code.clone(), field("code_challenge"));
        format!(
            "HTTP/1.1 302 Found\r\nLocation: {}?code={code}&state={}\r\nContent-Length: 0\r\n\
             Connection: close\r\n\r\n",
            field("redirect_uri"),
            field("state")
        )
    }

    fn device(&mut self, fields: &Fields) -> String {
        if fields.get("client_id").map(String::as_str) != Some(CLIENT) {
            return refuse("invalid_client");
        }
        self.looks = 0;
        let body = r#"{"device_code":"device-1","user_code":"WXYZ-1234","interval":1,
            "verification_uri":"https://login.example/device","expires_in":60}"#;
        json("200 OK", body)
    }

    fn token(&mut self, fields: &Fields) -> String {
        let field = |name: &str| fields.get(name).map(String::as_str).unwrap_or_default();
        let Some(custom) = self.custom.clone() else { return refuse("server_error") };
        let kind = field("grant_type");
        let known = field("client_id") == CLIENT && field("client_secret") == CLIENT_SECRET;
        let signed = |name: &str| custom.signer.as_ref().and_then(|key| verified(field(name), key));
        match kind {
            "urn:ietf:params:oauth:grant-type:jwt-bearer" => match signed("assertion") {
                Some(claims) if claims.contains(&format!(r#""sub":"{}""#, custom.user)) => {
                    self.issue(&custom, None)
                }
                _ => refuse("invalid_grant"),
            },
            "client_credentials" if known || signed("client_assertion").is_some() => {
                self.issue(&custom, None)
            }
            _ if !known => refuse("invalid_client"),
            "urn:ietf:params:oauth:grant-type:device_code" if self.looks < custom.pending => {
                self.looks += 1;
                refuse("authorization_pending")
            }
            "urn:ietf:params:oauth:grant-type:device_code" => self.issue_both(&custom),
            "authorization_code" => {
                let challenge = self.codes.remove(field("code"));
                let met = digest::digest(&digest::SHA256, field("code_verifier").as_bytes());
                if challenge == Some(BASE64URL_NOPAD.encode(met.as_ref())) {
                    self.issue_both(&custom)
                } else {
                    refuse("invalid_grant")
                }
            }
            "refresh_token" => {
                let good = self.refresh_token.as_deref() == Some(field("refresh_token"));
                if good && !self.revoked {
                    self.issue_both(&custom)
                } else {
                    refuse("invalid_grant")
                }
            }
            _ => refuse("unsupported_grant_type"),
        }
    }

    /// Each refresh token is good for once, as strict servers have it (RFC 9700 §4.14.2).
    fn issue_both(&mut self, custom: &Custom) -> String {
        let refresh = self.number("refresh");
        self.refresh_token = Some(refresh.clone());
        self.issue(custom, Some(&refresh))
    }

    fn issue(&mut self, custom: &Custom, refresh: Option<&str>) -> String {
        self.issued += 1;
        let token = access_token(&custom.user, custom.life_seconds);
        let refresh = refresh.map(|word| format!(r#","refresh_token":"{word}""#));
        json(
            "200 OK",
            &format!(
                r#"{{"access_token":"{token}","token_type":"Bearer","expires_in":{}{}}}"#,
                custom.life_seconds,
                refresh.unwrap_or_default()
            ),
        )
    }
}

/// The claims of a statement that this key has signed (RFC 7515 §5.2).
fn verified(statement: &str, key: &[u8]) -> Option<String> {
    let (signed, mark) = statement.rsplit_once('.')?;
    let mark = BASE64URL_NOPAD.decode(mark.as_bytes()).ok()?;
    signature::UnparsedPublicKey::new(&signature::RSA_PKCS1_2048_8192_SHA256, key)
        .verify(signed.as_bytes(), &mark)
        .ok()?;
    let claims = BASE64URL_NOPAD.decode(signed.split_once('.')?.1.as_bytes()).ok()?;
    String::from_utf8(claims).ok()
}

/// A key of a service: its PEM (PKCS #8), and the public key that [`Custom::signer`] takes.
///
/// # Errors
/// If `openssl` is missing or refuses.
pub fn service_key() -> io::Result<(String, Vec<u8>)> {
    use std::process::{Command, Stdio};

    let made = Command::new("openssl")
        .args(["genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"])
        .stderr(Stdio::null())
        .output()?;
    let pem = String::from_utf8_lossy(&made.stdout).into_owned();
    let body: String = pem.lines().filter(|line| !line.starts_with("-----")).collect();
    let der = BASE64.decode(body.as_bytes()).map_err(io::Error::other)?;
    let pair = signature::RsaKeyPair::from_pkcs8(&der)
        .map_err(|error| io::Error::other(error.to_string()))?;
    Ok((pem, signature::KeyPair::public_key(&pair).as_ref().to_vec()))
}

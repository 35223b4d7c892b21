//! Proxies that lead to a server where they are asked to: SOCKS5 (RFC 1928) and HTTP CONNECT.
//! Written apart from the client they test.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread;

/// What the proxy speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Speech {
    /// SOCKS5.
    Socks5,
    /// `CONNECT` of HTTP.
    Http,
}

/// What the proxy does with whoever comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// It leads everybody anywhere.
    Open,
    /// Whoever gives this user and password.
    Known(&'static str, &'static str),
    /// Nobody.
    Closed,
}

/// A running proxy. Dropping it stops it from taking further connections.
pub struct Detour {
    address: SocketAddr,
    led: Arc<AtomicU32>,
    over: Arc<AtomicBool>,
}

impl Detour {
    /// Starts one on a port of its own.
    ///
    /// # Errors
    /// If there is no port.
    pub fn start(speech: Speech, rule: Rule) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = listener.local_addr()?;
        let (led, over) = (Arc::<AtomicU32>::default(), Arc::<AtomicBool>::default());
        let (counter, ended) = (led.clone(), over.clone());
        thread::spawn(move || {
            for stream in listener.incoming() {
                if ended.load(Ordering::Relaxed) {
                    return;
                }
                let Ok(stream) = stream else { continue };
                let counter = counter.clone();
                thread::spawn(move || {
                    let led = match speech {
                        Speech::Socks5 => socks5(stream, rule),
                        Speech::Http => http(stream, rule),
                    };
                    if let Ok(Some((client, server))) = led {
                        counter.fetch_add(1, Ordering::Relaxed);
                        relay(client, server);
                    }
                });
            }
        });
        Ok(Self { address, led, over })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// How many connections it has led to a server.
    #[must_use]
    pub fn led(&self) -> u32 {
        self.led.load(Ordering::Relaxed)
    }
}

impl Drop for Detour {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        let _ = TcpStream::connect(self.address);
    }
}

type Led = io::Result<Option<(TcpStream, TcpStream)>>;

fn octets<const N: usize>(stream: &mut TcpStream) -> io::Result<[u8; N]> {
    let mut octets = [0; N];
    stream.read_exact(&mut octets)?;
    Ok(octets)
}

fn word(stream: &mut TcpStream) -> io::Result<String> {
    let [length] = octets(stream)?;
    let mut word = vec![0; usize::from(length)];
    stream.read_exact(&mut word)?;
    Ok(String::from_utf8_lossy(&word).into_owned())
}

fn socks5(mut client: TcpStream, rule: Rule) -> Led {
    let [_, count] = octets(&mut client)?;
    let mut methods = vec![0; usize::from(count)];
    client.read_exact(&mut methods)?;
    let wanted = if matches!(rule, Rule::Known(..)) { 2 } else { 0 };
    if !methods.contains(&wanted) {
        client.write_all(&[5, 0xff])?;
        return Ok(None);
    }
    client.write_all(&[5, wanted])?;
    if let Rule::Known(user, password) = rule {
        let [_] = octets(&mut client)?;
        let good = word(&mut client)? == user && word(&mut client)? == password;
        client.write_all(&[1, u8::from(!good)])?;
        if !good {
            return Ok(None);
        }
    }
    let [_, _, _, kind] = octets(&mut client)?;
    let host = match kind {
        1 => Ipv4Addr::from(octets::<4>(&mut client)?).to_string(),
        4 => std::net::Ipv6Addr::from(octets::<16>(&mut client)?).to_string(),
        _ => word(&mut client)?,
    };
    let port = u16::from_be_bytes(octets(&mut client)?);
    let mut answer = [5, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    if rule == Rule::Closed {
        answer[1] = 2;
        client.write_all(&answer)?;
        return Ok(None);
    }
    match TcpStream::connect((host.as_str(), port)) {
        Ok(server) => {
            client.write_all(&answer)?;
            Ok(Some((client, server)))
        }
        Err(_) => {
            answer[1] = 5;
            client.write_all(&answer)?;
            Ok(None)
        }
    }
}

fn http(mut client: TcpStream, rule: Rule) -> Led {
    let mut place = String::new();
    let mut known = false;
    // The client sends nothing behind the head before it is answered.
    for line in BufReader::new(client.try_clone()?).lines() {
        let line = line?;
        if let Some(rest) = line.strip_prefix("CONNECT ") {
            place = rest.split(' ').next().unwrap_or_default().to_owned();
        } else if let (Some(word), Rule::Known(user, password)) =
            (line.strip_prefix("Proxy-Authorization: Basic "), rule)
        {
            let expected = format!("{user}:{password}");
            known = data_encoding::BASE64.encode(expected.as_bytes()) == word;
        } else if line.is_empty() {
            break;
        }
    }
    let refusal = match rule {
        Rule::Closed => Some("403 Forbidden"),
        Rule::Known(..) if !known => Some("407 Proxy Authentication Required"),
        _ => None,
    };
    let server = match refusal {
        Some(refusal) => Err(refusal),
        None => TcpStream::connect(place.as_str()).map_err(|_| "502 Bad Gateway"),
    };
    match server {
        Ok(server) => {
            client.write_all(b"HTTP/1.1 200 Connection established\r\nX-Made-By: test\r\n\r\n")?;
            Ok(Some((client, server)))
        }
        Err(status) => {
            client.write_all(format!("HTTP/1.1 {status}\r\n\r\n").as_bytes())?;
            Ok(None)
        }
    }
}

fn relay(client: TcpStream, server: TcpStream) {
    let (Ok(mut from), Ok(mut to)) = (client.try_clone(), server.try_clone()) else { return };
    let up = thread::spawn(move || {
        let _ = io::copy(&mut from, &mut to);
        let _ = to.shutdown(Shutdown::Write);
    });
    let (mut from, mut to) = (server, client);
    let _ = io::copy(&mut from, &mut to);
    let _ = to.shutdown(Shutdown::Both);
    let _ = up.join();
}

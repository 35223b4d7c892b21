//! A server made distant: every octet travels for some time in each direction, in order, and
//! at no cost to throughput.
//!
//! Each direction has threads of its own that sleep until an octet is due. The testkit's
//! proxy, built for faults and not for figures, wakes on whole milliseconds: over 20 ms it was
//! seen to take 22.8, which would be the largest error of every figure here.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

/// Chunks under way in one direction; beyond this the sender waits.
const CHUNKS_MAX: usize = 16 << 10;
const CHUNK_OCTETS: usize = 64 << 10;

/// Where a distant server is to be reached, until this is dropped.
pub(crate) struct Distance {
    address: SocketAddr,
    gone: Arc<AtomicBool>,
}

impl Distance {
    /// Puts half a round trip before `upstream`, and as much behind it.
    pub(crate) fn start(upstream: SocketAddr, round_trip: Duration) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = listener.local_addr()?;
        let gone = Arc::new(AtomicBool::new(false));
        let ended = gone.clone();
        thread::spawn(move || {
            for client in listener.incoming() {
                let Ok(client) = client else { return };
                if ended.load(Ordering::Relaxed) {
                    return;
                }
                // A failed connection is closed, as a server that is gone would do.
                thread::spawn(move || carry(client, upstream, round_trip / 2));
            }
        });
        Ok(Self { address, gone })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Distance {
    fn drop(&mut self) {
        self.gone.store(true, Ordering::Relaxed);
        // Wakes the thread that listens.
        let _ = TcpStream::connect(self.address);
    }
}

/// One connection. Its handshake is paid for as well: the client may send after two legs of
/// it, the server after three (RFC 9293 §3.5).
fn carry(client: TcpStream, upstream: SocketAddr, leg: Duration) -> io::Result<()> {
    let opened = Instant::now();
    let server = TcpStream::connect(upstream)?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let (from_client, to_client) = (client.try_clone()?, client);
    let (from_server, to_server) = (server.try_clone()?, server);
    let up = thread::spawn(move || pump(from_client, to_server, opened + 2 * leg, leg));
    pump(from_server, to_client, opened + 3 * leg, leg)?;
    up.join().unwrap_or_else(|_| Err(io::Error::other("a thread of a connection failed")))
}

/// One direction of a connection, from `begin` on.
fn pump(mut from: TcpStream, to: TcpStream, begin: Instant, leg: Duration) -> io::Result<()> {
    thread::sleep(begin.saturating_duration_since(Instant::now()));
    let (sender, chunks) = sync_channel(CHUNKS_MAX);
    let writer = thread::spawn(move || deliver(to, &chunks));
    let mut buffer = vec![0; CHUNK_OCTETS];
    while let Ok(length @ 1..) = from.read(&mut buffer) {
        let due = Instant::now() + leg;
        if sender.send((due, buffer[..length].to_vec())).is_err() {
            break;
        }
    }
    drop(sender);
    writer.join().unwrap_or(Ok(()))
}

fn deliver(mut to: TcpStream, chunks: &Receiver<(Instant, Vec<u8>)>) -> io::Result<()> {
    for (due, chunk) in chunks {
        thread::sleep(due.saturating_duration_since(Instant::now()));
        to.write_all(&chunk)?;
    }
    to.shutdown(Shutdown::Write)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// A server that sends back what it gets.
    fn echo() -> SocketAddr {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        thread::spawn(move || {
            for stream in listener.incoming() {
                let mut reader = stream.unwrap();
                thread::spawn(move || io::copy(&mut reader.try_clone().unwrap(), &mut reader));
            }
        });
        address
    }

    #[test]
    fn a_handshake_and_each_answer_cost_a_round_trip() {
        let round_trip = Duration::from_millis(20);
        let distance = Distance::start(echo(), round_trip).unwrap();
        let begin = Instant::now();
        let mut stream = TcpStream::connect(distance.address()).unwrap();
        for round_trips in [2, 3] {
            stream.write_all(b"x").unwrap();
            stream.read_exact(&mut [0]).unwrap();
            assert!(begin.elapsed() >= round_trips * round_trip);
        }
    }

    #[test]
    fn octets_arrive_in_order_and_the_end_after_them() {
        let distance = Distance::start(echo(), Duration::from_millis(4)).unwrap();
        let mut stream = TcpStream::connect(distance.address()).unwrap();
        let sent: Vec<u8> = (0..3_000_000_u32).map(|n| (n % 251) as u8).collect();
        let (mut writer, copy) = (stream.try_clone().unwrap(), sent.clone());
        thread::spawn(move || {
            writer.write_all(&copy).unwrap();
            writer.shutdown(Shutdown::Write).unwrap();
        });
        let mut received = Vec::new();
        stream.read_to_end(&mut received).unwrap();
        assert!(received == sent);
    }

    #[test]
    fn nobody_listens_once_it_is_dropped() {
        let distance = Distance::start(echo(), Duration::ZERO).unwrap();
        let address = distance.address();
        drop(distance);
        thread::sleep(Duration::from_millis(200));
        assert!(TcpStream::connect(address).is_err());
    }
}

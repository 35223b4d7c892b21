//! Stands between a client and a simulated server and rewrites what the server says: faults
//! that a strict server cannot be made to show.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

/// What becomes of one whole response, its literals within; empty: it is left out.
pub(crate) type Rewrite = Arc<dyn Fn(&[u8]) -> Vec<u8> + Send + Sync>;

/// A running meddler. Dropping it ends its connections.
pub(crate) struct Meddler {
    pub(crate) address: SocketAddr,
    task: JoinHandle<()>,
}

impl Drop for Meddler {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Meddler {
    pub(crate) async fn start(upstream: SocketAddr, rewrite: Rewrite) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let task = tokio::spawn(async move {
            let mut links = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                links.spawn(carry(client, upstream, rewrite.clone()));
            }
        });
        Self { address, task }
    }
}

async fn carry(client: TcpStream, upstream: SocketAddr, rewrite: Rewrite) {
    let Ok(server) = TcpStream::connect(upstream).await else { return };
    // Answers are told one by one: Nagle's algorithm would keep each back.
    client.set_nodelay(true).unwrap();
    server.set_nodelay(true).unwrap();
    let (mut from_client, mut to_client) = client.into_split();
    let (from_server, mut to_server) = server.into_split();
    let mut from_server = BufReader::new(from_server);
    let up = async {
        let _ = tokio::io::copy(&mut from_client, &mut to_server).await;
        let _ = to_server.shutdown().await;
    };
    let down = async {
        while let Some(response) = response(&mut from_server).await {
            if to_client.write_all(&rewrite(&response)).await.is_err() {
                break;
            }
        }
        let _ = to_client.shutdown().await;
    };
    tokio::join!(up, down);
}

/// One response with its literals; `None` at the end.
async fn response(from: &mut (impl AsyncBufReadExt + Unpin)) -> Option<Vec<u8>> {
    let mut response = Vec::new();
    loop {
        let begin = response.len();
        if from.read_until(b'\n', &mut response).await.ok()? == 0 {
            return None;
        }
        let Some(octets) = literal(&response[begin..]) else { return Some(response) };
        let begin = response.len();
        response.resize(begin + octets, 0);
        from.read_exact(&mut response[begin..]).await.ok()?;
    }
}

fn literal(line: &[u8]) -> Option<usize> {
    let text = std::str::from_utf8(line).ok()?;
    let (_, digits) = text.strip_suffix("}\r\n")?.rsplit_once('{')?;
    digits.parse().ok()
}

/// Whether `needle` stands in `octets`.
pub(crate) fn holds(octets: &[u8], needle: &str) -> bool {
    octets.windows(needle.len()).any(|window| window == needle.as_bytes())
}

/// `octets` with the first `from` replaced.
pub(crate) fn replaced(octets: &[u8], from: &str, to: &str) -> Vec<u8> {
    match octets.windows(from.len()).position(|window| window == from.as_bytes()) {
        None => octets.to_vec(),
        Some(at) => [&octets[..at], to.as_bytes(), &octets[at + from.len()..]].concat(),
    }
}

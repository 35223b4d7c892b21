//! A bad network on loopback: latency, a slow link, cut connections, lost answers.
//!
//! Bytes keep their order, and latency does not cost throughput: each chunk waits its time
//! while others follow it. On a slow link a sender is held up as soon as the link is full.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;

/// Chunks under way in one direction; beyond this the sender waits.
const CHUNKS_MAX: usize = 4096;
const CHUNK_OCTETS: usize = 64 << 10;
/// On a slow link a chunk is what it carries in this part of a second,
const SLOW_CHUNKS_PER_SECOND: u64 = 100;
/// and no more is taken from a sender beforehand (the kernel doubles it).
const SLOW_RECEIVE_BUFFER_OCTETS: u32 = 16 << 10;
/// How long a server whose answers get lost goes on hearing its client.
const LOST_ANSWERS_TIME: Duration = Duration::from_millis(150);

/// What the network does to connections.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Weather {
    /// How long an octet travels, in each direction.
    pub latency: Duration,
    /// Whether connections break.
    pub cut: Option<Cut>,
    /// Octets that each connection carries in a second, each way; `None`: what comes.
    pub octets_per_second: Option<u64>,
}

/// How connections break.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cut {
    /// After so many octets from the client.
    pub client_octets: u64,
    /// The first so many connections; later ones are left alone.
    pub connections: u64,
    /// How.
    pub manner: Manner,
}

/// How a connection breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    /// Both ends lose the connection at once, and what was under way is gone.
    Reset,
    /// What the client sends still arrives for 150 ms, and no answer comes back: commands are
    /// carried out and their answers lost. Then a reset.
    LostAnswers,
}

#[derive(Default)]
struct Counters {
    connections: AtomicU64,
    cuts: AtomicU64,
    client_octets: AtomicU64,
    server_octets: AtomicU64,
}

/// A running proxy on a port of its own. Dropping it closes all its connections.
pub struct Proxy {
    address: SocketAddr,
    counters: Arc<Counters>,
    /// Changes when the connections of that moment are to end.
    ends: watch::Sender<()>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Proxy {
    /// Starts a proxy to `upstream` with a thread of its own.
    ///
    /// # Errors
    /// If there is no port or thread to be had.
    pub fn start(upstream: SocketAddr, weather: Weather) -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let listener = {
            let _inside = runtime.enter();
            let socket = socket(weather)?;
            socket.bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?;
            socket.listen(1024)?
        };
        let address = listener.local_addr()?;
        let counters = Arc::new(Counters::default());
        let (stop, stopped) = oneshot::channel();
        let (ends, ending) = watch::channel(());
        let counting = counters.clone();
        let thread = std::thread::Builder::new().name("proxy".to_owned()).spawn(move || {
            runtime.block_on(async {
                tokio::select! {
                    () = serve(listener, upstream, weather, (counting, ending)) => {}
                    _ = stopped => {}
                }
            });
        })?;
        Ok(Self { address, counters, ends, stop: Some(stop), thread: Some(thread) })
    }

    /// Where clients connect.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Ends all connections there are now, as a server or a router does that has waited too long.
    pub fn hang_up(&self) {
        self.ends.send_replace(());
    }

    /// Connections accepted so far.
    #[must_use]
    pub fn connections(&self) -> u64 {
        self.counters.connections.load(Ordering::Relaxed)
    }

    /// Connections cut so far.
    #[must_use]
    pub fn cuts(&self) -> u64 {
        self.counters.cuts.load(Ordering::Relaxed)
    }

    /// Octets that came from clients.
    #[must_use]
    pub fn client_octets(&self) -> u64 {
        self.counters.client_octets.load(Ordering::Relaxed)
    }

    /// Octets that came from the server.
    #[must_use]
    pub fn server_octets(&self) -> u64 {
        self.counters.server_octets.load(Ordering::Relaxed)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// A socket that takes in little where the link is slow.
fn socket(weather: Weather) -> io::Result<TcpSocket> {
    let socket = TcpSocket::new_v4()?;
    if weather.octets_per_second.is_some() {
        socket.set_recv_buffer_size(SLOW_RECEIVE_BUFFER_OCTETS)?;
    }
    Ok(socket)
}

async fn serve(
    listener: TcpListener,
    upstream: SocketAddr,
    weather: Weather,
    (counters, ending): (Arc<Counters>, watch::Receiver<()>),
) {
    while let Ok((client, _)) = listener.accept().await {
        let number = counters.connections.fetch_add(1, Ordering::Relaxed);
        let cut = weather.cut.filter(|cut| number < cut.connections);
        let link = Link { weather, cut, counters: counters.clone() };
        let mut ending = ending.clone();
        ending.mark_unchanged();
        tokio::spawn(async move {
            tokio::select! {
                () = link.carry(client, upstream) => {}
                Ok(()) = ending.changed() => {}
            }
        });
    }
}

/// One connection.
struct Link {
    weather: Weather,
    cut: Option<Cut>,
    counters: Arc<Counters>,
}

impl Link {
    async fn carry(self, client: TcpStream, upstream: SocketAddr) {
        let Ok(socket) = socket(self.weather) else { return };
        let Ok(server) = socket.connect(upstream).await else { return };
        let _ = (client.set_nodelay(true), server.set_nodelay(true));
        if self.cut.is_some() {
            // Closing then sends RST in place of FIN.
            let _ = (client.set_zero_linger(), server.set_zero_linger());
        }
        let (from_client, to_client) = client.into_split();
        let (from_server, to_server) = server.into_split();
        let mute = Arc::new(AtomicBool::new(false));
        let pump = |mute| Pump { weather: self.weather, mute, counters: self.counters.clone() };
        let (up, down) = (pump(None), pump(Some(mute.clone())));
        let down = tokio::spawn(down.run(from_server, to_client));
        match self.cut {
            None => {
                up.run(from_client, to_server).await;
                let _ = down.await;
            }
            Some(cut) => {
                self.run_until_cut(cut, from_client, to_server, &mute).await;
                down.abort();
                let _ = down.await;
            }
        }
    }

    async fn run_until_cut(
        &self,
        cut: Cut,
        mut from: OwnedReadHalf,
        to: OwnedWriteHalf,
        mute: &AtomicBool,
    ) {
        let (sender, receiver) = mpsc::channel(CHUNKS_MAX);
        let writer = tokio::spawn(deliver(to, receiver, None));
        let mut buffer = vec![0; CHUNK_OCTETS];
        let mut octets = 0;
        let mut end: Option<Instant> = None;
        loop {
            let read = from.read(&mut buffer);
            let length = match end {
                None => read.await.unwrap_or(0),
                Some(end) => match tokio::time::timeout_at(end, read).await {
                    Ok(Ok(length)) => length,
                    _ => 0,
                },
            };
            if length == 0 {
                break;
            }
            octets += length as u64;
            self.counters.client_octets.fetch_add(length as u64, Ordering::Relaxed);
            if octets > cut.client_octets && end.is_none() {
                self.counters.cuts.fetch_add(1, Ordering::Relaxed);
                if cut.manner == Manner::Reset {
                    writer.abort();
                    let _ = writer.await;
                    return;
                }
                mute.store(true, Ordering::Relaxed);
                end = Some(Instant::now() + LOST_ANSWERS_TIME);
            }
            let due = Instant::now() + self.weather.latency;
            if sender.send((due, buffer[..length].to_vec())).await.is_err() {
                break;
            }
        }
        drop(sender);
        if let Some(end) = end {
            tokio::time::sleep_until(end + self.weather.latency).await;
        }
        let _ = writer.await;
    }
}

/// One direction of a connection.
struct Pump {
    weather: Weather,
    mute: Option<Arc<AtomicBool>>,
    counters: Arc<Counters>,
}

impl Pump {
    async fn run(self, mut from: OwnedReadHalf, to: OwnedWriteHalf) {
        let octets = match self.mute {
            Some(_) => &self.counters.server_octets,
            None => &self.counters.client_octets,
        };
        let (sender, receiver) = mpsc::channel(CHUNKS_MAX);
        let writer = tokio::spawn(deliver(to, receiver, self.mute.clone()));
        let rate = self.weather.octets_per_second;
        let chunk = rate.and_then(|rate| usize::try_from(rate / SLOW_CHUNKS_PER_SECOND).ok());
        let mut buffer = vec![0; chunk.map_or(CHUNK_OCTETS, |chunk| chunk.clamp(1, CHUNK_OCTETS))];
        let mut free = Instant::now();
        while let Ok(length @ 1..) = from.read(&mut buffer).await {
            octets.fetch_add(length as u64, Ordering::Relaxed);
            if let Some(rate) = rate {
                free = free.max(Instant::now());
                free += Duration::from_secs_f64(length as f64 / rate as f64);
                tokio::time::sleep_until(free).await;
            }
            let due = Instant::now() + self.weather.latency;
            if sender.send((due, buffer[..length].to_vec())).await.is_err() {
                break;
            }
        }
        drop(sender);
        let _ = writer.await;
    }
}

/// Writes each chunk when its time has come; nothing while muted.
async fn deliver(
    mut to: OwnedWriteHalf,
    mut chunks: mpsc::Receiver<(Instant, Vec<u8>)>,
    mute: Option<Arc<AtomicBool>>,
) {
    while let Some((due, chunk)) = chunks.recv().await {
        if due > Instant::now() {
            tokio::time::sleep_until(due).await;
        }
        let muted = mute.as_ref().is_some_and(|mute| mute.load(Ordering::Relaxed));
        if !muted && to.write_all(&chunk).await.is_err() {
            return;
        }
    }
    let _ = to.shutdown().await;
}

#[cfg(test)]
mod tests;

//! The server as a whole: what its connections share, and the loopback socket.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;

use super::account::Account;
use super::fault::FaultBook;
use super::habit::Labels;
use super::profile::Profile;
use super::session::{self, Security};
use super::strain::Strain;
use super::wire::Stream;

/// Commands kept in the log; older ones are forgotten.
const LOG_ENTRIES_MAX: usize = 100_000;
/// Characters kept of a command in the log.
const LOG_LINE_CHARS_MAX: usize = 500;

/// What all connections of one server share. A clone is a handle to the same.
#[derive(Clone, Debug)]
pub struct State(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    profile: Profile,
    accounts: Vec<Account>,
    faults: FaultBook,
    strain: Strain,
    connections: AtomicU32,
    open: AtomicU32,
    bad: Mutex<Vec<String>>,
    log: Mutex<VecDeque<LogEntry>>,
    /// By connection.
    round_trips: Mutex<BTreeMap<u32, u64>>,
}

/// A command that a client sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogEntry {
    /// The connection, counted from 1.
    pub connection: u32,
    /// The command without its tag; literals as `{n}`, passwords as `*`.
    pub line: String,
}

impl State {
    /// A server of that kind with these accounts.
    #[must_use]
    pub fn new(profile: Profile, accounts: impl IntoIterator<Item = Account>) -> Self {
        let accounts: Vec<Account> = accounts.into_iter().collect();
        for account in &accounts {
            account.lock().adopt(profile.uid_validities);
            if profile.habits.labels == Labels::Gmail {
                account.lock().adopt_labels(profile.habits.duplicates);
            }
        }
        Self(Arc::new(Shared {
            faults: FaultBook::new(&profile.faults),
            strain: Strain::default(),
            profile,
            accounts,
            connections: AtomicU32::new(0),
            open: AtomicU32::new(0),
            bad: Mutex::new(Vec::new()),
            log: Mutex::new(VecDeque::new()),
            round_trips: Mutex::new(BTreeMap::new()),
        }))
    }

    /// Its profile.
    #[must_use]
    pub fn profile(&self) -> &Profile {
        &self.0.profile
    }

    /// Connections that came so far.
    #[must_use]
    pub fn connections(&self) -> u32 {
        self.0.connections.load(Ordering::SeqCst)
    }

    /// What was said to commands that are none: the texts of BAD, the first 100 000.
    #[must_use]
    pub fn bad_answers(&self) -> Vec<String> {
        self.0.bad.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Connections that are open now.
    #[must_use]
    pub fn connections_open(&self) -> u32 {
        self.0.open.load(Ordering::SeqCst)
    }

    /// The commands that clients sent, in the order of their coming; the last 100 000.
    #[must_use]
    pub fn log(&self) -> Vec<LogEntry> {
        let log = self.0.log.lock().unwrap_or_else(PoisonError::into_inner);
        log.iter().cloned().collect()
    }

    /// The lines of [`State::log`]: every command of every connection.
    #[must_use]
    pub fn commands(&self) -> Vec<String> {
        self.lines(|_| true)
    }

    /// The commands of one connection, counted from 1.
    #[must_use]
    pub fn commands_on(&self, connection: u32) -> Vec<String> {
        self.lines(|entry| entry.connection == connection)
    }

    /// The commands of that name, in any case; UID FETCH is named `UID FETCH`.
    #[must_use]
    pub fn commands_named(&self, name: &str) -> Vec<String> {
        self.lines(|entry| {
            let head = entry.line.get(..name.len());
            let rest = entry.line.get(name.len()..);
            head.is_some_and(|head| head.eq_ignore_ascii_case(name))
                && rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(' '))
        })
    }

    /// How often all clients together spoke after they were spoken to: the waits that latency
    /// multiplies. What is sent ahead costs nothing; the greeting and each `+` count.
    #[must_use]
    pub fn round_trips(&self) -> u64 {
        let counts = self.0.round_trips.lock().unwrap_or_else(PoisonError::into_inner);
        counts.values().sum()
    }

    /// The same on one connection, counted from 1.
    #[must_use]
    pub fn round_trips_on(&self, connection: u32) -> u64 {
        let counts = self.0.round_trips.lock().unwrap_or_else(PoisonError::into_inner);
        counts.get(&connection).copied().unwrap_or(0)
    }

    fn lines(&self, wanted: impl Fn(&LogEntry) -> bool) -> Vec<String> {
        let log = self.0.log.lock().unwrap_or_else(PoisonError::into_inner);
        log.iter().filter(|entry| wanted(entry)).map(|entry| entry.line.clone()).collect()
    }

    pub(super) fn note_round_trip(&self, connection: u32) {
        let mut counts = self.0.round_trips.lock().unwrap_or_else(PoisonError::into_inner);
        *counts.entry(connection).or_default() += 1;
    }

    pub(super) fn note_bad(&self, words: &str) {
        let mut bad = self.0.bad.lock().unwrap_or_else(PoisonError::into_inner);
        if bad.len() < LOG_ENTRIES_MAX {
            bad.push(words.to_owned());
        }
    }

    pub(super) fn accounts(&self) -> &[Account] {
        &self.0.accounts
    }

    pub(super) fn faults(&self) -> &FaultBook {
        &self.0.faults
    }

    pub(super) fn strain(&self) -> &Strain {
        &self.0.strain
    }

    pub(super) fn note(&self, connection: u32, line: &str) {
        let line = line.chars().take(LOG_LINE_CHARS_MAX).collect();
        let entry = LogEntry { connection, line };
        if let Some(watch) = &self.profile().watch {
            watch(&entry);
        }
        let mut log = self.0.log.lock().unwrap_or_else(PoisonError::into_inner);
        if log.len() == LOG_ENTRIES_MAX {
            log.pop_front();
        }
        log.push_back(entry);
    }

    /// Counts a connection in; it is open until the value is dropped.
    pub(super) fn admit(&self) -> Admission {
        let number = self.0.connections.fetch_add(1, Ordering::SeqCst) + 1;
        let open = self.0.open.fetch_add(1, Ordering::SeqCst) + 1;
        Admission { state: self.clone(), number, open }
    }
}

/// A connection's place among the others.
#[derive(Debug)]
pub(super) struct Admission {
    state: State,
    /// From 1 in the order of coming.
    pub(super) number: u32,
    /// Connections open, this one included, when it came.
    pub(super) open: u32,
}

impl Drop for Admission {
    fn drop(&mut self) {
        self.state.0.open.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Serves one connection over any stream until it ends.
pub async fn serve<S>(stream: S, state: State)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    session::run(Box::new(stream), state, Security::Clear).await;
}

/// A server on a loopback socket. Dropping it ends its connections.
#[derive(Debug)]
pub struct Server {
    addr: SocketAddr,
    state: State,
    task: JoinHandle<()>,
}

impl Server {
    /// Listens on a free port of 127.0.0.1, in clear text (STARTTLS where the profile has it).
    ///
    /// # Errors
    /// Those of binding the socket.
    pub async fn bind(
        profile: Profile,
        accounts: impl IntoIterator<Item = Account>,
    ) -> io::Result<Self> {
        Self::listen(State::new(profile, accounts), None).await
    }

    /// The same under TLS from the first octet.
    ///
    /// # Errors
    /// Those of binding the socket.
    pub async fn bind_tls(
        profile: Profile,
        accounts: impl IntoIterator<Item = Account>,
        config: Arc<ServerConfig>,
    ) -> io::Result<Self> {
        Self::listen(State::new(profile, accounts), Some(TlsAcceptor::from(config))).await
    }

    async fn listen(state: State, tls: Option<TlsAcceptor>) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let addr = listener.local_addr()?;
        let task = tokio::spawn(accept(listener, state.clone(), tls));
        Ok(Self { addr, state, task })
    }

    /// Where it listens.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// What its connections share: log, counts.
    #[must_use]
    pub fn state(&self) -> &State {
        &self.state
    }

    /// Stops listening and cuts every connection.
    pub fn shutdown(&self) {
        self.task.abort();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.shutdown();
    }
}

async fn accept(listener: TcpListener, state: State, tls: Option<TlsAcceptor>) {
    // Dropped with this task, which ends its connections.
    let mut sessions = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                // An error is of that one connection (or passes, as too many open files does).
                if let Ok((stream, _)) = accepted {
                    sessions.spawn(one(stream, state.clone(), tls.clone()));
                } else {
                    tokio::task::yield_now().await;
                }
            }
            Some(_) = sessions.join_next() => {}
        }
    }
}

async fn one(stream: TcpStream, state: State, tls: Option<TlsAcceptor>) {
    // Without effect on correctness; a socket that refuses it is closed already.
    let _ = stream.set_nodelay(true);
    match tls {
        None => session::run(Box::new(stream), state, Security::Clear).await,
        Some(acceptor) => {
            // A failed handshake is the client's to report.
            if let Ok(stream) = acceptor.accept(stream).await {
                let stream: Box<dyn Stream> = Box::new(stream);
                session::run(stream, state, Security::Tls).await;
            }
        }
    }
}

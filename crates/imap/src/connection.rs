//! The thin tokio driver: one socket, plain or TLS, around one [`Session`].
//!
//! Reading and writing go on together ([`Connection::next`] does both), so that a server
//! that answers while we are still sending never blocks us both. Silence is measured in
//! octets: a connection that moves some is alive, however long its command takes. And it is
//! measured while somebody waits: a connection that nobody listened to, because the other one
//! was slow, has not been silent.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::capability::Capabilities;
use crate::command::Command;
use crate::compress::{Compression, CorruptStream, Deflated};
use crate::meter::Meter;
use crate::pace::Pace;
use crate::response::Untagged;
use crate::sasl::Channel;
use crate::session::{Completion, Event, Session, SessionError, Tag, printable};

/// Anything a session can run over: a TCP socket, a TLS stream, a pipe in memory.
pub trait Transport: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Transport for T {}

/// The connection is of no more use.
#[derive(Debug, thiserror::Error)]
pub enum ConnectionError {
    /// The network failed.
    #[error("the connection broke: {0}")]
    Io(io::Error),
    /// What the server sent compressed is no deflate stream (RFC 1951 §3.2).
    #[error(transparent)]
    Corrupt(#[from] CorruptStream),
    /// The server closed it without a word.
    #[error("the server closed the connection")]
    Closed,
    /// The server said BYE (RFC 9051 §7.1.5).
    #[error("the server closed the connection: BYE {0}")]
    Goodbye(String),
    /// Not one octet moved for that long.
    #[error("nothing was heard for {} s", .0.as_secs())]
    Silence(Duration),
    /// The server broke the protocol.
    #[error(transparent)]
    Protocol(#[from] SessionError),
}

impl From<io::Error> for ConnectionError {
    fn from(error: io::Error) -> Self {
        error.downcast().map_or_else(Self::Io, Self::Corrupt)
    }
}

/// One connection to one server.
pub struct Connection {
    /// Protocol state.
    pub session: Session,
    transport: Box<dyn Transport>,
    /// Octets handed to the transport and perhaps kept in its buffers (TLS records).
    unflushed: Flush,
    silence_max: Duration,
    compression: Compression,
    pace: Pace,
    room: Room,
    /// Counts what is moved.
    pub(crate) meter: Option<Arc<Meter>>,
    /// Where it leads, and through what.
    pub(crate) entrance: Entrance,
}

/// Where a connection leads, and what its octets travel through: what a login may have to say.
#[derive(Clone, Debug)]
pub(crate) struct Entrance {
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) channel: Channel,
    /// What a login is bound to, with [`Channel::BindableTls`].
    pub(crate) binding: Option<Vec<u8>>,
}

impl Default for Entrance {
    fn default() -> Self {
        Self { host: String::new(), port: 0, channel: Channel::Clear, binding: None }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Flush {
    Clean,
    Needed,
}

/// Whether what is sent has filled the buffers between here and the network. Octets that went
/// before that tell nothing of its pace: they may be megabytes, taken at once.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Room {
    Untried,
    Filled,
}

impl Connection {
    /// Runs a session over `transport`. `silence_max`: how long the server may stay silent
    /// while something is expected of it.
    pub fn new(transport: Box<dyn Transport>, silence_max: Duration) -> Self {
        Self {
            session: Session::default(),
            transport,
            unflushed: Flush::Clean,
            silence_max,
            compression: Compression::Off,
            pace: Pace::default(),
            room: Room::Untried,
            meter: None,
            entrance: Entrance::default(),
        }
    }

    /// The same protocol state over another transport: STARTTLS put TLS in between.
    pub(crate) fn into_transport(self) -> (Session, Box<dyn Transport>, Duration) {
        (self.session, self.transport, self.silence_max)
    }

    pub(crate) fn with_session(
        session: Session,
        transport: Box<dyn Transport>,
        silence_max: Duration,
    ) -> Self {
        Self { session, ..Self::new(transport, silence_max) }
    }

    /// What the server can do, as it told last.
    #[must_use]
    pub fn capabilities(&self) -> &Capabilities {
        self.session.capabilities()
    }

    /// Whether its octets are compressed.
    #[must_use]
    pub fn compression(&self) -> &Compression {
        &self.compression
    }

    /// Compresses this connection as soon as no command is in flight, at once if none is
    /// (RFC 4978 §3). Events go on as before; what is queued meanwhile goes out compressed. Where
    /// the server does not have it or refuses, the connection goes on without. To be asked for
    /// after login only.
    ///
    /// # Errors
    /// The connection is of no more use.
    pub fn compress_when_quiet(&mut self) -> Result<(), ConnectionError> {
        if self.compression != Compression::Off {
            return Ok(());
        }
        if !self.capabilities().has("COMPRESS=DEFLATE") {
            self.compression = Compression::Refused("COMPRESS=DEFLATE is not offered".to_owned());
            return Ok(());
        }
        self.compression = Compression::Wanted;
        self.see_to_compression()
    }

    /// The same, and waits for the answer. Events meanwhile are passed over, so that it is for
    /// a connection on which nothing is in flight.
    ///
    /// # Errors
    /// The connection is of no more use.
    pub async fn compress(&mut self) -> Result<&Compression, ConnectionError> {
        self.compress_when_quiet()?;
        while matches!(self.compression, Compression::Wanted | Compression::Asked(_)) {
            self.next().await?;
        }
        Ok(&self.compression)
    }

    /// How fast it moved octets since this was asked last.
    pub fn take_pace(&mut self) -> Pace {
        std::mem::take(&mut self.pace)
    }

    /// Goes on to the next event; `false` where octets are needed first.
    fn advance(&mut self) -> Result<bool, ConnectionError> {
        let found = self.session.advance()?;
        if found && !matches!(self.compression, Compression::Off | Compression::Active) {
            self.see_to_compression()?;
        }
        Ok(found)
    }

    /// Asks for compression when the time has come, and begins it right behind the answer.
    fn see_to_compression(&mut self) -> Result<(), ConnectionError> {
        match (&self.compression, self.session.completion()) {
            (Compression::Wanted, _) if self.session.is_quiet() => {
                let tag = self.session.send_alone(&Command::new("COMPRESS DEFLATE"))?;
                self.compression = Compression::Asked(tag);
            }
            (Compression::Asked(tag), Some(completion)) if completion.tag == *tag => {
                if completion.is_ok() {
                    self.begin_compression();
                } else {
                    self.compression = Compression::Refused(completion.words());
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// From the line end of the tagged OK on, all is compressed (RFC 4978 §3): what came
    /// behind it, too.
    fn begin_compression(&mut self) {
        let received = self.session.take_unread();
        let below = std::mem::replace(&mut self.transport, Box::new(tokio::io::empty()));
        self.transport = Box::new(Deflated::new(below, received));
        self.compression = Compression::Active;
    }

    /// Waits for the next event, sending whatever is queued meanwhile. May be dropped while
    /// waiting and called again: nothing is lost.
    ///
    /// # Errors
    /// The connection is of no more use.
    pub async fn next(&mut self) -> Result<Event<'_>, ConnectionError> {
        while !self.advance()? {
            self.move_octets().await?;
        }
        // `advance` found one, so there is one.
        self.session.event().ok_or(ConnectionError::Closed)
    }

    /// One step: the next event if there is one, else some octets moved either way and
    /// `None`. For a caller that also waits for room in the send queue. May be dropped while
    /// waiting and called again.
    ///
    /// # Errors
    /// The connection is of no more use.
    pub async fn step(&mut self) -> Result<Option<Event<'_>>, ConnectionError> {
        if self.advance()? {
            return Ok(self.session.event());
        }
        self.move_octets().await?;
        Ok(None)
    }

    /// Sends what is queued as far as it goes without waiting; the rest goes with the next event.
    ///
    /// # Errors
    /// The connection is of no more use.
    pub fn push(&mut self) -> Result<(), ConnectionError> {
        // Whoever waits for the next event is woken for what is left.
        self.poll_send(&mut Context::from_waker(Waker::noop())).map(drop)
    }

    /// Sends what is queued, and that nothing more will come. What the server says to that is not
    /// waited for.
    ///
    /// # Errors
    /// The connection broke before all of it was sent.
    pub async fn hang_up(&mut self) -> Result<(), ConnectionError> {
        let sent = std::future::poll_fn(|context| match self.poll_queue(context) {
            Ok(_) if !self.session.unsent().is_empty() || self.unflushed == Flush::Needed => {
                Poll::Pending
            }
            other => Poll::Ready(other.map(drop)),
        });
        sent.await?;
        std::future::poll_fn(|context| Pin::new(&mut self.transport).poll_shutdown(context))
            .await?;
        Ok(())
    }

    async fn move_octets(&mut self) -> Result<(), ConnectionError> {
        let silence_max = self.silence_max;
        let moving = Moving { connection: self, held_up: None };
        tokio::time::timeout(silence_max, moving)
            .await
            .unwrap_or(Err(ConnectionError::Silence(silence_max)))
    }

    fn poll_octets(&mut self, context: &mut Context<'_>) -> Poll<Result<(), ConnectionError>> {
        let sent = self.poll_send(context)?;
        match self.poll_receive(context) {
            Poll::Ready(Err(error)) => Poll::Ready(Err(self.with_last_words(error))),
            Poll::Pending if !sent => Poll::Pending,
            Poll::Ready(Ok(())) | Poll::Pending => Poll::Ready(Ok(())),
        }
    }

    fn poll_send(&mut self, context: &mut Context<'_>) -> Result<bool, ConnectionError> {
        match self.poll_queue(context) {
            // What the server said last tells more than the broken pipe: read it first.
            Err(_) if self.session.in_flight() > 0 => Ok(false),
            sent => sent,
        }
    }

    /// Hands what is queued to the network, as far as it takes it; whether it took any.
    fn poll_queue(&mut self, context: &mut Context<'_>) -> Result<bool, ConnectionError> {
        let mut any = false;
        loop {
            let unsent = self.session.unsent();
            if unsent.is_empty() {
                break;
            }
            match Pin::new(&mut self.transport).poll_write(context, unsent) {
                Poll::Ready(Ok(0)) => return Err(ConnectionError::Closed),
                Poll::Ready(Ok(octets)) => {
                    self.session.sent(octets);
                    if let Some(meter) = &self.meter {
                        meter.count(0, octets as u64);
                    }
                    if self.room == Room::Filled {
                        self.pace.octets += octets as u64;
                    }
                    self.unflushed = Flush::Needed;
                    any = true;
                }
                Poll::Ready(Err(error)) => return Err(error.into()),
                Poll::Pending => break,
            }
        }
        if self.unflushed == Flush::Needed
            && let Poll::Ready(result) = Pin::new(&mut self.transport).poll_flush(context)
        {
            self.unflushed = Flush::Clean;
            drop(result);
        }
        Ok(any)
    }

    fn poll_receive(&mut self, context: &mut Context<'_>) -> Poll<Result<(), ConnectionError>> {
        let in_body = self.session.is_within_literal();
        let mut buffer = ReadBuf::new(self.session.space());
        match Pin::new(&mut self.transport).poll_read(context, &mut buffer) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Err(error)) => Poll::Ready(Err(error.into())),
            Poll::Ready(Ok(())) => {
                let received = buffer.filled().len();
                if received == 0 {
                    return Poll::Ready(Err(ConnectionError::Closed));
                }
                self.session.filled(received);
                if let Some(meter) = &self.meter {
                    meter.count(received as u64, 0);
                }
                if in_body {
                    self.pace.octets += received as u64;
                }
                Poll::Ready(Ok(()))
            }
        }
    }

    fn with_last_words(&self, error: ConnectionError) -> ConnectionError {
        match self.session.goodbye() {
            Some(words) => ConnectionError::Goodbye(printable(words)),
            None => error,
        }
    }

    /// Sends one command and waits for its end; `untagged` sees what comes meanwhile.
    /// Octets of streamed literals are passed over.
    ///
    /// # Errors
    /// The connection is of no more use. A NO or BAD is a [`Completion`], not an error.
    pub async fn run(
        &mut self,
        command: &Command,
        untagged: impl FnMut(&Untagged<'_>),
    ) -> Result<Completion, ConnectionError> {
        let tag = self.session.send(command)?;
        self.wait(tag, untagged).await
    }

    /// Waits for the end of a command sent before.
    ///
    /// # Errors
    /// As [`Connection::run`].
    pub async fn wait(
        &mut self,
        tag: Tag,
        mut untagged: impl FnMut(&Untagged<'_>),
    ) -> Result<Completion, ConnectionError> {
        loop {
            match self.next().await? {
                Event::Completed(completion) if completion.tag == tag => return Ok(completion),
                Event::Untagged(data) => untagged(&data),
                _ => {}
            }
        }
    }

    /// Sends several commands at once and waits for all; the completions come in the order of
    /// the commands. For commands whose order among each other does not matter
    /// (RFC 9051 §5.5).
    ///
    /// # Errors
    /// As [`Connection::run`].
    pub async fn run_all(
        &mut self,
        commands: &[Command],
        mut untagged: impl FnMut(&Untagged<'_>),
    ) -> Result<Vec<Completion>, ConnectionError> {
        if self.session.quirks.one_command_at_a_time {
            let mut completions = Vec::with_capacity(commands.len());
            for command in commands {
                completions.push(self.run(command, &mut untagged).await?);
            }
            return Ok(completions);
        }
        let tags: Vec<Tag> =
            commands.iter().map(|command| self.session.send(command)).collect::<Result<_, _>>()?;
        let mut completions: Vec<Option<Completion>> = vec![None; tags.len()];
        let mut left = tags.len();
        while left > 0 {
            match self.next().await? {
                Event::Completed(completion) => {
                    if let Some(at) = tags.iter().position(|&tag| tag == completion.tag) {
                        completions[at] = Some(completion);
                        left -= 1;
                    }
                }
                Event::Untagged(data) => untagged(&data),
                _ => {}
            }
        }
        Ok(completions.into_iter().flatten().collect())
    }
}

/// The wait for octets to move, timed where the network or the server holds a body up. It may
/// be dropped: what was waited until then counts, what is not waited for does not.
struct Moving<'a> {
    connection: &'a mut Connection,
    held_up: Option<Instant>,
}

impl Future for Moving<'_> {
    type Output = Result<(), ConnectionError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let polled = self.connection.poll_octets(context);
        if polled.is_pending() && self.held_up.is_none() {
            let session = &self.connection.session;
            let (in_body, unsent) = (session.is_within_literal(), !session.unsent().is_empty());
            if unsent {
                self.connection.room = Room::Filled;
            }
            self.held_up = (in_body || unsent).then(Instant::now);
        }
        polled
    }
}

impl Drop for Moving<'_> {
    fn drop(&mut self) {
        if let Some(since) = self.held_up {
            self.connection.pace.waited += since.elapsed();
        }
    }
}

//! The protocol state of one connection: what is to be sent, what is in flight, what the
//! server can do. Sans-IO: octets come in through [`Session::space`] and
//! [`Session::filled`], go out through [`Session::unsent`] and [`Session::sent`]; nothing here
//! touches a socket or a clock.

use std::collections::VecDeque;
use std::fmt;

use crate::capability::Capabilities;
use crate::command::{Command, CommandError, Piece};
use crate::mutf7::is_treacherous;
use crate::quirk::Quirks;
use crate::response::{self, Code, ConditionKind, Response, Status, Untagged};
use crate::trace::Trace;
use crate::wire::{Frame, FrameError, FrameLimits, Framer, WireEvent};

/// Octets joined into one segment of the send queue before a new one is begun.
const SEGMENT_BYTES: usize = 64 * 1024;

/// The tag of one command (RFC 9051 §2.2.1). Unique within its connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tag(u32);

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "m{}", self.0)
    }
}

impl Tag {
    fn parse(octets: &[u8]) -> Option<Self> {
        let digits = octets.strip_prefix(b"m")?;
        if digits.is_empty() || digits.len() > 9 {
            return None;
        }
        digits
            .iter()
            .try_fold(0u32, |sum, digit| {
                digit.is_ascii_digit().then(|| sum * 10 + u32::from(digit - b'0'))
            })
            .map(Self)
    }
}

/// How one command ended: the tagged response (RFC 9051 §7.1), owned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Completion {
    /// The command it answers.
    pub tag: Tag,
    /// OK, NO or BAD.
    pub status: Status,
    line: Vec<u8>,
}

impl Completion {
    /// Whether the command succeeded.
    #[must_use]
    pub fn is_ok(&self) -> bool {
        self.status == Status::Ok
    }

    /// The response code.
    #[must_use]
    pub fn code(&self) -> Option<Code<'_>> {
        match response::parse(Frame::whole(&self.line)) {
            Response::Tagged { code, .. } => code,
            _ => None,
        }
    }

    /// The human text, in octets of the server's own.
    #[must_use]
    pub fn text(&self) -> &[u8] {
        match response::parse(Frame::whole(&self.line)) {
            Response::Tagged { text, .. } => text,
            _ => b"",
        }
    }

    /// The server's words on one line: `NO [OVERQUOTA] Quota exceeded`. Control characters
    /// are escaped: this is foreign text.
    #[must_use]
    pub fn words(&self) -> String {
        let behind_tag = self.line.iter().position(|&octet| octet == b' ').map_or(0, |at| at + 1);
        printable(self.line[behind_tag..].trim_ascii())
    }
}

/// Foreign octets as one printable line: UTF-8 where it is that, and escaped what could act on a
/// terminal.
#[must_use]
pub fn printable(octets: &[u8]) -> String {
    let mut line = String::with_capacity(octets.len());
    for character in String::from_utf8_lossy(octets).chars() {
        if is_treacherous(character) {
            line.extend(character.escape_unicode());
        } else {
            line.push(character);
        }
    }
    line
}

/// What the server said next.
#[derive(Debug)]
pub enum Event<'a> {
    /// A command ended. It is no longer in flight.
    Completed(Completion),
    /// Untagged data.
    Untagged(Untagged<'a>),
    /// A `+` that no literal was waiting for: AUTHENTICATE asks for its next line.
    Challenge(&'a [u8]),
    /// The octets of a body follow.
    LiteralBegin {
        /// The response up to the literal, with what it told before (mostly the UID).
        head: &'a [u8],
        /// How many octets follow.
        octets: u64,
    },
    /// Some of them.
    Chunk(&'a [u8]),
    /// That was the last; the rest of the response comes as [`Event::Untagged`].
    LiteralEnd,
}

/// The server broke the protocol, or a limit of ours was reached.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// Framing failed.
    #[error("the server's answer cannot be read: {0}")]
    Frame(#[from] FrameError),
    /// A command of ours could not be written.
    #[error("a command cannot be written: {0}")]
    Command(#[from] CommandError),
    /// A tagged response for a command that was never sent.
    #[error("the server answered a command that was not sent: `{0}`")]
    UnknownTag(String),
}

enum Out {
    /// `behind`: the command these octets belong to, where they stand behind one of its
    /// synchronising literals and must not go out if it is refused before.
    Octets { octets: Vec<u8>, behind: Option<Tag> },
    /// A synchronising literal: nothing goes out before the server's `+` (RFC 9051 §4.3).
    AwaitContinuation(Tag),
    /// A command behind which nothing goes out before it is answered.
    AwaitCompletion(Tag),
}

/// Whether a literal is announced `{n+}` or `{n}` (RFC 7888 §3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LiteralKind {
    /// The octets follow at once.
    NonSynchronising,
    /// The server has to invite them.
    Synchronising,
}

/// Protocol state of one connection.
pub struct Session {
    framer: Framer,
    out: VecDeque<Out>,
    sent_of_first: usize,
    unsent_bytes: usize,
    last_tag: u32,
    in_flight: VecDeque<Tag>,
    /// The command whose octets are being written, if it is not whole yet.
    writing: Option<Tag>,
    /// That command was answered before its literal was invited: its rest is not sent.
    discarding: bool,
    /// That command has announced a synchronising literal already.
    behind: Option<Tag>,
    pending: Pending,
    capabilities: Capabilities,
    /// What is known to be odd about this server.
    pub quirks: Quirks,
    /// Who is shown the dialogue.
    pub trace: Option<Trace>,
    goodbye: Option<Vec<u8>>,
}

/// What `advance` found and `event` shows.
enum Pending {
    Nothing,
    Wire,
    Completed(Completion),
}

impl Default for Session {
    fn default() -> Self {
        Self {
            framer: Framer::new(FrameLimits::default()),
            out: VecDeque::new(),
            sent_of_first: 0,
            unsent_bytes: 0,
            last_tag: 0,
            in_flight: VecDeque::new(),
            writing: None,
            discarding: false,
            behind: None,
            pending: Pending::Nothing,
            capabilities: Capabilities::default(),
            quirks: Quirks::default(),
            trace: None,
            goodbye: None,
        }
    }
}

impl Session {
    /// What the server told of its capabilities last.
    #[must_use]
    pub fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    /// Forgets the capabilities: they must be asked again after STARTTLS and after login
    /// (RFC 9051 §6.2.1, §6.1.1).
    pub fn forget_capabilities(&mut self) {
        self.capabilities = Capabilities::default();
    }

    /// The text of the server's BYE, once it came.
    #[must_use]
    pub fn goodbye(&self) -> Option<&[u8]> {
        self.goodbye.as_deref()
    }

    /// Commands sent and not answered.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.in_flight.len()
    }

    /// Octets queued and not yet taken by [`Session::sent`].
    #[must_use]
    pub fn unsent_bytes(&self) -> usize {
        self.unsent_bytes
    }

    /// Octets received and not yet looked at.
    #[must_use]
    pub fn unread_bytes(&self) -> usize {
        self.framer.pending()
    }

    /// Takes away what [`Session::unread_bytes`] counts: octets that are to be read anew,
    /// through another transport.
    pub(crate) fn take_unread(&mut self) -> Vec<u8> {
        self.framer.take_pending()
    }

    /// Whether the next octets belong to a body that is handed out in chunks.
    #[must_use]
    pub fn is_within_literal(&self) -> bool {
        self.framer.is_within_literal()
    }

    /// Whether every command is whole, sent and answered.
    #[must_use]
    pub fn is_quiet(&self) -> bool {
        self.in_flight.is_empty() && self.out.is_empty()
    }

    /// Whether a command is begun and not whole.
    #[must_use]
    pub fn is_writing(&self) -> bool {
        self.writing.is_some()
    }

    /// How a literal of that size is announced to this server.
    #[must_use]
    pub fn literal_kind(&self, octets: u64) -> LiteralKind {
        let free = self.capabilities.literal_plus()
            || (self.capabilities.literal_minus() && octets <= 4096);
        if free && !self.quirks.synchronising_literals_only {
            LiteralKind::NonSynchronising
        } else {
            LiteralKind::Synchronising
        }
    }

    /// Queues a whole command.
    ///
    /// # Errors
    /// It has a part that cannot be written; nothing of it was queued.
    pub fn send(&mut self, command: &Command) -> Result<Tag, SessionError> {
        command.pieces()?;
        let tag = self.begin();
        self.write_pieces(command)?;
        self.finish();
        Ok(tag)
    }

    /// Queues a whole command behind which nothing goes out before it is answered.
    ///
    /// # Errors
    /// As [`Session::send`].
    pub fn send_alone(&mut self, command: &Command) -> Result<Tag, SessionError> {
        let tag = self.send(command)?;
        self.out.push_back(Out::AwaitCompletion(tag));
        Ok(tag)
    }

    /// Adds the words of a command to the one being written, its literals announced as this
    /// server takes them.
    ///
    /// # Errors
    /// It has a part that cannot be written; nothing of it was queued.
    pub fn write_pieces(&mut self, command: &Command) -> Result<(), SessionError> {
        if let Some(trace) = &self.trace {
            let tag = self.writing.map(|tag| tag.to_string()).unwrap_or_default();
            trace.sent(&format!("{tag} {command:?}"));
        }
        for piece in command.pieces()? {
            match piece {
                Piece::Bytes(octets) => self.write(octets),
                Piece::Literal { octets } => {
                    self.announce_literal(octets.len() as u64);
                    self.write(octets);
                }
                Piece::StreamedLiteral { len } => self.announce_literal(*len),
            }
        }
        Ok(())
    }

    /// Begins a command that is written piece by piece: [`Session::write`],
    /// [`Session::announce_literal`], and [`Session::finish`] at its end. Only one command
    /// is written at a time.
    pub fn begin(&mut self) -> Tag {
        debug_assert!(
            self.writing.is_none(),
            "a command is begun only when the one before is whole"
        );
        self.last_tag += 1;
        let tag = Tag(self.last_tag);
        self.in_flight.push_back(tag);
        self.writing = Some(tag);
        self.discarding = false;
        self.write(format!("{tag} ").as_bytes());
        tag
    }

    /// Adds octets to the command being written.
    pub fn write(&mut self, octets: &[u8]) {
        // An empty segment would stand at the head of the queue for ever: nothing is sent of
        // it, so nothing takes it away.
        if self.discarding || octets.is_empty() {
            return;
        }
        self.unsent_bytes += octets.len();
        let belongs = self.behind;
        match self.out.back_mut() {
            Some(Out::Octets { octets: last, behind })
                if *behind == belongs && last.len() + octets.len() <= SEGMENT_BYTES =>
            {
                last.extend_from_slice(octets);
            }
            _ => {
                let mut segment = Vec::with_capacity(octets.len().max(4096));
                segment.extend_from_slice(octets);
                self.out.push_back(Out::Octets { octets: segment, behind: belongs });
            }
        }
    }

    /// Announces a literal of the command being written; its octets follow by
    /// [`Session::write`], exactly as many.
    pub fn announce_literal(&mut self, octets: u64) {
        match self.literal_kind(octets) {
            LiteralKind::NonSynchronising => self.write(format!("{{{octets}+}}\r\n").as_bytes()),
            LiteralKind::Synchronising => {
                self.write(format!("{{{octets}}}\r\n").as_bytes());
                if let (Some(tag), false) = (self.writing, self.discarding) {
                    self.out.push_back(Out::AwaitContinuation(tag));
                    self.behind = Some(tag);
                }
            }
        }
    }

    /// Ends the command being written.
    pub fn finish(&mut self) {
        self.write(b"\r\n");
        self.writing = None;
        self.behind = None;
        self.discarding = false;
    }

    /// Sends a line that is no command: the answer to a challenge (RFC 9051 §6.2.2).
    pub fn answer_challenge(&mut self, line: &[u8]) {
        self.write(line);
        self.write(b"\r\n");
    }

    /// The next octets to send; empty where there are none or a `+` is waited for.
    #[must_use]
    pub fn unsent(&self) -> &[u8] {
        match self.out.front() {
            Some(Out::Octets { octets, .. }) => &octets[self.sent_of_first..],
            _ => &[],
        }
    }

    /// Takes note that the first `octets` of [`Session::unsent`] went out.
    pub fn sent(&mut self, octets: usize) {
        self.unsent_bytes -= octets;
        self.sent_of_first += octets;
        if let Some(Out::Octets { octets: first, .. }) = self.out.front()
            && self.sent_of_first >= first.len()
        {
            self.out.pop_front();
            self.sent_of_first = 0;
        }
    }

    /// Room to receive into, never empty.
    pub fn space(&mut self) -> &mut [u8] {
        self.framer.space()
    }

    /// Takes note that `octets` were received into [`Session::space`].
    pub fn filled(&mut self, octets: usize) {
        self.framer.filled(octets);
    }

    /// Goes on to the next event, forgetting the one before. `false`: more octets are needed.
    ///
    /// # Errors
    /// The octets received are no IMAP, or reach a limit; the connection is of no more use.
    pub fn advance(&mut self) -> Result<bool, SessionError> {
        loop {
            self.pending = Pending::Nothing;
            if !self.framer.advance()? {
                return Ok(false);
            }
            if let Some(trace) = &self.trace {
                match self.framer.event() {
                    WireEvent::Response(frame) => trace.received(frame.bytes),
                    WireEvent::LiteralBegin { head, .. } => trace.received(head),
                    WireEvent::Chunk(_) | WireEvent::LiteralEnd => {}
                }
            }
            let seen = match self.framer.event() {
                // `* 12 FETCH …` is by far the most frequent, and never about the session.
                WireEvent::Response(frame) if !numbered(frame.bytes) => look(frame),
                _ => Seen::Data,
            };
            match seen {
                Seen::Data => {}
                Seen::Capabilities(capabilities) => self.capabilities = capabilities,
                Seen::Goodbye(text) => self.goodbye = Some(text),
                Seen::Continuation => {
                    if let Some(Out::AwaitContinuation(_)) = self.out.front() {
                        self.out.pop_front();
                        continue;
                    }
                }
                Seen::Tagged { line, tag_bytes, status, capabilities } => {
                    if let Some(capabilities) = capabilities {
                        self.capabilities = capabilities;
                    }
                    let tag = self.completed(&line[..tag_bytes])?;
                    self.pending = Pending::Completed(Completion { tag, status, line });
                    return Ok(true);
                }
            }
            self.pending = Pending::Wire;
            return Ok(true);
        }
    }

    /// The event that [`Session::advance`] found.
    #[must_use]
    pub fn event(&self) -> Option<Event<'_>> {
        match &self.pending {
            Pending::Nothing => None,
            Pending::Completed(completion) => Some(Event::Completed(completion.clone())),
            Pending::Wire => Some(match self.framer.event() {
                WireEvent::LiteralBegin { head, len } => Event::LiteralBegin { head, octets: len },
                WireEvent::Chunk(octets) => Event::Chunk(octets),
                WireEvent::LiteralEnd => Event::LiteralEnd,
                WireEvent::Response(frame) => match response::parse(frame) {
                    Response::Untagged(untagged) => Event::Untagged(untagged),
                    Response::Continuation { text } => Event::Challenge(text),
                    Response::Tagged { .. } => return None,
                },
            }),
        }
    }

    /// The completion that [`Session::advance`] found, if it found one.
    pub(crate) fn completion(&self) -> Option<&Completion> {
        match &self.pending {
            Pending::Completed(completion) => Some(completion),
            Pending::Nothing | Pending::Wire => None,
        }
    }

    fn completed(&mut self, octets: &[u8]) -> Result<Tag, SessionError> {
        let tag = Tag::parse(octets).filter(|tag| self.in_flight.contains(tag));
        let tag = tag.ok_or_else(|| SessionError::UnknownTag(printable(octets)))?;
        self.in_flight.retain(|&other| other != tag);
        self.out.retain(|out| !matches!(out, Out::AwaitCompletion(held) if *held == tag));
        // Answered instead of inviting a literal: the rest of that command is not sent. What
        // stands before that literal is, even where the answer came early: it belongs to a
        // literal that was invited, and the server counts its octets.
        let waiting = |out: &Out| matches!(out, Out::AwaitContinuation(waiting) if *waiting == tag);
        if let Some(at) = self.out.iter().position(waiting) {
            self.drop_rest_of(tag, at);
            self.discarding = self.writing == Some(tag);
        }
        Ok(tag)
    }

    fn drop_rest_of(&mut self, tag: Tag, from: usize) {
        let unsent_bytes = &mut self.unsent_bytes;
        let mut at = 0;
        self.out.retain(|out| {
            at += 1;
            let gone = match out {
                Out::AwaitContinuation(waiting) => *waiting == tag,
                Out::AwaitCompletion(_) => false,
                Out::Octets { behind, .. } => *behind == Some(tag),
            };
            let gone = gone && at > from;
            if let (true, Out::Octets { octets, .. }) = (gone, out) {
                *unsent_bytes -= octets.len();
            }
            !gone
        });
    }
}

enum Seen {
    Data,
    Capabilities(Capabilities),
    Goodbye(Vec<u8>),
    Continuation,
    Tagged { line: Vec<u8>, tag_bytes: usize, status: Status, capabilities: Option<Capabilities> },
}

fn look(frame: Frame<'_>) -> Seen {
    let told = |code: &Option<Code<'_>>| match code {
        Some(Code::Capability(words)) => Some(Capabilities::new(words.iter().copied())),
        _ => None,
    };
    match response::parse(frame) {
        Response::Tagged { tag, status, code, .. } => Seen::Tagged {
            line: frame.bytes.to_vec(),
            tag_bytes: tag.len(),
            status,
            capabilities: told(&code),
        },
        Response::Continuation { .. } => Seen::Continuation,
        Response::Untagged(Untagged::Capability(words)) => {
            Seen::Capabilities(Capabilities::new(words))
        }
        Response::Untagged(Untagged::Condition { kind: ConditionKind::Bye, text, .. }) => {
            Seen::Goodbye(text.to_vec())
        }
        Response::Untagged(Untagged::Condition { code, .. }) => {
            told(&code).map_or(Seen::Data, Seen::Capabilities)
        }
        Response::Untagged(_) => Seen::Data,
    }
}

fn numbered(response: &[u8]) -> bool {
    response.strip_prefix(b"* ").and_then(<[u8]>::first).is_some_and(u8::is_ascii_digit)
}

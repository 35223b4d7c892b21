//! Fetching bodies: many FETCH commands in flight, small messages handed on whole, large
//! ones in chunks as they come, and every UID asked for accounted for.

mod question;

use std::collections::VecDeque;

use mailferry_engine::canonical::Canonical;
use mailferry_engine::fault::Fault;
use mailferry_engine::message::{Digest, Uid};
use mailferry_engine::name::MailboxName;
use mailferry_engine::pairing::Digests;
use mailferry_imap::command::Command;
use mailferry_imap::response::{Body, Fetch, Untagged, head_uid};
use mailferry_imap::session::{Completion, Event, Tag};
use mailferry_imap::uid_set::UidSet;

use self::question::{Question, Resolved};
use super::{Access, ImapAccount};
use crate::contract::{AsListed, BodyEvent, DigestOf, Wanted};

/// Messages up to this size are handed on whole; larger ones are asked for one at a time, so
/// that their UID is known before their octets (pymap tells it after them).
const WHOLE_BYTES_MAX: u64 = 64 * 1024;
/// One FETCH asks for at most this many messages,
const GROUP_MESSAGES_MAX: usize = 200;
/// and this many octets by their listed sizes.
const GROUP_BYTES_MAX: u64 = 4 << 20;
/// Octets asked for and not come yet, by their listed sizes: what hides the round trip.
const ASKED_BYTES_MAX: u64 = 32 << 20;
/// Commands in flight.
const ASKED_COMMANDS_MAX: usize = 24;

/// A FETCH in flight.
struct Asked {
    tag: Tag,
    bytes: u64,
    left: Vec<Wanted>,
}

/// Where a literal goes.
#[derive(Default)]
enum Literal {
    #[default]
    None,
    /// Gathered, to be handed on whole once its UID is known.
    Gathered(Vec<u8>),
    /// Handed on chunk by chunk.
    Streamed,
    /// Not what was listed: passed over, and asked about.
    PassedOver,
}

/// State of the bodies being fetched.
#[derive(Default)]
pub(super) struct Bodies {
    mailbox: Option<MailboxName>,
    to_ask: VecDeque<Wanted>,
    asked: VecDeque<Asked>,
    asked_bytes: u64,
    /// Did not come at the first asking.
    again: Vec<Wanted>,
    attempt: Attempt,
    literal: Literal,
    /// The server's sizes are hints: it was asked, and the octets that came are the message.
    size_lies: bool,
    doubtful: Option<Doubt>,
    question: Option<Question>,
    missing: VecDeque<(Uid, Fault)>,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Attempt {
    #[default]
    First,
    Second,
}

/// A body whose length is not the listed size. Courier sends a made-up message for one that
/// was expunged meanwhile; other servers list sizes that are simply wrong.
#[derive(Clone, Copy)]
struct Doubt {
    wanted: Wanted,
    octets: u64,
}

/// What one event comes to, without a borrow of the connection.
enum Step {
    GoOn,
    Begin(Uid, u64),
    Chunk,
    End,
    Whole(Uid, Vec<u8>),
}

impl ImapAccount {
    pub(super) async fn begin_bodies(
        &mut self,
        listed: AsListed<'_>,
        wanted: Vec<Wanted>,
    ) -> Result<(), Fault> {
        self.open_as_listed(listed, Access::Read).await?;
        let size_lies = self.bodies.size_lies;
        self.bodies = Bodies {
            mailbox: Some(listed.mailbox.clone()),
            to_ask: wanted.into(),
            size_lies,
            ..Bodies::default()
        };
        Ok(())
    }

    pub(super) async fn advance_bodies(&mut self) -> Result<BodyEvent<'_>, Fault> {
        let step = loop {
            if let Some((uid, fault)) = self.bodies.missing.pop_front() {
                return Ok(BodyEvent::Missing { uid, fault });
            }
            self.ask_more()?;
            if self.bodies.asked.is_empty() {
                match self.resolve()? {
                    Resolved::All => return Ok(BodyEvent::Finished),
                    Resolved::Some => continue,
                    Resolved::Asking => {}
                }
            }
            let result = self.connection.next().await;
            let event = result.map_err(|error| super::broken(self.side, &error))?;
            match self.bodies.take_in(event) {
                Step::GoOn => {}
                step => break step,
            }
        };
        Ok(match step {
            Step::Begin(uid, octets) => BodyEvent::Begin { uid, octets },
            Step::Whole(uid, octets) => BodyEvent::Whole { uid, octets },
            Step::End => BodyEvent::End,
            Step::Chunk | Step::GoOn => match self.connection.session.event() {
                Some(Event::Chunk(octets)) => BodyEvent::Chunk(octets),
                _ => BodyEvent::Chunk(&[]),
            },
        })
    }

    fn ask_more(&mut self) -> Result<(), Fault> {
        let one_at_a_time = self.connection.session.quirks.one_command_at_a_time;
        loop {
            let bodies = &mut self.bodies;
            let full =
                bodies.asked_bytes >= ASKED_BYTES_MAX || bodies.asked.len() >= ASKED_COMMANDS_MAX;
            if bodies.doubtful.is_some() || full || (one_at_a_time && !bodies.asked.is_empty()) {
                return Ok(());
            }
            let group = bodies.next_group();
            if group.is_empty() {
                return Ok(());
            }
            let uids: Vec<u32> = group.iter().map(|wanted| wanted.uid.value()).collect();
            let set = UidSet::from_sorted(&uids);
            let command =
                Command::new("UID FETCH").sp().uid_set(&set).sp().raw("(UID BODY.PEEK[])");
            let bytes = group.iter().map(|wanted| u64::from(wanted.size)).sum();
            let tag = self
                .connection
                .session
                .send(&command)
                .map_err(|error| self.broken(&error.into()))?;
            self.bodies.asked_bytes += bytes;
            self.bodies.asked.push_back(Asked { tag, bytes, left: group });
        }
    }

    /// Digests of messages, their bodies streamed through.
    pub(super) async fn digest_messages(
        &mut self,
        listed: AsListed<'_>,
        uids: &[Uid],
        of: DigestOf,
    ) -> Result<Digests, Fault> {
        let mut uids = uids.to_vec();
        uids.sort_unstable();
        let wanted = uids.into_iter().map(|uid| Wanted { uid, size: 0 }).collect();
        self.begin_bodies(listed, wanted).await?;
        let known_to_lie = std::mem::replace(&mut self.bodies.size_lies, true);
        let mut digests = Digests::default();
        let mut open: Option<(Uid, Digester)> = None;
        loop {
            match self.advance_bodies().await? {
                BodyEvent::Whole { uid, octets } => {
                    let mut digester = Digester::new(of);
                    digester.update(&octets);
                    digests.insert(uid, digester.finish());
                }
                BodyEvent::Begin { uid, .. } => open = Some((uid, Digester::new(of))),
                BodyEvent::Chunk(octets) => {
                    if let Some((_, digester)) = &mut open {
                        digester.update(octets);
                    }
                }
                BodyEvent::End => {
                    if let Some((uid, digester)) = open.take() {
                        digests.insert(uid, digester.finish());
                    }
                }
                BodyEvent::Missing { uid, .. } => digests.insert_unavailable(uid),
                BodyEvent::Finished => break,
            }
        }
        self.bodies.size_lies = known_to_lie;
        Ok(digests)
    }
}

impl Bodies {
    fn next_group(&mut self) -> Vec<Wanted> {
        let mut group: Vec<Wanted> = Vec::new();
        let mut bytes = 0;
        let alone = self.attempt == Attempt::Second;
        while let Some(&next) = self.to_ask.front() {
            let size = u64::from(next.size);
            let full = group.len() >= GROUP_MESSAGES_MAX || bytes + size > GROUP_BYTES_MAX;
            if !group.is_empty() && (alone || full || size > WHOLE_BYTES_MAX) {
                break;
            }
            group.push(next);
            bytes += size;
            self.to_ask.pop_front();
            if size > WHOLE_BYTES_MAX {
                break;
            }
        }
        group
    }

    fn take_in(&mut self, event: Event<'_>) -> Step {
        match event {
            Event::LiteralBegin { head, octets } => {
                self.begin_literal(head_uid(head).and_then(Uid::new), octets)
            }
            Event::Chunk(octets) => match &mut self.literal {
                Literal::Gathered(gathered) => {
                    gathered.extend_from_slice(octets);
                    Step::GoOn
                }
                Literal::Streamed => Step::Chunk,
                Literal::PassedOver | Literal::None => Step::GoOn,
            },
            Event::LiteralEnd if matches!(self.literal, Literal::Streamed) => {
                self.literal = Literal::None;
                Step::End
            }
            Event::Untagged(Untagged::Fetch(fetch)) => {
                if let Some(question) = &mut self.question {
                    question.take_note(&fetch);
                }
                self.end_message(&fetch)
            }
            Event::Completed(completion) => {
                if let Some(question) = &mut self.question {
                    question.complete(&completion);
                }
                self.complete(&completion);
                Step::GoOn
            }
            _ => Step::GoOn,
        }
    }

    fn begin_literal(&mut self, uid: Option<Uid>, octets: u64) -> Step {
        if self.doubtful.is_some() {
            self.literal = Literal::PassedOver;
            return Step::GoOn;
        }
        // A FETCH for one message can only answer with that one.
        let alone =
            self.asked.front().filter(|asked| asked.left.len() == 1).map(|asked| asked.left[0].uid);
        if octets <= WHOLE_BYTES_MAX {
            self.literal =
                Literal::Gathered(Vec::with_capacity(usize::try_from(octets).unwrap_or(0)));
            return Step::GoOn;
        }
        let Some(wanted) = uid.or(alone).and_then(|uid| self.asked_for(uid)) else {
            self.literal = Literal::PassedOver;
            return Step::GoOn;
        };
        if self.surprises(wanted, octets) {
            self.doubtful = Some(Doubt { wanted, octets });
            self.literal = Literal::PassedOver;
            return Step::GoOn;
        }
        self.strike_off(wanted.uid);
        self.literal = Literal::Streamed;
        Step::Begin(wanted.uid, octets)
    }

    fn end_message(&mut self, fetch: &Fetch<'_>) -> Step {
        let gathered = match std::mem::take(&mut self.literal) {
            Literal::Gathered(octets) => Some(octets),
            _ => None,
        };
        let octets = match (&fetch.body, gathered) {
            (Some(Body::Streamed { .. }), Some(octets)) => octets,
            (Some(Body::Inline(octets)), _) => octets.to_vec(),
            _ => return Step::GoOn,
        };
        let alone =
            self.asked.front().filter(|asked| asked.left.len() == 1).map(|asked| asked.left[0].uid);
        let uid = fetch.uid.and_then(Uid::new).or(alone);
        let Some(wanted) =
            uid.and_then(|uid| self.asked_for(uid)).filter(|_| self.doubtful.is_none())
        else {
            return Step::GoOn;
        };
        if self.surprises(wanted, octets.len() as u64) {
            self.doubtful = Some(Doubt { wanted, octets: octets.len() as u64 });
            return Step::GoOn;
        }
        self.strike_off(wanted.uid);
        Step::Whole(wanted.uid, octets)
    }

    fn surprises(&self, wanted: Wanted, octets: u64) -> bool {
        !self.size_lies && u64::from(wanted.size) != octets && wanted.size != u32::MAX
    }

    fn asked_for(&self, uid: Uid) -> Option<Wanted> {
        self.asked.iter().flat_map(|asked| &asked.left).find(|wanted| wanted.uid == uid).copied()
    }

    fn strike_off(&mut self, uid: Uid) {
        for asked in &mut self.asked {
            if let Some(at) = asked.left.iter().position(|wanted| wanted.uid == uid) {
                asked.left.remove(at);
                return;
            }
        }
    }

    /// A FETCH ended: what it left out is asked for again; behind a doubt, all of it in order.
    fn complete(&mut self, completion: &Completion) {
        let Some(at) = self.asked.iter().position(|asked| asked.tag == completion.tag) else {
            return;
        };
        let Some(asked) = self.asked.remove(at) else { return };
        self.asked_bytes -= asked.bytes;
        if self.doubtful.is_some() {
            let mut rest = asked.left;
            rest.extend(self.to_ask.drain(..));
            rest.sort_unstable_by_key(|wanted| wanted.uid);
            self.to_ask = rest.into();
        } else {
            self.again.extend(asked.left);
        }
    }
}

enum Digester {
    Canonical(Box<Canonical>),
    Octets(Box<blake3::Hasher>),
}

impl Digester {
    fn new(of: DigestOf) -> Self {
        match of {
            DigestOf::CanonicalForm => Self::Canonical(Box::new(Canonical::new())),
            DigestOf::Octets => Self::Octets(Box::default()),
        }
    }

    fn update(&mut self, octets: &[u8]) {
        match self {
            Self::Canonical(canonical) => canonical.update(octets),
            Self::Octets(hasher) => {
                hasher.update(octets);
            }
        }
    }

    fn finish(self) -> Digest {
        match self {
            Self::Canonical(canonical) => canonical.finish(),
            Self::Octets(hasher) => {
                let mut digest = [0; 16];
                digest.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
                Digest(digest)
            }
        }
    }
}

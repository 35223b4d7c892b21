//! Fetching bodies: many messages in one FETCH, small ones handed on whole, large ones in
//! chunks as they come, in the order of their UIDs, and every UID asked for accounted for.

mod question;

use std::collections::VecDeque;

use mailferry_engine::canonical::Canonical;
use mailferry_engine::fault::{Fault, FaultKind};
use mailferry_engine::message::{Digest, Uid};
use mailferry_engine::name::MailboxName;
use mailferry_engine::pairing::Digests;
use mailferry_imap::command::Command;
use mailferry_imap::response::{Body, ConditionKind, Fetch, Untagged, head_uid};
use mailferry_imap::session::{Completion, Event, Tag};
use mailferry_imap::uid_set::UidSet;

use self::question::{Question, Resolved};
use super::messages::UID_SET_BYTES_MAX;
use super::{Access, ImapAccount, Selected};
use crate::contract::{AsListed, BodyEvent, DigestOf, Wanted};

/// Messages up to this size are handed on whole, larger ones in chunks.
const WHOLE_BYTES_MAX: u64 = 64 * 1024;
/// One FETCH asks for at most this many messages,
const GROUP_MESSAGES_MAX: usize = 2000;
/// in so many ranges of UIDs, so that the command stays below [`UID_SET_BYTES_MAX`],
const GROUP_RANGES_MAX: usize = UID_SET_BYTES_MAX / "4294967294:4294967295,".len();
/// and this many octets by their listed sizes: what a doubt makes us read in vain.
const GROUP_BYTES_MAX: u64 = 32 << 20;
/// FETCH commands in flight. One: a server may carry out two at the same time
/// (RFC 9051 §5.5), and Dovecot does when the first waits for us to read. Bodies would come
/// in another order than that of their UIDs.
const ASKED_COMMANDS_MAX: usize = 1;

/// Where a server tells the UID of a body (RFC 9051 §7.5.2 leaves it open).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum UidPlace {
    #[default]
    Unknown,
    /// Before the octets: large messages can be asked for together with others.
    Before,
    /// After them (pymap): a large message is asked for alone, so that its UID is known.
    After,
}

/// A FETCH in flight.
struct Asked {
    tag: Tag,
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

/// An EXAMINE whose answer is awaited; the first FETCH is sent behind it.
struct Opening {
    tag: Tag,
    opened: Selected,
    exists: Option<u64>,
    /// UIDVALIDITY of the listing.
    uid_validity: u32,
}

/// State of the bodies being fetched.
#[derive(Default)]
pub(super) struct Bodies {
    mailbox: Option<MailboxName>,
    opening: Option<Opening>,
    to_ask: VecDeque<Wanted>,
    asked: VecDeque<Asked>,
    /// Did not come at the first asking.
    again: Vec<Wanted>,
    attempt: Attempt,
    literal: Literal,
    /// The server's sizes are hints: it was asked, and the octets that came are the message.
    size_lies: bool,
    uid_place: UidPlace,
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
        let orderly = self.connection.session.quirks.keeps_order;
        let pipelined =
            orderly && !wanted.is_empty() && !self.is_open(listed.mailbox, Access::Read);
        let opening = if pipelined {
            Some(self.send_examine(listed)?)
        } else {
            self.open_as_listed(listed, Access::Read).await?;
            None
        };
        let (size_lies, mut uid_place) = (self.bodies.size_lies, self.bodies.uid_place);
        // Those servers tell it first; if one does not, what cannot be named is asked for again.
        if orderly && uid_place == UidPlace::Unknown {
            uid_place = UidPlace::Before;
        }
        self.bodies = Bodies {
            mailbox: Some(listed.mailbox.clone()),
            opening,
            to_ask: wanted.into(),
            size_lies,
            uid_place,
            ..Bodies::default()
        };
        Ok(())
    }

    fn send_examine(&mut self, listed: AsListed<'_>) -> Result<Opening, Fault> {
        self.selected = None;
        let command = self.open_command(listed.mailbox, Access::Read);
        let sent = self.connection.session.send(&command);
        let tag = sent.map_err(|error| self.broken(&error.into()))?;
        let opened = Selected::untold(listed.mailbox, Access::Read);
        Ok(Opening { tag, opened, exists: None, uid_validity: listed.uid_validity })
    }

    /// The answer to EXAMINE: nothing that follows is looked at unless the mailbox is the one that
    /// was listed. The FETCH behind it is under way, so a refusal is the end of this connection.
    fn end_opening(&mut self, completion: &Completion) -> Result<(), Fault> {
        let Some(opening) = self.bodies.opening.take() else { return Ok(()) };
        let mailbox = &opening.opened.mailbox;
        if !completion.is_ok() {
            return Err(self.fault(FaultKind::Select, completion.words()).in_mailbox(mailbox));
        }
        let Some(exists) = opening.exists else {
            let words = "EXAMINE did not tell how many messages there are";
            return Err(self.fault(FaultKind::ListingIncomplete, words).in_mailbox(mailbox));
        };
        if opening.opened.uid_validity != opening.uid_validity {
            return Err(self.renumbered(
                mailbox,
                opening.uid_validity,
                opening.opened.uid_validity,
            ));
        }
        self.selected = Some(Selected { exists, ..opening.opened });
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
            if let Some(opening) = &mut self.bodies.opening {
                match opening.take_in(event) {
                    Some(completion) => self.end_opening(&completion)?,
                    None => continue,
                }
                continue;
            }
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
        loop {
            let bodies = &mut self.bodies;
            if bodies.doubtful.is_some() || bodies.asked.len() >= ASKED_COMMANDS_MAX {
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
            let tag = self
                .connection
                .session
                .send(&command)
                .map_err(|error| self.broken(&error.into()))?;
            self.bodies.asked.push_back(Asked { tag, left: group });
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

impl Opening {
    fn take_in(&mut self, event: Event<'_>) -> Option<Completion> {
        match event {
            Event::Completed(completion) if completion.tag == self.tag => return Some(completion),
            Event::Untagged(Untagged::Exists(count)) => self.exists = Some(count),
            Event::Untagged(Untagged::Condition {
                kind: ConditionKind::Ok,
                code: Some(code),
                ..
            }) => self.opened.take_note(&code),
            _ => {}
        }
        None
    }
}

impl Bodies {
    fn next_group(&mut self) -> Vec<Wanted> {
        let mut group: Vec<Wanted> = Vec::new();
        let (mut bytes, mut ranges) = (0, 0);
        while let Some(&next) = self.to_ask.front() {
            let size = u64::from(next.size);
            let begins_range = group
                .last()
                .is_none_or(|last| last.uid.value().checked_add(1) != Some(next.uid.value()));
            let full = group.len() >= GROUP_MESSAGES_MAX
                || bytes + size > GROUP_BYTES_MAX
                || (begins_range && ranges >= GROUP_RANGES_MAX);
            let alone = self.attempt == Attempt::Second
                || (size > WHOLE_BYTES_MAX && self.uid_place != UidPlace::Before);
            if !group.is_empty() && (full || alone) {
                break;
            }
            group.push(next);
            bytes += size;
            ranges += usize::from(begins_range);
            self.to_ask.pop_front();
            if alone {
                break;
            }
        }
        group
    }

    fn take_in(&mut self, event: Event<'_>) -> Step {
        match event {
            Event::LiteralBegin { head, octets } => {
                let uid = head_uid(head).and_then(Uid::new);
                self.uid_place = if uid.is_some() { UidPlace::Before } else { UidPlace::After };
                self.begin_literal(uid, octets)
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

//! What became of messages that did not come, or came otherwise than listed: asked of the
//! server, step by step, since whoever waits for a body may stop waiting at any time.

use std::collections::{HashMap, VecDeque};

use mailferry_engine::fault::{Fault, FaultKind, Side};
use mailferry_engine::message::Uid;
use mailferry_imap::command::Command;
use mailferry_imap::response::Fetch;
use mailferry_imap::session::{Completion, Tag};
use mailferry_imap::uid_set::UidSet;

use super::super::ImapAccount;
use super::super::messages::UID_SET_BYTES_MAX;
use super::Wanted;
use super::flight::{Attempt, Doubt, Flight};

/// Which of some messages exist, and how long they are.
pub(super) struct Question {
    /// Still to be sent, one after the other: the NOOP before them lets the server notice what
    /// was expunged.
    commands: VecDeque<Command>,
    asked: Option<Tag>,
    sizes: HashMap<Uid, u64>,
    answer: Answer,
}

/// Whether the server answered all of it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Answer {
    Given,
    /// A message that was not told of may exist nevertheless.
    Refused,
}

/// What the server says of one message.
enum Said {
    Size(u64),
    Gone,
    Nothing,
}

/// What was to be done while no body was in flight.
pub(super) enum Resolved {
    /// Everything wanted has come or been told missing.
    All,
    /// Something; there may be more.
    Some,
    /// The server is being asked.
    Asking,
}

impl Question {
    fn about<'a>(wanted: impl IntoIterator<Item = &'a Wanted>) -> Self {
        let mut uids: Vec<u32> = wanted.into_iter().map(|wanted| wanted.uid.value()).collect();
        uids.sort_unstable();
        let mut commands = VecDeque::from([Command::new("NOOP")]);
        for set in UidSet::from_sorted(&uids).split(UID_SET_BYTES_MAX) {
            commands.push_back(
                Command::new("UID FETCH").sp().uid_set(&set).sp().raw("(UID RFC822.SIZE)"),
            );
        }
        Self { commands, asked: None, sizes: HashMap::new(), answer: Answer::Given }
    }

    pub(super) fn take_note(&mut self, fetch: &Fetch<'_>) {
        if let (Some(uid), Some(size)) = (fetch.uid.and_then(Uid::new), fetch.size) {
            self.sizes.insert(uid, size);
        }
    }

    pub(super) fn complete(&mut self, completion: &Completion) {
        if self.asked == Some(completion.tag) {
            self.asked = None;
            if !completion.is_ok() {
                self.answer = Answer::Refused;
            }
        }
    }

    fn said(&self, uid: Uid) -> Said {
        match (self.sizes.get(&uid), self.answer) {
            (Some(&size), _) => Said::Size(size),
            (None, Answer::Given) => Said::Gone,
            (None, Answer::Refused) => Said::Nothing,
        }
    }
}

impl ImapAccount {
    /// Nothing is in flight for the first mailbox: settles a doubt, asks again for what did not
    /// come, tells what is missing for good.
    pub(super) fn resolve(&mut self) -> Result<Resolved, Fault> {
        let Some(front) = self.bodies.flights.front_mut() else { return Ok(Resolved::All) };
        if let Some(question) = &mut front.question {
            if question.asked.is_some() {
                return Ok(Resolved::Asking);
            }
            let Some(command) = question.commands.pop_front() else {
                self.take_answer();
                return Ok(Resolved::Some);
            };
            let sent = self.connection.session.send(&command);
            let sent = sent.map_err(|error| super::super::broken(self.side, &error.into()))?;
            question.asked = Some(sent);
            return Ok(Resolved::Asking);
        }
        if let Some(doubt) = &front.doubtful {
            front.question = Some(Question::about([&doubt.wanted]));
        } else if !front.to_ask.is_empty() || !front.missing.is_empty() {
            // They come first.
        } else if front.again.is_empty() {
            return Ok(Resolved::All);
        } else if front.attempt == Attempt::First {
            front.attempt = Attempt::Second;
            front.to_ask = std::mem::take(&mut front.again).into();
        } else {
            front.question = Some(Question::about(&front.again));
        }
        Ok(Resolved::Some)
    }

    fn take_answer(&mut self) {
        let side = self.side;
        let Some(front) = self.bodies.flights.front_mut() else { return };
        let Some(question) = front.question.take() else { return };
        if let Some(doubt) = front.doubtful.take() {
            if settle_doubt(front, side, doubt, &question) == Sizes::Lie {
                self.bodies.size_lies = true;
            }
            return;
        }
        for wanted in std::mem::take(&mut front.again) {
            tell_missing(front, side, wanted.uid, &question.said(wanted.uid));
        }
    }
}

/// Whether the listed sizes of a server are those of its messages.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sizes {
    Hold,
    Lie,
}

/// A message whose length surprised: whether it is still there, and how long it is.
fn settle_doubt(flight: &mut Flight, side: Side, doubt: Doubt, question: &Question) -> Sizes {
    let uid = doubt.wanted.uid;
    match question.said(uid) {
        Said::Size(size) if size == doubt.octets => {
            for wanted in flight.to_ask.iter_mut().filter(|wanted| wanted.uid == uid) {
                wanted.size = u32::try_from(size).unwrap_or(u32::MAX);
            }
        }
        // It is there and its size is not what it says: what it delivers is the truth.
        Said::Size(_) => return Sizes::Lie,
        said => {
            flight.to_ask.retain(|wanted| wanted.uid != uid);
            tell_missing(flight, side, uid, &said);
        }
    }
    Sizes::Hold
}

fn tell_missing(flight: &mut Flight, side: Side, uid: Uid, said: &Said) {
    let (kind, words) = match said {
        Said::Size(_) => {
            (FaultKind::Fetch, "the server lists the message and does not deliver its body")
        }
        Said::Gone => (FaultKind::Expunged, "the message was removed while the run was under way"),
        Said::Nothing => (
            FaultKind::Fetch,
            "the server neither delivers the message nor says whether it is there",
        ),
    };
    let fault = Fault::new(side, kind, words).of_message(uid).in_mailbox(&flight.mailbox);
    flight.missing.push_back((uid, fault));
}

//! The bodies of one mailbox: what was asked for, what came, what is still to be asked.

use std::collections::VecDeque;

use mailferry_engine::fault::Fault;
use mailferry_engine::message::Uid;
use mailferry_engine::name::MailboxName;
use mailferry_imap::response::{ConditionKind, Untagged};
use mailferry_imap::session::{Completion, Event, Tag};

use super::super::Selected;
use super::super::messages::UID_SET_BYTES_MAX;
use super::question::Question;
use super::{UidPlace, WHOLE_BYTES_MAX};
use crate::contract::{AsListed, Wanted};

/// One FETCH asks for at most this many messages,
const GROUP_MESSAGES_MAX: usize = 2000;
/// in so many ranges of UIDs, so that the command stays below [`UID_SET_BYTES_MAX`],
const GROUP_RANGES_MAX: usize = UID_SET_BYTES_MAX / "4294967294:4294967295,".len();
/// and this many octets by their listed sizes: what a doubt makes us read in vain.
const GROUP_BYTES_MAX: u64 = 32 << 20;

/// The bodies of one mailbox, wanted and under way.
pub(super) struct Flight {
    pub(super) mailbox: MailboxName,
    /// UIDVALIDITY of the listing.
    uid_validity: u32,
    pub(super) stage: Stage,
    /// Not asked for yet, ascending.
    pub(super) to_ask: VecDeque<Wanted>,
    pub(super) asked: VecDeque<Asked>,
    /// Did not come at the first asking.
    pub(super) again: Vec<Wanted>,
    pub(super) attempt: Attempt,
    pub(super) doubtful: Option<Doubt>,
    pub(super) question: Option<Question>,
    pub(super) missing: VecDeque<(Uid, Fault)>,
    /// What was asked for behind it had to be recalled for its sake: once is enough.
    pub(super) troubled: bool,
}

/// Whether the mailbox is open.
pub(super) enum Stage {
    /// Nothing was sent for it.
    Waiting,
    /// EXAMINE was sent.
    Opening(Box<Opening>),
    /// Its messages can be asked for.
    Open,
    /// It is not the mailbox that was listed, or cannot be opened. What a FETCH brings that was
    /// sent behind its EXAMINE is passed over.
    Unavailable(Fault),
}

/// An EXAMINE whose answer is awaited.
pub(super) struct Opening {
    pub(super) tag: Tag,
    pub(super) opened: Selected,
    pub(super) exists: Option<u64>,
}

/// A FETCH in flight.
pub(super) struct Asked {
    pub(super) tag: Tag,
    left: VecDeque<Wanted>,
    /// By their listed sizes.
    left_octets: u64,
}

/// How often it was asked for what did not come.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Attempt {
    #[default]
    First,
    Second,
}

/// A body whose length is not the listed size. Courier sends a made-up message for one that
/// was expunged meanwhile; other servers list sizes that are simply wrong.
#[derive(Clone, Copy)]
pub(super) struct Doubt {
    pub(super) wanted: Wanted,
    pub(super) octets: u64,
}

impl Opening {
    /// Takes note of what the server tells; answers how it ended.
    pub(super) fn take_in(&mut self, event: Event<'_>) -> Option<Completion> {
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

impl Asked {
    pub(super) fn new(tag: Tag, group: VecDeque<Wanted>) -> Self {
        let left_octets = group.iter().map(|wanted| u64::from(wanted.size)).sum();
        Self { tag, left: group, left_octets }
    }
}

impl Flight {
    pub(super) fn new(listed: AsListed<'_>, stage: Stage, wanted: Vec<Wanted>) -> Self {
        Self {
            mailbox: listed.mailbox.clone(),
            uid_validity: listed.uid_validity,
            stage,
            to_ask: wanted.into(),
            asked: VecDeque::new(),
            again: Vec::new(),
            attempt: Attempt::First,
            doubtful: None,
            question: None,
            missing: VecDeque::new(),
            troubled: false,
        }
    }

    pub(super) fn as_listed(&self) -> AsListed<'_> {
        AsListed { mailbox: &self.mailbox, uid_validity: self.uid_validity }
    }

    /// Whether everything was asked for, and nothing but bodies is awaited.
    pub(super) fn is_all_asked(&self) -> bool {
        !self.troubled
            && self.to_ask.is_empty()
            && self.again.is_empty()
            && self.attempt == Attempt::First
            && self.doubtful.is_none()
            && self.question.is_none()
    }

    /// Whether everything has come or been told missing.
    pub(super) fn is_done(&self) -> bool {
        self.to_ask.is_empty()
            && self.again.is_empty()
            && self.doubtful.is_none()
            && self.question.is_none()
    }

    /// The octets that are still to come of what was asked for, by their listed sizes.
    pub(super) fn octets_to_come(&self) -> u64 {
        self.asked.iter().map(|asked| asked.left_octets).sum()
    }

    /// The tags of what is in flight for it.
    pub(super) fn tags(&self) -> impl Iterator<Item = Tag> {
        let opening = match &self.stage {
            Stage::Opening(opening) => Some(opening.tag),
            _ => None,
        };
        opening.into_iter().chain(self.asked.iter().map(|asked| asked.tag))
    }

    /// As if nothing had been asked for yet that did not come.
    pub(super) fn forget_asked(&mut self) {
        if !matches!(self.stage, Stage::Unavailable(_)) {
            self.stage = Stage::Waiting;
        }
        for asked in self.asked.drain(..).rev() {
            for wanted in asked.left.into_iter().rev() {
                self.to_ask.push_front(wanted);
            }
        }
    }

    /// What the next FETCH asks for.
    pub(super) fn next_group(&mut self, uid_place: UidPlace) -> VecDeque<Wanted> {
        let mut group: VecDeque<Wanted> = VecDeque::new();
        let (mut bytes, mut ranges) = (0, 0);
        while let Some(&next) = self.to_ask.front() {
            let size = u64::from(next.size);
            let begins_range = group
                .back()
                .is_none_or(|last| last.uid.value().checked_add(1) != Some(next.uid.value()));
            let full = group.len() >= GROUP_MESSAGES_MAX
                || bytes + size > GROUP_BYTES_MAX
                || (begins_range && ranges >= GROUP_RANGES_MAX);
            let alone = self.attempt == Attempt::Second
                || (size > WHOLE_BYTES_MAX && uid_place != UidPlace::Before);
            if !group.is_empty() && (full || alone) {
                break;
            }
            group.push_back(next);
            bytes += size;
            ranges += usize::from(begins_range);
            self.to_ask.pop_front();
            if alone {
                break;
            }
        }
        group
    }

    /// The only message that the next FETCH can answer with.
    pub(super) fn alone(&self) -> Option<Uid> {
        let asked = self.asked.front()?;
        (asked.left.len() == 1).then(|| asked.left[0].uid)
    }

    pub(super) fn asked_for(&self, uid: Uid) -> Option<Wanted> {
        self.asked.iter().flat_map(|asked| &asked.left).find(|wanted| wanted.uid == uid).copied()
    }

    pub(super) fn strike_off(&mut self, uid: Uid) {
        for asked in &mut self.asked {
            if let Some(at) = asked.left.iter().position(|wanted| wanted.uid == uid) {
                let gone = asked.left.remove(at);
                asked.left_octets -= gone.map_or(0, |wanted| u64::from(wanted.size));
                return;
            }
        }
    }

    /// A FETCH ended: what it left out is asked for again; behind a doubt, all of it in order.
    pub(super) fn complete(&mut self, completion: &Completion) {
        let Some(at) = self.asked.iter().position(|asked| asked.tag == completion.tag) else {
            return;
        };
        let Some(asked) = self.asked.remove(at) else { return };
        if self.doubtful.is_some() {
            let mut rest: Vec<Wanted> = asked.left.into();
            rest.extend(self.to_ask.drain(..));
            rest.sort_unstable_by_key(|wanted| wanted.uid);
            self.to_ask = rest.into();
        } else {
            self.again.extend(asked.left);
        }
    }
}

//! Fetching bodies: many messages in one FETCH, small ones handed on whole, large ones in
//! chunks as they come, in the order of their UIDs, and every UID asked for accounted for. Where
//! the server keeps the order of commands, the next mailboxes are asked for before the last body
//! of one has come.

mod digest;
mod flight;
mod question;

use std::collections::VecDeque;

use mailferry_engine::fault::{Fault, FaultKind};
use mailferry_engine::message::Uid;
use mailferry_imap::command::Command;
use mailferry_imap::compress::Compression;
use mailferry_imap::response::{Body, Fetch, Untagged, head_uid};
use mailferry_imap::session::{Completion, Event, Tag};
use mailferry_imap::uid_set::UidSet;

use self::flight::{Asked, Doubt, Flight, Opening, Stage};
use self::question::Resolved;
use super::throttle::throttled_by;
use super::{Access, ImapAccount, Selected, is_bad};
use crate::contract::{AsListed, BodyEvent, Wanted};

/// Messages up to this size are handed on whole, larger ones in chunks.
const WHOLE_BYTES_MAX: u64 = 64 * 1024;
/// FETCH commands in flight for one mailbox. One: a server may carry out two at the same time
/// (RFC 9051 §5.5), and Dovecot does when the first waits for us to read. Bodies would come
/// in another order than that of their UIDs.
const ASKED_COMMANDS_MAX: usize = 1;
/// Mailboxes asked for at the same time.
const FLIGHTS_MAX: usize = 8;
/// Another mailbox is asked for while no more than this is still to come: enough to fill a
/// second of a fast link, little to be read in vain where it must be asked for again.
const AHEAD_BYTES_MAX: u64 = 2 << 20;

/// What is said of a server that does not keep the order it was taken to keep.
const OUT_OF_ORDER: &str = "the server answered a command before one that was sent before it";

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
    /// The first delivers; what was asked for behind it comes behind it.
    flights: VecDeque<Flight>,
    literal: Literal,
    /// The server's sizes are hints: it was asked, and the octets that came are the message.
    size_lies: bool,
    uid_place: UidPlace,
    /// Commands whose answers are passed over: they will be asked again.
    recalled: Vec<Tag>,
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
    /// Takes a mailbox up behind those that are being fetched.
    pub(super) fn begin_bodies(&mut self, listed: AsListed<'_>, wanted: Vec<Wanted>) {
        // Those servers tell it first; if one does not, what cannot be named is asked for again.
        if self.connection.session.quirks.keeps_order && self.bodies.uid_place == UidPlace::Unknown
        {
            self.bodies.uid_place = UidPlace::Before;
        }
        let stage = match &self.selected {
            Some(now) if self.bodies.flights.is_empty() && now.is(listed.mailbox, Access::Read) => {
                match now.uid_validity {
                    validity if validity == listed.uid_validity => Stage::Open,
                    validity => Stage::Unavailable(self.renumbered(listed, validity)),
                }
            }
            _ => Stage::Waiting,
        };
        self.bodies.flights.push_back(Flight::new(listed, stage, wanted));
    }

    /// Whether another mailbox may be taken up now.
    pub(super) fn has_room_for_flight(&self) -> bool {
        let bodies = &self.bodies;
        let Some(last) = bodies.flights.back() else { return true };
        self.connection.session.quirks.keeps_order
            && *self.connection.compression() != Compression::Wanted
            && bodies.flights.len() < FLIGHTS_MAX
            && bodies.recalled.is_empty()
            && last.is_all_asked()
            && bodies.flights.iter().map(Flight::octets_to_come).sum::<u64>() <= AHEAD_BYTES_MAX
    }

    pub(super) async fn advance_bodies(&mut self) -> Result<BodyEvent<'_>, Fault> {
        let step = loop {
            if self.bodies.recalled.is_empty() {
                self.ask_ahead()?;
                let Some(front) = self.bodies.flights.front_mut() else {
                    return Ok(BodyEvent::Finished);
                };
                if let Some((uid, fault)) = front.missing.pop_front() {
                    return Ok(BodyEvent::Missing { uid, fault });
                }
                if front.asked.is_empty()
                    && let Some(ended) = self.end_or_resolve()?
                {
                    match ended {
                        Resolved::All => return Ok(self.end_front()),
                        Resolved::Some => continue,
                        Resolved::Asking => {}
                    }
                }
            }
            let result = self.connection.next().await;
            let event = result.map_err(|error| super::broken(self.side, &error))?;
            match self.bodies.take_in(event) {
                (Step::GoOn, None) => {}
                (Step::GoOn, Some(completion)) => self.take_completion(&completion)?,
                (step, _) => break step,
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

    /// Nothing more is asked for in the first mailbox: `None` while it is being opened.
    fn end_or_resolve(&mut self) -> Result<Option<Resolved>, Fault> {
        match self.bodies.flights.front().map(|front| &front.stage) {
            Some(Stage::Unavailable(_)) | None => Ok(Some(Resolved::All)),
            Some(Stage::Waiting | Stage::Opening(_)) => Ok(None),
            Some(Stage::Open) => {
                let mut others = self.bodies.flights.iter().skip(1);
                let asked_ahead = others.any(|flight| flight.tags().next().is_some());
                let done = self.bodies.flights.front().is_none_or(Flight::is_done);
                if asked_ahead && !done {
                    // It is to be asked again, and another mailbox will be open by then.
                    self.recall();
                    return Ok(Some(Resolved::Some));
                }
                self.resolve().map(Some)
            }
        }
    }

    fn end_front(&mut self) -> BodyEvent<'static> {
        match self.bodies.flights.pop_front().map(|front| front.stage) {
            Some(Stage::Unavailable(fault)) => BodyEvent::Unavailable { fault },
            _ => BodyEvent::Finished,
        }
    }

    /// What was asked for is asked for again, once its answers were passed over.
    fn recall(&mut self) {
        let Bodies { flights, recalled, .. } = &mut self.bodies;
        for flight in flights {
            recalled.extend(flight.tags());
            flight.forget_asked();
        }
        if let Some(front) = self.bodies.flights.front_mut() {
            front.troubled = true;
        }
        self.selected = None;
    }

    /// Sends what can be sent for the mailboxes that were taken up.
    pub(super) fn ask_ahead(&mut self) -> Result<(), Fault> {
        let orderly = self.connection.session.quirks.keeps_order;
        for at in 0..self.bodies.flights.len() {
            if matches!(self.bodies.flights[at].stage, Stage::Waiting) {
                let opening = self.send_examine(at)?;
                self.bodies.flights[at].stage = Stage::Opening(Box::new(opening));
            }
            let flight = &self.bodies.flights[at];
            let may_ask = match &flight.stage {
                Stage::Open => true,
                Stage::Opening(_) => orderly,
                Stage::Waiting | Stage::Unavailable(_) => false,
            };
            if may_ask {
                self.ask_more(at)?;
            }
            let flight = &self.bodies.flights[at];
            let ended = matches!(flight.stage, Stage::Unavailable(_));
            // Another mailbox may be opened only behind the last FETCH of this one.
            if !orderly || !(ended || flight.is_all_asked()) {
                return Ok(());
            }
        }
        Ok(())
    }

    fn send_examine(&mut self, at: usize) -> Result<Opening, Fault> {
        self.selected = None;
        let mailbox = self.bodies.flights[at].mailbox.clone();
        let command = self.open_command(&mailbox, Access::Read);
        let sent = self.connection.session.send(&command);
        let tag = sent.map_err(|error| self.broken(&error.into()))?;
        Ok(Opening { tag, opened: Selected::untold(&mailbox, Access::Read), exists: None })
    }

    fn ask_more(&mut self, at: usize) -> Result<(), Fault> {
        loop {
            let uid_place = self.bodies.uid_place;
            let flight = &mut self.bodies.flights[at];
            if flight.doubtful.is_some() || flight.asked.len() >= ASKED_COMMANDS_MAX {
                return Ok(());
            }
            let group = flight.next_group(uid_place);
            if group.is_empty() {
                return Ok(());
            }
            let uids: Vec<u32> = group.iter().map(|wanted| wanted.uid.value()).collect();
            let set = UidSet::from_sorted(&uids);
            let items = match self.connection.session.quirks.truncates_bodies {
                true => "(UID RFC822)",
                false => "(UID BODY.PEEK[])",
            };
            let command = Command::new("UID FETCH").sp().uid_set(&set).sp().raw(items);
            let sent = self.connection.session.send(&command);
            let tag = sent.map_err(|error| self.broken(&error.into()))?;
            self.bodies.flights[at].asked.push_back(Asked::new(tag, group));
        }
    }

    /// A command ended.
    fn take_completion(&mut self, completion: &Completion) -> Result<(), Fault> {
        if let Some(fault) = throttled_by(self.side, completion) {
            return Err(fault);
        }
        let bodies = &mut self.bodies;
        if let Some(at) = bodies.recalled.iter().position(|&tag| tag == completion.tag) {
            bodies.recalled.swap_remove(at);
            return Ok(());
        }
        if bodies
            .flights
            .iter()
            .skip(1)
            .any(|flight| flight.tags().any(|tag| tag == completion.tag))
        {
            return Err(self.fault(FaultKind::Protocol, OUT_OF_ORDER));
        }
        let Some(front) = bodies.flights.front_mut() else { return Ok(()) };
        if let Stage::Opening(opening) = &mut front.stage {
            if opening.tag == completion.tag {
                self.end_opening(completion);
            } else if front.asked.iter().any(|asked| asked.tag == completion.tag) {
                return Err(self.fault(FaultKind::Protocol, OUT_OF_ORDER));
            }
            return Ok(());
        }
        if let Some(question) = &mut front.question {
            question.complete(completion);
        }
        front.complete(completion);
        Ok(())
    }

    /// The answer to EXAMINE: nothing that follows is looked at unless the mailbox is the one that
    /// was listed.
    fn end_opening(&mut self, completion: &Completion) {
        let Some(front) = self.bodies.flights.front_mut() else { return };
        let Stage::Opening(opening) = std::mem::replace(&mut front.stage, Stage::Waiting) else {
            return;
        };
        if is_bad(completion) && self.tells_modseq() {
            self.connection.session.quirks.no_condstore_parameter = true;
            self.recall();
            return;
        }
        let Opening { opened, exists, .. } = *opening;
        let mailbox = opened.mailbox.clone();
        let listed = self.bodies.flights.front().map(Flight::as_listed);
        let fault = if !completion.is_ok() {
            Some(self.fault(FaultKind::Select, completion.words()).in_mailbox(&mailbox))
        } else if exists.is_none() {
            let words = "EXAMINE did not tell how many messages there are";
            Some(self.fault(FaultKind::ListingIncomplete, words).in_mailbox(&mailbox))
        } else {
            let renumbered = listed.filter(|listed| listed.uid_validity != opened.uid_validity);
            renumbered.map(|listed| self.renumbered(listed, opened.uid_validity))
        };
        // Where the next mailbox is being opened already, this one is not open for long.
        let is_last = self.bodies.flights.iter().skip(1).all(|it| it.tags().next().is_none());
        self.selected = None;
        let stage = match fault {
            Some(fault) => Stage::Unavailable(fault),
            None => {
                if is_last {
                    self.selected = Some(Selected { exists: exists.unwrap_or(0), ..opened });
                }
                Stage::Open
            }
        };
        if let Some(front) = self.bodies.flights.front_mut() {
            front.stage = stage;
        }
    }
}

impl Bodies {
    /// Takes an event in; a completion is handed back to be looked at.
    fn take_in(&mut self, event: Event<'_>) -> (Step, Option<Completion>) {
        if let Event::Completed(completion) = event {
            return (Step::GoOn, Some(completion));
        }
        let front = self.flights.front_mut().filter(|_| self.recalled.is_empty());
        match front.map(|front| &mut front.stage) {
            Some(Stage::Opening(opening)) => {
                opening.take_in(event);
                return (Step::GoOn, None);
            }
            None | Some(Stage::Unavailable(_) | Stage::Waiting) => return (Step::GoOn, None),
            Some(Stage::Open) => {}
        }
        let step = match event {
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
                if let Some(question) =
                    self.flights.front_mut().and_then(|front| front.question.as_mut())
                {
                    question.take_note(&fetch);
                }
                self.end_message(&fetch)
            }
            _ => Step::GoOn,
        };
        (step, None)
    }

    fn begin_literal(&mut self, uid: Option<Uid>, octets: u64) -> Step {
        let Some(front) = self.flights.front_mut() else { return Step::GoOn };
        if front.doubtful.is_some() {
            self.literal = Literal::PassedOver;
            return Step::GoOn;
        }
        if octets <= WHOLE_BYTES_MAX {
            self.literal =
                Literal::Gathered(Vec::with_capacity(usize::try_from(octets).unwrap_or(0)));
            return Step::GoOn;
        }
        // A FETCH for one message can only answer with that one.
        let Some(wanted) = uid.or(front.alone()).and_then(|uid| front.asked_for(uid)) else {
            self.literal = Literal::PassedOver;
            return Step::GoOn;
        };
        if surprises(self.size_lies, wanted, octets) {
            front.doubtful = Some(Doubt { wanted, octets });
            self.literal = Literal::PassedOver;
            return Step::GoOn;
        }
        front.strike_off(wanted.uid);
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
        let Some(front) = self.flights.front_mut().filter(|front| front.doubtful.is_none()) else {
            return Step::GoOn;
        };
        let uid = fetch.uid.and_then(Uid::new).or(front.alone());
        let Some(wanted) = uid.and_then(|uid| front.asked_for(uid)) else { return Step::GoOn };
        if surprises(self.size_lies, wanted, octets.len() as u64) {
            front.doubtful = Some(Doubt { wanted, octets: octets.len() as u64 });
            return Step::GoOn;
        }
        front.strike_off(wanted.uid);
        Step::Whole(wanted.uid, octets)
    }
}

fn surprises(size_lies: bool, wanted: Wanted, octets: u64) -> bool {
    !size_lies && u64::from(wanted.size) != octets && wanted.size != u32::MAX
}

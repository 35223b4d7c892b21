//! Listing several mailboxes on one connection, with as few round trips as the server permits,
//! and with what an earlier run knew (`docs/design/state.md`).
//!
//! This is the short way, for mailboxes where everything fits together. Where anything does not
//! (a refused command, a count that is another one, flags that were not told), the mailbox is
//! listed alone, by [`super::messages`], which asks until it knows.

use std::collections::VecDeque;

use mailferry_engine::fault::{Fault, FaultKind, Scope, Side};
use mailferry_engine::identity::KeyRule;
use mailferry_engine::listing::{MessageListing, SIZE_UNKNOWN, View};
use mailferry_engine::message::{InternalDate, Uid};
use mailferry_imap::command::Command;
use mailferry_imap::response::{ConditionKind, Fetch, Untagged};
use mailferry_imap::session::{Completion, Event, Tag};
use mailferry_imap::uid_set::UidSet;

use super::messages::{FlagNews, HEADER_BYTES_MAX, SearchAnswer, date, flags, row, row_items};
use super::{Access, ImapAccount, Selected};
use crate::contract::{DatesAsked, ListRequest, Listed, Origin, TellListed};

/// Mailboxes that were opened and are not listed to their end. Only where the server keeps
/// the order of commands, else one.
const MAILBOXES_IN_FLIGHT_MAX: usize = 64;

/// What can change of a message that is known, and what is not known of a copy of ours.
const ALL_BUT_KEYS: &str = "(UID FLAGS INTERNALDATE RFC822.SIZE)";

/// One command of those that list a mailbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// EXAMINE.
    Open,
    /// Everything of every message.
    Rows,
    /// The flags of all messages.
    Flags,
    /// All but the keys of all messages: some are copies of ours, of which nothing else is known.
    AllButKeys,
    /// The same of the messages that changed since this mod-sequence (RFC 7162 §3.1.4).
    Changed(u64),
    /// Everything of the messages from this UID on.
    New(u32),
    /// Which messages there are.
    Present,
    /// Which are selected.
    Chosen,
}

/// A mailbox that is being listed.
struct Flight {
    at: usize,
    request: ListRequest,
    opened: Selected,
    exists: Option<u64>,
    open: Open,
    mod_sequences: ModSequences,
    to_send: VecDeque<Step>,
    sent: Vec<(Step, Tag)>,
    /// What is known, then what is new.
    listing: MessageListing,
    known_rows: usize,
    /// Which of the known messages were told of, where all are.
    told: Vec<bool>,
    flags: FlagNews,
    /// The mod-sequence that the flags are of, where they are not asked for.
    flags_of: Option<u64>,
    long_header: Option<Vec<u8>>,
    answer: SearchAnswer,
    present: Option<UidSet>,
    chosen: Option<UidSet>,
    fault: Option<Fault>,
    /// Something does not fit: the mailbox is listed again, alone.
    doubt: Option<Doubtful>,
}

struct Doubtful;

/// Whether the server tells HIGHESTMODSEQ on opening a mailbox.
#[derive(Clone, Copy, PartialEq, Eq)]
enum ModSequences {
    Told,
    None,
}

/// Whether the answer to EXAMINE came, and whether the steps behind it were sent before.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Open {
    /// Not yet; the steps follow from what STATUS told.
    Foreseen,
    /// Not yet; the steps follow from the answer.
    Awaited,
    Answered,
}

enum Judged {
    Listed(Box<Listed>),
    Again,
    Fault(Fault),
}

impl ImapAccount {
    pub(super) async fn list_all(
        &mut self,
        requests: Vec<ListRequest>,
        keys: &KeyRule,
        tell: &mut TellListed<'_>,
    ) -> Result<(), Fault> {
        let shown_max = self.connection.session.quirks.view_messages_max;
        let tell = &mut |at: usize, listed: Result<Listed, Fault>| {
            tell(at, listed.map(|listed| seen_through(listed, shown_max)));
        };
        let mut waiting = VecDeque::new();
        for (at, request) in requests.into_iter().enumerate() {
            let mut request = self.trusted(request);
            if is_unchanged(&request)
                && let Some(mut listing) = request.known.take()
            {
                listing.selected = vec![true; listing.len()];
                tell(at, Ok(Listed { listing, origin: Origin::Unchanged }));
            } else {
                waiting.push_back((at, request));
            }
        }
        let mut again = Vec::new();
        let mut flights: VecDeque<Flight> = VecDeque::new();
        loop {
            self.take_off(&mut waiting, &mut flights);
            for flight in &mut flights {
                self.send_steps(flight, keys)?;
                // Behind the EXAMINE of the next mailbox its commands would be about that one.
                if !flight.is_sent() {
                    break;
                }
            }
            let Some(first) = flights.front_mut() else { break };
            let event = self.connection.next().await;
            let event = event.map_err(|error| super::broken(self.side, &error))?;
            if let Event::Completed(completion) = &event
                && let Some(fault) = super::throttled_by(self.side, completion)
            {
                return Err(fault);
            }
            first.take_in(event, self.side, keys);
            while let Some(landed) = flights.pop_front_if(|first| first.is_done()) {
                let at = landed.at;
                self.selected = landed.fault.is_none().then(|| landed.opened.clone());
                let request = landed.request.clone();
                match landed.judge() {
                    Judged::Listed(listed) => tell(at, Ok(*listed)),
                    Judged::Fault(fault) => tell(at, Err(fault)),
                    Judged::Again => again.push((at, request)),
                }
            }
        }
        for (at, request) in again {
            let listed = self.list_messages(&request.mailbox, &request.selection, keys).await;
            match listed.map_err(|fault| fault.in_mailbox(&request.mailbox)) {
                Ok(listing) => tell(at, Ok(Listed { listing, origin: Origin::Told })),
                Err(fault) if fault.scope <= Scope::Mailbox => tell(at, Err(fault)),
                Err(fault) => return Err(fault),
            }
        }
        Ok(())
    }

    /// The request without what an earlier run knew, unless that still holds.
    fn trusted(&self, request: ListRequest) -> ListRequest {
        let reused = self.connection.session.quirks.uidvalidity_reused;
        let is_dated = |known: &MessageListing| known.date.iter().all(|date| date.is_asked());
        let holds = |known: &MessageListing| {
            let suffices = request.dates == DatesAsked::Later || is_dated(known);
            !reused && suffices && known.mark().holds_at(&request.now)
        };
        let known = request.known.filter(holds);
        ListRequest { known, ..request }
    }

    /// Opens more mailboxes.
    fn take_off(
        &self,
        waiting: &mut VecDeque<(usize, ListRequest)>,
        flights: &mut VecDeque<Flight>,
    ) {
        let orderly = self.connection.session.quirks.keeps_order;
        let flights_max = if orderly { MAILBOXES_IN_FLIGHT_MAX } else { 1 };
        while flights.len() < flights_max
            && let Some((at, request)) = waiting.pop_front()
        {
            let mod_sequences =
                if self.tells_modseq() { ModSequences::Told } else { ModSequences::None };
            let open = match request.now.messages {
                Some(_) if orderly => Open::Foreseen,
                _ => Open::Awaited,
            };
            flights.push_back(Flight::new(at, request, open, mod_sequences));
        }
    }

    fn send_steps(&mut self, flight: &mut Flight, keys: &KeyRule) -> Result<(), Fault> {
        let orderly = self.connection.session.quirks.keeps_order;
        while let Some(&step) = flight.to_send.front() {
            let searching = flight.sent.iter().any(|(step, _)| *step == Step::Present);
            let must_wait =
                (step == Step::Chosen && searching) || (!orderly && !flight.sent.is_empty());
            if must_wait {
                return Ok(());
            }
            flight.to_send.pop_front();
            let command = match step {
                Step::Open => self.open_command(&flight.request.mailbox, Access::Read),
                Step::Present => self.search_command(b"ALL"),
                Step::Chosen => {
                    self.search_command(flight.request.selection.0.as_deref().unwrap_or(b"ALL"))
                }
                Step::Rows => fetch("1:*").raw(&row_items(keys, flight.request.dates)),
                Step::New(first) => {
                    fetch(&format!("{first}:*")).raw(&row_items(keys, flight.request.dates))
                }
                Step::Flags => fetch("1:*").raw("(UID FLAGS)"),
                Step::AllButKeys => fetch("1:*").raw(ALL_BUT_KEYS),
                Step::Changed(since) => {
                    fetch("1:*").raw(&format!("{ALL_BUT_KEYS} (CHANGEDSINCE {since})"))
                }
            };
            let sent = self.connection.session.send(&command);
            let tag = sent.map_err(|error| self.broken(&error.into()))?;
            flight.sent.push((step, tag));
        }
        Ok(())
    }
}

/// A mailbox of as many messages as the server shows may have more.
fn seen_through(mut listed: Listed, shown_max: Option<u32>) -> Listed {
    let full = |most: &u32| listed.listing.len() >= *most as usize;
    listed.listing.view = shown_max.filter(full).map_or(View::Whole, View::Newest);
    listed
}

fn fetch(set: &str) -> Command {
    Command::new("UID FETCH").sp().raw(set).sp()
}

/// Whether STATUS tells that the mailbox is as an earlier run listed it. One that is empty has no
/// flags that could have changed.
fn is_unchanged(request: &ListRequest) -> bool {
    request.selection.0.is_none()
        && request.known.as_ref().is_some_and(|listing| {
            let known = listing.mark();
            (known.unchanged(&request.now) && !awaits_attributes(listing))
                || (listing.is_empty() && known.same_messages(&request.now))
        })
}

/// Whether a message is known only by its key, as copies are that an earlier run made.
fn awaits_attributes(listing: &MessageListing) -> bool {
    listing.size.contains(&SIZE_UNKNOWN)
}

impl Flight {
    fn new(at: usize, mut request: ListRequest, open: Open, mod_sequences: ModSequences) -> Self {
        let opened = Selected::untold(&request.mailbox, Access::Read);
        let listing = request.known.take().unwrap_or_default();
        let mut flight = Self {
            at,
            request,
            opened,
            exists: None,
            open,
            mod_sequences,
            to_send: VecDeque::from([Step::Open]),
            sent: Vec::new(),
            known_rows: listing.len(),
            listing,
            told: Vec::new(),
            flags: FlagNews::default(),
            flags_of: None,
            long_header: None,
            answer: SearchAnswer::default(),
            present: None,
            chosen: None,
            fault: None,
            doubt: None,
        };
        if open == Open::Foreseen {
            flight.plan_steps();
        }
        flight
    }

    /// Nothing is sent, and nothing is to be answered any more.
    fn is_done(&self) -> bool {
        self.open == Open::Answered && self.to_send.is_empty() && self.sent.is_empty()
    }

    /// Whether all that it takes was sent.
    fn is_sent(&self) -> bool {
        self.open != Open::Awaited && self.to_send.is_empty()
    }

    /// What has to be asked of the mailbox, by what is known of its state now.
    fn plan_steps(&mut self) {
        let (now, known) = (&self.request.now, self.listing.mark());
        // `FETCH 1:*` in an empty mailbox is BAD on Dovecot, NO on Cyrus.
        if now.messages == Some(0) {
            self.forget();
            return;
        }
        if self.known_rows == 0 {
            self.to_send.push_back(Step::Rows);
        } else {
            let kept = self.mod_sequences == ModSequences::Told && now.highest_modseq != 0;
            let tracked = kept && known.highest_modseq != 0;
            let same_messages = known.same_messages(now);
            if known.unchanged(now) && !awaits_attributes(&self.listing) {
                self.flags_of = Some(known.highest_modseq);
            } else {
                let tracked = tracked && !known.unchanged(now);
                self.to_send.push_back(match known.highest_modseq {
                    since if tracked => Step::Changed(since),
                    _ if awaits_attributes(&self.listing) => Step::AllButKeys,
                    _ => Step::Flags,
                });
                self.told = if tracked { Vec::new() } else { vec![false; self.known_rows] };
            }
            if !same_messages && known.uid_next != now.uid_next {
                self.to_send.push_back(Step::New(known.uid_next.max(1)));
            }
            if !same_messages && tracked {
                self.to_send.push_back(Step::Present);
            }
        }
        if self.request.selection.0.is_some() {
            self.to_send.push_back(Step::Chosen);
        }
    }

    /// Goes on without what an earlier run knew.
    fn forget(&mut self) {
        self.listing = MessageListing::default();
        self.known_rows = 0;
    }

    fn take_in(&mut self, event: Event<'_>, side: Side, keys: &KeyRule) {
        match event {
            Event::Completed(completion) => self.complete(&completion, side),
            Event::LiteralBegin { .. } => self.long_header = Some(Vec::new()),
            Event::Chunk(octets) => {
                if let Some(header) =
                    self.long_header.as_mut().filter(|header| header.len() < HEADER_BYTES_MAX)
                {
                    header.extend_from_slice(octets);
                }
            }
            Event::Untagged(Untagged::Fetch(fetch)) => self.take_row(&fetch, keys),
            Event::Untagged(Untagged::Exists(count)) => {
                // A message that arrives now is listed next time.
                self.exists = Some(self.exists.map_or(count, |exists| exists.min(count)));
            }
            Event::Untagged(Untagged::Expunge(_)) => {
                self.exists = self.exists.map(|exists| exists.saturating_sub(1));
            }
            Event::Untagged(Untagged::Condition {
                kind: ConditionKind::Ok,
                code: Some(code),
                ..
            }) if self.open != Open::Answered => self.opened.take_note(&code),
            Event::Untagged(data) => self.answer.take_note(&data),
            _ => {}
        }
    }

    fn take_row(&mut self, fetch: &Fetch<'_>, keys: &KeyRule) {
        let header = self.long_header.take();
        let has_header = header.is_some() || fetch.header_fields.is_some();
        let mut row = row(fetch, header, keys, &mut self.listing);
        if let Some(row) = &mut row
            && self.request.dates == DatesAsked::Later
            && fetch.internal_date.is_none()
        {
            row.date = InternalDate::NOT_ASKED;
        }
        let uid = fetch.uid.and_then(Uid::new);
        let known =
            uid.and_then(|uid| self.listing.uid[..self.known_rows].binary_search(&uid).ok());
        if let Some(at) = known {
            self.take_known_row(at, fetch);
            return;
        }
        // Without its header this is no listing of a message, but an answer about known ones
        // that tells of others, too: it would stand there without its key.
        let row = row.filter(|_| has_header || self.known_rows == 0);
        self.flags.take_note(fetch, row.as_ref(), &mut self.listing);
        if let Some(row) = row {
            self.listing.push(row);
        }
    }

    /// What a UID stands for never changes (RFC 9051 §2.3.1.1), so its key stays. A message that
    /// has another size and another date, or a date that was not known, or a copy of ours that has
    /// another date than it was given, is not the one that was known.
    fn take_known_row(&mut self, at: usize, fetch: &Fetch<'_>) {
        if let Some(size) = fetch.size {
            let size = u32::try_from(size).unwrap_or(SIZE_UNKNOWN);
            let (known_size, known_date) = (self.listing.size[at], self.listing.date[at]);
            let date = if fetch.internal_date.is_some() { date(fetch) } else { known_date };
            let other_date = !known_date.is_asked()
                || (known_date.is_known() && date.instant() != known_date.instant());
            if size != known_size && other_date {
                self.doubt = Some(Doubtful);
            }
            (self.listing.size[at], self.listing.date[at]) = (size, date);
        }
        if fetch.flags.is_some() {
            self.listing.flags[at] = flags(fetch, &mut self.listing.flag_table);
            if let Some(told) = self.told.get_mut(at) {
                *told = true;
            }
        }
    }

    fn complete(&mut self, completion: &Completion, side: Side) {
        let Some(at) = self.sent.iter().position(|(_, tag)| *tag == completion.tag) else {
            return;
        };
        let (step, _) = self.sent.remove(at);
        match step {
            Step::Open => self.complete_open(completion, side),
            Step::Present | Step::Chosen => {
                let found = std::mem::take(&mut self.answer).found(completion);
                let found = found.map(|uids| UidSet::from_sorted(&uids));
                match (found, step) {
                    (Ok(found), Step::Present) => self.present = Some(found),
                    (Ok(found), _) => self.chosen = Some(found),
                    (Err(_), _) => self.doubt = Some(Doubtful),
                }
            }
            Step::Rows | Step::Flags | Step::AllButKeys | Step::Changed(_) | Step::New(_) => {
                if !completion.is_ok() {
                    self.doubt = Some(Doubtful);
                }
            }
        }
    }

    fn complete_open(&mut self, completion: &Completion, side: Side) {
        let foreseen = std::mem::replace(&mut self.open, Open::Answered) == Open::Foreseen;
        if !completion.is_ok() {
            self.to_send.clear();
            // BAD may be our fault: the long way tries without what was new about it.
            if super::is_bad(completion) {
                self.doubt = Some(Doubtful);
            } else {
                let fault = Fault::new(side, FaultKind::Select, completion.words());
                self.fault = Some(fault.in_mailbox(&self.request.mailbox));
            }
            return;
        }
        let Some(exists) = self.exists else {
            self.to_send.clear();
            self.doubt = Some(Doubtful);
            return;
        };
        self.opened.exists = exists;
        let opened = self.opened.mark();
        if !foreseen {
            self.request.now = opened;
            if self.known_rows > 0 && !self.listing.mark().holds_at(&self.request.now) {
                self.forget();
            }
            self.plan_steps();
            return;
        }
        // The steps were chosen by what STATUS told.
        let now = &self.request.now;
        let as_foreseen = match self.known_rows {
            0 => (opened.messages == Some(0)) == (now.messages == Some(0)),
            _ => now.same_messages(&opened),
        };
        if !as_foreseen {
            self.doubt = Some(Doubtful);
        }
    }

    fn judge(mut self) -> Judged {
        if let Some(fault) = self.fault {
            return Judged::Fault(fault);
        }
        self.flags.apply(&mut self.listing);
        let Some(exists) = self.exists else { return Judged::Again };
        if self.doubt.is_some() || !self.flags.untold.is_empty() {
            return Judged::Again;
        }
        let origin = if self.known_rows > 0 { Origin::Refreshed } else { Origin::Told };
        let gone: Vec<Uid> = self
            .listing
            .uid
            .iter()
            .zip(&self.told)
            .filter(|(_, told)| !**told)
            .map(|(uid, _)| *uid)
            .collect();
        self.listing.retain(|uid| gone.binary_search(&uid).is_err());
        if let Some(present) = &self.present {
            self.listing.retain(|uid| present.contains(uid.value()));
        }
        self.listing.sort();
        if self.listing.len() as u64 != exists || awaits_attributes(&self.listing) {
            return Judged::Again;
        }
        let mut listing = self.listing;
        listing.selected = match &self.chosen {
            Some(chosen) => listing.uid.iter().map(|uid| chosen.contains(uid.value())).collect(),
            None => vec![true; listing.len()],
        };
        listing.uid_validity = self.opened.uid_validity;
        listing.uid_next = self.opened.uid_next;
        listing.highest_modseq = self.flags_of.unwrap_or(self.opened.highest_modseq);
        listing.mailbox_id = self.opened.mailbox_id;
        Judged::Listed(Box::new(Listed { listing, origin }))
    }
}

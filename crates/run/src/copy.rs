//! Copying messages: bodies come from the source, go to the target, and a body is never held
//! whole unless it is small, or rules about content have to see it.

use std::collections::HashSet;

use mailferry_engine::fault::{Fault, FaultKind, Side};
use mailferry_engine::message::{FlagSet, InternalDate, Uid};
use mailferry_store::contract::{BodyEvent, Envelope, LiteralForm, Target};

use crate::spool::Reading;
use crate::transform::work::{Gathered, Prepared};

/// A prepared message up to this goes whole, so that it can be sent again without being made anew.
const WHOLE_OCTETS_MAX: u64 = 64 * 1024;

/// A header block longer than this is taken as it is: it has its identity headers early or
/// not at all.
pub(crate) const HEADER_BYTES_MAX: usize = 64 * 1024;

/// One message to copy.
#[derive(Clone, Debug)]
pub struct Order {
    /// The source's UID.
    pub uid: Uid,
    /// Listed size in octets.
    pub size: u32,
    /// Flags to set on the copy.
    pub flags: FlagSet,
    /// INTERNALDATE to set.
    pub date: InternalDate,
    /// Whether a Message-Id is to be added if there are no identity headers.
    pub header: AddHeader,
}

/// imapsync's `--addheader`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AddHeader {
    /// The message goes as it is.
    Never,
    /// `Message-Id: <UID@imapsync>` is put before a message that has neither Message-Id nor
    /// Received.
    IfUnidentified,
}

/// The message that is being streamed.
enum Open {
    Nothing,
    /// Its first octets are looked at before its length is announced.
    Header {
        envelope: Envelope,
        octets: u64,
        seen: Vec<u8>,
    },
    Streaming,
    /// It is gathered for the rules about content.
    Gathering(Gathered),
    /// It is whole, and waits for the rules.
    Gathered(Gathered),
    /// The rules are at work on it, or the rest of it is not wanted.
    Away,
    /// What they made of it is handed over.
    Handing(Reading),
}

/// How the messages of a feed go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Passage {
    /// As they come.
    Straight,
    /// By way of the rules about content.
    ByRules,
}

/// The messages of one source mailbox on their way from a source to a target.
pub(crate) struct Feed {
    /// By which the outcomes are known.
    ticket: usize,
    /// Ascending by UID.
    orders: Vec<Order>,
    passage: Passage,
    open: Open,
    /// A message that cannot be gone over, and why.
    lost: Option<(Uid, Fault)>,
    /// Which of the orders were handed over.
    handed: Vec<bool>,
    /// The highest UID handed over so far.
    highest: Option<Uid>,
    /// Those that came from the source behind a higher one, having been asked for again.
    late: HashSet<Uid>,
}

impl Feed {
    pub(crate) fn new(ticket: usize, orders: Vec<Order>, passage: Passage) -> Self {
        let handed = vec![false; orders.len()];
        let (open, lost, highest, late) = (Open::Nothing, None, None, HashSet::new());
        Self { ticket, orders, passage, open, lost, handed, highest, late }
    }

    pub(crate) fn orders(&self) -> &[Order] {
        &self.orders
    }

    /// The place of a message among the orders.
    pub(crate) fn position(&self, uid: Uid) -> Option<usize> {
        self.orders.binary_search_by_key(&uid, |order| order.uid).ok()
    }

    /// Whether a message may have been handed over.
    pub(crate) fn was_handed_over(&self, uid: Uid) -> bool {
        self.position(uid).and_then(|at| self.handed.get(at)).is_some_and(|handed| *handed)
    }

    /// The INTERNALDATE that a copy is given.
    pub(crate) fn date_of(&self, uid: Uid) -> InternalDate {
        let order = self.orders.binary_search_by_key(&uid, |order| order.uid);
        order.map_or(InternalDate::UNKNOWN, |at| self.orders[at].date)
    }

    /// Whether a message was handed over out of its turn.
    pub(crate) fn is_late(&self, uid: Uid) -> bool {
        self.late.contains(&uid)
    }

    /// Whether the target stands between two messages: only there may it be left.
    pub(crate) fn is_between_messages(&self) -> bool {
        !matches!(self.open, Open::Header { .. } | Open::Streaming | Open::Handing(_))
    }

    /// Whether no message is on its way, not even to the rules.
    pub(crate) fn is_idle(&self) -> bool {
        matches!(self.open, Open::Nothing)
    }

    /// Hands a body event on; answers the octets it carried.
    pub(crate) fn take<T: Target>(&mut self, event: BodyEvent<'_>, target: &mut T) -> u64 {
        if self.passage == Passage::ByRules {
            return self.gather(event);
        }
        match event {
            BodyEvent::Whole { uid, octets } => {
                let length = octets.len() as u64;
                if let Some((envelope, header)) = self.envelope(uid) {
                    target.append(envelope, with_header(octets, uid, header));
                }
                length
            }
            BodyEvent::Begin { uid, octets } => {
                self.begin(uid, octets, target);
                0
            }
            BodyEvent::Chunk(octets) => {
                self.chunk(octets, target);
                octets.len() as u64
            }
            BodyEvent::End => {
                self.decide(target);
                target.append_end();
                self.open = Open::Nothing;
                0
            }
            BodyEvent::Missing { .. } | BodyEvent::Finished | BodyEvent::Unavailable { .. } => 0,
        }
    }

    /// Gathers a message for the rules; answers the octets that came.
    fn gather(&mut self, event: BodyEvent<'_>) -> u64 {
        match event {
            BodyEvent::Whole { uid, octets } => {
                self.begin_gathering(uid, octets.len() as u64);
                self.gather_some(&octets);
                self.end_gathering();
                octets.len() as u64
            }
            BodyEvent::Begin { uid, octets } => {
                self.begin_gathering(uid, octets);
                0
            }
            BodyEvent::Chunk(octets) => {
                self.gather_some(octets);
                octets.len() as u64
            }
            BodyEvent::End => {
                self.end_gathering();
                0
            }
            BodyEvent::Missing { .. } | BodyEvent::Finished | BodyEvent::Unavailable { .. } => 0,
        }
    }

    fn begin_gathering(&mut self, uid: Uid, octets: u64) {
        let gathered = Gathered::begin(uid, octets);
        self.open = match gathered.map_err(|fault| (uid, fault)) {
            Ok(gathered) => Open::Gathering(gathered),
            Err(lost) => {
                self.lost = Some(lost);
                Open::Away
            }
        };
    }

    fn gather_some(&mut self, octets: &[u8]) {
        if let Open::Gathering(gathered) = &mut self.open
            && let Err(fault) = gathered.push(octets)
        {
            self.lost = Some((gathered.uid, fault));
            self.open = Open::Away;
        }
    }

    fn end_gathering(&mut self) {
        self.open = match std::mem::replace(&mut self.open, Open::Nothing) {
            Open::Gathering(gathered) => Open::Gathered(gathered),
            _ => Open::Nothing,
        };
    }

    /// A message that is whole now and that the rules are to go over; nothing else is taken until
    /// [`Feed::hand_over`] or [`Feed::leave_out`].
    pub(crate) fn take_gathered(&mut self) -> Option<Gathered> {
        match std::mem::replace(&mut self.open, Open::Away) {
            Open::Gathered(gathered) => Some(gathered),
            other => {
                self.open = other;
                None
            }
        }
    }

    /// A message that could not be gathered.
    pub(crate) fn take_lost(&mut self) -> Option<(Uid, Fault)> {
        self.lost.take()
    }

    /// The message that the rules had is not sent.
    pub(crate) fn leave_out(&mut self) {
        self.open = Open::Nothing;
    }

    /// Hands over what the rules made; a large one goes on with [`Feed::hand_on`].
    ///
    /// # Errors
    /// It cannot be read from its file; nothing of it was sent.
    pub(crate) fn hand_over<T: Target>(
        &mut self,
        uid: Uid,
        prepared: Prepared,
        target: &mut T,
    ) -> std::io::Result<()> {
        let Prepared { spool, date, .. } = prepared;
        let at = self.position(uid);
        if let Some((at, date)) = at.zip(date) {
            self.orders[at].date = date;
        }
        self.open = Open::Nothing;
        let octets = spool.octets();
        if octets <= WHOLE_OCTETS_MAX {
            let octets = spool.into_octets()?;
            if let Some((envelope, _)) = self.envelope(uid) {
                target.append(envelope, octets);
            }
            return Ok(());
        }
        let reading = spool.into_reading()?;
        if let Some((envelope, _)) = self.envelope(uid) {
            target.append_begin(envelope, octets);
            self.open = Open::Handing(reading);
        }
        Ok(())
    }

    /// Whether [`Feed::hand_on`] has something to do.
    pub(crate) fn is_handing_over(&self) -> bool {
        matches!(self.open, Open::Handing(_))
    }

    /// Hands over some more of a large message.
    ///
    /// # Errors
    /// It cannot be read on: half sent, it can only be called off with its connection.
    pub(crate) fn hand_on<T: Target>(&mut self, target: &mut T) -> Result<(), Fault> {
        let Open::Handing(reading) = &mut self.open else { return Ok(()) };
        let chunk = reading.next().map_err(|error| {
            let words = format!("a message cannot be read from its file: {error}");
            Fault::new(Side::Target, FaultKind::Connection, words)
        })?;
        if chunk.is_empty() {
            target.append_end();
            self.open = Open::Nothing;
        } else {
            target.append_chunk(chunk);
        }
        Ok(())
    }

    fn envelope(&mut self, uid: Uid) -> Option<(Envelope, AddHeader)> {
        if self.highest > Some(uid) {
            self.late.insert(uid);
        }
        self.highest = self.highest.max(Some(uid));
        let at = self.orders.binary_search_by_key(&uid, |order| order.uid).ok()?;
        self.handed[at] = true;
        let order = &self.orders[at];
        let (ticket, flags) = (self.ticket, order.flags.clone());
        let (date, literal) = (order.date, LiteralForm::Text);
        Some((Envelope { ticket, uid, flags, date, literal }, order.header))
    }

    fn begin<T: Target>(&mut self, uid: Uid, octets: u64, target: &mut T) {
        let Some((envelope, header)) = self.envelope(uid) else { return };
        if header == AddHeader::IfUnidentified {
            self.open = Open::Header { envelope, octets, seen: Vec::new() };
        } else {
            target.append_begin(envelope, octets);
            self.open = Open::Streaming;
        }
    }

    fn chunk<T: Target>(&mut self, octets: &[u8], target: &mut T) {
        match &mut self.open {
            Open::Nothing
            | Open::Gathering(_)
            | Open::Gathered(_)
            | Open::Away
            | Open::Handing(_) => {}
            Open::Streaming => target.append_chunk(octets),
            Open::Header { seen, .. } => {
                seen.extend_from_slice(octets);
                if seen.len() >= HEADER_BYTES_MAX || header_end(seen).is_some() {
                    self.decide(target);
                }
            }
        }
    }

    /// Announces the message whose header was looked at.
    fn decide<T: Target>(&mut self, target: &mut T) {
        if let Open::Header { envelope, octets, seen } =
            std::mem::replace(&mut self.open, Open::Streaming)
        {
            let line = if is_unidentified(&seen) { header_line(envelope.uid) } else { Vec::new() };
            target.append_begin(envelope, octets + line.len() as u64);
            target.append_chunk(&line);
            target.append_chunk(&seen);
        }
    }
}

pub(crate) fn header_line(uid: Uid) -> Vec<u8> {
    format!("Message-Id: <{uid}@imapsync>\r\n").into_bytes()
}

fn with_header(octets: Vec<u8>, uid: Uid, header: AddHeader) -> Vec<u8> {
    if header == AddHeader::Never || !is_unidentified(&octets) {
        return octets;
    }
    let mut longer = header_line(uid);
    longer.extend_from_slice(&octets);
    longer
}

/// Where the header block ends, its empty line included.
pub(crate) fn header_end(octets: &[u8]) -> Option<usize> {
    if octets.starts_with(b"\r\n") || octets.starts_with(b"\n") {
        return Some(0);
    }
    let crlf = octets.windows(4).position(|window| window == b"\r\n\r\n").map(|at| at + 2);
    let lf = octets.windows(2).position(|window| window == b"\n\n").map(|at| at + 1);
    match (crlf, lf) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}

/// Whether a message has neither Message-Id nor Received, be it an empty one.
pub(crate) fn is_unidentified(octets: &[u8]) -> bool {
    let header = &octets[..header_end(octets).unwrap_or(octets.len())];
    !header.split(|&octet| octet == b'\n').any(|line| {
        [&b"message-id:"[..], b"received:"].iter().any(|name| {
            line.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name))
        })
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// U53 of the unit catalogue; a message without a UID cannot be.
    #[test]
    fn the_added_header_names_the_uid() {
        let line = header_line(Uid::new(123_456_789).unwrap());
        assert_eq!(line, b"Message-Id: <123456789@imapsync>\r\n");
    }

    #[test]
    fn a_header_is_added_only_to_a_message_without_identity_headers() {
        let uid = Uid::new(17).unwrap();
        let add = |text: &str| {
            String::from_utf8(with_header(text.as_bytes().to_vec(), uid, AddHeader::IfUnidentified))
                .unwrap()
        };
        assert_eq!(add("Subject: x\r\n\r\nb"), "Message-Id: <17@imapsync>\r\nSubject: x\r\n\r\nb");
        assert_eq!(
            add("\r\nMessage-Id: in the body"),
            "Message-Id: <17@imapsync>\r\n\r\nMessage-Id: in the body"
        );
        assert_eq!(add("MESSAGE-ID:\r\n\r\nb"), "MESSAGE-ID:\r\n\r\nb");
        assert_eq!(add("Subject: x\nreceived: y\n\nb"), "Subject: x\nreceived: y\n\nb");
    }

    #[test]
    fn without_the_rule_no_octet_changes() {
        let octets = b"no header at all".to_vec();
        assert_eq!(with_header(octets.clone(), Uid::new(1).unwrap(), AddHeader::Never), octets);
    }
}

//! Appending messages: small ones gathered into MULTIAPPEND batches (RFC 3502), large ones
//! streamed alone, many in flight, and every one answered for.

use std::collections::VecDeque;
use std::sync::Arc;

use mailferry_engine::fault::{Fault, FaultKind, Scope, Side};
use mailferry_engine::message::Uid;
use mailferry_engine::name::MailboxName;
use mailferry_imap::command::{Command, CommandError, is_flag};
use mailferry_imap::connection::Connection;
use mailferry_imap::date::InternalDate as WireDate;
use mailferry_imap::response::Code;
use mailferry_imap::session::{Completion, Event, Tag};

use super::refusal::append_fault;
use super::{ImapAccount, is_bad};
use crate::contract::{Appended, Envelope, LiteralForm, Turn};

/// Messages larger than this go alone.
const BATCH_MESSAGE_BYTES_MAX: usize = 64 * 1024;
/// Octets in one batch.
const BATCH_BYTES_MAX: usize = 2 << 20;
/// Messages in one batch.
const BATCH_MESSAGES_MAX: usize = 100;
/// Octets kept until they are answered for.
const KEPT_BYTES_MAX: usize = 8 << 20;
/// Octets waiting to be sent before the source has to wait.
const UNSENT_BYTES_MAX: usize = 512 * 1024;
/// Commands in flight.
const COMMANDS_MAX: usize = 256;

/// A whole message, kept until the target answered for it: a refused batch is split and
/// sent again without fetching anything twice.
struct Item {
    to: Arc<Destination>,
    envelope: Envelope,
    octets: Vec<u8>,
    turn: Turn,
}

/// Where messages go.
struct Destination {
    mailbox: MailboxName,
    /// `APPEND mailbox`, checked.
    command: Command,
}

/// An APPEND in flight.
struct Sent {
    tag: Tag,
    what: What,
}

enum What {
    Whole(Vec<Item>),
    /// Streamed: its octets are gone.
    Streamed(Arc<Destination>, Envelope, u64),
}

/// Whether the octets of a streamed message are being handed over. Another command would
/// come to stand within them.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Writing {
    #[default]
    Nothing,
    Streamed,
}

/// State of the appends to one mailbox after the other.
#[derive(Default)]
pub(super) struct Appends {
    /// Where the messages that are handed over now go.
    to: Option<Arc<Destination>>,
    batch: Vec<Item>,
    batch_bytes: usize,
    in_flight: VecDeque<Sent>,
    writing: Writing,
    /// Parts of refused batches, to be sent again once no message is being streamed.
    again: VecDeque<Vec<Item>>,
    kept_bytes: usize,
    outcomes: Vec<Appended>,
    /// Messages of batches that a full target refused: sent one by one, so that what fits
    /// is kept, until one of them is refused alone.
    one_by_one: VecDeque<Item>,
    /// The target asked to be left alone: where it breaks off after that, this is why.
    left_alone: Option<Fault>,
}

impl Appends {
    pub(super) fn open(
        &mut self,
        connection: &mut Connection,
        mailbox: &MailboxName,
    ) -> Result<(), CommandError> {
        let command = Command::new("APPEND").sp().mailbox(mailbox.as_bytes());
        command.pieces()?;
        self.flush(connection);
        self.to = Some(Arc::new(Destination { mailbox: mailbox.clone(), command }));
        Ok(())
    }

    pub(super) fn has_room(&self, connection: &Connection) -> bool {
        let in_turn = !connection.session.quirks.one_command_at_a_time
            || self.in_flight.is_empty()
            || self.writing == Writing::Streamed;
        in_turn
            && self.kept_bytes < KEPT_BYTES_MAX
            && connection.session.unsent_bytes() < UNSENT_BYTES_MAX
            && self.in_flight.len() < COMMANDS_MAX
    }

    pub(super) fn is_busy(&self, connection: &Connection) -> bool {
        !self.in_flight.is_empty()
            || !self.again.is_empty()
            || !self.one_by_one.is_empty()
            || connection.session.unsent_bytes() > 0
    }

    pub(super) fn take_outcomes(&mut self) -> Vec<Appended> {
        std::mem::take(&mut self.outcomes)
    }

    pub(super) fn gather(
        &mut self,
        connection: &mut Connection,
        envelope: Envelope,
        octets: Vec<u8>,
    ) {
        let Some(to) = self.to.clone() else { return };
        let bytes = octets.len();
        // An empty literal calls the whole batch off (RFC 3502 §6.3.11).
        let alone = bytes == 0 || bytes > BATCH_MESSAGE_BYTES_MAX || !multiappend(connection);
        if alone
            || self.batch_bytes + bytes > BATCH_BYTES_MAX
            || self.batch.len() >= BATCH_MESSAGES_MAX
        {
            self.flush(connection);
        }
        self.kept_bytes += bytes;
        self.batch_bytes += bytes;
        self.batch.push(Item { to, envelope, octets, turn: Turn::First });
        if alone {
            self.flush(connection);
        }
    }

    pub(super) fn flush(&mut self, connection: &mut Connection) {
        let batch = std::mem::take(&mut self.batch);
        self.batch_bytes = 0;
        self.send(connection, batch);
    }

    fn send(&mut self, connection: &mut Connection, items: Vec<Item>) {
        let Some(to) = items.first().map(|item| item.to.clone()) else { return };
        if items.len() > 1 && !multiappend(connection) {
            for item in items {
                self.send(connection, vec![item]);
            }
            return;
        }
        let tag = begin_command(connection, &to);
        for item in &items {
            announce(connection, &item.envelope, item.octets.len() as u64);
            connection.session.write(&item.octets);
        }
        connection.session.finish();
        self.in_flight.push_back(Sent { tag, what: What::Whole(items) });
    }

    pub(super) fn begin(&mut self, connection: &mut Connection, envelope: Envelope, octets: u64) {
        self.flush(connection);
        let Some(to) = self.to.clone() else { return };
        let tag = begin_command(connection, &to);
        announce(connection, &envelope, octets);
        self.in_flight.push_back(Sent { tag, what: What::Streamed(to, envelope, octets) });
        self.writing = Writing::Streamed;
    }

    /// Ends the streamed message.
    pub(super) fn end(&mut self, connection: &mut Connection) {
        connection.session.finish();
        self.writing = Writing::Nothing;
        self.send_again(connection);
    }

    fn send_again(&mut self, connection: &mut Connection) {
        while self.writing == Writing::Nothing
            && let Some(items) = self.again.pop_front()
        {
            self.send(connection, items);
        }
    }

    fn settle(&mut self, connection: &mut Connection, completion: &Completion) {
        let Some(at) = self.in_flight.iter().position(|sent| sent.tag == completion.tag) else {
            return;
        };
        let Some(sent) = self.in_flight.remove(at) else { return };
        if let Some(fault) = super::throttled_by(Side::Target, completion) {
            self.left_alone = Some(fault);
        }
        match sent.what {
            What::Streamed(to, envelope, octets) => {
                let uid = appended_uids(completion, 1).pop().flatten();
                let uid_validity = appended_validity(completion);
                let result = if completion.is_ok() {
                    Ok(uid)
                } else {
                    Err(refusal(completion, &to, &envelope))
                };
                self.outcomes.push(Appended {
                    ticket: envelope.ticket,
                    uid: envelope.uid,
                    octets,
                    result,
                    uid_validity,
                    turn: Turn::First,
                });
            }
            What::Whole(items) if completion.is_ok() => {
                let uids = appended_uids(completion, items.len());
                let uid_validity = appended_validity(completion);
                for (item, uid) in items.into_iter().zip(uids) {
                    self.tell(item, Ok(uid), uid_validity);
                }
            }
            What::Whole(items) => self.refused(connection, completion, items),
        }
        if self.in_flight.is_empty() && self.again.is_empty() {
            self.again.extend(self.one_by_one.pop_front().map(|item| vec![item]));
            self.send_again(connection);
        }
    }

    /// A batch is all or nothing (RFC 3502 §3): one refused message refuses it. Unless the
    /// refusal speaks of more than a message, the halves are tried until it stands alone.
    fn refused(
        &mut self,
        connection: &mut Connection,
        completion: &Completion,
        mut items: Vec<Item>,
    ) {
        let fault = append_fault(Side::Target, completion);
        let of_a_message = fault.scope == Scope::Message;
        if fault.kind == FaultKind::OverQuota && items.len() > 1 {
            self.one_by_one.extend(items);
            return;
        }
        if fault.kind == FaultKind::OverQuota {
            items.extend(self.one_by_one.drain(..));
        }
        if items.len() == 1 || !of_a_message {
            for item in items {
                let fault = refusal(completion, &item.to, &item.envelope);
                self.tell(item, Err(fault), 0);
            }
            return;
        }
        if is_bad(completion) {
            connection.session.quirks.no_multiappend = true;
        }
        for item in &mut items {
            item.turn = Turn::Retried;
        }
        let second = items.split_off(items.len() / 2);
        self.again.extend([items, second]);
        self.send_again(connection);
    }

    fn tell(&mut self, item: Item, result: Result<Option<Uid>, Fault>, uid_validity: u32) {
        let octets = item.octets.len();
        self.kept_bytes -= octets;
        self.outcomes.push(Appended {
            ticket: item.envelope.ticket,
            uid: item.envelope.uid,
            octets: octets as u64,
            result,
            uid_validity,
            turn: item.turn,
        });
    }
}

impl ImapAccount {
    pub(super) async fn move_appends_on(&mut self) -> Result<(), Fault> {
        let had_room = self.appends.has_room(&self.connection);
        loop {
            let result = self.connection.step().await;
            let asked = &self.appends.left_alone;
            let why = |error| asked.clone().unwrap_or_else(|| super::broken(self.side, &error));
            let completion = match result.map_err(why)? {
                Some(Event::Completed(completion)) => Some(completion),
                _ => None,
            };
            if let Some(completion) = completion {
                self.appends.settle(&mut self.connection, &completion);
                return Ok(());
            }
            let room_again = !had_room && self.appends.has_room(&self.connection);
            if room_again || !self.appends.is_busy(&self.connection) {
                return Ok(());
            }
        }
    }
}

fn begin_command(connection: &mut Connection, to: &Destination) -> Tag {
    let tag = connection.session.begin();
    // It was checked by `open`, so it can be written.
    let _ = connection.session.write_pieces(&to.command);
    tag
}

fn refusal(completion: &Completion, to: &Destination, envelope: &Envelope) -> Fault {
    let fault = append_fault(Side::Target, completion).of_message(envelope.uid);
    fault.in_mailbox(&to.mailbox)
}

fn multiappend(connection: &Connection) -> bool {
    let quirks = &connection.session.quirks;
    // A batch that is refused is sent again in several commands, which such a server would
    // carry out in any order.
    let usable = !quirks.no_multiappend && !quirks.one_command_at_a_time;
    usable && connection.capabilities().has("MULTIAPPEND")
}

/// ` (flags) "date" {n}` (RFC 9051 §6.3.12), or `~{n}` (RFC 3516 §4.4).
fn announce(connection: &mut Connection, envelope: &Envelope, octets: u64) {
    let mut words: Vec<u8> = Vec::with_capacity(64);
    words.extend_from_slice(b" (");
    // Whatever made them: a word that is no flag would end the list, or the command.
    let flags = envelope.flags.iter().filter(|flag| is_flag(flag.as_bytes()));
    for (at, flag) in flags.enumerate() {
        if at > 0 {
            words.push(b' ');
        }
        words.extend_from_slice(flag.as_bytes());
    }
    words.extend_from_slice(b") ");
    if let (Some(seconds), Some(zone_minutes)) =
        (envelope.date.instant(), envelope.date.zone_minutes())
    {
        let date = WireDate { seconds, zone_minutes };
        words.extend_from_slice(format!("\"{}\" ", date.format()).as_bytes());
    }
    if envelope.literal == LiteralForm::Binary {
        words.push(b'~');
    }
    connection.session.write(&words);
    connection.session.announce_literal(octets);
}

/// The UIDs of APPENDUID in the order of the messages (RFC 4315 §3, RFC 3502 §3), as many as
/// messages; `None` where the server tells none or another number.
fn appended_uids(completion: &Completion, messages: usize) -> Vec<Option<Uid>> {
    let told: Vec<Option<Uid>> = match completion.code() {
        Some(Code::AppendUid { uids, .. }) if uids.len() == messages as u64 => {
            uids.iter().map(Uid::new).collect()
        }
        _ => Vec::new(),
    };
    if told.len() == messages { told } else { vec![None; messages] }
}

/// The UIDVALIDITY that APPENDUID tells (RFC 4315 §3); 0 where there is none.
fn appended_validity(completion: &Completion) -> u32 {
    match completion.code() {
        Some(Code::AppendUid { uid_validity, .. }) => super::narrow(uid_validity),
        _ => 0,
    }
}

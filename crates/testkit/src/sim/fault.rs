//! What goes wrong, and when: deterministic, counted in octets and commands.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

/// One thing that goes wrong, once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The connection that it happens on, counted from 1 in the order of their coming; `None`
    /// for whichever gets there first (commands are then counted over all connections).
    pub connection: Option<u32>,
    /// When.
    pub point: Point,
    /// What.
    pub effect: Effect,
}

impl Fault {
    /// At the `nth` command (from 1) of that name on any connection; UID FETCH is named
    /// `UID FETCH`.
    #[must_use]
    pub fn at_command(name: &str, nth: u32, effect: Effect) -> Self {
        let point = Point::Command { name: name.to_ascii_uppercase(), nth };
        Self { connection: None, point, effect }
    }

    /// After so many octets from the client on one connection.
    #[must_use]
    pub fn after_received(octets: u64, effect: Effect) -> Self {
        Self { connection: None, point: Point::Received(octets), effect }
    }

    /// After so many octets to the client on one connection.
    #[must_use]
    pub fn after_sent(octets: u64, effect: Effect) -> Self {
        Self { connection: None, point: Point::Sent(octets), effect }
    }

    /// Confines the fault to one connection, counted from 1.
    #[must_use]
    pub fn on_connection(mut self, number: u32) -> Self {
        self.connection = Some(number);
        self
    }
}

/// When a fault happens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Point {
    /// When the client's octets on the connection reach this count.
    Received(u64),
    /// When the server's octets on the connection reach this count.
    Sent(u64),
    /// When the `nth` command of that name was received in full, literals included.
    Command {
        /// Name in capitals.
        name: String,
        /// From 1.
        nth: u32,
    },
}

/// What happens. Of an octet count, the effects that answer a command apply to the first
/// command that ends at or after it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// The connection ends there, to the octet; a command is not carried out. What was
    /// answered before still arrives.
    Cut,
    /// The command is carried out; its answer is lost and the connection ends.
    CutUnanswered,
    /// From there on the connection's answers are lost, while its commands are still carried
    /// out. The connection stays open.
    Mute,
    /// The command is not carried out: tagged NO with this text.
    No(String),
    /// The command is not carried out: tagged BAD with this text.
    Bad(String),
    /// The command is not carried out: BYE with this text, and the connection ends.
    Bye(String),
}

/// The faults of one server and which of them have happened.
#[derive(Debug)]
pub(super) struct FaultBook(Vec<Entry>);

#[derive(Debug)]
struct Entry {
    fault: Fault,
    commands: AtomicU32,
    done: AtomicBool,
}

/// How far a connection has come.
#[derive(Clone, Copy, Debug)]
pub(super) struct Progress {
    pub(super) connection: u32,
    pub(super) received: u64,
    pub(super) sent: u64,
}

/// Which way octets flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Direction {
    Received,
    Sent,
}

impl FaultBook {
    pub(super) fn new(faults: &[Fault]) -> Self {
        let entry = |fault: &Fault| Entry {
            fault: fault.clone(),
            commands: AtomicU32::new(0),
            done: AtomicBool::new(false),
        };
        Self(faults.iter().map(entry).collect())
    }

    /// What happens at a command that was just received. The first fault in order wins; the
    /// others count the command all the same.
    pub(super) fn at_command(&self, name: &str, progress: Progress) -> Option<Effect> {
        let mut effect = None;
        for entry in self.of_connection(progress.connection) {
            let reached = match &entry.fault.point {
                Point::Command { name: wanted, nth } => {
                    name.eq_ignore_ascii_case(wanted)
                        && entry.commands.fetch_add(1, Ordering::SeqCst) + 1 == *nth
                }
                // A cut by octets is the wire's business.
                Point::Received(_) | Point::Sent(_) if entry.fault.effect == Effect::Cut => false,
                Point::Received(octets) => progress.received >= *octets,
                Point::Sent(octets) => progress.sent >= *octets,
            };
            if reached && effect.is_none() && !entry.done.swap(true, Ordering::SeqCst) {
                effect = Some(entry.fault.effect.clone());
            }
        }
        effect
    }

    /// The count at which the connection is cut, in that direction, as it stands now.
    pub(super) fn cut_at(&self, direction: Direction, connection: u32) -> Option<u64> {
        self.of_connection(connection)
            .filter(|entry| entry.fault.effect == Effect::Cut)
            .filter_map(|entry| entry.count(direction))
            .min()
    }

    /// The count of octets sent from which the connection is mute.
    pub(super) fn mute_at(&self, connection: u32) -> Option<u64> {
        self.of_connection(connection)
            .filter(|entry| entry.fault.effect == Effect::Mute)
            .filter_map(|entry| entry.count(Direction::Sent))
            .min()
    }

    /// Notes that what was due at this count has happened, so that it happens once.
    pub(super) fn settle(&self, direction: Direction, connection: u32, octets: u64) {
        for entry in self.of_connection(connection) {
            if entry.count(direction) == Some(octets) {
                entry.done.store(true, Ordering::SeqCst);
            }
        }
    }

    fn of_connection(&self, connection: u32) -> impl Iterator<Item = &Entry> {
        self.0.iter().filter(move |entry| {
            !entry.done.load(Ordering::SeqCst)
                && entry.fault.connection.is_none_or(|wanted| wanted == connection)
        })
    }
}

impl Entry {
    fn count(&self, direction: Direction) -> Option<u64> {
        match (&self.fault.point, direction) {
            (Point::Received(octets), Direction::Received)
            | (Point::Sent(octets), Direction::Sent) => Some(*octets),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn progress(connection: u32) -> Progress {
        Progress { connection, received: 0, sent: 0 }
    }

    #[test]
    fn the_nth_command_of_a_name_is_hit_once() {
        let book = FaultBook::new(&[Fault::at_command("append", 2, Effect::Cut)]);
        let hits: Vec<bool> = ["APPEND", "NOOP", "APPEND", "APPEND"]
            .into_iter()
            .map(|name| book.at_command(name, progress(1)).is_some())
            .collect();
        assert_eq!(hits, [false, false, true, false]);
    }

    #[test]
    fn a_fault_of_one_connection_spares_the_others() {
        let book = FaultBook::new(&[Fault::after_sent(10, Effect::Cut).on_connection(2)]);
        assert_eq!(book.cut_at(Direction::Sent, 1), None);
        assert_eq!(book.cut_at(Direction::Sent, 2), Some(10));
        book.settle(Direction::Sent, 2, 10);
        assert_eq!(book.cut_at(Direction::Sent, 2), None);
    }
}

//! Bringing in a message that the target refused: it is fetched once more, and sent again with ever
//! more repaired (`docs/design/repair.md`), alone, each answer awaited. What no repair brings in is
//! kept aside as a file.

use std::io;
use std::time::{SystemTime, UNIX_EPOCH};

use mailferry_engine::fault::{Fault, FaultKind, Scope, Side};
use mailferry_engine::identity::KeyRule;
use mailferry_engine::message::{Key, Uid};
use mailferry_engine::policy::PermanentFlags;
use mailferry_engine::repair::{
    Cause, Clock, Facts, Fingerprint, Identity, Ladder, LineLimit, Literal8, Next, Recognised,
    Repair, Scan, Sent, TargetAbility, Transform, recognised,
};
use mailferry_store::contract::{
    Appended, AsListed, BodyEvent, Envelope, LiteralForm, Source, Target, Turn, Wanted,
};

use crate::copy::{AddHeader, HEADER_BYTES_MAX, Order, header_line, is_unidentified};
use crate::course::{Course, Proof, Refused};
use crate::events::Event;
use crate::job::Dates;
use crate::quarantine::{Attempt, Origin, Quarantine, QuarantineError, Record};
use crate::report;
use crate::spool::{Pass, Spool};
use crate::transform::work::{Gathered, Outcome, make};
use crate::transform::{Purpose, Subject, TRANSFORM_OCTETS_MAX};

/// Refusals of one message that a server bears on one connection if it is not known to bear more:
/// pymap ends the connection after five errors, and one was made already.
const ATTEMPTS_USUAL: usize = 3;

/// Whether repairing may bring in what was refused so.
pub(crate) fn is_of_use(fault: &Fault) -> bool {
    !matches!(Cause::of(fault), None | Some(Cause::Size | Cause::Virus))
}

/// Why a message is not brought in.
enum Lost {
    /// This message: the fault is told of it, and the rest goes on.
    Message(Fault),
    /// A connection is of no more use, or the target takes nothing more.
    Connection(Fault),
}

/// Tries to bring in the messages of a course that were refused. Every one of them is told of,
/// unless a connection breaks: then those that are left stay with the course.
///
/// # Errors
/// A connection is of no more use.
pub(crate) async fn repair_refused<S: Source, T: Target>(
    source: &mut S,
    target: &mut T,
    course: &mut Course<'_>,
) -> Result<(), Fault> {
    while let Some(refused) = course.refused.pop() {
        if course.task.stop.is_asked() {
            course.tell_refused(refused);
            continue;
        }
        match repair_one(source, target, course, &refused).await {
            Ok(()) => {}
            Err(Lost::Message(fault)) => course.tell_refused(Refused { fault, ..refused }),
            Err(Lost::Connection(fault)) => {
                // Who asks to be left alone is asked again.
                match fault.is_throttling() {
                    true => course.refused.push(refused),
                    false => course.tell_refused(refused),
                }
                return Err(fault);
            }
        }
    }
    Ok(())
}

async fn repair_one<S: Source, T: Target>(
    source: &mut S,
    target: &mut T,
    course: &mut Course<'_>,
    refused: &Refused,
) -> Result<(), Lost> {
    let task = &course.task;
    let kept = match course.kept.clone() {
        Some(kept) => kept,
        None => task.permanent_flags(target).await.map_err(Lost::Connection)?,
    };
    let order = task.order(refused.part, refused.uid, &kept);
    let mut order = order.ok_or_else(|| Lost::Message(refused.fault.clone()))?;
    course.kept = Some(kept.clone());
    let mut message = fetch(source, course, refused, &mut order).await?;
    let before = message.look(Repair::default()).map_err(|error| disk(refused, &error))?;
    let clock = match course.task.job.dates {
        Dates::Keep => Clock::Source(order.date),
        Dates::OfTarget => Clock::Target,
    };
    let key = before.identity.key.unwrap_or(Key::NONE);
    let sent = Sent { flags: order.flags.clone(), clock, key };
    let keys = course.task.job.keys.clone();
    let unsaid = Cause::of(&refused.fault) == Some(Cause::Unsaid);
    let mut ability = ability(target, kept);
    // It is sent once more as it is, which may be one of the refusals that the server bears.
    ability.attempts_max -= usize::from(unsaid && !target.bears_refusals());
    let mut ladder = Ladder::new(sent, ability, keys, now());
    let mut attempts = vec![Attempt::new(None, &refused.fault)];
    let (mut facts, mut fault) = (before.facts, refused.fault.clone());
    // A server that does not say why may have had a bad moment: nothing is altered for that.
    if unsaid {
        let octets = facts.octets;
        let answer = send(target, course, &mut message, (refused, &ladder, octets)).await?;
        match brought_in(course, refused, (answer, octets), Vec::new())? {
            None => return Ok(()),
            Some(again) => {
                attempts.push(Attempt::new(None, &again));
                fault = again;
            }
        }
    }
    loop {
        let step = match ladder.next(&fault, &facts) {
            Next::Try(step) => step,
            Next::Exhausted(why) => {
                let ended = why.name().to_owned();
                keep_aside(&mut message, course, (refused, &order), (attempts, ended));
                return Err(Lost::Message(refused.fault.clone()));
            }
        };
        let after = message.look(ladder.repair()).map_err(|error| disk(refused, &error))?;
        let known_by = recognised(before.identity, after.identity, ladder.date_sent());
        if known_by == Recognised::Never {
            ladder.withdraw();
            continue;
        }
        let octets = after.facts.octets;
        let answer = send(target, course, &mut message, (refused, &ladder, octets)).await?;
        let steps = ladder.applied().iter().map(|step| step.name()).collect();
        match brought_in(course, refused, (answer, octets), steps)? {
            None => return Ok(()),
            Some(again) => {
                attempts.push(Attempt::new(Some(step.name().to_owned()), &again));
                (fault, facts) = (again, after.facts);
            }
        }
    }
}

fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

fn ability<T: Target>(target: &T, permanent_flags: PermanentFlags) -> TargetAbility {
    TargetAbility {
        literal8: if target.takes_literal8() { Literal8::Offered } else { Literal8::Missing },
        append_limit: target.append_limit(),
        permanent_flags,
        line_limit: LineLimit::RFC_5322,
        attempts_max: if target.bears_refusals() { Ladder::STEPS_MAX } else { ATTEMPTS_USUAL },
    }
}

/// A message as it was sent: what is put before it, and its octets.
struct Message {
    spool: Spool,
    keys: KeyRule,
}

/// What one pass over a message found.
struct Look {
    facts: Facts,
    identity: Identity,
}

impl Message {
    /// Goes over the message as a repair makes it.
    fn look(&mut self, repair: Repair) -> io::Result<Look> {
        let mut scan = Scan::new(&self.keys, LineLimit::RFC_5322);
        let mut fingerprint = Fingerprint::new();
        let mut repaired = self.repaired(repair)?;
        while let Some(octets) = repaired.next()? {
            scan.push(octets);
            fingerprint.push(octets);
        }
        Ok(Look { facts: scan.finish(), identity: fingerprint.finish(&self.keys) })
    }

    fn repaired(&mut self, repair: Repair) -> io::Result<Repaired<'_>> {
        let pass = self.spool.rewind()?;
        Ok(Repaired { pass, repair: Some(repair), out: Vec::new() })
    }
}

/// A message as a repair makes it, chunk by chunk.
struct Repaired<'a> {
    pass: Pass<'a>,
    /// Until the end was given.
    repair: Option<Repair>,
    out: Vec<u8>,
}

impl Repaired<'_> {
    /// The next octets, which may be none; `None` at the end.
    fn next(&mut self) -> io::Result<Option<&[u8]>> {
        let Some(repair) = &mut self.repair else { return Ok(None) };
        let chunk = self.pass.next()?;
        self.out.clear();
        if chunk.is_empty() {
            repair.finish(&mut self.out);
            self.repair = None;
        } else {
            repair.push(chunk, &mut self.out);
        }
        Ok(Some(&self.out))
    }
}

async fn fetch<S: Source>(
    source: &mut S,
    course: &Course<'_>,
    refused: &Refused,
    order: &mut Order,
) -> Result<Message, Lost> {
    let transform = course.task.job.transform.as_ref();
    // With rules it is they who add the header.
    let header = if transform.is_some() { AddHeader::Never } else { order.header };
    let mailbox = &course.task.plan.parts[refused.part].source;
    let uid_validity = course.task.listings.sources[refused.part].uid_validity;
    let wanted = vec![Wanted { uid: refused.uid, size: order.size }];
    source.open_bodies(AsListed { mailbox, uid_validity }, wanted);
    let mut octets_come = Vec::new();
    let mut spool = Spool::default();
    // Whatever is wrong, all of the message has to come before another can be asked for.
    let mut lost: Option<Lost> = None;
    loop {
        let event = source.next_body().await.map_err(Lost::Connection)?;
        let octets: &[u8] = match &event {
            BodyEvent::Whole { octets, .. } => octets,
            BodyEvent::Chunk(octets) => octets,
            BodyEvent::Begin { .. } | BodyEvent::End => continue,
            BodyEvent::Missing { fault, .. } | BodyEvent::Unavailable { fault } => {
                lost = Some(Lost::Message(fault.clone()));
                if matches!(event, BodyEvent::Unavailable { .. }) {
                    break;
                }
                continue;
            }
            BodyEvent::Finished => break,
        };
        if lost.is_some() || spool.octets() + octets.len() as u64 > TRANSFORM_OCTETS_MAX {
            lost.get_or_insert_with(|| Lost::Message(refused.fault.clone()));
            continue;
        }
        let added = match header {
            AddHeader::Never => spool.push(octets),
            // Whether a header is added is told by the beginning.
            AddHeader::IfUnidentified => gather(&mut spool, &mut octets_come, octets, refused.uid),
        };
        lost = added.err().map(|error| disk(refused, &error));
    }
    if let Some(lost) = lost {
        return Err(lost);
    }
    if !octets_come.is_empty() || (header == AddHeader::IfUnidentified && spool.octets() == 0) {
        flush(&mut spool, &octets_come, refused.uid).map_err(|error| disk(refused, &error))?;
    }
    if let Some(transform) = transform {
        let subject = Subject { mailbox: mailbox.clone(), uid: refused.uid, header: order.header };
        let gathered = Gathered { uid: refused.uid, spool };
        match make(transform, gathered, subject, Purpose::Sending).await {
            Outcome::Message(prepared) => {
                spool = prepared.spool;
                order.date = prepared.date.unwrap_or(order.date);
            }
            Outcome::LeftOut(_) => return Err(Lost::Message(refused.fault.clone())),
            Outcome::Failed(fault) => return Err(Lost::Message(fault)),
        }
    }
    Ok(Message { spool, keys: course.task.job.keys.clone() })
}

/// Holds the beginning back until its header can be looked at.
fn gather(spool: &mut Spool, beginning: &mut Vec<u8>, octets: &[u8], uid: Uid) -> io::Result<()> {
    if spool.octets() > 0 {
        return spool.push(octets);
    }
    beginning.extend_from_slice(octets);
    if beginning.len() < HEADER_BYTES_MAX {
        return Ok(());
    }
    let all = std::mem::take(beginning);
    flush(spool, &all, uid)
}

fn flush(spool: &mut Spool, beginning: &[u8], uid: Uid) -> io::Result<()> {
    if is_unidentified(beginning) {
        spool.push(&header_line(uid))?;
    }
    spool.push(beginning)
}

fn disk(refused: &Refused, error: &io::Error) -> Lost {
    let words = format!(
        "{}; it could not be repaired, since no file could be written for it in {} (TMPDIR): {error}",
        refused.fault.words,
        std::env::temp_dir().display()
    );
    Lost::Message(Fault { words, ..refused.fault.clone() })
}

/// Sends the message as the ladder makes it, and waits for the answer.
async fn send<T: Target>(
    target: &mut T,
    course: &Course<'_>,
    message: &mut Message,
    (refused, ladder, octets): (&Refused, &Ladder, u64),
) -> Result<Appended, Lost> {
    target.open_appends(&course.task.plan.target).await.map_err(Lost::Connection)?;
    let envelope = Envelope {
        ticket: 0,
        uid: refused.uid,
        flags: ladder.flags(),
        date: ladder.date(),
        literal: if ladder.as_literal8() { LiteralForm::Binary } else { LiteralForm::Text },
    };
    target.append_begin(envelope, octets);
    let mut repaired = message.repaired(ladder.repair()).map_err(|error| broken_off(&error))?;
    while let Some(octets) = repaired.next().map_err(|error| broken_off(&error))? {
        target.append_chunk(octets);
        while !target.has_room() {
            target.advance_appends().await.map_err(Lost::Connection)?;
        }
    }
    target.append_end();
    loop {
        if let Some(answer) = target.take_appended().pop() {
            return Ok(answer);
        }
        target.advance_appends().await.map_err(Lost::Connection)?;
    }
}

/// A message that is half sent can only be called off with its connection.
fn broken_off(error: &io::Error) -> Lost {
    let words = format!("a message under repair cannot be read from its file: {error}");
    Lost::Connection(Fault::new(Side::Target, FaultKind::Connection, words))
}

/// Tells of a message that was taken; gives the refusal if it was refused again.
fn brought_in(
    course: &mut Course<'_>,
    refused: &Refused,
    (answer, octets): (Appended, u64),
    steps: Vec<&'static str>,
) -> Result<Option<Fault>, Lost> {
    let copy = match answer.result {
        Ok(copy) => copy,
        Err(again) if Cause::of(&again).is_some() => return Ok(Some(again)),
        Err(other) if other.scope > Scope::Message => return Err(Lost::Connection(other)),
        Err(other) => return Err(Lost::Message(other)),
    };
    let (mailbox, uid) = (course.task.plan.parts[refused.part].source.clone(), refused.uid);
    course.landed.add(refused.part, uid, (copy, answer.uid_validity, Proof::Told));
    let appended = Appended { octets, result: Ok(copy), turn: Turn::Retried, ..answer };
    course.task.events.on(&Event::RepairEnds);
    course.task.note_appended(refused.part, appended, &mut course.progress);
    if !steps.is_empty() {
        course.task.events.on(&Event::Repaired { mailbox: &mailbox, uid, steps: &steps });
        let steps = steps.into_iter().map(str::to_owned).collect();
        course.progress.repaired.push(report::Repaired { mailbox, uid, steps });
    }
    Ok(None)
}

/// Keeps the message aside, or tells why it cannot be.
fn keep_aside(
    message: &mut Message,
    course: &mut Course<'_>,
    (refused, order): (&Refused, &Order),
    (attempts, ended): (Vec<Attempt>, String),
) {
    let Some(quarantine) = course.task.job.quarantine.clone() else { return };
    let record = Record {
        target: course.task.plan.target.clone(),
        flags: order.flags.clone(),
        date: order.date,
        kept_at: now(),
        attempts,
        ended,
    };
    let origin = Origin {
        mailbox: course.task.plan.parts[refused.part].source.clone(),
        uid_validity: course.task.listings.sources[refused.part].uid_validity,
        uid: refused.uid,
    };
    let kept = match quarantine.open() {
        Ok(quarantine) => write_aside(quarantine, origin.clone(), message, &record)
            .map_err(|error| error.to_string()),
        Err(error) => Err(error.to_string()),
    };
    match kept {
        Ok(path) => {
            let (mailbox, uid) = (&origin.mailbox, origin.uid);
            course.task.events.on(&Event::KeptAside { mailbox, uid, path: &path });
            course.progress.kept_aside.push(path);
        }
        Err(error) => {
            let words = format!("a refused message could not be kept aside: {error}");
            let fault = Fault::new(Side::Target, FaultKind::Limit, words);
            let fault = Fault { scope: Scope::Message, ..fault };
            let fault = fault.in_mailbox(&origin.mailbox).of_message(origin.uid);
            course.task.note_fault(fault, &mut course.progress);
        }
    }
}

fn write_aside(
    quarantine: &Quarantine,
    origin: Origin,
    message: &mut Message,
    record: &Record,
) -> Result<std::path::PathBuf, QuarantineError> {
    let mut writing = quarantine.begin(origin)?;
    let unreadable = |error| QuarantineError::Read { path: std::env::temp_dir(), error };
    let mut pass = message.spool.rewind().map_err(unreadable)?;
    loop {
        let chunk = pass.next().map_err(unreadable)?;
        if chunk.is_empty() {
            break;
        }
        writing.push(chunk)?;
    }
    Ok(writing.finish(record)?.path().to_owned())
}

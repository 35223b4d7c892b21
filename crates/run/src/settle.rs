//! What became of messages that were sent to a target whose connection broke before it answered.
//!
//! A server may have stored them, may be storing them still, or may never have seen them
//! (RFC 3501 §6.3.11 promises only that a refused APPEND leaves nothing). So it is looked: which
//! messages of the mailbox came since it was listed, and are not among the copies that were
//! answered for. What is not there is looked for once more, after a wait, before it is sent again.

use std::collections::{BTreeMap, HashSet};

use mailferry_engine::fault::{Fault, FaultKind, Retry, Scope, Side};
use mailferry_engine::listing::MessageListing;
use mailferry_engine::message::Uid;
use mailferry_engine::name::MailboxName;
use mailferry_engine::pairing::{
    Agreement, Digests, Needs, PairInput, PairRule, Pairing, Pairs, SourceFate, TargetQuestion,
    pair,
};
use mailferry_engine::policy::{Duplicates, Sizes};
use mailferry_store::contract::{Among, Appended, AsListed, Source, Turn};

use crate::course::{Course, Landed, Proof};
use crate::events::Event;
use crate::mailbox::Task;
use crate::patience;
use crate::state::CopyMade;
use crate::transform::identity::Paired;

/// How often pairing may ask for more digests.
const PAIRING_ROUNDS_MAX: usize = 4;

/// Messages of one part of a course, on the source.
pub(crate) struct Doubt {
    pub(crate) part: usize,
    pub(crate) listing: MessageListing,
}

/// Finds out what became of the messages of a course that are in doubt. Those that are on the
/// target are told of as copied; the others are to be sent. Answers how many were found.
///
/// # Errors
/// One of scope mailbox: it cannot be found out. Any other: a connection is of no more use.
pub(crate) async fn settle<S: Source, T: Source>(
    source: &mut S,
    target: &mut T,
    course: &mut Course<'_>,
) -> Result<u64, Fault> {
    if course.rest.iter().all(|rest| rest.in_doubt.is_empty()) {
        return Ok(0);
    }
    if course.share.of > 1 {
        leave_doubts(course);
        return Ok(0);
    }
    let mut found = 0;
    let mut absent = 0;
    for look in [Look::First, Look::Second] {
        if look == Look::Second {
            let wait = course.task.job.limits.reconnect.settle_wait;
            patience::wait(wait, course.task.stop).await;
        }
        if course.task.stop.is_asked() {
            // What is in doubt stays so: the next run waits for it.
            return Ok(found);
        }
        found += look_once(source, target, course).await?;
        absent = course.rest.iter().map(|rest| rest.in_doubt.len()).sum();
        if absent == 0 {
            break;
        }
    }
    for rest in &mut course.rest {
        rest.in_doubt.clear();
    }
    course.task.events.on(&Event::Settled {
        mailbox: &course.task.plan.target,
        found,
        absent: absent as u64,
    });
    Ok(found)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Look {
    First,
    Second,
}

async fn look_once<S: Source, T: Source>(
    source: &mut S,
    target: &mut T,
    course: &mut Course<'_>,
) -> Result<u64, Fault> {
    let arrived = arrived(target, &course.task, &course.landed).await?;
    if arrived.is_empty() {
        return Ok(0);
    }
    let doubts = list_doubts(source, &course.task, in_question(course)).await?;
    let question = (&course.task, TargetQuestion::None, Duplicates::CopyAll);
    let pairs = pair_all((source, &doubts), (target, &arrived), question).await?;
    let mut there: Vec<(usize, Uid, Uid, u32)> = Vec::new();
    for (doubt, fates) in doubts.iter().zip(pairs.parts) {
        for (at, fate) in fates.into_iter().enumerate() {
            if let SourceFate::Paired(target) = fate {
                let (uid, size) = (doubt.listing.uid[at], doubt.listing.size[at]);
                there.push((doubt.part, uid, arrived.uid[target as usize], size));
            }
        }
    }
    Ok(take_note(course, &there, arrived.uid_validity))
}

/// Some messages of the source by part, as far as they are still there.
pub(crate) async fn list_doubts<S: Source>(
    source: &mut S,
    task: &Task<'_>,
    messages: impl IntoIterator<Item = (usize, Vec<Uid>)>,
) -> Result<Vec<Doubt>, Fault> {
    let mut doubts = Vec::new();
    for (part, uids) in messages {
        let mailbox = &task.plan.parts[part].source;
        let which = Among::These(&uids);
        let listing = source.messages_among(mailbox, which, &task.job.keys).await?;
        if listing.uid_validity != task.listings.sources[part].uid_validity {
            return Err(renumbered(Side::Source, mailbox));
        }
        doubts.push(Doubt { part, listing });
    }
    Ok(doubts)
}

/// What came into the target mailbox since it was listed, without the copies whose UIDs are known.
pub(crate) async fn arrived<T: Source>(
    target: &mut T,
    task: &Task<'_>,
    landed: &Landed,
) -> Result<MessageListing, Fault> {
    let (mailbox, before) = (&task.plan.target, &task.listings.target);
    let Some(first) = first_unlisted(before) else {
        return Ok(MessageListing::default());
    };
    let named = landed.named();
    let others = Among::From(first, &named);
    let listing = target.messages_among(mailbox, others, &task.job.keys).await;
    // A mailbox that cannot be opened now may hold what was sent: it is asked again later.
    let listing = listing.map_err(|fault| match fault.kind {
        FaultKind::Select => Fault { retry: Retry::Later, ..fault },
        _ => fault,
    })?;
    let known = [before.uid_validity, landed.uid_validity];
    if known.into_iter().any(|known| known != 0 && known != listing.uid_validity) {
        return Err(renumbered(Side::Target, mailbox));
    }
    Ok(listing)
}

/// The least UID of what came into a mailbox since it was listed.
pub(crate) fn first_unlisted(before: &MessageListing) -> Option<Uid> {
    // Where UIDNEXT was not told, what was listed tells the same.
    let next = before.uid.last().map_or(1, |last| last.value().saturating_add(1));
    Uid::new(before.uid_next.max(next))
}

/// The messages in doubt, as part and UIDs, ascending. Before them those whose copies cannot be
/// told from theirs, since the target told no UIDs: of equal messages these were there first.
fn in_question(course: &Course<'_>) -> Vec<(usize, Vec<Uid>)> {
    let mut landed: BTreeMap<usize, Vec<Uid>> = BTreeMap::new();
    for copy in course.landed.copies.iter().filter(|copy| copy.target.is_none()) {
        landed.entry(copy.part as usize).or_default().push(copy.source);
    }
    let mut in_doubt: BTreeMap<usize, Vec<Uid>> = BTreeMap::new();
    for rest in course.rest.iter().filter(|rest| !rest.in_doubt.is_empty()) {
        in_doubt.entry(rest.part).or_default().extend(&rest.in_doubt);
    }
    let mut question: Vec<_> = landed.into_iter().chain(in_doubt).collect();
    for (_, uids) in &mut question {
        uids.sort_unstable();
        uids.dedup();
    }
    question
}

/// What became of the messages in question, and of what arrived. With [`Duplicates::CopyAll`] each
/// copy stands for one message, and a second of equal content is another copy.
pub(crate) async fn pair_all<S: Source, T: Source>(
    (source, doubts): (&mut S, &[Doubt]),
    (target, arrived): (&mut T, &MessageListing),
    (task, question, duplicates): (&Task<'_>, TargetQuestion, Duplicates),
) -> Result<Pairs, Fault> {
    let plan = task.plan;
    let (sizes, agreement) = (Sizes::default(), Agreement::default());
    let rule = PairRule { duplicates, question, sizes, agreement };
    let mut digests = vec![Digests::default(); doubts.len()];
    let mut target_digests = Digests::default();
    for _ in 0..PAIRING_ROUNDS_MAX {
        let inputs = doubts.iter().zip(&digests);
        let inputs: Vec<PairInput<'_>> =
            inputs.map(|(doubt, digests)| PairInput { listing: &doubt.listing, digests }).collect();
        let on_target = PairInput { listing: arrived, digests: &target_digests };
        let (of_source, of_target) = match pair(&inputs, on_target, &rule) {
            Pairing::Done(mut pairs) => {
                let sources = doubts.iter().map(|it| (&plan.parts[it.part].source, &it.listing));
                let paired = Paired {
                    job: task.job,
                    stop: task.stop,
                    rule,
                    sources: sources.collect(),
                    target: (&plan.target, arrived),
                };
                paired.pair_altered(source, target, &mut pairs).await?;
                return Ok(pairs);
            }
            Pairing::Needs(Needs { source, target, .. }) => (source, target),
        };
        for (at, doubt) in doubts.iter().enumerate() {
            let uids = of_source.iter().filter(|(of, _)| *of as usize == at);
            let uids: Vec<Uid> = uids.map(|(_, uid)| *uid).collect();
            if !uids.is_empty() {
                let mailbox = &plan.parts[doubt.part].source;
                let from = AsListed { mailbox, uid_validity: doubt.listing.uid_validity };
                digests[at].extend(source.digests(from, &uids).await?);
            }
        }
        if !of_target.is_empty() {
            let from = AsListed { mailbox: &plan.target, uid_validity: arrived.uid_validity };
            let found = target.digests(from, &of_target).await?;
            target_digests.extend(found);
        }
    }
    let words = "what was sent could not be told apart from what is there";
    let fault = Fault::new(Side::Target, FaultKind::Limit, words);
    Err(Fault { scope: Scope::Mailbox, ..fault }.in_mailbox(&plan.target))
}

/// Tells of the messages that are there; answers how many of them were in doubt.
fn take_note(course: &mut Course<'_>, there: &[(usize, Uid, Uid, u32)], uid_validity: u32) -> u64 {
    let mut found = 0;
    let mut copies: BTreeMap<usize, Vec<CopyMade>> = BTreeMap::new();
    for &(part, uid, target, size) in there {
        let Some(rest) =
            course.rest.iter_mut().find(|rest| rest.part == part && rest.in_doubt.contains(&uid))
        else {
            continue;
        };
        rest.in_doubt.remove(&uid);
        found += 1;
        course.landed.add(part, uid, (Some(target), uid_validity, Proof::Found));
        if let Ok(at) = rest.orders.binary_search_by_key(&uid, |order| order.uid) {
            let date = rest.orders[at].date;
            copies.entry(part).or_default().push(CopyMade { source: uid, target, date });
        }
        let appended = Appended {
            ticket: 0,
            uid,
            octets: u64::from(size),
            result: Ok(Some(target)),
            uid_validity,
            turn: Turn::First,
        };
        course.task.note_appended(part, appended, &mut course.progress);
    }
    for (part, copies) in copies {
        let there: HashSet<Uid> = copies.iter().map(|copy| copy.source).collect();
        for rest in course.rest.iter_mut().filter(|rest| rest.part == part) {
            rest.orders.retain(|order| !there.contains(&order.uid));
        }
        course.task.keep_copies(part, uid_validity, &copies);
    }
    course.rest.retain(|rest| !rest.orders.is_empty());
    found
}

/// Other pairs of connections copy the same mailbox, and what they have stored cannot be told from
/// what is in doubt here: that is left to the next run, which lists all of it.
fn leave_doubts(course: &mut Course<'_>) {
    let in_doubt: usize = course.rest.iter().map(|rest| rest.in_doubt.len()).sum();
    for rest in &mut course.rest {
        let in_doubt = std::mem::take(&mut rest.in_doubt);
        rest.orders.retain(|order| !in_doubt.contains(&order.uid));
    }
    course.rest.retain(|rest| !rest.orders.is_empty());
    let words = format!(
        "{in_doubt} messages were under way when a connection broke; the next run finds out what \
         became of them"
    );
    let fault = Fault::new(Side::Target, FaultKind::Connection, words);
    let fault = fault.in_mailbox(&course.task.plan.target);
    course.task.note_fault(fault, &mut course.progress);
}

pub(crate) fn renumbered(side: Side, mailbox: &MailboxName) -> Fault {
    let words = "the mailbox was renumbered, so that it cannot be told what became of the \
                 messages under way when the connection broke; the next run will find out";
    Fault::new(side, FaultKind::ListingIncomplete, words).in_mailbox(mailbox)
}

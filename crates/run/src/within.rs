//! Copying on the target what another mailbox of the source has brought there, in place of fetching it
//! again (`docs/design/gmail.md`).
//!
//! A copy counts once it was looked at: it has the identity headers, size and date of what it was made
//! of. What was not copied is fetched in its own mailbox, as ever. Of what may have been copied it is
//! found out first whether it was, as of an APPEND that was not answered for.

pub(crate) mod round;

use std::collections::{BTreeMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};

use mailferry_engine::fault::{Fault, Scope, Side};
use mailferry_engine::listing::MessageListing;
use mailferry_engine::message::{FlagSet, Uid};
use mailferry_engine::name::MailboxName;
use mailferry_engine::policy::PermanentFlags;
use mailferry_store::contract::{Among, Appended, AsListed, FlagUpdate, Target, Turn};

use crate::course::{Course, Proof, Rest};
use crate::events::Event;
use crate::mailbox::Task;
use crate::receipt::Headline;
use crate::settle::{first_unlisted, renumbered};
use crate::state::CopyMade;

/// Messages of one mailbox of the target that are copied into another.
pub(crate) struct Batch {
    /// Where they are,
    pub(crate) from: MailboxName,
    /// under this UIDVALIDITY.
    pub(crate) uid_validity: u32,
    /// In the order in which they are to stand.
    pub(crate) messages: Vec<Within>,
}

/// Messages of a batch at most.
pub(crate) const BATCH_MESSAGES_MAX: usize = 1_000;

/// A message of the source that is on the target, in another mailbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Within {
    /// Index of the source mailbox.
    pub(crate) part: usize,
    pub(crate) source: Uid,
    /// The copy in the other mailbox.
    pub(crate) there: Uid,
}

/// Whether the target copies as it should.
#[derive(Debug, Default)]
pub(crate) struct CopiesWell(AtomicBool);

impl CopiesWell {
    /// It does not, or does not say what it copied: nothing more is asked of it.
    fn deny(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_denied(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// What became of one message of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// No copy was made of it.
    Absent,
    /// It may have been copied.
    InDoubt,
    Copied(Uid),
}

/// What became of a batch.
struct Outcome {
    fates: Vec<Fate>,
    /// That of the mailbox that the copies are in.
    uid_validity: u32,
    /// What was refused beside.
    refused: Vec<Fault>,
    ability: Ability,
}

/// Whether the target copies as it should, as far as this batch tells.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ability {
    Unknown,
    Denied,
}

/// Copies a batch; answers how many messages were told of. What is left of it is with the course,
/// some of it perhaps in doubt.
///
/// # Errors
/// The connection is of no more use.
pub(crate) async fn copy<T: Target>(
    target: &mut T,
    course: &mut Course<'_>,
    batch: Batch,
) -> Result<u64, Fault> {
    let fates = vec![Fate::Absent; batch.messages.len()];
    let (refused, ability) = (Vec::new(), Ability::Unknown);
    let mut outcome = Outcome { fates, uid_validity: 0, refused, ability };
    let ended = attempt(target, &course.task, &batch, &mut outcome).await;
    if ended.is_ok() && outcome.fates.contains(&Fate::InDoubt) {
        outcome.ability = Ability::Denied;
    }
    let told = take_note(course, &batch, outcome);
    match ended {
        Err(fault) if fault.scope > Scope::Mailbox => Err(fault),
        _ => Ok(told),
    }
}

async fn attempt<T: Target>(
    target: &mut T,
    task: &Task<'_>,
    batch: &Batch,
    outcome: &mut Outcome,
) -> Result<(), Fault> {
    let from = AsListed { mailbox: &batch.from, uid_validity: batch.uid_validity };
    let (to, keys) = (&task.plan.target, &task.job.keys);
    let mut uids: Vec<Uid> = batch.messages.iter().map(|message| message.there).collect();
    uids.sort_unstable();
    note_sent(target, task, batch, (from, &uids)).await?;
    let here = target.messages_among(from.mailbox, Among::These(&uids), keys).await?;
    if here.uid_validity != from.uid_validity {
        return Err(renumbered(Side::Target, from.mailbox));
    }
    let mut order = Vec::with_capacity(uids.len());
    for (message, fate) in batch.messages.iter().zip(&mut outcome.fates) {
        if here.position(message.there).is_some() {
            order.push(message.there);
            *fate = Fate::InDoubt;
        }
    }
    if order.is_empty() {
        return Ok(());
    }
    let told = target.copy_messages(from, &order, to).await?;
    let mut uids: Vec<Uid> = told.copies.values().copied().collect();
    uids.sort_unstable();
    uids.dedup();
    let copies = target.messages_among(to, Among::These(&uids), keys).await?;
    if told.uid_validity == 0 || copies.uid_validity != told.uid_validity {
        return Ok(());
    }
    outcome.uid_validity = told.uid_validity;
    let place = AsListed { mailbox: to, uid_validity: told.uid_validity };
    let (mut unlike, mut updates) = (Vec::new(), Vec::new());
    for (at, message) in batch.messages.iter().enumerate() {
        let Some(&copy) = told.copies.get(&message.there) else { continue };
        match compare((&here, message.there), (&copies, copy)) {
            Comparison::Same(missing) => {
                outcome.fates[at] = Fate::Copied(copy);
                if !missing.is_empty() {
                    let remove = FlagSet::default();
                    updates.push(FlagUpdate { uid: copy, add: missing, remove });
                }
            }
            // This run's own, as it was not there before.
            Comparison::OtherDate if Some(copy) >= first_unlisted(&task.listings.target) => {
                unlike.push((at, copy));
            }
            Comparison::OtherDate | Comparison::Other => {}
        }
    }
    if !updates.is_empty() {
        let refused = target.update_flags(place, &updates).await?;
        outcome.refused.extend(refused.into_iter().map(|(_, fault)| fault));
    }
    remove_unlike(target, place, &unlike, outcome).await
}

/// Removes copies that were given another date, so that they can be made as they should be.
async fn remove_unlike<T: Target>(
    target: &mut T,
    place: AsListed<'_>,
    unlike: &[(usize, Uid)],
    outcome: &mut Outcome,
) -> Result<(), Fault> {
    if unlike.is_empty() {
        return Ok(());
    }
    outcome.ability = Ability::Denied;
    let mut uids: Vec<Uid> = unlike.iter().map(|(_, uid)| *uid).collect();
    uids.sort_unstable();
    let mut left: BTreeMap<Uid, Fault> =
        target.delete_messages(place, &uids).await?.into_iter().collect();
    for (at, uid) in unlike {
        outcome.fates[*at] = match left.remove(uid) {
            Some(fault) => {
                let words = format!("its copy has another date, and stays: {}", fault.words);
                outcome.refused.push(Fault { words, ..fault });
                Fate::Copied(*uid)
            }
            None => Fate::Absent,
        };
    }
    Ok(())
}

/// What a receipt has to say of messages before they may be there.
async fn note_sent<T: Target>(
    target: &mut T,
    task: &Task<'_>,
    batch: &Batch,
    (from, uids): (AsListed<'_>, &[Uid]),
) -> Result<(), Fault> {
    let Some(receipt) = &task.job.receipt else { return Ok(()) };
    let headlines = target.headlines(from, uids).await?;
    for message in &batch.messages {
        let headline = headlines.get(&message.there).map(|header| Headline::of(header));
        let mailbox = &task.plan.parts[message.part].source;
        let octets = task.size_of(message.part, message.source);
        receipt.note_sent(mailbox, message.source, (octets, &headline.unwrap_or_default()));
    }
    Ok(())
}

/// How a copy compares with what it was made of.
enum Comparison {
    /// It is the same, but for flags that it does not have.
    Same(FlagSet),
    OtherDate,
    /// It is another message, or cannot be seen.
    Other,
}

fn compare(
    (here, original): (&MessageListing, Uid),
    (there, copy): (&MessageListing, Uid),
) -> Comparison {
    let (Some(one), Some(other)) = (here.position(original), there.position(copy)) else {
        return Comparison::Other;
    };
    if (here.key[one], here.size[one]) != (there.key[other], there.size[other]) {
        return Comparison::Other;
    }
    if here.date[one].instant() != there.date[other].instant() {
        return Comparison::OtherDate;
    }
    let present = there.flag_table.set(there.flags[other]);
    let flags = here.flag_table.set(here.flags[one]);
    Comparison::Same(flags.iter().filter(|flag| !present.contains(flag)).cloned().collect())
}

/// Tells of what was copied, and leaves the rest with the course; answers how many were told of.
fn take_note(course: &mut Course<'_>, batch: &Batch, outcome: Outcome) -> u64 {
    let Outcome { fates, uid_validity, refused, ability } = outcome;
    let (mut told, mut behind) = (0, 0);
    let mut copies: BTreeMap<usize, Vec<CopyMade>> = BTreeMap::new();
    let mut absent = Vec::new();
    let mut in_doubt = Vec::new();
    for (message, fate) in batch.messages.iter().zip(fates) {
        let &Within { part, source, .. } = message;
        let copy = match fate {
            Fate::Copied(copy) => copy,
            Fate::Absent => {
                absent.push((part, source));
                continue;
            }
            Fate::InDoubt => {
                in_doubt.push((part, source));
                continue;
            }
        };
        told += 1;
        behind += u64::from(course.is_behind(part, source));
        course.reach(part, source);
        course.landed.add(part, source, (Some(copy), uid_validity, Proof::Told));
        let date = course.task.order(part, source, &PermanentFlags::Unknown).map(|it| it.date);
        let made = date.map(|date| CopyMade { source, target: copy, date });
        copies.entry(part).or_default().extend(made);
        let appended = Appended {
            ticket: 0,
            uid: source,
            octets: course.task.size_of(part, source),
            result: Ok(Some(copy)),
            uid_validity,
            turn: Turn::First,
        };
        course.task.note_appended(part, appended, &mut course.progress);
    }
    for (part, copies) in copies {
        course.task.keep_copies(part, uid_validity, &copies);
    }
    refused.into_iter().for_each(|it| course.task.note_fault(it, &mut course.progress));
    course.progress.done.copied_within += told;
    course.progress.done.copied_behind += behind;
    if told > 0 {
        let mailbox = &course.task.plan.target;
        course.task.events.on(&Event::CopiedWithin { mailbox, messages: told, behind });
    }
    if ability == Ability::Denied {
        course.task.copies_well.deny();
        course.fetch_all_within();
    }
    course.fetch(absent);
    course.put_in_doubt(in_doubt);
    told
}

impl Course<'_> {
    /// Messages are to be fetched, after all else.
    pub(crate) fn fetch(&mut self, messages: Vec<(usize, Uid)>) {
        for (part, orders) in self.orders_of(messages) {
            self.rest.push_back(Rest { part, orders, in_doubt: HashSet::new() });
        }
    }

    /// Messages may be there; before anything else it is to be found out.
    fn put_in_doubt(&mut self, messages: Vec<(usize, Uid)>) {
        for (part, orders) in self.orders_of(messages) {
            let in_doubt = orders.iter().map(|order| order.uid).collect();
            self.rest.push_front(Rest { part, orders, in_doubt });
        }
    }

    /// Nothing more is copied within the target.
    pub(crate) fn fetch_all_within(&mut self) {
        let batches = std::mem::take(&mut self.within);
        let messages = batches.iter().flat_map(|batch| &batch.messages);
        let messages = messages.map(|message| (message.part, message.source)).collect();
        self.fetch(messages);
    }
}

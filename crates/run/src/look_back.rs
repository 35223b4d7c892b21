//! A last look at the mailboxes that were copied to: whether more came than this run sent, and
//! whether any of it is there twice.
//!
//! What a killed run had sent may be stored after this run listed the mailbox, and another program
//! may copy the same messages at the same time. Then the server counts more messages than there
//! were and were sent. New mail does that, too, so it is looked what came. Of two messages of equal
//! content the later one is one too many; it is removed if the target told its UID to this run as
//! that of its own copy, and only told of otherwise. Never the earlier one: two runs that find each
//! other's copies would remove both.

use std::collections::{BTreeMap, HashSet};

use mailferry_engine::fault::{Fault, FaultKind, Scope, Side};
use mailferry_engine::listing::{MessageListing, Row, SIZE_UNKNOWN};
use mailferry_engine::message::{FlagSet, Uid};
use mailferry_engine::name::MailboxName;
use mailferry_engine::pairing::{TargetFate, TargetQuestion};
use mailferry_engine::policy::Duplicates;
use mailferry_store::contract::{Among, AsListed, Source, Target};

use crate::course::{Landed, Landing, Proof};
use crate::events::Event;
use crate::mailbox::Task;
use crate::recognition::Sample;
use crate::settle::{arrived, list_doubts, pair_all, renumbered};

/// What a last look found in one mailbox.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Doubles {
    /// Removed: this run's own copies.
    pub(crate) removed: u64,
    /// Left: nobody can tell whose they are.
    pub(crate) left: u64,
}

/// Mailboxes, by their places, that do not hold as many messages as were there and were sent.
#[derive(Debug, Default)]
pub(crate) struct Counted {
    /// Those that hold more, and how many more.
    pub(crate) overfull: BTreeMap<usize, u64>,
    /// Those that hold fewer.
    pub(crate) short: Vec<usize>,
}

/// How many messages these mailboxes hold, against what was there and was sent; and some copies as
/// the target lists them, in the same flight.
///
/// # Errors
/// The connection is of no more use.
pub(crate) async fn count<T: Source>(
    target: &mut T,
    mailboxes: &[(usize, Task<'_>, &Landed)],
    sample: Option<&Sample<'_>>,
) -> Result<(Counted, MessageListing), Fault> {
    let names: Vec<MailboxName> =
        mailboxes.iter().map(|(_, task, _)| task.plan.target.clone()).collect();
    let (marks, rows) = match sample {
        Some(some) => {
            let copies = (some.mailbox(), &some.uids[..]);
            target.marks_and_rows(&names, copies, some.keys()).await?
        }
        None => (target.marks(&names).await?, MessageListing::default()),
    };
    let mut counted = Counted::default();
    for ((at, task, landed), mark) in mailboxes.iter().zip(marks) {
        let expected = task.listings.target.len() as u64 + landed.copies.len() as u64;
        // What STATUS does not tell is looked for.
        let excess = match mark.messages {
            Some(messages) => u64::from(messages).saturating_sub(expected),
            None => u64::MAX,
        };
        if excess > 0 {
            counted.overfull.insert(*at, excess);
        } else if mark.messages.is_some_and(|messages| u64::from(messages) < expected) {
            counted.short.push(*at);
        }
    }
    Ok((counted, rows))
}

/// Looks what came into one mailbox, and removes what is there twice through this run, at most
/// `removable` messages.
///
/// # Errors
/// It cannot be found out, or the connection is of no more use.
pub(crate) async fn look_back<S: Source, T: Target>(
    source: &mut S,
    target: &mut T,
    task: &Task<'_>,
    (landed, removable): (&Landed, u64),
) -> Result<Doubles, Fault> {
    let others = arrived(target, task, landed).await?;
    let copied = candidates(landed, task, &others);
    // A copy takes part with its message, or not at all: it would look like one too many.
    let mut ours: Vec<Uid> = copied.iter().filter_map(|copy| copy.target).collect();
    ours.sort_unstable();
    if others.is_empty() || copied.is_empty() {
        return Ok(Doubles::default());
    }
    let mut arrived = others;
    if !ours.is_empty() {
        let (mailbox, keys) = (&task.plan.target, &task.job.keys);
        let copies = target.messages_among(mailbox, Among::These(&ours), keys).await?;
        if copies.uid_validity != arrived.uid_validity {
            return Err(renumbered(Side::Target, mailbox));
        }
        add(&mut arrived, &copies);
    }
    let doubts = list_doubts(source, task, by_part(&copied)).await?;
    // A copy whose message has left the source since would look like one too many.
    let is_listed = |copy: &&Landing| {
        let mut doubts = doubts.iter().filter(|doubt| doubt.part == copy.part as usize);
        doubts.any(|doubt| doubt.listing.position(copy.source).is_some())
    };
    let there: HashSet<Uid> = copied.iter().filter(is_listed).filter_map(|it| it.target).collect();
    arrived.retain(|uid| ours.binary_search(&uid).is_err() || there.contains(&uid));
    let question = (task, TargetQuestion::ExtraAndDuplicates, Duplicates::CopyAll);
    let pairs = pair_all((source, &doubts), (target, &arrived), question).await?;
    let (mut ours, others) = surplus(&arrived, &pairs.target, (&ours, &copied));
    // Never more than there are too many.
    let kept = ours.split_off(ours.len().min(usize::try_from(removable).unwrap_or(usize::MAX)));
    let mut doubles = Doubles { removed: 0, left: (others.len() + kept.len()) as u64 };
    if ours.is_empty() || task.stop.is_asked() {
        doubles.left += ours.len() as u64;
        return Ok(doubles);
    }
    let place = AsListed { mailbox: &task.plan.target, uid_validity: arrived.uid_validity };
    let still_there: HashSet<Uid> =
        target.delete_messages(place, &ours).await?.into_iter().map(|(uid, _)| uid).collect();
    for uid in ours {
        if still_there.contains(&uid) {
            doubles.left += 1;
        } else {
            doubles.removed += 1;
            let mailbox = &task.plan.target;
            task.events.on(&Event::DoubleRemoved { mailbox, uid });
        }
    }
    Ok(doubles)
}

/// The messages that are one too many: this run's own copies, and those that may be anybody's.
fn surplus(
    arrived: &MessageListing,
    fates: &[TargetFate],
    (ours, copied): (&[Uid], &[Landing]),
) -> (Vec<Uid>, Vec<Uid>) {
    let is_ours = |uid: &Uid| ours.binary_search(uid).is_ok();
    let stands_for_a_copied_one = |at: u32| {
        let at = at as usize;
        matches!(fates.get(at), Some(TargetFate::Paired))
            || arrived.uid.get(at).is_some_and(is_ours)
    };
    let surplus = arrived.uid.iter().zip(fates).filter(|(uid, fate)| match fate {
        TargetFate::DuplicateOf(of) => is_ours(uid) || stands_for_a_copied_one(*of),
        _ => false,
    });
    let proven: HashSet<Uid> = copied
        .iter()
        .filter(|copy| copy.proof == Proof::Told)
        .filter_map(|copy| copy.target)
        .collect();
    surplus.map(|(uid, _)| *uid).partition(|uid| proven.contains(uid))
}

/// The copies that may be there twice: those whose messages agree in date or
/// size with something that came and is not known to be this run's. All, where it was not told which
/// copies are.
fn candidates(landed: &Landed, task: &Task<'_>, others: &MessageListing) -> Vec<Landing> {
    let dates: HashSet<Option<i64>> = others.date.iter().map(|date| date.instant()).collect();
    let sizes: HashSet<u32> = others.size.iter().copied().collect();
    let may_be_there_twice = |part: usize, uid: Uid| {
        let listing = &task.listings.sources[part];
        listing.position(uid).is_none_or(|at| {
            let size = listing.size[at];
            size == SIZE_UNKNOWN
                || sizes.contains(&size)
                || dates.contains(&listing.date[at].instant())
        })
    };
    let is_candidate = |copy: &&Landing| {
        copy.target.is_none() || may_be_there_twice(copy.part as usize, copy.source)
    };
    landed.copies.iter().filter(is_candidate).copied().collect()
}

/// Adds what is in another listing of the same mailbox. Flags are no matter here.
fn add(one: &mut MessageListing, other: &MessageListing) {
    let flags = one.flag_table.intern(FlagSet::default());
    for at in 0..other.len() {
        let (uid, key) = (other.uid[at], other.key[at]);
        let (size, date) = (other.size[at], other.date[at]);
        one.push(Row { uid, key, size, date, flags, selected: true });
    }
    one.sort();
}

/// The messages of the source behind some copies, ascending by UID.
fn by_part(copies: &[Landing]) -> BTreeMap<usize, Vec<Uid>> {
    let mut parts: BTreeMap<usize, Vec<Uid>> = BTreeMap::new();
    for copy in copies {
        parts.entry(copy.part as usize).or_default().push(copy.source);
    }
    parts.values_mut().for_each(|uids| uids.sort_unstable());
    parts
}

/// What is said of messages that are there twice and stay.
pub(crate) fn left_twice(mailbox: &MailboxName, count: u64) -> Fault {
    let words = format!(
        "{count} messages are there twice: a connection that broke, or another program, stored them \
         while this run copied them, and which copy is whose cannot be told"
    );
    let fault = Fault::new(Side::Target, FaultKind::Append, words).in_mailbox(mailbox);
    Fault { scope: Scope::Mailbox, ..fault }
}

//! Which messages of the source are proven to be on the target, looked at anew: the UID of the copy is
//! known, it is there now, and size or content are the same (`docs/design/source-deletion.md`).

use std::collections::{BTreeMap, HashSet};

use mailferry_engine::fault::{Fault, FaultKind, Side};
use mailferry_engine::listing::{MessageListing, SIZE_UNKNOWN};
use mailferry_engine::message::Uid;
use mailferry_engine::pairing::{Digests, SourceFate, TargetQuestion};
use mailferry_engine::plan::{Action, Decision};
use mailferry_engine::policy::Duplicates;
use mailferry_store::contract::{Among, AsListed, Source};

use crate::course::{Landed, Proof};
use crate::job::ProofRule;
use crate::mailbox::Task;
use crate::settle::{arrived, list_doubts, pair_all, renumbered};
use crate::survey::listed;

/// A message of the source and what is taken for its copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pair {
    /// Index of the source mailbox.
    pub(crate) part: usize,
    pub(crate) source: Uid,
    pub(crate) target: Uid,
}

/// What was found out of the messages of one mailbox.
#[derive(Debug, Default)]
pub(crate) struct Proven {
    /// Those that are on the target.
    pub(crate) pairs: Vec<Pair>,
    /// Those of which that is not proven, and why.
    pub(crate) unproven: Vec<(usize, Uid, &'static str)>,
    /// UIDVALIDITY of the target mailbox.
    pub(crate) uid_validity: u32,
    /// UIDs of the copies that are marked `\Deleted`, ascending.
    pub(crate) marked: Vec<Uid>,
}

const NOT_THERE: &str = "its copy is not on the target now";
const UNKNOWN: &str = "which message on the target is its copy is not known";
const DIFFERENT: &str = "what is taken for its copy has another content";
const UNREADABLE: &str = "the contents of it and of its copy could not be compared";

/// Finds out which messages of a mailbox are on the target.
///
/// # Errors
/// One of scope mailbox: it cannot be found out. Any other: a connection is of no more use.
pub(crate) async fn prove<S: Source, T: Source>(
    source: &mut S,
    target: &mut T,
    task: &Task<'_>,
    landed: &Landed,
) -> Result<Proven, Fault> {
    let (mut pairs, mut unnamed) = assumed(task, landed);
    let mut proven = Proven::default();
    let mut there = look(target, task, (landed, &pairs)).await?;
    // A copy that was one too many was removed after a last look, and another one stays.
    let copied: HashSet<Uid> = landed.copies.iter().filter_map(|copy| copy.target).collect();
    pairs.retain(|pair| {
        let stays = there.position(pair.target).is_some() || !copied.contains(&pair.target);
        if !stays {
            unnamed.push((pair.part, pair.source));
        }
        stays
    });
    if !unnamed.is_empty() {
        let found = find_unnamed((source, target), task, (landed, &unnamed)).await?;
        let known: HashSet<(usize, Uid)> =
            found.iter().map(|pair| (pair.part, pair.source)).collect();
        let of = unnamed.into_iter().filter(|message| !known.contains(message));
        proven.unproven.extend(of.map(|(part, uid)| (part, uid, UNKNOWN)));
        pairs.extend(found);
        there = look(target, task, (landed, &pairs)).await?;
    }
    proven.uid_validity = there.uid_validity;
    proven.marked = marked(&there);
    let doubtful = by_size((task, landed), pairs, &there, &mut proven);
    by_content((source, target), task, (doubtful, &there), &mut proven).await?;
    proven.pairs.sort_unstable_by_key(|pair| (pair.part, pair.source));
    Ok(proven)
}

/// The copies as they are now.
async fn look<T: Source>(
    target: &mut T,
    task: &Task<'_>,
    (landed, pairs): (&Landed, &[Pair]),
) -> Result<MessageListing, Fault> {
    let mut copies: Vec<Uid> = pairs.iter().map(|pair| pair.target).collect();
    copies.sort_unstable();
    copies.dedup();
    if copies.is_empty() {
        return Ok(MessageListing::default());
    }
    let (mailbox, keys) = (&task.plan.target, &task.job.keys);
    let there = target.messages_among(mailbox, Among::These(&copies), keys).await?;
    let known = [task.listings.target.uid_validity, landed.uid_validity];
    if known.into_iter().any(|known| known != 0 && known != there.uid_validity) {
        return Err(renumbered(Side::Target, mailbox));
    }
    Ok(there)
}

/// What this run takes for the copies of the messages that it copied or found present; and the
/// messages that it copied to a target that told no UIDs.
fn assumed(task: &Task<'_>, landed: &Landed) -> (Vec<Pair>, Vec<(usize, Uid)>) {
    let (mut pairs, mut unnamed) = (Vec::new(), Vec::new());
    let rule = task.plan.source_deletion;
    let leaves = |part: usize, uid: Uid| {
        let listing = &task.listings.sources[part];
        let at = listing.position(uid);
        at.is_some_and(|at| rule.takes(listing.flag_table.set(listing.flags[at])))
    };
    for (part, plan) in task.plan.parts.iter().enumerate() {
        let decided = plan.uids.iter().zip(&plan.decisions);
        for (&source, decision) in decided.filter(|(uid, _)| leaves(part, **uid)) {
            if let Decision::Present { target } | Decision::Act(Action::UpdateFlags { target }) =
                *decision
            {
                pairs.push(Pair { part, source, target });
            }
        }
    }
    for copy in &landed.copies {
        let (part, source) = (copy.part as usize, copy.source);
        if !leaves(part, source) {
            continue;
        }
        match copy.target {
            Some(target) => pairs.push(Pair { part, source, target }),
            None => unnamed.push((part, source)),
        }
    }
    (pairs, unnamed)
}

/// The copies of messages whose UIDs the target did not tell, by what they are.
async fn find_unnamed<S: Source, T: Source>(
    (source, target): (&mut S, &mut T),
    task: &Task<'_>,
    (landed, unnamed): (&Landed, &[(usize, Uid)]),
) -> Result<Vec<Pair>, Fault> {
    let arrived = arrived(target, task, landed).await?;
    let mut parts: BTreeMap<usize, Vec<Uid>> = BTreeMap::new();
    for &(part, uid) in unnamed {
        parts.entry(part).or_default().push(uid);
    }
    parts.values_mut().for_each(|uids| uids.sort_unstable());
    let doubts = list_doubts(source, task, parts).await?;
    let question = (task, TargetQuestion::None, Duplicates::CopyAll);
    let fates = pair_all((source, &doubts), (target, &arrived), question).await?;
    let mut found = Vec::new();
    for (doubt, fates) in doubts.iter().zip(fates.parts) {
        for (&uid, fate) in doubt.listing.uid.iter().zip(fates) {
            if let SourceFate::Paired(at) = fate {
                let target = arrived.uid[at as usize];
                found.push(Pair { part: doubt.part, source: uid, target });
            }
        }
    }
    Ok(found)
}

fn marked(there: &MessageListing) -> Vec<Uid> {
    let is_marked = |at: &usize| is_deleted(there, *at);
    (0..there.len()).filter(is_marked).map(|at| there.uid[at]).collect()
}

/// Whether a listed message is marked `\Deleted`.
pub(crate) fn is_deleted(listing: &MessageListing, at: usize) -> bool {
    let flags = listing.flag_table.set(listing.flags[at]);
    flags.iter().any(|flag| flag.is_deleted())
}

/// Takes those for proven that are there in their size; answers those of which content decides.
///
/// What this run has sent and was told the UID of is its copy. Of all others the date has to agree,
/// too: an edited draft may have the size that it had, and its old form on the target stands for it
/// by that (`docs/design/identity.md`).
fn by_size(
    (task, landed): (&Task<'_>, &Landed),
    pairs: Vec<Pair>,
    there: &MessageListing,
    proven: &mut Proven,
) -> Vec<Pair> {
    let mut doubtful = Vec::new();
    let mut used = HashSet::new();
    let told = landed.copies.iter().filter(|copy| copy.proof == Proof::Told);
    let told: HashSet<Uid> = told.filter_map(|copy| copy.target).collect();
    for pair in pairs {
        let Some(at) = there.position(pair.target).filter(|_| used.insert(pair.target)) else {
            proven.unproven.push((pair.part, pair.source, NOT_THERE));
            continue;
        };
        let listing = &task.listings.sources[pair.part];
        let here = listing.position(pair.source);
        let same = here.is_some_and(|here| {
            let (size, date) = (listing.size[here], listing.date[here].instant());
            let same_date = date.is_some() && date == there.date[at].instant();
            let same_size = size == there.size[at] && size != SIZE_UNKNOWN;
            same_size && (same_date || told.contains(&pair.target))
        });
        match task.job.proof {
            ProofRule::Size if same => proven.pairs.push(pair),
            ProofRule::Size | ProofRule::Content => doubtful.push(pair),
        }
    }
    doubtful
}

/// Reads both sides of those of which content decides.
async fn by_content<S: Source, T: Source>(
    (source, target): (&mut S, &mut T),
    task: &Task<'_>,
    (doubtful, there): (Vec<Pair>, &MessageListing),
    proven: &mut Proven,
) -> Result<(), Fault> {
    if doubtful.is_empty() {
        return Ok(());
    }
    let mut of_source: Vec<Digests> = Vec::new();
    for part in 0..task.plan.parts.len() {
        let uids: Vec<Uid> =
            doubtful.iter().filter(|pair| pair.part == part).map(|pair| pair.source).collect();
        of_source.push(if uids.is_empty() {
            Digests::default()
        } else {
            let from = listed(&task.plan.parts[part].source, &task.listings.sources[part]);
            source.digests(from, &uids).await?
        });
    }
    let uids: Vec<Uid> = doubtful.iter().map(|pair| pair.target).collect();
    let from = AsListed { mailbox: &task.plan.target, uid_validity: there.uid_validity };
    let of_target = target.digests(from, &uids).await?;
    for pair in doubtful {
        let one = of_source[pair.part].find(pair.source).flatten();
        let other = of_target.find(pair.target).flatten();
        match (one, other) {
            (Some(one), Some(other)) if one == other => proven.pairs.push(pair),
            (Some(_), Some(_)) => proven.unproven.push((pair.part, pair.source, DIFFERENT)),
            _ => proven.unproven.push((pair.part, pair.source, UNREADABLE)),
        }
    }
    Ok(())
}

/// What is said of a message that stays because its copy is not proven.
pub(crate) fn unproven(words: &str) -> Fault {
    let words = format!("it stays on the source: {words}");
    Fault::new(Side::Source, FaultKind::DeleteMessage, words)
}

//! What is to be done: one decision for every message that was listed.

use std::collections::{HashMap, HashSet};

use serde::Serialize;

use crate::deletion::Deletions;
use crate::fault::{Fault, FaultKind, Side};
use crate::listing::{MailboxInfo, MessageListing};
use crate::mapping::{Doubt, How};
use crate::message::{FlagSetId, Key, Uid};
use crate::name::{MailboxName, SpecialUse};
use crate::pairing::{Pairs, SourceFate};
use crate::policy::{
    Elsewhere, PermanentFlags, Rules, SourceDeletion, Subscribe, Unrecognised, flags_to_send,
};
use crate::summary::Counts;

/// From this number of messages on, a target mailbox of which none is recognised is not
/// appended to.
pub const UNRECOGNISED_MESSAGES_MIN: usize = 20;

/// What is to be done with one message of the source. Exactly one for each listed message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Decision {
    /// Something is to be done.
    Act(Action),
    /// It is on the target, as it should be.
    Present {
        /// Its UID there.
        target: Uid,
    },
    /// It is left alone by a rule.
    Skip(SkipReason),
    /// It cannot be dealt with; the index of a fault in [`MailboxPlan::faults`].
    Problem(u32),
}

/// What is to be done with one message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// Append it to the target.
    Copy,
    /// It is on the target; its flags there are to be changed as
    /// [`Rules::flags_update`] says.
    UpdateFlags {
        /// Its UID there.
        target: Uid,
    },
}

/// Why a message is left alone. Limits are in octets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum SkipReason {
    /// Not within the selection (search, age).
    NotSelected,
    /// Larger than the user wants.
    TooBig {
        /// The user's limit.
        limit: u32,
    },
    /// Not larger than the user wants.
    TooSmall {
        /// The user's limit.
        limit: u32,
    },
    /// Larger than the target takes.
    OverAppendLimit {
        /// The target's limit.
        limit: u32,
    },
    /// Another message of equal content stands for it.
    Duplicate,
    /// It is in another mailbox of the target.
    Elsewhere,
}

/// A target message to be removed: by the listings of this run, never by what an earlier one
/// knew, and under the UIDVALIDITY it was listed with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Deletion {
    /// Its UID.
    pub uid: Uid,
    /// What allows it.
    pub why: DeleteReason,
}

/// What allows a target message to be removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum DeleteReason {
    /// Its key is not on the source.
    Absent,
    /// Its key is on the source, or it has none, and its content is not, or less often.
    ContentAbsent,
    /// It is a surplus copy of a message that stays.
    Duplicate,
}

/// Why target messages stay that a rule would remove.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum HoldReason {
    /// A source mailbox could not be listed wholly.
    ListingIncomplete,
    /// A message of this mailbox has a problem.
    Problem,
    /// A source mailbox that does not take part has the same name on the target.
    OtherSource,
    /// The mailbox is not in the user's own namespace.
    NotPersonal,
    /// Known only by its content, while a source message known only by its content is not on
    /// the target yet.
    WeakIdentity,
    /// Its content could not be had, or that of a source message that may be the same.
    NoDigest,
    /// The target rewrites what it stores, so that its messages are known by stored UIDs only.
    Unrecognised,
}

/// Target messages that stay though a rule would remove them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct HeldBack {
    /// Why.
    pub reason: HoldReason,
    /// How many.
    pub messages: u64,
}

/// One source mailbox that feeds the target mailbox.
#[derive(Clone, Copy, Debug)]
pub struct PartInput<'a> {
    /// The mailbox.
    pub source: &'a MailboxInfo,
    /// Its messages.
    pub listing: &'a MessageListing,
    /// What kept the listing from being whole.
    pub incomplete: Option<&'a Fault>,
}

impl PartInput<'_> {
    /// Why there may be messages that are not in the listing.
    pub(crate) fn fault(&self) -> Option<Fault> {
        let hidden = |words| {
            Fault::new(Side::Source, FaultKind::HiddenMessages, words).in_mailbox(&self.source.name)
        };
        self.incomplete.cloned().or_else(|| self.listing.view.words().map(hidden))
    }
}

/// All that is known of a target mailbox and what feeds it. `pairs` comes from
/// [`crate::pairing::pair`] over the same listings in the same order.
#[derive(Clone, Copy)]
pub struct MailboxInput<'a> {
    /// Its name on the target.
    pub target: &'a MailboxName,
    /// What LIST says of it; `None` if it is still to be created.
    pub target_info: Option<&'a MailboxInfo>,
    /// How it got its name.
    pub how: How,
    /// What is odd about its name, from all the mappings that lead to it.
    pub doubts: &'a [Doubt],
    /// The special use to create it with.
    pub create_as: Option<SpecialUse>,
    /// Its messages; empty if it is to be created.
    pub target_listing: &'a MessageListing,
    /// The source mailboxes that feed it.
    pub parts: &'a [PartInput<'a>],
    /// Which messages are the same.
    pub pairs: &'a Pairs,
    /// The flags it keeps.
    pub permanent_flags: &'a PermanentFlags,
    /// The keys of messages in other mailboxes of the target account: of all of them (restore),
    /// or of what the mailboxes planned before have and will have.
    pub elsewhere: Option<&'a HashSet<Key>>,
    /// Source mailboxes that do not take part but have the same name on the target.
    pub other_sources: &'a [MailboxName],
}

/// What is to be done in one target mailbox.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct MailboxPlan {
    /// Its name on the target.
    pub target: MailboxName,
    /// How it got its name.
    pub how: How,
    /// What is odd about its name.
    pub doubts: Vec<Doubt>,
    /// Whether it is to be created, and as what.
    pub create: Option<Creation>,
    /// Whether it is to be subscribed.
    pub subscribe: Subscription,
    /// What is to be done with the messages of each source mailbox.
    pub parts: Vec<PartPlan>,
    /// Target messages to be removed, in ascending order of UID. Where the reason is
    /// [`DeleteReason::ContentAbsent`], not before the copies of this mailbox are there.
    pub delete: Vec<Deletion>,
    /// Target messages that stay though a rule would remove them.
    pub held_back: Vec<HeldBack>,
    /// What is removed from the source: of the messages that are copied or present here, those
    /// whose copies are proven.
    pub source_deletion: SourceDeletion,
    /// The faults that decisions point to, and those of the mailbox itself.
    pub faults: Vec<Fault>,
    /// The sums.
    pub counts: Counts,
}

/// A mailbox to be created.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Creation {
    /// With this special use, where the target can do that (RFC 6154 §3).
    pub special_use: Option<SpecialUse>,
}

/// Whether a mailbox is to be subscribed. What is to be given up is in
/// [`crate::account::Plan::subscriptions`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Subscription {
    /// It is to be.
    Add,
    /// It stays as it is.
    Leave,
}

/// What is to be done with the messages of one source mailbox.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PartPlan {
    /// Its name on the source.
    pub source: MailboxName,
    /// The UIDs of its messages, in order.
    pub uids: Vec<Uid>,
    /// One decision for each of them.
    pub decisions: Vec<Decision>,
}

/// Makes the plan of one target mailbox. Total and pure: the same input gives the same plan.
///
/// `input.pairs` has to fit the listings; a message for which it has no fate becomes a problem.
#[must_use]
pub fn plan_mailbox(input: &MailboxInput<'_>, rules: &Rules) -> MailboxPlan {
    let mut planner = Planner::new(input, rules);
    let parts: Vec<PartPlan> = (0..input.parts.len()).map(|part| planner.plan_part(part)).collect();
    let mut counts = planner.counts;
    counts.target_listed = input.target_listing.len() as u64;
    let (delete, held_back) = Deletions::new(input, rules, &counts).find();
    for deletion in &delete {
        match deletion.why {
            DeleteReason::Duplicate => counts.delete_duplicates += 1,
            DeleteReason::Absent | DeleteReason::ContentAbsent => counts.delete += 1,
        }
    }
    counts.delete_source = removed_from_source(input, &parts, rules.source_deletion);
    counts.held_back = held_back.iter().map(|held| held.messages).sum();
    MailboxPlan {
        target: input.target.clone(),
        how: input.how,
        doubts: input.doubts.to_vec(),
        create: match input.target_info {
            Some(_) => None,
            None => Some(Creation { special_use: input.create_as }),
        },
        subscribe: subscription(input, rules.subscribe),
        parts,
        delete,
        held_back,
        source_deletion: rules.source_deletion,
        faults: planner.faults,
        counts,
    }
}

/// How many of the messages that are copied or present are to leave the source.
fn removed_from_source(input: &MailboxInput<'_>, parts: &[PartPlan], rule: SourceDeletion) -> u64 {
    let leaves = |decision: &Decision, listing: &MessageListing, flags: FlagSetId| {
        let is_there = matches!(decision, Decision::Act(_) | Decision::Present { .. });
        is_there && rule.takes(listing.flag_table.set(flags))
    };
    let of_part = |(part, input): (&PartPlan, &PartInput<'_>)| {
        let listing = input.listing;
        let decided = part.decisions.iter().zip(&listing.flags);
        decided.filter(|(decision, flags)| leaves(decision, listing, **flags)).count() as u64
    };
    if rule == SourceDeletion::Nothing {
        return 0;
    }
    parts.iter().zip(input.parts).map(of_part).sum()
}

fn subscription(input: &MailboxInput<'_>, rule: Subscribe) -> Subscription {
    let wanted = match rule {
        Subscribe::Mirror | Subscribe::Account | Subscribe::Exact => {
            input.parts.iter().any(|part| part.source.subscribed)
        }
        Subscribe::All => true,
        Subscribe::None => false,
    };
    if wanted && !input.target_info.is_some_and(|info| info.subscribed) {
        Subscription::Add
    } else {
        Subscription::Leave
    }
}

/// Decides message by message.
struct Planner<'a> {
    input: &'a MailboxInput<'a>,
    rules: &'a Rules,
    faults: Vec<Fault>,
    counts: Counts,
    /// What keeps messages from being appended to the mailbox.
    closed: Closed,
}

/// Whether a target mailbox is appended to.
enum Closed {
    No,
    /// It is not; the fault is told with the first message that would have been.
    By(Fault),
    Told(u32),
}

impl<'a> Planner<'a> {
    fn new(input: &'a MailboxInput<'a>, rules: &'a Rules) -> Self {
        let faults = input.parts.iter().filter_map(PartInput::fault).collect();
        let counts = Counts::default();
        let mut this = Self { input, rules, faults, counts, closed: Closed::No };
        if let Some(fault) = this.closed_by() {
            this.closed = Closed::By(fault.in_mailbox(input.target));
        }
        this
    }

    /// Why nothing is appended to the target mailbox.
    fn closed_by(&self) -> Option<Fault> {
        let listing = self.input.target_listing;
        let undelivered = listing.oddities.len();
        if undelivered > 0 {
            // Any message that looks new may be one of these; appended, it would be doubled.
            let words = format!(
                "{undelivered} of its messages were announced and not delivered, so what is new cannot be told"
            );
            return Some(Fault::new(Side::Target, FaultKind::ListingIncomplete, words));
        }
        if let Some(words) = listing.view.words() {
            // What looks new may be one of those that are not shown.
            return Some(Fault::new(Side::Target, FaultKind::HiddenMessages, words));
        }
        let words = format!("none of its {} messages is recognised", listing.len());
        self.is_unrecognised().then(|| Fault::new(Side::Target, FaultKind::Unrecognised, words))
    }

    /// Whether something would be appended to a mailbox whose messages are all strangers.
    fn is_unrecognised(&self) -> bool {
        let fates = || self.input.pairs.parts.iter().flatten();
        self.rules.unrecognised == Unrecognised::Refuse
            && self.input.target_listing.len() >= UNRECOGNISED_MESSAGES_MIN
            && !fates().any(|fate| matches!(fate, SourceFate::Paired(_)))
    }

    fn plan_part(&mut self, part: usize) -> PartPlan {
        let PartInput { source, listing, .. } = self.input.parts[part];
        let mut flags = FlagDecider::new(self.input, self.rules, listing);
        let mut oddities = listing.oddities.iter().peekable();
        let mut decisions = Vec::with_capacity(listing.len());
        for at in 0..listing.len() {
            let odd = oddities.next_if(|(odd, _)| *odd as usize == at).is_some();
            let decision = if odd {
                self.problem(part, at, "the server announced this message and did not deliver it")
            } else {
                self.decide(part, at, &mut flags)
            };
            self.counts.add(&decision, listing.size[at]);
            decisions.push(decision);
        }
        PartPlan { source: source.name.clone(), uids: listing.uid.clone(), decisions }
    }

    fn decide(&mut self, part: usize, at: usize, flags: &mut FlagDecider<'_>) -> Decision {
        let listing = self.input.parts[part].listing;
        if !listing.selected[at] {
            return Decision::Skip(SkipReason::NotSelected);
        }
        let fate = self.input.pairs.parts.get(part).and_then(|fates| fates.get(at));
        match fate {
            Some(SourceFate::Paired(target)) => flags.decide(listing.flags[at], *target as usize),
            Some(SourceFate::DuplicateOf(_)) => Decision::Skip(SkipReason::Duplicate),
            Some(SourceFate::New) => self.copy(listing, at, KeyOnTarget::Absent),
            Some(SourceFate::NewContent) => self.copy(listing, at, KeyOnTarget::Present),
            Some(SourceFate::NoDigest) => {
                self.problem(part, at, "its content decides whether it is new, and did not come")
            }
            None => self.problem(part, at, "it was not compared with the target"),
        }
    }

    /// A message that is not in the target mailbox.
    fn copy(
        &mut self,
        listing: &MessageListing,
        at: usize,
        key_on_target: KeyOnTarget,
    ) -> Decision {
        if let Some(reason) = self.rules.sizes.refusal(listing.size[at]) {
            return Decision::Skip(reason);
        }
        let key = listing.key[at];
        if self.rules.elsewhere != Elsewhere::Copy
            && key_on_target == KeyOnTarget::Absent
            && !key.is_none()
            && self.input.elsewhere.is_some_and(|keys| keys.contains(&key))
        {
            return Decision::Skip(SkipReason::Elsewhere);
        }
        let fault = match std::mem::replace(&mut self.closed, Closed::No) {
            Closed::No => return Decision::Act(Action::Copy),
            Closed::By(fault) => self.add_fault(fault),
            Closed::Told(fault) => fault,
        };
        self.closed = Closed::Told(fault);
        Decision::Problem(fault)
    }

    fn problem(&mut self, part: usize, at: usize, words: &str) -> Decision {
        let PartInput { source, listing, .. } = self.input.parts[part];
        let fault = Fault::new(Side::Source, FaultKind::Fetch, words);
        Decision::Problem(
            self.add_fault(fault.in_mailbox(&source.name).of_message(listing.uid[at])),
        )
    }

    fn add_fault(&mut self, fault: Fault) -> u32 {
        let index = u32::try_from(self.faults.len()).unwrap_or(u32::MAX);
        self.faults.push(fault);
        index
    }
}

/// Whether the key of a message is in the target mailbox, with whatever content.
#[derive(Clone, Copy, PartialEq, Eq)]
enum KeyOnTarget {
    Present,
    Absent,
}

/// Decides about flags once for each two sets that meet.
struct FlagDecider<'a> {
    input: &'a MailboxInput<'a>,
    rules: &'a Rules,
    source: &'a MessageListing,
    known: HashMap<(FlagSetId, FlagSetId), FlagsNeed>,
}

#[derive(Clone, Copy)]
enum FlagsNeed {
    Update,
    Nothing,
}

impl<'a> FlagDecider<'a> {
    fn new(input: &'a MailboxInput<'a>, rules: &'a Rules, source: &'a MessageListing) -> Self {
        Self { input, rules, source, known: HashMap::new() }
    }

    fn decide(&mut self, flags: FlagSetId, target: usize) -> Decision {
        let listing = self.input.target_listing;
        let uid = listing.uid[target];
        let need = match self.known.get(&(flags, listing.flags[target])) {
            Some(need) => *need,
            None => {
                let need = self.compare(flags, listing.flags[target]);
                self.known.insert((flags, listing.flags[target]), need);
                need
            }
        };
        match need {
            FlagsNeed::Update => Decision::Act(Action::UpdateFlags { target: uid }),
            FlagsNeed::Nothing => Decision::Present { target: uid },
        }
    }

    fn compare(&self, source: FlagSetId, target: FlagSetId) -> FlagsNeed {
        let source = self.source.flag_table.set(source);
        let keywords = self.rules.keywords;
        let sent = flags_to_send(source, self.input.permanent_flags, keywords);
        let target = self.input.target_listing.flag_table.set(target);
        match self.rules.flags_update(&sent, target) {
            Some(_) => FlagsNeed::Update,
            None => FlagsNeed::Nothing,
        }
    }
}

//! Comparing two accounts without changing either.

use std::collections::BTreeSet;

use mailferry_engine::fault::Fault;
use mailferry_engine::message::Uid;
use mailferry_engine::name::MailboxName;
use mailferry_engine::plan::{Action, Decision, MailboxPlan, SkipReason, Subscription};
use mailferry_store::contract::{DigestOf, Source};
use serde::Serialize;

use crate::accounts::Accounts;
use crate::survey::{MailboxListings, Survey, listed};

/// How closely messages are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// By identity, flags and dates, as listed.
    Listed,
    /// Every octet, too: all bodies are read on both sides.
    Octets,
}

/// What was found of one message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum Mark {
    /// `=`: on both sides, the same.
    #[serde(rename = "=")]
    Same,
    /// `+`: on the source only.
    #[serde(rename = "+")]
    SourceOnly,
    /// `-`: on the target only.
    #[serde(rename = "-")]
    TargetOnly,
    /// `*`: on both sides, and something differs.
    #[serde(rename = "*")]
    Differs,
    /// `!`: cannot be said.
    #[serde(rename = "!")]
    Unknown,
}

impl Mark {
    /// The character that stands for it.
    #[must_use]
    pub fn character(self) -> char {
        match self {
            Self::Same => '=',
            Self::SourceOnly => '+',
            Self::TargetOnly => '-',
            Self::Differs => '*',
            Self::Unknown => '!',
        }
    }
}

/// What differs between two copies of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Aspect {
    /// Flags or keywords.
    Flags,
    /// INTERNALDATE.
    Date,
    /// The octets; servers change some on their own.
    Octets,
}

/// One message compared.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding<'a> {
    /// What was found.
    pub mark: Mark,
    /// The mailbox on the source, and the message there.
    pub source: Option<(&'a MailboxName, u32)>,
    /// The mailbox on the target, and the message there.
    pub target: Option<(&'a MailboxName, u32)>,
    /// What differs.
    pub aspects: Vec<Aspect>,
}

/// The sums of a comparison.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Comparison {
    /// On both sides, the same.
    pub same: u64,
    /// On the source only.
    pub source_only: u64,
    /// On the target only.
    pub target_only: u64,
    /// On both sides, different.
    pub differs: u64,
    /// Cannot be said.
    pub unknown: u64,
    /// Left out of the comparison by a rule.
    pub left_out: u64,
    /// Mailboxes that the target does not have.
    pub mailboxes_missing: u64,
    /// Mailboxes that only the target has.
    pub mailboxes_extra: u64,
    /// Mailboxes subscribed on the source only.
    pub subscriptions_missing: u64,
}

impl Comparison {
    /// Whether nothing differs and nothing is unknown.
    #[must_use]
    pub fn is_same(&self) -> bool {
        let Self { same: _, left_out: _, .. } = self;
        self.source_only + self.target_only + self.differs + self.unknown == 0
            && self.mailboxes_missing + self.mailboxes_extra + self.subscriptions_missing == 0
    }

    fn count(&mut self, mark: Mark) {
        *match mark {
            Mark::Same => &mut self.same,
            Mark::SourceOnly => &mut self.source_only,
            Mark::TargetOnly => &mut self.target_only,
            Mark::Differs => &mut self.differs,
            Mark::Unknown => &mut self.unknown,
        } += 1;
    }
}

/// Compares what a survey found, made under rules that mirror.
///
/// # Errors
/// A connection broke while bodies were read.
pub async fn compare<A: Accounts>(
    survey: &mut Survey<A>,
    depth: Depth,
    mut tell: impl FnMut(&Finding<'_>),
) -> Result<Comparison, Fault> {
    let mut sums = Comparison {
        mailboxes_extra: survey.plan.delete_mailboxes.len() as u64,
        ..Comparison::default()
    };
    let (source, target) = &mut survey.connections;
    for (plan, listings) in survey.plan.mailboxes.iter().zip(&survey.listings) {
        sums.mailboxes_missing += u64::from(plan.create.is_some());
        sums.subscriptions_missing += u64::from(plan.subscribe == Subscription::Add);
        let unequal = match depth {
            Depth::Listed => BTreeSet::new(),
            Depth::Octets => unequal_octets((plan, listings), source, target).await?,
        };
        compare_mailbox(plan, listings, &unequal, &mut |finding| {
            sums.count(finding.mark);
            tell(finding);
        });
        sums.unknown += plan.held_back.iter().map(|held| held.messages).sum::<u64>();
        // A mailbox that could not be listed may hold anything, or nothing.
        sums.unknown += plan.faults.iter().filter(|fault| fault.uid.is_none()).count() as u64;
        sums.left_out += skipped(plan);
    }
    Ok(sums)
}

fn skipped(plan: &MailboxPlan) -> u64 {
    let decisions = plan.parts.iter().flat_map(|part| &part.decisions);
    decisions.filter(|decision| matches!(decision, Decision::Skip(reason) if *reason != SkipReason::Duplicate)).count() as u64
}

fn compare_mailbox(
    plan: &MailboxPlan,
    listings: &MailboxListings,
    unequal: &BTreeSet<(usize, Uid)>,
    tell: &mut dyn FnMut(&Finding<'_>),
) {
    for (part, (mailbox, listing)) in plan.parts.iter().zip(&listings.sources).enumerate() {
        for (at, decision) in mailbox.decisions.iter().enumerate() {
            let uid = listing.uid[at];
            let here = Some((&mailbox.source, uid.value()));
            let mut finding =
                Finding { mark: Mark::Unknown, source: here, target: None, aspects: Vec::new() };
            match decision {
                Decision::Skip(_) => continue,
                Decision::Problem(_) => {}
                Decision::Act(Action::Copy) => finding.mark = Mark::SourceOnly,
                Decision::Act(Action::UpdateFlags { target }) | Decision::Present { target } => {
                    finding.target = Some((&plan.target, target.value()));
                    if matches!(decision, Decision::Act(_)) {
                        finding.aspects.push(Aspect::Flags);
                    }
                    let there = listings.target.position(*target);
                    let date = there.and_then(|there| listings.target.date[there].instant());
                    if date != listing.date[at].instant() {
                        finding.aspects.push(Aspect::Date);
                    }
                    if unequal.contains(&(part, uid)) {
                        finding.aspects.push(Aspect::Octets);
                    }
                    finding.mark =
                        if finding.aspects.is_empty() { Mark::Same } else { Mark::Differs };
                }
            }
            tell(&finding);
        }
    }
    for deletion in &plan.delete {
        let there = Some((&plan.target, deletion.uid.value()));
        tell(&Finding { mark: Mark::TargetOnly, source: None, target: there, aspects: Vec::new() });
    }
}

/// Reads the bodies of all pairs on both sides; answers part and source UID of those whose
/// octets differ, or could not be had.
async fn unequal_octets<S: Source, T: Source>(
    (plan, listings): (&MailboxPlan, &MailboxListings),
    source: &mut S,
    target: &mut T,
) -> Result<BTreeSet<(usize, Uid)>, Fault> {
    let mut unequal = BTreeSet::new();
    for (at, part) in plan.parts.iter().enumerate() {
        let pairs: Vec<(Uid, Uid)> =
            part.uids
                .iter()
                .zip(&part.decisions)
                .filter_map(|(uid, decision)| match decision {
                    Decision::Act(Action::UpdateFlags { target })
                    | Decision::Present { target } => Some((*uid, *target)),
                    _ => None,
                })
                .collect();
        if pairs.is_empty() {
            continue;
        }
        let here: Vec<Uid> = pairs.iter().map(|(here, _)| *here).collect();
        let there: Vec<Uid> = pairs.iter().map(|(_, there)| *there).collect();
        let (here, there) = tokio::join!(
            source.digests(listed(&part.source, &listings.sources[at]), &here, DigestOf::Octets),
            target.digests(listed(&plan.target, &listings.target), &there, DigestOf::Octets)
        );
        let (here, there) = (here?, there?);
        let same =
            |one: Uid, other: Uid| match (here.find(one).flatten(), there.find(other).flatten()) {
                (Some(one), Some(other)) => one == other,
                _ => false,
            };
        unequal.extend(
            pairs.iter().filter(|(one, other)| !same(*one, *other)).map(|(one, _)| (at, *one)),
        );
    }
    Ok(unequal)
}

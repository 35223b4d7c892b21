//! Comparing two accounts without changing either.

mod octets;
mod record;

use std::collections::BTreeMap;

use mailferry_engine::fault::Fault;
use mailferry_engine::message::Uid;
use mailferry_engine::name::MailboxName;
use mailferry_engine::plan::{Action, Decision, MailboxPlan, SkipReason, Subscription};
use mailferry_store::contract::OctetDigest;
use serde::Serialize;

use self::octets::{Contents, Read, Reader};
pub use self::record::{Record, RecordError};
use crate::accounts::Accounts;
use crate::events::EventSink;
use crate::job::ReconnectLimits;
pub use crate::sample::Sample;
use crate::stop::Stop;
use crate::survey::{MailboxListings, Survey};

/// How closely messages are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// By identity, flags and dates, as listed.
    Listed,
    /// Every octet, too: of the messages in the sample, bodies are read on both sides.
    Octets(Sample),
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
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding<'a> {
    /// What was found.
    pub mark: Mark,
    /// The mailbox on the source, and the message there.
    pub source: Option<(&'a MailboxName, u32)>,
    /// The mailbox on the target, and the message there.
    pub target: Option<(&'a MailboxName, u32)>,
    /// What differs.
    pub aspects: Vec<Aspect>,
    /// SHA-256 of the octets that the source and the target delivered, where those differ.
    pub octets: Option<(OctetDigest, OctetDigest)>,
}

impl<'a> Finding<'a> {
    fn new(
        mark: Mark,
        source: Option<(&'a MailboxName, u32)>,
        target: Option<(&'a MailboxName, u32)>,
    ) -> Self {
        Self { mark, source, target, aspects: Vec::new(), octets: None }
    }
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
    /// On both sides, and their octets were read in this run.
    pub octets_read: u64,
    /// On both sides, and their octets were found the same by an earlier run.
    pub octets_known: u64,
    /// On both sides, and their octets were to be read, but for the sample.
    pub octets_left_out: u64,
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
        self.source_only + self.target_only + self.differs + self.unknown == 0
            && self.mailboxes_missing + self.mailboxes_extra + self.subscriptions_missing == 0
    }

    fn add_mailbox(&mut self, plan: &MailboxPlan, read: &Read) {
        self.mailboxes_missing += u64::from(plan.create.is_some());
        self.subscriptions_missing += u64::from(plan.subscribe == Subscription::Add);
        self.unknown += plan.held_back.iter().map(|held| held.messages).sum::<u64>();
        // A mailbox that could not be listed may hold anything, or nothing.
        self.unknown += plan.faults.iter().filter(|fault| fault.uid.is_none()).count() as u64;
        self.left_out += skipped(plan);
        self.octets_read += read.now;
        self.octets_known += read.earlier;
        self.octets_left_out += read.left_out;
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

/// What a comparison came to.
#[derive(Debug, Default)]
pub struct Compared {
    /// The sums.
    pub sums: Comparison,
    /// Mailboxes that could not be read to their end.
    pub faults: Vec<Fault>,
}

/// A comparison of what a survey found, made under rules that mirror.
pub struct Check<'a, A: Accounts> {
    /// Where other connections come from, should these break.
    pub accounts: &'a A,
    /// How closely messages are compared.
    pub depth: Depth,
    /// What an earlier comparison of octets found to be the same, and what this one will.
    pub record: Option<&'a mut Record>,
    /// How it goes on after a connection broke.
    pub reconnect: ReconnectLimits,
    /// Who hears of progress.
    pub events: &'a dyn EventSink,
    /// Asks it to end early.
    pub stop: &'a Stop,
}

impl<A: Accounts> Check<'_, A> {
    /// Compares, and tells of every message.
    ///
    /// # Errors
    /// Contents could not be read to the end: a connection broke and cannot be had again, or the
    /// comparison was stopped.
    pub async fn run(
        self,
        survey: &mut Survey<A>,
        mut tell: impl FnMut(&Finding<'_>),
    ) -> Result<Compared, Fault> {
        let mut compared = Compared::default();
        compared.sums.mailboxes_extra = survey.plan.delete_mailboxes.len() as u64;
        let mut reader = match self.depth {
            Depth::Listed => None,
            Depth::Octets(sample) => Some(Reader {
                accounts: self.accounts,
                connections: &mut survey.connections,
                sample,
                record: self.record,
                reconnect: self.reconnect,
                events: self.events,
                stop: self.stop,
            }),
        };
        for (plan, listings) in survey.plan.mailboxes.iter().zip(&survey.listings) {
            let read = match &mut reader {
                None => Read::default(),
                Some(reader) => reader.read(plan, listings).await?,
            };
            let sums = &mut compared.sums;
            compare_mailbox(plan, listings, &read.unequal, &mut |finding| {
                sums.count(finding.mark);
                tell(finding);
            });
            sums.add_mailbox(plan, &read);
            compared.faults.extend(read.faults);
        }
        Ok(compared)
    }
}

fn skipped(plan: &MailboxPlan) -> u64 {
    let decisions = plan.parts.iter().flat_map(|part| &part.decisions);
    decisions.filter(|decision| matches!(decision, Decision::Skip(reason) if *reason != SkipReason::Duplicate)).count() as u64
}

fn compare_mailbox(
    plan: &MailboxPlan,
    listings: &MailboxListings,
    unequal: &BTreeMap<(usize, Uid), Contents>,
    tell: &mut dyn FnMut(&Finding<'_>),
) {
    for (part, (mailbox, listing)) in plan.parts.iter().zip(&listings.sources).enumerate() {
        for (at, decision) in mailbox.decisions.iter().enumerate() {
            let uid = listing.uid[at];
            let here = Some((&mailbox.source, uid.value()));
            let mut finding = Finding::new(Mark::Unknown, here, None);
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
                    let contents = unequal.get(&(part, uid));
                    if let Some((Some(here), Some(there))) = contents {
                        finding.aspects.push(Aspect::Octets);
                        finding.octets = Some((*here, *there));
                    }
                    finding.mark = match (finding.aspects.is_empty(), contents) {
                        (false, _) => Mark::Differs,
                        (true, Some(_)) => Mark::Unknown,
                        (true, None) => Mark::Same,
                    };
                }
            }
            tell(&finding);
        }
    }
    for deletion in &plan.delete {
        let there = Some((&plan.target, deletion.uid.value()));
        tell(&Finding::new(Mark::TargetOnly, None, there));
    }
}

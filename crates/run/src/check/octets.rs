//! Comparing contents: both sides deliver a message, and SHA-256 of the octets must be the same.

use std::collections::BTreeMap;

use mailferry_engine::fault::{Fault, FaultKind, Scope, Side};
use mailferry_engine::message::Uid;
use mailferry_engine::plan::{Action, Decision, MailboxPlan};
use mailferry_store::contract::{OctetDigest, Source};

use super::record::{Place, Record};
use crate::accounts::Accounts;
use crate::events::{Event, EventSink};
use crate::job::ReconnectLimits;
use crate::patience::{self, Patience, is_worth_another_try};
use crate::sample::Sample;
use crate::stop::Stop;
use crate::survey::{MailboxListings, listed};

/// Messages that are read at once, on both sides, before it is noted how they compare.
const GROUP_MESSAGES_MAX: usize = 500;
/// Octets of them, as listed on the source; a larger message is read alone.
const GROUP_OCTETS_MAX: u64 = 64 << 20;

/// What both sides delivered for one message; `None` where one could not be read.
pub(super) type Contents = (Option<OctetDigest>, Option<OctetDigest>);

/// The messages of one mailbox of the plan whose octets were to be compared.
#[derive(Default)]
pub(super) struct Read {
    /// Those that are not the same: by part and source UID.
    pub(super) unequal: BTreeMap<(usize, Uid), Contents>,
    /// Read in this run.
    pub(super) now: u64,
    /// Read by an earlier one, and the same then.
    pub(super) earlier: u64,
    /// Left out of the sample.
    pub(super) left_out: u64,
    /// Why some could not be read.
    pub(super) faults: Vec<Fault>,
}

/// A message that both sides have.
#[derive(Clone, Copy)]
struct Pair {
    here: Uid,
    there: Uid,
    octets: u32,
}

/// Reads contents, with other connections where they break.
pub(super) struct Reader<'a, A: Accounts> {
    pub(super) accounts: &'a A,
    pub(super) connections: &'a mut (A::Source, A::Target),
    pub(super) sample: Sample,
    pub(super) record: Option<&'a mut Record>,
    pub(super) reconnect: ReconnectLimits,
    pub(super) events: &'a dyn EventSink,
    pub(super) stop: &'a Stop,
}

impl<A: Accounts> Reader<'_, A> {
    /// Compares the contents of all pairs of one mailbox.
    pub(super) async fn read(
        &mut self,
        plan: &MailboxPlan,
        listings: &MailboxListings,
    ) -> Result<Read, Fault> {
        let mut read = Read::default();
        for part in 0..plan.parts.len() {
            let all = pairs(plan, listings, part);
            let known = all.len();
            let mut pairs = self.sample.take(&plan.target, all, |pair| pair.here);
            read.left_out += (known - pairs.len()) as u64;
            let place = Place::new(plan, listings, part);
            if let Some(record) = &self.record {
                let before = pairs.len();
                pairs.retain(|pair| !record.holds(&place, (pair.here, pair.there)));
                read.earlier += (before - pairs.len()) as u64;
            }
            let mut rest = &pairs[..];
            while !rest.is_empty() {
                let (group, behind) = rest.split_at(group_len(rest));
                match self.read_group((plan, listings, part), group).await {
                    Ok(contents) => self.take_note((part, &place), group, &contents, &mut read),
                    // The mailbox is not what was listed: nothing more can be said of it.
                    Err(fault) if fault.scope <= Scope::Mailbox => {
                        read.unequal
                            .extend(rest.iter().map(|pair| ((part, pair.here), (None, None))));
                        read.faults.push(fault);
                        break;
                    }
                    Err(fault) => return Err(fault),
                }
                rest = behind;
            }
        }
        Ok(read)
    }

    fn take_note(
        &mut self,
        (part, place): (usize, &Place),
        group: &[Pair],
        contents: &[Contents],
        read: &mut Read,
    ) {
        let mut same = Vec::with_capacity(group.len());
        for (pair, contents) in group.iter().zip(contents) {
            match contents {
                (Some(here), Some(there)) if here == there => same.push((pair.here, pair.there)),
                _ => {
                    read.unequal.insert((part, pair.here), *contents);
                }
            }
        }
        read.now += group.len() as u64;
        if let Some(record) = &mut self.record {
            record.note(place, &same);
        }
        self.events.on(&Event::Compared { messages: group.len() as u64 });
    }

    /// Reads some messages on both sides at the same time, again with other connections where
    /// these break.
    async fn read_group(
        &mut self,
        of: (&MailboxPlan, &MailboxListings, usize),
        group: &[Pair],
    ) -> Result<Vec<Contents>, Fault> {
        let mut patience = Patience::new(self.reconnect);
        loop {
            if self.stop.is_asked() {
                let words = "stopped while messages were compared";
                return Err(Fault::new(Side::Source, FaultKind::Interrupted, words));
            }
            let fault = match self.try_group(of, group).await {
                Err(fault) if fault.scope > Scope::Mailbox && is_worth_another_try(&fault) => fault,
                settled => return settled,
            };
            self.reopen(fault, &mut patience).await?;
        }
    }

    async fn try_group(
        &mut self,
        (plan, listings, part): (&MailboxPlan, &MailboxListings, usize),
        group: &[Pair],
    ) -> Result<Vec<Contents>, Fault> {
        let here: Vec<Uid> = group.iter().map(|pair| pair.here).collect();
        let there: Vec<Uid> = group.iter().map(|pair| pair.there).collect();
        let (source, target) = &mut *self.connections;
        let from = listed(&plan.parts[part].source, &listings.sources[part]);
        let to = listed(&plan.target, &listings.target);
        let (of_here, of_there) =
            tokio::join!(source.octet_digests(from, &here), target.octet_digests(to, &there));
        let (of_here, of_there) = (of_here?, of_there?);
        let digest = |of: &Option<&Option<OctetDigest>>| of.copied().flatten();
        let contents = group
            .iter()
            .map(|pair| (digest(&of_here.get(&pair.here)), digest(&of_there.get(&pair.there))));
        Ok(contents.collect())
    }

    async fn reopen(&mut self, mut fault: Fault, patience: &mut Patience) -> Result<(), Fault> {
        loop {
            let wait = patience.wait_after(&fault).filter(|_| !self.stop.is_asked());
            let Some(wait) = wait else { return Err(fault) };
            self.events.on(&Event::another_attempt(&fault, wait));
            patience::wait(wait, self.stop).await;
            let opened = tokio::join!(self.accounts.open_source(), self.accounts.open_target());
            match opened {
                (Ok(source), Ok(target)) => {
                    *self.connections = (source, target);
                    return Ok(());
                }
                (Err(other), _) | (_, Err(other)) if is_worth_another_try(&other) => fault = other,
                (Err(other), _) | (_, Err(other)) => return Err(other),
            }
        }
    }
}

/// The messages of one source mailbox that the target has.
fn pairs(plan: &MailboxPlan, listings: &MailboxListings, part: usize) -> Vec<Pair> {
    let listing = &listings.sources[part];
    let decisions = plan.parts[part].decisions.iter().enumerate();
    let pair = |(at, decision): (usize, &Decision)| match decision {
        Decision::Act(Action::UpdateFlags { target }) | Decision::Present { target } => {
            Some(Pair { here: listing.uid[at], there: *target, octets: listing.size[at] })
        }
        _ => None,
    };
    decisions.filter_map(pair).collect()
}

/// How many of these are read at once.
fn group_len(pairs: &[Pair]) -> usize {
    let mut octets = 0;
    let fits = |pair: &&Pair| {
        octets += u64::from(pair.octets);
        octets <= GROUP_OCTETS_MAX
    };
    pairs.iter().take(GROUP_MESSAGES_MAX).take_while(fits).count().max(1)
}

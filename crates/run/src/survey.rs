//! Phase one: both accounts are listed, their messages paired, and the plan is made. Nothing
//! on a server changes.

mod choice;
mod elsewhere;
mod lent;
mod listing;
mod oversize;
mod pairing;
mod past;
mod stored_pairs;
mod subscriptions;

use std::collections::{BTreeSet, HashSet};

use mailferry_engine::account::{MailboxDeleteRule, MailboxDeletion, Plan, mailboxes_to_delete};
use mailferry_engine::fault::{Fault, FaultKind, Scope, Side};
use mailferry_engine::keeping::Place;
use mailferry_engine::listing::{AccountListing, MailboxInfo, Mark, MessageListing};
use mailferry_engine::mapping::{Mapping, group_by_target};
use mailferry_engine::message::{Key, Uid};
use mailferry_engine::name::{MailboxName, RuleFailed};
use mailferry_engine::pairing::Pairs;
use mailferry_engine::plan::{
    Action, Decision, MailboxInput, MailboxPlan, PartInput, plan_mailbox,
};
use mailferry_engine::policy::{Elsewhere, PermanentFlags, Rules};
use mailferry_engine::select::{LeftOut, LeftOutReason};
use mailferry_engine::summary::AccountFacts;
use mailferry_store::contract::{AsListed, Source, Target};

use self::choice::{Chosen, LabelsHere};
use self::lent::Lent;
use self::listing::{Carried, GroupListing, Trust};
pub use self::oversize::{Oversized, Whose};
use self::past::Then;
use crate::accounts::Accounts;
use crate::claiming::Sightings;
use crate::events::{Event, EventSink};
use crate::job::{EmptyMailboxes, Job, Unlisted};
use crate::on_heap::on_heap;
use crate::patience::{self, Patience, is_worth_another_try};
use crate::stop::Stop;

/// So many keys of messages to be copied are kept of each mailbox.
const FIRST_KEYS_MAX: usize = 20;

/// What phase one found.
pub struct Survey<A: Accounts> {
    /// What is to be done.
    pub plan: Plan,
    /// What each source mailbox is called on the target.
    pub mappings: Vec<Mapping>,
    /// The mailboxes of both sides.
    pub source: AccountListing,
    /// The target's.
    pub target: AccountListing,
    /// The messages behind each mailbox of the plan, in its order.
    pub listings: Vec<MailboxListings>,
    /// Mailboxes of the target that could not be looked into for messages moved there
    /// (restore): such messages may be brought back.
    pub faults: Vec<Fault>,
    /// Messages that are left out for their size. Those over the target's own limit are among the
    /// faults, too.
    pub oversized: Vec<Oversized>,
    /// How often a connection to the source and to the target broke and was opened again.
    pub reconnections: [u64; 2],
    /// What was seen of the claims to the target mailboxes before they were listed.
    pub(crate) sightings: Sightings,
    /// The connections used, ready for more.
    pub connections: (A::Source, A::Target),
}

impl<A: Accounts> Survey<A> {
    /// Ends both sessions politely, where the plan is not carried out.
    pub async fn close(&mut self) {
        let (source, target) = &mut self.connections;
        tokio::join!(source.close(), target.close());
    }
}

/// The messages behind one [`mailferry_engine::plan::MailboxPlan`].
pub struct MailboxListings {
    /// Of each source mailbox.
    pub sources: Vec<MessageListing>,
    /// Of the target mailbox; empty where it is still to be created.
    pub target: MessageListing,
    /// The first messages that are to be copied, by part, with their keys: those of all others are
    /// not kept once the plan is made,
    pub(crate) first_keys: Vec<(u32, Uid, Key)>,
    /// except those of the messages that leave the target mailbox, in the order of the plan, where they
    /// are kept.
    pub(crate) removal_keys: Vec<Key>,
}

impl MailboxListings {
    fn new(sources: Vec<MessageListing>, target: MessageListing) -> Self {
        Self { sources, target, first_keys: Vec::new(), removal_keys: Vec::new() }
    }
}

struct Surveyor<'a, A: Accounts> {
    job: &'a Job,
    rules: Rules,
    source: Lent<A::Source>,
    target: Lent<A::Target>,
    source_account: AccountListing,
    target_account: AccountListing,
    /// Whether mailboxes of the source are labels that become keywords.
    labels: LabelsHere,
    /// Where what is taken away from the target is kept, on the target.
    kept: Option<Place>,
    /// What the source held at the end of an earlier run, where only that takes part.
    then: Option<Then<'a>>,
    carried: &'a mut Carried,
    events: &'a dyn EventSink,
    stop: &'a Stop,
}

/// Lists both sides and makes the plan.
///
/// A connection that breaks meanwhile is opened again, within the job's limits; one that cannot be
/// opened at first is not.
///
/// # Errors
/// Faults of scope account or run: one for each side that failed. A mailbox that cannot be
/// listed is in the plan, with its fault.
pub async fn survey<A: Accounts>(
    accounts: &A,
    job: &Job,
    events: &dyn EventSink,
    stop: &Stop,
) -> Result<Survey<A>, Vec<Fault>> {
    if let Some(state) = job.state.as_ref().filter(|state| state.was_killed()) {
        events.on(&Event::AfterKilled);
        patience::wait(job.limits.reconnect.settle_wait, stop).await;
        if !stop.is_asked() {
            state.forget_killed();
        }
    }
    let mut patience = Patience::new(job.limits.reconnect);
    let mut reconnections = [0, 0];
    let mut opened = loop {
        let faults = match both(tokio::join!(accounts.open_source(), accounts.open_target())) {
            Ok(opened) => break opened,
            Err(faults) => faults,
        };
        // One that wants to be left alone for so long says when to come again; nobody else does.
        let Some(fault) = faults.iter().find(|_| faults.iter().all(Fault::is_throttling)) else {
            return Err(faults);
        };
        let wait = patience.wait_after(fault).filter(|_| !stop.is_asked());
        let Some(wait) = wait else { return Err(faults) };
        events.on(&Event::another_attempt(fault, wait));
        patience::wait(wait, stop).await;
    };
    // Nothing is changed by listing, so that a connection that breaks costs only its time.
    let mut carried = Carried::default();
    'anew: loop {
        let before = carried.len();
        let mut faults =
            match on_heap(|| survey_with(opened, (job, &mut carried), events, stop)).await {
                Ok(survey) => return Ok(Survey { reconnections, ..survey }),
                Err(faults) => faults,
            };
        if carried.len() > before {
            patience.restore();
        }
        while let Some(fault) = faults.iter().find(|_| faults.iter().all(is_worth_another_try)) {
            let wait = patience.wait_after(fault).filter(|_| !stop.is_asked());
            let Some(wait) = wait else { return Err(faults) };
            events.on(&Event::another_attempt(fault, wait));
            reconnections[usize::from(fault.side == Side::Target)] += 1;
            patience::wait(wait, stop).await;
            match both(tokio::join!(accounts.open_source(), accounts.open_target())) {
                Ok(pair) => {
                    opened = pair;
                    continue 'anew;
                }
                Err(others) => faults = others,
            }
        }
        return Err(faults);
    }
}

async fn survey_with<A: Accounts>(
    (mut source, mut target): (A::Source, A::Target),
    (job, carried): (&Job, &mut Carried),
    events: &dyn EventSink,
    stop: &Stop,
) -> Result<Survey<A>, Vec<Fault>> {
    let listed = both(tokio::join!(source.mailboxes(), target.mailboxes()))?;
    let (mut source_account, target_account) = listed;
    events.on(&Event::Accounts { source: &source_account, target: &target_account });
    let mut rules = job.rules.clone();
    if let Some(limit) = target.append_limit() {
        let limit = u32::try_from(limit).unwrap_or(u32::MAX);
        rules.sizes.append_limit =
            Some(rules.sizes.append_limit.map_or(limit, |own| own.min(limit)));
    }
    let kept = job.keeping.as_ref().map(|keeping| keeping.on(&target_account));
    let then = job.past.as_ref().map(|past| Then::new(past, &mut source_account));
    let labels = LabelsHere::of(job, &source);
    let surveyor = Surveyor::<A> {
        job,
        rules,
        source: Lent::new(source),
        target: Lent::new(target),
        source_account,
        target_account,
        labels,
        kept,
        then,
        carried,
        events,
        stop,
    };
    surveyor.run().await.map_err(|fault| vec![fault])
}

fn both<S, T>(
    (source, target): (Result<S, Fault>, Result<T, Fault>),
) -> Result<(S, T), Vec<Fault>> {
    match (source, target) {
        (Ok(source), Ok(target)) => Ok((source, target)),
        (source, target) => Err(source.err().into_iter().chain(target.err()).collect()),
    }
}

impl<A: Accounts> Surveyor<'_, A> {
    async fn run(mut self) -> Result<Survey<A>, Fault> {
        let mut choice = self.choose()?;
        self.then.iter_mut().for_each(|then| then.take_part(&mut choice));
        let Chosen { chosen, left_out, missing, all, mappings } = choice;
        let mut gone = self.mailboxes_to_delete(&all)?;
        let mut sightings = self.sight(gone.iter().map(|deletion| &deletion.name));
        let names: Vec<MailboxName> = gone.iter().map(|deletion| deletion.name.clone()).collect();
        if !names.is_empty() {
            let octets = self.target.get()?.octets_in(&names).await?;
            gone.iter_mut().zip(octets).for_each(|(deletion, octets)| deletion.octets = octets);
        }
        let subscriptions = self.subscriptions((&all, &mappings), &gone)?;
        let mut plan = Plan::new(self.facts(&mappings, &gone), gone);
        plan.subscriptions = subscriptions;
        plan.keeping = self.kept.as_ref().map(|kept| kept.plan(&self.target_account));
        plan.left_out = left_out;
        plan.missing = missing;
        let mut faults = Vec::new();
        let everywhere = self.everywhere(&mut faults).await?;
        on_heap(|| self.ask_for_keywords(&mappings)).await?;
        let mut groups = self.groups((&all, &mappings), &chosen);
        plan.left_out.extend(self.leave_out_taken(&mut groups).await?);
        sightings.extend(self.sight(groups.iter().map(|group| &group.target)));
        let listed = self.list(&groups, Trust::State).await?;
        let mut listings = Vec::new();
        let (mut oversized, mut named) = (Vec::new(), 0);
        let own_limit = self.job.rules.sizes.append_limit;
        let mut elsewhere = match everywhere {
            Some(copies) => {
                let others = self.list_others((&all, &mappings)).await?;
                Some(copies.out_of_place(listed.iter().chain(&others)))
            }
            None => None,
        };
        for (group, listed) in groups.iter().zip(listed) {
            self.go_on()?;
            let (mailbox, listed, seen) =
                self.plan_group(group, listed, elsewhere.as_ref()).await?;
            if self.rules.elsewhere == Elsewhere::SkipEarlier {
                elsewhere.get_or_insert_default().extend(seen);
            }
            oversized.extend(
                oversize::find(self.source.get()?, (&mailbox, &listed), (&mut named, own_limit))
                    .await?,
            );
            plan.push(mailbox);
            listings.push(listed);
        }
        faults.extend(oversized.iter().filter_map(Oversized::fault));
        faults.extend(self.then.take().into_iter().flat_map(|then| then.lost));
        self.events.on(&Event::Planned(&plan));
        let connections = (self.source.take()?, self.target.take()?);
        Ok(Survey {
            faults,
            oversized,
            plan,
            mappings,
            source: self.source_account,
            target: self.target_account,
            listings,
            sightings,
            reconnections: [0, 0],
            connections,
        })
    }

    /// Looks whether other runs work in these mailboxes.
    fn sight<'m>(&self, mailboxes: impl Iterator<Item = &'m MailboxName>) -> Sightings {
        let Some(claims) = &self.job.claims else { return Sightings::new() };
        mailboxes.map(|mailbox| (mailbox.clone(), claims.sight(mailbox))).collect()
    }

    /// The mailboxes that take part, those together that feed one mailbox of the target.
    fn groups<'g>(
        &self,
        (all, mappings): (&[Mapping], &'g [Mapping]),
        chosen: &'g [MailboxInfo],
    ) -> Vec<Group<'g>> {
        let source = &self.source_account;
        let groups = group_by_target(mappings).into_iter().map(|(target, members)| Group {
            others: others(all, mappings, source, &mappings[members[0]].target),
            target_info: self.target_account.find(&target).filter(|info| info.selectable).cloned(),
            members: members.iter().map(|&at| (&mappings[at], &chosen[at])).collect(),
            target,
        });
        let takes_part = |group: &Group<'_>| {
            self.job.empty_mailboxes == EmptyMailboxes::Create
                || group.members.iter().any(|(_, info)| info.messages != Some(0))
        };
        groups.filter(takes_part).collect()
    }

    /// Leaves out what would go to mailboxes that exist and are not listed, where that is asked for.
    async fn leave_out_taken(
        &mut self,
        groups: &mut Vec<Group<'_>>,
    ) -> Result<Vec<LeftOut>, Fault> {
        if self.job.unlisted == Unlisted::Use {
            return Ok(Vec::new());
        }
        let unlisted = groups.iter().filter(|group| group.target_info.is_none());
        let names: Vec<MailboxName> = unlisted.map(|group| group.target.clone()).collect();
        let marks = self.target.get()?.marks(&names).await?;
        let taken: BTreeSet<&MailboxName> = names
            .iter()
            .zip(marks)
            .filter(|(_, it)| *it != Mark::default())
            .map(|it| it.0)
            .collect();
        let mut left_out = Vec::new();
        groups.retain(|group| {
            let is_taken = taken.contains(&group.target);
            if is_taken {
                left_out.extend(group.members.iter().map(|(mapping, _)| LeftOut {
                    mailbox: mapping.source.clone(),
                    reason: LeftOutReason::NameTaken,
                }));
            }
            !is_taken
        });
        Ok(left_out)
    }

    fn go_on(&self) -> Result<(), Fault> {
        if self.stop.is_asked() { Err(stopped()) } else { Ok(()) }
    }

    /// Mailboxes that would be deleted are counted by the summary itself.
    fn facts(&self, mappings: &[Mapping], gone: &[MailboxDeletion]) -> AccountFacts {
        let planned = mappings.iter().map(|mapping| &mapping.target);
        let touched: BTreeSet<&MailboxName> =
            planned.chain(gone.iter().map(|deletion| &deletion.name)).collect();
        let is_kept = |name| self.kept.as_ref().is_some_and(|kept| kept.holds(name));
        let others = self
            .target_account
            .mailboxes
            .iter()
            .filter(|mailbox| !touched.contains(&mailbox.name) && !is_kept(&mailbox.name));
        AccountFacts {
            source_mailboxes: self.source_account.mailboxes.len() as u64,
            other_target_messages: others
                .filter_map(|mailbox| mailbox.messages)
                .map(u64::from)
                .sum(),
            same_account: self.job.same_account,
        }
    }

    fn mailboxes_to_delete(&self, all: &[Mapping]) -> Result<Vec<MailboxDeletion>, Fault> {
        let mapped: BTreeSet<MailboxName> =
            all.iter().map(|mapping| mapping.target.clone()).collect();
        mailboxes_to_delete(
            &self.source_account,
            &self.target_account,
            &mapped,
            &self.mailbox_delete_rule(),
        )
        .map_err(|failed| no_result(&failed, Side::Target))
    }

    fn mailbox_delete_rule(&self) -> MailboxDeleteRule<'_> {
        MailboxDeleteRule { kept: self.kept.as_ref(), ..self.job.mailbox_delete_rule() }
    }

    async fn plan_group(
        &mut self,
        group: &Group<'_>,
        listed: GroupListing,
        elsewhere: Option<&HashSet<Key>>,
    ) -> Result<(MailboxPlan, MailboxListings, Vec<Key>), Fault> {
        let trust = listed.trust;
        let planned = self.plan_listed(group, listed, elsewhere).await?;
        let removes = !planned.0.delete.is_empty() || planned.0.counts.delete_source > 0;
        if !removes || trust == Trust::Nothing {
            return Ok(planned);
        }
        // No deletion rests on what an earlier run knew (docs/design/state.md).
        let keys = &self.job.keys;
        let state = self.job.state.clone();
        let stored = state.as_ref().and_then(|it| it.listing(Side::Target, &group.target, keys));
        let Some(fresh) = self.list(std::slice::from_ref(group), Trust::Nothing).await?.pop()
        else {
            return Err(stopped());
        };
        let told = self.plan_listed(group, fresh, elsewhere).await?;
        let lost = stored_pairs::known_by_pairs_alone(&planned.0, &told.0);
        if lost == 0 {
            return Ok(told);
        }
        // What was told now replaced the pairs, without which all of it would be copied again.
        if let (Some(state), Some(stored)) = (state, stored) {
            state.keep(Side::Target, &self.job.keys, [(&group.target, &stored)]);
        }
        let (plan, listings, seen) = planned;
        Ok((stored_pairs::without_removals(plan, lost), listings, seen))
    }

    async fn plan_listed(
        &mut self,
        group: &Group<'_>,
        listed: GroupListing,
        elsewhere: Option<&HashSet<Key>>,
    ) -> Result<(MailboxPlan, MailboxListings, Vec<Key>), Fault> {
        let GroupListing { mut sources, mut incomplete, mut target, trust } = listed;
        let [arrived, arrived_there] = self.job.arrivals;
        sources.iter_mut().for_each(|source| arrived.narrow(source));
        target.iter_mut().for_each(|target| arrived_there.narrow(target));
        if let Some(rule) = &self.job.flag_rewrite {
            for source in &mut sources {
                source.flag_table = source.flag_table.rewritten(|flags| rule.rewrite(flags));
            }
        }
        let (listings, pairs) = match target {
            Ok(target) => {
                let mut listings = MailboxListings::new(sources, target);
                let pairs = self.pair_group(group, &mut listings, trust).await;
                (listings, pairs)
            }
            Err(fault) => (MailboxListings::new(sources, MessageListing::default()), Err(fault)),
        };
        let (mut listings, pairs) = match pairs {
            Ok(pairs) => (listings, pairs),
            // What was not compared with the target is a problem, never new.
            Err(fault) if fault.scope <= Scope::Mailbox => {
                incomplete[0] = incomplete[0].take().or(Some(fault));
                (listings, Pairs::default())
            }
            Err(fault) => return Err(fault),
        };
        let plan = self.decide(group, (&listings, &incomplete), &pairs, elsewhere);
        let seen = match self.rules.elsewhere {
            Elsewhere::SkipEarlier => keys_on_target(&plan, &listings),
            Elsewhere::Copy | Elsewhere::Skip => Vec::new(),
        };
        listings.first_keys = first_keys(&plan, &listings);
        if self.kept.is_some() {
            let there = &listings.target;
            let key = |uid| there.position(uid).map_or(Key::NONE, |at| there.key[at]);
            listings.removal_keys = plan.delete.iter().map(|it| key(it.uid)).collect();
        }
        listings.target.key = Vec::new();
        for source in &mut listings.sources {
            source.key = Vec::new();
        }
        Ok((plan, listings, seen))
    }

    fn decide(
        &self,
        group: &Group<'_>,
        (listings, incomplete): (&MailboxListings, &[Option<Fault>]),
        pairs: &Pairs,
        elsewhere: Option<&HashSet<Key>>,
    ) -> MailboxPlan {
        let parts: Vec<PartInput<'_>> = group
            .members
            .iter()
            .zip(&listings.sources)
            .zip(incomplete)
            .map(|(((_, source), listing), incomplete)| PartInput {
                source,
                listing,
                incomplete: incomplete.as_ref(),
            })
            .collect();
        let first = group.members[0].0;
        let doubts: Vec<_> =
            group.members.iter().flat_map(|(mapping, _)| mapping.doubts.clone()).collect();
        let input = MailboxInput {
            target: &group.target,
            target_info: group.target_info.as_ref(),
            how: first.how,
            doubts: &doubts,
            create_as: first.create_as,
            target_listing: &listings.target,
            parts: &parts,
            pairs,
            permanent_flags: &PermanentFlags::Unknown,
            elsewhere,
            other_sources: &group.others,
        };
        plan_mailbox(&input, &self.rules)
    }
}

/// The keys that a target mailbox has, or will have when its plan is carried out.
fn keys_on_target(plan: &MailboxPlan, listings: &MailboxListings) -> Vec<Key> {
    let copied = plan.parts.iter().zip(&listings.sources).flat_map(|(part, listing)| {
        let decided = part.decisions.iter().zip(&listing.key);
        decided.filter(|(it, _)| matches!(it, Decision::Act(Action::Copy))).map(|(_, key)| *key)
    });
    let there = listings.target.key.iter().copied();
    there.chain(copied).filter(|key| !key.is_none()).collect()
}

/// The keys of the first messages that are to be copied.
fn first_keys(plan: &MailboxPlan, listings: &MailboxListings) -> Vec<(u32, Uid, Key)> {
    let parts = (0..).zip(plan.parts.iter().zip(&listings.sources));
    let copies = parts.flat_map(|(number, (part, listing))| {
        let rows = part.uids.iter().zip(&part.decisions).zip(&listing.key);
        rows.filter(|((_, it), key)| matches!(it, Decision::Act(Action::Copy)) && !key.is_none())
            .map(move |((uid, _), key)| (number, *uid, *key))
    });
    copies.take(FIRST_KEYS_MAX).collect()
}

/// A name is not guessed: there is no plan.
fn no_result(failed: &RuleFailed, side: Side) -> Fault {
    Fault::new(side, FaultKind::Limit, failed.to_string()).in_mailbox(&failed.mailbox)
}

fn stopped() -> Fault {
    Fault::new(Side::Source, FaultKind::Interrupted, "stopped while listing")
}

pub(crate) fn listed<'a>(mailbox: &'a MailboxName, listing: &MessageListing) -> AsListed<'a> {
    AsListed { mailbox, uid_validity: listing.uid_validity }
}

/// The source mailboxes that feed one target mailbox.
struct Group<'a> {
    target: MailboxName,
    /// The target mailbox, where there is one already.
    target_info: Option<MailboxInfo>,
    members: Vec<(&'a Mapping, &'a MailboxInfo)>,
    /// Source mailboxes that take no part and have the same name on the target.
    others: Vec<MailboxName>,
}

/// A parent in name only holds no messages, so it holds back no deletion.
fn others(
    all: &[Mapping],
    chosen: &[Mapping],
    source: &AccountListing,
    target: &MailboxName,
) -> Vec<MailboxName> {
    let takes_part = |mapping: &&Mapping| chosen.iter().any(|one| one.source == mapping.source);
    let holds_mail =
        |mapping: &&Mapping| source.find(&mapping.source).is_some_and(|info| info.selectable);
    all.iter()
        .filter(|mapping| mapping.target == *target && !takes_part(mapping))
        .filter(holds_mail)
        .map(|mapping| mapping.source.clone())
        .collect()
}

//! How a run comes by its target mailboxes: what another run works on is left for later, waited
//! for, and planned again (`docs/design/claims.md`).

use std::collections::{BTreeMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use mailferry_engine::fault::{Fault, FaultKind, Side};
use mailferry_engine::message::Uid;
use mailferry_engine::name::MailboxName;
use mailferry_engine::plan::{DeleteReason, MailboxPlan};
use mailferry_store::contract::{Source, Target};
use tokio::sync::mpsc;

use crate::accounts::Accounts;
use crate::claim::{Asked, Claim, Claims, Sighting};
use crate::course::{Landed, Share};
use crate::events::{Event, Silent};
use crate::job::MailboxChoice;
use crate::mailbox::Progress;
use crate::patience;
use crate::survey::{MailboxListings, survey};
use crate::workers::{News, Shared};

/// How often it is looked whether another run has left a mailbox.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// What was seen of the claims to some mailboxes before they were listed.
pub(crate) type Sightings = BTreeMap<MailboxName, Sighting>;

/// The claims of one run.
#[derive(Default)]
pub(crate) struct Claiming {
    claims: Option<Arc<Claims>>,
    had: Mutex<Had>,
}

#[derive(Default)]
struct Had {
    sightings: Sightings,
    claims: BTreeMap<MailboxName, Claim>,
}

/// Whether a mailbox may be worked on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// It is this run's, as it was listed.
    Ours,
    /// It is this run's, and another worked there since it was listed.
    Stale,
    /// Another run works there; its process.
    Taken(Option<u32>),
}

/// A mailbox that was not this run's when its turn came.
pub(crate) struct PutOff {
    at: usize,
    share: Share,
    since: Instant,
    told: bool,
}

impl Claiming {
    pub(crate) fn new(claims: Option<Arc<Claims>>, sightings: Sightings) -> Self {
        Self { claims, had: Mutex::new(Had { sightings, claims: BTreeMap::new() }) }
    }

    fn had(&self) -> MutexGuard<'_, Had> {
        self.had.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks for a mailbox, which stays this run's until it is given back.
    pub(crate) fn take(&self, mailbox: &MailboxName) -> Standing {
        let Some(claims) = &self.claims else { return Standing::Ours };
        let mut had = self.had();
        let Had { sightings, claims: all } = &mut *had;
        if !all.contains_key(mailbox) {
            match claims.ask(mailbox) {
                Asked::Had(claim) => drop(all.insert(mailbox.clone(), claim)),
                Asked::Taken(process) => return Standing::Taken(process),
            }
        }
        let sighting = sightings.get(mailbox).copied().unwrap_or(Sighting::Free(None));
        match all.get(mailbox) {
            Some(claim) if claim.is_stale(sighting) => Standing::Stale,
            _ => Standing::Ours,
        }
    }

    /// Gives a mailbox back. What is stale stays so until it is planned again.
    pub(crate) fn give_back(&self, mailbox: &MailboxName) {
        let Had { sightings, claims } = &mut *self.had();
        let Some(claim) = claims.remove(mailbox) else { return };
        let sighting = sightings.entry(mailbox.clone()).or_insert(Sighting::Free(None));
        *sighting = if claim.is_stale(*sighting) { Sighting::Taken } else { claim.sighting() };
    }

    /// A mailbox was planned again while it was this run's.
    fn note_planned(&self, mailbox: &MailboxName) {
        let Had { sightings, claims } = &mut *self.had();
        if let Some(claim) = claims.get(mailbox) {
            sightings.insert(mailbox.clone(), claim.sighting_before());
        }
    }

    /// Whether another run works in a mailbox, or did since it was listed.
    pub(crate) fn is_anothers(&self, mailbox: &MailboxName) -> bool {
        let Some(claims) = &self.claims else { return false };
        self.had().sightings.get(mailbox).is_some_and(|before| *before != claims.sight(mailbox))
    }
}

impl PutOff {
    pub(crate) fn new(at: usize, share: Share) -> Self {
        Self { at, share, since: Instant::now(), told: false }
    }
}

impl<A: Accounts> Shared<A> {
    /// Looks after the mailboxes that were put off: those that are this run's now are planned again
    /// and go to the workers, those that were waited for too long are given up. Returns after a
    /// while at the latest.
    pub(crate) async fn see_to_put_off(&self, tell: &mpsc::UnboundedSender<News>) {
        let mut put_off = std::mem::take(&mut *self.put_off());
        let mut left = Vec::new();
        let mut moved = false;
        for mut waiting in put_off.drain(..) {
            let mailbox = &self.plan.mailboxes[waiting.at].target;
            let fault = match self.claiming.take(mailbox) {
                Standing::Ours => None,
                Standing::Stale => self.plan_for_workers(waiting.at, tell).await.err(),
                Standing::Taken(process) => {
                    self.tell_waiting(mailbox, process, &mut waiting.told);
                    if waiting.since.elapsed() < self.execution.job.limits.lock_wait {
                        left.push(waiting);
                        continue;
                    }
                    Some(in_use(mailbox, process))
                }
            };
            moved = true;
            match fault {
                None => self.ready(waiting.at, waiting.share),
                Some(fault) => self.give_up(waiting.at, fault, tell),
            }
        }
        self.put_off().extend(left);
        if !moved {
            patience::wait(LOOK_EVERY, &self.execution.stop).await;
        }
    }

    fn tell_waiting(&self, mailbox: &MailboxName, process: Option<u32>, told: &mut bool) {
        if !std::mem::replace(told, true) {
            let wait = self.execution.job.limits.lock_wait;
            self.execution.events.on(&Event::Waiting { mailbox, process, wait });
        }
    }

    fn give_up(&self, at: usize, fault: Fault, tell: &mpsc::UnboundedSender<News>) {
        self.claiming.give_back(&self.plan.mailboxes[at].target);
        self.execution.events.on(&Event::Failed(&fault));
        let progress = Progress { faults: vec![fault], ..Progress::default() };
        drop(tell.send(News::Mailbox(at, progress, Landed::default())));
    }

    async fn plan_for_workers(
        &self,
        at: usize,
        tell: &mpsc::UnboundedSender<News>,
    ) -> Result<(), Fault> {
        if self.planned_again[at].get().is_some() {
            // Another share of it came first.
            return Ok(());
        }
        let (plan, listings, creation) = self.plan_again(at).await?;
        if let Some(receipt) = &self.execution.job.receipt {
            receipt.plan_again(&plan, &listings);
        }
        drop(tell.send(News::PlannedAgain(at, plan.counts, creation)));
        let _ = self.planned_again[at].set((plan, listings));
        Ok(())
    }

    /// Waits until a mailbox is this run's.
    ///
    /// # Errors
    /// Another run works there for too long.
    pub(crate) async fn wait_for(&self, mailbox: &MailboxName) -> Result<Standing, Fault> {
        let since = Instant::now();
        let mut told = false;
        loop {
            let Standing::Taken(process) = self.claiming.take(mailbox) else {
                return Ok(self.claiming.take(mailbox));
            };
            self.tell_waiting(mailbox, process, &mut told);
            let is_over = since.elapsed() >= self.execution.job.limits.lock_wait;
            if is_over || self.execution.stop.is_asked() {
                return Err(in_use(mailbox, process));
            }
            patience::wait(LOOK_EVERY, &self.execution.stop).await;
        }
    }

    /// Lists a mailbox and plans it again, since another run worked there, and creates it if it is
    /// not there. No message is removed that was not to be removed by the plan that was approved.
    ///
    /// # Errors
    /// It cannot be listed, or it is not what it was.
    pub(crate) async fn plan_again(
        &self,
        at: usize,
    ) -> Result<(MailboxPlan, MailboxListings, Creation), Fault> {
        let Planned { plan: before, listings: listed_before } = self.planned(at);
        let named = before.parts.iter().map(|part| part.source.clone()).collect();
        let mut job = (*self.execution.job).clone();
        // What was moved away since takes part by the name of the mailbox that it was in.
        if job.past.is_none() {
            job.mailboxes = MailboxChoice { named, ..MailboxChoice::default() };
        }
        let execution = &self.execution;
        let surveyed = survey(&*execution.accounts, &job, &Silent, &execution.stop).await;
        let mut surveyed = surveyed.map_err(|faults| {
            faults.into_iter().next().unwrap_or_else(|| changed(&before.target))
        })?;
        let planned = &mut surveyed.plan.mailboxes;
        let Some(found) = planned.iter().position(|plan| plan.target == before.target) else {
            surveyed.close().await;
            return Err(changed(&before.target));
        };
        let mut plan = planned.swap_remove(found);
        let listings = surveyed.listings.swap_remove(found);
        let mut creation = Creation::No;
        if let Some(create) = plan.create {
            let mailboxes = [(plan.target.clone(), create.special_use)];
            let created = surveyed.connections.1.create(&mailboxes).await;
            created?.into_iter().next().unwrap_or_else(|| Err(changed(&before.target)))?;
            self.execution.events.on(&Event::Created(&plan.target));
            creation = Creation::Yes;
        }
        let (source, target) = &mut surveyed.connections;
        tokio::join!(source.close(), target.close());
        keep_approved(&mut plan, &listings, (before, listed_before));
        self.claiming.note_planned(&plan.target);
        Ok((plan, listings, creation))
    }
}

/// Whether a mailbox was created when it was planned again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Creation {
    Yes,
    No,
}

/// A mailbox as it is planned now.
#[derive(Clone, Copy)]
pub(crate) struct Planned<'a> {
    pub(crate) plan: &'a MailboxPlan,
    pub(crate) listings: &'a MailboxListings,
}

/// Leaves of the removals those that were approved.
fn keep_approved(
    plan: &mut MailboxPlan,
    listings: &MailboxListings,
    (before, listed_before): (&MailboxPlan, &MailboxListings),
) {
    let same = listings.target.uid_validity == listed_before.target.uid_validity;
    let approved: HashSet<Uid> =
        before.delete.iter().filter(|_| same).map(|deletion| deletion.uid).collect();
    plan.delete.retain(|deletion| approved.contains(&deletion.uid));
    let duplicates =
        plan.delete.iter().filter(|deletion| deletion.why == DeleteReason::Duplicate).count();
    plan.counts.delete_duplicates = duplicates as u64;
    plan.counts.delete = (plan.delete.len() - duplicates) as u64;
}

fn in_use(mailbox: &MailboxName, process: Option<u32>) -> Fault {
    let who = process.map(|process| format!(" (process {process})")).unwrap_or_default();
    let words = format!("another run{who} works there, and it was waited for long enough");
    Fault::new(Side::Target, FaultKind::InUse, words).in_mailbox(mailbox)
}

/// What is said of a mailbox in which another run changed what was planned.
pub(crate) fn changed(mailbox: &MailboxName) -> Fault {
    let words = "it changed meanwhile: another run worked there since it was listed";
    Fault::new(Side::Target, FaultKind::InUse, words).in_mailbox(mailbox)
}

//! Phase two: an approved plan is carried out. Mailboxes are created and subscribed first,
//! then several pairs of connections copy side by side, each another mailbox, and target
//! mailboxes are deleted last.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use mailferry_engine::account::Plan;
use mailferry_engine::fault::{Fault, FaultKind, Scope, Side};
use mailferry_engine::guard::Approval;
use mailferry_engine::name::{MailboxName, SpecialUse};
use mailferry_engine::plan::{MailboxPlan, Subscription};
use mailferry_store::contract::Target;

use crate::accounts::{Accounts, Need};
use crate::claiming::{Claiming, Standing};
use crate::course::Landed;
use crate::day;
use crate::events::{Event, EventSink};
use crate::job::Job;
use crate::labels::LabelledAccounts;
use crate::look_back::{Doubles, count, left_twice, look_back};
use crate::mailbox::Task;
use crate::on_heap::on_heap;
use crate::patience::{self, Patience, is_worth_another_try};
use crate::receipt::{Ending, Noted};
use crate::report::Report;
use crate::shortfall::find_lost;
use crate::stop::Stop;
use crate::survey::{MailboxListings, Survey};
use crate::twins::Twins;
use crate::worker::Start;
use crate::workers::{First, Shared, Usable, Worked, open_spares, run_workers};

/// Who carries a plan out, and for whom.
pub struct Execution<A: Accounts> {
    /// Opens further connections.
    pub accounts: Arc<A>,
    /// The task.
    pub job: Arc<Job>,
    /// Who wants to know.
    pub events: Arc<dyn EventSink>,
    /// Who may stop it.
    pub stop: Stop,
}

/// A mailbox as it was planned again, if it was.
pub(crate) type Again = Option<(MailboxPlan, MailboxListings)>;

/// Counts the faults of all workers, and stops the run when there are too many.
struct FaultLimit {
    told: AtomicUsize,
    faults_max: usize,
    stop: Stop,
    events: Arc<dyn EventSink>,
}

impl EventSink for FaultLimit {
    fn on(&self, event: &Event<'_>) {
        self.events.on(event);
        match event {
            Event::Failed(_) | Event::RepairIsDue(_)
                if self.told.fetch_add(1, Ordering::Relaxed) + 1 >= self.faults_max =>
            {
                self.stop.ask();
            }
            Event::RepairEnds => {
                self.told.fetch_sub(1, Ordering::Relaxed);
            }
            _ => {}
        }
    }
}

impl<A: Accounts> Execution<A> {
    /// Carries a plan out. A plan is used once, and only with the guard's approval.
    pub async fn run(mut self, survey: Survey<A>, _: Approval) -> Report {
        self.events = Arc::new(FaultLimit {
            told: AtomicUsize::new(0),
            faults_max: self.job.limits.faults_max,
            stop: self.stop.clone(),
            events: self.events,
        });
        let Survey { plan, listings, faults, connections: (mut source, mut target), .. } = survey;
        let accounts = (survey.source.clone(), survey.target);
        let labelled = LabelledAccounts::new((&self.job, &plan), (&source, &target), accounts);
        self.events = day::watch(&self.job, (&source, &target), (self.events, &self.stop));
        let claiming = Claiming::new(self.job.claims.clone(), survey.sightings);
        if let Some(receipt) = self.job.receipt.clone() {
            receipt.begin(&plan, &listings);
            self.events = Arc::new(Noted::new(receipt, self.events));
        }
        let mut report = Report { reconnections: survey.reconnections, ..Report::new(&plan) };
        report.faults.extend(faults);
        let act = plan.mailboxes.iter().filter(|mailbox| mailbox.counts.act() > 0).count();
        let seat = self.accounts.seat(Need::First);
        let spares = open_spares(&self, act);
        if let Some(state) = self.job.state.as_ref().filter(|_| act > 0) {
            state.begin_copying();
        }
        let prepared =
            on_heap(|| self.prepare_mailboxes((&plan, &claiming), &mut target, &mut report));
        let blocked = prepared.await;
        let here = (&mut source, &survey.source);
        let twins = on_heap(|| Twins::find((&self.job, &plan, &listings), here, &mut target)).await;
        let shared = Arc::new(Shared::new(self, plan, listings, (claiming, &blocked, twins)));
        let first = First { start: Start::Pair(source, target), seat };
        let worked = on_heap(|| run_workers(&shared, first, spares, &mut report)).await;
        let Worked { pair, mut failed, landed } =
            on_heap(|| shared.copy_within(worked, &mut report)).await;
        let pair = on_heap(|| shared.look_back(pair, (&landed, &mut failed), &mut report)).await;
        let pair = on_heap(|| shared.set_flags_of_copies(pair, &landed, &mut report)).await;
        let labels = (labelled.as_ref(), &landed);
        let pair = on_heap(|| shared.set_labels(pair, labels, &mut report)).await;
        let pair = on_heap(|| shared.clear_source(pair, &landed, &mut report)).await;
        on_heap(|| shared.remove_surplus(pair, &failed, &mut report)).await;
        if report.is_full() && report.removed_anything() && !shared.execution.stop.is_asked() {
            // What comes then has a receipt of its own.
            shared.end_receipt(&landed, &mut report);
            return on_heap(|| shared.go_on(report)).await;
        }
        if let Some(fault) = day::fault(&shared.execution.job, &report) {
            shared.execution.note(fault, &mut report);
        }
        if let Some(state) = &shared.execution.job.state
            && !shared.is_unsettled()
            && !report.failures().any(is_worth_another_try)
        {
            state.end_copying();
        }
        shared.end_receipt(&landed, &mut report);
        report
    }

    /// Creates and subscribes; answers the indices of mailboxes that could not be had.
    async fn prepare_mailboxes(
        &self,
        (plan, claiming): (&Plan, &Claiming),
        target: &mut A::Target,
        report: &mut Report,
    ) -> Vec<usize> {
        // What another run is at is planned again when it is this run's, and created then.
        let is_anothers = |at: usize| {
            let mailbox = &plan.mailboxes[at];
            mailbox.counts.act() > 0 && claiming.is_anothers(&mailbox.target)
        };
        let mut blocked = Vec::new();
        let wanted: Vec<(usize, (MailboxName, Option<SpecialUse>))> = plan
            .mailboxes
            .iter()
            .enumerate()
            .filter(|(at, mailbox)| mailbox.create.is_some() && !is_anothers(*at))
            .filter_map(|(at, mailbox)| Some((at, mailbox.target.clone(), mailbox.create?)))
            .map(|(at, name, creation)| (at, (name, creation.special_use)))
            .collect();
        if !wanted.is_empty() {
            let (places, mailboxes): (Vec<usize>, Vec<_>) = wanted.into_iter().unzip();
            let mut patience = Patience::new(self.job.limits.reconnect);
            let created = loop {
                match target.create(&mailboxes).await {
                    Err(fault) if self.reopen(target, &fault, &mut patience, report).await => {}
                    created => break created,
                }
            };
            match created {
                Ok(results) => {
                    for ((at, (name, _)), result) in places.into_iter().zip(mailboxes).zip(results)
                    {
                        match result {
                            Ok(()) => {
                                self.events.on(&Event::Created(&name));
                                report.created.push(name);
                            }
                            Err(_) if is_anothers(at) => {}
                            Err(fault) => {
                                blocked.push(at);
                                self.note(fault, report);
                            }
                        }
                    }
                }
                Err(fault) => {
                    blocked.extend(places);
                    self.note(fault, report);
                }
            }
        }
        self.subscribe(plan, target, report, &blocked).await;
        blocked
    }

    async fn subscribe(
        &self,
        plan: &Plan,
        target: &mut A::Target,
        report: &mut Report,
        blocked: &[usize],
    ) {
        let wanted = plan.mailboxes.iter().enumerate();
        let names: Vec<MailboxName> = wanted
            .filter(|(at, mailbox)| mailbox.subscribe == Subscription::Add && !blocked.contains(at))
            .map(|(_, mailbox)| mailbox.target.clone())
            .collect();
        if names.is_empty() {
            return;
        }
        let mut patience = Patience::new(self.job.limits.reconnect);
        let subscribed = loop {
            match target.subscribe(&names).await {
                Err(fault) if self.reopen(target, &fault, &mut patience, report).await => {}
                subscribed => break subscribed,
            }
        };
        match subscribed {
            Err(fault) => self.note(fault, report),
            Ok(results) => {
                for (name, result) in names.into_iter().zip(results) {
                    match result {
                        Ok(()) => {
                            self.events.on(&Event::Subscribed(&name));
                            report.subscribed.push(name);
                        }
                        Err(fault) => self.note(fault, report),
                    }
                }
            }
        }
    }

    /// The connection to the target broke: opens another, unless that is of no use. For what may be
    /// done a second time.
    pub(crate) async fn reopen(
        &self,
        target: &mut A::Target,
        fault: &Fault,
        patience: &mut Patience,
        report: &mut Report,
    ) -> bool {
        let mut fault = fault.clone();
        while fault.scope > Scope::Mailbox
            && !self.stop.is_asked()
            && self.hold_on(&fault, patience, report).await
        {
            match self.accounts.open_target().await {
                Ok(opened) => {
                    *target = opened;
                    return true;
                }
                Err(other) => fault = other,
            }
        }
        false
    }

    /// A connection broke: tells of it, and waits until another one is to be tried. `false` where that
    /// is of no use, or was tried often enough.
    pub(crate) async fn hold_on(
        &self,
        fault: &Fault,
        patience: &mut Patience,
        report: &mut Report,
    ) -> bool {
        if !is_worth_another_try(fault) {
            return false;
        }
        let Some(wait) = patience.wait_after(fault) else { return false };
        self.events.on(&Event::another_attempt(fault, wait));
        report.reconnections[usize::from(fault.side == Side::Target)] += 1;
        patience::wait(wait, &self.stop).await;
        true
    }

    pub(crate) fn note(&self, fault: Fault, report: &mut Report) {
        self.events.on(&Event::Failed(&fault));
        report.faults.push(fault);
    }
}

impl<A: Accounts> Shared<A> {
    /// Ends the receipt, after all else: that it cannot be written is to harm no mail.
    fn end_receipt(&self, landed: &BTreeMap<usize, Landed>, report: &mut Report) {
        let Some(receipt) = &self.execution.job.receipt else { return };
        let planned = (0..self.plan.mailboxes.len()).map(|at| self.planned(at)).collect();
        match receipt.finish(&Ending { report, planned, landed }) {
            Some(Ok(written)) => report.receipt = Some(written),
            Some(Err(error)) => {
                let fault = Fault::new(Side::Target, FaultKind::Receipt, error.to_string());
                self.execution.note(fault, report);
            }
            None => {}
        }
    }

    /// A last look at the mailboxes that were copied to, on a pair of connections that is good or
    /// on another one. Where it finds something wrong, the mailbox is added to those in which
    /// something failed; where copies are lost, all are: any of them may have been moved there.
    async fn look_back(
        &self,
        mut pair: Usable<A>,
        (landed, failed): (&BTreeMap<usize, Landed>, &mut Vec<usize>),
        report: &mut Report,
    ) -> Usable<A> {
        let mut patience = Patience::new(self.execution.job.limits.reconnect);
        let mut left: BTreeSet<usize> = landed.keys().copied().collect();
        while !left.is_empty() && !self.execution.stop.is_asked() {
            let looked: Result<(), Fault> = match self.pair_or_open(pair.take()).await {
                Err(fault) => Err(fault),
                Ok((mut source, mut target)) => {
                    let made = (landed, &mut *failed);
                    let looked =
                        self.look_back_on(&mut source, &mut target, made, (&mut left, report));
                    match looked.await {
                        Ok(()) => return Some((source, target)),
                        Err(fault) => Err(fault),
                    }
                }
            };
            let Err(fault) = looked else { continue };
            if !self.execution.hold_on(&fault, &mut patience, report).await {
                self.execution.note(fault, report);
                return None;
            }
        }
        pair
    }

    /// The pair of connections that is good, or another one.
    pub(crate) async fn pair_or_open(
        &self,
        pair: Usable<A>,
    ) -> Result<(A::Source, A::Target), Fault> {
        if let Some(pair) = pair {
            return Ok(pair);
        }
        let accounts = &self.execution.accounts;
        let (source, target) = tokio::join!(accounts.open_source(), accounts.open_target());
        Ok((source?, target?))
    }

    /// The same on one pair; `left`: mailboxes that were not looked at yet.
    async fn look_back_on(
        &self,
        source: &mut A::Source,
        target: &mut A::Target,
        (landed, failed): (&BTreeMap<usize, Landed>, &mut Vec<usize>),
        (left, report): (&mut BTreeSet<usize>, &mut Report),
    ) -> Result<(), Fault> {
        let mailboxes: Vec<(usize, Task<'_>, &Landed)> =
            left.iter().map(|&at| (at, self.task(at), &landed[&at])).collect();
        let sample = self.sample(&mailboxes);
        let (counted, rows) = count(target, &mailboxes, sample.as_ref()).await?;
        self.recognise((&mut *target, &counted), &mailboxes, (sample, rows), report).await?;
        left.retain(|at| counted.overfull.contains_key(at) || counted.short.contains(at));
        for (at, task, landed) in mailboxes {
            if counted.short.contains(&at) {
                let lost = match find_lost(source, target, &task, landed).await {
                    Ok(lost) => lost,
                    Err(fault) if fault.scope > Scope::Mailbox => return Err(fault),
                    Err(fault) => Some(fault),
                };
                if let Some(fault) = lost {
                    failed.extend(0..self.plan.mailboxes.len());
                    self.execution.note(fault, report);
                }
                left.remove(&at);
                continue;
            }
            let Some(&excess) = counted.overfull.get(&at) else { continue };
            // Where it is not known what became of everything, nothing is one too many for sure.
            let standing = match self.wait_for(&task.plan.target).await {
                Ok(standing) => standing,
                Err(fault) => {
                    failed.push(at);
                    self.execution.note(fault, report);
                    left.remove(&at);
                    continue;
                }
            };
            let is_sure = excess != u64::MAX
                && standing == Standing::Ours
                && !self.is_unsettled()
                && !failed.contains(&at);
            let removable = if is_sure { excess } else { 0 };
            let found = look_back(source, target, &task, (landed, removable)).await;
            self.claiming.give_back(&task.plan.target);
            let found = match found {
                Ok(found) => found,
                Err(fault) if fault.scope > Scope::Mailbox => return Err(fault),
                Err(fault) => {
                    failed.push(at);
                    self.execution.note(fault, report);
                    Doubles::default()
                }
            };
            left.remove(&at);
            report.doubles_removed += found.removed;
            if found.left > 0 {
                failed.push(at);
                self.execution.note(left_twice(&task.plan.target, found.left), report);
            }
        }
        Ok(())
    }

    /// Gives everything back, and copies what found no room before.
    async fn go_on(self: Arc<Self>, mut report: Report) -> Report {
        let execution = Execution {
            accounts: self.execution.accounts.clone(),
            job: self.execution.job.clone(),
            events: self.execution.events.clone(),
            stop: self.execution.stop.clone(),
        };
        drop(self);
        execution.tell_of_room(&report);
        if let Some(more) = execution.copy_the_rest().await {
            report.go_on_with(more);
        }
        report
    }
}

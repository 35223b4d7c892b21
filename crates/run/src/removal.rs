//! What goes from the target, after all copies: messages of the mailboxes that take part, then
//! mailboxes that the source does not have, then subscriptions.

use mailferry_engine::account::MailboxDeletion;
use mailferry_engine::fault::{Fault, FaultKind, Side};
use mailferry_engine::plan::MailboxPlan;
use mailferry_store::contract::{Source, Target};

use crate::accounts::Accounts;
use crate::claiming::{Planned, Standing, changed};
use crate::events::Event;
use crate::execute::Again;
use crate::job::QuotaQuestion;
use crate::mailbox::Progress;
use crate::on_heap::on_heap;
use crate::patience::Patience;
use crate::report::Report;
use crate::workers::Shared;

/// DELETE takes along what came into a mailbox since it was listed, which nobody agreed to.
///
/// # Errors
/// Something came, or the connection is of no more use.
async fn refuse_what_came<T: Target>(
    target: &mut T,
    deletion: &MailboxDeletion,
) -> Result<(), Fault> {
    let now = target.marks(std::slice::from_ref(&deletion.name)).await?;
    if !now.first().is_some_and(|now| deletion.mark.has_gained(now)) {
        return Ok(());
    }
    let words = "it is not deleted: mail came into it, or it was made anew, since it was listed";
    Err(Fault::new(Side::Target, FaultKind::DeleteMailbox, words).in_mailbox(&deletion.name))
}

impl<A: Accounts> Shared<A> {
    /// Removes messages and mailboxes, after everything was copied everywhere: a message that
    /// was moved on the source is removed from one mailbox only once it is in the other.
    pub(crate) async fn remove_surplus(
        &self,
        pair: Option<(A::Source, A::Target)>,
        failed: &[usize],
        report: &mut Report,
    ) {
        let surplus = self.surplus(failed, report);
        let (source, mut target) = match pair {
            Some((source, target)) => (Some(source), target),
            None if surplus.is_empty() && self.has_nothing_else_to_do(report) => return,
            None if self.execution.stop.is_asked() => return,
            None => match self.execution.accounts.open_target().await {
                Ok(target) => (None, target),
                Err(fault) => return self.execution.note(fault, report),
            },
        };
        let removes = !surplus.is_empty() || !self.plan.delete_mailboxes.is_empty();
        if removes && !self.prepare_keeping(&mut target, report).await {
            self.settle_subscriptions(&mut target, report).await;
            return self.take_leave((source, target), report).await;
        }
        'mailboxes: for at in surplus {
            let again = match self.plan_removals(at, report).await {
                Ok(again) => again,
                Err(fault) => {
                    self.execution.note(fault, report);
                    continue;
                }
            };
            let again = again.as_ref().map(|(plan, listings)| Planned { plan, listings });
            let planned = again.unwrap_or_else(|| self.planned(at));
            let mut patience = Patience::new(self.execution.job.limits.reconnect);
            while let Err(fault) = self.remove_messages(at, planned, (&mut target, report)).await {
                let execution = &self.execution;
                if !execution.reopen(&mut target, &fault, &mut patience, report).await {
                    execution.note(fault, report);
                    break 'mailboxes;
                }
            }
            self.claiming.give_back(&planned.plan.target);
        }
        on_heap(|| self.delete_mailboxes(&mut target, report)).await;
        on_heap(|| self.prune(&mut target, report)).await;
        on_heap(|| self.settle_subscriptions(&mut target, report)).await;
        on_heap(|| self.take_leave((source, target), report)).await;
    }

    /// Ends the sessions politely. Only now the target can tell how much room it has left.
    async fn take_leave(
        &self,
        (source, mut target): (Option<A::Source>, A::Target),
        report: &mut Report,
    ) {
        let leaving = async {
            if self.execution.job.target_quota == QuotaQuestion::AtTheEnd {
                // Whether it tells is no matter of the run.
                report.target_quota = target.quota().await.ok();
            }
            target.close().await;
        };
        match source {
            Some(mut source) => {
                tokio::join!(source.close(), leaving);
            }
            None => leaving.await,
        }
    }

    fn has_nothing_else_to_do(&self, report: &Report) -> bool {
        self.plan.delete_mailboxes.is_empty()
            && self.prunable(report).is_empty()
            && self.has_no_subscription_to_change()
    }

    /// The mailboxes that messages may be removed from: none where a copy is still to be made
    /// anywhere, since it may be that of a message that was moved. A message that was refused
    /// for itself holds back its own mailbox only.
    ///
    /// A target that is full takes copies only when something has gone: there the mailboxes in which
    /// nothing else failed lose what they are to lose (`room.rs`). What is only moved makes no room.
    fn surplus(&self, failed: &[usize], report: &Report) -> Vec<usize> {
        let is_to_lose = |plan: &MailboxPlan| {
            !plan.delete.is_empty() && !self.recognition.is_strange(&plan.target)
        };
        if report.is_full() && self.kept_in().is_none() {
            let mailboxes = (0..self.plan.mailboxes.len()).map(|at| (at, self.planned(at).plan));
            let to_lose =
                mailboxes.filter(|(_, plan)| is_to_lose(plan) && !report.failed_otherwise(plan));
            return to_lose.map(|(at, _)| at).collect();
        }
        if report.not_started() > 0 || report.was_cut_short() {
            return Vec::new();
        }
        (0..self.plan.mailboxes.len())
            .filter(|at| is_to_lose(self.planned(*at).plan) && !failed.contains(at))
            .collect()
    }

    /// Waits until a mailbox is this run's. Where another run worked there since it was listed, it
    /// is planned again.
    ///
    /// # Errors
    /// It cannot be had, or it is not what it was.
    async fn plan_removals(&self, at: usize, report: &mut Report) -> Result<Again, Fault> {
        let before = self.planned(at).plan;
        if self.wait_for(&before.target).await? == Standing::Ours {
            return Ok(None);
        }
        let planned = match self.plan_again(at).await {
            // What is to be removed may stand for what is to be copied.
            Ok((plan, ..)) if plan.counts.copy > 0 => Err(changed(&before.target)),
            Ok((plan, listings, _)) => Ok((plan, listings)),
            Err(fault) => Err(fault),
        };
        match planned {
            Ok((plan, listings)) => {
                report.plan_removals_again(at, &plan.counts);
                if let Some(receipt) = &self.execution.job.receipt {
                    receipt.plan_removals_again(&plan);
                }
                Ok(Some((plan, listings)))
            }
            Err(fault) => {
                self.claiming.give_back(&before.target);
                Err(fault)
            }
        }
    }

    async fn remove_messages(
        &self,
        at: usize,
        planned: Planned<'_>,
        (target, report): (&mut A::Target, &mut Report),
    ) -> Result<(), Fault> {
        let task = self.task_of(planned);
        let mut progress = Progress { done: report.mailboxes[at].done, ..Progress::default() };
        // Those are to be copied again when there is room.
        let refused = if report.is_full() { report.refused_for_room(task.plan) } else { 0 };
        progress.done.failed = progress.done.failed.saturating_sub(refused);
        if !self.was_queued(at) {
            let target = &task.plan.target;
            self.execution.events.on(&Event::MailboxBegins { at, target });
        }
        let removed = task.remove(target, self.kept_in(), &mut progress).await;
        progress.done.failed += refused;
        report.mailboxes[at].done = progress.done;
        report.faults.extend(progress.faults);
        removed
    }

    /// Deletes the target mailboxes that the source does not have, unless something failed:
    /// what could not be copied may be in them.
    async fn delete_mailboxes(&self, target: &mut A::Target, report: &mut Report) {
        let gone = &self.plan.delete_mailboxes;
        if gone.is_empty() || self.execution.stop.is_asked() {
            return;
        }
        let wants_room = report.is_full()
            && self.kept_in().is_none()
            && report.failures().all(|fault| fault.kind == FaultKind::OverQuota);
        if report.failures().next().is_some() && !wants_room {
            let words = format!(
                "{} mailboxes of the target were not deleted, since something failed before",
                gone.len()
            );
            self.execution.note(Fault::new(Side::Target, FaultKind::DeleteMailbox, words), report);
            return;
        }
        for deletion in gone {
            let standing = match self.wait_for(&deletion.name).await {
                Ok(Standing::Ours) => Ok(()),
                Ok(_) => Err(changed(&deletion.name)),
                Err(fault) => Err(fault),
            };
            if let Err(fault) = standing {
                self.claiming.give_back(&deletion.name);
                self.execution.note(fault, report);
                continue;
            }
            let mut patience = Patience::new(self.execution.job.limits.reconnect);
            let deleted = loop {
                let deleted = match self.kept_in() {
                    Some(to) => self.empty(target, (&deletion.name, to), report).await,
                    None => refuse_what_came(target, deletion).await,
                };
                let deleted = match deleted {
                    Ok(()) => target.delete_mailbox(&deletion.name).await,
                    Err(fault) => Err(fault),
                };
                match deleted {
                    Err(fault)
                        if self.execution.reopen(target, &fault, &mut patience, report).await => {}
                    deleted => break deleted,
                }
            };
            match deleted {
                Ok(()) => {
                    self.execution.events.on(&Event::MailboxDeleted(&deletion.name));
                    report.deleted_mailboxes.push(deletion.name.clone());
                }
                Err(fault) => self.execution.note(fault, report),
            }
            self.claiming.give_back(&deletion.name);
        }
    }
}

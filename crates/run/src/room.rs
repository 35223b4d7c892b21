//! A target that is full while the plan removes mail from it: what was approved to go goes first, and
//! then the copies are tried again.
//!
//! Otherwise a backup that has grown to its limit could never change again: nothing is removed before
//! all is copied, and nothing can be copied before something is removed. What goes, the source has
//! not; a message that was moved there is missing on the target until its copy is made.

use std::sync::Arc;

use mailferry_engine::fault::{FaultKind, Scope, Side};
use mailferry_engine::guard::{self, GuardLimits, SameAccountRule};
use mailferry_engine::plan::MailboxPlan;
use mailferry_engine::policy::{DeleteRule, Rules, TargetDuplicates};

use crate::accounts::Accounts;
use crate::events::{Event, Silent};
use crate::execute::Execution;
use crate::job::{Job, MailboxDeletionNarrowing};
use crate::on_heap::on_heap;
use crate::report::{Done, MailboxReport, Report};
use crate::survey::survey;

impl Report {
    /// Whether the target is full, and nothing worse has happened to either side.
    pub(crate) fn is_full(&self) -> bool {
        let is_full = |kind| kind == FaultKind::OverQuota;
        let mut of_account = self.failures().filter(|fault| fault.scope >= Scope::Account);
        self.failures().any(|fault| is_full(fault.kind) && fault.side == Side::Target)
            && of_account.all(|fault| is_full(fault.kind))
    }

    /// Messages of a mailbox that were refused for want of room.
    pub(crate) fn refused_for_room(&self, mailbox: &MailboxPlan) -> u64 {
        let of_it = |fault: &&mailferry_engine::fault::Fault| {
            fault.kind == FaultKind::OverQuota
                && fault.uid.is_some()
                && mailbox.parts.iter().any(|part| Some(&part.source) == fault.mailbox.as_ref())
        };
        self.failures().filter(of_it).count() as u64
    }

    /// Whether anything else went wrong in a mailbox.
    pub(crate) fn failed_otherwise(&self, mailbox: &MailboxPlan) -> bool {
        self.failures().filter(|fault| fault.kind != FaultKind::OverQuota).any(|fault| {
            let name = fault.mailbox.as_ref();
            name == Some(&mailbox.target)
                || mailbox.parts.iter().any(|part| Some(&part.source) == name)
        })
    }

    /// What a further run over the same accounts did is told as if it had been one. It planned
    /// everything again but the removals, so that what had failed is told of by it alone.
    pub(crate) fn go_on_with(&mut self, more: Self) {
        let of_removals =
            |kind| matches!(kind, FaultKind::DeleteMessage | FaultKind::DeleteMailbox);
        let stays = |kind| of_removals(kind) || kind == FaultKind::Receipt;
        self.faults.retain(|fault| stays(fault.kind));
        self.receipt = more.receipt;
        self.target_quota = more.target_quota.or(self.target_quota);
        self.faults.extend(more.faults);
        for mailbox in more.mailboxes {
            match self.mailboxes.iter_mut().find(|known| known.target == mailbox.target) {
                Some(known) => known.go_on_with(mailbox),
                None => self.mailboxes.push(mailbox),
            }
        }
        self.created.extend(more.created);
        self.subscribed.extend(more.subscribed);
        self.subscriptions_refused.extend(more.subscriptions_refused);
        for (all, further) in self.reconnections.iter_mut().zip(more.reconnections) {
            *all += further;
        }
        self.doubles_removed += more.doubles_removed;
        self.repaired.extend(more.repaired);
        self.kept_aside.extend(more.kept_aside);
    }
}

impl MailboxReport {
    fn go_on_with(&mut self, more: Self) {
        let before = self.done;
        let removals = (self.planned.delete, self.planned.delete_duplicates);
        self.planned = more.planned;
        (self.planned.delete, self.planned.delete_duplicates) = removals;
        // What the first run did is there for the second.
        self.planned.copy += before.copied;
        self.planned.copy_octets += before.copied_octets;
        self.planned.update_flags += before.flags_updated;
        self.planned.delete_source += before.source_deleted;
        let done = before.copied + before.flags_updated;
        self.planned.present = self.planned.present.saturating_sub(done);
        self.done = Done {
            failed: 0,
            flags_unkept: 0,
            flags_failed: 0,
            expunged: 0,
            source_kept: 0,
            labels_failed: 0,
            labels_left: 0,
            ..before
        };
        self.done.join(&more.done);
        self.out_of_order.extend(more.out_of_order);
    }
}

impl<A: Accounts> Execution<A> {
    /// Copies what found no room, now that some was made; `None` where that cannot be begun.
    pub(crate) async fn copy_the_rest(self) -> Option<Report> {
        let rules = Rules {
            delete: DeleteRule::Nothing,
            target_duplicates: TargetDuplicates::Keep,
            subscribe: self.job.rules.subscribe.of_mailboxes(),
            ..self.job.rules.clone()
        };
        let mailbox_deletion = MailboxDeletionNarrowing::default();
        let job = Job { rules, mailbox_deletion, ..(*self.job).clone() };
        let surveyed = on_heap(|| survey(&*self.accounts, &job, &Silent, &self.stop)).await.ok()?;
        // Nothing is removed from the target, so that there is nothing else to object to.
        let limits = GuardLimits { same_account: SameAccountRule::Allow, ..GuardLimits::modern() };
        let approval = guard::check(&surveyed.plan.summary, &limits).ok()?;
        let execution = Self { job: Arc::new(job), ..self };
        Some(on_heap(|| execution.run(surveyed, approval)).await)
    }

    /// Tells that there is room again.
    pub(crate) fn tell_of_room(&self, report: &Report) {
        let mailboxes = (report.deleted_mailboxes.len() + report.pruned.len()) as u64;
        let messages = report.total().deleted;
        self.events.on(&Event::MadeRoom { messages, mailboxes });
    }
}

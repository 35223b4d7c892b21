//! Subscriptions that follow from no mailbox of the plan, last of all: a mailbox that was deleted took
//! its own along.

use mailferry_engine::fault::{Fault, Scope};
use mailferry_engine::name::MailboxName;
use mailferry_store::contract::Target;

use crate::accounts::Accounts;
use crate::events::Event;
use crate::patience::Patience;
use crate::report::Report;
use crate::workers::Shared;

/// Which way subscriptions change.
#[derive(Clone, Copy)]
enum Change {
    Add,
    Remove,
}

impl<A: Accounts> Shared<A> {
    pub(crate) fn has_no_subscription_to_change(&self) -> bool {
        let plan = &self.plan.subscriptions;
        plan.add.is_empty() && plan.remove.is_empty()
    }

    /// Gives up what the source does not subscribe, and subscribes what it does without a mailbox.
    /// It rests on no message, so that what failed before is no matter.
    pub(crate) async fn settle_subscriptions(&self, target: &mut A::Target, report: &mut Report) {
        let plan = &self.plan.subscriptions;
        for (name, result) in self.change(Change::Remove, &plan.remove, (target, report)).await {
            match result {
                Ok(()) => {
                    self.execution.events.on(&Event::Unsubscribed(name));
                    report.unsubscribed.push(name.clone());
                }
                Err(fault) => self.execution.note(fault, report),
            }
        }
        for (name, result) in self.change(Change::Add, &plan.add, (target, report)).await {
            match result {
                Ok(()) => {
                    self.execution.events.on(&Event::Subscribed(name));
                    report.subscribed.push(name.clone());
                }
                // Many servers subscribe nothing that is not there (RFC 9051 §6.3.7).
                Err(fault) if fault.scope <= Scope::Mailbox => {
                    self.execution.events.on(&Event::SubscriptionRefused(&fault));
                    report.subscriptions_refused.push(name.clone());
                }
                Err(fault) => self.execution.note(fault, report),
            }
        }
    }

    async fn change<'n>(
        &self,
        change: Change,
        names: &'n [MailboxName],
        (target, report): (&mut A::Target, &mut Report),
    ) -> Vec<(&'n MailboxName, Result<(), Fault>)> {
        if names.is_empty() || self.execution.stop.is_asked() {
            return Vec::new();
        }
        let mut patience = Patience::new(self.execution.job.limits.reconnect);
        let changed = loop {
            let changed = match change {
                Change::Add => target.subscribe(names).await,
                Change::Remove => target.unsubscribe(names).await,
            };
            match changed {
                Err(fault)
                    if self.execution.reopen(target, &fault, &mut patience, report).await => {}
                changed => break changed,
            }
        };
        match changed {
            Ok(results) => names.iter().zip(results).collect(),
            Err(fault) => {
                self.execution.note(fault, report);
                Vec::new()
            }
        }
    }
}

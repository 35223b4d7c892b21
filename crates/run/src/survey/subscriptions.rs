//! Which subscriptions come and go that follow from no mailbox of the plan.

use std::collections::BTreeSet;

use mailferry_engine::account::MailboxDeletion;
use mailferry_engine::fault::{Fault, Side};
use mailferry_engine::listing::AccountListing;
use mailferry_engine::mapping::{Mapping, map_mailboxes};
use mailferry_engine::name::MailboxName;
use mailferry_engine::select::select_mailboxes;
use mailferry_engine::subscriptions::{
    Coverage, SubscriptionInput, SubscriptionPlan, as_mailboxes, plan_subscriptions,
};

use super::{Surveyor, no_result};
use crate::accounts::Accounts;

impl<A: Accounts> Surveyor<'_, A> {
    /// What the subscriptions of both sides come to. `all`: what all mailboxes of the source are called
    /// on the target; `taking_part`: those that take part.
    pub(super) fn subscriptions(
        &self,
        (all, taking_part): (&[Mapping], &[Mapping]),
        gone: &[MailboxDeletion],
    ) -> Result<SubscriptionPlan, Fault> {
        if self.then.is_some() {
            // Nobody wrote down what was subscribed then.
            return Ok(SubscriptionPlan::default());
        }
        let (source, target) = (&self.source_account, &self.target_account);
        let names = as_mailboxes(source);
        let naming = self.job.naming.rules(source, target);
        let bare = map_mailboxes(&names.mailboxes, source, target, &naming)
            .map_err(|failed| no_result(&failed, Side::Target))?;
        let coverage = match self.job.mailboxes.is_whole() {
            true => Coverage::Account,
            false => Coverage::Chosen,
        };
        let input = SubscriptionInput {
            source,
            target,
            all,
            bare: &bare,
            taking_part: &taking_part.iter().map(|mapping| mapping.target.clone()).collect(),
            bare_taking_part: &self.chosen_names(&names, &bare)?,
            coverage,
            gone,
            narrowed: self.mailbox_delete_rule(),
        };
        plan_subscriptions(&input, self.rules.subscribe)
            .map_err(|failed| no_result(&failed, Side::Target))
    }

    /// The subscribed names without a mailbox that would take part if there were one.
    fn chosen_names(
        &self,
        names: &AccountListing,
        mappings: &[Mapping],
    ) -> Result<BTreeSet<MailboxName>, Fault> {
        let choice = self.job.mailboxes.resolved(&self.source_account);
        let selected = select_mailboxes(names, &choice.selection())
            .map_err(|failed| no_result(&failed, Side::Source))?;
        let mut chosen: BTreeSet<MailboxName> =
            selected.chosen.into_iter().map(|info| info.name.clone()).collect();
        if let (Some(there), Some(keeping)) = (&self.kept, &self.job.keeping) {
            let here = keeping.on(&self.source_account);
            let is_kept = |it: &&Mapping| here.holds(&it.source) || there.holds(&it.target);
            for kept in mappings.iter().filter(is_kept) {
                chosen.remove(&kept.source);
            }
        }
        Ok(chosen)
    }
}

//! Flags of copies that did not come with the message: keywords, where a target drops them from APPEND
//! and keeps what STORE sets, and whatever is missing, where the flags are to be read back.

use std::collections::BTreeMap;

use mailferry_engine::fault::{Fault, Scope, Side};
use mailferry_engine::message::FlagSet;
use mailferry_engine::policy::{FlagPolicy, PermanentFlags, flags_update};
use mailferry_store::contract::{Among, AsListed, FlagUpdate, Target};

use crate::accounts::Accounts;
use crate::course::Landed;
use crate::job::CopiedFlags;
use crate::mailbox::Task;
use crate::report::Report;
use crate::settle::renumbered;
use crate::workers::{Shared, Usable};

impl<A: Accounts> Shared<A> {
    /// Sets the keywords of the copies, where the target drops them from APPEND, and whatever is not
    /// there where the flags are to be read back.
    pub(crate) async fn set_flags_of_copies(
        &self,
        mut pair: Usable<A>,
        landed: &BTreeMap<usize, Landed>,
        report: &mut Report,
    ) -> Usable<A> {
        let (_, target) = pair.as_mut()?;
        let reads_back = self.execution.job.copied_flags == CopiedFlags::ReadBack;
        if !target.drops_keywords() && !reads_back {
            return pair;
        }
        for (&at, landed) in landed {
            let task = self.task(at);
            let outcome = match reads_back {
                true => read_back(target, &task, landed).await,
                false => set_keywords(target, &task, landed).await,
            };
            match outcome {
                Ok(refused) => {
                    refused.into_iter().for_each(|fault| self.execution.note(fault, report));
                }
                Err(fault) => {
                    let is_broken = fault.scope > Scope::Mailbox;
                    self.execution.note(fault, report);
                    if is_broken {
                        return None;
                    }
                }
            }
        }
        pair
    }
}

/// Sets the keywords of the copies in one mailbox whose UIDs are known; those of the others are
/// set by the next run, which lists them. Answers what was refused.
///
/// # Errors
/// The mailbox cannot be opened, or the connection is of no more use.
async fn set_keywords<T: Target>(
    target: &mut T,
    task: &Task<'_>,
    landed: &Landed,
) -> Result<Vec<Fault>, Fault> {
    let mut updates = Vec::new();
    for copy in &landed.copies {
        let order = task.order(copy.part as usize, copy.source, &PermanentFlags::Unknown);
        let (Some(uid), Some(order)) = (copy.target, order) else { continue };
        let keywords: FlagSet =
            order.flags.iter().filter(|flag| !flag.is_standard()).cloned().collect();
        if !keywords.is_empty() {
            updates.push(FlagUpdate { uid, add: keywords, remove: FlagSet::default() });
        }
    }
    send(target, task, landed, &updates).await
}

/// Reads the flags of the copies in one mailbox back, and sets what is not as it was sent. Answers
/// what was refused.
///
/// # Errors
/// The mailbox cannot be opened, or the connection is of no more use.
async fn read_back<T: Target>(
    target: &mut T,
    task: &Task<'_>,
    landed: &Landed,
) -> Result<Vec<Fault>, Fault> {
    let mut copies: Vec<_> = landed.copies.iter().filter(|copy| copy.target.is_some()).collect();
    copies.sort_by_key(|copy| copy.target);
    let uids: Vec<_> = copies.iter().filter_map(|copy| copy.target).collect();
    if uids.is_empty() {
        return Ok(Vec::new());
    }
    let kept = task.permanent_flags(target).await?;
    let (mailbox, keys) = (&task.plan.target, &task.job.keys);
    let there = target.messages_among(mailbox, Among::These(&uids), keys).await?;
    if there.uid_validity != landed.uid_validity {
        return Err(renumbered(Side::Target, mailbox));
    }
    let mut updates = Vec::new();
    for copy in copies {
        let order = task.order(copy.part as usize, copy.source, &kept);
        let (Some(uid), Some(order)) = (copy.target, order) else { continue };
        let Some(at) = there.position(uid) else { continue };
        let set = there.flag_table.set(there.flags[at]);
        let rules = &task.job.rules;
        if let Some(change) = flags_update(&order.flags, set, FlagPolicy::Mirror, rules.keywords) {
            let (add, remove) =
                (change.add.into_iter().collect(), change.remove.into_iter().collect());
            updates.push(FlagUpdate { uid, add, remove });
        }
    }
    send(target, task, landed, &updates).await
}

async fn send<T: Target>(
    target: &mut T,
    task: &Task<'_>,
    landed: &Landed,
    updates: &[FlagUpdate],
) -> Result<Vec<Fault>, Fault> {
    if updates.is_empty() {
        return Ok(Vec::new());
    }
    let mailbox = AsListed { mailbox: &task.plan.target, uid_validity: landed.uid_validity };
    let refused = target.update_flags(mailbox, updates).await?;
    Ok(refused.into_iter().map(|(_, fault)| fault).collect())
}

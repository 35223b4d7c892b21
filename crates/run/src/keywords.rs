//! Keywords of copies, for a target that drops them from APPEND and keeps what STORE sets.

use mailferry_engine::fault::Fault;
use mailferry_engine::message::FlagSet;
use mailferry_engine::policy::PermanentFlags;
use mailferry_store::contract::{AsListed, FlagUpdate, Target};

use crate::course::Landed;
use crate::mailbox::Task;

/// Sets the keywords of the copies in one mailbox whose UIDs are known; those of the others are
/// set by the next run, which lists them. Answers what was refused.
///
/// # Errors
/// The mailbox cannot be opened, or the connection is of no more use.
pub(crate) async fn set_keywords<T: Target>(
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
    if updates.is_empty() {
        return Ok(Vec::new());
    }
    let mailbox = AsListed { mailbox: &task.plan.target, uid_validity: landed.uid_validity };
    let refused = target.update_flags(mailbox, &updates).await?;
    Ok(refused.into_iter().map(|(_, fault)| fault).collect())
}

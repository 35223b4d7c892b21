//! What is copied of the mailbox that shows everything (`\All`), where mailboxes are labels of
//! messages (`docs/design/gmail.md`).

use std::collections::BTreeSet;

use mailferry_engine::fault::{Fault, FaultKind, Side};
use mailferry_engine::labels::mailbox_of;
use mailferry_engine::listing::{AccountListing, MailboxInfo, MessageListing};
use mailferry_engine::message::{FlagSet, Uid};
use mailferry_engine::name::{MailboxName, SpecialUse};
use mailferry_engine::select::select_mailboxes;
use mailferry_store::contract::{LabelsAsked, Source};

use crate::job::MailboxChoice;
use crate::survey::listed;

/// What is copied of All Mail.
#[derive(Clone, Default)]
pub enum AllMail {
    /// All of it.
    #[default]
    Whole,
    /// What none of these mailboxes shows, All Mail itself apart. A run may be about fewer mailboxes
    /// for a while, and these stay the same.
    Rest(MailboxChoice),
}

impl AllMail {
    /// Leaves only those messages of a mailbox selected that no other one shows, if it is All Mail
    /// and the source has labels. A message whose labels are not told stays selected.
    ///
    /// # Errors
    /// The labels cannot be had, or a pattern comes to no result.
    pub(crate) async fn narrow<S: Source>(
        &self,
        (source, account): (&mut S, &AccountListing),
        (mailbox, listing): (&MailboxInfo, &mut MessageListing),
    ) -> Result<(), Fault> {
        let Self::Rest(choice) = self else { return Ok(()) };
        let selected = listing.uid.iter().zip(&listing.selected);
        let uids: Vec<Uid> = selected.filter(|(_, is)| **is).map(|(uid, _)| *uid).collect();
        let is_all_mail = mailbox.special_use == Some(SpecialUse::All);
        if uids.is_empty() || !is_all_mail || !source.has_labels() {
            return Ok(());
        }
        let others = others(choice, account, &mailbox.name)?;
        let from = listed(&mailbox.name, listing);
        let told = source.labels(from, &uids, LabelsAsked::Alone).await?;
        let is_shown = |labels: &FlagSet| {
            let mut mailboxes = labels.iter().filter_map(|label| mailbox_of(account, label));
            mailboxes.any(|mailbox| others.contains(&mailbox.name))
        };
        let shown: Vec<bool> = told.table.sets().iter().map(is_shown).collect();
        for row in &told.rows {
            if let Some(at) = listing.position(row.uid) {
                listing.selected[at] &= !shown[row.labels.0 as usize];
            }
        }
        Ok(())
    }
}

/// The mailboxes that take part beside All Mail.
fn others(
    choice: &MailboxChoice,
    account: &AccountListing,
    all_mail: &MailboxName,
) -> Result<BTreeSet<MailboxName>, Fault> {
    let choice = choice.resolved(account);
    let selected = select_mailboxes(account, &choice.selection()).map_err(|failed| {
        Fault::new(Side::Source, FaultKind::Limit, failed.to_string()).in_mailbox(&failed.mailbox)
    })?;
    let names = selected.chosen.into_iter().map(|mailbox| mailbox.name.clone());
    Ok(names.filter(|name| name != all_mail).collect())
}

//! What is copied of the mailbox that shows everything (`\All`), where mailboxes are labels of
//! messages (`docs/design/gmail.md`).

use std::collections::BTreeSet;

use mailferry_engine::fault::{Fault, FaultKind, Scope, Side};
use mailferry_engine::labels::{keyword_of, mailbox_of};
use mailferry_engine::listing::{AccountListing, MailboxInfo, MessageListing, Oddity};
use mailferry_engine::message::{FlagSet, Uid};
use mailferry_engine::name::{MailboxName, SpecialUse};
use mailferry_engine::select::{LeftOut, LeftOutReason, select_mailboxes};
use mailferry_store::contract::{LabelListing, LabelsAsked, Source};

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
    /// All of it, each message with its labels as keywords; no mailbox that shows what is there.
    WithKeywords,
}

impl AllMail {
    /// Leaves only those messages of a mailbox selected that no other one shows, if it is All Mail
    /// and the source has labels; or gives them their labels as keywords. A message whose labels are
    /// not told stays selected, or, where they are to be keywords, is one that was not delivered.
    ///
    /// # Errors
    /// The labels cannot be had, or a pattern comes to no result.
    pub(crate) async fn narrow<S: Source>(
        &self,
        (source, account): (&mut S, &AccountListing),
        (mailbox, listing): (&MailboxInfo, &mut MessageListing),
    ) -> Result<(), Fault> {
        let selected = listing.uid.iter().zip(&listing.selected);
        let uids: Vec<Uid> = selected.filter(|(_, is)| **is).map(|(uid, _)| *uid).collect();
        let is_all_mail = mailbox.special_use == Some(SpecialUse::All);
        if matches!(self, Self::Whole) || uids.is_empty() || !is_all_mail || !source.has_labels() {
            return Ok(());
        }
        let from = listed(&mailbox.name, listing);
        let told = source.labels(from, &uids, LabelsAsked::Alone).await?;
        let Self::Rest(choice) = self else {
            add_keywords(listing, &told);
            return Ok(());
        };
        let others = others(choice, account, &mailbox.name)?;
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

/// Adds the labels of messages to their flags, as keywords.
fn add_keywords(listing: &mut MessageListing, told: &LabelListing) {
    let keywords: Vec<FlagSet> = told
        .table
        .sets()
        .iter()
        .map(|labels| labels.iter().filter_map(keyword_of).collect())
        .collect();
    for at in 0..listing.len() {
        if !listing.selected[at] {
            continue;
        }
        // Without its labels it would look as if all of them had been taken from it.
        let Some(row) = told.row(listing.uid[at]) else {
            let at = u32::try_from(at).unwrap_or(u32::MAX);
            listing.oddities.push((at, Oddity::NotDelivered));
            continue;
        };
        let flags = listing.flag_table.set(listing.flags[at]);
        let keywords = &keywords[row.labels.0 as usize];
        let both = flags.iter().chain(keywords).cloned().collect();
        listing.flags[at] = listing.flag_table.intern(both);
    }
    listing.oddities.sort_unstable_by_key(|(at, _)| *at);
    listing.oddities.dedup_by_key(|(at, _)| *at);
}

/// Takes the mailboxes out that show what All Mail has: all but All Mail itself, Trash and Spam, which
/// it does not show. What is taken out is answered.
///
/// # Errors
/// The account shows no All Mail.
pub(crate) fn leave_to_all_mail(
    account: &AccountListing,
    chosen: &mut Vec<MailboxInfo>,
) -> Result<Vec<LeftOut>, Fault> {
    let is_all_mail = |info: &MailboxInfo| info.special_use == Some(SpecialUse::All);
    if !account.mailboxes.iter().any(|info| is_all_mail(info) && info.selectable) {
        let words = "the source does not show All Mail by IMAP: its settings may hide it";
        let fault = Fault::new(Side::Source, FaultKind::Flags, words);
        return Err(Fault { scope: Scope::Account, ..fault });
    }
    let uses = [SpecialUse::All, SpecialUse::Junk, SpecialUse::Trash].map(Some);
    let others: Vec<MailboxInfo> =
        chosen.extract_if(.., |info| !uses.contains(&info.special_use)).collect();
    let left =
        others.into_iter().map(|info| LeftOut { mailbox: info.name, reason: LeftOutReason::Label });
    Ok(left.collect())
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

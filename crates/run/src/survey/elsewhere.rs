//! What a restore takes for moved by its owner: a message that is not in its mailbox on the target,
//! where another mailbox has a copy that stands for no other message of the backup.

use std::collections::{HashMap, HashSet};

use mailferry_engine::fault::Fault;
use mailferry_engine::listing::{MailboxInfo, MessageListing, Namespace};
use mailferry_engine::mapping::Mapping;
use mailferry_engine::message::Key;
use mailferry_engine::name::MailboxName;
use mailferry_engine::policy::Elsewhere;

use super::Surveyor;
use super::listing::{GroupListing, Trust};
use crate::accounts::Accounts;

/// How many messages of each key the whole target has, wherever they are.
pub(super) struct Copies(HashMap<Key, u32>);

impl<A: Accounts> Surveyor<'_, A> {
    /// For restore: every message on the target. A mailbox that cannot be looked into is told of.
    pub(super) async fn everywhere(
        &mut self,
        faults: &mut Vec<Fault>,
    ) -> Result<Option<Copies>, Fault> {
        if self.rules.elsewhere != Elsewhere::Skip {
            return Ok(None);
        }
        let mut copies = HashMap::new();
        for listed in self.list_whole_target().await? {
            match listed {
                Ok(listing) => count([&listing], &mut copies),
                Err(fault) => faults.push(fault),
            }
        }
        Ok(Some(Copies(copies)))
    }

    /// The mailboxes of both sides that take no part in a restore of some: what one of them has, and
    /// the backup has there as well, was moved from nowhere.
    pub(super) async fn list_others(
        &mut self,
        (all, taking_part): (&[Mapping], &[Mapping]),
    ) -> Result<Vec<GroupListing>, Fault> {
        if self.then.is_some() {
            // What the backup held then is not where it is now.
            return Ok(Vec::new());
        }
        let is_kept = |name: &MailboxName| self.kept.as_ref().is_some_and(|kept| kept.holds(name));
        let is_other = |mapping: &Mapping, info: &MailboxInfo| {
            info.selectable
                && info.namespace == Namespace::Personal
                && !is_kept(&mapping.target)
                && !taking_part.iter().any(|one| one.source == mapping.source)
        };
        let listed = all.iter().zip(&self.source_account.mailboxes);
        let others = listed.filter(|(mapping, info)| is_other(mapping, info));
        let (mappings, infos): (Vec<Mapping>, Vec<MailboxInfo>) =
            others.map(|(mapping, info)| (mapping.clone(), info.clone())).unzip();
        let mut groups = self.groups((all, &mappings), &infos);
        groups.retain(|group| group.target_info.is_some());
        self.list(&groups, Trust::State).await
    }
}

impl Copies {
    /// The keys of which the target has a copy that is not where the backup has it. A message that
    /// stands in two mailboxes was not moved from the one because the other has it: a restore that
    /// was cut off between the two has to bring back the second one, too.
    pub(super) fn out_of_place<'l>(
        mut self,
        listed: impl Iterator<Item = &'l GroupListing>,
    ) -> HashSet<Key> {
        for group in listed {
            let Ok(target) = &group.target else { continue };
            let mut wanted = HashMap::new();
            count(&group.sources, &mut wanted);
            let mut there = HashMap::new();
            count([target], &mut there);
            for (key, number) in there {
                let in_place = wanted.get(&key).map_or(0, |wanted| number.min(*wanted));
                if let Some(copies) = self.0.get_mut(&key) {
                    *copies = copies.saturating_sub(in_place);
                }
            }
        }
        self.0.into_iter().filter(|(_, copies)| *copies > 0).map(|(key, _)| key).collect()
    }
}

/// Messages without an identity of their own are nobody's copies.
fn count<'l>(
    listings: impl IntoIterator<Item = &'l MessageListing>,
    counts: &mut HashMap<Key, u32>,
) {
    for key in listings.into_iter().flat_map(|listing| &listing.key).filter(|key| !key.is_none()) {
        *counts.entry(*key).or_default() += 1;
    }
}

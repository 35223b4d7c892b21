//! A restore from a stated run: the source takes part as it was then. Mailboxes that are gone come
//! back, messages that were moved away count as where they were, and what came later does not.

use std::collections::BTreeMap;

use mailferry_engine::fault::{Fault, FaultKind, Side};
use mailferry_engine::listing::{AccountListing, MailboxInfo, Mark};
use mailferry_engine::mapping::Mapping;
use mailferry_engine::name::MailboxName;
use mailferry_engine::select::{LeftOut, LeftOutReason};

use super::listing::GroupListing;
use super::{Chosen, Group};
use crate::past::{Past, Whereabouts};

/// The source as it was then.
pub(super) struct Then<'a> {
    past: &'a Past,
    /// The mailboxes that it has now.
    now: AccountListing,
    /// Which messages of a mailbox of the source feed one of the target.
    wanted: BTreeMap<(MailboxName, MailboxName), Whereabouts>,
    /// What cannot be found.
    pub(super) lost: Vec<Fault>,
}

impl<'a> Then<'a> {
    /// The mailboxes that the source had then and has no more are added to it, as empty ones.
    pub(super) fn new(past: &'a Past, source: &mut AccountListing) -> Self {
        let now = source.clone();
        for name in past.mailboxes().filter(|name| now.find(name).is_none()) {
            let at = source.mailboxes.partition_point(|info| info.name < *name);
            let gone = MailboxInfo::new(name.clone(), source.delimiter, Mark::default());
            source.mailboxes.insert(at, gone);
        }
        let mut then = Self { past, now, wanted: BTreeMap::new(), lost: Vec::new() };
        if past.untold > 0 {
            let words = format!(
                "of {} messages of run {} the backup did not tell where it put them",
                past.untold, past.run
            );
            then.lost.push(Fault::new(Side::Source, FaultKind::Fetch, words));
        }
        then
    }

    /// Has the chosen mailboxes take part as they were.
    pub(super) fn take_part(&mut self, choice: &mut Chosen) {
        let infos = std::mem::take(&mut choice.chosen);
        let mappings = std::mem::take(&mut choice.mappings);
        for (info, mapping) in infos.into_iter().zip(mappings) {
            let Some(places) = self.past.of(&mapping.source) else {
                let (mailbox, reason) = (mapping.source, LeftOutReason::Later);
                choice.left_out.push(LeftOut { mailbox, reason });
                continue;
            };
            // Even where nothing is in it any more: it is to be created.
            if self.is_there(&info.name) {
                let messages = places.get(&info.name).cloned().unwrap_or_default();
                self.add((&info, &messages), &mapping, choice);
            }
            for (name, messages) in places.iter().filter(|(name, _)| **name != info.name) {
                match self.now.find(name).filter(|info| info.selectable).cloned() {
                    Some(info) => self.add((&info, messages), &mapping, choice),
                    None => self.lose(&mapping.source, messages.len()),
                }
            }
            if !self.is_there(&info.name) {
                let messages = places.get(&info.name).map_or(0, Whereabouts::len);
                self.lose(&info.name, messages);
            }
        }
    }

    fn is_there(&self, mailbox: &MailboxName) -> bool {
        self.now.find(mailbox).is_some_and(|info| info.selectable)
    }

    /// These messages feed the mailbox of the target that the one feeds in which they were.
    fn add(
        &mut self,
        (info, messages): (&MailboxInfo, &Whereabouts),
        mapping: &Mapping,
        choice: &mut Chosen,
    ) {
        let source = info.name.clone();
        let pair = (source.clone(), mapping.target.clone());
        if !self.wanted.contains_key(&pair) {
            choice.mappings.push(Mapping { source, ..mapping.clone() });
            choice.chosen.push(info.clone());
        }
        self.wanted.entry(pair).or_default().join(messages);
    }

    /// Leaves only those messages selected.
    pub(super) fn narrow(&mut self, groups: &[Group<'_>], listed: &mut [GroupListing]) {
        for (group, listed) in groups.iter().zip(listed) {
            let members = group.members.iter().zip(&mut listed.sources).zip(&listed.incomplete);
            for (((mapping, _), listing), incomplete) in members {
                let pair = (mapping.source.clone(), mapping.target.clone());
                let Some(wanted) = self.wanted.get(&pair) else { continue };
                let missing = wanted.narrow(listing);
                if incomplete.is_none() {
                    self.lose(&pair.0, missing);
                }
            }
        }
    }

    fn lose(&mut self, mailbox: &MailboxName, messages: u64) {
        if messages > 0 {
            let words = format!(
                "{messages} messages of run {} are not in the backup any more: they were removed \
                 for good, or kept no longer",
                self.past.run
            );
            let fault = Fault::new(Side::Source, FaultKind::Fetch, words);
            self.lost.push(fault.in_mailbox(mailbox));
        }
    }
}

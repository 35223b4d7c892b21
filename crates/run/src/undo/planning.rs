//! What can be undone: the receipt held against what is on the target now.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use mailferry_engine::fault::{Fault, FaultKind, Side};
use mailferry_engine::identity::{Headers, KeyRule, header_key};
use mailferry_engine::listing::AccountListing;
use mailferry_engine::message::{FlagSet, Uid};
use mailferry_engine::name::MailboxName;
use mailferry_store::contract::{Among, Selection, Target};

use super::known::Mailbox;
use super::{Back, Copies, Left, MailboxUndo, Revert, Standing, UndoError, UndoPlan};
use crate::claim::{Asked, Claim, Claims};
use crate::events::Leaving;
use crate::receipt::{
    Change, Departed, Departures, Fate, Folder, Others, ReadReceipt, ReceiptError, Relabelled,
    RemovalFate,
};

/// The mailboxes in which something may be undone: no other run works there while this is kept.
#[derive(Debug)]
pub struct Held {
    _claims: Vec<Claim>,
}

/// Keeps other runs on this machine out of the mailboxes in which something may be undone.
///
/// # Errors
/// Another run works in one of them: a fault of kind `InUse`.
pub fn hold(
    claims: Option<&Claims>,
    receipt: &ReadReceipt,
    copies: Copies,
) -> Result<Held, Box<Fault>> {
    let mut held = Vec::new();
    let Some(claims) = claims else { return Ok(Held { _claims: held }) };
    let changed: BTreeSet<usize> = receipt.changes.iter().map(|change| change.part).collect();
    let parts = receipt.parts.iter().enumerate();
    let of_parts = parts.filter(|(at, _)| copies == Copies::Go || changed.contains(at));
    let moved = receipt.departures.iter().map(|departures| &departures.mailbox);
    let names: BTreeSet<&MailboxName> =
        of_parts.map(|(_, part)| &part.target).chain(moved).collect();
    for name in names {
        match claims.ask(name) {
            Asked::Had(claim) => held.push(claim),
            Asked::Taken(process) => {
                let process = process.map(|process| format!(" (process {process})"));
                let process = process.unwrap_or_default();
                let words = format!("another run works in it{process}");
                let fault = Fault::new(Side::Target, FaultKind::InUse, words);
                return Err(Box::new(fault.in_mailbox(name)));
            }
        }
    }
    Ok(Held { _claims: held })
}

/// Looks what of a run can be undone. Nothing is changed.
///
/// # Errors
/// The target cannot be listed, or the receipt not be read.
pub async fn plan<T: Target>(
    target: &mut T,
    (folder, receipt): (&Folder, &ReadReceipt),
    copies: Copies,
) -> Result<UndoPlan, UndoError> {
    let account = target.mailboxes().await?;
    let mut planner = Planner { account, mailboxes: BTreeMap::new(), plan: UndoPlan::default() };
    planner.plan.listed = receipt.tally().listed;
    planner.look_into(target, receipt).await?;
    planner.plan_departures(&receipt.departures);
    planner.plan_deleted(receipt);
    for change in &receipt.changes {
        planner.plan_change(receipt, change);
    }
    planner.tell_labels(receipt);
    if copies == Copies::Go {
        planner.plan_copies(target, (folder, receipt)).await?;
    }
    planner.plan_subscriptions(receipt);
    planner.tell_removed(receipt);
    Ok(planner.finish())
}

struct Planner {
    account: AccountListing,
    mailboxes: BTreeMap<MailboxName, Mailbox>,
    plan: UndoPlan,
}

impl Planner {
    /// Lists every mailbox that something was taken from, moved to or changed in, if it is there.
    async fn look_into<T: Target>(
        &mut self,
        target: &mut T,
        receipt: &ReadReceipt,
    ) -> Result<(), Fault> {
        let moved = receipt.departures.iter().flat_map(|it| [&it.mailbox, &it.to]);
        let parts = receipt.changes.iter().filter_map(|change| receipt.parts.get(change.part));
        let names: BTreeSet<&MailboxName> = moved.chain(parts.map(|part| &part.target)).collect();
        for name in names {
            if self.is_there(name) {
                let (all, keys) = (Selection::default(), KeyRule::default());
                let listing = target.messages(name, &all, &keys).await?;
                self.mailboxes.insert(name.clone(), Mailbox::new(listing));
            }
        }
        Ok(())
    }

    fn is_there(&self, name: &MailboxName) -> bool {
        self.account.find(name).is_some_and(|info| info.selectable)
    }

    /// Those whose UIDs are known come first: nobody else is taken for them then.
    fn plan_departures(&mut self, departures: &[Departures]) {
        let mut others = Vec::new();
        for from in departures {
            for message in &from.messages {
                let kept = self.mailboxes.get_mut(&from.to);
                let found =
                    message.since.zip(kept).and_then(|(at, kept)| kept.claim_at(at, message));
                match found {
                    Some(uid) => self.bring_back(from, message, uid),
                    None => others.push((from, message)),
                }
            }
        }
        for (from, message) in others {
            self.plan_departed(from, message);
        }
    }

    fn plan_departed(&mut self, from: &Departures, message: &Departed) {
        // It never left.
        let here = (from.uid_validity, message.uid);
        let original = self.mailboxes.get_mut(&from.mailbox);
        if original.and_then(|it| it.claim_at(here, message)).is_some() {
            self.plan.as_before += 1;
            return;
        }
        let is_known = |at: (u32, Uid), kept: &Mailbox| kept.listing.uid_validity == at.0;
        let kept = self.mailboxes.get_mut(&from.to);
        // Where its UID is known and not there, no other message is it.
        let kept = kept.filter(|kept| message.since.is_none_or(|at| !is_known(at, kept)));
        if let Some(uid) = kept.and_then(|kept| kept.claim_alike(message)) {
            return self.bring_back(from, message, uid);
        }
        let original = self.mailboxes.get_mut(&from.mailbox);
        if original.and_then(|it| it.claim_alike(message)).is_some() {
            self.plan.as_before += 1;
            return;
        }
        let why = match message.since {
            _ if !self.mailboxes.contains_key(&from.to) => {
                format!("the mailbox `{}` in which it was kept is gone", from.to)
            }
            None if message.key.is_none() => format!(
                "it has no identity headers, and the target did not tell which message of `{}` it is",
                from.to
            ),
            _ => format!("it is not in `{}` any more", from.to),
        };
        self.leave(&from.mailbox, Some(message.uid), why);
    }

    fn bring_back(&mut self, from: &Departures, message: &Departed, uid: Uid) {
        let from_uid_validity =
            self.mailboxes.get(&from.to).map_or(0, |kept| kept.listing.uid_validity);
        let &Departed { key, octets, date, .. } = message;
        let known_by = Leaving { uid, key, octets, date };
        let back = Back { from: from.to.clone(), uid, from_uid_validity, known_by };
        self.mailbox(&from.mailbox).back.push(back);
    }

    /// Mailboxes that were deleted with nothing in them come back; what was in the others and not
    /// kept does not.
    fn plan_deleted(&mut self, receipt: &ReadReceipt) {
        for (name, messages) in &receipt.deleted {
            let is_kept = receipt.departures.iter().any(|it| it.mailbox == *name);
            match messages {
                _ if is_kept => {}
                Some(0) if self.is_there(name) => self.plan.as_before += 1,
                Some(0) => drop(self.mailbox(name)),
                Some(_) | None => {
                    self.leave(
                        name,
                        None,
                        "it was deleted, and what was in it not kept".to_owned(),
                    );
                }
            }
        }
        for (name, _) in &receipt.pruned {
            self.leave(name, None, "it was deleted, having been kept long enough".to_owned());
        }
    }

    /// Those that were given up come back, but for those of mailboxes that do not.
    fn plan_subscriptions(&mut self, receipt: &ReadReceipt) {
        for name in &receipt.unsubscribed {
            let was_deleted = receipt.deleted.iter().any(|(deleted, _)| deleted == name);
            let comes_back = self.plan.mailboxes.iter().any(|it| it.mailbox == *name);
            if self.account.is_subscribed(name) {
                self.plan.as_before += 1;
            } else if !was_deleted || comes_back || self.is_there(name) {
                self.plan.subscribe.push(name.clone());
            }
        }
        self.plan.subscribe.sort();
        self.plan.subscribe.dedup();
    }

    fn plan_change(&mut self, receipt: &ReadReceipt, change: &Change) {
        let Some(part) = receipt.parts.get(change.part) else { return };
        let (name, uid) = (&part.target, change.uid);
        let Some(mailbox) = self.mailboxes.get(name) else {
            return self.leave(name, Some(uid), "its mailbox is gone".to_owned());
        };
        let listing = &mailbox.listing;
        if part.target_uid_validity == 0 || listing.uid_validity != part.target_uid_validity {
            let why = "its mailbox was renumbered, so that it cannot be told which message it is";
            return self.leave(name, Some(uid), why.to_owned());
        }
        let Some(at) = listing.position(uid) else {
            return self.leave(name, Some(uid), "it is not there any more".to_owned());
        };
        let now = without_recent(listing.flag_table.set(listing.flags[at]));
        let (before, after) = (without_recent(&change.before), without_recent(&change.after));
        if now == before {
            self.plan.as_before += 1;
        } else if now == after {
            self.mailbox(name).flags.push(Revert { uid, now, before });
        } else {
            self.leave(name, Some(uid), "its flags were changed again since".to_owned());
        }
    }

    async fn plan_copies<T: Target>(
        &mut self,
        target: &mut T,
        (folder, receipt): (&Folder, &ReadReceipt),
    ) -> Result<(), UndoError> {
        let rule = message_ids();
        let gone = gone_from_source(folder, receipt)?;
        for (at, part) in receipt.parts.iter().enumerate() {
            let mut copies = BTreeMap::new();
            let (mut untold, mut last) = (Vec::new(), Vec::new());
            let mut others = Others::new(folder);
            let is_gone =
                |uid: Uid| gone.contains(&(part.source.clone(), part.source_uid_validity, uid));
            receipt.messages(
                at,
                &mut others,
                &mut |message| match (message.fate, message.target) {
                    (Fate::Copied, copy) if is_gone(message.uid) => last.push(copy),
                    (Fate::Copied, Some(copy)) => {
                        let header = format!("Message-Id: {}\r\n\r\n", message.headline.message_id);
                        copies.insert(copy, header_key(header.as_bytes(), &rule));
                    }
                    (Fate::Copied, None) => untold.push(message.uid),
                    _ => {}
                },
            )?;
            for copy in last {
                let why = "its message was removed from the source, so that this copy may be all \
                           that is left of it";
                self.leave(&part.target, copy, why.to_owned());
            }
            for uid in untold {
                let why = "it was copied, and the target did not tell as which message".to_owned();
                self.leave(&part.source, Some(uid), why);
            }
            if copies.is_empty() {
                continue;
            }
            if !self.is_there(&part.target) {
                // They are gone with it.
                self.plan.as_before += copies.len() as u64;
                continue;
            }
            let uids: Vec<Uid> = copies.keys().copied().collect();
            let there = target.messages_among(&part.target, Among::These(&uids), &rule).await?;
            for (uid, key) in copies {
                let why = match there.position(uid) {
                    _ if there.uid_validity != part.target_uid_validity => {
                        "the mailbox was renumbered since it was copied"
                    }
                    None => {
                        self.plan.as_before += 1;
                        continue;
                    }
                    Some(_) if key.is_none() => "it is a copy without a Message-Id to know it by",
                    Some(at) if there.key[at] != key => "another message is there under its UID",
                    Some(_) => {
                        let mailbox = self.mailbox(&part.target);
                        mailbox.uid_validity = there.uid_validity;
                        mailbox.copies.push(uid);
                        continue;
                    }
                };
                self.leave(&part.target, Some(uid), why.to_owned());
            }
        }
        Ok(())
    }

    /// Labels stay as they are: other mailboxes show the message by them.
    fn tell_labels(&mut self, receipt: &ReadReceipt) {
        for Relabelled { part, uid, added, taken } in &receipt.labels {
            let Some(part) = receipt.parts.get(*part) else { continue };
            let signed = |sign: char, labels: &FlagSet| {
                labels.iter().map(|label| format!(" {sign}{label}")).collect::<String>()
            };
            let (added, taken) = (signed('+', added), signed('-', taken));
            let why = format!("its labels are not put back, which the run changed:{added}{taken}");
            self.leave(&part.target, Some(*uid), why);
        }
    }

    /// What was removed for good cannot come back from the target.
    fn tell_removed(&mut self, receipt: &ReadReceipt) {
        for removal in receipt.removals().filter(|it| it.fate == RemovalFate::Removed) {
            // Of a double the other copy stays.
            let Some(part) = receipt.parts.get(removal.part).filter(|_| removal.is_loss()) else {
                continue;
            };
            let why = "it was removed, and not kept (--backup-mailbox)".to_owned();
            self.leave(&part.target, Some(removal.uid), why);
        }
    }

    fn leave(&mut self, mailbox: &MailboxName, uid: Option<Uid>, why: String) {
        self.plan.left.push(Left { mailbox: mailbox.clone(), uid, why });
    }

    /// What is to be done in a mailbox.
    fn mailbox(&mut self, name: &MailboxName) -> &mut MailboxUndo {
        let known = self.plan.mailboxes.iter().position(|it| it.mailbox == *name);
        let at = known.unwrap_or(self.plan.mailboxes.len());
        if known.is_none() {
            let listing = self.mailboxes.get(name).map(|it| &it.listing);
            let info = self.account.find(name).filter(|info| info.selectable);
            let told = info.and_then(|info| info.messages).map(u64::from);
            self.plan.mailboxes.push(MailboxUndo {
                mailbox: name.clone(),
                uid_validity: listing.map_or(0, |listing| listing.uid_validity),
                standing: if info.is_some() { Standing::There } else { Standing::Missing },
                messages: listing.map_or(told.unwrap_or(0), |listing| listing.len() as u64),
                back: Vec::new(),
                flags: Vec::new(),
                copies: Vec::new(),
            });
        }
        &mut self.plan.mailboxes[at]
    }

    fn finish(self) -> UndoPlan {
        let Self { account, mut plan, .. } = self;
        plan.mailboxes.sort_by(|one, other| one.mailbox.cmp(&other.mailbox));
        for mailbox in &mut plan.mailboxes {
            mailbox.back.sort_by(|one, other| (&one.from, one.uid).cmp(&(&other.from, other.uid)));
            mailbox.copies.sort_unstable();
        }
        let is_touched = |name: &MailboxName| plan.mailboxes.iter().any(|it| it.mailbox == *name);
        let others = account.mailboxes.iter().filter(|info| !is_touched(&info.name));
        plan.other_messages = others.filter_map(|info| info.messages).map(u64::from).sum();
        plan
    }
}

/// The messages that runs between the same accounts have removed from the source, by mailbox and
/// UIDVALIDITY.
///
/// # Errors
/// A receipt cannot be read: what it tells of is not to be lost.
fn gone_from_source(
    folder: &Folder,
    receipt: &ReadReceipt,
) -> Result<HashSet<(MailboxName, u32, Uid)>, ReceiptError> {
    let mut gone = HashSet::new();
    for run in folder.runs()? {
        let about = folder.list_one(&run)?.about;
        if (&about.source, &about.target) == (&receipt.about.source, &receipt.about.target) {
            let other = folder.read(&run)?;
            gone.extend(
                other
                    .removed_from_source()
                    .map(|(part, uid)| (part.source.clone(), part.source_uid_validity, uid)),
            );
        }
    }
    Ok(gone)
}

/// A key of the Message-Id alone: what a receipt knows of a copy.
fn message_ids() -> KeyRule {
    KeyRule { headers: Headers::named([&b"Message-Id"[..]]), ..KeyRule::default() }
}

fn without_recent(flags: &FlagSet) -> FlagSet {
    flags.iter().filter(|flag| !flag.is_recent()).cloned().collect()
}

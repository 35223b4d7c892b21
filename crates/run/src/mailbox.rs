//! Carrying out the plan of one target mailbox: copies first, then flags. Deletions come last,
//! when all mailboxes have their copies, and only if everything before went well.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};

use mailferry_engine::fault::{Fault, FaultKind, Scope};
use mailferry_engine::message::{FlagSet, InternalDate, Uid};
use mailferry_engine::name::MailboxName;
use mailferry_engine::plan::{Action, Decision, MailboxPlan};
use mailferry_engine::policy::{PermanentFlags, UnkeptFlags, flags_to_send};
use mailferry_store::contract::{Appended, AsListed, FlagUpdate, Target, Turn};

use crate::copy::Order;
use crate::events::{Copied, Event, EventSink};
use crate::job::{Dates, Job};
use crate::pace::Pace;
use crate::report::{Done, Repaired};
use crate::state::CopyMade;
use crate::stop::Stop;
use crate::survey::{MailboxListings, listed};
use crate::transform::Said;
use crate::within::CopiesWell;

/// What was done so far; kept whatever happens next.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    pub(crate) done: Done,
    pub(crate) faults: Vec<Fault>,
    pub(crate) out_of_order: Vec<Uid>,
    /// Messages that were brought in after a repair.
    pub(crate) repaired: Vec<Repaired>,
    /// The files of messages that were kept aside.
    pub(crate) kept_aside: Vec<PathBuf>,
}

/// Copies made under one UIDVALIDITY of the target mailbox.
#[derive(Debug, Default)]
pub(crate) struct Copies {
    pub(crate) uid_validity: u32,
    pub(crate) made: Vec<CopyMade>,
}

/// One mailbox to be worked on.
pub(crate) struct Task<'a> {
    pub(crate) plan: &'a MailboxPlan,
    pub(crate) listings: &'a MailboxListings,
    pub(crate) job: &'a Job,
    pub(crate) events: &'a dyn EventSink,
    pub(crate) stop: &'a Stop,
    pub(crate) keywords: &'a KeywordsKept,
    pub(crate) pace: &'a Pace,
    pub(crate) copies_well: &'a CopiesWell,
}

impl Copies {
    pub(crate) fn add(&mut self, uid_validity: u32, copy: CopyMade) {
        // Another UIDVALIDITY: the mailbox was made anew, and the first UIDs are void.
        if self.uid_validity != uid_validity {
            self.made.clear();
            self.uid_validity = uid_validity;
        }
        self.made.push(copy);
    }
}

/// Set once a mailbox of the target said that it keeps any keyword: the others of the
/// account are then not asked.
#[derive(Debug, Default)]
pub(crate) struct KeywordsKept(AtomicBool);

impl Task<'_> {
    /// Whether the target has to be asked which flags the mailbox keeps before messages go there.
    pub(crate) fn must_ask_for_flags(&self) -> bool {
        !self.keywords.0.load(Ordering::Relaxed) && self.sets_keywords()
    }

    /// Asks which flags the target mailbox keeps, where a flag beyond those of the RFC is to be
    /// set. A mailbox that cannot be selected is told about when something is done there.
    pub(crate) async fn permanent_flags<T: Target>(
        &self,
        target: &mut T,
    ) -> Result<PermanentFlags, Fault> {
        if !self.must_ask_for_flags() {
            return Ok(PermanentFlags::Unknown);
        }
        let kept = match target.permanent_flags(&self.plan.target).await {
            Ok(kept) => kept,
            Err(fault) if fault.scope <= Scope::Mailbox => PermanentFlags::Unknown,
            Err(fault) => return Err(fault),
        };
        self.keywords.0.fetch_or(kept == PermanentFlags::Any, Ordering::Relaxed);
        Ok(kept)
    }

    fn sets_keywords(&self) -> bool {
        self.plan.parts.iter().zip(&self.listings.sources).any(|(part, listing)| {
            part.decisions.iter().zip(&listing.flags).any(|(decision, &flags)| {
                matches!(decision, Decision::Act(_))
                    && listing.flag_table.set(flags).iter().any(|flag| !flag.is_standard())
            })
        })
    }

    pub(crate) fn orders(&self, part: usize, kept: &PermanentFlags) -> Vec<Order> {
        let wanted = self.plan.parts[part].decisions.iter().enumerate();
        wanted
            .filter(|(_, decision)| matches!(decision, Decision::Act(Action::Copy)))
            .map(|(at, _)| self.order_at(part, at, kept))
            .collect()
    }

    /// The order for one message, if it is listed.
    pub(crate) fn order(&self, part: usize, uid: Uid, kept: &PermanentFlags) -> Option<Order> {
        let at = self.listings.sources[part].position(uid)?;
        Some(self.order_at(part, at, kept))
    }

    fn order_at(&self, part: usize, at: usize, kept: &PermanentFlags) -> Order {
        let listing = &self.listings.sources[part];
        Order {
            uid: listing.uid[at],
            size: listing.size[at],
            flags: self.flags_to_set(listing.flag_table.set(listing.flags[at]), kept),
            date: match self.job.dates {
                Dates::Keep => listing.date[at],
                Dates::OfTarget => InternalDate::UNKNOWN,
            },
            header: self.job.add_header,
        }
    }

    /// The listed size of a message, in octets; 0 if it is not listed.
    pub(crate) fn size_of(&self, part: usize, uid: Uid) -> u64 {
        let listing = &self.listings.sources[part];
        listing.position(uid).map_or(0, |at| u64::from(listing.size[at]))
    }

    /// Has it remembered what copies were made, under that UIDVALIDITY of the target mailbox.
    pub(crate) fn keep_copies(&self, part: usize, uid_validity: u32, copies: &[CopyMade]) {
        let Some(state) = &self.job.state else { return };
        let from = listed(&self.plan.parts[part].source, &self.listings.sources[part]);
        state.keep_copies(from, (&self.plan.target, uid_validity), &self.job.keys, copies);
    }

    /// Sets the flags of orders anew, now that it is known which the target keeps.
    pub(crate) fn keep_flags(&self, part: usize, orders: &mut [Order], kept: &PermanentFlags) {
        let listing = &self.listings.sources[part];
        for order in orders {
            if let Some(at) = listing.position(order.uid) {
                order.flags = self.flags_to_set(listing.flag_table.set(listing.flags[at]), kept);
            }
        }
    }

    fn target_as_listed(&self) -> AsListed<'_> {
        listed(&self.plan.target, &self.listings.target)
    }

    fn flags_to_set(&self, flags: &FlagSet, kept: &PermanentFlags) -> FlagSet {
        let rules = &self.job.rules;
        let kept = match rules.unkept_flags {
            UnkeptFlags::LeaveOut => kept,
            UnkeptFlags::Send => &PermanentFlags::Unknown,
        };
        flags_to_send(flags, kept, rules.keywords)
    }

    /// A message did not come from the source.
    pub(crate) fn note_missing(
        &self,
        part: usize,
        (uid, fault): (Uid, Fault),
        progress: &mut Progress,
    ) {
        match fault.kind {
            FaultKind::Expunged => progress.done.expunged += 1,
            _ => progress.done.failed += 1,
        }
        let from = &self.plan.parts[part].source;
        self.note_fault(fault.in_mailbox(from).of_message(uid), progress);
    }

    /// A message was left out by a rule about its content.
    pub(crate) fn note_left_out(
        &self,
        part: usize,
        (uid, rule): (Uid, &str),
        progress: &mut Progress,
    ) {
        progress.done.left_out += 1;
        let mailbox = &self.plan.parts[part].source;
        self.events.on(&Event::LeftOut { mailbox, uid, rule });
    }

    /// Tells what commands wrote while a message went through them.
    pub(crate) fn tell_said(&self, part: usize, uid: Uid, said: &[Said]) {
        let mailbox = &self.plan.parts[part].source;
        for Said { command, words } in said {
            self.events.on(&Event::CommandSaid { mailbox, uid, command, words });
        }
    }

    /// A message was accepted or refused.
    pub(crate) fn note_appended(&self, part: usize, appended: Appended, progress: &mut Progress) {
        let from = &self.plan.parts[part].source;
        let Appended { uid, octets, result, turn, .. } = appended;
        match result {
            Ok(target_uid) => {
                progress.done.copied += 1;
                progress.done.copied_octets += octets;
                progress.done.largest_octets = progress.done.largest_octets.max(octets);
                if turn == Turn::Retried {
                    progress.out_of_order.push(uid);
                }
                let target = &self.plan.target;
                self.events.on(&Event::Copied(Copied {
                    source: from,
                    uid,
                    target,
                    target_uid,
                    octets,
                    turn,
                }));
            }
            Err(fault) => {
                progress.done.failed += 1;
                // The message is named by where it is: on the source.
                self.note_fault(fault.in_mailbox(from).of_message(uid), progress);
            }
        }
    }

    pub(crate) fn note_fault(&self, fault: Fault, progress: &mut Progress) {
        self.events.on(&Event::Failed(&fault));
        progress.faults.push(fault);
    }

    pub(crate) async fn update_flags<T: Target>(
        &self,
        target: &mut T,
        kept: &PermanentFlags,
        progress: &mut Progress,
    ) -> Result<(), Fault> {
        let (updates, unkept) = self.flag_updates(kept);
        if updates.is_empty() {
            progress.done.flags_unkept += unkept;
            return Ok(());
        }
        let refused = match target.update_flags(self.target_as_listed(), &updates).await {
            Ok(refused) => refused,
            Err(fault) if fault.scope <= Scope::Mailbox => {
                progress.done.flags_unkept += unkept;
                progress.done.flags_failed += updates.len() as u64;
                self.note_fault(fault, progress);
                return Ok(());
            }
            Err(fault) => return Err(fault),
        };
        progress.done.flags_unkept += unkept;
        let failed = uids_of(&refused);
        for update in &updates {
            if failed.binary_search(&update.uid).is_err() {
                progress.done.flags_updated += 1;
                self.tell_flags(update);
            }
        }
        progress.done.flags_failed += failed.len() as u64;
        for (_, fault) in refused {
            self.note_fault(fault, progress);
        }
        Ok(())
    }

    fn tell_flags(&self, update: &FlagUpdate) {
        let FlagUpdate { uid, add, remove } = update;
        let listing = &self.listings.target;
        let Some(at) = listing.position(*uid) else { return };
        let before = listing.flag_table.set(listing.flags[at]);
        let kept = before.iter().filter(|flag| !remove.contains(flag));
        let after: FlagSet = kept.chain(add).cloned().collect();
        let (mailbox, after) = (&self.plan.target, &after);
        self.events.on(&Event::FlagsUpdated { mailbox, uid: *uid, before, after });
    }

    /// What is to be changed, and for how many messages nothing is, since they differ only in
    /// flags that the target does not keep.
    fn flag_updates(&self, kept: &PermanentFlags) -> (Vec<FlagUpdate>, u64) {
        let mut updates = Vec::new();
        let mut unkept = 0;
        let rules = &self.job.rules;
        for (part, listing) in self.plan.parts.iter().zip(&self.listings.sources) {
            for (at, decision) in part.decisions.iter().enumerate() {
                let Decision::Act(Action::UpdateFlags { target }) = decision else { continue };
                let Some(there) = self.listings.target.position(*target) else { continue };
                let sent = self.flags_to_set(listing.flag_table.set(listing.flags[at]), kept);
                let present =
                    self.listings.target.flag_table.set(self.listings.target.flags[there]);
                if let Some(change) = rules.flags_update(&sent, present) {
                    let (add, remove) =
                        (change.add.into_iter().collect(), change.remove.into_iter().collect());
                    updates.push(FlagUpdate { uid: *target, add, remove });
                } else {
                    unkept += 1;
                }
            }
        }
        (updates, unkept)
    }

    /// Removes what the plan says, unless anything of this mailbox failed before: what could
    /// not be copied may be what was to be removed.
    pub(crate) async fn remove<T: Target>(
        &self,
        target: &mut T,
        kept_in: Option<&MailboxName>,
        progress: &mut Progress,
    ) -> Result<(), Fault> {
        let done = &progress.done;
        let all_well = done.failed == 0 && done.expunged == 0 && progress.faults.is_empty();
        if self.plan.delete.is_empty() || !all_well || self.stop.is_asked() {
            return Ok(());
        }
        if let Some(to) = kept_in {
            return self.move_away(target, to, progress).await;
        }
        let uids: Vec<Uid> = self.plan.delete.iter().map(|deletion| deletion.uid).collect();
        let left = match target.delete_messages(self.target_as_listed(), &uids).await {
            Ok(left) => left,
            Err(fault) if fault.scope <= Scope::Mailbox => {
                progress.done.delete_failed += uids.len() as u64;
                self.note_fault(fault, progress);
                return Ok(());
            }
            Err(fault) => return Err(fault),
        };
        let still_there = uids_of(&left);
        for uid in uids {
            if still_there.binary_search(&uid).is_ok() {
                progress.done.delete_failed += 1;
            } else {
                progress.done.deleted += 1;
                self.events.on(&Event::Deleted { mailbox: &self.plan.target, uid });
            }
        }
        for (_, fault) in left {
            self.note_fault(fault, progress);
        }
        Ok(())
    }
}

/// The messages of some faults, ascending, each once.
fn uids_of(faults: &[(Uid, Fault)]) -> Vec<Uid> {
    let mut uids: Vec<Uid> = faults.iter().map(|(uid, _)| *uid).collect();
    uids.sort_unstable();
    uids.dedup();
    uids
}

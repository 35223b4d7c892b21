//! The second round of a run: when all that is fetched has been copied, the other mailboxes get what the
//! target has by then.

use std::collections::{BTreeMap, HashSet};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};

use mailferry_engine::message::Uid;

use crate::accounts::{Accounts, Need};
use crate::claiming::{PutOff, Standing};
use crate::course::{Course, Landed, Proof, Round, Share};
use crate::report::Report;
use crate::twins::{Place, Twins};
use crate::within::{BATCH_MESSAGES_MAX, Batch, CopiesWell, Within};
use crate::worker::{Start, open_pair};
use crate::workers::{First, Shared, Worked, run_workers};

/// What is left to the second round.
#[derive(Default)]
pub(crate) struct SecondRound {
    pub(crate) twins: Twins,
    /// What is to be done in each mailbox, once that is known.
    due: Mutex<BTreeMap<usize, Due>>,
    pub(crate) copies_well: CopiesWell,
}

/// What is to be done in one mailbox.
pub(crate) struct Due {
    /// The copies that the first round made there.
    pub(crate) landed: Landed,
    pub(crate) batches: Vec<Batch>,
    /// What is not where it was to be copied from, by source mailbox and UID.
    pub(crate) to_fetch: Vec<(usize, Uid)>,
}

/// Where the copies of the first round are.
type Found = BTreeMap<Place, Uid>;

impl SecondRound {
    pub(crate) fn new(twins: Twins) -> Self {
        Self { twins, ..Self::default() }
    }

    fn due(&self) -> std::sync::MutexGuard<'_, BTreeMap<usize, Due>> {
        self.due.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<A: Accounts> Shared<A> {
    /// Copies what the first round left, on the pair of connections that it left, and further ones.
    pub(crate) async fn copy_within(
        self: &Arc<Self>,
        worked: Worked<A>,
        report: &mut Report,
    ) -> Worked<A> {
        let is_lost = worked.pair.is_none() && report.was_cut_short();
        if self.second.twins.is_empty() || self.execution.stop.is_asked() || is_lost {
            return worked;
        }
        let Worked { pair, mut failed, mut landed } = worked;
        *self.second.due() = self.what_is_due(&mut landed, report);
        self.queue_again();
        if self.has_more() {
            let accounts = &self.execution.accounts;
            let start = match pair {
                Some((source, target)) => Start::Pair(source, target),
                None => Start::Opening(tokio::spawn(open_pair(accounts.clone()))),
            };
            let first = First { start, seat: accounts.seat(Need::First) };
            let again = run_workers(self, first, Vec::new(), report).await;
            failed.extend(again.failed);
            for (at, more) in again.landed {
                landed.entry(at).or_default().join(more);
            }
            self.take_left(&mut landed);
            return Worked { pair: again.pair, failed, landed };
        }
        self.take_left(&mut landed);
        Worked { pair, failed, landed }
    }

    /// The copies of mailboxes that were not begun.
    fn take_left(&self, landed: &mut BTreeMap<usize, Landed>) {
        for (at, due) in std::mem::take(&mut *self.second.due()) {
            if !due.landed.copies.is_empty() {
                landed.entry(at).or_default().join(due.landed);
            }
        }
    }

    fn queue_again(&self) {
        for at in self.second.twins.mailboxes() {
            // Of some mailboxes the first round was not begun, or was given up.
            if self.open[at].load(Ordering::Acquire) != 1 {
                continue;
            }
            let number = usize::from(self.is_in_first_round(at));
            let share = Share { number, of: 1, round: Round::Second };
            match self.claiming.take(&self.plan.mailboxes[at].target) {
                Standing::Ours => self.ready(at, share),
                _ => self.put_off().push(PutOff::new(at, share)),
            }
        }
    }

    fn what_is_due(
        &self,
        landed: &mut BTreeMap<usize, Landed>,
        report: &Report,
    ) -> BTreeMap<usize, Due> {
        let found = self.found(landed, report);
        let uid_validities: BTreeMap<usize, u32> =
            landed.iter().map(|(at, landed)| (*at, landed.uid_validity)).collect();
        let due = |at: usize| {
            let (mut places, mut to_fetch) = (BTreeMap::<usize, Vec<Within>>::new(), Vec::new());
            for twin in self.second.twins.of(at) {
                let (part, source) = (twin.part as usize, twin.uid);
                match found.get(&twin.first) {
                    Some(&there) => {
                        let from = places.entry(twin.first.at as usize).or_default();
                        from.push(Within { part, source, there });
                    }
                    None => to_fetch.push((part, source)),
                }
            }
            let batches = places.iter().flat_map(|(from, messages)| {
                messages.chunks(BATCH_MESSAGES_MAX).map(|messages| Batch {
                    from: self.planned(*from).plan.target.clone(),
                    uid_validity: uid_validities.get(from).copied().unwrap_or_default(),
                    messages: messages.to_vec(),
                })
            });
            let landed = landed.remove(&at).unwrap_or_default();
            (at, Due { landed, batches: batches.collect(), to_fetch })
        };
        self.second.twins.mailboxes().map(due).collect()
    }

    /// Those copies of the first round that are what was fetched, and whose UIDs the target told.
    fn found(&self, landed: &BTreeMap<usize, Landed>, report: &Report) -> Found {
        let wanted = self.second.twins.mailboxes().flat_map(|at| self.second.twins.of(at));
        let wanted: HashSet<Place> = wanted.map(|twin| twin.first).collect();
        let repaired: HashSet<_> = report.repaired.iter().map(|it| (&it.mailbox, it.uid)).collect();
        let mut found = Found::new();
        for (&at, landed) in landed {
            // What was planned again was listed again.
            let Ok(place) = u32::try_from(at) else { continue };
            if self.planned_again[at].get().is_some() || landed.uid_validity == 0 {
                continue;
            }
            let told = landed.copies.iter().filter(|copy| copy.proof == Proof::Told);
            for copy in told {
                let place = Place { at: place, part: copy.part, uid: copy.source };
                let mailbox = &self.plan.mailboxes[at].parts[copy.part as usize].source;
                if let Some(target) = copy.target
                    && wanted.contains(&place)
                    && !repaired.contains(&(mailbox, copy.source))
                {
                    found.insert(place, target);
                }
            }
        }
        found
    }

    /// Gives a course what it has to do in its round.
    pub(crate) fn arrange<'a>(&'a self, course: &mut Course<'a>) {
        let at = course.at;
        // What was planned again is fetched whole, whenever its turn comes first.
        let is_planned_again = self.planned_again[at].get().is_some();
        match course.share.round {
            Round::First if is_planned_again => {}
            Round::First => course.later = self.second.twins.of(at),
            Round::Second if is_planned_again => {
                if self.is_in_first_round(at) {
                    course.skip_parts();
                }
            }
            Round::Second => {
                course.skip_parts();
                if let Some(due) = self.second.due().remove(&at) {
                    course.begin_second_round(due);
                }
            }
        }
    }
}

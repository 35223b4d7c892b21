//! The pairs of connections that copy side by side: each takes one share of the work after the
//! other until none is left.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use mailferry_engine::account::Plan;
use mailferry_engine::fault::{Fault, FaultKind, Scope, Side};
use mailferry_engine::plan::MailboxPlan;
use mailferry_engine::summary::Counts;
use mailferry_store::contract::Source;
use tokio::sync::mpsc;
use tokio::task::{JoinError, JoinHandle, JoinSet};
use tokio::time::{Interval, MissedTickBehavior};

use crate::accounts::{Accounts, Need, Seat};
use crate::claiming::{Claiming, Creation, Planned, PutOff, Standing};
use crate::course::{Landed, Round, Share};
use crate::events::Event;
use crate::execute::Execution;
use crate::growth::{Growth, MEASURED};
use crate::job::CopyOrder;
use crate::mailbox::{KeywordsKept, Progress, Task};
use crate::pace::Pace;
use crate::recognition::Recognition;
use crate::report::Report;
use crate::survey::MailboxListings;
use crate::twins::Twins;
use crate::within::round::SecondRound;
use crate::worker::{OpenedPair, Start, open_pair, work};

/// Octets of a mailbox below which it is not shared among several pairs.
const SHARE_BYTES_MIN: u64 = 8 << 20;
/// Shares of one mailbox for each pair: the last ones end at about the same time.
const SHARES_PER_PAIR: usize = 4;

/// What the workers share.
pub(crate) struct Shared<A: Accounts> {
    pub(crate) execution: Execution<A>,
    pub(crate) plan: Plan,
    pub(crate) listings: Vec<MailboxListings>,
    /// The mailboxes with something to do, each whole or in shares: largest first, or in the order of
    /// the plan where somebody asked for one.
    queue: Vec<(usize, Share)>,
    next: AtomicUsize,
    /// Whose turn it is in the target mailboxes.
    pub(crate) claiming: Claiming,
    /// Shares of mailboxes that were not this run's when their turn came,
    put_off: Mutex<Vec<PutOff>>,
    /// and those of them that are now.
    ready: Mutex<VecDeque<(usize, Share)>>,
    /// The mailboxes that were planned again.
    pub(crate) planned_again: Vec<OnceLock<(MailboxPlan, MailboxListings)>>,
    /// Shares of each mailbox that have not ended.
    pub(crate) open: Vec<AtomicUsize>,
    /// What is left to the second round.
    pub(crate) second: SecondRound,
    keywords: KeywordsKept,
    pace: Pace,
    /// Whether the target gives back what it was given.
    pub(crate) recognition: Recognition,
    /// Whether something that was sent may still be stored.
    unsettled: AtomicBool,
}

/// The pair that was used last, if one can still be used.
pub(crate) type Usable<A> = Option<(<A as Accounts>::Source, <A as Accounts>::Target)>;

/// What a worker tells of a mailbox, or of itself.
pub(crate) enum News {
    Mailbox(usize, Progress, Landed),
    /// A mailbox was planned again, and perhaps created.
    PlannedAgain(usize, Counts, Creation),
    /// It could not connect.
    Lost(Fault),
    /// A connection broke, and the worker goes on with another.
    Reconnecting(Side),
}

/// Begins to open the connections of the workers beyond the first, as many as may be of use to so
/// many mailboxes.
pub(crate) fn open_spares<A: Accounts>(
    execution: &Execution<A>,
    mailboxes: usize,
) -> Vec<Spare<A>> {
    let limits = &execution.job.limits;
    let most = match execution.job.order {
        CopyOrder::OfUids => mailboxes,
        CopyOrder::Any => usize::MAX,
    };
    let pairs = limits.pairs_at_first.min(limits.pairs_max).clamp(1, most.max(1));
    (1..pairs).map_while(|_| open_spare(&execution.accounts)).collect()
}

/// The first pair of connections.
pub(crate) struct First<A: Accounts> {
    pub(crate) start: Start<A>,
    pub(crate) seat: Option<Seat>,
}

/// A further pair of connections that is being opened.
pub(crate) struct Spare<A: Accounts> {
    seat: Seat,
    opening: JoinHandle<OpenedPair<A>>,
}

fn open_spare<A: Accounts>(accounts: &Arc<A>) -> Option<Spare<A>> {
    let seat = accounts.seat(Need::Spare)?;
    Some(Spare { seat, opening: tokio::spawn(open_pair(accounts.clone())) })
}

/// What the workers leave.
pub(crate) struct Worked<A: Accounts> {
    pub(crate) pair: Usable<A>,
    /// Mailboxes in which something failed.
    pub(crate) failed: Vec<usize>,
    /// The copies that were made in each mailbox.
    pub(crate) landed: BTreeMap<usize, Landed>,
}

/// Lets the pairs of connections work until nothing is left.
pub(crate) async fn run_workers<A: Accounts>(
    shared: &Arc<Shared<A>>,
    first: First<A>,
    spares: Vec<Spare<A>>,
    report: &mut Report,
) -> Worked<A> {
    let (tell, mut told) = mpsc::unbounded_channel();
    let mut growth =
        Growth::new(1 + spares.len(), shared.execution.job.limits.pairs_max, Instant::now());
    let mut workers = JoinSet::new();
    let First { start, seat } = first;
    workers.spawn(work(shared.clone(), start, seat, tell.clone()));
    let begin = |spare: Spare<A>| {
        let Spare { seat, opening } = spare;
        work(shared.clone(), Start::Opening(opening), Some(seat), tell.clone())
    };
    for spare in spares {
        workers.spawn(begin(spare));
    }
    let mut heard = Heard::default();
    let mut left = None;
    let mut looks = looks();
    loop {
        tokio::select! {
            Some(news) = told.recv() => {
                if matches!(news, News::Lost(_)) {
                    growth.stay();
                }
                heard.take(news, report);
            }
            ended = workers.join_next() => match ended {
                None => break,
                Some(ended) => keep_last::<A>(&mut left, ended, report).await,
            },
            _ = looks.tick() => {
                if let Some(receipt) = &shared.execution.job.receipt {
                    receipt.flush();
                }
                if let Some(ledger) = &shared.execution.job.ledger {
                    ledger.flush();
                }
                let copied = shared.pace.copied();
                if shared.has_ready() && growth.wants_another(copied, Instant::now()) {
                    match open_spare(&shared.execution.accounts) {
                        Some(spare) => drop(workers.spawn(begin(spare))),
                        None => growth.stay(),
                    }
                }
            }
        }
    }
    while let Ok(news) = told.try_recv() {
        heard.take(news, report);
    }
    report.faults.extend(shared.unattended(heard.lost));
    Worked { pair: left, failed: heard.failed, landed: heard.landed }
}

fn looks() -> Interval {
    let mut looks = tokio::time::interval_at(tokio::time::Instant::now() + MEASURED, MEASURED);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    looks
}

/// What the workers told.
#[derive(Default)]
struct Heard {
    /// Why some could not connect.
    lost: Vec<Fault>,
    /// Mailboxes in which something failed.
    failed: Vec<usize>,
    /// The copies that were made in each mailbox.
    landed: BTreeMap<usize, Landed>,
}

impl Heard {
    fn take(&mut self, news: News, report: &mut Report) {
        match news {
            News::Lost(fault) => self.lost.push(fault),
            News::Reconnecting(Side::Source) => report.reconnections[0] += 1,
            News::Reconnecting(Side::Target) => report.reconnections[1] += 1,
            News::PlannedAgain(at, counts, creation) => report.plan_again(at, counts, creation),
            News::Mailbox(at, progress, landed) => {
                if !landed.copies.is_empty() {
                    self.landed.entry(at).or_default().join(landed);
                }
                let mailbox = &mut report.mailboxes[at];
                mailbox.done.join(&progress.done);
                mailbox.out_of_order.extend(progress.out_of_order);
                if !progress.faults.is_empty() {
                    self.failed.push(at);
                }
                report.repaired.extend(progress.repaired);
                report.kept_aside.extend(progress.kept_aside);
                report.faults.extend(progress.faults);
            }
        }
    }
}

/// A worker ended: one pair is kept for what comes after the copies.
async fn keep_last<A: Accounts>(
    left: &mut Usable<A>,
    ended: Result<Usable<A>, JoinError>,
    report: &mut Report,
) {
    match ended {
        Ok(Some(pair)) => {
            if let Some((mut source, mut target)) = left.replace(pair) {
                tokio::join!(source.close(), target.close());
            }
        }
        Ok(None) => {}
        Err(error) => {
            let words = format!("a worker ended early: {error}");
            let fault = Fault::new(Side::Source, FaultKind::Limit, words);
            report.faults.push(Fault { scope: Scope::Run, ..fault });
        }
    }
}

impl<A: Accounts> Shared<A> {
    /// The work of a plan, apart from the mailboxes that are blocked.
    pub(crate) fn new(
        execution: Execution<A>,
        plan: Plan,
        listings: Vec<MailboxListings>,
        (claiming, blocked, twins): (Claiming, &[usize], Twins),
    ) -> Self {
        let mut mailboxes: Vec<usize> =
            (0..plan.mailboxes.len()).filter(|at| !blocked.contains(at)).collect();
        mailboxes.retain(|&at| plan.mailboxes[at].counts.act() > 0);
        let choice = &execution.job.mailboxes;
        if choice.first.is_empty() && choice.last.is_empty() {
            mailboxes.sort_by_key(|&at| std::cmp::Reverse(plan.mailboxes[at].counts.copy_octets));
        }
        let mut open: Vec<usize> = vec![0; plan.mailboxes.len()];
        let mut queue = Vec::with_capacity(mailboxes.len());
        for at in mailboxes {
            let octets = plan.mailboxes[at].counts.copy_octets;
            let later = twins.of(at).len() as u64;
            let of = match execution.job.order {
                _ if later > 0 && later == plan.mailboxes[at].counts.copy => 0,
                CopyOrder::OfUids => 1,
                CopyOrder::Any => shares(octets, execution.job.limits.pairs_max),
            };
            let round = Round::First;
            queue.extend((0..of).map(|number| (at, Share { number, of, round })));
            open[at] = of + usize::from(later > 0);
        }
        let pace = Pace::new(execution.job.limits.pace, Instant::now());
        let recognition = Recognition::new(&execution.job, &plan);
        let planned_again = plan.mailboxes.iter().map(|_| OnceLock::new()).collect();
        Self {
            execution,
            plan,
            listings,
            queue,
            next: AtomicUsize::new(0),
            claiming,
            put_off: Mutex::default(),
            ready: Mutex::default(),
            planned_again,
            open: open.into_iter().map(AtomicUsize::new).collect(),
            second: SecondRound::new(twins),
            keywords: KeywordsKept::default(),
            pace,
            recognition,
            unsettled: AtomicBool::new(false),
        }
    }

    /// Nothing more is taken from the source for so long; whether that is news.
    pub(crate) fn hold(&self, wait: Duration) -> bool {
        self.pace.hold(wait, Instant::now())
    }

    /// It is not known what became of some messages that were sent.
    pub(crate) fn note_unsettled(&self) {
        self.unsettled.store(true, Ordering::Relaxed);
    }

    /// Whether that is so.
    pub(crate) fn is_unsettled(&self) -> bool {
        self.unsettled.load(Ordering::Relaxed)
    }

    /// Whether a mailbox was given to the workers.
    pub(crate) fn was_queued(&self, mailbox: usize) -> bool {
        self.is_in_first_round(mailbox) || !self.second.twins.of(mailbox).is_empty()
    }

    /// Whether anything is fetched into a mailbox before the second round.
    pub(crate) fn is_in_first_round(&self, mailbox: usize) -> bool {
        self.queue.iter().any(|&(at, _)| at == mailbox)
    }

    /// The next share to be begun; one of a mailbox that is not this run's is put off.
    pub(crate) fn take_next(&self) -> Option<(usize, Share)> {
        while !self.execution.stop.is_asked() {
            if let Some(ready) = lock(&self.ready).pop_front() {
                return Some(ready);
            }
            let (at, share) = self.queue.get(self.next.fetch_add(1, Ordering::Relaxed)).copied()?;
            if self.claiming.take(&self.plan.mailboxes[at].target) == Standing::Ours {
                return Some((at, share));
            }
            self.put_off().push(PutOff::new(at, share));
        }
        None
    }

    pub(crate) fn put_off(&self) -> MutexGuard<'_, Vec<PutOff>> {
        lock(&self.put_off)
    }

    /// A share that was put off can be worked on.
    pub(crate) fn ready(&self, at: usize, share: Share) {
        lock(&self.ready).push_back((at, share));
    }

    /// A share of a mailbox ended; whether it was the last one.
    pub(crate) fn ends_mailbox(&self, at: usize) -> bool {
        self.open[at].fetch_sub(1, Ordering::AcqRel) == 1
    }

    /// Whether another share is to be begun, be it later.
    pub(crate) fn has_more(&self) -> bool {
        self.has_ready() || (!self.execution.stop.is_asked() && !self.put_off().is_empty())
    }

    /// Whether another share can be begun now.
    pub(crate) fn has_ready(&self) -> bool {
        !self.execution.stop.is_asked()
            && (self.next.load(Ordering::Relaxed) < self.queue.len()
                || !lock(&self.ready).is_empty())
    }

    /// A mailbox as it is planned now.
    pub(crate) fn planned(&self, at: usize) -> Planned<'_> {
        match self.planned_again[at].get() {
            Some((plan, listings)) => Planned { plan, listings },
            None => Planned { plan: &self.plan.mailboxes[at], listings: &self.listings[at] },
        }
    }

    pub(crate) fn task(&self, at: usize) -> Task<'_> {
        self.task_of(self.planned(at))
    }

    /// The task that a plan comes to.
    pub(crate) fn task_of<'a>(&'a self, planned: Planned<'a>) -> Task<'a> {
        let Execution { job, events, stop, .. } = &self.execution;
        let Planned { plan, listings } = planned;
        let (keywords, pace) = (&self.keywords, &self.pace);
        let (events, copies_well) = (&**events, &self.second.copies_well);
        Task { plan, listings, job, events, stop, keywords, pace, copies_well }
    }

    /// Of the faults of workers that could not connect, those that count: all if mailboxes
    /// were left over, none if the other workers did everything.
    fn unattended(&self, lost: Vec<Fault>) -> Vec<Fault> {
        if !self.has_more() {
            return Vec::new();
        }
        lost.iter().for_each(|fault| self.execution.events.on(&Event::Failed(fault)));
        lost
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Among how many a mailbox of so many octets is shared.
fn shares(octets: u64, pairs_max: usize) -> usize {
    let most = pairs_max.saturating_mul(SHARES_PER_PAIR);
    usize::try_from(octets / SHARE_BYTES_MIN).unwrap_or(usize::MAX).clamp(1, most.max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mailbox_is_shared_by_its_octets() {
        assert_eq!(shares(0, 3), 1);
        assert_eq!(shares(2 * SHARE_BYTES_MIN - 1, 3), 1);
        assert_eq!(shares(5 * SHARE_BYTES_MIN, 3), 5);
        assert_eq!(shares(u64::MAX, 3), 12);
    }
}

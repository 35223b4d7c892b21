//! Phase two: an approved plan is carried out. Mailboxes are created and subscribed first,
//! then several pairs of connections copy side by side, each another mailbox, and target
//! mailboxes are deleted last.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use mailferry_engine::account::Plan;
use mailferry_engine::fault::{Fault, FaultKind, Scope, Side};
use mailferry_engine::guard::Approval;
use mailferry_engine::name::{MailboxName, SpecialUse};
use mailferry_engine::plan::Subscription;
use mailferry_store::contract::{Source, Target};
use tokio::sync::mpsc;
use tokio::task::{JoinHandle, JoinSet};

use crate::accounts::Accounts;
use crate::events::{Event, EventSink};
use crate::job::Job;
use crate::lane::{Course, Courses, Left, placed, run_lane};
use crate::mailbox::{KeywordsKept, Progress, Task};
use crate::pace::Pace;
use crate::report::Report;
use crate::stop::Stop;
use crate::survey::{MailboxListings, Survey};

/// Who carries a plan out, and for whom.
pub struct Execution<A: Accounts> {
    /// Opens further connections.
    pub accounts: Arc<A>,
    /// The task.
    pub job: Arc<Job>,
    /// Who wants to know.
    pub events: Arc<dyn EventSink>,
    /// Who may stop it.
    pub stop: Stop,
}

/// Counts the faults of all workers, and stops the run when there are too many.
struct FaultLimit {
    told: AtomicUsize,
    faults_max: usize,
    stop: Stop,
    events: Arc<dyn EventSink>,
}

impl EventSink for FaultLimit {
    fn on(&self, event: &Event<'_>) {
        self.events.on(event);
        if matches!(event, Event::Failed(_))
            && self.told.fetch_add(1, Ordering::Relaxed) + 1 >= self.faults_max
        {
            self.stop.ask();
        }
    }
}

/// What the workers share.
struct Shared<A: Accounts> {
    execution: Execution<A>,
    plan: Plan,
    listings: Vec<MailboxListings>,
    /// Indices of the mailboxes with something to do, largest first.
    queue: Vec<usize>,
    next: AtomicUsize,
    keywords: KeywordsKept,
    pace: Pace,
}

/// What a worker tells of a mailbox, or of itself.
enum News {
    Mailbox(usize, Progress),
    Lost(Fault),
}

impl<A: Accounts> Execution<A> {
    /// Carries a plan out. A plan is used once, and only with the guard's approval.
    pub async fn run(mut self, survey: Survey<A>, _: Approval) -> Report {
        self.events = Arc::new(FaultLimit {
            told: AtomicUsize::new(0),
            faults_max: self.job.limits.faults_max,
            stop: self.stop.clone(),
            events: self.events,
        });
        let Survey { plan, listings, faults, connections: (source, mut target), .. } = survey;
        let mut report = Report::new(&plan);
        report.faults.extend(faults);
        let act = plan.mailboxes.iter().filter(|mailbox| mailbox.counts.act() > 0).count();
        let spares = self.open_spares(act);
        let blocked = self.prepare_mailboxes(&plan, &mut target, &mut report).await;
        let mut queue: Vec<usize> =
            (0..plan.mailboxes.len()).filter(|at| !blocked.contains(at)).collect();
        queue.retain(|&at| plan.mailboxes[at].counts.act() > 0);
        queue.sort_by_key(|&at| std::cmp::Reverse(plan.mailboxes[at].counts.copy_octets));
        let pace = Pace::new(self.job.limits.pace, Instant::now());
        let shared = Arc::new(Shared {
            execution: self,
            plan,
            listings,
            queue,
            next: AtomicUsize::new(0),
            keywords: KeywordsKept::default(),
            pace,
        });
        let (pair, failed) = run_workers(&shared, (source, target), spares, &mut report).await;
        shared.remove_surplus(pair, &failed, &mut report).await;
        report
    }

    /// Begins to open the connections of the further workers, for so many mailboxes.
    fn open_spares(&self, mailboxes: usize) -> Vec<JoinHandle<OpenedPair<A>>> {
        let pairs = self.job.limits.pairs_max.clamp(1, mailboxes.max(1));
        (1..pairs).map(|_| tokio::spawn(open_pair(self.accounts.clone()))).collect()
    }

    /// Creates and subscribes; answers the indices of mailboxes that could not be had.
    async fn prepare_mailboxes(
        &self,
        plan: &Plan,
        target: &mut A::Target,
        report: &mut Report,
    ) -> Vec<usize> {
        let mut blocked = Vec::new();
        let wanted: Vec<(usize, (MailboxName, Option<SpecialUse>))> = plan
            .mailboxes
            .iter()
            .enumerate()
            .filter_map(|(at, mailbox)| Some((at, mailbox.target.clone(), mailbox.create?)))
            .map(|(at, name, creation)| (at, (name, creation.special_use)))
            .collect();
        if !wanted.is_empty() {
            let (places, mailboxes): (Vec<usize>, Vec<_>) = wanted.into_iter().unzip();
            match target.create(&mailboxes).await {
                Ok(results) => {
                    for ((at, (name, _)), result) in places.into_iter().zip(mailboxes).zip(results)
                    {
                        match result {
                            Ok(()) => {
                                self.events.on(&Event::Created(&name));
                                report.created.push(name);
                            }
                            Err(fault) => {
                                blocked.push(at);
                                self.note(fault, report);
                            }
                        }
                    }
                }
                Err(fault) => {
                    blocked.extend(places);
                    self.note(fault, report);
                }
            }
        }
        self.subscribe(plan, target, report, &blocked).await;
        blocked
    }

    async fn subscribe(
        &self,
        plan: &Plan,
        target: &mut A::Target,
        report: &mut Report,
        blocked: &[usize],
    ) {
        let wanted = plan.mailboxes.iter().enumerate();
        let names: Vec<MailboxName> = wanted
            .filter(|(at, mailbox)| mailbox.subscribe == Subscription::Add && !blocked.contains(at))
            .map(|(_, mailbox)| mailbox.target.clone())
            .collect();
        if names.is_empty() {
            return;
        }
        match target.subscribe(&names).await {
            Err(fault) => self.note(fault, report),
            Ok(results) => {
                for (name, result) in names.into_iter().zip(results) {
                    match result {
                        Ok(()) => {
                            self.events.on(&Event::Subscribed(&name));
                            report.subscribed.push(name);
                        }
                        Err(fault) => self.note(fault, report),
                    }
                }
            }
        }
    }

    fn note(&self, fault: Fault, report: &mut Report) {
        self.events.on(&Event::Failed(&fault));
        report.faults.push(fault);
    }
}

/// Lets the pairs of connections work until nothing is left; answers the pair that was used
/// last, if one can still be used, and the mailboxes in which something failed.
async fn run_workers<A: Accounts>(
    shared: &Arc<Shared<A>>,
    (source, target): (A::Source, A::Target),
    spares: Vec<JoinHandle<OpenedPair<A>>>,
    report: &mut Report,
) -> (Option<(A::Source, A::Target)>, Vec<usize>) {
    let mut failed = Vec::new();
    let (tell, mut told) = mpsc::unbounded_channel();
    let mut workers = JoinSet::new();
    workers.spawn(work(shared.clone(), Start::Pair(source, target), tell.clone()));
    for spare in spares {
        workers.spawn(work(shared.clone(), Start::Opening(spare), tell.clone()));
    }
    drop(tell);
    let mut lost = Vec::new();
    while let Some(news) = told.recv().await {
        match news {
            News::Lost(fault) => lost.push(fault),
            News::Mailbox(at, progress) => {
                let mailbox = &mut report.mailboxes[at];
                mailbox.done = progress.done;
                mailbox.out_of_order = progress.out_of_order;
                if !progress.faults.is_empty() {
                    failed.push(at);
                }
                report.faults.extend(progress.faults);
            }
        }
    }
    report.faults.extend(shared.unattended(lost));
    let mut left = None;
    while let Some(ended) = workers.join_next().await {
        match ended {
            Ok(Some(pair)) => {
                if let Some((mut source, mut target)) = left.replace(pair) {
                    tokio::join!(source.close(), target.close());
                }
            }
            Ok(None) => {}
            Err(error) => {
                let words = format!("a worker ended early: {error}");
                report.faults.push(Fault {
                    scope: Scope::Run,
                    ..Fault::new(Side::Source, FaultKind::Limit, words)
                });
            }
        }
    }
    (left, failed)
}

/// What a worker begins with.
enum Start<A: Accounts> {
    Pair(A::Source, A::Target),
    /// Connections that were opened while mailboxes were being created.
    Opening(JoinHandle<OpenedPair<A>>),
}

type OpenedPair<A> =
    (Result<<A as Accounts>::Source, Fault>, Result<<A as Accounts>::Target, Fault>);

async fn open_pair<A: Accounts>(accounts: Arc<A>) -> OpenedPair<A> {
    tokio::join!(accounts.open_source(), accounts.open_target())
}

/// The mailboxes that one worker takes.
struct Taken<'a, A: Accounts> {
    shared: &'a Shared<A>,
    tell: &'a mpsc::UnboundedSender<News>,
    /// Those that have their copies, and whose flags are to be changed.
    to_flag: Vec<Course<'a>>,
}

impl<'a, A: Accounts> Courses<'a> for Taken<'a, A> {
    fn next_course(&mut self) -> Option<Course<'a>> {
        if !self.shared.has_more() {
            return None;
        }
        let at = *self.shared.queue.get(self.shared.next.fetch_add(1, Ordering::Relaxed))?;
        let course = Course::new(at, self.shared.task(at));
        let target = &self.shared.plan.mailboxes[at].target;
        self.shared.execution.events.on(&Event::MailboxBegins { at, target });
        Some(course)
    }

    fn has_ended(&mut self, course: Course<'a>) {
        if course.task.plan.counts.update_flags > 0 {
            self.to_flag.push(course);
        } else {
            self.tell(course);
        }
    }
}

impl<A: Accounts> Taken<'_, A> {
    fn tell(&self, course: Course<'_>) {
        let (at, target) = (course.at, &course.task.plan.target);
        self.shared.execution.events.on(&Event::MailboxEnds { at, target });
        drop(self.tell.send(News::Mailbox(at, course.progress)));
    }

    /// Changes the flags of the mailboxes that have their copies.
    async fn update_flags(&mut self, target: &mut A::Target) -> Result<(), Fault> {
        while let Some(mut course) = self.to_flag.pop() {
            let updated = course.update_flags(target).await;
            if let Err(fault) = &updated {
                let fault = placed(fault.clone(), course.task.plan);
                course.task.note_fault(fault, &mut course.progress);
            }
            self.tell(course);
            updated?;
        }
        Ok(())
    }
}

/// One worker: takes the next mailbox until none is left. `start`: the connections to begin
/// with; others are opened when needed.
async fn work<A: Accounts>(
    shared: Arc<Shared<A>>,
    start: Start<A>,
    tell: mpsc::UnboundedSender<News>,
) -> Option<(A::Source, A::Target)> {
    let mut taken = Taken { shared: &shared, tell: &tell, to_flag: Vec::new() };
    let mut start = Some(start);
    let mut pair = None;
    while shared.has_more() || !taken.to_flag.is_empty() {
        // Connections first: a mailbox that was taken is not given back, and one worker fewer
        // is no failure as long as others do the work.
        let opened = match start.take() {
            Some(Start::Pair(source, target)) => (Ok(source), Ok(target)),
            Some(Start::Opening(opening)) => match opening.await {
                Ok(opened) => opened,
                Err(_) => open_pair(shared.execution.accounts.clone()).await,
            },
            None => open_pair(shared.execution.accounts.clone()).await,
        };
        let (mut source, mut target) = match opened {
            (Ok(source), Ok(target)) => (source, target),
            (source, target) => {
                let faults = source.err().into_iter().chain(target.err());
                faults.for_each(|fault| drop(tell.send(News::Lost(fault))));
                break;
            }
        };
        match run_lane(&mut source, &mut target, &mut taken).await {
            Err(_) => {}
            Ok(left) => {
                let flagged = taken.update_flags(&mut target).await;
                if left == Left::Full {
                    break;
                }
                if left == Left::Usable && flagged.is_ok() {
                    pair = Some((source, target));
                    break;
                }
            }
        }
    }
    if let Some(Start::Opening(opening)) = start {
        opening.abort();
    } else if let Some(Start::Pair(source, target)) = start {
        pair = Some((source, target));
    }
    // Not one connection could be had for them.
    while let Some(course) = taken.to_flag.pop() {
        taken.tell(course);
    }
    pair
}

impl<A: Accounts> Shared<A> {
    /// Whether another mailbox is to be begun.
    fn has_more(&self) -> bool {
        !self.execution.stop.is_asked() && self.next.load(Ordering::Relaxed) < self.queue.len()
    }

    fn task(&self, at: usize) -> Task<'_> {
        let Execution { job, events, stop, .. } = &self.execution;
        let (plan, listings) = (&self.plan.mailboxes[at], &self.listings[at]);
        let (keywords, pace) = (&self.keywords, &self.pace);
        Task { plan, listings, job, events: &**events, stop, keywords, pace }
    }

    /// Of the faults of workers that could not connect, those that count: all if mailboxes
    /// were left over, none if the other workers did everything.
    fn unattended(&self, lost: Vec<Fault>) -> Vec<Fault> {
        let taken = self.next.load(Ordering::Relaxed);
        if taken >= self.queue.len() || self.execution.stop.is_asked() {
            return Vec::new();
        }
        lost.iter().for_each(|fault| self.execution.events.on(&Event::Failed(fault)));
        lost
    }

    /// Removes messages and mailboxes, after everything was copied everywhere: a message that
    /// was moved on the source is removed from one mailbox only once it is in the other.
    async fn remove_surplus(
        &self,
        pair: Option<(A::Source, A::Target)>,
        failed: &[usize],
        report: &mut Report,
    ) {
        let surplus = self.surplus(failed, report);
        let (source, mut target) = match pair {
            Some((source, target)) => (Some(source), target),
            None if surplus.is_empty() && self.plan.delete_mailboxes.is_empty() => return,
            None if self.execution.stop.is_asked() => return,
            None => match self.execution.accounts.open_target().await {
                Ok(target) => (None, target),
                Err(fault) => return self.execution.note(fault, report),
            },
        };
        for at in surplus {
            if let Err(fault) = self.remove_messages(at, &mut target, report).await {
                self.execution.note(fault, report);
                break;
            }
        }
        self.delete_mailboxes(&mut target, report).await;
        if let Some(mut source) = source {
            tokio::join!(source.close(), target.close());
        } else {
            target.close().await;
        }
    }

    /// The mailboxes that messages may be removed from: none where a copy is still to be made
    /// anywhere, since it may be that of a message that was moved. A message that was refused
    /// for itself holds back its own mailbox only.
    fn surplus(&self, failed: &[usize], report: &Report) -> Vec<usize> {
        if report.not_started() > 0 || report.was_cut_short() {
            return Vec::new();
        }
        let mailboxes = self.plan.mailboxes.iter().enumerate();
        mailboxes
            .filter(|(at, mailbox)| !mailbox.delete.is_empty() && !failed.contains(at))
            .map(|(at, _)| at)
            .collect()
    }

    async fn remove_messages(
        &self,
        at: usize,
        target: &mut A::Target,
        report: &mut Report,
    ) -> Result<(), Fault> {
        let task = self.task(at);
        let mut progress = Progress { done: report.mailboxes[at].done, ..Progress::default() };
        if !self.queue.contains(&at) {
            let target = &task.plan.target;
            self.execution.events.on(&Event::MailboxBegins { at, target });
        }
        let removed = task.remove(target, &mut progress).await;
        report.mailboxes[at].done = progress.done;
        report.faults.extend(progress.faults);
        removed
    }

    /// Deletes the target mailboxes that the source does not have, unless something failed:
    /// what could not be copied may be in them.
    async fn delete_mailboxes(&self, target: &mut A::Target, report: &mut Report) {
        let gone = &self.plan.delete_mailboxes;
        if gone.is_empty() || self.execution.stop.is_asked() {
            return;
        }
        if report.failures().next().is_some() {
            let words = format!(
                "{} mailboxes of the target were not deleted, since something failed before",
                gone.len()
            );
            self.execution.note(Fault::new(Side::Target, FaultKind::DeleteMailbox, words), report);
            return;
        }
        for deletion in gone {
            match target.delete_mailbox(&deletion.name).await {
                Ok(()) => {
                    self.execution.events.on(&Event::MailboxDeleted(&deletion.name));
                    report.deleted_mailboxes.push(deletion.name.clone());
                }
                Err(fault) => self.execution.note(fault, report),
            }
        }
    }
}

//! One worker: a pair of connections that takes one share of the work after the other, and another
//! pair where they break.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use mailferry_engine::fault::{Fault, Scope, Side};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::accounts::{Accounts, Seat};
use crate::course::{Course, Courses, placed};
use crate::events::Event;
use crate::lane::{Ended, Left, run_lane};
use crate::patience::{self, Patience, is_worth_another_try};
use crate::repairing::repair_refused;
use crate::settle::settle;
use crate::workers::{News, Shared, Usable};

/// What a worker begins with.
pub(crate) enum Start<A: Accounts> {
    Pair(A::Source, A::Target),
    /// Connections that are being opened.
    Opening(JoinHandle<OpenedPair<A>>),
}

pub(crate) type OpenedPair<A> =
    (Result<<A as Accounts>::Source, Fault>, Result<<A as Accounts>::Target, Fault>);

pub(crate) async fn open_pair<A: Accounts>(accounts: Arc<A>) -> OpenedPair<A> {
    tokio::join!(accounts.open_source(), accounts.open_target())
}

/// Messages in a row at which connections break, after which that is no news.
const GIVEN_UP_MAX: u32 = 5;

/// One worker and the shares that it takes.
struct Worker<'a, A: Accounts> {
    shared: &'a Shared<A>,
    tell: &'a mpsc::UnboundedSender<News>,
    /// Mailboxes that a broken connection left undone.
    to_resume: VecDeque<Course<'a>>,
    /// Mailboxes that have their copies but for messages that were refused.
    to_repair: Vec<Course<'a>>,
    /// Mailboxes that have their copies, and whose flags are to be changed.
    to_flag: Vec<Course<'a>>,
    patience: Patience,
    /// Messages given up since the last of which the outcome was learnt.
    given_up: u32,
}

impl<'a, A: Accounts> Courses<'a> for Worker<'a, A> {
    fn next_course(&mut self) -> Option<Course<'a>> {
        if self.shared.execution.stop.is_asked() {
            return None;
        }
        if let Some(course) = self.to_resume.pop_front() {
            return Some(course);
        }
        let (at, share) = self.shared.take_next()?;
        let mut course = Course::new(at, self.shared.task(at), share);
        self.shared.arrange(&mut course);
        if share.is_first() {
            let target = &self.shared.planned(at).plan.target;
            self.shared.execution.events.on(&Event::MailboxBegins { at, target });
        }
        Some(course)
    }

    fn has_ended(&mut self, course: Course<'a>) {
        if course.refused.is_empty() {
            self.finish(course);
        } else {
            self.to_repair.push(course);
        }
    }
}

/// Whether the same pair of connections can be used on.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Next {
    /// Everything is done that this worker will do, and the pair is good.
    Done,
    /// It is done, and the pair is of no more use.
    Over,
    /// With another pair.
    Again,
}

impl<'a, A: Accounts> Worker<'a, A> {
    /// A share of a mailbox has its copies.
    fn finish(&mut self, mut course: Course<'a>) {
        course.tell_all_refused();
        // The last share of a mailbox sees to its flags.
        let is_last = self.shared.ends_mailbox(course.at);
        if is_last && course.task.plan.counts.update_flags > 0 {
            self.to_flag.push(course);
        } else {
            self.tell(course, is_last);
        }
    }

    fn tell(&self, course: Course<'_>, is_last: bool) {
        let (at, target) = (course.at, &course.task.plan.target);
        if is_last {
            self.shared.claiming.give_back(target);
            self.shared.execution.events.on(&Event::MailboxEnds { at, target });
        }
        drop(self.tell.send(News::Mailbox(at, course.progress, course.landed)));
    }

    fn has_work(&self) -> bool {
        self.shared.has_more() || self.has_begun()
    }

    /// Whether a mailbox was begun and is not done.
    fn has_begun(&self) -> bool {
        !self.to_resume.is_empty() || !self.to_repair.is_empty() || !self.to_flag.is_empty()
    }

    /// Works on one pair of connections as long as it can.
    async fn use_pair(&mut self, source: &mut A::Source, target: &mut A::Target) -> Next {
        if let Err(fault) = self.settle_all(source, target).await {
            return self.after_break(&fault).await;
        }
        let Ended { left, broken, unfinished, told, refusal } =
            run_lane(source, target, self).await;
        if told > 0 {
            self.patience.restore();
            self.given_up = 0;
        }
        if broken.is_none() && !unfinished.is_empty() {
            self.to_resume.extend(unfinished);
            return match refusal {
                // Not now: it is asked again after a while, and not for ever.
                Some(fault) => self.after_break(&fault).await,
                None => Next::Again,
            };
        }
        if let Some(fault) = broken {
            self.take_back(unfinished, &fault, told);
            return if is_worth_another_try(&fault) {
                self.after_break(&fault).await
            } else {
                Next::Again
            };
        }
        // A full target takes nothing in; where the source still delivers, another pair does it.
        if left == Left::Full {
            self.give_up_repairs();
        } else if left == Left::Usable
            && let Err(fault) = self.repair(source, target).await
        {
            if is_worth_another_try(&fault) {
                self.shared.note_unsettled();
                return self.after_break(&fault).await;
            }
            // The target is full, or takes nothing more for another reason.
            self.give_up_repairs();
        }
        match self.update_flags(target).await {
            Err(fault) if is_worth_another_try(&fault) => self.after_break(&fault).await,
            Err(_) => Next::Again,
            Ok(()) if left == Left::Usable => Next::Done,
            Ok(()) if left == Left::Full => Next::Over,
            Ok(()) => Next::Again,
        }
    }

    /// What a broken pair left undone is gone on with first.
    fn take_back(&mut self, unfinished: Vec<Course<'a>>, fault: &Fault, told: u64) {
        for (at, mut course) in unfinished.into_iter().enumerate() {
            // Who asks to be left alone does not break at a message.
            let broke = !fault.is_throttling();
            if broke && told == 0 && (at == 0 || fault.side == Side::Target) {
                course.broke_in_vain(fault.side);
            }
            self.to_resume.push_back(course);
        }
    }

    /// Finds out what became of the messages that are in doubt.
    async fn settle_all(
        &mut self,
        source: &mut A::Source,
        target: &mut A::Target,
    ) -> Result<(), Fault> {
        for _ in 0..self.to_resume.len() {
            let Some(mut course) = self.to_resume.pop_front() else { break };
            match settle(source, target, &mut course).await {
                Ok(found) => {
                    // A server that breaks at every message is not waited for at each of them.
                    let gave_up = course.give_up_suspect();
                    self.given_up += u32::from(gave_up);
                    if found > 0 || (gave_up && self.given_up < GIVEN_UP_MAX) {
                        self.patience.restore();
                    }
                    self.to_resume.push_back(course);
                }
                Err(fault) if is_worth_another_try(&fault) => {
                    self.to_resume.push_front(course);
                    return Err(fault);
                }
                Err(fault) => {
                    course.give_up(&fault);
                    self.finish(course);
                }
            }
        }
        Ok(())
    }

    /// Tries to bring in what was refused.
    async fn repair(
        &mut self,
        source: &mut A::Source,
        target: &mut A::Target,
    ) -> Result<(), Fault> {
        while let Some(mut course) = self.to_repair.pop() {
            let repaired = repair_refused(source, target, &mut course).await;
            match repaired {
                // What the mailbox refuses concerns no other.
                Err(fault) if fault.scope > Scope::Mailbox => {
                    self.to_repair.push(course);
                    return Err(fault);
                }
                _ => self.finish(course),
            }
        }
        Ok(())
    }

    /// What was refused stays refused.
    fn give_up_repairs(&mut self) {
        while let Some(course) = self.to_repair.pop() {
            self.finish(course);
        }
    }

    /// A connection broke: waits before the next one, or gives up what was under way.
    async fn after_break(&mut self, fault: &Fault) -> Next {
        let stop = &self.shared.execution.stop;
        let wait = self.patience.wait_after(fault).filter(|_| !stop.is_asked());
        let Some(wait) = wait else {
            match self.to_resume.pop_front() {
                // Only this mailbox cannot be settled.
                Some(mut course) if fault.scope <= Scope::Mailbox => {
                    self.leave_unsettled(&course);
                    course.give_up(fault);
                    self.finish(course);
                }
                course => {
                    self.to_resume.extend(course);
                    self.give_up(fault);
                }
            }
            self.patience.restore();
            return Next::Again;
        };
        self.tell_wait(fault, wait);
        drop(self.tell.send(News::Reconnecting(fault.side)));
        patience::wait(wait, stop).await;
        Next::Again
    }

    /// Another attempt is made after a while. Where a server asks to be left alone, the others do so
    /// as well, and it is told once.
    fn tell_wait(&self, fault: &Fault, wait: Duration) {
        let is_news = !fault.is_throttling() || self.shared.hold(wait);
        if is_news {
            self.shared.execution.events.on(&Event::another_attempt(fault, wait));
        }
    }

    /// What was under way is left to the next run.
    fn give_up(&mut self, fault: &Fault) {
        while let Some(mut course) = self.to_resume.pop_front() {
            self.leave_unsettled(&course);
            course.give_up(fault);
            self.finish(course);
        }
        self.give_up_repairs();
        while let Some(mut course) = self.to_flag.pop() {
            course.give_up(fault);
            self.tell(course, true);
        }
    }

    /// The run is to stop, or the target is full: what is left is left.
    fn leave(&mut self) {
        while let Some(mut course) = self.to_resume.pop_front() {
            self.leave_unsettled(&course);
            course.rest.clear();
            self.finish(course);
        }
        self.give_up_repairs();
        while let Some(course) = self.to_flag.pop() {
            self.tell(course, true);
        }
    }

    /// Takes note if it is not known what became of some messages.
    fn leave_unsettled(&self, course: &Course<'_>) {
        if course.rest.iter().any(|rest| !rest.in_doubt.is_empty()) {
            self.shared.note_unsettled();
        }
    }

    /// Changes the flags of the mailboxes that have their copies.
    async fn update_flags(&mut self, target: &mut A::Target) -> Result<(), Fault> {
        while let Some(mut course) = self.to_flag.pop() {
            match course.update_flags(target).await {
                Ok(()) => {
                    self.patience.restore();
                    self.tell(course, true);
                }
                Err(fault) if is_worth_another_try(&fault) => {
                    self.to_flag.push(course);
                    return Err(fault);
                }
                Err(fault) => {
                    let placed = placed(fault.clone(), course.task.plan);
                    course.task.note_fault(placed, &mut course.progress);
                    self.tell(course, true);
                    return Err(fault);
                }
            }
        }
        Ok(())
    }

    async fn run(&mut self, start: Start<A>) -> Usable<A> {
        let mut start = Some(start);
        while self.has_work() {
            if self.shared.execution.stop.is_asked() {
                self.leave();
                continue;
            }
            if !self.has_begun() && !self.shared.has_ready() {
                self.shared.see_to_put_off(self.tell).await;
                continue;
            }
            // Connections first: a mailbox that was taken is not given back.
            let accounts = &self.shared.execution.accounts;
            let opened = match start.take() {
                Some(Start::Pair(source, target)) => (Ok(source), Ok(target)),
                Some(Start::Opening(opening)) => match opening.await {
                    Ok(opened) => opened,
                    Err(_) => open_pair(accounts.clone()).await,
                },
                None => open_pair(accounts.clone()).await,
            };
            let (mut source, mut target) = match opened {
                (Ok(source), Ok(target)) => (source, target),
                (source, target) => {
                    let faults: Vec<Fault> = source.err().into_iter().chain(target.err()).collect();
                    if self.may_try_again(&faults).await {
                        continue;
                    }
                    if let Some(fault) = faults.first() {
                        self.give_up(fault);
                    }
                    faults.into_iter().for_each(|fault| drop(self.tell.send(News::Lost(fault))));
                    return None;
                }
            };
            match self.use_pair(&mut source, &mut target).await {
                Next::Again => {}
                Next::Done if self.has_work() => start = Some(Start::Pair(source, target)),
                Next::Done => return Some((source, target)),
                Next::Over => return None,
            }
        }
        match start {
            Some(Start::Pair(source, target)) => Some((source, target)),
            Some(Start::Opening(opening)) => {
                opening.abort();
                None
            }
            None => None,
        }
    }

    /// No pair could be opened: whether it is to be tried again.
    async fn may_try_again(&mut self, faults: &[Fault]) -> bool {
        // One worker fewer is no failure as long as others do the work.
        let Some(fault) = faults.iter().find(|_| self.has_begun()) else { return false };
        if !faults.iter().all(is_worth_another_try) {
            return false;
        }
        let stop = &self.shared.execution.stop;
        let Some(wait) = self.patience.wait_after(fault).filter(|_| !stop.is_asked()) else {
            return false;
        };
        self.tell_wait(fault, wait);
        patience::wait(wait, stop).await;
        true
    }
}

/// One worker: takes the next share until none is left. `start`: the connections to begin with;
/// others are opened when needed. The seat is given up with the worker.
pub(crate) async fn work<A: Accounts>(
    shared: Arc<Shared<A>>,
    start: Start<A>,
    _seat: Option<Seat>,
    tell: mpsc::UnboundedSender<News>,
) -> Usable<A> {
    let mut worker = Worker {
        shared: &shared,
        tell: &tell,
        to_resume: VecDeque::new(),
        to_repair: Vec::new(),
        to_flag: Vec::new(),
        patience: Patience::new(shared.execution.job.limits.reconnect),
        given_up: 0,
    };
    let usable = worker.run(start).await;
    worker.leave();
    usable
}

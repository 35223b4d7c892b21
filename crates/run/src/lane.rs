//! One pair of connections that copies one mailbox after the other. Bodies of a mailbox come in
//! while the answers for the one before it are still on their way, and the source is asked for the
//! next ones before its last body has come where it permits that
//! (`docs/design/round-trips.md`).

mod making;
mod within;

use std::collections::{HashSet, VecDeque};
use std::time::{Duration, Instant};

use mailferry_engine::fault::{Fault, FaultKind, Scope};
use mailferry_engine::message::Uid;
use mailferry_engine::policy::PermanentFlags;
use mailferry_store::contract::{Appended, BodyEvent, Source, Target, Turn, Wanted};

use crate::copy::{Feed, Order, Passage};
use crate::course::{Course, Courses, Proof, Refused, Rest, placed};
use crate::events::Event;
use crate::lane::making::Making;
use crate::mailbox::{Copies, Task};
use crate::on_heap::on_heap;
use crate::patience::is_worth_another_try;
use crate::receipt::Glance;
use crate::repairing;
use crate::state::CopyMade;
use crate::survey::listed;

/// The longest time without a look at what else there is to do.
const PAUSE_MAX: Duration = Duration::from_millis(200);

/// One source mailbox that was fed, or is being fed.
struct Run {
    feed: Feed,
    /// Which of its orders were told of.
    told: Vec<bool>,
    /// Index of its course.
    course: usize,
    part: usize,
    /// Messages that were not told of.
    outstanding: usize,
    copies: Copies,
    glance: Glance,
    /// What the target refused because it takes nothing now: it is not there.
    put_off: HashSet<Uid>,
}

/// How a lane ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Left {
    /// Both connections can go on.
    Usable,
    /// The source still has bodies under way.
    Spent,
    /// The same, and the target takes no more.
    Full,
}

/// What a lane leaves.
pub(crate) struct Ended<'a> {
    pub(crate) left: Left,
    /// Why a connection broke: neither is to be used again.
    pub(crate) broken: Option<Fault>,
    /// What another pair of connections may go on with. Every other course was told of, with the
    /// fault in those that it concerns.
    pub(crate) unfinished: Vec<Course<'a>>,
    /// Messages of which the outcome was learnt, unless it was that nothing is taken now.
    pub(crate) told: u64,
    /// Why the target takes nothing now, from anybody.
    pub(crate) refusal: Option<Fault>,
}

struct Lane<'a, 'c, S, T, C> {
    source: &'c mut S,
    target: &'c mut T,
    courses: &'c mut C,
    open: Vec<Option<Course<'a>>>,
    runs: Vec<Run>,
    /// The runs whose bodies were asked for: those of the first are coming.
    feeding: VecDeque<usize>,
    /// Every run and every course before these has ended.
    first_run: usize,
    first_course: usize,
    left: Left,
    closing: Closing,
    /// The message that the rules about content are at work on.
    making: Option<Making>,
    /// Why the source is of no more use.
    lost: Option<Fault>,
    /// Messages that were told of, unless it was that nothing is taken now.
    told: u64,
    refusal: Option<Fault>,
}

/// Whether another mailbox is begun.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Closing {
    No,
    /// None is left; those that were begun are carried out.
    Exhausted,
    /// None, and those that were begun are left.
    Leaving,
}

/// What came from the source.
enum Came {
    /// Some of a body, or that one is missing.
    Body,
    /// The last of a mailbox.
    All,
    /// That nothing of it will come, and why.
    Nothing(Fault),
}

/// What is to be done while the source has nothing to deliver.
enum Next {
    /// Bodies are coming.
    Feeding,
    /// What was sent is to be answered first.
    Drain,
    /// Nothing is left to be fed.
    Nothing,
}

/// Copies mailboxes until none is left, or nothing more can be done on these connections.
pub(crate) async fn run_lane<'a, S: Source, T: Target, C: Courses<'a>>(
    source: &mut S,
    target: &mut T,
    courses: &mut C,
) -> Ended<'a> {
    let mut lane = Lane {
        source,
        target,
        courses,
        open: Vec::new(),
        runs: Vec::new(),
        feeding: VecDeque::new(),
        first_run: 0,
        first_course: 0,
        left: Left::Usable,
        closing: Closing::No,
        making: None,
        lost: None,
        told: 0,
        refusal: None,
    };
    let carried_out = lane.carry_out().await;
    let broken = carried_out.err().or(lane.lost.take());
    let unfinished = match &broken {
        Some(fault) if is_worth_another_try(fault) => lane.take_back(),
        Some(fault) => {
            lane.break_off(fault);
            Vec::new()
        }
        // What was asked for ahead of a refusal is not to suffer from it.
        None if lane.closing == Closing::Leaving && lane.left != Left::Full => {
            lane.take_back().into_iter().filter_map(|course| lane.unless_barred(course)).collect()
        }
        None => Vec::new(),
    };
    lane.end_all();
    Ended { left: lane.left, broken, unfinished, told: lane.told, refusal: lane.refusal }
}

impl<'a, S: Source, T: Target, C: Courses<'a>> Lane<'a, '_, S, T, C> {
    async fn carry_out(&mut self) -> Result<(), Fault> {
        loop {
            let next = self.begin_next().await?;
            let (busy, feeding) = (self.target.is_busy(), self.feeding.front().copied());
            if !busy && matches!(next, Next::Nothing) {
                return Ok(());
            }
            let room = self.target.has_room();
            let pause = self.pause();
            let handing = self.is_handing_over();
            let free = self.making.is_none() && !handing;
            let takes =
                feeding.is_some() && room && free && pause.is_none() && !self.holds_back(busy);
            let mut came = Ok(Came::Body);
            tokio::select! {
                moved = self.target.advance_appends(), if busy => moved?,
                event = self.source.next_body(), if takes => {
                    let Some(at) = feeding else { continue };
                    let (run, open) = (&mut self.runs[at], &mut self.open);
                    let course = open[run.course].as_mut();
                    came = match (event, course) {
                        (Err(fault), _) => Err(fault),
                        (Ok(BodyEvent::Finished), _) => Ok(Came::All),
                        (Ok(BodyEvent::Unavailable { fault }), _) => Ok(Came::Nothing(fault)),
                        (Ok(event), Some(course)) => {
                            run.take(event, self.target, course);
                            self.making = making::begin(at, run, course);
                            self.flush_if_careful(at);
                            Ok(Came::Body)
                        }
                        (Ok(_), None) => Ok(Came::Body),
                    };
                }
                outcome = making::made(&mut self.making), if self.making.is_some() => {
                    self.take_made(outcome);
                }
                () = std::future::ready(()), if handing && room => self.hand_on()?,
                () = until(pause), if pause.is_some() => {}
            }
            match came {
                Ok(Came::Body) => {}
                Ok(Came::All) => self.end_front(None).await?,
                Ok(Came::Nothing(fault)) => self.end_front(Some(fault)).await?,
                Err(fault) => self.leave_source(&fault)?,
            }
            let told = self.target.take_appended();
            if !told.is_empty() || self.feeding.is_empty() {
                told.into_iter().for_each(|appended| self.take_note(appended));
                self.end_answered();
            }
            self.stop_if_asked();
        }
    }

    /// Until when nothing is to be taken from the source, for the sake of the limits.
    fn pause(&self) -> Option<Instant> {
        let run = &self.runs[*self.feeding.front()?];
        let course = self.open[run.course].as_ref()?;
        course.task.pace.wait_until(Instant::now())
    }

    /// Whether the next message waits for the answer to the one before.
    fn holds_back(&self, busy: bool) -> bool {
        let Some(run) = self.feeding.front().map(|&at| &self.runs[at]) else { return false };
        let careful = self.open[run.course].as_ref().is_some_and(|course| course.careful > 0);
        careful && busy && run.feed.is_between_messages()
    }

    /// Nothing more comes of the first run, or nothing at all for the reason given.
    async fn end_front(&mut self, unavailable: Option<Fault>) -> Result<(), Fault> {
        let Some(ended) = self.feeding.pop_front() else { return Ok(()) };
        let run = &mut self.runs[ended];
        if let (Some(fault), Some(course)) = (unavailable, &mut self.open[run.course]) {
            // What came before it was opened anew is still answered for.
            run.forget_unsent();
            let fault = placed(fault, course.task.plan);
            course.task.note_fault(fault, &mut course.progress);
        }
        self.begin_front().await
    }

    /// What comes next goes to the mailbox of the first run.
    async fn begin_front(&mut self) -> Result<(), Fault> {
        let Some(&front) = self.feeding.front() else { return Ok(()) };
        let Some(course) = &self.open[self.runs[front].course] else { return Ok(()) };
        match self.target.open_appends(&course.task.plan.target).await {
            Ok(()) => Ok(()),
            Err(fault) => self.leave_source(&fault),
        }
    }

    /// The source failed: what the target was sent is answered for before the lane ends, unless a
    /// message is half sent.
    fn leave_source(&mut self, fault: &Fault) -> Result<(), Fault> {
        let front = self.feeding.front().copied();
        if !front.is_some_and(|at| self.runs[at].feed.is_between_messages()) {
            return Err(fault.clone());
        }
        self.lost.get_or_insert_with(|| fault.clone());
        self.give_up_feeding();
        Ok(())
    }

    /// The source goes on delivering what nobody takes any more.
    fn give_up_feeding(&mut self) {
        self.closing = Closing::Leaving;
        self.making = None;
        self.feeding.clear();
        self.target.flush_appends();
        if self.left == Left::Usable {
            self.left = Left::Spent;
        }
    }

    /// Has the source asked for the next mailboxes, as far as it takes them.
    async fn begin_next(&mut self) -> Result<Next, Fault> {
        loop {
            let idle = self.feeding.is_empty();
            if !idle && (self.closing != Closing::No || !self.source.has_room_for_bodies()) {
                return Ok(Next::Feeding);
            }
            if self.closing != Closing::No {
                self.target.flush_appends();
                return Ok(Next::Nothing);
            }
            let last = self.open.len().checked_sub(1);
            let Some(at) = last.filter(|&at| self.open[at].as_ref().is_some_and(Course::has_more))
            else {
                match self.courses.next_course() {
                    Some(course) => self.open.push(Some(course)),
                    None => self.closing = Closing::Exhausted,
                }
                self.end_answered();
                continue;
            };
            let Some(course) = &mut self.open[at] else { continue };
            let copies_within = !course.within.is_empty();
            let asks = course.kept.is_none() && course.task.must_ask_for_flags();
            if asks || copies_within {
                // Another mailbox is opened for it: not while messages are on their way.
                if !idle {
                    return Ok(Next::Feeding);
                }
                self.target.flush_appends();
                if self.target.is_busy() {
                    return Ok(Next::Drain);
                }
            }
            if copies_within {
                on_heap(|| self.copy_within(at)).await?;
                continue;
            }
            self.feed_next(at).await?;
        }
    }

    /// Asks for the bodies of the next part of a course, if it has something to copy.
    async fn feed_next(&mut self, at: usize) -> Result<(), Fault> {
        let Some(course) = &mut self.open[at] else { return Ok(()) };
        let Some((part, mut orders)) = course.next_orders() else { return Ok(()) };
        if orders.is_empty() {
            return Ok(());
        }
        let wanted = orders.iter().map(|order| Wanted { uid: order.uid, size: order.size });
        let listings = course.task.listings;
        let from = listed(&course.task.plan.parts[part].source, &listings.sources[part]);
        self.source.open_bodies(from, wanted.collect());
        if course.kept.is_none() {
            // The source sends meanwhile.
            let kept = match course.task.permanent_flags(self.target).await {
                Ok(kept) => kept,
                Err(fault) => {
                    course.rest.push_front(Rest { part, orders, in_doubt: HashSet::new() });
                    return Err(fault);
                }
            };
            if kept != PermanentFlags::Unknown {
                course.task.keep_flags(part, &mut orders, &kept);
            }
            course.kept = Some(kept);
        }
        course.feeds_open += 1;
        let passage = match course.task.job.transform {
            Some(_) => Passage::ByRules,
            None => Passage::Straight,
        };
        let ticket = self.runs.len();
        self.runs.push(Run {
            outstanding: orders.len(),
            told: vec![false; orders.len()],
            feed: Feed::new(ticket, orders, passage),
            course: at,
            part,
            copies: Copies::default(),
            glance: Glance::default(),
            put_off: HashSet::new(),
        });
        self.feeding.push_back(ticket);
        if self.feeding.len() == 1 { self.begin_front().await } else { Ok(()) }
    }

    fn take_note(&mut self, mut appended: Appended) {
        let Some(run) = self.runs.get_mut(appended.ticket) else { return };
        if let Err(fault) = &appended.result
            && fault.is_throttling()
        {
            // Nothing is wrong with the message: it goes again when the target takes some.
            run.put_off.insert(appended.uid);
            self.refusal = Some(Fault { uid: None, ..fault.clone() });
            self.closing = Closing::Leaving;
            return;
        }
        run.strike_off(appended.uid);
        let Some(course) = &mut self.open[run.course] else { return };
        if run.feed.is_late(appended.uid) || course.is_behind(run.part, appended.uid) {
            appended.turn = Turn::Retried;
        }
        if let Ok(target) = appended.result {
            course.landed.add(run.part, appended.uid, (target, appended.uid_validity, Proof::Told));
        }
        match &appended.result {
            Ok(Some(target)) if course.task.job.state.is_some() => {
                let date = run.feed.date_of(appended.uid);
                let copy = CopyMade { source: appended.uid, target: *target, date };
                run.copies.add(appended.uid_validity, copy);
            }
            Err(fault) if fault.kind == FaultKind::OverQuota => self.left = Left::Full,
            _ => {}
        }
        // What reaches further than a message ends the mailbox it is about; what reaches further
        // than a mailbox, all of them.
        let reach = appended.result.as_ref().err().map(|fault| fault.scope);
        let about_this = self.feeding.front() == Some(&appended.ticket);
        course.barred |= reach == Some(Scope::Mailbox);
        match &appended.result {
            Err(fault) if fault.scope > Scope::Mailbox => self.refusal = Some(fault.clone()),
            _ => self.told += 1,
        }
        if self.left == Left::Full
            || reach > Some(Scope::Mailbox)
            || (reach == Some(Scope::Mailbox) && about_this)
        {
            self.closing = Closing::Leaving;
        }
        match &appended.result {
            Err(fault) if repairing::is_of_use(fault) => {
                let fault = fault.clone();
                course.task.events.on(&Event::RepairIsDue(&fault));
                course.refused.push(Refused { part: run.part, uid: appended.uid, fault });
            }
            _ => course.task.note_appended(run.part, appended, &mut course.progress),
        }
    }

    /// Leaves the source where nothing more is to be begun, once no message is half sent.
    fn stop_if_asked(&mut self) {
        let Some(&at) = self.feeding.front() else { return };
        let course = self.open[self.runs[at].course].as_ref();
        if course.is_some_and(|course| course.task.stop.is_asked()) {
            self.closing = Closing::Leaving;
        }
        if self.closing == Closing::Leaving && self.runs[at].feed.is_between_messages() {
            self.give_up_feeding();
        }
    }

    /// Ends the mailboxes of which every message was told of.
    fn end_answered(&mut self) {
        for ticket in self.first_run..self.runs.len() {
            let run = &mut self.runs[ticket];
            if run.outstanding > 0 || self.feeding.contains(&ticket) {
                continue;
            }
            let Some(course) = &mut self.open[run.course] else { continue };
            if !run.feed.orders().is_empty() {
                keep_copies(run, &course.task);
                run.feed = Feed::new(ticket, Vec::new(), Passage::Straight);
                course.feeds_open -= 1;
            }
        }
        let ended = |run: &Run| run.feed.orders().is_empty();
        self.first_run += self.runs[self.first_run..].iter().take_while(|run| ended(run)).count();
        for course in &mut self.open[self.first_course..] {
            let done = |course: &mut Course<'_>| course.feeds_open == 0 && !course.has_more();
            if let Some(course) = course.take_if(done) {
                self.courses.has_ended(course);
            }
        }
        let open = &self.open[self.first_course..];
        self.first_course += open.iter().take_while(|course| course.is_none()).count();
    }

    /// The connections are of no more use: says so in the mailboxes that are not done.
    fn break_off(&mut self, fault: &Fault) {
        let last = self.open.len().checked_sub(1);
        for (at, course) in self.open.iter_mut().enumerate() {
            let Some(course) = course else { continue };
            if course.feeds_open > 0 || Some(at) == last {
                let fault = placed(fault.clone(), course.task.plan);
                course.task.note_fault(fault, &mut course.progress);
            }
        }
    }

    /// The courses that are not done, with what was not told of.
    fn take_back(&mut self) -> Vec<Course<'a>> {
        for run in self.runs.iter_mut().rev() {
            let Some(course) = &mut self.open[run.course] else { continue };
            keep_copies(run, &course.task);
            let rest = run.rest();
            if run.outstanding > 0 && !rest.orders.is_empty() {
                course.rest.push_front(rest);
            }
            course.feeds_open = 0;
        }
        let mut unfinished = Vec::new();
        for course in &mut self.open {
            unfinished.extend(course.take_if(|course| course.has_more()));
        }
        unfinished
    }

    /// A course that may be gone on with; one that its mailbox refused, or that is to stop, is told
    /// of as it is.
    fn unless_barred(&mut self, mut course: Course<'a>) -> Option<Course<'a>> {
        if !course.barred && !course.task.stop.is_asked() {
            return Some(course);
        }
        course.rest.clear();
        self.courses.has_ended(course);
        None
    }

    fn end_all(&mut self) {
        for run in &mut self.runs {
            if let Some(course) = &self.open[run.course] {
                keep_copies(run, &course.task);
            }
        }
        for course in self.open.drain(..).flatten() {
            self.courses.has_ended(course);
        }
    }
}

impl Run {
    /// A message was told of.
    fn strike_off(&mut self, uid: Uid) {
        self.outstanding = self.outstanding.saturating_sub(1);
        if let Some(told) = self.feed.position(uid).and_then(|at| self.told.get_mut(at)) {
            *told = true;
        }
    }

    /// What was not handed over will not be.
    fn forget_unsent(&mut self) {
        for (order, told) in self.feed.orders().iter().zip(&mut self.told) {
            *told |= !self.feed.was_handed_over(order.uid);
        }
        self.outstanding = self.told.iter().filter(|told| !**told).count();
    }

    /// What was not told of, and which of it was sent.
    fn rest(&self) -> Rest {
        let untold = self.feed.orders().iter().zip(&self.told).filter(|(_, told)| !**told);
        let orders: Vec<Order> = untold.map(|(order, _)| order.clone()).collect();
        let uids = orders.iter().map(|order| order.uid);
        let may_be_there =
            |uid: &Uid| self.feed.was_handed_over(*uid) && !self.put_off.contains(uid);
        let in_doubt = uids.filter(may_be_there).collect();
        Rest { part: self.part, orders, in_doubt }
    }

    /// Hands a body event on, or takes note of a message that did not come.
    fn take<T: Target>(&mut self, event: BodyEvent<'_>, target: &mut T, course: &mut Course<'_>) {
        if let BodyEvent::Missing { uid, fault } = event {
            self.strike_off(uid);
            course.task.note_missing(self.part, (uid, fault), &mut course.progress);
            return;
        }
        if let Some(receipt) = &course.task.job.receipt
            && let Some((uid, octets, headline)) = self.glance.look(&event)
        {
            let mailbox = &course.task.plan.parts[self.part].source;
            receipt.note_sent(mailbox, uid, (octets, &headline));
        }
        let begins = matches!(event, BodyEvent::Whole { .. } | BodyEvent::Begin { .. });
        let octets = self.feed.take(event, target);
        if let Some((uid, fault)) = self.feed.take_lost() {
            self.strike_off(uid);
            course.task.note_missing(self.part, (uid, fault), &mut course.progress);
        }
        course.task.pace.spend(octets, u64::from(begins), Instant::now());
        if octets > 0 {
            course.task.events.on(&Event::Octets(octets));
        }
    }
}

async fn until(moment: Option<Instant>) {
    if let Some(moment) = moment {
        // Not for long: the run may be asked to stop meanwhile.
        let moment = moment.min(Instant::now() + PAUSE_MAX);
        tokio::time::sleep_until(moment.into()).await;
    }
}

/// However it ended: what was acknowledged is there.
fn keep_copies(run: &mut Run, task: &Task<'_>) {
    let Copies { uid_validity, made } = std::mem::take(&mut run.copies);
    task.keep_copies(run.part, uid_validity, &made);
}

//! A mailbox on its way through a pair of connections, and through the next one where that breaks.

use std::collections::{BTreeMap, HashSet, VecDeque};

use mailferry_engine::fault::{Fault, FaultKind, Side};
use mailferry_engine::message::Uid;
use mailferry_engine::plan::MailboxPlan;
use mailferry_engine::policy::PermanentFlags;
use mailferry_store::contract::{Appended, Target, Turn};

use crate::copy::Order;
use crate::events::Event;
use crate::mailbox::{Progress, Task};
use crate::twins::Twin;
use crate::within::Batch;
use crate::within::round::Due;

/// A message at which a connection broke so often, with nothing else under way, is given up.
const STRIKES_MAX: u32 = 2;

/// Which of the copies of a mailbox one pair of connections makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Share {
    pub(crate) number: usize,
    pub(crate) of: usize,
    pub(crate) round: Round,
}

/// When copies are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Round {
    /// Those that are fetched.
    First,
    /// Those that the target can make of these.
    Second,
}

impl Share {
    pub(crate) fn is_first(self) -> bool {
        self.number == 0
    }

    fn take(self, mut orders: Vec<Order>) -> Vec<Order> {
        let (all, of) = (orders.len(), self.of.max(1));
        orders.truncate(all * (self.number + 1) / of);
        orders.drain(..all * self.number / of);
        orders
    }
}

/// A mailbox that is being worked on, and what was done there.
pub(crate) struct Course<'a> {
    /// Its place in the plan.
    pub(crate) at: usize,
    pub(crate) task: Task<'a>,
    pub(crate) progress: Progress,
    pub(crate) share: Share,
    pub(crate) kept: Option<PermanentFlags>,
    /// The source mailbox that is fed next.
    pub(crate) next_part: usize,
    /// Feeds that are not answered for to their end.
    pub(crate) feeds_open: usize,
    /// What a broken connection left undone, before anything that was not begun.
    pub(crate) rest: VecDeque<Rest>,
    /// The copies that were answered for, by which they are told from those in doubt.
    pub(crate) landed: Landed,
    /// So many messages are to be sent one by one, to find the one at which connections break.
    pub(crate) careful: usize,
    suspect: Option<Suspect>,
    /// The target refused the mailbox itself.
    pub(crate) barred: bool,
    /// Messages that the target refused, and that a repair may bring in.
    pub(crate) refused: Vec<Refused>,
    /// Messages that are left to the second round.
    pub(crate) later: &'a [Twin],
    /// In the second round: what is copied within the target, before anything is fetched,
    pub(crate) within: VecDeque<Batch>,
    /// and the highest UID of each source mailbox that was copied, by its index.
    reached: BTreeMap<usize, Uid>,
}

/// The messages of one source mailbox that were not answered for when a connection broke.
pub(crate) struct Rest {
    pub(crate) part: usize,
    /// Ascending by UID.
    pub(crate) orders: Vec<Order>,
    /// Those that were sent: they may be on the target.
    pub(crate) in_doubt: HashSet<Uid>,
}

/// A message that the target refused, and that was not told of yet.
#[derive(Clone, Debug)]
pub(crate) struct Refused {
    pub(crate) part: usize,
    pub(crate) uid: Uid,
    pub(crate) fault: Fault,
}

/// The copies that were answered for.
#[derive(Default)]
pub(crate) struct Landed {
    /// The UIDVALIDITY of the target mailbox by what APPENDUID told; 0 where it told nothing.
    pub(crate) uid_validity: u32,
    pub(crate) copies: Vec<Landing>,
}

/// A copy that was answered for.
#[derive(Clone, Copy)]
pub(crate) struct Landing {
    /// Index of the source mailbox.
    pub(crate) part: u32,
    pub(crate) source: Uid,
    /// Its UID, where it is known.
    pub(crate) target: Option<Uid>,
    /// How it is known.
    pub(crate) proof: Proof,
}

/// How the UID of a copy is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Proof {
    /// The target told it of this run's own APPEND.
    Told,
    /// A message of equal content was found where one was in doubt: it may be somebody else's.
    Found,
}

impl Landed {
    /// A copy was answered for.
    pub(crate) fn add(&mut self, part: usize, source: Uid, copy: (Option<Uid>, u32, Proof)) {
        let (target, uid_validity, proof) = copy;
        if target.is_some() {
            self.uid_validity = uid_validity;
        }
        let part = u32::try_from(part).unwrap_or(u32::MAX);
        self.copies.push(Landing { part, source, target, proof });
    }

    /// What another share of the mailbox brought.
    pub(crate) fn join(&mut self, other: Self) {
        self.uid_validity = self.uid_validity.max(other.uid_validity);
        self.copies.extend(other.copies);
    }

    /// The UIDs of copies that were told, ascending.
    pub(crate) fn named(&self) -> Vec<Uid> {
        let mut named: Vec<Uid> = self.copies.iter().filter_map(|copy| copy.target).collect();
        named.sort_unstable();
        named
    }
}

/// A message at which connections break.
#[derive(Clone, Copy)]
struct Suspect {
    part: usize,
    uid: Uid,
    side: Side,
    strikes: u32,
}

/// Where the next mailbox comes from.
pub(crate) trait Courses<'a> {
    /// The next one, unless the run is to stop.
    fn next_course(&mut self) -> Option<Course<'a>>;

    /// A mailbox has all its copies, or none will be made any more. Its flags may still have to
    /// be changed.
    fn has_ended(&mut self, course: Course<'a>);
}

impl<'a> Course<'a> {
    pub(crate) fn new(at: usize, task: Task<'a>, share: Share) -> Self {
        let progress = Progress::default();
        Self {
            at,
            task,
            progress,
            share,
            kept: None,
            next_part: 0,
            feeds_open: 0,
            rest: VecDeque::new(),
            landed: Landed::default(),
            careful: 0,
            suspect: None,
            barred: false,
            refused: Vec::new(),
            later: &[],
            within: VecDeque::new(),
            reached: BTreeMap::new(),
        }
    }

    /// Nothing is copied but what is ordered otherwise.
    pub(crate) fn skip_parts(&mut self) {
        self.next_part = self.task.plan.parts.len();
    }

    /// Goes on where the first round ended.
    pub(crate) fn begin_second_round(&mut self, due: Due) {
        let Due { landed, batches, to_fetch } = due;
        for copy in &landed.copies {
            self.reach(copy.part as usize, copy.source);
        }
        self.landed = landed;
        self.within = batches.into();
        self.fetch(to_fetch);
        if self.task.copies_well.is_denied() {
            self.fetch_all_within();
        }
    }

    /// In the second round, a message was copied.
    pub(crate) fn reach(&mut self, part: usize, uid: Uid) {
        let reached = self.reached.entry(part).or_insert(uid);
        *reached = uid.max(*reached);
    }

    /// Whether a message that is copied now comes to stand behind a later one.
    pub(crate) fn is_behind(&self, part: usize, uid: Uid) -> bool {
        self.reached.get(&part).is_some_and(|reached| *reached > uid)
    }

    /// The orders for messages, by source mailbox, ascending by UID.
    pub(crate) fn orders_of(&self, messages: Vec<(usize, Uid)>) -> BTreeMap<usize, Vec<Order>> {
        let kept = self.kept.as_ref().unwrap_or(&PermanentFlags::Unknown);
        let mut orders: BTreeMap<usize, Vec<Order>> = BTreeMap::new();
        for (part, uid) in messages {
            orders.entry(part).or_default().extend(self.task.order(part, uid, kept));
        }
        orders.values_mut().for_each(|orders| orders.sort_by_key(|order| order.uid));
        orders
    }

    pub(crate) fn has_more(&self) -> bool {
        !self.within.is_empty() || !self.rest.is_empty() || self.has_parts()
    }

    fn has_parts(&self) -> bool {
        self.next_part < self.task.plan.parts.len() && self.task.plan.counts.copy > 0
    }

    /// What is asked for next, with the flags that the target keeps; `None` where nothing is left.
    pub(crate) fn next_orders(&mut self) -> Option<(usize, Vec<Order>)> {
        if let Some(Rest { part, mut orders, .. }) = self.rest.pop_front() {
            if let Some(kept) = &self.kept {
                self.task.keep_flags(part, &mut orders, kept);
            }
            return Some((part, orders));
        }
        if !self.has_parts() {
            return None;
        }
        let part = self.next_part;
        self.next_part += 1;
        let kept = self.kept.as_ref().unwrap_or(&PermanentFlags::Unknown);
        let mut orders = self.task.orders(part, kept);
        if !self.later.is_empty() {
            let is_later = |uid: Uid| {
                self.later
                    .binary_search_by_key(&(part, uid), |it| (it.part as usize, it.uid))
                    .is_ok()
            };
            orders.retain(|order| !is_later(order.uid));
        }
        Some((part, self.share.take(orders)))
    }

    /// A connection broke, on that side, and nothing was achieved since the one before broke:
    /// what was under way is tried one by one, and what it broke at again and again, being under
    /// way alone, is given up.
    pub(crate) fn broke_in_vain(&mut self, side: Side) {
        let alone = match side {
            Side::Target => self.alone_in_doubt(),
            Side::Source => self.ask_alone(),
        };
        let Some((part, uid)) = alone else { return };
        let strikes = match self.suspect {
            Some(before) if (before.part, before.uid) == (part, uid) => before.strikes + 1,
            _ => 1,
        };
        self.suspect = Some(Suspect { part, uid, side, strikes });
    }

    /// The only message that was sent and not answered for; from now on each waits for the answer
    /// to the one before.
    fn alone_in_doubt(&mut self) -> Option<(usize, Uid)> {
        let rest = self.rest.front()?;
        // One more, so that the last of them is answered for before the rest follows.
        self.careful = rest.in_doubt.len() + 1;
        let mut in_doubt = rest.in_doubt.iter();
        let (first, more) = (in_doubt.next()?, in_doubt.next());
        more.is_none().then_some((rest.part, *first))
    }

    /// The message that was to come from the source, if it was asked for alone; from now on it is.
    fn ask_alone(&mut self) -> Option<(usize, Uid)> {
        let at = self.rest.iter().position(|rest| rest.orders.len() > rest.in_doubt.len())?;
        let rest = &mut self.rest[at];
        let part = rest.part;
        let unsent = |order: &Order| !rest.in_doubt.contains(&order.uid);
        let place = rest.orders.iter().position(unsent)?;
        if rest.orders.len() == 1 {
            return Some((part, rest.orders[0].uid));
        }
        let behind = rest.orders.split_off(place + 1);
        let alone = rest.orders.pop().into_iter().collect();
        let later: Vec<Rest> = [alone, behind]
            .into_iter()
            .filter(|orders: &Vec<Order>| !orders.is_empty())
            .map(|orders| {
                let sent = |order: &&Order| rest.in_doubt.contains(&order.uid);
                let in_doubt = orders.iter().filter(sent).map(|order| order.uid).collect();
                Rest { part, orders, in_doubt }
            })
            .collect();
        let here: HashSet<Uid> = rest.orders.iter().map(|order| order.uid).collect();
        rest.in_doubt.retain(|uid| here.contains(uid));
        for (place, later) in later.into_iter().enumerate() {
            self.rest.insert(at + 1 + place, later);
        }
        self.rest.retain(|rest| !rest.orders.is_empty());
        None
    }

    /// Gives up the message at which connections broke time and again; whether there was one.
    pub(crate) fn give_up_suspect(&mut self) -> bool {
        let Some(suspect) = self.suspect.filter(|it| it.strikes >= STRIKES_MAX) else {
            return false;
        };
        self.suspect = None;
        let Suspect { part, uid, side, .. } = suspect;
        let mut found = None;
        for rest in self.rest.iter_mut().filter(|rest| rest.part == part) {
            if let Ok(at) = rest.orders.binary_search_by_key(&uid, |order| order.uid) {
                found = Some(rest.orders.remove(at));
                rest.in_doubt.remove(&uid);
            }
        }
        self.rest.retain(|rest| !rest.orders.is_empty());
        let Some(order) = found else { return false };
        let words = "the connection broke each time when this message was under way";
        match side {
            Side::Source => {
                let fault = Fault::new(side, FaultKind::Fetch, words);
                self.task.note_missing(part, (uid, fault), &mut self.progress);
            }
            Side::Target => {
                let fault = Fault::new(side, FaultKind::Append, words);
                let appended = Appended {
                    ticket: 0,
                    uid,
                    octets: u64::from(order.size),
                    result: Err(fault.in_mailbox(&self.task.plan.target)),
                    uid_validity: 0,
                    turn: Turn::First,
                };
                self.task.note_appended(part, appended, &mut self.progress);
            }
        }
        true
    }

    /// A message was refused, and that is the end of it.
    pub(crate) fn tell_refused(&mut self, refused: Refused) {
        let Refused { part, uid, fault } = refused;
        self.task.events.on(&Event::RepairEnds);
        if fault.kind == FaultKind::Expunged {
            self.task.note_missing(part, (uid, fault), &mut self.progress);
            return;
        }
        let appended = Appended {
            ticket: 0,
            uid,
            octets: 0,
            result: Err(fault),
            uid_validity: 0,
            turn: Turn::Retried,
        };
        self.task.note_appended(part, appended, &mut self.progress);
    }

    /// Tells of every refused message that was not told of yet.
    pub(crate) fn tell_all_refused(&mut self) {
        while let Some(refused) = self.refused.pop() {
            self.tell_refused(refused);
        }
    }

    /// Nothing more is tried.
    pub(crate) fn give_up(&mut self, fault: &Fault) {
        let fault = placed(fault.clone(), self.task.plan);
        self.task.note_fault(fault, &mut self.progress);
        self.rest.clear();
    }

    /// Changes flags, where all copies went well enough that the connection still stands.
    pub(crate) async fn update_flags<T: Target>(&mut self, target: &mut T) -> Result<(), Fault> {
        if self.task.plan.counts.update_flags == 0 || self.task.stop.is_asked() {
            return Ok(());
        }
        let kept = match self.kept.take() {
            Some(kept) => kept,
            None => self.task.permanent_flags(target).await?,
        };
        self.task.update_flags(target, &kept, &mut self.progress).await
    }
}

/// A fault with its mailbox named, by the name it has on the fault's side.
pub(crate) fn placed(fault: Fault, plan: &MailboxPlan) -> Fault {
    use mailferry_engine::fault::Side;
    match (&fault.mailbox, fault.side, &plan.parts[..]) {
        (Some(_), ..) => fault,
        (None, Side::Source, [only]) => fault.in_mailbox(&only.source),
        // Which of several sources it was is not known.
        (None, ..) => fault.in_mailbox(&plan.target),
    }
}

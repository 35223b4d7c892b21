//! Whether a target gives back what it was given. Some rewrite the headers of what they store (Domino,
//! some Exchange): their copies are strangers to every later run that has no local state, and would
//! be made again.
//!
//! So the first copies of a mailbox are listed in the run that made them, together with the last look
//! at how much the mailboxes hold, and it is seen whether a later run would know them. One mailbox in
//! which all are recognised speaks for the target, and no other is looked at. Where none is, the run
//! says so, and nothing is removed there, nor from where it came.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use mailferry_engine::account::Plan;
use mailferry_engine::fault::{Fault, FaultKind, Scope, Side};
use mailferry_engine::identity::KeyRule;
use mailferry_engine::listing::{MessageListing, SIZE_UNKNOWN};
use mailferry_engine::message::{InternalDate, Key, Uid};
use mailferry_engine::name::MailboxName;
use mailferry_engine::policy::Unrecognised;
use mailferry_store::contract::{Among, Source};

use crate::accounts::Accounts;
use crate::course::Landed;
use crate::job::{CopyOrder, Job};
use crate::look_back::Counted;
use crate::mailbox::Task;
use crate::report::Report;
use crate::settle::first_unlisted;
use crate::workers::Shared;

/// So many copies of a mailbox are looked at.
const COPIES_LOOKED_AT: usize = 5;

/// What is known of the target.
#[derive(Debug, Default)]
pub(crate) struct Recognition {
    /// Nothing more is to be looked at.
    settled: AtomicBool,
    judged: Mutex<BTreeMap<MailboxName, Verdict>>,
}

/// What a look at some copies of a mailbox told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    /// A later run recognises all of them.
    Recognised,
    /// It recognises none of them.
    Unrecognised,
    /// Neither, or nothing could be looked at.
    Open,
}

impl Recognition {
    pub(crate) fn new(job: &Job, plan: &Plan) -> Self {
        // Without state, what is there was recognised by what the target told in this run.
        let was_told = |counts: u64| job.state.is_none() && counts > 0;
        let is_known = plan
            .mailboxes
            .iter()
            .any(|mailbox| was_told(mailbox.counts.present + mailbox.counts.update_flags));
        // What rules about content alter is another message on the target by their will.
        let is_altered = job.transform.is_some();
        let is_settled = is_known || is_altered || job.rules.unrecognised == Unrecognised::Append;
        let says_so = |fault: &Fault| fault.kind == FaultKind::Unrecognised;
        let strange = plan.mailboxes.iter().filter(|mailbox| mailbox.faults.iter().any(says_so));
        let judged = strange.map(|mailbox| (mailbox.target.clone(), Verdict::Unrecognised));
        Self { settled: AtomicBool::new(is_settled), judged: Mutex::new(judged.collect()) }
    }

    /// Whether nothing is recognised of what was copied to a mailbox: nothing is removed there, nor
    /// from where it came.
    pub(crate) fn is_strange(&self, mailbox: &MailboxName) -> bool {
        self.judged().get(mailbox) == Some(&Verdict::Unrecognised)
    }

    fn is_judged(&self, mailbox: &MailboxName) -> bool {
        self.settled.load(Ordering::Relaxed) || self.judged().contains_key(mailbox)
    }

    fn judge(&self, mailbox: &MailboxName, verdict: Verdict) {
        self.settled.fetch_or(verdict == Verdict::Recognised, Ordering::Relaxed);
        self.judged().insert(mailbox.clone(), verdict);
    }

    fn judged(&self) -> MutexGuard<'_, BTreeMap<MailboxName, Verdict>> {
        self.judged.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The first copies of a mailbox, and what a later run would know them by.
pub(crate) struct Sample<'a> {
    at: usize,
    task: &'a Task<'a>,
    landed: &'a Landed,
    /// The UIDs that they have, or may have where the target told none: the first ones that were not
    /// there before.
    pub(crate) uids: Vec<Uid>,
    expected: Expected,
}

enum Expected {
    /// Of each copy, by the UID that the target told: key, size and date of its message.
    Told(BTreeMap<Uid, (Key, u32, InternalDate)>),
    /// The keys of the first messages that were copied.
    Untold(BTreeSet<Key>),
}

impl<'a> Sample<'a> {
    pub(crate) fn mailbox(&self) -> &'a MailboxName {
        &self.task.plan.target
    }

    pub(crate) fn keys(&self) -> &'a KeyRule {
        &self.task.job.keys
    }

    /// `None` where only content could tell: it is no matter of headers.
    fn of((at, task, landed): &'a (usize, Task<'a>, &'a Landed)) -> Option<Self> {
        let first_keys = &task.listings.first_keys;
        let told = first_keys.iter().filter_map(|&(part, uid, key)| {
            let copy = landed.copies.iter().find(|it| (it.part, it.source) == (part, uid))?;
            let listing = task.listings.sources.get(part as usize)?;
            let at = listing.position(uid)?;
            Some((copy.target?, (key, listing.size[at], listing.date[at])))
        });
        let told: BTreeMap<_, _> = told.take(COPIES_LOOKED_AT).collect();
        if !told.is_empty() {
            let (uids, expected) = (told.keys().copied().collect(), Expected::Told(told));
            return Some(Self { at: *at, task, landed, uids, expected });
        }
        // The first UIDs are those of the first copies only if those were made first.
        let are_first = task.job.order == CopyOrder::OfUids
            && landed.copies.iter().all(|copy| copy.target.is_none())
            && first_keys.iter().all(|&(part, uid, _)| {
                landed.copies.iter().any(|copy| (copy.part, copy.source) == (part, uid))
            });
        if first_keys.is_empty() || !are_first {
            return None;
        }
        let first = first_unlisted(&task.listings.target)?.value();
        let uids = (first..=u32::MAX).take(COPIES_LOOKED_AT).filter_map(Uid::new).collect();
        let expected = Expected::Untold(first_keys.iter().map(|(.., key)| *key).collect());
        Some(Self { at: *at, task, landed, uids, expected })
    }

    /// Whether what is there now are the copies of this run, made in their turn; else what the
    /// target told no UID of may be anybody's.
    fn is_exact(&self, counted: &Counted, report: &Report) -> bool {
        let is_as_sent =
            !counted.overfull.contains_key(&self.at) && !counted.short.contains(&self.at);
        is_as_sent && report.mailboxes.get(self.at).is_some_and(|it| it.out_of_order.is_empty())
    }

    fn judge(&self, rows: &MessageListing, (counted, report): (&Counted, &Report)) -> Verdict {
        let known = [self.task.listings.target.uid_validity, self.landed.uid_validity];
        if known.into_iter().any(|known| known != 0 && known != rows.uid_validity) {
            return Verdict::Open;
        }
        let is_exact = self.is_exact(counted, report);
        let (mut all, mut recognised, mut strange) = (0, 0, 0);
        for (at, uid) in rows.uid.iter().enumerate() {
            let (is_known, is_strange) = match &self.expected {
                Expected::Told(told) => match told.get(uid) {
                    Some(message) => (is_same(message, rows, at), message.0 != rows.key[at]),
                    None => continue,
                },
                Expected::Untold(_) if rows.key[at].is_none() => continue,
                Expected::Untold(keys) => {
                    let is_known = keys.contains(&rows.key[at]);
                    (is_known, !is_known && is_exact)
                }
            };
            all += 1;
            recognised += usize::from(is_known);
            strange += usize::from(is_strange);
        }
        match all {
            0 => Verdict::Open,
            all if all == recognised => Verdict::Recognised,
            all if all == strange => Verdict::Unrecognised,
            _ => Verdict::Open,
        }
    }
}

/// Whether a later run takes a copy for that message without a look at their contents
/// (`pairing.rs`).
fn is_same((key, size, date): &(Key, u32, InternalDate), rows: &MessageListing, at: usize) -> bool {
    let same_size = *size == rows.size[at] && *size != SIZE_UNKNOWN;
    let same_date = date.is_known() && date.instant() == rows.date[at].instant();
    *key == rows.key[at] && (same_size || same_date)
}

impl<A: Accounts> Shared<A> {
    /// The first copies that are to be looked at; `None` where the target is known.
    pub(crate) fn sample<'a>(
        &self,
        mailboxes: &'a [(usize, Task<'a>, &'a Landed)],
    ) -> Option<Sample<'a>> {
        let unknown =
            mailboxes.iter().filter(|(_, task, _)| !self.recognition.is_judged(&task.plan.target));
        unknown.filter_map(Sample::of).next()
    }

    /// Judges by the copies that came with the last look, and goes on to other mailboxes until one
    /// proves that the target gives back what it was given.
    ///
    /// # Errors
    /// The connection is of no more use.
    pub(crate) async fn recognise<'m>(
        &self,
        (target, counted): (&mut A::Target, &Counted),
        mailboxes: &'m [(usize, Task<'m>, &'m Landed)],
        (mut sample, mut rows): (Option<Sample<'m>>, MessageListing),
        report: &mut Report,
    ) -> Result<(), Fault> {
        while let Some(looked_at) = sample {
            let mailbox = looked_at.mailbox();
            let verdict = looked_at.judge(&rows, (counted, &*report));
            self.recognition.judge(mailbox, verdict);
            if verdict == Verdict::Unrecognised {
                self.execution.note(unrecognised(looked_at.task, looked_at.landed), report);
            }
            sample = self.sample(mailboxes);
            let Some(next) = &sample else { break };
            let among = Among::These(&next.uids);
            rows = match target.messages_among(next.mailbox(), among, next.keys()).await {
                Err(fault) if fault.scope > Scope::Mailbox => return Err(fault),
                Err(_) => MessageListing::default(),
                Ok(rows) => rows,
            };
        }
        Ok(())
    }
}

/// What is said of a mailbox whose copies are strangers.
fn unrecognised(task: &Task<'_>, landed: &Landed) -> Fault {
    let what_then = match &task.job.state {
        None => "a later run without local state takes them for missing",
        Some(_) if landed.named().is_empty() => "it tells no UIDs by which they could be known",
        Some(_) => "copying goes on by the UIDs of the copies",
    };
    let words = format!(
        "none of the copies that were looked at is recognised, since the target rewrites what it \
         stores; {what_then}, and nothing is removed"
    );
    Fault::new(Side::Target, FaultKind::Unrecognised, words).in_mailbox(&task.plan.target)
}

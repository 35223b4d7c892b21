//! Which copies on the target are those of messages that rules altered.
//!
//! What plain identity pairs stays so. A message that it leaves over counts as what the rules make
//! of it, against what it leaves over on the target: the same rules of identity, on other octets.
//! Nothing is remembered for it, so it holds without local state, and where mail is to be removed.

use std::collections::HashSet;
use std::sync::Arc;

use mailferry_engine::fault::{Fault, FaultKind, Scope, Side};
use mailferry_engine::listing::{MessageListing, Row, SIZE_UNKNOWN};
use mailferry_engine::message::FlagSet;
use mailferry_engine::name::MailboxName;
use mailferry_engine::pairing::{
    Digests, Needs, PairInput, PairRule, Pairing, Pairs, SourceFate, SourceRef, TargetFate,
    TargetQuestion, pair,
};
use mailferry_engine::repair::{Fingerprint, Identity};
use mailferry_store::contract::{AsListed, Source, Wanted};

use super::gather::{Came, Gatherer};
use super::work::{Gathered, Outcome, Prepared, make};
use super::{DateFrom, Purpose, Subject, Transform};
use crate::job::{Dates, Job};
use crate::stop::Stop;
use crate::survey::listed;

/// How often pairing may ask for more digests.
const PAIRING_ROUNDS_MAX: usize = 4;

/// A mailbox of either side, and what was listed of it.
pub(crate) type Mailbox<'a> = (&'a MailboxName, &'a MessageListing);

/// What was paired by plain identity.
pub(crate) struct Paired<'a> {
    pub(crate) job: &'a Job,
    pub(crate) stop: &'a Stop,
    pub(crate) rule: PairRule,
    pub(crate) sources: Vec<Mailbox<'a>>,
    pub(crate) target: Mailbox<'a>,
}

/// What plain identity left over of one mailbox.
#[derive(Default)]
struct Left {
    listing: MessageListing,
    digests: Digests,
    /// The place of each in the whole listing.
    places: Vec<u32>,
}

impl Left {
    fn input(&self) -> PairInput<'_> {
        PairInput { listing: &self.listing, digests: &self.digests }
    }

    fn push(&mut self, whole: &MessageListing, at: usize, seen: Option<(Identity, u64)>) {
        let flags = self.listing.flag_table.intern(FlagSet::default());
        let (uid, mut key, mut size) = (whole.uid[at], whole.key[at], whole.size[at]);
        if let Some((identity, octets)) = seen {
            key = identity.key.unwrap_or(key);
            size = u32::try_from(octets).unwrap_or(SIZE_UNKNOWN);
            self.digests.insert(uid, identity.digest);
        }
        let (date, selected) = (whole.date[at], whole.selected[at]);
        self.listing.push(Row { uid, key, size, date, flags, selected });
        self.places.push(u32::try_from(at).unwrap_or(u32::MAX));
    }
}

impl Paired<'_> {
    /// Pairs what is left over with what rules make of it.
    ///
    /// # Errors
    /// A connection is of no more use, or the contents could not be compared.
    pub(crate) async fn pair_altered<S: Source, T: Source>(
        &self,
        source: &mut S,
        target: &mut T,
        pairs: &mut Pairs,
    ) -> Result<(), Fault> {
        let Some(transform) = &self.job.transform else { return Ok(()) };
        let mut open = Left::default();
        for (at, fate) in pairs.target.iter().enumerate() {
            if matches!(fate, TargetFate::Unmatched | TargetFate::DuplicateOf(_)) {
                open.push(self.target.1, at, None);
            }
        }
        if open.places.is_empty() {
            return Ok(());
        }
        let mut parts = Vec::new();
        for (part, &(mailbox, whole)) in self.sources.iter().enumerate() {
            let candidates = self.candidates(part, transform, &open, pairs);
            let mut left = Left::default();
            if !candidates.is_empty() {
                self.go_over(source, (mailbox, whole), candidates, &mut left).await?;
            }
            parts.push(left);
        }
        if parts.iter().all(|left| left.places.is_empty()) {
            return Ok(());
        }
        let found = self.pair_left(&parts, &mut open, target).await?;
        take_over(&found, (&parts, &open), pairs);
        Ok(())
    }

    /// The messages of a mailbox that may have an altered copy.
    fn candidates(
        &self,
        part: usize,
        transform: &Transform,
        open: &Left,
        pairs: &Pairs,
    ) -> Vec<usize> {
        let whole = self.sources[part].1;
        // A copy has the date of its message, unless that was not wanted.
        let dated = self.job.dates == Dates::Keep && transform.date == DateFrom::Listing;
        let instants: HashSet<i64> =
            open.listing.date.iter().filter_map(|date| date.instant()).collect();
        let may_be_there = |at: usize| {
            let instant = whole.date[at].instant();
            !dated || instant.is_none_or(|instant| instants.contains(&instant))
        };
        let is_paired = |of: SourceRef| {
            let fate = pairs.parts[of.part as usize][of.at as usize];
            matches!(fate, SourceFate::Paired(_))
        };
        let is_wanted = |at: usize| {
            let copied = whole.selected[at] && self.rule.sizes.refusal(whole.size[at]).is_none();
            // What is not copied now may have been before: nothing of it is to be removed.
            copied || self.rule.question != TargetQuestion::None
        };
        let fates = pairs.parts.get(part).into_iter().flatten().enumerate();
        fates
            .filter(|&(at, fate)| match *fate {
                SourceFate::New => may_be_there(at),
                SourceFate::NewContent => true,
                SourceFate::DuplicateOf(of) => !is_paired(of) && may_be_there(at),
                SourceFate::Paired(_) | SourceFate::NoDigest => false,
            })
            .filter(|&(at, _)| is_wanted(at))
            .map(|(at, _)| at)
            .collect()
    }

    /// Reads messages and takes the identity of what the rules make of each.
    async fn go_over<S: Source>(
        &self,
        source: &mut S,
        (mailbox, whole): Mailbox<'_>,
        candidates: Vec<usize>,
        left: &mut Left,
    ) -> Result<(), Fault> {
        let wanted =
            candidates.iter().map(|&at| Wanted { uid: whole.uid[at], size: whole.size[at] });
        source.open_bodies(listed(mailbox, whole), wanted.collect());
        let mut gatherer = Gatherer::default();
        loop {
            match gatherer.take(source.next_body().await?)? {
                Came::Message(gathered) => {
                    self.take_identity(gathered, (mailbox, whole), left).await;
                }
                // It will fail when it is copied; until then nothing is said of it.
                Came::Lost(uid, _) => {
                    if let Some(at) = whole.position(uid) {
                        left.push(whole, at, None);
                        left.digests.insert_unavailable(uid);
                    }
                }
                // What is gone, or does not come, is told of when it is copied.
                Came::Missing(..) | Came::More => {}
                Came::End => break,
            }
            if self.stop.is_asked() {
                let words = "stopped while messages were compared";
                return Err(Fault::new(Side::Source, FaultKind::Interrupted, words));
            }
        }
        left.listing.sort();
        left.places.sort_unstable();
        Ok(())
    }

    async fn take_identity(
        &self,
        gathered: Gathered,
        (mailbox, whole): Mailbox<'_>,
        left: &mut Left,
    ) {
        let uid = gathered.uid;
        let Some(at) = whole.position(uid) else { return };
        let seen = self.identity(gathered, mailbox).await;
        left.push(whole, at, seen);
        if seen.is_none() {
            // It will fail when it is copied; until then nothing is said of it.
            left.digests.insert_unavailable(uid);
        }
    }

    async fn identity(&self, gathered: Gathered, mailbox: &MailboxName) -> Option<(Identity, u64)> {
        let transform: &Arc<Transform> = self.job.transform.as_ref()?;
        let (uid, header) = (gathered.uid, self.job.add_header);
        let subject = Subject { mailbox: mailbox.clone(), uid, header };
        match make(transform, gathered, subject, Purpose::Recognising).await {
            Outcome::Message(Prepared { mut spool, .. }) => {
                let octets = spool.octets();
                let mut fingerprint = Fingerprint::new();
                let mut pass = spool.rewind().ok()?;
                loop {
                    let chunk = pass.next().ok()?;
                    if chunk.is_empty() {
                        break;
                    }
                    fingerprint.push(chunk);
                }
                Some((fingerprint.finish(&self.job.keys), octets))
            }
            Outcome::LeftOut(_) | Outcome::Failed(_) => None,
        }
    }

    /// Pairs what is left over on both sides.
    async fn pair_left<T: Source>(
        &self,
        parts: &[Left],
        open: &mut Left,
        target: &mut T,
    ) -> Result<Pairs, Fault> {
        let inputs: Vec<PairInput<'_>> = parts.iter().map(Left::input).collect();
        for _ in 0..PAIRING_ROUNDS_MAX {
            let wanted = match pair(&inputs, open.input(), &self.rule) {
                Pairing::Done(found) => return Ok(found),
                Pairing::Needs(Needs { target, .. }) => target,
            };
            let from: AsListed<'_> = listed(self.target.0, self.target.1);
            let digests = target.digests(from, &wanted).await?;
            open.digests.extend(digests);
        }
        let words = format!("messages could not be told apart in {PAIRING_ROUNDS_MAX} rounds");
        let fault = Fault::new(Side::Target, FaultKind::Limit, words).in_mailbox(self.target.0);
        Err(Fault { scope: Scope::Mailbox, ..fault })
    }
}

/// Puts what was found in the place of what was not.
fn take_over(found: &Pairs, (parts, open): (&[Left], &Left), pairs: &mut Pairs) {
    for (part, (left, fates)) in parts.iter().zip(&found.parts).enumerate() {
        for (&place, fate) in left.places.iter().zip(fates) {
            pairs.parts[part][place as usize] = match *fate {
                SourceFate::Paired(at) => SourceFate::Paired(open.places[at as usize]),
                SourceFate::DuplicateOf(of) => {
                    let at = parts[of.part as usize].places[of.at as usize];
                    SourceFate::DuplicateOf(SourceRef { part: of.part, at })
                }
                SourceFate::NoDigest => SourceFate::NoDigest,
                // As plain identity has it.
                SourceFate::New | SourceFate::NewContent => continue,
            };
        }
    }
    for (&place, fate) in open.places.iter().zip(&found.target) {
        pairs.target[place as usize] = match *fate {
            TargetFate::Paired => TargetFate::Paired,
            TargetFate::NoDigest => TargetFate::NoDigest,
            TargetFate::DuplicateOf(of) => TargetFate::DuplicateOf(open.places[of as usize]),
            TargetFate::Unmatched => continue,
        };
    }
}

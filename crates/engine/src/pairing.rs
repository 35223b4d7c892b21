//! Which messages of the source are on the target already.
//!
//! Several source mailboxes may feed one target mailbox; they count as one, put end to end.
//! Messages of the same key form a group. One on each side is the same message if date or
//! size agree; in all other groups, and among messages without a key, the digests of the
//! contents decide. Pairing cannot fetch, so it says which digests and dates it needs and is
//! called again (`docs/design/identity.md`).

mod keyless;
mod needs;

use std::collections::{HashMap, HashSet};

use serde::Serialize;

use crate::listing::MessageListing;
use crate::message::{Digest, Key, Uid};
use crate::policy::{Duplicates, Sizes};

pub use needs::Needs;

/// The digests of one mailbox, as far as they were asked for.
#[derive(Clone, Debug, Default)]
pub struct Digests(HashMap<Uid, Option<Digest>>);

impl Digests {
    /// Notes the digest of a message.
    pub fn insert(&mut self, uid: Uid, digest: Digest) {
        self.0.insert(uid, Some(digest));
    }

    /// Notes that the content of a message could not be had; it is not asked for again.
    pub fn insert_unavailable(&mut self, uid: Uid) {
        self.0.entry(uid).or_insert(None);
    }

    /// Adds what another answer told.
    pub fn extend(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    /// `None`: not known whether it can be had. `Some(None)`: it cannot.
    #[must_use]
    pub fn find(&self, uid: Uid) -> Option<Option<Digest>> {
        self.0.get(&uid).copied()
    }

    /// Number of messages with an answer, be it that there is none.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether nothing is known.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// One mailbox to be paired.
#[derive(Clone, Copy, Debug)]
pub struct PairInput<'a> {
    /// Its messages.
    pub listing: &'a MessageListing,
    /// What is known of their contents.
    pub digests: &'a Digests,
}

/// What pairing has to know of the rules; [`crate::policy::Rules::pair_rule`] makes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PairRule {
    /// How many of several messages of equal content are copied.
    pub duplicates: Duplicates,
    /// What else is asked of the target's messages.
    pub question: TargetQuestion,
    /// Which sizes are copied: of several equal messages, one that can be copied goes first.
    pub sizes: Sizes,
    /// What makes one message on each side with the same key the same.
    pub agreement: Agreement,
}

/// What makes one message on each side with the same key the same message, without a look at its
/// content.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Agreement {
    /// The instant of its INTERNALDATE or its size.
    #[default]
    DateOrSize,
    /// Its size (`--noskipsize`).
    Size,
    /// The instant of its INTERNALDATE: where the message is the last there is, its size is not
    /// enough, which an edited draft may keep.
    Date,
}

/// What is asked of the target's messages, beyond whether they stand for one of the source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TargetQuestion {
    /// Nothing: no message is to be deleted.
    None,
    /// Which of them are not on the source.
    Extra,
    /// That, and which of them are duplicates of another.
    ExtraAndDuplicates,
}

/// The answer of [`pair`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pairing {
    /// All is known.
    Done(Pairs),
    /// Something else has to be known. Ask for it, and pair again.
    Needs(Needs),
}

/// What is known of every message of a target mailbox and the source mailboxes that feed it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pairs {
    /// For each source mailbox, one fate for each message in the order of its listing.
    pub parts: Vec<Vec<SourceFate>>,
    /// One fate for each target message in the order of its listing.
    pub target: Vec<TargetFate>,
}

/// A message of the source: index of its mailbox, and index in that mailbox's listing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SourceRef {
    /// Index of the mailbox.
    pub part: u32,
    /// Index of the message.
    pub at: u32,
}

/// What became of a source message in pairing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SourceFate {
    /// It is on the target, at this index of the listing.
    Paired(u32),
    /// It is not there, nor is its key.
    New,
    /// Its key is there, but with other content, or less often.
    NewContent,
    /// Its content is that of another message, which stands for both.
    DuplicateOf(SourceRef),
    /// Content decides, and that of this message, or of one on the target that may be the
    /// same, could not be had.
    NoDigest,
}

/// What became of a target message in pairing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TargetFate {
    /// It stands for a source message.
    Paired,
    /// No source message is the same.
    Unmatched,
    /// No source message is left for it, and its content is that of the message at this index
    /// of the listing.
    DuplicateOf(u32),
    /// Its content decides and could not be had. Never to be deleted.
    NoDigest,
}

/// Pairs the messages of `sources`, as one mailbox, with those of `target`.
///
/// Takes n log n steps for n messages and allocates nothing per message but the result.
#[must_use]
pub fn pair(sources: &[PairInput<'_>], target: PairInput<'_>, rule: &PairRule) -> Pairing {
    let mut matcher = Matcher::new(sources, target, rule);
    let entries = matcher.entries();
    for group in entries.chunk_by(|one, next| one.key == next.key) {
        matcher.take_group(group);
    }
    matcher.match_keyless(&entries);
    matcher.finish()
}

/// One message among all of both sides. The order puts groups together, in each the source
/// messages before those of the target, and each side in the order of its mailboxes and UIDs.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Entry {
    key: Key,
    /// Index of the source mailbox; their number for the target.
    part: u32,
    at: u32,
}

impl Entry {
    fn source(self) -> SourceRef {
        SourceRef { part: self.part, at: self.at }
    }
}

/// How a group is settled.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Verdict {
    /// All fates stay as they are set at the beginning: new and unmatched.
    Leave,
    /// One on each side, and they are the same.
    Pair,
    /// One on each side, and their dates may tell.
    AskDates,
    /// By content.
    Compare,
}

/// A member of a group with its digest. The order of source members puts those first that
/// would be copied: if one of several equal messages is on the target, it stands for one that
/// the selection takes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Member {
    digest: Digest,
    turn: Turn,
    entry: Entry,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Turn {
    First,
    Last,
}

struct Matcher<'a> {
    sources: &'a [PairInput<'a>],
    target: PairInput<'a>,
    rule: PairRule,
    pairs: Pairs,
    needs: Needs,
}

impl<'a> Matcher<'a> {
    fn new(sources: &'a [PairInput<'a>], target: PairInput<'a>, rule: &PairRule) -> Self {
        let fates = |part: &PairInput<'_>| vec![SourceFate::New; part.listing.len()];
        let pairs = Pairs {
            parts: sources.iter().map(fates).collect(),
            target: vec![TargetFate::Unmatched; target.listing.len()],
        };
        Self { sources, target, rule: *rule, pairs, needs: Needs::default() }
    }

    /// All messages in order. Those that the server announced but did not deliver have
    /// neither key nor content: they stay out, and nothing is said of them but that.
    fn entries(&mut self) -> Vec<Entry> {
        let of_sources: usize = self.sources.iter().map(|part| part.listing.len()).sum();
        let mut entries = Vec::with_capacity(of_sources + self.target.listing.len());
        let all = self.sources.iter().chain(std::iter::once(&self.target));
        for (part, input) in (0..).zip(all) {
            entries.extend((0..).zip(&input.listing.key).map(|(at, &key)| Entry { key, part, at }));
        }
        let mut undelivered = Vec::new();
        for (part, input) in (0..).zip(self.sources.iter().chain(std::iter::once(&self.target))) {
            undelivered.extend(input.listing.oddities.iter().map(|&(at, _)| (part, at)));
        }
        if !undelivered.is_empty() {
            undelivered.sort_unstable();
            entries.retain(|entry| undelivered.binary_search(&(entry.part, entry.at)).is_err());
            for (part, at) in undelivered {
                self.set_unknown(Entry { key: Key::NONE, part, at });
            }
        }
        entries.sort_unstable();
        entries
    }

    fn take_group(&mut self, group: &[Entry]) {
        let target_part = self.target_part();
        let split = group.partition_point(|entry| entry.part < target_part);
        let (sources, targets) = group.split_at(split);
        match self.judge(sources, targets) {
            Verdict::Leave => {}
            Verdict::Pair => self.set_pair(sources[0], targets[0]),
            Verdict::AskDates => self.ask_dates(targets),
            Verdict::Compare => {
                if !self.ask(group) {
                    self.compare(sources, targets);
                }
            }
        }
    }

    fn judge(&self, sources: &[Entry], targets: &[Entry]) -> Verdict {
        let strong = sources.iter().chain(targets).next().is_some_and(|any| !any.key.is_none());
        let copies_all = self.rule.duplicates == Duplicates::CopyAll;
        match (sources, targets) {
            ([source], [target]) if strong && self.agree(*source, *target) => Verdict::Pair,
            ([_], [target]) if strong && self.may_agree_by_date(*target) => Verdict::AskDates,
            ([_], []) | ([], [] | [_]) => Verdict::Leave,
            (_, []) if copies_all => Verdict::Leave,
            ([], _) if self.rule.question < TargetQuestion::ExtraAndDuplicates => Verdict::Leave,
            (_, _)
                if self.rule.question == TargetQuestion::None
                    && sources.iter().all(|source| self.turn(*source) == Turn::Last) =>
            {
                Verdict::Leave
            }
            _ => Verdict::Compare,
        }
    }

    /// Whether one message on each side with the same key is the same message: the instant of
    /// its INTERNALDATE or its size agrees. An edited draft keeps its Message-Id but neither.
    fn agree(&self, source: Entry, target: Entry) -> bool {
        let (here, there) = (self.input(source).listing, self.target.listing);
        let size = here.size[source.at as usize];
        let same_size = size == there.size[target.at as usize] && size != u32::MAX;
        let (date, other) = (here.date[source.at as usize], there.date[target.at as usize]);
        let same_date = date.is_known() && date.instant() == other.instant();
        match self.rule.agreement {
            Agreement::DateOrSize => same_size || same_date,
            Agreement::Size => same_size,
            Agreement::Date => same_date,
        }
    }

    /// Settles a group by content.
    fn compare(&mut self, sources: &[Entry], targets: &[Entry]) {
        let source_members = self.members(sources);
        let target_members = self.members(targets);
        if sources.is_empty() {
            // No content is needed to know that nothing is the same as these.
            for entry in targets {
                self.pairs.target[entry.at as usize] = TargetFate::Unmatched;
            }
        }
        let mut left = Left::default();
        let (mut from_source, mut from_target) = (&source_members[..], &target_members[..]);
        while let Some(digest) = [from_source.first(), from_target.first()]
            .into_iter()
            .flatten()
            .map(|member| member.digest)
            .min()
        {
            let here = from_source.partition_point(|member| member.digest == digest);
            let there = from_target.partition_point(|member| member.digest == digest);
            let (equal_sources, rest_sources) = from_source.split_at(here);
            let (equal_targets, rest_targets) = from_target.split_at(there);
            self.match_equals(equal_sources, equal_targets, &mut left);
            (from_source, from_target) = (rest_sources, rest_targets);
        }
        if !targets.is_empty() && sources.first().is_some_and(|any| !any.key.is_none()) {
            self.match_left_by_date(left);
        }
        self.leave_open_what_may_be_there(sources, targets);
    }

    /// A message that looks new may be one of those on the target whose content could not be
    /// had: where size or INTERNALDATE agree it is not known to be new, or it would be doubled.
    fn leave_open_what_may_be_there(&mut self, sources: &[Entry], targets: &[Entry]) {
        let there = self.target.listing;
        let (mut sizes, mut instants) = (HashSet::new(), HashSet::new());
        for entry in targets {
            let at = entry.at as usize;
            if self.pairs.target[at] == TargetFate::NoDigest {
                sizes.insert(there.size[at]);
                instants.extend(there.date[at].instant());
            }
        }
        if sizes.is_empty() {
            return;
        }
        for &entry in sources {
            let (part, at) = (entry.part as usize, entry.at as usize);
            let listing = self.input(entry).listing;
            let fate = self.pairs.parts[part][at];
            let agrees = sizes.contains(&listing.size[at])
                || listing.date[at].instant().is_some_and(|instant| instants.contains(&instant));
            if agrees && matches!(fate, SourceFate::New | SourceFate::NewContent) {
                self.set_source(entry, SourceFate::NoDigest);
            }
        }
    }

    /// Settles the messages of one content.
    fn match_equals(&mut self, sources: &[Member], targets: &[Member], left: &mut Left) {
        let standing = match self.rule.duplicates {
            Duplicates::CopyAll => sources.len(),
            Duplicates::CopyOne => sources.len().min(1),
        };
        let (standing, doubles) = sources.split_at(standing);
        for double in doubles {
            let fate = SourceFate::DuplicateOf(standing[0].entry.source());
            self.set_source(double.entry, fate);
        }
        let (rest, surplus) = match self.rule.duplicates {
            Duplicates::CopyAll => self.pair_equal_dates(standing.to_vec(), targets.to_vec()),
            Duplicates::CopyOne => (standing.to_vec(), targets.to_vec()),
        };
        for (source, target) in rest.iter().zip(&surplus) {
            self.set_pair(source.entry, target.entry);
        }
        left.sources.extend(rest.iter().skip(surplus.len()).copied());
        for target in surplus.iter().skip(rest.len()) {
            let first = targets[0].entry.at;
            if target.entry.at == first {
                left.targets.push(*target);
            } else {
                self.pairs.target[target.entry.at as usize] = TargetFate::DuplicateOf(first);
                if self.rule.duplicates == Duplicates::CopyAll {
                    left.targets.push(*target);
                }
            }
        }
    }

    /// Among messages of one key that no content could pair, those with the same INTERNALDATE
    /// are the same. A target that rewrites what it stores (Exchange does) would else take
    /// another copy of each duplicate in every run.
    fn match_left_by_date(&mut self, mut left: Left) {
        for source in &left.sources {
            self.set_source(source.entry, SourceFate::NewContent);
        }
        if self.rule.agreement == Agreement::Size {
            return;
        }
        left.sources.retain(|member| self.instant(member).is_some());
        left.targets.retain(|member| self.instant(member).is_some());
        self.pair_equal_dates(left.sources, left.targets);
    }

    /// Pairs members with the same INTERNALDATE, n-th to n-th, and gives back the others in
    /// order. A copy has the date of the message it was made of, so that later runs make the
    /// same pairs, and flags go to the right one of several copies.
    fn pair_equal_dates(
        &mut self,
        mut sources: Vec<Member>,
        mut targets: Vec<Member>,
    ) -> (Vec<Member>, Vec<Member>) {
        sources.sort_by_key(|member| (self.instant(member), member.turn, member.entry));
        targets.sort_by_key(|member| (self.instant(member), member.turn, member.entry));
        let (mut rest, mut surplus) = (Vec::new(), Vec::new());
        let mut candidates = targets.into_iter().peekable();
        for source in sources {
            let instant = self.instant(&source);
            while let Some(earlier) = candidates.next_if(|target| self.instant(target) < instant) {
                surplus.push(earlier);
            }
            match candidates.next_if(|target| self.instant(target) == instant) {
                Some(target) => self.set_pair(source.entry, target.entry),
                None => rest.push(source),
            }
        }
        surplus.extend(candidates);
        rest.sort_unstable();
        surplus.sort_unstable();
        (rest, surplus)
    }

    fn instant(&self, member: &Member) -> Option<i64> {
        self.input(member.entry).listing.date[member.entry.at as usize].instant()
    }

    /// The members whose digest is known, in the order of digests; the others are settled.
    fn members(&mut self, entries: &[Entry]) -> Vec<Member> {
        let mut members = Vec::with_capacity(entries.len());
        for &entry in entries {
            let input = self.input(entry);
            match input.digests.find(input.listing.uid[entry.at as usize]).flatten() {
                Some(digest) => members.push(Member { digest, turn: self.turn(entry), entry }),
                None => self.set_unknown(entry),
            }
        }
        members.sort_unstable();
        members
    }

    fn turn(&self, entry: Entry) -> Turn {
        let listing = self.input(entry).listing;
        let at = entry.at as usize;
        let wanted = listing.selected[at] && self.rule.sizes.refusal(listing.size[at]).is_none();
        if wanted || entry.part == self.target_part() { Turn::First } else { Turn::Last }
    }

    fn target_part(&self) -> u32 {
        u32::try_from(self.sources.len()).unwrap_or(u32::MAX)
    }

    fn input(&self, entry: Entry) -> PairInput<'a> {
        *self.sources.get(entry.part as usize).unwrap_or(&self.target)
    }

    fn set_source(&mut self, entry: Entry, fate: SourceFate) {
        self.pairs.parts[entry.part as usize][entry.at as usize] = fate;
    }

    fn set_pair(&mut self, source: Entry, target: Entry) {
        self.set_source(source, SourceFate::Paired(target.at));
        self.pairs.target[target.at as usize] = TargetFate::Paired;
    }

    fn set_unknown(&mut self, entry: Entry) {
        if entry.part == self.target_part() {
            self.pairs.target[entry.at as usize] = TargetFate::NoDigest;
        } else {
            self.set_source(entry, SourceFate::NoDigest);
        }
    }
}

/// What no content could pair.
#[derive(Default)]
struct Left {
    sources: Vec<Member>,
    targets: Vec<Member>,
}

//! Which target messages may be removed, and why the others stay.
//!
//! A deletion needs a rule that says so, an identity that is proven absent from the whole
//! source mailbox, and a listing without gaps; whatever is in doubt stays and is counted.

use crate::listing::Namespace;
use crate::message::Key;
use crate::pairing::{SourceFate, TargetFate};
use crate::plan::{DeleteReason, Deletion, HeldBack, HoldReason, MailboxInput, PartInput};
use crate::policy::{DeleteRule, DeleteWithin, Duplicates, Rules, TargetDuplicates};
use crate::summary::Counts;

/// Finds the target messages that may be removed.
pub(crate) struct Deletions<'a> {
    input: &'a MailboxInput<'a>,
    rules: &'a Rules,
    /// Why nothing at all may be removed here.
    hold_all: Option<HoldReason>,
    /// The keys of the source, sorted; gathered if a candidate turns up.
    source_keys: Vec<Key>,
}

impl<'a> Deletions<'a> {
    /// `counts` are those of the source's messages.
    pub(crate) fn new(input: &'a MailboxInput<'a>, rules: &'a Rules, counts: &Counts) -> Self {
        let personal = input.target_info.is_some_and(|info| info.namespace == Namespace::Personal);
        let incomplete =
            |part: &PartInput<'_>| part.fault().is_some() || !part.listing.oddities.is_empty();
        let hold_all = if input.parts.iter().any(incomplete) {
            Some(HoldReason::ListingIncomplete)
        } else if counts.problem > 0 {
            Some(HoldReason::Problem)
        } else if input.pairs.parts.iter().flatten().any(|fate| *fate == SourceFate::NoDigest) {
            // Not a problem if it is not selected, but what it is the same as is not known.
            Some(HoldReason::NoDigest)
        } else if !input.other_sources.is_empty() {
            Some(HoldReason::OtherSource)
        } else if !personal {
            Some(HoldReason::NotPersonal)
        } else {
            None
        };
        Self { input, rules, hold_all, source_keys: Vec::new() }
    }

    /// Both in ascending order: of UIDs, of reasons.
    pub(crate) fn find(mut self) -> (Vec<Deletion>, Vec<HeldBack>) {
        let mut held = Vec::new();
        let mut delete = Vec::new();
        let candidates = self.candidates();
        if !candidates.is_empty() {
            let keys = self.input.parts.iter().flat_map(|part| &part.listing.key);
            self.source_keys = keys.copied().collect();
            self.source_keys.sort_unstable();
        }
        let weak_unpaired = self.weak_source_is_unpaired();
        for (at, kind) in candidates {
            let weak = self.input.target_listing.key[at].is_none();
            let reason = match kind {
                Candidate::NoDigest => Some(self.hold_all.unwrap_or(HoldReason::NoDigest)),
                _ if self.hold_all.is_some() => self.hold_all,
                // A weak identity is no proof of absence: the message that is still missing
                // may be this one, altered on its way.
                Candidate::Extra if weak && weak_unpaired => Some(HoldReason::WeakIdentity),
                Candidate::Extra | Candidate::Duplicate => None,
            };
            match reason {
                Some(reason) => held.push(reason),
                None => delete.push(self.deletion(at, kind)),
            }
        }
        held.sort_unstable();
        let held = held
            .chunk_by(|one, next| one == next)
            .map(|same| HeldBack { reason: same[0], messages: same.len() as u64 })
            .collect();
        (delete, held)
    }

    fn deletion(&self, at: usize, kind: Candidate) -> Deletion {
        let listing = self.input.target_listing;
        let key = listing.key[at];
        let why = match kind {
            Candidate::Duplicate => DeleteReason::Duplicate,
            _ if key.is_none() || self.source_keys.binary_search(&key).is_ok() => {
                DeleteReason::ContentAbsent
            }
            _ => DeleteReason::Absent,
        };
        Deletion { uid: listing.uid[at], why }
    }

    /// The target messages that a rule would remove, in ascending order.
    fn candidates(&self) -> Vec<(usize, Candidate)> {
        let listing = self.input.target_listing;
        let within =
            |at: usize| self.rules.delete_within == DeleteWithin::Mailbox || listing.selected[at];
        let fates = self.input.pairs.target.iter().take(listing.len()).enumerate();
        fates
            .filter(|(at, _)| within(*at))
            .filter_map(|(at, fate)| Some((at, self.candidate(*fate)?)))
            .collect()
    }

    fn candidate(&self, fate: TargetFate) -> Option<Candidate> {
        let removes_extra = self.rules.delete != DeleteRule::Nothing;
        match fate {
            TargetFate::Paired => None,
            TargetFate::Unmatched => removes_extra.then_some(Candidate::Extra),
            TargetFate::NoDigest => removes_extra.then_some(Candidate::NoDigest),
            TargetFate::DuplicateOf(first) => {
                let first = self.input.pairs.target.get(first as usize).copied();
                if removes_extra && (self.counts_copies() || first == Some(TargetFate::Unmatched)) {
                    Some(Candidate::Extra)
                } else {
                    self.removes_duplicates().then_some(Candidate::Duplicate)
                }
            }
        }
    }

    fn counts_copies(&self) -> bool {
        self.rules.duplicates == Duplicates::CopyAll
    }

    fn removes_duplicates(&self) -> bool {
        self.rules.target_duplicates == TargetDuplicates::Delete && self.input.parts.len() <= 1
    }

    fn weak_source_is_unpaired(&self) -> bool {
        self.input.parts.iter().zip(&self.input.pairs.parts).any(|(part, fates)| {
            part.listing.key.iter().zip(fates).any(|(key, fate)| {
                let unpaired =
                    matches!(fate, SourceFate::New | SourceFate::NewContent | SourceFate::NoDigest);
                key.is_none() && unpaired
            })
        })
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Candidate {
    Extra,
    Duplicate,
    NoDigest,
}

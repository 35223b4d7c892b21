//! Where the messages of a mailbox stand when all is well: by this a run recognises a mailbox in
//! which nothing was to be done since an earlier one.

use mailferry_engine::message::Uid;
use mailferry_engine::plan::{Action, Decision, PartPlan};

use super::line::Why;

/// Where one message stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stands {
    /// On the target, under this UID.
    At(Uid),
    /// Nowhere, by this rule and limit.
    Skipped(Why, u32),
}

/// Octets that the hasher takes at full speed.
const ROWS_OCTETS: usize = 32 * 1024;

/// A digest over all messages of a mailbox, ascending by UID.
pub(super) struct StandingDigest {
    hasher: blake3::Hasher,
    rows: Vec<u8>,
}

impl StandingDigest {
    pub(super) fn new() -> Self {
        let hasher = blake3::Hasher::new_derive_key("mailferry 2026 standing of a mailbox v1");
        Self { hasher, rows: Vec::new() }
    }

    pub(super) fn push(&mut self, uid: Uid, stands: Stands) {
        let (tag, value) = match stands {
            Stands::At(target) => (0, target.value()),
            Stands::Skipped(why, limit) => (1 + why as u8, limit),
        };
        self.rows.extend_from_slice(&uid.value().to_le_bytes());
        self.rows.push(tag);
        self.rows.extend_from_slice(&value.to_le_bytes());
        if self.rows.len() >= ROWS_OCTETS {
            self.hasher.update(&self.rows);
            self.rows.clear();
        }
    }

    pub(super) fn finish(mut self) -> String {
        self.hasher.update(&self.rows);
        self.hasher.finalize().to_hex()[..32].to_owned()
    }
}

/// The digest of a source mailbox after a run; `copy` gives the UID of a copy that was made.
/// `None` where not every message stands somewhere for sure.
pub(super) fn after(part: &PartPlan, mut copy: impl FnMut(Uid) -> Option<Uid>) -> Option<String> {
    let mut digest = StandingDigest::new();
    for (&uid, decision) in part.uids.iter().zip(&part.decisions) {
        let stands = match decision {
            Decision::Present { target } | Decision::Act(Action::UpdateFlags { target }) => {
                Stands::At(*target)
            }
            Decision::Act(Action::Copy) => Stands::At(copy(uid)?),
            Decision::Skip(reason) => {
                let (why, limit) = Why::of(*reason);
                Stands::Skipped(why, limit)
            }
            Decision::Problem(_) => return None,
        };
        digest.push(uid, stands);
    }
    Some(digest.finish())
}

/// The digest of a source mailbox in which nothing is to be done; `None` where something is.
pub(super) fn before(part: &PartPlan) -> Option<String> {
    let is_idle = |decision: &Decision| !matches!(decision, Decision::Act(_));
    part.decisions.iter().all(is_idle).then(|| after(part, |_| None)).flatten()
}

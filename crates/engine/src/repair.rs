//! Repairing a message that the target refused, and nothing else.
//!
//! A message goes as it is. Only what was refused is changed, one step at a time, and each step
//! is told. `docs/design/repair.md` has the steps, their order and what they mean for identity.

mod body;
mod content_type;
mod date;
mod encode;
mod fold;
mod head;
mod ladder;
mod line_end;
mod lines;
mod mime;
mod nul;
mod pipeline;
mod receipt;
mod recognise;
mod refusal;
mod scan;

pub use body::{BodyPlan, BodyPlans, BodyScan, EncodeBody};
pub use date::{HeaderDates, header_date, is_possible};
pub use fold::FoldHeader;
pub use ladder::{Clock, Exhausted, Ladder, Literal8, Next, Sent, Step, TargetAbility};
pub use line_end::MendLineEnds;
pub use nul::RemoveNuls;
pub use pipeline::Repair;
pub use receipt::DisarmReceipts;
pub use recognise::{DateSent, Fingerprint, Identity, Recognised, recognised};
pub use refusal::Cause;
pub use scan::{Facts, Scan};

/// Changes the octets of a message that comes in chunks.
///
/// How the message is cut into chunks changes nothing. Memory is bounded: no more is held than a
/// [`LineLimit`] and some, and a chunk gives at most four times its octets and what was held.
/// A second pass over the same octets gives the same octets; a first one, whose output is
/// counted and dropped, tells how many there will be.
pub trait Transform {
    /// Takes the next octets, appends what becomes of them.
    fn push(&mut self, chunk: &[u8], out: &mut Vec<u8>);

    /// Appends what was held back. Nothing may be pushed afterwards.
    fn finish(&mut self, out: &mut Vec<u8>);

    /// How many places were changed so far; 0 after [`Transform::finish`] means that nothing
    /// was.
    fn edits(&self) -> u64;
}

/// What a transform makes of a message, found by a first pass.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Change {
    /// Places that change; 0: the message stays as it is.
    pub edits: u64,
    /// Octets of the message afterwards.
    pub octets_after: u64,
}

/// The longest line that is left as it is, in octets, its CRLF not counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LineLimit(u32);

impl LineLimit {
    /// What a line must not exceed (RFC 5322 §2.1.1).
    pub const RFC_5322: Self = Self(998);
    /// The length to which encoded lines are wrapped (RFC 2045 §6.7, §6.8).
    const MIN: u32 = 76;
    /// So much of a line is held in memory.
    const MAX: u32 = 64 * 1024;

    /// Kept within 76 and 65,536 octets.
    #[must_use]
    pub fn new(octets: u32) -> Self {
        Self(octets.clamp(Self::MIN, Self::MAX))
    }

    /// The number of octets.
    #[must_use]
    pub fn octets(self) -> usize {
        self.0 as usize
    }
}

impl Default for LineLimit {
    fn default() -> Self {
        Self::RFC_5322
    }
}

#[cfg(test)]
fn transformed(mut transform: impl Transform, message: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    transform.push(message, &mut out);
    transform.finish(&mut out);
    out
}

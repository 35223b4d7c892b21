//! What is known of one message: UID, key, date, flags.

use std::collections::HashMap;
use std::fmt;
use std::num::NonZeroU32;

use serde::{Serialize, Serializer};

use crate::name::write_escaped;

/// A unique identifier within one mailbox and one UIDVALIDITY (RFC 9051 §2.3.1.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Uid(pub NonZeroU32);

impl Uid {
    /// `None` for 0, which is no UID.
    #[must_use]
    pub fn new(value: u32) -> Option<Self> {
        NonZeroU32::new(value).map(Self)
    }

    /// The number.
    #[must_use]
    pub fn value(self) -> u32 {
        self.0.get()
    }
}

impl fmt::Display for Uid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What the identity headers of a message come to: 128 bits of BLAKE3 over their normalised
/// text, or [`Key::NONE`] where they identify nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(pub [u8; 16]);

impl Key {
    /// The message has no identity headers that can be trusted; its digest decides.
    pub const NONE: Self = Self([0; 16]);

    /// Whether this is [`Key::NONE`].
    #[must_use]
    pub fn is_none(self) -> bool {
        self == Self::NONE
    }
}

/// 128 bits of BLAKE3 over the canonical form of a message's content.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest(pub [u8; 16]);

/// An INTERNALDATE: an instant, and the zone it was written in. Eight octets.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct InternalDate(i64);

impl InternalDate {
    /// The server sent none, or one that cannot be read.
    pub const UNKNOWN: Self = Self(i64::MIN);
    /// The server was not asked. Nothing is known of the date as yet, not even that there is one.
    pub const NOT_ASKED: Self = Self(i64::MIN + 1);
    const ZONE_BITS: u32 = 12;
    const ZONE_BIAS: i64 = 2048;

    /// `seconds` since 1970-01-01T00:00:00Z, `zone_minutes` east of UTC (kept within ±2047).
    #[must_use]
    pub fn new(seconds: i64, zone_minutes: i16) -> Self {
        let zone =
            i64::from(zone_minutes).clamp(-Self::ZONE_BIAS, Self::ZONE_BIAS - 1) + Self::ZONE_BIAS;
        Self((seconds << Self::ZONE_BITS) | zone)
    }

    /// The date as eight octets hold it; [`InternalDate::from_bits`] reads them.
    #[must_use]
    pub fn to_bits(self) -> i64 {
        self.0
    }

    /// The date that [`InternalDate::to_bits`] wrote.
    #[must_use]
    pub fn from_bits(bits: i64) -> Self {
        Self(bits)
    }

    /// Whether there is a date at all.
    #[must_use]
    pub fn is_known(self) -> bool {
        self != Self::UNKNOWN && self.is_asked()
    }

    /// Whether the server was asked for it.
    #[must_use]
    pub fn is_asked(self) -> bool {
        self != Self::NOT_ASKED
    }

    /// Seconds since 1970-01-01T00:00:00Z; `None` where unknown. Two dates are the same
    /// date if their instants are: servers store and show whatever zone they like.
    #[must_use]
    pub fn instant(self) -> Option<i64> {
        self.is_known().then_some(self.0 >> Self::ZONE_BITS)
    }

    /// Minutes east of UTC; `None` where unknown.
    #[must_use]
    pub fn zone_minutes(self) -> Option<i16> {
        let zone = (self.0 & ((1 << Self::ZONE_BITS) - 1)) - Self::ZONE_BIAS;
        if self.is_known() { i16::try_from(zone).ok() } else { None }
    }
}

impl fmt::Debug for InternalDate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.instant(), self.zone_minutes()) {
            (Some(instant), Some(zone)) => write!(f, "InternalDate({instant}s, {zone}min)"),
            _ => f.write_str("InternalDate(unknown)"),
        }
    }
}

/// A flag or keyword, in the octets the server used. Compared without regard to ASCII case
/// (RFC 9051 §2.3.2), so that a server that changes the case causes no endless update.
#[derive(Clone)]
pub struct Flag(Box<[u8]>);

impl Flag {
    /// Takes a flag (`\Seen`) or keyword (`$Forwarded`); the five system flags get the case
    /// of the RFC.
    #[must_use]
    pub fn new(octets: &[u8]) -> Self {
        const SYSTEM: [&[u8]; 6] =
            [b"\\Answered", b"\\Deleted", b"\\Draft", b"\\Flagged", b"\\Seen", b"\\Recent"];
        let known = SYSTEM.into_iter().find(|system| octets.eq_ignore_ascii_case(system));
        Self(known.unwrap_or(octets).into())
    }

    /// The octets as they go on the wire.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Whether this is a keyword rather than a `\`-flag.
    #[must_use]
    pub fn is_keyword(&self) -> bool {
        !self.0.starts_with(b"\\")
    }

    /// Whether this is one of the five flags that every server keeps (RFC 9051 §2.3.2).
    #[must_use]
    pub fn is_standard(&self) -> bool {
        const STANDARD: [&[u8]; 5] =
            [b"\\Answered", b"\\Deleted", b"\\Draft", b"\\Flagged", b"\\Seen"];
        STANDARD.contains(&&*self.0)
    }

    /// `\Deleted`: marked for removal (RFC 9051 §2.3.2).
    #[must_use]
    pub fn is_deleted(&self) -> bool {
        &*self.0 == b"\\Deleted"
    }

    /// `\Recent`, which belongs to a session and is never copied (RFC 3501 §2.3.2).
    #[must_use]
    pub fn is_recent(&self) -> bool {
        &*self.0 == b"\\Recent"
    }

    fn folded(&self) -> impl Iterator<Item = u8> {
        self.0.iter().map(u8::to_ascii_lowercase)
    }
}

impl PartialEq for Flag {
    fn eq(&self, other: &Self) -> bool {
        self.0.eq_ignore_ascii_case(&other.0)
    }
}

impl Eq for Flag {}

impl PartialOrd for Flag {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Flag {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.folded().cmp(other.folded())
    }
}

impl std::hash::Hash for Flag {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.folded().for_each(|octet| state.write_u8(octet));
        state.write_u8(0xff);
    }
}

impl fmt::Display for Flag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_escaped(&self.0, f)
    }
}

impl Serialize for Flag {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl fmt::Debug for Flag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.escape_ascii())
    }
}

/// A set of flags: sorted, each once, never `\Recent`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct FlagSet(Box<[Flag]>);

impl FlagSet {
    /// Whether `flag` is in the set.
    #[must_use]
    pub fn contains(&self, flag: &Flag) -> bool {
        self.0.binary_search(flag).is_ok()
    }

    /// The flags in order.
    pub fn iter(&self) -> std::slice::Iter<'_, Flag> {
        self.0.iter()
    }

    /// Number of flags.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether the set is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<'a> IntoIterator for &'a FlagSet {
    type Item = &'a Flag;
    type IntoIter = std::slice::Iter<'a, Flag>;
    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl FromIterator<Flag> for FlagSet {
    fn from_iter<T: IntoIterator<Item = Flag>>(flags: T) -> Self {
        let mut flags: Vec<Flag> = flags.into_iter().filter(|flag| !flag.is_recent()).collect();
        flags.sort();
        flags.dedup();
        Self(flags.into())
    }
}

/// Index of an interned [`FlagSet`] in the [`FlagTable`] of its listing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FlagSetId(pub u32);

/// The distinct flag sets of one listing: a mailbox of a million messages has few of them,
/// so a message carries an index.
#[derive(Clone, Debug)]
pub struct FlagTable {
    sets: Vec<FlagSet>,
    index: HashMap<FlagSet, FlagSetId>,
    told: Told,
}

/// The words that stood for sets lately, so that a message need not have its set made anew: nearly
/// every one has the flags of one listed shortly before it.
#[derive(Clone, Debug, Default)]
struct Told {
    recent: Vec<(Box<[u8]>, FlagSetId)>,
    next: usize,
    /// The words in question, kept for its room.
    words: Vec<u8>,
}

impl Told {
    /// Sets that are remembered by their words.
    const RECENT_MAX: usize = 8;

    fn find<'a>(&mut self, words: impl Iterator<Item = &'a [u8]>) -> Option<FlagSetId> {
        self.words.clear();
        for word in words {
            self.words.extend_from_slice(word);
            self.words.push(0);
        }
        let found = self.recent.iter().find(|(words, _)| **words == *self.words);
        found.map(|(_, id)| *id)
    }

    /// Remembers the words that were looked for last.
    fn remember(&mut self, id: FlagSetId) {
        let entry = (Box::from(&*self.words), id);
        match self.recent.get_mut(self.next) {
            Some(oldest) => *oldest = entry,
            None => self.recent.push(entry),
        }
        self.next = (self.next + 1) % Self::RECENT_MAX;
    }
}

impl Default for FlagTable {
    fn default() -> Self {
        let index = HashMap::from([(FlagSet::default(), Self::EMPTY)]);
        Self { sets: vec![FlagSet::default()], index, told: Told::default() }
    }
}

impl FlagTable {
    /// The empty set is always the first.
    pub const EMPTY: FlagSetId = FlagSetId(0);

    /// The index of `set`, added where it is new.
    pub fn intern(&mut self, set: FlagSet) -> FlagSetId {
        if let Some(&id) = self.index.get(&set) {
            return id;
        }
        let id = FlagSetId(u32::try_from(self.sets.len()).unwrap_or(u32::MAX));
        self.sets.push(set.clone());
        self.index.insert(set, id);
        id
    }

    /// The index of the set that these words make; none of them holds a NUL.
    pub fn intern_words<'a>(&mut self, words: impl Iterator<Item = &'a [u8]> + Clone) -> FlagSetId {
        if let Some(id) = self.told.find(words.clone()) {
            return id;
        }
        let id = self.intern(words.map(Flag::new).collect());
        self.told.remember(id);
        id
    }

    /// The same indices with other sets behind them.
    #[must_use]
    pub fn rewritten(&self, rewrite: impl Fn(&FlagSet) -> FlagSet) -> Self {
        let sets: Vec<FlagSet> = self.sets.iter().map(rewrite).collect();
        let mut index = HashMap::new();
        for (at, set) in sets.iter().enumerate() {
            let id = FlagSetId(u32::try_from(at).unwrap_or(u32::MAX));
            index.entry(set.clone()).or_insert(id);
        }
        Self { sets, index, told: Told::default() }
    }

    /// Every set, by its index.
    #[must_use]
    pub fn sets(&self) -> &[FlagSet] {
        &self.sets
    }

    /// The set behind an index of this table.
    #[must_use]
    pub fn set(&self, id: FlagSetId) -> &FlagSet {
        &self.sets[id.0 as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(text: &str) -> FlagSet {
        text.split_whitespace().map(|flag| Flag::new(flag.as_bytes())).collect()
    }

    #[test]
    fn words_come_to_the_set_that_they_make() {
        let mut table = FlagTable::default();
        let mut seen = HashMap::new();
        // More than are remembered, each time in another order.
        for round in 0..5_usize {
            for number in 0..3 * Told::RECENT_MAX {
                let keyword = format!("k{}", (number * (round + 1)) % 20);
                let words = ["\\SEEN", &*keyword, "\\Recent"].map(str::as_bytes);
                let id = table.intern_words(words.into_iter());
                assert_eq!(table.set(id), &set(&format!("{keyword} \\Seen")));
                assert_eq!(*seen.entry(keyword).or_insert(id), id);
            }
        }
        assert_eq!(table.intern_words([&b"a"[..], b"b"].into_iter()), table.intern(set("b a")));
        assert_eq!(table.intern_words([&b"ab"[..]].into_iter()), table.intern(set("ab")));
        assert_eq!(table.intern_words(std::iter::empty()), FlagTable::EMPTY);
    }

    #[test]
    fn rewritten_flags_keep_their_indices() {
        let mut table = FlagTable::default();
        let (seen, both) = (table.intern(set("\\Seen")), table.intern(set("\\Seen a")));
        let mut rewritten =
            table.rewritten(|flags| if flags.is_empty() { set("new") } else { set("\\Seen") });
        assert_eq!(rewritten.set(FlagTable::EMPTY), &set("new"));
        assert_eq!((rewritten.set(seen), rewritten.set(both)), (&set("\\Seen"), &set("\\Seen")));
        assert_eq!(rewritten.intern(set("\\Seen")), seen);
        assert_eq!(rewritten.intern(set("")), FlagSetId(3));
    }
}

//! How the rows of a listing are written down: in chunks of a fixed range of UIDs, so that one
//! more message, or one that went, changes one chunk only.

use mailferry_engine::listing::{MessageListing, Row};
use mailferry_engine::message::{Flag, FlagSet, FlagSetId, InternalDate, Key, Uid};

/// UIDs in one chunk, as a power of two.
pub(super) const CHUNK_UID_BITS: u32 = 12;

/// Octets that each row takes, its flags apart: UID, key, size, date, index of its flags.
const ROW_BYTES: usize = 4 + 16 + 4 + 8 + 2;

/// The number of the chunk that a UID belongs to.
pub(super) fn chunk_of(uid: Uid) -> u32 {
    uid.value() >> CHUNK_UID_BITS
}

/// The rows of a listing, cut into chunks: the number of each and the rows in it.
pub(super) fn chunks(listing: &MessageListing) -> Vec<(u32, std::ops::Range<usize>)> {
    let mut chunks = Vec::new();
    let mut begin = 0;
    for group in listing.uid.chunk_by(|one, next| chunk_of(*one) == chunk_of(*next)) {
        let end = begin + group.len();
        chunks.extend(group.first().map(|first| (chunk_of(*first), begin..end)));
        begin = end;
    }
    chunks
}

/// Some rows as octets: the flag sets that occur, then the rows.
///
/// `None` where a chunk has more flag sets, or longer ones, than the format holds.
pub(super) fn encode(listing: &MessageListing, rows: std::ops::Range<usize>) -> Option<Vec<u8>> {
    let mut sets: Vec<FlagSetId> = Vec::new();
    let mut body = Vec::with_capacity(rows.len() * ROW_BYTES);
    for at in rows {
        let id = listing.flags[at];
        let index = sets.iter().position(|set| *set == id).unwrap_or_else(|| {
            sets.push(id);
            sets.len() - 1
        });
        body.extend_from_slice(&listing.uid[at].value().to_le_bytes());
        body.extend_from_slice(&listing.key.get(at)?.0);
        body.extend_from_slice(&listing.size[at].to_le_bytes());
        body.extend_from_slice(&listing.date[at].to_bits().to_le_bytes());
        body.extend_from_slice(&u16::try_from(index).ok()?.to_le_bytes());
    }
    let mut octets = u16::try_from(sets.len()).ok()?.to_le_bytes().to_vec();
    for id in sets {
        let words: Vec<&[u8]> =
            listing.flag_table.set(id).iter().map(|flag| flag.as_bytes()).collect();
        let words = words.join(&b' ');
        octets.extend_from_slice(&u16::try_from(words.len()).ok()?.to_le_bytes());
        octets.extend_from_slice(&words);
    }
    octets.extend_from_slice(&body);
    Some(octets)
}

/// Adds the rows that [`encode`] wrote to a listing. `None` where they are none.
pub(super) fn decode(octets: &[u8], listing: &mut MessageListing) -> Option<()> {
    let mut reader = Reader(octets);
    let sets = u16::from_le_bytes(reader.take()?);
    let mut ids = Vec::with_capacity(usize::from(sets));
    for _ in 0..sets {
        let length = u16::from_le_bytes(reader.take()?);
        let words = reader.octets(usize::from(length))?;
        let flags = words.split(|&octet| octet == b' ').filter(|word| !word.is_empty());
        let set: FlagSet = flags.map(Flag::new).collect();
        ids.push(listing.flag_table.intern(set));
    }
    while !reader.0.is_empty() {
        let row = Row {
            uid: Uid::new(u32::from_le_bytes(reader.take()?))?,
            key: Key(reader.take()?),
            size: u32::from_le_bytes(reader.take()?),
            date: InternalDate::from_bits(i64::from_le_bytes(reader.take()?)),
            flags: *ids.get(usize::from(u16::from_le_bytes(reader.take()?)))?,
            selected: true,
        };
        // Ascending, or it was not written here.
        if listing.uid.last().is_some_and(|last| *last >= row.uid) {
            return None;
        }
        listing.push(row);
    }
    Some(())
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn octets(&mut self, length: usize) -> Option<&'a [u8]> {
        let (head, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(head)
    }

    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.octets(N)?.try_into().ok()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn listing(uids: &[u32]) -> MessageListing {
        let mut listing = MessageListing::default();
        for &uid in uids {
            let words: &[&[u8]] = if uid % 2 == 0 { &[b"\\Seen", b"work"] } else { &[] };
            let flags = words.iter().map(|word| Flag::new(word)).collect();
            let flags = listing.flag_table.intern(flags);
            listing.push(Row {
                uid: Uid::new(uid).unwrap(),
                key: Key([uid as u8; 16]),
                size: uid.wrapping_mul(3),
                date: InternalDate::new(i64::from(uid) - 40, -90),
                flags,
                selected: true,
            });
        }
        listing
    }

    fn back(listing: &MessageListing) -> MessageListing {
        let mut back = MessageListing::default();
        for (_, rows) in chunks(listing) {
            decode(&encode(listing, rows).unwrap(), &mut back).unwrap();
        }
        back
    }

    #[test]
    fn rows_come_back_as_they_were_written() {
        let uids: Vec<u32> = (1..10_000).chain([4_294_967_294, u32::MAX]).collect();
        let (there, back) = (listing(&uids), back(&listing(&uids)));
        assert_eq!(there.uid, back.uid);
        assert_eq!(there.key, back.key);
        assert_eq!(there.size, back.size);
        assert_eq!(there.date, back.date);
        for at in 0..there.len() {
            assert_eq!(there.flag_table.set(there.flags[at]), back.flag_table.set(back.flags[at]));
        }
    }

    #[test]
    fn one_more_message_changes_one_chunk() {
        let chunks = |uids: &[u32]| -> Vec<Vec<u8>> {
            let listing = listing(uids);
            chunks(&listing).into_iter().map(|(_, rows)| encode(&listing, rows).unwrap()).collect()
        };
        let uids: Vec<u32> = (1..20_000).collect();
        let (before, gone) = (chunks(&uids), chunks(&uids[1..]));
        let longer: Vec<u32> = (1..=20_000).collect();
        let changed = |after: &[Vec<u8>]| before.iter().zip(after).filter(|(a, b)| a != b).count();
        assert_eq!(changed(&gone), 1);
        assert_eq!(changed(&chunks(&longer)), 1);
    }

    #[test]
    fn octets_that_were_not_written_here_are_refused() {
        let written = encode(&listing(&[1, 2, 3]), 0..3).unwrap();
        for length in 0..written.len() {
            let mut back = MessageListing::default();
            // Cut behind a whole row it is a shorter chunk; anywhere else it is none.
            if decode(&written[..length], &mut back).is_some() {
                assert!(back.len() < 3);
            }
        }
        let twice = [written.clone(), written[written.len() - ROW_BYTES..].to_vec()].concat();
        assert!(decode(&twice, &mut MessageListing::default()).is_none());
    }
}

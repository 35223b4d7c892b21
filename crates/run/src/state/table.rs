//! What stands in the tables: listings and digests, each under a seal.
//!
//! A seal is a digest of all that it covers and of where that belongs: the two accounts, the side,
//! the mailbox. So octets that rotted, that are another mailbox's or another pair's, or that two
//! runs left half and half, are no listing at all, instead of a wrong one.

use mailferry_engine::fault::Side;
use mailferry_engine::identity::KeyRule;
use mailferry_engine::listing::MessageListing;
use mailferry_engine::message::{Digest, Uid};
use mailferry_engine::name::MailboxName;
use mailferry_engine::pairing::Digests;
use rusqlite::{Connection, OptionalExtension, params};

use super::rows;

/// A mailbox of one side.
#[derive(Clone, Copy)]
pub(super) struct Place<'a> {
    pub(super) side: Side,
    pub(super) mailbox: &'a MailboxName,
}

/// The tables of one pair of accounts, within a transaction.
pub(super) struct Tables<'a> {
    pub(super) connection: &'a Connection,
    /// Begun with the names of the two accounts.
    pub(super) seal: &'a blake3::Hasher,
}

/// What seals of this pair of accounts begin with.
pub(super) fn seal_of(source: &str, target: &str) -> blake3::Hasher {
    let mut seal = blake3::Hasher::new_derive_key("mailferry 2026 seals of local state v1");
    for name in [source, target] {
        add(&mut seal, name.as_bytes());
    }
    seal
}

/// With its length, so that no two sequences look alike.
fn add(seal: &mut blake3::Hasher, octets: &[u8]) {
    seal.update(&(octets.len() as u64).to_le_bytes());
    seal.update(octets);
}

fn half(seal: &blake3::Hasher) -> Vec<u8> {
    seal.finalize().as_bytes()[..16].to_vec()
}

impl Tables<'_> {
    /// Notes whose tables these are; those of another pair are emptied.
    pub(super) fn claim(&self, source: &str, target: &str) -> rusqlite::Result<()> {
        for (side, name) in [(Side::Source, source), (Side::Target, target)] {
            let known: Option<String> = self
                .connection
                .prepare_cached("SELECT name FROM account WHERE side = ?")?
                .query_row(params![number(side)], |row| row.get(0))
                .optional()?;
            if known.as_deref() == Some(name) {
                continue;
            }
            if known.is_some() {
                self.connection.execute("DELETE FROM mailbox", [])?;
            }
            self.connection.execute(
                "INSERT OR REPLACE INTO account (side, name) VALUES (?, ?)",
                params![number(side), name],
            )?;
        }
        Ok(())
    }

    pub(super) fn load(
        &self,
        place: Place<'_>,
        keys: &KeyRule,
    ) -> rusqlite::Result<Option<MessageListing>> {
        let mut statement = self.connection.prepare_cached(
            "SELECT id, uid_validity, uid_next, highest_modseq, mailbox_id, seal FROM mailbox
             WHERE side = ? AND name = ? AND keys = ?",
        )?;
        let found = statement
            .query_row(
                params![number(place.side), place.mailbox.as_bytes(), rule_text(keys)],
                |row| {
                    let listing = MessageListing {
                        uid_validity: row.get(1)?,
                        uid_next: row.get(2)?,
                        highest_modseq: row.get::<_, i64>(3)?.cast_unsigned(),
                        mailbox_id: row.get::<_, Option<Vec<u8>>>(4)?.map(Vec::into_boxed_slice),
                        ..MessageListing::default()
                    };
                    Ok((row.get::<_, i64>(0)?, listing, row.get::<_, Vec<u8>>(5)?))
                },
            )
            .optional()?;
        let Some((id, mut listing, sealed)) = found else { return Ok(None) };
        let mut seal = self.seal_of_listing(place, keys, &listing);
        let mut statement = self
            .connection
            .prepare_cached("SELECT messages FROM chunk WHERE mailbox = ? ORDER BY number")?;
        let mut chunks = statement.query(params![id])?;
        while let Some(chunk) = chunks.next()? {
            let octets = chunk.get_ref(0)?.as_blob()?;
            add(&mut seal, octets);
            if rows::decode(octets, &mut listing).is_none() {
                return Ok(None);
            }
        }
        Ok((half(&seal) == sealed).then_some(listing))
    }

    pub(super) fn save(
        &self,
        place: Place<'_>,
        keys: &KeyRule,
        listing: &MessageListing,
    ) -> rusqlite::Result<()> {
        let chunks = rows::chunks(listing);
        // What does not fit the format is not kept, and asked for again.
        let encode = |(number, range)| Some((number, rows::encode(listing, range)?));
        let chunks: Vec<(u32, Vec<u8>)> = chunks.into_iter().filter_map(encode).collect();
        let mut seal = self.seal_of_listing(place, keys, listing);
        chunks.iter().for_each(|(_, octets)| add(&mut seal, octets));
        let (side, name, keys) = (number(place.side), place.mailbox.as_bytes(), rule_text(keys));
        // UIDs of another UIDVALIDITY, or keys made otherwise, are of no more use.
        self.connection
            .prepare_cached(
                "DELETE FROM mailbox
                 WHERE side = ? AND name = ? AND (uid_validity <> ? OR keys <> ?)",
            )?
            .execute(params![side, name, listing.uid_validity, keys])?;
        let id: i64 = self
            .connection
            .prepare_cached(
                "INSERT INTO mailbox
                 (side, name, keys, uid_validity, uid_next, highest_modseq, mailbox_id, seal)
                 VALUES (?, ?, ?, ?, ?, ?, ?, ?)
                 ON CONFLICT (side, name) DO UPDATE SET uid_next = excluded.uid_next,
                     highest_modseq = excluded.highest_modseq,
                     mailbox_id = excluded.mailbox_id, seal = excluded.seal
                 RETURNING id",
            )?
            .query_row(
                params![
                    side,
                    name,
                    keys,
                    listing.uid_validity,
                    listing.uid_next,
                    listing.highest_modseq.cast_signed(),
                    listing.mailbox_id.as_deref(),
                    half(&seal)
                ],
                |row| row.get(0),
            )?;
        self.save_chunks(id, &chunks)
    }

    fn save_chunks(&self, id: i64, chunks: &[(u32, Vec<u8>)]) -> rusqlite::Result<()> {
        let mut stored: Vec<u32> = self
            .connection
            .prepare_cached("SELECT number FROM chunk WHERE mailbox = ?")?
            .query_map(params![id], |row| row.get(0))?
            .collect::<Result<_, _>>()?;
        let mut put = self.connection.prepare_cached(
            "INSERT INTO chunk (mailbox, number, messages) VALUES (?, ?, ?)
             ON CONFLICT (mailbox, number) DO UPDATE SET messages = excluded.messages
             WHERE messages <> excluded.messages",
        )?;
        for (number, octets) in chunks {
            put.execute(params![id, number, octets])?;
            stored.retain(|other| other != number);
        }
        let mut remove =
            self.connection.prepare_cached("DELETE FROM chunk WHERE mailbox = ? AND number = ?")?;
        for number in stored {
            remove.execute(params![id, number])?;
        }
        Ok(())
    }

    pub(super) fn digests(&self, place: Place<'_>, uid_validity: u32) -> rusqlite::Result<Digests> {
        let mut statement = self.connection.prepare_cached(
            "SELECT uid, digest, digest.seal FROM digest
             JOIN mailbox ON mailbox.id = digest.mailbox
             WHERE side = ? AND name = ? AND uid_validity = ?",
        )?;
        let mut found =
            statement.query(params![number(place.side), place.mailbox.as_bytes(), uid_validity])?;
        let mut digests = Digests::default();
        while let Some(row) = found.next()? {
            let (uid, digest): (u32, [u8; 16]) = (row.get(0)?, row.get(1)?);
            let sealed: Vec<u8> = row.get(2)?;
            if let Some(uid) = Uid::new(uid)
                && sealed == self.seal_of_digest(place, uid_validity, (uid, Digest(digest)))
            {
                digests.insert(uid, Digest(digest));
            }
        }
        Ok(digests)
    }

    pub(super) fn save_digests(
        &self,
        place: Place<'_>,
        uid_validity: u32,
        digests: impl Iterator<Item = (Uid, Digest)>,
    ) -> rusqlite::Result<()> {
        let id = self
            .connection
            .query_row(
                "SELECT id FROM mailbox WHERE side = ? AND name = ? AND uid_validity = ?",
                params![number(place.side), place.mailbox.as_bytes(), uid_validity],
                |row| row.get::<_, i64>(0),
            )
            .optional()?;
        let Some(id) = id else { return Ok(()) };
        let mut statement = self.connection.prepare_cached(
            "INSERT OR REPLACE INTO digest (mailbox, uid, digest, seal) VALUES (?, ?, ?, ?)",
        )?;
        for (uid, digest) in digests {
            let seal = self.seal_of_digest(place, uid_validity, (uid, digest));
            statement.execute(params![id, uid.value(), digest.0, seal])?;
        }
        Ok(())
    }

    fn seal_of_place(&self, place: Place<'_>, uid_validity: u32) -> blake3::Hasher {
        let mut seal = self.seal.clone();
        seal.update(&number(place.side).to_le_bytes());
        add(&mut seal, place.mailbox.as_bytes());
        seal.update(&uid_validity.to_le_bytes());
        seal
    }

    /// The seal but for its rows.
    fn seal_of_listing(
        &self,
        place: Place<'_>,
        keys: &KeyRule,
        listing: &MessageListing,
    ) -> blake3::Hasher {
        let mut seal = self.seal_of_place(place, listing.uid_validity);
        add(&mut seal, rule_text(keys).as_bytes());
        seal.update(&listing.uid_next.to_le_bytes());
        seal.update(&listing.highest_modseq.to_le_bytes());
        seal.update(&[u8::from(listing.mailbox_id.is_some())]);
        add(&mut seal, listing.mailbox_id.as_deref().unwrap_or_default());
        seal
    }

    fn seal_of_digest(
        &self,
        place: Place<'_>,
        uid_validity: u32,
        (uid, digest): (Uid, Digest),
    ) -> Vec<u8> {
        let mut seal = self.seal_of_place(place, uid_validity);
        seal.update(&uid.value().to_le_bytes());
        seal.update(&digest.0);
        half(&seal)
    }
}

fn rule_text(keys: &KeyRule) -> String {
    format!("{keys:?}")
}

fn number(side: Side) -> i64 {
    match side {
        Side::Source => 1,
        Side::Target => 2,
    }
}

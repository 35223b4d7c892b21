//! Moving messages into another mailbox of the account: UID MOVE (RFC 6851), else UID COPY,
//! `\Deleted` and UID EXPUNGE. And copying them there.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use mailferry_engine::fault::{Fault, FaultKind};
use mailferry_engine::identity::KeyRule;
use mailferry_engine::listing::{MessageListing, SIZE_UNKNOWN};
use mailferry_engine::message::{Key, Uid};
use mailferry_engine::name::MailboxName;
use mailferry_imap::command::Command;
use mailferry_imap::response::{Code, Untagged};
use mailferry_imap::session::Completion;
use mailferry_imap::uid_set::UidSet;

use super::messages::UID_SET_BYTES_MAX;
use super::{Access, ImapAccount, narrow};
use crate::contract::{Among, AsListed, CopiesTold, Moved, Selection};

/// What COPYUID told (RFC 4315 §3): where each message is now.
#[derive(Default)]
struct Told {
    /// Messages that were asked for: what tells of more tells of others.
    asked: u64,
    uid_validity: u32,
    places: BTreeMap<u32, u32>,
}

impl Told {
    fn take_note(&mut self, code: Option<&Code<'_>>) {
        let Some(Code::CopyUid { uid_validity, source, target }) = code else { return };
        if source.len() != target.len() || source.len() > self.asked {
            return;
        }
        let uid_validity = narrow(*uid_validity);
        // The mailbox was made anew in between: what was told before is void.
        if std::mem::replace(&mut self.uid_validity, uid_validity) != uid_validity {
            self.places.clear();
        }
        self.places.extend(source.iter().zip(target.iter()));
    }
}

/// The server's words on each message that it did not take.
type Refusals = BTreeMap<u32, String>;

impl ImapAccount {
    pub(super) async fn relocate(
        &mut self,
        listed: AsListed<'_>,
        uids: &[Uid],
        to: &MailboxName,
    ) -> Result<Moved, Fault> {
        let mut values: Vec<u32> = uids.iter().map(|uid| uid.value()).collect();
        values.sort_unstable();
        values.dedup();
        let capabilities = self.connection.capabilities();
        let moves = capabilities.has("MOVE") || capabilities.is_rev2();
        let mut told = Told { asked: values.len() as u64, ..Told::default() };
        if moves {
            self.open_as_listed(listed, Access::Write).await?;
            let refused = self.transfer("UID MOVE", &sets(&values), to, &mut told).await?;
            let still_there = self.still_there(&values).await?;
            return Ok(self.moved(listed, &values, (told, still_there, refused)));
        }
        let copied = self.copied_before(listed, &values, to).await?;
        self.open_as_listed(listed, Access::Write).await?;
        let due: Vec<u32> =
            values.iter().copied().filter(|uid| !copied.contains_key(uid)).collect();
        let mut refused = self.transfer("UID COPY", &sets(&due), to, &mut told).await?;
        told.places.extend(copied.into_iter().filter_map(|(uid, copy)| Some((uid, copy?))));
        // What has no copy stays as it is.
        let safe: Vec<Uid> = values
            .iter()
            .filter(|uid| !refused.contains_key(uid))
            .filter_map(|&uid| Uid::new(uid))
            .collect();
        let left =
            if safe.is_empty() { Vec::new() } else { self.expunge_messages(listed, &safe).await? };
        let mut still_there: BTreeSet<u32> = refused.keys().copied().collect();
        for (uid, fault) in left {
            still_there.insert(uid.value());
            refused.insert(uid.value(), fault.words);
        }
        Ok(self.moved(listed, &values, (told, still_there, refused)))
    }

    /// Copies messages in the order in which they are given. A set has no order of its own
    /// (RFC 9051 §9, sequence-set), and servers take its UIDs ascending: each ascending run is one
    /// command.
    pub(super) async fn copy_in_order(
        &mut self,
        listed: AsListed<'_>,
        uids: &[Uid],
        to: &MailboxName,
    ) -> Result<CopiesTold, Fault> {
        self.open_as_listed(listed, Access::Read).await?;
        let mut told = Told { asked: uids.len() as u64, ..Told::default() };
        let values: Vec<u32> = uids.iter().map(|uid| uid.value()).collect();
        let runs = values.chunk_by(|one, next| one < next);
        let sets: Vec<UidSet> = runs.flat_map(sets).collect();
        self.transfer("UID COPY", &sets, to, &mut told).await?;
        let place = |(from, to): (u32, u32)| Uid::new(from).zip(Uid::new(to));
        let copies = told.places.into_iter().filter_map(place).collect();
        Ok(CopiesTold { uid_validity: told.uid_validity, copies })
    }

    /// Sends one command a set; answers what was refused.
    async fn transfer(
        &mut self,
        verb: &'static str,
        sets: &[UidSet],
        to: &MailboxName,
        told: &mut Told,
    ) -> Result<Refusals, Fault> {
        let command =
            |set: &UidSet| Command::new(verb).sp().uid_set(set).sp().mailbox(to.as_bytes());
        let commands: Vec<Command> = sets.iter().map(command).collect();
        // MOVE tells COPYUID untagged, before the messages vanish (RFC 6851 §4.3).
        let completions: Vec<Completion> = self
            .run_all(&commands, |data| {
                if let Untagged::Condition { code, .. } = data {
                    told.take_note(code.as_ref());
                }
            })
            .await?;
        let mut refused = Refusals::new();
        for (completion, set) in completions.iter().zip(sets) {
            if completion.is_ok() {
                told.take_note(completion.code().as_ref());
            } else {
                refused.extend(set.iter().map(|uid| (uid, completion.words())));
            }
        }
        Ok(refused)
    }

    async fn still_there(&mut self, values: &[u32]) -> Result<BTreeSet<u32>, Fault> {
        let mut there = BTreeSet::new();
        for set in UidSet::from_sorted(values).split(UID_SET_BYTES_MAX) {
            let found = self.search(format!("UID {set}").as_bytes()).await?;
            there.extend(found.into_iter().filter(|&uid| set.contains(uid)));
        }
        Ok(there)
    }

    fn moved(
        &self,
        listed: AsListed<'_>,
        values: &[u32],
        (told, still_there, refused): (Told, BTreeSet<u32>, Refusals),
    ) -> Moved {
        let mut moved = Moved { uid_validity: told.uid_validity, ..Moved::default() };
        for &value in values {
            let Some(uid) = Uid::new(value) else { continue };
            if still_there.contains(&value) {
                let words = match refused.get(&value) {
                    Some(words) => words.clone(),
                    None => "the server said that it was moved, and it is still there".to_owned(),
                };
                let fault = self.fault(FaultKind::DeleteMessage, words);
                moved.stayed.push((uid, fault.in_mailbox(listed.mailbox).of_message(uid)));
            } else {
                moved.gone.push((uid, told.places.get(&value).copied().and_then(Uid::new)));
            }
        }
        moved
    }

    /// The messages of which a run that was cut off between COPY and EXPUNGE has made a copy already,
    /// and its UID: a second copy would be one too many. Each copy there stands for one message.
    async fn copied_before(
        &mut self,
        listed: AsListed<'_>,
        values: &[u32],
        to: &MailboxName,
    ) -> Result<BTreeMap<u32, Option<u32>>, Fault> {
        let keys = KeyRule::default();
        let there = match self.list_messages(to, &Selection::default(), &keys).await {
            Ok(there) => there,
            // Where it cannot be opened, nothing can be copied to either, and that is told.
            Err(fault) if fault.kind == FaultKind::Select => return Ok(BTreeMap::new()),
            Err(fault) => return Err(fault),
        };
        if there.is_empty() {
            return Ok(BTreeMap::new());
        }
        let uids: Vec<Uid> = values.iter().filter_map(|&uid| Uid::new(uid)).collect();
        let here = self.list_among(listed.mailbox, Among::These(&uids), &keys).await?;
        if here.uid_validity != listed.uid_validity {
            return Err(self.renumbered(listed, here.uid_validity));
        }
        Ok(pairs_of(&here, &there))
    }
}

/// As many sets as fit into a command each.
fn sets(values: &[u32]) -> Vec<UidSet> {
    UidSet::from_sorted(values).split(UID_SET_BYTES_MAX)
}

/// Which messages of the one mailbox are in the other: same identity headers, size and date. What
/// has no such headers is nobody's copy for sure.
fn pairs_of(here: &MessageListing, there: &MessageListing) -> BTreeMap<u32, Option<u32>> {
    let identity = |listing: &MessageListing, at: usize| -> Option<(Key, u32, Option<i64>)> {
        let key = Some(listing.key[at]).filter(|key| !key.is_none())?;
        let size = Some(listing.size[at]).filter(|size| *size != SIZE_UNKNOWN)?;
        Some((key, size, listing.date[at].instant()))
    };
    let mut copies: HashMap<_, Vec<u32>> = HashMap::new();
    for at in (0..there.len()).rev() {
        if let Some(identity) = identity(there, at) {
            copies.entry(identity).or_default().push(there.uid[at].value());
        }
    }
    let mut pairs = BTreeMap::new();
    for at in 0..here.len() {
        let copy = identity(here, at).and_then(|it| copies.get_mut(&it)).and_then(Vec::pop);
        if copy.is_some() {
            pairs.insert(here.uid[at].value(), copy);
        }
    }
    pairs
}

//! Messages of several mailboxes that are one, where mailboxes are labels (`docs/design/gmail.md`): which
//! of them are fetched, and which are copied on the target from where the first one went.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};

use mailferry_engine::account::Plan;
use mailferry_engine::fault::Scope;
use mailferry_engine::listing::{AccountListing, MessageListing, SIZE_UNKNOWN};
use mailferry_engine::message::Uid;
use mailferry_engine::name::SpecialUse;
use mailferry_engine::plan::{Action, Decision, PartPlan};
use mailferry_store::contract::{Source, Target};

use crate::copy::AddHeader;
use crate::job::Job;
use crate::survey::{MailboxListings, listed};

/// A message that is to be copied, by its place in the plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Place {
    /// The place of its target mailbox in the plan.
    pub(crate) at: u32,
    /// Index of the source mailbox.
    pub(crate) part: u32,
    pub(crate) uid: Uid,
}

/// A message that another mailbox brings to the target first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Twin {
    /// Index of the source mailbox.
    pub(crate) part: u32,
    pub(crate) uid: Uid,
    /// The one that is fetched.
    pub(crate) first: Place,
}

/// The messages that are not fetched at first, by the places of their target mailboxes in the plan.
#[derive(Debug, Default)]
pub(crate) struct Twins(BTreeMap<usize, Vec<Twin>>);

impl Twins {
    /// The mailboxes that have any.
    pub(crate) fn mailboxes(&self) -> impl Iterator<Item = usize> {
        self.0.keys().copied()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Those of a mailbox, ascending by source mailbox and UID.
    pub(crate) fn of(&self, mailbox: usize) -> &[Twin] {
        self.0.get(&mailbox).map_or(&[], Vec::as_slice)
    }

    /// Finds them, by a question to the source for each mailbox that has messages to be copied: the
    /// numbers are kept for these alone, at 24 octets a message, and no listing has a column for them.
    /// Where they are not told, messages are fetched in each mailbox, as ever.
    pub(crate) async fn find<S: Source, T: Target>(
        (job, plan, listings): (&Job, &Plan, &[MailboxListings]),
        (source, account): (&mut S, &AccountListing),
        target: &mut T,
    ) -> Self {
        let mut mailboxes: Vec<usize> = (0..plan.mailboxes.len()).collect();
        mailboxes.retain(|&at| plan.mailboxes[at].counts.copy > 0);
        // What is altered on the way may be altered by the mailbox that it comes from.
        let is_as_it_is = job.transform.is_none() && job.add_header == AddHeader::Never;
        let is_possible = source.has_labels() && target.tells_copies() && is_as_it_is;
        if !is_possible || mailboxes.len() < 2 {
            return Self::default();
        }
        // All Mail has the first ones, where it takes part, as it has all: so every other mailbox is
        // copied in its order. Else the largest.
        let all_mail = account.mailboxes.iter().find(|it| it.special_use == Some(SpecialUse::All));
        mailboxes.sort_by_key(|&at| {
            let mailbox = &plan.mailboxes[at];
            let is_all_mail = |part: &PartPlan| all_mail.is_some_and(|it| it.name == part.source);
            let all_mail = mailbox.parts.iter().any(is_all_mail);
            Reverse((all_mail, mailbox.counts.copy_octets))
        });
        let mut numbered = Numbered::default();
        for (rank, &at) in (0..).zip(&mailboxes) {
            for (part, of_part) in plan.mailboxes[at].parts.iter().enumerate() {
                let decided = of_part.uids.iter().zip(&of_part.decisions);
                let copies = decided.filter(|(_, it)| matches!(it, Decision::Act(Action::Copy)));
                let uids: Vec<Uid> = copies.map(|(uid, _)| *uid).collect();
                if uids.is_empty() {
                    continue;
                }
                let from = listed(&of_part.source, &listings[at].sources[part]);
                match source.account_numbers(from, &uids).await {
                    Ok(numbers) => numbered.add(rank, (at, part), numbers),
                    Err(fault) if fault.scope <= Scope::Mailbox => {}
                    // Whoever uses the connection next learns that it is of no more use.
                    Err(_) => return numbered.twins(listings),
                }
            }
        }
        numbered.twins(listings)
    }
}

/// Messages with the numbers by which their account knows them.
#[derive(Default)]
struct Numbered(Vec<Row>);

/// In the order in which rows are compared.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Row {
    number: u64,
    rank: u32,
    place: Place,
}

impl Numbered {
    fn add(&mut self, rank: u32, (at, part): (usize, usize), numbers: HashMap<Uid, u64>) {
        let (Ok(at), Ok(part)) = (u32::try_from(at), u32::try_from(part)) else { return };
        let row = |(uid, number)| Row { number, rank, place: Place { at, part, uid } };
        self.0.extend(numbers.into_iter().map(row));
    }

    fn twins(mut self, listings: &[MailboxListings]) -> Twins {
        self.0.sort_unstable();
        let mut twins: BTreeMap<usize, Vec<Twin>> = BTreeMap::new();
        for rows in self.0.chunk_by(|one, next| one.number == next.number) {
            let first = rows[0].place;
            // Of several in one mailbox only one is copied there: what is told of copies would not
            // tell them apart.
            for of_mailbox in rows.chunk_by(|one, next| one.place.at == next.place.at).skip(1) {
                let Place { at, part, uid } = of_mailbox[0].place;
                if agree(listings, first, of_mailbox[0].place) {
                    twins.entry(at as usize).or_default().push(Twin { part, uid, first });
                }
            }
        }
        twins.values_mut().for_each(|twins| twins.sort_unstable_by_key(|it| (it.part, it.uid)));
        Twins(twins)
    }
}

/// Whether two messages were listed with the same size, date and flags: a copy of the one has what the
/// other is to have.
fn agree(listings: &[MailboxListings], one: Place, other: Place) -> bool {
    let row = |place: Place| {
        let listing: &MessageListing =
            listings.get(place.at as usize)?.sources.get(place.part as usize)?;
        let at = listing.position(place.uid)?;
        let size = Some(listing.size[at]).filter(|size| *size != SIZE_UNKNOWN)?;
        Some((size, listing.date[at].instant(), listing.flag_table.set(listing.flags[at])))
    };
    row(one).is_some_and(|it| row(other) == Some(it))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use mailferry_engine::listing::Row as Listed;
    use mailferry_engine::message::{Flag, FlagSet, InternalDate, Key};

    use super::*;

    /// A source mailbox with messages of these UIDs and sizes; the flag is set where the size is odd.
    fn mailbox(messages: &[(u32, u32)]) -> MailboxListings {
        let mut source = MessageListing::default();
        for &(uid, size) in messages {
            let seen: FlagSet = (size % 2 == 1).then(|| Flag::new(b"\\Seen")).into_iter().collect();
            let flags = source.flag_table.intern(seen);
            let (uid, date) = (Uid::new(uid).unwrap(), InternalDate::new(7, 0));
            source.push(Listed { uid, key: Key::NONE, size, date, flags, selected: true });
        }
        MailboxListings {
            sources: vec![source],
            target: MessageListing::default(),
            first_keys: Vec::new(),
            removal_keys: Vec::new(),
        }
    }

    /// UIDs with sizes, and the numbers of these messages.
    type Messages<'a> = (&'a [(u32, u32)], &'a [u64]);

    fn found(mailboxes: &[Messages<'_>]) -> Vec<(usize, u32, (u32, u32))> {
        let listings: Vec<_> = mailboxes.iter().map(|(messages, _)| mailbox(messages)).collect();
        let mut numbered = Numbered::default();
        for (at, (messages, numbers)) in mailboxes.iter().enumerate() {
            let uids = messages.iter().map(|(uid, _)| Uid::new(*uid).unwrap());
            let numbers = uids.zip(numbers.iter().copied()).collect();
            numbered.add(u32::try_from(at).unwrap(), (at, 0), numbers);
        }
        let twins = numbered.twins(&listings);
        let row = |at: usize, twin: &Twin| {
            (at, twin.uid.value(), (twin.first.at, twin.first.uid.value()))
        };
        twins.mailboxes().flat_map(|at| twins.of(at).iter().map(move |it| row(at, it))).collect()
    }

    #[test]
    fn of_messages_with_one_number_the_first_is_fetched() {
        let all = found(&[
            (&[(1, 10), (2, 20), (3, 30)], &[100, 200, 300]),
            (&[(5, 20), (6, 10)], &[200, 100]),
            (&[(8, 30), (9, 40)], &[300, 400]),
            (&[(4, 40), (7, 10)], &[400, 100]),
        ]);
        let expected =
            [(1, 5, (0, 2)), (1, 6, (0, 1)), (2, 8, (0, 3)), (3, 4, (2, 9)), (3, 7, (0, 1))];
        assert_eq!(all, expected);
    }

    #[test]
    fn what_differs_in_size_or_flags_is_fetched() {
        assert_eq!(found(&[(&[(1, 10)], &[100]), (&[(5, 12)], &[100])]), []);
        assert_eq!(found(&[(&[(1, SIZE_UNKNOWN)], &[100]), (&[(5, SIZE_UNKNOWN)], &[100])]), []);
        assert_eq!(found(&[(&[(1, 11)], &[100]), (&[(5, 11)], &[100])]).len(), 1);
    }

    #[test]
    fn of_two_in_one_mailbox_one_is_copied_there() {
        let all = found(&[(&[(1, 10)], &[100]), (&[(5, 10), (6, 10)], &[100, 100])]);
        assert_eq!(all, [(1, 5, (0, 1))]);
    }
}

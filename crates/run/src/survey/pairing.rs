//! Pairing the messages of one group, with the digests that it takes.

use mailferry_engine::fault::{Fault, FaultKind, Scope, Side};
use mailferry_engine::listing::MessageListing;
use mailferry_engine::message::{InternalDate, Uid};
use mailferry_engine::name::MailboxName;
use mailferry_engine::pairing::{Digests, PairInput, Pairing, Pairs, pair};
use mailferry_store::contract::{InternalDates, Source};

use super::listing::Trust;
use super::{Group, MailboxListings, Surveyor, listed};
use crate::accounts::Accounts;
use crate::state::State;
use crate::transform::identity::Paired;

/// How often pairing may ask for more before it is given up: once for each kind of doubt, with
/// some to spare.
const PAIRING_ROUNDS_MAX: usize = 6;

impl<A: Accounts> Surveyor<'_, A> {
    pub(super) async fn pair_group(
        &mut self,
        group: &Group<'_>,
        listings: &mut MailboxListings,
        trust: Trust,
    ) -> Result<Pairs, Fault> {
        let state = self.job.state.as_deref();
        let of_sources = Digester { side: Side::Source, state, trust };
        let of_targets = Digester { side: Side::Target, state, trust };
        let mut digests = vec![Digests::default(); group.members.len()];
        let mut target_digests = Digests::default();
        for _ in 0..PAIRING_ROUNDS_MAX {
            let inputs: Vec<PairInput<'_>> = listings
                .sources
                .iter()
                .zip(&digests)
                .map(|(listing, digests)| PairInput { listing, digests })
                .collect();
            let target = PairInput { listing: &listings.target, digests: &target_digests };
            let needs = match pair(&inputs, target, &self.rules.pair_rule()) {
                Pairing::Done(pairs) => return self.pair_altered(group, listings, pairs).await,
                Pairing::Needs(needs) => needs,
            };
            let (source, target) = (self.source.get()?, self.target.get()?);
            let from_source = async {
                for (part, (mapping, _)) in group.members.iter().enumerate() {
                    let uids = needs.source.iter().filter(|(of, _)| *of as usize == part);
                    let uids: Vec<Uid> = uids.map(|(_, uid)| *uid).collect();
                    let mailbox = (&mapping.source, &listings.sources[part]);
                    digests[part].extend(of_sources.find(mailbox, uids, source).await?);
                }
                Ok::<(), Fault>(())
            };
            let from_target = async {
                let mailbox = (&group.target, &listings.target);
                let digests = of_targets.find(mailbox, needs.target, target).await?;
                let dates = match needs.target_dates.is_empty() {
                    true => InternalDates::new(),
                    false => {
                        target.dates(listed(mailbox.0, mailbox.1), &needs.target_dates).await?
                    }
                };
                Ok::<_, Fault>((digests, dates))
            };
            let (from_source, from_target) = tokio::join!(from_source, from_target);
            from_source?;
            let (found, dates) = from_target?;
            target_digests.extend(found);
            note_dates(&mut listings.target, &needs.target_dates, &dates);
        }
        let words = format!("messages could not be told apart in {PAIRING_ROUNDS_MAX} rounds");
        Err(Fault { scope: Scope::Mailbox, ..Fault::new(Side::Source, FaultKind::Limit, words) }
            .in_mailbox(&group.target))
    }

    /// The same, with the messages recognised that rules altered on their way.
    async fn pair_altered(
        &mut self,
        group: &Group<'_>,
        listings: &MailboxListings,
        mut pairs: Pairs,
    ) -> Result<Pairs, Fault> {
        let sources = group.members.iter().map(|(mapping, _)| &mapping.source);
        let paired = Paired {
            job: self.job,
            stop: self.stop,
            rule: self.rules.pair_rule(),
            sources: sources.zip(&listings.sources).collect(),
            target: (&group.target, &listings.target),
        };
        paired.pair_altered(self.source.get()?, self.target.get()?, &mut pairs).await?;
        Ok(pairs)
    }
}

/// Notes the dates that were asked for; unknown where the server did not tell.
fn note_dates(listing: &mut MessageListing, asked: &[Uid], told: &InternalDates) {
    for &uid in asked {
        if let Some(at) = listing.position(uid) {
            listing.date[at] = told.get(&uid).copied().unwrap_or(InternalDate::UNKNOWN);
        }
    }
}

/// Where digests of one side come from.
struct Digester<'a> {
    side: Side,
    state: Option<&'a State>,
    trust: Trust,
}

impl Digester<'_> {
    /// The digests of these messages: those that an earlier run made, the others from their
    /// bodies.
    async fn find<S: Source>(
        &self,
        (mailbox, listing): (&MailboxName, &MessageListing),
        mut uids: Vec<Uid>,
        connection: &mut S,
    ) -> Result<Digests, Fault> {
        let mut digests = Digests::default();
        if uids.is_empty() {
            return Ok(digests);
        }
        if let (Some(state), Trust::State) = (self.state, self.trust) {
            digests = state.digests(self.side, mailbox, listing.uid_validity);
            uids.retain(|uid| digests.find(*uid).is_none());
        }
        if uids.is_empty() {
            return Ok(digests);
        }
        let found = connection.digests(listed(mailbox, listing), &uids).await?;
        if let Some(state) = self.state {
            state.keep_digests(self.side, (mailbox, listing.uid_validity), &uids, &found);
        }
        digests.extend(found);
        Ok(digests)
    }
}

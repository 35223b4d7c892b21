//! One account: the way to it, what its server is, what it holds.

use std::time::{Duration, Instant};

use mailferry_engine::fault::{Fault, Side};
use mailferry_engine::listing::AccountListing;
use mailferry_engine::name::MailboxName;
use mailferry_run::accounts::Accounts as _;
use mailferry_store::contract::{Source, Target};
use mailferry_store::either::Either;
use mailferry_store::imap::Welcome;
use mailferry_store::quota::Quota;

use crate::servers::{AnyAccount, Servers};

/// How often the round trip is measured: the least is told, which nothing else has made longer.
const ROUND_TRIPS: usize = 3;

/// An account as it was found.
pub(super) struct Examined {
    pub(super) side: Side,
    /// User, host and port, or the path.
    pub(super) name: String,
    pub(super) found: Result<Found, Fault>,
}

/// What was found of an account that could be entered.
pub(super) struct Found {
    /// From nothing to being logged in.
    pub(super) entered_after: Duration,
    /// What its server said of itself; none for a Maildir.
    pub(super) server: Option<ServerFacts>,
    pub(super) quota: Quota,
    /// The largest message it takes, in octets.
    pub(super) append_limit: Option<u64>,
    pub(super) listing: AccountListing,
    /// The octets of all mailboxes that told of theirs.
    pub(super) octets: u64,
    /// Mailboxes that did not.
    pub(super) octets_unknown_in: usize,
}

/// What a server told of itself, and how far it is.
pub(super) struct ServerFacts {
    pub(super) welcome: Welcome,
    pub(super) round_trip: Duration,
}

impl Found {
    /// All messages.
    pub(super) fn messages(&self) -> u64 {
        self.listing.mailboxes.iter().filter_map(|mailbox| mailbox.messages).map(u64::from).sum()
    }
}

/// Enters the account and looks around. Nothing is changed.
pub(super) async fn examine(servers: &Servers, side: Side) -> Examined {
    let (source, target) = servers.names();
    let name = if side == Side::Source { source } else { target };
    Examined { side, name, found: look_around(servers, side).await }
}

async fn look_around(servers: &Servers, side: Side) -> Result<Found, Fault> {
    let began = Instant::now();
    let mut account: AnyAccount = match side {
        Side::Source => servers.open_source().await?,
        Side::Target => servers.open_target().await?,
    };
    let entered_after = began.elapsed();
    let mut server = None;
    if let Either::One(imap) = &mut account {
        let mut round_trip = imap.round_trip().await?;
        for _ in 1..ROUND_TRIPS {
            round_trip = round_trip.min(imap.round_trip().await?);
        }
        server = Some(ServerFacts { welcome: imap.welcome.clone(), round_trip });
    }
    let quota = account.quota().await?;
    let listing = account.mailboxes().await?;
    let selectable = listing.mailboxes.iter().filter(|mailbox| mailbox.selectable);
    let names: Vec<MailboxName> = selectable.map(|mailbox| mailbox.name.clone()).collect();
    let octets = account.octets_in(&names).await?;
    let found = Found {
        entered_after,
        server,
        quota,
        append_limit: account.append_limit(),
        octets: octets.iter().flatten().sum(),
        octets_unknown_in: octets.iter().filter(|octets| octets.is_none()).count(),
        listing,
    };
    account.close().await;
    Ok(found)
}

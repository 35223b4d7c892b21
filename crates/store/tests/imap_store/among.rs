//! Listing some messages of a mailbox.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use mailferry_engine::identity::KeyRule;
use mailferry_engine::message::Uid;
use mailferry_engine::name::MailboxName;
use mailferry_store::contract::{Among, Source};
use mailferry_testkit::sim::{Extension, Profile, Server};

use crate::meddler::Meddler;
use crate::world::{account, fill, open};

/// mailutils' imap4d answers `UID SEARCH UID 3:*` with no hit at all.
#[tokio::test]
async fn a_server_that_finds_nothing_by_a_range_is_asked_for_all() {
    let account = account();
    fill(&account, "INBOX", 1..6, 100);
    let profile = Profile::modern().without(Extension::ESearch);
    let server = Server::bind(profile, [account]).await.unwrap();
    let is_first = AtomicBool::new(true);
    let meddler = Meddler::start(
        server.addr(),
        Arc::new(move |response: &[u8]| {
            let search = response.starts_with(b"* SEARCH");
            match search && is_first.swap(false, Ordering::SeqCst) {
                true => b"* SEARCH\r\n".to_vec(),
                false => response.to_vec(),
            }
        }),
    )
    .await;
    let mut store = open(meddler.address).await;
    let (inbox, keys) = (MailboxName::from("INBOX"), KeyRule::default());
    let which = Among::From(Uid::new(3).unwrap(), &[]);
    let listing = store.messages_among(&inbox, which, &keys).await.unwrap();
    let uids: Vec<u32> = listing.uid.iter().map(|uid| uid.value()).collect();
    assert_eq!(uids, [3, 4, 5]);
}

//! Fetching bodies, and what is asked of UIDs later on.

use std::collections::{BTreeMap, HashSet};
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use mailferry_engine::fault::{Fault, FaultKind, Scope};
use mailferry_engine::message::{FlagSet, Uid};
use mailferry_engine::name::MailboxName;
use mailferry_store::contract::{
    AsListed, BodyEvent, Envelope, FlagUpdate, LiteralForm, Source, Target, Wanted,
};
use mailferry_store::imap::ImapAccount;
use mailferry_testkit::sim::{Extension, Profile, Server, UidPlace};

use crate::meddler::{Meddler, Rewrite, holds, replaced};
use crate::world::{account, fill, list, open};

/// What came of one message.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Came {
    Octets(usize),
    Missing(FaultKind),
}

/// How long it is waited for a body before the wait is dropped.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Patience {
    Endless,
    /// Not at all: looked at once, dropped, and looked at again a little later.
    None,
}

async fn fetch_all(
    store: &mut ImapAccount,
    mailbox: &str,
    patience: Patience,
) -> BTreeMap<u32, Came> {
    let listing = list(store, mailbox).await;
    let name = MailboxName::from(mailbox);
    let wanted =
        listing.uid.iter().zip(&listing.size).map(|(&uid, &size)| Wanted { uid, size }).collect();
    let listed = AsListed { mailbox: &name, uid_validity: listing.uid_validity };
    store.open_bodies(listed, wanted);
    let mut came = BTreeMap::new();
    let mut streamed: Option<(Uid, usize, u64)> = None;
    loop {
        if patience == Patience::None {
            tokio::time::sleep(std::time::Duration::from_micros(200)).await;
        }
        let polled = {
            let mut next = pin!(store.next_body());
            match patience {
                Patience::Endless => Some(next.await.unwrap()),
                Patience::None => {
                    std::future::poll_fn(|context| {
                        Poll::Ready(match next.as_mut().poll(context) {
                            Poll::Ready(event) => Some(event.unwrap()),
                            Poll::Pending => None,
                        })
                    })
                    .await
                }
            }
        };
        let Some(event) = polled else { continue };
        let (uid, what) = match event {
            BodyEvent::Whole { uid, octets } => (uid, Came::Octets(octets.len())),
            BodyEvent::Missing { uid, fault } => (uid, Came::Missing(fault.kind)),
            BodyEvent::Begin { uid, octets } => {
                assert!(streamed.is_none());
                streamed = Some((uid, 0, octets));
                continue;
            }
            BodyEvent::Chunk(octets) => {
                streamed.as_mut().unwrap().1 += octets.len();
                continue;
            }
            BodyEvent::End => {
                let (uid, octets, announced) = streamed.take().unwrap();
                assert_eq!(octets as u64, announced);
                (uid, Came::Octets(octets))
            }
            BodyEvent::Finished => return came,
            BodyEvent::Unavailable { fault } => panic!("{fault}"),
        };
        assert!(came.insert(uid.value(), what).is_none(), "{uid} came twice");
    }
}

/// Why the body of a message cannot be had, where its mailbox cannot.
async fn unavailable(store: &mut ImapAccount, listed: AsListed<'_>, uid: Uid) -> Fault {
    store.open_bodies(listed, vec![Wanted { uid, size: 300 }]);
    match store.next_body().await.unwrap() {
        BodyEvent::Unavailable { fault } => fault,
        event => panic!("{event:?}"),
    }
}

/// UID 3 is never delivered, the body of UID 5 is made up since it is gone, that of UID 7 is
/// left out once, and the sizes of UIDs 9 and 12 are wrong.
fn rewrite() -> Rewrite {
    let once = std::sync::atomic::AtomicBool::new(true);
    Arc::new(move |response| {
        let about = |uid: u32| {
            holds(response, &format!("UID {uid} ")) || holds(response, &format!(" UID {uid})"))
        };
        let body = holds(response, "BODY[]");
        if about(3) && body {
            return Vec::new();
        }
        if about(5) && body {
            return b"* 5 FETCH (UID 5 BODY[] {4}\r\ngone)\r\n".to_vec();
        }
        if about(5) && holds(response, "RFC822.SIZE") && !holds(response, "INTERNALDATE") {
            return Vec::new();
        }
        if about(7) && body && once.swap(false, std::sync::atomic::Ordering::SeqCst) {
            return Vec::new();
        }
        if about(9) || about(12) {
            let small = replaced(response, "RFC822.SIZE 300", "RFC822.SIZE 70000");
            return replaced(&small, "RFC822.SIZE 90000", "RFC822.SIZE 10");
        }
        response.to_vec()
    })
}

#[tokio::test]
async fn every_message_is_told_of_once_however_often_waiting_is_given_up() {
    for uid_place in [UidPlace::First, UidPlace::Last] {
        for patience in [Patience::Endless, Patience::None] {
            let account = account();
            fill(&account, "INBOX", 1..11, 300);
            fill(&account, "INBOX", 11..14, 90_000);
            fill(&account, "INBOX", 14..300, 300);
            let server =
                Server::bind(Profile { uid_place, ..Profile::modern() }, [account]).await.unwrap();
            let meddler = Meddler::start(server.addr(), rewrite()).await;
            let mut store = open(meddler.address).await;
            let came = fetch_all(&mut store, "INBOX", patience).await;
            assert_eq!(came.len(), 299);
            for (uid, came) in came {
                let expected = match uid {
                    3 => Came::Missing(FaultKind::Fetch),
                    5 => Came::Missing(FaultKind::Expunged),
                    11..=13 => Came::Octets(90_000),
                    _ => Came::Octets(300),
                };
                assert_eq!(
                    came,
                    expected,
                    "UID {uid} {uid_place:?}, patience {}",
                    patience == Patience::Endless
                );
            }
        }
    }
}

#[tokio::test]
async fn an_empty_body_comes_as_one() {
    let account = account();
    fill(&account, "INBOX", 1..3, 0);
    let server = Server::bind(Profile::modern(), [account]).await.unwrap();
    let mut store = open(server.addr()).await;
    let came = fetch_all(&mut store, "INBOX", Patience::Endless).await;
    assert_eq!(came, BTreeMap::from([(1, Came::Octets(0)), (2, Came::Octets(0))]));
}

#[tokio::test]
async fn digests_know_no_sizes_and_miss_nothing() {
    for uid_place in [UidPlace::First, UidPlace::Last] {
        let account = account();
        fill(&account, "INBOX", 1..5, 300);
        fill(&account, "INBOX", 5..7, 200_000);
        fill(&account, "INBOX", 7..9, 300);
        let server = Server::bind(Profile { uid_place, ..Profile::modern() }, [account.clone()])
            .await
            .unwrap();
        let mut store = open(server.addr()).await;
        let listing = list(&mut store, "INBOX").await;
        let inbox = MailboxName::from("INBOX");
        let listed = AsListed { mailbox: &inbox, uid_validity: listing.uid_validity };
        let digests = store.digests(listed, &listing.uid).await.unwrap();
        let found: HashSet<_> =
            listing.uid.iter().map(|&uid| digests.find(uid).unwrap().unwrap()).collect();
        assert_eq!(found.len(), 8, "all different, none missing");
        let digests = store.octet_digests(listed, &listing.uid).await.unwrap();
        for message in account.messages("INBOX") {
            let expected = ring::digest::digest(&ring::digest::SHA256, &message.octets);
            let uid = Uid::new(message.uid).unwrap();
            let found = digests[&uid].unwrap();
            assert_eq!(found.0, expected.as_ref(), "{uid}");
        }
        let gone = Uid::new(99).unwrap();
        assert_eq!(store.digests(listed, &[gone]).await.unwrap().find(gone), Some(None));
        assert_eq!(store.octet_digests(listed, &[gone]).await.unwrap()[&gone], None);
    }
}

#[tokio::test]
async fn uids_of_another_uidvalidity_are_neither_read_nor_changed() {
    for profile in [Profile::modern(), Profile::modern().without(Extension::UidPlus)] {
        let account = account();
        fill(&account, "A", 1..4, 300);
        let server = Server::bind(profile, [account.clone()]).await.unwrap();
        let mut store = open(server.addr()).await;
        let before = list(&mut store, "A").await;
        list(&mut store, "INBOX").await;
        account.expunge("A", 1);
        account.renumber("A");
        let name = MailboxName::from("A");
        let listed = AsListed { mailbox: &name, uid_validity: before.uid_validity };
        let uid = Uid::new(2).unwrap();
        let update = FlagUpdate {
            uid,
            add: [mailferry_engine::message::Flag::new(b"\\Seen")].into_iter().collect(),
            remove: FlagSet::default(),
        };
        let faults = [
            unavailable(&mut store, listed, uid).await,
            store.digests(listed, &[uid]).await.unwrap_err(),
            store.octet_digests(listed, &[uid]).await.unwrap_err(),
            store.update_flags(listed, &[update]).await.unwrap_err(),
            store.delete_messages(listed, &[uid]).await.unwrap_err(),
        ];
        for fault in faults {
            assert_eq!(
                (fault.scope, fault.mailbox),
                (Scope::Mailbox, Some(name.clone())),
                "{}",
                fault.words
            );
        }
        let messages = account.messages("A");
        assert_eq!(messages.len(), 2);
        assert!(messages.iter().all(|found| found.flags.iter().next().is_none()));
    }
}

#[tokio::test]
async fn where_commands_run_in_any_order_one_append_follows_the_other() {
    for (greeting, at_a_time) in [("Stalwart IMAP", 1), ("some other server", 100)] {
        let account = account();
        let profile = Profile { greeting: greeting.to_owned(), ..Profile::modern() };
        let server = Server::bind(profile, [account.clone()]).await.unwrap();
        let mut store = open(server.addr()).await;
        store.open_appends(&MailboxName::from("INBOX")).await.unwrap();
        let mut left: Vec<u32> = (1..=100).rev().collect();
        let (mut most, mut answered) = (0, 0);
        while answered < 100 {
            while store.has_room()
                && let Some(number) = left.pop()
            {
                let envelope = Envelope {
                    ticket: 0,
                    uid: Uid::new(number).unwrap(),
                    flags: FlagSet::default(),
                    date: mailferry_engine::message::InternalDate::UNKNOWN,
                    literal: LiteralForm::Text,
                };
                store.append(envelope, format!("Subject: {number}\r\n\r\n").into_bytes());
            }
            store.flush_appends();
            store.advance_appends().await.unwrap();
            let told = store.take_appended();
            assert!(told.iter().all(|appended| appended.result.is_ok()));
            most = most.max(told.len());
            answered += told.len();
        }
        assert_eq!(most, at_a_time, "{greeting}");
        assert_eq!(account.messages("INBOX").len(), 100);
    }
}

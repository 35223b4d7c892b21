//! Bodies of the next mailboxes are asked for before those of one have come.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use mailferry_engine::fault::FaultKind;
use mailferry_engine::name::MailboxName;
use mailferry_store::contract::{AsListed, BodyEvent, Source, Wanted};
use mailferry_store::imap::ImapAccount;
use mailferry_testkit::sim::{Account, Profile, Server};

use crate::bodies::Came;
use crate::meddler::{Meddler, Rewrite, holds};
use crate::world::{account, fill, list, open};

/// What is wanted of one mailbox.
struct Order {
    mailbox: MailboxName,
    uid_validity: u32,
    wanted: Vec<Wanted>,
}

/// What came of one mailbox: its messages in the order they came, or why there were none.
type Delivered = Result<Vec<(u32, Came)>, FaultKind>;

fn orderly() -> Profile {
    Profile { greeting: "Dovecot ready.".to_owned(), ..Profile::modern() }
}

async fn orders(store: &mut ImapAccount, mailboxes: &[String]) -> Vec<Order> {
    let mut orders = Vec::new();
    for mailbox in mailboxes {
        let listing = list(store, mailbox).await;
        let wanted = listing.uid.iter().zip(&listing.size);
        let wanted = wanted.map(|(&uid, &size)| Wanted { uid, size }).collect();
        let mailbox = MailboxName::from(mailbox.as_str());
        orders.push(Order { mailbox, uid_validity: listing.uid_validity, wanted });
    }
    orders
}

/// Fetches them all, asking for the next ones as soon as the source takes them.
async fn fetch(store: &mut ImapAccount, orders: &[Order]) -> Vec<Delivered> {
    let (mut asked, mut delivered, mut now) = (0, Vec::new(), Vec::new());
    let mut streamed: Option<(u32, usize)> = None;
    while delivered.len() < orders.len() {
        while asked < orders.len() && store.has_room_for_bodies() {
            let Order { mailbox, uid_validity, wanted } = &orders[asked];
            let listed = AsListed { mailbox, uid_validity: *uid_validity };
            store.open_bodies(listed, wanted.clone());
            asked += 1;
        }
        match store.next_body().await.unwrap() {
            BodyEvent::Whole { uid, octets } => now.push((uid.value(), Came::Octets(octets.len()))),
            BodyEvent::Missing { uid, fault } => now.push((uid.value(), Came::Missing(fault.kind))),
            BodyEvent::Begin { uid, .. } => streamed = Some((uid.value(), 0)),
            BodyEvent::Chunk(octets) => streamed.as_mut().unwrap().1 += octets.len(),
            BodyEvent::End => {
                let (uid, octets) = streamed.take().unwrap();
                now.push((uid, Came::Octets(octets)));
            }
            BodyEvent::Finished => delivered.push(Ok(std::mem::take(&mut now))),
            BodyEvent::Unavailable { fault } => {
                assert!(now.is_empty());
                delivered.push(Err(fault.kind));
            }
        }
    }
    delivered
}

fn filled(account: &Account, mailboxes: u32) -> Vec<String> {
    let names: Vec<String> = (0..mailboxes).map(|number| format!("M{number}")).collect();
    for name in &names {
        account.add_mailbox(name);
        fill(account, name, 1..9, 300);
    }
    names
}

#[tokio::test]
async fn the_bodies_of_many_mailboxes_cost_few_round_trips_where_order_is_kept() {
    let mut taken = Vec::new();
    for profile in [orderly(), Profile::modern()] {
        let account = account();
        let names = filled(&account, 40);
        let server = Server::bind(profile, [account]).await.unwrap();
        let mut store = open(server.addr()).await;
        let orders = orders(&mut store, &names).await;
        let before = server.state().round_trips();
        let delivered = fetch(&mut store, &orders).await;
        taken.push(server.state().round_trips() - before);
        let whole: Vec<(u32, Came)> = (1..9).map(|uid| (uid, Came::Octets(300))).collect();
        assert!(delivered.iter().all(|came| *came.as_ref().unwrap() == whole));
    }
    assert!(taken[0] <= 40, "{} round trips for 40 mailboxes", taken[0]);
    assert!(taken[1] >= 80, "EXAMINE is answered first: {} round trips", taken[1]);
}

/// UID 3 is never delivered, the body of UID 5 is made up since it is gone, and UIDs 7, 12
/// and 30 are left out where they are asked for together with others.
fn rewrite() -> Rewrite {
    let behind_another = AtomicBool::new(false);
    Arc::new(move |response| {
        let about = |uid: u32| {
            holds(response, &format!("UID {uid} ")) || holds(response, &format!(" UID {uid})"))
        };
        let body = holds(response, "BODY[]");
        let together = behind_another.swap(body, Ordering::SeqCst);
        if body && (about(3) || (together && [7, 12, 30].into_iter().any(about))) {
            return Vec::new();
        }
        if about(5) && body {
            return b"* 5 FETCH (UID 5 BODY[] {4}\r\ngone)\r\n".to_vec();
        }
        if about(5) && holds(response, "RFC822.SIZE") && !holds(response, "INTERNALDATE") {
            return Vec::new();
        }
        response.to_vec()
    })
}

/// What goes wrong in one mailbox changes nothing in those that were asked for behind it.
#[tokio::test]
async fn each_message_is_told_of_once_whatever_goes_wrong_in_the_mailbox_before() {
    let account = account();
    let names = filled(&account, 12);
    for name in &names {
        fill(&account, name, 9..11, 300);
        fill(&account, name, 11..12, 90_000);
        fill(&account, name, 12..40, 300);
    }
    let server = Server::bind(orderly(), [account.clone()]).await.unwrap();
    let meddler = Meddler::start(server.addr(), rewrite()).await;
    let mut store = open(meddler.address).await;
    let orders = orders(&mut store, &names).await;
    account.remove_mailbox("M4");
    account.expunge("M6", 1);
    account.renumber("M6");
    let delivered = fetch(&mut store, &orders).await;
    for (at, came) in delivered.into_iter().enumerate() {
        let came = match at {
            4 | 6 => {
                let kind = if at == 4 { FaultKind::Select } else { FaultKind::ListingIncomplete };
                assert_eq!(came.unwrap_err(), kind);
                continue;
            }
            _ => came.unwrap(),
        };
        let mut uids: Vec<u32> = came.iter().map(|(uid, _)| *uid).collect();
        uids.sort_unstable();
        assert_eq!(uids, (1..40).collect::<Vec<_>>(), "mailbox {at}");
        for (uid, came) in came {
            let expected = match uid {
                3 => Came::Missing(FaultKind::Fetch),
                5 => Came::Missing(FaultKind::Expunged),
                11 => Came::Octets(90_000),
                _ => Came::Octets(300),
            };
            assert_eq!(came, expected, "mailbox {at}, UID {uid}");
        }
    }
}

/// The server has the mailbox open that was asked for last, be it another than was listed.
#[tokio::test]
async fn a_mailbox_is_opened_anew_where_the_one_behind_it_was_not_the_one_listed() {
    let account = account();
    account.add_mailbox("A").add_mailbox("B");
    fill(&account, "A", 1..6, 300);
    fill(&account, "B", 1..6, 400);
    let server = Server::bind(orderly(), [account.clone()]).await.unwrap();
    let mut store = open(server.addr()).await;
    let orders = orders(&mut store, &["A".to_owned(), "B".to_owned()]).await;
    account.expunge("B", 1);
    account.renumber("B");
    let delivered = fetch(&mut store, &orders).await;
    assert!(delivered[0].is_ok() && delivered[1].is_err());
    let again = fetch(&mut store, &orders[..1]).await;
    let whole: Vec<(u32, Came)> = (1..6).map(|uid| (uid, Came::Octets(300))).collect();
    assert_eq!(again[0].as_ref().unwrap(), &whole);
}

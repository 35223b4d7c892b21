//! When connections are compressed: as asked, or by what was measured on a slow link.

use std::net::{Ipv4Addr, SocketAddr};

use mailferry_engine::fault::{FaultKind, Side};
use mailferry_engine::message::{FlagSet, InternalDate, Uid};
use mailferry_engine::name::MailboxName;
use mailferry_imap::compress::Compression as OnWire;
use mailferry_store::contract::{
    AsListed, BodyEvent, Envelope, LiteralForm, Source, Target, Wanted,
};
use mailferry_store::imap::ImapAccount;
use mailferry_store::imap::compression::Compression;
use mailferry_testkit::proxy::{Proxy, Weather};
use mailferry_testkit::sim::{Account, Extension, Profile, Server};

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;

use crate::world::{account, credentials, endpoint, fill, list};

const SLOW: Weather =
    Weather { octets_per_second: Some(1_500_000), latency: std::time::Duration::ZERO, cut: None };

async fn offering(account: &Account) -> Server {
    let profile = Profile::modern().with(Extension::Compress);
    Server::bind(profile, [account.clone()]).await.unwrap()
}

async fn open(address: SocketAddr, policy: &Compression) -> ImapAccount {
    let endpoint = endpoint(address);
    ImapAccount::open_with(Side::Source, &endpoint, &credentials(), policy.clone()).await.unwrap()
}

/// The commands about compression and bodies, with their connections.
fn log(server: &Server) -> Vec<(u32, String)> {
    let entries = server.state().log().into_iter();
    let verb = |line: &str| line.split(' ').take(2).collect::<Vec<_>>().join(" ");
    entries
        .map(|entry| (entry.connection, verb(&entry.line)))
        .filter(|(_, verb)| verb.starts_with("COMPRESS") || verb == "UID FETCH")
        .collect()
}

/// Reads every body of a mailbox; how many octets they had.
async fn read_bodies(store: &mut ImapAccount, mailbox: &str) -> usize {
    let listing = list(store, mailbox).await;
    let name = MailboxName::from(mailbox);
    let wanted = listing.uid.iter().zip(&listing.size).map(|(&uid, &size)| Wanted { uid, size });
    let listed = AsListed { mailbox: &name, uid_validity: listing.uid_validity };
    store.open_bodies(listed, wanted.collect());
    let mut octets = 0;
    loop {
        match store.next_body().await.unwrap() {
            BodyEvent::Whole { octets: whole, .. } => octets += whole.len(),
            BodyEvent::Chunk(chunk) => octets += chunk.len(),
            BodyEvent::Finished => return octets,
            BodyEvent::Missing { uid, fault } => panic!("{uid}: {fault}"),
            BodyEvent::Unavailable { fault } => panic!("{fault}"),
            BodyEvent::Begin { .. } | BodyEvent::End => {}
        }
    }
}

#[tokio::test]
async fn compression_is_never_asked_for_by_default_and_always_on_demand() {
    let account = account();
    let server = offering(&account).await;
    open(server.addr(), &Compression::default()).await;
    open(server.addr(), &Compression::auto()).await;
    assert!(log(&server).is_empty());
    let store = open(server.addr(), &Compression::Always).await;
    assert_eq!(*store.compression(), OnWire::Active);
    assert_eq!(log(&server), [(3, "COMPRESS DEFLATE".to_owned())]);
}

#[tokio::test]
async fn a_server_that_does_not_compress_is_used_as_it_is() {
    let server = Server::bind(Profile::modern(), [account()]).await.unwrap();
    let mut store = open(server.addr(), &Compression::Always).await;
    assert!(matches!(store.compression(), OnWire::Refused(_)));
    assert_eq!(list(&mut store, "INBOX").await.len(), 0);
}

#[tokio::test]
async fn a_stream_that_cannot_be_inflated_is_the_servers_fault_and_says_so() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let (from, mut to) = stream.into_split();
        to.write_all(b"* OK [CAPABILITY IMAP4rev1 COMPRESS=DEFLATE] hi\r\n").await.unwrap();
        let mut lines = BufReader::new(from).split(b'\n');
        while let Ok(Some(line)) = lines.next_segment().await {
            let line = String::from_utf8_lossy(&line).into_owned();
            let (tag, rest) = line.split_once(' ').unwrap_or(("*", ""));
            let answer = match rest.trim_end() {
                verb if verb.starts_with("COMPRESS") => {
                    [format!("{tag} OK go\r\n").as_bytes(), &[0xff; 100]].concat()
                }
                _ => format!("* CAPABILITY IMAP4rev1 COMPRESS=DEFLATE\r\n{tag} OK\r\n").into(),
            };
            to.write_all(&answer).await.unwrap();
        }
    });
    let mut store = open(address, &Compression::Always).await;
    let fault = store.mailboxes().await.unwrap_err();
    assert_eq!(fault.kind, FaultKind::Protocol);
    assert!(fault.words.contains("cannot be inflated"), "{fault}");
}

#[tokio::test]
async fn a_slow_source_is_compressed_from_the_next_quiet_moment_on() {
    let account = account();
    fill(&account, "INBOX", 0..30, 60_000);
    fill(&account, "Second", 0..30, 60_000);
    let server = offering(&account).await;
    let proxy = Proxy::start(server.addr(), SLOW).unwrap();
    let policy = Compression::auto();
    let mut store = open(proxy.address(), &policy).await;
    assert_eq!(read_bodies(&mut store, "INBOX").await, 30 * 60_000);
    let before = proxy.server_octets();
    assert_eq!(read_bodies(&mut store, "Second").await, 30 * 60_000);
    assert_eq!(*store.compression(), OnWire::Active);
    assert!(proxy.server_octets() - before < 200_000, "{}", proxy.server_octets() - before);
    let mut other = open(proxy.address(), &policy).await;
    assert_eq!(*other.compression(), OnWire::Active);
    assert_eq!(read_bodies(&mut other, "INBOX").await, 30 * 60_000);
    let asked: Vec<u32> = log(&server)
        .into_iter()
        .filter(|(_, verb)| verb.starts_with("COMPRESS"))
        .map(|(connection, _)| connection)
        .collect();
    assert_eq!(asked, [1, 2]);
}

#[tokio::test]
async fn a_slow_target_is_compressed_in_the_middle_of_a_mailbox() {
    const MESSAGES: u32 = 200;
    let account = account();
    account.add_mailbox("Big");
    let server = offering(&account).await;
    let proxy = Proxy::start(server.addr(), SLOW).unwrap();
    let mut store = open(proxy.address(), &Compression::auto()).await;
    store.open_appends(&MailboxName::from("Big")).await.unwrap();
    let message = |number: u32| {
        let mut octets = format!("Message-Id: <{number}@x>\r\n\r\n").into_bytes();
        octets.resize(60_000, b'a' + (number % 26) as u8);
        octets
    };
    let (mut next, mut answered) = (0, 0);
    while answered < MESSAGES {
        while next < MESSAGES && store.has_room() {
            let uid = Uid::new(next + 1).unwrap();
            let (flags, date) = (FlagSet::default(), InternalDate::UNKNOWN);
            let envelope = Envelope { ticket: 0, uid, flags, date, literal: LiteralForm::Text };
            // Every third goes in pieces, as large ones do.
            let octets = message(next);
            if next % 3 == 0 {
                store.append_begin(envelope, octets.len() as u64);
                octets.chunks(7000).for_each(|chunk| store.append_chunk(chunk));
                store.append_end();
            } else {
                store.append(envelope, octets);
            }
            next += 1;
        }
        if next == MESSAGES {
            store.flush_appends();
        }
        store.advance_appends().await.unwrap();
        for appended in store.take_appended() {
            appended.result.unwrap();
            answered += 1;
        }
    }
    assert_eq!(*store.compression(), OnWire::Active);
    assert!(proxy.client_octets() < u64::from(MESSAGES) * 60_000 * 3 / 4);
    let mut kept: Vec<Vec<u8>> =
        account.messages("Big").iter().map(|message| message.octets.to_vec()).collect();
    let mut sent: Vec<Vec<u8>> = (0..MESSAGES).map(message).collect();
    kept.sort();
    sent.sort();
    assert!(kept == sent);
}

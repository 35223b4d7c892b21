//! Against the simulated server, whose deflating is another library's.

use std::net::SocketAddr;
use std::time::Duration;

use mailferry_imap::command::Command;
use mailferry_imap::compress::Compression;
use mailferry_imap::connection::Connection;
use mailferry_imap::credentials::Credentials;
use mailferry_imap::login::{Endpoint, Family, Introduction, Security, connect, login};
use mailferry_imap::session::Event;
use mailferry_imap::tls::TlsPolicy;
use mailferry_testkit::sim::{Account, Date, Extension, Profile, Server, tls};

async fn logged_in(address: SocketAddr, security: Security) -> Connection {
    let endpoint = Endpoint {
        host: address.ip().to_string(),
        port: address.port(),
        security,
        tls: TlsPolicy::default(),
        proxy: None,
        family: Family::Any,
        silence_max: Duration::from_secs(10),
        trace: None,
        meter: None,
        introduction: Introduction::Given,
    };
    let credentials = Credentials::with_password("joe", "secret");
    let mut connection = connect(&endpoint).await.unwrap().connection;
    login(&mut connection, &credentials).await.unwrap();
    connection
}

/// The bodies of the INBOX, one behind the other.
async fn bodies(connection: &mut Connection) -> Vec<u8> {
    let tag = connection.session.send(&Command::new("UID FETCH 1:* BODY.PEEK[]")).unwrap();
    let mut octets = Vec::new();
    loop {
        match connection.next().await.unwrap() {
            Event::Chunk(chunk) => octets.extend_from_slice(chunk),
            Event::Completed(completion) if completion.tag == tag => return octets,
            _ => {}
        }
    }
}

fn account() -> (Account, Vec<u8>) {
    let account = Account::new("joe", "secret");
    let mut all = Vec::new();
    for number in 0..40_u32 {
        let mut message = format!("Subject: {number}\r\n\r\n").into_bytes();
        let length = [200, 5_000, 300_000][number as usize % 3];
        message.extend((0..length).map(|at: u64| (at * at % 97 + u64::from(number)) as u8 | 1));
        account.append("INBOX", &message, &[], Date::utc(1_600_000_000));
        all.extend(message);
    }
    (account, all)
}

#[tokio::test]
async fn mail_is_the_same_with_and_without_and_under_tls() {
    let (account, all) = account();
    let profile = Profile::modern().with(Extension::Compress);
    let plain = Server::bind(profile.clone(), [account.clone()]).await.unwrap();
    let config = tls::server_config().unwrap();
    let under_tls = Server::bind_tls(profile, [account.clone()], config).await.unwrap();
    for (address, security) in
        [(plain.addr(), Security::ClearText), (under_tls.addr(), Security::Tls)]
    {
        let mut connection = logged_in(address, security).await;
        assert_eq!(*connection.compress().await.unwrap(), Compression::Active);
        connection.run(&Command::new("SELECT INBOX"), |_| {}).await.unwrap();
        assert!(bodies(&mut connection).await == all);
        let append = Command::new("APPEND Sent").sp().literal(all.clone());
        let appended = connection.run(&append, |_| {}).await.unwrap();
        assert!(!appended.is_ok(), "there is no such mailbox: {}", appended.words());
        connection.run(&Command::new("CREATE Sent"), |_| {}).await.unwrap();
        assert!(connection.run(&append, |_| {}).await.unwrap().is_ok());
        connection.run(&Command::new("SELECT Sent"), |_| {}).await.unwrap();
        assert!(bodies(&mut connection).await == all);
        connection.run(&Command::new("UNSELECT"), |_| {}).await.unwrap();
        connection.run(&Command::new("DELETE Sent"), |_| {}).await.unwrap();
        assert!(connection.run(&Command::new("LOGOUT"), |_| {}).await.unwrap().is_ok());
    }
}

#[tokio::test]
async fn a_wish_waits_until_nothing_is_in_flight() {
    let (account, all) = account();
    let profile = Profile::modern().with(Extension::Compress);
    let server = Server::bind(profile, [account]).await.unwrap();
    let mut connection = logged_in(server.addr(), Security::ClearText).await;
    connection.run(&Command::new("SELECT INBOX"), |_| {}).await.unwrap();
    let first = connection.session.send(&Command::new("NOOP")).unwrap();
    connection.compress_when_quiet().unwrap();
    assert_eq!(*connection.compression(), Compression::Wanted);
    connection.wait(first, |_| {}).await.unwrap();
    assert!(matches!(connection.compression(), Compression::Asked(_)));
    assert!(bodies(&mut connection).await == all);
    assert_eq!(*connection.compression(), Compression::Active);
}

#[tokio::test]
async fn a_second_compression_is_refused_and_harms_nothing() {
    let (account, _) = account();
    let profile = Profile::modern().with(Extension::Compress);
    let server = Server::bind(profile, [account]).await.unwrap();
    let mut connection = logged_in(server.addr(), Security::ClearText).await;
    connection.compress().await.unwrap();
    let again = connection.run(&Command::new("COMPRESS DEFLATE"), |_| {}).await.unwrap();
    assert!(again.words().starts_with("NO [COMPRESSIONACTIVE]"), "{}", again.words());
    assert!(connection.run(&Command::new("NOOP"), |_| {}).await.unwrap().is_ok());
}

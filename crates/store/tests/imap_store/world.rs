//! One simulated account and a connection to it.

use std::net::SocketAddr;
use std::time::Duration;

use mailferry_engine::fault::Side;
use mailferry_engine::identity::KeyRule;
use mailferry_engine::listing::MessageListing;
use mailferry_engine::name::MailboxName;
use mailferry_imap::credentials::Credentials;
use mailferry_imap::login::{Endpoint, Family, Introduction, Security};
use mailferry_imap::tls::TlsPolicy;
use mailferry_store::contract::{Selection, Source};
use mailferry_store::imap::ImapAccount;
use mailferry_testkit::sim::{Account, Date};

pub(crate) fn account() -> Account {
    Account::new("joe", "secret")
}

pub(crate) fn endpoint(address: SocketAddr) -> Endpoint {
    Endpoint {
        host: address.ip().to_string(),
        port: address.port(),
        security: Security::ClearText,
        tls: TlsPolicy::default(),
        proxy: None,
        family: Family::Any,
        trace: None,
        meter: None,
        introduction: Introduction::Given,
        silence_max: Duration::from_secs(10),
    }
}

pub(crate) fn credentials() -> Credentials {
    Credentials::with_password("joe", "secret")
}

pub(crate) async fn open(address: SocketAddr) -> ImapAccount {
    ImapAccount::open(Side::Target, &endpoint(address), &credentials()).await.unwrap()
}

pub(crate) async fn list(store: &mut ImapAccount, mailbox: &str) -> MessageListing {
    let all = Selection::default();
    store.messages(&MailboxName::from(mailbox), &all, &KeyRule::default()).await.unwrap()
}

pub(crate) fn fill(account: &Account, mailbox: &str, numbers: std::ops::Range<u32>, octets: usize) {
    for number in numbers {
        let mut message =
            format!("Message-Id: <{number}@store>\r\nSubject: {number}\r\n\r\n").into_bytes();
        message.resize(octets, b'x');
        account.append(mailbox, &message, &[], Date::utc(1_600_000_000 + i64::from(number)));
    }
}

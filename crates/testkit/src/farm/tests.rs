//! The servers that `scripts/servers` fetched.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::probe::{Draft, Keep};
use std::net::TcpStream;

#[test]
fn each_starts_with_an_empty_account_takes_mail_and_leaves_nothing_behind() {
    for kind in Kind::EVERY {
        let Some(server) = Server::start_if_there(kind).unwrap() else { continue };
        let mut probe = server.probe().unwrap();
        assert_eq!(probe.account(Keep::Digests).unwrap().message_count(), 0, "{kind:?}");
        probe.create("Sub").unwrap();
        // imap4d wants a date.
        let draft = Draft::new("Subject: x\r\n\r\nx\r\n").flagged("\\Seen").dated(1_600_000_000);
        probe.append("Sub", &draft).unwrap();
        let account = probe.account(Keep::Digests).unwrap();
        assert_eq!(account.messages("Sub").len(), 1, "{kind:?}");
        assert!(Probe::login(server.imap(), server.user(), "wrong").is_err(), "{kind:?}");
        let (address, dir) = (server.imap(), server.watched.dir().to_owned());
        drop(probe);
        drop(server);
        assert!(TcpStream::connect(address).is_err(), "{kind:?}");
        assert!(!dir.exists(), "{kind:?}");
    }
}

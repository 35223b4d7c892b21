//! The harness against the Dovecot of this machine.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::corpus::{Large, Recipe};
use crate::probe::{Draft, Expect, Keep, compare};
use std::io::{BufRead, BufReader};
use std::net::TcpStream;
use std::time::Instant;

fn server(setup: &Setup) -> Option<Dovecot> {
    Dovecot::start_if_installed(setup).unwrap()
}

fn start_both() -> Option<(Dovecot, Dovecot)> {
    Some((server(&Setup::new(Layout::Slash))?, server(&Setup::new(Layout::DotInbox))?))
}

#[test]
fn a_server_ends_with_its_value_and_leaves_nothing_behind() {
    let Some(server) = server(&Setup::new(Layout::Slash)) else { return };
    let (address, dir) = (server.imap(), server.watched.dir().to_owned());
    assert!(dir.exists());
    drop(server);
    assert!(TcpStream::connect(address).is_err());
    assert!(!dir.exists());
}

#[test]
fn a_server_is_up_in_a_moment() {
    let before = Instant::now();
    let Some(_server) = server(&Setup::new(Layout::DotInbox)) else { return };
    assert!(before.elapsed() < Duration::from_secs(10), "{:?}", before.elapsed());
}

#[test]
fn users_are_strangers_to_each_other_and_their_names_may_be_odd() {
    let Some(server) = server(&Setup::new(Layout::Slash)) else { return };
    let names = [server.fresh_user("ann"), server.fresh_user("Ann \"B\" \\ 'c'@example.org")];
    for name in &names {
        let mut probe = server.probe(name).unwrap();
        assert_eq!(probe.account(Keep::Digests).unwrap().message_count(), 0);
        probe.append("INBOX", &Draft::new("Subject: mine\r\n\r\nx\r\n")).unwrap();
    }
    assert!(Probe::login(server.imap(), &names[0], "wrong").is_err());
    assert!(Probe::login(server.imap(), &names[0], &server.password(&names[1])).is_err());
}

#[test]
fn both_layouts_show_the_same_canonical_names() {
    let Some((slash, dot)) = start_both() else { return };
    for server in [&slash, &dot] {
        let mut probe = server.probe("names").unwrap();
        for name in ["Sent", "Caf&AOk-/Deep er/x", "INBOX/Child", "a \"b\" \\c"] {
            probe.create(name).unwrap();
            probe.subscribe(name).unwrap();
        }
        let account = probe.account(Keep::Digests).unwrap();
        let names: Vec<&str> = account.mailboxes.keys().map(String::as_str).collect();
        assert_eq!(names, ["Caf&AOk-/Deep er/x", "INBOX", "INBOX/Child", "Sent", "a \"b\" \\c"]);
        assert_eq!(account.subscriptions.len(), 4);
        assert!(account.special_use["Sent"].contains("\\Sent"));
        assert_eq!(
            probe.native("INBOX/Child"),
            if server.setup().layout == Layout::Slash {
                "INBOX/Child"
            } else {
                "INBOX.INBOX.Child"
            }
        );
    }
}

#[test]
fn a_plain_old_server_announces_nothing_and_offers_no_tls() {
    let Some(server) = server(&Setup::plain_old(Layout::Slash)) else { return };
    assert_eq!(server.imaps(), None);
    let mut probe = server.probe("old").unwrap();
    assert_eq!(probe.capabilities().unwrap(), ["IMAP4rev1"]);
}

#[test]
fn limits_on_messages_octets_and_size_are_kept() {
    let setup = Setup {
        quota_messages: Some(2),
        mail_octets_max: Some(2000),
        ..Setup::new(Layout::DotInbox)
    };
    let Some(server) = server(&setup) else { return };
    let mut probe = server.probe("limits").unwrap();
    let large = Draft::new(format!("Subject: large\r\n\r\n{}\r\n", "x".repeat(3000)));
    assert!(probe.append("INBOX", &large).unwrap_err().to_string().contains("NO"));
    let small = Draft::new("Subject: small\r\n\r\nx\r\n");
    probe.append("INBOX", &small).unwrap();
    probe.append("INBOX", &small).unwrap();
    let refusal = probe.append("INBOX", &small).unwrap_err().to_string();
    assert!(refusal.contains("OVERQUOTA"), "{refusal}");
}

#[test]
fn compression_is_offered_where_it_was_asked_for_with_a_quota_and_without() {
    for quota_messages in [None, Some(5)] {
        let setup = Setup {
            compression: Compression::Offered,
            quota_messages,
            ..Setup::new(Layout::Slash)
        };
        let Some(server) = server(&setup) else { return };
        let words = server.probe("words").unwrap().capabilities().unwrap();
        assert!(words.iter().any(|word| word == "COMPRESS=DEFLATE"), "{words:?}");
        assert_eq!(words.iter().any(|word| word == "QUOTA"), quota_messages.is_some());
    }
}

#[test]
fn tls_is_offered_on_its_own_port_and_by_starttls() {
    use rustls_pki_types::pem::PemObject;
    use rustls_pki_types::{CertificateDer, ServerName};
    use std::io::{Read, Write};
    use std::sync::Arc;

    let Some(server) = server(&Setup::new(Layout::Slash)) else { return };
    let pem = &certificate::self_signed().unwrap().certificate_pem;
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(pem).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let config = Arc::new(config);
    for name in ["localhost", "127.0.0.1"] {
        let name = ServerName::try_from(name).unwrap();
        let client = rustls::ClientConnection::new(config.clone(), name.clone()).unwrap();
        let socket = TcpStream::connect(server.imaps().unwrap()).unwrap();
        let mut stream = rustls::StreamOwned::new(client, socket);
        let mut octets = [0; 4];
        stream.read_exact(&mut octets).unwrap();
        assert_eq!(&octets, b"* OK");

        let mut socket = TcpStream::connect(server.imap()).unwrap();
        let mut lines = BufReader::new(socket.try_clone().unwrap());
        let mut line = String::new();
        lines.read_line(&mut line).unwrap();
        assert!(line.contains("STARTTLS"), "{line}");
        socket.write_all(b"s STARTTLS\r\n").unwrap();
        line.clear();
        lines.read_line(&mut line).unwrap();
        assert!(line.starts_with("s OK"), "{line}");
        let client = rustls::ClientConnection::new(config.clone(), name).unwrap();
        let mut stream = rustls::StreamOwned::new(client, socket);
        stream.write_all(b"n NOOP\r\n").unwrap();
        stream.read_exact(&mut octets).unwrap();
        assert_eq!(&octets, b"n OK");
    }
}

#[test]
fn a_corpus_is_the_same_written_as_maildir_and_appended() {
    let Some((slash, dot)) = start_both() else { return };
    let recipe = Recipe { seed: 3, messages: 150, median_octets: 2000, large: Large::None };
    let corpus = Corpus::new(recipe);
    slash.fill("corpus", &corpus).unwrap();
    dot.fill("corpus", &corpus).unwrap();
    let read = |server: &Dovecot| server.probe("corpus").unwrap().account(Keep::Digests).unwrap();
    let (appended, written) = (read(&slash), read(&dot));
    assert_eq!(written.message_count(), 150);
    // UIDs of a new Maildir are given by delivery time, those of APPEND by the order of sending.
    let expect = Expect { order: crate::probe::Duty::May, ..Expect::exact() };
    assert_eq!(compare(&appended, &written, &expect), Vec::<String>::new());
}

#[test]
fn a_discarded_account_is_empty_and_may_be_used_again() {
    let Some(server) = server(&Setup::new(Layout::SlashMaildir)) else { return };
    assert!(server.config_file().is_file());
    let user = server.fresh_user("gone");
    server.probe(&user).unwrap().append("INBOX", &Draft::new("Subject: a\r\n\r\nb\r\n")).unwrap();
    for _ in 0..2 {
        server.discard(&user).unwrap();
        let account = server.probe(&user).unwrap().account(Keep::Digests).unwrap();
        assert_eq!(account.message_count(), 0);
    }
    server.discard("nobody-was-ever-called-so").unwrap();
}

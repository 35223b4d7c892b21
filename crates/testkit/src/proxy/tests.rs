//! The bad network against a plain echo and against Dovecot.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::dovecot::{Dovecot, Layout, Setup};
use crate::probe::{Draft, Keep, Probe};
use std::io::{Read, Write};
use std::net::{TcpListener as StdListener, TcpStream as StdStream};
use std::time::Instant as StdInstant;

/// A server that sends back what it gets, until the test ends.
fn echo() -> SocketAddr {
    let listener = StdListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut reader) = stream else { return };
            std::thread::spawn(move || {
                let mut writer = reader.try_clone().unwrap();
                let _ = std::io::copy(&mut reader, &mut writer);
            });
        }
    });
    address
}

fn connect(proxy: &Proxy) -> StdStream {
    let stream = StdStream::connect(proxy.address()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    stream
}

#[test]
fn octets_arrive_in_order_and_are_counted() {
    let proxy = Proxy::start(echo(), Weather::default()).unwrap();
    let mut stream = connect(&proxy);
    let sent: Vec<u8> = (0..2_000_000_u32).map(|n| (n % 251) as u8).collect();
    let mut writer = stream.try_clone().unwrap();
    let copy = sent.clone();
    let sender = std::thread::spawn(move || writer.write_all(&copy).unwrap());
    let mut received = vec![0; sent.len()];
    stream.read_exact(&mut received).unwrap();
    sender.join().unwrap();
    assert!(received == sent);
    assert_eq!((proxy.connections(), proxy.cuts()), (1, 0));
    assert_eq!((proxy.client_octets(), proxy.server_octets()), (2_000_000, 2_000_000));
}

#[test]
fn latency_is_paid_per_round_trip_and_not_per_octet() {
    let latency = Duration::from_millis(50);
    let proxy = Proxy::start(echo(), Weather { latency, ..Weather::default() }).unwrap();
    let mut stream = connect(&proxy);
    let before = StdInstant::now();
    let sent = vec![7; 1_000_000];
    let mut writer = stream.try_clone().unwrap();
    std::thread::spawn(move || writer.write_all(&sent).unwrap());
    stream.read_exact(&mut vec![0; 1_000_000]).unwrap();
    let elapsed = before.elapsed();
    assert!(elapsed >= 2 * latency, "{elapsed:?}");
    assert!(elapsed < 20 * latency, "{elapsed:?}");
}

#[test]
fn a_slow_link_is_as_slow_as_told_and_holds_the_sender_up() {
    let weather = Weather { octets_per_second: Some(4_000_000), ..Weather::default() };
    let proxy = Proxy::start(echo(), weather).unwrap();
    let mut stream = connect(&proxy);
    let before = StdInstant::now();
    let mut writer = stream.try_clone().unwrap();
    let sender = std::thread::spawn(move || {
        writer.write_all(&vec![7; 12_000_000]).unwrap();
        before.elapsed()
    });
    stream.read_exact(&mut vec![0; 12_000_000]).unwrap();
    let elapsed = before.elapsed();
    assert!(elapsed >= Duration::from_millis(2800), "{elapsed:?}");
    assert!(elapsed < Duration::from_millis(9000), "{elapsed:?}");
    assert!(sender.join().unwrap() >= Duration::from_millis(1000));
}

#[test]
fn only_the_first_connections_are_cut() {
    let cut = Cut { client_octets: 10, connections: 2, manner: Manner::Reset };
    let proxy = Proxy::start(echo(), Weather { cut: Some(cut), ..Weather::default() }).unwrap();
    for _ in 0..2 {
        let mut stream = connect(&proxy);
        stream.write_all(b"0123456789").unwrap();
        let mut octets = [0; 10];
        stream.read_exact(&mut octets).unwrap();
        stream.write_all(b"x").unwrap();
        assert!(!matches!(stream.read(&mut octets), Ok(1..)));
    }
    let mut stream = connect(&proxy);
    stream.write_all(&[b'y'; 100]).unwrap();
    stream.read_exact(&mut [0; 100]).unwrap();
    assert_eq!(proxy.cuts(), 2);
}

#[test]
fn a_lost_answer_is_a_command_that_was_carried_out() {
    let Some(server) = Dovecot::start_if_installed(&Setup::new(Layout::Slash)).unwrap() else {
        return;
    };
    let cut = Cut { client_octets: 300, connections: 1, manner: Manner::LostAnswers };
    let weather = Weather { cut: Some(cut), ..Weather::default() };
    let proxy = Proxy::start(server.imap(), weather).unwrap();
    let mut probe = Probe::login(proxy.address(), "lost", &server.password("lost")).unwrap();
    let text = format!("Subject: lost\r\n\r\n{}\r\n", "x".repeat(500));
    probe.append("INBOX", &Draft::new(text)).unwrap_err();
    let account = server.probe("lost").unwrap().account(Keep::Digests).unwrap();
    assert_eq!(account.messages("INBOX").len(), 1);
}

//! A measurement, left out of the ordinary run because it means nothing without
//! optimisation: `cargo test --release -p mailferry-imap --test speed -- --ignored --nocapture`.

#![allow(clippy::unwrap_used, clippy::print_stderr)]

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use mailferry_imap::response::{Response, Untagged, parse};
use mailferry_imap::wire::{FrameLimits, Framer, WireEvent};

#[test]
#[ignore = "a measurement, for optimised builds"]
fn a_listing_of_20_000_messages_takes_well_under_50_milliseconds() {
    let header = format!("Message-Id: <{}@example.org>\r\n\r\n", "x".repeat(570));
    let mut stream = String::new();
    for n in 1..=20_000 {
        write!(
            stream,
            "* {n} FETCH (UID {n} FLAGS (\\Seen $Forwarded) INTERNALDATE \
             \"17-Jul-1996 02:44:25 -0700\" RFC822.SIZE 4286 BODY[HEADER.FIELDS (MESSAGE-ID \
             RECEIVED)] {{{}}}\r\n{header})\r\n",
            header.len()
        )
        .unwrap();
    }
    let mut best = Duration::MAX;
    for _ in 0..5 {
        let begin = Instant::now();
        let mut framer = Framer::new(FrameLimits::default());
        let mut uids = 0_u64;
        for read in stream.as_bytes().chunks(64 * 1024) {
            framer.push(read);
            while framer.advance().unwrap() {
                let WireEvent::Response(frame) = framer.event() else { panic!() };
                let Response::Untagged(Untagged::Fetch(fetch)) = parse(frame) else { panic!() };
                assert!(fetch.header_fields.is_some() && fetch.warnings == 0);
                uids += u64::from(fetch.uid.unwrap());
            }
        }
        assert_eq!(uids, 20_000 * 20_001 / 2);
        best = best.min(begin.elapsed());
    }
    eprintln!("{} bytes framed and read in {best:?}", stream.len());
    assert!(best < Duration::from_millis(50), "{best:?}");
}

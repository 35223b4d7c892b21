//! Measurements, left out of the ordinary run because they mean nothing without
//! optimisation: `cargo test --release -p mailferry-imap --test speed -- --ignored --nocapture`.

#![allow(clippy::unwrap_used, clippy::print_stderr)]

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress};
use mailferry_imap::response::{Response, Untagged, parse};
use mailferry_imap::wire::{FrameLimits, Framer, WireEvent};
use mailferry_testkit::corpus::{Corpus, Large, Recipe};

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

/// What docs/design/compress.md rests its level on.
#[test]
#[ignore = "a measurement, for optimised builds"]
fn deflating_mail_costs_what_is_told_here() {
    let recipe = Recipe { seed: 1, messages: 1500, median_octets: 8192, large: Large::None };
    let mail = Corpus::new(recipe).letters().flat_map(|letter| letter.octets).collect();
    let mut dice = 1_u64;
    let mut base64: Vec<u8> = Vec::new();
    for _ in 0..100_000 {
        base64.extend(
            std::iter::repeat_with(|| {
                dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
                    [(dice >> 58) as usize]
            })
            .take(76),
        );
        base64.extend(b"\r\n");
    }
    for (name, octets) in [("mail", &mail), ("base64", &base64)] {
        for level in [1, 2, 3, 6] {
            let (deflated, there) = deflated(octets, level);
            let back = inflating(&deflated);
            let pace = |time: Duration| octets.len() as f64 / 1e6 / time.as_secs_f64();
            eprintln!(
                "{name}, level {level}: to {:.1} %, deflated at {:.0} MB/s, inflated at {:.0} MB/s",
                100.0 * deflated.len() as f64 / octets.len() as f64,
                pace(there),
                pace(back)
            );
        }
    }
}

/// Deflated with a sync flush every 64 KiB; the best time of three.
fn deflated(octets: &[u8], level: u32) -> (Vec<u8>, Duration) {
    let (mut out, mut best) = (Vec::new(), Duration::MAX);
    for _ in 0..3 {
        out = Vec::with_capacity(octets.len() * 2);
        let mut stream = Compress::new(Compression::new(level), false);
        let begin = Instant::now();
        for piece in octets.chunks(64 * 1024) {
            stream.compress_vec(piece, &mut out, FlushCompress::Sync).unwrap();
        }
        best = best.min(begin.elapsed());
        assert_eq!(stream.total_in(), octets.len() as u64);
    }
    (out, best)
}

fn inflating(octets: &[u8]) -> Duration {
    let mut space = vec![0; 128 * 1024];
    let mut best = Duration::MAX;
    for _ in 0..3 {
        let mut stream = Decompress::new(false);
        let begin = Instant::now();
        while stream.total_in() < octets.len() as u64 {
            let rest = &octets[usize::try_from(stream.total_in()).unwrap()..];
            stream.decompress(rest, &mut space, FlushDecompress::Sync).unwrap();
        }
        best = best.min(begin.elapsed());
    }
    best
}

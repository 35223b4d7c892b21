//! The codec alone: reading a listing, streaming a body, building appends.
#![allow(clippy::unwrap_used, missing_docs)]

use std::fmt::Write as _;
use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use mailferry_imap::command::{Command, LiteralSync, Piece, literal_header};
use mailferry_imap::response::{Response, Untagged, parse};
use mailferry_imap::wire::{FrameLimits, Framer, WireEvent};

const ROWS: u32 = 10_000;
const BODY_OCTETS: usize = 16 << 20;
const APPENDS: usize = 1000;
/// What a connection reads at a time.
const READ_OCTETS: usize = 64 << 10;

/// The rows of a listing, with the headers that identify a message.
fn listing() -> String {
    let mut stream = String::new();
    for n in 1..=ROWS {
        let header = format!(
            "Message-Id: <{n:016x}.{n}@example.org>\r\nReceived: from mx7.example.org \
             (mx.example.org [192.0.2.9])\r\n\tby relay0.example.net with ESMTPS id {n:X}\r\n\t\
             for <user@example.net>; Wed, 17 Jul 1996 02:44:25 -0700\r\n\r\n"
        );
        write!(
            stream,
            "* {n} FETCH (UID {n} FLAGS (\\Seen $Forwarded) INTERNALDATE \"17-Jul-1996 02:44:25 \
             -0700\" RFC822.SIZE 4286 BODY[HEADER.FIELDS (MESSAGE-ID RECEIVED)] {{{}}}\r\n{header})\r\n",
            header.len()
        )
        .unwrap();
    }
    stream
}

fn read_listing(stream: &[u8]) -> u64 {
    let mut framer = Framer::new(FrameLimits::default());
    let mut uids = 0;
    for read in stream.chunks(READ_OCTETS) {
        framer.push(read);
        while framer.advance().unwrap() {
            let WireEvent::Response(frame) = framer.event() else { panic!("a streamed row") };
            let Response::Untagged(Untagged::Fetch(fetch)) = parse(frame) else {
                panic!("not a FETCH response")
            };
            uids += u64::from(black_box(fetch).uid.unwrap());
        }
    }
    uids
}

fn stream_body(stream: &[u8]) -> u64 {
    let mut framer = Framer::new(FrameLimits::default());
    let mut octets = 0;
    for read in stream.chunks(READ_OCTETS) {
        framer.push(read);
        while framer.advance().unwrap() {
            if let WireEvent::Chunk(chunk) = framer.event() {
                octets += black_box(chunk).len() as u64;
            }
        }
    }
    octets
}

/// One MULTIAPPEND of small messages, as it goes over the wire (RFC 3502 §6.3.11).
fn build_appends(messages: &[Vec<u8>], wire: &mut Vec<u8>) {
    let mut command = Command::new("APPEND").sp().mailbox("Archive/2019");
    for message in messages {
        command = command.sp().flags([&b"\\Seen"[..], b"$Forwarded"]).sp();
        command = command.string("17-Jul-1996 02:44:25 -0700").sp().literal(message.clone());
    }
    wire.clear();
    wire.extend(b"a1 ");
    for piece in command.into_pieces().unwrap() {
        match piece {
            Piece::Bytes(octets) => wire.extend(octets),
            Piece::Literal { octets } => {
                wire.extend(literal_header(octets.len() as u64, LiteralSync::AtOnce));
                wire.extend(octets);
            }
            Piece::StreamedLiteral { .. } => unreachable!("every literal is at hand"),
        }
    }
}

fn codec(criterion: &mut Criterion) {
    let stream = listing();
    let mut group = criterion.benchmark_group("listing");
    group.throughput(Throughput::Elements(u64::from(ROWS)));
    group.bench_function("10,000 rows framed and read", |bencher| {
        bencher.iter(|| read_listing(black_box(stream.as_bytes())));
    });
    group.finish();

    let mut body = format!("* 1 FETCH (UID 1 BODY[] {{{BODY_OCTETS}}}\r\n").into_bytes();
    body.extend(std::iter::repeat_n(b'x', BODY_OCTETS));
    body.extend(b")\r\na1 OK done\r\n");
    assert_eq!(stream_body(&body), BODY_OCTETS as u64);
    let mut group = criterion.benchmark_group("body");
    group.throughput(Throughput::Bytes(BODY_OCTETS as u64));
    group.bench_function("16 MiB streamed", |bencher| {
        bencher.iter(|| stream_body(black_box(&body)));
    });
    group.finish();

    let messages: Vec<Vec<u8>> = (0..APPENDS).map(|n| vec![b'y'; 2000 + n]).collect();
    let mut group = criterion.benchmark_group("append");
    group.throughput(Throughput::Elements(APPENDS as u64));
    group.bench_function("1,000 messages in one command", |bencher| {
        // The octets that wait to be sent are a buffer that a connection keeps.
        let mut wire = Vec::new();
        bencher.iter(|| build_appends(black_box(&messages), black_box(&mut wire)));
    });
    group.finish();
}

criterion_group!(benches, codec);
criterion_main!(benches);

//! Properties over any octets: nothing panics, loops or grows, and where a stream is cut
//! into reads changes nothing.

#![allow(clippy::unwrap_used)]

use mailferry_imap::response::{Response, Untagged, head_item, parse, parse_head};
use mailferry_imap::wire::{Frame, FrameError, FrameLimits, Framer, WireEvent};
use proptest::prelude::*;

const LIMITS: FrameLimits =
    FrameLimits { line_bytes_max: 400, inline_literal_bytes_max: 12, inline_total_bytes_max: 60 };

#[derive(Debug, PartialEq)]
enum Told {
    Response { bytes: Vec<u8>, detached: Vec<usize>, parsed: String },
    Literal { head: Vec<u8>, len: u64, octets: Vec<u8> },
}

/// What a stream says when it arrives in these parts; the literal that is still open last.
fn told<'a>(parts: impl Iterator<Item = &'a [u8]>) -> (Vec<Told>, Option<FrameError>) {
    let mut framer = Framer::new(LIMITS);
    let mut told = Vec::new();
    for part in parts {
        framer.push(part);
        loop {
            match framer.advance() {
                Ok(true) => take(framer.event(), &mut told),
                Ok(false) => break,
                Err(fault) => return (told, Some(fault)),
            }
        }
    }
    (told, None)
}

fn take(event: WireEvent<'_>, told: &mut Vec<Told>) {
    match event {
        WireEvent::Response(frame) => told.push(Told::Response {
            bytes: frame.bytes.into(),
            detached: frame.detached.into(),
            parsed: format!("{:?}", parse(frame)),
        }),
        WireEvent::LiteralBegin { head, len } => {
            told.push(Told::Literal { head: head.into(), len, octets: Vec::new() });
        }
        WireEvent::Chunk(chunk) => {
            assert!(!chunk.is_empty());
            let Some(Told::Literal { octets, .. }) = told.last_mut() else { panic!() };
            octets.extend_from_slice(chunk);
        }
        WireEvent::LiteralEnd => {
            let Some(Told::Literal { octets, len, .. }) = told.last() else { panic!() };
            assert_eq!(octets.len() as u64, *len);
        }
    }
}

/// Octets that look like IMAP often enough to reach the far corners.
fn stream() -> impl Strategy<Value = Vec<u8>> {
    const WORDS: &[&str] = &[
        "* ",
        "+ ",
        "a1 ",
        "OK",
        "NO",
        "BAD",
        "1",
        "12",
        "FETCH",
        "UIDFETCH",
        "(",
        ")",
        " ",
        " ",
        "UID 7",
        "FLAGS (\\Seen)",
        "BODY[]",
        "BODY[",
        "]",
        "<0>",
        "RFC822",
        "BINARY[] ~",
        "BODY[HEADER.FIELDS (DATE)] ",
        "{0}\r\n",
        "{3}\r\n",
        "{5+}\r\n",
        "{15}\n",
        "{70}\r\n",
        "~",
        "{",
        "}",
        "\"",
        "\\",
        "\r\n",
        "\r\n",
        "\n",
        "\r",
        "abc",
        "LIST",
        "LSUB",
        "STATUS",
        "SEARCH",
        "ESEARCH",
        "VANISHED (EARLIER) ",
        "1:4294967295",
        "NAMESPACE",
        "NIL",
        "ID",
        "INTERNALDATE \" 1-Jan-2010 00:00:00 +0000\"",
        "MODSEQ (5)",
        "[",
        "[COPYUID 1 2 3]",
        "[PERMANENTFLAGS (",
        "99999999999999999999",
        "\u{fc}",
        "\0",
        "-",
    ];
    let word = proptest::sample::select(WORDS).prop_map(|word| word.as_bytes().to_vec());
    let piece = prop_oneof![9 => word, 1 => proptest::collection::vec(any::<u8>(), 0..4)];
    proptest::collection::vec(piece, 0..60).prop_map(|pieces| pieces.concat())
}

/// Cuts that come round again and again.
fn parts<'a>(stream: &'a [u8], sizes: &'a [usize]) -> impl Iterator<Item = &'a [u8]> {
    let mut rest = stream;
    let mut sizes = sizes.iter().copied().cycle();
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let (part, after) = rest.split_at(sizes.next()?.min(rest.len()));
        rest = after;
        Some(part)
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    #[test]
    fn where_a_stream_is_cut_changes_nothing(
        stream in stream(),
        sizes in proptest::collection::vec(1_usize..40, 1..6),
    ) {
        let (whole, whole_fault) = told(std::iter::once(&stream[..]));
        let (cut, cut_fault) = told(parts(&stream, &sizes));
        prop_assert_eq!(whole, cut);
        prop_assert_eq!(whole_fault, cut_fault);
    }

    #[test]
    fn what_a_stream_says_is_no_longer_than_the_stream(stream in stream()) {
        let (told, _) = told(parts(&stream, &[7]));
        let octets: usize = told.iter().map(|told| match told {
            Told::Response { bytes, .. } => bytes.len(),
            Told::Literal { octets, .. } => octets.len(),
        }).sum();
        prop_assert!(octets <= stream.len());
    }

    #[test]
    fn any_octets_are_some_response(bytes: Vec<u8>, offsets: Vec<usize>) {
        let mut detached: Vec<usize> = offsets;
        detached.sort_unstable();
        let _ = parse(Frame { bytes: &bytes, detached: &detached });
        let _ = (parse_head(&bytes), head_item(&bytes));
    }

    #[test]
    fn what_looks_like_imap_is_some_response(bytes in stream(), detach: bool) {
        let offsets: Vec<usize> = (0..=bytes.len()).collect();
        let detached = if detach { &offsets[..] } else { &[] };
        let _ = parse(Frame { bytes: &bytes, detached });
        let _ = (parse_head(&bytes), head_item(&bytes));
    }

    #[test]
    fn a_fetch_is_a_fetch_whatever_follows(number: u32, bytes in stream()) {
        let mut fetch = format!("* {number} FETCH (UID 7 ").into_bytes();
        fetch.extend_from_slice(&bytes);
        let Response::Untagged(Untagged::Fetch(fetch)) = parse(Frame::whole(&fetch)) else {
            panic!()
        };
        prop_assert_eq!(fetch.sequence, u64::from(number));
        prop_assert!(fetch.uid.is_some());
    }
}

#[test]
fn adversarial_nesting_and_brackets_cost_linear_time() {
    for text in ["(", "[", "\"", "\\\"", "{", "~{", "BODY[", "(\"", "[\"", " ", ")", "{1}\r\n", "<"]
    {
        for head in
            ["* 1 FETCH (UID 7 X ", "* LIST () \"/\" ", "* STATUS ", "* OK [X ", "* SEARCH "]
        {
            let mut bytes = head.as_bytes().to_vec();
            while bytes.len() < 1 << 20 {
                bytes.extend_from_slice(text.as_bytes());
            }
            let begin = std::time::Instant::now();
            let _ = parse(Frame::whole(&bytes));
            // Quadratic time would be minutes.
            assert!(begin.elapsed().as_secs() < 5, "{head}{text}…");
        }
    }
}

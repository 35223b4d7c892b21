//! Every line of the response corpus, as it is understood. The snapshot is for reading: a
//! change of meaning shows up as a difference.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod escapes;

use std::fmt::Write as _;

use escapes::octets;
use mailferry_imap::response::{Response, Untagged, parse};
use mailferry_imap::wire::{FrameLimits, Framer, WireEvent};

const CORPUS: &str = include_str!("../../../tests/data/imap/response-corpus.txt");

/// What the framer makes of a line; streamed literals are told, then the response.
fn told(line: &str, mut each: impl FnMut(&Response<'_>)) -> Vec<String> {
    let mut framer = Framer::new(FrameLimits::default());
    framer.push(&octets(line));
    let mut told = Vec::new();
    while framer.advance().unwrap() {
        match framer.event() {
            WireEvent::Response(frame) => {
                let response = parse(frame);
                each(&response);
                told.push(format!("  {}", readable(&format!("{response:?}"))));
            }
            WireEvent::Chunk(chunk) => told.push(format!("  < {}", chunk.escape_ascii())),
            WireEvent::LiteralBegin { len, .. } => told.push(format!("  < begin {len}")),
            WireEvent::LiteralEnd => told.push("  < end".into()),
        }
    }
    assert_eq!(framer.pending(), 0, "{line}");
    told
}

/// `[79, 75]` as `"OK"`, so that the snapshot can be read. Message numbers stay numbers.
fn readable(debug: &str) -> String {
    let mut readable = String::new();
    let mut rest = debug;
    while let Some(at) = rest.find('[') {
        readable.push_str(&rest[..at]);
        rest = &rest[at..];
        let end = rest.find(']').map_or(rest.len(), |end| end + 1);
        let inside = &rest[1..end - 1];
        let numbers: Option<Vec<u8>> = inside.split(", ").map(|n| n.parse().ok()).collect();
        match numbers {
            Some(octets) if !readable.ends_with("numbers: ") => {
                write!(readable, "\"{}\"", octets.escape_ascii()).unwrap();
                rest = &rest[end..];
            }
            _ => {
                readable.push('[');
                rest = &rest[1..];
            }
        }
    }
    readable + rest
}

#[test]
fn every_line_of_the_corpus_means_what_the_snapshot_says() {
    let mut report = String::new();
    for line in CORPUS.lines() {
        writeln!(report, "{line}").unwrap();
        if !line.starts_with("## ") {
            told(line, |_| {}).iter().for_each(|told| writeln!(report, "{told}").unwrap());
        }
    }
    insta::assert_snapshot!(report);
}

/// The number that follows this word, if any.
fn number_after(line: &str, word: &str) -> Option<u64> {
    let after = line.find(word)? + word.len();
    let digits = line[after..].split(|c: char| !c.is_ascii_digit()).next()?;
    digits.parse().ok()
}

#[test]
fn no_fetch_of_the_corpus_loses_its_uid_flags_or_body() {
    let mut fetches = 0;
    for line in CORPUS.lines() {
        let upper = line.to_ascii_uppercase();
        if !upper.contains(" FETCH ") || !upper.starts_with("* ") {
            continue;
        }
        fetches += 1;
        let mut first = true;
        told(line, |response| {
            // A bare LF within a quoted string tears a response in two.
            if !std::mem::take(&mut first) {
                return;
            }
            let Response::Untagged(Untagged::Fetch(fetch)) = response else {
                panic!("{line}: {response:?}")
            };
            let uid = number_after(&upper, " UID ").or_else(|| number_after(&upper, "(UID "));
            assert_eq!(fetch.uid.map(u64::from), uid, "{line}");
            assert_eq!(fetch.flags.is_some(), upper.contains("FLAGS "), "{line}");
            let has_body = ["BODY[]", "RFC822 ", "BINARY[]"].iter().any(|n| upper.contains(n));
            assert_eq!(fetch.body.is_some(), has_body, "{line}");
            let has_header = upper.contains("BODY[HEADER") && !upper.contains("] NIL");
            assert_eq!(fetch.header_fields.is_some(), has_header, "{line}");
        });
    }
    assert!(fetches > 60, "only {fetches} FETCH lines were found");
}

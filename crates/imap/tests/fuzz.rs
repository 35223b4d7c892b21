//! What a server sends, mutated: nothing panics, hangs or grows, and no name acts on a terminal.
//! `FUZZ_SECONDS` says for how long (`mailferry_testkit::fuzz`).

#![allow(clippy::unwrap_used)]

mod escapes;

use escapes::octets;
use mailferry_imap::date::InternalDate;
use mailferry_imap::mutf7;
use mailferry_imap::response::{Response, Untagged, head_item, parse, parse_head};
use mailferry_imap::session::printable;
use mailferry_imap::uid_set::UidSet;
use mailferry_imap::wire::{Frame, FrameLimits, Framer, WireEvent};
use mailferry_testkit::fuzz::{Grammar, INPUTS_MIN, hunt, shape};

const CORPUS: &str = include_str!("../../../tests/data/imap/response-corpus.txt");

const RESPONSES: Grammar = Grammar {
    words: &[
        b"* ",
        b"+ ",
        b"a1 ",
        b"OK ",
        b"NO ",
        b"BAD ",
        b"BYE ",
        b"FETCH (",
        b"UID ",
        b"FLAGS (",
        b"BODY[] ",
        b"BODY[HEADER.FIELDS (DATE)] ",
        b"RFC822.SIZE ",
        b"INTERNALDATE ",
        b"MODSEQ (",
        b"{3}\r\nabc",
        b"{0}\r\n",
        b"{10}\r\n",
        b"~{4}\r\n",
        b"{99999}\r\n",
        b"NIL",
        b"LIST (",
        b"\\Noselect",
        b"\"/\" ",
        b"STATUS ",
        b"SEARCH ",
        b"ESEARCH (TAG \"a1\") UID ALL ",
        b"VANISHED (EARLIER) ",
        b"1:*",
        b"1:4294967295",
        b"[COPYUID 1 2 3] ",
        b"[APPENDUID 1 2] ",
        b"[PERMANENTFLAGS (\\*)] ",
        b"[CAPABILITY IMAP4rev1] ",
        b"NAMESPACE ",
        b"((\"\" \"/\")) ",
        b"EXISTS",
        b"EXPUNGE",
        b"CAPABILITY ",
        b"ENABLED ",
        b"ID (",
        b"BINARY[] ",
        b"<0>",
        b"[",
        b"]",
        b" ",
    ],
};

fn corpus() -> Vec<Vec<u8>> {
    let lines = CORPUS.lines().filter(|line| !line.is_empty() && !line.starts_with("##"));
    lines.map(octets).collect()
}

/// Everything that a stream says, and how often it said something.
fn read(stream: &[u8], cut_at: usize) -> Vec<String> {
    let limits = FrameLimits {
        line_bytes_max: 2000,
        inline_literal_bytes_max: 64,
        inline_total_bytes_max: 256,
    };
    let mut framer = Framer::new(limits);
    let mut told = Vec::new();
    for part in stream.chunks(cut_at.max(1)) {
        framer.push(part);
        loop {
            match framer.advance() {
                Ok(true) => {}
                Ok(false) => break,
                Err(fault) => {
                    told.push(format!("{fault:?}"));
                    return told;
                }
            }
            match framer.event() {
                WireEvent::Response(frame) => told.push(format!("{:?}", parse(frame))),
                WireEvent::Chunk(chunk) => assert!(!chunk.is_empty()),
                WireEvent::LiteralBegin { head, len } => told.push(format!("{head:?} {len}")),
                WireEvent::LiteralEnd => told.push("end".to_owned()),
            }
            // Each event has taken at least one octet.
            assert!(told.len() <= 2 * stream.len() + 2, "it tells for ever");
        }
    }
    told
}

#[test]
fn no_stream_makes_the_framer_panic_hang_or_differ_by_its_cuts() {
    let inputs = hunt("framing", corpus(), RESPONSES, |stream| {
        let whole = read(stream, usize::MAX);
        assert_eq!(whole, read(stream, 1));
        assert_eq!(whole, read(stream, 7));
        shape(&whole)
    });
    assert!(inputs >= INPUTS_MIN);
}

/// Numbers in a set are told in ranges: a short line may name four thousand million.
fn sets_within(untagged: &Untagged<'_>) -> Option<UidSet> {
    match untagged {
        Untagged::Vanished { uids, .. } => Some(uids.clone()),
        Untagged::ESearch { all, .. } => Some(all.clone()),
        _ => None,
    }
}

#[test]
fn no_response_makes_the_parser_panic_or_hang() {
    let inputs = hunt("responses", corpus(), RESPONSES, |line| {
        let line = line.trim_ascii_end();
        let _ = (parse_head(line), head_item(line));
        let response = parse(Frame::whole(line));
        if let Response::Untagged(untagged) = &response
            && let Some(set) = sets_within(untagged)
        {
            assert!(set.ranges().len() <= line.len());
            assert!(set.split(100).iter().map(UidSet::len).sum::<u64>() == set.len());
        }
        shape(&response)
    });
    assert!(inputs >= INPUTS_MIN);
}

const NAMES: Grammar = Grammar {
    words: &[
        b"&",
        b"&-",
        b"-",
        b"&AOk-",
        b"&2D3YPQ-",
        b"&2D0-",
        b"&3gA-",
        b"&AAA-",
        b"&ABs-",
        b"&IC4-",
        b"&A",
        b"/",
        b".",
        b"INBOX",
        b"inbox",
        b"\xc3\xa9",
        b"..",
        b"~",
    ],
};

#[test]
fn no_name_acts_on_a_terminal_or_becomes_another_by_being_read() {
    let seeds =
        ["INBOX", "Entw&APw-rfe/a", "&Jjo-!", "&U,BTFw-", "a\x1b[2Jb", "..", "x\r\nA1 NOOP"];
    let seeds = seeds.map(|name| name.as_bytes().to_vec()).to_vec();
    let inputs = hunt("names", seeds, NAMES, |name| {
        for shown in [mutf7::display(name), printable(name)] {
            assert!(!shown.contains(mutf7::is_treacherous), "{shown:?}");
        }
        if let Some(decoded) = mutf7::decode(name) {
            assert_eq!(mutf7::encode(&decoded), name);
        }
        let canonical = mutf7::canonical(name);
        let decoded = mutf7::decode(&canonical).unwrap();
        assert_eq!(mutf7::canonical(&canonical), canonical);
        // Longer by no more than Base64 and its shifts.
        assert!(canonical.len() <= 8 * name.len() + 8);
        shape(&decoded)
    });
    assert!(inputs >= INPUTS_MIN);
}

const DATES: Grammar = Grammar {
    words: &[
        b"Jan", b"feb", b"DEC", b"-", b":", b" ", b"+0000", b"-1200", b"+9999", b"31", b"00",
        b"2026", b"0000", b"9999", b"99999", b"60", b"24",
    ],
};

/// 0000-01-01 and 9999-12-31, and a zone of 100 hours.
const FIRST_SECOND: i64 = -62_167_219_200;
const LAST_SECOND: i64 = 253_402_300_799;
const WIDEST_ZONE: i64 = 101 * 3600;

#[test]
fn no_date_panics_and_what_is_read_is_written_the_same() {
    let seeds =
        ["17-Jul-1996 02:44:25 -0700", " 1-Jan-2010 00:00:00 +0000", "29-Feb-2024 23:59:60 +1400"];
    let seeds = seeds.map(|date| date.as_bytes().to_vec()).to_vec();
    let inputs = hunt("dates", seeds, DATES, |text| {
        let date = InternalDate::parse(text);
        if let Some(date) = date {
            let back = InternalDate::parse(date.format().as_bytes()).unwrap();
            // What no four digits of a year hold is moved to their end, a zone that no four digits
            // hold to UTC; else nothing changes, and never the instant.
            if (FIRST_SECOND + WIDEST_ZONE..LAST_SECOND - WIDEST_ZONE).contains(&date.seconds) {
                assert_eq!(back.seconds, date.seconds);
            }
            assert_eq!(InternalDate::parse(back.format().as_bytes()), Some(back));
        }
        u64::from(date.is_some())
    });
    assert!(inputs >= INPUTS_MIN);
}

#[test]
fn no_set_of_numbers_takes_more_room_than_its_text() {
    let seeds = ["1:4294967295", "1,3,5:9", "*", "7:*", "9:1"].map(|set| set.as_bytes().to_vec());
    let words: &[&[u8]] = &[b":", b",", b"*", b"4294967295", b"0", b"1:"];
    let inputs = hunt("sets", seeds.to_vec(), Grammar { words }, |text| {
        let set = UidSet::parse(text);
        if let Some(set) = &set {
            assert!(set.ranges().len() <= text.len());
            let normal = set.normalized();
            assert!(normal.ranges().len() <= set.ranges().len() && normal.len() <= set.len());
        }
        shape(&set)
    });
    assert!(inputs >= INPUTS_MIN);
}

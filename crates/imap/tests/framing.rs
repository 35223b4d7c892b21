//! Framing: what is a literal, what is streamed, where the limits are.

#![allow(clippy::unwrap_used)]

use mailferry_imap::response::{
    Body, HeadItem, Response, Untagged, head_item, head_sequence, head_uid, parse, parse_head,
};
use mailferry_imap::wire::{FrameError, FrameLimits, Framer, WireEvent};

/// All events, chunks of one literal joined, as readable text.
fn events_of(framer: &mut Framer) -> Vec<String> {
    let (mut events, mut literal) = (Vec::new(), Vec::new());
    while framer.advance().unwrap() {
        match framer.event() {
            WireEvent::Response(frame) => {
                events.push(format!("{} {:?}", frame.bytes.escape_ascii(), frame.detached));
            }
            WireEvent::LiteralBegin { head, len } => {
                events.push(format!("{} begin {len}", head.escape_ascii()));
            }
            WireEvent::Chunk(chunk) => literal.extend_from_slice(chunk),
            WireEvent::LiteralEnd => {
                events.push(format!("<{}>", literal.escape_ascii()));
                literal.clear();
            }
        }
    }
    events
}

fn events(stream: &[u8]) -> Vec<String> {
    let mut framer = Framer::new(FrameLimits::default());
    framer.push(stream);
    let events = events_of(&mut framer);
    assert_eq!(framer.pending(), 0, "octets are left of {}", stream.escape_ascii());
    events
}

fn limits(line: usize, literal: usize, total: usize) -> FrameLimits {
    FrameLimits {
        line_bytes_max: line,
        inline_literal_bytes_max: literal,
        inline_total_bytes_max: total,
    }
}

#[test]
fn lines_may_end_in_crlf_or_lf() {
    assert_eq!(
        events(b"* OK a\r\n* OK b\n\r\n+ c\r\n"),
        ["* OK a []", "* OK b []", " []", "+ c []"]
    );
}

#[test]
fn human_text_never_has_a_literal() {
    for line in [
        "* OK quota is {5}",
        "* NO quota is {5}",
        "* bad quota is {5}",
        "*  BYE [ALERT] {5}",
        "* PREAUTH {5}",
        "a1 OK quota is {5}",
        "a1 NO FETCH ({5}",
        "+ send {5}",
        "+ {5}",
        "{5}",
    ] {
        let stream = format!("{line}\r\n* 1 EXISTS\r\n");
        assert_eq!(events(stream.as_bytes()), [format!("{line} []"), "* 1 EXISTS []".into()]);
    }
}

#[test]
fn only_braces_in_the_right_place_announce_a_literal() {
    for line in [
        "* LIST () \"/\" foo{5}",
        "* LIST () \"/\" {x5}",
        "* LIST () \"/\" {}",
        "* LIST () \"/\" {+}",
        "* LIST () \"/\" {5++}",
        "* LIST () \"/\" {5} ",
        "* LIST () \"/\" \"a {5}\"",
        "* LIST () \"/\" \"a {5}",
        "* LIST () \"/\" \"a \\\" {5}\" ",
    ] {
        let stream = format!("{line}\r\n* 1 EXISTS\r\n");
        assert_eq!(events(stream.as_bytes()).len(), 2, "{line}");
    }
    for line in [
        "* LIST () \"/\" {5}",
        "* LIST () \"/\" ~{5}",
        "* LIST () \"/\" {5+}",
        "* LIST () \"/\" {5-}",
        "* LIST () \"\\\" {5}",
        "* LIST (\"foo\"bar\" \"/\" {5}",
        "* XFOO a[]{5}",
        "* XFOO a<0>{5}",
        "* XFOO ({5}",
        "* 1 XFOO ({5}",
    ] {
        let stream = format!("{line}\r\na\n\0{{5)\r\n* 1 EXISTS\r\n");
        assert_eq!(events(stream.as_bytes()).len(), 2, "{line}");
    }
}

#[test]
fn a_message_is_streamed_and_absent_from_its_response() {
    assert_eq!(
        events(b"* 12 FETCH (UID 7 BODY[] {5}\r\nhello FLAGS (\\Seen))\r\n"),
        [
            "* 12 FETCH (UID 7 BODY[] {5}\\r\\n begin 5",
            "<hello>",
            "* 12 FETCH (UID 7 BODY[] {5}\\r\\n FLAGS (\\\\Seen)) [30]",
        ]
    );
}

#[test]
fn all_ways_to_name_a_message_are_streamed_whatever_their_length() {
    for item in [
        "BODY[] {0}",
        "body[]<0> {0}",
        "BODY[]<3.5> {0}",
        "BODY[]{0}",
        "BODY.PEEK[] {0}",
        "RFC822 {0}",
        "BINARY[] ~{0}",
        "BINARY[]<4294967295> ~{0+}",
    ] {
        for head in ["* 1 FETCH (", "* 1 FETCH (UID 7 ", "*  1  fetch ", "* 7 UIDFETCH ("] {
            let stream = format!("{head}{item}\r\n)\r\n");
            assert_eq!(events(stream.as_bytes()).len(), 3, "{stream}");
        }
    }
    for item in ["BODY[HEADER]", "BODY[TEXT]", "RFC822.HEADER", "X-RFC822", "BODY[1]", "BODY"] {
        let stream = format!("* 1 FETCH (UID 7 {item} {{5}}\r\nhello)\r\n");
        assert_eq!(events(stream.as_bytes()).len(), 1, "{stream}");
    }
    assert_eq!(events(b"* XFETCH BODY[] {5}\r\nhello\r\n").len(), 1);
}

#[test]
fn a_header_is_streamed_only_above_the_limit() {
    let header = "h".repeat(16 * 1024 + 1);
    let stream = |len: usize| {
        let header = &header[..len];
        format!("* 1 FETCH (BODY[HEADER.FIELDS (DATE)] {{{len}}}\r\n{header} UID 7)\r\n")
    };
    assert_eq!(events(stream(16 * 1024).as_bytes()).len(), 1);
    let told = events(stream(16 * 1024 + 1).as_bytes());
    assert_eq!(told.len(), 3);
    assert_eq!(told[1], format!("<{header}>"));
}

#[test]
fn several_literals_of_one_response_stream_one_after_the_other() {
    let stream = b"* 1 FETCH (X {2}\r\nab BODY[] {3}\r\ncde RFC822 {0}\r\n Y {1}\r\nz UID 7)\r\n";
    let mut framer = Framer::new(FrameLimits::default());
    framer.push(stream);
    let told = events_of(&mut framer);
    assert_eq!(told.len(), 5);
    assert_eq!(told[1], "<cde>");
    assert_eq!(told[3], "<>");
    let second = b"* 1 FETCH (X {2}\r\nab BODY[] {3}\r\n RFC822 {0}\r\n";
    assert_eq!(told[2], format!("{} begin 0", second.escape_ascii()));
    assert_eq!(head_uid(b"* 1 FETCH (BODY[] {3}\r\n UID 7 RFC822 {0}\r\n"), Some(7));

    framer.push(stream);
    while framer.advance().unwrap() {
        if let WireEvent::Response(frame) = framer.event() {
            let Response::Untagged(Untagged::Fetch(fetch)) = parse(frame) else { panic!() };
            assert_eq!(fetch.uid, Some(7));
            assert_eq!(fetch.body, Some(Body::Streamed { len: 0 }));
        }
    }
}

#[test]
fn a_head_tells_what_came_before_its_literal() {
    let head = b"* 12 FETCH (UID 7 FLAGS (\\Seen) RFC822.SIZE 5 BODY[] {5}\r\n";
    let fetch = parse_head(head);
    assert_eq!((fetch.sequence, fetch.uid, fetch.size), (12, Some(7), Some(5)));
    assert_eq!(fetch.body, Some(Body::Streamed { len: 5 }));
    assert_eq!((head_uid(head), head_sequence(head)), (Some(7), Some(12)));
    assert_eq!(head_item(head), HeadItem::Body);

    assert_eq!(head_uid(b"* 12 FETCH (BODY[] {5}\r\n"), None);
    assert_eq!(head_sequence(b"* 12 FETCH (BODY[] {5}\r\n"), Some(12));
    assert_eq!(head_uid(b"* 7 UIDFETCH (BODY[] {5}\r\n"), Some(7));
    assert_eq!(head_sequence(b"* 7 UIDFETCH (BODY[] {5}\r\n"), None);
    assert_eq!((head_uid(b""), head_sequence(b"")), (None, None));
}

#[test]
fn a_head_tells_what_its_literal_is() {
    let item = |item: &str| head_item(format!("* 1 FETCH (UID 7 {item} {{5}}\r\n").as_bytes());
    assert_eq!(item("BODY[]<0>"), HeadItem::Body);
    assert_eq!(item("BODY[HEADER]"), HeadItem::Header);
    assert_eq!(item("body[header.fields (date \"x\")]"), HeadItem::Header);
    assert_eq!(item("RFC822.HEADER"), HeadItem::Header);
    assert_eq!(item("BODY[TEXT]"), HeadItem::Other);
    assert_eq!(item("BODY[HEADER.FIELDS (DATE)] NIL X"), HeadItem::Other);
    let after_inline = b"* 1 FETCH (BODY[HEADER] {5}\r\nx [] \n BODY[] {5}\r\n";
    assert_eq!(head_item(after_inline), HeadItem::Body);
}

#[test]
fn a_long_line_is_refused_wherever_it_is_cut() {
    let mut framer = Framer::new(limits(100, 100, 100));
    framer.push(format!("* XFOO {}\r\n", "x".repeat(91)).as_bytes());
    assert_eq!(framer.advance(), Ok(true));
    framer.push(format!("* XFOO {}\r\n", "x".repeat(92)).as_bytes());
    assert_eq!(framer.advance(), Err(FrameError::LineTooLong { limit: 100 }));
    framer.push(b"* OK\r\n");
    assert_eq!(framer.advance(), Err(FrameError::LineTooLong { limit: 100 }));

    let mut framer = Framer::new(limits(100, 100, 100));
    framer.push(&b"* XFOO {0}\r\n ".repeat(8));
    assert_eq!(framer.advance(), Err(FrameError::LineTooLong { limit: 100 }));
}

#[test]
fn literals_that_cannot_be_streamed_have_a_limit_together() {
    let mut framer = Framer::new(limits(1000, 10, 10));
    framer.push(b"* XFOO {6}\r\nsixsix {5}\r\n");
    assert_eq!(framer.advance(), Err(FrameError::LiteralsTooLong { limit: 10 }));
    let mut framer = Framer::new(limits(1000, 10, 10));
    framer.push(b"* XFOO {18446744073709551615}\r\n");
    assert_eq!(framer.advance(), Err(FrameError::LiteralsTooLong { limit: 10 }));
    let mut framer = Framer::new(FrameLimits::default());
    framer.push(b"* 1 FETCH (BODY[] {18446744073709551616}\r\n");
    assert_eq!(framer.advance(), Err(FrameError::LiteralLength));
}

#[test]
fn limits_count_anew_in_each_response() {
    let mut framer = Framer::new(limits(40, 10, 10));
    framer.push(&b"* XFOO {6}\r\nsixsix\r\n* 1 FETCH (BODY[] {3}\r\nabc UID 7)\r\n".repeat(10));
    assert_eq!(events_of(&mut framer).len(), 40);
}

#[test]
fn responses_stay_whole_while_the_buffer_goes_round() {
    let mut framer = Framer::new(FrameLimits::default());
    let before = framer.buffer_bytes();
    let lines: Vec<String> =
        (0..5000_usize).map(|n| format!("* XFOO {n} {}", "x".repeat(n * 7919 % 997))).collect();
    let stream = lines.join("\r\n") + "\r\n";
    let mut seen = 0;
    for part in stream.as_bytes().chunks(100_003) {
        framer.push(part);
        while framer.advance().unwrap() {
            let WireEvent::Response(frame) = framer.event() else { panic!() };
            assert_eq!(frame.bytes, lines[seen].as_bytes());
            seen += 1;
        }
    }
    assert_eq!((seen, framer.pending()), (lines.len(), 0));
    assert_eq!(framer.buffer_bytes(), before);
}

#[test]
fn a_literal_of_many_gigabytes_never_grows_the_buffer() {
    const LEN: u64 = 5_000_000_000;
    let mut framer = Framer::new(FrameLimits::default());
    let before = framer.buffer_bytes();
    framer.push(format!("* 1 FETCH (UID 7 BODY[] {{{LEN}}}\r\n").as_bytes());
    assert_eq!(framer.advance(), Ok(true));
    let mut received = 0;
    while received < LEN {
        if framer.advance().unwrap() {
            let WireEvent::Chunk(chunk) = framer.event() else { panic!() };
            received += chunk.len() as u64;
        } else {
            let space = framer.space().len();
            framer.filled(space.min(usize::try_from(LEN - received).unwrap()));
        }
    }
    assert_eq!(framer.advance(), Ok(true));
    assert_eq!(framer.event(), WireEvent::LiteralEnd);
    framer.push(b")\r\na1 OK\r\n");
    assert_eq!(events_of(&mut framer).len(), 2);
    assert_eq!(framer.buffer_bytes(), before);
}

#[test]
fn the_buffer_grows_for_a_long_line_and_is_given_back() {
    let mut framer = Framer::new(FrameLimits::default());
    let before = framer.buffer_bytes();
    let line = format!("* SEARCH{}", " 123456789".repeat(400_000));
    for part in line.as_bytes().chunks(1000) {
        framer.push(part);
        assert_eq!(framer.advance(), Ok(false));
    }
    framer.push(b"\r\n");
    assert_eq!(framer.advance(), Ok(true));
    let WireEvent::Response(frame) = framer.event() else { panic!() };
    let Response::Untagged(Untagged::Search { numbers, .. }) = parse(frame) else { panic!() };
    assert_eq!(numbers.len(), 400_000);
    assert!(framer.buffer_bytes() <= 3 * line.len());
    assert_eq!(framer.advance(), Ok(false));
    assert_eq!(framer.buffer_bytes(), before);
}

#[test]
fn octets_behind_an_event_are_pending() {
    // RFC 9051 §6.2.1: what follows the OK of STARTTLS in clear text was injected.
    let mut framer = Framer::new(FrameLimits::default());
    framer.push(b"a1 OK begin TLS\r\n* CAPABILITY X\r\n");
    assert_eq!(framer.advance(), Ok(true));
    assert_eq!(framer.pending(), "* CAPABILITY X\r\n".len());
    assert_eq!(framer.advance(), Ok(true));
    assert_eq!(framer.pending(), 0);
    framer.push(b"* half");
    assert_eq!(framer.advance(), Ok(false));
    assert_eq!(framer.pending(), 6);
}

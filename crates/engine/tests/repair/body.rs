//! Bodies encoded otherwise: what arrives decodes to what was sent.

use mailferry_engine::repair::Transform;
use mailferry_engine::repair::{BodyPlan, BodyPlans, BodyScan, Change, EncodeBody, LineLimit};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::{cut, digest};

fn limit() -> LineLimit {
    LineLimit::new(76)
}

fn plans(chunks: &[&[u8]]) -> BodyPlans {
    let mut scan = BodyScan::new(limit());
    chunks.iter().for_each(|chunk| scan.push(chunk));
    scan.finish()
}

fn encode(plan: &BodyPlan, chunks: &[&[u8]]) -> (Vec<u8>, u64) {
    let mut encode = EncodeBody::new(plan.clone(), limit());
    let mut out = Vec::new();
    chunks.iter().for_each(|chunk| encode.push(chunk, &mut out));
    encode.finish(&mut out);
    (out, encode.edits())
}

/// Decodes quoted-printable that this program wrote.
fn decode(encoded: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = encoded;
    while let [octet, after @ ..] = rest {
        rest = after;
        if *octet != b'=' {
            out.push(*octet);
        } else if let Some(next) = after.strip_prefix(b"\r\n") {
            rest = next;
        } else {
            let digits = std::str::from_utf8(&after[..2]).unwrap();
            out.push(u8::from_str_radix(digits, 16).unwrap());
            rest = &after[2..];
        }
    }
    out
}

const PIECES: [&[u8]; 36] = [
    b"\r\n",
    b"\r\n",
    b"\r\n",
    b"\r\n\r\n",
    b"\r\n\r\n",
    b"\n",
    b"\r",
    b"\0",
    b" ",
    b"\t",
    b"a",
    b"=",
    b"=E9",
    b"\xe9",
    b"MIME-Version: 1.0\r\n",
    b"Content-Type: text/html\r\n",
    b"Content-Type: multipart/mixed; boundary=b\r\n",
    b"Content-Type: multipart/mixed;\r\n boundary=\"bb\"\r\n\r\n",
    b"Content-Type: multipart/digest; boundary=d\r\n\r\n",
    b"Content-Type: multipart/signed; boundary=b\r\n\r\n",
    b"Content-Type: message/rfc822\r\n\r\n",
    b"Content-Transfer-Encoding: 8bit\r\n",
    b"Content-Transfer-Encoding: base64\r\n",
    b"Content-Transfer-Encoding: base64\r\n\r\n",
    b"Content-Transfer-Encoding: Quoted-Printable\r\n\r\n",
    b"Content-Transfer-Encoding:",
    b"\r\n--b\r\n",
    b"\r\n--bb\r\n",
    b"--b--\r\n",
    b"--d\r\n",
    b"\r\n--d--\r\n",
    b"--",
    b"wwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwww",
    b"QUJDQUJDQUJDQUJDQUJDQUJDQUJDQUJDQUJDQUJDQUJDQUJDQUJDQUJDQUJDQUJDQUJDQUJDQUJDQUJDQUJDQUJD",
    b"one two three four five six seven eight nine ten eleven twelve thirteen fourteen ",
    b"                                             ",
];

/// How a message may begin, so that what follows is a body as often as a header.
const BEGINNINGS: [&[u8]; 8] = [
    b"",
    b"Subject: a\r\n\r\n",
    b"Content-Type: text/html\r\nContent-Transfer-Encoding: 8bit\r\n\r\n",
    b"Content-Transfer-Encoding: quoted-printable\r\n\r\n",
    b"Content-Transfer-Encoding: base64\r\n\r\n",
    b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Transfer-Encoding: base64\r\n\r\n",
    b"MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\n",
    b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: message/rfc822\r\n\r\n",
];

fn message() -> impl Strategy<Value = Vec<u8>> {
    let beginning = prop::sample::select(BEGINNINGS.to_vec());
    let pieces = vec(prop::sample::select(PIECES.to_vec()), 0..60);
    (beginning, pieces).prop_map(|(beginning, pieces)| [beginning, &pieces.concat()[..]].concat())
}

fn line() -> impl Strategy<Value = Vec<u8>> {
    let octet = prop_oneof![
        8 => prop::sample::select(b"abc =.-".to_vec()),
        1 => prop::sample::select(vec![0, b'\r', b'\t', 0x80, 0xe9, 0xff, 0x7f]),
    ];
    prop_oneof![4 => vec(octet.clone(), 0..20), 1 => vec(octet, 77..300)]
}

fn body() -> impl Strategy<Value = Vec<u8>> {
    let end = prop::sample::select([&b"\r\n"[..], b"\r\n", b"\n"].to_vec());
    vec((line(), end).prop_map(|(line, end)| [&line[..], end].concat()), 0..6)
        .prop_map(|lines| lines.concat())
}

fn has_long_line(body: &[u8]) -> bool {
    body.split(|&octet| octet == b'\n').any(|line| {
        let end = line.iter().rposition(|&octet| octet != b'\r').map_or(0, |last| last + 1);
        end > 76
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(512) })]

    #[test]
    fn chunks_change_neither_plan_nor_octets(
        message in message(),
        cuts in vec(any::<prop::sample::Index>(), 0..8),
    ) {
        let found = plans(&[&message]);
        let pieces = cut(&message, &cuts);
        let octets: Vec<&[u8]> = message.chunks(1).collect();
        prop_assert_eq!(&plans(&pieces), &found);
        prop_assert_eq!(&plans(&octets), &found);
        for plan in [&found.base64, &found.text] {
            let whole = encode(plan, &[&message]);
            prop_assert_eq!(&encode(plan, &pieces), &whole);
            prop_assert_eq!(&encode(plan, &octets), &whole);
        }
    }

    #[test]
    fn the_plan_says_how_many_octets_come_and_is_empty_a_second_time(message in message()) {
        let found = plans(&[&message]);
        for (plan, change) in
            [(&found.base64, found.base64_change), (&found.text, found.text_change)]
        {
            let (out, edits) = encode(plan, &[&message]);
            prop_assert_eq!(Change { edits, octets_after: out.len() as u64 }, change);
            prop_assert_eq!(plan.is_empty(), out == message);
        }
        let (wrapped, _) = encode(&found.base64, &[&message]);
        prop_assert!(plans(&[&wrapped]).base64.is_empty());
        let (quoted, _) = encode(&found.text, &[&message]);
        prop_assert!(plans(&[&quoted]).text.is_empty());
    }

    #[test]
    fn wrapped_base64_keeps_the_digest_and_every_octet(message in message()) {
        let (wrapped, _) = encode(&plans(&[&message]).base64, &[&message]);
        prop_assert_eq!(digest(&wrapped), digest(&message));
        let mut left = wrapped.as_slice();
        for octet in &message {
            if left.first() != Some(octet) || (left.starts_with(b"\r\n") && *octet != b'\r') {
                prop_assert!(left.starts_with(b"\r\n"));
                left = &left[2..];
            }
            prop_assert_eq!(left.first(), Some(octet));
            left = &left[1..];
        }
        prop_assert!(left.is_empty());
    }

    #[test]
    fn a_plain_text_decodes_to_what_it_was(body in body()) {
        let head = b"Message-Id: <a@b>\r\n";
        let message = [head, &b"\r\n"[..], &body].concat();
        let (out, edits) = encode(&plans(&[&message]).text, &[&message]);
        if has_long_line(&body) {
            let new = b"Content-Transfer-Encoding: quoted-printable\r\nMIME-Version: 1.0\r\n\r\n";
            let encoded = out.strip_prefix(&[&head[..], new].concat()[..]);
            prop_assert!(encoded.is_some());
            let encoded = encoded.unwrap();
            prop_assert!(!has_long_line(encoded));
            prop_assert_eq!(decode(encoded), body);
        } else {
            prop_assert_eq!((out, edits), (message, 0));
        }
    }

    #[test]
    fn each_part_decodes_to_what_it_was_and_nothing_else_changes(
        bodies in vec((body(), prop::sample::select(vec!["text/plain", "image/png"])), 1..4),
        around in line(),
    ) {
        let marker = b"--the boundary\r\n";
        let head = b"MIME-Version: 1.0\r\n\
            Content-Type: multipart/mixed; boundary=\"the boundary\"\r\n\r\n";
        let part = |encoding: &str, kind: &str| {
            format!("Content-Type: {kind}\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n")
        };
        let mut message = [&head[..], &around, b"\r\n"].concat();
        for (body, kind) in &bodies {
            message.extend([&marker[..], part("8bit", kind).as_bytes(), body, b"\r\n"].concat());
        }
        let end = [&b"--the boundary--\r\n"[..], &around].concat();
        message.extend(&end);
        let (out, _) = encode(&plans(&[&message]).text, &[&message]);
        let mut left = out.strip_prefix(&[&head[..], &around, b"\r\n"].concat()[..]).unwrap();
        for (body, kind) in &bodies {
            left = left.strip_prefix(marker).unwrap();
            let with_end = [body, &b"\r\n"[..]].concat();
            if *kind == "text/plain" && has_long_line(&with_end) {
                left = left.strip_prefix(part("quoted-printable", kind).as_bytes()).unwrap();
                let next = memchr::memmem::find(left, b"--the boundary").unwrap();
                prop_assert_eq!(decode(&left[..next]), with_end);
                left = &left[next..];
            } else {
                left = left.strip_prefix(part("8bit", kind).as_bytes()).unwrap();
                left = left.strip_prefix(&with_end[..]).unwrap();
            }
        }
        prop_assert_eq!(left, end);
    }

    #[test]
    fn arbitrary_octets_are_taken(message in vec(any::<u8>(), 0..400)) {
        let found = plans(&[&message]);
        encode(&found.text, &[&message]);
        // A plan of another message harms nothing but the encoding.
        encode(&found.text, &[b"Content-Type: text/plain\r\n\r\n", &message]);
    }

    #[test]
    fn memory_does_not_grow_with_the_message(line in vec(any::<u8>(), 1..100)) {
        let mut message = b"\r\n".to_vec();
        (0..200).for_each(|_| message.extend(&line));
        let mut encode = EncodeBody::new(plans(&[&message]).text, limit());
        let mut out = Vec::new();
        for chunk in message.chunks(line.len()) {
            encode.push(chunk, &mut out);
            prop_assert!(out.len() <= 4 * (line.len() + 1024));
            out.clear();
        }
    }
}

//! What every repair of octets promises, on arbitrary messages.
#![allow(missing_docs, clippy::unwrap_used)]

mod body;
mod ladder;

use mailferry_engine::canonical::Canonical;
use mailferry_engine::identity::{KeyRule, header_key};
use mailferry_engine::message::Digest;
use mailferry_engine::repair::{
    DisarmReceipts, Facts, Fingerprint, FoldHeader, Identity, LineLimit, MendLineEnds, RemoveNuls,
    Scan, Transform, header_date,
};
use proptest::collection::vec;
use proptest::prelude::*;

/// Each transform, made anew.
type Make = fn() -> Box<dyn Transform>;

const TRANSFORMS: [(&str, Make); 4] = [
    ("nuls", || Box::new(RemoveNuls::new(&KeyRule::default()))),
    ("line ends", || Box::new(MendLineEnds::new())),
    ("fold", || Box::new(FoldHeader::new(LineLimit::new(76)))),
    ("receipts", || Box::new(DisarmReceipts::new())),
];

fn digest(message: &[u8]) -> Digest {
    let mut canonical = Canonical::new();
    canonical.update(message);
    canonical.finish()
}

/// What becomes of a message, and the number of edits.
fn run(make: Make, chunks: &[&[u8]]) -> (Vec<u8>, u64) {
    let mut transform = make();
    let mut out = Vec::new();
    for chunk in chunks {
        transform.push(chunk, &mut out);
    }
    transform.finish(&mut out);
    (out, transform.edits())
}

/// The number of octets that will come, as a first pass finds it.
fn count(make: Make, chunks: &[&[u8]]) -> u64 {
    let mut transform = make();
    let mut out = Vec::new();
    let mut octets = 0;
    for chunk in chunks {
        transform.push(chunk, &mut out);
        octets += out.len() as u64;
        out.clear();
    }
    transform.finish(&mut out);
    octets + out.len() as u64
}

/// What one pass over a message finds.
fn look(chunks: &[&[u8]]) -> (Facts, Identity) {
    let mut scan = Scan::new(&KeyRule::default(), LineLimit::new(76));
    let mut fingerprint = Fingerprint::new();
    for chunk in chunks {
        scan.push(chunk);
        fingerprint.push(chunk);
    }
    (scan.finish(), fingerprint.finish(&KeyRule::default()))
}

fn cut<'a>(message: &'a [u8], cuts: &[prop::sample::Index]) -> Vec<&'a [u8]> {
    let mut at: Vec<usize> = cuts.iter().map(|cut| cut.index(message.len() + 1)).collect();
    at.extend([0, message.len()]);
    at.sort_unstable();
    at.windows(2).map(|pair| &message[pair[0]..pair[1]]).collect()
}

/// Pieces of which messages are made that have something to be repaired.
const PIECES: [&[u8]; 36] = [
    b"\r\n",
    b"\r\n",
    b"\r\n",
    b"\n",
    b"\r",
    b"\0",
    b" ",
    b" ",
    b"\t",
    b"a",
    b"X",
    b"\x80",
    b"\xe9",
    b":",
    b"\\",
    b"=",
    b"--",
    b"From ",
    b"Subject: ",
    b"Received: ",
    b"Message-Id: <",
    b"@x>",
    b"Status: ",
    b"Disposition-Notification-To: ",
    b"Return-Receipt-To: ",
    b"Read-Receipt-To:",
    b"X-",
    b"\r\n\r\n",
    b"\r\n ",
    b"wwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwww",
    b"one two three four five six seven eight nine ten eleven twelve thirteen fourteen ",
    b"word word word word",
    b"Content-Type: ",
    b"\"",
    b"          ",
    b";",
];

fn message() -> impl Strategy<Value = Vec<u8>> {
    vec(prop::sample::select(PIECES.to_vec()), 0..60).prop_map(|pieces| pieces.concat())
}

/// A message whose field names are sound: no CR or NUL in them or before them.
fn message_with_sound_names() -> impl Strategy<Value = Vec<u8>> {
    let value = vec(
        prop::sample::select(
            [b" ", &b"\r"[..], b"\0", b"a", b"\xe9", b"<b@c>", b"\\", b"long long word long word"]
                .to_vec(),
        ),
        0..12,
    );
    let names = [&b"Message-Id"[..], b"Received", b"Subject", b"Return-Receipt-To"];
    let end = prop::sample::select([&b"\r\n"[..], b"\n", b"\r\r\n"].to_vec());
    let field = (prop::sample::select(names.to_vec()), value, end)
        .prop_map(|(name, value, end)| [name, b": ", &value.concat(), end].concat());
    (vec(field, 0..6), message())
        .prop_map(|(fields, body)| [&fields.concat()[..], b"\r\n", &body].concat())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(512) })]

    #[test]
    fn chunks_change_nothing(
        message in message(),
        cuts in vec(any::<prop::sample::Index>(), 0..8),
    ) {
        for (name, make) in TRANSFORMS {
            let whole = run(make, &[&message]);
            prop_assert_eq!(&run(make, &cut(&message, &cuts)), &whole, "{}", name);
            let octets: Vec<&[u8]> = message.chunks(1).collect();
            prop_assert_eq!(&run(make, &octets), &whole, "{}", name);
        }
    }

    #[test]
    fn what_is_found_does_not_depend_on_chunks(
        message in message(),
        cuts in vec(any::<prop::sample::Index>(), 0..8),
    ) {
        let whole = look(&[&message]);
        prop_assert_eq!(&look(&cut(&message, &cuts)), &whole);
        let octets: Vec<&[u8]> = message.chunks(1).collect();
        prop_assert_eq!(&look(&octets), &whole);
        prop_assert_eq!(whole.1.digest, digest(&message));
    }

    #[test]
    fn what_is_found_is_what_is_done(message in message()) {
        let (found, _) = look(&[&message]);
        prop_assert_eq!(found.octets, message.len() as u64);
        let changes = [found.nuls, found.line_ends, found.header_folds, found.receipts];
        for ((name, make), change) in TRANSFORMS.into_iter().zip(changes) {
            let (repaired, edits) = run(make, &[&message]);
            prop_assert_eq!(change.edits, edits, "{}", name);
            prop_assert_eq!(change.octets_after, repaired.len() as u64, "{}", name);
        }
    }

    #[test]
    fn any_text_is_a_date_or_none(
        octets in vec(any::<u8>(), 0..60),
        text in "([A-Z][a-z]{2},? )?[0-9]{1,3}[ -][A-Z][a-z]{2}[ -][0-9]{1,5} [0-9:]{0,9} [+-]?[A-Z0-9]{0,5}",
    ) {
        let _ = header_date(&octets);
        if let Some(date) = header_date(text.as_bytes()) {
            let seconds = date.instant().unwrap();
            prop_assert!((-62_200_000_000..=253_500_000_000).contains(&seconds), "{}", text);
        }
    }

    #[test]
    fn a_second_time_there_is_nothing_to_do(message in message()) {
        for (name, make) in TRANSFORMS {
            let (once, edits) = run(make, &[&message]);
            prop_assert_eq!(edits == 0, once == message, "{}", name);
            prop_assert_eq!(run(make, &[&once]), (once, 0), "{}", name);
        }
    }

    #[test]
    fn as_many_octets_come_as_were_counted(
        message in message(),
        cuts in vec(any::<prop::sample::Index>(), 0..8),
    ) {
        for (name, make) in TRANSFORMS {
            let counted = count(make, &cut(&message, &cuts));
            prop_assert_eq!(counted, run(make, &[&message]).0.len() as u64, "{}", name);
        }
    }

    #[test]
    fn the_digest_stays(message in message()) {
        for (name, make) in TRANSFORMS {
            let (repaired, _) = run(make, &[&message]);
            prop_assert_eq!(digest(&repaired), digest(&message), "{}", name);
        }
    }

    #[test]
    fn the_key_stays(message in message_with_sound_names()) {
        let key = |message: &[u8]| header_key(message, &KeyRule::default());
        for (name, make) in TRANSFORMS {
            let (repaired, _) = run(make, &[&message]);
            prop_assert_eq!(key(&repaired), key(&message), "{}", name);
        }
    }

    #[test]
    fn arbitrary_octets_are_taken(message in vec(any::<u8>(), 0..400)) {
        for (name, make) in TRANSFORMS {
            let (repaired, _) = run(make, &[&message]);
            prop_assert_eq!(digest(&repaired), digest(&message), "{}", name);
        }
    }

    #[test]
    fn nothing_but_nuls_goes(message in message()) {
        let kept: Vec<u8> = message.iter().copied().filter(|&octet| octet != 0).collect();
        let (removed, _) = run(TRANSFORMS[0].1, &[&message]);
        prop_assert!(!removed.contains(&0));
        // An `X` stands for a NUL in what makes the key.
        let mut left = kept.iter().peekable();
        for octet in &removed {
            if left.peek() == Some(&octet) {
                left.next();
            } else {
                prop_assert_eq!(*octet, b'X');
            }
        }
        prop_assert_eq!(left.next(), None);
    }

    #[test]
    fn every_line_ends_in_crlf_and_nothing_else_changes(message in message()) {
        let (mended, _) = run(TRANSFORMS[1].1, &[&message]);
        let text = String::from_utf8_lossy(&mended).replace("\r\n", "");
        prop_assert!(!text.contains(['\r', '\n']));
        let solid = |octets: &[u8]| -> Vec<u8> {
            octets.iter().copied().filter(|octet| !b"\r\n ".contains(octet)).collect()
        };
        prop_assert_eq!(solid(&mended), solid(&message));
    }

    #[test]
    fn folding_only_puts_line_ends_before_blanks(message in message()) {
        let (folded, edits) = run(TRANSFORMS[2].1, &[&message]);
        prop_assert_eq!(folded.len() as u64, message.len() as u64 + 2 * edits);
        let mut left = folded.as_slice();
        for octet in &message {
            if left.first() != Some(octet) || (left.starts_with(b"\r\n") && *octet != b'\r') {
                prop_assert!(left.starts_with(b"\r\n ") || left.starts_with(b"\r\n\t"));
                left = &left[2..];
            }
            prop_assert_eq!(left.first(), Some(octet));
            left = &left[1..];
        }
        prop_assert!(left.is_empty());
    }

    #[test]
    fn memory_does_not_grow_with_the_message(line in vec(any::<u8>(), 1..100)) {
        for (name, make) in TRANSFORMS {
            let mut transform = make();
            let mut out = Vec::new();
            for _ in 0..200 {
                transform.push(&line, &mut out);
                prop_assert!(out.len() <= 4 * (line.len() + 1024), "{}", name);
                out.clear();
            }
        }
    }
}

//! The digest of a message stays the same through everything that servers and repairs are
//! known to do to it, and through nothing else.
#![allow(missing_docs, clippy::unwrap_used)]

use mailferry_engine::canonical::Canonical;
use mailferry_engine::identity::{KeyRule, header_key};
use mailferry_engine::message::Digest;
use proptest::collection::vec;
use proptest::prelude::*;

fn digest(message: &[u8]) -> Digest {
    let mut canonical = Canonical::new();
    canonical.update(message);
    canonical.finish()
}

/// A message in parts, so that a change can be made where a server makes it. Lines end in LF.
#[derive(Clone, Debug)]
struct Message {
    fields: Vec<Vec<u8>>,
    body: Vec<u8>,
}

impl Message {
    fn octets(&self) -> Vec<u8> {
        let mut octets = self.fields.concat();
        octets.push(b'\n');
        octets.extend(&self.body);
        octets
    }
}

const NAMES: [&str; 9] = [
    "Subject",
    "X-Spam",
    "Status",
    "X-IMAPbase",
    "Message-Id",
    "Disposition-Notification-To",
    "From",
    "X-Original-X-UID",
    "Received",
];

fn field() -> impl Strategy<Value = Vec<u8>> {
    let octet = prop_oneof![
        6 => prop::sample::select(b"abX <@>:.".to_vec()),
        1 => prop::sample::select(vec![0, 0x80, 0xe2, 0x9c, 0xff, b'\t', b'\r']),
    ];
    let line = vec(octet, 0..12);
    (prop::sample::select(NAMES.to_vec()), line.clone(), prop::option::of(line)).prop_map(
        |(name, value, folded)| {
            let mut field = [name.as_bytes(), b":", &value, b"\n"].concat();
            if let Some(more) = folded {
                field.extend([b"\t", &more[..], b"\n"].concat());
            }
            field
        },
    )
}

fn message() -> impl Strategy<Value = Message> {
    let octet = prop_oneof![
        4 => prop::sample::select(b"abX \n".to_vec()),
        1 => prop::sample::select(vec![0, 0x80, 0xe2, b'\r', b'\t']),
    ];
    (vec(field(), 0..5), vec(octet, 0..40)).prop_map(|(fields, body)| Message { fields, body })
}

fn map_fields(message: &Message, change: impl Fn(&[u8]) -> Vec<u8>) -> Message {
    Message {
        fields: message.fields.iter().map(|field| change(field)).collect(),
        body: message.body.clone(),
    }
}

fn to_crlf(octets: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    for &octet in octets {
        if octet == b'\n' && out.last() != Some(&b'\r') {
            out.push(b'\r');
        }
        out.push(octet);
    }
    out
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(512) })]

    #[test]
    fn any_split_into_chunks_gives_the_same_digest(
        message in message(),
        cuts in vec(0_usize..200, 0..8),
    ) {
        let octets = message.octets();
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut % (octets.len() + 1)).collect();
        cuts.sort_unstable();
        let mut canonical = Canonical::new();
        let mut begin = 0;
        for cut in cuts {
            canonical.update(&octets[begin..cut]);
            begin = cut;
        }
        canonical.update(&octets[begin..]);
        prop_assert_eq!(canonical.finish(), digest(&octets));
        let mut one_by_one = Canonical::new();
        octets.chunks(1).for_each(|octet| one_by_one.update(octet));
        prop_assert_eq!(one_by_one.finish(), digest(&octets));
    }

    #[test]
    fn line_ends_may_become_crlf(message in message()) {
        let octets = message.octets();
        prop_assert_eq!(digest(&to_crlf(&octets)), digest(&octets));
    }

    #[test]
    fn nul_may_go_or_become_0x80(message in message()) {
        let octets = message.octets();
        let without: Vec<u8> = octets.iter().copied().filter(|&octet| octet != 0).collect();
        prop_assert_eq!(digest(&without), digest(&octets));
        let dovecot: Vec<u8> =
            octets.iter().map(|&octet| if octet == 0 { 0x80 } else { octet }).collect();
        prop_assert_eq!(digest(&dovecot), digest(&octets));
    }

    #[test]
    fn eight_bit_headers_may_become_x(message in message()) {
        let cyrus = map_fields(&message, |field| {
            field.iter().map(|&octet| if octet >= 0x80 { b'X' } else { octet }).collect()
        });
        prop_assert_eq!(digest(&cyrus.octets()), digest(&message.octets()));
    }

    #[test]
    fn a_line_end_may_be_added(message in message()) {
        let octets = message.octets();
        prop_assert_eq!(digest(&[&octets[..], b"\r\n"].concat()), digest(&octets));
    }

    #[test]
    fn mbox_headers_may_be_added(message in message(), at in 0_usize..6) {
        let mut stored = message.clone();
        let at = at % (stored.fields.len() + 1);
        for header in [&b"Status: RO\n"[..], b"X-Keywords: a\n b\n", b"X-UID: 4\n"] {
            stored.fields.insert(at, header.to_vec());
        }
        prop_assert_eq!(digest(&stored.octets()), digest(&message.octets()));
    }

    #[test]
    fn a_read_receipt_may_be_disarmed(message in message()) {
        let disarmed = map_fields(&message, |field| {
            if field.starts_with(b"Disposition-Notification-To:") {
                [b"X-", field].concat()
            } else {
                field.to_vec()
            }
        });
        prop_assert_eq!(digest(&disarmed.octets()), digest(&message.octets()));
    }

    #[test]
    fn a_message_id_may_be_added(
        message in message(),
        id in "[a-z0-9]{1,80}@[a-z]{1,9}",
        at: prop::sample::Index,
    ) {
        let mut named = message.clone();
        let at = at.index(named.fields.len() + 1);
        named.fields.insert(at, format!("Message-ID: <{id}>\r\n").into_bytes());
        prop_assert_eq!(digest(&named.octets()), digest(&message.octets()));
    }

    #[test]
    fn long_lines_of_the_body_may_be_wrapped(message in message(), width in 1_usize..9) {
        let mut wrapped = message.clone();
        wrapped.body = message.body.chunks(width).flat_map(|piece| [piece, b"\r\n"].concat()).collect();
        prop_assert_eq!(digest(&wrapped.octets()), digest(&message.octets()));
    }

    #[test]
    fn other_text_is_another_digest(message in message(), at: prop::sample::Index, octet in b'a'..=b'z') {
        let mut other = message.clone();
        let at = at.index(other.body.len() + 1);
        other.body.insert(at, octet);
        prop_assert_ne!(digest(&other.octets()), digest(&message.octets()));
        let mut other = message.clone();
        other.fields.push(format!("Subject: {}\n", char::from(octet)).into_bytes());
        prop_assert_ne!(digest(&other.octets()), digest(&message.octets()));
    }

    #[test]
    fn arbitrary_octets_are_digested(octets in vec(any::<u8>(), 0..300)) {
        let text: Vec<u8> = octets.iter().copied().filter(|octet| *octet != b'\r').collect();
        prop_assert_eq!(digest(&octets), digest(&text));
    }

    #[test]
    fn a_key_does_not_depend_on_order_case_or_folding(
        mut values in vec("[a-z<>@. ]{1,20}", 1..5),
        id in "[a-z]{1,9}@[a-z]{1,9}",
    ) {
        values.retain(|value| !value.trim().is_empty());
        let block = |received: &[String]| {
            let lines: String = received.iter().map(|value| format!("Received: {value}\r\n")).collect();
            format!("Message-Id: <{id}>\r\n{lines}\r\n")
        };
        let key = |block: &str| header_key(block.as_bytes(), &KeyRule::default());
        let expected = key(&block(&values));
        prop_assert!(!expected.is_none());
        let folded: Vec<String> =
            values.iter().map(|value| value.replace(' ', "\r\n\t ")).collect();
        prop_assert_eq!(key(&block(&folded)), expected);
        prop_assert_eq!(key(&block(&values).to_uppercase()), expected);
        values.reverse();
        prop_assert_eq!(key(&block(&values)), expected);
        values.push("one more".into());
        prop_assert_ne!(key(&block(&values)), expected);
    }

    #[test]
    fn arbitrary_octets_have_a_key(octets in vec(any::<u8>(), 0..300)) {
        let rule = KeyRule::default();
        prop_assert_eq!(header_key(&octets, &rule), header_key(&octets, &rule));
    }
}

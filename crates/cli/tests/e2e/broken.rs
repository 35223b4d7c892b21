//! Thousands of messages with which something is wrong, from one real server to another: made of odd
//! ones by chance, the same on every machine.

use std::collections::BTreeMap;

use crate::matrix::mail::odd_corpus;
use crate::matrix::verdict::{Surplus, judge_but};
use crate::world::*;
use mailferry_testkit::fuzz::{Grammar, Mutations};

/// Each way.
const MESSAGES: i64 = 1_100;

const GRAMMAR: Grammar = Grammar {
    words: &[
        b"\r\n",
        b"\r\n\r\n",
        b"\n",
        b"\r",
        b"\0",
        b"Message-Id: <same@broken>\r\n",
        b"Message-Id:\r\n",
        b"Received: from a by b; Sun, 13 Sep 2020 12:26:40 +0000\r\n",
        b"Content-Type: multipart/mixed; boundary=x\r\n",
        b"Content-Length: 3\r\n",
        b"Status: RO\r\n",
        b"--x\r\n",
        b"From a@b Sun Sep 13 12:26:40 2020\n",
        b" folded\r\n",
        b"\xe9\xff",
    ],
};

/// Fills INBOX with what the server takes of them. A message of no octets is left out: Dovecot makes one
/// of a lone NUL and takes it from nobody (`Can't save a zero byte message`).
fn fill(place: &Place<'_>, number: u64) {
    let octets = odd_corpus().into_iter().map(|odd| odd.draft.octets);
    let seeds = octets.filter(|octets| octets.len() <= 16 << 10).collect();
    let mut mutations = Mutations::new(seeds, GRAMMAR, number);
    let mut probe = place.probe();
    for second in 0..MESSAGES {
        let draft = Draft::new(mutations.next_input()).dated(EPOCH + second);
        if probe.append("INBOX", &draft).is_err() {
            probe = place.probe();
        }
    }
    let account = place.read();
    let empty = account.messages("INBOX").iter().filter(|message| message.octets.is_empty());
    let empty: Vec<u32> = empty.map(|message| message.uid).collect();
    if !empty.is_empty() {
        place.probe().remove("INBOX", &empty).unwrap();
    }
}

#[test]
fn thousands_of_broken_messages_arrive_each_once() {
    let Some(world) = World::open() else { return };
    for (number, way) in [(1, Way::SlashToDot), (2, Way::DotToSlash)] {
        let (source, target) = world.pair(way);
        fill(&source, number);
        let original = source.read();
        let held = original.messages("INBOX").len();
        assert!(held > 1_000, "the source took {held}");
        let desk = Desk::new();
        desk.ferry("sync", &source, &target, &[]).expect(0);
        let copy = target.read();
        judge_but(&original, &copy, Surplus::None, &BTreeMap::new());
        for desk in [&desk, &Desk::new()] {
            desk.ferry("sync", &source, &target, &[]).expect(0);
            assert_untouched(&copy, &target.read());
        }
        // Octet by octet they may differ, since Dovecot mends line ends and NULs.
        desk.ferry("check", &source, &target, &[]).expect(0);
    }
}

//! Foreign messages, mutated: headers, canonical form, dates and every way up the ladder of repairs.
//! `FUZZ_SECONDS` says for how long (`mailferry_testkit::fuzz`).

#![allow(clippy::unwrap_used)]

use mailferry_engine::canonical::Canonical;
use mailferry_engine::fault::{Fault, FaultKind, Side};
use mailferry_engine::identity::{KeyRule, header_key};
use mailferry_engine::message::{Digest, Flag, FlagSet, InternalDate};
use mailferry_engine::policy::PermanentFlags;
use mailferry_engine::repair::{
    Clock, DateSent, Facts, Fingerprint, Identity, Ladder, LineLimit, Literal8, Next, Recognised,
    Scan, Sent, TargetAbility, Transform, header_date, recognised,
};
use mailferry_testkit::fuzz::{Grammar, INPUTS_MIN, hunt, shape};

const NOW: i64 = 1_700_000_000;

const MESSAGES: Grammar = Grammar {
    words: &[
        b"\r\n",
        b"\r\n\r\n",
        b"\n",
        b"\r",
        b"\0",
        b"Message-Id: <1@imapsync>\r\n",
        b"Received: ",
        b"Date: ",
        b"Status: RO\r\n",
        b"X-UID: 7\r\n",
        b"X-IMAPbase: 1 2\r\n",
        b"Content-Length: 99\r\n",
        b"Return-Receipt-To: a\r\n",
        b"Disposition-Notification-To: b\r\n",
        b"Content-Type: text/plain\r\n",
        b"Content-Type: multipart/mixed; boundary=\"b\"\r\n",
        b"boundary=",
        b"\r\n--b\r\n",
        b"--b--\r\n",
        b"Content-Transfer-Encoding: 8bit\r\n",
        b"Content-Transfer-Encoding: base64\r\n",
        b"MIME-Version: 1.0\r\n",
        b"message/rfc822",
        b"charset=utf-8",
        b"From ",
        b" ",
        b"\t",
        b"=",
        b"=\r\n",
        b"\xe9",
        b"\xc3\xa9",
        b"\"",
        b";",
        b":",
        b"(comment",
        b"wwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwww",
        b"one two three four five six seven eight nine ten eleven twelve thirteen fourteen ",
        b"Sun, 13 Sep 2020 12:26:40 +0000",
    ],
};

fn messages() -> Vec<Vec<u8>> {
    let long = "word ".repeat(40);
    let everything = format!(
        "Message-Id: <a@b>\r\nSubject: {long}\r\nReturn-Receipt-To: a\r\nMIME-Version: 1.0\r\n\
         Received: x; Sun, 13 Sep 2020 12:26:40 +0000\r\n\
         Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\n{long}\n\0\r\n--b\r\n\
         Content-Type: text/html; charset=utf-8\r\n\r\n{}\r\n--b--\r\n",
        "w".repeat(200)
    );
    let nested = "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=\"a\"\r\n\r\n--a\r\n\
                  Content-Type: multipart/alternative; boundary=b\r\n\r\n--b\r\n\r\nx\r\n--b--\r\n--a\r\n\
                  Content-Type: message/rfc822\r\n\r\nSubject: y\r\n\r\nz\r\n--a--\r\n";
    let plain = "Message-Id: <7@imapsync>\nStatus: RO\n\nbody\n";
    [&*everything, nested, plain, "", "\r\n", "no header at all"]
        .map(|it| it.as_bytes().to_vec())
        .to_vec()
}

fn limit() -> LineLimit {
    LineLimit::new(76)
}

fn digest(message: &[u8]) -> Digest {
    let mut canonical = Canonical::new();
    canonical.update(message);
    canonical.finish()
}

fn look(message: &[u8], chunk: usize) -> (Facts, Identity) {
    let mut scan = Scan::new(&KeyRule::default(), limit());
    let mut fingerprint = Fingerprint::new();
    for part in message.chunks(chunk) {
        scan.push(part);
        fingerprint.push(part);
    }
    (scan.finish(), fingerprint.finish(&KeyRule::default()))
}

#[test]
fn no_message_is_another_one_for_coming_in_other_chunks() {
    let inputs = hunt("identity", messages(), MESSAGES, |message| {
        let (facts, identity) = look(message, usize::MAX);
        for chunk in [1, 13] {
            let (other_facts, other) = look(message, chunk);
            assert_eq!((&facts, identity), (&other_facts, other));
        }
        assert_eq!(identity.digest, digest(message));
        let _ = header_key(message, &KeyRule::default());
        shape(&facts)
    });
    assert!(inputs >= INPUTS_MIN);
}

#[test]
fn no_date_of_a_header_panics() {
    const DATES: Grammar = Grammar {
        words: &[
            b"Sun, ",
            b"13 ",
            b"Sep ",
            b"2020 ",
            b"12:26:40",
            b" +0000",
            b"-2400",
            b"GMT",
            b"(comment)",
            b"99",
            b"0000",
            b"99999999999",
            b":",
            b",",
        ],
    };
    let seeds = [
        "Sun, 13 Sep 2020 12:26:40 +0000",
        "13 Sep 20 1:2 EST",
        "Thu, 1 Jan 1970 00:00:00 GMT (x)",
    ];
    let inputs =
        hunt("header dates", seeds.map(|it| it.as_bytes().to_vec()).to_vec(), DATES, |value| {
            u64::from(header_date(value).is_some())
        });
    assert!(inputs >= INPUTS_MIN);
}

/// What a server says, so that each refusal leads another way.
const REFUSALS: [&str; 9] = [
    "NO Message contains NUL characters",
    "NO Message contains bare newlines",
    "NO [BADCHARSET] invalid flag",
    "NO invalid date",
    "NO Message line too long",
    "NO Message contains invalid header",
    "BAD Command Argument Error. 11",
    "NO no",
    "NO [CANNOT] 8-bit header",
];

fn repaired(ladder: &Ladder, message: &[u8], chunk: usize) -> Vec<u8> {
    let mut repair = ladder.repair();
    let mut octets = Vec::new();
    message.chunks(chunk).for_each(|part| repair.push(part, &mut octets));
    repair.finish(&mut octets);
    octets
}

/// Up to the end, with a server that refuses everything; what was tried.
fn climb(message: &[u8], words: &[&str]) -> Vec<&'static str> {
    let flags: FlagSet = [&b"\\Seen"[..], b"odd]", b"work"].into_iter().map(Flag::new).collect();
    let clock = Clock::Source(InternalDate::new(1_600_000_000, 60));
    let sent = Sent { flags, clock, key: header_key(message, &KeyRule::default()) };
    let target = TargetAbility {
        literal8: Literal8::Offered,
        append_limit: Some(1 << 20),
        permanent_flags: PermanentFlags::Any,
        line_limit: limit(),
        attempts_max: Ladder::STEPS_MAX,
    };
    let mut ladder = Ladder::new(sent, target, KeyRule::default(), NOW);
    let (mut facts, before) = look(message, usize::MAX);
    let mut tried = Vec::new();
    for turn in 0.. {
        assert!(turn <= 2 * Ladder::STEPS_MAX, "it climbs for ever: {tried:?}");
        let words = words[turn % words.len()];
        let step = match ladder.next(&Fault::new(Side::Target, FaultKind::Append, words), &facts) {
            Next::Exhausted(_) => break,
            Next::Try(step) => step,
        };
        let octets = repaired(&ladder, message, usize::MAX);
        assert!(octets == repaired(&ladder, message, 11), "chunks change what is sent");
        let (now, after) = look(&octets, usize::MAX);
        let known = recognised(before, after, ladder.date_sent());
        if known == Recognised::Never {
            ladder.withdraw();
            continue;
        }
        // What is sent under the date that is listed may have another digest, and nothing else may.
        assert!(
            before.digest == after.digest
                || (known == Recognised::ByDate && ladder.date_sent() == DateSent::AsListed),
            "{step} made another message of it"
        );
        assert!(octets.len() <= 4 * message.len() + 400, "{step} made much of little");
        tried.push(step.name());
        facts = now;
    }
    tried
}

#[test]
fn no_message_keeps_the_ladder_from_ending_or_becomes_another_on_it() {
    let inputs = hunt("repair", messages(), MESSAGES, |message| {
        let first = usize::from(message.first().copied().unwrap_or(0)) % REFUSALS.len();
        let mixed =
            [REFUSALS[first], REFUSALS[(first + message.len()) % REFUSALS.len()], REFUSALS[6]];
        shape(&(
            climb(message, &mixed).join(" ").to_uppercase(),
            climb(message, &REFUSALS[6..7]).len(),
        ))
    });
    assert!(inputs >= INPUTS_MIN);
}

//! The ladder as a whole: a message and a server that refuses it.

use mailferry_engine::fault::{Fault, FaultKind, Side};
use mailferry_engine::identity::{KeyRule, header_key};
use mailferry_engine::message::{Flag, FlagSet, InternalDate, Key};
use mailferry_engine::policy::PermanentFlags;
use mailferry_engine::repair::{
    Clock, Exhausted, Facts, Fingerprint, Identity, Ladder, LineLimit, Literal8, Next, Recognised,
    Scan, Sent, Step, TargetAbility, Transform, is_possible, recognised,
};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::digest;

const NOW: i64 = 1_700_000_000;
const LISTED: i64 = 1_600_000_000;

fn limit() -> LineLimit {
    LineLimit::new(76)
}

fn flags(text: &str) -> FlagSet {
    text.split_whitespace().map(|flag| Flag::new(flag.as_bytes())).collect()
}

fn facts(octets: &[u8]) -> Facts {
    let mut scan = Scan::new(&KeyRule::default(), limit());
    scan.push(octets);
    scan.finish()
}

fn identity(octets: &[u8]) -> Identity {
    let mut fingerprint = Fingerprint::new();
    fingerprint.push(octets);
    fingerprint.finish(&KeyRule::default())
}

fn refusal(words: &str) -> Fault {
    Fault::new(Side::Target, FaultKind::Append, words)
}

fn target() -> TargetAbility {
    TargetAbility {
        literal8: Literal8::Missing,
        append_limit: None,
        permanent_flags: PermanentFlags::Any,
        line_limit: limit(),
        attempts_max: Ladder::STEPS_MAX,
    }
}

fn sent(flag_text: &str, seconds: i64, octets: &[u8]) -> Sent {
    Sent {
        flags: flags(flag_text),
        clock: Clock::Source(InternalDate::new(seconds, 60)),
        key: header_key(octets, &KeyRule::default()),
    }
}

fn ladder(sent: Sent, target: TargetAbility) -> Ladder {
    Ladder::new(sent, target, KeyRule::default(), NOW)
}

/// What is sent in one attempt.
#[derive(Clone, Debug, PartialEq)]
struct Attempt {
    octets: Vec<u8>,
    flags: FlagSet,
    date: InternalDate,
    literal8: bool,
}

fn attempt(ladder: &Ladder, source: &[u8]) -> Attempt {
    let mut repair = ladder.repair();
    let mut octets = Vec::new();
    source.chunks(17).for_each(|chunk| repair.push(chunk, &mut octets));
    repair.finish(&mut octets);
    let (flags, date, literal8) = (ladder.flags(), ladder.date(), ladder.as_literal8());
    Attempt { octets, flags, date, literal8 }
}

/// Goes up the ladder until the server takes the message or nothing is left.
fn climb(
    mut ladder: Ladder,
    source: &[u8],
    server: impl Fn(&Attempt) -> Option<&'static str>,
) -> (Vec<Attempt>, Ladder, Option<Exhausted>) {
    let mut attempts = vec![attempt(&ladder, source)];
    while let Some(words) = server(&attempts[attempts.len() - 1]) {
        loop {
            let current = attempt(&ladder, source);
            match ladder.next(&refusal(words), &facts(&current.octets)) {
                Next::Exhausted(why) => return (attempts, ladder, Some(why)),
                Next::Try(_) => {}
            }
            let next = attempt(&ladder, source);
            let (before, after) = (identity(source), identity(&next.octets));
            if recognised(before, after, ladder.date_sent()) == Recognised::Never {
                ladder.withdraw();
            } else {
                attempts.push(next);
                break;
            }
        }
    }
    (attempts, ladder, None)
}

fn names(ladder: &Ladder) -> Vec<String> {
    ladder.tried().iter().map(ToString::to_string).collect()
}

/// A message with everything that can be repaired.
fn broken() -> Vec<u8> {
    let long = "word ".repeat(40);
    format!(
        "Message-Id: <a@b>\r\nSubject: {long}\r\nReturn-Receipt-To: a\r\nMIME-Version: 1.0\r\n\
         Received: x; Sun, 13 Sep 2020 12:26:40 +0000\r\n\
         Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\n{long}\n\0\r\n--b\r\n\
         Content-Transfer-Encoding: base64\r\n\r\n{}\r\n--b--\r\n",
        "QUJD".repeat(40)
    )
    .into_bytes()
}

#[test]
fn without_a_reason_everything_is_tried_in_its_order() {
    let source = broken();
    let target = TargetAbility { literal8: Literal8::Offered, ..target() };
    let ladder = ladder(sent("\\Seen work", LISTED, &source), target);
    let (attempts, ladder, why) =
        climb(ladder, &source, |_| Some("BAD Command Argument Error. 11"));
    assert_eq!(why, Some(Exhausted::Steps));
    let expected = [
        "drop-flags (work)",
        "literal8",
        "remove-nuls",
        "mend-line-ends",
        "fold-header",
        "wrap-base64 (1 parts)",
        "quote-printable (1 parts)",
        "disarm-receipts",
    ];
    assert_eq!(names(&ladder), expected);
    assert_eq!(attempts.len(), expected.len() + 1);
    assert!(attempts.windows(2).all(|pair| pair[0] != pair[1]));
    let last = &attempts[attempts.len() - 1];
    assert_eq!((last.literal8, &last.flags), (false, &flags("\\Seen")));
    assert_eq!(facts(&last.octets).body_line_octets_max, 76);
}

#[test]
fn an_impossible_date_is_taken_from_the_header_and_then_no_content_changes_its_digest() {
    let source = broken();
    let impossible = sent("", -2_208_988_800, &source);
    let (attempts, ladder, _) =
        climb(ladder(impossible.clone(), target()), &source, |_| Some("NO refused"));
    assert_eq!(ladder.tried()[0], Step::SetDate(InternalDate::new(LISTED, 0)));
    assert!(names(&ladder).iter().all(|name| !name.starts_with("quote-printable")));
    assert!(attempts.iter().all(|attempt| digest(&attempt.octets) == digest(&source)));
    let without_dates = b"Subject: x\r\n\r\n";
    let (attempts, ladder, why) = climb(
        Ladder::new(impossible, target(), KeyRule::default(), NOW),
        without_dates,
        |attempt| attempt.date.is_known().then_some("BAD date"),
    );
    assert_eq!((names(&ladder), why), (vec!["omit-date".to_owned()], None));
    assert_eq!(attempts[1].octets, without_dates);
}

#[test]
fn a_date_that_the_server_names_is_replaced_though_it_can_be() {
    let source = b"Date: Fri, 13 Sep 2019 12:26:40 +0000\r\n\r\n";
    let (_, ladder, why) =
        climb(ladder(sent("a", 0, source), target()), source, |_| Some("BAD invalid date"));
    assert_eq!(names(&ladder), ["set-date", "omit-date", "drop-flags (a)"]);
    assert_eq!(why, Some(Exhausted::Steps));
}

#[test]
fn the_targets_own_clock_stays_the_targets_own() {
    let source = broken();
    let sent = Sent { clock: Clock::Target, ..sent("", LISTED, &source) };
    let (attempts, _, _) = climb(ladder(sent, target()), &source, |_| Some("NO"));
    assert!(attempts.iter().all(|attempt| !attempt.date.is_known()));
}

#[test]
fn what_the_server_names_is_tried_first_and_nothing_else_in_doubt_changes() {
    let source = broken();
    let climb_for = |words: &'static str, flag_text: &str| {
        let (_, ladder, _) =
            climb(ladder(sent(flag_text, LISTED, &source), target()), &source, |_| Some(words));
        names(&ladder)
    };
    assert_eq!(climb_for("NO bare newlines", "work")[0], "mend-line-ends");
    assert_eq!(climb_for("NO line too long", "work")[0], "fold-header");
    assert_eq!(
        climb_for("NO bad keyword $a", "$a $ab \\Seen"),
        ["drop-flags ($a)", "drop-flags ($ab)", "drop-flags (\\\\Seen)"]
    );
    assert!(climb_for("NO NUL", "work").iter().all(|name| !name.starts_with("drop-flags")));
}

#[test]
fn cyrus_takes_nuls_as_they_are_and_bare_newlines_mended() {
    let source = b"Message-Id: <a@b>\r\n\r\na\0b\nc";
    let target = TargetAbility { literal8: Literal8::Offered, ..target() };
    let server = |attempt: &Attempt| {
        if attempt.octets.contains(&0) && !attempt.literal8 {
            return Some("NO Message contains NUL characters");
        }
        facts(&attempt.octets).line_ends.edits.gt(&0).then_some("NO Message contains bare newlines")
    };
    let (attempts, ladder, why) =
        climb(ladder(sent("work", LISTED, source), target), source, server);
    assert_eq!(why, None);
    assert_eq!(names(&ladder), ["literal8", "mend-line-ends"]);
    let last = &attempts[attempts.len() - 1];
    assert_eq!(last.octets, b"Message-Id: <a@b>\r\n\r\na\0b\r\nc");
    assert_eq!((&last.flags, last.literal8), (&flags("work"), true));
}

#[test]
fn limits_are_kept() {
    let source = b"Message-Id: <a@b>\r\n\r\na\nb\n\0";
    let size = source.len() as u64;
    let limited = |append_limit, attempts_max| {
        let target = TargetAbility { append_limit: Some(append_limit), attempts_max, ..target() };
        let (_, ladder, why) =
            climb(ladder(sent("", LISTED, source), target), source, |_| Some("NO"));
        (names(&ladder), why.unwrap())
    };
    // Two more octets do not fit, one less does.
    assert_eq!(limited(size, 9), (vec!["remove-nuls".to_owned()], Exhausted::Steps));
    assert_eq!(limited(size - 1, 9), (Vec::new(), Exhausted::Size));
    assert_eq!(limited(size + 9, 1), (vec!["remove-nuls".to_owned()], Exhausted::Attempts));
    assert_eq!(limited(size + 9, 0), (Vec::new(), Exhausted::Attempts));
}

#[test]
fn what_is_no_refusal_of_the_message_or_cannot_be_mended_ends_at_once() {
    let source = broken();
    let end = |kind| {
        let mut ladder = ladder(sent("work", LISTED, &source), target());
        ladder.next(&Fault::new(Side::Target, kind, "NO"), &facts(&source))
    };
    assert_eq!(end(FaultKind::AppendSize), Next::Exhausted(Exhausted::Size));
    assert_eq!(end(FaultKind::AppendVirus), Next::Exhausted(Exhausted::Virus));
    assert_eq!(end(FaultKind::OverQuota), Next::Exhausted(Exhausted::NoRefusal));
    assert_eq!(end(FaultKind::Connection), Next::Exhausted(Exhausted::NoRefusal));
}

#[test]
fn a_message_without_key_is_not_encoded_otherwise() {
    let source = format!("Subject: x\r\n\r\n{}\r\n", "w".repeat(200));
    let source = source.as_bytes();
    let sent = sent("", LISTED, source);
    assert_eq!(sent.key, Key::NONE);
    let (_, ladder, why) = climb(ladder(sent, target()), source, |_| Some("NO"));
    assert_eq!((names(&ladder), why), (Vec::new(), Some(Exhausted::Steps)));
}

/// Dovecot moves a date of the future to now, and then nothing would pair the two.
#[test]
fn a_message_whose_date_the_target_will_move_is_not_encoded_otherwise() {
    let source = format!("Message-Id: <a@b>\r\n\r\n{}\r\n", "w".repeat(200));
    let source = source.as_bytes();
    for (seconds, expected) in [(NOW, 1), (NOW + 100_000_000, 0), (-5, 0)] {
        let start = ladder(sent("", seconds, source), target());
        let (_, ladder, _) = climb(start, source, |_| Some("NO line too long"));
        assert_eq!(ladder.tried().len(), expected, "{seconds}");
    }
}

#[test]
fn a_step_whose_message_would_not_be_known_again_is_withdrawn() {
    // Without the NUL the line names a header that makes the key.
    let source = b"Message\0-Id: <a@b>\r\n\r\nbody\n";
    let (attempts, ladder, why) =
        climb(ladder(sent("", LISTED, source), target()), source, |_| Some("NO"));
    assert_eq!(names(&ladder), ["remove-nuls", "mend-line-ends"]);
    assert_eq!(why, Some(Exhausted::Steps));
    assert_eq!(ladder.applied(), [Step::MendLineEnds]);
    assert_eq!(attempts[1].octets, b"Message\0-Id: <a@b>\r\n\r\nbody\r\n");
}

const PIECES: [&[u8]; 22] = [
    b"\r\n",
    b"\r\n",
    b"\r\n\r\n",
    b"\n",
    b"\r",
    b"\0",
    b" ",
    b"a",
    b"\xe9",
    b"=",
    b"Message-Id: <a@b>\r\n",
    b"Received: x; Sun, 13 Sep 2020 12:26:40 +0000\r\n",
    b"Date: Sat, 12 Sep 2020 12:26:40 +0000\r\n",
    b"Disposition-Notification-To: a\r\n",
    b"Return-Receipt-To: b\r\n",
    b"Content-Transfer-Encoding: base64\r\n",
    b"Content-Type: multipart/mixed; boundary=b\r\n\r\n",
    b"\r\n--b\r\n",
    b"\r\n--b--\r\n",
    b"Subject: ",
    b"one two three four five six seven eight nine ten eleven twelve thirteen ",
    b"wwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwww",
];

const WORDS: [&str; 8] = [
    "NO",
    "NO Message contains NUL characters",
    "NO Message contains bare newlines",
    "NO invalid header",
    "BAD line too long",
    "NO keyword work not permitted",
    "BAD invalid date",
    "NO invalid date header",
];

fn date() -> impl Strategy<Value = InternalDate> {
    prop_oneof![
        Just(InternalDate::UNKNOWN),
        prop::sample::select(vec![-5_i64, 0, LISTED, NOW + 100_000_000])
            .prop_map(|seconds| InternalDate::new(seconds, 0)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(512) })]

    #[test]
    fn every_step_changes_something_and_the_way_up_ends(
        pieces in vec(prop::sample::select(PIECES.to_vec()), 0..30),
        flag_text in prop::sample::select(vec!["", "\\Seen", "work $a \\Seen"]),
        date in date(),
        offered in any::<bool>(),
        growth in 0_u64..60,
        words in prop::sample::select(WORDS.to_vec()),
    ) {
        let source = pieces.concat();
        let append_limit = Some(source.len() as u64 + growth);
        let literal8 = if offered { Literal8::Offered } else { Literal8::Missing };
        let ability = TargetAbility { literal8, append_limit, ..target() };
        let sent = Sent { clock: Clock::Source(date), ..sent(flag_text, 0, &source) };
        let start = ladder(sent, ability);
        let (attempts, ladder, why) = climb(start.clone(), &source, |_| Some(words));
        prop_assert!(why == Some(Exhausted::Steps) || why == Some(Exhausted::Attempts));
        prop_assert!(ladder.tried().len() <= Ladder::STEPS_MAX);
        let shown = names(&ladder);
        let mut once = shown.clone();
        once.sort();
        once.dedup();
        prop_assert_eq!(once.len(), shown.len());
        prop_assert_eq!(&attempts[0].octets, &source);
        for pair in attempts.windows(2) {
            prop_assert_ne!(&pair[0], &pair[1]);
        }
        for attempt in &attempts {
            prop_assert!(attempt.octets.len() as u64 <= source.len() as u64 + growth);
            let known = identity(&attempt.octets);
            prop_assert_eq!(known.key, identity(&source).key);
            if known.digest != identity(&source).digest {
                prop_assert_eq!(attempt.date, date);
                prop_assert!(is_possible(date, NOW));
                prop_assert_ne!(known.key, Some(Key::NONE));
            }
            if attempt.date != date && attempt.date.is_known() {
                prop_assert!(is_possible(attempt.date, NOW));
            }
        }
        // The same refusals lead up the same way.
        prop_assert_eq!(climb(start, &source, |_| Some(words)).0, attempts);
    }

    #[test]
    fn what_is_taken_at_once_is_not_changed(
        pieces in vec(prop::sample::select(PIECES.to_vec()), 0..30),
    ) {
        let source = pieces.concat();
        let start = ladder(sent("work", -5, &source), target());
        let (attempts, ladder, _) = climb(start, &source, |_| None);
        prop_assert_eq!(&attempts[0].octets, &source);
        prop_assert_eq!(attempts.len(), 1);
        prop_assert!(ladder.repair().is_empty() && ladder.tried().is_empty());
    }
}

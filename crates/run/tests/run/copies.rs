//! Copying: sizes, batches, refusals, what vanishes meanwhile.

use std::sync::Arc;

use mailferry_engine::fault::FaultKind;
use mailferry_engine::policy::{Rules, Sizes};
use mailferry_run::copy::AddHeader;
use mailferry_run::events::Silent;
use mailferry_run::job::Job;
use mailferry_run::stop::Stop;
use mailferry_run::survey::{Whose, survey};
use mailferry_testkit::sim::{
    Account, AppendCheck, Extension, Limits, Message, Profile, Refuse, UidPlace,
};

use crate::world::{
    World, assert_complete, assert_idle, bodies, date, faults, fill, job, job_in_order, message,
};

/// Refuses messages whose octets hold the text.
fn refusing(text: &'static str, words: &'static str) -> Option<Refuse> {
    Some(Arc::new(move |request| {
        crate::meddler::holds(request.octets, text).then(|| words.to_owned())
    }))
}

#[tokio::test]
async fn sizes_around_every_threshold_arrive_octet_by_octet() {
    let kib64 = 64 * 1024;
    let sizes = [
        1,
        2,
        4_095,
        4_096,
        4_097,
        16_383,
        16_385,
        kib64 - 1,
        kib64,
        kib64 + 1,
        131_072,
        5 << 20,
        3,
    ];
    let profiles = [
        Profile::modern(),
        Profile::bare(),
        Profile { uid_place: UidPlace::Last, ..Profile::modern() },
        Profile::modern().without(Extension::LiteralPlus).with(Extension::LiteralMinus),
    ];
    for profile in profiles {
        for add_header in [AddHeader::Never, AddHeader::IfUnidentified] {
            let world = World::new();
            for (number, size) in (1..).zip(sizes) {
                world.source.append("INBOX", &message(number, size), &[], date(number));
            }
            let job = Job { add_header, ..job(Rules::sync()) };
            world.run_until_settled(profile.clone(), profile.clone(), &job).await;
            if add_header == AddHeader::Never {
                world.assert_same();
            }
        }
    }
}

#[tokio::test]
async fn large_messages_without_identity_get_their_header_and_keep_their_octets() {
    let world = World::new();
    for (number, size) in [(1, 70_000), (2, 300_000), (3, 2_000_000)] {
        let octets =
            [format!("Subject: {number}\r\n\r\n").as_bytes(), &message(number, size)].concat();
        world.source.append("INBOX", &octets, &[], date(number));
    }
    let long_header = ["X: ".to_owned(), "y".repeat(200_000), "\r\n\r\nbody".to_owned()].concat();
    world.source.append("INBOX", long_header.as_bytes(), &[], date(4));
    let job = Job { add_header: AddHeader::IfUnidentified, ..job(Rules::sync()) };
    world.run_until_settled(Profile::modern(), Profile::modern(), &job).await;
    for (sent, found) in world.source.messages("INBOX").iter().zip(world.target.messages("INBOX")) {
        let line = format!("Message-Id: <{}@imapsync>\r\n", sent.uid);
        assert!(
            found.octets.strip_prefix(line.as_bytes()) == Some(&sent.octets[..]),
            "UID {}",
            sent.uid
        );
    }
}

#[tokio::test]
async fn an_empty_message_fails_alone() {
    for profile in [Profile::modern(), Profile::bare()] {
        let world = World::new();
        fill(&world.source, "INBOX", 1..5, 300);
        world.source.append("INBOX", b"", &[], date(5));
        fill(&world.source, "INBOX", 6..9, 300);
        let report = world.run(Profile::modern(), profile, &job(Rules::sync())).await;
        assert_eq!(faults(&report, FaultKind::Append), [5]);
        assert_eq!(world.target.messages("INBOX").len(), 7);
        assert_eq!(report.total().failed, 1);
        assert!(report.mailboxes[0].out_of_order.is_empty(), "{report:?}");
    }
}

#[tokio::test]
async fn many_messages_arrive_in_their_order() {
    let world = World::new();
    fill(&world.source, "INBOX", 1..1_101, 400);
    for number in (1..1_101).step_by(3) {
        world.source.expunge("INBOX", number);
    }
    world.run_until_settled(Profile::modern(), Profile::modern(), &job(Rules::sync())).await;
    world.assert_same();
}

#[tokio::test]
async fn refused_messages_are_missing_and_told_and_no_others() {
    for check in [AppendCheck::BeforeLiteral, AppendCheck::AfterLiteral] {
        for without in [
            None,
            Some(Extension::LiteralPlus),
            Some(Extension::MultiAppend),
            Some(Extension::UidPlus),
        ] {
            let world = World::new();
            fill(&world.source, "INBOX", 1..151, 400);
            let mut target = Profile {
                refuse: refusing("message 7", "[CANNOT] I do not like it"),
                ..Profile::modern()
            };
            target.append_check = check;
            if let Some(extension) = without {
                target = target.without(extension);
            }
            let report = world.run(Profile::modern(), target.clone(), &job(Rules::sync())).await;
            let refused: Vec<u32> = std::iter::once(7).chain(70..80).collect();
            let mut told = faults(&report, FaultKind::Append);
            told.sort_unstable();
            assert_eq!(told, refused);
            assert_eq!(report.total().copied, 139);
            let mut expected = bodies(&world.source, "INBOX");
            let mut number = 0;
            expected.retain(|_| {
                number += 1;
                !refused.contains(&number)
            });
            let mut found = bodies(&world.target, "INBOX");
            let in_order = found == expected;
            assert_eq!(in_order, report.mailboxes[0].out_of_order.is_empty(), "{without:?}");
            expected.sort();
            found.sort();
            assert!(found == expected, "other messages than the refused ones are missing");
            let again = world.run(Profile::modern(), target, &job(Rules::sync())).await;
            assert_eq!((again.total().copied, again.total().failed), (0, 11));
        }
    }
}

/// A refused batch is sent again in halves while a large message is on its way: the halves
/// must not come to stand within it.
#[tokio::test]
async fn a_batch_refused_while_a_large_message_is_streamed_does_not_break_it() {
    for without in [None, Some(Extension::LiteralPlus)] {
        let world = World::new();
        for round in 0..4 {
            fill(&world.source, "INBOX", round * 30 + 1..round * 30 + 30, 400);
            fill(&world.source, "INBOX", round * 30 + 30..round * 30 + 31, 6 << 20);
        }
        let mut target =
            Profile { refuse: refusing("message 5\r", "[CANNOT] no"), ..Profile::modern() };
        if let Some(extension) = without {
            target = target.without(extension);
        }
        let report = world.run(Profile::modern(), target, &job(Rules::sync())).await;
        assert_eq!(faults(&report, FaultKind::Append), [5]);
        let mut expected = bodies(&world.source, "INBOX");
        expected.remove(4);
        expected.sort();
        let mut found = bodies(&world.target, "INBOX");
        found.sort();
        assert!(found == expected, "the copies are not what was sent");
    }
}

#[tokio::test]
async fn a_batch_answered_bad_goes_again_one_by_one() {
    let world = World::new();
    fill(&world.source, "INBOX", 1..101, 400);
    let fault = mailferry_testkit::sim::Fault::at_command(
        "APPEND",
        1,
        mailferry_testkit::sim::Effect::Bad("what?".into()),
    );
    let target = Profile { faults: vec![fault], ..Profile::modern() };
    let report = world.run(Profile::modern(), target, &job(Rules::sync())).await;
    assert_complete(&report);
    assert_eq!(world.target.messages("INBOX").len(), 100);
    assert!(!report.mailboxes[0].out_of_order.is_empty());
    let report = world.run(Profile::modern(), Profile::modern(), &job(Rules::sync())).await;
    assert_idle(&report);
}

#[tokio::test]
async fn a_full_target_ends_the_copy_and_says_so() {
    for check in [AppendCheck::BeforeLiteral, AppendCheck::AfterLiteral] {
        for multiappend in
            [Profile::modern(), Profile::modern().without(Extension::MultiAppend), Profile::bare()]
        {
            let world = World::new();
            fill(&world.source, "A", 1..201, 1_000);
            fill(&world.source, "B", 301..501, 1_000);
            let limits = Limits { quota_octets_max: Some(150_000), ..Limits::default() };
            let target = Profile { limits, append_check: check, ..multiappend };
            let report = world.run(Profile::modern(), target, &job_in_order(Rules::sync())).await;
            assert!(!report.is_complete());
            assert!(report.was_cut_short());
            assert!(!faults(&report, FaultKind::OverQuota).is_empty());
            let there = world.target.messages("A").len() + world.target.messages("B").len();
            assert_eq!(report.total().copied, there as u64);
            let report = world.run(Profile::modern(), Profile::modern(), &job(Rules::sync())).await;
            assert_complete(&report);
            world.assert_same();
        }
    }
}

#[tokio::test]
async fn messages_over_the_limit_are_told_as_too_big() {
    for extension in [None, Some(Extension::AppendLimit)] {
        let world = World::new();
        fill(&world.source, "INBOX", 1..11, 500);
        fill(&world.source, "INBOX", 11..13, 90_000);
        fill(&world.source, "INBOX", 13..15, 20_000);
        let limits = Limits { append_octets_max: Some(10_000), ..Limits::default() };
        let mut target = Profile { limits, ..Profile::modern() };
        if let Some(extension) = extension {
            target = target.with(extension);
        }
        let report = world.run(Profile::modern(), target, &job(Rules::sync())).await;
        assert_eq!(world.target.messages("INBOX").len(), 10);
        let planned = report.mailboxes[0].planned;
        let limited = if extension.is_some() { (4, 0) } else { (0, 4) };
        assert_eq!((planned.skip.over_append_limit, report.total().failed), limited);
        // Whether before they are read or after: the target's limit is no wish of the user's.
        let mut told = faults(&report, FaultKind::AppendSize);
        told.sort_unstable();
        assert_eq!(told, [11, 12, 13, 14]);
        assert!(!report.is_complete());
    }
}

#[tokio::test]
async fn what_is_left_out_for_its_size_is_named_and_not_read() {
    let world = World::new();
    fill(&world.source, "A", 1..4, 500);
    fill(&world.source, "A", 10..80, 30_000);
    fill(&world.source, "B", 100..160, 40_000);
    let target = Profile {
        limits: Limits { append_octets_max: Some(35_000), ..Limits::default() },
        ..Profile::modern()
    };
    let target = target.with(Extension::AppendLimit);
    let running = world.serve(Profile::modern(), target).await;
    let sizes = Sizes { max: Some(20_000), ..Sizes::default() };
    for (sizes, whose, expected) in
        [(sizes, Whose::User, 130), (Sizes::default(), Whose::Target, 60)]
    {
        let job = job(Rules { sizes, ..Rules::sync() });
        let found = survey(&running.addresses, &job, &Silent, &Stop::default()).await.unwrap();
        assert_eq!(found.oversized.len(), expected);
        assert!(found.oversized.iter().all(|message| message.whose == whose));
        let named = found.oversized.iter().filter(|message| !message.headline.subject.is_empty());
        assert_eq!(named.count(), expected.min(100));
        let first = &found.oversized[0];
        let is_in_message = |message: &Message| {
            let text = String::from_utf8_lossy(&message.octets).into_owned();
            text.contains(&format!("Subject: {}\r\n", first.headline.subject))
        };
        let mailbox = world.source.messages(&first.mailbox.to_string());
        let uid = first.uid.value();
        assert!(mailbox.iter().any(|message| message.uid == uid && is_in_message(message)));
        let failures = if whose == Whose::Target { expected } else { 0 };
        assert_eq!(found.faults.len(), failures);
    }
    let log = running.source.state().log();
    assert!(log.iter().all(|entry| !entry.line.contains("BODY.PEEK[]")), "a body was read");
}

#[tokio::test]
async fn a_mailbox_that_cannot_be_had_stops_no_other() {
    let world = World::new();
    fill(&world.source, "A", 1..4, 500);
    fill(&world.source, "Bad", 4..7, 500);
    fill(&world.source, "C", 7..9, 500);
    world.source.subscribe("Bad");
    let target = Profile { refused_names: vec!["Bad".to_owned()], ..Profile::modern() };
    let report = world.run(Profile::modern(), target, &job(Rules::sync())).await;
    assert!(!report.is_complete());
    assert_eq!(
        report.faults.iter().filter(|fault| fault.kind == FaultKind::Create).count(),
        1,
        "{:?}",
        report.faults
    );
    assert_eq!((report.total().copied, report.not_started()), (5, 3));
}

#[tokio::test]
async fn duplicates_are_all_copied_or_one_of_each() {
    for (rules, expected) in [(Rules::sync(), 7), (Rules::imapsync(), 3)] {
        let world = World::new();
        let twin = message(1, 400);
        for number in [1, 1, 2] {
            world.source.append("INBOX", &twin, &[], date(number));
        }
        for octets in [
            &b"Subject: none\r\n\r\nx"[..],
            b"Subject: none\r\n\r\nx",
            b"Subject: none\r\n\r\ny",
            b"Subject: none\r\n\r\ny",
        ] {
            world.source.append("INBOX", octets, &[], date(9));
        }
        world.run_until_settled(Profile::modern(), Profile::modern(), &job(rules)).await;
        assert_eq!(world.target.messages("INBOX").len(), expected);
    }
}

fn unidentified(account: &Account, count: u32) {
    for number in 0..count {
        let octets = format!("Subject: none\r\n\r\nmessage {number}\r\n");
        account.append("INBOX", octets.as_bytes(), &[], date(number));
    }
}

#[tokio::test]
async fn messages_that_got_a_header_are_recognised_there_and_back() {
    let world = World::new();
    unidentified(&world.source, 20);
    world.source.raise_uid_next("INBOX", 1_000);
    unidentified(&world.source, 3);
    let job = |rules| Job { add_header: AddHeader::IfUnidentified, ..job(rules) };
    world.run_until_settled(Profile::modern(), Profile::modern(), &job(Rules::sync())).await;
    assert!(
        world
            .target
            .messages("INBOX")
            .iter()
            .all(|found| found.octets.starts_with(b"Message-Id: <"))
    );
    let back = World { source: world.target, target: world.source };
    for rules in [Rules::restore(), Rules::sync(), Rules::mirror()] {
        assert_idle(&back.run(Profile::modern(), Profile::modern(), &job(rules)).await);
    }
}

#[tokio::test]
async fn unidentified_messages_are_not_copied_twice_without_a_header_either() {
    let world = World::new();
    unidentified(&world.source, 25);
    world.run_until_settled(Profile::bare(), Profile::modern(), &job(Rules::sync())).await;
    world.assert_same();
}

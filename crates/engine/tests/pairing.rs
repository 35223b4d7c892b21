//! Which messages are the same, and for which that has to be looked up.
#![allow(missing_docs, clippy::unwrap_used)]

mod world;

use mailferry_engine::listing::Oddity;
use mailferry_engine::pairing::{
    Agreement, Digests, PairInput, Pairing, SourceFate, SourceRef, TargetFate, pair,
};
use mailferry_engine::policy::{DeleteRule, Duplicates, Rules, TargetDuplicates};
use world::{Mailbox, Message, World, message};

fn copy_one() -> Rules {
    Rules { duplicates: Duplicates::CopyOne, ..Rules::sync() }
}

fn world(source: &[Message], target: &[Message]) -> World {
    World::new(vec![source.to_vec()], target.to_vec())
}

#[track_caller]
fn assert_fates(world: &World, rules: &Rules, source: &[SourceFate], target: &[TargetFate]) {
    let pairs = world.pair(rules).pairs;
    assert_eq!(pairs.parts.concat(), source);
    assert_eq!(pairs.target, target);
}

fn asked(world: &World, rules: &Rules) -> usize {
    let paired = world.pair(rules);
    paired.asked_source.len() + paired.asked_target.len()
}

#[test]
fn dates_are_asked_for_where_they_decide_and_nowhere_else() {
    let asked = |source: &[Message], target: &[Message], rules: &Rules| {
        world(source, target).pair(rules).dates_asked
    };
    let one = [message(1, 1, 1)];
    assert_eq!(asked(&one, &one, &Rules::sync()), []);
    assert_eq!(asked(&one, &[message(1, 3, 1)], &Rules::sync()), [1], "another size");
    let with_extra = [message(1, 1, 1), message(2, 4, 1)];
    assert_eq!(asked(&one, &with_extra, &Rules::sync()), []);
    assert_eq!(asked(&one, &with_extra, &Rules::presync()), [2], "it is to go");
    assert_eq!(asked(&one, &[message(1, 1, 1), message(1, 1, 1)], &Rules::sync()), [1, 2]);
    // What has a key here and none there may be the same if the dates agree.
    assert_eq!(asked(&one, &[message(2, 4, 1), message(0, 1, 1)], &Rules::sync()), [2]);
}

#[test]
fn one_on_each_side_is_the_same_if_date_or_size_agrees() {
    for other in [message(1, 3, 1), message(1, 1, 2), message(1, 0, 0)] {
        let world = world(&[message(1, 1, 1)], &[other]);
        assert_eq!(asked(&world, &Rules::sync()), 0);
        assert_fates(&world, &Rules::sync(), &[SourceFate::Paired(0)], &[TargetFate::Paired]);
    }
}

/// An edited draft may keep its size.
#[test]
fn where_size_is_not_enough_the_date_agrees_or_the_content_does() {
    let rules = Rules { agreement: Agreement::Date, ..Rules::sync() };
    let same_date = world(&[message(1, 1, 1)], &[message(1, 3, 1)]);
    assert_eq!(asked(&same_date, &rules), 0);
    assert_fates(&same_date, &rules, &[SourceFate::Paired(0)], &[TargetFate::Paired]);
    let same_content = world(&[message(1, 1, 1)], &[message(1, 1, 2)]);
    assert_eq!(asked(&same_content, &rules), 2);
    assert_fates(&same_content, &rules, &[SourceFate::Paired(0)], &[TargetFate::Paired]);
}

#[test]
fn an_edited_draft_is_a_new_message() {
    let world = world(&[message(1, 1, 1)], &[message(1, 3, 2)]);
    assert_eq!(asked(&world, &Rules::sync()), 2);
    assert_fates(&world, &Rules::sync(), &[SourceFate::NewContent], &[TargetFate::Unmatched]);
}

#[test]
fn unknown_dates_do_not_agree() {
    let world = world(&[message(1, 1, 0)], &[message(1, 3, 0)]);
    assert_eq!(asked(&world, &Rules::sync()), 2);
}

#[test]
fn copies_of_one_content_are_paired_one_to_one() {
    let here = [message(1, 1, 1), message(1, 1, 2), message(1, 1, 3)];
    let dated = world(&here, &[message(1, 1, 2)]);
    assert_fates(
        &dated,
        &Rules::sync(),
        &[SourceFate::NewContent, SourceFate::Paired(0), SourceFate::NewContent],
        &[TargetFate::Paired],
    );
    let world = world(&here, &[message(1, 1, 4)]);
    assert_fates(
        &world,
        &Rules::sync(),
        &[SourceFate::Paired(0), SourceFate::NewContent, SourceFate::NewContent],
        &[TargetFate::Paired],
    );
    let first = SourceRef { part: 0, at: 0 };
    assert_fates(
        &world,
        &copy_one(),
        &[SourceFate::Paired(0), SourceFate::DuplicateOf(first), SourceFate::DuplicateOf(first)],
        &[TargetFate::Paired],
    );
}

#[test]
fn one_key_with_two_contents_is_two_messages() {
    let world = world(&[message(1, 1, 1), message(1, 3, 2)], &[message(1, 3, 3)]);
    for rules in [Rules::sync(), copy_one()] {
        assert_fates(
            &world,
            &rules,
            &[SourceFate::NewContent, SourceFate::Paired(0)],
            &[TargetFate::Paired],
        );
    }
}

#[test]
fn duplicates_that_the_target_has_rewritten_are_known_by_their_dates() {
    let here = [message(1, 1, 1), message(1, 1, 2)];
    let world = world(&here, &[message(1, 4, 2), message(1, 4, 1)]);
    assert_fates(
        &world,
        &Rules::sync(),
        &[SourceFate::Paired(1), SourceFate::Paired(0)],
        &[TargetFate::Paired, TargetFate::Paired],
    );
}

/// pymap overlooks a Message-Id where the header is cut off within a line.
#[test]
fn a_key_that_one_server_overlooks_makes_no_other_message() {
    for (here, there) in [(1, 0), (0, 1)] {
        let one = world(&[message(here, 5, 7)], &[message(there, 5, 7)]);
        assert_eq!(asked(&one, &Rules::sync()), 2);
        assert_fates(&one, &Rules::sync(), &[SourceFate::Paired(0)], &[TargetFate::Paired]);
        let other = world(&[message(here, 5, 7)], &[message(there, 6, 7)]);
        assert_fates(&other, &Rules::sync(), &[SourceFate::New], &[TargetFate::Unmatched]);
        // Another date: nothing is read to find out.
        let later = world(&[message(here, 5, 7)], &[message(there, 5, 8)]);
        assert_eq!(asked(&later, &Rules::sync()), 0);
        let twice = world(&[message(here, 5, 7), message(2, 5, 7)], &[message(there, 5, 7)]);
        let fates = twice.pair(&Rules::sync()).pairs.parts.concat();
        assert_eq!(fates.iter().filter(|fate| matches!(fate, SourceFate::Paired(_))).count(), 1);
    }
}

#[test]
fn messages_without_a_key_are_known_by_their_content_only() {
    let world = world(&[message(0, 1, 1), message(0, 2, 1)], &[message(0, 2, 2), message(0, 3, 1)]);
    assert_fates(
        &world,
        &Rules::sync(),
        &[SourceFate::New, SourceFate::Paired(0)],
        &[TargetFate::Paired, TargetFate::Unmatched],
    );
}

#[test]
fn a_digest_is_asked_for_only_where_it_can_matter() {
    let twice = [message(1, 1, 1), message(1, 1, 2)];
    let weak = [message(0, 1, 1), message(0, 1, 2)];
    let cases: [(&[Message], &[Message], usize, usize); 7] = [
        (&twice, &[], 0, 2),
        (&weak, &[], 0, 2),
        (&weak, &[message(2, 1, 3)], 0, 2),
        (&weak, &[message(2, 1, 1)], 2, 3),
        (&[], &twice, 0, 0),
        (&twice, &[message(1, 1, 1)], 3, 3),
        (&weak[..1], &weak[1..], 2, 2),
    ];
    for (source, target, all, one) in cases {
        let world = world(source, target);
        assert_eq!(asked(&world, &Rules::sync()), all, "{source:?} {target:?}");
        assert_eq!(asked(&world, &copy_one()), one, "{source:?} {target:?}");
    }
    let removing = Rules { target_duplicates: TargetDuplicates::Delete, ..copy_one() };
    assert_eq!(asked(&world(&[], &twice), &removing), 2);
}

#[test]
fn messages_that_take_no_part_are_not_looked_up_unless_something_may_go() {
    let unselected = Message { selected: false, ..message(0, 1, 1) };
    let world = world(&[unselected], &[message(0, 1, 1)]);
    assert_eq!(asked(&world, &Rules::sync()), 0);
    let removing = Rules { delete: DeleteRule::Messages, ..Rules::sync() };
    assert_eq!(asked(&world, &removing), 2);
}

#[test]
fn several_source_mailboxes_count_as_one() {
    let world =
        World::new(vec![vec![message(1, 1, 1)], vec![message(1, 1, 1)]], vec![message(1, 1, 1)]);
    assert_fates(
        &world,
        &Rules::sync(),
        &[SourceFate::Paired(0), SourceFate::NewContent],
        &[TargetFate::Paired],
    );
    let fate = SourceFate::DuplicateOf(SourceRef { part: 0, at: 0 });
    assert_fates(&world, &copy_one(), &[SourceFate::Paired(0), fate], &[TargetFate::Paired]);
}

#[test]
fn what_cannot_be_read_is_a_problem_and_never_unmatched() {
    let unreadable = |content| Message { readable: false, ..message(0, content, 1) };
    let world = world(&[unreadable(1), message(0, 2, 1)], &[unreadable(1), message(0, 2, 1)]);
    assert_fates(
        &world,
        &Rules::sync(),
        &[SourceFate::NoDigest, SourceFate::Paired(1)],
        &[TargetFate::NoDigest, TargetFate::Paired],
    );
}

#[test]
fn what_may_be_a_message_that_cannot_be_read_is_not_new() {
    let unreadable = Message { readable: false, ..message(0, 2, 2) };
    let same_size = message(0, 3, 9);
    let same_date = message(0, 8, 2);
    let neither = message(0, 8, 9);
    let world = world(&[same_size, same_date, neither], &[unreadable]);
    let pairs = world.pair(&Rules::sync()).pairs;
    let new = |fate: &SourceFate| matches!(fate, SourceFate::New | SourceFate::NewContent);
    assert_eq!(pairs.parts[0][..2], [SourceFate::NoDigest; 2]);
    assert!(new(&pairs.parts[0][2]), "{pairs:?}");
    assert_eq!(pairs.target, [TargetFate::NoDigest]);
}

#[test]
fn surplus_copies_on_the_target_name_the_one_that_stays() {
    let twice = [message(1, 1, 1), message(1, 1, 2), message(1, 1, 3)];
    let removing = Rules { target_duplicates: TargetDuplicates::Delete, ..copy_one() };
    let surplus = TargetFate::DuplicateOf(0);
    assert_fates(
        &world(&[message(1, 1, 5)], &twice),
        &removing,
        &[SourceFate::Paired(0)],
        &[TargetFate::Paired, surplus, surplus],
    );
    let expected = [TargetFate::Unmatched, surplus, surplus];
    assert_fates(&world(&[], &twice), &removing, &[], &expected);
}

#[test]
fn one_that_is_selected_stands_for_its_copies() {
    let unselected = Message { selected: false, ..message(1, 1, 1) };
    let world = world(&[unselected, message(1, 1, 2)], &[message(1, 1, 2)]);
    let fates = [SourceFate::NewContent, SourceFate::Paired(0)];
    assert_fates(&world, &Rules::sync(), &fates, &[TargetFate::Paired]);
}

#[test]
fn what_was_announced_but_not_delivered_is_not_paired() {
    let mailbox = Mailbox::of([message(1, 1, 1), message(2, 2, 2)]);
    let (mut source, target) = (mailbox.listing(), mailbox.listing());
    source.oddities.push((0, Oddity::NotDelivered));
    let digests = Digests::default();
    let inputs = [PairInput { listing: &source, digests: &digests }];
    let target = PairInput { listing: &target, digests: &digests };
    let Pairing::Done(pairs) = pair(&inputs, target, &Rules::sync().pair_rule()) else {
        panic!("no digest is needed");
    };
    assert_eq!(pairs.parts, [[SourceFate::NoDigest, SourceFate::Paired(1)]]);
    assert_eq!(pairs.target, [TargetFate::Unmatched, TargetFate::Paired]);
}

#[test]
#[ignore = "a measurement: run it with --release --ignored"]
fn a_million_messages_pair_in_about_a_second() {
    use mailferry_engine::listing::{MessageListing, Row};
    use mailferry_engine::message::{FlagTable, InternalDate, Key, Uid};
    let mut listing = MessageListing::default();
    for number in 1..=1_000_000_u32 {
        let mut key = [0; 16];
        key[..4].copy_from_slice(&number.wrapping_mul(0x9e37_79b1).to_be_bytes());
        key[15] = 1;
        listing.push(Row {
            uid: Uid::new(number).unwrap(),
            key: Key(key),
            size: number,
            date: InternalDate::new(i64::from(number), 0),
            flags: FlagTable::EMPTY,
            selected: true,
        });
    }
    let digests = Digests::default();
    let input = PairInput { listing: &listing, digests: &digests };
    let Pairing::Done(pairs) = pair(&[input], input, &Rules::sync().pair_rule()) else {
        panic!("no digest is needed");
    };
    assert!(pairs.target.iter().all(|fate| *fate == TargetFate::Paired));
}

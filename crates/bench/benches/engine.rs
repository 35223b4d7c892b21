//! The engine alone: keys, digests, pairing and planning.
#![allow(clippy::unwrap_used, missing_docs)]

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use mailferry_engine::canonical::Canonical;
use mailferry_engine::identity::{KeyRule, header_key};
use mailferry_engine::listing::{MailboxInfo, MessageListing, Namespace, Row};
use mailferry_engine::mapping::How;
use mailferry_engine::message::{Flag, FlagSet, InternalDate, Key, Uid};
use mailferry_engine::name::MailboxName;
use mailferry_engine::pairing::{Digests, PairInput, Pairing, pair};
use mailferry_engine::plan::{MailboxInput, MailboxPlan, PartInput, plan_mailbox};
use mailferry_engine::policy::{PermanentFlags, Rules};
use mailferry_testkit::corpus::{Corpus, Large, Recipe};

const SIZES: [u32; 2] = [10_000, 100_000];
const MESSAGES: u32 = 200;

fn keys_and_digests(criterion: &mut Criterion) {
    let recipe = Recipe { seed: 1, messages: MESSAGES, median_octets: 8192, large: Large::None };
    let messages: Vec<Vec<u8>> =
        Corpus::new(recipe).letters().map(|letter| letter.octets).collect();
    let rule = KeyRule::default();
    let mut group = criterion.benchmark_group("identity");
    group.throughput(Throughput::Elements(u64::from(MESSAGES)));
    group.bench_function("header keys of 200 messages", |bencher| {
        bencher.iter(|| {
            for message in &messages {
                black_box(header_key(black_box(message), &rule));
            }
        });
    });
    group.finish();

    let octets = messages.iter().map(|message| message.len() as u64).sum();
    let mut group = criterion.benchmark_group("canonical");
    group.throughput(Throughput::Bytes(octets));
    group.bench_function("digests of 200 messages", |bencher| {
        bencher.iter(|| {
            for message in &messages {
                let mut canonical = Canonical::new();
                canonical.update(black_box(message));
                black_box(canonical.finish());
            }
        });
    });
    group.finish();
}

/// Well mixed keys, as digests are.
fn key(number: u32) -> Key {
    let mixed = u128::from(number).wrapping_mul(0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C835) | 1;
    Key(mixed.to_le_bytes())
}

/// A mailbox whose first UID belongs to message `first`.
fn listing(messages: u32, first: u32) -> MessageListing {
    let mut listing = MessageListing::default();
    let flags: FlagSet = [Flag::new(b"\\Seen")].into_iter().collect();
    let sets = [FlagSet::default(), flags].map(|set| listing.flag_table.intern(set));
    for number in 0..messages {
        listing.push(Row {
            uid: Uid::new(number + 1).unwrap(),
            key: key(number + first),
            size: 1000 + number % 5000,
            date: InternalDate::new(1_500_000_000 + i64::from(number + first), 60),
            flags: sets[usize::from(!number.is_multiple_of(3))],
            selected: true,
        });
    }
    listing
}

fn info(name: &str) -> MailboxInfo {
    MailboxInfo {
        name: MailboxName::from(name),
        delimiter: Some(b'/'),
        namespace: Namespace::Personal,
        special_use: None,
        selectable: true,
        subscribed: true,
        messages: None,
        mark: Default::default(),
    }
}

fn pair_and_plan(source: &MessageListing, target: &MessageListing, rules: &Rules) -> MailboxPlan {
    let digests = Digests::default();
    let input = |listing| PairInput { listing, digests: &digests };
    let Pairing::Done(pairs) = pair(&[input(source)], input(target), &rules.pair_rule()) else {
        panic!("keys suffice here");
    };
    let (source_info, target_info) = (info("Source"), info("Target"));
    let part = PartInput { source: &source_info, listing: source, incomplete: None };
    let input = MailboxInput {
        target: &target_info.name,
        target_info: Some(&target_info),
        how: How::ByName,
        doubts: &[],
        create_as: None,
        target_listing: target,
        parts: &[part],
        pairs: &pairs,
        permanent_flags: &PermanentFlags::default(),
        elsewhere: None,
        other_sources: &[],
    };
    plan_mailbox(&input, rules)
}

fn planning(criterion: &mut Criterion) {
    let rules = Rules::sync();
    let mut group = criterion.benchmark_group("plan");
    for size in SIZES {
        let source = listing(size, 0);
        let same = listing(size, 0);
        // Half of it is on the target, and as much that the source does not have.
        let other = listing(size, size / 2);
        let empty = MessageListing::default();
        group.throughput(Throughput::Elements(u64::from(size)));
        for (what, target, copies) in [
            ("nothing to do", &same, 0),
            ("half of it to copy", &other, size / 2),
            ("all of it to copy", &empty, size),
        ] {
            assert_eq!(pair_and_plan(&source, target, &rules).counts.copy, u64::from(copies));
            group.bench_function(format!("{size} messages, {what}"), |bencher| {
                bencher.iter(|| pair_and_plan(black_box(&source), black_box(target), &rules));
            });
        }
    }
    group.finish();
}

criterion_group!(benches, keys_and_digests, planning);
criterion_main!(benches);

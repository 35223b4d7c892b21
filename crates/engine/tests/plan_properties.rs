//! What holds for every plan: it is the same each time, it accounts for every message, it
//! removes nothing that the source has, and once carried out there is nothing left to do.
#![allow(missing_docs, clippy::unwrap_used)]

mod world;

use std::collections::HashSet;

use mailferry_engine::plan::{DeleteReason, HoldReason, MailboxPlan};
use mailferry_engine::policy::*;
use proptest::collection::vec;
use proptest::prelude::*;
use world::{Message, World, flag_set, key};

fn messages() -> impl Strategy<Value = Vec<Message>> {
    let message = (0_u8..5, 0_u8..6, 0_u8..4, 0_u8..16, 0_u8..8, 0_u8..16).prop_map(
        |(key, content, date, flags, selected, readable)| Message {
            key,
            content,
            date,
            flags,
            selected: selected != 0,
            readable: readable != 0,
        },
    );
    vec(message, 0..8)
}

fn worlds() -> impl Strategy<Value = World> {
    let permanent = prop_oneof![
        Just(PermanentFlags::Unknown),
        Just(PermanentFlags::Any),
        (0_u8..16).prop_map(|bits| PermanentFlags::Only(flag_set(bits))),
    ];
    let elsewhere = prop::option::of(vec(1_u8..5, 0..3));
    (vec(messages(), 1..4), messages(), permanent, elsewhere).prop_map(
        |(sources, target, permanent_flags, elsewhere)| World {
            permanent_flags,
            elsewhere: elsewhere.map(|keys| keys.into_iter().map(key).collect::<HashSet<_>>()),
            ..World::new(sources, target)
        },
    )
}

fn rules() -> impl Strategy<Value = Rules> {
    use prop::sample::select as of;
    let sizes = (prop::option::of(100_u32..125), prop::option::of(100_u32..115))
        .prop_map(|(max, above)| Sizes { max, above, append_limit: Some(120) });
    let first = (
        of(vec![FlagPolicy::Mirror, FlagPolicy::Add, FlagPolicy::NewOnly]),
        of(vec![Keywords::Carry, Keywords::Leave]),
        prop_oneof![3 => Just(Sizes::default()), 1 => sizes],
        of(vec![DeleteRule::Nothing, DeleteRule::Messages, DeleteRule::MessagesAndMailboxes]),
    );
    let second = (
        of(vec![DeleteWithin::Mailbox, DeleteWithin::Selection]),
        of(vec![Duplicates::CopyAll, Duplicates::CopyOne]),
        of(vec![TargetDuplicates::Keep, TargetDuplicates::Delete]),
        of(vec![Elsewhere::Copy, Elsewhere::Skip]),
    );
    (first, second).prop_map(|((flags, keywords, sizes, delete), second)| Rules {
        flags,
        keywords,
        sizes,
        delete,
        delete_within: second.0,
        duplicates: second.1,
        target_duplicates: second.2,
        elsewhere: second.3,
        ..Rules::sync()
    })
}

/// How often the source, or the target, holds a content under a key.
fn count<'a>(messages: impl Iterator<Item = &'a (u32, Message)>, like: &Message) -> usize {
    messages.filter(|(_, one)| (one.key, one.content) == (like.key, like.content)).count()
}

/// Whether no key is held by two messages of one side.
fn keys_are_unique(world: &World) -> bool {
    let unique = |keys: Vec<u8>| {
        let distinct: HashSet<&u8> = keys.iter().collect();
        distinct.len() == keys.len()
    };
    let source = world.sources.iter().flat_map(|source| &source.messages);
    unique(source.map(|(_, message)| message.key).collect())
        && unique(world.target.messages.iter().map(|(_, message)| message.key).collect())
}

/// Whether the target holds, under a key that several source messages have, other content.
fn holds_foreign_content(world: &World) -> bool {
    let source = || world.sources.iter().flat_map(|source| &source.messages);
    world.target.messages.iter().any(|(_, message)| {
        message.key != 0
            && source().filter(|(_, one)| one.key == message.key).count() > 1
            && count(source(), message) == 0
    })
}

/// Whether a message has a key on one side only. Its content and date find it there where nothing
/// else stands for it, and what stands for it may change with what a run copies or removes: another
/// message of its key may come to agree with it, and it is then that message's surplus.
fn keys_differ_between_the_sides(world: &World) -> bool {
    let source = || world.sources.iter().flat_map(|source| &source.messages);
    let same = |one: &Message, other: &Message| {
        (one.key == 0) != (other.key == 0) && (one.content, one.date) == (other.content, other.date)
    };
    world.target.messages.iter().any(|(_, there)| source().any(|(_, here)| same(here, there)))
}

fn held_for_weakness(plan: &MailboxPlan) -> bool {
    plan.held_back.iter().any(|held| held.reason == HoldReason::WeakIdentity)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(1000) })]

    #[test]
    fn the_same_input_gives_the_same_octets(world in worlds(), rules in rules()) {
        let plan = || serde_json::to_string(&world.plan(&rules)).unwrap();
        prop_assert_eq!(plan(), plan());
    }

    #[test]
    fn every_listed_message_has_one_decision_and_the_sums_add_up(
        world in worlds(),
        rules in rules(),
    ) {
        let plan = world.plan(&rules);
        let mut listed = 0;
        for (part, source) in plan.parts.iter().zip(&world.sources) {
            prop_assert_eq!(part.decisions.len(), source.messages.len());
            listed += part.decisions.len() as u64;
        }
        prop_assert_eq!(plan.counts.listed, listed);
        prop_assert!(plan.counts.add_up());
        prop_assert_eq!(plan.counts.deletions(), plan.delete.len() as u64);
    }

    #[test]
    fn a_plan_carried_out_leaves_nothing_to_do(world in worlds(), rules in rules()) {
        let mut world = world;
        let unique = keys_are_unique(&world);
        let foreign = holds_foreign_content(&world) || keys_differ_between_the_sides(&world);
        let first = world.plan(&rules);
        world.carry_out(&first, &rules);
        let second = world.plan(&rules);
        // A new message may turn out to be the better partner of one of several copies, which
        // then exchange their flags; and if the target holds another content under their key,
        // known by its date, that one may be left over; as may one without a key that was known by
        // date and content until then.
        prop_assert!(!unique || world.open(&second) == 0, "{:?}", second);
        prop_assert!(foreign || world.open_copies(&second) == 0, "{:?}", second);
        // What was held back until a message without a key had arrived may go now.
        prop_assert!(
            foreign || second.delete.is_empty() || held_for_weakness(&first),
            "{:?}",
            second
        );
        let mut last = second;
        for _ in 0..3 {
            world.carry_out(&last, &rules);
            last = world.plan(&rules);
        }
        prop_assert_eq!(world.open(&last), 0, "{:?}", last);
        prop_assert!(last.delete.is_empty(), "{:?}", last);
    }

    #[test]
    fn no_run_makes_more_copies_than_the_source_has(world in worlds(), rules in rules()) {
        let mut world = world;
        let before = world.target.messages.clone();
        for _ in 0..3 {
            let plan = world.plan(&rules);
            world.carry_out(&plan, &rules);
            for (_, message) in &world.target.messages {
                let there = count(world.sources.iter().flat_map(|source| &source.messages), message);
                let most = there.max(count(before.iter(), message));
                prop_assert!(count(world.target.messages.iter(), message) <= most);
            }
        }
    }

    #[test]
    fn nothing_goes_that_the_source_has(world in worlds(), rules in rules()) {
        let plan = world.plan(&rules);
        let gone: HashSet<u32> = plan.delete.iter().map(|gone| gone.uid.value()).collect();
        let stay = || world.target.messages.iter().filter(|(uid, _)| !gone.contains(uid));
        for deletion in &plan.delete {
            let message = world.target.find(deletion.uid);
            let there = world.sources.iter().flat_map(|source| &source.messages);
            let wanted = match (rules.duplicates, deletion.why) {
                (_, DeleteReason::Duplicate) => 1,
                (Duplicates::CopyAll, _) => count(there, message),
                (Duplicates::CopyOne, _) => count(there, message).min(1),
            };
            prop_assert!(count(stay(), message) >= wanted, "{:?} {:?}", deletion, plan);
        }
    }

    #[test]
    fn nothing_goes_without_a_rule_or_with_a_problem(world in worlds(), rules in rules()) {
        let plan = world.plan(&rules);
        let keeps = rules.delete == DeleteRule::Nothing
            && rules.target_duplicates == TargetDuplicates::Keep;
        if keeps || plan.counts.problem > 0 {
            prop_assert!(plan.delete.is_empty());
        }
        if keeps {
            prop_assert!(plan.held_back.is_empty());
        }
    }
}

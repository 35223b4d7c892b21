//! Single decisions of a plan, its deletions, and its written form.
#![allow(missing_docs, clippy::unwrap_used)]

mod world;

use std::collections::HashSet;

use mailferry_engine::account::Plan;
use mailferry_engine::fault::{Fault, FaultKind, Side};
use mailferry_engine::listing::{MailboxInfo, Namespace, Oddity, View};
use mailferry_engine::mapping::How;
use mailferry_engine::message::{FlagSetId, InternalDate, Key, Uid};
use mailferry_engine::name::{MailboxName, SpecialUse};
use mailferry_engine::pairing::{Digests, PairInput, Pairing, Pairs, pair};
use mailferry_engine::plan::*;
use mailferry_engine::policy::*;
use mailferry_engine::summary::{AccountFacts, SameAccount};
use world::{Message, World, flag_set, info, key, message};

fn uid(number: u32) -> Uid {
    Uid::new(number).unwrap()
}

fn world(source: &[Message], target: &[Message]) -> World {
    World::new(vec![source.to_vec()], target.to_vec())
}

fn decisions(world: &World, rules: &Rules) -> Vec<Decision> {
    world.plan(rules).parts.into_iter().flat_map(|part| part.decisions).collect()
}

fn deleted(plan: &MailboxPlan) -> Vec<u32> {
    plan.delete.iter().map(|gone| gone.uid.value()).collect()
}

const COPY: Decision = Decision::Act(Action::Copy);

#[test]
fn a_listed_message_costs_at_most_40_octets_and_a_decision_16() {
    let columns = size_of::<Uid>()
        + size_of::<Key>()
        + size_of::<u32>()
        + size_of::<InternalDate>()
        + size_of::<FlagSetId>()
        + size_of::<bool>();
    assert!(columns <= 40, "{columns}");
    assert!(size_of::<Decision>() <= 16, "{}", size_of::<Decision>());
}

#[test]
fn a_new_message_is_copied_and_one_that_is_there_is_not() {
    let world = world(&[message(1, 1, 1), message(2, 2, 2)], &[message(2, 2, 2)]);
    assert_eq!(decisions(&world, &Rules::sync()), [COPY, Decision::Present { target: uid(1) }]);
    let counts = world.plan(&Rules::sync()).counts;
    assert_eq!((counts.copy, counts.copy_octets, counts.present), (1, 100, 1));
}

#[test]
fn flags_are_updated_as_the_policy_says() {
    let flagged = |flags| Message { flags, ..message(1, 1, 1) };
    let world = world(&[flagged(0b01)], &[flagged(0b10)]);
    let update = Decision::Act(Action::UpdateFlags { target: uid(1) });
    let present = Decision::Present { target: uid(1) };
    assert_eq!(decisions(&world, &Rules::sync()), [update]);
    assert_eq!(decisions(&world, &Rules::mirror()), [update]);
    assert_eq!(decisions(&world, &Rules::restore()), [present]);
    let unkept = World { permanent_flags: PermanentFlags::Only(flag_set(0b10)), ..world };
    assert_eq!(decisions(&unkept, &Rules::sync()), [present]);
}

#[test]
fn sizes_and_selection_leave_messages_out_with_the_reason() {
    let unselected = Message { selected: false, ..message(1, 1, 1) };
    let world = world(&[unselected, message(2, 2, 1), message(3, 4, 1)], &[]);
    let sizes = Sizes { max: Some(115), above: None, append_limit: Some(105) };
    assert_eq!(
        decisions(&world, &Rules { sizes, ..Rules::sync() }),
        [
            Decision::Skip(SkipReason::NotSelected),
            Decision::Skip(SkipReason::OverAppendLimit { limit: 105 }),
            Decision::Skip(SkipReason::TooBig { limit: 115 }),
        ]
    );
}

#[test]
fn restore_leaves_alone_what_its_owner_has_moved() {
    let mut world = world(&[message(1, 1, 1), message(2, 1, 1), message(0, 1, 1)], &[]);
    world.elsewhere = Some(HashSet::from([key(1), key(0)]));
    let elsewhere = Decision::Skip(SkipReason::Elsewhere);
    assert_eq!(decisions(&world, &Rules::restore()), [elsewhere, COPY, COPY]);
    let anyway = Rules { elsewhere: Elsewhere::Copy, ..Rules::restore() };
    assert_eq!(decisions(&world, &anyway), [COPY; 3]);
}

#[test]
fn a_mailbox_of_strangers_is_not_appended_to() {
    let strangers = |number: u8| (0..number).map(|at| message(100 + at, 1, 1)).collect::<Vec<_>>();
    let plan = world(&[message(1, 1, 1)], &strangers(20)).plan(&Rules::sync());
    assert_eq!(plan.parts[0].decisions, [Decision::Problem(0)]);
    assert_eq!(plan.faults[0].kind, FaultKind::Unrecognised);
    assert_eq!(decisions(&world(&[message(1, 1, 1)], &strangers(19)), &Rules::sync()), [COPY]);
    let append = Rules { unrecognised: Unrecognised::Append, ..Rules::sync() };
    assert_eq!(decisions(&world(&[message(1, 1, 1)], &strangers(20)), &append), [COPY]);
    let one_known = world(&[message(1, 1, 1), message(100, 1, 1)], &strangers(20));
    assert_eq!(decisions(&one_known, &Rules::sync())[0], COPY);
}

#[test]
fn presync_removes_what_the_source_no_longer_has() {
    let world = world(&[message(1, 1, 1)], &[message(1, 1, 1), message(2, 2, 2), message(1, 4, 9)]);
    let plan = world.plan(&Rules::presync());
    assert_eq!(
        plan.delete,
        [
            Deletion { uid: uid(2), why: DeleteReason::Absent },
            Deletion { uid: uid(3), why: DeleteReason::ContentAbsent },
        ]
    );
    assert!(world.plan(&Rules::sync()).delete.is_empty());
}

#[test]
fn a_message_outside_the_selection_still_protects_its_copy() {
    let unselected = Message { selected: false, ..message(1, 1, 1) };
    let target =
        [message(1, 1, 1), Message { selected: false, ..message(2, 1, 1) }, message(3, 1, 1)];
    let world = world(&[unselected], &target);
    assert_eq!(deleted(&world.plan(&Rules::presync())), [2, 3]);
    let narrow = Rules { delete_within: DeleteWithin::Selection, ..Rules::presync() };
    assert_eq!(deleted(&world.plan(&narrow)), [3]);
}

#[test]
fn a_message_without_key_stays_while_one_of_the_source_is_missing() {
    let world_ = world(&[message(0, 1, 1)], &[message(0, 2, 2), message(3, 3, 3)]);
    let plan = world_.plan(&Rules::presync());
    assert_eq!(deleted(&plan), [2]);
    let held = HeldBack { reason: HoldReason::WeakIdentity, messages: 1 };
    assert_eq!((plan.held_back, plan.counts.held_back), (vec![held], 1));
    let arrived = world(&[message(0, 1, 1)], &[message(0, 2, 2), message(0, 1, 1)]);
    assert_eq!(deleted(&arrived.plan(&Rules::presync())), [1]);
}

#[test]
fn what_cannot_be_read_makes_a_mailbox_keep_everything() {
    let unreadable = Message { readable: false, ..message(0, 1, 1) };
    let world = world(&[unreadable], &[message(0, 2, 2), message(3, 3, 3)]);
    let plan = world.plan(&Rules::presync());
    assert_eq!(plan.parts[0].decisions, [Decision::Problem(0)]);
    assert_eq!(plan.faults[0].uid, Some(uid(1)));
    assert_eq!(plan.held_back, [HeldBack { reason: HoldReason::Problem, messages: 2 }]);
}

#[test]
fn surplus_copies_go_only_where_the_rules_say_so() {
    let twice = [message(1, 1, 1), message(1, 1, 2)];
    let world_ = world(&twice[..1], &twice);
    let one = Rules { delete: DeleteRule::Messages, ..Rules::imapsync() };
    assert!(world_.plan(&one).delete.is_empty());
    let removing = Rules { target_duplicates: TargetDuplicates::Delete, ..one };
    let plan = world_.plan(&removing);
    assert_eq!(plan.delete, [Deletion { uid: uid(2), why: DeleteReason::Duplicate }]);
    assert_eq!((plan.counts.delete, plan.counts.delete_duplicates), (0, 1));
    assert_eq!(deleted(&world_.plan(&Rules::presync())), [2], "kept in balance");
    let two_sources = World::new(vec![twice[..1].to_vec(), Vec::new()], twice.to_vec());
    assert!(two_sources.plan(&removing).delete.is_empty());
}

/// Everything that a plan needs, to be altered one thing at a time.
struct Case {
    source_info: MailboxInfo,
    target_info: MailboxInfo,
    world: World,
    pairs: Pairs,
}

impl Case {
    fn new() -> Self {
        let world = world(&[message(1, 1, 1)], &[message(2, 2, 2)]);
        let pairs = world.pair(&Rules::presync()).pairs;
        Self { source_info: info("S"), target_info: info("T"), world, pairs }
    }

    fn plan(&self, alter: impl Fn(&mut MailboxInput<'_>, &mut PartInput<'_>)) -> MailboxPlan {
        let (source, target) = (self.world.sources[0].listing(), self.world.target.listing());
        let mut part = PartInput { source: &self.source_info, listing: &source, incomplete: None };
        let mut input = MailboxInput {
            target: &self.target_info.name,
            target_info: Some(&self.target_info),
            how: How::ByName,
            doubts: &[],
            create_as: Some(SpecialUse::Sent),
            target_listing: &target,
            parts: &[],
            pairs: &self.pairs,
            permanent_flags: &PermanentFlags::Unknown,
            elsewhere: None,
            other_sources: &[],
        };
        alter(&mut input, &mut part);
        plan_mailbox(&MailboxInput { parts: &[part], ..input }, &Rules::presync())
    }
}

#[test]
fn an_incomplete_listing_removes_nothing_and_is_told() {
    let fault = Fault::new(Side::Source, FaultKind::ListingIncomplete, "FETCH ended early");
    let plan =
        Case::new().plan(|_, part| part.incomplete = Some(Box::leak(Box::new(fault.clone()))));
    assert_eq!(plan.held_back, [HeldBack { reason: HoldReason::ListingIncomplete, messages: 1 }]);
    assert_eq!(plan.faults, [fault]);
    assert_eq!(plan.parts[0].decisions, [COPY], "what was listed is copied");
}

#[test]
fn a_mailbox_that_is_shown_in_part_removes_nothing_and_is_told() {
    let case = Case::new();
    let mut listing = case.world.sources[0].listing();
    listing.view = View::Newest(1);
    let plan = case.plan(|_, part| part.listing = Box::leak(Box::new(listing.clone())));
    assert_eq!(plan.held_back, [HeldBack { reason: HoldReason::ListingIncomplete, messages: 1 }]);
    assert_eq!(
        (plan.faults[0].kind, plan.faults[0].side),
        (FaultKind::HiddenMessages, Side::Source)
    );
    assert_eq!(plan.parts[0].decisions, [COPY], "what is shown is copied");
}

#[test]
fn nothing_new_is_copied_to_a_mailbox_that_is_shown_in_part() {
    let case = Case::new();
    let mut listing = case.world.target.listing();
    listing.view = View::Newest(1);
    let plan = case.plan(|input, _| input.target_listing = Box::leak(Box::new(listing.clone())));
    assert_eq!(plan.parts[0].decisions, [Decision::Problem(0)]);
    assert_eq!(
        (plan.faults[0].kind, plan.faults[0].side),
        (FaultKind::HiddenMessages, Side::Target)
    );
}

#[test]
fn an_undelivered_message_is_a_problem_and_removes_nothing() {
    let case = Case::new();
    let mut listing = case.world.sources[0].listing();
    listing.oddities.push((0, Oddity::NotDelivered));
    let plan = case.plan(|_, part| part.listing = Box::leak(Box::new(listing.clone())));
    assert_eq!(plan.parts[0].decisions, [Decision::Problem(0)]);
    assert!(plan.delete.is_empty());
}

#[test]
fn nothing_new_is_copied_while_the_target_withholds_a_message() {
    let mut case = Case::new();
    case.world = world(&[message(1, 1, 1), message(2, 2, 2), message(3, 3, 3)], &[]);
    case.world.target = case.world.sources[0].clone();
    let mut listing = case.world.target.listing();
    listing.key[0] = Key::NONE;
    listing.oddities.push((0, Oddity::NotDelivered));
    let sources = case.world.sources[0].listing();
    let digests = Digests::default();
    let source = PairInput { listing: &sources, digests: &digests };
    let target = PairInput { listing: &listing, digests: &digests };
    let Pairing::Done(pairs) = pair(&[source], target, &Rules::sync().pair_rule()) else {
        panic!("no digest is needed");
    };
    case.pairs = pairs;
    let plan = case.plan(|input, _| input.target_listing = Box::leak(Box::new(listing.clone())));
    let there = |number| Decision::Present { target: uid(number) };
    assert_eq!(plan.parts[0].decisions, [Decision::Problem(0), there(2), there(3)]);
    assert_eq!(plan.faults[0].kind, FaultKind::ListingIncomplete);
    assert_eq!(plan.faults[0].side, Side::Target);
}

#[test]
fn strangers_on_the_target_are_no_fault_where_nothing_is_to_be_copied() {
    let strangers: Vec<Message> = (0..20).map(|at| message(100 + at, 1, 1)).collect();
    let plan = world(&[], &strangers).plan(&Rules::sync());
    assert_eq!(plan.faults, []);
}

#[test]
fn nothing_goes_where_another_source_mailbox_leads_to_the_same_target() {
    let other: &[MailboxName] = Box::leak(Box::new([MailboxName::from("S2")]));
    let plan = Case::new().plan(|input, _| input.other_sources = other);
    assert_eq!(plan.held_back[0].reason, HoldReason::OtherSource);
    assert!(plan.delete.is_empty());
}

#[test]
fn nothing_goes_outside_the_own_namespace() {
    let mut case = Case::new();
    case.target_info.namespace = Namespace::Shared;
    let plan = case.plan(|_, _| ());
    assert_eq!(plan.held_back[0].reason, HoldReason::NotPersonal);
    assert!(plan.delete.is_empty());
    case.target_info.namespace = Namespace::Personal;
    assert_eq!(deleted(&case.plan(|_, _| ())), [1]);
}

#[test]
fn a_mailbox_is_created_and_subscribed_where_it_is_missing() {
    let mut case = Case::new();
    case.source_info.subscribed = true;
    let there = case.plan(|_, _| ());
    assert_eq!((there.create, there.subscribe), (None, Subscription::Add));
    let new = case.plan(|input, _| input.target_info = None);
    assert_eq!(new.create, Some(Creation { special_use: Some(SpecialUse::Sent) }));
    case.target_info.subscribed = true;
    assert_eq!(case.plan(|_, _| ()).subscribe, Subscription::Leave);
}

#[test]
fn a_message_that_was_not_compared_is_a_problem() {
    let mut case = Case::new();
    case.pairs = Pairs::default();
    let plan = case.plan(|_, _| ());
    assert_eq!(plan.parts[0].decisions, [Decision::Problem(0)]);
    assert!(plan.delete.is_empty());
}

#[test]
fn a_plan_is_written_with_its_sums() {
    let unreadable = Message { readable: false, ..message(0, 1, 1) };
    let source =
        [message(1, 1, 1), message(2, 2, 2), unreadable, Message { flags: 1, ..message(4, 4, 4) }];
    let target = [message(2, 2, 2), message(0, 3, 3), message(4, 4, 4)];
    let facts = AccountFacts {
        source_mailboxes: 1,
        other_target_messages: 7,
        same_account: SameAccount::No,
    };
    let mut plan = Plan::new(facts, Vec::new());
    plan.push(world(&source, &target).plan(&Rules::presync()));
    plan.push(world(&source[..1], &[]).plan(&Rules::presync()));
    assert_eq!(plan.summary.total.listed, 5);
    assert!(plan.summary.total.add_up());
    assert_eq!(plan.summary.target_messages(), 10);
    insta::assert_snapshot!(serde_json::to_string_pretty(&plan).unwrap());
}

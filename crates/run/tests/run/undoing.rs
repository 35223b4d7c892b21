//! What a run did to the target is undone, as far as the target still has it.

use std::path::Path;
use std::sync::Arc;

use mailferry_engine::guard::{self, GuardLimits, NearlyAll};
use mailferry_engine::policy::{FlagPolicy, Rules, SourceDeletion};
use mailferry_run::accounts::Accounts as _;
use mailferry_run::events::Silent;
use mailferry_run::job::Job;
use mailferry_run::receipt::{Finish, Folder};
use mailferry_run::undo::{self, Copies, UndoPlan, Undone};
use mailferry_testkit::sim::{Effect, Extension, Fault, Profile};

use crate::keeping::keeping;
use crate::world::{
    Mail, World, assert_complete, date, digest, fill, job_in_order, message, receipt,
};

const TODAY: &str = "Backup/2026-11-26";

/// What one undo came to.
struct Undo {
    plan: UndoPlan,
    undone: Undone,
}

/// Undoes the run whose receipt is the first of the folder.
async fn undo(world: &World, target: Profile, folder: &Path, copies: Copies) -> Undo {
    let running = world.serve(Profile::modern(), target).await;
    let mut connection = running.addresses.open_target().await.unwrap();
    let folder = Folder::new(folder.to_owned());
    let first = folder.runs().unwrap().remove(0);
    let read = folder.read(&first).unwrap();
    let plan = undo::plan(&mut connection, (&folder, &read), copies).await.unwrap();
    let limits =
        GuardLimits { mailbox: None, nearly_all: NearlyAll::Allow, ..GuardLimits::modern() };
    let approval = guard::check(&plan.summary(), &limits).unwrap();
    let runs = i64::try_from(folder.runs().unwrap().len()).unwrap();
    let own = receipt(folder.path(), 100 + runs);
    let undone =
        undo::carry_out(&plan, approval, &mut connection, (Some(own), Arc::new(Silent))).await;
    let written = undone.receipt.as_ref().unwrap().as_ref().unwrap();
    let last = folder.find("last").unwrap();
    assert_eq!(last.as_str(), written.run);
    let told = folder.read(&last).unwrap();
    assert!(told.adds_up());
    let finish = if undone.is_complete(&plan) { Finish::Complete } else { Finish::Incomplete };
    assert_eq!(told.finish, finish);
    let moved = told.departures.iter().flat_map(|departures| &departures.messages);
    assert_eq!(moved.filter(|message| message.is_moved).count() as u64, undone.back);
    assert_eq!(told.changes.len() as u64, undone.flags);
    assert_eq!(told.faults.len(), plan.left.len() + undone.faults.len());
    Undo { plan, undone }
}

fn counts(undo: &Undo) -> [u64; 5] {
    let Undo { plan, undone } = undo;
    [undone.back, undone.flags, undone.copies, plan.as_before, plan.left.len() as u64]
}

fn sorted(world: &World) -> Vec<(String, Vec<Mail>)> {
    let all = digest(&world.target).into_iter().filter(|(name, _)| !name.starts_with("Backup"));
    all.map(|(name, mut mail)| {
        mail.sort();
        (name, mail)
    })
    .collect()
}

fn mirror(folder: &Path) -> Job {
    let rules = Rules { flags: FlagPolicy::Mirror, ..Rules::mirror() };
    let receipt = Some(receipt(folder, 0));
    Job { keeping: Some(keeping("Backup")), receipt, ..job_in_order(rules) }
}

/// A mirror that removed two messages and a mailbox of three, changed the flags of one and copied two.
async fn mirrored(target: &Profile, folder: &Path) -> (World, Vec<(String, Vec<Mail>)>) {
    let world = World::new();
    fill(&world.source, "INBOX", 1..11, 400);
    let first = world.run(Profile::modern(), target.clone(), &job_in_order(Rules::sync())).await;
    assert_complete(&first);
    fill(&world.target, "Old", 900..903, 400);
    let before = sorted(&world);
    for uid in [3, 7] {
        assert!(world.source.expunge("INBOX", uid));
    }
    world.source.set_flags("INBOX", 5, &["\\Flagged", "Later"]);
    fill(&world.source, "INBOX", 100..102, 400);
    let report = world.run(Profile::modern(), target.clone(), &mirror(folder)).await;
    assert_complete(&report);
    assert_eq!((report.moved(), report.total().flags_updated), (5, 1));
    (world, before)
}

fn targets() -> [Profile; 3] {
    let copying = Profile::modern().without(Extension::Move);
    [Profile::modern(), copying.clone(), copying.without(Extension::UidPlus)]
}

#[tokio::test]
async fn what_was_moved_away_and_changed_is_as_before_and_copies_stay_unless_they_are_to_go() {
    for target in targets() {
        let folder = tempfile::tempdir().unwrap();
        let (world, before) = mirrored(&target, folder.path()).await;
        let first = undo(&world, target.clone(), folder.path(), Copies::Stay).await;
        assert_eq!(counts(&first), [5, 1, 0, 0, 0], "{:?}", first.plan.left);
        let with_copies = sorted(&world);
        assert_eq!(with_copies[1], before[1], "the mailbox that was deleted");
        assert_eq!(with_copies[0].1.len(), 12);
        assert!(before[0].1.iter().all(|mail| with_copies[0].1.contains(mail)));
        assert!(world.target.messages(TODAY).is_empty());
        // A second time there is nothing to do.
        let second = undo(&world, target.clone(), folder.path(), Copies::Stay).await;
        assert!(second.plan.is_empty(), "{:?}", second.plan);
        assert_eq!(counts(&second), [0, 0, 0, 6, 0]);
        if target.has(Extension::UidPlus) {
            let copies = undo(&world, target.clone(), folder.path(), Copies::Go).await;
            assert_eq!(counts(&copies), [0, 0, 2, 6, 0], "{:?}", copies.plan.left);
            assert_eq!(sorted(&world), before);
        } else {
            // Nobody knows which messages the copies are.
            let copies = undo(&world, target.clone(), folder.path(), Copies::Go).await;
            assert_eq!(counts(&copies), [0, 0, 0, 6, 2]);
            assert_eq!(sorted(&world), with_copies);
        }
    }
}

#[tokio::test]
async fn what_is_not_there_any_more_or_was_changed_since_is_told_and_left() {
    let target = Profile::modern();
    let folder = tempfile::tempdir().unwrap();
    let (world, _) = mirrored(&target, folder.path()).await;
    let kept = world.target.messages(TODAY);
    assert!(world.target.expunge(TODAY, kept[0].uid));
    world.target.set_flags("INBOX", 5, &["\\Seen"]);
    let first = undo(&world, target, folder.path(), Copies::Stay).await;
    assert_eq!(counts(&first), [4, 0, 0, 0, 2]);
    assert!(!first.undone.is_complete(&first.plan));
    let why: Vec<&str> = first.plan.left.iter().map(|left| &*left.why).collect();
    assert!(why[0].starts_with("it is not in `Backup/2026-11-26`"), "{why:?}");
    assert_eq!(why[1], "its flags were changed again since");
    let flags: Vec<_> = world.target.messages("INBOX").into_iter().map(|it| it.flags).collect();
    assert!(flags.iter().any(|flags| format!("{flags:?}").contains("Seen")));
}

#[tokio::test]
async fn what_was_removed_for_good_is_told() {
    let target = Profile::modern();
    let folder = tempfile::tempdir().unwrap();
    let world = World::new();
    fill(&world.source, "INBOX", 1..5, 400);
    fill(&world.target, "INBOX", 900..902, 400);
    fill(&world.target, "Old", 910..912, 400);
    world.target.add_mailbox("Empty");
    let job = Job { keeping: None, ..mirror(folder.path()) };
    assert_complete(&world.run(Profile::modern(), target.clone(), &job).await);
    let first = undo(&world, target, folder.path(), Copies::Stay).await;
    // Two messages and a mailbox; the one that was empty comes back.
    assert_eq!(counts(&first), [0, 0, 0, 0, 3], "{:?}", first.plan);
    assert!(world.target.snapshot().contains_key("Empty"));
    assert!(!world.target.snapshot().contains_key("Old"));
}

/// The copy of a message that was moved is all that there is of it, whichever run has moved it.
#[tokio::test]
async fn copies_of_messages_that_left_the_source_stay() {
    for moved_later in [false, true] {
        let folder = tempfile::tempdir().unwrap();
        let world = World::new();
        fill(&world.source, "INBOX", 1..5, 400);
        let copying = |rules: Rules, seconds: i64| Job {
            receipt: Some(receipt(folder.path(), seconds)),
            ..job_in_order(rules)
        };
        let all = Rules { source_deletion: SourceDeletion::Copied, ..Rules::sync() };
        let first = if moved_later { Rules::sync() } else { all.clone() };
        let servers = || world.serve(Profile::modern(), Profile::modern());
        assert_complete(&servers().await.run(&copying(first, 0)).await.unwrap());
        if moved_later {
            fill(&world.source, "INBOX", 90..91, 400);
            assert_complete(&servers().await.run(&copying(all, 1)).await.unwrap());
        }
        assert!(world.source.messages("INBOX").is_empty());
        let there = digest(&world.target);
        let first = undo(&world, Profile::modern(), folder.path(), Copies::Go).await;
        assert_eq!(counts(&first), [0, 0, 0, 0, 4], "{:?}", first.plan);
        assert!(first.plan.left[0].why.contains("removed from the source"));
        assert!(digest(&world.target) == there);
    }
}

/// Under UIDs that are others by now, nothing is what it was.
#[tokio::test]
async fn a_mailbox_that_was_renumbered_loses_no_message_and_gets_no_other_flags() {
    let target = Profile::modern();
    let folder = tempfile::tempdir().unwrap();
    let (world, _) = mirrored(&target, folder.path()).await;
    world.target.renumber("INBOX");
    world.target.renumber(TODAY);
    let inbox = world.target.messages("INBOX").len();
    let first = undo(&world, target, folder.path(), Copies::Go).await;
    // What was moved away is known by its headers; flags and copies are not.
    assert_eq!(counts(&first), [5, 0, 0, 0, 3], "{:?}", first.plan.left);
    assert_eq!(world.target.messages("INBOX").len(), inbox + 2);
}

#[tokio::test]
async fn another_message_under_the_uid_of_a_copy_stays() {
    let target = Profile::modern();
    let folder = tempfile::tempdir().unwrap();
    let (world, _) = mirrored(&target, folder.path()).await;
    let validity = world.target.uid_validity("INBOX").unwrap();
    let copies: Vec<u32> =
        world.target.messages("INBOX").iter().rev().take(2).map(|it| it.uid).collect();
    // The mailbox was made anew under the same UIDVALIDITY, as some servers do.
    world.target.recreate_mailbox("INBOX");
    for number in 1..=copies[0] {
        world.target.append("INBOX", &message(5000 + number, 300), &[], date(number));
    }
    world.target.set_uid_validity("INBOX", validity);
    let there = world.target.messages("INBOX").len();
    let first = undo(&world, target, folder.path(), Copies::Go).await;
    assert_eq!(first.undone.copies, 0, "{:?}", first.plan);
    assert_eq!(world.target.messages("INBOX").len(), there + 2);
}

/// The connection breaks while messages come back: the next undo goes on.
#[tokio::test]
async fn an_undo_that_is_cut_off_is_gone_on_with() {
    for target in targets() {
        let command = if target.has(Extension::Move) { "UID MOVE" } else { "UID COPY" };
        for effect in [Effect::Cut, Effect::CutUnanswered] {
            let folder = tempfile::tempdir().unwrap();
            let (world, before) = mirrored(&target, folder.path()).await;
            let faults = vec![Fault::at_command(command, 1, effect.clone())];
            let cut = Profile { faults, ..target.clone() };
            let first = undo(&world, cut, folder.path(), Copies::Stay).await;
            assert!(!first.undone.is_complete(&first.plan), "{command} {effect:?}");
            let second = undo(&world, target.clone(), folder.path(), Copies::Stay).await;
            assert!(second.undone.is_complete(&second.plan), "{:?}", second.plan.left);
            let all = sorted(&world);
            assert_eq!(all[1], before[1]);
            assert_eq!(all[0].1.len(), 12, "{command} {effect:?}");
            assert!(before[0].1.iter().all(|mail| all[0].1.contains(mail)));
            assert!(world.target.messages(TODAY).is_empty());
        }
    }
}

#[tokio::test]
async fn subscriptions_that_were_given_up_come_back() {
    let (folder, target) = (tempfile::tempdir().unwrap(), Profile::modern());
    let world = World::new();
    fill(&world.source, "INBOX", 1..4, 400);
    world.source.add_mailbox("Work").subscribe("INBOX");
    for name in ["INBOX", "Work", "Old", "Empty"] {
        world.target.add_mailbox(name).subscribe(name);
    }
    fill(&world.target, "Old", 900..903, 400);
    let before = world.target.subscriptions();
    let report = world.run(Profile::modern(), target.clone(), &mirror(folder.path())).await;
    assert_complete(&report);
    assert_eq!(world.target.subscriptions().len(), 1);
    let first = undo(&world, target.clone(), folder.path(), Copies::Stay).await;
    assert!(first.undone.is_complete(&first.plan), "{:?}", first.plan);
    assert_eq!(first.undone.subscribed, 3);
    assert_eq!(world.target.subscriptions(), before);
    let second = undo(&world, target, folder.path(), Copies::Stay).await;
    assert!(second.plan.is_empty(), "{:?}", second.plan);
}

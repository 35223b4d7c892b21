//! What takes part: selections, limits, what is elsewhere already.

use mailferry_engine::fault::FaultKind;
use mailferry_engine::name::MailboxName;
use mailferry_engine::policy::{DeleteWithin, Rules};
use mailferry_run::job::{EmptyMailboxes, Job, Limits};
use mailferry_store::contract::Selection;
use mailferry_testkit::sim::{Effect, Extension, Fault, Profile};

use crate::world::{
    World, assert_complete, assert_idle, faults, fill, furnish, job, job_in_order, quick,
};

fn flagged() -> Selection {
    Selection(Some(b"FLAGGED".to_vec()))
}

#[tokio::test]
async fn a_selection_narrows_what_is_copied_and_not_what_is_recognised() {
    for profile in
        [Profile::modern(), Profile::bare(), Profile::modern().without(Extension::ESearch)]
    {
        let world = World::new();
        fill(&world.source, "INBOX", 0..50, 300);
        let narrow = Job { source_selection: flagged(), ..job(Rules::sync()) };
        world.run_until_settled(profile.clone(), Profile::modern(), &narrow).await;
        assert_eq!(world.target.messages("INBOX").len(), 10);
        // What the source has and the selection leaves out is not extra on the target.
        assert_complete(&world.run(profile.clone(), Profile::modern(), &job(Rules::sync())).await);
        fill(&world.target, "INBOX", 100..110, 300);
        let narrow = Job { source_selection: flagged(), ..job(Rules::presync()) };
        let within = Rules { delete_within: DeleteWithin::Selection, ..Rules::presync() };
        let within =
            Job { source_selection: flagged(), target_selection: flagged(), ..job(within) };
        assert_eq!(world.run(profile.clone(), Profile::modern(), &within).await.total().deleted, 2);
        assert_eq!(world.run(profile, Profile::modern(), &narrow).await.total().deleted, 8);
        world.assert_same_mail();
    }
}

#[tokio::test]
async fn a_selection_that_the_server_does_not_understand_stops_that_mailbox() {
    let world = World::new();
    fill(&world.source, "INBOX", 1..5, 300);
    let narrow =
        Job { source_selection: Selection(Some(b"NONSENSE".to_vec())), ..job(Rules::presync()) };
    let report = world.run(Profile::modern(), Profile::modern(), &narrow).await;
    assert!(!report.is_complete());
    assert_eq!(faults(&report, FaultKind::ListingIncomplete), [0]);
    assert_eq!(report.total().copied, 0);
}

#[tokio::test]
async fn too_many_faults_end_the_run() {
    let world = World::new();
    for name in ["A", "B", "C"] {
        fill(&world.source, name, 1..101, 300);
    }
    let refuse: mailferry_testkit::sim::Refuse =
        std::sync::Arc::new(|_| Some("[CANNOT] no".to_owned()));
    let target =
        Profile { refuse: Some(refuse), ..Profile::modern() }.without(Extension::MultiAppend);
    let limits = Limits { faults_max: 5, pairs_max: 1, ..quick() };
    let report =
        world.run(Profile::modern(), target, &Job { limits, ..job_in_order(Rules::sync()) }).await;
    assert!(report.not_started() >= 200, "{}", report.not_started());
    assert!(report.total().failed >= 5 && !report.is_complete());
}

#[tokio::test]
async fn a_keyword_too_many_costs_that_message_only() {
    let world = World::new();
    fill(&world.source, "INBOX", 0..60, 300);
    let limits = mailferry_testkit::sim::Limits { keywords_max: Some(1), ..Default::default() };
    let report = world
        .run(Profile::modern(), Profile { limits, ..Profile::modern() }, &job(Rules::sync()))
        .await;
    assert_eq!(report.not_started(), 0, "{:?}", report.faults);
    assert!(world.target.messages("INBOX").len() >= 48);
}

#[tokio::test]
async fn a_restore_leaves_alone_what_its_owner_moved() {
    let world = World::new();
    fill(&world.source, "INBOX", 1..31, 300);
    fill(&world.target, "INBOX", 1..21, 300);
    fill(&world.target, "Moved", 21..26, 300);
    world.target.set_flags("INBOX", 3, &["\\Flagged"]);
    let report = world.run(Profile::modern(), Profile::modern(), &job(Rules::restore())).await;
    assert_complete(&report);
    assert_eq!((report.total().copied, report.total().flags_updated), (5, 0));
    assert_eq!(world.target.messages("INBOX").len(), 25);
    assert_idle(&world.run(Profile::modern(), Profile::modern(), &job(Rules::restore())).await);
}

#[tokio::test]
async fn what_stands_in_two_mailboxes_comes_back_to_both_though_one_has_it() {
    // All of the backup, or without the mailbox that has them.
    for named in [vec![], vec!["Filed".into(), "Lost".into()]] {
        let world = World::new();
        fill(&world.source, "INBOX", 1..11, 300);
        fill(&world.source, "Filed", 1..6, 300);
        fill(&world.source, "Lost", 20..23, 300);
        // A restore was cut off, or these were lost; and two of them were moved by their owner.
        fill(&world.target, "INBOX", 1..11, 300);
        fill(&world.target, "Moved", 20..22, 300);
        let mut restore = job(Rules::restore());
        restore.mailboxes.named = named;
        let report = world.run(Profile::modern(), Profile::modern(), &restore).await;
        assert_complete(&report);
        assert_eq!(report.total().copied, 6);
        assert_eq!(world.target.messages("Filed").len(), 5);
        assert_eq!(world.target.messages("Lost").len(), 1);
        assert_idle(&world.run(Profile::modern(), Profile::modern(), &restore).await);
    }
}

#[tokio::test]
async fn empty_mailboxes_are_created_or_not() {
    for profile in
        [Profile::modern(), Profile::modern().without(Extension::ListStatus), Profile::bare()]
    {
        let world = World::new();
        furnish(&world.source);
        let skip = Job { empty_mailboxes: EmptyMailboxes::Skip, ..job(Rules::sync()) };
        assert_complete(&world.run(profile, Profile::modern(), &skip).await);
        assert!(!world.target.snapshot().contains_key("Empty"));
        assert!(world.target.snapshot().contains_key("Archive/2024"));
    }
}

#[tokio::test]
async fn a_target_of_strangers_is_not_appended_to() {
    let world = World::new();
    fill(&world.source, "INBOX", 1..6, 300);
    fill(&world.target, "INBOX", 100..120, 300);
    let report = world.run(Profile::modern(), Profile::modern(), &job(Rules::sync())).await;
    assert_eq!(faults(&report, FaultKind::Unrecognised), [0]);
    assert_eq!((report.total().copied, report.mailboxes[0].planned.problem), (0, 5));
    assert!(!report.is_complete());
}

#[tokio::test]
async fn mailboxes_that_were_not_chosen_are_left_alone() {
    let world = World::new();
    furnish(&world.source);
    fill(&world.target, "Archive/2025", 900..905, 300);
    let mut one = job(Rules::presync());
    one.mailboxes.named = vec![MailboxName::from("Archive/2024"), MailboxName::from("nowhere")];
    let report = world.run(Profile::modern(), Profile::modern(), &one).await;
    assert_eq!((report.total().copied, report.total().deleted), (10, 0));
    assert_eq!(world.target.messages("Archive/2025").len(), 5);
}

#[tokio::test]
async fn a_server_that_runs_commands_in_any_order_gets_one_at_a_time() {
    let world = World::new();
    furnish(&world.source);
    fill(&world.source, "INBOX", 500..503, 200_000);
    let stalwart =
        Profile { greeting: "Stalwart IMAP4rev2 at your service".to_owned(), ..Profile::modern() };
    world.run_until_settled(stalwart.clone(), stalwart, &job(Rules::sync())).await;
    world.assert_same();
}

#[tokio::test]
async fn a_restore_goes_on_where_one_mailbox_of_the_target_cannot_be_looked_into() {
    let world = World::new();
    fill(&world.source, "INBOX", 1..6, 300);
    fill(&world.target, "INBOX", 1..3, 300);
    world.target.add_mailbox("Locked");
    fill(&world.target, "Locked", 90..92, 300);
    // The second mailbox that is looked into; INBOX comes first.
    let no = Fault::at_command("EXAMINE", 2, Effect::No("not now".into()));
    let target = Profile { faults: vec![no], ..Profile::modern() };
    let report = world.run(Profile::modern(), target, &job(Rules::restore())).await;
    assert_eq!(world.target.messages("INBOX").len(), 5);
    assert_eq!(report.total().copied, 3);
    assert!(!report.is_complete(), "a mailbox that was not looked into is told");
    assert_eq!(report.faults[0].mailbox, Some("Locked".into()));
}

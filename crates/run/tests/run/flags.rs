//! Flags of messages that are there already.

use mailferry_engine::policy::{FlagPolicy, Rules};
use mailferry_testkit::sim::{Extension, Keywords, Profile};

use crate::world::{World, assert_complete, assert_idle, fill, job, words};

/// Copies, changes flags on both sides, runs again under the policy; answers the flags of the
/// first three messages.
async fn after(policy: FlagPolicy, target: Profile) -> Vec<Vec<String>> {
    let world = World::new();
    fill(&world.source, "INBOX", 0..10, 400);
    world.run_until_settled(Profile::modern(), target.clone(), &job(Rules::sync())).await;
    world.source.set_flags("INBOX", 1, &["\\Seen", "New", "\\Deleted"]);
    world.target.set_flags("INBOX", 1, &["\\Flagged", "Own"]);
    world.source.set_flags("INBOX", 2, &[]);
    world.target.set_flags("INBOX", 3, &["\\SEEN", "work", "\\answered"]);
    let rules = Rules { flags: policy, ..Rules::sync() };
    world.run_until_settled(Profile::modern(), target, &job(rules)).await;
    world.target.messages("INBOX").iter().take(3).map(|found| words(&found.flags)).collect()
}

#[tokio::test]
async fn each_policy_does_what_it_says() {
    for target in
        [Profile::modern(), Profile::bare(), Profile::modern().without(Extension::UidPlus)]
    {
        let mirror = after(FlagPolicy::Mirror, target.clone()).await;
        assert_eq!(
            mirror,
            [vec!["\\Deleted", "\\Seen", "New"], vec![], vec!["\\Answered", "\\Seen", "work"]]
        );
        let add = after(FlagPolicy::Add, target.clone()).await;
        assert_eq!(add[0], ["\\Deleted", "\\Flagged", "\\Seen", "New", "Own"]);
        assert_eq!(add[1..], [vec!["\\Seen"], vec!["\\Answered", "\\Seen", "work"]]);
        let new_only = after(FlagPolicy::NewOnly, target).await;
        assert_eq!(new_only[0], ["\\Flagged", "Own"]);
    }
}

#[tokio::test]
async fn many_flag_changes_go_in_commands_of_bounded_length() {
    let world = World::new();
    fill(&world.source, "INBOX", 1..2_001, 100);
    let mirror = job(Rules { flags: FlagPolicy::Mirror, ..Rules::sync() });
    assert_complete(&world.run(Profile::modern(), Profile::modern(), &mirror).await);
    for uid in (1..2_001).step_by(2) {
        world.source.set_flags("INBOX", uid, &["\\Seen", "Sparse"]);
    }
    let running = world.serve(Profile::modern(), Profile::modern()).await;
    assert_complete(&running.run(&mirror).await.unwrap());
    let longest = running.target.state().log().iter().map(|entry| entry.line.len()).max();
    assert!(longest <= Some(4_096));
    assert_idle(&running.run(&mirror).await.unwrap());
    world.assert_same();
}

#[tokio::test]
async fn keywords_that_the_target_drops_cost_no_message() {
    for keywords in [Keywords::DroppedByAppend, Keywords::Dropped, Keywords::Refused] {
        let world = World::new();
        fill(&world.source, "INBOX", 1..31, 400);
        let target = Profile { keywords, ..Profile::modern() };
        let report = world.run(Profile::modern(), target, &job(Rules::sync())).await;
        assert_eq!(world.target.messages("INBOX").len(), 30, "{keywords:?}: {:?}", report.faults);
    }
}

#[tokio::test]
async fn keywords_that_the_target_cannot_keep_are_not_asked_for_in_every_run() {
    for keywords in [Keywords::DroppedByAppend, Keywords::Dropped, Keywords::Refused] {
        let world = World::new();
        fill(&world.source, "INBOX", 1..31, 400);
        let target = Profile { keywords, ..Profile::modern() };
        world.run(Profile::modern(), target.clone(), &job(Rules::sync())).await;
        // UW drops them in APPEND and keeps them in STORE: the second run may set them.
        world.run(Profile::modern(), target.clone(), &job(Rules::sync())).await;
        let third = world.run(Profile::modern(), target, &job(Rules::sync())).await;
        assert_complete(&third);
        let done = third.total();
        assert_eq!((done.copied, done.flags_updated), (0, 0), "{keywords:?}");
    }
}

//! What is subscribed on the source is subscribed on the target, and under an exact backup nothing else.

use std::collections::BTreeSet;

use mailferry_engine::account::Plan;
use mailferry_engine::name::MailboxName;
use mailferry_engine::policy::{Rules, Subscribe};
use mailferry_engine::subscriptions::SubscriptionHold;
use mailferry_run::events::Silent;
use mailferry_run::job::{Job, MailboxDeletionNarrowing, Naming};
use mailferry_run::stop::Stop;
use mailferry_run::survey::survey;
use mailferry_testkit::sim::{Account, Effect, Extension, Fault, Profile};

use crate::keeping::keeping;
use crate::world::{World, assert_complete, assert_idle, fill, job, job_in_order};

fn subscribed(account: &Account) -> Vec<String> {
    account.subscriptions().into_iter().collect()
}

/// Both have the same mailboxes. The source gave `Lists` up, and is subscribed to `Gone`, which is not
/// there; the target was never told, and has a subscription of its own that leads nowhere.
fn world() -> World {
    let world = World::new();
    for account in [&world.source, &world.target] {
        fill(account, "INBOX", 1..4, 300);
        account.add_mailbox("Work").add_mailbox("Lists").subscribe("INBOX").subscribe("Lists");
    }
    world.source.unsubscribe("Lists").subscribe("Work").subscribe("Gone");
    world.target.subscribe("Nowhere");
    world
}

async fn plan(world: &World, source: Profile, job: &Job) -> Plan {
    let running = world.serve(source, Profile::modern()).await;
    let surveyed = survey(&running.addresses, job, &Silent, &Stop::default()).await;
    let mut surveyed = surveyed.unwrap_or_else(|faults| panic!("{faults:?}"));
    surveyed.close().await;
    surveyed.plan
}

fn names(names: &[MailboxName]) -> Vec<String> {
    names.iter().map(ToString::to_string).collect()
}

#[tokio::test]
async fn an_exact_backup_subscribes_what_the_source_does_and_nothing_else() {
    let old = Profile::modern().without(Extension::ListExtended);
    for profile in [Profile::modern(), old, Profile::bare()] {
        let world = world();
        let plan = plan(&world, profile.clone(), &job(Rules::mirror())).await;
        assert_eq!(names(&plan.subscriptions.remove), ["Lists", "Nowhere"]);
        assert_eq!(names(&plan.subscriptions.add), ["Gone"]);
        let report = world.run(profile.clone(), profile.clone(), &job(Rules::mirror())).await;
        assert_complete(&report);
        assert_eq!(names(&report.unsubscribed), ["Lists", "Nowhere"]);
        assert_eq!(names(&report.subscribed), ["Work"]);
        // As most servers, this one subscribes nothing that is not there.
        assert_eq!(names(&report.subscriptions_refused), ["Gone"]);
        assert_eq!(subscribed(&world.target), ["INBOX", "Work"]);
        let again = world.run(profile.clone(), profile, &job(Rules::mirror())).await;
        assert_idle(&again);
        assert_eq!(names(&again.subscriptions_refused), ["Gone"]);
    }
}

#[tokio::test]
async fn nobody_but_an_exact_backup_unsubscribes() {
    let of = |rules: Rules, subscribe| job(Rules { subscribe, ..rules });
    for (job, expected) in [
        (job(Rules::sync()), "INBOX Lists Nowhere Work"),
        (job(Rules::presync()), "INBOX Lists Nowhere Work"),
        (job(Rules::restore()), "INBOX Lists Nowhere Work"),
        (job(Rules::imapsync()), "INBOX Lists Nowhere Work"),
        (of(Rules::mirror(), Subscribe::All), "INBOX Lists Nowhere Work"),
        (of(Rules::mirror(), Subscribe::None), "INBOX Lists Nowhere"),
    ] {
        let world = world();
        let report = world.run(Profile::modern(), Profile::modern(), &job).await;
        assert_complete(&report);
        assert_eq!(subscribed(&world.target).join(" "), expected, "{:?}", job.rules);
    }
}

#[tokio::test]
async fn a_mailbox_that_is_deleted_is_subscribed_no_more() {
    let world = world();
    // The source stays subscribed to what it deleted, as clients leave it.
    world.target.add_mailbox("Gone").subscribe("Gone");
    world.target.add_mailbox("Old").subscribe("Old");
    let report = world.run(Profile::modern(), Profile::modern(), &job(Rules::mirror())).await;
    assert_complete(&report);
    assert_eq!(report.deleted_mailboxes.len(), 2);
    assert_eq!(subscribed(&world.target), ["INBOX", "Work"]);
}

#[tokio::test]
async fn a_source_whose_subscriptions_are_not_seen_takes_none_away() {
    let refused = |effect| Profile {
        faults: vec![Fault::at_command("LSUB", 1, effect)],
        ..Profile::modern()
    };
    let effects = [Effect::No("not now".into()), Effect::Bad("what?".into())];
    for (source, shows) in effects
        .map(|effect| (refused(effect), true))
        .into_iter()
        .chain([(Profile::modern(), false), (Profile::bare(), false)])
    {
        let world = world();
        if !shows {
            // Its file with them was lost.
            for name in subscribed(&world.source) {
                world.source.unsubscribe(&name);
            }
        }
        let plan = plan(&world, source.clone(), &job(Rules::mirror())).await;
        assert!(plan.subscriptions.remove.is_empty());
        let held = plan.subscriptions.held_back.unwrap();
        let why = if shows { SubscriptionHold::NotTold } else { SubscriptionHold::NoneShown };
        assert_eq!(held.reason, why);
        assert_eq!(held.subscriptions, if shows { 2 } else { 3 });
        let before: BTreeSet<String> = world.target.subscriptions();
        let report = world.run(source, Profile::modern(), &job(Rules::mirror())).await;
        assert_complete(&report);
        assert_eq!(report.subscriptions_held_back, Some(held));
        assert!(world.target.subscriptions().is_superset(&before));
    }
}

#[tokio::test]
async fn subscriptions_outside_of_what_a_run_covers_stay() {
    let world = self::world();
    world.target.add_mailbox("Backup").subscribe("Backup").subscribe("Backup/2026-11-25");
    let mut some = job_in_order(Rules::mirror());
    some.mailboxes.named = vec!["Work".into()];
    some.keeping = Some(keeping("Backup"));
    let report = world.run(Profile::modern(), Profile::modern(), &some).await;
    assert_complete(&report);
    let all = "Backup Backup/2026-11-25 INBOX Lists Nowhere Work";
    assert_eq!(subscribed(&world.target).join(" "), all);
    let whole = Job { keeping: Some(keeping("Backup")), ..job_in_order(Rules::mirror()) };
    assert_complete(&world.run(Profile::modern(), Profile::modern(), &whole).await);
    assert_eq!(subscribed(&world.target).join(" "), "Backup Backup/2026-11-25 INBOX Work");
    // Below a mailbox of the target, what is beside that stays.
    let world = self::world();
    world.target.add_mailbox("Top").add_mailbox("Top/Lists");
    world.target.subscribe("Top/Lists").subscribe("Top/Nowhere").subscribe("Top");
    let naming = Naming { target_subtree: Some(b"Top"[..].into()), ..Naming::default() };
    let mailbox_deletion =
        MailboxDeletionNarrowing { below: Some("Top".into()), ..Default::default() };
    let below = Job { naming, mailbox_deletion, ..job(Rules::mirror()) };
    assert_complete(&world.run(Profile::modern(), Profile::modern(), &below).await);
    let left = "INBOX Lists Nowhere Top Top/INBOX Top/Work";
    assert_eq!(subscribed(&world.target).join(" "), left);
}

#[tokio::test]
async fn a_subscription_that_a_server_does_not_give_up_is_a_failure() {
    let world = world();
    let refused = Fault::at_command("UNSUBSCRIBE", 1, Effect::No("not that one".into()));
    let target = Profile { faults: vec![refused], ..Profile::modern() };
    let report = world.run(Profile::modern(), target, &job(Rules::mirror())).await;
    assert!(!report.is_complete());
    assert_eq!(names(&report.unsubscribed), ["Nowhere"]);
    let words: Vec<&str> = report.failures().map(|fault| &*fault.words).collect();
    assert_eq!(words, ["NO not that one"]);
    assert_complete(&world.run(Profile::modern(), Profile::modern(), &job(Rules::mirror())).await);
    assert_eq!(subscribed(&world.target), ["INBOX", "Work"]);
}

#[tokio::test]
async fn a_connection_that_breaks_while_subscriptions_change_loses_none() {
    for command in ["UNSUBSCRIBE", "SUBSCRIBE"] {
        let world = world();
        let cut = Fault::at_command(command, 1, Effect::Cut);
        let target = Profile { faults: vec![cut], ..Profile::modern() };
        let report = world.run(Profile::modern(), target, &job(Rules::mirror())).await;
        assert_complete(&report);
        assert_eq!(subscribed(&world.target), ["INBOX", "Work"]);
    }
}

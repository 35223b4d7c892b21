//! Comparing two accounts.

use mailferry_engine::policy::{Rules, Unrecognised};
use mailferry_run::check::{Aspect, Comparison, Depth, compare};
use mailferry_run::events::Silent;
use mailferry_run::job::Job;
use mailferry_run::stop::Stop;
use mailferry_run::survey::survey;
use mailferry_testkit::sim::{Profile, UidPlace};

use crate::world::{World, assert_complete, date, fill, furnish, job, message};

async fn checked(world: &World, depth: Depth) -> (Comparison, Vec<(char, Vec<Aspect>)>) {
    let before = (world.source.snapshot(), world.target.snapshot());
    let profile = Profile { uid_place: UidPlace::Last, ..Profile::modern() };
    let running = world.serve(Profile::modern(), profile).await;
    let rules = Rules { unrecognised: Unrecognised::Append, ..Rules::mirror() };
    let job: Job = job(rules);
    let mut survey = survey(&running.addresses, &job, &Silent, &Stop::default()).await.unwrap();
    let mut findings = Vec::new();
    let sums = compare(&mut survey, depth, |finding| {
        findings.push((finding.mark.character(), finding.aspects.clone()));
    });
    let sums = sums.await.unwrap();
    findings.retain(|(mark, _)| *mark != '=');
    assert!(
        before == (world.source.snapshot(), world.target.snapshot()),
        "checking changed something"
    );
    (sums, findings)
}

#[tokio::test]
async fn accounts_that_were_synced_are_the_same_to_the_octet() {
    let world = World::new();
    furnish(&world.source);
    assert_complete(&world.run(Profile::modern(), Profile::modern(), &job(Rules::sync())).await);
    for depth in [Depth::Listed, Depth::Octets] {
        let (sums, findings) = checked(&world, depth).await;
        assert!(sums.is_same(), "{sums:?}");
        assert_eq!((sums.same, findings.len()), (50, 0));
    }
}

#[tokio::test]
async fn every_difference_is_found_and_named() {
    let world = World::new();
    fill(&world.source, "INBOX", 1..31, 500);
    assert_complete(&world.run(Profile::modern(), Profile::modern(), &job(Rules::sync())).await);
    fill(&world.source, "INBOX", 100..102, 500);
    fill(&world.target, "INBOX", 200..203, 500);
    world.target.set_flags("INBOX", 4, &["\\Deleted", "Strange"]);
    let mut other = message(300, 500);
    world.source.append("INBOX", &other, &[], date(300));
    let last = other.len() - 3;
    other[last] ^= 1;
    world.target.append("INBOX", &other, &[], date(300));
    world.source.append("INBOX", &message(301, 500), &[], date(301));
    world.target.append("INBOX", &message(301, 500), &[], date(302));
    world.target.add_mailbox("Extra");
    world.source.add_mailbox("Missing").subscribe("Missing");
    let (sums, findings) = checked(&world, Depth::Listed).await;
    assert_eq!(
        (sums.source_only, sums.target_only, sums.differs, sums.unknown),
        (2, 3, 2, 0),
        "{findings:?}"
    );
    assert_eq!(
        (sums.mailboxes_missing, sums.mailboxes_extra, sums.subscriptions_missing),
        (1, 1, 1)
    );
    assert!(!sums.is_same());
    let (sums, findings) = checked(&world, Depth::Octets).await;
    assert_eq!((sums.source_only, sums.target_only, sums.differs), (2, 3, 3));
    let aspects: Vec<_> = findings
        .iter()
        .filter(|(mark, _)| *mark == '*')
        .map(|(_, aspects)| aspects.clone())
        .collect();
    assert_eq!(aspects, [vec![Aspect::Flags], vec![Aspect::Octets], vec![Aspect::Date]]);
}

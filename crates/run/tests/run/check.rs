//! Comparing two accounts.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use mailferry_engine::fault::{Fault, FaultKind};
use mailferry_engine::policy::{Rules, Unrecognised};
use mailferry_run::check::{
    Aspect, Check, Compared, Comparison, Depth, Finding, Mark, Record, Sample,
};
use mailferry_run::events::{Event, EventSink, Silent};
use mailferry_run::job::Job;
use mailferry_run::stop::Stop;
use mailferry_run::survey::survey;
use mailferry_store::contract::DatesAsked;
use mailferry_testkit::sim::{Effect, Fault as ServerFault, Profile, UidPlace, Watch};

use crate::world::{Notes, Running, World, assert_complete, date, fill, furnish, job, message};

/// A comparison, and the marks of what is not the same.
struct Checking<'a> {
    depth: Depth,
    record: Option<&'a mut Record>,
    events: &'a dyn EventSink,
    stop: Stop,
}

impl Checking<'_> {
    fn of(depth: Depth) -> Self {
        Self { depth, record: None, events: &Silent, stop: Stop::default() }
    }

    async fn run(
        self,
        running: &Running,
        mut tell: impl FnMut(&Finding<'_>),
    ) -> Result<Compared, Fault> {
        let rules = Rules { unrecognised: Unrecognised::Append, ..Rules::mirror() };
        let job = Job { target_dates: DatesAsked::WithTheRest, ..job(rules) };
        let mut survey = survey(&running.addresses, &job, &Silent, &Stop::default()).await.unwrap();
        let check = Check {
            accounts: &running.addresses,
            depth: self.depth,
            record: self.record,
            reconnect: job.limits.reconnect,
            events: self.events,
            stop: &self.stop,
        };
        check.run(&mut survey, &mut tell).await
    }
}

fn target_profile() -> Profile {
    Profile { uid_place: UidPlace::Last, ..Profile::modern() }
}

async fn checked(world: &World, depth: Depth) -> (Comparison, Vec<(char, Vec<Aspect>)>) {
    let before = (world.source.snapshot(), world.target.snapshot());
    let running = world.serve(Profile::modern(), target_profile()).await;
    let mut findings = Vec::new();
    let compared = Checking::of(depth).run(&running, |finding| {
        findings.push((finding.mark.character(), finding.aspects.clone()));
    });
    let sums = compared.await.unwrap().sums;
    findings.retain(|(mark, _)| *mark != '=');
    assert!(
        before == (world.source.snapshot(), world.target.snapshot()),
        "checking changed something"
    );
    (sums, findings)
}

async fn synced(messages: std::ops::Range<u32>) -> World {
    let world = World::new();
    fill(&world.source, "INBOX", messages, 500);
    assert_complete(&world.run(Profile::modern(), Profile::modern(), &job(Rules::sync())).await);
    world
}

/// UIDs of the source whose bodies were asked for.
fn bodies_read(running: &Running) -> BTreeSet<u32> {
    let log = running.source.state().log();
    let asked = log.iter().filter(|entry| entry.line.contains("BODY.PEEK[]"));
    let sets = asked.filter_map(|entry| entry.line.split(' ').nth(2).map(str::to_owned));
    let ranges = sets.flat_map(|set| set.split(',').map(str::to_owned).collect::<Vec<_>>());
    let uids = ranges.flat_map(|range| {
        let (first, last) = range.split_once(':').unwrap_or((&range, &range));
        first.parse::<u32>().unwrap()..=last.parse().unwrap()
    });
    uids.collect()
}

#[tokio::test]
async fn accounts_that_were_synced_are_the_same_to_the_octet() {
    let world = World::new();
    furnish(&world.source);
    assert_complete(&world.run(Profile::modern(), Profile::modern(), &job(Rules::sync())).await);
    for depth in [Depth::Listed, Depth::Octets(Sample::ALL)] {
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
    let (sums, findings) = checked(&world, Depth::Octets(Sample::ALL)).await;
    assert_eq!((sums.source_only, sums.target_only, sums.differs), (2, 3, 3));
    let aspects: Vec<_> = findings
        .iter()
        .filter(|(mark, _)| *mark == '*')
        .map(|(_, aspects)| aspects.clone())
        .collect();
    assert_eq!(aspects, [vec![Aspect::Flags], vec![Aspect::Octets], vec![Aspect::Date]]);
}

#[tokio::test]
async fn contents_that_differ_are_told_by_their_digests() {
    let world = synced(1..4).await;
    let (mut here, mut there) = (message(50, 900), message(50, 900));
    (here[880], there[880]) = (b'x', b'y');
    world.source.append("INBOX", &here, &[], date(50));
    world.target.append("INBOX", &there, &[], date(50));
    let running = world.serve(Profile::modern(), target_profile()).await;
    let mut told = Vec::new();
    let compared = Checking::of(Depth::Octets(Sample::ALL))
        .run(&running, |finding| told.extend(finding.octets))
        .await
        .unwrap();
    assert_eq!((compared.sums.differs, compared.sums.octets_read), (1, 4));
    let sha256 = |octets: &[u8]| ring::digest::digest(&ring::digest::SHA256, octets);
    assert_eq!(told.len(), 1);
    assert_eq!(told[0].0.0, sha256(&here).as_ref());
    assert_eq!(told[0].1.0, sha256(&there).as_ref());
}

#[tokio::test]
async fn a_sample_reads_its_share_of_each_mailbox_and_in_time_all() {
    let world = synced(1..41).await;
    fill(&world.source, "Small", 100..102, 300);
    assert_complete(&world.run(Profile::modern(), Profile::modern(), &job(Rules::sync())).await);
    let mut seen = BTreeSet::new();
    for seed in 0..60 {
        let running = world.serve(Profile::modern(), target_profile()).await;
        let depth = Depth::Octets(Sample { per_million: 100_000, seed });
        let sums = Checking::of(depth).run(&running, |_| {}).await.unwrap().sums;
        assert_eq!((sums.octets_read, sums.octets_left_out), (4 + 1, 36 + 1));
        assert!(sums.is_same() && sums.same == 42, "{sums:?}");
        seen.extend(bodies_read(&running));
    }
    assert!(seen.len() >= 40, "{seen:?}");
}

/// Asks to stop once so many messages were compared.
struct StopAfter {
    stop: Stop,
    messages: AtomicU64,
}

impl EventSink for StopAfter {
    fn on(&self, event: &Event<'_>) {
        if let Event::Compared { messages } = event {
            let before = self.messages.fetch_sub(*messages, Ordering::SeqCst);
            if before <= *messages {
                self.stop.ask();
            }
        }
    }
}

async fn with_record(running: &Running, path: &Path, stop_after: u64) -> Result<Compared, Fault> {
    let stop = Stop::default();
    let events = StopAfter { stop: stop.clone(), messages: stop_after.into() };
    let mut record = Record::open(path, ["a", "b"]).unwrap();
    let checking = Checking {
        depth: Depth::Octets(Sample::ALL),
        record: Some(&mut record),
        events: &events,
        stop,
    };
    checking.run(running, |_| {}).await
}

#[tokio::test]
async fn a_check_that_was_stopped_goes_on_where_it_was() {
    let world = synced(1..1201).await;
    world.source.append("INBOX", &message(2000, 500), &[], date(9));
    let mut other = message(2000, 500);
    other[490] ^= 1;
    world.target.append("INBOX", &other, &[], date(9));
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("record");
    let running = world.serve(Profile::modern(), target_profile()).await;
    let fault = with_record(&running, &path, 500).await.unwrap_err();
    assert_eq!(fault.kind, FaultKind::Interrupted);
    let first = bodies_read(&running);
    assert!(first.len() >= 500 && first.len() < 1201, "{}", first.len());
    let running = world.serve(Profile::modern(), target_profile()).await;
    let sums = with_record(&running, &path, u64::MAX).await.unwrap().sums;
    assert_eq!(sums.octets_read + sums.octets_known, 1201, "{sums:?}");
    assert!(sums.octets_known >= 500 && sums.differs == 1, "{sums:?}");
    assert!(first.is_disjoint(&bodies_read(&running)));
    // What differs is looked at again each time.
    let running = world.serve(Profile::modern(), target_profile()).await;
    let sums = with_record(&running, &path, u64::MAX).await.unwrap().sums;
    assert_eq!((sums.octets_read, sums.octets_known, sums.differs), (1, 1200, 1));
    // A mailbox that was renumbered is read anew.
    world.target.renumber("INBOX");
    let running = world.serve(Profile::modern(), target_profile()).await;
    let sums = with_record(&running, &path, u64::MAX).await.unwrap().sums;
    assert_eq!((sums.octets_read, sums.octets_known), (1201, 0));
}

#[tokio::test]
async fn a_check_goes_on_where_a_connection_breaks() {
    let world = synced(1..601).await;
    // Listing takes about 150,000 of them.
    for octets in [200_000, 300_000, 400_000] {
        for side in 0..2 {
            let mut profiles = [Profile::modern(), target_profile()];
            profiles[side].faults = vec![ServerFault::after_sent(octets, Effect::Cut)];
            let [source, target] = profiles;
            let running = world.serve(source, target).await;
            let notes = Notes::default();
            let checking = Checking { events: &notes, ..Checking::of(Depth::Octets(Sample::ALL)) };
            let sums = checking.run(&running, |_| {}).await.unwrap().sums;
            assert!(sums.is_same() && sums.octets_read == 600, "{octets}, {side}: {sums:?}");
            let notes = notes.0.lock().unwrap();
            assert!(notes.iter().any(|note| note.starts_with("Reconnecting")), "{octets}, {side}");
        }
    }
}

#[tokio::test]
async fn what_cannot_be_read_is_not_the_same() {
    let world = synced(1..6).await;
    // It goes away after it was listed.
    let account = world.target.clone();
    let watch: Watch = Arc::new(move |entry| {
        if entry.line.contains("BODY.PEEK[]") {
            account.expunge("INBOX", 3);
        }
    });
    let profile = Profile { watch: Some(watch), ..target_profile() };
    let running = world.serve(Profile::modern(), profile).await;
    let mut unknown = Vec::new();
    let sums = Checking::of(Depth::Octets(Sample::ALL))
        .run(&running, |finding| {
            if finding.mark == Mark::Unknown {
                unknown.extend(finding.target.map(|(_, uid)| uid));
            }
        })
        .await
        .unwrap()
        .sums;
    assert_eq!((sums.same, sums.unknown, unknown), (4, 1, vec![3]));
    assert!(!sums.is_same());
}

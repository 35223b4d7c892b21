//! What leaves the source once it is on the target, and above all what does not.

use std::sync::Arc;
use std::time::Duration;

use mailferry_engine::fault::FaultKind;
use mailferry_engine::guard::{GuardLimits, SameAccountRule};
use mailferry_engine::policy::{FlagPolicy, Rules, Sizes, SourceDeletion};
use mailferry_engine::summary::SameAccount;
use mailferry_run::events::{Event, EventSink};
use mailferry_run::job::{Job, ProofRule};
use mailferry_run::report::Report;
use mailferry_run::stop::Stop;
use mailferry_testkit::sim::{Account, Extension, Profile};

use crate::storm::{Dice, calm, fault, furnished};
use crate::world::{
    World, assert_complete, assert_idle, assert_on_either_side, bodies, contents, date, digest,
    faults, fill, furnish, job, job_in_order, message,
};

fn moving() -> Job {
    job(Rules { source_deletion: SourceDeletion::Copied, ..Rules::sync() })
}

async fn run(world: &World, source: Profile, target: Profile, job: &Job) -> Report {
    world.serve(source, target).await.run(job).await.unwrap()
}

/// Does something when a mailbox has its copies.
struct WhenCopied<F>(F);

impl<F: Fn() + Send + Sync> EventSink for WhenCopied<F> {
    fn on(&self, event: &Event<'_>) {
        if matches!(event, Event::MailboxEnds { .. }) {
            (self.0)();
        }
    }
}

async fn run_while(
    world: &World,
    job: &Job,
    meanwhile: impl Fn() + Send + Sync + 'static,
) -> Report {
    let running = world.serve(Profile::modern(), Profile::modern()).await;
    running.run_with(job, &Stop::default(), Arc::new(WhenCopied(meanwhile))).await.unwrap()
}

fn message_count(account: &Account) -> usize {
    account.snapshot().values().map(Vec::len).sum()
}

#[tokio::test]
async fn what_was_copied_and_what_was_there_leaves_the_source() {
    let without_uidplus = Profile::modern().without(Extension::UidPlus);
    for source in [Profile::modern(), Profile::bare(), without_uidplus.clone()] {
        for target in [Profile::modern(), Profile::bare(), without_uidplus.clone()] {
            for proof in [ProofRule::Size, ProofRule::Content] {
                let world = World::new();
                fill(&world.source, "INBOX", 1..11, 700);
                let sync = job(Rules::sync());
                assert_complete(&run(&world, source.clone(), target.clone(), &sync).await);
                furnish(&world.source);
                let before = digest(&world.source);
                let messages = message_count(&world.source) as u64;
                let moving = Job { proof, ..moving() };
                let report = run(&world, source.clone(), target.clone(), &moving).await;
                assert_complete(&report);
                let total = report.total();
                assert_eq!((total.source_deleted, total.source_kept), (messages, 0));
                assert_eq!(message_count(&world.source), 0);
                assert_eq!(digest(&world.target), before);
                assert_idle(&run(&world, source.clone(), target.clone(), &moving).await);
            }
        }
    }
}

/// Makes other octets of the messages that hold these words.
fn altering(words: &'static str, alter: fn(&str) -> String) -> Profile {
    let alter = move |octets: &[u8]| {
        let text = String::from_utf8_lossy(octets);
        if text.contains(words) { alter(&text).into_bytes() } else { octets.to_vec() }
    };
    Profile { alter: Some(Arc::new(alter)), ..Profile::modern() }
}

#[tokio::test]
async fn a_message_whose_copy_is_not_proven_stays_and_is_told() {
    let world = World::new();
    fill(&world.source, "INBOX", 1..11, 700);
    let target = altering("Subject: message 5\r\n", |text| format!("{text}An advertisement.\r\n"));
    let report = run(&world, Profile::modern(), target, &moving()).await;
    assert!(!report.is_complete());
    assert_eq!(faults(&report, FaultKind::DeleteMessage), [5]);
    assert_eq!((report.total().source_deleted, report.total().source_kept), (9, 1));
    assert_eq!(world.source.messages("INBOX").len(), 1);
    assert!(bodies(&world.source, "INBOX")[0].starts_with(b"Message-Id: <5@world>"));
}

#[tokio::test]
async fn what_servers_change_on_their_own_is_no_reason_to_stay() {
    let world = World::new();
    fill(&world.source, "INBOX", 1..11, 700);
    let target = altering("", |text| format!("Status: RO\n{}", text.replace("\r\n", "\n")));
    assert_complete(&run(&world, Profile::modern(), target, &moving()).await);
    assert_eq!(message_count(&world.source), 0);
}

#[tokio::test]
async fn a_copy_of_the_same_size_and_another_content_is_seen_when_it_is_read_back() {
    for (proof, left) in [(ProofRule::Size, 0), (ProofRule::Content, 10)] {
        let world = World::new();
        fill(&world.source, "INBOX", 1..11, 700);
        let target = altering("", |text| text.replace("a line of", "a lime of"));
        let job = Job { proof, ..moving() };
        let report = run(&world, Profile::modern(), target, &job).await;
        assert_eq!(report.total().source_kept, left);
        assert_eq!(message_count(&world.source) as u64, left);
    }
}

#[tokio::test]
async fn what_others_marked_as_deleted_on_the_source_is_not_expunged() {
    for source in [Profile::modern(), Profile::modern().without(Extension::UidPlus)] {
        let world = World::new();
        fill(&world.source, "INBOX", 1..11, 700);
        fill(&world.source, "INBOX", 11..12, 5_000);
        world.source.set_flags("INBOX", 11, &["\\Deleted"]);
        let mut small = moving();
        small.rules.sizes = Sizes { max: Some(1_000), ..Sizes::default() };
        let has_uidplus = source.clone().extensions.contains(&Extension::UidPlus);
        let report = run(&world, source, Profile::modern(), &small).await;
        let left = world.source.messages("INBOX");
        assert!(left.iter().any(|message| message.uid == 11), "what was never copied is gone");
        assert_eq!(report.is_complete(), has_uidplus);
        assert_eq!(left.len(), if has_uidplus { 1 } else { 11 });
        assert_eq!(world.target.messages("INBOX").len(), 10);
        // They are marked now, and their copies are not to be.
        let report = run(&world, Profile::modern(), Profile::modern(), &small).await;
        assert_complete(&report);
        let marked = |found: &mailferry_testkit::sim::Message| {
            crate::world::words(&found.flags).contains(&"\\Deleted".to_owned())
        };
        assert!(!world.target.messages("INBOX").iter().any(marked));
        assert_eq!(world.source.messages("INBOX").len(), 1);
    }
}

#[tokio::test]
async fn a_mailbox_is_never_taken_for_a_copy_of_itself() {
    for told in [SameAccount::Yes, SameAccount::No] {
        let account = Account::seeded(crate::world::USER, crate::world::PASSWORD, 1);
        let world = World { source: account.clone(), target: account };
        furnish(&world.source);
        let before = digest(&world.source);
        let running = world.serve(Profile::modern(), Profile::modern()).await;
        let mut job = Job { same_account: told, ..moving() };
        job.rules.flags = FlagPolicy::NewOnly;
        let accounts = Arc::new(running.addresses.clone());
        let (events, stop) = (Arc::new(crate::world::Notes::default()), Stop::default());
        let survey =
            mailferry_run::survey::survey(&*accounts, &job, &*events, &stop).await.unwrap();
        let limits =
            GuardLimits { same_account: SameAccountRule::Allow, ..GuardLimits::imapsync() };
        let approval = mailferry_engine::guard::check(&survey.plan.summary, &limits).unwrap();
        let job = Arc::new(job);
        let execution = mailferry_run::execute::Execution { accounts, job, events, stop };
        let report = execution.run(survey, approval).await;
        assert!(!report.is_complete(), "{report:#?}");
        assert_eq!(report.total().source_deleted, 0);
        assert_eq!(digest(&world.source), before);
    }
}

#[tokio::test]
async fn a_source_renumbered_meanwhile_loses_nothing() {
    let world = World::new();
    fill(&world.source, "INBOX", 1..11, 700);
    let source = world.source.clone();
    let report = run_while(&world, &moving(), move || source.renumber("INBOX")).await;
    assert!(!report.is_complete());
    assert_eq!(report.total().source_deleted, 0);
    assert_eq!(world.source.messages("INBOX").len(), 10);
    assert_complete(&run(&world, Profile::modern(), Profile::modern(), &moving()).await);
    assert_eq!((message_count(&world.source), message_count(&world.target)), (0, 10));
}

/// One letter is another one, and the old form stands for the new one by its size.
#[tokio::test]
async fn an_edited_draft_of_the_size_that_it_had_stays_on_the_source() {
    for target in [Profile::modern(), Profile::bare()] {
        let world = World::new();
        fill(&world.source, "INBOX", 1..4, 400);
        let draft =
            |text: &str| format!("Message-Id: <draft@world>\r\n\r\n{text}\r\n").into_bytes();
        world.target.append("INBOX", &draft("at five"), &[], date(100));
        world.source.append("INBOX", &draft("at nine"), &[], date(101));
        // The same one under another date is a copy all the same.
        world.target.append("INBOX", &message(200, 400), &[], date(200));
        world.source.append("INBOX", &message(200, 400), &[], date(201));
        let report = run(&world, Profile::modern(), target.clone(), &moving()).await;
        assert_eq!(faults(&report, FaultKind::DeleteMessage), [4]);
        assert_eq!((report.total().source_deleted, report.total().source_kept), (4, 1));
        assert_eq!(bodies(&world.source, "INBOX"), [draft("at nine")]);
    }
}

#[tokio::test]
async fn a_copy_that_vanished_again_keeps_its_message_on_the_source() {
    let world = World::new();
    fill(&world.source, "INBOX", 1..11, 700);
    let target = world.target.clone();
    let report = run_while(&world, &job_in_order(moving().rules), move || {
        target.expunge("INBOX", 3);
    })
    .await;
    assert_eq!(faults(&report, FaultKind::DeleteMessage), [3]);
    assert_eq!(report.total().source_deleted, 9);
    assert_complete(&run(&world, Profile::modern(), Profile::modern(), &moving()).await);
    assert_eq!((message_count(&world.source), message_count(&world.target)), (0, 10));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_move_that_is_cut_again_and_again_loses_and_doubles_nothing() {
    for seed in 0..60 {
        let mut dice = Dice::new(seed);
        let world = furnished(&mut dice);
        let before = contents(&world.source);
        let (source, target) = (calm(&mut dice), calm(&mut dice));
        for _ in 0..3 {
            let storm = |dice: &mut Dice, profile: &Profile| {
                let faults = (0..dice.roll(5)).map(|_| fault(dice)).collect();
                Profile { faults, ..profile.clone() }
            };
            let faulty = (storm(&mut dice, &source), storm(&mut dice, &target));
            let mut running = world.serve(faulty.0, faulty.1).await;
            running.addresses.silence_max = Duration::from_secs(5);
            let moving = moving();
            let ended = tokio::time::timeout(Duration::from_secs(60), running.run(&moving)).await;
            let _ = ended.expect("the run hangs");
            assert_on_either_side(&world, &before, &format!("seed {seed}"));
        }
        assert_complete(&run(&world, source, target, &moving()).await);
        assert_eq!(message_count(&world.source), 0, "seed {seed}");
        assert_eq!(contents(&world.target), before, "seed {seed}");
    }
}

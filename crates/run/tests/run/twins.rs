//! A source whose mailboxes are labels: each body is fetched once, and the target has what it has where
//! every mailbox is fetched.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use mailferry_engine::policy::{FlagPolicy, Rules};
use mailferry_run::all_mail::AllMail;
use mailferry_run::events::{Event, EventSink};
use mailferry_run::job::{Job, MailboxChoice};
use mailferry_run::report::Report;
use mailferry_run::stop::Stop;
use mailferry_testkit::sim::provider::Provider;
use mailferry_testkit::sim::{
    AppendRequest, Copies, Date, Effect, Extension, Fault, Gate, LogEntry, Moment, Profile, Release,
};
use tokio::runtime::Runtime;

use crate::storm::assert_no_more;
use crate::world::{
    World, assert_complete, assert_idle, assert_totals, date, digest, job, job_in_order, message,
};

const ALL_MAIL: &str = "[Gmail]/All Mail";
const OCTETS: usize = 700;
/// Messages that All Mail shows, and one in Trash.
const MESSAGES: u32 = 21;

fn gmail() -> Profile {
    Provider::Gmail.profile()
}

/// As it is without what is tested here: it tells no copies, so that everything is fetched.
fn fetching() -> Profile {
    Profile::modern().without(Extension::UidPlus)
}

fn put(world: &World, number: u32, mailboxes: &[&str]) {
    const FLAGS: [&[&str]; 4] = [&[], &["\\Seen"], &["\\Flagged", "Later"], &["\\Answered"]];
    for mailbox in mailboxes {
        let flags = FLAGS[number as usize % 4];
        world.source.append(mailbox, &message(number, OCTETS), flags, date(number));
    }
}

/// Twenty messages under several labels, which they were given in another order.
fn labelled() -> World {
    let world = World::new();
    world.source.label_as_gmail();
    for number in 1..=20 {
        put(&world, number, &[ALL_MAIL]);
    }
    for number in (1..=20).rev() {
        put(&world, number, &["Work"]);
    }
    for number in [3, 9, 4, 12] {
        put(&world, number, &["INBOX", "Home/Garden"]);
    }
    put(&world, 30, &["[Gmail]/Trash"]);
    world
}

/// The same with fewer.
fn labelled_few() -> World {
    let world = World::new();
    world.source.label_as_gmail();
    for number in [1, 2, 3, 5] {
        put(&world, number, &[ALL_MAIL]);
    }
    for number in [5, 2, 3] {
        put(&world, number, &["Work", "INBOX"]);
    }
    world
}

/// The octets of bodies that were read.
#[derive(Default)]
struct Octets(AtomicU64);

impl EventSink for Octets {
    fn on(&self, event: &Event<'_>) {
        if let Event::Octets(octets) = event {
            self.0.fetch_add(*octets, Ordering::SeqCst);
        }
    }
}

/// Runs once; also how many bodies were read.
async fn run(world: &World, (source, target): (Profile, Profile), job: &Job) -> (Report, u64) {
    let octets = Arc::new(Octets::default());
    let running = world.serve(source, target).await;
    let report = running.run_with(job, &Stop::default(), octets.clone()).await.unwrap();
    assert_totals(&report);
    let octets = octets.0.load(Ordering::SeqCst);
    assert_eq!(octets % OCTETS as u64, 0);
    (report, octets / OCTETS as u64)
}

fn rules() -> Rules {
    Rules { flags: FlagPolicy::Mirror, ..Rules::sync() }
}

/// What comes of it where everything is fetched.
async fn fetched(job: &Job) -> World {
    let other = labelled();
    let (report, bodies) = run(&other, (gmail(), fetching()), job).await;
    assert_complete(&report);
    assert_eq!(report.total().copied_within, 0);
    assert_eq!(bodies, report.total().copied);
    other
}

#[tokio::test]
async fn each_body_is_fetched_once_and_the_target_is_as_if_all_were() {
    for target in [Profile::modern(), Profile::resyncing()] {
        let world = labelled();
        let job = job(rules());
        let (report, bodies) = run(&world, (gmail(), target.clone()), &job).await;
        assert_complete(&report);
        let total = report.total();
        // Work, INBOX, Home/Garden, and Starred, which shows what is flagged.
        let shown = world.source.messages("[Gmail]/Starred").len() as u64;
        assert_eq!((bodies, total.copied_within), (u64::from(MESSAGES), 20 + 8 + shown));
        assert_eq!((total.copied, total.copied_behind), (bodies + total.copied_within, 0));

        let other = fetched(&job).await;
        assert_eq!(digest(&world.target), digest(&other.target), "order, dates and flags");
        let again = world.run(gmail(), target, &job).await;
        assert_idle(&again);
    }
}

#[tokio::test]
async fn what_stands_behind_a_later_message_is_told() {
    let world = labelled();
    let all_mail = AllMail::Rest(MailboxChoice::default());
    let job = Job { all_mail, ..job(rules()) };
    // The largest is Work; two messages of INBOX are nowhere else.
    for number in [40, 41] {
        put(&world, number, &["INBOX"]);
    }
    put(&world, 5, &["INBOX"]);
    let (report, bodies) = run(&world, (gmail(), Profile::modern()), &job).await;
    assert_complete(&report);
    assert_eq!(bodies, 20 + 2 + 1);
    // 3, 9, 4, 12 stand before 40 and 41 on the source; 5 behind them on both sides.
    assert_eq!(report.total().copied_behind, 4);
    assert_no_more(&world);
    assert_idle(&world.run(gmail(), Profile::modern(), &job).await);
}

/// A run in which something goes wrong at the target, and another; the end is as if nothing had.
async fn assert_same_end(mut target: Profile, faults: Vec<Fault>) -> (Report, u64) {
    target.faults = faults;
    let world = labelled();
    let job = job_in_order(rules());
    let (report, bodies) = run(&world, (gmail(), target), &job).await;
    assert_complete(&report);
    let other = fetched(&job).await;
    let sorted = |world: &World| {
        let mut all = digest(&world.target);
        all.values_mut().for_each(|mail| mail.sort());
        all
    };
    assert_eq!(sorted(&world), sorted(&other));
    assert_idle(&world.run(gmail(), Profile::modern(), &job).await);
    (report, bodies)
}

#[tokio::test]
async fn a_copy_whose_answer_is_lost_is_not_made_twice() {
    // Two commands for INBOX and Home/Garden each, one for each message of Work, one for Starred.
    // What was behind the one that broke was not carried out.
    for (nth, again) in [(1, 2), (2, 0), (3, 2), (5, 19), (24, 0), (25, 0)] {
        let lost = Fault::at_command("UID COPY", nth, Effect::CutUnanswered);
        let (report, bodies) = assert_same_end(Profile::modern(), vec![lost]).await;
        assert_eq!(report.reconnections[1], 1);
        assert_eq!(bodies, u64::from(MESSAGES) + again, "at command {nth}");
    }
}

#[tokio::test]
async fn what_the_target_does_not_copy_is_fetched() {
    let effects = [
        Effect::Cut,
        Effect::No("[CANNOT] Not that".into()),
        Effect::No("[OVERQUOTA] No room".into()),
        Effect::No("[UNAVAILABLE] Not now".into()),
        Effect::Bad("What?".into()),
        Effect::Bye("Enough".into()),
    ];
    for effect in effects {
        let fault = Fault::at_command("UID COPY", 1, effect.clone());
        let (_, bodies) = assert_same_end(Profile::modern(), vec![fault]).await;
        assert!(bodies > u64::from(MESSAGES), "{effect:?}: something was fetched again");
    }
}

#[tokio::test]
async fn a_target_that_does_not_copy_as_it_should_is_given_what_is_fetched() {
    let with = |copies: Copies| {
        let mut profile = Profile::modern();
        profile.habits.copies = copies;
        profile
    };
    let (report, _) = assert_same_end(with(Copies::DatedAnew), Vec::new()).await;
    assert_eq!(report.total().copied_within, 0);
    let (report, bodies) = assert_same_end(with(Copies::Untold), Vec::new()).await;
    assert_eq!(report.total().copied_within, 0);
    assert!(bodies > u64::from(MESSAGES));
    let (report, bodies) = assert_same_end(with(Copies::WithoutKeywords), Vec::new()).await;
    assert_eq!((bodies, report.total().failed), (u64::from(MESSAGES), 0));
    assert!(report.total().copied_within > 0);
}

#[tokio::test]
async fn what_its_first_mailbox_refuses_is_fetched_for_the_others() {
    let mut target = Profile::modern();
    target.refuse = Some(Arc::new(|request: &AppendRequest<'_>| {
        let is_it = request.octets.starts_with(b"Message-Id: <9@world>");
        (is_it && request.mailbox == ALL_MAIL).then(|| "[TOOBIG] Not here".to_owned())
    }));
    let world = labelled();
    let (report, bodies) = run(&world, (gmail(), target), &job(rules())).await;
    assert_eq!(report.total().failed, 1, "{:?}", report.faults);
    assert!(bodies > u64::from(MESSAGES));
    for mailbox in ["Work", "INBOX", "Home/Garden"] {
        let there = digest(&world.target)[mailbox].clone();
        assert!(there.iter().any(|mail| mail.0 == message(9, OCTETS)), "{mailbox}");
        assert_eq!(there.len(), world.source.messages(mailbox).len(), "{mailbox}");
    }
    assert_complete(&run(&world, (gmail(), Profile::modern()), &job(rules())).await.0);
    assert_no_more(&world);
}

#[tokio::test]
async fn what_leaves_the_target_before_it_is_copied_is_fetched() {
    let mut target = Profile::modern();
    let world = labelled();
    let account = world.target.clone();
    target.watch = Some(Arc::new(move |entry: &LogEntry| {
        // Its owner removes two messages when copies of them are about to be made.
        if entry.line.starts_with("UID FETCH") && entry.line.contains("SUBJECT") {
            account.expunge(ALL_MAIL, 3);
            account.expunge(ALL_MAIL, 4);
        }
    }));
    let (report, bodies) = run(&world, (gmail(), target), &job_in_order(rules())).await;
    assert!(bodies > u64::from(MESSAGES));
    assert_eq!(report.total().failed, 0);
    for mailbox in ["Work", "INBOX", "Home/Garden"] {
        let there = digest(&world.target)[mailbox].len();
        assert_eq!(there, world.source.messages(mailbox).len(), "{mailbox}");
    }
}

#[test]
fn a_run_killed_at_any_step_of_copying_within_the_target_is_gone_on_with() {
    let calm = Runtime::new().unwrap();
    let mut killed = 0;
    let ways = [
        (Moment::Received, Release::Cut),
        (Moment::Received, Release::CarryOut),
        (Moment::Answered, Release::Cut),
    ];
    for (moment, release) in ways {
        for nth in 1.. {
            let gate = Gate::closing_at(moment, nth);
            let world = labelled_few();
            let target = Profile { gate: Some(gate.clone()), ..Profile::modern() };
            let running = calm.block_on(world.serve(gmail(), target));
            let state = running.target.state().clone();
            let process = Runtime::new().unwrap();
            let job = job_in_order(rules());
            let ended = process.block_on(async {
                tokio::select! {
                    () = gate.closed() => false,
                    _ = running.run(&job) => true,
                }
            });
            drop(process);
            gate.release(release);
            let end = Instant::now() + Duration::from_secs(30);
            while state.connections_open() > 0 {
                assert!(Instant::now() < end, "{moment:?} {nth}: a server hangs");
                std::thread::sleep(Duration::from_micros(200));
            }
            if ended {
                break;
            }
            killed += 1;
            assert_no_more(&world);
            assert_complete(&calm.block_on(world.run(gmail(), Profile::modern(), &job)));
            assert_no_more(&world);
            assert_idle(&calm.block_on(world.run(gmail(), Profile::modern(), &job)));
        }
    }
    assert!(killed > 45, "only {killed} points");
}

#[tokio::test]
async fn what_differs_between_two_mailboxes_is_fetched() {
    let world = World::new();
    world.source.label_as_gmail();
    // Another Message-Id each, so that they are other messages with other numbers.
    put(&world, 1, &["Work"]);
    put(&world, 2, &["INBOX"]);
    let date = Date::utc(1_700_000_000);
    world.source.append("INBOX", b"Subject: none\r\n\r\nwithout identity\r\n", &[], date);
    let job = Job { mailboxes: but_all_mail(), ..job(rules()) };
    let report = world.run(gmail(), Profile::modern(), &job).await;
    assert_complete(&report);
    assert_eq!((report.total().copied, report.total().copied_within), (3, 0));
}

fn but_all_mail() -> MailboxChoice {
    let named = ["Work", "INBOX"].map(Into::into).to_vec();
    MailboxChoice { named, ..MailboxChoice::default() }
}

//! Whatever breaks, in whatever order: nothing is lost, nothing doubled, and every message is
//! accounted for. Faults come from a seed; a failure names it, and `STORM_SEED=N` repeats it alone.
//! `STORM_SEEDS=N` tries more of them.

#![allow(clippy::print_stderr)]

use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use mailferry_engine::policy::{FlagPolicy, Rules};
use mailferry_run::job::{CopyOrder, Job, Limits};
use mailferry_testkit::sim::{Account, Effect, Extension, Fault, Profile, Rows};

use crate::world::{World, assert_complete, assert_idle, date, fill, job, quick};

/// Seeds that each of the tests tries.
const SEEDS: u64 = 600;
/// Storms at a time for each core: they wait more than they work.
const STORMS_PER_CORE: usize = 4;

/// A generator of its own, so that a seed means the same for ever (xorshift64*).
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        let mut dice = Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        for _ in 0..8 {
            let _ = dice.roll(2);
        }
        dice
    }

    /// A number below `sides`.
    pub(crate) fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % sides
    }

    pub(crate) fn of<T: Copy>(&mut self, all: &[T]) -> T {
        all[usize::try_from(self.roll(all.len() as u64)).unwrap()]
    }
}

const COMMANDS: [&str; 14] = [
    "LIST",
    "STATUS",
    "EXAMINE",
    "SELECT",
    "UID FETCH",
    "UID SEARCH",
    "APPEND",
    "CREATE",
    "SUBSCRIBE",
    "UID STORE",
    "UID EXPUNGE",
    "NAMESPACE",
    "UNSELECT",
    "NOOP",
];

fn effect(dice: &mut Dice) -> Effect {
    match dice.roll(10) {
        0..=2 => Effect::Cut,
        3..=6 => Effect::CutUnanswered,
        7 => Effect::Bye("going down".into()),
        8 => Effect::No("not now".into()),
        _ => Effect::Bad("what?".into()),
    }
}

pub(crate) fn fault(dice: &mut Dice) -> Fault {
    let octets = 1 << dice.roll(18);
    let octets = octets + dice.roll(octets);
    match dice.roll(4) {
        0 => Fault::after_sent(octets, Effect::Cut),
        1 => Fault::after_received(octets, cut(dice)),
        _ => {
            let nth = 1 + u32::try_from(dice.roll(6)).unwrap();
            Fault::at_command(dice.of(&COMMANDS), nth, effect(dice))
        }
    }
}

fn cut(dice: &mut Dice) -> Effect {
    if dice.roll(2) == 0 { Effect::Cut } else { Effect::CutUnanswered }
}

pub(crate) fn calm(dice: &mut Dice) -> Profile {
    let profile = match dice.roll(5) {
        0 => Profile::bare(),
        1 => Profile::modern().without(Extension::UidPlus),
        2 => Profile::modern().without(Extension::MultiAppend),
        _ => Profile::modern(),
    };
    let greeting = if dice.roll(2) == 0 { "Dovecot ready." } else { "Some server." };
    Profile { greeting: greeting.to_owned(), ..profile }
}

/// A little of everything: what goes in a batch and what is streamed, what has no identity, names that
/// are quoted and coded, mailboxes with nothing in them. Small, so that there is time for many.
pub(crate) fn furnished(dice: &mut Dice) -> World {
    let world = World::new();
    let source = &world.source;
    fill(source, "INBOX", 1..9, 700);
    source.append("INBOX", b"Subject: no identity\r\n\r\nx\r\n", &["\\Seen"], date(50));
    source.append("INBOX", b"\r\nno header at all\r\n", &[], date(51));
    fill(source, "Archive/2024", 100..103, 5_000);
    fill(source, "R&AOk-unions", 300..301, 300);
    source.add_mailbox("with space \"quoted\"");
    source.subscribe("INBOX").subscribe("Archive/2024");
    let copies = |account: &Account, times: u64| {
        for _ in 0..times {
            let twins = b"Message-Id: <twin@x>\r\nSubject: twin\r\n\r\ntwins\r\n";
            account.append("INBOX", twins, &["\\Seen"], date(60));
            account.append("Bare", b"no header at all, twice\r\n", &[], date(61));
        }
    };
    world.source.add_mailbox("Bare");
    copies(&world.source, 1 + dice.roll(3));
    fill(&world.source, "INBOX", 500..501, 70_000);
    if dice.roll(4) == 0 {
        fill(&world.source, "Archive/2025", 501..502, 150_000);
    }
    for number in 0..dice.roll(4) {
        let name = format!("Small {number}");
        fill(&world.source, &name, 1000..1002, 300);
    }
    if dice.roll(2) == 0 {
        fill(&world.target, "INBOX", 1..5, 700);
    }
    world
}

/// One storm, then a calm. Whether the storm was felt.
async fn weather(seed: u64, rules: Rules) -> bool {
    let mut dice = Dice::new(seed);
    let world = furnished(&mut dice);
    let (mut source, mut target) = (calm(&mut dice), calm(&mut dice));
    for profile in [&mut source, &mut target] {
        profile.habits.rows = dice.of(&[Rows::InOrder, Rows::Mixed]);
    }
    let stormy = |dice: &mut Dice, profile: &Profile, most: u64| {
        let faults = (0..dice.roll(most + 1)).map(|_| fault(dice)).collect();
        Profile { faults, ..profile.clone() }
    };
    let faulty_source = stormy(&mut dice, &source, 3);
    let faulty_target = stormy(&mut dice, &target, 5);
    let limits = Limits { pairs_at_first: 1 + usize::try_from(dice.roll(3)).unwrap(), ..quick() };
    let order = dice.of(&[CopyOrder::OfUids, CopyOrder::Any]);
    let job = Job { limits, order, ..job(rules) };
    let mut running = world.serve(faulty_source, faulty_target).await;
    running.addresses.silence_max = Duration::from_secs(5);
    let ended = tokio::time::timeout(Duration::from_secs(60), running.run(&job)).await;
    let felt = match ended.expect("the run hangs") {
        Ok(report) if report.is_complete() => {
            world.assert_same_mail();
            report.reconnections != [0, 0]
        }
        Ok(report) => {
            assert!(report.failures().next().is_some(), "incomplete: {report:#?}");
            true
        }
        Err(faults) => {
            assert!(!faults.is_empty());
            true
        }
    };
    drop(running);
    assert_no_more(&world);
    assert_complete(&world.run(source.clone(), target.clone(), &job).await);
    world.assert_same_mail();
    assert_idle(&world.run(source, target, &job).await);
    felt
}

/// No message is on the target more often than on the source.
pub(crate) fn assert_no_more(world: &World) {
    let source = crate::world::digest(&world.source);
    for (name, there) in crate::world::digest(&world.target) {
        let mut left: Vec<&Vec<u8>> =
            source.get(&name).into_iter().flatten().map(|mail| &mail.0).collect();
        for mail in &there {
            let at = left.iter().position(|octets| **octets == mail.0);
            left.swap_remove(at.unwrap_or_else(|| panic!("{name}: there more often than here")));
        }
    }
}

/// Tries each seed below that number.
pub(crate) fn storms<F, W>(seeds: u64, weather: F)
where
    F: Fn(u64) -> W + Sync,
    W: Future<Output = bool>,
{
    let asked = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let seeds = match asked("STORM_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..asked("STORM_SEEDS").unwrap_or(seeds),
    };
    let all = seeds.end - seeds.start;
    let (next, felt, failed) =
        (AtomicU64::new(seeds.start), AtomicU64::new(0), AtomicBool::new(false));
    let try_some = || {
        // Both servers and the run on one thread: they wait for each other anyway.
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        while !failed.load(Ordering::SeqCst) {
            let seed = next.fetch_add(1, Ordering::SeqCst);
            if seed >= seeds.end {
                break;
            }
            let storm = AssertUnwindSafe(|| runtime.block_on(weather(seed)));
            match std::panic::catch_unwind(storm) {
                Ok(was_felt) => drop(felt.fetch_add(u64::from(was_felt), Ordering::SeqCst)),
                Err(_) => {
                    eprintln!("STORM_SEED={seed} repeats it");
                    failed.store(true, Ordering::SeqCst);
                }
            }
        }
    };
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..cores * STORMS_PER_CORE {
            scope.spawn(try_some);
        }
    });
    assert!(!failed.into_inner(), "see the seed above");
    let felt = felt.into_inner();
    eprintln!("{all} storms, {felt} of them felt");
    assert!(all < 20 || felt > all / 3, "only {felt} of {all} storms were felt");
}

#[test]
fn nothing_is_lost_or_doubled_in_any_storm_while_copying() {
    storms(SEEDS, |seed| weather(seed, Rules { flags: FlagPolicy::Mirror, ..Rules::sync() }));
}

#[test]
fn nothing_is_lost_or_doubled_in_any_storm_while_mirroring() {
    storms(SEEDS, |seed| weather(seed, Rules::mirror()));
}

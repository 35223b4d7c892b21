//! A run that is killed at any step, and begun again: same mail, same flags, same dates, nothing
//! lost and nothing doubled.
//!
//! Every command of a run is a point at which the process ends, three times: nothing of the command
//! was done; it was carried out and its answer never seen; it and everything behind it that the
//! process had sent was carried out. And so is every commit of the local state: right before it, and
//! right after it, with a server that carries out what it had received and with one that does not.

#![allow(clippy::print_stderr)]

use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use mailferry_engine::policy::{FlagPolicy, Rules, SourceDeletion};
use mailferry_run::job::{Job, Limits};
use mailferry_run::report::Report;
use mailferry_run::state::{Commit, State};
use mailferry_testkit::sim::{Account, Date, Extension, Gate, Moment, Profile, Release};
use tokio::runtime::Runtime;

use crate::keeping::keeping;
use crate::storm::assert_no_more;
use crate::world::{
    Mail, World, assert_complete, assert_idle, assert_on_either_side, contents, date, digest, fill,
    job, quick,
};

/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// What a run has to do, and between what.
#[derive(Clone)]
struct Setting {
    name: &'static str,
    task: Task,
    source: Profile,
    target: Profile,
    memory: Memory,
}

/// What a run may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Task {
    /// Copies, makes mailboxes, subscribes, changes flags.
    Add,
    /// The same, and removes messages and mailboxes.
    Mirror,
    /// The same, and moves what it takes away into another mailbox.
    Keep,
    /// Copies, and removes from the source what is proven to be on the target.
    Move,
}

impl Task {
    fn rules(self) -> Rules {
        match self {
            Self::Add => Rules { flags: FlagPolicy::Mirror, ..Rules::sync() },
            Self::Mirror | Self::Keep => Rules::mirror(),
            Self::Move => Rules { source_deletion: SourceDeletion::Copied, ..Rules::sync() },
        }
    }
}

/// Whether runs keep what they learn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Memory {
    Kept,
    None,
}

/// Where the process ends.
#[derive(Clone, Copy, Debug)]
enum Point {
    /// When the two servers received this command, counted from 1: it and everything behind it is
    /// carried out, or not.
    Received(u64, Release),
    /// When it was carried out; nothing else is.
    Answered(u64),
    /// At a commit of the local state, counted from 1: twice as many as commits.
    Commit(u64, Release),
}

/// Whether the run came so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Came {
    Killed,
    /// Killed when some of the work was done and some was not.
    Midway,
    ToItsEnd,
}

fn state(folder: &Path) -> State {
    State::open(folder, "ann@a.example:993", "ann@b.example:993").unwrap()
}

impl Setting {
    fn job(&self, state: Option<State>) -> Job {
        let limits = Limits { pairs_at_first: 2, ..quick() };
        let keeping = (self.task == Task::Keep).then(|| keeping("Backup"));
        Job { limits, state: state.map(Arc::new), keeping, ..job(self.task.rules()) }
    }

    /// A run that nobody disturbs.
    fn calm(&self, runtime: &Runtime, world: &World, folder: &Path) -> Report {
        let state = (self.memory == Memory::Kept).then(|| state(folder));
        let job = self.job(state);
        let (source, target) = (self.source.clone(), self.target.clone());
        let run = async {
            match self.task {
                // The source is written to.
                Task::Move => world.serve(source, target).await.run(&job).await.unwrap(),
                _ => world.run(source, target, &job).await,
            }
        };
        let run = async { tokio::time::timeout(PATIENCE, run).await };
        runtime.block_on(run).expect("the run hangs")
    }

    /// Runs until the process ends at this point, and lets the servers come to their end.
    fn killed(&self, (runtime, world, folder): (&Runtime, &World, &Path), point: Point) -> Came {
        let (gate, commit, release) = match point {
            Point::Received(nth, release) => {
                (Gate::closing_at(Moment::Received, nth), u64::MAX, release)
            }
            Point::Answered(nth) => {
                (Gate::closing_at(Moment::Answered, nth), u64::MAX, Release::Cut)
            }
            Point::Commit(nth, release) => {
                (Gate::closing_at(Moment::Received, u64::MAX), nth, release)
            }
        };
        let state =
            (self.memory == Memory::Kept).then(|| mortal(state(folder), commit, gate.clone()));
        let job = self.job(state);
        let gated = |profile: &Profile| Profile { gate: Some(gate.clone()), ..profile.clone() };
        let running = runtime.block_on(world.serve(gated(&self.source), gated(&self.target)));
        let servers = [running.source.state().clone(), running.target.state().clone()];
        // Dropped with everything that runs on it, as a process is.
        let process = Runtime::new().unwrap();
        let run = async {
            tokio::select! {
                () = gate.closed() => Came::Killed,
                ended = running.run(&job) => {
                    assert_complete(&ended.unwrap());
                    Came::ToItsEnd
                }
                () = tokio::time::sleep(PATIENCE) => panic!("{point:?}: the run hangs"),
            }
        };
        let came = std::panic::catch_unwind(AssertUnwindSafe(|| process.block_on(run)));
        drop(process);
        let came = match came {
            Ok(came) => came,
            Err(_) if gate.has_closed() => Came::Killed,
            Err(why) => std::panic::resume_unwind(why),
        };
        gate.release(release);
        let end = Instant::now() + PATIENCE;
        while servers.iter().any(|server| server.connections_open() > 0) {
            assert!(Instant::now() < end, "{point:?}: a server hangs");
            std::thread::sleep(Duration::from_micros(200));
        }
        came
    }

    /// Kills at one point and goes on from there.
    fn survive(&self, runtime: &Runtime, point: Point) -> Came {
        let folder = tempfile::tempdir().unwrap();
        let world = World::new();
        furnish(&world.source);
        if self.memory == Memory::Kept {
            // The state of an earlier run is there, and something has happened since.
            assert_complete(&self.calm(runtime, &world, folder.path()));
        } else {
            furnish(&world.target);
        }
        change(&world);
        if self.task != Task::Add {
            change_for_a_mirror(&world);
        }
        let untouched = in_both(&world);
        assert!(!untouched.is_empty());
        let surplus = sorted(on_target_only(&world));
        let begun = digest(&world.target);
        let came = self.killed((runtime, &world, folder.path()), point);
        let left = digest(&world.target);
        if self.task == Task::Add {
            assert_no_more(&world);
        }
        assert_complete(&self.calm(runtime, &world, folder.path()));
        let kept = take_kept(&world);
        if self.task == Task::Keep {
            assert!(sorted(kept.values().flatten().cloned().collect()) == surplus, "{kept:?}");
        }
        world.assert_same_mail();
        let missing =
            world.source.subscriptions().difference(&world.target.subscriptions()).count();
        assert_eq!(missing, 0);
        for ((mailbox, uid), octets) in &untouched {
            let there = world.target.messages(mailbox);
            let found = there.iter().find(|message| message.uid == *uid);
            assert!(found.is_some_and(|found| found.octets[..] == octets[..]), "{mailbox} {uid}");
        }
        put_back(&world, &kept);
        assert_idle(&self.calm(runtime, &world, folder.path()));
        assert!(take_kept(&world) == kept, "what is kept was changed");
        match came {
            Came::Killed if left != begun && left != digest(&world.target) => Came::Midway,
            came => came,
        }
    }

    /// The same of a move.
    fn survive_move(&self, runtime: &Runtime, point: Point) -> Came {
        let folder = tempfile::tempdir().unwrap();
        let world = World::new();
        furnish(&world.source);
        if self.memory == Memory::Kept {
            let copying = Self { task: Task::Add, ..self.clone() };
            assert_complete(&copying.calm(runtime, &world, folder.path()));
        } else {
            furnish(&world.target);
        }
        change(&world);
        let (begun, there) = (contents(&world.source), contents(&world.target));
        let came = self.killed((runtime, &world, folder.path()), point);
        assert_on_either_side(&world, &begun, "killed");
        let (left, copied) = (contents(&world.source), contents(&world.target));
        assert_complete(&self.calm(runtime, &world, folder.path()));
        assert!(contents(&world.source).is_empty(), "something stayed on the source");
        assert!(contents(&world.target) == begun, "the target has other mail");
        assert_idle(&self.calm(runtime, &world, folder.path()));
        match came {
            Came::Killed if copied != there && (copied != begun || left != begun) => Came::Midway,
            came => came,
        }
    }

    /// Kills at every point there is. How many there were, and how many in the midst of the work.
    fn try_all(&self, runtime: &Runtime) -> [u64; 2] {
        let (mut tried, mut midway) = (0, 0);
        let mut has = |point: Point| {
            let story = AssertUnwindSafe(|| match self.task {
                Task::Move => self.survive_move(runtime, point),
                _ => self.survive(runtime, point),
            });
            let came = std::panic::catch_unwind(story).unwrap_or_else(|_| {
                panic!("{:?}, {}, state {:?}, {point:?}", self.task, self.name, self.memory)
            });
            tried += u64::from(came != Came::ToItsEnd);
            midway += u64::from(came == Came::Midway);
            came != Came::ToItsEnd
        };
        let mut every = |of: &mut dyn FnMut(u64) -> Point| {
            (1..).take_while(|&nth| has(of(nth))).count();
        };
        for release in [Release::Cut, Release::CarryOut] {
            every(&mut |nth| Point::Received(nth, release));
            if self.memory == Memory::Kept {
                every(&mut |nth| Point::Commit(nth, release));
            }
        }
        every(&mut Point::Answered);
        [tried, midway]
    }
}

/// A state whose process ends at a commit. What it does afterwards reaches nobody: the gate is
/// closed, and no later commit is made.
fn mortal(state: State, ends_at: u64, gate: Gate) -> State {
    let (commits, dead) = (AtomicU64::new(0), AtomicBool::new(false));
    state.watched(Box::new(move |_: Commit| {
        if commits.fetch_add(1, Ordering::SeqCst) + 1 == ends_at {
            dead.store(true, Ordering::SeqCst);
            gate.close();
        }
        if dead.load(Ordering::SeqCst) {
            std::panic::resume_unwind(Box::new("the process has ended"));
        }
    }))
}

/// What both sides have before anything happens.
fn furnish(account: &Account) {
    fill(account, "INBOX", 1..7, 300);
    account.append("INBOX", b"no header at all\r\n", &["\\Seen"], date(40));
    fill(account, "Old", 100..103, 300);
    account.subscribe("INBOX");
}

/// What happens then: on the source new mail in old mailboxes and new ones, other flags, messages
/// that went; on the target some that nobody knows.
fn change(world: &World) {
    let source = &world.source;
    fill(source, "INBOX", 10..14, 300);
    // Larger than what goes in a batch.
    fill(source, "INBOX", 14..15, 70_000);
    for _ in 0..2 {
        source.append("INBOX", b"Message-Id: <twin@x>\r\n\r\ntwins\r\n", &[], date(60));
    }
    source.append("INBOX", b"no header at all, again\r\n", &[], date(61));
    fill(source, "New/Deep", 200..203, 300);
    source.subscribe("New/Deep");
    source.add_mailbox("New/Empty");
    source.set_flags("INBOX", 2, &["\\Flagged", "Later"]);
    source.set_flags("Old", 1, &["\\Seen", "\\Answered"]);
}

/// Something that only a mirror takes away: a message here, one there, a whole mailbox.
fn change_for_a_mirror(world: &World) {
    world.source.expunge("INBOX", 4);
    world.source.expunge("Old", 2);
    fill(&world.target, "INBOX", 900..902, 300);
    fill(&world.target, "Gone", 910..912, 300);
}

/// The messages of the target that the same mailbox of the source has not.
fn on_target_only(world: &World) -> Vec<Mail> {
    let source = digest(&world.source);
    let of_source = |name: &String| source.get(name).map_or(&[][..], Vec::as_slice);
    let all = digest(&world.target).into_iter();
    all.flat_map(|(name, mail)| {
        let is_extra = |one: &Mail| !of_source(&name).iter().any(|other| other.0 == one.0);
        mail.into_iter().filter(is_extra).collect::<Vec<_>>()
    })
    .collect()
}

fn sorted(mut mail: Vec<Mail>) -> Vec<Mail> {
    mail.sort();
    mail
}

/// Takes away what is kept, so that both sides can be compared.
fn take_kept(world: &World) -> BTreeMap<String, Vec<Mail>> {
    let mut all = digest(&world.target);
    all.retain(|name, _| name.starts_with("Backup"));
    all.keys().rev().for_each(|name| world.target.remove_mailbox(name));
    all
}

fn put_back(world: &World, kept: &BTreeMap<String, Vec<Mail>>) {
    for (name, mail) in kept {
        world.target.add_mailbox(name);
        for (octets, flags, seconds) in mail {
            let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
            let date = Date { seconds: *seconds, ..date(0) };
            world.target.append(name, octets, &flags, date);
        }
    }
}

/// The messages that are on both sides, by mailbox and UID on the target.
fn in_both(world: &World) -> BTreeMap<(String, u32), Vec<u8>> {
    let mut both = BTreeMap::new();
    for (mailbox, messages) in world.target.snapshot() {
        let source = world.source.messages(&mailbox);
        for message in messages {
            if source.iter().any(|other| other.octets == message.octets) {
                both.insert((mailbox.clone(), message.uid), message.octets.to_vec());
            }
        }
    }
    both
}

/// Servers of the kinds that make a difference; all of them with `STEPS=all`.
fn servers(task: Task, memory: Memory) -> Vec<(&'static str, Profile)> {
    let resyncing = ("resyncing", Profile::resyncing());
    let modern = ("modern", Profile::modern());
    let without = Profile::modern().without(Extension::UidPlus).without(Extension::Move);
    let without = ("without UIDPLUS", without);
    let bare = ("bare", Profile::bare());
    let all = std::env::var("STEPS").is_ok_and(|text| text == "all");
    match (task, memory) {
        _ if all => vec![resyncing, modern, without, bare],
        // It copies as others do before it removes anything.
        (Task::Move, Memory::Kept) => vec![without],
        (Task::Move, Memory::None) => vec![modern],
        (_, Memory::Kept) => vec![resyncing, without],
        (_, Memory::None) => vec![modern, bare],
    }
}

/// Kills at every point between servers of every kind. Fewer points than these are no test.
fn kill_everywhere(task: Task, memory: Memory) {
    let runtime = Runtime::new().unwrap();
    for (name, profile) in servers(task, memory) {
        let (source, target) = (profile.clone(), profile);
        let setting = Setting { name, task, source, target, memory };
        let [tried, midway] = setting.try_all(&runtime);
        eprintln!(
            "killed at {tried} points, {midway} of them midway: {task:?}, {name}, state {memory:?}"
        );
        assert!(tried >= 100 && midway >= 30, "only {tried} points, {midway} midway");
    }
}

#[test]
fn a_run_killed_at_any_step_of_copying_is_gone_on_with() {
    kill_everywhere(Task::Add, Memory::None);
}

#[test]
fn a_run_with_local_state_killed_at_any_step_of_copying_is_gone_on_with() {
    kill_everywhere(Task::Add, Memory::Kept);
}

#[test]
fn a_run_killed_at_any_step_of_mirroring_is_gone_on_with() {
    kill_everywhere(Task::Mirror, Memory::None);
}

#[test]
fn a_run_with_local_state_killed_at_any_step_of_mirroring_is_gone_on_with() {
    kill_everywhere(Task::Mirror, Memory::Kept);
}

#[test]
fn a_run_killed_at_any_step_of_moving_what_it_takes_away_keeps_each_message_once() {
    kill_everywhere(Task::Keep, Memory::None);
}

#[test]
fn a_run_with_local_state_killed_at_any_step_of_moving_keeps_each_message_once() {
    kill_everywhere(Task::Keep, Memory::Kept);
}

#[test]
fn a_run_killed_at_any_step_of_a_move_leaves_each_message_on_one_side() {
    kill_everywhere(Task::Move, Memory::None);
}

#[test]
fn a_run_with_local_state_killed_at_any_step_of_a_move_leaves_each_message_on_one_side() {
    kill_everywhere(Task::Move, Memory::Kept);
}

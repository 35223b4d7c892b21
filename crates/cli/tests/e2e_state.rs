//! Local state makes runs shorter and changes nothing else: with it, without it, and with one
//! that is stale, broken or another's, the plan and the outcome are the same.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod walk;
mod world;

use std::fs;
use std::path::PathBuf;

use walk::{Dice, Owner};
use world::*;

const STATELESS: (&str, &str) = ("MAILFERRY_NOSTATE", "1");

/// The plan of these options, made with what earlier runs learnt or without.
fn plan(
    desk: &Desk,
    (source, target): (&Place<'_>, &Place<'_>),
    options: &[&str],
    without_state: bool,
) -> (Option<i32>, String) {
    let file = desk.path().join("plan.json");
    let _ = fs::remove_file(&file);
    let saved = ["--save", file.to_str().unwrap()];
    let mut command = desk.ferry_command("plan", source, target, &[options, &saved].concat());
    if without_state {
        command.env(STATELESS.0, STATELESS.1);
    }
    let finished = desk.finish(command);
    let plan = fs::read_to_string(&file).unwrap_or_else(|_| panic!("{}", finished.report()));
    (finished.status, plan)
}

/// Both plans are the same, octet for octet.
#[track_caller]
fn assert_same_plan(desk: &Desk, pair: (&Place<'_>, &Place<'_>), options: &[&str], of: &str) {
    let with = plan(desk, pair, options, false);
    let without = plan(desk, pair, options, true);
    if with != without {
        let lines = with.1.lines().zip(without.1.lines());
        let differing: Vec<String> = lines
            .filter(|(one, other)| one != other)
            .take(20)
            .map(|(one, other)| format!("  {one}\n  {other}"))
            .collect();
        panic!(
            "{options:?} after {of}: with state {:?}, without {:?}\n{}",
            with.0,
            without.0,
            differing.join("\n")
        );
    }
}

/// The commands that a run sent to one side, without their tags.
fn sent(finished: &Finished, side: &str) -> Vec<String> {
    let begin = format!("{side} > ");
    let lines = finished.stderr.lines().filter_map(|line| line.strip_prefix(&begin));
    lines.map(|line| line.split_once(' ').map_or(line, |(_, words)| words).to_owned()).collect()
}

fn databases(desk: &Desk) -> Vec<PathBuf> {
    let folder = desk.path().join("XDG_STATE_HOME").join("mailferry");
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let paths = entries.map(|entry| entry.unwrap().path());
    let mut found: Vec<PathBuf> =
        paths.filter(|path| path.extension().is_some_and(|end| end == "sqlite3")).collect();
    found.sort();
    found
}

#[test]
fn a_run_asks_only_for_what_changed() {
    let Some(world) = World::open() else { return };
    for way in [Way::SlashToDot, Way::DotToSlash] {
        let (source, target) = world.pair(way);
        furnish(&source);
        let desk = Desk::new();
        desk.ferry("sync", &source, &target, &[]).expect(0);

        // What was copied is known by its copy: no header is asked for.
        let second = desk.ferry("sync", &source, &target, &["--trace"]).expect(0);
        for side in ["source", "target"] {
            let fetched: Vec<String> =
                sent(&second, side).into_iter().filter(|line| line.contains("BODY")).collect();
            assert!(fetched.is_empty(), "{side}: {fetched:?}");
        }

        let third = desk.ferry("sync", &source, &target, &["--trace"]).expect(0);
        for side in ["source", "target"] {
            let sent = sent(&third, side);
            let asked = |word: &str| sent.iter().filter(|line| line.starts_with(word)).count();
            assert_eq!((asked("EXAMINE"), asked("SELECT"), asked("UID")), (0, 0, 0), "{sent:?}");
        }

        source.put("Drafts", &[mail("one more", 1)]);
        let fourth = desk.ferry("sync", &source, &target, &["--trace"]).expect(0);
        let opened: Vec<String> = sent(&fourth, "source")
            .into_iter()
            .filter(|line| line.starts_with("EXAMINE"))
            .collect();
        assert!(opened.iter().all(|line| line.contains("Drafts")), "{opened:?}");
        assert_copied(&source.read(), &target.read(), &Expect::exact());
    }
}

/// Rounds of one walk.
const ROUNDS: usize = 34;
const MODES: [&[&str]; 3] = [&[], &["--delete"], &["--mirror"]];

fn take_a_walk(way: Way, seed: u64) {
    let Some(world) = World::open() else { return };
    let (source, target) = world.pair(way);
    let desk = Desk::new();
    let mut dice = Dice(seed);
    let mut owners = [Owner::of(&source, 0), Owner::of(&target, 1_000_000)];
    let mut history = Vec::new();
    for round in 0..ROUNDS {
        for _ in 0..1 + dice.roll(4) {
            let side = usize::from(dice.roll(4) == 0);
            let step = owners[side].step(&mut dice);
            history.push(format!("{round}: {} {step}", ["source", "target"][side]));
        }
        let story = format!("a walk with seed {seed}:\n  {}", history.join("\n  "));
        for turn in 0..MODES.len() {
            let options = MODES[(round + turn) % MODES.len()];
            assert_same_plan(&desk, (&source, &target), options, &story);
        }
        if round % 3 == 2 {
            let options = MODES[(round / 3) % MODES.len()];
            let options = [options, &["--max-delete", "100%"]].concat();
            // What is known only by its content goes once the rest was copied.
            desk.ferry("sync", &source, &target, &options).expect(0);
            let finished = desk.ferry("sync", &source, &target, &options).expect(0);
            history.push(format!("{round}: {options:?} {}", finished.stdout.trim()));
            // A message of the same content and another date is the same one.
            let expect = Expect { order: Duty::May, dates: Duty::May, ..Expect::exact() };
            let expect = match options[0] {
                "--mirror" => expect,
                _ => Expect { flags: Duty::May, nothing_more: Duty::May, ..expect },
            };
            owners[1].come_back(&target);
            let differences = compare(&source.read(), &target.read(), &expect);
            assert!(differences.is_empty(), "{}\n{story}", differences.join("\n"));
        }
    }
    desk.ferry("sync", &source, &target, &["--mirror", "--max-delete", "100%"]).expect(0);
    let expect = Expect { order: Duty::May, dates: Duty::May, ..Expect::exact() };
    assert_copied(&source.read(), &target.read(), &expect);
    for options in MODES {
        assert_same_plan(&desk, (&source, &target), options, &format!("the walk {seed}"));
    }
}

#[test]
fn a_walk_from_slash_to_dot_is_planned_alike_with_and_without_state() {
    take_a_walk(Way::SlashToDot, seed(0x5eed_0001));
}

#[test]
fn a_walk_from_dot_to_slash_is_planned_alike_with_and_without_state() {
    take_a_walk(Way::DotToSlash, seed(0x5eed_0002));
}

/// Another walk may be asked for.
fn seed(usual: u64) -> u64 {
    std::env::var("WALK_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(usual)
}

//! The same command lines given to this `imapsync` and to the Perl program that it takes the place
//! of: both must leave the same mail on both sides and end with the same exit status.
//!
//! Left out unless `MAILFERRY_IMAPSYNC` names the Perl program (2.229) and Perl has what it needs.
//! A case that differs on purpose says why, and docs/imapsync.md says so, too; one that no longer
//! differs fails, so that the list stays true. `DIFFERENTIAL_CASE=--delete2` tries only the cases
//! with these words.
#![cfg(unix)]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::contest::{Aspect, Before, CASES, Case, Expected, prepare};
use crate::world::*;

/// So many cases at the same time.
const SIDE_BY_SIDE: usize = 3;

/// The Perl program, if there is one.
fn original() -> Option<PathBuf> {
    let path = std::env::var_os("MAILFERRY_IMAPSYNC").map(PathBuf::from);
    if path.is_none() {
        eprintln!("left out: MAILFERRY_IMAPSYNC does not name the Perl program");
    }
    path
}

/// What a run left behind.
struct Left {
    status: Option<i32>,
    source: Account,
    target: Account,
    report: String,
}

fn run(
    world: &World,
    before: Before,
    program: impl Fn(&Desk, &Place<'_>, &Place<'_>) -> Finished,
) -> Left {
    let (source, target) = world.pair(Way::SlashToDot);
    prepare(before, &source, &target);
    let finished = program(&Desk::new(), &source, &target);
    let report = finished.text();
    Left { status: finished.status, source: source.read(), target: target.read(), report }
}

fn run_original(
    original: &Path,
    options: &[&str],
    (desk, source, target): (&Desk, &Place<'_>, &Place<'_>),
) -> Finished {
    let own = desk.imapsync_command(source, target, options);
    let mut command = Command::new("perl");
    command.arg(original).args(own.get_args()).current_dir(desk.path());
    for (variable, value) in own.get_envs() {
        match value {
            Some(value) => command.env(variable, value),
            None => command.env_remove(variable),
        };
    }
    desk.finish(command)
}

/// The Perl program makes the parents of a mailbox, too, where the server would do without: those
/// that stay empty do not count.
fn without_empty_parents(account: &Account) -> Account {
    let mut account = account.clone();
    let names: Vec<String> = account.mailboxes.keys().cloned().collect();
    let is_parent = |name: &str| {
        let below = format!("{name}/");
        names.iter().any(|other| other.starts_with(&below))
    };
    account.mailboxes.retain(|name, messages| !messages.is_empty() || !is_parent(name));
    account
}

fn differences(case: &Case, (ours, theirs): (&Left, &Left)) -> Vec<(Aspect, String)> {
    // One runs behind the other, so that they have different clocks.
    let by_clock = case.options.contains(&"--nosyncinternaldates");
    let dates = if by_clock { Duty::May } else { Duty::Must };

    let mut all = Vec::new();
    if ours.status != theirs.status {
        let words = format!("exit status {:?}, not {:?}", ours.status, theirs.status);
        all.push((Aspect::Status, words));
    }
    for (side, ours, theirs) in [
        (Aspect::Host1, &ours.source, &theirs.source),
        (Aspect::Host2, &ours.target, &theirs.target),
    ] {
        let expect = Expect { order: Duty::May, dates, ..Expect::exact() };
        let (ours, theirs) = (without_empty_parents(ours), without_empty_parents(theirs));
        let found = compare(&theirs, &ours, &expect);
        all.extend(found.into_iter().map(|words| (side, words)));
    }
    all
}

/// What came of one case.
enum Verdict {
    Same,
    OnPurpose,
    Wrong(String),
}

fn judge(case: &Case, ours: &Left, theirs: &Left) -> Verdict {
    let found = differences(case, (ours, theirs));
    let aspects: BTreeSet<Aspect> = found.iter().map(|(aspect, _)| *aspect).collect();
    match case.expected {
        Expected::Same if found.is_empty() => Verdict::Same,
        Expected::Differs(_, meant) if aspects == meant.iter().copied().collect() => {
            Verdict::OnPurpose
        }
        Expected::Differs(..) if found.is_empty() => {
            Verdict::Wrong(format!("{}: differs no longer", case.name()))
        }
        expected => {
            let found: Vec<String> =
                found.iter().map(|(aspect, words)| format!("{aspect:?}: {words}")).collect();
            Verdict::Wrong(format!(
                "{} ({expected:?}):\n  {}\n  ours:\n    {}\n  theirs:\n    {}",
                case.name(),
                found.join("\n  "),
                tail(&ours.report),
                tail(&theirs.report)
            ))
        }
    }
}

fn tail(text: &str) -> String {
    const LINES: usize = 8;
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(LINES)..].join("\n    ")
}

#[test]
fn both_programs_leave_the_same_behind() {
    let Some(original) = original() else { return };
    let Some(world) = World::open() else { return };
    let wanted = std::env::var("DIFFERENTIAL_CASE").unwrap_or_default();
    let cases: Vec<&Case> = CASES.iter().filter(|case| case.name().contains(&wanted)).collect();
    let (next, verdicts) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let work = || {
        while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
            let ours = run(&world, case.before, |desk, source, target| {
                desk.imapsync(source, target, case.options)
            });
            let theirs = run(&world, case.before, |desk, source, target| {
                run_original(&original, case.options, (desk, source, target))
            });
            verdicts.lock().unwrap().push(judge(case, &ours, &theirs));
        }
    };
    std::thread::scope(|scope| {
        (0..SIDE_BY_SIDE).for_each(|_| drop(scope.spawn(work)));
    });
    let verdicts = verdicts.into_inner().unwrap();
    let same = verdicts.iter().filter(|verdict| matches!(verdict, Verdict::Same)).count();
    let wrong: Vec<String> = verdicts
        .into_iter()
        .filter_map(|verdict| match verdict {
            Verdict::Wrong(words) => Some(words),
            Verdict::Same | Verdict::OnPurpose => None,
        })
        .collect();
    let on_purpose = cases.len() - same - wrong.len();
    println!(
        "{} cases: {same} the same, {on_purpose} different on purpose, {} wrong",
        cases.len(),
        wrong.len()
    );
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

#[test]
fn every_difference_is_told_with_its_reason() {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/imapsync.md");
    let page = std::fs::read_to_string(page).unwrap();
    let told: BTreeSet<&str> = page
        .lines()
        .filter_map(|line| line.strip_prefix("- **")?.split_once("**"))
        .map(|(words, _)| words.trim_end_matches('.'))
        .collect();
    for case in CASES {
        if let Expected::Differs(words, aspects) = case.expected {
            assert!(!aspects.is_empty(), "{}: what differs?", case.name());
            assert!(told.contains(words), "{}: docs/imapsync.md has no `{words}`", case.name());
        }
    }
    assert!(CASES.len() >= 60, "{} are too few", CASES.len());
}

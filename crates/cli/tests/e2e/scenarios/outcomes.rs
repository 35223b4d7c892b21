//! The scenarios of imapsync's catalogue (`tests/data/imapsync/scenarios.tsv`), each between real
//! servers, held against what the catalogue says comes of it. `SCENARIO=S141` tries only that one.
#![cfg(unix)]

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::scenarios::{Scenario, every};
use crate::scene::Scene;
use crate::world::World;

const CATALOGUE: &str = include_str!("../../../../../tests/data/imapsync/scenarios.tsv");

/// Scenarios of the catalogue that are not tried, and why.
const NOT_TRIED: &[(&str, &str)] = &[
    ("S221", "what expunging does to All Mail shows only at a live Gmail"),
    ("S253", "the web form of imapsync is no part of this program"),
];

/// Of all scenarios at most one in so many is not tried.
const NOT_TRIED_MAX: usize = 20;

/// So many scenarios at the same time.
const SIDE_BY_SIDE: usize = 4;

/// The numbers of the catalogue, and whether each is one of the core.
fn catalogue() -> impl Iterator<Item = (&'static str, bool)> {
    let rows = CATALOGUE.lines().skip(1).map(|line| line.split('\t').collect::<Vec<_>>());
    rows.map(|row| (row[0], row[2].contains('K')))
}

#[test]
fn every_scenario_is_tried_or_said_not_to_be() {
    let tried = every().map(|(id, _)| id);
    let said: Vec<&str> = tried.chain(NOT_TRIED.iter().map(|(id, _)| *id)).collect();
    let once: BTreeSet<&str> = said.iter().copied().collect();
    assert_eq!(said.len(), once.len(), "a scenario is there twice");
    assert_eq!(once, catalogue().map(|(id, _)| id).collect());
    let is_core = |id: &str| catalogue().any(|row| row == (id, true));
    assert!(NOT_TRIED.iter().all(|(id, _)| !is_core(id)), "all of the core are tried");
    assert!(NOT_TRIED.len() * NOT_TRIED_MAX <= catalogue().count());
}

#[test]
fn the_scenarios_end_as_the_catalogue_says() {
    let Some(world) = World::open() else { return };
    let wanted = std::env::var("SCENARIO").ok();
    let is_wanted = |id: &str| wanted.as_deref().is_none_or(|wanted| wanted == id);
    let scenarios: Vec<(&str, Scenario)> = every().filter(|(id, _)| is_wanted(id)).collect();
    let (next, failed) = (AtomicUsize::new(0), Mutex::new(BTreeSet::new()));
    let work = || {
        while let Some((id, scenario)) = scenarios.get(next.fetch_add(1, Ordering::Relaxed)) {
            let outcome = catch_unwind(AssertUnwindSafe(|| scenario(Scene::new(&world))));
            if outcome.is_err() {
                failed.lock().unwrap().insert(*id);
            }
        }
    };
    std::thread::scope(|scope| {
        (0..SIDE_BY_SIDE).for_each(|_| drop(scope.spawn(work)));
    });
    let failed = failed.into_inner().unwrap();
    let passed: BTreeSet<&str> =
        scenarios.iter().map(|(id, _)| *id).filter(|id| !failed.contains(id)).collect();
    let core: Vec<&str> = catalogue().filter(|row| row.1).map(|row| row.0).collect();
    let of_core = core.iter().filter(|id| passed.contains(*id)).count();
    println!(
        "{of_core} of {} core scenarios pass, {} of all {}; {} are not tried",
        core.len(),
        passed.len(),
        catalogue().count(),
        NOT_TRIED.len()
    );
    assert!(failed.is_empty(), "failed: {failed:?}");
}

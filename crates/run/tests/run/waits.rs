//! How often a run waits for a server, whatever the distance.

use std::sync::Arc;

use mailferry_engine::policy::Rules;
use mailferry_run::job::Job;
use mailferry_run::state::State;
use mailferry_testkit::sim::{Extension, Profile};

use crate::world::{World, assert_complete, assert_idle, fill, job_in_order};

/// The goal: at 20 ms a run with nothing to do is over in 0.16 s, and what the programs compute.
const WAITS_MAX: u64 = 8;

/// Known to keep the order of commands; without CONDSTORE, so that flags are asked for.
fn orderly() -> Profile {
    Profile { greeting: "Dovecot ready.".to_owned(), ..Profile::modern() }
}

fn with_condstore() -> Profile {
    let mut profile = orderly();
    profile.extensions.insert(Extension::Condstore);
    profile
}

#[tokio::test]
async fn a_run_with_nothing_to_do_waits_a_few_times_for_any_number_of_mailboxes() {
    let counts = [(orderly(), 200), (with_condstore(), 3), (with_condstore(), 300)];
    for (profile, mailboxes) in counts {
        let world = World::new();
        for number in 0..mailboxes {
            fill(&world.source, &format!("M{number}"), number * 10..number * 10 + 2, 300);
        }
        let folder = tempfile::tempdir().unwrap();
        let state = State::open(folder.path(), "user@source", "user@target").unwrap();
        let job = Job { state: Some(Arc::new(state)), ..job_in_order(Rules::sync()) };
        assert_complete(&world.run(profile.clone(), profile.clone(), &job).await);
        assert_idle(&world.run(profile.clone(), profile.clone(), &job).await);
        let running = world.serve(profile.clone(), profile.clone()).await;
        assert_idle(&running.run(&job).await.unwrap());
        for (side, server) in [("source", &running.source), ("target", &running.target)] {
            let waits = server.state().round_trips();
            assert!(waits <= WAITS_MAX, "{waits} round trips to the {side} of {mailboxes}");
        }
    }
}

//! How many pairs of connections copy, and in which order.

use mailferry_engine::policy::{FlagPolicy, Rules};
use mailferry_run::job::{CopyOrder, Job, Limits};
use mailferry_testkit::sim::Profile;

use crate::world::{World, assert_complete, assert_idle, fill, furnish, job, quick};

fn job_of(order: CopyOrder, pairs: usize) -> Job {
    let limits = Limits { pairs_max: pairs, pairs_at_first: pairs, ..quick() };
    Job { order, limits, ..job(Rules { flags: FlagPolicy::Mirror, ..Rules::sync() }) }
}

/// Connections that the target saw in a run.
async fn connections(world: &World, seats: usize, job: &Job) -> u32 {
    let mut running = world.serve(Profile::modern(), Profile::modern()).await;
    running.addresses.seats = seats;
    let report = running.run(job).await.unwrap();
    assert_complete(&report);
    running.target.state().connections()
}

#[tokio::test]
async fn spare_pairs_are_opened_only_while_there_are_seats() {
    for (seats, expected) in [(0, 1), (1, 1), (2, 2), (10, 3)] {
        let world = World::new();
        furnish(&world.source);
        let connections = connections(&world, seats, &job_of(CopyOrder::OfUids, 3)).await;
        assert_eq!(connections, expected, "{seats} seats");
        world.assert_same();
    }
}

#[tokio::test]
async fn one_large_mailbox_is_shared_only_where_order_is_given_up() {
    for (order, expected) in [(CopyOrder::OfUids, 1), (CopyOrder::Any, 3)] {
        let world = World::new();
        fill(&world.source, "INBOX", 1..61, 400_000);
        let job = job_of(order, 3);
        assert_eq!(connections(&world, 10, &job).await, expected);
        match order {
            CopyOrder::OfUids => world.assert_same(),
            CopyOrder::Any => world.assert_same_mail(),
        }
        for uid in 1..=60 {
            world.source.set_flags("INBOX", uid, &["\\Seen", "\\Flagged"]);
        }
        fill(&world.source, "INBOX", 61..121, 400_000);
        let report = world.run(Profile::modern(), Profile::modern(), &job).await;
        assert_complete(&report);
        assert_eq!((report.total().copied, report.total().flags_updated), (60, 60));
        world.assert_same_mail();
        assert_idle(&world.run(Profile::modern(), Profile::modern(), &job).await);
    }
}

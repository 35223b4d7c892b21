//! When the target is asked for INTERNALDATEs: where one decides something, and nowhere else.

use std::sync::{Arc, Mutex};

use mailferry_engine::policy::Rules;
use mailferry_run::job::Job;
use mailferry_store::contract::DatesAsked;
use mailferry_testkit::sim::{Profile, Watch};

use crate::world::{World, date, fill, furnish, job, message};

/// What FETCH commands the target got of a run, of those that ask for INTERNALDATE.
async fn asked(world: &World, job: &Job) -> Vec<String> {
    let lines = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&lines);
    let watch: Watch = Arc::new(move |entry| {
        if entry.line.contains("INTERNALDATE") {
            seen.lock().unwrap().push(entry.line.to_owned());
        }
    });
    let target = Profile { watch: Some(watch), ..Profile::modern() };
    let report = world.run(Profile::modern(), target, job).await;
    assert!(report.is_complete());
    let lines = lines.lock().unwrap();
    lines.clone()
}

#[tokio::test]
async fn a_run_with_nothing_to_do_asks_for_none() {
    let world = World::new();
    furnish(&world.source);
    world.run_until_settled(Profile::modern(), Profile::modern(), &job(Rules::sync())).await;
    assert!(!asked(&world, &job(Rules::mirror())).await.is_empty(), "furnish has doubles");

    let world = World::new();
    fill(&world.source, "INBOX", 1..30, 400);
    world.run_until_settled(Profile::modern(), Profile::modern(), &job(Rules::sync())).await;
    assert_eq!(asked(&world, &job(Rules::mirror())).await, Vec::<String>::new());
    let told = Job { target_dates: DatesAsked::WithTheRest, ..job(Rules::mirror()) };
    assert!(!asked(&world, &told).await.is_empty());
}

#[tokio::test]
async fn a_message_of_another_size_is_known_again_by_its_date() {
    let world = World::new();
    fill(&world.source, "INBOX", 1..10, 400);
    fill(&world.target, "INBOX", 1..9, 400);
    // A server that appends a line to what it stores.
    let mut longer = message(9, 400);
    longer.extend_from_slice(b"-- \r\n");
    world.target.append("INBOX", &longer, &[], date(9));
    let lines = asked(&world, &job(Rules::sync())).await;
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(lines[0].contains("UID FETCH 9 (UID INTERNALDATE)"), "{lines:?}");
    assert_eq!(world.target.messages("INBOX").len(), 9);
}

//! Servers that count what is asked of them, met by the built programs: what they say, what JSON
//! says, and how they end.

use std::time::Duration;

use crate::pair::{Pair, fill};
use crate::world::{Desk, Finished, Front};
use mailferry_testkit::sim::Profile;
use mailferry_testkit::sim::Refused;
use mailferry_testkit::sim::provider::{Provider, exchange_throttling, gmail_within};

fn run(pair: &Pair, desk: &Desk, front: Front, options: &[&str]) -> Finished {
    let verb = if front == Front::Mailferry { "sync" } else { "" };
    desk.finish(pair.within(desk, "exec \"$@\"", (front, verb, options)))
}

#[test]
fn both_programs_wait_as_long_as_exchange_asks_and_say_so() {
    for (front, options, words) in [
        (Front::Mailferry, &["--connections", "1"][..], "the target asks to be left alone"),
        (Front::Imapsync, &["--nolog", "--noerrorsdump"], "Host2: it asks to be left alone"),
    ] {
        let throttling = exchange_throttling("APPEND", 8, Duration::from_millis(1200));
        let pair = Pair::new(Profile::modern(), throttling);
        fill(&pair.from, "INBOX", 1..21);
        let desk = Desk::new();
        let run = run(&pair, &desk, front, options).expect(0);
        assert_eq!(pair.to.messages("INBOX").len(), 20, "{}", run.report());
        let all = run.all();
        assert!(all.contains(words), "{}", run.report());
        assert!(all.contains("Suggested Backoff Time: 1200 milliseconds"), "{}", run.report());
        assert!(all.contains("going on at "), "{}", run.report());
    }
}

#[test]
fn json_tells_of_a_wait_and_when_the_run_goes_on() {
    let throttling = exchange_throttling("APPEND", 8, Duration::from_millis(700));
    let pair = Pair::new(Profile::modern(), throttling);
    fill(&pair.from, "INBOX", 1..13);
    let run = run(&pair, &Desk::new(), Front::Mailferry, &["--json", "--connections", "1"]);
    let lines = run.expect(0).json_lines();
    let told: Vec<_> = lines.iter().filter(|line| line["event"] == "throttled").collect();
    assert!(!told.is_empty(), "{lines:#?}");
    for line in told {
        assert_eq!((&line["side"], &line["kind"]), (&"target".into(), &"throttled".into()));
        assert!(line["wait_seconds"].as_f64().unwrap() >= 0.1, "{line}");
        assert!(line["goes_on_at"].as_i64().unwrap() > 1_700_000_000, "{line}");
    }
}

#[test]
fn a_wait_that_is_too_long_ends_the_run_with_the_moment_to_come_again() {
    let throttling = exchange_throttling("APPEND", 8, Duration::from_secs(299));
    let pair = Pair::new(Profile::modern(), throttling);
    fill(&pair.from, "INBOX", 1..21);
    let options = ["--connections", "1", "--throttle-wait", "60"];
    let run = run(&pair, &Desk::new(), Front::Mailferry, &options).expect(102);
    let told = run.all();
    assert!(told.contains("error: the target asks to be left alone"), "{}", run.report());
    assert!(told.contains("hint: it may go on at "), "{}", run.report());
}

#[test]
fn a_day_that_is_spent_ends_with_118_and_is_remembered() {
    let pair = Pair::new(Profile::modern(), Profile::modern());
    for number in 0..30 {
        fill(&pair.from, &format!("Box {number:02}"), number * 100..number * 100 + 20);
    }
    let desk = Desk::new();
    let options = ["--day-download", "100k", "--connections", "1"];
    let first = run(&pair, &desk, Front::Mailferry, &options).expect(118);
    let said = "the source has moved as much as it may in a day";
    assert!(first.all().contains(said), "{}", first.report());
    assert!(first.all().contains("hint: it may go on at "), "{}", first.report());
    let count = || pair.to.snapshot().values().map(Vec::len).sum::<usize>();
    let after_first = count();
    assert!(after_first < 600, "{after_first}");
    let second = run(&pair, &desk, Front::Mailferry, &options).expect(118);
    assert_eq!(count(), after_first, "nothing more: {}", second.report());
    // Whoever knows better may go on.
    run(&pair, &desk, Front::Mailferry, &["--day-download", "0"]).expect(0);
    pair.assert_complete();
}

#[test]
fn what_gmail_documents_is_taken_for_its_limit() {
    let pair = Pair::new(Provider::Gmail.profile(), Profile::modern());
    fill(&pair.from, "INBOX", 1..6);
    let run = run(&pair, &Desk::new(), Front::Mailferry, &[]).expect(0);
    assert!(!run.all().contains("as much as it may"), "{}", run.report());
    // The server says so itself, where the ledger knows nothing.
    let pair = Pair::new(Profile::modern(), gmail_within(u64::MAX, 500, Refused::No));
    fill(&pair.from, "INBOX", 1..41);
    let run = self::run(&pair, &Desk::new(), Front::Mailferry, &["--connections", "1"]).expect(118);
    assert!(run.all().contains("Account exceeded command or bandwidth limits"), "{}", run.report());
    assert!(run.all().contains("hint: providers lift it within a day"), "{}", run.report());
}

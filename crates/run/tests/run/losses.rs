//! Servers that say OK and lose what they were given, or a part of it.

use std::collections::HashSet;
use std::sync::Arc;

use mailferry_engine::policy::Rules;
use mailferry_run::job::Job;
use mailferry_run::stop::Stop;
use mailferry_store::contract::Selection;
use mailferry_testkit::sim::{Keywords, Profile};

use crate::world::{Notes, World, assert_complete, bodies, fill, furnish, job, message};

/// The greeting by which UW imapd is known.
const UW: &str = "[NON-IPv4] Panda IMAP 2010.417";

#[tokio::test]
async fn what_the_target_took_and_lost_is_told_and_brought_by_the_next_run() {
    for target in [Profile::modern(), Profile::bare()] {
        let world = World::new();
        fill(&world.source, "INBOX", 1..21, 400);
        let losing = world.target.clone();
        // When the run counts what is there, one of the twenty is not there any more.
        let watch = move |entry: &mailferry_testkit::sim::LogEntry| {
            let there = losing.messages("INBOX");
            if entry.line.starts_with("STATUS") && there.len() == 20 {
                losing.expunge("INBOX", there[6].uid);
            }
        };
        let forgetful = Profile { watch: Some(Arc::new(watch)), ..target.clone() };
        let running = world.serve(Profile::modern(), forgetful).await;
        let notes = Arc::new(Notes::default());
        let report = running.run_with(&job(Rules::sync()), &Stop::default(), notes).await.unwrap();
        assert!(!report.is_complete());
        let words = &report.faults[0].words;
        assert!(words.contains("1 messages that the target took are not there"), "{words}");
        assert!(words.contains("UID 7)"), "{words}");
        drop(running);

        let report = world.run(Profile::modern(), target, &job(Rules::sync())).await;
        assert_complete(&report);
        assert_eq!(report.total().copied, 1);
        world.assert_same_mail();
    }
}

/// What was copied to one mailbox may be what is to go from another.
#[tokio::test]
async fn nothing_is_removed_where_the_target_lost_what_it_took() {
    for target in [Profile::modern(), Profile::bare()] {
        let world = World::new();
        fill(&world.source, "INBOX", 1..21, 400);
        world.source.add_mailbox("Old");
        fill(&world.target, "Old", 1..2, 400);
        fill(&world.target, "Older", 30..32, 400);
        let losing = world.target.clone();
        let watch = move |entry: &mailferry_testkit::sim::LogEntry| {
            let there = losing.messages("INBOX");
            if entry.line.starts_with("STATUS") && there.len() == 20 {
                losing.expunge("INBOX", there[0].uid);
            }
        };
        let forgetful = Profile { watch: Some(Arc::new(watch)), ..target.clone() };
        let running = world.serve(Profile::modern(), forgetful).await;
        let mirror = job(Rules::mirror());
        let report = running.run(&mirror).await;
        // An emptied mailbox among others is a source like any other.
        let report = report.unwrap();
        assert!(!report.is_complete());
        assert_eq!((report.total().deleted, report.deleted_mailboxes.len()), (0, 0));
        assert_eq!(bodies(&world.target, "Old"), [message(1, 400)]);
        drop(running);
        world.run_until_settled(Profile::modern(), target, &mirror).await;
        world.assert_same_mail();
    }
}

#[tokio::test]
async fn uw_imapd_gets_messages_one_by_one_and_keywords_by_store() {
    let world = World::new();
    fill(&world.source, "INBOX", 1..31, 400);
    let keywords = Keywords::DroppedByAppend;
    let target = Profile { greeting: UW.to_owned(), keywords, ..Profile::modern() };
    let running = world.serve(Profile::modern(), target).await;
    assert_complete(&running.run(&job(Rules::sync())).await.unwrap());
    world.assert_same();
    let appends = running.target.state().commands_named("APPEND");
    assert_eq!(appends.len(), 30);
    assert!(appends.iter().all(|line| line.matches('{').count() == 1), "{appends:?}");
}

#[tokio::test]
async fn a_mirror_leaves_the_subscriptions_file_of_uw_imapd_alone() {
    for (greeting, left) in [(UW, true), ("Another server", false)] {
        let world = World::new();
        fill(&world.source, "INBOX", 1..4, 400);
        world.target.add_mailbox(".mailboxlist");
        let target = Profile { greeting: greeting.to_owned(), ..Profile::modern() };
        assert_complete(&world.run(Profile::modern(), target, &job(Rules::mirror())).await);
        assert_eq!(world.target.snapshot().contains_key(".mailboxlist"), left, "{greeting}");
    }
}

/// imap4d loses all but one of the messages appended to the mailbox that is open.
#[tokio::test]
async fn nothing_is_open_where_messages_are_appended() {
    for target in [Profile::modern(), Profile::bare()] {
        let world = World::new();
        furnish(&world.source);
        let running = world.serve(Profile::modern(), target.clone()).await;
        assert_complete(&running.run(&job(Rules::mirror())).await.unwrap());
        drop(running);
        fill(&world.source, "INBOX", 400..405, 300);
        world.source.set_flags("INBOX", 1, &["New"]);
        let running = world.serve(Profile::modern(), target).await;
        assert_complete(&running.run(&job(Rules::mirror())).await.unwrap());
        let (mut open, mut appends) = (HashSet::new(), 0);
        for entry in running.target.state().log() {
            match entry.line.split(' ').next().unwrap_or_default() {
                "SELECT" | "EXAMINE" => drop(open.insert(entry.connection)),
                "UNSELECT" | "CLOSE" => drop(open.remove(&entry.connection)),
                "APPEND" => {
                    appends += 1;
                    assert!(!open.contains(&entry.connection), "{entry:?}");
                }
                _ => {}
            }
        }
        assert!(appends > 0);
    }
}

/// stalwart-lite answers `RETURN (MIN MAX COUNT ALL)` with a set that leaves messages out.
#[tokio::test]
async fn a_search_asks_for_all_hits_and_nothing_beside() {
    let world = World::new();
    fill(&world.source, "INBOX", 1..31, 400);
    let running = world.serve(Profile::modern(), Profile::modern()).await;
    let source_selection = Selection(Some(b"SINCE 1-Jan-2020".to_vec()));
    let narrowed = Job { source_selection, ..job(Rules::sync()) };
    assert_complete(&running.run(&narrowed).await.unwrap());
    let searches = running.source.state().commands_named("UID SEARCH");
    assert!(!searches.is_empty());
    assert!(searches.iter().all(|line| line.contains("RETURN (ALL) ")), "{searches:?}");
}

/// Courier ends `BODY[]` after the first 300 parts of a message.
#[tokio::test]
async fn courier_is_asked_for_whole_messages_in_the_old_way() {
    let world = World::new();
    furnish(&world.source);
    let source =
        Profile { greeting: "Courier-IMAP ready. Copyright 1998".to_owned(), ..Profile::modern() };
    let before = world.source.snapshot();
    let running = world.serve(source, Profile::modern()).await;
    assert_complete(&running.run(&job(Rules::sync())).await.unwrap());
    world.assert_same();
    assert!(before == world.source.snapshot(), "the source was changed");
    let fetches = running.source.state().commands_named("UID FETCH");
    assert!(fetches.iter().any(|line| line.ends_with("(UID RFC822)")), "{fetches:?}");
    assert!(fetches.iter().all(|line| !line.contains("BODY.PEEK[]")), "{fetches:?}");
}

//! What is removed from the target, and above all what is not.

use std::sync::Arc;

use mailferry_engine::fault::FaultKind;
use mailferry_engine::name::MailboxName;
use mailferry_engine::policy::Rules;
use mailferry_run::events::{Event, EventSink};
use mailferry_run::job::{Job, Naming};
use mailferry_run::stop::Stop;
use mailferry_testkit::sim::{AppendRequest, Extension, Profile};

use crate::world::{
    World, assert_complete, bodies, date, faults, fill, furnish, job, job_in_order, message,
};

#[tokio::test]
async fn a_presync_removes_what_the_source_no_longer_has_and_nothing_else() {
    for target in
        [Profile::modern(), Profile::bare(), Profile::modern().without(Extension::UidPlus)]
    {
        let world = World::new();
        furnish(&world.source);
        world.run_until_settled(Profile::modern(), target.clone(), &job(Rules::sync())).await;
        fill(&world.target, "Only/here", 900..903, 300);
        world.target.append("INBOX", &message(950, 500), &[], date(950));
        for uid in [1, 2, 9, 30, 31] {
            assert!(world.source.expunge("INBOX", uid));
        }
        world.run_until_settled(Profile::modern(), target, &job(Rules::presync())).await;
        assert_eq!(bodies(&world.source, "INBOX"), bodies(&world.target, "INBOX"));
        assert_eq!(world.target.messages("Only/here").len(), 3);
    }
}

#[tokio::test]
async fn a_mirror_makes_the_target_what_the_source_is() {
    for target in [Profile::modern(), Profile::bare()] {
        let world = World::new();
        furnish(&world.source);
        fill(&world.target, "Old", 900..910, 300);
        fill(&world.target, "Old/child", 910..915, 300);
        fill(&world.target, "Archive/2024", 920..925, 300);
        world.target.subscribe("Old");
        world.run_until_settled(Profile::modern(), target, &job(Rules::mirror())).await;
        let subscribed = world.target.subscriptions();
        assert!(!subscribed.contains("Old"));
        world.assert_same();
    }
}

#[tokio::test]
async fn an_edited_draft_replaces_the_old_one() {
    let world = World::new();
    let draft = |text: &str| format!("Message-Id: <draft@world>\r\n\r\n{text}\r\n").into_bytes();
    world.target.append("Drafts", &draft("the first words"), &["\\Draft"], date(1));
    world.source.append("Drafts", &draft("other words, and more"), &["\\Draft"], date(2));
    world.run_until_settled(Profile::modern(), Profile::modern(), &job(Rules::presync())).await;
    world.assert_same();
}

#[tokio::test]
async fn several_sources_that_feed_one_target_remove_nothing_of_each_other() {
    let world = World::new();
    fill(&world.source, "One", 1..11, 400);
    fill(&world.source, "Two", 11..21, 400);
    world.source.append("One", b"Subject: weak\r\n\r\none", &[], date(1));
    world.source.append("Two", b"Subject: weak\r\n\r\ntwo", &[], date(2));
    let explicit = vec![
        (MailboxName::from("One"), MailboxName::from("All")),
        (MailboxName::from("Two"), MailboxName::from("All")),
    ];
    let naming = Naming { explicit, ..Naming::default() };
    let both = Job { naming, ..job(Rules::presync()) };
    world.run_until_settled(Profile::modern(), Profile::modern(), &both).await;
    assert_eq!(world.target.messages("All").len(), 22);
    fill(&world.target, "All", 100..103, 400);
    world.source.expunge("Two", 1);
    world.run_until_settled(Profile::modern(), Profile::modern(), &both).await;
    assert_eq!(world.target.messages("All").len(), 21);
    let mut one = both.clone();
    one.mailboxes.named = vec![MailboxName::from("One")];
    let report = world.run(Profile::modern(), Profile::modern(), &one).await;
    assert_eq!(report.total().deleted, 0, "what the mailbox that takes no part has stays");
    assert_eq!(world.target.messages("All").len(), 21);
}

#[tokio::test]
async fn without_uidplus_what_others_marked_as_deleted_stays() {
    let world = World::new();
    fill(&world.source, "INBOX", 1..21, 400);
    let target = Profile::modern().without(Extension::UidPlus);
    assert_complete(&world.run(Profile::modern(), target.clone(), &job(Rules::sync())).await);
    world.source.expunge("INBOX", 5);
    world.source.expunge("INBOX", 6);
    world.source.set_flags("INBOX", 9, &["\\Deleted"]);
    world.target.set_flags("INBOX", 9, &["\\Deleted"]);
    let report = world.run(Profile::modern(), target, &job(Rules::presync())).await;
    assert_eq!(faults(&report, FaultKind::DeleteMessage), [5, 6]);
    assert_eq!((report.total().deleted, report.total().delete_failed), (0, 2));
    assert_eq!(world.target.messages("INBOX").len(), 20);
    let report = world.run(Profile::modern(), Profile::modern(), &job(Rules::presync())).await;
    assert_complete(&report);
    assert_eq!(bodies(&world.source, "INBOX"), bodies(&world.target, "INBOX"));
}

#[tokio::test]
async fn nothing_is_removed_where_a_copy_failed() {
    let world = World::new();
    fill(&world.source, "INBOX", 1..31, 400);
    assert_complete(&world.run(Profile::modern(), Profile::modern(), &job(Rules::sync())).await);
    world.source.expunge("INBOX", 3);
    fill(&world.source, "INBOX", 100..101, 400);
    fill(&world.target, "Old", 900..901, 300);
    let refuse = |_: &AppendRequest<'_>| Some("I do not like it".to_owned());
    let target = Profile { refuse: Some(Arc::new(refuse)), ..Profile::modern() };
    let report = world.run(Profile::modern(), target, &job(Rules::mirror())).await;
    assert!(!report.is_complete());
    assert_eq!((report.total().deleted, report.deleted_mailboxes.len()), (0, 0));
    world.run_until_settled(Profile::modern(), Profile::modern(), &job(Rules::mirror())).await;
    world.assert_same();
}

struct WhenPlanned<F>(F);

impl<F: Fn() + Send + Sync> EventSink for WhenPlanned<F> {
    fn on(&self, event: &Event<'_>) {
        if matches!(event, Event::Planned(_)) {
            (self.0)();
        }
    }
}

#[tokio::test]
async fn a_mailbox_that_got_mail_since_it_was_listed_is_not_deleted() {
    for target in [Profile::modern(), Profile::bare()] {
        let world = World::new();
        fill(&world.source, "INBOX", 1..4, 400);
        fill(&world.target, "Old", 500..502, 400);
        fill(&world.target, "Older", 510..512, 400);
        let running = world.serve(Profile::modern(), target.clone()).await;
        let account = world.target.clone();
        // As many as before, and one of them new.
        let events = Arc::new(WhenPlanned(move || {
            account.expunge("Old", 1);
            account.append("Old", &message(503, 400), &[], date(503));
        }));
        let mirror = job(Rules::mirror());
        let report = running.run_with(&mirror, &Stop::default(), events).await.unwrap();
        assert!(!report.is_complete());
        assert_eq!(report.deleted_mailboxes, [MailboxName::from("Older")]);
        let of_mailboxes = report.faults.iter().filter(|it| it.kind == FaultKind::DeleteMailbox);
        let words: Vec<&str> = of_mailboxes.map(|fault| &*fault.words).collect();
        assert!(words.len() == 1 && words[0].contains("mail came into it"), "{words:?}");
        assert_eq!(world.target.messages("Old").len(), 2);
        // The next run has listed it.
        world.run_until_settled(Profile::modern(), target, &mirror).await;
        world.assert_same();
    }
}

#[tokio::test]
async fn nothing_is_removed_from_a_mailbox_that_was_renumbered_after_it_was_listed() {
    let world = World::new();
    for name in ["A", "B"] {
        fill(&world.source, name, 1..21, 400);
    }
    assert_complete(&world.run(Profile::modern(), Profile::modern(), &job(Rules::sync())).await);
    fill(&world.target, "A", 500..503, 400);
    world.target.expunge("A", 1);
    fill(&world.source, "A", 600..601, 400);
    let mut expected = bodies(&world.source, "A");
    let running = world.serve(Profile::modern(), Profile::modern()).await;
    let target = world.target.clone();
    let events = Arc::new(WhenPlanned(move || target.renumber("A")));
    let report =
        running.run_with(&job_in_order(Rules::presync()), &Stop::default(), events).await.unwrap();
    assert_eq!(report.total().deleted, 0, "{report:#?}");
    assert!(!report.is_complete());
    world.run_until_settled(Profile::modern(), Profile::modern(), &job(Rules::presync())).await;
    let mut found = bodies(&world.target, "A");
    expected.sort();
    found.sort();
    assert_eq!(found, expected);
}

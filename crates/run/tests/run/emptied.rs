//! Mailboxes of the source that hold nothing, and names on the target that are taken.

use std::sync::Arc;

use mailferry_engine::policy::{Rules, SourceDeletion};
use mailferry_engine::select::LeftOutReason;
use mailferry_run::accounts::Accounts as _;
use mailferry_run::arrivals::Arrivals;
use mailferry_run::empty_mailboxes::{Doing, Emptied, delete_empty_mailboxes};
use mailferry_run::events::{Event, EventSink, Silent};
use mailferry_run::job::{CopiedFlags, Job, Unlisted};
use mailferry_run::stop::Stop;
use mailferry_run::survey::survey;
use mailferry_store::contract::{Emptiness, Removable as _, Source as _};
use mailferry_testkit::sim::{Account, Profile};

use crate::meddler::{Meddler, Rewrite};
use crate::world::{Addresses, World, assert_complete, assert_idle, digest, fill, job};

fn names(emptied: &Emptied) -> Vec<String> {
    emptied.mailboxes.iter().map(ToString::to_string).collect()
}

/// U85 of the unit catalogue.
#[tokio::test]
async fn empty_mailboxes_are_deleted_children_first_and_inbox_never() {
    for profile in [Profile::modern(), Profile::bare()] {
        let world = World::new();
        for name in ["DELME1", "DELME2", "parent", "parent/full", "nest", "nest/egg", "nest/egg/x"]
        {
            world.source.add_mailbox(name);
        }
        fill(&world.source, "parent/full", 1..2, 100);
        let running = world.serve(profile, Profile::modern()).await;
        let job = job(Rules::sync());
        let told = delete_empty_mailboxes(&running.addresses, &job, Doing::Tell).await.unwrap();
        let expected = ["nest/egg/x", "nest/egg", "nest", "DELME2", "DELME1"];
        assert_eq!(names(&told), expected);
        assert_eq!(world.source.snapshot().len(), 8, "nothing was deleted");
        let done = delete_empty_mailboxes(&running.addresses, &job, Doing::Delete).await.unwrap();
        assert_eq!(names(&done), expected);
        assert!(done.faults.is_empty(), "{:?}", done.faults);
        let left: Vec<String> = world.source.snapshot().into_keys().collect();
        assert_eq!(left, ["INBOX", "parent", "parent/full"]);
    }
}

/// What a STATUS says is what there is when nothing can arrive any more.
#[tokio::test]
async fn a_mailbox_that_gets_mail_meanwhile_stays() {
    let world = World::new();
    world.source.add_mailbox("a");
    let running = world.serve(Profile::modern(), Profile::modern()).await;
    let rewrite: Rewrite = Arc::new(|response| {
        let text = String::from_utf8_lossy(response);
        if text.contains("STATUS") && text.contains("-mailferry-empty") {
            text.replace("MESSAGES 0", "MESSAGES 1").into_bytes()
        } else {
            response.to_vec()
        }
    });
    let meddler = Meddler::start(running.addresses.source, rewrite).await;
    let addresses = Addresses { source: meddler.address, ..running.addresses.clone() };
    let mut removal = addresses.open_removal().await.unwrap();
    removal.mailboxes().await.unwrap();
    let outcome = removal.delete_empty_mailbox(&"a".into()).await.unwrap();
    assert_eq!(outcome, Emptiness::HoldsMail);
    assert!(world.source.snapshot().contains_key("a"), "it has its name again");
    assert_eq!(world.source.snapshot().len(), 2);
}

/// U88 of the unit catalogue: without the extension, and without messages, nothing is expunged that
/// was not asked for.
#[tokio::test]
async fn nothing_is_expunged_where_nothing_is_named() {
    let world = World::new();
    fill(&world.source, "INBOX", 1..4, 100);
    let running = world.serve(Profile::bare(), Profile::modern()).await;
    let mut removal = running.addresses.open_removal().await.unwrap();
    let listing =
        removal.messages(&"INBOX".into(), &Default::default(), &Default::default()).await.unwrap();
    let mailbox = mailferry_store::contract::AsListed {
        mailbox: &"INBOX".into(),
        uid_validity: listing.uid_validity,
    };
    assert!(removal.remove_messages(mailbox, &[]).await.unwrap().is_empty());
    assert_eq!(world.source.messages("INBOX").len(), 3);
    assert!(removal.remove_messages(mailbox, &listing.uid[..1]).await.unwrap().is_empty());
    assert_eq!(world.source.messages("INBOX").len(), 2);
}

/// A mailbox that the server has and does not list, as where names that differ in case are one.
#[tokio::test]
async fn a_name_that_is_taken_is_used_or_left_alone() {
    let world = World::new();
    fill(&world.source, "Box", 1..4, 100);
    world.target.add_mailbox("Box");
    let running = world.serve(Profile::modern(), Profile::modern()).await;
    let rewrite: Rewrite = Arc::new(|response| {
        let text = String::from_utf8_lossy(response);
        let hidden = text.starts_with("* LIST") && text.contains("Box");
        if hidden { Vec::new() } else { response.to_vec() }
    });
    let meddler = Meddler::start(running.addresses.target, rewrite).await;
    let addresses = Addresses { target: meddler.address, ..running.addresses.clone() };
    let careful = Job { unlisted: Unlisted::LeaveOut, ..job(Rules::sync()) };
    for (job, left_out) in [(careful, 1), (job(Rules::sync()), 0)] {
        let mut survey = survey(&addresses, &job, &Silent, &Stop::default()).await.unwrap();
        let taken = |reason| reason == LeftOutReason::NameTaken;
        let count = survey.plan.left_out.iter().filter(|left| taken(left.reason)).count();
        assert_eq!(count, left_out);
        survey.close().await;
    }
}

#[tokio::test]
async fn arrivals_choose_what_is_copied() {
    let world = World::new();
    fill(&world.source, "INBOX", 1..11, 100);
    let dates: Vec<i64> = digest(&world.source)["INBOX"].iter().map(|mail| mail.2).collect();
    let arrivals = Arrivals { since: Some(dates[3]), until: Some(dates[6]) };
    let job = Job { arrivals: [arrivals, Arrivals::default()], ..job(Rules::sync()) };
    let report = world.run(Profile::modern(), Profile::modern(), &job).await;
    assert_complete(&report);
    assert_eq!(report.total().copied, 4);
    assert_idle(&world.run(Profile::modern(), Profile::modern(), &job).await);
}

/// Takes the flags from what was stored, as a server does that forgets them.
struct Forgetful(Account);

impl EventSink for Forgetful {
    fn on(&self, event: &Event<'_>) {
        if matches!(event, Event::MailboxEnds { .. }) {
            for message in self.0.messages("INBOX") {
                self.0.set_flags("INBOX", message.uid, &["\\Draft"]);
            }
        }
    }
}

#[tokio::test]
async fn flags_that_are_not_there_after_all_are_set_if_they_are_read_back() {
    for (copied_flags, set) in [(CopiedFlags::Trusted, false), (CopiedFlags::ReadBack, true)] {
        let world = World::new();
        fill(&world.source, "INBOX", 1..6, 100);
        let running = world.serve(Profile::modern(), Profile::modern()).await;
        let job = Job { copied_flags, ..job(Rules::sync()) };
        let events = Arc::new(Forgetful(world.target.clone()));
        let report = running.run_with(&job, &Stop::default(), events).await.unwrap();
        assert_complete(&report);
        assert_eq!(digest(&world.target) == digest(&world.source), set);
    }
}

#[tokio::test]
async fn only_what_is_marked_leaves_the_source_where_that_is_the_rule() {
    let world = World::new();
    fill(&world.source, "INBOX", 1..6, 100);
    world.source.set_flags("INBOX", 2, &["\\Deleted"]);
    let rules = Rules { source_deletion: SourceDeletion::Marked, ..Rules::sync() };
    let running = world.serve(Profile::modern(), Profile::modern()).await;
    let report = running.run(&job(rules)).await.unwrap();
    assert_complete(&report);
    assert_eq!(report.total().source_deleted, 1);
    let left: Vec<u32> = world.source.messages("INBOX").iter().map(|it| it.uid).collect();
    assert_eq!(left, [1, 3, 4, 5]);
    assert_eq!(world.target.messages("INBOX").len(), 5);
}

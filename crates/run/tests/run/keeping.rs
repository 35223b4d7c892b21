//! What is taken away from the target is kept in the mailbox of the day.

use mailferry_engine::fault::FaultKind;
use mailferry_engine::keeping::{Day, Keeping};
use mailferry_engine::policy::Rules;
use mailferry_engine::select::LeftOutReason;
use mailferry_run::events::Silent;
use mailferry_run::job::Job;
use mailferry_run::stop::Stop;
use mailferry_run::survey::survey;
use mailferry_testkit::sim::{Effect, Extension, Fault, Profile};

use crate::world::{
    Mail, World, assert_complete, assert_idle, bodies, date, digest, faults, fill, job_in_order,
    message,
};

const TODAY: &str = "Backup/2026-11-26";

pub(crate) fn keeping(name: &str) -> Keeping {
    Keeping { mailbox: name.into(), day: Day::parse(b"2026-11-26").unwrap(), since: None }
}

fn keeping_job(rules: Rules) -> Job {
    Job { keeping: Some(keeping("Backup")), ..job_in_order(rules) }
}

/// Targets that move, that copy and tell where to, and that tell nothing.
fn targets() -> [Profile; 3] {
    let copying = Profile::modern().without(Extension::Move);
    [Profile::modern(), copying.clone(), copying.without(Extension::UidPlus)]
}

fn mail_in(world: &World, name: &str) -> Vec<Mail> {
    let mut mail = digest(&world.target).remove(name).unwrap_or_default();
    mail.sort();
    mail
}

/// Ten messages on both sides, of which two leave the source.
async fn two_gone(target: &Profile) -> (World, Vec<Mail>) {
    let world = World::new();
    fill(&world.source, "INBOX", 1..11, 400);
    world.source.set_flags("INBOX", 3, &["\\Seen", "Later"]);
    let first = world.run(Profile::modern(), target.clone(), &job_in_order(Rules::sync())).await;
    assert_complete(&first);
    let before = mail_in(&world, "INBOX");
    for uid in [3, 7] {
        assert!(world.source.expunge("INBOX", uid));
    }
    let stays = bodies(&world.source, "INBOX");
    (world, before.into_iter().filter(|one| !stays.contains(&one.0)).collect())
}

#[tokio::test]
async fn what_a_presync_takes_away_is_in_the_mailbox_of_the_day() {
    for target in targets() {
        let (world, gone) = two_gone(&target).await;
        assert_eq!(gone.len(), 2);
        let job = keeping_job(Rules::presync());
        let report = world.run(Profile::modern(), target.clone(), &job).await;
        assert_complete(&report);
        assert_eq!((report.total().moved, report.total().deleted), (2, 0));
        assert_eq!(mail_in(&world, TODAY), gone, "octets, flags, dates");
        assert_eq!(bodies(&world.source, "INBOX"), bodies(&world.target, "INBOX"));
        // Nobody counts it, compares it or takes it away.
        for rules in [Rules::presync(), Rules::mirror()] {
            assert_idle(&world.run(Profile::modern(), target.clone(), &keeping_job(rules)).await);
        }
        assert_eq!(mail_in(&world, TODAY), gone);
        assert!(!world.target.subscriptions().contains(TODAY));
    }
}

#[tokio::test]
async fn a_mailbox_that_a_mirror_deletes_is_emptied_first() {
    for target in targets() {
        let world = World::new();
        fill(&world.source, "INBOX", 1..4, 400);
        fill(&world.target, "Old", 900..905, 400);
        fill(&world.target, "Old/child", 910..912, 400);
        world.target.add_mailbox("Empty");
        let gone: Vec<Mail> =
            [mail_in(&world, "Old"), mail_in(&world, "Old/child")].into_iter().flatten().collect();
        let report = world.run(Profile::modern(), target, &keeping_job(Rules::mirror())).await;
        assert_complete(&report);
        assert_eq!((report.moved(), report.deleted_mailboxes.len()), (7, 3));
        let mut gone = gone;
        gone.sort();
        assert_eq!(mail_in(&world, TODAY), gone);
        assert_eq!(world.target.snapshot().len(), 3, "INBOX, Backup and the day");
    }
}

#[tokio::test]
async fn where_nothing_is_taken_away_no_mailbox_is_made() {
    let world = World::new();
    fill(&world.source, "INBOX", 1..4, 400);
    let report =
        world.run(Profile::modern(), Profile::modern(), &keeping_job(Rules::mirror())).await;
    assert_complete(&report);
    assert!(!world.target.snapshot().contains_key("Backup"));
}

/// One of equal content is moved for each that was there.
#[tokio::test]
async fn of_equal_messages_each_is_kept() {
    for target in targets() {
        let world = World::new();
        fill(&world.source, "INBOX", 1..4, 400);
        for _ in 0..2 {
            world.target.append("INBOX", &message(50, 400), &[], date(50));
        }
        world.target.append("INBOX", b"no header\r\n\r\nof its own\r\n", &[], date(51));
        let report = world.run(Profile::modern(), target, &keeping_job(Rules::presync())).await;
        assert_complete(&report);
        assert_eq!((report.total().moved, mail_in(&world, TODAY).len()), (3, 3));
    }
}

#[tokio::test]
async fn what_cannot_be_moved_stays_and_is_told() {
    for (target, command) in targets().into_iter().zip(["UID MOVE", "UID COPY", "UID COPY"]) {
        let (world, gone) = two_gone(&target).await;
        let full = Effect::No("[OVERQUOTA] Quota exceeded".to_owned());
        let faulty =
            Profile { faults: vec![Fault::at_command(command, 1, full)], ..target.clone() };
        let report = world.run(Profile::modern(), faulty, &keeping_job(Rules::presync())).await;
        assert!(!report.is_complete(), "{command}");
        assert_eq!(faults(&report, FaultKind::DeleteMessage), [3, 7]);
        let total = report.total();
        assert_eq!((total.moved, total.deleted, total.delete_failed), (0, 0, 2));
        assert_eq!(world.target.messages("INBOX").len(), 10);
        let marked = |flags: &Vec<String>| flags.iter().any(|flag| flag == "\\Deleted");
        assert!(!mail_in(&world, "INBOX").iter().any(|(_, flags, _)| marked(flags)));
        let report = world.run(Profile::modern(), target, &keeping_job(Rules::presync())).await;
        assert_complete(&report);
        assert_eq!(mail_in(&world, TODAY), gone);
    }
}

#[tokio::test]
async fn without_the_mailbox_of_the_day_nothing_goes() {
    let (world, _) = two_gone(&Profile::modern()).await;
    fill(&world.target, "Old", 900..903, 400);
    let target =
        Profile { refused_names: vec!["Backup".into(), TODAY.into()], ..Profile::modern() };
    let report = world.run(Profile::modern(), target, &keeping_job(Rules::mirror())).await;
    assert!(!report.is_complete());
    assert!(!faults(&report, FaultKind::Create).is_empty());
    assert_eq!(world.target.messages("INBOX").len(), 10);
    assert_eq!(world.target.messages("Old").len(), 3);
}

#[tokio::test]
async fn only_days_that_are_over_are_deleted_and_only_after_a_good_run() {
    let since = Some(Day::parse(b"2026-10-27").unwrap());
    let pruning = Job {
        keeping: Some(Keeping { since, ..keeping("Backup") }),
        ..job_in_order(Rules::mirror())
    };
    let (world, _) = two_gone(&Profile::modern()).await;
    let names = ["2026-10-26", "2026-10-27", "notes", "2026-09-09/own"];
    for (at, name) in (0..).zip(names) {
        fill(&world.target, &format!("Backup/{name}"), 900 + at..901 + at, 400);
    }
    let no = Effect::No("not now".to_owned());
    let faulty =
        Profile { faults: vec![Fault::at_command("UID MOVE", 1, no)], ..Profile::modern() };
    let report = world.run(Profile::modern(), faulty, &pruning).await;
    assert_eq!((report.pruned.len(), report.mailboxes_to_prune), (0, 1));
    let report = world.run(Profile::modern(), Profile::modern(), &pruning).await;
    assert_complete(&report);
    assert_eq!(report.pruned, ["Backup/2026-10-26".into()]);
    for name in &names[1..] {
        assert_eq!(world.target.messages(&format!("Backup/{name}")).len(), 1, "{name}");
    }
    assert_idle(&world.run(Profile::modern(), Profile::modern(), &pruning).await);
}

/// A full target takes more only when something has gone; what is only moved makes no room, and a day
/// that is over does.
#[tokio::test]
async fn a_full_target_keeps_what_it_has() {
    let (world, _) = two_gone(&Profile::modern()).await;
    fill(&world.source, "INBOX", 100..103, 400);
    let mut full = Profile::modern();
    full.limits.quota_messages_max = Some(10);
    let report = world.run(Profile::modern(), full.clone(), &keeping_job(Rules::presync())).await;
    assert!(!report.is_complete());
    assert_eq!((report.total().moved, world.target.messages("INBOX").len()), (0, 10));
}

/// In the backup that is restored from, what was taken away is no mail of the account; in the account,
/// what is kept is not there.
#[tokio::test]
async fn what_is_kept_takes_no_part_on_either_side() {
    let world = World::new();
    fill(&world.source, "INBOX", 1..4, 400);
    fill(&world.source, TODAY, 50..52, 400);
    fill(&world.target, "Backup/2026-01-01", 1..2, 400);
    let job = keeping_job(Rules::restore());
    let running = world.serve(Profile::modern(), Profile::modern()).await;
    let survey = survey(&running.addresses, &job, &Silent, &Stop::default()).await.unwrap();
    let left: Vec<_> =
        survey.plan.left_out.iter().map(|left| (left.mailbox.to_string(), left.reason)).collect();
    assert!(left.contains(&(TODAY.to_owned(), LeftOutReason::Keeping)), "{left:?}");
    let report = world.run(Profile::modern(), Profile::modern(), &job).await;
    assert_complete(&report);
    assert_eq!(report.total().copied, 3);
    assert!(world.target.messages(TODAY).is_empty());
}

//! What a receipt says is what the plan and the report say: one row for every listed message,
//! whatever becomes of it. Every run of these tests is held to that.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use mailferry_engine::fault::FaultKind;
use mailferry_engine::message::Uid;
use mailferry_engine::policy::{FlagPolicy, Rules, Sizes};
use mailferry_run::job::Job;
use mailferry_run::receipt::{
    Fate, Finish, Folder, Others, ReadReceipt, ReceiptError, RemovalFate, RunId, Tally, Why,
};
use mailferry_testkit::sim::{AppendRequest, Limits, Profile};

use crate::world::{
    World, assert_complete, assert_idle, date, fill, furnish, job, job_in_order, message, receipt,
};

/// The rows of a receipt: mailbox, UID, fate, UID on the target, subject.
type Rows = Vec<(String, u32, Fate, Option<u32>, String)>;

fn rows(folder: &Folder, receipt: &ReadReceipt) -> Rows {
    let (mut rows, mut others) = (Vec::new(), Others::new(folder));
    for (at, part) in receipt.parts.iter().enumerate() {
        let each = &mut |message: &mailferry_run::receipt::Message<'_>| {
            let (uid, target) = (message.uid.value(), message.target.map(Uid::value));
            let subject = message.headline.subject.clone();
            rows.push((part.source.to_string(), uid, message.fate, target, subject));
        };
        receipt.messages(at, &mut others, each).unwrap();
    }
    rows
}

fn with_receipt(job: Job, folder: &Path, number: i64) -> Job {
    Job { receipt: Some(receipt(folder, number)), ..job }
}

#[tokio::test]
async fn every_fate_has_its_row_and_the_sums_add_up() {
    let folder = tempfile::tempdir().unwrap();
    let world = World::new();
    // Copied first, so that they are present, two of them with other flags then.
    fill(&world.source, "INBOX", 1..6, 700);
    fill(&world.source, "Other", 50..53, 700);
    let profile = Profile::modern;
    assert_complete(&world.run(profile(), profile(), &job(Rules::sync())).await);
    world.source.set_flags("INBOX", 2, &["\\Answered"]);
    fill(&world.target, "INBOX", 90..92, 300);
    fill(&world.source, "INBOX", 10..13, 800);
    fill(&world.source, "INBOX", 20..21, 40_000);
    fill(&world.source, "INBOX", 30..32, 9_000);
    let refuse = |request: &AppendRequest<'_>| {
        let is_it = request.octets.windows(10).any(|octets| octets == b"<11@world>");
        is_it.then(|| "no \u{1b}[2J =cmd".to_owned())
    };
    let limits = Limits { append_octets_max: Some(20_000), ..Limits::default() };
    let target = Profile { limits, refuse: Some(Arc::new(refuse)), ..profile() };
    let target = target.with(mailferry_testkit::sim::Extension::AppendLimit);
    let sizes = Sizes { max: Some(8_000), ..Sizes::default() };
    let rules = Rules { sizes, flags: FlagPolicy::Mirror, ..Rules::presync() };
    let run = with_receipt(job_in_order(rules), folder.path(), 0);
    let report = world.run(profile(), target, &run).await;
    assert!(!report.is_complete());

    let folder = Folder::new(folder.path().to_owned());
    let read = folder.read(&folder.find("last").unwrap()).unwrap();
    assert!(read.adds_up());
    let expected =
        Tally { listed: 14, copied: 2, present: 8, skipped: 3, failed: 1, ..Tally::default() };
    assert_eq!(read.tally(), expected);
    let fates: BTreeMap<u32, Fate> = rows(&folder, &read)
        .into_iter()
        .filter(|row| row.0 == "INBOX")
        .map(|(_, uid, fate, ..)| (uid, fate))
        .collect();
    let too_big = Fate::Skipped(Why::TooBig, 8_000);
    assert_eq!(
        fates.into_iter().collect::<Vec<_>>(),
        [
            (1, Fate::Present),
            (2, Fate::Present),
            (3, Fate::Present),
            (4, Fate::Present),
            (5, Fate::Present),
            (6, Fate::Copied),
            (7, Fate::Failed),
            (8, Fate::Copied),
            (9, too_big),
            (10, too_big),
            (11, too_big),
        ]
    );
    assert_eq!(read.changes.len(), 1);
    let after: Vec<_> = read.changes[0].after.iter().map(|flag| flag.as_bytes()).collect();
    assert_eq!(after, [b"\\Answered"]);
    // A copy failed, so nothing was removed.
    let left = read.removals().filter(|it| it.fate == RemovalFate::NotStarted).count();
    assert_eq!((left, read.removals().count()), (2, 2));
    let part = &read.parts[0];
    assert!(part.source_uid_validity != 0 && part.target_uid_validity != 0);
}

#[tokio::test]
async fn an_unchanged_mailbox_is_one_row_that_leads_to_the_rows_of_the_run_that_copied_it() {
    let folder = tempfile::tempdir().unwrap();
    let world = World::new();
    furnish(&world.source);
    let profile = Profile::modern;
    for number in 0..4 {
        if number == 3 {
            fill(&world.source, "Archive/2024", 400..401, 600);
        }
        let run = with_receipt(job(Rules::sync()), folder.path(), number);
        let report = world.run(profile(), profile(), &run).await;
        assert_complete(&report);
        if (1..3).contains(&number) {
            assert_idle(&report);
        }
    }
    let folder = Folder::new(folder.path().to_owned());
    let runs = folder.runs().unwrap();
    let receipts: Vec<ReadReceipt> = runs.iter().map(|run| folder.read(run).unwrap()).collect();
    let first = rows(&folder, &receipts[0]);
    assert!(first.iter().all(|row| row.2 == Fate::Copied && row.3.is_some()));
    for later in &receipts[1..3] {
        for part in later.parts.iter().filter(|part| part.tally().listed > 0) {
            assert_eq!(part.as_in.as_ref(), Some(&runs[0]), "{}", part.source);
        }
        // The same messages, under the same names, at the same places.
        let there: Rows = first
            .iter()
            .cloned()
            .map(|(mailbox, uid, _, target, subject)| {
                (mailbox, uid, Fate::Present, target, subject)
            })
            .collect();
        assert_eq!(rows(&folder, later), there);
        assert_eq!(later.tally().present, later.tally().listed);
        assert!(later.adds_up());
    }
    let changed: Vec<_> = receipts[3].parts.iter().filter(|part| part.as_in.is_none()).collect();
    let changed: Vec<String> = changed
        .iter()
        .filter(|part| part.tally().listed > 0)
        .map(|part| part.source.to_string())
        .collect();
    assert_eq!(changed, ["Archive/2024"]);

    // The first one is kept as long as a later one leads to it.
    let pruned = folder.prune(Some(2), None).unwrap();
    assert_eq!((pruned.removed, pruned.needed), (vec![runs[1].clone()], vec![runs[0].clone()]));
    assert_eq!(rows(&folder, &receipts[2]).len(), first.len());
    let of_first = folder.path().join(format!("{}.receipt", runs[0]));
    std::fs::remove_file(&of_first).unwrap();
    let gone = receipts[2].messages(0, &mut Others::new(&folder), &mut |_| {});
    let part = receipts[2].parts.iter().position(|part| part.as_in.is_some()).unwrap();
    let gone = gone.and(receipts[2].messages(part, &mut Others::new(&folder), &mut |_| {}));
    assert!(matches!(gone, Err(ReceiptError::Read { .. })), "{gone:?}");
    // Nothing leads to what is gone: the next run writes all rows down.
    let run = with_receipt(job(Rules::sync()), folder.path(), 9);
    assert_idle(&world.run(profile(), profile(), &run).await);
    let last = folder.read(&folder.find("last").unwrap()).unwrap();
    let leads_there = |part: &&mailferry_run::receipt::Part| part.as_in.as_ref() == Some(&runs[0]);
    assert_eq!(last.parts.iter().filter(leads_there).count(), 0);
    assert_eq!(rows(&folder, &last).len(), first.len() + 1);
}

#[tokio::test]
async fn a_message_elsewhere_on_the_target_than_before_is_no_unchanged_mailbox() {
    let folder = tempfile::tempdir().unwrap();
    let world = World::new();
    fill(&world.source, "INBOX", 1..5, 500);
    let profile = Profile::modern;
    let run = with_receipt(job(Rules::sync()), folder.path(), 0);
    assert_complete(&world.run(profile(), profile(), &run).await);
    // The same message under another UID.
    let moved = world.target.messages("INBOX")[1].octets.to_vec();
    assert!(world.target.expunge("INBOX", 2));
    world.target.append("INBOX", &moved, &["\\Seen", "\\Answered", "Work"], date(2));
    let run = with_receipt(job(Rules::sync()), folder.path(), 1);
    assert_complete(&world.run(profile(), profile(), &run).await);
    let folder = Folder::new(folder.path().to_owned());
    let read = folder.read(&folder.find("last").unwrap()).unwrap();
    assert_eq!(read.parts[0].as_in, None);
    let targets: Vec<_> = rows(&folder, &read).iter().map(|row| row.3).collect();
    assert_eq!(targets, [Some(1), Some(5), Some(3), Some(4)]);
}

#[tokio::test]
async fn runs_that_begin_in_one_second_have_receipts_of_their_own() {
    let folder = tempfile::tempdir().unwrap();
    let world = World::new();
    fill(&world.source, "INBOX", 1..3, 500);
    for _ in 0..3 {
        let run = with_receipt(job(Rules::sync()), folder.path(), 0);
        assert_complete(&world.run(Profile::modern(), Profile::modern(), &run).await);
    }
    let folder = Folder::new(folder.path().to_owned());
    let runs: Vec<RunId> = folder.runs().unwrap();
    assert_eq!(runs.len(), 3);
    let begin = runs[0].as_str();
    assert_eq!(folder.find(begin).unwrap(), runs[0]);
    assert_eq!(folder.find("last").unwrap(), runs[2]);
    assert!(matches!(folder.find("2026"), Err(ReceiptError::SeveralRuns { count: 3, .. })));
    assert!(matches!(folder.find("2025"), Err(ReceiptError::NoSuchRun { .. })));
    for run in runs {
        assert_eq!(folder.list_one(&run).unwrap().finish, Finish::Complete);
    }
}

#[tokio::test]
async fn a_receipt_that_cannot_be_written_harms_no_mail_and_is_told() {
    let home = tempfile::tempdir().unwrap();
    let world = World::new();
    fill(&world.source, "INBOX", 1..3, 500);
    let run = with_receipt(job(Rules::sync()), &home.path().join("apart"), 0);
    let name = world.run(Profile::modern(), Profile::modern(), &run).await.receipt.unwrap().run;
    // No folder can be made: there is no place for receipts, and that is no failure.
    let in_the_way = home.path().join("file");
    std::fs::write(&in_the_way, "x").unwrap();
    fill(&world.source, "INBOX", 3..5, 500);
    let place = receipt(&in_the_way.join("runs"), 0);
    let run = Job { receipt: Some(Arc::clone(&place)), ..job(Rules::sync()) };
    let report = world.run(Profile::modern(), Profile::modern(), &run).await;
    assert_complete(&report);
    assert!(report.receipt.is_none() && place.no_place().is_some());
    // The folder is there, and nothing can be written into it.
    let folder = home.path().join("runs");
    std::fs::create_dir(&folder).unwrap();
    let taken = |attempt: u32| {
        let again = if attempt == 0 { String::new() } else { format!("-{}", attempt + 1) };
        std::fs::create_dir(folder.join(format!("{name}{again}.receipt"))).unwrap();
    };
    (0..1000).for_each(taken);
    fill(&world.source, "INBOX", 5..7, 500);
    let run = with_receipt(job(Rules::sync()), &folder, 0);
    let report = world.run(Profile::modern(), Profile::modern(), &run).await;
    let kinds: Vec<FaultKind> = report.faults.iter().map(|fault| fault.kind).collect();
    assert_eq!((kinds, report.total().copied), (vec![FaultKind::Receipt], 2));
    world.assert_same();
}

#[tokio::test]
async fn what_a_message_is_called_is_known_of_each_that_was_sent() {
    let folder = tempfile::tempdir().unwrap();
    let world = World::new();
    world.source.append("INBOX", &message(1, 700), &[], date(1));
    world.source.append("INBOX", &message(2, 300_000), &[], date(2));
    world.source.append("INBOX", b"\r\nno header\r\n", &[], date(3));
    let run = with_receipt(job(Rules::sync()), folder.path(), 0);
    assert_complete(&world.run(Profile::modern(), Profile::modern(), &run).await);
    let folder = Folder::new(folder.path().to_owned());
    let read = folder.read(&folder.find("last").unwrap()).unwrap();
    let mut called = Vec::new();
    let each = &mut |message: &mailferry_run::receipt::Message<'_>| {
        called.push((message.headline.clone(), message.octets));
    };
    read.messages(0, &mut Others::new(&folder), each).unwrap();
    let told: Vec<_> = called
        .iter()
        .map(|(headline, octets)| {
            (headline.message_id.as_str(), headline.subject.as_str(), octets.unwrap())
        })
        .collect();
    assert_eq!(
        told,
        [("<1@world>", "message 1", 700), ("<2@world>", "message 2", 300_000), ("", "", 13)]
    );
}

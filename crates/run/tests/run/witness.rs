//! Holds a receipt against the plan and the report of its run.

use std::path::Path;

use mailferry_engine::account::Plan;
use mailferry_engine::plan::{Action, Decision, SkipReason};
use mailferry_run::receipt::{Fate, Finish, Folder, Others, RemovalFate, Why};
use mailferry_run::report::{Done, Report};

/// Whether a fate may be what became of a decision.
fn fits(decision: Decision, fate: Fate) -> bool {
    match decision {
        Decision::Act(Action::Copy) => {
            let is_left_out = fate == Fate::Skipped(Why::Content, 0);
            is_left_out
                || matches!(fate, Fate::Copied | Fate::Failed | Fate::Expunged | Fate::NotStarted)
        }
        Decision::Act(Action::UpdateFlags { .. }) | Decision::Present { .. } => {
            fate == Fate::Present
        }
        Decision::Skip(SkipReason::OverAppendLimit { limit }) => {
            fate == Fate::Skipped(Why::OverAppendLimit, limit)
        }
        Decision::Skip(_) => matches!(fate, Fate::Skipped(..)),
        Decision::Problem(_) => fate == Fate::Failed,
    }
}

/// The one receipt of a folder tells of every message of the plan, as the report does.
#[track_caller]
pub(crate) fn assert_receipt(folder: &Path, plan: &Plan, report: &Report) {
    let folder = Folder::new(folder.to_owned());
    let receipt = folder.read(&folder.find("last").unwrap()).unwrap();
    let written = report.receipt.as_ref().expect("a receipt");
    assert_eq!((written.run.as_str(), &written.digest), (receipt.run.as_str(), &receipt.digest));
    assert!(receipt.adds_up(), "{:?}", receipt.tally());
    let finish = if report.is_complete() { Finish::Complete } else { Finish::Incomplete };
    assert_eq!((receipt.finish, receipt.unsealed), (finish, 0));
    let mut others = Others::new(&folder);
    let mut at = 0;
    for (mailbox, reported) in plan.mailboxes.iter().zip(&report.mailboxes) {
        let mut done = Done::default();
        if reported.planned != mailbox.counts {
            // It was planned again, since another run worked there.
            at += mailbox.parts.len();
            continue;
        }
        for part in &mailbox.parts {
            assert_eq!(
                (&receipt.parts[at].source, &receipt.parts[at].target),
                (&part.source, &mailbox.target)
            );
            let mut planned = part.uids.iter().zip(&part.decisions);
            receipt
                .messages(at, &mut others, &mut |message| {
                    let (uid, decision) = planned.next().expect("no more than were listed");
                    assert_eq!(message.uid, *uid);
                    assert!(fits(*decision, message.fate), "{decision:?} became {message:?}");
                    if let Decision::Present { target } = decision {
                        assert_eq!(message.target, Some(*target));
                    }
                    match (decision, message.fate) {
                        (Decision::Problem(_), _) => {}
                        (_, Fate::Copied) => done.copied += 1,
                        (_, Fate::Failed) => done.failed += 1,
                        (_, Fate::Expunged) => done.expunged += 1,
                        (_, Fate::Skipped(Why::Content, _)) => done.left_out += 1,
                        _ => {}
                    }
                    let is_known = message.reason.is_some();
                    assert!(is_known || message.fate != Fate::Failed, "{message:?}");
                })
                .unwrap();
            assert!(planned.next().is_none(), "a message without a row");
            at += 1;
        }
        let told = |done: &Done| [done.copied, done.failed, done.expunged, done.left_out];
        assert_eq!(told(&done), told(&reported.done), "{reported:?}");
    }
    assert_eq!(at, receipt.parts.len());
    let total = report.total();
    let removed = |of_double: bool| {
        let removals = receipt.removals().filter(|it| it.fate == RemovalFate::Removed);
        removals.filter(|it| (&*it.why == "stored-twice") == of_double).count() as u64
    };
    assert_eq!((removed(false), removed(true)), (total.deleted, report.doubles_removed));
    let gone = receipt.departures.iter().flat_map(|departures| &departures.messages);
    assert_eq!(gone.filter(|message| message.is_moved).count() as u64, report.moved());
    let moved = receipt.removals().filter(|it| matches!(it.fate, RemovalFate::Moved(_)));
    assert_eq!(moved.count() as u64, total.moved);
    assert_eq!(receipt.pruned.len(), report.pruned.len());
    let planned: u64 = report.mailboxes.iter().map(|mailbox| mailbox.planned.deletions()).sum();
    assert_eq!(receipt.removals().count() as u64, planned + report.doubles_removed);
    assert_eq!(receipt.changes.len() as u64, total.flags_updated);
    assert_eq!(receipt.created, report.created);
    assert_eq!(receipt.deleted.len(), report.deleted_mailboxes.len());
}

//! Targets that rewrite the headers of what they store: their messages are recognised by what the
//! state knows of the copies, or not at all.

use mailferry_engine::fault::{Fault, FaultKind, Side};
use mailferry_engine::plan::{Action, Decision, HeldBack, HoldReason, MailboxPlan, PartPlan};

/// How many messages are on the target by what the state knows of them, and are not by what the
/// target tells now.
pub(super) fn known_by_pairs_alone(known: &MailboxPlan, fresh: &MailboxPlan) -> usize {
    let parts = known.parts.iter().zip(&fresh.parts);
    parts.map(|(known, fresh)| known_in(known, fresh)).sum()
}

fn known_in(known: &PartPlan, fresh: &PartPlan) -> usize {
    let is_there = |decision: &Decision| {
        matches!(decision, Decision::Present { .. } | Decision::Act(Action::UpdateFlags { .. }))
    };
    let was_there = |uid| {
        let at = known.uids.binary_search(uid).ok();
        at.and_then(|at| known.decisions.get(at)).is_some_and(is_there)
    };
    let is_lost = |decision: &Decision| {
        matches!(decision, Decision::Act(Action::Copy) | Decision::Problem(_))
    };
    let fresh = fresh.uids.iter().zip(&fresh.decisions);
    fresh.filter(|(uid, decision)| is_lost(decision) && was_there(uid)).count()
}

/// Takes from a plan what must not rest on stored pairs, and says so.
pub(super) fn without_removals(mut plan: MailboxPlan, known: usize) -> MailboxPlan {
    let removals = plan.delete.len() as u64;
    plan.delete.clear();
    plan.counts.delete = 0;
    plan.counts.delete_duplicates = 0;
    plan.counts.delete_source = 0;
    if removals > 0 {
        plan.held_back.push(HeldBack { reason: HoldReason::Unrecognised, messages: removals });
        plan.counts.held_back += removals;
    }
    let words = format!(
        "{known} messages are known only by the UIDs of their copies, since the target rewrites what \
         it stores; copying goes on, and nothing is removed"
    );
    let fault = Fault::new(Side::Target, FaultKind::Unrecognised, words);
    plan.faults.push(fault.in_mailbox(&plan.target));
    plan
}

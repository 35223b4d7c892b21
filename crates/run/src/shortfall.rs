//! Messages that the target said it had taken and does not hold.
//!
//! A server may answer OK to an APPEND and lose the message nevertheless: UW imapd ran two messages
//! of one MULTIAPPEND together, and mailutils' imap4d keeps only the last of those that are
//! appended to the mailbox that is open. Then STATUS counts fewer messages than there were and were
//! sent. Somebody who removes mail from the target meanwhile makes it do so, too: which of the two
//! it was cannot be told, so it is told which messages are not there.

use std::collections::BTreeMap;

use mailferry_engine::fault::{Fault, FaultKind, Retry, Scope, Side};
use mailferry_engine::message::Uid;
use mailferry_engine::pairing::{SourceFate, TargetQuestion};
use mailferry_engine::policy::Duplicates;
use mailferry_store::contract::Source;

use crate::course::Landed;
use crate::mailbox::Task;
use crate::settle::{arrived, list_doubts, pair_all};

/// How many of the missing messages are named.
const NAMED_MAX: usize = 20;

/// The copies of one mailbox that are not there, as a fault of the mailbox: they were copied, and
/// the next run copies them again.
///
/// # Errors
/// It cannot be found out, or the connection is of no more use.
pub(crate) async fn find_lost<S: Source, T: Source>(
    source: &mut S,
    target: &mut T,
    task: &Task<'_>,
    landed: &Landed,
) -> Result<Option<Fault>, Fault> {
    let nothing_named = Landed { uid_validity: landed.uid_validity, copies: Vec::new() };
    let arrived = arrived(target, task, &nothing_named).await?;
    let mut missing: BTreeMap<usize, Vec<Uid>> = BTreeMap::new();
    for copy in &landed.copies {
        if copy.target.is_none_or(|uid| arrived.position(uid).is_none()) {
            missing.entry(copy.part as usize).or_default().push(copy.source);
        }
    }
    missing.values_mut().for_each(|uids| uids.sort_unstable());
    let doubts = list_doubts(source, task, missing).await?;
    // What is there once stands for all of equal content: some servers keep one of them.
    let question = (task, TargetQuestion::None, Duplicates::CopyOne);
    let pairs = pair_all((source, &doubts), (target, &arrived), question).await?;
    let mut lost = Vec::new();
    for (doubt, fates) in doubts.iter().zip(pairs.parts) {
        for (uid, fate) in doubt.listing.uid.iter().zip(fates) {
            if matches!(fate, SourceFate::New | SourceFate::NewContent | SourceFate::NoDigest) {
                lost.push(uid.value().to_string());
            }
        }
    }
    if lost.is_empty() {
        return Ok(None);
    }
    let (count, named) = (lost.len(), &lost[..lost.len().min(NAMED_MAX)]);
    let more = if count > named.len() { ", …" } else { "" };
    let words = format!(
        "{count} messages that the target took are not there (on the source UID {}{more}): the \
         server lost them, or another program removed them meanwhile",
        named.join(", ")
    );
    let fault = Fault::new(Side::Target, FaultKind::Append, words);
    let fault = Fault { scope: Scope::Mailbox, retry: Retry::Later, ..fault };
    Ok(Some(fault.in_mailbox(&task.plan.target)))
}

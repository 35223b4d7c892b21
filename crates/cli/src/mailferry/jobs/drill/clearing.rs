//! Taking away what a drill made, and nothing else: messages by their UIDs, then the mailboxes that
//! it created, if they are empty.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

use mailferry_engine::fault::Fault;
use mailferry_engine::listing::AccountListing;
use mailferry_engine::message::Uid;
use mailferry_engine::name::MailboxName;
use mailferry_run::events::{Copied, Event, EventSink};
use mailferry_run::report::Report;
use mailferry_run::survey::Survey;
use mailferry_store::contract::{AsListed, Source, Target};

use crate::fault_text::shown;
use crate::servers::Servers;

/// What stands on the target because of the drill.
#[derive(Debug, Default)]
pub(super) struct Copies(Mutex<BTreeMap<MailboxName, OfMailbox>>);

#[derive(Debug, Default)]
struct OfMailbox {
    /// UIDs that the target told when it took the messages.
    told: BTreeSet<Uid>,
    /// Messages whose UIDs it did not tell.
    untold: u64,
    /// Messages that the comparison knew again.
    paired: BTreeSet<Uid>,
}

impl OfMailbox {
    /// The mailbox was empty before, so that what is known again is ours.
    fn uids(&self) -> Vec<Uid> {
        let paired = self.paired.iter().filter(|_| self.untold > 0);
        self.told.iter().chain(paired).copied().collect::<BTreeSet<_>>().into_iter().collect()
    }
}

impl Copies {
    /// A message of the target that stands for one of the backup.
    pub(super) fn note_pair(&self, mailbox: &MailboxName, uid: u32) {
        let Some(uid) = Uid::new(uid) else { return };
        let mut copies = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        copies.entry(mailbox.clone()).or_default().paired.insert(uid);
    }

    fn uids(&self, mailbox: &MailboxName) -> Vec<Uid> {
        let copies = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        copies.get(mailbox).map(OfMailbox::uids).unwrap_or_default()
    }
}

impl EventSink for Copies {
    fn on(&self, event: &Event<'_>) {
        let Event::Copied(Copied { target, target_uid, .. }) = event else { return };
        let mut copies = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let of_mailbox = copies.entry((*target).clone()).or_default();
        match target_uid {
            Some(uid) => {
                of_mailbox.told.insert(*uid);
            }
            None => of_mailbox.untold += 1,
        }
    }
}

/// Takes it away; answers what had to stay, and why.
///
/// # Errors
/// The connection broke.
pub(super) async fn clear(
    survey: &mut Survey<Servers>,
    report: &Report,
    copies: &Copies,
    before: &AccountListing,
) -> Result<Vec<String>, Fault> {
    let mut left = Vec::new();
    let target = &mut survey.connections.1;
    for (plan, listings) in survey.plan.mailboxes.iter().zip(&survey.listings) {
        let uids = copies.uids(&plan.target);
        if uids.is_empty() {
            continue;
        }
        let uid_validity = listings.target.uid_validity;
        let listed = AsListed { mailbox: &plan.target, uid_validity };
        for (uid, fault) in target.delete_messages(listed, &uids).await? {
            left.push(format!("UID {uid} of `{}` ({})", shown(&plan.target), fault.words));
        }
    }
    let now = target.mailboxes().await?;
    let mut ours: Vec<&MailboxName> = now
        .mailboxes
        .iter()
        .map(|mailbox| &mailbox.name)
        .filter(|name| before.find(name).is_none() && is_ours(name, report, now.delimiter))
        .collect();
    // Children first.
    ours.sort_by_key(|name| std::cmp::Reverse(name.as_bytes().len()));
    for name in ours {
        let info = now.find(name);
        let is_empty = match info.filter(|info| info.selectable) {
            None => true,
            Some(info) => match info.messages {
                Some(messages) => messages == 0,
                None => {
                    let marks = target.marks(std::slice::from_ref(name)).await?;
                    marks.first().and_then(|mark| mark.messages) == Some(0)
                }
            },
        };
        if !is_empty {
            left.push(format!("`{}` holds other mail", shown(name)));
            continue;
        }
        if let Err(fault) = target.delete_mailbox(name).await {
            // A parent in name only goes with its last child on some servers.
            if info.is_some_and(|info| info.selectable) {
                left.push(format!("`{}` ({})", shown(name), fault.words));
            }
        }
    }
    Ok(left)
}

/// Whether the drill created it, or it came as the parent of one that it created.
fn is_ours(name: &MailboxName, report: &Report, delimiter: Option<u8>) -> bool {
    report.created.iter().any(|created| {
        let rest = created.as_bytes().strip_prefix(name.as_bytes());
        rest.is_some_and(|rest| rest.is_empty() || rest.first().copied() == delimiter)
    })
}

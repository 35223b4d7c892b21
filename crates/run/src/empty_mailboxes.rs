//! Deleting mailboxes of the source that hold nothing (`--delete1emptyfolders`).

use std::collections::BTreeSet;

use mailferry_engine::fault::{Fault, FaultKind, Scope, Side};
use mailferry_engine::listing::{MailboxInfo, Namespace};
use mailferry_engine::name::MailboxName;
use mailferry_engine::select::select_mailboxes;
use mailferry_store::contract::{Emptiness, Removable, Source};

use crate::accounts::Accounts;
use crate::job::Job;

/// What became of empty mailboxes.
#[derive(Debug, Default)]
pub struct Emptied {
    /// Deleted, or those that would be.
    pub mailboxes: Vec<MailboxName>,
    /// Why others were not.
    pub faults: Vec<Fault>,
}

/// Whether it is done or only told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Doing {
    /// They are deleted.
    Delete,
    /// Nothing is.
    Tell,
}

/// Deletes the mailboxes of the source that take part, are the user's own and hold neither messages
/// nor other mailboxes; children before their parents, so that a parent may follow. Never INBOX.
///
/// # Errors
/// The source could not be looked at, or its connection broke meanwhile.
pub async fn delete_empty_mailboxes<A: Accounts>(
    accounts: &A,
    job: &Job,
    doing: Doing,
) -> Result<Emptied, Fault> {
    let mut source = accounts.open_removal().await?;
    let account = source.mailboxes().await?;
    let choice = job.mailboxes.resolved(&account);
    let selected = select_mailboxes(&account, &choice.selection()).map_err(|failed| {
        let fault = Fault::new(Side::Source, FaultKind::Limit, failed.to_string());
        fault.in_mailbox(&failed.mailbox)
    })?;
    let mut there: BTreeSet<&MailboxName> =
        account.mailboxes.iter().map(|mailbox| &mailbox.name).collect();
    let mut chosen = selected.chosen;
    chosen.sort_by(|one, other| other.name.cmp(&one.name));
    let mut emptied = Emptied::default();
    for mailbox in chosen {
        if !may_go(mailbox) || is_parent(mailbox, account.delimiter, &there) {
            continue;
        }
        let outcome = match doing {
            Doing::Tell => Ok(Emptiness::Deleted),
            Doing::Delete => source.delete_empty_mailbox(&mailbox.name).await,
        };
        match outcome {
            Ok(Emptiness::Deleted) => {
                there.remove(&mailbox.name);
                emptied.mailboxes.push(mailbox.name.clone());
            }
            Ok(Emptiness::HoldsMail) => {}
            Err(fault) if fault.scope <= Scope::Mailbox => emptied.faults.push(fault),
            Err(fault) => return Err(fault),
        }
    }
    source.close().await;
    Ok(emptied)
}

fn may_go(mailbox: &MailboxInfo) -> bool {
    !mailbox.name.is_inbox()
        && mailbox.namespace == Namespace::Personal
        && mailbox.messages == Some(0)
}

fn is_parent(mailbox: &MailboxInfo, delimiter: Option<u8>, there: &BTreeSet<&MailboxName>) -> bool {
    let Some(delimiter) = mailbox.delimiter.or(delimiter) else { return false };
    let below = [mailbox.name.as_bytes(), &[delimiter]].concat();
    there.iter().any(|name| name.as_bytes().starts_with(&below))
}

//! Deleting a mailbox that holds nothing, and nothing that arrives meanwhile.

use mailferry_engine::fault::{Fault, FaultKind};
use mailferry_engine::name::MailboxName;
use mailferry_imap::command::Command;
use mailferry_imap::response::Untagged;
use mailferry_imap::session::Completion;

use super::ImapAccount;
use crate::contract::Emptiness;

/// What is added to the name of a mailbox that is about to be deleted.
const SET_ASIDE: &[u8] = b"-mailferry-empty";

impl ImapAccount {
    /// DELETE takes whatever is in a mailbox by then. So it is renamed first: from then on nothing is
    /// delivered there, and it is looked once more whether it is empty. If the run is killed in
    /// between, an empty mailbox of another name stays.
    pub(super) async fn remove_empty_mailbox(
        &mut self,
        mailbox: &MailboxName,
    ) -> Result<Emptiness, Fault> {
        self.unselect().await?;
        let aside = MailboxName::new([mailbox.as_bytes(), SET_ASIDE].concat());
        let renamed = self.rename(mailbox, &aside).await?;
        if !renamed.is_ok() {
            return Err(self.not_deleted(mailbox, &renamed));
        }
        let status = Command::new("STATUS").sp().mailbox(aside.as_bytes()).sp().raw("(MESSAGES)");
        let mut messages = None;
        let told = self.run(&status, |data| {
            if let Untagged::Status { items, .. } = data {
                messages = items.messages;
            }
        });
        let told = told.await?;
        if messages != Some(0) {
            let back = self.rename(&aside, mailbox).await?;
            return match messages {
                _ if !back.is_ok() => Err(self.not_deleted(&aside, &back)),
                Some(_) => Ok(Emptiness::HoldsMail),
                None => Err(self.not_deleted(mailbox, &told)),
            };
        }
        let delete = Command::new("DELETE").sp().mailbox(aside.as_bytes());
        let deleted = self.run(&delete, |_| {}).await?;
        if !deleted.is_ok() {
            self.rename(&aside, mailbox).await?;
            return Err(self.not_deleted(mailbox, &deleted));
        }
        let unsubscribe = Command::new("UNSUBSCRIBE").sp().mailbox(mailbox.as_bytes());
        self.run(&unsubscribe, |_| {}).await?;
        Ok(Emptiness::Deleted)
    }

    async fn rename(&mut self, from: &MailboxName, to: &MailboxName) -> Result<Completion, Fault> {
        let names = Command::new("RENAME").sp().mailbox(from.as_bytes());
        self.run(&names.sp().mailbox(to.as_bytes()), |_| {}).await
    }

    fn not_deleted(&self, mailbox: &MailboxName, refusal: &Completion) -> Fault {
        self.fault(FaultKind::DeleteMailbox, refusal.words()).in_mailbox(mailbox)
    }
}

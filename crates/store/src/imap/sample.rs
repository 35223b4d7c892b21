//! Some messages of one mailbox, asked for together with what STATUS tells of many.

use std::collections::BTreeMap;

use mailferry_engine::fault::{Fault, Scope};
use mailferry_engine::identity::KeyRule;
use mailferry_engine::listing::{Mark, MessageListing};
use mailferry_engine::message::Uid;
use mailferry_engine::name::MailboxName;
use mailferry_imap::response::{ConditionKind, Untagged};
use mailferry_imap::uid_set::UidSet;

use super::mailboxes::{Seen, note, status_commands};
use super::{Access, ImapAccount, Selected};

impl ImapAccount {
    /// EXAMINE and FETCH go behind the STATUS commands without a wait where the server carries
    /// commands out in their order; elsewhere it would not be certain what they are about
    /// (RFC 9051 §5.5).
    pub(super) async fn ask_marks_and_rows(
        &mut self,
        mailboxes: &[MailboxName],
        (mailbox, uids): (&MailboxName, &[Uid]),
        keys: &KeyRule,
    ) -> Result<(Vec<Mark>, MessageListing), Fault> {
        let values: Vec<u32> = uids.iter().map(|uid| uid.value()).collect();
        let set = UidSet::from_sorted(&values).to_string();
        let quirks = &self.connection.session.quirks;
        if quirks.keeps_order && !quirks.one_command_at_a_time {
            // No more STATUS commands in one flight than the server bears errors.
            let last = mailboxes.len().min(self.status_commands_max());
            let (before, last) = mailboxes.split_at(mailboxes.len() - last);
            let mut marks =
                if before.is_empty() { Vec::new() } else { self.ask_marks(before).await? };
            let (more, rows) = self.ask_at_once(last, (mailbox, &set), keys).await?;
            marks.extend(more);
            return Ok((marks, rows));
        }
        let marks = self.ask_marks(mailboxes).await?;
        let opened = match self.select(mailbox, Access::Read).await {
            Ok(opened) => opened,
            Err(fault) if fault.scope <= Scope::Mailbox => {
                return Ok((marks, MessageListing::default()));
            }
            Err(fault) => return Err(fault),
        };
        let mut rows = MessageListing::default();
        if opened.exists > 0 {
            self.fetch_rows(&set, keys, &mut rows).await?;
        }
        rows.sort();
        rows.uid_validity = opened.uid_validity;
        Ok((marks, rows))
    }

    async fn ask_at_once(
        &mut self,
        mailboxes: &[MailboxName],
        (mailbox, set): (&MailboxName, &str),
        keys: &KeyRule,
    ) -> Result<(Vec<Mark>, MessageListing), Fault> {
        self.unselect().await?;
        let mut opened = Selected::untold(mailbox, Access::Read);
        let mut commands = status_commands(mailboxes, &self.marks_items());
        commands.push(self.open_command(mailbox, Access::Read));
        for command in &commands {
            let sent = self.connection.session.send(command);
            sent.map_err(|error| self.broken(&error.into()))?;
        }
        let fetch = self.send_fetch(set, keys)?;
        let mut seen: BTreeMap<MailboxName, Seen> = BTreeMap::new();
        let mut rows = MessageListing::default();
        let taken = self.take_rows(fetch, keys, &mut rows, |data| match data {
            Untagged::Condition { kind: ConditionKind::Ok, code: Some(code), .. } => {
                opened.take_note(code);
            }
            data => note(&mut seen, data),
        });
        taken.await?;
        rows.sort();
        rows.uid_validity = opened.uid_validity;
        // Where opening it was refused none is open; to leave it does no harm.
        self.selected = Some(opened);
        let mark = |name| seen.get(name).map(|seen| seen.mark.clone()).unwrap_or_default();
        Ok((mailboxes.iter().map(mark).collect(), rows))
    }
}

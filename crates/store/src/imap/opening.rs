//! Opening a mailbox whose messages were listed before, and what a mailbox says of its flags.

use mailferry_engine::fault::{Fault, FaultKind};
use mailferry_engine::message::Flag;
use mailferry_engine::name::MailboxName;
use mailferry_engine::policy::PermanentFlags;

use super::{Access, ImapAccount};
use crate::contract::AsListed;

impl ImapAccount {
    /// Opens a mailbox for what is known of its messages, unless it is open that way already.
    pub(super) async fn open_as_listed(
        &mut self,
        listed: AsListed<'_>,
        access: Access,
    ) -> Result<(), Fault> {
        let AsListed { mailbox, uid_validity } = listed;
        let now = match &self.selected {
            Some(now) if self.is_open(mailbox, access) => now.uid_validity,
            _ => self.select(mailbox, access).await?.uid_validity,
        };
        if now == uid_validity { Ok(()) } else { Err(self.renumbered(listed, now)) }
    }

    pub(super) fn is_open(&self, mailbox: &MailboxName, access: Access) -> bool {
        self.selected.as_ref().is_some_and(|now| now.is(mailbox, access))
    }

    /// Every UID may be that of another message now (RFC 9051 §2.3.1.1).
    pub(super) fn renumbered(&self, listed: AsListed<'_>, now: u32) -> Fault {
        let words = format!(
            "the mailbox was renumbered after it was listed: UIDVALIDITY {}, then {now}",
            listed.uid_validity
        );
        self.fault(FaultKind::ListingIncomplete, words).in_mailbox(listed.mailbox)
    }
}

/// What PERMANENTFLAGS comes to.
pub(super) fn permanent(flags: &[&[u8]]) -> PermanentFlags {
    if flags.is_empty() {
        PermanentFlags::Unknown
    } else if flags.contains(&b"\\*".as_slice()) {
        PermanentFlags::Any
    } else {
        PermanentFlags::Only(flags.iter().map(|flag| Flag::new(flag)).collect())
    }
}

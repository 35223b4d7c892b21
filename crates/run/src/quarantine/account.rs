//! What is kept aside, as an account from which it can be brought in.

use std::collections::BTreeMap;
use std::sync::Arc;

use mailferry_engine::message::Uid;
use mailferry_engine::name::MailboxName;
use mailferry_store::files::{FileAccount, FileMailbox, FileMessage, Part};

use super::{Kept, Quarantine, QuarantineError};

/// Stands for a UIDVALIDITY: the UIDs hold for one look at the folder.
const UID_VALIDITY: u32 = 1;

/// Messages that were kept aside, in mailboxes called as those of the target that refused them.
/// Their UIDs are counted anew: a source may have had several UIDVALIDITYs.
#[derive(Debug, Default)]
pub struct KeptAccount {
    /// The messages that can be brought in.
    pub account: FileAccount,
    /// Why others cannot be.
    pub unusable: Vec<QuarantineError>,
    kept: BTreeMap<(MailboxName, Uid), Kept>,
}

impl KeptAccount {
    /// Which it is.
    #[must_use]
    pub fn find(&self, mailbox: &MailboxName, uid: Uid) -> Option<&Kept> {
        self.kept.get(&(mailbox.clone(), uid))
    }

    /// All that can be brought in, by mailbox.
    pub fn iter(&self) -> impl Iterator<Item = &Kept> {
        self.kept.values()
    }
}

impl Quarantine {
    /// Looks at everything that is kept aside. Each message is read once, and one that is no
    /// longer what was kept is left where it is.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub fn account(&self) -> Result<KeptAccount, QuarantineError> {
        let mut all = KeptAccount::default();
        let mut mailboxes: BTreeMap<MailboxName, Vec<FileMessage>> = BTreeMap::new();
        for listed in self.list()? {
            let (kept, message) = match listed.and_then(usable) {
                Ok(found) => found,
                Err(error) => {
                    all.unusable.push(error);
                    continue;
                }
            };
            let (target, mut message) = message;
            let messages = mailboxes.entry(target.clone()).or_default();
            let number = u32::try_from(messages.len() + 1).unwrap_or(u32::MAX);
            message.uid = Uid::new(number).unwrap_or(message.uid);
            all.kept.insert((target, message.uid), kept);
            messages.push(message);
        }
        let mailbox = |(name, messages): (MailboxName, Vec<FileMessage>)| {
            let uid_next = u32::try_from(messages.len() + 1).unwrap_or(u32::MAX);
            Arc::new(FileMailbox { name, uid_validity: UID_VALIDITY, uid_next, messages })
        };
        all.account.mailboxes = mailboxes.into_iter().map(mailbox).collect();
        Ok(all)
    }
}

fn usable(kept: Kept) -> Result<(Kept, (MailboxName, FileMessage)), QuarantineError> {
    kept.open()?;
    let not_understood = || QuarantineError::NotUnderstood {
        path: kept.path().to_owned(),
        words: "a name or a flag is not well formed".to_owned(),
    };
    let (origin, record) =
        kept.metadata().origin().zip(kept.metadata().record()).ok_or_else(not_understood)?;
    let message = FileMessage {
        uid: origin.uid,
        flags: record.flags,
        date: record.date,
        octets: kept.metadata().octets,
        path: kept.path().to_owned(),
        part: Part::Whole,
        digest: None,
    };
    Ok((kept, (record.target, message)))
}

//! Which mailbox is the one for sent mail, drafts and so on: by the attribute that the server
//! shows (RFC 6154), else by names that mail programs have given it.

use std::collections::BTreeMap;

use crate::listing::{AccountListing, MailboxInfo};
use crate::name::{MailboxName, SpecialUse};

/// Names in modified UTF-7 that tell a special use, in any language met so far. Exact.
const NAMES: [(SpecialUse, &[&str]); 7] = [
    (SpecialUse::All, &["All", "All Messages", "&BBIEQQQ1-"]),
    (SpecialUse::Archive, &["Archive", "Archives", "&BBAEQARFBDgEMg-"]),
    (
        SpecialUse::Drafts,
        &["Drafts", "DRAFTS", "&BCcENQRABD0EPgQyBDgEOgQ4-", "Szkice", "Wersje robocze"],
    ),
    (SpecialUse::Flagged, &["Flagged", "Starred", "&BB8EPgQ8BDUERwQ1BD0EPQRLBDU-"]),
    (
        SpecialUse::Junk,
        &[
            "Junk",
            "junk",
            "Spam",
            "SPAM",
            "&BCEEPwQwBDw-",
            "Potwierdzony spam",
            "Wiadomo&AVs-ci-&AVs-mieci",
            "Junk E-Mail",
            "Junk Email",
        ],
    ),
    (
        SpecialUse::Sent,
        &[
            "Sent",
            "Sent Messages",
            "Sent Items",
            "Gesendete Elemente",
            "Gesendete Objekte",
            "&AMk-l&AOk-ments envoy&AOk-s",
            "E&AwE-le&AwE-ments envoye&AwE-s",
            "Envoy&AOk-",
            "Objets envoy&AOk-s",
            "Elementos enviados",
            "Posta inviata",
            "&kAFP4W4IMH8wojCkMMYw4A-",
            "&BB4EQgQ,BEAEMAQyBDsENQQ9BD0ESwQ1-",
            "Elementy wys&AUI-ane",
        ],
    ),
    (
        SpecialUse::Trash,
        &[
            "Trash",
            "TRASH",
            "&BCMENAQwBDsENQQ9BD0ESwQ1-",
            "&BBoEPgRABDcEOAQ9BDA-",
            "Kosz",
            "Deleted Items",
            "Deleted Messages",
        ],
    ),
];

/// The special use that a name tells, with or without the namespace prefix.
#[must_use]
pub fn guess(name: &[u8], prefix: &[u8]) -> Option<SpecialUse> {
    let bare = name.strip_prefix(prefix).unwrap_or(name);
    let told = |names: &[&str]| {
        names.iter().any(|known| known.as_bytes() == name || known.as_bytes() == bare)
    };
    NAMES.iter().find(|(_, names)| told(names)).map(|(use_, _)| *use_)
}

/// The special mailboxes of one account.
#[derive(Clone, Debug, Default)]
pub struct SpecialMailboxes {
    by_attribute: BTreeMap<SpecialUse, MailboxName>,
    by_name: BTreeMap<SpecialUse, MailboxName>,
    prefix: Box<[u8]>,
}

impl SpecialMailboxes {
    /// Finds them. Of several with the same attribute the first one has it; of several with a
    /// telling name, the first in the order of octets. `prefix` is the one that names have.
    #[must_use]
    pub fn find(account: &AccountListing, prefix: &[u8]) -> Self {
        let mut this = Self { prefix: prefix.into(), ..Self::default() };
        for mailbox in account.mailboxes.iter().filter(|mailbox| mailbox.selectable) {
            if let Some(use_) = mailbox.special_use {
                this.by_attribute.entry(use_).or_insert_with(|| mailbox.name.clone());
            }
            if let Some(use_) = guess(mailbox.name.as_bytes(), prefix) {
                this.by_name.entry(use_).or_insert_with(|| mailbox.name.clone());
            }
        }
        this
    }

    /// What a mailbox of this account is for: its attribute if it is the one that has it, else
    /// what its name tells.
    #[must_use]
    pub fn use_of(&self, mailbox: &MailboxInfo) -> Option<SpecialUse> {
        mailbox
            .special_use
            .filter(|use_| self.by_attribute.get(use_) == Some(&mailbox.name))
            .or_else(|| guess(mailbox.name.as_bytes(), &self.prefix))
    }

    /// The mailbox for a special use: the one with the attribute, else one with a telling name.
    #[must_use]
    pub fn mailbox_for(&self, use_: SpecialUse) -> Option<&MailboxName> {
        self.by_attribute.get(&use_).or_else(|| self.by_name.get(&use_))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// U25 of the unit catalogue.
    #[test]
    fn a_name_tells_a_special_use() {
        assert_eq!(guess(b"Sent", b""), Some(SpecialUse::Sent));
        assert_eq!(guess(b"INBOX.Sent", b"INBOX."), Some(SpecialUse::Sent));
        assert_eq!(guess(b"INBOX.Sent", b""), None);
        assert_eq!(guess(b"Blabla", b""), None);
        assert_eq!(guess(b"SENT", b""), None);
    }

    #[test]
    fn no_name_tells_two_uses() {
        let all: Vec<&str> = NAMES.iter().flat_map(|(_, names)| names.iter().copied()).collect();
        let distinct: std::collections::BTreeSet<&str> = all.iter().copied().collect();
        assert_eq!(all.len(), distinct.len());
    }
}

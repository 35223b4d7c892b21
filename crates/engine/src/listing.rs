//! What was found on one side: the mailboxes of an account, the messages of a mailbox.

use crate::message::{FlagSetId, FlagTable, InternalDate, Key, Uid};
use crate::name::{MailboxName, SpecialUse};

/// Whose mailboxes a namespace holds (RFC 2342 §5). Only the personal one is copied unless
/// asked otherwise, and nothing outside it is ever deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Namespace {
    /// The user's own.
    Personal,
    /// Other users'.
    Other,
    /// Shared.
    Shared,
}

/// One mailbox as LIST shows it (RFC 9051 §7.3.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MailboxInfo {
    /// The name by which this server knows the mailbox.
    pub name: MailboxName,
    /// The hierarchy delimiter of the name; `None` for a flat one.
    pub delimiter: Option<u8>,
    /// Where the mailbox belongs.
    pub namespace: Namespace,
    /// Its SPECIAL-USE attribute, the first if there are several.
    pub special_use: Option<SpecialUse>,
    /// False for `\Noselect` and `\NonExistent`: a parent in name only.
    pub selectable: bool,
    /// Whether the user subscribed it (LSUB, or LIST RETURN (SUBSCRIBED)).
    pub subscribed: bool,
    /// MESSAGES as STATUS told, where it was asked.
    pub messages: Option<u32>,
    /// What STATUS told of its state; empty where it was not asked.
    pub mark: Mark,
}

impl MailboxInfo {
    /// A mailbox of the user's own that can be opened, of which nothing else is known.
    #[must_use]
    pub fn new(name: MailboxName, delimiter: Option<u8>, mark: Mark) -> Self {
        Self {
            name,
            delimiter,
            namespace: Namespace::Personal,
            special_use: None,
            selectable: true,
            subscribed: false,
            messages: mark.messages,
            mark,
        }
    }
}

/// The state of a mailbox as its server tells it, by STATUS (RFC 9051 §7.3.4) or on opening it.
/// Two equal marks say that nothing moved between them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mark {
    /// UIDVALIDITY; 0 where it was not told.
    pub uid_validity: u32,
    /// UIDNEXT; 0 where it was not told.
    pub uid_next: u32,
    /// MESSAGES; `None` where it was not told.
    pub messages: Option<u32>,
    /// HIGHESTMODSEQ (RFC 7162 §3.1.2); 0 where the mailbox has none.
    pub highest_modseq: u64,
    /// MAILBOXID (RFC 8474 §4), where the server has it.
    pub mailbox_id: Option<Box<[u8]>>,
}

impl Mark {
    /// Whether UIDs known at this mark still name the same messages `now`: the same
    /// UIDVALIDITY (RFC 9051 §2.3.1.1), a UIDNEXT and a HIGHESTMODSEQ that did not go back, and
    /// no other MAILBOXID.
    ///
    /// HIGHESTMODSEQ never goes back either (RFC 7162 §3.1.2). Where it does, the server was set
    /// back to an older state, or lost its index (Dovecot then keeps UIDVALIDITY and UIDNEXT,
    /// which are in another file) and numbers changes anew: what changed cannot be told.
    #[must_use]
    pub fn holds_at(&self, now: &Self) -> bool {
        let other_mailbox =
            matches!((&self.mailbox_id, &now.mailbox_id), (Some(one), Some(other)) if one != other);
        // One that does not fit stands as `u32::MAX`, as any other such one would (WildDuck).
        let told = self.uid_validity != 0 && self.uid_validity != u32::MAX;
        let set_back = now.highest_modseq != 0 && now.highest_modseq < self.highest_modseq;
        told && self.uid_validity == now.uid_validity
            && self.uid_next <= now.uid_next
            && !set_back
            && !other_mailbox
    }

    /// Whether the mailbox has mail `now` that was not there at this mark, or is another one: as far
    /// as both marks tell.
    #[must_use]
    pub fn has_gained(&self, now: &Self) -> bool {
        let is_told = |number: u32| number != 0 && number != u32::MAX;
        let differs = |one: u32, other: u32| is_told(one) && is_told(other) && one != other;
        differs(self.uid_validity, now.uid_validity)
            || differs(self.uid_next, now.uid_next)
            || self.messages.zip(now.messages).is_some_and(|(before, now)| now > before)
    }

    /// Whether the mailbox holds the same messages `now`: none came, since UIDNEXT stands, and
    /// none went, since their number stands.
    #[must_use]
    pub fn same_messages(&self, now: &Self) -> bool {
        self.holds_at(now)
            && self.uid_next != 0
            && self.uid_next == now.uid_next
            && self.messages.is_some()
            && self.messages == now.messages
    }

    /// Whether nothing changed `now`, flags included. Never without mod-sequences.
    #[must_use]
    pub fn unchanged(&self, now: &Self) -> bool {
        self.same_messages(now)
            && self.highest_modseq != 0
            && self.highest_modseq == now.highest_modseq
    }
}

/// The mailboxes of one side.
#[derive(Clone, Debug, Default)]
pub struct AccountListing {
    /// In the order of their names' octets.
    pub mailboxes: Vec<MailboxInfo>,
    /// Prefix of the first personal namespace, delimiter included: `INBOX.`, mostly empty.
    pub prefix: Box<[u8]>,
    /// Delimiter of the first personal namespace; `None` where the server has none.
    pub delimiter: Option<u8>,
    /// Names of the user's own that are subscribed though no mailbox of that name is listed
    /// (RFC 9051 §6.3.7: a server keeps the subscription of a mailbox that is gone). `None` where
    /// they were not told.
    pub bare_subscriptions: Option<Vec<MailboxName>>,
}

impl AccountListing {
    /// The names that are subscribed though no mailbox of that name is listed, in their order.
    pub(crate) fn bare(&self) -> impl Iterator<Item = &MailboxName> {
        self.bare_subscriptions.iter().flatten()
    }

    /// Whether a name is seen to be subscribed.
    #[must_use]
    pub fn is_subscribed(&self, name: &MailboxName) -> bool {
        self.find(name).is_some_and(|info| info.subscribed) || self.bare().any(|bare| bare == name)
    }

    /// The mailbox of that name.
    #[must_use]
    pub fn find(&self, name: &MailboxName) -> Option<&MailboxInfo> {
        self.mailboxes.iter().find(|mailbox| mailbox.name == *name)
    }
}

/// Something about one message that does not fit its columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Oddity {
    /// The server announced the UID but delivered no metadata, though asked again.
    NotDelivered,
}

/// Stands for a size that is not known, or does not fit. It agrees with no other.
pub const SIZE_UNKNOWN: u32 = u32::MAX;

/// The messages of one mailbox, in ascending order of UID, in columns: 37 octets a message.
#[derive(Clone, Debug, Default)]
pub struct MessageListing {
    /// UIDVALIDITY under which the UIDs hold; 0 where the server sent none.
    pub uid_validity: u32,
    /// UIDNEXT before the first message was listed: every message below it is in the listing.
    /// 0 where the server sent none.
    pub uid_next: u32,
    /// HIGHESTMODSEQ before the first message was listed: every change of a flag up to it is in
    /// the listing. 0 where the mailbox has none.
    pub highest_modseq: u64,
    /// MAILBOXID, where the server has it.
    pub mailbox_id: Option<Box<[u8]>>,
    /// UIDs, strictly ascending.
    pub uid: Vec<Uid>,
    /// Identity keys.
    pub key: Vec<Key>,
    /// RFC822.SIZE in octets; a message over 4 GiB − 1 stands as [`SIZE_UNKNOWN`].
    pub size: Vec<u32>,
    /// INTERNALDATEs.
    pub date: Vec<InternalDate>,
    /// Flags, as indices into `flag_table`.
    pub flags: Vec<FlagSetId>,
    /// Whether the message is within the selection (`--search`, `--maxage`); all are where
    /// nothing narrows it.
    pub selected: Vec<bool>,
    /// The distinct flag sets.
    pub flag_table: FlagTable,
    /// The few messages that need more words, by index, ascending.
    pub oddities: Vec<(u32, Oddity)>,
    /// Whether the mailbox may hold more.
    pub view: View,
}

/// How much of a mailbox the server shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum View {
    /// All of it.
    #[default]
    Whole,
    /// So many of its newest messages and no more. What is not shown may still be there.
    Newest(u32),
}

impl View {
    /// What is to be said of a mailbox that is not shown whole.
    #[must_use]
    pub fn words(self) -> Option<String> {
        match self {
            Self::Whole => None,
            Self::Newest(messages) => Some(format!(
                "this server shows the newest {messages} messages of a mailbox and none that is older"
            )),
        }
    }
}

/// One message to be added to a listing.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// UID.
    pub uid: Uid,
    /// Identity key.
    pub key: Key,
    /// RFC822.SIZE in octets.
    pub size: u32,
    /// INTERNALDATE.
    pub date: InternalDate,
    /// Flags, interned in the listing's own table.
    pub flags: FlagSetId,
    /// Whether it is within the selection.
    pub selected: bool,
}

impl MessageListing {
    /// Number of messages.
    #[must_use]
    pub fn len(&self) -> usize {
        self.uid.len()
    }

    /// Whether the mailbox is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.uid.is_empty()
    }

    /// Adds a message. Rows may come in any order; [`MessageListing::sort`] ends the listing.
    pub fn push(&mut self, row: Row) {
        self.uid.push(row.uid);
        self.key.push(row.key);
        self.size.push(row.size);
        self.date.push(row.date);
        self.flags.push(row.flags);
        self.selected.push(row.selected);
    }

    /// Puts the rows in ascending order of UID and drops repeated UIDs (the last one told
    /// wins). To be called before any oddity is noted.
    pub fn sort(&mut self) {
        if self.uid.windows(2).all(|pair| pair[0] < pair[1]) {
            return;
        }
        let mut order: Vec<usize> = (0..self.len()).collect();
        order.sort_by_key(|&at| (self.uid[at], at));
        let last_of_uid: Vec<usize> = order
            .iter()
            .enumerate()
            .filter(|&(at, &row)| {
                order.get(at + 1).is_none_or(|&next| self.uid[next] != self.uid[row])
            })
            .map(|(_, &row)| row)
            .collect();
        fn take<T: Copy>(column: &mut Vec<T>, order: &[usize]) {
            *column = order.iter().map(|&row| column[row]).collect();
        }
        take(&mut self.uid, &last_of_uid);
        take(&mut self.key, &last_of_uid);
        take(&mut self.size, &last_of_uid);
        take(&mut self.date, &last_of_uid);
        take(&mut self.flags, &last_of_uid);
        take(&mut self.selected, &last_of_uid);
    }

    /// The state that this listing is of.
    #[must_use]
    pub fn mark(&self) -> Mark {
        Mark {
            uid_validity: self.uid_validity,
            uid_next: self.uid_next,
            messages: u32::try_from(self.len()).ok(),
            highest_modseq: self.highest_modseq,
            mailbox_id: self.mailbox_id.clone(),
        }
    }

    /// Leaves out every message for which `keep` says no. To be called before any oddity is
    /// noted.
    pub fn retain(&mut self, keep: impl Fn(Uid) -> bool) {
        let kept: Vec<bool> = self.uid.iter().map(|&uid| keep(uid)).collect();
        if kept.iter().all(|&keep| keep) {
            return;
        }
        fn strike<T>(column: &mut Vec<T>, kept: &[bool]) {
            let mut kept = kept.iter();
            column.retain(|_| kept.next().is_none_or(|&keep| keep));
        }
        strike(&mut self.uid, &kept);
        strike(&mut self.key, &kept);
        strike(&mut self.size, &kept);
        strike(&mut self.date, &kept);
        strike(&mut self.flags, &kept);
        strike(&mut self.selected, &kept);
    }

    /// The index of a UID.
    #[must_use]
    pub fn position(&self, uid: Uid) -> Option<usize> {
        self.uid.binary_search(&uid).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mark(uid_next: u32, messages: u32, highest_modseq: u64) -> Mark {
        Mark {
            uid_validity: 7,
            uid_next,
            messages: Some(messages),
            highest_modseq,
            mailbox_id: None,
        }
    }

    #[test]
    fn a_mailbox_is_unchanged_only_if_all_four_numbers_stand() {
        let known = mark(10, 5, 99);
        assert!(known.unchanged(&mark(10, 5, 99)));
        assert!(!known.unchanged(&mark(11, 5, 99)));
        assert!(!known.unchanged(&mark(10, 4, 99)));
        assert!(!known.unchanged(&mark(10, 5, 100)));
        assert!(!known.unchanged(&Mark { uid_validity: 8, ..known.clone() }));
        assert!(!mark(10, 5, 0).unchanged(&mark(10, 5, 0)), "no mod-sequences, no word of flags");
        assert!(mark(10, 5, 0).same_messages(&mark(10, 5, 0)));
        assert!(!Mark::default().same_messages(&Mark::default()), "nothing told is nothing known");
    }

    #[test]
    fn uids_hold_no_longer_where_the_mailbox_is_another() {
        let known = Mark { mailbox_id: Some(b"one".as_slice().into()), ..mark(10, 5, 99) };
        assert!(known.holds_at(&Mark { uid_next: 12, ..known.clone() }));
        assert!(!known.holds_at(&Mark { uid_next: 9, ..known.clone() }), "UIDNEXT never goes back");
        assert!(!known.holds_at(&mark(10, 5, 98)), "HIGHESTMODSEQ never goes back");
        assert!(known.holds_at(&mark(10, 5, 0)), "it may be untold");
        let oversize = Mark { uid_validity: u32::MAX, ..known.clone() };
        assert!(!oversize.holds_at(&oversize), "what does not fit says nothing");
        assert!(!known.holds_at(&Mark { uid_validity: 8, ..known.clone() }));
        let other = Some(b"other".as_slice().into());
        assert!(!known.holds_at(&Mark { mailbox_id: other, ..known.clone() }));
        assert!(known.holds_at(&Mark { mailbox_id: None, ..known.clone() }));
    }
}

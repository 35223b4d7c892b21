//! Labels of messages, as an account has them whose mailboxes show them.

use mailferry_engine::message::{FlagSetId, FlagTable, Uid};

/// The labels of some messages of a mailbox, where an account has labels. That of the mailbox that
/// is open is not among them.
#[derive(Clone, Debug, Default)]
pub struct LabelListing {
    /// Those that were told of, ascending by UID.
    pub rows: Vec<Labelled>,
    /// The distinct sets of labels.
    pub table: FlagTable,
}

/// The labels of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Labelled {
    /// Its UID.
    pub uid: Uid,
    /// Its labels, interned in the listing's own table.
    pub labels: FlagSetId,
    /// Whether it has a Message-Id, by which alone Gmail knows a message that it is given again;
    /// `Absent`, too, where that was not asked for.
    pub message_id: MessageId,
}

/// What is asked for of the labels of messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LabelsAsked {
    /// Nothing else.
    Alone,
    /// Also whether each message has a Message-Id.
    WithMessageIds,
}

/// Whether a message has a Message-Id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MessageId {
    /// It has.
    Present,
    /// It has none, or an empty one.
    Absent,
}

impl LabelListing {
    /// What was told of a message.
    #[must_use]
    pub fn row(&self, uid: Uid) -> Option<&Labelled> {
        let at = self.rows.binary_search_by_key(&uid, |row| row.uid).ok()?;
        self.rows.get(at)
    }
}

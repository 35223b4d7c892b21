//! Labels as Gmail has them (X-GM-LABELS of X-GM-EXT-1, Gmail's “IMAP Extensions”,
//! developers.google.com/workspace/gmail/imap/imap-extensions).

use std::borrow::Cow;
use std::collections::BTreeMap;

use mailferry_engine::fault::{Fault, FaultKind, Scope};
use mailferry_engine::message::{Flag, FlagSetId, FlagTable, Uid};
use mailferry_imap::command::{Command, is_flag};
use mailferry_imap::mutf7;
use mailferry_imap::response::{Fetch, Untagged};
use mailferry_imap::uid_set::UidSet;

use super::messages::UID_SET_BYTES_MAX;
use super::{Access, ImapAccount};
use crate::contract::{AsListed, FlagUpdate, LabelListing, Labelled, LabelsAsked, MessageId};

const LABELS: &str = "(UID X-GM-LABELS)";
const LABELS_AND_MESSAGE_IDS: &str = "(UID X-GM-LABELS BODY.PEEK[HEADER.FIELDS (MESSAGE-ID)])";

/// What was told of messages so far: a server may split its answer (RFC 9051 §7.5.2).
#[derive(Default)]
struct Told {
    labels: BTreeMap<Uid, FlagSetId>,
    /// Those with a Message-Id.
    named: Vec<Uid>,
    table: FlagTable,
}

impl ImapAccount {
    /// The labels of messages.
    pub(super) async fn fetch_labels(
        &mut self,
        listed: AsListed<'_>,
        uids: &[Uid],
        asked: LabelsAsked,
    ) -> Result<LabelListing, Fault> {
        self.open_as_listed(listed, Access::Read).await?;
        let mut values: Vec<u32> = uids.iter().map(|uid| uid.value()).collect();
        values.sort_unstable();
        let sets = UidSet::from_sorted(&values).split(UID_SET_BYTES_MAX);
        let items = match asked {
            LabelsAsked::Alone => LABELS,
            LabelsAsked::WithMessageIds => LABELS_AND_MESSAGE_IDS,
        };
        let fetch = |set: &UidSet| Command::new("UID FETCH").sp().uid_set(set).sp().raw(items);
        let commands: Vec<Command> = sets.iter().map(fetch).collect();
        let mut told = Told::default();
        let completions = self
            .run_all(&commands, |data| {
                if let Untagged::Fetch(fetch) = data {
                    told.take_note(fetch);
                }
            })
            .await?;
        match completions.iter().find(|completion| !completion.is_ok()) {
            None => Ok(told.listing()),
            Some(refusal) => {
                let words = format!("the labels were not told: {}", refusal.words());
                let fault = self.fault(FaultKind::Flags, words).in_mailbox(listed.mailbox);
                Err(Fault { scope: Scope::Mailbox, ..fault })
            }
        }
    }

    /// Takes labels from messages and gives them others, those with the same change in one command.
    ///
    /// They are never replaced: the label of the mailbox that is open is not told with the others
    /// (dlech/gmailbuttons#10), and a message whose labels were replaced by those that were told
    /// might leave the mailbox. Of two labels that Gmail takes for one, the one that is added stays.
    pub(super) async fn store_labels(
        &mut self,
        listed: AsListed<'_>,
        updates: &[FlagUpdate],
    ) -> Result<Vec<(Uid, Fault)>, Fault> {
        self.open_as_listed(listed, Access::Write).await?;
        let mut groups: BTreeMap<(Item, Vec<&[u8]>), Vec<u32>> = BTreeMap::new();
        for update in updates {
            for (item, labels) in [(Item::Remove, &update.remove), (Item::Add, &update.add)] {
                let labels: Vec<&[u8]> = labels.iter().map(Flag::as_bytes).collect();
                if !labels.is_empty() {
                    groups.entry((item, labels)).or_default().push(update.uid.value());
                }
            }
        }
        let mut stores = Vec::new();
        for ((item, labels), mut uids) in groups {
            uids.sort_unstable();
            for set in UidSet::from_sorted(&uids).split(UID_SET_BYTES_MAX) {
                let command = Command::new("UID STORE").sp().uid_set(&set).sp().raw(item.name());
                stores.push((with_labels(command.sp(), &labels), set));
            }
        }
        let refused = self.run_stores(listed.mailbox, stores, FaultKind::Flags).await?;
        let of_labels = |(uid, fault): (Uid, Fault)| {
            (uid, Fault { words: format!("labels: {}", fault.words), ..fault })
        };
        Ok(refused.into_iter().map(of_labels).collect())
    }
}

/// What a STORE does with labels. Those that are added come last.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Item {
    Remove,
    Add,
}

impl Item {
    fn name(self) -> &'static str {
        match self {
            Self::Remove => "-X-GM-LABELS",
            Self::Add => "+X-GM-LABELS",
        }
    }
}

/// The labels in parentheses: `\\Inbox` and the like as they are, names as strings.
fn with_labels(command: Command, labels: &[&[u8]]) -> Command {
    let mut command = command.raw("(");
    for (place, label) in labels.iter().enumerate() {
        if place > 0 {
            command = command.sp();
        }
        command = match std::str::from_utf8(label) {
            Ok(special) if label.starts_with(b"\\") && is_flag(label) => command.raw(special),
            _ => command.astring(label),
        };
    }
    command.raw(")")
}

impl Told {
    fn take_note(&mut self, fetch: &Fetch<'_>) {
        let Some(uid) = fetch.uid.and_then(Uid::new) else { return };
        if let Some(labels) = &fetch.labels {
            let labels: Vec<Cow<'_, [u8]>> = labels.iter().map(|label| in_ascii(label)).collect();
            let words = labels.iter().map(|label| &**label);
            self.labels.insert(uid, self.table.intern_words(words));
        }
        // One that is too long to stand in a line is one all the same.
        let header = fetch.header_fields.as_deref();
        if fetch.header_streamed.is_some() || header.is_some_and(has_value) {
            self.named.push(uid);
        }
    }

    fn listing(mut self) -> LabelListing {
        self.named.sort_unstable();
        let message_id = |uid: &Uid| match self.named.binary_search(uid) {
            Ok(_) => MessageId::Present,
            Err(_) => MessageId::Absent,
        };
        let row = |(uid, labels)| Labelled { uid, labels, message_id: message_id(&uid) };
        LabelListing { rows: self.labels.into_iter().map(row).collect(), table: self.table }
    }
}

/// A label as names of mailboxes are on the wire, whichever way it was told.
fn in_ascii(label: &[u8]) -> Cow<'_, [u8]> {
    if label.is_ascii() { Cow::Borrowed(label) } else { mutf7::canonical(label) }
}

/// Whether a field has more than its name.
fn has_value(header: &[u8]) -> bool {
    let value = header.splitn(2, |octet| *octet == b':').nth(1);
    value.is_some_and(|value| !value.trim_ascii().is_empty())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use mailferry_imap::command::Piece;

    use super::*;

    #[test]
    fn labels_are_written_so_that_each_is_one() {
        let labels: [&[u8]; 6] =
            [b"\\Inbox", b"a b", b"q\"(c)", b"Entw&APw-rfe", b"\\a b", b"[Gmail]/x"];
        let pieces = with_labels(Command::new("X").sp(), &labels).into_pieces().unwrap();
        let line = r#"X (\Inbox "a b" "q\"(c)" Entw&APw-rfe "\\a b" "[Gmail]/x")"#;
        assert_eq!(pieces, [Piece::Bytes(line.into())]);
    }

    #[test]
    fn labels_are_named_as_mailboxes_are() {
        assert_eq!(&*in_ascii("Entwürfe".as_bytes()), b"Entw&APw-rfe");
        assert_eq!(&*in_ascii(b"Entw&APw-rfe"), b"Entw&APw-rfe");
        assert_eq!(&*in_ascii(b"a&b"), b"a&b");
    }

    #[test]
    fn a_message_id_says_something() {
        assert!(has_value(b"Message-ID: <a@b>\r\n\r\n"));
        assert!(!has_value(b"Message-ID:\r\n \r\n\r\n") && !has_value(b"\r\n"));
    }
}

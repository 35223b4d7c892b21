//! Is one account the copy of another? Differences in words.

use super::account::{Account, Message};
use std::collections::BTreeMap;

/// Whether something has to agree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Duty {
    /// It must agree.
    Must,
    /// It may differ.
    May,
}

/// In which form the octets have to agree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Octet by octet.
    Exact,
    /// But for line ends, blanks and NUL, which servers mend on arrival.
    Loose,
}

/// What a copy has to keep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expect {
    /// The content.
    pub octets: Form,
    /// Flags and keywords.
    pub flags: Duty,
    /// INTERNALDATE, as instants.
    pub dates: Duty,
    /// The order of messages by UID.
    pub order: Duty,
    /// Subscriptions; mailboxes that only the copy has do not count.
    pub subscriptions: Duty,
    /// That the copy has nothing more: no further message, no further mailbox. `INBOX`, which
    /// always exists, may be there and empty.
    pub nothing_more: Duty,
}

impl Expect {
    /// The same in everything.
    #[must_use]
    pub fn exact() -> Self {
        Self {
            octets: Form::Exact,
            flags: Duty::Must,
            dates: Duty::Must,
            order: Duty::Must,
            subscriptions: Duty::Must,
            nothing_more: Duty::Must,
        }
    }

    /// All of the first account in the second, which may have more.
    #[must_use]
    pub fn superset() -> Self {
        Self { nothing_more: Duty::May, ..Self::exact() }
    }
}

/// How `copy` falls short of `original`: one sentence each, none if it does not.
#[must_use]
pub fn compare(original: &Account, copy: &Account, expect: &Expect) -> Vec<String> {
    let mut differences = Vec::new();
    for (name, messages) in &original.mailboxes {
        match copy.mailboxes.get(name) {
            Some(copied) => compare_mailbox(name, messages, copied, expect, &mut differences),
            None => differences
                .push(format!("mailbox `{name}` is missing, with {} messages", messages.len())),
        }
    }
    if expect.nothing_more == Duty::Must {
        for (name, messages) in &copy.mailboxes {
            let forgiven = name == "INBOX" && messages.is_empty();
            if !original.mailboxes.contains_key(name) && !forgiven {
                let count = messages.len();
                differences.push(format!("mailbox `{name}` is too many, with {count} messages"));
            }
        }
    }
    if expect.subscriptions == Duty::Must {
        compare_subscriptions(original, copy, expect, &mut differences);
    }
    differences
}

fn compare_subscriptions(
    original: &Account,
    copy: &Account,
    expect: &Expect,
    differences: &mut Vec<String>,
) {
    for name in original.subscriptions.difference(&copy.subscriptions) {
        differences.push(format!("mailbox `{name}` is not subscribed"));
    }
    if expect.nothing_more == Duty::Must {
        for name in copy.subscriptions.difference(&original.subscriptions) {
            if original.mailboxes.contains_key(name) {
                differences.push(format!("mailbox `{name}` is subscribed and should not be"));
            }
        }
    }
}

type Digest = [u8; 32];

fn digest(message: &Message, form: Form) -> Digest {
    match form {
        Form::Exact => message.digest,
        Form::Loose => message.loose_digest,
    }
}

fn by_digest(messages: &[Message], form: Form) -> BTreeMap<Digest, Vec<&Message>> {
    let mut groups: BTreeMap<Digest, Vec<&Message>> = BTreeMap::new();
    for message in messages {
        groups.entry(digest(message, form)).or_default().push(message);
    }
    // Which of equal messages came first tells nothing; their dates and flags do.
    for group in groups.values_mut() {
        group.sort_by(|a, b| (a.instant, &a.flags).cmp(&(b.instant, &b.flags)));
    }
    groups
}

fn compare_mailbox(
    name: &str,
    original: &[Message],
    copy: &[Message],
    expect: &Expect,
    differences: &mut Vec<String>,
) {
    let before = differences.len();
    let (wanted, found) = (by_digest(original, expect.octets), by_digest(copy, expect.octets));
    for (digest, group) in &wanted {
        let others = found.get(digest).map_or(&[][..], Vec::as_slice);
        for message in group.iter().skip(others.len()) {
            let text = describe(message);
            differences.push(format!("`{name}`: {text} is missing or has other octets"));
        }
        if expect.nothing_more == Duty::Must {
            for message in others.iter().skip(group.len()) {
                differences.push(format!("`{name}`: {} is doubled", describe(message)));
            }
        }
        if others.len() == group.len() {
            for (message, other) in group.iter().zip(others) {
                compare_message(name, message, other, expect, differences);
            }
        }
    }
    if expect.nothing_more == Duty::Must {
        for message in found.iter().filter(|(key, _)| !wanted.contains_key(*key)).flat_map(|g| g.1)
        {
            differences.push(format!("`{name}`: {} is too many", describe(message)));
        }
    }
    if expect.order == Duty::Must && differences.len() == before {
        let mut rest = copy.iter().map(|message| digest(message, expect.octets));
        let out_of_order = original.iter().find(|message| {
            let wanted = digest(message, expect.octets);
            !rest.any(|digest| digest == wanted)
        });
        if let Some(message) = out_of_order {
            differences.push(format!("`{name}`: {} is out of order", describe(message)));
        }
    }
}

fn compare_message(
    name: &str,
    message: &Message,
    other: &Message,
    expect: &Expect,
    differences: &mut Vec<String>,
) {
    if expect.flags == Duty::Must && message.flags != other.flags {
        differences.push(format!(
            "`{name}`: {} has flags {:?}, not {:?}",
            describe(message),
            other.flags,
            message.flags
        ));
    }
    if expect.dates == Duty::Must && message.instant != other.instant {
        differences.push(format!(
            "`{name}`: {} has INTERNALDATE {}, not {}",
            describe(message),
            super::date::internal_date(other.instant),
            super::date::internal_date(message.instant)
        ));
    }
}

fn describe(message: &Message) -> String {
    format!("message {} ({} octets, subject `{}`)", message.uid, message.size, message.subject)
}

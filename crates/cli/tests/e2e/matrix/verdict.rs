//! Is one account the copy of another, as far as the servers between them permit?

use crate::world::{Account, Message};
use std::collections::{BTreeMap, BTreeSet};

/// What a server changes or does not keep. Losing or doubling a message is none of these.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Change {
    /// Line ends, NULs, 8-bit octets of headers, the header lines of mbox files.
    Octets,
    Keywords,
    Dates,
    Subscriptions,
}

impl Change {
    fn word(self) -> &'static str {
        match self {
            Self::Octets => "octets",
            Self::Keywords => "keywords",
            Self::Dates => "dates",
            Self::Subscriptions => "subscriptions",
        }
    }
}

/// What became of a copy.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    pub changes: BTreeSet<Change>,
    /// The names of messages that were refused, and told of.
    pub refused: BTreeSet<String>,
}

impl Verdict {
    /// As it stands in the table.
    pub fn cell(&self) -> String {
        let words: Vec<&str> = self.changes.iter().map(|change| change.word()).collect();
        match (words.is_empty(), self.refused.len()) {
            (true, 0) => "✓".to_owned(),
            (false, 0) => format!("✓ but {}", words.join(", ")),
            (true, refused) => format!("✓ but {refused} refused"),
            (false, refused) => format!("✓ but {refused} refused; {}", words.join(", ")),
        }
    }
}

/// Whether the copy may have more than the original.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Surplus {
    None,
    Allowed,
}

/// Compares; fails where a message is missing, doubled, or not the same, or a system flag is.
#[track_caller]
pub fn judge(original: &Account, copy: &Account, surplus: Surplus) -> Verdict {
    judge_but(original, copy, surplus, &BTreeMap::new())
}

/// As [`judge`]; the messages of these essences may be missing, and are then refused ones of
/// these names.
#[track_caller]
pub fn judge_but(
    original: &Account,
    copy: &Account,
    surplus: Surplus,
    refusable: &BTreeMap<Vec<u8>, String>,
) -> Verdict {
    let mut verdict = Verdict::default();
    for (mailbox, messages) in &original.mailboxes {
        if is_no_mailbox(mailbox) {
            continue;
        }
        let wanted = by_essence(messages);
        let found = by_essence(copy.messages(mailbox));
        assert!(copy.mailboxes.contains_key(mailbox), "mailbox `{mailbox}` is missing");
        for (essence, group) in &wanted {
            let others = found.get(essence).map_or(&[][..], Vec::as_slice);
            let name = refusable.get(essence);
            if let (Some(name), true) = (name, others.is_empty()) {
                verdict.refused.insert(name.clone());
                continue;
            }
            assert!(
                others.len() == group.len()
                    || (surplus == Surplus::Allowed && others.len() > group.len()),
                "`{mailbox}`: `{}`, UID {}, {} octets: {} times, and not {}\n{}",
                group[0].subject,
                group[0].uid,
                group[0].size,
                others.len(),
                group.len(),
                String::from_utf8_lossy(&group[0].octets[..group[0].octets.len().min(400)]),
            );
            for (message, other) in group.iter().zip(others) {
                compare(mailbox, message, other, &mut verdict);
            }
        }
        if surplus == Surplus::None {
            let unknown = found.iter().find(|(essence, _)| !wanted.contains_key(*essence));
            if let Some((_, group)) = unknown {
                let text = String::from_utf8_lossy(&group[0].octets);
                let text: String = text.chars().take(400).collect();
                panic!("`{mailbox}`: `{}` is too many\n{text}", group[0].subject);
            }
        }
    }
    if surplus == Surplus::None {
        for (mailbox, messages) in &copy.mailboxes {
            let known = original.mailboxes.contains_key(mailbox) || is_no_mailbox(mailbox);
            assert!(known || messages.is_empty(), "mailbox `{mailbox}` is too many");
        }
    }
    if original.subscriptions.difference(&copy.subscriptions).next().is_some() {
        verdict.changes.insert(Change::Subscriptions);
    }
    verdict
}

/// What UW imapd lists besides: the file of the subscriptions, and locks.
pub fn is_no_mailbox(name: &str) -> bool {
    [".mailboxlist", ".mlbxlsttmp"].contains(&name) || name.ends_with(".lock")
}

#[track_caller]
fn compare(mailbox: &str, message: &Message, other: &Message, verdict: &mut Verdict) {
    let (system, keywords) = flags(message);
    let (other_system, other_keywords) = flags(other);
    assert_eq!(system, other_system, "`{mailbox}`: `{}`", message.subject);
    if keywords != other_keywords {
        verdict.changes.insert(Change::Keywords);
    }
    if message.instant != other.instant {
        verdict.changes.insert(Change::Dates);
    }
    if message.digest != other.digest {
        verdict.changes.insert(Change::Octets);
    }
}

fn flags(message: &Message) -> (Vec<&String>, Vec<&String>) {
    message.flags.iter().partition(|flag| flag.starts_with('\\'))
}

fn by_essence(messages: &[Message]) -> BTreeMap<Vec<u8>, Vec<&Message>> {
    let mut groups: BTreeMap<Vec<u8>, Vec<&Message>> = BTreeMap::new();
    for message in messages {
        groups.entry(essence(&message.octets)).or_default().push(message);
    }
    for group in groups.values_mut() {
        group.sort_by(|a, b| (a.instant, &a.flags).cmp(&(b.instant, &b.flags)));
    }
    groups
}

/// The header lines of mbox files, which servers that keep mail in such files write and eat.
const MBOX_HEADERS: [&str; 6] =
    ["status", "x-status", "x-uid", "x-keywords", "x-imapbase", "content-length"];

/// What no server changes: the octets without line ends, blanks and NULs, without the `>` that
/// mbox files need before `From `; the header without mbox lines, a continuation of nothing,
/// 8-bit octets, and `X`, which Cyrus writes in place of those.
pub fn essence(octets: &[u8]) -> Vec<u8> {
    let (mut header, mut is_first) = (true, true);
    let mut essence = Vec::with_capacity(octets.len());
    for line in octets.split(|&octet| octet == b'\n') {
        header &= !line.strip_suffix(b"\r").unwrap_or(line).is_empty();
        let quotes = line.iter().take_while(|&&octet| octet == b'>').count();
        let line = if line[quotes..].starts_with(b"From ") { &line[quotes..] } else { line };
        if header && (is_of_mbox(line) || (is_first && line.starts_with(b" "))) {
            continue;
        }
        is_first = false;
        let kept = |octet: &u8| match octet {
            b'\r' | b' ' | b'\t' | 0 | 0x80 => false,
            b'X' | 0x81.. => !header,
            _ => true,
        };
        essence.extend(line.iter().copied().filter(|octet| kept(octet)));
    }
    essence
}

fn is_of_mbox(line: &[u8]) -> bool {
    let name = line.split(|&octet| octet == b':').next().unwrap_or_default();
    let name = String::from_utf8_lossy(name).to_ascii_lowercase();
    let name = name.strip_prefix("x-original-").unwrap_or(&name);
    MBOX_HEADERS.contains(&name) || line.starts_with(b"From ")
}

//! What the tests with imitated providers share: whether what arrived is what was sent, told by the
//! accounts themselves, and the part of `docs/servers.md` that tells the results.

pub mod page;

use std::collections::{BTreeMap, BTreeSet};

use mailferry_testkit::sim::provider::Provider;
use mailferry_testkit::sim::{Account, Date, Message};

/// Which side the provider is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Side {
    Target,
    Source,
}

/// What a provider changed or did not keep. Losing or doubling a message is none of these.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verdict(BTreeSet<&'static str>);

impl Verdict {
    pub fn cell(&self) -> String {
        let words: Vec<&str> = self.0.iter().copied().collect();
        if words.is_empty() { "✓".to_owned() } else { format!("✓ but {}", words.join(", ")) }
    }

    pub fn add(&mut self, word: &'static str) {
        self.0.insert(word);
    }
}

/// Whether the copy may have more than the original.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Surplus {
    None,
    Allowed,
}

/// Mailboxes in which a provider shows messages of other mailboxes.
pub fn is_view(mailbox: &str) -> bool {
    ["[Gmail]/All Mail", "[Gmail]/Starred", "[Gmail]/Important"].contains(&mailbox)
}

/// What stays of a message whatever a provider writes into its header: its body, its date, its
/// system flags.
type Essence = (Vec<u8>, i64, Vec<String>);

fn essence(message: &Message) -> Essence {
    let octets = &message.octets;
    let body = octets.windows(4).position(|window| window == b"\r\n\r\n").map_or(0, |at| at + 4);
    let flags = message.flags.iter().filter(|flag| flag.starts_with('\\')).map(str::to_owned);
    (octets[body..].to_vec(), message.date.seconds, flags.collect())
}

fn keywords(message: &Message) -> Vec<&str> {
    message.flags.keywords().collect()
}

/// What a mailbox of `from` is called in `to`.
fn name_in(to: &Account, from: &Account, mailbox: &str, delimiter: u8) -> String {
    let uses = from.special_uses();
    let wanted = uses.get(mailbox).and_then(|uses| uses.first());
    let same = |(_, uses): &(String, Vec<String>)| wanted.is_some_and(|it| uses.contains(it));
    let special = to.special_uses().into_iter().find(same).map(|(name, _)| name);
    special.unwrap_or_else(|| mailbox.replace(['/', '\\'], &char::from(delimiter).to_string()))
}

/// Compares; fails where a message is missing or doubled, or is another.
#[track_caller]
pub fn judge(from: &Account, to: &Account, delimiter: u8, surplus: Surplus) -> Verdict {
    let mut verdict = Verdict::default();
    let mut expected: BTreeSet<String> = BTreeSet::new();
    for (mailbox, messages) in from.snapshot() {
        let name = name_in(to, from, &mailbox, delimiter);
        expected.insert(name.clone());
        let mut there: BTreeMap<Essence, Vec<Message>> = BTreeMap::new();
        for message in to.messages(&name) {
            there.entry(essence(&message)).or_default().push(message);
        }
        for message in &messages {
            let copies = there.get_mut(&essence(message));
            let copy = copies.and_then(Vec::pop).unwrap_or_else(|| {
                panic!("{mailbox}: UID {} is not in {name}: {:?}", message.uid, message.flags)
            });
            if copy.octets != message.octets {
                verdict.add("octets");
            }
            if keywords(&copy) != keywords(message) {
                verdict.add("keywords");
            }
        }
        let too_many: usize = there.values().map(Vec::len).sum();
        let may = surplus == Surplus::Allowed || is_view(&name);
        assert!(too_many == 0 || may, "{name}: {too_many} too many");
    }
    for (mailbox, messages) in to.snapshot() {
        let may = surplus == Surplus::Allowed || is_view(&mailbox) || expected.contains(&mailbox);
        assert!(messages.is_empty() || may, "{mailbox}: nobody sent that");
    }
    verdict
}

/// Compares where a message counts as there in whatever mailbox it is.
#[track_caller]
pub fn judge_anywhere(from: &Account, to: &Account) -> Verdict {
    let key = |message: &Message| {
        let (body, seconds, _) = essence(message);
        (body, seconds)
    };
    let there: BTreeSet<_> = to.snapshot().values().flatten().map(key).collect();
    for (mailbox, messages) in from.snapshot() {
        for message in messages {
            assert!(there.contains(&key(&message)), "{mailbox}: UID {} is nowhere", message.uid);
        }
    }
    let mut verdict = Verdict::default();
    verdict.add("elsewhere");
    verdict
}

/// The UIDs of all messages, by mailbox.
pub fn uids(account: &Account) -> BTreeMap<String, Vec<u32>> {
    let all = account.snapshot().into_iter().filter(|(_, messages)| !messages.is_empty());
    all.map(|(name, messages)| (name, messages.iter().map(|it| it.uid).collect())).collect()
}

/// Adds ordinary messages, numbered from `first`.
pub fn fill(account: &Account, mailbox: &str, first: i64, count: i64, flags: &[&str]) {
    for number in first..first + count {
        let text = format!(
            "Received: from a.example.org by b.example.org id {number}\r\n\
             Message-ID: <{number}.provider@example.org>\r\nFrom: a@example.org\r\n\
             Subject: number {number}\r\n\r\nThis is number {number}.\r\n"
        );
        let date = Date::utc(1_600_000_000 + number * 3_600);
        account.append(mailbox, text.as_bytes(), flags, date);
    }
}

/// A mailbox of one's own, as the provider names such.
pub fn own_mailbox(provider: Provider) -> &'static str {
    match provider {
        Provider::ProtonBridge => "Folders/Lists",
        _ => "Lists",
    }
}

//! A whole account as the judge saw it.

use super::value::{self, Piece, Value};
use super::{Error, Probe, date};
use std::collections::{BTreeMap, BTreeSet};

/// A mailbox as listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mailbox {
    /// Canonical name.
    pub name: String,
    /// Attributes with their backslash.
    pub attributes: Vec<String>,
}

impl Mailbox {
    /// Whether it can hold messages.
    #[must_use]
    pub fn is_selectable(&self) -> bool {
        !self.has("\\Noselect") && !self.has("\\NonExistent")
    }

    /// Whether it has an attribute; case does not matter.
    #[must_use]
    pub fn has(&self, attribute: &str) -> bool {
        self.attributes.iter().any(|known| known.eq_ignore_ascii_case(attribute))
    }
}

/// A message as fetched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// In its mailbox.
    pub uid: u32,
    /// Flags and keywords, sorted, without `\Recent`.
    pub flags: Vec<String>,
    /// INTERNALDATE, seconds since 1970 UTC.
    pub instant: i64,
    /// RFC822.SIZE.
    pub size: u64,
    /// BLAKE3 of the octets.
    pub digest: [u8; 32],
    /// BLAKE3 of the octets without CR, LF, blanks, TAB, NUL and 0x80: what is left when a
    /// server has mended line ends and NUL.
    pub loose_digest: [u8; 32],
    /// The first line of its Subject, for people.
    pub subject: String,
    /// All of it with [`Keep::Octets`], else empty.
    pub octets: Vec<u8>,
}

/// Whether an account keeps what it has read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// Messages with all their octets: small accounts.
    Octets,
    /// Digests only.
    Digests,
}

/// Mailboxes that can hold messages, their messages in UID order, and the subscriptions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Account {
    /// By canonical name.
    pub mailboxes: BTreeMap<String, Vec<Message>>,
    /// Canonical names.
    pub subscriptions: BTreeSet<String>,
    /// Special-use attributes by canonical name, where there are any.
    pub special_use: BTreeMap<String, BTreeSet<String>>,
}

impl Account {
    /// Messages in all mailboxes.
    #[must_use]
    pub fn message_count(&self) -> usize {
        self.mailboxes.values().map(Vec::len).sum()
    }

    /// The messages of a mailbox, none if there is no such mailbox.
    #[must_use]
    pub fn messages(&self, mailbox: &str) -> &[Message] {
        self.mailboxes.get(mailbox).map_or(&[], Vec::as_slice)
    }

    /// The UIDs of each mailbox: the same after a run that copied and removed nothing.
    #[must_use]
    pub fn uids(&self) -> BTreeMap<String, Vec<u32>> {
        let uids = |messages: &Vec<Message>| messages.iter().map(|message| message.uid).collect();
        self.mailboxes.iter().map(|(name, messages)| (name.clone(), uids(messages))).collect()
    }
}

const SPECIAL_USES: [&str; 8] =
    ["\\All", "\\Archive", "\\Drafts", "\\Flagged", "\\Important", "\\Junk", "\\Sent", "\\Trash"];

pub(super) fn read(probe: &mut Probe, keep: Keep) -> Result<Account, Error> {
    let mut account =
        Account { subscriptions: probe.lsub()?.into_iter().collect(), ..Account::default() };
    for mailbox in probe.list()? {
        let uses: BTreeSet<String> = mailbox
            .attributes
            .iter()
            .filter(|word| SPECIAL_USES.iter().any(|known| known.eq_ignore_ascii_case(word)))
            .cloned()
            .collect();
        if !uses.is_empty() {
            account.special_use.insert(mailbox.name.clone(), uses);
        }
        if mailbox.is_selectable() {
            let messages = read_mailbox(probe, &mailbox.name, keep)?;
            account.mailboxes.insert(mailbox.name, messages);
        }
    }
    Ok(account)
}

fn read_mailbox(probe: &mut Probe, mailbox: &str, keep: Keep) -> Result<Vec<Message>, Error> {
    let name = super::wire::quote(&probe.native(mailbox));
    let answers = probe.wire.command(&format!("EXAMINE {name}"))?;
    let exists = answers.iter().find_map(|answer| answer.number("EXISTS")).unwrap_or(0);
    let mut messages = Vec::new();
    // In slices, so that an account of any size fits: FETCH of an empty mailbox is BAD.
    for first in (1..=exists).step_by(200) {
        let last = exists.min(first + 199);
        // Courier ends BODY[] early in messages of more than 300 parts.
        let (asked, told) = match probe.wire.greeting.contains("Courier-IMAP") {
            true => ("RFC822", "RFC822"),
            false => ("BODY.PEEK[]", "BODY[]"),
        };
        let items = format!("(UID FLAGS INTERNALDATE RFC822.SIZE {asked})");
        let answers = probe.wire.command(&format!("FETCH {first}:{last} {items}"))?;
        for pieces in answers.iter().filter_map(|answer| answer.numbered("FETCH")) {
            messages.push(read_message(&pieces, told, keep)?);
        }
    }
    messages.sort_by_key(|message| message.uid);
    match u32::try_from(messages.len()) {
        Ok(count) if count == exists => Ok(messages),
        _ => Err(Error::Unreadable(format!(
            "{mailbox}: {exists} messages exist and {} were fetched",
            messages.len()
        ))),
    }
}

fn read_message(pieces: &[Piece], body: &str, keep: Keep) -> Result<Message, Error> {
    let values = value::parse(pieces)?;
    let missing = |what: &str| Error::Unreadable(format!("FETCH without {what}"));
    let Some(Value::List(items)) = values.first() else { return Err(missing("a list")) };
    let item = |name: &str| {
        let mut pairs = items.chunks_exact(2);
        let found = pairs.find(|pair| pair[0].octets().eq_ignore_ascii_case(name.as_bytes()));
        found.map(|pair| &pair[1]).ok_or_else(|| missing(name))
    };
    let Value::List(flags) = item("FLAGS")? else { return Err(missing("FLAGS")) };
    let mut flags: Vec<String> = flags.iter().map(Value::text).collect();
    flags.retain(|flag| !flag.eq_ignore_ascii_case("\\Recent"));
    flags.sort();
    let size = item("RFC822.SIZE")?.text().parse().map_err(|_| missing("RFC822.SIZE"))?;
    let uid = item("UID")?.text().parse().map_err(|_| missing("UID"))?;
    let instant = date::parse_internal_date(&item("INTERNALDATE")?.text())
        .ok_or_else(|| missing("INTERNALDATE"))?;
    Ok(Message { size, ..Message::of(item(body)?.octets(), (uid, flags, instant), keep) })
}

impl Message {
    /// What is to be seen of these octets.
    pub(super) fn of(
        octets: &[u8],
        (uid, flags, instant): (u32, Vec<String>, i64),
        keep: Keep,
    ) -> Self {
        let loose: Vec<u8> = octets
            .iter()
            .copied()
            .filter(|octet| !matches!(octet, b'\r' | b'\n' | b' ' | b'\t' | 0 | 0x80))
            .collect();
        Self {
            uid,
            flags,
            instant,
            size: octets.len() as u64,
            digest: *blake3::hash(octets).as_bytes(),
            loose_digest: *blake3::hash(&loose).as_bytes(),
            subject: subject(octets),
            octets: if keep == Keep::Octets { octets.to_vec() } else { Vec::new() },
        }
    }
}

fn subject(octets: &[u8]) -> String {
    let head = &octets[..octets.len().min(64 << 10)];
    let lines =
        head.split(|octet| *octet == b'\n').take_while(|line| !line.trim_ascii().is_empty());
    let mut found = lines
        .filter(|line| line.get(..8).is_some_and(|name| name.eq_ignore_ascii_case(b"subject:")));
    let text = found.next().map_or(&b""[..], |line| line[8..].trim_ascii());
    String::from_utf8_lossy(&text[..text.len().min(60)]).into_owned()
}

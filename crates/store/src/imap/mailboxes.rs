//! Listing the mailboxes of an account (RFC 9051 §6.3.9, §6.3.10; RFC 5258, RFC 5819, RFC 6154).

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use mailferry_engine::fault::{Fault, FaultKind};
use mailferry_engine::listing::{AccountListing, MailboxInfo, Mark, Namespace};
use mailferry_engine::name::{MailboxName, SpecialUse};
use mailferry_imap::command::Command;
use mailferry_imap::login::Introduction;
use mailferry_imap::response::{Code, List, Status, StatusItems, Untagged};
use mailferry_imap::session::Completion;

use super::{ImapAccount, narrow};

/// Prefixes by kind of namespace.
#[derive(Clone, Default)]
pub(super) struct Namespaces {
    personal: Option<(Vec<u8>, Option<u8>)>,
    prefixes: Vec<(Vec<u8>, Namespace)>,
}

impl Namespaces {
    fn of(&self, name: &MailboxName) -> Namespace {
        if name.is_inbox() {
            return Namespace::Personal;
        }
        let within = |prefix: &[u8]| {
            let bare =
                prefix.strip_suffix(b"/").or_else(|| prefix.strip_suffix(b".")).unwrap_or(prefix);
            name.as_bytes().starts_with(prefix) || (!bare.is_empty() && name.as_bytes() == bare)
        };
        let found = self
            .prefixes
            .iter()
            .filter(|(prefix, _)| within(prefix))
            .max_by_key(|(prefix, _)| prefix.len());
        found.map_or(Namespace::Personal, |(_, namespace)| *namespace)
    }
}

/// The subscriptions of UW imapd, and what it writes while it changes them.
const OWN_FILES: [&[u8]; 2] = [b".mailboxlist", b".mlbxlsttmp"];

/// Whether UW imapd lists this beside the mailboxes: those, and the lock of a mailbox in use.
fn is_own_file(name: &[u8], seen: &BTreeMap<MailboxName, Seen>) -> bool {
    let locked = name.strip_suffix(b".lock");
    OWN_FILES.contains(&name)
        || locked.is_some_and(|mailbox| seen.contains_key(&MailboxName::new(mailbox)))
}

/// STATUS commands in flight at first: fewer than the errors after which a server hangs up.
const STATUS_COMMANDS_MIN: usize = 4;
/// The same once the server answered as many without an error.
const STATUS_COMMANDS_MAX: usize = 64;

/// How long to wait before STATUS is asked again where it was refused.
const STATUS_PAUSES: [Duration; 3] =
    [Duration::from_millis(50), Duration::from_millis(200), Duration::from_millis(750)];

/// Whether asking again is of no use.
fn is_for_good(refusal: &Completion) -> bool {
    let code = refusal.code();
    refusal.status == Status::Bad
        || matches!(code, Some(Code::NoPerm | Code::NonExistent | Code::Cannot))
}

/// What several answers told of one mailbox.
#[derive(Default)]
pub(super) struct Seen {
    delimiter: Option<u8>,
    attributes: BTreeSet<Vec<u8>>,
    subscribed: bool,
    listed: bool,
    pub(super) mark: Mark,
}

impl ImapAccount {
    pub(super) async fn list_mailboxes(&mut self) -> Result<AccountListing, Fault> {
        self.unselect().await?;
        let asks_namespaces = self.namespaces.is_none();
        let mut commands = if asks_namespaces { self.introduction_commands() } else { Vec::new() };
        commands.extend(self.list_commands());
        let mut seen: BTreeMap<MailboxName, Seen> = BTreeMap::new();
        let mut told = Introduced::default();
        let completions = self
            .run_all(&commands, |data| {
                note(&mut seen, data);
                told.take_note(data);
            })
            .await?;
        let is_extended = self.connection.capabilities().has("LIST-EXTENDED");
        let mut tells_subscriptions = true;
        for (command, completion) in commands.iter().zip(&completions) {
            let name = command.name().split(' ').next().unwrap_or_default();
            match name {
                _ if completion.is_ok() => {}
                // It is only politeness.
                "ID" => {}
                // LIST told which mailboxes are subscribed.
                "LSUB" if is_extended => tells_subscriptions = false,
                // Without NAMESPACE every mailbox looks like the user's own, which a mirror may
                // remove.
                _ => {
                    let words = format!("{name}: {}", completion.words());
                    return Err(self.fault(FaultKind::ListingIncomplete, words));
                }
            }
        }
        if asks_namespaces {
            self.connection.session.quirks.learn_from_words(&told.software);
            self.namespaces = Some(told.namespaces);
        }
        if self.connection.session.quirks.lists_own_files {
            let own: Vec<MailboxName> =
                seen.keys().filter(|name| is_own_file(name.as_bytes(), &seen)).cloned().collect();
            seen.retain(|name, _| !own.contains(name));
        }
        self.count_messages(&mut seen).await?;
        let listing = account_listing(seen, &self.namespaces.clone().unwrap_or_default());
        let bare_subscriptions = listing.bare_subscriptions.filter(|_| tells_subscriptions);
        Ok(AccountListing { bare_subscriptions, ..listing })
    }

    /// The mailboxes that are there now.
    pub(super) async fn present(&mut self) -> Result<Present, Fault> {
        let mut present = Present::default();
        let completion = self.run(&Present::command(), |data| present.take_note(data)).await?;
        present.complete(&completion);
        if present.is_complete() {
            return Ok(present);
        }
        let words = format!("LIST: {}", completion.words());
        Err(self.fault(FaultKind::ListingIncomplete, words))
    }

    /// STATUS for each mailbox of which LIST told none, pipelined: all without LIST-STATUS
    /// (RFC 5819 §2), and with it those that were left out; Cyrus 3.6 leaves out one that is in use
    /// at the moment, and may refuse it here as well, so that it is asked some more times. A mailbox
    /// that goes on refusing keeps its count unknown; opening it will tell why.
    async fn count_messages(
        &mut self,
        seen: &mut BTreeMap<MailboxName, Seen>,
    ) -> Result<(), Fault> {
        let can_be_opened =
            |entry: &Seen| entry.listed && !entry.is_parent_only() && entry.mark.messages.is_none();
        let mut names: Vec<MailboxName> = seen
            .iter()
            .filter(|(_, entry)| can_be_opened(entry))
            .map(|(name, _)| name.clone())
            .collect();
        let mut refused = 0;
        for pause in std::iter::once(Duration::ZERO).chain(STATUS_PAUSES) {
            tokio::time::sleep(pause).await;
            names = self.ask_counts(names, &mut refused, seen).await?;
            // Courier and pymap hang up after a few errors; the counts are not worth it.
            let errors = refused.saturating_add(names.len());
            if names.is_empty() || errors >= self.connection.session.quirks.errors_max as usize {
                break;
            }
        }
        Ok(())
    }

    /// Asks for the STATUS of each, and gives back those whose refusal may be of the moment.
    async fn ask_counts(
        &mut self,
        names: Vec<MailboxName>,
        refused: &mut usize,
        seen: &mut BTreeMap<MailboxName, Seen>,
    ) -> Result<Vec<MailboxName>, Fault> {
        let items = self.marks_items();
        let errors_max = self.connection.session.quirks.errors_max as usize;
        let mut again = Vec::new();
        let (mut left, mut window) = (&names[..], STATUS_COMMANDS_MIN);
        while !left.is_empty() && *refused < errors_max {
            let (some, rest) = left.split_at(window.min(left.len()));
            left = rest;
            let commands = status_commands(some, &items);
            let completions = self.run_all(&commands, |data| note(seen, data)).await?;
            let answered = some.iter().zip(&completions).filter(|(_, answer)| !answer.is_ok());
            let refusals: Vec<(&MailboxName, &Completion)> = answered.collect();
            *refused += refusals.len();
            window = if refusals.is_empty() { STATUS_COMMANDS_MAX } else { STATUS_COMMANDS_MIN };
            let of_the_moment = refusals.into_iter().filter(|(_, answer)| !is_for_good(answer));
            again.extend(of_the_moment.map(|(name, _)| name.clone()));
        }
        Ok(again)
    }

    pub(super) async fn ask_marks(
        &mut self,
        mailboxes: &[MailboxName],
    ) -> Result<Vec<Mark>, Fault> {
        self.unselect().await?;
        let items = self.marks_items();
        let mut seen: BTreeMap<MailboxName, Seen> = BTreeMap::new();
        for names in mailboxes.chunks(self.status_commands_max()) {
            self.run_all(&status_commands(names, &items), |data| note(&mut seen, data)).await?;
        }
        let mark = |name| seen.get(name).map(|seen| seen.mark.clone()).unwrap_or_default();
        Ok(mailboxes.iter().map(mark).collect())
    }

    /// STATUS commands in flight: fewer than the errors after which the server hangs up.
    pub(super) fn status_commands_max(&self) -> usize {
        let patience = self.connection.session.quirks.errors_max as usize;
        patience.clamp(STATUS_COMMANDS_MIN, STATUS_COMMANDS_MAX)
    }

    pub(super) fn marks_items(&self) -> String {
        format!("({})", self.status_items())
    }

    /// What STATUS is asked: what tells whether a mailbox changed since an earlier run.
    fn status_items(&self) -> String {
        let capabilities = self.connection.capabilities();
        let mut items = vec!["MESSAGES", "UIDNEXT", "UIDVALIDITY"];
        if capabilities.has("CONDSTORE") {
            items.push("HIGHESTMODSEQ");
        }
        if capabilities.has("OBJECTID") {
            items.push("MAILBOXID");
        }
        items.join(" ")
    }

    fn list_commands(&self) -> Vec<Command> {
        let capabilities = self.connection.capabilities();
        // Only this tells subscribed names without a mailbox so that they can be told from mailboxes
        // wherever `\NonExistent` is forgotten (RFC 5258 §3.4).
        let lsub = Command::new("LSUB \"\" \"*\"");
        if !capabilities.has("LIST-EXTENDED") {
            return vec![Command::new("LIST \"\" \"*\""), lsub];
        }
        let mut returns = vec!["SUBSCRIBED".to_owned()];
        if capabilities.has("SPECIAL-USE") {
            returns.push("SPECIAL-USE".to_owned());
        }
        if capabilities.has("LIST-STATUS") {
            returns.push(format!("STATUS ({})", self.status_items()));
        }
        let returns = format!("RETURN ({})", returns.join(" "));
        vec![Command::new("LIST \"\" \"*\"").sp().raw(&returns), lsub]
    }

    /// STATUS (SIZE) of each mailbox; nothing where the server has it not, since without it
    /// every message would have to be asked.
    pub(super) async fn sum_octets(
        &mut self,
        mailboxes: &[MailboxName],
    ) -> Result<Vec<Option<u64>>, Fault> {
        let capabilities = self.connection.capabilities();
        if !capabilities.has("STATUS=SIZE") && !capabilities.is_rev2() {
            return Ok(vec![None; mailboxes.len()]);
        }
        let mut sums: BTreeMap<MailboxName, u64> = BTreeMap::new();
        for names in mailboxes.chunks(STATUS_COMMANDS_MIN) {
            self.run_all(&status_commands(names, "(SIZE)"), |data| {
                if let Untagged::Status { mailbox, items } = data {
                    sums.extend(items.size.map(|size| (MailboxName::new(&**mailbox), size)));
                }
            })
            .await?;
        }
        Ok(mailboxes.iter().map(|name| sums.get(name).copied()).collect())
    }

    /// What is asked once a connection: namespaces, which do not change in it, and who the
    /// server is, which may tell what is odd about it. We say who we are (RFC 2971 §3.1).
    fn introduction_commands(&self) -> Vec<Command> {
        let capabilities = self.connection.capabilities();
        let mut commands = Vec::new();
        if capabilities.has("NAMESPACE") {
            commands.push(Command::new("NAMESPACE"));
        }
        if capabilities.has("ID") && self.introduction == Introduction::Given {
            let version = env!("CARGO_PKG_VERSION");
            let fields = format!("(\"name\" \"mailferry\" \"version\" \"{version}\")");
            commands.push(Command::new("ID").sp().raw(&fields));
        }
        commands
    }
}

/// The mailboxes that a LIST finds.
#[derive(Default)]
pub(super) struct Present {
    names: BTreeSet<MailboxName>,
    listed: bool,
}

impl Present {
    pub(super) fn command() -> Command {
        Command::new("LIST \"\" \"*\"")
    }

    pub(super) fn take_note(&mut self, data: &Untagged<'_>) {
        if let Untagged::List(list) = data
            && !list.is_lsub
        {
            self.names.insert(MailboxName::new(&*list.name));
        }
    }

    pub(super) fn complete(&mut self, completion: &Completion) {
        self.listed = completion.is_ok();
    }

    /// Whether the server said that those are all.
    pub(super) fn is_complete(&self) -> bool {
        self.listed
    }

    pub(super) fn has(&self, name: &MailboxName) -> bool {
        self.names.contains(name)
    }
}

/// What a server tells once a connection.
#[derive(Default)]
struct Introduced {
    namespaces: Namespaces,
    software: Vec<u8>,
}

impl Introduced {
    fn take_note(&mut self, data: &Untagged<'_>) {
        match data {
            Untagged::Id(fields) => {
                let values = fields.iter().filter_map(|(_, value)| value.as_deref());
                self.software.extend(values.flatten());
            }
            Untagged::Namespace { personal, other, shared } => {
                let first = personal.first();
                self.namespaces.personal =
                    first.map(|entry| (entry.prefix.to_vec(), entry.delimiter));
                for (entries, kind) in [
                    (personal, Namespace::Personal),
                    (other, Namespace::Other),
                    (shared, Namespace::Shared),
                ] {
                    let prefixes = entries.iter().map(|entry| (entry.prefix.to_vec(), kind));
                    self.namespaces.prefixes.extend(prefixes);
                }
            }
            _ => {}
        }
    }
}

pub(super) fn status_commands(names: &[MailboxName], items: &str) -> Vec<Command> {
    let status =
        |name: &MailboxName| Command::new("STATUS").sp().mailbox(name.as_bytes()).sp().raw(items);
    names.iter().map(status).collect()
}

impl Seen {
    /// A parent in name only, which cannot be opened (RFC 9051 §7.3.1).
    fn is_parent_only(&self) -> bool {
        self.attributes.contains(b"\\noselect".as_slice())
            || self.attributes.contains(b"\\nonexistent".as_slice())
    }
}

pub(super) fn note(seen: &mut BTreeMap<MailboxName, Seen>, data: &Untagged<'_>) {
    match data {
        Untagged::List(list) => {
            note_list(seen.entry(MailboxName::new(&*list.name)).or_default(), list)
        }
        Untagged::Status { mailbox, items } => {
            seen.entry(MailboxName::new(&**mailbox)).or_default().mark = mark(items);
        }
        _ => {}
    }
}

fn mark(items: &StatusItems<'_>) -> Mark {
    Mark {
        uid_validity: items.uidvalidity.map_or(0, narrow),
        uid_next: items.uidnext.map_or(0, narrow),
        messages: items.messages.and_then(|count| u32::try_from(count).ok()),
        highest_modseq: items.highestmodseq.unwrap_or(0),
        mailbox_id: items.mailboxid.map(Box::from),
    }
}

fn note_list(entry: &mut Seen, list: &List<'_>) {
    if list.is_lsub {
        // LSUB of a parent whose child is subscribed shows it `\Noselect` (RFC 3501 §6.3.9):
        // that is no subscription of its own.
        let named_only =
            list.attributes.iter().any(|attribute| attribute.eq_ignore_ascii_case(b"\\Noselect"));
        entry.subscribed |= !named_only;
        return;
    }
    entry.listed = true;
    entry.delimiter = list.delimiter;
    for attribute in &list.attributes {
        entry.subscribed |= attribute.eq_ignore_ascii_case(b"\\Subscribed");
        entry.attributes.insert(attribute.to_ascii_lowercase());
    }
}

/// Whether a name is subscribed, the user's own, and that of no mailbox. One that is no modified UTF-7
/// (RFC 3501 §5.1.3) may be that of a mailbox, written otherwise.
fn is_bare((name, entry): (&MailboxName, &Seen), namespaces: &Namespaces) -> bool {
    entry.subscribed
        && !entry.listed
        && !name.as_bytes().is_empty()
        && name.as_bytes().is_ascii()
        && namespaces.of(name) == Namespace::Personal
}

fn account_listing(seen: BTreeMap<MailboxName, Seen>, namespaces: &Namespaces) -> AccountListing {
    let bare = seen.iter().filter(|entry| is_bare(*entry, namespaces));
    let bare_subscriptions = Some(bare.map(|(name, _)| name.clone()).collect());
    let mut mailboxes: Vec<MailboxInfo> = seen
        .into_iter()
        .filter(|(name, entry)| entry.listed && !name.as_bytes().is_empty())
        .map(|(name, entry)| {
            let special_use = SpecialUse::EVERY.into_iter().find(|use_| {
                entry.attributes.contains(use_.attribute().to_ascii_lowercase().as_bytes())
            });
            MailboxInfo {
                namespace: namespaces.of(&name),
                delimiter: entry.delimiter,
                special_use,
                selectable: !entry.is_parent_only(),
                subscribed: entry.subscribed,
                messages: entry.mark.messages,
                mark: entry.mark,
                name,
            }
        })
        .collect();
    mailboxes.sort_by(|one, other| one.name.cmp(&other.name));
    let (prefix, delimiter) = match &namespaces.personal {
        Some((prefix, delimiter)) => (prefix.clone(), *delimiter),
        None => guessed(&mailboxes),
    };
    AccountListing { mailboxes, prefix: prefix.into(), delimiter, bare_subscriptions }
}

/// Without NAMESPACE: the delimiter that LIST shows most, and `INBOX` with it as prefix if
/// every other mailbox stands below INBOX.
fn guessed(mailboxes: &[MailboxInfo]) -> (Vec<u8>, Option<u8>) {
    let mut counts: BTreeMap<u8, usize> = BTreeMap::new();
    for delimiter in mailboxes.iter().filter_map(|mailbox| mailbox.delimiter) {
        *counts.entry(delimiter).or_default() += 1;
    }
    let Some(delimiter) =
        counts.into_iter().max_by_key(|&(_, count)| count).map(|(delimiter, _)| delimiter)
    else {
        return (Vec::new(), None);
    };
    let prefix = [MailboxName::INBOX, &[delimiter]].concat();
    let mut others = mailboxes.iter().filter(|mailbox| !mailbox.name.is_inbox()).peekable();
    let below = |mailbox: &MailboxInfo| {
        mailbox
            .name
            .as_bytes()
            .get(..prefix.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(&prefix))
    };
    if others.peek().is_some() && others.all(below) {
        (prefix, Some(delimiter))
    } else {
        (Vec::new(), Some(delimiter))
    }
}

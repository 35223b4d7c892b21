//! LIST, LSUB, STATUS, NAMESPACE (RFC 3501 §6.3.8, RFC 5258, RFC 5819, RFC 6154, RFC 2342).

use std::collections::{BTreeMap, BTreeSet};

use super::mailstore::{Mailbox, Store};
use super::modseq::Aware;
use super::name;
use super::parse::{Cursor, Parsed, Refusal, astring_text};
use super::profile::{Extension, Profile};
use super::session::{Answer, Session, done};
use super::wire::Out;

/// Arguments of LIST.
#[derive(Debug, Default)]
pub(super) struct ListArguments {
    select: BTreeSet<Select>,
    reference: Vec<u8>,
    patterns: Vec<Vec<u8>>,
    show: BTreeSet<Show>,
    status: Vec<StatusItem>,
    syntax: Syntax,
}

/// Selection options (RFC 5258 §3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Select {
    Subscribed,
    Remote,
    RecursiveMatch,
    SpecialUse,
}

/// Return options (RFC 5258 §3.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Show {
    Subscribed,
    Children,
    SpecialUse,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Syntax {
    #[default]
    Plain,
    Extended,
}

/// What STATUS can be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum StatusItem {
    Messages,
    Recent,
    UidNext,
    UidValidity,
    Unseen,
    Size,
    AppendLimit,
    HighestModSeq,
    MailboxId,
}

impl StatusItem {
    pub(super) fn parse(cursor: &mut Cursor<'_>, profile: &Profile) -> Parsed<Self> {
        match cursor.keyword()?.as_str() {
            "MESSAGES" => Ok(Self::Messages),
            "RECENT" => Ok(Self::Recent),
            "UIDNEXT" => Ok(Self::UidNext),
            "UIDVALIDITY" => Ok(Self::UidValidity),
            "UNSEEN" => Ok(Self::Unseen),
            "SIZE" if profile.has(Extension::StatusSize) => Ok(Self::Size),
            "APPENDLIMIT" if profile.has(Extension::AppendLimit) => Ok(Self::AppendLimit),
            "HIGHESTMODSEQ" if profile.knows_mod_sequences() => Ok(Self::HighestModSeq),
            "MAILBOXID" if profile.has(Extension::ObjectId) => Ok(Self::MailboxId),
            other => Err(Refusal::bad(format!("Unknown STATUS item {other}"))),
        }
    }

    /// What asking for it says of the client (RFC 7162 §3.1).
    fn aware(self) -> Aware {
        if self == Self::HighestModSeq { Aware::ModSequences } else { Aware::Nothing }
    }

    fn text(self, mailbox: &Mailbox, profile: &Profile) -> String {
        let stored = || mailbox.messages.values();
        match self {
            Self::Messages => {
                let most = profile.habits.view_messages_max.unwrap_or(usize::MAX);
                format!("MESSAGES {}", mailbox.messages.len().min(most))
            }
            Self::Recent => format!("RECENT {}", stored().filter(|found| found.recent).count()),
            Self::UidNext => format!("UIDNEXT {}", mailbox.uid_next),
            Self::UidValidity => format!("UIDVALIDITY {}", mailbox.uid_validity),
            Self::Unseen => {
                let unseen = stored().filter(|found| !found.message.flags.contains("\\Seen"));
                format!("UNSEEN {}", unseen.count())
            }
            Self::Size => format!("SIZE {}", mailbox.octets),
            Self::AppendLimit => match profile.limits.append_octets_max {
                Some(most) => format!("APPENDLIMIT {most}"),
                None => "APPENDLIMIT NIL".to_owned(),
            },
            // RFC 7162 §3.1.7
            Self::HighestModSeq => {
                let highest = mailbox.highest_modseq(profile.mod_sequences);
                format!("HIGHESTMODSEQ {}", highest.unwrap_or(0))
            }
            Self::MailboxId => format!("MAILBOXID ({})", mailbox.object_id()),
        }
    }
}

impl ListArguments {
    pub(super) fn parse(cursor: &mut Cursor<'_>, profile: &Profile) -> Parsed<Self> {
        let mut arguments = Self::default();
        if cursor.peek() == Some(b'(') {
            let listed = cursor.list(0, |cursor| selection(cursor, profile))?;
            arguments.select = listed.into_iter().collect();
            arguments.syntax = Syntax::Extended;
            cursor.space()?;
        }
        arguments.reference = cursor.astring()?;
        cursor.space()?;
        if cursor.peek() == Some(b'(') && profile.has(Extension::ListExtended) {
            arguments.patterns = cursor.list(1, Cursor::pattern)?;
            arguments.syntax = Syntax::Extended;
        } else {
            arguments.patterns = vec![cursor.pattern()?];
        }
        if has_options(profile) && cursor.skip(b' ') {
            if cursor.keyword()? != "RETURN" {
                return Err(Refusal::bad("Expected RETURN"));
            }
            cursor.space()?;
            arguments.syntax = Syntax::Extended;
            arguments.returns(cursor, profile)?;
        }
        let recursive = arguments.select.contains(&Select::RecursiveMatch);
        if recursive && !arguments.select.contains(&Select::Subscribed) {
            // RFC 5258 §3.1: not alone, nor with REMOTE alone.
            return Err(Refusal::bad("RECURSIVEMATCH needs SUBSCRIBED"));
        }
        Ok(arguments)
    }

    fn returns(&mut self, cursor: &mut Cursor<'_>, profile: &Profile) -> Parsed<()> {
        cursor.expect(b'(')?;
        if cursor.skip(b')') {
            return Ok(());
        }
        loop {
            let extended = profile.has(Extension::ListExtended);
            match cursor.keyword()?.as_str() {
                "SUBSCRIBED" if extended => {
                    self.show.insert(Show::Subscribed);
                }
                "CHILDREN" if extended => {
                    self.show.insert(Show::Children);
                }
                "SPECIAL-USE" if profile.has(Extension::SpecialUse) => {
                    self.show.insert(Show::SpecialUse);
                }
                "STATUS" if extended && profile.has(Extension::ListStatus) => {
                    cursor.space()?;
                    self.status = cursor.list(1, |cursor| StatusItem::parse(cursor, profile))?;
                }
                other => {
                    return Err(Refusal::bad(format!("Unknown LIST return option {other}")));
                }
            }
            if !cursor.skip(b' ') {
                return cursor.expect(b')');
            }
        }
    }

    /// Whether a name matches one of the patterns.
    fn matches(&self, name: &str, delimiter: u8) -> bool {
        self.patterns.iter().any(|pattern| matches(&self.reference, pattern, name, delimiter))
    }
}

fn has_options(profile: &Profile) -> bool {
    profile.has(Extension::ListExtended) || profile.has(Extension::SpecialUse)
}

fn selection(cursor: &mut Cursor<'_>, profile: &Profile) -> Parsed<Select> {
    let extended = profile.has(Extension::ListExtended);
    match cursor.keyword()?.as_str() {
        "SUBSCRIBED" if extended => Ok(Select::Subscribed),
        "REMOTE" if extended => Ok(Select::Remote),
        "RECURSIVEMATCH" if extended => Ok(Select::RecursiveMatch),
        "SPECIAL-USE" if profile.has(Extension::SpecialUse) => Ok(Select::SpecialUse),
        other => Err(Refusal::bad(format!("Unknown LIST selection option {other}"))),
    }
}

fn matches(reference: &[u8], pattern: &[u8], name: &str, delimiter: u8) -> bool {
    // A pattern with 8-bit octets matches nothing: no name has any.
    match (std::str::from_utf8(reference), std::str::from_utf8(pattern)) {
        (Ok(reference), Ok(pattern)) => {
            name::matches(&format!("{reference}{pattern}"), name, delimiter)
        }
        _ => false,
    }
}

/// Every name with whether it is a mailbox: parents that are none are listed all the same.
fn with_parents<'s>(
    names: impl Iterator<Item = &'s String>,
    delimiter: u8,
) -> BTreeMap<String, Existence> {
    let mut nodes = BTreeMap::new();
    for name in names {
        nodes.insert(name.clone(), Existence::Mailbox);
        for (at, _) in name.bytes().enumerate().filter(|(_, octet)| *octet == delimiter) {
            nodes.entry(name[..at].to_owned()).or_insert(Existence::Parent);
        }
    }
    nodes
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Existence {
    Mailbox,
    Parent,
}

fn has_children(nodes: &BTreeMap<String, Existence>, name: &str, delimiter: u8) -> bool {
    let below = format!("{name}{}", char::from(delimiter));
    nodes.range(below.clone()..).next().is_some_and(|(next, _)| next.starts_with(&below))
}

impl Session {
    pub(super) fn list(&mut self, arguments: &ListArguments, out: &mut Out) -> Answer {
        self.note_asked(&arguments.status, out)?;
        let account = self.account()?;
        let profile = self.profile();
        let delimiter = profile.delimiter;
        if arguments.syntax == Syntax::Plain && arguments.patterns == [b""] {
            // Asks for the delimiter (RFC 3501 §6.3.8).
            out.line(format!("* LIST (\\Noselect) {} \"\"", quoted_delimiter(delimiter)));
            return done("List");
        }
        let store = account.lock();
        let nodes = with_parents(store.mailboxes.keys(), delimiter);
        let mut names: BTreeSet<&str> = nodes.keys().map(String::as_str).collect();
        if arguments.select.contains(&Select::Subscribed) {
            // A subscribed name is listed even if it does not exist (RFC 5258 §3.1).
            names.extend(store.subscriptions.iter().map(String::as_str));
        }
        let listing = Listing { arguments, profile, store: &store, nodes: &nodes };
        for name in names.into_iter().filter(|name| arguments.matches(name, delimiter)) {
            listing.write(name, out);
        }
        done("List")
    }

    pub(super) fn lsub(&mut self, reference: &[u8], pattern: &[u8], out: &mut Out) -> Answer {
        let account = self.account()?;
        let delimiter = self.profile().delimiter;
        let store = account.lock();
        let mut lines = BTreeMap::new();
        for (name, existence) in with_parents(store.subscriptions.iter(), delimiter) {
            let is_shown = matches(reference, pattern, &name, delimiter);
            match existence {
                Existence::Mailbox if is_shown => {
                    lines.insert(name, "");
                }
                // With `%`, a name whose children are subscribed stands for them (RFC 3501 §6.3.9).
                Existence::Parent if is_shown && pattern.ends_with(b"%") => {
                    lines.insert(name, "\\Noselect");
                }
                _ => {}
            }
        }
        for (name, attributes) in lines {
            let delimiter = quoted_delimiter(delimiter);
            out.line(format!("* LSUB ({attributes}) {delimiter} {}", astring_text(&name)));
        }
        done("Lsub")
    }

    pub(super) fn status(&mut self, name: &[u8], items: &[StatusItem], out: &mut Out) -> Answer {
        self.note_asked(items, out)?;
        let account = self.account()?;
        let profile = self.profile();
        let name = name::accept(name, profile)?;
        let store = account.lock();
        let Some(mailbox) = store.mailboxes.get(&name) else {
            return Err(Refusal::no("[NONEXISTENT] Mailbox doesn't exist"));
        };
        out.line(status_line(&name, mailbox, items, profile));
        done("Status")
    }

    fn note_asked(&mut self, items: &[StatusItem], out: &mut Out) -> Parsed<()> {
        let aware = items.iter().map(|item| item.aware()).max();
        self.note_aware(aware.unwrap_or(Aware::Nothing), out)
    }

    pub(super) fn namespace(&mut self, out: &mut Out) -> Answer {
        let profile = self.profile();
        let delimiter = quoted_delimiter(profile.delimiter);
        let one = |prefix: &str| format!("((\"{prefix}\" {delimiter}))");
        let maybe = |prefix: &Option<String>| prefix.as_deref().map_or("NIL".to_owned(), one);
        out.line(format!(
            "* NAMESPACE {} {} {}",
            one(&profile.prefix),
            maybe(&profile.other),
            maybe(&profile.shared)
        ));
        done("Namespace")
    }
}

/// One LIST command at work.
struct Listing<'a> {
    arguments: &'a ListArguments,
    profile: &'a Profile,
    store: &'a Store,
    nodes: &'a BTreeMap<String, Existence>,
}

impl Listing<'_> {
    fn write(&self, name: &str, out: &mut Out) {
        let select = &self.arguments.select;
        let mailbox = self.store.mailboxes.get(name);
        let is_subscribed = self.store.subscriptions.contains(name);
        let special: &[String] = match mailbox {
            Some(mailbox) if self.profile.has(Extension::SpecialUse) => &mailbox.special_use,
            _ => &[],
        };
        if select.contains(&Select::SpecialUse) && special.is_empty() {
            return;
        }
        let mut child_info = "";
        if select.contains(&Select::Subscribed) && !is_subscribed {
            if !self.stands_for_children(name) {
                return;
            }
            child_info = " (\"CHILDINFO\" (\"SUBSCRIBED\"))";
        }
        let mut attributes: Vec<&str> = Vec::new();
        if mailbox.is_none() {
            attributes.push(match self.arguments.syntax {
                Syntax::Plain => "\\Noselect",
                Syntax::Extended => "\\NonExistent",
            });
        }
        let tells_subscribed = select.contains(&Select::Subscribed) || self.shows(Show::Subscribed);
        if tells_subscribed && is_subscribed {
            attributes.push("\\Subscribed");
        }
        if self.profile.has(Extension::Children) || self.shows(Show::Children) {
            attributes.push(match has_children(self.nodes, name, self.profile.delimiter) {
                true => "\\HasChildren",
                false => "\\HasNoChildren",
            });
        }
        attributes.extend(special.iter().map(String::as_str));
        out.line(format!(
            "* LIST ({}) {} {}{child_info}",
            attributes.join(" "),
            quoted_delimiter(self.profile.delimiter),
            astring_text(name)
        ));
        if let (Some(mailbox), false) = (mailbox, self.arguments.status.is_empty()) {
            out.line(status_line(name, mailbox, &self.arguments.status, self.profile));
        }
    }

    fn shows(&self, option: Show) -> bool {
        self.arguments.show.contains(&option)
    }

    /// Whether RECURSIVEMATCH lists a name for subscribed children that the patterns miss
    /// (RFC 5258 §3.5).
    fn stands_for_children(&self, name: &str) -> bool {
        let delimiter = self.profile.delimiter;
        let below = format!("{name}{}", char::from(delimiter));
        self.arguments.select.contains(&Select::RecursiveMatch)
            && self
                .store
                .subscriptions
                .range(below.clone()..)
                .take_while(|child| child.starts_with(&below))
                .any(|child| !self.arguments.matches(child, delimiter))
    }
}

fn status_line(name: &str, mailbox: &Mailbox, items: &[StatusItem], profile: &Profile) -> String {
    let items: Vec<String> = items.iter().map(|item| item.text(mailbox, profile)).collect();
    format!("* STATUS {} ({})", astring_text(name), items.join(" "))
}

fn quoted_delimiter(delimiter: u8) -> String {
    match delimiter {
        b'\\' | b'"' => format!("\"\\{}\"", char::from(delimiter)),
        _ => format!("\"{}\"", char::from(delimiter)),
    }
}

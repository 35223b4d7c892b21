//! What was found, for people.

use std::fmt::Display;
use std::time::Duration;

use mailferry_engine::fault::Side;
use mailferry_engine::listing::AccountListing;
use mailferry_engine::mapping::{Doubt, How, Mapping};
use mailferry_engine::name::MailboxName;
use mailferry_engine::plan::MailboxPlan;
use mailferry_imap::capability::Capabilities;
use mailferry_imap::session::printable;
use mailferry_imap::tls::{Met, Version};
use mailferry_run::accounts::Accounts;
use mailferry_run::survey::Survey;
use mailferry_store::quota::{Quota, QuotaUse};

use super::account::{Examined, Found, ServerFacts};
use super::outlook::Outlook;
use crate::fault_text::shown;
use crate::mailferry::options::Output;
use crate::mailferry::render::size;

/// What makes runs faster or surer, and what is done without it. In the order of what it matters.
const EXTENSIONS: [(&str, &str); 9] = [
    ("UIDPLUS", "where a copy went is looked for after it was made; deleting waits for CLOSE"),
    ("LITERAL+", "each message sent waits for a round trip"),
    ("MULTIAPPEND", "each message is stored by a command of its own"),
    ("CONDSTORE", "a run with nothing to do asks for all flags"),
    ("LIST-STATUS", "each mailbox is asked for its state by a command of its own"),
    ("SPECIAL-USE", "Sent, Trash and the like are told by their names"),
    ("STATUS=SIZE", "sizes are summed message by message"),
    ("BINARY", "messages with NUL octets lose them"),
    ("QUOTA", "how much room is left is not known before it is full"),
];

fn side(side: Side) -> &'static str {
    match side {
        Side::Source => "source",
        Side::Target => "target",
    }
}

/// One account.
pub(super) fn account(examined: &Examined, output: Output) -> String {
    let mut lines = vec![format!("{} {}", side(examined.side), examined.name)];
    let mut add = |what: &str, words: String| lines.push(format!("  {what:<13} {words}"));
    let found = match &examined.found {
        Ok(found) => found,
        Err(_) => {
            add("not entered", "see below".to_owned());
            return lines.join("\n");
        }
    };
    if let Some(server) = &found.server {
        way_in(server, found.entered_after, &mut add);
        capabilities(server, output, &mut add);
    }
    let listing = &found.listing;
    let unknown = match found.octets_unknown_in {
        0 => String::new(),
        count => format!(", and what is in {count} mailboxes that do not tell"),
    };
    let mailboxes = counted(listing.mailboxes.len(), ["mailbox", "mailboxes"]);
    let messages = counted(found.messages(), ["message", "messages"]);
    add("holds", format!("{mailboxes}, {messages}, {}{unknown}", size(found.octets)));
    add("room", room(found));
    if let Some(limit) = found.append_limit {
        add("one message", format!("{} at most (APPENDLIMIT)", size(limit)));
    }
    lines.join("\n")
}

fn way_in(server: &ServerFacts, entered_after: Duration, add: &mut impl FnMut(&str, String)) {
    let welcome = &server.welcome;
    let protection = match &welcome.certificate {
        None => "no TLS: everything is readable on the way".to_owned(),
        Some(met) => certificate(met),
    };
    add("reached", format!("{}, {protection}", welcome.peer));
    let login = welcome.mechanism.map_or("without a login (PREAUTH)", |mechanism| mechanism.name());
    add(
        "logged in",
        format!(
            "by {login}, {} ms after the start; a round trip takes {}",
            entered_after.as_millis(),
            milliseconds(server.round_trip)
        ),
    );
    add("says", printable(&welcome.banner));
}

fn milliseconds(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1e3)
}

fn certificate(met: &Met) -> String {
    let version = match met.version {
        Some(Version::Tls12) => "TLS 1.2",
        Some(Version::Tls13) => "TLS 1.3",
        None => "TLS",
    };
    let good = match &met.complaint {
        None => "certificate verified".to_owned(),
        Some(complaint) => {
            format!("certificate NOT verified ({})", printable(complaint.as_bytes()))
        }
    };
    let fingerprint = met.fingerprint.map(|it| format!(", {it}")).unwrap_or_default();
    format!("{version}, {good}{fingerprint}")
}

fn capabilities(server: &ServerFacts, output: Output, add: &mut impl FnMut(&str, String)) {
    let listed = &server.welcome.capabilities;
    let offered = Capabilities::new(listed.iter().map(String::as_bytes));
    let (there, missing): (Vec<_>, Vec<_>) =
        EXTENSIONS.iter().partition(|(name, _)| offered.has(name));
    let names: Vec<&str> = there.iter().map(|(name, _)| *name).collect();
    add("offers", if names.is_empty() { "none of what helps".into() } else { names.join(" ") });
    for (name, without) in missing {
        add("lacks", format!("{name}: {without}"));
    }
    if output.verbose {
        add("capabilities", printable(listed.join(" ").as_bytes()));
    }
}

fn room(found: &Found) -> String {
    let Quota { storage, messages } = found.quota;
    let of = |room: QuotaUse, words: fn(u64) -> String| {
        format!("{} left of {}", words(room.left()), words(room.limit))
    };
    let told = [
        storage.map(|room| of(room, size)),
        messages.map(|room| format!("{} messages", of(room, |count| count.to_string()))),
    ];
    let told: Vec<String> = told.into_iter().flatten().collect();
    if told.is_empty() { "no limit is told (QUOTA)".to_owned() } else { told.join(", ") }
}

/// `1 mailbox`, `2 mailboxes`.
fn counted<N: PartialEq + From<u8> + Display>(count: N, [one, many]: [&str; 2]) -> String {
    let word = if count == N::from(1) { one } else { many };
    format!("{count} {word}")
}

/// What each mailbox is called on the target, and what is to be copied into it.
pub(super) fn mailboxes<A: Accounts>(survey: &Survey<A>) -> String {
    let width = survey.mappings.iter().map(|mapping| shown(&mapping.source).chars().count());
    let width = width.max().unwrap_or_default().min(40);
    let mut lines = vec!["mailboxes".to_owned()];
    for mapping in &survey.mappings {
        let plan = survey.plan.mailboxes.iter().find(|plan| plan.target == mapping.target);
        lines.push(format!(
            "  {:<width$} -> {}{}",
            shown(&mapping.source),
            shown(&mapping.target),
            notes(survey, mapping, plan)
        ));
    }
    for left in &survey.plan.left_out {
        lines.push(format!("  {:<width$}    left out", shown(&left.mailbox)));
    }
    lines.join("\n")
}

fn notes<A: Accounts>(survey: &Survey<A>, mapping: &Mapping, plan: Option<&MailboxPlan>) -> String {
    let mut notes = Vec::new();
    let same_levels =
        levels(&survey.source, &mapping.source) == levels(&survey.target, &mapping.target);
    let part = plan.and_then(|plan| plan.parts.iter().find(|part| part.source == mapping.source));
    if let Some(part) = part {
        notes.push(counted(part.uids.len(), ["message", "messages"]));
    }
    if plan.is_some_and(|plan| plan.create.is_some()) {
        notes.push("to be created".to_owned());
    }
    match mapping.how {
        How::SpecialUse(for_what) => {
            notes.push(format!("both are for {}", for_what.attribute()));
        }
        How::Explicit => notes.push("as was said".to_owned()),
        How::ByName if same_levels => {}
        How::ByName => notes.push("NOTE: another name there".to_owned()),
    }
    notes.extend(mapping.doubts.iter().map(|doubt| match doubt {
        Doubt::EmptyLevel => "NOTE: a level of its name is empty".to_owned(),
        Doubt::JoinedByName { with } => format!("NOTE: joined with {}", shown(with)),
        Doubt::CaseTwin { of } => format!("NOTE: only case tells it from {}", shown(of)),
    }));
    if notes.is_empty() { String::new() } else { format!("  ({})", notes.join(", ")) }
}

/// A name as people see it: without the prefix of the account, by its levels.
fn levels<'n>(account: &AccountListing, name: &'n MailboxName) -> Vec<&'n [u8]> {
    let octets = name.as_bytes();
    let octets = octets.strip_prefix(&*account.prefix).unwrap_or(octets);
    octets.split(|octet| Some(*octet) == account.delimiter).collect()
}

/// What a copy would be.
pub(super) fn outlook(outlook: &Outlook) -> String {
    let counts = &outlook.counts;
    let mut lines = vec![format!(
        "to copy: {} of {} ({}), into {}; {} are there, {} are left out",
        counts.copy,
        counted(counts.listed, ["message", "messages"]),
        size(counts.copy_octets),
        counted(outlook.create, ["new mailbox", "new mailboxes"]),
        counts.present + counts.update_flags,
        counts.skip.total()
    )];
    if outlook.is_too_full() {
        lines.push("NO ROOM: the target has less room than that".to_owned());
    }
    match (outlook.pace, outlook.time()) {
        (Some(pace), Some(time)) => lines.push(format!(
            "time: at least {}, as fast as the source sent {} ({}) just now; how fast the target \
             takes mail shows when it does",
            duration(time),
            counted(pace.messages, ["message", "messages"]),
            size(pace.octets)
        )),
        _ if counts.copy == 0 => lines.push("nothing is to be copied".to_owned()),
        _ => lines.push("time: not known, the source sent no message to measure by".to_owned()),
    }
    lines.join("\n")
}

/// `1 h 5 min`, `12 s`.
fn duration(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        0 => "a second".to_owned(),
        1..=119 => format!("{seconds} s"),
        120..=7199 => format!("{} min", seconds / 60),
        _ => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
    }
}

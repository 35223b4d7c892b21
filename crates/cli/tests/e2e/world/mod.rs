//! What the end-to-end tests share: two real servers, accounts on them, the programs.
//!
//! Where Dovecot is missing, tests say so and are left out, unless MAILFERRY_REQUIRE_DOVECOT=1.

#[cfg(unix)]
mod archive;
#[cfg(unix)]
pub mod disk;
pub mod listener;
#[cfg(unix)]
pub mod page;
mod program;

#[cfg(unix)]
pub use archive::Archive;
pub use mailferry_testkit::dovecot::{Dovecot, Layout, Setup, special_use};
pub use mailferry_testkit::farm;
pub use mailferry_testkit::probe::{
    Account, Draft, Duty, Expect, Form, Keep, Message, Probe, compare,
};
pub use program::{Desk, Finished, Front};

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, Weak};

/// Both layouts, up as long as some test of this binary needs them.
pub struct World {
    /// Separator `/`, no prefix.
    pub slash: Dovecot,
    /// Separator `.`, prefix `INBOX.`.
    pub dot: Dovecot,
}

impl World {
    /// The servers, started by the first test that asks. `None`: leave the test out.
    pub fn open() -> Option<Arc<Self>> {
        static RUNNING: Mutex<Weak<World>> = Mutex::new(Weak::new());
        let mut running = RUNNING.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if let Some(world) = running.upgrade() {
            return Some(world);
        }
        let world = Arc::new(Self {
            slash: server(&Setup::new(Layout::Slash))?,
            dot: server(&Setup::new(Layout::DotInbox))?,
        });
        *running = Arc::downgrade(&world);
        Some(world)
    }

    /// Source and target of a transfer.
    pub fn pair(&self, way: Way) -> (Place<'_>, Place<'_>) {
        match way {
            Way::SlashToDot => (Place::new(&self.slash, "from"), Place::new(&self.dot, "to")),
            Way::DotToSlash => (Place::new(&self.dot, "from"), Place::new(&self.slash, "to")),
        }
    }
}

/// A further server, for tests that need a special one.
pub fn server(setup: &Setup) -> Option<Dovecot> {
    Dovecot::start_if_installed(setup).unwrap()
}

/// Which layout is the source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    SlashToDot,
    DotToSlash,
}

/// The server of an account.
#[derive(Clone, Copy)]
pub enum Host<'a> {
    Dovecot(&'a Dovecot),
    Other(&'a farm::Server),
}

impl<'a> Host<'a> {
    /// The Dovecot, for what only that can do.
    pub fn dovecot(&self) -> &'a Dovecot {
        match self {
            Self::Dovecot(server) => server,
            Self::Other(_) => panic!("this account is not on a Dovecot"),
        }
    }

    pub fn imap(&self) -> SocketAddr {
        match self {
            Self::Dovecot(server) => server.imap(),
            Self::Other(server) => server.imap(),
        }
    }

    pub fn imaps(&self) -> Option<SocketAddr> {
        match self {
            Self::Dovecot(server) => server.imaps(),
            Self::Other(_) => None,
        }
    }
}

/// An account that is new, where it is, and how a program gets there.
#[derive(Clone)]
pub struct Place<'a> {
    pub server: Host<'a>,
    pub user: String,
    pub password: String,
    /// Another address than the server's own: a proxy's.
    pub detour: Option<SocketAddr>,
}

impl<'a> Place<'a> {
    pub fn new(server: &'a Dovecot, stem: &str) -> Self {
        Self::named(server, server.fresh_user(stem))
    }

    pub fn named(server: &'a Dovecot, user: String) -> Self {
        let password = server.password(&user);
        Self { server: Host::Dovecot(server), password, user, detour: None }
    }

    /// The only account of another server.
    pub fn on(server: &'a farm::Server) -> Self {
        let (user, password) = (server.user().to_owned(), server.password().to_owned());
        Self { server: Host::Other(server), user, password, detour: None }
    }

    /// The same account by way of a proxy in front of the clear-text port.
    pub fn through(&self, detour: SocketAddr) -> Self {
        Self { detour: Some(detour), ..self.clone() }
    }

    pub fn imap_port(&self) -> u16 {
        self.detour.unwrap_or(self.server.imap()).port()
    }

    /// `imap://`, `imap+plain://` or `imaps://`.
    pub fn url(&self, scheme: &str) -> String {
        let port = match scheme {
            "imaps" => self.server.imaps().expect("a server with TLS").port(),
            _ => self.imap_port(),
        };
        let user: String = self.user.bytes().map(percent).collect();
        format!("{scheme}://{user}@127.0.0.1:{port}")
    }

    pub fn probe(&self) -> Probe {
        Probe::login(self.server.imap(), &self.user, &self.password).unwrap()
    }

    pub fn read(&self) -> Account {
        self.probe().account(Keep::Octets).unwrap()
    }

    /// Appends mail to a mailbox, which is made if need be.
    pub fn put(&self, mailbox: &str, drafts: &[Draft]) {
        let mut probe = self.probe();
        if mailbox != "INBOX" {
            probe.create_if_missing(mailbox).unwrap();
        }
        for draft in drafts {
            probe.append(mailbox, draft).unwrap();
        }
    }
}

fn percent(octet: u8) -> String {
    match octet {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' => char::from(octet).into(),
        _ => format!("%{octet:02X}"),
    }
}

/// 2020-09-13T12:26:40Z.
pub const EPOCH: i64 = 1_600_000_000;

/// An ordinary message with a Message-Id made of its name, dated by its number.
pub fn mail(name: &str, number: i64) -> Draft {
    let text = format!(
        "Received: from a.example.org by b.example.org id {number}\r\nMessage-ID: \
         <{name}.{number}@e2e.example.org>\r\nFrom: a@example.org\r\nTo: b@example.org\r\n\
         Date: Sun, 13 Sep 2020 12:26:40 +0000\r\nSubject: {name} {number}\r\n\r\n\
         This is {name} {number}.\r\n"
    );
    Draft::new(text).dated(EPOCH + 3600 * number)
}

/// Some of them, numbered from 0.
pub fn mails(name: &str, count: i64) -> Vec<Draft> {
    (0..count).map(|number| mail(name, number)).collect()
}

/// Fills an account with what accounts have: children, accents, empty mailboxes, special uses,
/// flags and keywords, dates that run against the UIDs, gaps in the UIDs, subscriptions to some.
pub fn furnish(place: &Place<'_>) {
    let mut inbox: Vec<Draft> = (0..12).map(|n| mail("inbox", 100 - n)).collect();
    inbox[1] = inbox[1].clone().flagged("\\Seen");
    inbox[2] = inbox[2].clone().flagged("\\Seen \\Answered \\Flagged");
    inbox[3] = inbox[3].clone().flagged("$Forwarded work \\Draft");
    inbox[4] = inbox[4].clone().flagged("\\Deleted");
    inbox[5] = inbox[5].clone().dated(86_400 * 365 * 5);
    place.put("INBOX", &inbox);
    place.put("INBOX/Child", &mails("child", 3));
    place.put("Caf&AOk-", &mails("cafe", 4));
    place.put("Archive/2020/Q&-A", &mails("archive", 5));
    place.put(
        "Sent",
        &mails("sent", 6).into_iter().map(|m| m.flagged("\\Seen")).collect::<Vec<_>>(),
    );
    place.put("Drafts", &mails("drafts", 2));
    place.put("Empty box", &[]);
    let mut probe = place.probe();
    probe.remove("Sent", &[2]).unwrap();
    for name in ["Sent", "Caf&AOk-", "Archive/2020/Q&-A", "INBOX/Child"] {
        probe.subscribe(name).unwrap();
    }
}

/// `copy` has all that `original` has, and what else `expect` says.
#[track_caller]
pub fn assert_copied(original: &Account, copy: &Account, expect: &Expect) {
    let differences = compare(original, copy, expect);
    assert!(differences.is_empty(), "the copy differs:\n  {}", differences.join("\n  "));
}

/// Nothing was copied, removed or changed between two looks.
#[track_caller]
pub fn assert_untouched(before: &Account, after: &Account) {
    assert_eq!(before.uids(), after.uids());
    assert_copied(before, after, &Expect::exact());
}

/// The UID of the message with this subject.
#[track_caller]
pub fn uid_of(account: &Account, mailbox: &str, subject: &str) -> u32 {
    let found = account.messages(mailbox).iter().find(|message| message.subject == subject);
    found.unwrap_or_else(|| panic!("no `{subject}` in `{mailbox}`")).uid
}

/// The subjects of a mailbox in UID order.
pub fn subjects(account: &Account, mailbox: &str) -> Vec<String> {
    account.messages(mailbox).iter().map(|message| message.subject.clone()).collect()
}

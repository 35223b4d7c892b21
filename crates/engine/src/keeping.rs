//! Where messages are kept that a run takes away from the target: a mailbox a day, below one that
//! the user names (`docs/design/keeping.md`).

use serde::Serialize;

use crate::account::MailboxDeletion;
use crate::listing::{AccountListing, Namespace};
use crate::name::MailboxName;

/// A day as it stands in a mailbox name: `2026-11-26`. Days are in the order of their octets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Day([u8; 10]);

impl Day {
    /// Reads a name; `None` where it is no day.
    #[must_use]
    pub fn parse(name: &[u8]) -> Option<Self> {
        let octets: [u8; 10] = name.try_into().ok()?;
        let is_digit = |at: usize| octets[at].is_ascii_digit();
        let two = |at: usize| (octets[at] - b'0') * 10 + (octets[at + 1] - b'0');
        let is_day = [0, 1, 2, 3, 5, 6, 8, 9].into_iter().all(is_digit)
            && [octets[4], octets[7]] == *b"--"
            && (1..=12).contains(&two(5))
            && (1..=31).contains(&two(8));
        is_day.then_some(Self(octets))
    }

    fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// What the user wants to be kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keeping {
    /// The mailbox below which the days are, as it is typed: `/` stands for any delimiter.
    pub mailbox: MailboxName,
    /// The day of this run.
    pub day: Day,
    /// Days before this one go.
    pub since: Option<Day>,
}

/// The same on one account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The mailbox below which the days are.
    pub top: MailboxName,
    /// That of the day of this run.
    pub today: MailboxName,
    /// `NAME/`
    beginning: Box<[u8]>,
    since: Option<Day>,
}

/// What a plan says of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct KeepingPlan {
    /// Where messages go that are taken away from the other mailboxes.
    pub mailbox: MailboxName,
    /// Which mailboxes are created for that, parents first, should any message go.
    pub create: Vec<MailboxName>,
    /// Days that are over.
    pub prune: Vec<MailboxDeletion>,
}

impl Keeping {
    /// Where that is on an account.
    #[must_use]
    pub fn on(&self, account: &AccountListing) -> Place {
        // Without a hierarchy the day is a part of the name.
        let delimiter = account.delimiter.unwrap_or(b'-');
        let translate = |&octet: &u8| if octet == b'/' { delimiter } else { octet };
        let typed: Vec<u8> = self.mailbox.as_bytes().iter().map(translate).collect();
        let is_whole = typed.starts_with(&account.prefix) || account.prefix.is_empty();
        let top = if is_whole { typed } else { [&*account.prefix, &typed].concat() };
        let beginning = [&top[..], &[delimiter]].concat();
        Place {
            today: MailboxName::new([&beginning, self.day.as_bytes()].concat()),
            top: MailboxName::new(top),
            beginning: beginning.into(),
            since: self.since,
        }
    }
}

impl Place {
    /// Whether a mailbox is the one below which the days are, or anything below it.
    #[must_use]
    pub fn holds(&self, name: &MailboxName) -> bool {
        *name == self.top || name.as_bytes().starts_with(&self.beginning)
    }

    /// Which day a mailbox is that of; `None` for any other, whoever made it.
    #[must_use]
    pub fn day_of(&self, name: &MailboxName) -> Option<Day> {
        name.as_bytes().strip_prefix(&*self.beginning).and_then(Day::parse)
    }

    /// What is to be done on a target.
    #[must_use]
    pub fn plan(&self, target: &AccountListing) -> KeepingPlan {
        let is_missing = |name: &&MailboxName| {
            target.find(name).is_none_or(|info| !info.selectable && **name == self.today)
        };
        let has_children = |name: &MailboxName| {
            let is_child = |other: &MailboxName| {
                let rest = other.as_bytes().strip_prefix(name.as_bytes());
                rest.is_some_and(|rest| rest.first() == self.beginning.last())
            };
            target.mailboxes.iter().any(|mailbox| is_child(&mailbox.name))
        };
        let over = target.mailboxes.iter().filter(|mailbox| {
            let day = self.day_of(&mailbox.name);
            day.zip(self.since).is_some_and(|(day, since)| day < since)
                && mailbox.name != self.today
                && mailbox.selectable
                && mailbox.namespace == Namespace::Personal
                && !has_children(&mailbox.name)
        });
        KeepingPlan {
            mailbox: self.today.clone(),
            create: [&self.top, &self.today].into_iter().filter(is_missing).cloned().collect(),
            prune: over.map(MailboxDeletion::of).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::listing::MailboxInfo;

    fn day(text: &str) -> Day {
        Day::parse(text.as_bytes()).unwrap()
    }

    fn keeping(name: &str) -> Keeping {
        Keeping { mailbox: name.into(), day: day("2026-11-26"), since: Some(day("2026-10-27")) }
    }

    fn account(prefix: &str, delimiter: Option<u8>, names: &[&str]) -> AccountListing {
        let info = |name: &&str| MailboxInfo {
            name: MailboxName::from(*name),
            delimiter,
            namespace: Namespace::Personal,
            special_use: None,
            selectable: true,
            subscribed: false,
            messages: Some(3),
            mark: Default::default(),
        };
        let mut mailboxes: Vec<MailboxInfo> = names.iter().map(info).collect();
        mailboxes.sort_by(|one, other| one.name.cmp(&other.name));
        let prefix = prefix.as_bytes().into();
        AccountListing { mailboxes, prefix, delimiter, ..AccountListing::default() }
    }

    #[test]
    fn a_day_is_read_only_as_it_is_written() {
        for text in ["2026-11-26", "0001-01-31"] {
            assert_eq!(day(text).as_bytes(), text.as_bytes());
        }
        for text in ["2026-13-01", "2026-00-01", "2026-01-32", "2026-1-1", "2026/01/01", "x", ""] {
            assert_eq!(Day::parse(text.as_bytes()), None, "{text}");
        }
        assert!(day("2026-09-30") < day("2026-10-01"));
    }

    #[test]
    fn the_name_has_prefix_and_delimiter_of_the_account() {
        let today = |prefix, delimiter, typed| {
            keeping(typed).on(&account(prefix, delimiter, &[])).today.to_string()
        };
        assert_eq!(today("", Some(b'/'), "Backup"), "Backup/2026-11-26");
        assert_eq!(today("INBOX.", Some(b'.'), "Kept/Mail"), "INBOX.Kept.Mail.2026-11-26");
        assert_eq!(today("INBOX.", Some(b'.'), "INBOX.Kept"), "INBOX.Kept.2026-11-26");
        assert_eq!(today("", None, "Backup"), "Backup-2026-11-26");
    }

    #[test]
    fn only_what_is_there_or_below_is_held() {
        let place = keeping("Backup").on(&account("", Some(b'/'), &[]));
        for (name, is_held) in
            [("Backup", true), ("Backup/x", true), ("Backups", false), ("INBOX", false)]
        {
            assert_eq!(place.holds(&name.into()), is_held, "{name}");
        }
    }

    #[test]
    fn only_days_that_are_over_are_pruned() {
        let names = [
            "Backup",
            "Backup/2026-09-01",
            "Backup/2026-09-02",
            "Backup/2026-09-02/own",
            "Backup/2026-10-26",
            "Backup/2026-10-27",
            "Backup/2026-11-26",
            "Backup/old",
            "Backup/x/2026-01-01",
            "Other/2026-01-01",
            "2026-01-01",
        ];
        let target = account("", Some(b'/'), &names);
        let pruned = |keeping: &Keeping| {
            let plan = keeping.on(&target).plan(&target);
            plan.prune.iter().map(|gone| gone.name.to_string()).collect::<Vec<_>>()
        };
        assert_eq!(pruned(&keeping("Backup")), ["Backup/2026-09-01", "Backup/2026-10-26"]);
        assert!(pruned(&Keeping { since: None, ..keeping("Backup") }).is_empty());
        // A clock that ran ahead does not take away what this run itself keeps.
        let ahead = Keeping { since: Some(day("2036-01-01")), ..keeping("Backup") };
        assert!(!pruned(&ahead).contains(&"Backup/2026-11-26".to_owned()));
    }

    #[test]
    fn what_is_missing_is_created_parents_first() {
        let create = |names: &[&str]| {
            let target = account("", Some(b'/'), names);
            let plan = keeping("Backup").on(&target).plan(&target);
            plan.create.iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        assert_eq!(create(&[]), ["Backup", "Backup/2026-11-26"]);
        assert_eq!(create(&["Backup"]), ["Backup/2026-11-26"]);
        assert!(create(&["Backup", "Backup/2026-11-26"]).is_empty());
    }
}

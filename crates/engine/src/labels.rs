//! Labels of messages, as Gmail has them: what those of the source are on the target, and what is
//! to change there (`docs/design/gmail.md`).
//!
//! Labels are handled as flags are: octets without regard to ASCII case, in sets that are
//! interned. `\Inbox` and the like stand for mailboxes with a use, any other label for the mailbox
//! of its name.

use std::collections::BTreeSet;

use crate::listing::{AccountListing, MailboxInfo, Mark};
use crate::mapping::{MappingRules, map_mailboxes};
use crate::message::{Flag, FlagSet};
use crate::name::{MailboxName, RuleFailed, SpecialUse};
use crate::policy::{Elsewhere, FlagChange};

/// Which messages get the labels that they have on the source.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LabelPolicy {
    /// None: mailboxes are copied, and no labels.
    #[default]
    Leave,
    /// Those that are copied; nothing is taken from them (`--synclabels`).
    Copies,
    /// Those that were there, which lose what the source does not have (`--resynclabels`).
    Present,
    /// All of them, which lose what the source does not have.
    All,
}

impl LabelPolicy {
    /// Whether it is about messages that are copied.
    #[must_use]
    pub fn is_of_copies(self) -> bool {
        matches!(self, Self::Copies | Self::All)
    }

    /// Whether it is about messages that were there.
    #[must_use]
    pub fn is_of_present(self) -> bool {
        matches!(self, Self::Present | Self::All)
    }
}

/// The labels that stand for a use of a mailbox.
const USES: [(&[u8], SpecialUse); 5] = [
    (b"\\Draft", SpecialUse::Drafts),
    (b"\\Sent", SpecialUse::Sent),
    (b"\\Spam", SpecialUse::Junk),
    (b"\\Starred", SpecialUse::Flagged),
    (b"\\Trash", SpecialUse::Trash),
];
const INBOX: &[u8] = b"\\Inbox";
/// Never set, nor taken: the star is the flag `\Flagged` and goes with the flags; a message that is
/// put into Trash or Spam leaves all other mailboxes, and is thrown away after a while.
const UNTOUCHED: [&[u8]; 3] = [b"\\Spam", b"\\Starred", b"\\Trash"];

/// What labels of the source are on the target.
pub struct LabelNames<'a> {
    /// What mailboxes are called there.
    pub rules: MappingRules<'a>,
    /// The mailboxes of the source.
    pub source: &'a AccountListing,
    /// Those of the target.
    pub target: &'a AccountListing,
    /// The mailboxes of the source that are copied.
    pub copied: &'a BTreeSet<MailboxName>,
    /// Whether a message is copied that is in another mailbox.
    pub elsewhere: Elsewhere,
}

/// The labels that a message is to have on the target.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LabelsWanted {
    /// All of them.
    pub all: FlagSet,
    /// Of these, those that no copy brings.
    pub to_add: FlagSet,
}

impl LabelsWanted {
    /// What both want.
    #[must_use]
    pub fn and(&self, other: &Self) -> Self {
        let join = |one: &FlagSet, other: &FlagSet| one.iter().chain(other).cloned().collect();
        Self { all: join(&self.all, &other.all), to_add: join(&self.to_add, &other.to_add) }
    }
}

impl LabelNames<'_> {
    /// What the labels of a message are on the target. That of a mailbox that is copied comes by
    /// its copy there, unless copies are left out that are elsewhere: so it does not rest on Gmail
    /// knowing the copy for the same message.
    ///
    /// # Errors
    /// The rewriting of names came to no result.
    pub fn wanted(&self, labels: &FlagSet) -> Result<LabelsWanted, RuleFailed> {
        let (mut all, mut to_add) = (Vec::new(), Vec::new());
        for label in labels {
            let mailbox = mailbox_of(self.source, label);
            let Some(name) = self.name_of(label, mailbox)? else { continue };
            let is_copied = mailbox.is_some_and(|it| self.copied.contains(&it.name));
            if !is_copied || self.elsewhere == Elsewhere::SkipEarlier {
                to_add.push(name.clone());
            }
            all.push(name);
        }
        Ok(LabelsWanted { all: all.into_iter().collect(), to_add: to_add.into_iter().collect() })
    }

    /// What has to change on a message of that mailbox of the target, which has these labels;
    /// `None` if nothing. Only labels below the target's subtree are taken, where there is one:
    /// others are none of this source.
    #[must_use]
    pub fn change(
        &self,
        wanted: &LabelsWanted,
        (mailbox, present): (&MailboxName, &FlagSet),
        policy: LabelPolicy,
    ) -> Option<FlagChange> {
        // The mailbox that is open is not among the labels, and whoever asks for a message there
        // wants it to stay.
        let own = self.label_of(mailbox);
        let is_free = |label: &Flag| {
            own.as_ref() != Some(label) && !UNTOUCHED.iter().any(|known| is(label, known))
        };
        let missing = wanted.to_add.iter().filter(|label| !present.contains(label));
        let add: Vec<Flag> = missing.filter(|label| is_free(label)).cloned().collect();
        let is_surplus = |label: &&Flag| {
            policy.is_of_present()
                && is_free(label)
                && !wanted.all.contains(label)
                && self.is_within_subtree(label)
        };
        let remove: Vec<Flag> = present.iter().filter(is_surplus).cloned().collect();
        (!add.is_empty() || !remove.is_empty()).then_some(FlagChange { add, remove })
    }

    /// What a label is on the target; `None` where it has none there.
    fn name_of(
        &self,
        label: &Flag,
        mailbox: Option<&MailboxInfo>,
    ) -> Result<Option<Flag>, RuleFailed> {
        let is_named = label.is_keyword();
        let hidden = match mailbox {
            Some(_) => None,
            // `\Important` and the like, of which the source shows no mailbox.
            None if !is_named => return Ok(Some(label.clone())),
            None => Some(hidden(label)),
        };
        let mailbox = mailbox.or(hidden.as_ref());
        let mapped = map_mailboxes(mailbox, self.source, self.target, &self.rules)?;
        Ok(mapped.first().and_then(|mapping| self.label_of(&mapping.target)))
    }

    /// The label that stands for a mailbox of the target; All Mail has none.
    fn label_of(&self, mailbox: &MailboxName) -> Option<Flag> {
        if mailbox.is_inbox() {
            return Some(Flag::new(INBOX));
        }
        let use_ = self.target.find(mailbox).and_then(|found| found.special_use);
        if use_ == Some(SpecialUse::All) {
            return None;
        }
        let label = USES.iter().find(|(_, known)| Some(*known) == use_);
        Some(Flag::new(label.map_or(mailbox.as_bytes(), |(label, _)| label)))
    }

    fn is_within_subtree(&self, label: &Flag) -> bool {
        let Some(subtree) = &self.rules.target_subtree else { return true };
        let octets = label.as_bytes();
        let below = octets.get(..subtree.len()).filter(|it| it.eq_ignore_ascii_case(subtree));
        let next = octets.get(subtree.len()).copied();
        below.is_some() && (next.is_none() || next == self.rules.target.delimiter)
    }
}

/// The keyword that stands for a label; none for the star, which is the flag `\Flagged`.
///
/// ASCII letters and digits and `& + , - . / _` stand for themselves, which spells names as IMAP4rev1
/// does (RFC 3501 §5.1.3); any other octet is `=` and two hexadecimal digits. So no two labels have the
/// same keyword, each can be told from its keyword, and it is an atom (RFC 9051 §9, flag-keyword) that
/// is none of those that are registered, which begin with `$`.
#[must_use]
pub fn keyword_of(label: &Flag) -> Option<Flag> {
    if is(label, b"\\Starred") {
        return None;
    }
    let mut keyword = Vec::with_capacity(label.as_bytes().len());
    for &octet in label.as_bytes() {
        if octet.is_ascii_alphanumeric() || b"&+,-./_".contains(&octet) {
            keyword.push(octet);
        } else {
            keyword.extend_from_slice(format!("={octet:02X}").as_bytes());
        }
    }
    Some(Flag::new(&keyword))
}

/// The mailbox of an account that a label stands for, if it shows one.
#[must_use]
pub fn mailbox_of<'a>(account: &'a AccountListing, label: &Flag) -> Option<&'a MailboxInfo> {
    if is(label, INBOX) {
        return account.find(&MailboxName::new(MailboxName::INBOX));
    }
    match USES.iter().find(|(known, _)| is(label, known)) {
        Some((_, use_)) => {
            account.mailboxes.iter().find(|mailbox| mailbox.special_use == Some(*use_))
        }
        None => account.find(&MailboxName::new(label.as_bytes())),
    }
}

fn is(label: &Flag, known: &[u8]) -> bool {
    label.as_bytes().eq_ignore_ascii_case(known)
}

/// A label that is not shown as a mailbox, as if it were.
fn hidden(label: &Flag) -> MailboxInfo {
    MailboxInfo::new(MailboxName::new(label.as_bytes()), None, Mark::default())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::mapping::{Hierarchy, SpecialUseMapping};

    fn set(labels: &[&str]) -> FlagSet {
        labels.iter().map(|label| Flag::new(label.as_bytes())).collect()
    }

    /// An account of Gmail, its own mailboxes below this one.
    fn gmail(own: &str, mailboxes: &[&str]) -> AccountListing {
        let at = |name: &str| format!("{own}/{name}");
        let uses = [
            ("All Mail", SpecialUse::All),
            ("Drafts", SpecialUse::Drafts),
            ("Sent Mail", SpecialUse::Sent),
            ("Spam", SpecialUse::Junk),
            ("Starred", SpecialUse::Flagged),
            ("Trash", SpecialUse::Trash),
        ];
        let own = uses.iter().map(|(name, use_)| (at(name), Some(*use_)));
        let others = mailboxes.iter().map(|name| ((*name).to_owned(), None));
        let info = |(name, special_use): (String, Option<SpecialUse>)| MailboxInfo {
            special_use,
            ..hidden(&Flag::new(name.as_bytes()))
        };
        let mailboxes = own.chain(others).map(info).collect();
        AccountListing { mailboxes, delimiter: Some(b'/'), ..AccountListing::default() }
    }

    const NONE_COPIED: &BTreeSet<MailboxName> = &BTreeSet::new();

    fn names<'a>(source: &'a AccountListing, target: &'a AccountListing) -> LabelNames<'a> {
        LabelNames {
            rules: MappingRules {
                special_use: SpecialUseMapping::On,
                source: Hierarchy::from(source),
                target: Hierarchy::from(target),
                ..MappingRules::default()
            },
            source,
            target,
            copied: NONE_COPIED,
            elsewhere: Elsewhere::Copy,
        }
    }

    #[track_caller]
    fn assert_named(names: &LabelNames<'_>, pairs: &[(&str, &str)]) {
        for (source, target) in pairs {
            assert_eq!(names.wanted(&set(&[source])).unwrap().all, set(&[target]), "{source}");
        }
    }

    /// U84 of the unit catalogue, where `\Inbox` below a subfolder is the folder INBOX there, and
    /// nothing else beside it.
    #[test]
    fn a_label_is_called_as_its_mailbox_is() {
        let (source, target) = (gmail("[Gmail]", &["INBOX", "Work"]), gmail("[Google]", &[]));
        let mut names = names(&source, &target);
        let same = [
            ("\\Inbox", "\\Inbox"),
            ("\\INBOX", "\\Inbox"),
            ("\\Sent", "\\Sent"),
            ("\\Important", "\\Important"),
            ("Work", "Work"),
            ("Hidden", "Hidden"),
        ];
        assert_named(&names, &same);
        names.rules.explicit = vec![("Work".into(), "Job".into()), ("x".into(), "INBOX".into())];
        assert_named(&names, &[("Work", "Job"), ("Hidden", "Hidden"), ("x", "\\Inbox")]);

        names.rules.target_subtree = Some(b"Subf".as_slice().into());
        assert_named(&names, &[("\\Inbox", "Subf/INBOX"), ("Hidden/a", "Subf/Hidden/a")]);
        names.rules.target_subtree = None;
        names.rules.source_subtree = Some(b"Subf".as_slice().into());
        assert_named(&names, &[("Subf/INBOX", "\\Inbox"), ("Subf/a", "a"), ("b", "b")]);
    }

    /// The label that a keyword stands for.
    fn label_of_keyword(keyword: &Flag) -> Vec<u8> {
        let mut parts = keyword.as_bytes().split(|&octet| octet == b'=');
        let mut label = parts.next().unwrap().to_vec();
        for part in parts {
            let (digits, rest) = part.split_at(2);
            let digits = std::str::from_utf8(digits).unwrap();
            label.push(u8::from_str_radix(digits, 16).unwrap());
            label.extend_from_slice(rest);
        }
        label
    }

    #[test]
    fn the_keyword_of_a_label_is_an_atom_that_tells_the_label() {
        let keyword = |label: &str| keyword_of(&Flag::new(label.as_bytes()));
        for (label, expected) in [
            ("Work/2020", "Work/2020"),
            ("Entw&APw-rfe", "Entw&APw-rfe"),
            ("a b", "a=20b"),
            ("50%", "50=25"),
            ("1=1", "1=3D1"),
            ("\\Inbox", "=5CInbox"),
            ("$Junk", "=24Junk"),
            ("(x) {3} \"q\"*]", "=28x=29=20=7B3=7D=20=22q=22=2A=5D"),
        ] {
            assert_eq!(keyword(label), Some(Flag::new(expected.as_bytes())), "{label}");
        }
        assert_eq!(keyword("\\starred"), None);
        for octet in 1..=u8::MAX {
            let label = Flag::new(&[b'x', octet, b'A']);
            let keyword = keyword_of(&label).unwrap();
            assert_eq!(label_of_keyword(&keyword), label.as_bytes());
            let specials = b"(){ %*\"\\]";
            let is_atom = |it: &u8| it.is_ascii_graphic() && !specials.contains(it);
            assert!(keyword.as_bytes().iter().all(is_atom), "{keyword}");
        }
    }

    #[test]
    fn all_mail_is_no_label() {
        let (source, target) = (gmail("[Gmail]", &["Archive"]), gmail("[Gmail]", &[]));
        let mut names = names(&source, &target);
        names.rules.explicit = vec![("Archive".into(), "[Gmail]/All Mail".into())];
        assert_eq!(names.wanted(&set(&["Archive"])).unwrap(), LabelsWanted::default());
    }

    fn change(
        names: &LabelNames<'_>,
        (source, target): (&[&str], &[&str]),
        policy: LabelPolicy,
    ) -> (FlagSet, FlagSet) {
        let wanted = names.wanted(&set(source)).unwrap();
        let change = names.change(&wanted, (&"Work".into(), &set(target)), policy);
        let change = change.unwrap_or_default();
        (change.add.into_iter().collect(), change.remove.into_iter().collect())
    }

    #[test]
    fn labels_are_added_and_those_that_are_too_many_taken() {
        let (source, target) = (gmail("[Gmail]", &["INBOX", "Work"]), gmail("[Gmail]", &[]));
        let mut names = names(&source, &target);
        let labels: (&[&str], &[&str]) = (&["\\Inbox", "a", "B"], &["b", "c", "\\Sent"]);
        let both = (set(&["\\Inbox", "a"]), set(&["c", "\\Sent"]));
        assert_eq!(change(&names, labels, LabelPolicy::All), both);
        assert_eq!(change(&names, labels, LabelPolicy::Copies), (both.0.clone(), set(&[])));
        assert_eq!(change(&names, (labels.0, labels.0), LabelPolicy::All), (set(&[]), set(&[])));

        // What is copied comes with its copy, and is not taken.
        let inbox = BTreeSet::from(["INBOX".into()]);
        names.copied = &inbox;
        assert_eq!(change(&names, labels, LabelPolicy::All), (set(&["a"]), both.1.clone()));
        let there: (&[&str], &[&str]) = (&["\\Inbox"], &["\\Inbox"]);
        assert_eq!(change(&names, there, LabelPolicy::All), (set(&[]), set(&[])));
        names.elsewhere = Elsewhere::SkipEarlier;
        assert_eq!(change(&names, labels, LabelPolicy::All), both);
    }

    #[test]
    fn neither_the_mailbox_itself_nor_star_spam_and_trash_are_touched() {
        let (source, target) = (gmail("[Gmail]", &["Work"]), gmail("[Gmail]", &[]));
        let names = names(&source, &target);
        let nothing = (set(&[]), set(&[]));
        let others: &[&str] = &["Work", "\\Starred", "\\Spam", "\\TRASH"];
        assert_eq!(change(&names, (others, &[]), LabelPolicy::All), nothing);
        assert_eq!(change(&names, (&[], others), LabelPolicy::All), nothing);
    }

    #[test]
    fn below_a_subtree_nothing_else_is_taken() {
        let (source, target) = (gmail("[Gmail]", &[]), gmail("[Gmail]", &[]));
        let mut names = names(&source, &target);
        names.rules.target_subtree = Some(b"Old".as_slice().into());
        let there: &[&str] = &["\\Inbox", "Mine", "Older", "old", "Old/a", "Old/b"];
        let (add, remove) = change(&names, (&["a", "c"], there), LabelPolicy::All);
        assert_eq!((add, remove), (set(&["Old/c"]), set(&["old", "Old/b"])));
    }

    #[test]
    fn what_two_messages_want_is_what_either_wants() {
        let (source, target) = (gmail("[Gmail]", &[]), gmail("[Gmail]", &[]));
        let names = names(&source, &target);
        let wanted = |labels: &[&str]| names.wanted(&set(labels)).unwrap();
        assert_eq!(wanted(&["a"]).and(&wanted(&["b", "A"])), wanted(&["a", "b"]));
    }
}

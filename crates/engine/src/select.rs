//! Which mailboxes take part, in which order, and why the others do not.

use std::collections::HashSet;

use serde::Serialize;

use crate::listing::{AccountListing, MailboxInfo, Namespace};
use crate::name::{MailboxName, RuleFailed};

/// A pattern over the octets of a mailbox name. Regular expressions live outside.
pub trait NamePattern {
    /// Whether the name matches.
    ///
    /// # Errors
    /// The pattern came to no result.
    fn matches(&self, name: &[u8]) -> Result<bool, RuleFailed>;
}

/// The rules of selection. Named, recursive and subscribed mailboxes are put together; if none
/// of these and no `include` is given, all take part. `include` then adds, from the whole
/// account; `exclude` then removes.
#[derive(Clone, Default)]
pub struct Selection<'a> {
    /// These mailboxes (`--folder`).
    pub named: Vec<MailboxName>,
    /// These mailboxes and all below them (`--folderrec`).
    pub recursive: Vec<MailboxName>,
    /// Those that are subscribed (`--subscribed`).
    pub subscribed: Subscribed,
    /// Mailboxes whose name matches one of these take part.
    pub include: Vec<&'a dyn NamePattern>,
    /// Mailboxes whose name matches one of these do not.
    pub exclude: Vec<&'a dyn NamePattern>,
    /// Whose mailboxes take part without being named.
    pub namespaces: Namespaces,
    /// Mailboxes that come first, in this order.
    pub first: Vec<MailboxName>,
    /// Mailboxes that come last, in this order.
    pub last: Vec<MailboxName>,
    /// The order of the others.
    pub order: Order,
}

/// Whether subscription selects.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Subscribed {
    /// It does not matter.
    #[default]
    Ignored,
    /// Subscribed mailboxes take part, with those that are named.
    Selected,
}

/// Whose mailboxes take part without being named.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Namespaces {
    /// The user's own.
    #[default]
    Personal,
    /// Everybody's.
    All,
}

/// The order of mailboxes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// INBOX, then by the octets of the names.
    #[default]
    InboxFirst,
    /// By the octets of the names.
    Octets,
}

/// Why a mailbox takes no part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum LeftOutReason {
    /// Others were selected.
    NotSelected,
    /// A pattern excludes it.
    Excluded,
    /// It is in another namespace than the user's own.
    OtherNamespace,
    /// It is a parent in name only.
    Unselectable,
    /// Messages that runs took away from a target are kept there.
    Keeping,
    /// Its name on the target is taken by a mailbox that is not listed, and that is not to be used.
    NameTaken,
    /// What was there at the end of an earlier run is restored, and it came later.
    Later,
    /// It shows messages under a label that becomes their keyword in another mailbox.
    Label,
}

/// A mailbox that takes no part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LeftOut {
    /// Its name.
    pub mailbox: MailboxName,
    /// Why.
    pub reason: LeftOutReason,
}

/// What takes part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selected<'a> {
    /// The mailboxes, in order.
    pub chosen: Vec<&'a MailboxInfo>,
    /// All the others that were listed, in the order of the listing.
    pub left_out: Vec<LeftOut>,
    /// Mailboxes that were named and do not exist, in the order in which they were named.
    pub missing: Vec<MailboxName>,
}

/// Selects mailboxes. Every listed mailbox is either chosen or left out with a reason.
///
/// # Errors
/// A pattern came to no result.
pub fn select_mailboxes<'a>(
    account: &'a AccountListing,
    rules: &Selection<'_>,
) -> Result<Selected<'a>, RuleFailed> {
    let mut chosen = Vec::new();
    let mut left_out = Vec::new();
    for mailbox in &account.mailboxes {
        match rules.judge(mailbox, account.delimiter)? {
            None => chosen.push(mailbox),
            Some(reason) => left_out.push(LeftOut { mailbox: mailbox.name.clone(), reason }),
        }
    }
    rules.sort(&mut chosen);
    Ok(Selected { chosen, left_out, missing: rules.missing(account) })
}

impl Selection<'_> {
    /// Why a mailbox takes no part; `None` if it does.
    fn judge(
        &self,
        mailbox: &MailboxInfo,
        delimiter: Option<u8>,
    ) -> Result<Option<LeftOutReason>, RuleFailed> {
        let asked_for = self.named.contains(&mailbox.name)
            || self.recursive.iter().any(|top| is_at_or_below(mailbox, top, delimiter))
            || any_matches(&self.include, &mailbox.name)?;
        let by_default = match self.subscribed {
            Subscribed::Selected => mailbox.subscribed,
            Subscribed::Ignored => {
                self.named.is_empty() && self.recursive.is_empty() && self.include.is_empty()
            }
        };
        let is_foreign = !asked_for
            && self.namespaces == Namespaces::Personal
            && mailbox.namespace != Namespace::Personal;
        Ok(if !asked_for && !by_default {
            Some(LeftOutReason::NotSelected)
        } else if any_matches(&self.exclude, &mailbox.name)? {
            Some(LeftOutReason::Excluded)
        } else if !mailbox.selectable {
            Some(LeftOutReason::Unselectable)
        } else if is_foreign {
            Some(LeftOutReason::OtherNamespace)
        } else {
            None
        })
    }

    fn sort(&self, chosen: &mut [&MailboxInfo]) {
        let place = |list: &[MailboxName], name: &MailboxName| {
            list.iter().position(|listed| listed == name)
        };
        chosen.sort_by_cached_key(|mailbox| {
            let name = &mailbox.name;
            let (band, turn) = if let Some(turn) = place(&self.first, name) {
                (0, turn)
            } else if let Some(turn) = place(&self.last, name) {
                (3, turn)
            } else if self.order == Order::InboxFirst && name.is_inbox() {
                (1, 0)
            } else {
                (2, 0)
            };
            (band, turn, name.clone())
        });
    }

    fn missing(&self, account: &AccountListing) -> Vec<MailboxName> {
        let listed: HashSet<&MailboxName> =
            account.mailboxes.iter().map(|mailbox| &mailbox.name).collect();
        let named = self.named.iter().filter(|name| !listed.contains(name));
        let recursive = self.recursive.iter().filter(|top| {
            !account.mailboxes.iter().any(|mailbox| is_at_or_below(mailbox, top, account.delimiter))
        });
        named.chain(recursive).cloned().collect()
    }
}

fn any_matches(patterns: &[&dyn NamePattern], name: &MailboxName) -> Result<bool, RuleFailed> {
    for pattern in patterns {
        if pattern.matches(name.as_bytes())? {
            return Ok(true);
        }
    }
    Ok(false)
}

fn is_at_or_below(mailbox: &MailboxInfo, top: &MailboxName, delimiter: Option<u8>) -> bool {
    match mailbox.name.as_bytes().strip_prefix(top.as_bytes()) {
        Some([]) => true,
        Some([first, ..]) => mailbox.delimiter.or(delimiter) == Some(*first),
        None => false,
    }
}

#[cfg(test)]
pub(crate) mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn account(names: &[&str]) -> AccountListing {
        let info = |name: &&str| MailboxInfo {
            name: MailboxName::from(*name),
            delimiter: Some(b'/'),
            namespace: Namespace::Personal,
            special_use: None,
            selectable: true,
            subscribed: name.starts_with('S'),
            messages: None,
            mark: Default::default(),
        };
        let mut mailboxes: Vec<MailboxInfo> = names.iter().map(info).collect();
        mailboxes.sort_by(|one, other| one.name.cmp(&other.name));
        AccountListing { mailboxes, delimiter: Some(b'/'), ..AccountListing::default() }
    }

    fn chosen(account: &AccountListing, rules: &Selection<'_>) -> Vec<String> {
        let selected = select_mailboxes(account, rules).unwrap();
        assert_eq!(selected.chosen.len() + selected.left_out.len(), account.mailboxes.len());
        selected.chosen.iter().map(|mailbox| mailbox.name.to_string()).collect()
    }

    fn names(list: &[&str]) -> Vec<MailboxName> {
        list.iter().map(|name| MailboxName::from(*name)).collect()
    }

    struct Begins(&'static str);
    impl NamePattern for Begins {
        fn matches(&self, name: &[u8]) -> Result<bool, RuleFailed> {
            Ok(name.starts_with(self.0.as_bytes()))
        }
    }

    #[test]
    fn all_take_part_with_inbox_first() {
        let account = account(&["Archive", "INBOX", "Sent"]);
        assert_eq!(chosen(&account, &Selection::default()), ["INBOX", "Archive", "Sent"]);
        let by_octets = Selection { order: Order::Octets, ..Selection::default() };
        assert_eq!(chosen(&account, &by_octets), ["Archive", "INBOX", "Sent"]);
    }

    /// U24 of the unit catalogue.
    #[test]
    fn first_and_last_frame_the_others() {
        let account = account(&["A_88", "A_99", "M_44", "M_55", "Z_11", "Z_22"]);
        let rules = Selection {
            first: names(&["Z_22", "Z_11", "none"]),
            last: names(&["A_99", "A_88"]),
            ..Selection::default()
        };
        assert_eq!(chosen(&account, &rules), ["Z_22", "Z_11", "M_44", "M_55", "A_99", "A_88"]);
    }

    #[test]
    fn named_recursive_and_subscribed_add_up() {
        let account = account(&["A", "A/x", "Ab", "B", "B/x", "C", "S"]);
        let mut rules = Selection { named: names(&["B"]), ..Selection::default() };
        assert_eq!(chosen(&account, &rules), ["B"]);
        rules.recursive = names(&["A"]);
        assert_eq!(chosen(&account, &rules), ["A", "A/x", "B"]);
        rules.subscribed = Subscribed::Selected;
        assert_eq!(chosen(&account, &rules), ["A", "A/x", "B", "S"]);
    }

    #[test]
    fn include_searches_the_whole_account_and_exclude_has_the_last_word() {
        let account = account(&["A", "A/x", "B", "S"]);
        let (a, ax) = (Begins("A"), Begins("A/x"));
        let mut rules = Selection { include: vec![&a], ..Selection::default() };
        assert_eq!(chosen(&account, &rules), ["A", "A/x"]);
        rules.subscribed = Subscribed::Selected;
        assert_eq!(chosen(&account, &rules), ["A", "A/x", "S"]);
        rules.exclude = vec![&ax];
        rules.named = names(&["A/x"]);
        assert_eq!(chosen(&account, &rules), ["A", "S"]);
        let left_out = select_mailboxes(&account, &rules).unwrap().left_out;
        let reason = |mailbox: &str, reason| LeftOut { mailbox: mailbox.into(), reason };
        assert_eq!(
            left_out,
            [reason("A/x", LeftOutReason::Excluded), reason("B", LeftOutReason::NotSelected)]
        );
    }

    #[test]
    fn only_own_and_selectable_mailboxes_take_part_by_themselves() {
        let mut account = account(&["A", "B", "C"]);
        account.mailboxes[0].namespace = Namespace::Shared;
        account.mailboxes[1].selectable = false;
        assert_eq!(chosen(&account, &Selection::default()), ["C"]);
        let rules = Selection { namespaces: Namespaces::All, ..Selection::default() };
        assert_eq!(chosen(&account, &rules), ["A", "C"]);
        let rules = Selection { named: names(&["A", "B"]), ..Selection::default() };
        assert_eq!(chosen(&account, &rules), ["A"]);
    }

    #[test]
    fn what_is_named_and_does_not_exist_is_told() {
        let account = account(&["A/x", "B"]);
        let rules = Selection {
            named: names(&["B", "b"]),
            recursive: names(&["A", "Z"]),
            ..Selection::default()
        };
        assert_eq!(select_mailboxes(&account, &rules).unwrap().missing, names(&["b", "Z"]));
    }

    /// A pattern that comes to no result.
    pub(crate) struct Undecided;
    impl NamePattern for Undecided {
        fn matches(&self, name: &[u8]) -> Result<bool, RuleFailed> {
            let (mailbox, rule) = (MailboxName::new(name), "rule".to_owned());
            Err(RuleFailed { mailbox, rule, words: "too long".to_owned() })
        }
    }

    #[test]
    fn a_pattern_without_a_result_selects_nothing() {
        let account = account(&["A"]);
        for rules in [
            Selection { include: vec![&Undecided], ..Selection::default() },
            Selection { exclude: vec![&Undecided], ..Selection::default() },
        ] {
            assert_eq!(select_mailboxes(&account, &rules).unwrap_err().mailbox, "A".into());
        }
    }
}

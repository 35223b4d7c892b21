//! The plan of a whole account: the mailbox plans, the mailboxes that go, and those that take
//! no part, with the reasons.

use std::collections::BTreeSet;

use serde::Serialize;

use crate::keeping::{KeepingPlan, Place};
use crate::listing::{AccountListing, MailboxInfo, Mark, Namespace};
use crate::name::{MailboxName, RuleFailed, SpecialUse};
use crate::plan::MailboxPlan;
use crate::policy::DeleteRule;
use crate::select::{LeftOut, NamePattern};
use crate::subscriptions::SubscriptionPlan;
use crate::summary::{AccountFacts, PlanSummary};

/// The version of the written form of a [`Plan`].
pub const PLAN_FORMAT: u32 = 1;

/// A whole plan, for reading and comparing. It is written by serde in the order of its
/// fields; the same plan gives the same octets.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Plan {
    /// [`PLAN_FORMAT`].
    pub format: u32,
    /// What is to be done, in the order in which it is done.
    pub mailboxes: Vec<MailboxPlan>,
    /// Target mailboxes to be deleted, children first.
    pub delete_mailboxes: Vec<MailboxDeletion>,
    /// Where what is taken away from the target is kept, where it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keeping: Option<KeepingPlan>,
    /// Subscriptions that follow from none of these mailboxes.
    #[serde(skip_serializing_if = "SubscriptionPlan::is_empty")]
    pub subscriptions: SubscriptionPlan,
    /// Source mailboxes that take no part, with the reasons.
    pub left_out: Vec<LeftOut>,
    /// Mailboxes that were named and do not exist.
    pub missing: Vec<MailboxName>,
    /// The sums.
    pub summary: PlanSummary,
}

impl Plan {
    /// A plan without any mailbox yet.
    #[must_use]
    pub fn new(facts: AccountFacts, delete_mailboxes: Vec<MailboxDeletion>) -> Self {
        Self {
            format: PLAN_FORMAT,
            mailboxes: Vec::new(),
            summary: PlanSummary::new(facts, delete_mailboxes.clone()),
            delete_mailboxes,
            keeping: None,
            subscriptions: SubscriptionPlan::default(),
            left_out: Vec::new(),
            missing: Vec::new(),
        }
    }

    /// Adds what is to be done in one mailbox.
    pub fn push(&mut self, mailbox: MailboxPlan) {
        self.summary.add(&mailbox);
        self.mailboxes.push(mailbox);
    }
}

/// A target mailbox to be deleted with what is in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct MailboxDeletion {
    /// Its name.
    pub name: MailboxName,
    /// The number of its messages, where STATUS told it.
    pub messages: Option<u32>,
    /// Their octets, where the target can tell (STATUS=SIZE, RFC 8438 §2). Not known when the
    /// plan is made; whoever shows the plan asks for it.
    pub octets: Option<u64>,
    /// What STATUS told when it was listed. What came since was never agreed to go.
    #[serde(skip)]
    pub mark: Mark,
    /// Whether it is subscribed: its subscription goes with it.
    pub subscribed: bool,
}

impl MailboxDeletion {
    /// Of a mailbox as it was listed.
    pub(crate) fn of(mailbox: &MailboxInfo) -> Self {
        Self {
            name: mailbox.name.clone(),
            messages: mailbox.messages,
            octets: None,
            mark: mailbox.mark.clone(),
            subscribed: mailbox.subscribed,
        }
    }
}

/// Which target mailboxes a mirror may delete.
#[derive(Clone, Copy)]
pub struct MailboxDeleteRule<'a> {
    /// [`DeleteRule::MessagesAndMailboxes`], or nothing is deleted.
    pub delete: DeleteRule,
    /// Only mailboxes below this one; itself, it stays (`--subfolder2`).
    pub below: Option<&'a MailboxName>,
    /// Only mailboxes that match (`--delete2foldersonly`).
    pub only: Option<&'a dyn NamePattern>,
    /// No mailboxes that match (`--delete2foldersbutnot`).
    pub but_not: Option<&'a dyn NamePattern>,
    /// None of those in which removed messages are kept.
    pub kept: Option<&'a Place>,
}

/// The target mailboxes that the source does not have, children before their parents.
///
/// `mapped` holds the names on the target of *all* source mailboxes, whether they take part or
/// not. A mailbox stays if it is INBOX, not the user's own, not selectable, one in which the server
/// shows messages of others or that it keeps for itself, the name of any source mailbox, mapped or
/// literally, or the parent of one that stays. Without any source mailbox nothing is deleted.
///
/// # Errors
/// A pattern came to no result.
pub fn mailboxes_to_delete(
    source: &AccountListing,
    target: &AccountListing,
    mapped: &BTreeSet<MailboxName>,
    rule: &MailboxDeleteRule<'_>,
) -> Result<Vec<MailboxDeletion>, RuleFailed> {
    if rule.delete != DeleteRule::MessagesAndMailboxes || source.mailboxes.is_empty() {
        return Ok(Vec::new());
    }
    let literal: BTreeSet<&MailboxName> =
        source.mailboxes.iter().map(|mailbox| &mailbox.name).collect();
    let may_go = |mailbox: &MailboxInfo| {
        mailbox.namespace == Namespace::Personal
            && mailbox.selectable
            && !mailbox.name.is_inbox()
            && !is_of_server(mailbox)
            && !mapped.contains(&mailbox.name)
            && rule.kept.is_none_or(|kept| !kept.holds(&mailbox.name))
            && !literal.contains(&mailbox.name)
            && rule.below.is_none_or(|top| is_below(&mailbox.name, top, target.delimiter))
    };
    let (mut going, mut staying) = (Vec::new(), Vec::new());
    for mailbox in &target.mailboxes {
        if may_go(mailbox) && rule.chooses(&mailbox.name)? {
            going.push(mailbox);
        } else {
            staying.push(mailbox);
        }
    }
    // Mailboxes still to be created keep their parents, too.
    let kept: BTreeSet<&MailboxName> =
        staying.iter().map(|mailbox| &mailbox.name).chain(mapped).collect();
    let mut deletions: Vec<MailboxDeletion> = going
        .into_iter()
        .filter(|mailbox| {
            let delimiter = mailbox.delimiter.or(target.delimiter);
            !has_child_in(&mailbox.name, &kept, delimiter)
        })
        .map(MailboxDeletion::of)
        .collect();
    // Descending order of octets puts every child before its parent.
    deletions.sort_unstable_by(|one, other| other.name.cmp(&one.name));
    Ok(deletions)
}

impl MailboxDeleteRule<'_> {
    /// Whether the patterns let it go.
    pub(crate) fn chooses(&self, name: &MailboxName) -> Result<bool, RuleFailed> {
        let matches = |pattern: Option<&dyn NamePattern>, without| {
            pattern.map_or(Ok(without), |pattern| pattern.matches(name.as_bytes()))
        };
        Ok(matches(self.only, true)? && !matches(self.but_not, false)?)
    }
}

/// Whether the server shows messages of other mailboxes there (RFC 6154 §2: `\All` and `\Flagged`
/// are almost certain to be virtual), so that its messages are none of its own, or keeps it for
/// itself: Gmail's `[Gmail]/…`, in some countries `[Google Mail]/…`, which it does not delete.
pub(crate) fn is_of_server(mailbox: &MailboxInfo) -> bool {
    let is_view = matches!(mailbox.special_use, Some(SpecialUse::All | SpecialUse::Flagged));
    let roots = [&b"[Gmail]/"[..], b"[Google Mail]/"];
    is_view || roots.iter().any(|root| mailbox.name.as_bytes().starts_with(root))
}

fn has_child_in(
    parent: &MailboxName,
    names: &BTreeSet<&MailboxName>,
    delimiter: Option<u8>,
) -> bool {
    let Some(delimiter) = delimiter else { return false };
    let first = MailboxName::new([parent.as_bytes(), &[delimiter]].concat());
    names
        .range::<MailboxName, _>(&first..)
        .next()
        .is_some_and(|name| name.as_bytes().starts_with(first.as_bytes()))
}

pub(crate) fn is_below(name: &MailboxName, top: &MailboxName, delimiter: Option<u8>) -> bool {
    let rest = name.as_bytes().strip_prefix(top.as_bytes());
    match (rest, delimiter) {
        (Some([first, ..]), Some(delimiter)) => *first == delimiter,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::select::tests::Undecided;

    fn info(name: &str) -> MailboxInfo {
        MailboxInfo {
            name: MailboxName::from(name),
            delimiter: Some(b'/'),
            namespace: Namespace::Personal,
            special_use: None,
            selectable: true,
            subscribed: false,
            messages: Some(3),
            mark: Default::default(),
        }
    }

    fn account(names: &[&str]) -> AccountListing {
        let mut mailboxes: Vec<MailboxInfo> = names.iter().map(|name| info(name)).collect();
        mailboxes.sort_by(|one, other| one.name.cmp(&other.name));
        AccountListing { mailboxes, delimiter: Some(b'/'), ..AccountListing::default() }
    }

    fn names(deletions: &[MailboxDeletion]) -> Vec<String> {
        deletions.iter().map(|deletion| deletion.name.to_string()).collect()
    }

    const MIRROR: MailboxDeleteRule<'_> = MailboxDeleteRule {
        delete: DeleteRule::MessagesAndMailboxes,
        below: None,
        only: None,
        but_not: None,
        kept: None,
    };

    fn mapped(names: &[&str]) -> BTreeSet<MailboxName> {
        names.iter().map(|name| MailboxName::from(*name)).collect()
    }

    #[test]
    fn children_go_before_their_parents_and_inbox_stays() {
        let target = account(&["INBOX", "INBOX/a", "Old", "Old/x", "Old/x/y", "Olds", "Kept"]);
        let deletions =
            mailboxes_to_delete(&account(&["Kept"]), &target, &mapped(&["Kept"]), &MIRROR).unwrap();
        assert_eq!(names(&deletions), ["Olds", "Old/x/y", "Old/x", "Old", "INBOX/a"]);
        assert_eq!(deletions[0].messages, Some(3));
    }

    #[test]
    fn the_parent_of_one_that_stays_stays() {
        let target = account(&["a", "a/b", "a/b/c", "a/d", "e"]);
        let deletions =
            mailboxes_to_delete(&account(&["x"]), &target, &mapped(&["a/b/c", "e/new"]), &MIRROR)
                .unwrap();
        assert_eq!(names(&deletions), ["a/d"]);
    }

    #[test]
    fn only_the_own_mailboxes_that_hold_messages_go() {
        let mut target = account(&["a", "b", "c"]);
        target.mailboxes[0].namespace = Namespace::Shared;
        target.mailboxes[1].selectable = false;
        let deletions =
            mailboxes_to_delete(&account(&["x"]), &target, &mapped(&["x"]), &MIRROR).unwrap();
        assert_eq!(names(&deletions), ["c"]);
    }

    #[test]
    fn what_the_server_keeps_for_itself_or_shows_of_others_stays() {
        let mut target = account(&["INBOX", "Starred", "Everything", "Old", "[Gmail]/Spam"]);
        for mailbox in &mut target.mailboxes {
            mailbox.special_use = match mailbox.name.as_bytes() {
                b"Starred" => Some(SpecialUse::Flagged),
                b"Everything" => Some(SpecialUse::All),
                _ => None,
            };
        }
        let gone = mailboxes_to_delete(&account(&["INBOX"]), &target, &mapped(&["INBOX"]), &MIRROR)
            .unwrap();
        assert_eq!(names(&gone), ["Old"]);
    }

    #[test]
    fn what_has_the_name_of_a_source_mailbox_stays() {
        let target = account(&["a", "b"]);
        let deletions =
            mailboxes_to_delete(&account(&["a"]), &target, &mapped(&["z"]), &MIRROR).unwrap();
        assert_eq!(names(&deletions), ["b"]);
    }

    #[test]
    fn nothing_goes_without_a_source_or_without_the_rule() {
        let target = account(&["a"]);
        assert!(
            mailboxes_to_delete(&account(&[]), &target, &mapped(&[]), &MIRROR).unwrap().is_empty()
        );
        let rule = MailboxDeleteRule { delete: DeleteRule::Messages, ..MIRROR };
        assert!(
            mailboxes_to_delete(&account(&["x"]), &target, &mapped(&[]), &rule).unwrap().is_empty()
        );
    }

    #[test]
    fn where_removed_messages_are_kept_nothing_goes() {
        let target = account(&["Backup", "Backup/2026-11-26", "Backup/own", "Backups"]);
        let keeping = crate::keeping::Keeping {
            mailbox: "Backup".into(),
            day: crate::keeping::Day::parse(b"2026-11-26").unwrap(),
            since: None,
        };
        let place = keeping.on(&target);
        let rule = MailboxDeleteRule { kept: Some(&place), ..MIRROR };
        let deletions =
            mailboxes_to_delete(&account(&["x"]), &target, &mapped(&["x"]), &rule).unwrap();
        assert_eq!(names(&deletions), ["Backups"]);
    }

    struct Ends(u8);
    impl NamePattern for Ends {
        fn matches(&self, name: &[u8]) -> Result<bool, RuleFailed> {
            Ok(name.ends_with(&[self.0]))
        }
    }

    #[test]
    fn patterns_and_a_top_narrow_what_goes() {
        let target = account(&["a", "b", "Top", "Top/a", "Top/b", "Topa"]);
        let gone = |rule: &MailboxDeleteRule<'_>| {
            names(
                &mailboxes_to_delete(&account(&["x"]), &target, &mapped(&["Top/c"]), rule).unwrap(),
            )
        };
        let top = MailboxName::from("Top");
        assert_eq!(gone(&MailboxDeleteRule { below: Some(&top), ..MIRROR }), ["Top/b", "Top/a"]);
        assert_eq!(gone(&MailboxDeleteRule { only: Some(&Ends(b'b')), ..MIRROR }), ["b", "Top/b"]);
        assert_eq!(
            gone(&MailboxDeleteRule { but_not: Some(&Ends(b'a')), ..MIRROR }),
            ["b", "Top/b"]
        );
    }

    #[test]
    fn a_pattern_without_a_result_deletes_nothing() {
        let target = account(&["a"]);
        for rule in [
            MailboxDeleteRule { only: Some(&Undecided), ..MIRROR },
            MailboxDeleteRule { but_not: Some(&Undecided), ..MIRROR },
        ] {
            assert!(mailboxes_to_delete(&account(&["x"]), &target, &mapped(&[]), &rule).is_err());
        }
    }
}

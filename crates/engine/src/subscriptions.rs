//! Subscriptions that follow from no mailbox of a plan: those to mailboxes that are not there, and
//! those that an exact backup gives up (`docs/design/subscriptions.md`).

use std::collections::BTreeSet;

use serde::Serialize;

use crate::account::{MailboxDeleteRule, MailboxDeletion, is_below, is_of_server};
use crate::listing::{AccountListing, MailboxInfo, Mark, Namespace};
use crate::mapping::Mapping;
use crate::name::{MailboxName, RuleFailed};
use crate::policy::Subscribe;

/// What is to be done with them, in the order of their names.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct SubscriptionPlan {
    /// Names on the target of what the source subscribes without having a mailbox of that name. A
    /// target may refuse them.
    pub add: Vec<MailboxName>,
    /// What the target subscribes and the source does not. A mailbox that is deleted is not among
    /// them: its subscription goes with it.
    pub remove: Vec<MailboxName>,
    /// Those that stay though the rule gives them up.
    pub held_back: Option<HeldSubscriptions>,
}

impl SubscriptionPlan {
    /// Whether there is nothing to say.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.add.is_empty() && self.remove.is_empty() && self.held_back.is_none()
    }
}

/// Subscriptions that stay though the rule gives them up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct HeldSubscriptions {
    /// Why.
    pub reason: SubscriptionHold,
    /// How many.
    pub subscriptions: u64,
}

/// Why they stay.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum SubscriptionHold {
    /// The source did not tell all that it subscribes.
    NotTold,
    /// The source shows not one: it has lost them, more often than not (Dovecot keeps them in one
    /// file), and no mail program works with none.
    NoneShown,
}

/// How much of the source a run covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coverage {
    /// All of it: what it does not have is known not to be there.
    Account,
    /// The mailboxes that take part.
    Chosen,
}

/// All that is known of the subscriptions of both sides.
#[derive(Clone, Copy)]
pub struct SubscriptionInput<'a> {
    /// The source.
    pub source: &'a AccountListing,
    /// The target.
    pub target: &'a AccountListing,
    /// What all mailboxes of the source are called on the target, whether they take part or not.
    pub all: &'a [Mapping],
    /// The same of its subscribed names without a mailbox.
    pub bare: &'a [Mapping],
    /// Target mailboxes that take part,
    pub taking_part: &'a BTreeSet<MailboxName>,
    /// and names without a mailbox that do, by their names on the source.
    pub bare_taking_part: &'a BTreeSet<MailboxName>,
    /// How much of the source that is.
    pub coverage: Coverage,
    /// Target mailboxes that are deleted.
    pub gone: &'a [MailboxDeletion],
    /// Where on the target anything may be taken away.
    pub narrowed: MailboxDeleteRule<'a>,
}

/// Says which subscriptions come and go. Without a whole listing of the source's none goes.
///
/// # Errors
/// A pattern came to no result.
pub fn plan_subscriptions(
    input: &SubscriptionInput<'_>,
    rule: Subscribe,
) -> Result<SubscriptionPlan, RuleFailed> {
    let mut plan = SubscriptionPlan::default();
    if matches!(rule, Subscribe::Account | Subscribe::Exact) {
        plan.add = input.missing();
    }
    if rule != Subscribe::Exact {
        return Ok(plan);
    }
    let surplus = input.surplus()?;
    let reason = match &input.source.bare_subscriptions {
        None => Some(SubscriptionHold::NotTold),
        Some(bare) if bare.is_empty() && !input.source.mailboxes.iter().any(|it| it.subscribed) => {
            Some(SubscriptionHold::NoneShown)
        }
        Some(_) => None,
    };
    match reason {
        _ if surplus.is_empty() => {}
        None => plan.remove = surplus,
        Some(reason) => {
            let subscriptions = surplus.len() as u64;
            plan.held_back = Some(HeldSubscriptions { reason, subscriptions });
        }
    }
    Ok(plan)
}

/// The names of an account that are subscribed without a mailbox, as mailboxes that could be opened,
/// so that they are chosen and mapped as if they were there.
#[must_use]
pub fn as_mailboxes(account: &AccountListing) -> AccountListing {
    let info = |name: &MailboxName| MailboxInfo {
        subscribed: true,
        ..MailboxInfo::new(name.clone(), account.delimiter, Mark::default())
    };
    AccountListing {
        mailboxes: account.bare().map(info).collect(),
        prefix: account.prefix.clone(),
        delimiter: account.delimiter,
        bare_subscriptions: None,
    }
}

impl SubscriptionInput<'_> {
    fn missing(&self) -> Vec<MailboxName> {
        let wanted = self.bare.iter().filter(|it| self.bare_taking_part.contains(&it.source));
        let names: BTreeSet<&MailboxName> = wanted
            .map(|mapping| &mapping.target)
            .filter(|name| !self.target.is_subscribed(name) || self.goes_with_mailbox(name))
            .collect();
        names.into_iter().cloned().collect()
    }

    fn surplus(&self) -> Result<Vec<MailboxName>, RuleFailed> {
        let own = |info: &&MailboxInfo| {
            info.subscribed && info.namespace == Namespace::Personal && !is_of_server(info)
        };
        let bare = as_mailboxes(self.target).mailboxes;
        let bare = bare.iter().filter(|info| own(info) && !self.is_spelled_otherwise(&info.name));
        let subscribed: BTreeSet<&MailboxName> =
            self.target.mailboxes.iter().filter(own).chain(bare).map(|info| &info.name).collect();
        let wanted = self.wanted();
        let uncovered = self.uncovered();
        let mut surplus = Vec::new();
        for name in subscribed {
            let is_surplus = !wanted.contains(name)
                && !self.goes_with_mailbox(name)
                && self.covers(name, &uncovered)
                && self.may_change(name)?;
            if is_surplus {
                surplus.push(name.clone());
            }
        }
        Ok(surplus)
    }

    /// The names of everything that the source subscribes, on the target and literally.
    fn wanted(&self) -> BTreeSet<&MailboxName> {
        let here = self.source.mailboxes.iter().filter(|info| info.subscribed);
        let literal: BTreeSet<&MailboxName> =
            here.map(|info| &info.name).chain(self.source.bare()).collect();
        let mapped = self.all.iter().chain(self.bare);
        let mapped: Vec<&MailboxName> =
            mapped.filter(|it| literal.contains(&it.source)).map(|it| &it.target).collect();
        literal.into_iter().chain(mapped).collect()
    }

    /// The names on the target of mailboxes of the source that take no part.
    fn uncovered(&self) -> BTreeSet<&MailboxName> {
        let selectable = |mapping: &&Mapping| {
            self.source.find(&mapping.source).is_some_and(|info| info.selectable)
        };
        let names = self.all.iter().filter(selectable).map(|mapping| &mapping.target);
        names.filter(|name| !self.taking_part.contains(name)).collect()
    }

    fn covers(&self, name: &MailboxName, uncovered: &BTreeSet<&MailboxName>) -> bool {
        self.taking_part.contains(name)
            || (self.coverage == Coverage::Account && !uncovered.contains(name))
    }

    fn may_change(&self, name: &MailboxName) -> Result<bool, RuleFailed> {
        let rule = &self.narrowed;
        let within = rule.below.is_none_or(|top| is_below(name, top, self.target.delimiter));
        let is_kept = rule.kept.is_some_and(|kept| kept.holds(name));
        Ok(within && !is_kept && rule.chooses(name)?)
    }

    fn goes_with_mailbox(&self, name: &MailboxName) -> bool {
        self.gone.iter().any(|gone| gone.name == *name)
    }

    /// Where a server does not tell `A` from `a`, one subscription may show under two names.
    fn is_spelled_otherwise(&self, bare: &MailboxName) -> bool {
        let alike = |name: &MailboxName| name.as_bytes().eq_ignore_ascii_case(bare.as_bytes());
        self.target.mailboxes.iter().any(|info| alike(&info.name))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::keeping::{Day, Keeping};
    use crate::mapping::{MappingRules, map_mailboxes};
    use crate::policy::DeleteRule;

    /// Mailboxes, with `+` behind the name those that are subscribed, and with `?` subscribed names
    /// without a mailbox.
    fn account(names: &str) -> AccountListing {
        let mut account = AccountListing { delimiter: Some(b'/'), ..AccountListing::default() };
        let mut bare = Vec::new();
        for word in names.split_whitespace() {
            let name = MailboxName::from(word.trim_end_matches(['+', '?']));
            if word.ends_with('?') {
                bare.push(name);
                continue;
            }
            let info = MailboxInfo::new(name, Some(b'/'), Mark::default());
            account.mailboxes.push(MailboxInfo { subscribed: word.ends_with('+'), ..info });
        }
        account.mailboxes.sort_by(|one, other| one.name.cmp(&other.name));
        account.bare_subscriptions = Some(bare);
        account
    }

    struct Case {
        source: AccountListing,
        target: AccountListing,
        coverage: Coverage,
        chosen: &'static str,
        gone: Vec<MailboxDeletion>,
        rule: Subscribe,
    }

    impl Case {
        fn new(source: &str, target: &str) -> Self {
            Self {
                source: account(source),
                target: account(target),
                coverage: Coverage::Account,
                chosen: source_names(source),
                gone: Vec::new(),
                rule: Subscribe::Exact,
            }
        }

        fn plan_within(&self, narrowed: MailboxDeleteRule<'_>) -> SubscriptionPlan {
            let rules = MappingRules::default();
            let map = |listing: &AccountListing| {
                map_mailboxes(&listing.mailboxes, &self.source, &self.target, &rules).unwrap()
            };
            let chosen: BTreeSet<MailboxName> =
                self.chosen.split_whitespace().map(MailboxName::from).collect();
            let input = SubscriptionInput {
                source: &self.source,
                target: &self.target,
                all: &map(&self.source),
                bare: &map(&as_mailboxes(&self.source)),
                taking_part: &chosen,
                bare_taking_part: &chosen,
                coverage: self.coverage,
                gone: &self.gone,
                narrowed,
            };
            plan_subscriptions(&input, self.rule).unwrap()
        }

        fn plan(&self) -> SubscriptionPlan {
            self.plan_within(ANYWHERE)
        }
    }

    const ANYWHERE: MailboxDeleteRule<'_> = MailboxDeleteRule {
        delete: DeleteRule::MessagesAndMailboxes,
        below: None,
        only: None,
        but_not: None,
        kept: None,
    };

    /// All of them, as a run without a choice takes them.
    fn source_names(names: &str) -> &'static str {
        names.replace(['+', '?'], "").leak()
    }

    fn words(names: &[MailboxName]) -> String {
        names.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn what_the_source_does_not_subscribe_is_given_up() {
        let plan = Case::new("INBOX+ Kept+ Left", "INBOX+ Kept+ Left+ Stale?").plan();
        assert_eq!((words(&plan.remove), words(&plan.add)), ("Left Stale".into(), "".into()));
        assert_eq!(plan.held_back, None);
    }

    #[test]
    fn a_subscription_without_a_mailbox_comes_along() {
        let plan = Case::new("INBOX+ Gone? Both?", "INBOX+ Both?").plan();
        assert_eq!((words(&plan.add), words(&plan.remove)), ("Gone".into(), "".into()));
        let adding = Case { rule: Subscribe::Account, ..Case::new("INBOX Gone?", "Left+") };
        assert_eq!((words(&adding.plan().add), adding.plan().remove.len()), ("Gone".into(), 0));
        for rule in [Subscribe::Mirror, Subscribe::All, Subscribe::None] {
            assert!(Case { rule, ..Case::new("INBOX+ Gone?", "Left+") }.plan().is_empty());
        }
    }

    #[test]
    fn a_mailbox_that_is_deleted_takes_its_subscription_along() {
        let gone = |name: &str| MailboxDeletion {
            name: name.into(),
            messages: None,
            octets: None,
            mark: Mark::default(),
            subscribed: true,
        };
        let mut case = Case::new("INBOX+", "INBOX+ Old+");
        case.gone = vec![gone("Old")];
        assert!(case.plan().is_empty());
        // The source deleted it and stayed subscribed.
        let mut case = Case::new("INBOX+ Old?", "INBOX+ Old+");
        case.gone = vec![gone("Old")];
        assert_eq!(words(&case.plan().add), "Old");
    }

    #[test]
    fn a_source_that_shows_or_tells_none_takes_none_away() {
        let held = |case: &Case| {
            let plan = case.plan();
            assert!(plan.remove.is_empty(), "{plan:?}");
            plan.held_back.map(|held| (held.reason, held.subscriptions))
        };
        let mut case = Case::new("INBOX Work", "INBOX+ Work+ Stale?");
        assert_eq!(held(&case), Some((SubscriptionHold::NoneShown, 3)));
        case.source = account("INBOX+ Work");
        case.source.bare_subscriptions = None;
        assert_eq!(held(&case), Some((SubscriptionHold::NotTold, 2)));
        case.target = account("INBOX+ Work");
        assert_eq!(held(&case), None);
        // Of a target that did not tell all, what is seen goes.
        let mut case = Case::new("INBOX+ Work", "INBOX+ Work+");
        case.target.bare_subscriptions = None;
        assert_eq!(words(&case.plan().remove), "Work");
    }

    #[test]
    fn only_what_the_run_covers_is_given_up() {
        let case = Case {
            coverage: Coverage::Chosen,
            chosen: "Work",
            ..Case::new("INBOX+ Work Other", "INBOX+ Work+ Other+ Stale? Extra+")
        };
        assert_eq!(words(&case.plan().remove), "Work");
        // Of the whole account, one takes no part.
        let case = Case { coverage: Coverage::Account, ..case };
        assert_eq!(words(&case.plan().remove), "Extra Stale Work");
    }

    #[test]
    fn what_is_kept_or_above_the_subtree_stays_subscribed() {
        let case = Case::new("INBOX+", "INBOX+ Removed+ Removed/2026-11-26+ Top+ Top/a+ Top/b?");
        let keeping = Keeping {
            mailbox: "Removed".into(),
            day: Day::parse(b"2026-11-26").unwrap(),
            since: None,
        };
        let place = keeping.on(&case.target);
        let kept = MailboxDeleteRule { kept: Some(&place), ..ANYWHERE };
        assert_eq!(words(&case.plan_within(kept).remove), "Top Top/a Top/b");
        let top = MailboxName::from("Top");
        let below = MailboxDeleteRule { below: Some(&top), ..ANYWHERE };
        assert_eq!(words(&case.plan_within(below).remove), "Top/a Top/b");
    }

    #[test]
    fn what_is_not_the_users_own_or_the_servers_stays_subscribed() {
        let mut case = Case::new("INBOX+", "INBOX+ Shared+ Work+ [Gmail]/Spam+ WORK? work/A?");
        let at = case.target.mailboxes.iter().position(|info| info.name == "Shared".into());
        case.target.mailboxes[at.unwrap()].namespace = Namespace::Shared;
        // `WORK` may be `Work` on a server that does not tell them apart.
        assert_eq!(words(&case.plan().remove), "Work work/A");
    }
}

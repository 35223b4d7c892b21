//! Whether a plan may be carried out. It looks at sums only and knows the accidents that cost
//! others their mail: sides swapped, an empty or unlisted source, one account on both sides.

use std::fmt;

use crate::name::MailboxName;
use crate::summary::{PlanSummary, SameAccount};

/// How much may be removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GuardLimits {
    /// For the whole run (`--max-delete`); `None`: no limit of this kind.
    pub max_delete: Option<MaxDelete>,
    /// For each mailbox; `None`: no limit of this kind.
    pub mailbox: Option<MailboxLimit>,
    /// Whether both sides may be the same account.
    pub same_account: SameAccountRule,
    /// Whether nearly everything on the target may be removed.
    pub nearly_all: NearlyAll,
}

impl GuardLimits {
    /// For `mailferry`.
    #[must_use]
    pub fn modern() -> Self {
        Self {
            max_delete: None,
            mailbox: Some(MailboxLimit { percent: 25, messages_min: 20 }),
            same_account: SameAccountRule::Refuse,
            nearly_all: NearlyAll::Refuse,
        }
    }

    /// For the imapsync front, which knows no limits and may work on one account; what can
    /// only be an accident is still refused.
    #[must_use]
    pub fn imapsync() -> Self {
        Self { mailbox: None, same_account: SameAccountRule::RefuseRemovals, ..Self::modern() }
    }
}

/// The most that a run may remove.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MaxDelete {
    /// So many messages.
    Messages(u64),
    /// So many hundredths of the messages on the target account.
    Percent(u8),
}

/// The most that may be removed from one mailbox: more than `percent` is too much, if it is at
/// least `messages_min` messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MailboxLimit {
    /// Hundredths of the messages in the mailbox.
    pub percent: u8,
    /// Fewer messages than these never count as too many.
    pub messages_min: u64,
}

/// Whether both sides may be the same account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SameAccountRule {
    /// They may not.
    Refuse,
    /// They may as long as nothing goes from the target but surplus copies: duplicates are to be
    /// removed, mailboxes merged, or old mail moved to another mailbox.
    RefuseRemovals,
    /// They may.
    Allow,
}

/// Whether nearly everything on the target may be removed: at least 100 messages and at least
/// 90 of 100.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NearlyAll {
    /// It may not: source and target are swapped, more often than not.
    Refuse,
    /// It may: a limit of the user's own stands in its place (`--max-delete`).
    Allow,
}

const NEARLY_ALL_PERCENT: u64 = 90;
const NEARLY_ALL_MESSAGES_MIN: u64 = 100;

/// The guard's consent, without which nothing is carried out. Only [`check`] can give it.
#[derive(Debug, PartialEq, Eq)]
pub struct Approval {
    deletions: u64,
}

impl Approval {
    /// The number of target messages whose removal was consented to.
    #[must_use]
    pub fn deletions(&self) -> u64 {
        self.deletions
    }
}

/// Why a plan must not be carried out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Objection {
    /// LIST showed no mailbox on the source. Every account has INBOX.
    NoMailboxListed,
    /// All source mailboxes are empty, those of the target are not.
    SourceEmpty {
        /// Messages that would be removed.
        deletions: u64,
        /// Messages on the target account.
        target_messages: u64,
    },
    /// Nearly everything on the target would be removed.
    NearlyAll {
        /// Messages that would be removed.
        deletions: u64,
        /// Messages on the target account.
        target_messages: u64,
    },
    /// Both sides are the same account.
    SameAccount,
    /// They are, and something would be removed that is no surplus copy.
    RemovalFromSameAccount,
    /// A mailbox would be deleted of which nobody knows how much is in it.
    UnknownContent {
        /// The mailbox, by its name on the target.
        mailbox: MailboxName,
    },
    /// More would be removed in this run than `--max-delete` allows.
    RunLimit {
        /// Messages that would be removed.
        deletions: u64,
        /// Messages on the target account.
        target_messages: u64,
        /// The limit.
        limit: MaxDelete,
    },
    /// More would be removed from the source than `--max-delete` allows.
    SourceLimit {
        /// Messages that would be removed.
        deletions: u64,
        /// Messages listed on the source.
        source_messages: u64,
        /// The limit.
        limit: MaxDelete,
    },
    /// More would be removed from a mailbox than is allowed.
    MailboxLimit {
        /// The mailbox, by its name on the target.
        mailbox: MailboxName,
        /// Messages that would be removed.
        deletions: u64,
        /// Messages in the mailbox.
        target_messages: u64,
        /// The limit.
        limit: MailboxLimit,
    },
}

impl fmt::Display for Objection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\nhint: {}", self.words(|name| name.to_string()), self.hint())
    }
}

impl Objection {
    /// What speaks against the plan, with mailbox names as `show` makes them readable.
    #[must_use]
    pub fn words(&self, show: impl Fn(&MailboxName) -> String) -> String {
        let of = |deletions: &u64, target_messages: &u64| {
            format!("{deletions} of {target_messages} messages")
        };
        match self {
            Self::NoMailboxListed => "the source shows no mailbox, not even INBOX".to_owned(),
            Self::SourceEmpty { deletions, target_messages } => format!(
                "all source mailboxes are empty, and {} on the target would be removed",
                of(deletions, target_messages)
            ),
            Self::NearlyAll { deletions, target_messages } => format!(
                "{} on the target account would be removed: are source and target swapped?",
                of(deletions, target_messages)
            ),
            Self::SameAccount => "source and target are the same account".to_owned(),
            Self::RemovalFromSameAccount => {
                "source and target are the same account, and mail would be removed from it"
                    .to_owned()
            }
            Self::UnknownContent { mailbox } => {
                format!("`{}` would be deleted, with how much in it is unknown", show(mailbox))
            }
            Self::RunLimit { deletions, target_messages, limit } => format!(
                "{} on the target account would be removed, the limit is {limit}",
                of(deletions, target_messages)
            ),
            Self::SourceLimit { deletions, source_messages, limit } => format!(
                "{} of the source would be removed, the limit is {limit}",
                of(deletions, source_messages)
            ),
            Self::MailboxLimit { mailbox, deletions, target_messages, limit } => format!(
                "{} of `{}` would be removed, the limit is {} %",
                of(deletions, target_messages),
                show(mailbox),
                limit.percent
            ),
        }
    }
}

impl fmt::Display for MaxDelete {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Messages(messages) => write!(f, "{messages}"),
            Self::Percent(percent) => write!(f, "{percent} %"),
        }
    }
}

impl Objection {
    /// What helps.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self {
            Self::NoMailboxListed => "check the user and the namespace of the source account",
            Self::SourceEmpty { .. } => {
                "check the source; to empty the target nevertheless, use a mail program"
            }
            Self::SameAccount => {
                "check hosts and users; if it is meant, add `--allow-same-account`"
            }
            Self::RemovalFromSameAccount => {
                "check hosts and users; if it is meant, say how much may go: MAILFERRY_MAX_DELETE"
            }
            Self::UnknownContent { .. } => {
                "look into it with a mail program; if it may go, give `--max-delete 100%` \
                 (MAILFERRY_MAX_DELETE)"
            }
            Self::NearlyAll { .. }
            | Self::RunLimit { .. }
            | Self::SourceLimit { .. }
            | Self::MailboxLimit { .. } => {
                "look at `mailferry plan`; if it is right, raise `--max-delete` (MAILFERRY_MAX_DELETE)"
            }
        }
    }
}

/// Says whether a plan may be carried out, or everything that speaks against it.
///
/// # Errors
///
/// All objections, in a fixed order.
pub fn check(summary: &PlanSummary, limits: &GuardLimits) -> Result<Approval, Vec<Objection>> {
    let mut objections = Vec::new();
    let (deletions, target_messages) = (summary.deletions(), summary.target_messages());
    let removes = deletions > 0 || !summary.delete_mailboxes.is_empty();
    if summary.facts.source_mailboxes == 0 {
        objections.push(Objection::NoMailboxListed);
    }
    if summary.facts.same_account == SameAccount::Yes {
        // A move between two of its mailboxes takes only what is proven to be in the other.
        let loses = summary.total.delete > 0 || !summary.delete_mailboxes.is_empty();
        match limits.same_account {
            SameAccountRule::Refuse => objections.push(Objection::SameAccount),
            SameAccountRule::RefuseRemovals if loses => {
                objections.push(Objection::RemovalFromSameAccount);
            }
            SameAccountRule::RefuseRemovals | SameAccountRule::Allow => {}
        }
    }
    let unknown = || summary.delete_mailboxes.iter().filter(|gone| gone.messages.is_none());
    let has_mail = target_messages > 0 || unknown().next().is_some();
    if removes && summary.total.listed == 0 && has_mail {
        objections.push(Objection::SourceEmpty { deletions, target_messages });
    }
    if limits.nearly_all == NearlyAll::Refuse
        && deletions >= NEARLY_ALL_MESSAGES_MIN
        && is_at_least(deletions, NEARLY_ALL_PERCENT, target_messages)
    {
        objections.push(Objection::NearlyAll { deletions, target_messages });
    }
    if let Some(limit) = limits.max_delete
        && is_over(limit, deletions, target_messages)
    {
        objections.push(Objection::RunLimit { deletions, target_messages, limit });
    }
    let (from_source, source_messages) = (summary.total.delete_source, summary.total.listed);
    if let Some(limit) = limits.max_delete
        && is_over(limit, from_source, source_messages)
    {
        let deletions = from_source;
        objections.push(Objection::SourceLimit { deletions, source_messages, limit });
    }
    if let Some(limit) = limits.mailbox {
        objections.extend(check_mailboxes(summary, limit));
    }
    // No limit can be held against what is not known.
    if !matches!(limits.max_delete, Some(MaxDelete::Percent(100..))) {
        objections
            .extend(unknown().map(|gone| Objection::UnknownContent { mailbox: gone.name.clone() }));
    }
    if objections.is_empty() { Ok(Approval { deletions }) } else { Err(objections) }
}

fn check_mailboxes(summary: &PlanSummary, limit: MailboxLimit) -> Vec<Objection> {
    let counted = summary.mailboxes.iter().map(|mailbox| {
        let counts = &mailbox.counts;
        (&mailbox.target, counts.deletions(), counts.target_listed)
    });
    let deleted = summary.delete_mailboxes.iter().filter_map(|mailbox| {
        let messages = u64::from(mailbox.messages?);
        Some((&mailbox.name, messages, messages))
    });
    counted
        .chain(deleted)
        .filter(|(_, deletions, messages)| {
            *deletions >= limit.messages_min.max(1)
                && u128::from(*deletions) * 100 > u128::from(*messages) * u128::from(limit.percent)
        })
        .map(|(mailbox, deletions, target_messages)| Objection::MailboxLimit {
            mailbox: mailbox.clone(),
            deletions,
            target_messages,
            limit,
        })
        .collect()
}

fn is_over(limit: MaxDelete, deletions: u64, target_messages: u64) -> bool {
    match limit {
        MaxDelete::Messages(most) => deletions > most,
        MaxDelete::Percent(percent) => {
            u128::from(deletions) * 100 > u128::from(target_messages) * u128::from(percent)
        }
    }
}

fn is_at_least(part: u64, percent: u64, whole: u64) -> bool {
    u128::from(part) * 100 >= u128::from(whole) * u128::from(percent)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::account::MailboxDeletion;
    use crate::listing::Mark;
    use crate::summary::{AccountFacts, Counts, MailboxSummary};

    /// A plan that removes `delete` of `target_listed` messages, the source having `listed`.
    fn plan(listed: u64, target_listed: u64, delete: u64) -> PlanSummary {
        let facts = AccountFacts {
            source_mailboxes: 1,
            other_target_messages: 0,
            same_account: SameAccount::No,
        };
        let counts = Counts { listed, target_listed, delete, ..Counts::default() };
        let mailbox = MailboxSummary { target: "INBOX".into(), sources: Vec::new(), counts };
        let mut summary = PlanSummary::new(facts, Vec::new());
        summary.mailboxes.push(mailbox);
        summary.total = counts;
        summary
    }

    fn gone(name: &str, messages: Option<u32>) -> MailboxDeletion {
        let (mark, subscribed) = (Mark::default(), false);
        MailboxDeletion { name: name.into(), messages, octets: None, mark, subscribed }
    }

    const NO_LIMITS: GuardLimits = GuardLimits {
        max_delete: None,
        mailbox: None,
        same_account: SameAccountRule::Refuse,
        nearly_all: NearlyAll::Refuse,
    };

    fn objections(summary: &PlanSummary, limits: &GuardLimits) -> Vec<Objection> {
        check(summary, limits).err().unwrap_or_default()
    }

    #[test]
    fn a_plan_that_removes_nothing_passes() {
        let approval = check(&plan(0, 1000, 0), &GuardLimits::modern()).unwrap();
        assert_eq!(approval.deletions(), 0);
    }

    #[test]
    fn a_source_without_mailboxes_is_refused() {
        let mut summary = plan(0, 0, 0);
        summary.facts.source_mailboxes = 0;
        assert_eq!(objections(&summary, &NO_LIMITS), [Objection::NoMailboxListed]);
    }

    #[test]
    fn an_empty_source_removes_nothing() {
        let expected = Objection::SourceEmpty { deletions: 1, target_messages: 5 };
        assert_eq!(objections(&plan(0, 5, 1), &NO_LIMITS), [expected]);
        assert_eq!(objections(&plan(1, 5, 1), &NO_LIMITS), []);
    }

    #[test]
    fn nearly_all_is_at_least_ninety_of_a_hundred_and_a_hundred() {
        let refused = |target, delete| !objections(&plan(1, target, delete), &NO_LIMITS).is_empty();
        assert!(refused(111, 100));
        assert!(!refused(112, 100));
        assert!(!refused(99, 99));
        assert!(refused(1000, 900));
        let mut summary = plan(1, 111, 100);
        summary.facts.other_target_messages = 50;
        assert!(objections(&summary, &NO_LIMITS).is_empty());
    }

    #[test]
    fn messages_of_deleted_mailboxes_count() {
        let mut summary = plan(1, 10, 0);
        let gone = gone("Old", Some(200));
        summary.delete_mailboxes.push(gone);
        let expected = Objection::NearlyAll { deletions: 200, target_messages: 210 };
        assert_eq!(objections(&summary, &NO_LIMITS), [expected]);
    }

    #[test]
    fn one_account_on_both_sides_is_refused_unless_allowed() {
        let mut summary = plan(1, 1, 0);
        summary.facts.same_account = SameAccount::Yes;
        assert_eq!(objections(&summary, &GuardLimits::modern()), [Objection::SameAccount]);
        assert_eq!(objections(&summary, &GuardLimits::imapsync()), []);
    }

    #[test]
    fn from_one_account_on_both_sides_only_surplus_copies_go_unless_allowed() {
        let removing = |change: &dyn Fn(&mut PlanSummary)| {
            let mut summary = plan(10, 10, 0);
            summary.facts.same_account = SameAccount::Yes;
            change(&mut summary);
            let allowed =
                GuardLimits { same_account: SameAccountRule::Allow, ..GuardLimits::imapsync() };
            assert_eq!(objections(&summary, &allowed), []);
            objections(&summary, &GuardLimits::imapsync())
        };
        let refused = [Objection::RemovalFromSameAccount];
        assert_eq!(removing(&|summary| summary.total.delete = 1), refused);
        assert_eq!(removing(&|it| it.delete_mailboxes.push(gone("Old", Some(0)))), refused);
        assert_eq!(removing(&|summary| summary.total.delete_duplicates = 1), []);
        assert_eq!(
            removing(&|summary| summary.total.delete_source = 1),
            [],
            "old mail is archived"
        );
    }

    #[test]
    fn a_run_has_its_limit() {
        let refused = |limit, delete| {
            let limits = GuardLimits { max_delete: Some(limit), ..NO_LIMITS };
            !objections(&plan(1, 200, delete), &limits).is_empty()
        };
        assert!(!refused(MaxDelete::Messages(10), 10));
        assert!(refused(MaxDelete::Messages(10), 11));
        assert!(!refused(MaxDelete::Percent(5), 10));
        assert!(refused(MaxDelete::Percent(5), 11));
        assert!(refused(MaxDelete::Messages(0), 1));
    }

    #[test]
    fn a_source_deletion_is_in_the_plan_and_has_a_limit() {
        let mut summary = plan(200, 200, 0);
        summary.total.delete_source = 150;
        let limited = |limit| GuardLimits { max_delete: Some(limit), ..GuardLimits::modern() };
        assert_eq!(objections(&summary, &GuardLimits::modern()), []);
        assert_eq!(objections(&summary, &limited(MaxDelete::Messages(150))), []);
        assert_eq!(objections(&summary, &limited(MaxDelete::Percent(75))), []);
        let found = objections(&summary, &limited(MaxDelete::Messages(149)));
        assert_eq!(
            found[0].words(|name| name.to_string()),
            "150 of 200 messages of the source would be removed, the limit is 149"
        );
        assert!(!objections(&summary, &limited(MaxDelete::Percent(74))).is_empty());
    }

    #[test]
    fn a_mailbox_has_its_limit() {
        let refused = |target, delete| {
            !objections(&plan(1, target, delete), &GuardLimits::modern()).is_empty()
        };
        assert!(!refused(20, 19), "fewer than twenty never are too many");
        assert!(refused(79, 20));
        assert!(!refused(80, 20), "a quarter is allowed");
    }

    #[test]
    fn a_mailbox_of_unknown_content_is_not_deleted_under_any_limit() {
        let mut summary = plan(1, 10, 0);
        summary.delete_mailboxes.push(gone("Old", None));
        let limited = |limit| GuardLimits { max_delete: Some(limit), ..NO_LIMITS };
        for limits in [
            GuardLimits::modern(),
            GuardLimits::imapsync(),
            limited(MaxDelete::Messages(1000)),
            limited(MaxDelete::Percent(99)),
        ] {
            let expected = Objection::UnknownContent { mailbox: "Old".into() };
            assert_eq!(objections(&summary, &limits), [expected]);
        }
        assert_eq!(objections(&summary, &limited(MaxDelete::Percent(100))), []);
        // Whatever it is that is in it, an empty source does not take it away.
        let mut summary = plan(0, 0, 0);
        summary.delete_mailboxes.push(gone("Old", None));
        let found = objections(&summary, &limited(MaxDelete::Percent(100)));
        assert!(matches!(found[..], [Objection::SourceEmpty { .. }]), "{found:?}");
    }

    #[test]
    fn an_objection_says_what_and_where_and_what_helps() {
        let text = objections(&plan(1, 79, 20), &GuardLimits::modern())[0].to_string();
        assert_eq!(
            text,
            "20 of 79 messages of `INBOX` would be removed, the limit is 25 %\n\
             hint: look at `mailferry plan`; if it is right, raise `--max-delete` (MAILFERRY_MAX_DELETE)"
        );
    }

    #[test]
    fn all_objections_come_at_once() {
        let mut summary = plan(0, 100, 100);
        summary.facts.same_account = SameAccount::Yes;
        assert_eq!(objections(&summary, &GuardLimits::modern()).len(), 4);
    }
}

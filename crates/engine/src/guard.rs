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
        Self { mailbox: None, same_account: SameAccountRule::Allow, ..Self::modern() }
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
    /// They may: duplicates are to be removed, or mailboxes merged.
    Allow,
}

/// Whether nearly everything on the target may be removed: at least 100 messages and at least
/// 90 of 100.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NearlyAll {
    /// It may not: source and target are swapped, more often than not.
    Refuse,
    /// It may (`--allow-mass-delete`).
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
    /// More would be removed in this run than `--max-delete` allows.
    RunLimit {
        /// Messages that would be removed.
        deletions: u64,
        /// Messages on the target account.
        target_messages: u64,
        /// The limit.
        limit: MaxDelete,
    },
    /// More would be removed from a mailbox than is allowed.
    MailboxLimit {
        /// The mailbox, by its name on the target.
        mailbox: MailboxName,
        /// Messages that would be removed; `None` if the mailbox would be deleted and the
        /// number of its messages is not known.
        deletions: Option<u64>,
        /// Messages in the mailbox.
        target_messages: Option<u64>,
        /// The limit.
        limit: MailboxLimit,
    },
}

impl fmt::Display for Objection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let of = |deletions: &u64, target_messages: &u64| {
            format!("{deletions} of {target_messages} messages")
        };
        match self {
            Self::NoMailboxListed => f.write_str("the source shows no mailbox, not even INBOX"),
            Self::SourceEmpty { deletions, target_messages } => write!(
                f,
                "all source mailboxes are empty, and {} on the target would be removed",
                of(deletions, target_messages)
            ),
            Self::NearlyAll { deletions, target_messages } => write!(
                f,
                "{} on the target account would be removed: are source and target swapped?",
                of(deletions, target_messages)
            ),
            Self::SameAccount => f.write_str("source and target are the same account"),
            Self::RunLimit { deletions, target_messages, limit } => write!(
                f,
                "{} on the target account would be removed, the limit is {limit}",
                of(deletions, target_messages)
            ),
            Self::MailboxLimit { mailbox, deletions, target_messages, limit } => {
                match (deletions, target_messages) {
                    (Some(deletions), Some(messages)) => write!(
                        f,
                        "{} of `{mailbox}` would be removed, the limit is {} %",
                        of(deletions, messages),
                        limit.percent
                    )?,
                    _ => write!(f, "`{mailbox}` would be deleted, with how much in it is unknown")?,
                }
                Ok(())
            }
        }?;
        write!(f, "\nhint: {}", self.hint())
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
            Self::NearlyAll { .. } => {
                "look at the plan with `--dry-run`; if it is right, add `--allow-mass-delete`"
            }
            Self::SameAccount => {
                "check hosts and users; if it is meant, add `--allow-same-account`"
            }
            Self::RunLimit { .. } | Self::MailboxLimit { .. } => {
                "look at the plan with `--dry-run`; if it is right, raise `--max-delete`"
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
    if summary.facts.same_account == SameAccount::Yes
        && limits.same_account == SameAccountRule::Refuse
    {
        objections.push(Objection::SameAccount);
    }
    if removes && summary.total.listed == 0 && target_messages > 0 {
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
    if let Some(limit) = limits.mailbox {
        objections.extend(check_mailboxes(summary, limit));
    }
    if objections.is_empty() { Ok(Approval { deletions }) } else { Err(objections) }
}

fn check_mailboxes(summary: &PlanSummary, limit: MailboxLimit) -> Vec<Objection> {
    let counted = summary.mailboxes.iter().map(|mailbox| {
        let counts = &mailbox.counts;
        (&mailbox.target, Some(counts.deletions()), Some(counts.target_listed))
    });
    let deleted = summary.delete_mailboxes.iter().map(|mailbox| {
        let messages = mailbox.messages.map(u64::from);
        (&mailbox.name, messages, messages)
    });
    counted
        .chain(deleted)
        .filter(|(_, deletions, target_messages)| match (deletions, target_messages) {
            (Some(deletions), Some(messages)) => {
                *deletions >= limit.messages_min.max(1)
                    && u128::from(*deletions) * 100
                        > u128::from(*messages) * u128::from(limit.percent)
            }
            _ => true,
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

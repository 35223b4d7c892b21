//! The rules that shape a plan.

use serde::Serialize;

use crate::message::{Flag, FlagSet};
use crate::pairing::{Agreement, PairRule, TargetQuestion};
use crate::plan::SkipReason;

/// Everything that shapes what is done with messages.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Rules {
    /// What happens to the flags of messages that are on the target already.
    pub flags: FlagPolicy,
    /// Whether keywords travel.
    pub keywords: Keywords,
    /// Which sizes are copied.
    pub sizes: Sizes,
    /// What is removed from the target.
    pub delete: DeleteRule,
    /// What is removed from the source.
    pub source_deletion: SourceDeletion,
    /// Whether the selection of messages (search, age) narrows deletions as well.
    pub delete_within: DeleteWithin,
    /// How many of several messages of equal content are copied.
    pub duplicates: Duplicates,
    /// What happens to surplus messages of equal content on the target.
    pub target_duplicates: TargetDuplicates,
    /// What is subscribed on the target.
    pub subscribe: Subscribe,
    /// What happens to a message that is in another mailbox of the target.
    pub elsewhere: Elsewhere,
    /// What happens where a target mailbox holds messages and none is recognised.
    pub unrecognised: Unrecognised,
    /// What makes messages with the same key the same.
    pub agreement: Agreement,
    /// What happens to flags that a target mailbox says it does not keep.
    pub unkept_flags: UnkeptFlags,
}

impl Rules {
    /// `mailferry sync`: adds, never removes.
    #[must_use]
    pub fn sync() -> Self {
        Self {
            flags: FlagPolicy::Add,
            keywords: Keywords::Carry,
            sizes: Sizes::default(),
            delete: DeleteRule::Nothing,
            source_deletion: SourceDeletion::Nothing,
            delete_within: DeleteWithin::Mailbox,
            duplicates: Duplicates::CopyAll,
            target_duplicates: TargetDuplicates::Keep,
            subscribe: Subscribe::Account,
            elsewhere: Elsewhere::Copy,
            unrecognised: Unrecognised::Refuse,
            agreement: Agreement::default(),
            unkept_flags: UnkeptFlags::default(),
        }
    }

    /// `mailferry sync --delete`: a presync, which also removes what the source no longer has.
    #[must_use]
    pub fn presync() -> Self {
        Self { delete: DeleteRule::Messages, ..Self::sync() }
    }

    /// `mailferry sync --mirror`: an exact backup.
    #[must_use]
    pub fn mirror() -> Self {
        Self {
            flags: FlagPolicy::Mirror,
            delete: DeleteRule::MessagesAndMailboxes,
            subscribe: Subscribe::Exact,
            ..Self::sync()
        }
    }

    /// `mailferry restore`: brings back what is missing, leaves alone what is there.
    #[must_use]
    pub fn restore() -> Self {
        Self { flags: FlagPolicy::NewOnly, elsewhere: Elsewhere::Skip, ..Self::sync() }
    }

    /// The imapsync front without options.
    #[must_use]
    pub fn imapsync() -> Self {
        Self {
            flags: FlagPolicy::Mirror,
            duplicates: Duplicates::CopyOne,
            subscribe: Subscribe::Mirror,
            unrecognised: Unrecognised::Append,
            ..Self::sync()
        }
    }

    /// What has to change on a target message; `None` if nothing. `sent` is what
    /// [`flags_to_send`] makes of the source's flags.
    ///
    /// Where messages are removed from the source, `\Deleted` does not follow to a copy that is there
    /// already: a run that was cut off between marking and expunging left it.
    #[must_use]
    pub fn flags_update(&self, sent: &FlagSet, target: &FlagSet) -> Option<FlagChange> {
        let mut change = flags_update(sent, target, self.flags, self.keywords)?;
        if self.source_deletion == SourceDeletion::Copied {
            change.add.retain(|flag| !flag.is_deleted());
        }
        (!change.add.is_empty() || !change.remove.is_empty()).then_some(change)
    }

    /// What pairing has to know of these rules.
    #[must_use]
    pub fn pair_rule(&self) -> PairRule {
        let question = match (self.target_duplicates, self.delete) {
            (TargetDuplicates::Delete, _) => TargetQuestion::ExtraAndDuplicates,
            (TargetDuplicates::Keep, DeleteRule::Nothing) => TargetQuestion::None,
            (TargetDuplicates::Keep, _) => TargetQuestion::Extra,
        };
        let (duplicates, sizes, agreement) = (self.duplicates, self.sizes, self.agreement);
        PairRule { duplicates, question, sizes, agreement }
    }
}

/// What happens to the flags of messages that are on the target already.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum FlagPolicy {
    /// They become those of the source.
    Mirror,
    /// Those of the source are added, none is removed.
    Add,
    /// Nothing: flags travel with new messages only.
    NewOnly,
}

/// Whether keywords travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Keywords {
    /// Like any flag.
    Carry,
    /// They are neither sent nor removed.
    Leave,
}

/// Which sizes (RFC822.SIZE in octets) are copied.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Sizes {
    /// The largest that the user wants.
    pub max: Option<u32>,
    /// The user wants only larger ones than this.
    pub above: Option<u32>,
    /// The largest that the target takes (APPENDLIMIT, RFC 7889).
    pub append_limit: Option<u32>,
}

impl Sizes {
    /// Why a message of this size is not copied; `None` if it is.
    #[must_use]
    pub fn refusal(&self, size: u32) -> Option<SkipReason> {
        if let Some(limit) = self.max.filter(|&max| size > max) {
            Some(SkipReason::TooBig { limit })
        } else if let Some(limit) = self.above.filter(|&above| size <= above) {
            Some(SkipReason::TooSmall { limit })
        } else {
            let limit = self.append_limit.filter(|&limit| size > limit)?;
            Some(SkipReason::OverAppendLimit { limit })
        }
    }
}

/// What is removed from the target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum DeleteRule {
    /// Nothing.
    Nothing,
    /// Messages that the source does not have, in the mailboxes that take part.
    Messages,
    /// Those, and mailboxes that the source does not have.
    MessagesAndMailboxes,
}

/// What is removed from the source.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum SourceDeletion {
    /// Nothing.
    #[default]
    Nothing,
    /// Messages that are on the target, each once its copy is proven (`--delete1`).
    Copied,
    /// Of these only those that are marked `\Deleted` on the source (`--expunge1`).
    Marked,
}

impl SourceDeletion {
    /// Whether a message with these flags is removed once its copy is proven.
    #[must_use]
    pub fn takes(self, flags: &FlagSet) -> bool {
        match self {
            Self::Nothing => false,
            Self::Copied => true,
            Self::Marked => flags.iter().any(Flag::is_deleted),
        }
    }
}

/// Which target messages may be removed where a selection narrows the copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum DeleteWithin {
    /// Any of the mailbox.
    Mailbox,
    /// Only those within the selection, as it was applied to the target.
    Selection,
}

/// How many of several messages of equal content are copied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Duplicates {
    /// All, n-th to n-th.
    CopyAll,
    /// The first.
    CopyOne,
}

/// What happens to surplus messages of equal content on the target (`--delete2duplicates`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum TargetDuplicates {
    /// They stay, unless [`DeleteRule`] removes them as more than the source has.
    Keep,
    /// They are removed; the one with the lowest UID stays. Not where several source
    /// mailboxes feed the target mailbox.
    Delete,
}

/// What is subscribed on the target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Subscribe {
    /// Of the mailboxes that take part, those that are subscribed on the source.
    Mirror,
    /// What is subscribed on the source, be there such a mailbox or not.
    Account,
    /// The same and nothing else: what the source does not subscribe is given up.
    Exact,
    /// Every mailbox that takes part.
    All,
    /// Nothing.
    None,
}

impl Subscribe {
    /// The same of mailboxes that take part alone.
    #[must_use]
    pub fn of_mailboxes(self) -> Self {
        match self {
            Self::Account | Self::Exact => Self::Mirror,
            Self::Mirror | Self::All | Self::None => self,
        }
    }
}

/// What happens to a message that is in another mailbox of the target (restore).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Elsewhere {
    /// It is copied nevertheless.
    Copy,
    /// It was moved by its owner, and is left where it is.
    Skip,
    /// It is left out where an earlier mailbox of the plan has it, or will have it
    /// (`--skipcrossduplicates`).
    SkipEarlier,
}

/// What happens where a target mailbox holds at least 20 messages of which none is recognised.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Unrecognised {
    /// Nothing is appended: the target may rewrite what it stores, and would take everything
    /// again in every run.
    Refuse,
    /// Messages are appended (`--append-unrecognised`).
    Append,
}

/// What happens to flags that a target mailbox says it does not keep.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum UnkeptFlags {
    /// They are left out.
    #[default]
    LeaveOut,
    /// They are sent all the same (`--nofilterflags`): a server may keep more than it says.
    Send,
}

/// The flags that a target mailbox keeps (RFC 9051 §7.1, PERMANENTFLAGS).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum PermanentFlags {
    /// Not known. What EXAMINE says does not count: Dovecot answers `()`.
    #[default]
    Unknown,
    /// Any: the list holds `\*`.
    Any,
    /// These only.
    Only(FlagSet),
}

/// Rewrites flags on their way to the target (imapsync's `--regexflag` and the like). It is
/// applied to the source's listing, before anything is compared with the target.
pub trait FlagRewrite {
    /// The flags that count instead; where it comes to no result, the same.
    fn rewrite(&self, flags: &FlagSet) -> FlagSet;
}

/// The flags as they are sent to the target: those it would not keep are left out, so that
/// they are not asked for in every run.
#[must_use]
pub fn flags_to_send(source: &FlagSet, permanent: &PermanentFlags, keywords: Keywords) -> FlagSet {
    let travels = |flag: &&Flag| {
        let kept = match permanent {
            PermanentFlags::Unknown | PermanentFlags::Any => true,
            PermanentFlags::Only(flags) => flags.contains(flag),
        };
        kept && (keywords == Keywords::Carry || !flag.is_keyword())
    };
    source.iter().filter(travels).cloned().collect()
}

/// Flags to be added to and removed from one target message.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct FlagChange {
    /// To be added.
    pub add: Vec<Flag>,
    /// To be removed.
    pub remove: Vec<Flag>,
}

/// What has to change on a target message; `None` if nothing. `sent` is what
/// [`flags_to_send`] makes of the source's flags. [`FlagPolicy::Add`] never removes, and
/// [`Keywords::Leave`] keeps its hands off the target's keywords.
#[must_use]
pub fn flags_update(
    sent: &FlagSet,
    target: &FlagSet,
    policy: FlagPolicy,
    keywords: Keywords,
) -> Option<FlagChange> {
    if policy == FlagPolicy::NewOnly || sent == target {
        return None;
    }
    let missing = |from: &FlagSet, to: &FlagSet| -> Vec<Flag> {
        from.iter()
            .filter(|flag| !to.contains(flag))
            .filter(|flag| keywords == Keywords::Carry || !flag.is_keyword())
            .cloned()
            .collect()
    };
    let add = missing(sent, target);
    let remove = if policy == FlagPolicy::Mirror { missing(target, sent) } else { Vec::new() };
    (!add.is_empty() || !remove.is_empty()).then_some(FlagChange { add, remove })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(text: &str) -> FlagSet {
        text.split_whitespace().map(|flag| Flag::new(flag.as_bytes())).collect()
    }

    fn change(add: &str, remove: &str) -> Option<FlagChange> {
        let list = |text: &str| set(text).iter().cloned().collect();
        Some(FlagChange { add: list(add), remove: list(remove) })
    }

    /// U28 and U30 of the unit catalogue.
    #[test]
    fn flags_are_sent_as_far_as_the_target_keeps_them() {
        let send = |source: &str, permanent: PermanentFlags| {
            flags_to_send(&set(source), &permanent, Keywords::Carry)
        };
        assert_eq!(send("\\Recent", PermanentFlags::Unknown), set(""));
        assert_eq!(send("\\Deleted \\Recent \\Seen", PermanentFlags::Any), set("\\Deleted \\Seen"));
        let only = PermanentFlags::Only(set("\\Seen \\Junk"));
        assert_eq!(send("\\Seen \\Blabla", only.clone()), set("\\Seen"));
        assert_eq!(send("\\SEEN \\JUNK", only), set("\\Seen \\Junk"));
        let without = flags_to_send(&set("\\Seen $x"), &PermanentFlags::Any, Keywords::Leave);
        assert_eq!(without, set("\\Seen"));
    }

    #[test]
    fn mirror_removes_add_only_adds_and_new_only_leaves_alone() {
        let (source, target) = (set("\\Seen a"), set("\\Flagged A b"));
        let update = |policy| flags_update(&source, &target, policy, Keywords::Carry);
        assert_eq!(update(FlagPolicy::Mirror), change("\\Seen", "\\Flagged b"));
        assert_eq!(update(FlagPolicy::Add), change("\\Seen", ""));
        assert_eq!(update(FlagPolicy::NewOnly), None);
    }

    #[test]
    fn a_mark_left_by_a_move_that_was_cut_off_does_not_follow_to_the_copy() {
        let (marked, unmarked) = (set("\\Seen \\Deleted"), set("\\Seen"));
        let moving = Rules { source_deletion: SourceDeletion::Copied, ..Rules::imapsync() };
        assert_eq!(moving.flags_update(&marked, &unmarked), None);
        assert_eq!(moving.flags_update(&marked, &set("")), change("\\Seen", ""));
        assert_eq!(moving.flags_update(&unmarked, &marked), change("", "\\Deleted"));
        assert_eq!(Rules::imapsync().flags_update(&marked, &unmarked), change("\\Deleted", ""));
    }

    #[test]
    fn keywords_that_do_not_travel_are_not_removed_either() {
        let update =
            flags_update(&set("\\Seen"), &set("\\Flagged b"), FlagPolicy::Mirror, Keywords::Leave);
        assert_eq!(update, change("\\Seen", "\\Flagged"));
    }

    #[test]
    fn equal_flags_need_no_update_whatever_their_case() {
        let update =
            flags_update(&set("\\seen A"), &set("a \\SEEN"), FlagPolicy::Mirror, Keywords::Carry);
        assert_eq!(update, None);
    }

    /// U69 of the unit catalogue: of two limits the smaller one counts.
    #[test]
    fn the_smaller_limit_of_size_counts() {
        let largest = |max, append_limit| {
            let sizes = Sizes { max, above: None, append_limit };
            [123_456, 654_321].into_iter().filter(|&size| sizes.refusal(size).is_none()).max()
        };
        assert_eq!(largest(Some(123_456), None), Some(123_456));
        assert_eq!(largest(None, Some(654_321)), Some(654_321));
        assert_eq!(largest(Some(654_321), Some(123_456)), Some(123_456));
        assert_eq!(largest(Some(123_456), Some(654_321)), Some(123_456));
    }

    #[test]
    fn a_size_is_refused_for_the_first_reason_that_holds() {
        let sizes = Sizes { max: Some(10), above: Some(2), append_limit: Some(8) };
        assert_eq!(sizes.refusal(11), Some(SkipReason::TooBig { limit: 10 }));
        assert_eq!(sizes.refusal(10), Some(SkipReason::OverAppendLimit { limit: 8 }));
        assert_eq!(sizes.refusal(8), None);
        assert_eq!(sizes.refusal(3), None);
        assert_eq!(sizes.refusal(2), Some(SkipReason::TooSmall { limit: 2 }));
        assert_eq!(Sizes::default().refusal(u32::MAX), None);
    }
}

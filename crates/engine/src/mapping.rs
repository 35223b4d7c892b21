//! What a mailbox of the source is called on the target.
//!
//! The steps are those of imapsync, over octets: an explicit mapping or one by special use
//! ends the matter; else the source's subtree is taken off, prefix and delimiter of one server
//! give way to those of the other, the target's subtree is put in front, and a last rewriting
//! has its say. The source name comes in canonical modified UTF-7; the caller sees to that.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use serde::Serialize;

use crate::listing::{AccountListing, MailboxInfo};
use crate::name::{MailboxName, RuleFailed, SpecialUse};
use crate::separator;
pub use crate::separator::{guess_delimiter, guess_prefix};
use crate::special_use::SpecialMailboxes;

/// The last rewriting of a target name (imapsync's `--regextrans2`).
pub trait NameRewrite {
    /// The name to be used instead.
    ///
    /// # Errors
    /// The rewriting came to no result.
    fn rewrite(&self, name: &[u8]) -> Result<Vec<u8>, RuleFailed>;
}

/// The rules of mapping.
#[derive(Clone, Default)]
pub struct MappingRules<'a> {
    /// Source name and whole target name (`--f1f2`). Of several for one source, the last.
    pub explicit: Vec<(MailboxName, MailboxName)>,
    /// Whether special use decides before names do.
    pub special_use: SpecialUseMapping,
    /// Prefix and delimiter of the source's names.
    pub source: Hierarchy,
    /// Prefix and delimiter of the target's names.
    pub target: Hierarchy,
    /// Only this subtree of the source is copied, and what is in it comes to the top. A
    /// trailing delimiter is allowed, the source's prefix too.
    pub source_subtree: Option<Box<[u8]>>,
    /// Everything comes below this mailbox of the target, which is given without the target's
    /// prefix or with it.
    pub target_subtree: Option<Box<[u8]>>,
    /// Whether slashes that are no delimiter on the target become `_`.
    pub fix_slash: FixSlash,
    /// The last word.
    pub rewrite: Option<&'a dyn NameRewrite>,
}

/// Prefix and delimiter of an account's mailbox names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hierarchy {
    /// `INBOX.`, mostly empty; with the delimiter.
    pub prefix: Box<[u8]>,
    /// `None` where the server has no hierarchy.
    pub delimiter: Option<u8>,
}

impl From<&AccountListing> for Hierarchy {
    fn from(account: &AccountListing) -> Self {
        Self { prefix: account.prefix.clone(), delimiter: account.delimiter }
    }
}

/// Whether special use decides before names do (`--automap`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SpecialUseMapping {
    /// It does. Not together with a subtree: names in another place tell nothing.
    On,
    /// Only names count.
    #[default]
    Off,
}

/// Whether slashes that are no delimiter on the target become `_` (`--fixslash2`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FixSlash {
    /// They do: many servers refuse them.
    #[default]
    On,
    /// They stay.
    Off,
}

/// How a target name came about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum How {
    /// The user said so.
    Explicit,
    /// Both mailboxes are for the same.
    SpecialUse(SpecialUse),
    /// By its name on the source.
    ByName,
}

/// What is odd about a target name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Doubt {
    /// A level of the hierarchy is empty; many servers refuse such a name.
    EmptyLevel,
    /// Another source mailbox gets the same name, and nobody said that they be joined.
    JoinedByName {
        /// The first mailbox with this name.
        with: MailboxName,
    },
    /// Another target name differs only in case; on some servers that is the same mailbox.
    CaseTwin {
        /// The other name.
        of: MailboxName,
    },
}

/// What one source mailbox is called on the target.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Mapping {
    /// Its name on the source.
    pub source: MailboxName,
    /// Its name on the target.
    pub target: MailboxName,
    /// How that came about.
    pub how: How,
    /// The special use to create it with: the source shows it, and no mailbox on the target
    /// has it.
    pub create_as: Option<SpecialUse>,
    /// What the plan should point out.
    pub doubts: Vec<Doubt>,
}

/// Maps mailboxes of the source, in their order. To know what must not be deleted, map all of
/// them, those that take no part as well.
///
/// # Errors
/// The rewriting came to no result.
pub fn map_mailboxes<'a>(
    mailboxes: impl IntoIterator<Item = &'a MailboxInfo>,
    source: &AccountListing,
    target: &AccountListing,
    rules: &MappingRules<'_>,
) -> Result<Vec<Mapping>, RuleFailed> {
    let here = SpecialMailboxes::find(source, &rules.source.prefix);
    let there = SpecialMailboxes::find(target, &rules.target.prefix);
    let mapped = mailboxes.into_iter().map(|mailbox| rules.map(mailbox, &here, &there));
    let mut mappings: Vec<Mapping> = mapped.collect::<Result<_, _>>()?;
    point_out_twins(&mut mappings);
    Ok(mappings)
}

/// The source mailboxes, by index, that feed each target mailbox, in the order of the first.
#[must_use]
pub fn group_by_target(mappings: &[Mapping]) -> Vec<(MailboxName, Vec<usize>)> {
    let mut groups: Vec<(MailboxName, Vec<usize>)> = Vec::new();
    let mut known: BTreeMap<&MailboxName, usize> = BTreeMap::new();
    for (at, mapping) in mappings.iter().enumerate() {
        let group = *known.entry(&mapping.target).or_insert_with(|| {
            groups.push((mapping.target.clone(), Vec::new()));
            groups.len() - 1
        });
        groups[group].1.push(at);
    }
    groups
}

impl MappingRules<'_> {
    /// The target name of a source name by name alone: no explicit mapping, no special use.
    ///
    /// # Errors
    /// The rewriting came to no result.
    pub fn map_name(&self, source: &[u8]) -> Result<MailboxName, RuleFailed> {
        let inner = self.take_off_subtree(source);
        let name = if inner.is_empty() || *inner == *self.source.prefix {
            MailboxName::INBOX.to_vec()
        } else {
            self.change_hierarchy(&inner)
        };
        let name = self.put_below_subtree(name);
        let name = match self.rewrite {
            Some(hook) => self.spell_inbox(hook.rewrite(&name)?),
            None => name,
        };
        Ok(MailboxName::new(name))
    }

    /// A rewriting may have changed the case of the prefix `INBOX.`: servers take `inbox.a` for
    /// `INBOX.a` and list it so (Dovecot), or refuse it.
    fn spell_inbox(&self, mut name: Vec<u8>) -> Vec<u8> {
        let prefix = &*self.target.prefix;
        let below_inbox = prefix
            .split_last()
            .is_some_and(|(_, inbox)| inbox.eq_ignore_ascii_case(MailboxName::INBOX));
        if below_inbox
            && let Some(start) = name.get_mut(..prefix.len())
            && start.eq_ignore_ascii_case(prefix)
        {
            start.copy_from_slice(prefix);
        }
        name
    }

    fn map(
        &self,
        mailbox: &MailboxInfo,
        here: &SpecialMailboxes,
        there: &SpecialMailboxes,
    ) -> Result<Mapping, RuleFailed> {
        let explicit = self.explicit.iter().rev().find(|(source, _)| *source == mailbox.name);
        let (target, how) = if let Some((_, target)) = explicit {
            (target.clone(), How::Explicit)
        } else if let Some((use_, target)) = self.by_special_use(mailbox, here, there) {
            (target, How::SpecialUse(use_))
        } else {
            (self.map_name(mailbox.name.as_bytes())?, How::ByName)
        };
        let shown = mailbox.special_use.filter(|_| how == How::ByName);
        let create_as = shown.filter(|use_| {
            here.use_of(mailbox) == Some(*use_) && there.mailbox_for(*use_).is_none()
        });
        let odd = has_empty_level(target.as_bytes(), self.target.delimiter);
        let doubts = if odd { vec![Doubt::EmptyLevel] } else { Vec::new() };
        Ok(Mapping { source: mailbox.name.clone(), target, how, create_as, doubts })
    }

    fn by_special_use(
        &self,
        mailbox: &MailboxInfo,
        here: &SpecialMailboxes,
        there: &SpecialMailboxes,
    ) -> Option<(SpecialUse, MailboxName)> {
        let whole = self.source_subtree.is_none() && self.target_subtree.is_none();
        if self.special_use == SpecialUseMapping::Off || !whole || mailbox.name.is_inbox() {
            return None;
        }
        let use_ = here.use_of(mailbox)?;
        Some((use_, there.mailbox_for(use_)?.clone()))
    }

    /// `S/a` becomes `a`, `prefix.S.a` becomes `prefix.a`; other names stay.
    fn take_off_subtree(&self, name: &[u8]) -> Vec<u8> {
        let Some(subtree) = &self.source_subtree else { return name.to_vec() };
        let delimiter = self.source.delimiter;
        let subtree = match (subtree.split_last(), delimiter) {
            (Some((last, rest)), Some(delimiter)) if *last == delimiter => rest,
            _ => subtree,
        };
        let take_off = |octets: &[u8]| match (octets.strip_prefix(subtree)?, delimiter) {
            ([], _) => Some(Vec::new()),
            ([first, rest @ ..], Some(delimiter)) if *first == delimiter => Some(rest.to_vec()),
            _ => None,
        };
        let prefix = &*self.source.prefix;
        take_off(name)
            .or_else(|| Some([prefix, &take_off(name.strip_prefix(prefix)?)?].concat()))
            .unwrap_or_else(|| name.to_vec())
    }

    /// Takes off the source's prefix, changes the delimiters, puts the target's prefix in
    /// front of everything but INBOX.
    fn change_hierarchy(&self, name: &[u8]) -> Vec<u8> {
        let (from, to) = (self.source.delimiter, self.target.delimiter);
        let bare = name.strip_prefix(&*self.source.prefix).unwrap_or(name);
        let carried = separator::swap(bare, from, to, self.fix_slash);
        if carried.eq_ignore_ascii_case(MailboxName::INBOX) {
            carried
        } else {
            [&*self.target.prefix, &carried].concat()
        }
    }

    fn put_below_subtree(&self, name: Vec<u8>) -> Vec<u8> {
        let Some(subtree) = &self.target_subtree else { return name };
        let prefix = &*self.target.prefix;
        let bare = name.strip_prefix(prefix).unwrap_or(&name);
        let subtree = subtree.strip_prefix(prefix).unwrap_or(subtree);
        let delimiter: &[u8] = match &self.target.delimiter {
            Some(delimiter) => std::slice::from_ref(delimiter),
            None => b"_",
        };
        [prefix, subtree, delimiter, bare].concat()
    }
}

/// Points out names that meet by accident.
fn point_out_twins(mappings: &mut [Mapping]) {
    let mut first_of: BTreeMap<MailboxName, usize> = BTreeMap::new();
    let mut folded: BTreeMap<Vec<u8>, MailboxName> = BTreeMap::new();
    for at in 0..mappings.len() {
        let target = mappings[at].target.clone();
        if let Some(&first) = first_of.get(&target) {
            // An explicit mapping and one by special use mean to join.
            if mappings[at].how == How::ByName {
                let with = mappings[first].source.clone();
                mappings[at].doubts.push(Doubt::JoinedByName { with });
            }
            continue;
        }
        first_of.insert(target.clone(), at);
        let twin = folded.entry(target.as_bytes().to_ascii_lowercase()).or_insert(target.clone());
        if *twin != target {
            mappings[at].doubts.push(Doubt::CaseTwin { of: twin.clone() });
        }
    }
}

fn has_empty_level(name: &[u8], delimiter: Option<u8>) -> bool {
    match delimiter {
        Some(delimiter) => name.split(|octet| *octet == delimiter).any(<[u8]>::is_empty),
        None => name.is_empty(),
    }
}

/// Cleans the name of a subtree as imapsync does: only `-_A-Za-z0-9./` and blanks stay, none at
/// either end. `None` if nothing is left: the option is as good as not given.
#[must_use]
pub fn clean_subtree(name: &[u8]) -> Option<Box<[u8]>> {
    let stays = |octet: &u8| octet.is_ascii_alphanumeric() || b"-_./ ".contains(octet);
    let cleaned: Vec<u8> = name.iter().copied().filter(stays).collect();
    let trimmed = cleaned.trim_ascii();
    (!trimmed.is_empty()).then(|| trimmed.into())
}

/// Splits `a=b` at the first `=`; `a` alone is mapped to the empty name.
#[must_use]
pub fn split_explicit(text: &[u8]) -> (&[u8], &[u8]) {
    match memchr::memchr(b'=', text) {
        Some(at) => (&text[..at], &text[at + 1..]),
        None => (text, b""),
    }
}

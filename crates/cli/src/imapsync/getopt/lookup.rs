//! From what was typed to the option that is meant.

use crate::imapsync::getopt::{Sense, is_secret};
use crate::imapsync::options::{self, Declaration, Kind, Support};

/// Every name that may be typed, in lower case and in order.
pub(super) struct Lookup {
    names: Vec<(String, &'static Declaration, Sense)>,
}

/// What a typed name turned out to be.
pub(super) enum Found {
    One(&'static Declaration, Sense),
    Several(Vec<String>),
    None,
}

impl Lookup {
    pub(super) fn new() -> Self {
        let mut names = Vec::new();
        for declaration in options::every() {
            if declaration.support == Support::WebFormOnly {
                continue;
            }
            for name in std::iter::once(&declaration.name).chain(declaration.aliases) {
                let name = name.to_ascii_lowercase();
                if matches!(declaration.kind, Kind::Switch(_)) {
                    names.push((format!("no{name}"), declaration, Sense::No));
                    names.push((format!("no-{name}"), declaration, Sense::No));
                }
                names.push((name, declaration, Sense::Yes));
            }
        }
        names.sort_by(|one, other| one.0.cmp(&other.0));
        Self { names }
    }

    /// An exact name wins; else whatever starts so, if it is all one option in one sense.
    pub(super) fn find(&self, typed: &str) -> Found {
        let typed = typed.to_ascii_lowercase();
        let start = self.names.partition_point(|(name, ..)| *name < typed);
        let candidates: Vec<_> = self
            .names
            .get(start..)
            .unwrap_or_default()
            .iter()
            .take_while(|(name, ..)| name.starts_with(&typed))
            .collect();
        let Some((name, declaration, sense)) = candidates.first() else {
            return Found::None;
        };
        let agreed = candidates
            .iter()
            .all(|(_, other, other_sense)| other.name == declaration.name && other_sense == sense);
        if typed.is_empty() {
            Found::None
        } else if *name == typed || agreed {
            Found::One(declaration, *sense)
        } else {
            Found::Several(candidates.iter().map(|(name, ..)| name.clone()).collect())
        }
    }
}

/// An unknown name as it may be shown: `--password1secret` must not give `secret` away.
pub(super) fn without_secret(typed: &str) -> String {
    let lower = typed.to_ascii_lowercase();
    let glued = options::every()
        .filter(|option| is_secret(option))
        .find(|option| lower.starts_with(option.name) && lower.len() > option.name.len());
    match glued {
        Some(option) => format!("{}…", option.name),
        None => typed.chars().map(|c| if c.is_control() { '?' } else { c }).collect(),
    }
}

//! Which keys a job may have. Those about accounts, rules and limits are the options of the verb that
//! the job runs, under their own names: what the command line declares is declared once.

use clap::{ArgAction, CommandFactory};

use super::super::options::Cli;

/// What a job does, in the words of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// `sync`: what is missing is copied.
    Transfer,
    /// `sync --delete`.
    Presync,
    /// `sync --mirror`: an exact backup.
    Backup,
    /// `restore`.
    Restore,
}

impl Kind {
    pub(super) const EVERY: [Self; 4] =
        [Self::Transfer, Self::Presync, Self::Backup, Self::Restore];

    /// Its name in the file.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Transfer => "transfer",
            Self::Presync => "presync",
            Self::Backup => "backup",
            Self::Restore => "restore",
        }
    }

    pub(super) fn parse(text: &str) -> Option<Self> {
        Self::EVERY.into_iter().find(|kind| kind.name() == text)
    }

    /// The verb that it runs.
    pub(super) fn verb(self) -> &'static str {
        if self == Self::Restore { "restore" } else { "sync" }
    }

    /// The options that the kind stands for.
    pub(super) fn options(self) -> &'static [&'static str] {
        match self {
            Self::Transfer => &[],
            Self::Presync => &["--delete"],
            Self::Backup => &["--mirror"],
            // Nobody is there to be asked.
            Self::Restore => &["--yes"],
        }
    }
}

/// What kind of value a key has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// `true` or `false`.
    Switch,
    /// A text or a number.
    Value,
    /// Several of them.
    List,
}

/// Keys of a job that are no options of its verb.
pub(super) const OWN: [(&str, Shape); 23] = [
    ("kind", Shape::Value),
    ("source", Shape::Value),
    ("target", Shape::Value),
    ("max_run_time", Shape::Value),
    ("shrink_max", Shape::Value),
    ("ping", Shape::Value),
    ("webhook", Shape::Value),
    ("command", Shape::Value),
    ("command_timeout", Shape::Value),
    ("mail", Shape::Value),
    ("mail_on", Shape::Value),
    ("mail_command", Shape::Value),
    ("metrics", Shape::Value),
    ("drill_into", Shape::Value),
    ("drill_mailbox_prefix", Shape::Value),
    ("drill_sample", Shape::Value),
    ("drill_max_age", Shape::Value),
    ("drill_password_command", Shape::Value),
    ("drill_password_file", Shape::Value),
    ("drill_password_env", Shape::Value),
    ("drill_token_command", Shape::Value),
    ("drill_token_file", Shape::Value),
    ("drill_pin", Shape::List),
];

/// Options that say how one run on a terminal is shown or agreed to, or what the kind says already.
const NO_KEYS: [&str; 11] = [
    "json", "quiet", "verbose", "trace", "save", "expect", "delete", "mirror", "yes", "help",
    "version",
];

/// An option of a verb as a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct OptionKey {
    /// The key: the option's name with `_` for `-`.
    pub(super) key: String,
    /// What its value is.
    pub(super) shape: Shape,
    /// By which clap knows it.
    pub(super) id: String,
}

/// The options that may stand in a job of this verb.
pub(super) fn option_keys(verb: &str) -> Vec<OptionKey> {
    let command = Cli::command();
    let Some(verb) = command.find_subcommand(verb) else { return Vec::new() };
    let named = verb.get_arguments().filter(|argument| !argument.is_hide_set());
    named
        .filter_map(|argument| {
            let name = argument.get_long().filter(|name| !NO_KEYS.contains(name))?;
            let shape = match argument.get_action() {
                ArgAction::SetTrue => Shape::Switch,
                ArgAction::Append => Shape::List,
                _ => Shape::Value,
            };
            let id = argument.get_id().to_string();
            Some(OptionKey { key: name.replace('-', "_"), shape, id })
        })
        .collect()
}

/// Whether the value of a key names a file.
pub(super) fn is_path(key: &str) -> bool {
    key == "metrics"
        || ["_file", "_client_cert", "_client_key", "_token_grant"]
            .iter()
            .any(|ending| key.ends_with(ending))
}

/// Whether a key asks for a secret itself.
pub(super) fn is_secret(key: &str) -> bool {
    let last = key.rsplit(['_', '-', '.']).next().unwrap_or(key);
    ["password", "passwd", "pass", "token", "secret", "passphrase"].contains(&last)
}

/// What may have been meant by a key that is not known: the nearest one, if it is near.
pub(super) fn nearest<'a>(key: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let key = key.replace('-', "_");
    let (distance, name) = known.map(|name| (distance(&key, name), name)).min()?;
    (distance <= key.len().max(3) / 3).then_some(name)
}

/// In how many letters two words differ (Levenshtein).
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (at, letter) in one.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = at + 1;
        for (there, &theirs) in other.iter().enumerate() {
            let change = diagonal + usize::from(letter != theirs);
            diagonal = row[there + 1];
            row[there + 1] = change.min(diagonal + 1).min(row[there] + 1);
        }
    }
    row[other.len()]
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn options_of_both_verbs_are_keys_with_their_shape() {
        let of = |verb: &str, key: &str| {
            option_keys(verb).into_iter().find(|option| option.key == key).map(|it| it.shape)
        };
        assert_eq!(of("sync", "max_delete"), Some(Shape::Value));
        assert_eq!(of("sync", "exclude"), Some(Shape::List));
        assert_eq!(of("sync", "subscribe_all"), Some(Shape::Switch));
        assert_eq!(of("restore", "even_if_elsewhere"), Some(Shape::Switch));
        for key in NO_KEYS {
            assert_eq!((of("sync", key), of("restore", key)), (None, None), "{key}");
        }
        for (own, _) in OWN {
            assert_eq!(of("sync", own), None, "{own} means two things");
        }
    }

    #[test]
    fn a_slip_of_the_pen_is_known() {
        let known = ["max_delete", "source", "ping"];
        assert_eq!(nearest("max-delet", known.into_iter()), Some("max_delete"));
        assert_eq!(nearest("pin", known.into_iter()), Some("ping"));
        assert_eq!(nearest("frequency", known.into_iter()), None);
    }

    #[test]
    fn keys_that_ask_for_a_secret_are_known_and_references_are_none() {
        for key in ["password", "source_password", "target-token", "passphrase"] {
            assert!(is_secret(key), "{key}");
        }
        for key in ["source_password_file", "target_token_command", "source_password_env"] {
            assert!(!is_secret(key), "{key}");
        }
    }
}

//! Reads a command line as Perl's Getopt::Long with its default settings does, for that is
//! what scripts around imapsync were written against.
//!
//! Names start with `--`, `-` or `+`, in any case, and may be cut short as long as one option
//! remains. A value follows `=` or is the next word, taken even if it looks like an option. An
//! empty value must be a word of its own. Words that belong to no option may stand anywhere,
//! but only empty ones are tolerated (GNU parallel adds such words).

mod lookup;
mod number;
mod word;

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};

use super::options::{DELETE1, Declaration, Kind};
use lookup::{Found, Lookup};
use word::split_at_equals;
pub use word::{octets, shown};

/// What one word of the command line is, for an echo that gives no secret away.
#[derive(Clone, PartialEq, Eq)]
pub enum Spoken {
    /// Nothing to hide.
    Plain(OsString),
    /// The value of a secret option, a word of its own.
    Secret(OsString),
    /// `--password1=value`: the part up to and with `=`, and the value.
    NameAndSecret(String, OsString),
}

/// The value of one option as it was given.
#[derive(Clone, PartialEq)]
enum Value {
    Switch(Sense),
    Int(i64),
    Float(f64),
    Text(OsString),
    List(Vec<OsString>),
    Pairs(Vec<(OsString, OsString)>),
}

/// Whether an option was asked for or denied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sense {
    /// `--X`
    Yes,
    /// `--noX`
    No,
}

/// A command line that was understood. It holds secrets, so it has no `Debug`.
#[derive(Clone)]
pub struct Parsed {
    values: BTreeMap<&'static str, Value>,
    spoken: Vec<Spoken>,
}

/// Why a command line was not understood; each is exit status 64 before anything is done.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UsageError {
    /// No option has that name, nor starts so.
    #[error("unknown option `{0}`")]
    Unknown(String),
    /// Several options start so.
    #[error("option `{option}` is ambiguous ({})", candidates.join(", "))]
    Ambiguous {
        /// The option as typed.
        option: String,
        /// The names that start so.
        candidates: Vec<String>,
    },
    /// The command line ended, or `=` was followed by nothing.
    #[error("option `{0}` needs a value")]
    MissingValue(String),
    /// A value without `=` where `key=value` is wanted.
    #[error("option `{0}` needs a value of the form KEY=VALUE")]
    MissingPair(String),
    /// Not a whole number, or too large to be held in 64 bits.
    #[error("option `{option}` needs a whole number, not `{value}`")]
    NotAnInt {
        /// The option as typed.
        option: String,
        /// What stands in place of a number.
        value: String,
    },
    /// Not a number.
    #[error("option `{option}` needs a number, not `{value}`")]
    NotAFloat {
        /// The option as typed.
        option: String,
        /// What stands in place of a number.
        value: String,
    },
    /// `=value` behind an option that takes none.
    #[error("option `{0}` takes no value")]
    NeedlessValue(String),
    /// A `+` alone.
    #[error("a `+` without an option's name")]
    NamelessOption,
    /// A word that belongs to no option. The word itself may be the rest of a password that
    /// was not quoted, so it is told by its place, counted from 1.
    #[error("word {place} of the command line belongs to no option")]
    StrayWord {
        /// Place on the command line, the first word after the program's name being 1.
        place: usize,
    },
    /// `--delete 2`, which would delete on host1 what was to be deleted on host2.
    #[error("`--delete 2` is not `--delete2`")]
    DeleteThenTwo,
}

impl UsageError {
    /// What helps, where something can be said.
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Unknown(_) | Self::NamelessOption => Some("`--help` lists the options"),
            Self::Ambiguous { .. } => Some("write the option's name in full"),
            Self::MissingValue(_) => {
                Some("an empty value is a word of its own, as in `--prefix2 \"\"`")
            }
            Self::StrayWord { .. } => Some("put values that hold blanks into quotes"),
            Self::DeleteThenTwo => Some(
                "`--delete` deletes on host1; for deletions on host2 write `--delete2` without \
                 the blank",
            ),
            Self::MissingPair(_)
            | Self::NotAnInt { .. }
            | Self::NotAFloat { .. }
            | Self::NeedlessValue(_) => None,
        }
    }
}

/// Everything that is wrong with a command line, in its order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UsageErrors(pub Vec<UsageError>);

impl std::error::Error for UsageErrors {}

impl std::fmt::Display for UsageErrors {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut hints = Vec::new();
        for error in &self.0 {
            writeln!(f, "error: {error}")?;
            hints.extend(error.hint().filter(|hint| !hints.contains(hint)));
        }
        for hint in hints {
            write!(f, "\nhint: {hint}")?;
        }
        Ok(())
    }
}

/// Reads the words after the program's name.
///
/// # Errors
/// Everything that is wrong with them; the caller ends with exit status 64 and, like imapsync,
/// without the line `Exiting with return value`.
pub fn parse(words: impl IntoIterator<Item = OsString>) -> Result<Parsed, UsageErrors> {
    let mut reader = Reader {
        words: words.into_iter().collect(),
        next: 0,
        lookup: Lookup::new(),
        parsed: Parsed { values: BTreeMap::new(), spoken: Vec::new() },
        errors: Vec::new(),
    };
    reader.read();
    if reader.errors.is_empty() { Ok(reader.parsed) } else { Err(UsageErrors(reader.errors)) }
}

impl Parsed {
    /// Whether there was no word at all, which is a call for help.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.spoken.is_empty()
    }

    /// The words as they were typed, secrets told apart.
    #[must_use]
    pub fn spoken(&self) -> &[Spoken] {
        &self.spoken
    }

    /// Whether the option was given in any form.
    #[must_use]
    pub fn has(&self, option: &Declaration) -> bool {
        self.values.contains_key(option.name)
    }

    /// What was last said of a flag; nothing if it was not mentioned.
    #[must_use]
    pub fn switch(&self, option: &Declaration) -> Option<bool> {
        match self.values.get(option.name)? {
            Value::Switch(sense) => Some(*sense == Sense::Yes),
            _ => None,
        }
    }

    /// The last value of an option of kind `Int`.
    #[must_use]
    pub fn int(&self, option: &Declaration) -> Option<i64> {
        match self.values.get(option.name)? {
            Value::Int(number) => Some(*number),
            _ => None,
        }
    }

    /// The last value of an option of kind `Float`; always finite.
    #[must_use]
    pub fn float(&self, option: &Declaration) -> Option<f64> {
        match self.values.get(option.name)? {
            Value::Float(number) => Some(*number),
            _ => None,
        }
    }

    /// The last value of an option of kind `Text`.
    #[must_use]
    pub fn text(&self, option: &Declaration) -> Option<&OsStr> {
        match self.values.get(option.name)? {
            Value::Text(word) => Some(word),
            _ => None,
        }
    }

    /// All values of an option of kind `List`, in order.
    #[must_use]
    pub fn list(&self, option: &Declaration) -> &[OsString] {
        match self.values.get(option.name) {
            Some(Value::List(words)) => words,
            _ => &[],
        }
    }

    /// All pairs of an option of kind `Pairs`, in order; of equal keys the last one counts.
    #[must_use]
    pub fn pairs(&self, option: &Declaration) -> &[(OsString, OsString)] {
        match self.values.get(option.name) {
            Some(Value::Pairs(pairs)) => pairs,
            _ => &[],
        }
    }
}

/// Whether the value of an option must not be shown.
#[must_use]
pub fn is_secret(option: &Declaration) -> bool {
    use super::options as o;
    [
        o::PASSWORD1,
        o::PASSWORD2,
        o::OAUTHACCESSTOKEN1,
        o::OAUTHACCESSTOKEN2,
        o::OAUTHDIRECT1,
        o::OAUTHDIRECT2,
    ]
    .iter()
    .any(|secret| secret.name == option.name)
}

struct Reader {
    words: Vec<OsString>,
    next: usize,
    lookup: Lookup,
    parsed: Parsed,
    errors: Vec<UsageError>,
}

impl Reader {
    fn read(&mut self) {
        while let Some(word) = self.take() {
            if word == "--" {
                self.parsed.spoken.push(Spoken::Plain(word));
                break;
            }
            match without_starter(&word) {
                Some(option) => {
                    if let Err(error) = self.read_option(&word, &option) {
                        self.errors.push(error);
                    }
                }
                None => self.read_stray(word),
            }
        }
        while let Some(word) = self.take() {
            self.read_stray(word);
        }
    }

    fn take(&mut self) -> Option<OsString> {
        let word = self.words.get(self.next)?.clone();
        self.next += 1;
        Some(word)
    }

    fn read_stray(&mut self, word: OsString) {
        if !word.is_empty() {
            self.errors.push(UsageError::StrayWord { place: self.next });
        }
        self.parsed.spoken.push(Spoken::Plain(word));
    }

    fn read_option(&mut self, word: &OsStr, option: &OsStr) -> Result<(), UsageError> {
        let (typed, attached) = split_at_equals(option);
        if typed.is_empty() && attached.is_none() {
            return Err(UsageError::NamelessOption);
        }
        let (declaration, sense) = match self.lookup.find(&typed) {
            Found::One(declaration, sense) => (declaration, sense),
            Found::Several(candidates) => {
                return Err(UsageError::Ambiguous { option: typed, candidates });
            }
            Found::None => return Err(UsageError::Unknown(lookup::without_secret(&typed))),
        };
        if declaration.name == DELETE1.name
            && typed.eq_ignore_ascii_case("delete")
            && self.words.get(self.next).is_some_and(|next| octets(next).starts_with(b"2"))
        {
            self.next += 1;
            return Err(UsageError::DeleteThenTwo);
        }
        if matches!(declaration.kind, Kind::Flag | Kind::Switch(_)) {
            if attached.is_some() {
                return Err(UsageError::NeedlessValue(typed));
            }
            self.parsed.values.insert(declaration.name, Value::Switch(sense));
            self.parsed.spoken.push(Spoken::Plain(word.to_owned()));
            return Ok(());
        }
        let value = match attached {
            Some(value) if value.is_empty() => return Err(UsageError::MissingValue(typed)),
            Some(value) => {
                self.parsed.spoken.push(attached_word(word, declaration, &value));
                value
            }
            None => {
                let Some(value) = self.take() else {
                    return Err(UsageError::MissingValue(typed));
                };
                self.parsed.spoken.push(Spoken::Plain(word.to_owned()));
                self.parsed.spoken.push(separate_word(declaration, &value));
                value
            }
        };
        self.keep(declaration, typed, value)
    }

    fn keep(
        &mut self,
        declaration: &'static Declaration,
        option: String,
        value: OsString,
    ) -> Result<(), UsageError> {
        let values = &mut self.parsed.values;
        match declaration.kind {
            Kind::Int(_) => {
                let number = number::int(&octets(&value))
                    .ok_or_else(|| UsageError::NotAnInt { option, value: shown(&value) })?;
                values.insert(declaration.name, Value::Int(number));
            }
            Kind::Float(_) => {
                let number = number::float(&octets(&value))
                    .ok_or_else(|| UsageError::NotAFloat { option, value: shown(&value) })?;
                values.insert(declaration.name, Value::Float(number));
            }
            Kind::List(_) => {
                let list = values.entry(declaration.name).or_insert(Value::List(Vec::new()));
                if let Value::List(words) = list {
                    words.push(value);
                }
            }
            Kind::Pairs(_) => {
                let pair = word::pair(&value).ok_or(UsageError::MissingPair(option))?;
                let pairs = values.entry(declaration.name).or_insert(Value::Pairs(Vec::new()));
                if let Value::Pairs(pairs) = pairs {
                    pairs.push(pair);
                }
            }
            Kind::Text(_) | Kind::Flag | Kind::Switch(_) => {
                values.insert(declaration.name, Value::Text(value));
            }
        }
        Ok(())
    }
}

/// What follows the starter of an option; nothing for other words. A `-` alone is no option.
fn without_starter(word: &OsStr) -> Option<OsString> {
    let octets = word.as_encoded_bytes();
    let starter = match octets {
        [b'-'] => return None,
        [b'-', b'-', ..] => 2,
        [b'-' | b'+', ..] => 1,
        _ => return None,
    };
    Some(word::behind(word, starter))
}

fn attached_word(word: &OsStr, declaration: &Declaration, value: &OsStr) -> Spoken {
    if !is_secret(declaration) {
        return Spoken::Plain(word.to_owned());
    }
    let all = word.to_string_lossy();
    let name = all.split('=').next().unwrap_or_default();
    Spoken::NameAndSecret(format!("{name}="), value.to_owned())
}

fn separate_word(declaration: &Declaration, value: &OsStr) -> Spoken {
    if is_secret(declaration) {
        Spoken::Secret(value.to_owned())
    } else {
        Spoken::Plain(value.to_owned())
    }
}

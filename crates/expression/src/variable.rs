//! The values of the few variables that expressions may name.

use std::collections::BTreeMap;

use crate::error::shown;

/// What `$sync->{key}` and `$mysync->{key}` stand for: imapsync's own settings, which expressions
/// may name. Any other variable is refused.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Variables(BTreeMap<Vec<u8>, Vec<u8>>);

/// The hashes that hold imapsync's settings.
const HASHES: [&[u8]; 2] = [b"sync", b"mysync"];

impl Variables {
    /// The same with one more value.
    #[must_use]
    pub fn with(mut self, key: &str, value: &[u8]) -> Self {
        self.0.insert(key.as_bytes().to_vec(), value.to_vec());
        self
    }

    /// Reads `sync->{ key }`; the value and how many octets were read, or nothing if this is no
    /// known variable.
    pub(crate) fn read(&self, text: &[u8]) -> Option<(&[u8], usize)> {
        let hash = HASHES
            .into_iter()
            .find(|hash| text.strip_prefix(*hash).is_some_and(|rest| rest.starts_with(b"->{")))?;
        let begin = hash.len() + 3;
        let end = begin + text[begin..].iter().position(|octet| *octet == b'}')?;
        let key = text[begin..end].trim_ascii();
        let quoted = |quote: &[u8]| key.strip_prefix(quote)?.strip_suffix(quote);
        let key = quoted(b"'").or_else(|| quoted(b"\"")).unwrap_or(key);
        self.0.get(key).map(|value| (value.as_slice(), end + 1))
    }
}

/// What follows a `$` or `@`, as far as it is a name, for telling the user.
pub(crate) fn name_at(text: &[u8], at: usize) -> String {
    let rest = &text[at + 1..];
    let word = rest
        .iter()
        .take_while(|octet| octet.is_ascii_alphanumeric() || **octet == b'_' || **octet == b':')
        .count();
    let end = if word > 0 { word } else { rest.len().min(1) };
    shown(&text[at..at + 1 + end])
}

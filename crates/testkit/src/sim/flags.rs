//! Flags and keywords of a message.

const SYSTEM: [&str; 5] = ["\\Answered", "\\Deleted", "\\Draft", "\\Flagged", "\\Seen"];

/// A set of flags and keywords: in order, each once whatever its case (RFC 9051 §2.3.2),
/// never `\Recent`, which belongs to a session.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Flags(Vec<String>);

impl Flags {
    /// The five system flags that a client may set (RFC 3501 §2.3.2).
    pub(super) const SYSTEM: [&'static str; 5] = SYSTEM;

    /// Adds a flag; a system flag gets the case of the RFC. Returns whether it was new.
    pub fn insert(&mut self, flag: &str) -> bool {
        if flag.eq_ignore_ascii_case("\\Recent") {
            return false;
        }
        let flag =
            SYSTEM.into_iter().find(|known| known.eq_ignore_ascii_case(flag)).unwrap_or(flag);
        match self.find(flag) {
            Ok(_) => false,
            Err(place) => {
                self.0.insert(place, flag.to_owned());
                true
            }
        }
    }

    /// Takes a flag out. Returns whether it was there.
    pub fn remove(&mut self, flag: &str) -> bool {
        match self.find(flag) {
            Ok(place) => {
                self.0.remove(place);
                true
            }
            Err(_) => false,
        }
    }

    /// Whether the flag is set, in any case.
    #[must_use]
    pub fn contains(&self, flag: &str) -> bool {
        self.find(flag).is_ok()
    }

    /// The flags in order.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    /// The keywords alone: what does not begin with `\`.
    pub fn keywords(&self) -> impl Iterator<Item = &str> {
        self.iter().filter(|flag| !flag.starts_with('\\'))
    }

    /// Leaves the system flags and these keywords only.
    pub(super) fn drop_keywords_but(&mut self, named: &[&str]) {
        let is_named = |flag: &str| named.iter().any(|name| name.eq_ignore_ascii_case(flag));
        self.0.retain(|flag| flag.starts_with('\\') || is_named(flag));
    }

    fn find(&self, flag: &str) -> Result<usize, usize> {
        let folded = |text: &str| text.bytes().map(|b| b.to_ascii_lowercase()).collect::<Vec<_>>();
        let wanted = folded(flag);
        self.0.binary_search_by(|known| folded(known).cmp(&wanted))
    }
}

impl<'a> FromIterator<&'a str> for Flags {
    fn from_iter<I: IntoIterator<Item = &'a str>>(flags: I) -> Self {
        let mut set = Self::default();
        for flag in flags {
            set.insert(flag);
        }
        set
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flag_is_there_once_whatever_its_case() {
        let flags: Flags = ["\\SEEN", "Work", "work", "\\seen", "\\Recent"].into_iter().collect();
        assert_eq!(flags.iter().collect::<Vec<_>>(), ["\\Seen", "Work"]);
        assert!(flags.contains("WORK"));
    }
}

//! What a server says it can do (RFC 9051 §7.2.2).

use std::collections::BTreeSet;

use crate::token::parse_u64;

/// What IMAP4rev2 contains without naming it (RFC 9051 §E).
const IN_REV2: [&str; 15] = [
    "NAMESPACE",
    "UNSELECT",
    "UIDPLUS",
    "ESEARCH",
    "SEARCHRES",
    "ENABLE",
    "IDLE",
    "SASL-IR",
    "LIST-EXTENDED",
    "LIST-STATUS",
    "MOVE",
    "LITERAL-",
    "BINARY",
    "SPECIAL-USE",
    "STATUS=SIZE",
];

/// The capabilities a server listed, in upper case; what a listed revision implies is
/// answered too.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Capabilities {
    listed: BTreeSet<Vec<u8>>,
}

impl Capabilities {
    /// Takes the words of a CAPABILITY response or response code.
    #[must_use]
    pub fn new<'a>(words: impl IntoIterator<Item = &'a [u8]>) -> Self {
        Self { listed: words.into_iter().map(<[u8]>::to_ascii_uppercase).collect() }
    }

    /// Whether nothing was listed: the server has not been asked yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.listed.is_empty()
    }

    /// Whether a capability is listed or contained in a listed revision; in any case.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        let name = name.to_ascii_uppercase();
        self.listed.contains(name.as_bytes())
            || (self.is_rev2() && IN_REV2.contains(&name.as_str()))
    }

    /// Whether it speaks IMAP4rev2 (RFC 9051 §1.3). A server that offers IMAP4rev1 too
    /// speaks it only after ENABLE, but may be used as if it did.
    #[must_use]
    pub fn is_rev2(&self) -> bool {
        self.listed.contains(&b"IMAP4REV2"[..])
    }

    /// Non-synchronising literals of any size (RFC 7888 §4).
    #[must_use]
    pub fn literal_plus(&self) -> bool {
        self.has("LITERAL+")
    }

    /// Non-synchronising literals of at most 4096 octets (RFC 7888 §5), which LITERAL+
    /// allows too.
    #[must_use]
    pub fn literal_minus(&self) -> bool {
        self.has("LITERAL-") || self.literal_plus()
    }

    /// The largest message that may be appended to any mailbox, in octets (RFC 7889 §3).
    /// `None` too if each mailbox has a limit of its own.
    #[must_use]
    pub fn append_limit(&self) -> Option<u64> {
        self.values_of("APPENDLIMIT=").find_map(parse_u64)
    }

    /// The SASL mechanisms, in upper case and alphabetical order.
    #[must_use]
    pub fn auth_mechanisms(&self) -> Vec<String> {
        let names = self.values_of("AUTH=").filter(|name| !name.is_empty());
        names.map(|name| String::from_utf8_lossy(name).into_owned()).collect()
    }

    /// All listed capabilities, in upper case and alphabetical order.
    pub fn iter(&self) -> impl Iterator<Item = &[u8]> {
        self.listed.iter().map(Vec::as_slice)
    }

    fn values_of(&self, prefix: &'static str) -> impl Iterator<Item = &[u8]> {
        self.iter().filter_map(move |word| word.strip_prefix(prefix.as_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn capabilities(line: &str) -> Capabilities {
        Capabilities::new(line.split(' ').map(str::as_bytes))
    }

    #[test]
    fn capabilities_are_known_in_any_case() {
        let uw = capabilities("IMAP4REV1 literal+ Auth=Plain AUTH=LOGIN Idle");
        assert!(uw.has("IMAP4rev1") && uw.has("LITERAL+") && uw.has("idle"));
        assert!(!uw.has("NAMESPACE") && !uw.is_rev2() && !uw.is_empty());
        assert_eq!(uw.auth_mechanisms(), ["LOGIN", "PLAIN"]);
    }

    #[test]
    fn literal_plus_allows_what_literal_minus_allows() {
        assert!(capabilities("LITERAL+").literal_minus());
        assert!(!capabilities("LITERAL-").literal_plus());
        assert!(!capabilities("IMAP4rev1").literal_minus());
    }

    #[test]
    fn rev2_contains_its_extensions_but_not_literal_plus() {
        let rev2 = capabilities("IMAP4rev2");
        assert!(IN_REV2.iter().all(|name| rev2.has(name)));
        assert!(rev2.literal_minus() && !rev2.literal_plus() && !rev2.has("CONDSTORE"));
        assert!(!capabilities("IMAP4rev1").has("UIDPLUS"));
    }

    #[test]
    fn an_append_limit_may_be_a_number_or_left_to_each_mailbox() {
        assert_eq!(capabilities("APPENDLIMIT=35651584").append_limit(), Some(35_651_584));
        assert_eq!(capabilities("APPENDLIMIT").append_limit(), None);
        assert_eq!(capabilities("APPENDLIMIT=x").append_limit(), None);
        assert!(capabilities("APPENDLIMIT").has("APPENDLIMIT"));
    }
}

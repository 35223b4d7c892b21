//! Response codes (RFC 9051 §7.1): what a program should know about a condition.

use memchr::memchr;

use crate::token::{Close, Cursor, Value, parse_u64, split_words};
use crate::uid_set::UidSet;

/// A response code. Those that say nothing but their name have no fields.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are those of the registry of RFC 9051 §7.1")]
pub enum Code<'a> {
    Alert,
    AlreadyExists,
    /// APPENDLIMIT as a code, in octets.
    AppendLimit(u64),
    /// Where an APPEND went (RFC 4315 §3); the UIDs are in the order of the messages.
    AppendUid {
        uid_validity: u64,
        uids: UidSet,
    },
    AuthenticationFailed,
    AuthorizationFailed,
    /// The charsets that are supported.
    BadCharset(Vec<&'a [u8]>),
    Cannot,
    Capability(Vec<&'a [u8]>),
    ClientBug,
    Closed,
    ContactAdmin,
    /// Where a COPY or MOVE went: the n-th UID of `source` became the n-th of `target`.
    CopyUid {
        uid_validity: u64,
        source: UidSet,
        target: UidSet,
    },
    Corruption,
    Expired,
    ExpungeIssued,
    HasChildren,
    HighestModSeq(u64),
    /// A command still runs (RFC 9585 §4).
    InProgress,
    InUse,
    Limit,
    MailboxId(&'a [u8]),
    /// How many messages a command may touch (RFC 9738 §3.1).
    MessageLimit(u64),
    /// Those that a conditional STORE left alone (RFC 7162 §3.1.3).
    Modified(UidSet),
    NoModSeq,
    NonExistent,
    NoPerm,
    OverQuota,
    /// An empty list after EXAMINE says nothing: Dovecot answers `()`.
    PermanentFlags(Vec<&'a [u8]>),
    PrivacyRequired,
    ReadOnly,
    ReadWrite,
    ServerBug,
    TooBig,
    TryCreate,
    UidNext(u64),
    UidNotSticky,
    /// 64 bits, because not all servers keep to 32.
    UidValidity(u64),
    Unavailable,
    Unseen(u64),
    /// Any other code, or one whose arguments are not understood.
    Other {
        /// As it was sent.
        name: &'a [u8],
        /// The arguments as they were sent.
        rest: &'a [u8],
    },
}

/// Reads what follows the word of a condition: a code, if there is one, and the text.
pub(super) fn parse_text(rest: &[u8]) -> (Option<Code<'_>>, &[u8]) {
    let text = rest.trim_ascii_start();
    let Some(inner) = text.strip_prefix(b"[") else { return (None, one_space_off(rest)) };
    let (code, text) = match code_len(inner) {
        Some(len) => (&inner[..len], &inner[len + 1..]),
        None => (inner, &inner[inner.len()..]),
    };
    (parse(code), one_space_off(text))
}

fn one_space_off(text: &[u8]) -> &[u8] {
    text.strip_prefix(b" ").unwrap_or(text)
}

/// Where the `]` stands that ends the code: not within quotes or parentheses, because flags
/// of real servers contain it. If there is none such, the first of all.
fn code_len(inner: &[u8]) -> Option<usize> {
    let (mut depth, mut quoted, mut escaped) = (0_usize, false, false);
    for (at, octet) in inner.iter().enumerate() {
        if escaped {
            escaped = false;
            continue;
        }
        match octet {
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            _ if quoted => {}
            b'(' => depth += 1,
            b')' => depth = depth.saturating_sub(1),
            b']' if depth == 0 => return Some(at),
            _ => {}
        }
    }
    memchr(b']', inner)
}

fn parse(code: &[u8]) -> Option<Code<'_>> {
    let code = code.trim_ascii();
    let ends = |b: &u8| b.is_ascii_whitespace() || *b == b'(';
    let (name, rest) = code.split_at(code.iter().position(ends).unwrap_or(code.len()));
    let rest = rest.trim_ascii_start();
    if name.is_empty() && rest.is_empty() {
        return None;
    }
    let upper = name.to_ascii_uppercase();
    let known = plain(&upper).or_else(|| with_arguments(&upper, rest));
    Some(known.unwrap_or(Code::Other { name, rest }))
}

fn plain(name: &[u8]) -> Option<Code<'static>> {
    Some(match name {
        b"ALERT" => Code::Alert,
        b"ALREADYEXISTS" => Code::AlreadyExists,
        b"AUTHENTICATIONFAILED" => Code::AuthenticationFailed,
        b"AUTHORIZATIONFAILED" => Code::AuthorizationFailed,
        b"CANNOT" => Code::Cannot,
        b"CLIENTBUG" => Code::ClientBug,
        b"CLOSED" => Code::Closed,
        b"CONTACTADMIN" => Code::ContactAdmin,
        b"CORRUPTION" => Code::Corruption,
        b"EXPIRED" => Code::Expired,
        b"EXPUNGEISSUED" => Code::ExpungeIssued,
        b"HASCHILDREN" => Code::HasChildren,
        b"INPROGRESS" => Code::InProgress,
        b"INUSE" => Code::InUse,
        b"LIMIT" => Code::Limit,
        b"NOMODSEQ" => Code::NoModSeq,
        b"NONEXISTENT" => Code::NonExistent,
        b"NOPERM" => Code::NoPerm,
        b"OVERQUOTA" => Code::OverQuota,
        b"PRIVACYREQUIRED" => Code::PrivacyRequired,
        b"READ-ONLY" => Code::ReadOnly,
        b"READ-WRITE" => Code::ReadWrite,
        b"SERVERBUG" => Code::ServerBug,
        b"TOOBIG" => Code::TooBig,
        b"TRYCREATE" => Code::TryCreate,
        b"UIDNOTSTICKY" => Code::UidNotSticky,
        b"UNAVAILABLE" => Code::Unavailable,
        _ => return None,
    })
}

fn with_arguments<'a>(name: &[u8], rest: &'a [u8]) -> Option<Code<'a>> {
    let number = || parse_u64(rest.trim_ascii());
    let list = || Cursor::within(rest).words(Close::BeforeSpace);
    Some(match name {
        b"APPENDLIMIT" => Code::AppendLimit(number()?),
        b"APPENDUID" => {
            let [uid_validity, uids, _] = three_words(rest);
            Code::AppendUid { uid_validity: parse_u64(uid_validity)?, uids: UidSet::parse(uids)? }
        }
        b"BADCHARSET" => Code::BadCharset(list().unwrap_or_default()),
        b"CAPABILITY" => Code::Capability(split_words(rest)),
        b"COPYUID" => {
            let [uid_validity, source, target] = three_words(rest);
            Code::CopyUid {
                uid_validity: parse_u64(uid_validity)?,
                source: UidSet::parse(source)?,
                target: UidSet::parse(target)?,
            }
        }
        b"HIGHESTMODSEQ" => Code::HighestModSeq(number()?),
        b"MAILBOXID" => match Cursor::within(rest).value()? {
            Value::List(inner) => Code::MailboxId(inner.trim_ascii()),
            Value::Atom(id) => Code::MailboxId(id),
            Value::Nil | Value::Text(_) | Value::Streamed(_) => return None,
        },
        b"MESSAGELIMIT" => Code::MessageLimit(parse_u64(three_words(rest)[0])?),
        b"MODIFIED" => Code::Modified(UidSet::parse(rest)?),
        b"PERMANENTFLAGS" => Code::PermanentFlags(list()?),
        b"UIDNEXT" => Code::UidNext(number()?),
        b"UIDVALIDITY" => Code::UidValidity(number()?),
        b"UNSEEN" => Code::Unseen(number()?),
        _ => return None,
    })
}

/// The first three words, empty where there are fewer.
fn three_words(rest: &[u8]) -> [&[u8]; 3] {
    let mut words = rest.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
    std::array::from_fn(|_| words.next().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bracket_within_quotes_or_parentheses_ends_no_code() {
        let other = |name, rest| Some(Code::Other { name, rest });
        assert_eq!(parse_text(b" [X-FOO \"a]b\"] t"), (other(b"X-FOO", b"\"a]b\""), &b"t"[..]));
        assert_eq!(
            parse_text(b" [PERMANENTFLAGS (a]b [x] \\*)] Limited"),
            (Some(Code::PermanentFlags(vec![b"a]b", b"[x]", b"\\*"])), &b"Limited"[..])
        );
        assert_eq!(parse_text(b" [ALERT \"5] inch"), (Some(Code::Alert), &b"inch"[..]));
    }

    #[test]
    fn text_and_code_may_be_missing() {
        assert_eq!(parse_text(b""), (None, &b""[..]));
        assert_eq!(parse_text(b" "), (None, &b""[..]));
        assert_eq!(parse_text(b" [TRYCREATE]"), (Some(Code::TryCreate), &b""[..]));
        assert_eq!(parse_text(b" [ALERT]text"), (Some(Code::Alert), &b"text"[..]));
        assert_eq!(parse_text(b" [ALERT"), (Some(Code::Alert), &b""[..]));
        assert_eq!(parse_text(b" [] x"), (None, &b"x"[..]));
    }

    #[test]
    fn the_uids_of_rfc_4315_are_read_in_order() {
        let code = parse(b"COPYUID 38505 304,319:320 3956:3958");
        let (source, target) = (UidSet::from_sorted(&[304, 319, 320]), UidSet::range(3956, 3958));
        assert_eq!(code, Some(Code::CopyUid { uid_validity: 38_505, source, target }));
        let code = parse(b"appenduid  38505  3955");
        let uids = UidSet::range(3955, 3955);
        assert_eq!(code, Some(Code::AppendUid { uid_validity: 38_505, uids }));
    }

    #[test]
    fn a_code_with_arguments_that_make_no_sense_is_kept_as_it_is() {
        let code = parse(b"UIDVALIDITY x");
        assert_eq!(code, Some(Code::Other { name: b"UIDVALIDITY", rest: b"x" }));
        assert_eq!(parse(b"UIDVALIDITY 9999999999"), Some(Code::UidValidity(9_999_999_999)));
    }
}

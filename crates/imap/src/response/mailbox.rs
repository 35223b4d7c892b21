//! LIST, LSUB, STATUS and NAMESPACE: what is said about mailboxes. Names stay as they are
//! on the wire; only quoting is taken off, also where a server quotes wrongly.

use std::borrow::Cow;

use memchr::memmem;

use super::Untagged;
use crate::token::{Close, Cursor, Value, closing_quote, unescape};

/// One mailbox of a LIST or LSUB response (RFC 9051 §7.3.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct List<'a> {
    /// Said by LSUB, which lists subscriptions.
    pub is_lsub: bool,
    /// `\HasChildren`, `\Noselect`, `\Sent` and the like, as sent.
    pub attributes: Vec<&'a [u8]>,
    /// Parts of the name are set apart by this; `None` if the name has no parts.
    pub delimiter: Option<u8>,
    /// The name on the wire.
    pub name: Cow<'a, [u8]>,
    /// CHILDINFO, OLDNAME and the like (RFC 5258 §6), as sent; may be empty.
    pub extended: &'a [u8],
}

/// What LIST or LSUB list.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Listing {
    All,
    Subscribed,
}

/// What a STATUS response says (RFC 9051 §7.3.4). A field is `None` if it was not sent or
/// makes no sense.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StatusItems<'a> {
    /// Number of messages.
    pub messages: Option<u64>,
    /// Number of recent messages (RFC 3501 §6.3.10).
    pub recent: Option<u64>,
    /// Number of messages without `\Seen`.
    pub unseen: Option<u64>,
    /// The next message will have at least this UID.
    pub uidnext: Option<u64>,
    /// 64 bits, because not all servers keep to 32.
    pub uidvalidity: Option<u64>,
    /// RFC 7162 §3.1.7; 0 if the mailbox keeps no mod-sequences.
    pub highestmodseq: Option<u64>,
    /// The sizes of all messages together, in octets (RFC 8438 §3).
    pub size: Option<u64>,
    /// The largest message that may be appended, in octets (RFC 7889 §4).
    pub appendlimit: Option<u64>,
    /// An identity that survives RENAME (RFC 8474 §4.3).
    pub mailboxid: Option<&'a [u8]>,
}

/// One namespace (RFC 9051 §7.3.5).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamespaceEntry<'a> {
    /// Mailboxes of the namespace have names that begin so.
    pub prefix: Cow<'a, [u8]>,
    /// `None` if names have no parts.
    pub delimiter: Option<u8>,
}

/// Reads what follows the word LIST, XLIST or LSUB. `None` if there is no name.
pub(super) fn parse_list<'a>(mut cursor: Cursor<'a, '_>, listing: Listing) -> Option<List<'a>> {
    let attributes = cursor.words(Close::BeforeSpace)?;
    let delimiter = parse_delimiter(&mut cursor);
    let (name, extended) = parse_name(cursor, extended_begin)?;
    let is_lsub = listing == Listing::Subscribed;
    Some(List { is_lsub, attributes, delimiter, name, extended })
}

/// Reads what follows the word STATUS. `None` if there is no name.
pub(super) fn parse_status<'a>(cursor: Cursor<'a, '_>) -> Option<(Cow<'a, [u8]>, StatusItems<'a>)> {
    let (name, rest) = parse_name(cursor, status_begin)?;
    let mut items = StatusItems::default();
    let Some(Value::List(inner)) = Cursor::within(rest).value() else { return Some((name, items)) };
    let mut cursor = Cursor::within(inner);
    while let Some(item) = cursor.value() {
        let value = cursor.value();
        if let (Value::Atom(item), Some(value)) = (item, value) {
            items.take(item, value);
        }
    }
    Some((name, items))
}

/// Reads what follows the word NAMESPACE. Missing parts are empty.
pub(super) fn parse_namespace<'a>(mut cursor: Cursor<'a, '_>) -> Untagged<'a> {
    let mut entries = || match cursor.value() {
        Some(Value::List(inner)) => namespace_entries(inner),
        _ => Vec::new(),
    };
    let (personal, other, shared) = (entries(), entries(), entries());
    Untagged::Namespace { personal, other, shared }
}

impl<'a> StatusItems<'a> {
    fn take(&mut self, item: &[u8], value: Value<'a>) {
        let field = match &item.to_ascii_uppercase()[..] {
            b"MESSAGES" => &mut self.messages,
            b"RECENT" => &mut self.recent,
            b"UNSEEN" => &mut self.unseen,
            b"UIDNEXT" => &mut self.uidnext,
            b"UIDVALIDITY" => &mut self.uidvalidity,
            b"HIGHESTMODSEQ" => &mut self.highestmodseq,
            b"SIZE" => &mut self.size,
            b"APPENDLIMIT" => &mut self.appendlimit,
            b"MAILBOXID" => {
                if let Value::List(id) | Value::Atom(id) = value {
                    self.mailboxid = Some(id.trim_ascii());
                }
                return;
            }
            _ => return,
        };
        *field = value.into_u64();
    }
}

fn namespace_entries(inner: &[u8]) -> Vec<NamespaceEntry<'_>> {
    let mut cursor = Cursor::within(inner);
    let mut entries = Vec::new();
    while let Some(entry) = cursor.value() {
        let Value::List(inner) = entry else { continue };
        let mut cursor = Cursor::within(inner);
        if let Some(prefix) = cursor.value().and_then(Value::into_text) {
            let delimiter = parse_delimiter(&mut cursor);
            entries.push(NamespaceEntry { prefix, delimiter });
        }
    }
    entries
}

/// `"/"`, `"\\"`, `NIL`; of broken servers `/`, `""` and `"\"`.
fn parse_delimiter(cursor: &mut Cursor<'_, '_>) -> Option<u8> {
    cursor.skip_spaces();
    if cursor.rest().starts_with(br#""\" "#) {
        (0..3).for_each(|_| cursor.skip_one());
        return Some(b'\\');
    }
    cursor.value().and_then(Value::into_text)?.first().copied()
}

/// Reads a name and what follows it. Where the name is not plainly a string, `end` says
/// where it stops.
fn parse_name<'a>(
    mut cursor: Cursor<'a, '_>,
    end: fn(&[u8]) -> usize,
) -> Option<(Cow<'a, [u8]>, &'a [u8])> {
    cursor.skip_spaces();
    let rest = cursor.rest();
    let named = match rest.first()? {
        b'"' => {
            let inner = &rest[1..];
            if let Some(len) = closing_quote(inner)
                && matches!(inner.get(len + 1), None | Some(b' '))
            {
                return Some((unescape(&inner[..len]), inner[len + 1..].trim_ascii()));
            }
            // `"foo"bar"`: up to the last quote.
            let end = end(inner);
            let len = memchr::memrchr(b'"', &inner[..end]).unwrap_or(end);
            (unescape(&inner[..len]), &inner[end..])
        }
        b'{' | b'~' => match cursor.value()? {
            Value::Text(name) => (name, cursor.rest()),
            _ => unquoted(rest, end),
        },
        _ => unquoted(rest, end),
    };
    Some((named.0, named.1.trim_ascii()))
}

/// A name without quotes, which may hold spaces.
fn unquoted(rest: &[u8], end: fn(&[u8]) -> usize) -> (Cow<'_, [u8]>, &[u8]) {
    let (name, rest) = rest.split_at(end(rest));
    (Cow::Borrowed(name.trim_ascii_end()), rest)
}

/// Where the extended data of a LIST begins: they are in parentheses and begin with the
/// name of an extension, mostly quoted (RFC 5258 §6: mbox-list-extended).
fn extended_begin(rest: &[u8]) -> usize {
    const TAGS: [&[u8]; 3] = [b" (\"", b" (CHILDINFO", b" (OLDNAME"];
    if !rest.trim_ascii_end().ends_with(b")") {
        return rest.len();
    }
    TAGS.iter().filter_map(|tag| memmem::find(rest, tag)).min().unwrap_or(rest.len())
}

/// Where the items of a STATUS begin: at the parenthesis that the last one closes.
fn status_begin(rest: &[u8]) -> usize {
    let mut depth = 0_usize;
    for (at, octet) in rest.iter().enumerate().rev() {
        match octet {
            b')' => depth += 1,
            b'(' => depth = depth.saturating_sub(1),
            _ => continue,
        }
        if depth == 0 {
            return at;
        }
    }
    rest.len()
}

//! FETCH responses (RFC 9051 §7.5.2), and the heads of those whose message is streamed.

use std::borrow::Cow;

use crate::date::InternalDate;
use crate::token::{self, Absent, Close, Cursor, Value, first_word, parse_u64};

/// What a FETCH response says about one message. A field is `None` if it was not sent or
/// makes no sense.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fetch<'a> {
    /// The message number; 0 in a UIDFETCH response, which has none.
    pub sequence: u64,
    /// The UID. Some servers say 0 for a message they have lost.
    pub uid: Option<u32>,
    /// Flags and keywords as sent; some servers send octets that no flag may have.
    pub flags: Option<Vec<&'a [u8]>>,
    /// INTERNALDATE if it is a date.
    pub internal_date: Option<InternalDate>,
    /// INTERNALDATE as sent, without quotes, even if it is no date.
    pub internal_date_raw: Option<&'a [u8]>,
    /// RFC822.SIZE, in octets.
    pub size: Option<u64>,
    /// MODSEQ (RFC 7162 §3.1.4).
    pub modseq: Option<u64>,
    /// X-GM-MSGID (Gmail's “IMAP Extensions”): by it the account knows the message in whichever
    /// mailbox it is.
    pub account_number: Option<u64>,
    /// X-GM-LABELS (Gmail's “IMAP Extensions”), unquoted: `\Inbox` and the like, and names. `None`
    /// also where one of them could not be read: fewer labels would be an answer.
    pub labels: Option<Vec<Cow<'a, [u8]>>>,
    /// `BODY[]`, RFC822 or `BINARY[]`.
    pub body: Option<Body<'a>>,
    /// `BODY[HEADER.FIELDS (..)]`, `BODY[HEADER]` or `RFC822.HEADER`. `None` if it was NIL:
    /// the message may be gone, and must not look like one whose header is empty.
    pub header_fields: Option<Cow<'a, [u8]>>,
    /// The length of the header, in octets, if it was too long to stand inline: its octets
    /// came as chunks.
    pub header_streamed: Option<u64>,
    /// How many values were skipped: those of items that are not looked for here, and
    /// those that were not understood.
    pub warnings: u32,
}

/// The value of `BODY[]`, RFC822 or `BINARY[]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body<'a> {
    /// The octets came as chunks.
    Streamed {
        /// How many, as announced.
        len: u64,
    },
    /// A quoted string.
    Inline(Cow<'a, [u8]>),
    /// NIL: there is nothing, e.g. because the message was expunged.
    Nil,
}

/// What a streamed literal is the value of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeadItem {
    /// `BODY[]`, RFC822 or `BINARY[]`.
    Body,
    /// A header too long to stand inline.
    Header,
    /// Anything else too long to stand inline.
    Other,
}

/// Reads what stands before a streamed literal, the `{n}` line end included: the UID, if it
/// came before, and the like. The literal itself is `Streamed`.
#[must_use]
pub fn parse_head(head: &[u8]) -> Fetch<'_> {
    let Some(after_star) = head.strip_prefix(b"*") else { return Fetch::default() };
    let (number, rest) = first_word(after_star);
    let (word, rest) = first_word(rest);
    let cursor = Cursor::starting_at(head, head.len() - rest.len(), Absent::Head);
    parse(parse_u64(number).unwrap_or(0), word, cursor)
}

/// The UID in the head of a streamed literal, if it came before the literal.
#[must_use]
pub fn head_uid(head: &[u8]) -> Option<u32> {
    parse_head(head).uid
}

/// The message number in the head of a streamed literal; `None` in a UIDFETCH.
#[must_use]
pub fn head_sequence(head: &[u8]) -> Option<u64> {
    Some(parse_head(head).sequence).filter(|number| *number > 0)
}

/// What the literal is that this head announces.
#[must_use]
pub fn head_item(head: &[u8]) -> HeadItem {
    let Some(mark) = token::literal_mark(head_line(head)) else { return HeadItem::Other };
    let before = &head_line(head)[..mark.brace];
    if token::names_body(before) {
        HeadItem::Body
    } else if token::names_header(before) {
        HeadItem::Header
    } else {
        HeadItem::Other
    }
}

/// Reads the items that follow the word FETCH or UIDFETCH.
pub(super) fn parse<'a>(number: u64, word: &[u8], mut cursor: Cursor<'a, '_>) -> Fetch<'a> {
    let mut fetch = Fetch::default();
    if word.eq_ignore_ascii_case(b"UIDFETCH") {
        // RFC 9586 §3.3: the number is the UID.
        fetch.uid = u32::try_from(number).ok();
    } else {
        fetch.sequence = number;
    }
    cursor.skip_spaces();
    // Some servers leave the parentheses out: they are not needed to read the items.
    cursor.eat(b'(');
    loop {
        cursor.skip_spaces();
        let name = cursor.item_name();
        if !name.is_empty() {
            fetch.take(name, &mut cursor);
        } else if cursor.peek().is_none() {
            return fetch;
        } else if !cursor.eat(b')') {
            // A value without a name.
            fetch.warnings = fetch.warnings.saturating_add(1);
            if cursor.value().is_none() {
                cursor.skip_one();
            }
        }
    }
}

impl<'a> Fetch<'a> {
    /// Reads the value of one item.
    fn take(&mut self, name: &'a [u8], cursor: &mut Cursor<'a, '_>) {
        let understood = match Item::named(name) {
            Item::Flags => keep(&mut self.flags, cursor.words(Close::First)),
            Item::Uid => keep(&mut self.uid, number(cursor).and_then(|n| u32::try_from(n).ok())),
            Item::Size => keep(&mut self.size, number(cursor)),
            Item::ModSeq => keep(&mut self.modseq, number(cursor)),
            Item::AccountNumber => keep(&mut self.account_number, number(cursor)),
            Item::Labels => keep(&mut self.labels, labels(cursor)),
            Item::InternalDate => self.take_date(cursor),
            Item::Body => self.take_body(cursor),
            Item::Header => self.take_header(cursor),
            Item::Other => {
                cursor.value();
                false
            }
        };
        self.warnings = self.warnings.saturating_add(u32::from(!understood));
    }

    fn take_date(&mut self, cursor: &mut Cursor<'a, '_>) -> bool {
        if let Some(Value::Text(Cow::Borrowed(raw)) | Value::Atom(raw)) = cursor.value() {
            self.internal_date_raw = Some(raw);
            self.internal_date = InternalDate::parse(raw);
        }
        self.internal_date.is_some()
    }

    fn take_body(&mut self, cursor: &mut Cursor<'a, '_>) -> bool {
        let body = match cursor.value() {
            Some(Value::Streamed(len)) => Body::Streamed { len },
            Some(Value::Text(text)) => Body::Inline(text),
            Some(Value::Nil) => Body::Nil,
            Some(Value::Atom(_) | Value::List(_)) | None => return false,
        };
        self.body = Some(body);
        true
    }

    fn take_header(&mut self, cursor: &mut Cursor<'a, '_>) -> bool {
        match cursor.value() {
            Some(Value::Text(text)) => self.header_fields = Some(text),
            Some(Value::Nil) => {}
            Some(Value::Streamed(len)) => self.header_streamed = Some(len),
            Some(Value::Atom(_) | Value::List(_)) | None => return false,
        }
        true
    }
}

/// The items that are looked for.
enum Item {
    Uid,
    Flags,
    InternalDate,
    Size,
    ModSeq,
    AccountNumber,
    Labels,
    Body,
    Header,
    Other,
}

impl Item {
    fn named(name: &[u8]) -> Self {
        const PLAIN: [(&[u8], Item); 7] = [
            (b"UID", Item::Uid),
            (b"FLAGS", Item::Flags),
            (b"INTERNALDATE", Item::InternalDate),
            (b"RFC822.SIZE", Item::Size),
            (b"MODSEQ", Item::ModSeq),
            (b"X-GM-MSGID", Item::AccountNumber),
            (b"X-GM-LABELS", Item::Labels),
        ];
        for (known, item) in PLAIN {
            if name.eq_ignore_ascii_case(known) {
                return item;
            }
        }
        if token::names_body(name) {
            Self::Body
        } else if token::names_header(name) {
            Self::Header
        } else {
            Self::Other
        }
    }
}

/// Keeps a value; says whether there was one.
fn keep<T>(field: &mut Option<T>, value: Option<T>) -> bool {
    let understood = value.is_some();
    if understood {
        *field = value;
    }
    understood
}

fn number(cursor: &mut Cursor<'_, '_>) -> Option<u64> {
    cursor.value().and_then(Value::into_u64)
}

/// The labels of a parenthesised list: atoms, of which some begin with a backslash, quoted strings
/// and literals.
fn labels<'a>(cursor: &mut Cursor<'a, '_>) -> Option<Vec<Cow<'a, [u8]>>> {
    let Some(Value::List(inner)) = cursor.value() else { return None };
    let mut inside = Cursor::within(inner);
    let mut labels = Vec::new();
    while let Some(value) = inside.value() {
        labels.push(match value {
            // A label may be called so.
            Value::Nil => Cow::Borrowed(&b"NIL"[..]),
            value => value.into_text()?,
        });
    }
    Some(labels)
}

/// The last physical line of a head.
fn head_line(head: &[u8]) -> &[u8] {
    let inside = token::without_line_end(head);
    let begin = inside.iter().rposition(|b| *b == b'\n').map_or(0, |at| at + 1);
    &head[begin..]
}

//! Reading the pieces that responses are made of, tolerantly: any number of spaces, 8-bit
//! octets anywhere, values of any shape. Nothing here can fail; what makes no sense is
//! stepped over.

use std::borrow::Cow;

use memchr::{memchr, memchr2};

/// What kind of response a line begins, as far as framing must know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Class {
    /// Human text that never has a literal: `+`, tagged, and untagged conditions.
    Text,
    /// `* n FETCH` or `* n UIDFETCH` (RFC 9586 §3.3).
    Fetch,
    /// Any other untagged response.
    Data,
}

/// Tells the class of a response from its beginning.
pub(crate) fn class(bytes: &[u8]) -> Class {
    let Some(rest) = bytes.strip_prefix(b"*") else { return Class::Text };
    let (word, rest) = first_word(rest);
    if condition_word(word) {
        return Class::Text;
    }
    if !word.is_empty() && word.iter().all(u8::is_ascii_digit) {
        let (word, _) = first_word(rest);
        if word.eq_ignore_ascii_case(b"FETCH") || word.eq_ignore_ascii_case(b"UIDFETCH") {
            return Class::Fetch;
        }
    }
    Class::Data
}

fn condition_word(word: &[u8]) -> bool {
    const WORDS: [&[u8]; 5] = [b"OK", b"NO", b"BAD", b"BYE", b"PREAUTH"];
    WORDS.iter().any(|known| word.eq_ignore_ascii_case(known))
}

/// The first word behind any spaces, and what follows it.
pub(crate) fn first_word(bytes: &[u8]) -> (&[u8], &[u8]) {
    let bytes = bytes.trim_ascii_start();
    let ends = |b: &u8| b.is_ascii_whitespace() || matches!(b, b'(' | b'[' | b'{' | b'"');
    let len = bytes.iter().position(ends).unwrap_or(bytes.len());
    bytes.split_at(len)
}

/// The line without its CRLF or lone LF.
pub(crate) fn without_line_end(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or(line)
}

/// The `{n}` at the end of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LiteralMark {
    /// The announced length, `None` if it does not fit.
    pub(crate) len: Option<u64>,
    /// Where the `{` stands in the line.
    pub(crate) brace: usize,
}

/// The literal that this line (with its line end) announces: `{n}`, `{n+}` or `{n-}`
/// directly before the line end, behind SP, `(`, `]`, `>` or `~`, outside a quoted string.
pub(crate) fn literal_mark(line: &[u8]) -> Option<LiteralMark> {
    let inside = without_line_end(line).strip_suffix(b"}")?;
    let digits_end = match inside.last()? {
        b'+' | b'-' => inside.len() - 1,
        _ => inside.len(),
    };
    let is_not_digit = |b: &u8| !b.is_ascii_digit();
    let brace = inside[..digits_end].iter().rposition(is_not_digit)?;
    let before = inside[..brace].last()?;
    let fits = inside[brace] == b'{' && brace + 1 < digits_end;
    if !fits || !matches!(before, b' ' | b'(' | b']' | b'>' | b'~') {
        return None;
    }
    // A name that ends in an unescaped backslash (`"\" {5}`) must not hide the literal:
    // where escapes leave a string open, the line is read once more without them.
    let head = &inside[..brace];
    if memchr(b'"', head).is_some()
        && leaves_quote_open(head, Escapes::Honoured)
        && leaves_quote_open(head, Escapes::Ignored)
    {
        return None;
    }
    Some(LiteralMark { len: parse_u64(&inside[brace + 1..digits_end]), brace })
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Escapes {
    Honoured,
    Ignored,
}

/// Whether a quoted string is begun and not closed. A quote inside a word begins none, so
/// that `"foo"bar"` counts as closed.
fn leaves_quote_open(text: &[u8], escapes: Escapes) -> bool {
    let (mut open, mut at) = (false, 0);
    while let Some(found) = memchr2(b'"', b'\\', &text[at..]) {
        let here = at + found;
        at = here + 1;
        if text[here] == b'\\' {
            if open && escapes == Escapes::Honoured {
                at = text.len().min(at + 1);
            }
        } else if open {
            open = false;
        } else {
            open = here == 0 || matches!(text[here - 1], b' ' | b'(' | b'[' | b'<');
        }
    }
    open
}

/// Whether the FETCH item that ends these bytes has a whole message for its value:
/// `BODY[]`, `BINARY[]` (with or without an origin) or `RFC822`.
pub(crate) fn names_body(before: &[u8]) -> bool {
    item_ends(before, &[b"BODY[]", b"BODY.PEEK[]", b"BINARY[]", b"BINARY.PEEK[]", b"RFC822"])
}

/// Whether the FETCH item that ends these bytes has a header or a part of it for its value.
pub(crate) fn names_header(before: &[u8]) -> bool {
    if item_ends(before, &[b"RFC822.HEADER", b"BODY[HEADER]", b"BODY.PEEK[HEADER]"]) {
        return true;
    }
    let before = without_origin(before);
    let Some(open) = before.iter().rposition(|b| *b == b'[') else { return false };
    let Some(section) = before[open + 1..].strip_suffix(b"]") else { return false };
    let (word, _) = first_word(section);
    word.eq_ignore_ascii_case(b"HEADER.FIELDS")
        && item_ends(&before[..open], &[b"BODY", b"BODY.PEEK"])
}

/// Leaves out `~`, spaces, and an origin `<n>` or `<n.m>` at the end.
fn without_origin(before: &[u8]) -> &[u8] {
    /// `<`, two numbers of 20 digits, a dot, `>`.
    const ORIGIN_BYTES_MAX: usize = 43;
    let before = before.strip_suffix(b"~").unwrap_or(before).trim_ascii_end();
    if !before.ends_with(b">") {
        return before;
    }
    let from = before.len().saturating_sub(ORIGIN_BYTES_MAX);
    let open = before[from..].iter().rposition(|b| *b == b'<');
    open.map_or(before, |open| &before[..from + open])
}

/// Whether one of `names` ends these bytes, `~` and origin left out.
fn item_ends(before: &[u8], names: &[&[u8]]) -> bool {
    let before = without_origin(before);
    names.iter().any(|name| {
        let Some(at) = before.len().checked_sub(name.len()) else { return false };
        let stands_alone = at == 0 || matches!(before[at - 1], b' ' | b'(');
        stands_alone && before[at..].eq_ignore_ascii_case(name)
    })
}

/// A number of digits only; `None` if it is none or above 64 bits.
pub(crate) fn parse_u64(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0_u64, |number, b| {
        let digit = b.is_ascii_digit().then(|| u64::from(b - b'0'))?;
        number.checked_mul(10)?.checked_add(digit)
    })
}

/// A number of digits only; `None` if it is none or above 32 bits.
pub(crate) fn parse_u32(digits: &[u8]) -> Option<u32> {
    parse_u64(digits).and_then(|number| u32::try_from(number).ok())
}

/// A value of any shape.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Value<'a> {
    Nil,
    Atom(&'a [u8]),
    /// A quoted string, unescaped, or a literal.
    Text(Cow<'a, [u8]>),
    /// A literal whose octets were streamed.
    Streamed(u64),
    /// What stands between the parentheses, as it was sent.
    List(&'a [u8]),
}

impl<'a> Value<'a> {
    /// An astring or nstring; `None` for NIL, lists and streamed literals.
    pub(crate) fn into_text(self) -> Option<Cow<'a, [u8]>> {
        match self {
            Self::Atom(atom) => Some(Cow::Borrowed(atom)),
            Self::Text(text) => Some(text),
            Self::Nil | Self::Streamed(_) | Self::List(_) => None,
        }
    }

    /// A number; some servers quote it or put it into parentheses.
    pub(crate) fn into_u64(self) -> Option<u64> {
        match self {
            Self::Atom(digits) => parse_u64(digits),
            Self::Text(text) => parse_u64(&text),
            Self::List(inner) => parse_u64(inner.trim_ascii()),
            Self::Nil | Self::Streamed(_) => None,
        }
    }
}

/// Which literals of the bytes are absent.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Absent<'d> {
    /// Those at these offsets.
    At(&'d [usize]),
    /// The bytes are the head of a streamed literal: the last one, and any earlier one
    /// that must have been streamed.
    Head,
}

/// A place in a response.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cursor<'a, 'd> {
    bytes: &'a [u8],
    at: usize,
    absent: Absent<'d>,
}

impl<'a, 'd> Cursor<'a, 'd> {
    /// A cursor over the inner part of a value, whose literals are all inline.
    pub(crate) fn within(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0, absent: Absent::At(&[]) }
    }

    /// Stands behind the first `at` octets.
    pub(crate) fn starting_at(bytes: &'a [u8], at: usize, absent: Absent<'d>) -> Self {
        Self { bytes, at: at.min(bytes.len()), absent }
    }

    /// What has not been read yet.
    pub(crate) fn rest(&self) -> &'a [u8] {
        &self.bytes[self.at..]
    }

    /// The next octet.
    pub(crate) fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    /// Steps over any spaces.
    pub(crate) fn skip_spaces(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t')) {
            self.at += 1;
        }
    }

    /// Steps over this octet if it is the next.
    pub(crate) fn eat(&mut self, octet: u8) -> bool {
        let found = self.peek() == Some(octet);
        self.at += usize::from(found);
        found
    }

    /// Steps over one octet, whatever it is.
    pub(crate) fn skip_one(&mut self) {
        self.at = self.bytes.len().min(self.at + 1);
    }

    /// Everything up to a space or parenthesis; may be empty.
    pub(crate) fn atom(&mut self) -> &'a [u8] {
        let rest = self.rest();
        let ends = |b: &u8| matches!(b, b' ' | b'\t' | b'(' | b')' | b'\r' | b'\n');
        let len = rest.iter().position(ends).unwrap_or(rest.len());
        self.at += len;
        &rest[..len]
    }

    /// The name of a FETCH item with its section and origin, as in
    /// `BODY[HEADER.FIELDS (DATE "MESSAGE-ID")]<0>`; empty if none stands here.
    pub(crate) fn item_name(&mut self) -> &'a [u8] {
        let begin = self.at;
        let mut sections = true;
        while let Some(octet) = self.peek() {
            match octet {
                b' ' | b'\t' | b'(' | b')' | b'"' | b'{' | b'\r' | b'\n' => break,
                b'[' if sections => match section_len(self.rest()) {
                    Some(len) => self.at += len,
                    None => sections = false,
                },
                _ => self.at += 1,
            }
        }
        &self.bytes[begin..self.at]
    }

    /// The next value behind any spaces; `None` at the end or before a `)`.
    pub(crate) fn value(&mut self) -> Option<Value<'a>> {
        self.skip_spaces();
        match self.peek()? {
            b')' => None,
            b'"' => Some(Value::Text(self.quoted())),
            b'(' => Some(Value::List(self.list())),
            _ => {
                if let Some(literal) = self.literal() {
                    return Some(literal);
                }
                let atom = self.atom();
                if atom.is_empty() {
                    // A stray line end: nothing reads it, so it is stepped over.
                    self.skip_one();
                }
                let nil = atom.eq_ignore_ascii_case(b"NIL");
                Some(if nil { Value::Nil } else { Value::Atom(atom) })
            }
        }
    }

    /// The flags or other words between parentheses, quotes taken off. Without parentheses
    /// it is the one word (`NIL`: none). `None` if there is nothing at all: a missing list
    /// of flags must not look like a message without flags.
    pub(crate) fn words(&mut self, close: Close) -> Option<Vec<&'a [u8]>> {
        self.skip_spaces();
        if self.peek() != Some(b'(') {
            let word = self.atom();
            let nil = word.eq_ignore_ascii_case(b"NIL");
            return (!word.is_empty()).then(|| if nil { Vec::new() } else { vec![word] });
        }
        self.skip_one();
        let rest = self.rest();
        let closes = |at: &usize| match close {
            Close::First => true,
            Close::BeforeSpace => rest.get(at + 1).is_none_or(|b| matches!(b, b' ' | b')' | b'"')),
        };
        let found = memchr::memchr_iter(b')', rest).find(closes);
        let len = found.or_else(|| memchr(b')', rest)).unwrap_or(rest.len());
        self.at = self.bytes.len().min(self.at + len + 1);
        Some(split_words(&rest[..len]))
    }

    /// The quoted string that begins here. Up to the end if it is never closed.
    fn quoted(&mut self) -> Cow<'a, [u8]> {
        self.skip_one();
        let rest = self.rest();
        let len = closing_quote(rest).unwrap_or(rest.len());
        self.at = self.bytes.len().min(self.at + len + 1);
        unescape(&rest[..len])
    }

    /// The literal or literal8 that begins here.
    fn literal(&mut self) -> Option<Value<'a>> {
        let rest = self.rest();
        let mark = rest.strip_prefix(b"~").unwrap_or(rest).strip_prefix(b"{")?;
        let line = &mark[..=memchr(b'\n', &mark[..mark.len().min(32)])?];
        let digits = without_line_end(line).strip_suffix(b"}")?;
        let len =
            parse_u64(digits.strip_suffix(b"+").or(digits.strip_suffix(b"-")).unwrap_or(digits))?;
        let brace = self.at;
        self.at += rest.len() - mark.len() + line.len();
        if self.is_absent(len, brace) {
            return Some(Value::Streamed(len));
        }
        let rest = self.rest();
        let len = usize::try_from(len).map_or(rest.len(), |len| len.min(rest.len()));
        self.at += len;
        Some(Value::Text(Cow::Borrowed(&rest[..len])))
    }

    /// Whether the octets of the literal that should stand here were streamed.
    fn is_absent(&self, len: u64, brace: usize) -> bool {
        match self.absent {
            Absent::At(offsets) => offsets.binary_search(&self.at).is_ok(),
            Absent::Head => {
                len >= (self.bytes.len() - self.at) as u64 || names_body(&self.bytes[..brace])
            }
        }
    }

    /// What stands between the parentheses that begin here. Up to the end if they are
    /// never closed. Nesting is counted, not descended into, so that no depth does harm.
    fn list(&mut self) -> &'a [u8] {
        let begin = self.at + 1;
        let mut depth = 0_usize;
        loop {
            match self.peek() {
                None => return &self.bytes[begin.min(self.at)..self.at],
                Some(b'(') => {
                    depth += 1;
                    self.at += 1;
                }
                Some(b')') => {
                    depth -= 1;
                    self.at += 1;
                    if depth == 0 {
                        return &self.bytes[begin..self.at - 1];
                    }
                }
                Some(b'"') => drop(self.quoted()),
                Some(b'{' | b'~') if self.literal().is_some() => {}
                Some(_) => self.at += 1,
            }
        }
    }
}

/// Which `)` ends a list of words.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Close {
    /// The first.
    First,
    /// The first that no word is glued to, if there is one: LIST attributes of broken servers
    /// contain `)`.
    BeforeSpace,
}

/// Words between spaces, the quotes of quoted ones taken off.
pub(crate) fn split_words(bytes: &[u8]) -> Vec<&[u8]> {
    let words = bytes.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
    words
        .map(|word| word.strip_prefix(b"\"").and_then(|w| w.strip_suffix(b"\"")).unwrap_or(word))
        .collect()
}

/// The length of the `[section]` that begins these bytes; `None` if it is never closed.
fn section_len(bytes: &[u8]) -> Option<usize> {
    let mut at = 1;
    loop {
        at += memchr2(b']', b'"', &bytes[at..])?;
        if bytes[at] == b']' {
            return Some(at + 1);
        }
        at += 1;
        at += closing_quote(&bytes[at..])? + 1;
    }
}

/// Where the quoted string ends whose octets begin here.
pub(crate) fn closing_quote(bytes: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        at += memchr2(b'"', b'\\', bytes.get(at..)?)?;
        if bytes[at] == b'"' {
            return Some(at);
        }
        at += 2;
    }
}

/// Takes the backslashes off (RFC 9051 §9: quoted). One before any other octet than `"`
/// and `\` stays: some servers do not escape at all.
pub(crate) fn unescape(bytes: &[u8]) -> Cow<'_, [u8]> {
    if memchr(b'\\', bytes).is_none() {
        return Cow::Borrowed(bytes);
    }
    let mut plain = Vec::with_capacity(bytes.len());
    let mut octets = bytes.iter().copied().peekable();
    while let Some(octet) = octets.next() {
        let escaped = octets.next_if(|next| octet == b'\\' && matches!(next, b'"' | b'\\'));
        plain.push(escaped.unwrap_or(octet));
    }
    Cow::Owned(plain)
}

//! Building commands, octet by octet and with an open vocabulary. What is built is one
//! command whatever the arguments contain: CR, LF and NUL cannot leave a literal.

use std::fmt;

use crate::uid_set::UidSet;

/// A part of a command.
#[derive(Clone, PartialEq, Eq)]
pub enum Piece {
    /// Octets of the command line, without CR and LF.
    Bytes(Vec<u8>),
    /// A literal. Who sends it writes `{n}` or `{n+}` and CRLF before the octets, see
    /// [`literal_header`].
    Literal {
        /// The octets behind the header.
        octets: Vec<u8>,
    },
    /// A literal whose octets whoever sends it has from elsewhere.
    StreamedLiteral {
        /// The length, in octets.
        len: u64,
    },
}

/// Whether the sender of a literal waits for the server's `+`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LiteralSync {
    /// `{n}`: the octets follow after a continuation request (RFC 9051 §4.3).
    Wait,
    /// `{n+}`: the octets follow at once (RFC 7888 §3).
    AtOnce,
}

/// What goes on the wire where a literal stands: `{n}` or `{n+}`, and CRLF.
#[must_use]
pub fn literal_header(len: u64, sync: LiteralSync) -> Vec<u8> {
    let plus = match sync {
        LiteralSync::Wait => "",
        LiteralSync::AtOnce => "+",
    };
    format!("{{{len}{plus}}}\r\n").into_bytes()
}

/// Why a command cannot be built.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CommandError {
    /// No string outside of a literal8 can hold a NUL (RFC 9051 §9: CHAR8).
    #[error("a command argument contains a NUL octet")]
    Nul,
    /// Text for the command line contains CR, LF or NUL.
    #[error("text for a command line contains CR, LF or NUL")]
    LineBreak,
    /// Not an atom (RFC 9051 §9: atom).
    #[error("a command argument that must be an atom contains other characters")]
    NotAnAtom,
    /// Not a flag or keyword (RFC 9051 §9: flag).
    #[error("a flag contains characters that no flag can contain")]
    NotAFlag,
    /// A set of UIDs that is empty is not a set (RFC 9051 §9: sequence-set).
    #[error("a command needs at least one message number")]
    EmptySet,
}

/// A command without its tag and its last CRLF. Methods append and return the command; the
/// first thing that cannot be appended makes [`pieces`](Self::pieces) fail.
#[derive(Clone, PartialEq, Eq)]
pub struct Command {
    name: String,
    pieces: Vec<Piece>,
    fault: Option<CommandError>,
    secrecy: Secrecy,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Secrecy {
    Open,
    Sensitive,
}

impl Command {
    /// Begins with the name of the command, e.g. `UID FETCH`.
    #[must_use]
    pub fn new(name: &str) -> Self {
        let command =
            Self { name: name.into(), pieces: Vec::new(), fault: None, secrecy: Secrecy::Open };
        command.raw(name)
    }

    /// Marks a command whose arguments are secret: `Debug` prints its name only.
    #[must_use]
    pub fn sensitive(mut self) -> Self {
        self.secrecy = Secrecy::Sensitive;
        self
    }

    /// Whether the arguments are secret, so that no trace may show them.
    #[must_use]
    pub fn is_sensitive(&self) -> bool {
        self.secrecy == Secrecy::Sensitive
    }

    /// The name the command was begun with.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The parts in order; two of [`Piece::Bytes`] never follow one another.
    ///
    /// # Errors
    /// Something could not be appended.
    pub fn pieces(&self) -> Result<&[Piece], CommandError> {
        self.fault.map_or(Ok(&self.pieces), Err)
    }

    /// The parts in order.
    ///
    /// # Errors
    /// Something could not be appended.
    pub fn into_pieces(self) -> Result<Vec<Piece>, CommandError> {
        self.fault.map_or(Ok(self.pieces), Err)
    }

    /// One space.
    #[must_use]
    pub fn sp(self) -> Self {
        self.append(b" ")
    }

    /// Text as it is; must not contain CR, LF or NUL.
    #[must_use]
    pub fn raw(self, text: &str) -> Self {
        if text.bytes().any(breaks_line) {
            return self.fail(CommandError::LineBreak);
        }
        self.append(text.as_bytes())
    }

    /// An atom.
    #[must_use]
    pub fn atom(self, atom: impl AsRef<[u8]>) -> Self {
        let atom = atom.as_ref();
        if atom.is_empty() || !atom.iter().copied().all(is_atom_octet) {
            return self.fail(CommandError::NotAnAtom);
        }
        self.append(atom)
    }

    /// A number.
    #[must_use]
    pub fn number(self, number: u64) -> Self {
        self.append(number.to_string().as_bytes())
    }

    /// A string: as an atom if it is one, else quoted, else (CR, LF or 8-bit octets) as a
    /// literal. Cannot hold a NUL.
    #[must_use]
    pub fn astring(self, octets: impl AsRef<[u8]>) -> Self {
        let octets = octets.as_ref();
        // An unquoted NIL is no string (RFC 9051 §4.5).
        let is_atom = !octets.is_empty()
            && octets.iter().copied().all(is_atom_octet)
            && !octets.eq_ignore_ascii_case(b"NIL");
        if is_atom { self.append(octets) } else { self.string(octets) }
    }

    /// A string, never as an atom: quoted, or (CR, LF or 8-bit octets) as a literal. Cannot
    /// hold a NUL.
    #[must_use]
    pub fn string(self, octets: impl AsRef<[u8]>) -> Self {
        let octets = octets.as_ref();
        if octets.contains(&0) {
            return self.fail(CommandError::Nul);
        }
        if octets.iter().any(|b| matches!(b, b'\r' | b'\n' | 0x80..)) {
            return self.literal(octets);
        }
        let mut quoted = Vec::with_capacity(octets.len() + 2);
        quoted.push(b'"');
        for octet in octets {
            if matches!(octet, b'"' | b'\\') {
                quoted.push(b'\\');
            }
            quoted.push(*octet);
        }
        quoted.push(b'"');
        self.append(&quoted)
    }

    /// The name of a mailbox, its octets as the server knows them.
    #[must_use]
    pub fn mailbox(self, name: impl AsRef<[u8]>) -> Self {
        self.astring(name)
    }

    /// Flags and keywords in parentheses.
    #[must_use]
    pub fn flags<I>(mut self, flags: I) -> Self
    where
        I: IntoIterator,
        I::Item: AsRef<[u8]>,
    {
        let mut list = vec![b'('];
        for flag in flags {
            let flag = flag.as_ref();
            if !is_flag(flag) {
                self = self.fail(CommandError::NotAFlag);
                continue;
            }
            if list.len() > 1 {
                list.push(b' ');
            }
            list.extend_from_slice(flag);
        }
        list.push(b')');
        self.append(&list)
    }

    /// A set of UIDs or message numbers.
    #[must_use]
    pub fn uid_set(self, set: &UidSet) -> Self {
        if set.is_empty() {
            return self.fail(CommandError::EmptySet);
        }
        self.append(set.to_string().as_bytes())
    }

    /// A literal with these octets.
    #[must_use]
    pub fn literal(mut self, octets: impl Into<Vec<u8>>) -> Self {
        self.pieces.push(Piece::Literal { octets: octets.into() });
        self
    }

    /// A literal of which only the length is known now, in octets.
    #[must_use]
    pub fn streamed_literal(mut self, len: u64) -> Self {
        self.pieces.push(Piece::StreamedLiteral { len });
        self
    }

    /// The `~` that makes a literal8 of the literal that must follow (RFC 9051 §9:
    /// literal8).
    #[must_use]
    pub fn tilde(self) -> Self {
        self.append(b"~")
    }

    fn append(mut self, bytes: &[u8]) -> Self {
        if let Some(Piece::Bytes(line)) = self.pieces.last_mut() {
            line.extend_from_slice(bytes);
        } else {
            self.pieces.push(Piece::Bytes(bytes.into()));
        }
        self
    }

    fn fail(mut self, fault: CommandError) -> Self {
        self.fault.get_or_insert(fault);
        self
    }
}

impl fmt::Debug for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_sensitive() {
            return write!(f, "{} ***", self.name.escape_debug());
        }
        for piece in &self.pieces {
            write!(f, "{piece:?}")?;
        }
        self.fault.map_or(Ok(()), |fault| write!(f, " ({fault})"))
    }
}

/// Literals by their length only: a trace must not hold mail.
impl fmt::Debug for Piece {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bytes(bytes) => write!(f, "{}", bytes.escape_ascii()),
            Self::Literal { octets } => write!(f, "{{{}}}", octets.len()),
            Self::StreamedLiteral { len } => write!(f, "{{{len}}}"),
        }
    }
}

fn breaks_line(octet: u8) -> bool {
    matches!(octet, b'\r' | b'\n' | 0)
}

/// RFC 9051 §9: ATOM-CHAR, which has no `]`.
fn is_atom_octet(octet: u8) -> bool {
    octet.is_ascii_graphic()
        && !matches!(octet, b'(' | b')' | b'{' | b'%' | b'*' | b'"' | b'\\' | b']')
}

/// Whether a command can name this flag: `\` and an atom, or a keyword. `]` is let through:
/// Gmail has such keywords.
#[must_use]
pub fn is_flag(flag: &[u8]) -> bool {
    let word = flag.strip_prefix(b"\\").unwrap_or(flag);
    !word.is_empty() && word.iter().all(|b| is_atom_octet(*b) || *b == b']')
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::*;

    fn bytes(text: &str) -> Piece {
        Piece::Bytes(text.into())
    }

    fn literal(octets: &[u8]) -> Piece {
        Piece::Literal { octets: octets.into() }
    }

    #[test]
    fn an_append_is_built_as_in_rfc_9051() {
        let append = Command::new("APPEND")
            .sp()
            .mailbox("saved-messages")
            .sp()
            .flags(["\\Seen", "$Forwarded"])
            .sp()
            .string("17-Jul-1996 02:44:25 -0700")
            .sp()
            .streamed_literal(310);
        let line = "APPEND saved-messages (\\Seen $Forwarded) \"17-Jul-1996 02:44:25 -0700\" ";
        let expected = [bytes(line), Piece::StreamedLiteral { len: 310 }];
        assert_eq!(append.into_pieces().unwrap(), expected);
        assert_eq!(literal_header(310, LiteralSync::Wait), b"{310}\r\n");
        assert_eq!(literal_header(310, LiteralSync::AtOnce), b"{310+}\r\n");
    }

    #[test]
    fn a_fetch_is_built_from_any_words() {
        let set = UidSet::parse(b"1:3,7:*").unwrap();
        let fetch = Command::new("UID FETCH").sp().uid_set(&set).sp().raw("(UID FLAGS)");
        assert_eq!(fetch.pieces().unwrap(), [bytes("UID FETCH 1:3,7:* (UID FLAGS)")]);
        assert_eq!(format!("{fetch:?}"), "UID FETCH 1:3,7:* (UID FLAGS)");
    }

    #[test]
    fn a_string_takes_the_shape_its_octets_need() {
        let astring = |octets: &[u8]| Command::new("X").sp().astring(octets).into_pieces().unwrap();
        assert_eq!(astring(b"INBOX"), [bytes("X INBOX")]);
        assert_eq!(astring(b""), [bytes("X \"\"")]);
        assert_eq!(astring(b"nil"), [bytes("X \"nil\"")]);
        assert_eq!(astring(b"a b"), [bytes("X \"a b\"")]);
        assert_eq!(astring(b"a\"b\\c"), [bytes("X \"a\\\"b\\\\c\"")]);
        assert_eq!(astring(b"[Gmail]/Sent"), [bytes("X \"[Gmail]/Sent\"")]);
        assert_eq!(astring(b"a\r\nb"), [bytes("X "), literal(b"a\r\nb")]);
        assert_eq!(astring("é".as_bytes()), [bytes("X "), literal("é".as_bytes())]);
    }

    #[test]
    fn what_would_break_the_line_is_refused() {
        let fault = |command: Command| command.into_pieces().unwrap_err();
        assert_eq!(fault(Command::new("X").astring(b"a\0b")), CommandError::Nul);
        assert_eq!(fault(Command::new("X\r\nY")), CommandError::LineBreak);
        assert_eq!(fault(Command::new("X").raw("a\nb")), CommandError::LineBreak);
        assert_eq!(fault(Command::new("X").atom("a b").astring(b"\0")), CommandError::NotAnAtom);
        assert_eq!(fault(Command::new("X").uid_set(&UidSet::new())), CommandError::EmptySet);
        for flag in ["", "\\", "\\\\Seen", "a b", "a)", "\\*", "a\r\nb", "ü", "a{1}"] {
            assert_eq!(fault(Command::new("X").flags([flag])), CommandError::NotAFlag, "{flag}");
        }
    }

    #[test]
    fn keywords_with_brackets_are_let_through() {
        let store = Command::new("X").sp().flags(["[Gmail]", "a]b", "\\Seen"]);
        assert_eq!(store.into_pieces().unwrap(), [bytes("X ([Gmail] a]b \\Seen)")]);
    }

    #[test]
    fn a_literal8_has_its_tilde() {
        let append = Command::new("APPEND x").sp().tilde().literal(*b"a\0b");
        assert_eq!(append.into_pieces().unwrap(), [bytes("APPEND x ~"), literal(b"a\0b")]);
    }

    #[test]
    fn a_sensitive_command_shows_no_argument() {
        let login = Command::new("LOGIN").sp().astring("me").sp().astring("s3cret").sensitive();
        assert_eq!(format!("{login:?}"), "LOGIN ***");
        let mail = Command::new("APPEND x").sp().literal(*b"private");
        assert_eq!(format!("{mail:?}"), "APPEND x {7}");
    }

    proptest! {
        #[test]
        fn no_argument_leaves_its_line(octets: Vec<u8>, text: String) {
            let built = [
                Command::new("X").astring(&octets),
                Command::new("X").string(&octets),
                Command::new("X").mailbox(&octets),
                Command::new("X").atom(&octets),
                Command::new("X").flags([&octets]),
                Command::new(&text).raw(&text),
            ];
            for pieces in built.into_iter().filter_map(|command| command.into_pieces().ok()) {
                for piece in pieces {
                    if let Piece::Bytes(line) = piece {
                        prop_assert!(!line.iter().copied().any(breaks_line));
                    }
                }
            }
        }
    }
}

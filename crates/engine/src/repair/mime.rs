//! Where a line of a message stands: walks through its parts (RFC 2046 §5.1).
//!
//! What is not well formed is not guessed at: such a part is walked over and left alone.

use super::content_type::{ContentType, Encoding, content_type, encoding};
use super::head::{Kind, is_name, kind_of, name_of};
use super::lines::Piece;

/// Multiparts within multiparts that are entered.
const DEPTH_MAX: usize = 32;
/// Parts that are told apart; those behind them are left alone.
pub(super) const PARTS_MAX: u32 = 10_000;
/// Octets of a header field that are looked at; a longer one is not understood.
const FIELD_OCTETS_MAX: usize = 4096;
/// RFC 2046 §5.1.1 permits 70 octets; some programs use more.
const BOUNDARY_OCTETS_MAX: usize = 200;
/// Octets of a line that must come in one piece, so that no delimiter is missed.
pub(super) const DELIMITER_HOLD_OCTETS: usize = 1024;

/// Where a line stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// In the header of a part (the message itself is the first).
    Header(HeaderLine),
    /// In the body of a part that could be encoded otherwise.
    Leaf,
    /// At such a body's line that could be taken for a delimiter and is none.
    Doubtful,
    /// A delimiter, what precedes or follows the parts, or a body that is left alone.
    Elsewhere,
}

/// What a line of a header is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum HeaderLine {
    /// Of a Content-Transfer-Encoding field.
    Encoding,
    /// The empty line.
    End,
    /// Of any other field.
    Other,
}

/// How the body of a part could be encoded otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Treatment {
    /// A text that is not encoded can be quoted-printable.
    QuotedPrintable,
    /// Quoted-printable can have more soft line breaks.
    SoftBreaks,
    /// Base64 can have more line breaks.
    Base64Lines,
}

/// Walks through a message.
#[derive(Clone, Debug)]
pub(super) struct Walker {
    boundaries: Vec<Boundary>,
    place: Place,
    part: Part,
    /// Parts that began.
    parts: u32,
}

#[derive(Clone, Debug)]
struct Boundary {
    /// `--` and the boundary.
    marker: Vec<u8>,
    unsaid: Unsaid,
}

/// What a part is whose header does not say (RFC 2046 §5.1.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unsaid {
    Text,
    Message,
}

/// The part whose header or body is being read.
#[derive(Clone, Debug)]
struct Part {
    role: Role,
    unsaid: Unsaid,
    content_type: Capture,
    encoding: Capture,
    mime_version: Capture,
    /// The field that a continuation line belongs to.
    open: Open,
    treatment: Option<Treatment>,
}

/// Whose header a part's header is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    Message,
    PartOfOne,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Open {
    /// None yet.
    Nothing,
    ContentType,
    Encoding,
    Other,
}

/// The value of a header field.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Capture {
    Missing,
    Value(Vec<u8>),
    /// There are two, or it is too long.
    Unclear,
}

impl Capture {
    fn begin(&mut self, value: &[u8]) {
        *self = match self {
            Self::Missing => Self::Value(Vec::new()),
            Self::Value(_) | Self::Unclear => Self::Unclear,
        };
        self.go_on(value);
    }

    fn go_on(&mut self, octets: &[u8]) {
        if let Self::Value(value) = self {
            if value.len() + octets.len() > FIELD_OCTETS_MAX {
                *self = Self::Unclear;
            } else {
                value.extend_from_slice(octets);
            }
        }
    }
}

impl Part {
    fn new(role: Role, unsaid: Unsaid) -> Self {
        Self {
            role,
            unsaid,
            content_type: Capture::Missing,
            encoding: Capture::Missing,
            mime_version: Capture::Missing,
            open: Open::Nothing,
            treatment: None,
        }
    }

    /// Its header has a line that some readers take for the beginning of the body.
    fn make_unclear(&mut self) {
        self.content_type = Capture::Unclear;
        self.encoding = Capture::Unclear;
    }

    /// `None` where it cannot be known.
    fn content_type(&self) -> Option<ContentType> {
        match (&self.content_type, self.unsaid) {
            (Capture::Missing, Unsaid::Text) => content_type(b"text/plain"),
            (Capture::Missing, Unsaid::Message) => content_type(b"message/rfc822"),
            (Capture::Value(value), _) => content_type(value),
            (Capture::Unclear, _) => None,
        }
    }

    fn encoding(&self) -> Encoding {
        match &self.encoding {
            Capture::Missing => Encoding::Identity,
            Capture::Value(value) => encoding(value),
            Capture::Unclear => Encoding::Other,
        }
    }
}

impl Walker {
    pub(super) fn new() -> Self {
        Self {
            boundaries: Vec::new(),
            place: Place::Header(HeaderLine::Other),
            part: Part::new(Role::Message, Unsaid::Text),
            parts: 1,
        }
    }

    /// The number of the part whose header or body is being read, from 0.
    pub(super) fn part(&self) -> u32 {
        self.parts - 1
    }

    /// How the body of this part could be encoded otherwise; known behind its header.
    pub(super) fn treatment(&self) -> Option<Treatment> {
        self.part.treatment
    }

    /// Whether this is a message, not a part of one, and says no MIME-Version (RFC 2045 §4).
    pub(super) fn lacks_mime_version(&self) -> bool {
        self.part.role == Role::Message && self.part.mime_version == Capture::Missing
    }

    /// Takes the next piece; tells where it stands. Pieces of one line stand at one place.
    pub(super) fn take(&mut self, piece: Piece<'_>) -> Place {
        let Some(line) = piece.beginning() else {
            if matches!(self.place, Place::Header(_)) {
                self.go_on(piece.octets());
            }
            return self.place;
        };
        match self.delimiter(piece, line) {
            Delimiter::Begins(depth) => {
                self.boundaries.truncate(depth + 1);
                let unsaid = self.boundaries[depth].unsaid;
                self.begin_part(Role::PartOfOne, unsaid);
                return Place::Elsewhere;
            }
            Delimiter::Closes(depth) => {
                self.boundaries.truncate(depth);
                self.place = Place::Elsewhere;
                return Place::Elsewhere;
            }
            Delimiter::Doubtful if matches!(self.place, Place::Leaf | Place::Doubtful) => {
                self.place = Place::Doubtful;
                return Place::Doubtful;
            }
            Delimiter::Doubtful | Delimiter::None => {}
        }
        match self.place {
            Place::Header(_) => self.take_header_line(line),
            Place::Doubtful => {
                self.place = Place::Leaf;
                Place::Leaf
            }
            Place::Leaf | Place::Elsewhere => self.place,
        }
    }

    /// Whether the line parts two parts (RFC 2046 §5.1.1); blanks may follow the boundary.
    fn delimiter(&self, piece: Piece<'_>, line: &[u8]) -> Delimiter {
        let mut found = Delimiter::None;
        if !line.starts_with(b"--") {
            return found;
        }
        for (depth, boundary) in self.boundaries.iter().enumerate().rev() {
            let Some(rest) = line.strip_prefix(boundary.marker.as_slice()) else { continue };
            let whole = matches!(piece, Piece::Whole(_));
            if whole && rest.trim_ascii().is_empty() {
                return Delimiter::Begins(depth);
            }
            match rest.strip_prefix(b"--") {
                Some(end) if whole && end.trim_ascii().is_empty() => {
                    return Delimiter::Closes(depth);
                }
                _ => found = Delimiter::Doubtful,
            }
        }
        found
    }

    fn begin_part(&mut self, role: Role, unsaid: Unsaid) {
        if self.parts >= PARTS_MAX {
            self.place = Place::Elsewhere;
            self.boundaries.clear();
            return;
        }
        self.parts += 1;
        self.part = Part::new(role, unsaid);
        self.place = Place::Header(HeaderLine::Other);
    }

    fn take_header_line(&mut self, line: &[u8]) -> Place {
        let what = match kind_of(line) {
            Kind::Empty => {
                self.end_header();
                return Place::Header(HeaderLine::End);
            }
            Kind::Continuation { .. } => {
                self.go_on(line);
                match self.part.open {
                    Open::Encoding => HeaderLine::Encoding,
                    Open::ContentType | Open::Other => HeaderLine::Other,
                    Open::Nothing => {
                        self.part.make_unclear();
                        HeaderLine::Other
                    }
                }
            }
            Kind::Field { colon } => {
                let what = self.begin_field(name_of(line, colon), &line[colon + 1..]);
                // Also blanks before the colon, which RFC 5322 §4.5 has as obsolete.
                if !is_name(&line[..colon]) {
                    self.part.make_unclear();
                }
                what
            }
            Kind::Other => {
                self.part.open = Open::Other;
                self.part.make_unclear();
                HeaderLine::Other
            }
        };
        self.place = Place::Header(what);
        self.place
    }

    fn begin_field(&mut self, name: &[u8], value: &[u8]) -> HeaderLine {
        let part = &mut self.part;
        part.open = Open::Other;
        if name.eq_ignore_ascii_case(b"Content-Type") {
            part.open = Open::ContentType;
            part.content_type.begin(value);
        } else if name.eq_ignore_ascii_case(b"Content-Transfer-Encoding") {
            part.open = Open::Encoding;
            part.encoding.begin(value);
            return HeaderLine::Encoding;
        } else if name.eq_ignore_ascii_case(b"MIME-Version") {
            part.mime_version.begin(b"");
        }
        HeaderLine::Other
    }

    fn go_on(&mut self, octets: &[u8]) {
        match self.part.open {
            Open::ContentType => self.part.content_type.go_on(octets),
            Open::Encoding => self.part.encoding.go_on(octets),
            Open::Nothing | Open::Other => {}
        }
    }

    /// What follows a header, by what the header says.
    fn end_header(&mut self) {
        let encoding = self.part.encoding();
        self.place = Place::Elsewhere;
        let Some(content_type) = self.part.content_type() else { return };
        match content_type.main.as_slice() {
            b"multipart" => self.enter(content_type, encoding),
            b"message" => {
                if content_type.is("message", "rfc822") && encoding == Encoding::Identity {
                    self.begin_part(Role::Message, Unsaid::Text);
                }
            }
            _ => {
                self.part.treatment = treatment(&content_type, encoding);
                if self.part.treatment.is_some() {
                    self.place = Place::Leaf;
                }
            }
        }
    }

    /// Enters a multipart, unless what it holds is signed or encrypted (RFC 1847 §2): there no
    /// octet may change.
    fn enter(&mut self, content_type: ContentType, encoding: Encoding) {
        let sealed =
            content_type.is("multipart", "signed") || content_type.is("multipart", "encrypted");
        let unsaid = match content_type.sub.as_slice() {
            b"digest" => Unsaid::Message,
            _ => Unsaid::Text,
        };
        let Some(boundary) = content_type.boundary else { return };
        let fits = (1..=BOUNDARY_OCTETS_MAX).contains(&boundary.len());
        if sealed || !fits || encoding != Encoding::Identity || self.boundaries.len() >= DEPTH_MAX {
            return;
        }
        // Blanks at its end cannot be told from those that a server adds.
        let marker = [b"--", boundary.trim_ascii_end()].concat();
        self.boundaries.push(Boundary { marker, unsaid });
    }
}

/// What a line is to the multiparts around it; which of them is given by its depth.
enum Delimiter {
    None,
    Begins(usize),
    Closes(usize),
    /// It begins like one.
    Doubtful,
}

/// How a body that is no multipart and no message could be encoded otherwise (RFC 2045 §6.2).
fn treatment(content_type: &ContentType, encoding: Encoding) -> Option<Treatment> {
    // S/MIME and PGP: what is sealed stays as it is.
    const SEALED: [&str; 4] = ["pkcs7-mime", "x-pkcs7-mime", "pgp-encrypted", "pgp-signature"];
    if SEALED.iter().any(|sub| content_type.is("application", sub)) {
        return None;
    }
    match encoding {
        Encoding::Identity => (content_type.main == b"text").then_some(Treatment::QuotedPrintable),
        Encoding::QuotedPrintable => Some(Treatment::SoftBreaks),
        Encoding::Base64 => Some(Treatment::Base64Lines),
        Encoding::Other => None,
    }
}

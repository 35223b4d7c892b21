//! Lines of a body that are too long, by way of another encoding of its part.
//!
//! Which parts need it is known only behind their headers, which change with them: so a first
//! pass makes a plan, and a second one carries it out.

use super::encode::Encoder;
use super::lines::{Lines, Piece};
use super::mime::{DELIMITER_HOLD_OCTETS, HeaderLine, Place, Treatment, Walker};
use super::{Change, LineLimit, Transform};

const ENCODING_LINE: &[u8] = b"Content-Transfer-Encoding: quoted-printable\r\n";
const MIME_VERSION_LINE: &[u8] = b"MIME-Version: 1.0\r\n";

/// Which parts of one message are encoded otherwise; it holds for these octets only.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BodyPlan {
    /// Numbers of parts in the order of the message, at most 10,000.
    parts: Vec<(u32, Treatment)>,
}

impl BodyPlan {
    /// Whether no part is to be encoded otherwise.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }

    /// How many parts.
    #[must_use]
    pub fn len(&self) -> usize {
        self.parts.len()
    }
}

/// What could be done about too long lines in the body of a message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BodyPlans {
    /// Base64 gets more line breaks. No digest changes.
    pub base64: BodyPlan,
    /// What that comes to.
    pub base64_change: Change,
    /// Text becomes quoted-printable, and quoted-printable gets soft line breaks. The digest
    /// changes.
    pub text: BodyPlan,
    /// What that comes to.
    pub text_change: Change,
}

/// The first pass: looks for parts with lines that are too long.
#[derive(Clone, Debug)]
pub struct BodyScan {
    lines: Lines,
    measure: Measure,
}

#[derive(Clone, Debug)]
struct Measure {
    limit: usize,
    walker: Walker,
    /// Octets of the Content-Transfer-Encoding field in the header that is being read.
    encoding_octets: usize,
    leaf: Option<Leaf>,
    octets: u64,
    text: Sum,
    base64: Sum,
}

/// Parts that get one kind of treatment, and what goes and comes with them.
#[derive(Clone, Debug, Default)]
struct Sum {
    parts: Vec<(u32, Treatment)>,
    gone: u64,
    come: u64,
}

/// The body of a part that is being read.
#[derive(Clone, Debug)]
struct Leaf {
    part: u32,
    treatment: Treatment,
    encoder: Encoder,
    lines: LinesOf,
    gone: u64,
    come: u64,
    scratch: Vec<u8>,
}

/// What the lines of a body are like, the worst of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum LinesOf {
    Short,
    TooLong,
    /// Some could be delimiters to another reader.
    Doubtful,
}

impl BodyScan {
    /// `limit`: octets of a line, its CRLF not counted.
    #[must_use]
    pub fn new(limit: LineLimit) -> Self {
        let limit = limit.octets();
        let measure = Measure {
            limit,
            walker: Walker::new(),
            encoding_octets: 0,
            leaf: None,
            octets: 0,
            text: Sum::default(),
            base64: Sum::default(),
        };
        Self { lines: lines(limit), measure }
    }

    /// Takes the next octets. Memory is bounded, whatever the length of the message.
    pub fn push(&mut self, chunk: &[u8]) {
        self.measure.octets += chunk.len() as u64;
        self.lines.push(chunk, |piece| self.measure.take(piece));
    }

    /// What was found.
    #[must_use]
    pub fn finish(mut self) -> BodyPlans {
        self.lines.finish(|piece| self.measure.take(piece));
        self.measure.close();
        let Measure { octets, text, base64, .. } = self.measure;
        let change = |sum: &Sum| Change {
            edits: sum.parts.len() as u64,
            octets_after: (octets + sum.come).saturating_sub(sum.gone),
        };
        BodyPlans {
            base64_change: change(&base64),
            base64: BodyPlan { parts: base64.parts },
            text_change: change(&text),
            text: BodyPlan { parts: text.parts },
        }
    }
}

impl Measure {
    fn take(&mut self, piece: Piece<'_>) {
        let part = self.walker.part();
        match self.walker.take(piece) {
            Place::Header(HeaderLine::Encoding) => self.encoding_octets += piece.octets().len(),
            Place::Header(HeaderLine::Other) => {}
            Place::Header(HeaderLine::End) => self.open(part),
            Place::Leaf => self.measure(piece, LinesOf::Short),
            Place::Doubtful => self.measure(piece, LinesOf::Doubtful),
            Place::Elsewhere => {
                self.close();
                self.encoding_octets = 0;
            }
        }
    }

    /// The header of `part` ended.
    fn open(&mut self, part: u32) {
        let encoding_octets = std::mem::take(&mut self.encoding_octets) as u64;
        let treatment = self.walker.treatment().filter(|_| self.walker.part() == part);
        let Some(treatment) = treatment else { return };
        let mut leaf = Leaf {
            part,
            treatment,
            encoder: Encoder::new(treatment),
            lines: LinesOf::Short,
            gone: 0,
            come: 0,
            scratch: Vec::new(),
        };
        if treatment == Treatment::QuotedPrintable {
            let lacking = self.walker.lacks_mime_version();
            let version = if lacking { MIME_VERSION_LINE.len() } else { 0 };
            leaf.gone = encoding_octets;
            leaf.come = (ENCODING_LINE.len() + version) as u64;
        }
        self.leaf = Some(leaf);
    }

    fn measure(&mut self, piece: Piece<'_>, lines: LinesOf) {
        let Some(leaf) = &mut self.leaf else { return };
        leaf.lines = leaf.lines.max(lines);
        if piece.beginning().is_some() && piece.is_longer_than(self.limit) {
            leaf.lines = leaf.lines.max(LinesOf::TooLong);
        }
        leaf.encoder.take(piece, self.limit, &mut leaf.scratch);
        leaf.gone += piece.octets().len() as u64;
        leaf.come += leaf.scratch.len() as u64;
        leaf.scratch.clear();
    }

    fn close(&mut self) {
        let Some(mut leaf) = self.leaf.take() else { return };
        leaf.encoder.finish(&mut leaf.scratch);
        leaf.come += leaf.scratch.len() as u64;
        if leaf.lines != LinesOf::TooLong || !leaf.encoder.has_changed() {
            return;
        }
        let sum = match leaf.treatment {
            Treatment::Base64Lines => &mut self.base64,
            Treatment::QuotedPrintable | Treatment::SoftBreaks => &mut self.text,
        };
        sum.parts.push((leaf.part, leaf.treatment));
        sum.gone += leaf.gone;
        sum.come += leaf.come;
    }
}

/// The second pass: encodes the parts of a plan otherwise.
///
/// Text whose octets stood as they are becomes quoted-printable, with its
/// Content-Transfer-Encoding changed or added, and MIME-Version where the message says none;
/// quoted-printable gets soft line breaks in lines that are too long, base64 line ends. Decoding
/// gives the same octets as before. Nothing changes within multipart/signed,
/// multipart/encrypted (RFC 1847 §2), S/MIME and PGP parts, nor in a part that is not
/// well formed.
#[derive(Clone, Debug)]
pub struct EncodeBody {
    lines: Lines,
    state: State,
}

#[derive(Clone, Debug)]
struct State {
    limit: usize,
    walker: Walker,
    plan: std::vec::IntoIter<(u32, Treatment)>,
    next: Option<(u32, Treatment)>,
    encoding: EncodingLine,
    encoder: Option<Encoder>,
    edits: u64,
}

/// Whether the header that is being changed has its new line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum EncodingLine {
    Outstanding,
    Written,
}

impl EncodeBody {
    /// `plan`: what [`BodyScan`] found in the same octets, with the same limit.
    #[must_use]
    pub fn new(plan: BodyPlan, limit: LineLimit) -> Self {
        let limit = limit.octets();
        let mut plan = plan.parts.into_iter();
        let next = plan.next();
        let state = State {
            limit,
            walker: Walker::new(),
            plan,
            next,
            encoding: EncodingLine::Outstanding,
            encoder: None,
            edits: 0,
        };
        Self { lines: lines(limit), state }
    }
}

impl Transform for EncodeBody {
    fn push(&mut self, chunk: &[u8], out: &mut Vec<u8>) {
        self.lines.push(chunk, |piece| self.state.take(piece, out));
    }

    fn finish(&mut self, out: &mut Vec<u8>) {
        self.lines.finish(|piece| self.state.take(piece, out));
        self.state.close(out);
    }

    fn edits(&self) -> u64 {
        self.state.edits
    }
}

impl State {
    fn take(&mut self, piece: Piece<'_>, out: &mut Vec<u8>) {
        let part = self.walker.part();
        let treatment = self.next.filter(|next| next.0 == part).map(|next| next.1);
        let place = self.walker.take(piece);
        let requoted = treatment == Some(Treatment::QuotedPrintable);
        match place {
            Place::Header(HeaderLine::Encoding) if requoted => {
                self.write_encoding(out);
                return;
            }
            Place::Header(HeaderLine::End) => {
                if requoted {
                    self.write_encoding(out);
                    if self.walker.lacks_mime_version() {
                        out.extend_from_slice(MIME_VERSION_LINE);
                    }
                }
                if let Some(treatment) = treatment {
                    self.encoder = Some(Encoder::new(treatment));
                    self.edits += 1;
                    self.next = self.plan.next();
                }
                self.encoding = EncodingLine::Outstanding;
            }
            Place::Leaf | Place::Doubtful => {
                if let Some(encoder) = &mut self.encoder {
                    encoder.take(piece, self.limit, out);
                    return;
                }
            }
            Place::Elsewhere => self.close(out),
            Place::Header(_) => {}
        }
        out.extend_from_slice(piece.octets());
    }

    fn write_encoding(&mut self, out: &mut Vec<u8>) {
        if self.encoding == EncodingLine::Outstanding {
            out.extend_from_slice(ENCODING_LINE);
            self.encoding = EncodingLine::Written;
        }
    }

    fn close(&mut self, out: &mut Vec<u8>) {
        if let Some(mut encoder) = self.encoder.take() {
            encoder.finish(out);
        }
    }
}

/// So much of a line comes in one piece that its length and a delimiter can be known.
fn lines(limit: usize) -> Lines {
    Lines::new((limit + 2).max(DELIMITER_HOLD_OCTETS))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: fn() -> LineLimit = || LineLimit::new(76);

    fn plans(message: &[u8]) -> BodyPlans {
        let mut scan = BodyScan::new(LIMIT());
        scan.push(message);
        scan.finish()
    }

    fn encoded(message: &str) -> String {
        let plan = plans(message.as_bytes()).text;
        let encode = EncodeBody::new(plan, LIMIT());
        let out = super::super::transformed(encode, message.as_bytes());
        String::from_utf8_lossy(&out).into_owned()
    }

    fn long(octets: usize) -> String {
        "w".repeat(octets)
    }

    fn quoted_long() -> String {
        format!("{}=\r\n{}", long(75), long(25))
    }

    #[test]
    fn a_plain_message_becomes_quoted_printable() {
        let message = format!("Subject: a\r\n\r\n1=1\r\n{}\r\n", long(100));
        let expected = format!(
            "Subject: a\r\nContent-Transfer-Encoding: quoted-printable\r\nMIME-Version: 1.0\r\n\
             \r\n1=3D1\r\n{}\r\n",
            quoted_long()
        );
        assert_eq!(encoded(&message), expected);
        assert_eq!(encoded(&expected), expected);
    }

    #[test]
    fn in_a_multipart_only_the_part_with_the_long_line_changes() {
        let inner = format!(
            "--b\r\nContent-Type: text/plain\r\n\r\nshort = short\r\n\
             --b\r\nContent-Transfer-Encoding: 8bit\r\n folded\r\n\r\n{0}\r\n\
             --b\r\nContent-Type: text/html\r\ncontent-transfer-encoding:\r\n 8Bit\r\nX: y\r\n\r\n{0}\r\n\
             --b--\r\nepilogue {0}\r\n",
            long(100)
        );
        let head = "MIME-Version: 1.0\r\nContent-Type: multipart/mixed;\r\n boundary=b\r\n\r\n";
        let message = format!("{head}{inner}");
        let expected = message.replacen(
            &format!("content-transfer-encoding:\r\n 8Bit\r\nX: y\r\n\r\n{}", long(100)),
            &format!(
                "Content-Transfer-Encoding: quoted-printable\r\nX: y\r\n\r\n{}",
                quoted_long()
            ),
            1,
        );
        assert_ne!(expected, message);
        assert_eq!(encoded(&message), expected);
    }

    #[test]
    fn a_forwarded_message_is_entered_and_a_signed_one_is_not() {
        let text = format!("Content-Type: text/plain\r\n\r\n{}\r\n", long(100));
        let forwarded = format!("Content-Type: message/rfc822\r\n\r\nSubject: b\r\n{text}");
        assert!(encoded(&forwarded).ends_with(&format!("\r\n\r\n{}\r\n", quoted_long())));
        for sealed in ["signed", "encrypted"] {
            let message = format!(
                "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=o\r\n\r\n\
                 --o\r\nContent-Type: multipart/{sealed}; boundary=i\r\n\r\n--i\r\n{text}--i--\r\n\
                 --o\r\nContent-Type: application/pkcs7-mime\r\n\
                 Content-Transfer-Encoding: base64\r\n\r\n{}\r\n--o--\r\n",
                long(100)
            );
            let found = plans(message.as_bytes());
            assert!(found.text.is_empty() && found.base64.is_empty());
            let with_open = message.replace("--o--", &format!("--o\r\n{text}--o--"));
            assert_eq!(plans(with_open.as_bytes()).text.len(), 1);
        }
    }

    #[test]
    fn base64_is_wrapped_and_its_header_stays() {
        let head = "Content-Type: image/png\r\nContent-Transfer-Encoding: BASE64\r\n\r\n";
        let message = format!("{head}{}\r\n", long(100));
        let found = plans(message.as_bytes());
        assert!(found.text.is_empty());
        let encode = EncodeBody::new(found.base64, LIMIT());
        let out = super::super::transformed(encode, message.as_bytes());
        let expected = format!("{head}{}\r\n{}\r\n", long(76), long(24));
        assert_eq!(String::from_utf8_lossy(&out), expected);
        assert_eq!(found.base64_change.octets_after, expected.len() as u64);
    }

    #[test]
    fn what_another_reader_may_take_for_a_delimiter_is_not_touched() {
        let message = format!(
            "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\n{}\r\n--bc\r\n--b--\r\n",
            long(100)
        );
        assert!(plans(message.as_bytes()).text.is_empty());
        assert_eq!(plans(message.replace("--bc", "--c").as_bytes()).text.len(), 1);
    }

    #[test]
    fn what_is_unclear_is_not_touched() {
        for header in [
            "Content-Type: ;;;=\"\r\n",
            "Content-Type: text/plain\r\nContent-Type: text/html\r\n",
            "Content-Transfer-Encoding: 8bit\r\nContent-Transfer-Encoding: 7bit\r\n",
            "Content-Transfer-Encoding: binary\r\n",
            "Content-Type: multipart/mixed\r\n",
            "Content-Type: application/octet-stream\r\n",
            "Content-Type: message/delivery-status\r\n",
            "Subject: x\r\nno colon\r\n",
            "Subject : x\r\n",
            " continues nothing\r\nSubject: x\r\n",
            "From a@b Sun Sep 13 12:26:40 2020\r\nSubject: x\r\n",
        ] {
            let message = format!("{header}\r\n{}\r\n", long(100));
            assert!(plans(message.as_bytes()).text.is_empty(), "{header}");
        }
    }

    #[test]
    fn parts_beyond_the_limits_are_left_alone() {
        let mut many = String::from("Content-Type: multipart/mixed; boundary=b\r\n\r\n");
        for _ in 0..super::super::mime::PARTS_MAX + 10 {
            many += "--b\r\n\r\nx\r\n";
        }
        many += &format!("--b\r\n\r\n{}\r\n--b--\r\n", long(100));
        assert!(plans(many.as_bytes()).text.is_empty());
        let mut deep = format!("\r\n{}\r\n", long(100));
        for level in 0..40 {
            deep = format!(
                "Content-Type: multipart/mixed; boundary=b{level:02}\r\n\r\n--b{level:02}\r\n{deep}"
            );
        }
        assert!(plans(deep.as_bytes()).text.is_empty());
    }
}

//! What is made of a message before it is sent, and which messages their content leaves out
//! (`docs/design/transform.md`).
//!
//! The order is imapsync's: rules that leave out, rules that rewrite, commands, the Message-Id that
//! `--addheader` puts before it, cutting, rules about line length, the date. A message is sent whole
//! as all of them made it, or not at all.

pub(crate) mod gather;
pub(crate) mod identity;
mod lines;
mod pipe;
pub(crate) mod work;

use std::fmt;
use std::sync::{Arc, Mutex};

use mailferry_engine::message::{InternalDate, Uid};
use mailferry_engine::name::MailboxName;
use mailferry_engine::repair::{DisarmReceipts, Transform as _, header_date};

pub use self::lines::{LineLength, LineRule};
pub use self::pipe::{OUTPUT_OCTETS_MAX, PIPE_TIME_MAX, Pipe, PipeError};
use crate::copy::{AddHeader, header_end, header_line, is_unidentified};

/// The largest message that rules are applied to, in octets.
pub const TRANSFORM_OCTETS_MAX: u64 = 256 << 20;

/// A rule by which messages are left out for their content.
pub trait MessageTest {
    /// What the user wrote, by which reports name it.
    fn rule(&self) -> &str;

    /// Whether the message is left out.
    ///
    /// # Errors
    /// It came to no result.
    fn matches(&self, message: &[u8]) -> Result<bool, NoResult>;
}

/// A rule that rewrites messages.
pub trait MessageRewrite {
    /// What the user wrote, by which reports name it.
    fn rule(&self) -> &str;

    /// What becomes of a message of that mailbox of the source.
    ///
    /// # Errors
    /// It came to no result.
    fn rewrite(&self, message: Vec<u8>, mailbox: &MailboxName) -> Result<Vec<u8>, NoResult>;
}

/// A rule came to no result, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoResult(pub String);

/// Owned rules.
pub type Test = Arc<dyn MessageTest + Send + Sync>;
/// The same.
pub type Rewrite = Arc<dyn MessageRewrite + Send + Sync>;

/// Is shown a message: its mailbox on the source, its UID there, and its octets.
pub type Show = Arc<dyn Fn(&MailboxName, Uid, &[u8]) + Send + Sync>;

/// Everything that is done with the content of messages before they are sent.
#[derive(Clone, Default)]
pub struct Transform {
    /// A message that one of these matches is left out.
    pub skip: Vec<Test>,
    /// These rewrite it, one after the other.
    pub rewrites: Vec<Rewrite>,
    /// Whether requests for read receipts are disarmed.
    pub receipts: Receipts,
    /// Commands that it goes through.
    pub pipes: Vec<Pipe>,
    /// Octets after which it is cut.
    pub cut_at: Option<u64>,
    /// What its longest line decides.
    pub lines: LineRule,
    /// Where the date of the copy comes from.
    pub date: DateFrom,
    /// Who is shown each message as it is sent.
    pub show: Option<Show>,
    /// Large messages are gone over one at a time.
    pub gate: Arc<Mutex<()>>,
}

/// Whether requests for read receipts are disarmed (RFC 8098 §2.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Receipts {
    /// They stay.
    #[default]
    Leave,
    /// Their headers get another name.
    Disarm,
}

/// Where the INTERNALDATE of a copy comes from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DateFrom {
    /// From the listing, or as [`crate::job::Dates`] says.
    #[default]
    Listing,
    /// From the Date header as it is sent, if it has one that can be read.
    Header,
}

/// A message, and what is to be known of it.
#[derive(Clone, Debug)]
pub(crate) struct Subject {
    pub(crate) mailbox: MailboxName,
    pub(crate) uid: Uid,
    pub(crate) header: AddHeader,
}

/// What a message is gone over for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// It is sent.
    Sending,
    /// Its copy is to be recognised: whatever would be left out now may have been sent before.
    Recognising,
}

/// What became of a message.
#[derive(Debug)]
pub(crate) enum Made {
    Message {
        octets: Vec<u8>,
        date: Option<InternalDate>,
        /// What commands wrote to their standard error.
        said: Vec<Said>,
    },
    /// The rule that left it out.
    LeftOut(String),
}

/// What a command wrote to its standard error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Said {
    pub(crate) command: String,
    pub(crate) words: String,
}

/// A rule that could not be carried out: the message is not sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failed {
    pub(crate) rule: String,
    pub(crate) words: String,
}

impl Failed {
    fn new(rule: &str, words: impl Into<String>) -> Self {
        Self { rule: rule.to_owned(), words: words.into() }
    }
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.rule, self.words)
    }
}

impl Transform {
    /// Whether it does nothing at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.skip.is_empty()
            && self.rewrites.is_empty()
            && self.receipts == Receipts::Leave
            && self.pipes.is_empty()
            && self.cut_at.is_none()
            && self.lines == LineRule::default()
            && self.date == DateFrom::Listing
            && self.show.is_none()
    }

    /// Applies every rule in its order.
    pub(crate) fn apply(
        &self,
        original: &[u8],
        subject: &Subject,
        purpose: Purpose,
    ) -> Result<Made, Failed> {
        let sending = purpose == Purpose::Sending;
        if sending && let Some(rule) = self.left_out(original)? {
            return Ok(Made::LeftOut(rule));
        }
        let mut said = Vec::new();
        let mut octets = original.to_vec();
        for rule in &self.rewrites {
            octets = not_empty(rule.rule(), original, {
                let made = rule.rewrite(octets, &subject.mailbox);
                made.map_err(|NoResult(words)| Failed::new(rule.rule(), words))?
            })?;
        }
        if self.receipts == Receipts::Disarm {
            octets = disarmed(&octets);
        }
        for pipe in &self.pipes {
            octets = through(pipe, &octets, &mut said)?;
        }
        if subject.header == AddHeader::IfUnidentified && is_unidentified(&octets) {
            octets = [&header_line(subject.uid)[..], &octets].concat();
        }
        if let Some(limit) = self.cut_at {
            octets.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
        }
        match self.lines.verdict(&octets) {
            lines::Verdict::Fits => {}
            lines::Verdict::Through(pipe) => octets = through(pipe, &octets, &mut said)?,
            lines::Verdict::LeftOut(rule) if sending => {
                return Ok(Made::LeftOut(rule.to_owned()));
            }
            lines::Verdict::LeftOut(_) => {}
        }
        if octets != original {
            octets = with_crlf(octets);
        }
        let date = match self.date {
            DateFrom::Listing => None,
            DateFrom::Header => date_of(&octets),
        };
        if let Some(show) = self.show.as_ref().filter(|_| sending) {
            show(&subject.mailbox, subject.uid, &octets);
        }
        Ok(Made::Message { octets, date, said })
    }

    /// The rule that leaves a message out.
    fn left_out(&self, message: &[u8]) -> Result<Option<String>, Failed> {
        for test in &self.skip {
            match test.matches(message) {
                Ok(true) => return Ok(Some(test.rule().to_owned())),
                Ok(false) => {}
                Err(NoResult(words)) => return Err(Failed::new(test.rule(), words)),
            }
        }
        Ok(None)
    }
}

/// Nothing is sent where nothing is left.
fn not_empty(rule: &str, original: &[u8], octets: Vec<u8>) -> Result<Vec<u8>, Failed> {
    if octets.is_empty() && !original.is_empty() {
        return Err(Failed::new(rule, "it leaves nothing of the message"));
    }
    Ok(octets)
}

fn through(pipe: &Pipe, octets: &[u8], said: &mut Vec<Said>) -> Result<Vec<u8>, Failed> {
    let piped = pipe.run(octets);
    let piped = piped.map_err(|error| Failed::new(pipe.rule(), error.to_string()))?;
    if !piped.said.is_empty() {
        said.push(Said { command: pipe.rule().to_owned(), words: piped.said });
    }
    Ok(piped.octets)
}

fn disarmed(octets: &[u8]) -> Vec<u8> {
    let mut disarm = DisarmReceipts::new();
    let mut out = Vec::with_capacity(octets.len() + 8);
    disarm.push(octets, &mut out);
    disarm.finish(&mut out);
    out
}

/// A message that was altered goes with CRLF for each bare LF, as imapsync sends all of them.
fn with_crlf(octets: Vec<u8>) -> Vec<u8> {
    let bare = |at: usize| octets[at] == b'\n' && (at == 0 || octets[at - 1] != b'\r');
    let count = (0..octets.len()).filter(|&at| bare(at)).count();
    if count == 0 {
        return octets;
    }
    let mut out = Vec::with_capacity(octets.len() + count);
    for (at, &octet) in octets.iter().enumerate() {
        if bare(at) {
            out.push(b'\r');
        }
        out.push(octet);
    }
    out
}

/// The date of the first Date line of a header.
fn date_of(octets: &[u8]) -> Option<InternalDate> {
    let header = &octets[..header_end(octets).unwrap_or(octets.len())];
    let mut lines = header.split(|&octet| octet == b'\n').peekable();
    while let Some(line) = lines.next() {
        let Some((name, value)) = line.split_at_checked(5) else { continue };
        if !name.eq_ignore_ascii_case(b"Date:") {
            continue;
        }
        let mut value = value.to_vec();
        while let Some(more) =
            lines.next_if(|line| line.starts_with(b" ") || line.starts_with(b"\t"))
        {
            value.extend_from_slice(more);
        }
        return header_date(&value);
    }
    None
}

#[cfg(test)]
mod tests;

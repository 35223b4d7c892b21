//! Which repair is tried next.

use std::fmt;

use super::date::is_possible;
use super::pipeline::Repair;
use super::refusal::Cause;
use super::scan::Facts;
use super::{
    BodyPlan, Change, DateSent, DisarmReceipts, EncodeBody, FoldHeader, LineLimit, MendLineEnds,
    RemoveNuls,
};
use crate::fault::Fault;
use crate::identity::KeyRule;
use crate::message::{Flag, FlagSet, InternalDate, Key};
use crate::policy::PermanentFlags;

/// One repair.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// These flags and keywords are not sent.
    DropFlags(FlagSet),
    /// This INTERNALDATE is sent, taken from the header.
    SetDate(InternalDate),
    /// No INTERNALDATE is sent: the target takes its own clock.
    OmitDate,
    /// The message goes as a literal that may hold NULs (`~{n}`, RFC 3516 §4.4).
    Literal8,
    /// NULs are removed: [`RemoveNuls`].
    RemoveNuls,
    /// Line ends become CRLF: [`MendLineEnds`].
    MendLineEnds,
    /// Too long lines of the header are folded: [`FoldHeader`].
    FoldHeader,
    /// Too long lines of base64 are wrapped: [`EncodeBody`].
    WrapBase64(BodyPlan),
    /// Parts with too long lines of text become quoted-printable: [`EncodeBody`]. The one step
    /// that changes the digest.
    QuotePrintable(BodyPlan),
    /// Requests for read receipts are renamed: [`DisarmReceipts`].
    DisarmReceipts,
}

impl Step {
    /// Its name in reports; it never changes.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::DropFlags(_) => "drop-flags",
            Self::SetDate(_) => "set-date",
            Self::OmitDate => "omit-date",
            Self::Literal8 => "literal8",
            Self::RemoveNuls => "remove-nuls",
            Self::MendLineEnds => "mend-line-ends",
            Self::FoldHeader => "fold-header",
            Self::WrapBase64(_) => "wrap-base64",
            Self::QuotePrintable(_) => "quote-printable",
            Self::DisarmReceipts => "disarm-receipts",
        }
    }

    /// Which octets of the message it alters, in words for a report; `None` if none.
    #[must_use]
    pub fn alters(&self) -> Option<&'static str> {
        match self {
            Self::DropFlags(_) | Self::SetDate(_) | Self::OmitDate | Self::Literal8 => None,
            Self::RemoveNuls => Some("octets NUL"),
            Self::MendLineEnds => Some("CR without LF, LF without CR"),
            Self::FoldHeader => Some("line ends before white space in the header"),
            Self::WrapBase64(_) => Some("line ends within base64"),
            Self::QuotePrintable(_) => {
                Some("bodies of text parts and their Content-Transfer-Encoding")
            }
            Self::DisarmReceipts => Some("names of headers that ask for a read receipt"),
        }
    }

    fn kind(&self) -> Kind {
        match self {
            Self::DropFlags(_) => Kind::Flags,
            Self::SetDate(_) => Kind::Date,
            Self::OmitDate => Kind::NoDate,
            Self::Literal8 => Kind::Literal8,
            Self::RemoveNuls => Kind::Nuls,
            Self::MendLineEnds => Kind::LineEnds,
            Self::FoldHeader => Kind::Fold,
            Self::WrapBase64(_) => Kind::Base64,
            Self::QuotePrintable(_) => Kind::Quoted,
            Self::DisarmReceipts => Kind::Receipts,
        }
    }
}

/// The name and what goes with it: `drop-flags ($Forwarded work)`.
impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())?;
        match self {
            Self::DropFlags(flags) => {
                let names: Vec<String> = flags.iter().map(ToString::to_string).collect();
                write!(f, " ({})", names.join(" "))
            }
            Self::WrapBase64(plan) | Self::QuotePrintable(plan) => {
                write!(f, " ({} parts)", plan.len())
            }
            _ => Ok(()),
        }
    }
}

/// The steps without what goes with them, in the order in which they are tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Flags,
    Date,
    NoDate,
    Literal8,
    Nuls,
    LineEnds,
    Fold,
    Base64,
    Quoted,
    Receipts,
}

impl Kind {
    const ENVELOPE: [Self; 3] = [Self::Flags, Self::Date, Self::NoDate];
    const OCTETS: [Self; 7] = [
        Self::Literal8,
        Self::Nuls,
        Self::LineEnds,
        Self::Fold,
        Self::Base64,
        Self::Quoted,
        Self::Receipts,
    ];

    /// What is tried first for a cause that the server named.
    fn first_for(cause: Cause) -> &'static [Self] {
        match cause {
            Cause::Flags => &[Self::Flags],
            Cause::Date => &[Self::Date, Self::NoDate],
            Cause::Nuls => &[Self::Literal8, Self::Nuls],
            Cause::LineEnds => &[Self::LineEnds],
            Cause::LineLength => &[Self::Fold, Self::Base64, Self::Quoted],
            Cause::Header | Cause::Unsaid | Cause::Size | Cause::Virus => &[],
        }
    }

    /// All that may be tried for a cause: what is not in question stays as it is.
    fn in_question(cause: Cause) -> impl Iterator<Item = Self> {
        let envelope = (cause.is_of_envelope() || cause == Cause::Unsaid).then_some(Self::ENVELOPE);
        let octets = (!cause.is_of_envelope()).then_some(Self::OCTETS);
        let first = Self::first_for(cause).iter().copied();
        first.chain(envelope.into_iter().flatten()).chain(octets.into_iter().flatten())
    }
}

/// A message as it was sent at first, and was refused.
#[derive(Clone, Debug)]
pub struct Sent {
    /// Flags and keywords.
    pub flags: FlagSet,
    /// Whose clock the date is of.
    pub clock: Clock,
    /// Key of the message; without one only its content tells that it is there.
    pub key: Key,
}

/// Whose clock the date of a message is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clock {
    /// The source's: its INTERNALDATE, which may be unknown.
    Source(InternalDate),
    /// The target's, as the user asked: no date is sent, and none is set by a repair.
    Target,
}

/// Whether the target takes `~{n}` in APPEND (BINARY, RFC 3516 §4.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Literal8 {
    /// It says so.
    Offered,
    /// It does not.
    Missing,
}

/// What is known of the target.
#[derive(Clone, Debug)]
pub struct TargetAbility {
    /// Whether it takes NULs.
    pub literal8: Literal8,
    /// The largest message it takes, in octets (APPENDLIMIT, RFC 7889).
    pub append_limit: Option<u64>,
    /// The flags it keeps in that mailbox (PERMANENTFLAGS, RFC 9051 §7.1).
    pub permanent_flags: PermanentFlags,
    /// The longest line it is sent if it refused a message.
    pub line_limit: LineLimit,
    /// How many repairs of one message may be tried. Some servers close a connection after five
    /// errors (pymap) or nine (Courier). At most [`Ladder::STEPS_MAX`] counts.
    pub attempts_max: usize,
}

/// What is to be done about a refused message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// Send it again with this step, and with those that were taken before.
    Try(Step),
    /// Keep it aside: nothing is left to be tried.
    Exhausted(Exhausted),
}

/// Why no step is left.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Exhausted {
    /// The fault does not say that the target refused this message: it is not for the ladder,
    /// nor to be kept aside.
    NoRefusal,
    /// The message is larger than the target takes.
    Size,
    /// The target takes it for a virus.
    Virus,
    /// As many attempts were made as may be.
    Attempts,
    /// Every step that would change something was tried.
    Steps,
}

impl Exhausted {
    /// The word for it in reports.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::NoRefusal => "no-refusal",
            Self::Size => "size",
            Self::Virus => "virus",
            Self::Attempts => "attempts",
            Self::Steps => "steps",
        }
    }
}

/// One refused message and the repairs that were tried.
///
/// Steps add up: each is tried together with those before it. None is tried that would change
/// nothing, none twice, and none that the target's limits forbid. It holds no octets and knows
/// no clock.
#[derive(Clone, Debug)]
pub struct Ladder {
    sent: Sent,
    target: TargetAbility,
    keys: KeyRule,
    now: i64,
    /// In the order in which they were taken.
    applied: Vec<Step>,
    /// All of them, those that were withdrawn included.
    tried: Vec<Step>,
}

impl Ladder {
    /// No message is sent again more often than this.
    pub const STEPS_MAX: usize = 12;

    /// `keys`: which headers make the key; `now`: seconds since 1970-01-01T00:00:00Z, after which
    /// no message can have come.
    #[must_use]
    pub fn new(sent: Sent, target: TargetAbility, keys: KeyRule, now: i64) -> Self {
        Self { sent, target, keys, now, applied: Vec::new(), tried: Vec::new() }
    }

    /// The next step, which counts as taken from then on. `refusal`: the answer to what was sent
    /// last; `facts`: of the octets that were sent last, that is, as [`Ladder::repair`] made
    /// them.
    pub fn next(&mut self, refusal: &Fault, facts: &Facts) -> Next {
        let cause = match Cause::of(refusal) {
            None => return Next::Exhausted(Exhausted::NoRefusal),
            Some(Cause::Size) => return Next::Exhausted(Exhausted::Size),
            Some(Cause::Virus) => return Next::Exhausted(Exhausted::Virus),
            Some(cause) => cause,
        };
        if !self.fits(facts.octets) {
            return Next::Exhausted(Exhausted::Size);
        }
        if self.tried.len() >= self.target.attempts_max.min(Self::STEPS_MAX) {
            return Next::Exhausted(Exhausted::Attempts);
        }
        let step = Kind::in_question(cause).find_map(|kind| self.step(kind, refusal, facts));
        match step {
            None => Next::Exhausted(Exhausted::Steps),
            Some(step) => {
                self.applied.push(step.clone());
                self.tried.push(step.clone());
                Next::Try(step)
            }
        }
    }

    /// Takes the last step back, which then is not tried again: its message would not be known
    /// again, or could not be made.
    pub fn withdraw(&mut self) {
        self.applied.pop();
    }

    /// The steps that are in what is to be sent.
    #[must_use]
    pub fn applied(&self) -> &[Step] {
        &self.applied
    }

    /// The steps that were tried, also those that were withdrawn.
    #[must_use]
    pub fn tried(&self) -> &[Step] {
        &self.tried
    }

    /// The flags to be sent.
    #[must_use]
    pub fn flags(&self) -> FlagSet {
        let dropped = |flag: &Flag| {
            let drops = |step: &Step| matches!(step, Step::DropFlags(set) if set.contains(flag));
            self.applied.iter().any(drops)
        };
        self.sent.flags.iter().filter(|flag| !dropped(flag)).cloned().collect()
    }

    /// The INTERNALDATE to be sent; unknown: none.
    #[must_use]
    pub fn date(&self) -> InternalDate {
        let changed = self.applied.iter().rev().find_map(|step| match step {
            Step::SetDate(date) => Some(*date),
            Step::OmitDate => Some(InternalDate::UNKNOWN),
            _ => None,
        });
        changed.unwrap_or(match self.sent.clock {
            Clock::Source(date) => date,
            Clock::Target => InternalDate::UNKNOWN,
        })
    }

    /// Whether the message goes with the date under which the source lists it, and the target
    /// can be expected to keep that: servers move an impossible one.
    #[must_use]
    pub fn date_sent(&self) -> DateSent {
        match self.sent.clock {
            Clock::Source(listed) if listed == self.date() && is_possible(listed, self.now) => {
                DateSent::AsListed
            }
            Clock::Source(_) | Clock::Target => DateSent::Otherwise,
        }
    }

    /// Whether the message goes as `~{n}`.
    #[must_use]
    pub fn as_literal8(&self) -> bool {
        self.has_applied(Kind::Literal8) && !self.has_applied(Kind::Nuls)
    }

    /// What makes the octets to be sent of those of the source; to be asked for anew for each
    /// pass over them.
    #[must_use]
    pub fn repair(&self) -> Repair {
        let limit = self.target.line_limit;
        let mut repair = Repair::default();
        for step in &self.applied {
            match step {
                Step::RemoveNuls => repair.then(RemoveNuls::new(&self.keys)),
                Step::MendLineEnds => repair.then(MendLineEnds::new()),
                Step::FoldHeader => repair.then(FoldHeader::new(limit)),
                Step::WrapBase64(plan) | Step::QuotePrintable(plan) => {
                    repair.then(EncodeBody::new(plan.clone(), limit));
                }
                Step::DisarmReceipts => repair.then(DisarmReceipts::new()),
                Step::DropFlags(_) | Step::SetDate(_) | Step::OmitDate | Step::Literal8 => {}
            }
        }
        repair
    }

    fn step(&self, kind: Kind, refusal: &Fault, facts: &Facts) -> Option<Step> {
        // Flags may be dropped in several steps: each leaves fewer.
        if kind != Kind::Flags && self.has_tried(kind) {
            return None;
        }
        let helps = |change: Change| change.edits > 0 && self.fits(change.octets_after);
        match kind {
            Kind::Flags => self.flags_to_drop(refusal).map(Step::DropFlags),
            Kind::Date => self.date_to_set(refusal, facts).map(Step::SetDate),
            Kind::NoDate => self.date_is_refused(refusal).then_some(Step::OmitDate),
            Kind::Literal8 => {
                let offered = self.target.literal8 == Literal8::Offered;
                let may_help = offered && facts.nuls.edits > 0 && !self.has_tried(Kind::Nuls);
                may_help.then_some(Step::Literal8)
            }
            Kind::Nuls => helps(facts.nuls).then_some(Step::RemoveNuls),
            Kind::LineEnds => helps(facts.line_ends).then_some(Step::MendLineEnds),
            Kind::Fold => helps(facts.header_folds).then_some(Step::FoldHeader),
            Kind::Base64 => {
                helps(facts.body.base64_change).then(|| Step::WrapBase64(facts.body.base64.clone()))
            }
            Kind::Quoted => {
                // Its content would not be known again.
                let known = !self.sent.key.is_none() && self.date_sent() == DateSent::AsListed;
                (known && helps(facts.body.text_change))
                    .then(|| Step::QuotePrintable(facts.body.text.clone()))
            }
            Kind::Receipts => helps(facts.receipts).then_some(Step::DisarmReceipts),
        }
    }

    /// The flags that the server names; else those that the mailbox does not keep; else all that
    /// are not flags of RFC 9051 §2.3.2; and where nothing else can be meant, all.
    fn flags_to_drop(&self, refusal: &Fault) -> Option<FlagSet> {
        let flags = self.flags();
        let those = |wanted: &dyn Fn(&Flag) -> bool| -> Option<FlagSet> {
            let set: FlagSet = flags.iter().filter(|flag| wanted(flag)).cloned().collect();
            (!set.is_empty()).then_some(set)
        };
        let words = refusal.words.to_ascii_lowercase();
        let kept = |flag: &Flag| match &self.target.permanent_flags {
            PermanentFlags::Unknown | PermanentFlags::Any => true,
            PermanentFlags::Only(set) => set.contains(flag),
        };
        let all_are_meant = Cause::of(refusal) == Some(Cause::Flags);
        those(&|flag| names(&words, flag))
            .or_else(|| those(&|flag| !kept(flag)))
            .or_else(|| those(&|flag| !flag.is_standard()))
            .or_else(|| those(&|_| all_are_meant))
    }

    fn date_to_set(&self, refusal: &Fault, facts: &Facts) -> Option<InternalDate> {
        let unknown = self.sent.clock == Clock::Source(InternalDate::UNKNOWN);
        if !unknown && !self.date_is_refused(refusal) {
            return None;
        }
        facts.dates.best(self.now).filter(|date| date.instant() != self.date().instant())
    }

    /// Whether a date is sent that cannot be, or that the server speaks of.
    fn date_is_refused(&self, refusal: &Fault) -> bool {
        let date = self.date();
        let named = Cause::of(refusal) == Some(Cause::Date);
        date.is_known() && (named || !is_possible(date, self.now))
    }

    fn fits(&self, octets: u64) -> bool {
        self.target.append_limit.is_none_or(|limit| octets <= limit)
    }

    fn has_tried(&self, kind: Kind) -> bool {
        self.tried.iter().any(|step| step.kind() == kind)
    }

    fn has_applied(&self, kind: Kind) -> bool {
        self.applied.iter().any(|step| step.kind() == kind)
    }
}

/// Whether the words, in small letters, name the flag as a word of its own.
fn names(words: &str, flag: &Flag) -> bool {
    let name = String::from_utf8_lossy(flag.as_bytes()).to_ascii_lowercase();
    let of_flag = |octet: u8| octet.is_ascii_alphanumeric() || b"\\$_-.".contains(&octet);
    words.match_indices(&name).any(|(at, _)| {
        let before = words.as_bytes()[..at].last().is_none_or(|&octet| !of_flag(octet));
        let behind = words.as_bytes()[at + name.len()..].first();
        before && behind.is_none_or(|&octet| !of_flag(octet) || octet == b'.')
    })
}

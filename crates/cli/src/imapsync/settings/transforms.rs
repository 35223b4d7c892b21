//! What the content of messages decides, and what becomes of it.

use std::ffi::OsString;

use mailferry_expression::{Match, Rewrite, Variables};

use super::Typed;
use super::build::{on, size, unless_denied};
use super::expression::{all_matching, of_messages, rewrites};
use super::side::Findings;
use crate::imapsync::getopt::Parsed;
use crate::imapsync::options as o;
use crate::imapsync::support::Refusal;

/// What the content of messages decides, and what becomes of it, in the order in which it is done.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Transforms {
    /// A message that one of these matches is left out.
    pub skip: Vec<Typed<Match>>,
    /// These rewrite it.
    pub rewrites: Vec<Typed<Rewrite>>,
    /// What they may name of this program's settings.
    pub variables: Variables,
    /// Whether requests for read receipts are disarmed.
    pub disarm_receipts: bool,
    /// Commands it goes through.
    pub pipes: Vec<OsString>,
    /// Whether each command is tried once before anything is connected.
    pub check_pipes: bool,
    /// Octets after which it is cut.
    pub octets_kept: Option<u64>,
    /// A message with a longer line, its end counted, is left out, or goes through `line_command`.
    pub line_octets_max: Option<u64>,
    /// A message whose longest line is that or shorter is left out.
    pub line_octets_above: Option<u64>,
    /// What messages with too long lines go through instead of being left out.
    pub line_command: Option<OsString>,
    /// Whether copies are dated by their Date header.
    pub date_from_header: bool,
}

impl Transforms {
    pub(super) fn read(parsed: &Parsed, variables: &Variables, findings: &mut Findings) -> Self {
        let of_messages = of_messages(variables);
        let transforms = Self {
            skip: all_matching(parsed, &o::SKIPMESS, variables, findings),
            rewrites: rewrites(parsed, &o::REGEXMESS, &of_messages, findings),
            variables: of_messages,
            disarm_receipts: on(parsed, &o::DISARMREADRECEIPTS),
            pipes: parsed.list(&o::PIPEMESS).to_vec(),
            check_pipes: unless_denied(parsed, &o::PIPEMESSCHECK),
            octets_kept: size(parsed, &o::TRUNCMESS, findings),
            line_octets_max: size(parsed, &o::MAXLINELENGTH, findings),
            line_octets_above: size(parsed, &o::MINMAXLINELENGTH, findings),
            line_command: parsed.text(&o::MAXLINELENGTHCMD).map(OsString::from),
            date_from_header: on(parsed, &o::IDATEFROMHEADER),
        };
        if transforms.octets_kept == Some(0) {
            findings.refusals.push(Refusal::new(
                "--truncmess 0",
                "it would leave nothing of any message",
                "give the number of octets to keep",
            ));
        }
        if transforms.line_command.is_some() && transforms.line_octets_max.is_none() {
            findings.notices.push(
                "--maxlinelengthcmd has no effect: it is for messages that --maxlinelength finds"
                    .into(),
            );
        }
        if !transforms.pipes.is_empty() || transforms.line_command.is_some() {
            findings.notices.push(
                "a message without Message-Id and Received is recognised by what the command makes \
                 of it: if that is not the same each time, it is copied again each time"
                    .into(),
            );
        }
        transforms
    }
}

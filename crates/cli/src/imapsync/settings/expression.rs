//! Perl's expressions among the values: read here, so that a broken one stops the run before it
//! connects.

use std::fmt;
use std::sync::Arc;

use mailferry_expression::{Match, PatternFlags, Rewrite, Unusable, Variables};

use super::side::{Findings, SideOptions};
use crate::imapsync::getopt::{Parsed, octets};
use crate::imapsync::options::Declaration;
use crate::imapsync::support::Refusal;

/// An expression as it was typed, and what it means.
pub struct Typed<T> {
    /// The option and its value, for telling which one did not do.
    pub asked: String,
    /// The value.
    pub text: Vec<u8>,
    /// What it means.
    pub rule: Arc<T>,
}

impl<T> Clone for Typed<T> {
    fn clone(&self) -> Self {
        Self { asked: self.asked.clone(), text: self.text.clone(), rule: Arc::clone(&self.rule) }
    }
}

/// The same text means the same.
impl<T> PartialEq for Typed<T> {
    fn eq(&self, other: &Self) -> bool {
        self.asked == other.asked
    }
}

impl<T> Eq for Typed<T> {}

impl<T> fmt::Debug for Typed<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.asked)
    }
}

/// What expressions may name of imapsync's settings.
pub(super) fn variables(side1: &SideOptions, side2: &SideOptions) -> Variables {
    Variables::default()
        .with("host1", side1.host.as_bytes())
        .with("host2", side2.host.as_bytes())
        .with("user1", &side1.user)
        .with("user2", &side2.user)
}

/// The same for expressions over messages. Of each message the name of its own folder will stand
/// there.
pub(super) fn of_messages(variables: &Variables) -> Variables {
    variables.clone().with("h1_current_folder", b"")
}

/// `s///` and `tr///` of a list option.
pub(super) fn rewrites(
    parsed: &Parsed,
    option: &Declaration,
    variables: &Variables,
    findings: &mut Findings,
) -> Vec<Typed<Rewrite>> {
    each(parsed, option, findings, |text| Rewrite::parse(text, variables))
}

/// Patterns without operator and delimiters of a list option.
pub(super) fn patterns(
    parsed: &Parsed,
    option: &Declaration,
    findings: &mut Findings,
) -> Vec<Typed<Match>> {
    each(parsed, option, findings, |text| Match::pattern(text, PatternFlags::Plain))
}

/// One pattern without operator and delimiters.
pub(super) fn pattern(
    option: &Declaration,
    text: Vec<u8>,
    findings: &mut Findings,
) -> Option<Typed<Match>> {
    typed(option, text, findings, |text| Match::pattern(text, PatternFlags::Plain))
}

/// The same, in which neither blanks nor case count.
pub(super) fn extended_pattern(
    option: &Declaration,
    text: Vec<u8>,
    findings: &mut Findings,
) -> Option<Typed<Match>> {
    let flags = PatternFlags::ExtendedIgnoringCase;
    typed(option, text, findings, |text| Match::pattern(text, flags))
}

/// An expression that a preset brings, as if it had been given by that option.
pub(super) fn rewrite(
    option: &Declaration,
    text: &str,
    findings: &mut Findings,
) -> Option<Typed<Rewrite>> {
    typed(option, text.as_bytes().to_vec(), findings, |text| {
        Rewrite::parse(text, &Variables::default())
    })
}

/// `m//` of a list option.
pub(super) fn all_matching(
    parsed: &Parsed,
    option: &Declaration,
    variables: &Variables,
    findings: &mut Findings,
) -> Vec<Typed<Match>> {
    each(parsed, option, findings, |text| Match::parse(text, variables))
}

/// `m//` of a single option.
pub(super) fn matching(
    parsed: &Parsed,
    option: &Declaration,
    variables: &Variables,
    findings: &mut Findings,
) -> Option<Typed<Match>> {
    let text = octets(parsed.text(option)?).into_owned();
    typed(option, text, findings, |text| Match::parse(text, variables))
}

/// What `--filterbuggyflags` leaves out: flags of some servers that begin like a system flag and
/// are none, so that others refuse the message. As in imapsync, what follows such a name stays.
pub(super) fn without_buggy_flags(
    option: &Declaration,
    findings: &mut Findings,
) -> Option<Typed<Rewrite>> {
    const NAMES: [&str; 13] = [
        "RECEIPTCHECKED",
        "JUNK",
        "Indexed",
        "X-EON-HAS-ATTACHMENT",
        "UNSEEN",
        "ATTACHED",
        "X-HAS-ATTACH",
        "FORWARDED",
        "FORWARD",
        "X-FORWARDED",
        "\\$FORWARDED",
        "PRIORITY",
        "READRCPT",
    ];
    let text = format!(r"s/\\(?:{})//gi", NAMES.join("|")).into_bytes();
    typed(option, text, findings, |text| Rewrite::parse(text, &Variables::default()))
}

/// The expressions of a list option.
fn each<T>(
    parsed: &Parsed,
    option: &Declaration,
    findings: &mut Findings,
    read: impl Fn(&[u8]) -> Result<T, Unusable>,
) -> Vec<Typed<T>> {
    let words = parsed.list(option).iter().map(|word| octets(word).into_owned());
    words.filter_map(|text| typed(option, text, findings, &read)).collect()
}

fn typed<T>(
    option: &Declaration,
    text: Vec<u8>,
    findings: &mut Findings,
    read: impl FnOnce(&[u8]) -> Result<T, Unusable>,
) -> Option<Typed<T>> {
    match read(&text) {
        Ok(rule) => {
            let asked = format!("--{} {}", option.name, mailferry_imap::session::printable(&text));
            Some(Typed { asked, text, rule: Arc::new(rule) })
        }
        Err(unusable) => {
            findings.refusals.push(Refusal::new(
                format!("--{} {}", option.name, unusable.expression),
                format!("octet {}: {}", unusable.at + 1, unusable.problem),
                unusable.instead(),
            ));
            None
        }
    }
}

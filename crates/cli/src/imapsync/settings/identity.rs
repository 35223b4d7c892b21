//! Which messages are the same.

use std::sync::Arc;

use mailferry_engine::identity::{Headers, KeyRule, LinePattern, MessageIdDomain, PassedOver};
use mailferry_expression::Match;

use super::build::on;
use super::expression::extended_pattern;
use super::side::Findings;
use crate::imapsync::getopt::{Parsed, octets, shown};
use crate::imapsync::options as o;
use crate::imapsync::support::Refusal;

/// From which headers keys are made.
pub(super) fn keys(parsed: &Parsed, findings: &mut Findings) -> KeyRule {
    let mut rule = KeyRule::default();
    if on(parsed, &o::MESSAGEIDNODOMAIN) {
        rule.message_id_domain = MessageIdDomain::Dropped;
    }
    rule.passed_over = passed_over(parsed, findings);
    let given = parsed.list(&o::USEHEADER);
    let names: Vec<Vec<u8>> = given.iter().map(|name| octets(name).trim_ascii().to_vec()).collect();
    // RFC 5322 §2.2, and nothing that would not stand in a list of names (RFC 9051 §9, atom).
    let is_name = |name: &Vec<u8>| {
        let fits = |octet: &u8| octet.is_ascii_graphic() && !b":(){%*\"\\]".contains(octet);
        !name.is_empty() && name.iter().all(fits)
    };
    if let Some(at) = names.iter().position(|name| !is_name(name)) {
        findings.refusals.push(Refusal::new(
            format!("--useheader {}", shown(&given[at])),
            "this is no name of a header",
            "leave the option out: Message-Id, Received and content decide",
        ));
    } else if names.len() == 1 && names[0] == b"ALL" {
        rule.headers = Headers::All;
    } else if !names.is_empty() {
        rule.headers = Headers::named(names.iter().map(Vec::as_slice));
    }
    rule
}

/// The headers of `--skipheader`. As in imapsync, blanks in the pattern do not count.
fn passed_over(parsed: &Parsed, findings: &mut Findings) -> Option<PassedOver> {
    let text = octets(parsed.text(&o::SKIPHEADER)?).into_owned();
    let typed = extended_pattern(&o::SKIPHEADER, text, findings)?;
    let lines: Arc<dyn LinePattern> = Arc::new(Lines(typed.rule));
    Some(PassedOver::new(typed.asked, lines))
}

struct Lines(Arc<Match>);

impl LinePattern for Lines {
    fn matches(&self, line: &[u8]) -> bool {
        self.0.is_match(line).unwrap_or(false)
    }
}

//! What `--gmail1` and the like set. The user's own values win, and what is a list gets longer.

use mailferry_engine::identity::MessageIdDomain;
use mailferry_engine::name::MailboxName;

use super::build::{on, unless_denied};
use super::expression::{pattern, rewrite};
use super::side::{Findings, SideOptions};
use super::{ImapsyncOptions, PaceOptions};
use crate::imapsync::getopt::Parsed;
use crate::imapsync::options::{self as o, Declaration};

const GMAIL: &str = "imap.gmail.com";
const OFFICE: &str = "outlook.office365.com";
/// Folders of Gmail whose own names could not be had elsewhere lose its prefix.
const NO_GMAIL_PREFIX: &str = r"s,\[Gmail\].,,";
/// Lines of more octets are refused by Exchange.
const WRAPPED_LINES: &str = r"s,(.{10239}),$1\r\n,g";

/// The presets of a command line.
pub(super) struct Presets {
    gmail1: bool,
    gmail2: bool,
    office1: bool,
    office2: bool,
    exchange2: bool,
    domino1: bool,
    domino2: bool,
}

impl Presets {
    pub(super) fn read(parsed: &Parsed) -> Self {
        Self {
            gmail1: on(parsed, &o::GMAIL1),
            gmail2: on(parsed, &o::GMAIL2),
            office1: on(parsed, &o::OFFICE1),
            office2: on(parsed, &o::OFFICE2),
            exchange2: on(parsed, &o::EXCHANGE2),
            domino1: on(parsed, &o::DOMINO1),
            domino2: on(parsed, &o::DOMINO2),
        }
    }

    /// Where the servers are, and how their names are made.
    pub(super) fn prepare_sides(&self, side1: &mut SideOptions, side2: &mut SideOptions) {
        for (presets, side) in [
            ([(self.gmail1, GMAIL), (self.office1, OFFICE)], &mut *side1),
            ([(self.gmail2, GMAIL), (self.office2, OFFICE)], &mut *side2),
        ] {
            presets.into_iter().filter(|(is_set, _)| *is_set).for_each(|(_, host)| at(host, side));
        }
        for (is_set, side) in [(self.domino1, side1), (self.domino2, side2)] {
            if is_set {
                // Domino tells neither as it should: these win over the user's, as in imapsync.
                side.separator = Some(b'\\');
                side.prefix = Some(Vec::new());
            }
        }
    }

    /// Everything else.
    pub(super) fn prepare(
        &self,
        parsed: &Parsed,
        options: &mut ImapsyncOptions,
        findings: &mut Findings,
    ) {
        if self.gmail1 || self.gmail2 {
            self.prepare_for_gmail(parsed, options, findings);
        }
        if self.office1 && !on(parsed, &o::NOEXCLUDE) {
            exclude("^Files$", options, findings);
        }
        if self.office2 {
            prepare_for_exchange(45_000_000, parsed, options, findings);
            if !on(parsed, &o::NOF1F2) {
                let renamed = ("Files".into(), "Files_renamed_by_imapsync".into());
                options.names.explicit.push(renamed);
            }
        }
        if self.exchange2 {
            prepare_for_exchange(10_000_000, parsed, options, findings);
            if !on(parsed, &o::NOREGEXFLAG) {
                let rule = rewrite(&o::REGEXFLAG, r"s/\\Flagged//g", findings);
                options.messages.flag_rewrites.extend(rule);
            }
        }
        if self.domino1 || self.domino2 {
            options.messages.keys.message_id_domain = MessageIdDomain::Dropped;
        }
        if self.domino2 {
            rename(r"s,^Inbox\\(.*),$1,i", options, findings);
        }
    }

    fn prepare_for_gmail(
        &self,
        parsed: &Parsed,
        options: &mut ImapsyncOptions,
        findings: &mut Findings,
    ) {
        let (rate, free) =
            if self.gmail2 { (20_000, 1_000_000_000) } else { (40_000, 3_000_000_000) };
        slow_down(parsed, &mut options.process.pace, (rate, free));
        let subfolders = options.names.subfolder1.is_some() || options.names.subfolder2.is_some();
        if parsed.switch(&o::AUTOMAP).is_none() && !subfolders {
            options.names.automap = true;
        }
        options.folders.last.push(MailboxName::from("[Gmail]/All Mail"));
        match (self.gmail1, self.gmail2) {
            (true, true) => {
                exclude(r"\[Gmail\]$", options, findings);
                let messages = &mut options.messages;
                messages.sync_labels = unless_denied(parsed, &o::SYNCLABELS);
                messages.resync_labels = unless_denied(parsed, &o::RESYNCLABELS);
            }
            (true, false) => {
                if parsed.switch(&o::SKIPCROSSDUPLICATES).is_none() {
                    options.messages.skip_cross_duplicates = true;
                }
                rename(NO_GMAIL_PREFIX, options, findings);
            }
            _ => {
                if parsed.switch(&o::ADDHEADER).is_none() {
                    options.messages.add_header = true;
                }
                if !on(parsed, &o::NOEXCLUDE) {
                    exclude(r"\[Gmail\]$", options, findings);
                }
                // Gmail refuses names with blanks around a level, and some characters.
                for rule in [NO_GMAIL_PREFIX, "s,^ +| +$,,g", "s,/ +| +/,/,g", r#"s/['\^"]/_/g"#] {
                    rename(rule, options, findings);
                }
            }
        }
    }
}

fn at(host: &str, side: &mut SideOptions) {
    if side.host.is_empty() {
        side.host = host.to_owned();
    }
    if side.ssl.is_none() && side.tls.is_none() {
        side.ssl = Some(true);
        side.probe_993 = false;
    }
}

fn exclude(text: &str, options: &mut ImapsyncOptions, findings: &mut Findings) {
    options.folders.exclude.extend(pattern(&o::EXCLUDE, text.into(), findings));
}

fn rename(text: &str, options: &mut ImapsyncOptions, findings: &mut Findings) {
    options.names.rewrites.extend(rewrite(&o::REGEXTRANS2, text, findings));
}

/// What Exchange and Office 365 take: smaller messages, no long lines, not too many at once.
fn prepare_for_exchange(
    octets_max: u64,
    parsed: &Parsed,
    options: &mut ImapsyncOptions,
    findings: &mut Findings,
) {
    const MESSAGES_PER_SECOND: f64 = 4.0;
    options.messages.octets_max.get_or_insert(octets_max);
    let pace = &mut options.process.pace;
    if !given(parsed, &o::MAXMESSAGESPERSECOND) && !never_sleeps(parsed) {
        pace.messages_per_second.get_or_insert(MESSAGES_PER_SECOND);
    }
    if parsed.switch(&o::DISARMREADRECEIPTS).is_none() {
        options.transforms.disarm_receipts = true;
    }
    if !on(parsed, &o::NOREGEXMESS) {
        let rule = rewrite(&o::REGEXMESS, WRAPPED_LINES, findings);
        options.transforms.rewrites.extend(rule);
    }
}

fn slow_down(parsed: &Parsed, pace: &mut PaceOptions, (rate, free): (u64, u64)) {
    if never_sleeps(parsed) {
        return;
    }
    if !given(parsed, &o::MAXBYTESPERSECOND) {
        pace.octets_per_second = Some(rate);
    }
    if !given(parsed, &o::MAXBYTESAFTER) {
        pace.octets_free = free;
    }
}

/// `--maxsleep 0` lifts all limits.
fn never_sleeps(parsed: &Parsed) -> bool {
    parsed.float(&o::MAXSLEEP).is_some_and(|seconds| seconds <= 0.0)
}

fn given(parsed: &Parsed, option: &Declaration) -> bool {
    parsed.has(option)
}

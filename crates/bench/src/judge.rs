//! Whether a copy is complete.
//!
//! mailferry is held to everything by the testkit's judge. Of a peer only the content of the
//! messages is asked for: what else it does not carry costs it no time, and is its own business.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, bail};
use mailferry_testkit::probe::{Account, Expect, Keep, Probe, compare};

use crate::raw::{Literal, Raw};

/// Differences of a failed copy that are shown.
const DIFFERENCES_SHOWN: usize = 2;
/// What mbsync puts into the header of each message it appends (isync 1.4 does so even where
/// the server has UIDPLUS), to recognise it after a failure.
const TEMPORARY_ID: &[u8] = b"X-TUID: ";

/// What a copy has to keep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Measure {
    /// Everything, and nothing more.
    Everything,
    /// The content of every message.
    Contents,
    /// The content of every message, and no further message.
    ContentsAndNoMore,
}

/// An account to compare copies with.
pub(crate) struct Original {
    pub(crate) account: Account,
    contents: Contents,
}

/// The digests of all messages, sorted, by mailbox.
type Contents = BTreeMap<String, Vec<[u8; 32]>>;

impl Original {
    pub(crate) fn read(probe: &mut Probe, raw: &mut Raw) -> Result<Self> {
        let account = probe.account(Keep::Digests)?;
        let contents = contents(raw, account.mailboxes.keys())?;
        Ok(Self { account, contents })
    }

    /// As an error, in words, what keeps a copy from being complete.
    pub(crate) fn judge(&self, probe: &mut Probe, raw: &mut Raw, measure: Measure) -> Result<()> {
        if measure == Measure::Everything {
            let copy = probe.account(Keep::Digests)?;
            let differences = compare(&self.account, &copy, &Expect::exact());
            if !differences.is_empty() {
                let shown = differences.iter().take(DIFFERENCES_SHOWN).cloned();
                let shown = shown.collect::<Vec<_>>().join("; ");
                bail!("{} differences, such as {shown}", differences.len());
            }
            return Ok(());
        }
        let copies = contents(raw, self.contents.keys()).context("a mailbox is missing")?;
        for (mailbox, wanted) in &self.contents {
            let found = copies.get(mailbox).map_or(&[][..], Vec::as_slice);
            let missing = missing(wanted, found);
            if missing > 0 {
                bail!("{missing} of {} messages of `{mailbox}` are missing", wanted.len());
            }
            if measure == Measure::ContentsAndNoMore && found.len() > wanted.len() {
                bail!("`{mailbox}` has {} messages in place of {}", found.len(), wanted.len());
            }
        }
        Ok(())
    }
}

fn contents<'a>(raw: &mut Raw, mailboxes: impl Iterator<Item = &'a String>) -> Result<Contents> {
    let mut contents = Contents::new();
    for mailbox in mailboxes {
        let (mut digests, mut message) = (Vec::new(), Vec::new());
        raw.fetch(&[mailbox], "(BODY.PEEK[])", &mut |literal| match literal {
            Literal::Part(octets) => message.extend_from_slice(octets),
            Literal::End => {
                digests.push(digest(&message));
                message.clear();
            }
        })?;
        digests.sort_unstable();
        contents.insert(mailbox.clone(), digests);
    }
    Ok(contents)
}

/// The digest of a message but for [`TEMPORARY_ID`].
fn digest(message: &[u8]) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new();
    let mut rest = message;
    while let Some(end) = rest.iter().position(|octet| *octet == b'\n') {
        let (line, after) = rest.split_at(end + 1);
        if line.trim_ascii().is_empty() {
            break;
        }
        if !line.starts_with(TEMPORARY_ID) {
            hasher.update(line);
        }
        rest = after;
    }
    hasher.update(rest);
    *hasher.finalize().as_bytes()
}

/// How many of `wanted` are not among `found`; both are sorted, and each serves once.
fn missing(wanted: &[[u8; 32]], found: &[[u8; 32]]) -> usize {
    let mut found = found.iter().peekable();
    let is_missing = |digest: &&[u8; 32]| {
        while found.next_if(|other| *other < *digest).is_some() {}
        found.next_if(|other| *other == *digest).is_none()
    };
    wanted.iter().filter(is_missing).count()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use mailferry_testkit::dovecot::{Dovecot, Layout, Setup};
    use mailferry_testkit::probe::Draft;

    #[test]
    fn a_temporary_id_in_the_header_is_no_difference_and_one_in_the_body_is() {
        let plain = digest(b"A: b\r\nC: d\r\n\r\nX-TUID: x\r\n");
        assert_eq!(digest(b"A: b\r\nX-TUID: 12\r\nC: d\r\n\r\nX-TUID: x\r\n"), plain);
        assert_ne!(digest(b"A: b\r\nC: d\r\n\r\nX-TUID: y\r\n"), plain);
        assert_ne!(digest(b"A: b\r\nC: d\r\n\r\n"), plain);
    }

    #[test]
    fn each_copy_serves_one_original() {
        let digests = |octets: &[u8]| octets.iter().map(|octet| [*octet; 32]).collect::<Vec<_>>();
        let missing = |wanted: &[u8], found: &[u8]| missing(&digests(wanted), &digests(found));
        assert_eq!(missing(&[1, 1, 3], &[0, 1, 2, 3, 4]), 1);
        assert_eq!(missing(&[1, 1, 3], &[1, 1, 1, 3]), 0);
        assert_eq!(missing(&[7], &[]), 1);
    }

    #[test]
    fn a_copy_that_lacks_or_doubles_a_message_is_found_out() {
        let Some(server) = Dovecot::start_if_installed(&Setup::new(Layout::Slash)).unwrap() else {
            return;
        };
        let account = |user: &str, subjects: &[&str]| {
            let mut probe = server.probe(user).unwrap();
            for subject in subjects {
                let text = format!("Subject: {subject}\r\n\r\nx\r\n");
                probe.append("INBOX", &Draft::new(text).dated(1_500_000_000)).unwrap();
            }
            (probe, Raw::login(server.imap(), user, &server.password(user)).unwrap())
        };
        let (mut probe, mut raw) = account("original", &["a", "b"]);
        let original = Original::read(&mut probe, &mut raw).unwrap();
        let (everything, no_more) = (Measure::Everything, Measure::ContentsAndNoMore);
        for (user, subjects, good) in [
            ("same", &["a", "b"][..], &[everything, Measure::Contents, no_more][..]),
            ("more", &["a", "b", "b"], &[Measure::Contents]),
            ("less", &["b", "b"], &[]),
        ] {
            let (mut probe, mut raw) = account(user, subjects);
            for measure in [everything, Measure::Contents, no_more] {
                let judged = original.judge(&mut probe, &mut raw, measure);
                assert_eq!(judged.is_ok(), good.contains(&measure), "{user} {measure:?}");
            }
        }
    }
}

//! Mailboxes of the day in which an earlier run kept what it took away, where nobody says now that
//! there are any: an exact backup leaves them alone (`docs/design/keeping.md`).

use std::collections::BTreeSet;

use mailferry_engine::keeping::{Day, Keeping};
use mailferry_engine::listing::AccountListing;
use mailferry_engine::name::{MailboxName, RuleFailed};
use mailferry_engine::policy::DeleteRule;
use mailferry_engine::select::NamePattern;
use mailferry_run::job::Job;

use super::options::Output;
use super::task;
use crate::fault_text::shown;

/// Octets of a day as it stands in a mailbox name.
const DAY_OCTETS: usize = 10;

/// `NAME/2026-11-26`, whatever the delimiter is: known by its name alone, so that nothing on this
/// machine need know of the run that made it.
pub(super) struct OfADay;

impl NamePattern for OfADay {
    fn matches(&self, name: &[u8]) -> Result<bool, RuleFailed> {
        let day = name.split_last_chunk::<DAY_OCTETS>().filter(|(_, it)| Day::parse(*it).is_some());
        let above = day.and_then(|(above, _)| above.split_last());
        Ok(above.is_some_and(|(delimiter, above)| {
            !above.is_empty() && delimiter.is_ascii_punctuation()
        }))
    }
}

/// Tells which mailboxes of the target an exact backup leaves alone for that.
pub(super) fn tell_spared(accounts: (&AccountListing, &AccountListing), job: &Job, output: Output) {
    let is_mirror = job.rules.delete == DeleteRule::MessagesAndMailboxes;
    if !is_mirror || job.mailbox_deletion.but_not.is_none() {
        return;
    }
    for name in spared(accounts, job.keeping.as_ref()) {
        task::teller(output)(&format!(
            "notice: `{}` of the target stays: its name is that of a day on which a run took messages \
             away and kept them; --backup-mailbox says where, and --keep for how long",
            shown(name)
        ));
    }
}

/// Mailboxes of a day that the source does not have, and that no option names.
fn spared<'a>(
    (source, target): (&AccountListing, &'a AccountListing),
    keeping: Option<&Keeping>,
) -> Vec<&'a MailboxName> {
    let place = keeping.map(|keeping| keeping.on(target));
    // Names differ in prefix and delimiter.
    let end = |name: &MailboxName, account: &AccountListing| -> Vec<Vec<u8>> {
        let levels = name.as_bytes().rsplit(|octet| Some(*octet) == account.delimiter);
        levels.take(2).map(<[u8]>::to_vec).collect()
    };
    let there: BTreeSet<_> = source.mailboxes.iter().map(|it| end(&it.name, source)).collect();
    let is_spared = |name: &&MailboxName| {
        OfADay.matches(name.as_bytes()).unwrap_or(false)
            && place.as_ref().is_none_or(|place| !place.holds(name))
            && !there.contains(&end(name, target))
    };
    let selectable = target.mailboxes.iter().filter(|info| info.selectable);
    selectable.map(|info| &info.name).filter(is_spared).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_mailbox_of_a_day_is_known_by_its_name_whatever_the_delimiter_is() {
        for (name, expected) in [
            ("Removed/2026-11-26", true),
            ("INBOX.Kept.Mail.2026-11-26", true),
            ("Removed-2026-11-26", true),
            ("2026-11-26", false),
            ("/2026-11-26", false),
            ("Removed/2026-13-26", false),
            ("Removed/2026-11-26/x", false),
            ("Removed/12026-11-26", false),
            ("Removed", false),
        ] {
            assert_eq!(OfADay.matches(name.as_bytes()).unwrap(), expected, "{name}");
        }
    }
}

//! A receipt for people.

use mailferry_engine::message::FlagSet;
use mailferry_run::receipt::{
    Fate, Finish, Listed, Message, Others, Part, ReadReceipt, ReceiptError, RemovalFate, Tally, Why,
};

use super::words::{flags, sentence, title};
use super::{Lines, Only, moment};
use crate::fault_text::shown;
use mailferry_imap::session::printable;

/// A run in the list.
pub(super) fn run_line(listed: &Listed) -> String {
    let (source, target) = (&listed.about.source, &listed.about.target);
    let what = match (&listed.tally, listed.finish) {
        (Some(tally), Finish::Complete) => format!("complete: {}", sums(tally)),
        (Some(tally), _) => format!("NOT complete: {}", sums(tally)),
        (None, Finish::Running) => "at work now".to_owned(),
        (None, _) => "NOT finished: it was killed, or its receipt could not be written".to_owned(),
    };
    let began = moment(listed.about.began);
    format!(
        "{}  {began}  {} -> {}  {what}",
        listed.run,
        printable(source.as_bytes()),
        printable(target.as_bytes())
    )
}

/// `31 listed = 12 copied + 19 present`, zeros left out.
fn sums(tally: &Tally) -> String {
    let fates = [
        (tally.copied, "copied"),
        (tally.present, "present"),
        (tally.skipped, "skipped"),
        (tally.failed, "failed"),
        (tally.expunged, "left the source"),
        (tally.not_started, "not started"),
        (tally.unknown, "unknown"),
    ];
    let told: Vec<String> = fates
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, word)| format!("{count} {word}"))
        .collect();
    let told = if told.is_empty() { "0".to_owned() } else { told.join(" + ") };
    format!("{} listed = {told}", tally.listed)
}

/// Heading, sums, mailboxes, and what needs a look; with `all`, every message.
pub(super) fn show(
    receipt: &ReadReceipt,
    others: &mut Others<'_>,
    only: &Only,
    all: bool,
) -> Result<(), ReceiptError> {
    let mut lines = Lines::new();
    heading(receipt, &mut lines);
    for (at, part) in receipt.parts.iter().enumerate().filter(|(_, part)| only.takes(part)) {
        lines.line("");
        lines.line(&part_line(part));
        if all || part.as_in.is_none() || part.tally().failed > 0 {
            receipt.messages(at, others, &mut |message| {
                if all || needs_a_look(message) {
                    lines.line(&message_line(part, message));
                }
            })?;
        }
        // Also where nothing was to be done on the source.
        labels(receipt, at, &mut lines);
        removals(receipt, at, &mut lines);
    }
    for (mailbox, words) in &receipt.faults {
        let mailbox = mailbox.as_ref().map(|mailbox| format!("`{}`: ", shown(mailbox)));
        let words = printable(words.as_bytes());
        lines.line(&format!("failed: {}{words}", mailbox.unwrap_or_default()));
    }
    for name in &receipt.created {
        lines.line(&format!("created the mailbox `{}`", shown(name)));
    }
    for (name, messages) in &receipt.deleted {
        let messages = messages.map(|count| format!(" with {count} messages")).unwrap_or_default();
        let kept = receipt.departures.iter().find(|departures| departures.mailbox == *name);
        let kept = kept.map(|it| format!(", which are in `{}`", shown(&it.to))).unwrap_or_default();
        lines.line(&format!("deleted the mailbox `{}`{messages}{kept}", shown(name)));
    }
    for name in &receipt.unsubscribed {
        lines.line(&format!("unsubscribed `{}`", shown(name)));
    }
    for (name, messages) in &receipt.pruned {
        let messages = messages.map(|count| format!(" with {count} messages")).unwrap_or_default();
        lines.line(&format!("deleted the mailbox `{}`{messages}: kept long enough", shown(name)));
    }
    Ok(())
}

fn heading(receipt: &ReadReceipt, lines: &mut Lines) {
    let about = &receipt.about;
    let plain = |text: &str| printable(text.as_bytes());
    lines.line(&format!("run {} of {}", receipt.run, plain(&about.program)));
    lines.line(&format!("from {} to {}", plain(&about.source), plain(&about.target)));
    let ended = receipt.ended.map(|ended| format!(", ended {}", moment(ended)));
    lines.line(&format!("began {}{}", moment(about.began), ended.unwrap_or_default()));
    lines.line(match receipt.finish {
        Finish::Complete => "complete: every message listed on the source is accounted for",
        Finish::Incomplete => "NOT complete",
        Finish::Running => "at work now: what follows is not the end",
        Finish::Killed => "NOT finished: it was killed, or its receipt could not be written on",
    });
    if receipt.unsealed > 0 && receipt.finish != Finish::Running {
        lines.line(&format!(
            "the last {} octets of the receipt were not written whole, and do not count",
            receipt.unsealed
        ));
    }
    lines.line(&sums(&receipt.tally()));
    let digest = &receipt.digest;
    if matches!(receipt.finish, Finish::Complete | Finish::Incomplete) {
        lines.line(&format!("not altered since; digest {digest}"));
    } else {
        lines.line(&format!("not altered as far as it goes; digest {digest}"));
    }
}

fn part_line(part: &Part) -> String {
    let (source, target) = (shown(&part.source), shown(&part.target));
    let since = part.as_in.as_ref().map(|run| format!(", unchanged since run {run}"));
    format!("{source} -> {target}: {}{}", sums(&part.tally()), since.unwrap_or_default())
}

/// Whether a message is not simply where it should be.
fn needs_a_look(message: &Message<'_>) -> bool {
    let is_well = match message.fate {
        Fate::Copied | Fate::Present => message.flags_failed.is_none(),
        Fate::Skipped(why, _) => why == Why::NotSelected,
        _ => false,
    };
    !is_well || !message.repaired.is_empty()
}

fn message_line(part: &Part, message: &Message<'_>) -> String {
    let title = title(&message.headline);
    let title = if title.is_empty() { title } else { format!(" {title}") };
    format!("  {}/{}{title}: {}", shown(&part.source), message.uid, sentence(part, message))
}

fn labels(receipt: &ReadReceipt, part: usize, lines: &mut Lines) {
    let Some(target) = receipt.parts.get(part).map(|part| shown(&part.target)) else { return };
    for changed in receipt.labels.iter().filter(|changed| changed.part == part) {
        let signed = |sign: char, labels: &FlagSet| {
            flags(labels).iter().map(|label| format!(" {sign}{label}")).collect::<String>()
        };
        let (added, taken) = (signed('+', &changed.added), signed('-', &changed.taken));
        lines.line(&format!("  labels of `{target}` UID {}:{added}{taken}", changed.uid));
    }
}

fn removals(receipt: &ReadReceipt, part: usize, lines: &mut Lines) {
    for removal in receipt.removals_of(part) {
        let Some(target) = receipt.parts.get(part).map(|part| shown(&part.target)) else {
            continue;
        };
        let (uid, why) = (removal.uid, &removal.why);
        let place = format!("`{target}` UID {uid}");
        lines.line(&match &removal.fate {
            RemovalFate::Moved(to) => format!("  moved to `{}`: {place} ({why})", shown(to)),
            RemovalFate::Removed => format!("  removed from the target: {place} ({why})"),
            RemovalFate::Failed(words) => {
                let words = printable(words.as_bytes());
                format!("  could not be removed from the target: {place} ({why}): {words}")
            }
            RemovalFate::NotStarted => format!("  still to be removed: {place} ({why})"),
        });
    }
}

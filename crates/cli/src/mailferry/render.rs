//! Plans, reports and comparisons as text and as JSON Lines (`docs/json.md`).

use mailferry_engine::account::Plan;
use mailferry_engine::fault::{Fault, Side};
use mailferry_engine::plan::{MailboxPlan, Subscription};
use mailferry_engine::subscriptions::{HeldSubscriptions, SubscriptionHold, SubscriptionPlan};
use mailferry_engine::summary::Counts;
use mailferry_run::report::Report;
use serde_json::{Value, json};

use crate::fault_text::{Front, fault_text, shown};

/// Version of the JSON Lines.
pub(super) const JSON_VERSION: u32 = 1;

/// `1.5 MiB`.
#[must_use]
pub(super) fn size(octets: u64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let mut unit = 0;
    #[expect(clippy::cast_precision_loss, reason = "one decimal is shown")]
    let mut value = octets as f64;
    while value >= 1024.0 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    if unit == 0 { format!("{octets} B") } else { format!("{value:.1} {}", UNITS[unit]) }
}

/// The plan for people: a line a mailbox, then the totals.
#[must_use]
pub(super) fn plan_text(plan: &Plan) -> String {
    let mut lines = Vec::new();
    for mailbox in &plan.mailboxes {
        lines.push(mailbox_line(mailbox));
        lines.extend(
            mailbox
                .faults
                .iter()
                .filter(|fault| fault.uid.is_none())
                .map(|fault| format!("    {}", one_line(fault))),
        );
    }
    for gone in &plan.delete_mailboxes {
        let messages =
            gone.messages.map_or("an unknown number of".to_owned(), |count| count.to_string());
        let octets = gone.octets.map(|octets| format!(" ({})", size(octets))).unwrap_or_default();
        let name = shown(&gone.name);
        lines.push(format!("- {name}: delete the mailbox with {messages} messages{octets}"));
    }
    for gone in plan.keeping.iter().flat_map(|keeping| &keeping.prune) {
        let messages =
            gone.messages.map_or("an unknown number of".to_owned(), |count| count.to_string());
        let name = shown(&gone.name);
        lines.push(format!("- {name}: kept long enough, delete it with {messages} messages"));
    }
    lines.extend(subscription_lines(&plan.subscriptions));
    for left in &plan.left_out {
        let reason = serde_json::to_value(left.reason)
            .ok()
            .and_then(|value| value.as_str().map(str::to_owned));
        lines.push(format!(
            "  {}: left out ({})",
            shown(&left.mailbox),
            reason.unwrap_or_default()
        ));
    }
    for missing in &plan.missing {
        lines.push(format!("! {}: named, but not on the source", shown(missing)));
    }
    lines.push(totals_line(&plan.summary.total));
    if let Some(keeping) = plan.keeping.as_ref().filter(|_| plan.summary.deletions() > 0) {
        let (count, name) = (plan.summary.deletions(), shown(&keeping.mailbox));
        lines.push(format!("what is to be removed is moved to `{name}`: {count} messages"));
    }
    lines.join("\n")
}

fn subscription_lines(plan: &SubscriptionPlan) -> Vec<String> {
    let add = plan.add.iter();
    let mut lines: Vec<String> =
        add.map(|name| format!("+ {}: subscribe, without a mailbox", shown(name))).collect();
    lines.extend(plan.remove.iter().map(|name| format!("- {}: unsubscribe", shown(name))));
    lines.extend(plan.held_back.map(|held| held_words(&held)));
    lines
}

/// Why subscriptions stay that an exact backup gives up.
fn held_words(held: &HeldSubscriptions) -> String {
    let why = match held.reason {
        SubscriptionHold::NotTold => "the source does not tell all that it subscribes",
        SubscriptionHold::NoneShown => "the source shows not one subscription",
    };
    format!("! {} subscriptions of the target stay: {why}", held.subscriptions)
}

fn mailbox_line(mailbox: &MailboxPlan) -> String {
    let sources: Vec<String> = mailbox.parts.iter().map(|part| shown(&part.source)).collect();
    let mut doing = Vec::new();
    if mailbox.create.is_some() {
        doing.push("create".to_owned());
    }
    if mailbox.subscribe == Subscription::Add {
        doing.push("subscribe".to_owned());
    }
    doing.extend(count_words(&mailbox.counts));
    let mark = if mailbox.counts.act() + mailbox.counts.deletions() == 0 && mailbox.create.is_none()
    {
        "="
    } else {
        "+"
    };
    format!("{mark} {} -> {}: {}", sources.join(", "), shown(&mailbox.target), doing.join(", "))
}

fn count_words(counts: &Counts) -> Vec<String> {
    let mut words = Vec::new();
    let mut add = |count: u64, what: &str| {
        if count > 0 {
            words.push(format!("{what} {count}"));
        }
    };
    add(counts.copy, "copy");
    add(counts.update_flags, "change flags of");
    add(counts.deletions(), "remove");
    add(counts.present, "present");
    add(counts.skip.total(), "skip");
    add(counts.problem, "cannot deal with");
    add(counts.held_back, "keep though not on the source");
    add(counts.delete_source, "then remove from the source");
    if counts.copy > 0 {
        words[0].push_str(&format!(" ({})", size(counts.copy_octets)));
    }
    if words.is_empty() {
        words.push("nothing".to_owned());
    }
    words
}

fn totals_line(total: &Counts) -> String {
    let from_source = match total.delete_source {
        0 => String::new(),
        count => format!("; then {count} to remove from the source"),
    };
    format!(
        "{} listed = {} to copy ({}) + {} with flags to change + {} present + {} skipped + {} problems; {} to remove{from_source}",
        total.listed,
        total.copy,
        size(total.copy_octets),
        total.update_flags,
        total.present,
        total.skip.total(),
        total.problem,
        total.deletions()
    )
}

/// A fault on one line.
#[must_use]
pub(super) fn one_line(fault: &Fault) -> String {
    let text = fault_text(fault, Front::Mailferry);
    let mut parts = text.lines().take(2).map(str::trim);
    let head = parts.next().unwrap_or_default();
    parts.next().map_or(head.to_owned(), |words| format!("{head} ({words})"))
}

/// The report for people: what was done, and that it adds up.
#[must_use]
pub(super) fn report_text(report: &Report, seconds: f64) -> String {
    let total = report.total();
    let mut planned = Counts::default();
    for mailbox in &report.mailboxes {
        planned.listed += mailbox.planned.listed;
        planned.present += mailbox.planned.present;
        planned.problem += mailbox.planned.problem;
        planned.update_flags += mailbox.planned.update_flags;
        planned.skip.not_selected += mailbox.planned.skip.total();
    }
    #[expect(clippy::cast_precision_loss, reason = "a rate with one decimal")]
    let rate = if seconds > 0.0 { total.copied as f64 / seconds } else { 0.0 };
    let mut lines = vec![
        format!(
            "{:>10} messages listed on the source, in {} mailboxes",
            planned.listed,
            report.mailboxes.len()
        ),
        format!("{:>10} copied ({}, {rate:.1} a second)", total.copied, size(total.copied_octets)),
        format!(
            "{:>10} present already, {} of them with flags changed",
            planned.present + planned.update_flags,
            total.flags_updated
        ),
        format!("{:>10} skipped by a rule", planned.skip.total()),
        format!(
            "{:>10} failed",
            total.failed + total.flags_failed + total.delete_failed + planned.problem
        ),
    ];
    let mut add = |count: u64, what: &str| {
        if count > 0 {
            lines.push(format!("{count:>10} {what}"));
        }
    };
    add(
        total.copied_within,
        "of these copied within the target, which had them, and not fetched again",
    );
    add(total.copied_behind, "of these behind messages that come after them on the source");
    add(total.expunged, "left the source meanwhile");
    add(report.not_started(), "not started");
    add(total.deleted, "removed from the target");
    if let Some(name) = &report.kept_in {
        add(report.moved(), &format!("moved to `{}` in place of being removed", shown(name)));
    }
    add(report.pruned.len() as u64, "mailboxes deleted in which messages were kept long enough");
    add(total.source_deleted, "removed from the source, their copies being proven");
    add(total.source_kept, "were to be removed from the source, and stay there");
    add(report.created.len() as u64, "mailboxes created");
    add(report.deleted_mailboxes.len() as u64, "mailboxes deleted");
    add(report.reconnections.iter().sum(), "times a connection broke and was opened again");
    add(report.repaired.len() as u64, "refused at first, and taken after a repair");
    add(report.kept_aside.len() as u64, "refused for good, and kept aside as files");
    add(report.doubles_removed, "had been stored twice, and this run's own copies were removed");
    lines.extend(subscription_sums(report));
    for mailbox in report.mailboxes.iter().filter(|mailbox| !mailbox.out_of_order.is_empty()) {
        let uids: Vec<String> = mailbox.out_of_order.iter().map(ToString::to_string).collect();
        lines.push(format!(
            "sent again, so perhaps behind later ones: {} UID {}",
            shown(&mailbox.target),
            uids.join(" ")
        ));
    }
    if let Some(receipt) = &report.receipt {
        let run = &receipt.run;
        lines.push(format!("what became of each message: mailferry runs show {run}"));
    }
    lines.join("\n")
}

fn subscription_sums(report: &Report) -> Vec<String> {
    let sums = [
        (report.subscribed.len(), "mailboxes subscribed"),
        (report.unsubscribed.len(), "subscriptions given up"),
        (
            report.subscriptions_refused.len(),
            "subscriptions without a mailbox, which the target does not take",
        ),
    ];
    let told = sums.into_iter().filter(|(count, _)| *count > 0);
    let lines = told.map(|(count, what)| format!("{count:>10} {what}"));
    lines.chain(report.subscriptions_held_back.map(|held| held_words(&held))).collect()
}

/// The last word.
#[must_use]
pub(super) fn verdict(report: &Report) -> String {
    if report.is_complete() {
        "complete: every message listed on the source is accounted for".to_owned()
    } else {
        let why = match report.failures().next() {
            Some(_) => "see the errors above",
            None => "it was stopped before everything was begun",
        };
        format!("NOT complete: {why}; run it again to go on where it ended")
    }
}

/// `event` with the version, as one line.
#[must_use]
pub(super) fn json_line(event: &str, mut fields: Value) -> String {
    if let Some(map) = fields.as_object_mut() {
        map.insert("v".to_owned(), json!(JSON_VERSION));
        map.insert("event".to_owned(), json!(event));
    }
    fields.to_string()
}

/// A fault as fields.
#[must_use]
pub(super) fn fault_json(fault: &Fault) -> Value {
    json!({
        "kind": fault.kind, "scope": fault.scope, "retry": fault.retry,
        "side": if fault.side == Side::Source { "source" } else { "target" },
        "mailbox": fault.mailbox.as_ref().map(shown), "uid": fault.uid.map(|uid| uid.value()),
        "words": fault.words,
    })
}

/// A plan as lines: one a mailbox, then the summary.
#[must_use]
pub(super) fn plan_json(plan: &Plan) -> Vec<String> {
    let mut lines: Vec<String> = plan
        .mailboxes
        .iter()
        .map(|mailbox| json_line("mailbox-plan", json!({ "plan": mailbox })))
        .collect();
    lines.extend(
        plan.delete_mailboxes
            .iter()
            .map(|gone| json_line("delete-mailbox", json!({ "mailbox": gone }))),
    );
    let prune = plan.keeping.iter().flat_map(|keeping| &keeping.prune);
    lines.extend(prune.map(|gone| json_line("prune-mailbox", json!({ "mailbox": gone }))));
    if !plan.subscriptions.is_empty() {
        let (add, remove) = (&plan.subscriptions.add, &plan.subscriptions.remove);
        let fields = json!({
            "add": add.iter().map(shown).collect::<Vec<_>>(),
            "remove": remove.iter().map(shown).collect::<Vec<_>>(),
            "held_back": plan.subscriptions.held_back,
        });
        lines.push(json_line("plan-subscriptions", fields));
    }
    lines
        .extend(plan.left_out.iter().map(|left| json_line("left-out", json!({ "mailbox": left }))));
    lines.extend(
        plan.missing.iter().map(|name| json_line("missing", json!({ "mailbox": shown(name) }))),
    );
    lines.push(json_line(
        "plan-summary",
        json!({
            "total": plan.summary.total, "deletions": plan.summary.deletions(),
            "kept_in": plan.keeping.as_ref().map(|keeping| shown(&keeping.mailbox)),
        }),
    ));
    lines
}

/// A report as one line.
#[must_use]
pub(super) fn report_json(report: &Report, seconds: f64, status: u8) -> String {
    let mailboxes: Vec<Value> = report
        .mailboxes
        .iter()
        .map(|mailbox| {
            json!({
                "target": shown(&mailbox.target),
                "sources": mailbox.sources.iter().map(shown).collect::<Vec<_>>(),
                "planned": mailbox.planned, "done": mailbox.done,
                "not_started": mailbox.copies_not_started(),
                "out_of_order": mailbox.out_of_order,
            })
        })
        .collect();
    let total = report.total();
    json_line(
        "report",
        json!({
            "complete": report.is_complete(), "status": status, "seconds": seconds,
            "copied": total.copied, "copied_octets": total.copied_octets, "flags_updated": total.flags_updated,
            "source_deleted": total.source_deleted, "source_kept": total.source_kept,
            "deleted": total.deleted, "moved": report.moved(), "failed": total.failed, "expunged": total.expunged,
            "not_started": report.not_started(),
            "reconnections": { "source": report.reconnections[0], "target": report.reconnections[1] },
            "doubles_removed": report.doubles_removed,
            "repaired": report.repaired.len(), "kept_aside": report.kept_aside.len(),
            "receipt": report.receipt,
            "created": report.created.iter().map(shown).collect::<Vec<_>>(),
            "subscribed": report.subscribed.iter().map(shown).collect::<Vec<_>>(),
            "unsubscribed": report.unsubscribed.iter().map(shown).collect::<Vec<_>>(),
            "subscriptions_refused":
                report.subscriptions_refused.iter().map(shown).collect::<Vec<_>>(),
            "subscriptions_held_back": report.subscriptions_held_back,
            "deleted_mailboxes": report.deleted_mailboxes.iter().map(shown).collect::<Vec<_>>(),
            "kept_in": report.kept_in.as_ref().map(shown),
            "pruned": report.pruned.iter().map(shown).collect::<Vec<_>>(),
            "mailboxes": mailboxes,
            "faults": report.faults.iter().map(fault_json).collect::<Vec<_>>(),
        }),
    )
}

//! `mailferry undo`: puts back what a run removed or changed on the target.

use std::sync::Arc;

use mailferry_imap::session::printable;
use mailferry_run::accounts::Accounts as _;
use mailferry_run::receipt::{Finish, Folder, ReadReceipt, ReceiptError, RunId};
use mailferry_run::undo::{self, Copies, Left, MailboxUndo, Standing, UndoError, UndoPlan, Undone};
use mailferry_store::contract::Source as _;
use serde_json::json;

use super::options::{Output, UndoArgs};
use super::progress::Progress;
use super::render::json_line;
use super::task::{self, UsageError};
use super::verbs::{Answer, approve, ask, tell_faults};
use super::{login, runs};
use crate::claims;
use crate::fault_text::shown;
use crate::imapsync::exit_status::ExitStatus;
use crate::local_state;
use crate::screen;
use crate::servers::Servers;

/// The command, as it stands in receipts.
const PROGRAM: &str = "mailferry undo";

/// Puts back what a run removed or changed.
pub(super) async fn run(args: &UndoArgs) -> Result<ExitStatus, UsageError> {
    let guard = task::guard_limits(args.max_delete.as_deref())?;
    let folder = runs::folder()?;
    let receipt = match find(&folder, &args.run).and_then(|run| folder.read(&run)) {
        Ok(receipt) => receipt,
        Err(error) => return Ok(runs::tell(&error)),
    };
    if receipt.finish == Finish::Running {
        return Err(UsageError::new(
            format!("run {} is at work", receipt.run),
            "wait until it has ended; `mailferry runs` says when",
        ));
    }
    let servers = login::target_alone(&args.accounts, args.output)?;
    is_of(&servers, &receipt)?;
    let copies = if args.copies { Copies::Go } else { Copies::Stay };
    let claims = claims::open(&servers, &task::teller(args.output));
    let _held = match undo::hold(claims.as_deref(), &receipt, copies) {
        Ok(held) => held,
        Err(fault) => return Ok(tell_faults(&[*fault], args.output)),
    };
    let mut target = match servers.open_target().await {
        Ok(target) => target,
        Err(fault) => return Ok(tell_faults(&[fault], args.output)),
    };
    let plan = match undo::plan(&mut target, (&folder, &receipt), copies).await {
        Ok(plan) => plan,
        Err(UndoError::Target(fault)) => return Ok(tell_faults(&[*fault], args.output)),
        Err(UndoError::Receipt(error)) => return Ok(runs::tell(&error)),
    };
    show(&plan, args.output);
    let of_left = if plan.left.is_empty() { ExitStatus::Ok } else { ExitStatus::WithErrors };
    if args.dry_run || plan.is_empty() {
        target.close().await;
        return Ok(of_left);
    }
    if !args.yes && ask() != Answer::Go {
        target.close().await;
        return Ok(ExitStatus::GuardRefused);
    }
    let approval = match approve(&plan.summary(), &guard, args.output) {
        Ok(approval) => approval,
        Err(status) => {
            target.close().await;
            return Ok(status);
        }
    };
    let own = task::receipt(args.noreceipt, &servers, (PROGRAM, args.output));
    let progress = Arc::new(Progress::new(args.output));
    let undone =
        undo::carry_out(&plan, approval, &mut target, (own.clone(), progress.clone())).await;
    progress.finish();
    target.close().await;
    local_state::tell_no_receipt(own.as_ref(), &task::teller(args.output));
    Ok(tell(&plan, &undone, args.output))
}

/// The run that is meant; `last` is the last one that is no undo itself.
fn find(folder: &Folder, text: &str) -> Result<RunId, ReceiptError> {
    if text != "last" {
        return folder.find(text);
    }
    for run in folder.runs()?.into_iter().rev() {
        if !folder.list_one(&run)?.about.program.starts_with(PROGRAM) {
            return Ok(run);
        }
    }
    folder.find(text)
}

/// Whether the accounts are those of the run.
fn is_of(servers: &Servers, receipt: &ReadReceipt) -> Result<(), UsageError> {
    let (source, target) = servers.names();
    let about = &receipt.about;
    if (&source, &target) == (&about.source, &about.target) {
        return Ok(());
    }
    let plain = |text: &str| printable(text.as_bytes());
    Err(UsageError::new(
        format!(
            "run {} was from {} to {}, and these are {} and {}",
            receipt.run,
            plain(&about.source),
            plain(&about.target),
            plain(&source),
            plain(&target)
        ),
        "name the two accounts as they were named in that run; `mailferry runs` lists them",
    ))
}

fn show(plan: &UndoPlan, output: Output) {
    if output.json {
        for mailbox in &plan.mailboxes {
            screen::line(&json_line("undo-mailbox", mailbox_json(mailbox)));
        }
        for Left { mailbox, uid, why } in &plan.left {
            let uid = uid.map(|uid| uid.value());
            let fields = json!({ "mailbox": shown(mailbox), "uid": uid, "why": why });
            screen::line(&json_line("undo-left", fields));
        }
        let fields = json!({
            "back": plan.back(), "flags": plan.flags(), "copies": plan.copies(),
            "subscribe": plan.subscribe.iter().map(shown).collect::<Vec<_>>(),
            "as_before": plan.as_before, "left": plan.left.len(),
        });
        screen::line(&json_line("undo-plan", fields));
        return;
    }
    for mailbox in &plan.mailboxes {
        screen::line(&mailbox_line(mailbox));
    }
    for name in &plan.subscribe {
        screen::line(&format!("+ {}: subscribe again", shown(name)));
    }
    for Left { mailbox, uid, why } in &plan.left {
        let uid = uid.map(|uid| format!("/{uid}")).unwrap_or_default();
        screen::line(&format!("! {}{uid}: {}", shown(mailbox), printable(why.as_bytes())));
    }
    screen::line(&format!(
        "{} to bring back, {} with flags to revert, {} copies to remove{}; {} as before; {} cannot be \
         undone",
        plan.back(),
        plan.flags(),
        plan.copies(),
        more(plan.subscribe.len() as u64, "subscriptions to renew"),
        plan.as_before,
        plan.left.len()
    ));
}

/// What is worth a word only where there is any.
fn more(count: u64, what: &str) -> String {
    if count == 0 { String::new() } else { format!(", {count} {what}") }
}

fn mailbox_line(mailbox: &MailboxUndo) -> String {
    let mut doing = Vec::new();
    if mailbox.standing == Standing::Missing {
        doing.push("create".to_owned());
    }
    for (count, what) in [
        (mailbox.back.len(), "bring back"),
        (mailbox.flags.len(), "revert the flags of"),
        (mailbox.copies.len(), "remove the copies"),
    ] {
        if count > 0 {
            doing.push(format!("{what} {count}"));
        }
    }
    format!("+ {}: {}", shown(&mailbox.mailbox), doing.join(", "))
}

fn mailbox_json(mailbox: &MailboxUndo) -> serde_json::Value {
    let back = mailbox.back.iter();
    json!({
        "mailbox": shown(&mailbox.mailbox), "create": mailbox.standing == Standing::Missing,
        "back": back.map(|it| json!({ "from": shown(&it.from), "uid": it.uid.value() }))
            .collect::<Vec<_>>(),
        "flags": mailbox.flags.iter().map(|it| it.uid.value()).collect::<Vec<_>>(),
        "copies": mailbox.copies.iter().map(|uid| uid.value()).collect::<Vec<_>>(),
    })
}

fn tell(plan: &UndoPlan, undone: &Undone, output: Output) -> ExitStatus {
    let mut status = match (undone.is_complete(plan), undone.faults.is_empty()) {
        (true, _) => ExitStatus::Ok,
        (false, false) => crate::status::of_faults(&undone.faults),
        (false, true) => ExitStatus::WithErrors,
    };
    let written = match &undone.receipt {
        Some(Ok(written)) => Some(written),
        Some(Err(error)) => {
            status = runs::tell(error);
            None
        }
        None => None,
    };
    if output.json {
        let fields = json!({
            "complete": undone.is_complete(plan), "status": status.number(),
            "back": undone.back, "flags": undone.flags, "copies": undone.copies,
            "created": undone.created, "subscribed": undone.subscribed, "as_before": plan.as_before, "left": plan.left.len(),
            "receipt": written,
        });
        screen::line(&json_line("undone", fields));
        return status;
    }
    screen::line(&format!(
        "{} brought back, {} with flags reverted, {} copies removed{}",
        undone.back,
        undone.flags,
        undone.copies,
        more(undone.subscribed, "subscriptions renewed")
    ));
    if undone.is_complete(plan) {
        screen::line("complete: the target has what it had before the run");
    } else {
        let why = if undone.faults.is_empty() {
            "what cannot be undone is listed above"
        } else {
            "see the errors above; undo the run once more to go on where it ended"
        };
        screen::line(&format!("NOT complete: {why}"));
    }
    status
}

//! `mailferry retry`: what the target refused, and was kept aside, is brought in from its files. The
//! source need not be there any more.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use mailferry_engine::account::Plan;
use mailferry_engine::fault::{Fault, FaultKind, Side};
use mailferry_engine::guard::GuardLimits;
use mailferry_engine::message::Uid;
use mailferry_engine::name::MailboxName;
use mailferry_engine::plan::{Action, Decision};
use mailferry_run::accounts::Accounts;
use mailferry_run::events::{Copied, Event, EventSink};
use mailferry_run::quarantine::{Kept, KeptAccount, QuarantineError, QuarantinePlace};
use mailferry_store::files::{FileAccount, FileStore};
use serde_json::json;

use super::login;
use super::options::{Output, RetryArgs};
use super::render::{json_line, size};
use super::task::{self, UsageError};
use super::verbs::{Answer, Run};
use crate::claims;
use crate::fault_text::shown;
use crate::imapsync::exit_status::ExitStatus;
use crate::local_state;
use crate::screen;
use crate::servers::{AnyAccount, Servers};

/// Brings in what was kept aside.
pub(super) async fn run(args: &RetryArgs) -> Result<ExitStatus, UsageError> {
    let servers = if args.list {
        login::names_alone(&args.accounts, args.output)?
    } else {
        login::target_alone(&args.accounts, args.output)?
    };
    let Some((place, kept)) = look(&servers)? else {
        if !args.output.quiet && !args.output.json {
            screen::line("nothing is kept aside for these two accounts");
        }
        return Ok(ExitStatus::Ok);
    };
    for error in &kept.unusable {
        screen::error(&format!(
            "{error}\n\nhint: it is left where it is; put back what was there, or remove it"
        ));
    }
    let unusable = if kept.unusable.is_empty() { ExitStatus::Ok } else { ExitStatus::WithErrors };
    if args.list {
        kept.iter().for_each(|kept| show(kept, args.output));
        return Ok(unusable);
    }
    if kept.account.mailboxes.is_empty() {
        return Ok(unusable);
    }
    let account = Arc::new(kept.account.clone());
    let mut job = task::retry_job(&account);
    job.claims = claims::open(&servers, &task::teller(args.output));
    let arrived = Arc::new(Arrived::default());
    let files = Files { account, servers };
    let listener: Arc<dyn EventSink> = arrived.clone();
    let run = Run { listener, ..Run::new(files, job, GuardLimits::modern(), args.output) };
    let status = run
        .carry_out(|plan| {
            arrived.add_present(plan);
            Answer::Go
        })
        .await;
    let released = release(&place, &kept, &arrived, args.output);
    Ok([status, released, unusable]
        .into_iter()
        .find(|one| *one != ExitStatus::Ok)
        .unwrap_or(status))
}

/// The quarantine of these two accounts and what is in it; `None` where it is empty.
fn look(servers: &Servers) -> Result<Option<(Arc<QuarantinePlace>, KeptAccount)>, UsageError> {
    let unusable = |error: &QuarantineError| {
        UsageError::new(
            error.to_string(),
            "MAILFERRY_DATA_DIR names another place for what is kept",
        )
    };
    let Some(place) = local_state::quarantine(servers).filter(|place| place.folder().is_dir())
    else {
        return Ok(None);
    };
    let quarantine = place.open().map_err(|error| unusable(&error))?;
    let kept = quarantine.account().map_err(|error| unusable(&error))?;
    let is_empty = kept.account.mailboxes.is_empty() && kept.unusable.is_empty();
    Ok((!is_empty).then_some((place, kept)))
}

/// The files on one side, and the target on the other.
struct Files {
    account: Arc<FileAccount>,
    servers: Servers,
}

impl Accounts for Files {
    type Source = FileStore<Arc<FileAccount>>;
    type Removal = AnyAccount;
    type Target = AnyAccount;

    async fn open_source(&self) -> Result<FileStore<Arc<FileAccount>>, Fault> {
        Ok(FileStore::new(self.account.clone()))
    }

    /// A file leaves the folder when its message has arrived, and not before.
    async fn open_removal(&self) -> Result<AnyAccount, Fault> {
        Err(Fault::new(Side::Source, FaultKind::DeleteMessage, "nothing is removed from files"))
    }

    async fn open_target(&self) -> Result<AnyAccount, Fault> {
        self.servers.open_target().await
    }
}

/// Messages that the target has.
#[derive(Default)]
struct Arrived(Mutex<BTreeSet<(MailboxName, Uid)>>);

impl Arrived {
    fn add(&self, mailbox: &MailboxName, uid: Uid) {
        if let Ok(mut arrived) = self.0.lock() {
            arrived.insert((mailbox.clone(), uid));
        }
    }

    /// Some may have been brought in by hand, or by a run that had the source.
    fn add_present(&self, plan: &Plan) {
        for part in plan.mailboxes.iter().flat_map(|mailbox| &mailbox.parts) {
            for (uid, decision) in part.uids.iter().zip(&part.decisions) {
                if matches!(
                    decision,
                    Decision::Present { .. } | Decision::Act(Action::UpdateFlags { .. })
                ) {
                    self.add(&part.source, *uid);
                }
            }
        }
    }
}

impl EventSink for Arrived {
    fn on(&self, event: &Event<'_>) {
        if let Event::Copied(Copied { source, uid, .. }) = event {
            self.add(source, *uid);
        }
    }
}

/// Removes the files of what has arrived.
fn release(
    place: &QuarantinePlace,
    kept: &KeptAccount,
    arrived: &Arrived,
    output: Output,
) -> ExitStatus {
    let mut status = ExitStatus::Ok;
    let (Ok(arrived), Ok(quarantine)) = (arrived.0.lock(), place.open()) else {
        return ExitStatus::Software;
    };
    for kept in arrived.iter().filter_map(|(mailbox, uid)| kept.find(mailbox, *uid)) {
        match quarantine.release(kept) {
            Ok(()) if output.json => {
                let path = kept.path().to_string_lossy();
                screen::line(&json_line("released", json!({ "path": path })));
            }
            Ok(()) => {}
            Err(error) => {
                screen::error(&format!(
                    "the target has a message whose file cannot be removed: {error}\n\nhint: remove it by hand; \
                     nothing is doubled by leaving it"
                ));
                status = ExitStatus::WithErrors;
            }
        }
    }
    status
}

fn show(kept: &Kept, output: Output) {
    let metadata = kept.metadata();
    let Some(record) = metadata.record() else { return };
    let refusal = metadata.attempts.last().map(|attempt| attempt.words.clone()).unwrap_or_default();
    let path = kept.path();
    if output.json {
        screen::line(&json_line(
            "kept",
            json!({
                "path": path.to_string_lossy(), "target": shown(&record.target),
                "octets": metadata.octets, "kept_at": metadata.kept_at, "words": refusal,
            }),
        ));
        return;
    }
    let (target, octets) = (shown(&record.target), size(metadata.octets));
    screen::line(&format!("{} for `{target}` ({octets})", path.display()));
    screen::line(&format!("  server: {}", refusal));
}

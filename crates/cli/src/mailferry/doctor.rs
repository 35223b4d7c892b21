//! `mailferry doctor`: what a run would meet, told before anything is changed.

mod account;
mod address;
mod json;
mod outlook;
mod text;

use std::sync::Arc;

use mailferry_engine::fault::{Fault, Side};
use mailferry_run::events::Silent;
use mailferry_run::survey::survey;

use self::account::{Examined, examine};
use self::address::{Searched, resolved};
use self::outlook::Outlook;
use super::options::DoctorArgs;
use super::task::UsageError;
use super::{login, oversize, task, verbs};
use crate::imapsync::exit_status::ExitStatus;
use crate::screen;
use crate::servers::Servers;
use crate::status;

/// Looks at one account, or at two and at what a copy from one to the other would be.
///
/// # Errors
/// The options name no account, or an address of which nobody knows the server.
pub(super) async fn run(args: &DoctorArgs) -> Result<ExitStatus, UsageError> {
    let mut args = args.clone();
    for url in [&mut args.accounts.source, &mut args.accounts.target] {
        match resolved(url).await? {
            Searched::Account(found) => *url = found,
            Searched::Unproven => return Ok(ExitStatus::GuardRefused),
        }
    }
    examine_all(&args).await
}

async fn examine_all(args: &DoctorArgs) -> Result<ExitStatus, UsageError> {
    let output = args.output;
    let alone = args.accounts.target.is_empty();
    let servers = match alone {
        true => login::source_alone(&args.accounts, output)?,
        false => login::servers(&args.accounts, output)?,
    };
    let source = examine(&servers, Side::Source);
    let target = async { if alone { None } else { Some(examine(&servers, Side::Target).await) } };
    let (source, target) = tokio::join!(source, target);
    let examined: Vec<Examined> = std::iter::once(source).chain(target).collect();
    for account in &examined {
        if output.json {
            screen::line(&json::account(account));
        } else {
            screen::line(&text::account(account, output));
        }
    }
    let faults: Vec<Fault> =
        examined.iter().filter_map(|account| account.found.as_ref().err()).cloned().collect();
    if !faults.is_empty() {
        return Ok(verbs::tell_faults(&faults, output));
    }
    let [source, target] = &examined[..] else { return Ok(ExitStatus::Ok) };
    compare(args, Arc::new(servers), [source, target]).await
}

async fn compare(
    args: &DoctorArgs,
    servers: Arc<Servers>,
    examined: [&Examined; 2],
) -> Result<ExitStatus, UsageError> {
    let output = args.output;
    let job = task::examination_job(args, &servers)?;
    let stop = verbs::stop_on_ctrl_c();
    let surveyed = survey(&*servers, &job, &Silent, &stop).await;
    let mut survey = match surveyed {
        Ok(survey) => survey,
        Err(faults) => return Ok(verbs::tell_faults(&faults, output)),
    };
    let named_in_vain = verbs::tell_missing(&survey.plan);
    let pace = outlook::measure_pace(&mut survey).await;
    let outlook = Outlook::new(&survey, examined, pace);
    if output.json {
        json::mailboxes(&survey).iter().for_each(|line| screen::line(line));
    } else {
        screen::line(&text::mailboxes(&survey));
    }
    oversize::tell(&survey.oversized, output);
    if output.json {
        screen::line(&json::outlook(&outlook));
    } else {
        screen::line(&text::outlook(&outlook));
    }
    survey.close().await;
    let of_plan = survey.plan.mailboxes.iter().flat_map(|mailbox| &mailbox.faults);
    let faults: Vec<Fault> = survey.faults.iter().chain(of_plan).cloned().collect();
    if !faults.is_empty() {
        verbs::tell_faults(&faults, output);
    }
    Ok(match (outlook.is_too_full(), faults.is_empty()) {
        (true, _) => ExitStatus::OverQuota,
        (false, false) => status::of_faults(&faults),
        (false, true) => named_in_vain,
    })
}

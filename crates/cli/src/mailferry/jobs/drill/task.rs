//! What a drill of a job is: the job turned round, from its backup to a place for trials.

use mailferry_engine::policy::{Rules, Unrecognised};
use mailferry_run::check::Sample;
use mailferry_run::job::Job;

use super::super::super::comparison::Share;
use super::super::super::options::jobs::DrillArgs;
use super::super::super::options::{CheckArgs, RestoreArgs};
use super::super::super::task::{UsageError, check_job};
use super::super::definition::{Definition, Task};
use super::super::file::{Entry, Setting, Value};
use crate::servers::Servers;

/// Keys about both connections, and where on the backup nobody's mail is.
const COMMON: [&str; 9] = [
    "ca_file",
    "tls_min",
    "proxy",
    "timeout",
    "secret_timeout",
    "compress",
    "ipv4",
    "ipv6",
    "backup_mailbox",
];

/// The restore that the drill makes.
///
/// # Errors
/// It is not said where to, or what is said cannot be.
pub(super) fn restore_of(entry: &Entry, args: &DrillArgs) -> Result<RestoreArgs, UsageError> {
    let turned = turned_round(entry, args)?;
    match Definition::read(&turned) {
        Ok(Definition { task: Task::Restore(restore), .. }) => Ok(RestoreArgs {
            yes: true,
            even_if_elsewhere: true,
            nostate: true,
            noreceipt: true,
            output: args.output,
            ..*restore
        }),
        Ok(_) => Err(UsageError::new("this is no job to be drilled", "see docs/jobs.md")),
        Err(problems) => {
            let problem = problems.into_iter().next();
            let (what, hint) = problem.map_or_else(Default::default, |it| (it.what, it.hint));
            Err(UsageError::new(format!("the drill cannot be: {what}"), hint))
        }
    }
}

/// Which share of the backup is restored.
pub(super) fn sample_of(definition: &Definition, args: &DrillArgs) -> Option<Share> {
    args.sample.or(definition.drill_sample)
}

/// What a mirror of the backup would do at the place for trials.
///
/// # Errors
/// As those of `check`.
pub(super) fn mirror_job(
    args: &RestoreArgs,
    servers: &Servers,
    sample: Sample,
) -> Result<Job, UsageError> {
    let check = CheckArgs {
        accounts: args.accounts.clone(),
        choice: args.choice.clone(),
        deep: true,
        sample: None,
        resume: None,
        output: args.output,
    };
    let mut job = check_job(&check, servers)?;
    job.rules = Rules { unrecognised: Unrecognised::Append, ..Rules::mirror() };
    job.source_sample = sample;
    Ok(job)
}

fn turned_round(entry: &Entry, args: &DrillArgs) -> Result<Entry, UsageError> {
    let said = |key: &str| entry.text(key).map(str::to_owned);
    let (into, prefix) = match (&args.into, &args.mailbox_prefix) {
        (None, None) => (said("drill_into"), said("drill_mailbox_prefix")),
        (into, prefix) => (into.clone(), prefix.clone()),
    };
    if into.is_none() && prefix.is_none() {
        return Err(UsageError::new(
            format!("it is not said where job `{}` is to be restored to on trial", entry.name),
            "an empty account, --into maildir:/srv/trial, or a mailbox that does not exist in the \
             account of the job, --mailbox-prefix Drill; or `drill_into`, `drill_mailbox_prefix` in \
             the job",
        ));
    }
    let mut turned = Entry {
        name: entry.name.clone(),
        at: entry.at,
        settings: Vec::new(),
        problems: Vec::new(),
    };
    let mut set = |key: String, value: Value| {
        turned.settings.push(Setting { key, at: 0, value, value_at: 0, value_end: 0 });
    };
    set("kind".to_owned(), Value::Text("restore".to_owned()));
    set("source".to_owned(), Value::Text(said("target").unwrap_or_default()));
    let account = into.clone().or_else(|| said("source")).unwrap_or_default();
    set("target".to_owned(), Value::Text(account));
    if let Some(prefix) = prefix {
        set("into".to_owned(), Value::Text(prefix));
    }
    // The backup may be a part of what is there.
    if let Some(below) = said("into") {
        set("from".to_owned(), Value::Text(below));
    }
    for setting in &entry.settings {
        if let Some(key) = turned_key(&setting.key, into.is_some()) {
            set(key, setting.value.clone());
        }
    }
    Ok(turned)
}

/// What a key of the job is called in its drill; `None`: it takes no part. A backup is restored
/// whole, whatever was chosen of the account.
fn turned_key(key: &str, is_elsewhere: bool) -> Option<String> {
    if COMMON.contains(&key) {
        return Some(key.to_owned());
    }
    match key.split_once('_') {
        Some(("target", rest)) => Some(format!("source_{rest}")),
        Some(("source", rest)) if !is_elsewhere => Some(format!("target_{rest}")),
        Some(("drill", rest @ ("password_command" | "password_file" | "password_env")))
        | Some(("drill", rest @ ("token_command" | "token_file" | "pin")))
            if is_elsewhere =>
        {
            Some(format!("target_{rest}"))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_is_turned_round() {
        for (key, elsewhere, expected) in [
            ("target_password_file", false, Some("source_password_file")),
            ("source_password_file", false, Some("target_password_file")),
            ("source_password_file", true, None),
            ("drill_password_file", true, Some("target_password_file")),
            ("drill_password_file", false, None),
            ("ca_file", false, Some("ca_file")),
            ("exclude", false, None),
            ("backup_mailbox", true, Some("backup_mailbox")),
            ("drill_max_age", true, None),
        ] {
            assert_eq!(turned_key(key, elsewhere).as_deref(), expected, "{key}");
        }
    }
}

//! From options to a job.

use std::sync::Arc;
use std::time::Duration;

use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp, tz::TimeZone};
use mailferry_engine::guard::{GuardLimits, SameAccountRule};
use mailferry_engine::keeping::{Day, Keeping};
use mailferry_engine::mapping::{SpecialUseMapping, split_explicit};
use mailferry_engine::name::MailboxName;
use mailferry_engine::pairing::Agreement;
use mailferry_engine::policy::{
    Elsewhere, FlagPolicy, Rules, Sizes, SourceDeletion, Subscribe, Unrecognised,
};
use mailferry_engine::select::{Namespaces, Subscribed};
use mailferry_engine::summary::SameAccount;
use mailferry_imap::mutf7;
use mailferry_imap::session::printable;
use mailferry_run::all_mail::AllMail;
use mailferry_run::copy::AddHeader;
use mailferry_run::job::{
    CopyOrder, Job, MailboxChoice, MailboxDeletionNarrowing, Naming, Pattern, ProofRule, Spelling,
};
use mailferry_run::ledger::Ledger;
use mailferry_run::pace::PaceLimits;
use mailferry_run::past::Past;
use mailferry_run::receipt::{Finish, Receipt, ReceiptError};
use mailferry_run::state::State;
use mailferry_store::contract::{DatesAsked, Selection};
use mailferry_store::files::FileAccount;

use super::days::OfADay;
use super::options::{CheckArgs, Choice, DoctorArgs, Flags, Labels, Output, RestoreArgs, SyncArgs};
use crate::budget::Budget;
use crate::deletion_limit;
use crate::local_state;
use crate::servers::{CanonicalName, NameRegex, Servers, Tell};

/// The command line asks for what cannot be: exit status 64, nothing was connected.
#[derive(Debug, thiserror::Error)]
#[error("{what}\n\nhint: {hint}")]
pub(super) struct UsageError {
    /// What is wrong.
    pub what: String,
    /// What helps.
    pub hint: String,
}

impl UsageError {
    pub(super) fn new(what: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { what: what.into(), hint: hint.into() }
    }
}

/// The job of `sync` and `plan`.
///
/// # Errors
/// An expression, a mapping or a limit is no good.
pub(super) fn sync_job(
    args: &SyncArgs,
    servers: &Servers,
) -> Result<(Job, GuardLimits), UsageError> {
    let mut rules = match (args.mirror, args.delete) {
        (true, _) => Rules::mirror(),
        (_, true) => Rules::presync(),
        _ => Rules::sync(),
    };
    if let Some(flags) = args.flags {
        rules.flags = flag_policy(flags);
    }
    rules.subscribe = match (args.subscribe_all, args.no_subscribe) {
        (true, _) => Subscribe::All,
        (_, true) => Subscribe::None,
        _ => rules.subscribe,
    };
    if args.append_unrecognised {
        rules.unrecognised = Unrecognised::Append;
    }
    if args.delete_source {
        rules.source_deletion = SourceDeletion::Copied;
    }
    let mut job = job(rules, &args.choice, servers)?;
    if let (Some(keeping), Some(days)) = (&mut job.keeping, args.keep) {
        keeping.since = Some(day_before(i64::from(days))?);
    }
    if args.verify {
        job.proof = ProofRule::Content;
    }
    job.state = state(args.nostate, servers, args.output);
    job.ledger = ledger(args.nostate, servers, args.output);
    if args.add_header {
        job.add_header = AddHeader::IfUnidentified;
    }
    job.mailbox_deletion.but_not = Some(Arc::new(OfADay));
    job.limits.pairs_max = args.connections.max(1);
    job.limits.lock_wait = Duration::from_secs(args.lock_wait);
    job.limits.reconnect.throttle_wait = args.sparing.throttle_wait();
    job.day = args.sparing.day();
    job.order = order(args.unordered);
    job.quarantine = local_state::quarantine(servers);
    job.receipt = receipt(args.noreceipt, servers, ("mailferry sync", args.output));
    job.limits.pace = PaceLimits {
        octets_per_second: args.max_bytes_per_second.map(f64::from),
        octets_free: 0,
        messages_per_second: args.max_messages_per_second,
    };
    let mut guard = guard_limits(args.max_delete.as_deref())?;
    if args.allow_same_account {
        guard.same_account = SameAccountRule::Allow;
    }
    Ok((job, guard))
}

/// The guard's limits, with what the user says of them.
///
/// # Errors
/// That is no limit.
pub(super) fn guard_limits(max_delete: Option<&str>) -> Result<GuardLimits, UsageError> {
    let mut guard = GuardLimits::modern();
    if let Some(text) = max_delete {
        let limit = deletion_limit::parse(text).ok_or_else(|| {
            UsageError::new(
                format!("`{text}` is no limit"),
                "write --max-delete 500 or --max-delete 10%",
            )
        })?;
        deletion_limit::apply(&mut guard, limit);
    }
    Ok(guard)
}

/// The job of `restore`.
///
/// # Errors
/// As [`sync_job`], and where a deletion is asked for.
pub(super) fn restore_job(
    args: &RestoreArgs,
    servers: &Servers,
) -> Result<(Job, GuardLimits), UsageError> {
    if args.delete || args.mirror {
        return Err(UsageError::new(
            "a restore removes nothing, so --delete and --mirror have no place in it",
            "to make an account what its backup is, use `mailferry sync BACKUP ACCOUNT --mirror`",
        ));
    }
    let mut rules = Rules::restore();
    rules.flags = flag_policy(args.flags);
    if args.append_unrecognised {
        rules.unrecognised = Unrecognised::Append;
    }
    if args.even_if_elsewhere || args.into_subfolder || args.choice.into.is_some() {
        rules.elsewhere = Elsewhere::Copy;
    }
    let mut choice = args.choice.clone();
    if args.into_subfolder {
        let today = Timestamp::now().to_zoned(TimeZone::system()).date();
        choice.into = Some(format!("Restored-{today}"));
    }
    let mut job = job(rules, &choice, servers)?;
    job.past = args.run.as_deref().map(|run| past(run, servers)).transpose()?;
    job.state = state(args.nostate, servers, args.output);
    job.ledger = ledger(args.nostate, servers, args.output);
    job.limits.pairs_max = args.connections.max(1);
    job.limits.lock_wait = Duration::from_secs(args.lock_wait);
    job.limits.reconnect.throttle_wait = args.sparing.throttle_wait();
    job.day = args.sparing.day();
    job.order = order(args.unordered);
    job.receipt = receipt(args.noreceipt, servers, ("mailferry restore", args.output));
    Ok((job, GuardLimits::modern()))
}

/// What the source held at the end of a run that had it as its target.
///
/// # Errors
/// There is no such run, it is at work, or it had another target; or a receipt cannot be read.
fn past(run: &str, servers: &Servers) -> Result<Arc<Past>, UsageError> {
    let folder = super::runs::folder()?;
    let no_receipt = |error: ReceiptError| {
        UsageError::new(
            error.to_string(),
            "receipts are on the machine that made the backup; without them, restore what the backup \
             has now, and of `--backup-mailbox` what is kept there",
        )
    };
    let run = folder.find(run).map_err(no_receipt)?;
    if folder.list_one(&run).map_err(no_receipt)?.finish == Finish::Running {
        let hint = "wait until it has ended; `mailferry runs` says when";
        return Err(UsageError::new(format!("run {run} is at work"), hint));
    }
    let past = Past::read(&folder, &run).map_err(no_receipt)?;
    let (backup, _) = servers.names();
    if past.account != backup || past.is_empty() {
        let plain = |text: &str| printable(text.as_bytes());
        return Err(UsageError::new(
            format!("run {run} wrote to {}, and not to {}", plain(&past.account), plain(&backup)),
            "name a run that made this backup, and the backup as it was named there; `mailferry \
             runs` lists them",
        ));
    }
    Ok(Arc::new(past))
}

/// The job of `check`: everything that differs, in both directions.
///
/// # Errors
/// As [`sync_job`].
pub(super) fn check_job(args: &CheckArgs, servers: &Servers) -> Result<Job, UsageError> {
    let mut rules = Rules::mirror();
    rules.unrecognised = Unrecognised::Append;
    Ok(Job { target_dates: DatesAsked::WithTheRest, ..job(rules, &args.choice, servers)? })
}

/// The job of `doctor`: what `sync` would copy. Nothing of an earlier run is used: what is told is
/// of now.
///
/// # Errors
/// As [`sync_job`].
pub(super) fn examination_job(args: &DoctorArgs, servers: &Servers) -> Result<Job, UsageError> {
    job(Rules::sync(), &args.choice, servers)
}

/// The job of `retry`: brings what was kept aside into the mailboxes that it was meant for, and
/// changes nothing else.
pub(super) fn retry_job(account: &FileAccount) -> Job {
    let rules = Rules {
        flags: FlagPolicy::NewOnly,
        subscribe: Subscribe::None,
        unrecognised: Unrecognised::Append,
        // What counts as there leaves the folder, and may be the last there is.
        agreement: Agreement::Date,
        ..Rules::sync()
    };
    let names = account.mailboxes.iter().map(|mailbox| mailbox.name.clone());
    let naming = Naming {
        explicit: names.map(|name| (name.clone(), name)).collect(),
        special_use: SpecialUseMapping::Off,
        ..Naming::default()
    };
    let mut job = Job { naming, ..Job::new(rules) };
    job.limits.pairs_max = 1;
    job
}

fn order(unordered: bool) -> CopyOrder {
    if unordered { CopyOrder::Any } else { CopyOrder::OfUids }
}

/// The connections that all runs of this user share.
///
/// # Errors
/// The environment variable for it is no number.
pub(super) fn budget(nostate: bool) -> Result<Option<Budget>, UsageError> {
    let wanted = if nostate { local_state::Use::None } else { local_state::Use::Kept };
    Budget::of_environment(local_state::own_place(wanted))
        .map_err(|words| UsageError::new(words, "0 stands for no limit"))
}

fn state(nostate: bool, servers: &Servers, output: Output) -> Option<Arc<State>> {
    if nostate {
        return None;
    }
    let places = local_state::places(local_state::Use::Kept, None);
    local_state::open(servers, &places, &teller(output))
}

fn ledger(nostate: bool, servers: &Servers, output: Output) -> Option<Arc<Ledger>> {
    let wanted = if nostate { local_state::Use::None } else { local_state::Use::Kept };
    Some(local_state::ledger(servers, wanted, &teller(output)))
}

pub(super) fn receipt(
    noreceipt: bool,
    servers: &Servers,
    (program, output): (&str, Output),
) -> Option<Arc<Receipt>> {
    let wanted = if noreceipt { local_state::Use::None } else { local_state::Use::Kept };
    local_state::receipt(servers, program, wanted, &teller(output))
}

/// Who hears notices.
pub(super) fn teller(output: Output) -> Tell {
    if output.quiet { Arc::new(|_| {}) } else { Arc::new(crate::screen::news) }
}

fn flag_policy(flags: Flags) -> FlagPolicy {
    match flags {
        Flags::Mirror => FlagPolicy::Mirror,
        Flags::Add => FlagPolicy::Add,
        Flags::NewOnly => FlagPolicy::NewOnly,
    }
}

fn job(mut rules: Rules, choice: &Choice, servers: &Servers) -> Result<Job, UsageError> {
    rules.sizes = Sizes { max: choice.maxsize, ..rules.sizes };
    let one = if servers.is_one_account() { SameAccount::Yes } else { SameAccount::No };
    Ok(Job {
        mailboxes: mailbox_choice(choice)?,
        naming: naming(choice)?,
        source_selection: Selection(selection(choice)?),
        all_mail: match choice.labels {
            Some(Labels::Mailboxes) => AllMail::Rest(mailbox_choice(choice)?),
            Some(Labels::Keywords) => AllMail::WithKeywords,
            None => AllMail::Whole,
        },
        keeping: keeping(choice)?,
        mailbox_deletion: MailboxDeletionNarrowing {
            below: choice.into.as_deref().map(wire_name),
            ..MailboxDeletionNarrowing::default()
        },
        same_account: one,
        ..Job::new(rules)
    })
}

/// Where what is taken away is kept, today where this machine is.
fn keeping(choice: &Choice) -> Result<Option<Keeping>, UsageError> {
    let Some(name) = &choice.backup_mailbox else { return Ok(None) };
    let mailbox = wire_name(name.trim_end_matches('/'));
    if mailbox.is_inbox() || mailbox.as_bytes().is_empty() {
        return Err(UsageError::new(
            format!("`{name}` cannot be the mailbox for what is removed: it takes no part"),
            "name one that is for nothing else, such as --backup-mailbox Removed",
        ));
    }
    Ok(Some(Keeping { mailbox, day: day_before(0)?, since: None }))
}

/// The day so many days ago.
fn day_before(days: i64) -> Result<Day, UsageError> {
    let today = Timestamp::now().to_zoned(TimeZone::system()).date();
    let day = today.checked_sub(jiff::Span::new().days(days)).ok();
    day.and_then(|day| Day::parse(day.to_string().as_bytes())).ok_or_else(|| {
        UsageError::new(
            "there is no such day as --backup-mailbox or --keep come to",
            "look at the clock of this machine",
        )
    })
}

fn mailbox_choice(choice: &Choice) -> Result<MailboxChoice, UsageError> {
    Ok(MailboxChoice {
        named: choice.folder.iter().map(|name| wire_name(name)).collect(),
        recursive: choice
            .folder_recursive
            .iter()
            .chain(&choice.from)
            .map(|name| wire_name(name))
            .collect(),
        subscribed: if choice.subscribed { Subscribed::Selected } else { Subscribed::Ignored },
        include: patterns("--include", &choice.include)?,
        exclude: patterns("--exclude", &choice.exclude)?,
        namespaces: if choice.shared { Namespaces::All } else { Namespaces::Personal },
        spelling: Spelling::AsTyped,
        ..MailboxChoice::default()
    })
}

fn patterns(option: &str, expressions: &[String]) -> Result<Vec<Pattern>, UsageError> {
    let compile = |expression: &String| {
        let regex = NameRegex::new(expression).map_err(|error| {
            UsageError::new(
                format!("{option} `{expression}` is no regular expression: {error}"),
                "the syntax is that of the Rust crate regex; look-around is not in it",
            )
        })?;
        Ok(Arc::new(regex) as Pattern)
    };
    expressions.iter().map(compile).collect()
}

fn naming(choice: &Choice) -> Result<Naming, UsageError> {
    let explicit = |pair: &String| {
        let (source, target) = split_explicit(pair.as_bytes());
        if source.is_empty() || target.is_empty() {
            return Err(UsageError::new(
                format!("`{pair}` maps no mailbox to another"),
                "write --map Old=New",
            ));
        }
        let decode = |octets: &[u8]| wire_name(&String::from_utf8_lossy(octets));
        Ok((decode(source), decode(target)))
    };
    Ok(Naming {
        explicit: choice.map.iter().map(explicit).collect::<Result<_, _>>()?,
        special_use: if choice.no_special_use {
            SpecialUseMapping::Off
        } else {
            SpecialUseMapping::On
        },
        source_subtree: choice.from.as_deref().map(|name| wire_name(name).as_bytes().into()),
        target_subtree: choice.into.as_deref().map(|name| wire_name(name).as_bytes().into()),
        rewrite: Some(Arc::new(CanonicalName)),
        ..Naming::default()
    })
}

/// A name as people type it, in the octets of the wire: real characters are encoded, what is
/// modified UTF-7 already stays.
pub(super) fn wire_name(text: &str) -> MailboxName {
    let typed_encoded = text.is_ascii() && mutf7::decode(text.as_bytes()).is_some();
    let octets = if typed_encoded { text.as_bytes().to_vec() } else { mutf7::encode(text) };
    MailboxName::new(octets)
}

/// The SEARCH program (RFC 9051 §6.4.4) that the choice comes to.
fn selection(choice: &Choice) -> Result<Option<Vec<u8>>, UsageError> {
    if let Some(program) = &choice.search {
        if program.bytes().any(|octet| octet < b' ') {
            return Err(UsageError::new(
                "--search holds a control character",
                "write it on one line",
            ));
        }
        return Ok(Some(program.clone().into_bytes()));
    }
    let mut keys = Vec::new();
    if let Some(days) = choice.maxage {
        keys.push(format!("SINCE {}", imap_day(day_ago(days)?)));
    }
    keys.extend(choice.since.map(|day| format!("SINCE {}", imap_day(day))));
    keys.extend(choice.before.map(|day| format!("BEFORE {}", imap_day(day))));
    let ids = choice.message_id.iter().map(|id| having_id(id)).collect::<Result<Vec<_>, _>>()?;
    // Of several any will do (RFC 9051 §6.4.4: OR takes two).
    keys.extend(ids.into_iter().reduce(|one, other| format!("OR {one} {other}")));
    Ok((!keys.is_empty()).then(|| keys.join(" ").into_bytes()))
}

/// A day as SEARCH takes it: `26-Nov-2026`.
fn imap_day(day: Date) -> String {
    day.strftime("%-d-%b-%Y").to_string()
}

/// What finds the message of this Message-Id.
fn having_id(id: &str) -> Result<String, UsageError> {
    let id = id.trim();
    if id.is_empty() || !id.bytes().all(|octet| (b' '..0x7f).contains(&octet)) {
        return Err(UsageError::new(
            format!("`{}` is no Message-Id", id.escape_debug()),
            "write --message-id '<4711@example.org>'",
        ));
    }
    let quoted = id.replace('\\', "\\\\").replace('"', "\\\"");
    Ok(format!("HEADER Message-Id \"{quoted}\""))
}

fn day_ago(days: f64) -> Result<Date, UsageError> {
    let seconds = days * 86_400.0;
    if !seconds.is_finite() || !(0.0..1e11).contains(&seconds) {
        return Err(UsageError::new(
            format!("--maxage {days} is no age"),
            "write a number of days, such as 30",
        ));
    }
    #[expect(clippy::cast_possible_truncation, reason = "checked to be below 1e11")]
    let since = Timestamp::now()
        .checked_sub(SignedDuration::from_secs(seconds as i64))
        .unwrap_or(Timestamp::UNIX_EPOCH);
    Ok(since.to_zoned(TimeZone::system()).date())
}

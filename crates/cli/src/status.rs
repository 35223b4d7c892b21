//! From what happened to an exit status, for both fronts.

use mailferry_engine::fault::{Fault, FaultKind, Side};
use mailferry_run::report::Report;

use crate::imapsync::exit_status::{ErrorClass, ExitStatus, most_frequent};

/// The class under which imapsync counts a fault.
#[must_use]
pub fn error_class(fault: &Fault) -> ErrorClass {
    let by_side = |source, target| if fault.side == Side::Source { source } else { target };
    match fault.kind {
        FaultKind::DayQuota => ErrorClass::TransferExceeded,
        FaultKind::Connection | FaultKind::Proxy | FaultKind::Throttled => {
            by_side(ErrorClass::ConnectionHost1, ErrorClass::ConnectionHost2)
        }
        FaultKind::Tls | FaultKind::Certificate | FaultKind::OldTls => ErrorClass::Tls,
        FaultKind::Authentication
        | FaultKind::TokenRefused
        | FaultKind::TokenMissing
        | FaultKind::Mechanism => {
            by_side(ErrorClass::AuthenticationUser1, ErrorClass::AuthenticationUser2)
        }
        FaultKind::ListingIncomplete | FaultKind::HiddenMessages => ErrorClass::ListingIncomplete,
        FaultKind::Select => ErrorClass::Select,
        FaultKind::Create | FaultKind::Mapping => ErrorClass::Create,
        FaultKind::Fetch | FaultKind::Expunged => ErrorClass::Fetch,
        FaultKind::Append => ErrorClass::Append,
        FaultKind::AppendSize => ErrorClass::AppendSize,
        FaultKind::AppendVirus => ErrorClass::AppendVirus,
        FaultKind::OverQuota => ErrorClass::OverQuota,
        FaultKind::Flags => ErrorClass::Flags,
        _ => ErrorClass::Unclassified,
    }
}

/// The exit status of faults alone.
#[must_use]
pub fn of_faults<'a>(faults: impl IntoIterator<Item = &'a Fault>) -> ExitStatus {
    let classes: Vec<ErrorClass> = faults.into_iter().map(error_class).collect();
    if classes.is_empty() { ExitStatus::CatchAll } else { most_frequent(&classes) }
}

/// The exit status of a run that was carried out.
#[must_use]
pub fn of_report(report: &Report) -> ExitStatus {
    if report.is_complete() {
        return ExitStatus::Ok;
    }
    let mut failures = report.failures().peekable();
    if failures.peek().is_some() {
        return of_faults(failures);
    }
    let problems: u64 = report.mailboxes.iter().map(|mailbox| mailbox.planned.problem).sum();
    if problems > 0 { ExitStatus::Fetch } else { ExitStatus::NotAccounted }
}

//! How a run ended, in the numbers and words that scripts around imapsync read.

use std::fmt;

/// An exit status: its number, and the text in the line `Exiting with return value`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ExitStatus {
    /// No counted error.
    Ok,
    /// Errors were counted, but none has a class.
    CatchAll,
    /// A signal ended the run. The shell sees 128 and the signal's number.
    BySignal,
    /// The file that asks a run to stop appeared.
    ByFile,
    /// The pidfile exists and locks, or cannot be written.
    PidFileError,
    /// No connection, where nothing but a connection was asked for.
    ConnectionFailure,
    /// TLS could not be had, or the certificate is not good.
    TlsFailure,
    /// An authentication that is not an ordinary login failed.
    AuthenticationFailure,
    /// host1 does not have the folder of `--subfolder1`.
    Subfolder1NotThere,
    /// The command line is wrong, or asks for what this version refuses.
    Usage,
    /// A password file cannot be read.
    NoInput,
    /// The machine is too busy (web form only).
    Unavailable,
    /// The program is at fault.
    Software,
    /// It is not the moment: the job is running already. Of `mailferry job` only.
    TemporaryFailure,
    /// No connection to host1.
    ConnectionFailureHost1,
    /// No connection to host2.
    ConnectionFailureHost2,
    /// Errors that are of no other class.
    WithErrors,
    /// Documented by imapsync, no longer used.
    WithErrorsMax,
    /// The account on host2 is full.
    OverQuota,
    /// host2 did not take a message.
    Append,
    /// host1 did not give a message.
    Fetch,
    /// host2 did not create a folder.
    Create,
    /// A folder could not be opened.
    Select,
    /// As much was copied as was allowed.
    TransferExceeded,
    /// host2 found a virus.
    AppendVirus,
    /// host2 did not take flags.
    Flags,
    /// The guard objected to the deletions of the plan; nothing was changed.
    GuardRefused,
    /// A folder could not be listed to its end.
    ListingIncomplete,
    /// The totals do not add up: a message is not accounted for.
    NotAccounted,
    /// host1 refused the login.
    AuthenticationFailureUser1,
    /// host2 refused the login.
    AuthenticationFailureUser2,
    /// imapsync's own tests failed.
    TestsFailed,
}

impl ExitStatus {
    /// Every status, by number.
    pub const EVERY: [Self; 32] = [
        Self::Ok,
        Self::CatchAll,
        Self::BySignal,
        Self::ByFile,
        Self::PidFileError,
        Self::ConnectionFailure,
        Self::TlsFailure,
        Self::AuthenticationFailure,
        Self::Subfolder1NotThere,
        Self::Usage,
        Self::NoInput,
        Self::Unavailable,
        Self::Software,
        Self::TemporaryFailure,
        Self::ConnectionFailureHost1,
        Self::ConnectionFailureHost2,
        Self::WithErrors,
        Self::WithErrorsMax,
        Self::OverQuota,
        Self::Append,
        Self::Fetch,
        Self::Create,
        Self::Select,
        Self::TransferExceeded,
        Self::AppendVirus,
        Self::Flags,
        Self::GuardRefused,
        Self::ListingIncomplete,
        Self::NotAccounted,
        Self::AuthenticationFailureUser1,
        Self::AuthenticationFailureUser2,
        Self::TestsFailed,
    ];

    /// The status of this number; that of any failure where there is none.
    #[must_use]
    pub fn of_number(number: u8) -> Self {
        let mut every = Self::EVERY.into_iter();
        every.find(|status| status.number() == number).unwrap_or(Self::CatchAll)
    }

    /// The number the process ends with.
    #[must_use]
    pub fn number(self) -> u8 {
        self.facts().0
    }

    /// The name, `EX_…` or `EXIT_…`.
    #[must_use]
    pub fn name(self) -> &'static str {
        let text = self.text();
        text.split(':').next().unwrap_or(text)
    }

    /// The text between parentheses in the final line; wrappers read it up to a colon.
    #[must_use]
    pub fn text(self) -> &'static str {
        self.facts().1
    }

    fn facts(self) -> (u8, &'static str) {
        match self {
            Self::Ok => (0, "EX_OK: successful termination"),
            Self::CatchAll => (1, "EXIT_CATCH_ALL"),
            Self::BySignal => (6, "EXIT_BY_SIGNAL"),
            Self::ByFile => (7, "EXIT_BY_FILE"),
            Self::PidFileError => (8, "EXIT_PID_FILE_ERROR"),
            Self::ConnectionFailure => (10, "EXIT_CONNECTION_FAILURE"),
            Self::TlsFailure => (12, "EXIT_TLS_FAILURE"),
            Self::AuthenticationFailure => (16, "EXIT_AUTHENTICATION_FAILURE"),
            Self::Subfolder1NotThere => (21, "EXIT_SUBFOLDER1_NO_EXISTS"),
            Self::Usage => (64, "EX_USAGE: command line usage error"),
            Self::NoInput => (66, "EX_NOINPUT: cannot open input"),
            Self::Unavailable => (69, "EX_UNAVAILABLE: service unavailable"),
            Self::Software => (70, "EX_SOFTWARE: internal software error"),
            Self::TemporaryFailure => (75, "EX_TEMPFAIL: temporary failure"),
            Self::ConnectionFailureHost1 => (101, "EXIT_CONNECTION_FAILURE_HOST1"),
            Self::ConnectionFailureHost2 => (102, "EXIT_CONNECTION_FAILURE_HOST2"),
            Self::WithErrors => (111, "EXIT_WITH_ERRORS"),
            Self::WithErrorsMax => (112, "EXIT_WITH_ERRORS_MAX"),
            Self::OverQuota => (113, "EXIT_OVERQUOTA"),
            Self::Append => (114, "EXIT_ERR_APPEND"),
            Self::Fetch => (115, "EXIT_ERR_FETCH"),
            Self::Create => (116, "EXIT_ERR_CREATE"),
            Self::Select => (117, "EXIT_ERR_SELECT"),
            Self::TransferExceeded => (118, "EXIT_TRANSFER_EXCEEDED"),
            Self::AppendVirus => (119, "EXIT_ERR_APPEND_VIRUS"),
            Self::Flags => (120, "EXIT_ERR_FLAGS"),
            Self::GuardRefused => (121, "EXIT_GUARD_REFUSED"),
            Self::ListingIncomplete => (122, "EXIT_LISTING_INCOMPLETE"),
            Self::NotAccounted => (123, "EXIT_NOT_ACCOUNTED"),
            Self::AuthenticationFailureUser1 => (161, "EXIT_AUTHENTICATION_FAILURE_USER1"),
            Self::AuthenticationFailureUser2 => (162, "EXIT_AUTHENTICATION_FAILURE_USER2"),
            Self::TestsFailed => (254, "EXIT_TESTS_FAILED"),
        }
    }
}

/// `EXIT_… ` with its number, for messages.
impl fmt::Display for ExitStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.name(), self.number())
    }
}

/// What kind of error was counted; the kind that was counted most decides the exit status.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorClass {
    /// host2 did not take a message.
    Append,
    /// host2 said that a message is too large, or it was set aside after refusals.
    AppendSize,
    /// host2 found a virus.
    AppendVirus,
    /// host1 refused the login.
    AuthenticationUser1,
    /// host2 refused the login.
    AuthenticationUser2,
    /// No connection to host1.
    ConnectionHost1,
    /// No connection to host2.
    ConnectionHost2,
    /// host2 did not create a folder.
    Create,
    /// TLS could not be had, or the certificate is not good.
    Tls,
    /// host2 did not take flags.
    Flags,
    /// The guard objected.
    GuardRefused,
    /// host1 did not give a message.
    Fetch,
    /// A folder could not be listed to its end.
    ListingIncomplete,
    /// A message is not accounted for.
    NotAccounted,
    /// An error without words.
    NothingReported,
    /// The account on host2 is full.
    OverQuota,
    /// A folder could not be opened.
    Select,
    /// As much was copied as was allowed.
    TransferExceeded,
    /// Any other error.
    Unclassified,
}

impl ErrorClass {
    /// The name in the line `The most frequent error is`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Append => "ERR_APPEND",
            Self::AppendSize => "ERR_APPEND_SIZE",
            Self::AppendVirus => "ERR_APPEND_VIRUS",
            Self::AuthenticationUser1 => "ERR_AUTHENTICATION_FAILURE_USER1",
            Self::AuthenticationUser2 => "ERR_AUTHENTICATION_FAILURE_USER2",
            Self::ConnectionHost1 => "ERR_CONNECTION_FAILURE_HOST1",
            Self::ConnectionHost2 => "ERR_CONNECTION_FAILURE_HOST2",
            Self::Create => "ERR_CREATE",
            Self::Tls => "ERR_EXIT_TLS_FAILURE",
            Self::Flags => "ERR_FLAGS",
            Self::GuardRefused => "ERR_GUARD_REFUSED",
            Self::Fetch => "ERR_Host1_FETCH",
            Self::ListingIncomplete => "ERR_LISTING_INCOMPLETE",
            Self::NotAccounted => "ERR_NOT_ACCOUNTED",
            Self::NothingReported => "ERR_NOTHING_REPORTED",
            Self::OverQuota => "ERR_OVERQUOTA",
            Self::Select => "ERR_SELECT",
            Self::TransferExceeded => "ERR_TRANSFER_EXCEEDED",
            Self::Unclassified => "ERR_UNCLASSIFIED",
        }
    }

    /// The exit status of a run in which this class was the most frequent.
    #[must_use]
    pub fn exit_status(self) -> ExitStatus {
        match self {
            Self::Append | Self::AppendSize => ExitStatus::Append,
            Self::AppendVirus => ExitStatus::AppendVirus,
            Self::AuthenticationUser1 => ExitStatus::AuthenticationFailureUser1,
            Self::AuthenticationUser2 => ExitStatus::AuthenticationFailureUser2,
            Self::ConnectionHost1 => ExitStatus::ConnectionFailureHost1,
            Self::ConnectionHost2 => ExitStatus::ConnectionFailureHost2,
            Self::Create => ExitStatus::Create,
            Self::Tls => ExitStatus::TlsFailure,
            Self::Flags => ExitStatus::Flags,
            Self::GuardRefused => ExitStatus::GuardRefused,
            Self::Fetch => ExitStatus::Fetch,
            Self::ListingIncomplete => ExitStatus::ListingIncomplete,
            Self::NotAccounted => ExitStatus::NotAccounted,
            Self::NothingReported | Self::Unclassified => ExitStatus::WithErrors,
            Self::OverQuota => ExitStatus::OverQuota,
            Self::Select => ExitStatus::Select,
            Self::TransferExceeded => ExitStatus::TransferExceeded,
        }
    }

    /// What the user can do about it; empty where nothing general can be said.
    #[must_use]
    pub fn advice(self) -> &'static str {
        match self {
            Self::AppendSize => {
                "Leave such messages out with --maxsize, or raise the limit on host2."
            }
            Self::AuthenticationUser1 => "Check --user1 and the password of host1.",
            Self::AuthenticationUser2 => "Check --user2 and the password of host2.",
            Self::ConnectionHost1 => "Check --host1, --port1, --ssl1 and --tls1.",
            Self::ConnectionHost2 => "Check --host2, --port2, --ssl2 and --tls2.",
            Self::Flags => "Leave the flags of host2 as they are with --noresyncflags.",
            Self::GuardRefused => "Nothing was changed. Look at the plan with --dry first.",
            Self::ListingIncomplete => "Nothing was deleted there. Run the same command again.",
            Self::OverQuota => "The account on host2 is full: make room, then run again.",
            Self::Tls => "Check the certificate, --ssl1, --ssl2, --tls1 and --tls2.",
            Self::TransferExceeded => "Run the same command again to copy the rest.",
            Self::Append
            | Self::AppendVirus
            | Self::Create
            | Self::Fetch
            | Self::NotAccounted
            | Self::NothingReported
            | Self::Select
            | Self::Unclassified => "",
        }
    }
}

/// The class that decides: the guard before all, then accounting, then the most frequent one;
/// of equally frequent ones the first by name. Nothing if no error was counted.
#[must_use]
pub fn most_frequent_class(errors: &[ErrorClass]) -> Option<ErrorClass> {
    for first in [ErrorClass::GuardRefused, ErrorClass::NotAccounted] {
        if errors.contains(&first) {
            return Some(first);
        }
    }
    let count = |class: &ErrorClass| errors.iter().filter(|error| *error == class).count();
    errors.iter().copied().max_by(|one, other| {
        count(one).cmp(&count(other)).then_with(|| other.name().cmp(one.name()))
    })
}

/// The exit status for these errors; `Ok` for none.
#[must_use]
pub fn most_frequent(errors: &[ErrorClass]) -> ExitStatus {
    most_frequent_class(errors).map_or(ExitStatus::Ok, ErrorClass::exit_status)
}

#[cfg(test)]
mod tests {
    use super::ErrorClass as E;
    use super::{ExitStatus, most_frequent, most_frequent_class};

    #[test]
    fn every_status_of_the_catalogue_has_its_number_and_text() {
        let catalogue = include_str!("../../../../tests/data/imapsync/exit-codes.tsv");
        let mut rows = 0;
        for line in catalogue.lines().skip(1) {
            let mut columns = line.split('\t');
            let (Some(name), Some(number), Some(text)) =
                (columns.next(), columns.next(), columns.next())
            else {
                continue;
            };
            if name.starts_with('(') || name.starts_with('#') {
                continue;
            }
            rows += 1;
            let status = ExitStatus::EVERY.iter().find(|status| status.name() == name);
            assert_eq!(status.map(|s| s.number().to_string()).as_deref(), Some(number), "{name}");
            assert_eq!(status.map(|s| s.text()), Some(text), "{name}");
        }
        assert_eq!(rows, 28, "the catalogue was read");
        // The four that imapsync does not have.
        assert_eq!(ExitStatus::EVERY.len(), rows + 4);
    }

    #[test]
    fn numbers_rise_so_that_each_is_used_once() {
        let numbers: Vec<_> = ExitStatus::EVERY.iter().map(|status| status.number()).collect();
        assert!(numbers.is_sorted_by(|one, other| one < other), "{numbers:?}");
    }

    /// U76 of the unit catalogue: a class is that of the fault, not of its words.
    #[test]
    fn the_most_frequent_class_wins() {
        assert_eq!(most_frequent(&[]), ExitStatus::Ok);
        assert_eq!(most_frequent(&[E::Unclassified]), ExitStatus::WithErrors);
        assert_eq!(
            most_frequent(&[E::Append, E::OverQuota, E::Unclassified, E::OverQuota]),
            ExitStatus::OverQuota
        );
    }

    /// U77 of the unit catalogue.
    #[test]
    fn a_tie_goes_to_the_first_name_in_the_alphabet() {
        assert_eq!(
            most_frequent(&[E::AuthenticationUser2, E::AuthenticationUser1]),
            ExitStatus::AuthenticationFailureUser1
        );
        assert_eq!(
            most_frequent_class(&[E::Select, E::Create, E::Select, E::Create]),
            Some(E::Create)
        );
        // Upper case sorts before lower case: FLAGS before Host1_FETCH before OVERQUOTA.
        assert_eq!(most_frequent_class(&[E::OverQuota, E::Fetch]), Some(E::Fetch));
        assert_eq!(most_frequent_class(&[E::Fetch, E::Flags]), Some(E::Flags));
    }

    #[test]
    fn the_guard_comes_first_and_accounting_second_however_rare() {
        let errors = [E::Append, E::Append, E::NotAccounted, E::GuardRefused];
        assert_eq!(most_frequent(&errors), ExitStatus::GuardRefused);
        assert_eq!(most_frequent(&errors[..3]), ExitStatus::NotAccounted);
    }
}

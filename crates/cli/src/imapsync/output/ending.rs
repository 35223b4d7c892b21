//! The last lines: verdict, errors, exit status.

use crate::imapsync::exit_status::{ErrorClass, ExitStatus, most_frequent_class};

/// How the two sides compare after a run, in distinct identities over all folders visited.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Verdict {
    /// Identities found on host1.
    pub identified1: u64,
    /// Those of them that are not on host2.
    pub missing2: u64,
    /// Messages of host1 without an identity.
    pub unidentified1: u64,
    /// Identities found on host2.
    pub identified2: u64,
    /// Those of them that are not on host1.
    pub extra2: u64,
}

impl Verdict {
    /// Up to three lines; the first is absent if no message of host1 was identified.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        if self.identified1 > 0 {
            lines.push(match self.missing2 {
                0 => format!(
                    "The sync looks good, all {} identified messages in host1 are on host2.",
                    self.identified1
                ),
                missing => format!(
                    "The sync is not finished, there are {missing} among {} identified messages \
                     in host1 that are not on host2.",
                    self.identified1
                ),
            });
        }
        lines.push(match self.unidentified1 {
            0 => "There is no unidentified message on host1.".to_owned(),
            count => format!(
                "There are {count} unidentified messages (usually Sent or Draft messages). To \
                 sync them add option --addheader"
            ),
        });
        lines.push(match self.extra2 {
            0 => format!(
                "The sync is strict, all {} identified messages in host2 are on host1.",
                self.identified2
            ),
            extra => format!(
                "The sync is not strict, there are {extra} among {} identified messages in host2 \
                 that are not on host1. Use --delete2 and sync again to delete them and have a \
                 strict sync.",
                self.identified2
            ),
        });
        lines
    }
}

/// `Detected N errors`
#[must_use]
pub fn errors_detected(count: usize) -> String {
    format!("Detected {count} errors")
}

/// The list of errors, headline first; nothing for none.
#[must_use]
pub fn errors_listed(errors: &[String]) -> Vec<String> {
    if errors.is_empty() {
        return Vec::new();
    }
    let total = errors.len();
    let mut lines = vec![format!(
        "++++ Listing {total} errors encountered during the sync ( avoid this listing with \
         --noerrorsdump )."
    )];
    let numbered = errors.iter().zip(1..);
    lines.extend(numbered.map(|(error, place)| format!("Err {place}/{total}: {error}")));
    lines
}

/// The line that names the class of error that decides; nothing for no error. It ends with a
/// point and a blank even where no advice follows. It stays with `--noerrorsdump`.
#[must_use]
pub fn most_frequent_error(errors: &[ErrorClass]) -> Option<String> {
    let class = most_frequent_class(errors)?;
    Some(format!("The most frequent error is {}. {}", class.name(), class.advice()))
}

/// The line that tells wrappers how the run ended.
#[must_use]
pub fn exiting(status: ExitStatus, errors: usize, errors_max: u32, pid: u32) -> String {
    format!(
        "Exiting with return value {} ({}) {errors}/{errors_max} nb_errors/max_errors PID {pid}",
        status.number(),
        status.text()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_good_sync_says_so_in_the_words_wrappers_look_for() {
        let verdict =
            Verdict { identified1: 12, missing2: 0, unidentified1: 1, identified2: 12, extra2: 0 };
        assert_eq!(
            verdict.lines(),
            [
                "The sync looks good, all 12 identified messages in host1 are on host2.",
                "There are 1 unidentified messages (usually Sent or Draft messages). To sync \
                 them add option --addheader",
                "The sync is strict, all 12 identified messages in host2 are on host1.",
            ]
        );
    }

    #[test]
    fn an_unfinished_sync_never_looks_good() {
        let verdict =
            Verdict { identified1: 12, missing2: 3, unidentified1: 0, identified2: 20, extra2: 11 };
        assert_eq!(
            verdict.lines(),
            [
                "The sync is not finished, there are 3 among 12 identified messages in host1 \
                 that are not on host2.",
                "There is no unidentified message on host1.",
                "The sync is not strict, there are 11 among 20 identified messages in host2 \
                 that are not on host1. Use --delete2 and sync again to delete them and have a \
                 strict sync.",
            ]
        );
        assert_eq!(Verdict::default().lines().len(), 2, "nothing identified, nothing looks good");
    }

    #[test]
    fn errors_are_numbered() {
        assert_eq!(errors_detected(0), "Detected 0 errors");
        assert_eq!(errors_listed(&[]), Vec::<String>::new());
        assert_eq!(
            errors_listed(&["one".to_owned(), "two".to_owned()]),
            [
                "++++ Listing 2 errors encountered during the sync ( avoid this listing with \
                 --noerrorsdump ).",
                "Err 1/2: one",
                "Err 2/2: two",
            ]
        );
    }

    #[test]
    fn the_class_of_error_is_followed_by_a_point_and_a_blank() {
        assert_eq!(most_frequent_error(&[]), None);
        assert_eq!(
            most_frequent_error(&[ErrorClass::Create]).as_deref(),
            Some("The most frequent error is ERR_CREATE. ")
        );
        let full = most_frequent_error(&[ErrorClass::OverQuota]).unwrap_or_default();
        assert!(full.starts_with("The most frequent error is ERR_OVERQUOTA. The account"));
    }

    #[test]
    fn the_exiting_line_is_what_mailcow_matches() {
        assert_eq!(
            exiting(ExitStatus::Ok, 0, 50, 16_813),
            "Exiting with return value 0 (EX_OK: successful termination) 0/50 \
             nb_errors/max_errors PID 16813"
        );
        assert_eq!(
            exiting(ExitStatus::OverQuota, 1, 50, 29_214),
            "Exiting with return value 113 (EXIT_OVERQUOTA) 1/50 nb_errors/max_errors PID 29214"
        );
    }
}

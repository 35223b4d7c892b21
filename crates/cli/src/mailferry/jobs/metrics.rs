//! What is known of a job as a file for Prometheus' node exporter (its textfile collector), in the
//! text format 0.0.4.

use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::path::Path;

use super::record::{QuotaLeft, Ran, Record};

/// Writes the file in place of the one before: whoever collects sees the one or the other.
///
/// # Errors
/// It cannot be written.
pub(super) fn write(path: &Path, job: &str, record: &Record) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("/"));
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(text(job, record).as_bytes())?;
    file.as_file().sync_all()?;
    // Another user collects it.
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        file.as_file().set_permissions(std::fs::Permissions::from_mode(0o644))?;
    }
    file.persist(path).map(drop).map_err(|error| error.error)
}

/// The file.
fn text(job: &str, record: &Record) -> String {
    let mut page = Page { text: String::new(), job };
    if let Some(run) = record.last() {
        page.of_run(run);
    }
    if let Some(run) = &record.good {
        let what = "When the last good run began, in seconds since 1970-01-01.";
        page.gauge("last_success_timestamp_seconds", what, &[("", run.started as f64)]);
    }
    if let Some(drill) = &record.good_drill {
        let what = "When the backup was last restored on trial, in seconds since 1970-01-01.";
        page.gauge("last_drill_timestamp_seconds", what, &[("", drill.started as f64)]);
        let what = "How long that restore took.";
        page.gauge("last_drill_duration_seconds", what, &[("", drill.restore_seconds)]);
    }
    page.text
}

struct Page<'a> {
    text: String,
    job: &'a str,
}

impl Page<'_> {
    fn of_run(&mut self, run: &Ran) {
        let one = |value: f64| [("", value)];
        let gauges = [
            (
                "last_run_timestamp_seconds",
                "When the last run began, in seconds since 1970-01-01.",
                run.started as f64,
            ),
            ("last_run_duration_seconds", "How long it took.", run.seconds),
            ("last_run_status", "Its exit status.", f64::from(run.status)),
            ("last_run_good", "Whether it is a good one.", f64::from(u8::from(run.good))),
        ];
        for (name, what, value) in gauges {
            self.gauge(name, what, &one(value));
        }
        if let Some(left) = run.quota_left {
            self.of_quota(left);
        }
        let Some(counts) = &run.counts else { return };
        let fates = [
            ("copied", counts.copied),
            ("present", counts.present),
            ("skipped", counts.skipped),
            ("failed", counts.failed),
            ("expunged", counts.expunged),
            ("not-started", counts.not_started),
        ]
        .map(|(fate, count)| (fate, count as f64));
        self.gauge("last_run_messages", "Messages of the source, by what became of them.", &fates);
        let copied = counts.copied_octets as f64;
        self.gauge("last_run_copied_bytes", "Octets of the copied messages.", &one(copied));
        let gone = counts.deleted as f64;
        self.gauge("last_run_removed_messages", "Messages removed from the target.", &one(gone));
    }

    /// Of a resource without a limit there is none.
    fn of_quota(&mut self, left: QuotaLeft) {
        let gauges = [
            ("target_quota_left_bytes", "Octets that the target has room for.", left.octets),
            ("target_quota_left_messages", "Messages that the target has room for.", left.messages),
        ];
        for (name, what, value) in gauges {
            if let Some(value) = value {
                self.gauge(name, what, &[("", value as f64)]);
            }
        }
    }

    /// One metric; what tells its samples apart is their fate.
    fn gauge(&mut self, name: &str, what: &str, samples: &[(&str, f64)]) {
        let name = format!("mailferry_job_{name}");
        let _ = writeln!(self.text, "# HELP {name} {what}\n# TYPE {name} gauge");
        for (fate, value) in samples {
            let job = escaped(self.job);
            let fate = if fate.is_empty() { String::new() } else { format!(",fate=\"{fate}\"") };
            let _ = writeln!(self.text, "{name}{{job_name=\"{job}\"{fate}}} {value}");
        }
    }
}

/// The value of a label.
fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::record::Counted;
    use super::*;

    /// The rules of the text format: HELP, TYPE, then the samples of that metric, each metric once.
    #[test]
    fn every_metric_has_help_and_type_once_before_its_samples() {
        let counts =
            Some(Counted { copied: 3, copied_octets: 9_999_999_999, ..Counted::default() });
        let quota_left = Some(QuotaLeft { octets: Some(1 << 40), messages: None });
        let run = Ran {
            started: 1_795_719_420,
            seconds: 1.5,
            good: true,
            counts,
            quota_left,
            ..Ran::default()
        };
        let record = Record { runs: vec![run.clone()], good: Some(run), ..Record::default() };
        let text = text("a\"b\\", &record);
        let mut seen = Vec::new();
        let mut lines = text.lines().peekable();
        while let Some(help) = lines.next() {
            let name = help.strip_prefix("# HELP ").unwrap().split(' ').next().unwrap();
            assert_eq!(lines.next().unwrap(), format!("# TYPE {name} gauge"));
            assert!(!seen.contains(&name), "{name} twice");
            seen.push(name);
            let mut samples = 0;
            while let Some(line) = lines.next_if(|line| !line.starts_with('#')) {
                let rest = line.strip_prefix(name).unwrap();
                assert!(rest.starts_with("{job_name=\"a\\\"b\\\\\""), "{line}");
                line.rsplit(' ').next().unwrap().parse::<f64>().unwrap();
                samples += 1;
            }
            assert!(samples > 0, "{name}");
        }
        assert!(
            text.contains("last_run_copied_bytes{job_name=\"a\\\"b\\\\\"} 9999999999\n"),
            "{text}"
        );
        assert!(text.contains("fate=\"copied\"} 3\n"), "{text}");
        assert!(
            text.contains("quota_left_bytes{job_name=\"a\\\"b\\\\\"} 1099511627776\n"),
            "{text}"
        );
        assert!(!text.contains("quota_left_messages"), "{text}");
        assert!(text.ends_with('\n'));
    }
}

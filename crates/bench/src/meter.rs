//! Runs a program and measures it: wall time, processor time, largest resident set.
//!
//! A program is started by a process of its own that does nothing else. The kernel counts to
//! a program's largest resident set what the process that started it held at that moment
//! (Linux `setmax_mm_hiwater_rss` in exec), and these measurements hold whole accounts.

use std::ffi::OsString;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::signal::{Signal, kill};
use nix::sys::time::TimeVal;
use nix::unistd::Pid;

use crate::sample::Sample;

/// The first argument of a process that only runs another.
const WRAPPER_WORD: &str = "run-and-measure";
/// A run that takes longer is ended, and leaves no figure.
const RUN_SECONDS_MAX: u64 = 3600;
/// Lines of a failed program's output that are shown.
const WORDS_LINES: usize = 4;

/// A program with all it needs to run.
#[derive(Clone, Debug)]
pub(crate) struct Invocation {
    pub(crate) program: PathBuf,
    pub(crate) arguments: Vec<OsString>,
    pub(crate) environment: Vec<(&'static str, OsString)>,
    /// Exit statuses that mean success.
    pub(crate) good_statuses: &'static [i32],
}

impl Invocation {
    /// Runs it to its end. Its output goes to a file in `home`.
    ///
    /// # Errors
    /// It cannot be started, takes too long, or ends with a status that means no success; with
    /// its last words.
    pub(crate) fn measure(&self, home: &Path) -> Result<Sample> {
        // What earlier runs have left to be written must not be waited for in this one.
        nix::unistd::sync();
        let output = home.join("output");
        let own = std::env::current_exe().context("cannot find the own program")?;
        let mut wrapper = Command::new(own);
        wrapper.arg(WRAPPER_WORD).arg(&output).arg(&self.program).args(&self.arguments);
        wrapper.envs(self.environment.iter().map(|(name, value)| (name, value)));
        let answer = wrapper.stdin(Stdio::null()).stderr(Stdio::inherit()).output()?;
        let name = self.program.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let answer = String::from_utf8_lossy(&answer.stdout).into_owned();
        let (sample, status) =
            read_answer(&answer).with_context(|| format!("cannot run {name}: {answer}"))?;
        if !self.good_statuses.contains(&status) {
            bail!("{name} ended with status {status}: {}", last_words(&output));
        }
        Ok(sample)
    }
}

/// What the wrapper prints: seconds, seconds, octets, status; -1 for a signal.
fn read_answer(answer: &str) -> Result<(Sample, i32)> {
    let words: Vec<&str> = answer.split_whitespace().collect();
    let [wall, cpu, peak, status] = words.as_slice() else { bail!("not four words") };
    let sample = Sample {
        wall_seconds: wall.parse()?,
        cpu_seconds: cpu.parse()?,
        peak_octets: peak.parse()?,
    };
    Ok((sample, status.parse()?))
}

fn last_words(output: &Path) -> String {
    let text = std::fs::read(output).unwrap_or_default();
    let text = String::from_utf8_lossy(&text).into_owned();
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    lines[lines.len().saturating_sub(WORDS_LINES)..].join(" / ")
}

/// What a wrapper process is to do.
pub(crate) struct Wrapped {
    output: PathBuf,
    program: OsString,
    arguments: Vec<OsString>,
}

impl Wrapped {
    /// From the command line of this process, if it is a wrapper.
    pub(crate) fn from_words(words: &[OsString]) -> Option<Self> {
        let [_, word, output, program, arguments @ ..] = words else { return None };
        (word == WRAPPER_WORD).then(|| Self {
            output: output.into(),
            program: program.clone(),
            arguments: arguments.to_vec(),
        })
    }

    /// Runs the program and prints what it took.
    #[allow(clippy::print_stdout)] // the answer to the process that measures
    pub(crate) fn perform(self) -> ExitCode {
        match self.run() {
            Ok((sample, status)) => {
                let Sample { wall_seconds, cpu_seconds, peak_octets } = sample;
                println!("{wall_seconds} {cpu_seconds} {peak_octets} {status}");
                ExitCode::SUCCESS
            }
            Err(error) => {
                println!("{error:#}");
                ExitCode::FAILURE
            }
        }
    }

    fn run(self) -> Result<(Sample, i32)> {
        let output = File::create(&self.output)?;
        let errors = output.try_clone()?;
        let mut command = Command::new(self.program);
        command.args(self.arguments).stdin(Stdio::null()).stdout(output).stderr(errors);
        let begin = Instant::now();
        let mut child = command.spawn()?;
        let pid = Pid::from_raw(i32::try_from(child.id())?);
        let (ended, end) = channel::<()>();
        let watch = std::thread::spawn(move || {
            let limit = Duration::from_secs(RUN_SECONDS_MAX);
            if end.recv_timeout(limit) == Err(RecvTimeoutError::Timeout) {
                let _ = kill(pid, Signal::SIGKILL);
            }
        });
        let status = child.wait()?;
        let wall_seconds = begin.elapsed().as_secs_f64();
        drop(ended);
        let _ = watch.join();
        let usage = getrusage(UsageWho::RUSAGE_CHILDREN)?;
        let cpu_seconds = seconds(usage.user_time()) + seconds(usage.system_time());
        // Linux counts in KiB, macOS in octets.
        let unit = if cfg!(target_os = "macos") { 1 } else { 1024 };
        let peak_octets = u64::try_from(usage.max_rss())? * unit;
        Ok((Sample { wall_seconds, cpu_seconds, peak_octets }, status.code().unwrap_or(-1)))
    }
}

fn seconds(time: TimeVal) -> f64 {
    time.tv_sec() as f64 + time.tv_usec() as f64 / 1e6
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_wrapper_is_known_by_its_first_word() {
        let words = |line: &str| line.split(' ').map(OsString::from).collect::<Vec<_>>();
        let wrapped = Wrapped::from_words(&words("bench run-and-measure out prog -a b")).unwrap();
        assert_eq!(wrapped.output, Path::new("out"));
        assert_eq!((wrapped.program, wrapped.arguments), ("prog".into(), words("-a b")));
        assert!(Wrapped::from_words(&words("bench first nothing --quick")).is_none());
    }

    #[test]
    fn a_program_is_measured_and_its_status_told() {
        let dir = tempfile::tempdir().unwrap();
        let script = |text: &str| Wrapped {
            output: dir.path().join("output"),
            program: "/bin/sh".into(),
            arguments: vec!["-c".into(), text.into()],
        };
        let (sample, status) = script("echo one; echo two >&2; exit 3").run().unwrap();
        assert_eq!(status, 3);
        assert!(sample.wall_seconds > 0.0 && sample.peak_octets > 100 << 10, "{sample:?}");
        assert_eq!(last_words(&dir.path().join("output")), "one / two");
        assert!(read_answer("cannot start").is_err());
    }
}

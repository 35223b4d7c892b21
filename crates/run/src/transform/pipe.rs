//! A message through a command: what it writes is what is sent.
//!
//! The command gets the message on its standard input and nothing else of it: neither words of the
//! message nor names of mailboxes come into the text that the shell reads. It runs in a process group of
//! its own, which is ended where it takes too long or writes too much.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::process::{Child, Command, ExitStatus};
use std::time::{Duration, Instant};

use super::TRANSFORM_OCTETS_MAX;

/// How long a command may take for one message.
pub const PIPE_TIME_MAX: Duration = Duration::from_secs(300);
/// Octets that it may write.
pub const OUTPUT_OCTETS_MAX: u64 = TRANSFORM_OCTETS_MAX;
/// Octets of what it says on its standard error that are told.
const SAID_OCTETS_MAX: usize = 4096;
/// The longest wait between two looks whether it has ended.
const LOOK_WAIT_MAX: Duration = Duration::from_millis(20);

/// Variables of the environment that are none of a command's business.
const SECRETS: [&str; 4] = [
    "IMAPSYNC_PASSWORD1",
    "IMAPSYNC_PASSWORD2",
    "MAILFERRY_SOURCE_PASSWORD",
    "MAILFERRY_TARGET_PASSWORD",
];

/// A command that messages go through, as a POSIX shell reads it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pipe {
    rule: String,
    command: OsString,
    time_max: Duration,
    octets_max: u64,
}

/// Why a command made no message.
#[derive(Debug, thiserror::Error)]
pub enum PipeError {
    /// It could not be started, or its files could not be written or read.
    #[error("{0}")]
    System(#[from] io::Error),
    /// It failed.
    #[error("it ended with {status}{said}")]
    Status {
        /// As the system words it.
        status: ExitStatus,
        /// What it wrote to standard error, with words before it.
        said: String,
    },
    /// It wrote nothing.
    #[error("it wrote nothing{0}")]
    Nothing(String),
    /// It took too long.
    #[error("it had not ended after {0:?}, and was stopped")]
    Time(Duration),
    /// It wrote too much.
    #[error("it wrote more than {0} octets, and was stopped")]
    Size(u64),
}

/// What came out of a command.
#[derive(Debug)]
pub(super) struct Piped {
    pub(super) octets: Vec<u8>,
    /// What it wrote to standard error.
    pub(super) said: String,
}

impl Pipe {
    /// A command; `rule`: what the user wrote, by which reports name it.
    #[must_use]
    pub fn new(rule: impl Into<String>, command: impl Into<OsString>) -> Self {
        let (rule, command) = (rule.into(), command.into());
        Self { rule, command, time_max: PIPE_TIME_MAX, octets_max: OUTPUT_OCTETS_MAX }
    }

    /// What the user wrote.
    #[must_use]
    pub fn rule(&self) -> &str {
        &self.rule
    }

    /// Runs it on a blank, as imapsync does before it connects: a command that is not there, or that
    /// writes nothing, is noticed before anything is done.
    ///
    /// # Errors
    /// It makes no message of a blank.
    pub fn check(&self) -> Result<(), PipeError> {
        self.run(b" ").map(|_| ())
    }

    /// Sends a message through it. Blocks the thread.
    pub(super) fn run(&self, message: &[u8]) -> Result<Piped, PipeError> {
        let mut input = tempfile::tempfile()?;
        input.write_all(message)?;
        input.rewind()?;
        let (mut output, mut errors) = (tempfile::tempfile()?, tempfile::tempfile()?);
        let mut shell = shell(&self.command);
        for name in SECRETS {
            shell.env_remove(name);
        }
        let mut child =
            shell.stdin(input).stdout(output.try_clone()?).stderr(errors.try_clone()?).spawn()?;
        let status = match self.wait(&mut child, &output) {
            Ok(status) => status,
            Err(error) => {
                end(&mut child);
                return Err(error);
            }
        };
        let said = read_some(&mut errors)?;
        let behind = if said.is_empty() { String::new() } else { format!(": {said}") };
        if !status.success() {
            return Err(PipeError::Status { status, said: behind });
        }
        output.rewind()?;
        let mut octets = Vec::new();
        output.read_to_end(&mut octets)?;
        if octets.is_empty() {
            return Err(PipeError::Nothing(behind));
        }
        Ok(Piped { octets, said })
    }

    fn wait(&self, child: &mut Child, output: &File) -> Result<ExitStatus, PipeError> {
        let began = Instant::now();
        let mut wait = Duration::from_micros(200);
        loop {
            let ended = child.try_wait()?;
            if output.metadata()?.len() > self.octets_max {
                return Err(PipeError::Size(self.octets_max));
            }
            if let Some(status) = ended {
                return Ok(status);
            }
            if began.elapsed() >= self.time_max {
                return Err(PipeError::Time(self.time_max));
            }
            std::thread::sleep(wait);
            wait = (wait * 2).min(LOOK_WAIT_MAX);
        }
    }
}

#[cfg(unix)]
fn shell(command: &OsStr) -> Command {
    use std::os::unix::process::CommandExt as _;
    let mut shell = Command::new("/bin/sh");
    shell.arg("-c").arg(command).process_group(0);
    shell
}

#[cfg(not(unix))]
fn shell(command: &OsStr) -> Command {
    let mut shell = Command::new("cmd");
    shell.arg("/C").arg(command);
    shell
}

/// Ends a command and all that it started.
fn end(child: &mut Child) {
    #[cfg(unix)]
    if let Ok(group) = i32::try_from(child.id()) {
        use nix::sys::signal::{Signal, killpg};
        // It may have ended on its own meanwhile.
        let _ = killpg(nix::unistd::Pid::from_raw(group), Signal::SIGKILL);
    }
    let _ = child.kill();
    let _ = child.wait();
}

/// The beginning of a file as one line.
fn read_some(file: &mut File) -> io::Result<String> {
    file.rewind()?;
    let mut octets = Vec::new();
    file.take(SAID_OCTETS_MAX as u64).read_to_end(&mut octets)?;
    Ok(String::from_utf8_lossy(&octets).trim().replace('\n', "; "))
}

#[cfg(all(test, unix))]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn run(command: &str, message: &[u8]) -> Result<Piped, PipeError> {
        Pipe::new("", command).run(message)
    }

    /// U68 of the unit catalogue.
    #[test]
    fn what_a_command_writes_is_the_message_and_what_it_says_is_kept() {
        assert_eq!(run("cat", b"9 octets!").unwrap().octets, b"9 octets!");
        assert_eq!(run("(cat|cat)", b"\0\xff\r\n").unwrap().octets, b"\0\xff\r\n");
        let piped = run("echo a note >&2; tr a b", b"aa").unwrap();
        assert_eq!((piped.octets, piped.said), (b"bb".to_vec(), "a note".to_owned()));
    }

    #[test]
    fn a_command_that_fails_or_writes_nothing_makes_no_message() {
        let words = |command: &str| run(command, b"x").unwrap_err().to_string();
        assert_eq!(words("cat; echo no >&2; exit 3"), "it ended with exit status: 3: no");
        assert!(words("/no/such/command").contains("it ended with exit status: 127"));
        assert_eq!(words("true"), "it wrote nothing");
        assert_eq!(words("false"), "it ended with exit status: 1");
        assert!(Pipe::new("", "cat").check().is_ok());
        assert!(Pipe::new("", "true").check().is_err());
    }

    #[test]
    fn a_large_message_goes_through_a_command_that_does_not_read_it_all() {
        let message = vec![b'x'; 3 << 20];
        assert_eq!(run("cat", &message).unwrap().octets.len(), message.len());
        assert_eq!(run("head -c 5", &message).unwrap().octets, b"xxxxx");
    }

    #[test]
    fn a_command_without_an_end_is_stopped_with_all_that_it_started() {
        let folder = tempfile::tempdir().unwrap();
        let mark = folder.path().join("mark");
        let command = format!("(sleep 2; touch {}) & sleep 100", mark.display());
        let began = Instant::now();
        let pipe = Pipe { time_max: Duration::from_millis(100), ..Pipe::new("", command) };
        assert!(matches!(pipe.run(b"x"), Err(PipeError::Time(_))));
        assert!(began.elapsed() < Duration::from_secs(2));
        std::thread::sleep(Duration::from_millis(2500));
        assert!(!mark.exists());
    }

    #[test]
    fn a_command_that_writes_without_an_end_is_stopped() {
        let pipe = Pipe { octets_max: 1 << 20, ..Pipe::new("", "yes") };
        assert!(matches!(pipe.run(b"x"), Err(PipeError::Size(_))));
    }
}

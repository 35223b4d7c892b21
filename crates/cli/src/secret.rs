//! Where a password or an access token comes from. It is held as octets and never printed.

use std::io::{IsTerminal, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// A command that gives a secret may print at most this much.
const SECRET_BYTES_MAX: u64 = 64 * 1024;
/// How long a command that gives a secret may take, if nothing else is said: somebody may have to
/// type a passphrase.
pub const COMMAND_WAIT_USUAL: Duration = Duration::from_secs(300);
/// How often it is looked whether a command has ended.
const COMMAND_LOOK_EVERY: Duration = Duration::from_millis(10);

/// A place that holds a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecretFrom {
    /// Given in words, on somebody's own responsibility.
    Given(Vec<u8>),
    /// The first line of the file of this name, if there is one, else these words.
    FileOrGiven(Vec<u8>),
    /// The first line of a file.
    File(PathBuf),
    /// The first line that a command prints.
    Command {
        /// The command.
        command: String,
        /// How long it may take.
        wait: Duration,
    },
    /// An environment variable.
    Environment(String),
    /// Asked for, without echo.
    Prompt(String),
}

/// A secret could not be had.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// The file cannot be read.
    #[error("the file {path} cannot be read: {reason}")]
    File {
        /// Which.
        path: PathBuf,
        /// The system's words.
        reason: std::io::Error,
    },
    /// The command could not be started, failed, or printed nothing.
    #[error("the command `{command}` {reason}")]
    Command {
        /// Which.
        command: String,
        /// What went wrong.
        reason: String,
    },
    /// The variable is not set.
    #[error("the environment variable {0} is not set")]
    Environment(String),
    /// There is nobody to ask.
    #[error("there is no terminal to ask for the {what}")]
    NoTerminal {
        /// What was to be asked.
        what: String,
    },
    /// Reading what was typed failed.
    #[error("the password could not be read: {0}")]
    Prompt(std::io::Error),
}

impl SecretFrom {
    /// Fetches the secret.
    ///
    /// # Errors
    /// See [`SecretError`]; no message holds any part of a password.
    pub fn fetch(&self) -> Result<Vec<u8>, SecretError> {
        match self {
            Self::Given(secret) => Ok(secret.clone()),
            Self::FileOrGiven(words) => {
                Ok(first_line_of_file(Path::new(&os_word(words))).unwrap_or_else(|_| words.clone()))
            }
            Self::File(path) => first_line_of_file(path),
            Self::Command { command, wait } => first_line_of_command(command, *wait),
            Self::Environment(name) => std::env::var_os(name)
                .map(os_octets)
                .ok_or_else(|| SecretError::Environment(name.clone())),
            Self::Prompt(what) => prompt(what),
        }
    }
}

/// The octets of a word of the command line or environment, whatever its encoding.
#[must_use]
pub fn os_octets(word: std::ffi::OsString) -> Vec<u8> {
    #[cfg(unix)]
    {
        std::os::unix::ffi::OsStringExt::into_vec(word)
    }
    #[cfg(not(unix))]
    {
        word.to_string_lossy().into_owned().into_bytes()
    }
}

fn first_line_of_file(path: &Path) -> Result<Vec<u8>, SecretError> {
    let fail = |reason| SecretError::File { path: path.to_owned(), reason };
    let mut octets = Vec::new();
    std::fs::File::open(path)
        .map_err(fail)?
        .take(SECRET_BYTES_MAX)
        .read_to_end(&mut octets)
        .map_err(fail)?;
    Ok(first_line(&octets))
}

fn first_line(octets: &[u8]) -> Vec<u8> {
    octets.split(|&octet| octet == b'\n').next().unwrap_or_default().to_vec()
}

fn os_word(octets: &[u8]) -> std::ffi::OsString {
    #[cfg(unix)]
    {
        std::os::unix::ffi::OsStringExt::from_vec(octets.to_vec())
    }
    #[cfg(not(unix))]
    {
        String::from_utf8_lossy(octets).into_owned().into()
    }
}

fn first_line_of_command(command: &str, wait: Duration) -> Result<Vec<u8>, SecretError> {
    let fail = |reason: String| SecretError::Command { command: command.to_owned(), reason };
    let (shell, flag) = if cfg!(windows) { ("cmd", "/C") } else { ("/bin/sh", "-c") };
    let mut child = Command::new(shell)
        .args([flag, command])
        .stdin(Stdio::inherit())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| fail(format!("could not be started: {error}")))?;
    let end = Instant::now() + wait;
    let printed = read_aside(&mut child);
    let octets = printed.recv_timeout(wait);
    let ended = match octets {
        Err(mpsc::RecvTimeoutError::Timeout) => Ok(None),
        _ => wait_until(&mut child, end),
    };
    let Some(status) = ended.map_err(|error| fail(error.to_string()))? else {
        // What it started itself may go on; nobody waits for it.
        let _ = child.kill();
        let _ = child.wait();
        return Err(fail(format!("has not ended within {} s", wait.as_secs())));
    };
    let octets = octets.unwrap_or(Ok(Vec::new())).map_err(|error| fail(error.to_string()))?;
    if !status.success() {
        return Err(fail(format!("failed ({status})")));
    }
    let mut line = first_line(&octets);
    if line.last() == Some(&b'\r') {
        line.pop();
    }
    if line.is_empty() { Err(fail("printed nothing".to_owned())) } else { Ok(line) }
}

/// Reads what a command prints, in a thread of its own: it may never end.
fn read_aside(child: &mut Child) -> mpsc::Receiver<std::io::Result<Vec<u8>>> {
    let (tell, told) = mpsc::channel();
    if let Some(stdout) = child.stdout.take() {
        std::thread::spawn(move || {
            let mut octets = Vec::new();
            let read = stdout.take(SECRET_BYTES_MAX).read_to_end(&mut octets);
            let _ = tell.send(read.map(|_| octets));
        });
    }
    told
}

/// Waits for the end of a command; `None` where it does not come in time.
fn wait_until(child: &mut Child, end: Instant) -> std::io::Result<Option<ExitStatus>> {
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        if Instant::now() >= end {
            return Ok(None);
        }
        std::thread::sleep(COMMAND_LOOK_EVERY);
    }
}

fn prompt(what: &str) -> Result<Vec<u8>, SecretError> {
    if std::io::stdin().is_terminal() {
        return rpassword::prompt_password(format!("{what}: "))
            .map(String::into_bytes)
            .map_err(SecretError::Prompt);
    }
    // Scripts pipe the passwords in, one a line, source first.
    let mut line = String::new();
    let read = std::io::stdin().read_line(&mut line).map_err(SecretError::Prompt)?;
    if read == 0 {
        return Err(SecretError::NoTerminal { what: what.to_owned() });
    }
    Ok(line.trim_end_matches(['\n', '\r']).as_bytes().to_vec())
}

#[cfg(all(test, unix))]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn of(command: &str, milliseconds: u64) -> Result<Vec<u8>, String> {
        let wait = Duration::from_millis(milliseconds);
        let from = SecretFrom::Command { command: command.to_owned(), wait };
        from.fetch().map_err(|error| error.to_string())
    }

    #[test]
    fn a_command_that_hangs_is_given_up_and_what_it_printed_is_not_told() {
        for command in ["echo geheim; sleep 60", "sleep 60 & exec sleep 60", "exec >&-; sleep 60"] {
            let began = Instant::now();
            let words = of(command, 200).unwrap_err();
            assert!(words.contains("has not ended within 0 s"), "{words}");
            assert!(began.elapsed() < Duration::from_secs(20), "{command}");
        }
    }

    #[test]
    fn a_command_gives_its_first_line_or_says_why_not() {
        assert_eq!(of("printf 'one\\r\\ntwo\\n'", 20_000), Ok(b"one".to_vec()));
        assert!(of("true", 20_000).unwrap_err().contains("printed nothing"));
        assert!(of("exit 3", 20_000).unwrap_err().contains("failed"));
    }
}

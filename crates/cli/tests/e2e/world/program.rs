//! Running the programs under test, each test in a home of its own.

use super::Place;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// No run of these tests should take a tenth of this.
const RUN_SECONDS_MAX: u64 = 90;

/// Which program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Front {
    Imapsync,
    Mailferry,
}

/// A home directory and what runs from it: state stays from run to run of one test, and no
/// other test sees it.
pub struct Desk {
    home: TempDir,
}

/// A run that has ended.
pub struct Finished {
    /// The exit status; `None` if a signal ended it.
    pub status: Option<i32>,
    pub stdout: String,
    pub stderr: String,
    shown: String,
    all: String,
}

impl Desk {
    pub fn new() -> Self {
        Self { home: tempfile::tempdir().unwrap() }
    }

    pub fn path(&self) -> &Path {
        self.home.path()
    }

    /// Writes a file into the home, for options that name one.
    pub fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.home.path().join(name);
        fs::write(&path, text).unwrap();
        path
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        let home = self.home.path();
        command.current_dir(home).env("HOME", home).env("TMPDIR", home);
        for name in ["XDG_DATA_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME"] {
            command.env(name, home.join(name));
        }
        for name in ["IMAPSYNC_PASSWORD1", "IMAPSYNC_PASSWORD2"] {
            command.env_remove(name);
        }
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("MAILFERRY_") {
                command.env_remove(name);
            }
        }
        command
    }

    /// `mailferry`, to be given words.
    pub fn command_of_ferry(&self) -> Command {
        self.command(env!("CARGO_BIN_EXE_mailferry"))
    }

    /// A POSIX shell that runs this text; further arguments are its own.
    pub fn shell(&self, text: &str) -> Command {
        let mut command = self.command("sh");
        command.arg("-c").arg(text);
        command
    }

    /// `imapsync` on two accounts with further options.
    pub fn imapsync(&self, source: &Place<'_>, target: &Place<'_>, options: &[&str]) -> Finished {
        self.finish(self.imapsync_command(source, target, options))
    }

    pub fn imapsync_command(
        &self,
        source: &Place<'_>,
        target: &Place<'_>,
        options: &[&str],
    ) -> Command {
        let mut command = self.command(env!("CARGO_BIN_EXE_imapsync"));
        for (number, place) in [("1", source), ("2", target)] {
            command
                .args([format!("--host{number}"), "127.0.0.1".to_owned()])
                .args([format!("--port{number}"), place.imap_port().to_string()])
                .args([format!("--user{number}"), place.user.clone()])
                .args([format!("--password{number}"), place.password.clone()]);
        }
        command.arg("--nolog").arg("--tmpdir").arg(self.home.path()).args(options);
        command
    }

    /// `mailferry` with these words and no passwords.
    pub fn mailferry(&self, words: &[&str]) -> Finished {
        let mut command = self.command(env!("CARGO_BIN_EXE_mailferry"));
        command.args(words);
        self.finish(command)
    }

    /// `mailferry VERB SOURCE TARGET`: STARTTLS where the server offers TLS and no proxy
    /// looks on, else clear text.
    pub fn ferry(
        &self,
        verb: &str,
        source: &Place<'_>,
        target: &Place<'_>,
        options: &[&str],
    ) -> Finished {
        self.finish(self.ferry_command(verb, source, target, options))
    }

    pub fn ferry_command(
        &self,
        verb: &str,
        source: &Place<'_>,
        target: &Place<'_>,
        options: &[&str],
    ) -> Command {
        let scheme = |place: &Place<'_>| match place.server.imaps() {
            Some(_) if place.detour.is_none() => "imap",
            _ => "imap+plain",
        };
        let mut command = self.command(env!("CARGO_BIN_EXE_mailferry"));
        command
            .arg(verb)
            .arg(source.url(scheme(source)))
            .arg(target.url(scheme(target)))
            .args(options)
            .env("MAILFERRY_SOURCE_PASSWORD", &source.password)
            .env("MAILFERRY_TARGET_PASSWORD", &target.password);
        command
    }

    /// `mailferry undo RUN SOURCE TARGET`.
    pub fn undo(
        &self,
        run: &str,
        source: &Place<'_>,
        target: &Place<'_>,
        options: &[&str],
    ) -> Finished {
        // The run stands before the accounts.
        let like = self.ferry_command("undo", source, target, options);
        let mut words: Vec<_> = like.get_args().map(ToOwned::to_owned).collect();
        words.insert(1, run.into());
        let mut command = self.command(env!("CARGO_BIN_EXE_mailferry"));
        command
            .args(words)
            .env("MAILFERRY_SOURCE_PASSWORD", &source.password)
            .env("MAILFERRY_TARGET_PASSWORD", &target.password);
        self.finish(command)
    }

    /// `mailferry VERB SOURCE TARGET` under the schemes given.
    pub fn ferry_over(
        &self,
        (from, to): (&str, &str),
        verb: &str,
        source: &Place<'_>,
        target: &Place<'_>,
        options: &[&str],
    ) -> Finished {
        let mut command = self.command(env!("CARGO_BIN_EXE_mailferry"));
        command
            .args([verb, &source.url(from), &target.url(to)])
            .args(options)
            .env("MAILFERRY_SOURCE_PASSWORD", &source.password)
            .env("MAILFERRY_TARGET_PASSWORD", &target.password);
        self.finish(command)
    }

    /// A plain transfer with either program.
    pub fn transfer(&self, front: Front, source: &Place<'_>, target: &Place<'_>) -> Finished {
        self.finish(self.transfer_command(front, source, target))
    }

    pub fn transfer_command(
        &self,
        front: Front,
        source: &Place<'_>,
        target: &Place<'_>,
    ) -> Command {
        match front {
            Front::Imapsync => self.imapsync_command(source, target, &["--addheader"]),
            Front::Mailferry => self.ferry_command("sync", source, target, &[]),
        }
    }

    /// Starts a command whose output goes to files of this home.
    pub fn start(&self, mut command: Command) -> Child {
        let output = |name: &str| File::create(self.home.path().join(name)).unwrap();
        command.stdin(Stdio::null()).stdout(output("stdout")).stderr(output("stderr"));
        command.spawn().unwrap()
    }

    /// Runs a command to its end, which has to come soon.
    pub fn finish(&self, command: Command) -> Finished {
        let shown = format!("{command:?}");
        let mut child = self.start(command);
        let end = Instant::now() + Duration::from_secs(RUN_SECONDS_MAX);
        let status = loop {
            if let Some(status) = child.try_wait().unwrap() {
                break status;
            }
            if Instant::now() > end {
                child.kill().unwrap();
                child.wait().unwrap();
                panic!("no end after {RUN_SECONDS_MAX} s: {shown}\n{}", self.output("stdout"));
            }
            std::thread::sleep(Duration::from_millis(10));
        };
        let (stdout, stderr) = (self.output("stdout"), self.output("stderr"));
        let all = format!("{stdout}\n{stderr}");
        Finished { status: status.code(), stdout, stderr, shown, all }
    }

    pub fn output(&self, name: &str) -> String {
        let octets = fs::read(self.home.path().join(name)).unwrap_or_default();
        String::from_utf8_lossy(&octets).into_owned()
    }
}

impl Finished {
    /// Fails, showing everything, unless the run ended with this status.
    #[track_caller]
    pub fn expect(self, status: i32) -> Self {
        assert_eq!(self.status, Some(status), "{}", self.report());
        self
    }

    /// Fails, showing everything, if the run says that all went well.
    #[track_caller]
    pub fn expect_failure(self) -> Self {
        assert_ne!(self.status, Some(0), "{}", self.report());
        self
    }

    /// What happened, for people.
    pub fn report(&self) -> String {
        format!(
            "{}\nstatus {:?}\n--- stdout\n{}\n--- stderr\n{}",
            self.shown, self.status, self.stdout, self.stderr
        )
    }

    /// Both outputs, borrowed.
    pub fn all(&self) -> &str {
        &self.all
    }

    /// Both outputs.
    pub fn text(&self) -> String {
        format!("{}\n{}", self.stdout, self.stderr)
    }

    /// The number in imapsync's line `Messages transferred : 12 `.
    #[track_caller]
    pub fn transferred(&self) -> u32 {
        self.statistic("Messages transferred")
    }

    /// The number behind a label of imapsync's statistics.
    #[track_caller]
    pub fn statistic(&self, label: &str) -> u32 {
        let line = self.stdout.lines().find(|line| line.starts_with(label));
        let value = line.and_then(|line| line.split(':').nth(1));
        let number = value.and_then(|value| value.split_whitespace().next()?.parse().ok());
        number.unwrap_or_else(|| panic!("no `{label}` in\n{}", self.report()))
    }

    /// The lines of stdout, each of which has to be a JSON object.
    #[track_caller]
    pub fn json_lines(&self) -> Vec<serde_json::Value> {
        let lines: Vec<serde_json::Value> = self
            .stdout
            .lines()
            .filter(|line| !line.trim().is_empty())
            .map(|line| match serde_json::from_str(line) {
                Ok(value @ serde_json::Value::Object(_)) => value,
                _ => panic!("not a JSON object: {line}\n{}", self.report()),
            })
            .collect();
        assert!(!lines.is_empty(), "no JSON at all\n{}", self.report());
        lines
    }

    /// No output names this secret.
    #[track_caller]
    pub fn keeps_secret(self, secret: &str) -> Self {
        assert!(!self.text().contains(secret), "a secret was printed: {}", self.report());
        self
    }
}

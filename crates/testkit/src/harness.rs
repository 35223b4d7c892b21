//! What every harness of a real server needs: a port, a directory, a user to run as, and a process
//! that ends with the test.

use crate::{certificate, probe};
use std::fs::{self, Permissions};
use std::io::{self, BufRead, BufReader};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tempfile::TempDir;

/// How long a start may take before it counts as failed.
pub(crate) const START_SECONDS_MAX: u64 = 15;
/// Another process may take a free port before the server does; then others are tried.
pub(crate) const START_ATTEMPTS_MAX: u32 = 5;
/// A Unix socket's path may have 108 octets, and servers keep their sockets below their directory.
const DIRECTORY_OCTETS_MAX: usize = 70;

/// Why there is no server.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Nothing that this harness can start is installed here.
    #[error("no usable server here: {0}")]
    Missing(String),
    /// It was started and does not greet.
    #[error("the server did not start: {0}")]
    Start(String),
    /// The machine refused something: a file, a port, a process.
    #[error("{what}: {source}")]
    Io {
        /// What was being done.
        what: &'static str,
        /// What the machine said.
        source: io::Error,
    },
    /// No certificate for its TLS ports.
    #[error(transparent)]
    Certificate(#[from] certificate::Error),
    /// The judge could not log in or was refused.
    #[error(transparent)]
    Probe(#[from] probe::Error),
}

/// Who a server runs as.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Owner {
    pub(crate) user: String,
    pub(crate) group: String,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    pub(crate) rights: Rights,
}

/// What the current user may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rights {
    /// May change user, must not own mail.
    Root,
    /// All processes run as this one user, without chroot.
    Ordinary,
}

impl Owner {
    /// Whoever runs the tests, or for root the first of these users that exists.
    pub(crate) fn inspect(names: &[&str]) -> Result<Self, Error> {
        let me = answer(Command::new("id").arg("-un"))?;
        if me != "root" {
            return Ok(Self {
                group: answer(Command::new("id").arg("-gn"))?,
                uid: number(&answer(Command::new("id").arg("-u"))?)?,
                gid: number(&answer(Command::new("id").arg("-g"))?)?,
                user: me,
                rights: Rights::Ordinary,
            });
        }
        let users = fs::read_to_string("/etc/passwd").map_err(io("cannot read /etc/passwd"))?;
        let existing = names.iter().find_map(|name| passwd_entry(&users, name));
        let (user, uid, gid) = existing.ok_or_else(|| {
            Error::Missing(format!("root needs one of the users {}", names.join(", ")))
        })?;
        Ok(Self { user, group: group_name(gid)?, uid, gid, rights: Rights::Root })
    }

    /// Makes this user the owner of a directory and all below it.
    pub(crate) fn take_over(&self, path: &Path) -> Result<(), Error> {
        let what = "cannot hand over the mail directory";
        if self.rights == Rights::Ordinary {
            return Ok(());
        }
        chown(path, Some(self.uid), Some(self.gid)).map_err(io(what))?;
        if path.is_dir() {
            for entry in fs::read_dir(path).map_err(io(what))? {
                self.take_over(&entry.map_err(io(what))?.path())?;
            }
        }
        Ok(())
    }
}

/// An empty directory that every user can pass through.
pub(crate) fn make_directory() -> Result<TempDir, Error> {
    let what = "cannot make the server's directory";
    let parent = match std::env::temp_dir() {
        dir if dir.as_os_str().len() <= DIRECTORY_OCTETS_MAX - 20 => dir,
        _ => PathBuf::from("/tmp"),
    };
    let dir = tempfile::Builder::new().prefix("ferry-").tempdir_in(parent).map_err(io(what))?;
    fs::set_permissions(dir.path(), Permissions::from_mode(0o755)).map_err(io(what))?;
    Ok(dir)
}

/// A server in a process group of its own, whose leader waits for the end of its input: a pipe
/// that closes when this value is dropped and also when this process is killed. Then it ends
/// the group and removes the directory, so that nothing outlives a test run.
pub(crate) struct Watched {
    leader: Child,
    dir: TempDir,
}

/// `trap :` keeps the leader alive through its own signal and, unlike `trap ''`, is not
/// inherited by the server. A server that does not end when told (seen under load) is killed,
/// with the whole group. One that leads a group of its own (Courier) is told by itself, too.
const LEADER: &str = r#"trap : TERM
dir=$0
"$@" </dev/null &
server=$!
read -r line
(trap '' TERM; sleep 5; rm -rf "$dir"; kill -KILL "$server" 0) </dev/null &
kill -TERM "$server" 0
while kill -0 "$server" 2>/dev/null; do wait "$server"; done
rm -rf "$dir"
kill -KILL 0
"#;

impl Watched {
    /// Runs a program that stays in the foreground.
    pub(crate) fn spawn(server: &Command, dir: TempDir) -> Result<Self, Error> {
        let what = "cannot run the server";
        let output = fs::File::create(dir.path().join("output")).map_err(io(what))?;
        let errors = output.try_clone().map_err(io(what))?;
        let mut leader = Command::new("/bin/sh");
        leader.args(["-c", LEADER]).arg(dir.path());
        // The variables are the server's and not the leader's: one may change what is loaded.
        leader.arg("env").args(server.get_envs().filter_map(|(name, value)| {
            let mut pair = name.to_owned();
            pair.push("=");
            pair.push(value?);
            Some(pair)
        }));
        leader.arg(server.get_program()).args(server.get_args());
        let leader = leader
            .current_dir(dir.path())
            .stdin(Stdio::piped())
            .stdout(output)
            .stderr(errors)
            .process_group(0)
            .spawn()
            .map_err(io(what))?;
        Ok(Self { leader, dir })
    }

    pub(crate) fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// What the server printed, and a log file of its own.
    pub(crate) fn log(&self, file: &str) -> String {
        let read = |name: &str| fs::read(self.dir.path().join(name)).unwrap_or_default();
        String::from_utf8_lossy(&[read("output"), read(file)].concat()).into_owned()
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        drop(self.leader.stdin.take());
        // The leader waits for the server, and the server for nothing: it was told to end.
        let _ = self.leader.wait();
    }
}

/// What a server says first, if somebody listens there.
pub(crate) fn first_line(address: SocketAddr) -> Option<String> {
    let stream = TcpStream::connect_timeout(&address, Duration::from_secs(2)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).ok()?;
    (!line.is_empty()).then_some(line)
}

pub(crate) fn free_port() -> Result<SocketAddr, Error> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(io("cannot find a port"))?;
    listener.local_addr().map_err(io("cannot find a port"))
}

pub(crate) fn write(path: &Path, octets: &[u8]) -> Result<(), Error> {
    fs::write(path, octets).map_err(io("cannot write the server's files"))
}

pub(crate) fn io(what: &'static str) -> impl Fn(io::Error) -> Error {
    move |source| Error::Io { what, source }
}

/// The file of a program, looked for on the PATH and where daemons are.
pub(crate) fn find_program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let daemons = ["/usr/sbin", "/usr/local/sbin", "/opt/homebrew/sbin"].map(PathBuf::from);
    std::env::split_paths(&path)
        .chain(daemons)
        .map(|dir| dir.join(name))
        .find(|file| file.is_file())
}

/// What a program prints.
pub(crate) fn answer(command: &mut Command) -> Result<String, Error> {
    let output = command.output().map_err(io("cannot ask the machine"))?;
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

fn number(text: &str) -> Result<u32, Error> {
    text.parse().map_err(|_| Error::Missing(format!("`{text}` is no user id")))
}

/// Name, uid, gid of a line of /etc/passwd.
fn passwd_entry(users: &str, name: &str) -> Option<(String, u32, u32)> {
    users.lines().find_map(|line| {
        let mut fields = line.split(':');
        let found = fields.next()? == name;
        let uid = fields.nth(1)?.parse().ok()?;
        let gid = fields.next()?.parse().ok()?;
        found.then(|| (name.to_owned(), uid, gid))
    })
}

fn group_name(gid: u32) -> Result<String, Error> {
    let groups = fs::read_to_string("/etc/group").map_err(io("cannot read /etc/group"))?;
    let named = groups.lines().find_map(|line| {
        let fields: Vec<&str> = line.split(':').collect();
        (fields.get(2)?.parse() == Ok(gid)).then(|| fields[0].to_owned())
    });
    named.ok_or_else(|| Error::Missing(format!("no group has the number {gid}")))
}

/// Runs a program that prepares something.
pub(crate) fn run(command: &mut Command, input: &str) -> Result<(), Error> {
    use std::io::Write as _;
    let what = "cannot prepare the server";
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(io(what))?;
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all(input.as_bytes()).map_err(io(what))?;
    }
    let output = child.wait_with_output().map_err(io(what))?;
    if output.status.success() {
        return Ok(());
    }
    Err(Error::Start(format!("{command:?}: {}", String::from_utf8_lossy(&output.stderr))))
}

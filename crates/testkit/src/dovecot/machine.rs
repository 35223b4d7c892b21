//! What this machine offers to a server under test: the program, users, a directory, a process.

use super::{Error, find_program, io};
use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use tempfile::TempDir;

/// A Unix socket's path may have 108 octets, and Dovecot keeps its sockets below its base.
const DIRECTORY_OCTETS_MAX: usize = 70;

/// Who runs what.
#[derive(Clone, Debug)]
pub(super) struct Machine {
    pub(super) program: PathBuf,
    /// Runs the server's own processes.
    pub(super) internal_user: String,
    pub(super) internal_group: String,
    /// Runs the processes that talk to clients before login.
    pub(super) login_user: String,
    /// Owns the mail: uid, gid.
    pub(super) mail_owner: (u32, u32),
    pub(super) rights: Rights,
}

/// What the current user may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rights {
    /// May change user, must not own mail.
    Root,
    /// All processes run as this one user, without chroot.
    Ordinary,
}

impl Machine {
    pub(super) fn inspect() -> Result<Self, Error> {
        let program = find_program("dovecot")
            .ok_or_else(|| Error::Missing("the program dovecot is not installed".to_owned()))?;
        let version = answer(Command::new(&program).arg("--version"))?;
        if !version.starts_with("2.3.") {
            return Err(Error::Missing(format!("Dovecot {version}, but this speaks to 2.3")));
        }
        let me = answer(Command::new("id").arg("-un"))?;
        if me != "root" {
            let uid = number(&answer(Command::new("id").arg("-u"))?)?;
            let gid = number(&answer(Command::new("id").arg("-g"))?)?;
            return Ok(Self {
                program,
                internal_user: me.clone(),
                internal_group: answer(Command::new("id").arg("-gn"))?,
                login_user: me,
                mail_owner: (uid, gid),
                rights: Rights::Ordinary,
            });
        }
        let users = fs::read_to_string("/etc/passwd").map_err(io("cannot read /etc/passwd"))?;
        let existing = |names: &[&str]| {
            names.iter().find_map(|name| passwd_entry(&users, name)).ok_or_else(|| {
                Error::Missing(format!("root needs one of the users {}", names.join(", ")))
            })
        };
        let (internal_user, _, internal_gid) = existing(&["dovecot", "nobody"])?;
        let (_, uid, gid) = existing(&["mail", "nobody"])?;
        Ok(Self {
            program,
            internal_user,
            internal_group: group_name(internal_gid)?,
            login_user: existing(&["dovenull", "nobody"])?.0,
            mail_owner: (uid, gid),
            rights: Rights::Root,
        })
    }

    /// An empty directory that all the server's users can pass through.
    pub(super) fn make_directory(&self) -> Result<TempDir, Error> {
        let what = "cannot make the server's directory";
        let parent = match std::env::temp_dir() {
            dir if dir.as_os_str().len() <= DIRECTORY_OCTETS_MAX - 20 => dir,
            _ => PathBuf::from("/tmp"),
        };
        let dir = tempfile::Builder::new().prefix("ferry-").tempdir_in(parent).map_err(io(what))?;
        fs::set_permissions(dir.path(), Permissions::from_mode(0o755)).map_err(io(what))?;
        fs::create_dir(dir.path().join("base")).map_err(io(what))?;
        fs::create_dir(dir.path().join("mail")).map_err(io(what))?;
        self.give_away(&dir.path().join("mail"))?;
        Ok(dir)
    }

    /// Makes the mail owner the owner of a directory and all below it.
    pub(super) fn give_away(&self, path: &Path) -> Result<(), Error> {
        let what = "cannot hand over the mail directory";
        if self.rights == Rights::Ordinary {
            return Ok(());
        }
        chown(path, Some(self.mail_owner.0), Some(self.mail_owner.1)).map_err(io(what))?;
        if path.is_dir() {
            for entry in fs::read_dir(path).map_err(io(what))? {
                self.give_away(&entry.map_err(io(what))?.path())?;
            }
        }
        Ok(())
    }
}

/// A server in a process group of its own, whose leader waits for the end of its input: a pipe
/// that closes when this value is dropped and also when this process is killed. Then it ends
/// the group and removes the directory, so that nothing outlives a test run.
pub(super) struct Watched {
    leader: Child,
    dir: TempDir,
}

/// `trap :` keeps the leader alive through its own signal and, unlike `trap ''`, is not
/// inherited by the server. A server that does not end when told (seen under load) is killed,
/// with the whole group.
const LEADER: &str = r#"trap : TERM
"$0" -F -c "$1" </dev/null &
server=$!
read -r line
(trap '' TERM; sleep 5; rm -rf "$2"; kill -KILL 0) </dev/null &
kill -TERM 0
while kill -0 "$server" 2>/dev/null; do wait "$server"; done
rm -rf "$2"
kill -KILL 0
"#;

impl Watched {
    pub(super) fn spawn(program: &Path, file: &Path, dir: TempDir) -> Result<Self, Error> {
        let what = "cannot run the server";
        let output = fs::File::create(dir.path().join("output")).map_err(io(what))?;
        let errors = output.try_clone().map_err(io(what))?;
        let leader = Command::new("/bin/sh")
            .args(["-c", LEADER])
            .arg(program)
            .arg(file)
            .arg(dir.path())
            .stdin(Stdio::piped())
            .stdout(output)
            .stderr(errors)
            .process_group(0)
            .spawn()
            .map_err(io(what))?;
        Ok(Self { leader, dir })
    }

    pub(super) fn dir(&self) -> &Path {
        self.dir.path()
    }

    pub(super) fn log(&self) -> String {
        let read = |name: &str| fs::read(self.dir.path().join(name)).unwrap_or_default();
        let both = [read("output"), read("dovecot.log")].concat();
        String::from_utf8_lossy(&both).into_owned()
    }

    pub(super) fn log_has(&self, text: &str) -> bool {
        self.log().contains(text)
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        drop(self.leader.stdin.take());
        // The leader waits for the server, and the server for nothing: it was told to end.
        let _ = self.leader.wait();
    }
}

fn answer(command: &mut Command) -> Result<String, Error> {
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

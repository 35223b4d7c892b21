//! Servers of a newer Debian, which need its C library: run with their own root directory.
//!
//! `scripts/servers` has unpacked all that they need. Each server gets a tree of its own, of hard
//! links where the file system permits, that goes with it.

use super::Place;
use crate::harness::{Error, Rights, io, run, write};
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;

/// What the tree is called in the server's directory.
const TREE: &str = "root";
/// Where a server keeps what is its own, as it sees it.
pub(super) const HOME: &str = "/srv";

/// A root directory.
pub(super) struct Jail {
    root: PathBuf,
}

impl Jail {
    /// `users`: name and number of each beside root; each has a group of its name and number.
    pub(super) fn make(place: &Place<'_>, users: &[(&str, u32)]) -> Result<Self, Error> {
        if place.owner.rights != Rights::Root {
            return Err(Error::Missing("it is run by root only, with chroot".to_owned()));
        }
        let this = Self { root: place.dir.join(TREE) };
        let copy =
            |manner: &str| run(Command::new("cp").arg(manner).arg(place.root).arg(&this.root), "");
        copy("-al").or_else(|_| copy("-a"))?;
        for (name, minor) in [("null", "3"), ("urandom", "9")] {
            let node = this.root.join("dev").join(name);
            run(Command::new("mknod").args(["-m", "666"]).arg(node).args(["c", "1", minor]), "")
                .map_err(|error| Error::Missing(format!("no devices can be made: {error}")))?;
        }
        let mut names = "root:x:0:0::/:/bin/sh\n".to_owned();
        let mut groups = "root:x:0:\n".to_owned();
        for (name, number) in users {
            names += &format!("{name}:x:{number}:{number}::/:/bin/sh\n");
            groups += &format!("{name}:x:{number}:\n");
        }
        this.write("etc/passwd", &names)?;
        this.write("etc/group", &groups)?;
        Ok(this)
    }

    /// Where that is for everybody else.
    pub(super) fn outside(&self, path: &str) -> PathBuf {
        self.root.join(path.trim_start_matches('/'))
    }

    /// Makes a directory.
    pub(super) fn make_directory(&self, path: &str) -> Result<(), Error> {
        let outside = self.outside(path);
        fs::create_dir_all(&outside).map_err(io("cannot make the server's directories"))
    }

    /// Writes a file. One that is there may be another tree's as well, and is put aside.
    pub(super) fn write(&self, path: &str, text: &str) -> Result<(), Error> {
        let outside = self.outside(path);
        let _ = fs::remove_file(&outside);
        write(&outside, text.as_bytes())?;
        fs::set_permissions(&outside, Permissions::from_mode(0o644))
            .map_err(io("cannot write the server's files"))
    }

    /// What runs a program in it.
    pub(super) fn command(&self, program: &str) -> Command {
        let mut command = Command::new("chroot");
        command.arg(&self.root).arg(program);
        command
    }
}

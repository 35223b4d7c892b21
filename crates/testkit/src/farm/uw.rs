//! UW imapd, started for each connection by Courier's port listener.

use super::{PASSWORD, Place, Ready, libraries};
use crate::harness::{Error, Rights, answer, io, write};
use std::fs;
use std::process::Command;

pub(super) fn prepare(place: &Place<'_>) -> Result<Ready, Error> {
    let Place { dir, root, owner, .. } = *place;
    if owner.rights == Rights::Ordinary {
        return Err(Error::Missing("UW imapd asks for a password only where root runs it".into()));
    }
    let listener = root.with_file_name("courier");
    let program = listener.join("usr/sbin/couriertcpd");
    if !program.is_file() {
        return Err(Error::Missing("UW imapd needs what `scripts/servers courier` fetches".into()));
    }
    for name in ["home", "spool"] {
        fs::create_dir(dir.join(name)).map_err(io("cannot make the server's directories"))?;
    }
    write(&dir.join("spool").join(place.user), b"")?;
    owner.take_over(&dir.join("home"))?;
    owner.take_over(&dir.join("spool"))?;
    let hash = answer(Command::new("openssl").args(["passwd", "-1", PASSWORD]))?;
    let mut command = Command::new(program);
    command.args(["-address=127.0.0.1", "-maxprocs=100", "-maxperip=100"]);
    command.args(["-nodnslookup", "-noidentlookup", &place.port.to_string()]);
    command.arg(root.join("imapd"));
    command.env("LD_LIBRARY_PATH", libraries(&listener));
    command.env("LD_PRELOAD", root.join("user.so"));
    command.env("UW_USER", place.user).env("UW_PASSWORD", hash);
    command.env("UW_HOME", dir.join("home"));
    command.env("UW_UID", owner.uid.to_string()).env("UW_GID", owner.gid.to_string());
    Ok(command.into())
}

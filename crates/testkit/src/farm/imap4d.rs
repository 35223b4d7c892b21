//! GNU mailutils' imap4d 3.15 on mbox files, run where its packages were unpacked.

use super::{PASSWORD, Place, Ready, libraries};
use crate::harness::{Error, answer, io, write};
use std::fs;
use std::process::Command;

pub(super) fn prepare(place: &Place<'_>) -> Result<Ready, Error> {
    let Place { dir, root, owner, .. } = *place;
    let name = place.user.split('@').next().unwrap_or_default();
    for name in ["users", "spool", "home"] {
        fs::create_dir(dir.join(name)).map_err(io("cannot make the server's directories"))?;
    }
    let hash = answer(Command::new("openssl").args(["passwd", "-1", PASSWORD]))?;
    let home = dir.join("home");
    let line =
        format!("{name}:{hash}:{}:{}:{name}:{}:/bin/sh\n", owner.uid, owner.gid, home.display());
    write(&dir.join("users/farm"), line.as_bytes())?;
    // INBOX takes nothing before its file is there.
    write(&home.join("INBOX"), b"")?;
    for dir in [&home, &dir.join("spool")] {
        owner.take_over(dir)?;
    }
    write(&dir.join("imap4d.conf"), settings(place).as_bytes())?;
    let mut command = Command::new(root.join("usr/sbin/imap4d"));
    command.arg("--foreground").arg(format!("--config-file={}", dir.join("imap4d.conf").display()));
    let libraries = libraries(root);
    let modules = format!("{}/mailutils", libraries.split(':').next().unwrap_or_default());
    command.env("LD_LIBRARY_PATH", format!("{libraries}:{modules}"));
    Ok(command.into())
}

/// Without SASL, where it offers SCRAM and a dozen others and knows no password in their form.
fn settings(place: &Place<'_>) -> String {
    format!(
        "mode daemon; foreground yes; max-children 60; pidfile {dir}/pid;
logging {{ syslog no; severity info; }};
virtdomain {{ passwd-dir {dir}/users; }};
auth {{ authentication generic; authorization virtdomain; }};
gsasl {{ enable no; }};
mailbox {{ mail-spool \"mbox://{dir}/spool\"; mailbox-type mbox; }};
tcp-wrappers {{ enable no; }};
server 127.0.0.1:{port} {{ tls-mode no; }};
",
        dir = place.dir.display(),
        port = place.port
    )
}

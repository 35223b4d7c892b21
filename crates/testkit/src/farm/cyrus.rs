//! Cyrus IMAP 3.6, run where its packages were unpacked.

use super::{PASSWORD, Place, Ready, libraries, run};
use crate::harness::{Error, Rights, io, write};
use std::fs;
use std::process::Command;

/// How mailboxes are named.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Names {
    /// Separator `/`, no prefix.
    Slash,
    /// Separator `.`, prefix `INBOX.`.
    Dot,
}

/// NTLM needs MD4, which OpenSSL 3 keeps apart.
const OLD_DIGESTS: &str = "openssl_conf = all
[all]
providers = both
[both]
default = on
legacy = on
[on]
activate = 1
";

pub(super) fn prepare(place: &Place<'_>, names: Names) -> Result<Ready, Error> {
    let Place { dir, root, owner, .. } = *place;
    for name in ["conf/socket", "spool", "sock"] {
        fs::create_dir_all(dir.join(name)).map_err(io("cannot make the server's directories"))?;
    }
    write(&dir.join("imapd.conf"), settings(place, names).as_bytes())?;
    write(&dir.join("cyrus.conf"), services(place).as_bytes())?;
    write(&dir.join("openssl.cnf"), OLD_DIGESTS.as_bytes())?;
    let libraries = libraries(root);
    let mut password = Command::new(root.join("usr/sbin/saslpasswd2"));
    password.env("LD_LIBRARY_PATH", &libraries);
    password.args(["-p", "-c", "-f"]).arg(dir.join("sasldb2")).args(["-u", "localhost"]);
    run(password.arg(place.user), &format!("{PASSWORD}\n"))?;
    // Its master gives up root for good; it would stay root where its user is not named.
    owner.take_over(dir)?;
    let mut command = Command::new(root.join("usr/lib/cyrus/bin/master"));
    command.arg("-C").arg(dir.join("imapd.conf")).arg("-M").arg(dir.join("cyrus.conf"));
    command.arg("-p").arg(dir.join("master.pid")).arg("-D");
    command.env("LD_LIBRARY_PATH", libraries).env("CYRUS_USER", &owner.user);
    command.env("OPENSSL_CONF", dir.join("openssl.cnf"));
    debug_assert!(owner.rights == Rights::Ordinary || owner.user != "root");
    Ok(command.into())
}

fn settings(place: &Place<'_>, names: Names) -> String {
    let (dir, root, owner) = (place.dir.display(), place.root.display(), place.owner);
    let sasl = format!("{root}/usr/lib/{}-linux-gnu/sasl2", std::env::consts::ARCH);
    let slash = if names == Names::Slash { "yes" } else { "no" };
    format!(
        "configdirectory: {dir}/conf
partition-default: {dir}/spool
defaultpartition: default
cyrus_user: {user}
cyrus_group: {group}
admins: cyrus
allowplaintext: yes
sasl_pwcheck_method: auxprop
sasl_auxprop_plugin: sasldb
sasl_sasldb_path: {dir}/sasldb2
sasl_mech_list: {mechanisms}
sasl_path: {sasl}
servername: localhost
defaultdomain: localhost
loginrealms: localhost
unixhierarchysep: {slash}
altnamespace: {slash}
virtdomains: no
autocreate_quota: 0
expunge_mode: immediate
delete_mode: immediate
skiplist_unsafe: yes
lmtpsocket: {dir}/sock/lmtp
idlesocket: {dir}/sock/idle
notifysocket: {dir}/sock/notify
duplicate_db_path: {dir}/conf/deliver.db
mboxname_lockpath: {dir}/conf/lock
proc_path: {dir}/conf/proc
",
        user = owner.user,
        group = owner.group,
        mechanisms = place.mechanisms,
    )
}

fn services(place: &Place<'_>) -> String {
    let (dir, bin) = (place.dir.display(), place.root.join("usr/lib/cyrus/bin"));
    let (bin, port) = (bin.display(), place.port);
    format!(
        "START {{
  recover cmd=\"{bin}/ctl_cyrusdb -C {dir}/imapd.conf -r\"
}}
SERVICES {{
  imap cmd=\"{bin}/imapd -C {dir}/imapd.conf\" listen=\"127.0.0.1:{port}\" prefork=1 maxchild=100
}}
EVENTS {{ }}
"
    )
}

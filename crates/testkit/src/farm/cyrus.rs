//! Cyrus IMAP: 3.6 run where its packages were unpacked, 3.10 with a root directory of its own.

use super::jail::{self, Jail};
use super::{PASSWORD, Place, Ready, libraries};
use crate::harness::{Error, Owner, Rights, io, run, write};
use std::fs;
use std::path::{Path, PathBuf};
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

/// Where it is and whose, as it sees it itself.
struct Layout<'a> {
    /// What is its own.
    dir: PathBuf,
    /// Its programs.
    bin: PathBuf,
    /// The mechanisms of SASL.
    sasl: PathBuf,
    user: &'a str,
    group: &'a str,
    port: u16,
    mechanisms: &'a str,
}

const DIRECTORIES: [&str; 3] = ["conf/socket", "spool", "sock"];

pub(super) fn prepare(place: &Place<'_>, names: Names) -> Result<Ready, Error> {
    let Place { dir, root, owner, .. } = *place;
    for name in DIRECTORIES {
        fs::create_dir_all(dir.join(name)).map_err(io("cannot make the server's directories"))?;
    }
    let layout = Layout {
        dir: dir.to_owned(),
        bin: root.join("usr/lib/cyrus/bin"),
        sasl: root.join(sasl()),
        user: &owner.user,
        group: &owner.group,
        port: place.port,
        mechanisms: place.mechanisms,
    };
    write(&dir.join("imapd.conf"), settings(&layout, names).as_bytes())?;
    write(&dir.join("cyrus.conf"), services(&layout).as_bytes())?;
    write(&dir.join("openssl.cnf"), OLD_DIGESTS.as_bytes())?;
    let libraries = libraries(root);
    let mut password = Command::new(root.join("usr/sbin/saslpasswd2"));
    password.env("LD_LIBRARY_PATH", &libraries);
    set_password(password, &layout, place.user)?;
    // Its master gives up root for good; it would stay root where its user is not named.
    owner.take_over(dir)?;
    let mut command = Command::new(layout.bin.join("master"));
    start(&mut command, &layout);
    command.env("LD_LIBRARY_PATH", libraries).env("OPENSSL_CONF", dir.join("openssl.cnf"));
    debug_assert!(owner.rights == Rights::Ordinary || owner.user != "root");
    Ok(command.into())
}

/// Whose the mail is in a root directory of its own.
const MAIL: (&str, u32) = ("mail", 8);

pub(super) fn prepare_jailed(place: &Place<'_>) -> Result<Ready, Error> {
    let jail = Jail::make(place, &[MAIL])?;
    let layout = Layout {
        dir: jail::HOME.into(),
        bin: "/usr/lib/cyrus/bin".into(),
        sasl: Path::new("/").join(sasl()),
        user: MAIL.0,
        group: MAIL.0,
        port: place.port,
        mechanisms: place.mechanisms,
    };
    for name in DIRECTORIES {
        jail.make_directory(&format!("{}/{name}", jail::HOME))?;
    }
    jail.write(&format!("{}/imapd.conf", jail::HOME), &settings(&layout, Names::Slash))?;
    jail.write(&format!("{}/cyrus.conf", jail::HOME), &services(&layout))?;
    set_password(jail.command("/usr/sbin/saslpasswd2"), &layout, place.user)?;
    let (user, group) = (MAIL.0.to_owned(), MAIL.0.to_owned());
    let owner = Owner { user, group, uid: MAIL.1, gid: MAIL.1, rights: Rights::Root };
    owner.take_over(&jail.outside(jail::HOME))?;
    let mut command = jail.command("/usr/lib/cyrus/bin/master");
    start(&mut command, &layout);
    Ok(command.into())
}

fn set_password(mut program: Command, layout: &Layout<'_>, user: &str) -> Result<(), Error> {
    program.args(["-p", "-c", "-f"]).arg(layout.dir.join("sasldb2")).args(["-u", "localhost"]);
    run(program.arg(user), &format!("{PASSWORD}\n"))
}

fn start(master: &mut Command, layout: &Layout<'_>) {
    let file = |name: &str| layout.dir.join(name);
    master.arg("-C").arg(file("imapd.conf")).arg("-M").arg(file("cyrus.conf"));
    master.arg("-p").arg(file("master.pid")).arg("-D").env("CYRUS_USER", layout.user);
}

fn sasl() -> String {
    format!("usr/lib/{}-linux-gnu/sasl2", std::env::consts::ARCH)
}

fn settings(layout: &Layout<'_>, names: Names) -> String {
    let (dir, sasl) = (layout.dir.display(), layout.sasl.display());
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
        user = layout.user,
        group = layout.group,
        mechanisms = layout.mechanisms,
    )
}

fn services(layout: &Layout<'_>) -> String {
    let (dir, bin, port) = (layout.dir.display(), layout.bin.display(), layout.port);
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

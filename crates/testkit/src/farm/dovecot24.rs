//! Dovecot 2.4, which offers LITERAL- and UTF8=ACCEPT. Its settings are not those of 2.3.

use super::jail::{HOME, Jail};
use super::{PASSWORD, Place, Ready};
use crate::harness::{Error, io};
use std::os::unix::fs::chown;

/// Whose the mail is.
const MAIL: u32 = 8;

pub(super) fn prepare(place: &Place<'_>) -> Result<Ready, Error> {
    let users = [("mail", MAIL), ("dovecot", 102), ("dovenull", 103)];
    let jail = Jail::make(place, &users)?;
    jail.make_directory(&format!("{HOME}/base"))?;
    let home = format!("{HOME}/mail");
    jail.make_directory(&home)?;
    let outside = jail.outside(&home);
    chown(outside, Some(MAIL), Some(MAIL)).map_err(io("cannot hand over the mail directory"))?;
    let user = format!("{}:{{PLAIN}}{PASSWORD}:{MAIL}:{MAIL}::{home}\n", place.user);
    jail.write(&format!("{HOME}/users"), &user)?;
    let settings = format!("{HOME}/dovecot.conf");
    jail.write(&settings, &text(place.port))?;
    let mut command = jail.command("/usr/sbin/dovecot");
    command.args(["-F", "-c", &settings]);
    Ok(command.into())
}

fn text(port: u16) -> String {
    format!(
        "dovecot_config_version = 2.4.0
dovecot_storage_version = 2.4.0
base_dir = {HOME}/base
log_path = /dev/stderr
protocols = imap
listen = 127.0.0.1
default_internal_user = dovecot
default_login_user = dovenull
first_valid_uid = 1
ssl = no
auth_allow_cleartext = yes
auth_mechanisms = plain login
auth_failure_delay = 0
mail_driver = sdbox
mail_path = ~/sdbox
mail_utf8_extensions = yes
imap_literal_minus = yes
namespace inbox {{
  inbox = yes
  separator = /
}}
service imap-login {{
  inet_listener imap {{
    port = {port}
  }}
}}
passdb passwd-file {{
  default_password_scheme = PLAIN
  passwd_file_path = {HOME}/users
}}
userdb passwd-file {{
  passwd_file_path = {HOME}/users
}}
"
    )
}

//! Who may log in, and how.

use super::Place;
use std::fmt::Write as _;
use std::path::PathBuf;

/// How one may log in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Logins {
    /// SASL mechanisms, as Dovecot spells them.
    pub mechanisms: Vec<&'static str>,
    /// A master user and its password: it may log in for everybody, by an authorisation identity
    /// or as `user*master`.
    pub master: Option<(&'static str, &'static str)>,
    /// Whether tokens of [`crate::token::access_token`] are taken: XOAUTH2 and OAUTHBEARER.
    pub tokens: Tokens,
    /// PEM of the authority, or of the certificate itself, whose owners log in by EXTERNAL.
    pub client_authority_pem: Option<Vec<u8>>,
}

/// Whether access tokens are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tokens {
    /// They are, in place of passwords.
    Taken,
    /// They are not.
    Unknown,
}

impl Default for Logins {
    fn default() -> Self {
        Self {
            mechanisms: vec!["plain", "login"],
            master: None,
            tokens: Tokens::Unknown,
            client_authority_pem: None,
        }
    }
}

impl Logins {
    /// PLAIN and LOGIN, and these.
    #[must_use]
    pub fn with(mechanisms: &[&'static str]) -> Self {
        let usual = Self::default();
        Self { mechanisms: [&usual.mechanisms, mechanisms].concat(), ..usual }
    }
}

/// Every user name, one rule for passwords, no penalty for wrong ones.
pub(super) fn render(logins: &Logins, place: &Place<'_>) -> String {
    let (uid, gid) = (place.machine.mail.uid, place.machine.mail.gid);
    let dir = place.dir.display();
    let mut text = format!(
        "disable_plaintext_auth = no
auth_mechanisms = {}
auth_username_chars =
auth_username_format = %u
auth_failure_delay = 0
auth_master_user_separator = *
",
        logins.mechanisms.join(" ")
    );
    if logins.master.is_some() {
        let _ = writeln!(
            text,
            "passdb {{\n  driver = passwd-file\n  master = yes\n  args = {}\n}}",
            dir.to_string() + "/masters"
        );
    }
    if logins.tokens == Tokens::Taken {
        let _ = writeln!(
            text,
            "passdb {{\n  driver = oauth2\n  mechanisms = xoauth2 oauthbearer\n  args = {dir}/oauth2.conf\n}}"
        );
    }
    if logins.client_authority_pem.is_some() {
        let _ = writeln!(
            text,
            "ssl_ca = <{dir}/clients.pem
ssl_require_crl = no
ssl_verify_client_cert = yes
auth_ssl_username_from_cert = yes
passdb {{
  driver = static
  mechanisms = external
  args = nopassword=y
}}"
        );
    }
    text += &format!(
        "passdb {{
  driver = static
  args = password=pass-%u
}}
userdb {{
  driver = static
  args = uid={uid} gid={gid} home={dir}/mail/%u allow_all_users=yes
}}
"
    );
    text
}

/// The files that the configuration names.
pub(super) fn files(logins: &Logins, place: &Place<'_>) -> Vec<(PathBuf, Vec<u8>)> {
    let dir = place.dir;
    let mut files = Vec::new();
    if let Some((name, password)) = logins.master {
        files.push((dir.join("masters"), format!("{name}:{{PLAIN}}{password}\n").into_bytes()));
    }
    if logins.tokens == Tokens::Taken {
        let conf = format!(
            "introspection_mode = local
local_validation_key_dict = fs:posix:prefix={}/keys/
username_attribute = sub
force_introspection = no
",
            dir.display()
        );
        files.push((dir.join("oauth2.conf"), conf.into_bytes()));
        // keys/AZP/ALGORITHM/KEY-ID, the key in base64.
        let key = crate::token::key_base64().into_bytes();
        files.push((dir.join("keys/default/HS256/default"), key));
    }
    if let Some(pem) = &logins.client_authority_pem {
        files.push((dir.join("clients.pem"), pem.clone()));
    }
    files
}

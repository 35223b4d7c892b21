//! What a server under test should be like, and the configuration that makes it so.

mod logins;

pub use logins::{Logins, Tokens};

use super::machine::Machine;
use crate::harness::Rights;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// How mailboxes are named and stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// Separator `/`, no prefix, any name: sdbox.
    Slash,
    /// Separator `/`, no prefix, no `.` in names: Maildir++, which a corpus fills fast.
    SlashMaildir,
    /// Separator `/`, no prefix: Maildir, a folder in a folder for a mailbox in a mailbox.
    SlashMaildirFs,
    /// Separator `/`, no prefix: an mbox in a folder for each mailbox.
    SlashMbox,
    /// Separator `.`, prefix `INBOX.`: Maildir++, as Courier and old hosters have it.
    DotInbox,
}

impl Layout {
    /// The hierarchy separator that the server shows.
    #[must_use]
    pub fn separator(self) -> char {
        match self {
            Self::Slash | Self::SlashMaildir | Self::SlashMaildirFs | Self::SlashMbox => '/',
            Self::DotInbox => '.',
        }
    }

    /// The prefix of the personal namespace.
    #[must_use]
    pub fn prefix(self) -> &'static str {
        match self {
            Self::Slash | Self::SlashMaildir | Self::SlashMaildirFs | Self::SlashMbox => "",
            Self::DotInbox => "INBOX.",
        }
    }

    pub(super) fn is_maildir(self) -> bool {
        matches!(self, Self::SlashMaildir | Self::DotInbox)
    }

    /// The folder of a user's mail.
    pub(super) fn folder(self) -> &'static str {
        match self {
            Self::Slash => "sdbox",
            Self::SlashMaildir | Self::SlashMaildirFs | Self::DotInbox => "Maildir",
            Self::SlashMbox => "mbox",
        }
    }
}

/// Whether TLS is to be had, on its own port and by STARTTLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tls {
    /// Both ways, with [`crate::certificate::self_signed`].
    Offered,
    /// Not at all.
    Absent,
}

/// Whether the server waits for the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// It never does: fast, for tests.
    Careless,
    /// As installed: for measurements.
    Usual,
}

/// Whether connections may be compressed (RFC 4978); Dovecot needs a plugin for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    /// With `COMPRESS=DEFLATE`.
    Offered,
    /// Not at all, as installed.
    Absent,
}

/// A mailbox with a special use (RFC 6154), should it exist. The name is without prefix.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpecialUse {
    /// The name, mUTF-7, separator `/`.
    pub name: String,
    /// The attribute, with its backslash.
    pub attribute: String,
}

/// What a server should be like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setup {
    /// Names and storage.
    pub layout: Layout,
    /// Announced in place of all that it can do; it still answers what it hides.
    pub capability: Option<String>,
    /// Each account's limit, in messages.
    pub quota_messages: Option<u32>,
    /// Each account's limit, in octets.
    pub quota_octets: Option<u64>,
    /// The largest message that it takes, in octets.
    pub mail_octets_max: Option<u64>,
    /// Whether TLS is offered.
    pub tls: Tls,
    /// Mailboxes with a special use; the usual five English names unless changed.
    pub special_use: Vec<SpecialUse>,
    /// Whether it waits for the disk.
    pub durability: Durability,
    /// Whether connections may be compressed.
    pub compression: Compression,
    /// How one may log in.
    pub logins: Logins,
}

impl Setup {
    /// Everything that Dovecot can do, no limits, TLS offered.
    #[must_use]
    pub fn new(layout: Layout) -> Self {
        let usual = ["Drafts", "Sent", "Trash", "Junk", "Archive"];
        Self {
            layout,
            capability: None,
            quota_messages: None,
            quota_octets: None,
            mail_octets_max: None,
            tls: Tls::Offered,
            special_use: usual.map(|name| special_use(name, &format!("\\{name}"))).to_vec(),
            durability: Durability::Careless,
            compression: Compression::Absent,
            logins: Logins::default(),
        }
    }

    /// A server of the last century: `IMAP4rev1` and nothing else, no TLS, no special uses.
    #[must_use]
    pub fn plain_old(layout: Layout) -> Self {
        Self {
            capability: Some("IMAP4rev1".to_owned()),
            tls: Tls::Absent,
            special_use: Vec::new(),
            ..Self::new(layout)
        }
    }

    fn has_quota(&self) -> bool {
        self.quota_octets.is_some()
            || self.quota_messages.is_some()
            || self.mail_octets_max.is_some()
    }
}

/// A mailbox name and its attribute.
#[must_use]
pub fn special_use(name: &str, attribute: &str) -> SpecialUse {
    SpecialUse { name: name.to_owned(), attribute: attribute.to_owned() }
}

/// Where one server lives.
pub(super) struct Place<'a> {
    pub(super) dir: &'a Path,
    pub(super) greeting: &'a str,
    pub(super) imap_port: u16,
    pub(super) imaps_port: Option<u16>,
    pub(super) machine: &'a Machine,
}

impl Place<'_> {
    pub(super) fn certificate_path(&self) -> PathBuf {
        self.dir.join("cert.pem")
    }

    pub(super) fn key_path(&self) -> PathBuf {
        self.dir.join("key.pem")
    }
}

/// The files that the configuration names, certificates apart.
pub(super) fn files(setup: &Setup, place: &Place<'_>) -> Vec<(PathBuf, Vec<u8>)> {
    logins::files(&setup.logins, place)
}

/// The text of a dovecot.conf (2.3).
pub(super) fn render(setup: &Setup, place: &Place<'_>) -> String {
    let mut text = String::new();
    text += &globals(setup, place);
    text += &logins::render(&setup.logins, place);
    text += &namespace(setup);
    text += &services(place);
    text += &plugins(setup);
    text += &quota(setup);
    text
}

/// With the usual 256 MiB of address space an imap process dies over a mailbox of a million messages,
/// whose cache file it maps whole: "service(imap): Cannot allocate memory due to vsz_limit".
fn globals(setup: &Setup, place: &Place<'_>) -> String {
    let (dir, machine) = (place.dir.display(), place.machine);
    let location = match setup.layout {
        Layout::Slash => "sdbox:~/sdbox",
        Layout::SlashMaildir | Layout::DotInbox => "maildir:~/Maildir",
        Layout::SlashMaildirFs => "maildir:~/Maildir:LAYOUT=fs",
        Layout::SlashMbox => "mbox:~/mbox:DIRNAME=mbox:INBOX=~/mbox/INBOX/mbox:UTF-8",
    };
    let fsync = match setup.durability {
        Durability::Careless => "never",
        Durability::Usual => "optimized",
    };
    let ssl = match place.imaps_port {
        Some(_) => format!(
            "ssl = yes\nssl_cert = <{}\nssl_key = <{}\n",
            place.certificate_path().display(),
            place.key_path().display()
        ),
        None => "ssl = no\n".to_owned(),
    };
    let capability = setup.capability.as_ref().map(|words| format!("imap_capability = {words}\n"));
    format!(
        "base_dir = {dir}/base
state_dir = {dir}/base
log_path = {dir}/dovecot.log
instance_name = ferry-{port}
login_greeting = {greeting}
protocols = imap
listen = 127.0.0.1
default_internal_user = {internal}
default_internal_group = {group}
default_login_user = {login}
default_process_limit = 1000
default_client_limit = 10000
default_vsz_limit = 8G
first_valid_uid = 1
first_valid_gid = 1
mail_uid = {uid}
mail_gid = {gid}
mail_location = {location}
mail_fsync = {fsync}
mail_max_userip_connections = 1000
{ssl}{capability}",
        port = place.imap_port,
        greeting = place.greeting,
        internal = machine.internal.user,
        group = machine.internal.group,
        login = machine.login.user,
        uid = machine.mail.uid,
        gid = machine.mail.gid,
        capability = capability.unwrap_or_default(),
    )
}

fn namespace(setup: &Setup) -> String {
    let mut text = format!(
        "namespace inbox {{\n  inbox = yes\n  separator = {}\n  prefix = {}\n",
        setup.layout.separator(),
        setup.layout.prefix()
    );
    for SpecialUse { name, attribute } in &setup.special_use {
        let name = name.replace('/', &setup.layout.separator().to_string());
        let _ = writeln!(text, "  mailbox \"{name}\" {{\n    special_use = {attribute}\n  }}");
    }
    text + "}\n"
}

fn services(place: &Place<'_>) -> String {
    // Without root there is no chroot; the anvil listener of mode 0 leaves out the delay that
    // grows with failed logins of one address.
    let chroot = match place.machine.rights() {
        Rights::Root => "",
        Rights::Ordinary => "  chroot =\n",
    };
    let imaps = match place.imaps_port {
        Some(port) => format!("    port = {port}\n    ssl = yes\n"),
        None => "    port = 0\n".to_owned(),
    };
    format!(
        "service imap-login {{
  inet_listener imap {{
    port = {imap}
  }}
  inet_listener imaps {{
{imaps}  }}
  service_count = 0
  process_min_avail = 1
  client_limit = 1000
{chroot}}}
service anvil {{
  client_limit = 20000
  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
{chroot}}}
service stats {{
  client_limit = 20000
{chroot}}}
service auth {{
  client_limit = 20000
}}
",
        imap = place.imap_port
    )
}

fn plugins(setup: &Setup) -> String {
    let (mut all, mut imap) = (Vec::new(), Vec::new());
    if setup.has_quota() {
        all.push("quota");
        imap.push("imap_quota");
    }
    if setup.compression == Compression::Offered {
        all.push("zlib");
        imap.push("imap_zlib");
    }
    let imap = [&all[..], &imap[..]].concat();
    format!(
        "mail_plugins = {}\nprotocol imap {{\n  mail_plugins = {}\n}}\n",
        all.join(" "),
        imap.join(" ")
    )
}

fn quota(setup: &Setup) -> String {
    if !setup.has_quota() {
        return String::new();
    }
    let mut rules = Vec::new();
    rules.extend(setup.quota_octets.map(|octets| format!("storage={octets}B")));
    rules.extend(setup.quota_messages.map(|messages| format!("messages={messages}")));
    let rule = match rules.is_empty() {
        true => "storage=1T".to_owned(),
        false => rules.join(":"),
    };
    let largest =
        setup.mail_octets_max.map(|octets| format!("  quota_max_mail_size = {octets}B\n"));
    format!(
        "plugin {{
  quota = count:User quota
  quota_vsizes = yes
  quota_grace = 0
  quota_rule = *:{rule}
{}}}
",
        largest.unwrap_or_default()
    )
}

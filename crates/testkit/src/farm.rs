//! Real servers other than Dovecot on loopback, for tests: own directory, free port, gone when
//! dropped. `scripts/servers` fetches them; nothing is installed on the machine.
//!
//! Each has one account. A test that needs two starts two servers; a start takes less than a
//! second.

mod courier;
mod cyrus;
mod dovecot24;
mod hoodiecrow;
mod imap4d;
mod jail;
mod pymap;
mod uw;

pub use crate::harness::Error;

use crate::harness::{
    Owner, Rights, START_ATTEMPTS_MAX, START_SECONDS_MAX, Watched, first_line, free_port,
};
use crate::probe::Probe;
use std::any::Any;
use std::env;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

/// Where `scripts/servers` puts servers, unless it is in the user's cache directory.
pub const DIRECTORY_VARIABLE: &str = "MAILFERRY_SERVERS_DIR";
/// The names of servers, with blanks between, whose absence is an error and not a reason to leave
/// tests out.
pub const REQUIRE_VARIABLE: &str = "MAILFERRY_REQUIRE_SERVERS";

/// Which server, and how it is set up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Cyrus 3.6: separator `/`, no prefix.
    Cyrus,
    /// Cyrus 3.6 as newsgroups are named: separator `.`, prefix `INBOX.`.
    CyrusDot,
    /// Courier-IMAP 5.0: Maildir++, separator `.`, prefix `INBOX.`.
    Courier,
    /// pymap 0.36, which keeps mail in memory.
    Pymap,
    /// hoodiecrow 2.1, which keeps mail in memory.
    Hoodiecrow,
    /// GNU mailutils' imap4d 3.15 on mbox files.
    Imap4d,
    /// UW imapd 2010, as it comes with alpine, on mbox files. Fetched on request only.
    Uw,
    /// Dovecot 2.4, of a newer Debian. Fetched on request only, and run by root only.
    Dovecot24,
    /// Cyrus 3.10: separator `/`, no prefix. As Dovecot 2.4.
    Cyrus310,
}

impl Kind {
    /// All of them.
    pub const EVERY: [Self; 9] = [
        Self::Cyrus,
        Self::CyrusDot,
        Self::Courier,
        Self::Pymap,
        Self::Hoodiecrow,
        Self::Imap4d,
        Self::Uw,
        Self::Dovecot24,
        Self::Cyrus310,
    ];

    /// For people: the name and version that the quirks were seen with.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Self::Cyrus => "Cyrus 3.6, `/`",
            Self::CyrusDot => "Cyrus 3.6, `.`",
            Self::Courier => "Courier 5.0",
            Self::Pymap => "pymap 0.36",
            Self::Hoodiecrow => "hoodiecrow 2.1",
            Self::Imap4d => "imap4d 3.15",
            Self::Uw => "UW imapd 2010",
            Self::Dovecot24 => "Dovecot 2.4",
            Self::Cyrus310 => "Cyrus 3.10, `/`",
        }
    }

    /// What `scripts/servers` calls it.
    #[must_use]
    pub fn package(self) -> &'static str {
        match self {
            Self::Cyrus | Self::CyrusDot => "cyrus",
            Self::Courier => "courier",
            Self::Pymap => "pymap",
            Self::Hoodiecrow => "hoodiecrow",
            Self::Imap4d => "imap4d",
            Self::Uw => "uw",
            Self::Dovecot24 => "dovecot24",
            Self::Cyrus310 => "cyrus310",
        }
    }

    /// The name of its account. mailutils has its own users only in a virtual domain.
    fn user(self) -> &'static str {
        match self {
            Self::Imap4d => "user@farm",
            _ => "user",
        }
    }

    fn prepare(self, place: &Place<'_>) -> Result<Ready, Error> {
        match self {
            Self::Cyrus => cyrus::prepare(place, cyrus::Names::Slash),
            Self::CyrusDot => cyrus::prepare(place, cyrus::Names::Dot),
            Self::Courier => courier::prepare(place),
            Self::Pymap => pymap::prepare(place),
            Self::Hoodiecrow => hoodiecrow::prepare(place),
            Self::Imap4d => imap4d::prepare(place),
            Self::Uw => uw::prepare(place),
            Self::Dovecot24 => dovecot24::prepare(place),
            Self::Cyrus310 => cyrus::prepare_jailed(place),
        }
    }
}

/// The password of every account.
const PASSWORD: &str = "pass-user";

/// The SASL mechanisms that a Cyrus offers unless others are asked for.
const MECHANISMS_USUAL: &str = "PLAIN LOGIN";

/// Where one server lives.
struct Place<'a> {
    /// Its own directory, which goes with it.
    dir: &'a Path,
    /// Where it was unpacked.
    root: &'a Path,
    port: u16,
    owner: &'a Owner,
    user: &'a str,
    mechanisms: &'a str,
}

/// What starts a server, and what has to stay as long as it runs.
struct Ready {
    command: Command,
    company: Option<Box<dyn Any + Send + Sync>>,
}

impl From<Command> for Ready {
    fn from(command: Command) -> Self {
        Self { command, company: None }
    }
}

/// A running server. Dropping it ends all its processes and removes its directory; so does the
/// end of this process, however it ends.
pub struct Server {
    kind: Kind,
    imap: SocketAddr,
    watched: Watched,
    _company: Option<Box<dyn Any + Send + Sync>>,
}

impl Server {
    /// Starts a server with an empty account and waits for its greeting.
    ///
    /// # Errors
    /// [`Error::Missing`] if `scripts/servers` has not fetched it; others if it does not start.
    pub fn start(kind: Kind) -> Result<Self, Error> {
        Self::start_offering(kind, MECHANISMS_USUAL)
    }

    fn start_offering(kind: Kind, mechanisms: &str) -> Result<Self, Error> {
        let owner = Owner::inspect(&["mail", "nobody"])?;
        let root = directory(&owner)?.join(kind.package());
        if !root.join(".origin").is_file() {
            let words = format!(
                "{} is not in {}; `scripts/servers {}` fetches it",
                kind.title(),
                root.display(),
                kind.package()
            );
            return Err(Error::Missing(words));
        }
        let mut last = Error::Start("never tried".to_owned());
        for _ in 0..START_ATTEMPTS_MAX {
            match Self::attempt((kind, mechanisms), &root, &owner) {
                Err(Error::Start(why)) => last = Error::Start(why),
                done => return done,
            }
        }
        Err(last)
    }

    /// As [`Server::start`], but `Ok(None)`, with the reason on stderr, where it was not fetched
    /// and [`REQUIRE_VARIABLE`] does not name it.
    ///
    /// # Errors
    /// As [`Server::start`].
    pub fn start_if_there(kind: Kind) -> Result<Option<Self>, Error> {
        Self::start_offering_if_there(kind, MECHANISMS_USUAL)
    }

    /// As [`Server::start_if_there`], with these SASL mechanisms, names with blanks between; only a
    /// Cyrus can.
    ///
    /// # Errors
    /// As [`Server::start`].
    #[allow(clippy::print_stderr)] // a test that is left out says so
    pub fn start_offering_if_there(kind: Kind, mechanisms: &str) -> Result<Option<Self>, Error> {
        let required = env::var(REQUIRE_VARIABLE).unwrap_or_default();
        let is_required = required.split_whitespace().any(|name| name == kind.package());
        match Self::start_offering(kind, mechanisms) {
            Err(Error::Missing(why)) if !is_required => {
                eprintln!("left out: {why}");
                Ok(None)
            }
            other => other.map(Some),
        }
    }

    fn attempt(
        (kind, mechanisms): (Kind, &str),
        root: &Path,
        owner: &Owner,
    ) -> Result<Self, Error> {
        let dir = crate::harness::make_directory()?;
        let imap = free_port()?;
        let (port, user) = (imap.port(), kind.user());
        let place = Place { dir: dir.path(), root, port, owner, user, mechanisms };
        let Ready { command, company } = kind.prepare(&place)?;
        let watched = Watched::spawn(&command, dir)?;
        let server = Self { kind, imap, watched, _company: company };
        let end = Instant::now() + Duration::from_secs(START_SECONDS_MAX);
        while Instant::now() < end {
            match first_line(imap) {
                Some(line) if line.starts_with("* OK") => return Ok(server),
                Some(line) => return Err(Error::Start(format!("a stranger answered: {line}"))),
                None => std::thread::sleep(Duration::from_millis(20)),
            }
        }
        Err(Error::Start(server.log()))
    }

    /// Which it is.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The port for clear text.
    #[must_use]
    pub fn imap(&self) -> SocketAddr {
        self.imap
    }

    /// The name of its only user.
    #[must_use]
    pub fn user(&self) -> &'static str {
        self.kind.user()
    }

    /// The password of its only user.
    #[must_use]
    pub fn password(&self) -> &'static str {
        PASSWORD
    }

    /// Logs the judge in.
    ///
    /// # Errors
    /// If the server refuses or is gone.
    pub fn probe(&self) -> Result<Probe, Error> {
        Ok(Probe::login(self.imap, self.user(), self.password())?)
    }

    /// What the server has said so far.
    #[must_use]
    pub fn log(&self) -> String {
        self.watched.log("log")
    }
}

/// Where `scripts/servers` puts servers.
fn directory(owner: &Owner) -> Result<PathBuf, Error> {
    let named = |name: &str| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let cache = || match owner.rights {
        Rights::Root => Some(PathBuf::from("/var/cache")),
        Rights::Ordinary => {
            named("XDG_CACHE_HOME").or_else(|| named("HOME").map(|home| home.join(".cache")))
        }
    };
    let below = |cache: PathBuf| cache.join("mailferry/servers");
    let found = named(DIRECTORY_VARIABLE).or_else(|| cache().map(below));
    found.ok_or_else(|| Error::Missing(format!("neither HOME nor {DIRECTORY_VARIABLE} is set")))
}

/// Where the libraries of unpacked packages are.
fn libraries(root: &Path) -> String {
    let triplet = format!("{}-linux-gnu", env::consts::ARCH);
    let dirs = [format!("usr/lib/{triplet}"), format!("lib/{triplet}"), "usr/lib".to_owned()];
    dirs.map(|dir| root.join(dir).display().to_string()).join(":")
}

#[cfg(test)]
mod tests;

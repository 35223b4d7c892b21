//! A real Dovecot 2.3 on loopback, for tests: own directory, free ports, gone when dropped.
//!
//! Every user name exists; the password of `ann` is `pass-ann`. A test takes users of its own
//! with [`Dovecot::fresh_user`], so that one server serves a whole test binary.

mod config;
mod machine;

pub use config::{
    Compression, Durability, Layout, Logins, Setup, SpecialUse, Tls, Tokens, special_use,
};

pub use crate::harness::Error;

use crate::certificate::{self, Certificate};
use crate::corpus::Corpus;
use crate::harness::{
    START_ATTEMPTS_MAX, START_SECONDS_MAX, Watched, first_line, free_port, io, write,
};
use crate::probe::Probe;
use machine::Machine;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};
use std::{env, fs};

const CONFIG_FILE: &str = "dovecot.conf";
/// When set to 1, a missing Dovecot is an error and not a reason to leave tests out.
pub const REQUIRE_VARIABLE: &str = "MAILFERRY_REQUIRE_DOVECOT";

/// A running server. Dropping it ends all its processes and removes its directory; so does
/// the end of this process, however it ends.
pub struct Dovecot {
    setup: Setup,
    imap: SocketAddr,
    imaps: Option<SocketAddr>,
    users: AtomicU32,
    machine: Machine,
    watched: Watched,
}

impl Dovecot {
    /// Starts a server and waits for its greeting (about 0.2 s).
    ///
    /// # Errors
    /// [`Error::Missing`] if Dovecot 2.3 is not installed; others if it does not start.
    pub fn start(setup: &Setup) -> Result<Self, Error> {
        let machine = Machine::inspect()?;
        let certificate = match setup.tls {
            Tls::Offered => Some(certificate::self_signed()?),
            Tls::Absent => None,
        };
        let mut last = Error::Start("never tried".to_owned());
        for _ in 0..START_ATTEMPTS_MAX {
            match Self::attempt(setup, &machine, certificate) {
                Err(Error::Start(why)) => last = Error::Start(why),
                done => return done,
            }
        }
        Err(last)
    }

    /// As [`Dovecot::start`], but `Ok(None)`, with the reason on stderr, where Dovecot is not
    /// installed and [`REQUIRE_VARIABLE`] does not demand it.
    ///
    /// # Errors
    /// As [`Dovecot::start`].
    #[allow(clippy::print_stderr)] // a test that is left out says so
    pub fn start_if_installed(setup: &Setup) -> Result<Option<Self>, Error> {
        match Self::start(setup) {
            Err(Error::Missing(why)) if env::var_os(REQUIRE_VARIABLE).is_none_or(|v| v != "1") => {
                eprintln!("left out: {why} (set {REQUIRE_VARIABLE}=1 to make this an error)");
                Ok(None)
            }
            other => other.map(Some),
        }
    }

    fn attempt(
        setup: &Setup,
        machine: &Machine,
        certificate: Option<&Certificate>,
    ) -> Result<Self, Error> {
        let watched_dir = machine.make_directory()?;
        let imap = free_port()?;
        let imaps = if certificate.is_some() { Some(free_port()?) } else { None };
        let place = config::Place {
            dir: watched_dir.path(),
            greeting: &greeting(imap),
            imap_port: imap.port(),
            imaps_port: imaps.map(|address| address.port()),
            machine,
        };
        if let Some(pair) = certificate {
            write(&place.certificate_path(), &pair.certificate_pem)?;
            write(&place.key_path(), &pair.key_pem)?;
        }
        for (path, octets) in config::files(setup, &place) {
            if let Some(folder) = path.parent() {
                fs::create_dir_all(folder).map_err(io("cannot write the server's files"))?;
            }
            write(&path, &octets)?;
        }
        let file = watched_dir.path().join(CONFIG_FILE);
        write(&file, config::render(setup, &place).as_bytes())?;
        let mut command = Command::new(&machine.program);
        command.args(["-F", "-c"]).arg(&file);
        let watched = Watched::spawn(&command, watched_dir)?;
        let server = Self {
            setup: setup.clone(),
            imap,
            imaps,
            users: AtomicU32::new(0),
            machine: machine.clone(),
            watched,
        };
        server.wait_until_it_greets()?;
        Ok(server)
    }

    fn wait_until_it_greets(&self) -> Result<(), Error> {
        let end = Instant::now() + Duration::from_secs(START_SECONDS_MAX);
        while Instant::now() < end {
            match first_line(self.imap) {
                Some(line) if line.contains(&greeting(self.imap)) => return Ok(()),
                Some(line) => return Err(Error::Start(format!("a stranger answered: {line}"))),
                None if self.log().contains("Fatal:") => break,
                None => std::thread::sleep(Duration::from_millis(20)),
            }
        }
        Err(Error::Start(self.log()))
    }

    /// The port for clear text; with [`Tls::Offered`] also for STARTTLS.
    #[must_use]
    pub fn imap(&self) -> SocketAddr {
        self.imap
    }

    /// The port for TLS from the first octet; `None` with [`Tls::Absent`].
    #[must_use]
    pub fn imaps(&self) -> Option<SocketAddr> {
        self.imaps
    }

    /// How it was set up.
    #[must_use]
    pub fn setup(&self) -> &Setup {
        &self.setup
    }

    /// The password of any user.
    #[must_use]
    pub fn password(&self, user: &str) -> String {
        format!("pass-{user}")
    }

    /// A user name that nobody has used on this server, beginning with `stem`.
    #[must_use]
    pub fn fresh_user(&self, stem: &str) -> String {
        format!("{stem}-{}", self.users.fetch_add(1, Ordering::Relaxed))
    }

    /// Logs the judge in as `user`.
    ///
    /// # Errors
    /// If the server refuses or is gone.
    pub fn probe(&self, user: &str) -> Result<Probe, Error> {
        Ok(Probe::login(self.imap, user, &self.password(user))?)
    }

    /// Puts a whole corpus into a user's empty account: straight into the Maildir where the
    /// layout has one (5,000 messages in about a second), else by APPEND.
    ///
    /// # Errors
    /// If a file cannot be written or the server refuses a message.
    pub fn fill(&self, user: &str, corpus: &Corpus) -> Result<(), Error> {
        if self.setup.layout.is_maildir() {
            let home = self.home(user);
            corpus.write_maildir(&home.join("Maildir")).map_err(io("cannot write the Maildir"))?;
            return self.machine.give_away(&home);
        }
        let mut probe = self.probe(user)?;
        for mailbox in corpus.mailboxes().filter(|name| *name != "INBOX") {
            probe.create_if_missing(mailbox)?;
            probe.subscribe(mailbox)?;
        }
        for letter in corpus.letters() {
            probe.append(letter.mailbox, &letter.draft())?;
        }
        Ok(())
    }

    /// The home of a user, in which the mail is.
    #[must_use]
    pub fn home(&self, user: &str) -> PathBuf {
        self.watched.dir().join("mail").join(user)
    }

    /// Makes everything in the home of a user that user's again, whoever wrote there.
    ///
    /// # Errors
    /// If it cannot be given away.
    pub fn give_back(&self, user: &str) -> Result<(), Error> {
        self.machine.give_away(&self.home(user))
    }

    /// Makes a copy of a folder of mail that of a user of a server with such a layout, as an
    /// administrator does who takes over an account; answers where it is.
    ///
    /// # Errors
    /// If a file cannot be written.
    pub fn adopt(&self, user: &str, folder: &Path) -> Result<PathBuf, Error> {
        let home = self.home(user);
        fs::create_dir_all(&home).map_err(io("cannot make a home"))?;
        let own = home.join(self.setup.layout.folder());
        let copied = Command::new("cp").arg("-a").arg(folder).arg(&own).status();
        match copied.map_err(io("cannot start cp"))?.success() {
            true => self.machine.give_away(&home).map(|()| own),
            false => Err(Error::Start("cp did not copy the mail".to_owned())),
        }
    }

    /// Removes the index files of a user's mailboxes, as an administrator does who mends one.
    /// With Maildir UIDVALIDITY and the UIDs stay, and mod-sequences begin anew.
    ///
    /// # Errors
    /// If a file cannot be removed.
    pub fn forget_indexes(&self, user: &str) -> Result<(), Error> {
        let unreadable = "cannot remove the index files";
        let mut folders = vec![self.home(user).join("Maildir")];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(&folder).map_err(io(unreadable))? {
                let path = entry.map_err(io(unreadable))?.path();
                let is_index = path.file_name().and_then(|name| name.to_str());
                if path.is_dir() {
                    folders.push(path);
                } else if is_index.is_some_and(|name| name.starts_with("dovecot.index")) {
                    fs::remove_file(&path).map_err(io(unreadable))?;
                }
            }
        }
        Ok(())
    }

    /// Removes a user's account with all its mail, in the storage and not by IMAP. Nobody may
    /// be logged in to it.
    ///
    /// # Errors
    /// If a file cannot be removed.
    pub fn discard(&self, user: &str) -> Result<(), Error> {
        match fs::remove_dir_all(self.home(user)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            done => done.map_err(io("cannot remove an account")),
        }
    }

    /// Its configuration, for programs such as `doveadm -c` that work on the storage.
    #[must_use]
    pub fn config_file(&self) -> PathBuf {
        self.watched.dir().join(CONFIG_FILE)
    }

    /// What the server has logged so far.
    #[must_use]
    pub fn log(&self) -> String {
        self.watched.log("dovecot.log")
    }
}

fn greeting(address: SocketAddr) -> String {
    format!("mailferry test server {}-{}", std::process::id(), address.port())
}

#[cfg(test)]
mod tests;

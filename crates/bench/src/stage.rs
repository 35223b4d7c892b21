//! The servers of a measurement, the mail on them, and whether it arrived.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result};
use mailferry_testkit::certificate;
use mailferry_testkit::corpus::{Corpus, Letter};
use mailferry_testkit::dovecot::{Dovecot, Durability, Layout, Setup};
use tempfile::TempDir;

use crate::distance::Distance;
use crate::judge::{Measure, Original};
use crate::program::{End, Route, Security};
use crate::raw::{IDENTITY_ITEMS, Raw};

/// A source and a target server that wait for their disks as installed ones do.
pub(crate) struct Stage {
    source: Dovecot,
    target: Dovecot,
    work: TempDir,
    certificate: PathBuf,
    seats: Cell<u32>,
}

/// An account full of mail on the source.
pub(crate) struct Mail {
    pub(crate) user: String,
    pub(crate) messages: u64,
    pub(crate) octets: u64,
    original: Original,
}

/// An account on the target, empty at first, and a directory for who fills it.
pub(crate) struct Seat {
    pub(crate) user: String,
    pub(crate) home: PathBuf,
}

/// Both servers, near or far.
pub(crate) struct Link {
    source: SocketAddr,
    target: SocketAddr,
    _distances: Vec<Distance>,
}

/// Which ends of a route speak TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sealed {
    Neither,
    Source,
    Target,
}

impl Stage {
    pub(crate) fn start() -> Result<Self> {
        let setup = Setup { durability: Durability::Usual, ..Setup::new(Layout::SlashMaildir) };
        let work = tempfile::Builder::new().prefix("ferry-bench-").tempdir()?;
        let certificate = work.path().join("certificate.pem");
        fs::write(&certificate, &certificate::self_signed()?.certificate_pem)?;
        Ok(Self {
            source: Dovecot::start(&setup)?,
            target: Dovecot::start(&setup)?,
            work,
            certificate,
            seats: Cell::new(0),
        })
    }

    /// Fills a source account, and has the judge read it, so that the server has built its
    /// indexes and the mail is in the machine's memory.
    pub(crate) fn fill(&self, corpus: &Corpus) -> Result<Mail> {
        let user = self.source.fresh_user("source");
        self.source.fill(&user, corpus).context("cannot fill the source")?;
        let (mut probe, mut raw) = (self.source.probe(&user)?, self.source_client(&user)?);
        let original = Original::read(&mut probe, &mut raw)?;
        self.list_source(&user, &mailboxes(corpus))?;
        let sizes = original.account.mailboxes.values().flatten().map(|message| message.size);
        let (messages, octets) = (original.account.message_count() as u64, sizes.sum());
        Ok(Mail { user, messages, octets, original })
    }

    /// The same mail on both sides without copying it, for listings too large to wait for a
    /// copy. Gives the source user and the target user.
    pub(crate) fn fill_both(&self, corpus: &Corpus) -> Result<(String, Seat)> {
        let user = self.source.fresh_user("twin");
        let seat = self.seat()?;
        std::thread::scope(|scope| {
            let (target, target_user) = (&self.target, &seat.user);
            let other = scope.spawn(move || target.fill(target_user, corpus));
            self.source.fill(&user, corpus)?;
            other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })?;
        // Headers are read from the files once, and from the index ever after.
        self.list_source(&user, &mailboxes(corpus))?;
        self.target_client(&seat.user)?.fetch(&mailboxes(corpus), IDENTITY_ITEMS, &mut |_| {})?;
        Ok((user, seat))
    }

    fn list_source(&self, user: &str, mailboxes: &[&str]) -> Result<()> {
        self.source_client(user)?.fetch(mailboxes, IDENTITY_ITEMS, &mut |_| {}).map(drop)
    }

    /// A fresh account on the target.
    pub(crate) fn seat(&self) -> Result<Seat> {
        let number = self.seats.get();
        self.seats.set(number + 1);
        let home = self.work.path().join(format!("home-{number}"));
        fs::create_dir(&home)?;
        Ok(Seat { user: self.target.fresh_user("target"), home })
    }

    /// Gives the room of a seat back.
    pub(crate) fn clear(&self, seat: &Seat) -> Result<()> {
        fs::remove_dir_all(&seat.home)?;
        Ok(self.target.discard(&seat.user)?)
    }

    /// Both servers in clear text, `round_trip` away.
    pub(crate) fn link(&self, round_trip: Duration) -> Result<Link> {
        let (source, target) = (self.source.imap(), self.target.imap());
        if round_trip.is_zero() {
            return Ok(Link { source, target, _distances: Vec::new() });
        }
        let distances =
            vec![Distance::start(source, round_trip)?, Distance::start(target, round_trip)?];
        let (source, target) = (distances[0].address(), distances[1].address());
        Ok(Link { source, target, _distances: distances })
    }

    /// The way from a source account to a target account.
    pub(crate) fn route(&self, source_user: &str, seat: &Seat, link: &Link) -> Route {
        let end = |server: &Dovecot, address, user: &str| End {
            address,
            user: user.to_owned(),
            password: server.password(user),
            security: Security::ClearText,
        };
        Route {
            source: end(&self.source, link.source, source_user),
            target: end(&self.target, link.target, &seat.user),
            target_config: self.target.config_file(),
        }
    }

    /// As [`Stage::route`], with no distance, and TLS on one end.
    pub(crate) fn sealed_route(
        &self,
        source_user: &str,
        seat: &Seat,
        sealed: Sealed,
    ) -> Result<Route> {
        let mut route = self.route(source_user, seat, &self.link(Duration::ZERO)?);
        let (end, server) = match sealed {
            Sealed::Neither => return Ok(route),
            Sealed::Source => (&mut route.source, &self.source),
            Sealed::Target => (&mut route.target, &self.target),
        };
        end.address = server.imaps().context("the server offers no TLS")?;
        end.security = Security::Tls(self.certificate.clone());
        Ok(route)
    }

    /// Whether everything arrived; why not, in words, as an error.
    pub(crate) fn judge(&self, mail: &Mail, seat: &Seat, measure: Measure) -> Result<()> {
        let mut probe = self.target.probe(&seat.user)?;
        mail.original.judge(&mut probe, &mut self.target_client(&seat.user)?, measure)
    }

    /// A client that does nothing but send and receive.
    pub(crate) fn source_client(&self, user: &str) -> Result<Raw> {
        Raw::login(self.source.imap(), user, &self.source.password(user))
    }

    /// The same on the target.
    pub(crate) fn target_client(&self, user: &str) -> Result<Raw> {
        Raw::login(self.target.imap(), user, &self.target.password(user))
    }

    /// A user of the source with nothing in the account.
    pub(crate) fn empty_source(&self, stem: &str) -> String {
        self.source.fresh_user(stem)
    }
}

/// How many mailboxes an account has.
pub(crate) fn mailbox_count(corpus: &Corpus) -> usize {
    corpus.mailboxes().count()
}

fn mailboxes(corpus: &Corpus) -> Vec<&'static str> {
    corpus.mailboxes().collect()
}

/// The letters of an account by mailbox, in memory.
pub(crate) fn letters_by_mailbox(corpus: &Corpus) -> BTreeMap<&'static str, Vec<Letter>> {
    let mut letters: BTreeMap<_, Vec<Letter>> = BTreeMap::new();
    for letter in corpus.letters() {
        letters.entry(letter.mailbox).or_default().push(letter);
    }
    letters
}

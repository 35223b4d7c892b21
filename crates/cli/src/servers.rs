//! The two servers of a run, as its accounts.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use mailferry_engine::fault::{Fault, FaultKind, Retry, Side};
use mailferry_engine::mapping::NameRewrite;
use mailferry_engine::name::RuleFailed;
use mailferry_engine::select::NamePattern;
use mailferry_imap::compress::Compression as OnWire;
use mailferry_imap::credentials::Credentials;
use mailferry_imap::login::Endpoint;
use mailferry_imap::meter::Meter;
use mailferry_imap::mutf7;
use mailferry_imap::session::printable;
use mailferry_imap::tls::Met;
use mailferry_imap::trace::{Direction, Trace};
use mailferry_run::accounts::{Accounts, Need, Seat};
use mailferry_store::either::Either;
use mailferry_store::imap::ImapAccount;
use mailferry_store::imap::compression::Compression;

use crate::budget::Budget;
use crate::local::{LocalAccount, LocalForm};
use crate::token::TokenFrom;

/// One side: where it is and who logs in.
#[derive(Clone, Debug)]
pub struct Login {
    /// Where.
    pub endpoint: Endpoint,
    /// Who.
    pub credentials: Credentials,
    /// Where the secret comes from at each login, in place of the one in `credentials`.
    pub token: Option<TokenFrom>,
    /// When connections to it are compressed.
    pub compression: Compression,
    /// What is tried where that does not lead in (`--trylogin`).
    pub second_way: Option<SecondWay>,
}

/// Another way to log in.
#[derive(Clone, Debug)]
pub struct SecondWay {
    /// Who logs in, and how.
    pub credentials: Credentials,
    /// When it is tried.
    pub occasion: Occasion,
}

/// When a second way to log in is tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Occasion {
    /// Where the first one could not be gone, or led to a token that was refused: a password that was
    /// refused is not tried again, which could lock the account.
    NoPasswordRefused,
    /// After any refusal.
    AnyRefusal,
}

impl SecondWay {
    fn follows(&self, fault: &Fault) -> bool {
        match fault.kind {
            FaultKind::Mechanism | FaultKind::TokenRefused => true,
            FaultKind::Authentication => self.occasion == Occasion::AnyRefusal,
            _ => false,
        }
    }
}

/// Where an account is.
#[derive(Clone, Debug)]
pub enum Site {
    /// On a server.
    Server(Box<Login>),
    /// On this machine, by its absolute path.
    Local(LocalForm, PathBuf),
}

impl From<Login> for Site {
    fn from(login: Login) -> Self {
        Self::Server(Box::new(login))
    }
}

impl Site {
    /// User, host and port, or the path.
    fn name(&self) -> String {
        match self {
            Self::Server(login) => {
                format!("{}@{}", login.credentials.user.escape_ascii(), login.host())
            }
            Self::Local(form, root) => format!("{}{}", form.scheme(), root.display()),
        }
    }

    /// The same with its octets counted.
    fn metered(mut self) -> Self {
        if let Self::Server(login) = &mut self {
            login.endpoint.meter = Some(Arc::default());
        }
        self
    }

    /// What counts its octets; there are none of what is on this machine.
    fn meter(&self) -> Arc<Meter> {
        match self {
            Self::Server(login) => login.endpoint.meter.clone().unwrap_or_default(),
            Self::Local(..) => Arc::default(),
        }
    }

    /// The server, where there is one.
    fn host(&self) -> Option<String> {
        match self {
            Self::Server(login) => Some(login.host()),
            Self::Local(..) => None,
        }
    }
}

impl Login {
    fn host(&self) -> String {
        format!("{}:{}", self.endpoint.host.to_ascii_lowercase(), self.endpoint.port)
    }
}

/// An account wherever it is.
pub type AnyAccount = Either<ImapAccount, LocalAccount>;

/// Both sides.
#[derive(Clone)]
pub struct Servers {
    source: Site,
    target: Site,
    tell: Tell,
    told: Arc<Mutex<BTreeSet<(Side, Notice)>>>,
    /// The sides that were logged in to.
    entered: Arc<Mutex<BTreeSet<Side>>>,
    /// The sides where only the second way leads in.
    second_ways: Arc<Mutex<BTreeSet<Side>>>,
    budget: Option<Budget>,
}

/// What is told once a side.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Notice {
    Certificate,
    NotCompressed,
}

/// Whether clear text was asked for by the environment, for scripts that cannot be changed.
#[must_use]
pub fn cleartext_allowed() -> bool {
    std::env::var_os("MAILFERRY_ALLOW_CLEARTEXT").is_some_and(|value| value == "1")
}

/// Shows the dialogue with one server: `source > m1 CAPABILITY`.
#[must_use]
pub fn traced(name: &'static str, tell: &Tell) -> Trace {
    let tell = tell.clone();
    Trace::new(move |direction, line| {
        let arrow = if direction == Direction::Sent { '>' } else { '<' };
        tell(&format!("{name} {arrow} {line}"));
    })
}

/// Whoever is told what should be known of a connection.
pub type Tell = Arc<dyn Fn(&str) + Send + Sync>;

impl Servers {
    /// Both sides; `tell` hears of certificates that were accepted though nobody vouches for
    /// them, and of compression that was asked for and is not to be had, once a side.
    #[must_use]
    pub fn new(source: impl Into<Site>, target: impl Into<Site>, tell: Tell) -> Self {
        let (source, target) = (source.into().metered(), target.into().metered());
        let (told, entered, second_ways) = (Arc::default(), Arc::default(), Arc::default());
        Self { source, target, tell, told, entered, second_ways, budget: None }
    }

    /// The same, with the connections counted that all runs have to either server.
    #[must_use]
    pub fn within(self, budget: Option<Budget>) -> Self {
        Self { budget, ..self }
    }

    async fn open(&self, side: Side, login: &Login) -> Result<ImapAccount, Fault> {
        let account = self.enter(side, login).await?;
        if let Ok(mut entered) = self.entered.lock() {
            entered.insert(side);
        }
        let name = if side == Side::Source { "source" } else { "target" };
        if let Some(Met { fingerprint: Some(fingerprint), complaint: Some(complaint), .. }) =
            &account.welcome.certificate
        {
            // It may quote the certificate, which is the server's.
            let complaint = printable(complaint.as_bytes());
            self.tell_once(side, Notice::Certificate, || {
                format!(
                    "notice: the certificate of the {name} was not verified ({complaint}); it is \
                     {fingerprint}"
                )
            });
        }
        if let (Compression::Always, OnWire::Refused(why)) =
            (&login.compression, account.compression())
        {
            self.tell_once(side, Notice::NotCompressed, || {
                format!("notice: the connections to the {name} are not compressed: {why}")
            });
        }
        Ok(account)
    }

    /// Logs in the first way, else the second one, where there is one.
    async fn enter(&self, side: Side, login: &Login) -> Result<ImapAccount, Fault> {
        let Some(second_way) = &login.second_way else {
            return self.enter_first_way(side, login).await;
        };
        let Login { endpoint, compression, .. } = login;
        let is_the_only_one = self.second_ways.lock().is_ok_and(|sides| sides.contains(&side));
        if !is_the_only_one {
            match self.enter_first_way(side, login).await {
                Err(fault) if second_way.follows(&fault) => {
                    let words = printable(fault.words.as_bytes());
                    (self.tell)(&format!(
                        "notice: {} was not let in ({words}); LOGIN is tried",
                        printable(&login.credentials.user)
                    ));
                }
                entered => return entered,
            }
        }
        let credentials = &second_way.credentials;
        let entered =
            ImapAccount::open_with(side, endpoint, credentials, compression.clone()).await;
        if let (Ok(_), Ok(mut sides)) = (&entered, self.second_ways.lock()) {
            sides.insert(side);
        }
        entered
    }

    async fn enter_first_way(&self, side: Side, login: &Login) -> Result<ImapAccount, Fault> {
        let Login { endpoint, compression, .. } = login;
        let credentials = self.credentials_of_now(side, login).await?;
        let enter = |credentials: Credentials| async move {
            ImapAccount::open_with(side, endpoint, &credentials, compression.clone()).await
        };
        match enter(credentials.clone()).await {
            // It was revoked before its time: another one is no second guess at a password.
            Err(fault)
                if fault.kind == FaultKind::TokenRefused
                    && login.token.as_ref().is_some_and(|it| it.forget(&credentials.secret)) =>
            {
                enter(self.credentials_of_now(side, login).await?).await
            }
            entered => entered,
        }
    }

    async fn credentials_of_now(&self, side: Side, login: &Login) -> Result<Credentials, Fault> {
        let mut credentials = login.credentials.clone();
        if let Some(token) = &login.token {
            credentials.secret = token.fetch().await.map_err(|error| {
                // What gave a token before may give one again, in the middle of a long run.
                let before = self.entered.lock().is_ok_and(|entered| entered.contains(&side));
                let retry = if before && error.is_passing() { Retry::Later } else { Retry::Never };
                Fault { retry, ..Fault::new(side, FaultKind::TokenMissing, error.to_string()) }
            })?;
        }
        Ok(credentials)
    }

    /// What the two accounts are called: user, host and port as given, or a path of this machine.
    #[must_use]
    pub fn names(&self) -> (String, String) {
        (self.source.name(), self.target.name())
    }

    fn tell_once(&self, side: Side, notice: Notice, words: impl FnOnce() -> String) {
        if self.told.lock().is_ok_and(|mut told| told.insert((side, notice))) {
            (self.tell)(&words());
        }
    }

    /// What the two accounts are called, and what counts their octets.
    #[must_use]
    pub fn metered(&self) -> [(String, Arc<Meter>); 2] {
        [&self.source, &self.target].map(|site| (site.name(), site.meter()))
    }

    /// Whether both sides are one account, as far as names tell.
    #[must_use]
    pub fn is_one_account(&self) -> bool {
        self.source.name() == self.target.name()
    }

    /// Whether there is nobody to log in to on that side.
    #[must_use]
    pub fn is_local(&self, side: Side) -> bool {
        let site = if side == Side::Source { &self.source } else { &self.target };
        matches!(site, Site::Local(..))
    }
}

impl Accounts for Servers {
    type Source = AnyAccount;
    type Removal = AnyAccount;
    type Target = AnyAccount;

    async fn open_source(&self) -> Result<AnyAccount, Fault> {
        match &self.source {
            Site::Server(login) => self.open(Side::Source, login).await.map(Either::One),
            Site::Local(form, root) => form.open(Side::Source, root).map(Either::Other),
        }
    }

    async fn open_removal(&self) -> Result<AnyAccount, Fault> {
        match &self.source {
            Site::Server(_) => self.open_source().await,
            Site::Local(form, root) => form.open(Side::Target, root).map(Either::Other),
        }
    }

    async fn open_target(&self) -> Result<AnyAccount, Fault> {
        match &self.target {
            Site::Server(login) => self.open(Side::Target, login).await.map(Either::One),
            Site::Local(form, root) => form.open(Side::Target, root).map(Either::Other),
        }
    }

    fn seat(&self, need: Need) -> Option<Seat> {
        let Some(budget) = &self.budget else { return Some(Seat::unlimited()) };
        let hosts: Vec<String> =
            [&self.source, &self.target].into_iter().filter_map(Site::host).collect();
        budget.take(&hosts, need).map(Seat::holding)
    }
}

/// Makes a target name valid, canonical modified UTF-7 (RFC 3501 §5.1.3): servers refuse or
/// rewrite others, and a rewritten name would never be found again.
#[derive(Clone, Copy, Debug, Default)]
pub struct CanonicalName;

impl NameRewrite for CanonicalName {
    fn rewrite(&self, name: &[u8]) -> Result<Vec<u8>, RuleFailed> {
        Ok(mutf7::canonical(name).into_owned())
    }
}

/// A regular expression over mailbox names: over the octets on the wire, and over the decoded
/// name, since people type what they see.
#[derive(Clone, Debug)]
pub struct NameRegex(regex::bytes::Regex);

impl NameRegex {
    /// Compiles an expression.
    ///
    /// # Errors
    /// The expression is broken, or asks for what this engine does not have (look-around,
    /// back references); the words say which.
    pub fn new(expression: &str) -> Result<Self, String> {
        regex::bytes::Regex::new(expression).map(Self).map_err(|error| error.to_string())
    }
}

impl NamePattern for NameRegex {
    fn matches(&self, name: &[u8]) -> Result<bool, RuleFailed> {
        Ok(self.0.is_match(name)
            || mutf7::decode(name).is_some_and(|decoded| self.0.is_match(decoded.as_bytes())))
    }
}

//! The options about the two accounts.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};
use mailferry_engine::fault::Side;
use mailferry_imap::credentials::Manner;
use mailferry_imap::sasl::Mechanism;
use mailferry_imap::tls::Version;

use crate::compress::{self, Compress};
use crate::secret::COMMAND_WAIT_USUAL;

/// The two accounts and how to get there.
#[derive(Args, Clone, Debug)]
pub struct Accounts {
    /// Account to read: imaps://user@host[:port] (TLS), imap:// (STARTTLS), imap+plain://, or on
    /// this machine: maildir:PATH (Maildir++), maildir+fs:PATH (Maildir, folders in folders),
    /// eml:PATH (a file a message), mbox:PATH (a file a mailbox)
    pub source: String,
    /// Account to write
    pub target: String,
    /// Source password: the first line this command prints
    #[arg(long, value_name = "COMMAND")]
    pub source_password_command: Option<String>,
    /// Source password: the first line of this file
    #[arg(long, value_name = "FILE")]
    pub source_password_file: Option<PathBuf>,
    /// Source password: this environment variable [else MAILFERRY_SOURCE_PASSWORD, else a prompt]
    #[arg(long, value_name = "NAME")]
    pub source_password_env: Option<String>,
    /// Source access token (OAuth2) in place of a password: the first line this command prints, at
    /// each login anew
    #[arg(long, value_name = "COMMAND")]
    pub source_token_command: Option<String>,
    /// Source access token: the first line of this file, read at each login
    #[arg(long, value_name = "FILE", conflicts_with = "source_token_command")]
    pub source_token_file: Option<PathBuf>,
    /// Source access token by the right of a program: the file of a Google service account or of client
    /// credentials
    #[arg(long, value_name = "FILE", conflicts_with_all = ["source_token_command", "source_token_file"])]
    pub source_token_grant: Option<PathBuf>,
    /// Log in to the source by this mechanism [default: the strongest that is offered]
    #[arg(long, value_name = "MECHANISM", value_parser = mechanism)]
    pub source_auth: Option<Mechanism>,
    /// Log in to the source as this administrator
    #[arg(long, value_name = "USER")]
    pub source_login_as: Option<String>,
    /// How the source is told whose mailboxes the administrator means
    #[arg(
        long,
        value_enum,
        value_name = "MANNER",
        default_value = "authzid",
        requires = "source_login_as"
    )]
    pub source_login_as_by: ActingBy,
    /// Client certificate shown to the source (PEM); alone, or for `--source-auth EXTERNAL`
    #[arg(long, value_name = "FILE")]
    pub source_client_cert: Option<PathBuf>,
    /// Its private key (PEM) [default: in the same file]
    #[arg(long, value_name = "FILE", requires = "source_client_cert")]
    pub source_client_key: Option<PathBuf>,
    /// Accept only the source certificate with this fingerprint (sha256:…)
    #[arg(long, value_name = "SHA256")]
    pub source_pin: Vec<String>,
    /// Target password: the first line this command prints
    #[arg(long, value_name = "COMMAND")]
    pub target_password_command: Option<String>,
    /// Target password: the first line of this file
    #[arg(long, value_name = "FILE")]
    pub target_password_file: Option<PathBuf>,
    /// Target password: this environment variable [else MAILFERRY_TARGET_PASSWORD, else a prompt]
    #[arg(long, value_name = "NAME")]
    pub target_password_env: Option<String>,
    /// Target access token (OAuth2) in place of a password: the first line this command prints, at
    /// each login anew
    #[arg(long, value_name = "COMMAND")]
    pub target_token_command: Option<String>,
    /// Target access token: the first line of this file, read at each login
    #[arg(long, value_name = "FILE", conflicts_with = "target_token_command")]
    pub target_token_file: Option<PathBuf>,
    /// Target access token by the right of a program: the file of a Google service account or of client
    /// credentials
    #[arg(long, value_name = "FILE", conflicts_with_all = ["target_token_command", "target_token_file"])]
    pub target_token_grant: Option<PathBuf>,
    /// Log in to the target by this mechanism [default: the strongest that is offered]
    #[arg(long, value_name = "MECHANISM", value_parser = mechanism)]
    pub target_auth: Option<Mechanism>,
    /// Log in to the target as this administrator
    #[arg(long, value_name = "USER")]
    pub target_login_as: Option<String>,
    /// How the target is told whose mailboxes the administrator means
    #[arg(
        long,
        value_enum,
        value_name = "MANNER",
        default_value = "authzid",
        requires = "target_login_as"
    )]
    pub target_login_as_by: ActingBy,
    /// Client certificate shown to the target (PEM); alone, or for `--target-auth EXTERNAL`
    #[arg(long, value_name = "FILE")]
    pub target_client_cert: Option<PathBuf>,
    /// Its private key (PEM) [default: in the same file]
    #[arg(long, value_name = "FILE", requires = "target_client_cert")]
    pub target_client_key: Option<PathBuf>,
    /// Accept only the target certificate with this fingerprint (sha256:…)
    #[arg(long, value_name = "SHA256")]
    pub target_pin: Vec<String>,
    /// Trust the authorities in this PEM file too, on both sides
    #[arg(long, value_name = "FILE")]
    pub ca_file: Option<PathBuf>,
    /// Speak no TLS older than this, with both sides
    #[arg(long, value_enum, value_name = "VERSION", default_value = "1.2")]
    pub tls_min: TlsMin,
    /// Name of the source in TLS (SNI, certificate), if it is another than in its URL
    #[arg(long, value_name = "NAME")]
    pub source_tls_name: Option<String>,
    /// Name of the target in TLS
    #[arg(long, value_name = "NAME")]
    pub target_tls_name: Option<String>,
    /// Reach both sides through this proxy: socks5://[user:password@]host[:port], http://…
    #[arg(long, value_name = "URL", env = crate::detour::VARIABLE, hide_env_values = true)]
    pub proxy: Option<String>,
    /// Seconds that a command may take which prints a password or an access token
    #[arg(long, value_name = "SECONDS", default_value_t = COMMAND_WAIT_USUAL.as_secs())]
    pub secret_timeout: u64,
    /// Seconds of silence after which a connection counts as dead
    #[arg(long, value_name = "SECONDS", default_value_t = 120)]
    pub timeout: u64,
    /// Compress the connections, where the server can (RFC 4978)
    #[arg(long, value_enum, value_name = "WHEN", default_value = "never", env = compress::VARIABLE)]
    pub compress: Compress,
    /// Use IPv4 only
    #[arg(long, conflicts_with = "ipv6")]
    pub ipv4: bool,
    /// Use IPv6 only
    #[arg(long)]
    pub ipv6: bool,
}

/// How an administrator says whose mailboxes are meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ActingBy {
    /// By the mechanism's authorisation identity (PLAIN, SCRAM)
    Authzid,
    /// By the user name `user*administrator`, as Dovecot's master users
    Master,
    /// By the command PROXYAUTH
    Proxyauth,
}

impl From<ActingBy> for Manner {
    fn from(by: ActingBy) -> Self {
        match by {
            ActingBy::Authzid => Self::AuthorisationIdentity,
            ActingBy::Master => Self::MasterUser,
            ActingBy::Proxyauth => Self::ProxyAuth,
        }
    }
}

/// The oldest TLS that is spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum TlsMin {
    /// TLS 1.2
    #[value(name = "1.2")]
    Tls12,
    /// TLS 1.3
    #[value(name = "1.3")]
    Tls13,
}

impl From<TlsMin> for Version {
    fn from(least: TlsMin) -> Self {
        match least {
            TlsMin::Tls12 => Self::Tls12,
            TlsMin::Tls13 => Self::Tls13,
        }
    }
}

/// What the options say of one side.
#[derive(Clone, Copy, Debug)]
pub struct SideArgs<'a> {
    /// Which.
    pub side: Side,
    /// The account.
    pub url: &'a str,
    /// The command that prints the password.
    pub password_command: Option<&'a String>,
    /// The file that holds it.
    pub password_file: Option<&'a PathBuf>,
    /// The environment variable that does.
    pub password_env: Option<&'a String>,
    /// The command that prints an access token.
    pub token_command: Option<&'a String>,
    /// The file that holds one.
    pub token_file: Option<&'a PathBuf>,
    /// How long either command may take.
    pub secret_wait: Duration,
    /// The file of a program's right to tokens.
    pub token_grant: Option<&'a PathBuf>,
    /// The mechanism.
    pub auth: Option<Mechanism>,
    /// The administrator.
    pub login_as: Option<&'a String>,
    /// How it acts for the user.
    pub login_as_by: ActingBy,
    /// The client certificate.
    pub client_cert: Option<&'a PathBuf>,
    /// Its key.
    pub client_key: Option<&'a PathBuf>,
    /// The server's name in TLS.
    pub tls_name: Option<&'a String>,
    /// The only server certificates that are good.
    pub pins: &'a [String],
}

impl SideArgs<'_> {
    /// `source` or `target`.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self.side {
            Side::Source => "source",
            Side::Target => "target",
        }
    }
}

impl Accounts {
    /// The silence after which a connection counts as dead.
    #[must_use]
    pub fn silence_max(&self) -> Duration {
        Duration::from_secs(self.timeout.max(1))
    }

    fn secret_wait(&self) -> Duration {
        Duration::from_secs(self.secret_timeout.max(1))
    }

    /// The options about one side.
    #[must_use]
    pub fn side(&self, side: Side) -> SideArgs<'_> {
        match side {
            Side::Source => self.of_source(),
            Side::Target => self.of_target(),
        }
    }

    fn of_source(&self) -> SideArgs<'_> {
        SideArgs {
            side: Side::Source,
            url: &self.source,
            password_command: self.source_password_command.as_ref(),
            password_file: self.source_password_file.as_ref(),
            password_env: self.source_password_env.as_ref(),
            token_command: self.source_token_command.as_ref(),
            token_file: self.source_token_file.as_ref(),
            secret_wait: self.secret_wait(),
            token_grant: self.source_token_grant.as_ref(),
            auth: self.source_auth,
            login_as: self.source_login_as.as_ref(),
            login_as_by: self.source_login_as_by,
            client_cert: self.source_client_cert.as_ref(),
            client_key: self.source_client_key.as_ref(),
            tls_name: self.source_tls_name.as_ref(),
            pins: &self.source_pin,
        }
    }

    fn of_target(&self) -> SideArgs<'_> {
        SideArgs {
            side: Side::Target,
            url: &self.target,
            password_command: self.target_password_command.as_ref(),
            password_file: self.target_password_file.as_ref(),
            password_env: self.target_password_env.as_ref(),
            token_command: self.target_token_command.as_ref(),
            token_file: self.target_token_file.as_ref(),
            secret_wait: self.secret_wait(),
            token_grant: self.target_token_grant.as_ref(),
            auth: self.target_auth,
            login_as: self.target_login_as.as_ref(),
            login_as_by: self.target_login_as_by,
            client_cert: self.target_client_cert.as_ref(),
            client_key: self.target_client_key.as_ref(),
            tls_name: self.target_tls_name.as_ref(),
            pins: &self.target_pin,
        }
    }
}

fn mechanism(name: &str) -> Result<Mechanism, String> {
    Mechanism::parse(name).ok_or_else(|| {
        let names = Mechanism::EVERY.map(Mechanism::name).join(", ");
        format!("the mechanisms are {names}")
    })
}

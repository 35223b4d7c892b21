//! Logging in: the lines of LOGIN and AUTHENTICATE (RFC 9051 §6.2.2, §6.2.3, RFC 4959 §3) around
//! the exchanges of [`crate::sasl`].

use std::time::{SystemTime, UNIX_EPOCH};

use data_encoding::BASE64;
use ring::rand::{SecureRandom, SystemRandom};
use zeroize::Zeroizing;

use super::know_capabilities;
use crate::command::Command;
use crate::connection::{Connection, ConnectionError};
use crate::credentials::{Choice, Credentials, Manner, Secret};
use crate::response::{Code, Status};
use crate::sasl::{
    ChannelBinding, CramMd5, Exchange, External, Hash, Identities, Login, Mechanism, NoMechanism,
    Ntlm, OAuthBearer, Offer, Own, Plain, Proof, SaslError, Scram, XOAuth2, choose,
};
use crate::session::{Completion, Event, printable};

/// The random part of a nonce, before base64.
const NONCE_BYTES: usize = 18;
/// From 1601-01-01 to 1970-01-01 in units of 100 ns, as Windows counts time (MS-DTYP §2.3.3).
const TICKS_TO_1970: u64 = 116_444_736_000_000_000;

/// A login failed.
#[derive(Debug, thiserror::Error)]
pub enum LoginError {
    /// The server refused these credentials: NO without a code, or with
    /// AUTHENTICATIONFAILED, AUTHORIZATIONFAILED or EXPIRED (RFC 5530 §3).
    #[error("{0}")]
    Refused(String),
    /// The same of an access token: expired, revoked, or not for this server.
    #[error("{0}")]
    TokenRefused(String),
    /// The server cannot say now: UNAVAILABLE, INUSE, LIMIT, CONTACTADMIN (RFC 5530 §3).
    #[error("{0}")]
    Unavailable(String),
    /// No mechanism that we have is permitted here (LOGINDISABLED, RFC 9051 §6.2.3).
    #[error("the server offers no way to log in that can be used here: {0}")]
    NoMechanism(#[from] NoMechanism),
    /// The exchange could not go on.
    #[error("the login by {} was broken off: {error}", mechanism.name())]
    Exchange {
        /// By which mechanism.
        mechanism: Mechanism,
        /// Why.
        error: SaslError,
    },
    /// The connection broke meanwhile.
    #[error(transparent)]
    Broken(#[from] ConnectionError),
}

/// Logs in, and learns the capabilities that hold afterwards. Answers by which mechanism.
///
/// # Errors
/// See [`LoginError`]; the connection is to be dropped.
pub async fn login(
    connection: &mut Connection,
    credentials: &Credentials,
) -> Result<Mechanism, LoginError> {
    let offer =
        Offer { capabilities: connection.capabilities(), channel: connection.entrance.channel };
    let mut mechanism = choose(offer, credentials)?;
    if mechanism == Mechanism::Login && !connection.capabilities().has("LOGINDISABLED") {
        let completion = login_command(connection, credentials).await?;
        judge(&completion, Proof::Password, None)?;
    } else {
        mechanism = authenticate(connection, credentials, mechanism).await?;
    }
    if let Some(Manner::ProxyAuth) = credentials.login_as.as_ref().map(|other| other.manner) {
        become_user(connection, &credentials.user).await?;
    }
    know_capabilities(connection).await?;
    Ok(mechanism)
}

async fn login_command(
    connection: &mut Connection,
    credentials: &Credentials,
) -> Result<Completion, ConnectionError> {
    let command = Command::new("LOGIN")
        .sp()
        .astring(credentials.authentication_identity())
        .sp()
        .astring(credentials.secret.octets())
        .sensitive();
    let tag = connection.session.send(&command)?;
    connection.session.forget_capabilities();
    connection.wait(tag, |_| {}).await
}

/// `PROXYAUTH user`, which no RFC describes: from then on the session is that user's.
async fn become_user(connection: &mut Connection, user: &[u8]) -> Result<(), LoginError> {
    let command = Command::new("PROXYAUTH").sp().astring(user);
    connection.session.forget_capabilities();
    let completion = connection.run(&command, |_| {}).await?;
    judge(&completion, Proof::Password, None)
}

async fn authenticate(
    connection: &mut Connection,
    credentials: &Credentials,
    mechanism: Mechanism,
) -> Result<Mechanism, LoginError> {
    let offered = connection.capabilities().has(&format!("AUTH={}", mechanism.name()));
    let outcome = attempt(connection, credentials, mechanism).await;
    match outcome {
        Err(error) if !offered && speaks_of_the_mechanism(&error) => {
            let words = format!("{} is not offered, and was refused: {error}", mechanism.name());
            Err(NoMechanism(words).into())
        }
        outcome => outcome,
    }
}

/// Whether it may be the mechanism that was refused. Dovecot says so with an ALERT.
fn speaks_of_the_mechanism(error: &LoginError) -> bool {
    match error {
        LoginError::Refused(_) | LoginError::TokenRefused(_) => true,
        LoginError::Unavailable(words) => words.starts_with("NO [ALERT]"),
        _ => false,
    }
}

async fn attempt(
    connection: &mut Connection,
    credentials: &Credentials,
    mechanism: Mechanism,
) -> Result<Mechanism, LoginError> {
    let binding = binding(connection, credentials, mechanism);
    let mut exchange = exchange(connection, credentials, mechanism, binding)?;
    let (completion, broken_off) = converse(connection, mechanism, &mut *exchange).await?;
    let complaint = exchange.complaint();
    if complaint == Some(b"unsupported-channel-binding-type")
        && credentials.mechanism != Choice::Only(mechanism)
    {
        // The server has another one that rustls does not (tls-unique): then without, and said
        // so, since no password was judged yet (RFC 5802 §6).
        let unbound = match mechanism {
            Mechanism::ScramSha1Plus => Mechanism::ScramSha1,
            _ => Mechanism::ScramSha256,
        };
        let mut exchange =
            self::exchange(connection, credentials, unbound, ChannelBinding::Unsupported)?;
        let (completion, broken_off) = converse(connection, unbound, &mut *exchange).await?;
        return conclude(unbound, &completion, broken_off, &*exchange).map(|()| unbound);
    }
    conclude(mechanism, &completion, broken_off, &*exchange).map(|()| mechanism)
}

fn conclude(
    mechanism: Mechanism,
    completion: &Completion,
    broken_off: Option<SaslError>,
    exchange: &dyn Exchange,
) -> Result<(), LoginError> {
    if let Some(error) = broken_off {
        return Err(LoginError::Exchange { mechanism, error });
    }
    judge(completion, mechanism.proof(), exchange.complaint()).map_err(|error| match error {
        // These need the password in a form of their own, which many servers do not keep: a
        // refusal may mean that.
        LoginError::Refused(words) if !matches!(mechanism, Mechanism::Plain | Mechanism::Login) => {
            LoginError::Refused(format!("{words} (by {})", mechanism.name()))
        }
        other => other,
    })?;
    exchange.conclude().map_err(|error| LoginError::Exchange { mechanism, error })
}

fn binding(
    connection: &Connection,
    credentials: &Credentials,
    mechanism: Mechanism,
) -> ChannelBinding {
    match (mechanism, &connection.entrance.binding) {
        (Mechanism::ScramSha256Plus | Mechanism::ScramSha1Plus, Some(data)) => {
            ChannelBinding::TlsExporter(data.clone())
        }
        // Where we chose among what is offered, it was not (RFC 5802 §6).
        (_, Some(_)) if credentials.mechanism == Choice::Strongest => ChannelBinding::NotOffered,
        _ => ChannelBinding::Unsupported,
    }
}

fn exchange(
    connection: &Connection,
    credentials: &Credentials,
    mechanism: Mechanism,
    binding: ChannelBinding,
) -> Result<Box<dyn Exchange>, ConnectionError> {
    let user = credentials.authentication_identity();
    let authorise = credentials.authorisation_identity();
    let secret = credentials.secret.octets();
    let scram = |hash| {
        let identities = Identities { authorise, user: &user };
        nonce().map(|nonce| Box::new(Scram::new(hash, identities, secret, binding, nonce)))
    };
    Ok(match (mechanism, &credentials.secret) {
        (Mechanism::ScramSha256Plus | Mechanism::ScramSha256, _) => scram(Hash::Sha256)?,
        (Mechanism::ScramSha1Plus | Mechanism::ScramSha1, _) => scram(Hash::Sha1)?,
        (Mechanism::External, _) => Box::new(External::new(&credentials.user)),
        (Mechanism::CramMd5, _) => Box::new(CramMd5::new(&user, secret)),
        (Mechanism::Ntlm, _) => Box::new(Ntlm::new(&user, secret, own()?)),
        (Mechanism::Plain, _) => Box::new(Plain::new(authorise, &user, secret)),
        (Mechanism::Login, _) => Box::new(Login::new(&user, secret)),
        (Mechanism::OAuthBearer, _) => {
            let place = (connection.entrance.host.as_str(), connection.entrance.port);
            Box::new(OAuthBearer::new(&credentials.user, place, secret))
        }
        (Mechanism::XOAuth2, Secret::TokenResponse(_)) => {
            Box::new(XOAuth2::ready(BASE64.decode(secret).unwrap_or_else(|_| secret.to_vec())))
        }
        (Mechanism::XOAuth2, _) => Box::new(XOAuth2::new(&credentials.user, secret)),
    })
}

/// Random and printable, without commas.
fn nonce() -> Result<String, ConnectionError> {
    Ok(BASE64.encode(&random::<NONCE_BYTES>()?))
}

fn random<const N: usize>() -> Result<[u8; N], ConnectionError> {
    let mut octets = [0; N];
    let none = |_| ConnectionError::Io(std::io::Error::other("the system has no random numbers"));
    SystemRandom::new().fill(&mut octets).map_err(none)?;
    Ok(octets)
}

/// What NTLM wants of the client. A clock before 1970 counts as 1970.
#[expect(
    clippy::disallowed_methods,
    reason = "a login is of now; the exchange takes it as an argument"
)]
fn own() -> Result<Own, ConnectionError> {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let ticks = u64::try_from(since_1970.as_nanos() / 100).unwrap_or_default();
    Ok(Own { challenge: random()?, now: ticks.saturating_add(TICKS_TO_1970) })
}

/// AUTHENTICATE to its end, and why it was broken off by us, if it was.
async fn converse(
    connection: &mut Connection,
    mechanism: Mechanism,
    exchange: &mut dyn Exchange,
) -> Result<(Completion, Option<SaslError>), ConnectionError> {
    let mut first = exchange.initial();
    let mut command = Command::new(&format!("AUTHENTICATE {}", mechanism.name())).sensitive();
    if connection.capabilities().has("SASL-IR")
        && let Some(response) = first.take()
    {
        // `=` stands for a response of no octets (RFC 4959 §3).
        let line = if response.is_empty() { "=".to_owned() } else { BASE64.encode(&response) };
        command = command.sp().raw(&Zeroizing::new(line));
    }
    let tag = connection.session.send(&command)?;
    connection.session.forget_capabilities();
    let mut broken_off = None;
    loop {
        let answer = match connection.next().await? {
            Event::Completed(completion) if completion.tag == tag => {
                return Ok((completion, broken_off));
            }
            Event::Challenge(text) => match first.take() {
                // Asked for the first response; what the `+` says is of no meaning then.
                Some(response) => Ok(response),
                // What is no base64 is no challenge that any mechanism could answer.
                None => exchange.respond(&BASE64.decode(text.trim_ascii()).unwrap_or_default()),
            },
            _ => continue,
        };
        match answer {
            Ok(response) => {
                let line = Zeroizing::new(BASE64.encode(&response));
                connection.session.answer_challenge(line.as_bytes());
            }
            Err(error) => {
                // `*` cancels (RFC 9051 §6.2.2); the server answers BAD.
                broken_off.get_or_insert(error);
                connection.session.answer_challenge(b"*");
            }
        }
    }
}

fn judge(
    completion: &Completion,
    proof: Proof,
    complaint: Option<&[u8]>,
) -> Result<(), LoginError> {
    if completion.is_ok() {
        return Ok(());
    }
    let words = match complaint {
        Some(complaint) => format!("{} ({})", completion.words(), printable(complaint)),
        None => completion.words(),
    };
    // A BAD speaks of our command or of the server's state (`BAD Request is throttled`), not
    // of the credentials: no panel may disable a user for it.
    let throttled = completion.text().to_ascii_lowercase().starts_with(b"request is throttled");
    let passing = completion.status == Status::Bad
        || throttled
        || matches!(
            completion.code(),
            Some(
                Code::Unavailable
                    | Code::InUse
                    | Code::Limit
                    | Code::ContactAdmin
                    | Code::ServerBug
                    | Code::Alert
                    // Of Gmail's octets of a day.
                    | Code::OverQuota
            )
        );
    Err(match (passing, proof) {
        (true, _) => LoginError::Unavailable(words),
        (false, Proof::Token) => LoginError::TokenRefused(words),
        (false, _) => LoginError::Refused(words),
    })
}

//! From a host name to a session that is logged in: connect, TLS, greeting, capabilities
//! (RFC 9051 §6.2, RFC 8314 §3), and authentication.

mod authenticate;
mod reach;

pub use authenticate::{LoginError, login};

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustls_pki_types::ServerName;

use self::reach::{Reached, reach};
use crate::command::Command;
use crate::connection::{Connection, ConnectionError, Entrance, Transport};
use crate::meter::Meter;
use crate::proxy::{Proxy, ProxyError};
use crate::response::{ConditionKind, Untagged};
use crate::sasl::Channel;
use crate::session::{Event, printable};
use crate::tls::{Met, TlsPolicy, TlsSetupError, Unverified, Version, client_config, is_too_old};
use crate::trace::Trace;

/// How long a server may stay silent, if nothing else is said.
const USUAL_SILENCE: Duration = Duration::from_secs(120);

/// How the octets are protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Security {
    /// TLS from the first octet, mostly on port 993 (RFC 8314 §3.2).
    Tls,
    /// STARTTLS is required before login, mostly on port 143 (RFC 9051 §6.2.1).
    StartTls,
    /// STARTTLS where the server has it; else clear text, to a loopback address only.
    StartTlsOrLoopback,
    /// STARTTLS where the server has it; else clear text, because somebody asked for it.
    StartTlsOrClearText,
    /// Clear text, because somebody asked for it.
    ClearText,
}

/// Which addresses of a host are tried.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Family {
    /// All, in the order of the resolver.
    #[default]
    Any,
    /// IPv4 only.
    V4,
    /// IPv6 only.
    V6,
}

/// Whether the server is told who we are (RFC 2971 §3.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Introduction {
    /// Name and version are sent where the server takes ID.
    #[default]
    Given,
    /// Nothing is (`--noid`).
    Withheld,
}

/// Where a server is, and how to get there.
#[derive(Clone, Debug)]
pub struct Endpoint {
    /// Name or address.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// Protection.
    pub security: Security,
    /// Whom to trust.
    pub tls: TlsPolicy,
    /// Which addresses are tried.
    pub family: Family,
    /// The proxy on the way, if there is one. It is reached by any family.
    pub proxy: Option<Proxy>,
    /// Who is shown the dialogue.
    pub trace: Option<Trace>,
    /// What counts the octets of the account.
    pub meter: Option<Arc<Meter>>,
    /// Whether the server is told who we are (ID, RFC 2971 §3.1).
    pub introduction: Introduction,
    /// How long to wait for the TCP connection, and how long for any octet later.
    pub silence_max: Duration,
}

impl Endpoint {
    /// A server, reached as is usual: any address, no proxy, verified certificates, an
    /// introduction, two minutes of patience.
    #[must_use]
    pub fn new(host: impl Into<String>, port: u16, security: Security) -> Self {
        Self {
            host: host.into(),
            port,
            security,
            tls: TlsPolicy::default(),
            family: Family::Any,
            proxy: None,
            trace: None,
            meter: None,
            introduction: Introduction::Given,
            silence_max: USUAL_SILENCE,
        }
    }
}

/// A connection could not be made.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The name could not be resolved, or no address answered.
    #[error("cannot reach {host}:{port}: {reason}")]
    Unreachable {
        /// As given.
        host: String,
        /// As given.
        port: u16,
        /// The system's words, for the last address tried.
        reason: String,
    },
    /// The TLS handshake failed.
    #[error("TLS with {host}:{port} failed: {reason}")]
    Handshake {
        /// As given.
        host: String,
        /// As given.
        port: u16,
        /// The library's words.
        reason: String,
        /// The certificate met, if it came to that.
        met: Met,
    },
    /// STARTTLS is required and not offered. Nothing was sent.
    #[error("{host}:{port} offers no STARTTLS; the password was not sent")]
    NoStartTls {
        /// As given.
        host: String,
        /// As given.
        port: u16,
    },
    /// STARTTLS was refused, or octets came in clear behind its answer (injection).
    #[error("STARTTLS failed: {0}")]
    StartTls(String),
    /// The server speaks only versions of TLS that are older than what is spoken here.
    #[error("TLS with {host}:{port} failed: the server speaks only an older version ({reason})")]
    OldTls {
        /// As given.
        host: String,
        /// As given.
        port: u16,
        /// The library's words.
        reason: String,
    },
    /// The proxy did not lead there.
    #[error("the proxy {proxy} does not lead to the server: {error}")]
    Proxy {
        /// As given, without its password.
        proxy: String,
        /// Why.
        error: ProxyError,
    },
    /// The server greeted with BYE, or with something that is no greeting.
    #[error("the server refused the connection: {0}")]
    Greeting(String),
    /// TLS could not be set up on our side.
    #[error(transparent)]
    Setup(#[from] TlsSetupError),
    /// The connection broke meanwhile.
    #[error(transparent)]
    Broken(#[from] ConnectionError),
}

/// A connection that has been greeted, with what was learnt on the way.
pub struct Greeted {
    /// Ready for login.
    pub connection: Connection,
    /// The greeting's text.
    pub banner: Vec<u8>,
    /// The certificate, where there is TLS.
    pub certificate: Option<Met>,
    /// The address reached.
    pub peer: SocketAddr,
    /// Whether the server already takes us for somebody (PREAUTH).
    pub preauthenticated: Preauthenticated,
}

/// Whether the greeting was PREAUTH (RFC 9051 §7.1.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Preauthenticated {
    /// It was: there is no login.
    Yes,
    /// It was OK: log in.
    No,
}

/// Connects, greets, and puts TLS in place as the endpoint says.
///
/// # Errors
/// Nothing secret has been sent when this fails.
pub async fn connect(endpoint: &Endpoint) -> Result<Greeted, ConnectError> {
    let reached = reach(endpoint).await?;
    let place = if reached.is_loopback() { Place::Loopback } else { Place::Elsewhere };
    let Reached { stream: socket, peer, .. } = reached;
    let mut policy = endpoint.tls.clone();
    let nothing_expected = policy.pins.is_empty() && policy.ca_pem.is_none();
    if policy.unverified == Unverified::RefuseUnlessLoopback
        && place == Place::Loopback
        && nothing_expected
    {
        policy.unverified = Unverified::Accept;
    }
    let mut certificate = None;
    let mut entrance =
        Entrance { host: endpoint.host.clone(), port: endpoint.port, ..Entrance::default() };
    let transport: Box<dyn Transport> = if endpoint.security == Security::Tls {
        let secured = handshake(endpoint, &policy, Box::new(socket)).await?;
        certificate = Some(secured.met);
        (entrance.channel, entrance.binding) = (secured.channel, secured.binding);
        secured.transport
    } else {
        Box::new(socket)
    };
    let mut connection = Connection::new(transport, endpoint.silence_max);
    connection.entrance = entrance;
    connection.session.trace.clone_from(&endpoint.trace);
    let (banner, mut preauthenticated) = greeting(&mut connection).await?;
    know_capabilities(&mut connection).await?;
    if wants_starttls(endpoint, &connection, place)? {
        let (upgraded, met) = starttls(endpoint, &policy, connection).await?;
        connection = upgraded;
        certificate = Some(met);
        preauthenticated = Preauthenticated::No;
        know_capabilities(&mut connection).await?;
    }
    connection.session.quirks.learn_from_words(&banner);
    connection.meter.clone_from(&endpoint.meter);
    Ok(Greeted { connection, banner, certificate, peer, preauthenticated })
}

/// Where the other end is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// On this machine, and nobody is on the way.
    Loopback,
    /// Elsewhere, or who knows.
    Elsewhere,
}

fn wants_starttls(
    endpoint: &Endpoint,
    connection: &Connection,
    place: Place,
) -> Result<bool, ConnectError> {
    let offered = connection.capabilities().has("STARTTLS");
    match endpoint.security {
        Security::Tls | Security::ClearText => Ok(false),
        Security::StartTlsOrClearText => Ok(offered),
        Security::StartTls | Security::StartTlsOrLoopback if offered => Ok(true),
        Security::StartTlsOrLoopback if place == Place::Loopback => Ok(false),
        Security::StartTls | Security::StartTlsOrLoopback => {
            Err(ConnectError::NoStartTls { host: endpoint.host.clone(), port: endpoint.port })
        }
    }
}

/// A transport with TLS put over it.
struct Secured {
    transport: Box<dyn Transport>,
    met: Met,
    channel: Channel,
    binding: Option<Vec<u8>>,
}

/// What a login may be bound to: keying material of TLS 1.3 (RFC 9266 §2). In TLS 1.2 it would
/// need the extended master secret to be of this connection alone (§4.2), which is not told.
fn channel(connection: &rustls::ClientConnection) -> (Channel, Option<Vec<u8>>) {
    const LABEL: &[u8] = b"EXPORTER-Channel-Binding";
    if connection.protocol_version() != Some(rustls::ProtocolVersion::TLSv1_3) {
        return (Channel::Tls, None);
    }
    match connection.export_keying_material(vec![0; 32], LABEL, Some(b"")) {
        Ok(material) => (Channel::BindableTls, Some(material)),
        Err(_) => (Channel::Tls, None),
    }
}

async fn handshake(
    endpoint: &Endpoint,
    policy: &TlsPolicy,
    transport: Box<dyn Transport>,
) -> Result<Secured, ConnectError> {
    let (config, met) = client_config(policy)?;
    let name = policy.name.as_ref().unwrap_or(&endpoint.host).clone();
    let name = ServerName::try_from(name.clone()).map_err(|_| TlsSetupError::HostName(name))?;
    let connector = tokio_rustls::TlsConnector::from(config);
    let failed = |reason: String| ConnectError::Handshake {
        host: endpoint.host.clone(),
        port: endpoint.port,
        reason,
        met: what_was_met(&met),
    };
    match tokio::time::timeout(endpoint.silence_max, connector.connect(name, transport)).await {
        Ok(Ok(stream)) => {
            let tls = stream.get_ref().1;
            let (channel, binding) = channel(tls);
            let met =
                Met { version: tls.protocol_version().and_then(Version::of), ..what_was_met(&met) };
            Ok(Secured { transport: Box::new(stream), met, channel, binding })
        }
        Ok(Err(error)) if is_too_old(&error) => Err(ConnectError::OldTls {
            host: endpoint.host.clone(),
            port: endpoint.port,
            reason: error.to_string(),
        }),
        Ok(Err(error)) => Err(failed(error.to_string())),
        Err(_) => Err(failed(format!("no answer within {} s", endpoint.silence_max.as_secs_f32()))),
    }
}

fn what_was_met(met: &Arc<Mutex<Met>>) -> Met {
    met.lock().map(|met| met.clone()).unwrap_or_default()
}

async fn greeting(
    connection: &mut Connection,
) -> Result<(Vec<u8>, Preauthenticated), ConnectError> {
    match connection.next().await? {
        Event::Untagged(Untagged::Condition { kind, text, .. }) => match kind {
            ConditionKind::Ok => Ok((text.to_vec(), Preauthenticated::No)),
            ConditionKind::PreAuth => Ok((text.to_vec(), Preauthenticated::Yes)),
            other => {
                let word = format!("{other:?}").to_ascii_uppercase();
                Err(ConnectError::Greeting(format!("{word} {}", printable(text))))
            }
        },
        Event::Untagged(Untagged::Other(octets)) => {
            Err(ConnectError::Greeting(format!("`{}` is no IMAP greeting", printable(octets))))
        }
        other => Err(ConnectError::Greeting(format!("no IMAP greeting: {other:?}"))),
    }
}

async fn know_capabilities(connection: &mut Connection) -> Result<(), ConnectionError> {
    if connection.capabilities().is_empty() {
        connection.run(&Command::new("CAPABILITY"), |_| {}).await?;
    }
    Ok(())
}

async fn starttls(
    endpoint: &Endpoint,
    policy: &TlsPolicy,
    mut connection: Connection,
) -> Result<(Connection, Met), ConnectError> {
    let completion = connection.run(&Command::new("STARTTLS"), |_| {}).await?;
    if !completion.is_ok() {
        return Err(ConnectError::StartTls(completion.words()));
    }
    if connection.session.unread_bytes() > 0 {
        return Err(ConnectError::StartTls("octets in clear text follow its answer".to_owned()));
    }
    let mut entrance = std::mem::take(&mut connection.entrance);
    let (mut session, transport, silence_max) = connection.into_transport();
    session.forget_capabilities();
    let secured = handshake(endpoint, policy, transport).await?;
    let mut connection = Connection::with_session(session, secured.transport, silence_max);
    (entrance.channel, entrance.binding) = (secured.channel, secured.binding);
    connection.entrance = entrance;
    Ok((connection, secured.met))
}

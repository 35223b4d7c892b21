//! What a server says of itself on the way in.

use std::net::SocketAddr;

use mailferry_engine::fault::{Fault, Side};
use mailferry_imap::connection::Connection;
use mailferry_imap::login::{Endpoint, connect};
use mailferry_imap::sasl::Mechanism;
use mailferry_imap::tls::Met;

use super::ImapAccount;
use super::way_in::connect_fault;

/// What a server said of itself on the way in.
#[derive(Clone, Debug)]
pub struct Welcome {
    /// Text of the greeting. Foreign.
    pub banner: Vec<u8>,
    /// The certificate, where there is TLS.
    pub certificate: Option<Met>,
    /// The address reached: the server's, or the proxy's.
    pub peer: SocketAddr,
    /// What the login went by; `None` where nobody logged in.
    pub mechanism: Option<Mechanism>,
    /// Capabilities: after login, or before where nobody logs in.
    pub capabilities: Vec<String>,
}

impl Welcome {
    pub(super) fn new(
        (banner, certificate, peer): (Vec<u8>, Option<Met>, SocketAddr),
        mechanism: Option<Mechanism>,
        connection: &Connection,
    ) -> Self {
        let capabilities = connection.capabilities().iter();
        Self {
            banner,
            certificate,
            peer,
            mechanism,
            capabilities: capabilities.map(|name| name.escape_ascii().to_string()).collect(),
        }
    }
}

impl ImapAccount {
    /// Connects without logging in: what the server says of itself.
    ///
    /// # Errors
    /// A fault of kind Connection or Tls.
    pub async fn greet(side: Side, endpoint: &Endpoint) -> Result<Welcome, Fault> {
        let greeted = connect(endpoint).await.map_err(|error| connect_fault(side, &error))?;
        let met = (greeted.banner, greeted.certificate, greeted.peer);
        Ok(Welcome::new(met, None, &greeted.connection))
    }
}

//! What it means that a server was not reached, or did not let us in.

use mailferry_engine::fault::{Fault, FaultKind, Retry, Side};
use mailferry_imap::login::{ConnectError, LoginError};
use mailferry_imap::proxy::ProxyError;

use super::broken;
use super::throttle::throttled;

pub(super) fn connect_fault(side: Side, error: &ConnectError) -> Fault {
    match error {
        ConnectError::Unreachable { .. } => {
            Fault::new(side, FaultKind::Connection, error.to_string())
        }
        ConnectError::Handshake { met, .. } => match (&met.fingerprint, &met.complaint) {
            (Some(fingerprint), Some(complaint)) => Fault::new(
                side,
                FaultKind::Certificate,
                format!("{error}: the certificate {fingerprint} was not accepted: {complaint}"),
            ),
            // It never came to a certificate: mostly no TLS is spoken there at all.
            _ => Fault::new(side, FaultKind::Connection, error.to_string()),
        },
        ConnectError::OldTls { .. } => Fault::new(side, FaultKind::OldTls, error.to_string()),
        ConnectError::Proxy { error: ProxyError::Refused(_), .. } => {
            Fault::new(side, FaultKind::Proxy, error.to_string())
        }
        ConnectError::Proxy { .. } => Fault::new(side, FaultKind::Connection, error.to_string()),
        ConnectError::NoStartTls { .. } | ConnectError::StartTls(_) | ConnectError::Setup(_) => {
            Fault::new(side, FaultKind::Tls, error.to_string())
        }
        ConnectError::Greeting(words) => throttled(side, words).unwrap_or_else(|| Fault {
            retry: Retry::Later,
            ..Fault::new(side, FaultKind::Connection, error.to_string())
        }),
        ConnectError::Broken(inner) => broken(side, inner),
    }
}

pub(super) fn login_fault(side: Side, error: &LoginError) -> Fault {
    match error {
        LoginError::Refused(words) => Fault::new(side, FaultKind::Authentication, words),
        LoginError::TokenRefused(words) => Fault::new(side, FaultKind::TokenRefused, words),
        LoginError::NoMechanism(why) => Fault::new(side, FaultKind::Mechanism, why.to_string()),
        LoginError::Exchange { .. } => {
            Fault::new(side, FaultKind::Authentication, error.to_string())
        }
        LoginError::Unavailable(words) => throttled(side, words).unwrap_or_else(|| Fault {
            retry: Retry::Later,
            ..Fault::new(side, FaultKind::Connection, words)
        }),
        LoginError::Broken(inner) => broken(side, inner),
    }
}

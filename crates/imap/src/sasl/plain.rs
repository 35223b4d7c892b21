//! The mechanisms that send what they have: PLAIN, LOGIN, EXTERNAL.

use zeroize::Zeroizing;

use super::{Exchange, OVER, Response, SaslError};

/// PLAIN (RFC 4616 §2).
pub struct Plain(Option<Response>);

impl Plain {
    /// `[authzid] NUL authcid NUL passwd` (RFC 4616 §2).
    #[must_use]
    pub fn new(authorise: Option<&[u8]>, user: &[u8], password: &[u8]) -> Self {
        let message = [authorise.unwrap_or_default(), user, password].join(&0);
        Self(Some(Zeroizing::new(message)))
    }
}

impl Exchange for Plain {
    fn initial(&mut self) -> Option<Response> {
        self.0.take()
    }

    fn respond(&mut self, _challenge: &[u8]) -> Result<Response, SaslError> {
        Err(OVER)
    }
}

/// LOGIN (draft-murchison-sasl-login): asked for the name, then for the password. What the
/// challenges say differs from server to server; their order does not.
pub struct Login(Vec<Response>);

impl Login {
    /// A name and a password.
    #[must_use]
    pub fn new(user: &[u8], password: &[u8]) -> Self {
        Self([password, user].map(|octets| Zeroizing::new(octets.to_vec())).into())
    }
}

impl Exchange for Login {
    fn initial(&mut self) -> Option<Response> {
        None
    }

    fn respond(&mut self, _challenge: &[u8]) -> Result<Response, SaslError> {
        self.0.pop().ok_or(OVER)
    }
}

/// EXTERNAL (RFC 4422 §A): the client certificate says who logs in.
pub struct External(Option<Response>);

impl External {
    /// Whose mailboxes are meant; empty for those of the certificate's owner.
    #[must_use]
    pub fn new(authorise: &[u8]) -> Self {
        Self(Some(Zeroizing::new(authorise.to_vec())))
    }
}

impl Exchange for External {
    fn initial(&mut self) -> Option<Response> {
        self.0.take()
    }

    fn respond(&mut self, _challenge: &[u8]) -> Result<Response, SaslError> {
        Err(OVER)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// RFC 4616 §4, both examples.
    #[test]
    fn plain_sends_what_rfc_4616_shows() {
        let mut exchange = Plain::new(None, b"tim", b"tanstaaftanstaaf");
        assert_eq!(**exchange.initial().unwrap(), *b"\0tim\0tanstaaftanstaaf");
        let mut exchange = Plain::new(Some(b"Ursel"), b"Kurt", b"xipj3plmq");
        assert_eq!(**exchange.initial().unwrap(), *b"Ursel\0Kurt\0xipj3plmq");
        assert_eq!(exchange.respond(b""), Err(OVER));
    }

    #[test]
    fn login_answers_the_name_and_the_password_and_nothing_more() {
        let mut exchange = Login::new(b"tim", b"secret");
        assert!(exchange.initial().is_none());
        assert_eq!(**exchange.respond(b"Username:").unwrap(), *b"tim");
        assert_eq!(**exchange.respond(b"Password:").unwrap(), *b"secret");
        assert_eq!(exchange.respond(b"Username:"), Err(OVER));
    }

    /// RFC 4422 §A.2 and §A.4.
    #[test]
    fn external_sends_the_authorisation_identity_or_nothing() {
        assert_eq!(**External::new(b"fred@example.com").initial().unwrap(), *b"fred@example.com");
        assert_eq!(**External::new(b"").initial().unwrap(), *b"");
    }
}

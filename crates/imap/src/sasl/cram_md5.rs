//! CRAM-MD5 (RFC 2195 §2): the password stays here, but whoever listens can try passwords against
//! what goes over the wire. For servers that have nothing better.

use data_encoding::HEXLOWER;
use hmac::{Hmac, KeyInit, Mac};
use md5::Md5;
use zeroize::Zeroizing;

use super::{Exchange, OVER, Response, SaslError};

/// One login by CRAM-MD5.
pub struct CramMd5 {
    user: Vec<u8>,
    password: Option<Response>,
}

impl CramMd5 {
    /// A name and a password.
    #[must_use]
    pub fn new(user: &[u8], password: &[u8]) -> Self {
        Self { user: user.to_vec(), password: Some(Zeroizing::new(password.to_vec())) }
    }
}

impl Exchange for CramMd5 {
    fn initial(&mut self) -> Option<Response> {
        None
    }

    fn respond(&mut self, challenge: &[u8]) -> Result<Response, SaslError> {
        if challenge.is_empty() {
            return Err(SaslError::Challenge("CRAM-MD5 needs one that is not empty"));
        }
        let password = self.password.take().ok_or(OVER)?;
        let mut mac = Hmac::<Md5>::new_from_slice(&password).map_err(|_| OVER)?;
        mac.update(challenge);
        let digest = HEXLOWER.encode(&mac.finalize().into_bytes());
        Ok(Zeroizing::new([&self.user, b" ".as_slice(), digest.as_bytes()].concat()))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// RFC 2195 §2.
    #[test]
    fn the_example_of_rfc_2195_comes_out() {
        let mut exchange = CramMd5::new(b"tim", b"tanstaaftanstaaf");
        assert!(exchange.initial().is_none());
        let answer = exchange.respond(b"<1896.697170952@postoffice.reston.mci.net>").unwrap();
        assert_eq!(**answer, *b"tim b913a602c7eda7a495b4e6e7334d3890");
        assert_eq!(exchange.respond(b"<again>"), Err(OVER));
    }

    #[test]
    fn an_empty_challenge_is_not_answered() {
        assert!(CramMd5::new(b"tim", b"secret").respond(b"").is_err());
    }
}

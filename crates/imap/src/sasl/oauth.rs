//! Access tokens: OAUTHBEARER (RFC 7628 §3) and XOAUTH2.

use zeroize::Zeroizing;

use super::scram::escaped;
use super::{Exchange, OVER, Response, SaslError};

/// OAUTHBEARER (RFC 7628 §3.1).
pub struct OAuthBearer {
    message: Option<Response>,
    complaint: Option<Vec<u8>>,
}

impl OAuthBearer {
    /// The message of RFC 7628 §3.1, which names the user and the server that is meant.
    #[must_use]
    pub fn new(user: &[u8], (host, port): (&str, u16), token: &[u8]) -> Self {
        let head = format!(",\x01host={host}\x01port={port}\x01auth=Bearer ");
        let user = escaped(user);
        let message = [b"n,a=", user.as_slice(), head.as_bytes(), token, b"\x01\x01"].concat();
        Self { message: Some(Zeroizing::new(message)), complaint: None }
    }
}

impl Exchange for OAuthBearer {
    fn initial(&mut self) -> Option<Response> {
        self.message.take()
    }

    /// The only challenge is a failure in JSON, which one octet acknowledges (RFC 7628 §3.2.3).
    fn respond(&mut self, challenge: &[u8]) -> Result<Response, SaslError> {
        acknowledge(&mut self.complaint, challenge, b"\x01")
    }

    fn complaint(&self) -> Option<&[u8]> {
        self.complaint.as_deref()
    }
}

/// XOAUTH2, as Google and Microsoft describe it.
pub struct XOAuth2 {
    message: Option<Response>,
    complaint: Option<Vec<u8>>,
}

impl XOAuth2 {
    /// `user=` and `auth=Bearer`, each ended by `^A`, and another `^A`.
    #[must_use]
    pub fn new(user: &[u8], token: &[u8]) -> Self {
        Self::ready([b"user=", user, b"\x01auth=Bearer ", token, b"\x01\x01"].concat())
    }

    /// A message that somebody else has made.
    #[must_use]
    pub fn ready(message: Vec<u8>) -> Self {
        Self { message: Some(Zeroizing::new(message)), complaint: None }
    }
}

impl Exchange for XOAuth2 {
    fn initial(&mut self) -> Option<Response> {
        self.message.take()
    }

    /// The only challenge is a failure in JSON, which an empty line acknowledges.
    fn respond(&mut self, challenge: &[u8]) -> Result<Response, SaslError> {
        acknowledge(&mut self.complaint, challenge, b"")
    }

    fn complaint(&self) -> Option<&[u8]> {
        self.complaint.as_deref()
    }
}

fn acknowledge(
    complaint: &mut Option<Vec<u8>>,
    challenge: &[u8],
    answer: &[u8],
) -> Result<Response, SaslError> {
    if complaint.is_some() {
        return Err(OVER);
    }
    *complaint = Some(challenge.to_vec());
    Ok(Zeroizing::new(answer.to_vec()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use data_encoding::BASE64;

    const TOKEN: &[u8] = b"vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg==";

    /// RFC 7628 §4.1 to §4.3: the message of an IMAP client, a refusal, its acknowledgement.
    #[test]
    fn oauthbearer_says_what_rfc_7628_shows() {
        let mut exchange =
            OAuthBearer::new(b"user@example.com", ("server.example.com", 143), TOKEN);
        let shown = "bixhPXVzZXJAZXhhbXBsZS5jb20sAWhvc3Q9c2VydmVyLmV4YW1wbGUuY29tAXBvcnQ9MTQzAWF1dGg9\
                     QmVhcmVyIHZGOWRmdDRxbVRjMk52YjNSbGNrQmhiSFJoZG1semRHRXVZMjl0Q2c9PQEB";
        assert_eq!(BASE64.encode(&exchange.initial().unwrap()), shown);
        let failure = BASE64
            .decode(
                b"eyJzdGF0dXMiOiJpbnZhbGlkX3Rva2VuIiwic2NvcGUiOiJleGFtcGxlX3Njb3BlIiwib3BlbmlkLW\
                  NvbmZpZ3VyYXRpb24iOiJodHRwczovL2V4YW1wbGUuY29tLy53ZWxsLWtub3duL29wZW5pZC1jb25m\
                  aWd1cmF0aW9uIn0=",
            )
            .unwrap();
        assert_eq!(BASE64.encode(&exchange.respond(&failure).unwrap()), "AQ==");
        assert!(exchange.complaint().unwrap().starts_with(b"{\"status\":\"invalid_token\""));
        assert_eq!(exchange.respond(&failure), Err(OVER));
    }

    #[test]
    fn what_separates_is_escaped_in_a_user_name() {
        let mut exchange = OAuthBearer::new(b"a,b=c", ("h", 1), b"t");
        let message = exchange.initial().unwrap();
        assert!(message.starts_with(b"n,a=a=2Cb=3Dc,\x01host=h\x01port=1\x01auth=Bearer t\x01"));
    }

    /// The example in Google's description of XOAUTH2.
    #[test]
    fn xoauth2_says_what_google_shows() {
        let mut exchange =
            XOAuth2::new(b"someuser@example.com", b"ya29.vF9dft4qmTc2Nvb3RlckBhdHRhdmlzdGEuY29tCg");
        let shown = "dXNlcj1zb21ldXNlckBleGFtcGxlLmNvbQFhdXRoPUJlYXJlciB5YTI5LnZGOWRmdDRxbVRjMk52YjNSbGNrQmhkSFJoZG1semRHRXVZMjl0Q2cBAQ==";
        assert_eq!(BASE64.encode(&exchange.initial().unwrap()), shown);
        assert_eq!(**exchange.respond(b"{\"status\":\"401\"}").unwrap(), *b"");
        assert_eq!(exchange.complaint(), Some(b"{\"status\":\"401\"}".as_slice()));
    }
}

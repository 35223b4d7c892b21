//! Access tokens as an authorisation server signs them: JSON Web Tokens (RFC 7519) that a Dovecot
//! of this harness checks by itself.

use data_encoding::{BASE64, BASE64URL_NOPAD};
use ring::hmac;
use std::time::{SystemTime, UNIX_EPOCH};

const KEY: &[u8] = b"mailferry-test-key-0123456789abcdef";

/// A token of this user's that has so many seconds to live; fewer than none, and it has ended.
#[must_use]
pub fn access_token(user: &str, seconds: i64) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |age| age.as_secs());
    let now = i64::try_from(now).unwrap_or(i64::MAX);
    let begun = now.min(now + seconds) - 10;
    let user = user.replace('\\', "\\\\").replace('"', "\\\"");
    let claims = format!(
        r#"{{"sub":"{user}","iat":{begun},"nbf":{begun},"exp":{},"scope":"imap"}}"#,
        now + seconds
    );
    let head = BASE64URL_NOPAD.encode(br#"{"alg":"HS256","typ":"JWT"}"#);
    let signed = format!("{head}.{}", BASE64URL_NOPAD.encode(claims.as_bytes()));
    let signature = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, KEY), signed.as_bytes());
    format!("{signed}.{}", BASE64URL_NOPAD.encode(signature.as_ref()))
}

/// The key as Dovecot reads it.
pub(crate) fn key_base64() -> String {
    BASE64.encode(KEY)
}

//! Which mechanism logs in, by what the server offers and what there is to prove it with.

use super::Mechanism as M;
use crate::capability::Capabilities;
use crate::credentials::{Choice, Credentials, Manner, Secret};

/// What a server offers on a connection.
#[derive(Clone, Copy, Debug)]
pub struct Offer<'a> {
    /// What it told of itself last.
    pub capabilities: &'a Capabilities,
    /// What its octets travel through.
    pub channel: Channel,
}

/// How the octets of a connection are protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Channel {
    /// Not at all.
    Clear,
    /// By TLS.
    Tls,
    /// By TLS 1.3, to which a login can be bound (RFC 9266 §3).
    BindableTls,
}

/// Nothing that the server offers can be used; the words say why.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NoMechanism(pub String);

/// Strongest first. Inside TLS the password is safe from whoever listens, so that PLAIN is better
/// than CRAM-MD5, which many servers offer and cannot do: they do not keep the password.
const FOR_PASSWORDS_IN_TLS: [M; 8] = [
    M::ScramSha256Plus,
    M::ScramSha1Plus,
    M::ScramSha256,
    M::ScramSha1,
    M::Plain,
    M::Login,
    M::CramMd5,
    M::Ntlm,
];
const FOR_PASSWORDS_IN_CLEAR: [M; 6] =
    [M::ScramSha256, M::ScramSha1, M::CramMd5, M::Ntlm, M::Plain, M::Login];
const SIMPLEST_FIRST: [M; 8] = [
    M::Plain,
    M::Login,
    M::ScramSha256Plus,
    M::ScramSha1Plus,
    M::ScramSha256,
    M::ScramSha1,
    M::CramMd5,
    M::Ntlm,
];
const FOR_TOKENS: [M; 2] = [M::OAuthBearer, M::XOAuth2];
/// Those that name whose mailboxes are meant beside who logs in.
const WITH_AUTHORISATION: [M; 5] =
    [M::ScramSha256Plus, M::ScramSha1Plus, M::ScramSha256, M::ScramSha1, M::Plain];

/// The mechanism by which these credentials log in there.
///
/// # Errors
/// There is none that both sides have.
pub fn choose(offer: Offer<'_>, credentials: &Credentials) -> Result<M, NoMechanism> {
    let ranked: &[M] = match (&credentials.secret, credentials.mechanism, offer.channel) {
        (_, Choice::Only(mechanism), _) => return permitted(offer, mechanism),
        (Secret::TokenResponse(_), ..) => return Ok(M::XOAuth2),
        (Secret::Token(_), ..) => &FOR_TOKENS,
        (Secret::None, ..) => &[M::External],
        (Secret::Password(_), Choice::Simplest, _) => &SIMPLEST_FIRST,
        (Secret::Password(_), Choice::Strongest, Channel::Clear) => &FOR_PASSWORDS_IN_CLEAR,
        (Secret::Password(_), Choice::Strongest, _) => &FOR_PASSWORDS_IN_TLS,
    };
    let manner = credentials.login_as.as_ref().map(|administrator| administrator.manner);
    let fits = |mechanism: &M| {
        manner != Some(Manner::AuthorisationIdentity)
            || !matches!(credentials.secret, Secret::Password(_))
            || WITH_AUTHORISATION.contains(mechanism)
    };
    let found = ranked.iter().copied().filter(fits).find(|mechanism| offer.has(*mechanism));
    match (found, manner, &credentials.secret) {
        (Some(mechanism), ..) => Ok(mechanism),
        // Tried all the same: some do not list it, and no other way says whose mailboxes.
        (None, Some(Manner::AuthorisationIdentity), Secret::Password(_)) => Ok(M::Plain),
        _ => Err(offer.nothing_for(&credentials.secret)),
    }
}

/// A mechanism that was asked for by name is taken whether it is listed or not; only LOGIN is
/// forbidden by the server in so many words (RFC 9051 §6.2.3).
fn permitted(offer: Offer<'_>, mechanism: M) -> Result<M, NoMechanism> {
    match (mechanism, offer.channel) {
        (M::Login, _) if !offer.has(M::Login) => {
            Err(NoMechanism(format!("LOGINDISABLED, and {}", offer.offered())))
        }
        (M::ScramSha256Plus | M::ScramSha1Plus, Channel::Clear | Channel::Tls) => {
            let name = mechanism.name();
            Err(NoMechanism(format!("{name} binds the login to TLS 1.3, which is not spoken here")))
        }
        _ => Ok(mechanism),
    }
}

impl Offer<'_> {
    /// Whether a mechanism can be used here.
    #[must_use]
    pub fn has(&self, mechanism: M) -> bool {
        let listed = self.capabilities.has(&format!("AUTH={}", mechanism.name()));
        match mechanism {
            M::ScramSha256Plus | M::ScramSha1Plus => listed && self.channel == Channel::BindableTls,
            M::Login => listed || !self.capabilities.has("LOGINDISABLED"),
            _ => listed,
        }
    }

    fn offered(&self) -> String {
        match self.capabilities.auth_mechanisms() {
            names if names.is_empty() => "no other way is offered".to_owned(),
            names => format!("what is offered is {}", names.join(", ")),
        }
    }

    fn nothing_for(&self, secret: &Secret) -> NoMechanism {
        let offered = self.offered();
        let takes_tokens = FOR_TOKENS.iter().any(|mechanism| self.has(*mechanism));
        NoMechanism(match secret {
            Secret::Token(_) | Secret::TokenResponse(_) => {
                format!("it takes no access tokens: {offered}")
            }
            Secret::None => format!("it asks for no client certificate (EXTERNAL): {offered}"),
            Secret::Password(_) if takes_tokens => {
                format!("it takes access tokens and no passwords: {offered}")
            }
            Secret::Password(_) => format!("LOGINDISABLED, and {offered}"),
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::credentials::Administrator;

    fn chosen(words: &str, channel: Channel, credentials: &Credentials) -> Result<M, String> {
        let capabilities = Capabilities::new(words.split(' ').map(str::as_bytes));
        let offer = Offer { capabilities: &capabilities, channel };
        choose(offer, credentials).map_err(|error| error.0)
    }

    fn password() -> Credentials {
        Credentials::with_password("joe", "secret")
    }

    const ALL: &str = "IMAP4rev1 AUTH=PLAIN AUTH=LOGIN AUTH=CRAM-MD5 AUTH=SCRAM-SHA-1 \
                       AUTH=SCRAM-SHA-256 AUTH=SCRAM-SHA-256-PLUS AUTH=XOAUTH2 AUTH=OAUTHBEARER";

    #[test]
    fn the_strongest_that_is_offered_is_chosen() {
        let without = |words: &str, name: &str| words.replace(name, "");
        assert_eq!(chosen(ALL, Channel::BindableTls, &password()), Ok(M::ScramSha256Plus));
        assert_eq!(chosen(ALL, Channel::Tls, &password()), Ok(M::ScramSha256));
        let fewer = without(&without(ALL, "AUTH=SCRAM-SHA-256-PLUS"), "AUTH=SCRAM-SHA-256");
        assert_eq!(chosen(&fewer, Channel::Tls, &password()), Ok(M::ScramSha1));
        let fewer = without(&fewer, "AUTH=SCRAM-SHA-1");
        assert_eq!(chosen(&fewer, Channel::Tls, &password()), Ok(M::Plain));
        assert_eq!(chosen(&fewer, Channel::Clear, &password()), Ok(M::CramMd5));
        assert_eq!(chosen("IMAP4rev1", Channel::Tls, &password()), Ok(M::Login));
        let only = "LOGINDISABLED AUTH=CRAM-MD5";
        assert_eq!(chosen(only, Channel::Tls, &password()), Ok(M::CramMd5));
        let exchange = "LOGINDISABLED AUTH=NTLM AUTH=GSSAPI";
        assert_eq!(chosen(exchange, Channel::Clear, &password()), Ok(M::Ntlm));
        assert_eq!(chosen("AUTH=NTLM AUTH=PLAIN", Channel::Tls, &password()), Ok(M::Plain));
    }

    #[test]
    fn the_simplest_takes_one_round_trip_wherever_it_can() {
        let simplest = password().by(Choice::Simplest);
        assert_eq!(chosen(ALL, Channel::BindableTls, &simplest), Ok(M::Plain));
        assert_eq!(chosen("IMAP4rev1 AUTH=CRAM-MD5", Channel::Clear, &simplest), Ok(M::Login));
        let scram = "LOGINDISABLED AUTH=SCRAM-SHA-1";
        assert_eq!(chosen(scram, Channel::Clear, &simplest), Ok(M::ScramSha1));
    }

    #[test]
    fn a_token_goes_only_where_tokens_are_taken() {
        let token = Credentials::new("joe", Secret::token("t"));
        assert_eq!(chosen(ALL, Channel::Tls, &token), Ok(M::OAuthBearer));
        assert_eq!(chosen("AUTH=XOAUTH2 AUTH=PLAIN", Channel::Tls, &token), Ok(M::XOAuth2));
        let words = chosen("IMAP4rev1 AUTH=PLAIN", Channel::Tls, &token).unwrap_err();
        assert_eq!(words, "it takes no access tokens: what is offered is PLAIN");
        let only_tokens = "LOGINDISABLED AUTH=XOAUTH2";
        let words = chosen(only_tokens, Channel::Tls, &password()).unwrap_err();
        assert_eq!(words, "it takes access tokens and no passwords: what is offered is XOAUTH2");
    }

    #[test]
    fn logindisabled_is_obeyed() {
        let words = "IMAP4rev1 LOGINDISABLED";
        let all = [Choice::Strongest, Choice::Simplest, Choice::Only(M::Login)];
        for choice in all {
            let refused = chosen(words, Channel::Clear, &password().by(choice)).unwrap_err();
            assert_eq!(refused, "LOGINDISABLED, and no other way is offered");
        }
        // The SASL mechanism of that name is another matter.
        let sasl = "LOGINDISABLED AUTH=LOGIN";
        assert_eq!(chosen(sasl, Channel::Tls, &password()), Ok(M::Login));
    }

    #[test]
    fn who_logs_in_for_another_uses_what_can_say_so() {
        let administrator = Administrator { name: b"root".to_vec(), manner: Manner::default() };
        let other = Credentials { login_as: Some(administrator), ..password() };
        assert_eq!(chosen(ALL, Channel::Tls, &other), Ok(M::ScramSha256));
        assert_eq!(chosen("AUTH=CRAM-MD5 AUTH=PLAIN", Channel::Clear, &other), Ok(M::Plain));
        assert_eq!(chosen("IMAP4rev1", Channel::Tls, &other), Ok(M::Plain), "unlisted");
    }

    #[test]
    fn a_login_cannot_be_bound_to_what_is_no_tls_1_3() {
        let bound = password().by(Choice::Only(M::ScramSha256Plus));
        assert!(chosen(ALL, Channel::Tls, &bound).is_err());
        assert_eq!(chosen(ALL, Channel::BindableTls, &bound), Ok(M::ScramSha256Plus));
    }
}

//! What tokens are got for: a person's permission, or a program's own right.

use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::Secret;
use crate::assertion::{self, SigningKey};
use crate::authority::Authority;
use crate::http::{RequestError, post};

/// How long a token lives if the server does not say (RFC 6749 §5.1 lets it).
const USUAL_LIFE: Duration = Duration::from_secs(3600);
/// What a service account asks for, unless told otherwise.
const GOOGLE_SCOPE: &str = "https://mail.google.com/";

/// What tokens are got for.
#[derive(Clone, Debug)]
pub enum Grant {
    /// A person has permitted it (RFC 6749 §6).
    Refresh {
        /// Where.
        authority: Authority,
        /// What the permission is kept as; it may be another one each time.
        refresh_token: Secret,
    },
    /// The client's own right (RFC 6749 §4.4): Microsoft 365 applications.
    ClientCredentials(ClientCredentials),
    /// A key that may act for users (RFC 7523 §2.1): Google's service accounts with delegation.
    ServiceAccount {
        /// The key.
        account: ServiceAccount,
        /// Whose mailboxes.
        user: String,
    },
}

/// A client with a right of its own, as a file describes it.
#[derive(Clone, Debug, Deserialize)]
pub struct ClientCredentials {
    /// Where tokens are got; Microsoft's, made of the tenant, if it is left out.
    #[serde(default)]
    pub token_url: Option<String>,
    /// Microsoft's tenant.
    #[serde(default)]
    pub tenant: Option<String>,
    /// The client's identifier.
    pub client_id: String,
    /// Its secret, or …
    #[serde(default)]
    pub client_secret: Option<Secret>,
    /// … its certificate (PEM) and …
    #[serde(default)]
    pub certificate: Option<String>,
    /// … the private key of it (PEM, PKCS #8).
    #[serde(default)]
    pub private_key: Option<Secret>,
    /// What is asked for.
    #[serde(default = "microsoft_scope")]
    pub scope: String,
}

fn microsoft_scope() -> String {
    "https://outlook.office365.com/.default".to_owned()
}

/// A service account, as Google's console writes its file.
#[derive(Clone, Debug, Deserialize)]
pub struct ServiceAccount {
    /// Its name, which signs.
    pub client_email: String,
    /// Its private key (PEM, PKCS #8).
    pub private_key: Secret,
    /// Which key that is.
    #[serde(default)]
    pub private_key_id: Option<String>,
    /// Where tokens are got.
    pub token_uri: String,
    /// What is asked for.
    #[serde(default)]
    pub scope: Option<String>,
}

/// What a token endpoint gave (RFC 6749 §5.1).
#[derive(Clone, Debug)]
pub struct Issued {
    /// The access token.
    pub access_token: Secret,
    /// How long it lives.
    pub life: Duration,
    /// The refresh token that holds from now on, if there is another one.
    pub refresh_token: Option<Secret>,
}

/// The file describes no grant.
#[derive(Debug, thiserror::Error)]
#[error("it describes neither a service account nor client credentials: {0}")]
pub struct GrantFileError(String);

impl Grant {
    /// Reads the file of a service account (`"type": "service_account"`, as Google's console
    /// writes it) or of client credentials, for this user's mailboxes.
    ///
    /// # Errors
    /// It is neither; no message holds any part of a key.
    pub fn of_file(octets: &[u8], user: &str) -> Result<Self, GrantFileError> {
        let value: Value = serde_json::from_slice(octets)
            .map_err(|error| GrantFileError(format!("it is no JSON (line {})", error.line())))?;
        let missing = |error: serde_json::Error| GrantFileError(error.to_string());
        if value["type"] == "service_account" {
            let account = serde_json::from_value(value).map_err(missing)?;
            return Ok(Self::ServiceAccount { account, user: user.to_owned() });
        }
        let client: ClientCredentials = serde_json::from_value(value).map_err(missing)?;
        match (&client.client_secret, &client.certificate, &client.private_key) {
            (Some(_), ..) | (None, Some(_), Some(_)) => {}
            _ => {
                let words = "missing field `client_secret`, or `certificate` and `private_key`";
                return Err(GrantFileError(words.to_owned()));
            }
        }
        if client.token_url.is_none() && client.tenant.is_none() {
            return Err(GrantFileError("missing field `tenant` or `token_url`".to_owned()));
        }
        Ok(Self::ClientCredentials(client))
    }

    /// Gets a token.
    ///
    /// # Errors
    /// See [`RequestError`].
    pub fn request(&self) -> Result<Issued, RequestError> {
        match self {
            Self::Refresh { authority, refresh_token } => {
                let fields =
                    [("grant_type", "refresh_token"), ("refresh_token", refresh_token.expose())];
                let url = &authority.token_url;
                issued(url, &post(url, &authority.form(&fields))?)
            }
            Self::ClientCredentials(client) => client.request(),
            Self::ServiceAccount { account, user } => account.request(user),
        }
    }
}

impl ClientCredentials {
    fn request(&self) -> Result<Issued, RequestError> {
        let tenant = self.tenant.as_deref().unwrap_or("common");
        let url = self.token_url.clone().unwrap_or_else(|| {
            format!("https://login.microsoftonline.com/{tenant}/oauth2/v2.0/token")
        });
        let mut form = vec![
            ("grant_type", "client_credentials"),
            ("client_id", &self.client_id),
            ("scope", &self.scope),
        ];
        let signed;
        match (&self.client_secret, &self.certificate, &self.private_key) {
            (Some(secret), ..) => form.push(("client_secret", secret.expose())),
            (None, Some(certificate), Some(key)) => {
                // RFC 7523 §2.2: the client shows a statement about itself, signed.
                let key = SigningKey::of_certificate(key, certificate)?;
                let claims = assertion::Claims {
                    issuer: &self.client_id,
                    subject: &self.client_id,
                    audience: &url,
                    scope: None,
                };
                signed = key.sign(&claims, SystemTime::now())?;
                let kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
                form.push(("client_assertion_type", kind));
                form.push(("client_assertion", signed.expose()));
            }
            _ => return Err(RequestError::Key("there is none, and no secret".to_owned())),
        }
        issued(&url, &post(&url, &form)?)
    }
}

impl ServiceAccount {
    fn request(&self, user: &str) -> Result<Issued, RequestError> {
        let key = SigningKey::of_service(&self.private_key, self.private_key_id.as_deref())?;
        let claims = assertion::Claims {
            issuer: &self.client_email,
            subject: user,
            audience: &self.token_uri,
            scope: Some(self.scope.as_deref().unwrap_or(GOOGLE_SCOPE)),
        };
        let signed = key.sign(&claims, SystemTime::now())?;
        let form = [
            ("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer"),
            ("assertion", signed.expose()),
        ];
        issued(&self.token_uri, &post(&self.token_uri, &form)?)
    }
}

/// Reads what a token endpoint answered.
pub(crate) fn issued(url: &str, value: &Value) -> Result<Issued, RequestError> {
    let text = |name: &str| value[name].as_str().filter(|text| !text.is_empty());
    let Some(access_token) = text("access_token") else {
        let what = "there is no access token in it".to_owned();
        return Err(RequestError::Unreadable { url: url.to_owned(), what });
    };
    // A number; some write it as a string.
    let seconds = &value["expires_in"];
    let seconds = seconds.as_u64().or_else(|| seconds.as_str()?.parse().ok());
    Ok(Issued {
        access_token: access_token.into(),
        life: seconds.map_or(USUAL_LIFE, Duration::from_secs),
        refresh_token: text("refresh_token").map(Secret::from),
    })
}

/// A permission as it is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Permission {
    /// Where it was given.
    pub authority: Authority,
    /// What it is kept as.
    pub refresh_token: Secret,
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_file_describes_a_service_account_or_client_credentials() {
        let google = br#"{"type":"service_account","client_email":"a@b","private_key":"geheim",
            "token_uri":"https://t","private_key_id":"1"}"#;
        let grant = Grant::of_file(google, "joe").unwrap();
        assert!(matches!(&grant, Grant::ServiceAccount { user, .. } if user == "joe"));
        assert!(!format!("{grant:?}").contains("geheim"));
        let microsoft = br#"{"tenant":"t","client_id":"c","client_secret":"geheim"}"#;
        assert!(matches!(Grant::of_file(microsoft, "joe"), Ok(Grant::ClientCredentials(_))));
        for broken in [
            "geheim",
            "{}",
            r#"{"tenant":"t","client_id":"c","private_key":"geheim"}"#,
            r#"{"client_id":"c","client_secret":"geheim"}"#,
            r#"{"type":"service_account","client_email":"a@b"}"#,
        ] {
            let words = Grant::of_file(broken.as_bytes(), "joe").unwrap_err().to_string();
            assert!(!words.contains("geheim"), "{words}");
        }
    }

    #[test]
    fn an_answer_without_a_token_is_none() {
        let read = |text: &str| issued("https://t", &serde_json::from_str(text).unwrap());
        let all = read(r#"{"access_token":"a","expires_in":"60","refresh_token":"r"}"#).unwrap();
        assert_eq!(all.life, Duration::from_secs(60));
        assert_eq!(all.refresh_token.unwrap().expose(), "r");
        assert_eq!(read(r#"{"access_token":"a"}"#).unwrap().life, USUAL_LIFE);
        assert!(read(r#"{"access_token":""}"#).is_err());
        assert!(read("[]").is_err());
    }
}

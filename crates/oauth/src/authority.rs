//! Authorisation servers: where they are, and as which client they know us.

use serde::{Deserialize, Serialize};

use crate::Secret;

/// An authorisation server and this client of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Authority {
    /// Where a person permits it in a browser (RFC 6749 §3.1).
    pub authorization_url: String,
    /// Where tokens are got (RFC 6749 §3.2).
    pub token_url: String,
    /// Where a person without a browser at hand begins (RFC 8628 §3.1).
    pub device_url: String,
    /// What is asked for, separated by blanks (RFC 6749 §3.3).
    pub scope: String,
    /// The client's identifier.
    pub client_id: String,
    /// Its secret, where it has one.
    pub client_secret: Option<Secret>,
}

/// Servers that are known by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Provider {
    /// Gmail and Google Workspace.
    Google,
    /// Outlook.com and Microsoft 365.
    Microsoft,
}

impl Provider {
    /// Reads a name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        match name.to_ascii_lowercase().as_str() {
            "google" | "gmail" => Some(Self::Google),
            "microsoft" | "office365" | "outlook" => Some(Self::Microsoft),
            _ => None,
        }
    }

    /// Its endpoints, and what its IMAP servers want, for this client. The tenant is Microsoft's;
    /// `common` is for whoever there is.
    #[must_use]
    pub fn authority(
        self,
        tenant: &str,
        client_id: &str,
        client_secret: Option<Secret>,
    ) -> Authority {
        let client_id = client_id.to_owned();
        match self {
            Self::Google => Authority {
                authorization_url: "https://accounts.google.com/o/oauth2/v2/auth".to_owned(),
                token_url: "https://oauth2.googleapis.com/token".to_owned(),
                device_url: "https://oauth2.googleapis.com/device/code".to_owned(),
                scope: "https://mail.google.com/".to_owned(),
                client_id,
                client_secret,
            },
            Self::Microsoft => {
                let at = |what: &str| {
                    format!("https://login.microsoftonline.com/{tenant}/oauth2/v2.0/{what}")
                };
                Authority {
                    authorization_url: at("authorize"),
                    token_url: at("token"),
                    device_url: at("devicecode"),
                    scope: "https://outlook.office.com/IMAP.AccessAsUser.All offline_access"
                        .to_owned(),
                    client_id,
                    client_secret,
                }
            }
        }
    }
}

impl Authority {
    /// A form with what says who the client is.
    pub(crate) fn form<'a>(&'a self, fields: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
        let mut form = vec![("client_id", self.client_id.as_str())];
        form.extend(self.client_secret.as_ref().map(|word| ("client_secret", word.expose())));
        form.extend_from_slice(fields);
        form
    }
}

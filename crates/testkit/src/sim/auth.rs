//! Who may log in, and how.

use data_encoding::BASE64;

use super::account::Account;
use super::parse::{Parsed, Refusal};
use super::profile::{Extension, LoginPolicy};
use super::session::{Answer, Connection, Security, Session};
use super::wire::{Hangup, Line};

/// A session's hold on an account; it counts among the user's sessions until dropped.
#[derive(Debug)]
pub(super) struct Login(Account);

impl Login {
    /// Takes one of the user's places, unless all are taken.
    fn claim(account: &Account, most: Option<u32>) -> Option<Self> {
        let mut store = account.lock();
        if most.is_some_and(|most| store.sessions >= most) {
            return None;
        }
        store.sessions += 1;
        Some(Self(account.clone()))
    }

    pub(super) fn account(&self) -> &Account {
        &self.0
    }
}

impl Drop for Login {
    fn drop(&mut self) {
        self.0.lock().sessions -= 1;
    }
}

impl Session {
    pub(super) fn log_in(&mut self, user: &[u8], password: &[u8]) -> Answer {
        self.check_login_policy()?;
        let account = self.state.accounts().iter().find(|account| account.takes(user, password));
        let Some(account) = account else {
            return Err(Refusal::no("[AUTHENTICATIONFAILED] Authentication failed"));
        };
        let login = Login::claim(account, self.profile().limits.sessions_max)
            .ok_or_else(|| Refusal::no("[LIMIT] Too many sessions of this user"))?;
        self.login = Some(login);
        match self.profile().capabilities_after_login {
            true => Ok(format!("[CAPABILITY {}] Logged in", self.capabilities())),
            false => Ok("Logged in".to_owned()),
        }
    }

    pub(super) fn check_login_policy(&self) -> Parsed<()> {
        match (self.profile().login, self.security) {
            (LoginPolicy::Allowed, _) | (LoginPolicy::UnderTls, Security::Tls) => Ok(()),
            _ => Err(Refusal::no("[PRIVACYREQUIRED] Login disabled")),
        }
    }

    fn log_in_plain(&mut self, response: &[u8]) -> Answer {
        let Ok(message) = BASE64.decode(response) else {
            return Err(Refusal::bad("Invalid base64"));
        };
        // authzid NUL authcid NUL passwd (RFC 4616 §2).
        let fields: Vec<&[u8]> = message.split(|&octet| octet == 0).collect();
        let [authorise, user, password] = fields[..] else {
            return Err(Refusal::bad("Invalid PLAIN message"));
        };
        if !authorise.is_empty() && authorise != user {
            return Err(Refusal::no("[AUTHORIZATIONFAILED] Not allowed to act for another"));
        }
        self.log_in(user, password)
    }
}

impl Connection {
    pub(super) async fn authenticate(
        &mut self,
        mechanism: &str,
        initial: Option<Vec<u8>>,
    ) -> Result<Answer, Hangup> {
        if mechanism != "PLAIN" || !self.session.profile().has(Extension::AuthPlain) {
            return Ok(Err(Refusal::no("[CANNOT] Mechanism not supported")));
        }
        if let Err(refusal) = self.session.check_login_policy() {
            return Ok(Err(refusal));
        }
        let response = match initial {
            // `=` stands for an empty response (RFC 4959 §3).
            Some(response) if response == b"=" => Vec::new(),
            Some(response) => response,
            None => {
                self.wire.put(b"+ \r\n").await?;
                match self.wire.line().await? {
                    Line::Whole(line) => line,
                    Line::BareLf(_) | Line::TooLong(_) => {
                        return Ok(Err(Refusal::bad("Invalid line")));
                    }
                }
            }
        };
        if response == b"*" {
            return Ok(Err(Refusal::bad("Authentication cancelled")));
        }
        Ok(self.session.log_in_plain(&response))
    }
}

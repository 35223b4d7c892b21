//! Keeps an access token, and gets another one before it ends.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use crate::Secret;
use crate::grant::{Grant, Issued};
use crate::http::RequestError;

/// A token with less than this left to live is renewed first: a login takes its time, and clocks
/// differ.
const RESERVE: Duration = Duration::from_secs(60);

/// A token that is refused so soon was no good from the start.
const JUST_NOW: Duration = Duration::from_secs(10);

/// Told of a refresh token that holds from now on, to keep it.
pub type Keep = dyn Fn(&Secret) + Send + Sync;

/// An access token that is always good for a login.
pub struct Keeper {
    held: Mutex<Held>,
    keep: Box<Keep>,
}

struct Held {
    grant: Grant,
    token: Option<HeldToken>,
}

struct HeldToken {
    token: Secret,
    since: Instant,
    end: Instant,
}

impl Keeper {
    /// Tokens by this grant; `keep` hears of each new refresh token.
    #[must_use]
    pub fn new(grant: Grant, keep: Box<Keep>) -> Self {
        Self { held: Mutex::new(Held { grant, token: None }), keep }
    }

    /// A token with some life left. Several that ask at once get the same one, by one request.
    ///
    /// # Errors
    /// See [`RequestError`].
    pub fn token(&self) -> Result<Secret, RequestError> {
        let mut held = self.held.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let now = Instant::now();
        if let Some(held) = &held.token
            && held.end.saturating_duration_since(now) > RESERVE
        {
            return Ok(held.token.clone());
        }
        let Issued { access_token, life, refresh_token } = held.grant.request()?;
        if let (Some(fresh), Grant::Refresh { refresh_token, .. }) =
            (refresh_token, &mut held.grant)
            && fresh != *refresh_token
        {
            (self.keep)(&fresh);
            *refresh_token = fresh;
        }
        let token = access_token.clone();
        held.token = Some(HeldToken { token, since: now, end: now + life });
        Ok(access_token)
    }

    /// Forgets a token that a server refused, so that the next one is another. Whether asking for
    /// it may help: not where this one was issued only just now.
    pub fn forget(&self, refused: &Secret) -> bool {
        let mut held = self.held.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let Some(token) = held.token.take_if(|token| token.token == *refused) else { return true };
        token.since.elapsed() > JUST_NOW
    }
}

impl std::fmt::Debug for Keeper {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Keeper")
    }
}

//! A person permits it on another device, by a code (RFC 8628).

use std::time::Duration;

use crate::Secret;
use crate::authority::Authority;
use crate::grant::{Issued, issued};
use crate::http::{RequestError, post};

/// RFC 8628 §3.2, §3.5.
const USUAL_INTERVAL: Duration = Duration::from_secs(5);
const SLOWER_BY: Duration = Duration::from_secs(5);

/// What the person has to do.
#[derive(Clone, Debug)]
pub struct Invitation {
    /// Where to go.
    pub address: String,
    /// What to type there.
    pub code: String,
    /// How long that is good.
    pub life: Duration,
    device_code: Secret,
    interval: Duration,
}

/// What has become of an invitation.
#[derive(Debug)]
pub enum Progress {
    /// Nothing yet: ask again after so long.
    Pending(Duration),
    /// It is permitted.
    Permitted(Issued),
}

/// Asks for a code.
///
/// # Errors
/// See [`RequestError`].
pub fn invite(authority: &Authority) -> Result<Invitation, RequestError> {
    let url = &authority.device_url;
    let value = post(url, &authority.form(&[("scope", &authority.scope)]))?;
    let text = |name: &str| value[name].as_str().map(str::to_owned);
    // Google calls it `verification_url`.
    let address = text("verification_uri").or_else(|| text("verification_url"));
    let (Some(device_code), Some(code), Some(address)) =
        (text("device_code"), text("user_code"), address)
    else {
        let what = "there is no code in it".to_owned();
        return Err(RequestError::Unreadable { url: url.clone(), what });
    };
    let seconds = |name: &str| value[name].as_u64().map(Duration::from_secs);
    Ok(Invitation {
        address,
        code,
        life: seconds("expires_in").unwrap_or(Duration::from_secs(900)),
        device_code: device_code.into(),
        interval: seconds("interval").unwrap_or(USUAL_INTERVAL),
    })
}

/// Looks whether it was permitted meanwhile.
///
/// # Errors
/// It was denied, or the code has ended, or see [`RequestError`].
pub fn look(authority: &Authority, invitation: &mut Invitation) -> Result<Progress, RequestError> {
    let fields = [
        ("grant_type", "urn:ietf:params:oauth:grant-type:device_code"),
        ("device_code", invitation.device_code.expose()),
    ];
    let url = &authority.token_url;
    match post(url, &authority.form(&fields)) {
        Ok(value) => issued(url, &value).map(Progress::Permitted),
        Err(RequestError::Refused { error, .. }) if error == "authorization_pending" => {
            Ok(Progress::Pending(invitation.interval))
        }
        Err(RequestError::Refused { error, .. }) if error == "slow_down" => {
            invitation.interval += SLOWER_BY;
            Ok(Progress::Pending(invitation.interval))
        }
        Err(error) if error.is_passing() => Ok(Progress::Pending(invitation.interval)),
        Err(error) => Err(error),
    }
}

impl Invitation {
    /// How long to wait before the first look.
    #[must_use]
    pub fn first_wait(&self) -> Duration {
        self.interval
    }
}

//! `mailferry login`: a person permits access to their mail, once.

use std::time::Instant;

use mailferry_oauth::RequestError;
use mailferry_oauth::authority::{Authority, Provider};
use mailferry_oauth::browser::{self, VisitError};
use mailferry_oauth::device::{self, Progress};
use mailferry_oauth::grant::{Issued, Permission};
use mailferry_oauth::store::Kept;

use super::options::LoginArgs;
use super::task::UsageError;
use crate::imapsync::exit_status::ExitStatus;
use crate::permission::{self, PermissionError};
use crate::screen;

/// Why nobody is logged in.
#[derive(Debug, thiserror::Error)]
enum Refused {
    #[error(transparent)]
    Request(#[from] RequestError),
    #[error(transparent)]
    Visit(#[from] VisitError),
    #[error(transparent)]
    Permission(#[from] PermissionError),
    #[error("nobody has typed the code in time")]
    Late,
    #[error(
        "the authorisation server gave no refresh token, so that the login would end with the hour"
    )]
    NoRefreshToken,
}

/// Carries it out.
///
/// # Errors
/// The options do not say where and as whom.
pub(super) fn run(args: &LoginArgs) -> Result<ExitStatus, UsageError> {
    if args.forget {
        return Ok(forget(&args.user));
    }
    let authority = authority(args)?;
    Ok(match permit(args, &authority) {
        Ok(()) => ExitStatus::Ok,
        Err(error) => {
            screen::error(&error.to_string());
            ExitStatus::AuthenticationFailure
        }
    })
}

fn forget(user: &str) -> ExitStatus {
    match permission::store().and_then(|store| Ok(store.forget(user)?)) {
        Ok(true) => screen::news(&format!("The login of {user} is forgotten.")),
        Ok(false) => screen::news(&format!("There is no login of {user}.")),
        Err(error) => {
            screen::error(&error.to_string());
            return ExitStatus::AuthenticationFailure;
        }
    }
    ExitStatus::Ok
}

fn authority(args: &LoginArgs) -> Result<Authority, UsageError> {
    let Some(client_id) = &args.client_id else {
        return Err(UsageError::new(
            "there is no client id, by which the authorisation server knows this program",
            "register one (docs/login.md#the-client-id) and give it by --client-id, or by \
             MAILFERRY_CLIENT_ID in the environment",
        ));
    };
    let secret = args.client_secret.as_deref().map(Into::into);
    let mut authority = match Provider::parse(&args.provider) {
        Some(provider) => provider.authority(&args.tenant, client_id, secret),
        None if args.provider == "other" => Authority {
            authorization_url: String::new(),
            token_url: String::new(),
            device_url: String::new(),
            scope: String::new(),
            client_id: client_id.clone(),
            client_secret: secret,
        },
        None => {
            return Err(UsageError::new(
                format!("`{}` is no provider that is known", args.provider),
                "google, microsoft, or other with --token-url and --device-url or --auth-url",
            ));
        }
    };
    for (place, said) in [
        (&mut authority.authorization_url, &args.auth_url),
        (&mut authority.token_url, &args.token_url),
        (&mut authority.device_url, &args.device_url),
        (&mut authority.scope, &args.scope),
    ] {
        if let Some(said) = said {
            place.clone_from(said);
        }
    }
    if authority.token_url.is_empty()
        || (authority.device_url.is_empty() && authority.authorization_url.is_empty())
    {
        return Err(UsageError::new(
            "it is not said where tokens are to be had",
            "give --token-url, and --device-url or --auth-url",
        ));
    }
    Ok(authority)
}

fn permit(args: &LoginArgs, authority: &Authority) -> Result<(), Refused> {
    // Before anybody takes any trouble.
    let store = permission::store()?;
    // Google gives no device codes for mail.
    let by_browser = args.browser
        || authority.device_url.is_empty()
        || (Provider::parse(&args.provider) == Some(Provider::Google) && !args.device);
    let issued = if by_browser && !authority.authorization_url.is_empty() {
        by_visit(args, authority)?
    } else {
        by_code(authority)?
    };
    let refresh_token = issued.refresh_token.ok_or(Refused::NoRefreshToken)?;
    let permission = Permission { authority: authority.clone(), refresh_token };
    let place = match store.keep(&args.user, &permission).map_err(PermissionError::from)? {
        Kept::InKeyring => "the keyring of this system".to_owned(),
        Kept::InFile(path) => path.display().to_string(),
    };
    screen::news(&format!("Logged in. The login of {} is kept in {place}.", args.user));
    Ok(())
}

fn by_visit(args: &LoginArgs, authority: &Authority) -> Result<Issued, Refused> {
    let visit = browser::begin(authority, &args.user)?;
    screen::news(&format!("Open this in a browser on this machine:\n\n  {}\n", visit.address));
    Ok(visit.wait(authority)?)
}

fn by_code(authority: &Authority) -> Result<Issued, Refused> {
    let mut invitation = device::invite(authority)?;
    let shown = |text: &str| mailferry_imap::session::printable(text.as_bytes());
    screen::news(&format!(
        "On any device, open\n\n  {}\n\nand type this code:\n\n  {}\n",
        shown(&invitation.address),
        shown(&invitation.code)
    ));
    let end = Instant::now() + invitation.life;
    let mut wait = invitation.first_wait();
    while Instant::now() < end {
        std::thread::sleep(wait);
        match device::look(authority, &mut invitation)? {
            Progress::Permitted(issued) => return Ok(issued),
            Progress::Pending(again) => wait = again,
        }
    }
    Err(Refused::Late)
}

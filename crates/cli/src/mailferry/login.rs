//! From options to two logins.

use std::path::Path;
use std::sync::Arc;

use mailferry_engine::fault::Side;
use mailferry_imap::credentials::{Administrator, Choice, Credentials, Secret};
use mailferry_imap::login::{Family, Security};
use mailferry_imap::proxy::Proxy;
use mailferry_imap::sasl::{Mechanism, Proof};
use mailferry_imap::tls::{Fingerprint, Identity, TlsPolicy};

use super::options::{Accounts, Output, SideArgs};
use super::task::{UsageError, teller};
use crate::account::{AccountUrl, Scheme};
use crate::local::{LocalForm, WRITTEN};
use crate::permission::{self, PermissionError};
use crate::secret::SecretFrom;
use crate::servers::{Login, Servers, Site, Tell, cleartext_allowed, traced};
use crate::token::TokenFrom;
use crate::trust::Trust;

/// The two servers that the options name, with the passwords fetched.
///
/// # Errors
/// A URL, a fingerprint, a certificate or a password source is no good.
pub(super) fn servers(accounts: &Accounts, output: Output) -> Result<Servers, UsageError> {
    servers_with(accounts, output, &[Side::Source, Side::Target])
}

/// The same where nobody will log in to the source: its password is not asked for.
///
/// # Errors
/// As [`servers`].
pub(super) fn target_alone(accounts: &Accounts, output: Output) -> Result<Servers, UsageError> {
    servers_with(accounts, output, &[Side::Target])
}

/// The same where there is no target.
///
/// # Errors
/// As [`servers`].
pub(super) fn source_alone(accounts: &Accounts, output: Output) -> Result<Servers, UsageError> {
    let mut accounts = accounts.clone();
    // Somewhere it has to be. Nobody goes there.
    accounts.target.clone_from(&accounts.source);
    servers_with(&accounts, output, &[Side::Source])
}

/// The same where nobody will log in at all.
///
/// # Errors
/// As [`servers`].
pub(super) fn names_alone(accounts: &Accounts, output: Output) -> Result<Servers, UsageError> {
    servers_with(accounts, output, &[])
}

fn servers_with(
    accounts: &Accounts,
    output: Output,
    entered: &[Side],
) -> Result<Servers, UsageError> {
    let ca_pem =
        accounts.ca_file.as_deref().map(|path| read(path, "CA", "--ca-file")).transpose()?;
    let trust = Trust::of_environment().map_err(|error| {
        UsageError::new(error.to_string(), "lines are `imap.example.org:993 sha256:…`, or PEM")
    })?;
    let side = |side: Side| -> Result<Site, UsageError> {
        let args = accounts.side(side);
        if let Some(site) = local(args.url)? {
            return Ok(site);
        }
        let mut login = login(accounts, args, ca_pem.clone())?;
        if entered.contains(&side) {
            login.token = token(args, &login.credentials.user)?;
            login.credentials.secret = secret(args, login.token.is_some())?;
        }
        trust.apply(&mut login.endpoint);
        if output.trace {
            let show: Tell = Arc::new(crate::screen::news);
            login.endpoint.trace = Some(traced(args.name(), &show));
        }
        Ok(login.into())
    };
    Ok(Servers::new(side(Side::Source)?, side(Side::Target)?, teller(output)))
}

/// Form and path of an account on this machine.
fn local(url: &str) -> Result<Option<Site>, UsageError> {
    let Some((form, path)) = LocalForm::of(url) else { return Ok(None) };
    let hint = || format!("write {}/path/to/folder", form.scheme());
    if path.is_empty() {
        return Err(UsageError::new(format!("`{}` names no folder", form.scheme()), hint()));
    }
    let absolute = std::path::absolute(path)
        .map_err(|error| UsageError::new(format!("`{path}` is no folder: {error}"), hint()))?;
    Ok(Some(Site::Local(form, absolute)))
}

/// Where it is and who logs in, without what proves it.
fn login(
    accounts: &Accounts,
    args: SideArgs<'_>,
    ca_pem: Option<Vec<u8>>,
) -> Result<Login, UsageError> {
    let url =
        AccountUrl::parse(args.url).map_err(|error| UsageError::new(error.to_string(), WRITTEN))?;
    let pins = args.pins.iter().map(|pin| fingerprint(pin)).collect::<Result<Vec<_>, _>>()?;
    let tls = TlsPolicy {
        pins,
        ca_pem,
        identity: identity(args)?,
        name: args.tls_name.cloned(),
        oldest: accounts.tls_min.into(),
        ..TlsPolicy::default()
    };
    let mut endpoint = url.endpoint(tls, accounts.silence_max(), family(accounts));
    endpoint.proxy = proxy(accounts)?;
    if url.scheme == Scheme::Imap && cleartext_allowed() {
        endpoint.security = Security::StartTlsOrClearText;
    }
    let credentials = Credentials {
        user: url.user,
        secret: Secret::None,
        login_as: args.login_as.map(|name| Administrator {
            name: name.clone().into_bytes(),
            manner: args.login_as_by.into(),
        }),
        mechanism: args.auth.map_or(Choice::Strongest, Choice::Only),
    };
    Ok(Login {
        endpoint,
        credentials,
        token: None,
        compression: accounts.compress.policy(),
        second_way: None,
    })
}

fn proxy(accounts: &Accounts) -> Result<Option<Proxy>, UsageError> {
    let url = accounts.proxy.as_deref().filter(|url| !url.is_empty());
    url.map(Proxy::parse).transpose().map_err(|error| {
        UsageError::new(error.to_string(), "see --proxy, or MAILFERRY_PROXY in the environment")
    })
}

fn family(accounts: &Accounts) -> Family {
    match (accounts.ipv4, accounts.ipv6) {
        (true, _) => Family::V4,
        (_, true) => Family::V6,
        _ => Family::Any,
    }
}

fn fingerprint(text: &str) -> Result<Fingerprint, UsageError> {
    Fingerprint::parse(text).ok_or_else(|| {
        UsageError::new(
            format!("`{text}` is no fingerprint"),
            "a pin is sha256: and 64 hexadecimal digits, as an error about a certificate shows it",
        )
    })
}

fn read(path: &Path, what: &str, option: &str) -> Result<Vec<u8>, UsageError> {
    std::fs::read(path).map_err(|error| {
        UsageError::new(
            format!("the {what} file {} cannot be read: {error}", path.display()),
            format!("check {option}"),
        )
    })
}

fn identity(args: SideArgs<'_>) -> Result<Option<Identity>, UsageError> {
    let Some(chain) = args.client_cert else { return Ok(None) };
    let key = args.client_key.unwrap_or(chain);
    let option = format!("--{}-client-cert and --{0}-client-key", args.name());
    let chain = read(chain, "certificate", &option)?;
    let key = read(key, "key", &option)?;
    Identity::from_pem(&chain, &key).map(Some).map_err(|error| {
        UsageError::new(error.to_string(), format!("check {option}; the key must not be encrypted"))
    })
}

/// What was named, else the login that the user has made, unless a password or another way was
/// named.
fn token(args: SideArgs<'_>, user: &[u8]) -> Result<Option<TokenFrom>, UsageError> {
    let fail = |error: PermissionError| {
        UsageError::new(
            error.to_string(),
            "the passphrase of a login comes from MAILFERRY_PASSPHRASE; `mailferry login` makes \
             another login",
        )
    };
    let place = match (args.token_command, args.token_file, args.token_grant) {
        (Some(command), ..) => of_command(command, args),
        (_, Some(file), _) => SecretFrom::File(file.clone()),
        (.., Some(path)) => return permission::of_file(path, user).map(Some).map_err(fail),
        _ if !matches!(args.auth.map(Mechanism::proof), None | Some(Proof::Token))
            || !matches!(password_from(args), SecretFrom::Prompt(_)) =>
        {
            return Ok(None);
        }
        _ => return permission::of_user(user).map_err(fail),
    };
    Ok(Some(TokenFrom::new(place)))
}

/// What proves the login, as far as it is fetched once for all logins.
fn secret(args: SideArgs<'_>, has_token: bool) -> Result<Secret, UsageError> {
    let side = args.name();
    match (args.auth.map(|mechanism| (mechanism, mechanism.proof())), has_token) {
        (Some((_, Proof::Certificate)), false) if args.client_cert.is_none() => {
            Err(UsageError::new(
                "EXTERNAL logs in by a client certificate, and there is none",
                format!("name it with --{side}-client-cert FILE"),
            ))
        }
        (Some((_, Proof::Certificate)), false) => Ok(Secret::None),
        (Some((mechanism, Proof::Token)), false) => Err(UsageError::new(
            format!("{} logs in by an access token, and there is none", mechanism.name()),
            format!(
                "log in once with `mailferry login`, or say where it comes from: \
                 --{side}-token-command, --{side}-token-file, --{side}-token-grant"
            ),
        )),
        (Some((mechanism, Proof::Password | Proof::Certificate)), true) => Err(UsageError::new(
            format!("{} does not log in by an access token", mechanism.name()),
            format!("leave --{side}-auth out, or give XOAUTH2 or OAUTHBEARER"),
        )),
        // Fetched at each login.
        (None | Some((_, Proof::Token)), true) => Ok(Secret::None),
        (None | Some((_, Proof::Password)), false) => {
            let password = password_from(args).fetch().map_err(|error| {
                let hint = "see --source-password-command, -file and -env";
                UsageError::new(error.to_string(), hint)
            })?;
            Ok(Secret::password(password))
        }
    }
}

fn of_command(command: &str, args: SideArgs<'_>) -> SecretFrom {
    SecretFrom::Command { command: command.to_owned(), wait: args.secret_wait }
}

fn password_from(args: SideArgs<'_>) -> SecretFrom {
    let usual = format!("MAILFERRY_{}_PASSWORD", args.name().to_ascii_uppercase());
    match (args.password_command, args.password_file, args.password_env) {
        (Some(command), _, _) => of_command(command, args),
        (_, Some(path), _) => SecretFrom::File(path.clone()),
        (_, _, Some(name)) => SecretFrom::Environment(name.clone()),
        _ if std::env::var_os(&usual).is_some() => SecretFrom::Environment(usual),
        _ => SecretFrom::Prompt(format!("Password of {}", args.url)),
    }
}

//! What the options say about one of the two accounts.

use std::ffi::OsStr;
use std::path::PathBuf;
use std::time::Duration;

use mailferry_imap::sasl::Mechanism as Sasl;

use super::secret::{Password, PasswordSource};
use super::tls_settings::{Setting, TlsSettings};
use crate::imapsync::getopt::{Parsed, octets, shown};
use crate::imapsync::options::{self as o, Declaration};
use crate::imapsync::support::Refusal;

/// One account and how to reach it.
#[derive(Clone, Debug, PartialEq)]
pub struct SideOptions {
    /// Name or address, blanks and slashes taken out; empty only with `Mode::JustBanner` and
    /// `Mode::JustConnect`.
    pub host: String,
    /// The port, if given.
    pub port: Option<u16>,
    /// The login name; empty only with `Mode::JustBanner` and `Mode::JustConnect`.
    pub user: Vec<u8>,
    /// `--password`, if given and not overruled by a file or the environment.
    pub password: Option<Password>,
    /// `--passfile`, if given: wins over everything.
    pub passfile: Option<PathBuf>,
    /// TLS from the first octet: asked for, denied, or open.
    pub ssl: Option<bool>,
    /// STARTTLS: insisted on, denied, or open (then used if offered).
    pub tls: Option<bool>,
    /// Whether port 993 is to be tried: neither port, `ssl` nor `tls` was given.
    pub probe_993: bool,
    /// Which certificates are good.
    pub certificate: CertificateCheck,
    /// What else `--sslargs` says.
    pub tls_settings: TlsSettings,
    /// How long a silent server is waited for.
    pub timeout: Timeout,
    /// TCP keepalive.
    pub keepalive: bool,
    /// Prefix in place of the one the server tells; may be empty.
    pub prefix: Option<Vec<u8>>,
    /// Hierarchy delimiter in place of the one the server tells.
    pub separator: Option<u8>,
    /// How to log in.
    pub mechanism: Mechanism,
    /// The access token that logs in, in place of a password.
    pub token: Option<Token>,
    /// Whether LOGIN is tried where `mechanism` is refused: asked for, denied, or open (then not with
    /// a password that was refused, which could lock the account).
    pub try_login: Option<bool>,
    /// Administrator who logs in for `user`.
    pub authuser: Option<Vec<u8>>,
    /// Whether `authuser` becomes `user` by the command PROXYAUTH.
    pub proxyauth: bool,
    /// Compression: asked for, denied, or open (then the environment decides).
    pub compress: Option<bool>,
}

/// How to log in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mechanism {
    /// As imapsync does unasked and with LOGIN: with a plain password.
    Usual,
    /// By this one.
    Named(Sasl),
    /// Not at all: the server knows by other means who is there (PREAUTH, RFC 9051 §7.1.4).
    Preauth,
}

/// An access token: words, or the name of a file whose first line it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Token {
    /// The token itself.
    Access(Password),
    /// The response of XOAUTH2 that holds it, in base64.
    Response(Password),
}

/// Which certificates are good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CertificateCheck {
    /// As the program does by itself.
    Usual,
    /// Checked, a loopback address too (`--sslargs1 SSL_verify_mode=1`).
    Strict,
    /// Any certificate will do (`--sslargs1 SSL_verify_mode=0`).
    Off,
}

/// How long a silent server is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Timeout {
    /// That long.
    After(Duration),
    /// For ever (`--timeout 0`).
    Never,
}

impl SideOptions {
    /// Where the password comes from: the file, else the environment (`IMAPSYNC_PASSWORD1` or
    /// `…2`, read by the caller), else the option, else the user.
    #[must_use]
    pub fn password_source(&self, environment: Option<Password>) -> PasswordSource {
        if let Some(file) = &self.passfile {
            return PasswordSource::File(file.clone());
        }
        match environment.or_else(|| self.password.clone()) {
            Some(password) => PasswordSource::Known(password),
            None => PasswordSource::Prompt,
        }
    }
}

/// The options of one side, by what they say.
pub(super) struct SideNames {
    host: Declaration,
    port: Declaration,
    user: Declaration,
    password: Declaration,
    passfile: Declaration,
    ssl: Declaration,
    tls: Declaration,
    sslargs: Declaration,
    timeout: Declaration,
    keepalive: Declaration,
    prefix: Declaration,
    sep: Declaration,
    authmech: Declaration,
    authuser: Declaration,
    authmd5: Declaration,
    domain: Declaration,
    proxyauth: Declaration,
    oauthaccesstoken: Declaration,
    oauthdirect: Declaration,
    compress: Declaration,
}

pub(super) const SIDE1: SideNames = SideNames {
    host: o::HOST1,
    port: o::PORT1,
    user: o::USER1,
    password: o::PASSWORD1,
    passfile: o::PASSFILE1,
    ssl: o::SSL1,
    tls: o::TLS1,
    sslargs: o::SSLARGS1,
    timeout: o::TIMEOUT1,
    keepalive: o::KEEPALIVE1,
    prefix: o::PREFIX1,
    sep: o::SEP1,
    authmech: o::AUTHMECH1,
    authuser: o::AUTHUSER1,
    authmd5: o::AUTHMD51,
    domain: o::DOMAIN1,
    proxyauth: o::PROXYAUTH1,
    oauthaccesstoken: o::OAUTHACCESSTOKEN1,
    oauthdirect: o::OAUTHDIRECT1,
    compress: o::COMPRESS1,
};

pub(super) const SIDE2: SideNames = SideNames {
    host: o::HOST2,
    port: o::PORT2,
    user: o::USER2,
    password: o::PASSWORD2,
    passfile: o::PASSFILE2,
    ssl: o::SSL2,
    tls: o::TLS2,
    sslargs: o::SSLARGS2,
    timeout: o::TIMEOUT2,
    keepalive: o::KEEPALIVE2,
    prefix: o::PREFIX2,
    sep: o::SEP2,
    authmech: o::AUTHMECH2,
    authuser: o::AUTHUSER2,
    authmd5: o::AUTHMD52,
    domain: o::DOMAIN2,
    proxyauth: o::PROXYAUTH2,
    oauthaccesstoken: o::OAUTHACCESSTOKEN2,
    oauthdirect: o::OAUTHDIRECT2,
    compress: o::COMPRESS2,
};

/// What reading the options yields besides values.
#[derive(Default)]
pub(super) struct Findings {
    pub(super) notices: Vec<String>,
    pub(super) refusals: Vec<Refusal>,
}

impl SideNames {
    /// The options that hold a host and a user, for words about missing ones.
    pub(super) fn names_of_account(&self) -> [&'static str; 2] {
        [self.host.name, self.user.name]
    }

    pub(super) fn read(&self, parsed: &Parsed, findings: &mut Findings) -> SideOptions {
        let clean = parsed.switch(&o::SANITIZE).unwrap_or(true);
        let trimmed = |option: &Declaration| -> Option<Vec<u8>> {
            let word = octets(parsed.text(option)?).into_owned();
            Some(if clean { without_outer_blanks(&word) } else { word })
        };
        let port = self.port(parsed, findings);
        let (ssl, tls) = self.encryption(parsed, findings);
        let (certificate, tls_settings) = self.tls_settings(parsed, findings);
        let authuser = parsed.text(&self.authuser).map(|word| octets(word).into_owned());
        let token = self.token(parsed);
        let mechanism = self.mechanism(parsed, token.as_ref(), authuser.is_some(), findings);
        SideOptions {
            host: self.host(parsed, clean),
            port,
            user: self.in_domain(parsed, mechanism, trimmed(&self.user).unwrap_or_default()),
            password: trimmed(&self.password).map(|word| Password::new(unquoted(&word))),
            passfile: parsed.text(&self.passfile).map(PathBuf::from),
            ssl,
            tls,
            probe_993: parsed.switch(&o::SSLCHECK).unwrap_or(true)
                && !parsed.has(&self.port)
                && ssl.is_none()
                && tls.is_none(),
            certificate,
            tls_settings,
            timeout: self.timeout(parsed, findings),
            keepalive: parsed.switch(&self.keepalive).unwrap_or(true),
            prefix: parsed.text(&self.prefix).map(|word| octets(word).into_owned()),
            separator: self.separator(parsed, findings),
            mechanism,
            token,
            try_login: match authuser {
                Some(_) => Some(false),
                None => parsed.switch(&o::TRYLOGIN),
            },
            authuser,
            proxyauth: parsed.has(&self.proxyauth),
            compress: parsed.switch(&self.compress),
        }
    }

    /// `DOMAIN\user`, as NTLM names people; a user who has a domain already keeps it.
    fn in_domain(&self, parsed: &Parsed, mechanism: Mechanism, user: Vec<u8>) -> Vec<u8> {
        let domain = parsed.text(&self.domain).map(octets).unwrap_or_default();
        let is_for_ntlm = mechanism == Mechanism::Named(Sasl::Ntlm);
        if !is_for_ntlm || domain.is_empty() || user.contains(&b'\\') {
            return user;
        }
        [&domain[..], b"\\", &user].concat()
    }

    fn host(&self, parsed: &Parsed, clean: bool) -> String {
        let host = parsed.text(&self.host).map(OsStr::to_string_lossy).unwrap_or_default();
        if clean { host.replace([' ', '/'], "") } else { host.into_owned() }
    }

    fn port(&self, parsed: &Parsed, findings: &mut Findings) -> Option<u16> {
        let number = parsed.int(&self.port)?;
        let port = u16::try_from(number).ok().filter(|port| *port > 0);
        if port.is_none() {
            findings.refusals.push(Refusal::new(
                format!("--{} {number}", self.port.name),
                "there is no such port",
                "ports go from 1 to 65535",
            ));
        }
        port
    }

    fn encryption(&self, parsed: &Parsed, findings: &mut Findings) -> (Option<bool>, Option<bool>) {
        let (ssl, tls) = (parsed.switch(&self.ssl), parsed.switch(&self.tls));
        if ssl == Some(true) && tls == Some(true) {
            let mut refusal = Refusal::new(
                format!("--{} --{}", self.ssl.name, self.tls.name),
                "a connection is encrypted once, from its start or by STARTTLS",
                format!("give `--{}` for port 993, `--{}` for 143", self.ssl.name, self.tls.name),
            );
            refusal.status = crate::imapsync::ExitStatus::TlsFailure;
            findings.refusals.push(refusal);
        }
        (ssl, tls)
    }

    /// `--oauthdirect` wins over `--oauthaccesstoken`.
    fn token(&self, parsed: &Parsed) -> Option<Token> {
        let word = |option| parsed.text(option).map(|word| Password::new(&*octets(word)));
        let direct = word(&self.oauthdirect).map(Token::Response);
        direct.or_else(|| word(&self.oauthaccesstoken).map(Token::Access))
    }

    /// What was named wins over `--authmd5`, a token over both, and then `--authuser` means PLAIN.
    fn mechanism(
        &self,
        parsed: &Parsed,
        token: Option<&Token>,
        has_authuser: bool,
        findings: &mut Findings,
    ) -> Mechanism {
        let named = parsed.text(&self.authmech).map(|word| octets(word).to_ascii_uppercase());
        let named = named.as_deref().map(String::from_utf8_lossy);
        let known = named.as_deref().map(Sasl::parse);
        let on = |option| parsed.switch(option).unwrap_or(false);
        let proxyauth = parsed.has(&self.proxyauth);
        let asked = named.as_ref().map(|name| format!("--{} {name}", self.authmech.name));
        if named.as_deref() == Some("PREAUTH") && token.is_none() {
            return Mechanism::Preauth;
        }
        let is_unknown = known == Some(None) && token.is_none();
        if is_unknown && tries_login(parsed) && !has_authuser && !proxyauth {
            // What is not known here is as good as refused by the server.
            findings.notices.push(format!(
                "{} is not in this version: LOGIN logs in, unless --notrylogin is given",
                asked.unwrap_or_default()
            ));
            return Mechanism::Usual;
        }
        let mut refuse = |what: String, why: &str, instead: String| {
            findings.refusals.push(Refusal::new(what, why, instead));
            Mechanism::Usual
        };
        if proxyauth && !has_authuser {
            return refuse(
                format!("--{}", self.proxyauth.name),
                "it becomes another user, and nobody is named who may",
                format!("name the administrator with `--{}`", self.authuser.name),
            );
        }
        match (known, token) {
            (Some(Some(Sasl::OAuthBearer)), Some(Token::Access(_))) => {
                Mechanism::Named(Sasl::OAuthBearer)
            }
            (_, Some(_)) => Mechanism::Named(Sasl::XOAuth2),
            (Some(None), None) => refuse(
                asked.unwrap_or_default(),
                "this way of logging in is not in this version",
                format!("there are {}", Sasl::EVERY.map(Sasl::name).join(", ")),
            ),
            (Some(Some(mechanism @ (Sasl::Login | Sasl::CramMd5 | Sasl::Ntlm))), None)
                if has_authuser && !proxyauth =>
            {
                refuse(
                    format!("{} --{}", asked.unwrap_or_default(), self.authuser.name),
                    &format!("{} cannot log in for another user", mechanism.name()),
                    format!("leave `--{}` out, PLAIN is then used", self.authmech.name),
                )
            }
            (Some(Some(Sasl::Login)), None) => Mechanism::Usual,
            (Some(Some(mechanism)), None) => Mechanism::Named(mechanism),
            (None, None) if on(&self.authmd5) || on(&o::AUTHMD5) => Mechanism::Named(Sasl::CramMd5),
            (None, None) if has_authuser && !proxyauth => Mechanism::Named(Sasl::Plain),
            (None, None) => Mechanism::Usual,
        }
    }

    fn tls_settings(
        &self,
        parsed: &Parsed,
        findings: &mut Findings,
    ) -> (CertificateCheck, TlsSettings) {
        let mut check = CertificateCheck::Usual;
        let mut settings = TlsSettings::default();
        for (key, value) in parsed.pairs(&self.sslargs) {
            let asked = format!("--{} {}={}", self.sslargs.name, shown(key), shown(value));
            match (key.to_str().unwrap_or_default(), value.to_str().unwrap_or_default()) {
                ("SSL_verify_mode", "0" | "SSL_VERIFY_NONE") => check = CertificateCheck::Off,
                ("SSL_verify_mode", "1" | "SSL_VERIFY_PEER") => check = CertificateCheck::Strict,
                ("SSL_cipher_list" | "SSL_verifycn_scheme", _) => findings
                    .notices
                    .push(format!("{asked} has no effect: TLS 1.2 and 1.3 with safe ciphers")),
                (name, text) => match settings.read(name, text) {
                    Setting::Taken => {}
                    Setting::NoEffect(why) => {
                        findings.notices.push(format!("{asked} has no effect: {why}"));
                    }
                    Setting::Refused(why) => findings.refusals.push(Refusal::new(
                        asked,
                        why,
                        "`SSL_verify_mode=0` accepts any certificate, `=1` only good ones",
                    )),
                },
            }
        }
        (check, settings)
    }

    fn timeout(&self, parsed: &Parsed, findings: &mut Findings) -> Timeout {
        const USUAL: Duration = Duration::from_secs(120);
        let Some(seconds) = parsed.float(&self.timeout).or_else(|| parsed.float(&o::TIMEOUT))
        else {
            return Timeout::After(USUAL);
        };
        match Duration::try_from_secs_f64(seconds) {
            Ok(Duration::ZERO) => Timeout::Never,
            Ok(time) => Timeout::After(time),
            Err(_) => {
                findings.refusals.push(Refusal::new(
                    format!("--{} {seconds}", self.timeout.name),
                    "there is no such time",
                    "0 waits for ever",
                ));
                Timeout::After(USUAL)
            }
        }
    }

    fn separator(&self, parsed: &Parsed, findings: &mut Findings) -> Option<u8> {
        let word = parsed.text(&self.sep)?;
        match &*octets(word) {
            [one] => Some(*one),
            // A shell that halves backslashes and one that does not: both mean one.
            b"\\\\" => Some(b'\\'),
            _ => {
                findings.refusals.push(Refusal::new(
                    format!("--{} {}", self.sep.name, shown(word)),
                    "levels are separated by one character (RFC 9051 §7.3.1)",
                    "leave the option out: the server tells it",
                ));
                None
            }
        }
    }
}

/// Blanks only, as imapsync does; a tab may be part of a password.
fn without_outer_blanks(word: &[u8]) -> Vec<u8> {
    let start = word.iter().position(|octet| *octet != b' ').unwrap_or(word.len());
    let end = word.iter().rposition(|octet| *octet != b' ').map_or(start, |place| place + 1);
    word.get(start..end).unwrap_or_default().to_vec()
}

/// A password wrapped in double quotes is logged in with without them: command lines written
/// for imapsync wrap passwords so to get special characters through.
fn unquoted(word: &[u8]) -> &[u8] {
    match word {
        [b'"', inner @ .., b'"'] => inner,
        _ => word,
    }
}

/// Whether LOGIN is tried where another mechanism is refused.
fn tries_login(parsed: &Parsed) -> bool {
    parsed.switch(&o::TRYLOGIN).unwrap_or(true)
}

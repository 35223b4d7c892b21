//! From imapsync's options to a job and two logins.

use std::sync::Arc;
use std::time::Duration;

use jiff::Zoned;
use mailferry_engine::guard::GuardLimits;
use mailferry_engine::labels::LabelPolicy;
use mailferry_engine::mapping::{FixSlash, SpecialUseMapping, clean_subtree};
use mailferry_engine::pairing::Agreement;
use mailferry_engine::policy::{
    DeleteRule, DeleteWithin, Duplicates, Elsewhere, FlagPolicy, FlagRewrite, Rules, Sizes,
    SourceDeletion, Subscribe as SubscribeRule, TargetDuplicates, UnkeptFlags,
};
use mailferry_engine::select::{Order, Subscribed};
use mailferry_engine::summary::SameAccount;
use mailferry_expression::Match;
use mailferry_imap::credentials::{Administrator, Choice, Credentials, Manner, Secret};
use mailferry_imap::login::{Endpoint, Family, Introduction, Security};
use mailferry_imap::sasl::{Mechanism as Sasl, Proof};
use mailferry_imap::tls::{Identity, TlsPolicy, Unverified};
use mailferry_run::copy::AddHeader;
use mailferry_run::job::{
    CopiedFlags, Dates, EmptyMailboxes, HierarchyOverride, Job, LOCK_WAIT_USUAL, Limits,
    MailboxChoice, MailboxDeletion, MailboxDeletionNarrowing, Naming, Pattern, ReconnectLimits,
    Spelling, Unlisted,
};
use mailferry_run::pace::PaceLimits;
use mailferry_store::imap::compression::Compression;

use super::choice::chosen;
use super::rules::{NameTest, Reflagging, Renaming};
use super::transform;
use crate::claims;
use crate::compress::{self, Compress};
use crate::deletion_limit;
use crate::detour;
use crate::imapsync::settings::{
    Addresses, CertificateCheck, Mechanism, MessageOptions, Password, PasswordSource, SideOptions,
    Subscribe, Timeout, Token, Typed,
};
use crate::imapsync::{ExitStatus, ImapsyncOptions};
use crate::permission::{self, PermissionError};
use crate::secret::{SecretFrom, os_octets};
use crate::servers::{Login, Occasion, SecondWay, Servers, Tell, cleartext_allowed, traced};
use crate::token::{Form, TokenFrom};
use crate::trust::{Trust, is_loopback};

/// imapsync's own limit on the silence of a server.
const SILENCE_FOR_EVER: Duration = Duration::from_secs(365 * 24 * 3600);
/// How long the probe of port 993 may take.
const PROBE_MAX: Duration = Duration::from_secs(10);

type FlagRule = Arc<dyn FlagRewrite + Send + Sync>;

/// The command line cannot be carried out; nothing was connected.
#[derive(Debug)]
pub(super) struct Unusable {
    pub(super) status: ExitStatus,
    pub(super) words: String,
}

impl Unusable {
    pub(super) fn new(status: ExitStatus, words: impl Into<String>) -> Self {
        Self { status, words: words.into() }
    }
}

/// Both servers, passwords fetched, protection found out.
pub(super) async fn servers(options: &ImapsyncOptions, tell: Tell) -> Result<Servers, Unusable> {
    let (secret1, token1) = proof(&options.side1, 1)?;
    let (secret2, token2) = proof(&options.side2, 2)?;
    let (compress1, compress2) = (compression(&options.side1)?, compression(&options.side2)?);
    let (security1, security2) = tokio::join!(security(&options.side1), security(&options.side2));
    let mut source = login(options, &options.side1, secret1, security1);
    let mut target = login(options, &options.side2, secret2, security2);
    surround(&mut source.endpoint, &options.side1)?;
    surround(&mut target.endpoint, &options.side2)?;
    (source.token, target.token) = (token1, token2);
    source.second_way = second_way(&options.side1, 1)?;
    target.second_way = second_way(&options.side2, 2)?;
    source.compression = compress1.policy();
    target.compression = compress2.policy();
    if options.reports.trace1 {
        source.endpoint.trace = Some(traced("Host1", &tell));
    }
    if options.reports.trace2 {
        target.endpoint.trace = Some(traced("Host2", &tell));
    }
    Ok(Servers::new(source, target, tell))
}

/// What proves the login: a secret for all logins, or where a token comes from at each. Where no
/// password is of use, nobody is asked for one.
fn proof(side: &SideOptions, number: u8) -> Result<(Secret, Option<TokenFrom>), Unusable> {
    let place = |word: &Password, form| {
        let place = SecretFrom::FileOrGiven(word.expose().to_vec());
        Ok((Secret::None, Some(TokenFrom::Place { place, form })))
    };
    let proof = match side.mechanism {
        Mechanism::Named(mechanism) => mechanism.proof(),
        Mechanism::Usual => Proof::Password,
        Mechanism::Preauth => Proof::Certificate,
    };
    match (&side.token, proof) {
        (Some(Token::Access(word)), _) => place(word, Form::Token),
        (Some(Token::Response(word)), _) => place(word, Form::Response),
        (None, Proof::Certificate) => Ok((Secret::None, None)),
        (None, Proof::Token) => Ok((Secret::None, Some(permitted(side, number)?))),
        (None, Proof::Password) => Ok((Secret::password(password(side, number)?), None)),
    }
}

/// The LOGIN that follows another one that was refused, where there is a password without asking
/// for one.
fn second_way(side: &SideOptions, number: u8) -> Result<Option<SecondWay>, Unusable> {
    let variable = std::env::var_os(format!("IMAPSYNC_PASSWORD{number}"));
    let environment = variable.map(|word| Password::new(os_octets(word)));
    let has_password = match side.mechanism {
        Mechanism::Named(mechanism) => side.token.is_some() || mechanism.proof() == Proof::Password,
        Mechanism::Usual | Mechanism::Preauth => false,
    };
    let asks = side.password_source(environment) == PasswordSource::Prompt;
    let occasion = match side.try_login {
        Some(false) => return Ok(None),
        _ if !has_password || asks => return Ok(None),
        Some(true) => Occasion::AnyRefusal,
        None => Occasion::NoPasswordRefused,
    };
    let credentials =
        Credentials::new(side.user.clone(), Secret::password(password(side, number)?));
    Ok(Some(SecondWay { credentials: credentials.by(Choice::Only(Sasl::Login)), occasion }))
}

/// Without a token, imapsync takes the password of XOAUTH2 for the file of a Google service
/// account. Without a password it is the login that the user has made.
fn permitted(side: &SideOptions, number: u8) -> Result<TokenFrom, Unusable> {
    let fail = |words: String| Unusable::new(ExitStatus::AuthenticationFailure, words);
    let variable = std::env::var_os(format!("IMAPSYNC_PASSWORD{number}"));
    let environment = variable.map(|word| Password::new(os_octets(word)));
    if side.password_source(environment) != PasswordSource::Prompt {
        let word = password(side, number)?;
        let path = std::path::PathBuf::from(String::from_utf8_lossy(&word).into_owned());
        // What is no file may be a password.
        return match permission::of_file(&path, &side.user) {
            Ok(token) => Ok(token),
            Err(PermissionError::File { reason, .. }) => Err(fail(format!(
                "the password of XOAUTH2 names the JSON file of a service account, and --password\
                 {number} names none that can be used: {reason}"
            ))),
            Err(error) => Err(fail(error.to_string())),
        };
    }
    let found = permission::of_user(&side.user).map_err(|error| fail(error.to_string()))?;
    found.ok_or_else(|| {
        fail(format!(
            "there is no access token: give --oauthaccesstoken{number}, or log in once with \
             `mailferry login`"
        ))
    })
}

/// The client certificate, with its key behind it or in a file of its own.
fn identity(side: &SideOptions) -> Result<Option<Identity>, Unusable> {
    let settings = &side.tls_settings;
    let Some(chain) = &settings.certificate else { return Ok(None) };
    let key = settings.key.as_ref().unwrap_or(chain);
    let unusable = |words: String| Unusable::new(ExitStatus::TlsFailure, words);
    Identity::from_pem(chain, key).map(Some).map_err(|error| unusable(error.to_string()))
}

/// What the environment says of every connection, and what is shown to the server.
fn surround(endpoint: &mut Endpoint, side: &SideOptions) -> Result<(), Unusable> {
    let usage = |words: String| Unusable::new(ExitStatus::Usage, words);
    endpoint.proxy = detour::of_environment().map_err(|error| usage(error.to_string()))?;
    endpoint.tls.identity = identity(side)?;
    Trust::of_environment().map_err(|error| usage(error.to_string()))?.apply(endpoint);
    Ok(())
}

/// How the servers are reached, where nobody logs in.
pub(super) async fn endpoints(
    options: &ImapsyncOptions,
    tell: &Tell,
) -> Result<[Endpoint; 2], Unusable> {
    let security = tokio::join!(security(&options.side1), security(&options.side2));
    let reached = [
        (&options.side1, security.0, options.reports.trace1, "Host1"),
        (&options.side2, security.1, options.reports.trace2, "Host2"),
    ];
    let [source, target] = reached.map(|(side, security, is_traced, name)| {
        let mut endpoint = login(options, side, Secret::None, security).endpoint;
        endpoint.trace = is_traced.then(|| traced(name, tell));
        surround(&mut endpoint, side).map(|()| endpoint)
    });
    Ok([source?, target?])
}

fn password(side: &SideOptions, number: u8) -> Result<Vec<u8>, Unusable> {
    let variable = std::env::var_os(format!("IMAPSYNC_PASSWORD{number}"));
    let environment = variable.map(|word| Password::new(os_octets(word)));
    let secret = match side.password_source(environment) {
        PasswordSource::Known(password) => return Ok(password.expose().to_vec()),
        PasswordSource::File(path) => {
            let content = std::fs::read(&path).map_err(|error| {
                Unusable::new(
                    ExitStatus::NoInput,
                    format!(
                        "the file of --passfile{number}, {}, cannot be read: {error}",
                        path.display()
                    ),
                )
            })?;
            return Ok(Password::of_first_line(&content).expose().to_vec());
        }
        PasswordSource::Prompt => {
            let user = String::from_utf8_lossy(&side.user).into_owned();
            SecretFrom::Prompt(format!("What's the password for {user}@{}", side.host))
        }
    };
    secret.fetch().map_err(|error| Unusable::new(ExitStatus::NoInput, error.to_string()))
}

/// Protection and port, as imapsync finds them, and never clear text unasked.
async fn security(side: &SideOptions) -> (Security, u16) {
    let allowed = cleartext_allowed();
    let open = if allowed { Security::StartTlsOrClearText } else { Security::StartTlsOrLoopback };
    match (side.ssl, side.tls) {
        (Some(true), _) => (Security::Tls, side.port.unwrap_or(993)),
        (_, Some(true)) => (Security::StartTls, side.port.unwrap_or(143)),
        (Some(false), Some(false)) => (Security::ClearText, side.port.unwrap_or(143)),
        (None, Some(false)) if allowed || is_loopback(&side.host) => {
            (Security::ClearText, side.port.unwrap_or(143))
        }
        // A proxy leads where it is told to: nothing goes past it, not even a probe.
        _ if side.probe_993 && !detour::is_asked_for() && answers_on_993(side).await => {
            (Security::Tls, 993)
        }
        _ => (open, side.port.unwrap_or(143)),
    }
}

async fn answers_on_993(side: &SideOptions) -> bool {
    let patience = match side.timeout {
        Timeout::After(timeout) => timeout.min(PROBE_MAX),
        Timeout::Never => PROBE_MAX,
    };
    let connect = tokio::net::TcpStream::connect((side.host.as_str(), 993));
    matches!(tokio::time::timeout(patience, connect).await, Ok(Ok(_)))
}

fn login(
    options: &ImapsyncOptions,
    side: &SideOptions,
    secret: Secret,
    (security, port): (Security, u16),
) -> Login {
    let unverified = match side.certificate {
        CertificateCheck::Usual => Unverified::RefuseUnlessLoopback,
        CertificateCheck::Strict => Unverified::Refuse,
        CertificateCheck::Off => Unverified::Accept,
    };
    let manner = if side.proxyauth { Manner::ProxyAuth } else { Manner::AuthorisationIdentity };
    Login {
        endpoint: Endpoint {
            host: side.host.clone(),
            port,
            security,
            tls: TlsPolicy {
                pins: side.tls_settings.fingerprints.clone(),
                ca_pem: side.tls_settings.authorities.clone(),
                unverified,
                name: side.tls_settings.name.clone(),
                oldest: side.tls_settings.oldest,
                identity: None,
            },
            proxy: None,
            family: match options.addresses {
                Addresses::Any => Family::Any,
                Addresses::V4 => Family::V4,
                Addresses::V6 => Family::V6,
            },
            trace: None,
            meter: None,
            introduction: if options.send_id {
                Introduction::Given
            } else {
                Introduction::Withheld
            },
            silence_max: match side.timeout {
                Timeout::After(timeout) => timeout,
                Timeout::Never => SILENCE_FOR_EVER,
            },
        },
        credentials: Credentials {
            user: side.user.clone(),
            secret,
            login_as: side.authuser.clone().map(|name| Administrator { name, manner }),
            mechanism: match side.mechanism {
                Mechanism::Usual => Choice::Simplest,
                Mechanism::Named(mechanism) => Choice::Only(mechanism),
                // Where the server did not greet so, nobody else is shown to it.
                Mechanism::Preauth => Choice::Only(Sasl::External),
            },
        },
        token: None,
        compression: Compression::Never,
        second_way: None,
    }
}

/// The option, else the environment's word.
fn compression(side: &SideOptions) -> Result<Compress, Unusable> {
    match (side.compress, std::env::var(compress::VARIABLE)) {
        (Some(true), _) => Ok(Compress::Always),
        (Some(false), _) | (None, Err(_)) => Ok(Compress::Never),
        (None, Ok(text)) => Compress::parse(&text).ok_or_else(|| {
            let words = format!("{}: `{text}` is not never, auto or always", compress::VARIABLE);
            Unusable::new(ExitStatus::Usage, words)
        }),
    }
}

#[expect(clippy::cast_precision_loss, reason = "a rate is no exact number")]
fn pace(options: &ImapsyncOptions) -> PaceLimits {
    let pace = options.process.pace;
    PaceLimits {
        octets_per_second: pace.octets_per_second.map(|rate| rate as f64),
        octets_free: pace.octets_free,
        messages_per_second: pace.messages_per_second,
    }
}

/// Pairs of connections: `MAILFERRY_CONNECTIONS`, else two, since people run many imapsyncs side
/// by side.
fn pairs_max() -> usize {
    const USUAL: usize = 2;
    let told = std::env::var("MAILFERRY_CONNECTIONS").ok();
    told.and_then(|number| number.parse().ok()).map_or(USUAL, |number: usize| number.max(1))
}

fn reconnect(options: &ImapsyncOptions) -> ReconnectLimits {
    let usual = ReconnectLimits::default();
    let attempts_max = options.process.reconnects_max.unwrap_or(usual.attempts_max);
    ReconnectLimits { attempts_max, ..usual }
}

fn lock_wait() -> Result<Duration, Unusable> {
    let told = claims::wait_of_environment();
    told.map(|wait| wait.unwrap_or(LOCK_WAIT_USUAL))
        .map_err(|words| Unusable::new(ExitStatus::Usage, words))
}

/// The job, and what the guard is to hold it to.
pub(super) fn job(
    options: &ImapsyncOptions,
    servers: &Servers,
    now: &Zoned,
    tell: &Tell,
) -> Result<(Job, GuardLimits), Unusable> {
    let [chosen1, chosen2] = chosen(options, now)?;
    let job = Job {
        mailboxes: mailboxes(options),
        naming: naming(options),
        flag_rewrite: flag_rewrite(options, tell),
        transform: transform::of(options, tell),
        keys: options.messages.keys.clone(),
        source_selection: chosen1.search,
        target_selection: chosen2.search,
        arrivals: [chosen1.arrivals, chosen2.arrivals],
        add_header: if options.messages.add_header {
            AddHeader::IfUnidentified
        } else {
            AddHeader::Never
        },
        empty_mailboxes: if options.folders.skip_empty {
            EmptyMailboxes::Skip
        } else {
            EmptyMailboxes::Create
        },
        mailbox_deletion: mailbox_deletion(options),
        dates: if options.messages.sync_internal_dates { Dates::Keep } else { Dates::OfTarget },
        same_account: if servers.is_one_account() { SameAccount::Yes } else { SameAccount::No },
        unlisted: if options.names.mix { Unlisted::Use } else { Unlisted::LeaveOut },
        copied_flags: if options.messages.read_flags_back {
            CopiedFlags::ReadBack
        } else {
            CopiedFlags::Trusted
        },
        labels: labels(&options.messages),
        limits: Limits {
            faults_max: options.process.errors_max as usize,
            pairs_max: pairs_max(),
            pace: pace(options),
            reconnect: reconnect(options),
            lock_wait: lock_wait()?,
            ..Limits::default()
        },
        ..Job::new(rules(options))
    };
    let mut guard = GuardLimits::imapsync();
    if let Ok(text) = std::env::var(deletion_limit::VARIABLE) {
        let limit = deletion_limit::parse(&text).ok_or_else(|| {
            let words =
                format!("{}: `{text}` is no limit; write 500 or 10%", deletion_limit::VARIABLE);
            Unusable::new(ExitStatus::Usage, words)
        })?;
        deletion_limit::apply(&mut guard, limit);
    }
    Ok((job, guard))
}

fn labels(messages: &MessageOptions) -> LabelPolicy {
    match (messages.sync_labels, messages.resync_labels) {
        (false, false) => LabelPolicy::Leave,
        (true, false) => LabelPolicy::Copies,
        (false, true) => LabelPolicy::Present,
        (true, true) => LabelPolicy::All,
    }
}

fn flag_rewrite(options: &ImapsyncOptions, tell: &Tell) -> Option<FlagRule> {
    let rules = options.messages.flag_rewrites.clone();
    let traced = options.reports.flag_trace;
    (traced || !rules.is_empty()).then(|| {
        let reflagging = Reflagging::new(rules, Arc::clone(tell));
        Arc::new(if traced { reflagging.traced() } else { reflagging }) as FlagRule
    })
}

fn mailbox_deletion(options: &ImapsyncOptions) -> MailboxDeletionNarrowing {
    let deletions = &options.deletions;
    MailboxDeletionNarrowing {
        deletion: match (deletions.messages, deletions.folders) {
            (false, true) => MailboxDeletion::Alone,
            _ => MailboxDeletion::ByRules,
        },
        below: options.names.subfolder2.as_deref().map(mailferry_engine::name::MailboxName::from),
        only: deletions.folders_only.clone().map(pattern),
        but_not: deletions.folders_but_not.clone().map(pattern),
    }
}

fn rules(options: &ImapsyncOptions) -> Rules {
    let (messages, deletions) = (&options.messages, &options.deletions);
    let octets = |limit: u64| u32::try_from(limit).unwrap_or(u32::MAX);
    Rules {
        flags: if messages.resync_flags { FlagPolicy::Mirror } else { FlagPolicy::NewOnly },
        sizes: Sizes {
            max: messages.octets_max.map(octets),
            above: messages.octets_min.map(octets),
            append_limit: messages.append_limit.map(octets),
        },
        delete: match (deletions.messages, deletions.folders) {
            (true, true) => DeleteRule::MessagesAndMailboxes,
            (true, false) => DeleteRule::Messages,
            (false, _) => DeleteRule::Nothing,
        },
        source_deletion: match (deletions.on_host1, deletions.marked_on_host1) {
            (true, _) => SourceDeletion::Copied,
            (false, true) => SourceDeletion::Marked,
            (false, false) => SourceDeletion::Nothing,
        },
        delete_within: DeleteWithin::Selection,
        duplicates: if messages.sync_duplicates {
            Duplicates::CopyAll
        } else {
            Duplicates::CopyOne
        },
        target_duplicates: if deletions.duplicates {
            TargetDuplicates::Delete
        } else {
            TargetDuplicates::Keep
        },
        subscribe: match options.subscribe {
            Subscribe::Nothing => SubscribeRule::None,
            Subscribe::AsOnHost1 => SubscribeRule::Mirror,
            Subscribe::Everything => SubscribeRule::All,
        },
        elsewhere: if messages.skip_cross_duplicates {
            Elsewhere::SkipEarlier
        } else {
            Elsewhere::Copy
        },
        agreement: if messages.sizes_count { Agreement::Size } else { Agreement::DateOrSize },
        unkept_flags: if messages.filter_flags { UnkeptFlags::LeaveOut } else { UnkeptFlags::Send },
        ..Rules::imapsync()
    }
}

fn patterns(typed: &[Typed<Match>]) -> Vec<Pattern> {
    typed.iter().cloned().map(pattern).collect()
}

fn pattern(typed: Typed<Match>) -> Pattern {
    Arc::new(NameTest(typed))
}

fn mailboxes(options: &ImapsyncOptions) -> MailboxChoice {
    let folders = &options.folders;
    let mut recursive = folders.with_all_below.clone();
    recursive
        .extend(options.names.subfolder1.as_deref().map(mailferry_engine::name::MailboxName::from));
    MailboxChoice {
        named: folders.named.clone(),
        recursive,
        subscribed: if folders.subscribed { Subscribed::Selected } else { Subscribed::Ignored },
        include: patterns(&folders.include),
        exclude: patterns(&folders.exclude),
        first: folders.first.clone(),
        last: folders.last.clone(),
        order: Order::Octets,
        // imapsync looks for a subfolder with the prefix in front, too.
        spelling: match options.names.subfolder1 {
            Some(_) => Spelling::AsTyped,
            None => Spelling::Exact,
        },
        ..MailboxChoice::default()
    }
}

fn naming(options: &ImapsyncOptions) -> Naming {
    let names = &options.names;
    let over = |side: &SideOptions| HierarchyOverride {
        prefix: side.prefix.clone().map(Vec::into_boxed_slice),
        delimiter: side.separator,
    };
    let subtree =
        |name: &Option<String>| name.as_deref().and_then(|name| clean_subtree(name.as_bytes()));
    Naming {
        explicit: names.explicit.clone(),
        special_use: if names.automap { SpecialUseMapping::On } else { SpecialUseMapping::Off },
        source: over(&options.side1),
        target: over(&options.side2),
        source_subtree: subtree(&names.subfolder1),
        target_subtree: subtree(&names.subfolder2),
        fix_slash: if names.fix_slash { FixSlash::On } else { FixSlash::Off },
        rewrite: Some(Arc::new(Renaming(names.rewrites.clone()))),
    }
}

//! How one simulated server differs from another: layout, extensions, limits, habits.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use tokio_rustls::rustls;

use super::date::Date;
use super::fault::Fault;
use super::flags::Flags;
use super::gate::Gate;
use super::habit::Habits;
use super::hazard::{ModSequences, Modifier, UidValidities, Vanished};
use super::server::LogEntry;

/// A part of IMAP that a server may lack. One that is off is really absent: its commands and
/// options are answered with BAD.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Extension {
    /// `{n+}` of any size (RFC 7888).
    LiteralPlus,
    /// `{n+}` up to 4096 octets (RFC 7888 §5).
    LiteralMinus,
    /// `AUTHENTICATE mechanism initial-response` (RFC 4959).
    SaslIr,
    /// `AUTHENTICATE PLAIN` (RFC 4616).
    AuthPlain,
    /// `STARTTLS`; told only where [`Profile::tls`] is given, too.
    StartTls,
    /// RFC 2971.
    Id,
    /// RFC 5161.
    Enable,
    /// `\HasChildren`, `\HasNoChildren` in every LIST (RFC 3348).
    Children,
    /// RFC 2342.
    Namespace,
    /// APPENDUID, COPYUID, UID EXPUNGE (RFC 4315).
    UidPlus,
    /// RFC 3502.
    MultiAppend,
    /// RFC 6154, reading.
    SpecialUse,
    /// `CREATE name (USE (..))` (RFC 6154 §3).
    CreateSpecialUse,
    /// RFC 5258.
    ListExtended,
    /// `LIST .. RETURN (STATUS (..))` (RFC 5819); needs [`Extension::ListExtended`].
    ListStatus,
    /// `STATUS name (SIZE)` (RFC 8438).
    StatusSize,
    /// `SEARCH RETURN (..)` (RFC 4731).
    ESearch,
    /// RFC 3691.
    Unselect,
    /// Tells the limit of [`Limits::append_octets_max`] (RFC 7889).
    AppendLimit,
    /// RFC 6851.
    Move,
    /// Mod-sequences (RFC 7162 §3.1); [`Profile::mod_sequences`] says how well they are kept.
    Condstore,
    /// Quick resynchronisation (RFC 7162 §3.2), mod-sequences included; needs
    /// [`Extension::Enable`].
    Qresync,
    /// MAILBOXID (RFC 8474 §4). EMAILID and THREADID are not simulated.
    ObjectId,
    /// `COMPRESS DEFLATE` (RFC 4978).
    Compress,
    /// `~{n}` in APPEND (RFC 3516 §4.4). FETCH BINARY is not simulated.
    Binary,
    /// X-GM-MSGID, X-GM-THRID and X-GM-LABELS in FETCH, STORE and SEARCH (Gmail); needs
    /// [`Labels::Gmail`](super::Labels). X-GM-RAW is not simulated.
    Gmail,
}

impl Extension {
    /// Every extension that the simulator knows.
    pub const EVERY: [Self; 26] = [
        Self::LiteralPlus,
        Self::LiteralMinus,
        Self::SaslIr,
        Self::AuthPlain,
        Self::StartTls,
        Self::Id,
        Self::Enable,
        Self::Children,
        Self::Namespace,
        Self::UidPlus,
        Self::MultiAppend,
        Self::SpecialUse,
        Self::CreateSpecialUse,
        Self::ListExtended,
        Self::ListStatus,
        Self::StatusSize,
        Self::ESearch,
        Self::Unselect,
        Self::AppendLimit,
        Self::Move,
        Self::Condstore,
        Self::Qresync,
        Self::ObjectId,
        Self::Compress,
        Self::Binary,
        Self::Gmail,
    ];

    /// The capability as the server tells it; APPENDLIMIT gets its value elsewhere.
    pub(super) fn capability(self) -> &'static str {
        match self {
            Self::LiteralPlus => "LITERAL+",
            Self::LiteralMinus => "LITERAL-",
            Self::SaslIr => "SASL-IR",
            Self::AuthPlain => "AUTH=PLAIN",
            Self::StartTls => "STARTTLS",
            Self::Id => "ID",
            Self::Enable => "ENABLE",
            Self::Children => "CHILDREN",
            Self::Namespace => "NAMESPACE",
            Self::UidPlus => "UIDPLUS",
            Self::MultiAppend => "MULTIAPPEND",
            Self::SpecialUse => "SPECIAL-USE",
            Self::CreateSpecialUse => "CREATE-SPECIAL-USE",
            Self::ListExtended => "LIST-EXTENDED",
            Self::ListStatus => "LIST-STATUS",
            Self::StatusSize => "STATUS=SIZE",
            Self::ESearch => "ESEARCH",
            Self::Unselect => "UNSELECT",
            Self::AppendLimit => "APPENDLIMIT",
            Self::Move => "MOVE",
            Self::Condstore => "CONDSTORE",
            Self::Qresync => "QRESYNC",
            Self::ObjectId => "OBJECTID",
            Self::Compress => "COMPRESS=DEFLATE",
            Self::Binary => "BINARY",
            Self::Gmail => "X-GM-EXT-1",
        }
    }

    /// Whether the capability is told before login, as Dovecot does with these few.
    pub(super) fn is_told_before_login(self) -> bool {
        matches!(
            self,
            Self::LiteralPlus | Self::LiteralMinus | Self::SaslIr | Self::Id | Self::Enable
        )
    }
}

/// Whether LOGIN and AUTHENTICATE PLAIN are taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LoginPolicy {
    /// At any time.
    #[default]
    Allowed,
    /// LOGINDISABLED until the connection is under TLS (RFC 3501 §6.2.3).
    UnderTls,
    /// LOGINDISABLED for good.
    Never,
}

/// What becomes of keywords.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Keywords {
    /// Any is kept; PERMANENTFLAGS has `\*`.
    #[default]
    Kept,
    /// PERMANENTFLAGS has `\*` and STORE keeps them, but APPEND drops them (UW imapd).
    DroppedByAppend,
    /// No `\*`; they are dropped without a word.
    Dropped,
    /// No `\*`; a command that names one gets NO.
    Refused,
    /// No `\*`, but these; others are dropped without a word.
    Only(&'static [&'static str]),
    /// No `\*`, but these; a command that names another is refused.
    OnlyElseRefused(&'static [&'static str]),
}

impl Keywords {
    /// Those that can be kept where not all can.
    pub(super) fn named(self) -> &'static [&'static str] {
        match self {
            Self::Only(names) | Self::OnlyElseRefused(names) => names,
            _ => &[],
        }
    }
}

/// Where FETCH puts the UID.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UidPlace {
    /// Before the other items.
    #[default]
    First,
    /// After them (pymap).
    Last,
}

/// When an APPEND that must fail is refused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AppendCheck {
    /// In place of the `+` of a synchronising literal.
    #[default]
    BeforeLiteral,
    /// After the octets were taken (Cyrus, Courier).
    AfterLiteral,
}

/// Whether a NO carries its response code (RFC 5530).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Codes {
    /// `NO [OVERQUOTA] ..`
    #[default]
    Sent,
    /// `NO ..`, words only (Cyrus, Courier).
    Omitted,
}

/// What is kept of the zone of an INTERNALDATE.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Zones {
    /// The zone of the APPEND.
    #[default]
    Kept,
    /// The instant only, shown in UTC (Dovecot, Cyrus).
    Utc,
}

/// Named bounds of a server.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Longest line of a command without its literals.
    pub line_octets_max: usize,
    /// Longest literal that is not a message.
    pub string_octets_max: u64,
    /// Literals of one command.
    pub literals_max: usize,
    /// All octets of one command together: what a session may hold in memory.
    pub command_octets_max: u64,
    /// Largest message taken, else NO \[TOOBIG\] (RFC 7889); `None`: the command's limit only.
    pub append_octets_max: Option<u64>,
    /// Octets of all messages of the account, else NO \[OVERQUOTA\].
    pub quota_octets_max: Option<u64>,
    /// Messages of the account, else NO \[OVERQUOTA\].
    pub quota_messages_max: Option<usize>,
    /// Distinct keywords in a mailbox, else NO \[LIMIT\] (Cyrus: about 100).
    pub keywords_max: Option<usize>,
    /// Expunges of a mailbox that the server remembers, the newest, for VANISHED.
    pub expunges_known_max: usize,
    /// Connections at a time; one more is greeted with BYE.
    pub connections_max: Option<u32>,
    /// Sessions of one user at a time; one more gets NO \[LIMIT\] to its login.
    pub sessions_max: Option<u32>,
    /// Commands answered with BAD on a connection before it gets BYE (Dovecot: 20).
    pub bad_commands_max: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            line_octets_max: 64 * 1024,
            string_octets_max: 64 * 1024,
            literals_max: 10_000,
            command_octets_max: 512 * 1024 * 1024,
            append_octets_max: None,
            quota_octets_max: None,
            quota_messages_max: None,
            keywords_max: None,
            expunges_known_max: 100_000,
            connections_max: None,
            sessions_max: None,
            bad_commands_max: 20,
        }
    }
}

/// One message that a client wants to append, as the refusal hook sees it.
#[derive(Clone, Copy, Debug)]
pub struct AppendRequest<'a> {
    /// Name of the mailbox.
    pub mailbox: &'a str,
    /// Place in its command, from 0: MULTIAPPEND has several.
    pub place: usize,
    /// Flags and keywords of the command.
    pub flags: &'a Flags,
    /// INTERNALDATE of the command.
    pub date: Option<Date>,
    /// Whether it came as `~{n}`.
    pub binary: bool,
    /// The message.
    pub octets: &'a [u8],
}

/// Is told of every command before it is carried out, the account not being locked: the place
/// to change an account under a client's feet.
pub type Watch = Arc<dyn Fn(&LogEntry) + Send + Sync>;

/// Looks at a message; `Some` is the text of the NO, response code included. It is called with
/// the account locked, so it must not touch the account ([`Watch`] may).
pub type Refuse = Arc<dyn Fn(&AppendRequest<'_>) -> Option<String> + Send + Sync>;

/// What the server makes of a message's octets when it stores them.
pub type Alter = Arc<dyn Fn(&[u8]) -> Vec<u8> + Send + Sync>;

/// Everything in which a simulated server may differ from the next.
#[derive(Clone)]
pub struct Profile {
    /// Text of the greeting.
    pub greeting: String,
    /// Hierarchy delimiter of every namespace.
    pub delimiter: u8,
    /// Prefix of the personal namespace, delimiter included: `INBOX.`, mostly empty.
    pub prefix: String,
    /// Prefix of the other users' namespace, such as `user/`.
    pub other: Option<String>,
    /// Prefix of the shared namespace, such as `shared/`.
    pub shared: Option<String>,
    /// What the server can beyond IMAP4rev1.
    pub extensions: BTreeSet<Extension>,
    /// Whether the greeting carries the capabilities.
    pub capabilities_in_greeting: bool,
    /// Whether the OK to a login carries the capabilities.
    pub capabilities_after_login: bool,
    /// Whether passwords are taken.
    pub login: LoginPolicy,
    /// For STARTTLS.
    pub tls: Option<Arc<rustls::ServerConfig>>,
    /// Bounds.
    pub limits: Limits,
    /// What becomes of keywords.
    pub keywords: Keywords,
    /// Where FETCH puts the UID.
    pub uid_place: UidPlace,
    /// When APPEND is refused.
    pub append_check: AppendCheck,
    /// Whether a NO has a code.
    pub codes: Codes,
    /// What is kept of INTERNALDATE's zone.
    pub zones: Zones,
    /// How well mod-sequences are kept.
    pub mod_sequences: ModSequences,
    /// What becomes of FETCH's CHANGEDSINCE.
    pub changed_since: Modifier,
    /// What becomes of STORE's UNCHANGEDSINCE.
    pub unchanged_since: Modifier,
    /// What VANISHED (EARLIER) names.
    pub vanished: Vanished,
    /// UIDVALIDITY of new mailboxes; the server's accounts keep the habit from its start on.
    pub uid_validities: UidValidities,
    /// Names that CREATE and RENAME refuse.
    pub refused_names: Vec<String>,
    /// Refuses single messages.
    pub refuse: Option<Refuse>,
    /// Changes messages as they are stored.
    pub alter: Option<Alter>,
    /// What a provider does that others do not.
    pub habits: Habits,
    /// Is told of every command.
    pub watch: Option<Watch>,
    /// Passed by every command, twice.
    pub gate: Option<Gate>,
    /// What goes wrong, and when.
    pub faults: Vec<Fault>,
}

impl Profile {
    /// A modern server: `/`, no prefix, every extension but LITERAL-, STARTTLS, APPENDLIMIT,
    /// COMPRESS, Gmail's, and what [`Profile::resyncing`] has.
    #[must_use]
    pub fn modern() -> Self {
        let absent = [
            Extension::LiteralMinus,
            Extension::StartTls,
            Extension::AppendLimit,
            Extension::Condstore,
            Extension::Qresync,
            Extension::ObjectId,
            Extension::Compress,
            Extension::Binary,
            Extension::Gmail,
        ];
        Self {
            greeting: "Simulated IMAP server ready.".to_owned(),
            delimiter: b'/',
            prefix: String::new(),
            other: None,
            shared: None,
            extensions: Extension::EVERY.into_iter().filter(|e| !absent.contains(e)).collect(),
            capabilities_in_greeting: true,
            capabilities_after_login: true,
            login: LoginPolicy::default(),
            tls: None,
            limits: Limits::default(),
            keywords: Keywords::default(),
            uid_place: UidPlace::default(),
            append_check: AppendCheck::default(),
            codes: Codes::default(),
            zones: Zones::default(),
            mod_sequences: ModSequences::default(),
            changed_since: Modifier::default(),
            unchanged_since: Modifier::default(),
            vanished: Vanished::default(),
            uid_validities: UidValidities::default(),
            refused_names: Vec::new(),
            refuse: None,
            alter: None,
            habits: Habits::default(),
            watch: None,
            gate: None,
            faults: Vec::new(),
        }
    }

    /// IMAP4rev1 and nothing else; capabilities only where asked.
    #[must_use]
    pub fn bare() -> Self {
        Self {
            extensions: BTreeSet::new(),
            capabilities_in_greeting: false,
            capabilities_after_login: false,
            ..Self::modern()
        }
    }

    /// The modern server with the other layout: delimiter `.`, everything below `INBOX.`.
    #[must_use]
    pub fn dotted() -> Self {
        Self { delimiter: b'.', prefix: "INBOX.".to_owned(), ..Self::modern() }
    }

    /// The modern server with what helps a client that remembers a mailbox: CONDSTORE, QRESYNC
    /// and OBJECTID.
    #[must_use]
    pub fn resyncing() -> Self {
        Self::modern().with(Extension::Condstore).with(Extension::Qresync).with(Extension::ObjectId)
    }

    /// With an extension.
    #[must_use]
    pub fn with(mut self, extension: Extension) -> Self {
        self.extensions.insert(extension);
        self
    }

    /// Without an extension.
    #[must_use]
    pub fn without(mut self, extension: Extension) -> Self {
        self.extensions.remove(&extension);
        self
    }

    /// Whether the server has an extension.
    #[must_use]
    pub fn has(&self, extension: Extension) -> bool {
        self.extensions.contains(&extension)
            && (extension != Extension::StartTls || self.tls.is_some())
    }

    /// Whether the server knows of mod-sequences: QRESYNC says so as well as CONDSTORE
    /// (RFC 7162 §3.2.3).
    pub(super) fn knows_mod_sequences(&self) -> bool {
        self.has(Extension::Condstore) || self.has(Extension::Qresync)
    }
}

impl Default for Profile {
    fn default() -> Self {
        Self::modern()
    }
}

impl fmt::Debug for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Profile")
            .field("greeting", &self.greeting)
            .field("delimiter", &char::from(self.delimiter))
            .field("prefix", &self.prefix)
            .field("extensions", &self.extensions)
            .field("faults", &self.faults)
            .finish_non_exhaustive()
    }
}

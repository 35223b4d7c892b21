//! What a run is to do, whatever front asked for it.

use std::sync::Arc;
use std::time::Duration;

use mailferry_engine::account::MailboxDeleteRule;
use mailferry_engine::identity::KeyRule;
use mailferry_engine::keeping::Keeping;
use mailferry_engine::labels::LabelPolicy;
use mailferry_engine::listing::AccountListing;
use mailferry_engine::mapping::{
    FixSlash, Hierarchy, MappingRules, NameRewrite, SpecialUseMapping,
};
use mailferry_engine::name::MailboxName;
use mailferry_engine::policy::{DeleteRule, FlagRewrite, Rules};
use mailferry_engine::select::{
    NamePattern, Namespaces, Order, Selection as MailboxSelection, Subscribed,
};
use mailferry_engine::summary::SameAccount;
use mailferry_store::contract::{DatesAsked, Selection};

use crate::all_mail::AllMail;
use crate::arrivals::Arrivals;
use crate::claim::Claims;
use crate::copy::AddHeader;
use crate::ledger::Ledger;
use crate::pace::PaceLimits;
use crate::past::Past;
use crate::quarantine::QuarantinePlace;
use crate::receipt::Receipt;
use crate::sample::Sample;
use crate::state::State;
use crate::transform::Transform;

/// A run's task.
#[derive(Clone)]
pub struct Job {
    /// What shapes the plan.
    pub rules: Rules,
    /// Which mailboxes take part.
    pub mailboxes: MailboxChoice,
    /// What they are called on the target.
    pub naming: Naming,
    /// What becomes of the source's flags.
    pub flag_rewrite: Option<Arc<dyn FlagRewrite + Send + Sync>>,
    /// How identity keys are made.
    pub keys: KeyRule,
    /// Which messages of the source take part.
    pub source_selection: Selection,
    /// What of All Mail, where mailboxes are labels.
    pub all_mail: AllMail,
    /// Of these, only a share of each mailbox.
    pub source_sample: Sample,
    /// Which messages of the target count as extra, where deletions are narrowed too.
    pub target_selection: Selection,
    /// What the source held at the end of an earlier run, where only that takes part.
    pub past: Option<Arc<Past>>,
    /// When the messages that take part arrived at the source, and at the target.
    pub arrivals: [Arrivals; 2],
    /// Whether unidentified messages get a Message-Id.
    pub add_header: AddHeader,
    /// What is made of messages before they are sent, where anything is.
    pub transform: Option<Arc<Transform>>,
    /// Whether empty source mailboxes are created on the target.
    pub empty_mailboxes: EmptyMailboxes,
    /// Where what is taken away from the target is kept, where it is.
    pub keeping: Option<Keeping>,
    /// Whether a target mailbox is used that exists and is not listed.
    pub unlisted: Unlisted,
    /// Which target mailboxes an exact backup may delete.
    pub mailbox_deletion: MailboxDeletionNarrowing,
    /// Whether copies keep their INTERNALDATE.
    pub dates: Dates,
    /// Whether all INTERNALDATEs of the target are to be known, as they are where both sides are
    /// compared; else only those by which something is decided.
    pub target_dates: DatesAsked,
    /// Whether both sides are known to be one account.
    pub same_account: SameAccount,
    /// What earlier runs learnt of these two accounts, where it may be used.
    pub state: Option<Arc<State>>,
    /// Limits of this run.
    pub limits: Limits,
    /// In which order messages are copied.
    pub order: CopyOrder,
    /// Whether the flags of copies are looked at once more.
    pub copied_flags: CopiedFlags,
    /// Which messages get the labels that they have on the source, where both sides have labels.
    pub labels: LabelPolicy,
    /// Where messages are kept that the target refuses, whatever is repaired.
    pub quarantine: Option<Arc<QuarantinePlace>>,
    /// What proves that a message of the source may be removed.
    pub proof: ProofRule,
    /// By which runs on this machine keep out of each other's mailboxes; `None`: they do not.
    pub claims: Option<Arc<Claims>>,
    /// Where it is written down what became of every message; a job with one is carried out once.
    pub receipt: Option<Arc<Receipt>>,
    /// What is counted of each account, and what it may move in a day; `None`: nothing is counted.
    pub ledger: Option<Arc<Ledger>>,
    /// What the accounts may move in a day, for what is known of their servers.
    pub day: DayPermits,
    /// Whether the target is asked what is left of its quota.
    pub target_quota: QuotaQuestion,
}

/// Whether the target is asked what its account may hold and holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum QuotaQuestion {
    /// It is not.
    #[default]
    NotAsked,
    /// It is, when all is done: one round trip more.
    AtTheEnd,
}

/// What an account may move in a day.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DayPermits {
    /// From the source.
    pub download: DayPermit,
    /// To the target.
    pub upload: DayPermit,
}

/// Where the octets of a day come from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DayPermit {
    /// As many as the server's provider documents.
    #[default]
    OfServer,
    /// So many.
    Octets(u64),
    /// As many as go.
    Unlimited,
}

impl DayPermit {
    /// In octets; `of_server`: what is known of the server.
    #[must_use]
    pub fn octets(self, of_server: Option<u64>) -> Option<u64> {
        match self {
            Self::OfServer => of_server,
            Self::Octets(octets) => Some(octets),
            Self::Unlimited => None,
        }
    }
}

/// What proves, of a copy whose UID is known, that a message of the source may be removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ProofRule {
    /// Its size, or its content where a server changed the size.
    #[default]
    Size,
    /// Its content, read back from both sides (`--verify`).
    Content,
}

/// Whether the flags of copies are looked at once more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CopiedFlags {
    /// The target is taken to have set what went with the message.
    #[default]
    Trusted,
    /// They are read back, and set where they are not there (`--syncflagsaftercopy`).
    ReadBack,
}

/// Whether a mailbox without messages is created on the target.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum EmptyMailboxes {
    /// It is.
    #[default]
    Create,
    /// It is not (`--skipemptyfolders`).
    Skip,
}

/// Whether a target mailbox is used that exists though no LIST shows it by that name: on some servers
/// names that differ in case are one mailbox.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Unlisted {
    /// It is, if it is empty.
    #[default]
    Use,
    /// It is not, and what would go there is left out (`--nomixfolders`).
    LeaveOut,
}

/// Whether copies keep their INTERNALDATE.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Dates {
    /// They do.
    #[default]
    Keep,
    /// The target takes its own clock (`--nosyncinternaldates`).
    OfTarget,
}

/// Whether mailboxes are deleted where messages are not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MailboxDeletion {
    /// As the rules say.
    #[default]
    ByRules,
    /// They are (`--delete2folders` without `--delete2`).
    Alone,
}

/// What narrows or widens the deletion of target mailboxes.
#[derive(Clone, Default)]
pub struct MailboxDeletionNarrowing {
    /// Whether mailboxes are deleted where messages are not.
    pub deletion: MailboxDeletion,
    /// Only below this one (`--subfolder2`).
    pub below: Option<MailboxName>,
    /// Only those that match.
    pub only: Option<Pattern>,
    /// None of those that match.
    pub but_not: Option<Pattern>,
}

/// A pattern over mailbox names, owned.
pub type Pattern = Arc<dyn NamePattern + Send + Sync>;

/// Which mailboxes take part; see [`MailboxSelection`].
#[derive(Clone, Default)]
pub struct MailboxChoice {
    /// These.
    pub named: Vec<MailboxName>,
    /// These and all below them.
    pub recursive: Vec<MailboxName>,
    /// Subscribed ones.
    pub subscribed: Subscribed,
    /// Those that match one of these,
    pub include: Vec<Pattern>,
    /// except those that match one of these.
    pub exclude: Vec<Pattern>,
    /// Whose mailboxes take part without being named.
    pub namespaces: Namespaces,
    /// Which come first.
    pub first: Vec<MailboxName>,
    /// Which come last.
    pub last: Vec<MailboxName>,
    /// The order of the others.
    pub order: Order,
    /// Whether names are exact.
    pub spelling: Spelling,
}

/// How mailboxes are named by whoever chooses them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Spelling {
    /// By the name on the source, to the octet.
    #[default]
    Exact,
    /// As people see them: a name that does not exist is tried with the source's prefix in
    /// front and with its delimiter for `/`.
    AsTyped,
}

impl MailboxChoice {
    /// Whether nothing is chosen, so that the whole account takes part.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.named.is_empty()
            && self.recursive.is_empty()
            && self.subscribed == Subscribed::Ignored
            && self.include.is_empty()
            && self.exclude.is_empty()
    }

    /// The same with its names as the source has them.
    #[must_use]
    pub fn resolved(&self, source: &AccountListing) -> Self {
        let mut resolved = self.clone();
        if self.spelling == Spelling::AsTyped {
            for name in resolved.named.iter_mut().chain(&mut resolved.recursive) {
                *name = as_listed(name, source);
            }
        }
        resolved
    }

    /// The same, as the engine takes it.
    #[must_use]
    pub fn selection(&self) -> MailboxSelection<'_> {
        fn borrowed(patterns: &[Pattern]) -> Vec<&dyn NamePattern> {
            patterns.iter().map(|pattern| &**pattern as &dyn NamePattern).collect()
        }
        MailboxSelection {
            named: self.named.clone(),
            recursive: self.recursive.clone(),
            subscribed: self.subscribed,
            include: borrowed(&self.include),
            exclude: borrowed(&self.exclude),
            namespaces: self.namespaces,
            first: self.first.clone(),
            last: self.last.clone(),
            order: self.order,
        }
    }
}

/// The name of the source that was meant; the name itself where none fits.
fn as_listed(name: &MailboxName, source: &AccountListing) -> MailboxName {
    let translated: Vec<u8> = match source.delimiter {
        Some(delimiter) => name
            .as_bytes()
            .iter()
            .map(|&octet| if octet == b'/' { delimiter } else { octet })
            .collect(),
        None => name.as_bytes().to_vec(),
    };
    let candidates = [
        name.as_bytes().to_vec(),
        translated.clone(),
        [&source.prefix, name.as_bytes()].concat(),
        [&*source.prefix, &translated].concat(),
    ];
    let mut listed =
        candidates.into_iter().map(MailboxName::new).filter(|name| source.find(name).is_some());
    listed.next().unwrap_or_else(|| name.clone())
}

/// What mailboxes are called on the target; see [`MappingRules`].
#[derive(Clone, Default)]
pub struct Naming {
    /// Source name and whole target name.
    pub explicit: Vec<(MailboxName, MailboxName)>,
    /// Whether special use decides before names do.
    pub special_use: SpecialUseMapping,
    /// What overrides the source's own prefix and delimiter.
    pub source: HierarchyOverride,
    /// What overrides the target's.
    pub target: HierarchyOverride,
    /// Only this subtree of the source.
    pub source_subtree: Option<Box<[u8]>>,
    /// Everything below this mailbox of the target.
    pub target_subtree: Option<Box<[u8]>>,
    /// Whether slashes that are no delimiter become `_`.
    pub fix_slash: FixSlash,
    /// The last word.
    pub rewrite: Option<Arc<dyn NameRewrite + Send + Sync>>,
}

/// What somebody knows better than the server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HierarchyOverride {
    /// `--prefixN`.
    pub prefix: Option<Box<[u8]>>,
    /// `--sepN`.
    pub delimiter: Option<u8>,
}

impl HierarchyOverride {
    fn over(&self, account: &AccountListing) -> Hierarchy {
        Hierarchy {
            prefix: self.prefix.clone().unwrap_or_else(|| account.prefix.clone()),
            delimiter: self.delimiter.or(account.delimiter),
        }
    }
}

impl Naming {
    /// The rules for these two accounts, as the engine takes them.
    #[must_use]
    pub fn rules(&self, source: &AccountListing, target: &AccountListing) -> MappingRules<'_> {
        MappingRules {
            explicit: self.explicit.clone(),
            special_use: self.special_use,
            source: self.source.over(source),
            target: self.target.over(target),
            source_subtree: self.source_subtree.clone(),
            target_subtree: self.target_subtree.clone(),
            fix_slash: self.fix_slash,
            rewrite: self.rewrite.as_deref().map(|rewrite| rewrite as &dyn NameRewrite),
        }
    }
}

impl Job {
    /// A run over everything, under these rules.
    #[must_use]
    pub fn new(rules: Rules) -> Self {
        Self {
            rules,
            mailboxes: MailboxChoice::default(),
            naming: Naming::default(),
            flag_rewrite: None,
            keys: KeyRule::default(),
            source_selection: Selection::default(),
            all_mail: AllMail::default(),
            source_sample: Sample::ALL,
            target_selection: Selection::default(),
            past: None,
            arrivals: [Arrivals::default(); 2],
            add_header: AddHeader::Never,
            transform: None,
            empty_mailboxes: EmptyMailboxes::default(),
            keeping: None,
            unlisted: Unlisted::default(),
            mailbox_deletion: MailboxDeletionNarrowing::default(),
            dates: Dates::default(),
            target_dates: DatesAsked::Later,
            same_account: SameAccount::No,
            state: None,
            limits: Limits::default(),
            order: CopyOrder::default(),
            copied_flags: CopiedFlags::default(),
            labels: LabelPolicy::default(),
            quarantine: None,
            proof: ProofRule::default(),
            claims: None,
            receipt: None,
            ledger: None,
            day: DayPermits::default(),
            target_quota: QuotaQuestion::default(),
        }
    }

    /// The rule for target mailboxes, as the engine takes it.
    #[must_use]
    pub fn mailbox_delete_rule(&self) -> MailboxDeleteRule<'_> {
        let narrowing = &self.mailbox_deletion;
        MailboxDeleteRule {
            delete: match narrowing.deletion {
                MailboxDeletion::ByRules => self.rules.delete,
                MailboxDeletion::Alone => DeleteRule::MessagesAndMailboxes,
            },
            below: narrowing.below.as_ref(),
            only: narrowing.only.as_deref().map(|pattern| pattern as &dyn NamePattern),
            but_not: narrowing.but_not.as_deref().map(|pattern| pattern as &dyn NamePattern),
            kept: None,
        }
    }
}

/// The order in which the messages of a mailbox are copied.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CopyOrder {
    /// That of the source's UIDs, so that the target's are in the same order.
    #[default]
    OfUids,
    /// Any: several connections copy one mailbox at the same time.
    Any,
}

/// How long a mailbox is waited for that another run works on, if nothing else is said.
pub const LOCK_WAIT_USUAL: Duration = Duration::from_secs(600);

/// Limits of one run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limits {
    /// Pairs of connections that copy side by side at most, each another mailbox. Unknown servers
    /// permit five connections an account; each pair takes one on each side.
    pub pairs_max: usize,
    /// As many of them are opened at once; further ones as long as they make the run faster.
    pub pairs_at_first: usize,
    /// Faults after which nothing new is begun (`--errorsmax`).
    pub faults_max: usize,
    /// How fast mail is copied.
    pub pace: PaceLimits,
    /// What happens after a connection broke.
    pub reconnect: ReconnectLimits,
    /// How long a mailbox is waited for that another run works on (`--lock-wait`).
    pub lock_wait: Duration,
}

/// How a run goes on after a connection broke.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReconnectLimits {
    /// Attempts in a row that bring nothing, after which it is given up.
    pub attempts_max: u32,
    /// The wait before the first of them; each further one waits twice as long, give or take a
    /// quarter.
    pub first_wait: Duration,
    /// How long a message that was sent and not answered for may still appear on the target after
    /// the connection broke, before it is sent again.
    pub settle_wait: Duration,
    /// How long a server that asks to be left alone is left alone, all waits together until
    /// something is achieved, before it is given up for this run (`--throttle-wait`).
    pub throttle_wait: Duration,
}

/// How long that is, if nothing else is said.
pub const THROTTLE_WAIT_USUAL: Duration = Duration::from_secs(3600);

impl Default for ReconnectLimits {
    /// About a minute in all: a server that restarts is back by then.
    fn default() -> Self {
        Self {
            attempts_max: 6,
            first_wait: Duration::from_secs(1),
            settle_wait: Duration::from_secs(1),
            throttle_wait: THROTTLE_WAIT_USUAL,
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            pairs_max: 5,
            pairs_at_first: 3,
            faults_max: 10_000,
            pace: PaceLimits::default(),
            reconnect: ReconnectLimits::default(),
            lock_wait: LOCK_WAIT_USUAL,
        }
    }
}

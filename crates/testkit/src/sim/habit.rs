//! What single providers do that others do not. Each is a switch of a
//! [`Profile`](super::profile::Profile), off in every profile that imitates nobody; the profiles that
//! turn them on, with the evidence, are in [`provider`](super::provider).

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Everything in which a provider may differ from what the standards say.
#[derive(Clone, Default)]
pub struct Habits {
    /// Whether mailboxes are labels of messages that the account holds once.
    pub labels: Labels,
    /// What becomes of a message that the account has already.
    pub duplicates: Duplicates,
    /// How refusals are worded.
    pub wording: Wording,
    /// Longest line of a message that APPEND takes, in octets.
    pub message_line_octets_max: Option<usize>,
    /// Whether ENABLE says what it enabled.
    pub enabled: Enabled,
    /// Whether APPEND takes `\Deleted`.
    pub deleted: Deleted,
    /// An octet that makes APPEND refuse a keyword.
    pub keyword_octet_refused: Option<u8>,
    /// A mailbox shows no more than so many of its messages, the newest.
    pub view_messages_max: Option<usize>,
    /// What RFC822.SIZE tells.
    pub sizes: Sizes,
    /// What COPY makes.
    pub copies: Copies,
    /// In which order FETCH tells of messages.
    pub rows: Rows,
    /// Capabilities that are told and mean nothing here.
    pub capabilities: Vec<&'static str>,
    /// Refuses names of mailboxes; `Some` is the text of the NO to CREATE and RENAME.
    pub refuse_name: Option<RefuseName>,
    /// When it asks to be left alone.
    pub throttle: Option<Throttle>,
    /// What the account may move in a day.
    pub day: Option<DayLimit>,
    /// By which `throttle` and `day` go.
    pub clock: Clock,
}

/// A clock that goes as all do, and that a test puts forward instead of waiting. A clone is the same
/// clock.
#[derive(Clone, Debug, Default)]
pub struct Clock(Arc<AtomicU64>);

impl Clock {
    /// Puts it forward.
    pub fn advance(&self, time: Duration) {
        let millis = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        self.0.fetch_add(millis, Ordering::SeqCst);
    }

    pub(super) fn now(&self) -> Instant {
        Instant::now() + Duration::from_millis(self.0.load(Ordering::SeqCst))
    }
}

/// Looks at a name that is to be created; `Some` is the text of the NO.
pub type RefuseName = Arc<dyn Fn(&str) -> Option<String> + Send + Sync>;

/// Whether mailboxes are labels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Labels {
    /// A mailbox holds messages of its own.
    #[default]
    None,
    /// As Gmail has it: the account holds a message once, `[Gmail]/All Mail` shows it, and every
    /// other mailbox is a label of it. Flags belong to the message.
    Gmail,
}

/// What becomes of a message that the account has already.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Duplicates {
    /// It is there twice (every server of the farm).
    #[default]
    Kept,
    /// One with a Message-Id that the account knows is dropped; what it says of labels is kept.
    MergedByMessageId,
}

/// How refusals are worded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Wording {
    /// NO, with the response codes of RFC 5530.
    #[default]
    Coded,
    /// BAD, with the texts of Exchange.
    Exchange,
}

/// Whether ENABLE says what it enabled (RFC 5161 §3.2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Enabled {
    /// It does.
    #[default]
    Told,
    /// It answers OK and nothing else.
    Untold,
}

/// Whether APPEND takes `\Deleted`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Deleted {
    /// It does.
    #[default]
    Taken,
    /// It answers NO.
    Refused,
}

/// What RFC822.SIZE tells.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sizes {
    /// The octets that BODY\[\] delivers.
    #[default]
    Exact,
    /// So many fewer: those of the message before it was put together.
    Less(u32),
}

/// What COPY makes, and tells of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Copies {
    /// Copies with the date and the flags of what they are made of (RFC 9051 §6.4.7).
    #[default]
    Faithful,
    /// With the date of their making.
    DatedAnew,
    /// Without their keywords.
    WithoutKeywords,
    /// Faithful ones, and COPYUID is not told, although UIDPLUS is.
    Untold,
}

/// In which order FETCH tells of messages: any will do (RFC 9051 §7.5.2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Rows {
    /// That of the mailbox.
    #[default]
    InOrder,
    /// Another one, the same each time.
    Mixed,
}

impl Rows {
    /// Puts messages, known by their UIDs, in the order in which they are told of.
    pub(super) fn arrange(self, found: &mut [(usize, u32)]) {
        if self == Self::Mixed {
            // The golden ratio puts neighbours far apart (Knuth, multiplicative hashing).
            found.sort_by_key(|(_, uid)| uid.wrapping_mul(0x9E37_79B1));
        }
    }
}

/// How a server asks to be left alone for a while.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Throttle {
    /// Counts commands of this name, in capitals, over all connections.
    pub command: &'static str,
    /// After so many of them it is enough,
    pub commands_max: u32,
    /// for so long; then it counts anew.
    pub backoff: Duration,
    /// What is answered meanwhile to whatever is asked of a logged-in user.
    pub answer: Refused,
}

/// In which form a command is put off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// Tagged NO; the connection stays.
    No,
    /// Tagged BAD, then BYE and the end.
    BadAndBye,
    /// BYE and the end.
    Bye,
}

/// What an account may move in a day.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DayLimit {
    /// Octets to clients, by FETCH.
    pub download_octets_max: u64,
    /// Octets from clients, by APPEND.
    pub upload_octets_max: u64,
    /// How long a day is: it begins with the first octet.
    pub day: Duration,
    /// What FETCH and APPEND are answered for the rest of the day.
    pub answer: Refused,
}

impl fmt::Debug for Habits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Habits")
            .field("labels", &self.labels)
            .field("duplicates", &self.duplicates)
            .field("throttle", &self.throttle)
            .field("day", &self.day)
            .finish_non_exhaustive()
    }
}

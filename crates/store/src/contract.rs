//! The contract between a place where mail lives and the rest.
//!
//! A [`Source`] is read without leaving a trace: opened with EXAMINE, read with PEEK. From a
//! [`Removable`] messages can be removed. A [`Target`] can also be written. Both are used by one task at a time; several connections
//! to one account are several values.
//!
//! Every method returns within bounded silence of the other end, and its future may be
//! dropped at any await point only where its documentation says so.

mod labels;

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::future::Future;

use mailferry_engine::fault::{Fault, Scope};
use mailferry_engine::identity::KeyRule;
use mailferry_engine::listing::{AccountListing, Mark, MessageListing};
use mailferry_engine::message::{FlagSet, InternalDate, Uid};
use mailferry_engine::name::{MailboxName, SpecialUse};
use mailferry_engine::pairing::Digests;
use mailferry_engine::policy::PermanentFlags;
pub use mailferry_imap::meter::Meter;
pub use mailferry_imap::quirk::DayOctets;

pub use self::labels::{LabelListing, Labelled, LabelsAsked, MessageId};
use crate::quota::Quota;

/// Which messages of a mailbox are selected: an IMAP SEARCH program (RFC 9051 §6.4.4),
/// `None` for all. A narrowed listing still holds every message, with the selected marked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection(pub Option<Vec<u8>>);

/// Which messages are meant.
#[derive(Clone, Copy, Debug)]
pub enum Among<'a> {
    /// These, ascending.
    These(&'a [Uid]),
    /// This one and all above it, but for those that are known, ascending.
    From(Uid, &'a [Uid]),
}

impl Among<'_> {
    /// Whether a message is meant.
    #[must_use]
    pub fn holds(&self, uid: Uid) -> bool {
        match self {
            Self::These(uids) => uids.binary_search(&uid).is_ok(),
            Self::From(first, known) => uid >= *first && known.binary_search(&uid).is_err(),
        }
    }
}

/// A mailbox to be listed.
#[derive(Clone, Debug)]
pub struct ListRequest {
    /// Which.
    pub mailbox: MailboxName,
    /// Which of its messages are selected.
    pub selection: Selection,
    /// What STATUS told of it in this run.
    pub now: Mark,
    /// What an earlier run listed. Only what the server cannot have changed since, or says that
    /// it has not, is taken from it.
    pub known: Option<MessageListing>,
    /// Whether the dates are asked for.
    pub dates: DatesAsked,
}

/// Whether a listing asks for INTERNALDATE. Dovecot looks at the file of each message of a Maildir
/// for it, which takes as long as all the rest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DatesAsked {
    /// It does.
    #[default]
    WithTheRest,
    /// A server that would be asked may leave them out ([`InternalDate::NOT_ASKED`]): those that are
    /// needed are asked for later ([`Source::dates`]).
    Later,
}

/// INTERNALDATEs of messages.
pub type InternalDates = HashMap<Uid, InternalDate>;

/// A mailbox as it was listed, and where that comes from.
#[derive(Clone, Debug)]
pub struct Listed {
    /// Its messages.
    pub listing: MessageListing,
    /// How much of it was told in this run.
    pub origin: Origin,
}

/// Where a listing comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// All of it was told in this run.
    Told,
    /// Identity of some messages was known from an earlier run; which messages there are, and
    /// their flags, was told in this run.
    Refreshed,
    /// STATUS told that nothing changed since an earlier run listed it.
    Unchanged,
}

/// Who hears of each listing: the index of its request, and the mailbox or its fault.
pub type TellListed<'a> = dyn FnMut(usize, Result<Listed, Fault>) + Send + 'a;

/// SHA-256 (FIPS 180-4) of a message's octets as a server delivers them, line ends and all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct OctetDigest(pub [u8; 32]);

impl OctetDigest {
    /// Of a context that took in all octets.
    pub(crate) fn of(context: ring::digest::Context) -> Self {
        let mut octets = [0; 32];
        octets.copy_from_slice(context.finish().as_ref());
        Self(octets)
    }
}

impl fmt::Display for OctetDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|octet| write!(f, "{octet:02x}"))
    }
}

/// [`OctetDigest`]s of some messages of a mailbox; `None` for one that could not be read.
pub type OctetDigests = HashMap<Uid, Option<OctetDigest>>;

/// A mailbox as it was when its messages were listed. What is asked of its UIDs later is
/// refused with a fault of scope mailbox where they have become others (RFC 9051 §2.3.1.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AsListed<'a> {
    /// Its name.
    pub mailbox: &'a MailboxName,
    /// UIDVALIDITY of its listing; 0 where the server sent none.
    pub uid_validity: u32,
}

/// One message whose body is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Its UID.
    pub uid: Uid,
    /// Its size as listed, in octets: a hint for grouping, not a promise.
    pub size: u32,
}

/// What a source tells while bodies are fetched.
#[derive(Debug)]
pub enum BodyEvent<'a> {
    /// A small message, whole.
    Whole {
        /// Which.
        uid: Uid,
        /// Its octets.
        octets: Vec<u8>,
    },
    /// A large message begins; its octets follow in chunks, then [`BodyEvent::End`].
    Begin {
        /// Which.
        uid: Uid,
        /// How many octets follow.
        octets: u64,
    },
    /// Some octets of it.
    Chunk(&'a [u8]),
    /// It is complete.
    End,
    /// The message did not come, though asked for twice: gone meanwhile, or withheld.
    Missing {
        /// Which.
        uid: Uid,
        /// Why, as a fault of scope message.
        fault: Fault,
    },
    /// Everything wanted of the mailbox has come or been told missing.
    Finished,
    /// The mailbox cannot be opened, or is not the one that was listed: nothing of it has come,
    /// and nothing will.
    Unavailable {
        /// Why, as a fault of scope mailbox.
        fault: Fault,
    },
}

/// A place to read mail from.
pub trait Source: Send {
    /// What the account may move in a day, where that is known of its server.
    fn day_octets(&self) -> DayOctets {
        DayOctets::default()
    }

    /// Every mailbox of the account, and what it subscribes besides, where it tells.
    fn mailboxes(&mut self) -> impl Future<Output = Result<AccountListing, Fault>> + Send;

    /// What STATUS tells of these mailboxes now; an empty mark for one that refuses it.
    fn marks(
        &mut self,
        mailboxes: &[MailboxName],
    ) -> impl Future<Output = Result<Vec<Mark>, Fault>> + Send;

    /// What [`Source::marks`] tells, and what FETCH tells of some messages of one mailbox, with as few
    /// round trips as the server permits. A message that FETCH leaves out is not looked for, nor why a
    /// mailbox cannot be opened.
    fn marks_and_rows(
        &mut self,
        mailboxes: &[MailboxName],
        (mailbox, uids): (&MailboxName, &[Uid]),
        keys: &KeyRule,
    ) -> impl Future<Output = Result<(Vec<Mark>, MessageListing), Fault>> + Send {
        async move {
            let marks = self.marks(mailboxes).await?;
            match self.messages_among(mailbox, Among::These(uids), keys).await {
                Err(fault) if fault.scope > Scope::Mailbox => Err(fault),
                rows => Ok((marks, rows.unwrap_or_default())),
            }
        }
    }

    /// Every message of a mailbox with its identity key, the selected ones marked.
    fn messages(
        &mut self,
        mailbox: &MailboxName,
        selection: &Selection,
        keys: &KeyRule,
    ) -> impl Future<Output = Result<MessageListing, Fault>> + Send;

    /// Some messages of a mailbox with their identity keys, told afresh: those of `which` that are
    /// there now. Nothing is said of the others.
    fn messages_among(
        &mut self,
        mailbox: &MailboxName,
        which: Among<'_>,
        keys: &KeyRule,
    ) -> impl Future<Output = Result<MessageListing, Fault>> + Send;

    /// Lists several mailboxes, as [`Source::messages`] does one, with as few round trips as the
    /// server permits. Each request is told of once, in any order.
    ///
    /// An error is one of the connection: what was not told of by then is not known.
    fn list(
        &mut self,
        requests: Vec<ListRequest>,
        keys: &KeyRule,
        tell: &mut TellListed<'_>,
    ) -> impl Future<Output = Result<(), Fault>> + Send;

    /// The INTERNALDATEs of some messages of a mailbox; those that were not told are missing.
    fn dates(
        &mut self,
        mailbox: AsListed<'_>,
        uids: &[Uid],
    ) -> impl Future<Output = Result<InternalDates, Fault>> + Send;

    /// Digests of the canonical form of some messages, on which identity rests. A message that
    /// could not be read is noted as unavailable.
    fn digests(
        &mut self,
        mailbox: AsListed<'_>,
        uids: &[Uid],
    ) -> impl Future<Output = Result<Digests, Fault>> + Send;

    /// Digests of the plain octets of some messages, each of which gets an answer.
    fn octet_digests(
        &mut self,
        mailbox: AsListed<'_>,
        uids: &[Uid],
    ) -> impl Future<Output = Result<OctetDigests, Fault>> + Send;

    /// Message-Id and Subject of some messages, as header fields; those that were not told are
    /// missing.
    fn headlines(
        &mut self,
        mailbox: AsListed<'_>,
        uids: &[Uid],
    ) -> impl Future<Output = Result<HashMap<Uid, Vec<u8>>, Fault>> + Send;

    /// Whether messages have labels, and mailboxes show them (Gmail's X-GM-EXT-1).
    fn has_labels(&self) -> bool {
        false
    }

    /// The labels of some messages; those that were not told are missing. Only where
    /// [`Source::has_labels`].
    fn labels(
        &mut self,
        mailbox: AsListed<'_>,
        uids: &[Uid],
        asked: LabelsAsked,
    ) -> impl Future<Output = Result<LabelListing, Fault>> + Send {
        let _ = (mailbox, uids, asked);
        async { Ok(LabelListing::default()) }
    }

    /// By which number the account knows each of these messages, in whichever mailbox it is
    /// (X-GM-MSGID); those that were not told are missing. Only where [`Source::has_labels`].
    fn account_numbers(
        &mut self,
        mailbox: AsListed<'_>,
        uids: &[Uid],
    ) -> impl Future<Output = Result<HashMap<Uid, u64>, Fault>> + Send {
        let _ = (mailbox, uids);
        async { Ok(HashMap::new()) }
    }

    /// Whether the bodies of another mailbox may be asked for now. Where none are wanted of an
    /// earlier one it is so; else only if they can be asked for behind those without a doubt which
    /// is which.
    fn has_room_for_bodies(&self) -> bool;

    /// Has the bodies of `wanted` asked for, in ascending order of UID. They come from
    /// [`Source::next_body`], which opens the mailbox, behind those of the mailboxes asked for
    /// before: each is ended by [`BodyEvent::Finished`] or [`BodyEvent::Unavailable`]. Only where
    /// [`Source::has_room_for_bodies`].
    fn open_bodies(&mut self, mailbox: AsListed<'_>, wanted: Vec<Wanted>);

    /// The next of them. May be dropped while waiting and called again.
    fn next_body(&mut self) -> impl Future<Output = Result<BodyEvent<'_>, Fault>> + Send;

    /// Ends the session politely.
    fn close(&mut self) -> impl Future<Output = ()> + Send;
}

/// A place to remove mail from: the source of a run that was asked to, on a connection of its own.
/// What reads can not write.
pub trait Removable: Source {
    /// Sets and removes flags of messages; answers those that were refused.
    fn change_flags(
        &mut self,
        mailbox: AsListed<'_>,
        updates: &[FlagUpdate],
    ) -> impl Future<Output = Result<Vec<(Uid, Fault)>, Fault>> + Send;

    /// Removes exactly these messages (`\\Deleted`, then UID EXPUNGE, RFC 4315 §2.1). Answers the
    /// UIDs that are still there, with the reason.
    fn remove_messages(
        &mut self,
        mailbox: AsListed<'_>,
        uids: &[Uid],
    ) -> impl Future<Output = Result<Vec<(Uid, Fault)>, Fault>> + Send;

    /// Unsubscribes and deletes a mailbox that holds nothing. What arrives meanwhile is not lost.
    fn delete_empty_mailbox(
        &mut self,
        mailbox: &MailboxName,
    ) -> impl Future<Output = Result<Emptiness, Fault>> + Send;
}

/// What became of a mailbox that was to be deleted if it holds nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Emptiness {
    /// It is gone.
    Deleted,
    /// It stays: there are messages in it.
    HoldsMail,
}

/// What goes with a message into a mailbox.
#[derive(Clone, Debug)]
pub struct Envelope {
    /// Whatever the caller wants to hear again with the outcome.
    pub ticket: usize,
    /// The source's UID: by it the outcome is told.
    pub uid: Uid,
    /// Flags and keywords to set.
    pub flags: FlagSet,
    /// INTERNALDATE to set; unknown lets the target take its own clock.
    pub date: InternalDate,
    /// How its octets are announced.
    pub literal: LiteralForm,
}

/// How the octets of a message are announced.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LiteralForm {
    /// `{n}`: no NULs (RFC 9051 §9).
    #[default]
    Text,
    /// `~{n}`: any octets, where the target takes that (BINARY, RFC 3516 §4.4).
    Binary,
}

/// What became of a message that was appended.
#[derive(Debug)]
pub struct Appended {
    /// The ticket of its envelope.
    pub ticket: usize,
    /// The source's UID.
    pub uid: Uid,
    /// Octets sent.
    pub octets: u64,
    /// The target's UID where it told one (UIDPLUS, RFC 4315), or why it refused.
    pub result: Result<Option<Uid>, Fault>,
    /// The UIDVALIDITY under which that UID holds; 0 where none was told.
    pub uid_validity: u32,
    /// Whether the message went in its turn or again after a refused batch: then its UID may
    /// not be in the source's order.
    pub turn: Turn,
}

/// When a message went out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// In order.
    First,
    /// Again, after the batch it was in was refused, or late, after the source left it out at
    /// first.
    Retried,
}

/// What to do with the flags of one message that is present.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FlagUpdate {
    /// The target's UID.
    pub uid: Uid,
    /// Flags to add.
    pub add: FlagSet,
    /// Flags to remove.
    pub remove: FlagSet,
}

/// What a target told of copies that it made itself (COPYUID, RFC 4315 §3).
#[derive(Debug, Default)]
pub struct CopiesTold {
    /// UIDVALIDITY of where they are; 0 where nothing was told.
    pub uid_validity: u32,
    /// Of each message that was copied, ascending, the UID of its copy.
    pub copies: BTreeMap<Uid, Uid>,
}

/// What became of messages that were to be moved.
#[derive(Debug, Default)]
pub struct Moved {
    /// UIDVALIDITY of where they are now; 0 where it was not told.
    pub uid_validity: u32,
    /// Those that left the mailbox, ascending, and the UIDs that they have now, as far as these were
    /// told (COPYUID, RFC 4315 §3).
    pub gone: Vec<(Uid, Option<Uid>)>,
    /// Those that stay, with the reason.
    pub stayed: Vec<(Uid, Fault)>,
}

/// A place to write mail to.
pub trait Target: Source {
    /// Creates mailboxes, each with its special use where the target can (RFC 6154 §3), parents
    /// before their children. Answers one result each; an empty mailbox that exists already is no
    /// fault, one that is not there by its name afterwards is.
    fn create(
        &mut self,
        mailboxes: &[(MailboxName, Option<SpecialUse>)],
    ) -> impl Future<Output = Result<Vec<Result<(), Fault>>, Fault>> + Send;

    /// Subscribes mailboxes. Answers one result each.
    fn subscribe(
        &mut self,
        mailboxes: &[MailboxName],
    ) -> impl Future<Output = Result<Vec<Result<(), Fault>>, Fault>> + Send;

    /// Gives subscriptions up, be there such a mailbox or not. Answers one result each; what is not
    /// subscribed is no fault.
    fn unsubscribe(
        &mut self,
        mailboxes: &[MailboxName],
    ) -> impl Future<Output = Result<Vec<Result<(), Fault>>, Fault>> + Send;

    /// Unsubscribes and deletes a mailbox with what is in it.
    fn delete_mailbox(
        &mut self,
        mailbox: &MailboxName,
    ) -> impl Future<Output = Result<(), Fault>> + Send;

    /// The octets in each of these mailboxes, where the target can tell without reading
    /// every message (STATUS=SIZE, RFC 8438 §2).
    fn octets_in(
        &mut self,
        mailboxes: &[MailboxName],
    ) -> impl Future<Output = Result<Vec<Option<u64>>, Fault>> + Send;

    /// What the account may hold and holds; none where the target does not tell.
    fn quota(&mut self) -> impl Future<Output = Result<Quota, Fault>> + Send {
        async { Ok(Quota::default()) }
    }

    /// Whether the target takes messages announced as [`LiteralForm::Binary`].
    fn takes_literal8(&self) -> bool;

    /// Whether the target bears as many refusals in a row as there may be; others end the
    /// connection after a few.
    fn bears_refusals(&self) -> bool;

    /// Whether the target drops keywords from what is appended, although it keeps them: they have
    /// to be set with [`Target::update_flags`].
    fn drops_keywords(&self) -> bool;

    /// The size above which the target takes no message (APPENDLIMIT, RFC 7889).
    fn append_limit(&self) -> Option<u64>;

    /// Makes ready to append to a mailbox. Messages for the mailbox before may still be under
    /// way, unless [`Target::permanent_flags`] or another method that opens a mailbox was used:
    /// those wait until [`Target::is_busy`] is false.
    fn open_appends(
        &mut self,
        mailbox: &MailboxName,
    ) -> impl Future<Output = Result<(), Fault>> + Send;

    /// Whether another message, or another chunk, may be handed over now.
    fn has_room(&self) -> bool;

    /// Whether something is under way: unsent, or not answered.
    fn is_busy(&self) -> bool;

    /// Hands over a whole message.
    fn append(&mut self, envelope: Envelope, octets: Vec<u8>);

    /// Begins a message that is handed over in chunks, `octets` in all.
    fn append_begin(&mut self, envelope: Envelope, octets: u64);

    /// Hands over some octets of it.
    fn append_chunk(&mut self, octets: &[u8]);

    /// Ends it.
    fn append_end(&mut self);

    /// Sends what was gathered and not sent yet.
    fn flush_appends(&mut self);

    /// Moves on: sends, receives, and returns when some outcomes are known or there is room
    /// again. May be dropped while waiting and called again.
    fn advance_appends(&mut self) -> impl Future<Output = Result<(), Fault>> + Send;

    /// The outcomes known since it was asked last.
    fn take_appended(&mut self) -> Vec<Appended>;

    /// The flags that a mailbox keeps (PERMANENTFLAGS, RFC 9051 §7.1), asked for by SELECT:
    /// what EXAMINE tells does not count. An empty list counts as unknown.
    fn permanent_flags(
        &mut self,
        mailbox: &MailboxName,
    ) -> impl Future<Output = Result<PermanentFlags, Fault>> + Send;

    /// Sets and removes flags of messages; answers those that were refused.
    fn update_flags(
        &mut self,
        mailbox: AsListed<'_>,
        updates: &[FlagUpdate],
    ) -> impl Future<Output = Result<Vec<(Uid, Fault)>, Fault>> + Send;

    /// Gives messages labels, and takes others from them; answers those of which that was refused.
    /// Only where [`Source::has_labels`].
    fn update_labels(
        &mut self,
        mailbox: AsListed<'_>,
        updates: &[FlagUpdate],
    ) -> impl Future<Output = Result<Vec<(Uid, Fault)>, Fault>> + Send {
        let _ = (mailbox, updates);
        async { Ok(Vec::new()) }
    }

    /// Whether [`Target::copy_messages`] can be used: the target copies messages, and tells what
    /// their copies are called (UIDPLUS, RFC 4315).
    fn tells_copies(&self) -> bool {
        false
    }

    /// Copies messages of a mailbox, in the order in which they are given and each once, into
    /// another one of the account, which is there (RFC 9051 §6.4.7). What was not told of may have
    /// been copied, or not. Only where [`Target::tells_copies`].
    fn copy_messages(
        &mut self,
        mailbox: AsListed<'_>,
        uids: &[Uid],
        to: &MailboxName,
    ) -> impl Future<Output = Result<CopiesTold, Fault>> + Send {
        let _ = (mailbox, uids, to);
        async { Ok(CopiesTold::default()) }
    }

    /// Removes exactly these messages (`\Deleted`, then UID EXPUNGE, RFC 4315 §2.1). Answers
    /// the UIDs that are still there, with the reason.
    fn delete_messages(
        &mut self,
        mailbox: AsListed<'_>,
        uids: &[Uid],
    ) -> impl Future<Output = Result<Vec<(Uid, Fault)>, Fault>> + Send;

    /// Moves exactly these messages into another mailbox of the account, which is there; their flags
    /// and dates stay what they are. A message is always in one of the two. What was cut off may be
    /// asked for again: where the target cannot move (RFC 6851), copies that were made then are found
    /// by their identity headers.
    fn move_messages(
        &mut self,
        mailbox: AsListed<'_>,
        uids: &[Uid],
        to: &MailboxName,
    ) -> impl Future<Output = Result<Moved, Fault>> + Send;
}

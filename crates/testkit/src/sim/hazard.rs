//! How servers go astray with what a client remembers of them: mod-sequences, expunges,
//! UIDVALIDITY. Each is a switch of a [`Profile`](super::profile::Profile).

/// What becomes of mod-sequences, where CONDSTORE or QRESYNC is on (RFC 7162 §3.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ModSequences {
    /// Every append, change of flags and expunge gets a higher one.
    #[default]
    Kept,
    /// Not for good: NOMODSEQ in SELECT, 0 in STATUS, BAD to what needs them (RFC 7162
    /// §3.1.2.2).
    NotKept,
    /// Broken: a change of flags gets none, so that HIGHESTMODSEQ moves with appends and
    /// expunges only, and CHANGEDSINCE misses it.
    BlindToFlags,
}

/// What `VANISHED (EARLIER)` names (RFC 7162 §3.2.6).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Vanished {
    /// What was expunged since; where the log does not reach back that far, every UID asked
    /// about that is not there.
    #[default]
    Logged,
    /// Always every UID asked about that is not there, more than there ever were (RFC 7162
    /// §5.1 allows it).
    EveryAbsent,
    /// What was expunged since; where the log does not reach back that far, nothing at all
    /// (Stalwart).
    NothingOld,
}

/// What becomes of CHANGEDSINCE and UNCHANGEDSINCE (RFC 7162 §3.1.3, §3.1.4.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Modifier {
    /// Obeyed with CONDSTORE or QRESYNC, BAD without.
    #[default]
    Obeyed,
    /// Taken, with or without CONDSTORE, and then forgotten (pymap; UNCHANGEDSINCE:
    /// hoodiecrow): every row is answered, and every message changed.
    Ignored,
}

/// The UIDVALIDITY of a mailbox that is created.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UidValidities {
    /// One that no mailbox of the account had before.
    #[default]
    Fresh,
    /// After a deletion the one that the mailbox of that name had, while its UIDs begin at 1
    /// again (UW imapd and mailutils, within a second).
    Reused,
    /// 1, for each and every mailbox (hoodiecrow).
    Constant,
}

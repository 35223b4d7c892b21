//! What is kept between runs comes back as it was, or not at all.

#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};

use mailferry_engine::fault::Side;
use mailferry_engine::identity::{Headers, KeyRule};
use mailferry_engine::listing::{MessageListing, Row, SIZE_UNKNOWN};
use mailferry_engine::message::{Digest, Flag, FlagSet, InternalDate, Key, Uid};
use mailferry_engine::name::MailboxName;
use mailferry_engine::pairing::Digests;
use mailferry_run::state::{CopyMade, State};
use mailferry_store::contract::AsListed;
use rusqlite::Connection;

/// A folder that goes when the test ends.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static COUNT: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
        let count = COUNT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("state-{}-{count}", std::process::id()));
        std::fs::create_dir(&path).unwrap();
        Self(path)
    }

    fn open(&self) -> State {
        State::open(&self.0, "ann@a.example:993", "ann@b.example:993").unwrap()
    }

    fn database(&self) -> PathBuf {
        let paths = std::fs::read_dir(&self.0).unwrap().map(|entry| entry.unwrap().path());
        let mut found = paths.filter(|path| path.extension().is_some_and(|end| end == "sqlite3"));
        found.next().unwrap()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn uid(value: u32) -> Uid {
    Uid::new(value).unwrap()
}

fn date(second: i64) -> InternalDate {
    InternalDate::new(1_600_000_000 + second, 60)
}

fn inbox() -> MailboxName {
    MailboxName::from("INBOX")
}

/// UIDs with gaps, flags, and all numbers told.
fn listing(uids: impl IntoIterator<Item = u32>) -> MessageListing {
    let mut listing = MessageListing {
        uid_validity: 77,
        highest_modseq: u64::MAX - 5,
        mailbox_id: Some(b"F1".as_slice().into()),
        ..MessageListing::default()
    };
    for value in uids {
        let words: &[&[u8]] = if value % 3 == 0 { &[b"\\Seen", b"work"] } else { &[] };
        let flags = listing.flag_table.intern(words.iter().map(|word| Flag::new(word)).collect());
        let mut key = [1; 16];
        key[..4].copy_from_slice(&value.to_le_bytes());
        let (key, size) = (Key(key), value * 7);
        let date = date(i64::from(value));
        listing.push(Row { uid: uid(value), key, size, date, flags, selected: true });
        listing.uid_next = value + 1;
    }
    listing
}

fn keep(state: &State, side: Side, listing: &MessageListing) {
    state.keep(side, &KeyRule::default(), [(&inbox(), listing)]);
    assert_eq!(state.complaint(), None);
}

fn load(state: &State, side: Side) -> Option<MessageListing> {
    state.listing(side, &inbox(), &KeyRule::default())
}

#[track_caller]
fn assert_same(one: &MessageListing, other: &MessageListing) {
    assert_eq!(one.mark(), other.mark());
    assert_eq!((&one.uid, &one.key, &one.size), (&other.uid, &other.key, &other.size));
    assert_eq!(one.date, other.date);
    let flags = |of: &MessageListing| -> Vec<FlagSet> {
        of.flags.iter().map(|&flags| of.flag_table.set(flags).clone()).collect()
    };
    assert_eq!(flags(one), flags(other));
}

#[test]
fn a_listing_comes_back_in_another_run() {
    let folder = Folder::new();
    // More than one chunk, and the last one goes again.
    let long = listing((1..9000).chain([20_000, 4_000_000]));
    keep(&folder.open(), Side::Source, &long);
    assert_same(&load(&folder.open(), Side::Source).unwrap(), &long);
    assert!(load(&folder.open(), Side::Target).is_none(), "it is the source's");
    let short = listing((5..6).chain(8000..8500));
    keep(&folder.open(), Side::Source, &short);
    assert_same(&load(&folder.open(), Side::Source).unwrap(), &short);
    keep(&folder.open(), Side::Source, &listing([]));
    assert_eq!(load(&folder.open(), Side::Source).unwrap().len(), 0);
}

#[test]
fn another_uidvalidity_and_other_keys_leave_nothing() {
    let folder = Folder::new();
    let state = folder.open();
    keep(&state, Side::Source, &listing(1..20));
    let mut digests = Digests::default();
    digests.insert(uid(3), Digest([9; 16]));
    state.keep_digests(Side::Source, (&inbox(), 77), &[uid(3), uid(4)], &digests);
    assert_eq!(state.digests(Side::Source, &inbox(), 77).find(uid(3)), Some(Some(Digest([9; 16]))));
    assert_eq!(state.digests(Side::Source, &inbox(), 77).len(), 1);
    assert!(state.digests(Side::Source, &inbox(), 78).is_empty());

    let renumbered = MessageListing { uid_validity: 78, ..listing(1..3) };
    keep(&state, Side::Source, &renumbered);
    assert_same(&load(&state, Side::Source).unwrap(), &renumbered);
    assert!(state.digests(Side::Source, &inbox(), 78).is_empty());

    let rule = KeyRule { headers: Headers::All, ..KeyRule::default() };
    assert!(state.listing(Side::Source, &inbox(), &rule).is_none());
    state.keep(Side::Source, &rule, [(&inbox(), &renumbered)]);
    assert!(load(&state, Side::Source).is_none());
    assert!(state.listing(Side::Source, &inbox(), &rule).is_some());
}

#[test]
fn nothing_is_kept_that_no_uidvalidity_holds() {
    let folder = Folder::new();
    let state = folder.open();
    keep(&state, Side::Source, &MessageListing { uid_validity: 0, ..listing(1..3) });
    assert!(load(&state, Side::Source).is_none());
}

fn copies(pairs: &[(u32, u32)]) -> Vec<CopyMade> {
    let copy = |&(source, target): &(u32, u32)| CopyMade {
        source: uid(source),
        target: uid(target),
        date: date(i64::from(source)),
    };
    pairs.iter().map(copy).collect()
}

fn keep_copies(state: &State, source_validity: u32, target_validity: u32, pairs: &[(u32, u32)]) {
    let source = AsListed { mailbox: &inbox(), uid_validity: source_validity };
    let keys = KeyRule::default();
    state.keep_copies(source, (&inbox(), target_validity), &keys, &copies(pairs));
    assert_eq!(state.complaint(), None);
}

#[test]
fn copies_are_known_by_the_key_of_what_was_copied_and_nothing_else() {
    let folder = Folder::new();
    let state = folder.open();
    keep(&state, Side::Source, &listing(1..20));
    keep(&state, Side::Target, &listing(1..10));
    // UID 11 is somebody else's; 5 was listed and is what it was.
    keep_copies(&state, 77, 77, &[(12, 10), (13, 12), (14, 5), (99, 13)]);
    let target = load(&state, Side::Target).unwrap();
    let uids: Vec<u32> = target.uid.iter().map(|uid| uid.value()).collect();
    assert_eq!(uids, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 12]);
    let source = listing(1..20);
    assert_eq!(target.key[9..], [source.key[11], source.key[12]]);
    assert_eq!(target.key[4], source.key[4]);
    assert_eq!(target.size[9..], [SIZE_UNKNOWN; 2]);
    assert_eq!(target.date[9..], [date(12), date(13)]);
    assert!(target.flags[9..].iter().all(|&set| target.flag_table.set(set).is_empty()));
    assert_eq!(target.uid_next, 11, "what came between is not known");
    assert_eq!(target.highest_modseq, listing(1..10).highest_modseq);
}

#[test]
fn copies_into_a_new_mailbox_begin_at_its_first_uid() {
    let folder = Folder::new();
    let state = folder.open();
    keep(&state, Side::Source, &listing(1..20));
    keep(&state, Side::Target, &listing(1..10));
    keep_copies(&state, 77, 99, &[(3, 1), (4, 2), (5, 3), (6, 7)]);
    let target = load(&state, Side::Target).unwrap();
    assert_eq!((target.len(), target.uid_validity, target.uid_next), (4, 99, 4));
    assert_eq!(target.highest_modseq, 0);
}

/// Another run listed the source anew after this one did: its UIDs are of other messages.
#[test]
fn copies_of_another_uidvalidity_are_not_looked_up_in_this_one() {
    let folder = Folder::new();
    let state = folder.open();
    keep(&state, Side::Source, &MessageListing { uid_validity: 78, ..listing(1..20) });
    keep(&state, Side::Target, &listing(1..10));
    keep_copies(&state, 77, 77, &[(12, 10)]);
    assert_eq!(load(&state, Side::Target).unwrap().len(), 9);
}

/// Changes the database behind the back of whoever keeps it.
fn meddle(path: &Path, sql: &str) {
    Connection::open(path).unwrap().execute_batch(sql).unwrap();
}

#[test]
fn what_was_changed_by_other_hands_is_no_listing() {
    for sql in [
        "UPDATE mailbox SET highest_modseq = highest_modseq + 1000",
        "UPDATE mailbox SET uid_next = uid_next + 1",
        "UPDATE mailbox SET uid_validity = 78",
        "UPDATE mailbox SET name = CAST('Other' AS BLOB)",
        "UPDATE mailbox SET side = 2",
        "DELETE FROM chunk WHERE number = 1",
        "UPDATE chunk SET messages = zeroblob(40) WHERE number = 0",
        "UPDATE chunk SET messages = substr(messages, 1, length(messages) - 38) WHERE number = 2",
        "UPDATE chunk SET messages = (SELECT messages FROM chunk WHERE number = 2) WHERE number = 1",
        "UPDATE mailbox SET seal = zeroblob(16)",
        "UPDATE digest SET digest = zeroblob(16)",
        "UPDATE digest SET uid = 5",
    ] {
        let folder = Folder::new();
        let state = folder.open();
        keep(&state, Side::Source, &listing(1..10_000));
        let mut digests = Digests::default();
        digests.insert(uid(3), Digest([9; 16]));
        state.keep_digests(Side::Source, (&inbox(), 77), &[uid(3)], &digests);
        drop(state);
        meddle(&folder.database(), sql);
        let state = folder.open();
        if sql.contains("digest") {
            assert!(state.digests(Side::Source, &inbox(), 77).is_empty(), "{sql}");
            continue;
        }
        for (side, name) in
            [(Side::Source, "INBOX"), (Side::Target, "INBOX"), (Side::Source, "Other")]
        {
            let found = state.listing(side, &MailboxName::from(name), &KeyRule::default());
            assert!(found.is_none(), "{sql}");
        }
        // It heals.
        keep(&state, Side::Source, &listing(1..10));
        assert_same(&load(&state, Side::Source).unwrap(), &listing(1..10));
    }
}

#[test]
fn the_state_of_other_accounts_is_none_of_these() {
    let folder = Folder::new();
    keep(&folder.open(), Side::Source, &listing(1..20));
    let theirs = Folder::new();
    let open = || State::open(&theirs.0, "bob@a.example:993", "bob@b.example:993").unwrap();
    keep(&open(), Side::Source, &listing(1..3));
    std::fs::copy(folder.database(), theirs.database()).unwrap();
    let state = open();
    assert!(load(&state, Side::Source).is_none());
    keep(&state, Side::Source, &listing(1..5));
    drop(state);
    assert_same(&load(&open(), Side::Source).unwrap(), &listing(1..5));
}

#[test]
fn a_file_that_is_no_database_is_begun_anew() {
    for ruin in [&b"not a database at all"[..], &[0xff; 50_000], b""] {
        let folder = Folder::new();
        keep(&folder.open(), Side::Source, &listing(1..5000));
        std::fs::write(folder.database(), ruin).unwrap();
        let state = folder.open();
        assert!(load(&state, Side::Source).is_none());
        keep(&state, Side::Source, &listing(1..20));
        drop(state);
        assert_same(&load(&folder.open(), Side::Source).unwrap(), &listing(1..20));
    }
}

#[test]
fn a_database_that_lost_its_end_is_begun_anew() {
    let folder = Folder::new();
    keep(&folder.open(), Side::Source, &listing(1..50_000));
    let octets = std::fs::read(folder.database()).unwrap();
    for left in [octets.len() / 2, 5000, 4096, 100] {
        std::fs::write(folder.database(), &octets[..left]).unwrap();
        assert!(load(&folder.open(), Side::Source).is_none());
        // At the latest with the second run.
        drop(folder.open());
        keep(&folder.open(), Side::Source, &listing(1..20));
        assert_same(&load(&folder.open(), Side::Source).unwrap(), &listing(1..20));
    }
}

/// What shows on the way only is told, and mended by the next run.
#[test]
fn a_database_with_ruined_pages_is_told_of_and_begun_anew() {
    let folder = Folder::new();
    keep(&folder.open(), Side::Source, &listing(1..50_000));
    let mut octets = std::fs::read(folder.database()).unwrap();
    // Behind the pages that are read on opening.
    octets[65_536..].fill(0xff);
    std::fs::write(folder.database(), octets).unwrap();
    let state = folder.open();
    assert!(load(&state, Side::Source).is_none());
    assert!(state.complaint().is_some());
    drop(state);
    let state = folder.open();
    keep(&state, Side::Source, &listing(1..20));
    drop(state);
    assert_same(&load(&folder.open(), Side::Source).unwrap(), &listing(1..20));
}

/// A database that another run has open is not removed under its feet.
#[test]
fn a_database_is_begun_anew_only_by_whoever_is_alone_with_it() {
    let folder = Folder::new();
    let first = folder.open();
    keep(&first, Side::Source, &listing(1..20));
    meddle(&folder.database(), "PRAGMA user_version = 999");
    assert!(State::open(&folder.0, "ann@a.example:993", "ann@b.example:993").is_err());
    assert_same(&load(&first, Side::Source).unwrap(), &listing(1..20));
    drop(first);
    let state = folder.open();
    assert!(load(&state, Side::Source).is_none());
    keep(&state, Side::Source, &listing(1..20));
}

#[test]
fn twenty_runs_at_once_keep_what_they_learnt() {
    let folder = Folder::new();
    std::thread::scope(|scope| {
        for run in 0..20_u32 {
            let folder = &folder;
            scope.spawn(move || {
                let state = folder.open();
                let name = MailboxName::from(format!("box {run}").as_str());
                let keys = KeyRule::default();
                for round in 1..4 {
                    let listing = listing(1..run * 10 + round);
                    state.keep(Side::Target, &keys, [(&name, &listing)]);
                    assert_same(&state.listing(Side::Target, &name, &keys).unwrap(), &listing);
                    keep_copies(&state, 77, 77, &[]);
                }
                assert_eq!(state.complaint(), None);
            });
        }
    });
    let state = folder.open();
    for run in 0..20_u32 {
        let name = MailboxName::from(format!("box {run}").as_str());
        let known = state.listing(Side::Target, &name, &KeyRule::default()).unwrap();
        assert_same(&known, &listing(1..run * 10 + 3));
    }
}

#[cfg(unix)]
#[test]
fn nobody_else_can_read_it() {
    use std::os::unix::fs::PermissionsExt;
    let folder = Folder::new();
    let state = folder.open();
    keep(&state, Side::Source, &listing(1..20));
    for entry in std::fs::read_dir(&folder.0).unwrap() {
        let path = entry.unwrap().path();
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{}", path.display());
    }
}

#[test]
fn a_run_that_was_killed_while_it_copied_is_known_once_and_only_to_whoever_is_alone() {
    let folder = Folder::new();
    let open = || folder.open();
    let first = open();
    assert!(!first.was_killed());
    first.begin_copying();
    let beside = open();
    assert!(!beside.was_killed(), "the other one is alive");
    drop((first, beside));
    let next = open();
    assert!(next.was_killed());
    drop(next);
    let next = open();
    assert!(next.was_killed(), "nobody has waited for it yet");
    next.forget_killed();
    assert!(!next.was_killed(), "it is waited for once");
    next.begin_copying();
    next.end_copying();
    drop(next);
    assert!(!open().was_killed());
}

#![allow(clippy::unwrap_used)]

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use mailferry_engine::fault::{Fault, FaultKind, Side};
use mailferry_engine::message::{Flag, FlagSet, InternalDate};
use tempfile::TempDir;

use super::disk::Output;
use super::*;

fn origin(mailbox: &[u8], uid: u32) -> Origin {
    Origin {
        mailbox: MailboxName::new(mailbox),
        uid_validity: 1_400_000_000,
        uid: Uid::new(uid).unwrap(),
    }
}

fn record() -> Record {
    let fault = Fault::new(Side::Target, FaultKind::Append, "BAD Command Argument Error. 11\x1b");
    Record {
        target: MailboxName::new(&b"Archiv \xff\\"[..]),
        flags: [&b"\\Seen"[..], b"work", b"caf\xe9"].into_iter().map(Flag::new).collect(),
        date: InternalDate::new(-2_208_988_800, 90),
        kept_at: 1_700_000_000,
        attempts: vec![
            Attempt::new(None, &fault),
            Attempt::new(Some("drop-flags (work)".to_owned()), &fault),
        ],
        ended: "steps".to_owned(),
    }
}

fn folder(inside: &TempDir) -> PathBuf {
    inside.path().join("a/quarantine")
}

fn open(inside: &TempDir) -> Quarantine {
    Quarantine::open(&folder(inside), QuarantineLimits::default()).unwrap()
}

fn keep(
    quarantine: &Quarantine,
    origin: Origin,
    chunks: &[&[u8]],
) -> Result<Kept, QuarantineError> {
    let mut writing = quarantine.begin(origin)?;
    for chunk in chunks {
        writing.push(chunk)?;
    }
    writing.finish(&record())
}

fn octets(kept: &Kept) -> Result<Vec<u8>, QuarantineError> {
    let mut message = kept.open()?;
    let mut octets = vec![0; 7];
    let mut all = Vec::new();
    loop {
        let read = message.read(&mut octets)?;
        if read == 0 {
            assert_eq!(all.len() as u64, message.octets());
            return Ok(all);
        }
        all.extend_from_slice(&octets[..read]);
    }
}

fn names(quarantine: &Quarantine) -> Vec<String> {
    let entries = fs::read_dir(quarantine.folder()).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn a_message_comes_back_as_it_was_with_what_is_known_of_it() {
    let inside = tempfile::tempdir().unwrap();
    let message = [&b"Subject: a\0\r\n\r\n"[..], b"", b"\xff\r", b"\n."];
    let kept = keep(&open(&inside), origin(b"Archive/2019", 4711), &message).unwrap();
    let again = open(&inside).list().unwrap();
    let [Ok(read)] = &again[..] else { panic!("{again:?}") };
    assert_eq!(read, &kept);
    assert_eq!(octets(read).unwrap(), message.concat());
    assert_eq!(read.metadata().origin(), Some(origin(b"Archive/2019", 4711)));
    assert_eq!(read.metadata().record(), Some(record()));
    assert_eq!(read.metadata().octets, 19);
    assert_eq!(read.metadata().attempts[1].words, "BAD Command Argument Error. 11\\u{1b}");
}

/// RFC 6234 §8.5: SHA-256 of `abc`.
#[test]
fn the_sum_is_sha_256() {
    let inside = tempfile::tempdir().unwrap();
    let kept = keep(&open(&inside), origin(b"a", 1), &[b"ab", b"c"]).unwrap();
    let expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    assert_eq!(kept.metadata().sha256, expected);
}

#[test]
fn nobody_else_may_read_it() {
    let inside = tempfile::tempdir().unwrap();
    let quarantine = open(&inside);
    let kept = keep(&quarantine, origin(b"a", 1), &[b"x"]).unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o7777;
    assert_eq!(mode(quarantine.folder()), 0o700);
    assert_eq!(mode(quarantine.folder().parent().unwrap()), 0o700);
    assert_eq!(mode(kept.path()), 0o600);
    assert_eq!(mode(&kept.path().with_extension("json")), 0o600);
    fs::set_permissions(quarantine.folder(), fs::Permissions::from_mode(0o750)).unwrap();
    let refused = Quarantine::open(quarantine.folder(), QuarantineLimits::default());
    assert!(matches!(refused, Err(QuarantineError::NotPrivate { mode: 0o750, .. })), "{refused:?}");
}

#[test]
fn no_mailbox_name_leads_out_of_the_folder() {
    let inside = tempfile::tempdir().unwrap();
    let quarantine = open(&inside);
    let hostile: [&[u8]; 12] = [
        b"../../etc/passwd",
        b"/etc/passwd",
        b"..",
        b".",
        b"",
        b"-rf",
        b"a\0b",
        b"a\nb",
        b"C:\\CON",
        b"\xff\xfe",
        b"a/b",
        b"a-b",
    ];
    for name in hostile {
        let kept = keep(&quarantine, origin(name, 7), &[name]).unwrap();
        assert_eq!(kept.path().parent(), Some(quarantine.folder()));
    }
    let long = [b'l'; 5000];
    keep(&quarantine, origin(&long, 7), &[&long]).unwrap();
    let plain = |name: &String| {
        let mut octets = name.bytes();
        name.len() < 120
            && name.as_bytes()[0].is_ascii_alphanumeric()
            && octets.all(|octet| octet.is_ascii_alphanumeric() || b"-.".contains(&octet))
    };
    let names = names(&quarantine);
    assert_eq!(names.len(), 2 * (hostile.len() + 1));
    assert!(names.iter().all(plain), "{names:?}");
    let again = quarantine.list().unwrap();
    assert_eq!(again.len(), hostile.len() + 1);
    for kept in again {
        let kept = kept.unwrap();
        assert_eq!(octets(&kept).unwrap(), kept.metadata().origin().unwrap().mailbox.as_bytes());
    }
}

#[test]
fn a_message_kept_again_takes_the_place_of_the_first() {
    let inside = tempfile::tempdir().unwrap();
    let limits = QuarantineLimits { messages_max: 2, octets_max: 100 };
    let quarantine = Quarantine::open(&folder(&inside), limits).unwrap();
    for _ in 0..5 {
        keep(&quarantine, origin(b"a", 1), &[&[b'x'; 50]]).unwrap();
    }
    assert_eq!(names(&quarantine).len(), 2);
    keep(&quarantine, origin(b"a", 2), &[&[b'x'; 50]]).unwrap();
    let released = quarantine.list().unwrap().remove(0).unwrap();
    quarantine.release(&released).unwrap();
    keep(&quarantine, origin(b"a", 3), &[&[b'x'; 50]]).unwrap();
    assert_eq!(quarantine.list().unwrap().len(), 2);
}

#[test]
fn limits_have_names_and_leave_nothing_behind() {
    let inside = tempfile::tempdir().unwrap();
    let limits = QuarantineLimits { messages_max: 1, octets_max: 10 };
    let quarantine = Quarantine::open(&folder(&inside), limits).unwrap();
    let too_long = keep(&quarantine, origin(b"a", 1), &[b"12345", b"678901"]);
    let Err(QuarantineError::Limit { what, limit: 10, .. }) = too_long else { panic!() };
    assert_eq!(what, "octets in the quarantine");
    assert_eq!(names(&quarantine), Vec::<String>::new());
    keep(&quarantine, origin(b"a", 1), &[b"1234567890"]).unwrap();
    let too_many = keep(&quarantine, origin(b"a", 2), &[]);
    let Err(QuarantineError::Limit { what, limit: 1, .. }) = too_many else { panic!() };
    assert_eq!(what, "messages in the quarantine");
    let less = QuarantineLimits { messages_max: 1, octets_max: 9 };
    let reopened = Quarantine::open(&folder(&inside), less);
    assert!(matches!(reopened, Err(QuarantineError::Limit { limit: 9, .. })));
    let flags: FlagSet =
        (0..3000).map(|n| Flag::new(format!("{n}{}", "k".repeat(400)).as_bytes())).collect();
    quarantine.release(&quarantine.list().unwrap().remove(0).unwrap()).unwrap();
    let writing = quarantine.begin(origin(b"a", 1)).unwrap();
    let refused = writing.finish(&Record { flags, ..record() });
    assert!(matches!(refused, Err(QuarantineError::Limit { .. })), "{refused:?}");
    assert_eq!(names(&quarantine), Vec::<String>::new());
}

#[test]
fn a_message_of_which_octets_are_missing_is_not_kept() {
    let inside = tempfile::tempdir().unwrap();
    let limits = QuarantineLimits { messages_max: 1, octets_max: 10 };
    let quarantine = Quarantine::open(&folder(&inside), limits).unwrap();
    let mut writing = quarantine.begin(origin(b"a", 1)).unwrap();
    writing.push(b"12345678").unwrap();
    writing.push(b"901").unwrap_err();
    writing.push(b"9").unwrap();
    assert!(matches!(writing.finish(&record()), Err(QuarantineError::Write { .. })));
    assert_eq!(names(&quarantine), Vec::<String>::new());
    assert_eq!(quarantine.octets.load(Ordering::Relaxed), 0);
}

#[test]
fn what_is_dropped_halfway_leaves_nothing_behind() {
    let inside = tempfile::tempdir().unwrap();
    let limits = QuarantineLimits { messages_max: 1, octets_max: 10 };
    let quarantine = Quarantine::open(&folder(&inside), limits).unwrap();
    for _ in 0..3 {
        let mut writing = quarantine.begin(origin(b"a", 1)).unwrap();
        writing.push(b"12345678").unwrap();
        assert_eq!(names(&quarantine).len(), 1);
        assert_eq!(quarantine.list().unwrap().len(), 0);
        drop(writing);
    }
    assert_eq!(names(&quarantine), Vec::<String>::new());
}

#[test]
fn what_was_changed_since_is_not_taken_for_the_message() {
    let inside = tempfile::tempdir().unwrap();
    let quarantine = open(&inside);
    for (uid, other) in [(1, &b"abd"[..]), (2, b"abcd"), (3, b"")] {
        let kept = keep(&quarantine, origin(b"a", uid), &[b"abc"]).unwrap();
        fs::write(kept.path(), other).unwrap();
        assert!(matches!(kept.open(), Err(QuarantineError::Altered { .. })));
    }
    let gone = keep(&quarantine, origin(b"a", 4), &[b"abc"]).unwrap();
    fs::remove_file(gone.path()).unwrap();
    assert!(matches!(gone.open(), Err(QuarantineError::Read { .. })));
}

#[test]
fn what_cannot_be_read_is_told_and_hides_nothing_else() {
    let inside = tempfile::tempdir().unwrap();
    let quarantine = open(&inside);
    let kept = keep(&quarantine, origin(b"a", 1), &[b"abc"]).unwrap();
    let text = fs::read_to_string(kept.path().with_extension("json")).unwrap();
    let put = |name: &str, text: &str| fs::write(quarantine.folder().join(name), text).unwrap();
    put("b1.json", "not json");
    put("b2.json", &text.replace("\"version\": 1", "\"version\": 2"));
    put("b3.json", &text.replace("\"uid\": 1", "\"uid\": 0"));
    put("b4.json", &text.replace("Archiv", "Archiv\\\\q"));
    put("b5.json", &text);
    put("b6.json", &" ".repeat(2 << 20));
    put("orphan.eml", "a message of a run that was killed");
    put("something.tmp", "");
    let listed = quarantine.list().unwrap();
    assert_eq!(listed.len(), 7);
    assert_eq!(listed[0].as_ref().unwrap(), &kept);
    for not_understood in &listed[1..6] {
        assert!(
            matches!(not_understood, Err(QuarantineError::NotUnderstood { .. })),
            "{not_understood:?}"
        );
    }
    assert!(matches!(listed[6], Err(QuarantineError::Limit { .. })));
}

#[test]
fn a_folder_that_cannot_be_written_is_told() {
    let inside = tempfile::tempdir().unwrap();
    let quarantine = open(&inside);
    fs::set_permissions(quarantine.folder(), fs::Permissions::from_mode(0o500)).unwrap();
    let outcome = keep(&quarantine, origin(b"a", 1), &[b"abc"]);
    fs::set_permissions(quarantine.folder(), fs::Permissions::from_mode(0o700)).unwrap();
    match outcome {
        Err(QuarantineError::Write { error, .. }) => {
            assert_eq!(error.kind(), io::ErrorKind::PermissionDenied);
        }
        // Nothing is forbidden to root.
        Ok(kept) => assert_eq!(octets(&kept).unwrap(), b"abc"),
        other => panic!("{other:?}"),
    }
    fs::write(inside.path().join("file"), "").unwrap();
    let below_a_file = inside.path().join("file/quarantine");
    let refused = Quarantine::open(&below_a_file, QuarantineLimits::default());
    assert!(matches!(refused, Err(QuarantineError::Folder { .. })), "{refused:?}");
}

/// A disk that fails at its n-th step with a given error.
#[derive(Debug)]
struct Failing {
    kind: io::ErrorKind,
    steps_left: Arc<AtomicUsize>,
}

struct FailingOutput {
    output: Box<dyn Output>,
    kind: io::ErrorKind,
    steps_left: Arc<AtomicUsize>,
}

fn step(steps_left: &AtomicUsize, kind: io::ErrorKind) -> io::Result<()> {
    let before = steps_left
        .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| Some(left.saturating_sub(1)));
    if before == Ok(0) { Err(kind.into()) } else { Ok(()) }
}

impl Disk for Failing {
    fn create(&self, path: &Path) -> io::Result<Box<dyn Output>> {
        step(&self.steps_left, self.kind)?;
        let output = System.create(path)?;
        let steps_left = self.steps_left.clone();
        Ok(Box::new(FailingOutput { output, kind: self.kind, steps_left }))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        step(&self.steps_left, self.kind)?;
        System.rename(from, to)
    }

    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        step(&self.steps_left, self.kind)?;
        System.sync_folder(folder)
    }
}

impl Write for FailingOutput {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        if let Err(error) = step(&self.steps_left, self.kind) {
            // A full disk takes some octets first.
            self.output.write_all(&octets[..octets.len() / 2])?;
            return Err(error);
        }
        self.output.write(octets)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.output.flush()
    }
}

impl Output for FailingOutput {
    fn sync(&self) -> io::Result<()> {
        step(&self.steps_left, self.kind)?;
        self.output.sync()
    }
}

/// The disk fails at every step in turn: the message is kept whole and verified, or it is told
/// that it is not; nothing half written is ever listed, and room is given back.
#[test]
fn wherever_the_disk_fails_it_is_told_and_nothing_half_written_is_listed() {
    let mut outcomes = Vec::new();
    for fails_at in 0..20 {
        let inside = tempfile::tempdir().unwrap();
        let steps_left = Arc::new(AtomicUsize::new(usize::MAX));
        let kind = io::ErrorKind::StorageFull;
        let disk = Box::new(Failing { kind, steps_left: steps_left.clone() });
        let limits = QuarantineLimits { messages_max: 3, octets_max: 14 };
        let quarantine = Quarantine::open_on(&folder(&inside), limits, disk).unwrap();
        keep(&quarantine, origin(b"other", 9), &[b"xy"]).unwrap();
        steps_left.store(fails_at, Ordering::Relaxed);
        let outcome = keep(&quarantine, origin(b"a", 1), &[b"abc", b"def"]);
        let listed: Vec<Vec<u8>> = quarantine
            .list()
            .unwrap()
            .iter()
            .map(|kept| octets(kept.as_ref().unwrap()).unwrap())
            .collect();
        let temporary = names(&quarantine).iter().filter(|name| name.ends_with(".tmp")).count();
        assert_eq!(temporary, 0, "{:?}", names(&quarantine));
        match &outcome {
            Ok(_) => assert_eq!(listed, [&b"abcdef"[..], b"xy"]),
            Err(QuarantineError::DiskFull { .. }) => {
                assert!(listed.iter().any(|message| message == b"xy"));
                assert!(listed.iter().all(|message| message == b"xy" || message == b"abcdef"));
            }
            Err(other) => panic!("{other}"),
        }
        outcomes.push(outcome.is_ok());
        // Once there is room again, the same message finds its place.
        steps_left.store(usize::MAX, Ordering::Relaxed);
        keep(&quarantine, origin(b"a", 1), &[b"abc", b"def"]).unwrap();
        assert_eq!(quarantine.list().unwrap().len(), 2);
        assert_eq!(quarantine.messages.load(Ordering::Relaxed), 2);
        assert_eq!(quarantine.octets.load(Ordering::Relaxed), 8);
    }
    let steps = outcomes.iter().filter(|ok| !**ok).count();
    assert!((8..20).contains(&steps) && outcomes.is_sorted(), "{outcomes:?}");
}

#[test]
fn an_error_that_is_no_full_disk_is_told_as_what_it_is() {
    let inside = tempfile::tempdir().unwrap();
    let steps_left = Arc::new(AtomicUsize::new(1));
    let disk = Box::new(Failing { kind: io::ErrorKind::PermissionDenied, steps_left });
    let limits = QuarantineLimits::default();
    let quarantine = Quarantine::open_on(&folder(&inside), limits, disk).unwrap();
    let failed = keep(&quarantine, origin(b"a", 1), &[b"abc"]);
    assert!(matches!(failed, Err(QuarantineError::Write { .. })), "{failed:?}");
    assert_eq!(names(&quarantine), Vec::<String>::new());
}

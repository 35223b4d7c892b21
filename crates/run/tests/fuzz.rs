//! Local files with any octets in them, and any names: what is kept comes back as it was or not at
//! all, and nothing leads out of its folder. `FUZZ_SECONDS` says for how long
//! (`mailferry_testkit::fuzz`).

#![allow(clippy::unwrap_used)]

use std::path::Path;

use mailferry_engine::fault::Side;
use mailferry_engine::identity::KeyRule;
use mailferry_engine::listing::{MessageListing, Row};
use mailferry_engine::message::{Digest, Flag, FlagSet, InternalDate, Key, Uid};
use mailferry_engine::name::MailboxName;
use mailferry_engine::pairing::Digests;
use mailferry_run::quarantine::{Attempt, Origin, Quarantine, QuarantineLimits, Record};
use mailferry_run::state::State;
use mailferry_testkit::fuzz::{Grammar, INPUTS_MIN, hunt, shape};

fn open(folder: &Path) -> Option<State> {
    State::open(folder, "ann@a.example:993", "ann@b.example:993").ok()
}

fn listing() -> MessageListing {
    let mut listing = MessageListing { uid_validity: 77, ..MessageListing::default() };
    for value in 1..300 {
        let words: &[&[u8]] = if value % 3 == 0 { &[b"\\Seen", b"work"] } else { &[] };
        let flags = listing.flag_table.intern(words.iter().map(|word| Flag::new(word)).collect());
        let uid = Uid::new(value).unwrap();
        let (key, date) = (Key([value as u8; 16]), InternalDate::new(i64::from(value), 60));
        listing.push(Row { uid, key, size: value * 7, date, flags, selected: true });
        listing.uid_next = value + 1;
    }
    listing
}

fn keep(state: &State) {
    let mailbox = MailboxName::from("INBOX");
    state.keep(Side::Source, &KeyRule::default(), [(&mailbox, &listing())]);
    let mut digests = Digests::default();
    let uid = Uid::new(3).unwrap();
    digests.insert(uid, Digest([9; 16]));
    state.keep_digests(Side::Source, (&mailbox, 77), &[uid], &digests);
}

/// What was kept, if that is what comes back; nothing else may.
fn load(state: &State) -> bool {
    let mailbox = MailboxName::from("INBOX");
    let digests = state.digests(Side::Source, &mailbox, 77);
    for uid in listing().uid {
        let found = digests.find(uid).flatten();
        assert!(found.is_none_or(|found| uid.value() == 3 && found == Digest([9; 16])));
    }
    let Some(found) = state.listing(Side::Source, &mailbox, &KeyRule::default()) else {
        return false;
    };
    let kept = listing();
    assert_eq!(found.mark(), kept.mark());
    assert_eq!((&found.uid, &found.key, &found.size), (&kept.uid, &kept.key, &kept.size));
    assert_eq!(found.date, kept.date);
    true
}

/// Does to a file what these octets say: three for a place, one for what, one for how much.
fn ruin(file: &[u8], edits: &[u8]) -> Vec<u8> {
    let mut octets = file.to_vec();
    for edit in edits.chunks_exact(5) {
        let at = usize::from(edit[0]) << 16 | usize::from(edit[1]) << 8 | usize::from(edit[2]);
        let at = at % octets.len().max(1);
        let end = (at + usize::from(edit[4]) + 1).min(octets.len());
        match edit[3] % 6 {
            0 => octets.truncate(at),
            1 => octets[at..end].fill(0),
            2 => octets[at..end].fill(0xff),
            3 => octets.extend_from_within(at..end),
            // Small numbers in the head of a page steer most.
            4 => {
                let head = at / 4096 * 4096 + usize::from(edit[4]) % 100;
                octets.get_mut(head).into_iter().for_each(|octet| *octet ^= 1);
            }
            _ => octets[at..end].iter_mut().for_each(|octet| *octet = octet.wrapping_add(edit[4])),
        }
        if octets.is_empty() {
            break;
        }
    }
    octets
}

const EDITS: Grammar = Grammar {
    words: &[
        b"\0\0\x10\x05\x01",
        b"\0\0\0\x02\x10",
        b"\0\x10\0\x04\x03",
        b"\0\x20\0\x04\x01",
        b"\0\x30\x08\x01\xff",
    ],
};

#[test]
fn no_octets_in_a_state_file_panic_or_are_taken_for_what_was_kept() {
    let pristine = tempfile::tempdir().unwrap();
    keep(&open(pristine.path()).unwrap());
    let paths = std::fs::read_dir(pristine.path()).unwrap().map(|entry| entry.unwrap().path());
    let database =
        paths.into_iter().find(|path| path.extension().is_some_and(|end| end == "sqlite3"));
    let database = database.unwrap();
    let octets = std::fs::read(&database).unwrap();
    let name = database.file_name().unwrap().to_owned();
    let seeds = vec![
        b"\0\0\x10\x05\x01".to_vec(),
        b"\0\x10\0\x04\x03\0\x20\0\x04\x01".to_vec(),
        Vec::new(),
    ];
    let inputs = hunt("state", seeds, EDITS, move |edits| {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(&name);
        let ruined = ruin(&octets, edits);
        std::fs::write(&path, &ruined).unwrap();
        if edits.last().is_some_and(|last| last % 2 == 1) {
            // A log beside it that is none of its own.
            std::fs::write(path.with_extension("sqlite3-wal"), ruined).unwrap();
        }
        let mut story = Vec::new();
        for _ in 0..3 {
            let state = open(folder.path());
            story.push(state.as_ref().is_some_and(load));
            if let Some(state) = state {
                keep(&state);
                story.push(state.complaint().is_some());
            }
        }
        // Whoever is alone with it begins anew: it heals.
        assert!(load(&open(folder.path()).unwrap()), "{story:?}");
        shape(&(story.iter().map(|it| if *it { 'Y' } else { 'N' }).collect::<String>()))
    });
    assert!(inputs >= INPUTS_MIN);
}

const NAMES: Grammar = Grammar {
    words: &[
        b"/", b"..", b"../", b"\\", b"C:", b"\0", b"\n", b"-", b".", b"CON", b"nul", b"~", b"\xff", b"&AOk-",
        b"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    ],
};

#[test]
fn no_name_leads_out_of_the_quarantine_and_no_text_acts_on_a_terminal() {
    let seeds = ["INBOX", "../../etc/passwd", "/etc", "a\x1b[2J", "Ordner/\u{202e}x"];
    let seeds = seeds.map(|name| name.as_bytes().to_vec()).to_vec();
    let inputs = hunt("quarantine", seeds, NAMES, |name| {
        let outside = tempfile::tempdir().unwrap();
        let folder = outside.path().join("q");
        let quarantine = Quarantine::open(&folder, QuarantineLimits::default()).unwrap();
        let mailbox = MailboxName::new(name);
        let origin =
            Origin { mailbox: mailbox.clone(), uid_validity: 1, uid: Uid::new(7).unwrap() };
        let words = String::from_utf8_lossy(name).into_owned();
        let fault = mailferry_engine::fault::Fault::new(
            Side::Target,
            mailferry_engine::fault::FaultKind::Append,
            words.clone(),
        );
        let record = Record {
            target: mailbox.clone(),
            flags: (!name.is_empty()).then(|| Flag::new(name)).into_iter().collect::<FlagSet>(),
            date: InternalDate::new(5, 0),
            kept_at: 9,
            attempts: vec![Attempt::new(None, &fault)],
            ended: words,
        };
        let mut writing = quarantine.begin(origin.clone()).unwrap();
        writing.push(name).unwrap();
        let kept = writing.finish(&record).unwrap();
        assert_eq!(kept.path().parent(), Some(&*folder));
        assert_eq!(std::fs::read_dir(outside.path()).unwrap().count(), 1);
        assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 2);
        let text = std::fs::read_to_string(kept.path().with_extension("json")).unwrap();
        assert!(!text.contains(|letter: char| letter.is_control() && letter != '\n'), "{text:?}");
        assert!(!text.contains(['\u{202e}', '\u{2066}']), "{text:?}");
        let listed = quarantine.list().unwrap();
        let [Ok(read)] = &listed[..] else { panic!("{listed:?}") };
        assert_eq!(read.metadata().origin(), Some(origin));
        assert_eq!(read.metadata().record().map(|it| it.target), Some(mailbox));
        shape(&text)
    });
    assert!(inputs >= INPUTS_MIN);
}

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
use mailferry_run::past::Past;
use mailferry_run::quarantine::{Attempt, Origin, Quarantine, QuarantineLimits, Record};
use mailferry_run::receipt::{Folder, MESSAGES_MAX, Others, ReadReceipt, ReceiptError, RunId};
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

const RUN: &str = "20261126-185700-1f3a9c";
const LATER: &str = "20261127-185700-1f3a9c";

/// Every kind of line there is, as a run writes it.
const LINES: [&str; 40] = [
    r#"{"receipt":{"version":1,"run":"20261126-185700-1f3a9c","program":"p","began":1795719420,"source":"u@a:143","target":"u@b:143"}}"#,
    r#"{"mailbox":{"m":0,"source":"INBOX","target":"INBOX","source_uid_validity":7,"target_uid_validity":9,"listed":20,"unchanged":null}}"#,
    r#"{"copy":{"m":0,"uids":"1:6"}}"#,
    r#"{"present":{"m":0,"uids":"7:9=107,12=130"}}"#,
    r#"{"update-flags":{"m":0,"uids":"13=131"}}"#,
    r#"{"skip":{"m":0,"why":"too-big","limit":10,"uids":"14:16"}}"#,
    r#"{"problem":{"m":0,"kind":"fetch","words":"w","uids":"17,20"}}"#,
    r#"{"remove":{"m":0,"why":"absent","uids":"200:209"}}"#,
    r#"{"mailbox":{"m":1,"source":"Old","target":"Old","source_uid_validity":3,"target_uid_validity":0,"listed":2,"unchanged":{"as_in":"20261126-185700-1f3a9c","digest":"00","tally":{"listed":2,"copied":0,"present":2,"skipped":0,"failed":0,"expunged":0,"not_started":0,"unknown":0}}}}"#,
    r#"{"mailbox":{"m":2,"source":"New","target":"New","source_uid_validity":3,"target_uid_validity":0,"listed":1,"unchanged":null}}"#,
    r#"{"copy":{"m":2,"uids":"1"}}"#,
    r#"{"delete-mailbox":{"mailbox":"Gone","messages":3}}"#,
    r#"{"prune-mailbox":{"mailbox":"Backup/2026-01-01","messages":null}}"#,
    r#"{"created":{"mailbox":"New"}}"#,
    r#"{"sent":{"m":0,"uid":1,"octets":99,"id":"<1@x>","subject":"s"}}"#,
    r#"{"copied":{"m":0,"uid":1,"target":140}}"#,
    r#"{"sent":{"m":0,"uid":3,"octets":99,"id":"","subject":""}}"#,
    r#"{"left-out":{"m":0,"uid":2,"rule":"r"}}"#,
    r#"{"failed":{"m":0,"uid":4,"kind":"append","words":"no"}}"#,
    r#"{"failed":{"m":0,"uid":5,"kind":"expunged","words":"gone"}}"#,
    r#"{"flags":{"m":0,"uid":131,"before":[],"after":["\\\\Seen","w"]}}"#,
    r#"{"flags-failed":{"m":0,"uid":107,"words":"no"}}"#,
    r#"{"labels":{"m":0,"uid":107,"added":["Work"],"taken":[]}}"#,
    r#"{"repaired":{"m":0,"uid":1,"steps":["set-date"]}}"#,
    r#"{"kept-aside":{"m":0,"uid":4,"path":"/q/x.eml"}}"#,
    r#"{"removed":{"m":0,"uid":200}}"#,
    r#"{"remove-failed":{"m":0,"uid":201,"words":"no"}}"#,
    r#"{"double-removed":{"m":0,"uid":300}}"#,
    r#"{"source-removed":{"m":0,"uid":7}}"#,
    r#"{"move-from":{"f":0,"mailbox":"INBOX","uid_validity":9,"to":"Backup/2026-11-26"}}"#,
    r#"{"moving":{"f":0,"uid":202,"key":"000102030405060708090a0b0c0d0e0f","octets":9,"date":5}}"#,
    r#"{"moved":{"f":0,"uid":202,"target":4,"uid_validity":8}}"#,
    r#"{"mailbox-deleted":{"mailbox":"Gone"}}"#,
    r#"{"pruned":{"mailbox":"Backup/2026-01-01"}}"#,
    r#"{"target-uid-validity":{"m":2,"uid_validity":4}}"#,
    r#"{"removals-again":{"m":0}}"#,
    r#"{"again":{"m":2,"source_uid_validity":3,"target_uid_validity":4,"listed":0}}"#,
    r#"{"fault":{"kind":"limit","mailbox":null,"words":"w"}}"#,
    r#"{"standing":{"source":"Old","target":"Old","source_uid_validity":3,"target_uid_validity":1,"digest":"00","in_run":"20261126-185700-1f3a9c"}}"#,
    r#"{"end":{"ended":1795719430,"complete":false,"tally":{"listed":20,"copied":1,"present":5,"skipped":4,"failed":3,"expunged":1,"not_started":6,"unknown":0},"flags_updated":1,"deleted":1,"moved":1,"standing_at":0}}"#,
];

const RECEIPTS: Grammar = Grammar {
    words: &[
        b"1:4294967295",
        b"1:4294967295=1",
        b"5=4294967295",
        b"\"listed\":18446744073709551615",
        b"\"m\":0",
        b"\"m\":1",
        b"\"f\":4294967295",
        b"{\"again\":{\"m\":1,\"source_uid_validity\":3,\"target_uid_validity\":9,\"listed\":9}}\n",
        b"{\"copied\":{\"m\":0,\"uid\":8,\"target\":0}}\n",
        b"{\"sent\":{\"m\":0,\"uid\":8,\"octets\":1,\"id\":\"\",\"subject\":\"\"}}\n",
        b"{\"remove\":{\"m\":2,\"why\":\"duplicate\",\"uids\":\"1:9\"}}\n",
        b"\\u0000",
        b"null",
        b"\n",
    ],
};

/// These lines under a seal that fits, as the receipts of two runs.
fn receipts(lines: &[u8]) -> (tempfile::TempDir, Folder) {
    let mut octets = lines.to_vec();
    if octets.last() != Some(&b'\n') {
        octets.push(b'\n');
    }
    let seal = format!("{{\"seal\":\"{}\"}}\n", blake3::hash(&octets).to_hex());
    octets.extend(seal.into_bytes());
    let place = tempfile::tempdir().unwrap();
    for run in [RUN, LATER] {
        std::fs::write(place.path().join(format!("{run}.receipt")), &octets).unwrap();
    }
    let folder = Folder::new(place.path().to_owned());
    (place, folder)
}

fn read(folder: &Folder) -> Result<ReadReceipt, ReceiptError> {
    folder.read(&RunId::parse(RUN).unwrap())
}

/// Everything that is told of a receipt, as far as there is little of it.
fn tell(folder: &Folder, receipt: &ReadReceipt) -> String {
    let (mut fates, mut others) = (Vec::new(), Others::new(folder));
    for (at, part) in receipt.parts.iter().enumerate() {
        if part.tally().listed < 10_000 {
            let told = receipt.messages(at, &mut others, &mut |message| {
                fates.push((message.fate, message.target.is_some(), message.repaired.len()));
            });
            fates.extend(told.is_err().then_some((
                mailferry_run::receipt::Fate::Unknown,
                false,
                0,
            )));
        }
    }
    fates.dedup();
    let mut gone: Vec<_> = receipt.removals().take(1000).map(|removal| removal.fate).collect();
    gone.dedup();
    let moved = receipt.departures.iter().map(|departures| departures.messages.len());
    format!("{:?}{fates:?}{gone:?}{:?}", receipt.finish, moved.collect::<Vec<_>>())
}

#[test]
fn no_octets_in_a_receipt_panic_or_take_more_memory_than_they_are() {
    let good = LINES.join("\n");
    let (_place, folder) = receipts(good.as_bytes());
    let receipt = read(&folder).unwrap();
    let told = [receipt.parts[0].tally().listed, receipt.tally().copied, receipt.tally().skipped];
    assert_eq!(told, [16, 1, 4], "{receipt:?}");
    assert_eq!(receipt.removals().count(), 1, "all others were planned again");
    let begin = LINES[..8].join("\n");
    let seeds = vec![good.into_bytes(), begin.into_bytes()];
    let inputs = hunt("receipts", seeds, RECEIPTS, |lines| {
        let (_place, folder) = receipts(lines);
        let made = match read(&folder) {
            Ok(receipt) => tell(&folder, &receipt),
            Err(ReceiptError::Altered { .. }) => "A".to_owned(),
            Err(ReceiptError::NotUnderstood { line, .. }) => "N".repeat(line as usize % 300),
            Err(ReceiptError::TooMany { .. }) => "T".to_owned(),
            Err(error) => panic!("{error}"),
        };
        let run = RunId::parse(RUN).unwrap();
        let _ = folder.list_one(&run);
        let past = Past::read(&folder, &run).is_ok();
        let pruned = folder.prune(Some(1), None).map_or(0, |pruned| pruned.removed.len());
        shape(&format!("{made}{}{}", if past { "P" } else { "" }, "R".repeat(pruned)))
    });
    assert!(inputs >= INPUTS_MIN);
}

#[test]
fn a_receipt_that_tells_of_more_messages_than_there_are_is_refused() {
    for (line, listed) in [("present", u64::MAX), ("remove", 0)] {
        let row = |uids: &str| match line {
            "remove" => format!(r#"{{"remove":{{"m":0,"why":"absent","uids":"{uids}"}}}}"#),
            _ => format!(r#"{{"present":{{"m":0,"uids":"{uids}"}}}}"#),
        };
        let mailbox = LINES[1].replace("\"listed\":20", &format!("\"listed\":{listed}"));
        let told = |uids: &str| {
            let lines = [LINES[0], &mailbox, &row(uids)].join("\n");
            let (_place, folder) = receipts(lines.as_bytes());
            read(&folder)
        };
        for too_many in [format!("1:{}", MESSAGES_MAX + 1), "1:4294967295".to_owned()] {
            let refused = told(&too_many);
            assert!(matches!(refused, Err(ReceiptError::TooMany { .. })), "{line}: {refused:?}");
        }
        let most = told(&format!("1:{MESSAGES_MAX}")).unwrap();
        let (removals, present) = if line == "remove" { (9, 0) } else { (0, MESSAGES_MAX) };
        assert_eq!((most.removals().take(9).count(), most.tally().present), (removals, present));
        // One message has one row.
        assert!(matches!(told("1:5,5"), Err(ReceiptError::NotUnderstood { line: 3, .. })));
    }
}

//! What goes wrong on this machine: full disks and bad files. Each is named with its path, the mail is
//! carried all the same, and the next run finds everything in order.
#![cfg(unix)]

use std::path::Path;
use std::sync::Arc;

use crate::pair::{Pair, fill};
use crate::world::disk::small_disk;
use crate::world::{Desk, Finished, Front};
use mailferry_testkit::sim::{AppendRequest, Date, Profile};

const FRONTS: [Front; 2] = [Front::Imapsync, Front::Mailferry];

fn ordinary() -> Pair {
    let pair = Pair::new(Profile::modern(), Profile::modern());
    fill(&pair.from, "INBOX", 1..30);
    fill(&pair.from, "Work", 100..120);
    pair
}

fn sync(pair: &Pair, desk: &Desk, front: Front) -> Finished {
    let options: &[&str] = if front == Front::Imapsync { &["--nolog"] } else { &[] };
    desk.finish(pair.within(desk, "exec \"$@\"", (front, "sync", options)))
}

#[test]
fn a_log_that_cannot_be_written_is_111_and_costs_no_mail() {
    let desk = Desk::new();
    let in_the_way = desk.file("in-the-way", "a file");
    let nowhere = in_the_way.join("LOG");
    for (directory, name) in [("/dev", "full"), (nowhere.to_str().unwrap(), "log.txt")] {
        if !Path::new("/dev/full").exists() {
            continue;
        }
        let pair = ordinary();
        let options = ["--logdir", directory, "--logfile", name];
        let run = desk.finish(pair.within(&desk, "exec \"$@\"", (Front::Imapsync, "", &options)));
        let run = run.expect(111);
        let path = format!("Log file {directory}/{name} cannot be written: ");
        assert_eq!(run.stdout.matches(&path).count(), 2, "{}", run.report());
        assert!(run.stdout.contains("\nDetected 1 errors\n"), "{}", run.report());
        assert!(run.stdout.contains("Exiting with return value 111"), "{}", run.report());
        pair.assert_complete();
        let run = sync(&pair, &desk, Front::Imapsync).expect(0);
        assert_eq!(run.transferred(), 0);
    }
}

#[test]
fn output_that_cannot_be_written_is_111_and_costs_no_mail() {
    if !Path::new("/dev/full").exists() {
        return;
    }
    for front in FRONTS {
        let (pair, desk) = (ordinary(), Desk::new());
        let options: &[&str] = if front == Front::Imapsync { &["--nolog"] } else { &["--json"] };
        let run =
            desk.finish(pair.within(&desk, "exec \"$@\" >/dev/full", (front, "sync", options)));
        let run = run.expect(111);
        assert!(
            run.stderr.contains("error: standard output could not be written: "),
            "{}",
            run.report()
        );
        pair.assert_complete();
        sync(&pair, &desk, front).expect(0);
        // Whoever reads only the beginning has seen enough.
        let shell = "\"$@\" | head -1; exit 0";
        desk.finish(pair.within(&desk, shell, (front, "sync", options))).expect(0);
    }
}

#[test]
fn a_state_folder_on_a_full_disk_is_told_of_and_costs_no_mail() {
    for front in FRONTS {
        for kibibytes in [0, 4, 24, 48] {
            let (pair, desk) = (ordinary(), Desk::new());
            let folder = desk.path().join("state");
            // 0: nothing can be written at all.
            let (room, then) = match kibibytes {
                0 => (64, format!("mount -o remount,ro '{}' &&", folder.display())),
                kibibytes => (kibibytes, String::new()),
            };
            let Some(shell) = small_disk(&folder, room, &then) else { return };
            let options: &[&str] = if front == Front::Imapsync { &["--nolog"] } else { &[] };
            let mut command = pair.within(&desk, &shell, (front, "sync", options));
            command.env("MAILFERRY_STATE_DIR", &folder);
            let run = desk.finish(command).expect(0);
            let notice = format!("{}/", folder.display());
            let told = run.text();
            let told = told.lines().find(|line| line.contains("notice: local state"));
            assert!(
                told.is_some_and(|line| line.contains(&notice)),
                "{kibibytes}: {}",
                run.report()
            );
            pair.assert_complete();
            sync(&pair, &desk, front).expect(0);
            pair.assert_complete();
        }
    }
}

#[test]
fn a_state_that_another_process_holds_is_told_of_and_costs_no_mail() {
    let (pair, desk) = (ordinary(), Desk::new());
    sync(&pair, &desk, Front::Mailferry).expect(0);
    let folder = desk.path().join("XDG_STATE_HOME").join("mailferry");
    let mut paths = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
    let lock = paths.find(|path| path.extension().is_some_and(|end| end == "lock")).unwrap();
    let held = std::fs::File::open(&lock).unwrap();
    held.lock().unwrap();
    fill(&pair.from, "Work", 200..210);
    let run = sync(&pair, &desk, Front::Mailferry).expect(0);
    let notice = format!("{}: another process holds this lock", lock.display());
    assert!(run.stderr.contains(&notice), "{}", run.report());
    pair.assert_complete();
    drop(held);
    let run = sync(&pair, &desk, Front::Mailferry).expect(0);
    assert!(!run.stderr.contains("notice"), "{}", run.report());
}

/// A target that refuses what has bare LFs, and poison for ever.
fn refusing() -> Profile {
    let refuse = |request: &AppendRequest<'_>| {
        let octets = request.octets;
        let bare = (1..octets.len()).any(|at| octets[at] == b'\n' && octets[at - 1] != b'\r');
        let poison = octets.windows(6).any(|window| window == b"poison");
        match (bare, poison) {
            (true, _) => Some("Message contains bare newlines".to_owned()),
            (_, true) => Some("No poison".to_owned()),
            _ => None,
        }
    };
    Profile { refuse: Some(Arc::new(refuse)), ..Profile::modern() }
}

fn bare_lf(name: &str, lines: usize) -> Vec<u8> {
    let line = format!("this is a line of {name}\n");
    [format!("Message-Id: <{name}@pair>\nSubject: {name}\n\n"), line.repeat(lines)]
        .concat()
        .into_bytes()
}

fn mended(octets: &[u8]) -> Vec<u8> {
    String::from_utf8(octets.to_vec()).unwrap().replace('\n', "\r\n").into_bytes()
}

/// What of the large one does not fit anywhere must not be taken for the message that is fetched next.
#[test]
fn a_message_under_repair_that_fits_nowhere_is_told_of_and_spoils_no_other() {
    // None of them goes in a batch: they are refused, and repaired, in the order that they have.
    let (small, large, other) =
        (bare_lf("small", 4000), bare_lf("large", 60_000), bare_lf("other", 5000));
    for front in FRONTS {
        for full in [false, true] {
            let (pair, desk) = (Pair::new(Profile::modern(), refusing()), Desk::new());
            fill(&pair.from, "INBOX", 1..10);
            for octets in [&small, &large, &other] {
                pair.from.append("INBOX", octets, &["\\Flagged"], Date::utc(1_600_000_000));
            }
            let folder = desk.path().join("spool");
            let shell = match full {
                true => small_disk(&folder, 256, ""),
                false => Some("exec \"$@\"".to_owned()),
            };
            let Some(shell) = shell else { return };
            let options: &[&str] = if front == Front::Imapsync { &["--nolog"] } else { &[] };
            let mut command = pair.within(&desk, &shell, (front, "sync", options));
            command.env("TMPDIR", &folder);
            let run = desk.finish(command).expect(114);
            let told = format!("no file could be written for it in {} (TMPDIR)", folder.display());
            assert!(run.text().contains(&told), "{}", run.report());
            let arrived = pair.to.messages("INBOX");
            assert_eq!(arrived.len(), 11, "{}", run.report());
            for octets in [&small, &other] {
                assert!(arrived.iter().any(|message| message.octets[..] == mended(octets)[..]));
            }
            // The next run has room.
            sync(&pair, &desk, front).expect(0);
            let arrived = pair.to.messages("INBOX");
            assert_eq!(arrived.len(), 12);
            assert!(arrived.iter().any(|message| message.octets[..] == mended(&large)[..]));
        }
    }
}

#[test]
fn a_quarantine_on_a_full_disk_is_told_of_and_the_next_run_keeps_the_message() {
    for front in FRONTS {
        let (pair, desk) = (Pair::new(Profile::modern(), refusing()), Desk::new());
        fill(&pair.from, "INBOX", 1..10);
        let poison =
            format!("Message-Id: <p@pair>\r\n\r\npoison\r\n{}", "0123456\r\n".repeat(10_000));
        pair.from.append("INBOX", poison.as_bytes(), &[], Date::utc(1_600_000_000));
        let folder = desk.path().join("data");
        let Some(shell) = small_disk(&folder, 32, "") else { return };
        let options: &[&str] = if front == Front::Imapsync { &["--nolog"] } else { &[] };
        let mut command = pair.within(&desk, &shell, (front, "sync", options));
        command.env("MAILFERRY_DATA_DIR", &folder);
        let run = desk.finish(command).expect(114);
        let told = format!("could not be kept aside: {}/quarantine/", folder.display());
        assert!(run.text().contains(&told), "{}", run.report());
        assert!(run.text().contains("the disk is full"), "{}", run.report());
        assert_eq!(pair.to.messages("INBOX").len(), 9);
        let run = sync(&pair, &desk, front).expect(114);
        assert!(run.text().contains("kept as"), "{}", run.report());
        assert_eq!(pair.to.messages("INBOX").len(), 9);
    }
}

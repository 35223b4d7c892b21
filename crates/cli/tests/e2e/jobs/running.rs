//! Jobs: written, judged, run, limited, and told of; and what goes wrong with them.
#![cfg(unix)]

use std::time::{Duration, Instant};

use crate::jobs::*;
use crate::world::disk::small_disk;
use crate::world::*;
use serde_json::Value;

#[test]
fn a_job_is_written_judged_run_told_of_and_taken_away() {
    let Some(world) = World::open() else { return };
    let (account, backup) = world.pair(Way::SlashToDot);
    furnish(&account);
    let desk = Desk::new();
    write_jobs(&desk, "# mine\n");
    let (from, to) = (account.url("imap"), backup.url("imap"));
    desk.file("here", &account.password);
    desk.file("there", &backup.password);
    let words = ["job", "add", "alice", "--set", "max-run-time=1h", "sync", &from, &to, "--mirror"];
    let secrets = ["--source-password-file", "here", "--target-password-command", "cat there"];
    let added = desk.mailferry(&[&words[..], &secrets].concat()).expect(0);
    assert!(added.stdout.contains("kind = \"backup\""), "{}", added.report());
    // Twice is refused, and changes nothing.
    let written = std::fs::read_to_string(jobs_file(&desk)).unwrap();
    assert!(written.starts_with("# mine\n") && written.contains(&added.stdout), "{written}");
    desk.mailferry(&[&words[..], &secrets].concat()).expect(64);
    assert_eq!(std::fs::read_to_string(jobs_file(&desk)).unwrap(), written);

    let check = desk.mailferry(&["job", "check"]).expect(0);
    assert_eq!(check.stdout, "job alice: good (backup)\n");
    let show = desk.mailferry(&["job", "show", "alice"]).expect(0);
    let file = format!("--source-password-file={}/here", desk.path().display());
    assert!(show.stdout.contains("mailferry sync --mirror ") && show.stdout.contains(&file));
    assert!(show.stdout.contains("max_run_time: 1h"), "{}", show.report());
    assert!(
        desk.mailferry(&["job", "list"]).expect(0).stdout.starts_with("alice  backup  imap://")
    );
    let never = desk.mailferry(&["job", "status", "--stale", "26h"]).expect(1);
    assert!(never.stdout.contains("it has never run") && never.stdout.contains("STALE"));

    let run = desk.mailferry(&["job", "run", "alice"]).expect(0);
    assert!(run.stdout.contains("job alice: good after "), "{}", run.report());
    assert_copied(&account.read(), &backup.read(), &Expect::exact());
    let told = status(&desk);
    assert_eq!((&told["state"], &told["job"]), (&"good".into(), &"alice".into()));
    let count = u64::from(u32::try_from(account.read().message_count()).unwrap());
    assert_eq!(told["last"]["counts"]["copied"], count);
    let receipt = told["last"]["receipt"].as_str().unwrap();
    desk.mailferry(&["runs", "show", receipt]).expect(0);
    desk.mailferry(&["job", "status", "alice", "--stale", "26h"]).expect(0);

    desk.mailferry(&["job", "remove", "alice"]).expect(0);
    assert_eq!(std::fs::read_to_string(jobs_file(&desk)).unwrap().trim(), "# mine");
    desk.mailferry(&["job", "run", "alice"]).expect(64);
}

#[test]
fn an_error_is_told_with_its_place_and_keeps_no_other_job_from_running() {
    let (pair, desk) = (ordinary(), Desk::new());
    let text = format!("{}\n{}", job(&pair, "bad", "max_delet = 3"), job(&pair, "good", ""));
    write_jobs(&desk, &text);
    let place = format!("{}:7:1: job `bad`: unknown key `max_delet`", jobs_file(&desk).display());
    for words in [&["job", "check"][..], &["job", "run", "bad"]] {
        let run = desk.mailferry(words).expect(64);
        assert!(run.stderr.contains(&place), "{}", run.report());
        assert!(run.stderr.contains("hint: did you mean `max_delete`?"), "{}", run.report());
    }
    assert_eq!(pair.to.messages("INBOX").len(), 0);
    desk.mailferry(&["job", "run", "bad", "good"]).expect(64);
    pair.assert_complete();

    write_jobs(&desk, "[job.a]\nsource_password = \"geheim\"\n");
    desk.mailferry(&["job", "check"]).expect(64).keeps_secret("geheim");
    write_jobs(&desk, "[job.a]\nsource_password = geheim\n");
    for words in [&["job", "check"][..], &["job", "run", "a"], &["job", "list"]] {
        let run = desk.mailferry(words).expect(64).keeps_secret("geheim");
        assert!(run.stderr.contains("jobs.toml:2:"), "{}", run.report());
    }
}

#[test]
fn a_timer_that_fires_twice_starts_one_run() {
    let (pair, slow, second) = (ordinary(), Desk::new(), Desk::new());
    write_jobs(&slow, &job(&pair, "a", "max_messages_per_second = 3"));
    let mut command = slow.command_of_ferry();
    command.args(["job", "run", "a"]);
    let mut first = slow.start(command);
    while pair.to.messages("INBOX").is_empty() && pair.to.messages("Work").is_empty() {
        assert_eq!(first.try_wait().unwrap(), None, "it ended with nothing copied");
        std::thread::sleep(Duration::from_millis(5));
    }
    let again = |words: &[&str]| {
        let mut command = second.command_of_ferry();
        for name in ["XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_DATA_HOME"] {
            command.env(name, slow.path().join(name));
        }
        command.args(words);
        second.finish(command)
    };
    let run = again(&["job", "run", "a"]).expect(75);
    assert!(run.stderr.contains("job `a`: it is running already"), "{}", run.report());
    let told = again(&["job", "status", "--json"]).expect(0).json_lines().remove(0);
    assert_eq!((&told["state"], &told["last"]["ended"]), (&"running".into(), &Value::Null));
    assert!(first.wait().unwrap().success(), "{}", slow.output("stderr"));
    pair.assert_complete();
    assert_eq!(status(&slow)["state"], "good");
    again(&["job", "run", "a"]).expect(0);
}

#[test]
fn a_run_ends_softly_when_its_time_is_over_and_the_next_one_goes_on() {
    let (pair, desk) = (ordinary(), Desk::new());
    write_jobs(&desk, &job(&pair, "a", "max_messages_per_second = 3\nmax_run_time = \"3s\""));
    let run = desk.mailferry(&["job", "run", "a"]).expect(123);
    assert!(run.stderr.contains("stopping after 3 s"), "{}", run.report());
    let copied = pair.to.messages("INBOX").len() + pair.to.messages("Work").len();
    assert!(copied < 49, "{copied}");
    let told = status(&desk);
    assert_eq!((&told["state"], &told["last"]["status"]), (&"failed".into(), &123.into()));
    assert!(told["last"]["words"][0].as_str().unwrap().contains("max_run_time"), "{told}");
    write_jobs(&desk, &job(&pair, "a", ""));
    desk.mailferry(&["job", "run", "a"]).expect(0);
    pair.assert_complete();
}

#[test]
fn a_target_that_is_not_there_is_102_and_is_written_down() {
    let (pair, desk) = (ordinary(), Desk::new());
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let text = job(&pair, "a", "").replace(&pair.target.addr().to_string(), &closed.to_string());
    write_jobs(&desk, &text);
    let run = desk.mailferry(&["job", "run", "a"]).expect(102);
    assert!(run.stdout.contains("job a: NOT good (status 102"), "{}", run.report());
    let told = desk.mailferry(&["job", "status"]).expect(0);
    assert!(told.stdout.contains("EXIT_CONNECTION_FAILURE_HOST2"), "{}", told.report());
    assert!(told.stdout.contains("last good run: none"), "{}", told.report());
    desk.mailferry(&["job", "status", "--stale", "1h"]).expect(1);
}

#[test]
fn a_secret_command_that_fails_or_hangs_is_64_and_says_which() {
    let (pair, desk) = (ordinary(), Desk::new());
    for (command, words) in
        [("exit 3", "`exit 3` failed"), ("sleep 60", "has not ended within 1 s")]
    {
        let text = job(&pair, "a", "secret_timeout = 1");
        let named = format!("source_password_command = \"{command}\"");
        write_jobs(&desk, &text.replace("source_password_command = \"echo x\"", &named));
        let began = Instant::now();
        let run = desk.mailferry(&["job", "run", "a"]).expect(64);
        assert!(began.elapsed() < Duration::from_secs(30));
        assert!(run.stderr.contains(words), "{}", run.report());
        let told = status(&desk);
        assert!(told["last"]["words"][0].as_str().unwrap().contains(words), "{told}");
    }
    assert_eq!(pair.to.messages("INBOX").len(), 0);
}

/// What was written down, changed.
fn change_record(desk: &Desk, change: impl FnOnce(&mut Value)) {
    let path = record_path(desk, "a");
    let mut record: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    change(&mut record);
    std::fs::write(path, record.to_string()).unwrap();
}

#[test]
fn a_run_of_the_future_is_said_to_be_so_and_counts_as_none() {
    let (pair, desk) = (ordinary(), Desk::new());
    write_jobs(&desk, &job(&pair, "a", ""));
    desk.mailferry(&["job", "run", "a"]).expect(0);
    // The clock was a year ahead when it ran.
    change_record(&desk, |record| {
        for place in ["/runs/0", "/good"] {
            let run = record.pointer_mut(place).unwrap();
            for moment in ["started", "ended"] {
                run[moment] = (run[moment].as_i64().unwrap() + 31_536_000).into();
            }
        }
    });
    let told = desk.mailferry(&["job", "status", "--stale", "26h"]).expect(1);
    assert!(told.stdout.contains("which has not come yet"), "{}", told.report());
    assert!(told.stdout.contains("last good run: none"), "{}", told.report());
    assert_eq!(status(&desk)["from_the_future"], true);
    let run = desk.mailferry(&["job", "run", "a"]).expect(0);
    assert!(run.stderr.contains("which has not come yet: the clock was wrong"), "{}", run.report());
    desk.mailferry(&["job", "status", "--stale", "26h"]).expect(0);
}

#[test]
fn a_killed_run_and_a_damaged_record_are_told_of_and_the_next_run_is_good() {
    let (pair, desk) = (ordinary(), Desk::new());
    write_jobs(&desk, &job(&pair, "a", "max_messages_per_second = 20"));
    let mut command = desk.command_of_ferry();
    command.args(["job", "run", "a"]);
    let mut run = desk.start(command);
    while pair.to.messages("INBOX").is_empty() && pair.to.messages("Work").is_empty() {
        std::thread::sleep(Duration::from_millis(5));
    }
    run.kill().unwrap();
    run.wait().unwrap();
    assert_eq!(status(&desk)["state"], "killed");
    write_jobs(&desk, &job(&pair, "a", ""));
    desk.mailferry(&["job", "run", "a"]).expect(0);
    pair.assert_complete();
    std::fs::write(record_path(&desk, "a"), "{ \"runs\"").unwrap();
    let told = desk.mailferry(&["job", "status", "--stale", "1h"]).expect(1);
    assert!(told.stdout.contains("record.json: it is damaged"), "{}", told.report());
    let run = desk.mailferry(&["job", "run", "a"]).expect(0);
    assert!(run.stderr.contains("what is known of earlier runs is lost"), "{}", run.report());
    desk.mailferry(&["job", "status", "--stale", "1h"]).expect(0);
}

#[test]
fn a_full_disk_under_the_record_is_111_and_costs_no_mail() {
    let (pair, desk) = (ordinary(), Desk::new());
    write_jobs(&desk, &job(&pair, "a", ""));
    let folder = desk.path().join("state");
    let fill = format!("dd if=/dev/zero of='{}/fill' 2>/dev/null;", folder.display());
    let Some(shell) = small_disk(&folder, 64, &fill) else { return };
    let mut command = desk.shell(&shell);
    command.args(["sh", env!("CARGO_BIN_EXE_mailferry"), "job", "run", "a"]);
    command.env("MAILFERRY_STATE_DIR", &folder);
    let run = desk.finish(command).expect(111);
    let told = format!("this run cannot be written down: {}/jobs/a/record.json", folder.display());
    assert!(run.stderr.contains(&told), "{}", run.report());
    assert!(run.stderr.contains("the disk is full"), "{}", run.report());
    pair.assert_complete();
    desk.mailferry(&["job", "run", "a"]).expect(0);
}

#[test]
fn a_line_of_imapsync_becomes_a_job_that_does_the_same() {
    let Some(world) = World::open() else { return };
    let (source, target) = world.pair(Way::SlashToDot);
    furnish(&source);
    let desk = Desk::new();
    let (here, there) = (desk.file("here", &source.password), desk.file("there", &target.password));
    let (from, to) = (source.imap_port().to_string(), target.imap_port().to_string());
    let line = [
        "--host1",
        "127.0.0.1",
        "--port1",
        &from,
        "--user1",
        &source.user,
        "--passfile1",
        here.to_str().unwrap(),
        "--host2",
        "127.0.0.1",
        "--port2",
        &to,
        "--user2",
        &target.user,
        "--passfile2",
        there.to_str().unwrap(),
        "--tls1",
        "--tls2",
        "--delete2",
        "--exclude",
        "^Drafts$",
        "--nosyncinternaldates",
    ];
    let explain = ["imapsync-explain", "--job", "old"];
    let refused = desk.mailferry(&[&explain[..], &line].concat()).expect(64);
    assert!(refused.stderr.contains("no job can say this: dates by the target's clock"));
    assert!(!jobs_file(&desk).exists());
    let made = desk.mailferry(&[&explain[..], &line[..line.len() - 1]].concat()).expect(0);
    assert!(made.stdout.contains("kind = \"presync\""), "{}", made.report());
    desk.mailferry(&["job", "run", "old"]).expect(0);
    let mut expected = source.read();
    expected.mailboxes.remove("Drafts");
    assert_copied(&expected, &target.read(), &Expect::exact());
}

//! Jobs are watched: pings, webhooks, commands, mail and metrics tell how each run went, and none of
//! them changes it.
#![cfg(unix)]

use std::path::Path;
use std::time::{Duration, Instant};

use crate::jobs::*;
use crate::pair::{Pair, fill};
use crate::world::listener::Listener;
use crate::world::*;
use mailferry_testkit::sim::Date;
use serde_json::Value;

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}

/// Takes messages out of a mailbox of the source.
fn shrink(pair: &Pair, mailbox: &str, count: usize) {
    for message in pair.from.messages(mailbox).iter().take(count) {
        assert!(pair.from.expunge(mailbox, message.uid));
    }
}

#[test]
fn start_success_and_failure_are_told_to_everybody() {
    let (pair, desk, listener) = (ordinary(), Desk::new(), Listener::answering(200));
    let (notes, mails) = (desk.path().join("notes"), desk.path().join("mails"));
    let script = format!(
        "echo \"$MAILFERRY_JOB $MAILFERRY_JOB_MOMENT [$MAILFERRY_JOB_STATUS] ${{MAILFERRY_SOURCE_PASSWORD-none}} \
         $(cat)\" >>{}",
        notes.display()
    );
    let sendmail =
        desk.file("sendmail", &format!("echo \"$@\" >>{0}; cat >>{0}\n", mails.display()));
    let more = format!(
        "ping = \"{}\"\nwebhook = \"{}\"\ncommand = '''{script}'''\nmail = \"ann@example.org\"\n\
         mail_command = \"sh {}\"\n",
        listener.url("secret-word"),
        listener.url("hook"),
        sendmail.display()
    );
    write_jobs(&desk, &job(&pair, "a", &more));
    let run = || {
        let mut command = desk.command_of_ferry();
        command.args(["job", "run", "a"]).env("MAILFERRY_SOURCE_PASSWORD", "geheim");
        desk.finish(command)
    };
    run().expect(0);
    let said = listener.take();
    let paths: Vec<&str> = said.iter().map(|said| &*said.path).collect();
    assert_eq!(paths, ["/secret-word/start", "/hook", "/secret-word", "/hook"]);
    assert!(said[2].body.starts_with("job a: good after "), "{}", said[2].body);
    assert!(said[2].body.contains("49 copied"), "{}", said[2].body);
    assert_eq!(said[3].content_type, "application/json");
    let hook: Value = serde_json::from_str(&said[3].body).unwrap();
    assert_eq!((&hook["event"], &hook["moment"]), (&"job-run".into(), &"success".into()));
    assert_eq!(hook["counts"]["copied"], 49);
    let noted = read(&notes);
    assert!(noted.starts_with("a start [] none {"), "{noted}");
    assert!(noted.contains("\na success [0] none {"), "{noted}");
    assert_eq!(read(&mails), "", "a good run is no news");

    // A run that fails, told to the same.
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let bad = job(&pair, "a", &more).replace(&pair.target.addr().to_string(), &closed.to_string());
    write_jobs(&desk, &bad);
    run().expect(102);
    let said = listener.take();
    assert_eq!(said[2].path, "/secret-word/fail");
    assert!(
        said[2].body.contains("status 102") && said[2].body.contains("target"),
        "{}",
        said[2].body
    );
    assert!(read(&notes).contains("\na failure [102] none {"));
    let mail = read(&mails);
    assert!(mail.starts_with("-i -- ann@example.org\nTo: ann@example.org\n"), "{mail}");
    assert!(mail.contains("\nSubject: mailferry: job a is NOT good\n"), "{mail}");
    assert!(!mail.contains("geheim"), "{mail}");
}

#[test]
fn a_job_that_cannot_be_run_tells_so_where_it_can() {
    let (pair, desk, listener) = (ordinary(), Desk::new(), Listener::answering(200));
    let ping = format!("ping = \"{}\"", listener.url("p"));
    write_jobs(&desk, &job(&pair, "a", &format!("{ping}\nmax_delet = 3")));
    desk.mailferry(&["job", "run", "a"]).expect(64);
    let said = listener.take();
    assert_eq!(said.len(), 1);
    assert_eq!(said[0].path, "/p/fail");
    assert!(said[0].body.contains("jobs.toml:8:1") && said[0].body.contains("max_delet"));

    for command in ["exit 3", "sleep 60"] {
        let named = format!("source_password_command = \"{command}\"");
        let text = job(&pair, "a", &format!("{ping}\nsecret_timeout = 1"));
        write_jobs(&desk, &text.replace("source_password_command = \"echo x\"", &named));
        desk.mailferry(&["job", "run", "a"]).expect(64);
        let said = listener.take();
        assert_eq!((&*said[0].path, &*said[1].path), ("/p/start", "/p/fail"));
        assert!(said[1].body.contains(&format!("`{command}`")), "{}", said[1].body);
    }
}

#[test]
fn a_second_start_says_nothing_about_the_run_at_work() {
    let (pair, desk, listener) = (ordinary(), Desk::new(), Listener::answering(200));
    let ping = format!("ping = \"{}\"", listener.url("p"));
    write_jobs(&desk, &job(&pair, "a", &format!("{ping}\nmax_messages_per_second = 10")));
    let mut command = desk.command_of_ferry();
    command.args(["job", "run", "a"]);
    let mut first = desk.start(command);
    while pair.to.messages("INBOX").is_empty() && pair.to.messages("Work").is_empty() {
        std::thread::sleep(Duration::from_millis(5));
    }
    let second = Desk::new();
    let mut command = second.command_of_ferry();
    command.args(["job", "run", "a"]);
    for name in ["XDG_CONFIG_HOME", "XDG_STATE_HOME"] {
        command.env(name, desk.path().join(name));
    }
    second.finish(command).expect(75);
    assert!(first.wait().unwrap().success());
    assert_eq!(listener.take_paths(), ["/p/start", "/p/log", "/p"]);
}

#[test]
fn watchers_that_fail_are_said_to_and_change_nothing() {
    let (pair, desk, refusing) = (ordinary(), Desk::new(), Listener::answering(500));
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let more = format!(
        "ping = \"http://{nobody}/secret-word\"\nwebhook = \"{}\"\ncommand = \"sleep 60\"\n\
         command_timeout = \"1s\"\nmail = \"ann\"\nmail_on = \"always\"\nmail_command = \"exit 7;\"\n\
         metrics = \"{}/nowhere/x.prom\"",
        refusing.url("hook-word"),
        desk.path().display()
    );
    write_jobs(&desk, &job(&pair, "a", &more));
    let began = Instant::now();
    let run = desk.mailferry(&["job", "run", "a"]).expect(0);
    assert!(began.elapsed() < Duration::from_secs(40));
    pair.assert_complete();
    for words in [
        "notice: ping could not be told: http://127.0.0.1:",
        "notice: webhook could not be told: http://127.0.0.1:",
        "it answers 500",
        "notice: command could not be told: it has not ended within 1 s",
        "notice: mail could not be told: it failed",
        "nowhere/x.prom cannot be written",
    ] {
        assert!(run.stderr.contains(words), "{words}: {}", run.report());
    }
    for secret in ["secret-word", "hook-word"] {
        assert!(!run.text().contains(secret), "{}", run.report());
    }
    let told = status(&desk);
    assert_eq!(told["state"], "good");
    assert!(told["last"]["words"].to_string().contains("ping could not be told"), "{told}");
}

#[test]
fn a_guard_that_objects_and_a_message_that_is_kept_aside_are_failures() {
    let (pair, desk, listener) = (ordinary(), Desk::new(), Listener::answering(200));
    let ping = format!("ping = \"{}\"", listener.url("p"));
    let mirror = job(&pair, "a", &ping).replace("\"transfer\"", "\"backup\"");
    write_jobs(&desk, &mirror);
    desk.mailferry(&["job", "run", "a"]).expect(0);
    for mailbox in ["INBOX", "Work"] {
        shrink(&pair, mailbox, usize::MAX);
    }
    desk.mailferry(&["job", "run", "a"]).expect(121);
    let said = listener.take();
    assert_eq!(said[3].path, "/p/fail");
    assert!(said[3].body.contains("status 121"), "{}", said[3].body);
    // What the guard said.
    assert!(said[3].body.lines().count() > 1, "{}", said[3].body);
    assert_eq!(pair.to.messages("INBOX").len(), 29);

    let (pair, desk) = (refusing_poison(), Desk::new());
    pair.from.append(
        "INBOX",
        b"Message-Id: <p@x>\r\n\r\npoison\r\n",
        &[],
        Date::utc(1_600_000_000),
    );
    write_jobs(&desk, &job(&pair, "a", &ping));
    desk.mailferry(&["job", "run", "a"]).expect(114);
    let said = listener.take();
    assert_eq!(said[1].path, "/p/fail");
    assert!(said[1].body.contains("1 kept aside"), "{}", said[1].body);
}

#[test]
fn a_source_that_shrank_is_told_of_once_and_its_limit_can_be_set() {
    let (pair, desk, listener) = (ordinary(), Desk::new(), Listener::answering(200));
    let ping = format!("ping = \"{}\"", listener.url("p"));
    fill(&pair.from, "INBOX", 200..300);
    write_jobs(&desk, &job(&pair, "a", &ping));
    desk.mailferry(&["job", "run", "a"]).expect(0);
    // 149, then 109.
    shrink(&pair, "INBOX", 40);
    let run = desk.mailferry(&["job", "run", "a"]).expect(111);
    assert!(run.stdout.contains("the source shrank from 149 messages to 109"), "{}", run.report());
    assert_eq!(listener.take_paths(), ["/p/start", "/p", "/p/start", "/p/fail"]);
    assert_eq!(status(&desk)["state"], "failed");
    desk.mailferry(&["job", "run", "a"]).expect(0);
    write_jobs(&desk, &job(&pair, "a", &format!("{ping}\nshrink_max = \"50%\"")));
    shrink(&pair, "INBOX", 30);
    desk.mailferry(&["job", "run", "a"]).expect(0);
}

#[test]
fn metrics_are_written_whole_and_hold_what_happened() {
    let (pair, desk) = (ordinary(), Desk::new());
    let path = desk.path().join("a.prom");
    write_jobs(&desk, &job(&pair, "a", &format!("metrics = \"{}\"", path.display())));
    desk.mailferry(&["job", "run", "a"]).expect(0);
    let text = read(&path);
    let value = |name: &str| -> f64 {
        let line = text.lines().find(|line| line.starts_with(&format!("mailferry_job_{name}")));
        line.unwrap_or_else(|| panic!("no {name}: {text}"))
            .rsplit(' ')
            .next()
            .unwrap()
            .parse()
            .unwrap()
    };
    assert_eq!(value("last_run_messages{job_name=\"a\",fate=\"copied\"}"), 49.0);
    assert_eq!(value("last_run_good{"), 1.0);
    let good = value("last_success_timestamp_seconds{");
    let octets: usize = ["INBOX", "Work"]
        .iter()
        .flat_map(|name| pair.from.messages(name))
        .map(|message| message.octets.len())
        .sum();
    assert_eq!(value("last_run_copied_bytes{") as usize, octets);
    use std::os::unix::fs::PermissionsExt as _;
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o644);

    // A bad run keeps the moment of the good one.
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let text = job(&pair, "a", &format!("metrics = \"{}\"", path.display()));
    write_jobs(&desk, &text.replace(&pair.target.addr().to_string(), &closed.to_string()));
    desk.mailferry(&["job", "run", "a"]).expect(102);
    let text = read(&path);
    assert!(text.contains("mailferry_job_last_run_status{job_name=\"a\"} 102\n"), "{text}");
    assert!(text.contains(&format!("last_success_timestamp_seconds{{job_name=\"a\"}} {good}\n")));
    let left: Vec<_> = std::fs::read_dir(desk.path()).unwrap().flatten().collect();
    assert!(!left.iter().any(|entry| entry.file_name().to_string_lossy().starts_with(".tmp")));
}

#[test]
fn what_is_left_of_the_quota_is_told_where_there_is_one_and_metrics_are_kept() {
    let limited = Setup { quota_messages: Some(20), ..Setup::new(Layout::Slash) };
    let (Some(world), Some(limited)) = (World::open(), server(&limited)) else { return };
    let desk = Desk::new();
    let source = Place::new(&world.dot, "from");
    source.put("INBOX", &mails("quota", 6));
    let metrics = desk.path().join("a.prom");
    let run = |target: &Place<'_>, more: &str| {
        let secret = |name: &str, place: &Place<'_>| desk.file(name, &place.password);
        let (here, there) = (secret("here", &source), secret("there", target));
        let (from, to) = (source.url("imap"), target.url("imap"));
        let text = format!(
            "[job.a]\nkind = \"backup\"\nsource = \"{from}\"\ntarget = \"{to}\"\n\
             source_password_file = \"{}\"\ntarget_password_file = \"{}\"\n{more}\n",
            here.display(),
            there.display()
        );
        write_jobs(&desk, &text);
        desk.mailferry(&["job", "run", "a"]).expect(0);
        status(&desk)["last"]["quota_left"].clone()
    };
    let watched = format!("metrics = \"{}\"", metrics.display());
    let target = Place::new(&limited, "to");
    assert_eq!(run(&target, ""), Value::Null, "nobody asked");
    source.put("INBOX", &mails("more", 2));
    let left = run(&target, &watched);
    assert_eq!((&left["messages"], &left["octets"]), (&12.into(), &Value::Null));
    let gauge = "mailferry_job_target_quota_left_messages{job_name=\"a\"} 12\n";
    assert!(read(&metrics).contains(gauge), "{}", read(&metrics));
    assert!(!read(&metrics).contains("quota_left_bytes"), "{}", read(&metrics));
    let told = desk.mailferry(&["job", "status"]).expect(0);
    assert!(told.stdout.contains("room left on the target: 12 messages"), "{}", told.report());
    // After what a run takes away.
    source.probe().remove("INBOX", &[1, 2, 3]).unwrap();
    assert_eq!(run(&target, &watched)["messages"], 15);
    // A server without quotas is not asked for one.
    let left = run(&Place::new(&world.slash, "to"), &watched);
    assert_eq!((&left["messages"], &left["octets"]), (&Value::Null, &Value::Null));
    assert!(!read(&metrics).contains("quota_left"), "{}", read(&metrics));
}
